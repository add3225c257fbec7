"""`melody evaluate`: how well a model predicts music, beside the trivial models."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from melody.cli import app
from melody.cli.make import ModelName
from melody.cli.options import Force
from melody.text import counted

if TYPE_CHECKING:
    from melody.evaluation.evaluate import Evaluation


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

    need("measuring a model", "torch")  # before the folder is read

    if json_file is not None:
        named(json_file, force)
    file = find_model(model).file
    corpus = read_folder(folder, settings_for(file), with_split=False)
    say("loading torch ...")
    from melody.evaluation.evaluate import evaluate as evaluate_model

    with Progress(f"measuring {file.name}") as update:
        found = evaluate_model(file, corpus, split, on_progress=lambda share: update(share, 1.0))
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
    header = ("", "nats a note", "nats a token", "nats a bar", "bits a note", "macro nats a note")
    number = partial("{:.3f}".format)
    table(header, [(name, *(number(rate[column]) for column in columns)) for name, rate in rates.items()], answer)
    rows = [
        (name, f"{int(v['tokens']):,}", number(v["nats_per_note"]), f"{100 * v['accuracy']:.1f}")
        for name, v in found.fields.items()
    ]
    table(("field", "tokens", "nats a note", "% right"), rows, answer)
    answer("right: " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in hits.items()))
    if not found.baselines:
        say("no n-gram beside it: the model's own training pieces are not in this folder")
