"""The items of a prediction: people in a user's pictures, and the files that their records share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gazekit.models.gaze_following.outputs import GrowingText, GrowingVideo

__all__ = ["Look", "Outputs", "Picture"]


@dataclass
class Outputs:
    """What the records of one reading share.

    Args:
        csv, jsonl: the growing tables.
        video: the annotated video; None for pictures.
        video_name: of its file.
        overlays, heat_maps: whether pictures are drawn, and whether gaze.jsonl holds the heat maps.
        colours: of people, in order of appearance.
    """

    csv: GrowingText
    jsonl: GrowingText
    video: GrowingVideo | None
    video_name: str = "overlays.mp4"
    overlays: bool = True
    heat_maps: bool = False
    colours: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Picture:
    """A frame as records need it.

    Args:
        picture, number, t_ms, error: see `Frame`.
        size_px: width and height; (0, 0) if it cannot be read.
        small: [h, w, 3] uint8 RGB for the overlay, no larger than was asked for; None without overlay.
        label: unique name of a picture among those of the input.
    """

    picture: str
    number: int
    t_ms: float
    error: str
    size_px: tuple[int, int]
    small: np.ndarray | None
    label: str


@dataclass(frozen=True, eq=False)
class Look:
    """An item of `predict`: a person in a picture, or a picture without anybody.

    Args:
        picture: the picture.
        person: number or name; "" if there is nobody.
        head_px: [4] of the picture; None if there is nobody.
        eye_px: [2] midpoint of the eyes; NaN where it is not known.
        pose_xy: [2] direction of the face in the picture's plane, see `HeadDirection`; NaN where it was not estimated.
        error: why there is no prediction: the frame cannot be read, no head was found, or the head lies outside.
        outputs: shared by the items of a reading.
    """

    picture: Picture
    person: str
    head_px: np.ndarray | None
    eye_px: np.ndarray
    pose_xy: np.ndarray
    error: str
    outputs: Outputs

    @property
    def predicted(self) -> bool:
        """Whether the batch has a row for this item."""
        return not self.error
