"""Scanpaths by optimisation: each fixation is put where it lowers the loss of a task most (NeVA).

Source: Schwinn, Precup, Eskofier and Zanca 2022, "Behind the machine's gaze", and their released code. Coordinates are
(x, y) pixels of a square of S pixels, so that u of the source is (u + 1) (S - 1) / 2 + 1/2 here.

Rows [B] are scanpaths: several may be over one picture, they do not know of each other, and everything random is in
`noise`, so a row is the same whatever it is computed beside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.kernels.foveate import blur_residual, gaussian_bump, reveal
from gazekit.models.neva.settings import NevaSettings
from gazekit.models.neva.tasks import Task

__all__ = ["Found", "Scene", "Search", "draw_noise", "gradient_search", "losses", "optimise"]


class Found(NamedTuple):
    """Scanpaths and what they reached.

    Attributes:
        xy_px: [B, T, 2] fixations on the square.
        loss: [B, T] best loss that was evaluated for each.
        trace: [B, T, K] loss of each evaluated position, in order.
        memory: [B, T, S, S] what was still seen before each fixation, R_t; None unless it was asked for.
    """

    xy_px: Tensor
    loss: Tensor
    trace: Tensor
    memory: Tensor | None = None


class Scene:
    """P pictures, their blur, and B rows that look at them.

    Args:
        images: [P, 3, S, S] prepared pictures.
        row: [B] number of the picture of each row.
    """

    def __init__(self, images: Tensor, row: Tensor, task: Task, settings: NevaSettings) -> None:
        self.images, self.row, self.task, self.settings = images, row, task, settings
        self.residual = blur_residual(images, settings.sigma_px, settings.kernel_px)
        with torch.no_grad():
            self.targets = task.target(images)

    def bump(self, xy_px: Tensor) -> Tensor:
        """M(xi) [..., S, S] of positions [..., 2]."""
        side = self.settings.size_px
        return gaussian_bump(xy_px, side, side, self.settings.bump_px)

    def seen(self, seen: Tensor, rows: Tensor | None = None) -> Tensor:
        """[B, 3, S, S] pictures of which `seen` [B, S, S] has been seen."""
        row = self.row if rows is None else self.row[rows]
        return reveal(self.images[row], self.residual[row], seen)

    def loss(self, seen: Tensor, passed: float, rows: Tensor | None = None) -> Tensor:
        """[B] loss of the task; `passed` is the share of the scanpath before this fixation."""
        return self.distance(self.task.net(self.seen(seen, rows)), passed, rows)

    def distance(self, said: Tensor, passed: float, rows: Tensor | None = None) -> Tensor:
        """[B] loss of what the net says [B, ...]."""
        row = self.row if rows is None else self.row[rows]
        return self.task.distance(said, self.task.target_at(self.targets, passed)[row])


Search = Callable[[Scene, Tensor, Tensor, float], tuple[Tensor, Tensor, Tensor]]
"""Finds one fixation: scene, R_t [B, S, S], noise [B, K, 2] and the share passed to position [B, 2], its loss [B] and
the losses of all evaluated positions [B, K']."""


def optimise(
    images: Tensor,
    row: Tensor,
    task: Task,
    settings: NevaSettings,
    noise: Tensor,
    search: Search | None = None,
    keep_memory: bool = False,
) -> Found:
    """One scanpath of T fixations for each row.

    R_0 = 0; fixation t minimises L(x + b clip(1 - (R_t + M(xi)), 0, 1)); R_(t+1) = gamma R_t + M(xi_t).

    Args:
        images: [P, 3, S, S] as the net takes them. row: [B] picture of each row.
        noise: [B, T, K, 2] in [0, 1), from `draw_noise`; K is at least `settings.steps`.
        search: of one fixation; None is `gradient_search`.
        keep_memory: return R_t too.
    Raises:
        ValueError: no fixation, shapes that do not fit, a loss that is not finite.
    """
    _check(images, row, noise, settings)
    search = search or gradient_search
    scene = Scene(images, row, task, settings)
    side, fixations = settings.size_px, noise.shape[1]
    memory = images.new_zeros(len(row), side, side)
    made: list[tuple[Tensor, ...]] = []
    kept = []
    for t in range(fixations):
        passed = t / fixations
        xy, loss, trace = search(scene, memory, noise[:, t], passed)
        if not bool(loss.isfinite().all()):
            raise ValueError(
                f"the loss of fixation {t} is not finite: the net gives no number for what it sees of a picture"
            )
        made.append((xy, loss, trace))
        kept.append(memory)
        memory = settings.memory * memory + scene.bump(xy).to(memory)
    parts = [torch.stack(part, 1) for part in zip(*made, strict=True)]
    return Found(*parts, memory=torch.stack(kept, 1) if keep_memory else None)


def gradient_search(
    scene: Scene, memory: Tensor, noise: Tensor, passed: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The published search: steps of constant length against the sign of the gradient, from the centre.

    After a step that did not lower a row's best loss, the row is moved: see `NevaSettings.restarts`. Deviations: the
    position that is kept is the one whose loss was best (unless `reference_compat`), and positions stay in the picture.
    """
    settings = scene.settings
    low, high = 0.5, settings.size_px - 0.5
    xy = memory.new_full((len(memory), 2), settings.size_px / 2)
    kept, best = xy, memory.new_full((len(memory),), torch.inf)
    trace = []
    for k in range(settings.steps):
        at = xy.detach().requires_grad_()
        with torch.enable_grad():
            loss = scene.loss(memory + scene.bump(at), passed)
            (slope,) = torch.autograd.grad(loss.sum(), at)
        loss, at = loss.detach(), at.detach()
        xy = (at - settings.step_px * slope.sign()).clamp(low, high)
        better = loss < best
        kept = torch.where(better[:, None], xy if settings.reference_compat else at, kept)
        best = torch.where(better, loss, best)
        draw = noise[:, k].to(xy)
        if settings.restarts == "uniform":
            moved = low + (high - low) * draw
        else:
            moved = (xy + settings.step_px * (draw - 0.5)).clamp(low, high)
        xy = torch.where(better[:, None], xy, moved)
        trace.append(loss)
    return kept, best, torch.stack(trace, 1)


@torch.no_grad()
def losses(
    images: Tensor, row: Tensor, task: Task, settings: NevaSettings, xy_px: Tensor, rows: int = 16
) -> tuple[Tensor, Tensor]:
    """What any scanpaths [B, T, 2] on the square reach: [B, T] loss before each fixation, and with it.

    "Before" is the loss of what is still seen of the earlier fixations. `rows` are computed together.
    """
    scene, made = Scene(images, row, task, settings), []
    memory = images.new_zeros(len(row), settings.size_px, settings.size_px)
    for t in range(xy_px.shape[1]):
        bump, passed = scene.bump(xy_px[:, t].to(images)), t / xy_px.shape[1]
        for seen in (memory, memory + bump):
            parts = torch.arange(len(row)).split(rows)
            made.append(torch.cat([scene.loss(seen[part], passed, part) for part in parts]))
        memory = settings.memory * memory + bump
    found = torch.stack(made, 1)
    return found[:, ::2], found[:, 1::2]


def draw_noise(seeds: Tensor, fixations: int, draws: int) -> Tensor:
    """[B, T, K, 2] uniform numbers in [0, 1), those of a row from its own seed.

    Args:
        seeds: [B] whole numbers.
    """
    rows = [
        torch.rand(fixations, draws, 2, generator=torch.Generator().manual_seed(int(seed))) for seed in seeds
    ]
    return torch.stack(rows) if rows else torch.zeros(0, fixations, draws, 2)


def _check(images: Tensor, row: Tensor, noise: Tensor, settings: NevaSettings) -> None:
    side = settings.size_px
    if images.dim() != 4 or tuple(images.shape[2:]) != (side, side):
        raise ValueError(f"images must be [P, C, {side}, {side}], got {list(images.shape)}")
    if noise.dim() != 4 or noise.shape[0] != len(row) or noise.shape[3] != 2:
        raise ValueError(f"noise must be [{len(row)}, T, K, 2], got {list(noise.shape)}")
    if noise.shape[1] < 1:
        raise ValueError("a scanpath has at least 1 fixation, got T = 0")
    if noise.shape[2] < settings.steps:
        raise ValueError(f"noise has {noise.shape[2]} draws a fixation, expected {settings.steps} or more")
    if len(row) and not 0 <= int(row.min()) <= int(row.max()) < len(images):
        raise ValueError(f"row must name pictures 0 to {len(images) - 1}, got {row.tolist()}")
