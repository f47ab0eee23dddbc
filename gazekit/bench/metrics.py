"""Speed of the metrics compared with the packages and loops in common use.

The reference packages (multimatch-gaze 0.1.3, pysaliency 0.2.22) are timed if they are installed; otherwise the rows
have no reference. The plain loops are written here in the usual way.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch

from gazekit.harness import Case
from gazekit.metrics import functional as F
from gazekit.scanpath import Scanpaths

__all__ = ["Sizes", "cases"]

SCREEN_PX = (1024, 768)


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        pairs: pairs of scanpaths; the references are timed on `reference_pairs` of them and scaled.
        fixations: fixations per scanpath.
        shape: height and width of the map for the AUCs.
        map_batches: number, height and width of the maps per batch, from small ones as in validation during
            training to those of a benchmark.
        map_fixations: fixations per map.
    """

    pairs: int = 1000
    reference_pairs: int = 20
    fixations: tuple[int, ...] = (20, 40)
    shape: tuple[int, int] = (768, 1024)
    map_batches: tuple[tuple[int, int, int], ...] = ((1000, 60, 80), (200, 240, 320), (16, 768, 1024))
    map_fixations: int = 300


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Comparisons of thousands of scanpaths, then scores of saliency maps, small and large."""
    sizes = sizes or Sizes()
    found = [_multimatch(device, sizes, n) for n in sizes.fixations]
    found += [_multimatch_grouped(device, sizes, sizes.fixations[0])]
    found += [_multimatch_chunked(device, sizes, sizes.fixations[0], chunk) for chunk in (100, 1000)]
    found += [_scanmatch(device, sizes, sizes.fixations[0], bin_ms) for bin_ms in (None, 50)]
    found += [_dtw(device, sizes, sizes.fixations[0])]
    found += _auc(device, sizes)
    return found + [case for batch in sizes.map_batches for case in _map_scores(device, sizes, *batch)]


def _pairs(device: str, sizes: Sizes, n: int) -> tuple[Scanpaths, Scanpaths]:
    """Random walks with steps of a sixth of the screen and realistic durations."""
    draw = np.random.default_rng(n)
    step = np.array(SCREEN_PX) / 6

    def paths() -> Scanpaths:
        walk = np.array(SCREEN_PX) / 2 + draw.normal(0, step, (sizes.pairs, n, 2)).cumsum(1)
        duration = draw.gamma(4, 65, (sizes.pairs, n, 1)).clip(60, 1200).round()
        return Scanpaths.of(np.concatenate([walk.clip(0, np.array(SCREEN_PX) - 1), duration], 2)).to(device)

    return paths(), paths()


def _columns(paths: Scanpaths, count: int) -> list[np.ndarray]:
    """[T, 3] x, y, seconds of the first few: the reference's input."""
    rows = torch.cat([paths.xy_px, paths.duration_ms[..., None] / 1000], -1)[:count].cpu().numpy()
    return list(rows)


def _multimatch(device: str, sizes: Sizes, n: int) -> Case:
    a, b = _pairs(device, sizes, n)
    return Case(
        f"MultiMatch, {sizes.pairs} pairs of {n} fixations",
        lambda: F.multimatch(a, b, SCREEN_PX),
        items=sizes.pairs,
        unit="pair",
        **_multimatch_reference(a, b, sizes, {}),
    )


def _multimatch_grouped(device: str, sizes: Sizes, n: int) -> Case:
    a, b = _pairs(device, sizes, n)
    grouping = F.Grouping(direction_deg=30, duration_ms=150, amplitude_px=100)
    return Case(
        f"MultiMatch grouped, {sizes.pairs} pairs of {n} fixations",
        lambda: F.multimatch(a, b, SCREEN_PX, grouping),
        items=sizes.pairs,
        unit="pair",
        **_multimatch_reference(a, b, sizes, {"grouping": True, "TDir": 30, "TDur": 0.15, "TAmp": 100}),
    )


def _multimatch_chunked(device: str, sizes: Sizes, n: int, chunk: int) -> Case:
    a, b = _pairs(device, sizes, n)
    a, b = (
        Scanpaths(*(x.repeat(10, *[1] * (x.dim() - 1)) for x in (p.xy_px, p.mask, p.duration_ms)))
        for p in (a, b)
    )
    return Case(
        f"MultiMatch, {10 * sizes.pairs} pairs of {n} fixations, {chunk} at once",
        lambda: F.multimatch(a, b, SCREEN_PX, chunk=chunk),
        items=10 * sizes.pairs,
        unit="pair",
    )


def _multimatch_reference(a: Scanpaths, b: Scanpaths, sizes: Sizes, settings: dict) -> dict:
    if find_spec("multimatch_gaze") is None:
        return {}
    import multimatch_gaze

    columns = [("start_x", "f8"), ("start_y", "f8"), ("duration", "f8")]
    pairs = [
        tuple(np.array([tuple(row) for row in path], dtype=columns) for path in pair)
        for pair in zip(_columns(a, sizes.reference_pairs), _columns(b, sizes.reference_pairs), strict=True)
    ]

    def run() -> list:
        return [multimatch_gaze.docomparison(x, y, SCREEN_PX, **settings) for x, y in pairs]

    return {
        "reference": "multimatch-gaze, one pair after the other",
        "run_reference": run,
        "reference_items": len(pairs),
    }


def _scanmatch(device: str, sizes: Sizes, n: int, bin_ms: float | None) -> Case:
    a, b = _pairs(device, sizes, n)
    few = min(5, sizes.pairs)
    strings = [F.grid_labels(paths[:few], SCREEN_PX, (12, 8)) for paths in (a, b)]
    if bin_ms is not None:
        strings = [
            F.repeat_by_duration(labels, paths[:few].duration_ms, bin_ms)
            for labels, paths in zip(strings, (a, b), strict=True)
        ]
    pairs = list(zip(*([s.tolist() for s in string.to_list()] for string in strings), strict=True))
    return Case(
        f"ScanMatch, {sizes.pairs} pairs of {n} fixations" + (f", {bin_ms:g} ms bins" if bin_ms else ""),
        lambda: F.scanmatch(a, b, SCREEN_PX, bin_ms=bin_ms),
        items=sizes.pairs,
        unit="pair",
        reference="plain Python loops over the cells of the table",
        run_reference=lambda: [plain_scanmatch(x, y) for x, y in pairs],
        reference_items=few,
    )


def plain_scanmatch(a: list[int], b: list[int], columns: int = 12, threshold: float = 3.5) -> float:
    """ScanMatch of two strings of cell numbers, gap 0, cell by cell."""
    table = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, first in enumerate(a, 1):
        for j, second in enumerate(b, 1):
            dx, dy = first % columns - second % columns, first // columns - second // columns
            score = threshold - math.sqrt(dx * dx + dy * dy)
            table[i][j] = max(table[i - 1][j - 1] + score, table[i - 1][j], table[i][j - 1])
    return table[-1][-1] / (threshold * max(len(a), len(b)))


def _dtw(device: str, sizes: Sizes, n: int) -> Case:
    a, b = _pairs(device, sizes, n)
    pairs = [(x[:, :2], y[:, :2]) for x, y in zip(_columns(a, 5), _columns(b, 5), strict=True)]
    return Case(
        f"DTW, {sizes.pairs} pairs of {n} fixations",
        lambda: F.dtw_px(a, b),
        items=sizes.pairs,
        unit="pair",
        reference="a plain Python loop over the cells of a NumPy distance matrix",
        run_reference=lambda: [plain_dtw(x, y) for x, y in pairs],
        reference_items=len(pairs),
    )


def plain_dtw(a: np.ndarray, b: np.ndarray) -> float:
    """Dynamic time warping, cell by cell."""
    distance = np.linalg.norm(a[:, None] - b[None], axis=-1)
    table = np.full((len(a) + 1, len(b) + 1), np.inf)
    table[0, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            table[i + 1, j + 1] = distance[i, j] + min(table[i, j], table[i, j + 1], table[i + 1, j])
    return float(table[-1, -1])


def _auc(device: str, sizes: Sizes) -> list[Case]:
    saliency, fixations = _map(device, sizes)
    height, width = sizes.shape
    named = f"{width} x {height}, {sizes.map_fixations} fixations"
    reference = _pysaliency(saliency, fixations)
    return [
        Case(
            f"{title}, {named}",
            lambda ours=ours: ours(saliency, fixations),
            unit="map",
            **({"reference": f"pysaliency {name}", "run_reference": reference[name]} if reference else {}),
        )
        for title, ours, name in (
            ("exact AUC", F.auc, "AUC"),
            ("AUC-Judd", F.auc_judd, "AUC_Judd(jitter=False)"),
            ("NSS", F.nss, "NSS"),
        )
    ]


def _map(device: str, sizes: Sizes) -> tuple[torch.Tensor, Scanpaths]:
    draw = np.random.default_rng(0)
    saliency = torch.as_tensor(draw.random(sizes.shape)).to(device)
    xy = np.floor(draw.random((sizes.map_fixations, 2)) * np.array(sizes.shape[::-1]))
    return saliency, Scanpaths.of(xy).to(device)


def _pysaliency(saliency: torch.Tensor, fixations: Scanpaths) -> dict[str, Callable]:
    """pysaliency's scores of one image; empty if it is not installed."""
    if find_spec("pysaliency") is None:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not hasattr(np, "trapz"):
            np.trapz = np.trapezoid  # noqa: NPY201 (its AUC calls what NumPy 2.4 no longer has)
        import pysaliency
        from pysaliency.saliency_map_models import SaliencyMapModel

    class Given(SaliencyMapModel):
        def _saliency_map(self, stimulus):
            return saliency.cpu().numpy()

    x, y = fixations.xy_px.cpu().numpy().T.astype(int)
    stimuli = pysaliency.Stimuli([np.zeros((*saliency.shape, 3), np.uint8)])
    found = pysaliency.Fixations.create_without_history(x, y, np.zeros(len(x), int))
    model = Given()
    model.saliency_map(stimuli[0])  # cached from here on: only the scores are timed
    return {
        "AUC": lambda: model.AUC(stimuli, found, nonfixations="uniform"),
        "AUC_Judd(jitter=False)": lambda: model.AUC_Judd(stimuli, found, jitter=False),
        "NSS": lambda: model.NSS(stimuli, found),
    }


def _map_scores(device: str, sizes: Sizes, count: int, height: int, width: int) -> list[Case]:
    draw = torch.Generator().manual_seed(0)
    maps, truth = (torch.rand(count, height, width, generator=draw, dtype=torch.float64) for _ in range(2))
    truth = truth / truth.sum((1, 2), keepdim=True)
    xy = torch.rand(count, sizes.map_fixations, 2, generator=draw) * torch.tensor([width, height])
    xy = torch.floor(xy)
    fixations = Scanpaths.of(xy)
    rows = [points.long().numpy() for points in xy]
    one = maps.numpy(), truth.numpy()
    maps, truth, fixations = maps.to(device), truth.to(device), fixations.to(device)
    loops = {
        "NSS": (
            lambda: F.nss(maps, fixations),
            lambda: [plain_nss(s, p) for s, p in zip(one[0], rows, strict=True)],
        ),
        "CC": (lambda: F.correlation_coefficient(maps, truth), lambda: _loop(plain_cc, *one)),
        "SIM": (lambda: F.similarity(maps, truth), lambda: _loop(plain_similarity, *one)),
        "KLD": (lambda: F.kld(maps, truth), lambda: _loop(plain_kld, *one)),
    }
    return [
        Case(
            f"{name}, {count} maps of {width} x {height}",
            ours,
            items=count,
            unit="map",
            reference="a loop over the images in NumPy",
            run_reference=loop,
            reference_items=count,
        )
        for name, (ours, loop) in loops.items()
    ]


def _loop(score: Callable, maps: np.ndarray, truth: np.ndarray) -> list[float]:
    return [score(s, q) for s, q in zip(maps, truth, strict=True)]


def plain_nss(saliency: np.ndarray, xy: np.ndarray) -> float:
    """NSS of one image."""
    z = (saliency - saliency.mean()) / saliency.std()
    return float(z[xy[:, 1], xy[:, 0]].mean())


def plain_cc(saliency: np.ndarray, density: np.ndarray) -> float:
    """CC of one image."""
    return float(np.corrcoef(saliency.ravel(), density.ravel())[0, 1])


def plain_similarity(saliency: np.ndarray, density: np.ndarray) -> float:
    """SIM of one image."""
    return float(np.minimum(saliency / saliency.sum(), density / density.sum()).sum())


def plain_kld(saliency: np.ndarray, density: np.ndarray, eps: float = 2.2204e-16) -> float:
    """KLD of one image."""
    p, q = saliency / saliency.sum(), density / density.sum()
    return float((q * np.log(eps + q / (p + eps))).sum())
