"""Programs found again in the cache compute what they computed when they were compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("llvmlite")

from chainrule.compiler.native import cache, engine, stored
from chainrule.compiler.native.target import host, restricted
from chainrule.compiler.passes.simplify import simplify
from chainrule.compiler.program import make
from chainrule.compiler.program.ir import Node, Program, Source
from chainrule.compiler.program.portable import portable, program_form, revived

from .programs import ALL, seeded


def refused(*_: object) -> None:
    raise AssertionError("it was compiled a second time")


def twice(program: Program, monkeypatch: pytest.MonkeyPatch) -> tuple[Callable, Callable]:
    """The program compiled, and found again."""
    first = stored.obtained(program, lambda: simplify(program))
    with monkeypatch.context() as patch:
        patch.setattr(engine, "build", refused)
        return first, stored.obtained(program, lambda: simplify(program))


def same(runs: tuple[Callable, Callable], inputs: list[np.ndarray]) -> None:
    for _ in range(2):
        given = [[a.copy() for a in inputs] for _ in runs]
        results = [run(arrays) for run, arrays in zip(runs, given, strict=True)]
        for a, b in zip([*results[0], *given[0]], [*results[1], *given[1]], strict=True):
            assert (a.shape, a.dtype, np.asarray(a).tobytes()) == (b.shape, b.dtype, np.asarray(b).tobytes())


@pytest.mark.parametrize("seed", range(40))
def test_random_programs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = seeded(1000 + seed, 20, ALL, ("float32", "float64", "float16", ml_dtypes.bfloat16, "int64", "uint8"))
    plain = all(n.op != "call" for n in case.program.nodes())
    assert (stored.key_of(case.program, host()) is not None) == plain
    if plain and engine.Native(simplify(case.program), host()).steps:
        same(twice(case.program, monkeypatch), case.inputs)


def test_what_numpy_computes_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels, then a product of integers and one of complex numbers on NumPy, then kernels; NumPy's results are stored and given too."""
    x, z = Node("input", (), (6, 6), np.int64, {"index": 0}), Node("input", (), (3,), np.complex64, {"index": 1})
    more = make.apply("add", x, x)
    product = make.matmul(more, make.permute(more, (1, 0)))
    last = make.apply("mul", product, make.permute(product, (1, 0)))
    squared = make.apply("mul", z, z)
    program = Program([x, z], [last, make.permute(product, (1, 0)), squared], [(1, squared), (0, more)])
    kinds = [type(s).__name__ for s in engine.Native(simplify(program), host()).link().segments]
    assert "Host" in kinds[1:-1] and kinds[0] == "Segment"
    rng = np.random.default_rng(0)
    same(twice(program, monkeypatch), [rng.integers(-9, 9, (6, 6)), np.array([1 + 2j, 3j, 4], np.complex64)])


def test_an_index_out_of_bounds_is_noticed_in_what_was_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    x, index = Node("input", (), (10,), np.float32, {"index": 0}), Node("input", (), (4,), np.int64, {"index": 1})
    program = Program([x, index], [make.gather(x, index)], [])
    for run in twice(program, monkeypatch):
        with pytest.raises(IndexError, match="index 12 is out of bounds for 10 elements"):
            run([np.zeros(10, np.float32), np.array([1, 12, 3, 4])])


def simple(scale: float = 2.0, shape: tuple[int, ...] = (3,), line: str = "", fn: str = "sin") -> Program:
    x = Node("input", (), shape, np.float32, {"index": 0})
    number = Node("const", (), (), np.float32, {"value": np.array(scale, np.float32)})
    return Program([x], [make.apply("mul", Node("map", (x,), shape, np.float32, {"fn": fn}, Source("sin", line)), number)], [])


def test_keys_are_what_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    key = stored.key_of(simple(), host())
    assert key == stored.key_of(simple(), host()) == stored.key_of(simple(line="file.py:3"), host())
    others = [simple(3.0), simple(-0.0), simple(0.0), simple(shape=(4,)), simple(shape=(3, 1)), simple(fn="cos")]
    stores = simple()
    stores.stores.append((0, stores.outputs[0]))
    keys = {key, *[stored.key_of(p, host()) for p in [*others, stores]]}
    if host().bits > 128:
        keys.add(stored.key_of(simple(), restricted(128)))
    assert len(keys) == len(others) + (3 if host().bits > 128 else 2)
    monkeypatch.setattr(cache, "sources", lambda: "another compiler")
    assert stored.key_of(simple(), host()) not in keys


def test_sources_are_those_of_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "compiler" / "native"
    folder.mkdir(parents=True)
    for name in ("cache.py", "gemm.py"):
        (folder / name).write_text("")
    monkeypatch.setattr(cache, "__file__", str(folder / "cache.py"))
    seen = set()
    for name, text in (("cache.py", ""), ("gemm.py", "x"), ("new.py", ""), ("notes.txt", "")):
        (folder / name).write_text(text)
        seen.add(cache.sources.__wrapped__())
    assert len(seen) == 3


@pytest.mark.parametrize("value", [1, -2.5, True, None, "text", b"bytes", (1, (2, 3)), [1, "a"], 2j, slice])
def test_attributes_come_back(value: object) -> None:
    if value is slice:
        with pytest.raises(TypeError):
            portable(value)
    else:
        assert revived(portable(value)) == value and type(revived(portable(value))) is type(value)


def test_arrays_and_dtypes_come_back() -> None:
    for dtype in (np.dtype(np.float32), np.dtype(ml_dtypes.bfloat16), np.dtype(bool), np.dtype(np.complex64)):
        array = np.arange(6).reshape(2, 3).astype(dtype)
        back = revived(portable((array, array.dtype, array[1, 2])))
        assert back[1] == dtype and back[0].dtype == dtype and back[0].tolist() == array.tolist() and back[2] == array[1, 2]


def test_a_function_belongs_to_its_process() -> None:
    call = Node("call", (), (2,), np.float32, {"function": abs})
    assert stored.key_of(Program([], [call], []), host()) is None
    with pytest.raises(TypeError):
        program_form(Program([], [call], []))


@pytest.mark.parametrize(
    "meta", [None, 5, (), ((), (), (), ()), ([("section", "f")], [], [], []), ([], [("memory", 3, (2,), "<f4")], [], [])]
)
def test_what_was_not_stored_so_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meta: object) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    x = np.linspace(0, 1, 3, dtype=np.float32)
    expected = stored.obtained(simple())([x])[0]
    store, key = cache.default(), stored.key_of(simple(), host())
    assert store is not None and key is not None
    content, about = store.get(key) or (b"", None)
    for value in (meta, {**about, "meta": meta}):
        store.put(key, content, value)
        assert stored.obtained(simple())([x])[0].tobytes() == expected.tobytes()
    monkeypatch.setattr(engine, "build", refused)
    assert stored.obtained(simple())([x])[0].tobytes() == expected.tobytes()


def test_without_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", "0")
    run = stored.obtained(simple())
    assert run([np.zeros(3, np.float32)])[0].tolist() == [0, 0, 0]


STEP = """
import sys
import chainrule as torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
optimizer = torch.optim.Adam(model.parameters())
x, y = torch.randn(6, 5), torch.tensor([0, 1, 2, 0, 1, 2])
def step(x, y):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss
f = torch.compile(step)
losses = [f(x, y).item() for _ in range(4)]
assert f.programs(), f.reasons
print(losses, "llvmlite.binding" in sys.modules, "chainrule.compiler.native.engine" in sys.modules)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere LLVM loads what it has compiled")
def test_another_process_needs_neither_llvm_nor_the_emitter(tmp_path: Path) -> None:
    env = {**os.environ, "CHAINRULE_CACHE": str(tmp_path)}
    told = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True, timeout=300, env=env)
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.rpartition("] "))
    assert [t[2] for t in told] == ["True True\n", "False False\n"]
    assert told[0][0] == told[1][0]
