"""Notation and music21: the only importer of music21 and verovio."""
