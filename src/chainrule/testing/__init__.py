"""What tests are written with (``torch.testing``): comparing results, and tensors of random values.

>>> import chainrule as torch
>>> torch.testing.assert_close(torch.tensor([0.1]) * 3, torch.tensor([0.3]))
"""

from __future__ import annotations

from .comparison import assert_allclose, assert_close
from .creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
