"""Classical scanpath models over pictures."""

from gazekit.models.classic_scanpaths.centre import CentreBias, RandomGaze
from gazekit.models.classic_scanpaths.eymol import GEymol
from gazekit.models.classic_scanpaths.levy import ConstrainedLevy
from gazekit.models.classic_scanpaths.race import ScanDDM
from gazekit.models.classic_scanpaths.scene_walk import SceneWalk
from gazekit.models.classic_scanpaths.super_gaussian import SuperGaussian
from gazekit.models.classic_scanpaths.system import SceneWalkSystem
from gazekit.models.classic_scanpaths.winner import WinnerTakeAll

__all__ = [
    "CentreBias",
    "ConstrainedLevy",
    "GEymol",
    "RandomGaze",
    "ScanDDM",
    "SceneWalk",
    "SceneWalkSystem",
    "SuperGaussian",
    "WinnerTakeAll",
]
