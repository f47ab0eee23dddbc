"""Trainable motion energy with recurrent attention, judged by true flow and by people; flow decoded from brains."""

from gazekit.models.motion_energy.baselines import Farneback, MeanFlow, ZeroFlow
from gazekit.models.motion_energy.decoding import BrainFlow, MLPFlow, RidgeFlow
from gazekit.models.motion_energy.flow_scores import FlowScores
from gazekit.models.motion_energy.system import MotionEnergyFlow
from gazekit.models.motion_energy.true_flow import TrueFlow

__all__ = [
    "BrainFlow",
    "Farneback",
    "FlowScores",
    "MLPFlow",
    "MeanFlow",
    "MotionEnergyFlow",
    "RidgeFlow",
    "TrueFlow",
    "ZeroFlow",
]
