"""Operators shared by all models, one package each: `reference.py` is plain torch, the public function
checks.

The folder is imported as `gazekit.kernels`. Importing it by its folder name would load every operator a
second time under another name, so it raises an error.
"""

if __name__ != "gazekit.kernels":
    raise ImportError(f"import gazekit.kernels, not {__name__!r}: this folder is part of gazekit")
