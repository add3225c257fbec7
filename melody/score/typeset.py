"""From engraved SVG to PDF and PNG: Typst sets it, with the fonts that it carries.

Typst knows none of the fonts that verovio embeds, so the signs of a tempo mark are drawn as the outlines that verovio has.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from melody.errors import RenderError
from melody.extras import need

_SIGNS = (
    r'<text x="([\d.-]+)"( y="([\d.-]+)"[^>]*>(?:<tspan[^>]*>)*?)'
    r'<tspan font-family="Leipzig" font-size="(\d+)px">([^<]*)</tspan>'
)


def extra(module: str) -> Any:
    """A package that engraving needs.

    Raises
    ------
    RenderError
        If it is not installed.
    """
    need("engraving", module, error=RenderError)
    return import_module(module)


def typeset(pages: list[str], title: str, form: str, dpi: int) -> bytes:
    """Pages of SVG as one PDF (`form` "pdf"), or one page as PNG ("png") of `dpi` dots an inch; `title` is plain text.

    Raises
    ------
    RenderError
        If Typst is not installed.
    """
    typst = extra("typst")
    source = ["#set page(margin: 0pt, fill: white)", "#set document(title: sys.inputs.title, date: none)"]
    inputs = {"title": title}
    for i, svg in enumerate(pages):
        inputs[f"page{i}"] = _printable(svg)
        width, height = _size_mm(svg)
        image = f'image(bytes(sys.inputs.page{i}), format: "svg", width: 100%)'
        source.append(f"#page(width: {width}mm, height: {height}mm, {image})")
    page = "\n".join(source).encode()
    return bytes(typst.compile(page, format=form, ppi=float(dpi), sys_inputs=inputs, ignore_system_fonts=True))


def _size_mm(svg: str) -> tuple[float, float]:
    found = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    assert found
    return int(found[1]) / 10, int(found[2]) / 10


def _printable(svg: str) -> str:
    """The SVG without what Typst does not know: embedded fonts, titles within text; signs in tempo marks as outlines."""
    svg = re.sub(r"<style[^>]*>@font-face.*?</style>", "", svg, flags=re.S)
    svg = re.sub(r"<title[^>]*>[^<]*</title>", "", svg)
    return re.sub(_SIGNS, _drawn, svg)


def _drawn(match: re.Match[str]) -> str:
    """The note value at the beginning of a tempo mark as paths, and the text moved behind it."""
    x, rest, y, size, signs = float(match[1]), match[2], float(match[3]), int(match[4]), match[5]
    paths, scale = [], size / 1000  # the outlines have 1,000 units to the em
    for sign in "".join(signs.split()):  # verovio parts a dot from its note
        outline, advance = _outline(sign)
        place = f"translate({x:.0f}, {y:.0f}) scale({scale}, {-scale})"
        paths.append(f'<path transform="{place}" stroke="none" d="{outline}"/>')
        x += (advance + 70) * scale
    return f'{"".join(paths)}<text x="{x:.0f}"{rest}'


@lru_cache(maxsize=64)
def _outline(sign: str) -> tuple[str, int]:
    """The outline of a sign in verovio's font Leipzig, and how far it goes; nothing if the font has it not."""
    folder, code = Path(extra("verovio").__file__).parent / "data", f"{ord(sign):04X}"
    try:
        outline = re.search(r' d="([^"]*)"', (folder / "Leipzig" / f"{code}.xml").read_text("utf-8"))
        advance = re.search(rf'c="{code}"[^>]*h-a-x="(\d+)"', (folder / "Leipzig.xml").read_text("utf-8"))
    except OSError:
        return "", 0
    return (outline[1], int(advance[1])) if outline and advance else ("", 0)
