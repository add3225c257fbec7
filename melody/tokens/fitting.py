"""Making a piece fit a vocabulary that was made from other music, and saying what was changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.errors import VocabularyError
from melody.piece import MAX_TICK, Ints, Part, Pedal, Piece, Tempo, overlaps
from melody.tokens.fineness import steps_to
from melody.tokens.rhythm import FIXED, Unreachable, nearest_places, weights_of, without_long_steps
from melody.tokens.usage import next_in_voice, part_keys, rests_after
from melody.tokens.vocabulary import Vocabulary, describe

_CHANGES = ("time_signatures", "tempi", "keys")
_TRIES = 50
_MODEL = "this model"
_TOO_FAR = "its rhythm is too far from any that this model knows"
_TOGETHER = "several notes sound at once in a part, and this model knows one at a time; give one voice"


def fit(vocabulary: Vocabulary, piece: Piece, *, who: str = _MODEL) -> tuple[Piece, tuple[str, ...]]:
    """The piece as the vocabulary can say it, and one sentence for each thing that had to be changed.

    `who` knows only this or that, in these sentences and in errors: the vocabulary may be no model's.

    Instruments go to the nearest part, pitches outside the range move by octaves, times, velocities and tempi go to the
    nearest known ones, unknown keys and changes that the vocabulary never saw within a piece are left out.

    Raises
    ------
    VocabularyError
        If the metre is unknown, or several voices meet where the vocabulary has one: neither can be mended without making
        other music of it.
    """
    changes: list[str] = []
    try:
        fitted = _fitted(vocabulary, piece, changes)
    except VocabularyError as error:
        raise VocabularyError(str(error).replace(_MODEL, who)) from error
    return fitted, tuple(change.replace(_MODEL, who) for change in changes)


def _fitted(vocabulary: Vocabulary, piece: Piece, changes: list[str]) -> Piece:
    if piece.ticks_per_quarter != vocabulary.ticks_per_quarter:
        piece = piece.resolution(vocabulary.ticks_per_quarter)
        changes.append(f"moved to the grid of {vocabulary.ticks_per_quarter} ticks a quarter")
    piece = _fit_signatures(vocabulary, piece if vocabulary.pedal else replace(piece, pedals=()), changes)
    if piece.num_notes:
        piece = _fit_parts(vocabulary, piece, changes)
        piece = _fit_pitches(vocabulary, piece, changes)
        piece = _fit_velocities(vocabulary, piece, changes)
        _check_voices(vocabulary, piece)
        piece = _fit_times(vocabulary, piece, changes)
    return piece


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
        if not vocabulary.changes[i] and any(event.onset > 0 for event in events):
            if name == "time_signatures":
                raise VocabularyError(
                    "the metre changes within the music, which this model has never seen; give one part of it"
                )
            first: dict[str, Any] = {name: (events[0]._replace(onset=0),)}
            piece = replace(piece, **first)
            what = "tempo" if name == "tempi" else "key"
            changes.append(f"changes of {what} left out" if len(events) > 1 else f"the {what} heard from the beginning on")
    known_keys = tuple(k for k in piece.keys if k[1:] in vocabulary.keys)
    if vocabulary.keys and len(known_keys) < len(piece.keys):
        changes.append("a key that this model has never seen left out")
    tempi = tuple(Tempo(t.onset, int(_nearest(vocabulary.tempi, [t.microseconds])[0])) for t in piece.tempi)
    return replace(piece, keys=known_keys, tempi=tempi)


def _fit_parts(vocabulary: Vocabulary, piece: Piece, changes: list[str]) -> Piece:
    known = part_keys(vocabulary.parts)
    used = sorted(set(piece.part.tolist()))
    piece = replace(piece, part=np.searchsorted(used, piece.part), parts=tuple(piece.parts[i] for i in used))
    left = Counter(key[:2] for key in part_keys(vocabulary.parts))  # players of each instrument
    exact = [key in known for key in part_keys(piece.parts)]
    left -= Counter(key[:2] for key, is_known in zip(part_keys(piece.parts), exact) if is_known)
    parts = list(piece.parts)
    for number in np.flatnonzero(~np.array(exact)):
        part = parts[number]
        free = [instrument for instrument in left if left[instrument] > 0 and instrument[1] == part.is_drum]
        kinds = {of.is_drum for of in vocabulary.parts}
        if part.is_drum and True not in kinds:
            raise VocabularyError("drums play, and this model knows none; leave them out")
        if not part.is_drum and False not in kinds:
            raise VocabularyError(f"{describe(part)} plays, and this model knows nothing but drums; give it drums")
        if not free:
            raise VocabularyError(
                f"the music has more parts than this model knows ({describe(part)} is one too many); "
                f"it knows {len(vocabulary.parts)}"
            )
        nearest = min(free, key=lambda instrument: (abs(instrument[0] - part.program), instrument))
        left[nearest] -= 1
        parts[number] = Part(*nearest)
        if nearest[0] != part.program:
            changes.append(f"{describe(part)} played as {describe(parts[number])}")
    return replace(piece, parts=tuple(parts))


def _fit_pitches(vocabulary: Vocabulary, piece: Piece, changes: list[str]) -> Piece:
    low, high = vocabulary.pitches
    piece = _without_foreign_drums(vocabulary, piece, changes)
    outside = (piece.pitch < low) | (piece.pitch > high)
    if not outside.any():
        return piece
    down, up = -(-np.maximum(piece.pitch - high, 0) // 12), -(-np.maximum(low - piece.pitch, 0) // 12)
    pitch = np.clip(piece.pitch + 12 * (up - down), low, high)
    changes.append(
        f"{_count(int(outside.sum()), 'note')} outside the range of this model (pitch {low} to {high}) moved by octaves"
    )
    return _without_overlaps(piece, piece.onset, piece.duration, pitch)


def _without_foreign_drums(vocabulary: Vocabulary, piece: Piece, changes: list[str]) -> Piece:
    """Without the drums outside the range of all pitches: an octave higher is another drum, not the same one."""
    low, high = vocabulary.pitches
    foreign = piece.is_drum & ((piece.pitch < low) | (piece.pitch > high))
    if not foreign.any():
        return piece
    if foreign.all():
        raise VocabularyError(f"none of its drums is one that {_MODEL} knows (notes {low} to {high})")
    changes.append(f"{_count(int(foreign.sum()), 'note')} left out, of drums that {_MODEL} does not know")
    return piece.select(~foreign)


def _fit_velocities(vocabulary: Vocabulary, piece: Piece, changes: list[str]) -> Piece:
    velocity = _nearest(vocabulary.velocities, piece.velocity)
    if len(vocabulary.velocities) > 1 and np.any(velocity != piece.velocity):
        changes.append(f"velocities moved by up to {np.abs(velocity - piece.velocity).max()} to ones that this model knows")
    return replace(piece, velocity=velocity)


def _fit_times(vocabulary: Vocabulary, piece: Piece, changes: list[str]) -> Piece:
    """Each event at the nearest known place, see `melody.tokens.rhythm`, and durations that are known and end in time."""
    bars, quick = 0, 0
    for _ in range(_TRIES):  # a note that has to go may leave a step of unknown length
        try:
            timed = _timed(vocabulary, piece)
        except Unreachable as error:
            piece, left_out = _from_its_bar(piece, error.tick)
            bars += left_out
            continue
        lost = _lost(vocabulary, piece, timed)
        if not lost.any():
            changes += _remarks(bars, quick, timed, piece, rounded=_rounds(vocabulary, piece))
            return replace(piece, onset=timed.onset, duration=timed.duration, **timed.frame)
        piece, quick = piece.select(~lost), quick + int(lost.sum())
    raise VocabularyError(_TOO_FAR)


@dataclass(frozen=True)
class _Timed:
    """Where the notes and changes of a piece go; `gone` is how much earlier each note has become by whole bars."""

    onset: Ints
    duration: Ints
    gone: Ints
    frame: dict[str, Any]


def _timed(vocabulary: Vocabulary, piece: Piece) -> _Timed:
    part = vocabulary.part_numbers(piece)[piece.part]
    implied = np.array(vocabulary.implied_duration)[part]
    after = np.flatnonzero(implied)[rests_after(part[implied], piece.onset[implied], piece.end[implied])]
    changes = {name: [e.onset for e in getattr(piece, name) if e.onset > 0] for name in _CHANGES}
    turns = np.array(piece.pedals, np.int64).reshape(-1)
    ticks = np.union1d(np.union1d(piece.onset, piece.end[after]), [tick for of in changes.values() for tick in of])
    ticks = np.union1d(ticks, turns)
    ticks = ticks.astype(np.int64)
    places, gone = _places(vocabulary, piece, ticks, changes["time_signatures"])

    def place(tick: Ints) -> Ints:
        return places[np.searchsorted(ticks, tick)]

    onset = place(piece.onset)
    duration = _durations(vocabulary, piece, part, onset)
    # A note whose duration is implied lasts until its part's next event, which has been moved as such.
    duration[implied] = place(piece.end[implied]) - onset[implied]
    frame = {name: _at(getattr(piece, name), place) for name in _CHANGES}
    presses = place(turns).reshape(-1, 2).tolist()
    frame["pedals"] = tuple(Pedal(*press) for press in presses if press[0] < press[1])
    return _Timed(onset, duration, gone[np.searchsorted(ticks, piece.onset)], frame)


def _places(vocabulary: Vocabulary, piece: Piece, ticks: Ints, metres: list[int]) -> tuple[Ints, Ints]:
    """Where the events at those ticks go, and how many ticks of whole bars were left out before each."""
    if np.isin(np.diff(ticks, prepend=0), vocabulary.shifts).all():
        return ticks, np.zeros_like(ticks)
    if len(vocabulary.shifts) == 1:
        raise VocabularyError("this model knows one onset only")
    if _rounds(vocabulary, piece):
        return steps_to(vocabulary.shifts, ticks), np.zeros_like(ticks)
    begins = np.union1d(piece.onset, [e.onset for name in _CHANGES for e in getattr(piece, name)])
    shorter, gone = without_long_steps(vocabulary.shifts, piece, ticks, ~np.isin(ticks, begins))
    weights = weights_of(piece, ticks)
    weights[np.isin(ticks, metres)] = FIXED
    try:
        return nearest_places(vocabulary.shifts, shorter, weights, vocabulary.ticks_per_quarter), gone
    except Unreachable as error:
        raise Unreachable(int(ticks[error.tick])) from error


def _rounds(vocabulary: Vocabulary, piece: Piece) -> bool:
    """Whether times are rounded one after another: those of a performance, whose bar lines no change of metre fixes."""
    return len(piece.time_signatures) == 1 and vocabulary.is_fine


def _durations(vocabulary: Vocabulary, piece: Piece, part: Ints, onset: Ints) -> Ints:
    """The nearest known durations that end before the next note of the same pitch, or part if it plays one at a time."""
    if not vocabulary.durations:
        return piece.duration.copy()
    following = next_in_voice(_voices(vocabulary, piece, part), onset, np.full(len(onset), MAX_TICK))
    left = np.searchsorted(vocabulary.durations, following - onset, "right") - 1
    longest = np.array(vocabulary.durations)[np.maximum(left, 0)]
    found: Ints = np.minimum(_nearest(vocabulary.durations, piece.duration), longest)
    return found


def _voices(vocabulary: Vocabulary, piece: Piece, part: Ints) -> Ints:
    """A number for each note, the same for notes that cannot sound together."""
    voice: Ints = part << 7 | np.where(np.array(vocabulary.monophonic)[part], 0, piece.pitch)
    return voice


def _lost(vocabulary: Vocabulary, piece: Piece, timed: _Timed) -> NDArray[np.bool_]:
    """The notes for which the known steps leave no place beside others of their voice.

    Of those that have come to one place the one stays that was moved least, or is longest.
    """
    part = vocabulary.part_numbers(piece)[piece.part]
    voice = _voices(vocabulary, piece, part)
    moved = np.abs(timed.onset - piece.onset + timed.gone)
    order = np.lexsort((-piece.duration, moved, timed.onset, voice))
    lost = timed.duration <= 0
    same = np.diff(voice[order]) == 0
    lost[order[1:][same & (np.diff(timed.onset[order]) == 0)]] = True
    late = same & ((timed.onset + timed.duration)[order[:-1]] > timed.onset[order[1:]])
    lost[order[:-1][late & ~lost[order[1:]]]] = True
    return lost


def _at(events: tuple[Any, ...], place: Callable[[Ints], Ints]) -> tuple[Any, ...]:
    """Changes of metre, tempo or key at their places; of those that have come to one the last."""
    later = [event for event in events if event.onset > 0]
    ticks = place(np.array([event.onset for event in later], np.int64)).tolist()
    kept = {event.onset: event for event in [e for e in events if e.onset == 0]}
    kept |= {tick: event._replace(onset=tick) for tick, event in zip(ticks, later)}
    return tuple(kept.values())


def _from_its_bar(piece: Piece, tick: int) -> tuple[Piece, int]:
    """The piece from the bar of that tick on, or from the next one if it begins there; how many bars there are before."""
    bar = int(piece.bar_and_position([tick])[0][0])
    starts = piece.bar_starts(piece.length)
    bar += not np.any(piece.onset < starts[bar])
    line = int(starts[min(bar, len(starts) - 1)])
    rest = piece.slice(line, piece.length)
    if not 0 < rest.num_notes < piece.num_notes:
        raise VocabularyError(_TOO_FAR)
    return rest, bar


def _remarks(bars: int, quick: int, timed: _Timed, piece: Piece, *, rounded: bool) -> list[str]:
    """In words what was done to the rhythm."""
    remarks = [f"{_count(bars, 'bar')} at the beginning left out, whose rhythm this model does not know"] * (bars > 0)
    remarks += [f"{_count(quick, 'note')} left out, too quick for this model"] * (quick > 0)
    if timed.gone.any():
        remarks.append("rests longer than any that this model knows made shorter by whole bars")
    if rounded and np.any((timed.onset != piece.onset) | (timed.duration != piece.duration)):
        most = np.abs(timed.onset - piece.onset).max(initial=0) / piece.ticks_per_quarter
        return [*remarks, f"times rounded to ones that {_MODEL} knows, by up to {most:.3f} quarter notes"]
    moved = int(np.sum((timed.onset + timed.gone != piece.onset) | (timed.duration != piece.duration)))
    return remarks + [f"{_count(moved, 'note')} moved or lengthened to rhythms that this model knows"] * (moved > 0)


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'s' if number != 1 else ''}"


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
            raise VocabularyError(_TOGETHER)


def _nearest(table: Sequence[int] | Ints, values: Sequence[int] | Ints) -> Ints:
    array, values = np.array(table, np.int64), np.asarray(values, np.int64)
    if not len(values):
        return values
    after = np.clip(np.searchsorted(array, values), 0, len(array) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(array[after] - values) < np.abs(values - array[before]), array[after], array[before])
