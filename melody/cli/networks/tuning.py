"""`melody tune`: settings of a training tried on somebody's music."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melody.cli import app
from melody.cli.learn import Drums, Part, read_folder
from melody.cli.options import Force
from melody.cli.train import as_options
from melody.text import counted

if TYPE_CHECKING:
    from melody.corpus import Corpus
    from melody.tuning.study import Tried, Tuned

BEST, PICTURE, RATE = "best.json", "importances.png", "learning-rate.png"


@app.command()
def tune(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Folder of music, or a store that melody prepare wrote.", show_default=False),
    ],
    minutes: Annotated[
        float, typer.Option(help="For all trials of this call; the same command again goes on.", min=0.05)
    ] = 20.0,
    cells: Annotated[str, typer.Option(metavar="NAMES", help="Kinds of cells among which is chosen, with commas.")] = "lstm",
    find_rate: Annotated[
        bool, typer.Option("--find-rate", help="Let the learning rate rise instead, and say where the loss falls fastest.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Random number: another one tries others.", min=0, max=2**31)] = 0,
    part: Part = "all",
    drums: Drums = True,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where trials are kept. Default: NAME-tuned.", show_default=False),
    ] = None,
    force: Force = False,
) -> None:
    """Try settings of a training on your music, the promising ones for longer, and say which are best and which matter.

    Learning rate, width, layers, dropout, weight decay, batch, window, noise, and the cell if several are named. Ctrl-C
    loses the trial in hand; the same command goes on.

    Example: **melody tune my-songs --minutes 30**
    """
    from melody.cli.screen import say
    from melody.corpus import PrepareSettings
    from melody.errors import TrainingError
    from melody.extras import need

    need("tuning", "torch", *([] if find_rate else ["optuna", "sklearn"]))  # before the folder is read
    chosen = tuple(each.strip() for each in cells.split(",") if each.strip())
    kept = out or Path(f"{folder.stem}-tuned")
    say("loading torch ...")
    try:
        if find_rate:
            prepared = read_folder(folder, PrepareSettings(part=part, drums=drums, workers=0))
            _find(prepared, kept / RATE, minutes, chosen, seed, force)
        else:
            from melody.tuning.study import NAME, TuneSettings

            settings = TuneSettings(minutes, chosen, seed)
            prepared = read_folder(folder, PrepareSettings(part=part, drums=drums, workers=0))
            if force:
                (kept / NAME).unlink(missing_ok=True)
            _search(prepared, kept, settings, ["melody", "train", str(folder), *_taken(part, drums)])
    except TrainingError as error:
        raise TrainingError(as_options(str(error))) from error


def _taken(part: str, drums: bool) -> list[str]:
    return [*([] if part == "all" else ["--part", part]), *([] if drums else ["--no-drums"])]


def _search(prepared: Corpus, kept: Path, settings: Any, command: list[str]) -> None:
    """Try, and show and write what came of it."""
    from melody import files
    from melody.cli.screen import Progress, answer, say, show, table, written
    from melody.tuning.study import NAME, RUNGS, settings_text, tune

    with Progress("tuning") as update:

        def on_trial(trial: Tried | None, share: float) -> None:
            update(share, 1.0)
            if str(kept / NAME) not in written:
                written.append(str(kept / NAME))  # what stays if Ctrl-C comes
            if trial is not None:
                nats, rung = trial.nats[max(trial.nats)], RUNGS[max(trial.nats)]
                end = "" if trial.is_whole else f", stopped after {rung:.0%} of its time"
                say(f"trial {trial.number + 1}: {nats:.3f} nats a note on valid{end}")

        found = tune(prepared, kept, settings, on_trial)
    whole = sum(trial.is_whole for trial in found.trials)
    trials = f"{counted(len(found.trials), 'trial')} of {found.seconds:.3g} seconds of work, {whole} to their end"
    answer(f"{trials}: the best {found.valid:.3f} nats a note on valid, what melody train takes {found.default:.3f}")
    rows = [
        (name.replace("_", " "), str(found.best[name]), f"{found.importances[name]:.0%}" if found.importances else "")
        for name in found.importances or found.best
    ]
    table(("setting", "best", "share of the variance"), rows, answer)
    if not found.importances:
        say("too few trials to tell which settings matter; give it more --minutes")
    path = kept / BEST
    files.write_bytes(path, settings_text(found).encode())
    words = [word for name, value in found.best.items() for word in (f"--{name.replace('_', '-')}", f"{value}")]
    answer(f"train with them: {shlex.join([*command, *words])}")
    answer(f"or: {shlex.join([*command, '--settings', str(path)])}")
    show(path)
    _draw(kept / PICTURE, lambda: _picture(found))


def _picture(found: Tuned) -> bytes:
    from melody.report.networks.tuned import tuned_picture

    trials = [
        {**each.chosen, "nats": each.nats[max(each.nats)], "whole": each.is_whole} for each in found.trials if each.nats
    ]
    return tuned_picture(trials, found.importances, found.best)


def _find(prepared: Corpus, path: Path, minutes: float, cells: tuple[str, ...], seed: int, force: bool) -> None:
    """Let the rate rise, and show and draw what came of it."""
    from melody.cli.screen import Progress, answer
    from melody.cli.targets import named
    from melody.comparison.learning import Music
    from melody.errors import TrainingError
    from melody.evaluation.ngram import some_of
    from melody.tuning.rate_finder import find_rate
    from melody.tuning.space import Space
    from melody.tuning.study import TuneSettings

    settings = TuneSettings(minutes, cells, seed)
    if len(cells) > 1:
        raise TrainingError("the learning rate of one cell is found at a time; name one with `cells`")
    named(path, force)
    train = list(some_of(prepared.rows("train")))
    if not train:
        raise TrainingError("there is not one piece to learn from; give a folder with more music")
    space = Space(prepared.vocabulary, sum(map(len, train)), minutes, settings.cells)
    run = space.run(space.default, seconds=1, seed=seed)
    with Progress("a rising learning rate", "steps") as update:
        found = find_rate(Music(prepared.vocabulary, train, [], []), run, on_step=lambda share: update(share, 1.0))
    answer(
        f"the loss falls fastest at a learning rate of {found.steepest:.2g}, and no more from {found.lowest:.2g} on: good "
        f"rates lie between; a tenth of the latter is the rule of thumb (--learning-rate {found.lowest / 10:.2g}; without "
        "it melody train takes 0.002)"
    )

    def drawn() -> bytes:
        from melody.report.networks.tuned import rate_picture

        return rate_picture(
            found.rates.tolist(), found.losses.tolist(), found.smoothed.tolist(), found.steepest, found.lowest
        )

    _draw(path, drawn)


def _draw(path: Path, drawn: Any) -> None:
    """Write a picture, if matplotlib is there."""
    from melody import files
    from melody.cli.screen import say, show
    from melody.errors import RenderError

    try:
        data = drawn()
    except RenderError as error:
        say(f"no picture: {error}")
        return
    files.make_folder(path.parent)
    files.write_bytes(path, data)
    show(path)
