"""What is let in: this machine, this address, this token, and no more than fits.

A page of a stranger may make a browser ask any address, and may let its own name lead to 127.0.0.1 (DNS rebinding); so the
host that a request names and the origin that it comes from must be ours, and what is more than the page's own files needs
the token of the address that `melody studio` opened, which a cookie keeps that no other page can send (SameSite).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self' data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_PASSED_OVER = 2**20  # bytes of what is refused
MAX_BODY = 32 * 2**20  # bytes of anything that is sent; most answers take less


class Guard:
    """Stands before an application and answers what is not let in.

    Parameters
    ----------
    app
        What stands behind.
    port
        Where the studio listens.
    token
        The secret of the address.
    """

    def __init__(self, app: App, port: int, token: str) -> None:
        self._app, self._token = app, token
        self.cookie = f"melody-{port}"
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        found = self._refusal(scope, headers)
        if found is not None:
            await _passed_over(receive)
            await _answer(send, *found)
            return
        await self._app(scope, receive, _with_headers(send, scope["path"]))

    def _refusal(self, scope: Scope, headers: dict[bytes, str]) -> tuple[int, str] | None:
        """Status and sentence, if it is not let in."""
        if headers.get(b"host", "") not in self._hosts:
            return 421, "the studio answers to its own address alone; open the one that melody studio printed"
        if headers.get(b"origin", next(iter(self._origins))) not in self._origins:
            return 403, "another page may not ask the studio; open the address that melody studio printed"
        if headers.get(b"sec-fetch-site", "none") not in ("none", "same-origin") and scope["path"].startswith("/api/"):
            return 403, "another page may not ask the studio; open the address that melody studio printed"
        length = headers.get(b"content-length", "0")
        if not (length.isascii() and length.isdecimal()) or int(length[:12]) > MAX_BODY:
            return 413, f"that is more than the {MAX_BODY // 2**20} MB that the studio takes; send less"
        if scope["path"].startswith("/api/") and not self._knows(headers.get(b"cookie", "")):
            return 401, "the studio does not know this page any more; open the address that melody studio printed"
        return None

    def _knows(self, cookies: str) -> bool:
        try:
            found = SimpleCookie(cookies).get(self.cookie)
        except CookieError:
            return False
        return found is not None and compare_digest(found.value.encode(), self._token.encode())


def _with_headers(send: Send, path: str) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            more = HEADERS | {"cache-control": "no-store" if path.startswith("/api/") else "no-cache"}
            known = {name.lower() for name, _ in message["headers"]}
            added = [(name.encode(), value.encode()) for name, value in more.items() if name.encode() not in known]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending


async def _passed_over(receive: Receive) -> None:
    """Take what is sent, a little of it: a connection that is closed under a sender loses the sentence that it gets."""
    size = 0
    while size < _PASSED_OVER:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


async def _answer(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
