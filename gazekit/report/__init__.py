"""Figures and pages that show what was measured."""
