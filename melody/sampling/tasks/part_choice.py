"""Which parts of a file a model understands, and other notes in them while all else in the file stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from melody import midi
from melody.corpus.read.part_selection import chosen_part, melodiousness
from melody.errors import CorpusError, MidiError, SamplingError, VocabularyError
from melody.piece import Ints, Piece


@dataclass(frozen=True)
class Exchanged:
    """The bytes of a MIDI file with other notes, what is to be reported of it, and whether all of it was written again."""

    data: bytes
    remarks: tuple[str, ...] = ()
    is_rewritten: bool = False


@dataclass(frozen=True)
class New:
    """New notes for parts of a piece: columns as those of a `Piece`, (notes,) each."""

    onset: Ints
    duration: Ints
    pitch: Ints
    velocity: Ints
    part: Ints

    def as_loud_as(self, piece: Piece, within: tuple[int, int] = (1, 127)) -> New:
        """Each as loud as the middle one of its part's notes in `piece`, where it has any, but within those velocities."""
        velocity = self.velocity.copy()
        for part in np.unique(self.part).tolist():
            if np.any(piece.part == part):
                velocity[self.part == part] = int(np.median(piece.velocity[piece.part == part]))
        return replace(self, velocity=np.clip(velocity, *within))

    def into(self, piece: Piece) -> Piece:
        """A piece with these notes as well; one that would overlap a note of the piece on its pitch gives way."""
        notes = [*zip(self.onset.tolist(), self.duration.tolist(), self.pitch.tolist(), self.part.tolist())]
        kept, durations = [], []
        for number, (onset, duration, pitch, part) in enumerate(notes):
            same = (piece.pitch == pitch) & (piece.part == part)
            sounding = same & (piece.onset <= onset) & (piece.end > onset)
            until = int(piece.onset[same & (piece.onset > onset)].min(initial=onset + duration))
            if not sounding.any():
                kept.append(number)
                durations.append(min(duration, until - onset))
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(piece, name), getattr(self, name)[kept]])
            for name in ("onset", "pitch", "velocity", "part")
        }
        return replace(piece, duration=np.concatenate([piece.duration, np.array(durations, np.int64)]), **columns)


Check = Callable[[Piece], object]


@dataclass(frozen=True)
class ModelInput:
    """What a model reads of a piece.

    Parameters
    ----------
    piece
        The piece with the notes of those parts alone.
    chosen
        The parts that are to get other notes, numbers of parts of the piece.
    remarks
        One sentence if not all parts are read.
    """

    piece: Piece
    chosen: tuple[int, ...]
    remarks: tuple[str, ...] = ()


def model_input(piece: Piece, part: str | None, check: Check, *, alone: bool = False, top_line: bool = False) -> ModelInput:
    """The whole piece if the model understands it, else one part of it alone.

    Parameters
    ----------
    piece
        With notes.
    part
        The part that is to get other notes: a number from 1, a track's name, 'melodic' or 'highest'; None for all of
        them, or if the model does not understand them together for the most melodic one that it understands.
    check
        Raises `VocabularyError` for a piece that the model does not understand.
    alone
        Whether a part that is named is read without the others even if the model would understand them.
    top_line
        Whether of a part in which several notes sound at once the top line may be read alone, if the model understands
        no part as it is.

    Raises
    ------
    SamplingError
        If there is no such part, or it has no notes.
    VocabularyError
        If the model understands no part; says why of the one that was chosen, or of the most melodic one.
    """
    if piece.num_notes == 0:
        raise SamplingError("the music holds no notes; give a file with at least one")
    playing = np.unique(piece.part).tolist()
    number = None if part is None else _number(piece, part)
    try:
        if not alone:
            check(piece)
            return ModelInput(piece, tuple(playing) if number is None else (number,))
    except VocabularyError:
        if len(playing) == 1 and not top_line:
            raise
    candidates = [number] if number is not None else _most_melodic_first(piece, playing)
    chosen, refused = _first_understood(piece, candidates, check, lambda only: only)
    if chosen is None and top_line:
        pitched = [candidate for candidate in candidates if not piece.parts[candidate].is_drum]
        chosen, _ = _first_understood(piece, pitched, check, top_line_of)
        if chosen:
            line = "the top line of " + (_name(piece, chosen.chosen[0]) if len(playing) > 1 else "the chords")
            return replace(chosen, remarks=(f"the model reads {line} alone, one note at a time",))
    if chosen is None:
        assert refused
        raise refused
    remarks = (f"the model reads {_name(piece, chosen.chosen[0])} alone",) if len(playing) > 1 else ()
    return replace(chosen, remarks=remarks)


def _first_understood(
    piece: Piece, candidates: Sequence[int], check: Check, how: Callable[[Piece], Piece]
) -> tuple[ModelInput | None, VocabularyError | None]:
    """The first part that is understood, read like that; why the first of them is not, if none is."""
    refused = None
    for candidate in candidates:
        only = how(piece.select(piece.part == candidate))
        try:
            check(only)
        except VocabularyError as error:
            refused = refused or error
        else:
            return ModelInput(only, (candidate,)), None
    return None, refused


def top_line_of(part: Piece) -> Piece:
    """The highest notes of a part, one at a time ("skyline", Uitdenbogerd and Zobel 1999).

    A note that begins below one that still sounds is left out; one that begins above ends it. The last one lasts as long as
    the part does, so that what follows the line follows the part.

    >>> top_line_of(Piece([0, 0, 24, 48], [48, 96, 24, 48], [72, 60, 64, 67])).pitch
    array([72, 67])
    """
    kept: list[int] = []
    order = np.lexsort((-part.pitch, part.onset)).tolist()
    for note in order:
        last = kept[-1] if kept else None
        below = last is not None and part.end[last] > part.onset[note] and part.pitch[last] > part.pitch[note]
        if not below and (last is None or part.onset[last] < part.onset[note]):
            kept.append(note)
    line = part.select(sorted(kept))
    until = np.append(line.onset[1:], part.length)
    duration = np.minimum(line.duration, until - line.onset)
    duration[-1:] = until[-1:] - line.onset[-1:]
    return replace(line, duration=duration)


def with_notes(data: bytes, notes: Piece, parts: Sequence[int], first: int, last: int | None) -> Exchanged:
    """A MIDI file with other notes in some of its parts in ticks [first, last); all else as it was.

    Parameters
    ----------
    data
        The bytes of the file.
    notes
        The file's piece, on any grid, as it is to become.
    parts
        Numbers of the parts that get their notes from it.
    first, last
        Ticks of that grid; to the end without `last`.
    """
    remarks: list[str] = []
    try:
        for part in sorted(parts, reverse=True):  # a part that has lost all its notes is none, and moves those behind it
            inside = (notes.part == part) & (notes.onset >= first) & (notes.onset < (last or np.inf))
            spliced = midi.splice(data, notes.select(inside), part, first, last)
            data, remarks = spliced.data, remarks + [line for line in spliced.remarks if line not in remarks]
    except MidiError as error:
        remark = f"written again, without its controllers, lyrics and markers, since the file {error}"
        return Exchanged(midi.to_bytes(notes), (remark,), True)
    return Exchanged(data, tuple(remarks))


def _number(piece: Piece, part: str) -> int:
    if not part.strip():
        raise SamplingError("the part is empty; give a number, a track's name, melodic or highest")
    try:
        number, _ = chosen_part(piece, part)
    except CorpusError as error:
        raise SamplingError(f"the music {error}") from error
    if not np.any(piece.part == number):
        raise SamplingError(f"part {number + 1} has no notes there; choose another part or other bars")
    return number


def _most_melodic_first(piece: Piece, playing: Sequence[int]) -> list[int]:
    first = chosen_part(piece, "melodic")[0] if any(not piece.parts[p].is_drum for p in playing) else -1
    return sorted(playing, key=lambda p: (p != first, piece.parts[p].is_drum, -melodiousness(piece, p)))


def _name(piece: Piece, number: int) -> str:
    name = piece.parts[number].name
    return f"part {number + 1} of {len(piece.parts)}" + (f" ('{name}')" if name else "")
