"""The piano roll that the page and a notebook show: one long system of inline SVG.

Conventions
-----------
Pitches, drums and colours are those of `melody.report.roll_layout`. Time runs to the right, in pixels from tick 0. Bars are
numbered from `Piece.first_bar` on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    paint_of,
    widths,
)
from melody.score.names import pitch_name
from melody.text import counted, for_html

ROLL_TOP = 18  # pixels above the roll, for its bar numbers


class SvgRoll(NamedTuple):
    """A roll as inline SVG: the names of its rows, the roll, and the way of a playhead as knots [seconds, x in pixels]."""

    keys: str
    roll: str
    times: list[list[float]]


def svg_roll(piece: Piece, *, prompt_end: int = 0) -> SvgRoll:
    """The piano roll as one long system for a page: light markup without ids, so that many can stand in one document.

    Each note is a `<rect>`, drawn in the light theme; every shape has a class for a style sheet to change that. Music before
    tick `prompt_end` is tinted.

    Raises
    ------
    RenderError
        If the piece is empty or too long, or `prompt_end` is negative.
    """
    lines, rows = bar_lines(piece), NoteRows.of(piece)
    check_prompt_end(prompt_end)
    scale = float(np.clip(1020 * piece.ticks_per_quarter / lines[-1], 22, 60)) / piece.ticks_per_quarter
    unit = float(np.clip(230 / (rows.top - rows.bottom), 10 / rows.drum_height if rows.drums else 4.5, 9))
    wide, tall = lines[-1] * scale, (rows.top - rows.bottom) * unit + ROLL_TOP + 4
    knots = [0, *(t.onset for t in piece.tempi[1:] if t.onset < piece.length), piece.length]
    times = [[round(float(s), 4), round(tick * scale, 2)] for s, tick in zip(piece.seconds(knots), knots)]
    body = (
        _keys(rows, unit, wide)
        + _bars(piece, lines, scale, tall, min(prompt_end, piece.length))
        + _notes(piece, rows, scale, unit)
    )
    head = f'<path class="head" d="M0 0V{tall:.0f}" stroke="#b91c1c" stroke-width="2" visibility="hidden"/>'
    label = for_html(f"Piano roll: {counted(piece.num_notes, 'note')}, {facts(piece)}")
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" height="{tall:.0f}" font-size="10" font-family="sans-serif" fill="#6b7280"'
    )
    roll = f'{svg} width="{wide:.0f}" role="img" aria-label="{label}">{body}{head}</svg>'
    keys = f'{svg} width="{84 if rows.drums else 34}" aria-hidden="true">{_names(rows, unit)}</svg>'
    return SvgRoll(keys, roll, times)


def _names(rows: NoteRows, unit: float) -> str:
    right = 80 if rows.drums else 30
    octaves = [(p, pitch_name(p)) for p in range(max(rows.low, 0), min(rows.high, 127) + 1) if p % 12 == 0]
    every = max(round(10 / (rows.drum_height * unit)), 1)
    drums = [(rows.drum_y(p), drum_name(p)) for p in rows.drums[::every]]
    return "".join(
        f'<text x="{right}" y="{ROLL_TOP + (rows.top - y) * unit + 3.5:.1f}" text-anchor="end">{name}</text>'
        for y, name in [*octaves, *drums]
    )


def _keys(rows: NoteRows, unit: float, wide: float) -> str:
    """Black keys shaded, a line under each C and above the drums."""
    pitches = range(max(rows.low, 0), min(rows.high, 127) + 1)
    tops = {p: ROLL_TOP + (rows.top - p - 0.5) * unit for p in pitches}
    black = "".join(f"M0 {tops[p]:.1f}h{wide:.0f}v{unit:.1f}H0z" for p in pitches if p % 12 in BLACK_KEYS)
    octaves = "".join(f"M0 {tops[p] + unit:.1f}h{wide:.0f}" for p in pitches if p % 12 == 0)
    floor = f"M0 {ROLL_TOP + (rows.top - rows.low + 0.5) * unit:.1f}h{wide:.0f}" if rows.drums and pitches else ""
    return (
        f'<path class="black" fill="#f3f4f6" d="{black}"/>'
        f'<path class="octave" stroke="#9ca3af" stroke-width=".7" d="{octaves}{floor}"/>'
    )


def _bars(piece: Piece, lines: Ints, scale: float, tall: float, prompt_end: int) -> str:
    """Bars with numbers, the prompt, and the silence before a pick-up."""
    box = f'y="{ROLL_TOP}" height="{tall - ROLL_TOP:.0f}"'
    cut, silence = prompt_end * scale, int(piece.onset[0]) * scale
    shapes = [f'<rect class="prompt" fill="#fdf0d5" fill-opacity=".7" width="{cut:.1f}" {box}/>'] if prompt_end else []
    if piece.has_pickup:
        shapes.append(f'<rect class="rest" fill="#9ca3af" fill-opacity=".2" width="{silence:.1f}" {box}/>')
        shapes.append(f'<text x="{silence - 4:.1f}" y="{tall - 5:.0f}" text-anchor="end">pick-up</text>')
    bars = "".join(f"M{x:.1f} {ROLL_TOP - 5}V{tall:.0f}" for x in lines[:-1] * scale)
    fine = "".join(f"M{x:.1f} {ROLL_TOP}V{tall:.0f}" for x in beats(piece, lines, 14 / scale) * scale)
    shapes.append(f'<path class="beat" stroke="#e2e5ea" stroke-width=".7" d="{fine}"/>')
    shapes.append(f'<path class="bar" stroke="#9ca3af" stroke-width=".8" d="{bars}"/>')
    free = 0.0
    for number, x in enumerate(lines[:-1] * scale, piece.first_bar):
        tag = "prompt" if prompt_end and number == piece.first_bar else ""
        if x >= free:
            shapes.append(
                f'<text x="{x + 4:.1f}" y="12">{number}<tspan class="tag" dx="6" fill="#92580a">{tag}</tspan></text>'
            )
            free = x + 24 + 7 * len(tag)
    if 0 < prompt_end < piece.length:
        rest = max(int(lines[-1]) - prompt_end, 0) * scale
        shapes.insert(1, f'<rect class="new" fill="#e3edff" fill-opacity=".7" x="{cut:.1f}" width="{rest:.1f}" {box}/>')
        shapes.append(f'<path class="cut" stroke="#1d4ed8" stroke-width="1.5" d="M{cut:.1f} {ROLL_TOP}V{tall:.0f}"/>')
        shapes.append(f'<text class="tag fresh" fill="#1d4ed8" x="{cut + 4:.1f}" y="{ROLL_TOP + 10}">new</text>')
    return "".join(shapes)


def _notes(piece: Piece, rows: NoteRows, scale: float, unit: float) -> str:
    middle, height = rows.boxes(piece)
    left, wide = piece.onset * scale, np.maximum(widths(piece) * scale, 1.5)
    top = ROLL_TOP + (rows.top - middle - height / 2) * unit
    opacity = 0.4 + 0.6 * piece.velocity / 127
    boxes = [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="1.5" opacity="{o:.2f}"/>'
        for x, y, w, h, o in zip(left, top, wide, height * unit, opacity)
    ]
    parts = [
        f"<g {paint_of(paint)}>{''.join(boxes[i] for i in np.flatnonzero(piece.part == part))}</g>"
        for part, paint in enumerate(colours(piece))
    ]
    return _pedal(piece, scale, top, height * unit) + (
        f'<g class="notes" stroke="#fff" stroke-opacity=".6" stroke-width=".6">{"".join(parts)}</g>'
    )


def _pedal(piece: Piece, scale: float, top: NDArray[np.float64], height: NDArray[np.float64]) -> str:
    """How far the pedal holds each note, as a pale bar behind it; nothing where it holds none."""
    left, wide = piece.end * scale, (piece.sounding_end - piece.end) * scale
    bars = [
        f'<rect x="{left[i]:.1f}" y="{top[i] + height[i] / 4:.1f}" width="{wide[i]:.1f}" height="{height[i] / 2:.1f}"/>'
        for i in np.flatnonzero(wide).tolist()
    ]
    return f'<g class="pedal" fill="#6b7280" opacity=".25">{"".join(bars)}</g>' if bars else ""
