"""Views of every shape, parts, joining, repetition and order, triangles, grids, padding, sliding blocks."""

from __future__ import annotations

from .row import Row, array, bools, cplx, ints, real

EMPTY = (array([[], [], []]),)
SCALAR = (real(),)


def lopsided(T, x):
    """In place, through a view and under another shape: what CopySlices and the renewed views differentiate."""
    y = x * 1.0
    first, rest = y[0], y[1:]
    first.mul_(rest[0].clone())
    rest.t()[1] += first[1]
    y.view(-1)[::2] *= 2.0
    return T.square(y), T.sin(first), rest * rest


def renamed(T, x):
    y = x * 2.0
    part = y[:, 1:]
    y.unsqueeze_(0).transpose_(1, 2)
    part.t_()
    y.sin_()
    return y.squeeze_(), T.square(part)


def squeezed(T, x):
    y, z, w = x * 2.0, x * x, x + 1.0
    return y.squeeze_(0) * 2.0, z.squeeze_((0, 2)) * z, w.squeeze_() * w


def restrided(T, x):
    y = x * x
    return y.as_strided_((2, 2), (2, 1), 1) * 3.0


ROWS = [
    Row("view", lambda T, x: T.square(x.view(-1, 1, 3)), (real(2, 6),), special=((real(0, 3),),)),
    Row("view expanded", lambda T, x: T.square(x.expand(4, 3).view(2, 2, 3)), (real(3),), op=("view", "expand")),
    Row("reshape", lambda T, x: T.square(T.reshape(x, (3, 2))), (real(2, 3),), op="view"),
    Row("reshape transposed", lambda T, x: T.square(x.t().reshape(1, 3, 2)), (real(2, 3),), op="reshape_alias"),
    Row("reshape copy", lambda T, x: T.square(x.t().reshape(6)), (real(2, 3),), op="unsafe_view"),
    Row("flatten", lambda T, x: T.square(T.flatten(x, 1)), (real(2, 3, 2),), op="view"),
    Row("unflatten", lambda T, x: T.square(x.unflatten(1, (2, -1))), (real(2, 6),), op="view"),
    Row("ravel", lambda T, x: T.square(T.ravel(x.t())), (real(2, 3),), op="unsafe_view"),
    Row("alias", lambda T, x: T.square(x[...]), (real(2, 3),), special=(SCALAR,)),
    Row("transpose", lambda T, x: T.square(T.transpose(x, 0, -1)), (real(2, 3, 4),), special=(EMPTY,)),
    Row("t", lambda T, x: T.square(x.t()), (real(2, 3),), special=((real(3),), SCALAR)),
    Row("T", lambda T, x: x.T @ x, (real(2, 3),), op="permute"),
    Row("mT", lambda T, x: x.mT * 2.0, (real(2, 2, 3),), op="transpose"),
    Row("H", lambda T, x: x.H * 2.0, (cplx(2, 3),), op="transpose", second=False),
    Row("adjoint", lambda T, x: T.adjoint(x) * 2.0, (cplx(2, 2, 3),), op="transpose", second=False),
    Row("permute", lambda T, x: T.square(x.permute(2, 0, 1)), (real(2, 3, 4),)),
    Row("movedim", lambda T, x: T.square(T.movedim(x, (0, 1), (2, 0))), (real(2, 3, 4),), op="permute"),
    Row("swapaxes", lambda T, x: T.square(T.swapaxes(x, 1, 0)), (real(2, 3),), op="transpose"),
    Row("squeeze", lambda T, x: T.square(T.squeeze(x)), (real(1, 3, 1),), special=(SCALAR,)),
    Row("squeeze_dim", lambda T, x: (T.square(x.squeeze(0)), x.squeeze(1)), (real(1, 3, 1),)),
    Row("squeeze_dims", lambda T, x: T.square(x.squeeze((0, -1))), (real(1, 3, 1),)),
    Row("unsqueeze", lambda T, x: (T.square(x.unsqueeze(0)), x.unsqueeze(-1)), (real(2, 3),), special=(SCALAR,)),
    Row("atleast", lambda T, x, y: (T.atleast_1d(y), T.atleast_2d(x), *T.atleast_3d(x, y)), (real(3), real()), op=("view", "unsqueeze")),
    Row("expand", lambda T, x: T.square(x.expand(2, 4, -1)), (real(4, 1),), op="expand"),
    Row("expand new dims", lambda T, x: T.square(x.expand(2, 2)), (real(),), op="expand"),
    Row("broadcast_tensors", lambda T, x, y: [T.square(a) for a in T.broadcast_tensors(x, y)], (real(3, 1), real(2)), op="expand"),
    Row("select", lambda T, x: (T.square(x.select(1, -1)), x.select(0, 0)), (real(2, 3),), op=("select", "select_back")),
    Row("slice", lambda T, x: (T.square(x[:, 1::2]), x[1:, None]), (real(3, 5),), op=("slice", "slice_back")),
    Row("narrow", lambda T, x: T.square(T.narrow(x, 1, 1, 2)), (real(2, 4),), op="slice"),
    Row("narrow_copy", lambda T, x: T.square(T.narrow_copy(x, 0, 1, 1)), (real(2, 4),), op="slice"),
    Row("split", lambda T, x: [T.square(p) for p in T.split(x, 2, 1)], (real(2, 5),)),
    Row("split one of them", lambda T, x: T.square(T.split(x, 2, 1)[1]), (real(2, 5),), op="split"),
    Row("split_with_sizes", lambda T, x: [T.square(p) for p in x.split([1, 0, 2])], (real(3, 2),)),
    Row("chunk", lambda T, x: [T.square(p) for p in T.chunk(x, 3, -1)], (real(2, 5),), op="split"),
    Row("tensor_split", lambda T, x: [T.square(p) for p in T.tensor_split(x, (1, 3), 1)], (real(2, 5),), op="slice"),
    Row("hsplit", lambda T, x: [T.square(p) for p in (*T.hsplit(x, 2), *T.vsplit(x, [1]))], (real(2, 4),), op="slice"),
    Row("dsplit", lambda T, x: [T.square(p) for p in T.dsplit(x, [1])], (real(2, 1, 3),), op="slice"),
    Row("unbind", lambda T, x: [T.square(p) for p in T.unbind(x, 1)], (real(2, 3),)),
    Row("unsafe_split", lambda T, x: [T.square(p) for p in (*x.unsafe_split(2), *x.unsafe_chunk(2))], (real(3, 2),)),
    Row("diagonal", lambda T, x: (T.square(T.diagonal(x)), x.diagonal(1, 2, 0)), (real(3, 4, 2),), op=("diagonal", "diagonal_back")),
    Row("unfold", lambda T, x: (T.square(x.unfold(1, 3, 1)), x.unfold(0, 2, 2)), (real(2, 5),), op=("unfold", "unfold_back")),
    Row("unfold scalar", lambda T, x: T.square(x.unfold(0, 1, 1)), (real(),), op="unfold"),
    Row("as_strided", lambda T, x: T.square(x.as_strided((2, 3), (1, 2), 1)), (real(3, 3),),
        op=("as_strided", "as_strided_back", "strided_gather"), vmap=False),
    Row("as_strided under vmap", lambda T, x: T.square(x.as_strided((2, 2), (1, 1))), (real(4),), op="strided_gather"),
    Row("select_scatter", lambda T, x, y: T.square(T.select_scatter(x, y, 1, -1)), (real(2, 3), real(2)), op=("select_scatter", "clear")),
    Row("slice_scatter", lambda T, x, y: T.square(T.slice_scatter(x, y, 1, 0, 4, 2)), (real(2, 4), real(2, 2))),
    Row("diagonal_scatter", lambda T, x, y: T.square(T.diagonal_scatter(x, y, 1)), (real(3, 3), real(2))),
    Row("unravel_index", lambda T, i: T.unravel_index(i, (3, 4)), (ints(5, hi=12),), op="unravel_index", vmap=False),
    Row("cat", lambda T, x, y: T.square(T.cat([x, y, x], 1)), (real(2, 3), real(2, 1)), special=((array([[], []]), real(2, 2)),)),
    Row("cat mixed", lambda T, x, y: T.cat([x, y]), (real(2), ints(3)), op="cat"),
    Row("stack", lambda T, x, y: (T.square(T.stack([x, y])), T.stack([x, y], -1)), (real(2, 3), real(2, 3)), special=((real(), real()),)),
    Row("hstack", lambda T, x, y: T.square(T.hstack([x, y])), (real(2), real(3)), op="cat"),
    Row("vstack", lambda T, x, y: T.square(T.vstack([x, y])), (real(3), real(2, 3)), op="cat"),
    Row("dstack", lambda T, x, y: T.square(T.dstack([x, y])), (real(3), real(3)), op="cat"),
    Row("column_stack", lambda T, x, y: T.square(T.column_stack([x, y])), (real(2), real(2, 3)), op="cat"),
    Row("block_diag", lambda T, x, y: T.square(T.block_diag(x, y, x)), (real(2, 3), real(2))),
    Row("repeat", lambda T, x: T.square(x.repeat(2, 1, 3)), (real(2, 3),), special=(SCALAR, EMPTY)),
    Row("tile", lambda T, x: T.square(T.tile(x, (2,))), (real(2, 3),), op="repeat"),
    Row("repeat_interleave", lambda T, x: T.square(x.repeat_interleave(2, 1)), (real(2, 3),), op="expand"),
    Row("repeat_interleave each", lambda T, x: T.square(x.repeat_interleave(T.tensor([2, 0, 1]), 1)), (real(2, 3),), op="index_select"),
    Row("roll", lambda T, x: (T.square(T.roll(x, (1, -2), (0, 1))), x.roll(2)), (real(2, 3),)),
    Row("flip", lambda T, x: (T.square(T.flip(x, (0, 1))), x.fliplr(), x.flipud()), (real(2, 3),)),
    Row("rot90", lambda T, x: [T.square(T.rot90(x, k)) for k in range(4)], (real(2, 3),)),
    Row("tril", lambda T, x: (T.square(T.tril(x)), x.tril(1)), (real(2, 3, 3),)),
    Row("triu", lambda T, x: (T.square(T.triu(x)), x.triu(-1)), (real(3, 4),)),
    Row("diag", lambda T, x: T.square(T.diag(x, 1)), (real(3, 3),), op="diagonal_copy"),
    Row("diag of a vector", lambda T, x: T.square(T.diag(x, -1)), (real(3),), op="diag_embed"),
    Row("diag_embed", lambda T, x: T.square(T.diag_embed(x, 1, 0, 2)), (real(2, 3),)),
    Row("diagflat", lambda T, x: T.square(T.diagflat(x)), (real(2, 2),), op="diag_embed"),
    Row("meshgrid", lambda T, x, y: [T.square(g) for g in T.meshgrid(x, y, indexing="xy")], (real(3), real(2)), op="expand"),
    Row("cartesian_prod", lambda T, x, y: T.square(T.cartesian_prod(x, y)), (real(3), real(2)), op="stack"),
    Row("combinations", lambda T, x: T.square(T.combinations(x)), (real(4),), op="index_select"),
    Row("constant_pad_nd", lambda T, x: T.square(T.nn.functional.pad(x, (1, 2, -1, 1), value=0.5)), (real(3, 3),)),
    Row("reflection_pad1d", lambda T, x: T.square(T.nn.functional.pad(x, (2, 1), mode="reflect")), (real(2, 4),),
        op=("reflection_pad1d", "unpad")),
    Row("reflection_pad2d", lambda T, x: T.square(T.nn.functional.pad(x, (2, 1, 0, 1), mode="reflect")), (real(1, 3, 4),)),
    Row("reflection_pad3d", lambda T, x: T.square(T.nn.functional.pad(x, (1, 1, 0, 1, 1, 0), mode="reflect")), (real(1, 2, 2, 2),)),
    Row("replication_pad1d", lambda T, x: T.square(T.nn.functional.pad(x, (2, 3), mode="replicate")), (real(2, 2),)),
    Row("replication_pad2d", lambda T, x: T.square(T.nn.functional.pad(x, (2, 1, 0, 1), mode="replicate")), (real(1, 2, 2),)),
    Row("replication_pad3d", lambda T, x: T.square(T.nn.functional.pad(x, (1, 1, 0, 1, 1, 0), mode="replicate")), (real(1, 1, 2, 2),)),
    Row("circular_pad1d", lambda T, x: T.square(T.nn.functional.pad(x, (2, 1), mode="circular")), (real(2, 3),)),
    Row("circular_pad2d", lambda T, x: T.square(T.nn.functional.pad(x, (2, 1, 0, 1), mode="circular")), (real(1, 2, 2),)),
    Row("circular_pad3d", lambda T, x: T.square(T.nn.functional.pad(x, (1, 1, 0, 1, 1, 0), mode="circular")), (real(1, 2, 2, 2),)),
    Row("im2col", lambda T, x: T.square(T.nn.functional.unfold(x, 2, dilation=1, padding=1, stride=(2, 1))), (real(1, 2, 3, 3),)),
    Row("col2im", lambda T, x: T.square(T.nn.functional.fold(x, (3, 3), 2, padding=1, stride=2)), (real(8, 4),)),
    Row("squeeze_", squeezed, (real(1, 3, 1),), op=("squeeze_", "squeeze_dim_", "squeeze_dims_")),
    Row("unsqueeze_", renamed, (real(2, 3),), op=("unsqueeze_", "transpose_", "t_")),
    Row("as_strided_", restrided, (real(3, 2),), vmap=False),
    Row("views written in place", lopsided, (real(3, 4),), op=("take_view", "put_view", "clear_view", "copy_slices")),
    Row("writes of booleans", lambda T, x, m: T.where(m, x, 0.0)[::2], (real(3, 2), bools(3, 2)), op="slice"),
]
