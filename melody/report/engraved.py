"""The score on a page: pictures that verovio engraved, under an overlay that shows what sounds and what is new.

Conventions
-----------
A score stands in `<img>`, where a browser runs no script of it and keeps its ids apart; so the page cannot reach its notes.
Where they stand is read from the picture once (verovio keeps the id `n17` of note 17) and laid over it, in the units of the
picture's own viewBox. Times are in seconds.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from melody.piece import Piece
from melody.report.browser import data_address
from melody.report.roll_layout import widths
from melody.score.notation.metre import GRID
from melody.text import for_html

MAX_HEADS = 4_000  # noteheads that light up; in a longer score only the line moves
_NUMBERS = re.compile(r"-?\d+(?:\.\d+)?")


class Head(NamedTuple):
    """Where a note stands; where it is tied on it stands again, `tied_at` a tick of the page's grid, else None."""

    note: int
    x: float
    y: float
    tied_at: int | None = None


@dataclass
class System:
    """One row of staves: its box, and its noteheads."""

    left: float = 1e9
    right: float = -1e9
    top: float = 1e9
    bottom: float = -1e9
    heads: list[Head] = field(default_factory=list)


@dataclass(frozen=True)
class Engraved:
    """An engraved page: width and height of its viewBox, and its systems from the top."""

    width: float
    height: float
    systems: tuple[System, ...]


def read_engraved(svg: str) -> Engraved | None:
    """Where things stand on a page that verovio engraved; None if the picture is not one of those."""
    if "<!" in svg:  # it may define entities, which a parser would expand
        return None
    try:
        root = ElementTree.fromstring(svg)
        _, _, width, height = _numbers(root.get("viewBox", ""))
        inner = next(e for e in root.iter() if e.get("class") == "definition-scale")
        margin = next(e for e in inner if e.get("class") == "page-margin")
        scale, (x, y) = width / _numbers(inner.get("viewBox", ""))[2], _numbers(margin.get("transform", ""))
        systems = [_system(e, scale, x, y) for e in margin.iter() if e.get("class") == "system"]
    except (ElementTree.ParseError, StopIteration, ValueError, IndexError, ZeroDivisionError):
        return None
    return Engraved(width, height, tuple(s for s in systems if s.heads and s.left < s.right))


def _numbers(text: str) -> list[float]:
    return [float(number) for number in _NUMBERS.findall(text)]


def _system(element: ElementTree.Element, scale: float, x: float, y: float) -> System:
    system = System()
    for inner in element.iter():
        kind = inner.get("class")
        if kind == "staff":
            for line in (e for e in inner if e.tag.endswith("path")):
                x1, y1, x2, y2 = _numbers(line.get("d", ""))
                system.left, system.right = min(system.left, (x1 + x) * scale), max(system.right, (x2 + x) * scale)
                system.top, system.bottom = min(system.top, (y1 + y) * scale), max(system.bottom, (y2 + y) * scale)
        elif kind == "note" and (number := re.fullmatch(r"n(\d{1,9})(?:-(\d{1,9}))?", inner.get("id", ""))):
            head = next(e for e in inner.iter() if e.tag.endswith("use"))
            at = _numbers(head.get("transform", ""))
            tied = int(number[2]) if number[2] else None
            system.heads.append(Head(int(number[1]), (at[0] + x) * scale, (at[1] + y) * scale, tied))
    return system


# As HTML


def score_figure(pages: Sequence[str], piece: Piece, name: str, prompt_end: int) -> str:
    """The pages of a score as a figure in HTML; empty if there are none. `name` is plain text."""
    if not pages:
        return ""
    title = for_html(name)
    sheets = []
    for i, svg in enumerate(pages, 1):
        engraved = read_engraved(svg)
        size = f' width="{engraved.width:.0f}" height="{engraved.height:.0f}"' if engraved else ""
        picture = data_address(svg.encode("utf-8", "replace"), "image/svg+xml")
        image = f'<img src="{picture}"{size} alt="Score of {title}, page {i} of {len(pages)}">'
        under, over = (_underlay(engraved, piece, prompt_end), _overlay(engraved, piece)) if engraved else ("", "")
        sheets.append(f'<div class="sheet">{under}{image}{over}</div>')
    return f'<figure class="score" tabindex="0" role="group" aria-label="Score of {title}">{"".join(sheets)}</figure>\n'


def _overlay(engraved: Engraved, piece: Piece) -> str:
    heads = [head for system in engraved.systems for head in system.heads if head[0] < piece.num_notes]
    begin = piece.seconds(piece.onset).round(2).tolist()
    end = piece.seconds(piece.onset + widths(piece)).round(2).tolist()
    shown = heads if len(heads) <= MAX_HEADS else []
    times = json.dumps([[begin[head.note], end[head.note]] for head in shown], separators=(",", ":"))
    way = json.dumps(list(_way(engraved, piece)), separators=(",", ":"))
    circles = "".join(f'<circle cx="{head.x + 7:.0f}" cy="{head.y:.0f}" r="15"/>' for head in shown)
    box = f'viewBox="0 0 {engraved.width:.0f} {engraved.height:.0f}" aria-hidden="true"'
    return (
        f'<svg class="over" {box} data-heads="{times}" data-way="{way}">'
        f'<rect class="line" width="5" rx="2" visibility="hidden"/><g class="heads">{circles}</g></svg>'
    )


def _underlay(engraved: Engraved, piece: Piece, prompt_end: int) -> str:
    if not 0 < prompt_end < piece.length:
        return ""
    shapes = _regions(engraved, piece, prompt_end)
    return f'<svg class="under" viewBox="0 0 {engraved.width:.0f} {engraved.height:.0f}" aria-hidden="true">{shapes}</svg>'


def _way(engraved: Engraved, piece: Piece) -> Iterator[list[float]]:
    """The way of the line: at this time it stands at this x, in a system from this y to that."""
    begin = piece.seconds(piece.onset).round(2).tolist()
    for system in engraved.systems:
        where: dict[float, float] = {}
        for head in system.heads:
            if head.note < piece.num_notes:
                seconds = begin[head.note]
                if head.tied_at is not None:
                    seconds = round(float(piece.seconds(head.tied_at * piece.ticks_per_quarter / GRID)), 2)
                where[seconds] = min(head.x, where.get(seconds, head.x))
        for seconds, x in sorted(where.items()):
            yield [seconds, round(x), round(system.top), round(system.bottom)]


def _regions(engraved: Engraved, piece: Piece, prompt_end: int) -> str:
    """The prompt and the new music, each tinted and named where it begins."""
    shapes, named = [], set()
    for system in engraved.systems:
        top = min(system.top, *(head.y for head in system.heads)) - 24
        tall = max(system.bottom, *(head.y for head in system.heads)) + 24 - top
        heads = [head for head in system.heads if head.note < piece.num_notes]
        new = [head.x for head in heads if piece.onset[head.note] >= prompt_end]
        old = [head.x for head in heads if piece.onset[head.note] < prompt_end]
        cut = (min(new) - 16 if old else system.left) if new else system.right
        for kind, left, right in (("prompt", system.left, cut), ("new", cut, system.right)):
            if left < right:
                shapes.append(
                    f'<rect class="{kind}" x="{left:.0f}" y="{top:.0f}" width="{right - left:.0f}" height="{tall:.0f}"/>'
                )
                label = (
                    f'<text class="{"fresh" if kind == "new" else "tag"}" x="{left + 6:.0f}" y="{top - 8:.0f}">{kind}</text>'
                )
                shapes.append(label if kind not in named else "")
                named.add(kind)
        if old and new:
            shapes.append(f'<path class="cut" d="M{cut:.0f} {top - 40:.0f}v{tall + 40:.0f}"/>')
    return "".join(shapes)
