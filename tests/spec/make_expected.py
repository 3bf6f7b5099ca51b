"""Record what PyTorch answers for every spec row: values, gradients, Hessian-vector products.

    python -m tests.spec.make_expected [--all] [FAMILY…]

Without ``--all`` only new and changed rows run.  Needs torch; the tests do not.
"""

from __future__ import annotations

import argparse
import types
import warnings
import zlib
from typing import Any

import numpy as np

from .harness import Record, cases, directions, fingerprint, numpy_of, reverse, second
from .row import Row, family_names, rows_of


def text_of(thing: Any) -> str:
    """A program as text that changes when it changes: bytecode, constants, closure."""
    if isinstance(thing, types.FunctionType):
        closed = [text_of(c.cell_contents) for c in thing.__closure__ or ()]
        return text_of(thing.__code__) + text_of(thing.__defaults__) + text_of(thing.__kwdefaults__) + str(closed)
    if isinstance(thing, types.CodeType):
        return f"{thing.co_code!r}{thing.co_names}{thing.co_varnames}" + "".join(text_of(c) for c in thing.co_consts)
    if isinstance(thing, (tuple, list)):
        return "".join(text_of(t) for t in thing) + f"#{len(thing)}"
    return repr(thing)


def source_of(row: Row) -> int:
    """Of everything that decides what is recorded."""
    parts = (row.fn, row.differentiable, row.second, row.gradients)
    return zlib.crc32("".join(text_of(p) for p in parts).encode())


def record_case(record: Record, torch: Any, row: Row, dtype: str, case: str, inputs: Any, source: int) -> None:
    """Run one row on one case in one dtype."""
    key = f"{row.name}|{dtype}|{case}"
    arrays = row.arrays(dtype, inputs, case)
    entry: dict[str, Any] = {"inputs": fingerprint(arrays), "source": source}
    where = row.wrt(arrays, inputs) if row.differentiable and (case == "" or row.gradients) else []
    values, first = reverse(row, torch, arrays, where)
    hvp = None
    if first is not None and row.second and case == "":
        hvp = second(row, torch, arrays, where, directions(row, arrays, where))
        if hvp is None:
            hvp = [torch.zeros_like(g) for g in first]
    for what, found in (("values", values), ("first", first), ("second", hvp)):
        if found is not None:
            entry[what] = len(found)
            for k, t in enumerate(found):
                a = numpy_of(t)
                record.arrays[f"{key}|{what}{k}"] = np.array(a)
    record.entries[key] = entry


def record_family(torch: Any, family: str, rows: list[Row], everything: bool) -> int:
    """Bring one family's file up to date; returns how many cases were run."""
    record = Record(family)
    wanted = {f"{r.name}|{d}|{c}": (r, d, c, i) for r in rows for d in r.dtypes for c, i in cases(r)}
    ran = 0
    stale = set(record.entries) - set(wanted)
    for key, (row, dtype, case, inputs) in wanted.items():
        source = source_of(row)
        old = record.entries.get(key)
        if old and not everything and old["source"] == source and old["inputs"] == fingerprint(row.arrays(dtype, inputs, case)):
            continue
        forget(record, key)
        try:
            record_case(record, torch, row, dtype, case, inputs, source)
        except Exception as error:
            raise SystemExit(f"{family}: {row.name!r} {dtype} case {case or 'ordinary'!r}: {type(error).__name__}: {error}") from error
        ran += 1
    for key in stale:
        forget(record, key)
    if ran or stale:
        record.save()
    return ran


def forget(record: Record, key: str) -> None:
    """Drop one case."""
    record.entries.pop(key, None)
    for name in [n for n in record.arrays if n.startswith(key + "|")]:
        if name[len(key) + 1 :].rstrip("0123456789") in ("values", "first", "second"):
            del record.arrays[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY")
    parser.add_argument("--all", action="store_true", help="run every row again")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for family in options.families or family_names():
        rows = rows_of(family)
        print(f"{family}: {len(rows)} rows, {record_family(torch, family, rows, options.all)} cases recorded")


if __name__ == "__main__":
    main()
