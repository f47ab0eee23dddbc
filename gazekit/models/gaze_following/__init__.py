"""Gaze following: where the people in a picture look, and whether their target is in the frame."""

from gazekit.models.gaze_following.baselines import Centre, Cone, MeanMap
from gazekit.models.gaze_following.gazelle import GazeLLE, RowsAndTokens
from gazekit.models.gaze_following.target_masks import TargetMasks
from gazekit.models.gaze_following.vitgaze import ViTGaze

__all__ = ["Centre", "Cone", "GazeLLE", "MeanMap", "RowsAndTokens", "TargetMasks", "ViTGaze"]
