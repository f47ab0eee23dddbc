"""ViTGaze as a system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gazekit.base import Data
from gazekit.models.gaze_following.onnx_form import GazeForm, example
from gazekit.models.gaze_following.rates import layer_groups, scale_rates
from gazekit.models.gaze_following.released_weights import load_start
from gazekit.models.gaze_following.system import GazeFollower, check_size
from gazekit.models.gaze_following.vitgaze_net import ViTGazeNet

__all__ = ["ViTGaze"]


class ViTGaze(GazeFollower):
    """Gaze targets from the self-attention of one plain vision transformer, all of which is trained (ViTGaze).

    Args:
        facts: `size_px` of the pictures.
        weights: pretrained weights of a named backbone, see `SceneEncoder.load`; None looks in data/backbones/NAME,
            "random" trains from scratch, as a backbone of sizes of its own always does.
        start: file of weights of the whole net, instead of `weights`: of an earlier training, or released by the
            authors.
        rate_decay: factor of the learning rate from each block to the one before; 1 for all the same.
        freeze_patches: leave the patch embedding as it is, as the released training does.
        mirror: see `GazeFollower`.
        net: further settings, see `ViTGazeNet`.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        backbone: str | Mapping[str, Any] = "dinov2_small",
        weights: str | None = None,
        start: str | None = None,
        rate_decay: float = 0.65,
        freeze_patches: bool = False,
        mirror: bool = False,
        taps: Sequence[int] | None = None,
        **net: Any,
    ) -> None:
        super().__init__(facts)
        self.net = ViTGazeNet(backbone, taps, **net)
        check_size(facts, self.net.encoder.vit.patch_px)
        self.weights, self.start = weights, start
        self.rate_decay, self.mirror = rate_decay, mirror
        self.net.encoder.vit.patch_embed.requires_grad_(not freeze_patches)

    def fit(self, data: Data) -> None:
        """Load the weights from which the training starts."""
        if self.start is not None:
            load_start(self.net, Path(self.start).expanduser())
        elif self.weights != "random" and (
            isinstance(self.net.encoder.backbone, str) or self.weights is not None
        ):
            self.net.encoder.load(self.weights)

    def configure_optimizers(self) -> Any:
        groups = layer_groups(self.net, self.rate_decay)
        return self.scheduled(scale_rates(self.optimizer(groups)))

    def onnx_example(self) -> tuple[nn.Module, dict[str, Tensor]]:
        """Where three people of one picture look; an ONNX file has the example's sizes, and does one pass (see
        `mirror`)."""
        return GazeForm(self.net), example(tuple(self.facts["size_px"]))
