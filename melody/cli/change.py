"""`melody vary` and `melody harmonize`: a tune in, the tune with other bars or with voices out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melody.cli import app
from melody.cli.make import ModelName, Part, find_model
from melody.cli.options import ADVANCED, Drawing, Writing, grouped, temperature_option, whole
from melody.cli.show import SCORES, Tune, read_tune, span_of
from melody.cli.writing_tunes import Made, Page, targets_of, write_tunes
from melody.limits import Limits
from melody.sampling.settings import VOICES_TEMPERATURE
from melody.sampling.tasks.infill import VarySettings

if TYPE_CHECKING:
    from melody.sampling import Model
    from melody.sampling.tasks.midi_edit import Varied

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
class VoiceDrawing(Drawing):
    """How the notes of harmonizing voices are drawn."""

    temperature: Annotated[str, temperature_option(VOICES_TEMPERATURE)] = str(VOICES_TEMPERATURE)


@app.command()
@grouped
def vary(
    model: ModelName,
    tune: Tune,
    writing: Writing,
    drawing: Drawing,
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

    Example: **melody vary fiddle my-tune.mid --bars 5-8 --count 3**
    """
    from melody.cli.screen import Progress, say

    settings, span = drawing.settings, span_of("bars", bars)
    how = VarySettings(whole("candidates", candidates) or 0, whole("rounds", rounds) or 0)
    loaded = find_model(model, drawing.runner)
    targets = targets_of(writing, tune.stem, "varied", str(settings.seed), source=tune)
    with Progress(f"rewriting bars {bars}"):
        varied = _varied(loaded, tune, span, part=part, count=writing.number, how=how, settings=settings)
    for remark in dict.fromkeys(remark for one in varied for remark in one.made.remarks):
        say(f"{tune.name}: {remark}")
    made = [Made(v.made.piece, remarks=v.made.remarks, data=v.data) for v in varied]
    page = Page(f"{tune.stem}, bars {bars} by {loaded.file.name}", loaded, settings, Limits())
    write_tunes(made, targets, drawing, writing, page)


@app.command()
@grouped
def harmonize(
    model: ModelName,
    melody: Annotated[
        Path, typer.Argument(metavar="MELODY", help="MIDI, MusicXML, ABC, Humdrum; one part.", show_default=False)
    ],
    writing: Writing,
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

    Example: **melody harmonize chorales hymn.mid --key G --out hymn-in-four.mid**
    """
    from melody.cli.screen import Progress, say
    from melody.sampling.tasks.harmonize import harmonize

    settings, particles = drawing.settings, whole("candidates", candidates) or 0
    loaded = find_model(model, drawing.runner)
    targets = targets_of(writing, melody.stem, "harmonized", str(settings.seed), source=melody)
    how: dict[str, Any] = {"key": key, "strict": not parallels, "candidates": particles}
    piece = read_tune(melody)
    with Progress("setting the melody"):
        harmonized = harmonize(loaded, piece, count=writing.number, settings=settings, **how)
    for remark in harmonized[0].remarks:
        say(f"{melody.name}: {remark}")
    made = [Made(harmony.piece, remarks=harmony.remarks) for harmony in harmonized]
    page = Page(f"{melody.stem}, set by {loaded.file.name}", loaded, settings, Limits())
    write_tunes(made, targets, drawing, writing, page)


def _varied(model: Model, tune: Path, bars: tuple[int, int], **options: Any) -> list[Varied]:
    """MIDI files keep all that is in them, other files become MIDI files."""
    from melody import midi
    from melody.sampling.tasks.infill import vary
    from melody.sampling.tasks.midi_edit import Varied, vary_file

    if tune.suffix.lower() not in SCORES:
        return vary_file(model, tune, *bars, **options)
    made = vary(model, read_tune(tune), *bars, **options)
    return [Varied(midi.to_bytes(variation.piece), variation) for variation in made]
