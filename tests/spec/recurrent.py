"""Recurrent networks over sequences and single steps, and packed sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .row import Input, Row, real

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
OPS = {"lstm": "lstm_layer", "gru": "gru_layer", "rnn_tanh": "rnn_layer", "rnn_relu": "rnn_layer"}


def weights(function: str, inner: Sequence[int], biases: bool, projection: int) -> tuple[Input, ...]:
    """The parameters of sets (layers and directions) that take ``inner`` features; 3 hidden ones."""
    rows, out = 3 * GATES[function], projection or 3
    found: list[Input] = []
    for n in inner:
        found += [real(rows, n, lo=-1, hi=1), real(rows, out, lo=-1, hi=1)]
        found += [real(rows), real(rows)] if biases else []
        found += [real(projection, 3)] if projection else []
    return tuple(found)


def network(
    function: str, what: str, inner: Sequence[int], layers: int = 1, biases: bool = True, bidirectional: bool = False,
    batch_first: bool = False, projection: int = 0, packed: tuple[int, ...] = (),
) -> Row:  # fmt: skip
    """A row for a network with 2 input features, over 3 steps of a batch of 2, or over a packed sequence."""
    sets = len(inner)
    n = packed[0] if packed else 2
    states = (real(sets, n, projection or 3),) + ((real(sets, n, 3),) if function == "lstm" else ())
    x = real(sum(packed), 2) if packed else real(*((n, 3) if batch_first else (3, n)), 2)

    def run(T: Any, x: Any, *rest: Any) -> Any:
        hx = rest[:2] if function == "lstm" else rest[0]
        settings = (list(rest[len(states) :]), biases, layers, 0.0, False, bidirectional)
        if packed:
            return getattr(T, function)(x, T.tensor(list(packed)), hx, *settings)
        return getattr(T, function)(x, hx, *settings, batch_first)

    return Row(f"{function} {what}", run, (x, *states, *weights(function, inner, biases, projection)), op=OPS[function])


def cell(function: str, biases: bool) -> Row:
    states = (real(2, 3),) * (2 if function == "lstm" else 1)

    def run(T: Any, x: Any, *rest: Any) -> Any:
        hx = rest[:2] if function == "lstm" else rest[0]
        return getattr(T, f"{function}_cell")(x, hx, *rest[len(states) :])

    return Row(
        f"{function}_cell {'' if biases else 'without bias'}".strip(), run, (real(2, 2), *states, *weights(function, [2], biases, 0)),
        op=f"{function}_cell",
    )  # fmt: skip


ROWS = [
    row
    for function in GATES
    for row in (
        network(function, "one layer", [2]),
        network(function, "both directions without bias", [2, 2], biases=False, bidirectional=True, batch_first=True),
        network(function, "two layers packed", [2, 2, 6, 6], layers=2, bidirectional=True, packed=(3, 2, 2, 1)),
        cell(function, True),
        cell(function, False),
    )
]
ROWS += [
    network("lstm", "projected", [2, 2], projection=2, bidirectional=True),
    network("lstm", "projected packed without bias", [2], projection=2, biases=False, packed=(3, 1)),
    Row(
        "pack_padded_sequence",
        lambda T, x: T.nn.utils.rnn.pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False).data,
        (real(4, 3, 2),), op="index_select",
    ),
    Row(
        "pad_packed_sequence",
        lambda T, x: T.nn.utils.rnn.pad_packed_sequence(
            T.nn.utils.rnn.PackedSequence(x, T.tensor([3, 2, 1])), batch_first=True, padding_value=-1.0, total_length=4
        )[0],
        (real(6, 2),), op="index_select",
    ),
    Row(
        "pad_sequence left",
        lambda T, x, y: T.nn.utils.rnn.pad_sequence([x, y], padding_value=0.5, padding_side="left"),
        (real(3, 2), real(1, 2)), op="index_select",
    ),
]  # fmt: skip
