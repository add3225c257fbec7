"""Which parts of a file a model understands, and other notes in them while all else in the file stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from melody import midi
from melody.corpus.parts import _chosen, melodiousness
from melody.errors import CorpusError, MidiError, SamplingError, VocabularyError
from melody.piece import Ints, Piece


@dataclass(frozen=True)
class Exchanged:
    """The bytes of a MIDI file with other notes, what is to be told of it, and whether it was written anew."""

    data: bytes
    remarks: tuple[str, ...] = ()
    anew: bool = False


@dataclass(frozen=True)
class New:
    """New notes for parts of a piece: columns as those of a `Piece`, (notes,) each."""

    onset: Ints
    duration: Ints
    pitch: Ints
    velocity: Ints
    part: Ints

    def as_loud_as(self, piece: Piece) -> New:
        """Each as loud as the middle one of its part's notes in `piece`, where it has any."""
        velocity = self.velocity.copy()
        for part in np.unique(self.part).tolist():
            if np.any(piece.part == part):
                velocity[self.part == part] = int(np.median(piece.velocity[piece.part == part]))
        return replace(self, velocity=velocity)

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
class Heard:
    """What a model hears of a piece.

    Parameters
    ----------
    piece
        The piece with the notes of those parts alone.
    chosen
        The parts that are to get other notes, numbers of parts of the piece.
    remarks
        One sentence if not all parts are heard.
    """

    piece: Piece
    chosen: tuple[int, ...]
    remarks: tuple[str, ...] = ()


def heard(piece: Piece, part: str | None, check: Check, *, alone: bool = False) -> Heard:
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
        Whether a part that is named is heard without the others even if the model would understand them.

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
            return Heard(piece, tuple(playing) if number is None else (number,))
    except VocabularyError:
        if len(playing) == 1:
            raise
    refused = None
    for candidate in [number] if number is not None else _most_melodic_first(piece, playing):
        only = piece.select(piece.part == candidate)
        try:
            check(only)
        except VocabularyError as error:
            refused = refused or error
        else:
            told = (f"the model hears {_name(piece, candidate)} alone",) if len(playing) > 1 else ()
            return Heard(only, (candidate,), told)
    assert refused
    raise refused


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
    told: list[str] = []
    try:
        for part in sorted(parts, reverse=True):  # a part that has lost all its notes is none, and moves those behind it
            inside = (notes.part == part) & (notes.onset >= first) & (notes.onset < (last or np.inf))
            spliced = midi.splice(data, notes.select(inside), part, first, last)
            data, told = spliced.data, told + [line for line in spliced.told if line not in told]
    except MidiError as error:
        anew = f"written anew, without its controllers, lyrics and markers, since the file {error}"
        return Exchanged(midi.to_bytes(notes), (anew,), True)
    return Exchanged(data, tuple(told))


def _number(piece: Piece, part: str) -> int:
    if not part.strip():
        raise SamplingError("the part is empty; give a number, a track's name, melodic or highest")
    try:
        number, _ = _chosen(piece, part)
    except CorpusError as error:
        raise SamplingError(f"the music {error}") from error
    if not np.any(piece.part == number):
        raise SamplingError(f"part {number + 1} has no notes there; choose another part or other bars")
    return number


def _most_melodic_first(piece: Piece, playing: Sequence[int]) -> list[int]:
    first = _chosen(piece, "melodic")[0] if any(not piece.parts[p].is_drum for p in playing) else -1
    return sorted(playing, key=lambda p: (p != first, piece.parts[p].is_drum, -melodiousness(piece, p)))


def _name(piece: Piece, number: int) -> str:
    name = piece.parts[number].name
    return f"part {number + 1} of {len(piece.parts)}" + (f" ('{name}')" if name else "")
