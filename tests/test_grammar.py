"""The grammar's masks, computed for all streams at once, are those of a slow twin that goes by the events of one stream."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from music import folk_tune, random_piece

from melody.piece import Part, Piece, TimeSignature
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.usage import FIRST_PART, KEY, METRE, TEMPO
from melody.tokens.vocabulary import DURATION, END, KIND, TIME, VALUE, VELOCITY, Rows

STREAMS = 5


class Slow:
    """One stream: what has been, and by it what may come."""

    def __init__(self, vocabulary: Vocabulary, bars: int | None, count_pickup: bool, start: int, steady: bool) -> None:
        self.vocabulary, self.bars, self.count_pickup, self.start = vocabulary, bars, count_pickup, start
        self.may_change = (False, False, False) if steady else vocabulary.changes
        self.implied = [bool(implied) for implied in vocabulary.implied_duration]
        self.least = [1 if implied else min(vocabulary.durations) for implied in self.implied]
        self.bar_of = [TimeSignature(0, *t).bar_ticks(vocabulary.ticks_per_quarter) for t in vocabulary.time_signatures]
        self.tick, self.last, self.length, self.pickup = 0, (-1, -1), 0, 0
        self.metre_start, self.bars_before, self.bar = 0, 0, self.bar_of[0]
        self.known: set[int] = set()  # changes that have been
        self.sounding: dict[tuple[int, int], int] = {}  # (part, pitch): its end
        self.held: set[int] = set()  # parts of implied durations that sound
        self.notes = 0

    @property
    def until(self) -> float:
        """Where the last bar ends."""
        if self.bars is None or (self.vocabulary.is_encoded[METRE] and METRE not in self.known):
            return float("inf")
        return self.metre_start + (self.bars + self.pickup - self.bars_before) * self.bar

    def end_of(self, part: int, pitch: int) -> int:
        return self.sounding.get((part, pitch), 0)

    def pitches_from(self, part: int, tick: int, above: int = -1) -> list[int]:
        """Value tokens of the part's pitches that do not sound at a tick."""
        first = self.vocabulary.first_pitch
        values = range(first, first + self.vocabulary.num_pitches)
        return [value for value in values if value > above and self.end_of(part, value) <= tick]

    def may_play(self, part: int, tick: int) -> bool:
        kind, value = self.last
        is_single = self.vocabulary.monophonic[part]
        if tick + self.least[part] > self.until:
            return False
        if is_single and any(p == part and end > tick for (p, _), end in self.sounding.items()):
            return False
        if tick == self.tick and FIRST_PART + part < kind:
            return False
        if tick == self.tick and FIRST_PART + part == kind:
            return not is_single and bool(self.pitches_from(part, tick, value))
        return self.implied[part] or bool(self.pitches_from(part, self.tick))

    def may_rest(self, part: int, tick: int) -> bool:
        if part not in self.held or (tick == self.tick and FIRST_PART + part <= self.last[0]) or tick > self.until:
            return False
        return tick < self.until or part == min(self.held)

    def may_begin(self, kind: int, tick: int) -> bool:
        """A change of metre, tempo or key."""
        first = tick == self.tick == 0 and not self.notes
        if not self.vocabulary.is_encoded[kind] or (tick == self.tick and self.last[0] >= kind):
            return False
        if not first and not (self.may_change[kind] and tick + min(self.least) <= self.until):
            return False
        if kind == METRE and (tick - self.metre_start) % self.bar:
            return False
        return not (kind == METRE and self.bars is not None and any(end > tick for end in self.sounding.values()))

    def kinds(self, tick: int) -> set[int]:
        for kind in (METRE, TEMPO):
            if self.vocabulary.is_encoded[kind] and kind not in self.known:
                return {kind} if tick == self.tick else set()
        parts = range(len(self.implied))
        speaking = {FIRST_PART + part for part in parts if self.may_play(part, tick) or self.may_rest(part, tick)}
        return speaking | {kind for kind in (METRE, TEMPO, KEY) if self.may_begin(kind, tick)}

    def times(self) -> set[int]:
        ticks = {1 + i: self.tick + shift for i, shift in enumerate(self.vocabulary.shifts)}
        legal = {time for time, tick in ticks.items() if self.kinds(tick)}
        legal = {time for time in legal if ticks[time] >= self.start} or legal
        may_end = self.notes > 0 and not self.held and (self.bars is None or self.length > self.until - self.bar)
        return legal | ({END} if may_end or not legal else set())

    def past_end(self) -> set[int]:
        """In the last bar the times after which no note could begin before its end."""
        if self.bars is None or all(self.implied) or self.until - self.tick > self.bar:
            return set()
        shifts = enumerate(self.vocabulary.shifts)
        return {1 + i for i, shift in shifts if shift and self.tick + shift + min(self.least) > self.until}

    def values(self, tick: int, kind: int) -> set[int]:
        if kind < FIRST_PART:
            return set(range(*self.vocabulary.value_starts[kind : kind + 2]))
        part = kind - FIRST_PART
        above = self.last[1] if tick == self.tick and kind == self.last[0] else -1
        pitches = self.pitches_from(part, tick, above) if self.may_play(part, tick) else []
        return {*pitches, *([self.vocabulary.rest] if self.may_rest(part, tick) else [])}

    def durations(self, tick: int) -> set[int]:
        durations = self.vocabulary.durations or (1,)
        return {i for i, duration in enumerate(durations) if tick + duration <= self.until}

    def push(self, row: list[int]) -> None:
        time, kind, value, duration, _ = row
        if time == END:
            return
        self.tick += self.vocabulary.shifts[time - 1]
        self.last = kind, value
        if kind < FIRST_PART:
            self.known.add(kind)
            if kind == METRE:
                self.bars_before += (self.tick - self.metre_start) // self.bar
                self.metre_start, self.bar = self.tick, self.bar_of[value]
            return
        part = kind - FIRST_PART
        if self.implied[part] and value == self.vocabulary.rest:
            self.held.remove(part)
            self.length = self.tick
            return
        if not self.notes and not self.count_pickup and self.metre_start == 0 and self.bar <= 2 * self.tick < 2 * self.bar:
            self.pickup = 1
        self.notes += 1
        if self.implied[part]:
            self.held.add(part)
        else:
            self.sounding[part, value] = self.tick + self.vocabulary.durations[duration]
            self.length = max(self.length, self.sounding[part, value])


def sets(mask: np.ndarray) -> list[set[int]]:
    return [set(np.flatnonzero(row).tolist()) for row in mask]


def pick(rng: np.random.Generator, legal: set[int]) -> int:
    return int(rng.choice(sorted(legal))) if legal else 0


def next_rows(rng: np.random.Generator, vocabulary: Vocabulary, grammar: Grammar, slow: list[Slow]) -> Rows:
    """An event for each stream, chosen among the legal ones, after all masks have been compared."""
    rows = np.zeros((len(slow), 5), np.int64)
    times = sets(grammar.times())
    assert times == [each.times() for each in slow]
    assert sets(grammar.past_end()) == [each.past_end() for each in slow]
    for stream, legal in enumerate(times):
        later = legal - {END}  # go on while there is a way, for the most part
        rows[stream, TIME] = pick(rng, later if later and rng.random() < 0.9 else legal)
    going = np.flatnonzero(rows[:, TIME] != END).tolist()
    ticks = [each.tick + vocabulary.shifts[max(int(time) - 1, 0)] for each, time in zip(slow, rows[:, TIME])]
    kinds = sets(grammar.kinds(rows[:, TIME]))
    for stream in going:
        assert kinds[stream] == slow[stream].kinds(ticks[stream])
        rows[stream, KIND] = pick(rng, kinds[stream])
    values = sets(grammar.values(rows[:, TIME], rows[:, KIND]))
    durations = sets(grammar.durations_at(rows[:, TIME]))
    for stream in going:
        assert values[stream] == slow[stream].values(ticks[stream], int(rows[stream, KIND]))
        assert durations[stream] == slow[stream].durations(ticks[stream])
        rows[stream, VALUE], rows[stream, DURATION] = pick(rng, values[stream]), pick(rng, durations[stream])
    assert sets(grammar.durations(rows)) == durations
    assert grammar.velocities(rows).shape == (len(slow), vocabulary.sizes[VELOCITY]) and grammar.velocities(rows).all()
    rows[~vocabulary.field_mask(rows)] = 0
    return rows


def walk(vocabulary: Vocabulary, seed: int, steps: int = 18, **asked: object) -> tuple[Grammar, list[Slow]]:
    """Streams of random legal events; some of them wait for a step, and after the end none is changed."""
    rng = np.random.default_rng(seed)
    settings = {"bars": None, "count_pickup": True, "start": 0, "steady": False} | asked
    grammar = Grammar(vocabulary, STREAMS, **settings)  # type: ignore[arg-type]
    slow = [Slow(vocabulary, **settings) for _ in range(STREAMS)]  # type: ignore[arg-type]
    for _ in range(steps):
        rows = next_rows(rng, vocabulary, grammar, slow)
        active = rng.random(STREAMS) < 0.9
        grammar.push(rows, active)
        for each, row, is_active in zip(slow, rows.tolist(), active):
            if is_active:
                each.push(row)
    return grammar, slow


DUET = Piece(  # two lines that rest once each, and end at one tick
    [*range(0, 192, 24), *range(0, 192, 48)], [24] * 8 + [48] * 4, [72] * 8 + [60] * 4, part=[0] * 8 + [1] * 4,
    parts=(Part(40), Part(42)),
)  # fmt: skip
CORPORA = {
    "lines": Vocabulary.build([random_piece(seed, monophonic=True) for seed in (1, 4)]),
    "one line": Vocabulary.build([Piece(np.arange(8) * 24, [24, 24, 12, 24, 24, 24, 24, 24], [60, 62, 64, 60] * 2)]),
    "duet": Vocabulary.build([DUET, DUET.transpose(2)]),
    "tunes": Vocabulary.build([folk_tune(seed, bars=3) for seed in range(4)]),
    "chords": Vocabulary.build([random_piece(seed) for seed in (2, 6)]),
    "all sorts": Vocabulary.build([random_piece(seed) for seed in (0, 3, 5, 8, 11)]),
    "two pitches": Vocabulary.build([Piece([0, 0, 24, 48], [48, 24, 72, 12], [60, 61, 61, 60])]),
}


@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize(
    "asked",
    [{}, {"bars": 1}, {"bars": 3, "count_pickup": False}, {"start": 150}, {"steady": True, "bars": 2}],
    ids=str,
)
def test_the_masks_are_those_of_the_slow_twin(corpus: str, asked: dict) -> None:
    walk(CORPORA[corpus], 1, **asked)


def test_the_corpora_have_all_that_there_is_to_mask() -> None:
    """Lines and chords together, some of implied durations, some not; metres and tempi that change; keys."""
    mixed = CORPORA["all sorts"]
    assert any(mixed.implied_duration) and not all(mixed.monophonic) and all(mixed.is_encoded) and all(mixed.changes)
    assert CORPORA["duet"].monophonic == (True, True) and len(CORPORA["duet"].durations) == 0
    assert CORPORA["tunes"].is_encoded[KEY] and not CORPORA["tunes"].changes[KEY]
    assert all(CORPORA["one line"].implied_duration) and CORPORA["two pitches"].num_pitches == 2


@pytest.mark.parametrize(("corpus", "bars"), [*product(["all sorts", "one line"], [None, 4])])
def test_streams_can_be_taken_joined_and_put(corpus: str, bars: int | None) -> None:
    """Whichever streams stand where, each goes on by its own events."""
    vocabulary, rng = CORPORA[corpus], np.random.default_rng(0)
    grammar, slow = walk(vocabulary, 1, 9, bars=bars)
    other, theirs = walk(vocabulary, 2, 4, bars=bars)
    taken = grammar.take(np.array([3, 0, 3]))
    grammar.times()  # what is known of the next event is taken along
    again = grammar.take(np.array([1, 2]))
    other.push(np.zeros((STREAMS, 5), np.int64))  # ends change nothing
    time = np.array([max(each.times()) for each in theirs])  # kinds can be asked for first
    ticks = [each.tick + vocabulary.shifts[max(at, 1) - 1] for each, at in zip(theirs, time.tolist())]
    for kinds, each, tick, at in zip(sets(other.kinds(time)), theirs, ticks, time.tolist()):
        assert kinds == each.kinds(tick) or at == END
    assert sets(again.times()) == [slow[1].times(), slow[2].times()]
    joined = taken.join(other.take(np.array([4, 1])))
    histories = [slow[3], slow[0], slow[3], theirs[4], theirs[1]]
    next_rows(rng, vocabulary, joined, histories)
    joined.put(np.array([2, 4]), other.take(np.array([0, 2])))
    histories = [slow[3], slow[0], theirs[0], theirs[4], theirs[2]]
    rows = next_rows(rng, vocabulary, joined, histories)
    joined.push(rows)  # all of them
    for each, row in zip(histories, rows.tolist()):
        each.push(row)
    next_rows(rng, vocabulary, joined, histories)
    next_rows(rng, vocabulary, grammar, [walk(vocabulary, 1, 9, bars=bars)[1][stream] for stream in range(STREAMS)])


def test_a_batch_may_have_no_streams() -> None:
    vocabulary = Vocabulary.build([folk_tune(0)])
    assert all(vocabulary.implied_duration)
    grammar = Grammar(vocabulary, 2)
    assert grammar.times().shape == (2, vocabulary.sizes[TIME])
    assert grammar.take(np.zeros(0, np.int64)).times().shape == (0, vocabulary.sizes[TIME])
