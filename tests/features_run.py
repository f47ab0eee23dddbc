"""`python tests/features_run.py FOLDER WEIGHTS COUNT`: features of generated pictures; prints the peak memory in MB.

A process of its own, to be killed and to be measured.
"""

import resource
import sys
from collections.abc import Sequence

import numpy as np
import torch

from gazekit.backbones import load_backbone
from gazekit.features import BackboneExtractor, extract


class Pictures(Sequence):
    """Noise of 64 x 64 pixels, made when it is asked for."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        image = np.random.default_rng(i).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        return {"key": f"noise{i:05d}", "image": image}


def main(folder, weights, count):
    torch.set_num_threads(1)
    backbone = load_backbone("squeezenet1_0", weights, layers=["fire5"], size_px=(64, 64))
    extract(
        BackboneExtractor(backbone, "float16"),
        Pictures(int(count)),
        folder,
        data=f"noise, {count} pictures",
        shard_rows=250,
        batch_size=50,
        progress=False,
    )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
