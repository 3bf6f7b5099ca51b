"""Every operation that is declared has a spec row, so that none escapes the generic tests."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import chainrule

from .row import families

ALLOWED: frozenset[str] = frozenset()  # empty, and stays empty

# In a process of its own, with every module loaded: this one may hold operations that other tests declared.
LIST = """
import importlib, json, pkgutil, chainrule
from chainrule.core.op import OPS
for m in pkgutil.walk_packages(chainrule.__path__, "chainrule."):
    if not m.name.startswith("chainrule.cli") and not m.name.endswith("__main__"):
        importlib.import_module(m.name)
print(json.dumps(sorted(OPS)))
"""


@cache
def declared() -> set[str]:
    done = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def covered() -> dict[str, str]:
    """Each name that a row says it covers, with a row that does."""
    return {name: f"{family}: {row.name}" for family, rows in families().items() for row in rows for name in row.ops}


def test_every_operation_has_a_row():
    assert sorted(declared() - set(covered()) - ALLOWED) == []


def test_every_row_covers_something():
    """A misspelt ``op=`` would cover nothing: it has to be an operation, or a public name made of operations."""
    places = (chainrule, chainrule.Tensor, chainrule.nn.functional, chainrule.linalg, chainrule.special, chainrule.fft)
    unknown = {n: w for n, w in covered().items() if n not in declared() and not any(hasattr(p, n) for p in places)}
    assert unknown == {}
