"""Promptable segmenters: from where somebody looks to the mask of the thing that is there.

GazeSeg (arXiv 2412.00309) segments the looked-at object with a decoder that is prompted by the heat map. Neither its
code nor its data are public, so this is a design of our own in its place: any segmenter that takes a point, and where
it can the heat map, without training.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch

from gazekit.transformers_package import check_folder_of, model_of_folder

__all__ = ["GrabCutSegmenter", "Sam2Segmenter", "Segmenter", "peak_region", "segmenter_of", "soft_peak_norm"]

PEAK_SHARE = 0.02
SEED, NEAR, MARGIN = 0.012, 0.07, 0.09  # radii and width, in the shorter side of the picture
ITERATIONS = 4
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Segmenter(Protocol):
    """Makes masks of prompts in one picture."""

    def masks(
        self,
        image: np.ndarray,
        points_xy_px: np.ndarray,
        heatmaps: np.ndarray | None = None,
        heads_px: np.ndarray | None = None,
    ) -> np.ndarray:
        """The mask of what is at each point; empty where the point or the heat map is NaN, or the map constant.

        Args:
            image: [H, W, 3] uint8 RGB.
            points_xy_px: [P, 2] with the origin in the upper left corner of the picture.
            heatmaps: [P, h, w] over the whole picture; a segmenter may leave them aside.
            heads_px: [K, 4] x_min, y_min, x_max, y_max of the heads in the picture, likewise.
        Returns:
            [P, H, W] bool.
        """
        ...


class GrabCutSegmenter:
    """GrabCut (Rother et al. 2004) of OpenCV, which needs no weights; the same input gives the same mask.

    Surely foreground is a small disc round the point; probably foreground a larger one, and the part of the heat map
    round its peak (`peak_region`). Farther than a margin from that is surely background, and so are
    heads that the point is not in. The mask is what is connected with the point. Where the picture is flat round the
    point, the mask is what is probably foreground. The sizes suit things of about a tenth of the picture's side; they
    were chosen on the validation part of the generated pictures.

    Args:
        seed: of OpenCV's random numbers, set anew before each mask.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def masks(
        self,
        image: np.ndarray,
        points_xy_px: np.ndarray,
        heatmaps: np.ndarray | None = None,
        heads_px: np.ndarray | None = None,
    ) -> np.ndarray:
        """As `Segmenter`."""
        points = np.asarray(points_xy_px, np.float64).reshape(-1, 2)
        found = np.zeros((len(points), *image.shape[:2]), bool)
        for k, point in enumerate(points):
            near = None if heatmaps is None else peak_region(heatmaps[k], image.shape[:2])
            if not np.isnan(point).any() and (heatmaps is None or near is not None):
                found[k] = self._mask(image, point, near, heads_px)
        return found

    def _mask(
        self, image: np.ndarray, point: np.ndarray, near: np.ndarray | None, heads_px: np.ndarray | None
    ) -> np.ndarray:
        side = min(image.shape[:2])
        x, y = np.clip(point.astype(int), 0, np.array(image.shape[1::-1]) - 1).tolist()
        seed = _disc(image.shape[:2], x, y, SEED * side)
        disc = _disc(image.shape[:2], x, y, NEAR * side)
        near = disc if near is None else disc | near
        away = cv2.distanceTransform((~near).astype(np.uint8), cv2.DIST_L2, 5)
        trimap = np.where(near, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        trimap[away > MARGIN * side] = cv2.GC_BGD
        for left, top, right, bottom in () if heads_px is None else np.asarray(heads_px).tolist():
            if not (left <= point[0] <= right and top <= point[1] <= bottom):
                rows, columns = (
                    slice(max(0, round(a)), max(0, round(b))) for a, b in ((top, bottom), (left, right))
                )
                trimap[rows, columns] = cv2.GC_BGD
        trimap[seed] = cv2.GC_FGD
        rows, columns = (_span(keep, 2 * MARGIN * side) for keep in (near.any(1), near.any(0)))
        mask = np.zeros(image.shape[:2], bool)
        mask[rows, columns] = self._cut(image[rows, columns], trimap[rows, columns])
        _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
        return mask & (parts == parts[y, x])

    def _cut(self, image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
        sure = (trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)
        if sure.all() or (image == image[:1, :1]).all():
            return sure
        cv2.setRNGSeed(self.seed)
        labels = np.ascontiguousarray(trimap)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(np.ascontiguousarray(image), labels, None, *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
        return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)


class Sam2Segmenter:
    """SAM 2 (Ravi et al. 2024) of the package transformers, with weights from a folder. Nothing is downloaded.

    It is prompted by the point alone, and of its three masks the one that it expects to fit best is taken. Heat maps
    and heads only say where there is no mask. Uses a GPU if there is one.

    Args:
        folder: with `config.json` and `model.safetensors` of SAM 2 for pictures or for video.
        at_once: points that are decoded together.
    Raises:
        ImportError: transformers is not installed. FileNotFoundError: no such folder, or no weights in it.
        ValueError: a model of another type, weights that are damaged or not all of it.
    """

    def __init__(self, folder: str | Path, at_once: int = 16) -> None:
        folder = Path(folder)
        check_folder_of(folder, "SAM 2", ("sam2", "sam2_video"), "sam2_vision_model")
        model = model_of_folder(folder, "Sam2Model")
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)
        self.at_once = at_once

    @torch.inference_mode()
    def masks(
        self,
        image: np.ndarray,
        points_xy_px: np.ndarray,
        heatmaps: np.ndarray | None = None,
        heads_px: np.ndarray | None = None,
    ) -> np.ndarray:
        """As `Segmenter`."""
        points = np.asarray(points_xy_px, np.float64).reshape(-1, 2)
        found = np.zeros((len(points), *image.shape[:2]), bool)
        known = ~np.isnan(points).any(1)
        if heatmaps is not None:
            known &= np.array([_scaled(heatmap) is not None for heatmap in heatmaps], bool)
        if not known.any():
            return found
        height, width = image.shape[:2]
        side = self.model.prompt_encoder.input_image_size
        scene = self.model.get_image_embeddings(self._pixels(image, side))
        for some in np.array_split(known.nonzero()[0], -(-known.sum() // self.at_once)):
            # transformers adds half a pixel: it wants the numbers of pixels, not places
            place = points[some] * side / [width, height] - 0.5
            prompt = torch.tensor(place, dtype=torch.float32, device=self.model.device)[None, :, None]
            output = self.model(image_embeddings=scene, input_points=prompt)
            best = output.iou_scores[0].argmax(1)
            logits = output.pred_masks[0][torch.arange(len(some), device=best.device), best]
            large = torch.nn.functional.interpolate(logits[None], (height, width), mode="bilinear")[0]
            found[some] = (large > 0).cpu().numpy()
        return found

    def _pixels(self, image: np.ndarray, side: int) -> torch.Tensor:
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        values = (small.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
        return torch.from_numpy(values).permute(2, 0, 1)[None].to(self.model.device)


_MADE: dict[str, Callable[[str | None], Segmenter]] = {
    "grabcut": lambda weights: GrabCutSegmenter(),
    "sam2": lambda weights: Sam2Segmenter(weights),
}


def segmenter_of(name: str, weights: str | None = None) -> Segmenter:
    """A segmenter by its name, "grabcut" or "sam2"; the second needs the folder of its weights.

    Raises:
        ValueError: another name, weights missing or not needed; ImportError, FileNotFoundError: as `Sam2Segmenter`.
    """
    if name not in _MADE:
        raise ValueError(f"segmenter must be one of {', '.join(_MADE)}, got {name!r}")
    if (weights is not None) != (name == "sam2"):
        raise ValueError(
            "segmenter=sam2 needs weights=FOLDER with config.json and model.safetensors of SAM 2"
            if name == "sam2"
            else f"segmenter={name} takes no weights, got {weights}"
        )
    return _MADE[name](weights)


def peak_region(heatmap: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """The part round the highest place of a heat map that belongs to the highest fiftieth of its area.

    Probabilities and their logits have nearly the same region, and that of a broad map is no larger.

    Args:
        heatmap: [h, w].
        size: height and width to which the map is stretched.
    Returns:
        [height, width] bool; None for a constant map and one with values that are not finite.
    """
    scaled = _scaled(heatmap)
    if scaled is None:
        return None
    if scaled.shape != tuple(size):
        scaled = cv2.resize(scaled, size[::-1], interpolation=cv2.INTER_LINEAR)
    high = (scaled >= _height(scaled)) & (scaled > scaled.min())
    if not high.any():  # stretched to a size at which nothing of it is left
        return None
    _, parts = cv2.connectedComponents(high.astype(np.uint8), connectivity=4)
    return parts == parts[np.unravel_index(scaled.argmax(), scaled.shape)]


def soft_peak_norm(heatmap: np.ndarray) -> np.ndarray:
    """Soft argmax of a heat map: the mean of the cells' centres in its `peak_region`, weighted by how far they rise.

    Args:
        heatmap: [h, w].
    Returns:
        [2] fractions of the picture's width and height; NaN where there is no region.
    """
    region = peak_region(heatmap, heatmap.shape)
    if region is None:
        return np.full(2, np.nan)
    scaled = _scaled(heatmap)
    rows, columns = region.nonzero()
    weight = scaled[region] - _height(scaled) + 1e-6
    centres = (np.stack([columns, rows], 1) + 0.5) / np.array(heatmap.shape[::-1])
    return (weight[:, None] * centres).sum(0) / weight.sum()


def _height(scaled: np.ndarray) -> float:
    """Of the lowest place in the highest part of the area."""
    count = max(1, round(PEAK_SHARE * scaled.size))
    return float(np.partition(scaled.ravel(), -count)[-count])


def _scaled(heatmap: np.ndarray) -> np.ndarray | None:
    """[h, w] float32 from 0 to 1."""
    heatmap = np.asarray(heatmap, np.float64)
    if not heatmap.size or not np.isfinite(heatmap).all() or heatmap.min() == heatmap.max():
        return None
    low, high = heatmap.min(), heatmap.max()
    return ((heatmap - low) / (high - low)).astype(np.float32)


def _disc(size: tuple[int, int], x: int, y: int, radius: float) -> np.ndarray:
    row, column = np.ogrid[: size[0], : size[1]]
    return (row - y) ** 2 + (column - x) ** 2 <= max(radius, 1) ** 2


def _span(keep: np.ndarray, margin: float) -> slice:
    inside = keep.nonzero()[0]
    return slice(max(0, int(inside[0] - margin) - 1), int(inside[-1] + margin) + 2)
