"""The web application: the page's files, jobs whose messages are streamed, and what the page asks for at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from melody.errors import StudioError
from melody.studio import keeping
from melody.studio.bench import KINDS, models_here, work
from melody.studio.guard import Guard
from melody.studio.learning import lessons
from melody.studio.learning.school import School
from melody.studio.pool import Job, Pool
from melody.studio.replies import Handler, answered, order_of, streamed
from melody.studio.together import turns
from melody.studio.together.company import Company

PAGE = Path(__file__).parent / "page"
MOST_WAITING = 128  # jobs
# What is soon done does not wait behind what takes long, and sound waits for nothing.
SOON = {"engrave", "read", "export", "card"}


@dataclass
class Studio:
    """What the application stands on.

    Parameters
    ----------
    folder
        Where it keeps things.
    port, token
        Of its address.
    makers
        How many processes make music.
    """

    folder: Path
    port: int
    token: str
    makers: int = 2

    def __post_init__(self) -> None:
        self.school = School(self.folder)
        self.company = Company(self.folder)

    def open(self) -> None:
        """Begin the processes."""
        self.making = Pool(work, (self.folder, ("write",)), self.makers, MOST_WAITING)
        self.soon = Pool(work, (self.folder, ("engrave",)), 1, MOST_WAITING)
        self.sounding = Pool(work, (self.folder, ("sound",)), 1, MOST_WAITING)

    def close(self) -> None:
        """End them."""
        self.making.close()
        self.soon.close()
        self.sounding.close()
        self.school.close()
        self.company.close()

    def submit(self, kind: str, order: dict[str, Any]) -> Job:
        """Line a job up.

        Raises
        ------
        StudioError
            If there is no such job, or too many wait.
        """
        if kind not in KINDS:
            raise StudioError(f"the studio knows no '{kind[:40]}'; load the page again", 404)
        pool = self.sounding if kind == "sound" else self.soon if kind in SOON else self.making
        return pool.submit(kind, order)


def application(studio: Studio) -> Guard:
    """The application behind its guard."""

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        studio.open()
        try:
            yield
        finally:
            studio.close()

    routes = [
        Route("/", _opened(studio)),
        Route("/api/state", answered(lambda _: _state(studio))),
        Route("/api/jobs/{kind}", _begun(studio), methods=["POST"]),
        *keeping.routes(studio.folder, studio.submit),
        *lessons.routes(studio.school),
        *turns.routes(studio.company),
    ]
    app = Starlette(routes=routes, lifespan=life)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    return Guard(app, studio.port, studio.token)


def _opened(studio: Studio) -> Handler:
    """The page; the token of the address becomes a cookie, so that it does not stay in the history."""

    async def opened(request: Request) -> Response:
        token = request.query_params.get("token")
        if token is not None and compare_digest(token.encode(), studio.token.encode()):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(f"melody-{studio.port}", studio.token, httponly=True, samesite="strict", max_age=30 * 86_400)
            return answer
        return Response((PAGE / "index.html").read_bytes(), media_type="text/html")

    return opened


async def _state(studio: Studio) -> dict[str, Any]:
    """What the page begins with."""
    from melody.studio.steering_fields import fields

    return {"models": list(models_here(studio.folder)), "fields": fields(), "waiting": studio.making.waiting}


def _begun(studio: Studio) -> Handler:
    """A job, whose messages are sent as they come."""

    async def begun(request: Request) -> Response:
        return streamed(studio.submit(request.path_params["kind"], await order_of(request)))

    return answered(begun)
