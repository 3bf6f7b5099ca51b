"""What ``import chainrule`` costs over ``import numpy``.

    python benchmarks/imports.py [--repeats 15] [--check]

Fresh processes under ``-X importtime``: the time in chainrule's cumulative line without what NumPy's own line in it took.
Beside it, the difference of whole processes without the tracing.  With ``--check`` exits with 1 above the target.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict

TARGET = 0.060
CACHE = tempfile.TemporaryDirectory()
OPTIONAL = ("llvmlite", "scipy", "matplotlib", "mpi4py", "torch", "nbformat", "IPython", "sklearn", "tqdm")
LINE = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \| ( *)(\S+)")


def python(*options: str) -> subprocess.CompletedProcess[str]:
    """A fresh process that finds compiled bytecode, as an installed package has it, wherever this one keeps its own."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = CACHE.name
    return subprocess.run([sys.executable, *options], capture_output=True, text=True, check=True, env=env)


def traced(statement: str) -> list[tuple[float, float, int, str]]:
    """(own seconds, cumulative seconds, depth, module) of every import, in the order they ended."""
    found = [LINE.match(line) for line in python("-X", "importtime", "-c", statement).stderr.splitlines()]
    return [(int(m[1]) / 1e6, int(m[2]) / 1e6, len(m[3]) // 2, m[4]) for m in found if m]


def after_numpy(lines: list[tuple[float, float, int, str]]) -> list[tuple[float, float, int, str]]:
    """The lines after NumPy's import has ended."""
    end = next(k for k, line in enumerate(lines) if line[3] == "numpy" and line[2] == 0)
    return lines[end + 1 :]


def over_numpy(lines: list[tuple[float, float, int, str]]) -> float:
    """chainrule's cumulative time where NumPy was there before."""
    return next(total for _, total, depth, name in after_numpy(lines) if name == "chainrule" and depth == 0)


def wall(statement: str) -> float:
    """Seconds of a process that imports and leaves at once, without taking down what it imported."""
    start = time.perf_counter()
    python("-c", f"{statement}, os; os._exit(0)")
    return time.perf_counter() - start


def groups(lines: list[tuple[float, float, int, str]]) -> dict[str, float]:
    """Own seconds by package, NumPy's share left out."""
    own: dict[str, float] = defaultdict(float)
    for seconds, _, _, name in lines:
        parts = name.split(".")
        own[".".join(parts[:2]) if parts[0] == "chainrule" else parts[0]] += seconds
    return own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--check", action="store_true", help="exit with 1 above the target")
    options = parser.parse_args()
    traced("import chainrule")  # writes the bytecode
    runs = [traced("import numpy\nimport chainrule") for _ in range(options.repeats)]
    spent = statistics.median(over_numpy(r) for r in runs)
    pairs = [(wall("import numpy"), wall("import chainrule")) for _ in range(options.repeats)]
    whole = statistics.median(b - a for a, b in pairs)
    print(f"import chainrule over NumPy: {spent * 1e3:.1f} ms (-X importtime), {whole * 1e3:.1f} ms (whole processes)")
    print(f"target: {TARGET * 1e3:.0f} ms")
    print("\nwhere, own time (ms):")
    last = after_numpy(runs[-1])
    for name, seconds in sorted(groups(last).items(), key=lambda item: -item[1])[:15]:
        print(f"  {seconds * 1e3:6.2f}  {name}")
    loaded = sorted({name.split(".")[0] for _, _, _, name in runs[-1]} & set(OPTIONAL))
    print(f"\noptional packages loaded: {', '.join(loaded) or 'none'}")
    if options.check and (spent > TARGET or loaded):
        sys.exit(1)


if __name__ == "__main__":
    main()
