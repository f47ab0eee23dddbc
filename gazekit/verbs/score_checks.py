"""What `gazekit score` checks in files before it scores them, and what it tells about them beside the scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["check_scanpaths", "reads_maps", "several_sizes", "told_apart"]


def reads_maps(metric: Any) -> bool:
    """Whether a metric of `score` reads maps; else it compares scanpaths."""
    from gazekit.metrics.ceiling.inputs import takes_scanpaths

    return not takes_scanpaths(type(metric))


def check_scanpaths(
    source: str, people, paths, image: list, who: list, metrics: Mapping[str, Any]
) -> list[str]:
    """Notes about the scanpaths of a file, for these metrics.

    Raises:
        ValueError: durations are missing, or fixations lie off the picture, for a metric that cannot do with it.
    """
    for name, metric in metrics.items():
        bin_ms = getattr(metric, "settings", {}).get("bin_ms")
        if bin_ms is not None and paths.duration_ms is None:
            raise ValueError(f"{source} has no durations, which {name} with bin_ms={bin_ms:g} needs")
    notes = _strangers(source, people, image)
    size = dict(zip(people.images, people.sizes.tolist(), strict=True))
    sizes = torch.tensor([size.get(name, [torch.inf] * 2) for name in image]).reshape(-1, 1, 2)
    outside = paths.mask & ((paths.xy_px < 0) | (paths.xy_px >= sizes)).any(-1)
    if not outside.any():
        return notes
    row, step = outside.nonzero()[0].tolist()
    (x, y), (width, height) = paths.xy_px[row, step].tolist(), sizes[row, 0].tolist()
    by = f" of {who[row]!r}" if who[row] != "" else ""
    text = (
        f"{source}: {int(outside.sum())} of {int(paths.mask.sum())} fixations lie off the picture (0 <= x < width, "
        f"0 <= y < height); the first is fixation {step}{by} on image {image[row]!r}, at ({x:g}, {y:g}) for a size "
        f"of {width:g} x {height:g} px"
    )
    refusing = [n for n, m in metrics.items() if getattr(m, "settings", {}).get("on_outside") == "raise"]
    if refusing:
        raise ValueError(
            f"{text}. {', '.join(refusing)} cannot score it: correct the file, --size or the size of the map, or "
            f"--set {refusing[0]}.on_outside=clip moves such fixations to the border"
        )
    return [*notes, text]


def told_apart(source: str, file, column: str) -> list[str]:
    """A note where a file joins what may be the scanpaths of several people or samples."""
    if file.told_apart:
        return []
    return [f"{source}: no column {column!r}, so all fixations on an image are one scanpath"]


def several_sizes(sizes: Mapping[str, tuple[int, int]]) -> list[str]:
    """A note where sizes come from maps and differ."""
    counts = Counter(tuple(size) for size in sizes.values())
    if len(counts) == 1:
        return []
    listed = ", ".join(f"{n} of {width} x {height} px" for (width, height), n in counts.most_common())
    return [f"sizes of the pictures are those of the maps: {listed}; --size sets one for all"]


def _strangers(source: str, people, image: list) -> list[str]:
    strangers = sorted({str(name) for name in image} - {str(name) for name in people.images})
    if not strangers:
        return []
    count = f"{len(strangers)} image{'s' * (len(strangers) > 1)}"
    return [f"{source}: {count} that people did not look at left out: {', '.join(strangers[:3])}"]
