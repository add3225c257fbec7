"""`melody generate` and `melody continue`: a model in, tunes out. No torch, no Lightning, no music21 is needed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melody import files
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

Wav = Annotated[bool, typer.Option("--wav", help="Write the sound of each tune as well.")]
Png = Annotated[bool, typer.Option("--png", help="Write a piano roll of each tune as well.")]
Html = Annotated[bool, typer.Option("--html", help="Write one page with all the tunes: score, roll, player, downloads.")]


@app.command()
def generate(
    model: ModelName,
    bars: Annotated[
        int | None,
        typer.Option(help="How many bars, a pick-up not counted. Default: until the model ends it.", show_default=False),
    ] = None,
    count: Count = 1,
    temperature: Temperature = _DEFAULTS.temperature,
    top_k: TopK = _DEFAULTS.top_k,
    top_p: TopP = _DEFAULTS.top_p,
    seed: Seed = _DEFAULTS.seed,
    out: Out = None,
    wav: Wav = False,
    png: Png = False,
    html: Html = False,
) -> None:
    """Write new tunes.

    Example: **melody generate fiddle --count 5 --bars 16 --temperature 0.9 --out tunes**
    """
    settings = SamplingSettings(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    loaded = find_model(model)
    targets = _targets(out, f"{loaded.file.name}-{seed}", count)
    made = [Made(path, piece) for path, piece in zip(targets, loaded.generate_many(count, bars=bars, settings=settings))]
    _write(made, out, wav, png)
    if html:
        _write_page(made, f"New tunes from {loaded.file.name}", loaded, settings)


@app.command(name="continue")
def continue_(
    model: ModelName,
    prompt: Annotated[
        Path, typer.Argument(help="The tune to go on with: MIDI, MusicXML, ABC, Humdrum.", show_default=False)
    ],
    bars: Annotated[int, typer.Option(help="How many bars to add.")] = 8,
    prompt_bars: Annotated[
        str | None, typer.Option(metavar="FIRST-LAST", help="Only these bars of the prompt, as 1-4.", show_default=False)
    ] = None,
    only_new: Annotated[bool, typer.Option("--only-new", help="Write the new bars alone, without the prompt.")] = False,
    count: Count = 1,
    temperature: Temperature = _DEFAULTS.temperature,
    top_k: TopK = _DEFAULTS.top_k,
    top_p: TopP = _DEFAULTS.top_p,
    seed: Seed = _DEFAULTS.seed,
    out: Out = None,
    wav: Wav = False,
    png: Png = False,
    html: Html = False,
) -> None:
    """Go on with a melody you have, in its tempo, metre and instrument.

    Example: **melody continue fiddle my-tune.mid --bars 8 --out longer.mid**
    """
    from melody.cli.screen import say
    from melody.cli.show import read_tune

    settings = SamplingSettings(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    loaded = find_model(model)
    heard = _bars_of(read_tune(prompt), prompt_bars)
    targets = _targets(out, f"{prompt.stem}-{loaded.file.name}-{seed}", count)
    continued = loaded.continue_many(heard, count, bars=bars, only_new=only_new, settings=settings)
    for remark in continued[0].remarks:
        say(f"the prompt: {remark}")
    made = [Made(path, c.piece, c.prompt_end, c.remarks) for path, c in zip(targets, continued)]
    _write(made, out, wav, png)
    if html:
        _write_page(made, f"{prompt.stem}, gone on with by {loaded.file.name}", loaded, settings)


def _bars_of(piece: Piece, bars: str | None) -> Piece:
    """Bars FIRST-LAST of a piece, counted from 1."""
    if bars is None:
        return piece
    first, dash, last = bars.partition("-")
    if not (first.isdigit() and (last.isdigit() or not dash)):
        raise SamplingError(f"--prompt-bars is '{bars}'; write the first and the last bar, as 1-4")
    start, stop = int(first) - 1, int(last if dash else first)
    if not 0 <= start < stop <= piece.num_bars:
        raise SamplingError(f"--prompt-bars is '{bars}'; the prompt has bars 1 to {piece.num_bars}")
    return piece.bars(start, stop)


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


@dataclass(frozen=True)
class Made:
    """A tune, and where its file is to stand."""

    path: Path
    piece: Piece
    prompt_end: int = 0
    remarks: tuple[str, ...] = ()


def _write(made: list[Made], out: Path | None, wav: bool, png: bool) -> None:
    from melody import midi

    if made[0].path != out:  # a folder was named, or none
        files.make_folder(made[0].path.parent)
    for tune in made:
        midi.write(tune.piece, tune.path)
        print(tune.path)
        if wav:
            from melody.render import render_wav

            render_wav(tune.piece, tune.path.with_suffix(".wav"))
            print(tune.path.with_suffix(".wav"))
        if png:
            from melody.report.roll import write_plot

            write_plot(tune.piece, tune.path.with_suffix(".png"), prompt_end=tune.prompt_end)
            print(tune.path.with_suffix(".png"))


def _write_page(made: list[Made], heading: str, model: Model, settings: SamplingSettings) -> None:
    from melody.report.page import write_page
    from melody.report.tunes import page_tune

    path = made[0].path.with_suffix(".html") if len(made) == 1 else made[0].path.parent / "index.html"
    tunes = [page_tune(t.path.stem, t.piece, prompt_end=t.prompt_end, remarks=t.remarks) for t in made]
    told = {"model": f"{model.file.name} {model.file.fingerprint}"} | {
        k.replace("_", "-"): str(v) for k, v in asdict(settings).items()
    }
    write_page(path, tunes, heading=heading, settings=told)
    print(path)
