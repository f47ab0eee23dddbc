"""Areas of interest: shapes, point lookup, mapping of fixations, and the tables commonly reported."""

from __future__ import annotations

from gazekit.recordings.aoi.annotation_files import read_aois, read_coco, read_label_studio
from gazekit.recordings.aoi.cvat import read_cvat
from gazekit.recordings.aoi.mapping import aoi_at, aoi_labels, map_fixations
from gazekit.recordings.aoi.shapes import AOI, BACKGROUND, Box, Mask, MovingBox, Polygon, masks
from gazekit.recordings.aoi.tables import aoi_metrics, to_csv, transition_entropy, transitions, visits

__all__ = [
    "AOI",
    "BACKGROUND",
    "Box",
    "Mask",
    "MovingBox",
    "Polygon",
    "aoi_at",
    "aoi_labels",
    "aoi_metrics",
    "map_fixations",
    "masks",
    "read_aois",
    "read_coco",
    "read_cvat",
    "read_label_studio",
    "to_csv",
    "transition_entropy",
    "transitions",
    "visits",
]
