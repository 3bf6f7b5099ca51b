"""What the user's own source says: the text of a line, and where a computation leaves the tape.

Nothing of this runs before something has gone wrong.  Reading is static: it follows the assignments of one function (or of
a module's top level) backwards from a name, into the user's functions and modules that it calls, and collects the
expressions that cut a gradient (``.detach()``, ``.item()``, ``no_grad`` …).
"""

from __future__ import annotations

import ast
import functools
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from .mutation import PACKAGE

_TOO_LONG = 20_000  # lines: reading a file must not take longer than a look at it
_DEPTH = 3  # of calls that are followed

METHODS = {
    "detach": "detach", "detach_": "detach", "item": "item", "tolist": "tolist", "numpy": "numpy", "argmax": "argmax", "argmin": "argmax",
    "argsort": "argmax", "long": "cast", "int": "cast", "short": "cast", "bool": "cast", "char": "cast", "byte": "cast",
}  # fmt: skip
_BUILTINS = {"float": "item", "int": "item"}
_CONSTRUCTORS = frozenset({"tensor", "as_tensor", "from_numpy", "Tensor", "FloatTensor", "array", "asarray"})
_INTEGERS = frozenset({"long", "int", "int64", "int32", "int16", "int8", "uint8", "bool", "short"})
_SCOPES = frozenset({"no_grad", "inference_mode"})


@dataclass(frozen=True)
class Cut:
    """A place in the source where values go on and gradients do not."""

    kind: str
    place: str
    text: str


def text_of(place: str) -> str:
    """The source at ``file:line``, stripped; empty where there is none to read."""
    filename, _, line = place.rpartition(":")
    return linecache.getline(filename, int(line)).strip() if line.isdigit() else ""


def user_frame(start: int = 1) -> FrameType | None:
    """The innermost frame that is not ours."""
    frame: FrameType | None = sys._getframe(start + 1)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame


def place_of(frame: FrameType) -> str:
    """``file:line`` of a frame."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def name_in(frame: FrameType, value: Any) -> str | None:
    """The name by which a frame knows a value."""
    for space in (frame.f_locals, frame.f_globals):
        for name, held in list(space.items()):
            if held is value and name.isidentifier() and not name.startswith("_"):
                return name
    return None


def cuts_before(frame: FrameType, name: str) -> list[Cut]:
    """What cuts the gradient of ``name`` in the frame's function, above or at its current line, the nearest first."""
    return _Reader().read(frame.f_code, {**frame.f_globals, **frame.f_locals}, {name}, frame.f_lineno, 0)


def cuts_of_call(frame: FrameType) -> list[Cut]:
    """The same of what ``backward`` (or ``grad``) is called on, on the frame's current line."""
    scope = _scope(frame.f_code)
    space = {**frame.f_globals, **frame.f_locals}
    for node in ast.walk(scope) if scope is not None else ():
        if not isinstance(node, ast.Call) or not node.lineno <= frame.f_lineno <= (node.end_lineno or 0):
            continue
        called = node.func
        if _last_name(called) not in ("backward", "grad"):
            continue
        of_module = isinstance(called, ast.Name) or _last_name(getattr(called, "value", called)) == "autograd"
        root = node.args[0] if of_module and node.args else getattr(called, "value", None)
        if root is None:
            continue
        reader = _Reader()
        found = reader.in_value(root, frame.f_code.co_filename, False, space, 0, None)
        names = {n.id for n in ast.walk(root) if isinstance(n, ast.Name)}
        return found + reader.read(frame.f_code, space, names, frame.f_lineno, 0)
    return []


def cuts_after(frame: FrameType, name: str) -> list[Cut]:
    """The cuts in the frame's function of what was computed from ``name``, in the order of the source."""
    scope = _scope(frame.f_code)
    if scope is None:
        return []
    names, found = {name}, list[Cut]()
    reader = _Reader()
    space = {**frame.f_globals, **frame.f_locals}
    filename = frame.f_code.co_filename
    for file, part, end in [*reversed(_cells_before(filename, scope)), (filename, scope, frame.f_lineno)]:
        for statement, without in statements(part, False):
            value = _value_of(statement)
            if value is None or statement.lineno > end or not _mentions(value, names):
                continue
            names |= _targets(statement)
            found += reader.in_value(value, file, without, space, 0, names)
    return found


class _Reader:
    def __init__(self) -> None:
        self.seen: set[CodeType] = set()

    def read(self, code: CodeType, space: dict[str, Any], names: set[str], last: float, depth: int) -> list[Cut]:
        """The cuts on the way to ``names``, following assignments backwards from line ``last``."""
        scope = _scope(code)
        if scope is None or code in self.seen or depth > _DEPTH:
            return []
        self.seen.add(code)
        found: list[Cut] = []
        wanted = set(names)
        for filename, part, end in [(code.co_filename, scope, last), *_cells_before(code.co_filename, scope)]:
            for statement, without in reversed(list(statements(part, _decorated(part)))):
                value = _value_of(statement)
                if value is None or statement.lineno > end or not (_targets(statement) & wanted or isinstance(statement, ast.Return)):
                    continue
                if isinstance(statement, ast.Return) and names:
                    continue
                found += self.in_value(value, filename, without, space, depth, None)
                wanted |= {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
        return found

    def in_value(
        self, value: ast.expr, filename: str, without: bool, space: dict[str, Any], depth: int, names: set[str] | None
    ) -> list[Cut]:
        """The cuts in one expression, and in the user's functions that it calls."""
        found: list[Cut] = []
        for node in ast.walk(value):
            if not isinstance(node, ast.expr):
                continue
            kind = "no_grad" if without and isinstance(node, (ast.Call, ast.BinOp)) else _kind(node)
            if kind is not None and (names is None or _mentions(node, names)):
                place = f"{filename}:{node.lineno}"
                if not any(c.place == place for c in found):
                    found.append(Cut(kind, place, text_of(place)))
            elif isinstance(node, ast.Call):
                code, inner = _called(node.func, space)
                if code is not None and not code.co_filename.startswith(PACKAGE):
                    found += self.read(code, inner, set(), float("inf"), depth + 1)
        return found


def _kind(node: ast.AST) -> str | None:
    """How an expression cuts the gradient, if it does."""
    if isinstance(node, ast.Compare):
        return None if any(isinstance(o, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for o in node.ops) else "comparison"
    if isinstance(node, ast.Attribute):
        return "data" if node.attr == "data" else None
    if not isinstance(node, ast.Call):
        return None
    called = node.func
    if isinstance(called, ast.Name):
        return _BUILTINS.get(called.id) or _constructed(called.id, node)
    if isinstance(called, ast.Attribute):
        if called.attr in ("to", "type") and any(_last_name(a) in _INTEGERS for a in (*node.args, *[k.value for k in node.keywords])):
            return "cast"
        return METHODS.get(called.attr) or _constructed(called.attr, node)
    return None


def _constructed(name: str, node: ast.Call) -> str | None:
    """A constructor that was given something computed."""
    if name not in _CONSTRUCTORS or not node.args:
        return None
    return "tensor" if any(isinstance(n, (ast.Name, ast.Call)) for n in ast.walk(node.args[0])) else None


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _called(function: ast.expr, space: dict[str, Any]) -> tuple[CodeType | None, dict[str, Any]]:
    """The code that a call runs, and the names that it sees, as far as the names of this scope tell."""
    target = _resolved(function, space)
    if target is None:
        return None, {}
    holder: dict[str, Any] = {}
    if not isinstance(target, type) and hasattr(type(target), "forward"):
        holder = {"self": target}
        target = type(target).forward
    elif getattr(target, "__self__", None) is not None:
        holder = {"self": target.__self__}
    while hasattr(target, "__wrapped__"):
        target = target.__wrapped__
    code = getattr(target, "__code__", None)
    return (code if isinstance(code, CodeType) else None), {**getattr(target, "__globals__", {}), **holder}


def _resolved(node: ast.expr, space: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return space.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _resolved(node.value, space)
        return None if owner is None or isinstance(owner, (str, int)) else getattr(owner, node.attr, None)
    return None


def _mentions(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(node))


def _value_of(statement: ast.stmt) -> ast.expr | None:
    if isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)):
        return statement.value
    return None


def _targets(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.Assign):
        places: list[ast.expr] = list(statement.targets)
    elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        places = [statement.target]
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and isinstance(statement.value.func, ast.Attribute):
        places = [statement.value.func.value]  # a method may write its object: losses.append(…)
    else:
        return set()
    return {n.id for p in places for n in ast.walk(p) if isinstance(n, ast.Name)}


def statements(scope: ast.AST, without: bool) -> Iterator[tuple[ast.stmt, bool]]:
    """The statements of one scope in order, functions and classes inside left out; True where nothing is recorded."""
    for child in ast.iter_child_nodes(scope):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        off = without or (isinstance(child, ast.With) and any(_turns_off(i.context_expr) for i in child.items))
        if isinstance(child, ast.stmt):
            yield child, off
        if isinstance(child, (ast.stmt, ast.ExceptHandler)):
            yield from statements(child, off)


def _turns_off(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    return _last_name(called) in _SCOPES


def _decorated(scope: ast.AST) -> bool:
    return isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)) and any(_turns_off(d) for d in scope.decorator_list)


def _cells_before(filename: str, scope: ast.AST) -> list[tuple[str, ast.AST, float]]:
    """The cells of the notebook that ran before this one, the last first."""
    if not isinstance(scope, ast.Module) or not _is_cell(filename):
        return []
    names = [name for name in linecache.cache if _is_cell(name)]
    if filename in names:
        names = names[: names.index(filename)]
    trees = [(name, _parsed("".join(linecache.getlines(name)))) for name in reversed(names[-200:])]
    return [(name, tree, float("inf")) for name, tree in trees if tree is not None]


def _is_cell(filename: str) -> bool:
    return filename.startswith("<ipython-input-") or "/ipykernel_" in filename or "\\ipykernel_" in filename


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):  # a notebook's cell may hold magics
        return None


def _scope(code: CodeType) -> ast.AST | None:
    """The syntax tree of the function (or module) that has this code."""
    lines = linecache.getlines(code.co_filename)
    if not lines or len(lines) > _TOO_LONG:
        return None
    tree = _parsed("".join(lines))
    if tree is None:
        return None
    if code.co_name == "<module>" or code.co_name.startswith("<cell"):
        return tree
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *[d.lineno for d in node.decorator_list]])
            if first == code.co_firstlineno:
                return node
    return None
