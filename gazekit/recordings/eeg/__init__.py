"""Co-registration of gaze and EEG with mne: one clock, and fixation-related potentials. Importing this loads mne."""

from __future__ import annotations

from gazekit.recordings.eeg.alignment import Alignment, align, trigger_times
from gazekit.recordings.eeg.frp import Deconvolution, fixation_design, fixation_epochs, frp_deconvolve
from gazekit.recordings.eeg.mne_bridge import from_mne, to_mne

__all__ = [
    "Alignment",
    "Deconvolution",
    "align",
    "fixation_design",
    "fixation_epochs",
    "from_mne",
    "frp_deconvolve",
    "to_mne",
    "trigger_times",
]
