"""NeVA as it is usually run, for tests and benches: one picture, one candidate position, one step at a time through
the whole net."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.foveate import blur_residual, gaussian_bump, reveal
from gazekit.models.neva.settings import NevaSettings
from gazekit.models.neva.tasks import Task

__all__ = ["optimise_one"]


def optimise_one(image: Tensor, task: Task, settings: NevaSettings, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The scanpath [T, 2] over one prepared picture [1, 3, S, S], and its losses [T]; noise [T, K, 2]."""
    side, eta = settings.size_px, settings.step_px
    blur, target = blur_residual(image, settings.sigma_px, settings.kernel_px), task.target(image)
    memory, path, reached = image.new_zeros(1, side, side), [], []
    for t in range(len(noise)):
        now = image.new_full((1, 2), side / 2)
        kept, lowest = now, float("inf")
        for k in range(settings.steps):
            at = now.clone().requires_grad_()
            bump = gaussian_bump(at, side, side, settings.bump_px)
            said = task.net(reveal(image, blur, memory + bump))
            loss = task.distance(said, task.target_at(target, t / len(noise)))
            loss.sum().backward()
            loss = float(loss.detach())
            now = (at.detach() - eta * at.grad.sign()).clamp(0.5, side - 0.5)
            if loss < lowest:
                lowest, kept = loss, now if settings.reference_compat else at.detach()
            elif settings.restarts == "uniform":
                now = 0.5 + (side - 1) * noise[t, k][None]
            else:
                now = (now + eta * (noise[t, k] - 0.5)).clamp(0.5, side - 0.5)
        memory = settings.memory * memory + gaussian_bump(kept, side, side, settings.bump_px)
        path.append(kept[0])
        reached.append(lowest)
    return torch.stack(path), torch.tensor(reached)
