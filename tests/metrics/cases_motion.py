"""Cases of the metrics of motion."""

from __future__ import annotations

import math

import numpy as np
import torch
from cases import Batch, Case
from torch import Tensor

from gazekit.metrics import (
    DirectionCorrelation,
    EndPointError,
    FlowCorrelation,
    PartialFlowCorrelation,
    ResponseConsistency,
    SpeedCorrelation,
)

__all__ = ["CASES"]


def probes_batch(seed: int) -> Batch:
    """Nine probes; the truth of one is unknown, people report no motion at another."""
    draw = torch.Generator().manual_seed(seed)
    true = 3 * torch.randn(9, 2, generator=draw, dtype=torch.float64)
    human = 0.8 * true + torch.randn(9, 2, generator=draw, dtype=torch.float64)
    flow = 0.5 * true + 0.4 * human + torch.randn(9, 2, generator=draw, dtype=torch.float64)
    true[3] = torch.nan
    human[5] = 0
    return {"flow": flow, "human_flow": human, "true_flow": true}


def rows(batches: list[Batch]) -> list[list[tuple[float, float]]]:
    """M, R, G of the probes whose truth is known."""
    known = []
    for batch in batches:
        for m, r, g in zip(*(batch[k].tolist() for k in ("flow", "human_flow", "true_flow")), strict=True):
            if g[0] == g[0]:
                known.append((m, r, g))
    return known


def tensor(value: float) -> Tensor:
    return torch.tensor(float(value), dtype=torch.float64)


def error_of_all(batches: list[Batch]) -> Tensor:
    return tensor(np.mean([math.dist(m, g) for m, _, g in rows(batches)]))


def consistency_of_all(batches: list[Batch]) -> Tensor:
    found = []
    for m, r, g in rows(batches):
        a = math.dist(r, g) / (math.hypot(*g) + math.hypot(*r))
        human, model = np.subtract(r, g), np.subtract(m, g)
        b = human @ model / math.hypot(*human) / math.hypot(*model)
        found.append(a * b * math.dist(m, g) / (math.dist(m, g) + math.dist(m, r)))
    return tensor(np.mean(found))


def flat(batches: list[Batch]) -> np.ndarray:
    """[3, 2 N] u and v of M, R, G."""
    return np.array(rows(batches)).transpose(1, 0, 2).reshape(3, -1)


def correlation_of_all(batches: list[Batch]) -> Tensor:
    m, _, g = flat(batches)
    return tensor(np.corrcoef(m, g)[0, 1])


def partial_of_all(batches: list[Batch]) -> Tensor:
    """By what is left of two regressions."""
    m, r, g = flat(batches)
    design = np.stack([np.ones_like(g), g], 1)
    left = [y - design @ np.linalg.lstsq(design, y, rcond=None)[0] for y in (m, r)]
    return tensor(np.corrcoef(*left)[0, 1])


def direction_of_all(batches: list[Batch]) -> Tensor:
    pairs = []
    for m, r, g in rows(batches):
        if any(math.hypot(*x) == 0 for x in (m, r, g)):
            continue
        true = math.atan2(g[1], g[0])
        turn = [math.remainder(math.atan2(x[1], x[0]) - true, 2 * math.pi) for x in (m, r)]
        pairs.append([true + t for t in turn])
    return tensor(np.corrcoef(np.transpose(pairs))[0, 1])


def speed_of_all(batches: list[Batch]) -> Tensor:
    speeds = [[math.hypot(*m), math.hypot(*g)] for m, _, g in rows(batches)]
    return tensor(np.corrcoef(np.transpose(speeds))[0, 1])


CASES: dict[str, Case] = {
    "end_point_error": Case(EndPointError, probes_batch, error_of_all),
    "response_consistency": Case(ResponseConsistency, probes_batch, consistency_of_all),
    "flow_correlation": Case(FlowCorrelation, probes_batch, correlation_of_all),
    "partial_flow_correlation": Case(PartialFlowCorrelation, probes_batch, partial_of_all),
    "direction_correlation": Case(DirectionCorrelation, probes_batch, direction_of_all),
    "speed_correlation": Case(SpeedCorrelation, probes_batch, speed_of_all),
}
