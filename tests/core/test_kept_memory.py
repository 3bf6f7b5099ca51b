"""Memory of large results stays with the process, where the C library can be told to."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from chainrule.core import memory

glibc = pytest.mark.skipif(memory._glibc() is None, reason="the C library is not glibc")


def run(code: str, **environment: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "CHAINRULE_KEEP", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**clean, **environment})
    return done.stdout


FAULTS = """
import resource
import chainrule as T

x, g = T.ones(1000, 1000).requires_grad_(), T.ones(1000, 1000)

def step():
    x.grad = None
    T.exp(x * 2).backward(g)

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@glibc
def test_pages_are_touched_once():
    assert int(run(FAULTS)) < 500
    # Each of the three results of a million numbers has 977 pages.
    assert int(run(FAULTS, CHAINRULE_KEEP_MEMORY="0", CHAINRULE_ENGINE="numpy")) > 5000


@glibc
def test_memory_goes_back_when_asked():
    code = """
import chainrule as T
from pathlib import Path

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

T.ones(100_000) + 1
kept = [T.ones(1_000_000) for _ in range(50)]
T.manual_seed(0)
small = T.ones(3)
del kept
before = resident()
print(T.cpu.empty_cache(), before - resident() > 150_000_000)
"""
    assert run(code).split() == ["True", "True"]


def test_small_results_leave_malloc_alone():
    small = "import chainrule as T\nfrom chainrule.core import memory\n(T.ones(1000) + 1).sum()\nprint(memory._done)\n"
    assert run(small + "T.ones(100_000) + 1\nprint(memory._done)").split() == ["False", "True"]


def test_the_environment_says_how_much(monkeypatch):
    for name in memory._TUNED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.delenv("CHAINRULE_KEEP_MEMORY", raising=False)
    assert 0 < memory.limit() <= 1 << 30
    for told, size in (("0", 0), ("65536", 65536), (str(1 << 40), (1 << 31) - 1)):
        monkeypatch.setenv("CHAINRULE_KEEP_MEMORY", told)
        assert memory.limit() == size
    monkeypatch.setenv("CHAINRULE_KEEP_MEMORY", "lots")
    with pytest.raises(ValueError, match="CHAINRULE_KEEP_MEMORY is a number of bytes"):
        memory.limit()
    monkeypatch.delenv("CHAINRULE_KEEP_MEMORY")
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "100000")
    assert memory.limit() == 0
