"""`melody vary` and `melody harmonize`: a tune in, the tune with other bars or with voices out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melody.cli import app
from melody.cli.make import ModelName, Part, find_model
from melody.cli.options import (
    ADVANCED,
    RANGE_OF,
    DrawingWithMemory,
    Keeping,
    Writing,
    grouped,
    limit_option,
    temperature_option,
    whole,
)
from melody.cli.show import SCORES, Tune, read_tune, span_of
from melody.cli.writing_tunes import Made, Page, targets_of, with_remarks, write_tunes
from melody.errors import SamplingError
from melody.limits import Limits
from melody.sampling import keywords
from melody.sampling.settings import VOICES_TEMPERATURE
from melody.sampling.tasks.infill import VarySettings

if TYPE_CHECKING:
    from melody.sampling import Model
    from melody.sampling.tasks.midi_edit import Edited

_HOW = VarySettings()
Candidates = Annotated[
    str,
    typer.Option(
        metavar="NUMBER",
        help="How many candidates are weighed against one another; more is slower and better.",
        rich_help_panel=ADVANCED,
    ),
]


@dataclass(frozen=True)
class Voices:
    """What the voices have to keep to."""

    scale: Annotated[str | None, limit_option("scale")] = None
    range: Annotated[str | None, limit_option("range")] = None
    max_leap: Annotated[str | None, limit_option("max_leap")] = None
    max_polyphony: Annotated[str | None, limit_option("max_polyphony")] = None
    density: Annotated[str | None, limit_option("density")] = None
    grid: Annotated[str | None, limit_option("grid")] = None
    chords: Annotated[str | None, limit_option("chords")] = None
    range_of: Annotated[list[str] | None, RANGE_OF] = None

    @property
    def limits(self) -> Limits:
        """The limits of these options, for all voices.

        Raises
        ------
        SamplingError
            If one cannot be understood.
        """
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "range_of"}
        return Limits.parse(**own)

    @property
    def ranges(self) -> dict[str, tuple[int, int]]:
        """The range of each voice that has one of its own.

        Raises
        ------
        SamplingError
            If one cannot be understood.
        """
        pairs = [text.partition("=") for text in self.range_of or ()]
        for voice, between, pitches in pairs:
            if not (voice and between and pitches):
                raise SamplingError(
                    f"--range-of is '{(voice + between + pitches)[:40]}'; write a voice and its range, as bass=E2:C4"
                )
        return keywords.ranges_of({voice: pitches for voice, _, pitches in pairs})


@dataclass(frozen=True)
class VoiceDrawing(DrawingWithMemory):
    """How the notes of harmonizing voices are drawn."""

    temperature: Annotated[str, temperature_option(f"{VOICES_TEMPERATURE:g}")] = str(VOICES_TEMPERATURE)


@app.command()
@grouped
def vary(
    model: ModelName,
    tune: Tune,
    writing: Writing,
    keeping: Keeping,
    drawing: DrawingWithMemory,
    bars: Annotated[
        str, typer.Option(metavar="FIRST-LAST", help="The bars to rewrite, as 5-8; a pick-up is bar 0.", show_default=False)
    ],
    part: Part = None,
    candidates: Candidates = str(_HOW.candidates),
    rounds: Annotated[
        str, typer.Option(metavar="NUMBER", help="How often bar by bar is weighed again.", rich_help_panel=ADVANCED)
    ] = str(_HOW.rounds),
) -> None:
    """Rewrite some bars of a tune, with regard to what stands before and after them.

    Nothing else in a MIDI file changes: not a note, a controller or a lyric.

    Limits are about the new notes, the last of them also towards what follows.

    Example: **melody vary fiddle my-tune.mid --bars 5-8 --key Dm --range C4:A5 --max-leap 7**
    """
    settings, span, limits = drawing.settings, span_of("bars", bars), keeping.limits(None)
    how = VarySettings(whole("candidates", candidates) or 0, whole("rounds", rounds) or 0)
    loaded = find_model(model, drawing.runner, drawing.memory)
    targets = targets_of(writing, tune.stem, "varied", str(settings.seed), source=tune)
    varied = _varied(loaded, tune, span, part=part, count=writing.number, how=how, limits=limits, settings=settings)
    made = (Made(v.made.piece, remarks=v.made.remarks, data=v.data) for v in varied)
    page = Page(f"{tune.stem}, bars {bars} by {loaded.file.name}", loaded, settings, Limits())
    write_tunes(with_remarks(made, tune.name), targets, drawing, writing, page, doing=f"rewriting bars {bars}")


@app.command()
@grouped
def harmonize(
    model: ModelName,
    melody: Annotated[
        Path, typer.Argument(metavar="MELODY", help="MIDI, MusicXML, ABC, Humdrum; one part.", show_default=False)
    ],
    writing: Writing,
    voices: Voices,
    drawing: VoiceDrawing,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="As Dm or Bb. Default: the file's, or the likeliest.", show_default=False),
    ] = None,
    parallels: Annotated[
        bool, typer.Option("--parallels", help="Let voices move in parallel fifths and octaves.", rich_help_panel=ADVANCED)
    ] = False,
    candidates: Candidates = "64",
) -> None:
    """Set a melody: the model's other parts under it, the melody as it is.

    Example: **melody harmonize chorales hymn.mid --key G --range-of bass=E2:C4 --out hymn-in-four.mid**
    """
    from melody.sampling.tasks.file_prompt import put_right
    from melody.sampling.tasks.harmonize import harmonies

    settings, particles = drawing.settings, whole("candidates", candidates) or 0
    loaded = find_model(model, drawing.runner, drawing.memory)
    targets = targets_of(writing, melody.stem, "harmonized", str(settings.seed), source=melody)
    how: dict[str, Any] = {"key": key, "strict": not parallels, "candidates": particles}
    how |= {"limits": voices.limits, "range_of": voices.ranges}
    mended = put_right(melody, loaded.vocabulary.ticks_per_quarter)
    piece = mended.read if mended else read_tune(melody)
    harmonized = harmonies(loaded, piece, count=writing.number, settings=settings, **how)
    there = map(mended.harmonized, harmonized) if mended else harmonized
    made = (Made(harmony.piece, remarks=harmony.remarks) for harmony in there)
    page = Page(f"{melody.stem}, set by {loaded.file.name}", loaded, settings, Limits())
    write_tunes(with_remarks(made, melody.name), targets, drawing, writing, page, doing="setting the melody")


def _varied(model: Model, tune: Path, bars: tuple[int, int], **options: Any) -> Iterator[Edited]:
    """MIDI files keep all that is in them, other files become MIDI files."""
    from melody import midi
    from melody.sampling.tasks.infill import variations
    from melody.sampling.tasks.midi_edit import Edited, each_variation

    if tune.suffix.lower() not in SCORES:
        return each_variation(model, tune, *bars, **options)
    made = variations(model, read_tune(tune), *bars, **options)
    return (Edited(midi.to_bytes(variation.piece), variation, variation.parts or ()) for variation in made)
