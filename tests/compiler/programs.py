"""Random programs for the tests of the compiler: valid by construction, with inputs to run them on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

from chainrule.compiler.program import make
from chainrule.compiler.program.ir import Node, Program, row_major
from chainrule.compiler.program.spec import BOOL, FUNCTIONS, Window, category

FLOATS = ("float32", "float64")
HALVES = ("float16", ml_dtypes.bfloat16)
INTEGERS = ("int64", "int32", "uint8")
# Where small differences in rounding do not become large ones, for any argument.
GENTLE = ("add", "sub", "mul", "neg", "abs", "maximum", "minimum", "fmax", "fmin", "sigmoid", "tanh", "sin", "cos", "erf", "atan")


class Case(NamedTuple):
    """A program and what to run it on."""

    program: Program
    inputs: list[np.ndarray]


def agree(got: Sequence[np.ndarray], expected: Sequence[np.ndarray], slack: float = 1.0, least: float = 0.0) -> None:
    """Shapes and dtypes are the same, values up to the order of additions; ``least`` is for what came through a narrower dtype."""
    for a, b in zip(got, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if category(a.dtype) != "f":
            np.testing.assert_array_equal(a, b)
            continue
        eps = max(least, slack * {2: 2e-2, 4: 2e-5, 8: 1e-12}[a.dtype.itemsize])
        wide = b.astype(np.float64)
        finite = np.abs(wide[np.isfinite(wide)])
        np.testing.assert_allclose(a.astype(np.float64), wide, rtol=eps, atol=eps * max(1.0, float(finite.max(initial=0.0))))


class Builder:
    """Grows a program; every choice is ``pick``'s."""

    def __init__(self, pick: Callable[[Sequence[Any]], Any], seed: int, dtypes: Sequence[Any] = FLOATS, limit: int = 4096) -> None:
        self.pick = pick
        self.rng = np.random.default_rng(seed)
        self.dtypes = [np.dtype(d) for d in dtypes]
        self.limit = limit
        self.program = Program()
        self.inputs: list[np.ndarray] = []
        self.values: list[Node] = []

    # -- leaves ----------------------------------------------------------------------------------------------------------

    def numbers(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        dtype = np.dtype(dtype)
        if dtype == np.bool_:
            return self.rng.random(shape) < 0.5
        if category(dtype) == "i":
            return self.rng.integers(0 if dtype.kind == "u" else -9, 10, shape).astype(dtype)
        return np.asarray(self.rng.standard_normal(shape)).astype(dtype)

    def input(self, shape: Sequence[int], dtype: Any) -> Node:
        return self.given(self.numbers(shape, dtype))

    def given(self, array: Any) -> Node:
        array = np.asarray(array)
        node = Node("input", (), array.shape, array.dtype, {"index": len(self.inputs)})
        self.program.inputs.append(node)
        self.inputs.append(array)
        return self.keep(node)

    def keep(self, node: Node) -> Node:
        self.values.append(node)
        return node

    def shape(self, most: int = 3) -> tuple[int, ...]:
        return tuple(self.pick((1, 2, 3, 5, 17)) for _ in range(self.pick(range(most + 1))))

    def some(self, test: Callable[[Node], bool] = lambda node: True) -> Node | None:
        fitting = [v for v in self.values if test(v)]
        return self.pick(fitting[-12:]) if fitting else None

    def like(self, x: Node, dtype: Any = None) -> Node:
        """A value of the same shape, broadcast where need be."""
        dtype = np.dtype(dtype or x.dtype)
        found = self.some(lambda v: v.dtype == dtype and _broadcasts(v.shape, x.shape))
        if found is None:
            return self.input(x.shape, dtype)
        return found if found.shape == () and self.pick((True, False)) else make.expand(found, x.shape)

    # -- growing ---------------------------------------------------------------------------------------------------------

    def grow(self, steps: int, kinds: Sequence[str]) -> None:
        for _ in range(steps):
            node = getattr(self, "_" + self.pick(kinds))()
            if node is not None and node.size <= self.limit:
                self.keep(node)

    def case(self, outputs: int = 3, stores: int = 2) -> Case:
        self.program.outputs = [self.pick(self.values[-6:]) for _ in range(outputs)]
        for index in range(min(stores, len(self.inputs))):
            target = self.program.inputs[index]
            value = self.some(lambda v, t=target: (v.shape, v.dtype) == (t.shape, t.dtype) and v is not t)
            if value is not None:
                self.program.stores.append((index, value))
        return Case(self.program, self.inputs)

    def _float(self) -> Node:
        floats = [d for d in self.dtypes if category(d) == "f"] or FLOATS
        return self.some(lambda v: category(v.dtype) == "f") or self.input(self.shape(), self.pick(floats))

    def _map(self) -> Node:
        x = self.some(lambda v: category(v.dtype) in "if") or self._float()
        fitting = [f for f in (*GENTLE, "lt", "eq", "where") if category(x.dtype) in FUNCTIONS[f].categories]
        name = self.pick(fitting)
        if name == "where":
            return make.apply("where", self.like(x, BOOL), x, self.like(x))
        return make.apply(name, x, *[self.like(x) for _ in range(FUNCTIONS[name].arity - 1)])

    def _cast(self) -> Node | None:
        x = self.some()
        return (
            None
            if x is None or category(x.dtype) == "c"
            else make.cast(make.apply("sin", x) if category(x.dtype) == "f" else x, self.pick(self.dtypes))
        )

    def _expand(self) -> Node:
        x = self._float()
        return make.expand(x, (self.pick((2, 3)), *[self.pick((1, 4)) if n == 1 else n for n in x.shape]))

    def _permute(self) -> Node:
        x = self._float()
        axes = list(range(len(x.shape)))
        return make.permute(x, [axes.pop(self.pick(range(len(axes)))) for _ in x.shape])

    def _reshape(self) -> Node:
        x = self._float()
        return make.reshape(x, self.pick(((x.size,), (1, x.size), (x.size, 1), x.shape[::-1])))

    def _slice(self) -> Node:
        x = self._float()
        shape, strides, offset = [], [], 0
        for n, s in zip(x.shape, row_major(x.shape), strict=True):
            step = self.pick((1, 1, 2, -1))
            start = self.pick((0, n - 1)) if step > 0 else n - 1
            count = (n - start + step - 1) // step if step > 0 else n
            offset += start * s
            shape.append(count)
            strides.append(step * s)
        return make.view(x, shape, strides, offset)

    def _pad(self) -> Node:
        x = self._float()
        low = [self.pick((0, 1, 2)) for _ in x.shape]
        return make.pad(x, make.const(0, x.dtype), low, [n + a + self.pick((0, 1)) for n, a in zip(x.shape, low, strict=True)])

    def _put(self) -> Node:
        x = self._float()
        v = self._slice_of(x)
        return make.put(x, v, v.attrs["strides"], v.attrs["offset"]) if v.op == "view" else x

    def _slice_of(self, x: Node) -> Node:
        keep = [self.pick(range(1, n + 1)) for n in x.shape]
        strides = row_major(x.shape)
        return Node("view", (make.apply("neg", x),), keep, x.dtype, {"strides": strides, "offset": 0})

    def _concat(self) -> Node | None:
        x = self._float()
        return (
            make.concat([x, make.expand(self.like(x), x.shape) if self.pick((True, False)) else x], self.pick(range(len(x.shape))))
            if x.shape and x.size
            else None
        )

    def _reduce(self) -> Node:
        x = self._float()
        name = self.pick(("sum", "sum", "max", "min"))
        return make.reduce(name, x, [i for i in range(len(x.shape)) if self.pick((True, False))])

    def _argmax(self) -> Node:
        x = self._float()
        axes = [self.pick(range(len(x.shape)))] if x.shape else []
        return make.reduce(self.pick(("argmax", "argmin")), x, axes)

    def _scan(self) -> Node | None:
        x = self._float()
        return make.scan("cumsum", x, self.pick(range(len(x.shape)))) if x.shape else None

    def _softmax(self) -> Node:
        x = self._float()
        if not x.shape:
            return x
        lead = (*x.shape[:-1], 1)
        top = make.expand(make.reshape(make.reduce("max", x, [len(x.shape) - 1]), lead), x.shape)
        e = make.apply("exp", make.apply("sub", x, top))
        total = make.expand(make.reshape(make.reduce("sum", e, [len(x.shape) - 1]), lead), x.shape)
        return make.apply("div", e, total)

    def _matmul(self) -> Node:
        x = self.some(lambda v: category(v.dtype) == "f" and len(v.shape) in (2, 3)) or self.input((3, 5), self.pick(self.dtypes))
        n = self.pick((1, 2, 4, 16))
        if self.pick((True, False)):
            return make.matmul(x, self.input((*x.shape[:-2], x.shape[-1], n), x.dtype))
        w = self.input((*x.shape[:-2], n, x.shape[-1]), x.dtype)
        axes = [*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2]
        return make.matmul(x, make.permute(w, axes))

    def _conv(self) -> Node:
        at = Window((self.pick((1, 2)),), ((self.pick((0, 1)), self.pick((0, 2))),), (self.pick((1, 2)),), self.pick((1, 2)))
        dtype = self.pick(self.dtypes)
        x = self.input((2, 4, 9), dtype)
        w = self.input((4, 4 // at.groups, 3), dtype)
        y = make.conv(x, w, at)
        which = self.pick(("conv", "conv_input", "conv_weight"))
        if which == "conv":
            return y
        return make.conv_input(y, w, x.shape, at) if which == "conv_input" else make.conv_weight(y, x, w.shape, at)

    def _gather(self) -> Node | None:
        x = self._float()
        if not x.size:
            return None
        return make.gather(x, self.given(self.rng.integers(0, x.size, self.shape(2))))

    def _scatter(self) -> Node | None:
        x = self._float()
        if not x.size:
            return None
        index = self.given(self.rng.integers(0, x.size, self.shape(2)))
        return make.scatter(self.pick(("set", "add", "max")), x, index, self.input(index.shape, x.dtype))

    def _iota(self) -> Node | None:
        shape = self.shape()
        return make.iota(shape, self.pick(range(len(shape)))) if shape else None

    def _number(self) -> Node:
        return make.cast(self.given(self.rng.standard_normal()), self.pick(self.dtypes))


def _broadcasts(small: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    if len(small) > len(shape) or prod(small) > prod(shape):
        return False
    return all(a in (1, b) for a, b in zip(small[::-1], shape[::-1]))


ELEMENTWISE = ("map", "map", "map", "expand", "permute", "reshape", "reduce", "cast", "number")
ALL = (
    *ELEMENTWISE, "slice", "pad", "put", "concat", "argmax", "scan", "softmax", "matmul", "conv", "gather", "scatter", "iota",
)  # fmt: skip


@st.composite
def cases(draw: Any, kinds: Sequence[str] = ALL, dtypes: Sequence[Any] = FLOATS, most: int = 12) -> Case:
    """Programs of up to ``most`` steps."""
    builder = Builder(lambda of: draw(st.sampled_from(list(of))), draw(st.integers(0, 2**20)), dtypes)
    builder.input(builder.shape(), builder.pick(builder.dtypes))
    builder.grow(draw(st.integers(1, most)), kinds)
    return builder.case()


def seeded(seed: int, steps: int, kinds: Sequence[str] = ALL, dtypes: Sequence[Any] = FLOATS, limit: int = 4096) -> Case:
    """One program by its seed."""
    rng = np.random.default_rng(seed)
    builder = Builder(lambda of: of[int(rng.integers(len(of)))], seed, dtypes, limit)
    builder.input((5, 17), builder.dtypes[0])
    builder.grow(steps, kinds)
    return builder.case()
