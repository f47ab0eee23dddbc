"""Boxes propagated through a video by SAM 2 (Ravi et al. 2024) of the package transformers, with weights from a folder.

It follows the outline of an object instead of points in a box, which helps with few points and turning objects. The
code is Apache-2.0; weights have their own licence. Nothing is downloaded. Pictures are prepared here, because
transformers' own preparation needs torchvision.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from gazekit.annotate.model.propagation import Propagated, journey
from gazekit.annotate.project.pictures import Pictures
from gazekit.transformers_package import check_folder_of, model_of_folder

__all__ = ["Sam2Propagator", "box_of_mask", "check_folder"]

MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
MIN_CONFIDENCE = 0.3
LEAST_PART = 0.1  # of the largest part's area: smaller ones are specks, larger ones a thing behind something


def check_folder(folder: Path) -> None:
    """Check that a folder holds such a model, without reading its weights.

    Raises:
        ImportError: transformers is not installed. FileNotFoundError: no such folder, or no weights in it.
        ValueError: a model of another type.
    """
    check_folder_of(folder, "SAM 2", ("sam2_video",), "sam2_vision_model")


class Sam2Propagator:
    """Propagates boxes as `propagation.propagate` does, one range at a time. Uses a GPU if there is one.

    Args:
        folder: with `config.json` and `model.safetensors` of SAM 2 for video, as `save_pretrained` writes it.
    Raises:
        ImportError, FileNotFoundError: as `check_folder`.
        ValueError: a model of another type, weights that are damaged or not all of it.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        check_folder(folder)
        model = model_of_folder(folder, "Sam2VideoModel")
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)
        config = model.config
        self._side, self._kept = (
            config.image_size,
            max(config.num_maskmem, config.max_object_pointers_in_encoder),
        )
        self._overlaps: list[float] = []
        self.model.mask_decoder.register_forward_hook(self._record_iou)
        self._one_at_a_time = threading.Lock()

    def __call__(
        self, video: Pictures, frame: int, boxes: np.ndarray, stop_frame: int, step: int = 1
    ) -> Iterator[Propagated]:
        """As `propagate`; a box is the box of its mask.

        Confidence is sqrt(probability that the thing is seen x the IoU that the model expects of its mask), and never
        rises again; below 0.3, or without a mask, a box is lost. Memory does not grow with the range.

        Raises:
            As `propagate`.
        """
        boxes, way = journey(video, frame, boxes, stop_frame, step)
        return self._follow(video, frame, boxes, way)

    def _follow(self, video: Pictures, frame: int, boxes: np.ndarray, way: range) -> Iterator[Propagated]:
        if not len(boxes):
            return
        first = video.read(frame)
        session, confidence = self._new_session(first, boxes), np.ones(len(boxes))
        self._segment(session, first, 0)
        for index, number in enumerate(way, 1):
            if not confidence.any():
                return
            picture = video.read(number)
            masks, sure = self._segment(session, picture, index)
            carried = np.stack([box_of_mask(mask, picture.shape[:2]) for mask in masks])
            confidence = np.minimum(confidence, sure)
            confidence[(confidence < MIN_CONFIDENCE) | np.isnan(carried).any(1)] = 0.0
            carried[confidence == 0] = np.nan
            if confidence.any():
                yield Propagated(number, carried, confidence.copy())

    def _new_session(self, picture: np.ndarray, boxes: np.ndarray) -> Any:
        """A session of SAM 2 that starts from the boxes of its first picture, given as corner pixels."""
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        height, width = picture.shape[:2]
        device = self.model.device
        session = Sam2VideoInferenceSession(
            video_height=height,
            video_width=width,
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
            dtype=torch.float32,
        )
        scale = self._side / np.array([width, height])
        for number, (low, high) in enumerate(boxes.reshape(-1, 2, 2)):
            corners = torch.tensor(np.stack([low * scale, (high - 1) * scale]), dtype=torch.float32)
            kinds = torch.tensor([[[2, 3]]], dtype=torch.int32)  # top left and bottom right of a box
            prompt = {"point_coords": corners[None, None], "point_labels": kinds}
            session.add_point_inputs(session.obj_id_to_idx(number), 0, prompt)
        session.obj_with_new_inputs = list(range(len(boxes)))
        return session

    def _segment(self, session: Any, picture: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray]:
        """[M, h, w] mask logits, and their confidence [M]."""
        with self._one_at_a_time, torch.inference_mode():
            self._overlaps = []
            output = self.model(inference_session=session, frame=self._tensor(picture), frame_idx=index)
            seen = output.object_score_logits.reshape(-1).sigmoid().cpu().numpy()
            expected = np.clip(self._overlaps, 0, 1)
        self._forget(session, index)
        return output.pred_masks[:, 0].cpu().numpy(), np.sqrt(seen * expected)

    def _record_iou(self, module: Any, inputs: Any, output: Any) -> None:
        """The decoder's predicted IoU of the chosen mask, which the model does not return; one call per box."""
        self._overlaps.append(float(output[1].max()))

    def _tensor(self, picture: np.ndarray) -> torch.Tensor:
        small = cv2.resize(picture, (self._side, self._side), interpolation=cv2.INTER_AREA)
        values = (small.astype(np.float32) / 255 - MEAN) / STD
        return torch.from_numpy(values).permute(2, 0, 1).to(self.model.device)

    def _forget(self, session: Any, index: int) -> None:
        """Drop the memory that no later frame uses."""
        session.processed_frames.clear()
        for box, kinds in session.output_dict_per_obj.items():
            session.frames_tracked_per_obj[box].clear()
            kinds["non_cond_frame_outputs"].pop(index - self._kept, None)
            for outputs in kinds.values():
                if index in outputs:
                    outputs[index].pop("high_res_masks", None)


def box_of_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The box of an object's mask, ignoring specks.

    Args:
        mask: [h, w] positive where the thing is.
        size: (height, width) of the picture, to which the mask is stretched.
    Returns:
        [4] half-open pixels around all parts that have a tenth of the largest part's area; NaN of an empty mask.
    """
    whole = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR) > 0
    _, _, parts, _ = cv2.connectedComponentsWithStats(whole.astype(np.uint8), connectivity=8)
    left, top, width, height, area = parts[1:].T  # the first is what is not the thing
    if not len(area):
        return np.full(4, np.nan)
    kept = area >= LEAST_PART * area.max()
    low, high = np.stack([left, top], 1)[kept], np.stack([left + width, top + height], 1)[kept]
    return np.concatenate([low.min(0), high.max(0)]).astype(np.float64)
