"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import apply
from ..core.op import Op
from ..core.tensor import Tensor
from . import declare

sin = declare.unary("sin", np.sin, lambda t, x: t * cos(x), doc="The sine of ``input`` (radians), elementwise.")
cos = declare.unary("cos", np.cos, lambda t, x: -t * sin(x), doc="The cosine of ``input`` (radians), elementwise.")
tanh = declare.unary("tanh", np.tanh, lambda t, out: t * (1.0 - out * out), doc="The hyperbolic tangent of ``input``, elementwise.")

__all__ = ["cos", "sin", "tanh"]
