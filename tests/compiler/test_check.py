"""``CHAINRULE_CHECK``: what is found has a name and a line, and what is sound passes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.checked import Checked, checking, wanted
from chainrule.compiler.front import Compiled
from chainrule.compiler.program import make
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program
from chainrule.compiler.program.spec import Window

from .differential import CALLS, outcome, verdict
from .functions import Function
from .programs import ALL, agree, seeded
from .test_random_functions import picked

ENGINES = [pytest.param(True, id="native"), pytest.param(False, id="numpy")]
BOTH = frozenset({"bounds", "nan"})


def with_llvm(native: bool) -> None:
    if native:
        pytest.importorskip("llvmlite")


def compiled(function: Any, native: bool, kinds: frozenset[str] = BOTH) -> Compiled:
    with_llvm(native)
    return Compiled(function, engine=lambda program: checking(program, kinds, native))


# -- NaN -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("native", ENGINES)
def test_a_nan_names_the_operation_and_the_line(native: bool) -> None:
    def f(x: Any) -> Any:
        y = x * 2
        z = torch.log(y - 1)  # here
        return (z + 1).sum()

    run = compiled(f, native)
    for _ in range(3):
        assert run(torch.ones(3)).item() == 3
    assert run.programs(), run.reasons
    with pytest.raises(RuntimeError, match=r"^log made a NaN of operands that had none \(float32\[3\]\): 2 of 3 elements") as caught:
        run(torch.tensor([0.0, 1.0, 0.2]))
    assert "test_check.py" in str(caught.value) and "# here" in str(caught.value)


@pytest.mark.parametrize("native", ENGINES)
def test_nothing_is_written_by_a_step_that_makes_nan(native: bool) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).clamp(min=-1).sqrt().sum()
        loss.backward()
        optimizer.step()
        return loss

    run = compiled(step, native)
    with torch.no_grad():
        model.bias.fill_(9)
    for _ in range(3):
        run(torch.zeros(4, 3))
    before = [p.clone() for p in model.parameters()]
    far = torch.tensor([1e3, -1e3, 1e3, -1e3, 0.0])[:, None].expand(5, 3)
    for x in (far[:4], far):  # a program that is there, and one at its first call
        with pytest.raises(RuntimeError, match="sqrt made a NaN"):
            run(x)
        assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
        assert all(isinstance(p.grad._value, np.ndarray) for p in model.parameters())
    run(torch.zeros(4, 3))
    assert not torch.equal(before[1], model.bias)


@pytest.mark.parametrize("native", ENGINES)
def test_a_nan_that_is_given_or_left_out_is_no_error(native: bool) -> None:
    run = compiled(lambda x: (torch.where(x > 0, torch.log(x), 0.0), x * 2), native)
    assert run(torch.tensor([-1.0, 1.0]))[0].tolist() == [0, 0]
    for _ in range(2):
        assert run(torch.tensor([float("nan"), 1.0]))[1][0].isnan()
    assert compiled(torch.log, native, frozenset({"bounds"}))(torch.tensor([-1.0]))[0].isnan()


@pytest.mark.parametrize("native", ENGINES)
def test_infinities_that_become_nan(native: bool) -> None:
    run = compiled(lambda x: (x - x).sum(), native)
    run(torch.ones(2))
    with pytest.raises(RuntimeError, match="^sub made a NaN"):
        run(torch.tensor([float("inf"), 1.0]))


# -- memory ----------------------------------------------------------------------------------------------------------------


class Short(Checked):
    """A plan that is wrong: results are given less memory than they need."""

    def memory(self, node: Node) -> Any:
        return np.empty(node.size, node.dtype)[: node.size - 3]


def _given(shape: tuple[int, ...], index: int, dtype: Any = np.float32) -> Node:
    return Node("input", (), shape, dtype, {"index": index})


def _kernels() -> dict[str, tuple[Program, list[Any]]]:
    """A program for each kind of kernel: its last operation is the one of its name."""
    rng = np.random.default_rng(0)
    x, y, image, weight = _given((37, 23), 0), _given((23, 37), 1), _given((2, 3, 9, 9), 2), _given((4, 3, 3, 3), 3)
    index = _given((19,), 4, np.int64)
    window = Window((1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    nodes = {
        "map": make.apply("sin", x), "reduce": make.reduce("sum", x, (1,)), "scan": make.scan("cumsum", x, 1), "matmul": make.matmul(x, y),
        "conv": make.conv(image, weight, window),
        "conv_weight": make.conv_weight(make.conv(image, weight, window), image, (4, 3, 3, 3), window),
        "concat": make.concat([x, x], 0), "gather": make.gather(x, index), "pad": make.pad(x, make.const(0, np.float32), (1, 1), (39, 25)),
        "strided": make.apply("neg", make.permute(x, (1, 0))), "scatter": make.scatter("add", x, index, _given((19,), 5)),
        "half": make.cast(x, np.float16), "columns": make.reduce("max", x, (0,)),
    }  # fmt: skip
    arrays = [rng.standard_normal(n.shape).astype(np.float32) for n in (x, y, image, weight)]
    arrays += [rng.integers(0, 37 * 23, 19), rng.standard_normal(19).astype(np.float32)]
    inputs = [x, y, image, weight, index, _given((19,), 5)]
    return {name: (Program(inputs, [node]), arrays) for name, node in nodes.items()}


KERNELS = _kernels()


@pytest.mark.parametrize("name", KERNELS)
def test_memory_that_is_too_short_is_found_and_not_touched(name: str) -> None:
    pytest.importorskip("llvmlite")
    program, arrays = KERNELS[name]
    agree(Checked(program, BOTH, True).run(arrays), execute(program, arrays), 4)
    wrong = Short(program, BOTH, True)
    (node,) = program.outputs
    held = np.full(node.size + 64, 7, node.dtype)
    wrong.memory = lambda n: held[: n.size - 3] if n is node else np.empty(n.shape, n.dtype)  # type: ignore[method-assign]
    said = r"(writes|reads) \d+ bytes outside of its memory, \d+ bytes behind the last byte of its result"
    with pytest.raises(RuntimeError, match=said) as caught:
        wrong.run(arrays)
    assert node.op in str(caught.value) or node.attrs["fn"] in str(caught.value)
    assert (held[node.size - 3 :] == 7).all()


@pytest.mark.parametrize("name", ["map", "matmul", "conv", "reduce", "gather", "scatter"])
def test_operands_that_are_too_short_are_found(name: str) -> None:
    pytest.importorskip("llvmlite")
    program, arrays = KERNELS[name]

    class Cut(Checked):
        def _value(self, node: Node, values: dict[int, Any], inputs: Any) -> Any:
            found = super()._value(node, values, inputs)
            return found.reshape(-1)[:11] if node.op == "input" else found

    with pytest.raises(RuntimeError, match=r"reads \d+ bytes outside of its memory, \d+ bytes behind the last byte of its operand"):
        Cut(program, BOTH, True).run(arrays)


def test_an_index_out_of_bounds_is_the_user_s() -> None:
    pytest.importorskip("llvmlite")
    program, arrays = KERNELS["gather"]
    bad = [*arrays[:4], np.full(19, 37 * 23), arrays[5]]
    with pytest.raises(IndexError, match="index 851 is out of bounds for 851 elements"):
        Checked(program, BOTH, True).run(bad)


# -- what is sound ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(300, 330))
def test_sound_programs_pass(seed: int) -> None:
    pytest.importorskip("llvmlite")
    case = seeded(seed, 14, ALL, ("float32", "float64", "int64"))
    expected_inputs = [a.copy() for a in case.inputs]
    expected = execute(case.program, expected_inputs)
    agree(Checked(case.program, frozenset({"bounds"}), True).run(case.inputs), expected, 4, 4e-5)
    agree(case.inputs, expected_inputs, 4, 4e-5)


def _makes_nan(function: Function) -> bool:
    """Whether there is a NaN in what the function gives or writes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, space = function.made()
        found = [outcome(plain, function.given(call), space, call).values for call in range(CALLS)]
    return any(bool(t.isnan().any()) for values in found for t in values.values() if t.is_floating_point())


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_random_functions_pass(first: int) -> None:
    """Nothing is found but NaN that the functions make without being compiled too."""
    pytest.importorskip("llvmlite")
    for seed in range(first, first + 10):
        function = picked(seed)
        found = verdict(function, lambda program: checking(program, BOTH, True))
        made = found.why is not None and "made a NaN" in found.why and _makes_nan(function)
        assert found.why is None or made, f"{function}\n{found.why}"


def test_what_the_environment_may_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, kinds in (("", set()), ("0", set()), ("1", {"bounds", "nan"}), ("nan", {"nan"}), ("bounds,nan", {"bounds", "nan"})):
        monkeypatch.setenv("CHAINRULE_CHECK", said)
        assert wanted() == kinds
    monkeypatch.setenv("CHAINRULE_CHECK", "yes")
    with pytest.raises(ValueError, match="CHAINRULE_CHECK is 'yes', should be one of: 0, 1, bounds, nan"):
        torch.compile(lambda x: x)
    monkeypatch.setenv("CHAINRULE_CHECK", "nan")
    run = torch.compile(lambda x: torch.sqrt(x))
    with pytest.raises(RuntimeError, match="sqrt made a NaN"):
        run(torch.tensor([-1.0]))
