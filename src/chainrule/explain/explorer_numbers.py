"""Arrays in a few numbers: what the explorer's page knows of values and gradients.

A page holds no arrays but small ones.  A summary is a list: the index of dtype and shape, then numbers that depend on
the level of detail.  JSON has no NaN and no infinities, so these are the texts ``nan``, ``inf`` and ``-inf``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

FULL, STATISTICS, BRIEF = 0, 1, 2
SHOWN_CELLS = 64  # an array of at most so many elements is shown whole
BINS = 24


def number(x: Any, digits: int = 5) -> Any:
    """A number as JSON holds it, rounded to some significant digits."""
    if isinstance(x, (complex, np.complexfloating)):
        return f"{x.real:.{digits}g}{x.imag:+.{digits}g}j"
    if isinstance(x, (bool, np.bool_, int, np.integer)):
        return int(x)
    x = float(x)
    if not math.isfinite(x):
        return str(x)
    short = float(f"{x:.{digits}g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short


class Numbers:
    """The table of summaries that a page is given."""

    def __init__(self, detail: int = FULL) -> None:
        self.detail = detail
        self.kinds: dict[tuple[np.dtype[Any], tuple[int, ...]], int] = {}
        self.rows: list[list[Any]] = []
        self.cells: dict[int, Any] = {}
        self.histograms: dict[int, Any] = {}
        self._short: dict[tuple[int, Any], int] = {}  # rows of two entries, each once

    def kind(self, value: Any) -> int:
        """The number of a dtype with a shape."""
        return self.kinds.setdefault((value.dtype, value.shape), len(self.kinds))

    def add(self, value: Any) -> int:
        """The row of an array's summary, -1 for what is no array.

        Of one element: ``[kind, element]``.  Of several: ``[kind, rms]``, and with more detail ``[kind, rms, mean,
        standard deviation, least, greatest, zeros, NaNs, infinities]`` over the finite elements.
        """
        if not isinstance(value, (np.ndarray, np.generic)):
            return -1
        kind = self.kind(value)
        digits = 5 if self.detail < BRIEF else 3
        if value.size == 1:
            return self._short_row(kind, number(value.item(), digits))
        numbers = magnitudes(value)
        if self.detail == BRIEF:
            return self._short_row(kind, number(rms(numbers), digits))
        at = len(self.rows)
        row: list[Any] = [kind]
        self.rows.append(row)
        self._statistics(row, numbers)
        if self.detail == FULL:
            self._whole(at, value, numbers)
        return at

    def _short_row(self, kind: int, entry: Any) -> int:
        found = self._short.setdefault((kind, entry), len(self.rows))
        if found == len(self.rows):
            self.rows.append([kind, entry])
        return found

    def _statistics(self, row: list[Any], x: Any) -> None:
        if not x.size:
            row += [0, 0, 0, 0, 0, 0, 0, 0]
            return
        finite = np.isfinite(x)
        bad = x.size - int(finite.sum())
        y = x if not bad else x[finite]
        row.append(number(rms(x)))
        row += [number(f(y)) for f in (np.mean, np.std, np.min, np.max)] if y.size else ["nan"] * 4
        nans = int(np.isnan(x).sum()) if bad else 0
        row += [x.size - int(np.count_nonzero(x)), nans, bad - nans]

    def _whole(self, at: int, value: Any, numbers: Any) -> None:
        if value.size <= SHOWN_CELLS:
            self.cells[at] = [number(c, 4) for c in value.reshape(-1)]
        if value.size > 8:
            finite = numbers[np.isfinite(numbers)]
            # A spread below the spacing of the floats has no bins.
            if finite.size and (span := float(finite.max()) - float(finite.min())) > 0 and math.isfinite(span):
                try:
                    counts, edges = np.histogram(finite, BINS)
                except ValueError:
                    return
                self.histograms[at] = [number(edges[0]), number(edges[-1]), *[int(c) for c in counts]]

    def table(self) -> dict[str, Any]:
        """What goes to the page."""
        kinds = [[str(dtype), list(shape)] for dtype, shape in self.kinds]
        return {"kinds": kinds, "rows": self.rows, "cells": self.cells, "histograms": self.histograms}


def magnitudes(value: Any) -> Any:
    """The elements as a flat array of real doubles; complex numbers by their absolute values."""
    flat = np.asarray(value).reshape(-1)
    if flat.dtype.kind == "c":
        flat = np.abs(flat)
    return flat.astype(np.float64)


def rms(x: Any) -> float:
    """The root of the mean square: a magnitude that does not grow with the number of elements."""
    if not x.size:
        return 0.0
    with np.errstate(all="ignore"):
        square = float(np.dot(x, x))
        if 1e-290 < square < 1e290 or not np.isfinite(x).all():
            return math.sqrt(square / x.size) if square == square else math.nan
        top = float(np.abs(x).max())  # squares that are out of the range of floats
        return top * math.sqrt(float(np.mean((x / top) ** 2))) if top else 0.0
