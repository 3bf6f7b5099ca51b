"""``Variable``, which has been the tensor itself since PyTorch 0.4."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor


class _VariableType(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableType):
    """``Variable(t, requires_grad=True)`` gives a tensor that shares the memory of ``t``."""

    def __new__(cls, data: Any, requires_grad: bool = False, volatile: bool | None = None) -> Any:
        t = data.detach()
        return t.requires_grad_(True) if requires_grad else t
