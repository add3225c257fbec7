"""`melody generate` and `melody continue`: a model in, tunes out. No torch, no Lightning, no music21 is needed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melody import files
from melody.cli import app
from melody.cli.options import Choosing, Keeping, Writing, grouped
from melody.errors import MelodyError, ModelFileError, SamplingError

if TYPE_CHECKING:
    from melody.limits import Limits
    from melody.piece import Piece
    from melody.sampling import Model, SamplingSettings

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model file, or the name of one in checkpoints/.", show_default=False)
]
Count = Annotated[int, typer.Option(help="How many different ones to write.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder to write to; for one tune also a file ending in .mid. Default: tunes.", show_default=False),
]


@app.command()
@grouped
def generate(
    model: ModelName,
    keeping: Keeping,
    choosing: Choosing,
    writing: Writing,
    bars: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="How many bars, a pick-up not counted. Default: until the model ends it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write new tunes.

    Example: **melody generate fiddle --count 5 --bars 16 --key Dm --end-on-tonic --out tunes**
    """
    settings, limits = choosing.settings, keeping.limits(bars)
    loaded = find_model(model)
    targets = targets_of(writing.out, f"{loaded.file.name}-{settings.seed}", writing.number)
    tunes = loaded.tunes(writing.number, limits=limits, settings=settings, **choosing.search)
    made = [Made(p, t.piece, removed=t.removed, nats=t.nats, faults=t.faults) for p, t in zip(targets, tunes)]
    _write(made, writing, limits)
    if writing.html:
        _write_page(made, f"New tunes from {loaded.file.name}", loaded, settings, limits)


@app.command(name="continue")
@grouped
def continue_(
    model: ModelName,
    keeping: Keeping,
    choosing: Choosing,
    writing: Writing,
    prompt: Annotated[
        Path | None, typer.Argument(help="The tune to go on with: MIDI, MusicXML, ABC, Humdrum.", show_default=False)
    ] = None,
    notes: Annotated[
        str | None,
        typer.Option(metavar="NOTES", help="Notes to go on with instead of a file: 'D4/8 E F# A r/4'.", show_default=False),
    ] = None,
    bars: Annotated[str, typer.Option(metavar="NUMBER", help="How many bars to add.")] = "8",
    prompt_bars: Annotated[
        str | None, typer.Option(metavar="FIRST-LAST", help="Only these bars of the prompt, as 1-4.", show_default=False)
    ] = None,
    only_new: Annotated[bool, typer.Option("--only-new", help="Write the new bars alone, without the prompt.")] = False,
) -> None:
    """Go on with a melody you have, in its tempo, metre and instrument; what it keeps to is about the new bars.

    Example: **melody continue fiddle my-tune.mid --bars 8 --out longer.mid**
    """
    from melody.cli.screen import say

    settings, limits = choosing.settings, keeping.limits(bars)
    loaded = find_model(model)
    heard = _bars_of(_prompt(loaded, prompt, notes, limits), prompt_bars)
    stem = prompt.stem if prompt else "notes"
    targets = targets_of(writing.out, f"{stem}-{loaded.file.name}-{settings.seed}", writing.number)
    continued = loaded.continue_many(
        heard, writing.number, only_new=only_new, limits=limits, settings=settings, **choosing.search
    )
    for remark in continued[0].remarks:
        say(f"the prompt: {remark}")
    made = [
        Made(path, c.piece, c.prompt_end, c.remarks, c.first_bar, c.removed, c.nats, c.faults)
        for path, c in zip(targets, continued)
    ]
    _write(made, writing, limits)
    if writing.html:
        _write_page(made, f"{stem}, gone on with by {loaded.file.name}", loaded, settings, limits)


def _prompt(model: Model, path: Path | None, notes: str | None, limits: Limits) -> Piece:
    """The music in a file, or that was typed: by the model's first instrument, in the metre, tempo and key of the limits."""
    if (path is None) == (notes is None):
        raise SamplingError("give the tune to go on with: a file, or --notes 'D4/8 E F# A', and only one of the two")
    if path is not None:
        from melody.cli.show import read_tune

        piece = read_tune(path)
        return piece if piece.keys or limits.key is None else replace(piece, keys=(limits.key,))
    from melody.score.notes_text import read_notes

    vocabulary = model.vocabulary
    metre = limits.metre or ((4, 4) if (4, 4) in vocabulary.time_signatures else vocabulary.time_signatures[0])
    tempi = [60e6 / tempo for tempo in vocabulary.tempi]
    players = [part for part in vocabulary.parts if not part.is_drum] or list(vocabulary.parts)
    wanted = [part for part in players if any(instrument.plays(part) for instrument in limits.instruments)]
    return read_notes(
        notes or "",
        tempo_qpm=limits.tempo_qpm or min(tempi, key=lambda qpm: abs(qpm - 120)),
        metre=metre,
        key=limits.key,
        part=(wanted or players)[0],
        velocity=min(vocabulary.velocities, key=lambda velocity: abs(velocity - 90)),
        ticks_per_quarter=vocabulary.ticks_per_quarter,
    )


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


def targets_of(out: Path | None, stem: str, count: int) -> list[Path]:
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
    """A tune, where its file is to stand, and what is known of it."""

    path: Path
    piece: Piece
    prompt_end: int = 0
    remarks: tuple[str, ...] = ()
    first_bar: int | None = None
    removed: float = 0.0
    nats: float = float("nan")
    faults: tuple[str, ...] = ()


def _write(made: list[Made], writing: Writing, limits: Limits) -> None:
    data = [_checked(tune, limits) for tune in made]
    if made[0].path != writing.out:  # a folder was named, or none
        files.make_folder(made[0].path.parent)
    for tune, written in zip(made, data):
        files.write_bytes(tune.path, written)
        print(tune.path)
        if writing.wav:
            from melody.render import render_wav

            render_wav(tune.piece, tune.path.with_suffix(".wav"))
            print(tune.path.with_suffix(".wav"))
        if writing.png:
            from melody.report.roll import write_plot

            write_plot(tune.piece, tune.path.with_suffix(".png"), prompt_end=tune.prompt_end)
            print(tune.path.with_suffix(".png"))
        _tell(tune, limits)


def _checked(tune: Made, limits: Limits) -> bytes:
    """The bytes of the file, which have been read back and keep to the limits."""
    from melody import midi
    from melody.limits import Limits, verify

    data = midi.to_bytes(tune.piece)
    if limits != Limits():
        piece = midi.parse(data, ticks_per_quarter=tune.piece.ticks_per_quarter).piece
        breaches = verify(piece, limits, start=tune.prompt_end, first_bar=tune.first_bar)
        if breaches:
            raise MelodyError(
                f"the tune breaks a limit, which is a fault of this program ({breaches[0]}); nothing is written, report it"
            )
    return data


def _tell(tune: Made, limits: Limits) -> None:
    """On stderr what there is to say of a tune: what the limits took, how likely it is, what is wrong with it."""
    from melody.cli.screen import say

    told = [f"the limits took {tune.removed:.1%} of the probability"] if limits.more_than_bars else []
    told += [f"{tune.nats:.3f} nats a note"] if tune.nats == tune.nats else []
    told += [", ".join(tune.faults)] if tune.faults else []
    if told:
        say(f"{tune.path.name}: {'; '.join(told)}")


def _write_page(made: list[Made], heading: str, model: Model, settings: SamplingSettings, limits: Limits) -> None:
    from melody.report.page import write_page
    from melody.report.tunes import page_tune

    path = made[0].path.with_suffix(".html") if len(made) == 1 else made[0].path.parent / "index.html"
    tunes = [page_tune(t.path.stem, t.piece, prompt_end=t.prompt_end, remarks=t.remarks) for t in made]
    told = {"model": f"{model.file.name} {model.file.fingerprint}"} | {
        k.replace("_", "-"): str(v) for k, v in asdict(settings).items() if v is not None
    }
    told |= dict(word.split("=", 1) for word in limits.told.split(" ") if "=" in word) if limits.more_than_bars else {}
    write_page(path, tunes, heading=heading, settings=told)
    print(path)
