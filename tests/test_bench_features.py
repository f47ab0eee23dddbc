"""`bench features`: both ways run, and give the same features."""

import numpy as np

import gazekit.bench.features as bench


def test_extract_gives_what_a_plain_loop_gives(tmp_path):
    sizes = bench.Sizes(pictures=(7,), side_px=32, batch_size=2, shard_rows=4)
    (case,) = bench.cases("cpu", sizes)
    case.run()
    assert case.run_reference().shape[:2] == (7, 512)
    backbone = bench.load_backbone("squeezenet1_0", "random", ["fire9"], size_px=(32, 32))
    rows = bench._Noise(7, 32)
    features = bench.extract(bench.BackboneExtractor(backbone), rows, tmp_path, batch_size=2, progress=False)
    np.testing.assert_array_equal(features.read("fire9"), bench.plain_loop(backbone, rows, 2))
