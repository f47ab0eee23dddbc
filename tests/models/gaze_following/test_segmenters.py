"""Masks of prompts: known shapes, the heat map and heads count, degenerate input, a tiny SAM 2."""

import json

import numpy as np
import pytest
import torch
from tiny_sam2 import SIDE, tiny_vision

from gazekit.metrics.functional import iou
from gazekit.models.gaze_following.segmenters import (
    GrabCutSegmenter,
    Sam2Segmenter,
    peak_region,
    segmenter_of,
    soft_peak_norm,
)

SIZE = 96, 128  # height and width


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A red and a blue disc on a noisy grey wall, and their masks."""
    draw = np.random.default_rng(0)
    row, column = np.ogrid[: SIZE[0], : SIZE[1]]
    red = (row - 30) ** 2 + (column - 40) ** 2 <= 8**2
    blue = (row - 60) ** 2 + (column - 100) ** 2 <= 9**2
    image = np.full((*SIZE, 3), 120.0)
    image[red], image[blue] = (200, 40, 40), (40, 60, 200)
    return np.clip(image + draw.normal(0, 8, image.shape), 0, 255).astype(np.uint8), red, blue


def bump(x: float, y: float, sigma: float = 3) -> np.ndarray:
    row, column = np.mgrid[:48, :64] + 0.5
    return np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2))


def test_grabcut_finds_what_is_at_the_point() -> None:
    image, red, blue = scene()
    points = np.array([[38.0, 31.0], [103.0, 58.0]])
    found = GrabCutSegmenter().masks(image, points)
    assert found.shape == (2, *SIZE) and found.dtype == bool
    assert iou(found, np.stack([red, blue])).min() > 0.9
    maps = np.stack([bump(20, 15), bump(50, 30)])
    assert iou(GrabCutSegmenter().masks(image, points, maps), np.stack([red, blue])).min() > 0.9


def test_the_heat_map_widens_the_search() -> None:
    """Beside the object, a point alone sees the wall; with a map that reaches over the object it is found."""
    image, red, _ = scene()
    beside = np.array([[40.0, 40.0]])
    alone, mapped = (
        GrabCutSegmenter().masks(image, beside, maps)[0] for maps in (None, bump(20, 17, 6)[None])
    )
    assert mapped.sum() > alone.sum()
    assert (mapped & red).sum() >= (alone & red).sum()


def test_the_same_input_gives_the_same_mask() -> None:
    image, *_ = scene()
    noisy = np.random.default_rng(1).integers(0, 255, image.shape, np.uint8)
    points = np.array([[40.0, 30.0], [60.0, 50.0]])
    one = GrabCutSegmenter().masks(noisy, points)
    GrabCutSegmenter(seed=3).masks(image, points)
    np.testing.assert_array_equal(GrabCutSegmenter().masks(noisy, points), one)
    np.testing.assert_array_equal(GrabCutSegmenter().masks(noisy, points[1:])[0], one[1])


def test_heads_are_background_unless_they_are_looked_at() -> None:
    """The right end of the red disc is said to be a head."""
    image, red, _ = scene()
    head = np.array([[46.0, 15.0, 60.0, 45.0]])
    right = red & (np.arange(SIZE[1]) >= 46)
    point = np.array([[36.0, 30.0]])
    free, kept = (GrabCutSegmenter().masks(image, point, heads_px=heads)[0] for heads in (None, head))
    assert free[right].mean() > 0.9 and not kept[right].any() and kept[red & ~right].mean() > 0.8
    looked_at = GrabCutSegmenter().masks(image, np.array([[46.5, 30.0]]), heads_px=head)[0]
    assert looked_at[right].mean() > 0.9
    outside = np.array([[-9.0, -9.0, -2.0, -2.0]])
    np.testing.assert_array_equal(GrabCutSegmenter().masks(image, point, heads_px=outside)[0], free)


def test_degenerate_prompts_and_pictures() -> None:
    image, *_ = scene()
    grabcut = GrabCutSegmenter()
    nothing = np.full((1, 2), np.nan)
    assert not grabcut.masks(image, nothing).any()
    broken = bump(20, 15)
    broken[0, 0] = np.nan
    for heatmap in (broken, np.ones((48, 64))):
        assert not grabcut.masks(image, np.array([[40.0, 30.0]]), heatmap[None]).any()
    assert grabcut.masks(image, np.zeros((0, 2)), np.zeros((0, 48, 64))).shape == (0, *SIZE)
    for corner in ([0.0, 0.0], [128.0, 96.0], [127.9, 0.0]):
        found = grabcut.masks(image, np.array([corner]))[0]
        x, y = np.minimum(np.array(corner, int), [127, 95])
        assert found[y, x]
    flat = np.full((*SIZE, 3), 77, np.uint8)
    found = grabcut.masks(flat, np.array([[64.0, 48.0]]))[0]
    assert found[48, 64] and 50 < found.sum() < 300
    for tiny in ((1, 1), (2, 3), (1, 40)):
        picture = np.random.default_rng(0).integers(0, 255, (*tiny, 3), np.uint8)
        assert grabcut.masks(picture, np.array([[0.5, 0.5]]))[0][0, 0]


def test_region_and_soft_argmax_stay_on_one_peak() -> None:
    two = bump(20, 15) + 0.8 * bump(50, 30)
    region = peak_region(two, SIZE)
    assert region.shape == SIZE and region[30, 40] and not region[60, 100]
    assert 0.008 < region.mean() < 0.02
    assert 0.019 < peak_region(bump(20, 15), SIZE).mean() < 0.021
    assert 0.019 < peak_region(bump(30, 20, 40), SIZE).mean() < 0.021  # broad
    logits = np.log(two / (1.01 * two.max() - two))
    assert (peak_region(logits, two.shape) == peak_region(two, two.shape)).all()
    one = np.zeros((48, 64))
    one[7, 9] = 1
    assert peak_region(one, one.shape).sum() == 1
    np.testing.assert_allclose(soft_peak_norm(one) * [64, 48], [9.5, 7.5])
    np.testing.assert_allclose(soft_peak_norm(two) * [64, 48], [20, 15], atol=0.1)
    np.testing.assert_allclose(soft_peak_norm(bump(20.3, 15.2)) * [64, 48], [20.3, 15.2], atol=0.1)
    np.testing.assert_allclose(soft_peak_norm(5 * two - 9), soft_peak_norm(two), rtol=1e-5)
    assert np.isnan(soft_peak_norm(np.ones((3, 3)))).all()
    assert peak_region(np.full((3, 3), np.inf), (3, 3)) is None


def test_segmenters_by_name() -> None:
    assert isinstance(segmenter_of("grabcut"), GrabCutSegmenter)
    with pytest.raises(ValueError, match="segmenter must be one of grabcut, sam2, got 'sam'"):
        segmenter_of("sam")
    with pytest.raises(ValueError, match="segmenter=sam2 needs weights=FOLDER"):
        segmenter_of("sam2")
    with pytest.raises(ValueError, match="segmenter=grabcut takes no weights, got somewhere"):
        segmenter_of("grabcut", "somewhere")


def tiny_sam2():
    """A SAM 2 for pictures with some hundred thousand random weights."""
    from gazekit.transformers_package import hide_our_kernels

    hide_our_kernels()
    pytest.importorskip("transformers")
    from transformers import Sam2Config, Sam2Model

    vision = tiny_vision(32)
    config = Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 32, "image_size": SIDE},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 32},
    )  # fmt: skip
    torch.manual_seed(0)
    return Sam2Model(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sam2")
    tiny_sam2().save_pretrained(path)
    return path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
class TestSam2:
    def test_masks_are_those_of_the_processor_of_transformers(self, folder) -> None:
        """Prompts one by one through the model's own forward pass, with the picture as transformers prepares it."""
        segmenter = segmenter_of("sam2", str(folder))
        image, *_ = scene()
        points = np.array([[40.5, 30.5], [100.0, 60.0], [0.0, 0.0]])
        found = segmenter.masks(image, points)
        assert found.shape == (3, *SIZE) and found.any() and not found.all()
        pixels = segmenter._pixels(image, SIDE)
        for one, (x, y) in zip(found, points, strict=True):
            place = torch.tensor([[[[x * SIDE / 128 - 0.5, y * SIDE / 96 - 0.5]]]], dtype=torch.float32)
            with torch.no_grad():
                output = segmenter.model(pixel_values=pixels, input_points=place)
            logits = output.pred_masks[0, 0, output.iou_scores[0, 0].argmax()]
            large = torch.nn.functional.interpolate(logits[None, None], SIZE, mode="bilinear")[0, 0]
            np.testing.assert_array_equal(one, (large > 0).numpy())

    def test_points_at_once_do_not_matter(self, folder) -> None:
        image, *_ = scene()
        points = np.random.default_rng(0).uniform(0, 96, (5, 2))
        one, other = (Sam2Segmenter(folder, at_once=n).masks(image, points) for n in (2, 16))
        np.testing.assert_array_equal(one, other)

    def test_degenerate_prompts(self, folder) -> None:
        image, *_ = scene()
        sam2 = Sam2Segmenter(folder)
        points = np.array([[np.nan, 3.0], [40.0, 30.0]])
        found = sam2.masks(image, points)
        assert not found[0].any() and found[1].any()
        assert not sam2.masks(image, points[1:], np.ones((1, 4, 4))).any()
        assert sam2.masks(image, np.zeros((0, 2))).shape == (0, *SIZE)

    def test_settings_of_video_do_too(self, folder, tmp_path) -> None:
        image, *_ = scene()
        settings = json.loads((folder / "config.json").read_text()) | {"model_type": "sam2_video"}
        (tmp_path / "config.json").write_text(json.dumps(settings))
        (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
        point = np.array([[40.0, 30.0]])
        one, other = (Sam2Segmenter(path).masks(image, point) for path in (folder, tmp_path))
        np.testing.assert_array_equal(one, other)

    def test_folders_that_are_none(self, folder, tmp_path) -> None:
        with pytest.raises(FileNotFoundError, match=r"must hold config.json and model.safetensors of SAM 2"):
            Sam2Segmenter(tmp_path)
        (tmp_path / "config.json").write_text('{"model_type": "sam"}')
        (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:2000])
        with pytest.raises(ValueError, match="model_type must be sam2 or sam2_video with a vision_config of"):
            Sam2Segmenter(tmp_path)
        (tmp_path / "config.json").write_text((folder / "config.json").read_text())
        with pytest.raises(ValueError, match="cannot be read"):
            Sam2Segmenter(tmp_path)
