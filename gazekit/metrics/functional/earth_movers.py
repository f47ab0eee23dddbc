"""Earth mover's distance of two maps, on a reduced grid."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.map_settings import check_grid
from gazekit.metrics.functional.maps import as_map, check_same_shape, over_images, precise
from gazekit.metrics.functional.mass import Mass

__all__ = ["earth_movers_distance"]


def earth_movers_distance(
    saliency: ArrayLike, empirical_density: ArrayLike, grid: tuple[int, int] | None = (8, 8)
) -> Tensor:
    """EMD: the least mean distance, in cells, over which one map's mass must be moved to make it the other's.

        min_f  sum_ij f_ij |c_i - c_j|     with  sum_j f_ij = p_i,  sum_i f_ij = q_j,  f >= 0

    over the cells c (row, column) of a grid, whose masses p and q are sums over the pixels in a cell (by area, where
    a border cuts through a pixel), both scaled to sum 1. Maps with negative values are shifted to minimum 0 first.
    Exact: a linear programme, solved by SciPy. Not differentiable.

    The cost grows steeply: 10 ms per pair on 8 x 8 cells, 70 on 16 x 16, 600 on 24 x 24. The number depends
    on the grid, so state grid and unit; times the side of a cell it is in pixels, where cells are square.

    Source: Rubner, Tomasi and Guibas 2000 (IJCV 40, 99); for saliency maps Judd et al. 2012
    (MIT-CSAIL-TR-2012-001), whose code reduces images by 32.

    Args:
        saliency: [..., H, W] any real map.
        empirical_density: [..., H, W] that of the fixations, `fixation_density`.
        grid: (rows, columns) of cells; None = the pixels.
    Returns:
        [...] cells, 0 for equal maps. NaN if a map has no mass (zeros only), or the density is NaN as a whole.
    Raises:
        TypeError, ValueError: shapes that differ, a value that is not finite, a grid that is not positive or finer
            than the maps.

    Example:
        >>> import torch
        >>> a, b = torch.zeros(2, 8, 8)
        >>> a[0, 0] = b[3, 4] = 1
        >>> earth_movers_distance(a, b)
        tensor(5., dtype=torch.float64)
    """
    saliency, empirical_density = (
        as_map("saliency", saliency).detach(),
        as_map("empirical_density", empirical_density).detach(),
    )
    check_same_shape(saliency=saliency, empirical_density=empirical_density)
    shape = tuple(saliency.shape[-2:])
    grid = shape if grid is None else grid
    check_grid(grid, shape)
    rows, columns = (_shares(pixels, cells) for pixels, cells in zip(shape, grid, strict=True))

    def score(s: Tensor, q: Tensor) -> Tensor:
        masses = []
        for name, part, whole in (("saliency", s, saliency), ("empirical_density", q, empirical_density)):
            mass = Mass.of(name, part, whole, missing=name == "empirical_density")
            pixels = mass.shifted(precise(mass.rows)).reshape(-1, *shape).double().cpu()
            cells = (rows @ pixels @ columns.T).flatten(1)
            shares = cells / cells.sum(1, keepdim=True)
            masses.append(torch.where(mass.defined.cpu()[:, None], shares, torch.nan))
        costs = [_least_cost(p.numpy(), t.numpy(), grid) for p, t in zip(*masses, strict=True)]
        return torch.tensor(costs, dtype=torch.float64).to(s.device)

    return over_images(score, saliency.flatten(-2), empirical_density.flatten(-2))


def _shares(pixels: int, cells: int) -> Tensor:
    """[cells, pixels] what share of each pixel lies in each of equally wide cells."""
    borders = torch.arange(cells + 1, dtype=torch.float64) * pixels / cells
    pixel = torch.arange(pixels, dtype=torch.float64)
    overlap = torch.minimum(pixel + 1, borders[1:, None]) - torch.maximum(pixel, borders[:-1, None])
    return overlap.clamp(min=0)


def _least_cost(p: np.ndarray, q: np.ndarray, grid: tuple[int, int]) -> float:
    """Transport cost of the surplus of p to the cells where q has more: what both have stays where it is."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, kron, vstack

    if np.isnan(p).any() or np.isnan(q).any():
        return float("nan")
    surplus, want = np.maximum(p - q, 0), np.maximum(q - p, 0)
    source, sink = np.flatnonzero(surplus), np.flatnonzero(want)
    if not len(source) or not len(sink):
        return 0.0
    place = np.stack(np.divmod(np.arange(len(p)), grid[1]), 1).astype(float)
    distance = np.linalg.norm(place[source][:, None] - place[sink][None], axis=2)
    give, take = surplus[source], want[sink]
    take = take * (give.sum() / take.sum())  # equal but for rounding
    leaves = kron(eye_array(len(source)), np.ones((1, len(sink))))
    arrives = kron(np.ones((1, len(source))), eye_array(len(sink)))
    found = linprog(
        distance.ravel(),
        A_eq=csr_array(vstack([leaves, arrives])),
        b_eq=np.concatenate([give, take]),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if found.status != 0:
        raise RuntimeError(f"the transport problem was not solved: {found.message}")
    return float(found.fun)
