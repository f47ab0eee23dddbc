"""The four qualitative claims of Deza and Konkle 2020, each confirmed, contradicted or undecided by paired differences.

A claim is made of parts, a part is a difference between two systems within a run. A part that says "more" is
confirmed if its interval over runs lies above 0, contradicted if it lies below, else undecided. A part that says
"similar" is confirmed if the interval lies within `margin` of 0, contradicted if it lies beyond it on one side. A
claim is confirmed if all its parts are, contradicted if one of them is. Intervals are not corrected for the number
of parts.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from gazekit.metrics import Score
from gazekit.models.perceptual_systems.battery import SUMMARY
from gazekit.models.perceptual_systems.intervals import over_runs

__all__ = ["CLAIMS", "Claim", "Part", "Verdict", "judge"]

REFERENCE, TEXTURE, UNIFORM, FOVEATED = range(4)  # places in `datasets.perceived.SYSTEMS`
SHORT = ("reference", "texture", "uniform blur", "foveated blur")


class Part(NamedTuple):
    """`system` has more of `measure` than `other`; or less, or as much."""

    measure: str
    system: int
    other: int
    says: str = "more"


class Claim(NamedTuple):
    text: str
    parts: tuple[Part, ...]


class Verdict(NamedTuple):
    """`word` is confirmed, contradicted or undecided; `found` has the difference of each part and its own word."""

    word: str
    found: list[tuple[Part, Score, str]]

    def __str__(self) -> str:
        parts = [
            f"{p.measure.replace('_', ' ')} {SHORT[p.system]} - {SHORT[p.other]} {_number(score)} ({p.says}: {word})"
            for p, score, word in self.found
        ]
        return f"{self.word.upper()}: {'; '.join(parts)}"


CLAIMS = (
    Claim(
        "(1) Foveation-Texture names its own pictures about as well as Reference, and better than both blurs",
        (
            Part("accuracy", TEXTURE, REFERENCE, "similar"),
            Part("accuracy", TEXTURE, UNIFORM),
            Part("accuracy", TEXTURE, FOVEATED),
        ),
    ),
    Claim(
        "(2a) Foveation-Texture is the most sensitive to high spatial frequencies",
        tuple(Part("high_pass", TEXTURE, other) for other in (REFERENCE, UNIFORM, FOVEATED)),
    ),
    Claim(
        "(2b) Foveation-Texture is the most robust to occlusion",
        tuple(Part("occlusion", TEXTURE, other) for other in (REFERENCE, UNIFORM, FOVEATED)),
    ),
    Claim(
        "(3) Both foveated systems have a stronger centre bias (a smaller window wins) than both uniform ones",
        tuple(
            Part("centre_bias", own, other, "less")
            for own in (TEXTURE, FOVEATED)
            for other in (REFERENCE, UNIFORM)
        ),
    ),
)


def judge(claim: Claim, values: Tensor, margin: float) -> Verdict:
    """The verdict on a claim.

    Args:
        values: [R, 4, M] of each run and system, `battery.SUMMARY`.
        margin: by which similar values may differ.
    """
    found = []
    for part in claim.parts:
        place = SUMMARY.index(part.measure)
        score = over_runs(values[:, part.system, place] - values[:, part.other, place])
        found.append((part, score, _word(part.says, score, margin)))
    words = [word for *_, word in found]
    whole = "contradicted" if "contradicted" in words else "undecided"
    return Verdict("confirmed" if set(words) == {"confirmed"} else whole, found)


def _word(says: str, score: Score, margin: float) -> str:
    low, high = (-score.high, -score.low) if says == "less" else (score.low, score.high)
    if says == "similar":
        confirmed, contradicted = low >= -margin and high <= margin, low > margin or high < -margin
    else:
        confirmed, contradicted = low > 0, high < 0  # NaN, without an interval, is neither
    return "confirmed" if confirmed else "contradicted" if contradicted else "undecided"


def _number(score: Score) -> str:
    return f"{score.value:+.3f} [{score.low:+.3f}, {score.high:+.3f}]"
