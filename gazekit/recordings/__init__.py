"""Recordings of eye trackers: reading, quality, events, areas of interest, and the way to mne.

>>> from gazekit.recordings import IVT, Recording
>>> recording = Recording.open("session1.asc")                       # doctest: +SKIP
>>> fixations = IVT().detect(recording.gaze(), recording.screen)     # doctest: +SKIP
"""

from __future__ import annotations
