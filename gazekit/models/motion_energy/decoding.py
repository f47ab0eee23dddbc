"""Flow decoded from responses of a brain, from the first frame, or from both.

What speaks for motion in the responses is what they add to the first frame on clips that were not learnt from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gazekit.base import Data, Predictor, System

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BrainFlow", "MLPFlow", "RidgeFlow"]

INPUTS = ("response", "frame_features")
ALPHAS = tuple(10.0**k for k in range(-1, 7))


class _Decoder(Predictor):
    """Reads some of `INPUTS`, standardised by the training clips; flow [2, g, g] comes out.

    Args:
        facts: `voxels`, `frame_features` and `flow_size` (width, height) of `datasets.motion_responses`.
        inputs: which of "response" and "frame_features" it reads.
        shuffled: responses of training clips are those of other clips: a control that must not help.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self, facts: Mapping[str, Any] | None, inputs: Sequence[str] = INPUTS, shuffled: bool = False
    ) -> None:
        super().__init__(facts)
        if not inputs or set(inputs) - set(INPUTS):
            raise ValueError(f"inputs must be some of {', '.join(INPUTS)}, got {list(inputs)}")
        self.inputs, self.shuffled = [name for name in INPUTS if name in inputs], shuffled
        sizes = {"response": "voxels", "frame_features": "frame_features"}
        self.width = sum(int(self.facts.get(sizes[name], 1)) for name in self.inputs)
        self.flow_size = tuple(self.facts.get("flow_size", (1, 1)))
        self.register_buffer("mean", torch.full((self.width,), torch.nan))
        self.register_buffer("spread", torch.full((self.width,), torch.nan))

    @property
    def about(self) -> str:
        words = {"response": "responses", "frame_features": "features of the first frame"}
        told = " and ".join(words[name] for name in self.inputs)
        more = ", with responses of other clips in training" if self.shuffled else ""
        return f"{self.kind} from {told} to flow{more}."

    def read(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """[n, width] standardised."""
        x = torch.cat([arrays[name] for name in self.inputs], 1)
        return (x - self.mean) / self.spread

    def fit(self, data: Data) -> None:
        """Learn from the training part, and choose by the validation part where there is something to choose."""
        train, val = (data.arrays(part)._asdict() for part in ("train", "val"))
        if self.shuffled:
            order = torch.randperm(len(train["response"]), generator=torch.Generator().manual_seed(data.seed))
            train["response"] = train["response"][order]
        x = torch.cat([train[name] for name in self.inputs], 1)
        self.mean.copy_(x.mean(0))
        self.spread.copy_(x.std(0).clamp(min=1e-6))
        self.learn(
            self.read(train), train["true_flow"].flatten(1), self.read(val), val["true_flow"].flatten(1)
        )

    def learn(self, x: Tensor, y: Tensor, val_x: Tensor, val_y: Tensor) -> None:
        raise NotImplementedError

    def decode(self, x: Tensor) -> Tensor:
        """[n, 2 g g] of standardised inputs [n, width]."""
        raise NotImplementedError

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`flow` [B, 2, g, g]."""
        width, height = self.flow_size
        return {"flow": self.decode(self.read(batch)).unflatten(1, (2, height, width))}


class RidgeFlow(_Decoder):
    """Ridge regression; u and v of each cell have their own penalties, chosen by five folds of the training clips."""

    kind = "Ridge regression"

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        inputs: Sequence[str] = INPUTS,
        shuffled: bool = False,
    ) -> None:
        super().__init__(facts, inputs, shuffled)
        cells = 2 * self.flow_size[0] * self.flow_size[1]
        self.register_buffer("weight", torch.full((self.width, cells), torch.nan))
        self.register_buffer("intercept", torch.full((cells,), torch.nan))

    def learn(self, x: Tensor, y: Tensor, val_x: Tensor, val_y: Tensor) -> None:
        from gazekit.brain import ridge_cv

        found = ridge_cv(x, y, ALPHAS)
        self.weight.copy_(found.weight)
        self.intercept.copy_(found.intercept)

    def decode(self, x: Tensor) -> Tensor:
        return torch.addmm(self.intercept, x, self.weight)


class MLPFlow(_Decoder):
    """A net with one hidden layer, trained on absolute errors; the best step of the validation clips is kept.

    Args:
        hidden: units; dropout: of inputs and hidden units.
        steps: of Adam with 128 clips each; lr: its rate, lowered to 0 along a cosine.
    """

    kind = "A net with one hidden layer"

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        inputs: Sequence[str] = INPUTS,
        shuffled: bool = False,
        hidden: int = 256,
        dropout: float = 0.3,
        steps: int = 600,
        lr: float = 1e-3,
    ) -> None:
        super().__init__(facts, inputs, shuffled)
        self.steps, self.lr = steps, lr
        cells = 2 * self.flow_size[0] * self.flow_size[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = nn.Sequential(
                nn.Dropout(dropout), nn.Linear(self.width, hidden), nn.GELU(),
                nn.Dropout(dropout), nn.Linear(hidden, cells),
            )  # fmt: skip

    def learn(self, x: Tensor, y: Tensor, val_x: Tensor, val_y: Tensor) -> None:
        optimizer = torch.optim.AdamW(self.net.parameters(), lr=self.lr, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        best, kept = float("inf"), self.net.state_dict()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for step in range(self.steps):
                self.net.train()
                chosen = torch.randint(len(x), (min(len(x), 128),))
                loss = (self.net(x[chosen]) - y[chosen]).abs().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                if step % 20 == 19 or step == self.steps - 1:
                    self.net.eval()
                    with torch.no_grad():
                        error = float((self.net(val_x) - val_y).abs().mean())
                    if error < best:
                        best, kept = error, {k: v.clone() for k, v in self.net.state_dict().items()}
        self.net.load_state_dict(kept)

    def decode(self, x: Tensor) -> Tensor:
        return self.net(x)


class BrainFlow(System):
    """Ridge regression from responses and the first frame to flow: the decoder whose gain over the frame is asked for.

    Args:
        facts: see `RidgeFlow`.
        inputs: which of "response" and "frame_features" it reads.
    """

    def __init__(self, facts: Mapping[str, Any] | None = None, inputs: Sequence[str] = INPUTS) -> None:
        super().__init__(facts)
        self.decoder = RidgeFlow(facts, inputs)

    def fit(self, data: Data) -> None:
        """In closed form, on the training clips."""
        self.decoder.fit(data)

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`flow` [B, 2, g, g], px per frame."""
        return self.decoder.predict(batch, generator, samples)

    def records(self, items: list[Any], said: Mapping[str, Any]) -> dict[str, Any]:
        """Flow of each cell, one clip a line: u of all cells by rows of the picture, then v."""
        from gazekit.base.records import table_of

        return {"flow.csv": table_of(items, {"flow": said["flow"].flatten(1)})}

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Some clips of the scored part with their true flow and what every decoder says."""
        from gazekit.models.motion_energy.decoding_figure import decoding_figure

        decoders = {k: row for k, row in self.baselines.items() if isinstance(row, RidgeFlow)}
        return {
            "decoded": decoding_figure({(self.recipe or {}).get("name", "decoder"): self} | decoders, data)
        }
