"""Triton kernels are tested on the CPU in Triton's interpreter, which has to be asked for before they are made."""

from __future__ import annotations

import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
