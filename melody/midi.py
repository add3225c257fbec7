"""MIDI files <-> `Piece` <-> `pretty_midi.PrettyMIDI`.

symusic reads: it is two orders of magnitude faster than pretty_midi, takes tempi from any track, and loses no file for one
bad key signature. pretty_midi is the object users know, and writes the files. Standard MIDI Files 1.0, formats 0 and 1.

Reading snaps every onset and end to the nearest tick of the piece's grid and says how far it had to move them; whatever
else had to be changed to make the file legal is told in `Reading.repairs`. Nothing is repaired in silence.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from melody import files
from melody.errors import MidiError, PieceError
from melody.piece import (
    MAX_TICK,
    TICKS_PER_QUARTER,
    Ints,
    Key,
    Part,
    Piece,
    Tempo,
    TimeSignature,
    check_time_signature,
    overlaps,
    time_signature_of,
)

if TYPE_CHECKING:
    import pretty_midi

WRITTEN_RESOLUTION = 480  # holds triplets and thirty-seconds, which pretty_midi's 220 does not
SUFFIXES = (".mid", ".midi")


@dataclass(frozen=True)
class ReadLimits:
    """What one file from a stranger may cost; beyond it the file is refused.

    Parameters
    ----------
    max_bytes
        Size of the file.
    max_notes, max_tracks
        Notes in all, tracks with notes.
    max_hours
        Length in hours, at the file's own tempi.
    """

    max_bytes: int = 8_000_000
    max_notes: int = 200_000
    max_tracks: int = 256
    max_hours: float = 6.0


@dataclass(frozen=True)
class Reading:
    """A piece read from a file, and what had to be done to the file's music.

    Parameters
    ----------
    piece
        The music.
    repairs
        One plain sentence for each kind of change; empty if the file was legal and on the grid.
    grid_error
        Largest distance, in quarter notes, by which an onset or an end was moved to the grid.
    """

    piece: Piece
    repairs: tuple[str, ...] = ()
    grid_error: float = 0.0


def read(path: str | PathLike[str], limits: ReadLimits | None = None) -> Piece:
    """The piece in a MIDI file.

    Raises
    ------
    MidiError
        If the file is missing, no MIDI, damaged beyond use or over a limit. The message begins with its name.
    """
    return read_file(path, limits).piece


def read_file(path: str | PathLike[str], limits: ReadLimits | None = None) -> Reading:
    """Like `read`, with what had to be repaired."""
    limits = limits or ReadLimits()
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise MidiError(f"it has {size / 1e6:.1f} MB; the limit is {limits.max_bytes / 1e6:.1f} MB")
        return parse(path.read_bytes(), limits)
    except OSError as error:
        raise MidiError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except MidiError as error:
        raise MidiError(f"{path}: {error}") from error


def parse(data: bytes, limits: ReadLimits | None = None, ticks_per_quarter: int = TICKS_PER_QUARTER) -> Reading:
    """The piece in the bytes of a MIDI file, on a grid of `ticks_per_quarter`.

    Raises
    ------
    MidiError
        If the bytes are no MIDI, damaged beyond use or over a limit.
    """
    limits = limits or ReadLimits()
    _check_header(data)
    import symusic

    try:
        score = symusic.Score.from_midi(data)
    except Exception as error:  # symusic raises RuntimeError and others; none of them says what to do
        reason = str(error).removeprefix("MiniMidi: ").partition(": iostream")[0]
        raise MidiError(f"is damaged MIDI ({reason}); export it again") from error
    tracks = [track for track in score.tracks if len(track.notes)]
    _check_limits(score, tracks, limits)
    source = _Source(
        ticks_per_quarter=score.ticks_per_quarter,
        notes=[track.notes.numpy() for track in tracks],
        parts=[Part(track.program, track.is_drum, _clean(track.name)) for track in tracks],
        time_signatures=[(t.time, t.numerator, t.denominator) for t in score.time_signatures],
        tempi=[(t.time, t.mspq) for t in score.tempos],
        keys=[(k.time, k.key, k.tonality) for k in score.key_signatures],
    )
    title, texts = _leading_texts(data)
    return _assemble(source, ticks_per_quarter, title, texts)


def write(piece: Piece, path: str | PathLike[str]) -> None:
    """Write a MIDI file of format 1, whole or not at all.

    Raises
    ------
    melody.files.FileError
        If the system refuses.
    """
    files.write_bytes(path, to_bytes(piece))


def to_bytes(piece: Piece) -> bytes:
    """The bytes of a MIDI file of format 1, the title as the name of the sequence."""
    buffer = BytesIO()
    to_pretty_midi(piece).write(buffer)
    data = buffer.getvalue()
    if not piece.title:
        return data
    # pretty_midi has no place for the name of the sequence: put the event (FF 03) first in the first track ourselves.
    name = piece.title.encode()[:127].decode(errors="ignore").encode()
    event = b"\x00\xff\x03" + bytes([len(name)]) + name
    (length,) = struct.unpack_from(">I", data, 18)
    return data[:18] + struct.pack(">I", length + len(event)) + event + data[22:]


def to_pretty_midi(piece: Piece) -> pretty_midi.PrettyMIDI:
    """The piece as a `PrettyMIDI` of at least 480 ticks a quarter; `from_pretty_midi` gives the same piece back."""
    import pretty_midi

    factor = -(-WRITTEN_RESOLUTION // piece.ticks_per_quarter)
    resolution = min(piece.ticks_per_quarter * factor, 32767)
    factor = resolution // piece.ticks_per_quarter
    pm = pretty_midi.PrettyMIDI(resolution=resolution, charset="utf-8")
    # pretty_midi truncates to whole microseconds when it writes: a thousandth more keeps the tempo what it is.
    pm._tick_scales = [(t.onset * factor, (t.microseconds + 1e-3) / 1e6 / resolution) for t in piece.tempi]
    last = max([piece.length, *(e.onset for e in piece.tempi + piece.time_signatures + piece.keys)])
    pm._update_tick_to_time(last * factor)

    def seconds(tick: int) -> float:
        return float(pm.tick_to_time(int(tick) * factor))

    pm.time_signature_changes = [
        pretty_midi.TimeSignature(t.numerator, t.denominator, seconds(t.onset)) for t in piece.time_signatures
    ]
    pm.key_signature_changes = [
        pretty_midi.KeySignature(k.tonic + 12 * (k.mode == "minor"), seconds(k.onset)) for k in piece.keys
    ]
    pm.text_events = [pretty_midi.Text(text, 0.0) for text in piece.texts]
    pm.instruments = [pretty_midi.Instrument(p.program, p.is_drum, p.name) for p in piece.parts]
    for onset, end, pitch, velocity, part in zip(piece.onset, piece.end, piece.pitch, piece.velocity, piece.part):
        note = pretty_midi.Note(int(velocity), int(pitch), seconds(onset), seconds(end))
        pm.instruments[part].notes.append(note)
    return pm


def from_pretty_midi(pm: pretty_midi.PrettyMIDI, ticks_per_quarter: int = TICKS_PER_QUARTER) -> Piece:
    """The piece in a `PrettyMIDI`, snapped to the grid.

    Pitch bends and controllers are left out: a piece is notes.
    """

    def columns(notes: Iterable[Any]) -> dict[str, Ints]:
        rows = [(pm.time_to_tick(n.start), pm.time_to_tick(n.end), n.pitch, n.velocity) for n in notes]
        start, end, pitch, velocity = np.array(rows, np.int64).reshape(-1, 4).T
        return {"time": start, "duration": end - start, "pitch": pitch, "velocity": velocity}

    source = _Source(
        ticks_per_quarter=pm.resolution,
        notes=[columns(i.notes) for i in pm.instruments],
        parts=[Part(i.program, i.is_drum, i.name) for i in pm.instruments],
        time_signatures=[(pm.time_to_tick(t.time), t.numerator, t.denominator) for t in pm.time_signature_changes],
        tempi=[(tick, round((scale * pm.resolution) * 1e6 - 1e-3)) for tick, scale in pm._tick_scales],
        keys=[
            (pm.time_to_tick(k.time), _FIFTHS[k.key_number % 12 - (9 if k.key_number >= 12 else 0)], k.key_number >= 12)
            for k in pm.key_signature_changes
        ],
    )
    return _assemble(source, ticks_per_quarter, "", tuple(t.text for t in pm.text_events)).piece


# Fifths of the major key on each pitch class; a minor key has those of the major key three semitones above.
_FIFTHS = (0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5)


@dataclass(frozen=True)
class _Source:
    """A file's own events, on its own grid, before anything is checked."""

    ticks_per_quarter: int
    notes: Sequence[Any]  # per part: mapping of time, duration, pitch, velocity to columns
    parts: Sequence[Part]
    time_signatures: Sequence[tuple[int, int, int]]
    tempi: Sequence[tuple[int, int]]
    keys: Sequence[tuple[int, int, int]]


def _check_header(data: bytes) -> None:
    if not data:
        raise MidiError("is empty; export it again")
    if data[:4] != b"MThd" or len(data) < 14:
        begins = data[:12].decode("latin-1").encode("unicode_escape").decode()
        raise MidiError(f"is no MIDI file: it begins with '{begins}', not with 'MThd'")
    form, _, division = struct.unpack_from(">HHh", data, 8)
    if form not in (0, 1):
        raise MidiError(f"is MIDI of format {form}; formats 0 and 1 are read, save it as format 1")
    if division <= 0:
        kind = "0 ticks a quarter" if division == 0 else "SMPTE time code"
        raise MidiError(f"counts time in {kind}; a positive number of ticks a quarter is read, save it as such")


def _check_limits(score: Any, tracks: Sequence[Any], limits: ReadLimits) -> None:
    notes = sum(len(track.notes) for track in tracks)
    if notes == 0:
        raise MidiError("holds no notes")
    if notes > limits.max_notes:
        raise MidiError(f"holds {notes:,} notes; the limit is {limits.max_notes:,}")
    if len(tracks) > limits.max_tracks:
        raise MidiError(f"holds {len(tracks)} tracks; the limit is {limits.max_tracks}")
    quarters = score.end() / score.ticks_per_quarter
    slowest = max([t.mspq for t in score.tempos if t.mspq > 0], default=500_000)
    if quarters * TICKS_PER_QUARTER > MAX_TICK or quarters * min(slowest, 500_000) / 3.6e9 > limits.max_hours:
        raise MidiError(f"lasts {quarters:,.0f} quarter notes; the limit is {limits.max_hours:g} hours")


def _assemble(source: _Source, ticks_per_quarter: int, title: str, texts: tuple[str, ...]) -> Reading:
    repairs: list[str] = []
    grid = _Grid(source.ticks_per_quarter, ticks_per_quarter)
    columns, grid_error = _notes(source, grid, repairs)
    signatures = _time_signatures(source, grid, repairs, ticks_per_quarter)
    try:
        piece = Piece(
            **columns,
            parts=tuple(source.parts) or (Part(),),
            time_signatures=signatures,
            tempi=_tempi(source, grid, repairs),
            keys=_keys(source, grid, repairs),
            title=title,
            texts=texts,
            ticks_per_quarter=ticks_per_quarter,
        )
    except PieceError as error:
        raise MidiError(f"holds what no piece can hold: {error}") from error
    if grid_error:
        error_told = f"{grid_error:.3f}".rstrip("0")
        repairs.append(
            f"onsets and ends moved by up to {error_told} quarter notes to the grid of {ticks_per_quarter} a quarter"
        )
    return Reading(piece, tuple(repairs), grid_error)


@dataclass(frozen=True)
class _Grid:
    """From a file's ticks to the nearest tick of the piece's grid."""

    source: int
    target: int

    def snap(self, ticks: Any) -> Ints:
        return (2 * np.asarray(ticks, np.int64) * self.target + self.source) // (2 * self.source)


def _notes(source: _Source, grid: _Grid, repairs: list[str]) -> tuple[dict[str, Ints], float]:
    def joined(name: str) -> Ints:
        return np.concatenate([np.zeros(0, np.int64)] + [np.asarray(n[name], np.int64) for n in source.notes])

    start, length, pitch, velocity = (joined(n) for n in ("time", "duration", "pitch", "velocity"))
    part = np.repeat(np.arange(len(source.notes)), [len(n["time"]) for n in source.notes])
    onset, end = grid.snap(start), grid.snap(start + length)
    moved = np.concatenate([start * grid.target - onset * grid.source, (start + length) * grid.target - end * grid.source])
    grid_error = float(np.abs(moved).max(initial=0)) / (grid.source * grid.target)
    lasting = end > onset
    if not lasting.all():
        repairs.append(f"{np.sum(~lasting)} notes shorter than the grid given its shortest length")
    duration = np.maximum(end - onset, 1)
    keep, duration = _end_before_next(onset, duration, pitch, part, repairs)
    return {
        "onset": onset[keep],
        "duration": duration[keep],
        "pitch": pitch[keep],
        "velocity": np.clip(velocity[keep], 1, 127),
        "part": part[keep],
    }, grid_error


def _end_before_next(onset: Ints, duration: Ints, pitch: Ints, part: Ints, repairs: list[str]) -> tuple[np.ndarray, Ints]:
    """Which notes to keep, and their durations, so that no two of one part and pitch overlap: the later cuts the earlier."""
    keep = np.ones(len(onset), bool)
    if not len(overlaps(onset, duration, pitch, part)):
        return keep, duration
    order = np.lexsort((-duration, onset, pitch, part))
    same = (np.diff(part[order]) == 0) & (np.diff(pitch[order]) == 0)
    twice = same & (np.diff(onset[order]) == 0)
    keep[order[1:][twice]] = False
    order = order[keep[order]]
    same = (np.diff(part[order]) == 0) & (np.diff(pitch[order]) == 0)
    room = np.where(same, np.diff(onset[order]), MAX_TICK)
    cut = duration[order[:-1]] > room
    duration = duration.copy()
    duration[order[:-1]] = np.minimum(duration[order[:-1]], room)
    if twice.any():
        repairs.append(f"{twice.sum()} notes that began twice at once kept once")
    if cut.any():
        repairs.append(f"{cut.sum()} notes ended where the same pitch began again")
    return keep, duration


def _one_at_a_tick(events: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Sorted by tick, the last at a tick winning, those that change nothing left out."""
    kept: list[tuple[int, ...]] = []
    for event in [(tick, *rest) for tick, *rest in dict((e[0], e) for e in sorted(events, key=lambda e: e[0])).values()]:
        if not kept or kept[-1][1:] != event[1:]:
            kept.append(event)
    return kept


def _tempi(source: _Source, grid: _Grid, repairs: list[str]) -> tuple[Tempo, ...]:
    legal = [(int(grid.snap(tick)), mspq) for tick, mspq in source.tempi if 0 < mspq < 2**24 and tick >= 0]
    if len(legal) < len(source.tempi):
        repairs.append(f"{len(source.tempi) - len(legal)} impossible tempi left out")
    events = _one_at_a_tick(legal)
    if not events or events[0][0] != 0:
        events.insert(0, (0, 500_000))
    return tuple(Tempo(*e) for e in events)


def _keys(source: _Source, grid: _Grid, repairs: list[str]) -> tuple[Key, ...]:
    legal = [
        (int(grid.snap(t)), fifths, int(mode)) for t, fifths, mode in source.keys if -7 <= fifths <= 7 and mode in (0, 1)
    ]
    if len(legal) < len(source.keys):
        repairs.append(f"{len(source.keys) - len(legal)} impossible key signatures left out")
    return tuple(Key(tick, fifths, "minor" if mode else "major") for tick, fifths, mode in _one_at_a_tick(legal))


def _time_signatures(source: _Source, grid: _Grid, repairs: list[str], ticks_per_quarter: int) -> tuple[TimeSignature, ...]:
    """The legal ones, each on a bar line: where one stands in mid-bar, that bar gets a time signature of its own."""
    legal = []
    for tick, numerator, denominator in source.time_signatures:
        signature = TimeSignature(int(grid.snap(tick)), numerator, denominator)
        try:
            check_time_signature(signature, ticks_per_quarter)
            legal.append(tuple(signature))
        except PieceError:
            repairs.append(f"impossible time signature {numerator}/{denominator} left out")
    events = [TimeSignature(*e) for e in _one_at_a_tick(legal)]
    if not events or events[0].onset != 0:
        events.insert(0, TimeSignature(0, 4, 4))
    kept, in_mid_bar = events[:1], 0
    for signature in events[1:]:
        previous = kept[-1]
        bar = previous.bar_ticks(ticks_per_quarter)
        rest = (signature.onset - previous.onset) % bar
        if rest:
            in_mid_bar += 1
            short = time_signature_of(signature.onset - rest, rest, ticks_per_quarter)
            if short is None:  # no note value fits: the change waits for the next bar line
                signature = signature._replace(onset=signature.onset - rest + bar)
            elif short.onset == previous.onset:
                kept[-1] = short
            else:
                kept.append(short)
        if kept[-1].onset == signature.onset:
            kept.pop()
        if not kept or kept[-1][1:] != signature[1:]:
            kept.append(signature)
    if in_mid_bar:
        repairs.append(f"{in_mid_bar} time signatures in mid-bar put on a bar line of their own")
    return _increasing(kept)


def _increasing(signatures: Sequence[TimeSignature]) -> tuple[TimeSignature, ...]:
    """Without those that a delayed change has overtaken."""
    kept: list[TimeSignature] = []
    for signature in signatures:
        if not kept or signature.onset > kept[-1].onset:
            kept.append(signature)
    return tuple(kept)


def _clean(text: str) -> str:
    """Text from a file, without what no screen and no MIDI event should get."""
    return "".join(c for c in text if c.isprintable())[:127]


def _leading_texts(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The name of the sequence and the texts among the events before the first sound of the first track.

    symusic drops both where the first track has no notes, which is where format 1 has them.
    """
    title, texts, at = "", [], 22
    while data[at : at + 2] == b"\x00\xff" and at + 3 < len(data) and data[at + 3] < 0x80:
        kind, length = data[at + 2], data[at + 3]
        body = data[at + 4 : at + 4 + length]
        if kind == 0x03 and not title:
            title = _clean(body.decode("utf-8", errors="replace"))
        elif kind == 0x01:
            texts.append(_clean(body.decode("utf-8", errors="replace")))
        at += 4 + length
    return title, tuple(texts)
