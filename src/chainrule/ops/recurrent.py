"""Recurrent layers: one layer in one direction over a whole sequence, as one operation.

The rows of all time steps stand one under the other, as in a packed sequence: ``sizes[t]`` rows of step t, never more than
of the step before.  The projection of the inputs is done for all steps at once before (one matrix product), so a step
multiplies by the recurrent weight and applies the gates.  The backward pass knows all gates: what does not depend on the
cotangent that comes from the step after is computed for all steps at once too, and so is the gradient of the weights.

S. Hochreiter and J. Schmidhuber, "Long short-term memory" (1997); K. Cho et al., "Learning phrase representations using
RNN encoder-decoder …" (2014), in the variant with the reset gate behind the product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from ..core.op import Op
from ..core.tensor import Tensor
from .activation import relu
from .compare import where
from .exponential import sigmoid
from .matmul import linear_raw
from .products import column_sums, mm, mT
from .rows import index_select_op
from .slicing import cat_op
from .structure import view
from .trig import tanh

Sizes = tuple[int, ...]


def _steps(sizes: Sizes, reverse: bool) -> list[tuple[int, int, int]]:
    """(first row, row after the last, number of rows) of every step, in the order in which a layer takes them."""
    ends = list(accumulate(sizes))
    found = [(end - n, end, n) for end, n in zip(ends, sizes, strict=True)]
    return found[::-1] if reverse else found


def _walk(sizes: Sizes, reverse: bool, states: Sequence[Any]) -> Iterator[tuple[int, int, Any]]:
    """Every step's rows, and a function that brings the states of the step before to its number of rows.

    Forward, sequences end and their states are dropped; backward, they begin with their rows of ``states``.
    """
    have = states[0].shape[0] if not reverse else sizes[-1]

    def resized(k: int, state: Any, before: int, now: int) -> Any:
        if state is None:
            return states[k] if states[k].shape[0] == now else states[k][:now]
        if before == now:
            return state
        return state[:now] if before > now else cat_op(state, states[k][before:now], dim=0)

    for first, last, n in _steps(sizes, reverse):
        before, have = have, n
        yield first, last, lambda k, state, before=before, n=n: resized(k, state, before, n)


def _joined(parts: list[Any], reverse: bool, dim: int = 0) -> Any:
    """What the steps gave, in the order of time."""
    return cat_op(*(parts[::-1] if reverse else parts), dim=dim)


def previous(values: Any, first: Any, sizes: Sizes, reverse: bool) -> Any:
    """For every row of ``values`` the row of the step that was taken before; ``first`` before the first one."""
    n = sizes[0]
    if sizes[-1] == n:
        if len(sizes) == 1:
            return first
        return cat_op(values[n:], first, dim=0) if reverse else cat_op(first, values[:-n], dim=0)
    ends = [0, *accumulate(sizes)]
    places: list[Any] = []
    for t, rows in enumerate(sizes):
        if reverse:
            after = sizes[t + 1] if t + 1 < len(sizes) else 0
            places += [np.arange(after) + n + ends[t + 1], np.arange(after, rows)]
        else:
            places.append(np.arange(rows) + (n + ends[t - 1] if t else 0))
    return index_select_op(cat_op(first, values, dim=0), np.concatenate(places), dim=0)


def last(values: Any, sizes: Sizes, reverse: bool) -> Any:
    """The row of every sequence that its layer came to last."""
    n = sizes[0]
    if reverse:
        return values if len(sizes) == 1 else values[:n]
    if sizes[-1] == n:
        return values if len(sizes) == 1 else values[-n:]
    lengths = [sum(rows > k for rows in sizes) for k in range(n)]
    starts = [0, *accumulate(sizes)]
    return index_select_op(values, np.array([starts[length - 1] + k for k, length in enumerate(lengths)]), dim=0)


class _Carried:
    """A cotangent on its way from step to step, against the order in which the layer took them."""

    def __init__(self) -> None:
        self.value: Any = None
        self.ended: list[Any] = []  # rows of sequences whose first step was passed

    def added_to(self, g: Any, n: int) -> Any:
        """``g`` of a step with ``n`` rows, with what came from the step after."""
        carried = self.value
        if carried is None:
            return g
        m = carried.shape[0]
        if m > n:
            self.ended.append(carried[n:])
            carried = carried[:n]
        if m >= n:
            return g + carried
        return cat_op(g[:m] + carried, g[m:], dim=0)

    def first(self) -> Any:
        """The cotangent of the state before all steps."""
        return cat_op(self.value, *self.ended[::-1], dim=0) if self.ended else self.value


def _given(g: Any) -> bool:
    """False for a cotangent that is zero: a side output that nobody has used."""
    return isinstance(g, Tensor) or bool(g.any())


def _times_blocks(g: Any, blocks: Any) -> Any:
    """``g`` (n, H) times every block of H columns of ``blocks`` (n, k H)."""
    n, width = g.shape
    k = blocks.shape[1] // width
    return view(view(g, shape=(n, 1, width)) * view(blocks, shape=(n, k, width)), shape=(n, k * width))


def _parts(x: Any, n: int) -> list[Any]:
    """``n`` equal blocks of columns."""
    width = x.shape[1] // n
    return [x[:, k * width : (k + 1) * width] for k in range(n)]


# -- long short-term memory ----------------------------------------------------------------------------------------------


def _lstm(x: Any, h0: Any, c0: Any, w: Any, r: Any, *, sizes: Sizes, reverse: bool) -> tuple[Any, Any, Any]:
    outs: list[Any] = []
    cells: list[Any] = []
    gates: list[Any] = []
    wt, rt = mT(w), None if r is None else mT(r)
    h = c = None
    for a, b, resized in _walk(sizes, reverse, (h0, c0)):
        z = x[a:b] + mm(resized(0, h), wt)
        h, c, gate = lstm_step(z, resized(1, c))
        if rt is not None:
            h = mm(h, rt)
        outs.append(h)
        cells.append(c)
        gates.append(gate)
    return _joined(outs, reverse), _joined(cells, reverse), _joined(gates, reverse)


def lstm_step(z: Any, c: Any) -> tuple[Any, Any, Any]:
    """The new state, the new cell and the gates from what goes into the gates: input, forget, cell, output."""
    width = c.shape[1]
    first = sigmoid(z[:, : 2 * width])
    i, f = first[:, :width], first[:, width:]
    g = tanh(z[:, 2 * width : 3 * width])
    o = sigmoid(z[:, 3 * width :])
    c = f * c + i * g
    return o * tanh(c), c, cat_op(first, g, o, dim=1)


def _lstm_rule(
    g: Any, h0: Any, c0: Any, w: Any, r: Any, out0: Any, out1: Any, out2: Any, needs: Any, sizes: Sizes, reverse: bool
) -> tuple[Any, ...]:
    g_out, g_cells, g_gates = g
    i, f, u, o = _parts(out2, 4)
    squashed = tanh(out1)
    slope_i, slope_f, slope_u, slope_o = i * (1 - i), f * (1 - f), 1 - u * u, o * (1 - o)
    by_cell = cat_op(u * slope_i, previous(out1, c0, sizes, reverse) * slope_f, i * slope_u, dim=1)
    by_out = squashed * slope_o
    to_cell = o * (1 - squashed * squashed)
    extra = g_gates * cat_op(slope_i, slope_f, slope_u, slope_o, dim=1) if _given(g_gates) else None
    along, cell = _Carried(), _Carried()
    projected: list[Any] = []
    found: list[Any] = []
    for a, b, n in _steps(sizes, not reverse):
        dh = along.added_to(g_out[a:b], n)
        if r is not None:
            projected.append(dh)
            dh = mm(dh, r)
        dc = cell.added_to(g_cells[a:b], n) + dh * to_cell[a:b]
        dz = cat_op(_times_blocks(dc, by_cell[a:b]), dh * by_out[a:b], dim=1)
        if extra is not None:
            dz = dz + extra[a:b]
        found.append(dz)
        cell.value = dc * f[a:b]
        along.value = mm(dz, w)
    dx = _joined(found, not reverse)
    dw = mm(mT(dx), previous(out0, h0, sizes, reverse)) if needs[3] else None
    dr = mm(mT(_joined(projected, not reverse)), o * squashed) if needs[4] else None
    return dx, along.first(), cell.first(), dw, dr


lstm_layer = Op(
    "lstm_layer", _lstm, kind="general", args="x h0 c0 w r", outputs=3, differentiable=(0, 1, 2), vjp=_lstm_rule, node="LstmBackward0"
)


# -- gated recurrent unit ------------------------------------------------------------------------------------------------


def _gru(x: Any, h0: Any, w: Any, bias: Any, *, sizes: Sizes, reverse: bool) -> tuple[Any, Any, Any]:
    outs: list[Any] = []
    gates: list[Any] = []
    hidden: list[Any] = []
    h = None
    for a, b, resized in _walk(sizes, reverse, (h0,)):
        before = resized(0, h)
        h, gate, inner = gru_step(x[a:b], linear_raw(bias, before, w), before)
        outs.append(h)
        gates.append(gate)
        hidden.append(inner)
    return _joined(outs, reverse), _joined(gates, reverse), _joined(hidden, reverse)


def gru_step(x: Any, y: Any, h: Any) -> tuple[Any, Any, Any]:
    """The new state, the gates (reset, update, new), and what the reset gate was multiplied with.

    ``x`` and ``y`` are the projections of the input and of the state ``h``.
    """
    width = h.shape[1]
    first = sigmoid(x[:, : 2 * width] + y[:, : 2 * width])
    inner = y[:, 2 * width :]
    new = tanh(x[:, 2 * width :] + first[:, :width] * inner)
    return new + first[:, width:] * (h - new), cat_op(first, new, dim=1), inner


def _gru_rule(
    g: Any, h0: Any, w: Any, bias: Any, out0: Any, out1: Any, out2: Any, needs: Any, sizes: Sizes, reverse: bool
) -> tuple[Any, ...]:
    g_out, g_gates, g_inner = g
    r, z, new = _parts(out1, 3)
    before = previous(out0, h0, sizes, reverse)
    slope_r, slope_z, slope_new = r * (1 - r), z * (1 - z), 1 - new * new
    through = (1 - z) * slope_new
    by_out = cat_op(through * out2 * slope_r, (before - new) * slope_z, through * r, dim=1)
    extra = extra_new = None
    if _given(g_gates) or _given(g_inner):
        g_r, g_z, g_new = _parts(g_gates, 3)
        extra_new = g_new * slope_new
        extra = cat_op((g_r + extra_new * out2) * slope_r, g_z * slope_z, extra_new * r + g_inner, dim=1)
    along = _Carried()
    all_dh: list[Any] = []
    found: list[Any] = []
    for a, b, n in _steps(sizes, not reverse):
        dh = along.added_to(g_out[a:b], n)
        dy = _times_blocks(dh, by_out[a:b])
        if extra is not None:
            dy = dy + extra[a:b]
        all_dh.append(dh)
        found.append(dy)
        along.value = dh * z[a:b] + mm(dy, w)
    dy = _joined(found, not reverse)
    d_new = _joined(all_dh, not reverse) * through
    if extra_new is not None:
        d_new = d_new + extra_new
    dx = cat_op(dy[:, : 2 * w.shape[1]], d_new, dim=1)
    dw = mm(mT(dy), before) if needs[2] else None
    return dx, along.first(), dw, column_sums(dy) if needs[3] else None


gru_layer = Op(
    "gru_layer", _gru, kind="general", args="x h0 w bias", outputs=3, differentiable=(0, 1, 2), vjp=_gru_rule, node="GruBackward0"
)


# -- the plain recurrent network -----------------------------------------------------------------------------------------


def rnn_step(z: Any, rectified: bool) -> Any:
    """The new state."""
    return relu(z) if rectified else tanh(z)


def _rnn(x: Any, h0: Any, w: Any, *, sizes: Sizes, reverse: bool, rectified: bool) -> Any:
    outs: list[Any] = []
    wt = mT(w)
    h = None
    for a, b, resized in _walk(sizes, reverse, (h0,)):
        h = rnn_step(x[a:b] + mm(resized(0, h), wt), rectified)
        outs.append(h)
    return _joined(outs, reverse)


def _rnn_rule(g: Any, h0: Any, w: Any, out: Any, needs: Any, sizes: Sizes, reverse: bool, rectified: bool) -> tuple[Any, ...]:
    slope = None if rectified else 1 - out * out
    along = _Carried()
    found: list[Any] = []
    for a, b, n in _steps(sizes, not reverse):
        dh = along.added_to(g[a:b], n)
        dz = where(out[a:b] > 0, dh, 0.0) if slope is None else dh * slope[a:b]
        found.append(dz)
        along.value = mm(dz, w)
    dx = _joined(found, not reverse)
    return dx, along.first(), mm(mT(dx), previous(out, h0, sizes, reverse)) if needs[2] else None


rnn_layer = Op("rnn_layer", _rnn, kind="general", args="x h0 w", vjp=_rnn_rule, node="RnnBackward0")
