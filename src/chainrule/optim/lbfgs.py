"""Limited-memory BFGS (Nocedal & Wright 2006, chapters 3 and 7)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..core.floating_flags import quiet
from ..core.mutation import written_by_step
from ..core.tensor import Tensor, wrap
from .optimizer import Optimizer, check_rate, evaluate, number

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """A quasi-Newton method that remembers ``history_size`` steps; ``step`` needs a closure that computes the loss.

    ``line_search_fn`` is None (steps of ``lr``) or ``"strong_wolfe"``.  One group of real parameters only.
    """

    def __init__(
        self, params: Any, lr: Any = 1, max_iter: int = 20, max_eval: int | None = None, tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9, history_size: int = 100, line_search_fn: str | None = None,
    ) -> None:  # fmt: skip
        check_rate(lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        defaults = {
            "lr": lr, "max_iter": max_iter, "max_eval": max_eval, "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
            "history_size": history_size, "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Up to ``max_iter`` iterations; gives the loss before the first."""
        first = evaluate(closure)
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        state["func_evals"] += 1
        grad = self._gathered()
        if np.abs(grad).max() <= group["tolerance_grad"]:
            return first
        iterations = _Iterations(self, closure, group, state)
        with quiet():
            iterations.run(_scalar(first), grad)
        return first

    def _gathered(self) -> Any:
        """All gradients as one vector."""
        parts = []
        for p in self.param_groups[0]["params"]:
            value = np.asarray(p._value if p._grad is None else p._grad._value)
            parts.append(np.zeros(value.size, value.dtype) if p._grad is None else value.reshape(-1))
        return np.concatenate(parts)

    def _values(self) -> list[Any]:
        return [np.array(p._value) for p in self.param_groups[0]["params"]]

    def _move(self, start: list[Any], direction: Any, t: float) -> None:
        """Put the parameters at ``start + t · direction``."""
        changed = []
        offset = 0
        for p, value in zip(self.param_groups[0]["params"], start, strict=True):
            new = value + (direction[offset : offset + value.size].reshape(value.shape) * t).astype(value.dtype)
            offset += value.size
            if isinstance(p._value, np.ndarray):
                p._value[...] = new
            else:
                changed.append(p._value)
                p._value = new[()]
            changed.append(p._value)
        written_by_step(changed, "LBFGS.step")


class _Iterations:
    """One step of the optimizer: its directions, its lengths and where it stops."""

    def __init__(self, owner: LBFGS, closure: Callable[[], Any], group: dict[str, Any], state: dict[str, Any]) -> None:
        self.owner = owner
        self.closure = closure
        self.group = group
        self.state = state
        self.evaluations = 1
        self.users_flags = np.geterr()  # the closure is the user's code: it keeps the user's settings

    def run(self, loss: float, grad: Any) -> None:
        """Iterate until a tolerance or a limit is met."""
        group, state = self.group, self.state
        search = group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        lr = number(group["lr"])
        before_loss = loss
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(grad)
            state["prev_flat_grad"] = wrap(grad.copy())
            before_loss, state["prev_loss"] = loss, loss
            t = min(1.0, 1.0 / float(np.abs(grad).sum())) * lr if state["n_iter"] == 1 else lr
            slope = float(grad @ direction)
            if slope > -group["tolerance_change"]:
                return
            start = self.owner._values()
            if search is None:
                self.owner._move(start, direction, t)
                evaluations = 1
                if iteration != group["max_iter"]:
                    loss, grad = self._measure()
            else:
                along = partial(self._try, start, direction)
                loss, grad, t, evaluations = _strong_wolfe(along, t, direction, loss, grad, slope)
                self.owner._move(start, direction, t)
            state["d"], state["t"] = wrap(direction), t
            self.evaluations += evaluations
            state["func_evals"] += evaluations
            if self.evaluations >= group["max_eval"] or np.abs(grad).max() <= group["tolerance_grad"]:
                return
            if np.abs(direction * t).max() <= group["tolerance_change"] or abs(loss - before_loss) < group["tolerance_change"]:
                return

    def _measure(self) -> tuple[float, Any]:
        with np.errstate(**self.users_flags):
            loss = _scalar(evaluate(self.closure))
        return loss, self.owner._gathered()

    def _try(self, start: list[Any], direction: Any, t: float) -> tuple[float, Any]:
        self.owner._move(start, direction, t)
        found = self._measure()
        self.owner._move(start, direction, 0.0)
        return found

    def _direction(self, grad: Any) -> Any:
        """The two-loop recursion over the remembered steps ``s`` and gradient changes ``y``."""
        state = self.state
        if state["n_iter"] == 1:
            state["old_dirs"], state["old_stps"], state["ro"], state["H_diag"] = [], [], [], 1
            return -grad
        y = grad - state["prev_flat_grad"]._value
        s = state["d"]._value * state["t"]
        ys = y @ s
        if ys > 1e-10:
            if len(state["old_dirs"]) == self.group["history_size"]:
                for kept in ("old_dirs", "old_stps", "ro"):
                    state[kept].pop(0)
            state["old_dirs"].append(wrap(y))
            state["old_stps"].append(wrap(s))
            state["ro"].append(wrap(1.0 / ys))
            state["H_diag"] = wrap(ys / (y @ y))
        ys_s = [(_raw(a), _raw(b), _raw(r)) for a, b, r in zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True)]
        q = -grad
        weights = []
        for y_i, s_i, ro_i in reversed(ys_s):
            a = (s_i @ q) * ro_i
            weights.append(a)
            q = q - y_i * a
        state["al"] = [wrap(a) for a in reversed(weights)] + [None] * (self.group["history_size"] - len(weights))
        r = q * _raw(state["H_diag"])
        for (y_i, s_i, ro_i), a in zip(ys_s, reversed(weights), strict=True):
            r = r + s_i * (a - (y_i @ r) * ro_i)
        return r


def _scalar(loss: Any) -> float:
    return float(loss.item() if isinstance(loss, Tensor) else loss)


def _raw(x: Any) -> Any:
    return x._value if isinstance(x, Tensor) else x


def _cubic(x1: float, f1: float, g1: float, x2: float, f2: float, g2: float, bounds: tuple[float, float] | None = None) -> float:
    """The minimiser of the cubic through two values and slopes (Nocedal & Wright, equation 3.59), within the bounds."""
    low, high = bounds if bounds is not None else (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2  # a power of floats raises where a product gives infinity
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5
    best = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2)) if x1 <= x2 else x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(best, low), high)


_Point = tuple[float, float, Any, float]  # length, loss, gradient, slope


def _strong_wolfe(
    measure: Callable[[float], tuple[float, Any]], t: float, d: Any, f: float, g: Any, slope: float, c1: float = 1e-4, c2: float = 0.9,
    tolerance: float = 1e-9, most: int = 25,
) -> tuple[float, Any, float, int]:  # fmt: skip
    """A length with enough decrease and a flat enough slope: (loss, gradient, length, evaluations)."""
    size = float(np.abs(d).max())
    previous: _Point = (0.0, f, g, slope)
    f_new, g_new = measure(t)
    evaluations = 1
    new: _Point = (t, f_new, g_new, float(g_new @ d))
    bracket: list[_Point] = []
    tries = 0
    while tries < most:
        if new[1] > f + c1 * new[0] * slope or (tries > 1 and new[1] >= previous[1]):
            bracket = [previous, new]
            break
        if abs(new[3]) <= -c2 * slope:
            return new[1], new[2], new[0], evaluations
        if new[3] >= 0:
            bracket = [previous, new]
            break
        bounds = (new[0] + 0.01 * (new[0] - previous[0]), new[0] * 10)
        t = _cubic(previous[0], previous[1], previous[3], new[0], new[1], new[3], bounds)
        previous = new
        f_new, g_new = measure(t)
        evaluations += 1
        new = (t, f_new, g_new, float(g_new @ d))
        tries += 1
    if not bracket:
        bracket = [(0.0, f, g, slope), new]
    best, used = _zoom(measure, bracket, d, f, slope, c1, c2, tolerance, most - tries, size)
    return best[1], best[2], best[0], evaluations + used


def _zoom(
    measure: Callable[[float], tuple[float, Any]], bracket: list[_Point], d: Any, f: float, slope: float, c1: float, c2: float,
    tolerance: float, tries: int, size: float,
) -> tuple[_Point, int]:  # fmt: skip
    """Narrow a bracket until its lower end satisfies the conditions."""
    low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
    stuck = False
    used = 0
    for _ in range(tries):
        left, right = sorted((bracket[0][0], bracket[1][0]))
        if (right - left) * size < tolerance:
            break
        a, b = bracket
        t = _cubic(a[0], a[1], a[3], b[0], b[1], b[3])
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        f_new, g_new = measure(t)
        used += 1
        new: _Point = (t, f_new, g_new, float(g_new @ d))
        if f_new > f + c1 * t * slope or f_new >= bracket[low][1]:
            bracket[high] = new
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
            continue
        done = abs(new[3]) <= -c2 * slope
        if not done and new[3] * (bracket[high][0] - bracket[low][0]) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = new
        if done:
            break
    return bracket[low], used
