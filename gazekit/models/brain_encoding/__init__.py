"""Encoders of brain responses on frozen features of pictures."""
