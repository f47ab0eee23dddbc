"""What follows from the published scores: gains, their tests, effects of memory and of saccades."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gazekit.base import System
from gazekit.datasets.gpn_nsd_rsa import PUBLISHED, VENTRAL, NetworkScores, NetworkTable
from gazekit.metrics.functional import benjamini_hochberg, signed_rank_p

__all__ = ["Gain", "PublishedNetwork", "effects", "gains"]

_SUBJECTS = 8
_CORRECTED = tuple(region for region in PUBLISHED if region != "ventral")


class PublishedNetwork(NetworkScores, System):
    """Published scores of one network, as the row that all others are compared with.

    Settings: `NetworkScores`.
    """


class Gain(NamedTuple):
    """GPN-R-SimCLR against the best other network of the table, in one region.

    Args:
        alternative: its name, recomputed.
        alternative_r2: its mean over subjects, recomputed.
        gpn_r2: that plus the printed difference.
        semantic_r2: of the net trained on captions: `gpn_r2` less the printed difference.
        p, p_fdr: of the printed W, exact and two-sided; corrected over the six regions other than ventral. NaN there.
        semantic_p, semantic_p_fdr: the same for the net trained on captions.
    """

    alternative: str
    alternative_r2: float
    gpn_r2: float
    semantic_r2: float
    p: float
    p_fdr: float
    semantic_p: float
    semantic_p_fdr: float


def gains(table: NetworkTable) -> dict[str, Gain]:
    """Region to what the source says of it, from the table and the printed differences and W."""
    found = {}
    corrected = {}
    for name in ("alternative_w", "semantic_w"):
        p = signed_rank_p([float(getattr(PUBLISHED[r], name)) for r in _CORRECTED], _SUBJECTS)
        corrected[name] = dict(zip(_CORRECTED, benjamini_hochberg(p).tolist(), strict=True))
    for region, printed in PUBLISHED.items():
        best = table.best(region)
        mean = float(table.of(region, best).mean())
        gpn = mean + printed.alternative_gain
        p = signed_rank_p([float(printed.alternative_w), float(printed.semantic_w)], _SUBJECTS).tolist()
        fdr = [corrected[name].get(region, np.nan) for name in ("alternative_w", "semantic_w")]
        found[region] = Gain(best, mean, gpn, gpn - printed.semantic_gain, p[0], fdr[0], p[1], fdr[1])
    return found


def effects() -> dict[str, float]:
    """Mean effect of memory (R - B and RS - S) and of saccades (S - B and RS - R) over three backbones, ventral."""
    values = [VENTRAL[backbone] for backbone in ("SimCLR", "ILSVRC", "DINOv2-B")]
    return {
        "memory": float(np.mean([[v["R"] - v["B"], v["RS"] - v["S"]] for v in values])),
        "saccades": float(np.mean([[v["S"] - v["B"], v["RS"] - v["R"]] for v in values])),
    }
