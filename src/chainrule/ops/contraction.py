"""Sums of products over named or listed dimensions: einsum, tensordot, bilinear, kron, cross, multi_dot."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..core.op import Op
from ..core.size import broadcast_pair, normalize_dim, text
from ..core.tensor import Tensor
from . import declare
from .dims import one_dim
from .matmul import check_tensors, done, refuse_bool, same_scalar_type
from .products import bmm, conj, mm
from .structure import permute, sum_dims, view

# -- einsum --------------------------------------------------------------------------------------------------------------

Labels = list[int]  # a letter's number (A is 0, a is 26), or a dimension of the ellipsis, counted from its end: -1, -2, …

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ELLIPSIS = 52


def _bad(message: str) -> RuntimeError:
    return RuntimeError("einsum(): " + message)


def _letters(text_: str, start: int, operand: str) -> Labels:
    """The labels of one operand; ``start`` is where it begins in the equation."""
    labels: Labels = []
    i = 0
    while i < len(text_):
        c = text_[i]
        if c == " ":
            pass
        elif c == ".":
            if _ELLIPSIS in labels:
                raise _bad(f"found '.' for {operand} for which an ellipsis was already found")
            if text_[i : i + 3] != "...":
                raise _bad(f"found '.' for {operand} that is not part of any ellipsis")
            labels.append(_ELLIPSIS)
            i += 2
        elif c in _LETTERS:
            labels.append(_LETTERS.index(c))
        else:
            raise _bad(f"invalid subscript given at index {start + i} in the equation string, subscripts must be in [a-zA-Z]")
        i += 1
    return labels


@lru_cache(256)
def _parse(equation: str) -> tuple[list[Labels], Labels | None]:
    """The labels of the operands, and of the output if the equation has an arrow."""
    arrow = equation.find("->")
    left = equation if arrow < 0 else equation[:arrow]
    inputs = []
    at = 0
    for k, part in enumerate(left.split(",")):
        inputs.append(_letters(part, at, f"operand {k}"))
        at += len(part) + 1
    if arrow < 0:
        return inputs, None
    output = _letters(equation[arrow + 2 :], arrow + 2, "the output")
    for label in output:
        if output.count(label) > 1 and label != _ELLIPSIS:
            raise _bad(f"output subscript {_LETTERS[label]} appears more than once in the output")
        if label != _ELLIPSIS and not any(label in labels for labels in inputs):
            raise _bad(f"output subscript {_LETTERS[label]} does not appear in the equation for any input operand")
    return inputs, output


def _from_lists(args: Sequence[Any]) -> tuple[list[Labels], Labels | None, list[Any]]:
    """``einsum(x, [0, 1], y, [1, 2], [0, 2])``."""

    def labels(given: Any) -> Labels:
        found = []
        for s in given:
            if s is not Ellipsis and not 0 <= s < 52:
                raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
            found.append(_ELLIPSIS if s is Ellipsis else int(s))
        return found

    count = len(args) // 2
    inputs = [labels(args[2 * k + 1]) for k in range(count)]
    return inputs, labels(args[-1]) if len(args) % 2 else None, [args[2 * k] for k in range(count)]


def _named_dims(labels: Labels, x: Any, k: int) -> Labels:
    """The ellipsis written out as the dimensions that it stands for."""
    named = [n for n in labels if n != _ELLIPSIS]
    extra = x.ndim - len(named)
    if _ELLIPSIS not in labels:
        if extra:
            raise _bad(
                f"the number of subscripts in the equation ({len(labels)}) does not match the number of dimensions ({x.ndim}) for"
                f" operand {k} and no ellipsis was given"
            )
        return labels
    if extra < 0:
        raise _bad(
            f"the number of subscripts in the equation ({len(named)}) is more than the number of dimensions ({x.ndim}) for operand {k}"
        )
    at = labels.index(_ELLIPSIS)
    return [*labels[:at], *range(-extra, 0), *labels[at + 1 :]]


def _diagonals(x: Any, labels: Labels, k: int) -> tuple[Any, Labels]:
    """Repeated labels become diagonals."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            a, b = x.shape[first], x.shape[second]
            if a != b:
                raise _bad(f"subscript {_LETTERS[label]} is repeated for operand {k} but the sizes don't match, {b} != {a}")
            x = x.diagonal(0, first, second)
            labels = [n for i, n in enumerate(labels) if i not in (first, second)] + [label]
    return x, labels


def _sizes(operands: Sequence[tuple[Any, Labels]]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for k, (x, labels) in enumerate(operands):
        for n, label in zip(x.shape, labels):
            seen = sizes.get(label, 1)
            if n != seen and n != 1 and seen != 1:
                if label < 0:
                    raise _bad(
                        f"dimension {label + max(-label, 1)} covered by ellipsis in operand {k}has size {n} which does not broadcast with"
                        f" previously seen ellipsis with size {seen} for the respective dimension"
                    )
                raise _bad(
                    f"subscript {_LETTERS[label]} has size {n} for operand {k} which does not broadcast with previously seen size {seen}"
                )
            sizes[label] = max(seen, n) if n else n
    return sizes


def _drop(x: Any, labels: Labels, gone: set[int]) -> tuple[Any, Labels]:
    """``x`` summed over the labels ``gone``."""
    dims = tuple([i for i, n in enumerate(labels) if n in gone])
    if not dims:
        return x, labels
    return sum_dims(x, dim=dims, keepdim=False), [n for n in labels if n not in gone]


def _order(x: Any, labels: Labels, wanted: Labels) -> Any:
    """``x`` with its dimensions in the order ``wanted``, which names the same labels."""
    return x if labels == wanted else permute(x, dims=tuple([labels.index(n) for n in wanted]))


def _lined(x: Any, labels: Labels, wanted: Labels) -> Any:
    """``x`` with a dimension for each of ``wanted``, of length 1 where it has none."""
    x = _order(x, labels, [n for n in wanted if n in labels])
    shape = iter(tuple(x.shape))
    return view(x, shape=tuple([next(shape) if n in labels else 1 for n in wanted]))


def _pair(left: Any, a: Labels, right: Any, b: Labels, needed: set[int]) -> tuple[Any, Labels]:
    """The product of two operands, summed over every shared label that nothing needs any more."""
    for label in [n for n in a if n in b]:  # a length of 1 broadcasts: drop the dimension that has it
        i, j = a.index(label), b.index(label)
        if left.shape[i] == 1 and right.shape[j] != 1:
            left, a = _drop(left, a, {label})
        elif right.shape[j] == 1 and left.shape[i] != 1:
            right, b = _drop(right, b, {label})
    left, a = _drop(left, a, {n for n in a if n not in b and n not in needed})
    right, b = _drop(right, b, {n for n in b if n not in a and n not in needed})
    summed = [n for n in a if n in b and n not in needed]
    shared = [n for n in a if n in b and n in needed]
    only_a = [n for n in a if n not in b]
    only_b = [n for n in b if n not in a]
    out = shared + only_a + only_b
    if not summed:
        return _lined(left, a, out) * _lined(right, b, out), out
    same_scalar_type(left, right)
    refuse_bool(left.dtype, "bmm")
    x, y = _order(left, a, shared + only_a + summed), _order(right, b, shared + summed + only_b)
    sizes = [prod([z.shape[labels.index(n)] for n in part]) for z, labels, part in (
        (left, a, shared), (left, a, only_a), (left, a, summed), (right, b, only_b)
    )]  # fmt: skip
    lead, rows, inner, columns = sizes
    shape = tuple([left.shape[a.index(n)] if n in a else right.shape[b.index(n)] for n in out])
    if not shared:
        r = mm(view(x, shape=(rows, inner)), view(y, shape=(inner, columns)))
    else:
        r = bmm(view(x, shape=(lead, rows, inner)), view(y, shape=(lead, inner, columns)))
    return view(r, shape=shape), out


def einsum(*args: Any) -> Tensor:
    """Products of the operands, summed over every label that the output does not name.

    ``einsum('ij,jk->ik', x, y)``, or with lists of numbers: ``einsum(x, [0, 1], y, [1, 2], [0, 2])``.  A repeated label takes
    a diagonal, ``...`` stands for dimensions that broadcast, and without ``->`` the output has the labels that occur once,
    in alphabetical order.  Raises RuntimeError where equation and operands do not fit.

    >>> import chainrule as torch
    >>> torch.einsum("i,j->ij", torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its subscripts list"
        )
    if isinstance(args[0], Tensor):
        inputs, output, operands = _from_lists(args)
    else:
        if not isinstance(args[0], str):
            raise TypeError(f"einsum(): argument 'equation' (position 1) must be str, not {type(args[0]).__name__}")
        operands = list(args[1:])
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = list(operands[0])
        for k, x in enumerate(operands):
            if not isinstance(x, Tensor):
                raise TypeError(f"expected Tensor as element {k} in argument 1, but got {type(x).__name__}")
        inputs, output = _parse(args[0])
    if len(inputs) > len(operands):
        raise _bad("fewer operands were provided than specified in the equation")
    if len(inputs) < len(operands):
        raise _bad("more operands were provided than specified in the equation")
    named = [_named_dims(labels, x, k) for k, (x, labels) in enumerate(zip(operands, inputs))]
    ready = [_diagonals(x, labels, k) for k, (x, labels) in enumerate(zip(operands, named))]
    _sizes(ready)
    result: Tensor = _contract(ready, _output(named, output))
    return result


def _output(named: Sequence[Labels], output: Labels | None) -> Labels:
    dots = max([sum(1 for n in labels if n < 0) for labels in named], default=0)
    ellipsis = list(range(-dots, 0))
    if output is None:
        every = [n for labels in named for n in labels if n >= 0]
        return ellipsis + sorted(n for n in set(every) if every.count(n) == 1)
    if _ELLIPSIS not in output:
        return output
    at = output.index(_ELLIPSIS)
    return [*output[:at], *ellipsis, *output[at + 1 :]]


def _contract(operands: Sequence[tuple[Any, Labels]], output: Labels) -> Any:
    x, labels = operands[0]
    for k, (y, other) in enumerate(operands[1:], 2):
        needed = set(output).union(*[later for _, later in operands[k:]])
        x, labels = _pair(x, labels, y, other, needed)
    wanted = [n for n in output if n in labels]
    gone = [n for n in labels if n not in output]
    x = _order(x, labels, wanted + gone)
    if gone:
        x = sum_dims(x, dim=tuple(range(len(wanted), len(labels))), keepdim=False)
    if len(wanted) != len(output):
        x = view(x, shape=tuple([x.shape[wanted.index(n)] if n in wanted else 1 for n in output]))
    return x


# -- tensordot -----------------------------------------------------------------------------------------------------------


def _tensordot_dims(a: Tensor, b: Tensor, dims: Any) -> tuple[list[int], list[int]]:
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        return list(range(-dims, 0)), list(range(dims))
    first, second = dims
    return ([first] if isinstance(first, int) else list(first)), ([second] if isinstance(second, int) else list(second))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """The sum of products over ``dims`` dimensions: the last of ``a`` with the first of ``b``, or two lists of dimensions.

    Raises RuntimeError where their lengths differ.

    >>> import chainrule as torch
    >>> torch.tensordot(torch.ones(2, 3), torch.ones(3, 4), dims=1).shape
    torch.Size([2, 4])
    """
    check_tensors("tensordot", ("a", "b"), (a, b))
    first, second = _tensordot_dims(a, b, dims)
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    if a.dtype is not b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    x: Any = a
    y: Any = b
    for d, e in zip(first, second):
        n, m = x.shape[d], y.shape[e]
        if n != m:
            if n == 1:
                y = y.sum(e, keepdim=True)
            elif m == 1:
                x = x.sum(d, keepdim=True)
            else:
                raise RuntimeError(
                    f"contracted dimensions need to match, but first has size {n} in dim {d} and second has size {m} in dim {e}"
                )
    over_x = [normalize_dim(d, x.ndim) for d in first]
    over_y = [normalize_dim(d, y.ndim) for d in second]
    free_x, free_y = [d for d in range(x.ndim) if d not in over_x], [d for d in range(y.ndim) if d not in over_y]
    inner = prod([x.shape[d] for d in over_x])
    shape = tuple([x.shape[d] for d in free_x] + [y.shape[d] for d in free_y])
    rows, columns = prod([x.shape[d] for d in free_x]), prod([y.shape[d] for d in free_y])
    left = view(permute(x, dims=(*free_x, *over_x)), shape=(rows, inner))
    right = view(permute(y, dims=(*over_y, *free_y)), shape=(inner, columns))
    refuse_bool(left.dtype, "addmm_impl_cpu_")
    return done(view(mm(left, right), shape=shape), out)


# -- the rest ------------------------------------------------------------------------------------------------------------


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input1 weight[o] input2`` for every output o: input1 (*, n), input2 (*, m), weight (out, n, m), bias (out)."""
    check_tensors("bilinear", ("input1", "input2", "weight"), (input1, input2, weight))
    if input1.ndim != input2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    for d in range(input1.ndim - 1):
        a, b = input1.shape[d], input2.shape[d]
        if a != b:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {d}: got {a} and {b}")
    for k, (x, n) in enumerate(((input1, weight.shape[1]), (input2, weight.shape[2])), 1):
        if x.shape[-1] != n:
            raise RuntimeError(f"bilinear(): input{k} size does not match weight size: got {x.shape[-1]} but expected {n}")
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise RuntimeError(f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected {weight.shape[0]}")
    outputs, n, m = weight.shape
    lead = tuple(input1.shape[:-1])
    rows = prod(lead)
    x = view(input1, shape=(rows, n))
    y = view(input2, shape=(rows, 1, m))
    half = view(mm(x, view(permute(weight, dims=(1, 0, 2)), shape=(n, outputs * m))), shape=(rows, outputs, m))
    r = view(sum_dims(half * y, dim=(2,), keepdim=False), shape=(*lead, outputs))
    return r if bias is None else r + bias  # type: ignore[no-any-return]


@declare.method
def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: every element of ``input`` times the whole of ``other``, as blocks.

    >>> import chainrule as torch
    >>> torch.kron(torch.tensor([1, 10]), torch.tensor([1, 2]))
    tensor([ 1,  2, 10, 20])
    """
    check_tensors("kron", ("input", "other"), (input, other))
    rank = max(input.ndim, other.ndim)
    a = (1,) * (rank - input.ndim) + tuple(input.shape)
    b = (1,) * (rank - other.ndim) + tuple(other.shape)
    x = view(input, shape=tuple([n for k in a for n in (k, 1)]))
    y = view(other, shape=tuple([n for k in b for n in (1, k)]))
    return done(view(x * y, shape=tuple([n * m for n, m in zip(a, b)])), out)


def _cross_impl(x: Any, y: Any, *, dim: int) -> Any:
    r = np.empty(np.broadcast_shapes(x.shape, y.shape), x.dtype)
    lead: tuple[Any, ...] = (slice(None),) * dim
    for k in range(3):
        i, j = (*lead, (k + 1) % 3), (*lead, (k + 2) % 3)
        r[(*lead, k)] = x[i] * y[j] - x[j] * y[i]
    return r


_cross_op: Op = Op(
    "linalg_cross", _cross_impl, kind="multilinear", args="x y",
    vjp=[lambda g, y, dim: _cross_op(conj(y), g, dim=dim), lambda g, x, dim: _cross_op(g, conj(x), dim=dim)],
    batch=lambda op, args, mask, kw: op(*_all_batched(args, mask), dim=kw["dim"] + 1),
)  # fmt: skip


def _all_batched(args: Sequence[Any], mask: Sequence[bool]) -> Any:
    from ..core.batching import batch_size, bring

    return bring(args, mask, batch_size(args, mask))


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The cross product of vectors with three elements along ``dim``; the other dimensions broadcast."""
    check_tensors("linalg_cross", ("input", "other"), (input, other))
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    at = one_dim("linalg_cross", dim, input.ndim)
    if input.shape[at] != 3 or other.shape[at] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[at]} and {other.shape[at]}")
    same_scalar_type(input, other)
    shape = tuple(broadcast_pair(tuple(input.shape), tuple(other.shape)))
    x, y = (t if tuple(t.shape) == shape else t.expand(shape) for t in (input, other))
    return done(_cross_op(x, y, dim=at), out)


@declare.method
def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`chainrule.linalg.cross` along ``dim``, or with a warning along the first dimension of length 3."""
    check_tensors("cross", ("input", "other"), (input, other))
    if dim is None:
        warnings.warn(
            "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim explicitly or simply use"
            " torch.linalg.cross.\nThe default value of dim will change to agree with that of linalg.cross in a future release.",
            UserWarning,
            stacklevel=2,
        )
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return linalg_cross(input, other, dim=dim, out=out)


def linalg_vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The scalar products along ``dim``, ``x`` conjugated; the other dimensions broadcast."""
    check_tensors("linalg_vecdot", ("x", "y"), (x, y))
    return done((conj(x) * y).sum(dim), out)


def _best_split(sizes: Sequence[int]) -> list[list[int]]:
    """Where to split a chain of matrices so that the products cost least (Cormen et al., section 15.2)."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], split[i][j] = min((cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j))
    return split


def multi_dot(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The product of a chain of matrices (the first and last may be vectors) in the order that costs least.

    Raises RuntimeError for fewer than two tensors and for shapes that do not fit.
    """
    given: list[Any] = list(tensors)
    if len(given) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(given)}")
    shape: list[int] = []
    last = len(given) - 1
    for k in (0, last):
        if given[k].ndim not in (1, 2):
            raise RuntimeError(f"multi_dot(): the {'first' if k == 0 else 'last'} tensor must be 1D or 2D but got {given[k].ndim}D")
    for k in range(1, last):
        if given[k].ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {k} must be 2D but got {given[k].ndim}D")
    shapes = [tuple(t.shape) for t in given]
    if given[0].ndim == 1:
        given[0] = view(given[0], shape=(1, shapes[0][0]))
    else:
        shape.append(shapes[0][0])
    if given[last].ndim == 1:
        given[last] = view(given[last], shape=(shapes[last][0], 1))
    else:
        shape.append(shapes[last][1])
    for k in range(last):
        if given[k].dtype is not given[k + 1].dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {given[0].dtype.scalar_name} and tensor {k + 1}"
                f" {given[k + 1].dtype.scalar_name}"
            )
        if given[k].shape[1] != given[k + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {k} and {k + 1} with shapes {text(shapes[k])} and {text(shapes[k + 1])} cannot be multiplied"
            )
    split = _best_split([given[0].shape[0], *[t.shape[1] for t in given]])

    def product(i: int, j: int) -> Any:
        return given[i] if i == j else mm(product(i, split[i][j]), product(split[i][j] + 1, j))

    return done(view(product(0, last), shape=tuple(shape)), out)


def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """:func:`multi_dot` of the arguments; deprecated by PyTorch, which warns."""
    warnings.warn(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use torch.linalg.multi_dot instead, which"
        " accepts a list of two or more tensors rather than multiple parameters.",
        UserWarning,
        stacklevel=2,
    )
    for m in matrices:
        if m.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {m.ndim}, expected 2 instead.")
    if len(matrices) == 1:
        return done(matrices[0], out)
    return multi_dot(matrices, out=out)


__all__ = ["bilinear", "chain_matmul", "cross", "einsum", "kron", "tensordot"]
