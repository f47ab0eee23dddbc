"""CLIP's vision side (Radford et al. 2021), by the package transformers (`CLIPVisionModelWithProjection`)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from gazekit.backbones.backbone import Layer, Net
from gazekit.transformers_package import import_transformers

__all__ = ["ClipVision"]


class ClipVision(Net):
    """Layers "block{i}" and "block{i}.class" from 0 (without a norm), "projected" (patch tokens normed and projected
    into the space of texts) and "embedding" (the picture in that space, not of unit length).

    The size is fixed. Pictures are prepared as `CLIPImageProcessorPil` of transformers does.

    Args:
        width, depth, heads, patch_px, size_px: of the transformer.
        projection: width of the space shared with texts.
    Raises:
        ImportError: transformers is not installed.
    """

    def __init__(
        self, width: int, depth: int, heads: int, patch_px: int, projection: int, size_px: int = 224
    ):
        super().__init__()
        transformers = import_transformers()
        config = transformers.CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=depth,
            num_attention_heads=heads,
            patch_size=patch_px,
            image_size=size_px,
            projection_dim=projection,
        )
        self.model = transformers.CLIPVisionModelWithProjection(config)
        patches, vector = Layer(width, patch_px), Layer(width, None)
        self.grid = size_px // patch_px
        self.layers = {}
        for i in range(depth):
            self.layers |= {f"block{i}": patches, f"block{i}.class": vector}
        self.layers |= {"projected": Layer(projection, patch_px), "embedding": Layer(projection, None)}

    def _map(self, tokens: Tensor) -> Tensor:
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (self.grid, self.grid))

    def walk(self, images: Tensor, halve: None = None) -> Iterator[tuple[str, Tensor]]:
        said = self.model(pixel_values=images, output_hidden_states=True)
        for i, x in enumerate(said.hidden_states[1:]):
            yield f"block{i}", self._map(x)
            yield f"block{i}.class", x[:, 0]
        norm = self.model.vision_model.post_layernorm
        yield "projected", self._map(self.model.visual_projection(norm(said.last_hidden_state)))
        yield "embedding", said.image_embeds

    @staticmethod
    def translate(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of a whole CLIP only the vision side is taken."""
        ours = ("vision_model.", "visual_projection.")
        return {
            f"model.{name}": x
            for name, x in state.items()
            if name.startswith(ours) and "position_ids" not in name
        }
