"""Nets of glimpse prediction: sizes of the source, what each variant sees, layers, and what is refused."""

from __future__ import annotations

import pytest
import torch

from gazekit.models.glimpse.net import VARIANTS, GatedStack, GlimpseNet


def small(variant: str = "RS", **more) -> GlimpseNet:
    torch.manual_seed(0)
    return GlimpseNet(12, variant, hidden=18, layers=2, **more).eval()


def example(steps: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, steps, 12, generator=generator), 40 * torch.randn(3, steps, 2, generator=generator)


@pytest.mark.parametrize(("variant", "recurrent"), [("B", False), ("S", False), ("R", True), ("RS", True)])
def test_parameters_are_as_many_as_in_the_source(variant: str, recurrent: bool) -> None:
    with torch.device("meta"):
        net = GlimpseNet(2048, variant)
    n, d = 1024, 2048
    read = (d + 1) * n // 2 + n + (2 + 1) * n // 2 + n
    core = 3 * (2 * n * 4 * n + 8 * n) if recurrent else 3 * (n * 4 * n + 4 * n)
    head = (n + 1) * 341 + 2 * 341 + (341 + 1) * d + 2 * d
    count = sum(p.numel() for p in net.parameters())
    assert count == read + core + 2 * n + head
    if recurrent:
        assert round(count / 1e6, 2) == 27.30


def test_the_gated_stack_is_an_lstm_that_has_just_started() -> None:
    torch.manual_seed(0)
    stack, lstm = GatedStack(6, 3, 0.0), torch.nn.LSTM(6, 6, 3, batch_first=True)
    for k, gates in enumerate(stack.maps):
        getattr(lstm, f"weight_ih_l{k}").data.copy_(gates.weight)
        getattr(lstm, f"bias_ih_l{k}").data.copy_(gates.bias)
        getattr(lstm, f"bias_hh_l{k}").data.zero_()
    x = torch.randn(7, 1, 6)
    torch.testing.assert_close(stack(x)[0], lstm(x)[0])
    steps = torch.randn(2, 4, 6)
    torch.testing.assert_close(stack(steps)[0][1, 2], stack(steps[1:, 2:3])[0][0, 0])  # nothing is remembered


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_see_saccades_and_the_past_as_named(variant: str) -> None:
    net, (glimpse, saccade) = small(variant), example()
    with torch.no_grad():
        before = net(glimpse, saccade)["glimpse"]
        other_saccade = net(glimpse, saccade + 9)["glimpse"]
        past = glimpse.clone()
        past[:, 0] += 1
        other_past = net(past, saccade)["glimpse"][:, 1:]
        future = glimpse.clone()
        future[:, 4] += 1
        other_future = net(future, saccade)["glimpse"][:, :4]
    recurrent, saccades = VARIANTS[variant]
    assert torch.equal(before, other_saccade) == (not saccades)
    assert torch.equal(before[:, 1:], other_past) == (not recurrent)
    torch.testing.assert_close(before[:, :4], other_future, rtol=0, atol=0)


@pytest.mark.parametrize("variant", ["S", "RS"])
@pytest.mark.parametrize("residual", [False, True])
def test_layers_end_in_what_is_predicted(variant: str, residual: bool) -> None:
    net, (glimpse, saccade) = small(variant, residual=residual), example()
    net.mean.fill_(0.3)
    with torch.no_grad():
        said, layers = net(glimpse, saccade), net.layers(glimpse, saccade)
    assert list(layers) == ["glimpse", "joint", "hidden1", "hidden2", "state", "head", "prediction"]
    torch.testing.assert_close(layers["prediction"], said["glimpse"])
    torch.testing.assert_close(layers["state"], said["state"])
    assert layers["head"].shape == (3, 5, 6)


def test_looking_at_layers_draws_nothing() -> None:
    net, (glimpse, saccade) = small(), example()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    net.layers(glimpse, saccade)
    assert torch.equal(torch.rand(2), expected)


def test_saved_and_loaded_it_says_the_same(tmp_path) -> None:
    heads = ("glimpse", "caption", "category", "location")
    net, (glimpse, saccade) = small(heads=heads, categories=4), example()
    net.mean.fill_(0.5)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    other = GlimpseNet(12, "RS", heads, 4, hidden=18, layers=2).eval()
    other.load_state_dict(torch.load(tmp_path / "net.pt"))
    with torch.no_grad():
        for name, value in net(glimpse, saccade).items():
            assert torch.equal(other(glimpse, saccade)[name], value), name
    sizes = {name: value.shape[2] for name, value in net(glimpse, saccade).items()}
    assert sizes == {"state": 18, "glimpse": 12, "caption": 768, "category": 4, "location": 2}


def test_residual_starts_from_the_present_glimpse() -> None:
    net, (glimpse, saccade) = small(residual=True), example()
    torch.testing.assert_close(net(glimpse, saccade)["glimpse"], glimpse)


def test_one_glimpse_is_enough() -> None:
    net, (glimpse, saccade) = small(), example(1)
    assert net(glimpse, saccade)["glimpse"].shape == (3, 1, 12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variant": "SR"}, "variant must be one of B, S, R, RS, got 'SR'"),
        ({"heads": ()}, "heads must be some of glimpse, caption, category, location, got none"),
        ({"heads": ("glimpse", "depth")}, "got glimpse, depth"),
    ],
)
def test_unknown_choices_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GlimpseNet(12, **settings)
