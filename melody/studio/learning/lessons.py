"""The routes of training."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from melody.errors import StudioError
from melody.sampling.keywords import number
from melody.studio.learning.school import School
from melody.studio.replies import answered, body_of, order_of


def routes(school: School) -> list[Route]:
    """The routes."""

    async def state(request: Request) -> Any:
        since = request.query_params.get("since", "0")
        return school.state(int(since) if since.isascii() and since.isdecimal() and len(since) < 9 else 0)

    async def begin(_: Request) -> Any:
        await run_in_threadpool(school.begin_uploads)
        return {}

    async def upload(request: Request) -> Any:
        name = request.query_params.get("name", "")
        if not name:
            raise StudioError("a file needs a name; drop it again")
        data = await body_of(request)
        await run_in_threadpool(school.upload, name[-400:], data)
        return {}

    async def act(request: Request) -> Any:
        order = await order_of(request)
        what = request.path_params["what"]
        if what == "start":
            await run_in_threadpool(school.start, order.get("name"), _minutes(order), order.get("base"))
        elif what == "resume":
            await run_in_threadpool(school.go_on, _minutes(order))
        elif what == "stop":
            school.stop()
        else:
            raise StudioError("a training can be started, stopped and resumed", 404)
        return school.state()

    async def sample(request: Request) -> Any:
        return {"sheet": await run_in_threadpool(school.sample, request.path_params["name"])}

    return [
        Route("/api/training", answered(state)),
        Route("/api/training/uploads", answered(begin), methods=["DELETE"]),
        Route("/api/training/uploads", answered(upload), methods=["POST"]),
        Route("/api/training/samples/{name}", answered(sample)),
        Route("/api/training/{what}", answered(act), methods=["POST"]),
    ]


def _minutes(order: dict[str, Any]) -> float:
    """How long a training may take; 0, which is refused, where none are given."""
    return number("minutes", order.get("minutes")) or 0.0
