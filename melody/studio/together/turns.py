"""The routes of a jam."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from melody.errors import StudioError
from melody.studio.pool import Job
from melody.studio.replies import answered, order_of, streamed
from melody.studio.together.company import Company


def routes(company: Company) -> list[Route]:
    """The routes."""

    async def begun(request: Request) -> Any:
        job = Job("jam", await order_of(request))
        await run_in_threadpool(company.begin, job)
        return streamed(job)

    async def act(request: Request) -> Any:
        order = await order_of(request)
        what, turns = request.path_params["what"], company.turns(order.get("jam"))
        if what == "played":
            turns.play(order.get("played"))
        elif what == "panic":
            turns.panic()
        elif what == "stop":
            turns.stop()
        else:
            raise StudioError("a jam can be played, silenced and stopped", 404)
        return {"now": turns.now}

    return [
        Route("/api/jam", answered(begun), methods=["POST"]),
        Route("/api/jam/{what}", answered(act), methods=["POST"]),
    ]
