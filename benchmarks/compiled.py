"""Compiled training steps beside eager ones, PyTorch, torch.compile and jax.jit, in turns in one process.

    pip install ".[parity]" jax
    python benchmarks/compiled.py                     # everything; about ten minutes
    python benchmarks/compiled.py --fast --only MLP   # times of some rows, without torch.compile, first calls and memory

All begin with the same weights and data; what they compute is compared, over several steps, before anything is timed.  Ratios are
over chainrule compiled: 3× says that the other one takes three times as long.  ``steps/`` has the workloads.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable
from datetime import date
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "2"

import latency
import memory
import numpy as np
import timing
from steps import Step, all_steps

import chainrule

THREADS = 2
STEPS_COMPARED = 4
PEERS = ("torch", "torch.compile", "jax.jit")


def arrays(result: Any) -> list[Any]:
    """A result's values, whoever made it."""
    parts = result if isinstance(result, tuple) else (result,)
    return [np.array(p.detach().numpy() if hasattr(p, "detach") else p) for p in parts]


def agree(name: str, runs: dict[str, Callable[[], Any]]) -> None:
    """Let all make some steps; AssertionError where one computes something else."""
    for _ in range(STEPS_COMPARED):
        found = {library: arrays(run()) for library, run in runs.items()}
        for library, values in found.items():
            for a, b in zip(values, found["eager"], strict=True):
                np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-3 * np.abs(b).max() if b.ndim else 0, err_msg=f"{name}: {library}")


def alternatives(step: Step, options: Any) -> tuple[dict[str, Callable[[], Any]], list[str], Any]:
    """What takes part in a row, why others do not, and the compiled function."""
    work, other = step.make(chainrule), step.make(chainrule)
    compiled = chainrule.compile(work.call)
    runs: dict[str, Callable[[], Any]] = {"compiled": lambda: compiled(*work.args), "eager": lambda: other.call(*other.args)}
    absent = []
    try:
        import torch
    except ImportError as error:
        absent.append(str(error))
    else:
        torch.set_num_threads(THREADS)
        theirs = step.make(torch)
        runs["torch"] = lambda: theirs.call(*theirs.args)
    try:
        import jax

        fresh = step.jax(step.make(chainrule).weights)
        runs["jax.jit"] = lambda: jax.block_until_ready(fresh())
    except ImportError as error:
        absent.append(str(error))
    agree(step.name, runs)
    if "torch" in runs and not options.fast:
        from steps import in_torch

        torch._dynamo.reset()  # the rows' functions share code objects, which dynamo counts compilations of
        try:
            runs["torch.compile"] = in_torch.compiled(step.make(torch), options.compile_seconds)
        except (Exception, in_torch.Late) as error:
            absent.append(f"torch.compile: {type(error).__name__}: {str(error).strip().splitlines()[0][:120]}")
    return runs, absent, compiled


def first_call(name: str, repeats: int = 3) -> tuple[float, float]:
    """Seconds of the first compiled call in a new process: cold, and with what an earlier process left on disk."""
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as place:
        latency.measured(name, f"{place}/first", f"{place}/bytecode", False)
        for k in range(repeats):
            for kept in (cold, warm):
                kept.append(latency.measured(name, f"{place}/{k}", f"{place}/bytecode", False)["spans"]["call"])
    return statistics.median(cold), statistics.median(warm)


def first_shown(name: str, cold: float, warm: float, jax: dict[str, float] | None) -> list[str]:
    """First calls with their targets, and what jax.jit's takes."""
    targets = next((t for begin, t in latency.TARGETS.items() if name.startswith(begin)), (float("inf"), 0.15 * cold))
    cells = []
    for seconds, target in zip((cold, warm), targets, strict=True):
        told = f", target {timing.readable(target)}: {'met' if seconds <= target else 'MISSED'}" if target < float("inf") else ""
        cells.append(timing.readable(seconds) + told)
    return [*cells, timing.readable(jax["first"]) if jax else "-"]


def measured(step: Step, options: Any) -> timing.Row:
    runs, absent, compiled = alternatives(step, options)
    row = timing.alternate(step.name, runs, seconds=options.seconds, settle=timing.SETTLE)
    row.targets = step.targets
    reasons = [] if compiled.programs() else [f"not compiled: {'; '.join(why for why, _ in compiled.reasons)}"]
    row.note = "; ".join([*([row.note] if row.note else []), *reasons, *absent])
    return row


def verdict(row: timing.Row, peer: str) -> str:
    """``'3.10× of 3×, met'``."""
    if peer not in row.ratios:
        return "-"
    low, high = row.spread[peer]
    ratio = f"{row.ratios[peer]:.2f}× ({low:.2f}–{high:.2f})"
    target = row.targets.get(peer)
    return ratio if target is None else f"{ratio}, target {target:g}×: {'met' if row.ratios[peer] >= target else 'SHORT'}"


def cells(row: timing.Row) -> list[str]:
    """A row of the table of times."""
    there = {p: row.ratios[p] for p in PEERS if p in row.ratios}
    best = min(there, key=lambda p: there[p], default="")
    return [
        row.name,
        *[timing.readable(row.seconds[n]) if n in row.seconds else "-" for n in ("compiled", "eager", *PEERS)],
        *[verdict(row, p) for p in PEERS],
        f"{best} {there[best]:.2f}×" if best else "-",
    ]


def markdown(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def main() -> None:
    parser = timing.parser(__doc__)
    parser.add_argument("--fast", action="store_true", help="times alone: no torch.compile, no first calls, no memory")
    parser.add_argument("--compile-seconds", type=float, default=120.0, help="how long torch.compile may take for a row (default 120)")
    options = parser.parse_args()
    versions = timing.versions("chainrule", "numpy", *[p for p in ("torch", "jax", "llvmlite") if timing.installed(p)])
    title = (
        f"{date.today()}, {versions}\n{THREADS} threads for all: set_num_threads in chainrule and PyTorch, OMP_NUM_THREADS for BLAS,"
        f" and the process bound to {THREADS} processors, which XLA counts.\nMedians; quartiles of the ratios in brackets."
    )
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    chainrule.set_num_threads(THREADS)
    rows, costs = [], []
    for step in all_steps(options.only):
        row = measured(step, options)
        rows.append(row)
        print(f"{row.name}: {timing.readable(row.seconds['compiled'])}", *[f"{p} {verdict(row, p)}" for p in PEERS], sep="; ", flush=True)
        if not options.fast:
            cold, warm = first_call(row.name)
            found = {library: memory.measured(row.name, library) for library in ("chainrule", "torch", "jax")}
            row.costs = {"first call": {"cold": cold, "from disk": warm}, "memory": found}
            costs.append([row.name, *first_shown(row.name, cold, warm, found["jax"]), *map(memory.shown, found.values())])
    head = ["", "compiled", "eager", *PEERS, *[f"{p} / compiled" for p in PEERS], "best peer"]
    tables = [markdown(head, [cells(row) for row in rows])]
    if costs:
        head = [
            "",
            "first call, cold",
            "from disk",
            "jax.jit's",
            *[f"peak MiB, {n} (over imports)" for n in ("compiled", "torch", "jax.jit")],
        ]
        tables.append(markdown(head, costs))
    timing.report(title, rows, options, "\n\n".join(tables))


if __name__ == "__main__":
    main()
