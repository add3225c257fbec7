"""`melody generate` and `melody continue`: a model in, tunes out. No torch, no Lightning, no music21 is needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melody.cli import app
from melody.cli.options import Choosing, Keeping, Writing, grouped
from melody.cli.show import SCORES
from melody.cli.writing import Made, targets_of, write_page, write_tunes
from melody.errors import ModelFileError, SamplingError

if TYPE_CHECKING:
    from melody.limits import Limits
    from melody.piece import Piece
    from melody.sampling import Model
    from melody.sampling.model import EngineName
    from melody.sampling.prompt import Continuation
    from melody.sampling.whole import Continued

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model file, or the name of one in checkpoints/.", show_default=False)
]
Part = Annotated[
    str | None,
    typer.Option(
        help="Which part: a number from 1, a track's name, melodic, highest. Default: all, or if the model does not know "
        "them together the most melodic one that it knows.",
        show_default=False,
    ),
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
    any_ending: Annotated[
        bool,
        typer.Option(
            "--any-ending",
            help="Take a tune as it ends. Otherwise up to 16 are drawn until one ends on a bar line and on the tonic chord.",
        ),
    ] = False,
) -> None:
    """Write new tunes.

    Example: **melody generate fiddle --count 5 --bars 16 --key Dm --end-on-tonic --out tunes**
    """
    settings, limits = replace(choosing.settings, any_ending=any_ending), keeping.limits(bars)
    loaded = find_model(model, choosing.runner)
    targets = targets_of(writing.out, f"{loaded.file.name}-{settings.seed}", writing.number)
    tunes = loaded.tunes(writing.number, limits=limits, settings=settings, **choosing.search)
    made = [
        Made(p, t.piece, removed=t.removed, nats=t.nats, faults=t.faults, remarks=t.remarks) for p, t in zip(targets, tunes)
    ]
    _say_remarks(made)
    write_tunes(made, writing, limits)
    if writing.html:
        write_page(made, f"New tunes from {loaded.file.name}", loaded, settings, limits)


def _say_remarks(made: list[Made]) -> None:
    """What there is to say of how tunes came to be; mostly nothing, and then what shows it is not loaded."""
    for tune in made:
        for remark in tune.remarks:
            from melody.cli.screen import say

            say(f"{tune.path.name}: {remark}")


@app.command(name="continue")
@grouped
def continue_(
    model: ModelName,
    keeping: Keeping,
    choosing: Choosing,
    writing: Writing,
    prompt: Annotated[
        Path | None,
        typer.Argument(metavar="TUNE", help="The tune to go on with: MIDI, MusicXML, ABC, Humdrum.", show_default=False),
    ] = None,
    notes: Annotated[
        str | None,
        typer.Option(metavar="NOTES", help="Notes to go on with instead of a file: 'D4/8 E F# A r/4'.", show_default=False),
    ] = None,
    bars: Annotated[str, typer.Option(metavar="NUMBER", help="How many bars to add.")] = "8",
    part: Part = None,
    prompt_bars: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST-LAST", help="Only these bars of the prompt, as 1-4, in a file of their own.", show_default=False
        ),
    ] = None,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="Write the new bars alone, without the prompt, in a file of their own.")
    ] = False,
) -> None:
    """Go on with a melody you have, in its tempo, metre and instrument; what it keeps to is about the new bars.

    A MIDI file stays as it was but for the new notes, where they come from as a text, and the signature of --key: other
    tracks, controllers, lyrics and markers are not touched.

    Example: **melody continue fiddle my-tune.mid --bars 8 --out longer.mid**
    """
    from melody.cli.screen import say

    if (prompt is None) == (notes is None):
        raise SamplingError("give the tune to go on with: a file, or --notes 'D4/8 E F# A', and only one of the two")
    settings, limits = choosing.settings, keeping.limits(bars)
    loaded = find_model(model, choosing.runner)
    stem = prompt.stem if prompt else "notes"
    targets = targets_of(writing.out, f"{stem}-{loaded.file.name}-{settings.seed}", writing.number)
    options: dict[str, Any] = {"limits": limits, "settings": settings, **choosing.search}
    if prompt and prompt.suffix.lower() not in SCORES and not only_new and prompt_bars is None:
        made = _in_its_file(loaded, prompt, part, targets, options)
    else:
        given = _read(prompt) if prompt else _typed(loaded, notes or "", limits)
        made = _in_a_file_of_its_own(loaded, _bars_of(given, prompt_bars), part, only_new, targets, options)
    for remark in made[0].remarks:
        say(f"the prompt: {remark}")
    write_tunes(made, writing, limits)
    if writing.html:
        write_page(made, f"{stem}, gone on with by {loaded.file.name}", loaded, settings, limits)


def _in_its_file(model: Model, prompt: Path, part: str | None, targets: list[Path], options: dict[str, Any]) -> list[Made]:
    """New notes put into the bytes of a MIDI file."""
    from melody.sampling.whole import continue_file

    continued = continue_file(model, prompt, part=part, count=len(targets), **options)
    return [_made(path, c.made, c) for path, c in zip(targets, continued)]


def _in_a_file_of_its_own(
    model: Model, prompt: Piece, part: str | None, only_new: bool, targets: list[Path], options: dict[str, Any]
) -> list[Made]:
    """What the model hears of a prompt and the new music, or the new music alone."""
    from melody.sampling.whole import heard_of

    chosen = heard_of(model, prompt, part, options["limits"])
    continued = model.continue_many(chosen.piece, len(targets), only_new=only_new, **options)
    return [_made(path, replace(c, remarks=(*chosen.remarks, *c.remarks))) for path, c in zip(targets, continued)]


def _made(path: Path, done: Continuation, in_file: Continued | None = None) -> Made:
    found = (done.piece, done.prompt_end, done.remarks, done.first_bar, done.removed, done.nats, done.faults)
    return Made(path, *found, in_file=in_file)


def _read(path: Path) -> Piece:
    from melody.cli.show import read_tune

    return read_tune(path)


def _typed(model: Model, notes: str, limits: Limits) -> Piece:
    """Music that was typed: by the model's first instrument, in the metre, tempo and key of the limits."""
    from melody.score.notes_text import read_notes

    vocabulary = model.vocabulary
    metre = limits.metre or ((4, 4) if (4, 4) in vocabulary.time_signatures else vocabulary.time_signatures[0])
    tempi = [60e6 / tempo for tempo in vocabulary.tempi]
    players = [part for part in vocabulary.parts if not part.is_drum] or list(vocabulary.parts)
    wanted = [part for part in players if any(instrument.plays(part) for instrument in limits.instruments)]
    return read_notes(
        notes,
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


def find_model(name: str, engine: EngineName = "numpy") -> Model:
    """The model of that path, or of that name in checkpoints/, here or where the program is installed."""
    from melody.modelfile import SUFFIX
    from melody.sampling import load

    if Path(name).exists() or name.endswith(SUFFIX):
        return load(name, engine)
    folders = [Path("checkpoints"), Path(__file__).parents[2] / "checkpoints"]
    for folder in folders:
        if (folder / f"{name}{SUFFIX}").exists():
            return load(folder / f"{name}{SUFFIX}", engine)
    known = sorted({path.name.removesuffix(SUFFIX) for folder in folders for path in folder.glob(f"*{SUFFIX}")})
    there = f"there are {', '.join(known)}" if known else "there is none yet: train one with melody train FOLDER"
    raise ModelFileError(f"no model '{name}'; {there}")
