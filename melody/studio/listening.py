"""The studio's server: it binds to the loopback, opens the page, and goes when it is interrupted."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from melody.errors import StudioError
from melody.extras import need
from melody.files import make_folder

_KEPT_OPEN = 300  # seconds that a connection waits for the next request: a page that is used needs no new one


def default_folder() -> Path:
    """The platform's folder for data of this program."""
    import platformdirs

    return Path(platformdirs.user_data_dir("melody", appauthor=False)) / "studio"


def serve(folder: Path | None, port: int, opened: Callable[[str], None]) -> None:
    """Serve the studio until the process is interrupted.

    Parameters
    ----------
    folder
        Where tunes and models are kept; None for the platform's place.
    port
        On 127.0.0.1; 0 for any that is free.
    opened
        Called with the address once it can be opened.

    Raises
    ------
    StudioError
        If the port is taken.
    melody.errors.MissingError
        If Starlette or uvicorn is not installed.
    melody.files.FileError
        If the folder cannot be made.
    """
    need("the studio", "starlette", "uvicorn", "platformdirs")
    import uvicorn

    from melody.studio.application import Studio, application

    folder = (folder or default_folder()).resolve()
    make_folder(folder / "models")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of the processes that make music
    with _bound(port) as listening:
        studio = Studio(folder, listening.getsockname()[1], secrets.token_urlsafe(24))
        address = f"http://127.0.0.1:{studio.port}/?token={studio.token}"
        config = uvicorn.Config(
            application(studio),
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=_KEPT_OPEN,
        )
        server = uvicorn.Server(config)
        opened(address)  # the socket listens already
        server.run(sockets=[listening])


def _bound(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name != "nt":  # there it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise StudioError(f"port {port} cannot be used: {reason}; name another with --port, 0 for any") from None
    return listening
