"""Stage 4: which pieces are copies, and which are versions of one another."""
