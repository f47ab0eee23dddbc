"""Human ceilings, chance and centre-bias baselines with intervals, for any metric of scanpaths or maps."""

from gazekit.metrics.ceiling.inputs import missing_inputs
from gazekit.metrics.ceiling.measure import human_ceiling
from gazekit.metrics.ceiling.people import ModelScanpaths, People
from gazekit.metrics.ceiling.raters import rater_ceiling
from gazekit.metrics.ceiling.table import Ceiling

__all__ = ["Ceiling", "ModelScanpaths", "People", "human_ceiling", "missing_inputs", "rater_ceiling"]
