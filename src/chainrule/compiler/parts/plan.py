"""How a function is cut: into statements that Python runs as they are written, and parts between them that are compiled.

It begins with one part.  A part that turns out to be no program is cut where the reason is, or in the middle; a loop, a branch or a
``with`` that is none is opened, its body becoming parts.  What remains are single statements, which are Python's.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from typing import Any

from .source import Source
from .suspects import suspicious

_PYTHONS = (ast.ClassDef, ast.Match, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.TryStar)
_SHOWN = 60  # characters of a statement that a report shows
_BLOCKS = ("body", "orelse", "finalbody")
_CHEAP = frozenset({"item", "detach", "cpu", "tolist", "numpy", "float", "int", "len", "format", "round", "str", "bool", "time", "clone"})


class Part:
    """Statements that are compiled together; ``run`` is what calls them."""

    def __init__(self, statements: list[ast.stmt]) -> None:
        self.statements = statements
        self.run: Any = None
        self.signature: Any = None  # what it is given, what it gives

    @property
    def lines(self) -> tuple[int, int]:
        return self.statements[0].lineno, max(s.end_lineno or s.lineno for s in self.statements)


class Plain:
    """A statement as it is written; ``origin`` is the user's that ends with it, None for an operand of one."""

    def __init__(self, statement: ast.stmt, origin: ast.stmt | None = None) -> None:
        self.statement = statement
        self.origin = origin


class Opened:
    """A statement of Python's with blocks that are cut."""

    def __init__(self, statement: ast.stmt, blocks: dict[str, list[Any]]) -> None:
        self.statement = statement
        self.blocks = blocks


Block = list[Any]


def begun(statements: Sequence[ast.stmt], source: Source) -> Block:
    """Parts, and between them what can be in none, or should not be as far as one can see."""
    block: Block = []
    for statement in statements:
        if not _pythons(statement) and suspicious(statement, source):
            block += alone(statement, source)
        elif not _pythons(statement):
            if not block or not isinstance(block[-1], Part):
                block.append(Part([]))
            block[-1].statements.append(statement)
        elif isinstance(statement, (*_PYTHONS, ast.Delete, ast.FunctionDef)) or not _opens(statement):
            block.append(Plain(statement, statement))
        else:
            block.append(opened(statement, source))
    return [found for item in block for found in _worthwhile(item)]


def _worthwhile(item: Any) -> Block:
    if not isinstance(item, Part) or any(map(_computes, item.statements)):
        return [item]
    return [Plain(s, s) for s in item.statements]


def _computes(statement: ast.stmt) -> bool:
    """Whether there is anything to compile in a statement."""
    kinds = (ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.AugAssign, ast.Subscript)
    return any(isinstance(node, kinds) for node in ast.walk(statement))


def alone(statement: ast.stmt, source: Source) -> Block:
    """What becomes of a statement that is no program."""
    return [opened(statement, source)] if _opens(statement) else _hoisted(statement) or [Plain(statement, statement)]


def _pythons(statement: ast.stmt) -> bool:
    """Whether a statement cannot be in a part."""
    for node in ast.walk(statement):
        if isinstance(node, _PYTHONS) or (isinstance(node, ast.Name) and node.id in ("super", "__class__")):
            return True
        if isinstance(node, ast.Delete) and any(isinstance(t, ast.Name) for t in node.targets):
            return True
    return False


def _opens(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.For, ast.While, ast.If, ast.With, ast.Try))


def opened(statement: ast.stmt, source: Source) -> Opened:
    return Opened(statement, {name: begun(getattr(statement, name), source) for name in _BLOCKS if getattr(statement, name, None)})


def refined(part: Part, lines: set[int], source: Source) -> Block:
    """What becomes of a part that is no program; ``lines`` are those of the reasons."""
    statements = part.statements
    if len(statements) == 1:
        return alone(statements[0], source)
    if not any(map(_computes, statements)):
        return [Plain(s, s) for s in statements]
    at = {k for k, s in enumerate(statements) if any(s.lineno <= line <= (s.end_lineno or s.lineno) for line in lines)}
    if not at:
        middle = len(statements) // 2
        return [Part(statements[:middle]), Part(statements[middle:])]
    block: Block = []
    for k, statement in enumerate(statements):
        if k in at:
            block += alone(statement, source)
        elif block and k - 1 not in at:
            block[-1].statements.append(statement)
        else:
            block.append(Part([statement]))
    return block


def parts(block: Block) -> Iterator[Part]:
    for item in block:
        if isinstance(item, Part):
            yield item
        elif isinstance(item, Opened):
            for inner in item.blocks.values():
                yield from parts(inner)


def told(block: Block) -> Iterator[tuple[str, int]]:
    """The statements that are Python's, those that do something: (the beginning of the first line, its number)."""
    for item in block:
        if isinstance(item, Opened):
            yield ast.unparse(item.statement).partition("\n")[0][:_SHOWN], item.statement.lineno
            for inner in item.blocks.values():
                yield from told(inner)
        elif isinstance(item, Plain) and item.origin is not None and _computes(item.origin):
            yield ast.unparse(item.origin).partition("\n")[0][:_SHOWN], item.origin.lineno


def replaced(block: Block, part: Part, by: Block) -> Block:
    """The block with a part exchanged."""
    made: Block = []
    for item in block:
        if item is part:
            made += by
        elif isinstance(item, Opened):
            item.blocks = {name: replaced(inner, part, by) for name, inner in item.blocks.items()}
            made.append(item)
        else:
            made.append(item)
    return made


# -- a statement whose operands are worth compiling -----------------------------------------------------------------------------


def _hoisted(statement: ast.stmt) -> Block:
    """``keep(f(x))`` as ``a = keep; b = f(x); a(b)``, the same in the same order; nothing where there is nothing to gain."""
    names = _Names(statement)
    if isinstance(statement, (ast.Expr, ast.Assign, ast.Return)) and isinstance(statement.value, ast.Call):
        call = statement.value
        if any(k.arg is None for k in call.keywords) or any(isinstance(a, ast.Starred) for a in call.args):
            return []
        operands = [*call.args, *[k.value for k in call.keywords]]
        if not any(map(_costs, operands)):
            return []
        block: Block = [names.plain(call.func)]
        new = ast.copy_location(ast.Call(names.last(), [], []), call)
        for k, operand in enumerate(operands):
            block.append(names.computed(operand))
            if k < len(call.args):
                new.args.append(names.last())
            else:
                new.keywords.append(ast.keyword(call.keywords[k - len(call.args)].arg, names.last()))
        last = copy.copy(statement)
        last.value = new
        return [*block, Plain(last, statement)]
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Attribute) and _costs(statement.value):
        held = names.plain(statement.target.value)
        holder = names.last()
        there = ast.copy_location(ast.Attribute(holder, statement.target.attr, ast.Load()), statement)
        before = names.plain(there)
        total = names.last()
        block = [held, before, names.computed(statement.value)]
        into = ast.copy_location(ast.Name(total.id, ast.Store()), statement)
        added = ast.copy_location(ast.AugAssign(into, statement.op, names.last()), statement)
        target = ast.copy_location(ast.Attribute(holder, statement.target.attr, ast.Store()), statement)
        return [*block, Plain(added), Plain(ast.copy_location(ast.Assign([target], total), statement), statement)]
    return []


def _costs(node: ast.expr) -> bool:
    """Whether an expression has calls or products in it that are worth compiling."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            name = inner.func.attr if isinstance(inner.func, ast.Attribute) else getattr(inner.func, "id", "")
            if name not in _CHEAP:
                return True
        if isinstance(inner, ast.MatMult):
            return True
    return False


class _Names:
    """Fresh variables for the operands of a statement."""

    def __init__(self, statement: ast.stmt) -> None:
        self.statement = statement
        self.count = 0

    def _name(self) -> str:
        return f"_{self.statement.lineno}_{self.statement.col_offset}_{self.count}"

    def _assigned(self, value: ast.expr) -> ast.stmt:
        self.count += 1
        target = ast.copy_location(ast.Name(self._name(), ast.Store()), value)
        return ast.copy_location(ast.Assign([target], value), value)

    def plain(self, value: ast.expr) -> Plain:
        return Plain(self._assigned(value))

    def computed(self, value: ast.expr) -> Part | Plain:
        assigned = self._assigned(value)
        return Part([assigned]) if _costs(value) else Plain(assigned)

    def last(self) -> ast.Name:
        return ast.copy_location(ast.Name(self._name(), ast.Load()), self.statement)


__all__ = ["Block", "Opened", "Part", "Plain", "begun", "parts", "refined", "replaced", "told"]
