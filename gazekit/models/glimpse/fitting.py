"""A short training of a net of glimpse prediction, stopped by validation pictures."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gazekit.base import Data
from gazekit.models.glimpse.attention import GlimpseAttentionNet
from gazekit.models.glimpse.net import VARIANTS, GlimpseNet
from gazekit.models.glimpse.objective import glimpse_losses, steps_of
from gazekit.schedule import warm_cosine

__all__ = ["NETS", "Course", "build_net", "fit_net", "mean_glimpse", "validation_loss"]

NETS = (*VARIANTS, "attention")


class Course(NamedTuple):
    """What happened in a training: steps after which was validated, the losses there, and the best step."""

    step: list[int]
    val_loss: list[float]
    best_step: int


def build_net(facts: Mapping[str, Any], net: str, seed: int = 0, **settings: Any) -> nn.Module:
    """A net for data with these facts (`GlimpseData.facts`), its first weights from this seed.

    Args:
        net: one of `NETS`.
        settings: of the net. `saccade_scale_px` None = that of the data; 1 feeds pixels as the source does.
    Raises:
        ValueError: an unknown net.
    """
    if net not in NETS:
        raise ValueError(f"net must be one of {', '.join(NETS)}, got {net!r}")
    if settings.get("saccade_scale_px") is None:
        settings["saccade_scale_px"] = facts.get("saccade_scale_px", 1.0)
    known = {"size": facts.get("size", 1), "categories": facts.get("categories", 0), **settings}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GlimpseAttentionNet(**known) if net == "attention" else GlimpseNet(variant=net, **known)


def mean_glimpse(data: Data, part: str = "train") -> Tensor:
    """[D] mean over all glimpses of a part."""
    total, count = 0.0, 0
    for batch in data.batches(part):
        total = total + (batch["glimpse"] * batch["mask"][..., None]).sum((0, 1), dtype=torch.float64)
        count += int(batch["mask"].sum())
    return (total / max(1, count)).float()


def fit_net(
    net: nn.Module,
    data: Data,
    *,
    steps: int = 1000,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    checks: int = 10,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Course:
    """Minimise `glimpse_losses` with AdamW; the weights of the best validation are what the net holds in the end.

    Equal data, settings and seed give equal weights.

    Args:
        net: is changed; in evaluation mode afterwards.
        steps: of `data.training_batch`.
        lr: rises over the first 5 % of the steps, then falls to 0 along a cosine.
        checks: validations, evenly spaced.
        weights: of the heads' losses.
        seed: of dropout.
    """
    net.mean.copy_(mean_glimpse(data))
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=weight_decay)
    scheduler = warm_cosine(optimizer, steps, warm_up=0.05, end=0.0)
    course, best, kept = Course([], [], 0), float("inf"), copy.deepcopy(net.state_dict())
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for step in range(1, steps + 1):
            net.train()
            batch = data.training_batch(step - 1)
            known = steps_of(batch)
            loss = glimpse_losses(net(known.glimpse, known.saccade_px), batch, weights)["loss"]
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            if step != steps and step % max(1, steps // checks):
                continue
            now = validation_loss(net, data, weights)
            course = Course(
                [*course.step, step], [*course.val_loss, now], step if now < best else course.best_step
            )
            if now < best:
                best, kept = now, copy.deepcopy(net.state_dict())
    net.load_state_dict(kept)
    net.eval()
    return course


@torch.no_grad()
def validation_loss(net: nn.Module, data: Data, weights: Mapping[str, float] | None = None) -> float:
    """Mean over the batches of the validation part, weighted by their scanpaths."""
    net.eval()
    total, count = 0.0, 0
    for batch in data.batches("val"):
        known = steps_of(batch)
        loss = glimpse_losses(net(known.glimpse, known.saccade_px), batch, weights)["loss"]
        total, count = total + float(loss) * len(known.mask), count + len(known.mask)
    return total / max(1, count)
