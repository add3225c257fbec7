"""What can be found out about many files from the bytes of all of them at once, before any is parsed.

The tracks, the meta and system exclusive events, and how many bytes below 128 those leave for channel messages: what
`reading` finds out about one file, in a few NumPy passes over some hundred. Only what can be read in one way is seen; a
file with anything else in it is not `plain`, and has to be looked at alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.midi.chunks import EXCLUSIVE, EXCLUSIVE_END, LENGTHS, LIKELY, META, NAME, TEXT, TRACK_END
from melody.piece import Ints

MOST_TRACKS = 64  # of a plain file: the first tracks of all files are found together, then the second, and so on
_AHEAD = 512  # bytes behind all files, a multiple of 8: whoever looks ahead stays within the array
_PADS = [b"\x80" * (8 + -size % 8) for size in range(8)]
_HEAD = np.frombuffer(b"MThd\0\0\0\6", np.uint8)
_TRACK = np.frombuffer(b"MTrk", np.uint8)
_BIG_ENDIAN = np.array([1 << 24, 1 << 16, 1 << 8, 1])
_1, _2, _3 = np.arange(1, 4, dtype=np.uint64)
_HIGHEST = np.uint64(0x8080808080808080)
_IN_EACH_BYTE = np.uint64(0x0101010101010101)
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Bools = NDArray[np.bool_]


class Tracks(NamedTuple):
    """Tracks of plain files, in their order: the file of each, and where its events begin and end, (tracks,)."""

    file: Ints
    begin: Ints
    end: Ints


class Events(NamedTuple):
    """Meta and system exclusive events of some tracks, in their order, (events,).

    Parameters
    ----------
    track
        Of each.
    start, first, end
        Where it starts after its delta time, where its data begin, where they end.
    kind
        Of a meta event; `EXCLUSIVE` for a system exclusive one.
    before
        Where the event before it ends, or the track begins.
    """

    track: Ints
    start: Ints
    first: Ints
    end: Ints
    kind: Ints
    before: Ints


@dataclass(frozen=True)
class Glance:
    """Some files, their bytes in one array.

    Parameters
    ----------
    data
        The bytes of all: each file from a multiple of 8 on, and bytes of 128 between them.
    start, size
        Where each file begins, and its number of bytes, (files,).
    """

    data: Bytes
    start: Ints
    size: Ints

    @classmethod
    def at(cls, contents: Sequence[bytes]) -> Glance:
        """At the bytes of some files."""
        pieces: list[bytes] = []
        for content in contents:
            pieces += (content, _PADS[len(content) & 7])
        pieces.append(b"\x80" * _AHEAD)
        size = np.array([len(content) for content in contents])
        padded = size + 8 + -size % 8
        return cls(np.frombuffer(b"".join(pieces), np.uint8), np.cumsum(padded) - padded, size)

    @cached_property
    def plain(self) -> Bools:
        """Of which files all that stands here is true, (files,)."""
        tracks, events, good = self._tracks, self._events, self._are_plain
        ended = np.bincount(events.track[good & (events.kind == TRACK_END)], minlength=len(tracks.file)) == 1
        ended[events.track[~good]] = False
        plain = self._framed.copy()
        plain[tracks.file[~ended]] = False
        return plain

    @cached_property
    def messages(self) -> Ints:
        """How many bytes below 128 there are in each file besides those of chunks, meta and exclusive events, (files,)."""
        events, high = self._events, self._high
        theirs = 2 + (events.kind != EXCLUSIVE) + (events.end - events.first - high)  # delta time, kind, length, data
        file = self._tracks.file[events.track]
        return self._low - np.bincount(file, theirs, len(self.size)).astype(np.int64)

    @cached_property
    def programs(self) -> Ints:
        """How many changes of program and pressures of a channel there are in each file, (files,).

        A status and one data byte, then a delta time, then another status. Where a byte from C0 to DF belongs to a delta
        time instead, its last byte, a status and two bytes below 128 follow, or its last byte, two bytes below 128 and more.
        """
        data, tracks, events = self.data, self._tracks, self._events
        at = self._where(lambda words: words & words << _1 & ~(words << _2))
        track = np.searchsorted(tracks.begin, at, "right") - 1
        at = at[(track >= 0) & (at < tracks.end[track])]
        event = np.searchsorted(events.start, at, "right") - 1
        at = at[(event < 0) | (at >= events.end[event])]
        high = data[at[:, None] + np.arange(1, 7)] >= 128  # the six bytes behind
        one, two, three, four, five, six = high.T
        delta = np.where(~two, three, np.where(~three, four, np.where(~four, five, ~five & six)))
        file = tracks.file[np.searchsorted(tracks.begin, at, "right") - 1]
        return np.bincount(file[~one & delta], minlength=len(self.size))

    def heads(self) -> dict[int, list[tuple[bool, int, bytes]]]:
        """Kind and data of the names and texts at the beginning of the first track, of each file where one is not empty."""
        tracks, events = self._tracks, self._events
        # Nothing but a delta time of 0 stands before each event of the head.
        later = np.cumsum((events.start != events.before + 1) | (self.data[events.before] != 0))
        before = np.append(0, later)[np.searchsorted(events.track, np.arange(len(tracks.file)))]
        use = (events.kind == NAME) | (events.kind == TEXT)
        use &= _new(tracks.file)[events.track] & (later == before[events.track])
        file = tracks.file[events.track]
        use &= np.bincount(file[use & (events.end > events.first)], minlength=len(self.size))[file] > 0
        columns = (file[use], events.kind[use], events.first[use], events.end[use])
        heads: dict[int, list[tuple[bool, int, bytes]]] = {}
        for file, kind, first, end in zip(*[column.tolist() for column in columns]):
            heads.setdefault(file, []).append((True, kind, self.data[first:end].tobytes()))
        return heads

    @cached_property
    def _walked(self) -> tuple[Tracks, Bools, Ints]:
        """The tracks; which files are a header and as many tracks as it counts; bytes below 128 in these chunks' heads."""
        data, ends, at = self.data, self.start + self.size, self.start + 14
        head = data[self.start[:, None] + np.arange(14)]
        form, count, division = np.ascontiguousarray(head[:, 8:]).view(">u2").astype(np.int64).T
        framed = (head[:, :8] == _HEAD).all(1) & (form < 2) & (count > 0) & (count <= MOST_TRACKS)
        framed &= (division > 0) & (division < 1 << 15)
        low = np.count_nonzero(head < 128, axis=1)
        left, found = np.flatnonzero(framed), []
        for number in range(MOST_TRACKS):
            left = left[count[left] > number]
            if not len(left):
                break
            chunk = data[at[left, None] + np.arange(8)]
            begin = at[left] + 8
            end = begin + chunk[:, 4:] @ _BIG_ENDIAN
            good = (chunk[:, :4] == _TRACK).all(1) & (end <= ends[left])
            low[left] += np.count_nonzero(chunk < 128, axis=1)
            framed[left[~good]] = False
            left, begin, end = left[good], begin[good], end[good]
            at[left] = end
            found.append(np.stack([left, begin, end]))
        framed &= at == ends
        tracks = np.concatenate([np.zeros((3, 0), np.int64), *found], 1)
        tracks = tracks[:, framed[tracks[0]]]
        return Tracks(*tracks[:, np.argsort(tracks[1], kind="stable")]), framed, low

    @property
    def _tracks(self) -> Tracks:
        return self._walked[0]

    @property
    def _framed(self) -> Bools:
        return self._walked[1]

    @cached_property
    def _low(self) -> Ints:
        """Bytes below 128 in each file, but those of a header and the heads of tracks, (files,)."""
        high = self._words >> np.uint64(7)
        high &= _IN_EACH_BYTE
        high *= _IN_EACH_BYTE  # adds up the eight bytes in the highest
        high >>= np.uint64(56)
        edges = np.append(self.start, len(self.data) - _AHEAD) >> 3
        return 8 * np.diff(edges) - np.add.reduceat(high.view(np.int64), edges)[:-1] - self._walked[2]

    @cached_property
    def _words(self) -> Words:
        """The bytes, eight at a time."""
        return self.data.view("<u8")

    def _where(self, marked: Callable[[Words], Words]) -> Ints:
        """The places of the bytes whose highest bit is set in what `marked` makes of words.

        Shifted left by up to seven, a word has in the highest bit of each byte a lower bit of the same byte.
        """
        words = marked(self._words) & _HIGHEST
        word = np.flatnonzero(words != 0)
        byte = np.flatnonzero(words[word].view(np.uint8) != 0)
        places: Ints = 8 * word[byte >> 3] + (byte & 7)
        return places

    @cached_property
    def _events(self) -> Events:
        """Every byte in a track that may begin an event of these kinds, taken as if it did, but for those within another."""
        data, tracks = self.data, self._tracks
        start = self._where(lambda words: words & words << _1 & words << _2 & words << _3)  # from F0 up
        start = start[(data[start] == EXCLUSIVE) | (data[start] == META)]
        track = np.searchsorted(tracks.begin, start, "right") - 1
        inside = (track >= 0) & (start < np.append(tracks.end, 0)[track])
        start, track = start[inside], track[inside]
        first, end = self._data_of(start)
        within = np.zeros(len(start), bool)
        within[1:] = start[1:] < end[:-1]
        within[1:] &= ~within[:-1]
        if within.any():
            start, track, first, end = (column[~within] for column in (start, track, first, end))
        kind = np.where(data[start] == META, data[start + 1], EXCLUSIVE)
        before = np.append(0, end)[:-1]
        new = _new(track)
        before[new] = tracks.begin[track[new]]
        return Events(track, start, first, end, kind, before)

    def _data_of(self, start: Ints) -> tuple[Ints, Ints]:
        """Where the data of the events begin and end, if they are less than 128 bytes."""
        first = start + 2 + (self.data[start] == META)
        return first, first + self.data[first - 1]

    @cached_property
    def _high(self) -> Ints:
        """Bytes from 128 up among the data of each event, (events,)."""
        events = self._events
        size = events.end - events.first
        owner = np.repeat(np.arange(len(size)), size)
        at = np.arange(len(owner)) + np.repeat(events.first - (np.cumsum(size) - size), size)
        return np.bincount(owner[self.data[at] >= 128], minlength=len(size))

    @cached_property
    def _are_plain(self) -> Bools:
        """Which events are what they were taken for, whole, not one within another, their text in ASCII, (events,)."""
        data, (track, start, first, end, kind, before) = self.data, self._events
        meta, last = data[start] == META, self._tracks.end[track]
        good = _FITS[kind, data[first - 1]] & np.where(meta, kind < 128, data[end - 1] == EXCLUSIVE_END)
        good &= (start > before) & (data[start - 1] < 128) & (end <= last)
        good &= (kind == TRACK_END) == (end == last)
        plain: Bools = good & ((self._high == 0) | (kind != NAME) & (kind != TEXT))
        return plain


def _new(numbers: Ints) -> Bools:
    """Which numbers are not the same as the one before, (numbers,)."""
    new = np.ones(len(numbers), bool)
    new[1:] = numbers[1:] != numbers[:-1]
    return new


def _fitting() -> Bools:
    """Whether an event of each kind may have each length that is written in one byte, (256, 256)."""
    fits = np.zeros((256, 256), bool)
    fits[EXCLUSIVE, :128] = True
    for kind, lengths in LIKELY.items():
        fits[kind, [length for length in range(128) if length in lengths and LENGTHS.get(kind, length) == length]] = True
    return fits


_FITS = _fitting()
