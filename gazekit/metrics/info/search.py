"""Facts about the metrics of visual search."""

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

ENTRIES: tuple[MetricInfo, ...] = ()
