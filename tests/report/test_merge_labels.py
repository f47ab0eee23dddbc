"""Which settings name a row when runs are merged."""

from gazekit.report.merge import _labels


def run(seed, video_seed, width=8):
    return {"seed": seed, "data": {"video_seed": video_seed}, "model": {"_target_": "m.M", "width": width}}


def test_a_setting_that_follows_the_seed_is_the_seed():
    assert _labels([run(0, 0), run(1, 1)]) == ["", ""]
    assert _labels([run(0, 0), run(1, 1, width=9)]) == ["model.width=8", "model.width=9"]


def test_a_setting_of_its_own_names_the_rows():
    assert _labels([run(0, 3), run(1, 4)]) == ["data.video_seed=3", "data.video_seed=4"]
    assert _labels([run(1, 1), run(1, 2)]) == ["data.video_seed=1", "data.video_seed=2"]
