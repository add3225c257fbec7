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
