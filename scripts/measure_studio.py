"""The studio in figures: how soon a note is seen and sounds, what 50 tunes at once do, what 2,000 bad requests do.

    python scripts/measure_studio.py page --times 20      # needs Chromium and playwright
    python scripts/measure_studio.py cost --times 20      # of the processor alone, on a machine with much else to do
    python scripts/measure_studio.py load --tunes 50
    python scripts/measure_studio.py hostile --requests 2000

It starts a studio of its own, in a folder that is gone afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx


@contextmanager
def studio() -> Iterator[tuple[str, int, Path]]:
    """The address of a studio, its process, and its folder."""
    with tempfile.TemporaryDirectory() as around:
        folder = Path(around) / "studio"
        command = [sys.executable, "-m", "melody", "studio", "--no-browser", "--port", "0", "--folder", str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process.pid, folder
        finally:
            process.terminate()
            process.wait()


def client(address: str) -> httpx.Client:
    """A client that knows the token."""
    base, _, token = address.partition("/?token=")
    limits = httpx.Limits(max_connections=200)
    return httpx.Client(base_url=base, timeout=600, limits=limits, cookies={f"melody-{base.rpartition(':')[2]}": token})


def shown(name: str, values: list[float], unit: str = "ms") -> None:
    """Median, 95th percentile and the most."""
    ordered = sorted(values)
    at = ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)]
    print(
        f"{name}: median {statistics.median(ordered):.0f}, 95 % {at:.0f}, most {ordered[-1]:.0f} {unit}, n = {len(ordered)}"
    )


EMPTY = """async () => {
  const { studio } = await import('/page/main.js');
  studio.history.show({ ...studio.tune, notes: [] }, '');
}"""
WATCH = """() => {
  const roll = document.getElementById('roll'), now = () => performance.now();
  window.times = {};
  const painted = () => { times.note ??= now(); };
  const isThere = () => +roll.dataset.notes && times.click && !times.note;
  const seen = () => { if (isThere()) requestAnimationFrame(() => setTimeout(painted)); };
  new MutationObserver(seen).observe(roll, { attributes: true });
  document.getElementById('write').addEventListener('click', () => { times = { click: now() }; }, true);
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (when, ...more) {
    if (times.click && !times.laid) {
      times.laid = now();
      const heard = () => { this.context.currentTime >= when ? times.sound = now() : setTimeout(heard, 1); };
      heard();
    }
    return start.call(this, when, ...more);
  };
}"""


def measure_page(times: int) -> None:
    """How soon the page is ready; from the click to the frame that has the first note, and to the clock's first sound."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    flags = ["--no-sandbox", "--disable-gpu"]
    with studio() as (address, _, _folder), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=flags)
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(300_000)
        page.goto(address)
        page.wait_for_selector("html[data-ready=yes]")
        ready, note, sound = [], [], []
        for number in range(times):
            page.goto(address.partition("?")[0])
            page.wait_for_selector("html[data-ready=yes]")
            ready.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
            page.wait_for_timeout(1000)
            page.evaluate(WATCH)
            page.fill("#seed", str(number))
            page.evaluate(EMPTY)
            page.click("#write")
            while not page.evaluate("!!(times.note && times.sound)"):
                page.wait_for_timeout(20)
            found = page.evaluate("times")
            note.append(found["note"] - found["click"])
            sound.append(found["sound"] - found["click"])
            page.wait_for_selector("#write:enabled")
        browser.close()
    shown("page loaded", ready)
    shown("first note on screen after the click", note)
    shown("first sound after the click", sound)


def measure_cost(times: int) -> None:
    """Milliseconds of the processor from an order to the first note, and of its sound."""
    from melody.studio.bench import Bench
    from melody.studio.jobs import composing, sounding

    bench, note, sound = Bench(Path(tempfile.gettempdir()) / "none"), [], []
    composing.get_ready(bench)
    sounding.get_ready(bench)
    for seed in range(times):
        begun, seen = time.process_time(), []

        def take(message: dict[str, Any], begun: float = begun, seen: list[Any] = seen) -> None:
            if "notes" in message and not seen:
                seen.append((1000 * (time.process_time() - begun), message["notes"][0]))

        composing.write(bench, {"model": "fiddle", "bars": 16, "seed": seed, "as_it_ends": True}, take)
        note.append(seen[0][0])
        begun = time.process_time()
        sounding.sound(bench, {"notes": [[40, 0, seen[0][1][2], 90, 250]]}, lambda _: None)
        sound.append(1000 * (time.process_time() - begun))
    shown("of the processor up to the first note", note)
    shown("of the processor for its sound", sound)


def measure_load(tunes: int) -> None:
    """So many tunes asked for at once: how many come whole, and how soon the page is answered meanwhile."""
    with studio() as (address, _, _folder):
        with client(address) as knows:
            knows.post("/api/jobs/write", json={"model": "fiddle", "bars": 1, "seed": 0})
            cookies = dict(knows.cookies)
        asyncio.run(_load(address.partition("/?")[0], cookies, tunes))


async def _load(base: str, cookies: dict[str, str], tunes: int) -> None:
    limits = httpx.Limits(max_connections=tunes + 10)
    async with httpx.AsyncClient(base_url=base, cookies=cookies, timeout=1200, limits=limits) as knows:
        begun, waits = time.monotonic(), []

        async def one(seed: int) -> bool:
            answer = await knows.post("/api/jobs/write", json={"model": "fiddle", "bars": 16, "seed": seed})
            return "sheet" in json.loads(answer.text.splitlines()[-1])

        asked = [asyncio.create_task(one(seed)) for seed in range(tunes)]
        while not all(task.done() for task in asked):
            start = time.monotonic()
            await knows.get("/api/state")
            waits.append(1000 * (time.monotonic() - start))
            await asyncio.sleep(0.1)
        whole = sum([await task for task in asked])
    print(f"{whole} of {tunes} tunes came whole, in {time.monotonic() - begun:.1f} s")
    shown("the page was answered in", waits)


def measure_hostile(requests: int, seed: int = 0) -> None:
    """Bad requests of all kinds: every answer is counted, and so are files outside the folder and memory."""
    draw = random.Random(seed)
    with studio() as (address, pid, folder), client(address) as knows:
        host, port = "127.0.0.1", int(address.partition("/?")[0].rpartition(":")[2])
        knows.post("/api/jobs/write", json={"model": "fiddle", "bars": 1, "seed": 0})
        before, statuses, longest = _megabytes(pid), {}, 0.0
        for _ in range(requests):
            start = time.monotonic()
            try:
                status = _hostile(draw, knows, host, port)
            except httpx.TransportError:
                status = "closed"
            longest = max(longest, time.monotonic() - start)
            statuses[status] = statuses.get(status, 0) + 1
        after = _megabytes(pid)
        alive = knows.get("/api/state").status_code
        outside = set(os.listdir(folder.parent)) - {folder.name}
    print(f"{requests} requests: {dict(sorted(statuses.items(), key=str))}; the longest took {longest:.1f} s")
    print(
        f"memory of the web process: {before:.0f} MB before, {after:.0f} MB after; files outside the folder: {len(outside)}"
    )
    print(f"still answers: {alive}")
    if any(isinstance(status, int) and status >= 500 and status != 503 for status in statuses):
        raise SystemExit("there was a 500")


def _hostile(draw: random.Random, knows: httpx.Client, host: str, port: int) -> int | str:
    kind = draw.randrange(9)
    junk = draw.randbytes(draw.randrange(1, 3000))
    if kind == 0:  # paths
        path = draw.choice(["/page/", "/api/files/", "/api/training/samples/", "/api/shelf/"])
        return _raw(host, port, f"GET {path}{draw.choice(TRICKS)} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    if kind == 1:  # hosts and origins
        headers = {"host": draw.choice(["evil.example", f"evil.example:{port}", "", "127.0.0.1"])}
        headers = headers if draw.random() < 0.5 else {"origin": draw.choice(["http://evil.example", "null", "file://"])}
        return knows.post("/api/draft", json={"sheet": {}}, headers=headers).status_code
    if kind == 2:  # connections that break off
        head = f"POST /api/jobs/write HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        body = f"{head}Content-Length: 999\r\n\r\n"
        return _raw(host, port, body.encode() + junk[:100], wait=False)
    if kind == 3:  # no HTTP at all
        return _raw(host, port, junk)
    if kind == 4:  # no JSON
        return knows.post("/api/jobs/write", content=junk, headers={"content-type": "application/json"}).status_code
    if kind == 5:  # wrong types
        order = {
            name: draw.choice(VALUES)
            for name in ("model", "bars", "seed", "steer", "sheet", "between", "notes", "name", "content")
        }
        job = draw.choice(
            ["write", "go_on", "again", "voices", "surprise", "originality", "sound", "read", "engrave", "export"]
        )
        return knows.post(f"/api/jobs/{job}", json=order).status_code
    if kind == 6:  # damaged files
        from base64 import b64encode

        data = (
            draw.choice([b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk", b"<?xml version='1.0'?><score-partwise>", b"X:1\nK:C\n", b""])
            + junk
        )
        order = {
            "name": draw.choice(["a.mid", "../../a.mid", "a.musicxml", "a.abc", "a.mxl", "\0"]),
            "content": b64encode(data).decode(),
        }
        return knows.post("/api/jobs/read", json=order).status_code
    if kind == 7:  # uploads with names that lead elsewhere
        return knows.post("/api/training/uploads", params={"name": draw.choice(TRICKS)}, content=junk).status_code
    method, path = (
        draw.choice(["PUT", "DELETE", "PATCH", "POST"]),
        draw.choice(["/", "/api/state", "/api/shelf/99999999999999999999", "/api/counts"]),
    )
    return knows.request(method, path, content=junk).status_code


TRICKS = [
    "../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "a" * 5000,
    "....//x",
    "\\..\\x",
    "0.exe",
    "-1.mid",
    "%2e%2e/",
]
VALUES: list[Any] = [
    None,
    True,
    -1,
    2**63,
    1e308,
    "",
    "x" * 5000,
    [],
    {},
    [[0, 0, 60, 90, 100]],
    {"notes": [[1]]},
    {"key": []},
]


def _raw(host: str, port: int, data: bytes, wait: bool = True) -> int | str:
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(data)
        if not wait:
            return "cut"
        try:
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(64)
        except OSError:
            return "closed"
    return int(answer[9:12]) if answer[9:12].isdigit() else "closed"


def _megabytes(pid: int) -> float:
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="what", required=True)
    for name, option, default in (
        ("page", "times", 20),
        ("cost", "times", 20),
        ("load", "tunes", 50),
        ("hostile", "requests", 2000),
    ):
        kinds.add_parser(name).add_argument(f"--{option}", type=int, default=default)
    asked = parser.parse_args()
    if asked.what == "page":
        measure_page(asked.times)
    elif asked.what == "cost":
        measure_cost(asked.times)
    elif asked.what == "load":
        measure_load(asked.tunes)
    else:
        measure_hostile(asked.requests)


if __name__ == "__main__":
    main()
