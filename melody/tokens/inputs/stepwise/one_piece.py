"""What the model reads of events as they come, of one piece, as plain numbers; see `context`.

Arrays of one element cost as much as arrays of a hundred, and more than a number by far: for one piece alone this takes a
fifth of the time of `melody.tokens.inputs.stepwise.several_pieces`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from copy import copy

from melody.signatures import Key, TimeSignature
from melody.tokens.inputs.chordal import keys_in_force
from melody.tokens.inputs.features import FIFTH, PLANNED, THERE
from melody.tokens.inputs.matches import Matcher, code_of
from melody.tokens.inputs.outlines.harmony import UNKNOWN, has_harmony, planned
from melody.tokens.inputs.outlines.outline import (
    HARMONY,
    READ,
    SOURCES,
    Outline,
    is_pickup,
    outline_in,
)
from melody.tokens.inputs.repeats import is_sooner, planned_first
from melody.tokens.inputs.schema import (
    APART,
    BEGUN,
    ENDING,
    FIFTH_AGAIN,
    LOOKBACKS,
    LOOKED_AT,
    MAX_INTERVAL,
    OCTAVE_AGAIN,
    OF_BEATS,
    PHASES,
    SECTIONS,
    SILENT,
    SOUNDING,
    TOGETHER,
    parts_described,
    ticks_back,
)
from melody.tokens.inputs.stepwise.last_places import OneLastPlaces
from melody.tokens.inputs.stepwise.one_chordal import kind_lookbacks, of_the_part
from melody.tokens.inputs.stepwise.one_past import OnePast, plays_of
from melody.tokens.inputs.stepwise.onset_places import OnePlaces
from melody.tokens.inputs.whole_piece import HELD, first_note, stride
from melody.tokens.usage import FIRST_PART, KEY, METRE
from melody.tokens.vocabulary import FIELDS, KIND, TIME, VALUE, VELOCITY, Vocabulary


class OnePiece:
    """What has come so far in one piece.

    Parameters
    ----------
    vocabulary
        Of the events.
    outline
        Of the piece, if it has one.

    Attributes
    ----------
    tick, metre, key, match, planned
        As of `melody.tokens.inputs.stepwise.several_pieces.Pieces`, for one piece.
    bar_start, bars_before
        The tick where the time signature in force began, and the bars before it.
    last
        Onset, end and pitch + 1 of each part's last note; -1, -1, 0 before its first.
    moved_from
        The pitch + 1 that each part, if it is a line, left with that note; 0 if it rested before.
    rows, keys
        The events, and the sort key of each.
    ends
        Up to when the last note of each pitch sounds, of parts that are neither drums nor lines, (pitches,).
    last_notes, in_chord
        The number of each part's last note, from 1, 0 before the first; which of its chord it is, from 0 for the lowest.
    plays, of_kind
        Who plays in each bar by the outline (`plays_of`); key and number of the events of each kind.
    """

    def __init__(self, vocabulary: Vocabulary, outline: Outline | None = None) -> None:
        self.outline = outline
        self.has_pickup: bool | None = None  # known when the first note has come
        self.tonic = UNKNOWN  # of the key that it is in, or of the outline
        self.tick = self.bar_start = self.bars_before = self.metre = 0
        self.key = 0  # 1 + number of the key in force
        self.vocabulary = vocabulary
        self._is_chordal = vocabulary.is_chordal
        self.stride, self._first_note = stride(vocabulary), first_note(vocabulary)
        metres = [TimeSignature(0, *each) for each in vocabulary.time_signatures]
        self._bar_lengths = [metre.bar_ticks(vocabulary.ticks_per_quarter) for metre in metres]
        self._parts = parts_described(vocabulary)
        self.last: list[tuple[int, int, int]] = [(-1, -1, 0)] * len(vocabulary.parts)  # onset, end, pitch + 1
        self.last_notes = [0] * len(vocabulary.parts)
        self.in_chord = [0] * len(vocabulary.parts)
        self.moved_from = [0] * len(vocabulary.parts)
        self.lines: list[bool] = vocabulary.lines.tolist()
        self.ends, self.is_drum = [0] * vocabulary.num_pitches, vocabulary.drums.tolist()
        self._says_ends = [not (drum or implied) for drum, implied in zip(self.is_drum, vocabulary.implied_duration)]
        self.keys: list[int] = []
        self.of_kind: list[list[tuple[int, int]]] = [[] for _ in range(vocabulary.sizes[KIND])]
        self.plays = plays_of(outline, vocabulary.sizes[KIND]) if outline and self._is_chordal else []
        self.places, self.last_places = OnePlaces(self.plays, len(vocabulary.parts)), OneLastPlaces(vocabulary)
        self.rows: list[tuple[int, int, int, int, int]] = []
        self._matcher, self._implied = Matcher(), vocabulary.implied_duration
        self._has_harmony = has_harmony(vocabulary)
        self.keys_in_force: list[int] = keys_in_force(vocabulary).tolist()
        self._tonics = [UNKNOWN, *(Key(0, *key).tonic for key in vocabulary.keys)]
        self.match: list[int] = [0] * len(FIELDS)  # the tokens of the event that followed, each + 1
        self.planned = planned_first(vocabulary, outline)

    def copy(self) -> OnePiece:
        """An independent one that has seen the same events."""
        twin = copy(self)
        twin.keys, twin.rows, twin.last, twin.moved_from = self.keys[:], self.rows[:], self.last[:], self.moved_from[:]
        twin.ends = self.ends[:]
        twin.of_kind = [events[:] for events in self.of_kind]
        twin._matcher, twin.last_notes, twin.in_chord = self._matcher.copy(), self.last_notes[:], self.in_chord[:]
        twin.places, twin.last_places = self.places.copy(), self.last_places.copy()
        return twin

    @property
    def bar_ticks(self) -> int:
        """Length of a bar of the time signature in force."""
        return self._bar_lengths[self.metre]

    @property
    def ticks_back(self) -> list[int]:
        """How far back a bar's `OWN_LOOKBACKS` are."""
        return ticks_back(self.bar_ticks, self.vocabulary.ticks_per_quarter)

    def place(self, time: int) -> list[int]:
        """The conditions of the place of the next event by its time token, position to pitch."""
        tick = self.tick + self.vocabulary.shifts[max(time - 1, 0)]
        last = self.last[: self._parts]
        status = [_status_of(onset, end, tick) for onset, end, _ in last]
        age = [self.as_time(tick - onset) if end > tick else 0 for onset, end, _ in last]
        pitch = [pitch for _, _, pitch in last]
        planned = self.harmony_at(tick, self.outlined_at(tick))[:THERE]
        due = self.planned[KIND] if self.planned[TIME] == 1 + time else 0
        lookbacks = [*kind_lookbacks(self, tick), due] if self._is_chordal else []
        return [*self.place_in_bar(tick), self.key, *planned, *lookbacks, *status, *age, *pitch]

    def of_kinds(self, time: int) -> list[int]:
        """The conditions `may play` and `stands`, the last ones, by the time of the next event."""
        tick = self.tick + self.vocabulary.shifts[max(time - 1, 0)]
        begun = self.places.may_play(self.bar_at(tick), self.start_of(tick), tick, self.last)
        return begun + self.last_places.stand(tick, self.last)

    def start_of(self, tick: int) -> int:
        """Where the bar there begins."""
        return tick - (tick - self.bar_start) % self.bar_ticks

    def outlined_at(self, tick: int) -> Sequence[int]:
        """What the outline says of the bar there."""
        return outline_in(self.outline, self.bar_at(tick))

    def harmony_at(self, tick: int, outlined: Sequence[int]) -> list[int]:
        """What that says of the harmony at a tick (`harmony.planned`); nothing where no outline can."""
        if not self._has_harmony:
            return []
        tonic = self._tonics[self.key] if self.has_pickup is None else self.tonic
        ahead = outlined[HARMONY]
        place = (tick - self.bar_start) % self.bar_ticks
        return planned(ahead, place, self.bar_ticks, self.vocabulary.ticks_per_quarter, tonic)

    def part(self, time: int, kind: int) -> list[int]:
        """The conditions `own` to `against` by the time and the kind of the next event."""
        own = self.last[kind - FIRST_PART][2] if kind >= FIRST_PART else 0
        more, of_pitch = of_the_part(self, time, kind) if self._is_chordal else ([], [])
        return [own, *more, *self._distances(kind, own), *of_pitch, *self._against(time, kind)]

    def _against(self, time: int, kind: int) -> list[int]:
        """How each part stands to a note of that kind."""
        found, number = [APART] * self._parts, kind - FIRST_PART
        if not 0 < number < self._parts or not self.lines[number]:
            return found
        tick = self.tick + self.vocabulary.shifts[max(time - 1, 0)]
        _, held, own = self.last[number]
        for part in range(number):
            onset, end, pitch = self.last[part]
            if not (self.lines[part] and pitch and end > tick):
                continue
            found[part], before = TOGETHER, self.moved_from[part]
            if onset == tick and held > tick and before and own and (pitch - before) % 12:
                found[part] = {0: OCTAVE_AGAIN, FIFTH: FIFTH_AGAIN}.get((before - own) % 12, TOGETHER)
        return found

    def _distances(self, kind: int, pitch: int) -> list[int]:
        """From a pitch + 1 of an event of that kind to the last one of each part."""
        is_drum = self.is_drum
        if kind < FIRST_PART or is_drum[kind - FIRST_PART]:
            return [0] * self._parts
        others = zip(self.last[: self._parts], is_drum)
        return [0 if drums else _interval(pitch, other) for (_, _, other), drums in others]

    def place_in_bar(self, tick: int) -> tuple[int, int]:
        """Position and beat."""
        since = (tick - self.bar_start) % self.bar_ticks
        return min(since, self.vocabulary.longest_bar - 1), since % self.vocabulary.ticks_per_quarter

    def push(self, row: tuple[int, int, int, int, int]) -> list[int]:
        """Take in the next event (not END) and give its features."""
        time, kind, value, duration, _ = row
        self.tick += self.vocabulary.shifts[time - 1]
        tick = self.tick
        if kind == METRE:
            self.bars_before += (tick - self.bar_start) // self.bar_ticks
            self.bar_start, self.metre = tick, value
        elif kind == KEY and value < self.vocabulary.first_turn:
            self.key = value - self.vocabulary.value_starts[KEY] + 1
        self.keys.append((tick * self.vocabulary.sizes[KIND] + kind) * self.vocabulary.sizes[VALUE] + value)
        self.rows.append(row)
        self.of_kind[kind].append((self.keys[-1], len(self.rows) - 1))
        bar = self.bar_ticks
        is_note = kind >= FIRST_PART and value >= self.vocabulary.first_pitch
        if is_note and self.has_pickup is None:
            self.has_pickup, self.tonic = is_pickup(tick, bar), self._tonics[self.key]
            if self.tonic == UNKNOWN and self.outline is not None:
                self.tonic = self.outline.frame.tonic
        number = self.bar
        section = min(max(number // PHASES, 0), SECTIONS - 1)
        features = [*self.place_in_bar(tick), number % PHASES, section, self.metre]
        outlined, pitch = outline_in(self.outline, number), 0
        if is_note:
            pitch = value - self.vocabulary.first_pitch + 1
            features += [self._take_note(kind, value, duration), self.key, self._degree(kind, value)]
            self.last_notes[kind - FIRST_PART] = len(self.rows)
        else:
            features += [0, self.key, 0]
            if kind >= FIRST_PART:
                onset, _, before = self.last[kind - FIRST_PART]
                self.last[kind - FIRST_PART] = (onset, tick, before)
        features += [*outlined[READ], *self.harmony_at(tick, outlined)[: len(PLANNED)]]
        if self._is_chordal:
            features += [self.places.to_come(number, self.start_of(tick)), self.places.again(number), *self._next_ends()]
        for number, back in enumerate(self.ticks_back if self._is_chordal else self.ticks_back[: len(LOOKBACKS)]):
            fields = len(LOOKED_AT) if number < len(LOOKBACKS) else len(OF_BEATS)
            if tick < back:
                features += [0] * fields
            else:
                there = self.rows[bisect_right(self.keys, self.keys[-1] - back * self.stride)]
                features += [token + 1 for token in there[:fields]]
        left = [self._left(part) for part in range(self._parts)]
        pitches = [last for _, _, last in self.last[: self._parts]]
        return [*features, *left, *pitches, *self._take_match(row, outlined), *self._distances(kind, pitch)]

    @property
    def bar(self) -> int:
        """Number of the bar of the last event, from the first full one."""
        return self.bar_at(self.tick)

    def bar_at(self, tick: int) -> int:
        """Number of the bar there."""
        return self.bars_before + (tick - self.bar_start) // self.bar_ticks - self._is_after_pickup

    @property
    def _is_after_pickup(self) -> bool:
        """Whether the bar before the first full one is a pick-up, by the outline until the first note has come."""
        if self.has_pickup is None:
            return self.outline is not None and self.outline.has_pickup
        return self.has_pickup

    @property
    def _past(self) -> OnePast:
        """The events so far, to look up in what the outline says is repeated."""
        return OnePast(
            self.vocabulary, self.tick, self.bar_start, self.bar_ticks, self.plays, self.keys, self.rows, self.of_kind
        )

    def _take_match(self, row: tuple[int, ...], outlined: Sequence[int]) -> list[int]:
        """Length and times of what is being repeated, and the tokens that followed."""
        length, times, place = self._matcher.push(code_of(self.vocabulary, *row[:VELOCITY]))
        followed = self.rows[place] if length else (-1,) * len(FIELDS)
        found = self._past.outlined(self.bar, *outlined[SOURCES]) if self.outline is not None else None
        self.planned = [token + 1 for token in found[1]] if found and self.plays else [0] * len(FIELDS)
        if found is not None and (not self.plays or is_sooner(self.planned, [token + 1 for token in followed])):
            length, times, followed = found[0], 0, found[1]
        self.match = [token + 1 for token in followed]
        return [length, times, *self.match]

    def _next_ends(self) -> list[int]:
        """As `melody.tokens.inputs.chordal.next_ends`."""
        ends = {end for (_, end, _), ends in zip(self.last, self._says_ends) if ends and end > self.tick}
        return [self.as_time(end - self.tick) for end in sorted(ends)[:2]] + [0] * (2 - len(ends))

    def _take_note(self, kind: int, value: int, duration: int) -> int:
        """Remember a note as its part's last; gives its interval to the one before."""
        pitch = value - self.vocabulary.first_pitch + 1
        part = kind - FIRST_PART
        onset, held, before = self.last[part]
        self.in_chord[part] = self.in_chord[part] + 1 if onset == self.tick else 0
        self.places.push(part, self.start_of(self.tick), onset != self.tick)
        self.last_places.push(part, self.tick, pitch)
        self.moved_from[part] = before if self.lines[part] and held == HELD else 0
        end = HELD if self._implied[part] else self.tick + self.vocabulary.durations[duration]
        self.last[part] = (self.tick, end, pitch)
        if self._is_chordal and not self._implied[part] and not self.is_drum[part]:
            self.ends[pitch - 1] = max(self.ends[pitch - 1], end)
        return _interval(before, pitch)

    def _degree(self, kind: int, value: int) -> int:
        vocabulary = self.vocabulary
        if kind < FIRST_PART or self.key == 0 or vocabulary.parts[kind - FIRST_PART].is_drum:
            return 0
        fifths, mode = vocabulary.keys[self.key - 1]
        pitch = value - vocabulary.first_pitch + vocabulary.pitches[0]
        return 1 + (pitch - Key(0, fifths, mode).tonic) % 12 + 12 * (mode == "minor")

    def _left(self, part: int) -> int:
        onset, end, _ = self.last[part]
        if end <= self.tick:
            return 0
        return self.as_time(self.tick - onset if self._implied[part] else end - self.tick)

    def as_time(self, ticks: int) -> int:
        """1 + number of the shift that is not shorter, the last one if there is none."""
        shifts = self.vocabulary.shifts
        return 1 + min(bisect_left(shifts, ticks), len(shifts) - 1)


def _status_of(onset: int, end: int, tick: int) -> int:
    if end < tick:
        return SILENT
    if end == tick:
        return ENDING
    return SOUNDING if onset < tick else BEGUN


def _interval(pitch: int, other: int) -> int:
    """From one pitch + 1 to another, 0 if there is not both."""
    return min(max(other - pitch, -MAX_INTERVAL), MAX_INTERVAL) + MAX_INTERVAL + 1 if pitch and other else 0
