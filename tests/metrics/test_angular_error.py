"""Angles between directions: the golden values, exactness at the ends, conventions, gradients."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.metrics import AngularError
from gazekit.metrics.functional import angular_error_deg, direction_of_pitch_yaw, direction_of_yaw_pitch

NAN, INF = math.nan, math.inf
component = st.floats(-10, 10).map(lambda x: round(x, 3))
vectors = st.tuples(component, component, component).filter(any)


def test_golden(shared_data: Path) -> None:
    golden = json.loads((shared_data / "golden_metrics" / "misc_expected.json").read_text())["angular_error"]
    prediction, target = np.array(golden["pred"]), np.array(golden["target"])
    for convert, columns in ((direction_of_pitch_yaw, [0, 1]), (direction_of_yaw_pitch, [1, 0])):
        error = angular_error_deg(convert(prediction[:, columns]), convert(target[:, columns]))
        np.testing.assert_allclose(error, golden["expected_deg"], rtol=0, atol=1e-9)
    metric = AngularError()
    metric.update(direction_of_pitch_yaw(prediction), direction_of_pitch_yaw(target))
    assert metric.compute().item() == pytest.approx(golden["expected_mean_deg"], abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(vectors, vectors, st.floats(1e-150, 1e150))
def test_symmetric_whatever_the_length_and_opposites_add_to_180(a, b, length) -> None:
    a, b = np.array(a), np.array(b)
    angle = angular_error_deg(a, b)
    assert angular_error_deg(b, a) == angle and 0 <= angle <= 180
    assert angular_error_deg(a * length, b).item() == pytest.approx(angle.item(), abs=1e-9)
    assert angular_error_deg(-a, b).item() == pytest.approx(180 - angle.item(), abs=1e-9)
    cosine = np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
    assert np.cos(np.deg2rad(angle.item())) == pytest.approx(cosine, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(vectors)
def test_equal_vectors_have_no_error(a) -> None:
    assert angular_error_deg(a, a) == 0
    assert angular_error_deg(a, -np.array(a)) == 180


@pytest.mark.parametrize("angle", [1e-12, 1e-6, 1e-3, 179.999, 180 - 1e-9])
def test_precise_where_the_arccos_is_not(angle: float) -> None:
    turned = [math.sin(math.radians(angle)), 0.0, math.cos(math.radians(angle))]
    assert angular_error_deg([0.0, 0.0, 1.0], turned).item() == pytest.approx(angle, rel=1e-12)


def test_conventions() -> None:
    up, aside = [0.3, 0.0], [0.0, 0.3]
    assert direction_of_pitch_yaw(up).tolist() == pytest.approx([0, math.sin(0.3), math.cos(0.3)])
    assert direction_of_pitch_yaw(aside).tolist() == pytest.approx([math.sin(0.3), 0, math.cos(0.3)])
    mirrored = direction_of_pitch_yaw([0.2, 0.5]) * torch.tensor([-1, 1, 1])
    torch.testing.assert_close(direction_of_pitch_yaw([0.2, -0.5]), mirrored)
    torch.testing.assert_close(direction_of_yaw_pitch([0.5, 0.2]), -direction_of_pitch_yaw([0.2, 0.5]))
    angles = torch.rand(4, 5, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(direction_of_pitch_yaw(angles).norm(dim=-1), torch.ones(4, 5).double())


def test_undefined() -> None:
    good = [1.0, 2.0, 3.0]
    for bad in ([0.0, 0.0, 0.0], [NAN, 0.0, 1.0], [INF, 0.0, 1.0]):
        assert angular_error_deg(good, bad).isnan() and angular_error_deg(bad, good).isnan()


def test_gradients() -> None:
    a = torch.tensor([[0.1, 0.2, 0.9], [0.4, -0.3, 0.5]]).double().requires_grad_()
    b = torch.tensor([[0.0, 0.3, 0.8], [-0.4, 0.2, 0.5]]).double().requires_grad_()
    assert torch.autograd.gradcheck(angular_error_deg, (a, b))
    assert torch.autograd.gradcheck(direction_of_pitch_yaw, a[:, :2].detach().requires_grad_())
    edge = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, -2.0]]).double().requires_grad_()
    angular_error_deg(edge, torch.tensor([0.0, 0.0, 1.0]))[[0, 2]].sum().backward()
    assert not edge.grad.any()


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"a must have shape \[\.\.\., 3\], got \[2\]"):
        angular_error_deg([0.1, 0.2], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"pitch_yaw_rad must have shape \[\.\.\., 2\], got \[3\]"):
        direction_of_pitch_yaw([0.1, 0.2, 0.3])
