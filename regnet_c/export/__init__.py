"""Networks in other forms: C, ONNX, PyTorch; and networks from elsewhere."""

from .c import to_c

__all__ = ["to_c"]
