"""What `predict` writes of brain encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from gazekit.models.brain_encoding.figures import attention_figure

__all__ = ["encoding_records"]


def encoding_records(
    items: Sequence[Any], said: Mapping[str, Any], facts: Mapping[str, Any], queries: Sequence[str]
) -> dict[str, Any]:
    """Files by name.

    `regions.csv` has a line per picture and the mean predicted response of each region (of each subject, where there
    are several); `responses/ITEM.npy` [V] all voxels; `attention/ITEM.npy` [R, H, W] and its picture, if `said` has it.

    Args:
        items: names, or `pictures.Seen`.
        queries: R names.
    """
    names = [getattr(item, "name", str(item)) for item in items]
    prediction: Tensor = said["prediction"].detach().cpu()
    found: dict[str, Any] = {"regions.csv": _region_table(names, prediction.numpy(), facts)}
    for name, response in zip(names, prediction.numpy(), strict=True):
        found[f"responses/{name}.npy"] = _saved(response)
    for item, name, maps in zip(items, names, said.get("attention", ()), strict=False):
        maps = maps.detach().cpu().numpy()
        found[f"attention/{name}.npy"] = _saved(maps)
        found[f"attention/{name}.png"] = attention_figure(maps, queries, getattr(item, "picture", None))
    return found


def _region_table(names: Sequence[str], prediction: np.ndarray, facts: Mapping[str, Any]) -> pd.DataFrame:
    subject = np.asarray(facts["subject_of"])
    columns: dict[str, Any] = {"item": list(names)}
    for region, voxels in {**facts["regions"], "all": range(facts["voxels"])}.items():
        voxels = np.asarray(voxels, int)
        for k, who in enumerate(facts["subjects"]):
            own = voxels[subject[voxels] == k]
            if len(own):
                label = region if len(facts["subjects"]) == 1 else f"{region}, {who}"
                columns[label] = prediction[:, own].mean(1)
    return pd.DataFrame(columns)


def _saved(values: np.ndarray) -> Callable[[Path], None]:
    return partial(_save, values=values)


def _save(path: Path, values: np.ndarray) -> None:
    np.save(path, values)
