"""Limits that no tune can keep, or that a model knows nothing of, are refused before anything is sampled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from melody.errors import SamplingError
from melody.general_midi import instrument_name
from melody.limits.limits import Limits
from melody.limits.lookups import allowed_keys, allowed_metres, allowed_parts, allowed_pitches, allowed_velocities
from melody.piece import Ints
from melody.score.names import class_name, pitch_name
from melody.signatures import Key
from melody.tokens import Vocabulary
from melody.tokens.usage import TEMPO

FARTHEST_TEMPO = 1.25  # times the nearest tempo that the model knows


def check(limits: Limits, vocabulary: Vocabulary) -> None:
    """Refuse limits that contradict one another, or that the vocabulary has nothing for.

    Raises
    ------
    SamplingError
        In one sentence: what cannot be, and what to change.
    """
    _check_signatures(limits, vocabulary)
    _check_players(limits, vocabulary)
    if np.any(allowed_parts(limits, vocabulary) & ~vocabulary.drums):
        _check_tonic(limits)
        _check_pitches(limits, vocabulary)
        _check_leaps(limits, vocabulary)
        _check_chords(limits, vocabulary)
    elif limits.notes or limits.range or limits.chords or limits.end_on_tonic:
        raise SamplingError(
            "only drums are left to play, and they have no key, scale, range or chords; leave those limits out"
        )
    _check_grid(limits, vocabulary)


def _check_signatures(limits: Limits, vocabulary: Vocabulary) -> None:
    if limits.metre and limits.metre not in vocabulary.time_signatures:
        known = _listed([f"{n}/{d}" for n, d in vocabulary.time_signatures])
        raise SamplingError(f"the model has never seen {limits.metre[0]}/{limits.metre[1]}; it knows {known}")
    if limits.key and vocabulary.keys and not allowed_keys(limits, vocabulary).any():
        known = _listed([Key(0, *key).name for key in vocabulary.keys])
        raise SamplingError(f"the model has never seen the key of {limits.key.name}; it knows {known}")
    if limits.tempo and vocabulary.is_encoded[TEMPO]:
        known_qpm = [60e6 / tempo for tempo in vocabulary.tempi]
        if min(max(limits.tempo / qpm, qpm / limits.tempo) for qpm in known_qpm) > FARTHEST_TEMPO:
            raise SamplingError(
                f"the model has never seen a tempo near {limits.tempo:g} quarters a minute; it knows "
                f"{min(known_qpm):.4g} to {max(known_qpm):.4g}"
            )


def _check_players(limits: Limits, vocabulary: Vocabulary) -> None:
    for instrument in limits.instruments:
        if not any(instrument.plays(part) for part in vocabulary.parts):
            known = _listed(list(dict.fromkeys(instrument_name(part) for part in vocabulary.parts)))
            raise SamplingError(f"the model has never seen the instrument {instrument.name}; it knows {known}")
    if not allowed_velocities(limits, vocabulary).any():
        low, high = limits.velocity or (1, 127)
        raise SamplingError(
            f"the model knows no velocity from {low} to {high}; it knows {_listed([str(v) for v in vocabulary.velocities])}"
        )


def _check_tonic(limits: Limits) -> None:
    if limits.end_on_tonic and limits.tonic is None:
        raise SamplingError("the tonic to end on is unknown; say a key, as Dm, or a scale, as D dorian")
    if limits.key and limits.scale and limits.key.tonic not in limits.scale.pitch_classes:
        raise SamplingError(
            f"the scale {limits.scale.name} does not hold {_class(limits, limits.key.tonic)}, the tonic of "
            f"{limits.key.name}; change one of them, or leave the key out"
        )


def _check_pitches(limits: Limits, vocabulary: Vocabulary) -> None:
    low, high = vocabulary.pitches
    lowest, highest = limits.range or (low, high)
    asked = f"{pitch_name(lowest)} to {pitch_name(highest)}"
    if highest < low or lowest > high:
        raise SamplingError(f"the model has no pitch from {asked}; it knows {pitch_name(low)} to {pitch_name(high)}")
    pitches = _pitches(limits, vocabulary)
    if not len(pitches) and limits.notes:
        raise SamplingError(f"no note of {limits.notes.name} lies from {asked}, where the model's are; widen the range")
    if limits.end_on_tonic and limits.tonic not in pitches % 12:
        raise SamplingError(
            f"the tonic to end on, {_class(limits, limits.tonic or 0)}, does not lie from {asked}, where the model's "
            "notes are; widen the range"
        )


def _check_leaps(limits: Limits, vocabulary: Vocabulary) -> None:
    pitches = _pitches(limits, vocabulary)
    gaps = np.diff(pitches)
    if limits.max_leap is not None and len(gaps) and gaps.max() > limits.max_leap:
        at = int(gaps.argmax())
        raise SamplingError(
            f"from {_pitch(limits, pitches[at])} the next note of {limits.notes.name if limits.notes else 'the model'} is "
            f"{_pitch(limits, pitches[at + 1])}, {gaps[at]} semitones on, and the largest leap is {limits.max_leap}; "
            f"allow {gaps[at]}"
        )


def _check_chords(limits: Limits, vocabulary: Vocabulary) -> None:
    pitches = _pitches(limits, vocabulary)
    for chord in dict.fromkeys(chord for bar in limits.chords for chord in bar):
        tones = pitches[np.isin(pitches % 12, list(chord.pitch_classes))]
        if not len(tones):
            where = f"in {limits.notes.name} and the range" if limits.notes else "in the range"
            raise SamplingError(f"no note of the chord {chord.name} is {where}; change the chord, or widen the other")
        far = np.abs(pitches[:, None] - tones).min(axis=1)
        if limits.max_leap is not None and far.max() > limits.max_leap:
            raise SamplingError(
                f"from {_pitch(limits, pitches[far.argmax()])} the nearest note of the chord {chord.name} is {far.max()} "
                f"semitones away, and the largest leap is {limits.max_leap}; allow {far.max()}"
            )
    _check_last_chord(limits)


def _check_last_chord(limits: Limits) -> None:
    """The last bar must have a chord with the tonic; without a number of bars, some bar must."""
    if not limits.chords or not limits.end_on_tonic:
        return
    last = [limits.chords[(limits.bars - 1) % len(limits.chords)]] if limits.bars else limits.chords
    if not any(limits.tonic in chord.pitch_classes for bar in last for chord in bar):
        where = f"of the last bar, {' '.join(chord.name for chord in last[0])}," if limits.bars else "of every bar"
        raise SamplingError(
            f"the tonic to end on, {_class(limits, limits.tonic or 0)}, is not in the chord {where} so no tune can end; "
            "change the chords or the number of bars"
        )


def _check_grid(limits: Limits, vocabulary: Vocabulary) -> None:
    if not limits.grid:
        return
    grid, ticks = ", ".join(map(str, limits.grid)), vocabulary.ticks_per_quarter
    if all((4 * ticks * step).denominator > 1 for step in limits.grid):
        raise SamplingError(
            f"the grid of {grid} is finer than the model's of {ticks} ticks to the quarter note; take a coarser one"
        )
    if not allowed_metres(limits, vocabulary).any():
        where = f"in {limits.metre[0]}/{limits.metre[1]}" if limits.metre else "in whatever metre,"
        raise SamplingError(f"{where} the model knows no rhythm that keeps to the grid of {grid}; take another grid")


def _pitches(limits: Limits, vocabulary: Vocabulary) -> Ints:
    return vocabulary.pitches[0] + np.flatnonzero(allowed_pitches(limits, vocabulary))


def _pitch(limits: Limits, pitch: int) -> str:
    return pitch_name(int(pitch), flats=limits.flats)


def _class(limits: Limits, pitch_class: int) -> str:
    return class_name(pitch_class, flats=limits.flats)


def _listed(names: Sequence[str]) -> str:
    """At most twelve of them."""
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
