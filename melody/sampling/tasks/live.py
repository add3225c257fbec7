"""Music as it is made, note by note, with a player who joins in and a hand on the wheel.

Conventions
-----------
A `Stream` yields a note once it is certain: of a part whose durations are encoded at once, of one of implied durations at
its next event. Notes come in the order in which they become certain. Ticks and pitches are those of the prompt, if there is
one, else of the vocabulary's grid. A note that a player feeds in becomes the next event, whatever the model had in mind; the
model reads it and goes on from there. Fed notes are not yielded: the player has them.

Nothing is ever taken back: the stream stands at a tick, and whatever comes, comes at that tick or later. To play along, ask
for notes `until` the tick at which the player is; what the model had in mind from there on is no music yet and gives way.
The time for a note is bounded (`scripts/benchmark_live.py`): it does not grow with the music but for a search in a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from melody.errors import SamplingError
from melody.limits import Limits
from melody.limits.checking import check
from melody.limits.lookups import allowed_pitches
from melody.network import Floats
from melody.piece import Piece
from melody.sampling.choose import choose
from melody.sampling.constraints.constraint import Constraint, Masks
from melody.sampling.constraints.observations import decoded
from melody.sampling.constraints.steering import Live, Steering
from melody.sampling.constraints.user import user_limits
from melody.sampling.constraints.user.headers import with_headers
from melody.sampling.decoder import Frontier, PrefixCache
from melody.sampling.loaded import Source
from melody.sampling.outlines.starts import Starts
from melody.sampling.prompt import Prompt
from melody.sampling.settings import SamplingSettings
from melody.sampling.tasks.continuation import limits_after, line_ups_after
from melody.sampling.tasks.limited import refuse
from melody.sampling.tasks.notes_to_be import Note, NotesToBe
from melody.threads import one_thread
from melody.tokens.grammar import Grammar, Mask
from melody.tokens.inputs.outlines.outline import Outline
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VELOCITY, Rows

_UNPROMISED = {"end_on_tonic": "music that is played as it is made cannot be taken back, so no final note can be promised"}
_ENDLESS = _UNPROMISED | {"bars": "music without end has no number of bars"}


def stream(
    source: Source,
    prompt: Piece | None = None,
    *,
    settings: SamplingSettings | None = None,
    limits: Limits | None = None,
    endless: bool = False,
    cache: PrefixCache | None = None,
) -> Stream:
    """New music, or what follows a prompt, note by note.

    Parameters
    ----------
    source
        Whose style.
    prompt
        What it goes on from; None to begin from nothing.
    settings
        As for `Model.generate`, which makes the same notes of the same seed, any ending taken, if nothing is fed or steered.
    limits
        What the music keeps to throughout; chords and bars are counted from the first full bar of the new music. What a
        player feeds may break them. Key, scale and range can be changed by `Stream.steer`. Where
        they leave nothing the music ends, since nothing can be taken back; so no final tonic can be promised.
    endless
        Never end of itself.
    cache
        Of the prompts of streams before, where each goes on from that before it; None to read the prompt as a whole.

    Raises
    ------
    SamplingError, melody.errors.VocabularyError
        If the prompt is empty or the model does not understand it, or the limits cannot be kept.

    Examples
    --------
    >>> from melody.sampling import load                            # doctest: +SKIP
    >>> for note in load("fiddle.safetensors").stream(endless=True):  # doctest: +SKIP
    ...     play(note)
    """
    limits = limits or Limits()
    refuse(limits, _ENDLESS if endless else _UNPROMISED)
    return Stream(source, prompt, settings or SamplingSettings(), endless, limits, cache)


class Stream(Iterator[Note]):
    """Music as it is made; see the conventions of the module and `stream`."""

    def __init__(
        self,
        source: Source,
        prompt: Piece | None,
        settings: SamplingSettings,
        endless: bool,
        limits: Limits,
        cache: PrefixCache | None = None,
    ) -> None:
        if prompt is not None and prompt.num_notes == 0:
            raise SamplingError("the prompt holds no notes; give one with at least one note, or none at all")
        self.remarks: tuple[str, ...] = ()  # on what was read otherwise than it stands
        self._source, self._vocabulary = source, source.vocabulary
        self._decoder = source.decoder if prompt is None else source.decoder.at_any_pitch()
        self._asked, self.settings = settings, settings.settled(source.file.training)
        self._random = np.random.default_rng([settings.seed, 0])
        self._prompt = None if prompt is None else Prompt(source, prompt, cache)
        self._steering = Steering.nothing(self._vocabulary)
        self._steering.endless, self._limits = endless, limits
        self._frontier = self._beginning()
        if (limits.key, limits.scale, limits.range) != (None, None, None):
            self._steering.pitches = self._allowed(limits)
        self._rows: list[list[int]] = []
        self._head_layers: Floats | None = None
        self._next: list[int] | None = None
        self._notes = NotesToBe(self._vocabulary, self._steering)
        self._ended = False
        self._most = (settings.max_notes or source.longest_piece) if not endless else 0

    def _beginning(self) -> Frontier:
        """Where the stream begins; what it keeps to is set up there, but for key, scale and range, which are steered."""
        begun, outlines = None if self._prompt is None else self._prompt.begun, (self._prompt or self._source).outlines
        line_ups = line_ups_after(self._source, self._prompt, self._limits)
        starts = Starts(self._starting, outlines, self.settings, self._limits, self._vocabulary, begun, line_ups)
        self._limits = replace(self._limits, bars=starts.bars)
        return starts.endless() if self._steering.endless else starts(0)

    def _starting(self, outline: Outline | None, line_up: Sequence[Constraint]) -> Frontier:
        limits, live, rules = self._limits, Live(self._steering), [*self._source.rules(self.settings), *line_up]
        fixed = replace(limits, key=None, scale=None, range=None)
        if self._prompt is not None:
            start = self._prompt.start(limits.bars, [live, *rules], outline)
            if fixed != Limits():
                limits_after(self._vocabulary, self._prompt, limits)  # refuses what cannot be kept together
                start.masks = start.masks.narrowed(limits_after(self._vocabulary, self._prompt, fixed))
            return start
        constraints: list[Constraint] = [live, *rules]
        if fixed != Limits():
            check(limits, self._vocabulary)
            constraints += user_limits(self._vocabulary, fixed)
        grammar = Grammar(self._vocabulary, 1, bars=limits.bars, count_pickup=False, pedal=False)
        return self._decoder.begin(Masks(grammar, constraints), outline)

    # Listening

    @property
    def tick(self) -> int:
        """Where the stream stands: the tick of its last event."""
        return int(self._frontier.contexts.tick[0]) + self._shift[0]

    @property
    def ticks_per_quarter(self) -> int:
        """Of all ticks."""
        return self._vocabulary.ticks_per_quarter

    @property
    def pitches(self) -> tuple[int, int]:
        """The lowest and the highest pitch that a player may feed."""
        low, high = self._vocabulary.pitches
        return low + self._shift[1], high + self._shift[1]

    def __next__(self) -> Note:
        while not self._notes.certain:
            if self._ended:
                raise StopIteration
            self._append(self._next_event())
        return self._notes.certain.popleft()

    def until(self, tick: int) -> list[Note]:
        """All notes that become certain before anything happens at `tick` or later."""
        while not self._ended:
            event = self._next_event()
            if event[TIME] != END and self._tick_of(event[TIME]) >= tick:
                self._next = event
                break
            self._append(event)
        return self._notes.taken()

    def query(self) -> Note | None:
        """What the model has in mind next, no music yet: it gives way to what is fed or steered; None at the end.

        Its duration is 0 if a later event says it. Of velocity 0 it is the end of what its part holds.
        """
        while not self._ended:
            event = self._next_event()
            if event[TIME] != END and event[KIND] >= FIRST_PART:
                self._next = event
                return self._notes.meant(event, self._tick_of(event[TIME]), self._shift[1])
            self._append(event)
        return None

    @property
    def sounding(self) -> tuple[Note, ...]:
        """The model's notes that have begun and whose ends are not certain yet: their durations are 0."""
        return self._notes.begun

    @property
    def piece(self) -> Piece:
        """All that is part of the music so far, the prompt and fed notes too; what still sounds lasts a quarter or longer.

        Without a prompt its parts are the vocabulary's.
        """
        if self._prompt is None:
            return with_headers(decoded(self._vocabulary, self.rows), replace(self._limits, key=None))
        return self._prompt.joined(self.rows, False, self._source.file.name).piece

    @property
    def rows(self) -> Rows:
        """The events since the prompt, fed ones too, (events, 5)."""
        return np.array(self._rows, np.int64).reshape(-1, len(FIELDS))

    # Joining in

    def feed(
        self, pitch: int, *, part: int = 0, onset: int | None = None, duration: int | None = None, velocity: int = 90
    ) -> int:
        """A note that a player plays: the next event; gives the tick at which it was taken.

        Parameters
        ----------
        pitch
            MIDI pitch.
        part
            Number of a part in the vocabulary.
        onset
            The tick nearest to which it is taken, in the model's rhythm and never before `tick`; None as soon as may be.
        duration
            Ticks, for parts whose durations are encoded; a quarter by default. An implied one lasts until the part's next
            event, see `rest`.
        velocity
            1-127.

        Raises
        ------
        SamplingError
            If there is no such part or pitch, or none may come within a quarter of `onset`.
        """
        value = pitch - self._shift[1] - self._vocabulary.pitches[0]
        if not 0 <= part < len(self._vocabulary.parts):
            raise SamplingError(f"there is no part {part}; the model has parts 0 to {len(self._vocabulary.parts) - 1}")
        if not 0 <= value < self._vocabulary.num_pitches:
            low, high = self.pitches
            raise SamplingError(f"pitch {pitch} is outside what the model knows, {low} to {high}")
        return self._take(part, self._vocabulary.first_pitch + value, onset, duration or self.ticks_per_quarter, velocity)

    def rest(self, *, part: int = 0, onset: int | None = None) -> int:
        """The end of what a part of implied durations holds, such as of a fed note; gives the tick at which it was taken.

        Raises
        ------
        SamplingError
            If nothing sounds there, or durations of the part are encoded.
        """
        if not 0 <= part < len(self._vocabulary.parts) or not self._vocabulary.implied_duration[part]:
            raise SamplingError(f"part {part} has no rests; only a part whose durations are implied has")
        return self._take(part, self._vocabulary.rest, onset, 0, 0)

    def _take(self, part: int, value: int, onset: int | None, duration: int, velocity: int) -> int:
        self._append_header()
        time = self._time_for(FIRST_PART + part, value, onset)
        event = np.array([[time, FIRST_PART + part, value, self._nearest_duration(time, duration), 0]], np.int64)
        event[0, VELOCITY] = np.abs(np.array(self._vocabulary.velocities) - velocity).argmin()
        event[~self._vocabulary.field_mask(event)] = 0
        self._next = None
        self._decoder = self._decoder.at_any_pitch()  # from here on it goes on from what it was fed, wherever that is
        self._append(event[0].tolist(), fed=True)
        return self.tick

    def _time_for(self, kind: int, value: int, onset: int | None) -> int:
        """The time token with which an event comes nearest to `onset`."""
        wanted = self.tick if onset is None else max(onset, self.tick)
        times = np.array([] if self._ended else self._frontier.masks.times_by_grammar(kind, value), np.int64)
        off = np.abs(self.tick + np.array(self._vocabulary.shifts)[times - 1] - wanted)
        if not len(times) or (onset is not None and off.min() > self.ticks_per_quarter):
            raise SamplingError(
                f"what is to come at tick {wanted} in part {kind - FIRST_PART} cannot; the stream stands at tick {self.tick}"
                + (" and has ended" if self._ended else ": take its notes up to there first, or wait for what sounds to end")
            )
        return int(times[off.argmin()])

    def _nearest_duration(self, time: int, ticks: int) -> int:
        known = np.array(self._vocabulary.durations or (1,))
        legal = self._frontier.masks.grammar.durations_at(np.array([time]))[0]
        return int(np.where(legal, np.abs(known - ticks), np.iinfo(np.int64).max).argmin())

    def _append_header(self) -> None:
        """Let the model choose metre, tempo and key, if there is no event yet."""
        while self._prompt is None and not self._frontier.masks.has_begun[0]:
            event = self._next_event()
            if event[KIND] >= FIRST_PART:
                break
            self._append(event)
        self._next = None

    # Steering

    def steer(
        self,
        *,
        temperature: float | None = None,
        key: str | None = None,
        scale: str | None = None,
        range: str | None = None,
        silent: Iterable[int] | None = None,
    ) -> None:
        """Change from the next note on what is given; all else stays.

        Parameters
        ----------
        temperature
            As in `SamplingSettings`; `settings` can be set as a whole as well.
        key, scale, range
            As `Limits.parse` reads them: 'Dm', 'C,D,Eb,G,A', 'C4:C6'. Together they replace those that were given before;
            all of them '' lifts them.
        silent
            Parts in which the model begins no more notes; () lets all play.

        Raises
        ------
        SamplingError
            If one of them makes no sense, leaves no note, or no part would be left to play.
        """
        settings = self.settings if temperature is None else replace(self._asked, temperature=temperature)
        allowed, quiet = self._steering.pitches, self._steering.silent
        if (key, scale, range) != (None, None, None):
            limits = Limits.parse(key=key or None, scale=scale or None, range=range or None)
            check(limits, self._vocabulary)
            allowed = self._allowed(limits)
        if silent is not None:
            quiet = np.isin(np.arange(len(quiet)), list(silent))
            if quiet.all():
                raise SamplingError("no part would be left to play; leave one that is not silent")
        self.settings, self._steering.pitches, self._steering.silent = settings, allowed, quiet
        self._next = None

    def _allowed(self, limits: Limits) -> Mask:
        """Which of the vocabulary's pitches each part may play once they are where the prompt is, (parts, pitches)."""
        low, high = self._vocabulary.pitches
        moved = np.arange(low, high + 1) + self._shift[1]
        allowed = allowed_pitches(limits, replace(self._vocabulary, pitches=(0, 127)))
        return np.asarray(allowed[np.clip(moved, 0, 127)] | self._vocabulary.drums[:, None])

    # Events

    @property
    def _shift(self) -> tuple[int, int]:
        """Ticks and semitones from the model's world to that of the prompt."""
        return (0, 0) if self._prompt is None else self._prompt.shift

    def _tick_of(self, time: int) -> int:
        return self.tick + self._vocabulary.shifts[time - 1]

    def _append(self, event: list[int], fed: bool = False) -> None:
        """An event comes to be; the model reads it."""
        self._listen()
        self._decoder.push(self._frontier, np.array([event]), observed=fed)
        self._rows.append(event)
        if event[TIME] == END:
            self._ended = True
            return
        self._head_layers = None
        if event[KIND] >= FIRST_PART:
            self._notes.push(event, self.tick, self._shift[1], fed)
        if len(self._rows) == self._most:
            self._ended = True
            self._notes.end_all(self.tick)

    def _listen(self) -> Floats:
        """What the heads make of all that has come."""
        if self._head_layers is None:
            with one_thread():
                self._head_layers = self._decoder.read(self._frontier)
        return self._head_layers

    def _next_event(self) -> list[int]:
        """What the model has in mind, drawn now if it had nothing."""
        event, self._next = self._next, None
        return event or self._draw()

    def _draw(self) -> list[int]:
        step = self._decoder.step(self._frontier, self._listen())
        chance = self._random.random(len(FIELDS))
        for field, mask in step.fields():
            how = self.settings, field, step.is_beginning(field)
            step.events[:, field] = choose(step.logits(field, mask), mask, chance[[field]], *how)
        event: list[int] = step.finished()[0].tolist()
        return event
