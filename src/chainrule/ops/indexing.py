"""``x[...]`` and ``x[...] = value`` in every form.

Numbers, slices, None and Ellipsis take views, one step after the other as PyTorch does; index tensors, masks and lists
are looked up in what those leave.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np

from ..core.floating_flags import IGNORE, enter, leave
from ..core.inference import refuse_write
from ..core.inplace import check_memory, check_writable
from ..core.modes import MODES, UNUSUAL
from ..core.mutation import written
from ..core.naming import type_name
from ..core.node import LEAF
from ..core.size import expand_shape
from ..core.tensor import UNTRACKED, Tensor, materialise, new, wrap
from ..core.value import Value
from ..core.views import as_view, chain_view, link, records, wrote_part
from .bounds import beyond
from .data import checked_scalar
from .data import value_of as data_value
from .declare import attach
from .index import index_op, result_shape
from .quick import recorder
from .shape import alias_op, unsqueeze_op
from .slicing import select_op, slice_op
from .structure import cast_to

ndarray = np.ndarray


class _Basic:
    """What a basic index does, as one step to replay; on tensors it is the chain of PyTorch's steps."""

    name = "basic index"

    def __call__(self, x: Any, *, index: Any) -> Any:
        if isinstance(x, Tensor):
            return getitem(x, index)
        return x[index] if type(index) is not tuple else x[(*index, ...)] if Ellipsis not in index else x[index]


BASIC = _Basic()


# Reading an index


class Parsed:
    """An index as steps that take views, and the index tensors by dimension of what those leave."""

    __slots__ = ("advanced", "steps")

    def __init__(self) -> None:
        self.steps: list[tuple[Any, dict[str, Any]]] = []
        self.advanced: dict[int, Any] = {}


def _as_tuple(index: Any) -> tuple[Any, ...]:
    if type(index) is tuple:
        return index
    if isinstance(index, (Tensor, str, ndarray)) or not _is_sequence(index) or len(index) >= 32:
        return (index,)
    for item in index:
        if item is None or item is Ellipsis or isinstance(item, (slice, Tensor)) or (_is_sequence(item) and not isinstance(item, str)):
            warnings.warn(
                "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; use"
                " x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, x[torch.tensor(seq)],"
                " which will result either in an error or a different result",
                UserWarning,
                stacklevel=5,
            )
            return tuple(index)
    return (index,)


def _is_sequence(item: Any) -> bool:
    return hasattr(item, "__getitem__") and hasattr(item, "__len__") and not isinstance(item, dict)


def _item(item: Any) -> Any:
    """One entry of an index in a form that has one reading: int, bool, slice, None, Ellipsis or an index tensor."""
    kind = type(item)
    if kind is int or kind is slice or item is None or item is Ellipsis or kind is bool:
        return item
    if isinstance(item, Tensor):
        return _index_tensor(item)
    if isinstance(item, np.integer):
        return int(item)
    if isinstance(item, str):
        raise TypeError("new(): invalid data type 'str'")
    if _is_sequence(item) and not isinstance(item, np.generic):
        return _index_tensor(_from_sequence(item))
    if hasattr(item, "__index__") and not isinstance(item, np.bool_):
        return operator.index(item)
    kinds = "integers, slices (`:`), ellipsis (`...`), None and long or byte Variables"
    raise IndexError(f"only {kinds} are valid indices (got {type_name(item)})")


def _from_sequence(item: Any) -> Tensor:
    v = item if isinstance(item, ndarray) else data_value(item if isinstance(item, list) else list(item), None)
    v = np.asarray(v)
    if v.dtype != bool and v.dtype != np.uint8:
        v = v.astype(np.int64)
    return wrap(v)


def _index_tensor(index: Tensor) -> Any:
    """The tensor; an int for a 0-d integer; a mask for a 0-d truth value."""
    v = index._value
    dtype = v.numpy_dtype if isinstance(v, Value) else v.dtype
    if v.ndim == 0 and dtype.kind in "iu" and dtype != np.uint8 and not isinstance(v, Value):
        return int(v)
    return index


def _slice(item: slice, length: int) -> tuple[int, int, int]:
    start, stop, step = item.start, item.stop, item.step
    if step is not None:
        step = _bound(step)
        if step <= 0:
            raise ValueError("slice step cannot be zero" if step == 0 else "step must be greater than zero")
    start, stop, step = slice(None if start is None else _bound(start), None if stop is None else _bound(stop), step).indices(length)
    return start, max(start, stop), step


def _bound(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError("slice indices must be integers or None or have an __index__ method") from None


def _is_mask(index: Tensor) -> bool:
    v = index._value
    dtype = v.numpy_dtype if isinstance(v, Value) else v.dtype
    return bool(dtype.kind == "b" or dtype == np.uint8)


def _refuse_for_number(item: Any) -> None:
    if type(item) is int:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to"
            " a number"
        )
    if type(item) is slice:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")


def parse(shape: tuple[int, ...], index: Any) -> Parsed:
    """Take an index apart for a tensor of ``shape``. IndexError, TypeError or ValueError for what is none."""
    given = _as_tuple(index)
    items = [_item(i) for i in given]
    named = 0
    for i in items:
        if isinstance(i, Tensor):
            named += i._value.ndim if _is_mask(i) else 1
        elif i is not None and i is not Ellipsis and i is not True and i is not False:
            named += 1
    alone = len(given) == 1 and given[0] is index
    ndim = len(shape)
    if ndim == 0 and alone:
        _refuse_for_number(items[0])
    if named > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    found = Parsed()
    left = list(shape)
    dim = 0
    seen = 0  # dimensions of the input that were dealt with, for the messages
    for i in items:
        if type(i) is int:
            n = left[dim]
            if not -n <= i < n:
                if not -(2**63) <= i < 2**63:
                    raise ValueError("Overflow when unpacking long long")
                raise beyond("index", i, n, seen)
            found.steps.append((select_op, {"dim": dim, "index": i + n if i < 0 else i}))
            del left[dim]
            seen += 1
        elif type(i) is slice:
            n = left[dim]
            start, end, step = _slice(i, n)
            if alone or start != 0 or end != n or step != 1:
                found.steps.append((slice_op, {"dim": dim, "start": start, "end": end, "step": step}))
                left[dim] = -(-(end - start) // step)
            dim += 1
            seen += 1
        elif i is None:
            found.steps.append((unsqueeze_op, {"dim": dim}))
            left.insert(dim, 1)
            dim += 1
        elif i is Ellipsis:
            skipped = ndim - named
            named = ndim
            dim += skipped
            seen += skipped
        elif i is True or i is False or (_is_mask(i) and not i._value.ndim):
            found.steps.append((unsqueeze_op, {"dim": dim}))
            left.insert(dim, 1)
            found.advanced[dim] = wrap(np.array([i])) if isinstance(i, bool) else i.reshape(1)
            dim += 1
        else:
            found.advanced[dim] = i
            covered = i._value.ndim if _is_mask(i) else 1
            dim += covered
            seen += covered
    return found


def lookups(shape: tuple[int, ...], advanced: dict[int, Any]) -> tuple[list[Tensor], tuple[int, ...], bool]:
    """Integer index tensors, the dimension of each, and whether no position can appear twice."""
    tensors: list[Tensor] = []
    dims: list[int] = []
    masks = 0
    for dim, index in sorted(advanced.items()):
        if not _is_mask(index):
            if index.dtype.category != 1 or index.dtype.itemsize < 4:
                raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
            tensors.append(index)
            dims.append(dim)
            continue
        if index.dtype.name == "uint8":
            warnings.warn(
                "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.", UserWarning, stacklevel=3
            )
        masks += 1
        have = tuple(index._value.shape)
        for k, n in enumerate(have):
            if dim + k >= len(shape) or shape[dim + k] != n:
                raise IndexError(
                    f"The shape of the mask {list(have)} at index {k} does not match the shape of the indexed tensor {list(shape)} at"
                    f" index {dim + k}"
                )
        tensors += _nonzero(index)
        dims += range(dim, dim + len(have))
    if len(tensors) > 1:
        shapes = [tuple(t._value.shape) for t in tensors]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            listed = ", ".join([str(list(s)) for s in shapes])
            raise IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes {listed}") from None
    return tensors, tuple(dims), masks == len(advanced) == 1


def _nonzero(mask: Tensor) -> tuple[Tensor, ...]:
    from .masking import nonzero

    found: tuple[Tensor, ...] = nonzero(mask, as_tuple=True)
    return found


# Reading


def getitem(self: Tensor, index: Any) -> Any:
    """``self[index]``: a view for numbers, slices, None and Ellipsis; a copy where index tensors, masks or lists occur."""
    v = self._value
    if type(v) is ndarray:
        kind = type(index)
        if kind is int:
            shape = v.shape
            if shape:
                n = shape[0]
                if -n <= index < n:
                    r = v[index] if len(shape) > 1 else v[index, ...]
                    return as_view(select_op, self, r, {"dim": 0, "index": index if index >= 0 else index + n})
        elif kind is tuple:
            if self._gn is None or (UNUSUAL and not MODES.grad):
                found = _take(self, v, index)
                if found is not None:
                    return found
            steps = _quick_steps(v.shape, index)
            if steps:
                return chain_view(self, v, steps)
            if steps is None:
                found = _looked_up_in(self, v, index)
                if found is not None:
                    return found
        elif kind is slice:
            if v.ndim:
                try:
                    start, end, step = index.indices(v.shape[0])
                except (TypeError, ValueError):
                    step = 0
                if step > 0:
                    kw = {"dim": 0, "start": start, "end": end if end > start else start, "step": step}
                    return as_view(slice_op, self, v[index], kw)
        elif index is None:
            return as_view(unsqueeze_op, self, unsqueeze_op.impl(v, dim=0), {"dim": 0})
        elif isinstance(index, Tensor):
            found = _looked_up(self, v, index)
            if found is not None:
                return found
    parsed = parse(tuple(v.shape), index)
    x = taken(self, parsed.steps, alias=not parsed.advanced)
    if not parsed.advanced:
        return x
    tensors, dims, unique = lookups(tuple(x._value.shape), parsed.advanced)
    return index_op(x, *tensors, dims=dims, unique=unique)


_finish_index = recorder(index_op)
_INTEGERS = frozenset({np.dtype(np.int64), np.dtype(np.int32)})
_FIRST: dict[str, Any] = {"dims": (0,), "unique": False}


def _looked_up(x: Tensor, v: Any, index: Tensor) -> Tensor | None:
    """``x[index]`` for one plain index tensor or mask; None where it takes the long way."""
    i = index._value
    if type(i) is not ndarray or not i.ndim or not v.ndim:
        return None
    if i.dtype in _INTEGERS:
        try:
            r = v[i]
        except IndexError:
            return None
        if not r.flags.c_contiguous:
            r = np.ascontiguousarray(r)
        return _finish_index(r, (v, i), (x, index), _FIRST)
    if i.dtype != bool or v.shape[: i.ndim] != i.shape or (x._gn is not None and (not UNUSUAL or MODES.grad)):
        return None
    return wrap(v[i]) if not UNUSUAL else None


def _looked_up_in(x: Tensor, v: Any, index: tuple[Any, ...]) -> Tensor | None:
    """``x[i, j]`` for plain index tensors only; None where it takes the long way."""
    at = []
    for i in index:
        if not isinstance(i, Tensor):
            return None
        a = i._value
        if type(a) is not ndarray or not a.ndim or a.dtype not in _INTEGERS:
            return None
        at.append(a)
    try:
        r = v[tuple(at)]
    except IndexError:
        return None  # the long way words the error
    if not r.flags.c_contiguous:
        r = np.ascontiguousarray(r)
    return _finish_index(r, (v, *at), (x, *index), {"dims": tuple(range(len(at))), "unique": False})


def _take(x: Tensor, v: Any, index: tuple[Any, ...]) -> Tensor | None:
    """The view for a tuple of numbers, slices and at most one Ellipsis, in one NumPy step and unrecorded.

    None takes the long way: the stride that NumPy gives a new dimension is not PyTorch's.
    """
    dots = False
    for i in index:
        t = type(i)
        if t is int:
            continue
        if i is Ellipsis:
            if dots:
                return None
            dots = True
        elif t is not slice or i.step is not None:
            return None
    try:
        r = v[index] if dots else v[(*index, ...)]
    except (IndexError, TypeError):
        return None  # the long way words the error
    out = new(Tensor)
    out._value = r
    link(out, x, BASIC, {"index": index})  # type: ignore[arg-type]
    return out


def _quick_steps(shape: tuple[int, ...], index: tuple[Any, ...]) -> list[tuple[Any, dict[str, Any]]] | None:
    """What :func:`parse` finds for a tuple of numbers, slices, None and Ellipsis; None for anything else, and for errors."""
    steps: list[tuple[Any, dict[str, Any]]] = []
    dim = at = 0
    ndim = len(shape)
    for i in index:
        t = type(i)
        if i is None:
            steps.append((unsqueeze_op, {"dim": dim}))
            dim += 1
            continue
        if i is Ellipsis:
            skipped = ndim - at
            for j in reversed(index):
                if j is Ellipsis:
                    break
                skipped -= j is not None
            if skipped < 0:
                return None
            dim += skipped
            at += skipped
            continue
        if at >= ndim:
            return None
        n = shape[at]
        at += 1
        if t is int:
            if not -n <= i < n:
                return None
            steps.append((select_op, {"dim": dim, "index": i if i >= 0 else i + n}))
        elif t is slice:
            try:
                start, end, step = i.indices(n)
            except (TypeError, ValueError):
                return None
            if step <= 0:
                return None
            if start != 0 or end != n or step != 1:
                steps.append((slice_op, {"dim": dim, "start": start, "end": end if end > start else start, "step": step}))
            dim += 1
        else:
            return None
    return steps


def taken(x: Tensor, steps: list[tuple[Any, dict[str, Any]]], alias: bool) -> Tensor:
    """The view that the steps take, each recorded; an alias of ``x`` for no step, if one is asked for."""
    if not steps:
        if not alias:
            return x
        steps = [(alias_op, {})]
    v = x._value
    if isinstance(v, Value):
        for op, kw in steps:
            x = op(x, **kw)
        return x
    return chain_view(x, materialise(x), steps)


# Writing


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``self[index] = value``: a write through the view that ``index`` takes, or ``index_put_`` for index tensors.

    RuntimeError where ``value`` does not broadcast to what is indexed.
    """
    have = self._value
    if type(have) is ndarray and self._gn is None and (self._base is None or self._base._gn is None):
        if _write(self, have, index, value):
            return
    if type(have) is ndarray and not UNUSUAL and _write_recorded(self, have, index, value):
        return
    if not isinstance(value, (Tensor, int, float, complex, np.number, np.bool_)):
        raise TypeError(f"can't assign a {type_name(value)} to a {self.type()}")
    parsed = parse(tuple(have.shape), index)
    target = taken(self, parsed.steps, alias=False)
    if not parsed.advanced:
        _copy(target, value)
        return
    shape = tuple(target._value.shape)
    tensors, dims, _ = lookups(shape, parsed.advanced)
    from .masking import put_at

    if not isinstance(value, Tensor):
        value = wrap(np.asarray(checked_scalar(value, self.dtype), self.dtype.np))
    elif value.dtype is not self.dtype:
        if value._value.ndim or not any(_is_mask(i) for i in parsed.advanced.values()):
            raise RuntimeError(
                f"Index put requires the source and destination dtypes match, got {self.dtype.scalar_name} for the destination and"
                f" {value.dtype.scalar_name} for the source."
            )
        value = cast_to(value, self.dtype)
    put_at(target, tensors, dims, _trimmed(value, len(result_shape(shape, [tuple(t._value.shape) for t in tensors], dims))))


def _write(x: Tensor, have: Any, index: Any, value: Any) -> bool:
    """Write a number or an unrecorded tensor of the same dtype where an index of the plain kinds says.

    False to go the long way.
    """
    if isinstance(index, Tensor):
        at = index._value
        if type(at) is not ndarray or not at.ndim:
            return False
        if at.dtype not in _INTEGERS and (at.dtype != bool or have.shape[: at.ndim] != at.shape):
            return False
        name = "index_put_"
    else:
        at = index
        for i in index if type(index) is tuple else (index,):
            t = type(i)
            if t is not int and t is not slice and i is not None and i is not Ellipsis:
                return False
            if t is slice and i.step is not None and not (type(i.step) is int and i.step > 0):
                return False
        name = "copy_"
    kind = type(value)
    if isinstance(value, Tensor):
        v = value._value
        if v.dtype is not have.dtype or value._gn is not None:
            return False
        if np.may_share_memory(v, have):
            v = v.copy()
    elif kind is float and have.dtype.kind == "f" and -3e38 < value < 3e38:
        v = value
    elif kind is int and have.dtype.kind in "fi" and -100 < value < 100:
        v = value
    else:
        return False
    if x._flags:
        refuse_write(x)
    if not have.flags.writeable or 0 in have.strides:
        check_memory(have)
    token = enter(IGNORE)
    try:
        have[at] = v
    except (IndexError, ValueError, TypeError):
        return False
    finally:
        leave(token)
    if not x._flags & UNTRACKED:
        written(have, name)
    return True


def _write_recorded(x: Tensor, have: Any, index: Any, value: Any) -> bool:
    """Write where a basic index says, and record it without a tensor for the view; False to go the long way."""
    steps = _quick_steps(have.shape, index if type(index) is tuple else (index,))
    if not steps:
        if steps is not None and x._gn is LEAF:
            check_writable(x)  # all of x is no view of it
        return False
    if x._gn is LEAF:  # the long way refuses the view
        return False
    source = None
    if isinstance(value, Tensor):
        v = value._value
        if not isinstance(v, (ndarray, np.generic)) or (v.dtype.kind == "c" and have.dtype.kind != "c"):
            return False
        source = value if value._gn is not None else None
    elif isinstance(value, (int, float)):
        v = checked_scalar(value, x.dtype)
    else:
        return False
    if source is None and not records(x):
        return False
    region = have
    for op, kw in steps:
        region = op.impl(region, **kw)
    if not region.flags.writeable or 0 in region.strides or (isinstance(value, Tensor) and v.ndim > region.ndim):
        return False
    if type(v) is ndarray:
        if v.shape != region.shape:
            expand_shape(v.shape, region.shape, f"torch.{value.dtype.scalar_name}Tensor")
        if np.may_share_memory(v, region):
            v = v.copy()
    check_writable(x)
    if x._flags:
        refuse_write(x)
    np.copyto(region, v, casting="unsafe")
    if not x._flags & UNTRACKED:
        written(have, "copy_")
    wrote_part(x, steps, source)
    return True


def _trimmed(value: Tensor, ndim: int) -> Tensor:
    """``value`` without the leading ones that exceed ``ndim`` dimensions."""
    shape = value._value.shape
    extra = 0
    while extra < len(shape) - ndim and shape[extra] == 1:
        extra += 1
    return value.reshape(tuple(shape[extra:])) if extra else value


def _copy(target: Tensor, value: Any) -> None:
    if isinstance(value, Tensor):
        value = _trimmed(value, target._value.ndim)
        shape = tuple(target._value.shape)
        if value._value.shape != shape:
            if not value._value.ndim:
                target.fill_(value)
                return
            expand_shape(tuple(value._value.shape), shape, f"torch.{value.dtype.scalar_name}Tensor")
        target.copy_(value)
    else:
        number = value.item() if isinstance(value, np.generic) else value
        written = wrap(np.asarray(checked_scalar(number, target.dtype), target.dtype.np))
        (target.fill_ if target._value.ndim else target.copy_)(written)


attach(getitem, "__getitem__")
attach(setitem, "__setitem__")

__all__: list[str] = []
