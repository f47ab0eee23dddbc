"""Facts about every metric, by family: range, direction, chance, what is undefined, where it comes from."""

from gazekit.metrics.info import (
    agreement,
    encoding,
    gaze,
    motion,
    objects,
    regions,
    saliency,
    scanpath,
    search,
)
from gazekit.metrics.info.entry import MetricInfo

__all__ = ["BY_ANY_NAME", "FAMILIES", "INFO", "MetricInfo"]

FAMILIES: dict[str, tuple[MetricInfo, ...]] = {
    "saliency": saliency.ENTRIES,
    "scanpath": scanpath.ENTRIES,
    "objects": objects.ENTRIES,
    "search": search.ENTRIES,
    "gaze": gaze.ENTRIES,
    "regions": regions.ENTRIES,
    "agreement": agreement.ENTRIES,
    "encoding": encoding.ENTRIES,
    "motion": motion.ENTRIES,
}
"""Family to its metrics; each family has a page in docs/metrics."""

INFO: dict[str, MetricInfo] = {entry.name: entry for entries in FAMILIES.values() for entry in entries}

BY_ANY_NAME: dict[str, MetricInfo] = {
    name.lower(): entry
    for entry in INFO.values()
    for name in (entry.class_name, entry.short_name, entry.name)
}
"""Whatever a reader may type, in lower case: the function's name, with or without its unit, or that of the class."""
