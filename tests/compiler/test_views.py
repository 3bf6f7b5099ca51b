"""Views of views against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.compiler.passes.views import composed
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program, row_major


def shown(x: Node, array: Any, base: Any) -> Node:
    """The node for a NumPy view ``array`` of the contiguous array ``base`` that ``x`` is."""
    size = base.itemsize
    offset = (array.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // size
    return Node("view", (x,), array.shape, x.dtype, {"strides": tuple([s // size for s in array.strides]), "offset": offset})


STEPS = {
    "transposed": lambda a: a.swapaxes(0, -1),
    "sliced": lambda a: a[1:],
    "every other": lambda a: a[..., ::2],
    "flipped": lambda a: a[::-1],
    "last": lambda a: a[-1:],
    "new axis": lambda a: a[:, None],
    "repeated": lambda a: np.broadcast_to(a[None], (3, *a.shape)),
    "diagonal": lambda a: a.diagonal(),
    "flat": lambda a: np.ascontiguousarray(a).reshape(-1),
    "halves": lambda a: np.ascontiguousarray(a).reshape(2, -1),
}


@pytest.mark.parametrize("second", STEPS)
@pytest.mark.parametrize("first", STEPS)
def test_views_of_views(first: str, second: str) -> None:
    base = np.arange(4 * 6 * 5, dtype=np.float32).reshape(4, 6, 5)
    x = Node("input", (), base.shape, base.dtype, {"index": 0})
    seen = STEPS[first](base)
    if not np.shares_memory(seen, base):
        pytest.skip("the first is a copy")
    inner = shown(x, seen, base)
    middle = np.ascontiguousarray(seen)
    if middle.ndim < 2 and second in ("new axis", "diagonal") or (middle.size % 2 and second == "halves"):
        pytest.skip("the second view is not one of this shape")
    outer = shown(inner, STEPS[second](middle), middle)
    wanted = execute(Program([x], [outer], []), [base])[0]
    np.testing.assert_array_equal(wanted, STEPS[second](middle))
    found = composed(outer)
    if found is not None:
        assert found.args == (x,) and found.shape == outer.shape
        np.testing.assert_array_equal(execute(Program([x], [found], []), [base])[0], wanted)


@pytest.mark.parametrize("seed", range(200))
def test_random_strides(seed: int) -> None:
    """Whatever is composed shows the same."""
    rng = np.random.default_rng(seed)
    base = np.arange(120, dtype=np.int64)
    x = Node("input", (), (120,), base.dtype, {"index": 0})

    def view(of: Node) -> Node:
        shape = tuple(rng.integers(1, 5, rng.integers(0, 4)).tolist())
        choice = [0, 1, 2, 3, 5, 6, *row_major(of.shape)]
        strides = [int(rng.choice(choice)) for _ in shape]
        span = sum((n - 1) * s for n, s in zip(shape, strides))
        if span >= of.size:
            return view(of)
        return Node("view", (of,), shape, of.dtype, {"strides": tuple(strides), "offset": int(rng.integers(of.size - span))})

    outer = view(view(x))
    found = composed(outer)
    if found is not None:
        one, two = execute(Program([x], [outer, found], []), [base])
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("shape", "first", "second"),
    [
        ((4, 6), lambda a: a.T, lambda a: a.T),
        ((4, 6, 5), lambda a: a.transpose(1, 0, 2), lambda a: a.transpose(1, 0, 2)),
        ((4, 6, 5), lambda a: a[1:3], lambda a: a.reshape(-1)),
        ((4, 6, 5), lambda a: a[:, 2:4], lambda a: a[1, :, 1:]),
        ((4, 6), lambda a: a[::-1], lambda a: a[::-1]),
    ],
    ids=["twice transposed", "axes swapped twice", "a slice flattened", "a slice of a slice", "flipped twice"],
)
def test_what_is_one_view(shape: Any, first: Any, second: Any) -> None:
    base = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    x = Node("input", (), shape, base.dtype, {"index": 0})
    middle = np.ascontiguousarray(first(base))
    found = composed(shown(shown(x, first(base), base), second(middle), middle))
    assert found is not None
    np.testing.assert_array_equal(execute(Program([x], [found], []), [base])[0], second(middle))


def test_what_is_not() -> None:
    base = np.arange(24.0).reshape(4, 6)
    x = Node("input", (), (4, 6), base.dtype, {"index": 0})
    middle = np.ascontiguousarray(base.T)
    assert composed(shown(shown(x, base.T, base), middle.reshape(-1), middle)) is None
