"""What the page asks of a model, read from JSON: keywords, limits and settings, bounded before anything is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from melody.errors import StudioError
from melody.limits import Limits
from melody.sampling.keywords import Drawing, Keeping, limits_of, settings_of, whole
from melody.sampling.settings import SamplingSettings

MAX_BARS = 512  # at once: a job is to end while somebody waits for it
KNOWN = {*Drawing.__annotations__, *Keeping.__annotations__, "form", "parallels"}


@dataclass(frozen=True)
class Asked:
    """What is asked for.

    Parameters
    ----------
    given
        Keywords as `melody.sampling.keywords` has them, those that are empty left out.
    limits, settings
        What they mean; the number of bars is in the limits.
    """

    given: dict[str, Any]
    limits: Limits
    settings: SamplingSettings

    @classmethod
    def of(cls, order: dict[str, Any]) -> Asked:
        """What `steer`, `bars` and `seed` of an order say.

        Raises
        ------
        melody.errors.MelodyError
            If something cannot be read or is out of its range.
        """
        steer = order.get("steer") or {}
        if not isinstance(steer, dict):
            raise StudioError("the settings are damaged; load the page again")
        given = {name: value for name, value in steer.items() if value not in (None, "", False)}
        for name, value in given.items():
            if name not in KNOWN:
                raise StudioError(f"there is no setting '{str(name)[:40]}'; load the page again")
            if not isinstance(value, (str, int, float)):
                raise StudioError(f"{name} must be a text or a number")
        given["seed"] = whole("seed", order.get("seed"))
        settings = replace(settings_of(given, None), any_ending=True)  # endings are this module's neighbour's, `composing`
        return cls(given, limits_of(given, bars_of(order), None), settings)

    def after(self, bars: int, more: int | None) -> Limits:
        """The limits on music that begins so many full bars later: the chords go on from there. `more` bars are wanted."""
        chords = self.limits.chords
        turned = bars % len(chords) if chords else 0
        return replace(self.limits, chords=chords[turned:] + chords[:turned], bars=more)


def bars_of(order: dict[str, Any]) -> int | None:
    """How many bars are asked for; None for as many as the model wants.

    Raises
    ------
    melody.errors.MelodyError
        If it is no number from 1 to 512.
    """
    bars = whole("the number of bars", order.get("bars") or None)
    if bars is not None and not 1 <= bars <= MAX_BARS:
        raise StudioError(f"{bars:,} bars were asked for; the studio writes 1 to {MAX_BARS} at a time")
    return bars
