"""One door for arrays of any kind: byte order, strides, permissions, lists."""

import numpy as np
import pytest
import torch

from gazekit.metrics import CohenKappa, MacroIoU, NoiseCeiling, Pearson, TwoVersusTwo
from gazekit.metrics.functional.arguments import as_tensor, binary, integers, masked, reals

VALUES = np.arange(24.0).reshape(4, 6)


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "array",
    [
        VALUES[::-1, ::-2],
        read_only(VALUES),
        VALUES.astype(">f8"),
        VALUES.astype(">f4")[:, ::-1],
        VALUES.T,
        np.broadcast_to(VALUES[:1], (3, 6)),
        VALUES.astype(np.uint16),
        VALUES.tolist(),
        np.zeros((0, 2))[::-1],
        np.array(3.0),
    ],
)
def test_arrays_of_any_layout(array) -> None:
    """Without warnings, which are errors here."""
    np.testing.assert_array_equal(reals("x", array).numpy(), np.asarray(array, float))


def test_ordinary_arrays_are_not_copied() -> None:
    assert np.shares_memory(as_tensor("x", VALUES.T).numpy(), VALUES)


def test_lists_keep_their_digits() -> None:
    assert reals("x", [0.1]).item() == 0.1


def test_wrong_arrays_are_named() -> None:
    with pytest.raises(ValueError, match="x must be an array, got lists of different length"):
        as_tensor("x", [[1], [1, 2]])
    with pytest.raises(TypeError, match="x must hold numbers, got <U1"):
        as_tensor("x", ["a"])
    with pytest.raises(TypeError, match=r"x must hold integers, got torch\.float64"):
        integers("x", [1.0])
    with pytest.raises(TypeError, match=r"x must be bool, got torch\.int64"):
        masked("x", [1, 0], torch.zeros(2))
    with pytest.raises(ValueError, match="x must hold 0 and 1 only, got 0 to 2"):
        binary("x", np.array([0, 2], np.uint16))


def test_nothing_has_any_type() -> None:
    assert integers("x", []).dtype == torch.int64
    assert masked("x", [], torch.zeros(0)).dtype == torch.bool


@pytest.mark.parametrize("make", [CohenKappa, MacroIoU, Pearson, TwoVersusTwo, lambda n: NoiseCeiling(3, n)])
def test_numbers_of_things_are_checked_at_construction(make) -> None:
    for wrong in (2.5, True, "2"):
        with pytest.raises(TypeError, match=r"must be an integer, got"):
            make(wrong)
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        make(0)
    make(np.int64(2))
