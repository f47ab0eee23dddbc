"""I-MPN-style graph model: which of the things a detector found is which, learnt from an annotator's corrections.

`Learner` and `UpdateReport` are loaded when they are asked for: torch-geometric takes seconds to import, and whoever
only makes or keeps detections does not need it.
"""

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
    "Detections",
    "LabelledFrame",
    "Learner",
    "Predictions",
    "UpdateReport",
    "look_alike_groups",
]


def __getattr__(name: str):
    if name in ("Learner", "UpdateReport"):
        from gazekit.models.impn import learner

        return getattr(learner, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
