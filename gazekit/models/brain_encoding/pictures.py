"""A user's pictures as an encoder sees them: through the backbone that it was trained with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

__all__ = ["Seen", "picture_batches"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
AT_ONCE = 16


class Seen(NamedTuple):
    """A picture of the user.

    Args:
        name: of its file.
        picture: uint8 RGB [H, W, 3].
    """

    name: str
    picture: np.ndarray


def picture_batches(
    path: Path, facts: Mapping[str, Any], weights: Path | None
) -> Iterator[tuple[list[Seen], dict[str, Any]]]:
    """Batches `{"features", "group"}` of a picture or of all pictures of a folder.

    Args:
        facts: of the encoder, see `BrainData`.
        weights: of the backbone.
    Raises:
        ValueError: the encoder was trained on features whose backbone is not known, other weights of the backbone,
            or no picture.
    """
    from gazekit.backbones import load_backbone
    from gazekit.datasets.brain_features import PooledExtractor

    recipe = facts.get("backbone")
    if recipe is None:
        raise ValueError(
            "the encoder was trained on given features, not on pictures: predict on data with such features"
        )
    backbone = load_backbone(
        recipe["name"],
        weights=weights,
        layers=recipe["layers"],
        size_px=tuple(recipe["preprocessing"]["size_px"]),
    )
    if backbone.recipe["weights"] != recipe["weights"]:
        raise ValueError(
            f"the encoder was trained on {recipe['name']} with weights {recipe['weights'][:12]}, these are "
            f"{backbone.recipe['weights'][:12]}: give those of the training with weights=PATH"
        )
    look = PooledExtractor(backbone, recipe.get("grid"))
    files = [path] if path.is_file() else sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{path} holds no picture ({', '.join(SUFFIXES)})")
    for start in range(0, len(files), AT_ONCE):
        items = [
            Seen(f.stem, np.asarray(Image.open(f).convert("RGB"))) for f in files[start : start + AT_ONCE]
        ]
        found = look({"image": [item.picture for item in items]})
        features = {layer: torch.from_numpy(np.float32(maps)) for layer, maps in found.items()}
        yield items, {"features": features, "group": torch.arange(start, start + len(items))}
