"""`bench impn`: every case runs, and frames one by one are predicted as all at once."""

import pytest
import torch

from gazekit.bench.impn import Sizes, cases


def test_all_cases_run():
    tiny = cases(
        "cpu", Sizes(confirmed=12, things=(2, 14), feature_size=8, steps=2, predicted=10, one_by_one=10)
    )
    assert len({case.name for case in tiny}) == 4
    for case in tiny[:2]:
        assert case.facts(case.run(), None) == {"steps": 2}
    for case in tiny[2:]:
        for ours, [theirs] in zip(case.run(), case.run_reference(), strict=True):
            assert torch.equal(ours.label, theirs.label)
            torch.testing.assert_close(ours.probs, theirs.probs, rtol=1e-4, atol=1e-6)


def test_other_devices_are_refused():
    with pytest.raises(ValueError, match="on the CPU, got device='cuda'"):
        cases("cuda")
