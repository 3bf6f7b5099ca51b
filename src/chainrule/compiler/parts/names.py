"""Which local variables statements read and set: what a part of a function has to be given, and what it gives.

The order of evaluation counts: a variable that is set for certain before it is read is none that has to be given.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_PASSING = ("no_grad", "enable_grad", "inference_mode", "set_grad_enabled", "autocast")  # contexts that let every exception through


class Uses(NamedTuple):
    """Names, whatever way the statements go."""

    loads: set[str]
    stores: set[str]
    captured: set[str]  # read by functions that the statements define
    shared: set[str]  # set by such functions


class Flow(NamedTuple):
    """``reads`` may be read before they are set; ``sets`` are set for certain at the end, which is None where it is never reached."""

    reads: set[str]
    sets: set[str] | None


def uses(nodes: Iterable[ast.AST]) -> Uses:
    """What the statements mention; the variables of functions that they define are not among it."""
    found = Uses(set(), set(), set(), set())
    for node in nodes:
        _mentioned(node, found)
    return found


def _mentioned(node: ast.AST, found: Uses) -> None:
    if isinstance(node, ast.Name):
        (found.loads if isinstance(node.ctx, ast.Load) else found.stores).add(node.id)
        return
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        found.loads.add(node.target.id)
    elif isinstance(node, ast.ExceptHandler) and node.name:
        found.stores.add(node.name)
    elif isinstance(node, ast.alias):
        found.stores.add(node.asname or node.name.partition(".")[0])
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        found.stores.add(node.name)
    if isinstance(node, _FUNCTIONS):
        _function(node, found)
        return
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
        inner = Uses(set(), set(), found.captured, found.shared)
        for child in ast.iter_child_nodes(node):
            _mentioned(child, inner)
        found.loads.update(inner.loads)
        found.stores.update(inner.stores - {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)})
        return
    for child in ast.iter_child_nodes(node):
        _mentioned(child, found)


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, found: Uses) -> None:
    """A function that the statements define: what it reads and sets of theirs."""
    given = node.args
    outside = [*given.defaults, *[d for d in given.kw_defaults if d is not None], *getattr(node, "decorator_list", ())]
    for part in outside:
        _mentioned(part, found)
    inner = uses(node.body if isinstance(node.body, list) else [node.body])
    shared = {n for d in _inside(node) if isinstance(d, ast.Nonlocal) for n in d.names}
    mine = ({a.arg for a in ast.walk(given) if isinstance(a, ast.arg)} | inner.stores) - shared
    read = (inner.loads | inner.captured | shared | inner.shared) - mine
    found.loads.update(read)
    found.captured.update(read)
    found.shared.update((shared | inner.shared) - mine)
    found.stores.update((shared | inner.shared) - mine)


def _inside(node: ast.AST) -> Iterable[ast.AST]:
    """The nodes of a function, without those of functions in it."""
    body = getattr(node, "body", ())
    stack: list[Any] = list(body) if isinstance(body, list) else [body]
    while stack:
        found = stack.pop()
        yield found
        if not isinstance(found, (*_FUNCTIONS, ast.ClassDef)):
            stack.extend(ast.iter_child_nodes(found))


def flow(statements: Sequence[ast.stmt]) -> Flow:
    """What a sequence of statements reads of what was there before, and what it has set at its end."""
    walk = _Walk()
    end = walk.block(statements, set())
    late = walk.late - (end or set())
    return Flow(walk.reads | late, end)


class _Walk:
    """``have`` is what has been set for certain."""

    def __init__(self) -> None:
        self.reads: set[str] = set()
        self.late: set[str] = set()  # read by functions, at the time of their calls

    def block(self, statements: Sequence[ast.stmt], have: set[str]) -> set[str] | None:
        now: set[str] | None = have
        for statement in statements:
            if now is None:
                break
            now = self.statement(statement, now)
        return now

    def expressions(self, node: ast.AST | None, have: set[str]) -> None:
        """Names read by an expression."""
        if node is None:
            return
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load) and node.id not in have:
                self.reads.add(node.id)
        elif isinstance(node, ast.Lambda):
            self.late |= uses([node]).captured
            self.expressions(node.args, have)
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            inner = set(have)
            for generator in node.generators:
                self.expressions(generator.iter, inner)
                self.target(generator.target, inner)
                for test in generator.ifs:
                    self.expressions(test, inner)
            for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
                self.expressions(part, inner)
        else:
            for child in ast.iter_child_nodes(node):
                self.expressions(child, have)

    def target(self, node: ast.expr, have: set[str]) -> None:
        if isinstance(node, ast.Name):
            have.add(node.id)
        elif isinstance(node, (ast.Tuple, ast.List)):
            for part in node.elts:
                self.target(part, have)
        elif isinstance(node, ast.Starred):
            self.target(node.value, have)
        else:
            self.expressions(node, have)

    def statement(self, node: ast.stmt, have: set[str]) -> set[str] | None:
        found = getattr(self, "_" + type(node).__name__.lower(), None)
        if found is not None:
            result: set[str] | None = found(node, have)
            return result
        self.expressions(node, have)
        return have

    def _assign(self, node: ast.Assign, have: set[str]) -> set[str]:
        self.expressions(node.value, have)
        for target in node.targets:
            self.target(target, have)
        return have

    def _augassign(self, node: ast.AugAssign, have: set[str]) -> set[str]:
        if isinstance(node.target, ast.Name) and node.target.id not in have:
            self.reads.add(node.target.id)
        self.expressions(node.value, have)
        self.target(node.target, have)
        return have

    def _annassign(self, node: ast.AnnAssign, have: set[str]) -> set[str]:
        if node.value is not None:
            self.expressions(node.value, have)
            self.target(node.target, have)
        return have

    def _functiondef(self, node: ast.FunctionDef, have: set[str]) -> set[str]:
        for part in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
            self.expressions(part, have)
        self.late |= uses([node]).captured
        have.add(node.name)
        return have

    def _if(self, node: ast.If, have: set[str]) -> set[str] | None:
        self.expressions(node.test, have)
        return _both(self.block(node.body, set(have)), self.block(node.orelse, set(have)))

    def _for(self, node: ast.For, have: set[str]) -> set[str]:
        self.expressions(node.iter, have)
        inner = set(have)
        self.target(node.target, inner)
        self.block(node.body, inner)
        self.block(node.orelse, set(have))
        return have

    def _while(self, node: ast.While, have: set[str]) -> set[str]:
        self.expressions(node.test, have)
        self.block(node.body, set(have))
        self.block(node.orelse, set(have))
        return have

    def _with(self, node: ast.With, have: set[str]) -> set[str] | None:
        for item in node.items:
            self.expressions(item.context_expr, have)
            if item.optional_vars is not None:
                self.target(item.optional_vars, have)
        end = self.block(node.body, set(have))
        return end if passes(node) else have

    def _try(self, node: ast.Try, have: set[str]) -> set[str]:
        end = self.block(node.body, set(have))
        for handler in node.handlers:
            self.expressions(handler.type, have)
            self.block(handler.body, have | ({handler.name} if handler.name else set()))
        self.block(node.orelse, set(end or have))
        return self.block(node.finalbody, set(have)) or have

    def _return(self, node: ast.Return, have: set[str]) -> None:
        self.expressions(node.value, have)

    def _raise(self, node: ast.Raise, have: set[str]) -> None:
        self.expressions(node.exc, have)
        self.expressions(node.cause, have)

    def _break(self, node: ast.Break, have: set[str]) -> None:
        return None

    def _continue(self, node: ast.Continue, have: set[str]) -> None:
        return None


def _both(a: set[str] | None, b: set[str] | None) -> set[str] | None:
    return b if a is None else a if b is None else a & b


def passes(node: ast.With) -> bool:
    """Whether the contexts are known to let exceptions through."""
    return all(isinstance(e := i.context_expr, ast.Call) and ast.unparse(e.func).rpartition(".")[2] in _PASSING for i in node.items)
