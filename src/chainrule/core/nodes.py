"""How nodes run their operation's rules: on arrays (the fast first-order backward) and on tensors (everything else)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .large import pulled
from .node import Node, Slot
from .rules import source
from .tensor import Tensor, wrap, wrap_with

if TYPE_CHECKING:
    from .op import Op


def fit_array(ct: Any, shape: tuple[int, ...], kind: Any) -> Any:
    """Bring a cotangent to the shape and dtype of the input: sum over broadcast axes, cast, drop an imaginary part."""
    have = ct.shape
    if have != shape:
        lead = len(have) - len(shape)
        if lead >= 0:
            axes = tuple(range(lead)) + tuple([i + lead for i, n in enumerate(shape) if n == 1 and have[i + lead] != 1])
            if axes:
                ct = ct.sum(axis=axes).reshape(shape)
        if ct.shape != shape:
            ct = np.broadcast_to(ct, shape)
    if kind is not None and ct.dtype != kind:
        if ct.dtype.kind == "c" and kind.kind != "c":
            ct = ct.real
        ct = ct.astype(kind)
    return ct


def fit_tensor(ct: Any, shape: tuple[int, ...], kind: Any) -> Any:
    """:func:`fit_array` on tensors, as recorded operations."""
    if not isinstance(ct, Tensor):
        return fit_array(ct, shape, kind)
    have = tuple(ct.shape)
    if have != shape:
        ct = ct.sum_to_size(shape) if len(have) >= len(shape) and have != shape and _reduces(have, shape) else ct.expand(shape)
    if kind is not None and ct.dtype.np != kind:
        if ct.dtype.is_complex and kind.kind != "c":
            ct = ct.real
        if ct.dtype.np != kind:
            from .dtype import FROM_NUMPY

            ct = ct.to(FROM_NUMPY[kind])
    return ct


def _reduces(have: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    lead = len(have) - len(shape)
    return lead >= 0 and all(n in (1, have[i + lead]) for i, n in enumerate(shape))


def _as_tensor(v: Any) -> Any:
    return wrap(v) if isinstance(v, (np.ndarray, np.generic)) else v


class OpNode(Node):
    """A node of a declared operation whose rules come one an argument."""

    __slots__ = ()
    raw = True

    def pull(self, g: Any) -> Sequence[Any]:
        rules = self.rules
        saved = self.saved
        fit = self.fit
        out: list[Any] = []
        for i, e in enumerate(self.edges):
            if e is None:
                out.append(None)
            else:
                ct = rules[i](g, *saved[i])
                out.append(ct if fit is None else fit_array(ct, *fit[i]))
        return out

    def rule_saved(self) -> list[tuple[int, tuple[Any, ...]]]:
        """(rule number, what it saved) for every rule that is wanted."""
        return [(i, s) for i, s in enumerate(self.saved) if s is not None]

    def saved_values(self) -> list[tuple[str, Any]]:
        """Every saved (name, value)."""
        op = self.op
        found = []
        for i, s in self.rule_saved():
            found += list(zip(op.rule_names(i), s, strict=True))  # type: ignore[union-attr]
        return found

    def saved_by_name(self, name: str) -> Any:
        if self.saved is None:
            from .telling import freed

            raise freed(self, walking=False)
        op: Any = self.op
        names = op.argnames
        wanted = {"result": "out", "self": names[0] if names else "", "other": names[1] if len(names) > 1 else ""}.get(name, name)
        for i, saved in self.rule_saved():
            for n, value in zip(op.rule_names(i), self.restore(i, saved, True), strict=True):
                if n == wanted:
                    return value
        return super().saved_by_name(name)

    # -- on tensors --------------------------------------------------------------------------------------------------

    def restore(self, index: int, saved: tuple[Any, ...], create_graph: bool) -> list[Any]:
        """What rule ``index`` saved, as tensors; connected to the graph when ``create_graph``."""
        op = self.op
        found: list[Any] = []
        for name, value in zip(op.rule_names(index), saved, strict=True):  # type: ignore[union-attr]
            kind, k = source(name, op.argnames)  # type: ignore[union-attr]
            if kind == "arg":
                found.append(self._restore_one(value, self.edges[k] if create_graph else None))
            elif kind == "args":
                found.append(tuple([self._restore_one(v, e if create_graph else None) for v, e in zip(value, self.edges[k:], strict=True)]))
            elif kind == "out":
                found.append(self._restore_one(value, self._output_edge(name, k) if create_graph else None))
            else:
                found.append(value)
        return found

    def _output_edge(self, name: str, k: int) -> Any:
        op = self.op
        if op.outputs == 1:  # type: ignore[union-attr]
            return self
        return Slot(self, k) if k in op.differentiable else None  # type: ignore[union-attr]

    def _restore_one(self, value: Any, edge: Any) -> Any:
        if not isinstance(value, (np.ndarray, np.generic)):
            return value
        if edge is None:
            return wrap(value)
        if edge.is_leaf_edge:
            return edge
        return wrap_with(value, edge)

    def unfitted(self, g: Any, create_graph: bool) -> list[Any]:
        """What the rules give on tensors, before it is summed over broadcast axes and cast."""
        out: list[Any] = [None] * len(self.edges)
        for i, saved in self.rule_saved():
            out[i] = _as_tensor(self.rules[i](g, *self.restore(i, saved, create_graph)))
        return out

    def pull_tensors(self, g: Any, create_graph: bool) -> Sequence[Any]:
        fit = self.fit
        cts = self.unfitted(g, create_graph)
        if fit is not None:
            cts = [None if ct is None else fit_tensor(ct, *fit[i]) for i, ct in enumerate(cts)]
        if create_graph and self.op.flat and (self.raw or not self.level):  # type: ignore[union-attr]
            from .ties import tied

            cts = [tied(ct, e) for ct, e in zip(cts, self.edges, strict=True)]
        return cts

    def pull_conjugated(self, g: Any, create_graph: bool) -> Sequence[Any]:
        """Elementwise rules are holomorphic; the rule of the cotangent is their conjugate, conj(d(conj(g)))."""
        fit = self.fit
        cts = self.unfitted(g.conj(), create_graph)
        return [None if ct is None else fit_tensor(ct.conj(), *fit[i]) for i, ct in enumerate(cts)]


class UnaryNode(OpNode):
    """One argument: what is saved needs no second tuple around it."""

    __slots__ = ()
    arity = 1

    def pull(self, g: Any) -> Sequence[Any]:
        ct = self.rules[0](g, *self.saved)
        fit = self.fit
        return (ct if fit is None else fit_array(ct, *fit[0]),)

    def rule_saved(self) -> list[tuple[int, tuple[Any, ...]]]:
        return [(0, self.saved)]


class BinaryNode(OpNode):
    """Two arguments, without the loop."""

    __slots__ = ()
    arity = 2

    def pull(self, g: Any) -> Sequence[Any]:
        x, y = self.edges
        a, b = self.saved
        fit = self.fit
        if fit is None:
            if y is None:
                return (self.rules[0](g, *a), None)
            return (None if x is None else self.rules[0](g, *a), self.rules[1](g, *b))
        return (
            None if x is None else fit_array(self.rules[0](g, *a), *fit[0]),
            None if y is None else fit_array(self.rules[1](g, *b), *fit[1]),
        )


def _wanted(edges: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
    """The cotangents that somebody waits for; a joint rule may give more."""
    return [None if e is None else ct for e, ct in zip(edges, cts, strict=True)]


class JointNode(OpNode):
    """All cotangents come from one rule."""

    __slots__ = ()

    def pull(self, g: Any) -> Sequence[Any]:
        return _wanted(self.edges, self.rules[0](g, *self.saved))

    def rule_saved(self) -> list[tuple[int, tuple[Any, ...]]]:
        return [(0, self.saved)]

    def unfitted(self, g: Any, create_graph: bool) -> list[Any]:
        cts = self.rules[0](g, *self.restore(0, self.saved, create_graph))
        return [_as_tensor(ct) for ct in _wanted(self.edges, cts)]


def _complex_rules(base: type[OpNode]) -> type[OpNode]:
    """Nodes of elementwise operations on complex numbers."""

    class ComplexNode(base):  # type: ignore[valid-type,misc]
        __slots__ = ()
        arity = 0

        def pull(self, g: Any) -> Sequence[Any]:
            out: list[Any] = [None] * len(self.edges)
            for i, saved in self.rule_saved():
                out[i] = fit_array(np.conj(self.rules[i](np.conj(g), *saved)), *self.fit[i])
            return out

        def pull_tensors(self, g: Any, create_graph: bool) -> Sequence[Any]:
            return self.pull_conjugated(g, create_graph)  # type: ignore[no-any-return]

    return ComplexNode


def _level_rules(base: type[OpNode]) -> type[OpNode]:
    """Nodes on the tape of a transform's level: what they saved are tensors of the level below."""

    class LevelNode(base):  # type: ignore[valid-type,misc]
        __slots__ = ()
        raw = False
        arity = 0

        def pull_tensors(self, g: Any, create_graph: bool) -> Sequence[Any]:
            if self.op.kind == "elementwise" and (g.dtype.is_complex or self._takes_complex()):
                return self.pull_conjugated(g, create_graph)  # type: ignore[no-any-return]
            return super().pull_tensors(g, create_graph)  # type: ignore[no-any-return]

        def _takes_complex(self) -> bool:
            return any(f is not None and f[1].kind == "c" for f in self.fit)

        def _restore_one(self, value: Any, edge: Any) -> Any:
            if edge is None or not isinstance(value, Tensor):
                return value
            if edge.is_leaf_edge:
                return edge
            return wrap_with(self.lift(value)._value, edge)

    return LevelNode


def _large_rules(base: type[OpNode]) -> type[OpNode]:
    """Nodes of operations on large arrays."""

    class LargeNode(base):  # type: ignore[valid-type,misc]
        __slots__ = ()
        arity = 0  # the quick walk leaves the rules to ``pull``

        def pull(self, g: Any) -> Sequence[Any]:
            found = pulled(self, g)
            return super().pull(g) if found is None else found

    return LargeNode


def _base(op: Op) -> type[OpNode]:
    if op.joint:
        return JointNode
    if len(op.argnames) == 1 and not op.variadic:
        return UnaryNode
    # An operation that names its last argument once may take several there; it has rules for those before only.
    return BinaryNode if len(op.argnames) == 2 == len(op.rules or ()) and not op.variadic else OpNode  # type: ignore[arg-type]


_CACHE: dict[tuple[str, type[OpNode]], type[OpNode]] = {}


def _variant(make: Callable[[type[OpNode]], type[OpNode]], key: str) -> Callable[[Op], type[OpNode]]:
    def of(op: Op) -> type[OpNode]:
        base = _base(op)
        found = _CACHE.get((key, base))
        if found is None:
            found = _CACHE[key, base] = make(base)
        return found

    return of


VARIANTS: dict[str, Callable[[Any], type[OpNode]]] = {
    "raw": _base,
    "complex": _variant(_complex_rules, "complex"),
    "level": _variant(_level_rules, "level"),
    "large": _variant(_large_rules, "large"),
}
