"""Receptive fields and read-outs of fMRI in time: where on the screen, and how long after, does a voxel answer?"""

from gazekit.models.receptive_fields.comparison import HeldOutTime
from gazekit.models.receptive_fields.rows import (
    FittedField,
    GlobalSignal,
    ListedFields,
    RidgeInTime,
    TimeChance,
)
from gazekit.models.receptive_fields.system import ReceptiveFields

__all__ = [
    "FittedField",
    "GlobalSignal",
    "HeldOutTime",
    "ListedFields",
    "ReceptiveFields",
    "RidgeInTime",
    "TimeChance",
]
