"""Text from files is never interpreted: whatever a name, a title or a remark says, every output stays what it is.

Each output is read by a parser that is not ours; what it finds must be the same elements as with a harmless text.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scores import notes_of, read_back

from melody import midi
from melody.piece import Part, Piece
from melody.report.page import PageTune, page, repr_html, write_page
from melody.report.page_tune import page_tune
from melody.report.roll import write_plot
from melody.report.svg_roll import svg_roll
from melody.score.abc.to_abc import to_abc
from melody.score.engraving import score_bytes, to_svg
from melody.score.musicxml.to_musicxml import to_musicxml
from melody.text import for_abc, for_html, for_xml, plain

NASTY = [
    "&", "<", ">", '"', "'", "]]>", "<![CDATA[", "<!--", "-->", "</part-name>", "</text>", "</h2>", "<script>bad=1</script>",
    "<img src=x onerror=bad=1>", "&amp;", "&#0;", "&lt", "{", "}", "<?xml?>", "<!DOCTYPE a>", "javascript:",
    "\x00", "\x01", "\x0b", "\x1b[2J", "\x7f", "\x85", "\x9b", "\n", "\r", "\t", "\u2028", "\u2029", "\ud800", "\udfff",
    "\ufffe", "\uffff", "\u202e", "\u2066", "\ufeff", "\u200d", "%", "!", "%%", "X:1\nK:", "\nw:a", "|", "[K:D]", "[r:x]",
    "\\", "\\%", "$1", "#image(\"/etc/passwd\")", "é", "日本", "🎼", " ", "a", "Fiddle", "#", "[b]", "[/b]",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(NASTY) | st.characters(), max_size=8).map("".join)
HARMLESS = "a"


def piece_of(text: str, parts: int = 2) -> Piece:
    """A few bars with that text wherever a text may stand."""
    players = tuple(Part(program, name=text) for program in (40, 73, 48, 61)[:parts])
    onset = np.repeat([0, 24, 48, 96], parts)
    pitch = (np.array([60, 62, 64, 65])[:, None] + 12 * np.arange(parts)[::-1]).reshape(-1)
    return Piece(
        onset,
        [24] * len(onset),
        pitch,
        part=np.tile(np.arange(parts), 4),
        parts=players,
        title=text,
        texts=(text, text),
        keys=[(0, 0, "major")],
    )


# The door


@given(TEXTS)
def test_plain_text_is_one_line_that_commands_nothing(text: str) -> None:
    out = plain(text)
    assert len(out.splitlines()) <= 1
    assert not [
        c for c in out if unicodedata.category(c) in ("Cc", "Cs") or (not c.isprintable() and c not in "\u200c\u200d")
    ]
    out.encode("utf-8")
    assert plain(out) == out


@given(st.text(st.sampled_from("abc é日🎼.,-()/"), max_size=20))
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert plain(text) == for_html(text) == for_xml(text) == text and for_abc(text) == " ".join(text.split())


@given(TEXTS)
def test_text_comes_back_from_xml_as_plain_text(text: str) -> None:
    root = ET.fromstring(f'<a b="{for_xml(text)}">{for_xml(text)}</a>')
    assert root.get("b") == (root.text or "") == plain(text) and len(root) == 0


# Each output


def shape(root: ET.Element) -> list[tuple[str, tuple[str, ...]]]:
    """Every element with the names of its attributes."""
    return [(e.tag, tuple(sorted(e.keys()))) for e in root.iter()]


@given(TEXTS)
def test_musicxml_holds_the_text_and_no_more(text: str) -> None:
    root = ET.fromstring(to_musicxml(piece_of(text)))
    optional = {"work", "work-title", "part-abbreviation", "part-name-display", "display-text"}  # by the length of the text
    expected = shape(ET.fromstring(to_musicxml(piece_of(HARMLESS))))
    assert [e for e in shape(root) if e[0] not in optional] == [e for e in expected if e[0] not in optional]
    assert [part.findtext("part-name") for part in root.iter("score-part")] == [plain(text) or name for name in NAMES]
    assert all(field.text in (plain(text), None) for field in root.iter("miscellaneous-field"))
    ET.fromstring(to_musicxml(piece_of(text, parts=4)))


NAMES = ["Violin", "Flute"]  # by the instruments, where the file gives no name


@given(text=TEXTS)
def test_abc_stays_one_tune_of_the_same_notes(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    piece, harmless = piece_of(text), to_abc(piece_of(HARMLESS)).splitlines()
    abc = to_abc(piece)
    lines = abc.splitlines()
    assert [line[:2] for line in lines] == [line[:2] for line in harmless]
    assert [line for line in lines if line[:2] not in ("T:", "N:", "V:")] == [
        line for line in harmless if line[:2] not in ("T:", "N:", "V:")
    ]
    assert not re.search(r"(?<!\\)(?:\\\\)*%", "".join(line for line in lines if line[:2] in ("T:", "N:", "V:")))
    assert all(line.count('"') == 2 and not line.endswith('\\"') for line in lines if line.startswith("V:"))
    assert notes_of(read_back(abc, ".abc", tmp_path_factory.mktemp("abc"))) == notes_of(piece)


@pytest.mark.skipif(find_spec("verovio") is None, reason="verovio, which engraves, is not installed")
@given(TEXTS)
def test_an_engraved_page_holds_no_element_of_the_text(text: str) -> None:
    allowed = {
        "svg",
        "desc",
        "defs",
        "g",
        "path",
        "use",
        "text",
        "tspan",
        "style",
        "rect",
        "polygon",
        "polyline",
        "ellipse",
        "title",
    }
    for svg in to_svg(piece_of(text)):
        root = ET.fromstring(svg)
        assert {e.tag.rpartition("}")[2] for e in root.iter()} <= allowed
        assert not [k for e in root.iter() for k, v in e.items() if k.startswith("on") or "javascript" in v]


@pytest.mark.skipif(find_spec("typst") is None, reason="typst, which makes PDF, is not installed")
def test_a_pdf_is_made_of_any_text() -> None:
    for text in ("".join(NASTY), "\x00", "\ud800", "日本"):
        assert score_bytes(piece_of(text), ".pdf").startswith(b"%PDF")


class Tags(HTMLParser):
    """Every tag with the names of its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attributes]))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", []))

    def unknown_decl(self, data: str) -> None:
        self.found.append(("declaration", []))


def full_page(text: str) -> str:
    tune = PageTune(
        text, piece_of(text), b"MThd", b"RIFF", score_svgs=("<svg/>",), remarks=(text,), settings={"a" + text: text},
        musicxml=b"PK", pdf=b"%PDF", prompt_end=24,
    )  # fmt: skip
    return page(
        [tune, tune],
        heading=text,
        settings={"a" + text: text},
        more=[(text, text.encode("utf-8", "ignore").decode() + ".mid")],
    )


def notebook(text: str) -> str:
    return repr_html(replace(piece_of(text), tempi=((0, 2**24 - 1),), ticks_per_quarter=6))  # too long for a player


@given(TEXTS)
@pytest.mark.parametrize("make", [full_page, notebook, lambda text: svg_roll(piece_of(text)).roll])
def test_html_holds_no_tag_of_the_text(make: Callable[[str], str], text: str) -> None:
    html = make(text)
    html.encode()
    found, expected = (Tags(h).found for h in (html, make(HARMLESS)))
    without = [("strong", [])] if not text else []  # an empty title is left out
    assert found == [tag for tag in expected if tag not in without]


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_picture_is_drawn_of_any_text(tmp_path: Path, suffix: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_plot(piece_of("".join(NASTY)), tmp_path / f"a{suffix}", title="".join(NASTY[::-1]))
    if suffix == ".svg":
        tags = {e.tag.rpartition("}")[2] for e in ET.parse(tmp_path / "a.svg").iter()}
        assert not tags & {"script", "image", "a", "img", "foreignObject"}


@pytest.mark.skipif(find_spec("verovio") is None, reason="verovio, which engraves, is not installed")
def test_a_browser_finds_no_element_and_runs_no_script_of_the_text(browser: Any, tmp_path: Path) -> None:
    found, said = {}, []
    for text in (HARMLESS, "".join(NASTY), "".join(NASTY[::-1])):
        tune = page_tune(text, piece_of(text), remarks=[text], settings={"a" + text: text}, prompt_end=24)
        write_page(tmp_path / "a.html", [tune, tune], heading=text, settings={"a" + text: text}, more=[(text, "a.mid")])
        tab = browser.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto((tmp_path / "a.html").as_uri())
        found[text] = tab.evaluate("[...document.querySelectorAll('*')].map(e => e.tagName)")
        assert tab.evaluate("[window.bad, document.scripts.length].join()") == ",1"
        tab.close()
    assert len(set(map(tuple, found.values()))) == 1 and said == []


def test_a_midi_file_is_written_of_any_text() -> None:
    for text in ("\ud800", "".join(NASTY)):
        again = midi.parse(midi.to_bytes(piece_of(text))).piece
        assert again.num_notes == 8 and "\ud800" not in again.title + again.parts[0].name
