"""What the model reads of events besides their tokens: a table of it, computed for whole pieces and event by event."""
