"""What type checkers see of a tensor is what a tensor has."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

import chainrule

ROOT = Path(chainrule.__file__).parent
SCRIPT = Path(__file__).parents[1] / "tools" / "make_stub.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_stub", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def class_body(path, name):
    return next(n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef) and n.name == name).body


def test_stub_is_up_to_date(script):
    assert script.stub() == script.TARGET.read_text(), "run python tools/make_stub.py"


def test_stub_comes_with_the_package_in_use(script):
    assert (ROOT / "core" / script.TARGET.name).read_text() == script.TARGET.read_text()


def test_visible_names_are_the_names_of_a_tensor(script):
    stubbed = set(script.defined(class_body(script.TARGET, "Methods")))
    own = set(script.defined(class_body(ROOT / "core" / "tensor.py", "Tensor")))
    assert stubbed & own == set()
    assert stubbed | own == vars(chainrule.Tensor).keys() - vars(Bare).keys() | {"_value"}


class Bare:
    """What every class has."""

    __annotations__: dict[str, object] = {}


@pytest.mark.parametrize(
    "name, line",
    [
        ("add_", "    def add_(self, other: _Any, *, alpha: _Any = 1) -> _Self: ...\n"),
        ("__add__", "    def __add__(self, other: _Any, /) -> _Tensor: ...\n"),
        ("sin", "    def sin(self, *, out: _Any = None) -> _Tensor: ...\n"),
        ("grad", "    def grad(self) -> _Tensor | None: ...\n"),
        ("numel", "    def numel(self) -> builtins.int: ...\n"),
    ],
)
def test_signatures_are_those_of_the_functions(script, name, line):
    assert line in script.TARGET.read_text()
    assert hasattr(chainrule.Tensor, name)
