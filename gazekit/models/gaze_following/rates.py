"""Learning rates by layer, for the training of a whole transformer."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer

from gazekit.models.gaze_following.vitgaze_net import ViTGazeNet

__all__ = ["layer_groups", "scale_rates"]

NORMS = (nn.LayerNorm, nn.BatchNorm2d)


def layer_groups(net: ViTGazeNet, decay: float = 0.65) -> list[dict[str, Any]]:
    """Parameters for an optimiser, each group with its "rate": a factor of the optimiser's own.

    Block i of n has decay^(n - i); positions and patches have decay^(n + 1); class and mask token, guidance and heads
    have 1. Norms and positions have no weight decay. `scale_rates` puts the factors into effect.
    Frozen parameters are left out.
    """
    encoder = net.encoder
    depth = len(encoder.vit.blocks)
    norms = {id(p) for module in net.modules() if isinstance(module, NORMS) for p in module.parameters()}
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        part, _, rest = name.removeprefix("encoder.vit.").partition(".")
        if part == "blocks":
            rate = decay ** (depth - int(rest.partition(".")[0]))
        elif parameter is encoder.vit.pos_embed or name.startswith("encoder.vit.patch_embed."):
            rate = decay ** (depth + 1)
        else:
            rate = 1.0
        if not parameter.requires_grad:
            continue
        decays = id(parameter) not in norms and parameter is not encoder.vit.pos_embed
        groups.setdefault((rate, decays), []).append(parameter)
    return [
        {"params": parameters, "rate": rate} | ({} if decays else {"weight_decay": 0.0})
        for (rate, decays), parameters in groups.items()
    ]


def scale_rates(optimizer: Optimizer) -> Optimizer:
    """Multiply the rate of each group by its "rate", before a scheduler is made; returns the optimiser."""
    for group in optimizer.param_groups:
        group["lr"] *= group.get("rate", 1.0)
    return optimizer
