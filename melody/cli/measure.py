"""`melody evaluate`, `report`, `inspect`: how well a model predicts, how like its corpus it writes, what goes on in it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from melody.cli import app
from melody.cli.make import ModelName
from melody.cli.options import MEMORY, Force
from melody.cli.show import Bars, Tune
from melody.text import counted

if TYPE_CHECKING:
    from melody.evaluation.evaluate import Evaluation
    from melody.evaluation.model_report import ModelReport
    from melody.evaluation.recalled import Remembered
    from melody.inspection.inspecting import Inspection
    from melody.piece import Piece

_SHOWN = 3  # tunes on the page of a report


@app.command()
def evaluate(
    model: ModelName,
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Folder of music, or a store that melody prepare wrote.", show_default=False),
    ],
    split: Annotated[
        Literal["test", "valid", "all"],
        typer.Option(
            help="Which pieces of the model's own corpus: its test pieces, its validation pieces, all. Music that is new "
            "to the model is measured with test and all."
        ),
    ] = "test",
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Measure it with a memory of the states of so many past events as well, as 512; share and flatness are "
            "chosen on the model's validation pieces, or given, as 512:0.02:1.",
            show_default=False,
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write all numbers, and those of each piece.", show_default=False),
    ] = None,
    force: Force = False,
) -> None:
    """Measure how well a model predicts music: nats and bits, and how often it is right.

    Pieces it was trained on are left out. Beside it stand a unigram and an n-gram, if the folder holds the model's own
    training pieces to count them on.

    Example: **melody evaluate fiddle data/fiddle --json fiddle.json**
    """
    from melody import files
    from melody.cli.learn import read_folder
    from melody.cli.make import find_model
    from melody.cli.screen import Progress, say, show
    from melody.cli.targets import named
    from melody.evaluation.heldout import settings_for
    from melody.extras import need
    from melody.network.memory import Memory

    need("measuring a model", "torch")  # before the folder is read
    asked = Memory.parse(memory)
    remembering = 0 if asked is None else asked if memory and ":" in memory else asked.size

    if json_file is not None:
        named(json_file, force)
    file = find_model(model).file
    corpus = read_folder(folder, settings_for(file), with_split=False)
    say("loading torch ...")
    from melody.evaluation.evaluate import evaluate as evaluate_model

    with Progress(f"measuring {file.name}") as update:
        found = evaluate_model(file, corpus, split, remembering, on_progress=lambda share: update(share, 1.0))
    _show(found)
    if json_file is not None:
        data = {"folder": folder.name, **found.to_dict()}
        files.write_bytes(json_file, json.dumps(data, indent=1, ensure_ascii=False).encode())
        show(json_file)


def _show(found: Evaluation) -> None:
    from melody.cli.screen import answer, say, table

    for remark in found.chosen.remarks:
        say(remark)
    tokens, hits = found.measured.tokens.sum(), found.accuracy
    numbers = {"piece": len(found.notes), "note": found.notes.sum(), "token": tokens, "bar": found.bars.sum()}
    answer(f"{found.model}: {', '.join(counted(int(number), thing) for thing, number in numbers.items())}; lower is better")
    rates = {name: found.rates(nats) for name, nats in found.systems.items()}
    columns = ("nats_per_note", "nats_per_token", "nats_per_bar", "bits_per_note", "macro_nats_per_note")
    header = (
        "",
        "nats a note",
        "nats a token",
        "nats a bar",
        "bits a note",
        "macro nats a note",
        "nats a note, first 8 bars",
    )
    number = partial("{:.3f}".format)
    lines = [
        (name, *(number(rate[column]) for column in columns), number(found.openings[name])) for name, rate in rates.items()
    ]
    table(header, lines, answer)
    rows = [
        (name, f"{int(v['tokens']):,}", number(v["nats_per_note"]), f"{100 * v['accuracy']:.1f}")
        for name, v in found.fields.items()
    ]
    table(("field", "tokens", "nats a note", "% right"), rows, answer)
    answer("right: " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in hits.items()))
    if found.remembered:
        _show_memory(found.remembered)
    if not found.baselines:
        say("no n-gram beside it: the model's own training pieces are not in this folder")


def _show_memory(found: Remembered) -> None:
    """Which memory it was, and what it changes."""
    from melody.cli.screen import answer

    how = f"chosen on {counted(found.chosen_on, 'validation piece')}" if found.chosen_on else "as given, or the defaults"
    if not found.memory.share:
        answer(f"a memory of {found.memory.size:,} events: none made the validation pieces likelier")
        return
    value, low, high = found.more
    answer(f"--memory {found.memory} ({how}): {value:+.4f} nats a note, 95 % over pieces {low:+.4f} to {high:+.4f}")


@app.command()
def report(
    model: ModelName,
    corpus: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder that it was trained on, or its store. Not needed for a built-in collection (melody corpus).",
            show_default=False,
        ),
    ] = None,
    count: Annotated[
        str, typer.Option(metavar="NUMBER", help="Tunes that it writes; a third of them at each temperature.")
    ] = "300",
    temperatures: Annotated[
        str, typer.Option(metavar="NUMBERS", help="That are tried, as 0.8,1,1.2; none to leave that out.")
    ] = "0.6,0.8,0.9,1,1.1,1.2",
    seed: Annotated[str, typer.Option(metavar="NUMBER", help="Random number: the same one finds the same.")] = "0",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The page. Default: MODEL-report.html in this folder.", show_default=False),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all numbers as well.", show_default=False)
    ] = None,
    force: Force = False,
) -> None:
    """Let a model write hundreds of tunes and hold them against its corpus: is it like it, does it copy, what gives it away.

    Every measure stands beside what two halves of the corpus differ by. One page, with pictures and tunes to listen to.

    Example: **melody report fiddle --json fiddle.json**
    """
    from melody import files, models
    from melody.cli.learn import read_folder
    from melody.cli.make import find_model
    from melody.cli.options import whole
    from melody.cli.screen import Progress, answer, say, show
    from melody.cli.targets import free, named, short
    from melody.evaluation.heldout import settings_for
    from melody.evaluation.model_report import ReportSettings, index_for, model_report
    from melody.evaluation.own_music import own_music, written_again
    from melody.extras import need

    need("a report", "scipy", "sklearn", "matplotlib")
    settings = ReportSettings(whole("count", count) or 0, _numbers("temperatures", temperatures), whole("seed", seed) or 0)
    file, path = find_model(model).file, models.find(model)
    page = free(Path(f"{short(file.name)}-report.html"), force) if out is None else named(out, force, suffixes=(".html",))
    if json_file is not None:
        named(json_file, force)
    if corpus is None:
        say(f"writing {file.manifest.get('folder') or 'its corpus'} again ...")
        music = own_music(file, written_again(file))
    else:
        music = own_music(file, read_folder(corpus, settings_for(file), with_split=False))
    index, remarks = index_for(file, path, music)
    for remark in (*music.remarks, *remarks):
        say(remark)
    with Progress("writing tunes", "tunes") as update:
        found = model_report(file, music, index, settings, remarks=remarks, on_progress=lambda _, done, of: update(done, of))
    for reached, sentence in found.goals:
        answer(f"{'reached' if reached else 'MISSED '}: {sentence}")
    if found.by_temperature:
        answer(f"temperature: {found.on_temperature}")
    if json_file is not None:
        files.write_bytes(json_file, json.dumps(found.to_dict(), indent=1, ensure_ascii=False).encode())
        show(json_file)
    _write_page(page, found)
    show(page)


def _numbers(name: str, text: str) -> tuple[float, ...]:
    """Numbers with commas between them; none for 'none'."""
    from melody.errors import SamplingError

    try:
        return () if text.strip() == "none" else tuple(float(each) for each in text.split(","))
    except ValueError:
        raise SamplingError(
            f"--{name} is '{text[:40]}'; write numbers with commas between them, as 0.8,1, or none"
        ) from None


def _write_page(path: Path, found: ModelReport) -> None:
    """The page, with the first tunes to listen to."""
    from melody.report.model_page import write_model_page
    from melody.report.page_tune import page_tune

    tunes = [page_tune(f"tune {number}", piece) for number, piece in enumerate(found.own.tunes[:_SHOWN], 1)]
    write_model_page(path, found, tunes)


_MOST_OTHERS = 20  # tunes of --with, some seconds of reading


@app.command()
def inspect(
    model: ModelName,
    tune: Tune,
    bars: Bars = None,
    anomalies: Annotated[
        bool, typer.Option("--anomalies", help="List the notes that are most likely wrong, and nothing else.")
    ] = False,
    most: Annotated[int, typer.Option(min=1, help="How many notes are listed.")] = 10,
    memory: Annotated[str | None, MEMORY] = None,
    others: Annotated[
        Path | None,
        typer.Option(
            "--with",
            metavar="FOLDER",
            help=f"Look for units on this folder's first {_MOST_OTHERS} MIDI files as well: one tune says little.",
            show_default=False,
        ),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw it: roll, surprise, gates, cells, units. PNG or SVG.", show_default=False),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="One page in which each note can be clicked.", show_default=False),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all that was found.", show_default=False)
    ] = None,
    force: Force = False,
) -> None:
    """Look inside a model while it reads a tune: how surprising each note was, what was expected, and from which notes.

    Gates and cells over time are drawn, and the units that follow something musical are named, with what chance would give.

    Example: **melody inspect fiddle data/ode-to-joy.mid --html inside.html --png inside.png**
    """
    from melody import files
    from melody.cli.make import find_model
    from melody.cli.screen import say, show
    from melody.cli.show import bars_of, read_tune
    from melody.cli.targets import named
    from melody.errors import MelodyError
    from melody.inspection.inspecting import inspect as look

    for out, suffixes in ((png, (".png", ".svg")), (html, (".html", ".htm")), (json_file, ())):
        if out is not None:
            named(out, force, source=tune, suffixes=suffixes)
    source = find_model(model, memory=memory)
    piece = bars_of(read_tune(tune), bars)
    try:
        found = look(source, piece, _others(others), most)
    except MelodyError as error:
        raise type(error)(f"{tune}: {error}") from error
    for remark in found.reading.remarks:
        say(remark)
    _show_anomalies(found) if anomalies else _show_inside(tune.name, found, most)
    if json_file is not None:
        data = {"tune": tune.name, **found.to_dict()}
        files.write_bytes(json_file, json.dumps(data, indent=1, ensure_ascii=False).encode())
        show(json_file)
    if png is not None:
        from melody.report.inside.inspected import write_inspection

        write_inspection(found, png, f"{tune.stem}, as {found.model} reads it")
        show(png)
    if html is not None:
        from melody.report.inside.inspected_page import write_inspection_page

        write_inspection_page(found, html, tune.stem)
        show(html)


def _others(folder: Path | None) -> list[Piece]:
    """The first tunes of a folder that can be read."""
    from melody import midi
    from melody.cli.screen import say
    from melody.errors import MidiError

    if folder is None:
        return []
    if not folder.is_dir():
        raise MidiError(f"--with is {folder}, which is no folder; name one with MIDI files")
    pieces = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in midi.SUFFIXES)[:_MOST_OTHERS]:
        try:
            pieces.append(midi.read(path))
        except MidiError as error:
            say(f"left out {error}")
    return pieces


def _show_inside(tune: str, found: Inspection, most: int) -> None:
    """The most surprising notes, and the units."""
    from melody.cli.screen import answer, table
    from melody.inspection.predicted import summary
    from melody.inspection.words import expectations, note_name, place

    reading, piece = found.reading, found.reading.piece
    answer(f"{tune}, as {found.model} reads it ({found.cell}): {summary(reading)}")
    rows = []
    for note in (-reading.surprise).argsort(kind="stable")[:most].tolist():
        words = [
            f"{name} {', '.join(f'{each.name} {each.probability:.2f}' for each in likeliest[:2])}"
            for name, likeliest in expectations(reading, note).items()
        ]
        sources = ", ".join(
            f"{note_name(reading, i)} {place(piece, int(piece.onset[i]))}" for i, _ in found.sources(note)[:2]
        )
        where = place(piece, int(piece.onset[note]))
        rows.append((note_name(reading, note), where, f"{reading.surprise[note]:.2f}", "; ".join(words), sources))
    table(("note", "where", "nats", "expected", "predicted from"), rows, answer)
    tunes = f"on {counted(found.tunes, 'tune')}"
    units = [
        (
            each.aspect.name,
            ", ".join(f"{unit.name} {unit.explained:.0%}" for unit in each.units[:3]),
            f"{each.chance:.0%}",
            f"{each.share:.0%}",
            f"{each.share_by_chance:.0%}",
        )
        for each in found.followers
    ]
    if units:
        table((f"units that follow, {tunes}", "the best", "by chance", "share of units", "by chance"), units, answer)


def _show_anomalies(found: Inspection) -> None:
    """The notes most likely wrong."""
    from melody.cli.screen import answer, table
    from melody.inspection.words import note_name, place
    from melody.score.names import pitch_name

    reading, piece = found.reading, found.reading.piece
    rows = [
        (
            note_name(reading, each.note),
            place(piece, int(piece.onset[each.note])),
            f"{each.score:.1f}",
            f"{each.pitch:.1f}",
            f"{each.rhythm:.1f}",
            pitch_name(each.instead) if each.instead >= 0 else "",
        )
        for each in found.anomalies
    ]
    table(("note", "where", "nats", "by pitch", "by rhythm", "likelier"), rows, answer)
