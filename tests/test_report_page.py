"""Laws of the page and its piano roll; the page is also opened in a real browser where there is one."""

from __future__ import annotations

import io
import json
import re
import time
import wave
import xml.etree.ElementTree as ElementTree
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rolls import HOSTILE, band, tune

from melody.errors import RenderError
from melody.piece import Piece
from melody.report.page import MAX_SOUND, PageTune, page, repr_html, write_page
from melody.report.svg_roll import svg_roll


class Elements(HTMLParser):
    """All elements as (tag, attributes); every tag that opens must close."""

    VOID = ("meta", "link", "img")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert len(dict(attributes)) == len(attributes)
        self.found.append((tag, {k: v or "" for k, v in attributes}))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {k: v or "" for k, v in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.words.setdefault(self._open[-1], []).append(data)

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def sine(seconds: float, rate: int = 8000) -> bytes:
    """A WAV file of concert A, mono, 16 bits."""
    samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return out.getvalue()


BAD_SCORE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="80"><script>parent.bad = 1</script>'
    '<image href="http://example.com/x.png"/><rect id="a" width="9" height="9"/></svg>'
)


def tunes() -> list[PageTune]:
    bad = f'{HOSTILE}<img src="http://example.com/y.png" onerror="bad=1">'
    return [
        PageTune(
            "First",
            band(),
            b"MThd-1",
            sine(2),
            score_svgs=(BAD_SCORE, BAD_SCORE),
            settings={"seed": "7"},
            pdf=b"%PDF",
            musicxml=b"PK",
        ),
        PageTune(bad, tune(32), b"MThd-2", sine(1), remarks=(bad,), settings={bad: bad}),
        PageTune("Silent", tune(3), b"MThd-3"),
    ]


def made() -> str:
    return page(tunes(), heading=HOSTILE, settings={"model": "<b>"})


def decoded(address: str, mime: str) -> bytes:
    head, _, data = address.partition(";base64,")
    assert head == f"data:{mime}"
    return b64decode(data, validate=True)


def test_page_is_whole_and_asks_for_nothing() -> None:
    elements = Elements(made())
    addresses = [v for _, a in elements.found for k, v in a.items() if k in ("src", "href", "srcset", "action", "poster")]
    assert addresses and all(address.startswith(("data:", "#")) for address in addresses)
    ids = [a["id"] for _, a in elements.found if "id" in a]
    assert len(set(ids)) == len(ids) and {a["href"] for a in elements.of("a") if "#" in a.get("href", "")} == {
        f"#{i}" for i in ids
    }
    assert elements.of("html")[0]["lang"] == "en" and len(elements.of("h1")) == 1 and len(elements.of("h2")) == 3
    assert all(a.get("alt") for a in elements.of("img")) and all(a.get("aria-label") for a in elements.of("audio"))
    assert made() == made()


def test_page_runs_its_own_script_and_no_other() -> None:
    elements = Elements(made())
    assert len(elements.of("script")) == len(elements.of("style")) == 1
    assert not [a for _, a in elements.found if any(k == "style" or k.startswith("on") for k in a)]
    policy = next(a["content"] for a in elements.of("meta") if "http-equiv" in a)
    for tag in ("script", "style"):
        digest = b64encode(sha256("".join(elements.words[tag]).encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert any("<script>alert(1)</script>" in word for word in elements.words["h2"])


def test_page_holds_the_files_it_was_given_once() -> None:
    elements = Elements(made())
    links = [a for a in elements.of("a") if "download" in a]
    assert [decoded(a["href"], "audio/midi") for a in links if "audio/midi" in a.get("href", "")] == [
        t.midi for t in tunes()
    ]
    assert [decoded(a["src"], "audio/wav") for a in elements.of("audio")] == [t.audio for t in tunes() if t.audio]
    assert [decoded(a["src"], "image/svg+xml") for a in elements.of("img")] == [BAD_SCORE.encode()] * 2
    assert (
        all(re.fullmatch(r"[\w.-]+\.(mid|wav|pdf|mxl)", a["download"]) for a in links)
        and links[0]["download"] == "First.mid"
    )


def test_page_roll_draws_each_note_once_and_the_playhead_keeps_time() -> None:
    piece = band()
    picture = svg_roll(piece, prompt_end=96)
    scale = picture.times[-1][1] / piece.length
    drawn = [e for e in ElementTree.fromstring(picture.roll).iter() if e.tag.endswith("rect") and "opacity" in e.attrib]
    assert sorted(round(float(e.attrib["x"]) / scale) for e in drawn) == sorted(piece.onset)
    wide = sum(float(e.attrib["width"]) for e in drawn)
    assert abs(wide / scale - (piece.duration[~piece.is_drum].sum() + 3 * 24 // 6)) < 1
    seconds, way = np.array(picture.times).T
    ticks = np.arange(piece.length + 1)
    assert np.allclose(np.interp(piece.seconds(ticks), seconds, way), ticks * scale, atol=0.02)
    kept = Elements(made()).of("article")[0]["data-times"]
    assert json.loads(kept) == picture.times
    assert ">new<" in picture.roll and ">new<" not in svg_roll(piece).roll


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: write_page(p / "a.html", [], heading=""), "no tunes"),
        (lambda p: write_page(p / "a.txt", [PageTune("a", tune(1), b"")], heading=""), r"\.html"),
        (lambda p: page([PageTune("a", tune(1), b"", b"x", "text/html")], heading=""), "audio/wav"),
        (lambda p: page([PageTune("a", tune(1), b"", bytes(MAX_SOUND + 1))], heading=""), str(MAX_SOUND)),
        (lambda p: page([PageTune("a", Piece([], [], []), b"")], heading=""), "no notes"),
        (lambda p: page([PageTune("a", tune(1), b"", prompt_end=-1)], heading=""), "prompt_end"),
    ],
)
def test_what_no_page_can_show_is_said_and_leaves_no_file(make: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=says) as error:
        make(tmp_path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_notebook_shows_a_piece_and_never_raises() -> None:
    html = repr_html(tune(2, title=HOSTILE))
    elements = Elements(html)
    assert "script" not in dict(elements.found) and "http" not in html.replace("http://www.w3.org/2000/svg", "")
    assert elements.of("audio") or "No sound" in html
    assert "no notes" in repr_html(Piece([], [], []))
    slow = Piece([0], [12 * 24], [60], tempi=[(0, 2**24 - 1)])
    assert "up to 180 seconds" in repr_html(slow)


def test_text_can_be_read_in_both_themes() -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 or more."""

    def light(colour: str) -> float:
        colour = colour if len(colour) == 7 else "#" + "".join(c * 2 for c in colour[1:])
        parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        return float(np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])

    themes = re.findall(r":root \{([^}]*--fresh.*?)\}", "".join(Elements(made()).words["style"]), re.S)
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", theme))
        for ink, paper in [(i, p) for i in ("ink", "soft", "link") for p in ("page", "card")] + [
            ("tag", "tint"),
            ("tag", "card"),
            ("fresh", "card"),
            ("fresh", "new"),
        ]:
            dark, bright = sorted([light(colours[ink]), light(colours[paper])])
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


# The page in a browser


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The page from a disk; afterwards, nothing was logged, went wrong, or left the page."""
    write_page(tmp_path / "page.html", tunes(), heading=HOSTILE)
    context = browser.new_context(viewport={"width": 360, "height": 700}, color_scheme="dark")
    tab = context.new_page()
    asked, said = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto((tmp_path / "page.html").as_uri())
    yield tab
    context.close()
    outside = [url for url in asked if not url.startswith(("data:", "blob:"))]
    assert outside == [(tmp_path / "page.html").as_uri()] and said == []


def wait_until(tab: Any, law: str) -> None:
    """Playwright's own waiting runs code from a string, which the page's policy forbids."""
    deadline = time.monotonic() + 10
    while not tab.evaluate(law):
        assert time.monotonic() < deadline, law
        tab.wait_for_timeout(30)


def test_browser_plays_one_tune_at_a_time_under_a_playhead(opened: Any) -> None:
    opened.evaluate("document.querySelectorAll('audio')[0].play()")
    wait_until(opened, "document.querySelectorAll('audio')[0].currentTime > .3")
    x = opened.evaluate("+document.querySelector('.head').getAttribute('transform').match(/[\\d.]+/)[0]")
    assert 0 < x <= svg_roll(band()).times[-1][1]
    assert opened.evaluate("document.querySelectorAll('#tune-1 .on').length") > 0
    opened.evaluate("document.querySelectorAll('audio')[1].play()")
    wait_until(opened, "document.querySelectorAll('audio')[1].currentTime > .1")
    assert opened.evaluate("[...document.querySelectorAll('audio')].map(a => a.paused)") == [True, False]
    assert opened.evaluate("window.bad === undefined")


def test_browser_decodes_the_sound(opened: Any) -> None:
    samples, loudest = opened.evaluate("""async () => {
        const bytes = Uint8Array.from(atob(document.querySelector('audio').src.split(',')[1]), c => c.charCodeAt(0));
        const sound = (await new OfflineAudioContext(1, 8, 8000).decodeAudioData(bytes.buffer)).getChannelData(0);
        return [sound.length, sound.reduce((a, b) => Math.max(a, b), 0)];
    }""")
    assert samples == 16_000 and abs(loudest - 0.5) < 0.01


def test_browser_downloads_and_seeks(opened: Any, tmp_path: Path) -> None:
    forms = {"MIDI": tunes()[0].midi, "WAV": tunes()[0].audio, "PDF": tunes()[0].pdf, "MusicXML": tunes()[0].musicxml}
    for link, expected in forms.items():
        with opened.expect_download() as download:
            opened.locator("#tune-1 .files").get_by_text(link, exact=True).click()
        download.value.save_as(tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == expected
    opened.locator("#tune-1 .scroll").click(position={"x": 150, "y": 40})
    wait_until(opened, "document.querySelector('audio').currentTime > 0")
    knots = np.array(svg_roll(band()).times)
    seconds = opened.evaluate("document.querySelector('audio').currentTime")
    assert abs(seconds - np.interp(150, knots[:, 1], knots[:, 0])) < 0.05


def test_browser_fits_a_phone(opened: Any) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(250, 248, 244)"
    assert opened.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    labels = opened.evaluate("[...document.querySelectorAll('.keyed svg[role=img]')].map(s => s.getAttribute('aria-label'))")
    assert len(labels) == 3 and all("Piano roll" in label for label in labels)
