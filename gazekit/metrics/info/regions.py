"""Facts about the metrics of segmentation and detection."""

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

ENTRIES: tuple[MetricInfo, ...] = ()
