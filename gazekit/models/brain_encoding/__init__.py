"""Encoders of brain responses on frozen features of pictures."""

from gazekit.models.brain_encoding.fitting import History, fit_readout, masked_r, seeded
from gazekit.models.brain_encoding.folds import FoldComparison, HeldOut, inner_folds
from gazekit.models.brain_encoding.nested_rows import NestedEncoder, NestedReadout, NestedRidge
from gazekit.models.brain_encoding.readouts import FactorisedReadout, LinearReadout, Readout
from gazekit.models.brain_encoding.readouts_attention import AttentionReadout, sine_positions
from gazekit.models.brain_encoding.readouts_points import (
    GaussianReadout,
    SpatialTransformerReadout,
    bilinear_places,
)
from gazekit.models.brain_encoding.readouts_pools import FeatureWeightedRF, gaussian_pools
from gazekit.models.brain_encoding.rows import BandedRidgeRow, ReadoutRow, RidgeRow
from gazekit.models.brain_encoding.system import BrainEncoding
from gazekit.models.brain_encoding.transformer import TransformerEncoder

__all__ = [
    "AttentionReadout",
    "BandedRidgeRow",
    "BrainEncoding",
    "FactorisedReadout",
    "FeatureWeightedRF",
    "FoldComparison",
    "GaussianReadout",
    "HeldOut",
    "History",
    "LinearReadout",
    "NestedEncoder",
    "NestedReadout",
    "NestedRidge",
    "Readout",
    "ReadoutRow",
    "RidgeRow",
    "SpatialTransformerReadout",
    "TransformerEncoder",
    "bilinear_places",
    "fit_readout",
    "gaussian_pools",
    "inner_folds",
    "masked_r",
    "seeded",
    "sine_positions",
]
