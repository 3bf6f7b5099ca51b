"""Fit the polynomials of the compiler's vector math and write them out: ``python tools/fit_vmath.py``.

Each is a minimax fit (Remez's exchange on a fine grid, 50 digits) of what the formulas in ``compiler/native/vmath_*.py`` leave
to a polynomial.  A row says: the name, the function that is fitted, its interval, the degree for float32 and for float64
(None: not used), and what an error is weighed with, so that the largest relative error of the final result is least.
Needs mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np

mp.mp.dps = 50
TARGET = Path(__file__).parents[1] / "src/chainrule/compiler/native/vmath_tables.py"

HEAD = '''"""Coefficients of the vector functions' polynomials, the highest power first; ``tools/fit_vmath.py`` makes this file.

The comment behind a name is the largest weighed error of the fit.
"""

from __future__ import annotations

POLYNOMIALS: dict[tuple[str, str], tuple[float, ...]] = {
'''


def remez(values: list[Any], points: list[Any], weights: list[Any], degree: int) -> tuple[list[Any], Any]:
    """The polynomial (lowest power first) with the least largest weighed error on the points, and that error."""
    n = degree + 2
    size = len(points)
    chosen = [round((size - 1) * (1 - np.cos(np.pi * k / (n - 1))) / 2) for k in range(n)]
    for _ in range(40):
        rows = [[points[i] ** p for p in range(degree + 1)] + [(-1) ** k / weights[i]] for k, i in enumerate(chosen)]
        solved = mp.lu_solve(mp.matrix(rows), mp.matrix([values[i] for i in chosen]))
        coefficients = [solved[p] for p in range(degree + 1)]
        level = abs(solved[degree + 1])
        errors = [w * (mp.polyval(coefficients[::-1], x) - v) for x, v, w in zip(points, values, weights, strict=True)]
        peaks = extremes(errors, n)
        if len(peaks) < n or max(abs(e) for e in errors) <= level * 1.01:
            break
        chosen = peaks
    return coefficients, max(abs(e) for e in errors)


def extremes(errors: list[Any], count: int) -> list[int]:
    """Where the error is largest between its changes of sign, ``count`` of them that alternate."""
    peaks: list[int] = []
    for i, e in enumerate(errors):
        if peaks and (e >= 0) == (errors[peaks[-1]] >= 0):
            if abs(e) > abs(errors[peaks[-1]]):
                peaks[-1] = i
        else:
            peaks.append(i)
    while len(peaks) > count:
        peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
    return peaks


def fit(function: Callable[[Any], Any], low: Any, high: Any, degree: int, weight: Callable[[Any], Any]) -> tuple[list[Any], Any]:
    size = 60 * (degree + 2)
    middle, half = (mp.mpf(low) + high) / 2, (mp.mpf(high) - low) / 2
    points = [middle - half * mp.cos(mp.pi * (k + mp.mpf("0.5")) / size) for k in range(size)]
    weights = [mp.mpf(weight(x)) for x in points]
    top = max(weights)
    return remez([function(x) for x in points], points, [max(w, top / 1000) for w in weights], degree)


def of_square(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of x as one of z = x²."""
    return lambda z: f(mp.sqrt(z))


LN2, SQ = mp.log(2), mp.sqrt(2)
Q = mp.pi / 4
S = (SQ - 1) / (SQ + 1)


def erfcx(q: Any) -> Any:
    """exp(x²) erfc(x) (1 + 2x) of q = (x - 4) / (x + 4)."""
    x = 4 * (1 + q) / (1 - q)
    return mp.exp(x * x) * mp.erfc(x) * (1 + 2 * x)


ROWS: list[tuple[str, Callable[[Any], Any], Any, Any, int | None, int | None, Callable[[Any], Any]]] = [
    ("exp", lambda r: (mp.exp(r) - 1 - r) / r**2, -LN2 / 2 * mp.mpf("1.001"), LN2 / 2 * mp.mpf("1.001"), 5, 10, lambda r: abs(r)),
    ("log", lambda f: (mp.log1p(f) - f + f * f / 2) / f**3, 1 / SQ - 1, SQ - 1, 8, None, lambda f: f * f),
    ("log_z", of_square(lambda s: (2 * mp.atanh(s) / s - 2) / (s * s)), 0, S * S, None, 6, lambda z: z),
    ("log_tail", of_square(lambda s: (2 * mp.atanh(s) - 2 * s - 2 * s**3 / 3) / s**5), 0, S * S, None, 7, lambda z: z * z),
    ("sin", of_square(lambda x: (mp.sin(x) - x) / x**3), 0, (Q * mp.mpf("1.001")) ** 2, 3, 5, lambda z: z),
    ("cos", of_square(lambda x: (mp.cos(x) - 1 + x * x / 2) / x**4), 0, (Q * mp.mpf("1.001")) ** 2, 2, 5, lambda z: z * z),
    ("tanh", of_square(lambda x: (mp.tanh(x) - x) / x**3), 0, mp.mpf("0.625") ** 2, 4, None, lambda z: z),
    ("sinh", of_square(lambda x: (mp.sinh(x) - x) / x**3), 0, 1, None, 7, lambda z: z),
    ("asin", of_square(lambda x: (mp.asin(x) - x) / x**3), 0, mp.mpf("0.25"), None, 12, lambda z: z),
    ("atan", of_square(lambda x: (mp.atan(x) - x) / x**3), 0, mp.mpf("0.17158"), None, 10, lambda z: z),
    ("erf", of_square(lambda x: mp.erf(x) / x - 1), 0, 1, 6, 11, lambda z: 1),
    ("erf_log", lambda t: mp.log(mp.erfc(t)) / t + 1, mp.mpf("0.9"), mp.mpf("4.05"), 6, None, lambda t: t * mp.erfc(t) / mp.erf(t)),
    ("erfcx", erfcx, mp.mpf("-0.78"), mp.mpf("0.751"), None, 22, lambda q: 1),
]

# In pieces around the multiples of a width, from 0 on: name, function, width, pieces, degree, and what of the function's value is taken
# off before the fit (a power of 2, whose product with anything is exact).  For float32: a register holds a coefficient of all pieces.
PIECES: list[tuple[str, Callable[[Any], Any], Any, int, int, Callable[[Any], Any]]] = [
    ("erf", lambda x: mp.erf(x) / x, mp.mpf("0.2578125"), 16, 5, lambda y: mp.mpf(2) ** mp.floor(mp.log(y * mp.mpf("1.4"), 2))),
]

# Numbers in parts: name, element, value, bits of every part but the last, number of parts.  Few bits make products with small whole
# numbers exact.
PARTS: list[tuple[str, str, Any, int, int]] = [
    ("ln2", "float", LN2, 15, 2),
    ("ln2", "double", LN2, 41, 2),
    ("log10_2", "float", mp.log(2) / mp.log(10), 15, 2),
    ("log10_2", "double", mp.log(2) / mp.log(10), 41, 2),
    ("log2_e", "float", 1 / LN2, 24, 2),
    ("log2_e", "double", 1 / LN2, 53, 2),
    ("log10_e", "float", 1 / mp.log(10), 24, 2),
    ("log10_e", "double", 1 / mp.log(10), 53, 2),
    ("half_pi", "float", mp.pi / 2, 24, 3),
    ("half_pi", "double", mp.pi / 2, 33, 3),
    ("half_pi_full", "double", mp.pi / 2, 53, 2),
    ("two_thirds", "double", mp.mpf(2) / 3, 53, 2),
]


def split(value: Any, element: str, bits: int, count: int) -> list[float]:
    out = []
    for k in range(count):
        width = bits if k < count - 1 else 24 if element == "float" else 53
        _, exponent = mp.frexp(value)
        scale = mp.mpf(2) ** (width - int(exponent))
        part = mp.nint(value * scale) / scale
        out.append(float(part))
        value -= part
    return out


def two_over_pi() -> list[int]:
    """64 zero bits and then the bits of 2/π, in words of 64."""
    mp.mp.dps = 500
    bits = int(mp.floor(2 / mp.pi * mp.mpf(2) ** 1216))
    return [0, *[(bits >> (1216 - 64 * (k + 1))) & (2**64 - 1) for k in range(19)]]


def in_pieces(function: Callable[[Any], Any], width: Any, count: int, degree: int, base: Callable[[Any], Any]) -> list[list[float]]:
    """What is taken off in each piece, then the coefficients of the rest, the highest power first; each for all pieces."""
    columns = []
    for k in range(count):
        middle = width * k
        off = base(function(middle + width / 1000))
        found, error = fit(lambda x: function(middle + x) - off, -width / 2 if k else 0, width / 2, degree, lambda x: 1)  # noqa: B023
        print("piece", k, mp.nstr(mp.log(error, 2), 4), flush=True)
        columns.append([float(off), *[float(np.float32(float(c))) for c in reversed(found)]])
    return [list(row) for row in zip(*columns, strict=True)]


def main() -> None:
    lines = []
    for name, function, low, high, single, double, weight in ROWS:
        for element, degree in (("float", single), ("double", double)):
            if degree is None:
                continue
            found, error = fit(function, low, high, degree, weight)
            numbers = [float(c) if element == "double" else float(np.float32(float(c))) for c in reversed(found)]
            lines.append(f'    ("{name}", "{element}"): (  # {mp.nstr(error, 2)}')
            lines += [f"        {c!r}," for c in numbers]
            lines.append("    ),")
            print(name, element, mp.nstr(mp.log(error, 2), 4), flush=True)
    pieces: list[str] = []
    for name, of_piece, width, count, degree, base in PIECES:
        pieces.append(f'    "{name}": (')
        for row in in_pieces(of_piece, width, count, degree, base):
            pieces += ["        (", *[f"            {c!r}," for c in row], "        ),"]
        pieces.append("    ),")
    parts = [f'    ("{name}", "{element}"): {tuple(split(value, element, bits, count))!r},' for name, element, value, bits, count in PARTS]
    words = [f"    0x{word:016X}," for word in two_over_pi()]
    text = [*lines, "}", "", "# What is taken off and the coefficients of the rest, by piece."]
    text += ["PIECES: dict[str, tuple[tuple[float, ...], ...]] = {", *pieces, "}"]
    text += ["", "# Numbers as sums of floats.", "PARTS: dict[tuple[str, str], tuple[float, ...]] = {", *parts, "}", ""]
    text += ["# 64 zero bits and then those of 2/π.", "TWO_OVER_PI = (", *words, ")", ""]
    TARGET.write_text(HEAD + "\n".join(text))


if __name__ == "__main__":
    main()
