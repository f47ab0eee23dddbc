"""Generated responses to generated pictures: what is true of each voxel is known.

Pictures of the world of `brain_world` go through a known network, and voxels of three kinds (`brain_voxels`) answer to
what it says: a pool at a fixed place, the face wherever it is, and the picture as a whole. To each presentation noise
is added, independent of everything, with an sd of the person's own; the signal of each voxel has sd 1. So the noise
ceiling is known: a mean of n presentations correlates with its own signal by sqrt(1 / (1 + sd^2 / n)) at most.

Nothing in it is made against linear read-outs: retinotopic voxels are linear in the features of all places, and so is
the mean under a whole-picture voxel. A content-routed voxel is no linear read-out at any place, because which place it
reads follows from the picture: a read-out of the flattened features learns what faces at each place do to it, a place
at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.datasets.brain_data import BrainData
from gazekit.datasets.brain_features import ArrayMaps, Maps
from gazekit.datasets.brain_pictures import PictureArray
from gazekit.datasets.brain_responses import Block, BrainRecords
from gazekit.datasets.brain_voxels import KINDS, Voxels, cell_centres
from gazekit.datasets.brain_world import Front, SmallNet, draw_scenes

__all__ = ["KnownSignal", "SyntheticBrain"]

_SEEDS = {"net": 0, "train": 1, "val": 2, "test": 3, "gaze": 4, "voxels": 5, "seen": 6, "noise": 7}
_NET_PICTURES = 400  # in no part: on these the known network is fitted, and signals are scaled
_FIXATION_SD = 0.08  # of the blob of a fixation map, as a share of the side
_AT_ONCE = 128  # pictures that are worked on together


class SyntheticBrain(BrainData):
    """Voxels of three kinds in several people, who saw generated pictures.

    Args:
        pictures: of training.
        scored: of "val" and of "test", each.
        voxels: of each kind in each person.
        noise_sd: of one presentation, for each person; the signal has sd 1.
        presentations: of each picture of training and validation, and of each of the test.
        seen_share: of the pictures of training and validation that each person saw; all saw those of the test.
        gaze_sd: sd of where people look, round the middle, as a share of the side. Above 0, retinotopic pools move with
            the eye and batches have a `fixation_map`; all people look at the same place of a picture.
        known: the network that voxels answer to: "small", or "backbone", the first of `layers`.
        world_seed: of pictures, voxels and noise.
        backbone, ...: see `BrainData`. The features are those of the backbone; without one, those of the small network:
            its components and its detector, 48 channels mixed by a rotation, so that no channel is the detector.
    Raises:
        ValueError: numbers that are too small, another `known`, or "backbone" without one.
    """

    def __init__(
        self,
        pictures: int = 2000,
        scored: int = 400,
        voxels: int = 80,
        noise_sd: Sequence[float] = (0.7, 1.2, 2.0),
        presentations: Sequence[int] = (1, 4),
        seen_share: float = 1.0,
        gaze_sd: float = 0.0,
        known: str = "small",
        backbone: str | None = None,
        layers: Sequence[str] | None = None,
        weights: str | Path | None = None,
        size_px: Sequence[int] | None = None,
        grid: int | None = None,
        features_root: str | Path | None = None,
        batch_size: int = 64,
        split: str = "test",
        seed: int = 0,
        world_seed: int = 0,
    ) -> None:
        super().__init__(backbone, layers, weights, size_px, grid, features_root, batch_size, split, seed)
        if known not in ("small", "backbone") or (known == "backbone" and not (backbone and layers)):
            raise ValueError(
                f"data.known must be small, or backbone with data.backbone and data.layers, got {known}"
            )
        for name, number in (("pictures", pictures), ("scored", scored), ("voxels", voxels)):
            if number < 1:
                raise ValueError(f"data.{name} must be at least 1, got {number}")
        if len(presentations) != 2 or min(presentations) < 1:
            raise ValueError(
                f"data.presentations must be two numbers of at least 1, got {list(presentations)}"
            )
        if not noise_sd or min(noise_sd) < 0 or gaze_sd < 0 or not 0 < seen_share <= 1:
            raise ValueError(
                f"data.noise_sd and data.gaze_sd must be at least 0 and data.seen_share above 0 and at most 1, got "
                f"{list(noise_sd)}, {gaze_sd} and {seen_share}"
            )
        self.counts = {"train": pictures, "val": scored, "test": scored, "net": _NET_PICTURES}
        self.voxels, self.noise_sd, self.presentations = voxels, tuple(noise_sd), tuple(presentations)
        self.seen_share, self.gaze_sd, self.known, self.world_seed = seen_share, gaze_sd, known, world_seed

    def setup(self, stage: str | None = None) -> None:
        """Draw the pictures, run the network and show the pictures to everybody; 12 s on an idle core by default."""
        if self.records is not None:
            return
        ends = np.cumsum([0, *self.counts.values()])
        place = {name: np.arange(*ends[k : k + 2]) for k, name in enumerate(self.counts)}
        drawn = [draw_scenes(self._numbers(name, count)) for name, count in self.counts.items()]
        pictures, self.face_xy = (np.concatenate(values) for values in zip(*drawn, strict=True))
        items = [f"{name} {i}" for name, count in self.counts.items() for i in range(count)]
        self.fixation_xy = 0.5 + self.gaze_sd * self._draw("gaze").standard_normal((len(items), 2))
        seen, maps = self._run_networks(PictureArray(pictures), items, place["net"])
        self.face = seen.face  # the answer of the detector, [N, T]
        people = [
            Voxels.sample([self.world_seed, _SEEDS["voxels"], k], self.voxels, seen.components.shape[-1])
            for k in range(len(self.noise_sd))
        ]
        signals = [self._signal(voxels, seen, place["net"]) for voxels in people]
        self.signal = torch.cat(signals, 1)
        kinds = np.arange(self.signal.shape[1]).reshape(len(people), len(KINDS), self.voxels)
        records = BrainRecords(
            name="synthetic_brain",
            items=items,
            blocks=[self._show(k, signal.numpy(), place) for k, signal in enumerate(signals)],
            subjects=[f"person {k + 1}" for k in range(len(people))],
            subject_of=np.repeat(np.arange(len(people)), len(KINDS) * self.voxels),
            regions={kind: kinds[:, k].ravel() for k, kind in enumerate(KINDS)},
            hemisphere_of=np.concatenate([voxels.hemisphere() for voxels in people]),
            pictures=PictureArray(pictures),
            fixation_map=_blobs(self.fixation_xy, seen.size) if self.gaze_sd else None,
        )
        self.use(records, {name: place[name] for name in ("train", "val", "test")}, maps)

    def _draw(self, *what: str | int) -> np.random.Generator:
        return np.random.default_rng([self.world_seed, *(_SEEDS.get(key, key) for key in what)])

    def _numbers(self, part: str, count: int) -> np.ndarray:
        """Seeds of the scenes of a part; the first ones do not depend on how many there are."""
        return np.random.SeedSequence([self.world_seed, _SEEDS[part]]).generate_state(count)

    def _run_networks(self, pictures: PictureArray, items: list[str], net: np.ndarray) -> tuple[_Seen, Maps]:
        """What the known network makes of the pictures, and the features that encoders get."""
        maps = None if self.backbone is None else self.look(pictures, items)
        if self.known == "backbone":
            layer = next(iter(maps.shapes))
            read = lambda index: maps.read(index)[layer]  # noqa: E731
        else:
            small = SmallNet(self.world_seed)
            read = lambda index: small(pictures.values[index])  # noqa: E731
        front = Front.fit(read(net), self.face_xy[net])
        chunks = np.array_split(np.arange(len(items)), -(-len(items) // _AT_ONCE))
        said = [front(read(index)) for index in chunks]
        size = tuple(read(net[:1]).shape[2:])
        seen = _Seen(*(torch.cat(values) for values in zip(*said, strict=True)), size)
        return seen, maps or ArrayMaps({"tokens": seen.mixed(self.world_seed).numpy()})

    def _signal(self, voxels: Voxels, seen: _Seen, net: np.ndarray) -> Tensor:
        """[N, 3 V] with mean 0 and sd 1 over the pictures of no part."""
        fixation = torch.from_numpy(self.fixation_xy).float()
        chunks = torch.arange(len(fixation)).split(_AT_ONCE)
        raw = torch.cat(
            [voxels.signal(seen.components[i], seen.face[i], seen.size, fixation[i]) for i in chunks]
        )
        return (raw - raw[net].mean(0)) / raw[net].std(0)

    def _show(self, person: int, signal: np.ndarray, place: Mapping[str, np.ndarray]) -> Block:
        """Single presentations to a person: the signal and noise."""
        few, many = self.presentations
        often = np.zeros(len(signal), int)
        often[place["test"]] = many
        for part in ("train", "val"):
            chosen = self._draw("seen", person, part).permutation(place[part])
            often[chosen[: max(1, round(self.seen_share * len(chosen)))]] = few
        starts = np.cumsum(often) - often
        repeat = np.arange(often.max())[:, None]
        rows = np.where(repeat < often, starts + repeat, -1)
        shown = np.repeat(np.arange(len(signal)), often)
        noise = self._draw("noise", person).standard_normal((len(shown), signal.shape[1]), np.float32)
        return Block(signal[shown] + np.float32(self.noise_sd[person]) * noise, rows)

    def references(self) -> dict[str, Predictor]:
        """The signal, which no model can be ahead of."""
        return {"known signal": KnownSignal(self)}


class KnownSignal(Predictor):
    """The responses without noise, which generated data know."""

    def __init__(self, data: SyntheticBrain) -> None:
        super().__init__()
        self._data = data

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        return {"prediction": self._data.signal[batch["group"].cpu()]}


class _Seen(NamedTuple):
    """Components [N, T, K] and the detector's answer [N, T] of all pictures; rows and columns of the T cells."""

    components: Tensor
    face: Tensor
    size: tuple[int, int]

    def mixed(self, seed: int) -> Tensor:
        """[N, K + 1, H, W] all of it, rotated."""
        both = torch.cat([self.components, self.face[..., None]], -1)
        drawn = torch.randn(*[both.shape[-1]] * 2, generator=torch.Generator().manual_seed(seed))
        return (both @ torch.linalg.qr(drawn)[0]).transpose(1, 2).unflatten(2, self.size).contiguous()


def _blobs(xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 [N, H, W] a Gaussian where somebody looks, on the cells of the features, with sum 1."""
    apart = ((cell_centres(*size).numpy() - xy[:, None]) ** 2).sum(-1)
    blob = np.exp(-(apart - apart.min(1, keepdims=True)) / (2 * _FIXATION_SD**2))
    return (blob / blob.sum(1, keepdims=True)).astype(np.float32).reshape(-1, *size)
