"""Visual search: eccentric pooling against a pooling per ring, and whole searches against one fixation at a time.

Weights are noise; the time depends on sizes, and on the number of fixations, which is the same for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gazekit.datasets.search_data import SearchData
from gazekit.harness import Case
from gazekit.kernels.foveate import eccentric_avg_pool2d, eccentric_windows
from gazekit.models.visual_search.eccnet import EccNetRow
from gazekit.models.visual_search.reference import search_one
from gazekit.models.visual_search.search import Found
from gazekit.models.visual_search.trunk import SLOPES

__all__ = ["Sizes", "cases"]


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        canvas_px: of the pooled maps; published for intersections.
        channels: of the pooled maps, by the stride at which they are pooled: those of VGG16.
        tasks: whose displays are searched, from a narrow to a wide canvas.
        displays: searched together.
        backbone: of the searcher.
    """

    canvas_px: int = 1358
    channels: tuple[tuple[int, int], ...] = ((4, 256), (8, 512), (16, 512))
    tasks: tuple[str, ...] = ("lighting", "curvature", "t_l")
    displays: int = 8
    backbone: str = "mobilenet_v2"


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Pooling at each stride, then whole searches of each task."""
    sizes = sizes or Sizes()
    made = [_pooling(sizes.canvas_px, stride, channels, device) for stride, channels in sizes.channels]
    return [*made, *(_search(task, sizes) for task in sizes.tasks)]


def _pooling(canvas_px: int, stride: int, channels: int, device: str) -> Case:
    side = -(-canvas_px // stride)
    x = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(0)).to(device)
    windows = eccentric_windows(side, side, round(30 / stride), SLOPES[stride]).to(device)

    def facts(ours: Tensor, reference: Tensor) -> dict[str, float]:
        return {"largest_difference": float((ours - reference).abs().max())}

    return Case(
        f"eccentric pooling, {canvas_px} px at stride {stride}, {channels} channels",
        lambda: eccentric_avg_pool2d(x, windows),
        unit="map",
        reference="a pooling per ring with masks",
        run_reference=lambda: eccentric_avg_pool2d(x, windows, "reference"),
        facts=facts,
    )


def _search(task: str, sizes: Sizes) -> Case:
    """Displays of the middle set size, both conditions."""
    data = SearchData(tasks=[task], displays=-(-sizes.displays // 2), batch_size=sizes.displays)
    data.setup()
    row = EccNetRow(data.facts(), sizes.backbone, "random", stride=16)
    middle = sorted(data.facts()["set_sizes"][task])[1]
    chosen = [i for i in data.parts["test"].tolist() if data.display(i).set_size == middle][: sizes.displays]
    batch, single = data.batch(chosen), [data.batch([i]) for i in chosen]
    fixations = row.predict(batch, torch.Generator())["fixations"]
    usual = int(
        (fixations - fixations.mean()).abs().argmin()
    )  # its number of fixations is nearest to the mean

    def facts(ours: dict, reference: Found) -> dict[str, float]:
        return {
            "fixations_per_display": float(ours["fixations"].mean()),
            "fixations_of_reference": float(reference.saccades[0]),
        }

    return Case(
        f"search of {len(chosen)} displays together: {task}, {middle} items",
        lambda: row.predict(batch, torch.Generator()),
        items=len(chosen),
        unit="display",
        reference="one fixation of one display at a time, whole canvas, a pooling per ring",
        run_reference=lambda: search_one(row, single[usual]),
        reference_items=1,
        facts=facts,
    )
