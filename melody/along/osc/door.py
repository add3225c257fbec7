"""What each message does to one piece of live music, and what is answered.

Conventions
-----------
Times are quarter notes from the beginning of the music, pitches MIDI's, parts count from 1. A note of velocity 0 is the end
of what its part holds, as in MIDI. All who send play in the same music.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from melody.errors import MelodyError, SamplingError
from melody.limits import Limits
from melody.sampling import Model
from melody.sampling.settings import SamplingSettings
from melody.sampling.tasks.live import Stream, stream
from melody.sampling.tasks.notes_to_be import Note

PREFIX = "/melody/"
MOST_QUARTERS, MOST_TEXT = 64, 200  # of one `take`; characters of one word
_LATEST = 1_000_000  # quarter notes
_STEERED = ("key", "scale", "range", "temperature", "silent")


class Message(NamedTuple):
    """An address without its beginning, and its values."""

    address: str
    values: tuple[Any, ...] = ()


class Door:
    """Live music, and what can be asked of it; `answers` is all of it.

    Parameters
    ----------
    model
        Whose style.
    limits
        What the model's notes keep to; what is fed may break them.
    settings
        How they are drawn; each music that begins has the next seed.

    Raises
    ------
    SamplingError
        If the limits cannot be kept.
    """

    def __init__(self, model: Model, limits: Limits, settings: SamplingSettings) -> None:
        self._model, self._limits, self._settings = model, limits, settings
        self._does: dict[str, tuple[Callable[..., list[Message]], int, int]] = {
            "feed": (self._feed, 1, 5),
            "query": (self._query, 0, 0),
            "take": (self._take, 1, 1),
            "limits": (self._steer, 2, 2 * len(_STEERED)),
            "reset": (self._reset, 0, 1),
            "panic": (self._panic, 0, 0),
        }
        self._live = self._begun()

    @property
    def ready(self) -> Message:
        """What there is: the model, the lowest and the highest pitch that can be fed, the names of the parts."""
        low, high = self._live.pitches
        parts = [part.name or f"part {number}" for number, part in enumerate(self._model.vocabulary.parts, 1)]
        return Message("ready", (self._model.file.name, low, high, *parts))

    def answers(self, message: Message) -> list[Message]:
        """What is answered to a message that is heeded; to one that cannot be, one sentence, and nothing has changed."""
        try:
            if message.address not in self._does:
                known = ", ".join(PREFIX + each for each in self._does)
                raise SamplingError(f"there is no {(PREFIX + message.address)[:60]}; there are {known}")
            does, least, most = self._does[message.address]
            if not least <= len(message.values) <= most:
                count = f"{least}" if least == most else f"{least} to {most}"
                raise SamplingError(f"{PREFIX}{message.address} has {len(message.values)} values; it takes {count}")
            return does(*message.values)
        except MelodyError as error:
            return [Message("error", (str(error)[:1000],))]

    def _begun(self) -> Stream:
        return stream(self._model, settings=self._settings, limits=self._limits, endless=True)

    def _feed(self, pitch: Any, when: Any = -1, velocity: Any = 90, part: Any = 1, lasts: Any = 1) -> list[Message]:
        """A note that somebody plays, or its end; it is taken at the nearest time that the model's rhythm has."""
        at = _number("when", when, -1, _LATEST)
        onset = None if at < 0 else round(at * self._live.ticks_per_quarter)
        loud, number = _whole("velocity", velocity, 0, 127), _whole("part", part, 1, len(self._model.vocabulary.parts)) - 1
        high = _whole("pitch", pitch, 0, 127)
        if loud == 0:
            taken = self._live.rest(part=number, onset=onset)
        else:
            duration = max(round(_number("duration", lasts, 0, _LATEST) * self._live.ticks_per_quarter), 1)
            taken = self._live.feed(high, part=number, onset=onset, duration=duration, velocity=loud)
        return [Message("fed", (high, self._quarters(taken), number + 1))]

    def _query(self) -> list[Message]:
        """What the model would play next, which is no music yet."""
        note = self._live.query()
        return [Message("end") if note is None else self._note("note", note)]

    def _take(self, until: Any) -> list[Message]:
        """Let what the model has in mind be music up to a time: its notes."""
        now = self._quarters(self._live.tick)
        end = _number("the time", until, 0, _LATEST)
        if end > now + MOST_QUARTERS:
            raise SamplingError(
                f"{end:g} is too far ahead; the music stands at {now:g}, take {MOST_QUARTERS} quarters at most"
            )
        notes = self._live.until(round(end * self._live.ticks_per_quarter))
        return [*(self._note("note", note) for note in notes), Message("taken", (end, len(notes)))]

    def _steer(self, *given: Any) -> list[Message]:
        """From the next note on: pairs of a name and a value."""
        asked: dict[str, Any] = {}
        for name, value in zip(given[::2], [*given[1::2], ""]):
            if name not in _STEERED:
                raise SamplingError(f"there is no limit {str(name)[:40]!r}; there are {', '.join(_STEERED)}")
            if isinstance(value, str) and len(value) > MOST_TEXT:
                raise SamplingError(f"{name} has {len(value)} characters; it may have {MOST_TEXT}")
            asked[name] = value if name == "temperature" else str(value)
        if "temperature" in asked:
            asked["temperature"] = _number("temperature", asked["temperature"], 0, 10)
        if "silent" in asked:
            most = len(self._model.vocabulary.parts)
            asked["silent"] = [_whole("part", each, 1, most) - 1 for each in asked["silent"].replace(",", " ").split()]
        self._live.steer(**asked)
        return [Message("ok")]

    def _reset(self, seed: Any = None) -> list[Message]:
        """Begin again, with that seed or the next one."""
        number = self._settings.seed + 1 if seed is None else _whole("seed", seed, 0, 2**31 - 1)
        self._settings = replace(self._settings, seed=number)
        self._live = self._begun()
        return [self.ready]

    def _panic(self) -> list[Message]:
        """The ends of all that the model holds; then begin again."""
        ends = [self._note("note", note._replace(onset=self._live.tick, velocity=0)) for note in self._live.sounding]
        return [*ends, *self._reset()]

    def _note(self, address: str, note: Note) -> Message:
        when, lasts = self._quarters(note.onset), self._quarters(note.duration)
        return Message(address, (note.pitch, when, note.velocity, note.part + 1, lasts))

    def _quarters(self, ticks: int) -> float:
        return ticks / self._live.ticks_per_quarter


def _number(name: str, value: Any, least: float, most: float) -> float:
    """A number as it came over the wire, within bounds."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not least <= number <= most:  # nor NaN
        raise SamplingError(f"{name} is {str(value)[:40]!r}; it must be a number from {least:,} to {most:,}")
    return number


def _whole(name: str, value: Any, least: int, most: int) -> int:
    """A whole number; Pure Data sends all numbers as fractions."""
    number = _number(name, value, least, most)
    if number != int(number):
        raise SamplingError(f"{name} is {number:g}; it must be a whole number from {least:,} to {most:,}")
    return int(number)
