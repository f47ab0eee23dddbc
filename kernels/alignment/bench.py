"""Speed of the dynamic programming compared with plain Python loops over the cells of each pair's table.

The loops are the usual ones: readable, with a function for the score of a cell. For the edit distance and the sum over
a warp there is also the tightest loop we could write, specialised for one rule: the ratio to it is the gain from
batching alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from math import inf

import torch
from torch import Tensor

from gazekit.harness import Case
from gazekit.kernels.alignment import (
    bottleneck_cost,
    cheapest_path,
    edit_distance,
    global_alignment,
    table_alignment,
    warping_cost,
)

__all__ = ["Sizes", "cases"]

GAP = -0.5
KINDS = 26  # of symbols in the alphabet
LOOPS = "plain Python loops over the cells"
TIGHT_LOOPS = "the tightest plain Python loops"


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        pairs: sequence pairs in the comparison of all operators; the loops are timed on `loop_pairs` of them.
        lengths: lengths of the sequences, in symbols or fixations.
        growth: numbers of pairs with the first of `lengths`, for two of the operators.
    """

    pairs: int = 1000
    loop_pairs: int = 5
    lengths: tuple[int, ...] = (20, 40)
    growth: tuple[int, ...] = (1, 10, 100, 1000, 10_000)


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """All operators on a thousand pairs, with gradients if supported, and scaling with the number of pairs."""
    sizes = sizes or Sizes()
    found = []
    for length in sizes.lengths:
        found += _strings(device, sizes.pairs, length, sizes.loop_pairs)
        found += _tables(device, sizes.pairs, length, sizes.loop_pairs)
        found += _tight(device, sizes.pairs, length, sizes.loop_pairs)
        found += _gradients(device, sizes.pairs, length)
    for pairs in sizes.growth:
        found += _strings(device, pairs, sizes.lengths[0], sizes.loop_pairs)[:1]
        found += _tables(device, pairs, sizes.lengths[0], sizes.loop_pairs)[1:2]
    return found


def _strings(device: str, pairs: int, length: int, loop_pairs: int) -> list[Case]:
    """Edit distance, then alignment by a table of the distance of two symbols."""
    draw = torch.Generator().manual_seed(length)
    a, b = (torch.randint(KINDS, (pairs, length), generator=draw) for _ in range(2))
    few = list(zip(a[:loop_pairs].tolist(), b[:loop_pairs].tolist(), strict=True))
    a, b, ends = a.to(device), b.to(device), _ends(device, pairs, length)
    table = 1 - torch.arange(1 - KINDS, KINDS, device=device).double().abs() / 5
    score = table.tolist()

    def loop_edits() -> list[float]:
        return [
            -loop_alignment(len(x), len(y), lambda i, j, x=x, y=y: -float(x[i] != y[j]), -1.0) for x, y in few
        ]

    def loop_scores() -> list[float]:
        return [
            loop_alignment(len(x), len(y), lambda i, j, x=x, y=y: score[x[i] - y[j] + KINDS - 1], GAP)
            for x, y in few
        ]

    return [
        _case("edit_distance", lambda: edit_distance(a, b, *ends), pairs, length, loop_edits, len(few)),
        _case(
            "table_alignment",
            lambda: table_alignment(a + KINDS - 1, -b, *ends, table, GAP),
            pairs,
            length,
            loop_scores,
            len(few),
        ),
    ]


def _tables(device: str, pairs: int, length: int, loop_pairs: int) -> list[Case]:
    """Operators that take [P, n, n] scores or costs."""
    table = _random_table(pairs, length)
    few, table, ends = table[:loop_pairs].tolist(), table.to(device), _ends(device, pairs, length)

    def loop_scores() -> list[float]:
        return [loop_alignment(length, length, lambda i, j, x=x: x[i][j], GAP) for x in few]

    def loop_sums() -> list[float]:
        return [loop_warp(x, lambda total, cost: total + cost)[-1][-1] for x in few]

    def loop_bottlenecks() -> list[float]:
        return [loop_warp(x, max)[-1][-1] for x in few]

    def loop_paths() -> list[list[tuple[int, int]]]:
        return [loop_path(x) for x in few]

    shape = pairs, length
    return [
        _case("global_alignment", lambda: global_alignment(table, *ends, GAP), *shape, loop_scores, len(few)),
        _case("warping_cost", lambda: warping_cost(table, *ends), *shape, loop_sums, len(few)),
        _case("bottleneck_cost", lambda: bottleneck_cost(table, *ends), *shape, loop_bottlenecks, len(few)),
        _case("cheapest_path", lambda: cheapest_path(table, *ends), *shape, loop_paths, len(few)),
    ]


def _tight(device: str, pairs: int, length: int, loop_pairs: int) -> list[Case]:
    """Edit distance and the sum over a warp compared with specialised loops."""
    a, b = (torch.randint(KINDS, (pairs, length), generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    few = list(zip(a[:loop_pairs].tolist(), b[:loop_pairs].tolist(), strict=True))
    table, ends = _random_table(pairs, length), _ends(device, pairs, length)
    costs = table[:loop_pairs].tolist()
    a, b, table, shape = a.to(device), b.to(device), table.to(device), (pairs, length)
    return [
        _case("edit_distance", lambda: edit_distance(a, b, *ends), *shape,
              lambda: [tight_edits(x, y) for x, y in few], len(few), TIGHT_LOOPS),
        _case("warping_cost", lambda: warping_cost(table, *ends), *shape,
              lambda: [tight_warp(x) for x in costs], len(costs), TIGHT_LOOPS),
    ]  # fmt: skip


def _gradients(device: str, pairs: int, length: int) -> list[Case]:
    """Forward and backward; loops have no gradient, so the reference is plain torch (which "auto" uses on a CPU)."""
    table, ends = _random_table(pairs, length).to(device).requires_grad_(), _ends(device, pairs, length)

    def run(function: Callable[..., Tensor], **options) -> Callable[[], Tensor]:
        return lambda: torch.autograd.grad(function(table, *ends, **options).sum(), table)[0]

    found = []
    for function, options in ((global_alignment, {"gap": GAP}), (warping_cost, {}), (bottleneck_cost, {})):
        name = f"{function.__name__}, forward and backward, {pairs} pairs of {length}"
        beside = {"reference": "the plain form", "run_reference": run(function, **options, impl="reference")}
        beside = {} if device == "cpu" else beside | {"reference_items": pairs}
        found.append(Case(name, run(function, **options), items=pairs, unit="pair", **beside))
    return found


def _case(
    name: str, run: Callable, pairs: int, length: int, loop: Callable, loop_pairs: int, loops: str = LOOPS
) -> Case:
    return Case(f"{name}, {pairs} pairs of {length}", run, pairs, "pair", loops, loop, loop_pairs)


def _random_table(pairs: int, length: int) -> Tensor:
    return torch.rand(pairs, length, length, generator=torch.Generator().manual_seed(length))


def _ends(device: str, pairs: int, length: int) -> tuple[Tensor, Tensor]:
    return (torch.full((pairs,), length, device=device),) * 2


def loop_alignment(n: int, m: int, score: Callable[[int, int], float], gap: float) -> float:
    """Needleman-Wunsch, cell by cell."""
    row = [gap * j for j in range(m + 1)]
    for i in range(n):
        previous, row = row, [gap * (i + 1)]
        for j in range(m):
            row.append(max(previous[j] + score(i, j), previous[j + 1] + gap, row[j] + gap))
    return row[m]


def loop_warp(cost: list[list[float]], join: Callable[[float, float], float]) -> list[list[float]]:
    """The table of minimum totals, cell by cell."""
    total = [[cost[0][0]]]
    for j in range(1, len(cost[0])):
        total[0].append(join(total[0][j - 1], cost[0][j]))
    for i in range(1, len(cost)):
        total.append([join(total[i - 1][0], cost[i][0])])
        for j in range(1, len(cost[0])):
            least = min(total[i - 1][j - 1], total[i - 1][j], total[i][j - 1])
            total[i].append(join(least, cost[i][j]))
    return total


def loop_path(cost: list[list[float]]) -> list[tuple[int, int]]:
    """The cells of the warp with the minimum sum, last to first."""
    total = loop_warp(cost, lambda total, cost: total + cost)
    i, j = len(cost) - 1, len(cost[0]) - 1
    path = [(i, j)]
    while i or j:
        steps = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        i, j = min((s for s in steps if min(s) >= 0), key=lambda s: total[s[0]][s[1]])
        path.append((i, j))
    return path


def tight_edits(a: list[int], b: list[int]) -> int:
    """Levenshtein in one row, without `min`; pairing equal symbols is always optimal."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        corner = i - 1
        row[0] = left = i
        for j, y in enumerate(b, 1):
            above = row[j]
            if x == y:
                left = corner
            else:
                if above < left:
                    left = above
                if corner < left:
                    left = corner
                left += 1
            corner = above
            row[j] = left
    return row[-1]


def tight_warp(cost: list[list[float]]) -> float:
    """The minimum sum over a warp, row by row, without `min`."""
    row = list(accumulate(cost[0]))
    for costs in cost[1:]:
        previous, row, corner, left = row, [], inf, inf
        push = row.append
        for above, entered in zip(previous, costs, strict=True):
            if above < left:
                left = above
            if corner < left:
                left = corner
            left += entered
            corner = above
            push(left)
    return row[-1]
