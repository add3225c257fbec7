"""Contact sheets: a folder of pieces as small piano rolls side by side, 24 on a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melody.errors import RenderError
from melody.files import write_bytes
from melody.piece import Piece
from melody.report.roll import DPI, GREY, INK, RULE, WIDTH, NoteBoxes, check_installed, check_suffix, drawable, image
from melody.report.roll_layout import NoteRows, bar_lines, facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PANELS = 120
PANELS = 24  # on a page


def plot_sheets(pieces: Sequence[tuple[str, Piece]]) -> list[Figure]:
    """Small rolls side by side, a page for every 24 of the first 120 pieces: each fits a screen with its names legible.

    Raises
    ------
    RenderError
        If there is no piece.
    """
    check_installed()
    if not pieces:
        raise RenderError("there are no pieces; a contact sheet shows one or more, so name a folder with some")
    shown = pieces[:MAX_PANELS]
    columns = min(ceil(min(len(shown), PANELS) ** 0.5), 4)
    more = f", the first {len(shown)} of them shown" if len(shown) < len(pieces) else ""
    count = f"{len(pieces)} tune{'s' if len(pieces) != 1 else ''}{more}"
    firsts = range(0, len(shown), PANELS)
    heads = [f"{count} · {i + 1} to {min(i + PANELS, len(shown))}" if len(firsts) > 1 else count for i in firsts]
    return [_plot_sheet(shown[i : i + PANELS], head, columns) for i, head in zip(firsts, heads)]


def _plot_sheet(pieces: Sequence[tuple[str, Piece]], heading: str, columns: int) -> Figure:
    from matplotlib.figure import Figure

    systems = ceil(len(pieces) / columns)
    height = 0.55 + systems * 1.65
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    figure.text(0.25 / WIDTH, 1 - 0.16 / height, heading, size=11, weight="bold", color=INK, va="top")
    each = (WIDTH - 0.25) / columns
    for i, (name, piece) in enumerate(pieces):
        left, bottom = 0.25 + i % columns * each, height - 0.45 - (i // columns + 1) * 1.65 + 0.2
        axes = figure.add_axes((left / WIDTH, bottom / height, (each - 0.25) / WIDTH, 1.05 / height))
        _draw_panel(axes, name, piece, longest=int(13 * (each - 0.25)))
    return figure


def _draw_panel(axes: Axes, name: str, piece: Piece, longest: int) -> None:
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(color=RULE, linewidth=0.6)
    _name(axes, drawable(name, longest, "bold"), 13, fontsize=8.5, weight="bold", color=INK)
    try:
        lines = bar_lines(piece)
    except RenderError:
        note = "no notes" if piece.num_notes == 0 else "too long to draw"
        axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", va="center", fontsize=8, color=GREY)
        return
    _name(axes, drawable(facts(piece), 60), 3, fontsize=7, color=GREY)
    rows = NoteRows.of(piece)
    axes.set(xlim=(0, lines[-1]), ylim=(rows.bottom, rows.top))
    axes.vlines(lines[1 : -1 : ceil(len(lines) / 40)], rows.bottom, rows.top, color="#e5e7eb", linewidth=0.6, zorder=1)
    NoteBoxes.of(piece, rows).draw(axes, 0, int(lines[-1]), edge=0)


def _name(axes: Axes, text: str, points_up: int, **style: Any) -> None:
    where: dict[str, Any] = dict(xycoords="axes fraction", textcoords="offset points", parse_math=False)
    axes.annotate(text, (0, 1), (0, points_up), **where, **style)


def contact_sheet(pieces: Sequence[tuple[str, Piece]], path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write `plot_sheets` as .png or .svg files, each whole or not at all: `path`, then NAME-2.png, NAME-3.png ...

    Returns
    -------
    tuple
        The files, one a page.

    Raises
    ------
    RenderError
        If there is no piece or the suffix is another.
    FileError
        If a file cannot be written.
    """
    check_suffix(path)
    path, figures = Path(path), plot_sheets(pieces)
    paths = [path, *(path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(2, len(figures) + 1))]
    for target, figure in zip(paths, figures):
        write_bytes(target, image(figure, path.suffix.lower()))
    return tuple(paths)
