"""Access control: decides who may talk to the server, before a request is processed.

A page on the internet can make a browser send requests to a server on the same machine. It cannot choose the header
`Host` (a name that was pointed here by a foreign name server shows there), nor hide the headers `Origin` and
`Sec-Fetch-Site`; so requests with a foreign one are refused. Served to other machines, a token is needed as well.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse

__all__ = ["COOKIE", "Guard", "is_loopback"]

COOKIE = "gazekit_token"
JSON_BYTES, UPLOAD_BYTES = 1 << 20, 64 << 20
UPLOADS = ("/api/import/",)
HEADERS = {
    b"content-security-policy": b"default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; "
    b"base-uri 'none'; form-action 'self'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether an address or name is loopback: 127.0.0.0/8, ::1, localhost."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


class Guard:
    """ASGI application that passes on allowed requests.

    Args:
        app: what is guarded.
        host: the address that the server listens on. On a loopback address no token is asked for. On all addresses
            (0.0.0.0, ::) it is known by any numeric address and by the machine's name.
        token: needed as the cookie that `/?token=...` sets, as `Authorization: Bearer`, or as the password of
            `Authorization: Basic`; None: not needed.
    Raises:
        ValueError: an address that others can reach, without a token.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], host: str, token: str | None = None) -> None:
        if not is_loopback(host) and not token:
            raise ValueError(f"host={host} can be reached from other machines: a token is required")
        self._app, self._host, self._token = app, host.lower().strip("[]"), token
        address = _address(host)
        self._everywhere = address is not None and address.is_unspecified

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no websockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = _headers(scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self._bounded(scope, headers, receive, _with_headers(send))

    def _refusal(self, scope: dict[str, Any], headers: dict[str, str]) -> Any | None:
        """The answer to a rejected request; None for an allowed one."""
        host = headers.get("host", "")
        if not self._known(host):
            return _error(421, f"this server is not {host!r}")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return _error(403, f"requests from pages of {origin!r} are refused")
        navigation = scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not navigation:
            return _error(403, "requests from other sites' pages are refused")
        return self._token_refusal(scope, headers)

    def _known(self, host_header: str) -> bool:
        try:
            host = urlsplit(f"//{host_header}").hostname or ""
        except ValueError:
            return False
        if is_loopback(host) or host == self._host:
            return True
        return self._everywhere and (_address(host) is not None or host == socket.gethostname().lower())

    def _token_refusal(self, scope: dict[str, Any], headers: dict[str, str]) -> Any | None:
        if self._token is None:
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = query.pop("token", [""])[0]
        if scope["path"] == "/" and scope["method"] == "GET" and self._right(given):
            rest = urlencode(query, doseq=True)
            answer = RedirectResponse("/" + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            return answer
        if self._right(_cookie(headers)) or self._right(_authorization(headers)):
            return None
        return _error(401, "a token is needed: open the address that the server printed when it started")

    def _right(self, given: str) -> bool:
        return bool(given) and hmac.compare_digest(given.encode(), (self._token or "").encode())

    async def _bounded(self, scope: dict[str, Any], headers: dict[str, str], receive: Any, send: Any) -> None:
        """Pass the request on; reading its body raises once it exceeds the limit."""
        limit = UPLOAD_BYTES if scope["path"].startswith(UPLOADS) else JSON_BYTES
        text = f"the request's body is above {limit} bytes"
        try:
            declared = int(headers.get("content-length", "0"))
        except ValueError:
            declared = 0
        if declared > limit:
            await _error(413, text)(scope, receive, send)
            return
        seen = 0

        async def counted() -> dict[str, Any]:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413, text)  # inside the application, which answers with it
            return message

        await self._app(scope, counted, send)


def _headers(scope: dict[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)


def _with_headers(send: Any) -> Any:
    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS.items()]
        await send(message)

    return sending


def _cookie(headers: dict[str, str]) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _authorization(headers: dict[str, str]) -> str:
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return ""
