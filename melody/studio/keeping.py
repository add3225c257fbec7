"""What the page keeps: routes of the shelf, of files to download, and of what is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from melody.errors import StudioError
from melody.studio.jobs.showing import FORMS
from melody.studio.pool import Job
from melody.studio.replies import answered, order_of
from melody.studio.sheets import piece_of
from melody.studio.shelf import DRAFT, Shelf

Submit = Callable[[str, dict[str, Any]], Job]


def routes(folder: Path, submit: Submit) -> list[Route]:
    """The routes.

    Parameters
    ----------
    folder
        Where the shelf stands.
    submit
        Lines up a job.
    """
    kept: list[Shelf] = []

    def shelf() -> Shelf:
        if not kept:
            kept.append(Shelf(folder / "shelf.sqlite"))
        return kept[0]

    async def listed(_: Request) -> Any:
        return {"tunes": shelf().tunes(), "counts": shelf().counts()}

    async def put(request: Request) -> Any:
        return {"number": shelf().keep(await order_of(request))}

    async def drafted(request: Request) -> Any:
        return {"number": shelf().keep(await order_of(request), DRAFT)}

    async def draft(_: Request) -> Any:
        return shelf().draft()

    async def taken(request: Request) -> Any:
        return shelf().tune(request.path_params["number"])

    async def removed(request: Request) -> Any:
        shelf().take_down(request.path_params["number"])
        return {}

    async def counted(request: Request) -> Any:
        shelf().count((await order_of(request)).get("what"))
        return shelf().counts()

    async def file(request: Request) -> Any:
        return await _file(shelf(), submit, request.path_params["number"], request.path_params["form"])

    return [
        Route("/api/shelf", answered(listed)),
        Route("/api/shelf", answered(put), methods=["POST"]),
        Route("/api/draft", answered(draft)),
        Route("/api/draft", answered(drafted), methods=["POST"]),
        Route("/api/shelf/{number:int}", answered(taken)),
        Route("/api/shelf/{number:int}", answered(removed), methods=["DELETE"]),
        Route("/api/counts", answered(counted), methods=["POST"]),
        Route("/api/files/{number:int}.{form}", answered(file)),
    ]


async def _file(shelf: Shelf, submit: Submit, number: int, form: str) -> Response:
    """A tune of the shelf, or the draft, as a file to be saved."""
    if form not in FORMS:
        raise StudioError(f"the studio writes {', '.join(FORMS)}", 404)
    tune = shelf.tune(number)
    name = piece_of(tune["sheet"]).title or "tune"
    safe = "".join(c if c.isalnum() or c in " -_" else "-" for c in name).strip()[:80] or "tune"
    async for message in submit("export", {"sheet": tune["sheet"], "form": form}).messages():
        if "error" in message:
            raise StudioError(message["error"])
        disposition = f"attachment; filename*=UTF-8''{quote(f'{safe}.{form}')}"
        return Response(message["bytes"], media_type=FORMS[form], headers={"content-disposition": disposition})
    raise StudioError("the file could not be written", 503)
