"""`melody vary` and `melody harmonize`: a tune in, the tune with other bars or with voices out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melody import files
from melody.cli import app
from melody.cli.make import ModelName, find_model, targets_of
from melody.cli.show import SCORES, Tune, read_tune
from melody.errors import SamplingError
from melody.sampling.choice import SamplingSettings
from melody.sampling.vary import VarySettings

if TYPE_CHECKING:
    from melody.sampling import Model
    from melody.sampling.whole import Varied

_DEFAULTS, _HOW = SamplingSettings(), VarySettings()
Temperature = Annotated[float, typer.Option(help="1 as learned, lower is safer, 0 always the likeliest.")]
TopK = Annotated[int | None, typer.Option(help="Choose among the so many likeliest only. Default: all.", show_default=False)]
TopP = Annotated[float, typer.Option(help="Choose among the likeliest that have this probability together.")]
Seed = Annotated[int, typer.Option(help="Random number: the same one writes the same tunes.")]
Count = Annotated[int, typer.Option(help="How many different ones to write.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder to write to; for one tune also a file ending in .mid. Default: tunes.", show_default=False),
]
Candidates = Annotated[int, typer.Option(help="How many ways are weighed against one another; more is slower and better.")]


@app.command()
def vary(
    model: ModelName,
    tune: Tune,
    bars: Annotated[str, typer.Option(metavar="FIRST-LAST", help="The bars to rewrite, as 5-8.", show_default=False)],
    part: Annotated[
        str | None,
        typer.Option(
            help="Which part: a number from 1, a track's name, melodic, highest. Default: all that the model knows.",
            show_default=False,
        ),
    ] = None,
    candidates: Candidates = _HOW.candidates,
    rounds: Annotated[int, typer.Option(help="How often bar by bar is weighed again.")] = _HOW.rounds,
    count: Count = 1,
    temperature: Temperature = _DEFAULTS.temperature,
    top_k: TopK = _DEFAULTS.top_k,
    top_p: TopP = _DEFAULTS.top_p,
    seed: Seed = _DEFAULTS.seed,
    out: Out = None,
) -> None:
    """Rewrite some bars of a tune, with regard to what stands before and after them.

    Nothing else in a MIDI file changes: not a note, a controller or a lyric.

    Example: **melody vary fiddle my-tune.mid --bars 5-8 --count 3**
    """
    from melody.cli.screen import say

    settings = SamplingSettings(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    how = VarySettings(candidates, rounds)
    loaded = find_model(model)
    targets = targets_of(out, f"{tune.stem}-varied-{seed}", count)
    made = _varied(loaded, tune, _first_and_last(bars), part=part, count=count, how=how, settings=settings)
    for remark in made[0].made.remarks:
        say(f"{tune.name}: {remark}")
    _write([(path, varied.data) for path, varied in zip(targets, made)], out)


@app.command()
def harmonize(
    model: ModelName,
    melody: Annotated[Path, typer.Argument(help="The melody: MIDI, MusicXML, ABC, Humdrum; one part.", show_default=False)],
    key: Annotated[
        str | None, typer.Option(help="As Dm or Bb. Default: the file's, or the likeliest.", show_default=False)
    ] = None,
    parallels: Annotated[bool, typer.Option("--parallels", help="Let voices move in parallel fifths and octaves.")] = False,
    candidates: Candidates = 64,
    count: Count = 1,
    temperature: Temperature = _DEFAULTS.temperature,
    top_k: TopK = _DEFAULTS.top_k,
    top_p: TopP = _DEFAULTS.top_p,
    seed: Seed = _DEFAULTS.seed,
    out: Out = None,
) -> None:
    """Set a melody: the model's other parts under it, the melody as it is.

    Example: **melody harmonize chorales hymn.mid --key G --out hymn-in-four.mid**
    """
    from melody import midi
    from melody.cli.screen import say
    from melody.sampling.harmonize import harmonize

    settings = SamplingSettings(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    loaded = find_model(model)
    targets = targets_of(out, f"{melody.stem}-harmonized-{seed}", count)
    tune = read_tune(melody)
    made = harmonize(loaded, tune, key=key, strict=not parallels, candidates=candidates, count=count, settings=settings)
    for remark in made[0].remarks:
        say(f"{melody.name}: {remark}")
    _write([(path, midi.to_bytes(harmony.piece)) for path, harmony in zip(targets, made)], out)


def _first_and_last(bars: str) -> tuple[int, int]:
    first, dash, last = bars.partition("-")
    if not (first.isdecimal() and (last.isdecimal() or not dash) and len(bars) < 20):
        raise SamplingError(f"--bars is '{bars[:40]}'; write the first and the last bar, as 5-8")
    return int(first), int(last if dash else first)


def _varied(model: Model, tune: Path, bars: tuple[int, int], **options: Any) -> list[Varied]:
    """MIDI files keep all that is in them, other files become MIDI files."""
    from melody import midi
    from melody.sampling.vary import vary
    from melody.sampling.whole import Varied, vary_file

    if tune.suffix.lower() not in SCORES:
        return vary_file(model, tune, *bars, **options)
    made = vary(model, read_tune(tune), *bars, **options)
    return [Varied(midi.to_bytes(variation.piece), variation) for variation in made]


def _write(made: list[tuple[Path, bytes]], out: Path | None) -> None:
    if made[0][0] != out:  # a folder was named, or none
        files.make_folder(made[0][0].parent)
    for path, data in made:
        files.write_bytes(path, data)
        print(path)
