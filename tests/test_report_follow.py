"""Laws of the score on a page: where its notes stand, and that it follows the sound in a real browser."""

from __future__ import annotations

import io
import json
import re
import wave
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rolls import band, tune
from scores import chorale
from test_report_page import BAD_SCORE, Elements, wait_until

from melody import midi
from melody.piece import Part, Piece
from melody.render import audio_bytes
from melody.render.output import duration_of
from melody.report.engraved import read_engraved, score_figure
from melody.report.page import PageTune, write_page
from melody.report.page_tune import page_tune
from melody.score.engraving import EngravingSettings, to_svg

pytestmark = pytest.mark.skipif(find_spec("verovio") is None, reason="verovio, which engraves, is not installed")
CUT = 96 * 40  # a continuation from bar 41 on


def long_tune() -> Piece:
    """Several systems of two-bar figures, with a note tied over every other bar line."""
    random = np.random.default_rng(3)
    onset = np.concatenate([np.array([0, 24, 36, 48, 72, 132, 144, 168]) + 192 * i for i in range(32)])
    duration = np.tile([24, 12, 12, 24, 60, 12, 24, 24], 32)
    return Piece(
        onset, duration, random.integers(62, 80, len(onset)), parts=(Part(40, name="Fiddle"),), keys=[(0, 1, "major")]
    )


def engraved(piece: Piece) -> list[str]:
    return to_svg(piece, settings=EngravingSettings(single_page=True))


# Where the notes stand


@pytest.mark.parametrize("make", [long_tune, chorale, band, lambda: tune(20, 5)])
def test_every_note_is_found_where_it_is_drawn(make: Callable[[], Piece]) -> None:
    piece = make()
    (svg,) = engraved(piece)
    page = read_engraved(svg)
    assert page is not None and len(page.systems) == len(re.findall('class="system"', svg))
    heads = [head for system in page.systems for head in system.heads]
    assert {note for note, *_ in heads} == set(range(piece.num_notes))
    assert len(heads) == len(re.findall('class="note"', svg))
    for system, below in zip(page.systems, [*page.systems[1:], None]):
        assert 0 <= system.left < system.right <= page.width and 0 < system.top < system.bottom < page.height
        assert below is None or system.bottom < below.top
        assert all(system.left < x < system.right for _, x, *_ in system.heads)
        first = {note: x for note, x, *_ in reversed(system.heads)}
        by_onset = sorted(first, key=lambda note: int(piece.onset[note]))
        early, late = by_onset[0], by_onset[-1]
        assert early == late or first[early] < first[late]


@pytest.mark.parametrize(
    "svg",
    [
        "",
        "<svg/>",
        BAD_SCORE,
        '<!DOCTYPE a [<!ENTITY b "c">]><svg/>',
        "<svg viewBox='0 0 0 0'><svg class='definition-scale'/>",
    ],
)
def test_what_verovio_did_not_draw_is_shown_without_an_overlay(svg: str) -> None:
    assert read_engraved(svg) is None
    assert "over" not in [a.get("class") for a in Elements(score_figure([svg], band(), "a", 0)).of("svg")]


def test_the_line_goes_from_note_to_note_and_heads_light_up_in_their_time() -> None:
    piece = long_tune()
    (over,) = [a for a in Elements(score_figure(engraved(piece), piece, "a", 0)).of("svg") if a.get("class") == "over"]
    way, heads = np.array(json.loads(over["data-way"])), np.array(json.loads(over["data-heads"]))
    assert set(piece.seconds(piece.onset).round(2)) <= set(way[:, 0])
    assert set(way[:, 0]) <= set(piece.seconds(np.arange(0, piece.length, 12)).round(2))  # ties begin on bar lines or beats
    system = np.unique(way[:, 2], return_inverse=True)[1]
    for a, b in zip(range(len(way)), range(1, len(way))):
        assert (system[a], way[a, 1]) < (system[b], way[b, 1]) and way[a, 0] < way[b, 0]
    assert len(heads) > piece.num_notes and heads[:, 0].min() == 0
    lit = [(heads[:, 0] <= t) & (t < heads[:, 1]) for t in (piece.seconds(piece.onset) + piece.seconds(piece.end)) / 2]
    assert all(1 <= row.sum() <= 2 for row in lit)


def test_new_music_is_tinted_and_named_from_its_first_note_on() -> None:
    piece = long_tune()
    html = score_figure(engraved(piece), piece, "a", CUT)
    (page,) = filter(None, map(read_engraved, engraved(piece)))
    found = Elements(html)
    boxes = {kind: [a for a in found.of("rect") if a.get("class") == kind] for kind in ("prompt", "new")}
    assert [word for word in found.words["text"]] == ["prompt", "new"]
    for system in page.systems:
        for note, x, y, _ in system.heads:
            kind = "new" if piece.onset[note] >= CUT else "prompt"
            inside = [
                b for b in boxes[kind]
                if float(b["x"]) <= x <= float(b["x"]) + float(b["width"]) and 0 <= y - float(b["y"]) <= float(b["height"])
            ]  # fmt: skip
            assert len(inside) == 1
    assert "new" not in Elements(score_figure(engraved(piece), piece, "a", 0)).words.get("text", [])


# In a browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a continuation and of a tune in four parts."""
    folder = tmp_path_factory.mktemp("page")
    long = "a-name-without-any-place-to-break-it-" * 4
    first = page_tune("longer", long_tune(), prompt_end=CUT, remarks=[long])
    write_page(folder / "a.html", [first, page_tune(long, chorale())], heading=long, settings={long: long})
    return folder


def shown(browser: Any, folder: Path, scheme: str, width: int = 1000) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": width, "height": 500}, color_scheme=scheme)
    tab = context.new_page()
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto((folder / "a.html").as_uri())
    wait_until(tab, "[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    yield tab
    context.close()
    assert said == []


@pytest.fixture(params=["light", "dark"])
def themed(request: Any, browser: Any, folder: Path) -> Iterator[Any]:
    for tab in shown(browser, folder, request.param):
        yield tab, request.param


@pytest.fixture
def tab(browser: Any, folder: Path) -> Iterator[Any]:
    yield from shown(browser, folder, "light")


def test_a_score_has_the_page_s_light_or_dark(themed: Any) -> None:
    from PIL import Image

    tab, scheme = themed
    picture = Image.open(io.BytesIO(tab.locator("#tune-2 .score").screenshot())).convert("L")
    grey = np.asarray(picture) / 255
    paper, ink = np.median(grey), grey.min() if scheme == "light" else grey.max()
    assert (paper > 0.9 and ink < 0.2) if scheme == "light" else (paper < 0.2 and ink > 0.8)


def test_a_continuation_opens_at_its_first_new_bar(tab: Any) -> None:
    begin = float(long_tune().seconds(CUT))
    wait_until(tab, f"Math.abs(document.querySelector('audio').currentTime - {begin}) < .05")
    for box, mark in ((".scroll", ".scroll .cut"), (".score", ".score .cut")):
        inside = """([box, mark]) => {
            const [a, b] = [box, mark].map(s => document.querySelector('#tune-1 ' + s).getBoundingClientRect());
            return a.left <= b.left && b.right <= a.right && a.top <= b.top + 60 && b.bottom <= a.bottom;
        }"""
        assert tab.evaluate(inside, [box, mark]), mark
    assert tab.evaluate("document.querySelector('#tune-1 .score').scrollTop") > 0
    tab.get_by_text("From the beginning").click()
    wait_until(
        tab, "document.querySelector('audio').currentTime < 5 && document.querySelector('#tune-1 .score').scrollTop < 60"
    )
    assert tab.evaluate("document.querySelector('#tune-2 audio').currentTime") == 0


@pytest.mark.parametrize("onset", [0, 37 * 96 + 36, 31 * 192 + 168])
def test_score_and_roll_follow_the_sound_together(tab: Any, onset: int) -> None:
    piece = long_tune()
    (note,) = np.flatnonzero(piece.onset == onset)
    middle = float(piece.seconds([piece.onset[note], piece.end[note]]).mean())
    tab.evaluate(f"document.querySelector('audio').currentTime = {middle}")
    (page,) = filter(None, map(read_engraved, engraved(piece)))
    notes = [head.note for system in page.systems for head in system.heads]
    lit = json.dumps([i for i, other in enumerate(notes) if other == note])
    circles = "[...document.querySelectorAll('#tune-1 .heads circle')]"
    wait_until(
        tab,
        f"JSON.stringify({circles}.flatMap((c, i) => c.classList.contains('on') ? [i] : [])) == '{lit}'.replaceAll(' ', '')",
    )
    near = """mark => {
        const box = mark.closest('.score, .scroll').getBoundingClientRect(), own = mark.getBoundingClientRect();
        return box.left <= own.left && own.right <= box.right && box.top <= own.bottom && own.top <= box.bottom;
    }"""
    for mark in ("#tune-1 .heads .on", "#tune-1 .line", "#tune-1 .notes .on", "#tune-1 .head"):
        assert tab.evaluate(f"({near})(document.querySelector('{mark}'))"), mark


def test_a_click_in_the_score_plays_from_there(tab: Any) -> None:
    circle = tab.locator("#tune-2 .heads circle").nth(2)  # the third note of the soprano
    tab.evaluate("document.querySelector('#tune-2 .score').scrollIntoView()")
    box = circle.bounding_box()
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_until(tab, "document.querySelector('#tune-2 audio').currentTime > 0")
    assert tab.evaluate("document.querySelector('#tune-2 audio').currentTime") == 1.0


def test_one_duration_in_player_and_text(tab: Any) -> None:
    heard = tab.evaluate("[...document.querySelectorAll('audio')].map(a => a.duration)")
    told = tab.evaluate("[...document.querySelectorAll('.facts')].map(p => p.textContent.split(' ').pop())")
    assert [f"{int(s) // 60}:{int(s) % 60:02d}" for s in heard] == told


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_it_without_scrolling_sideways(browser: Any, folder: Path, width: int) -> None:
    for tab in shown(browser, folder, "dark", width):
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_wav_is_made_of_the_sound_of_the_page(tab: Any, tmp_path: Path) -> None:
    with tab.expect_download() as download:
        tab.locator("#tune-2 .files").get_by_text("WAV", exact=True).click()
    download.value.save_as(tmp_path / "a.wav")
    with wave.open(str(tmp_path / "a.wav")) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
        seconds = wav.getnframes() / wav.getframerate()
    assert abs(seconds - tab.evaluate("document.querySelector('#tune-2 audio').duration")) < 0.1
    assert np.abs(samples).max() > 8_000
    assert download.value.suggested_filename.endswith(".wav")


# Beside the browser


def test_the_text_has_the_duration_of_the_sound(tmp_path: Path) -> None:
    piece = Piece([0, 96], [96, 90], [60, 62], tempi=[(0, 500_000), (96, 1_000_000)])
    sound = audio_bytes(piece, codec="wav")
    seconds = duration_of(*sound)
    assert seconds is not None and seconds >= piece.seconds(piece.length) == 5.75
    data = midi.to_bytes(piece)
    for audio, expected in ((sound.data, int(seconds)), (None, 5)):
        write_page(tmp_path / "a.html", [PageTune("a", piece, data, audio, sound.mime)], heading="h")
        assert f"· 0:{expected:02d}</p>" in (tmp_path / "a.html").read_text()
    assert duration_of(b"x", "audio/wav") is None is duration_of(b"x", "audio/mpeg")
