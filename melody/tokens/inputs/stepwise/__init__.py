"""What a model reads of music, event by event as it comes: of one piece in plain numbers, of several as arrays."""
