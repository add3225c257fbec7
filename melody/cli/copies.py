"""`melody originality`: whether a tune is a copy of a model's training pieces; and the same of tunes that are made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melody.cli import app
from melody.cli.options import Force
from melody.cli.show import Tune

if TYPE_CHECKING:
    from melody.modelfile import ModelFile
    from melody.originality.finding import Finding, Passage
    from melody.originality.index import Index

COPY = 1  # the exit code for a copy
_SHOWN = 32  # notes of an excerpt on the screen


@app.command()
def originality(
    tune: Tune,
    model: Annotated[
        str,
        typer.Option(metavar="MODEL", help="The model with whose training pieces it is compared.", show_default=False),
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all that was found.", show_default=False)
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw the longest run, the tune's notes and the piece's: PNG or SVG.", show_default=False
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Compare a tune with all that a model was trained on: is it a copy? Key and tempo do not matter. Exit code 1 if it is.

    A copy shares more with one piece than held-out tunes of the corpus share with any, and would be improbable without it.

    Example: **melody originality tunes/fiddle-12-01.mid --model fiddle**
    """
    from melody import files, modelfile, models
    from melody.cli.screen import show
    from melody.cli.show import read_tune
    from melody.cli.targets import named
    from melody.errors import PieceError
    from melody.originality.finding import compare
    from melody.originality.index import index_of
    from melody.originality.wording import as_dict

    for out in (json_file, png):
        if out is not None:
            named(out, force, source=tune)
    path = models.find(model)
    file = modelfile.load(path)
    index = index_of(file, path)
    try:
        found = compare(index, read_tune(tune))
    except PieceError as error:
        raise PieceError(f"{tune}: {error}") from error
    _show(tune.name, file.name, index, found)
    if json_file is not None:
        data = {"tune": tune.name, "model": file.name, **as_dict(index, found)}
        files.write_bytes(json_file, json.dumps(data, indent=1, ensure_ascii=False).encode())
        show(json_file)
    if png is not None:
        _draw(found, png)
        show(png)
    if found.is_copy:
        raise typer.Exit(COPY)


def _show(tune: str, model: str, index: Index, found: Finding) -> None:
    from melody.cli.screen import answer, say, table
    from melody.originality.finding import IMPROBABLE
    from melody.text import counted

    for remark in found.remarks:
        say(remark)
    pieces = counted(len(index.names), "training piece")
    answer(f"{tune}: {counted(found.notes, 'note')}, against {pieces} of {model}, {counted(index.num_notes, 'note')}")
    norm = index.norm
    table(*_numbers(index, found), answer)
    if found.run is not None:
        _show_passage(found.run)
    if found.sharer is not None and found.run is not None and found.sharer.piece != found.run.piece:
        answer(f"most in common, {found.share:.0%} of the tune: {found.sharer.name}")
    if norm is None:
        answer("no verdict: what is usual is not known")
        return
    answer(
        f"longer than held-out tunes share: {'yes' if found.is_longer else 'no'} "
        f"(at most {norm.rate:.1%} of {norm.tunes:,} go beyond one of the limits)"
    )
    if found.expected is not None:
        improbable = found.expected < IMPROBABLE
        answer(
            f"improbable without that piece and its versions: {'yes' if improbable else 'no'} "
            f"(expected {found.expected:.1g} times by chance)"
        )
    answer(f"verdict: {'a copy, as both tests say' if found.is_copy else 'no copy'}")


def _numbers(index: Index, found: Finding) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The table of what is shared, beside what held-out tunes share."""
    norm = index.norm
    run, alone = (str(each.notes) if each else "under 9" for each in (found.run, found.interval_run))
    rows: list[tuple[str, ...]] = [
        ("notes of the longest run", run),
        ("... by intervals alone", alone),
        ("% that agrees with one piece", f"{100 * found.share:.0f}"),
        ("% in runs that unrelated pieces do not share", f"{100 * found.covered:.0f}"),
    ]
    if norm is None:
        return ("", "tune"), rows
    others = [
        (f"{norm.run[0]:.0f}", f"{norm.run[1]:.0f}"),
        (f"{norm.interval_run[0]:.0f}", f"{norm.interval_run[1]:.0f}"),
        (f"{100 * norm.share[0]:.0f}", f"{100 * norm.share[1]:.0f}"),
        (f"{100 * norm.covered:.0f}", ""),
    ]
    return ("", "tune", "held-out: median", "limit"), [(*row, *more) for row, more in zip(rows, others)]


def _show_passage(run: Passage) -> None:
    from melody.cli.screen import answer
    from melody.originality.wording import spelled

    bars = f"bar {run.bars[0]}" if run.bars[0] == run.bars[1] else f"bars {run.bars[0]} to {run.bars[1]}"
    answer(f"longest run: {bars} of the tune, and {run.name} from its note {run.first} on")
    for whose, notes, grid in zip(("tune: ", "piece:"), (run.yours, run.theirs), run.grids):
        answer(f"  {whose} {spelled(notes, grid, _SHOWN)}")


def _draw(found: Finding, path: Path) -> None:
    from melody.errors import RenderError
    from melody.report.roll import write_plot

    if found.run is None:
        raise RenderError("there is no run of 9 notes or more to draw; leave out --png")
    write_plot(found.run.as_piece(), path, title=f"{found.run.notes} notes shared with {found.run.name}")


def index_for(file: ModelFile, model: str) -> Index | None:
    """The index of a model that tunes are made with, if it has one; why not, if it is damaged.

    Parameters
    ----------
    file
        Of the model.
    model
        As it was named.
    """
    from melody import models
    from melody.cli.screen import say
    from melody.errors import ModelFileError
    from melody.originality.index import beside, index_of

    path = models.find(model)
    if not beside(path).exists():
        return None
    try:
        return index_of(file, path)
    except ModelFileError as error:
        say(f"originality is not looked at: {error}")
        return None
