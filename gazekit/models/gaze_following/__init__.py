"""Gaze following: where the people in a picture look, and whether their target is in the frame."""
