"""ViTGaze (Song et al. 2024, Visual Intelligence 2:31): gaze targets from the self-attention of one transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gazekit.models.gaze_following.cones import CHANNELS, cones
from gazekit.models.gaze_following.gaze_net import GazeNet
from gazekit.models.gaze_following.guidance import SpatialGuidance
from gazekit.models.gaze_following.heads import DirectionHead, HeatmapHead, InsideHead
from gazekit.models.gaze_following.interaction import interaction, pooled
from gazekit.models.gaze_following.looks import Looks
from gazekit.models.gaze_following.losses import GazeLoss
from gazekit.models.gaze_following.scene_encoder import SceneEncoder

__all__ = ["ViTGazeNet", "ViTGazeScene"]


@dataclass(frozen=True, eq=False)
class ViTGazeScene:
    """B pictures, encoded.

    Args:
        features: [B, D, h, w] of the last block.
        queries, keys: of the tapped blocks, [B, A, F + h w, d] each.
        score: [B, h, w], of the guidance.
        head_logits: [B, h, w], that any head is there.
    """

    features: Tensor
    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    score: Tensor
    head_logits: Tensor


class ViTGazeNet(GazeNet):
    """The scene is encoded once; each person costs the attention rows of their head's patches and three small heads.

    Args:
        backbone, taps, hidden_share, hidden_probability: see `SceneEncoder`.
        widths: of the heat-map head, see `HeatmapHead`.
        relative: give the heat-map head log(1 + N I) instead of the attention I, N patches. Attention that has not been
            trained is 1 / N everywhere, so small that the batch norms of the head take it for noise.
        direction: whether there is a head for the direction; the published net has none.
        cone: give the heat-map head the `cones` of the direction as well. Not published: a GazeSeg-like addition.
        loss: arguments of `GazeLoss`.
    Raises:
        ValueError: a cone without a direction; see also `SceneEncoder`.
    """

    def __init__(
        self,
        backbone: str | Mapping[str, Any] = "dinov2_small",
        taps: Sequence[int] | None = None,
        hidden_share: float = 0.5,
        hidden_probability: float = 0.5,
        widths: Sequence[int] = (16, 8, 1),
        relative: bool = False,
        direction: bool = False,
        cone: bool = False,
        loss: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = SceneEncoder(backbone, taps, hidden_share, hidden_probability)
        self.guidance = SpatialGuidance(self.encoder.vit.patch_px)
        if cone and not direction:
            raise ValueError("cone=true needs direction=true: it is drawn along the direction")
        self.cone = cone
        self.heatmap_head = HeatmapHead(self.encoder.channels + cone * CHANNELS, widths)
        self.inside_head = InsideHead(self.encoder.width)
        self.direction_head = DirectionHead(self.encoder.width) if direction else None
        self.relative = relative
        self.criterion = GazeLoss(**(loss or {}))

    def encode(
        self,
        image: Tensor,
        generator: torch.Generator | None = None,
        picture: Tensor | None = None,
        head_norm: Tensor | None = None,
    ) -> ViTGazeScene:
        encoded = self.encoder(image, generator, picture, head_norm)
        return ViTGazeScene(encoded.features, encoded.queries, encoded.keys, *self.guidance(encoded.image))

    def look(self, scene: ViTGazeScene, picture: Tensor, head_norm: Tensor, dense: bool = False) -> Looks:
        """See `GazeNet.look`. `dense`: by plain operators of fixed sizes, for export."""
        height, width = scene.score.shape[1:]
        if not len(picture):
            unused = [scene.score.sum(), *(p.sum() for p in self.parameters() if p.requires_grad)]
            nothing = (
                scene.features.flatten()[:0] + torch.stack(unused).sum()
            )  # all parameters take part in every step
            direction_xy = None if self.direction_head is None else nothing.view(0, 2)
            scale = self.heatmap_head.scale
            return Looks(nothing.view(0, scale * height, scale * width), nothing, direction_xy)
        guidance = self.guidance.of_heads(scene.score, picture, head_norm)
        read = interaction(scene.queries, scene.keys, guidance, picture, dense)
        if self.relative:
            read = (height * width * read).log1p()
        features = pooled(scene.features, guidance, picture, dense)
        direction_xy = None if self.direction_head is None else self.direction_head(features)
        read = read.unflatten(2, (height, width))
        if self.cone:
            read = torch.cat([read, cones(head_norm, direction_xy.detach(), (height, width))], 1)
        return Looks(self.heatmap_head(read), self.inside_head(features), direction_xy)

    def loss(self, scene: ViTGazeScene, looks: Looks, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        return self.criterion(looks, batch, scene.head_logits)
