"""`predict`: scanpaths of a checkpoint over the objects of one picture."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console

from gazekit import drawing as figures
from gazekit.datasets.pictures import with_crops
from gazekit.datasets.scenes_json import save
from gazekit.geometry import box_centres
from gazekit.scanpath import Scanpath
from gazekit.scanpaths.model import sample
from gazekit.scene import Scene, SceneBatch, Trial
from gazekit.verbs.build import load_saved

__all__ = ["predict", "read_boxes", "scene_of_picture"]

COLUMNS = ("x_min", "y_min", "x_max", "y_max")


def predict(cfg: DictConfig) -> Path:
    """Run a composed configuration (conf/predict.yaml); returns the written scanpaths.json.

    Raises:
        FileNotFoundError: checkpoint, picture or boxes absent.
        ValueError: a picture or boxes file that cannot be used, an unknown target.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    saved = load_saved(cfg.ckpt)
    if cfg.target is None and not saved.recipe["free_viewing"]:
        raise ValueError(
            "this checkpoint was trained on search only: target=NUMBER must say which object is looked for"
        )
    scene = scene_of_picture(Path(cfg.image), Path(cfg.boxes), cfg.target, saved.recipe["crop_size"])
    batch = SceneBatch.from_scenes([scene], saved.recipe["categories"])
    n, name = (1 if cfg.greedy else cfg.n), saved.recipe["name"]
    generator = torch.Generator().manual_seed(cfg.seed)
    paths = sample(saved.net, batch, n, saved.recipe["max_fixations"], generator, cfg.greedy).to_list()
    centres = box_centres(scene.boxes_px)
    trials = [
        Trial(0, Scanpath(centres[path.numpy()], observer=f"{name} {k + 1}"), path.numpy())
        for k, path in enumerate(paths)
    ]
    written = folder / "scanpaths.json"
    save([scene], written, trials)
    panels = {trial.scanpath.observer: trial.scanpath.xy_px for trial in trials[: cfg.drawn]}
    figures.save(figures.scanpath_figure(scene, panels, title=scene.name), folder / "scanpaths.png")
    console = Console(soft_wrap=True, highlight=False)
    for trial in trials[: cfg.drawn]:
        console.print(f"{trial.scanpath.observer}: {' '.join(map(str, trial.objects))}", markup=False)
    console.print(f"{len(trials)} scanpaths in {written}\npicture: {folder / 'scanpaths.png'}", markup=False)
    return written


def scene_of_picture(
    image: Path, boxes: Path, target: int | None, crop_size: tuple[int, int] | None
) -> Scene:
    """The scene of a picture file and a boxes file.

    Args:
        crop_size: (height, width) to which the objects' crops are resized; None makes no crops.
    Raises:
        FileNotFoundError: a file is absent.
        ValueError: not a picture, bad boxes, or a target that is no line of the boxes file.
    """
    for path, key in ((image, "image"), (boxes, "boxes")):
        if not path.is_file():
            raise FileNotFoundError(f"{key}={path} does not exist")
    picture = cv2.imread(str(image), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"image={image} is not a picture that OpenCV can read (PNG, JPEG, ...)")
    boxes_px, categories = read_boxes(boxes)
    if not isinstance(target, int | None):
        raise ValueError(f"target={target} must be the number of a line of {boxes}, from 0")
    if target is not None and not 0 <= target < len(boxes_px):
        raise ValueError(f"target={target} is unknown: {boxes} has the objects 0 to {len(boxes_px) - 1}")
    size_px = (picture.shape[1], picture.shape[0])
    scene = Scene(image.name, size_px, boxes_px, target, categories, image_path=image.resolve())
    return scene if crop_size is None else with_crops(scene, tuple(crop_size))


def read_boxes(path: Path) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """[N, 4] boxes in pixels and the categories, if the file has them.

    Raises:
        ValueError: a column is missing, a value is no number, or there is no line.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        lines = list(reader)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        raise ValueError(
            f"boxes={path} lacks the columns {', '.join(missing)}; expected a header with "
            f"{','.join(COLUMNS)} (pixels) and optionally category, found {reader.fieldnames}"
        )
    if not lines:
        raise ValueError(f"boxes={path} has no object, expected one a line")
    boxes = np.empty((len(lines), 4))
    for number, line in enumerate(lines):
        try:
            boxes[number] = [float(line[name]) for name in COLUMNS]
        except (TypeError, ValueError) as error:
            raise ValueError(f"boxes={path}, object {number}: {error}") from error
    has_categories = "category" in (reader.fieldnames or [])
    return boxes, tuple(line["category"] or "" for line in lines) if has_categories else None
