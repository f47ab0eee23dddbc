"""`bench recordings`: every case runs, on a file that reads back as the gaze it was made of."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from gazekit.bench.recordings import SCREEN, Sizes, cases, write_asc
from gazekit.recordings.recording import Recording
from gazekit.recordings.synthetic import SyntheticGaze

TINY = Sizes(duration_s=2, reference_s=1, dispersion_s=0.5)


def test_all_cases_run_and_have_a_reference_only_where_it_is_installed():
    found = cases("cpu", TINY)
    assert len({case.name for case in found}) == len(found) == 9
    for case in found:
        case.run()
        assert (case.run_reference is not None) <= (find_spec("pymovements") is not None)


def test_other_devices_are_refused():
    with pytest.raises(ValueError, match="on the CPU"):
        cases("cuda", TINY)


def test_the_file_reads_back(tmp_path):
    gaze = SyntheticGaze(duration_s=3, blink_share=0.5, screen=SCREEN).make(0).gaze
    again = Recording.open(write_asc(gaze, tmp_path / "made.asc")).gaze()
    assert (again.valid == gaze.valid).all() and not gaze.valid.all()
    np.testing.assert_array_equal(again.t_ms, gaze.t_ms)
    np.testing.assert_allclose(again.xy_px, gaze.xy_px, atol=0.0501)
    with pytest.raises(ValueError, match="whole ms"):
        write_asc(SyntheticGaze(duration_s=1, rate_hz=60).make(0).gaze, tmp_path / "x.asc")
