"""What thinks: it listens to the player, and says what the model plays, before it plays it.

In turns (`Answerer`) the model reads what the player plays beat by beat. A plan is made a beat before the model's bars
begin, again whenever the player goes on after that, and holds from their first beat on. Such a plan costs only the notes
that the model has not read yet and its own. Beside the player (`Accompanist`) live music runs a little ahead of the player:
what lies within `ahead` is settled, nothing after it.

What thinks is never in a hurry: what comes of a plan that is late is decided where it is played (`session`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from melody.along.jam.remembered import Memory
from melody.along.jam.settings import JamSettings
from melody.errors import MelodyError, SamplingError
from melody.piece import Piece
from melody.sampling import Model
from melody.sampling.decoder import PrefixCache
from melody.sampling.prompt import Prompt
from melody.sampling.settings import SamplingSettings
from melody.sampling.tasks.live import Stream, stream
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
    number
        Of the plan, from 1, which may come in several pieces; 0 of what stands for itself. Another plan of the same bars
        takes its place as a whole or, if it is late, not at all.
    """

    notes: tuple[Note, ...]
    replaces_from: int | None = None
    bars: tuple[int, int] = (1, 1)
    is_whole: bool = True
    remark: str = ""
    number: int = 0


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
        model.stream(endless=True, limits=replace(settings.limits, metre=settings.metre, tempo=None))  # refuses at once
        self.model, self.settings = model, settings
        metre = TimeSignature(0, *settings.metre)
        parts = vocabulary.parts, tuple(vocabulary.monophonic)
        grid = vocabulary.ticks_per_quarter
        self.memory = Memory(*parts, metre, grid, settings.memory, settings.grid, settings.limits.key)
        self.bar_ticks, self.beat_ticks = self.memory.bar_ticks, metre.beat_ticks(grid)
        self.ahead = max(round(settings.ahead * grid), 1)

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

    @abstractmethod
    def refused(self, number: int) -> None:
        """Learn that a plan came too late, so that the one before it is played."""

    def _sampling(self, turn: int) -> SamplingSettings:
        """With a seed of its own for each turn, from 0, so that an answer does not depend on how often it was planned."""
        return replace(self.settings.sampling, seed=self.settings.sampling.seed + turn)

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
        self._cache = PrefixCache()
        self._read_at = -1  # the beat at which the player's music was read last
        self._planned = -1  # the turn that was planned last
        self._changed = False  # whether the player has gone on since
        self._stopped = -1  # the turn that is left out
        self._number = 0  # of the last plan
        self._music: Piece | None = None  # the music that it goes on from
        self._notes: tuple[list[Note], list[Note]] = [], []  # of the plan before of the same turn, and of the last one

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

    def refused(self, number: int) -> None:
        """As `Partner.refused`."""
        if number == self._number and self._stopped != self._planned:
            self.memory.answer(self._notes[0])

    def think(self, tick: float) -> Iterator[Plan]:
        """As `Partner.think`; between two plans it may learn more."""
        turn = self._turn_at(tick)
        begins = self._begins(turn)
        if tick < begins - self.beat_ticks:
            self._read(tick, begins)
        elif turn != self._stopped and self._is_wanted(turn, tick, begins):
            yield from self._plan(turn, begins)

    def _is_wanted(self, turn: int, tick: float, begins: int) -> bool:
        """Whether a plan is to be made: the first one of a turn even if it has begun, another one only before that."""
        if turn == self._planned:
            return self._changed and tick < begins
        return tick < begins + self.beat_ticks and self.memory.played_since(begins - self._span - self.beat_ticks)

    def _read(self, tick: float, begins: int) -> None:
        """Let the model read what the player has played so far, once a beat."""
        beat = int(tick // self.beat_ticks)
        if not self._changed or beat == self._read_at:
            return
        self._read_at = beat
        found = self.memory.music(begins)
        if found is not None:
            with suppress(MelodyError):  # a plan says why
                Prompt(self.model, found[0], self._cache).start(None)

    def _plan(self, turn: int, begins: int) -> Iterator[Plan]:
        """The model's bars, beat by beat as they are made."""
        self._changed = False
        again = turn == self._planned
        if not again:
            self.memory.forget(begins)
        found = self.memory.music(begins, self._music.keys[0] if again and self._music else None)
        if found is None or (again and found[0] == self._music):
            return
        self._planned, self._music = turn, found[0]
        self._number += 1
        self._notes = self._notes[1] if again else [], []
        first = begins // self.bar_ticks + 1
        plan = Plan((), begins, (first, first + self.settings.bars - 1), number=self._number)
        try:
            live, moved = self._stream(turn, found[0], begins)
        except MelodyError as error:
            yield replace(plan, remark=str(error))
            return
        ends = begins + self._span
        for line in range(begins + self.beat_ticks, ends + 1, self.beat_ticks):
            certain = [*live.until(line - moved)]
            if line == ends:
                certain += [note._replace(duration=ends - moved - note.onset) for note in live.sounding]
            own = [self._loud(note._replace(onset=note.onset + moved)) for note in certain]
            own = [n._replace(duration=min(n.duration, ends - n.onset)) for n in own if begins <= n.onset < ends]
            self._notes[1].extend(own)
            self.memory.answer(self._notes[1])
            yield replace(plan, notes=tuple(own), is_whole=line == ends)
            if self._stopped == turn:
                return
            plan = replace(plan, replaces_from=None)

    def _stream(self, turn: int, piece: Piece, begins: int) -> tuple[Stream, int]:
        """Music that goes on after a piece, and what its ticks are to be moved by."""
        ends = -(-piece.length // self.bar_ticks) * self.bar_ticks
        limits = replace(self.settings.limits, metre=None, tempo=None, bars=None)
        sampling, cache = self._sampling(turn), self._cache
        return stream(self.model, piece, settings=sampling, limits=limits, endless=True, cache=cache), begins - ends


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
        self._joined = 0  # how often it has
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

    def refused(self, number: int) -> None:
        """As `Partner.refused`: never, since its plans stand for themselves."""

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
            live = stream(self.model, settings=self._sampling(self._joined), limits=own, endless=True)
            live.steer(silent=[self.settings.part])
            self._live, self._joined = (live, joins), self._joined + 1
        except MelodyError as error:
            yield Plan((), joins, remark=str(error))

    def _go_on(self, tick: float) -> Iterator[Plan]:
        assert self._live is not None
        live, moved = self._live
        self._feed(live, moved, tick)
        certain = [note._replace(onset=note.onset + moved) for note in live.until(round(tick) + self.ahead - moved)]
        begun = [note._replace(onset=note.onset + moved) for note in live.sounding]
        begun = [note for note in begun if note not in self._begun]
        self._begun += begun
        for note in certain:
            self.memory.add(note)
            self._begun = [each for each in self._begun if each[:3] != note[:3]]
        notes = tuple(self._loud(note) for note in (*certain, *begun))
        if notes:
            bar = int((tick + self.ahead) // self.bar_ticks) + 1
            yield Plan(notes, None, (bar, bar), is_whole=False)

    def _feed(self, live: Stream, moved: int, tick: float) -> None:
        """Let the stream read what the player has done; what it cannot take, it goes on without."""
        part, eighth = self.settings.part, self.model.vocabulary.ticks_per_quarter / 2
        for played in self._waiting:
            try:
                if not played.velocity:
                    self._rest = played.tick
                    continue
                if self._rest is not None and played.tick - self._rest >= eighth:
                    live.rest(part=part, onset=round(self._rest) - moved)
                self._rest = None
                at = self.memory.on_grid(played.tick) - moved
                live.feed(self._folded(played.pitch, live), part=part, onset=at, velocity=played.velocity)
            except SamplingError:
                continue
        self._waiting.clear()
        if self._rest is not None and tick - self._rest >= eighth:
            rest, self._rest = self._rest, None
            try:
                live.rest(part=part, onset=round(rest) - moved)
            except SamplingError:
                return

    def _folded(self, pitch: int, live: Stream) -> int:
        """The pitch, by octaves within what the model knows."""
        low, high = live.pitches
        while pitch < low:
            pitch += 12
        while pitch > high:
            pitch -= 12
        return pitch


def partner(model: Model, settings: JamSettings) -> Partner:
    """The partner of that mode."""
    return Answerer(model, settings) if settings.mode == "answer" else Accompanist(model, settings)
