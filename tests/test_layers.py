"""The house keeps its floors: imports point down, files stay readable, and importing the package stays light."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import chainrule

ROOT = Path(chainrule.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
IDS = [str(f.relative_to(ROOT)) for f in FILES]

MAX_FILE, MAX_FUNCTION = 600, 60

# A module imports nothing above its own floor.  Whatever is not named here is on the floor of PyTorch's own module names.
FLOORS = {"return_types": 0, "core": 0, "ops": 1, "cli": 3, "explain": 3, "__main__": 3}
MIDDLE = 2
every_file = pytest.mark.parametrize("file", FILES, ids=IDS)


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """(absolute module name, line) of everything that is imported anywhere in the file, for type checkers included."""
    package = ["chainrule", *file.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if node.module and not is_package(name):
                yield name, node.lineno
            else:
                for alias in node.names:
                    yield f"{name}.{alias.name}", node.lineno


def is_package(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "chainrule" and ROOT.joinpath(*parts[1:], "__init__.py").is_file()


def floor(parts: tuple[str, ...]) -> int:
    """Of a module by its path below the package; the package itself is on top of all."""
    return FLOORS.get(parts[0], MIDDLE) if parts else 4


@every_file
def test_imports_point_down(file: Path) -> None:
    relative = file.relative_to(ROOT).with_suffix("").parts
    if relative == ("__init__",):
        return
    mine = floor(relative)
    above = []
    for name, line in imports(file):
        head, *rest = name.split(".")
        if head == "chainrule" and mine < floor(tuple(rest)):
            above.append(f"line {line}: {name}")
    assert above == []


@every_file
def test_core_stands_on_numpy_alone(file: Path) -> None:
    below = {"chainrule", "numpy", "ml_dtypes", *sys.stdlib_module_names}
    if file.relative_to(ROOT).parts[0] == "core":
        assert [(n, line) for n, line in imports(file) if n.split(".")[0] not in below] == []


@every_file
def test_nothing_imports_torch(file: Path) -> None:
    assert [(n, line) for n, line in imports(file) if n.split(".")[0] in ("torch", "torchvision", "functorch")] == []


@every_file
def test_files_and_functions_stay_short(file: Path) -> None:
    text = file.read_text()
    lines = text.count("\n")
    if file != ROOT / "__init__.py":  # the list of the public names
        assert lines <= MAX_FILE, f"{lines} lines"
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    assert {n.name: length(n) for n in functions if length(n) > MAX_FUNCTION} == {}


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body without the docstring and without the functions inside, which are measured themselves."""
    body = function.body
    documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    first = body[1] if documented and len(body) > 1 else body[0]
    inside = [n for n in ast.walk(function) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)) and n is not function]
    lines = set(range(first.lineno, (function.end_lineno or 0) + 1))
    for n in inside:
        lines -= set(range(n.lineno, (n.end_lineno or 0) + 1))
    return len(lines)


def loaded_by(statement: str) -> set[str]:
    """Top-level names of the modules that ``statement`` loads in a process that already has NumPy and ml_dtypes.

    NumPy loads some of its own parts late, and Cython's runtime with them.
    """
    code = f"import json, sys, numpy, ml_dtypes; old = set(sys.modules)\n{statement}\nprint(json.dumps(sorted(set(sys.modules) - old)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(done.stdout) if "cython" not in name} - {"numpy"}


def test_import_loads_nothing_optional() -> None:
    assert loaded_by("import chainrule") - set(sys.stdlib_module_names) == {"chainrule"}


def test_training_loads_nothing_optional() -> None:
    statement = (
        "import chainrule as torch\n"
        "model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))\n"
        "step = torch.optim.Adam(model.parameters())\n"
        "torch.nn.functional.mse_loss(model(torch.randn(5, 3)), torch.zeros(5, 1)).backward()\n"
        "step.step()"
    )
    assert loaded_by(statement) - set(sys.stdlib_module_names) == {"chainrule"}


def test_import_loads_no_heavy_standard_module() -> None:
    heavy = {"asyncio", "unittest", "http", "email", "multiprocessing", "concurrent", "sqlite3", "tkinter", "xml", "pydoc"}
    assert loaded_by("import chainrule") & heavy == set()
