"""Elementwise application: the quick path for one and two arguments, and the general one with type promotion.

The quick path takes tensors of one floating dtype (and Python numbers) straight to NumPy; everything else, mixed
dtypes, interpreters' values, half precision, ``out=``, goes the general way.  The quick path's checks cost 0.1 µs: an
interpreter's value has itself as ``dtype``, so one look-up in a set tells all cases apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy import ndarray

from .dtype import FROM_NUMPY, defaults, dtype
from .floating_flags import IGNORE, enter, leave
from .inference import ACTIVE, mark
from .info import finfo
from .large import SMALL, computed, is_large, kernels
from .modes import UNUSUAL, recording
from .node import LEAF, next_order
from .op import Op, interpret, record, record_or_mark
from .promotion import result_dtype
from .rules import picker
from .size import broadcast_pair_error
from .tensor import Tensor, new, wrap
from .value import Value

FLOATS = frozenset({np.dtype("f4"), np.dtype("f8")})
NUMBERS = frozenset({np.dtype(c) for c in ("f4", "f8", "i1", "i2", "i4", "i8", "u1")})
_NATIVE = frozenset("biufc")
_F4 = np.dtype("f4")
_BOOL = np.dtype(bool)
WIDE_NUMBERS = frozenset({"mul", "div"})  # PyTorch rounds a number to half precision first, except here


def _quick_dtypes(op: Op) -> frozenset[Any]:
    """The dtypes that the quick path takes: NumPy's result is in PyTorch's dtype, and the operation accepts them."""
    return frozenset(d for d in (FLOATS if op.result == "float" or op.rules else NUMBERS) if _accepts(op, d))


def _quick_types(quick: frozenset[Any]) -> tuple[Any, Any, frozenset[Any]]:
    """The two scalar types that need no look at their dtype (a type is told apart in 15 ns, a dtype in 100), and the floats."""
    floats = quick & FLOATS
    return (np.float32, np.float64, floats) if floats == FLOATS else (None, None, floats)


def _accepts(op: Op, d: Any) -> bool:
    if op.check is not None:
        try:
            op.check(FROM_NUMPY[d], ())
        except (RuntimeError, NotImplementedError):
            return False
    return True


def unary(op: Op) -> Callable[..., Any]:
    """The public function of a one-argument elementwise operation: ``f(input, *, out=None)``, arrays welcome."""
    impl = op.impl
    rule_names = op.rule_names(0) if op.rules and op.rules[0] is not None else ()  # type: ignore[index]
    pick = picker(rule_names, ("x",))
    only_x, only_out = rule_names == ("x",), rule_names == ("out",)  # a tuple on the spot, not a call
    recordable = bool(op.rules)
    quick = _quick_dtypes(op)
    single, double, _floats = _quick_types(quick)
    cls: Any = None

    def apply(input: Any, *, out: Any = None) -> Any:
        nonlocal cls
        if not isinstance(input, Tensor):
            return impl(input) if isinstance(input, (np.ndarray, np.generic)) else refuse(op, "input", 1, input)
        v = input._value
        t = type(v)
        if (t is not single and t is not double and (t is not ndarray or v.dtype not in quick or v.size > SMALL)) or out is not None:
            plain = t is ndarray and out is None and v.dtype in quick
            return large_alike(op, (input,), (v,)) if plain else elementwise(op, (input,), out)
        token = enter(IGNORE)
        try:
            r = impl(v)
        finally:
            leave(token)
        result = new(Tensor)
        result._value = r
        gn = input._gn
        if gn is not None and recordable:
            if UNUSUAL:
                return record_or_mark(op, result, r, (v,), (input,), {})
            if cls is None:
                cls = op.node_class()
            node = new(cls)
            node.edges = (input if gn is LEAF else gn,)
            node.saved = (v,) if only_x else (r,) if only_out else pick(r, (v,), None, None)
            node.fit = None
            node.order = next_order()
            result._gn = node
        elif ACTIVE.threads:
            mark(result)
        return result

    op.quick = apply
    return _named(apply, op.name)


def unary_with(op: Op) -> Callable[..., Any]:
    """``f(input, kw, out=None)`` for a one-argument elementwise operation with metadata ``kw``."""
    impl = op.impl
    recordable = bool(op.rules)
    pick = picker(op.rule_names(0) if recordable else (), ("x",))
    quick = _quick_dtypes(op)
    single, double, _floats = _quick_types(quick)
    cls: Any = None

    def apply(input: Any, kw: dict[str, Any], out: Any = None) -> Any:
        nonlocal cls
        if not isinstance(input, Tensor):
            return impl(input, **kw) if isinstance(input, (np.ndarray, np.generic)) else refuse(op, "input", 1, input)
        v = input._value
        t = type(v)
        if (t is not single and t is not double and (t is not ndarray or v.dtype not in quick or v.size > SMALL)) or out is not None:
            return elementwise(op, (input,), out, _plain(kw))
        token = enter(IGNORE)
        try:
            r = impl(v, **kw)
        finally:
            leave(token)
        if (type(r) is not t or t is ndarray) and getattr(r, "dtype", None) is not v.dtype:
            return elementwise(op, (input,), None, _plain(kw))
        result = new(Tensor)
        result._value = r
        gn = input._gn
        if gn is not None and recordable:
            if UNUSUAL:
                return record_or_mark(op, result, r, (v,), (input,), kw)
            if cls is None:
                cls = op.node_class()
            node = new(cls)
            node.edges = (input if gn is LEAF else gn,)
            node.saved = pick(r, (v,), kw, None)
            node.fit = None
            node.order = next_order()
            result._gn = node
        elif ACTIVE.threads:
            mark(result)
        return result

    return _named(apply, op.name)


def binary(op: Op, *, operator: bool = False, reverse: bool = False, arrays: bool = False) -> Callable[..., Any]:
    """The public function of a two-argument elementwise operation, or (``operator``) the method behind an operator.

    An operator returns ``NotImplemented`` for an operand that it does not know; ``arrays`` are NumPy's.  ``reverse``
    swaps the operands.
    """
    impl = op.impl
    rules: Any = op.rules
    recordable = bool(rules)
    names = [op.rule_names(i) if recordable and rules[i] is not None else () for i in (0, 1)]
    pick_x, pick_y = (picker(n, ("x", "y")) for n in names)
    only_y, only_x = names[0] == ("y",), names[1] == ("x",)  # products: a tuple on the spot, not a call
    quick = _quick_dtypes(op)
    single, double, floats = _quick_types(quick)
    general = _general(op, operator, reverse, arrays)
    cls: Any = None

    def apply(input: Any, other: Any, *, out: Any = None) -> Any:
        nonlocal cls
        if reverse or out is not None or not (operator or isinstance(input, Tensor)):
            return general(input, other, out)
        xv = input._value
        t = type(xv)
        kind = type(other)
        if kind is float or kind is int:
            if t is not single and t is not double and (t is not ndarray or xv.dtype not in floats or xv.size > SMALL):
                plain = t is ndarray and xv.dtype in floats
                return large_elementwise(op, (input, other), (xv, other)) if plain else general(input, other, out)
            yv = other
            gy = fit = None
        elif isinstance(other, Tensor):
            yv = other._value
            gy = other._gn
            if t is type(yv) and (t is single or t is double):
                fit = None
            else:
                d = xv.dtype
                if d is not yv.dtype or d not in quick:
                    return general(input, other, out)
                fit = None if xv.shape == yv.shape else ((xv.shape, None), (yv.shape, None))
                if xv.size > SMALL or (fit is not None and yv.size > SMALL):
                    return (large_alike if fit is None else large_elementwise)(op, (input, other), (xv, yv))
        else:
            return general(input, other, out)
        token = enter(IGNORE)
        try:
            r = impl(xv, yv)
        except ValueError:
            raise broadcast_pair_error(xv.shape, yv.shape) from None
        finally:
            leave(token)
        result = new(Tensor)
        result._value = r
        gx = input._gn
        if (gx is not None or gy is not None) and recordable:
            if UNUSUAL:
                return record_or_mark(op, result, r, (xv, yv), (input, other), {}, fit)
            if cls is None:
                cls = op.node_class()
            node = new(cls)
            if gx is None:
                node.edges = (None, other if gy is LEAF else gy)
                node.saved = (None, (xv,) if only_x else pick_y(r, (xv, yv), None, None))
            elif gy is None:
                node.edges = (input if gx is LEAF else gx, None)
                node.saved = ((yv,) if only_y else pick_x(r, (xv, yv), None, None), None)
            else:
                node.edges = (input if gx is LEAF else gx, other if gy is LEAF else gy)
                values = (xv, yv)
                node.saved = ((yv,) if only_y else pick_x(r, values, None, None), (xv,) if only_x else pick_y(r, values, None, None))
            node.fit = fit
            node.order = next_order()
            result._gn = node
        elif ACTIVE.threads:
            mark(result)
        return result

    if not (operator or reverse):
        op.quick = apply
    return _named(apply, op.name)


def _general(op: Op, operator: bool, reverse: bool, arrays: bool) -> Callable[..., Any]:
    """What :func:`binary` does with operands that are not two tensors of a dtype, or a tensor and a number."""
    impl = op.impl

    def general(x: Any, y: Any, out: Any) -> Any:
        if reverse:
            x, y = y, x
        for position, operand in ((1, x), (2, y)):
            if not isinstance(operand, (Tensor, int, float, complex)):
                if isinstance(operand, (np.ndarray, np.generic)) and not isinstance(x if position == 2 else y, Tensor):
                    return impl(x, y)
                if isinstance(operand, np.generic):
                    continue
                if operator:
                    known = arrays and isinstance(operand, np.ndarray) and operand.dtype in FROM_NUMPY
                    return elementwise(op, (x, wrap(operand[()])), out) if known else NotImplemented
                return refuse(op, "input" if position == 1 else "other", position, operand)
        if not isinstance(x, Tensor) and not isinstance(y, Tensor):
            if isinstance(x, np.generic) or isinstance(y, np.generic):
                return impl(x, y)
            return refuse(op, "input", 1, x)
        return elementwise(op, (x, y), out)

    return general


def several(op: Op) -> Callable[..., Any]:
    """``f(args, kw=None, out=None)`` for an elementwise operation of several arguments, numbers and None among them."""
    impl = op.impl
    quick = _quick_dtypes(op)
    floats = quick & FLOATS
    no_keywords: dict[str, Any] = {}

    def apply(args: tuple[Any, ...], kw: dict[str, Any] = no_keywords, out: Any = None) -> Any:
        d: Any = None
        shape: Any = None
        tracked = fits = False
        values: list[Any] = []
        for a in args:
            if isinstance(a, Tensor):
                v = a._value
                if d is None:
                    d = v.dtype
                    shape = v.shape
                elif v.dtype is not d:
                    return elementwise(op, args, out, kw)
                elif v.shape != shape:
                    fits = True
                if a._gn is not None:
                    tracked = True
                values.append(v)
            elif a is None or type(a) is float or type(a) is int:
                values.append(a)
            else:
                d = None
                break
        if out is not None or d not in floats or is_large(*values):
            return elementwise(op, args, out, kw)
        token = enter(IGNORE)
        try:
            r = impl(*values, **kw)
        except ValueError as error:
            _raise_broadcast(args, error)
        finally:
            leave(token)
        result = wrap(r)
        if tracked and op.rules and recording():
            fit = [(v.shape, None) if isinstance(a, Tensor) else None for v, a in zip(values, args, strict=True)] if fits else None
            record(op, result, r, values, args, kw, "raw", fit)
        elif ACTIVE.threads:
            mark(result)
        return result

    return _named(apply, op.name)


def _plain(kw: dict[str, Any]) -> dict[str, Any]:
    """Keywords with Python's numbers for NumPy's, which would set the dtype of the result."""
    return {k: n.item() if isinstance(n, np.generic) else n for k, n in kw.items()}


def large_alike(op: Op, args: tuple[Any, ...], values: tuple[Any, ...]) -> Any:
    """:func:`large_elementwise` where the values are arrays of one shape: 2 µs less, a fifth of an addition of 100,000 numbers."""
    found = kernels()
    r = None if found is None else found.alike(op, values)
    if r is None:
        return large_elementwise(op, args, values)
    result = new(Tensor)
    result._value = r
    for a in args:
        if a._gn is not None and op.rules and recording():
            record(op, result, r, values, args, {}, "large")
            return result
    if ACTIVE.threads:
        mark(result)
    return result


def large_elementwise(op: Op, args: tuple[Any, ...], values: tuple[Any, ...]) -> Any:
    """The end of a quick path for large arrays.  ``values`` are arrays of one dtype, which it takes, and Python numbers."""
    token = enter(IGNORE)
    try:
        r = computed(op, values, {})
    except ValueError as error:
        _raise_broadcast(args, error)
    finally:
        leave(token)
    result = wrap(r)
    tracked = False
    for a in args:
        if isinstance(a, Tensor) and a._gn is not None:
            tracked = True
    if tracked and op.rules and recording():
        fits = any(type(v) is ndarray and v.shape != r.shape for v in values)
        fit = [(v.shape, None) if type(v) is ndarray else None for v in values] if fits else None
        record(op, result, r, values, args, {}, "large", fit)
    elif ACTIVE.threads:
        mark(result)
    return result


def _named(function: Any, name: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    named: Callable[..., Any] = function
    return named


def refuse(op: Op, argument: str, position: int, value: Any) -> Any:
    """The TypeError for an argument that is not a tensor."""
    from .naming import argument_error

    raise argument_error(op.name, argument, "Tensor", value, position)


def operand_dtypes(args: tuple[Any, ...], which: Any) -> dtype:
    """The dtype that the operands compute in, by PyTorch's promotion."""
    items: list[Any] = []
    for i, a in enumerate(args):
        if which is not None and i not in which:
            continue
        if isinstance(a, Tensor):
            items.append((a.dtype, a._value.ndim == 0))
        elif a is not None:
            items.append((a.item() if isinstance(a, np.generic) else a).__class__)
    return result_dtype(items)


def cast_scalar(value: Any, kind: dtype) -> Any:
    """A Python number as a NumPy scalar of ``kind``; integers wrap around as PyTorch's do.

    OverflowError for integers that 64 bits do not hold.
    """
    t = kind.np.type
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise OverflowError("int too big to convert")
    if kind.category == 1:
        info = np.iinfo(kind.np)
        span = int(info.max) - int(info.min) + 1
        return t((int(value) - int(info.min)) % span + int(info.min))
    return t(value)


_CPP = {"uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t"}


def fitting(value: Any, kind: dtype) -> Any:
    """A number that ``kind`` holds, as such; RuntimeError where integers or half precision do not hold it."""
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise OverflowError("int too big to convert")
    if kind.category == 1:
        high: float = int(np.iinfo(kind.np).max)
        low: float = int(np.iinfo(kind.np).min) or -high  # a negative number wraps around
    elif kind.category == 2 and kind.itemsize < 4 and abs(value) < float("inf"):
        high, low = finfo(kind).max, finfo(kind).min
    else:
        return value
    if value > high or value < low:
        raise RuntimeError(f"value cannot be converted to type {_CPP.get(kind.name, kind.cpp_name)} without overflow")
    return int(cast_scalar(value, kind)) if kind.category == 1 else value


def elementwise(op: Op, args: tuple[Any, ...], out: Any = None, kw: dict[str, Any] | None = None) -> Any:
    """Apply an elementwise operation with promotion to tensors, numbers and None.

    Half precision is computed in float32 and rounded once.  Raises RuntimeError where the shapes do not broadcast, in
    PyTorch's words.
    """
    kw = kw or {}
    if out is not None:
        from .outputs import write_out

        return write_out(out, elementwise(op, args, None, kw))
    tracked = False
    refused = True
    for a in args:
        if isinstance(a, Tensor):
            refused = False
            if a._gn is not None:
                tracked = True
            if isinstance(a._value, Value):
                return interpret(op, args, kw)
    if refused:
        return refuse(op, "input", 1, args[0])
    kind = operand_dtypes(args, op.promote)
    if op.result == "float" and kind.category < 2:
        kind = defaults.floating
    if op.check is not None:
        op.check(kind, args)
    target = kind.np
    token = enter(IGNORE)
    try:
        raws = _operands(op, args, kind)
        large = is_large(*raws)
        r = computed(op, raws, kw) if large else op.impl(*raws, **kw)
        r = _settle(r, _BOOL if op.result == "bool" else target)
    except ValueError as error:
        _raise_broadcast(args, error)
    finally:
        leave(token)
    result = wrap(r)
    if tracked and op.rules and recording():
        values = [a._value if isinstance(a, Tensor) else a for a in args]
        fit = [(v.shape, v.dtype) if isinstance(v, (np.ndarray, np.generic)) else None for v in values]
        variant = "complex" if target.kind == "c" or any(f is not None and f[1].kind == "c" for f in fit) else "large" if large else "raw"
        record(op, result, r, values, args, kw, variant, fit)
    elif ACTIVE.threads:
        mark(result)
    return result


Op.elementwise = staticmethod(elementwise)


def _operands(op: Op, args: tuple[Any, ...], kind: dtype) -> list[Any]:
    """The raw arguments in the dtype that the operation computes in."""
    target = kind.np
    narrow = op.opmath and kind.category == 2 and kind.itemsize < 4
    promote = op.promote
    raws = []
    for i, a in enumerate(args):
        if isinstance(a, Tensor):
            v = a._value
            if promote is None or i in promote:
                if v.dtype != target:
                    v = v.astype(target) if 0 not in v.strides else _cast_repeated(v, target)
                if narrow:
                    v = v.astype(_F4)
            raws.append(v)
        elif a is None or (promote is not None and i not in promote):
            raws.append(a)
        elif narrow:
            raws.append(_F4.type(a if op.name in WIDE_NUMBERS else cast_scalar(a, kind)))
        else:
            raws.append(cast_scalar(a, kind))
    return raws


def _cast_repeated(v: Any, target: Any) -> Any:
    """``astype`` that leaves repeated dimensions repeated, so the result's memory lies as that of other operations'."""
    once = v[tuple([slice(0, 1) if s == 0 else slice(None) for s in v.strides])]
    return np.broadcast_to(once.astype(target), v.shape)


def _settle(r: Any, target: Any) -> Any:
    """The result in the dtype that PyTorch gives; 0-d values of extension dtypes are arrays (their scalars do not mix)."""
    if not isinstance(r, (np.ndarray, np.generic)):
        return np.asarray(r, target)[()]
    if r.dtype != target:
        r = r.astype(target)
    if target.kind not in _NATIVE and not isinstance(r, np.ndarray):
        return np.asarray(r, target)
    return r


def _raise_broadcast(args: tuple[Any, ...], error: ValueError) -> NoReturn:
    shapes = [a._value.shape for a in args if isinstance(a, Tensor)]
    for i, a in enumerate(shapes):
        for b in shapes[i + 1 :]:
            try:
                np.broadcast_shapes(a, b)
            except ValueError:
                raise broadcast_pair_error(a, b) from None
    raise error


def dtype_of(value: Any) -> dtype:
    """The dtype of a raw value."""
    return FROM_NUMPY[value.dtype]
