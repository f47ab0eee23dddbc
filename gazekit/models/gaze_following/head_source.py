"""Where the heads in the frames of an input come from: a file, or a detector of faces."""

from __future__ import annotations

from pathlib import Path

from gazekit.models.gaze_following.faces import FaceFinder
from gazekit.models.gaze_following.frames import Frame, Frames
from gazekit.models.gaze_following.head_boxes import Heads, HeadsFile, heads_of_faces
from gazekit.models.gaze_following.head_direction import HeadDirection

__all__ = ["HeadSource"]


class HeadSource:
    """Gives the `Heads` of a frame; arguments as for `gaze_batches`.

    Attributes:
        names: of all people in the file; empty without a file.
    """

    def __init__(
        self, frames: Frames, heads: str | None, face_weights: str | None, pose_weights: str | None
    ) -> None:
        self.video = frames.kind != "pictures"
        self.file = None if heads is None else HeadsFile(Path(heads), self.video)
        self.names: set[str] = set() if self.file is None else self.file.names
        if self.file is not None and frames.kind != "camera":
            self.file.check(frames.keys, frames.n_frames)
        self.pose = None if pose_weights is None else HeadDirection(pose_weights)
        if self.file is None or self.pose is not None:
            self.faces = _finder(face_weights)

    def __call__(self, frame: Frame) -> Heads:
        if self.file is None:
            faces = self.faces(frame.rgb)
            found = heads_of_faces(faces)
            pose = None if self.pose is None else self.pose.directions([frame.rgb], [faces])
        else:
            found = self.file.of(frame.picture, frame.number)
            pose = (
                None if self.pose is None else self.pose.of_heads([frame.rgb], [found.boxes_px], self.faces)
            )
        return found if pose is None else found._replace(pose_xy=pose.double().numpy())


def _finder(face_weights: str | None) -> FaceFinder:
    try:
        return FaceFinder(face_weights)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            "where are the heads? Give their boxes with heads=FILE (columns picture or frame, x_min, y_min, x_max, "
            f"y_max), or have faces found by YuNet with face_weights=FILE:\n{error}"
        ) from error
