"""The local derivative of one step, as a formula and as a number.

The formula is what the operation's own rule says when it is run on named values (``core/traced.py``): the text that
computes the gradient, read instead of executed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.meta import Meta
from ..core.modes import MODES
from ..core.op import Op
from ..core.rules import source
from ..core.tensor import Tensor, wrap
from ..core.traced import Name, Program, Traced
from .algebra import ONE, App, Expr, Num, Sym, apply, size, substituted
from .graph import Step, Variable, ones_like, pull_from, raw, unpacked_values

COTANGENT = "g"
LONGEST = 48  # a formula of more parts than that is given its name only

_TEMPLATES: dict[Any, Expr | None] = {}


class Local:
    """What one input of a step gets.

    ``factor``: the derivative is a number for each element, and the cotangent is multiplied by it.  Otherwise ``formula``
    is the vector-Jacobian product, a formula in the arriving cotangent ``g``.
    """

    __slots__ = ("factor", "formula", "index", "step", "summed", "variable")

    def __init__(self, step: Step, index: int, variable: Variable) -> None:
        self.step = step
        self.index = index
        self.variable = variable
        op = step.op
        single = len(step.outputs) == 1
        elementwise = op is not None and op.kind == "elementwise"
        self.factor = elementwise or (single and step.outputs[0].is_scalar and variable.is_scalar)
        formula = None if op is None else _formula(step, index, op)
        if formula is not None and self.factor:
            formula = substituted(formula, {COTANGENT: ONE})
        self.formula = formula
        self.summed = _summed_dims(step, variable) if elementwise else ()

    @property
    def left(self) -> Any:
        """The cotangent that leaves for this input."""
        return self.step.left[self.index]

    def number(self) -> Any:
        """The local derivative by number: at each element for a factor, the gradient where the step's output is a scalar, else None."""
        step = self.step
        if len(step.outputs) != 1 or raw(step.arrived) is None:
            return None
        op = step.op
        one = ones_like(raw(step.arrived))
        with np.errstate(all="ignore"):
            if self.factor and op is not None and op.kind == "elementwise" and step.node.raw and not self.variable.is_scalar:
                with unpacked_values(step.node):
                    saved = dict(step.node.rule_saved())[self.index]  # type: ignore[attr-defined]
                    return raw(step.node.rules[self.index](one, *saved))
            if self.factor or step.outputs[0].is_scalar:
                return pull_from(step, one)[self.index]
        return None


def locals_of(step: Step) -> list[Local]:
    """One for each input that a cotangent went to."""
    return [Local(step, i, v) for i, v in enumerate(step.inputs) if v is not None and step.left[i] is not None]


def _summed_dims(step: Step, v: Variable) -> tuple[int, ...]:
    """The dimensions of the output over which an input was broadcast, hence its cotangent is summed."""
    out = step.outputs[0].shape
    if out is None or v.shape is None or out == v.shape:
        return ()
    lead = len(out) - len(v.shape)
    return tuple(range(lead)) + tuple([i + lead for i, n in enumerate(v.shape) if n == 1 and out[i + lead] != 1])


def _formula(step: Step, index: int, op: Op) -> Expr | None:
    """The rule's text in the step's variables."""
    parameters = _parameters(step, index, op)
    if parameters is None:
        return None
    _, values, symbols = parameters
    key: Any = (op.name, op.joint or index, index, tuple([_look(v, op) for v in values]), _look(step.arrived, op))
    try:
        known = key in _TEMPLATES
    except TypeError:  # a setting that cannot be hashed
        known, key = False, None
    template = _TEMPLATES[key] if known else _traced(step, index, op, values)
    if not known and key is not None:
        if len(_TEMPLATES) > 4000:
            _TEMPLATES.clear()
        _TEMPLATES[key] = template
    if template is None:
        return None
    if size(template) > LONGEST:
        v = step.inputs[index]
        return apply("mul", (Sym(COTANGENT), App(f"{op.name}′", (_symbol(v),) if v is not None else ())), {})
    return substituted(template, symbols)


def _parameters(step: Step, index: int, op: Op) -> tuple[tuple[str, ...], list[Any], dict[Any, Expr]] | None:
    """The rule's parameters by name, what was saved for them, and the variable that each is."""
    rule = 0 if op.joint else index
    with unpacked_values(step.node):
        saved = dict(step.node.rule_saved()).get(rule)  # type: ignore[attr-defined]
    if saved is None:
        return None
    names = op.rule_names(rule)
    symbols: dict[Any, Expr] = {}
    for n, name in enumerate(names):
        kind, k = source(name, op.argnames)
        if kind == "arg" or kind == "args":
            count = len(saved[n]) if kind == "args" else 1
            for j in range(count):
                v = step.inputs[k + j]
                symbols[n, j] = ONE if v is None else _symbol(v)
        elif kind == "out":
            found = [o for o in step.outputs if o.index == k]
            symbols[n, 0] = _symbol(found[0]) if found else Sym("out")
    return names, list(saved), symbols


def _symbol(v: Variable) -> Expr:
    """A variable in a formula: its name, or the number that an anonymous constant is."""
    if v.is_constant and not v.named and v.value is not None and np.size(v.value) == 1:
        value = np.asarray(v.value).reshape(())[()]
        return Num(v.value if isinstance(v.value, (bool, int, float, complex)) else value)
    return Sym(v)


def _look(value: Any, op: Op) -> Any:
    """What a trace depends on: for arrays the dtype and, unless the operation is elementwise, the shape."""
    if isinstance(value, Tensor):
        value = raw(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return (value.dtype.str, value.ndim > 0) if op.kind == "elementwise" else (value.dtype.str, value.shape)
    if isinstance(value, tuple):
        return tuple([_look(v, op) for v in value])
    return (type(value), value)


def _traced(step: Step, index: int, op: Op, values: list[Any]) -> Expr | None:
    """Run the rule on names."""
    program = Program()

    def named(key: Any, value: Any) -> Any:
        if isinstance(value, Tensor):
            value = raw(value)
        if not isinstance(value, (np.ndarray, np.generic)):
            return value
        shape = () if op.kind == "elementwise" else value.shape
        name = Name(f"p{len(inputs)}")
        inputs[name] = Sym(key)
        if value.ndim == 1:
            vectors.add(inputs[name])
        return wrap(Traced(program, name, Meta(shape, value.dtype)))

    inputs: dict[str, Expr] = {}
    vectors: set[Expr] = set()
    rule_index = 0 if op.joint else index
    names = op.rule_names(rule_index)
    arguments = []
    for n, (name, value) in enumerate(zip(names, values, strict=True)):
        kind, _ = source(name, op.argnames)
        if kind == "args":
            arguments.append(tuple([named((n, j), one) for j, one in enumerate(value)]))
        else:
            arguments.append(named((n, 0), value) if kind in ("arg", "out") else value)
    g = step.arrived
    g = tuple([named(COTANGENT, one) for one in g]) if isinstance(g, tuple) else named(COTANGENT, g)
    before = MODES.grad
    MODES.grad = False
    try:
        result = step.node.rules[rule_index](g, *arguments)
    except Exception:  # a rule that asks for a value, or an operation that needs one, has no formula
        return None
    finally:
        MODES.grad = before
    is_complex = any(np.iscomplexobj(raw(v)) for v in (*values, step.arrived) if not isinstance(v, tuple))
    return _read_program(program, inputs, vectors, is_complex, result[index] if op.joint else result)


def _outer(name: str, args: tuple[Any, ...], vectors: set[Expr]) -> Expr | None:
    """A column times a vector, elementwise: the outer product, which mathematics writes x gᵀ."""
    if name != "mul" or len(args) != 2:
        return None
    x, y = args
    column = isinstance(x, App) and x.op in ("view", "unsqueeze", "reshape") and (dict(x.kw).get("shape") or (0, 1))[-1] == 1
    return App("matmul", (x.args[0], App("T", (y,)))) if column and y in vectors else None


def _conjugate(x: Expr) -> Expr:
    """Of real numbers, nothing is said about it."""
    return App("conj", (x,))


def _read_program(program: Program, inputs: dict[str, Expr], vectors: set[Expr], is_complex: bool, result: Any) -> Expr | None:
    known = dict(inputs)

    def read(a: Any) -> Any:
        if type(a) is Name:
            return known[a]
        if isinstance(a, (np.ndarray, np.generic)):
            return Num(np.asarray(a)[()])
        return Num(a) if isinstance(a, (bool, int, float, complex)) else a

    for line in program.lines:
        args = tuple([read(a) for a in line.args])
        value = _outer(line.op.name, args, vectors) or (_conjugate(args[0]) if line.op.name == "conj" and is_complex else None)
        value = value or apply(line.op.name, args, line.kw)
        for k, name in enumerate(line.outputs):
            known[name] = value if len(line.outputs) == 1 else App("part", (value,), (("number", k),))
    if isinstance(result, Tensor):
        v = result._value
        return known[v.name] if isinstance(v, Traced) else read(v)
    return None if result is None else read(result)


def expression(step: Step) -> Expr:
    """What the step computes, in its variables."""
    op = step.op
    args = tuple([None if v is None else _symbol(v) for v in step.inputs])
    if op is None:
        return App(step.opname, tuple([a for a in args if a is not None]))
    kw = {k: v for k, v in step.known.items() if not k.endswith(("_shape", "_dtype")) and k != "needs"}
    if op.name in ("add", "sub", "mul", "div"):  # as the program has it: the 1 of 1·x stands there for something
        return App(op.name, tuple([a for a in args if a is not None]))
    if op.name in ("conj", "conj_physical") and np.iscomplexobj(step.outputs[0].value):
        return App("conj", tuple([a for a in args if a is not None]))
    return apply(op.name, args, kw)
