"""Learning curves from a run of `fit`: a simulated annotator starts from its detector, on its video."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from gazekit.base import Data
from gazekit.models.impn.baselines import MODELS
from gazekit.models.impn.frame_labeller import FrameLabeller
from gazekit.models.impn.simulated_annotator import LabelledVideo, Model, simulate
from gazekit.models.impn.whole_detector import OnWholeDetector, WholeDetector

__all__ = ["CHOICES", "DEFAULT", "labelled_video", "run_curves"]

ON_WHOLE = {"whole detector": False, "graph on whole detector": True}  # name: with a graph head
DEFAULT = ("graph", "detector", "per box", "tracker", "no edge features", "no p", "no q")
CHOICES = (*MODELS, *ON_WHOLE)


def labelled_video(labeller: FrameLabeller, data: Data) -> LabelledVideo:
    """What the detector of a run finds in the frame of each fixation of its video, with the truth."""
    batch = data.batch(data.parts["all"].tolist())
    return LabelledVideo(
        labeller.detector.detections(batch["frames"], batch["frame"].tolist()),
        [truth["boxes"] for truth in batch["truth"]],
        [truth["labels"] for truth in batch["truth"]],
        batch["fixation_px"],
        labeller.labels,
        labeller.exclusive,
    )


def run_curves(
    labeller: FrameLabeller,
    data: Data,
    models: Sequence[str] = DEFAULT,
    n_labelled: int = 60,
    every: int = 10,
    steps: int = 100,
    detector_steps: int = 100,
    progress: Callable[[str], None] = lambda text: None,
) -> pd.DataFrame:
    """Curves of `simulate` on the video of a run, the part "test" scored.

    Args:
        labeller: of the trained system; its head is not used.
        data: that it was trained on, set up.
        models: names out of `CHOICES`.
        n_labelled: frames that the annotator corrects, fewer where there are fewer.
        every: number of frames after which the models learn.
        steps, detector_steps: of each update of a head, and of a whole detector.
        progress: told what is done.
    Raises:
        ValueError: an unknown model.
    """
    if unknown := [name for name in models if name not in CHOICES]:
        raise ValueError(f"models has {', '.join(unknown)}, expected some of: {', '.join(CHOICES)}")
    seen, tested = labelled_video(labeller, data), len(data.parts["test"])
    numbers = data.batch(data.parts["all"].tolist())["frame"].tolist()
    frames = data.batch(data.parts["all"][:1].tolist())["frames"]
    whole = WholeDetector(labeller.detector.detector, frames, numbers, detector_steps)

    def maker(name: str) -> Callable[[LabelledVideo, int], Model]:
        if name in MODELS:
            return MODELS[name]
        return lambda video, seed: OnWholeDetector(
            whole, len(video.names), video.exclusive, seed, ON_WHOLE[name]
        )

    n_labelled = min(n_labelled, len(numbers) - tested)
    makers = {name: maker(name) for name in models}
    share = tested / len(numbers)
    return simulate(lambda _: seen, makers, [data.seed], n_labelled, every, steps, share, progress)
