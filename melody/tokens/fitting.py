"""Making a piece fit a vocabulary that was made from other music, and saying what was changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from melody.errors import VocabularyError
from melody.piece import Ints, Part, Piece, Tempo, overlaps
from melody.tokens.usage import part_keys, rests_after
from melody.tokens.vocabulary import Vocabulary, describe


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
        _check_voices(
            vocabulary, piece, "several notes sound at once in a part, and this model knows one at a time; give one voice"
        )
        piece = _fit_times(vocabulary, piece, changes)
        _check_voices(vocabulary, piece, "its rhythm is too far from any that this model knows; take a model of such music")
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
    room = Counter(key[:2] for key in part_keys(vocabulary.parts))  # players of each instrument
    exact = [key in known for key in part_keys(piece.parts)]
    room -= Counter(key[:2] for key, is_known in zip(part_keys(piece.parts), exact) if is_known)
    parts = list(piece.parts)
    for number in np.flatnonzero(~np.array(exact)):
        part = parts[number]
        free = [instrument for instrument in room if room[instrument] > 0 and instrument[1] == part.is_drum]
        if not free:
            raise VocabularyError(
                f"the music has more parts than this model knows ({describe(part)} is one too many); "
                f"it knows {len(vocabulary.parts)}"
            )
        nearest = min(free, key=lambda instrument: (abs(instrument[0] - part.program), instrument))
        room[nearest] -= 1
        parts[number] = Part(*nearest)
        if nearest[0] != part.program:
            changes.append(f"{describe(part)} played as program {nearest[0]}")
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
    """Nearest known durations; and, event by event, the nearest known time since the event before."""
    moved = 0
    while True:  # a note that has to go may leave a gap of unknown length
        onset, duration = _known_times(vocabulary, piece)
        moved += int(np.sum((onset != piece.onset) | (duration != piece.duration)))
        fitted = _without_overlaps(piece, onset, duration, piece.pitch)
        if fitted.num_notes == piece.num_notes:
            break
        piece = fitted
    if moved:
        changes.append(f"{moved} notes moved or lengthened to rhythms that the model knows")
    return fitted


def _known_times(vocabulary: Vocabulary, piece: Piece) -> tuple[Ints, Ints]:
    """Onsets and rests at known distances, and the durations that follow or are known."""
    part = vocabulary.part_numbers(piece)[piece.part]
    legato = np.array(vocabulary.legato)[part]
    after = np.flatnonzero(legato)[rests_after(part[legato], piece.onset[legato], piece.end[legato])]
    ticks, known = _known_ticks(vocabulary, piece, np.union1d(piece.onset, piece.end[after]))
    onset = known[np.searchsorted(ticks, piece.onset)]
    duration = piece.duration.copy()
    duration[~legato] = _nearest(vocabulary.durations, piece.duration[~legato])
    # A note of a legato part lasts until the part's next one, or its rest: both are events, and have been moved as such.
    duration[legato] = known[np.searchsorted(ticks, piece.end[legato])] - onset[legato]
    return onset, duration


def _known_ticks(vocabulary: Vocabulary, piece: Piece, ticks: Ints) -> tuple[Ints, Ints]:
    """The ticks of events, ascending, and where each of them goes."""
    controls = [e.onset for e in piece.time_signatures + piece.tempi + piece.keys if e.onset > 0]
    if np.isin(np.diff(np.union1d(ticks, controls), prepend=0), vocabulary.shifts).all():
        return ticks, ticks
    if controls:
        raise VocabularyError("the music has a rhythm between changes of metre, tempo or key that this model has never seen")
    steps = np.diff(ticks, prepend=0)
    some = np.array([shift for shift in vocabulary.shifts if shift > 0])
    if not len(some):
        raise VocabularyError("this model knows one onset only; take a model of such music")
    return ticks, np.cumsum(np.where(steps == 0, 0, _nearest(some, steps)))


def _without_overlaps(piece: Piece, onset: Ints, duration: Ints, pitch: Ints) -> Piece:
    keep = np.ones(piece.num_notes, bool)
    while len(clash := overlaps(onset[keep], duration[keep], pitch[keep], piece.part[keep])):
        keep[np.flatnonzero(keep)[clash]] = False
    columns = {"onset": onset, "duration": duration, "pitch": pitch, "velocity": piece.velocity, "part": piece.part}
    kept: dict[str, Any] = {name: column[keep] for name, column in columns.items()}
    return replace(piece, **kept)


def _check_voices(vocabulary: Vocabulary, piece: Piece, reason: str) -> None:
    numbers = {key: i for i, key in enumerate(part_keys(vocabulary.parts))}
    for number, key in enumerate(part_keys(piece.parts)):
        if vocabulary.monophonic[numbers[key]] and not piece.select(piece.part == number).is_monophonic:
            raise VocabularyError(reason)


def _nearest(table: Sequence[int] | Ints, values: Sequence[int] | Ints) -> Ints:
    array, values = np.array(table, np.int64), np.asarray(values, np.int64)
    if not len(values):
        return values
    after = np.clip(np.searchsorted(array, values), 0, len(array) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(array[after] - values) < np.abs(values - array[before]), array[after], array[before])
