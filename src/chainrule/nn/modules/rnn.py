"""Recurrent networks: whole sequences (RNN, LSTM, GRU) and single steps (cells)."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

from ...ops import rnn as functions
from ...ops.factories import empty, zeros
from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
_FUNCTIONS: dict[str, Any] = {
    "LSTM": functions.lstm, "GRU": functions.gru, "RNN_TANH": functions.rnn_tanh, "RNN_RELU": functions.rnn_relu,
}  # fmt: skip


def _uniform(module: Module, hidden_size: int) -> None:
    """Every parameter uniform in ±1/√hidden_size, in order."""
    bound = 1.0 / math.sqrt(hidden_size) if hidden_size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


def _check_settings(
    input_size: Any, hidden_size: Any, num_layers: int, bias: Any, batch_first: Any, dropout: Any, proj_size: int
) -> None:
    if not isinstance(dropout, numbers.Number) or not 0 <= dropout <= 1 or isinstance(dropout, bool):  # type: ignore[operator]
        raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being zeroed")
    if dropout > 0 and num_layers == 1:  # type: ignore[operator]
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers greater than 1, but"
            f" got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
    for name, value, kind in (
        ("bias", bias, bool), ("batch_first", batch_first, bool), ("input_size", input_size, int), ("hidden_size", hidden_size, int),
    ):  # fmt: skip
        if not isinstance(value, kind):
            raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
        if kind is int and value <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNNBase(Module):
    """What the networks over sequences share: parameters, checks, packed and unbatched input."""

    _tensor_word = ""

    def __init__(
        self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        _check_settings(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for direction in range(2 if bidirectional else 1):
                self._add_parameters(layer, "_reverse" if direction else "", device, dtype)
        self.reset_parameters()

    def _add_parameters(self, layer: int, suffix: str, device: Any, dtype: Any) -> None:
        rows = _GATES[self.mode] * self.hidden_size
        out = self.proj_size or self.hidden_size
        inner = self.input_size if layer == 0 else out * (2 if self.bidirectional else 1)
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, inner), "weight_hh": (rows, out)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}  # two of them, as in PyTorch: their sum is what counts
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = []
        for name, shape in shapes.items():
            names.append(f"{name}_l{layer}{suffix}")
            setattr(self, names[-1], Parameter(empty(shape, device=device, dtype=dtype)))
        self._all_weights.append(names)

    def reset_parameters(self) -> None:
        """Uniform in ±1/√hidden_size."""
        _uniform(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Nothing to do: it is for the memory layout of cuDNN."""

    @property
    def all_weights(self) -> list[list[Any]]:
        """The parameters of every layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Any]:
        return [getattr(self, name) for name in self._flat_weights_names]

    # -- checks, which subclasses may override ---------------------------------------------------------------------------

    def check_input(self, input: Any, batch_sizes: Any) -> None:
        """Raise for an input of another dtype than the weights, of the wrong rank or width."""
        from ...amp.autocast_mode import is_autocast_enabled

        kind = getattr(self, self._all_weights[0][0]).dtype
        if input.dtype is not kind and not is_autocast_enabled("cpu"):
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({kind}). Convert input: input.to({kind}), or convert"
                f" model: model.to({input.dtype})"
            )
        rank = 2 if batch_sizes is not None else 3
        if input.dim() != rank:
            raise RuntimeError(f"input must have {rank} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)}")

    def get_expected_hidden_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """(layers * directions, batch, size of the state)."""
        n = int(batch_sizes[0]) if batch_sizes is not None else input.size(0 if self.batch_first else 1)
        return (self.num_layers * (2 if self.bidirectional else 1), n, self.proj_size or self.hidden_size)

    def check_hidden_size(
        self, hx: Any, expected_hidden_size: tuple[int, int, int], msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Raise for a first state of another shape."""
        if tuple(hx.shape) != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        """Check input and first state."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        """The states in another order of the batch."""
        return hx if permutation is None else hx.index_select(1, permutation)

    # -- the computation -------------------------------------------------------------------------------------------------

    def _batched_states(self, hx: Any, batched: bool) -> Any:
        if hx.dim() != (3 if batched else 2):
            word, rank = ("batched", 3) if batched else ("unbatched", 2)
            raise RuntimeError(f"For {word} {rank}-D input, hx should also be {rank}-D but got {hx.dim()}-D tensor")
        return hx if batched else hx.unsqueeze(1)

    def _zero_states(self, input: Any, batch_sizes: Any) -> Any:
        return zeros(self.get_expected_hidden_size(input, batch_sizes), dtype=input.dtype, device=input.device)

    def _ended(self, states: Any, batched: bool, back: Any) -> Any:
        return self.permute_hidden(states[0] if batched else states[0].squeeze(1), back)

    def forward(self, input: Any, hx: Any = None) -> Any:
        settings = (self._flat_weights, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        if isinstance(input, PackedSequence):
            x, sizes, order, back = input
            hx = self._zero_states(x, sizes) if hx is None else self.permute_hidden(hx, order)
            self.check_forward_args(x, hx, sizes)
            out, *ended = _FUNCTIONS[self.mode](x, sizes, hx, *settings)
            return PackedSequence(out, sizes, order, back), self._ended(ended, True, back)
        if input.dim() not in (2, 3):
            name = type(self).__mro__[type(self).__mro__.index(RNNBase) - 1].__name__
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {input.dim()}D{self._tensor_word} instead")
        batched = input.dim() == 3
        batch_dim = 0 if self.batch_first else 1
        if not batched:
            input = input.unsqueeze(batch_dim)
        hx = self._zero_states(input, None) if hx is None else self._batched_states(hx, batched)
        self.check_forward_args(input, hx, None)
        out, *ended = _FUNCTIONS[self.mode](input, hx, *settings, self.batch_first)
        return out if batched else out.squeeze(batch_dim), self._ended(ended, batched, None)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text


def _no_projection(kwargs: dict[str, Any]) -> None:
    if "proj_size" in kwargs:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` over a sequence, in layers; ``nonlinearity='relu'``: ReLU for tanh.

    ``RNN(input_size, hidden_size, num_layers=1, nonlinearity='tanh', bias=True, batch_first=False, dropout=0.0,
    bidirectional=False)``.  Input (T, N, in), (N, T, in) with ``batch_first``, (T, in) or a PackedSequence; the first state
    (layers * directions, N, hidden) is zero unless given.  Gives the states of the last layer and the last states of all.
    """

    _tensor_word = " tensor"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _no_projection(kwargs)
        if len(args) > 3:
            self.nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__("RNN_" + self.nonlinearity.upper(), *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory over a sequence, in layers.

    ``LSTM(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
    proj_size=0)``.  Input (T, N, in), (N, T, in) with ``batch_first``, (T, in) or a PackedSequence; ``hx`` is the pair of
    the first states and cells (layers * directions, N, hidden), zero unless given.  Gives the states of the last layer, and
    the pair of the last states and cells of all.  ``proj_size``: states are projected to that size.

    >>> import chainrule as torch
    >>> out, (h, c) = torch.nn.LSTM(3, 5, num_layers=2)(torch.zeros(4, 1, 3))
    >>> out.shape, h.shape
    (torch.Size([4, 1, 5]), torch.Size([2, 1, 5]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """(layers * directions, batch, hidden_size)."""
        return (*self.get_expected_hidden_size(input, batch_sizes)[:2], self.hidden_size)

    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        """Check input, first state and first cell."""
        self.check_input(input, batch_sizes)
        sizes = self.get_expected_hidden_size(input, batch_sizes), self.get_expected_cell_size(input, batch_sizes)
        for k, size in enumerate(sizes):
            self.check_hidden_size(hidden[k], size, f"Expected hidden[{k}] size {{}}, got {{}}")

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        """States and cells in another order of the batch."""
        return hx if permutation is None else tuple([s.index_select(1, permutation) for s in hx])

    def _batched_states(self, hx: Any, batched: bool) -> Any:
        rank = 3 if batched else 2
        if hx[0].dim() != rank or hx[1].dim() != rank:
            raise RuntimeError(
                f"For {'batched' if batched else 'unbatched'} {rank}-D input, hx and cx should also be {rank}-D but got"
                f" ({hx[0].dim()}-D, {hx[1].dim()}-D) tensors"
            )
        return hx if batched else (hx[0].unsqueeze(1), hx[1].unsqueeze(1))

    def _zero_states(self, input: Any, batch_sizes: Any) -> Any:
        cells = zeros(self.get_expected_cell_size(input, batch_sizes), dtype=input.dtype, device=input.device)
        return super()._zero_states(input, batch_sizes) if self.proj_size else cells, cells

    def _ended(self, states: Any, batched: bool, back: Any) -> Any:
        return self.permute_hidden(tuple(states if batched else [s.squeeze(1) for s in states]), back)


class GRU(RNNBase):
    """Gated recurrent units over a sequence, in layers.

    ``GRU(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False)``.  Input,
    first state and results as those of :class:`RNN`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _no_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)


# -- single steps --------------------------------------------------------------------------------------------------------


class RNNCellBase(Module):
    """What the cells share: parameters, checks, unbatched input."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(empty((rows, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(rows, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform in ±1/√hidden_size."""
        _uniform(self, self.hidden_size)

    def _step(self, function: Any, input: Any, states: Any, names: tuple[str, ...]) -> Any:
        """One step; ``states`` is None or has a state for each of ``names`` (what errors call them)."""
        kind = type(self).__mro__[type(self).__mro__.index(RNNCellBase) - 1].__name__
        given = () if states is None else states
        for name, x in zip(("input", *names), (input, *given)):
            if x.dim() not in (1, 2):
                raise ValueError(f"{kind}: Expected {name} to be 1D or 2D, got {x.dim()}D instead")
        batched = input.dim() == 2
        x = input if batched else input.unsqueeze(0)
        if states is None:
            states = (zeros((x.size(0), self.hidden_size), dtype=x.dtype, device=x.device),) * len(names)
        elif not batched:
            states = [s.unsqueeze(0) for s in states]
        state = states[0] if len(names) == 1 else tuple(states)
        r = function(x, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if batched:
            return r
        return tuple([s.squeeze(0) for s in r]) if isinstance(r, tuple) else r.squeeze(0)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"


class RNNCell(RNNCellBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``: input (N, in) or (in), state (N, hidden) or (hidden).

    ``nonlinearity='relu'``: ReLU for tanh.  The state is zero unless given.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        function = {"tanh": functions.rnn_tanh_cell, "relu": functions.rnn_relu_cell}.get(self.nonlinearity)
        if function is None:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(function, input, None if hx is None else (hx,), ("hidden",))


class LSTMCell(RNNCellBase):
    """One step of long short-term memory: input (N, in) or (in), ``hx`` the state and the cell; gives both anew.

    >>> import chainrule as torch
    >>> h, c = torch.nn.LSTMCell(3, 5)(torch.zeros(2, 3))
    >>> h.shape
    torch.Size([2, 5])
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=4, device=device, dtype=dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        return self._step(functions.lstm_cell, input, hx, ("hx[0]", "hx[1]"))


class GRUCell(RNNCellBase):
    """One step of a gated recurrent unit: input (N, in) or (in), state (N, hidden) or (hidden); gives the new state."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=3, device=device, dtype=dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        return self._step(functions.gru_cell, input, None if hx is None else (hx,), ("hidden",))
