"""NeVA: the batched optimisation and the scan against one optimisation at a time, and the amortised net against NeVA.

Weights are noise: the time depends on sizes and on the number of steps, which do not depend on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gazekit.backbones import load_backbone
from gazekit.harness import Case
from gazekit.models.neva.amortised import AmortisedNeva
from gazekit.models.neva.nets import TaskNet
from gazekit.models.neva.optimise import draw_noise, optimise
from gazekit.models.neva.reference import optimise_one
from gazekit.models.neva.scan import Scan
from gazekit.models.neva.settings import PRESETS, NevaSettings
from gazekit.models.neva.tasks import Classification

__all__ = ["Sizes", "cases"]


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        pictures: together.
        fixations: of each scanpath.
        gradient_fixations: the same of the gradient search, whose time does not depend on it.
        settings: of NeVA; published by default.
        backbone: of the task.
    """

    pictures: int = 8
    fixations: int = 10
    gradient_fixations: int = 1
    settings: NevaSettings = PRESETS["classification"]
    backbone: str = "mobilenet_v2"


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Gradient, scan and the amortised net; the reference is one picture and one fixation."""
    sizes = sizes or Sizes()
    settings, pictures = sizes.settings, sizes.pictures
    net = TaskNet(sizes.backbone, "random", size_px=settings.size_px)
    task = Classification(net)
    usual = load_backbone(sizes.backbone, "random", ["logits"], (settings.size_px,) * 2, device)
    plain = Classification(lambda seen: usual(seen)["logits"])
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(pictures, 3, settings.size_px, settings.size_px, generator=draw).to(device)
    net.backbone.to(device)
    row, search = torch.arange(pictures), Scan(net)
    noise = draw_noise(row, sizes.fixations, max(search.draws, settings.steps))

    def one() -> Tensor:
        return optimise_one(images[:1], plain, settings, noise[0, :1])[0]

    compared = {
        "unit": "fixation",
        "reference": "one picture and one candidate at a time, whole net",
        "run_reference": one,
        "reference_items": 1,
    }
    few = noise[:, : sizes.gradient_fixations]
    made = [
        Case(
            f"gradient, {pictures} pictures x {few.shape[1]} fixations",
            lambda: optimise(images, row, task, settings, few).xy_px,
            items=pictures * few.shape[1],
            **compared,
        ),
        Case(
            f"scan, {pictures} pictures x {sizes.fixations} fixations",
            lambda: optimise(images, row, task, settings, noise, search).xy_px,
            items=pictures * sizes.fixations,
            **compared,
        ),
    ]
    if net.name == "mobilenet_v2":
        made.append(_amortised(images, sizes, compared))
    return made


def _amortised(images: Tensor, sizes: Sizes, compared: dict) -> Case:
    model = AmortisedNeva({}, weights="random")
    row, draw = torch.arange(len(images)), torch.Generator()
    _ = model.to(images.device).task_net.backbone.to(images.device)
    return Case(
        f"amortised, {len(images)} pictures x {sizes.fixations} fixations",
        lambda: model.look(images, row, sizes.fixations, draw.manual_seed(0)),
        items=len(images) * sizes.fixations,
        **compared,
    )
