"""`bench annotate`: every case runs against a server of its own."""

import pytest

from gazekit.bench.annotate import Sizes, cases

pytestmark = pytest.mark.slow


def test_all_cases_run():
    following, anywhere, action, queue = cases("cpu", Sizes(duration_s=5.0, size_px=(320, 240), confirmed=3))
    assert set(following.run()) >= {"frame", "boxes", "predictions", "gaze", "fixations"}
    assert anywhere.run()["frame"] >= 0 and anywhere.run_reference()[:2] == b"\xff\xd8"
    assert action.run()["version"] >= 1
    assert b'"total"' in queue.run()


def test_other_devices_are_refused():
    with pytest.raises(ValueError, match="on the CPU, got device='cuda'"):
        cases("cuda")
