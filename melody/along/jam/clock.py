"""Where the music is: a clock of our own, or one that follows MIDI clock."""

from __future__ import annotations

from abc import ABC, abstractmethod

CLOCKS = 24  # MIDI clocks a quarter note
CLOCK, START, CONTINUE, STOP, POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
_STALLED = 0.5  # seconds without a clock after which it stands
_PHASE, _PERIOD = 0.2, 0.02  # shares of a clock's lateness that are believed: of its place, of the tempo
_MOST_AHEAD = 1.5  # clocks that may be missing before time stands
_JUMP = 4  # clocks of lateness that are no jitter


class Clock(ABC):
    """Turns times into ticks and back.

    Parameters
    ----------
    ticks_per_quarter
        Of all ticks.
    """

    def __init__(self, ticks_per_quarter: int) -> None:
        self.ticks_per_quarter = ticks_per_quarter

    @abstractmethod
    def tick(self, time: float) -> float:
        """Where the music is at a time."""

    @abstractmethod
    def time_of(self, tick: float) -> float:
        """When the music is there, if the tempo stays."""

    @abstractmethod
    def is_running(self, time: float) -> bool:
        """Whether the music goes on."""

    def take(self, message: tuple[int, ...], time: float) -> bool:
        """Take in a message that came at a time, if it is about the clock; whether it was."""
        return message[0] in (CLOCK, START, CONTINUE, STOP, POSITION)


class OwnClock(Clock):
    """A steady tempo.

    Parameters
    ----------
    ticks_per_quarter
        Of all ticks.
    tempo
        Quarter notes a minute.
    start
        The time of tick 0.
    """

    def __init__(self, ticks_per_quarter: int, tempo: float, start: float) -> None:
        super().__init__(ticks_per_quarter)
        self._rate, self._start = ticks_per_quarter * tempo / 60, start

    def tick(self, time: float) -> float:
        """As `Clock.tick`."""
        return (time - self._start) * self._rate

    def time_of(self, tick: float) -> float:
        """As `Clock.time_of`."""
        return self._start + tick / self._rate

    def is_running(self, time: float) -> bool:
        """Always."""
        return True


class FollowedClock(Clock):
    """MIDI clock, its jitter smoothed: between two clocks time goes on at the tempo of those before.

    Parameters
    ----------
    ticks_per_quarter
        Of all ticks.
    tempo
        Quarter notes a minute, believed until the clock shows another.
    """

    def __init__(self, ticks_per_quarter: int, tempo: float = 120.0) -> None:
        super().__init__(ticks_per_quarter)
        self._period = 60 / tempo / CLOCKS
        self._count = -1  # of the last clock since tick 0; -1 before the first
        self._time = 0.0  # of the last clock, smoothed
        self._arrived: float | None = None  # the last clock, as it came
        self._goes = False

    @property
    def tempo(self) -> float:
        """Quarter notes a minute, as it is believed now."""
        return 60 / self._period / CLOCKS

    def tick(self, time: float) -> float:
        """As `Clock.tick`; it stands while clocks are missing."""
        ahead = 0.0 if self._arrived is None else (time - self._time) / self._period
        return (self._count + min(max(ahead, 0.0), _MOST_AHEAD)) * self.ticks_per_quarter / CLOCKS

    def time_of(self, tick: float) -> float:
        """As `Clock.time_of`."""
        return self._time + (tick * CLOCKS / self.ticks_per_quarter - self._count) * self._period

    def is_running(self, time: float) -> bool:
        """Whether it was started, not stopped, and clocks come."""
        return self._goes and self._arrived is not None and time - self._arrived < _STALLED

    def take(self, message: tuple[int, ...], time: float) -> bool:
        """As `Clock.take`."""
        kind = message[0]
        if kind == CLOCK:
            self._push(time)
        elif kind == START:
            self._count, self._goes, self._arrived = -1, True, None
        elif kind == CONTINUE:
            self._goes, self._arrived = True, None
        elif kind == STOP:
            self._goes = False
        elif kind == POSITION and len(message) == 3:  # in sixteenths
            self._count = (message[1] | message[2] << 7) * CLOCKS // 4 - 1
        return super().take(message, time)

    def _push(self, time: float) -> None:
        if not self._goes:
            return
        self._count += 1
        late = 0.0 if self._arrived is None else time - self._time - self._period
        if self._arrived is None or abs(late) > _JUMP * self._period:
            self._time = time
        else:
            self._period += _PERIOD * late
            self._time += self._period + _PHASE * late
        self._arrived = time
