"""The adapter of transformers' detectors, with tiny models of random weights where the package is installed."""

import json
import re
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_transformers import write_detector

from gazekit.models.impn.detector import Detector, TinyDetector, load
from gazekit.models.impn.detector.transformers import TIERS, TransformersDetector, _detections, _learning
from gazekit.models.impn.detector.transformers_models import KINDS, hide_our_kernels

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers and what it imports warn of their own code


def pictures(count=3):
    return [np.random.default_rng(k).integers(0, 255, (60, 80, 3), dtype=np.uint8) for k in range(count)]


@pytest.fixture(scope="module", params=sorted(KINDS))
def folder(request, tmp_path_factory):
    return write_detector(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def detector(folder):
    return TransformersDetector(["cup", "pen"], folder, side_px=64)


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match="pip install transformers"):
        TransformersDetector(["cup"], tmp_path)
    with pytest.raises(ValueError, match="each once"):
        TransformersDetector(["cup", "cup"], tmp_path)
    with pytest.raises(ValueError, match="side_px must be 32 to 2048, got 20000"):
        TransformersDetector(["cup"], tmp_path, side_px=20000)


def test_own_probabilities_become_shares():
    logits = torch.tensor([[2.0, 2.0], [-1.0, 3.0], [-9.0, -9.0], [-1.0, 2.9]])
    shares = torch.tensor(
        [[0.5, 0.5, 0.5, 0.5], [0.1, 0.1, 0.4, 0.2], [0.5, 0.5, 0.1, 0.1], [0.1, 0.1, 0.4, 0.2]]
    )
    found = _detections(logits, shares, torch.arange(8.0).reshape(4, 2), (200.0, 100.0))
    torch.testing.assert_close(found.boxes, torch.tensor([[0.0, 0, 60, 20], [50, 25, 150, 75]]))
    torch.testing.assert_close(found.probs.sum(1), torch.ones(2))
    torch.testing.assert_close(found.probs[1, :2], torch.full((2,), torch.sigmoid(torch.tensor(2.0)) / 2))
    torch.testing.assert_close(found.features, torch.tensor([[2.0, 3], [0, 1]]))


@pytest.mark.parametrize("tier", TIERS)
def test_detects_learns_and_comes_back(folder, tmp_path, tier):
    frames = pictures()
    detector = TransformersDetector(["cup", "pen"], folder, side_px=64)
    assert isinstance(detector, Detector)
    before = detector.detect(frames)
    report = detector.fit(frames, [[[10, 10, 40, 40]]] * 3, [[0]] * 3, 2, tier=tier)
    assert report.steps == 2 and np.isfinite(report.loss_after)
    after = detector.detect(frames)
    for one in (*before, *after):
        assert one.probs.shape[1] == 3 and one.features.shape[1] == detector.feature_size == 32
        assert (one.boxes[:, 2:] <= torch.tensor(one.size_px)).all()
    assert not torch.equal(before[0].probs, after[0].probs)
    detector.save(tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert isinstance(again, TransformersDetector) and again.labels == ("cup", "pen") and again.side_px == 64
    for one, other in zip(again.detect(frames), after, strict=True):
        for part, same in zip(one[:3], other[:3], strict=True):
            torch.testing.assert_close(part, same, atol=0, rtol=0)


def test_loading_is_quiet(folder, capfd):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    TransformersDetector(["cup", "pen", "book", "mug"], folder, side_px=64)
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_a_folder_of_its_own_class_layers_keeps_them(folder, tmp_path):
    learnt = TransformersDetector(["cup", "pen"], folder, side_px=64)
    learnt.model.save_pretrained(tmp_path)
    same = TransformersDetector(["cup", "pen"], tmp_path, side_px=64, seed=5)
    torch.testing.assert_close(same.detect(pictures(1))[0].probs, learnt.detect(pictures(1))[0].probs)


def test_tiers_freeze_what_they_should(detector):
    rates = {}
    for tier, (_, patterns) in TIERS.items():
        model = TransformersDetector.with_labels(detector, detector.labels).model
        groups = _learning(model, patterns)
        names = {id(weights): name for name, weights in model.named_parameters()}
        rates[tier] = {names[id(one)]: group["lr"] for group in groups for one in group["params"]}
        assert sum(len(group["params"]) for group in groups) == len(rates[tier])  # none twice
        assert {name for name, one in model.named_parameters() if one.requires_grad} == set(rates[tier])
    assert set(rates["heads"].values()) == {5e-5}
    assert {"model.enc_score_head.weight", "model.denoising_class_embed.weight"} <= set(rates["heads"])
    assert not [name for name in rates["heads"] if re.search("backbone|self_attn|enc_output|fc1", name)]
    everything = {name for name, _ in model.named_parameters()}
    assert everything - set(rates["all"]) == {n for n in everything if "backbone" in n and "embedder" in n}
    assert everything > set(rates["all"])
    assert {rate for name, rate in rates["all"].items() if "backbone" in name} == {1e-5}
    assert {rate for name, rate in rates["all"].items() if "backbone" not in name} == {1e-4}


def test_what_is_frozen_stays_as_it_was(folder):
    detector = TransformersDetector(["cup"], folder, side_px=64)
    before = {name: value.clone() for name, value in detector.model.state_dict().items()}
    detector.fit(pictures(), [[[10, 10, 40, 40]]] * 3, [[0]] * 3, 1, tier="heads")
    changed = {name for name, value in detector.model.state_dict().items() if not value.equal(before[name])}
    assert changed and all(re.search("embed|head|lqe", name) for name in changed), changed


def test_more_labels_change_nothing_for_the_old_ones(detector):
    grown = detector.with_labels(["cup", "pen", "book", "mug"])
    assert grown.labels == ("cup", "pen", "book", "mug") and detector.labels == ("cup", "pen")
    picture = detector._tensor(pictures(1))
    old, new = detector.model(pixel_values=picture), grown.model(pixel_values=picture)
    torch.testing.assert_close(new.logits[..., :2], old.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(new.pred_boxes, old.pred_boxes, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(new.logits[..., 2:].sigmoid(), torch.full_like(new.logits[..., 2:], 0.01))
    torch.testing.assert_close(new.last_hidden_state, old.last_hidden_state, atol=1e-5, rtol=1e-5)
    embed, before = (d.model.model.denoising_class_embed.weight for d in (grown, detector))
    assert embed[:2].equal(before[:2]) and embed[-1].equal(before[-1])
    assert np.isfinite(grown.fit(pictures(1), [[[10, 10, 40, 40]]], [[3]], 1).loss_after)
    with pytest.raises(ValueError, match="only appended"):
        detector.with_labels(["pen", "cup"])


def test_wrong_lessons_are_refused(detector):
    with pytest.raises(ValueError, match="tier must be one of heads, all, got 'B'"):
        detector.fit(pictures(1), [[[1, 1, 9, 9]]], [[0]], 1, tier="B")
    with pytest.raises(ValueError, match="whose boxes can all be told"):
        detector.fit(pictures(1), [[[1, 1, 9, 9]]], [[-2]], 1)


def test_other_folders_are_refused(tmp_path):
    hide_our_kernels()
    pytest.importorskip("transformers")
    with pytest.raises(FileNotFoundError, match=r"must hold config.json and model.safetensors"):
        TransformersDetector(["cup"], tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    for text, said in (
        ('{"model_type": "bert"}', "one of rt_detr_v2, d_fine, got 'bert'"),
        ("[3]", "expected a JSON object, got list"),
        ("{", "Expecting property name"),
        (
            '{"model_type": "d_fine", "backbone_config": {"model_type": "timm_backbone"}}',
            "backbone's model_type",
        ),
    ):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match=said):
            TransformersDetector(["cup"], tmp_path)


def test_cut_weights_are_refused(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read"):
        TransformersDetector(["cup"], tmp_path)
    weights = load_file(folder / "model.safetensors")
    gone = next(name for name in weights if "encoder" in name)
    save_file(
        {name: value for name, value in weights.items() if name != gone}, tmp_path / "model.safetensors"
    )
    with pytest.raises(ValueError, match=f"model.safetensors lacks {re.escape(gone)}"):
        TransformersDetector(["cup"], tmp_path)


def test_damaged_files_are_refused(detector, tmp_path):
    path = tmp_path / "detector.safetensors"
    with pytest.raises(FileNotFoundError, match="no file"):
        TransformersDetector.load(path)
    detector.save(path)
    whole = path.read_bytes()
    with safe_open(str(path), "pt") as file:
        about, weights = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    config = json.loads(about["config"])
    for change in (
        {"format": "other"},
        {"labels": '["cup"]'},
        {"settings": '{"side_px": 1000000, "seed": 0}'},
        {"config": json.dumps(config | {"model_type": "bert"})},
        {"config": json.dumps(config | {"encoder_ffn_dim": 4_000_000})},
        {"config": json.dumps(config | {"d_model": "wide"})},
        {"config": json.dumps(config | {"backbone_config": {"model_type": "timm_backbone"}})},
    ):
        save_file(weights, str(path), about | change)
        with pytest.raises(ValueError, match=r"is no detector that TransformersDetector\.save wrote"):
            TransformersDetector.load(path)
    for length in (0, 9, 500, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is no detector that"):
            load(path)
    TinyDetector(["cup"]).save(path)
    with pytest.raises(ValueError, match=r"its format is .gazekit\.tiny_detector\.1."):
        TransformersDetector.load(path)
    assert isinstance(load(path), TinyDetector)


def test_nothing_runs_that_a_file_names(detector, tmp_path, monkeypatch):
    """A configuration can name code (`auto_map`); it is not looked at."""
    path = tmp_path / "detector.safetensors"
    detector.save(path)
    with safe_open(str(path), "pt") as file:
        about, weights = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')")
    evil = {"auto_map": {"AutoConfig": "evil.Evil", "AutoModelForObjectDetection": "evil.Evil"}}
    save_file(weights, str(path), about | {"config": json.dumps(json.loads(about["config"]) | evil)})
    monkeypatch.chdir(tmp_path)
    assert load(path).labels == detector.labels
    assert "evil" not in sys.modules
