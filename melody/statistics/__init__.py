"""Numbers about pieces: form, closes, part-writing. One definition each, for measuring, ranking and reports.

Conventions: a function takes a `Piece` and gives a number or a truth value, or NaN where the question makes no sense for
that piece, such as whether bars 5 and 6 are bars 1 and 2 again where there are only four. Shares are from 0 to 1.
"""
