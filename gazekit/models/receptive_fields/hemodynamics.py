"""The response of the blood to a short drive, a difference of two gamma densities, and to a longer one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["CANONICAL", "Hemodynamics", "double_gamma", "responses"]

CANONICAL = (5.0, 1.0, 1 / 6)
"""Peak (s), width (s) and undershoot of the density gamma(6) minus a sixth of gamma(16)."""
LENGTH_S = 32.0
_UNDERSHOOT_SHAPE = (2.0, 4.0)  # k to 2 k + 4: 6 to 16


def double_gamma(peak_s: Tensor, width_s: Tensor, undershoot: Tensor, tr_s: float) -> Tensor:
    """[L] samples, one a volume from 0 s to 32 s: gamma(k) - undershoot * gamma(2 k + 4), densities of scale `width_s`.

    The shape is k = 1 + peak / width, so that the first density has its maximum at `peak_s`. Peak 5, width 1 and
    undershoot 1/6 give gamma(6) - gamma(16) / 6, the usual canonical response (Friston et al. 1998). Differentiable.

    Args:
        peak_s, width_s, undershoot: [] positive.
        tr_s: seconds per volume.
    """
    time_s = torch.arange(0, LENGTH_S, tr_s, device=peak_s.device, dtype=peak_s.dtype)
    log_time = time_s.clamp(min=1e-6).log()
    shape = 1 + peak_s / width_s

    def density(k: Tensor) -> Tensor:
        log = (k - 1) * log_time - time_s / width_s - torch.lgamma(k) - k * width_s.log()
        return log.exp()

    return density(shape) - undershoot * density(_UNDERSHOOT_SHAPE[0] * shape + _UNDERSHOOT_SHAPE[1])


def responses(drive: Tensor, hrf: Tensor) -> Tensor:
    """Causal convolution of drives [T, ...] with a response function [L]: [T, ...]; nothing drives before the first."""
    lag = torch.arange(len(drive), device=drive.device)
    lag = lag[:, None] - lag
    kernel = torch.where((lag >= 0) & (lag < len(hrf)), hrf[lag.clamp(0, len(hrf) - 1)], 0.0)
    return torch.tensordot(kernel, drive, dims=1)


class Hemodynamics(nn.Module):
    """A response function that all voxels share.

    Args:
        tr_s: seconds per volume.
        learned: whether its three numbers are fitted; else they are canonical.
    """

    def __init__(self, tr_s: float, learned: bool = True) -> None:
        super().__init__()
        self.tr_s, self.learned = tr_s, learned
        self.log_shape = nn.Parameter(torch.tensor(CANONICAL).log())

    @staticmethod
    def of(shape: tuple[float, float, float], tr_s: float) -> Tensor:
        """[L] of peak (s), width (s) and undershoot."""
        return double_gamma(*torch.tensor(shape), tr_s)

    def start(self, shape: tuple[float, float, float]) -> None:
        """Set peak (s), width (s) and undershoot."""
        with torch.no_grad():
            self.log_shape.copy_(torch.tensor(shape).log())

    @property
    def shape(self) -> list[float]:
        """Peak (s), width (s) and undershoot."""
        return self.log_shape.exp().tolist()

    def forward(self) -> Tensor:
        """[L], see `double_gamma`."""
        return double_gamma(*self.log_shape.exp(), self.tr_s)

    def later(self, step_s: float = 0.1) -> Tensor:
        """[L] how the response changes per second of a later peak."""
        peak, width, undershoot = self.log_shape.exp()
        after = double_gamma(peak + step_s, width, undershoot, self.tr_s)
        return (after - double_gamma(peak, width, undershoot, self.tr_s)) / step_s
