"""``chainrule explain``: formulas on the command line."""

from __future__ import annotations

import pytest

from chainrule.cli import main


def test_a_formula(capsys):
    assert main(["explain", "sin(x**2)", "x=3"]) == 0
    out = capsys.readouterr().out
    assert "∂y/∂x = ∂y/∂v1 · ∂v1/∂x = (-0.9111) · 6 = -5.467" in out


def test_latex_and_markdown(capsys):
    assert main(["explain", "sin(x**2)", "x=3", "--latex"]) == 0
    assert r"\frac{\partial y}{\partial x}" in capsys.readouterr().out
    assert main(["explain", "sin(x**2)", "x=3", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("| step |")


def test_a_page(tmp_path, capsys):
    file = tmp_path / "page.html"
    assert main(["explain", "sin(x**2)", "x=3", "--html", str(file)]) == 0
    page = file.read_text(encoding="utf-8")
    assert "∂y/∂x" in page and "align*" in page and "http" not in page


def test_everything_that_can_be_added(capsys):
    pytest.importorskip("sympy")
    assert main(["explain", "sin(x**2)*w", "x=3", "w=2", "--wrt", "x", "--symbolic", "--check", "--forward"]) == 0
    out = capsys.readouterr().out
    assert "d/dx = 2·w·x·cos(x²)" in out
    assert "agrees with finite differences" in out and "ẋ = 1" in out and "∂y/∂w" not in out


def test_tensors(capsys):
    assert main(["explain", "(W @ v).sum()", "W=[[1,2],[3,4]]", "v=[1,2]"]) == 0
    assert "∂v1/∂W: g vᵀ   → [[1, 2], [1, 2]] (2×2)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sin(x", "x=3"], "is no expression"),
        (["sin(x)"], "x has no value: add x=NUMBER"),
        (["2 * 3.0"], "no variable"),
        (["sin(x)", "x"], "NAME=VALUE"),
        (["sin(x)", "x=two"], "has to be a number"),
        (["sin(x)", "x=3", "--wrt", "w"], "--wrt names w"),
        (["(lambda: x)()", "x=3"], "no place in a formula"),
        (["x.__class__", "x=3"], "no place in a formula"),
        (["nonsense(x)", "x=3"], "nonsense has no value"),
    ],
)
def test_what_is_refused(arguments, words, capsys):
    assert main(["explain", *arguments]) == 2
    assert words in capsys.readouterr().err
