"""MIDI files <-> `Piece` <-> `pretty_midi.PrettyMIDI`.

Conventions
-----------
Standard MIDI Files 1.0 (RP-001), formats 0, 1 and 2, also wrapped as RIFF RMID. symusic reads what is whole; what it would
refuse, lose or misread is read once more by a slower reader of our own (`salvage`), which keeps what can be kept. How the
two cases are distinguished is a law of conservation, stated in `reading`.

Reading snaps every onset and end to the nearest tick of the piece's grid and says how far it had to move them; whatever
else had to be changed to make the file legal is reported in `Reading.repairs`. No note, tempo, metre or key is changed in
silence. Controllers, pitch bends, lyrics and tracks without notes are left out: a piece is notes. What is needed to play a
file as it says comes beside its piece, as a `Performance`.

One part is read for each track, channel and program; one track is written for each part. What a piece does not hold is
kept by `splice`, which exchanges the notes of one part in the bytes of a file.
"""

from melody.midi.channel import Place
from melody.midi.performance import Performance, Performed, parse_performed, read_performed
from melody.midi.pretty import from_pretty_midi, to_pretty_midi
from melody.midi.read_limits import ReadLimits
from melody.midi.reading import SUFFIXES, Reading, bytes_of, parse, read, read_file, scan
from melody.midi.splicing import Spliced, annotated, places, replace_part, splice
from melody.midi.writing import to_bytes, write

__all__ = [
    "SUFFIXES",
    "Performance",
    "Performed",
    "Place",
    "ReadLimits",
    "Reading",
    "Spliced",
    "annotated",
    "bytes_of",
    "from_pretty_midi",
    "parse",
    "parse_performed",
    "places",
    "read",
    "read_file",
    "read_performed",
    "replace_part",
    "scan",
    "splice",
    "to_bytes",
    "to_pretty_midi",
    "write",
]
