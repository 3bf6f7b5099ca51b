"""``torch.backends.mkl``: whether NumPy's linear algebra is Intel's MKL."""

from __future__ import annotations

VERBOSE_OFF = 0
VERBOSE_ON = 1


def is_available() -> bool:
    from chainrule._blas import describe

    return "mkl" in describe().lower()


class verbose:
    """Asks MKL to print what it runs; its own variable MKL_VERBOSE does that for NumPy."""

    def __init__(self, enable: int) -> None:
        self.enable = enable

    def __enter__(self) -> verbose:
        return self

    def __exit__(self, *exc: object) -> None:
        return None
