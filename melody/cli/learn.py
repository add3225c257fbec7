"""`melody corpus` and `melody prepare`: music in, a corpus out."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melody.cli import app
from melody.cli.options import Force
from melody.text import counted

if TYPE_CHECKING:
    from melody import corpus as corpora

_SHOWN = 20  # rejected files on the screen


@app.command()
def corpus(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which collection to write; none lists them.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to write to. Default: data/NAME.", show_default=False)
    ] = None,
    force: Force = False,
) -> None:
    """List the music that comes with the program, or write one collection as a folder of MIDI files.

    Everything is in the public domain and inside the music21 package: nothing is downloaded.

    Example: **melody corpus fiddle --out data/fiddle**
    """
    from melody import files, midi
    from melody.cli.screen import Progress, answer, say, show, table
    from melody.errors import CorpusError
    from melody.score.collections import COLLECTIONS, load

    if name is None:
        rows = [(c.name, c.title, c.years, f"{c.pieces:,}", f"{c.notes:,}") for c in COLLECTIONS.values()]
        table(("name", "collection", "years", "pieces", "notes"), rows, answer)
        say("write one with: melody corpus NAME --out FOLDER")
        return
    if name not in COLLECTIONS:
        raise CorpusError(f"there is no collection '{name}'; there are {', '.join(COLLECTIONS)}")
    out = _folder(out, name, force)
    written = out if out.exists() else out.with_name(f"{out.name}.part")  # a new folder appears whole or not at all
    files.make_folder(written)
    skipped: list[str] = []
    with Progress(f"writing {name}", "tunes") as update:
        pieces = load(
            name,
            on_progress=update,
            on_skip=lambda stem, reason: skipped.append(f"left out {stem}: {reason}"),
        )
        count = 0
        for stem, piece in pieces:
            midi.write(piece, written / f"{stem}.mid")
            count += 1
    if written != out:
        written.replace(out)
    for line in skipped:
        say(line)
    say(f"{counted(count, 'tune')} written; train on them with: melody train {out}")
    show(out)


def _folder(out: Path | None, name: str, force: bool) -> Path:
    """The folder for a collection: one that was named, or data/NAME, where no file is that would be replaced."""
    from melody.cli.targets import free
    from melody.files import FileError

    if out is None:
        return free(Path("data") / name, force)
    if out.is_dir() and any(out.iterdir()) and not force:
        raise FileError(f"{out} is there already and holds files; name another folder, or replace them with --force")
    return out


Part = Annotated[
    str,
    typer.Option(
        metavar="PART",
        help="Take of each piece: all, highest, melodic (most like a melody), a number from 1, a track's name.",
    ),
]
Drums = Annotated[bool, typer.Option("--drums/--no-drums", help="Keep drum parts.")]
Pedal = Annotated[
    bool,
    typer.Option("--pedal/--no-pedal", help="Learn the sustain pedal, or leave it out: notes as long as keys are held."),
]

FindBeats = Annotated[
    bool, typer.Option("--find-beats", help="Let recorded performances follow their beats where these are clear.")
]


@app.command()
def prepare(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Folder, zip or tar archive of music.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Store to write, NAME.store, or to bring up to date. Without it only the verdicts.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="JSON file to write: an object for each file, with its verdict.", show_default=False
        ),
    ] = None,
    explain: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Show what becomes of this one file, and why.", show_default=False)
    ] = None,
    part: Part = "all",
    drums: Drums = True,
    pedal: Pedal = True,
    find_beats: FindBeats = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 for one a core.")] = 0,
    dask: Annotated[str, typer.Option(metavar="ADDRESS", help="Let a Dask cluster do the work.", show_default=False)] = "",
    force: Force = False,
) -> None:
    """Look through a folder of music: a verdict for every file, copies and versions found, a split that does not leak.

    `melody train` does the same by itself.

    Example: **melody prepare my-songs --report verdicts.json**
    """
    from melody import files
    from melody.cli.screen import answer, say, show, table
    from melody.cli.targets import named
    from melody.corpus import PrepareSettings
    from melody.corpus import explain as explain_file
    from melody.errors import CorpusError

    settings = PrepareSettings(part=part, drums=drums, pedal=pedal, find_beats=find_beats, workers=workers, dask=dask)
    if explain is not None:
        if folder is None and not explain.exists() and not any(path.is_file() for path in explain.parents):
            raise CorpusError(f"{explain} is not there; name a file, or one in an archive: songs.zip/tune.mid")
        for line in explain_file(explain, settings, folder=folder).explained():
            answer(line)
        return
    if folder is None:
        raise CorpusError("no folder was named; write: melody prepare FOLDER, or melody prepare --explain FILE")
    if report is not None:
        named(report, force, source=folder)
    prepared = read_folder(folder, settings, out)
    rejected = [v for v in prepared.verdicts if v.status == "rejected"]
    table(("not used", "why"), [(v.path, v.reason) for v in rejected[:_SHOWN]] or [("none", "")])
    if len(rejected) > _SHOWN:
        say(f"... and {len(rejected) - _SHOWN:,} more; --report FILE.json names them all")
    if report is not None:
        files.write_bytes(report, json.dumps(prepared.report(), indent=1, ensure_ascii=False).encode())
    for path in (out, report):
        if path is not None:
            show(path)


def read_folder(
    folder: Path, settings: corpora.PrepareSettings, store: Path | None = None, with_split: bool = True
) -> corpora.Corpus:
    """The corpus of a folder, with a progress bar, and in a few lines what was kept and chosen, and how it was split."""
    from melody.cli.screen import Progress, say
    from melody.corpus import Corpus
    from melody.corpus import prepare as prepare_folder

    if folder.suffix == ".store" and folder.is_file():
        prepared = Corpus.open(folder)
        for line in prepared.summary() if with_split else prepared.summary()[:1]:
            say(line)
        return prepared
    with Progress(f"reading {folder}", "files") as update:
        prepared = prepare_folder(folder, settings, store=store, on_progress=partial(_update, update))
    for line in (*(prepared.summary() if with_split else prepared.summary()[:1]), *prepared.remarks):
        say(line)
    return prepared


def _update(update: Callable[..., None], done: corpora.Progress) -> None:
    rate = f"{done.done / done.seconds:,.0f} files/s, {done.notes / done.seconds:,.0f} notes/s" if done.seconds else ""
    update(done.done, done.files, rate)
