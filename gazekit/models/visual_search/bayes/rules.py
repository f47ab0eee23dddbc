"""Where to look next, given a posterior over the target's place: rules of decision beside the greedy one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gazekit.foveation import GaussianVisibility

__all__ = ["elm", "ideal"]

TABLE = 64  # places at which the factors of the ideal rule are tabulated
LOWEST, HIGHEST = -40.0, 40.0  # of the tabulated argument
POINTS = 24  # of the integral over -4...4
UNSEEN = 0.05  # detectability below which a fixation teaches nothing about a cell


def elm(log_posterior: Tensor, visibility: GaussianVisibility) -> Tensor:
    """Logarithm of sum_c p(c) v_f(c)^2, to which the expected gain of information of a fixation f is proportional.

    Source: Najemnik and Geisler 2009, entropy-limit minimisation: 1/2 sum_c p(c) d'_f(c)^2. The entropy falls most
    where the posterior, filtered by the squared detectability, is largest.

    Args:
        log_posterior: [..., C] natural logarithms, normalised.
    Returns:
        [..., C].
    """
    gain = visibility.expected_square(log_posterior.exp())
    return gain.clamp(min=torch.finfo(gain.dtype).tiny).log()


def ideal(
    log_posterior: Tensor,
    visibility: GaussianVisibility,
    peak: float,
    exponent: float = 1.0,
    keep: int = 32,
    stride: int = 2,
) -> Tensor:
    """Logarithm of the probability of being correct after the next fixation f: sum_c p(c) P(correct | c, f).

    P(correct | c, f) = int phi(w) prod_{j != c} Phi((-2 ln(p_j / p_c) + V_j^2 + V_c^2 + 2 w V_c) / (2 V_j)) dw, V = V_f
    (Najemnik and Geisler 2005).

    The numerator depends on the target's cell c through x = 2 ln p_c + V_c^2 + 2 w V_c alone, so that all c share the
    factors ln Phi((x - 2 ln p_j + V_j^2) / (2 V_j)): their sum over j is tabulated at 64 places in x, without that of
    c itself, and interpolated. The cost is quadratic, not cubic, in the number of cells.

    Approximations: only the `keep` most probable cells are places of the target and its rivals (a cell of low
    probability is hardly ever taken for the target); only every `stride`-th row and column of fixations is computed and
    the others interpolated; a fixation that sees none of the kept cells (V < 0.05) leaves the best guess as it is; the
    table; 24 instead of 50 points, the trapezoidal rule being precise to many digits where the integrand ends at 0.

    Args:
        log_posterior: [R, C].
        visibility, peak, exponent: V_f(c) = peak v_f(c) ** exponent.
        keep: cells.
        stride: of fixations.
    Returns:
        [R, C].
    """
    shape = visibility.grid.rows, visibility.grid.columns
    every = torch.arange(len(visibility.grid), device=log_posterior.device).view(shape)
    fixations = every[::stride, ::stride]
    top, cells = log_posterior.topk(min(keep, every.numel()), -1)
    coarse = []
    for log_p, which in zip(top, cells, strict=True):  # one posterior fills the memory that is allowed: 10 MB
        seen_from_kept = peak * visibility.seen_from(which, exponent)  # it is symmetric
        coarse.append(_correct(log_p, seen_from_kept[:, fixations.flatten()].T))
    return (
        _everywhere(torch.stack(coarse).view(-1, 1, *fixations.shape), shape, stride).clamp(min=1e-30).log()
    )


def _everywhere(coarse: Tensor, shape: tuple[int, ...], stride: int) -> Tensor:
    """[R, 1, rows', columns'] values of every `stride`-th cell to [R, C]."""
    if stride == 1:
        return coarse.flatten(1)
    reached = [(side - 1) * stride + 1 for side in coarse.shape[2:]]
    fine = torch.nn.functional.interpolate(coarse, reached, mode="bilinear", align_corners=True)
    beyond = (0, shape[1] - reached[1], 0, shape[0] - reached[0])
    return torch.nn.functional.pad(fine, beyond, mode="replicate").flatten(1)


def _correct(log_p: Tensor, v: Tensor) -> Tensor:
    """[F] probability of being correct: K cells with log-probabilities [K], seen with detectability [F, K]."""
    informed = (v > UNSEEN).any(-1)
    found = log_p.max().exp().repeat(len(v))
    v = v[informed].clamp(min=1e-3)  # the limit of a small detectability: the prior decides
    step = (HIGHEST - LOWEST) / (TABLE - 1)
    places = torch.arange(TABLE, device=v.device) * step + LOWEST
    shifted = 2 * (log_p - log_p.max())
    terms = _log_phi((places + (v**2 - shifted)[..., None]) / (2 * v[..., None]))  # [F, K, X]
    others = terms.sum(1, keepdim=True) - terms
    w = torch.linspace(-4, 4, POINTS, device=v.device, dtype=v.dtype)
    place = (((shifted + v**2)[..., None] + 2 * w * v[..., None] - LOWEST) / step).clamp(0, TABLE - 1 - 1e-4)
    left = place.long()
    product = torch.lerp(others.gather(-1, left), others.gather(-1, left + 1), place - left).exp()
    phi = torch.exp(-(w**2) / 2) / math.sqrt(2 * math.pi)
    found[informed] = (torch.trapezoid(phi * product, w) @ log_p.exp()).to(found)
    return found


def _log_phi(z: Tensor) -> Tensor:
    """Logarithm of the normal distribution function, cut off at -69."""
    return (0.5 * torch.erfc(z * -math.sqrt(0.5))).clamp(min=1e-30).log()
