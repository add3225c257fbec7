"""Playing along in the studio: plans come before they sound and keep limits; a jam goes with its page; a page that plays."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from melody.studio.together import company

studios = pytest.importorskip("studios", reason="needs starlette, uvicorn and httpx")
in_page, sheet, until, says = studios.in_page, studios.sheet, studios.until, studios.says
REEL = [62, 66, 69, 66, 64, 67, 71, 69]
ORDER = {"model": "fiddle", "bars": 1, "steer": {"key": "D", "range": "A4:A5", "tempo": "240"}, "seed": 3}


class Player:
    """Somebody with a page of their own making: plays, and writes down what comes."""

    def __init__(self, client: httpx.Client, answer: httpx.Response) -> None:
        self._client, lines = client, answer.iter_lines()
        self.begun = json.loads(next(lines))
        self.came: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()

    def _read(self, lines: Iterator[str]) -> None:
        with suppress(httpx.HTTPError, httpx.StreamError):
            self.came += (json.loads(line) for line in lines)

    def post(self, what: str, **order: Any) -> httpx.Response:
        return self._client.post(f"/api/jam/{what}", json={"jam": self.begun["jam"], **order})

    def plays(self, start: float) -> None:
        """A bar of eighths from that time of the jam on."""
        step = self.begun["bar"] / len(REEL)
        for number, pitch in enumerate(REEL):
            for at, velocity in ((start + number * step, 90), (start + (number + 0.9) * step, 0)):
                while (now := self.post("played", played=[]).json()["now"]) < at:
                    time.sleep(max(at - now, 0.001))
                assert self.post("played", played=[[at, pitch, velocity]]).status_code == 200

    def over(self) -> str:
        self._reader.join(20)
        return str(self.came[-1]["over"])


@contextmanager
def jam(running: Any, **order: Any) -> Iterator[Player]:
    with running.client() as client, client.stream("POST", "/api/jam", json=ORDER | order) as answer:
        assert answer.status_code == 200
        yield Player(client, answer)
        with suppress(OSError):  # as a page that is closed: its reader would hold the connection otherwise
            answer.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def ends(process: int) -> None:
    for _ in range(2_000):
        if gone(process):
            return
        time.sleep(0.01)
    raise AssertionError("the process lives on")


def test_a_plan_comes_before_it_sounds_and_keeps_the_limits(running: Any) -> None:
    with jam(running) as player:
        bar = player.begun["bar"]
        assert -bar - 1 < player.begun["now"] < 0 and player.begun["parts"][0]["name"] == "Fiddle"
        player.plays(0)
        player.plays(2 * bar)
        while len([each for each in player.came if each["is_whole"]]) < 2:
            time.sleep(0.01)
        with running.client() as other:
            refused = other.post("/api/jam", json=ORDER)
        assert refused.status_code == 409 and "already" in refused.json()["error"]
        player.post("stop")
        assert "ended" in player.over()
        assert player.post("played", played=[]).status_code == 404
    plans = player.came[:-1]
    notes = [(each["now"] + note["begins"], note) for each in plans for note in each["notes"]]
    assert {number for each in plans for number in each["bars"]} == {2, 4}
    assert all(69 <= note["pitch"] <= 81 and note["pitch"] % 12 in (1, 2, 4, 6, 7, 9, 11) for _, note in notes)
    assert all(bar - 0.01 <= at % (2 * bar) < 2 * bar and note["lasts"] > 0 for at, note in notes)
    assert any(note["begins"] > 0 for each in plans for note in each["notes"])


def test_the_jam_goes_with_its_page_and_another_can_begin(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with jam(running):
        process = running.studio.company.process
        assert process and not gone(process)
    ends(process)  # the stream broke off
    while running.studio.company.process:
        time.sleep(0.01)
    monkeypatch.setattr(company, "GONE", 0.2)
    with jam(running) as player:
        process = running.studio.company.process
        assert "gone" in player.over()  # nothing was heard of the page
        ends(process)
    monkeypatch.undo()
    monkeypatch.setattr(company, "SILENT", 0.2)
    with jam(running) as player:
        assert "hour" in player.over()


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"mode": "accompany"}, "melody jam --accompany"),
        ({"model": "nobody"}, "no model"),
        ({"bars": 33}, "1 to 32"),
        ({"bars": "many"}, "bars"),
        ({"steer": {"key": "H"}}, "H"),
        ({"steer": {"range": "C5:C4"}}, "range"),
        ({"steer": {"metre": "31/8"}}, "metre"),
        ({"steer": {"form": "AABB"}}, "form"),
        ({"steer": {"tempo": "fast"}}, "tempo"),
        ({"steer": 1}, "settings"),
    ],
)
def test_a_jam_that_cannot_be_is_refused_in_a_sentence(running: Any, order: dict[str, Any], words: str) -> None:
    with running.client() as client:
        answer = client.post("/api/jam", json=ORDER | order)
    assert answer.status_code in (400, 404) and words in answer.json()["error"]
    assert running.studio.company.process is None


def test_keys_that_are_none_are_refused_and_the_jam_goes_on(running: Any) -> None:
    row = [0, 60, 90]
    with jam(running) as player:
        for rows in (
            None,
            {},
            [row] * 129,
            [[0, 60]],
            [[0, 128, 9]],
            [[0, 60, True]],
            [["0", 60, 9]],
            [[10**400, 60, 9]],
            [0],
        ):
            answer = player.post("played", played=rows)
            assert answer.status_code == 400 and answer.json()["error"], rows
        assert player.post("dance").status_code == 404
        assert player.post("played", played=[row, [-1e6, 60, 0]]).status_code == 200
        with running.client() as stranger:
            assert stranger.post("/api/jam/stop", json={"jam": 0}).status_code == 404
            stranger.cookies.clear()
            assert stranger.post("/api/jam/stop", json={"jam": player.begun["jam"]}).status_code == 401
        assert player.post("panic").status_code == 200


def test_the_jam_ends_with_the_studio(tmp_path: Path) -> None:
    with studios.running(tmp_path) as one, jam(one):
        process = one.studio.company.process
    ends(process)


def test_what_the_model_is_about_to_play_is_seen_before_it_sounds(page: Any, running: Any) -> None:
    """A page, a MIDI keyboard, a bar each: dashed in the roll, laid on the clock, then notes of a tune; panic; stop."""
    page.click("#tab-write")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    page.fill("#steer-range", "A4:A5")
    page.check("#midi")
    says(page, "listening to Keys")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = false; })")
    page.click("#tab-jam")
    assert "range A4:A5" in page.inner_text("#jamlimits")
    page.fill("#jambars", "1")
    page.fill("#jamtempo", "160")
    page.click("#jam")

    says(page, "counted in")
    page.evaluate("keys.send(0x90, 59, 90); keys.send(0x80, 59, 0);")  # what is tried in the count-in is no music
    page.evaluate(
        """() => {
          const whose = () => document.getElementById("turn").dataset.whose;
          let at = 0;
          window.seen = [];            // ghosts, and what of them has begun to sound when they are first seen
          window.plays = setInterval(() => {
            if (whose() === "you" && at < 1e9) {
              const pitch = [62, 66, 69, 71][at++ % 4];
              keys.send(0x90, pitch, 90);
              setTimeout(() => keys.send(0x80, pitch, 0), 80);
            }
          }, 180);
        }"""
    )
    until(page, "+document.getElementById('roll').dataset.ghosts > 0")
    seen = in_page(page, "return { ghosts: studio.roll.ghost, tick: studio.panels.get('Jam').tick };")
    assert seen["ghosts"] and all(note[0] >= seen["tick"] and 69 <= note[2] <= 81 for note in seen["ghosts"])
    until(page, "document.getElementById('turn').dataset.whose === 'model' && laid.some(each => !each.beat)")
    assert page.evaluate("laid.filter(each => each.beat).length") >= 4
    until(page, "document.getElementById('roll').dataset.ghosts === '0'")
    tune = sheet(page)
    assert [note for note in tune["notes"] if note[5]] and [note for note in tune["notes"] if not note[5]]
    until(page, "+document.getElementById('roll').dataset.ghosts > 0")
    page.click("#panic")
    assert in_page(page, "return studio.roll.ghost;") == []
    page.evaluate("clearInterval(plays)")
    page.keyboard.press("Enter")
    says(page, "the jam has ended")
    until(page, "document.getElementById('turn').textContent === ''")
    ended = sheet(page)
    assert not in_page(page, "return studio.roll.ghost;") and ended["title"] == "Played with fiddle"
    assert 59 not in [note[2] for note in ended["notes"]]
    assert in_page(page, "return studio.history.own === studio.tune && !studio.panels.get('Jam').on;")
    while running.studio.company.process:
        page.wait_for_timeout(20)
    page.keyboard.press("p")
    says(page, "is on the shelf")
