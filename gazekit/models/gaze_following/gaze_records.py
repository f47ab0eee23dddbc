"""What `predict` writes of gaze following.

`gaze.csv` has a line per person and picture or frame:

    picture, frame, t_ms        name of the file; number of the frame, from 0, and its time (pictures: 0 and empty)
    person                      number or name; the same person has the same one in all frames of a video
    x_min, y_min, x_max, y_max  head box in pixels
    p_inside                    probability that the target is in the picture; empty if the system does not say it
    gaze_x_px, gaze_y_px        the target; empty if it is rather outside (p_inside < 0.5). Half a cell of the heat map
                                is added to `predicted_norm`, the upper left corner of the highest cell
    direction_x, direction_y    unit vector of the gaze in the picture's plane (y down), also if the target is outside
    shared_with                 people who look at the same place, see `shared_attention`; separated by spaces
    error                       why nothing was predicted; else empty

A picture that cannot be read, or without a head, has one line without person. `gaze.jsonl` holds the same as one
object a picture or frame, with `people` as a list, and with `heat_maps` each person's map. Pictures are drawn to
`overlays/NAME.png`, videos to `overlays.mp4`; see `gazekit.drawing.gaze`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gazekit.drawing.gaze import DrawnGaze, draw_gaze
from gazekit.files import written_whole
from gazekit.models.gaze_following.head_boxes import BOX
from gazekit.models.gaze_following.items import Look, Outputs, Picture

__all__ = ["SHARED_RADIUS", "gaze_records", "shared_attention"]

SHARED_RADIUS = 0.08
"""Targets no further apart than this share of the picture's diagonal count as one."""


def shared_attention(
    targets_px: np.ndarray, size_px: tuple[int, int], radius: float = SHARED_RADIUS
) -> np.ndarray:
    """Who looks at the same place as whom: their targets are close together.

    Args:
        targets_px: [P, 2]; NaN for people who look out of the picture, who share with nobody.
        size_px: width and height of the picture.
        radius: see `SHARED_RADIUS`.
    Returns:
        [P, P] bool, symmetric; False on the diagonal. It is no equivalence: A may share with B and B with C, and A and
        C look at places that are too far apart.
    """
    targets = np.asarray(targets_px, np.float64).reshape(-1, 2)
    apart = np.linalg.norm(targets[:, None] - targets[None], axis=-1)
    return (apart <= radius * math.hypot(*size_px)) & ~np.eye(len(targets), dtype=bool)


def gaze_records(items: Sequence[Look], said: Mapping[str, Any]) -> dict[str, Callable[[Path], None]]:
    """The files of one batch, as functions that write them; see the module.

    A batch is written as a whole with gaze.csv last, so what is in that file is in the others too.

    Args:
        items: of `gaze_batches`.
        said: `heatmap` [P, h, w], `predicted_norm` [P, 2], `scores` [P] (NaN: not known) and `predicted_direction_xy`
            [P, 2], rows in the order of the items that were predicted.
    """
    outputs = items[0].outputs
    rows = _rows(items, said)
    pictures = [(picture, list(of)) for picture, of in groupby(rows, key=lambda row: row["look"].picture)]
    for _, of_picture in pictures:
        _share(of_picture)
    files = {"gaze.jsonl": outputs.jsonl.adding("".join(_json_line(*entry, outputs) for entry in pictures))}
    if outputs.overlays:
        files |= _overlays(pictures, outputs)
    return files | {"gaze.csv": outputs.csv.adding(_csv_lines(rows))}


def _rows(items: Sequence[Look], said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A dict per item with what was predicted of it, in pixels; `inside` is None where nothing was."""
    values = {
        name: np.asarray(said[name].detach().float().cpu(), np.float64)
        for name in ("heatmap", "predicted_norm", "scores", "predicted_direction_xy")
    }
    n_predicted = sum(look.predicted for look in items)
    if any(len(value) != n_predicted for value in values.values()):
        sizes = {name: len(value) for name, value in values.items()}
        raise ValueError(f"{n_predicted} people were to be predicted, but the system said {sizes}")
    rows, k = [], 0
    for look in items:
        row: dict[str, Any] = {"look": look, "target_px": np.full(2, np.nan), "inside": None, "shared": []}
        if look.predicted:
            row["inside"] = float(values["scores"][k])
            row["direction"] = values["predicted_direction_xy"][k]
            row["heatmap"] = values["heatmap"][k]
            if not row["inside"] < 0.5:  # a net without a head for it says NaN
                half_cell = 0.5 / np.array(row["heatmap"].shape[::-1])
                row["target_px"] = (values["predicted_norm"][k] + half_cell) * look.picture.size_px
            k += 1
        rows.append(row)
    return rows


def _share(rows: list[dict[str, Any]]) -> None:
    shared = shared_attention(np.array([row["target_px"] for row in rows]), rows[0]["look"].picture.size_px)
    for row, with_whom in zip(rows, shared, strict=True):
        row["shared"] = np.flatnonzero(with_whom).tolist()
        row["shared_with"] = [rows[k]["look"].person for k in row["shared"]]


def _csv_lines(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        look, picture = row["look"], row["look"].picture
        head = [""] * 4 if look.head_px is None else [_text(x, 2) for x in look.head_px]
        said = [""] * 5
        if row["inside"] is not None:
            target, direction = row["target_px"], row["direction"]
            said = [
                _text(row["inside"], 4),
                *(_text(x, 2) for x in target),
                *(_text(x, 4) for x in direction),
            ]
        where = [picture.picture, picture.number, _text(picture.t_ms, 3), look.person]
        writer.writerow([*where, *head, *said, " ".join(row["shared_with"]), look.error])
    return text.getvalue()


def _text(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def _json_line(picture: Picture, rows: list[dict[str, Any]], outputs: Outputs) -> str:
    people = []
    for row in rows:
        look = row["look"]
        if look.head_px is None:
            continue
        person: dict[str, Any] = {
            "person": look.person,
            "head_px": dict(zip(BOX, look.head_px.tolist(), strict=True)),
        }
        if row["inside"] is not None:
            person |= {
                "p_inside": _plain([row["inside"]], 4)[0],
                "gaze_px": _plain(row["target_px"], 2),
                "direction": _plain(row["direction"], 4),
                "shared_with": row["shared_with"],
            }
            if outputs.heat_maps:
                person["heat_map"] = row["heatmap"].round(4).tolist()
        people.append(person | ({"error": look.error} if look.error else {}))
    frame = {"picture": picture.picture, "frame": picture.number, "t_ms": _plain([picture.t_ms], 3)[0]}
    error = {} if people else {"error": rows[0]["look"].error}
    return json.dumps(frame | {"size_px": list(picture.size_px), "people": people} | error) + "\n"


def _plain(values: Any, digits: int) -> list[float | None]:
    return [None if math.isnan(value) else round(float(value), digits) for value in values]


def _overlays(
    pictures: list[tuple[Picture, list[dict[str, Any]]]], outputs: Outputs
) -> dict[str, Callable[[Path], None]]:
    seen = [(picture, rows) for picture, rows in pictures if picture.small is not None]
    if outputs.video is None:
        return {f"overlays/{picture.label}.png": _png(picture, rows, outputs) for picture, rows in seen}

    def drawn() -> Iterator[tuple[float, np.ndarray]]:
        for picture, rows in seen:
            yield picture.t_ms, _drawn(picture, rows, outputs)

    return {outputs.video_name: outputs.video.adding(drawn)} if seen else {}


def _png(picture: Picture, rows: list[dict[str, Any]], outputs: Outputs) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        _, data = cv2.imencode(".png", cv2.cvtColor(_drawn(picture, rows, outputs), cv2.COLOR_RGB2BGR))
        with written_whole(path) as unfinished:
            unfinished.write_bytes(data.tobytes())

    return write


def _drawn(picture: Picture, rows: list[dict[str, Any]], outputs: Outputs) -> np.ndarray:
    scale = picture.small.shape[1] / picture.size_px[0]
    place = {k: n for n, k in enumerate(k for k, row in enumerate(rows) if row["inside"] is not None)}
    people = []
    for k in place:
        row, look = rows[k], rows[k]["look"]
        head = look.head_px * scale
        eye = (head[:2] + head[2:]) / 2 if np.isnan(look.eye_px).any() else look.eye_px * scale
        colour = outputs.colours.setdefault(look.person, len(outputs.colours))
        people.append(
            DrawnGaze(
                head,
                eye,
                row["direction"],
                row["target_px"] * scale,
                row["inside"],
                look.person,
                colour,
                row["heatmap"],
                tuple(place[j] for j in row["shared"]),
            )
        )
    return draw_gaze(picture.small, people)
