"""Glimpse prediction: from the glimpses so far to the embedding of the next one."""

from gazekit.models.glimpse.attention import GlimpseAttentionNet
from gazekit.models.glimpse.comparison import GlimpseScores
from gazekit.models.glimpse.contrast import Contrast, cosine_contrast
from gazekit.models.glimpse.displacement import DisplacementRidge
from gazekit.models.glimpse.net import GlimpseNet
from gazekit.models.glimpse.objective import glimpse_losses, steps_of
from gazekit.models.glimpse.plateau import LinearFitPlateau, StopWhenWorse
from gazekit.models.glimpse.rows import CopyGlimpse, GlimpseRow, MeanGlimpse
from gazekit.models.glimpse.states import StateScores
from gazekit.models.glimpse.system import GlimpsePrediction

__all__ = [
    "Contrast",
    "CopyGlimpse",
    "DisplacementRidge",
    "GlimpseAttentionNet",
    "GlimpseNet",
    "GlimpsePrediction",
    "GlimpseRow",
    "GlimpseScores",
    "LinearFitPlateau",
    "MeanGlimpse",
    "StateScores",
    "StopWhenWorse",
    "cosine_contrast",
    "glimpse_losses",
    "steps_of",
]
