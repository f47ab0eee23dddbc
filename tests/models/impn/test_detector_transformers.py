"""The adapter of transformers' detectors, with a tiny model of random weights where the package is installed."""

import sys

import numpy as np
import pytest
import torch

from gazekit.models.impn.detector import Detector
from gazekit.models.impn.detector.transformers import (
    KINDS,
    TransformersDetector,
    _detections,
    hide_our_kernels,
)


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match="pip install transformers"):
        TransformersDetector(["cup"], tmp_path)
    with pytest.raises(ValueError, match="each once"):
        TransformersDetector(["cup", "cup"], tmp_path)


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


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    hide_our_kernels()
    pytest.importorskip("transformers")
    from transformers import DFineConfig, DFineForObjectDetection, RTDetrV2Config, RTDetrV2ForObjectDetection

    sizes = {
        "encoder_hidden_dim": 32,
        "encoder_in_channels": [16, 32, 64],
        "encoder_ffn_dim": 64,
        "encoder_attention_heads": 2,
        "d_model": 32,
        "num_queries": 20,
        "decoder_in_channels": [32, 32, 32],
        "decoder_ffn_dim": 64,
        "decoder_layers": 2,
        "decoder_attention_heads": 2,
        "num_denoising": 0,
        "num_labels": 3,
    }
    torch.manual_seed(0)
    if request.param == "rt_detr_v2":
        backbone = {
            "model_type": "rt_detr_resnet",
            "embedding_size": 8,
            "hidden_sizes": [8, 16, 32, 64],
            "depths": [1, 1, 1, 1],
            "layer_type": "basic",
            "out_features": ["stage2", "stage3", "stage4"],
        }
        from transformers import RTDetrResNetConfig

        backbone.pop("model_type")
        config = RTDetrV2Config(backbone_config=RTDetrResNetConfig(**backbone), **sizes)
        model = RTDetrV2ForObjectDetection(config)
    else:
        from transformers import HGNetV2Config

        backbone = HGNetV2Config(
            stem_channels=[3, 8, 8],
            stage_in_channels=[8, 8, 16, 32],
            stage_mid_channels=[8, 8, 8, 8],
            stage_out_channels=[8, 16, 32, 64],
            stage_num_blocks=[1, 1, 1, 1],
            stage_numb_of_layers=[1, 1, 1, 1],
            stage_downsample=[False, True, True, True],
            stage_light_block=[False, False, False, False],
            stage_kernel_size=[3, 3, 3, 3],
            hidden_sizes=[8, 16, 32, 64],
            depths=[1, 1, 1, 1],
            out_features=["stage2", "stage3", "stage4"],
        )
        model = DFineForObjectDetection(DFineConfig(backbone_config=backbone, **sizes))
    path = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(path)
    return path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # transformers and what it imports warn of their own code
def test_detects_learns_and_comes_back(folder, tmp_path):
    frames = [np.random.default_rng(k).integers(0, 255, (60, 80, 3), dtype=np.uint8) for k in range(3)]
    detector = TransformersDetector(["cup", "pen"], folder, side_px=64)
    assert isinstance(detector, Detector)
    before = detector.detect(frames)
    report = detector.fit(frames, [[[10, 10, 40, 40]]] * 3, [[0]] * 3, 2)
    assert report.steps == 2 and np.isfinite(report.loss_after)
    after = detector.detect(frames)
    for one in (*before, *after):
        assert one.probs.shape[1] == 3 and one.features.shape[1] == detector.feature_size == 32
        assert (one.boxes[:, 2:] <= torch.tensor(one.size_px)).all()
    detector.save(tmp_path / "saved")
    again = TransformersDetector(["cup", "pen"], tmp_path / "saved", side_px=64)
    torch.testing.assert_close(again.detect(frames)[0].probs, after[0].probs, atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_other_folders_are_refused(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(FileNotFoundError, match=r"must hold config.json and model.safetensors"):
        TransformersDetector(["cup"], tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="one of rt_detr_v2, d_fine, got 'bert'"):
        TransformersDetector(["cup"], tmp_path)
