"""What may come next: masks over the next event, from the grammar, from the user, from what is observed around it."""
