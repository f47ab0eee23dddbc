"""Pictures that a region of the brain is predicted to answer to: guided sampling, gradient ascent, and ranking."""

from gazekit.models.brain_guidance.guidance import blended_picture, clean_picture, ddim, gradient_guidance
from gazekit.models.brain_guidance.ranking import rank_pictures
from gazekit.models.brain_guidance.scores import picture_values, region_score
from gazekit.models.brain_guidance.visualise import FourierPictures, visualise

__all__ = [
    "FourierPictures",
    "blended_picture",
    "clean_picture",
    "ddim",
    "gradient_guidance",
    "picture_values",
    "rank_pictures",
    "region_score",
    "visualise",
]
