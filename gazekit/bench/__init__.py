"""Benches: what was made here, timed beside what people would run instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gazekit.bench.harness import Case

__all__ = ["BENCHES"]


def _oat(device: str) -> list[Case]:
    """scanpath generation and training of the default OAT net, and their growth with the number of objects"""
    from gazekit.bench.oat import cases

    return cases(device)


def _metrics(device: str) -> list[Case]:
    """comparisons of scanpaths by the thousand and scores of large saliency maps"""
    from gazekit.bench.metrics import cases

    return cases(device)


BENCHES: dict[str, Callable[[str], list[Case]]] = {"oat": _oat, "metrics": _metrics}
"""Name to a function that makes the cases for a device; `--help` shows the first line of its docstring."""
