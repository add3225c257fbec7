"""What a user sees and sends to a friend: the piano roll (`roll`) and the page of a run (`page`)."""
