"""What an eye at a place sees of a picture: transforms of pictures, and grids of cells with their visibility."""

from gazekit.foveation.blur import FoveatedBlur, GeislerPerry, UniformBlur
from gazekit.foveation.glimpses import GlimpseSampler
from gazekit.foveation.grid import Grid
from gazekit.foveation.match import FeatureSimilarity, match_blur, match_foveated_blur, similarity
from gazekit.foveation.perry_geisler import PerryGeisler
from gazekit.foveation.sampling import LogPolar, RetinaWarp
from gazekit.foveation.texture import FoveatedTexture, Reference
from gazekit.foveation.visibility import GaussianVisibility

__all__ = [
    "FeatureSimilarity",
    "FoveatedBlur",
    "FoveatedTexture",
    "GaussianVisibility",
    "GeislerPerry",
    "GlimpseSampler",
    "Grid",
    "LogPolar",
    "PerryGeisler",
    "Reference",
    "RetinaWarp",
    "UniformBlur",
    "match_blur",
    "match_foveated_blur",
    "similarity",
]
