"""Scores as files: pictures, what is written is read, and what is no score is refused."""

from __future__ import annotations

import io
import sys
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scores import jig, line, notes_of, read_back

from melody.cli.show import read_tune
from melody.errors import RenderError, ScoreError
from melody.files import FileError
from melody.piece import Key, Piece, TimeSignature
from melody.score.abc.to_abc import to_abc
from melody.score.engraving import EngravingSettings, to_svg, write_score
from melody.score.formats import READS, parse
from melody.score.musicxml.to_musicxml import to_musicxml
from melody.score.score_files import read_score

engraved = pytest.mark.skipif(find_spec("verovio") is None, reason="verovio, which engraves, is not installed")
typeset = pytest.mark.skipif(
    find_spec("verovio") is None or find_spec("typst") is None,
    reason="verovio and typst, which make PNG and PDF, are not installed",
)

# Formats


@pytest.mark.parametrize("content", [b"", b"\0\1\2", b"PK\3\4", b"X:1\nK:C\n", bytes(range(256))])
@pytest.mark.parametrize("suffix", READS)
def test_what_is_no_score_is_refused_in_one_line(suffix: str, content: bytes) -> None:
    with pytest.raises(ScoreError) as refused:
        parse(content, suffix)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("suffix", READS)
def test_every_way_in_knows_every_format(suffix: str, tmp_path: Path) -> None:
    """A file of a format is no MIDI file to anyone."""
    path = tmp_path / f"empty{suffix.upper()}"
    path.touch()
    for read in (read_score, Piece.read, read_tune):
        with pytest.raises(ScoreError):
            read(path)


# Pictures and files


@engraved
def test_svg_is_one_document_a_page_with_every_note_by_number() -> None:
    pages = to_svg(jig())
    root = ET.fromstring(pages[0])
    ids = {e.get("id") for e in root.iter()}
    assert len(pages) == 1 and root.get("viewBox")
    assert {f"n{i}" for i in range(jig().num_notes)} <= ids
    assert pages == to_svg(jig())


HOSTILE = '</text><script>alert(1)</script> & "x" \x00 #image("/etc/passwd") % |]'


def test_a_hostile_title_stays_text(tmp_path: Path) -> None:
    piece = replace(jig(), title=HOSTILE)
    ET.fromstring(to_musicxml(piece))
    assert notes_of(read_back(to_abc(piece), ".abc", tmp_path)) == notes_of(piece)


@typeset
def test_a_hostile_title_stays_text_in_pictures(tmp_path: Path) -> None:
    piece = replace(jig(), title=HOSTILE)
    assert "<script" not in "".join(to_svg(piece))
    write_score(piece, tmp_path / "a.pdf")


@typeset
def test_png_has_the_asked_size_and_ink(tmp_path: Path) -> None:
    from PIL import Image

    written = write_score(jig(), tmp_path / "jig.png", settings=EngravingSettings(dpi=100))
    picture = Image.open(written.paths[0])
    ink = np.asarray(picture.convert("L")) < 128
    assert abs(picture.width - 210 / 25.4 * 100) <= 2
    assert 0.005 < ink.mean() < 0.3
    top = ink[: int(0.1 * picture.width)]  # the title, in the middle of the upper margin
    assert top.any() and abs(np.flatnonzero(top[: len(top) * 4 // 5].any(axis=0)).mean() / picture.width - 0.5) < 0.05


@typeset
def test_pdf_is_vectors_with_its_fonts(tmp_path: Path) -> None:
    write_score(jig(), tmp_path / "jig.pdf")
    content = (tmp_path / "jig.pdf").read_bytes()
    assert content.startswith(b"%PDF") and b"/FontFile" in content and b"/Subtype /Image" not in content
    write_score(jig(), tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == content


@engraved
def test_long_music_goes_on_to_further_pages(tmp_path: Path) -> None:
    piece = line(*[(12, 60 + i % 12) for i in range(8 * 120)], keys=[(0, 0, "major")])
    written = write_score(piece, tmp_path / "long.svg")
    names = [path.name for path in written.paths]
    assert names[:2] == ["long.svg", "long-2.svg"] and sorted(names) == sorted(p.name for p in tmp_path.iterdir())
    assert len(to_svg(piece, settings=EngravingSettings(single_page=True))) == 1


@pytest.mark.parametrize("suffix", [".musicxml", ".xml", ".mxl", ".abc"])
def test_what_is_written_is_read(suffix: str, tmp_path: Path) -> None:
    written = write_score(jig(), tmp_path / f"jig{suffix}")
    again = read_score(written.paths[0])
    assert (notes_of(again), again.title, again.time_signatures) == (notes_of(jig()), "Jig", jig().time_signatures)
    assert [p.name for p in tmp_path.iterdir()] == [f"jig{suffix}"]


def test_tunes_are_read_as_they_are_printed(tmp_path: Path) -> None:
    abc = "X:1\nT:Test\nM:2/4\nL:1/8\nQ:1/4=90\nK:G\nD | {c}G2 F>G | A2- AB |1 (3cBA G2 |]\n"
    piece = read_back(abc, ".abc", tmp_path)
    assert notes_of(piece) == [
        (0, 36, 12, 62),
        (0, 48, 24, 67),
        (0, 72, 18, 66),
        (0, 90, 6, 67),
        (0, 96, 36, 69),
        (0, 132, 12, 71),
        (0, 144, 8, 72),
        (0, 152, 8, 71),
        (0, 160, 8, 69),
        (0, 168, 24, 67),
    ]
    assert (piece.title, piece.keys, round(piece.tempo_qpm)) == ("Test", (Key(0, 1, "major"),), 90)


def test_a_bar_of_another_length_has_its_own_time_signature(tmp_path: Path) -> None:
    piece = read_back("X:1\nM:3/4\nL:1/4\nK:C\nCDE | FG | ABc | c3 |]\n", ".abc", tmp_path)
    assert piece.time_signatures == (TimeSignature(0, 3, 4), TimeSignature(72, 2, 4), TimeSignature(120, 3, 4))


def test_humdrum_is_read(tmp_path: Path) -> None:
    kern = "**kern\n*M3/4\n*k[b-]\n=1\n4f\n8g\n8a\n4b-\n=2\n2.cc\n==\n*-\n"
    assert notes_of(read_back(kern, ".krn", tmp_path)) == [
        (0, 0, 24, 65),
        (0, 24, 12, 67),
        (0, 36, 12, 69),
        (0, 48, 24, 70),
        (0, 72, 72, 72),
    ]


# Refusals


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr({"container": "META-INF/container.xml"}.get(name, f"{name}.xml"), content)
    return stream.getvalue()


BOMB = b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><score-partwise>&b;</score-partwise>'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.mid", b"MThd", "can be read from"),
        ("a.xml", b"", "cannot be read"),
        ("a.xml", b"<html><p>no music</p></html>", r"a\.xml"),
        ("a.musicxml", b"<score-partwise><part-list/>", "cannot be read"),
        ("a.musicxml", BOMB, "entities"),
        ("a.musicxml", BOMB.decode().encode("utf-16"), "entities"),
        ("a.xml", b" " * 8_000_001, "larger than 8 MB"),
        ("a.mxl", b"PK\x03\x04 not a zip", "no compressed MusicXML"),
        ("a.mxl", zipped(container=b'<rootfile full-path="gone.xml"/>'), "no compressed MusicXML"),
        ("a.mxl", zipped(container=b'<rootfile full-path="s.xml"/>', s=b" " * 50_000_000), "larger than 8 MB"),
        ("a.abc", b"X:1\nK:C\nC|\n\nX:2\nK:C\nD|\n", "2 tunes"),
        ("a.abc", b"\xff\xfe\x00\x80", r"a\.abc"),
        ("a.krn", b"not humdrum", r"a\.krn"),
    ],
)
def test_a_file_that_is_no_score_is_refused_in_one_line(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ScoreError, match=message) as caught:
        read_score(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_what_no_page_holds_is_refused(tmp_path: Path) -> None:
    for piece, message in (
        (Piece([], [], []), "no notes"),
        (Piece(np.arange(10_800) * 48, [24] * 10_800, [60] * 10_800), "over 2000 bars"),
        (Piece([0, 2**31 - 100], [24, 24], [60, 62]), "over 2000 bars"),
        (Piece([0], [3], [60], time_signatures=[(0, 3, 64)], ticks_per_quarter=48), "3/64"),
    ):
        with pytest.raises(ScoreError, match=message):
            to_musicxml(piece)
    with pytest.raises(ScoreError, match=r"\.svg, \.png, \.pdf, \.musicxml, \.xml, \.mxl, \.abc"):
        write_score(jig(), tmp_path / "jig.doc")
    with pytest.raises(FileError, match="cannot write"):
        write_score(jig(), tmp_path / "no" / "jig.abc")
    with pytest.raises(ScoreError, match="dpi"):
        EngravingSettings(dpi=5000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("module", "suffix"), [("verovio", ".svg"), ("typst", ".pdf")])
def test_a_missing_package_is_named(module: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RenderError, match=f"engraving needs {module}; install with: pip install .*{module}"):
        write_score(jig(), tmp_path / f"jig{suffix}")


def test_a_picture_has_paper_behind_the_notes(tmp_path: Path) -> None:
    """A viewer with a dark background would show black on black."""
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    write_score(jig(), tmp_path / "jig.png")
    assert image.open(tmp_path / "jig.png").convert("RGBA").getpixel((1, 1)) == (255, 255, 255, 255)
