"""A map against the density of the fixations on the same image: correlation, common mass, divergence."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional import map_blocks
from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.map_products import map_products
from gazekit.metrics.functional.map_settings import EPSILON, check_choice, check_kld
from gazekit.metrics.functional.maps import as_map, check_same_shape, in_numpy, over_images, precise
from gazekit.metrics.functional.mass import Mass

__all__ = ["correlation_coefficient", "kld", "similarity"]

_PYSALIENCY_MINIMUM = 1e-20


def correlation_coefficient(saliency: ArrayLike, empirical_density: ArrayLike) -> Tensor:
    """CC: Pearson correlation of two maps over pixels.

        cov(S, Q) / (std(S) std(Q))

    Symmetric; affine transformations of positive slope do not change it. Source: Bylinskii et al. 2019 (IEEE
    TPAMI 41, 740). Deviation: NaN where either map is constant; pysaliency gives 0 where the first one is.
    Differentiable.

    Args:
        saliency: [..., H, W] any real map.
        empirical_density: [..., H, W] that of the fixations, `fixation_density`.
    Returns:
        [...] from -1 to 1; NaN if a map is constant, or the density is NaN as a whole (no fixation).
    Raises:
        TypeError, ValueError: shapes that differ, a value that is not finite.

    Example:
        >>> import torch
        >>> correlation_coefficient(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), torch.tensor([[0.0, 2.0], [4.0, 2.0]]))
        tensor(0.6325, dtype=torch.float64)
    """
    saliency, empirical_density = _two_maps(saliency, empirical_density)

    def score(s: Tensor, q: Tensor) -> Tensor:
        products = map_products(
            {"saliency": (s, saliency), "empirical_density": (q, empirical_density)},
            missing=("empirical_density",),
        )
        found = products.product[0, 1] / (products.deviation(0) * products.deviation(1))
        defined = products.varies[0] & products.varies[1]
        return torch.where(defined, found.clamp(-1, 1), torch.nan)  # 1 and rounding is 1

    return over_images(score, saliency.flatten(-2), empirical_density.flatten(-2), in_threads=True)


def similarity(
    saliency: ArrayLike, empirical_density: ArrayLike, variant: Literal["pysaliency", "matlab"] = "pysaliency"
) -> Tensor:
    """SIM: the mass that two maps, each scaled to sum 1, have in common (histogram intersection).

        sum min(p, q)

    Symmetric. Source: Judd et al. 2012 (MIT-CSAIL-TR-2012-001), after Swain and Ballard 1991. Differentiable
    but where the maps are equal.

    Args:
        saliency: [..., H, W] any real map.
        empirical_density: [..., H, W] that of the fixations, `fixation_density`.
        variant: how a map becomes non-negative: "pysaliency" = its minimum is subtracted if that is negative;
            "matlab" = always.
    Returns:
        [...] from 0 to 1 (equal maps). NaN if a map has no mass then: zeros only, or a constant one in the
        variant "matlab"; or if the density is NaN as a whole (no fixation).
    Raises:
        TypeError, ValueError: shapes that differ, a value that is not finite.

    Example:
        >>> import torch
        >>> similarity(torch.tensor([[1.0, 1.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        tensor(0.5000, dtype=torch.float64)
    """
    check_choice("variant", variant, "pysaliency", "matlab")
    saliency, empirical_density = _two_maps(saliency, empirical_density)

    def score(s: Tensor, q: Tensor) -> Tensor:
        p = Mass.of("saliency", s, saliency, always=variant == "matlab")
        q = Mass.of("empirical_density", q, empirical_density, always=variant == "matlab", missing=True)
        ratio = (p.total / q.total)[:, None]
        if in_numpy(p.rows, q.rows):
            common = torch.from_numpy(map_blocks.common_mass(p.blocks(), q.blocks(), ratio.numpy()))
        else:
            s, t = p.shifted(precise(p.rows)), q.shifted(precise(q.rows))
            common = torch.minimum(t * ratio, s).sum(1)
        return torch.where(p.defined & q.defined, common / p.total, torch.nan)

    return over_images(score, saliency.flatten(-2), empirical_density.flatten(-2), in_threads=True)


def kld(
    saliency: ArrayLike,
    empirical_density: ArrayLike,
    eps: float = EPSILON,
    variant: Literal["matlab", "pysaliency"] = "matlab",
) -> Tensor:
    """KLD: Kullback-Leibler divergence of a map from the density of the fixations, both scaled to sum 1.

        sum q ln(eps + q / (p + eps))

    The truth q comes first: the divergence is not symmetric. A map with negative values is shifted to minimum
    0. Where the map is 0 and the density is not, `eps` decides the score, so report it: set 7 of our golden
    maps, 90 % zeros, has 28.3, 20.6 and 42.4 by the three definitions in use. Differentiable.

    Source: Kullback and Leibler 1951; for maps Bylinskii et al. 2019 (IEEE TPAMI 41, 740).

    Args:
        saliency: [..., H, W] any real map.
        empirical_density: [..., H, W] that of the fixations, `fixation_density`.
        eps: 2.2204e-16 in the MATLAB code and in pysaliency's benchmark version, 1e-12 in FixaTons; above 0.
        variant: "matlab" = the formula above; "pysaliency" = that package's default, sum q ln(q / p) with
            1e-20 added to both maps before they are scaled, which takes no `eps`.
    Returns:
        [...] nats, at least 0 but for `eps`. NaN if a map has no mass (zeros only), or if the density is NaN as
        a whole (no fixation).
    Raises:
        TypeError, ValueError: shapes that differ, a value that is not finite, an eps that is not positive, or
            one given to the variant that has none.

    Example:
        >>> import torch
        >>> kld(torch.tensor([[1.0, 1.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        tensor(0.6931, dtype=torch.float64)
    """
    check_kld(eps, variant)
    added = _PYSALIENCY_MINIMUM if variant == "pysaliency" else 0.0
    saliency, empirical_density = _two_maps(saliency, empirical_density)

    def score(s: Tensor, q: Tensor) -> Tensor:
        p = Mass.of("saliency", s, saliency, added=added)
        q = Mass.of("empirical_density", q, empirical_density, added=added, missing=True)
        # ln(eps + q / (p + eps)) of maps not yet scaled: the factor of their sums is taken out of the logarithm
        ratio = p.total / q.total
        low, high = ((0.0 if added else eps) * part[:, None] for part in (p.total, 1 / ratio))
        if in_numpy(p.rows, q.rows):
            total = torch.from_numpy(map_blocks.divergence(p.blocks(), q.blocks(), low.numpy(), high.numpy()))
        else:
            s, t = p.shifted(precise(p.rows)), q.shifted(precise(q.rows))
            total = (t * (t / (s + low) + high).log()).sum(1)
        return torch.where(p.defined & q.defined, total / q.total + ratio.log(), torch.nan)

    return over_images(score, saliency.flatten(-2), empirical_density.flatten(-2), in_threads=True)


def _two_maps(saliency: ArrayLike, empirical_density: ArrayLike) -> tuple[Tensor, Tensor]:
    saliency, empirical_density = as_map("saliency", saliency), as_map("empirical_density", empirical_density)
    check_same_shape(saliency=saliency, empirical_density=empirical_density)
    return saliency, empirical_density
