"""What the first compiled call costs: nothing kept from earlier processes, and with the cache on disk.

    python benchmarks/latency.py [--repeats 7] [--only MLP] [--check] [--json FILE]

Each number is a fresh process in which chainrule is imported and llvmlite is not.  ``compile`` is :func:`chainrule.compile` itself (it
loads the compiler's front), ``call`` is the first call of what it gives, together with the next ones until there is a program (the
first step of some optimizers is unlike the later ones, so the second is compiled), ``after`` the call after that.  ``processor`` is
the process's own time in ``call``, which others on the machine do not lengthen.  The table of stages is from processes of its own, with
clocks around the compiler's parts; the time of a part that runs inside of another counts for the inner one alone, and imports count as
imports.  With ``--check`` it exits with 1 above a target.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

# A beginning of the workload's name: seconds of the first call, cold and from the cache.
TARGETS = {"sin(x²)": (0.080, 0.012), "MLP 784-128-10": (0.400, 0.060), "character GPT": (6.0, 0.9)}

STAGES = {
    "chainrule.compiler.capture.reads:Surroundings.__init__": "guards",
    "chainrule.compiler.capture.capture:capture": "capture",
    "chainrule.compiler.capture.recorder:Recorder.finish": "result",
    "chainrule.compiler.passes.simplify:simplify": "simplify",
    "chainrule.compiler.schedule.fuse:fuse": "fuse",
    "chainrule.compiler.native.engine:build": "emit",
    "chainrule.compiler.native.stored:key_of": "key",
    "chainrule.compiler.native.stored:restored": "restore",
    "chainrule.compiler.native.jit:compile_text": "LLVM",
    "chainrule.compiler.native.jit:load": "load",
    "chainrule.compiler.native.pool:_the_pool": "pool",
    "chainrule.compiler.native.target:host": "target",
}
"""Functions whose time is told apart, and what it is called; what no stage claims is ``rest``."""


class Clock:
    """Exclusive seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stack = ["rest"]
        self._since = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._switch()
        self._stack.append(name)
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def _switch(self) -> None:
        now = time.perf_counter()
        self.seconds[self._stack[-1]] += now - self._since
        self._since = now

    def start(self) -> None:
        self._switch()
        self.seconds.clear()

    def stop(self) -> dict[str, float]:
        self._switch()
        return dict(self.seconds)

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return function(*args, **kwargs)

        return timed

    def install(self) -> None:
        """Time imports, and the stages as soon as their modules are there, which is before anybody has taken a name from one."""
        bootstrap: Any = importlib._bootstrap  # type: ignore[attr-defined]
        find = self.around("imports", bootstrap._find_and_load)
        pending = dict(STAGES)

        def find_and_load(name: str, *rest: Any) -> Any:
            module = find(name, *rest)
            for place in [p for p in pending if p.startswith(name + ":")]:
                *owners, last = place.partition(":")[2].split(".")
                owner = module
                for part in owners:
                    owner = getattr(owner, part)
                setattr(owner, last, self.around(pending.pop(place), getattr(owner, last)))
            return module

        bootstrap._find_and_load = find_and_load


def _now() -> tuple[float, float]:
    """Seconds on the clock, and of the processor's time."""
    return time.perf_counter(), time.process_time()


def child(name: str, staged: bool) -> None:
    """One measurement, printed as JSON."""
    from steps import all_steps

    import chainrule

    work = all_steps(name)[0].make(chainrule)
    function, args = work.call, work.args
    clock = Clock()
    if staged:
        clock.install()
    marks = [_now()]
    clock.start()
    made = chainrule.compile(function)
    marks.append(_now())
    calls = 0
    while calls < 4 and not any(made.kept.values()):
        made(*args)
        calls += 1
    stages = clock.stop()
    marks.append(_now())
    made(*args)
    marks.append(_now())
    names = ("compile", "call", "after")
    spans = {name: b[0] - a[0] for name, a, b in zip(names, marks, marks[1:], strict=False)}
    spans |= {f"{name} busy": b[1] - a[1] for name, a, b in zip(names, marks, marks[1:], strict=False)}
    why = [] if made.programs() else made.reasons
    print(json.dumps({"spans": spans, "stages": stages, "calls": calls, "why": why, "llvmlite": "llvmlite.binding" in sys.modules}))


def measured(name: str, cache: str, bytecode: str, staged: bool) -> dict[str, Any]:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env |= {"CHAINRULE_CACHE": cache, "PYTHONPYCACHEPREFIX": bytecode}
    command = [sys.executable, __file__, "--child", name, *(["--staged"] if staged else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise SystemExit(f"{name}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def median(found: list[dict[str, Any]], part: str) -> dict[str, float]:
    names = dict.fromkeys(k for f in found for k in f[part])
    return {k: statistics.median(f[part].get(k, 0.0) for f in found) for k in names}


def row(name: str, repeats: int) -> dict[str, Any]:
    """Medians of one task: spans and stages, cold and warm."""
    out: dict[str, Any] = {"name": name}
    runs: dict[tuple[str, bool], list[dict[str, Any]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place:
        measured(name, f"{place}/first", f"{place}/bytecode", False)  # writes the bytecode
        for k in range(repeats):
            for staged in (False, True):
                cache = f"{place}/{k}{staged}"
                for how in ("cold", "warm"):
                    runs[how, staged].append(measured(name, cache, f"{place}/bytecode", staged))
    for how in ("cold", "warm"):
        out[how] = {**median(runs[how, False], "spans"), "stages": median(runs[how, True], "stages")}
    out["why"] = runs["warm", False][-1]["why"]
    out["calls"] = runs["warm", False][-1]["calls"]
    out["llvmlite"] = runs["warm", False][-1]["llvmlite"]
    return out


def shown(found: dict[str, Any], targets: tuple[float, float]) -> bool:
    """Print one task; whether it reaches its targets."""
    good = True
    later = f" (a program after {found['calls']} calls)" if found["calls"] > 1 else ""
    print(f"\n{found['name']}{later}" + (f"   not compiled: {found['why']}" if found["why"] else ""))
    for how, target in zip(("cold", "warm"), targets, strict=True):
        spans = found[how]
        good = good and spans["call"] <= target
        missed = "" if spans["call"] <= target else "   MISSED"
        print(
            f"  {how}: call {spans['call'] * 1e3:.1f} ms (target {target * 1e3:.0f}){missed}, processor {spans['call busy'] * 1e3:.1f},"
            f" compile {spans['compile'] * 1e3:.1f}, the call after {spans['after'] * 1e3:.2f}"
        )
    stages = {how: found[how]["stages"] for how in ("cold", "warm")}
    for stage in sorted(stages["cold"] | stages["warm"], key=lambda s: -stages["cold"].get(s, 0.0)):
        print(f"    {stage:10s} {stages['cold'].get(stage, 0.0) * 1e3:9.2f} {stages['warm'].get(stage, 0.0) * 1e3:9.2f}")
    print(f"    llvmlite is imported with the cache: {'yes' if found['llvmlite'] else 'no'}")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", default="", help="tasks whose name has this")
    parser.add_argument("--all", action="store_true", help="every workload, not only those with a target")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true", help="exit with 1 above a target")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--staged", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.staged)
        return
    from steps import all_steps

    rows, good = [], True
    for name in [step.name for step in all_steps()]:
        targets = next((t for begin, t in TARGETS.items() if name.startswith(begin)), None)
        if options.only in name and (targets or options.all):
            rows.append(row(name, options.repeats))
            good = shown(rows[-1], targets or (float("inf"), float("inf"))) and good
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    if options.check and not good:
        sys.exit(1)


if __name__ == "__main__":
    main()
