"""The pool of threads: every chunk once, whoever calls, forks, interrupts or exits."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from chainrule.compiler.native import jit, pool
from chainrule.compiler.native.emitter import Module
from chainrule.compiler.native.kernel import open_kernel
from chainrule.compiler.native.target import host


def counting() -> Callable[[np.ndarray, int, int], int]:
    """``go(counts, chunks, workspace)``: chunk k adds 1 to counts[k], through its workspace if that has 8 bytes."""
    return _entry()


def _entry(nested: bool = False, workspaces: bool = False) -> Callable[[np.ndarray, int, int], int]:
    module = Module(host())
    f, (counts,) = open_kernel(module, "count", 1)
    place = f.gep(counts, "%chunk", "i64")
    more = f.op(f"add i64 {f.load('i64', place)}, 1")
    f.when(f.icmp("ne", "ptr", "%workspace", "null"), lambda: f.store("i64", more, "%workspace"))
    if workspaces:
        f.loop(0, 4000, 1, lambda i, _: f.store("i64", i, place))  # long enough for both threads to come
        more = f.op("ptrtoint ptr %workspace to i64")
    f.store("i64", more, place)
    f.ret()
    inner = "count"
    if nested:
        g, (rows,) = open_kernel(module, "row", 1)
        row = g.op("alloca ptr")
        g.store("ptr", g.gep(rows, g.mul("%chunk", 16), "i64"), row)
        pool.run_chunks(g, "count", row, 16, 8)
        g.ret()
        inner = "row"
    go = module.function("go", "ptr %buffers, i64 %chunks, i64 %bytes", result="i32", linkage="")
    status = go.op(f"call i32 @{pool.SYMBOL}(ptr @{inner}, ptr %buffers, i64 %chunks, i64 %bytes)")
    module.declare(pool.SYMBOL, f"declare i32 @{pool.SYMBOL}(ptr, ptr, i64, i64)")
    go.ret(status)
    library = jit.compile_text(module.text(), host(), cache=False)
    native = library.function("go", ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, restype=ctypes.c_int)

    def call(counts: np.ndarray, chunks: int, workspace: int) -> int:
        assert library is not None  # the code lives as long as this function
        return int(native((ctypes.c_void_p * 1)(counts.ctypes.data), chunks, workspace))

    return call


@pytest.fixture
def threads() -> Any:
    """Sets the number of threads, and puts it back."""
    before = pool._asked
    yield pool.set_num_threads
    pool.set_num_threads(before or pool.default_threads())
    pool._asked = before


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("chunks", [0, 1, 2, 7, 1000])
def test_every_chunk_runs_once(threads: Any, count: int, chunks: int) -> None:
    threads(count)
    go = counting()
    counts = np.zeros(1001, np.int64)
    for round_ in range(1, 51):
        assert go(counts, chunks, 8 * (round_ % 3) * 1000) == 0
        assert (counts[:chunks] == round_).all()
    assert not counts[chunks:].any()


def test_two_threads_begin_at_the_two_ends(threads: Any) -> None:
    """Each thread's chunks lie side by side: what one kernel wrote there is in its cache when the next one reads it."""
    threads(2)
    go = _entry(workspaces=True)
    for chunks in (2, 3, 100) * 5:
        places = np.zeros(chunks, np.int64)
        assert go(places, chunks, 64) == 0
        assert 0 not in places and np.count_nonzero(np.diff(places)) <= 1


def test_more_chunks_than_a_ticket_counts_run_all_the_same(threads: Any) -> None:
    threads(2)
    counts = np.zeros((1 << 20) + 3, np.int64)
    assert counting()(counts, counts.size, 8) == 0 and np.all(counts == 1)


def test_workspaces_that_cannot_be_had_are_told() -> None:
    counts = np.zeros(4, np.int64)
    assert counting()(counts, 4, 1 << 60) == 1
    assert not counts.any()
    with pytest.raises(MemoryError, match="workspaces of 1152921504606846976 bytes"):
        pool.reserve(1 << 60)
    pool.reserve(1 << 16)
    assert counting()(counts, 4, 1 << 16) == 0


def test_a_region_in_a_region_runs_alone(threads: Any) -> None:
    threads(3)
    go = _entry(nested=True)
    counts = np.zeros(16 * 40, np.int64)
    for round_ in range(1, 51):
        assert go(counts, 40, 8) == 0
        assert (counts == round_).all()


def test_several_callers_at_once_while_the_number_of_threads_changes(threads: Any) -> None:
    threads(2)
    go = counting()
    results = [np.zeros(64, np.int64) for _ in range(4)]

    def work(counts: np.ndarray) -> None:
        for _ in range(300):
            assert go(counts, 64, 8) == 0

    callers = [threading.Thread(target=work, args=(r,)) for r in results]
    for caller in callers:
        caller.start()
    for n in (3, 1, 4, 2):
        threads(n)
    for caller in callers:
        caller.join()
    assert all((r == 300).all() for r in results)


def test_set_num_threads_is_heard(threads: Any) -> None:
    import chainrule

    before = chainrule.get_num_threads()
    try:
        chainrule.set_num_threads(1)
        assert pool.get_num_threads() == 1
    finally:
        chainrule.set_num_threads(before)


@pytest.mark.parametrize(
    "environment, expected",
    [
        ({"CHAINRULE_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"OMP_NUM_THREADS": "5,2"}, 5),
        ({"CHAINRULE_NUM_THREADS": "many", "OMP_NUM_THREADS": "4"}, 4),
    ],
)
def test_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: int) -> None:
    for name in ("CHAINRULE_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert pool.default_threads() == expected


def script(code: str, **environment: str) -> str:
    """What a program prints that has ``go`` and three threads; it must end by itself."""
    place = os.path.dirname(__file__)
    prelude = f"import os, sys\nsys.path.insert(0, {place!r})\nimport numpy as np\nimport test_pool\ngo = test_pool.counting()\n"
    env = os.environ | {"CHAINRULE_NUM_THREADS": "3"} | environment
    done = subprocess.run([sys.executable, "-c", prelude + code], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


COUNT = "counts = np.zeros(100, np.int64)\nassert go(counts, 100, 8) == 0 and (counts == 1).all()\n"


@pytest.mark.parametrize("how", ["", "condition"])
def test_the_interpreter_exits(how: str) -> None:
    assert script(COUNT + "print('done')", CHAINRULE_POOL_SLEEP=how) == "done\n"


def test_regions_at_exit_run_on_one_thread() -> None:
    code = "import atexit\natexit.register(lambda: (go(counts, 100, 8), print(int(counts.sum()))))\n" + COUNT
    assert script(code) == "200\n"


@pytest.mark.parametrize("how", ["", "condition"])
def test_sleepers_are_woken(how: str) -> None:
    code = (
        COUNT + "import time\nfor k in range(5):\n    time.sleep(0.05)\n    go(counts, 100, 8)\nprint(int(counts.min()), int(counts.max()))"
    )
    assert script(code, CHAINRULE_POOL_SLEEP=how) == "6 6\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork(2) on this system")
def test_a_forked_child_starts_its_own_workers() -> None:
    code = COUNT + (
        "import threading, warnings\nwarnings.simplefilter('ignore')\npid = os.fork()\ngo(counts, 100, 8)\n"
        "names = sum(t.name.startswith('chainrule-') for t in threading.enumerate())\n"
        "if pid == 0:\n    os._exit(0 if (counts == 2).all() and names == 2 else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), int(counts.sum()), names)"
    )
    assert script(code) == "0 200 2\n"


def test_nothing_starts_before_it_is_used() -> None:
    assert script("import threading\nprint(threading.active_count())\n" + COUNT + "print(threading.active_count())") == "1\n3\n"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_interrupt_comes_through_and_the_pool_goes_on() -> None:
    code = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\ncounts = np.zeros(100, np.int64)\ncalls = 0\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.2)\nsignal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))\n"
        "try:\n    while True:\n        assert go(counts, 100, 8) == 0\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
        "assert counts.min() == counts.max() > 0\ncounts[:] = 0\nassert go(counts, 100, 8) == 0 and (counts == 1).all()\nprint('again')"
    )
    assert script(code) == "interrupted\nagain\n"


def test_an_interrupt_while_workers_start_is_raised_afterwards() -> None:
    code = (
        "from chainrule.compiler.native import pool\nimport time\nones = pool._the_pool()\nreal, raised = ones._start_workers, []\n"
        "def start():\n    if not raised:\n        raised.append(1)\n        raise KeyboardInterrupt\n    real()\n"
        "ones._start_workers = start\nimport signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n    counts = np.zeros(100, np.int64)\n    assert go(counts, 100, 8) == 0 and (counts == 1).all()\n    time.sleep(5)\n"
        "except KeyboardInterrupt:\n    print('interrupted', int(counts.sum()))"
    )
    assert script(code) == "interrupted 100\n"
