"""`melody train`: a folder of music in, a model out."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from melody.cli import app
from melody.cli.learn import Drums, FindBeats, Part, Pedal, read_folder
from melody.cli.networks.settings_file import SettingsFile
from melody.cli.options import Force
from melody.errors import TrainingError
from melody.files import FileError
from melody.network.cells import CELLS, CellName
from melody.network.settings import MOST_ATTENDED, Features, Front
from melody.training.paths import Paths, target
from melody.training.records import REPLANNED, Alarm, Epoch, Plan, Result
from melody.training.settings import Logger, Precision, TrainingSettings, check_style, settings_from

if TYPE_CHECKING:
    from melody.corpus import Corpus, PrepareSettings
    from melody.modelfile import ModelFile

_DEFAULTS = TrainingSettings()


def _option(panel: str, help: str, *names: str, shown: bool = True, **facts: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=shown, **facts)


_TIME, _MODEL, _MACHINE = "Time", "Model and learning", "Machine and records"
Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Folder of music, or a store that melody prepare wrote.", show_default=False)
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Model file to write. Default: checkpoints/FOLDER.safetensors.", show_default=False),
]
MaxMinutes = Annotated[
    float, _option(_TIME, "End within this time, unless --epochs is given.", "--max-minutes", "--minutes", min=0.05)
]
Epochs = Annotated[int | None, _option(_TIME, "Passes over the music. Default: planned.", min=1, shown=False)]
EpochShare = Annotated[
    float,
    _option(
        _TIME, "How much of the music an epoch sees. Default: all, or what the time allows.", min=0.0, max=1.0, shown=False
    ),
]
Patience = Annotated[float, _option(_TIME, "Stop when so large a share of the epochs brought nothing.", min=0.0, max=1.0)]
PlanOnly = Annotated[bool, _option(_TIME, "Show what would be done and how long it takes, and stop.", "--plan")]
Resume = Annotated[bool, _option(_TIME, "Go on with a run that was interrupted, or that its time ended.", "--resume")]
From = Annotated[str | None, _option(_MODEL, "Adapt this trained model.", "--from", metavar="MODEL", shown=False)]
Only = Annotated[
    Literal["all", "state"],
    _option(_MODEL, "What is learned with --from: the whole model, or the state it begins from, a style of a few KB."),
]
Cell = Annotated[CellName | None, _option(_MODEL, "Kind of the recurrent layers. Default: lstm.", shown=False)]
WhichFront = Annotated[Front, _option(_MODEL, "conv: a convolution over the last events before the layers.", "--front")]
Attention = Annotated[int, _option(_MODEL, "Attention to so many of the last events; 0 for none.", min=0, max=MOST_ATTENDED)]
WhichFeatures = Annotated[
    Features, _option(_MODEL, "none: the bare network, which reads notes and nothing of their context.", "--features")
]
Bidirectional = Annotated[
    bool, _option(_MODEL, "Read music backwards, too, from its end to a gap: for melody vary.", "--bidirectional")
]
HiddenSize = Annotated[int | None, _option(_MODEL, "Cells a layer. Default: by the music.", min=8, max=4096, shown=False)]
Layers = Annotated[int | None, _option(_MODEL, "Recurrent layers. Default: by the music.", min=1, max=8, shown=False)]
Dropout = Annotated[float | None, _option(_MODEL, "Share left out. Default: by the music.", min=0.0, max=0.95, shown=False)]
LearningRate = Annotated[
    float | None, _option(_MODEL, "Highest one. Default: 0.002; with --from 0.0004.", min=1e-6, max=1.0, shown=False)
]
WeightDecay = Annotated[float | None, _option(_MODEL, "Of AdamW. Default: by the music.", min=0.0, shown=False)]
BatchSize = Annotated[int, _option(_MODEL, "Pieces side by side.", min=1)]
Window = Annotated[int, _option(_MODEL, "Most notes between two steps of the optimizer.", min=2)]
Noise = Annotated[
    float,
    _option(_MODEL, "Share of the notes that it reads with a wrong pitch, and has to predict right.", min=0.0, max=1.0),
]
Seed = Annotated[
    int, _option(_MODEL, "Random number: the same one trains the same model, for the same epochs and precision.", min=0)
]
Half = Annotated[bool, _option(_MODEL, "Weights of 16 bits: half the file, hardly another model.", "--half")]
Samples = Annotated[int, _option(_MACHINE, "Sample tunes along the way.", min=0)]
WhichLogger = Annotated[Logger, _option(_MACHINE, "Write the losses for TensorBoard, too.", "--logger")]
Devices = Annotated[int, _option(_MACHINE, "GPUs, or processes where there is none.", min=1)]
Strategy = Annotated[str, _option(_MACHINE, "Of Lightning, for several devices: auto, ddp ...", metavar="NAME")]
WhichPrecision = Annotated[
    Precision, _option(_MACHINE, "Of the products; auto takes bf16 where it is much faster.", "--precision")
]


@app.command()
def train(
    folder: Folder,
    out: Out = None,
    part: Part = "all",
    drums: Drums = True,
    pedal: Pedal = True,
    find_beats: FindBeats = False,
    max_minutes: MaxMinutes = _DEFAULTS.max_minutes,
    epochs: Epochs = None,
    epoch_share: EpochShare = _DEFAULTS.epoch_share,
    patience: Patience = _DEFAULTS.patience,
    plan: PlanOnly = False,
    resume: Resume = False,
    start: From = None,
    only: Only = "all",
    cell: Cell = None,
    front: WhichFront = _DEFAULTS.front,
    attention: Attention = _DEFAULTS.attention,
    features: WhichFeatures = _DEFAULTS.features,
    bidirectional: Bidirectional = False,
    hidden_size: HiddenSize = None,
    layers: Layers = None,
    dropout: Dropout = None,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    batch_size: BatchSize = _DEFAULTS.batch.batch_size,
    window: Window = _DEFAULTS.batch.window,
    noise: Noise = _DEFAULTS.batch.noise,
    seed: Seed = _DEFAULTS.seed,
    half: Half = False,
    samples: Samples = _DEFAULTS.samples,
    logger: WhichLogger = _DEFAULTS.logger,
    devices: Devices = _DEFAULTS.devices,
    strategy: Strategy = _DEFAULTS.strategy,
    precision: WhichPrecision = _DEFAULTS.precision,
    settings_file: SettingsFile = None,
    force: Force = False,
) -> None:
    """Train a model on a folder of MIDI files.

    It plans its size and length by the music and the time, stops by itself, and keeps the best model. Ctrl-C keeps the
    best so far. Beside the model it writes the losses as CSV and PNG, and sample tunes of the way.

    Example: **melody train data/fiddle --max-minutes 10**

    With a few files only: **melody train my-twenty-songs --from fiddle**, or with five **--from fiddle --only state**
    """
    given = locals()  # the options, for the one place that makes settings of them
    with _in_options():
        settings = settings_from(given)
        taken = Taken(part, drums, pedal, find_beats)
        if only == "state":
            _learn_style(folder, out, taken, settings, start, force)
            return
        written = None if plan else target(folder, out, resume=resume, force=force)
        _train(folder, written, taken, settings, resume, start)


_KEYWORD = re.compile(r"`(\w+)(?:=([^`]*))?`")


def as_options(text: str) -> str:
    """A message of the library with keywords between backticks as options.

    >>> as_options("train without `resume=True`, with a higher `dropout` or `learning_rate=0.001`, `from_='fiddle'`")
    'train without --resume, with a higher --dropout or --learning-rate 0.001, --from fiddle'
    """

    def option(found: re.Match[str]) -> str:
        name, value = found.groups()
        words = [f"--{name.rstrip('_').replace('_', '-')}", *([] if value in (None, "True") else [value.strip("'")])]
        return " ".join(words)

    return _KEYWORD.sub(option, text)


@contextmanager
def _in_options() -> Iterator[None]:
    """Errors of training and of where it writes name options."""
    try:
        yield
    except (TrainingError, FileError) as error:
        raise type(error)(as_options(str(error))) from error


class _Command(NamedTuple):
    """What was typed, for a command that trains the same model on a slower or faster day."""

    folder: Path
    taken: Taken
    start: str | None

    def again(self, settings: TrainingSettings, result: Result) -> list[str]:
        """The command that trains the same model again, if it is not the one that was typed; or why there is none."""
        if result.ending not in ("finished", "stopped early") or result.repeating == settings:
            return []
        command = shlex.join(["melody", "train", str(self.folder), *self._options(), *_options(result.repeating)])
        if result.is_as_planned:
            return [f"the same model again, on a machine like this one: {command}"]
        return [
            "the plan changed under way, as the machine was slower or faster than measured: no command trains it again",
            f"one as long, and the same each time: {command}",
        ]

    def _options(self) -> list[str]:
        name, drums, pedal, find_beats = self.taken
        part = [] if name == "all" else ["--part", name]
        flags = {"--no-drums": not drums, "--no-pedal": not pedal, "--find-beats": find_beats}
        return [*part, *(flag for flag in flags if flags[flag]), *([] if self.start is None else ["--from", self.start])]


_NAMES = {"num_layers": "layers"}  # of settings whose option is called otherwise
_ALWAYS = ("epochs", "precision", "seed")  # named whatever the default


def _options(settings: TrainingSettings) -> list[str]:
    """The settings as options: what differs from the defaults, and what decides which model it will be."""
    words: list[str] = []
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    defaults = {field.name: getattr(_DEFAULTS, field.name) for field in fields(settings)}
    for group, default in ((values, defaults), (vars(settings.batch), vars(_DEFAULTS.batch))):
        for name, value in group.items():
            if name in _ALWAYS or (value != default[name] and name != "batch"):
                option = f"--{_NAMES.get(name, name).replace('_', '-')}"
                words += [option] if value is True else [option, f"{value:.9g}" if isinstance(value, float) else str(value)]
    return words


class Taken(NamedTuple):
    """What is taken of each piece."""

    part: str
    drums: bool
    pedal: bool
    find_beats: bool

    def settings(self, ticks_per_quarter: Any) -> PrepareSettings:
        """How the folder becomes a corpus on that grid."""
        from melody.corpus import PrepareSettings

        return PrepareSettings(**self._asdict(), workers=0, ticks_per_quarter=ticks_per_quarter)


def _train(
    folder: Path, out: Path | None, taken: Taken, settings: TrainingSettings, resume: bool, start: str | None
) -> None:
    """Train, or where there is no file to write to show the plan."""
    from melody.cli.make import find_model
    from melody.cli.screen import say, silence
    from melody.extras import need

    begun = time.monotonic()
    need("training", "torch", "pytorch_lightning")  # before the folder is read
    if _is_helper():
        silence()
    adapted = find_model(start).file if start else None
    grid: Any = adapted.vocabulary.ticks_per_quarter if adapted else "auto"
    prepared = read_folder(folder, taken.settings(grid))
    say("loading torch and Lightning ...")
    if out is None:
        _show_plan(prepared, settings, adapted)
    else:
        _fit(prepared, out, settings, resume, adapted, _Command(folder, taken, start), begun)


def _learn_style(
    folder: Path, out: Path | None, taken: Taken, settings: TrainingSettings, start: str | None, force: bool
) -> None:
    """Learn nothing but the state that a model begins from, and write it."""
    from melody.cli.make import find_model
    from melody.cli.screen import Progress, say, show
    from melody.cli.targets import named
    from melody.extras import need
    from melody.text import counted

    check_style(settings, start)
    need("training", "torch")  # before the folder is read
    from melody.training.adapting.state_only import learn_state, style_path

    path = named(style_path(folder, out), force)
    file = find_model(str(start)).file
    grid = file.vocabulary.ticks_per_quarter
    prepared = read_folder(folder, taken.settings(grid))
    with Progress("learning a style") as update:
        found = learn_state(file, prepared, seed=settings.seed, on_step=lambda share: update(share, 1.0))
    found.style.save(path)
    tunes = counted(found.tunes, "tune")
    better = f"{found.before:.3f} nats a note, with the style at {found.after:.3f}"
    say(f"{file.name} begins {found.measured_on} tunes at {better}")
    say(f"learned from {tunes}; write with it: melody generate {path.stem if out is None else path}")
    show(path)


def _is_helper() -> bool:
    """Whether this is one of the other processes of a training: only the first one shows anything.

    Lightning numbers those that it starts itself, torchrun and SLURM theirs on all machines.
    """
    return any(int(os.environ.get(name, "0")) > 0 for name in ("LOCAL_RANK", "RANK", "SLURM_PROCID"))


def _show_plan(prepared: Corpus, settings: TrainingSettings, adapted: ModelFile | None) -> None:
    from melody.cli.screen import answer
    from melody.training.alarms import before
    from melody.training.run import plan

    planned = plan(prepared, settings, adapted)
    for line in planned.lines:
        answer(as_options(line))
    for alarm in before(planned):
        _say(f"alarm: {alarm.sentence}")


def _fit(
    prepared: Corpus,
    out: Path,
    settings: TrainingSettings,
    resume: bool,
    adapted: ModelFile | None,
    command: _Command,
    begun: float,
) -> None:
    from melody.cli.screen import Progress, say, show
    from melody.training.run import fit

    paths = Paths(out)
    result: Result | None = None
    with Progress("training") as update:
        try:
            result = fit(prepared, out, settings, start=adapted, resume=resume, begun=begun, **_shown(update))
        finally:
            drawn = _draw(paths, result) if paths.csv.exists() and not _is_helper() else ""
    if _is_helper():
        return
    _show_result(result, len(prepared.rows("train")))
    for line in command.again(settings, result):
        say(line)
    say(f"losses: {paths.csv}{drawn}" + (f"; sample tunes: {paths.samples}" if paths.samples.exists() else ""))
    show(result.path)


def _say(line: str) -> None:
    """A line of the library's, with options for keywords."""
    from melody.cli.screen import say

    say(as_options(line))


def _draw(paths: Paths, result: Result | None) -> str:
    """Draw the losses, beside the n-gram if it was measured, if that is possible; a sentence about it."""
    from melody.errors import RenderError
    from melody.report.curves import write_curves

    try:
        ngram = {f"n-gram of {result.ngram_order} tokens, {result.measured_on}": result.ngram} if result else {}
        write_curves(paths.csv, paths.png, baselines=ngram)
    except RenderError as error:
        return f" (no picture: {error})"
    return f", {paths.png}"


def _shown(update: Callable[..., None]) -> dict[str, Any]:
    """What `fit` reports, on a progress bar with a line an epoch above it."""

    def on_plan(plan: Plan, carried: str) -> None:
        for line in (*plan.lines, carried):
            if line:
                _say(line)

    def on_epoch(epoch: Epoch) -> None:
        best = "  best so far" if epoch.is_best else ""
        _say(
            f"epoch {epoch.number:3}/{epoch.epochs}  nats per note: train {epoch.train:.3f}  valid {epoch.valid:.3f}"
            f"  (unigram {epoch.unigram:.3f}){best}"
        )

    def on_alarm(alarm: Alarm) -> None:
        _say(f"{'plan' if alarm.kind in REPLANNED else 'alarm'}: {alarm.sentence}")

    return {
        "on_plan": on_plan,
        "on_epoch": on_epoch,
        "on_alarm": on_alarm,
        "on_step": lambda share: update(share, 1.0),
    }


def _show_result(result: Result, pieces: int) -> None:
    from melody.cli.screen import table

    counted = f", counted on {result.ngram_pieces:,} pieces" if result.ngram_pieces < pieces else ""
    rows = [
        (CELLS[result.cell].title, f"{result.test:.3f}", f"{result.opening:.3f}"),
        (f"n-gram of {result.ngram_order} tokens{counted}", f"{result.ngram:.3f}", f"{result.opening_ngram:.3f}"),
        ("unigram", f"{result.unigram:.3f}", f"{result.opening_unigram:.3f}"),
    ]
    table((f"nats per note on the {result.measured_on} pieces, lower is better", "whole", "first 8 bars"), rows)
    _say(f"{result.minutes:.1f} minutes. {result.sentence}")
