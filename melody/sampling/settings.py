"""How the next event is chosen: temperature, and what cuts off the unlikely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from numbers import Real
from typing import Any

from melody.arguments import shown
from melody.errors import SamplingError
from melody.sampling.outlines.forms import parse_form
from melody.tokens.vocabulary import DURATION, TIME, VALUE, VELOCITY

# Nearer to what the corpora do than 1 is: bars that come back, chords, bars that add up (docs/experiments.md).
TEMPERATURE, VOICES_TEMPERATURE = 0.8, 0.6
TEMPERATURES = ("temperature", "rhythm_temperature", "pitch_temperature")
OF_DRUMS, OF_VELOCITY = OWN = ("drum_temperature", "velocity_temperature")  # which a model file need not have
BEGINNING_TEMPERATURE = 1.0  # of key, metre, tempo and pick-up: any other would make the commonest ones commoner still


@dataclass(frozen=True)
class SamplingSettings:
    """How the next event is chosen.

    Parameters
    ----------
    temperature
        Logits are divided by it: 1 is the model's own distribution, lower is safer, 0 always takes the likeliest; 0 to 100.
        None for those of rhythm and pitch that training has found nearest to the corpus (`settled`).
        How a piece begins (key, metre, tempo, pick-up) is drawn at 1 whatever it is, unless it is 0.
    rhythm_temperature
        The same for when a note begins and how long it lasts; None for `temperature`.
    pitch_temperature
        The same for which pitch it has; None for `temperature`.
    drum_temperature
        The same for which drum is struck; None for `pitch_temperature`. At a low one a drummer strikes what is likeliest
        everywhere, a bass drum or a cymbal, and a snare on two and four is hardly ever that.
    velocity_temperature
        The same for how loud it is; None for `temperature`. At a low one each note is as loud as the one before.
    top_k
        Only the so many likeliest tokens of a field, from 1; None for all.
    top_p
        Only the likeliest tokens that together have this probability, above 0, at most 1 (Holtzman et al. 2020).
    min_p
        Only tokens that are at least this many times as likely as the likeliest one, 0 to 1 (Nguyen et al. 2024).
    typical
        Only the tokens whose surprise is nearest to the expected surprise, that together have this probability, above 0,
        at most 1 (Meister et al. 2023).
    repetition_penalty
        The odds of a note that would carry on a loop are divided by it, 1 to 100, 1 for none; see
        `melody.sampling.repetition`.
    seed
        Random number, from 0; the same seed gives the same tunes.
    any_ending
        Take a tune or a continuation as it is. Otherwise up to 32 are drawn until one has no fault
        (`melody.sampling.quality`): it ends by itself, on a bar line and on the tonic, does not loop, and, if it is a new
        tune and the number of bars is given, ends where the model might have ended it. Where the best of many are kept only
        loops are drawn again, where nothing is drawn by chance nothing is.
    parallels
        Let voices of a new tune or a continuation go in parallel fifths and octaves though those of the corpus avoid it
        (`melody.statistics.habits`).
    form
        Which sections of the piece are the same, as 'AABB', 'ABAC' or 'A8A8B4' (`parse_form`); None for one of the
        corpus's own.
    max_notes
        A tune that has not ended by then is ended; None for as many as the longest piece in training had events.

    Raises
    ------
    SamplingError
        If a value is out of its range.
    """

    temperature: float | None = None
    rhythm_temperature: float | None = None
    pitch_temperature: float | None = None
    drum_temperature: float | None = None
    velocity_temperature: float | None = None
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    typical: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    any_ending: bool = False
    parallels: bool = False
    form: str | None = None
    max_notes: int | None = None

    def __post_init__(self) -> None:
        for setting in fields(self):
            value, may_be_none = getattr(self, setting.name), "None" in str(setting.type)
            if setting.name == "form":
                continue
            if not isinstance(value, Real) and not (value is None and may_be_none):
                raise SamplingError(f"{setting.name} is {shown(value)}; it must be a number")
        for what in (*TEMPERATURES, *OWN):
            degree, name = getattr(self, what), what.replace("_", " ")
            if degree is not None and not 0 <= degree <= 100:
                raise SamplingError(f"the {name} is {degree:g}; it must be from 0 (safest) to 100, usually 0.7 to 1.2")
        if self.top_k is not None and self.top_k < 1:
            raise SamplingError(f"top-k is {self.top_k}; it must be 1 or more, or be left out")
        for what, name in (("top_p", "top-p"), ("typical", "typical")):
            if not 0 < getattr(self, what) <= 1:
                raise SamplingError(f"{name} is {getattr(self, what):g}; it must be above 0 and at most 1")
        if not 0 <= self.min_p <= 1:
            raise SamplingError(f"min-p is {self.min_p:g}; it must be from 0 to 1, usually 0.05 to 0.1")
        if not 1 <= self.repetition_penalty <= 100:
            raise SamplingError(
                f"the repetition penalty is {self.repetition_penalty:g}; it must be from 1 (none) to 100, usually 1.5 to 3"
            )
        if self.seed < 0:
            raise SamplingError(f"the seed is {self.seed}; it must be 0 or more")
        if self.max_notes is not None and self.max_notes < 1:
            raise SamplingError(f"max_notes is {self.max_notes}; it must be 1 or more")
        if self.form is not None:
            parse_form(self.form)

    @cached_property
    def at_beginning(self) -> SamplingSettings:
        """The same for how a piece begins: the model's own distribution, unless the likeliest is wanted always."""
        changes: dict[str, Any] = dict.fromkeys((*TEMPERATURES, *OWN))
        changes["temperature"] = 0 if self.temperature == 0 else BEGINNING_TEMPERATURE
        return replace(self, **changes)

    def temperature_of(self, field: int | None) -> float:
        """The temperature of one field of an event."""
        own = {
            **dict.fromkeys((TIME, DURATION), self.rhythm_temperature),
            VALUE: self.pitch_temperature,
            VELOCITY: self.velocity_temperature,
        }
        found = None if field is None else own.get(field)
        default = TEMPERATURE if self.temperature is None else self.temperature
        return default if found is None else found

    @property
    def pitch_to_drums(self) -> float:
        """The temperature of pitches in those of drums; 1 where they are one, or one of them takes the likeliest always."""
        pitch, drums = self.temperature_of(VALUE), self.drum_temperature
        return pitch / drums if drums and pitch else 1.0

    def settled(self, training: Mapping[str, Any]) -> SamplingSettings:
        """The same with a temperature; where there is none, those that the model file's training says, or 0.8."""
        if self.temperature is not None:
            return self
        of_file = training.get("temperatures")
        stored: dict[str, Any] = of_file if isinstance(of_file, dict) else {}
        names = [name for name in (*TEMPERATURES, *OWN) if name not in OWN or name in stored]
        known: dict[str, Any] = {name: stored.get(name) for name in names}
        if not all(type(degree) in (int, float) and 0 < degree <= 100 for degree in known.values()):
            return replace(self, temperature=TEMPERATURE)
        changes: dict[str, Any] = {name: degree for name, degree in known.items() if getattr(self, name) is None}
        return replace(self, **changes)
