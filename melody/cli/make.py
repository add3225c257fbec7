"""`melody generate` and `melody continue`: a model in, tunes out. Neither torch nor Lightning nor music21 is imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melody.cli import app
from melody.errors import ModelFileError, SamplingError
from melody.sampling import SamplingSettings

if TYPE_CHECKING:
    from melody.piece import Piece
    from melody.sampling import Model

_DEFAULTS = SamplingSettings()
ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model file, or the name of one in checkpoints/.", show_default=False)
]
Temperature = Annotated[float, typer.Option(help="1 as learned, lower is safer, 0 always the likeliest.")]
TopK = Annotated[int | None, typer.Option(help="Choose among the so many likeliest only. Default: all.", show_default=False)]
TopP = Annotated[float, typer.Option(help="Choose among the likeliest that have this probability together.")]
Seed = Annotated[int, typer.Option(help="Random number: the same one writes the same tunes.")]
Count = Annotated[int, typer.Option(help="How many different ones to write.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder to write to; for one tune also a file ending in .mid. Default: tunes.", show_default=False),
]


@app.command()
def generate(
    model: ModelName,
    bars: Annotated[
        int | None, typer.Option(help="How many bars. Default: until the model ends the tune.", show_default=False)
    ] = None,
    count: Count = 1,
    temperature: Temperature = _DEFAULTS.temperature,
    top_k: TopK = _DEFAULTS.top_k,
    top_p: TopP = _DEFAULTS.top_p,
    seed: Seed = _DEFAULTS.seed,
    out: Out = None,
) -> None:
    """Write new tunes.

    Example: **melody generate fiddle --count 5 --bars 16 --temperature 0.9 --out tunes**
    """
    settings = SamplingSettings(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    loaded = find_model(model)
    targets = _targets(out, f"{loaded.file.name}-{seed}", count)
    for path, piece in zip(targets, loaded.generate_many(count, bars=bars, settings=settings)):
        _write(piece, path)


@app.command(name="continue")
def continue_(
    model: ModelName,
    prompt: Annotated[Path, typer.Argument(help="The MIDI file to go on with.", show_default=False)],
    bars: Annotated[int, typer.Option(help="How many bars to add.")] = 8,
    only_new: Annotated[bool, typer.Option("--only-new", help="Write the new bars alone, without the prompt.")] = False,
    count: Count = 1,
    temperature: Temperature = _DEFAULTS.temperature,
    top_k: TopK = _DEFAULTS.top_k,
    top_p: TopP = _DEFAULTS.top_p,
    seed: Seed = _DEFAULTS.seed,
    out: Out = None,
) -> None:
    """Go on with a melody you have, in its tempo, metre and instrument.

    Example: **melody continue fiddle my-tune.mid --bars 8 --out longer.mid**
    """
    from melody import midi
    from melody.cli.screen import say

    settings = SamplingSettings(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    loaded = find_model(model)
    reading = midi.read_file(prompt)
    targets = _targets(out, f"{prompt.stem}-{loaded.file.name}-{seed}", count)
    made = loaded.continue_many(reading.piece, count, bars=bars, only_new=only_new, settings=settings)
    for remark in (*reading.repairs, *made[0].remarks):
        say(f"the prompt: {remark}")
    for path, continuation in zip(targets, made):
        _write(continuation.piece, path)


def find_model(name: str) -> Model:
    """The model of that path, or of that name in checkpoints/, here or where the program is installed."""
    from melody.modelfile import SUFFIX
    from melody.sampling import load

    if Path(name).exists() or name.endswith(SUFFIX):
        return load(name)
    folders = [Path("checkpoints"), Path(__file__).parents[2] / "checkpoints"]
    for folder in folders:
        if (folder / f"{name}{SUFFIX}").exists():
            return load(folder / f"{name}{SUFFIX}")
    known = sorted({path.name.removesuffix(SUFFIX) for folder in folders for path in folder.glob(f"*{SUFFIX}")})
    there = f"there are {', '.join(known)}" if known else "there is none yet: train one with melody train FOLDER"
    raise ModelFileError(f"no model '{name}'; {there}")


def _targets(out: Path | None, stem: str, count: int) -> list[Path]:
    """One path a tune: the file that was named, or numbered files in the folder that was named."""
    out = Path("tunes") if out is None else out
    if out.suffix.lower() in (".mid", ".midi"):
        if count > 1:
            raise SamplingError(f"--out names one file, {out}, for {count} tunes; name a folder")
        return [out]
    if out.suffix and not out.is_dir():
        raise SamplingError(f"--out is {out}; a tune is written as .mid: name a file ending in .mid, or a folder")
    width = max(len(str(count)), 2)
    return [out / f"{stem}-{i + 1:0{width}}.mid" for i in range(count)]


def _write(piece: Piece, path: Path) -> None:
    from melody import midi

    midi.write(piece, path)
    print(path)
