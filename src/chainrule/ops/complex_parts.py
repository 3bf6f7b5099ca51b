"""Complex numbers: their parts, conjugates, sizes and angles.

These are linear over the real numbers, or not holomorphic at all, so their rules are written as transposes (with
PyTorch's convention: the gradient of a real L is ∂L/∂re + i ∂L/∂im) and not as complex derivatives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import apply
from ..core.batching import aligned, same
from ..core.dtype import FLOAT, bfloat16, bool_, dtype
from ..core.inplace import inplace_of
from ..core.naming import argument_error
from ..core.op import Op
from ..core.tensor import Tensor
from . import declare
from .arithmetic import zero
from .compare import where
from .rounding import abs_real, signs
from .slicing import selected
from .structure import sum_to
from .trig import cos, sin

# -- views ---------------------------------------------------------------------------------------------------------------


def _pairs(x: Any) -> Any:
    return x[..., None].view(f"f{x.dtype.itemsize // 2}")


def _from_pairs(x: Any) -> Any:
    if x.strides[-1] != x.dtype.itemsize:
        x = np.ascontiguousarray(x)
    return x.view(f"c{2 * x.dtype.itemsize}")[..., 0]


_as_real = Op("view_as_real", _pairs, kind="view", vjp=[lambda g: _as_complex(g)], batch=same)
_as_complex: Op = Op("view_as_complex", _from_pairs, kind="view", vjp=[lambda g: _as_real(g)], batch=same)


@declare.method
def view_as_real(input: Tensor) -> Tensor:
    """A view of a complex tensor as real numbers, with a last dimension of size 2 (real, imaginary).

    RuntimeError for real tensors.
    """
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    result: Tensor = _as_real(input)
    return result


@declare.method
def view_as_complex(input: Tensor) -> Tensor:
    """A view of a real tensor whose last dimension, of size 2 and stride 1, is (real, imaginary).

    RuntimeError for other dtypes, sizes and strides.
    """
    kind = input.dtype
    if kind.category != FLOAT or kind is bfloat16:
        raise RuntimeError(
            f"view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: {kind.scalar_name}"
        )
    kind.to_complex().np  # noqa: B018  TypeError: half precision has no complex storage
    if input.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    stride = input.stride()
    if stride[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(s % 2 for s in stride[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    result: Tensor = _as_complex(input)
    return result


def real(input: Tensor) -> Tensor:
    """The real part: a view of a complex tensor, a real tensor itself."""
    return selected(_as_real(input), input.ndim, 0) if input.dtype.is_complex else input


def imag(input: Tensor) -> Tensor:
    """The imaginary part, a view.  RuntimeError for real tensors."""
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return selected(_as_real(input), input.ndim, 1)


def _write_real(self: Tensor, value: Any) -> None:
    real(self).copy_(value)


def _write_imag(self: Tensor, value: Any) -> None:
    imag(self).copy_(value)


declare.attach(property(real, _write_real), "real")
declare.attach(property(imag, _write_imag), "imag")

# -- conjugates ----------------------------------------------------------------------------------------------------------

conjugate: Op = Op("conj", np.conj, kind="linear", vjp=[lambda g: conjugate(g)], batch=same)
_conjugate_copy = Op("conj_physical", np.conj, kind="linear", vjp=[lambda g: conjugate(g)], batch=same)


@declare.method
def conj(input: Tensor) -> Tensor:
    """The complex conjugate (a new tensor); a real tensor itself."""
    result: Tensor = conjugate(input) if input.dtype.is_complex else input
    return result


@declare.method
def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate as a new tensor; a real tensor itself."""
    result: Tensor = _conjugate_copy(input) if input.dtype.is_complex else input
    if out is not None:
        from ..core.outputs import write_out

        return write_out(out, result)  # type: ignore[no-any-return]
    return result


declare.attach(inplace_of(conj_physical, "conj_physical_"), "conj_physical_")


@declare.method
def resolve_conj(input: Tensor) -> Tensor:
    """``input``: conjugates are never put off."""
    return input


@declare.method
def resolve_neg(input: Tensor) -> Tensor:
    """``input``: negations are never put off."""
    return input


@declare.method
def is_conj(input: Tensor) -> bool:
    """False: conjugates are never put off."""
    return False


@declare.method
def is_neg(input: Tensor) -> bool:
    """False: negations are never put off."""
    return False


@declare.method
def isreal(input: Tensor) -> Tensor:
    """Whether the imaginary part is zero, elementwise; True for real dtypes."""
    if input.dtype.is_complex:
        result: Tensor = imag(input) == 0
        return result
    return input.new_ones(tuple(input.shape), dtype=bool_)


# -- sizes, directions, angles -------------------------------------------------------------------------------------------


def _along(direction: Any, t: Any) -> Any:
    """The component of ``t`` along the unit number ``direction``."""
    return (conjugate(direction) * t).real


def _ahead(tangents: Any, out: Any, args: Any, kw: Any) -> Any:
    return _along(_sgn_complex(args[0]), tangents[0])


_abs_complex = Op(
    "abs_complex", np.abs, kind="general", vjp=[lambda g, x: g * _sgn_complex(x)], jvp=_ahead, batch=same, node="AbsBackward0"
)


def _turned(t: Any, x: Any, out: Any) -> Any:
    # What changes the direction is the part of t across it; the map is its own transpose.
    size = _abs_complex(x)
    flat = size == 0
    return where(flat, 0, (t - out * _along(out, t)) / where(flat, 1, size))


_sgn_complex: Op = Op(
    "sgn_complex", signs, kind="general", vjp=[lambda g, x, out: _turned(g, x, out)], batch=same, node="SgnBackward0",
    jvp=lambda tangents, out, args, kw: _turned(tangents[0], args[0], out),
)  # fmt: skip
_sgn_real = declare.unary("sgn", signs, lambda t: zero(t), result="same", method=False)
_FLOATS = apply.FLOATS


@declare.method(inplace=True, aliases=("absolute",))
def abs(input: Any, *, out: Tensor | None = None) -> Any:
    """The absolute value, elementwise; real for complex tensors.  The derivative at 0 is 0.

    >>> import chainrule as torch
    >>> torch.abs(torch.tensor([-1.0, 2.0]))
    tensor([1., 2.])
    """
    if not isinstance(input, Tensor) or input._value.dtype in _FLOATS or not input.dtype.is_complex:
        return abs_real(input, out=out)
    return _of_complex(_abs_complex, input, out)


def _of_complex(op: Op, input: Tensor, out: Any) -> Any:
    result = op(input)
    if out is not None:
        from ..core.outputs import write_out

        return write_out(out, result)
    return result


absolute = abs
declare.attach(abs, "__abs__")


@declare.method(inplace=True)
def sgn(input: Any, *, out: Tensor | None = None) -> Any:
    """``input / abs(input)``, 0 at 0, elementwise: the sign of real numbers, the direction of complex ones."""
    if isinstance(input, Tensor) and input.dtype.is_complex:
        return _of_complex(_sgn_complex, input, out)
    return _sgn_real(input, out=out)


def _angle(x: Any) -> Any:
    return np.where(x != x, x, (x < 0) * x.dtype.type(math.pi))[()]


def _swept(x: Any) -> Any:
    """The direction in which the angle of ``x`` grows, over the distance: i x / |x|²; 0 at 0."""
    size = _abs_complex(x)
    flat = size == 0
    return where(flat, 0, x * 1j / where(flat, 1, size * size))


_angle_real = declare.unary("angle", _angle, lambda t: zero(t), method=False)
_angle_complex = Op(
    "angle_complex", np.angle, kind="general", vjp=[lambda g, x: g * _swept(x)], batch=same, node="AngleBackward0",
    jvp=lambda tangents, out, args, kw: _along(_swept(args[0]), tangents[0]),
)  # fmt: skip


@declare.method
def angle(input: Any, *, out: Tensor | None = None) -> Any:
    """The angle of complex numbers in radians, elementwise; 0 or π for real ones."""
    if isinstance(input, Tensor) and input.dtype.is_complex:
        return _of_complex(_angle_complex, input, out)
    return _angle_real(input, out=out)


# -- from parts ----------------------------------------------------------------------------------------------------------


def _from_parts(re: Any, im: Any) -> Any:
    r = np.empty(np.broadcast_shapes(re.shape, im.shape), f"c{2 * re.dtype.itemsize}")
    r.real = re
    r.imag = im
    return r[()]


_complex = Op(
    "complex", _from_parts, kind="linear", args="re im", batch=aligned,
    vjp=[lambda g, re_shape: sum_to(g.real, shape=tuple(re_shape)), lambda g, im_shape: sum_to(g.imag, shape=tuple(im_shape))],
)  # fmt: skip
_polar = Op(
    "polar", lambda size, angle: _from_parts(size * np.cos(angle), size * np.sin(angle)), kind="general", args="size angle", batch=aligned,
    vjp=[
        lambda g, angle, size_shape: sum_to(_along(_complex(cos(angle), sin(angle)), g), shape=tuple(size_shape)),
        lambda g, out, angle_shape: sum_to(_along(out * 1j, g), shape=tuple(angle_shape)),
    ],
)  # fmt: skip


def _of_two(op: Op, names: tuple[str, str], a: Tensor, b: Tensor, out: Any) -> Any:
    for position, (name, x) in enumerate(zip(names, (a, b), strict=True), 1):
        if not isinstance(x, Tensor):
            raise argument_error(op.name, name, "Tensor", x, position)
    kinds: list[dtype] = [a.dtype, b.dtype]
    if any(k.category != FLOAT or k is bfloat16 for k in kinds):
        raise RuntimeError(
            f"Expected both inputs to be Half, Float or Double tensors but got {kinds[0].scalar_name} and {kinds[1].scalar_name}"
        )
    if kinds[0] is not kinds[1]:
        raise RuntimeError(
            f"Expected object of scalar type {kinds[0].scalar_name} but got scalar type {kinds[1].scalar_name} for second argument"
        )
    kinds[0].to_complex().np  # noqa: B018  TypeError: half precision has no complex storage
    result = op(a, b)
    if out is not None:
        if out.dtype is not result.dtype:
            raise RuntimeError(
                f"Expected object of scalar type {result.dtype.scalar_name} but got scalar type {out.dtype.scalar_name} for argument 'out'"
            )
        from ..core.outputs import write_out

        return write_out(out, result)
    return result


def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Any:
    """``real + i imag``, elementwise and broadcast.  RuntimeError unless both are float32 or both float64."""
    return _of_two(_complex, ("real", "imag"), real, imag, out)


def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Any:
    """``abs * (cos(angle) + i sin(angle))``, elementwise and broadcast.  RuntimeError unless both have one float dtype."""
    return _of_two(_polar, ("abs", "angle"), abs, angle, out)


__all__ = [
    "abs",
    "absolute",
    "angle",
    "complex",
    "conj",
    "conj_physical",
    "imag",
    "is_conj",
    "is_neg",
    "isreal",
    "polar",
    "real",
    "resolve_conj",
    "resolve_neg",
    "sgn",
    "view_as_complex",
    "view_as_real",
]
