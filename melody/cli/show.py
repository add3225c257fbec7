"""`melody render`, `melody plot` and `melody score`: a tune in, sound or pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melody.cli import app
from melody.cli.options import Force
from melody.errors import MidiError, RenderError, SamplingError
from melody.score.formats import READS
from melody.text import counted

if TYPE_CHECKING:
    from melody.midi import Performance
    from melody.piece import Piece

Tune = Annotated[Path, typer.Argument(metavar="TUNE", help="A MIDI, MusicXML, ABC or Humdrum file.", show_default=False)]
Bars = Annotated[
    str | None,
    typer.Option(metavar="FIRST-LAST", help="Only these bars, as 1-16; a pick-up is bar 0.", show_default=False),
]
SCORES = tuple(READS)


def read_tune(path: Path) -> Piece:
    """The music in a file of any kind that is read; repairs are reported."""
    from melody.along.tune_files import read
    from melody.cli.screen import say

    found = read(path)
    for repair in found.repairs:
        say(f"{path.name}: {repair}")
    return found.piece


def span_of(option: str, bars: str) -> tuple[int, int]:
    """The first and the last bar that an option names, as 5-8, or 5 for one bar.

    Raises
    ------
    SamplingError
        If it names none, or the last one comes before the first.
    """
    first, dash, last = (word.strip() for word in bars.partition("-"))
    if not (first.isdecimal() and (last.isdecimal() or not dash) and len(bars) < 20):
        raise SamplingError(f"--{option} is '{bars[:40]}'; write the first and the last bar, as 1-4; a pick-up is bar 0")
    if dash and int(last) < int(first):
        raise SamplingError(f"--{option} is '{bars}', which ends before it begins; write the lower bar first")
    return int(first), int(last if dash else first)


def bars_of(piece: Piece, bars: str | None, option: str = "bars") -> Piece:
    """Bars FIRST-LAST of a piece, counted as in a score; the whole piece if none are named."""
    return piece if bars is None else piece.bars(*span_of(option, bars))


def _read_performed(path: Path, fluidsynth: bool) -> tuple[Piece, Performance | None]:
    """The music in a file, and how it is played if it is a MIDI file; repairs and what is not played are reported."""
    from melody.along.tune_files import read_performed
    from melody.cli.screen import say
    from melody.render import is_silenced

    found = read_performed(path, whole=fluidsynth)
    silent = found.performance is not None and is_silenced(found.performance, found.piece)
    remarks = ["its own volume is 0 from beginning to end: it is silent"] if silent else []
    for remark in (*found.repairs, *remarks):
        say(f"{path.name}: {remark}")
    return found.piece, found.performance


def _out(source: Path, out: Path | None, suffix: str, force: bool, suffixes: tuple[str, ...] = ()) -> Path:
    """The file that was named, or one beside the tune, where nothing is there that must not be replaced."""
    from melody.cli.targets import free, named

    return free(source.with_suffix(suffix), force) if out is None else named(out, force, source=source, suffixes=suffixes)


@app.command()
def render(
    tune: Tune,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="WAV file. Default: beside the tune.", show_default=False)
    ] = None,
    play: Annotated[bool, typer.Option("--play", help="Play it as well.")] = False,
    soundfont: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="SF2 file with the instruments. Default: the one in pretty_midi.", show_default=False
        ),
    ] = None,
    fluidsynth: Annotated[
        bool, typer.Option("--fluidsynth", help="Let FluidSynth make the sound, if it is installed.")
    ] = False,
    force: Force = False,
) -> None:
    """Make a tune sound: a WAV file with General MIDI instruments. Pedal, volume, pan and bend of a MIDI file are played.

    Example: **melody render tunes/fiddle-0-01.mid --play**
    """
    from melody.cli.screen import show
    from melody.render import RenderSettings, render_wav
    from melody.render.output import check_player

    if play:
        check_player()
    out = _out(tune, out, ".wav", force, (".wav",))
    settings = RenderSettings(soundfont=soundfont, synthesizer="fluidsynth" if fluidsynth else "melody")
    piece, performance = _read_performed(tune, fluidsynth)
    render_wav(piece, out, settings, performance)
    show(out)
    if play:
        from melody.render import play as play_audio
        from melody.render import render as render_audio

        play_audio(render_audio(piece, settings, performance), settings.sample_rate)


@app.command()
def plot(
    tune: Annotated[
        Path,
        typer.Argument(
            metavar="TUNE", help="A tune, or a folder of MIDI files for one sheet of them all.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PNG or SVG file. Default: beside the tune.", show_default=False)
    ] = None,
    bars: Bars = None,
    force: Force = False,
) -> None:
    """Draw a tune as a piano roll, or a folder of tunes as sheets of 24.

    Example: **melody plot tunes/fiddle-0-01.mid --out roll.svg**
    """
    from melody.cli.screen import show
    from melody.report.roll import write_plot

    if tune.is_dir():
        if bars is not None:
            raise RenderError(f"--bars {bars[:40]} is of one tune, and {tune} is a folder; name a tune")
        pages = _plot_folder(tune, _out(tune / "sheet.png", out, ".png", force))
    else:
        pages = (_out(tune, out, ".png", force),)
        write_plot(bars_of(read_tune(tune), bars), pages[0])
    for page in pages:
        show(page)


def _plot_folder(folder: Path, out: Path) -> tuple[Path, ...]:
    """Sheets of the tunes in a folder; the files that were written."""
    from melody import midi
    from melody.cli.screen import say
    from melody.report.contact_sheet import MAX_PANELS, contact_sheet

    pieces = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in midi.SUFFIXES):
        try:
            pieces.append((path.stem, midi.read(path)))
        except MidiError as error:
            say(f"left out {error}")
    if not pieces:
        raise RenderError(f"{folder}: holds no MIDI file that can be read; name a folder of tunes")
    pages = contact_sheet(pieces, out)
    if len(pieces) > MAX_PANELS:
        say(f"the first {MAX_PANELS} of {counted(len(pieces), 'tune')} are on the sheet")
    return pages


@app.command()
def score(
    tune: Tune,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File ending in .svg, .png, .pdf, .musicxml, .mxl or .abc. Default: a PDF beside the tune.",
            show_default=False,
        ),
    ] = None,
    bars: Bars = None,
    force: Force = False,
) -> None:
    """Engrave a tune as a score.

    Example: **melody score tunes/fiddle-0-01.mid --out tune.pdf**
    """
    from melody.cli.screen import say, show
    from melody.score.engraving import write_score

    out = _out(tune, out, ".pdf", force)
    written = write_score(bars_of(read_tune(tune), bars), out)
    for remark in written.remarks:
        say(f"{tune.name}: {remark}")
    for path in written.paths:
        show(path)
