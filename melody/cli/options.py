"""Options that several commands have, each declared once.

A command that takes an option group has one parameter of the group's type; `grouped` shows typer a parameter for each field
instead. Numbers are taken as text, so that what is no number is refused in our own words.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from melody.errors import SamplingError
from melody.limits import Limits
from melody.sampling import SamplingSettings, keywords
from melody.sampling.model import ENGINES, EngineName
from melody.sampling.search import MAX_COUNT

_Result = TypeVar("_Result")


def grouped(command: Callable[..., _Result]) -> Callable[..., _Result]:
    """The same command with a parameter for each field of each option group."""
    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command).parameters.values()
    groups = {parameter.name: hints[parameter.name] for parameter in own if is_dataclass(hints[parameter.name])}
    shown = [parameter.replace(annotation=hints[parameter.name]) for parameter in own if parameter.name not in groups]
    for group in groups.values():
        hinted = get_type_hints(group, include_extras=True)
        keyword = inspect.Parameter.KEYWORD_ONLY
        shown += [inspect.Parameter(f.name, keyword, default=f.default, annotation=hinted[f.name]) for f in fields(group)]

    @wraps(command)
    def called(**given: Any) -> _Result:
        made = {name: group(**{f.name: given.pop(f.name) for f in fields(group)}) for name, group in groups.items()}
        return command(**given, **made)

    kinds = inspect.Parameter.KEYWORD_ONLY
    called.__signature__ = inspect.Signature([p.replace(kind=kinds) for p in shown])  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return called


def _option(panel: str | None, text: str, metavar: str | None = None, *names: str) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel=panel, show_default=False)


# What beginners need stands first, in the panel that has no name of its own; what few need stands last.
_LIMITS, _FILES, ADVANCED = "What the music keeps to", "What is written", "Advanced"
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there already.", rich_help_panel=_FILES)]


def temperature_option(default: str) -> Any:
    """`--temperature`, which not every command has the same default of."""
    return _option(None, f"1 as learned, lower is safer, 0 always the likeliest. Default: {default}.", "NUMBER")


MEMORY = _option(
    ADVANCED,
    "Remember the states of so many past events beside what was learnt, as 512; or with the memory's share and flatness, as "
    "512:0.02:1 (melody evaluate finds them). Default: 0.",
    "NUMBER",
)


@dataclass(frozen=True)
class Drawing:
    """How tokens are drawn, and what runs the model."""

    seed: Annotated[
        str | None,
        _option(None, "Random number: the same one writes the same again. Default: a new one, which is shown.", "NUMBER"),
    ] = None
    temperature: Annotated[str | None, temperature_option("what suits the model best")] = None
    rhythm_temperature: Annotated[
        str | None, _option(ADVANCED, "The same for rhythm alone: when notes begin and how long they last.", "NUMBER")
    ] = None
    pitch_temperature: Annotated[str | None, _option(ADVANCED, "The same for pitch alone.", "NUMBER")] = None
    drum_temperature: Annotated[str | None, _option(ADVANCED, "The same for which drums are struck.", "NUMBER")] = None
    velocity_temperature: Annotated[str | None, _option(ADVANCED, "The same for how loud notes are.", "NUMBER")] = None
    top_k: Annotated[str | None, _option(ADVANCED, "Choose among the so many likeliest only.", "NUMBER")] = None
    top_p: Annotated[
        str | None, _option(ADVANCED, "Choose among the likeliest that have this probability together, as 0.95.", "NUMBER")
    ] = None
    min_p: Annotated[
        str | None,
        _option(ADVANCED, "Leave out what is less than so many times as likely as the likeliest, as 0.05.", "NUMBER"),
    ] = None
    typical: Annotated[
        str | None,
        _option(ADVANCED, "Choose among what is about as surprising as expected, with this probability, as 0.9.", "NUMBER"),
    ] = None
    engine: Annotated[
        str,
        _option(
            ADVANCED,
            "What computes: numpy, or ONNX Runtime: onnx, int8 (weights of 8 bits; may write other tunes). Default: numpy.",
            "NAME",
        ),
    ] = "numpy"

    @property
    def settings(self) -> SamplingSettings:
        """The sampling settings of these options.

        Raises
        ------
        SamplingError
            If one is no number, or out of its range.
        """
        given = {
            "temperature": _number("temperature", self.temperature),
            "rhythm_temperature": _number("rhythm-temperature", self.rhythm_temperature),
            "pitch_temperature": _number("pitch-temperature", self.pitch_temperature),
            "drum_temperature": _number("drum-temperature", self.drum_temperature),
            "velocity_temperature": _number("velocity-temperature", self.velocity_temperature),
            "top_k": whole("top-k", self.top_k),
            "top_p": _number("top-p", self.top_p),
            "min_p": _number("min-p", self.min_p),
            "typical": _number("typical", self.typical),
            "seed": self.number,
        }
        return SamplingSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]

    @cached_property
    def number(self) -> int:
        """The seed, drawn if none was given.

        Raises
        ------
        SamplingError
            If it is no whole number.
        """
        given = whole("seed", self.seed)
        return keywords.new_seed() if given is None else given

    @property
    def is_new(self) -> bool:
        """Whether the seed was drawn."""
        return self.seed is None

    @property
    def runner(self) -> EngineName:
        """The engine's name, as `melody.sampling.load` takes it.

        Raises
        ------
        SamplingError
            If there is none of that name.
        """
        found = [name for name in ENGINES if name == self.engine]
        if not found:
            raise SamplingError(f"--engine is '{self.engine[:40]}'; it must be one of {', '.join(ENGINES)}")
        return found[0]


@dataclass(frozen=True)
class DrawingWithMemory(Drawing):
    """The same with a memory of past states; `melody jam` calls something else a memory, the bars that it reads."""

    memory: Annotated[str | None, MEMORY] = None


@dataclass(frozen=True)
class Choosing(DrawingWithMemory):
    """How tokens are chosen, and which of the tunes are kept."""

    form: Annotated[
        str | None, _option(_LIMITS, "Which sections are the same: AABB, ABAC, with their bars A8A8B4.", "LETTERS")
    ] = None
    repetition_penalty: Annotated[
        str | None,
        _option(
            ADVANCED,
            "Divide by it the odds of a note that goes on with what came four times in a row, as 2.",
            "NUMBER",
        ),
    ] = None
    best_of: Annotated[
        str | None,
        _option(ADVANCED, "Draw so many and write the best: no faults, then as likely as most of its tunes.", "NUMBER"),
    ] = None
    beam: Annotated[
        str | None,
        _option(ADVANCED, "Write the likeliest of so many searched side by side, by no chance at all, as 8.", "WIDTH"),
    ] = None

    any_ending: Annotated[
        bool,
        _option(
            ADVANCED,
            "Take the music as it ends. Otherwise up to 32 are drawn until one ends on a bar line and on the tonic.",
            None,
            "--any-ending",
        ),
    ] = False

    original: Annotated[
        bool,
        _option(ADVANCED, "Draw again what is a copy of a training piece, see melody originality.", None, "--original"),
    ] = False

    parallels: Annotated[
        bool,
        _option(ADVANCED, "Let voices go in parallel fifths and octaves though the corpus avoids it.", None, "--parallels"),
    ] = False

    @property
    def settings(self) -> SamplingSettings:
        """As `Drawing.settings`, with form, penalty and what is let pass."""
        settings = replace(super().settings, form=self.form, any_ending=self.any_ending, parallels=self.parallels)
        penalty = _number("repetition-penalty", self.repetition_penalty)
        return settings if penalty is None else replace(settings, repetition_penalty=penalty)

    @property
    def search(self) -> dict[str, Any]:
        """How tunes are looked for, as `Model.tunes` takes it."""
        return {"best_of": whole("best-of", self.best_of), "beam": whole("beam", self.beam)}


@dataclass(frozen=True)
class Keeping:
    """What the music has to keep to."""

    key: Annotated[str | None, _option(None, "Only its notes, and its signature: Dm, F#, 'Bb major'.", "KEY")] = None
    scale: Annotated[
        str | None, _option(_LIMITS, "Only these notes: C,D,Eb,G,A with the tonic first, or a name: 'D dorian'.", "NOTES")
    ] = None
    range: Annotated[str | None, _option(_LIMITS, "Lowest and highest pitch: C4:C6.", "LOW:HIGH")] = None
    max_leap: Annotated[str | None, _option(_LIMITS, "Semitones from one note of a part to the next.", "SEMITONES")] = None
    max_polyphony: Annotated[str | None, _option(_LIMITS, "Notes that sound at once.", "NUMBER")] = None
    density: Annotated[str | None, _option(_LIMITS, "Notes that begin in a bar, at most.", "NUMBER")] = None
    grid: Annotated[
        str | None, _option(_LIMITS, "Notes begin and end on it: 1/8, 1/16, triplets 1/8t, both 1/16,1/8t, none.", "GRID")
    ] = None
    metre: Annotated[str | None, _option(_LIMITS, "Throughout: 4/4, 6/8.", "METRE")] = None
    tempo: Annotated[str | None, _option(_LIMITS, "Quarter notes a minute, throughout.", "NUMBER")] = None
    end_on_tonic: Annotated[
        bool, _option(_LIMITS, "End on the tonic of the key, or of the scale.", None, "--end-on-tonic")
    ] = False
    instruments: Annotated[str | None, _option(_LIMITS, "Only these play: violin,flute, or piano, drums.", "NAMES")] = None
    velocity: Annotated[str | None, _option(_LIMITS, "Softest and loudest, 1 to 127: 40:100.", "LOW:HIGH")] = None
    chords: Annotated[
        str | None, _option(_LIMITS, "A chord for each bar, over and over: 'Dm G7 C C', or 'Dm G7 | C'.", "CHORDS")
    ] = None

    def limits(self, bars: str | None) -> Limits:
        """The limits of these options.

        Raises
        ------
        SamplingError
            If one cannot be understood.
        """
        return Limits.parse(
            key=self.key,
            scale=self.scale,
            range=self.range,
            max_leap=self.max_leap,
            max_polyphony=self.max_polyphony,
            density=self.density,
            grid=self.grid,
            metre=self.metre,
            tempo=self.tempo,
            bars=bars,
            end_on_tonic=self.end_on_tonic,
            instruments=self.instruments,
            velocity=self.velocity,
            chords=self.chords,
        )


def limit_option(name: str) -> Any:
    """The option of one of the limits of `Keeping`, for a command that does not take all of them."""
    return get_type_hints(Keeping, include_extras=True)[name].__metadata__[0]


RANGE_OF = _option(
    _LIMITS, "The range of one voice, by name or number: bass=E2:C4. Several times for several.", "VOICE=LOW:HIGH"
)


@dataclass(frozen=True)
class Writing:
    """How many tunes are written, where, and as what."""

    count: Annotated[str, _option(None, "How many different ones. Default: 1.", "NUMBER")] = "1"
    out: Annotated[
        Path | None, _option(None, "Folder to write to; for one tune also a file ending in .mid. Default: tunes.", "PATH")
    ] = None
    wav: Annotated[bool, _option(_FILES, "The sound of each tune as well.", None, "--wav")] = False
    png: Annotated[bool, _option(_FILES, "A piano roll of each tune as well.", None, "--png")] = False
    html: Annotated[
        bool, _option(_FILES, "One page with all the tunes as well: score, roll, player, downloads.", None, "--html")
    ] = False
    force: Force = False

    @property
    def also(self) -> list[str]:
        """Suffixes of what is written beside a tune."""
        return [f".{name}" for name in ("wav", "png", "html") if getattr(self, name)]

    @property
    def number(self) -> int:
        """How many tunes.

        Raises
        ------
        SamplingError
            If it is no whole number from 1 to 1,000,000.
        """
        found = whole("count", self.count) or 0
        if not 1 <= found <= MAX_COUNT:
            raise SamplingError(f"{found:,} tunes were asked for; ask for 1 to {MAX_COUNT:,}")
        return found


def whole(name: str, text: str | None) -> int | None:
    """A whole number from the command line; its range is checked by whoever uses it.

    Raises
    ------
    SamplingError
        If it is none.
    """
    if text is None:
        return None
    try:
        if len(text) <= 20:
            return int(text)
    except ValueError:
        pass
    raise SamplingError(f"--{name} is '{text[:40]}'; it must be a whole number")


def _number(name: str, text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        raise SamplingError(f"--{name} is '{text[:40] if text else ''}'; it must be a number, as 0.9") from None
