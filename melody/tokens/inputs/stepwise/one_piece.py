"""What the model reads of events as they come, of one piece, as plain numbers; see `context`.

Arrays of one element cost as much as arrays of a hundred, and more than a number by far: for one piece alone this takes a
fifth of the time of `melody.tokens.inputs.stepwise.several_pieces`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from copy import copy

from melody.signatures import Key, TimeSignature
from melody.tokens.inputs.chordal import figure, key_there, keys_in_force, own_bar, own_degrees
from melody.tokens.inputs.features import FIFTH, PLANNED, THERE
from melody.tokens.inputs.matches import Matcher, code_of
from melody.tokens.inputs.outlines.harmony import UNKNOWN, has_harmony, planned
from melody.tokens.inputs.outlines.outline import (
    HARMONY,
    READ,
    RESTING,
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
    PHASES,
    SECTIONS,
    SILENT,
    SOUNDING,
    TOGETHER,
    TONES,
    parts_described,
)
from melody.tokens.inputs.stepwise.one_past import OnePast, plays_in, plays_of
from melody.tokens.inputs.stepwise.onset_places import OnePlaces
from melody.tokens.inputs.whole_piece import HELD, first_note, stride
from melody.tokens.usage import FIRST_PART, KEY, METRE
from melody.tokens.vocabulary import DURATION, FIELDS, KIND, TIME, VALUE, VELOCITY, Vocabulary


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
    """

    def __init__(self, vocabulary: Vocabulary, outline: Outline | None = None) -> None:
        self.outline = outline
        self.has_pickup: bool | None = None  # known when the first note has come
        self.tonic = UNKNOWN  # of the key that it is in, or of the outline
        self.tick = self.bar_start = self.bars_before = self.metre = 0
        self.key = 0  # 1 + number of the key in force
        self._vocabulary = vocabulary
        self._is_chordal = vocabulary.is_chordal
        self._stride, self._first_note = stride(vocabulary), first_note(vocabulary)
        metres = [TimeSignature(0, *each) for each in vocabulary.time_signatures]
        self._bar_lengths = [metre.bar_ticks(vocabulary.ticks_per_quarter) for metre in metres]
        self._parts = parts_described(vocabulary)
        self.last: list[tuple[int, int, int]] = [(-1, -1, 0)] * len(vocabulary.parts)  # onset, end, pitch + 1
        self._last_notes = [0] * len(vocabulary.parts)  # the number of that note, from 1; 0 before the first
        self.in_chord = [0] * len(vocabulary.parts)  # which note of its chord it is, from 0 for the lowest
        self.moved_from = [0] * len(vocabulary.parts)
        self._lines: list[bool] = vocabulary.lines.tolist()
        self.ends = [0] * vocabulary.num_pitches
        self._is_drum = [part.is_drum for part in vocabulary.parts]
        self.keys: list[int] = []
        self._of_kind: list[list[tuple[int, int]]] = [[] for _ in range(vocabulary.sizes[KIND])]  # key and number of each
        self._plays = plays_of(outline, vocabulary.sizes[KIND]) if outline and self._is_chordal else []
        self.places = OnePlaces(self._plays, len(vocabulary.parts))
        self.rows: list[tuple[int, int, int, int, int]] = []
        self._matcher = Matcher()
        self._implied = vocabulary.implied_duration
        self._has_harmony = has_harmony(vocabulary)
        self._keys_in_force: list[int] = keys_in_force(vocabulary).tolist()
        self._tonics = [UNKNOWN, *(Key(0, *key).tonic for key in vocabulary.keys)]
        self.match: list[int] = [0] * len(FIELDS)  # the tokens of the event that followed, each + 1
        self.planned = planned_first(vocabulary, outline)

    def copy(self) -> OnePiece:
        """An independent one that has seen the same events."""
        twin = copy(self)
        twin.keys, twin.rows, twin.last, twin.moved_from = self.keys[:], self.rows[:], self.last[:], self.moved_from[:]
        twin.ends = self.ends[:]
        twin._of_kind = [events[:] for events in self._of_kind]
        twin._matcher, twin._last_notes, twin.in_chord = self._matcher.copy(), self._last_notes[:], self.in_chord[:]
        twin.places = self.places.copy()
        return twin

    @property
    def bar_ticks(self) -> int:
        """Length of a bar of the time signature in force."""
        return self._bar_lengths[self.metre]

    def place(self, time: int) -> list[int]:
        """The conditions of the place of the next event by its time token, position to pitch."""
        tick = self.tick + self._vocabulary.shifts[max(time - 1, 0)]
        last = self.last[: self._parts]
        status = [_status_of(onset, end, tick) for onset, end, _ in last]
        age = [self._as_time(tick - onset) if end > tick else 0 for onset, end, _ in last]
        pitch = [pitch for _, _, pitch in last]
        planned = self._harmony_at(tick, self._outlined_at(tick))[:THERE]
        due = self.planned[KIND] if self.planned[TIME] == 1 + time else 0
        lookbacks = [*self._kind_lookbacks(tick), due] if self._is_chordal else []
        return [*self._place(tick), self.key, *planned, *lookbacks, *status, *age, *pitch]

    def may_play(self, time: int) -> list[int]:
        """What each part may do by the outline at the place of the next event, as the last conditions have it."""
        tick = self.tick + self._vocabulary.shifts[max(time - 1, 0)]
        return self.places.may_play(self._bar_at(tick), self._start_of(tick), tick, self.last)

    def _start_of(self, tick: int) -> int:
        """Where the bar there begins."""
        return tick - (tick - self.bar_start) % self.bar_ticks

    def _outlined_at(self, tick: int) -> Sequence[int]:
        """What the outline says of the bar there."""
        return outline_in(self.outline, self._bar_at(tick))

    def _harmony_at(self, tick: int, outlined: Sequence[int]) -> list[int]:
        """What that says of the harmony at a tick (`harmony.planned`); nothing where no outline can."""
        if not self._has_harmony:
            return []
        tonic = self._tonics[self.key] if self.has_pickup is None else self.tonic
        ahead = outlined[HARMONY]
        place = (tick - self.bar_start) % self.bar_ticks
        return planned(ahead, place, self.bar_ticks, self._vocabulary.ticks_per_quarter, tonic)

    def part(self, time: int, kind: int) -> list[int]:
        """The conditions `own` to `against` by the time and the kind of the next event."""
        own = self.last[kind - FIRST_PART][2] if kind >= FIRST_PART else 0
        more = self._own(time, kind) if self._is_chordal else []
        return [own, *more, *self._distances(kind, own), *self._against(time, kind)]

    def _kind_lookbacks(self, tick: int) -> list[int]:
        """The kind of what stands just some bars before a tick, + 1, behind what has come at that tick."""
        last, above = divmod(self.keys[-1], self._stride) if self.keys else (-1, -1)
        found = []
        for bars in LOOKBACKS:
            there = tick - bars * self.bar_ticks
            place = bisect_right(self.keys, there * self._stride + (above if last == tick else -1))
            known = place < len(self.keys) and self.keys[place] // self._stride == there
            found.append(self.rows[place][KIND] + 1 if known else 0)
        return found

    def _own(self, time: int, kind: int) -> list[int]:
        """Of the last note of a part, and of what it began just some bars before, above what it has begun there."""
        if kind < FIRST_PART:
            return [0] * (12 + 3 * len(LOOKBACKS) + 12 // TONES)
        number = self._last_notes[kind - FIRST_PART]
        found = [self.rows[number - 1][field] + 1 if number else 0 for field in (DURATION, VELOCITY)]
        found += self._in_harmony(kind, self.tick + self._vocabulary.shifts[max(time - 1, 0)])
        tick, values = self.tick + self._vocabulary.shifts[max(time - 1, 0)], self._vocabulary.sizes[VALUE]
        last, above = divmod(self.keys[-1], values) if self.keys else (-1, -1)
        goes_on = last == tick * self._vocabulary.sizes[KIND] + kind
        for bars in LOOKBACKS:
            there = (tick - bars * self.bar_ticks) * self._vocabulary.sizes[KIND] + kind
            place = bisect_right(self.keys, there * values + (above if goes_on else -1))
            if place < len(self.keys) and self.keys[place] // values == there:
                _, _, value, duration, velocity = self.rows[place]
                found += [max(value - self._vocabulary.first_pitch + 1, 0), duration + 1, velocity + 1]
            else:
                found += [0, 0, 0]
        value, *others = self.planned[VALUE:] if self.planned[:VALUE] == [1 + time, 1 + kind] else [0] * 3
        planned = [max(value - self._vocabulary.first_pitch, 0), *others]
        bar, start = self._bar_at(tick), self._start_of(tick)
        later = self.places.later(kind, bar, start, self.last[kind - FIRST_PART][0] == tick)
        in_bar = [self._own_bar(kind, bar), self._figure(kind, tick), later]
        return [*found, *self._tones(tick, kind), *planned, *in_bar]

    def _own_bar(self, kind: int, bar: int) -> int:
        """As `melody.tokens.inputs.chordal.own_bar`."""
        plays = [own_bar(play.does, play.rhythm) for play in plays_in(self._plays, bar) if play.kind == kind]
        return int(plays[0]) if plays else RESTING * (0 <= bar < len(self._plays) - 2)

    def _figure(self, kind: int, tick: int) -> int:
        """The note with which a part would go on with the figure of an earlier bar (`melody.tokens.inputs.chordal`)."""
        bar, number = self._bar_at(tick), kind - FIRST_PART
        source = next((play.rhythm - 1 for play in plays_in(self._plays, bar) if play.kind == kind), -1)
        start, back = self._start_of(tick), (bar - source) * self.bar_ticks
        if source < 0 or start - back < self.bar_start or self._is_drum[number]:
            return 0
        (onset, _, pitch), in_chord = self.last[number], self.in_chord[number]
        note = self._there(kind, tick - back, in_chord + 1 if onset == tick else 0)
        before, is_same_bar = self._there(kind, onset - back, in_chord), onset >= start
        return int(figure(note, pitch, before, is_same_bar, self._vocabulary.num_pitches))

    def _there(self, kind: int, tick: int, in_chord: int) -> int:
        """Pitch + 1 of that note of a part's chord at a tick; 0 without."""
        own, values = self._of_kind[kind], self._vocabulary.sizes[VALUE]
        there = tick * self._vocabulary.sizes[KIND] + kind
        at = bisect_left(own, (there * values, 0)) + in_chord
        if at >= len(own) or own[at][0] // values != there:
            return 0
        return max(self.rows[own[at][1]][VALUE] - self._vocabulary.first_pitch + 1, 0)

    def _in_harmony(self, kind: int, tick: int) -> list[int]:
        """The degree of the last note of a part (`melody.tokens.inputs.chordal`), its key and its chord there."""
        if self._is_drum[kind - FIRST_PART]:
            return [0] * 3
        local, *_, chord = self._harmony_at(tick, self._outlined_at(tick)) or [0, 0]
        key, own = key_there(local, self._keys_in_force[self.key]), self.last[kind - FIRST_PART][2]
        return [int(own_degrees(own + self._vocabulary.pitches[0], own > 0, key)), int(key), chord]

    def _tones(self, tick: int, kind: int) -> list[int]:
        """As `melody.tokens.inputs.chordal.tones_above`, of the last note of a part."""
        own = self.last[kind - FIRST_PART][2]
        if not own or self._is_drum[kind - FIRST_PART]:
            return [0] * (12 // TONES + 1)
        sounds = [pitch for pitch, end in enumerate(self.ends) if end > tick]
        lines = zip(self.last, self._lines)
        sounds += [pitch - 1 for (_, end, pitch), is_line in lines if is_line and pitch and end > tick]
        above = {(pitch - own + 1) % 12 for pitch in sounds}
        bits = [1 + sum(1 << k for k in range(TONES) if first + k in above) for first in range(0, 12, TONES)]
        return [*bits, 1 + (min(sounds) - own + 1) % 12 if sounds else 0]

    def _against(self, time: int, kind: int) -> list[int]:
        """How each part stands to a note of that kind."""
        found, number = [APART] * self._parts, kind - FIRST_PART
        if not 0 < number < self._parts or not self._lines[number]:
            return found
        tick = self.tick + self._vocabulary.shifts[max(time - 1, 0)]
        _, held, own = self.last[number]
        for part in range(number):
            onset, end, pitch = self.last[part]
            if not (self._lines[part] and pitch and end > tick):
                continue
            found[part], before = TOGETHER, self.moved_from[part]
            if onset == tick and held > tick and before and own and (pitch - before) % 12:
                found[part] = {0: OCTAVE_AGAIN, FIFTH: FIFTH_AGAIN}.get((before - own) % 12, TOGETHER)
        return found

    def _distances(self, kind: int, pitch: int) -> list[int]:
        """From a pitch + 1 of an event of that kind to the last one of each part."""
        is_drum = self._is_drum
        if kind < FIRST_PART or is_drum[kind - FIRST_PART]:
            return [0] * self._parts
        others = zip(self.last[: self._parts], is_drum)
        return [0 if drums else _interval(pitch, other) for (_, _, other), drums in others]

    def _place(self, tick: int) -> tuple[int, int]:
        """Position and beat."""
        since = (tick - self.bar_start) % self.bar_ticks
        return min(since, self._vocabulary.longest_bar - 1), since % self._vocabulary.ticks_per_quarter

    def push(self, row: tuple[int, int, int, int, int]) -> list[int]:
        """Take in the next event (not END) and give its features."""
        time, kind, value, duration, _ = row
        self.tick += self._vocabulary.shifts[time - 1]
        tick = self.tick
        if kind == METRE:
            self.bars_before += (tick - self.bar_start) // self.bar_ticks
            self.bar_start, self.metre = tick, value
        elif kind == KEY and value < self._vocabulary.first_turn:
            self.key = value - self._vocabulary.value_starts[KEY] + 1
        self.keys.append((tick * self._vocabulary.sizes[KIND] + kind) * self._vocabulary.sizes[VALUE] + value)
        self.rows.append(row)
        self._of_kind[kind].append((self.keys[-1], len(self.rows) - 1))
        bar = self.bar_ticks
        is_note = kind >= FIRST_PART and value >= self._vocabulary.first_pitch
        if is_note and self.has_pickup is None:
            self.has_pickup, self.tonic = is_pickup(tick, bar), self._tonics[self.key]
            if self.tonic == UNKNOWN and self.outline is not None:
                self.tonic = self.outline.frame.tonic
        number = self.bar
        section = min(max(number // PHASES, 0), SECTIONS - 1)
        features = [*self._place(tick), number % PHASES, section, self.metre]
        outlined = outline_in(self.outline, number)
        pitch = 0
        if is_note:
            pitch = value - self._vocabulary.first_pitch + 1
            features += [self._take_note(kind, value, duration), self.key, self._degree(kind, value)]
            self._last_notes[kind - FIRST_PART] = len(self.rows)
        else:
            features += [0, self.key, 0]
            if kind >= FIRST_PART:
                onset, _, before = self.last[kind - FIRST_PART]
                self.last[kind - FIRST_PART] = (onset, tick, before)
        to_come = [self.places.to_come(number, self._start_of(tick))] if self._is_chordal else []
        features += [*outlined[READ], *self._harmony_at(tick, outlined)[: len(PLANNED)], *to_come]
        for bars in LOOKBACKS:
            if tick < bars * bar:
                features += [0] * len(LOOKED_AT)
            else:
                back = self.rows[bisect_right(self.keys, self.keys[-1] - bars * bar * self._stride)]
                features += [token + 1 for token in back[:VELOCITY]]
        left = [self._left(part) for part in range(self._parts)]
        pitches = [last for _, _, last in self.last[: self._parts]]
        return [*features, *left, *pitches, *self._take_match(row, outlined), *self._distances(kind, pitch)]

    @property
    def bar(self) -> int:
        """Number of the bar of the last event, from the first full one."""
        return self._bar_at(self.tick)

    def _bar_at(self, tick: int) -> int:
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
            self._vocabulary, self.tick, self.bar_start, self.bar_ticks, self._plays, self.keys, self.rows, self._of_kind
        )

    def _take_match(self, row: tuple[int, ...], outlined: Sequence[int]) -> list[int]:
        """Length and times of what is being repeated, and the tokens that followed."""
        length, times, place = self._matcher.push(code_of(self._vocabulary, *row[:VELOCITY]))
        followed = self.rows[place] if length else (-1,) * len(FIELDS)
        found = self._past.outlined(self.bar, *outlined[SOURCES]) if self.outline is not None else None
        self.planned = [token + 1 for token in found[1]] if found and self._plays else [0] * len(FIELDS)
        if found is not None and (not self._plays or is_sooner(self.planned, [token + 1 for token in followed])):
            length, times, followed = found[0], 0, found[1]
        self.match = [token + 1 for token in followed]
        return [length, times, *self.match]

    def _take_note(self, kind: int, value: int, duration: int) -> int:
        """Remember a note as its part's last; gives its interval to the one before."""
        pitch = value - self._vocabulary.first_pitch + 1
        part = kind - FIRST_PART
        onset, held, before = self.last[part]
        self.in_chord[part] = self.in_chord[part] + 1 if onset == self.tick else 0
        self.places.push(part, self._start_of(self.tick), onset != self.tick)
        self.moved_from[part] = before if self._lines[part] and held == HELD else 0
        end = HELD if self._implied[part] else self.tick + self._vocabulary.durations[duration]
        self.last[part] = (self.tick, end, pitch)
        if self._is_chordal and not self._implied[part] and not self._is_drum[part]:
            self.ends[pitch - 1] = max(self.ends[pitch - 1], end)
        return _interval(before, pitch)

    def _degree(self, kind: int, value: int) -> int:
        vocabulary = self._vocabulary
        if kind < FIRST_PART or self.key == 0 or vocabulary.parts[kind - FIRST_PART].is_drum:
            return 0
        fifths, mode = vocabulary.keys[self.key - 1]
        pitch = value - vocabulary.first_pitch + vocabulary.pitches[0]
        return 1 + (pitch - Key(0, fifths, mode).tonic) % 12 + 12 * (mode == "minor")

    def _left(self, part: int) -> int:
        onset, end, _ = self.last[part]
        if end <= self.tick:
            return 0
        return self._as_time(self.tick - onset if self._implied[part] else end - self.tick)

    def _as_time(self, ticks: int) -> int:
        shifts = self._vocabulary.shifts
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
