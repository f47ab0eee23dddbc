"""The project's model for Label Studio: the three addresses that it calls on a machine-learning backend."""

from __future__ import annotations

from typing import Any

from fastapi import Body, FastAPI

from gazekit.annotate.session import AnnotationSession

__all__ = ["add_routes"]


def add_routes(app: FastAPI, session: AnnotationSession) -> None:
    """GET /health, POST /setup and POST /predict."""

    @app.get("/health")
    def health() -> Any:
        return {"status": "UP", "model_class": "gazekit.annotate"}

    @app.post("/setup")
    def setup(body: dict[str, Any] = Body(default={})) -> Any:  # noqa: B008
        return {"model_version": str(session.loop.model.version)}
