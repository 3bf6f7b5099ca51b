"""Calling a compiled program: arguments change, parameters stay, threads do not meet."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from chainrule.compiler.native import call, jit
from chainrule.compiler.native.emitter import Module
from chainrule.compiler.native.target import host


def axpy(n: int, **options) -> call.Entry:
    """out = scale * x + bias over n doubles; bias is a fixed pointer."""
    module = Module(host())
    f = module.function("program", "ptr %block", linkage="")
    out, x, scale, bias = (f.load("ptr", f.gep("%block", k, "ptr")) for k in range(4))
    factor = f.load("double", scale)

    def body(i, _):
        product = f.op(f"fmul double {factor}, {f.load('double', f.gep(x, i, 'double'))}")
        f.store("double", f.op(f"fadd double {product}, {f.load('double', f.gep(bias, i, 'double'))}"), f.gep(out, i, "double"))

    f.loop(0, n, 1, body)
    f.ret()
    double = np.dtype(np.float64)
    taken = (call.Argument((n,), double, True), call.Argument((n,), double), call.FLOAT)
    entry = call.Entry(jit.compile_text(module.text(), host(), cache=False), "program", taken, 1, **options)
    entry.bind(0, np.arange(float(n)))
    return entry


def test_the_layout_holds_here() -> None:
    assert call.layout_holds()


@pytest.mark.parametrize("objects", [True, False])
@pytest.mark.parametrize("release", [True, False])
def test_arguments_change_from_call_to_call(objects: bool, release: bool) -> None:
    entry = axpy(5, objects=objects, release=release)
    base = np.arange(40.0)
    for k in range(8):
        x, out = base[k * 5 :][:5], np.empty(5)
        entry(out, x, 0.5 * k)
        np.testing.assert_array_equal(out, 0.5 * k * x + np.arange(5.0))
    with pytest.raises(TypeError, match="takes 3 arguments, not 2"):
        entry(base, base)


@pytest.mark.parametrize("objects", [True, False])
def test_what_does_not_fit_is_refused_before_anything_is_touched(objects: bool) -> None:
    entry = axpy(4, objects=objects)
    x, out = np.ones(4), np.zeros(4)
    readonly = np.zeros(4)
    readonly.flags.writeable = False
    wrong = [np.ones(5), np.ones((2, 2)), np.ones(4, np.float32), np.float64(1), [1.0] * 4, None]
    for bad in wrong:
        assert entry.enter(out, bad, 1.0) == call.MISMATCH
        with pytest.raises(TypeError, match=r"argument 1 of the compiled program is to be a contiguous float64 array of shape \[4\]"):
            entry(out, bad, 1.0)
    for bad in (1, np.float32(1), np.ones(1), "1"):
        assert entry.enter(out, x, bad) == call.MISMATCH
    assert entry.enter(readonly, x, 1.0) == call.MISMATCH
    assert entry.enter(out, x) == entry.enter(out, x, 1.0, 1.0) == call.MISMATCH
    assert not out.any()
    for scale in (2.0, np.float64(2), np.array(2.0)):
        entry(out, x, scale)
        np.testing.assert_array_equal(out, 2 + np.arange(4.0))


@pytest.mark.parametrize("objects", [True, False])
def test_what_is_read_and_lies_otherwise_in_memory_is_copied(objects: bool) -> None:
    entry, out = axpy(4, objects=objects), np.zeros(4)
    odd = np.frombuffer(bytearray(40), np.float64, 4, 1)
    odd[...] = 1.0
    assert not odd.flags.aligned
    for x in (np.ones(8)[::2], odd):
        assert entry.enter(out, x, 1.0) == call.MISMATCH
        entry(out, x, 2.0)
        np.testing.assert_array_equal(out, 2 + np.arange(4.0))
        with pytest.raises(TypeError, match=r"argument 0 of the compiled program is to be a contiguous float64 array of shape \[4\]"):
            entry(x, out, 1.0)


@pytest.mark.parametrize("objects", [True, False])
def test_arguments_that_stay_are_not_asked_for(objects: bool) -> None:
    entry = axpy(3, objects=objects)
    x, out = np.ones(3), np.empty(3)
    enter = entry.preset({1: x})
    for scale in (2.0, 3.0):
        assert enter(out, scale) == call.DONE
        np.testing.assert_array_equal(out, scale + np.arange(3.0))
        entry(out, np.zeros(3), 1.0)
        np.testing.assert_array_equal(out, np.arange(3.0))
    assert enter(out, x, 1.0) == enter(out) == call.MISMATCH
    entry.busy[0] = 1
    assert enter(out, 1.0) == call.BUSY
    entry.busy[0] = 0
    memory = np.zeros(12)
    enter = entry.preset({1: x}, apart=[memory[4:6], memory[8:10]])
    assert [k for k in range(10) if enter(memory[k : k + 3], 1.0) == call.DONE] == [0, 1]
    assert enter(out, 1.0) == call.DONE


@pytest.mark.parametrize("objects", [True, False])
def test_other_types_of_the_same_array_are_taken(objects: bool) -> None:
    class Mine(np.ndarray):
        pass

    entry = axpy(3, objects=objects)
    out = np.zeros(3)
    other = np.dtype("f8", False, True)  # equal, and another object, as pickled arrays have it
    for x in (np.ones(3).view(Mine), np.ones(3).view(other), np.ones(3, "=f8")):
        out[:] = 0
        entry(out, x, 1.0)
        np.testing.assert_array_equal(out, 1 + np.arange(3.0))


@pytest.mark.parametrize("release", [True, False])
def test_two_threads_do_not_mix_their_arguments(release: bool) -> None:
    n = 20_000
    entry = axpy(n, release=release)
    wrong = []

    def work(scale: float) -> None:
        x, out = np.full(n, scale), np.empty(n)
        for _ in range(200):
            out[:] = -1
            entry(out, x, scale)
            if not np.array_equal(out, scale * x + np.arange(n)):
                wrong.append(scale)

    threads = [threading.Thread(target=work, args=(float(k),)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_may_call_what_another_thread_was_in() -> None:
    entry = axpy(3)
    entry.busy[0] = 1  # as if a thread were inside
    child = os.fork()
    if child == 0:
        out = np.empty(3)
        entry(out, np.ones(3), 2.0)
        os._exit(int(out.tolist() != [2.0, 3.0, 4.0]))
    entry.busy[0] = 0
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
