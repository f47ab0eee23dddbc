"""OAT (Fang, Yu, Zhang, van der Lans, Shi; ECCV 2024, arXiv 2407.13335) with our additions.

Dataflow: every object becomes a token, appearance beside position, and so does the *target*, as one
additional token -> an encoder mixes them -> a causal decoder reads the objects fixated so far -> a multi-head dot
product between its state and the encoder's outputs is the distribution over the next object. Pointing at the target
token means STOP, so the head has no fixed size and scenes may hold any number of objects.

Beyond the paper, with `relation_bias`: what lies between the current object and each candidate (displacement,
distance, visited, last saccade, ...) biases the attention and the pointer. README.md lists all deviations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from gazekit.kernels.object_attention import DisplacementBias
from gazekit.kernels.pointer import pointer_log_prob
from gazekit.models.oat.appearance import NoAppearance
from gazekit.models.oat.layers import DecoderLayer, EncoderLayer
from gazekit.models.oat.position import DistanceEncoding, SinusoidEncoding, sinusoid
from gazekit.scanpaths.relations import RELATIONS, RelationState, relations
from gazekit.scene import SceneBatch, TrialBatch

__all__ = ["OATNet", "OATState"]

PAIR_SCALE = (1 / 4, 1 / 4, 1 / 4, 1.0, 1.0, 1.0)
"""Of dx, dy, distance, log distance and whether either end is the target's token: all inputs are about 1 then."""
SMALL_BIASES = 2**24  # numbers of all layers' biases that are made at once


@dataclass(frozen=True, eq=False)
class _Encoded:
    """A scene as the decoder sees it; B rows."""

    tokens: Tensor  # [B, N + 1, width] before the encoder; what past fixations are embedded as
    pointer_keys: Tensor  # [B, N + 1, H, width]
    scene_keys: tuple[tuple[Tensor, Tensor], ...]  # per decoder layer, (B, A, N + 1, D)
    present: Tensor  # [B, N + 1] bool, False on padding

    def __getitem__(self, rows: Tensor) -> _Encoded:
        keys = tuple((k[rows], v[rows]) for k, v in self.scene_keys)
        return _Encoded(self.tokens[rows], self.pointer_keys[rows], keys, self.present[rows])


@dataclass(frozen=True, eq=False)
class OATState:
    """n scanpaths of each of B scenes while they are generated."""

    encoded: _Encoded
    relation: RelationState
    past_keys: tuple[tuple[Tensor, Tensor], ...] | None  # per layer, (B n, A, t, D)
    output: Tensor  # [B, n, N + 1] log-probabilities of the next object

    def select(self, rows: Tensor) -> OATState:
        """Keep some of the B scenes."""
        b, n, _ = self.output.shape

        def pick(x: Tensor) -> Tensor:
            return x.unflatten(0, (b, n))[rows].flatten(0, 1)

        past = None if self.past_keys is None else tuple((pick(k), pick(v)) for k, v in self.past_keys)
        return OATState(self.encoded[rows], self.relation.select(rows), past, self.output[rows])


def _in_slices(network: nn.Module, features: Tensor, rows: int = 8192) -> Tensor:
    """Apply a network to the last dimension, `rows` rows at a time, so that their hidden units stay in the cache."""
    parts = [network(part) for part in features.flatten(0, -2).split(rows)]
    return torch.cat(parts).view(*features.shape[:-1], -1)


class OATNet(nn.Module):
    """The object-level attention transformer. Satisfies `ScanpathModel`; usable without Lightning or Hydra.

    Args:
        appearance: makes an appearance module of a given width: `CropAppearance`, `CategoryAppearance`
            (given the vocabulary's size) or `NoAppearance`.
        width: of a token, half appearance and half position; a multiple of 12 and of heads.
        encoder_layers, decoder_layers, heads, hidden, dropout: the transformer's sizes.
        pointer_heads: dot products that are mixed linearly into the score of an object.
        norm_first: norms before the sub-layers (trains faster) rather than after (the paper).
        position: "distance" (the paper's), "sinusoid", or "none".
        sigma: of the distance encoding, in objects.
        target_position: "known": the target token carries the target's place, as in the paper: how do people
            get there? "hidden": it carries its looks only: how do people find it?
        relation_bias: width of the network that turns relations into biases; 0 = the paper's architecture.
        landing: whether relations also start from where the eye landed, not only from the object's centre. In
            training half of the scanpaths are shown without, because generated ones have no landing points.
    """

    def __init__(
        self,
        appearance: Callable[[int], nn.Module] = NoAppearance,
        width: int = 96,
        encoder_layers: int = 2,
        decoder_layers: int = 2,
        heads: int = 4,
        hidden: int = 192,
        dropout: float = 0.2,
        pointer_heads: int = 2,
        norm_first: bool = True,
        position: Literal["distance", "sinusoid", "none"] = "distance",
        sigma: float = 2.0,
        target_position: Literal["known", "hidden"] = "known",
        relation_bias: int = 64,
        landing: bool = True,
    ) -> None:
        super().__init__()
        if target_position not in ("known", "hidden"):
            raise ValueError(f"target_position must be 'known' or 'hidden', got {target_position!r}")
        if position not in ("distance", "sinusoid", "none"):
            raise ValueError(f"position must be 'distance', 'sinusoid' or 'none', got {position!r}")
        if width % 12:
            raise ValueError(f"width must be a multiple of 12, got {width}")
        self.known = target_position == "known"
        self.width, self.heads, self.pointer_heads = width, heads, pointer_heads
        self.appearance = appearance(width // 2)
        self.landing = landing
        self.position = None
        if position != "none":
            self.position = (
                DistanceEncoding(width // 2, sigma)
                if position == "distance"
                else SinusoidEncoding(width // 2)
            )
        self.no_place = nn.Parameter(torch.randn(width // 2) * 0.02)  # the place of a token that has none
        self.no_target = nn.Parameter(torch.randn(width // 2) * 0.02)  # the looks of "nothing is searched"
        self.begin_looks = nn.Parameter(torch.randn(width // 2) * 0.02)  # the looks of "no fixation yet"
        sizes = (width, heads, hidden, dropout, norm_first)
        self.encoder = nn.ModuleList(EncoderLayer(*sizes) for _ in range(encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(*sizes) for _ in range(decoder_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) if norm_first else nn.Identity() for _ in range(2))
        self.pointer_query = nn.Linear(width, pointer_heads * width)
        self.pointer_key = nn.Linear(width, pointer_heads * width)
        self.mix = nn.Linear(pointer_heads, 1, bias=False)  # a bias would shift all scores alike
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.xavier_uniform_(parameter)
        self.drop = nn.Dropout(dropout)
        self.pair_bias = self.relation = None
        if relation_bias:
            self.pair_bias = nn.Sequential(
                nn.Linear(len(PAIR_SCALE), relation_bias),
                nn.GELU(),
                nn.Linear(relation_bias, encoder_layers * heads),
            )
            self.relation = nn.Sequential(
                nn.Linear(len(RELATIONS) + 2, relation_bias),
                nn.GELU(),
                nn.Linear(relation_bias, decoder_layers * heads + 1),
            )
            self.compare = nn.Linear(width // 2, width // 2, bias=False)

    # ------------------------------------------------------------------ tokens

    def _place(self, coordinates: Tensor, flag: Tensor) -> Tensor:
        """[..., 2] coordinates in objects and [...] flag to [..., width / 2]."""
        if self.position is None:
            return self.no_place.expand(*flag.shape, -1)
        return self.position(torch.cat([coordinates, flag[..., None]], -1))

    def _tokens(self, scenes: SceneBatch) -> Tensor:
        """[S, N + 1, width] tokens of the objects and of the target."""
        looks = self.appearance(scenes)
        coordinates = scenes.centres_px / scenes.spacing_px[:, None]
        rows = torch.arange(len(scenes), device=looks.device)
        searched = (scenes.target >= 0)[:, None]
        target = scenes.target.clamp(min=0)
        target_looks = torch.where(searched, looks[rows, target], self.no_target)
        one = torch.ones(len(scenes), device=looks.device)
        target_place = self._place(coordinates[rows, target], one) if self.known else self.no_place
        target_place = torch.where(searched, target_place, self.no_place)
        objects = torch.cat([looks, self._place(coordinates, torch.zeros_like(coordinates[..., 0]))], -1)
        return torch.cat([objects, torch.cat([target_looks, target_place], -1)[:, None]], 1)

    def _flagged(self, scenes: SceneBatch, tokens: Tensor, objects: Tensor) -> Tensor:
        """[B, R] fixated objects (-1 = before the first) to [B, R, width]; on the target the flag is 1."""
        b, r = objects.shape
        chosen = objects.clamp(min=0)[..., None]
        coordinates = (scenes.centres_px / scenes.spacing_px[:, None]).gather(1, chosen.expand(b, r, 2))
        start = (scenes.start_xy_px / scenes.spacing_px)[:, None].expand(b, r, 2)
        begun = (objects >= 0)[..., None]
        looks = tokens[..., : self.width // 2].gather(1, chosen.expand(b, r, self.width // 2))
        on_target = (objects == scenes.target[:, None]) & (objects >= 0)
        place = self._place(torch.where(begun, coordinates, start), on_target.to(coordinates))
        return torch.cat([torch.where(begun, looks, self.begin_looks), place], -1)

    # ----------------------------------------------------------------- encoder

    def encode(self, scenes: SceneBatch) -> _Encoded:
        """Mix the objects of each scene and make the keys that every step of every scanpath uses."""
        tokens = self._tokens(scenes)
        present = torch.cat([scenes.object_mask, torch.ones_like(scenes.object_mask[:, :1])], 1)
        x = self.drop(tokens)
        for layer, bias in zip(self.encoder, self._encoder_biases(scenes), strict=True):
            x = layer(x, bias, present)
        x = self.norms[0](x)
        pointer_keys = self.pointer_key(x).unflatten(-1, (self.pointer_heads, self.width))
        return _Encoded(tokens, pointer_keys, tuple(layer.scene.keys(x) for layer in self.decoder), present)

    def _encoder_biases(self, scenes: SceneBatch) -> list[Tensor | DisplacementBias | None]:
        """One per layer, from the displacement between every two tokens.

        The hidden units of all layers' networks are the same: they are made once where the biases are small enough
        to be kept, and in training, where dropout needs them whole.
        """
        if self.pair_bias is None:
            return [None] * len(self.encoder)
        places = scenes.centres_px / scenes.spacing_px[:, None]
        rows = torch.arange(len(scenes), device=places.device)
        target = places[rows, scenes.target.clamp(min=0)]
        places = torch.cat([places, target[:, None]], 1)
        placed = torch.cat(
            [torch.ones_like(scenes.object_mask), ((scenes.target >= 0) & self.known)[:, None]], 1
        )
        is_target = torch.zeros_like(places[..., :1])
        is_target[:, -1] = 1
        first, _, last = self.pair_bias
        weight1 = first.weight.T * first.weight.new_tensor(PAIR_SCALE)[:, None]
        bias = DisplacementBias(
            places, places, weight1, first.bias, last.weight.T, last.bias,
            query_features=is_target, key_features=is_target, query_placed=placed, key_placed=placed,
        )  # fmt: skip
        if self.training or math.prod(bias.shape) <= SMALL_BIASES:
            tokens = bias.shape[2]
            some = max(1, 8192 // (len(scenes) * tokens))  # rows whose hidden units stay in the cache
            made = [bias.rows(i, min(i + some, tokens)) for i in range(0, tokens, some)]
            return list(torch.cat(made, 2).split(self.heads, 1))
        heads = zip(last.weight.split(self.heads), last.bias.split(self.heads), strict=True)
        return [replace(bias, weight2=weight2.T, bias2=bias2) for weight2, bias2 in heads]

    # ----------------------------------------------------------------- decoder

    def _similarities(self, encoded: _Encoded, current: Tensor) -> Tensor:
        """[B, R, N + 1, 2] likeness of every candidate to the target and to the current object [B, R]."""
        valid = encoded.present[..., None].to(encoded.tokens)
        looks = encoded.tokens[..., : self.width // 2]
        looks = looks - (looks * valid).sum(1, keepdim=True) / valid.sum(1, keepdim=True)  # what sets apart
        looks = torch.nn.functional.normalize(self.compare(looks), dim=-1, eps=1e-3)
        alike = looks @ looks.transpose(1, 2)  # [B, N + 1, N + 1]
        b, r = current.shape
        to_current = alike.gather(1, current.clamp(min=0)[..., None].expand(b, r, alike.shape[2]))
        to_current = to_current.masked_fill((current < 0)[..., None], 0.0)
        return torch.stack([alike[:, -1:].expand_as(to_current), to_current], -1)

    def _decoder_biases(
        self, encoded: _Encoded, features: Callable[[], Tensor], current: Tensor
    ) -> tuple[list[Tensor | None], Tensor | None]:
        """A (B, A, R, N + 1) bias per layer, and [B, R, N + 1] for the pointer, from relations and looks.

        Args:
            features: gives [B, R, N + 1, F] relations; not called without a relation bias.
            current: [B, R] fixated object, -1 before the first.
        """
        if self.relation is None:
            return [None] * len(self.decoder), None
        inputs = torch.cat([features(), self._similarities(encoded, current)], -1)
        bias = _in_slices(self.relation, inputs).permute(0, 3, 1, 2)
        return list(bias[:, :-1].chunk(len(self.decoder), 1)), bias[:, -1]

    def _point(self, x: Tensor, encoded: _Encoded, bias: Tensor | None, at_start: Tensor | bool) -> Tensor:
        """[B, R, width] decoder outputs to [B, R, N + 1] log-probabilities."""
        query = self.pointer_query(self.norms[1](x)).unflatten(-1, (self.pointer_heads, self.width))
        present = encoded.present[:, :-1]
        return pointer_log_prob(query, encoded.pointer_keys, self.mix.weight[0], present, at_start, bias)

    def _gaze(self, batch: TrialBatch, scenes: SceneBatch) -> Tensor | None:
        """[B, T, 2] places, in px, that relations start from."""
        if not self.landing:
            return None
        if not self.training:
            return batch.xy_px
        centres = scenes.centres_px.gather(1, batch.objects[..., None].expand_as(batch.xy_px))
        shown = torch.rand(len(batch), 1, 1, device=centres.device) < 0.5
        return torch.where(shown, batch.xy_px, centres)

    def log_prob(self, batch: TrialBatch) -> Tensor:
        """[B, T + 1, N + 1], see `ScanpathModel`. Padding after a scanpath's end gives numbers without meaning."""
        scenes, encoded = batch.scenes[batch.scene_of_trial], self.encode(batch.scenes)[batch.scene_of_trial]
        b, t = batch.objects.shape
        device = batch.objects.device
        past = torch.cat([batch.objects.new_full((b, 1), -1), batch.objects], 1)
        time = torch.arange(t + 1, device=device)
        x = self._flagged(scenes, encoded.tokens, past) + sinusoid(time.float(), self.width)
        x = self.drop(x)
        features = partial(relations, scenes, batch.objects, self.known, self._gaze(batch, scenes))
        biases, pointer_bias = self._decoder_biases(encoded, features, past)
        for layer, keys, bias in zip(self.decoder, encoded.scene_keys, biases, strict=True):
            x = layer(x, keys, bias, encoded.present)
        return self._point(x, encoded, pointer_bias, time == 0)

    # -------------------------------------------------------------- generation

    def begin(self, scenes: SceneBatch, n: int) -> OATState:
        """See `ScanpathModel`. The scene is encoded once for its n scanpaths."""
        relation = RelationState.begin(scenes, n, self.known)
        return self._step(self.encode(scenes), relation, None)

    def next_log_prob(self, state: OATState) -> Tensor:
        return state.output

    def advance(self, state: OATState, chosen: Tensor) -> OATState:
        return self._step(state.encoded, state.relation.advance(chosen), state.past_keys)

    def _step(self, encoded: _Encoded, relation: RelationState, past_keys) -> OATState:
        scenes, time = relation.scenes, torch.tensor(float(relation.step), device=encoded.tokens.device)
        x = self.drop(self._flagged(scenes, encoded.tokens, relation.current) + sinusoid(time, self.width))
        biases, pointer_bias = self._decoder_biases(encoded, relation.features, relation.current)
        kept = []
        for index, layer in enumerate(self.decoder):
            past = None if past_keys is None else past_keys[index]
            x, keys = layer.step(x, past, encoded.scene_keys[index], biases[index], encoded.present)
            kept.append(keys)
        output = self._point(x, encoded, pointer_bias, relation.step == 0)
        return OATState(encoded, relation, tuple(kept), output)
