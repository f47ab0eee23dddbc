"""Optical flow against the truth and against what people perceive; the definitions are in `functional.motion`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_statistic
from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.moments import (
    correlation,
    drawn_moments,
    merge_moments,
    moments_of_items,
    moments_of_units,
)
from gazekit.metrics.functional.motion import (
    directions,
    end_point_error,
    flows,
    partial_correlation,
    response_consistency,
)
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.item_metric import ItemMetric
from gazekit.metrics.score import Score

__all__ = [
    "DirectionCorrelation",
    "EndPointError",
    "FlowCorrelation",
    "PartialFlowCorrelation",
    "ResponseConsistency",
    "SpeedCorrelation",
]


class EndPointError(ItemMetric):
    """Mean `functional.end_point_error` over pictures (probes).

    Example:
        >>> metric = EndPointError()
        >>> metric.update([[3.0, 4.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 0.0]])
        >>> metric.compute()
        tensor(3., dtype=torch.float64)
    """

    higher_is_better = False

    def update(self, flow: ArrayLike, true_flow: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B flows [B, 2, ...], (u, v) in pixels per frame, and the true ones; integer ids [B] of groups."""
        self.add(end_point_error(flow, true_flow), group)


class ResponseConsistency(ItemMetric):
    """Mean `functional.response_consistency` over probes.

    Example:
        >>> metric = ResponseConsistency()
        >>> metric.update([[0.8, 0.0], [1.2, 0.0]], [[0.8, 0.0], [0.8, 0.0]], [[1.0, 0.0], [1.0, 0.0]])
        >>> metric.compute()
        tensor(0.0370, dtype=torch.float64)
    """

    higher_is_better = True

    def update(
        self,
        flow: ArrayLike,
        human_flow: ArrayLike,
        true_flow: ArrayLike,
        group: ArrayLike | None = None,
    ) -> None:
        """Add B flows [B, 2, ...] of a model, of people, and the true ones; integer ids [B] of groups."""
        self.add(response_consistency(flow, human_flow, true_flow), group)


class _PlaceMetric(GroupedMetric):
    """A correlation over observations of several quantities: the u and v of places, or one number of each.

    Kept are the moments of each picture's observations. Those that are not finite in every quantity are left out
    and counted in `undefined`.
    """

    higher_is_better = True
    statistic: Callable[[Tensor], Tensor] = staticmethod(correlation)

    def __init__(self, quantities: int = 2) -> None:
        super().__init__("pictures", pictures=2 + quantities + quantities**2)

    def add_observations(self, quantities: tuple[Tensor, ...], group: ArrayLike | None) -> None:
        """Add quantities [B, ...] of B pictures each."""
        rows = [quantity[..., None].flatten(1) for quantity in quantities]
        packed = moments_of_items(*rows)
        left_out = rows[0].shape[1] - packed[:, :1]
        self.add_grouped(torch.cat([packed, left_out], 1), group)

    def compute(self) -> Tensor:
        """[] the correlation over all observations; NaN where undefined."""
        return type(self).statistic(merge_moments(self._packed)) if self.count else torch.tensor(torch.nan)

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Score:
        """The correlation with its percentile bootstrap interval, which draws whole groups (single pictures or probes
        without groups). `n` and `undefined` count observations. Call it on all processes.
        """
        with self.sync_context():
            unit, units = self.units()
            packed = moments_of_units(self._packed, unit, units)

            def drawn(counts: Tensor) -> Tensor:
                return type(self).statistic(drawn_moments(packed, counts))

            found = bootstrap_statistic(drawn, units, n_resamples, level, seed, bytes_per_draw=8 * units)
            number = int(self._packed[:, 0].sum())
            return Score.of((self.compute(), *found[1:]), number, int(self.undefined))

    @property
    def undefined(self) -> Tensor:
        """[] number of observations of this process (of all inside `sync_context`) that are not finite."""
        return self.rows("pictures")[:, -1].sum().long()

    @property
    def _packed(self) -> Tensor:
        return self.rows("pictures")[:, :-1]


class FlowCorrelation(_PlaceMetric):
    """`functional.flow_correlation` over all pictures (probes).

    Example:
        >>> metric = FlowCorrelation()
        >>> metric.update([[1.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])
        >>> metric.compute()
        tensor(0.9045, dtype=torch.float64)
    """

    def update(self, flow: ArrayLike, true_flow: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B flows [B, 2, ...] and the true ones; integer ids [B] of groups."""
        self.add_observations(tuple(flows(flow=flow, true_flow=true_flow)), group)


class PartialFlowCorrelation(_PlaceMetric):
    """`functional.partial_flow_correlation` over all probes.

    Example:
        >>> metric = PartialFlowCorrelation()
        >>> human, true = [[0.8, 0.1], [0.2, 0.7], [-1.0, 0.3]], [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
        >>> metric.update([[0.9, 0.2], [0.1, 0.7], [-0.8, 0.3]], human, true)
        >>> metric.compute()
        tensor(0.8624, dtype=torch.float64)
    """

    statistic = staticmethod(partial_correlation)

    def __init__(self) -> None:
        super().__init__(3)

    def update(
        self,
        flow: ArrayLike,
        human_flow: ArrayLike,
        true_flow: ArrayLike,
        group: ArrayLike | None = None,
    ) -> None:
        """Add B flows [B, 2, ...] of a model, of people, and the true ones; integer ids [B] of groups."""
        known = flows(flow=flow, human_flow=human_flow, true_flow=true_flow)
        self.add_observations(tuple(known), group)


class DirectionCorrelation(_PlaceMetric):
    """`functional.direction_correlation` over all probes; those without a direction are counted in `undefined`.

    Example:
        >>> metric = DirectionCorrelation()
        >>> true = [[1.0, 0.0], [0.0, 1.0], [-1.0, -0.1]]
        >>> metric.update([[1.0, 0.1], [0.1, 1.0], [-1.0, 0.1]], true, true)
        >>> metric.compute()
        tensor(0.9985, dtype=torch.float64)
    """

    def update(
        self,
        flow: ArrayLike,
        human_flow: ArrayLike,
        true_flow: ArrayLike,
        group: ArrayLike | None = None,
    ) -> None:
        """Add B flows [B, 2, ...] of a model, of people, and the true ones; integer ids [B] of groups."""
        found = directions(*flows(flow=flow, human_flow=human_flow, true_flow=true_flow))
        self.add_observations(found, group)


class SpeedCorrelation(_PlaceMetric):
    """`functional.speed_correlation` over all probes.

    Example:
        >>> metric = SpeedCorrelation()
        >>> metric.update([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]], [[0.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
        >>> metric.compute()
        tensor(0.8660, dtype=torch.float64)
    """

    def update(self, flow: ArrayLike, true_flow: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B flows [B, 2, ...] and the true ones (or people's); integer ids [B] of groups."""
        pair = flows(flow=flow, true_flow=true_flow)
        speeds = (x.square().sum(1).sqrt() for x in pair)
        self.add_observations(tuple(speeds), group)
