"""The text of a tensor: values, line breaks and suffixes, over NumPy arrays and scalars.

Printing has three stages, one function each: `_corners` picks the values that are shown, `_columns` turns them into
cells of equal width, `_Grid` arranges the cells in brackets. `tensor_repr` puts prefix and suffixes around the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtype import bool_, complex64, complex128, float64, int64

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .dtype import dtype

    Raw = NDArray[Any] | np.generic

__all__ = ["get_printoptions", "item_format", "printoptions", "set_printoptions", "shows_dtype", "tensor_repr"]


_NAMES = ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")


class PrintOptions:
    """How tensors are printed: digits, when and how to summarise, line width, scientific notation (None: by the values)."""

    __slots__ = _NAMES

    def __init__(self) -> None:
        self.precision: int = 4
        self.threshold: float = 1000
        self.edgeitems: int = 3
        self.linewidth: int = 80
        self.sci_mode: bool | None = None


OPTIONS = PrintOptions()

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed; what is not given stays, except `sci_mode`, which goes back to None (by the values).

    `profile` ("default", "short" or "full") is applied first, so the other arguments refine it.

    >>> set_printoptions(precision=2)
    >>> tensor_repr(np.array([0.125, 3.0]))
    'tensor([0.12, 3.00])'
    >>> set_printoptions(profile="default")
    """
    chosen = dict(_PROFILES.get(profile, {})) if profile is not None else {}
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen.update((name, value) for name, value in given.items() if value is not None)
    for name, value in chosen.items():
        setattr(OPTIONS, name, value)
    OPTIONS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in force, under the names that `set_printoptions` takes.

    >>> get_printoptions()["linewidth"]
    80
    """
    return {name: getattr(OPTIONS, name) for name in _NAMES}


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """`set_printoptions(**options)` inside a with block; the options before it come back at its end.

    >>> with printoptions(sci_mode=True):
    ...     tensor_repr(np.array(1.5))
    'tensor(1.5000e+00)'
    """
    before = get_printoptions()
    try:
        set_printoptions(**options)
        yield
    finally:
        set_printoptions(**before)


def tensor_repr(
    value: Raw | None,
    *,
    dtype_name: str | None = None,
    suffixes: Sequence[str] = (),
    prefix: str = "tensor(",
    is_meta: bool = False,
    size: Sequence[int] | None = None,
) -> str:
    """PyTorch's repr of a tensor with this value (an array or NumPy scalar of any shape and dtype).

    `dtype_name` is given where the dtype is to be shown (see `shows_dtype`). `suffixes` follow it in their order
    (`requires_grad=True`, `grad_fn=<...>`, `tangent=...`). A meta tensor has no value: `None`, `is_meta=True` and its `size`.

    >>> tensor_repr(np.arange(3.0), suffixes=["requires_grad=True"])
    'tensor([0., 1., 2.], requires_grad=True)'
    """
    indent = len(prefix)
    if is_meta or value is None:
        tail = ["device='meta'", f"size={tuple(size or ())}"]
        text = "..."
    else:
        tail = [f"size={value.shape}"] if _needs_size(value) else []
        text = _values_text(value, indent) if value.size else "[]"
    if dtype_name is not None:
        tail.append(f"dtype={dtype_name}")
    tail.extend(suffixes)
    return _append(prefix + text, tail, indent) if tail else f"{prefix}{text})"


def shows_dtype(dtype: dtype, default: dtype, *, no_values: bool = False) -> bool:
    """Whether a repr names its dtype: where the printed values alone would not give it back under this default dtype.

    `no_values` is for empty and meta tensors, whose only unnamed dtype is the default.

    >>> shows_dtype(int64, float64), shows_dtype(complex64, float64), shows_dtype(int64, float64, no_values=True)
    (False, True, True)
    """
    if dtype is default:
        return False
    if no_values:
        return True
    return dtype not in (int64, bool_, complex128 if default is float64 else complex64)


def item_format(value: Raw, spec: str = "") -> str:
    """`format(tensor, spec)` for a 0-d value: that of its Python number, so every digit is printed.

    >>> item_format(np.float32(0.1)), item_format(np.float32(0.1), ".2f")
    ('0.10000000149011612', '0.10')
    """
    return format(value.item(), spec)


def _needs_size(value: Raw) -> bool:
    if not value.size:
        return value.ndim != 1
    return OPTIONS.edgeitems == 0


def _append(text: str, tail: list[str], indent: int) -> str:
    """`text` with the suffixes and its closing bracket; a suffix that would pass the line width starts a new line."""
    parts = [text]
    # Two columns beyond the last line: PyTorch keeps them free before the first break, and only there.
    used = len(text) - text.rfind("\n") + 1
    for suffix in tail:
        if used + len(suffix) + 2 > OPTIONS.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            used = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            used += len(suffix) + 2
    parts.append(")")
    return "".join(parts)


def _values_text(value: Raw, indent: int) -> str:
    """The bracketed values of a non-empty array."""
    if not value.ndim:
        return _columns(value)[0][0]
    if value.size <= OPTIONS.threshold:
        cells, width = _columns(value)
        return _Grid(cells, width, value.shape, value.size).text(0, indent)
    edge = OPTIONS.edgeitems
    if edge == 0:
        return "[...]"
    cells, width = _columns(_corners(value, edge))
    return _Grid(cells, width, value.shape, edge).text(0, indent)


def _corners(value: Raw, edge: int) -> NDArray[Any]:
    """The values that a summary shows: the first and last `edge` along every longer axis."""
    kept = [[*range(edge), *range(n - edge, n)] if n > 2 * edge else range(n) for n in value.shape]
    corners: NDArray[Any] = np.asarray(value)[np.ix_(*kept)]
    return corners


def _columns(shown: Raw) -> tuple[list[str], int]:
    """The padded text of every value, in row-major order, and its width."""
    kind = shown.dtype.kind
    if kind == "c":
        real, real_width = _float_column(_items(shown.real))
        imaginary, imaginary_width = _float_column(_items(shown.imag))
        cells = [x + y + "j" if y[0] == "-" else x + "+" + y + "j" for x, y in zip(real, map(str.lstrip, imaginary))]
        return cells, real_width + imaginary_width + 1
    if kind == "f":
        return _float_column(_items(shown))
    if kind == "V":  # ml_dtypes' floats: float32 holds them exactly and its items are Python floats
        return _float_column(_items(shown.astype(np.float32)))
    cells = list(map(str, _items(shown)))
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells], width


def _items(shown: Raw) -> list[Any]:
    dims = shown.ndim
    if dims == 1:
        items: list[Any] = shown.tolist()
        return items
    return shown.reshape(-1).tolist() if dims else [shown.item()]


def _float_column(items: list[float]) -> tuple[list[str], int]:
    """Cells for floats that share one notation, and the width they are padded to.

    Only finite nonzero values choose the notation and the width; without any, no column is kept.
    """
    magnitudes = [abs(x) for x in items if x and -inf < x < inf]
    if not magnitudes:
        return [format(x, "#.0f") for x in items], 1
    whole = all(map(float.is_integer, magnitudes))
    scientific = OPTIONS.sci_mode
    if scientific is None:
        high = max(magnitudes)
        low = min(magnitudes)
        scientific = high / low > 1000.0 or high > 1e8 or low < 1e-4
    if scientific:
        notation = f".{OPTIONS.precision}e"
    else:
        notation = "#.0f" if whole else f".{OPTIONS.precision}f"
    cells = [format(x, notation) for x in items]
    width = max([len(cell) for cell, x in zip(cells, items) if x and -inf < x < inf])
    return [cell.rjust(width) for cell in cells], width


class _Grid:
    """Cells in nested brackets: rows wrapped at the line width, blank lines between blocks.

    An axis of `shape` longer than twice `edge` has dots where the cells leave values out.
    """

    __slots__ = ("cells", "edge", "shape", "width")

    def __init__(self, cells: list[str], width: int, shape: tuple[int, ...], edge: int) -> None:
        self.cells = iter(cells)
        self.width = width
        self.shape = shape
        self.edge = edge

    def text(self, axis: int, indent: int) -> str:
        """The part of the grid from `axis` on, whose bracket opens at column `indent`; takes its cells from the front."""
        edge = self.edge
        elided = self.shape[axis] > 2 * edge
        count = 2 * edge if elided else self.shape[axis]
        below = len(self.shape) - 1 - axis
        if not below:
            parts = list(islice(self.cells, count))
            if elided:
                parts.insert(edge, " ...")
            return "[" + self._wrapped(parts, indent) + "]"
        parts = [self.text(axis + 1, indent + 1) for _ in range(count)]
        if elided:
            parts.insert(edge, "...")
        return "[" + ("," + "\n" * below + " " * (indent + 1)).join(parts) + "]"

    def _wrapped(self, parts: list[str], indent: int) -> str:
        room = OPTIONS.linewidth - indent
        cell = self.width + 2
        if len(parts) * cell <= room:
            return ", ".join(parts)
        per_line = max(1, int(room // cell))
        lines = [", ".join(parts[i : i + per_line]) for i in range(0, len(parts), per_line)]
        return (",\n" + " " * (indent + 1)).join(lines)
