"""Learning from feedback in seconds: the detector is frozen, the graph head learns from all that people said.

One update starts from the present weights, learns on a copy, and keeps it only if the frames that are never trained
on say that it is not worse.
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
from gazekit.models.impn.edges import Graph, graph_of, ranges, some_frames
from gazekit.models.impn.head import predictions_of, random_turns
from gazekit.models.impn.net import IMPNNet
from gazekit.models.impn.objective import Targets, balanced_weights, graph_loss, targets_of
from gazekit.models.impn.replay import Batches, HeldOut

__all__ = ["Learner", "UpdateReport"]

RATE, DECAY = 1e-3, 1e-4
TOLERATED_AP, LEAST_JUDGES = 0.01, 5
AT_ONCE = 128


class UpdateReport(NamedTuple):
    """What an update did.

    Args:
        accepted: whether the model changed.
        held_out_before, held_out_after: AP (0 to 1, COCO's mean over IoU 0.50 ... 0.95) on held-out frames of the old
            and the new weights; NaN where there are none, or no new weights.
        seconds: taken; steps: done.
        reason: one sentence for people.
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
        flip: whether frames are also learnt from as seen in a mirror.
        make_net: of C and D, the network; by default `IMPNNet`.
    Raises:
        ValueError: `flip` with exclusive groups: in a mirror the left thing is the right one, so that the model would
            be taught that they cannot be told apart. Groups with unknown or repeated labels.
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
                f"flip must be False with exclusive groups, got {list(map(list, self.exclusive))}: in a mirror left "
                "things are right things, and the model would learn that they cannot be told apart"
            )
        self.n_labels, self.feature_size, self.seed, self.flip = n_labels, feature_size, seed, flip
        self.held_out, self.updates = HeldOut(), 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = make_net(n_labels, feature_size).eval()

    @one_thread()
    def predict(self, found: Sequence[Detections]) -> list[Predictions]:
        """Labels of the detections of each frame, as `assignment.labels_of_frames` chooses them.

        Detections that are background to the detector by more than 0.95 are not looked at.

        Args:
            found: of each frame; empty ones are welcome.
        Returns:
            One a frame.
        Raises:
            TypeError, ValueError: detections that do not fit the model.
        """
        net = self.net  # an update may change it meanwhile
        parts = [found[first : first + AT_ONCE] for first in range(0, len(found), AT_ONCE)]
        graphs = (graph_of(part, self.n_labels, self.feature_size) for part in parts)
        return [prediction for graph in graphs for prediction in predictions_of(net, graph, self.exclusive)]

    @one_thread()  # shared with a browser or a decoder, an update of two seconds took half a minute
    def update(
        self,
        frames: Sequence[LabelledFrame],
        steps: int = 100,
        should_stop: Callable[[], bool] = lambda: False,
        progress: Callable[[float], None] = lambda share: None,
    ) -> UpdateReport:
        """Learn from all labelled frames, half of each batch from those that are new.

        Every fifth frame is held out for good. The new weights are kept unless the AP on confirmed held-out frames is
        lower by more than 0.01; fewer than five such frames cannot tell, and do not judge. However this ends, also
        by an exception, the model is the old or the new one, never one in between.

        Args:
            frames: all that are labelled, not just the new ones (`LabelledFrame.recency` tells them apart).
            steps: of the optimiser (AdamW, rate 1e-3 falling linearly, weight decay 1e-4).
            should_stop: asked before every step; the old weights stay.
            progress: told the share of steps done.
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
            return report(False, math.nan, 0, "Nothing to learn from yet: no detection meets a labelled box.")
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
        """A copy that knows more labels, appended to the old ones, of which it says what it said before.

        Args:
            n_labels: at least as many as now.
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
                "exclusive must be empty with flip=True: in a mirror left things are right things"
            )
        grown.n_labels, grown.net = n_labels, self.net.with_labels(n_labels).eval()
        grown.held_out = HeldOut(self.held_out.known, self.held_out.kept_out)
        return grown

    def save(self, path: str | Path) -> None:
        """Write weights and settings as safetensors; the file is complete or the old one.

        Raises:
            OSError: it cannot be written. TypeError: another network than `IMPNNet`.
        """
        names = ("exclusive", "seed", "flip", "updates")
        checkpoint.save(Path(path), self.net, self.held_out, {name: getattr(self, name) for name in names})

    @classmethod
    def load(cls, path: str | Path) -> Learner:
        """What `save` wrote. Nothing in the file is executed.

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
    """Whether a person vouches for all of it, so that it can judge."""
    return frame.complete and bool((frame.weights >= 1).all() and (frame.labels >= -1).all())
