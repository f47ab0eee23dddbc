"""Feature visualisation (Olah et al. 2017): pictures that maximise a score, by gradient ascent on their spectrum."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FourierPictures", "Visualised", "visualise"]

_COLOURS = ((1.0, 1.0, 1.0), (1.0, -1.0, 0.0), (0.5, 0.5, -1.0))  # luminance, red - green, yellow - blue
_SPREAD = (1.0, 0.35, 0.35)  # natural pictures vary less in colour than in luminance
RATE = 0.2
SHIFT_SHARE = 1 / 16  # of the side, in both directions
TURN = 0.1  # radians, either way
ZOOM = 0.1  # of the logarithm, either way


class FourierPictures(nn.Module):
    """Pictures as spectra, divided by frequency like those of natural pictures, in opponent colours.

    Gradient steps of equal size in this basis change coarse and fine structure alike, which keeps pictures free of
    checkerboards. A sigmoid keeps them in the range of a screen.

    Args:
        count: n pictures.
        size_px: height and width.
        generator: of the first spectra.
        contrast: standard deviation of the first pictures before the sigmoid.
    """

    def __init__(
        self, count: int, size_px: tuple[int, int], generator: torch.Generator, contrast: float = 0.3
    ) -> None:
        super().__init__()
        height, width = size_px
        self.size_px = size_px
        shape = (count, 3, height, width // 2 + 1, 2)
        frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width))
        scale = 1 / frequency.clamp(min=1 / max(size_px))
        self.register_buffer("scale", contrast * scale / scale.square().mean().sqrt())
        self.register_buffer("colours", torch.tensor(_SPREAD)[:, None] * torch.tensor(_COLOURS))
        self.spectrum = nn.Parameter(torch.randn(shape, generator=generator) / 2**0.5)

    def forward(self) -> Tensor:
        """[n, 3, H, W] RGB in [0, 1]."""
        waves = torch.fft.irfft2(
            torch.view_as_complex(self.spectrum) * self.scale, s=self.size_px, norm="ortho"
        )
        return torch.einsum("nkhw,kc->nchw", waves, self.colours).sigmoid()


class Visualised(NamedTuple):
    """pictures: [n, 3, H, W] RGB in [0, 1]. score: [n]. course: [steps] mean score of the moved pictures."""

    pictures: Tensor
    score: Tensor
    course: Tensor


def visualise(
    score_fn: Callable[[Tensor], Tensor],
    size_px: tuple[int, int],
    steps: int,
    generator: torch.Generator,
    count: int = 1,
) -> Visualised:
    """Pictures of the highest scores that gradient ascent (Adam) finds.

    Each step sees the pictures shifted, turned and zoomed a little (`moved`), so that nothing hangs on single pixels.

    Args:
        score_fn: RGB pictures [n, 3, H, W] in [0, 1] to scores [n], differentiable; see `region_score`.
        size_px: height and width.
        steps: of ascent.
        generator: of first pictures and movements (CPU).
        count: n pictures, each from its own noise.
    Raises:
        ValueError: fewer than one step or picture; scores of another shape than [n].
    """
    if steps < 1 or count < 1:
        raise ValueError(f"steps and count must be at least 1, got {steps} and {count}")
    pictures = FourierPictures(count, size_px, generator)
    optimizer = torch.optim.Adam(pictures.parameters(), lr=RATE)
    course = []
    for _ in range(steps):
        with torch.enable_grad():
            score = score_fn(moved(pictures(), generator))
            if score.shape != (count,):
                raise ValueError(f"score_fn must give scores [{count}], got {list(score.shape)}")
            optimizer.zero_grad()
            (-score.sum()).backward()
        optimizer.step()
        course.append(score.detach().mean())
    with torch.no_grad():
        made = pictures()
        return Visualised(made, score_fn(made), torch.stack(course))


def moved(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures [n, C, H, W], each shifted, turned and zoomed a little by chance; borders are mirrored."""
    height, width = pictures.shape[2:]
    draws = 2 * torch.rand(len(pictures), 4, generator=generator) - 1
    turn, zoom, shift = TURN * draws[:, 0], (ZOOM * draws[:, 1]).exp(), 2 * SHIFT_SHARE * draws[:, 2:]
    cos, sin, aspect = zoom * turn.cos(), zoom * turn.sin(), height / width
    rows = [
        torch.stack(row, 1) for row in ((cos, -sin * aspect, shift[:, 0]), (sin / aspect, cos, shift[:, 1]))
    ]
    grid = functional.affine_grid(torch.stack(rows, 1), list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
