"""What the model reads of events as they come, of several pieces side by side, as arrays; see `context`."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.tokens.inputs import chordal
from melody.tokens.inputs.features import PLANNED, THERE, against
from melody.tokens.inputs.outlines.harmony import UNKNOWN, planned_of
from melody.tokens.inputs.outlines.outline import HARMONY, READ, SOURCES, Outline, is_pickup
from melody.tokens.inputs.outlines.several_outlines import Outlines
from melody.tokens.inputs.repeats import is_sooner, planned_first
from melody.tokens.inputs.schema import ENDING, FEATURES, PHASES, SECTIONS
from melody.tokens.inputs.stepwise.history import History
from melody.tokens.inputs.stepwise.last_places import LastPlaces
from melody.tokens.inputs.stepwise.onset_places import Places
from melody.tokens.inputs.stepwise.part_history import PartHistory
from melody.tokens.inputs.stepwise.past import Past
from melody.tokens.inputs.stepwise.several_chordal import kind_lookbacks, of_the_part
from melody.tokens.inputs.stepwise.token_arrays import tables_of
from melody.tokens.inputs.whole_piece import HELD
from melody.tokens.usage import FIRST_PART, KEY, METRE
from melody.tokens.vocabulary import FIELDS, KIND, TIME, Rows, Vocabulary

_NUMBERS = {row.name: number for number, row in enumerate(FEATURES)}  # of the columns, up to the first of each part
POSITION, BEAT, PHASE, SECTION, METRE_IN_FORCE, INTERVAL, KEY_IN_FORCE, DEGREE, _FIRST = (
    _NUMBERS[(name,)] for name in ("position", "beat", "phase", "section", "metre", "interval", "key", "degree", "bars left")
)
OUTLINE_THERE = slice(_FIRST, _FIRST + READ.stop)
HARMONY_THERE = slice(OUTLINE_THERE.stop, OUTLINE_THERE.stop + len(PLANNED))


class Pieces:
    """What has come so far in several pieces side by side, all of them at their beginning at first.

    Parameters
    ----------
    vocabulary
        Of the events.
    outlines
        The outline of each piece, None where it has none.

    Attributes
    ----------
    tick
        Of the last event of each piece, 0 before the first, (streams,).
    metre, key
        Number of the time signature in force; 1 + number of the key in force, 0 if none, (streams,).
    onset, end, pitch
        Of the last note of each kind of event that is a part, -1, -1, 0 before the first, (streams, kinds); the pitch + 1,
        from 1 for the lowest, and the end `HELD` while it is not known.
    moved_from
        The pitch + 1 that each of them, if it is a line, left with that note, 0 if it rested before, (streams, kinds).
    last_note, in_chord
        Which event that note is, from 1, 0 before the first; which of its chord, from 0 for the lowest, (streams, kinds).
    match
        The tokens of the event that followed where what is being repeated came last, each + 1, (streams, fields).
    planned
        The tokens, each + 1, of what comes next of all that parts do by their outline, zeros for nothing, (streams, fields);
        of a part that is to begin something new there is no value.
    bar_start, bar_ticks
        Where the time signature in force began, and the length of its bars, (streams,).
    sound_until
        Up to when the last note of each pitch sounds, of parts that are neither drums nor lines, (streams, pitches).
    outlines, places, last_places
        What the outlines say, and where parts have begun notes.
    history, rows
        The events so far, and the row of each piece there, (streams,).
    """

    _per_stream: ClassVar[tuple[str, ...]] = (
        *("tick", "metre", "key", "onset", "end", "pitch", "moved_from", "last_note", "in_chord", "match", "planned"),
        *("bar_start", "_bars_before", "bar_ticks", "_has_pickup", "_has_note", "_tonic", "sound_until"),
    )

    def __init__(self, vocabulary: Vocabulary, outlines: Sequence[Outline | None]) -> None:
        streams = len(outlines)
        self.tables, shape = tables_of(vocabulary), (streams, vocabulary.sizes[KIND])
        self._is_chordal = vocabulary.is_chordal
        self.outlines = Outlines(outlines, vocabulary.sizes[KIND] if self._is_chordal else 0)
        self._has_pickup = self.outlines.has_pickup.copy()  # as the outline says, until the first note has come
        self._has_note, self._tonic = np.zeros(streams, bool), np.full(streams, UNKNOWN)
        self.tick, self.metre, self.key = (np.zeros(streams, np.int64) for _ in range(3))
        self.onset, self.end, self.pitch = np.full(shape, -1), np.full(shape, -1), np.zeros(shape, np.int64)
        self.moved_from, self.last_note, self.in_chord = (np.zeros(shape, np.int64) for _ in range(3))
        self.places, self.last_places = Places.none(*shape), LastPlaces.none(*shape)
        self.match = np.zeros((streams, len(FIELDS)), np.int64)
        self.planned = np.array([planned_first(vocabulary, each) for each in outlines], np.int64).reshape(self.match.shape)
        self.bar_start, self._bars_before = np.zeros(streams, np.int64), np.zeros(streams, np.int64)
        self.bar_ticks = np.full(streams, self.tables.bar_ticks[0])
        self.history, self.rows = History(vocabulary, streams), np.arange(streams)
        octaves = -(-vocabulary.num_pitches // 12) if self._is_chordal else 0
        self.sound_until = np.zeros((streams, 12 * octaves), np.int64)
        self._of_parts = PartHistory(streams, vocabulary.sizes[KIND]) if self._is_chordal and self.outlines else None

    def __len__(self) -> int:
        return len(self.tick)

    # What was chosen

    def push(self, rows: Rows) -> Ints:
        """Take in one event a piece (not END), (streams, 5), and give its features, (streams, features)."""
        tables = self.tables
        time, kind, value, duration, _ = rows.T
        features = np.zeros((len(rows), tables.num_features), np.int64)
        self.tick = tick = self.tick + tables.shifts[time]
        if np.logical_or.reduce(kind < FIRST_PART):
            self._take_changes(kind, value)
        bar, position = np.divmod(tick - self.bar_start, self.bar_ticks)
        pitch = tables.pitch_of[value]
        if not self._has_note.all():
            self._take_first_notes(pitch)
        bar += self._bars_before - self._has_pickup
        if self._is_chordal:
            self.places.push(kind, pitch > 0, tick - position, self.onset != tick[:, None])
            self.last_places.push(kind, pitch, tick, tables.pitched[kind] > 0)
        before = self._take_notes(kind, pitch, duration)
        features[:, POSITION], features[:, BEAT], features[:, PHASE] = position, position % tables.beat, bar % PHASES
        features[:, SECTION], features[:, METRE_IN_FORCE] = np.clip(bar // PHASES, 0, SECTIONS - 1), self.metre
        features[:, INTERVAL], features[:, KEY_IN_FORCE] = tables.interval[before, pitch], self.key
        features[:, DEGREE] = tables.degree[self.key, tables.pitched[kind], value]
        self.history.push(rows, tick)
        if self._is_chordal:
            tones = np.flatnonzero((pitch > 0) & tables.says_ends[kind])
            ends = np.maximum(self.sound_until[tones, pitch[tones] - 1], tick[tones] + tables.durations[duration[tones]])
            self.sound_until[tones, pitch[tones] - 1] = ends
        if self._of_parts is not None:
            self._of_parts.push(kind, self.history.last, self.history.count)
        match, followed = self.history.match()
        self.match, length, times = followed.astype(np.int64), match.length, match.times
        if self.outlines:
            in_bar = self.outlines.in_bars(bar)
            features[:, OUTLINE_THERE] = in_bar[:, READ]
            length, times = self._take_outlined(bar, in_bar, length, times)
            if tables.has_harmony:
                features[:, HARMONY_THERE] = self.harmony_at(in_bar, position)[: len(PLANNED)].T
            if self._is_chordal:
                playing = self.outlines.playing_in(bar)
                features[:, tables.first_lookback - 4] = self.places.to_come(playing, tick - position)
                features[:, tables.first_lookback - 3] = chordal.most_again(playing[..., FIRST_PART:])
        if self._is_chordal:
            ends = chordal.first_two(np.where(tables.says_ends, self.end, -1), tick, tables.vocabulary)
            features[:, tables.first_lookback - 2 : tables.first_lookback] = ends.T
        events = self.history.after(tables.lookbacks[self.metre])  # (streams, lookbacks, fields)
        features[:, tables.first_lookback : tables.first_left] = events[:, tables.back, tables.field_there]
        self._add_parts(features[:, tables.first_left :], kind, pitch)
        first = tables.first_left + 2 * tables.parts
        features[:, first], features[:, first + 1] = length, times
        features[:, first + 2 : first + 2 + len(FIELDS)] = self.match
        return features

    def harmony_at(self, in_bar: Ints, position: Ints) -> Ints:
        """What the outlines say of the harmony there, (5, streams)."""
        tonic = np.where(self._has_note, self._tonic, self.tables.tonics[self.key])
        return planned_of(in_bar.T[HARMONY], position, self.bar_ticks, self.tables.beat, tonic)

    def _take_first_notes(self, pitch: Ints) -> None:
        """Whether pieces whose first note comes now begin with a pick-up, and from which tonic their keys are counted."""
        first = (pitch > 0) & ~self._has_note
        self._has_pickup = np.where(first, is_pickup(self.tick, self.bar_ticks), self._has_pickup)
        named = self.tables.tonics[self.key]
        self._tonic = np.where(first, np.where(named == UNKNOWN, self.outlines.tonic, named), self._tonic)
        self._has_note = self._has_note | first

    def _take_outlined(self, bar: Ints, in_bar: Ints, length: Ints, times: Ints) -> tuple[Ints, Ints]:
        """Let the match be what the outlines say is repeated, as `melody.tokens.inputs.features`; gives length and times."""
        past = Past(self.tick, self.bar_start, self.bar_ticks, self.outlines, self.history, self._of_parts)
        outlined, event = past.outlined(bar, *in_bar[:, SOURCES].T)
        by_parts = self.outlines.know_players
        self.planned = event * by_parts[:, None]
        outlined = outlined * (~by_parts | is_sooner(event.T, self.match.T))
        self.match = np.where(outlined[:, None] > 0, event, self.match)
        return np.where(outlined > 0, outlined, length), np.where(outlined > 0, 0, times)

    def _take_changes(self, kind: Ints, value: Ints) -> None:
        changes, keys = np.flatnonzero(kind == METRE), np.flatnonzero((kind == KEY) & (value < self.tables.first_turn))
        self.key[keys] = value[keys] - self.tables.first_key + 1
        self._bars_before[changes] += (self.tick - self.bar_start)[changes] // self.bar_ticks[changes]
        self.bar_start[changes], self.metre[changes] = self.tick[changes], value[changes]
        self.bar_ticks[changes] = self.tables.bar_ticks[value[changes]]

    def _take_notes(self, kind: Ints, pitch: Ints, duration: Ints) -> Ints:
        """Notes and rests are their parts' last; gives the pitch + 1 before each note, 0 if there is none."""
        at = self.tables.kinds * np.arange(len(kind)) + kind
        onset, end, last = (array.reshape(-1) for array in (self.onset, self.end, self.pitch))  # views
        before: Ints = last[at]
        note = pitch > 0
        self.last_note.reshape(-1)[at[note]] = 1 + self.history.count[note]
        in_chord = self.in_chord.reshape(-1)
        in_chord[at[note]] = (in_chord[at[note]] + 1) * (onset[at[note]] == self.tick[note])
        if self.tables.has_lines:
            moved_from = np.where(self.tables.lines[kind] & (end[at] == HELD), before, 0)
            self.moved_from.reshape(-1)[at[note]] = moved_from[note]
        if np.logical_and.reduce(note):
            onset[at], end[at], last[at] = self.tick, self._ends(kind, duration), pitch
            return before
        of_part = kind >= FIRST_PART
        end[at[of_part]] = np.where(note, self._ends(kind, duration), self.tick)[of_part]
        onset[at[note]], last[at[note]] = self.tick[note], pitch[note]
        return before

    def _ends(self, kind: Ints, duration: Ints) -> Ints:
        if self.tables.all_implied:
            return self.tables.held_of[kind]
        return np.where(self.tables.implied[kind], HELD, self.tick + self.tables.durations[duration])

    def _add_parts(self, features: Ints, kind: Ints, pitch: Ints) -> None:
        """What still sounds of each part, its last pitch, and, at the end, the distances from the note."""
        parts = self.tables.parts
        if parts:
            features[:, :parts], features[:, parts : 2 * parts] = self._left(), self.pitch[:, FIRST_PART:]
            features[:, features.shape[1] - parts :] = self.distances(kind, pitch)

    def _left(self) -> Ints:
        """How long each part still sounds, or has sounded if its durations are implied, (streams, parts)."""
        end, tick = self.end[:, FIRST_PART:], self.tick[:, None]
        implied, lasting = self.tables.implied[FIRST_PART:], tick - self.onset[:, FIRST_PART:]
        if not self.tables.all_implied:
            lasting = np.where(implied, lasting, end - tick)
        return np.multiply(self.tables.as_time(lasting), end > tick)

    def distances(self, kind: Ints, pitch: Ints) -> Ints:
        """From pitches + 1, of events of those kinds, to the last one of each part, as intervals, (streams, parts)."""
        pitched = self.tables.pitched
        distance: Ints = self.tables.interval[(pitch * pitched[kind])[:, None], self.pitch[:, FIRST_PART:]]
        if not pitched[FIRST_PART:].all():
            distance = np.multiply(distance, pitched[FIRST_PART:])
        return distance

    # What is known of the next event

    def place(self, time: Ints) -> Ints:
        """The conditions of the place of the next event by its time token, (streams, position to pitch)."""
        tables, parts = self.tables, self.tables.parts
        tick = self.tick + tables.shifts[time]
        position = (tick - self.bar_start) % self.bar_ticks
        found = np.zeros((len(tick), tables.first_status + 3 * parts), np.int64)
        found[:, 0], found[:, 1], found[:, 2] = position, position % tables.beat, self.key
        if tables.has_harmony and self.outlines:
            in_bar = self.outlines.in_bars(self.bar_of(tick))
            found[:, 3 : tables.first_kind] = self.harmony_at(in_bar, position)[:THERE].T
        if self._is_chordal:
            found[:, tables.first_kind : tables.first_status - 1] = kind_lookbacks(self, tick)
            found[:, tables.first_status - 1] = self.planned[:, KIND] * (self.planned[:, TIME] == 1 + time)
        if parts:
            tick = tick[:, None]
            onset, end = self.onset[:, FIRST_PART:], self.end[:, FIRST_PART:]
            sounds, of_parts = end > tick, found[:, tables.first_status :]
            of_parts[:, :parts] = ENDING * (end >= tick) + sounds * (1 + (onset >= tick))
            of_parts[:, parts : 2 * parts] = tables.as_time(tick - onset) * sounds
            of_parts[:, 2 * parts :] = self.pitch[:, FIRST_PART:]
        return found

    def of_kinds(self, time: Ints) -> Ints:
        """As `OnePiece` has it, (streams, groups of both)."""
        tick = self.tick + self.tables.shifts[time]
        position = (tick - self.bar_start) % self.bar_ticks
        playing = self.outlines.playing_in(self.bar_of(tick))[..., FIRST_PART:]
        begun = self.places.begun(tick - position) - (self.onset == tick[:, None])
        may_play = chordal.may_play(playing, position[:, None], begun[:, FIRST_PART:])
        return np.hstack(
            [
                chordal.in_groups(may_play),
                self.last_places.stand(tick, self.onset, self.end, self.tables.vocabulary.num_pitches),
            ]
        )

    def bar_of(self, tick: Ints) -> Ints:
        """The number of the bar there, from the first full one."""
        found: Ints = self._bars_before + (tick - self.bar_start) // self.bar_ticks - self._has_pickup
        return found

    def part(self, time: Ints, kind: Ints) -> Ints:
        """The conditions `own` to `against` by time and kind of the next event, (streams, own to against)."""
        own, parts = self.pitch[np.arange(len(kind)), kind], self.tables.parts
        distance, degree, first_against = self.tables.of_part
        found = np.zeros((len(kind), first_against + parts), np.int64)
        found[:, 0] = own
        if self._is_chordal:
            found[:, 1:distance], found[:, degree:first_against] = of_the_part(self, time, kind, own)
        if parts:
            found[:, distance:degree] = self.distances(kind, own)
        if self.tables.has_lines:
            found[:, first_against:] = self._against(time, kind, own)
        return found

    def _against(self, time: Ints, kind: Ints, own: Ints) -> Ints:
        """How each part stands to a note of those kinds, (streams, parts)."""
        tick = (self.tick + self.tables.shifts[time])[:, None]
        onset, end, pitch, moved_from = (
            each[:, FIRST_PART:] for each in (self.onset, self.end, self.pitch, self.moved_from)
        )
        sounds = self.tables.above[kind] & (end > tick) & (pitch > 0)
        held = own * (self.end[np.arange(len(kind)), kind] > tick[:, 0])
        return against(sounds, onset == tick, moved_from, pitch, held[:, None])

    # Pieces that come and go

    def take(self, streams: Ints) -> Pieces:
        """Those pieces alone, in that order, independent of these; one may be named more than once."""
        taken = self.without_history(streams)
        taken.history, taken.rows = self.history.take(streams), np.arange(len(streams))
        taken._of_parts = self._of_parts.take(streams) if self._of_parts is not None else None
        return taken

    def without_history(self, streams: Ints) -> Pieces:
        """Those pieces alone, as far as conditions need them; no event can be pushed."""
        taken = copy(self)
        taken.rows = self.rows[streams]
        for name in self._per_stream:
            setattr(taken, name, getattr(self, name)[streams])
        taken.outlines, taken.places = self.outlines.take(streams), self.places.take(streams)
        taken.last_places = self.last_places.take(streams)
        return taken

    def put(self, streams: Ints, other: Pieces) -> None:
        """Let the pieces of others be these."""
        for name in self._per_stream:
            getattr(self, name)[streams] = getattr(other, name)
        self.history.put(streams, other.history)
        self.places.put(streams, other.places)
        self.last_places.put(streams, other.last_places)
        if self._of_parts is not None or other._of_parts is not None:
            self._of_parts = self._by_parts()
            self._of_parts.put(streams, other._by_parts())
        self.outlines = self.outlines.put(streams, other.outlines)

    def join(self, other: Pieces) -> Pieces:
        """These pieces, and behind them those of others, independent of both."""
        joined = copy(self)
        for name in self._per_stream:
            setattr(joined, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        joined.rows, joined.places = np.arange(len(self) + len(other)), self.places.join(other.places)
        joined.last_places = self.last_places.join(other.last_places)
        joined.history, joined.outlines = self.history.join(other.history), self.outlines.join(other.outlines)
        if self._of_parts is not None or other._of_parts is not None:
            joined._of_parts = self._by_parts().join(other._by_parts())
        return joined

    def _by_parts(self) -> PartHistory:
        """The events of each part by themselves; none of pieces without outlines, which nobody asks for them."""
        return self._of_parts or PartHistory(len(self), self.tables.kinds)
