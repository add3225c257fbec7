"""Stage 1: which files there are in a folder, in its folders and in its archives."""
