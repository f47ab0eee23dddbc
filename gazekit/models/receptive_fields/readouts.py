"""Read-outs in time: a point in blurred copies of the stimulus, and attention over its tokens, one query per voxel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.models.receptive_fields.fields import Frames, GaussianField, PlacedField, gaussian_sums

__all__ = ["AttentionReadout", "PointReadout"]

SCALES_DVA = (0.35, 0.7, 1.4, 2.8, 5.6)
TOKENS = (20, 15)
WAVES = 3  # half cycles across half the screen of the highest key
HEADS = 2


class PointReadout(PlacedField):
    """Gaussian read-out (Lurz et al. 2021): each voxel weights blurred copies of the stimulus at one point.

    The copies are blurred by Gaussians of `SCALES_DVA`, so that the weights make the size and a surround. Unlike the
    source, the place is not sampled in training. A gaze, where the frames have one, shifts the point.
    """

    def __init__(self, voxels: int, half_screen_dva: tuple[float, float]) -> None:
        super().__init__(voxels, half_screen_dva)
        self.weight = nn.Parameter(torch.zeros(voxels, len(SCALES_DVA)))

    def start(self, xy_dva: Tensor, sd_dva: Tensor) -> None:
        """The weights begin with the two copies whose blur is next to `sd_dva` [V]."""
        super().start(xy_dva, sd_dva)
        octaves = (
            sd_dva.clamp(SCALES_DVA[0], SCALES_DVA[-1]).log2()[:, None] - torch.tensor(SCALES_DVA).log2()
        )
        with torch.no_grad():
            self.weight.copy_((1 - octaves.abs()).clamp(min=0))

    @property
    def sd_dva(self) -> Tensor:
        """[V] mean blur of the copies, by the size of their weights."""
        share = self.weight.abs() / self.weight.abs().sum(1, keepdim=True).clamp(min=1e-9)
        return (share * self.weight.new_tensor(SCALES_DVA)).sum(1)

    def forward(self, frames: Frames) -> Tensor:
        """[T, V] drive."""
        read = torch.stack(
            [
                gaussian_sums(frames, *self.xy_dva.T, self.xy_dva.new_full(self.xy_dva.shape[:1], sd)) / sd**2
                for sd in SCALES_DVA
            ],
            2,
        )  # [T, V, C]; reading a blurred copy at a point is a Gaussian sum around it
        return (read * self.weight).sum(2)

    def sign(self) -> Tensor:
        return self.weight.detach().sum(1).sign()

    def penalty(self) -> Tensor:
        """L1 of the weights, relative to the largest of each voxel."""
        return 0.1 * (self.weight.abs().sum(1) / self.weight.abs().amax(1).detach().clamp(min=1e-9)).sum()


class AttentionReadout(GaussianField):
    """Attention over tokens of the stimulus (means of blocks of pixels), a query per voxel and head.

    Keys hold the place of a token: (x, y, x^2 + y^2) and products of cosines and sines up to `WAVES` half cycles
    across half the screen. The query is (x_v, y_v, -1/2) / sd_v^2 for the first three, which alone makes a Gaussian
    around (x_v, y_v), and free for the waves, which bends it into any smooth shape. The second head is broader around
    the same place, with a weight of its own, which can make a surround. The value of a token is its contrast. Keys
    know nothing of the content: what is attended does not depend on the frame.

    Attributes:
        decay: of the free part of the queries, the inverse variance of its normal prior.
    """

    decay = 128.0

    def __init__(self, voxels: int, half_screen_dva: tuple[float, float]) -> None:
        super().__init__(voxels, half_screen_dva)
        self.log_broader = nn.Parameter(torch.ones(voxels))
        self.query = nn.Parameter(torch.zeros(HEADS, voxels, (1 + 2 * WAVES) ** 2 - 1))
        self.weight = nn.Parameter(torch.zeros(HEADS, voxels))

    def start(self, xy_dva: Tensor, sd_dva: Tensor) -> None:
        """The first head begins alone and attends as a Gaussian."""
        super().start(xy_dva, sd_dva)
        with torch.no_grad():
            self.weight.copy_(torch.tensor([[1.0], [0.0]]).expand_as(self.weight))

    def attention(self, frames: Frames) -> Tensor:
        """[heads, V, N] weights of the tokens, x-major as the pixels; each row adds up to 1."""
        place = places_of(frames)
        free = self.query @ _waves(place / place.new_tensor(self.half_screen_dva)).T
        distance = (
            (place - self.xy_dva[:, None]).square().sum(2)
        )  # q.k of the first three, up to a constant of the row
        sd = torch.stack([self.sd_dva, self.sd_dva * (1 + self.log_broader.exp())])
        return (free - distance / (2 * sd.square()[..., None])).softmax(-1)

    def kernel(self, frames: Frames) -> Tensor:
        """[V, N] weights of the tokens, the heads put together."""
        return (self.weight[..., None] * self.attention(frames)).sum(0)

    def forward(self, frames: Frames) -> Tensor:
        if frames.gaze_dva is not None:
            raise ValueError(
                "attention to tokens of the screen cannot follow the gaze: use the point or a Gaussian field"
            )
        return tokens_of(frames) @ self.kernel(frames).T

    def sign(self) -> Tensor:
        return self.weight.detach()[0].sign()

    def penalty(self) -> Tensor:
        surround = self.weight[1] / self.weight[0].detach().abs().clamp(min=0.1)
        return (
            self.decay * self.query.square().sum() / 2
            + surround.square().sum() / 2
            + ((self.log_broader - 1) / 0.7).square().sum() / 2
        )


def tokens_of(frames: Frames) -> Tensor:
    """[T, N] mean contrast of blocks of pixels, x-major."""
    parts = [F.adaptive_avg_pool1d(along, count) for along, count in zip(frames[:2], TOKENS, strict=True)]
    return torch.einsum("trx,try->txy", *parts).flatten(1)


def places_of(frames: Frames) -> Tensor:
    """[N, 2] centres of the tokens in degrees, in their order."""
    axes = [F.adaptive_avg_pool1d(at[None], count)[0] for at, count in zip(frames[2:4], TOKENS, strict=True)]
    return torch.cartesian_prod(*axes)


def _waves(place: Tensor) -> Tensor:
    """[N, K] products of cosines and sines of places [N, 2] from -1 to 1, without the constant."""

    def along(x: Tensor) -> Tensor:
        turns = torch.pi * x[:, None] * torch.arange(WAVES + 1) / 2
        return torch.cat([turns.cos(), turns[:, 1:].sin()], 1)

    return (along(place[:, 0])[:, :, None] * along(place[:, 1])[:, None]).flatten(1)[:, 1:]
