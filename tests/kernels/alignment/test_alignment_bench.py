"""The bench of the alignments at toy sizes, and that the loops beside it compute the same."""

import pytest
import torch

from gazekit.kernels.alignment.bench import Sizes, cases

TOY = Sizes(pairs=4, loop_pairs=4, lengths=(5, 3), growth=(1, 2))


def test_each_operator_has_its_cases() -> None:
    names = [case.name for case in cases("cpu", TOY)]
    assert len(names) == 2 * (2 + 4 + 2 + 3) + 2 * 2
    assert names[:2] == ["edit_distance, 4 pairs of 5", "table_alignment, 4 pairs of 5"]


@pytest.mark.parametrize("case", cases("cpu", TOY), ids=lambda case: case.name)
def test_the_loops_compute_the_same(case) -> None:
    found = case.run()
    if case.run_reference is None:
        assert found.shape in [(4, n, n) for n in TOY.lengths]
    elif isinstance(found, torch.Tensor):
        assert found.tolist() == pytest.approx(case.run_reference(), abs=1e-5)
    else:
        for pair, path in enumerate(case.run_reference()):
            valid = found.mask[pair]
            cells = zip(found.a_index[pair][valid].tolist(), found.b_index[pair][valid].tolist(), strict=True)
            assert list(cells) == path[::-1]
