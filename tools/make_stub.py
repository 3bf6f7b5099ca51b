"""Write `src/chainrule/core/methods.pyi`, what type checkers know of a tensor's methods: ``python tools/make_stub.py``.

The operations give `Tensor` its methods when they are imported, which no type checker sees.  This looks at the finished
class and writes every method with the signature of the function behind it, as the class `Methods`, from which `Tensor`
inherits where a type checker reads it.  The text depends on nothing but the sources.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[1] / "src"
TARGET = SOURCE / "chainrule" / "core" / "methods.pyi"
WIDTH = 140
ARITHMETIC = {"abs", "floordiv", "invert", "matmul", "mod", "pow", "truediv"}  # they answer NotImplemented too, which no type says

HEADER = '''"""The methods that the operations attach to `Tensor`.  Written by ``python tools/make_stub.py``."""

'''


def attached() -> dict[str, Any]:
    """Everything in the finished class that its own module does not define, by name."""
    import chainrule  # noqa: F401
    from chainrule.core import tensor

    tree = ast.parse(Path(tensor.__file__).read_text())
    body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Tensor").body
    given = vars(type("Bare", (), {"__annotations__": {}})).keys() | {"__annotate__", "__annotate_func__", "__annotations_cache__"}
    return {name: value for name, value in vars(tensor.Tensor).items() if name not in given | set(defined(body))}


def defined(body: Iterable[ast.stmt]) -> Iterator[str]:
    """The names that a class body gives a value."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (t.id for t in targets if isinstance(t, ast.Name))


class Names(ast.NodeTransformer):
    """Rewrites one annotation so that it says in the stub what it says in ``home``; notes the imports that it needs.

    Every name from elsewhere takes an underscore in front: in the stub's class ``bool`` and ``dtype`` are methods.
    """

    def __init__(self, home: dict[str, Any], imports: set[tuple[str, str]]) -> None:
        self.home = home
        self.imports = imports

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and self.home.get(node.value.id) is builtins:
            return self.placed(getattr(builtins, node.attr))
        raise LookupError(ast.unparse(node))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        found = self.home.get(node.id, getattr(builtins, node.id, None))
        if found is None:
            raise LookupError(node.id)
        return self.placed(found)

    def placed(self, found: Any) -> ast.expr:
        name = getattr(found, "__name__", None)
        if name is None:
            raise LookupError(repr(found))
        if found.__module__ == "builtins":
            return ast.Name(f"builtins.{name}")
        self.imports.add((origin(found), name))
        return ast.Name(f"_{name}")


def origin(found: Any) -> str:
    """The module that defines a class, which ``__module__`` does not say of a public one."""
    if isinstance(found, type):
        for function in vars(found).values():
            if inspect.isfunction(function) and function.__qualname__.startswith(f"{found.__name__}."):
                return function.__module__
    return str(found.__module__)


class Writer:
    """The stub's lines, and what they import."""

    def __init__(self) -> None:
        self.imports = {("typing", "Any"), ("typing", "Self"), ("chainrule.core.tensor", "Tensor")}

    def annotation(self, text: Any, home: dict[str, Any]) -> str:
        """An annotation for the stub; ``Any`` for what is not annotated, or with a name that only type checkers import."""
        if text is inspect.Parameter.empty:
            return "_Any"
        if not isinstance(text, str):
            text = "None" if text is None else text.__name__
        try:
            return ast.unparse(Names(home, self.imports).visit(ast.parse(text, mode="eval").body))
        except LookupError:
            return "_Any"

    def parameter(self, p: inspect.Parameter, home: dict[str, Any]) -> str:
        stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        default = "" if p.default is p.empty else f" = {literal(p.default)}"
        return f"{stars}{p.name}: {self.annotation(p.annotation, home)}{default}"

    def method(self, name: str, function: Any) -> list[str]:
        """The lines of one method; an in-place one has the parameters of the function that it writes over its tensor."""
        inner = getattr(function, "__wrapped__", None) if is_inplace(name) else None
        signature, home = inspect.signature(function), inspect.unwrap(function).__globals__
        self_, *rest = signature.parameters.values()
        if inner is not None or is_operator(name):
            rest = [p for p in rest if p.name != "out"]
        if is_operator(name):
            rest = [p for p in rest if p.kind is not p.KEYWORD_ONLY]
            rest = [p.replace(kind=p.POSITIONAL_ONLY) if p.kind is p.POSITIONAL_OR_KEYWORD else p for p in rest]
        returns = self.annotation(signature.return_annotation, home)
        if inner is not None or (is_inplace(name) and returns == "_Tensor"):
            returns = "_Self"
        elif is_elementwise(function) or name.strip("_").removeprefix("r") in ARITHMETIC:
            returns = "_Tensor"
        parts, marked = [self_.replace(name="self").name], False
        for p, following in zip(rest, [*rest[1:], None]):
            if p.kind is p.KEYWORD_ONLY and not marked and not any(q.kind is q.VAR_POSITIONAL for q in rest):
                parts.append("*")
                marked = True
            parts.append(self.parameter(p, home))
            if p.kind is p.POSITIONAL_ONLY and (following is None or following.kind is not p.POSITIONAL_ONLY):
                parts.append("/")
        override = "  # type: ignore[override]" if name in ("__eq__", "__ne__") and returns != "builtins.bool" else ""
        return wrapped(f"def {name}", parts, f"-> {returns}: ...{override}")

    def property(self, name: str, found: property) -> list[str]:
        def home(function: Any) -> Any:
            return getattr(function, "__globals__", {})

        kind = self.annotation(inspect.signature(found.fget).return_annotation, home(found.fget)) if found.fget else "_Any"
        lines = ["@builtins.property", f"def {name}(self) -> {kind}: ..."]
        if found.fset is not None:
            value = list(inspect.signature(found.fset).parameters.values())[1]
            lines += [f"@{name}.setter", f"def {name}(self, value: {self.annotation(value.annotation, home(found.fset))}) -> None: ..."]
        if found.fdel is not None:
            lines += [f"@{name}.deleter", f"def {name}(self) -> None: ..."]
        return lines

    def member(self, name: str, found: Any) -> list[str]:
        if name == "__new__":
            return ["def __new__(cls, *args: _Any, **kwargs: _Any) -> _Self: ..."]
        if isinstance(found, property):
            return self.property(name, found)
        if isinstance(found, staticmethod):
            first, *rest = inspect.signature(found.__func__).parameters.values()
            parts = [self.parameter(p, found.__func__.__globals__) for p in (first, *rest)]
            return ["@builtins.staticmethod", *wrapped(f"def {name}", parts, "-> _Any: ...")]
        if inspect.isfunction(found):
            return self.method(name, found)
        return [f"{name}: {self.annotation(type(found).__name__, {type(found).__name__: type(found)})}"]


def is_operator(name: str) -> bool:
    """``__add__`` and the like: Python passes them their operands, by position."""
    return name.startswith("__")


def is_inplace(name: str) -> bool:
    """``add_``, ``__iadd__`` and the like."""
    return name.startswith("__i") or (name.endswith("_") and not is_operator(name))


def is_elementwise(function: Any) -> bool:
    """Made by `unary` or `binary`, which give a tensor for a tensor."""
    return bool(function.__module__ == "chainrule.core.apply")


def literal(value: Any) -> str:
    plain = value is None or isinstance(value, (bool, int, float, str)) or value == ()
    return repr(value) if plain else "..."


def wrapped(head: str, parts: list[str], tail: str) -> list[str]:
    """A signature in one line, or with one line a parameter where that is too long."""
    line = f"{head}({', '.join(parts)}) {tail}"
    if len(line) + 4 <= WIDTH:
        return [line]
    return [f"{head}(", *[f"    {part}," for part in parts], f") {tail}"]


def stub() -> str:
    """The text of the stub."""
    writer = Writer()
    body = ["    " + line for name, found in sorted(attached().items()) for line in writer.member(name, found)]
    lines = ["import builtins"]
    modules: dict[str, list[str]] = {}
    for module, name in sorted(writer.imports):
        modules.setdefault(module, []).append(name)
    ours = [m for m in modules if m.startswith("chainrule.")]
    for module in [m for m in modules if m not in ours]:
        lines += [f"from {module} import {name} as _{name}" for name in modules[module]]
    lines.append("")
    for module in sorted(ours, key=lambda m: (m.startswith("chainrule.core."), m)):
        where = module.removeprefix("chainrule.core") if module.startswith("chainrule.core.") else "." + module.removeprefix("chainrule")
        lines += [f"from {where} import {name} as _{name}" for name in modules[module]]
    return HEADER + "\n".join([*lines, "", "class Methods:", *body]) + "\n"


if __name__ == "__main__":
    sys.path.insert(0, str(SOURCE))
    TARGET.write_text(stub())
