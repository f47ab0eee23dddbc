"""Author names of actions that are not by a person."""

from __future__ import annotations

__all__ = ["MODEL", "NO_PERSON", "SIMULATED", "TRANSFERRED"]

MODEL, TRANSFERRED, SIMULATED = "model", "model taken along", "simulated"
NO_PERSON = frozenset({MODEL, TRANSFERRED, SIMULATED})
