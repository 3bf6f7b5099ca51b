"""Random numbers whose distribution, or whose number, is computed: drawn when the program gets there.

Other random numbers are drawn before a program runs.  After one of these, all are drawn inside, each behind the one before it, so that
the generator's stream is used in the order in which the function uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....core.meta import Meta
from ....core.op import Op
from ....core.tensor import Tensor, wrap
from ...program.ir import Node, ordered
from .. import build
from ..order import Order, template
from ..symbolic import Unsupported
from ..value import Captured

if TYPE_CHECKING:
    from ..recorder import Recorder

_TURN = ((), np.dtype(np.uint8))  # of what a draw gives besides: that it is over


def computed(recorder: Recorder, op: Op, args: Sequence[Any], kw: dict[str, Any]) -> Tensor:
    """The result of an operation that draws: of the shape and dtype that it infers."""
    if kw.get("own"):
        raise Unsupported("a generator of one's own draws with computed parameters")
    assert op.infer is not None
    given = [recorder.value_of(a) for a in args]
    orders = [recorder.order_of(v) for v in given]
    kind = op.infer(*[Meta(v.shape, v.numpy_dtype) for v in given], **kw)

    def draw(*arrays: Any) -> Any:
        return op.impl(*[_lying(a, order) for a, order in zip(arrays, orders, strict=True)], **kw)

    draw.__name__ = op.name
    return wrap(inside(recorder, draw, [v.node for v in given], kind.shape, kind.numpy_dtype))


def _lying(array: Any, order: Order) -> Any:
    """The array in memory of the order that it has uncaptured: some draw in that."""
    if order == tuple(range(array.ndim)):
        return array
    made = template(array.shape, order).astype(array.dtype)
    made[...] = array
    return made


def inside(recorder: Recorder, draw: Callable[..., Any], given: list[Node], shape: tuple[int, ...], dtype: Any) -> Captured:
    """What ``draw`` gives for arrays, called by the program, after the draw before this one."""
    before = [] if recorder.turn is None else [recorder.turn.node]
    count = len(given)

    def function(*arrays: Any) -> tuple[Any, Any]:
        return np.asarray(draw(*arrays[:count]), dtype), np.uint8(0)

    function.__name__ = getattr(draw, "__name__", "draw")
    kinds = ((shape, np.dtype(dtype)), _TURN)
    call = build.make("call", [*given, *before], (), np.bool_, function=function, outputs=kinds)
    found, turn = [build.make("item", (call,), *kind, k=k) for k, kind in enumerate(kinds)]
    recorder.turn = Captured.of(recorder, turn)
    recorder.draws.add(id(call))
    return Captured.of(recorder, found)


def drawn_in(recorder: Recorder, node: Node) -> bool:
    """Whether a value depends on numbers that the program draws."""
    return bool(recorder.draws) and any(id(n) in recorder.draws for n in ordered([node]))
