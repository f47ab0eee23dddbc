"""What metrics are given: by the names of the arguments of their `update`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import signature

import torch
from torch import Tensor

from gazekit.metrics.ceiling.maps import Blocks, CentreMaps, Grid, own_maps
from gazekit.metrics.ceiling.people import People
from gazekit.metrics.ceiling.scores import update
from gazekit.metrics.item_metric import ItemMetric
from gazekit.scanpath import Scanpaths

__all__ = ["MapInputs", "missing_inputs", "takes_scanpaths"]

_PAIR_INPUTS = {"model", "human", "size_px"}
_MAP_INPUTS = {"saliency", "fixations", "empirical_density", "density", "baseline", "other_fixations"}
_MOST_OTHERS = 10_000
"""Fixations on other pictures that a shuffled AUC takes as negatives: more only cost time."""


def takes_scanpaths(metric: type[ItemMetric]) -> bool:
    """Whether it compares scanpaths; else it reads maps."""
    return {"model", "human"} <= set(_arguments(metric))


def missing_inputs(metric: type, facts: Iterable[str] = ()) -> list[str] | None:
    """What of its input a metric class would lack here, given these facts; None if it measures something else."""
    if not issubclass(metric, ItemMetric):
        return None
    arguments = _arguments(metric)
    reads_maps = {"saliency", "density"} & set(arguments)
    if not takes_scanpaths(metric) and not reads_maps:
        return None
    given = (_PAIR_INPUTS if takes_scanpaths(metric) else _MAP_INPUTS) | set(facts)
    return [name for name, needed in arguments.items() if needed and name not in given]


def _arguments(metric: type[ItemMetric]) -> dict[str, bool]:
    """Arguments of its `update`, and whether they are needed."""
    parameters = list(signature(metric.update).parameters.values())[1:]  # without self
    return {p.name: p.default is p.empty for p in parameters}


class MapInputs:
    """Gives map metrics what they ask for: maps that predict people, and what is true of these people."""

    def __init__(self, people: People, grid: Grid) -> None:
        self.people, self.grid = people, grid
        self.centre = CentreMaps(people)

    def update(
        self, metrics: Mapping[str, ItemMetric], blocks: Blocks, told: Callable[[float], None]
    ) -> Tensor:
        """Update metrics by the maps of all people who have fixations and a map; their rows."""
        wanted = {name for metric in metrics.values() for name in _arguments(type(metric))}
        order, done = [torch.zeros(0, dtype=torch.long)], 0
        for rows, saliency, cell_px in blocks:
            done += len(rows)
            usable = ~saliency.flatten(1).isnan().any(1) & (self.people.scanpaths.lengths[rows] > 0)
            rows, saliency = rows[usable], saliency[usable]
            if len(rows):
                image = int(self.people.image_row[rows[0]])
                makers = self._makers(rows, image, saliency, cell_px)
                inputs = {name: make() for name, make in makers.items() if name in wanted}
                undefined = {}
                if "baseline" in inputs and inputs["baseline"].isnan().any():  # there is no other picture
                    undefined = {n: m for n, m in metrics.items() if "baseline" in _arguments(type(m))}
                    for metric in undefined.values():
                        metric.add(torch.full((len(rows), max(1, len(metric.parts))), torch.nan))
                scored = {name: metric for name, metric in metrics.items() if name not in undefined}
                update(scored, inputs | self.people.facts_of(image))
                order.append(rows)
            told(done / len(self.people))
        return torch.cat(order)

    def _makers(
        self, rows: Tensor, image: int, saliency: Tensor, cell_px: float
    ) -> dict[str, Callable[[], Tensor | Scanpaths]]:
        """Inputs by name, made when they are wanted. A model's own maps come in cells of 1 pixel."""
        grid = Grid(self.grid.sigma_px, cell_px)
        return {
            "saliency": lambda: saliency,
            "fixations": lambda: _in_cells(self.people.scanpaths[rows], cell_px),
            "empirical_density": lambda: own_maps(self.people, rows, grid),
            "density": lambda: saliency,
            "baseline": lambda: self.centre.of(image, grid).expand(len(rows), -1, -1),
            "other_fixations": lambda: _in_cells(self._others(image, len(rows)), cell_px),
        }

    def _others(self, image: int, count: int) -> Scanpaths:
        """[count, M] fixations on all other pictures, stretched to the size of this image; at most a random lot."""
        people = self.people
        picture = people.picture_row[people.image_row == image][0]
        scanpath, step = torch.where(people.scanpaths.mask & (people.picture_row != picture)[:, None])
        if len(scanpath) > _MOST_OTHERS:
            draw = torch.randperm(len(scanpath), generator=torch.Generator().manual_seed(image))[
                :_MOST_OTHERS
            ]
            scanpath, step = scanpath[draw], step[draw]
        stretch = people.sizes[image] / people.sizes[people.image_row[scanpath]]
        xy_px = people.scanpaths.xy_px[scanpath, step] * stretch
        xy_px = xy_px[((xy_px >= 0) & (xy_px < people.sizes[image])).all(1)]
        return Scanpaths(xy_px.expand(count, -1, -1), torch.ones(count, len(xy_px), dtype=torch.bool))


def _in_cells(paths: Scanpaths, cell_px: float) -> Scanpaths:
    return Scanpaths(paths.xy_px / cell_px, paths.mask)
