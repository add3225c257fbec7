"""What new music keeps to of its outline: who plays, when, how, and the close."""
