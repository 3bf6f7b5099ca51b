"""`finfo` and `iinfo`: the numerical limits of a dtype."""

from __future__ import annotations

from typing import Any, NoReturn, final

import numpy as np

from .dtype import BOOL, FLOAT8, INT, as_dtype, bfloat16, defaults, dtype, float8_e5m2fnuz
from .naming import TorchNamed, closed, immutable

_UNSET: Any = object()


class _Info:
    """The shared half: read-only, equal by dtype, neither hashable nor picklable, as PyTorch has it."""

    __slots__ = ("bits", "dtype", "max", "min")

    bits: int
    dtype: str

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise immutable(type(self).__name__, name)

    def _fill(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Info) and type(other) is type(self) and self.dtype == other.dtype

    def __hash__(self) -> int:
        raise TypeError(f"unhashable type: 'torch.{type(self).__name__}'")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"cannot pickle 'torch.{type(self).__name__}' object")


@final
class finfo(_Info, metaclass=TorchNamed):
    """Limits of a floating-point dtype, the default one if none is given; of a complex dtype, those of its parts.

    TypeError for other dtypes.

    >>> import chainrule as torch
    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    __slots__ = ("eps", "resolution", "smallest_normal", "tiny")
    __module__ = "chainrule"

    min: float
    max: float
    eps: float
    resolution: float
    smallest_normal: float
    tiny: float

    def __init__(self, type: Any = _UNSET) -> None:
        of = defaults.floating if type is _UNSET else as_dtype(type, "finfo", "type", 1)
        if of.category <= INT:
            raise TypeError("torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'")
        real = of.to_real()
        limits = _limits(real)
        eps = 0.125 if real is float8_e5m2fnuz else float(limits.eps)  # PyTorch's; the spacing above 1 is 0.25
        self._fill(
            bits=real.itemsize * 8, dtype=real.name, min=float(limits.min), max=float(limits.max), eps=eps,
            smallest_normal=float(limits.smallest_normal), tiny=float(limits.smallest_normal), resolution=10.0 ** -_digits(real),
        )  # fmt: skip

    def __init_subclass__(cls, **kwargs: Any) -> NoReturn:
        raise closed("finfo")

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g},"
            f" smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


def _limits(real: dtype) -> Any:
    storage: Any = real.np
    if real is not bfloat16 and real not in FLOAT8:
        return np.finfo(storage)
    import ml_dtypes

    return ml_dtypes.finfo(storage)  # type: ignore[no-untyped-call]


def _digits(real: dtype) -> int:
    """How many decimal digits always survive a round trip; PyTorch counts none for every float8."""
    return {8: 0, 16: 2 if real is bfloat16 else 3, 32: 6, 64: 15}[real.itemsize * 8]


@final
class iinfo(_Info, metaclass=TorchNamed):
    """Limits of an integer dtype. TypeError for other dtypes.

    >>> import chainrule as torch
    >>> torch.iinfo(torch.uint8).max
    255
    """

    __slots__ = ()
    __module__ = "chainrule"

    min: int
    max: int

    def __init__(self, type: Any = _UNSET) -> None:
        if type is _UNSET:
            raise TypeError('iinfo() missing 1 required positional arguments: "type"')
        of = as_dtype(type, "iinfo", "type", 1)
        if of.category == BOOL:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if of.category != INT:
            raise TypeError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'")
        bits = of.itemsize * 8
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if of.is_signed else (0, 2**bits - 1)
        self._fill(bits=bits, dtype=of.name, min=low, max=high)

    def __init_subclass__(cls, **kwargs: Any) -> NoReturn:
        raise closed("iinfo")

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
