"""The fast search of a fixation: many candidates through the last layers only, the best few through the whole net.

Early layers see little of a picture at a time, and within that little the blur hardly varies. So the maps of the
stem for any fixation are, nearly, those of the picture under a few constant shares of blur, blended place by place
(`SharedStem`, computed once per picture). Candidates spread over the picture are ranked by the last layers; the best
few, and points around the best of all, by all layers after the early ones, which follow the true loss closely. No
gradient is needed. The loss that is returned is that estimate; `losses` gives the true one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.kernels.foveate import gaussian_bump
from gazekit.models.neva.nets import TaskNet
from gazekit.models.neva.optimise import Scene

__all__ = ["Scan", "SharedStem"]


class SharedStem:
    """Maps of P pictures under `levels` constant shares of blur, from none to all of it, at each cut of a net."""

    @torch.no_grad()
    def __init__(self, net: TaskNet, images: Tensor, residual: Tensor, levels: int) -> None:
        made = [net.stem(images + share * residual) for share in torch.linspace(0, 1, levels).tolist()]
        self.net, self.levels = net, levels
        self.maps = [[maps[cut] for maps in made] for cut in range(len(made[0]))]  # cut, level, kind of map

    def says(
        self, cut: int, row: Tensor, memory: Tensor, which: Tensor, xy_px: Tensor, bump_px: float
    ) -> Tensor:
        """What the net says of pictures seen through a memory and one more bump.

        Args:
            cut: which of the net's.
            row: [N] pictures. which: [N] rows of memory [B, S, S]. xy_px: [N, 2].
        """
        side, said = memory.shape[-1], []
        for kind in range(len(self.maps[cut][0])):
            maps = [level[kind] for level in self.maps[cut]]
            at = maps[0].shape[-1]
            bump = gaussian_bump(xy_px * at / side, at, at, bump_px * at / side)
            seen = F.adaptive_avg_pool2d(memory[:, None], at)[which, 0] + bump
            said.append(_lerp(maps, row, (1 - seen).clamp(0, 1)))
        return self.net.tail(tuple(said), cut)


def _lerp(maps: list[Tensor], row: Tensor, hidden: Tensor) -> Tensor:
    """Between the two nearest levels, at each place: maps [P, C, h, w] of each level to [N, C, h, w]."""
    level = (hidden * (len(maps) - 1))[:, None]
    out = maps[0][row] * (1 - level).clamp(min=0)
    for k, of_level in enumerate(maps[1:], 1):
        out = torch.addcmul(out, of_level[row], (1 - (level - k).abs()).clamp(min=0))
    return out


@dataclass(frozen=True)
class Scan:
    """A search for `optimise`.

    Args:
        net: of the task.
        across: candidates are one random point in each of across x across cells of the picture.
        verified: how many of them go on from the late to the early cut.
        refined: rounds of four points around the best so far, half as far away in each.
        levels: of the shared stem.
        rows: candidates computed together, which bounds memory.
    """

    net: TaskNet
    across: int = 4
    verified: int = 3
    refined: int = 2
    levels: int = 5
    rows: int = 32

    @property
    def draws(self) -> int:
        """Random points of one fixation."""
        return self.across**2

    @torch.no_grad()
    def __call__(
        self, scene: Scene, memory: Tensor, noise: Tensor, passed: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        side = scene.settings.size_px
        xy = self.candidates(noise, side, scene.settings.bump_px / 2).to(memory)  # [B, N, 2]
        ranked = self.estimated(1, scene, memory, xy, passed).argsort(1)[:, : self.verified]
        xy = xy.gather(1, ranked[..., None].expand(-1, -1, 2))
        loss = self.estimated(0, scene, memory, xy, passed)
        reach = (side - scene.settings.bump_px) / self.across / 2
        for _ in range(self.refined):
            best = loss.argmin(1)
            around = xy[torch.arange(len(xy)), best][:, None] + reach * xy.new_tensor(
                [[1, 0], [-1, 0], [0, 1], [0, -1]]
            )
            around = around.clamp(0.5, side - 0.5)
            xy, loss = (
                torch.cat([xy, around], 1),
                torch.cat([loss, self.estimated(0, scene, memory, around, passed)], 1),
            )
            reach /= 2
        best = loss.argmin(1, keepdim=True)
        return xy.gather(1, best[..., None].expand(-1, 1, 2))[:, 0], loss.gather(1, best)[:, 0], loss

    def candidates(self, noise: Tensor, side: int, border_px: float) -> Tensor:
        """[B, N, 2] one point in each cell of the picture without its border, where half of a bump is lost."""
        cell = torch.arange(self.across, dtype=noise.dtype)
        corner = torch.stack(torch.meshgrid(cell, cell, indexing="xy"), -1).flatten(0, 1)
        return border_px + (side - 2 * border_px) / self.across * (corner + noise[:, : self.draws])

    def estimated(self, cut: int, scene: Scene, memory: Tensor, xy: Tensor, passed: float) -> Tensor:
        """[B, N] losses by blended maps."""
        if not hasattr(scene, "stem"):
            scene.stem = SharedStem(self.net, scene.images, scene.residual, self.levels)
        rows = torch.arange(len(memory)).repeat_interleave(xy.shape[1])
        flat = xy.flatten(0, 1)
        found = []
        for part in torch.arange(len(flat)).split(self.rows):
            which = rows[part]
            said = scene.stem.says(cut, scene.row[which], memory, which, flat[part], scene.settings.bump_px)
            found.append(scene.distance(said, passed, which))
        return torch.cat(found).view(xy.shape[:2])
