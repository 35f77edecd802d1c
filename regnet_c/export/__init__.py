"""Networks in other forms: C, ONNX, PyTorch; and networks from elsewhere."""

from __future__ import annotations

from .c import to_c
from .onnx import to_onnx
from .sklearn import from_sklearn
from .torch import from_torch, to_torch

__all__ = ["from_sklearn", "from_torch", "to_c", "to_onnx", "to_torch"]
