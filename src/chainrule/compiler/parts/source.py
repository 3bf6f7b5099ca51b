"""The text of a function as a tree, where it is to be had and can be cut."""

from __future__ import annotations
import __future__

import ast
import copy
import inspect
import textwrap
import types
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...core.mutation import PACKAGE

_LOOKS_INSIDE = frozenset({"locals", "vars", "eval", "exec", "dir", "globals", "_getframe", "currentframe"})
_WAITS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Source(NamedTuple):
    function: Any  # a Python function
    tree: ast.FunctionDef
    local: frozenset[str]
    fixed: frozenset[str]  # parameters that are never unbound
    declared: dict[str, str]  # the names that it declares: "global" or "nonlocal"


def source_of(function: Any) -> Source | None:
    """The source of a Python function; None where there is none, or where cutting it would change what it does."""
    if not isinstance(function, types.FunctionType) or function.__code__.co_flags & _WAITS:
        return None
    code = function.__code__
    if code.co_filename.startswith(PACKAGE) or _LOOKS_INSIDE.intersection(code.co_names):
        return None
    try:
        lines, first = inspect.getsourcelines(code)
        (tree,) = ast.parse(textwrap.dedent("".join(lines))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    if not isinstance(tree, ast.FunctionDef) or tree.name != code.co_name or any(_private(n) for n in ast.walk(tree)):
        return None
    ast.increment_lineno(tree, first - 1)
    if not _same(tree, function):
        return None
    declared = {n: type(d).__name__.lower() for d in ast.walk(tree) if isinstance(d, (ast.Global, ast.Nonlocal)) for n in d.names}
    given = tree.args
    parameters = {a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg) if a is not None}
    gone = {t.id for d in ast.walk(tree) if isinstance(d, ast.Delete) for t in d.targets if isinstance(t, ast.Name)}
    local = frozenset({*code.co_varnames, *code.co_cellvars} - declared.keys())
    return Source(function, tree, local, frozenset(parameters - gone), declared)


def _private(node: ast.AST) -> bool:
    """A name that Python changes inside of a class."""
    name = getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "arg", None)
    return isinstance(name, str) and name.startswith("__") and not name.endswith("__")


def _same(tree: ast.FunctionDef, function: types.FunctionType) -> bool:
    """Whether the file still has the function that is running."""
    made = compiled([bare(tree, tree.body)], function, ())[0]
    return _shown(made) == _shown(function.__code__)


def _shown(code: types.CodeType) -> tuple[Any, ...]:
    """What tells a function from another.  Instructions may differ: of names that its module imports, Python knows more there."""
    lines = sorted({line for _, _, line in code.co_lines() if line is not None} - {code.co_firstlineno})
    constants = [(type(c), c) for c in code.co_consts if not isinstance(c, types.CodeType)]
    return code.co_names, code.co_varnames, code.co_cellvars, constants, lines


def bare(tree: ast.FunctionDef, body: list[ast.stmt]) -> ast.FunctionDef:
    """A function with another body, without annotations and decorators; defaults are only counted."""
    given = copy.deepcopy(tree.args)
    given.defaults = [ast.Constant(None) for _ in given.defaults]
    given.kw_defaults = [None if d is None else ast.Constant(None) for d in given.kw_defaults]
    for a in ast.walk(given):
        if isinstance(a, ast.arg):
            a.annotation = None
    return ast.copy_location(ast.FunctionDef(tree.name, given, body or [ast.Pass()], [], None), tree)


def compiled(definitions: list[ast.FunctionDef], function: types.FunctionType, names: Sequence[str]) -> list[types.CodeType]:
    """The code of definitions that stand where ``function`` stands; ``names`` are variables around them besides those that it has."""
    code = function.__code__
    given = ast.arguments([], [ast.arg(n) for n in [*code.co_freevars, *names]], None, [], [], None, [])
    around = ast.FunctionDef("_around", given, list(definitions), [], None)
    module = ast.fix_missing_locations(ast.Module([ast.copy_location(around, definitions[0])], []))
    made = compile(module, code.co_filename, "exec", code.co_flags & __future__.annotations.compiler_flag, dont_inherit=True)
    (outer,) = [c for c in made.co_consts if isinstance(c, types.CodeType)]
    found = {c.co_name: c for c in outer.co_consts if isinstance(c, types.CodeType)}
    return [found[d.name] for d in definitions]
