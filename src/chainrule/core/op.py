"""An operation, declared once: its implementation on arrays and its derivative as mathematics.

    div = Op("div", truediv, kind="elementwise", args="x y",
             d=[lambda t, y: t / y, lambda t, out, y: -t * out / y])

The rules use only operations and the operators of their arguments, so the same text serves arrays (first-order
backward), recorded tensors (derivatives of any order), duals (forward mode), batched values (vmap) and traced values.

``kind`` says how everything else follows:

* ``elementwise``: ``d`` has one rule an argument, linear in the tangent ``t``.  vjp: the rule, summed over broadcast
  axes; jvp: the sum of the rules; vmap: line the axes up.
* ``linear``: ``vjp`` is the transpose; jvp is the operation itself on the tangent.  ``view`` is a linear operation
  whose output shares its input's memory.
* ``multilinear``: ``vjp`` has one rule an argument; jvp replaces one argument at a time by its tangent.
* ``general``: ``vjp`` is written; jvp is written, or derived by transposing the vjp where it is needed.

``vjp`` is a list with one rule an argument (``None``: not differentiable), or one callable that returns the cotangents
of all arguments at once.  ``batch(level_args, is_batched, kw)`` says how vmap runs it in one go; without it, vmap loops.
For elementwise operations, ``check(dtype, args)`` raises for a dtype (after promotion) that the operation refuses, and
``opmath=False`` keeps half precision from being computed in float32.  ``flat=True``: the operation is piecewise linear,
and the recorded gradient stays connected to its argument, with derivative 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from .floating_flags import IGNORE, enter, leave
from .inference import ACTIVE, mark
from .large import SMALL, computed
from .modes import MODES, UNUSUAL, recording
from .node import LEAF, Node, Slot, next_order
from .nodes import VARIANTS
from .rules import Picker, Rule, named, picker, source
from .tensor import Tensor, materialise, new, wrap
from .value import Value

Kind = Literal["elementwise", "linear", "view", "multilinear", "general"]

OPS: dict[str, Op] = {}


class Op:
    """One operation.  Calling it works on arrays and on tensors alike."""

    elementwise: ClassVar[Callable[..., Any]]  # promotion and broadcasting: apply.py, which stands on this module

    def __init__(
        self,
        name: str,
        impl: Callable[..., Any],
        *,
        kind: Kind,
        args: str = "x",
        d: Sequence[Rule | None] | None = None,
        vjp: Sequence[Rule | None] | Rule | None = None,
        jvp: Callable[..., Any] | None = None,
        batch: Callable[..., Any] | None = None,
        node: str | None = None,
        variadic: bool = False,
        outputs: int = 1,
        differentiable: Sequence[int] = (0,),
        result: Literal["same", "float", "bool"] = "same",
        promote: Sequence[int] | None = None,
        infer: Callable[..., Any] | None = None,
        check: Callable[[Any, Any], None] | None = None,
        opmath: bool = True,
        flat: bool = False,
    ) -> None:
        self.name = name
        self.impl = impl
        self.kind = kind
        self.argnames = tuple(args.split())
        self.rules = d if kind == "elementwise" else vjp
        self.jvp_rule = jvp
        self.batch_rule = batch
        self.node_name = node or "".join(p.capitalize() for p in name.split("_")) + "Backward0"
        self.variadic = variadic
        self.outputs = outputs
        self.differentiable = frozenset(differentiable)
        self.result = result
        self.promote = promote
        self.infer = infer
        self.check = check
        self.opmath = opmath
        self.flat = flat
        self.joint = callable(self.rules)
        self.quick: Callable[..., Any] | None = None  # set by apply.py for elementwise operations without metadata
        self.taped: tuple[type[Node], Any] | None = None  # of views: node class and picker (see views.py)
        self._pickers: list[Picker | None] | Picker | None = None
        self._classes: dict[tuple[str, str], type[Node]] = {}
        OPS[name] = self

    # -- declaration -------------------------------------------------------------------------------------------------

    def rule_names(self, index: int) -> tuple[str, ...]:
        """What rule ``index`` names (index 0 for a joint rule)."""
        rules: Any = self.rules
        return named(rules if self.joint else rules[index])

    def pickers(self) -> Any:
        """One picker a rule (None where there is no rule), or the one picker of a joint rule."""
        found = self._pickers
        if found is None:
            rules: Any = self.rules
            if self.joint:
                found = picker(named(rules), self.argnames)
            else:
                found = [None if r is None else picker(named(r), self.argnames) for r in rules or ()]
            self._pickers = found
        return found

    def node_class(self, variant: str = "raw", name: str | None = None) -> type[Node]:
        """The class of this operation's nodes, made at the first use; its name is PyTorch's."""
        key = (variant, name or self.node_name)
        found = self._classes.get(key)
        if found is None:
            base = VARIANTS[variant](self)
            body = {
                "op": self,
                "rules": (self.rules,) if self.joint else tuple(self.rules or ()),  # type: ignore[arg-type]
                "__slots__": () if variant == "raw" and self.outputs == 1 else ("__dict__",),
                "__module__": "chainrule.core.node",
                "n_outputs": max(1, self.outputs),
                "plain": base.raw and self.outputs == 1,
                "frees": self._saves_values(),
            }
            found = self._classes[key] = type(key[1], (base,), body)
        return found

    def _saves_values(self) -> bool:
        rules: Any = self.rules
        names = [n for r in ([rules] if self.joint else rules or ()) if r is not None for n in named(r)]
        return any(source(n, self.argnames)[0] != "static" for n in names)

    def require_rule(self, index: int) -> None:
        """Raise what tells the author of an operation how to complete it."""
        rules: Any = self.rules
        if rules is None or (not self.joint and (index >= len(rules) or rules[index] is None)):
            which = self.argnames[index] if index < len(self.argnames) else index
            word = "d" if self.kind == "elementwise" else "vjp"
            raise RuntimeError(
                f"the derivative for '{self.name}' with respect to '{which}' is not implemented. Give the declaration of"
                f" Op({self.name!r}) the entry {word}[{index}] = lambda g, …: (cotangent of {which}), written with"
                " chainrule operations."
            )

    # -- application -------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kw: Any) -> Any:
        for a in args:
            if isinstance(a, Tensor):
                return self.apply(*args, **kw)
        return self.impl(*args, **kw)

    def apply(self, *args: Any, **kw: Any) -> Any:
        """Run on tensors (and numbers, and None), recording if asked."""
        if self.kind == "elementwise":
            return self.quick(*args) if self.quick is not None and not kw else self.elementwise(self, args, None, kw)
        raws = []
        tracked = large = False
        for a in args:
            if isinstance(a, Tensor):
                v = a._value
                if isinstance(v, Value):
                    return interpret(self, args, kw)
                raws.append(v)
                if v.size > SMALL:
                    large = True
                if a._gn is not None:
                    tracked = True
            else:
                raws.append(a)
        if self.kind == "view":
            if isinstance(raws[0], np.generic):
                raws[0] = materialise(args[0])
            return _as_view(self, args[0], self.impl(*raws, **kw), kw)
        else:
            token = enter(IGNORE)
            try:
                r = computed(self, raws, kw) if large else self.impl(*raws, **kw)
            finally:
                leave(token)
            out: Any = wrap(r) if self.outputs == 1 else tuple([wrap(v) for v in r])
        if tracked and recording():
            record(self, out, r, raws, args, kw, "large" if large and self.outputs == 1 else "raw")
        elif ACTIVE.threads:
            for o in out if self.outputs != 1 else (out,):
                mark(o)
        return out


def edge_of(tensor: Any) -> Any:
    """The edge a consumer of ``tensor`` records."""
    gn = tensor._gn
    return tensor if gn is LEAF else gn


def has_tangent(value: Any) -> bool:
    """Whether values of this dtype can change continuously: integers and truth values are never recorded."""
    if isinstance(value, Value):
        return value.numpy_dtype.kind not in "biu"
    kind = value.dtype
    return kind.category > 1 if isinstance(value, Tensor) else kind.kind not in "biu"


def record(
    op: Op, out: Any, result: Any, values: Sequence[Any], args: Sequence[Any], kw: dict[str, Any], variant: str = "raw", fit: Any = None
) -> Node | None:
    """Put a node for ``op`` on the tape.

    ``values`` are what the rules will see of ``args``; ``result`` what they see of the output.
    """
    if op.rules is None or (op.outputs == 1 and not has_tangent(result)):
        return None
    edges = tuple([edge_of(a) if isinstance(a, Tensor) else None for a in args])
    node = new(op.node_class(variant))
    node.edges = edges
    pickers = op.pickers()
    if op.joint:
        needs = tuple([e is not None for e in edges])
        node.saved = pickers(result, values, kw, needs)
    elif len(op.argnames) == 1 and not op.variadic:
        op.require_rule(0)
        node.saved = pickers[0](result, values, kw, None)
    else:
        saved: list[Any] = []
        for i, e in enumerate(edges):
            if e is None:
                saved.append(None)
            else:
                op.require_rule(i)
                saved.append(pickers[i](result, values, kw, None))
        node.saved = saved
    node.fit = fit
    node.order = next_order()
    if UNUSUAL:
        _observe(node)
    if op.outputs == 1:
        out._gn = node
    else:
        several: Any = node  # such a node has a dictionary
        several.n_outputs = len(out)
        several.out_values = result if op.outputs < 0 or len(op.differentiable) > 1 else None
        for k, o in enumerate(out):
            if op.outputs < 0 or k in op.differentiable:
                o._gn = Slot(node, k)
    return node


def _observe(node: Node) -> None:
    """Show a node that was just made to the saved-tensor hooks and to anomaly mode."""
    hooks = MODES.saved_hooks
    if hooks:
        from .saved_hooks import pack

        pack(node, hooks[-1])
    if MODES.anomaly:
        from .anomaly import note

        note(node)


def record_or_mark(
    op: Op, out: Tensor, result: Any, values: Sequence[Any], args: Sequence[Any], kw: dict[str, Any], fit: Any = None
) -> Tensor:
    """What the quick paths do while some thread has a mode set: :func:`record` if this one records, else mark ``out``."""
    if MODES.grad:
        record(op, out, result, values, args, kw, "raw", fit)
    elif ACTIVE.threads:
        mark(out)
    return out


def _as_view(op: Op, x: Tensor, r: Any, kw: dict[str, Any]) -> Any:
    from .views import as_view, as_views

    if op.outputs != 1:
        return as_views(op, x, r, kw)
    if r.size and not np.may_share_memory(r, x._value):  # a reshape that had to copy is no view
        out = wrap(r)
        if x._gn is not None and recording():
            record(op, out, r, (x._value,), (x,), kw)
        return out
    return as_view(op, x, r, kw)


def _link_view(out: Any, x: Tensor, op: Op, kw: dict[str, Any]) -> None:
    from .views import link

    if op.outputs == 1:
        link(out, x, op, kw)
        return
    for k, o in enumerate(out):
        link(o, x, op, kw, k)


def interpret(op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
    """Run ``op`` where some argument's value is an interpreter's; record on that level's own tape if asked."""
    top: Value | None = None
    for a in args:
        if isinstance(a, Tensor):
            v = a._value
            if isinstance(v, Value) and (top is None or v.level > top.level):
                top = v
    assert top is not None
    level = top.level
    result = top.interpret(op, args, kw)
    if op.kind == "view" and isinstance(args[0], Tensor) and not _copied(args[0], result):
        _link_view(result, args[0], op, kw)
    if op.rules is not None and recording():
        for a in args:
            if isinstance(a, Tensor) and a._gn is not None and level_of(a) == level:
                _record_at(top, op, result, args, kw)
                break
    return result


def _copied(x: Tensor, result: Any) -> bool:
    """Whether what should be a view of an interpreter's memory had to be a copy."""
    value = x._value
    return isinstance(value, Value) and value.memory and isinstance(result, Tensor) and not value.shares_memory(result._value)


def level_of(tensor: Tensor) -> int:
    """0 for raw values, else the level of the interpreter."""
    v = tensor._value
    return v.level if isinstance(v, Value) else 0


def _record_at(top: Value, op: Op, result: Any, args: Sequence[Any], kw: dict[str, Any]) -> None:
    level = top.level

    def under(a: Any) -> Any:
        if not isinstance(a, Tensor):
            return a
        if level_of(a) == level:
            v = a._value
            return v.under(a) if isinstance(v, Value) else wrap(v)
        return a

    values = [under(a) for a in args]
    outs = [under(o) for o in result] if op.outputs != 1 else under(result)
    mine = [a if isinstance(a, Tensor) and level_of(a) == level else None for a in args]
    fit = None
    if op.kind == "elementwise":
        fit = [None if m is None else (tuple(m._value.shape), m.dtype.np) for m in mine]
    node: Any = record(op, result, outs, values, mine, kw, "level", fit)
    if node is not None:
        node.level = level
        node.lift = top.lift
