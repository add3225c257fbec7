"""Stage 7: one file with tokens, verdicts and splits, written once and read piece by piece."""
