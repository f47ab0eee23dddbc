"""The fixations of a recording with a scene video, and the frame in which each is."""

from __future__ import annotations

import pandas as pd

from gazekit.recordings.aoi import map_fixations
from gazekit.recordings.detectors import IVT
from gazekit.recordings.recording import Recording

__all__ = ["scene_fixations"]


def scene_fixations(recording: Recording) -> tuple[pd.DataFrame, str]:
    """The tracker's fixations, of one eye; those of `IVT` where it gave none and degrees are known.

    Returns:
        The table of `map_fixations` with `frame`, and whose fixations they are, in words.
    """
    by = f"of the tracker ({recording.tracker})"
    table = recording.fixations()
    eyes = sorted(set(table["eye"]))
    if len(eyes) > 1:
        table = table[table["eye"] == (recording.gaze().eye if recording.gaze().eye in eyes else eyes[0])]
    view = recording.screen or recording.camera
    if len(table) == 0 and view is not None and len(recording.samples):
        detector = IVT()
        by = f"found by I-VT above {detector.threshold_dva_s:g} deg/s"
        table = detector.detect(recording.gaze(), view)
        table = table[table["kind"] == "fixation"]
    return map_fixations(table, [], recording.frame_t_ms), by
