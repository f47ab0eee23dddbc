"""What a net of gaze following says of people."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["Looks"]


class Looks(NamedTuple):
    """What a net says of P people.

    Args:
        heatmap: [P, h, w], higher where the target is likelier; a probability or a logit, as the loss defines it.
        inside: [P], logit that the target is in the frame. None: the net has no head for it.
        direction_xy: [P, 2], direction of the gaze in fractions of width (right) and height (down) of the picture,
            its length the concentration of a von Mises distribution: times the picture's sides, in units of a square of
            the same area, it is in pixels. None: the net has no head for it.
    """

    heatmap: Tensor
    inside: Tensor | None = None
    direction_xy: Tensor | None = None
