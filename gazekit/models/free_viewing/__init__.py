"""Free viewing of pictures: a learned density of the next fixation on frozen features (the class of DeepGaze III)."""

from gazekit.models.free_viewing.system import FreeViewing

__all__ = ["FreeViewing"]
