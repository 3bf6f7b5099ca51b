"""Discrete Fourier transforms."""

from __future__ import annotations

from typing import Any

from .row import Input, Row, cplx, real

OPS = {"r": "fft_r2c", "ih": "fft_r2c", "ir": "fft_c2r", "h": "fft_c2r", "": "fft_c2c", "i": "fft_c2c"}


def row(kind: str, suffix: str, what: str, x: Input, **kw: Any) -> Row:
    name = f"{kind}fft{suffix}"
    return Row(f"{name} {what}", lambda T, x: getattr(T.fft, name)(x, **kw), (x,), op=OPS[kind])


ROWS = [
    *[row(k, "", "odd", cplx(2, 5)) for k in ("", "i", "ir", "h")],
    *[row(k, "", "odd real", real(2, 5)) for k in ("r", "ih", "")],
    *[row(k, "", "even longer", real(3, 4), n=6, dim=0, norm="ortho") for k in ("", "i", "r", "ih")],
    *[row(k, "", "even shorter", cplx(2, 6), n=4, norm="forward") for k in ("", "i", "ir", "h")],
    *[row(k, "", "odd points", cplx(2, 4), n=5) for k in ("ir", "h")],
    *[row(k, "2", "", cplx(2, 3, 4), norm="ortho") for k in ("", "i", "ir", "h")],
    *[row(k, "2", "", real(2, 3, 4)) for k in ("r", "ih")],
    *[row(k, "n", "", cplx(2, 3, 4), s=(3, 5), norm="forward") for k in ("", "i", "ir", "h")],
    *[row(k, "n", "", real(3, 2, 4), dim=(0, 2)) for k in ("r", "ih")],
    Row("fftshift", lambda T, x: (T.fft.fftshift(x), T.fft.ifftshift(x, dim=1)), (real(3, 4),), op="roll"),
    Row("fftfreq", lambda T: (T.fft.fftfreq(5, 0.5), T.fft.fftfreq(4), T.fft.rfftfreq(5, 2.0)), (), op="fft_c2c", differentiable=False),
]  # fmt: skip
