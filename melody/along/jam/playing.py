"""What is played: notes wait for their tick, begin, and end for certain."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import count

NOTE_OFF, NOTE_ON, CONTROL, PROGRAM = 0x80, 0x90, 0xB0, 0xC0
ALL_SOUND_OFF, ALL_NOTES_OFF = 120, 123  # controllers
Message = tuple[int, ...]


@dataclass(frozen=True)
class Sound:
    """A note that is to be played.

    Parameters
    ----------
    onset, end
        Ticks; `end` is None while it is not known yet.
    channel
        From 0.
    pitch, velocity
        As in MIDI.
    """

    onset: float
    end: float | None
    channel: int
    pitch: int
    velocity: int

    @property
    def key(self) -> tuple[int, int]:
        """What sounds once at a time: a pitch of a channel."""
        return self.channel, self.pitch


class Playing:
    """Sounds that wait and sounds that have begun.

    Whatever comes, each note that was begun is ended: by its end, by the next note of its key, or by `silence`. None begins
    out of time: one that comes too late begins on the next beat, if it lasts beyond that, and else is not played.

    Parameters
    ----------
    send
        Takes the messages.
    beat
        Ticks from one beat to the next, the first at 0.
    tolerance
        Ticks by which a sound may come after its onset and is still in time.
    latest
        A sound that waited is not begun any more so many ticks after it was due, as when time has jumped.

    Attributes
    ----------
    missed, moved
        How many sounds came too late to be played, and how many began on the beat after.
    """

    def __init__(self, send: Callable[[Message], None], *, beat: float, tolerance: float, latest: float) -> None:
        self._send, self._beat, self._tolerance, self._latest = send, beat, tolerance, latest
        self._number = count()
        self._waiting: list[tuple[float, int, Sound]] = []
        self._ends: list[tuple[float, int, tuple[int, int]]] = []
        self._begun: dict[tuple[int, int], tuple[int, Sound]] = {}  # by key, with its number
        self.missed, self.moved = 0, 0

    @property
    def sounding(self) -> tuple[Sound, ...]:
        """What has begun and has not ended."""
        return tuple(sound for _, sound in self._begun.values())

    @property
    def next_tick(self) -> float | None:
        """When the next message is due; None if nothing waits."""
        ticks = [queue[0][0] for queue in (self._waiting, self._ends) if queue]
        return min(ticks) if ticks else None

    def add(self, sounds: Iterable[Sound], tick: float) -> None:
        """Let these be played, now that it is that tick.

        One of the key and onset of a sound that has begun says only when that ends.
        """
        for sound in sounds:
            number, begun = self._begun.get(sound.key, (0, None))
            if begun is not None and begun.onset == sound.onset:
                if sound.end is not None:
                    heapq.heappush(self._ends, (sound.end, number, sound.key))
                continue
            self._waiting = [each for each in self._waiting if (each[2].key, each[2].onset) != (sound.key, sound.onset)]
            heapq.heapify(self._waiting)
            begins = self._begins(sound, tick)
            if begins is None:
                self.missed += 1
            else:
                heapq.heappush(self._waiting, (begins, next(self._number), sound))

    def _begins(self, sound: Sound, tick: float) -> float | None:
        """When a sound that comes at a tick is begun; None if it is not."""
        if sound.onset >= tick - self._tolerance:
            return sound.onset
        begins = (tick // self._beat + 1) * self._beat
        return begins if sound.end is None or sound.end > begins else None

    def drop(self, tick: float, channels: Collection[int]) -> None:
        """Forget what was to begin on these channels at a tick or later."""
        self._waiting = [each for each in self._waiting if each[0] < tick or each[2].channel not in channels]
        heapq.heapify(self._waiting)

    def due(self, tick: float) -> list[float]:
        """Send all that is due by a tick, ends before beginnings; the ticks at which what was begun was due."""
        started = []
        while (at := self.next_tick) is not None and at <= tick:
            if self._ends and self._ends[0][0] <= at:
                _, number, key = heapq.heappop(self._ends)
                if self._begun.get(key, (-1, None))[0] == number:
                    self._off(key)
                continue
            begins, number, sound = heapq.heappop(self._waiting)
            if tick - begins > self._latest:
                self.missed += 1
                continue
            self._off(sound.key)
            self._begun[sound.key] = number, sound
            self._send((NOTE_ON | sound.channel, sound.pitch, sound.velocity))
            started.append(begins)
            self.moved += begins > sound.onset
            if sound.end is not None:
                heapq.heappush(self._ends, (sound.end, number, sound.key))
        return started

    def end_open(self, tick: float, channels: Collection[int]) -> None:
        """Let what sounds on these channels without a known end, end at a tick."""
        known = {number for _, number, _ in self._ends}
        for key, (number, _) in self._begun.items():
            if number not in known and key[0] in channels:
                heapq.heappush(self._ends, (tick, number, key))

    def silence(self, everything: bool = False) -> None:
        """End all that sounds, now, and forget what waits; `everything` silences the instruments, whatever they hold."""
        self._waiting.clear()
        self._ends.clear()
        for key in list(self._begun):
            self._off(key)
        if everything:
            for channel in range(16):
                for controller in (ALL_NOTES_OFF, ALL_SOUND_OFF):
                    self._send((CONTROL | channel, controller, 0))

    def _off(self, key: tuple[int, int]) -> None:
        if self._begun.pop(key, None) is not None:
            channel, pitch = key
            self._send((NOTE_OFF | channel, pitch, 64))
