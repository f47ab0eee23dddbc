"""Benchmarks cases against references: all cases warmed up before timing, medians, extra memory.

A `Case` is a function without arguments; its reference is another function that does the same work, or a known
share of it, as users would without gazekit. `measure` returns plain rows; `record` adds the machine and versions
that they depend on.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gazekit.versions import versions

__all__ = [
    "Case",
    "Timing",
    "busy_cores",
    "device_name",
    "extra_memory_mb",
    "measure",
    "record",
    "time_calls",
]

MIN_REPEATS, MAX_REPEATS = 3, 100
PROC = Path("/proc/self")
QUANTILES = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    """One row of a benchmark.

    Args:
        name: what is timed, with the sizes that matter.
        run: one call of it.
        items: number of items (`unit`) per call, for `per_second` and `ms_per_<unit>`.
        unit: name of an item, singular.
        reference: the alternative; "" without one.
        run_reference: one call of the reference, or None.
        reference_items: number of items per call of the reference, `items` if None; its time is scaled.
        facts: function of the results of `run` and `run_reference` (None without one) that returns further
            entries.
    """

    name: str
    run: Callable[[], Any]
    items: int = 1
    unit: str = "call"
    reference: str = ""
    run_reference: Callable[[], Any] | None = None
    reference_items: int | None = None
    facts: Callable[[Any, Any], dict[str, float | int | str]] = field(default=lambda ours, reference: {})


class Timing(NamedTuple):
    """Wall time of one call in milliseconds over `repeats` calls."""

    p20_ms: float
    median_ms: float
    p80_ms: float
    repeats: int


def time_calls(run: Callable[[], Any], budget_s: float, device: str = "cpu") -> Timing:
    """Call repeatedly until the budget is spent, at least 3 and at most 100 times, without warm-up.

    Quantiles are interpolated linearly. On a CUDA device each call ends when the device is idle.
    """
    wait = torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda: None
    taken_ms: list[float] = []
    wait()
    end = time.perf_counter() + budget_s
    while len(taken_ms) < MIN_REPEATS or (len(taken_ms) < MAX_REPEATS and time.perf_counter() < end):
        start = time.perf_counter()
        run()
        wait()
        taken_ms.append(1e3 * (time.perf_counter() - start))
    low, median, high = torch.tensor(taken_ms, dtype=torch.float64).quantile(QUANTILES).tolist()
    return Timing(low, median, high, len(taken_ms))


def extra_memory_mb(run: Callable[[], Any], device: str = "cpu") -> float | None:
    """Peak memory during one call beyond what was held before it, in MB (10^6 bytes).

    Measured by torch's allocator on a CUDA device. On Linux, by the kernel's high-water mark of the resident set,
    which is reset just before the call, after memory freed by earlier calls has been returned to the system;
    the mark captures short peaks. It includes the allocator's fragmentation, so repeated measurements
    differ by 10 to 20 %. None if neither is available.
    """
    gc.collect()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    if sys.platform != "linux" or not (PROC / "clear_refs").exists():
        return None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        trim(0)
    before = _resident_kb("VmRSS")
    (PROC / "clear_refs").write_text("5")
    run()
    return max(0, _resident_kb("VmHWM") - before) * 1024 / 1e6


def _resident_kb(field_name: str) -> int:
    lines = (PROC / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field_name + ":"))


def measure(
    cases: Sequence[Case],
    device: str = "cpu",
    budget_s: float = 2.0,
    progress: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Time all cases, each warmed up before the first of them is timed.

    Args:
        budget_s: for the repeats of each function.
        progress: called with a message before each step.
    Returns:
        One row per case: case, ours_ms (median of one call), ours_p20_ms, ours_p80_ms, repeats, per_second,
        ms_per_<unit>, reference, reference_ms (median, scaled to the same number of items), reference_p20_ms,
        reference_p80_ms, reference_repeats, ratio (reference_ms / ours_ms), peak_mb of one call,
        reference_peak_mb (of one call, not scaled), and the case's facts. Entries of an absent reference are
        None.
    """
    facts, rows = [], []
    for case in cases:
        progress(f"warming up: {case.name}")
        facts.append(case.facts(case.run(), case.run_reference() if case.run_reference else None))
    for case, more in zip(cases, facts, strict=True):
        progress(f"timing: {case.name}")
        ours = time_calls(case.run, budget_s, device)
        theirs = time_calls(case.run_reference, budget_s, device) if case.run_reference else None
        rows.append(_row(case, ours, theirs) | _memory(case, device) | more)
    return rows


def _memory(case: Case, device: str) -> dict[str, float | None]:
    ours = extra_memory_mb(case.run, device)
    reference = extra_memory_mb(case.run_reference, device) if case.run_reference else None
    return {"peak_mb": ours, "reference_peak_mb": reference}


def _row(case: Case, ours: Timing, theirs: Timing | None) -> dict[str, Any]:
    scale = case.items / (case.reference_items or case.items)
    reference = case.reference
    if theirs and scale != 1:
        reference += f" (timed on {case.reference_items} {case.unit}s, scaled to {case.items})"
    reference_ms = theirs and theirs.median_ms * scale
    return {
        "case": case.name,
        "ours_ms": ours.median_ms,
        "ours_p20_ms": ours.p20_ms,
        "ours_p80_ms": ours.p80_ms,
        "repeats": ours.repeats,
        "per_second": 1e3 * case.items / ours.median_ms,
        f"ms_per_{case.unit}": ours.median_ms / case.items,
        "reference": reference,
        "reference_ms": reference_ms,
        "reference_p20_ms": theirs and theirs.p20_ms * scale,
        "reference_p80_ms": theirs and theirs.p80_ms * scale,
        "reference_repeats": theirs and theirs.repeats,
        "ratio": theirs and reference_ms / ours.median_ms,
    }


def record(
    bench: str, rows: list[dict[str, Any]], device: str = "cpu", load_before: float | None = None
) -> dict[str, Any]:
    """The rows with the machine and versions, ready for JSON. `load_before`: `busy_cores` before the benchmark."""
    found = versions()
    threads = int(found.pop("threads"))
    about = {"versions": found, "threads": threads, "device": device_name(device), "load_before": load_before}
    return {"bench": bench, **about, "rows": rows}


def busy_cores() -> float | None:
    """Load average of the last minute, an estimate of other programs' load at the start; None if unknown."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def device_name(device: str) -> str:
    """The processor's name as reported by the system, else its architecture."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
