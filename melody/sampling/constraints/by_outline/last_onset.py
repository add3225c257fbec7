"""A new piece closes as the one that its outline is from: on the same degrees of its key, that last as long.

A model sees one ending in a thousand events, and at a temperature below 1 it begins one note where a pianist would put down
both hands; and it knows little of the tonic that a piece comes home to. So the last onset of a piece of the corpus goes
with its outline (`melody.tokens.inputs.outlines.outline.Close`): in the last bar, once the place of it is within reach, the
music goes there, before each part has begun its notes nothing else comes, and nothing after. They are the degrees of the key
that they are there, as far apart, in whichever octave; and so are the last notes of parts that have begun theirs before, if
they begin any at that place. Where grammar, limits or the outline itself forbid them the piece ends without.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Event, Music
from melody.signatures import Key
from melody.tokens.grammar import Mask
from melody.tokens.inputs.outlines.harmony import UNKNOWN
from melody.tokens.inputs.outlines.outline import Outline
from melody.tokens.usage import FIRST_PART, KEY
from melody.tokens.vocabulary import KIND, TIME, VALUE, Rows, Vocabulary

_TONES = 16  # notes of a part's close that are kept to
_ANY = -1  # in place of a tone


class LastOnset(Constraint):
    """The last onset is that of the outline.

    Parameters
    ----------
    outline
        Of the piece; each stream has one of its own once streams of others are put among them.
    vocabulary
        Of the events.
    """

    may_dead_end: ClassVar[bool] = False
    gives_way: ClassVar[bool] = True
    per_stream: ClassVar[tuple[str, ...]] = (
        *("_bars", "_place", "_pickup", "_notes", "_lasting", "_begun", "_tick", "_tones", "_places", "_lowest", "_tonic"),
    )
    _bars: Ints
    _place: Ints
    _pickup: Ints
    _notes: Ints
    _lasting: Ints
    _begun: Ints
    _tick: Ints
    _tones: Ints
    _places: Ints
    _lowest: Ints
    _tonic: Ints

    def __init__(self, outline: Outline, vocabulary: Vocabulary) -> None:
        self._outline, parts = outline, len(vocabulary.parts)
        self._chord = np.zeros((2, parts), np.int64)  # notes and ticks of each part
        self._degrees = np.full((parts, _TONES), _ANY)
        self._finals = np.full(parts, -1)  # the places of the last notes of each part
        for part, place, ticks, tones in outline.close.chord:
            if part < parts:
                self._chord[:, part] = (len(tones), ticks) if place == outline.close.place else (0, 0)
                self._degrees[part, : len(tones)], self._finals[part] = tones[:_TONES], place
        self._first_key, self._first_turn = vocabulary.value_starts[KEY], vocabulary.first_turn
        self._tonics = np.array([Key(0, *key).tonic for key in vocabulary.keys], np.int64)
        self._pitches = vocabulary.pitches[0] + np.arange(vocabulary.num_pitches)

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def begin(self, streams: int) -> LastOnset:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._bars, made._place, made._pickup = np.repeat(
            [[len(self._outline.letters)], [self._outline.close.place], [self._outline.has_pickup]], streams, axis=1
        )
        made._notes, made._lasting = np.repeat(self._chord[:, None], streams, axis=1)  # (streams, parts)
        made._begun, made._tick, made._lowest = np.zeros_like(made._notes), np.full(streams, -1), np.zeros_like(made._notes)
        made._places = np.repeat(self._finals[None], streams, axis=0)  # (streams, parts)
        made._tones = np.repeat(self._degrees[None], streams, axis=0)  # (streams, parts, notes)
        made._tonic = np.full(streams, self._outline.frame.tonic)
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""

    def look_ahead(self, music: Music, options: Options) -> None:
        """As `Constraint.look_ahead`."""
        is_last, place = self._in_last_bar(music, music.ticks), self._place[:, None]
        if not is_last.any():
            return
        is_there, left = is_last & (music.position == place), self._left(music)
        is_over = is_last & (music.position > place) & (place >= 0)
        is_over = is_over[:, :, None] | (is_there[:, :, None] & ~left)
        goes_on = options.ends | (options.plays & ~is_over).any(axis=(1, 2))
        options.plays &= ~(is_over & goes_on[:, None, None])
        self._go_to(options, left & is_there[:, :, None])
        if options.notes is not None:
            options.notes &= options.plays[..., None]

    def _left(self, music: Music) -> Mask:
        """Whether a part has notes of the close to begin at each time, (streams, times, parts)."""
        left: Mask = np.repeat((self._notes > 0)[:, None], music.ticks.shape[1], axis=1)
        if music.now_index >= 0:
            begun = self._begun * (self._tick == music.standing.tick)[:, None]
            left[:, music.now_index] = begun < self._notes
        return left

    def _go_to(self, options: Options, left: Mask) -> None:
        """Let nothing come behind the place of the close, and nothing else there, until all of its notes have begun."""
        closes = options.plays & left
        closes &= np.cumsum(closes, axis=2) == 1  # one part after the other, in their order
        streams = np.flatnonzero(closes.any(axis=(1, 2)))
        options.ends[streams] = False
        may_close: Mask = np.asarray(closes[streams].any(axis=2))
        last: Ints = left.shape[1] - 1 - may_close[:, ::-1].argmax(axis=1)  # the time of the close
        in_time: Mask = np.asarray(np.arange(left.shape[1]) <= last[:, None])
        for narrowed in (options.controls, options.rests, options.plays):
            narrowed[streams] &= in_time[:, :, None]
        options.rests[streams, last], options.plays[streams, last] = False, closes[streams, last]

    def _in_last_bar(self, music: Music, ticks: Ints) -> Mask:
        """Which of those ticks are in the last bar, (streams, candidates)."""
        return np.asarray(music.bar_of(ticks) - music.pickups(self._pickup)[:, None] == self._bars[:, None] - 1)

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """The next one of the last notes of the part, where it begins them."""
        tick, part = music.ticks_of(time)[:, None], np.maximum(kind - FIRST_PART, 0)
        streams = np.arange(len(part))
        closes = (self._in_last_bar(music, tick) & (music.position_of(tick) == self._places[streams, part, None]))[:, 0]
        closes &= kind >= FIRST_PART
        if not closes.any():
            return None
        number = np.where(self._tick == tick[:, 0], self._begun[streams, part], 0)
        tones, drums = self._tones[streams, part], music.drums[part][:, None]
        tone = tones[streams, np.minimum(number, _TONES - 1)][:, None]
        widest = (tones.max(axis=1) - tones[:, 0])[:, None]
        tonic = self._tonic[:, None]
        lowest = ((self._pitches - tonic - tone) % 12 == 0) | (tonic == UNKNOWN)
        lowest &= self._pitches + widest <= self._pitches[-1]
        later = self._pitches == self._lowest[streams, part, None] + tone - tones[:, :1]
        legal = np.where(drums, self._pitches == tone, np.where(number[:, None] == 0, lowest, later))
        is_free = ~closes | (tone[:, 0] == _ANY) | (number >= _TONES)
        changes = np.ones((len(part), music.vocabulary.first_pitch), bool)
        return np.hstack([changes, legal | is_free[:, None]])

    def durations(self, music: Music, events: Rows, options: Options | None) -> Mask | None:
        """As long as the notes of its part there, or nearly; before it none that would still sound where its part closes."""
        tick = music.ticks_of(events[:, TIME])[:, None]
        part, is_part = np.maximum(events[:, KIND] - FIRST_PART, 0), events[:, KIND] >= FIRST_PART
        streams = np.arange(len(events))
        lasting = self._lasting[streams, part]
        to_close = (self._place[:, None] - music.position_of(tick))[:, 0]
        is_last = self._in_last_bar(music, tick)[:, 0]
        closes = is_last & (to_close == 0) & (lasting > 0) & is_part
        before = is_last & (to_close > 0) & (self._notes[streams, part] > 0) & is_part
        if not (closes | before).any():
            return None
        nearest = np.abs(music.durations - lasting[:, None]).argmin(axis=1)
        legal = np.where(closes[:, None], np.arange(len(music.durations)) == nearest[:, None], True)
        legal &= (music.durations <= to_close[:, None]) | ~before[:, None]
        return np.asarray(legal | ~legal.any(axis=1, keepdims=True))

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        rows, own = event.rows, event.is_note
        keys = np.flatnonzero(event.going & (rows[:, KIND] == KEY) & (rows[:, VALUE] < self._first_turn) & ~music.has_note)
        keys = keys[self._tonic[keys] != UNKNOWN]
        self._tonic[keys] = self._tonics[rows[keys, VALUE] - self._first_key]
        streams, part = event.streams[own], event.part[own]
        later = streams[event.tick[streams] != self._tick[streams]]
        self._begun[later], self._tick[streams] = 0, event.tick[streams]
        self._lowest[streams, part] = np.where(
            self._begun[streams, part] == 0, self._pitches[event.pitch[own]], self._lowest[streams, part]
        )
        self._begun[streams, part] += 1
