"""Saliency maps against densities of fixations; the definitions are in `functional`."""

from __future__ import annotations

from typing import Literal

from gazekit.metrics.functional.earth_movers import earth_movers_distance
from gazekit.metrics.functional.map_settings import EPSILON, check_choice, check_grid, check_kld
from gazekit.metrics.functional.map_similarity import correlation_coefficient, kld, similarity
from gazekit.metrics.item_metric import Aggregation
from gazekit.metrics.map_metric import MapPairMetric

__all__ = ["CC", "EMD", "KLD", "SIM"]


class CC(MapPairMetric):
    """Mean `functional.correlation_coefficient` over images.

    Example:
        >>> import torch
        >>> metric = CC()
        >>> metric.update(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), torch.tensor([[0.0, 2.0], [4.0, 2.0]]))
        >>> metric.compute()
        tensor(0.6325, dtype=torch.float64)
    """

    function = staticmethod(correlation_coefficient)
    higher_is_better = True

    def __init__(self, aggregation: Aggregation = "item") -> None:
        super().__init__(aggregation)


class SIM(MapPairMetric):
    """Mean `functional.similarity` over images.

    Example:
        >>> import torch
        >>> metric = SIM()
        >>> metric.update(torch.ones(2, 2), torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    function = staticmethod(similarity)
    higher_is_better = True

    def __init__(
        self, variant: Literal["pysaliency", "matlab"] = "pysaliency", aggregation: Aggregation = "item"
    ) -> None:
        check_choice("variant", variant, "pysaliency", "matlab")
        super().__init__(aggregation, variant=variant)


class KLD(MapPairMetric):
    """Mean `functional.kld` over images; report its `settings`, the eps above all, with the score.

    Example:
        >>> import torch
        >>> metric = KLD()
        >>> metric.update(torch.ones(2, 2), torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        >>> metric.compute()
        tensor(0.6931, dtype=torch.float64)
        >>> metric.settings
        {'eps': 2.2204e-16, 'variant': 'matlab'}
    """

    function = staticmethod(kld)
    higher_is_better = False

    def __init__(
        self,
        eps: float = EPSILON,
        variant: Literal["matlab", "pysaliency"] = "matlab",
        aggregation: Aggregation = "item",
    ) -> None:
        check_kld(eps, variant)
        super().__init__(aggregation, eps=eps, variant=variant)


class EMD(MapPairMetric):
    """Mean `functional.earth_movers_distance` over images, in cells of `grid`.

    Example:
        >>> import torch
        >>> a, b = torch.zeros(2, 8, 8)
        >>> a[0, 0] = b[3, 4] = 1
        >>> metric = EMD()
        >>> metric.update(a, b)
        >>> metric.compute()
        tensor(5., dtype=torch.float64)
    """

    function = staticmethod(earth_movers_distance)
    higher_is_better = False

    def __init__(self, grid: tuple[int, int] | None = (8, 8), aggregation: Aggregation = "item") -> None:
        check_grid(grid)
        super().__init__(aggregation, grid=grid)
