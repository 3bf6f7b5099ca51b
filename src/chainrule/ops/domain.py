"""Which dtypes an operation refuses, in PyTorch's words.

``Op(check=…)`` takes what these make: a callable that gets the dtype after promotion (and the arguments) and raises, or
does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.dtype import BOOL, COMPLEX, FLOAT, INT, dtype

Check = Callable[[dtype, Any], None]


def unimplemented(kernel: str, *categories: int) -> Check:
    """Refuse dtypes of the ``categories`` as PyTorch does where it has no kernel for them."""

    def check(kind: dtype, args: Any) -> None:
        if kind.category in categories:
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{kind.scalar_name}'")

    return check


def refuse(category: int, message: str, error: type[Exception] = RuntimeError) -> Check:
    """Refuse dtypes of one category with this message."""

    def check(kind: dtype, args: Any) -> None:
        if kind.category == category:
            raise error(message)

    return check


def both(first: Check, second: Check) -> Check:
    """One check after the other."""

    def check(kind: dtype, args: Any) -> None:
        first(kind, args)
        second(kind, args)

    return check


def not_complex(kernel: str) -> Check:
    """No kernel for complex numbers."""
    return unimplemented(kernel, COMPLEX)


def real_numbers(kernel: str) -> Check:
    """Integers and floats only."""
    return unimplemented(kernel, BOOL, COMPLEX)


def floats(kernel: str) -> Check:
    """Real floats only."""
    return unimplemented(kernel, BOOL, INT, COMPLEX)


def whole(kernel: str) -> Check:
    """Integers and bool only."""
    return unimplemented(kernel, FLOAT, COMPLEX)
