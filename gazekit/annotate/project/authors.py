"""Author names of actions that are not by a person."""

from __future__ import annotations

__all__ = ["MODEL", "NO_PERSON", "SIMULATED", "TAKEN_ALONG"]

MODEL, TAKEN_ALONG, SIMULATED = "model", "model taken along", "simulated"
NO_PERSON = frozenset({MODEL, TAKEN_ALONG, SIMULATED})
