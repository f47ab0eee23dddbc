"""Our events beside the tracker's own on real EyeLink recordings."""

from __future__ import annotations

import numpy as np
import pytest

from gazekit.recordings.agreement import event_agreement
from gazekit.recordings.detectors import IVT
from gazekit.recordings.quality import quality
from gazekit.recordings.recording import Recording

# The tracker parts fixations at movements of 0.3 degrees and keeps fixations of any length, so: a shorter window than
# our 20 ms, which smooths two such movements of cili_mono1000 (0.32 and 0.41 degrees) to 26 and 27 deg/s, and a shorter
# fixation than our 60 ms. Any window of 10 to 16 ms does; the binocular files were not looked at in choosing it.
LIKE_THE_TRACKER = IVT(window_ms=16, min_duration_ms=40)
DEFAULT_F1 = {"250": 0.94, "500": 0.90, "1000": 0.77, "2000": 0.96}
ACCURACY = {"250": (0.38, 0.69), "500": (0.31, 0.75), "1000": (0.38, 0.69), "2000": (0.45, 0.76)}
PX_PER_DVA = 35.16  # from the RES of the files' END lines


@pytest.mark.parametrize("rate", ["250", "500", "1000", "2000"])
def test_fixations_are_the_trackers(shared_data, rate):
    recording = Recording.open(shared_data / "eyelink_asc" / f"cili_mono{rate}.asc")
    gaze = recording.gaze()
    found = event_agreement(LIKE_THE_TRACKER.detect(gaze, PX_PER_DVA), recording.events, gaze.interval_ms)
    fixations = found.set_index("kind").loc["fixation"]
    assert fixations["f1"] >= 0.9 and fixations["mean_iou"] > 0.85
    default = event_agreement(IVT().detect(gaze, PX_PER_DVA), recording.events, gaze.interval_ms)
    assert default.loc[0, "f1"] >= DEFAULT_F1[rate]


@pytest.mark.parametrize("rate", ["250", "500", "1000"])
@pytest.mark.parametrize("eye", ["left", "right"])
def test_fixations_of_both_eyes_are_the_trackers(shared_data, rate, eye):
    recording = Recording.open(shared_data / "eyelink_asc" / f"cili_bino{rate}.asc")
    gaze, theirs = recording.gaze(eye), recording.events[recording.events["eye"] == eye]
    for detector in (LIKE_THE_TRACKER, IVT()):
        found = event_agreement(detector.detect(gaze, PX_PER_DVA), theirs, gaze.interval_ms)
        assert found.loc[0, "f1"] >= 0.94


def test_events_of_both_eyes_are_refused(shared_data):
    recording = Recording.open(shared_data / "eyelink_asc" / "cili_bino500.asc")
    found = IVT().detect(recording.gaze("left"), PX_PER_DVA)
    with pytest.raises(ValueError, match="reference has events of the left and the right eye, expected one"):
        event_agreement(found, recording.events, 2.0)


@pytest.mark.parametrize("rate", ["250", "500", "1000", "2000"])
def test_quality_of_clean_files(shared_data, rate):
    found = quality(Recording.open(shared_data / "eyelink_asc" / f"cili_mono{rate}.asc"))
    assert found["lost_share"] == 0 and found["dropped_samples"] == 0 and found["rate_hz"] == float(rate)
    assert (found["accuracy_mean_dva"], found["accuracy_max_dva"]) == ACCURACY[rate]
    assert 0 < found["rms_s2s_px"] / PX_PER_DVA < 0.05 and 0 < found["sd_px"] / PX_PER_DVA < 0.15
    assert np.isnan(found["sd_dva"]) and "no screen" in found["reasons"]["sd_dva"]
