"""A look inside a network, drawn: a picture, and a page in which each note can be clicked."""
