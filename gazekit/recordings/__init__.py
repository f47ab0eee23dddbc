"""Eye-tracker recordings: reading, quality, events, areas of interest, and conversion to mne.

    >>> from gazekit.recordings import IVT, Recording
    >>> recording = Recording.open("session1.asc", screen=Screen(1024, 768, 38.0, 60.0))  # doctest: +SKIP
    >>> events = IVT().detect(recording.gaze(), recording.screen)  # doctest: +SKIP

`gazekit.recordings.aoi` covers areas of interest, `.plots` figures, `.video` the scene video, `.scanpaths`
trials and `.eeg` mne; import each one separately.
"""

from __future__ import annotations

from gazekit.errors import RecordingError
from gazekit.geometry import Screen
from gazekit.recordings.camera import SceneCamera
from gazekit.recordings.detectors import IDT, IVT, AdaptiveVelocity, Blinks, Microsaccades, Pursuit
from gazekit.recordings.find import find_recordings
from gazekit.recordings.quality import gaze_quality, quality
from gazekit.recordings.recording import Gaze, Recording, event_table
from gazekit.recordings.velocity import velocity_dva_s

__all__ = [
    "IDT",
    "IVT",
    "AdaptiveVelocity",
    "Blinks",
    "Gaze",
    "Microsaccades",
    "Pursuit",
    "Recording",
    "RecordingError",
    "SceneCamera",
    "Screen",
    "event_table",
    "find_recordings",
    "gaze_quality",
    "quality",
    "velocity_dva_s",
]
