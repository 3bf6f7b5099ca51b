"""``--check``: whether an executed notebook puts out what it put out when it was stored.

Compared are the streams, the plain text of results and displays, and the type and message of errors.  Numbers agree
within the last printed digit, or within 2e-6 where many digits of a float32 are printed; addresses, durations, dates and
the places that warnings name do not count.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

IGNORE_TAG = "nbval-ignore-output"

_NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?")
_WITHOUT_MEANING = [
    (re.compile(r"\x1b\[[0-9;]*[A-Za-z]"), ""),
    # A warning's place, and the line of source that is shown below it.
    (re.compile(r"^\S*?(?:[\w.<>-]+):\d+: (\w*Warning: .*)(?:\n  \S.*)?$", re.M), r"\1"),
    (re.compile(r"\b0x[0-9a-fA-F]+"), "0x"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?"), "DATE"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:it/s|s/it|[kKMGT]?i?B/s)"), "RATE"),
    (re.compile(r"\b\d+:\d\d(?::\d\d)?\b"), "TIME"),
    (re.compile(r"^(CPU times|Wall time): .*$", re.M), r"\1: TIME"),
    (re.compile(r"\b\d+(?:\.\d+)?(?:e[-+]?\d+)? ?(?:ns|µs|μs|us|ms|s|secs?|seconds?|min|minutes?)\b"), "TIME"),
    (re.compile(r"\b\d[\d,]* loops? each"), "LOOPS each"),
]


def title(cell: Any, count: int | None) -> str:
    """A cell's number and first line."""
    lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
    first = next((line for line in lines if not line.startswith("#")), lines[0] if lines else "")
    if len(first) > 100:
        first = first[:97] + "..."
    return f"[{count if count is not None else ' '}] {first}"


def shown(data: dict[str, Any]) -> str:
    """A result as text: its plain text, or which kinds of content it has."""
    if "text/plain" in data:
        text = data["text/plain"]
        return text if isinstance(text, str) else "".join(text)
    return f"<{', '.join(sorted(data))}>"


def visible(outputs: list[Any]) -> list[tuple[str, str]]:
    """What a cell put out, as pairs of kind and text; each stream is one."""
    streams: dict[str, str] = {}
    rest = []
    for output in outputs:
        if output.output_type == "stream":
            streams[output.name] = streams.get(output.name, "") + output.text
        elif output.output_type == "error":
            rest.append(("error", f"{output.ename}: {output.evalue}"))
        else:
            rest.append(("result", shown(output.data)))
    return [*sorted(streams.items(), reverse=True), *rest]


def settled(text: str) -> str:
    """The text without what differs from run to run; of a line that was overwritten, what it ended as."""
    lines = [[part for part in line.split("\r") if part][-1:] for line in text.split("\n")]
    text = "\n".join("".join(line).rstrip() for line in lines).rstrip("\n")
    for pattern, replacement in _WITHOUT_MEANING:
        text = pattern.sub(replacement, text)
    return text


def _decimals(number: str) -> int:
    return len(number.lower().partition("e")[0].partition(".")[2])


def _unit(number: str) -> float:
    """The worth of one in the last printed digit."""
    exponent = number.lower().partition("e")[2]
    return 10.0 ** (int(exponent or 0) - _decimals(number))


def _digits(number: str) -> int:
    return len(number.lower().partition("e")[0].lstrip("+-0.").replace(".", ""))


def close(a: str, b: str) -> bool:
    """Whether two printed numbers may be the same computation's.

    >>> close("0.1234", "0.1235"), close("0.1234", "0.1236"), close("7", "8"), close("2.0", "2.000000238418579")
    (True, False, False, True)
    """
    if a == b:
        return True
    if not any(c in a + b for c in ".eE"):
        return False
    x, y = float(a), float(b)
    if max(_digits(a), _digits(b)) >= 8:
        return abs(x - y) <= 2e-6 * max(abs(x), abs(y), 1e-6)
    return 0 < _decimals(a) == _decimals(b) and abs(x - y) <= 1.01 * max(_unit(a), _unit(b))


def same_text(a: str, b: str) -> bool:
    """Whether two settled texts agree but for white space and the last digits of numbers."""

    def between(text: str) -> list[str]:
        return [re.sub(r"[ \t]+", " ", part).strip(" ") for part in _NUMBER.split(text)]

    if a == b:
        return True
    if between(a) != between(b):
        return False
    return all(close(x, y) for x, y in zip(_NUMBER.findall(a), _NUMBER.findall(b)))


def differences(stored: list[Any], now: list[Any]) -> list[str]:
    """The lines of a diff between a cell's outputs then and now; none when they agree."""
    before, after = visible(stored), visible(now)
    agree = len(before) == len(after) and all(
        k == m and same_text(settled(a), settled(b)) for (k, a), (m, b) in zip(before, after)
    )
    return [] if agree else _diff(_lines(before), _lines(after))


def _lines(parts: list[tuple[str, str]]) -> list[str]:
    return [(f"{kind}: " if kind in ("stderr", "error") else "") + line for kind, text in parts for line in settled(text).split("\n")]


def _diff(before: list[str], after: list[str]) -> list[str]:
    if len(before) == len(after):
        # Lines that agree are shown alike, so that only the ones that do not stand out.
        after = [a if same_text(a, b) else b for a, b in zip(before, after)]
    lines = list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:]
    return [line for line in lines if not line.startswith("@@")]


def report(stored: Any, now: Any) -> bool:
    """Print what differs between two notebooks of the same cells; whether nothing does."""
    compared = differing = 0
    for old, new in zip(stored.cells, now.cells):
        if old.cell_type != "code" or not _has_answer(old):
            continue
        compared += 1
        if new.execution_count is None:
            print(f"{title(old, old.execution_count)}\n  did not run")
            differing += 1
        elif lines := differences(old.outputs, new.outputs):
            differing += 1
            print(title(new, new.execution_count))
            print("\n".join("  " + line for line in lines))
    if differing:
        print(f"{compared - differing} of {compared} cells agree with the notebook (- stored, + now)")
    else:
        print(f"{compared} cells agree with the notebook")
    return differing == 0


def _has_answer(cell: Any) -> bool:
    """Whether the stored notebook says what the cell puts out: it ran, and its output counts."""
    ran = cell.execution_count is not None or bool(cell.outputs)
    return ran and IGNORE_TAG not in cell.metadata.get("tags", [])
