"""Feature visualisation (Olah et al. 2017): pictures that maximise a score, by gradient ascent on their spectrum."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["FourierPictures", "Visualised", "visualise"]

_COLOURS = ((1.0, 1.0, 1.0), (1.0, -1.0, 0.0), (0.5, 0.5, -1.0))  # luminance, red - green, yellow - blue
_SPREAD = (1.0, 0.35, 0.35)  # natural pictures vary less in colour than in luminance
RATE = 0.2
JITTER_SHARE = 1 / 16  # of the side, in both directions


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
    """pictures: [n, 3, H, W] RGB in [0, 1]. score: [n] without jitter. course: [steps] mean score on the way,
    jittered.
    """

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

    Each step sees the pictures moved by up to a sixteenth of their side, round the edges, so that nothing hangs on
    single pixels.

    Args:
        score_fn: RGB pictures [n, 3, H, W] in [0, 1] to scores [n], differentiable; see `region_score`.
        size_px: height and width.
        steps: of ascent.
        generator: of first pictures and jitter (CPU).
        count: n pictures, each from its own noise.
    Raises:
        ValueError: fewer than one step or picture; scores of another shape than [n].
    """
    if steps < 1 or count < 1:
        raise ValueError(f"steps and count must be at least 1, got {steps} and {count}")
    pictures = FourierPictures(count, size_px, generator)
    optimizer = torch.optim.Adam(pictures.parameters(), lr=RATE)
    most = [int(side * JITTER_SHARE) for side in size_px]
    course = []
    for _ in range(steps):
        shift = [int(torch.randint(-m, m + 1, (), generator=generator)) for m in most]
        with torch.enable_grad():
            score = score_fn(pictures().roll(shift, (2, 3)))
            if score.shape != (count,):
                raise ValueError(f"score_fn must give scores [{count}], got {list(score.shape)}")
            optimizer.zero_grad()
            (-score.sum()).backward()
        optimizer.step()
        course.append(score.detach().mean())
    with torch.no_grad():
        made = pictures()
        return Visualised(made, score_fn(made), torch.stack(course))
