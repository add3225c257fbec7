"""What commands that make tunes have in common: tunes are checked, written, shown and remarked on."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from melody import files
from melody.cli import typed
from melody.cli.options import Drawing, Writing
from melody.cli.screen import Progress, say, show
from melody.cli.targets import Targets, for_tunes, short
from melody.limits import Limits

if TYPE_CHECKING:
    from melody.originality.index import Index
    from melody.piece import Piece
    from melody.sampling import Model, SamplingSettings
    from melody.sampling.result import Result
    from melody.sampling.tasks.midi_edit import Edited


def targets_of(writing: Writing, *words: str, source: Path | None = None) -> Targets:
    """Where tunes go, never over `source`, the file that is read; their names consist of the words."""
    return for_tunes(writing.out, "-".join(map(short, words)), writing.number, writing.also, writing.force, source)


@dataclass(frozen=True)
class Made:
    """A tune, and what is known of it."""

    piece: Piece
    prompt_end: int = 0
    remarks: tuple[str, ...] = ()
    first_bar: int | None = None
    removed: float = 0.0
    nats: float = float("nan")
    faults: tuple[str, ...] = ()
    in_file: Edited | None = None  # if it was put into the bytes of a file
    data: bytes = b""  # the bytes to write, if they are not those of the piece alone
    as_read: Result | None = None  # what limits are about, where it stands in another time than was read
    number: int | None = None  # which of the tunes it is, from 0, where they come in another order


@dataclass(frozen=True)
class Page:
    """What stands at the top of the page that shows the tunes."""

    heading: str
    model: Model
    settings: SamplingSettings
    limits: Limits
    index: Index | None = None  # of the model's training pieces, to say what a tune has from them


def write_tunes(
    made: Iterable[Made], targets: Targets, drawing: Drawing, writing: Writing, page: Page, *, doing: str = "writing"
) -> None:
    """Write each tune as soon as it is made, and at last the page; `doing` stands beside the bar that shows how far it is.

    They are shown in the order of their numbers, with their sound and picture if they are wanted, however they come. Where
    that is broken off, what is written and was not its turn is shown at once.
    """
    on_page: list[tuple[Path, Made]] = []
    waiting: dict[int, tuple[Path, Made]] = {}
    given = 0
    try:
        for number, path, tune in _written(_with_progress(made, len(targets.paths), doing), targets, page.limits):
            waiting[number] = path, tune
            while given in waiting:
                path, tune = waiting.pop(given)
                show(path)
                if given == 0 and drawing.is_new:
                    _report_seed(targets, drawing)
                shared = _finish(path, tune, writing, page)
                on_page += [(path, replace(tune, remarks=(*tune.remarks, *shared)))] if writing.html else []
                given += 1
    finally:
        for number in sorted(waiting):
            show(waiting[number][0])
    if on_page:
        _write_page(on_page, targets, page)


def _written(made: Iterable[Made], targets: Targets, limits: Limits) -> Iterator[tuple[int, Path, Made]]:
    """Tunes that have been written, each with its number and its path."""
    for count, tune in enumerate(made):
        number = count if tune.number is None else tune.number
        data = _checked(tune, limits)
        if targets.folder:
            files.make_folder(targets.folder)
        files.write_bytes(targets.paths[number], data)
        yield number, targets.paths[number], tune


def _finish(path: Path, tune: Made, writing: Writing, page: Page) -> list[str]:
    """Write what stands beside a tune and say what there is to say of it; gives what it has from the training pieces."""
    from melody.originality.wording import finding_on, sentence_on

    _write_beside(path, tune, writing)
    shared = sentence_on(finding_on(page.index, tune.piece, tune.prompt_end))
    _report(path, tune, page.limits, shared)
    return [shared] if shared else []


def with_remarks(made: Iterable[Made], name: str) -> Iterator[Made]:
    """The tunes; what there is to remark on that of this name is shown as they come, each sentence once."""
    shown: set[str] = set()
    for tune in made:
        for remark in tune.remarks:
            if remark not in shown:
                say(f"{name}: {remark}")
        shown |= {*tune.remarks}
        yield tune


def _with_progress(made: Iterable[Made], count: int, doing: str) -> Iterator[Made]:
    """The tunes, with a bar for how many there are."""
    with Progress(doing, "tunes") as update:
        for number, tune in enumerate(made, 1):
            yield tune
            update(number, count)


def _report_seed(targets: Targets, drawing: Drawing) -> None:
    """The command that writes the same again: not before something is written, and early where there is much to write."""
    replacing = [] if targets.folder or "--force" in typed else ["--force"]
    again = shlex.join(["melody", *typed, "--seed", str(drawing.number), *replacing])
    say(f"seed {drawing.number}: {again} writes {'it' if len(targets.paths) == 1 else 'them'} again")


def _write_beside(path: Path, tune: Made, writing: Writing) -> None:
    if writing.wav:
        from melody.render import render_wav

        render_wav(tune.piece, path.with_suffix(".wav"))
        show(path.with_suffix(".wav"))
    if writing.png:
        from melody.report.roll import write_plot

        write_plot(tune.piece, path.with_suffix(".png"), prompt_end=tune.prompt_end)
        show(path.with_suffix(".png"))


def _checked(tune: Made, limits: Limits) -> bytes:
    """The bytes of the file, which have been read back and keep to the limits."""
    from melody import midi
    from melody.limits.verifying import ensure

    data = tune.in_file.data if tune.in_file else tune.data or midi.to_bytes(tune.piece)
    if limits != Limits() and tune.in_file:
        tune.in_file.ensure(limits)
    elif limits != Limits() and tune.as_read:
        ensure(tune.as_read.piece, limits, start=tune.as_read.first_tick, first_bar=tune.as_read.first_bar)
    elif limits != Limits():
        piece = midi.parse(data, ticks_per_quarter=tune.piece.ticks_per_quarter).piece
        ensure(piece, limits, start=tune.prompt_end, first_bar=tune.first_bar)
    return data


def _report(path: Path, tune: Made, limits: Limits, shared: str) -> None:
    """Remarks on a tune: what share of the probability the limits took, how likely it is, its faults, copying."""
    remarks = [f"the limits took {tune.removed:.1%} of the probability"] if limits.more_than_bars else []
    remarks += [f"{tune.nats:.3f} nats a note"] if tune.nats == tune.nats else []
    remarks += [", ".join(tune.faults)] if tune.faults else []
    remarks += [shared] if shared else []
    if remarks:
        say(f"{path.name}: {'; '.join(remarks)}")


def _write_page(shown: list[tuple[Path, Made]], targets: Targets, page: Page) -> None:
    """One page with all the tunes, beside them; and in a folder the list of its pages and tunes."""
    from melody.report.page import write_page
    from melody.report.page_tune import page_tune

    tunes = []
    with Progress("making the page", "tunes") as update:
        for path, tune in shown:
            tunes.append(page_tune(path.stem, tune.piece, prompt_end=tune.prompt_end, remarks=tune.remarks))
            update(len(tunes), len(shown))
    write_page(targets.page, tunes, heading=page.heading, settings=_settings(page))
    show(targets.page)
    if targets.folder:
        _write_index(targets.folder)


def _write_index(folder: Path) -> None:
    from melody.report.contents import write_contents

    path = folder / "index.html"
    if write_contents(folder, path):
        show(path)
    else:
        say(f"{path} is another program's and stays as it is")


def _settings(page: Page) -> dict[str, str]:
    shown = {"model": f"{page.model.file.name} {page.model.file.fingerprint}"} | {
        k.replace("_", "-"): str(v) for k, v in asdict(page.settings).items() if v is not None
    }
    words = page.limits.summary.split(" ") if page.limits.more_than_bars else []
    return shown | dict(word.split("=", 1) for word in words if "=" in word)
