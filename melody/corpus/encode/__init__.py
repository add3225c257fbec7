"""Stage 6: pieces -> tokens, when all pieces have decided the vocabulary."""
