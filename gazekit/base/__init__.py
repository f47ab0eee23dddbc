"""What every system, data set and baseline derives from: `Data`, `Predictor`, `System`."""

from gazekit.base.data import Data
from gazekit.base.predictor import Predictor
from gazekit.base.system import System

__all__ = ["ROOMS", "Data", "Predictor", "System"]

ROOMS = ("gazekit.models", "gazekit.datasets", "gazekit.metrics", "gazekit.scanpaths", "gazekit.brain")
"""Packages with the classes that a configuration or a checkpoint may name."""
