"""Making a piece fit a vocabulary that was made from other music, and saying what was changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from melody.errors import VocabularyError
from melody.piece import Ints, Piece, Tempo, overlaps
from melody.tokens.vocabulary import Vocabulary, describe, part_keys


def fit(vocabulary: Vocabulary, piece: Piece) -> tuple[Piece, tuple[str, ...]]:
    """The piece as the vocabulary can say it, and one sentence for each thing that had to be changed.

    Instruments go to the nearest part, pitches outside the range move by octaves, times, velocities and tempi go to the
    nearest known ones, unknown keys and changes that the vocabulary never saw within a piece are left out.

    Raises
    ------
    VocabularyError
        If the metre is unknown, or several voices meet where the vocabulary has one: neither can be mended without making
        other music of it.
    """
    changes: list[str] = []
    if piece.ticks_per_quarter != vocabulary.ticks_per_quarter:
        piece = piece.resolution(vocabulary.ticks_per_quarter)
        changes.append(f"moved to the grid of {vocabulary.ticks_per_quarter} ticks a quarter")
    piece = _fit_signatures(vocabulary, piece, changes)
    if piece.num_notes:
        piece = _fit_parts(vocabulary, piece, changes)
        piece = _fit_pitches(vocabulary, piece, changes)
        piece = _fit_velocities(vocabulary, piece, changes)
        piece = _fit_times(vocabulary, piece, changes)
        _check_voices(vocabulary, piece)
    return piece, tuple(changes)


def _fit_signatures(vocabulary: Vocabulary, piece: Piece, changes: list[str]) -> Piece:
    for signature in piece.time_signatures:
        if (signature.numerator, signature.denominator) not in vocabulary.time_signatures:
            known = ", ".join(f"{n}/{d}" for n, d in vocabulary.time_signatures)
            raise VocabularyError(
                f"the music is in {signature.numerator}/{signature.denominator}, which this model "
                f"has never seen; it knows {known}"
            )
    for i, name in enumerate(("time_signatures", "tempi", "keys")):
        events = getattr(piece, name)
        if not vocabulary.changes[i] and len(events) > 1:
            if name == "time_signatures":
                raise VocabularyError(
                    "the metre changes within the music, which this model has never seen; give one part of it"
                )
            piece = replace(piece, **{name: events[:1]})
            changes.append(f"changes of {'tempo' if name == 'tempi' else 'key'} left out")
    known_keys = tuple(k for k in piece.keys if k[1:] in vocabulary.keys)
    if vocabulary.keys and len(known_keys) < len(piece.keys):
        changes.append("a key that the model has never seen left out")
    tempi = tuple(Tempo(t.onset, int(_nearest(vocabulary.tempi, [t.microseconds])[0])) for t in piece.tempi)
    return replace(piece, keys=known_keys, tempi=tempi)


def _fit_parts(vocabulary: Vocabulary, piece: Piece, changes: list[str]) -> Piece:
    known = part_keys(vocabulary.parts)
    used = sorted(set(piece.part.tolist()))
    piece = replace(piece, part=np.searchsorted(used, piece.part), parts=tuple(piece.parts[i] for i in used))
    parts = list(piece.parts)
    for number, key in enumerate(part_keys(piece.parts)):
        if key in part_keys(tuple(parts)) and key in known and parts[number] == piece.parts[number]:
            continue
        same_kind = [i for i, p in enumerate(vocabulary.parts) if p.is_drum == piece.parts[number].is_drum]
        taken = set(part_keys(tuple(parts[:number])))
        free = [i for i in same_kind if known[i] not in taken]
        if not free:
            raise VocabularyError(
                f"the music has more parts than this model knows ({describe(piece.parts[number])} is one too many); "
                f"it knows {len(vocabulary.parts)}"
            )
        nearest = min(free, key=lambda i: abs(vocabulary.parts[i].program - piece.parts[number].program))
        parts[number] = vocabulary.parts[nearest]
        if parts[number].program != piece.parts[number].program:
            changes.append(f"{describe(piece.parts[number])} played as program {parts[number].program}")
    return replace(piece, parts=tuple(parts))


def _fit_pitches(vocabulary: Vocabulary, piece: Piece, changes: list[str]) -> Piece:
    low, high = vocabulary.pitches
    outside = (piece.pitch < low) | (piece.pitch > high)
    if not outside.any():
        return piece
    down, up = -(-np.maximum(piece.pitch - high, 0) // 12), -(-np.maximum(low - piece.pitch, 0) // 12)
    pitch = np.clip(piece.pitch + 12 * (up - down), low, high)
    changes.append(f"{outside.sum()} notes outside the model's range (pitch {low} to {high}) moved by octaves")
    return _without_overlaps(piece, piece.onset, piece.duration, pitch)


def _fit_velocities(vocabulary: Vocabulary, piece: Piece, changes: list[str]) -> Piece:
    velocity = _nearest(vocabulary.velocities, piece.velocity)
    if len(vocabulary.velocities) > 1 and np.any(velocity != piece.velocity):
        changes.append(f"velocities moved by up to {np.abs(velocity - piece.velocity).max()} to ones the model knows")
    return replace(piece, velocity=velocity)


def _fit_times(vocabulary: Vocabulary, piece: Piece, changes: list[str]) -> Piece:
    """Nearest known durations; and, onset by onset, the nearest known time since the event before."""
    duration = _nearest(vocabulary.durations, piece.duration)
    controls = [e.onset for e in piece.time_signatures + piece.tempi + piece.keys if e.onset > 0]
    shifts = np.diff(np.unique(np.concatenate([[0], piece.onset, controls])))
    onset = piece.onset
    if not np.isin(shifts, vocabulary.shifts).all():
        if controls:
            raise VocabularyError(
                "the music has a rhythm between changes of metre, tempo or key that this model has never seen"
            )
        ticks, number = np.unique(piece.onset, return_inverse=True)
        steps = np.diff(ticks, prepend=0)
        known = _nearest(vocabulary.shifts, np.maximum(steps, 1))
        known = np.where(steps == 0, 0, np.maximum(known, min(s for s in (*vocabulary.shifts, 10**9) if s > 0)))
        onset = np.cumsum(known)[number]
    moved = int(np.sum((onset != piece.onset) | (duration != piece.duration)))
    if not moved:
        return piece
    changes.append(f"{moved} notes moved or lengthened to rhythms that the model knows")
    return _without_overlaps(piece, onset, duration, piece.pitch)


def _without_overlaps(piece: Piece, onset: Ints, duration: Ints, pitch: Ints) -> Piece:
    keep = np.ones(piece.num_notes, bool)
    while len(clash := overlaps(onset[keep], duration[keep], pitch[keep], piece.part[keep])):
        keep[np.flatnonzero(keep)[clash]] = False
    columns = {"onset": onset, "duration": duration, "pitch": pitch, "velocity": piece.velocity, "part": piece.part}
    kept: dict[str, Any] = {name: column[keep] for name, column in columns.items()}
    return replace(piece, **kept)


def _check_voices(vocabulary: Vocabulary, piece: Piece) -> None:
    numbers = {key: i for i, key in enumerate(part_keys(vocabulary.parts))}
    for number, key in enumerate(part_keys(piece.parts)):
        if vocabulary.monophonic[numbers[key]] and not piece.select(piece.part == number).is_monophonic:
            raise VocabularyError(
                "several notes sound at once in a part, and this model knows one at a time; give one voice of the music"
            )


def _nearest(table: Sequence[int], values: Sequence[int] | Ints) -> Ints:
    array, values = np.array(table, np.int64), np.asarray(values, np.int64)
    after = np.clip(np.searchsorted(array, values), 0, len(array) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(array[after] - values) < np.abs(values - array[before]), array[after], array[before])
