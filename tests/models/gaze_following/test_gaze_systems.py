"""Systems of gaze following on generated pictures: losses, predictions, permutations, odd pictures, figures, ONNX."""

import warnings

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from gazekit.datasets.gaze_targets import GazePicture, Person, batch_of, mirrored
from gazekit.datasets.synthetic_gaze import SyntheticGaze
from gazekit.models.gaze_following import Centre, Cone, GazeLLE, MeanMap, RowsAndTokens, ViTGaze

TINY = {"width": 32, "depth": 2, "heads": 2, "patch_px": 8, "grid": 6, "stem": [4, 8, 16]}
FACTS = {"size_px": [48, 48], "dataset": "synthetic_gaze"}


@pytest.fixture(scope="module")
def data():
    made = SyntheticGaze(pictures=20, scored=6, clips=1, size_px=(48, 48), batch_size=3)
    made.setup()
    return made


def vitgaze(**settings):
    torch.manual_seed(0)
    more = {
        "widths": [8, 1],
        "relative": True,
        "direction": True,
        "cone": True,
        "hidden_share": 0.0,
    } | settings
    return ViTGaze(FACTS, backbone=TINY, rate_decay=0.9, **more)


def gazelle(kind=GazeLLE):
    torch.manual_seed(0)
    return kind(FACTS, backbone="vit_tiny", weights="random", width=16, depth=1, heads=2, direction=True)


@pytest.fixture(scope="module", params=["vitgaze", "gazelle", "rows_and_tokens"])
def system(request):
    made = {"vitgaze": vitgaze, "gazelle": gazelle, "rows_and_tokens": lambda: gazelle(RowsAndTokens)}
    return made[request.param]().eval()


def test_a_step_lowers_the_loss(system, data):
    batch = data.training_batch(0)
    system.train()
    optimizer = torch.optim.Adam([p for p in system.parameters() if p.requires_grad], 1e-3)
    first = None
    for _ in range(8):
        torch.manual_seed(0)
        loss = system.loss(batch)["loss"]
        first = first if first is not None else float(loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    system.eval()
    assert float(loss.detach()) < first


def test_what_is_said_has_the_names_and_shapes_that_metrics_take(system, data):
    batch = data.batch([0, 1, 2])
    with torch.no_grad():
        said = system.predict(batch, torch.Generator())
    people = len(batch["picture"])
    assert said["heatmap"].shape == (people, 64, 64)
    assert ((said["scores"] >= 0) & (said["scores"] <= 1)).all()
    assert torch.allclose(said["predicted_direction_xy"].norm(dim=1), torch.ones(people))


def test_people_in_another_order_are_said_the_same_of(system, data):
    batch = data.batch([0, 1, 2])
    order = torch.randperm(len(batch["picture"]), generator=torch.Generator().manual_seed(1))
    turned = {
        key: value[order] if torch.is_tensor(value) and len(value) == len(order) and key != "image" else value
        for key, value in batch.items()
    }
    with torch.no_grad():
        said, other = (system.predict(b, torch.Generator()) for b in (batch, turned))
    for name in ("heatmap", "scores", "predicted_direction_xy"):
        assert torch.allclose(said[name][order], other[name], atol=1e-5)


def picture_with(heads_px, size_px=(60, 40)):
    draw = np.random.default_rng(0)
    image = draw.integers(0, 255, (size_px[1], size_px[0], 3), dtype=np.uint8)
    people = tuple(Person(np.array(box, float), inside=False) for box in heads_px)
    return GazePicture("odd", size_px, people, lambda: image)


@pytest.mark.parametrize(
    "heads_px",
    [
        [],
        [[0, 0, 10, 10]],
        [[55, 30, 75, 55]],
        [[-100, -100, 300, 300]],
        [[k, k, k + 9, k + 9] for k in range(20)],
        [[20.2, 20.2, 20.3, 20.3]],
    ],
    ids=["nobody", "corner", "over the border", "larger than the picture", "twenty", "below a pixel"],
)
def test_odd_heads(system, heads_px):
    batch = batch_of([picture_with(heads_px), picture_with([])], (48, 48), [0, 1])
    with torch.no_grad():
        said = system.predict(batch, torch.Generator())
    assert said["heatmap"].shape == (len(heads_px), 64, 64)
    assert said["heatmap"].isfinite().all() and said["scores"].isfinite().all()
    assert system.loss(batch)["loss"].isfinite()


def test_a_person_in_one_picture_only_is_not_mixed_with_others(system):
    """What is said of a person does not depend on the other pictures of the batch."""
    alone = batch_of([picture_with([[5, 5, 20, 20]])], (48, 48), [0])
    among = batch_of(
        [picture_with([]), picture_with([[5, 5, 20, 20]]), picture_with([])], (48, 48), [0, 1, 2]
    )
    with torch.no_grad():
        said, other = (system.predict(b, torch.Generator()) for b in (alone, among))
    assert torch.allclose(said["heatmap"], other["heatmap"], atol=1e-5)


def test_a_symmetric_net_mirrors_what_it_says(data):
    """The picture in a mirror gives the mirrored directions once weights treat left and right alike."""
    picture = data.pictures[0]
    both = [batch_of([p], (48, 48), [0]) for p in (picture, mirrored(picture))]
    for name in ("head_norm", "eye_norm", "point_norm"):
        first, second = both[0][name], both[1][name]
        flipped = first.clone()
        flipped[:, 0] = 1 - first[:, 2 if name == "head_norm" else 0]
        if name == "head_norm":
            flipped[:, 2] = 1 - first[:, 0]
        assert torch.allclose(flipped, second, atol=1e-5, equal_nan=True)
    assert (
        both[0]["image"].flip(3).float() - both[1]["image"].float()
    ).abs().mean() < 3  # but for resampling
    cone = Cone()
    said = [cone.predict(batch, torch.Generator()) for batch in both]
    assert torch.allclose(said[0]["heatmap"].flip(2), said[1]["heatmap"], atol=1e-4)
    assert torch.allclose(said[0]["scores"], said[1]["scores"], atol=1e-5)


def test_baselines_learn_from_the_training_part(data):
    batch = data.batch(data.parts["test"].tolist())
    rows = [Centre(FACTS), MeanMap(FACTS), Cone(FACTS)]
    away = []
    for row in rows:
        row.fit(data)
        said = row.predict(batch, torch.Generator())
        inside = batch["labels"] == 1
        away.append(float((said["predicted_norm"] - batch["point_norm"])[inside].norm(dim=1).mean()))
        assert said["heatmap"].shape[1:] == (64, 64)
    assert away[2] < away[0]  # the cone knows where the head points
    assert 0 < float(rows[1].inside) < 1


def test_a_cone_without_poses_says_nothing():
    batch = batch_of([picture_with([[5, 5, 20, 20]])], (48, 48), [0])
    cone = Cone(FACTS)
    said = cone.predict(batch, torch.Generator())
    assert said["predicted_norm"].isnan().all() and said["scores"].isnan().all()
    assert cone.reasons["scores"].startswith("the pose of the head is not known")


def test_a_cone_with_poses_gives_no_reason(data):
    cone = Cone(FACTS)
    cone.predict(data.batch([0, 1]), torch.Generator())
    assert not cone.reasons  # who looks out of the frame is undefined in every row


def test_examples_are_drawn(data):
    figures = vitgaze().eval().figures(data, {})
    assert len(figures["examples"].axes) == 8


def test_learning_rates_fall_towards_the_first_block():
    system = vitgaze()
    system.optimizer = lambda groups: torch.optim.AdamW(groups, 1.0)
    rates = {group["lr"] for group in system.configure_optimizers().param_groups}
    assert sorted(rates) == pytest.approx([0.9**3, 0.9**2, 0.9, 1.0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vitgaze", "rows_and_tokens"])
def test_onnx_equals_torch(kind, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    system = (vitgaze() if kind == "vitgaze" else gazelle(RowsAndTokens)).eval()
    module, example = system.onnx_example()
    with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(module.eval(), kwargs=example, dynamo=True, verbose=False)
    program.save(str(tmp_path / "x.onnx"), include_initializers=True)
    session = onnxruntime.InferenceSession(str(tmp_path / "x.onnx"), providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    found = session.run(None, {name: example[name].numpy() for name in names})
    with torch.no_grad():
        wanted = module(**example)
    for a, b in zip(wanted, found, strict=True):
        assert np.allclose(a.numpy(), b, atol=1e-4)


def test_start_takes_the_weights_of_an_earlier_training(tmp_path, data):
    first = vitgaze()
    torch.save(
        {"state_dict": {f"net.{k}": v for k, v in first.net.state_dict().items()}}, tmp_path / "a.ckpt"
    )
    second = vitgaze(start=str(tmp_path / "a.ckpt"))
    with torch.no_grad():
        second.net.inside_head.classifier.linear1.bias += 1
    second.fit(data)
    for a, b in zip(first.net.parameters(), second.net.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(FileNotFoundError, match=r"model.start=.*none.ckpt does not exist"):
        vitgaze(start=str(tmp_path / "none.ckpt")).fit(data)


def test_means_over_the_mirror_image_are_mirrored_exactly(data):
    batch = batch_of([data.pictures[1]], (48, 48), [0])
    heads = batch["head_norm"][:, [2, 1, 0, 3]] * torch.tensor([-1, 1, -1, 1]) + torch.tensor([1, 0, 1, 0])
    both = [batch, batch | {"image": batch["image"].flip(3), "head_norm": heads}]
    for mirror in (True, False):
        system = vitgaze(mirror=mirror).eval()
        with torch.no_grad():
            said = [system.predict(batch, torch.Generator()) for batch in both]
        same = torch.allclose(said[0]["heatmap"].flip(2), said[1]["heatmap"], atol=1e-4)
        turned = said[1]["predicted_direction_xy"] * torch.tensor([-1, 1])
        assert same == mirror
        assert torch.allclose(said[0]["predicted_direction_xy"], turned, atol=1e-4) == mirror


def test_a_decoder_brings_its_frozen_transformer_along(tmp_path, data):
    path = tmp_path / "vitgaze.ckpt"
    state = {f"net.{k}": v for k, v in vitgaze().net.state_dict().items()}
    torch.save({"state_dict": state, "gazekit": {"settings": {"backbone": TINY}}}, path)
    settings = {"backbone": TINY, "weights": str(path), "width": 16, "depth": 1, "heads": 2}
    made = GazeLLE(FACTS, **settings).eval()
    made.fit(data)
    path.unlink()
    elsewhere = GazeLLE(FACTS, **settings).eval()
    with pytest.raises(FileNotFoundError, match=r"vitgaze.ckpt does not exist"):
        elsewhere.fit(data)
    elsewhere.load_state_dict(made.state_dict())
    batch = data.batch([0, 1])
    with torch.no_grad():
        said, again = (system.predict(batch, torch.Generator()) for system in (made, elsewhere))
    assert torch.equal(said["heatmap"], again["heatmap"])


@pytest.mark.parametrize("kind", ["vitgaze", "gazelle"])
def test_pictures_that_patches_do_not_fill_are_refused_at_once(kind):
    with pytest.raises(ValueError, match=r"data.size_px=\[50,48\] must be multiples of (8|16)"):
        if kind == "vitgaze":
            ViTGaze(FACTS | {"size_px": [50, 48]}, backbone=TINY)
        else:
            GazeLLE(FACTS | {"size_px": [50, 48]}, backbone="vit_tiny", weights="random", width=16)
