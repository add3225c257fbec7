"""Scores as pictures and files: SVG, PNG, PDF, MusicXML, ABC.

Conventions
-----------
`melody.score.notation.layout` decides what stands on the page. Verovio engraves the MusicXML that
`melody.score.musicxml.to_musicxml` writes, and the SVG keeps the ids of its notes. `melody.score.typeset` turns the SVG
into PNG and PDF.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from melody import files
from melody.errors import ScoreError
from melody.piece import Piece
from melody.score.abc.to_abc import abc_of
from melody.score.musicxml.to_musicxml import musicxml_of
from melody.score.notation.layout import Notation, notate
from melody.score.typeset import extra, typeset
from melody.text import plain

MAX_TITLE = 72  # characters, what a line holds
WRITES = (".svg", ".png", ".pdf", ".musicxml", ".xml", ".mxl", ".abc")


# Pictures


@dataclass(frozen=True)
class EngravingSettings:
    """How a page looks.

    Parameters
    ----------
    width_mm, height_mm
        The paper, 50 to 2,000 mm; A4 by default.
    staff_mm
        Height of a staff, 2 to 20 mm.
    single_page
        One page as tall as the music and with narrow margins, for a web page (up to some 400 systems).
    short_score
        Four single voices on two staves, as hymn books have them.
    dpi
        Dots per inch of a PNG, 30 to 600.
    """

    width_mm: float = 210.0
    height_mm: float = 297.0
    staff_mm: float = 6.0
    single_page: bool = False
    short_score: bool = True
    dpi: int = 150

    def __post_init__(self) -> None:
        for name, low, high in (("width_mm", 50, 2000), ("height_mm", 50, 2000), ("staff_mm", 2, 20), ("dpi", 30, 600)):
            if not low <= getattr(self, name) <= high:
                raise ScoreError(f"{name} is {getattr(self, name)}; it must be from {low} to {high}")


def to_svg(piece: Piece, *, settings: EngravingSettings | None = None) -> list[str]:
    """The pages as SVG, transparent, with a viewBox so that they fill what they are put into.

    Raises
    ------
    ScoreError
        If the piece is empty or too long for a page.
    RenderError
        If verovio is not installed.
    """
    settings = settings or EngravingSettings()
    return svg_of(notate(piece, short_score=settings.short_score), settings)


def svg_of(notation: Notation, settings: EngravingSettings, crop: bool = True) -> list[str]:
    """A laid-out piece as SVG pages; `crop` ends a page where its music ends."""
    verovio = extra("verovio")
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(_verovio_options(settings, crop))
    title = notation.piece.title
    if len(title) > MAX_TITLE:
        notation = replace(notation, piece=replace(notation.piece, title=title[: MAX_TITLE - 1] + "…"))
    if not toolkit.loadData(musicxml_of(notation)):
        raise ScoreError("verovio could not engrave the piece; write .musicxml and open it in a notation program")
    return [toolkit.renderToSVG(page) for page in range(1, toolkit.getPageCount() + 1)]


def _verovio_options(settings: EngravingSettings, crop: bool) -> dict[str, object]:
    scale = round(100 * settings.staff_mm / 7.2) / 100  # verovio takes whole percents of its staves of 7.2 mm
    margin = round((4 if settings.single_page else 12) * 10 / scale)  # a web page has margins of its own
    return {
        "pageWidth": round(settings.width_mm * 10 / scale),
        "pageHeight": 60_000 if settings.single_page else round(settings.height_mm * 10 / scale),
        "adjustPageHeight": crop or settings.single_page,
        "scale": round(100 * scale),
        **{f"pageMargin{side}": margin for side in ("Left", "Right", "Top", "Bottom")},
        "footer": "none",
        "staffLineWidth": 0.2,  # verovio's own 0.15 is less than a pixel on a screen
        "svgViewBox": True,
        "svgRemoveXlink": True,
        "svgFormatRaw": True,
        "xmlIdSeed": 1,
    }


# Files


class Written(NamedTuple):
    """The files that `write_score` wrote, and sentences on where the page differs from the piece."""

    paths: tuple[Path, ...]
    remarks: tuple[str, ...]


def write_score(piece: Piece, path: str | PathLike[str], *, settings: EngravingSettings | None = None) -> Written:
    """Write a score in the form that the suffix names: .svg .png .pdf .musicxml .xml .mxl .abc.

    A PDF holds all pages. Of SVG and PNG the first page is `path`, the following ones NAME-2.svg, NAME-3.svg ...
    Pictures put chorales on two staves if the settings ask for it; the other formats keep one staff a part.

    Raises
    ------
    ScoreError
        For another suffix, or a piece that is empty or too long for a page.
    RenderError
        If a package for it is not installed.
    """
    path, settings = Path(path), settings or EngravingSettings()
    suffix = path.suffix.lower()
    if suffix not in WRITES:
        raise ScoreError(f"{path.name!r} has the suffix {suffix!r}; a score can be written as {', '.join(WRITES)}")
    notation = notate(piece, short_score=settings.short_score and suffix in (".svg", ".png", ".pdf"))
    remarks = notation.remarks
    if suffix == ".abc" and any(player.is_drum for player in notation.players):
        remarks += ("drums are left out of ABC",)
    contents = _contents(notation, suffix, settings)
    paths = [path, *(path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(2, len(contents) + 1))]
    for target, content in zip(paths, contents):
        files.write_bytes(target, content)
    return Written(tuple(paths), remarks)


def score_bytes(piece: Piece, suffix: str, *, settings: EngravingSettings | None = None) -> bytes:
    """A score as the bytes of one file: .pdf .musicxml .xml .mxl .abc.

    Raises
    ------
    ScoreError
        For another suffix, or a piece that is empty or too long for a page.
    RenderError
        If a package for it is not installed.
    """
    forms = [form for form in WRITES if form not in (".svg", ".png")]
    if suffix not in forms:
        raise ScoreError(f"a score in one file cannot be {suffix!r}; it can be {', '.join(forms)}")
    settings = settings or EngravingSettings()
    notation = notate(piece, short_score=settings.short_score and suffix == ".pdf")
    return _contents(notation, suffix, settings)[0]


def _contents(notation: Notation, suffix: str, settings: EngravingSettings) -> list[bytes]:
    title = plain(notation.piece.title)
    if suffix == ".abc":
        return [abc_of(notation).encode()]
    if suffix in (".musicxml", ".xml"):
        return [musicxml_of(notation).encode()]
    if suffix == ".mxl":
        return [_zipped(musicxml_of(notation))]
    pages = svg_of(notation, settings, crop=suffix != ".pdf")
    if suffix == ".svg":
        return [page.encode() for page in pages]
    if suffix == ".pdf":
        return [typeset(pages, title, "pdf", settings.dpi)]
    return [typeset([page], title, "png", settings.dpi) for page in pages]


def _zipped(musicxml: str) -> bytes:
    """Compressed MusicXML, the same bytes for the same music."""
    container = '<?xml version="1.0"?><container><rootfiles><rootfile full-path="score.musicxml"/></rootfiles></container>'
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (("META-INF/container.xml", container), ("score.musicxml", musicxml)):
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
