"""An optimizer's step for one large parameter, as one program: its rule, run once on names, and what it has written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.tensor import Tensor
from .arguments import FLOATS, Arguments, Leave
from .sketch import Sketch

_HOME = "chainrule.optim."  # whose rules are known to be nothing but arithmetic


class Step:
    """One parameter's update: the inputs are the parameter, its gradient, the learning rate, and the state in its order.

    ``key`` is what a program depends on besides their numbers.  Raises Leave.
    """

    def __init__(self, optimizer: Any, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> None:
        rate = group["lr"]
        if type(rate) is not float or not type(optimizer).update.__module__.startswith(_HOME):
            raise Leave
        if not state and (optimizer.stateful or group["momentum"]):
            raise Leave  # the first step makes it
        kept = [v._value if isinstance(v, Tensor) else v for v in state.values()]
        if not _apart([p, g, *kept]):
            raise Leave
        self.optimizer, self.group, self.state = optimizer, group, state
        found = Arguments()
        found.key += (type(optimizer), "step")
        for value in (p, g, np.array(rate), *kept):
            found.add(value)
        for name, option in group.items():
            if name not in ("params", "lr", "initial_lr"):
                found.key.append(name)
                found.add(option)
        found.key += state
        self.found = found
        self.numbers = [name for name, value in zip(state, kept, strict=True) if not value.shape]

    def traced(self, sketch: Sketch) -> Sequence[Any]:
        """Run the rule; gives the 0-d state, everything else is stored."""
        arrays = self.found.arrays
        p, g, rate = [sketch.given(a.shape, a.dtype) for a in arrays[:3]]
        state = {name: sketch.given(a.shape, a.dtype) for name, a in zip(self.state, arrays[3:], strict=True)}
        inputs = list(sketch.program.inputs)
        self.optimizer.update(p, p, -g if self.group.get("maximize") else g, {**self.group, "lr": rate}, state)
        after = [sketch.value_of(t).node for t in (p, *[t for t in state.values() if t.ndim])]
        places = [0, *[k + 3 for k, a in enumerate(arrays[3:]) if a.ndim]]
        sketch.program.stores = [(k, n) for k, n in zip(places, after, strict=True) if n is not inputs[k]]
        return [state[name] for name in self.numbers]

    def finish(self, outputs: Sequence[Any]) -> None:
        """Put the new numbers into the state."""
        for name, value in zip(self.numbers, outputs, strict=True):
            self.state[name]._value = np.asarray(value)[()]


def _apart(arrays: Sequence[Any]) -> bool:
    """Whether these are floating arrays that machine code can write, and share no memory, or numbers."""
    if not all(isinstance(a, (np.ndarray, np.float32, np.float64)) and a.dtype in FLOATS for a in arrays):
        return False
    large = [a for a in arrays if a.ndim]
    if not all(a.flags.carray for a in large):
        return False
    spans = sorted((a.__array_interface__["data"][0], a.nbytes) for a in large)
    return all(start + size <= following for (start, size), (following, _) in zip(spans, spans[1:]))
