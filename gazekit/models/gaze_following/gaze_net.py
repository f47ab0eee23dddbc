"""What every net of gaze following can do: encode pictures once, then say of any number of their people where they
look."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gazekit.models.gaze_following.looks import Looks
from gazekit.models.gaze_following.losses import SHARPNESS, GazeLoss

__all__ = ["GazeNet"]


class GazeNet(nn.Module, ABC):
    """A net of gaze following. `criterion` is its loss; see `GazeLoss`."""

    criterion: GazeLoss

    @abstractmethod
    def encode(
        self,
        image: Tensor,
        generator: torch.Generator | None = None,
        picture: Tensor | None = None,
        head_norm: Tensor | None = None,
    ) -> Any:
        """The scenes of B pictures, once for all of their people.

        Args:
            image: [B, 3, H, W] uint8 RGB, or floating with values from 0 to 255; sides are multiples of the patch.
            generator: on the CPU; given in training only, for the masking of patches.
            picture, head_norm: of `look`; heads that masking leaves alone. Without them no patch is exempt.
        Raises:
            ValueError: sides that are no multiples of the patch.
        """

    @abstractmethod
    def look(self, scene: Any, picture: Tensor, head_norm: Tensor) -> Looks:
        """Where P people look.

        Args:
            scene: of `encode`.
            picture: [P] long, which of the B pictures each person is in, in any order; P may be 0.
            head_norm: [P, 4] x_min, y_min, x_max, y_max of heads in fractions of width and height; what lies
                outside the picture is cut off.
        """

    def shown(self, heatmap: Tensor) -> Tensor:
        """Heat maps [P, h, w] as they are scored and drawn: probabilities of each cell where the loss is "bce", of
        one cell among all where it is "softmax", as they are where it is "mse"."""
        if self.criterion.heatmap_loss == "bce":
            return heatmap.sigmoid()
        if self.criterion.heatmap_loss == "softmax":
            return (SHARPNESS * heatmap).flatten(1).softmax(1).view_as(heatmap)
        return heatmap

    def loss(self, scene: Any, looks: Looks, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """ "loss" and its terms for a batch of `gazekit.datasets.gaze_targets`."""
        return self.criterion(looks, batch)
