"""Recurrent networks as functions: ``torch.lstm``, ``gru``, ``rnn_tanh``, ``rnn_relu`` and one step of each (``…_cell``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.naming import argument_error
from ..core.tensor import Tensor
from ..core.value import Value
from .dropout import dropout as dropped
from .joining import cat, stack
from .matmul import check_tensors, linear
from .recurrent import Sizes, gru_layer, gru_step, last, lstm_layer, lstm_step, rnn_layer, rnn_step
from .structure import view

Layer = Callable[..., tuple[Any, list[Any]]]

# What a layer does with its parameters: (rows, weights, biases, first states, projection, sizes, reverse) to the rows
# of its output and its last states.


def _run(op: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
    """One node for the layer; where another interpreter looks on, the operations that it consists of."""
    if any(isinstance(a, Tensor) and isinstance(a._value, Value) for a in args):
        return op.impl(*args, **kw)
    return op(*args, **kw)


def _lstm(x: Any, weights: Sequence[Any], states: Sequence[Any], kw: dict[str, Any]) -> tuple[Any, list[Any]]:
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    x = linear(x, w_ih, None if b_ih is None else b_ih + b_hh)
    out, cells, _ = _run(lstm_layer, (x, *states, w_hh, w_hr), kw)
    return out, [last(out, **kw), last(cells, **kw)]


def _gru(x: Any, weights: Sequence[Any], states: Sequence[Any], kw: dict[str, Any]) -> tuple[Any, list[Any]]:
    w_ih, w_hh, b_ih, b_hh, _ = weights
    out, _, _ = _run(gru_layer, (linear(x, w_ih, b_ih), *states, w_hh, b_hh), kw)
    return out, [last(out, **kw)]


def _rnn(relu: bool) -> Layer:
    def layer(x: Any, weights: Sequence[Any], states: Sequence[Any], kw: dict[str, Any]) -> tuple[Any, list[Any]]:
        w_ih, w_hh, b_ih, b_hh, _ = weights
        x = linear(x, w_ih, None if b_ih is None else b_ih + b_hh)
        out = _run(rnn_layer, (x, *states, w_hh), {**kw, "rectified": relu})
        return out, [last(out, **kw)]

    return layer


def _grouped(params: Sequence[Any], biases: bool, projected: bool) -> list[tuple[Any, ...]]:
    """The parameters of every layer and direction: w_ih, w_hh, b_ih, b_hh, w_hr, with None for those that it has not."""
    many = 2 + 2 * biases + projected
    groups = [tuple(params[k : k + many]) for k in range(0, len(params), many)]
    nothing = () if biases else (None, None)
    return [g[:2] + (g[2:4] if biases else nothing) + ((g[-1],) if projected else (None,)) for g in groups]


def _layers(
    layer: Layer, rows: Any, states: Sequence[Any], params: Sequence[Any], biases: bool, layers: int, dropout: float, train: bool,
    bidirectional: bool, sizes: Sizes,
) -> tuple[Any, list[Any]]:  # fmt: skip
    """Layer upon layer over ``rows``; gives the rows of the last one, and the last states of all."""
    directions = 2 if bidirectional else 1
    groups = _grouped(params, biases, len(states) == 2 and states[0].shape[2] != states[1].shape[2])
    if len(groups) != layers * directions:
        raise RuntimeError(f"got an incorrect number of RNN parameters: {len(groups)} sets, expected {layers * directions}")
    ended: list[list[Any]] = []
    for k in range(layers):
        outs = []
        for d in range(directions):
            at = k * directions + d
            out, final = layer(rows, groups[at], [s[at] for s in states], {"sizes": sizes, "reverse": d == 1})
            outs.append(out)
            ended.append(final)
        rows = outs[0] if directions == 1 else cat(outs, 1)
        if dropout != 0 and train and k < layers - 1:
            rows = dropped(rows, dropout)
    return rows, [stack(s, 0) for s in zip(*ended, strict=True)]


def _dense(
    layer: Layer, input: Any, states: Sequence[Any], params: Sequence[Any], has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Any, ...]:  # fmt: skip
    x = input.transpose(0, 1) if batch_first else input
    steps, n, width = x.shape
    if steps == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    rows, ended = _layers(
        layer, x.reshape(steps * n, width), states, params, has_biases, num_layers, dropout, train, bidirectional, (n,) * steps
    )
    out = view(rows, shape=(steps, n, rows.shape[1]))
    return (out.transpose(0, 1) if batch_first else out, *ended)


def _packed(
    layer: Layer, data: Any, batch_sizes: Any, states: Sequence[Any], params: Sequence[Any], has_biases: bool, num_layers: int,
    dropout: float, train: bool, bidirectional: bool,
) -> tuple[Any, ...]:  # fmt: skip
    sizes = tuple([int(n) for n in batch_sizes.tolist()])
    rows, ended = _layers(layer, data, states, params, has_biases, num_layers, dropout, train, bidirectional, sizes)
    return (rows, *ended)


_DENSE = ("input", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first")
_PACKED = ("data", "batch_sizes", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional")


def _function(name: str, layer: Layer, states: int, doc: str) -> Callable[..., tuple[Tensor, ...]]:
    """The function over dense and over packed sequences: they differ in their second argument."""

    def function(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        packed = "batch_sizes" in kwargs or "data" in kwargs or (len(args) > 2 and isinstance(args[2 if states == 1 else 1], Tensor))
        names = _PACKED if packed else _DENSE
        given = dict(zip(names, args)) | kwargs
        if set(given) != set(names) or len(args) > len(names):
            raise TypeError(f"{name}() takes the arguments ({', '.join(names)}), but got ({', '.join(given)})")
        hx = given.pop("hx")
        check_tensors(name, names[:1], (given[names[0]],))
        if states == 1:
            check_tensors(name, ("hx",), (hx,))
            first = (hx,)
        else:
            first = tuple(hx)
            check_tensors(name, ("hx",) * len(first), first)
            if len(first) != 2:
                raise RuntimeError("lstm expects two hidden states")
        rest = [given[n] for n in names if n in given]
        if packed:
            return _packed(layer, rest[0], rest[1], first, *rest[2:])
        return _dense(layer, rest[0], first, *rest[1:])

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


_SHAPES = """

    input (T, N, in), or (N, T, in) with ``batch_first``; {states} (layers * directions, N, hidden); ``params``: for every
    layer and direction w_ih, w_hh and, with ``has_biases``, b_ih and b_hh{more}.  Or packed: ``data`` (rows, in) and
    ``batch_sizes`` instead of ``input``, and no ``batch_first``.  Returns the output (T, N, directions * hidden) and the
    last states.
    """
lstm = _function(
    "lstm", _lstm, 2, "A network of long short-term memory over a sequence."
    + _SHAPES.format(states="hx, the pair of states and cells", more=", with projections (shorter states) w_hr too"),
)  # fmt: skip
gru = _function("gru", _gru, 1, "A network of gated recurrent units over a sequence." + _SHAPES.format(states="hx", more=""))
rnn_tanh = _function(
    "rnn_tanh", _rnn(False), 1, "A plain recurrent network with tanh over a sequence." + _SHAPES.format(states="hx", more="")
)
rnn_relu = _function(
    "rnn_relu", _rnn(True), 1, "A plain recurrent network with ReLU over a sequence." + _SHAPES.format(states="hx", more="")
)


# -- one step ------------------------------------------------------------------------------------------------------------


def _check_step(function: str, x: Any, states: Sequence[Any], w_ih: Any, w_hh: Any) -> None:
    """RuntimeError, in PyTorch's words, unless input (N, in) and states (N, hidden) fit each other and the weights."""
    check_tensors(function, ("input", *("hx",) * len(states), "w_ih", "w_hh"), (x, *states, w_ih, w_hh))
    for t in (x, *states):
        if t.ndim != 2:
            shapes = ", ".join(str(tuple(s.shape)) for s in (x, *states))
            raise IndexError(f"{function}: expected input and hidden states with 2 dimensions, but got the shapes {shapes}")
    if x.shape[1] != w_ih.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {x.shape[1]} expected {w_ih.shape[1]}")
    for k, h in enumerate(states):
        if x.shape[0] != h.shape[0]:
            raise RuntimeError(f"Input batch size {x.shape[0]} doesn't match hidden{k} batch size {h.shape[0]}")
        if h.shape[1] != w_hh.shape[1]:
            raise RuntimeError(f"hidden{k} has inconsistent hidden_size: got {h.shape[1]}, expected {w_hh.shape[1]}")


def lstm_cell(
    input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One step of long short-term memory: input (N, in), ``hx`` the state and the cell (N, hidden); gives both anew."""
    if not isinstance(hx, (tuple, list)):
        raise argument_error("lstm_cell", "hx", "tuple of Tensors", hx, 2)
    if len(hx) != 2:
        raise RuntimeError("lstm_cell expects two hidden states")
    h, c = hx
    _check_step("lstm_cell", input, hx, w_ih, w_hh)
    z: Any = linear(input, w_ih, b_ih)
    h, c, _ = lstm_step(z + linear(h, w_hh, b_hh), c)
    return h, c


def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of a gated recurrent unit: input (N, in), state (N, hidden); gives the new state."""
    _check_step("gru_cell", input, (hx,), w_ih, w_hh)
    state: Tensor = gru_step(linear(input, w_ih, b_ih), linear(hx, w_hh, b_hh), hx)[0]
    return state


def _rnn_cell(function: str, relu: bool, x: Tensor, h: Tensor, weights: Sequence[Any]) -> Tensor:
    w_ih, w_hh, b_ih, b_hh = weights
    _check_step(function, x, (h,), w_ih, w_hh)
    z: Any = linear(x, w_ih, b_ih)
    return rnn_step(z + linear(h, w_hh, b_hh), relu)  # type: ignore[no-any-return]


def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """``tanh(input w_ihᵀ + b_ih + hx w_hhᵀ + b_hh)``: input (N, in), state (N, hidden)."""
    return _rnn_cell("rnn_tanh_cell", False, input, hx, (w_ih, w_hh, b_ih, b_hh))


def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """``relu(input w_ihᵀ + b_ih + hx w_hhᵀ + b_hh)``: input (N, in), state (N, hidden)."""
    return _rnn_cell("rnn_relu_cell", True, input, hx, (w_ih, w_hh, b_ih, b_hh))


__all__ = ["gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell"]
