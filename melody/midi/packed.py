"""A whole file's notes as symusic holds them in memory, for whoever reads many files at once.

Every NumPy call costs as much as some hundred notes, and `notes.numpy()` makes four of them a track. What symusic writes
when a list is pickled is the list's own memory in one copy: a count of 4 bytes, then a record of `RECORD` bytes a note,
whose last two bytes mean nothing. That is not in symusic's manual; so it is tried out once, on events of known values,
and where it is not so, the same records are made of what the manual promises.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from melody.midi.source import END, PART, PITCH, START, VELOCITY, Source
from melody.piece import Ints, Part

RECORD = 12
NOTE = np.dtype(
    {
        "names": ["time", "duration", "pitch", "velocity"],
        "formats": ["<i4", "<i4", "u1", "u1"],
        "offsets": [0, 4, 8, 9],
        "itemsize": RECORD,
    }
)
_LARGEST = 2**31 - 1
_TIME, _TEMPO, _KEY = struct.Struct("<iBBxx"), struct.Struct("<ii"), struct.Struct("<ibbxx")


class PackedSource(NamedTuple):
    """A file's own events like `Source`, its notes in one string of bytes.

    Parameters
    ----------
    end
        A tick at or after the last of all events.
    records
        A `NOTE` for each note, part by part.
    sizes
        Number of notes of each part.
    """

    ticks_per_quarter: int
    end: int
    records: bytes
    sizes: Sequence[int]
    parts: Sequence[Part]
    time_signatures: Sequence[tuple[int, int, int]] = ()
    tempi: Sequence[tuple[int, int]] = ()
    keys: Sequence[tuple[int, int, int]] = ()
    title: str = ""
    texts: tuple[str, ...] = ()

    @property
    def num_notes(self) -> int:
        """Number of notes."""
        return len(self.records) // RECORD

    def unpacked(self) -> Source:
        """The same with columns."""
        return Source(
            self.ticks_per_quarter, self._columns(), self.parts, self.time_signatures, self.tempi, self.keys, self.title,
            self.texts,
        )  # fmt: skip

    def _columns(self) -> Ints:
        held = np.frombuffer(self.records, NOTE)
        table = np.empty((5, len(held)), np.int64)
        for row, name in ((START, "time"), (END, "duration"), (PITCH, "pitch"), (VELOCITY, "velocity")):
            table[row] = held[name]
        table[END] += table[START]
        table[PART] = np.repeat(np.arange(len(self.sizes)), self.sizes)
        return table


def packed(source: Source) -> PackedSource | None:
    """The same with its notes packed; None if records cannot hold them."""
    notes = source.notes[:, np.argsort(source.notes[PART], kind="stable")]
    duration = notes[END] - notes[START]
    numbers = np.stack([notes[START], np.abs(duration), notes[PITCH] << 23, notes[VELOCITY] << 23])
    if numbers.min(initial=0) < 0 or numbers.max(initial=0) > _LARGEST:
        return None
    held = np.zeros(notes.shape[1], NOTE)
    held["time"], held["duration"], held["pitch"], held["velocity"] = notes[START], duration, notes[PITCH], notes[VELOCITY]
    sizes = np.bincount(notes[PART], minlength=len(source.parts)).tolist()
    end = max([int(notes[END].max(initial=0)), *[e[0] for e in (*source.time_signatures, *source.tempi, *source.keys)]])
    frame = (tuple(source.time_signatures), tuple(source.tempi), tuple(source.keys), source.title, source.texts)
    return PackedSource(source.ticks_per_quarter, end, held.tobytes(), sizes, source.parts, *frame)


def unpacked(source: Source | PackedSource) -> Source:
    """The source with columns, whatever it comes as."""
    return source.unpacked() if isinstance(source, PackedSource) else source


# From symusic's lists


def records(notes: Any) -> bytes:
    """A symusic list of notes as `NOTE` records."""
    if layout_is_known():
        return notes.__getstate__()[4:]
    columns = notes.numpy()
    held = np.zeros(len(columns["time"]), NOTE)
    for name in NOTE.names or ():
        held[name] = columns[name]
    return held.tobytes()


Changes = tuple[tuple[tuple[int, int, int], ...], tuple[tuple[int, int], ...], tuple[tuple[int, int, int], ...]]


def changes(score: Any) -> Changes:
    """Time signatures, tempi and keys of a symusic score, as in `Source`."""
    times, tempi, keys = score.time_signatures, score.tempos, score.key_signatures
    if layout_is_known():
        return (
            tuple(_TIME.iter_unpack(times.__getstate__()[4:])),
            tuple(_TEMPO.iter_unpack(tempi.__getstate__()[4:])),
            tuple(_KEY.iter_unpack(keys.__getstate__()[4:])),
        )
    return (
        tuple((t.time, t.numerator, t.denominator) for t in times),
        tuple((t.time, t.mspq) for t in tempi),
        tuple((k.time, k.key, k.tonality) for k in keys),
    )


@lru_cache(maxsize=1)
def layout_is_known() -> bool:
    """Whether symusic's lists write themselves as described above."""
    import symusic

    score, track = symusic.Score(480), symusic.Track()
    try:
        for note in ((2**24 + 5, 2**31 - 2**25, 127, 1), (1, 0, 0, 127)):
            track.notes.append(symusic.Note(*note))
        score.time_signatures.append(symusic.TimeSignature(2**24 + 5, 255, 64))
        score.tempos.append(symusic.Tempo(2**24 + 5, 96))
        score.key_signatures.append(symusic.KeySignature(2**24 + 5, -7, 1))
        lists = (track.notes, score.time_signatures, score.tempos, score.key_signatures)
        counts, rows = zip(*((s[:4], s[4:]) for s in (one.__getstate__() for one in lists)))
        return (
            counts == (b"\2\0\0\0", *[b"\1\0\0\0"] * 3)
            and np.frombuffer(rows[0], NOTE).tolist() == [(2**24 + 5, 2**31 - 2**25, 127, 1), (1, 0, 0, 127)]
            and [*_TIME.iter_unpack(rows[1])] == [(2**24 + 5, 255, 64)]
            and [*_TEMPO.iter_unpack(rows[2])] == [(2**24 + 5, 625_000)]
            and [*_KEY.iter_unpack(rows[3])] == [(2**24 + 5, -7, 1)]
        )
    except Exception:  # whatever another symusic does
        return False
