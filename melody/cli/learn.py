"""`melody corpus` and `melody train`: music in, a model out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melody.cli import app
from melody.training.settings import Epoch, Plan, Result, TrainingSettings

if TYPE_CHECKING:
    from rich.progress import Progress

_DEFAULTS = TrainingSettings()


@app.command()
def corpus(
    name: Annotated[str | None, typer.Argument(help="Which collection to write; none lists them.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: data/NAME.", show_default=False)] = None,
) -> None:
    """List the music that comes with the program, or write one collection as a folder of MIDI files.

    Everything is in the public domain and inside the music21 package: nothing is downloaded.

    Example: **melody corpus fiddle --out data/fiddle**
    """
    from melody import midi
    from melody.cli.screen import progress, say, table
    from melody.score.collections import COLLECTIONS, load

    if name is None:
        rows = [(c.name, c.title, c.years, f"{c.pieces:,}", f"{c.notes:,}") for c in COLLECTIONS.values()]
        table(("name", "collection", "years", "pieces", "notes"), rows)
        say("write one with: melody corpus NAME --out FOLDER")
        return
    out = out or Path("data") / name
    skipped: list[str] = []
    with progress(f"writing {name}") as bar:
        task = bar.add_task("", total=None)
        pieces = load(
            name,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            on_skip=lambda stem, reason: skipped.append(f"left out {stem}: {reason}"),
        )
        count = 0
        for stem, piece in pieces:
            midi.write(piece, out / f"{stem}.mid")
            count += 1
    for line in skipped:
        say(line)
    say(f"{count:,} tunes written; train on them with: melody train {out}")
    print(out)


@app.command()
def train(
    folder: Annotated[
        Path, typer.Argument(help="Folder of MIDI files, searched with all its subfolders.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Model file to write. Default: checkpoints/FOLDER.safetensors.", show_default=False)
    ] = None,
    max_minutes: Annotated[float, typer.Option(min=0.05, help="End within this time.")] = _DEFAULTS.max_minutes,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the music. Default: planned.", show_default=False)
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(min=1e-6, max=1.0, help="Highest learning rate.")
    ] = _DEFAULTS.learning_rate,
    seed: Annotated[int, typer.Option(min=0, help="Random number: the same one trains the same model.")] = _DEFAULTS.seed,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
) -> None:
    """Train a model on a folder of MIDI files.

    It plans its size and length by the music and the time, stops by itself, and keeps the best model. Ctrl-C keeps the
    best so far.

    Example: **melody train data/fiddle --max-minutes 10**
    """
    from melody.cli.screen import progress, say
    from melody.corpus import prepare

    out = out or Path("checkpoints") / f"{folder.resolve().name}.safetensors"
    with progress(f"reading {folder}") as bar:
        task = bar.add_task("", total=None)
        prepared = prepare(folder, on_progress=lambda p: bar.update(task, completed=p.done, total=p.files))
    for line in prepared.summary():
        say(line)
    settings = TrainingSettings(max_minutes=max_minutes, epochs=epochs, learning_rate=learning_rate, seed=seed)
    say("loading torch and Lightning ...")
    from melody.training.run import fit

    with progress("training") as bar:
        result = fit(prepared, out, settings, resume=resume, **_shown(bar))
    _tell(result)
    print(result.path)


def _shown(bar: Progress) -> dict[str, Any]:
    """What `fit` reports, on a progress bar with a line an epoch above it."""
    from melody.cli.screen import say

    task = bar.add_task("", total=1.0)

    def on_plan(plan: Plan) -> None:
        shape = plan.model
        say(
            f"plan: {plan.epochs} epochs of about {plan.seconds_per_epoch:.0f} s; "
            f"LSTM {shape.num_layers} x {shape.hidden_size}"
        )

    def on_epoch(epoch: Epoch) -> None:
        best = "  best so far" if epoch.is_best else ""
        say(
            f"epoch {epoch.number:3}/{epoch.epochs}  nats per note: train {epoch.train:.3f}  valid {epoch.valid:.3f}"
            f"  (unigram {epoch.unigram:.3f}){best}"
        )

    return {"on_plan": on_plan, "on_epoch": on_epoch, "on_step": lambda share: bar.update(task, completed=share)}


def _tell(result: Result) -> None:
    from melody.cli.screen import say, table

    rows = [
        ("LSTM", f"{result.test:.3f}"),
        (f"n-gram of {result.ngram_order} tokens", f"{result.ngram:.3f}"),
        ("unigram", f"{result.unigram:.3f}"),
    ]
    table((f"nats per note on the {result.measured_on} pieces", "lower is better"), rows)
    say(f"{result.minutes:.1f} minutes. {result.sentence}")
