"""The studio's server: who is let in, what a job gives, what a bad request gets, and that the server lives on."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import melody
from melody import midi
from melody.errors import MelodyError, StudioError
from melody.limits.kinds import KINDS
from melody.piece import Part, Piece
from melody.render import RenderSettings, render
from melody.studio.bench import work
from melody.studio.jobs.asking import Asked
from melody.studio.learning.school import School
from melody.studio.pool import NO_PROCESS, STOP, Message, Pool
from melody.studio.sheets import piece_of, sheet_of
from melody.studio.shelf import Shelf
from melody.studio.steering_fields import fields

studios = pytest.importorskip("studios", reason="needs starlette, uvicorn and httpx")


def test_a_stop_that_comes_when_a_job_is_over_harms_no_other_job(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=work, args=(theirs, (tmp_path, ())))
    process.start()
    theirs.close()
    found = []
    for _ in range(2):
        ours.send(STOP)
        ours.send(("card", {"model": "fiddle"}))
        while (message := ours.recv()) is not None:
            found.append(message)
    ours.close()
    process.join(10)
    assert len(found) == 2 and found[0] == found[1] and "error" not in found[0] and process.exitcode == 0


PIECE = Piece(
    np.array([0, 24, 48, 48]), np.array([24, 24, 48, 48]), np.array([62, 66, 69, 57]), parts=(Part(40, False, "Fiddle"),)
)


def test_a_sheet_gives_its_piece_back() -> None:
    assert piece_of(sheet_of(PIECE)) == PIECE


@pytest.mark.parametrize(
    "damage",
    [
        {"notes": [[0, 1, 60]]},
        {"notes": [[0, 1, 60, 90, 0.5]]},
        {"notes": [[0, 1, 128, 90, 0]]},
        {"notes": [[0, 1, 60, 90, 7]]},
        {"notes": [[0, 2**70, 60, 90, 0]]},
        {"notes": "0"},
        {"notes": [[0, 1, 60, 90, 0]] * 50_001},
        {"parts": [{"program": "piano", "drum": False, "name": ""}]},
        {"parts": None},
        {"metres": [[0, 4, 3]]},
        {"tempi": []},
        {"keys": [[0, 99, "lydian"]]},
        {"title": ["a"]},
        {"ticks": True},
    ],
)
def test_a_damaged_sheet_is_refused_in_a_sentence(damage: dict[str, Any]) -> None:
    with pytest.raises(MelodyError):
        piece_of(sheet_of(PIECE) | damage)
    with pytest.raises(StudioError):
        piece_of([])


def test_notes_that_overlap_are_cut_and_doubles_leave_one() -> None:
    sheet = sheet_of(PIECE) | {"notes": [[0, 24, 60, 90, 0], [12, 24, 60, 90, 0], [12, 6, 60, 90, 0]]}
    assert piece_of(sheet).onset.tolist() == [0, 12]
    assert piece_of(sheet).duration[0] == 12


def test_every_keyword_of_a_new_tune_is_a_field_that_explains_itself() -> None:
    from melody.sampling.keywords import Drawing, Formed, Keeping

    shown = fields()
    wanted = {*Drawing.__annotations__, *Formed.__annotations__, *Keeping.__annotations__, "key", "scale", "range"} - {
        "seed"
    }
    assert {field["name"] for field in shown} == wanted
    assert all(len(field["help"]) > 15 and "`" not in field["help"] and "None" not in field["help"] for field in shown)


def test_a_field_of_a_limit_says_what_the_limit_may_be() -> None:
    shown = {field["name"]: field for field in fields()}
    for name, kind in KINDS.items():
        if name == "bars":  # a field of its own
            continue
        field = shown[name]
        assert (field["kind"] == "yes") == (kind.read is None)
        assert (field["least"], field["most"]) == (kind.bounds or (None, None))
        for example in filter(None, [field["example"], field["least"], field["most"]]):
            assert Asked.of({"steer": {name: example}}).limits.more_than_bars


def test_who_has_no_token_or_comes_from_elsewhere_is_not_let_in(running: Any) -> None:
    with running.client() as client:
        assert client.get("/api/state").status_code == 200
        assert client.get("/api/state", headers={"host": "evil.example"}).status_code == 421
        assert client.get("/page/main.js", headers={"host": f"evil.example:{running.studio.port}"}).status_code == 421
        assert client.get("/api/state", headers={"origin": "http://evil.example"}).status_code == 403
        assert client.get("/api/state", headers={"origin": "null"}).status_code == 403
        assert client.get("/api/state", headers={"sec-fetch-site": "cross-site"}).status_code == 403
        client.cookies.clear()
        assert client.get("/api/state").status_code == 401
        assert client.get("/", params={"token": "wrong"}).cookies.get(f"melody-{running.studio.port}") is None
        assert client.get("/api/state", headers={"cookie": f"melody-{running.studio.port}=wrong"}).status_code == 401


def test_the_page_stays_in_its_folder(running: Any) -> None:
    with running.client() as client:
        for path in (
            "/page/../server.py",
            "/page/%2e%2e/server.py",
            "/page/..%2fserver.py",
            "/page//etc/passwd",
            "/page/%00",
        ):
            answer = client.get(path)
            assert answer.status_code in (400, 404, 405), path
            assert "import" not in answer.text


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("write", b"{", 400),
        ("write", b"[]", 400),
        ("write", b"[" * 100_000, 400),
        ("nothing", b"{}", 404),
        ("write", b"{" + b" " * 9_000_000 + b"}", 413),
    ],
)
def test_what_is_no_order_is_refused(running: Any, kind: str, body: bytes, status: int) -> None:
    with running.client() as client:
        answer = client.post(f"/api/jobs/{kind}", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status
        assert answer.json()["error"]
        assert client.post(f"/api/jobs/{kind}", content=b"{}", headers={"content-type": "text/plain"}).status_code in (
            404,
            415,
        )


@pytest.mark.parametrize(
    ("kind", "order", "words"),
    [
        ("write", {"model": "none such"}, "no model"),
        ("write", {"model": "../../etc/passwd"}, "no model"),
        ("write", {"model": "fiddle", "bars": 100_000}, "512"),
        ("write", {"model": "fiddle", "steer": {"key": "H#"}}, "H#"),
        ("write", {"model": "fiddle", "steer": {"power": 1}}, "no setting"),
        ("write", {"model": "fiddle", "steer": {"key": {"a": 1}}}, "text or a number"),
        ("go_on", {"model": "fiddle", "bars": 2, "sheet": sheet_of(PIECE), "after": 99}, "no such bar"),
        ("read", {"name": "a.mid", "content": b64encode(b"no midi at all").decode()}, "a.mid"),
        ("read", {"name": "a.musicxml", "content": b64encode(b"<score").decode()}, "a.musicxml"),
        ("read", {"name": "a.mid", "content": "%%%"}, "damaged"),
        ("read", {"notes": "this is no music"}, "write a note as"),
        ("sound", {"notes": [[0, 0, 999, 90, 100]]}, "pitch"),
        ("sound", {"notes": []}, "1 to 64"),
        ("export", {"form": "exe", "sheet": sheet_of(PIECE)}, "writes"),
        ("engrave", {"sheet": None}, "no tune"),
    ],
)
def test_a_bad_job_gets_a_sentence(running: Any, kind: str, order: dict[str, Any], words: str) -> None:
    last = running.job(kind, **order)[-1]
    assert words in last["error"] and "fault of the program" not in last["error"]


def test_notes_come_one_by_one_and_are_those_of_the_whole(running: Any) -> None:
    messages = running.job("write", model="fiddle", bars=8, seed=3, as_it_ends=True)
    shown: list[list[int]] = []
    for message in messages:
        if "notes" in message:
            shown = [note for note in shown if note[0] < message["since"]] + message["notes"]
    assert sum("notes" in message for message in messages) > 10
    whole = messages[-1]["sheet"]["notes"]
    assert len(shown) > 8 and shown[:-2] == whole[: len(shown) - 2]  # how long the last ones are is known at the end
    made = melody.load("fiddle").generate(bars=8, seed=3, any_ending=True)
    assert sheet_of(made)["notes"] == messages[-1]["sheet"]["notes"]


def test_a_tune_whose_first_try_does_not_close_keeps_its_beginning(running: Any) -> None:
    for seed in range(20):
        asked = {"model": "fiddle", "bars": 8, "seed": seed, "steer": {"key": "D"}}
        first, last = (running.job("write", **asked, as_it_ends=ends)[-1] for ends in (True, False))
        if first["sheet"] != last["sheet"]:
            break
    cut = piece_of(first["sheet"]).bar_starts()[-4]
    kept = [[note for note in each["sheet"]["notes"] if note[0] + note[1] <= cut] for each in (first, last)]
    assert kept[0] == kept[1] and len(kept[0]) > 5
    assert any("drawn again" in remark for remark in last["remarks"])


@pytest.mark.parametrize(("seed", "does_end"), [(0, False), (5, True)])
def test_a_tune_is_not_said_to_end_well_where_a_fault_is_left(running: Any, seed: int, does_end: bool) -> None:
    asked = {"model": "fiddle", "bars": 2, "seed": seed, "steer": {"key": "D", "density": 1}}
    said = running.job("write", **asked)[-1]["remarks"]
    assert any("drawn again" in remark for remark in said)
    assert any("ends well" in remark for remark in said) == does_end == (not any("does not" in remark for remark in said))


def test_going_on_leaves_what_stands_before_as_it_is(running: Any) -> None:
    piece = melody.load("fiddle").generate(bars=4, seed=5, metre="4/4")
    last = running.job("go_on", model="fiddle", bars=4, seed=1, sheet=sheet_of(piece), after=piece.first_bar + 1)[-1]
    kept = piece.bars(piece.first_bar, piece.first_bar + 1)
    whole = piece_of(last["sheet"])
    assert whole.onset[: kept.num_notes].tolist() == kept.onset.tolist() and whole.num_notes > kept.num_notes
    assert last["start"] > 0


def test_the_sounds_of_the_notes_add_up_to_our_rendering_of_the_piece(running: Any) -> None:
    seconds = PIECE.seconds(PIECE.end) - PIECE.seconds(PIECE.onset)
    notes = [[40, 0, int(p), int(v), round(1000 * s)] for p, v, s in zip(PIECE.pitch, PIECE.velocity, seconds)]
    sounds = {m["number"]: np.frombuffer(m["bytes"], "<i2").reshape(-1, 2) for m in running.job("sound", notes=notes)}
    wanted = render(PIECE, RenderSettings())
    mixed = np.zeros((len(wanted) + 44_100, 2))
    for number, onset in enumerate(PIECE.seconds(PIECE.onset)):
        start = round(onset * 44_100)
        mixed[start : start + len(sounds[number])] += sounds[number] / 32767
    mixed = mixed[: len(wanted)] / np.abs(mixed).max() * np.abs(wanted).max()
    assert np.abs(mixed - wanted).max() < 1e-3


@pytest.mark.parametrize("form", ["mid", "musicxml", "abc"])
def test_what_is_downloaded_reads_back_as_the_tune(running: Any, form: str) -> None:
    tune = melody.load("fiddle").generate(bars=4, seed=2)
    file = running.job("export", form=form, sheet=sheet_of(tune))[-1]["bytes"]
    back = running.job("read", name=f"tune.{form}", content=b64encode(file).decode())[-1]["sheet"]
    assert [note[:3] for note in back["notes"]] == [note[:3] for note in sheet_of(tune)["notes"]]
    if form == "mid":
        assert midi.parse(file).piece.num_notes == tune.num_notes


def test_the_shelf_and_what_is_counted_survive_a_restart(tmp_path: Path) -> None:
    first = Shelf(tmp_path / "shelf.sqlite")
    number = first.keep({"sheet": sheet_of(PIECE), "facts": {"made": 1}})
    first.count("kept")
    again = Shelf(tmp_path / "shelf.sqlite")
    assert again.tune(number)["facts"] == {"made": 1} and piece_of(again.tune(number)["sheet"]) == PIECE
    assert again.counts()["kept"] == 1 and [tune["notes"] for tune in again.tunes()] == [4]
    again.take_down(number)
    assert first.tunes() == []
    for missing in (number, 10**30):
        with pytest.raises(StudioError):
            again.tune(missing)
    with pytest.raises(StudioError):
        again.count("hours")


def test_uploads_stay_in_their_folder_whatever_they_are_called(tmp_path: Path) -> None:
    school = School(tmp_path)
    school.begin_uploads()
    for name in ("../../a.mid", "/etc/passwd", "b/c.mid", "c.mid", "\0.mid", "....", "x" * 300 + ".tar.gz", "..\\d.mid"):
        school.upload(name, b"MThd")
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert len(found) == 8 and all(path.startswith("uploads/") and path.count("/") == 1 for path in found)
    with pytest.raises(StudioError, match="name"):
        school.start("../x", 1.0)
    with pytest.raises(StudioError, match="already"):
        school.start("fiddle", 1.0)


def test_a_process_that_dies_takes_its_own_job_along_and_no_other(running: Any) -> None:
    pool = running.studio.sounding
    for process in pool.processes:
        os.kill(process, signal.SIGKILL)
    running.job("sound", notes=[[0, 0, 60, 90, 100]])
    assert running.job("sound", notes=[[0, 0, 60, 90, 100]])[-1]["bytes"]


def test_a_training_that_is_stopped_at_once_says_so(tmp_path: Path) -> None:
    school, others = School(tmp_path), multiprocessing.active_children()
    school.upload("a.mid", b"MThd")
    school.start("mine", 1.0)
    (process,) = [each for each in multiprocessing.active_children() if each not in others]
    school.stop()
    school.stop()  # as somebody does who is in a hurry
    assert process.pid is not None
    process.join()
    until_told = (record for _ in iter(int, 1) for record in school.state()["records"])
    assert next(until_told) == {"kind": "refused", "sentence": "stopped before there was a model"}
    assert not school.state()["running"] and not school.state()["resumable"] and process.exitcode == 0


STOPPED = """
import sys
from multiprocessing import Pipe
from pathlib import Path
from melody.studio.learning.apprentice import Lesson, train
ours, theirs = Pipe()
ours.send("stop")  # so that the interrupt comes while the thread that listens is still being started, or soon after
train(theirs, Lesson(Path(sys.argv[1]), Path(sys.argv[1]) / "mine.safetensors", 1.0))
assert ours.recv() == {"kind": "refused", "sentence": "stopped before there was a model"}
"""


def test_a_training_that_was_stopped_before_it_began_says_so(tmp_path: Path) -> None:
    for _ in range(8):
        subprocess.run([sys.executable, "-c", STOPPED, str(tmp_path)], check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_cannot_be_started_is_a_sentence_and_the_next_job_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    async def said() -> tuple[list[Message], list[Message]]:
        pool = Pool(work, (tmp_path, ()), 1, 1)
        first = [message async for message in pool.submit("card", {"model": "fiddle"}).messages()]
        monkeypatch.undo()
        second = [message async for message in pool.submit("card", {"model": "fiddle"}).messages()]
        pool.close()
        return first, second

    school = School(tmp_path)
    school.upload("a.mid", b"MThd")
    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", refused)
    with pytest.raises(StudioError, match="no process"):
        school.start("mine", 1.0)
    first, second = asyncio.run(said())
    assert first == [{"error": NO_PROCESS}] and "lines" in second[-1]
    assert school.state()["running"] is False


def test_a_job_that_nobody_waits_for_any_more_makes_way(running: Any) -> None:
    with running.client() as client:
        with client.stream("POST", "/api/jobs/write", json={"model": "fiddle", "bars": 512, "seed": 1}) as answer:
            next(answer.iter_lines())
        assert (
            "sheet" in client.post("/api/jobs/write", json={"model": "fiddle", "bars": 1, "seed": 1}).text.splitlines()[-1]
        )
