"""Stage 2: bytes -> pieces: the grid of the corpus, and which parts of a piece are taken. Many files at once: `bulk`."""
