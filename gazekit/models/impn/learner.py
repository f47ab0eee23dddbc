"""Learning from feedback in seconds: the detector is frozen, the graph head is trained on all labelled frames.

One update trains a copy of the current weights, and keeps it only if it is not worse on the held-out frames.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from gazekit.metrics.functional import detection_ap
from gazekit.metrics.functional.threads import one_thread
from gazekit.models.impn import checkpoint
from gazekit.models.impn.assignment import check_groups
from gazekit.models.impn.detections import Detections, LabelledFrame, Predictions
from gazekit.models.impn.edges import Graph, graph_of, random_turns, ranges, some_frames
from gazekit.models.impn.net import IMPNNet
from gazekit.models.impn.objective import Targets, balanced_weights, graph_loss, targets_of
from gazekit.models.impn.predictions import predictions_of
from gazekit.models.impn.replay import Batches, HeldOut

__all__ = ["Learner", "UpdateReport"]

RATE, DECAY = 1e-3, 1e-4
TOLERATED_AP, LEAST_JUDGES = 0.01, 5
AT_ONCE = 128


class UpdateReport(NamedTuple):
    """Result of an update.

    Args:
        accepted: whether the model changed.
        held_out_before, held_out_after: AP (0 to 1, COCO's mean over IoU 0.50 ... 0.95) on held-out frames of the old
            and the new weights; NaN where there are none, or no new weights.
        seconds: of the update; steps: that were done.
        reason: one sentence for the user.
    """

    accepted: bool
    held_out_before: float
    held_out_after: float
    seconds: float
    steps: int
    reason: str


class Learner:
    """A graph head over a frozen detector that learns from labelled frames.

    Args:
        n_labels: C, without the background.
        feature_size: D of the detections' features.
        exclusive: groups of labels that occur at most once in a frame, of look-alikes such as a left and a right
            tablet (`look_alike_groups`).
        seed: of first weights and of draws.
        flip: whether frames are mirrored at random.
        make_net: of C and D, the network; by default `IMPNNet`.
    Raises:
        ValueError: `flip` with exclusive groups: in a mirror image the left object is the right one, so that the model
            would learn that they are the same. Groups with unknown or repeated labels.
    """

    def __init__(
        self,
        n_labels: int,
        feature_size: int,
        exclusive: Sequence[Sequence[int]] = (),
        seed: int = 0,
        flip: bool = False,
        make_net: Callable[[int, int], nn.Module] = IMPNNet,
    ) -> None:
        if n_labels < 1 or feature_size < 1:
            raise ValueError(
                f"n_labels and feature_size must be at least 1, got {n_labels} and {feature_size}"
            )
        self.exclusive = check_groups(exclusive, n_labels)
        if flip and self.exclusive:
            raise ValueError(
                f"flip must be False with exclusive groups, got {list(map(list, self.exclusive))}: in a mirror image "
                "left objects are right ones, and the model could not learn to distinguish them"
            )
        self.n_labels, self.feature_size, self.seed, self.flip = n_labels, feature_size, seed, flip
        self.held_out, self.updates = HeldOut(), 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = make_net(n_labels, feature_size).eval()

    @one_thread()
    def predict(self, found: Sequence[Detections]) -> list[Predictions]:
        """Labels of the detections of each frame, as `assignment.labels_of_frames` chooses them.

        Detections whose probability of background exceeds 0.95 are ignored.

        Args:
            found: detections of each frame; frames may be empty.
        Returns:
            One a frame.
        Raises:
            TypeError, ValueError: detections that do not fit the model.
        """
        net = self.net  # an update may replace it meanwhile
        parts = [found[first : first + AT_ONCE] for first in range(0, len(found), AT_ONCE)]
        graphs = (graph_of(part, self.n_labels, self.feature_size) for part in parts)
        return [prediction for graph in graphs for prediction in predictions_of(net, graph, self.exclusive)]

    @one_thread()  # beside a browser or a decoder, an update of two seconds took half a minute on two threads
    def update(
        self,
        frames: Sequence[LabelledFrame],
        steps: int = 100,
        should_stop: Callable[[], bool] = lambda: False,
        progress: Callable[[float], None] = lambda share: None,
    ) -> UpdateReport:
        """Train on all labelled frames; half of each batch are new ones.

        Every fifth frame is held out permanently. The new weights are kept unless the AP on confirmed held-out frames
        drops by more than 0.01; with fewer than five such frames they are always kept. After an exception or a stop the
        model is unchanged.

        Args:
            frames: all labelled frames, not only the new ones (see `LabelledFrame.recency`).
            steps: of the optimiser (AdamW, rate 1e-3 falling linearly, weight decay 1e-4).
            should_stop: checked before every step; if it is true, the old weights stay.
            progress: called with the share of steps done.
        Raises:
            TypeError, ValueError: frames that do not fit the model.
        """
        start = time.perf_counter()
        graph = graph_of([frame.detections for frame in frames], self.n_labels, self.feature_size)
        targets = targets_of(frames, graph.boxes, graph.counts, self.n_labels)
        self.held_out.meet(frame.frame for frame in frames)
        held = torch.tensor([frame.frame in self.held_out.kept_out for frame in frames], dtype=torch.bool)
        targets = targets._replace(weight=targets.weight * ~held[graph.frame])
        judges = [place for place, frame in enumerate(frames) if held[place] and _is_confirmed(frame)]
        judged = (
            [frames[place] for place in judges],
            some_frames(graph, torch.tensor(judges, dtype=torch.long)),
        )
        before = self._ap(self.net, *judged)

        def report(accepted: bool, after: float, done: int, reason: str) -> UpdateReport:
            return UpdateReport(accepted, before, after, time.perf_counter() - start, done, reason)

        generator = torch.Generator().manual_seed(self.seed + self.updates)
        new = torch.tensor([frame.recency == 0 for frame in frames], dtype=torch.bool)
        batches = Batches(targets, graph.frame, new, self.n_labels + 1, generator)
        if not batches:
            return report(
                False, math.nan, 0, "Nothing to learn from yet: no detection matches a labelled box."
            )
        net = copy.deepcopy(self.net).train()
        done = self._learn(net, graph, targets, batches, steps, should_stop, progress)
        if done < steps:
            return report(False, math.nan, done, "Stopped; the model is the old one.")
        if not all(weights.isfinite().all() for weights in net.parameters()):
            return report(False, math.nan, done, "Learning diverged; the model is the old one.")
        after = self._ap(net.eval(), *judged)
        change = f"AP on {len(judges)} held-out frames {100 * before:.1f} -> {100 * after:.1f}"
        enough = len(judges) >= LEAST_JUDGES
        if enough and after < before - TOLERATED_AP:
            return report(False, after, done, f"Worse, so the old model stays: {change}.")
        self.net, self.updates = net, self.updates + 1
        few = f"Learnt; {len(judges)} of {LEAST_JUDGES} frames that it takes to judge a model are held out so far."
        return report(True, after, done, f"Learnt: {change}." if enough else few)

    def _learn(
        self,
        net: nn.Module,
        graph: Graph,
        targets: Targets,
        batches: Batches,
        steps: int,
        should_stop: Callable[[], bool],
        progress: Callable[[float], None],
    ) -> int:
        """Steps done, fewer than asked if stopped."""
        class_weight = balanced_weights(targets, self.n_labels)
        first = graph.counts.cumsum(0) - graph.counts
        optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY, fused=True)
        for step in range(steps):
            if should_stop():
                return step
            frames = batches.draw()
            rows, _ = ranges(first[frames], graph.counts[frames])
            batch = some_frames(graph, frames)._replace(
                turn=random_turns(len(frames), batches.generator, self.flip)
            )
            optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
            optimizer.zero_grad()
            graph_loss(net(batch), Targets(*(column[rows] for column in targets)), class_weight).backward()
            optimizer.step()
            progress((step + 1) / steps)
        return steps

    def _ap(self, net: nn.Module, frames: list[LabelledFrame], graph: Graph) -> float:
        """AP of COCO; NaN without frames or boxes."""
        found = [
            {"boxes": said.boxes, "scores": said.score, "labels": said.label}
            for said in (predictions_of(net, graph, self.exclusive) if frames else [])
        ]
        thing = [frame.labels >= 0 for frame in frames]
        truth = [
            {"boxes": frame.boxes[known], "labels": frame.labels[known]}
            for frame, known in zip(frames, thing, strict=True)
        ]
        return float(detection_ap(found, truth)[0])

    def with_labels(self, n_labels: int, exclusive: Sequence[Sequence[int]] | None = None) -> Learner:
        """A copy with more labels, appended to the old ones; predictions of these do not change.

        Args:
            n_labels: at least the current number.
            exclusive: groups from now on; None keeps them.
        Raises:
            ValueError: fewer labels, bad groups.
        """
        if n_labels < self.n_labels:
            raise ValueError(
                f"n_labels must be at least {self.n_labels}, got {n_labels}: labels are merged in the "
                "labelled frames, the model keeps their number"
            )
        grown = copy.copy(self)
        grown.exclusive = check_groups(self.exclusive if exclusive is None else exclusive, n_labels)
        if grown.flip and grown.exclusive:
            raise ValueError(
                "exclusive must be empty with flip=True: in a mirror image left objects are right ones"
            )
        grown.n_labels, grown.net = n_labels, self.net.with_labels(n_labels).eval()
        grown.held_out = HeldOut(self.held_out.known, self.held_out.kept_out)
        return grown

    def save(self, path: str | Path) -> None:
        """Write weights and settings as safetensors; an existing file is replaced at once or not at all.

        Raises:
            OSError: it cannot be written. TypeError: another network than `IMPNNet`.
        """
        names = ("exclusive", "seed", "flip", "updates")
        checkpoint.save(Path(path), self.net, self.held_out, {name: getattr(self, name) for name in names})

    @classmethod
    def load(cls, path: str | Path) -> Learner:
        """Read a file of `save`; nothing in it is executed.

        Raises:
            FileNotFoundError: no such file. ValueError: not a file of `save`.
        """
        net, held_out, settings = checkpoint.load(Path(path))
        try:
            updates = int(settings.pop("updates"))
            learner = cls(net.n_labels, net.feature_size, **settings, make_net=lambda *_: net)
        except (KeyError, TypeError, ValueError) as error:
            raise checkpoint.damaged(Path(path), error) from error
        learner.held_out, learner.updates = held_out, updates
        return learner


def _is_confirmed(frame: LabelledFrame) -> bool:
    """Whether a person confirmed all of it, so that it can serve for evaluation."""
    return frame.complete and bool((frame.weights >= 1).all() and (frame.labels >= -1).all())
