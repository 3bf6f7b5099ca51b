"""vmap of every spec row against a loop: values, gradients of single samples, and derivatives through vmap."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as T

from .harness import call, check, cotangents, is_differentiable, numpy_of, scalar, selected, tensors

# An operation without a batch rule loops, says so, and is held to the same answers.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")

SIZE = 3
ROWS = selected(lambda row: row.vmap is not False and bool(row.inputs), ["float64"])


def batched_of(row):
    """Which inputs get a batch axis."""
    return (True,) * len(row.inputs) if row.vmap is True else tuple(row.vmap)


def samples(row, dtype, batched):
    """SIZE lists of inputs that differ where ``batched``."""
    first = row.arrays(dtype)
    others = [row.arrays(dtype, salt=f"sample {k}") for k in range(1, SIZE)]
    return [first] + [[b if m else a for a, b, m in zip(first, other, batched)] for other in others]


def stacked(lists, batched, dims):
    """The samples as one list of arrays, the batch axis of each at ``dims``."""
    return [np.stack([s[i] for s in lists], d) if m else lists[0][i] for i, (m, d) in enumerate(zip(batched, dims))]


def in_dims_of(batched, dims):
    return tuple(d if m else None for m, d in zip(batched, dims))


def compare(row, dtype, got, loops, what):
    """Each output of the batched call against the stack of the loop's."""
    assert len(got) == len(loops[0])
    for k, g in enumerate(got):
        want = np.stack([numpy_of(one[k]) for one in loops])
        check(g, want, row, dtype, 0, f"{row.name}: {what} {k}")


@pytest.mark.parametrize(("family", "row", "dtype"), ROWS)
def test_values(family, row, dtype):
    """All inputs batched; then each alone, with its batch axis at the end and the output's too."""
    masks = [batched_of(row)]
    masks += [tuple(i == k for i in range(len(row.inputs))) for k, m in enumerate(masks[0]) if m and sum(masks[0]) > 1]
    for mask in masks:
        end = mask is not masks[0]
        lists = samples(row, dtype, mask)
        loops = [call(row, T, tensors(T, one)) for one in lists]
        dims = [lists[0][i].ndim if end else 0 for i in range(len(mask))]
        in_dims = tuple(-1 if d and end and m else d if m else None for d, m in zip(dims, mask))
        args = tensors(T, stacked(lists, mask, dims))
        out_dims = -1 if end else 0
        got = T.vmap(lambda *xs: call(row, T, xs), in_dims=in_dims, out_dims=out_dims)(*args)
        compare(row, dtype, [T.movedim(g, out_dims, 0) for g in got], loops, f"batched {mask} output")


DIFFERENTIABLE = [p for p in ROWS if p.values[1].differentiable and p.values[1].wrt(p.values[1].arrays("float64"))]


def prepared(row, dtype):
    """Samples, the batched arguments, in_dims, and the positions that are differentiated and batched."""
    batched = batched_of(row)
    lists = samples(row, dtype, batched)
    where = [i for i in row.wrt(lists[0]) if batched[i]]
    if not where or scalar(row, T, lists[0], where)(*tensors(T, [lists[0][i] for i in where])) is None:
        pytest.skip("no batched input has a derivative")
    args = tensors(T, stacked(lists, batched, [0] * len(batched)))
    return lists, args, in_dims_of(batched, [0] * len(batched)), where


def loss(row, args):
    """Σ of the squares of the differentiable outputs (their real and imaginary parts)."""
    return sum((o * o.conj()).real.sum() if o.dtype.is_complex else (o * o).sum() for o in call(row, T, args) if is_differentiable(o))


def sample_gradients(row, lists, where):
    """The loop that vmap replaces."""
    return [T.func.grad(lambda *xs: loss(row, xs), argnums=tuple(where))(*tensors(T, one)) for one in lists]


@pytest.mark.parametrize(("family", "row", "dtype"), DIFFERENTIABLE)
def test_gradient_of_every_sample(family, row, dtype):
    """vmap(grad(f)): reverse mode on batched values."""
    lists, args, in_dims, where = prepared(row, dtype)
    got = T.vmap(T.func.grad(lambda *xs: loss(row, xs), argnums=tuple(where)), in_dims=in_dims)(*args)
    compare(row, dtype, got, sample_gradients(row, lists, where), "gradient")


@pytest.mark.parametrize(("family", "row", "dtype"), DIFFERENTIABLE)
def test_gradient_through_vmap(family, row, dtype):
    """grad of the sum of vmap(f): batched operations on the tape."""
    lists, args, in_dims, where = prepared(row, dtype)
    for i in where:
        args[i].requires_grad_()
    total = T.vmap(lambda *xs: loss(row, xs), in_dims=in_dims)(*args).sum()
    found = T.autograd.grad(total, [args[i] for i in where], allow_unused=True) if total.requires_grad else (None,) * len(where)
    got = [T.zeros_like(args[i]) if g is None else g for g, i in zip(found, where)]
    compare(row, dtype, got, sample_gradients(row, lists, where), "gradient")


@pytest.mark.parametrize(("family", "row", "dtype"), DIFFERENTIABLE)
def test_tangent_of_every_sample(family, row, dtype):
    """vmap of jvp: forward mode on batched values."""
    lists, args, in_dims, where = prepared(row, dtype)

    def pushed(*xs):
        def f(*moving):
            full = list(xs)
            for i, x in zip(where, moving):
                full[i] = x
            return tuple(o for o in call(row, T, full) if is_differentiable(o))

        point = tuple(xs[i] for i in where)
        return T.func.jvp(f, point, tuple(x * 0.5 + 0.25 for x in point))[1]

    compare(row, dtype, T.vmap(pushed, in_dims=in_dims)(*args), [pushed(*tensors(T, one)) for one in lists], "tangent")


@pytest.mark.parametrize(("family", "row", "dtype"), DIFFERENTIABLE)
def test_batched_cotangents(family, row, dtype):
    """vmap of a vjp over its cotangent: what jacrev and is_grads_batched do."""
    arrays = row.arrays(dtype)
    where = row.wrt(arrays)
    args = tensors(T, arrays)
    for i in where:
        args[i].requires_grad_()
    outs = call(row, T, args)
    pairs = [(o, c) for o, c in zip(outs, cotangents(row, T, outs)) if c is not None and o.requires_grad]
    if not pairs:
        pytest.skip("no output has a derivative")
    ys, xs = [o for o, _ in pairs], [args[i] for i in where]
    many = [[c * scale for _, c in pairs] for scale in (1.0, -0.5, 2.0)]
    one_by_one = [T.autograd.grad(ys, xs, cts, retain_graph=True, materialize_grads=True) for cts in many]
    together = [T.stack([cts[k] for cts in many]) for k in range(len(pairs))]
    got = T.autograd.grad(ys, xs, together, is_grads_batched=True, materialize_grads=True)
    compare(row, dtype, got, one_by_one, "gradient")
