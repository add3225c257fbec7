"""Constraints combine: together they allow what each allows, in any order, in every task."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pytest
from music import folk_tune

from melody.limits import Limits, verify
from melody.piece import Part, Piece
from melody.sampling.constraints.by_outline.hands_full import HandsFull
from melody.sampling.constraints.by_outline.line_up import LineUp
from melody.sampling.constraints.constraint import Constraint, Masks
from melody.sampling.constraints.counterpoint import Counterpoint
from melody.sampling.constraints.few_changes import FewChanges
from melody.sampling.constraints.observations import Observations, decoded, observe, timed
from melody.sampling.constraints.observed import Observed
from melody.sampling.constraints.steering import Live, Steering
from melody.sampling.constraints.user import user_limits
from melody.sampling.constraints.user.lookahead import Lookahead
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, END, KIND, TIME, VALUE, VELOCITY, Rows

Event = tuple[int, ...]
WRITTEN = (
    {"scale": "C,D,Eb,G,A", "range": "C3:C6"},
    {"max_leap": 4},
    {"max_polyphony": 2},
    {"density": 3},
    {"grid": "1/8"},
    {"chords": "Dm G7 C C"},
    {"scale": "G major", "end_on_tonic": True},
)


def chords(seed: int) -> Piece:
    """A few notes at once, with durations, by one part, and a line without by another."""
    rng = np.random.default_rng(seed)
    high = rng.choice([0, 12, 24, 36, 48, 60, 72, 84], 14)
    pitch = rng.integers(60, 72, 14)
    kept = np.unique(np.stack([high, pitch]), axis=1)
    low = np.array([0, 12, 48, 84])  # with rests between
    onset, length = np.concatenate([kept[0], low]), np.concatenate([np.full(kept.shape[1], 12), np.full(4, 12)])
    pitch = np.concatenate([kept[1], rng.integers(48, 56, 4)])
    part = np.concatenate([np.zeros(kept.shape[1], np.int64), np.ones(4, np.int64)])
    return Piece(onset, length, pitch, np.full(len(onset), 90), part, parts=(Part(0), Part(32)))


def voices(seed: int) -> Piece:
    """Three voices that move at once or not."""
    rng = np.random.default_rng(seed)
    lines = []
    for part, centre in enumerate((72, 65, 53)):
        duration = rng.choice([12, 24, 24], 8)
        onset = np.concatenate([[0], np.cumsum(duration)[:-1]])
        lines.append((onset, duration, centre + rng.integers(-4, 5, 8), np.full(8, 90), np.full(8, part)))
    return Piece(*(np.concatenate(column) for column in zip(*lines)), parts=tuple(Part(52, name=name) for name in "SAB"))


@cache
def vocabulary_of(name: str) -> Vocabulary:
    made = {"tune": folk_tune, "voices": voices, "chords": chords}[name]
    return Vocabulary.build([made(seed) for seed in range(8)])


def constraints(vocabulary: Vocabulary) -> list[Constraint]:
    """One of each kind but those that look ahead."""
    found: list[Constraint] = [Counterpoint(vocabulary)]
    for written in WRITTEN:
        limits = user_limits(vocabulary, Limits.parse(**written))
        found += [constraint for constraint in limits if type(constraint) is not Lookahead]
    steering = Steering.nothing(vocabulary)
    steering.pitches[:, ::3] = False
    return [*found, Live(steering), line_up(vocabulary), HandsFull([2] * len(vocabulary.parts)), FewChanges([0, 0, 0])]


def line_up(vocabulary: Vocabulary) -> LineUp:
    """All parts but the second."""
    return LineUp(np.arange(len(vocabulary.parts)) != 1)


def allowed(masks: Masks) -> set[Event]:
    """All events that may come next in the first stream, field by field."""
    found, alone = set(), masks.take(np.zeros(1, np.int64))
    times = alone.times()
    if times[0, END]:
        found.add((END, 0, 0, 0, 0))
    for time in np.flatnonzero(times[0, 1:]) + 1:
        at = np.array([time])
        for kind in np.flatnonzero(alone.kinds(at)[0]):
            values = np.flatnonzero(alone.values(at, np.array([kind]))[0])
            rows = np.zeros((len(values), 5), np.int64)
            rows[:, TIME], rows[:, KIND], rows[:, VALUE] = time, kind, values
            found |= set(_endings(masks, rows))
    return found


def _endings(masks: Masks, rows: Rows) -> Iterator[Event]:
    many = masks.take(np.zeros(len(rows), np.int64))
    many.times()
    said = masks.grammar.vocabulary.field_mask(rows)
    durations, velocities = many.durations(rows), many.velocities(rows)
    for row, has, longs, louds in zip(rows.tolist(), said, durations, velocities):
        for duration in np.flatnonzero(longs) if has[DURATION] else [0]:
            for velocity in np.flatnonzero(louds) if has[VELOCITY] else [0]:
                yield (*row[:VALUE], row[VALUE], int(duration), int(velocity))


def walk(vocabulary: Vocabulary, single: list[Masks], seed: int, steps: int) -> Iterator[list[set[Event]]]:
    """What each of several masks allows along random music that all of them allow."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        each = [allowed(masks) for masks in single]
        yield each
        going = sorted(event for event in set.intersection(*each) if event[TIME] != END)
        if not going:
            return
        row = np.array([going[int(rng.integers(len(going)))]])
        for masks in single:
            masks.push(row)


@pytest.mark.parametrize("name", ["tune", "voices", "chords"])
@pytest.mark.parametrize("seed", [0, 1])
def test_two_constraints_allow_exactly_what_both_allow(name: str, seed: int) -> None:
    vocabulary = vocabulary_of(name)
    kinds = constraints(vocabulary)
    pairs = list(combinations(range(len(kinds)), 2))
    chosen = [pairs[i] for i in np.random.default_rng(seed).permutation(len(pairs))[:8]]
    sets = [[number] for number in range(len(kinds))] + [list(pair) for pair in chosen] + [list(range(len(kinds)))]
    masks = [Masks(Grammar(vocabulary, 1), [kinds[i] for i in one]) for one in sets]
    narrowed = 0
    for each in walk(vocabulary, masks, seed, 12):
        for one, found in zip(sets[len(kinds) :], each[len(kinds) :]):
            both = set.intersection(*(each[number] for number in one))
            assert {e for e in found if e[TIME] != END} == {e for e in both if e[TIME] != END}, one
            narrowed += len(both) < min(len(each[number]) for number in one)
    assert narrowed > 3  # they do take away what the other leaves


@pytest.mark.parametrize("name", ["tune", "voices", "chords"])
def test_the_order_does_not_matter_and_looking_ahead_only_takes_away(name: str) -> None:
    vocabulary = vocabulary_of(name)
    limits = Limits.parse(scale="C major", density=6, max_leap=7, grid="1/8", chords="C G", bars=4, end_on_tonic=True)

    def masks(order: list[Constraint]) -> Masks:
        return Masks(Grammar(vocabulary, 1, bars=4, count_pickup=False), order)

    every = [Counterpoint(vocabulary), line_up(vocabulary), *user_limits(vocabulary, limits)]
    blind = [constraint for constraint in every if type(constraint) is not Lookahead]
    bare = masks([])
    all_ = [masks(every), masks(every[::-1]), masks([every[-1], *every[:-1]]), masks(blind), bare]
    for forth, back, other, without, grammar in walk(vocabulary, all_, 3, 12):
        assert forth == back == other
        assert forth <= without <= grammar


@pytest.mark.parametrize("name", ["tune", "voices", "chords"])
def test_a_constraint_never_adds_and_streams_come_and_go(name: str) -> None:
    """Taken, joined and put, streams allow what they did before; each mask is within that of the grammar."""
    vocabulary, rng = vocabulary_of(name), np.random.default_rng(0)
    limits = user_limits(vocabulary, Limits.parse(scale="C major", max_leap=7, max_polyphony=2, density=5))
    steering = Steering.nothing(vocabulary)
    masks = Masks(
        Grammar(vocabulary, 4),
        [
            Live(steering),
            Counterpoint(vocabulary),
            line_up(vocabulary),
            HandsFull([2, 1, 1][: len(vocabulary.parts)]),
            *limits,
        ],
    )
    for _ in range(8):
        rows = np.zeros((4, 5), np.int64)

        def pick(field: int, mask: np.ndarray, rows: Rows = rows) -> None:
            assert not (mask & ~masks.unconstrained).any()
            some = rng.random(mask.shape) * mask
            some[:, 0] *= field != TIME
            rows[:, field] = some.argmax(axis=1)

        times = masks.times()
        order = np.array([2, 0, 0, 3])
        assert np.array_equal(masks.take(order).times(), times[order])
        joined = masks.take(np.array([1])).join(masks.take(np.array([3, 2])))
        assert np.array_equal(joined.times(), times[[1, 3, 2]])
        joined.put(np.array([0]), masks.take(np.array([2])))
        assert np.array_equal(joined.times(), times[[2, 3, 2]])
        each = [allowed(masks.take(np.array([number]))) for number in (2, 3)]
        assert [allowed(joined.take(np.array([number]))) for number in (0, 1)] == each
        pick(TIME, times)
        pick(KIND, masks.kinds(rows[:, TIME]))
        pick(VALUE, masks.values(rows[:, TIME], rows[:, KIND]))
        taken = masks.take(order)
        assert np.array_equal(
            taken.values(rows[order, TIME], rows[order, KIND]), masks.values(rows[:, TIME], rows[:, KIND])[order]
        )
        pick(DURATION, masks.durations(rows))
        pick(VELOCITY, masks.velocities(rows))
        rows[~vocabulary.field_mask(rows)] = 0
        masks.push(rows)


def test_no_constraint_is_the_grammar() -> None:
    vocabulary = vocabulary_of("chords")
    masks, grammar = Masks(Grammar(vocabulary, 1)), Grammar(vocabulary, 1)
    assert not masks.may_dead_end
    for row in vocabulary.encode(chords(1)):
        events = row[None]
        assert np.array_equal(masks.times(), grammar.times())
        if row[TIME] == END:
            break
        assert np.array_equal(masks.kinds(events[:, TIME]), grammar.kinds(events[:, TIME]))
        assert np.array_equal(masks.durations(events), grammar.durations(events))
        masks.push(events)
        grammar.push(events)


def test_a_leap_is_from_the_nearest_of_the_notes_that_began_last() -> None:
    """After C4 and A4 at once, with leaps of 2 at most: by hand, what may begin at the same tick, and what then."""
    vocabulary = vocabulary_of("chords")
    masks = Masks(Grammar(vocabulary, 1), user_limits(vocabulary, Limits.parse(max_leap=2)))

    def play(step: int, pitch: int) -> None:
        value = vocabulary.first_pitch + pitch - vocabulary.pitches[0]
        masks.push(np.array([[1 + vocabulary.shifts.index(step), FIRST_PART, value, 0, 0]]))

    def may_play(step: int) -> set[int]:
        time = np.array([1 + vocabulary.shifts.index(step)])
        values = masks.values(time, np.array([FIRST_PART]))[0, vocabulary.first_pitch :]
        return set((np.flatnonzero(values) + vocabulary.pitches[0]).tolist())

    play(0, 60)
    assert may_play(0) == set(range(61, vocabulary.pitches[1] + 1))  # nothing came before
    play(0, 69)
    reached = {60, 61, 62, 67, 68, 69, 70, 71} & set(range(vocabulary.pitches[0], vocabulary.pitches[1] + 1))
    assert may_play(12) == reached | ({58, 59} & set(range(vocabulary.pitches[0], 60)))
    play(12, 62)
    assert may_play(0) == {pitch for pitch in reached if pitch > 62}


# Observed events


def fill(vocabulary: Vocabulary, observations: Observations, also: list[Constraint], seed: int) -> Piece | None:
    """Music through what is observed, by chance among what may come; None where that led nowhere."""
    rng = np.random.default_rng(seed)
    masks = Masks(Grammar(vocabulary, 1), [Observed(vocabulary, observations), *also])
    rows: list[np.ndarray] = []
    while masks.observed_so_far[0] < len(observations.rows):
        row = np.zeros((1, 5), np.int64)
        choices = [
            (TIME, lambda row: masks.times()),
            (KIND, lambda row: masks.kinds(row[:, TIME])),
            (VALUE, lambda row: masks.values(row[:, TIME], row[:, KIND])),
            (DURATION, masks.durations),
            (VELOCITY, masks.velocities),
        ]
        for field, mask in choices:
            legal = np.flatnonzero(mask(row)[0])
            if field > TIME and not vocabulary.field_mask(row)[0, field]:
                continue
            if not len(legal):
                return None
            row[0, field] = legal[int(rng.integers(len(legal)))]
            if row[0, TIME] == END:
                break
        rows.append(row[0])
        masks.push(row)
    return decoded(vocabulary, np.array(rows))


@pytest.mark.parametrize("name", ["tune", "voices", "chords"])
def test_limits_hold_for_the_new_notes_of_a_gap_and_for_no_others(name: str) -> None:
    """The gap's notes keep to each limit, across its borders too; what stands around stays, whatever it breaks."""
    vocabulary = vocabulary_of(name)
    made = {"tune": folk_tune, "voices": voices, "chords": chords}[name](2)
    dense = 13 if name == "chords" else 7
    limits = Limits.parse(scale="C,D,E,F#,G,A,B", max_leap=5, density=dense, max_polyphony=2)
    bar = made.time_signature_at(0).bar_ticks(24)
    first, last = (bar, 2 * bar) if name == "tune" else (24, 72)
    free = np.arange(len(vocabulary.parts)) == 0
    observations = observe(vocabulary, made, free, first, last, to_the_end=True)
    filled = [fill(vocabulary, observations, user_limits(vocabulary, limits), seed) for seed in range(16)]
    pieces = [piece for piece in filled if piece is not None]
    assert len(pieces) >= 3
    for piece in pieces:
        new = (piece.part == 0) & (piece.onset >= first) & (piece.onset < last)
        old = (made.part == 0) & (made.onset >= first) & (made.onset < last)
        own = [(n.onset[k].tolist(), n.pitch[k].tolist()) for n, k in ((piece, ~new), (made, ~old))]
        assert sorted(zip(*own[0])) == sorted(zip(*own[1]))
        assert np.isin(piece.pitch[new] % 12, limits.notes.pitch_classes).all()
        _check_leaps(piece, new, 5)
        for start in range(0, piece.length, bar):
            here = (piece.onset >= start) & (piece.onset < start + bar)
            assert here.sum() <= dense or not (here & new).any()
        for tick in np.unique(piece.onset).tolist():
            sounds = (piece.onset <= tick) & (piece.end > tick)
            assert sounds.sum() <= 2 or not (sounds & new).any()


def _check_leaps(piece: Piece, new: np.ndarray, most: int) -> None:
    own = np.flatnonzero(piece.part == 0)
    onsets = np.unique(piece.onset[own])
    for before, after in pairwise(onsets):
        a, b = own[piece.onset[own] == before], own[piece.onset[own] == after]
        if new[a].any() or new[b].any():
            leaps = np.abs(piece.pitch[b][:, None] - piece.pitch[a]).min(axis=1)
            assert (leaps[new[b] | new[a].any()] <= most).all()


def test_parallels_and_a_scale_hold_together_under_a_melody() -> None:
    """As harmonize has it: the melody is observed, two voices are free, under the rule of the books and a scale."""
    vocabulary = vocabulary_of("voices")
    hymn = voices(3)
    melody = hymn.select(hymn.part == 0)
    observations = observe(vocabulary, melody, np.arange(3) > 0, 0, melody.length, to_the_end=True)
    scale = user_limits(vocabulary, Limits.parse(scale="C major"))
    filled = [fill(vocabulary, observations, [Counterpoint(vocabulary), *scale], seed) for seed in range(20)]
    pieces = [piece for piece in filled if piece is not None]
    assert len(pieces) >= 5
    for piece in pieces:
        new = piece.part > 0
        assert np.isin(piece.pitch[new] % 12, [0, 2, 4, 5, 7, 9, 11]).all()
        assert np.array_equal(piece.pitch[~new], melody.pitch)


def test_limits_hold_live_and_a_player_may_break_them() -> None:
    vocabulary, rng = vocabulary_of("tune"), np.random.default_rng(0)
    limits = Limits.parse(scale="C major", grid="1/8", max_leap=7)
    steering = Steering.nothing(vocabulary)
    steering.pitches[:, :3] = False
    masks = Masks(Grammar(vocabulary, 1, count_pickup=False), [Live(steering), *user_limits(vocabulary, limits)])
    black = vocabulary.first_pitch + int(np.flatnonzero((vocabulary.pitches[0] + np.arange(12)) % 12 == 6)[0])
    own = []
    for step in range(40):
        row = np.zeros((1, 5), np.int64)
        if step == 20:
            times = masks.times_by_grammar(FIRST_PART, black)
            assert len(times)
            masks.push(np.array([[times[0], FIRST_PART, black, 0, 0]]), observed=True)
            continue
        times = masks.times()[0]
        times[END] &= not times[1:].any()
        row[0, TIME] = rng.choice(np.flatnonzero(times))
        if row[0, TIME] == END:
            break
        row[0, KIND] = rng.choice(np.flatnonzero(masks.kinds(row[:, TIME])[0]))
        row[0, VALUE] = rng.choice(np.flatnonzero(masks.values(row[:, TIME], row[:, KIND])[0]))
        if row[0, KIND] == FIRST_PART and row[0, VALUE] >= vocabulary.first_pitch:
            own.append(int(row[0, VALUE] - vocabulary.first_pitch))
        masks.push(row)
    assert len(own) > 10 and min(own) >= 3
    assert all((vocabulary.pitches[0] + pitch) % 12 in (0, 2, 4, 5, 7, 9, 11) for pitch in own)


def test_verify_agrees_on_a_gap_under_chords() -> None:
    """Chords counted from the gap's first bar: the checker that knows no masks finds no breach in the new bars."""
    vocabulary, made = vocabulary_of("tune"), folk_tune(2)
    bar = made.time_signature_at(0).bar_ticks(24)
    observations = observe(vocabulary, made, np.array([True]), 2 * bar, 4 * bar, to_the_end=True)
    limits = Limits.parse(chords="C G")
    filled = [fill(vocabulary, observations, user_limits(vocabulary, limits, origin=2 * bar), seed) for seed in range(12)]
    pieces = [piece for piece in filled if piece is not None]
    assert len(pieces) >= 4
    for piece in pieces:
        inside = piece.slice(2 * bar, 4 * bar)
        assert verify(inside, limits, first_bar=0) == ()


@pytest.mark.parametrize("new", [1, 2])
def test_an_observed_note_is_not_one_too_many_because_of_new_ones(new: int) -> None:
    """Two notes at once at most: beside one new note the observed one may come, beside two it may not."""
    vocabulary = vocabulary_of("chords")
    seen = observe(vocabulary, chords(2), np.array([True, False]), 24, 72, to_the_end=True)
    limits = user_limits(vocabulary, Limits.parse(max_polyphony=2))
    masks = Masks(Grammar(vocabulary, 1), [Observed(vocabulary, seen), *limits])
    for row in timed(vocabulary, seen.rows[: seen.prefix], seen.tick[: seen.prefix]):
        masks.push(row[None])
    for number, step in enumerate((12, 12, 12, 0)[: 2 + new]):  # at 24 and 36 one, at 48 one or two
        time, value = 1 + vocabulary.shifts.index(step), vocabulary.first_pitch + 15 + number
        masks.push(np.array([[time, FIRST_PART, value, vocabulary.durations.index(12), 0]]))
    assert masks.kinds(np.array([1 + vocabulary.shifts.index(0)]))[0, FIRST_PART + 1] == (new == 1)
