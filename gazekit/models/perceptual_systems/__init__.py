"""Nets behind four perceptual systems, and the battery that tells what each of them learned to rely on."""

from gazekit.models.perceptual_systems.comparison import EmergentProperties
from gazekit.models.perceptual_systems.system import PerceptualSystems

__all__ = ["EmergentProperties", "PerceptualSystems"]
