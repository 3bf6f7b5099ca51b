"""The function with calls of its parts in it, and the parts as functions."""

from __future__ import annotations

import ast
import copy
import types
from collections.abc import Sequence
from typing import Any

from .names import Uses, flow, passes, uses
from .plan import Block, Opened, Part
from .source import Source, bare, compiled

RETURNED, LEFT, NEXT = 1, 2, 3  # how a part ends, if not at its end


class Writer:
    """Writes one function; ``functions`` are those of its parts afterwards, by part."""

    def __init__(self, source: Source, block: Block) -> None:
        self.source = source
        self.block = block
        self.everything = block
        self.made: list[tuple[Part, ast.FunctionDef]] = []
        self.refused: list[Part] = []  # that have to be cut before they are tried

    def written(self) -> tuple[types.CodeType, list[tuple[str, Part, types.CodeType]]]:
        """The function's code, and its parts: (the name that it calls them by, the part, its code)."""
        outer = bare(self.source.tree, self._block(self.block, ()))
        names = [definition.name for _, definition in self.made]
        code, *codes = compiled([outer, *[d for _, d in self.made]], self.source.function, names)
        return code, [(name, part, c) for name, (part, _), c in zip(names, self.made, codes, strict=True)]

    # -- statements ----------------------------------------------------------------------------------------------------------

    def _block(self, block: Block, around: tuple[Opened, ...]) -> list[ast.stmt]:
        written: list[ast.stmt] = []
        for item in block:
            if isinstance(item, Part):
                written += self._part(item, around)
            elif isinstance(item, Opened):
                statement = copy.copy(item.statement)
                for name, inner in item.blocks.items():
                    setattr(statement, name, self._block(inner, (*around, item)) or [ast.Pass()])
                written.append(statement)
            else:
                written.append(item.statement)
        return written

    def _part(self, part: Part, around: tuple[Opened, ...]) -> list[ast.stmt]:
        local = self.source.local | {n for n in uses(part.statements).stores if n.startswith("_")} - self.source.declared.keys()
        mine = uses(part.statements)
        others = _outside(self.everything, part)
        looping = any(isinstance(o.statement, (ast.For, ast.While)) for o in around)
        if _entangled(mine, others, looping):
            self.refused.append(part)
            return part.statements
        found = flow(part.statements)
        sets = found.sets or set()
        repeated = found.reads if looping else set()
        out = sorted(mine.stores & (others.loads | repeated) & local)
        ends = _ends(part.statements)
        if out and not ends <= {RETURNED}:  # the names that it has bound by then would not get out
            self.refused.append(part)
            return part.statements
        if out and any(_catches(o) and set(out) & _elsewhere(o, self.everything) for o in around):
            self.refused.append(part)
            return part.statements
        given = sorted((found.reads | (set(out) - sets)) & (local | _hoisted_names(found.reads)))
        if part.signature != (given, out):
            part.signature, part.run = (given, out), None
        name = f"_part_{len(self.made)}"
        definition = self._definition(name, part, given, out, ends, found.sets is None)
        self.made.append((part, definition))
        call = ast.Call(ast.Name(name, ast.Load()), [ast.Name(n, ast.Load()) for n in given], [])
        after = self._after(call, out, ends, found.sets is None)
        unsure = [n for n in given if n not in self.source.fixed]
        if not unsure:
            return after
        look = ast.Expr(ast.Tuple([ast.Name(n, ast.Load()) for n in unsure], ast.Load()))
        unbound = ast.ExceptHandler(ast.Name("NameError", ast.Load()), None, copy.deepcopy(part.statements))
        return [ast.Try([look], [unbound], after, [])]

    def _definition(self, name: str, part: Part, given: list[str], out: list[str], ends: set[int], never: bool) -> ast.FunctionDef:
        declared = self.source.declared
        mentioned = uses(part.statements)
        body: list[ast.stmt] = []
        for kind, statement in (("global", ast.Global), ("nonlocal", ast.Nonlocal)):
            names = sorted(n for n in mentioned.loads | mentioned.stores if declared.get(n) == kind)
            if names:
                body.append(statement(names))
        statements = copy.deepcopy(part.statements)
        end: ast.expr = ast.Tuple([ast.Name(n, ast.Load()) for n in out], ast.Load()) if out else ast.Constant(None)
        if ends and not (ends == {RETURNED} and never):
            statements = [_Ends().visit(s) for s in statements]
            body += [*statements, ast.Return(_pair(0, end))]
        elif ends:
            body += statements
        else:
            body += [*statements, ast.Return(end)]
        arguments = ast.arguments([], [ast.arg(n) for n in given], None, [], [], None, [])
        definition = ast.FunctionDef(name, arguments, body, [], None)
        return ast.copy_location(definition, part.statements[0])

    def _after(self, call: ast.expr, out: list[str], ends: set[int], never: bool) -> list[ast.stmt]:
        """What is done with what a part gives."""
        if ends == {RETURNED} and never:
            return [ast.Return(call)]
        into = ast.Tuple([ast.Name(n, ast.Store()) for n in out], ast.Store())
        if not ends:
            return [ast.Assign([into], call) if out else ast.Expr(call)]
        ended = [ast.Name("_how", ast.Store()), ast.Name("_what", ast.Store())]
        written: list[ast.stmt] = [ast.Assign([ast.Tuple(list(ended), ast.Store())], call)]
        does: dict[int, ast.stmt] = {RETURNED: ast.Return(ast.Name("_what", ast.Load())), LEFT: ast.Break(), NEXT: ast.Continue()}
        for how in sorted(ends):
            test = ast.Compare(ast.Name("_how", ast.Load()), [ast.Eq()], [ast.Constant(how)])
            written.append(ast.If(test, [does[how]], []))
        if out:
            written.append(ast.Assign([into], ast.Name("_what", ast.Load())))
        return written


def _pair(how: int, what: ast.expr) -> ast.Tuple:
    return ast.Tuple([ast.Constant(how), what], ast.Load())


def _hoisted_names(names: set[str]) -> set[str]:
    """Operands of a statement that was taken apart: ``_line_column_number``."""
    return {n for n in names if n.startswith("_") and n[1:].replace("_", "").isdigit()}


class _Ends(ast.NodeTransformer):
    """Lets a part say how it ended."""

    def __init__(self) -> None:
        self.loops = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        return node

    def visit_Return(self, node: ast.Return) -> ast.Return:
        return ast.copy_location(ast.Return(_pair(RETURNED, node.value or ast.Constant(None))), node)

    def visit_Break(self, node: ast.Break) -> ast.stmt:
        return node if self.loops else ast.copy_location(ast.Return(_pair(LEFT, ast.Constant(None))), node)

    def visit_Continue(self, node: ast.Continue) -> ast.stmt:
        return node if self.loops else ast.copy_location(ast.Return(_pair(NEXT, ast.Constant(None))), node)

    def _loop(self, node: Any) -> Any:
        self.loops += 1
        node.body = [self.visit(s) for s in node.body]
        self.loops -= 1
        node.orelse = [self.visit(s) for s in node.orelse]
        return node

    visit_For = visit_While = _loop


def _ends(statements: Sequence[ast.stmt]) -> set[int]:
    """The ways in which statements leave the block that they are in."""
    found: set[int] = set()
    stack: list[tuple[ast.AST, bool]] = [(s, False) for s in statements]
    while stack:
        node, inside = stack.pop()
        if isinstance(node, ast.Return):
            found.add(RETURNED)
        elif isinstance(node, (ast.Break, ast.Continue)) and not inside:
            found.add(LEFT if isinstance(node, ast.Break) else NEXT)
        elif isinstance(node, (ast.For, ast.While)):
            stack += [(s, True) for s in node.body] + [(s, inside) for s in node.orelse]
        elif not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.expr)):
            stack += [(child, inside) for child in ast.iter_child_nodes(node)]
    return found


def _statements(block: Block, but: Any) -> list[ast.AST]:
    """All that a block is written of, without one part."""
    found: list[ast.AST] = []
    for item in block:
        if item is but:
            continue
        if isinstance(item, Part):
            found += item.statements
        elif isinstance(item, Opened):
            fields = [v for name, v in ast.iter_fields(item.statement) if name not in item.blocks]
            found += [v for f in fields for v in (f if isinstance(f, list) else [f]) if isinstance(v, ast.AST)]
            for inner in item.blocks.values():
                found += _statements(inner, but)
        else:
            found.append(item.statement)
    return found


def _outside(block: Block, part: Part) -> Uses:
    return uses(_statements(block, part))


def _entangled(mine: Uses, others: Uses, looping: bool) -> bool:
    """Whether functions that are defined inside, or outside, would not see a variable change that they share with the other side."""
    inside = mine.captured & (others.stores | (mine.stores if looping else set()))
    return bool(inside or mine.stores & others.captured or (mine.loads | mine.stores) & (others.shared | mine.shared))


def _catches(opened: Opened) -> bool:
    """Whether the function may go on after an exception inside."""
    statement = opened.statement
    return isinstance(statement, ast.Try) or (isinstance(statement, ast.With) and not passes(statement))


def _elsewhere(opened: Opened, everything: Block) -> set[str]:
    """Names that are read outside of the block in which an exception is caught."""
    inside = Opened(opened.statement, opened.blocks)
    body = opened.blocks.get("body", [])
    found = uses(_statements(everything, opened)).loads
    rest = [v for name, v in ast.iter_fields(inside.statement) if name != "body"]
    found |= uses([v for f in rest for v in (f if isinstance(f, list) else [f]) if isinstance(v, ast.AST)]).loads
    return found if body else set()


__all__ = ["Writer"]
