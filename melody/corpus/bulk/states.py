"""A whole file's notes as symusic holds them in memory, for whoever reads many files at once.

Every NumPy call costs as much as some hundred notes, and `notes.numpy()` makes four of them a track; every list that is
asked for costs as much as some dozen. What symusic writes when a score is pickled is all of it in one copy (`of_state`),
the notes as records of `RECORD` bytes, whose last two mean nothing. That is not in symusic's manual; so it is tried out
once (`layout_is_known`), and where it is not so, every file is read alone, by what the manual promises.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.midi.file_events import END, PART, PITCH, START, VELOCITY, Source
from melody.midi.reading import parser
from melody.midi.sustain import RESET, SUSTAIN, curve_of
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
CONTROL = np.dtype(
    {"names": ["time", "number", "value"], "formats": ["<i4", "u1", "u1"], "offsets": [0, 4, 5], "itemsize": 8}
)
_LARGEST = 2**31 - 1
_HEAD, _TRACK, _NUMBER = struct.Struct("<iI"), struct.Struct("<B?I"), struct.Struct("<I")
_TIME, _TEMPO, _KEY = struct.Struct("<iBBxx"), struct.Struct("<ii"), struct.Struct("<ibbxx")
_AHEAD = 8  # bytes behind all states: whoever looks ahead stays within the array
FEW_CHANGES = 512  # bytes of changes, up to which they are remembered
_Changes = tuple[tuple[tuple[int, int, int], ...], tuple[tuple[int, int], ...], tuple[tuple[int, int, int], ...]]
_EVENT = 8  # bytes of each of these, of a controller, a pitch bend, a pedal, and of a lyric before its text


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
    sustain: Sequence[Ints] = ()

    @property
    def num_notes(self) -> int:
        """Number of notes."""
        return len(self.records) // RECORD

    @property
    def last(self) -> int:
        """The tick where its last note ends."""
        held = np.frombuffer(self.records, NOTE)
        return int((held["time"].astype(np.int64) + held["duration"]).max(initial=0))

    def unpacked(self) -> Source:
        """The same with columns."""
        return Source(
            self.ticks_per_quarter, self._columns(), self.parts, self.time_signatures, self.tempi, self.keys, self.title,
            self.texts, self.sustain,
        )  # fmt: skip

    def _columns(self) -> Ints:
        held = np.frombuffer(self.records, NOTE)
        table = np.empty((5, len(held)), np.int64)
        for row, name in ((START, "time"), (END, "duration"), (PITCH, "pitch"), (VELOCITY, "velocity")):
            table[row] = held[name]
        table[END] += table[START]
        table[PART] = np.repeat(np.arange(len(self.sizes)), self.sizes)
        return table


def packed(source: Source | PackedSource) -> PackedSource | None:
    """The source with its notes packed, whatever it comes as; None if records cannot hold them."""
    if isinstance(source, PackedSource):
        return source
    notes = source.notes[:, np.argsort(source.notes[PART], kind="stable")]
    duration = notes[END] - notes[START]
    numbers = np.stack([notes[START], np.abs(duration), notes[PITCH] << 23, notes[VELOCITY] << 23])
    if numbers.min(initial=0) < 0 or numbers.max(initial=0) > _LARGEST:
        return None
    held = np.zeros(notes.shape[1], NOTE)
    held["time"], held["duration"], held["pitch"], held["velocity"] = notes[START], duration, notes[PITCH], notes[VELOCITY]
    sizes = np.bincount(notes[PART], minlength=len(source.parts)).tolist()
    end = max([int(notes[END].max(initial=0)), *[e[0] for e in (*source.time_signatures, *source.tempi, *source.keys)]])
    changes = (tuple(source.time_signatures), tuple(source.tempi), tuple(source.keys))
    frame = (*changes, source.title, source.texts, source.sustain)
    return PackedSource(source.ticks_per_quarter, end, held.tobytes(), sizes, source.parts, *frame)


def unpacked(source: Source | PackedSource) -> Source:
    """The source with columns, whatever it comes as."""
    return source.unpacked() if isinstance(source, PackedSource) else source


# From symusic's scores


class ScoreNotes(NamedTuple):
    """What symusic found in a file.

    Parameters
    ----------
    ticks_per_quarter
        The file's grid.
    records
        A `NOTE` for each note, track by track.
    sizes
        Number of notes of each track that has some.
    players
        Program, whether it is a drum kit, and name of each of those.
    controls
        An `_EVENT` for each controller of each of those.
    others
        Number of controllers and pitch bends in all tracks.
    time_signatures, tempi, keys
        As in `Source`.
    """

    ticks_per_quarter: int
    records: bytes
    sizes: list[int]
    players: tuple[tuple[int, bool, str], ...]
    controls: tuple[bytes, ...]
    others: int
    time_signatures: tuple[tuple[int, int, int], ...]
    tempi: tuple[tuple[int, int], ...]
    keys: tuple[tuple[int, int, int], ...]

    def sustain(self, parts: Sequence[Part]) -> tuple[Ints, ...]:
        """What the keyboards say of the pedal, as in `Source`; `parts` are the players."""
        return tuple([_curve(controls) for controls, part in zip(self.controls, parts) if part.is_keyboard])


_NO_CURVE = np.zeros((2, 0), np.int64)


def _curve(controls: bytes) -> Ints:
    if bytes([SUSTAIN]) not in controls and bytes([RESET]) not in controls:  # most have others only
        return _NO_CURVE
    held = np.frombuffer(controls, CONTROL)
    return curve_of(held["time"], held["number"], held["value"])


def of_state(state: bytes) -> ScoreNotes:
    """From the score as it is pickled: the grid, the tracks, time signatures, keys, tempi.

    A track is its name, program, whether it is drums, notes, controllers, pitch bends, pedals and lyrics. Each list begins
    with the number of its members.
    """
    number = _NUMBER.unpack_from
    ticks_per_quarter, tracks = _HEAD.unpack_from(state)
    at, others = _HEAD.size, 0
    records, sizes, players, turned = [], [], [], []
    held = memoryview(state)
    for _ in range(tracks):
        named = at + 4
        at = named + number(state, at)[0]
        program, is_drum, size = _TRACK.unpack_from(state, at)
        end = at + _TRACK.size + RECORD * size
        if size:
            players.append((program, is_drum, state[named:at].decode()))
            sizes.append(size)
            records.append(held[at + _TRACK.size : end])
        controls = number(state, end)[0]
        at = end + 4 + _EVENT * controls
        turned += [state[end + 4 : at]] * (size > 0)
        bends = number(state, at)[0]
        others += controls + bends
        at += 4 + _EVENT * bends
        at += 4 + _EVENT * number(state, at)[0]
        lyrics = number(state, at)[0]
        at += 4
        for _ in range(lyrics):
            at += _EVENT + number(state, at + 4)[0]
    return ScoreNotes(
        ticks_per_quarter, b"".join(records), sizes, tuple(players), tuple(turned), others, *_changes(state[at:])
    )


class ScoresNotes(NamedTuple):
    """What symusic found in many files.

    Parameters
    ----------
    each
        In each; None for what has to be looked at alone: a score with lyrics, with a name of a track beyond ASCII, or with
        more changes of metre, tempo and key than were allowed.
    notes, parts, others, ticks_per_quarter
        Of each, (scores,): number of notes, of tracks that have some, and the others of `ScoreNotes`.
    """

    each: list[ScoreNotes | None]
    notes: Ints
    parts: Ints
    others: Ints
    ticks_per_quarter: Ints


def of_states(states: Sequence[bytes], most_changes: int) -> ScoresNotes:
    """Like `of_state` for many scores, whose tracks are gone through together: all first ones, all second ones, and on."""
    octets = np.frombuffer(b"".join([*states, bytes(_AHEAD)]), np.uint8)
    size = np.array([len(state) for state in states], np.int64)
    start = np.cumsum(size) - size
    ticks_per_quarter, tracks = _numbers(octets, start), _numbers(octets, start + 4)
    at = start + _HEAD.size
    others, left_out = np.zeros_like(at), np.zeros(len(at), bool)
    found = [np.zeros((8, 0), np.int64)]
    left = np.flatnonzero(tracks)
    for number in range(1, int(tracks.max(initial=0)) + 1):
        named = at[left] + 4
        about = named + _numbers(octets, at[left])
        begin = about + _TRACK.size
        notes = _numbers(octets, begin - 4)
        here = begin + RECORD * notes
        place = np.stack([named, about, begin, here]) - start[left]
        player = octets[about] + 256 * (octets[about + 1] > 0)
        found.append(np.concatenate([[left, notes], place, [player, _numbers(octets, here)]]))
        for kind in range(3):  # controllers, pitch bends, pedals
            events = _numbers(octets, here)
            here += 4 + _EVENT * events
            others[left] += events if kind < 2 else 0
        left_out[left] |= _numbers(octets, here) > 0
        at[left] = here + 4
        left = left[(tracks[left] > number) & ~left_out[left]]
    left_out |= start + size - at > 12 + _EVENT * most_changes
    table = np.concatenate(found, 1)
    table = table[:, table[1] > 0]
    each = _score_notes(
        states, table, np.where(left_out, -1, at - start).tolist(), ticks_per_quarter.tolist(), others.tolist()
    )
    parts = np.bincount(table[0], minlength=len(states))
    notes = np.bincount(table[0], table[1], len(states)).astype(np.int64)
    return ScoresNotes(each, notes, parts, others, ticks_per_quarter)


def _score_notes(
    states: Sequence[bytes], tracks: Ints, changes: list[int], grids: list[int], others: list[int]
) -> list[ScoreNotes | None]:
    """From where things stand in the states; where their changes do, -1 for a state that is to be left out."""
    records: list[list[bytes]] = [[] for _ in states]
    sizes: list[list[int]] = [[] for _ in states]
    players: list[list[tuple[int, bool, str]]] = [[] for _ in states]
    turned: list[list[bytes]] = [[] for _ in states]
    for score, size, named, about, begin, end, program, controls in tracks.T.tolist():
        state = states[score]
        sizes[score].append(size)
        records[score].append(state[begin:end])
        turned[score].append(state[end + 4 : end + 4 + _EVENT * controls])
        name = state[named:about]
        if not name.isascii():
            changes[score] = -1
        players[score].append((program & 255, program > 255, name.decode("latin-1")))
    return [
        None if at < 0 else ScoreNotes(grid, b"".join(held), own_sizes, tuple(own), tuple(c), other, *_changes(state[at:]))
        for state, grid, held, own_sizes, own, c, other, at in zip(
            states, grids, records, sizes, players, turned, others, changes
        )
    ]


def _numbers(octets: NDArray[np.uint8], at: Ints) -> Ints:
    """The number of four bytes at each place."""
    numbers: Ints = octets[at[:, None] + np.arange(4)].view("<u4")[:, 0].astype(np.int64)
    return numbers


def _changes(state: bytes) -> _Changes:
    """Time signatures, tempi and keys from the end of a state."""
    return (_known_changes if len(state) <= FEW_CHANGES else _made_changes)(state)


def _made_changes(state: bytes) -> _Changes:
    at, changes = 0, []
    for kind in (_TIME, _KEY, _TEMPO):
        end = at + 4 + _EVENT * _NUMBER.unpack_from(state, at)[0]
        changes.append(tuple(kind.iter_unpack(state[at + 4 : end])))
        at = end
    time_signatures, keys, tempi = changes
    return time_signatures, tempi, keys


_known_changes = lru_cache(maxsize=4096)(_made_changes)  # most files have the changes of another


def _of_lists(score: Any) -> ScoreNotes:
    """From what the manual promises."""
    tracks = [track for track in score.tracks if len(track.notes)]
    held = [np.zeros(len(track.notes), NOTE) for track in tracks]
    for track, rows in zip(tracks, held):
        columns = track.notes.numpy()
        for name in NOTE.names or ():
            rows[name] = columns[name]
    return ScoreNotes(
        score.ticks_per_quarter,
        b"".join([rows.tobytes() for rows in held]),
        [len(rows) for rows in held],
        tuple((track.program, track.is_drum, track.name) for track in tracks),
        tuple(_packed_controls(track) for track in tracks),
        sum(len(track.controls) + len(track.pitch_bends) for track in score.tracks),
        tuple((t.time, t.numerator, t.denominator) for t in score.time_signatures),
        tuple((t.time, t.mspq) for t in score.tempos),
        tuple((k.time, k.key, k.tonality) for k in score.key_signatures),
    )


def _packed_controls(track: Any) -> bytes:
    columns, rows = track.controls.numpy(), np.zeros(len(track.controls), CONTROL)
    for name in CONTROL.names or ():
        rows[name] = columns[name]
    return rows.tobytes()


@lru_cache(maxsize=1)
def layout_is_known() -> bool:
    """Whether symusic's scores write themselves as described above: tried out on a file that has something of everything."""
    try:
        score = parser()(_EXAMPLE)
        one, other = of_state(score.__getstate__()), _of_lists(score)
        has_all = all(any(len(getattr(track, name)) for track in score.tracks) for name in _LISTS)
    except Exception:  # whatever another symusic does
        return False
    same_notes = np.array_equal(np.frombuffer(one.records, NOTE), np.frombuffer(other.records, NOTE))
    same_controls = all(np.array_equal(a, b) for a, b in zip(map(_columns, one.controls), map(_columns, other.controls)))
    others = [found._replace(records=b"", controls=()) for found in (one, other)]
    return has_all and same_notes and same_controls and others[0] == others[1]


def _columns(controls: bytes) -> Ints:
    held = np.frombuffer(controls, CONTROL)
    return np.array([held[name] for name in CONTROL.names or ()], np.int64)


_LISTS = ("notes", "controls", "pitch_bends", "pedals", "lyrics")


def _example() -> bytes:
    tracks = (
        "00FF0302C3A9 00FF5804FF061808 00FF5103000060 00FF5902F901 00FF060141"  # a name, 255/64, tempo, A flat minor, marker
        "00C07F 00B0077F 00E00001 00B0407F 05B04000 00FF05026C61"  # program, controller, bend, pedal down and up, lyric
        "88808000907F01 C0808000807F00 00FF580403021808",  # a note at tick 2^24 of 2^27 ticks, another metre
        "00C105 00913C40 18813C40 00913E41 18813E00",  # two notes, no name
        "00FF03046E6F6E65 00B20764",  # a name and a controller, no note
        "00FF030374776F 00992464 0C892400",  # drums
    )
    bodies = [bytes.fromhex(track + "00FF2F00") for track in tracks]
    head = b"MThd" + struct.pack(">IHHH", 6, 1, len(bodies), 480)
    return head + b"".join(b"MTrk" + struct.pack(">I", len(body)) + body for body in bodies)


_EXAMPLE = _example()
