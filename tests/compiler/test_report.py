"""What ``explain_compile`` tells, against what is known of the function."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled
from chainrule.compiler.program.execute import prepare
from chainrule.compiler.report import Report

native_only = pytest.mark.skipif(find_spec("llvmlite") is None or os.environ.get("CHAINRULE_ENGINE") == "numpy", reason="machine code")


@pytest.fixture(params=["native", "numpy"])
def engine(request: pytest.FixtureRequest) -> Any:
    if request.param == "numpy":
        return prepare
    if find_spec("llvmlite") is None:
        pytest.skip("llvmlite is not there")
    from chainrule.compiler.native.engine import build

    return build


def line_of(text: str) -> str:
    """``file:line`` of the first line of this file that has ``text`` and a mark."""
    for k, line in enumerate(Path(__file__).read_text().splitlines(), 1):
        if text in line and "# here" in line:
            return f"{__file__}:{k}"
    raise LookupError(text)


def trained(engine: Any) -> tuple[Compiled, torch.Tensor, Any]:
    w = torch.nn.Parameter(torch.ones(3, 3))

    def step(x: Any) -> Any:
        y = x @ w  # here
        loss = y.tanh().sum()  # here
        loss.backward()
        with torch.no_grad():
            w.sub_(0.1 * w.grad)  # here
        w.grad = None
        return loss.detach()

    return Compiled(step, engine=engine), torch.ones(2, 3), w


def test_a_step(engine: Any) -> None:
    step, x, _ = trained(engine)
    report = torch.explain_compile(step, x)
    assert report.graph_count == 1 and report.graph_break_count == 0 and report.break_reasons == [] and report.graphs == [report.program]
    assert report.op_count == sum(line.nodes for line in report.lines) > 5
    (piece,) = report.pieces
    assert piece.engine == ("NumPy" if engine is prepare else "native")
    assert piece.memory.inputs == 4 * (6 + 9) and piece.memory.outputs == 4
    lines = {line.where: line for line in report.lines}
    product = lines[line_of("y = x @ w")]
    assert product.arithmetic == 2 * 2 * 3 * 3 and product.nodes == 1
    (kernel,) = [part for part in report.kernels if part.kind == "matmul" and line_of("y = x @ w") in part.lines]
    assert kernel.arithmetic == 36 and kernel.bytes == 4 * (6 + 9 + 6) and kernel.shape == "2×3 · 3×3" and kernel.calls == 1
    assert lines[line_of("w.sub_")].arithmetic == 2 * 9
    assert sum(line.arithmetic for line in report.lines) == sum(part.arithmetic for part in report.kernels)
    assert sum(line.bytes for line in report.lines) == pytest.approx(sum(part.bytes for part in report.kernels))
    assert set(report.seconds) == {"capture", "simplify", "machine code"} and all(s > 0 for s in report.seconds.values())
    assert (report.loaded is None) == (engine is prepare)
    assert not report.profiled and all(part.seconds is None for part in report.kernels) and piece.run is None


def test_the_text_of_a_step(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    step, x, _ = trained(engine)
    text = str(torch.explain_compile(step, x))
    assert re.match(r"one program: \d+ operations, 2 arrays in \(60 bytes\), 1 result, 1 array written back\n", text)
    assert "arguments float32[2, 3]" in text and "GF/s" not in text
    number = line_of("y = x @ w").rpartition(":")[2]
    assert re.search(rf"^ *1 +36 .* matmul +2×3 · 3×3 +\w+ +test_report\.py:{number}$", text, re.MULTILINE)
    assert re.search(rf" test_report\.py:{number} +y = x @ w", text)


def test_measuring_changes_nothing(engine: Any) -> None:
    step, x, w = trained(engine)
    run = Compiled(lambda x: torch.nn.functional.dropout(x, 0.5) * 2, engine=engine)
    step(x), run(x)
    before, state = w.detach().clone(), torch.get_rng_state()
    report = torch.explain_compile(step, x, profile=True)
    noise = torch.explain_compile(run, x, profile=True)
    assert torch.equal(w.detach(), before) and w.grad is None and torch.equal(torch.get_rng_state(), state)
    for found in (report, noise):
        assert found.profiled and found.pieces[0].run > 0
        assert all(part.seconds is not None and part.seconds >= 0 for part in found.kernels)
        text = str(found)
        assert "GB/s" in text and "a run takes" in text
        times = [part.seconds for part in found.kernels]
        assert sum(line.seconds or 0.0 for line in found.lines) == pytest.approx(sum(times))
    step(x)
    assert not torch.equal(w.detach(), before)


def test_a_backward_program(engine: Any) -> None:
    w = torch.nn.Parameter(torch.ones(3, 3))
    report = torch.explain_compile(Compiled(lambda x: (x @ w).tanh(), engine=engine), torch.ones(2, 3), profile=True)
    assert [piece.name for piece in report.pieces] == ["", "backward"] and report.graph_count == 2
    assert "matmul" in [part.kind for part in report.pieces[1].parts]
    assert "\nbackward program: " in str(report)


@native_only
def test_equal_kernels_are_told_once() -> None:
    matrices = [torch.full((8, 8), float(k)) for k in range(6)]

    def f(x: Any) -> Any:
        for m in matrices:
            x = (x @ m).tanh()
        return x

    report = torch.explain_compile(f, torch.ones(8, 8))
    products = [part for part in report.kernels if part.kind == "matmul"]
    assert sum(part.calls for part in products) == 6 and len({name for part in products for name in part.kernels}) < 6
    assert sum(part.arithmetic for part in products) == 6 * (2 * 8**3 + 8**2)  # with the activation of each
    memory = report.pieces[0].memory
    assert memory.buffers < memory.values


@native_only
def test_a_long_program_of_few_kernels() -> None:
    def f(x: Any) -> Any:
        for _ in range(4200):
            x = x.flip(0) * 0.5 + x.mean() * 0.5
        return x

    x = torch.full((3,), 0.125)
    report = torch.explain_compile(f, x)
    assert report.pieces[0].engine == "native" and report.pieces[0].kernels < 20
    assert sum(part.calls for part in report.kernels) > 4000
    assert torch.equal(torch.compile(f)(x), f(x))


@native_only
def test_what_threads_share() -> None:
    report = torch.explain_compile(lambda x: (x @ x, x[0] * 2), torch.ones(512, 512))
    chunks = {part.kind: part.chunks for part in report.kernels}
    assert chunks["matmul"] > 1 and chunks["elementwise"] == 0


@native_only
def test_what_numpy_computes_and_why() -> None:
    report = torch.explain_compile(lambda x: torch.digamma(x * 2) + 1, torch.ones(5), profile=True)
    (host,) = [part for part in report.kernels if not part.native]
    assert host.why == "there is no kernel for digamma" and host.operations == ("digamma",) and host.seconds > 0
    assert host.bytes == 5 * 4 + 5 * 4 and host.shape == "5"
    assert "1 step on NumPy" in str(report) and f"on NumPy: {host.why}" in str(report)
    assert any(part.native for part in report.kernels)


def test_numbers_that_vary_are_no_guard(engine: Any) -> None:
    run = Compiled(lambda x, k, n: x * k + n, engine=engine)
    x = torch.ones(3)
    run(x, 1.5, 2)
    assert torch.explain_compile(run, x, 1.5, 2).guards[0] == "arguments float32[3], 1.5, 2"
    run(x, 2.5, 2)
    report = torch.explain_compile(run, x, 3.5, 2, profile=True)
    assert report.guards[0] == "arguments float32[3], any float, 2" and report.profiled


def test_a_branch(engine: Any) -> None:
    def f(x: Any) -> Any:
        y = x * 2
        if y.sum() > 10:  # here
            return y / 3
        return y

    report = torch.explain_compile(Compiled(f, engine=engine), torch.full((3,), 4.0), profile=True)
    assert [piece.name for piece in report.pieces] == ["branches", "rest"] and report.graph_break_count == 1
    assert [line for _, line in report.splits] == [line_of("if y.sum()")] and "here True" in report.break_reasons[0]
    assert "div" in [name for part in report.pieces[1].parts for name in part.operations] and report.profiled
    assert str(report).startswith("what branches go by: ") and "\nthe rest, for the ways they went: " in str(report)
    assert "\nsplit where Python asks for a value, here True, at " in str(report)


def test_no_program() -> None:
    def f(x: Any) -> Any:
        return torch.tensor(x.tolist()) * 2  # here

    report = torch.explain_compile(f, torch.ones(3))
    assert isinstance(report, Report)
    assert report.program is None and report.graph_count == 0 and report.graph_break_count == len(report.reasons) == 1
    assert report.kernels == [] and report.lines == [] and report.op_count == 0 and not report.profiled
    why, line = report.reasons[0]
    assert "becomes a list" in why and line == line_of("x.tolist()")
    assert str(report).startswith("not one program") and "becomes a list" in str(report)


def test_modules_and_compiled_functions() -> None:
    model = torch.nn.Linear(2, 1)
    for f in (model, torch.compile(model), torch.compile(model.forward)):
        assert torch.explain_compile(f, torch.ones(4, 2)).pieces[0].parts[0].kind == "matmul"


class Cells(HTMLParser):
    """Rows of cells by table."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data


def test_in_a_notebook(engine: Any) -> None:
    step, x, _ = trained(engine)
    report = torch.explain_compile(step, x)
    page = Cells()
    page.feed(report._repr_html_())
    kernels, lines = page.tables
    assert len(kernels) == 1 + len(report.kernels) and len(lines) == 1 + len(report.lines)
    assert all(len(row) == len(kernels[0]) for row in kernels) and "operations" in lines[0]
    assert any("y = x @ w" in row[-1] for row in lines)


@native_only
def test_where_machine_code_comes_from(tmp_path: Path) -> None:
    code = "import chainrule as t; print(t.explain_compile(lambda x: t.sin(x) * 3, t.ones(7)))"
    told = []
    for cache in (tmp_path, tmp_path, "0"):
        env = {**os.environ, "CHAINRULE_CACHE": str(cache)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120, env=env)
        told.append(next(line for line in done.stdout.splitlines() if line.startswith("made in")).partition("; ")[2])
    compiled, loaded = "machine code compiled by this process", "machine code from the disk cache"
    assert told == [compiled, loaded, compiled]


def test_it_is_not_loaded_before_it_is_asked_for() -> None:
    code = "f = chainrule.compile(lambda x: x + 1); f(chainrule.ones(2)); print('chainrule.compiler.report' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", f"import sys, chainrule; {code}"], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "False\n"
