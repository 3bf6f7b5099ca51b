"""Discrete Fourier transforms (``torch.fft``).

``norm``: 'backward' (the default) divides inverse transforms by the number of points, 'forward' the others, 'ortho' both by its
square root.  ``n`` or ``s``: transform so many points, cut off or filled with zeros.
"""

from __future__ import annotations

from typing import Any

from ..core.dtype import get_default_dtype
from ..core.tensor import Tensor
from ..ops.factories import arange
from ..ops.fourier import frequencies, from_real, shifted, to_real, transform

_LAST_TWO = (-2, -1)


def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The spectrum of complex (or real) numbers along ``dim``.

    >>> import chainrule as torch
    >>> torch.fft.fft(torch.tensor([1.0, 0.0, 0.0, 0.0])).real
    tensor([1., 1., 1., 1.])
    """
    return transform("fft", input, n, dim, norm, True, out)  # type: ignore[no-any-return]


def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of :func:`fft`."""
    return transform("ifft", input, n, dim, norm, False, out)  # type: ignore[no-any-return]


def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The spectrum of real numbers along ``dim``: ``n // 2 + 1`` values, the others are their conjugates."""
    return from_real("rfft", input, n, dim, norm, True, out)  # type: ignore[no-any-return]


def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of :func:`rfft`; ``n`` is even unless given."""
    return to_real("irfft", input, n, dim, norm, False, out)  # type: ignore[no-any-return]


def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The real spectrum of numbers whose second half is the conjugate of the first."""
    return to_real("hfft", input, n, dim, norm, True, out)  # type: ignore[no-any-return]


def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of :func:`hfft`."""
    return from_real("ihfft", input, n, dim, norm, False, out)  # type: ignore[no-any-return]


def fft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`fft` in two dimensions."""
    return transform("fft2", input, s, dim, norm, True, out)  # type: ignore[no-any-return]


def ifft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`ifft` in two dimensions."""
    return transform("ifft2", input, s, dim, norm, False, out)  # type: ignore[no-any-return]


def rfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`rfft` in two dimensions."""
    return from_real("rfft2", input, s, dim, norm, True, out)  # type: ignore[no-any-return]


def irfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`irfft` in two dimensions."""
    return to_real("irfft2", input, s, dim, norm, False, out)  # type: ignore[no-any-return]


def hfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`hfft` in two dimensions."""
    return to_real("hfft2", input, s, dim, norm, True, out)  # type: ignore[no-any-return]


def ihfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`ihfft` in two dimensions."""
    return from_real("ihfft2", input, s, dim, norm, False, out)  # type: ignore[no-any-return]


def fftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`fft` in several dimensions: ``dim``, or the last ones that ``s`` has sizes for, or all."""
    return transform("fftn", input, s, dim, norm, True, out)  # type: ignore[no-any-return]


def ifftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`ifft` in several dimensions: ``dim``, or the last ones that ``s`` has sizes for, or all."""
    return transform("ifftn", input, s, dim, norm, False, out)  # type: ignore[no-any-return]


def rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`rfft` in several dimensions: ``dim``, or the last ones that ``s`` has sizes for, or all."""
    return from_real("rfftn", input, s, dim, norm, True, out)  # type: ignore[no-any-return]


def irfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`irfft` in several dimensions: ``dim``, or the last ones that ``s`` has sizes for, or all."""
    return to_real("irfftn", input, s, dim, norm, False, out)  # type: ignore[no-any-return]


def hfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`hfft` in several dimensions: ``dim``, or the last ones that ``s`` has sizes for, or all."""
    return to_real("hfftn", input, s, dim, norm, True, out)  # type: ignore[no-any-return]


def ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`ihfft` in several dimensions: ``dim``, or the last ones that ``s`` has sizes for, or all."""
    return from_real("ihfftn", input, s, dim, norm, False, out)  # type: ignore[no-any-return]


def fftfreq(n: int, d: float = 1.0, *, out: Tensor | None = None, **options: Any) -> Tensor:
    """The frequencies of the values of :func:`fft` of ``n`` points that are ``d`` apart.  ``options``: as of :func:`arange`."""
    return frequencies(arange(n, **{"dtype": get_default_dtype(), **options}), n, d, True, out)


def rfftfreq(n: int, d: float = 1.0, *, out: Tensor | None = None, **options: Any) -> Tensor:
    """The frequencies of the values of :func:`rfft` of ``n`` points that are ``d`` apart."""
    return frequencies(arange(n // 2 + 1, **{"dtype": get_default_dtype(), **options}), n, d, False, out)


def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The values in another order: the zero frequency in the middle."""
    return shifted(input, dim, False)


def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of :func:`fftshift`."""
    return shifted(input, dim, True)


__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "ihfft2",
    "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    from ..alias import missing_name

    raise missing_name(__name__, name)
