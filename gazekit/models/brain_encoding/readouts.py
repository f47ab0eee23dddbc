"""Read-outs on one interface: maps of features [B, C, H, W] to responses of voxels [B, V].

A read-out is linear in the features up to where it looks: y_v = sum_n a_vn (w_v . x_n) + b_v over the places n of
the map. They differ in the weights a of the places: free (factorised), one point (Gaussian), a few points (spatial
transformer), a softmax of content (attention, in `readouts_attention`). No tensor [B, V, C, H, W] is ever made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FactorisedReadout", "LinearReadout", "Readout", "weighted_sum"]

CONV_CHANNELS = 256  # of the paper's linear model


class Readout(nn.Module):
    """What all read-outs share: standardised inputs and outputs, rates of learning, an optional penalty.

    A subclass defines `read`. `forward` standardises the maps per channel, reads, and gives responses in their own
    units; `standardise` sets both from training data, and until then nothing is changed.

    Args:
        shape: C, H, W of the maps.
        voxels: V.

    Attributes:
        rates: beginning of a parameter's name to the factor by which its learning rate differs from that of the rest.
    """

    rates: ClassVar[Mapping[str, float]] = {}

    def __init__(self, shape: tuple[int, int, int], voxels: int) -> None:
        super().__init__()
        if len(shape) != 3 or min(shape) < 1 or voxels < 1:
            raise ValueError(
                f"expected maps of shape C, H, W and voxels >= 1, got {list(shape)} and {voxels}"
            )
        self.shape, self.voxels = tuple(int(side) for side in shape), int(voxels)
        for name, size in (("channel", self.shape[0]), ("response", self.voxels)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))

    def forward(self, maps: Tensor, **options: Any) -> Tensor:
        """[B, C, H, W] to [B, V], in the units of the responses."""
        return self.read(self.standardised(maps), **options) * self.response_scale + self.response_mean

    def read(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] standardised maps to [B, V] standardised responses."""
        raise NotImplementedError(f"{type(self).__name__} must define read(maps)")

    def attention(self, maps: Tensor) -> Tensor:
        """[B, V, H * W] weight of each place in the response of each voxel; of maps as `forward` takes them.

        Raises:
            TypeError: this read-out has none.
        """
        raise TypeError(f"{type(self).__name__} has no weights of places")

    def penalty(self) -> Tensor:
        """[] what is added to the mean squared error of standardised responses in training. Default: 0."""
        return self.response_mean.new_zeros(())

    def standardise(self, maps: Tensor, response: Tensor) -> None:
        """Means and standard deviations of training data: of channels over all places, of voxels.

        What does not vary keeps scale 1. NaN responses are left out; a voxel without any has mean 0.

        Args:
            maps: [n, C, H, W].
            response: [n, V].
        """
        maps = self.checked(maps)
        deviation, mean = torch.std_mean(maps, (0, 2, 3), correction=0)
        self.channel_mean.copy_(mean)
        self.channel_scale.copy_(torch.where(deviation > 1e-6 * mean.abs().clamp(min=1e-6), deviation, 1))
        mean = response.nanmean(0).nan_to_num(0.0)
        deviation = (response - mean).square().nanmean(0).sqrt().nan_to_num(0.0)
        self.response_mean.copy_(mean)
        self.response_scale.copy_(torch.where(deviation > 1e-6 * mean.abs().clamp(min=1e-6), deviation, 1))

    def standardised(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] maps of mean 0 and standard deviation 1 in each channel."""
        mean, scale = self.channel_mean[:, None, None], self.channel_scale[:, None, None]
        return (self.checked(maps).to(mean) - mean) / scale

    def standardised_response(self, response: Tensor) -> Tensor:
        """[B, V] responses of mean 0 and standard deviation 1 in each voxel; NaN stays NaN."""
        return (response.to(self.response_mean) - self.response_mean) / self.response_scale

    def checked(self, maps: Tensor) -> Tensor:
        """Maps of the shape that this read-out was made for. Raises ValueError otherwise."""
        if tuple(maps.shape[1:]) != self.shape:
            raise ValueError(f"expected maps [B, {', '.join(map(str, self.shape))}], got {list(maps.shape)}")
        return maps

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """All parameters for an optimiser, with the learning rates that `rates` asks for."""
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            factor = next((rate for start, rate in self.rates.items() if name.startswith(start)), 1.0)
            groups.setdefault(factor, []).append(parameter)
        return [{"params": chosen, "lr": lr * factor} for factor, chosen in groups.items()]


def weighted_sum(maps: Tensor, places: Tensor, weight: Tensor) -> Tensor:
    """y_v = sum_n places_vn (weight_v . x_n).

    Args:
        maps: [B, C, H, W].
        places: [V, H * W], the same for all items, or [B, V, H * W].
        weight: [V, C].
    Returns:
        [B, V].
    """
    tokens = maps.flatten(2)  # [B, C, N]
    if places.dim() == 2 and tokens.shape[2] > tokens.shape[1]:
        return torch.einsum("bvc,vc->bv", torch.einsum("vn,bcn->bvc", places, tokens), weight)
    drive = torch.einsum("vc,bcn->bvn", weight, tokens)
    return (drive * places).sum(2)


class LinearReadout(Readout):
    """A linear map of the features, pooled first or not.

    Args:
        shape: C, H, W of the maps.
        voxels: V.
        pool: None flattens the map; "mean" averages over all places; a number g averages adaptively to g x g places;
            "conv" is the linear model of Adeli et al. 2025: a 3x3 convolution of stride 3 to 256 channels, flattened.
        norm_penalty: times the sum of the norms of all parameters, not squared (.02 there).
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        voxels: int,
        pool: Literal["mean", "conv"] | int | None = None,
        norm_penalty: float = 0.0,
    ) -> None:
        super().__init__(shape, voxels)
        if not (pool in (None, "mean", "conv") or (isinstance(pool, int) and pool > 0)):
            raise ValueError(f"pool must be None, 'mean', 'conv' or a number of cells, got {pool!r}")
        channels, *sides = self.shape
        self.norm_penalty = norm_penalty
        self.pool: nn.Module = nn.Identity()
        if pool == "conv":
            self.pool = nn.Conv2d(channels, CONV_CHANNELS, 3, stride=3, padding=1)
            sides, channels = [-(-side // 3) for side in sides], CONV_CHANNELS
        elif pool is not None:
            sides = [1, 1] if pool == "mean" else [int(pool), int(pool)]
            self.pool = nn.AdaptiveAvgPool2d(tuple(sides))
        self.linear = nn.Linear(channels * sides[0] * sides[1], self.voxels)

    def read(self, maps: Tensor) -> Tensor:
        return self.linear(self.pool(maps).flatten(1))

    def penalty(self) -> Tensor:
        if not self.norm_penalty:
            return super().penalty()
        return self.norm_penalty * sum(parameter.norm() for parameter in self.parameters())


class FactorisedReadout(Readout):
    """A mask of places times a weight of features for each voxel: y_v = sum_n m_vn (w_v . x_n) + b_v.

    Source: Klindt et al. 2017 (NeurIPS); neuralpredictors' `FullFactorized2d`. The mask has norm 1 per voxel; with
    `softmax` it is positive and sums to 1 (the comparison model of Adeli et al. 2025). Masks learn faster than weights,
    because a mask moves little at the rate that suits weights of hundreds of channels.

    Args:
        shape: C, H, W of the maps.
        voxels: V.
        softmax: masks are softmaxes of logits instead of free numbers of norm 1.
        positive: free masks are cut at 0.
        mask_l1: times the mean over voxels of the L1 norm of the mask (not for softmax, whose norm is 1).
        weight_l1: times the mean over voxels of the L1 norm of the weights.
    """

    rates: ClassVar = {"mask": 10.0}

    def __init__(
        self,
        shape: tuple[int, int, int],
        voxels: int,
        softmax: bool = False,
        positive: bool = False,
        mask_l1: float = 0.0,
        weight_l1: float = 0.0,
    ) -> None:
        super().__init__(shape, voxels)
        channels, height, width = self.shape
        self.softmax, self.positive = softmax, positive
        self.mask_l1, self.weight_l1 = mask_l1, weight_l1
        places = height * width
        start = torch.zeros(self.voxels, places) if softmax else 1 + 0.1 * torch.randn(self.voxels, places)
        self.mask = nn.Parameter(start if softmax else start / places**0.5)
        self.weight = nn.Parameter(torch.randn(self.voxels, channels) * 0.01)
        self.bias = nn.Parameter(torch.zeros(self.voxels))

    def places(self) -> Tensor:
        """[V, H * W] the masks, normalised."""
        if self.softmax:
            return self.mask.softmax(1)
        mask = self.mask.relu() if self.positive else self.mask
        return F.normalize(mask, dim=1)

    def read(self, maps: Tensor) -> Tensor:
        return weighted_sum(maps, self.places(), self.weight) + self.bias

    def attention(self, maps: Tensor) -> Tensor:
        return self.places().expand(len(self.checked(maps)), -1, -1)

    def penalty(self) -> Tensor:
        mask = 0.0 if self.softmax else self.mask_l1 * self.places().abs().sum(1).mean()
        return mask + self.weight_l1 * self.weight.abs().sum(1).mean()
