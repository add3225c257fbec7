"""Stage 3: a verdict on each file by itself, chunk by chunk, here or in other processes."""
