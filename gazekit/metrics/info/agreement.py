"""Facts about the metrics of agreement of raters and of event detections."""

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

ENTRIES: tuple[MetricInfo, ...] = ()
