"""Who may talk to the annotation server."""

import asyncio
import base64

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gazekit.annotate.server.security import COOKIE, JSON_BYTES, Guard, is_loopback


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


APP = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])


def ask(guard, method="GET", path="/api/project", body=(), query=b"", **headers):
    """(status, headers, body) of one request, sent as ASGI messages: no client tidies the headers."""
    sent, chunks = [], [*body] or [b""]
    messages = [
        {"type": "http.request", "body": chunk, "more_body": i + 1 < len(chunks)}
        for i, chunk in enumerate(chunks)
    ]
    names = {"host": "127.0.0.1:8000"} | {k.replace("_", "-"): v for k, v in headers.items()}
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query,
        "headers": [(k.encode(), v.encode()) for k, v in names.items() if v is not None],
        "scheme": "http", "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 9), "http_version": "1.1",
    }  # fmt: skip

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    found = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(m.get("body", b"") for m in sent[1:])


@pytest.fixture
def local():
    return Guard(APP, "127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "127.0.0.1"])
def test_this_machine_is_known_by_its_loopback_names(local, host):
    assert ask(local, host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8000",
        "10.0.0.7",
        "[",
        "a@evil",
        "::1",
    ],
)
def test_a_foreign_name_is_misdirected(local, host):
    status, _, body = ask(local, host=host)
    assert status == 421
    assert b"this server is not" in body


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8000", "", "http://127.0.0.1"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_origin_is_refused(local, origin, method):
    status, headers, _ = ask(local, method, "/api/actions", origin=origin)
    assert status == 403
    assert "access-control-allow-origin" not in headers


def test_the_own_origin_is_let_through(local):
    assert ask(local, "POST", "/api/actions", origin="http://127.0.0.1:8000")[0] == 200


def test_pictures_are_not_for_other_sites(local):
    # <img src> of a foreign page sends no Origin, but says where it comes from
    assert (
        ask(local, path="/api/frames/0.jpg", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")[0] == 403
    )
    assert (
        ask(local, path="/api/frames/0.jpg", sec_fetch_site="same-site", sec_fetch_mode="no-cors")[0] == 403
    )
    assert (
        ask(local, path="/api/frames/0.jpg", sec_fetch_site="same-origin", sec_fetch_mode="no-cors")[0] == 200
    )
    assert ask(local, path="/", sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 200  # a link


def test_answers_forbid_scripts_from_elsewhere(local):
    for host in ("localhost", "evil.example"):
        headers = ask(local, host=host)[1]
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"


def test_a_body_has_a_limit(local):
    assert ask(local, "POST", body=[b"a" * JSON_BYTES])[2] == str(JSON_BYTES).encode()
    assert ask(local, "POST", body=[b"a"], content_length=str(JSON_BYTES + 1))[0] == 413
    # a body sent in pieces says nothing about its length
    assert ask(local, "POST", body=[b"a" * (JSON_BYTES // 2)] * 3)[0] == 413
    assert ask(local, "POST", "/api/import/coco", body=[b"a" * (JSON_BYTES // 2)] * 3)[0] == 200


def test_others_need_a_token():
    with pytest.raises(ValueError, match="a token is required"):
        Guard(APP, "0.0.0.0")
    guard = Guard(APP, "192.168.1.5", "secret")
    host = "192.168.1.5:8000"
    assert ask(guard, host=host)[0] == 401
    assert ask(guard, host="localhost")[0] == 401
    assert ask(guard, host="192.168.1.6")[0] == 421
    assert ask(guard, host=host, path="/", query=b"token=wrong")[0] == 401
    assert (
        ask(guard, host=host, path="/api/project", query=b"token=secret")[0] == 401
    )  # only the page sets the cookie
    status, headers, _ = ask(guard, host=host, path="/", query=b"token=secret&x=1")
    assert (status, headers["location"]) == (303, "/?x=1")
    assert f"{COOKIE}=secret" in headers["set-cookie"] and "HttpOnly" in headers["set-cookie"]
    assert "SameSite=strict" in headers["set-cookie"]
    assert ask(guard, host=host, cookie=f"a=b; {COOKIE}=secret")[0] == 200
    assert ask(guard, host=host, cookie=f"{COOKIE}=secre")[0] == 401
    assert ask(guard, host=host, cookie=f"{COOKIE}=\xff")[0] == 401
    assert ask(guard, host=host, authorization="Bearer secret")[0] == 200
    basic = base64.b64encode(b"anyone:secret").decode()
    assert ask(guard, host=host, authorization=f"Basic {basic}")[0] == 200
    assert ask(guard, host=host, authorization="Basic \xff\xff")[0] == 401


def test_on_all_addresses_it_is_known_by_numbers_only():
    guard = Guard(APP, "0.0.0.0", "secret")
    assert ask(guard, host="10.1.2.3:8000", authorization="Bearer secret")[0] == 200
    assert ask(guard, host="evil.example:8000", authorization="Bearer secret")[0] == 421


def test_websockets_are_closed(local):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(local({"type": "websocket", "path": "/", "headers": []}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback(host, answer):
    assert is_loopback(host) is answer
