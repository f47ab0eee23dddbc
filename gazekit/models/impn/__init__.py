"""I-MPN-style graph model: labels of detections, learned from an annotator's corrections.

What needs torch-geometric or Lightning is imported when it is first used: that takes seconds, and whoever only makes
or keeps detections needs neither.
"""

from importlib import import_module

from gazekit.models.impn.assignment import look_alike_groups
from gazekit.models.impn.detections import (
    BACKGROUND,
    CANNOT_TELL,
    Detections,
    LabelledFrame,
    Predictions,
)

__all__ = [
    "BACKGROUND",
    "CANNOT_TELL",
    "IMPN",
    "Detections",
    "DetectorAlone",
    "DetectorLastLayer",
    "IMPNNet",
    "LabelledFrame",
    "Learner",
    "PerBox",
    "Predictions",
    "UpdateReport",
    "look_alike_groups",
]

_MODULE_OF = {
    "IMPN": "system",
    "IMPNNet": "net",
    "DetectorAlone": "predictors",
    "DetectorLastLayer": "predictors",
    "PerBox": "predictors",
    "Learner": "learner",
    "UpdateReport": "learner",
}


def __getattr__(name: str):
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
