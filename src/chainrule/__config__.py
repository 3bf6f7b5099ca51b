"""``torch.__config__``: what this build is made of."""

from __future__ import annotations

import os
import platform

__all__ = ["parallel_info", "show"]


def show() -> str:
    """The parts that compute, one a line."""
    import ml_dtypes
    import numpy

    from chainrule import version
    from chainrule._blas import describe

    lines = [
        f"chainrule {version.chainrule}, with the API of PyTorch {version.pytorch}, built with:",
        f"  - Python {platform.python_version()}",
        f"  - NumPy {numpy.__version__}",
        f"  - ml_dtypes {ml_dtypes.__version__}",
        f"  - BLAS: {describe()}",
    ]
    return "\n".join(lines) + "\n"


def parallel_info() -> str:
    """How many threads compute, and what decides it."""
    from chainrule._blas import describe, get_num_threads
    from chainrule._quiet import get_num_interop_threads

    lines = [
        f"Matrix products ({describe()}):",
        f"\tget_num_threads() : {get_num_threads()}",
        "Operations:",
        f"\tget_num_interop_threads() : {get_num_interop_threads()}",
        f"Cores : {os.cpu_count()}",
        "Environment variables:",
    ]
    lines += [f"\t{name} : {os.environ.get(name, '[not set]')}" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")]
    return "\n".join(lines) + "\n"
