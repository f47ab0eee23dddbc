"""Weights of the convolutions in an ONNX file, read without the onnx package. Nothing of the file is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gazekit.errors import DataError

__all__ = ["read_convolutions"]

# numbers of fields in onnx.proto
_GRAPH, _NODE, _INITIALIZER = 7, 1, 5
_NODE_INPUT, _NODE_OP = 1, 4
_DIMS, _TYPE, _NAME, _RAW = 1, 2, 8, 9
_FLOAT = 1


def read_convolutions(path: Path) -> dict[str, Tensor]:
    """`conv0.weight`, `conv0.bias`, `conv1.weight` ... in the order in which the graph computes them.

    Raises:
        DataError: not an ONNX file, or one whose convolutions have no single-precision weights of their own.
    """
    try:
        return dict(_convolutions(path.read_bytes()))
    except (IndexError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no ONNX file with the weights of convolutions: {error!r}") from error


def _convolutions(model: bytes) -> Iterator[tuple[str, Tensor]]:
    graph = _fields(next(iter(_fields(model)[_GRAPH])))
    weights = dict(_array(tensor) for tensor in graph[_INITIALIZER])
    nodes = [_fields(node) for node in graph[_NODE]]
    inputs = [[name.decode() for name in node[_NODE_INPUT]] for node in nodes if node[_NODE_OP] == [b"Conv"]]
    for k, (_, *names) in enumerate(inputs):
        for kind, name in zip(("weight", "bias"), names, strict=False):
            yield f"conv{k}.{kind}", weights[name]


def _array(tensor: bytes) -> tuple[str, Tensor | None]:
    """None for what is no array of floats, such as a shape."""
    parts = _fields(tensor)
    name = parts[_NAME][0].decode()
    if parts[_TYPE] != [_FLOAT] or _RAW not in parts:
        return name, None
    values = np.frombuffer(parts[_RAW][0], "<f4").reshape(parts.get(_DIMS, []))
    return name, torch.from_numpy(values.astype(np.float32))


def _fields(message: bytes) -> dict[int, list]:
    """Values of a protobuf message by the number of their field."""
    found: dict[int, list] = {}
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                if kind != 2:
                    raise ValueError(f"unknown kind {kind}")
                size, at = _varint(message, at)
            if at + size > len(message):
                raise ValueError("it was cut off")
            value, at = message[at : at + size], at + size
        found.setdefault(number, []).append(value)
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        shift, at = shift + 7, at + 1
        if byte < 128:
            return value, at
