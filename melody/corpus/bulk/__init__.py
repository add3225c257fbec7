"""Many MIDI files at once: fast twins of plain functions, fenced in here because they are hard to read.

Taken file by file, Python and NumPy cost several times what symusic's parsing does: every NumPy call costs as much as some
hundred notes. So here a few hundred files go through together, in three steps:

=============  ==================================================================  =================================
module         what it does                                                        its readable twin
=============  ==================================================================  =================================
`glance`       finds out from the raw bytes whether a parser would lose anything   `melody.midi.reading` (docstring)
`states`       takes all notes of a symusic score out of its pickled bytes         `melody.midi.reading.scan`
`parsing`      both, for many files: what each of them holds, or why not           `readable.parse_each`
`columns`      snaps, checks and sorts the notes of many files in one pass         `readable.events_of_each`
=============  ==================================================================  =================================

Only what needs no repair goes this way; every other file is read by the twin, whose word is law: tests/test_bulk.py holds
the two against each other on random, damaged and strange files. Where a new symusic pickles its scores in another way,
`states.layout_is_known` notices, and everything is read by the twins. Nothing outside of this folder knows how it is done.
"""

from melody.corpus.bulk.columns import batched, gathered, read_together
from melody.corpus.bulk.parsing import parse_many
from melody.corpus.bulk.states import PackedSource, packed, unpacked

__all__ = ["PackedSource", "batched", "gathered", "packed", "parse_many", "read_together", "unpacked"]
