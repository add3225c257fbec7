"""What thinks: it listens to the player, and says what the model plays, before it plays it.

In turns (`Answerer`) a plan is made a beat before the model's bars begin, again whenever the player goes on after that, and
holds from their first beat on. Beside the player (`Accompanist`) live music runs a little ahead of the player: what lies
within `ahead` is settled, nothing after it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from melody.along.jam.remembered import Memory
from melody.along.jam.settings import JamSettings
from melody.errors import MelodyError, SamplingError
from melody.sampling import Model
from melody.sampling.settings import SamplingSettings
from melody.sampling.tasks.live import Stream
from melody.sampling.tasks.notes_to_be import Note
from melody.signatures import TimeSignature


class Played(NamedTuple):
    """A key of the player's goes down or, with velocity 0, up."""

    tick: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Plan:
    """What the model is about to play.

    Parameters
    ----------
    notes
        On the ticks of the jam; a duration of 0 is one that is not known yet.
    replaces_from
        What was planned from this tick on and has not begun is not played; None if it stays.
    bars
        The first and the last bar that the plan is about, from 1.
    is_whole
        Whether these are all the notes of these bars; more come otherwise.
    remark
        Why there is nothing, if there is a reason.
    """

    notes: tuple[Note, ...]
    replaces_from: int | None = None
    bars: tuple[int, int] = (1, 1)
    is_whole: bool = True
    remark: str = ""


class Partner(ABC):
    """What thinks.

    Parameters
    ----------
    model
        Whose style.
    settings
        See there.

    Raises
    ------
    SamplingError
        If the model does not know the metre or the part, or cannot do what is asked.
    """

    def __init__(self, model: Model, settings: JamSettings) -> None:
        vocabulary = model.vocabulary
        if settings.metre not in vocabulary.time_signatures:
            known = ", ".join(f"{top}/{bottom}" for top, bottom in vocabulary.time_signatures)
            raise SamplingError(
                f"the model does not know the metre {settings.metre[0]}/{settings.metre[1]}; it knows {known}"
            )
        if not 0 <= settings.part < len(vocabulary.parts):
            raise SamplingError(f"there is no part {settings.part + 1}; the model has {len(vocabulary.parts)}")
        self.model, self.settings = model, settings
        metre = TimeSignature(0, *settings.metre)
        parts = vocabulary.parts, tuple(vocabulary.monophonic)
        grid = vocabulary.ticks_per_quarter
        self.memory = Memory(*parts, metre, grid, settings.memory, settings.grid, settings.limits.key)
        self.bar_ticks, self.beat_ticks = self.memory.bar_ticks, metre.beat_ticks(grid)
        self.ahead = max(round(settings.ahead * grid), 1)
        self._turn = 0

    def listen(self, played: Played) -> None:
        """Take in what the player does."""
        if played.velocity:
            self.memory.begin(self.settings.part, played.pitch, played.tick, played.velocity)
        else:
            self.memory.end(played.pitch, played.tick)

    @abstractmethod
    def think(self, tick: float) -> Iterator[Plan]:
        """What there is to play, now that the music is at a tick; empty most of the time."""

    @abstractmethod
    def stop(self, tick: float) -> None:
        """Play nothing more until the player's next turn."""

    def _stream(self, until: int) -> tuple[Stream, int] | None:
        """Music that goes on after the last bars before a bar line, and what its ticks are to be moved by; or None."""
        found = self.memory.music(until)
        if found is None:
            return None
        piece, _ = found
        ends = -(-piece.length // self.bar_ticks) * self.bar_ticks
        limits = replace(self.settings.limits, metre=None, tempo=None, bars=None)
        return self.model.stream(piece, endless=True, limits=limits, settings=self._sampling()), until - ends

    def _sampling(self) -> SamplingSettings:
        """With a seed of its own for each turn."""
        self._turn += 1
        return replace(self.settings.sampling, seed=self.settings.sampling.seed + self._turn - 1)

    def _loud(self, note: Note) -> Note:
        """As loud as the player, if the model does not know loud and soft."""
        if len(self.model.vocabulary.velocities) > 1:
            return note
        softest, loudest = self.settings.limits.velocity or (1, 127)
        return note._replace(velocity=min(max(self.memory.loudness, softest), loudest))


class Answerer(Partner):
    """Call and response: the player has some bars, then the model as many, and so on; parameters as of `Partner`."""

    def __init__(self, model: Model, settings: JamSettings) -> None:
        super().__init__(model, settings)
        self._span = settings.bars * self.bar_ticks
        self._planned = -1  # the turn that was planned last
        self._changed = False  # whether the player has gone on since
        self._stopped = -1  # the turn that is left out

    def _begins(self, turn: int) -> int:
        """The tick at which the model's turn begins."""
        return (2 * turn + 1) * self._span

    def _turn_at(self, tick: float) -> int:
        """The model's turn that runs at a tick or comes next."""
        return max(int(tick // (2 * self._span)), 0)

    def listen(self, played: Played) -> None:
        """As `Partner.listen`; in the model's bars only what leads into the player's next ones, from a beat before them."""
        begins = self._begins(self._turn_at(played.tick))
        if played.velocity and begins <= played.tick < begins + self._span - self.beat_ticks:
            return
        super().listen(played)
        self._changed = True

    def stop(self, tick: float) -> None:
        """As `Partner.stop`."""
        self._stopped = self._turn_at(tick)
        self.memory.forget(round(tick))

    def think(self, tick: float) -> Iterator[Plan]:
        """As `Partner.think`."""
        turn = self._turn_at(tick)
        begins = self._begins(turn)
        if not begins - self.beat_ticks <= tick < begins or turn == self._stopped:
            return
        if turn == self._planned and not self._changed:
            return
        if not self.memory.played_since(begins - self._span - self.beat_ticks):
            return
        self._planned, self._changed = turn, False
        yield from self._plan(begins)

    def _plan(self, begins: int) -> Iterator[Plan]:
        """The model's bars, beat by beat as they are made."""
        first = begins // self.bar_ticks + 1
        bars = first, first + self.settings.bars - 1
        self.memory.forget(begins)
        try:
            found = self._stream(begins)
        except MelodyError as error:
            yield Plan((), begins, bars, remark=str(error))
            return
        if found is None:
            return
        stream, moved = found
        ends, sent = begins + self._span, begins
        for line in range(begins + self.beat_ticks, ends + 1, self.beat_ticks):
            certain = [*stream.until(line - moved)]
            if line == ends:
                certain += [note._replace(duration=ends - moved - note.onset) for note in stream.sounding]
            own = [self._loud(note._replace(onset=note.onset + moved)) for note in certain]
            own = [n._replace(duration=min(n.duration, ends - n.onset)) for n in own if begins <= n.onset < ends]
            for note in own:
                self.memory.add(note)
            yield Plan(tuple(own), begins if sent == begins else None, bars, line == ends)
            sent = line


class Accompanist(Partner):
    """The model's other parts beside the player's; parameters as of `Partner`.

    It listens for some bars to find the key, joins in at the next bar line, and rests when the player has been silent for as
    many bars. Its notes are on the player's grid, if no other is asked for.
    """

    def __init__(self, model: Model, settings: JamSettings) -> None:
        super().__init__(model, settings)
        if len(model.vocabulary.parts) < 2:
            raise SamplingError(
                f"{model.file.name} has one part and cannot accompany; let it answer, or take one of several"
            )
        self._live: tuple[Stream, int] | None = None  # with what its ticks are to be moved by
        self._waiting: list[Played] = []  # that the stream has not read yet
        self._begun: list[Note] = []  # notes that have been planned without their ends
        self._joins: int | None = None  # the bar line where it is to join in
        self._rest: float | None = None  # since when the player's part is silent, while the stream does not know it

    def listen(self, played: Played) -> None:
        """As `Partner.listen`."""
        super().listen(played)
        if self._live is not None:
            self._waiting.append(played)
        elif played.velocity and self._joins is None:
            bar = int(played.tick // self.bar_ticks)
            self._joins = (bar + self.settings.bars) * self.bar_ticks

    def stop(self, tick: float) -> None:
        """As `Partner.stop`."""
        self._live, self._joins, self._rest = None, None, None
        self._waiting.clear()
        self._begun.clear()
        self.memory.forget(round(tick))

    def think(self, tick: float) -> Iterator[Plan]:
        """As `Partner.think`."""
        if self._live is None:
            yield from self._join(tick)
        elif not self.memory.played_since(round(tick) - self.settings.bars * self.bar_ticks):
            self.stop(tick)
            yield Plan((), round(tick), remark="it rests until you go on")
        if self._live is not None:
            yield from self._go_on(tick)

    def _join(self, tick: float) -> Iterator[Plan]:
        if self._joins is None or tick < self._joins - self.beat_ticks:
            return
        joins, self._joins = self._joins, None
        found = self.memory.music(joins)
        if found is None:
            return
        limits = self.settings.limits
        keys = [(key.fifths, key.mode) for key in found[0].keys]
        known = [key for key in keys if key in self.model.vocabulary.keys]
        own = replace(limits, metre=self.settings.metre, tempo=None, bars=None, grid=limits.grid or self.settings.grid)
        if limits.key is None and limits.scale is None and known:
            own = replace(own, key=found[0].keys[0])
        try:
            stream = self.model.stream(endless=True, limits=own, settings=self._sampling())
            stream.steer(silent=[self.settings.part])
            self._live = stream, joins
        except MelodyError as error:
            yield Plan((), joins, remark=str(error))

    def _go_on(self, tick: float) -> Iterator[Plan]:
        assert self._live is not None
        stream, moved = self._live
        self._feed(stream, moved, tick)
        certain = [note._replace(onset=note.onset + moved) for note in stream.until(round(tick) + self.ahead - moved)]
        begun = [note._replace(onset=note.onset + moved) for note in stream.sounding]
        begun = [note for note in begun if note not in self._begun]
        self._begun += begun
        for note in certain:
            self.memory.add(note)
            self._begun = [each for each in self._begun if each[:3] != note[:3]]
        notes = tuple(self._loud(note) for note in (*certain, *begun))
        if notes:
            bar = int((tick + self.ahead) // self.bar_ticks) + 1
            yield Plan(notes, None, (bar, bar), is_whole=False)

    def _feed(self, stream: Stream, moved: int, tick: float) -> None:
        """Let the stream read what the player has done; what it cannot take, it goes on without."""
        part, eighth = self.settings.part, self.model.vocabulary.ticks_per_quarter / 2
        for played in self._waiting:
            try:
                if not played.velocity:
                    self._rest = played.tick
                    continue
                if self._rest is not None and played.tick - self._rest >= eighth:
                    stream.rest(part=part, onset=round(self._rest) - moved)
                self._rest = None
                at = self.memory.on_grid(played.tick) - moved
                stream.feed(self._folded(played.pitch, stream), part=part, onset=at, velocity=played.velocity)
            except SamplingError:
                continue
        self._waiting.clear()
        if self._rest is not None and tick - self._rest >= eighth:
            rest, self._rest = self._rest, None
            try:
                stream.rest(part=part, onset=round(rest) - moved)
            except SamplingError:
                return

    def _folded(self, pitch: int, stream: Stream) -> int:
        """The pitch, by octaves within what the model knows."""
        low, high = stream.pitches
        while pitch < low:
            pitch += 12
        while pitch > high:
            pitch -= 12
        return pitch


def partner(model: Model, settings: JamSettings) -> Partner:
    """The partner of that mode."""
    return Answerer(model, settings) if settings.mode == "answer" else Accompanist(model, settings)
