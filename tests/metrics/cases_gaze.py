"""Cases of the gaze metrics."""

from __future__ import annotations

from cases import Case

__all__ = ["CASES"]

CASES: dict[str, Case] = {}
