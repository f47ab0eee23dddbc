"""The annotation server: the files of the page, and the session as JSON over HTTP.

Handlers that read or write run in threads, so that a slow one does not block others; session and store have their own
locks. An action is answered after its transaction is on disk: acknowledged actions survive a crash.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from gazekit.annotate.project.store import Conflict
from gazekit.annotate.server import ml_backend
from gazekit.annotate.server.security import Guard
from gazekit.annotate.session import AnnotationSession
from gazekit.errors import RecordingError, StoreError

__all__ = ["create_app", "serve"]

PAGE = Path(__file__).parent / "page"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
ANEW = {"cache-control": "no-cache"}


def create_app(session: AnnotationSession, host: str = "127.0.0.1", token: str | None = None) -> Guard:
    """The application for one session.

    Args:
        session: the session to serve; not closed with the application.
        host, token: see `gazekit.annotate.server.security.Guard`.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _errors(app)
    _page(app)
    _reading(app, session)
    _acting(app, session)
    _model(app, session)
    _files(app, session)
    ml_backend.add_routes(app, session)
    return Guard(app, host, token)


def serve(
    session: AnnotationSession,
    listening: socket.socket,
    host: str = "127.0.0.1",
    token: str | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests until the process is interrupted.

    Args:
        session, host, token: see `create_app`.
        listening: a bound socket.
        ready: called once the server answers requests.
    """

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            session.stream.close()  # or shutdown would wait for pages that listen for ever
            await super().shutdown(sockets)

    app = create_app(session, host, token)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=2,
    )
    with contextlib.suppress(KeyboardInterrupt):  # sent again by uvicorn when it has ended
        Server(config).run(sockets=[listening])


def _error(status: int, text: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": text, **more}, status)


def _errors(app: FastAPI) -> None:
    """One form for all errors: {"error": text}."""

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        return _error(422, "; ".join(problems))

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> JSONResponse:
        return _error(error.status_code, str(error.detail))

    @app.exception_handler(Conflict)
    def conflict(request: Request, error: Conflict) -> JSONResponse:
        return _error(409, "conflict", state=error.state, why=str(error))

    @app.exception_handler(IndexError)
    @app.exception_handler(FileNotFoundError)
    def absent(request: Request, error: Exception) -> JSONResponse:
        return _error(404, str(error))

    @app.exception_handler(ValueError)
    def wrong(request: Request, error: ValueError) -> JSONResponse:
        return _error(422, str(error))

    @app.exception_handler(StoreError)
    @app.exception_handler(OSError)
    def disk(request: Request, error: Exception) -> JSONResponse:
        return _error(507, str(error))


def _page(app: FastAPI) -> None:
    @app.get("/")
    def index() -> Response:
        return _page_file("index.html")

    @app.get("/page/{name}")
    def page(name: str) -> Response:
        return _page_file(name)

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status_code=204, headers=FOREVER)


def _page_file(name: str) -> Response:
    """A file of the page, looked up by name: the request never becomes part of a path."""
    files = {file.name: file for file in PAGE.iterdir() if file.suffix in MEDIA_TYPES}
    if name not in files:
        raise HTTPException(404, f"the page has no file {name!r}")
    return FileResponse(files[name], media_type=MEDIA_TYPES[files[name].suffix], headers=ANEW)


def _reading(app: FastAPI, session: AnnotationSession) -> None:
    @app.get("/api/project")
    def project() -> Any:
        return session.info()

    @app.get("/api/times")
    def times() -> Response:
        return Response(session.times().astype("<f8").tobytes(), media_type="application/octet-stream")

    @app.get("/api/fixations")
    def fixations() -> Any:
        return JSONResponse(session.fixations())

    @app.get("/api/frames/{index}.jpg")
    def jpeg(index: int, width: int | None = None) -> Response:
        if width is not None and not 16 <= width <= 8192:
            raise HTTPException(422, f"width must be 16 to 8192 pixels, got {width}")
        try:
            return Response(session.frames.jpeg(index, width), media_type="image/jpeg", headers=FOREVER)
        except RecordingError as error:
            raise HTTPException(422, str(error)) from error

    @app.get("/api/frames/{index}")
    def frame(index: int) -> Any:
        return JSONResponse(session.frame(index))

    @app.get("/api/queue")
    def queue(order: str = "uncertainty", kind: str = "fixation", offset: int = 0, limit: int = 50) -> Any:
        return JSONResponse(session.queue(order, kind, offset, limit))

    @app.get("/api/tracks")
    def tracks(first: int = 0, last: int | None = None) -> Any:
        return JSONResponse(session.tracks(first, last))

    @app.get("/api/stats")
    def stats() -> Any:
        return JSONResponse(session.stats())

    @app.get("/api/stream")
    async def stream(request: Request, after: int | None = None) -> StreamingResponse:
        header = request.headers.get("last-event-id", "")
        last_id = int(header) if header.isascii() and header.isdigit() else after
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(
            session.stream.follow(last_id), media_type="text/event-stream", headers=headers
        )


def _acting(app: FastAPI, session: AnnotationSession) -> None:
    @app.post("/api/actions")
    def act(body: dict[str, Any] = Body()) -> Any:  # noqa: B008
        author, tab = _who(body)
        return JSONResponse(session.act(body, author, tab))

    @app.post("/api/undo")
    def undo(body: dict[str, Any] = Body()) -> Any:  # noqa: B008
        event = None if body.get("event") is None else _integer(body, "event")
        return JSONResponse(session.undo(*_who(body), body.get("nonce"), event) or {"nothing": True})

    @app.post("/api/redo")
    def redo(body: dict[str, Any] = Body()) -> Any:  # noqa: B008
        return JSONResponse(session.redo(*_who(body), nonce=body.get("nonce")) or {"nothing": True})


def _who(body: dict[str, Any]) -> tuple[str, str]:
    """Author and tab, removed from the request's body."""
    author, tab = body.pop("author", ""), body.pop("tab", "")
    if not isinstance(author, str) or not author.strip() or len(author) > 100:
        raise HTTPException(422, f"author must be a name of at most 100 characters, got {author!r}")
    if not isinstance(tab, str) or len(tab) > 100:
        raise HTTPException(422, f"tab must be a text of at most 100 characters, got {tab!r}")
    return author.strip(), tab


def _model(app: FastAPI, session: AnnotationSession) -> None:
    @app.post("/api/model/update")
    def update() -> Any:
        return session.update()

    @app.post("/api/model/cancel")
    def cancel() -> Any:
        session.cancel()
        return session.model_status()

    @app.post("/api/propagate")
    def propagate(body: dict[str, Any] = Body()) -> Any:  # noqa: B008
        author, tab = _who(body)
        frame, stop = (_integer(body, name) for name in ("frame", "stop_frame"))
        ids = body.get("ids")
        if ids is not None and not (isinstance(ids, list) and all(isinstance(i, int) for i in ids)):
            raise HTTPException(422, f"ids must be a list of numbers of boxes, got {ids!r}")
        session.propagate(frame, stop, ids, author, tab)
        return JSONResponse({"started": True}, 202)


def _integer(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise HTTPException(422, f"{name} must be a whole number, got {value!r}")
    return value


def _files(app: FastAPI, session: AnnotationSession) -> None:
    @app.get("/api/export/{format}")
    def export(format: str, reviewed_only: bool = False) -> Response:
        folder = tempfile.TemporaryDirectory(prefix="gazekit-export-")
        try:
            file = session.export(format, Path(folder.name), reviewed_only)
        except BaseException:
            folder.cleanup()
            raise
        done = BackgroundTask(folder.cleanup)
        return FileResponse(file, filename=file.name, headers={"cache-control": "no-store"}, background=done)

    @app.post("/api/import/{format}")
    async def import_(format: str, request: Request, name: str = "the file") -> Any:
        author, tab = _who(dict(request.query_params))
        with tempfile.TemporaryDirectory(prefix="gazekit-import-") as folder:
            file = Path(folder) / "upload"
            with file.open("wb") as out:
                async for chunk in request.stream():
                    out.write(chunk)
            try:
                answer = await anyio.to_thread.run_sync(session.import_, format, file, author, tab)
            except (ValueError, FileNotFoundError) as error:  # show the user's own file name
                raise ValueError(str(error).replace(str(file), name[:200])) from error
            return JSONResponse(answer)
