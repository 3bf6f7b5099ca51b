"""Random functions of tensors, as a user writes them: source text, grown line by line on tensors of its own.

Each line is run as soon as it is written, so what follows knows the shapes and dtypes that are there, and a line that the
library refuses is dropped.  What the texts say is checked by :mod:`.differential`.
"""

from __future__ import annotations

import linecache
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import chainrule as T

F = T.nn.functional
FLOATS = ("float32", "float32", "float64")
OTHERS = ("int64", "int32", "bool", "uint8", "float16", "bfloat16")
SIZES = (1, 2, 3, 4, 5, 17)
MOST = 3000  # elements of a value

Pick = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Argument:
    """How a tensor is made at each call: numbers by the seed, laid out as ``layout`` says, of a ``shape``."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str = "plain"  # plain, transposed, strided, offset, expanded; or the name of the argument that it is, or is a view of
    special: bool = False  # NaN, infinities and zeros among the numbers
    grad: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}{list(self.shape)} {self.layout}{' special' * self.special}{' grad' * self.grad}"


@dataclass(frozen=True)
class Function:
    """A function by its lines.  ``globals`` are tensors that it closes over, made once."""

    arguments: tuple[Argument, ...]
    closed: tuple[Argument, ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]
    seed: int = 0
    setup: tuple[str, ...] = field(default=())  # what is made of the closed-over tensors: a model, an optimizer

    def source(self) -> str:
        """The text of ``def f``."""
        lines = [*self.lines, f"return ({', '.join(self.results)}{',' if len(self.results) == 1 else ''})"]
        return f"def f({', '.join(a.name for a in self.arguments)}):\n" + "\n".join("    " + line for line in lines) + "\n"

    def __str__(self) -> str:
        return "\n".join([*map(str, (*self.closed, *self.arguments)), *self.setup, self.source()])

    def made(self, number: int = 0) -> tuple[Any, dict[str, Any]]:
        """The function itself and the globals that it runs in."""
        space = {"torch": T, "F": F, **tensors(self.closed, self.seed)}
        for line in self.setup:
            exec(line, space)
        name = f"<random function {self.seed}>"
        linecache.cache[name] = (len(self.source()), None, self.source().splitlines(True), name)
        exec(compile(self.source(), name, "exec"), space)
        return space["f"], space

    def given(self, call: int) -> list[Any]:
        """The arguments of the call of this number."""
        return list(tensors(self.arguments, self.seed * 1009 + call + 1).values())


def numbers(rng: np.random.Generator, shape: Sequence[int], dtype: str, special: bool) -> Any:
    """Random numbers of a kind."""
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype in ("int64", "int32"):
        return rng.integers(-6, 7, shape).astype(dtype)
    if dtype == "uint8":
        return rng.integers(0, 9, shape).astype(dtype)
    made = np.asarray(rng.standard_normal(shape))
    if special and made.size:
        places = rng.integers(0, made.size, 1 + made.size // 6)
        made.reshape(-1)[places] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], places.size)
    return made.astype(np.float32 if dtype in ("float16", "bfloat16") else dtype)


def tensors(recipes: Sequence[Argument], seed: int) -> dict[str, Any]:
    """Tensors by their recipes."""
    made: dict[str, Any] = {}
    for k, a in enumerate(recipes):
        rng = np.random.default_rng([seed, k])
        if a.layout in made:
            base = made[a.layout]
            made[a.name] = base if a.shape == tuple(base.shape) else base[1:] if a.shape else base[0]
            continue
        raw = numbers(rng, a.shape, a.dtype, a.special)
        tensor = T.tensor(raw).to(getattr(T, a.dtype))
        made[a.name] = laid(tensor, a.layout).requires_grad_(a.grad)
    return made


def laid(x: Any, layout: str) -> Any:
    """The same numbers in memory of another kind."""
    if layout == "transposed" and x.ndim >= 2:
        return x.transpose(0, -1).contiguous().transpose(0, -1)
    if layout == "strided" and x.ndim:
        wide = T.zeros(*x.shape[:-1], 2 * x.shape[-1], dtype=x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    if layout == "offset":
        wide = T.zeros(x.numel() + 3, dtype=x.dtype)
        wide[2 : 2 + x.numel()] = x.reshape(-1)
        return wide[2 : 2 + x.numel()].view(x.shape)
    if layout == "expanded" and x.ndim:
        return x[:1].expand(x.shape)
    return x


class Writer:
    """Grows a function; every choice is ``pick``'s."""

    def __init__(self, pick: Pick, seed: int) -> None:
        self.pick = pick
        self.seed = seed
        self.arguments: list[Argument] = []
        self.closed: list[Argument] = []
        self.setup: list[str] = []
        self.lines: list[str] = []
        self.space: dict[str, Any] = {"torch": T, "F": F}
        self.names: list[str] = []  # of tensors
        self.count = 0

    # -- leaves ------------------------------------------------------------------------------------------------------------

    def shape(self, most: int = 3) -> tuple[int, ...]:
        shape = [self.pick(SIZES) for _ in range(self.pick([0, *range(1, most + 1), 2, 2][: most + 3]))]
        if shape and self.chance(25):
            shape[self.pick(range(len(shape)))] = 0
        return tuple(shape)

    def chance(self, of: int) -> bool:
        return self.pick(range(of)) == of - 1

    def argument(self, closed: bool = False, **fixed: Any) -> str:
        mine = self.closed if closed else self.arguments
        name = f"w{len(mine)}" if closed else "abcdefgh"[len(mine)]
        base = self.pick(self.arguments) if mine and not closed and self.chance(8) else None
        if base is not None and not fixed and not base.grad and base.shape and base.shape[0] > 1:
            shape = base.shape if self.chance(2) else (base.shape[0] - 1, *base.shape[1:])
            made = replace(base, name=name, layout=base.name if base.layout not in "abcdefgh" else base.layout, shape=shape)
            if made.layout != base.name:
                made = replace(made, shape=next(a.shape for a in self.arguments if a.name == made.layout))
        else:
            dtype = self.pick(FLOATS) if self.pick(range(4)) else self.pick(OTHERS)
            layout = self.pick(("plain", "plain", "plain", "plain", "transposed", "strided", "offset", "expanded"))
            made = Argument(name, self.shape(), dtype, layout, self.chance(12))
            made = replace(made, **fixed)
        mine.append(made)
        self.space.update(tensors(mine, self.seed if closed else self.seed * 1009 + 1))
        self.names.append(name)
        return name

    # -- what there is -----------------------------------------------------------------------------------------------------

    def some(self, test: Callable[[Any], bool] = lambda t: True) -> str | None:
        fitting = [n for n in self.names if test(self.space[n])]
        if not fitting:
            return None
        return self.pick(fitting[-5:]) if self.pick(range(4)) else self.pick(fitting)

    def float(self, test: Callable[[Any], bool] = lambda t: True) -> str | None:
        return self.some(lambda t: t.is_floating_point() and test(t))

    def integer(self) -> str | None:
        return self.some(lambda t: t.dtype in (T.int64, T.int32, T.uint8))

    def fit(self, name: str) -> str:
        """Something that broadcasts with a value."""
        x = self.space[name]

        def fits(t: Any) -> bool:
            try:
                return bool(len(T.broadcast_shapes(t.shape, x.shape)) <= 4)
            except RuntimeError:
                return False

        found = self.some(fits)
        return found if found is not None and self.pick(range(5)) else self.pick(("2", "0.5", "-1", "3.0", name))

    # -- writing -----------------------------------------------------------------------------------------------------------

    def run(self, text: str) -> bool:
        """Write a statement if it can be run."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(text, self.space)
        except (RuntimeError, ValueError, TypeError, IndexError, ZeroDivisionError):
            return False
        self.lines.append(text)
        return True

    def let(self, expression: str | None) -> str | None:
        """Name a value; a tuple's tensors are each named."""
        if expression is None:
            return None
        name = f"v{self.count}"
        if not self.run(f"{name} = {expression}"):
            return None
        self.count += 1
        made = self.space[name]
        if isinstance(made, (tuple, list)):
            return self.let(f"{name}[{self.pick(range(len(made)))}]") if made else None
        if not isinstance(made, T.Tensor) or made.numel() > MOST or made.ndim > 5:
            self.lines.pop()
            return None
        self.names.append(name)
        return name

    def grow(self, steps: int, families: Sequence[Callable[[Writer], str | None]]) -> None:
        for _ in range(steps):
            self.let(self.pick(families)(self))

    def function(self, results: Sequence[str]) -> Function:
        return Function(tuple(self.arguments), tuple(self.closed), tuple(self.lines), tuple(results), self.seed, tuple(self.setup))


__all__ = ["Argument", "Function", "Writer", "numbers", "tensors"]
