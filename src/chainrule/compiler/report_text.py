"""How a report reads: sentences and tables, as text and as HTML."""

from __future__ import annotations

import linecache
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from .breakdown import Breakdown, Part

SHOWN = 40  # rows of a table; what comes after them is counted
SHORTEST = 5e-8  # seconds that can be told from what a call costs
TITLES = {"": "one program", "branches": "what branches go by", "rest": "the rest, for the ways they went", "backward": "backward program"}

Table = list[Sequence[str]]  # the first row is the head; cells that begin with a digit stand at the right
Block = str | Table


def text(block: Block) -> str:
    if isinstance(block, str):
        return block
    numbers = [_number(column) for column in zip(*block[1:], strict=True)] or [False] * len(block[0])
    widths = [max(map(len, column)) for column in zip(*block, strict=True)]
    rows = [[c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numbers, strict=True)] for row in block]
    return "\n".join("  ".join(row).rstrip() for row in rows)


def html(block: Block) -> str:
    if isinstance(block, str):
        return f"<div>{escape(block)}</div>" if block else "<br>"
    numbers = [_number(column) for column in zip(*block[1:], strict=True)] or [False] * len(block[0])
    styles = [f' style="text-align:{"right" if right else "left"}"' for right in numbers]
    head, *rows = ["".join(f"<{tag}{s}>{escape(c)}</{tag}>" for c, s in zip(row, styles)) for row, tag in _tagged(block)]
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"


def _tagged(block: Table) -> list[tuple[Sequence[str], str]]:
    return [(row, "td" if k else "th") for k, row in enumerate(block)]


def _number(column: Sequence[str]) -> bool:
    return all(not cell or cell[0].isdigit() for cell in column)


# -- what a program is -------------------------------------------------------------------------------------------------------


def told(piece: Breakdown, name: str, run: float | None) -> list[Block]:
    """What the program is, what runs it, its memory and how long it takes."""
    program, memory = piece.program, piece.memory
    count = sum(len(part.nodes) for part in piece.parts)
    stores = f"{_count(len(program.stores), 'array')} written back" if program.stores else "nothing written back"
    out: list[Block] = [
        f"{TITLES.get(name, name)}: {_count(count, 'operation')}, {_count(len(program.inputs), 'array')} in ({size(memory.inputs)}),"
        f" {_count(len(program.outputs), 'result')}, {stores}"
    ]
    if piece.engine == "native":
        calls = sum(part.calls for part in piece.parts if part.native)
        host = sum(part.calls for part in piece.parts if not part.native)
        out.append(
            f"machine code for {piece.vector}-bit vectors: {_count(piece.kernels, 'kernel')} for {_count(calls, 'step')}, in"
            f" {_count(piece.native_calls, 'native call')}" + (f"; {_count(host, 'step')} on NumPy" if host else "")
        )
    else:
        out.append("NumPy runs it, one operation after the other")
    out.append(
        f"memory: {size(memory.values)} of values between steps in {size(memory.buffers)} of buffers, {size(memory.outputs)} of results,"
        f" {size(memory.constants)} of constants" + (f", {size(memory.workspace)} of workspace a thread" if memory.workspace else "")
    )
    if run is not None:
        out.append(f"a run takes {span(run)}; its steps one by one {span(sum(part.seconds or 0.0 for part in piece.parts))}")
    return out


def kernel_table(parts: Sequence[Part]) -> list[Block]:
    """The steps: by time where it was measured, else in order; then why some have no kernel."""
    profiled = any(part.seconds is not None for part in parts)
    if profiled:
        parts = sorted(parts, key=lambda part: -(part.seconds or 0.0))
    total = sum(part.seconds or 0.0 for part in parts) or 1.0
    head = ["calls", "arithmetic", "bytes", "chunks", "kernel", "kind", "shape", "operations", "lines"]
    table: Table = [["time", "share", "GF/s", "GB/s", *head] if profiled else head]
    for part in parts[:SHOWN]:
        row = [str(part.calls), short(part.arithmetic), short(part.bytes), str(part.chunks or "")]
        row += [_few(part.kernels, 3) or "NumPy", part.kind, part.shape, _few(part.operations, 6), places(part.lines)]
        if profiled:
            took = part.seconds or 0.0
            rates = [f"{amount / took / 1e9:.3g}" if took >= SHORTEST else "" for amount in (part.arithmetic, part.bytes)]
            row = [span(took) if took >= SHORTEST else f"0 to {span(SHORTEST)}", f"{took / total:.0%}", *rates, *row]
        table.append(row)
    blocks: list[Block] = [table] if parts else []
    if len(parts) > SHOWN:
        rest = parts[SHOWN:]
        more = f", {span(sum(part.seconds or 0.0 for part in rest))}" if profiled else ""
        blocks.append(f"and {_count(sum(part.calls for part in rest), 'step')} more{more}: `kernels` has all of them")
    reasons = dict.fromkeys(part.why for part in parts if part.why)
    return [*blocks, *[f"on NumPy: {why}" for why in reasons]]


def line_table(lines: Sequence[Any], profiled: bool) -> Table:
    """The user's lines with their source."""
    head = ["operations", "arithmetic", "bytes", "kernels", "line", "source"]
    table: Table = [["time", *head] if profiled else head]
    for line in lines:
        row = [str(line.nodes), short(line.arithmetic), short(round(line.bytes)), str(len(line.kernels))]
        row += [place(line.where) or "(elsewhere)", source(line.where)]
        table.append([span(line.seconds or 0.0), *row] if profiled else row)
    return table


# -- words -------------------------------------------------------------------------------------------------------------------


def place(line: str) -> str:
    """``file:line`` with the file as one would name it here; of one elsewhere the end of its path."""
    file, colon, number = line.rpartition(":")
    near = file.removeprefix(os.path.join(os.getcwd(), ""))
    parts = Path(near).parts
    return (f"…/{parts[-2]}/{parts[-1]}" if Path(near).is_absolute() and len(parts) > 3 else near) + colon + number


def reasons(found: Sequence[tuple[str, str]], indent: str = "") -> list[str]:
    """``why, at file:line`` of each."""
    return [indent + why + (f", at {place(line)}" if line else "") for why, line in found]


def places(lines: Sequence[str]) -> str:
    """``a.py:3, 4, b.py:1``."""
    out: list[str] = []
    before = None
    for line in lines:
        file, _, number = place(line).rpartition(":")
        out.append(number if file == before else f"{file}:{number}")
        before = file
    return _few(out, 4)


def source(line: str) -> str:
    """What stands at a line."""
    file, _, number = line.rpartition(":")
    return linecache.getline(file, int(number)).strip()[:80] if number.isdigit() else ""


def span(seconds: float) -> str:
    """``'12.3 µs'``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def size(number: float) -> str:
    """``'12.3 KiB'``."""
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} GiB"


def short(number: int) -> str:
    """``'41k'``."""
    for unit in ("", "k", "M", "G"):
        if number < 10_000 or unit == "G":
            return f"{number}{unit}"
        number //= 1000
    return str(number)


def _few(names: Sequence[str], most: int) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, … {len(names) - most} more"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
