"""gazekit: modelling human visual attention and gaze."""

__version__ = "0.1.0"
