"""Whether results are close, and what differs where they are not.

Source of tolerances and messages: https://docs.pytorch.org/docs/stable/testing.html
"""

from __future__ import annotations

import cmath
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.meta import Meta
from ..core.promotion import promote_types
from ..core.tensor import Tensor
from ..ops.compare import isclose
from ..ops.creation import as_tensor

Path = tuple[Any, ...]

#: (relative, absolute) by the dtype's name; of others equality is wanted
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex32": (1e-3, 1e-5),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}
_NUMBERS: dict[type, tuple[float, float]] = {float: _TOLERANCES["float64"], complex: _TOLERANCES["complex128"]}


@dataclass(frozen=True)
class _Options:
    allow_subclasses: bool
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool

    def tolerances(self, *defaults: tuple[float, float]) -> tuple[float, float]:
        """(relative, absolute): those that were given, or the largest of the defaults."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        relative, absolute = zip(*defaults, strict=True)
        return max(relative), max(absolute)


class _Mismatch(Exception):
    """What differs, and in which item."""

    def __init__(self, text: str, path: Path) -> None:
        where = "".join(f"[{k!r}]" for k in path)
        super().__init__(f"{text}\n\nThe failure occurred for item {where}" if path else text)


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None, atol: float | None = None,
    equal_nan: bool = False, check_device: bool = True, check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:  # fmt: skip
    """Raise AssertionError unless ``|actual - expected| <= atol + rtol * |expected|`` everywhere.

    Both are tensors, arrays, numbers, None, or sequences and mappings of these, of related types, shapes and dtypes.  Tolerances are given
    both or neither: they then depend on the dtype (float32: 1.3e-6 and 1e-5, float64: 1e-7 each, integers: 0).  Values that are not
    finite have to be equal; NaN is close to nothing but, with ``equal_nan``, NaN.  ``msg`` is said in place of what differs, or makes a
    text of it.  Raises TypeError for what cannot be compared, ValueError for one tolerance without the other.

    >>> import chainrule as torch
    >>> torch.testing.assert_close({"x": torch.tensor([1.0, 2.0])}, {"x": torch.tensor([1.0, 2.5])})
    Traceback (most recent call last):
        ...
    AssertionError: Tensor-likes are not close!
    <BLANKLINE>
    Mismatched elements: 1 / 2 (50.0%)
    Greatest absolute difference: 0.5 at index (1,) (up to 1e-05 allowed)
    Greatest relative difference: 0.20000000298023224 at index (1,) (up to 1.3e-06 allowed)
    <BLANKLINE>
    The failure occurred for item ['x']
    """
    if (rtol is None) != (atol is None):
        raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {'rtol' if rtol is None else 'atol'}.")
    options = _Options(allow_subclasses, rtol, atol, equal_nan, check_device, check_dtype, check_layout, check_stride)
    try:
        for compare in list(_pairs(actual, expected, (), options)):  # what differs in structure is told first
            compare()
    except _Mismatch as mismatch:
        text = str(mismatch)
    else:
        return
    raise AssertionError(text if msg is None else msg(text) if callable(msg) else msg)


def assert_allclose(
    actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = True, msg: str = ""
) -> None:
    """The older form of :func:`assert_close`: numbers and sequences count as tensors, dtypes may differ, NaN is close to NaN."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. Please use"
        " `torch.testing.assert_close()` instead. You can find detailed upgrade instructions in"
        " https://github.com/pytorch/pytorch/issues/61844.",
        FutureWarning,
        stacklevel=2,
    )
    tensors = [x if isinstance(x, Tensor) else as_tensor(x) for x in (actual, expected)]
    assert_close(*tensors, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True, check_dtype=False, msg=msg or None)


# -- structure ---------------------------------------------------------------------------------------------------------------


def _pairs(actual: Any, expected: Any, path: Path, options: _Options) -> Iterator[Callable[[], None]]:
    """The comparisons of all that two things hold."""
    if _both(actual, expected, Sequence) and not isinstance(actual, str) and not isinstance(expected, str):
        if len(actual) != len(expected):
            raise _Mismatch(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", path)
        for k in range(len(actual)):
            yield from _pairs(actual[k], expected[k], (*path, k), options)
    elif _both(actual, expected, Mapping):
        yield from _of_mappings(actual, expected, path, options)
    else:
        yield _comparison(actual, expected, path, options)


def _both(actual: Any, expected: Any, kind: Any) -> bool:
    return isinstance(actual, kind) and isinstance(expected, kind)


def _of_mappings(actual: Any, expected: Any, path: Path, options: _Options) -> Iterator[Callable[[], None]]:
    missing, more = expected.keys() - actual.keys(), actual.keys() - expected.keys()
    if missing or more:
        raise _Mismatch(
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {sorted(missing, key=repr)}\n"
            f"Additional keys in the actual mapping: {sorted(more, key=repr)}",
            path,
        )
    try:
        keys = sorted(actual)
    except TypeError:  # of kinds that have no order
        keys = list(actual)
    for key in keys:
        yield from _pairs(actual[key], expected[key], (*path, key), options)


def _comparison(actual: Any, expected: Any, path: Path, options: _Options) -> Callable[[], None]:
    if actual is None or expected is None:
        return lambda: _same(actual is expected, f"None mismatch: {actual} is not {expected}", path)
    if _both(actual, expected, (bool, np.bool_)):
        return lambda: _same(bool(actual) is bool(expected), f"Booleans mismatch: {bool(actual)} is not {bool(expected)}", path)
    if _both(actual, expected, (int, float, complex, np.number)):
        return lambda: _compare_numbers(actual, expected, path, options)
    alike = type(actual) is type(expected)
    if alike or (options.allow_subclasses and (isinstance(actual, type(expected)) or isinstance(expected, type(actual)))):
        first, second = _tensor(actual), _tensor(expected)
        if first is not None and second is not None:
            return lambda: _compare_tensors(first, second, path, options)
    raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")


def _same(holds: bool, text: str, path: Path) -> None:
    if not holds:
        raise _Mismatch(text, path)


def _tensor(x: Any) -> Any:
    """A tensor of what one can be made of."""
    if isinstance(x, Tensor):
        return x.detach()
    try:
        return None if isinstance(x, str) else as_tensor(x)
    except (TypeError, ValueError, RuntimeError):
        return None


# -- values ------------------------------------------------------------------------------------------------------------------


def _compare_numbers(actual: Any, expected: Any, path: Path, options: _Options) -> None:
    a, b = [x.item() if isinstance(x, np.number) else x for x in (actual, expected)]
    if options.check_dtype and type(a) is not type(b):
        raise _Mismatch(f"The (d)types do not match: {type(a)} != {type(b)}.", path)
    rtol, atol = options.tolerances(*[_NUMBERS.get(type(x), (0.0, 0.0)) for x in (a, b)])
    both_nan = a != a and b != b
    difference = abs(a - b)
    if a == b or (options.equal_nan and both_nan) or (cmath.isfinite(difference) and difference <= atol + rtol * abs(b)):
        return
    raise _Mismatch(_scalars(a, b, rtol, atol), path)


def _scalars(actual: Any, expected: Any, rtol: float, atol: float) -> str:
    difference = abs(actual - expected)
    relative = difference / abs(expected) if expected else float("inf")
    equality = rtol == atol == 0
    allowed = ["" if equality else f" (up to {t} allowed)" for t in (atol, rtol)]
    return (
        f"Scalars are not {'equal' if equality else 'close'}!\n\nExpected {expected} but got {actual}.\n"
        f"Absolute difference: {difference}{allowed[0]}\nRelative difference: {relative}{allowed[1]}"
    )


def _compare_tensors(actual: Any, expected: Any, path: Path, options: _Options) -> None:
    wanted = {"shape": True, "device": options.check_device, "dtype": options.check_dtype, "layout": options.check_layout}
    for name, counts in wanted.items():
        have = getattr(actual, name), getattr(expected, name)
        if counts and have[0] != have[1]:
            raise _Mismatch(f"The values for attribute '{name}' do not match: {have[0]} != {have[1]}.", path)
    strides = actual.stride(), expected.stride()
    if options.check_stride and strides[0] != strides[1]:
        raise _Mismatch(f"The values for attribute 'stride()' do not match: {strides[0]} != {strides[1]}.", path)
    if isinstance(actual._value, Meta) or isinstance(expected._value, Meta):
        return
    rtol, atol = options.tolerances(*[_TOLERANCES.get(t.dtype.name, (0.0, 0.0)) for t in (actual, expected)])
    kind = promote_types(actual.dtype, expected.dtype)
    actual, expected = actual.to(kind), expected.to(kind)
    matches = isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
    if bool(matches.all()):
        return
    if not actual.ndim:
        raise _Mismatch(_scalars(actual.item(), expected.item(), rtol, atol), path)
    raise _Mismatch(_elements(actual, expected, matches, rtol, atol), path)


def _elements(actual: Any, expected: Any, matches: Any, rtol: float, atol: float) -> str:
    total = matches.numel()
    wrong = total - int(matches.sum())
    if not (actual.dtype.is_floating_point or actual.dtype.is_complex):
        actual, expected = actual.long(), expected.long()  # differences of small integers are not small ones
    difference = (actual - expected).abs()
    relative = difference / expected.abs()
    equality = rtol == atol == 0
    lines = [f"Tensor-likes are not {'equal' if equality else 'close'}!\n", f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})"]
    for name, values, tolerance in (("absolute", difference, atol), ("relative", relative, rtol)):
        values = values.masked_fill(matches, 0)
        place = int(values.argmax())  # of NaN the first, if there is one
        index = tuple([int(k) for k in np.unravel_index(place, tuple(values.shape))])
        allowed = "" if equality else f" (up to {tolerance} allowed)"
        lines.append(f"Greatest {name} difference: {values.flatten()[place].item()} at index {index}{allowed}")
    return "\n".join(lines)


__all__ = ["assert_allclose", "assert_close"]
