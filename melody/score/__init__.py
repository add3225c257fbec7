"""Notation: files of scores and typed notes to `Piece`, and `Piece` to the page. The only importer of music21 and verovio.

The formats have a folder each (`abc`, `musicxml`) or a module (`kern`); `formats` is their table, `score_files` the way in
and `engraving` the way out. What a page shows is decided once, in `notation`, for all formats that are written.
"""
