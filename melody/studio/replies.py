"""How the studio answers: in JSON, and with a sentence where it refuses; and how it reads what is sent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from melody.errors import MelodyError, StudioError
from melody.studio.guard import MAX_BODY
from melody.studio.pool import Job

MEDIA_TYPE = "application/octet-stream"
MAX_JSON = 8 * 2**20  # bytes of an order: the largest tune takes 2 MB
Handler = Callable[[Request], Awaitable[Response]]


def answered(answer: Callable[[Request], Awaitable[Any]]) -> Handler:
    """A handler that answers in JSON, and refuses in a sentence."""

    async def handler(request: Request) -> Response:
        try:
            found = await answer(request)
            return found if isinstance(found, Response) else JSONResponse(found)
        except StudioError as error:
            return JSONResponse({"error": str(error)}, error.status)
        except MelodyError as error:
            return JSONResponse({"error": str(error)}, 400)

    return handler


async def order_of(request: Request) -> dict[str, Any]:
    """The JSON object that a request sends.

    Raises
    ------
    StudioError
        If it is none, or too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise StudioError("the studio takes JSON here; load the page again", 415)
    try:
        order = json.loads(await body_of(request, MAX_JSON))
    except (ValueError, RecursionError):
        raise StudioError("what came is no JSON; load the page again") from None
    if not isinstance(order, dict):
        raise StudioError("what came is no JSON object; load the page again")
    return order


async def body_of(request: Request, most: int = MAX_BODY) -> bytes:
    """What a request sends, at most so many bytes.

    Raises
    ------
    StudioError
        If it is more, or breaks off.
    """
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise StudioError(f"that is more than the {most // 2**20} MB that the studio takes here; send less", 413)
            parts.append(part)
    except ClientDisconnect:
        raise StudioError("the request broke off") from None
    return b"".join(parts)


def streamed(job: Job) -> Response:
    """The messages of a job, sent as they come.

    Each is a line of JSON. If it has `bytes`, the line says how many they are and they follow it, as they are.
    """
    return StreamingResponse((_written(message) async for message in job.messages()), media_type=MEDIA_TYPE)


def _written(message: dict[str, Any]) -> bytes:
    raw: bytes = message.get("bytes", b"")
    known = message | {"bytes": len(raw)} if raw else message
    return json.dumps(known, separators=(",", ":")).encode() + b"\n" + raw
