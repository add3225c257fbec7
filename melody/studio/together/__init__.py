"""Playing together on the page: what is played comes in, what the model is about to play goes out before it sounds."""
