"""Calling a compiled program: arguments change, parameters stay, threads do not meet."""

from __future__ import annotations

import ctypes
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
    f = module.function("program", "ptr %block")
    out, x, scale, bias = (f.load("ptr", f.gep("%block", k, "ptr")) for k in range(4))
    factor = f.load("double", scale)

    def body(i, _):
        product = f.op(f"fmul double {factor}, {f.load('double', f.gep(x, i, 'double'))}")
        f.store("double", f.op(f"fadd double {product}, {f.load('double', f.gep(bias, i, 'double'))}"), f.gep(out, i, "double"))

    f.loop(0, n, 1, body)
    f.ret()
    kinds = (call.ARRAY, call.ARRAY, call.FLOAT)
    call.emit_entry(module, "program", kinds, fixed=1)
    entry = call.Entry(jit.compile_text(module.text(), host(), cache=False), kinds, **options)
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
        entry((out, x, 0.5 * k))
        np.testing.assert_array_equal(out, 0.5 * k * x + np.arange(5.0))
    with pytest.raises(TypeError, match="takes 3 arguments, not 2"):
        entry((base, base))


@pytest.mark.parametrize("release", [True, False])
def test_two_threads_do_not_mix_their_arguments(release: bool) -> None:
    n = 20_000
    entry = axpy(n, release=release)
    wrong = []

    def work(scale: float) -> None:
        x, out = np.full(n, scale), np.empty(n)
        for _ in range(200):
            out[:] = -1
            entry((out, x, scale))
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
    busy = ctypes.c_int32.from_address(entry._busy)
    busy.value = 1  # as if a thread were inside
    child = os.fork()
    if child == 0:
        out = np.empty(3)
        entry((out, np.ones(3), 2.0))
        os._exit(int(out.tolist() != [2.0, 3.0, 4.0]))
    busy.value = 0
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
