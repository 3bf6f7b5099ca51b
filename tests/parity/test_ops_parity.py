"""Every spec row live against PyTorch, beyond what is recorded: memory layouts, other dtypes, node names, aliasing."""

from __future__ import annotations

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import chainrule  # noqa: E402

from ..spec.harness import call  # noqa: E402
from ..spec.row import families  # noqa: E402
from .bridge import compare, compare_gradients, name_of, ours, outcome  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = [pytest.param(row, id=f"{family}-{row.name}".replace(" ", "_")) for family, rows in families().items() for row in rows]
FLOATING = {row.name for family in ("losses", "nn") for row in families()[family]}  # layers and losses are for floating values
every_row = pytest.mark.parametrize("row", ROWS)


def inputs_of(row, dtype="float32"):
    """PyTorch tensors, requiring gradients where the row is differentiated."""
    arrays = row.arrays(dtype)
    found = [torch.from_numpy(np.array(a)) for a in arrays]
    for i in row.wrt(arrays) if row.differentiable else ():
        found[i].requires_grad_()
    return found


def looseness(row):
    return max(1.0, (row.rtol or 0) / 4e-5, 3.0 if row.name.startswith("grid_sample") else 1.0)


def compare_with_ties(row, got, want):
    """Where values tie, which index comes out is nobody's: only shapes and dtypes of indices count then."""
    assert len(got) == len(want)
    for k, (g, w) in enumerate(zip(got, want)):
        compare(g, w, f"output {k}", numbers=w.dtype != torch.int64 or not TIES.intersection(row.ops), loose=looseness(row))


TIES = frozenset({"sort", "argsort", "topk", "kthvalue", "median", "nanmedian", "mode"})


# -- layouts ---------------------------------------------------------------------------------------------------------


def backwards(t):
    """The same values with the strides of the reversed order of dimensions."""
    if t.dim() < 2:
        return t.clone()
    return t.permute(*range(t.dim() - 1, -1, -1)).contiguous().permute(*range(t.dim() - 1, -1, -1))


def spread(t):
    """Every other element of a larger memory, with something before it."""
    if t.dim() == 0:
        return torch.stack([t * 0, t])[1] if t.dtype != torch.bool else torch.stack([t, t])[1]
    wide = torch.zeros(*[2 * s + 1 for s in t.shape], dtype=t.dtype)
    view = wide[tuple(slice(1, None, 2) for _ in t.shape)]
    view.copy_(t)
    return view


def shared(t):
    """A first axis of stride 0 where all of its entries are made equal."""
    return t[:1].expand(t.shape) if t.dim() and t.shape[0] else t


LAYOUTS = {"backwards": backwards, "spread": spread, "shared": shared}


@every_row
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_layouts(row, layout):
    given = inputs_of(row)
    moved = [LAYOUTS[layout](t.detach()).requires_grad_(t.requires_grad) for t in given]
    mine = ours(moved)
    want, error = outcome(call, row, torch, moved)
    if error is not None:
        if not re.search(r"contiguous|view size is not compatible", str(error)):  # chainrule copies where PyTorch gives up
            with pytest.raises(type(error)):
                call(row, chainrule, mine)
    elif layout == "shared" and "median" in row.ops:
        pytest.skip("PyTorch's median reads past the memory of an expanded tensor")
    elif layout == "shared":  # repeated values tie, and ties may share a gradient differently
        compare_with_ties(row, call(row, chainrule, mine), want)
    else:
        got = call(row, chainrule, mine)
        compare(got, want, loose=looseness(row))
        compare_gradients(got, want, mine, moved, loose=looseness(row))


# -- dtypes ----------------------------------------------------------------------------------------------------------

OTHERS = ("bool", "uint8", "int16", "int64", "float16", "bfloat16", "complex64")


@every_row
@pytest.mark.parametrize("dtype", OTHERS)
def test_other_dtypes(row, dtype):
    """The row's floating inputs in another dtype: the same result, or an error of the same type."""
    given = [t.detach().to(getattr(torch, dtype)) if t.dtype == torch.float32 else t.detach() for t in inputs_of(row)]
    if not any(name_of(t.dtype) == dtype for t in given):
        pytest.skip("no floating input")
    if row.name in FLOATING and dtype not in ("float16", "bfloat16"):
        pytest.skip("for real floating values")
    if SMALL_SUMS.match(row.name) and dtype in ("bool", "uint8", "int16"):
        pytest.skip("small integers")
    mine = ours(given)
    want, theirs = outcome(call, row, torch, given)
    got, error = outcome(call, row, chainrule, mine)
    if theirs is not None:
        if error is None:
            assert LACKING.search(str(theirs)), f"no error, PyTorch's {theirs!r}"
        else:
            same = type(error) is type(theirs) or LACKING.search(str(theirs)) or isinstance(error, NotImplementedError)
            assert same, f"{error!r}, PyTorch's {theirs!r}"
        return
    if any(w.dtype == torch.complex32 for w in want):
        pytest.skip("NumPy has no complex number of two halves")
    if error is not None:
        raise error
    compare_with_ties(row, got, want)
    assert [shared_here(g, mine) for g in got] == [shared_there(w, given) for w in want], "memory shared with inputs"


# What PyTorch refuses for want of a kernel, or because a constant does not fit a small dtype: nobody relies on that.
LACKING = re.compile(
    "not implemented for|without overflow|unsigned type with negative|may not be a boolean|Low precision dtypes|negative integer powers"
    "|expected common dtype to be floating point"
    "|expected m1 and m2 to have the same dtype, but got: float"  # recurrent layers of integers: PyTorch's initial state is float
)
# Sums of small integers, whose dtype and overflow are those of the steps that a composite happens to take.
SMALL_SUMS = re.compile("einsum|trapezoid")


# -- what surrounds the values ---------------------------------------------------------------------------------------


# Rows whose last node is another one, and why.
NODES = re.compile(
    "|".join(
        (
            "special_ndtr|embedding_bag|affine_grid|grid_sample",  # one operation on one side, several on the other
            "polygamma zero",  # digamma itself
            "softmax scalar|quantile|nanquantile|matmul|kron|einsum|max_unpool1d|linear broadcast bias",  # another view comes last
            "trapezoid|cumulative_trapezoid",  # multiplies by a half where PyTorch divides by two, or halves earlier
            "pdist|pairwise_distance",  # a norm of differences
            "ctc_loss",  # the logarithm of a sum over a scan
            "resolve_conj",  # conjugates at once
            "lu_solve|pack_padded_sequence",  # several operations here, one there
            r"i?rfft[2n]|i?hfft[2n]",  # one dimension after the other
        )
    )
)


@every_row
def test_nodes(row):
    """grad_fn has PyTorch's name, and requires_grad and is_leaf are PyTorch's.

    A number at the end of a name that is not 0 tells overloads of C++ apart, which a composite chooses among.
    """
    given = inputs_of(row)
    mine = ours(given)
    want, got = call(row, torch, given), call(row, chainrule, mine)
    for k, (g, w) in enumerate(zip(got, want, strict=True)):
        assert (g.requires_grad, g.is_leaf) == (w.requires_grad, w.is_leaf), f"output {k}"
        assert (g.grad_fn is None) == (w.grad_fn is None), f"output {k}"
        if w.grad_fn is not None:
            name, theirs = g.grad_fn.name(), w.grad_fn.name()
            overload = theirs[-1:] in "123456789" and name.rstrip("0123456789") == theirs[:-1]
            assert name == theirs or overload or NODES.match(row.name), f"output {k}"


@every_row
def test_aliasing(row):
    """A view shares memory with its input and has PyTorch's strides; a result of its own does not."""
    compare_aliasing(row, [t.detach() for t in inputs_of(row)])


@every_row
def test_aliasing_of_numbers(row):
    """The same for 0-d inputs, where the row takes them: chainrule keeps those as NumPy's immutable numbers."""
    given = [t.detach().flatten()[0].clone() if t.numel() and t.is_floating_point() else t.detach() for t in inputs_of(row)]
    if outcome(call, row, torch, given)[1] is not None:
        pytest.skip("needs dimensions")
    compare_aliasing(row, given)


def shared_here(out, inputs):
    """Which inputs' memory the output shares."""
    return [bool(np.may_share_memory(out._value, m._value)) and out._value.size > 0 for m in inputs]


def shared_there(out, inputs):
    return [out.untyped_storage().data_ptr() == t.untyped_storage().data_ptr() and out.numel() > 0 for t in inputs]


def compare_aliasing(row, given):
    mine = ours(given)
    want, got = call(row, torch, given), call(row, chainrule, mine)
    for k, (g, w) in enumerate(zip(got, want, strict=True)):
        if w.numel() == 0:
            continue
        for m in mine:
            assert g is m or g._value is not m._value or w.dim(), f"output {k} is the very number of its input"
        theirs, here = shared_there(w, given), shared_here(g, mine)
        assert here == theirs, f"output {k} shares memory with inputs {here}, PyTorch's {theirs}"
        if any(theirs):
            assert (tuple(g.stride()), g.storage_offset()) == (w.stride(), w.storage_offset()), f"output {k}"


@every_row
def test_no_grad(row):
    """Nothing is recorded where recording is off (a view of a leaf still says that it requires gradients)."""
    given = inputs_of(row)
    mine = ours(given)
    with torch.no_grad():
        want = call(row, torch, given)
    with chainrule.no_grad():
        got = call(row, chainrule, mine)
    for k, (g, w) in enumerate(zip(got, want, strict=True)):
        assert (g.requires_grad, g.is_leaf, g.grad_fn) == (w.requires_grad, w.is_leaf, None), f"output {k}"


# Operations that look at values on the way, to check them or because they are made of several.
VALUES = re.compile(
    "ctc_loss|embedding_bag|embedding padded|embedding by frequency|quantile|nanquantile|histc|multinomial|pdist|to meta"
    "|div rounded integers|index negative|index by mask|index truth|setitem by|fractional_max_pool|unravel_index|repeat_interleave each"
)


@every_row
def test_meta(row):
    """On the meta device the shapes and dtypes come out without values."""
    if VALUES.match(row.name):
        pytest.skip("looks at values")
    given = inputs_of(row)
    moved = [t.detach().to("meta") for t in given]
    want, error = outcome(call, row, torch, moved)
    if error is not None:
        pytest.skip("PyTorch needs the values too")
    got = call(row, chainrule, [t.detach().to("meta") for t in ours(given)])
    assert [(tuple(g.shape), name_of(g.dtype), str(g.device)) for g in got] == [(tuple(w.shape), name_of(w.dtype), "meta") for w in want]
