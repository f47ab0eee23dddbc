"""A simulated annotator, who knows the true labels and works through a session as people do with the page.

It shows how much work the loop would have saved on a recording that is labelled already. Every action goes through the
session, so that the project holds the same events as a person's. The time that an action costs a person is modelled
(`gazekit.models.impn.simulated_annotator.SECONDS`), not measured.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from gazekit.annotate.project.authors import MODEL, SIMULATED
from gazekit.annotate.project.labels import BACKGROUND_ID, stem
from gazekit.annotate.session.session import AnnotationSession
from gazekit.models.impn.simulated_annotator import FITS, SECONDS, pairs_of
from gazekit.recordings.aoi import BACKGROUND, MovingBox, map_fixations

__all__ = ["correct_frame", "figure", "simulate_annotator", "summary"]


def simulate_annotator(
    session: AnnotationSession,
    truth: Sequence[MovingBox],
    n_frames: int | None = None,
    min_iou: float = FITS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Correct the frames of the queue one by one; the model learns as it does for people, and each time is waited for.

    Args:
        session: of a project without labels of people; missing labels are added.
        truth: the boxes of all frames.
        n_frames: number of frames to correct; None: all of the queue.
        min_iou: boxes with a lower IoU with the truth are moved.
        progress: called with the frames done and their total.
    Returns:
        One row per corrected frame: `frame`; `version` of the model (0: none yet); `relabel`, `move`, `add`, `delete`;
        `corrections`, their sum; `annotator_s`, modelled, and `by_hand_s`, modelled for the same frame without
        predictions; `open_right`, the share of fixations in unconfirmed frames whose suggestion was right before this
        frame was corrected (a missing suggestion is wrong; NaN without fixations); `wait_s` for the model after it.
    Raises:
        ValueError: the project has boxes or confirmed frames already.
    """
    store = session.store
    if store.stats()["boxes"] or store.confirmed_frames():
        raise ValueError("the project has boxes already: simulate in a new project")
    labels = _labels(session, truth)
    every = [(labels[aoi.label], aoi.boxes_at(np.arange(session.project.n_frames))) for aoi in truth]
    looked_at = _looked_at(session, truth, labels)
    total = session.queue(kind="frame", limit=0)["total"]
    total = total if n_frames is None else min(n_frames, total)
    rows = []
    for done in range(total):
        progress(done, total)
        frame = session.queue(kind="frame", limit=1)["items"][0]["frame"]
        row = {"frame": frame, "version": session.model_status()["version"]}
        row["open_right"] = _open_right(session, looked_at)
        there = [(label, boxes[frame]) for label, boxes in every if np.isfinite(boxes[frame]).all()]
        count = correct_frame(
            session, frame, [box for _, box in there], [label for label, _ in there], min_iou
        )
        row |= {kind: count[kind] for kind in ("relabel", "move", "add", "delete")}
        row["corrections"] = count.total()
        row["annotator_s"] = SECONDS["confirm"] + sum(SECONDS[kind] * n for kind, n in count.items())
        row["by_hand_s"] = SECONDS["confirm"] + SECONDS["add"] * len(there)
        start = time.perf_counter()
        _settle(session)
        rows.append(row | {"wait_s": time.perf_counter() - start})
    progress(total, total)
    return pd.DataFrame(rows)


def correct_frame(
    session: AnnotationSession,
    frame: int,
    boxes: Sequence[Sequence[float]],
    labels: Sequence[int],
    min_iou: float = FITS,
) -> Counter[str]:
    """Correct the boxes of a frame, or else its predictions, and confirm it.

    Args:
        boxes, labels: true boxes [M, 4] and label ids [M].
        min_iou: as in `simulate_annotator`.
    Returns:
        Number of actions of each kind of `SECONDS`, without the confirmation.
    """
    state = session.frame(frame)
    if state["predictions"] and not state["boxes"]:
        shown = [
            {"frame": frame, **{k: p[k] for k in ("label", "box", "score")}} for p in state["predictions"]
        ]
        session.act({"op": "boxes.put", "frame": frame, "boxes": shown, "source": "predicted"}, MODEL)
    done: Counter[str] = Counter()
    while step := _next(session.store.frame(frame)["boxes"], boxes, labels, min_iou):
        kind, action = step
        try:
            session.act({"frame": frame, **action}, SIMULATED)
        except ValueError:
            if kind != "relabel":
                raise
            kind = "delete"  # another box still has this exclusive label: redrawn once it is free
            session.act({"op": "box.delete", "frame": frame, "id": action["id"]}, SIMULATED)
        done[kind] += 1
    session.act({"op": "frame.confirm", "frame": frame}, SIMULATED)
    return done


def _next(
    shown: list[dict[str, Any]], boxes: Sequence[Sequence[float]], labels: Sequence[int], min_iou: float
) -> tuple[str, dict[str, Any]] | None:
    """The next action: delete extra boxes, then correct labels, then positions, then draw missing boxes."""
    mine, theirs, overlap = pairs_of(_tensor([box["box"] for box in shown]), _tensor(boxes))
    pairs = list(zip(mine.tolist(), theirs.tolist(), overlap.tolist(), strict=True))
    if extra := sorted(set(range(len(shown))) - set(mine.tolist())):
        return "delete", {"op": "box.delete", "id": shown[extra[0]]["id"]}
    wrong = [(shown[i]["id"], labels[k]) for i, k, _ in pairs if shown[i]["label"] != labels[k]]
    if wrong:
        held = {box["label"] for box in shown}
        number, label = min(wrong, key=lambda one: one[1] in held)  # a label that is free, if there is one
        return "relabel", {"op": "box.update", "id": number, "label": label}
    for i, k, iou in pairs:
        if iou < min_iou - 1e-6:
            return "move", {"op": "box.update", "id": shown[i]["id"], "box": list(boxes[k])}
    if missing := sorted(set(range(len(boxes))) - set(theirs.tolist())):
        return "add", {
            "op": "box.add",
            "track": "same",
            "label": labels[missing[0]],
            "box": list(boxes[missing[0]]),
        }
    return None


def _tensor(boxes: Sequence[Sequence[float]]) -> torch.Tensor:
    return torch.as_tensor(np.array(boxes, np.float64).reshape(-1, 4))


def _labels(session: AnnotationSession, truth: Sequence[MovingBox]) -> dict[str, int]:
    """Ids by name. New labels come in order of the truth; left/right pairs are exclusive unless a frame has two of a
    label."""
    known = {label["name"]: label["id"] for label in session.store.labels()}
    frames = np.arange(session.project.n_frames)
    for name in dict.fromkeys(aoi.label for aoi in truth):
        if name not in known:
            there = [np.isfinite(aoi.boxes_at(frames)).all(1) for aoi in truth if aoi.label == name]
            group = "" if np.sum(there, 0).max(initial=0) > 1 else stem(name)
            known[name] = session.act({"op": "label.add", "name": name, "group": group}, SIMULATED)["label"]
    return known


def _looked_at(
    session: AnnotationSession, truth: Sequence[MovingBox], labels: dict[str, int]
) -> dict[int, int]:
    """Fixation -> true label."""
    table = pd.DataFrame(session.store.fixations()).astype({"x_px": float, "y_px": float})
    mapped = map_fixations(table, truth, session.project.frame_t_ms)
    known = labels | {BACKGROUND: BACKGROUND_ID}
    return {row.id: known[row.aoi] for row in mapped.itertuples() if row.aoi in known}


def _open_right(session: AnnotationSession, looked_at: dict[int, int]) -> float:
    confirmed, table = set(session.store.confirmed_frames()), session.fixations()
    rows = zip(table["id"], table["frame"], table["suggestion"], strict=True)
    right = [
        suggested == looked_at[i] for i, frame, suggested in rows if i in looked_at and frame not in confirmed
    ]
    return float(np.mean(right)) if right else float("nan")


def _settle(session: AnnotationSession) -> None:
    """Wait until training has ended and the frames with fixations have predictions of the newest model."""
    session.loop.wait()
    frames, loop = [frame for frame in session.fixation_table.rows if frame >= 0], session.loop
    while loop.predicting.busy and any(
        (found := loop.predictions.get(frame)) is None or found.version != loop.model.version
        for frame in frames
    ):
        time.sleep(0.02)


def summary(rows: pd.DataFrame) -> str:
    """A few sentences about the table of `simulate_annotator`."""
    fifth = max(1, len(rows) // 5)
    first, last = (part["corrections"].mean() for part in (rows[:fifth], rows[-fifth:]))
    with_model, alone = rows["annotator_s"].sum(), rows["by_hand_s"].sum()
    right = rows["open_right"].dropna()
    known = (
        f"\nAt the end, {right.iloc[-1]:.0%} of the suggestions for fixations in unconfirmed frames were right."
        if len(right)
        else ""
    )
    return (
        f"{len(rows)} frames, {rows['corrections'].sum()} corrections: {first:.1f} per frame in the first fifth, "
        f"{last:.1f} in the last.\nModelled: {with_model / 60:.1f} min, without a model {alone / 60:.1f} min "
        f"({1 - with_model / alone:.0%} saved), plus {rows['wait_s'].sum() / 60:.1f} min of training."
        f"{known}"
    )


def figure(rows: pd.DataFrame) -> Figure:
    """Corrections per frame and the share of right suggestions, against the number of corrected frames."""
    fig = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = fig.subplots(1, 2)
    number = np.arange(1, len(rows) + 1)
    left.bar(number, rows["corrections"], color="#b8c4ce", width=1.0)
    left.plot(
        number, rows["corrections"].rolling(10, min_periods=1).mean(), color="#0072b2", label="mean of ten"
    )
    left.legend(frameon=False)
    left.set(xlabel="corrected frames", ylabel="corrections per frame")
    right.step(number, rows["open_right"], where="mid", color="#d55e00")
    right.set(xlabel="corrected frames", ylabel="right suggestions, unconfirmed frames", ylim=(0, 1))
    for version in np.flatnonzero(np.diff(rows["version"], prepend=0)) + 1:
        right.axvline(version, color="#bbbbbb", linewidth=0.8, zorder=0)  # a new model
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return fig
