"""The glimpse prediction network: from the glimpses so far, and perhaps the coming saccade, to the next glimpse.

Source: arXiv 2511.12715 and its released code (MIT); sizes and defects of the release in the room's README.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["CAPTION_SIZE", "HEADS", "VARIANTS", "GatedStack", "GlimpseNet"]

VARIANTS = {"B": (False, False), "S": (False, True), "R": (True, False), "RS": (True, True)}
"""Name to whether it has memory and whether it is told the coming saccade."""
CAPTION_SIZE = 768
HEADS = ("glimpse", "caption", "category", "location")


class GatedStack(nn.Module):
    """The control of the LSTM without recurrence: layers of gates that see the present input only.

    Gates i, g, o of a linear map of the input; c = sigmoid(i) tanh(g), h = sigmoid(o) tanh(c). As in the release the
    map also has the rows of a forget gate, which nothing uses, so that the parameters of a layer are as many as those
    of one of the LSTM's input maps.

    Args:
        width: of input and output.
        layers, dropout: between layers, as of `nn.LSTM`.
    """

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(layers))
        self.dropout = dropout

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """[B, T, n] to the last layer's output and those of all layers."""
        each = []
        for k, gates in enumerate(self.maps):
            if k:
                x = F.dropout(x, self.dropout, self.training)
            i, _, g, o = gates(x).chunk(4, -1)
            x = o.sigmoid() * (i.sigmoid() * g.tanh()).tanh()
            each.append(x)
        return x, each


class GlimpseNet(nn.Module):
    """Reads glimpses one by one and predicts what comes next, at every step.

    e_t = ReLU(LN(W_a x_t)), s_t = ReLU(LN(W_s d_t)), u_t = [e_t ; s_t], z_t = LN(LSTM(u)_t),
    prediction = LN(W_2 ReLU(LN(W_1 z_t))).

    Args:
        size: D of the embeddings of glimpses.
        variant: "B", "S", "R" or "RS": R has an LSTM instead of `GatedStack`, S is told the coming saccade (the others
            get 0 in its place).
        heads: what is predicted, of `HEADS`.
        categories: number of labels of the head "category".
        hidden: n; layers: of the LSTM.
        dropout_in, dropout: of embeddings, and between layers.
        residual: predict the difference from the present glimpse, both after the mean of training glimpses is
            subtracted, at first 0; not in the source.
        saccade_scale_px: saccades are divided by it. The source feeds pixels (1).

    Attributes:
        mean: [D] of training glimpses; set by the fit, 0 before.
    """

    def __init__(
        self,
        size: int,
        variant: str = "RS",
        heads: Sequence[str] = ("glimpse",),
        categories: int = 91,
        hidden: int = 1024,
        layers: int = 3,
        dropout_in: float = 0.1,
        dropout: float = 0.1,
        residual: bool = False,
        saccade_scale_px: float = 1.0,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
        self.recurrent, self.saccades = VARIANTS[variant]
        self.read_in = GlimpseInput(size, hidden, dropout_in, saccade_scale_px)
        inner = dropout if layers > 1 else 0.0
        self.core: nn.Module = (
            nn.LSTM(hidden, hidden, layers, batch_first=True, dropout=inner)
            if self.recurrent
            else GatedStack(hidden, layers, inner)
        )
        self.norm = nn.LayerNorm(hidden)
        self.heads = heads_of(heads, hidden, size, categories)
        self.residual = residual
        self.register_buffer("mean", torch.zeros(size))
        initialise(self)
        if residual and "glimpse" in self.heads:
            nn.init.zeros_(self.heads["glimpse"][-1].weight)

    def forward(self, glimpse: Tensor, saccade_px: Tensor) -> dict[str, Tensor]:
        """What is predicted after each glimpse, by head; and `state` [B, T, n], the normalised output of the core.

        Args:
            glimpse: [B, T, D] embeddings; saccade_px: [B, T, 2] to the next fixation.
        """
        x = glimpse - self.mean
        joint = self.read_in(x, saccade_px if self.saccades else torch.zeros_like(saccade_px))
        state = self.norm(self.core(joint)[0])
        said = {name: head(state) for name, head in self.heads.items()}
        if "glimpse" in said:
            said["glimpse"] = said["glimpse"] + (x if self.residual else 0.0)
        return {"state": state, **said}

    def layers(self, glimpse: Tensor, saccade_px: Tensor) -> dict[str, Tensor]:
        """[B, T, n] what every layer says: `glimpse`, `joint`, `hidden1` ..., `state`, `head`, `prediction`."""
        x = glimpse - self.mean
        joint = self.read_in(x, saccade_px if self.saccades else torch.zeros_like(saccade_px))
        found = {"glimpse": glimpse, "joint": joint}
        if self.recurrent:
            each = self._unrolled(joint)
        else:
            each = self.core(joint)[1]
        found |= {f"hidden{k + 1}": h for k, h in enumerate(each)}
        state = self.norm(each[-1])
        found |= {"state": state}
        if "glimpse" in self.heads:
            head = self.heads["glimpse"]
            found |= {"head": head[:3](state), "prediction": head(state) + (x if self.residual else 0.0)}
        return found

    def _unrolled(self, joint: Tensor) -> list[Tensor]:
        """The output of each layer of the LSTM, which torch gives of the last one only; without dropout."""
        each = []
        for k in range(self.core.num_layers):
            size = joint.shape[2]
            with torch.random.fork_rng(devices=[]):  # its start is overwritten
                single = nn.LSTM(size, size, batch_first=True).to(joint)
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            single.load_state_dict({f"{name}_l0": getattr(self.core, f"{name}_l{k}") for name in names})
            joint = single(joint)[0]
            each.append(joint)
        return each


class GlimpseInput(nn.Module):
    """Glimpse and saccade as one vector of `hidden` numbers, half from each."""

    def __init__(self, size: int, hidden: int, dropout: float, saccade_scale_px: float) -> None:
        super().__init__()
        self.dropout, self.scale = nn.Dropout(dropout), saccade_scale_px
        self.glimpse = nn.Sequential(nn.Linear(size, hidden // 2), nn.LayerNorm(hidden // 2), nn.ReLU())
        self.saccade = nn.Sequential(nn.Linear(2, hidden // 2), nn.LayerNorm(hidden // 2), nn.ReLU())

    def forward(self, glimpse: Tensor, saccade_px: Tensor) -> Tensor:
        return torch.cat([self.glimpse(self.dropout(glimpse)), self.saccade(saccade_px / self.scale)], -1)


def heads_of(names: Sequence[str], hidden: int, size: int, categories: int) -> nn.ModuleDict:
    """Two linear maps with a layer norm between; embeddings are normalised again, labels and places are not.

    Raises:
        ValueError: an unknown head, or none.
    """
    sizes = {"glimpse": size, "caption": CAPTION_SIZE, "category": categories, "location": 2}
    unknown = [name for name in names if name not in sizes]
    if unknown or not names:
        raise ValueError(f"heads must be some of {', '.join(HEADS)}, got {', '.join(names) or 'none'}")
    inner = hidden // 3

    def head(name: str) -> nn.Sequential:
        first = [nn.Linear(hidden, inner), nn.LayerNorm(inner), nn.ReLU(), nn.Linear(inner, sizes[name])]
        return nn.Sequential(*first, *([nn.LayerNorm(sizes[name])] if name in ("glimpse", "caption") else []))

    return nn.ModuleDict({name: head(name) for name in names})


def initialise(net: nn.Module) -> None:
    """Xavier's uniform weights for linear maps, no bias; an LSTM keeps torch's start."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
