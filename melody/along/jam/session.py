"""The jam: between the ports, the clock, what thinks and what plays; one step at a time, by whatever clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from melody.along.jam.clock import STOP, Clock
from melody.along.jam.partner import Partner, Plan, Played
from melody.along.jam.playing import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    CONTROL,
    NOTE_OFF,
    NOTE_ON,
    PROGRAM,
    Message,
    Playing,
    Sound,
)
from melody.piece import Part
from melody.signatures import TimeSignature

DRUMS = 9  # the channel
_CLICK, _ACCENT = 77, 76  # wood blocks
_MOST_KEPT = 100_000  # measured times


class Ports(Protocol):
    """Where messages come from and go to."""

    def received(self) -> Iterable[tuple[float, Message]]:
        """What has come since it was asked last, each with its time."""

    def send(self, message: Message) -> None:
        """Let a message out, now."""


class Thinking(Protocol):
    """What thinks, here or elsewhere; as `melody.along.jam.partner.Partner`, but that it may take its time."""

    def listen(self, played: Played) -> None:
        """Take in what the player does."""

    def tick(self, tick: float) -> None:
        """Learn where the music is."""

    def plans(self) -> Iterable[Plan]:
        """What has been thought of since it was asked last."""

    def stop(self, tick: float) -> None:
        """Play nothing more until the player's next turn."""

    def refused(self, number: int) -> None:
        """Learn that a plan came too late, so that the one before it is played."""


class Jam:
    """A jam; `step` is to be called again and again.

    Parameters
    ----------
    ports
        Where messages come from and go to.
    clock
        Turns times into ticks.
    thinking
        Makes plans.
    parts
        The model's; each plays on a channel of its own, drums on the tenth.
    metre
        From tick 0 on.
    show
        Is given each plan before it is played.
    click
        Whether the beats are played on wood blocks.
    panic_note
        A pitch that means panic when it is played; None for none.
    """

    def __init__(
        self,
        ports: Ports,
        clock: Clock,
        thinking: Thinking,
        parts: tuple[Part, ...],
        metre: TimeSignature,
        *,
        show: Callable[[Plan], None] = lambda plan: None,
        click: bool = False,
        panic_note: int | None = None,
    ) -> None:
        self._ports, self._clock, self._thinking, self._show = ports, clock, thinking, show
        self._panic_note = panic_note
        self._channels = channels_of(parts)
        self._beat, self._bar = (ticks(clock.ticks_per_quarter) for ticks in (metre.beat_ticks, metre.bar_ticks))
        self._pulse = clock.ticks_per_quarter / 8  # how often what thinks learns where the music is
        quarter = clock.ticks_per_quarter
        self._playing = Playing(ports.send, beat=self._beat, tolerance=quarter / 96, latest=quarter / 4)
        self._answered: tuple[int, int] | None = None  # the bars that were planned last
        self._number = 0  # of the last plan that came
        self._refused = 0  # the plan that was late, or was silenced
        self._thought: list[Plan] = []  # plans that have come and are not taken yet
        self._click, self._next_click, self._next_pulse = click, float("-inf"), float("-inf")
        self._ran = False
        self.lateness: deque[float] = deque(maxlen=_MOST_KEPT)  # seconds from when a note was due until it was sent
        for part, channel in zip(parts, self._channels):
            if not part.is_drum:
                ports.send((PROGRAM | channel, part.program))

    @property
    def playing(self) -> Playing:
        """What is played."""
        return self._playing

    def step(self, now: float) -> float:
        """Do all that is due now; gives the time at which there is something to do again, if nothing comes before it."""
        self._receive(now)
        self._thought += self._thinking.plans()
        if not self._clock.is_running(now):
            if self._ran:
                self._playing.silence()
                self._ran = False
            return now + 0.05
        self._ran = True
        tick = self._clock.tick(now)
        self._play(tick, now)
        if tick >= self._next_pulse or self._next_pulse - tick > 2 * self._pulse:
            self._next_pulse = (tick // self._pulse + 1) * self._pulse
            self._thinking.tick(tick)
        for plan in (*self._thought, *self._thinking.plans()):
            self._take(plan, tick)
        self._thought.clear()
        self._play(tick, now)
        waits = [self._next_pulse] + ([] if self._playing.next_tick is None else [self._playing.next_tick])
        return min(max(self._clock.time_of(min(waits)), now), now + 0.05)

    def panic(self, now: float) -> None:
        """Silence everything, and let nothing more be played until the player's next turn."""
        self._playing.silence(everything=True)
        self._refused = self._number  # pieces of it may be on their way
        self._thinking.stop(self._clock.tick(now))

    def close(self) -> None:
        """End all that sounds."""
        self._playing.silence(everything=True)

    def _receive(self, now: float) -> None:
        for time, message in self._ports.received():
            self._next_pulse = float("-inf")  # what thinks learns at once where the music is
            kind, data = message[0] & 0xF0, message[1:]
            if message[0] >= 0xF0:
                self._clock.take(message, time)
                if message[0] == STOP:
                    self._playing.silence()
            elif kind == CONTROL and data[0] in (ALL_SOUND_OFF, ALL_NOTES_OFF):
                self.panic(now)
            elif kind in (NOTE_ON, NOTE_OFF):
                pitch, velocity = data[0], data[1] if kind == NOTE_ON else 0
                if pitch == self._panic_note:
                    if velocity:
                        self.panic(now)
                else:
                    self._thinking.listen(Played(self._clock.tick(time), pitch, velocity))

    def _play(self, tick: float, now: float) -> None:
        if self._click:
            self._add_click(tick)
        self.lateness += [now - self._clock.time_of(due) for due in self._playing.due(tick)]

    def _add_click(self, tick: float) -> None:
        """The beats until one beyond now wait to be played."""
        if abs(self._next_click - tick) > 2 * self._beat:
            self._next_click = -(-tick // self._beat) * self._beat
        while self._next_click <= tick + self._beat:
            is_first = self._next_click % self._bar == 0
            pitch, velocity = (_ACCENT, 100) if is_first else (_CLICK, 70)
            end = self._next_click + self._beat / 4
            self._playing.add([Sound(self._next_click, end, DRUMS, pitch, velocity)], tick)
            self._next_click += self._beat

    def _take(self, plan: Plan, tick: float) -> None:
        """Let a plan be played; one that is late and would take the place of another as a whole is not, and that goes on."""
        if plan.number and plan.replaces_from is not None:
            if plan.replaces_from < tick and plan.bars == self._answered:
                self._refused = plan.number
                self._thinking.refused(plan.number)
            self._answered = plan.bars
        self._number = max(self._number, plan.number)
        if plan.number and plan.number == self._refused:
            return
        self._show(plan)
        if plan.replaces_from is not None:
            self._playing.drop(plan.replaces_from, self._channels)
            self._playing.end_open(plan.replaces_from, self._channels)
        sounds = [
            Sound(n.onset, n.onset + n.duration if n.duration else None, self._channels[n.part], n.pitch, n.velocity)
            for n in plan.notes
        ]
        self._playing.add(sounds, tick)


def channels_of(parts: tuple[Part, ...]) -> list[int]:
    """A channel for each part, drums on the tenth; from the sixteenth part on they share the last one."""
    free = [channel for channel in range(16) if channel != DRUMS]
    pitched = iter([*free, *[free[-1]] * len(parts)])
    return [DRUMS if part.is_drum else next(pitched) for part in parts]


class Here:
    """What thinks, in this process, at once; for tests, and where nothing has to be in time."""

    def __init__(self, partner: Partner) -> None:
        self._partner = partner
        self._plans: list[Plan] = []

    def listen(self, played: Played) -> None:
        """As `Thinking.listen`."""
        self._partner.listen(played)

    def tick(self, tick: float) -> None:
        """As `Thinking.tick`."""
        self._plans += self._partner.think(tick)

    def plans(self) -> list[Plan]:
        """As `Thinking.plans`."""
        plans, self._plans = self._plans, []
        return plans

    def stop(self, tick: float) -> None:
        """As `Thinking.stop`."""
        self._plans.clear()
        self._partner.stop(tick)

    def refused(self, number: int) -> None:
        """As `Thinking.refused`."""
        self._partner.refused(number)
