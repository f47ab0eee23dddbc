"""Boxes carried by SAM 2: known masks give exact boxes; a tiny model of random weights runs, and does not grow."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_sam2 import SIDE, tiny_vision

from gazekit.annotate.model import propagators
from gazekit.annotate.model.propagation import Propagated, propagate
from gazekit.annotate.model.sam2 import Sam2Propagator, box_of_mask
from gazekit.annotate.project import Project
from gazekit.annotate.session import AnnotationSession, project_setup
from gazekit.models.impn.detector.transformers_models import hide_our_kernels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]  # transformers and what it imports warn of their own code
SIZE = (96, 128)  # height and width of the video


class Video(list):
    """Counts what is read."""

    def __init__(self, count):
        noise = np.random.default_rng(0).integers(0, 255, (count, *SIZE, 3), dtype=np.uint8)
        super().__init__(noise)
        self.asked = []

    def read(self, index):
        self.asked.append(index)
        return self[index]


def tiny_model():
    """About a million weights: the memory has 64 channels in any configuration, so nothing can be much narrower."""
    hide_our_kernels()
    pytest.importorskip("transformers")
    from transformers import Sam2VideoConfig, Sam2VideoModel
    from transformers.models.sam2_video.configuration_sam2_video import (
        Sam2VideoMaskDecoderConfig,
        Sam2VideoPromptEncoderConfig,
    )

    wide = 128
    vision = tiny_vision(wide)
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config=Sam2VideoPromptEncoderConfig(hidden_size=wide, image_size=SIDE),
        mask_decoder_config=Sam2VideoMaskDecoderConfig(
            hidden_size=wide, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=32
        ),
        image_size=SIDE,
        memory_attention_hidden_size=wide,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[SIDE // 16] * 2,
        memory_encoder_hidden_size=wide,
        mask_downsampler_embed_dim=wide,
        memory_fuser_embed_dim=wide,
        memory_fuser_intermediate_dim=32,
        memory_fuser_num_layers=1,
    )
    torch.manual_seed(0)
    return Sam2VideoModel(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sam2")
    tiny_model().save_pretrained(path)
    return path


@pytest.fixture
def tiny(folder):
    return Sam2Propagator(folder)


class Stub:
    """Says the masks that it is given, [frames][things], and how sure it is of each."""

    device = torch.device("cpu")

    def __init__(self, propagator, masks, scores, overlaps):
        self.propagator, self.masks, self.scores, self.overlaps = propagator, masks, scores, overlaps
        self.told = None

    def __call__(self, inference_session, frame, frame_idx):
        assert frame.shape == (3, SIDE, SIDE) and frame.dtype == torch.float32
        if frame_idx == 0:
            self.told = inference_session.point_inputs_per_obj
        inference_session.add_new_frame(frame, frame_idx)
        for overlap in self.overlaps[frame_idx]:
            self.propagator._record_iou(None, None, (None, torch.tensor([[[overlap - 0.3, overlap]]])))
        masks = torch.tensor(np.array(self.masks[frame_idx], np.float32))[:, None]
        return SimpleNamespace(
            pred_masks=masks, object_score_logits=torch.tensor(self.scores[frame_idx])[:, None]
        )


def rectangle(x_min, y_min, x_max, y_max, cells=16):
    mask = np.full((cells, cells), -4.0)
    mask[y_min:y_max, x_min:x_max] = 4.0
    return mask


def test_box_of_a_mask():
    np.testing.assert_array_equal(box_of_mask(rectangle(2, 3, 7, 9), (16, 16)), [2, 3, 7, 9])
    # one cell is 8 x 6 pixels of the video
    np.testing.assert_array_equal(box_of_mask(rectangle(2, 3, 7, 9), SIZE), [16, 18, 56, 54])
    np.testing.assert_array_equal(box_of_mask(rectangle(0, 0, 16, 16), SIZE), [0, 0, 128, 96])
    assert np.isnan(box_of_mask(rectangle(0, 0, 0, 0), SIZE)).all()


def test_specks_are_not_the_thing_but_halves_are():
    mask = rectangle(2, 2, 8, 8)
    mask[14, 15] = 4.0
    np.testing.assert_array_equal(box_of_mask(mask, (16, 16)), [2, 2, 8, 8])
    mask[2:8, 10:14] = 4.0  # what covers the middle of a thing leaves two parts
    np.testing.assert_array_equal(box_of_mask(mask, (16, 16)), [2, 2, 14, 8])


@pytest.mark.parametrize("step", [1, -2])
def test_known_masks_give_exact_boxes(tiny, step):
    masks = [[rectangle(k, 1, k + 4, 5), rectangle(8, k, 12, k + 3)] for k in range(5)]
    stub = tiny.model = Stub(tiny, masks, [[9.0, 2.0]] * 5, [[0.9, 0.81]] * 5)
    video, start = Video(12), 1 if step > 0 else 10
    boxes = [[8, 6, 40, 30], [64, 0, 96, 18]]
    found = list(tiny(video, start, boxes, start + 5 * step, step))
    assert [one.frame for one in found] == [start + k * step for k in range(1, 5)] == video.asked[1:]
    for k, one in enumerate(found, 1):
        np.testing.assert_array_equal(one.boxes, [[8 * k, 6, 8 * k + 32, 30], [64, 6 * k, 96, 6 * k + 18]])
        seen = 1 / (1 + np.exp(-np.array([9.0, 2.0])))
        np.testing.assert_allclose(one.confidence, np.sqrt(seen * [0.9, 0.81]), rtol=1e-5)
    # corner pixels in the model's picture: 128 x 96 px become 64 x 64
    corners = stub.told[0][0]["point_coords"].numpy()
    np.testing.assert_allclose(corners, [[[[4, 4], [39 / 2, 29 / 1.5]]]], rtol=1e-6)
    assert stub.told[0][0]["point_labels"].tolist() == [[[2, 3]]]


def test_what_is_lost_stays_lost(tiny):
    there, nothing = rectangle(2, 2, 6, 6), rectangle(0, 0, 0, 0)
    masks = [[there] * 3, [there] * 3, [there, nothing, there], [there] * 3, [there] * 3, [there] * 3]
    scores = [[9.0] * 3, [9.0] * 3, [9.0] * 3, [-9.0, 9.0, 9.0], [9.0] * 3, [9.0] * 3]
    overlaps = [[0.9] * 3, [0.9] * 3, [0.9] * 3, [0.9] * 3, [0.9, 0.9, 0.05], [0.9] * 3]
    tiny.model = Stub(tiny, masks, scores, overlaps)
    video = Video(9)
    found = list(tiny(video, 0, [[16, 12, 48, 36]] * 3, 9))
    alive = [(one.confidence > 0).tolist() for one in found]
    assert alive == [[True] * 3, [True, False, True], [False, False, True]]
    for one in found:
        assert (np.isnan(one.boxes).all(1) == (one.confidence == 0)).all()
    assert video.asked == [0, 1, 2, 3, 4]  # then nothing was left to follow


def test_confidence_never_rises(tiny):
    overlaps = [[0.9], [0.9], [0.5], [0.9], [0.9]]
    tiny.model = Stub(tiny, [[rectangle(2, 2, 6, 6)]] * 5, [[9.0]] * 5, overlaps)
    sure = [one.confidence[0] for one in tiny(Video(5), 0, [[16, 12, 48, 36]], 5)]
    assert sure[0] > sure[1] == sure[2] == sure[3]


def test_a_model_runs_and_its_memory_does_not_grow(tiny, monkeypatch):
    monkeypatch.setattr(
        "gazekit.annotate.model.sam2.MIN_CONFIDENCE", 0.0
    )  # of random weights nothing is sure
    sessions, sizes = [], []
    begun = tiny._new_session
    monkeypatch.setattr(tiny, "_new_session", lambda *told: sessions.append(begun(*told)) or sessions[-1])
    video = Video(24)
    masks, sure = [], []
    look = tiny._segment

    def looked(session, picture, index):
        found = look(session, picture, index)
        masks.append(found[0])
        sure.append(found[1])
        kept = [
            value
            for kinds in session.output_dict_per_obj.values()
            for kind in kinds.values()
            for outputs in kind.values()
            for value in outputs.values()
            if isinstance(value, torch.Tensor)
        ]
        sizes.append(
            sum(value.numel() for value in kept) + sum(x.numel() for x in session.processed_frames.values())
        )
        return found

    monkeypatch.setattr(tiny, "_segment", looked)
    for one in tiny(video, 0, [[16, 12, 48, 36], [60, 20, 120, 90]], 24):
        alive = one.confidence > 0
        assert (one.boxes[alive, :2] >= 0).all() and (one.boxes[alive, 2:] <= SIZE[::-1]).all()
    assert masks[0].shape == (2, SIDE // 4, SIDE // 4) and np.isfinite(masks).all()
    assert (np.array(sure) >= 0).all() and (np.array(sure) <= 1).all()
    assert len(sizes) > 20 and sizes[-1] == sizes[-4] and tiny._kept == 16


def test_nothing_to_carry_and_what_cannot_be(tiny):
    assert list(tiny(Video(3), 0, np.zeros((0, 4)), 3)) == []
    for asked in ((0, [[5, 5, 5, 9]], 3, 1), (0, [[1, 1, 9, 9]], 3, 0), (9, [[1, 1, 9, 9]], 3, 1)):
        errors = []
        for way in (tiny, propagate):
            with pytest.raises((ValueError, IndexError)) as caught:
                way(Video(3), *asked)
            errors.append(str(caught.value))
        assert errors[0] == errors[1]


def test_other_folders_are_refused(folder, tmp_path, monkeypatch):
    from safetensors.torch import load_file, save_file

    with pytest.raises(FileNotFoundError, match=r"config\.json and model\.safetensors of SAM 2"):
        Sam2Propagator(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    for text in (
        '{"model_type": "bert"}',
        '{"model_type": "sam2_video", "vision_config": {"model_type": "timm"}}',
        "[]",
    ):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match="model_type must be sam2_video"):
            Sam2Propagator(tmp_path)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:9999])
    with pytest.raises(ValueError, match="cannot be read"):
        Sam2Propagator(tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights.pop("no_memory_embedding")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="lacks no_memory_embedding"):
        Sam2Propagator(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ValueError, match="pip install transformers"):
        propagators.checked_propagator(str(tmp_path))


def test_a_project_keeps_its_propagator(folder, shared_data, tmp_path, monkeypatch):
    recording = shared_data / "annotation_toy" / "neon_export" / "toy-0001"
    with Project.create(tmp_path / "p", recording) as project:
        assert propagators.propagator_of(project) is propagate
        project.store.describe(project_setup.checked_settings(None, str(folder)))
    made = []

    class Fake:
        def __init__(self, folder):
            made.append(folder)

        def __call__(self, video, frame, boxes, stop_frame, step=1):
            for number in range(frame + step, stop_frame, step):
                yield Propagated(number, np.asarray(boxes) + 1, np.full(len(boxes), 0.75))

    monkeypatch.setattr("gazekit.annotate.model.sam2.Sam2Propagator", Fake)
    with Project.open(tmp_path / "p") as project:
        session = AnnotationSession(project)
        session.act({"op": "label.add", "name": "cup"}, "ada")
        session.act({"op": "box.add", "frame": 3, "label": 1, "box": [10, 10, 40, 40]}, "ada")
        for stop in (5, 6):
            session.propagate(3, stop)
            assert session.tracking.worker.wait(20)
        (box,) = session.store.frame(6)["boxes"]
        assert (box["box"], box["score"], box["source"]) == ([11, 11, 41, 41], 0.75, "propagated")
        assert made == [str(folder)]  # its weights are read once
        session.close()
    with Project.open(tmp_path / "p") as project:
        project.store.describe(project_setup.checked_settings(None, "flow"))
        assert propagators.propagator_of(project) is propagate
