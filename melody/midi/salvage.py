"""The careful reader: plain Python, event by event, for files that are damaged, of format 2 or in SMPTE time code.

It is the slow twin of symusic, equal to it on whole files, and keeps of all others what can be kept:

    a status byte is missing      the one before holds on, also across metas
    there was none before         bytes are skipped up to the next status byte
    a status byte among data      the message it breaks off is dropped
    a system message              skipped: no file may hold one
    the data end in an event      that event is dropped
    an end without a start        skipped
    a start on a sounding note    the first end is the first note's, as symusic has it; `source` cuts what overlaps
    a note never ended            ends where the same pitch ends next, else where its part goes on, at most a whole note
                                  later, else after a quarter
    the sequences of format 2     one after another, each from the next bar line
    SMPTE time code               the same seconds at 120 quarter notes a minute
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from melody.errors import MidiError
from melody.midi import chunks, encodings
from melody.midi.file_events import END, PART, PITCH, START, Source
from melody.midi.read_limits import Deadline, ReadLimits
from melody.midi.sustain import Curves
from melody.piece import Ints, Part
from melody.text import counted

_DATA_BYTES = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}  # of a channel message, by its high four bits
_SYSTEM_DATA_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}
_NOTE_OFF, _NOTE_ON, _CONTROL, _PROGRAM, _EXCLUSIVES, _META = 0x8, 0x9, 0xB, 0xC, (0xF0, 0xF7), 0xFF
_TEXT, _NAME, _PORT, _END, _TEMPO, _TIME, _KEY = 0x01, 0x03, 0x21, 0x2F, 0x51, 0x58, 0x59
_DRUMS = 9  # the channel of drum kits, counted from 0
_NEVER = -1
_MAX_TEXTS = 1000

# The faults, in the order in which they are reported.
_STRAY, _BROKEN, _SYSTEM, _CUT, _AFTER_END, _SHORT, _MANY_TEXTS, _ORPHAN, _STUCK = range(9)
_REPAIRS = {
    _STRAY: ("byte", "without a status byte skipped"),
    _BROKEN: ("message", "broken off by another left out"),
    _SYSTEM: ("system message", "that no file may hold skipped"),
    _CUT: ("track", "broken off before the end: what is whole is kept"),
    _AFTER_END: ("track", "with bytes after the end of track: they are left out"),
    _SHORT: ("tempo, time or key signature", "of too few bytes left out"),
    _MANY_TEXTS: ("text", f"after the first {_MAX_TEXTS:,} left out"),
    _ORPHAN: ("end", "of no note left out"),
    _STUCK: ("note", "never ended: ended where the part goes on"),
}
_Event = tuple[int, int, int, bytes]  # tick, status, kind of meta event (else 0), data


@dataclass
class _Music:
    """What has been gathered so far; notes as in `Source`, but one list each."""

    limits: ReadLimits
    deadline: Deadline
    notes: list[list[int]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    time_signatures: list[tuple[int, int, int]] = field(default_factory=list)
    tempi: list[tuple[int, int]] = field(default_factory=list)
    keys: list[tuple[int, int, int]] = field(default_factory=list)
    title: str = ""
    texts: list[str] = field(default_factory=list)
    faults: Counter[int] = field(default_factory=Counter)
    channels: list[int] = field(default_factory=list)  # of each part
    controls: array[int] | None = None  # see `Played`
    sustain: list[Ints] = field(default_factory=list)  # curves of keyboards, as in `Source`


class Played(NamedTuple):
    """What can be kept of a file, and what it says of how its notes are played.

    Parameters
    ----------
    channels
        Of each part, from 0; 16 more for each port.
    controls
        (4, messages): tick on the file's grid, channel, kind (the high four bits of its status) and the number that its
        two data bytes make, of every message but notes and programs, track by track.
    """

    source: Source
    channels: Sequence[int]
    controls: Ints


def salvage(data: bytes, limits: ReadLimits, repairs: list[str]) -> Source:
    """What can be kept of the bytes of any MIDI file; what had to be done to it is added to `repairs`.

    Raises
    ------
    MidiError
        If nothing can be kept, or a limit is passed.
    """
    return _salvaged(data, _Music(limits, Deadline(limits.max_seconds)), repairs)


def played(data: bytes, limits: ReadLimits, repairs: list[str]) -> Played:
    """Like `salvage`, with all controllers, pitch bends and pressures; of whole files it says the same notes as symusic."""
    music = _Music(limits, Deadline(limits.max_seconds), controls=array("q"))
    source = _salvaged(data, music, repairs)
    return Played(source, music.channels, np.array(music.controls, np.int64).reshape(-1, 4).T)


def _salvaged(data: bytes, music: _Music, repairs: list[str]) -> Source:
    head = chunks.header(data, repairs)
    per_quarter, scale = _grid(head.division, repairs)
    tracks = chunks.found_tracks(data, head, music.deadline, repairs)
    origin = 0
    for number, track in enumerate(tracks):
        music.deadline.check()
        end = _gather(music, _events(music, track, origin, scale), is_first=number == 0)
        if head.form == 2:
            origin = _next_bar(music, end, per_quarter)
    if head.form == 2:
        repairs.append(f"format 2: its {counted(len(tracks), 'sequence')} put one after another")
    notes = np.array(music.notes, np.int64).reshape(-1, 5).T.copy()
    _end_the_endless(notes, per_quarter)
    repairs += [f"{counted(music.faults[f], _REPAIRS[f][0])} {_REPAIRS[f][1]}" for f in _REPAIRS if music.faults[f]]
    parts, title, texts = encodings.readable(music.parts, music.title, music.texts, repairs)
    tempi = music.tempi if head.division > 0 else []
    frame = (music.time_signatures, tempi, music.keys, title, tuple(texts), tuple(music.sustain))
    return Source(per_quarter, notes, parts, *frame)


def _grid(division: int, repairs: list[str]) -> tuple[int, int]:
    """Ticks a quarter, and how many of them one tick of the file is."""
    if division > 0:
        return division, 1
    frames, ticks_per_frame = -(division >> 8), division & 255
    if frames not in (24, 25, 29, 30) or not ticks_per_frame:
        raise MidiError(
            f"counts time in {ticks_per_frame} ticks a frame, {frames} frames a second; 24, 25, 29 or 30 frames of "
            "1 to 255 ticks are legal, export it again"
        )
    repairs.append(f"SMPTE time code of {frames} frames a second taken as seconds at 120 quarter notes a minute")
    per_second = Fraction(30_000, 1001) if frames == 29 else Fraction(frames)  # 29 stands for 29.97
    per_quarter = per_second * ticks_per_frame / 2
    return per_quarter.numerator, per_quarter.denominator


def _next_bar(music: _Music, end: int, per_quarter: int) -> int:
    """The first bar line at or after `end` and the ends of all notes."""
    end = max([end, *(note[END] for note in music.notes)])
    tick, numerator, denominator = max([(0, 4, 4), *music.time_signatures])
    bar = max(numerator * 4 * per_quarter // denominator, 1)
    return tick + -(-(end - tick) // bar) * bar


def _events(music: _Music, track: bytes, tick: int, scale: int) -> Iterator[_Event]:
    """Every whole event of a track whose first tick is `tick`."""
    at, running, count, faults = 0, 0, 0, music.faults
    broken = False  # whether the next status byte comes at once, without a delta time
    try:
        while True:
            count += 1
            if not count & 4095:
                music.deadline.check()
            if not broken:
                delta, at = chunks.varlen(track, at)
                tick += delta * scale
            status, at = _status(track, at, running, faults)
            if status < 0xF0:
                running, size = status, _DATA_BYTES[status >> 4]
                body = track[at : at + size]
                broken = not body.isascii()
                if broken:
                    faults[_BROKEN] += 1
                    at += body[0] < 128
                    continue
                if len(body) < size:
                    raise IndexError
                at += size
                yield tick, status, 0, body
            elif status == _META or status in _EXCLUSIVES:
                kind, body, at = _block(track, at, status)
                yield tick, status, kind, body
                if kind == _END:
                    faults[_AFTER_END] += at < len(track)
                    return
            else:
                faults[_SYSTEM] += 1
                at += _SYSTEM_DATA_BYTES.get(status, 0)
    except IndexError:
        faults[_CUT] += 1


def _status(track: bytes, at: int, running: int, faults: Counter[int]) -> tuple[int, int]:
    if track[at] >= 128:
        return track[at], at + 1
    if running:
        return running, at
    while track[at] < 128:
        faults[_STRAY] += 1
        at += 1
    return track[at], at + 1


def _block(track: bytes, at: int, status: int) -> tuple[int, bytes, int]:
    """Kind and data of a meta or a system exclusive event, and where it ends."""
    kind = track[at] if status == _META else 0
    length, at = chunks.varlen(track, at + (status == _META))
    if at + length > len(track):
        raise IndexError
    return kind, track[at : at + length], at + length


def _gather(music: _Music, events: Iterator[_Event], is_first: bool) -> int:
    """Add a track's events to the music; the tick of its last event."""
    sounding: dict[tuple[int, int], deque[list[int]]] = defaultdict(deque)
    programs, name, tick, before, port = [0] * 16, "", 0, len(music.notes), 0
    curves = Curves()
    at_head = is_first
    for tick, status, kind, body in events:
        if status == _META:
            at_head = at_head and tick == 0
            if kind == _NAME:
                name = encodings.kept(body)
                music.title = music.title or name * at_head
            elif kind == _TEXT and at_head:
                _add_text(music, body)
            elif kind == _PORT and body:
                port = body[0]
            else:
                _add_change(music, tick, kind, body)
        elif status < 0xF0:
            at_head = False
            message, channel = status >> 4, status & 15
            if message == _NOTE_ON and body[1]:
                note = [tick, _NEVER, body[0], body[1], channel << 7 | programs[channel]]
                curves.play(channel, programs[channel])
                music.notes.append(note)
                sounding[channel, body[0]].append(note)
                if len(music.notes) > music.limits.max_notes:
                    music.limits.check("notes and more", len(music.notes), music.limits.max_notes)
            elif message in (_NOTE_ON, _NOTE_OFF):
                started = sounding[channel, body[0]]
                if started:
                    started.popleft()[END] = tick
                else:
                    music.faults[_ORPHAN] += 1
            elif message == _PROGRAM:
                programs[channel] = body[0]
            else:
                if message == _CONTROL:
                    curves.control(channel, programs[channel], tick, *body)
                if music.controls is None:
                    continue
                music.controls.extend((tick, port << 4 | channel, message, body[0] | body[-1] << 7))
    music.faults[_STUCK] += sum(map(len, sounding.values()))
    _number_parts(music, music.notes[before:], name, port, curves)
    return tick


def _number_parts(music: _Music, notes: list[list[int]], name: str, port: int, curves: Curves) -> None:
    """Give the notes of one track their parts, one for each channel and program, and keyboards their curves."""
    players = sorted({note[PART] for note in notes})
    index = {player: len(music.parts) + i for i, player in enumerate(players)}
    for note in notes:
        note[PART] = index[note[PART]]
    music.parts += [Part(player & 127, player >> 7 == _DRUMS, name) for player in players]
    music.channels += [port << 4 | player >> 7 for player in players]
    own = zip(players, music.parts[-len(players) :])
    music.sustain += [curves.of(player >> 7, part.program) for player, part in own if part.is_keyboard]
    music.limits.check("tracks with notes", len(music.parts), music.limits.max_tracks)


def _add_text(music: _Music, body: bytes) -> None:
    if len(music.texts) < _MAX_TEXTS:
        music.texts.append(encodings.kept(body))
    else:
        music.faults[_MANY_TEXTS] += 1


def _add_change(music: _Music, tick: int, kind: int, body: bytes) -> None:
    """Tempo: microseconds a quarter in 3 bytes. Time: numerator, power of two, .. Key: fifths (signed), 1 for minor."""
    size = {_TEMPO: 3, _TIME: 2, _KEY: 2}.get(kind)
    if size is None:
        return
    if len(body) < size:
        music.faults[_SHORT] += 1
    elif kind == _TEMPO:
        music.tempi.append((tick, int.from_bytes(body[:3], "big")))
    elif kind == _TIME:
        music.time_signatures.append((tick, body[0], 1 << body[1]))
    else:
        music.keys.append((tick, (body[0] ^ 128) - 128, body[1]))
    changes = len(music.tempi) + len(music.time_signatures) + len(music.keys)
    music.limits.check("changes of tempo, metre and key", changes, music.limits.max_changes)


def _end_the_endless(notes: Ints, quarter: int) -> None:
    """Give the notes that were never ended an end, in place."""
    order = np.lexsort((notes[START], notes[PITCH], notes[PART]))
    start, end, pitch, _, part = notes[:, order]
    # Of two notes on one pitch that one event ended, the first has got the end; it is the second's as well.
    shared = (end[1:] == _NEVER) & (np.diff(part) == 0) & (np.diff(pitch) == 0) & (end[:-1] > start[1:])
    notes[END, order[1:][shared]] = end[:-1][shared]
    endless = notes[END] == _NEVER
    for i in np.unique(notes[PART, endless]):
        own = notes[PART] == i
        begins = notes[START, own & endless]
        starts = np.unique(notes[START, own])
        following = np.append(starts, -1)[np.searchsorted(starts, begins, side="right")]
        lasting = np.where(following < 0, quarter, np.minimum(following - begins, 4 * quarter))
        notes[END, own & endless] = begins + lasting
