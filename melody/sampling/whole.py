"""MIDI files gone on with or rewritten in part: all other tracks, controllers, lyrics and markers stay as they were.

The new notes are put into the bytes of the file (`melody.midi.splice`). A file that cannot be edited so, because it is
damaged or the model adds a part that it does not have, is written anew with all its notes, and that is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from melody import midi
from melody.piece import Piece
from melody.sampling.choice import SamplingSettings
from melody.sampling.parts import New, heard, with_notes
from melody.sampling.prompt import Continuation, understood
from melody.sampling.vary import Variation, vary
from melody.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from melody.sampling.model import Model


@dataclass(frozen=True)
class Varied:
    """A MIDI file with bars rewritten: its bytes, and what was done, its remarks in full."""

    data: bytes
    made: Variation


@dataclass(frozen=True)
class Continued:
    """A MIDI file gone on with: its bytes, and what was done, its remarks in full."""

    data: bytes
    made: Continuation


def vary_file(model: Model, path: str | PathLike[str], first_bar: int, last_bar: int, **options: Any) -> list[Varied]:
    """Bars of a MIDI file rewritten; parameters and errors as of `melody.sampling.vary.vary`."""
    piece, data = _read(model.vocabulary, path)
    made = []
    for variation in vary(model, piece, first_bar, last_bar, **options):
        written = with_notes(data, variation.piece, variation.parts, variation.first_tick, variation.last_tick)
        made.append(Varied(written.data, replace(variation, remarks=(*variation.remarks, *written.remarks))))
    return made


def continue_file(
    model: Model,
    path: str | PathLike[str],
    *,
    part: str | None = None,
    bars: int | None = None,
    count: int = 1,
    settings: SamplingSettings | None = None,
) -> list[Continued]:
    """`count` continuations of a MIDI file.

    Parameters
    ----------
    model
        Whose style.
    path
        The file.
    part
        The part that is gone on with, and the only one that the model hears: a number from 1, a track's name, 'melodic'
        or 'highest'. None for all parts, or if the model does not understand them together, for the most melodic one that
        it understands.
    bars, count, settings
        As for `Model.continue_many`. The new bars begin where the parts that are gone on with end.

    Raises
    ------
    melody.errors.MidiError
        If the file cannot be read.
    SamplingError, melody.errors.VocabularyError
        As `Model.continue_many`.
    """
    piece, data = _read(model.vocabulary, path)

    def check(music: Piece) -> None:
        understood(model.vocabulary, music, keep_rhythm=True)

    chosen = heard(piece, part, check, alone=part is not None)
    continued = model.continue_many(chosen.piece, count, bars=bars, settings=settings)
    return [_in_file(data, piece, replace(c, remarks=(*chosen.remarks, *c.remarks)), model.vocabulary) for c in continued]


def _read(vocabulary: Vocabulary, path: str | PathLike[str]) -> tuple[Piece, bytes]:
    """A MIDI file on the vocabulary's grid, and its bytes."""
    piece = midi.read_file(path, ticks_per_quarter=vocabulary.ticks_per_quarter).piece
    return piece, Path(path).read_bytes()


def _in_file(data: bytes, piece: Piece, made: Continuation, vocabulary: Vocabulary) -> Continued:
    """A continuation of some parts of a piece, in its file."""
    is_new = made.piece.onset >= made.prompt_end
    columns = (getattr(made.piece, name)[is_new] for name in ("onset", "duration", "pitch", "velocity", "part"))
    notes = New(*columns)
    if len(vocabulary.velocities) == 1:
        notes = notes.as_loud_as(piece)
    whole = notes.into(replace(piece, parts=made.piece.parts))
    added = made.piece.parts[len(piece.parts) :]
    if added:
        anew = f"written anew, without its controllers, lyrics and markers, since the model adds {len(added)} parts to it"
        return Continued(midi.to_bytes(whole), replace(made, piece=whole, remarks=(*made.remarks, anew)))
    written = with_notes(data, whole, np.unique(notes.part).tolist(), made.prompt_end, None)
    return Continued(written.data, replace(made, piece=whole, remarks=(*made.remarks, *written.remarks)))
