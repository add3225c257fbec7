"""A studio that runs in this process, for tests: its server in a thread, its workers in processes."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from melody.studio.application import Studio, application

IMPORT = "const { studio } = await import('/page/main.js');"
# What a page is given before its own scripts: it writes down what is laid on the clock, which can be set and moved by hand;
# there is a MIDI keyboard.
WITNESS = """
window.clock = null;
const time = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, "currentTime").get;
Object.defineProperty(BaseAudioContext.prototype, "currentTime", { get() { return window.clock ?? time.call(this); } });
window.pass = seconds => {
  for (const end = clock + seconds; clock < end - 1e-9;) {
    clock += 0.05;
    document.dispatchEvent(new Event("visibilitychange"));
  }
};
window.laid = [];
for (const kind of [AudioBufferSourceNode, OscillatorNode]) {
  const start = kind.prototype.start;
  kind.prototype.start = function (when, ...more) {
    laid.push({ when, beat: kind === OscillatorNode });
    return start.call(this, when, ...more);
  };
}
window.keys = { name: "Keys", onmidimessage: null, send(...data) { this.onmidimessage({ data: new Uint8Array(data) }); } };
navigator.requestMIDIAccess = async () => ({ inputs: new Map([["1", keys]]), onstatechange: null });
document.addEventListener("dragstart", event => { window.dragged = event.dataTransfer.getData("DownloadURL"); });
"""


@dataclass
class Running:
    """A studio that listens."""

    studio: Studio
    base: str

    @property
    def address(self) -> str:
        """With the token, as `melody studio` opens it."""
        return f"{self.base}/?token={self.studio.token}"

    def client(self) -> httpx.Client:
        """A client that knows the token."""
        return httpx.Client(base_url=self.base, timeout=120, cookies={f"melody-{self.studio.port}": self.studio.token})

    def job(self, kind: str, **order: Any) -> list[dict[str, Any]]:
        """All messages of a job."""
        with self.client() as client:
            return messages(client.post(f"/api/jobs/{kind}", json=order).content)


def messages(answer: bytes) -> list[dict[str, Any]]:
    """The messages of an answer: lines of JSON, each followed by as many bytes as it says."""
    found = []
    while answer:
        line, _, answer = answer.partition(b"\n")
        message = json.loads(line)
        if size := message.get("bytes"):
            assert len(answer) >= size
            message["bytes"], answer = answer[:size], answer[size:]
        found.append(message)
    return found


@contextmanager
def running(folder: Path, makers: int = 1) -> Iterator[Running]:
    """A studio with this folder."""
    (folder / "models").mkdir(parents=True, exist_ok=True)
    listening = socket.create_server(("127.0.0.1", 0))
    studio = Studio(folder, listening.getsockname()[1], "a-token-of-the-tests", makers)
    config = uvicorn.Config(application(studio), log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
            assert thread.is_alive()
        yield Running(studio, f"http://127.0.0.1:{studio.port}")
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def in_page(page: Any, script: str) -> Any:
    """What a script gives that has the studio of the page."""
    return page.evaluate(f"async () => {{ {IMPORT} {script} }}")


def sheet(page: Any) -> dict[str, Any]:
    """The tune on the page."""
    found: dict[str, Any] = in_page(page, "return studio.tune;")
    return found


def until(page: Any, expression: str) -> None:
    """Wait until it holds on the page, whose own policy lets nobody evaluate texts in it."""
    for _ in range(4_000):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(30)
    raise AssertionError(f"it never came to {expression}")


def says(page: Any, words: str) -> None:
    """Wait until the page says so."""
    until(page, f"/{words}/.test(document.getElementById('status').textContent)")


def settled(page: Any) -> None:
    """Wait until nothing is being written."""
    says(page, "^seed")
    page.wait_for_selector("#write:enabled")
