"""Forward mode with dual tensors in the user's hands (``torch.autograd.forward_ad``).

>>> import chainrule as torch
>>> import chainrule.autograd.forward_ad as fwAD
>>> with fwAD.dual_level():
...     x = fwAD.make_dual(torch.tensor(3.0), torch.tensor(1.0))
...     fwAD.unpack_dual(x * x).tangent
tensor(6.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.dual import TANGENT_SHAPE, split_dual
from ..core.dual import make_dual as _make_dual
from ..core.modes import MODES
from ..core.tensor import Tensor, wrap

_LEVELS: list[int] = []


class UnpackedDualTensor(NamedTuple):
    """``(primal, tangent)``; the tangent is None for a tensor that is not dual."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Open a level; its number counts from 0.  Raises RuntimeError when one is open: PyTorch has no nested ones."""
    if _LEVELS:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    MODES.depth += 1
    _LEVELS.append(MODES.depth)
    return len(_LEVELS) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level that was opened last."""
    if not _LEVELS:
        raise RuntimeError("Trying to exit a forward AD level but no level is currently active.")
    if level is not None and level != len(_LEVELS) - 1:
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created. This is not supported.")
    _LEVELS.pop()
    MODES.depth -= 1


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A dual tensor of a primal and a tangent of the same shape and dtype, both still differentiable.

    Raises RuntimeError outside of a level, and for a tangent that does not fit.
    """
    if not _LEVELS:
        raise RuntimeError("Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first.")
    if not (tensor.dtype.is_floating_point or tensor.dtype.is_complex):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {tensor.dtype}")
    if not (tangent.dtype.is_floating_point or tangent.dtype.is_complex):
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {tangent.dtype}")
    if tuple(tensor.shape) != tuple(tangent.shape):
        raise RuntimeError(TANGENT_SHAPE.format(list(tensor.shape), list(tangent.shape)))
    if tensor.dtype is not tangent.dtype:
        tangent = tangent.to(tensor.dtype)
    return _make_dual(_LEVELS[-1], tensor, tangent)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The primal and the tangent of a dual tensor."""
    if not _LEVELS:
        return UnpackedDualTensor(tensor, None)
    primal, tangent = split_dual(tensor, _LEVELS[-1])
    return UnpackedDualTensor(primal, tangent if tangent is None else wrap(tangent._value) if tangent._gn is None else tangent)


class dual_level:
    """``with dual_level():`` opens a level and closes it."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: Any) -> None:
        exit_dual_level()


class _set_fwd_grad_enabled:
    """Kept for programs that name it: forward mode is always available."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        pass
