"""Measuring alternatives side by side: in one process, in turns, medians of many repeats.

Machines drift (frequency, neighbours, caches), so the alternatives take turns in short blocks, each round in another
order, and what is reported is the median over rounds of the ratio within a round.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from quiet import Watch

BLOCK = 0.004  # seconds that one alternative runs before the next one's turn
SETTLE = 0.3  # seconds between turns, where several alternatives have threads that go on waiting at work
SETTLED_BLOCK = 0.05  # where it has waited for its turn
ROUNDS = 7  # undisturbed ones, at least
PATIENCE = 4  # how many times as long to wait for them


@dataclass
class Row:
    """One measured task: median seconds a call, and how many times longer the others take than the first."""

    name: str
    seconds: dict[str, float]
    ratios: dict[str, float]
    target: float | None = None
    rounds: int = 0
    note: str = ""
    spread: dict[str, tuple[float, float]] = field(default_factory=dict)  # quartiles of the ratios
    targets: Mapping[str, float] = field(default_factory=dict)  # where the alternatives have different ones
    costs: dict[str, Any] = field(default_factory=dict)  # what else was measured

    @property
    def reached(self) -> bool:
        """Whether every ratio is at least its target; one that could not be measured is not."""
        targets = self.targets or dict.fromkeys(self.ratios, self.target or 0.0)
        return all(self.ratios.get(n, 0.0) >= target for n, target in targets.items())


def _block(run: Callable[[], Any], calls: int, settle: float = 0.0) -> float:
    """Seconds a call, over ``calls`` calls, ``settle`` seconds after what ran before."""
    if settle:
        time.sleep(settle)
    if calls > 1 or settle:
        run()  # caches and waiting threads are still the previous alternative's
    turns = itertools.repeat(None, calls)
    start = time.perf_counter()
    for _ in turns:
        run()
    return (time.perf_counter() - start) / calls


def _calls(run: Callable[[], Any], block: float) -> int:
    """How many calls fill a block."""
    run()
    calls = 1
    while (took := _block(run, calls) * calls) < block / 2 and calls < 1 << 20:
        calls *= 2
    return max(1, round(calls * block / max(took, 1e-9))) if took < block else calls


def alternate(
    name: str, runs: Mapping[str, Callable[[], Any]], *, seconds: float = 3.0, target: float | None = None, note: str = "",
    settle: float = 0.0,
) -> Row:  # fmt: skip
    """Time the alternatives in turns for about ``seconds`` in all; ratios are over the first one.

    Threads of OpenBLAS (30 ms) and OpenMP (200 ms) go on waiting, at work, after they were needed, on a processor that the next
    alternative would use: where several have threads, ``settle`` is how long each turn waits for those to sleep; turns are longer then.
    Rounds in which other processes took the processors are left out; until there are enough others it goes on, for some times as long.
    """
    names = list(runs)
    calls = {n: _calls(runs[n], BLOCK if not settle else SETTLED_BLOCK) for n in names}
    took: dict[str, list[float]] = {n: [] for n in names}
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    watch = Watch()
    try:
        begun = time.perf_counter()
        for turn in itertools.count():
            order = names[turn % len(names) :] + names[: turn % len(names)]
            for n in order:
                took[n].append(_block(runs[n], calls[n], settle))
            watch.round()
            spent = time.perf_counter() - begun
            if turn >= ROUNDS and spent > seconds and (sum(watch.quiet) >= ROUNDS or spent > PATIENCE * seconds):
                break
            if turn % 50 == 49:
                gc.collect()
    finally:
        if enabled:
            gc.enable()
    kept = [k for k, quiet in enumerate(watch.quiet) if quiet]
    if len(kept) < ROUNDS:
        note = "; ".join([*([note] if note else []), "other processes disturbed it: run it again on a machine that has nothing else to do"])
        kept = list(range(len(took[names[0]])))
    took = {n: [t[k] for k in kept] for n, t in took.items()}
    first = took[names[0]]
    each = {n: [b / a for a, b in zip(first, took[n])] for n in names[1:]}
    quartiles = {n: tuple(statistics.quantiles(r, n=4)[::2]) for n, r in each.items()}
    return Row(
        name,
        {n: statistics.median(t) for n, t in took.items()},
        {n: statistics.median(r) for n, r in each.items()},
        target,
        len(first),
        note,
        quartiles,  # type: ignore[arg-type]
    )


def against_torch(
    tasks: Mapping[str, tuple[Callable[[Any], Callable[[], Any]], float]], chainrule: Any, torch: Any,
    agree: Callable[[str, Any, Any], None], options: argparse.Namespace, settle: float = 0.0,
) -> list[Row]:  # fmt: skip
    """A row for each task that ``--only`` selects: ``make(library)`` gives what is run, and ``agree`` compares what both give first."""
    rows = []
    for name, (make, target) in tasks.items():
        if options.only in name:
            ours, theirs = make(chainrule), make(torch)
            agree(name, ours(), theirs())
            rows.append(alternate(name, {"chainrule": ours, "torch": theirs}, seconds=options.seconds, target=target, settle=settle))
            print(f"{name}: {readable(rows[-1].seconds['chainrule'])}, {rows[-1].ratios['torch']:.2f}×", flush=True)
    return rows


def readable(seconds: float) -> str:
    """``'12.3 µs'``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    names = list(rows[0].seconds)
    head = ["", *names, *[f"{n} / {names[0]}" for n in names[1:]], "target"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for r in rows:
        cells = [r.name, *[readable(r.seconds[n]) if n in r.seconds else "-" for n in names]]
        for n in names[1:]:
            low, high = r.spread[n]
            cells.append(f"{r.ratios[n]:.2f}× ({low:.2f}–{high:.2f})")
        cells.append("" if r.target is None else f"{r.target:g}× {'✓' if r.reached else '✗'}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def installed(package: str) -> bool:
    """Whether a distribution of this name is there."""
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False


def versions(*packages: str) -> str:
    """What was measured on what."""
    found = ", ".join(f"{p} {getattr(sys.modules.get(p), '__version__', None) or metadata.version(p)}" for p in packages)
    return f"Python {platform.python_version()}, {found}; {platform.machine()}, {cpu()}"


def cpu() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--seconds", type=float, default=3.0, help="time for one row (default 3)")
    made.add_argument("--only", default="", metavar="TEXT", help="rows whose name holds TEXT")
    made.add_argument("--json", metavar="FILE", help="write the numbers there too")
    made.add_argument("--check", action="store_true", help="exit with 1 when a target is missed")
    return made


def arguments(description: str | None) -> argparse.Namespace:
    """The options that all benchmarks have, as given."""
    return parser(description).parse_args()


def report(title: str, rows: Sequence[Row], options: argparse.Namespace, shown: str = "") -> None:
    """Print the table (``shown``, if the benchmark has its own) and the notes, write the file, and exit as asked."""
    if not rows:
        sys.exit(f"no row's name holds {options.only!r}")
    notes = [f"{r.name}: {r.note}" for r in rows if r.note]
    print("", title, "", shown or table(rows), "", *notes, sep="\n")
    if options.json:
        keep = [{k: v for k, v in asdict(r).items() if v or k == "target"} for r in rows]
        Path(options.json).write_text(json.dumps({"title": title, "rows": keep}, indent=1) + "\n")
    if options.check and not all(r.reached for r in rows):
        sys.exit(1)
