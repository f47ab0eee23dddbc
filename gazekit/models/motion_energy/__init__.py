"""Trainable motion energy with recurrent attention, judged by true flow and by what people perceive."""

from gazekit.models.motion_energy.baselines import Farneback, MeanFlow, ZeroFlow
from gazekit.models.motion_energy.flow_scores import FlowScores
from gazekit.models.motion_energy.system import MotionEnergyFlow
from gazekit.models.motion_energy.true_flow import TrueFlow

__all__ = ["Farneback", "FlowScores", "MeanFlow", "MotionEnergyFlow", "TrueFlow", "ZeroFlow"]
