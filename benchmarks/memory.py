"""How much memory a step takes at its peak: a process of its own for each workload and each library.

    pip install ".[parity]" jax
    python benchmarks/memory.py [--only LSTM] [--json FILE]

``peak`` is the most that the process had resident, in MiB, libraries and compilers included; in brackets what of it came after the imports
and the making of the workload.  Every step runs 20 times.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

LIBRARIES = ("chainrule", "eager", "torch", "jax")
CALLS = 20


def resident(what: str = "VmHWM") -> float:
    """MiB of this process: the peak, or with ``VmRSS`` what it has now."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count the parent's memory at the fork
        return int(next(line for line in status.read_text().splitlines() if line.startswith(what + ":")).split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def child(name: str, library: str) -> None:
    """One measurement, printed as JSON."""
    from steps import all_steps

    step = all_steps(name)[0]
    if library == "jax":
        import chainrule

        weights = step.make(chainrule).weights
        import jax

        run = step.jax(weights)
        call, args = lambda: jax.block_until_ready(run()), ()
    else:
        if library == "torch":
            import torch as module

            module.set_num_threads(2)
        else:
            import chainrule as module
        work = step.make(module)
        call, args = module.compile(work.call) if library == "chainrule" else work.call, work.args
    before, begun = resident("VmRSS"), time.perf_counter()
    call(*args)
    first = time.perf_counter() - begun
    for _ in range(CALLS - 1):
        call(*args)
    print(json.dumps({"peak": resident(), "over": resident() - before, "first": first}))


def measured(name: str, library: str) -> dict[str, float] | None:
    """``peak`` and ``over`` in MiB, and the seconds of the ``first`` call; None where the library cannot do it."""
    command = [sys.executable, __file__, "--child", name, "--library", library]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"OMP_NUM_THREADS": "2", **os.environ})
    if done.returncode:
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def shown(found: dict[str, float] | None) -> str:
    """``'312 (+45)'``."""
    return "-" if found is None else f"{found['peak']:.0f} (+{found['over']:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name holds TEXT")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--library", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.library)
        return
    from steps import all_steps

    rows: dict[str, Any] = {}
    print("| MiB at the peak | " + " | ".join(LIBRARIES) + " |\n" + "|---" * (len(LIBRARIES) + 1) + "|")
    for step in all_steps(options.only):
        rows[step.name] = {library: measured(step.name, library) for library in LIBRARIES}
        print(f"| {step.name} | " + " | ".join(shown(found) for found in rows[step.name].values()) + " |", flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
