"""What the model reads of events as they come, of several pieces side by side, as arrays; see `context`."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.tokens.inputs import chordal
from melody.tokens.inputs.chordal import key_there, own_degrees
from melody.tokens.inputs.features import PLANNED, THERE, against
from melody.tokens.inputs.outlines.harmony import UNKNOWN, planned_of
from melody.tokens.inputs.outlines.outline import HARMONY, READ, SOURCES, Outline, Outlines, is_pickup
from melody.tokens.inputs.repeats import is_sooner, planned_first
from melody.tokens.inputs.schema import ENDING, FEATURES, LOOKED_AT, PHASES, SECTIONS
from melody.tokens.inputs.stepwise.history import History
from melody.tokens.inputs.stepwise.onset_places import Places
from melody.tokens.inputs.stepwise.part_history import PartHistory
from melody.tokens.inputs.stepwise.past import Past
from melody.tokens.inputs.stepwise.token_arrays import tables_of
from melody.tokens.inputs.whole_piece import HELD
from melody.tokens.usage import FIRST_PART, KEY, METRE
from melody.tokens.vocabulary import DURATION, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary

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
    """

    _per_stream: ClassVar[tuple[str, ...]] = (
        *("tick", "metre", "key", "onset", "end", "pitch", "moved_from", "last_note", "in_chord", "match", "planned"),
        *("_bar_start", "_bars_before", "_bar_ticks", "_has_pickup", "_has_note", "_tonic", "_sound_until"),
    )

    def __init__(self, vocabulary: Vocabulary, outlines: Sequence[Outline | None]) -> None:
        streams = len(outlines)
        self.tables, shape = tables_of(vocabulary), (streams, vocabulary.sizes[KIND])
        self._is_chordal = vocabulary.is_chordal
        self._outlines = Outlines(outlines, vocabulary.sizes[KIND] if self._is_chordal else 0)
        self._has_pickup = self._outlines.has_pickup.copy()  # as the outline says, until the first note has come
        self._has_note, self._tonic = np.zeros(streams, bool), np.full(streams, UNKNOWN)
        self.tick, self.metre, self.key = (np.zeros(streams, np.int64) for _ in range(3))
        self.onset, self.end, self.pitch = np.full(shape, -1), np.full(shape, -1), np.zeros(shape, np.int64)
        self.moved_from, self.last_note, self.in_chord = (np.zeros(shape, np.int64) for _ in range(3))
        self._places = Places.none(*shape)
        self.match = np.zeros((streams, len(FIELDS)), np.int64)
        self.planned = np.array([planned_first(vocabulary, each) for each in outlines], np.int64).reshape(self.match.shape)
        self._bar_start, self._bars_before = np.zeros(streams, np.int64), np.zeros(streams, np.int64)
        self._bar_ticks = np.full(streams, self.tables.bar_ticks[0])
        self._history, self._rows = History(vocabulary, streams), np.arange(streams)  # the row of each piece there
        octaves = -(-vocabulary.num_pitches // 12) if self._is_chordal else 0
        self._sound_until = np.zeros((streams, 12 * octaves), np.int64)  # as `OnePiece` has them
        self._of_parts = PartHistory(streams, vocabulary.sizes[KIND]) if self._is_chordal and self._outlines else None

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
        bar, position = np.divmod(tick - self._bar_start, self._bar_ticks)
        pitch = tables.pitch_of[value]
        if not self._has_note.all():
            self._take_first_notes(pitch)
        bar += self._bars_before - self._has_pickup
        if self._is_chordal:
            self._places.push(kind, pitch > 0, tick - position, self.onset != tick[:, None])
        before = self._take_notes(kind, pitch, duration)
        features[:, POSITION], features[:, BEAT], features[:, PHASE] = position, position % tables.beat, bar % PHASES
        features[:, SECTION], features[:, METRE_IN_FORCE] = np.clip(bar // PHASES, 0, SECTIONS - 1), self.metre
        features[:, INTERVAL], features[:, KEY_IN_FORCE] = tables.interval[before, pitch], self.key
        features[:, DEGREE] = tables.degree[self.key, tables.pitched[kind], value]
        self._history.push(rows, tick)
        if self._is_chordal:
            tones = np.flatnonzero((pitch > 0) & (tables.pitched[kind] > 0) & ~tables.implied[kind])
            ends = np.maximum(self._sound_until[tones, pitch[tones] - 1], tick[tones] + tables.durations[duration[tones]])
            self._sound_until[tones, pitch[tones] - 1] = ends
        if self._of_parts is not None:
            self._of_parts.push(kind, self._history.last, self._history.count)
        match, followed = self._history.match()
        self.match, length, times = followed.astype(np.int64), match.length, match.times
        if self._outlines:
            in_bar = self._outlines.in_bars(bar)
            features[:, OUTLINE_THERE] = in_bar[:, READ]
            length, times = self._take_outlined(bar, in_bar, length, times)
            if tables.has_harmony:
                features[:, HARMONY_THERE] = self._harmony_at(in_bar, position)[: len(PLANNED)].T
            if self._is_chordal:
                to_come = self._places.to_come(self._outlines.playing_in(bar), tick - position)
                features[:, tables.first_lookback - 1] = to_come
        self._add_lookbacks(features[:, tables.first_lookback : tables.first_left])
        self._add_parts(features[:, tables.first_left :], kind, pitch)
        first = tables.first_left + 2 * tables.parts
        features[:, first], features[:, first + 1] = length, times
        features[:, first + 2 : first + 2 + len(FIELDS)] = self.match
        return features

    def _harmony_at(self, in_bar: Ints, position: Ints) -> Ints:
        """What the outlines say of the harmony there, (5, streams)."""
        tonic = np.where(self._has_note, self._tonic, self.tables.tonics[self.key])
        return planned_of(in_bar.T[HARMONY], position, self._bar_ticks, self.tables.beat, tonic)

    def _take_first_notes(self, pitch: Ints) -> None:
        """Whether pieces whose first note comes now begin with a pick-up, and from which tonic their keys are counted."""
        first = (pitch > 0) & ~self._has_note
        self._has_pickup = np.where(first, is_pickup(self.tick, self._bar_ticks), self._has_pickup)
        named = self.tables.tonics[self.key]
        self._tonic = np.where(first, np.where(named == UNKNOWN, self._outlines.tonic, named), self._tonic)
        self._has_note = self._has_note | first

    def _take_outlined(self, bar: Ints, in_bar: Ints, length: Ints, times: Ints) -> tuple[Ints, Ints]:
        """Let the match be what the outlines say is repeated, as `melody.tokens.inputs.features`; gives length and times."""
        past = Past(self.tick, self._bar_start, self._bar_ticks, self._outlines, self._history, self._of_parts)
        outlined, event = past.outlined(bar, *in_bar[:, SOURCES].T)
        by_parts = self._outlines.know_players
        self.planned = event * by_parts[:, None]
        outlined = outlined * (~by_parts | is_sooner(event.T, self.match.T))
        self.match = np.where(outlined[:, None] > 0, event, self.match)
        return np.where(outlined > 0, outlined, length), np.where(outlined > 0, 0, times)

    def _take_changes(self, kind: Ints, value: Ints) -> None:
        changes, keys = np.flatnonzero(kind == METRE), np.flatnonzero((kind == KEY) & (value < self.tables.first_turn))
        self.key[keys] = value[keys] - self.tables.first_key + 1
        self._bars_before[changes] += (self.tick - self._bar_start)[changes] // self._bar_ticks[changes]
        self._bar_start[changes], self.metre[changes] = self.tick[changes], value[changes]
        self._bar_ticks[changes] = self.tables.bar_ticks[value[changes]]

    def _take_notes(self, kind: Ints, pitch: Ints, duration: Ints) -> Ints:
        """Notes and rests are their parts' last; gives the pitch + 1 before each note, 0 if there is none."""
        at = self.tables.kinds * np.arange(len(kind)) + kind
        onset, end, last = (array.reshape(-1) for array in (self.onset, self.end, self.pitch))  # views
        before: Ints = last[at]
        note = pitch > 0
        self.last_note.reshape(-1)[at[note]] = 1 + self._history.count[note]
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

    def _add_lookbacks(self, features: Ints) -> None:
        events = self._history.after(self.tables.lookbacks[self.metre])  # (streams, lookbacks, fields)
        features[:] = events[:, :, : len(LOOKED_AT)].reshape(features.shape)

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
        position = (tick - self._bar_start) % self._bar_ticks
        found = np.zeros((len(tick), tables.first_status + 3 * parts), np.int64)
        found[:, 0], found[:, 1], found[:, 2] = position, position % tables.beat, self.key
        if tables.has_harmony and self._outlines:
            in_bar = self._outlines.in_bars(self._bar_of(tick))
            found[:, 3 : tables.first_kind] = self._harmony_at(in_bar, position)[:THERE].T
        if self._is_chordal:
            found[:, tables.first_kind : tables.first_status - 1] = self._kind_lookbacks(tick)
            found[:, tables.first_status - 1] = self.planned[:, KIND] * (self.planned[:, TIME] == 1 + time)
        if parts:
            tick = tick[:, None]
            onset, end = self.onset[:, FIRST_PART:], self.end[:, FIRST_PART:]
            sounds, of_parts = end > tick, found[:, tables.first_status :]
            of_parts[:, :parts] = ENDING * (end >= tick) + sounds * (1 + (onset >= tick))
            of_parts[:, parts : 2 * parts] = tables.as_time(tick - onset) * sounds
            of_parts[:, 2 * parts :] = self.pitch[:, FIRST_PART:]
        return found

    def may_play(self, time: Ints) -> Ints:
        """As `OnePiece` has it, (streams, groups)."""
        tick = self.tick + self.tables.shifts[time]
        position = (tick - self._bar_start) % self._bar_ticks
        playing = self._outlines.playing_in(self._bar_of(tick))[..., FIRST_PART:]
        begun = self._places.begun(tick - position) - (self.onset == tick[:, None])
        return chordal.in_groups(chordal.may_play(playing, position[:, None], begun[:, FIRST_PART:]))

    def _bar_of(self, tick: Ints) -> Ints:
        """The number of the bar there, from the first full one."""
        found: Ints = self._bars_before + (tick - self._bar_start) // self._bar_ticks - self._has_pickup
        return found

    def part(self, time: Ints, kind: Ints) -> Ints:
        """The conditions `own` to `against` by time and kind of the next event, (streams, own to against)."""
        own, parts, first = self.pitch[np.arange(len(kind)), kind], self.tables.parts, self.tables.first_distance
        found = np.zeros((len(kind), first + 2 * parts), np.int64)
        found[:, 0] = own
        if self._is_chordal:
            found[:, 1:first] = self._own(time, kind, own)
        if parts:
            found[:, first : first + parts] = self.distances(kind, own)
        if self.tables.has_lines:
            found[:, first + parts :] = self._against(time, kind, own)
        return found

    def _kind_lookbacks(self, tick: Ints) -> Ints:
        """As `OnePiece` has it, (streams, lookbacks)."""
        stride, there = self._history.stride, tick[:, None] - self.tables.lookbacks[self.metre]
        last, above = np.divmod(self._history.last[self._rows], stride)
        events, key = self._history.nearest(there * stride + np.where(last == tick, above, -1)[:, None], self._rows)
        return np.where(key // stride == there, events[..., KIND], 0)

    def _own(self, time: Ints, kind: Ints, own: Ints) -> Ints:
        """As `OnePiece` has it, of parts with those last pitches + 1, (streams, `own` to `own bar` but for the first)."""
        tables, values, tick = self.tables, self.tables.vocabulary.sizes[VALUE], self.tick + self.tables.shifts[time]
        of_last = self._history.tokens(self.last_note[np.arange(len(kind)), kind], self._rows)
        last, above = np.divmod(self._history.last[self._rows], values)
        above = np.where(last == tick * tables.kinds + kind, above, -1)[:, None]
        there = (tick[:, None] - tables.lookbacks[self.metre]) * tables.kinds + kind[:, None]
        events, key = self._history.nearest(there * values + above, self._rows)
        events *= (key // values == there)[..., None]
        pitch = tables.pitch_of[np.maximum(events[..., VALUE] - 1, 0)]
        found = np.stack([pitch, events[..., DURATION], events[..., VELOCITY]], axis=2).reshape(len(kind), -1)
        bar, position = self._bar_of(tick), (tick - self._bar_start) % self._bar_ticks
        playing = self._outlines.playing_in(bar)[:, np.arange(len(kind)), kind]
        begun = self._places.begun(tick - position)[np.arange(len(kind)), kind]
        later = chordal.later(playing, begun - (self.onset[np.arange(len(kind)), kind] == tick))
        does, _, rhythm, _ = playing
        is_planned = (self.planned[:, TIME] == 1 + time) & (self.planned[:, KIND] == 1 + kind)
        planned = self.planned[:, VALUE:].copy()
        planned[:, 0] = np.maximum(planned[:, 0] - tables.vocabulary.first_pitch, 0)
        planned *= is_planned[:, None]
        own = own * tables.pitched[kind]
        tones, bass = chordal.tones_above(self._sounds(tick), own)
        local = chord = np.zeros_like(own)
        if tables.has_harmony and self._outlines:
            local, *_, chord = self._harmony_at(self._outlines.in_bars(bar), position)
        key = key_there(local, tables.keys_in_force[self.key])
        degree = own_degrees(own + tables.vocabulary.pitches[0], own > 0, key)
        harmony = degree, *(np.stack([key, chord]) * tables.pitched[kind])
        in_bar = chordal.own_bar(does, rhythm), self._figure(tick, kind, bar, rhythm - 1), later
        of_kind = [of_last[:, [DURATION, VELOCITY]], *harmony, found, tones, bass, planned, *in_bar]
        return np.column_stack(of_kind) * (kind >= FIRST_PART)[:, None]

    def _figure(self, tick: Ints, kind: Ints, bar: Ints, source: Ints) -> Ints:
        """As `OnePiece` has it, of a bar each, -1 for none, (streams,)."""
        start, back = tick - (tick - self._bar_start) % self._bar_ticks, (bar - source) * self._bar_ticks
        is_there = (source >= 0) & (start - back >= self._bar_start) & self.tables.pitched[kind]
        if not is_there.any():
            return np.zeros_like(tick)
        kinds, values = self.tables.kinds, self.tables.vocabulary.sizes[VALUE]
        onset, last, in_chord = (each[np.arange(len(kind)), kind] for each in (self.onset, self.pitch, self.in_chord))
        at = np.stack([tick - back, onset - back], axis=1) * kinds + kind[:, None]
        later = np.stack([np.where(onset == tick, in_chord + 1, 0), in_chord], axis=1)
        events, key = self._history.nearest(at * values - 1, self._rows, later)
        note, before = (self.tables.pitch_of[np.maximum(events[..., VALUE] - 1, 0)] * (key // values == at)).T
        found: Ints = chordal.figure(note, last, before, onset >= start, self.tables.vocabulary.num_pitches) * is_there
        return found

    def _sounds(self, tick: Ints) -> NDArray[np.bool_]:
        """Which pitches sound, of whole octaves, (streams, pitches)."""
        sounds = self._sound_until > tick[:, None]
        stream, kind = np.nonzero((self.end > tick[:, None]) & (self.pitch > 0) & self.tables.lines)
        sounds[stream, self.pitch[stream, kind] - 1] = True
        return sounds

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
        taken._history, taken._rows = self._history.take(streams), np.arange(len(streams))
        taken._of_parts = self._of_parts.take(streams) if self._of_parts is not None else None
        return taken

    def without_history(self, streams: Ints) -> Pieces:
        """Those pieces alone, as far as conditions need them; no event can be pushed."""
        taken = copy(self)
        taken._rows = self._rows[streams]
        for name in self._per_stream:
            setattr(taken, name, getattr(self, name)[streams])
        taken._outlines, taken._places = self._outlines.take(streams), self._places.take(streams)
        return taken

    def put(self, streams: Ints, other: Pieces) -> None:
        """Let the pieces of others be these."""
        for name in self._per_stream:
            getattr(self, name)[streams] = getattr(other, name)
        self._history.put(streams, other._history)
        self._places.put(streams, other._places)
        if self._of_parts is not None or other._of_parts is not None:
            self._of_parts = self._by_parts()
            self._of_parts.put(streams, other._by_parts())
        self._outlines = self._outlines.put(streams, other._outlines)

    def join(self, other: Pieces) -> Pieces:
        """These pieces, and behind them those of others, independent of both."""
        joined = copy(self)
        for name in self._per_stream:
            setattr(joined, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        joined._rows, joined._places = np.arange(len(self) + len(other)), self._places.join(other._places)
        joined._history, joined._outlines = self._history.join(other._history), self._outlines.join(other._outlines)
        if self._of_parts is not None or other._of_parts is not None:
            joined._of_parts = self._by_parts().join(other._by_parts())
        return joined

    def _by_parts(self) -> PartHistory:
        """The events of each part by themselves; none of pieces without outlines, which nobody asks for them."""
        return self._of_parts or PartHistory(len(self), self.tables.kinds)
