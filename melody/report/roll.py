"""The piano roll: a piece as a picture.

Conventions
-----------
Time runs to the right in ticks, wrapped into systems at bar lines, all of one scale. Pitches, drums and
colours are those of `melody.report.roll_layout`; velocity is the strength of the colour. What the pedal holds sounds on as
a pale bar of half the height. Bars are numbered from
`Piece.first_bar` on.

Only `Figure` objects are made, never pyplot's, so nothing opens a window or stays behind. The same piece gives the same
bytes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.errors import RenderError
from melody.extras import need
from melody.files import write_bytes
from melody.general_midi import drum_name
from melody.piece import Ints, Piece
from melody.report.roll_layout import (
    BLACK_KEYS,
    NoteRows,
    bar_lines,
    beats,
    check_prompt_end,
    colours,
    facts,
    part_label,
    widths,
)
from melody.report.tracks import Track
from melody.score.names import pitch_name
from melody.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")

INK, GREY, RULE, _TINT, _FRESH = "#1f2937", "#6b7280", "#9ca3af", "#fdf0d5", "#1d4ed8"
WIDTH, _LEFT, _RIGHT, DPI = 12.0, 0.62, 0.25, 110  # inches; dots an inch
_PALE = 0.4  # of the colour of a note, how much is left of it while the pedal holds it
_TITLE = 0.16  # inches above each track
_HIGHEST = 80  # inches, unless systems would be under 0.9


def _systems(piece: Piece, lines: Ints) -> list[tuple[int, int]]:
    """The systems, as ranges of bars: up to 8 bars of 4/4 each, or 16 in a long piece.

    Phrases of four bars stay whole, a pick-up goes with the bars it leads to, and no bar stands alone at the end.
    """
    bars, quarter = len(lines) - 1, piece.ticks_per_quarter
    most_ticks = (32 if lines[-1] <= 256 * quarter else 64) * quarter
    if lines[-1] <= most_ticks * 5 // 4:
        return [(0, bars)]
    if len(piece.time_signatures) == 1:
        most = max(most_ticks // int(lines[1]), 1)
        most -= most % 4 if most > 4 else 0
        firsts = [0, *range(most + (piece.has_pickup and most > 1), bars, most)]
        if most > 1 and len(firsts) > 1 and bars - firsts[-1] == 1:
            firsts.pop()
    else:
        firsts = [0]
        for bar in range(1, bars):
            if lines[bar + 1] - lines[firsts[-1]] > most_ticks:
                firsts.append(bar)
    return list(zip(firsts, [*firsts[1:], bars]))


def check_installed() -> None:
    """Refuse to draw without Matplotlib."""
    need("a picture", "matplotlib", error=RenderError)


def plot(
    piece: Piece,
    *,
    prompt_end: int = 0,
    title: str | None = None,
    fill: NDArray[np.float64] | None = None,
    tracks: Sequence[Track] = (),
) -> Figure:
    """The piano roll of a piece.

    Parameters
    ----------
    piece
        One note to 50,000, up to 4,096 quarter notes long.
    prompt_end
        The tick at which the continuation begins; what stands before and after it is tinted and labelled. 0: none.
    title
        Written above; default the piece's own title. Key, metre, tempo and bars stand under it.
    fill
        The colour of each note, (notes, 3) of RGB in 0-1; default that of its part.
    tracks
        What stands under each system.

    Raises
    ------
    RenderError
        If the piece is empty or too long, or `prompt_end` is negative.
    """
    check_installed()
    from matplotlib.figure import Figure

    lines = bar_lines(piece)
    check_prompt_end(prompt_end)
    systems, rows = _systems(piece, lines), NoteRows.of(piece)
    legend = [int(p) for p in np.unique(piece.part)]
    key_rows = ceil(len(legend) / 6) if len(legend) > 1 else 0
    units = rows.top - rows.bottom
    tall = float(np.clip(units * (0.105 if len(systems) == 1 else 0.062), 1.0, 4.6 if len(systems) == 1 else 3.4))
    head, gap = 0.8 + 0.24 * key_rows, 0.3
    tall = min(tall, max(_HIGHEST / len(systems) - gap, 0.9))
    below = sum(track.height + _TITLE for track in tracks)
    height = head + len(systems) * (tall + below + gap) + 0.02
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    _write_head(figure, piece, title if title is not None else piece.title, height, legend if key_rows else [])
    notes = NoteBoxes.of(piece, rows, fill)
    longest = max(lines[last] - lines[first] for first, last in systems)
    for i, (first, last) in enumerate(systems):
        wide = (WIDTH - _LEFT - _RIGHT - 0.55 * bool(rows.drums)) * (lines[last] - lines[first]) / longest
        left, bottom = _LEFT + 0.55 * bool(rows.drums), height - head - tall - i * (tall + below + gap)
        axes = figure.add_axes((left / WIDTH, bottom / height, wide / WIDTH, tall / height))
        _draw_row(axes, piece, rows, lines[first : last + 1], piece.first_bar + first, wide, tall)
        notes.draw(axes, int(lines[first]), int(lines[last]))
        notes.draw_pedal(axes, int(lines[first]), int(lines[last]), piece.sounding_end)
        _mark(axes, piece, rows, int(lines[first]), int(lines[last]), min(prompt_end, piece.length))
        for track in tracks:
            bottom -= track.height + _TITLE
            under = figure.add_axes((left / WIDTH, bottom / height, wide / WIDTH, track.height / height))
            track.draw(under, int(lines[first]), int(lines[last]))
    return figure


def _write_head(figure: Figure, piece: Piece, title: str, height: float, legend: list[int]) -> None:
    from matplotlib.patches import Patch

    left = 0.3 / WIDTH
    text = drawable(title, 110, "bold")
    top = 0.3 if text else 0.12
    if text:
        figure.text(left, 1 - 0.14 / height, text, size=14, weight="bold", color=INK, va="top", parse_math=False)
    figure.text(
        left, 1 - (top + 0.1) / height, drawable(facts(piece), 110), size=9.5, color=GREY, va="top", parse_math=False
    )
    if legend:
        paint = colours(piece)
        patches = [Patch(color=paint[p], label=p) for p in legend]
        names = [drawable(part_label(piece, p), 24) for p in legend]
        where = (left, 1 - (top + 0.36) / height)
        drawn = figure.legend(
            patches, names, loc="upper left", bbox_to_anchor=where, ncol=6, frameon=False, fontsize=8, borderpad=0,
            borderaxespad=0, handlelength=1.1, handleheight=0.8, labelcolor=INK,
        )  # fmt: skip
        for label in drawn.get_texts():
            label.set_parse_math(False)


def drawable(text: str, longest: int, weight: str = "normal") -> str:
    """Text from strangers, on one line, with a box for every character that the font lacks (it would warn, or break XML)."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known = get_font(findfont(FontProperties(weight=weight))).get_charmap()
    text = " ".join(plain(text).split())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(c if ord(c) in known else "\N{WHITE SQUARE}" for c in text)


def _draw_row(axes: Axes, piece: Piece, rows: NoteRows, lines: Ints, first_bar: int, wide: float, tall: float) -> None:
    """One system: the frame and the grid."""
    start, stop = int(lines[0]), int(lines[-1])
    axes.set(xlim=(start, stop), ylim=(rows.bottom, rows.top), xticks=[], facecolor="white")
    axes.tick_params(which="both", length=0, pad=3)
    for side in axes.spines.values():
        side.set(color=RULE, linewidth=0.7)
    _draw_pitches(axes, rows, tall / (rows.top - rows.bottom))
    per_tick = wide / (stop - start)
    _draw_bars(axes, piece, rows, lines, first_bar, per_tick)


def _draw_pitches(axes: Axes, rows: NoteRows, unit: float) -> None:
    """Black keys shaded, a line under each C, names as far as there is room; `unit` is a semitone in inches."""
    pitches = np.arange(max(rows.low, 0), min(rows.high, 127) + 1)
    start, stop = axes.get_xlim()
    black = pitches[np.isin(pitches % 12, BLACK_KEYS)]
    _boxes(axes, start, stop, black - 0.5, black + 0.5, facecolors="#f3f4f6", linewidths=0, zorder=0, gid="keys")
    octaves = pitches[pitches % 12 == 0]
    axes.hlines(octaves - 0.5, start, stop, color=RULE, linewidth=0.6, zorder=1)
    drums = [rows.drum_y(p) for p in rows.drums]
    axes.hlines([y + rows.drum_height / 2 for y in drums], start, stop, color="#e5e7eb", linewidth=0.5, zorder=1)
    if drums and rows.high > rows.low:
        axes.axhline(rows.low - 0.5, color=RULE, linewidth=0.9, zorder=2)
        axes.axhspan(rows.low - 0.5 - rows.drum_height / 2, rows.low - 0.5, color="#e5e7eb", linewidth=0)
    step = ceil(7 / (72 * unit * rows.drum_height))  # a name is seven points high
    names = [pitch_name(int(p)) for p in octaves] + [drum_name(p) for p in rows.drums[::step]]
    axes.set_yticks([*octaves, *drums[::step]], names, fontsize=6.5, color=INK)
    others = (2, 4, 5, 7, 9, 11) if unit >= 0.095 else (4, 7) if unit >= 0.045 else ()
    naturals = [int(p) for p in pitches if p % 12 in others]
    axes.set_yticks(naturals, [pitch_name(p)[0] for p in naturals], fontsize=6, color=GREY, minor=True)


def _draw_bars(axes: Axes, piece: Piece, rows: NoteRows, lines: Ints, first_bar: int, per_tick: float) -> None:
    """Bar lines with their numbers, beats where there is room; so is a change of metre."""
    metres = {s.onset: f"  {s.numerator}/{s.denominator}" for s in piece.time_signatures[1:]}
    shown = -1.0
    for i, tick in enumerate(lines[:-1].tolist()):
        at = (tick - lines[0]) * per_tick
        if at >= shown:
            label = f"{first_bar + i}{metres.get(tick, '')}"
            axes.annotate(label, (tick, rows.top), (1, 2), textcoords="offset points", fontsize=7, color=GREY)
            shown = at + 0.07 * len(label) + 0.12
    between = beats(piece, lines, 0.09 / per_tick)
    axes.vlines(between, rows.bottom, rows.top, color="#e2e5ea", linewidth=0.5, zorder=1, gid="beats")
    drawn = lines[1:-1] if np.diff(lines).min() * per_tick > 0.03 else lines[1:-1:16]
    axes.vlines(drawn, rows.bottom, rows.top, color=RULE, linewidth=0.8, zorder=1.5, gid="bars")


class NoteBoxes(NamedTuple):
    """The boxes of all notes: ticks, units of pitch, and colours; each (notes,), `fill` (notes, 3)."""

    onset: Ints
    end: Ints
    bottom: NDArray[np.float64]
    height: NDArray[np.float64]
    fill: NDArray[np.float64]

    @classmethod
    def of(cls, piece: Piece, rows: NoteRows, fill: NDArray[np.float64] | None = None) -> NoteBoxes:
        """Of a piece, in the colours of its parts or in those that are given, (notes, 3)."""
        middle, height = rows.boxes(piece)
        fill = shades(piece) if fill is None else fill
        return cls(piece.onset, piece.onset + widths(piece), middle - height / 2, height, fill)

    def draw(self, axes: Axes, start: int, stop: int, edge: float = 0.7) -> None:
        """Each note in the row where it begins (gid 'notes'), and what is left of it in the next systems (gid 'held')."""
        for gid, inside in (
            ("held", (self.onset < start) & (self.end > start)),
            ("notes", (self.onset >= start) & (self.onset < stop)),
        ):
            left, right = np.maximum(self.onset[inside], start), np.minimum(self.end[inside], stop)
            bottom, top = self.bottom[inside], (self.bottom + self.height)[inside]
            # A white edge would swallow the narrow boxes of a unison.
            edges = np.where(self.height[inside] > 0.8, edge, 0)
            fill = self.fill[inside]
            _boxes(axes, left, right, bottom, top, facecolors=fill, edgecolors="white", linewidths=edges, gid=gid)

    def draw_pedal(self, axes: Axes, start: int, stop: int, sounding_end: Ints) -> None:
        """How far the pedal holds each note, as a pale bar behind it (gid 'pedal')."""
        inside = (sounding_end > self.end) & (self.end < stop) & (sounding_end > start)
        left, right = np.maximum(self.end[inside], start), np.minimum(sounding_end[inside], stop)
        middle, half = (self.bottom + self.height / 2)[inside], self.height[inside] / 4
        fill = 1 - _PALE * (1 - self.fill[inside])
        _boxes(axes, left, right, middle - half, middle + half, facecolors=fill, linewidths=0, zorder=2.5, gid="pedal")


def shades(piece: Piece) -> NDArray[np.float64]:
    """The colour of each note, (notes, 3) of RGB in 0-1: its part's, paler the softer it is."""
    from matplotlib.colors import to_rgb

    strength = (0.35 + 0.65 * piece.velocity / 127)[:, None]
    own = np.array([to_rgb(c) for c in colours(piece)], np.float64)[piece.part]
    return np.asarray(1 - strength * (1 - own))


def _boxes(axes: Axes, left: Any, right: Any, bottom: Any, top: Any, **style: Any) -> None:
    from matplotlib.collections import PolyCollection

    if len(bottom):
        left, right = np.broadcast_to(left, len(bottom)), np.broadcast_to(right, len(bottom))
        corners = np.stack([np.stack([left, left, right, right], 1), np.stack([bottom, top, top, bottom], 1)], 2)
        axes.add_collection(PolyCollection(list(corners), **{"zorder": 3, **style}), autolim=False)


def _mark(axes: Axes, piece: Piece, rows: NoteRows, start: int, stop: int, prompt_end: int) -> None:
    """The prompt and the new music, each tinted and named, and the silence before a pick-up hatched."""
    note: dict[str, Any] = dict(xytext=(3, -3), textcoords="offset points", fontsize=7, va="top", zorder=4, style="italic")
    if start < prompt_end:
        axes.axvspan(start, min(stop, prompt_end), color=_TINT, alpha=0.75, linewidth=0, zorder=0.5, gid="prompt")
        if start == 0:
            axes.annotate("prompt", (0, rows.top), color="#92580a", **note)
    if start <= prompt_end < stop and 0 < prompt_end < piece.length:
        axes.axvline(prompt_end, color=_FRESH, linewidth=1.2, zorder=2)
        axes.annotate("new", (prompt_end, rows.top), color=_FRESH, **note)
    if 0 < prompt_end < min(stop, piece.length):
        axes.axvspan(max(start, prompt_end), stop, color="#e3edff", alpha=0.75, linewidth=0, zorder=0.5, gid="new")
    silence = int(piece.onset[0])
    if start == 0 and piece.has_pickup and silence < stop:
        axes.axvspan(0, silence, facecolor="none", edgecolor="#d1d5db", hatch="////", linewidth=0, zorder=1, gid="pick-up")
        axes.annotate(
            "pick-up", (silence, rows.bottom), color=GREY, **{**note, "xytext": (-3, 3), "va": "bottom", "ha": "right"}
        )


def write_plot(piece: Piece, path: str | os.PathLike[str], **how: Any) -> None:
    """Write the piano roll to a .png or .svg file, whole or not at all; arguments as for `plot`.

    Raises
    ------
    RenderError
        If the suffix is another or the piece cannot be drawn.
    FileError
        If the file cannot be written.
    """
    check_suffix(path)
    write_bytes(path, image(plot(piece, **how), Path(path).suffix.lower()))


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Refuse what is no picture file."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise RenderError(f"{Path(path).name!r} is no picture file; name it .png or .svg")


def image(figure: Figure, suffix: str, settings: Mapping[str, Any] | None = None) -> bytes:
    """A figure as a file of that suffix, the same bytes each time; `settings` are Matplotlib's own that are to differ."""
    import matplotlib

    out = io.BytesIO()
    nameless = {"Software": None} if suffix == ".png" else {"Date": None, "Creator": None}
    # The ids in an SVG are random unless salted, and the salt can only be given as a setting.
    with matplotlib.rc_context({"svg.hashsalt": "melody", **(settings or {})}):
        figure.savefig(out, format=suffix[1:], metadata=nameless)
    return out.getvalue()
