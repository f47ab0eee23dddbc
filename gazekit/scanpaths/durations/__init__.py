"""How long fixations last: exact likelihood and samples, for scanpath models over pictures and over objects."""

from gazekit.scanpaths.durations.base import Durations, timed_part
from gazekit.scanpaths.durations.baselines import Gamma, LogNormal, PersonLogNormal
from gazekit.scanpaths.durations.inputs import CAUSAL
from gazekit.scanpaths.durations.model import DurationModel
from gazekit.scanpaths.durations.timed import Timed

__all__ = [
    "CAUSAL",
    "DurationModel",
    "Durations",
    "Gamma",
    "LogNormal",
    "PersonLogNormal",
    "Timed",
    "timed_part",
]
