"""Reading and writing by index tensors, masks and lists; gather, the scatters, rows, embeddings."""

from __future__ import annotations

from .row import Row, array, bools, ints, real

MASK = array([[True, False, True], [False, True, True]])


def assigned(T, x, y):
    z = x * y.sum()
    z[0] = y
    z[:, 1] *= 2.0
    z[1:, 0] = z[0, 0].clone() * z[1, 2].clone()
    z[..., -1] = 3.0
    return T.square(z)


def assigned_by_index(T, x, y, i):
    z = x * y.sum()
    z[i] = y
    z[T.tensor([0, 1]), T.tensor([1, 2])] = y[0, :2]
    z[0, [2]] += 1.0
    return T.square(z)


def assigned_by_mask(T, x, m, y):
    z = x * 1.0
    z[m] = y
    z[z > 1.5] = 1.0
    return T.square(z)


ROWS = [
    Row("index", lambda T, x, i: T.square(x[i]), (real(4, 3), ints(2, 3, hi=4)), op=("index", "index_back"),
        special=((real(3), array([], "int64")),)),
    Row("index rows and columns", lambda T, x, i, j: T.square(x[i, j]), (real(4, 3), ints(5, hi=4), ints(5, hi=3)), op="index"),
    Row("index later dim", lambda T, x, i: T.square(x[:, i]), (real(2, 4, 3), ints(2, hi=4)), op="index"),
    Row("index last dims", lambda T, x, i, j: T.square(x[:, i, j]), (real(2, 4, 3), ints(2, 1, hi=4), ints(3, hi=3)), op="index"),
    Row("index apart", lambda T, x, i, j: T.square(x[i, :, j]), (real(3, 2, 4), ints(2, hi=3), ints(3, 1, hi=4)), op="index"),
    Row("index and slice", lambda T, x, i: T.square(x[1, i, ::2, None]), (real(2, 4, 3), ints(2, hi=4)), op="index"),
    Row("index negative", lambda T, x: T.square(x[[-1, 0, -1]]), (real(3, 2),), op="index"),
    Row("index many rows", lambda T, x, i: T.square(x[i]), (real(5, 2), ints(40, hi=5)), op="index"),
    Row("index by mask", lambda T, x, m: T.square(x[m]), (real(2, 3), MASK), op="index", vmap=(True, False)),
    Row("index by mask of rows", lambda T, x: T.square(x[T.tensor([True, False, True]), 1:]), (real(3, 2),), op="index"),
    Row("index truth", lambda T, x: (x[True], x[False]), (real(2),), op="index", second=False),
    Row("getitem", lambda T, x: (x[1, 2], x[-1], x[:, 0], x[..., None, 1], x[0, 1:], x[()]), (real(2, 3),), op=("select", "slice")),
    Row("setitem", assigned, (real(3, 3), real(3)), op=("select", "slice", "copy_slices")),
    Row("setitem by index", assigned_by_index, (real(4, 3), real(2, 3), array([3, 1])), op="index_put", vmap=(True, True, False)),
    Row("setitem by mask", assigned_by_mask, (real(2, 3), MASK, real()), op="index_put", vmap=False),
    Row("index_put", lambda T, x, v, i: T.square(T.index_put(x, (i,), v)), (real(4, 2), real(2, 2), array([2, 0])),
        op=("index_put", "index_clear"), vmap=(True, True, False)),
    Row("index_put added", lambda T, x, v, i: T.square(x.index_put((i,), v, accumulate=True)), (real(3, 2), real(5, 2), ints(5, hi=3))),
    Row("index_put broadcast", lambda T, x, v, i, j: T.square(x.index_put((i, j), v, accumulate=True)),
        (real(3, 4), real(3), ints(2, 1, hi=3), ints(3, hi=4))),
    Row("index_put batched values",
        lambda T, x, v: T.square(x.index_put((T.tensor([[0, 2], [1, 1]]), T.tensor([[1], [0]])), v, accumulate=True)),
        (real(3, 2, 2), real(2))),
    Row("gather", lambda T, x, i: T.square(T.gather(x, -1, i)), (real(3, 4), ints(2, 3, hi=4)), op=("gather", "gather_back"),
        special=((real(), array(0)), (real(3), array([], "int64")))),
    Row("gather first", lambda T, x, i: T.square(x.gather(0, i)), (real(3, 4), ints(5, 2, hi=3)), op="gather"),
    Row("scatter", lambda T, x, y: T.square(T.scatter(x, 1, T.tensor([[2, 0], [1, 3]]), y)), (real(3, 4), real(2, 2))),
    Row("scatter_value", lambda T, x, i: T.square(x.scatter(1, i, 0.5)), (real(3, 4), ints(3, 2, hi=4))),
    Row("scatter larger source", lambda T, x, y: x.scatter(0, T.tensor([[1, 0]]), y), (real(2, 2), real(3, 3)), op="scatter",
        differentiable=False),
    Row("scatter_add", lambda T, x, i, y: T.square(T.scatter_add(x, 0, i, y)), (real(3, 4), ints(2, 4, hi=3), real(2, 4))),
    Row("scatter_reduce", lambda T, x, i, y: T.square(T.scatter_reduce(x, 0, i, y, "sum", include_self=False)),
        (real(3, 2), ints(4, 2, hi=3), real(4, 2))),
    Row("scatter_reduce mean", lambda T, x, i, y: T.square(T.scatter_reduce(x, 0, i, y, "mean")),
        (real(3, 2), ints(4, 2, hi=3), real(4, 2))),
    Row("scatter_reduce prod", lambda T, x, i, y: T.scatter_reduce(x, 0, i, y, "prod"), (real(3, 2), ints(4, 2, hi=3), real(4, 2))),
    Row("scatter_reduce prod zeros", lambda T, x, y: T.scatter_reduce(x, 0, T.tensor([0, 0, 1, 1]), y, "prod"),
        (array([2.0, 3.0, 4.0]), array([0.0, 5.0, 0.0, 0.0])), second=False),
    Row("scatter_reduce amax", lambda T, x, i, y: T.square(T.scatter_reduce(x, 0, i, y, "amax", include_self=False)),
        (real(3, 2), ints(4, 2, hi=3), real(4, 2))),
    Row("scatter_reduce ties", lambda T, x, y: T.scatter_reduce(x, 0, T.tensor([0, 0, 1]), y, "amin"),
        (array([1.0, 2.0]), array([1.0, 1.0, 3.0])), numeric=False, second=False),
    Row("scatter added", lambda T, x: x.scatter(0, T.tensor([0, 0]), 2.0, reduce="multiply"), (real(3),), op="scatter_reduce",
        differentiable=False),
    Row("take_along_dim", lambda T, x, i: T.square(T.take_along_dim(x, i, 1)), (real(3, 4), ints(1, 2, hi=4)), op="gather",
        vmap=(True, False)),
    Row("index_select", lambda T, x, i: T.square(T.index_select(x, -1, i)), (real(3, 4), ints(5, hi=4)),
        op=("index_select", "index_select_back"), special=((real(), array([0])),)),
    Row("index_select first", lambda T, x, i: T.square(x.index_select(0, i)), (real(3, 2), ints(30, hi=3)), op="index_select"),
    Row("index_add", lambda T, x, i, y: T.square(T.index_add(x, 1, i, y, alpha=2)), (real(2, 3), ints(4, hi=3), real(2, 4))),
    Row("index_copy", lambda T, x, y: T.square(T.index_copy(x, 0, T.tensor([2, 0]), y)), (real(3, 2), real(2, 2))),
    Row("index_fill", lambda T, x, i: T.square(T.index_fill(x, 1, i, 0.5)), (real(2, 3), ints(2, hi=3))),
    Row("index_fill_from", lambda T, x, i, y: T.square(T.index_fill(x, 1, i, y)), (real(2, 3), ints(2, hi=3), real())),
    Row("index_reduce", lambda T, x, y: T.square(x.index_reduce(0, T.tensor([1, 1, 0]), y, "mean")), (real(2, 2), real(3, 2)),
        op="scatter_reduce",
        second=False),
    Row("take", lambda T, x, i: T.square(T.take(x, i)), (real(2, 3), ints(2, 2, hi=6)), op=("take", "take_back"),
        special=((real(), array([0, 0])),)),
    Row("put", lambda T, x, y: T.square(x.put(T.tensor([4, 1]), y)), (real(2, 3), real(2)), op=("put", "put_clear")),
    Row("put added", lambda T, x, i, y: T.square(x.put(i, y, accumulate=True)), (real(2, 3), ints(4, hi=6), real(4)), op="put"),
    Row("masked_fill", lambda T, x, m: T.square(T.masked_fill(x, m, 0.5)), (real(2, 3), bools(2, 3)), special=((real(), array(True)),)),
    Row("masked_fill broadcast", lambda T, x, m: T.square(x.masked_fill(m, 0.5)), (real(3), bools(2, 1)), op="masked_fill"),
    Row("masked_fill_from", lambda T, x, m, y: T.square(T.masked_fill(x, m, y)), (real(2, 3), bools(3), real())),
    Row("masked_fill infinity", lambda T, x, m: T.softmax(x.masked_fill(m, float("-inf")), -1),
        (real(2, 4), array([[True, False, False, True]] * 2)),
        op="masked_fill"),
    Row("masked_select", lambda T, x, m: T.square(T.masked_select(x, m)), (real(2, 3), MASK), op=("masked_select", "masked_place"),
        vmap=False),
    Row("masked_scatter", lambda T, x, m, y: T.square(T.masked_scatter(x, m, y)), (real(2, 3), MASK, real(3, 2)),
        op=("masked_scatter", "first_of"), vmap=False),
    Row("nonzero", lambda T, x: (T.nonzero(x), *x.nonzero(as_tuple=True), T.argwhere(x)), (ints(3, 3, hi=2),), vmap=False),
    Row("where positions", lambda T, m: T.where(m), (bools(3, 3),), op="nonzero", vmap=False),
    Row("embedding", lambda T, i, w: T.square(T.nn.functional.embedding(i, w)), (ints(2, 3, hi=5), real(5, 2)),
        op=("embedding", "embedding_back")),
    Row("embedding padded", lambda T, w: T.square(T.nn.functional.embedding(T.tensor([1, 2, 1, 0]), w, padding_idx=1)), (real(3, 2),),
        op=("embedding", "embedding_front"), numeric=False),
    Row("embedding by frequency", lambda T, w: T.square(T.nn.functional.embedding(T.tensor([1, 2, 1]), w, scale_grad_by_freq=True)),
        (real(3, 2),),
        op=("embedding", "embedding_front"), numeric=False, second=False),
    Row("one_hot", lambda T, i: T.nn.functional.one_hot(i, 4), (ints(2, 3, hi=4),), op=("one_hot", "inside")),
]
