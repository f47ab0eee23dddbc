"""Gaze-LLE, and its combination with attention rows, as systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gazekit.base import Data
from gazekit.models.gaze_following.gazelle_net import GazeLLENet
from gazekit.models.gaze_following.onnx_form import GazeForm, example
from gazekit.models.gaze_following.released_weights import load_start
from gazekit.models.gaze_following.system import GazeFollower, check_size

__all__ = ["GazeLLE", "RowsAndTokens"]


class GazeLLE(GazeFollower):
    """A small decoder over the tokens of a frozen vision transformer (Gaze-LLE).

    Args:
        facts: `size_px` of the pictures.
        backbone, weights: see `FrozenEncoder`: a named backbone with its weights, or a checkpoint of ViTGaze.
        start: file of weights of the decoder: of an earlier training, or released by the authors.
        mirror: see `GazeFollower`.
        net: further settings, see `GazeLLENet`.
    """

    rows = False

    def __init__(
        self,
        facts: Mapping[str, Any],
        backbone: str | Mapping[str, Any] = "dinov2_base",
        weights: str | None = None,
        start: str | None = None,
        taps: Sequence[int] | None = None,
        mirror: bool = False,
        **net: Any,
    ) -> None:
        super().__init__(facts)
        self.net = GazeLLENet(backbone, weights, taps, rows=self.rows, **net)
        check_size(facts, self.net.patch_px)
        self.start, self.mirror = start, mirror

    def fit(self, data: Data) -> None:
        """Load the weights from which the training starts."""
        self.net.frozen.check()
        if self.start is not None:
            load_start(self.net, Path(self.start).expanduser())

    def onnx_example(self) -> tuple[nn.Module, dict[str, Tensor]]:
        """Where three people of one picture look; an ONNX file has the example's sizes and the frozen weights."""
        return GazeForm(self.net), example(tuple(self.facts["size_px"]))

    def notes(self) -> list[str]:
        return [f"frozen backbone: weights {self.net.frozen.sha256[:12]}, not in the checkpoint"]


class RowsAndTokens(GazeLLE):
    """Gaze-LLE's decoder, given what the head's patches attend to in the frozen transformer as well (our own)."""

    rows = True
