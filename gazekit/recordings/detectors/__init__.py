"""Eye-movement detectors: `detector.detect(gaze, screen)` returns a table of events.

Every detector is a frozen dataclass of its parameters, with defaults from the literature.
"""

from __future__ import annotations

from gazekit.recordings.detectors.adaptive_velocity import AdaptiveVelocity, Thresholds
from gazekit.recordings.detectors.blinks import Blinks
from gazekit.recordings.detectors.idt import IDT
from gazekit.recordings.detectors.ivt import IVT
from gazekit.recordings.detectors.microsaccades import Microsaccades
from gazekit.recordings.detectors.pursuit import Pursuit

__all__ = ["IDT", "IVT", "AdaptiveVelocity", "Blinks", "Microsaccades", "Pursuit", "Thresholds"]
