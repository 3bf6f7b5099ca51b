"""How many threads NumPy's matrix products run on: asked of, and told to, the BLAS library behind NumPy."""

from __future__ import annotations

import ctypes
import glob
import os
from collections.abc import Callable
from typing import Any

# The names that builds of OpenBLAS, MKL and BLIS give the same pair of functions.
_GETTERS = (
    "scipy_openblas_get_num_threads64_",
    "scipy_openblas_get_num_threads",
    "openblas_get_num_threads64_",
    "openblas_get_num_threads",
    "MKL_Get_Max_Threads",
    "bli_thread_get_num_threads",
)
_SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
    "MKL_Set_Num_Threads",
    "bli_thread_set_num_threads",
)

_functions: tuple[Callable[[], int], Callable[[int], Any]] | None = None
_asked: int | None = None


def _candidates() -> list[str]:
    """The libraries to look into: those beside NumPy in its wheel, then those this process has mapped."""
    import numpy

    place = os.path.dirname(os.path.abspath(numpy.__file__))
    found: list[str] = []
    for folder in (os.path.join(os.path.dirname(place), "numpy.libs"), os.path.join(place, ".dylibs")):
        found += glob.glob(os.path.join(folder, "*blas*"))
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split()[-1] for line in maps if ".so" in line}
    except OSError:
        paths = set()
    names = ("blas", "mkl_rt", "blis")
    return found + sorted(p for p in paths if any(n in os.path.basename(p) for n in names))


def _find() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    global _functions
    if _functions is None:
        for path in _candidates():
            try:
                library = ctypes.CDLL(path)
            except OSError:
                continue
            for get, put in zip(_GETTERS, _SETTERS):
                if hasattr(library, get) and hasattr(library, put):
                    _functions = getattr(library, get), getattr(library, put)
                    return _functions
    return _functions


def get_num_threads() -> int:
    """The number of threads of a matrix product; what was last asked for, or the number of cores, where BLAS does not tell."""
    functions = _find()
    if functions is not None:
        return int(functions[0]())
    return _asked or os.cpu_count() or 1


def set_num_threads(n: int) -> None:
    global _asked
    _asked = n
    functions = _find()
    if functions is not None:
        functions[1](n)


def describe() -> str:
    """The library's name and version, as NumPy was built with it."""
    import numpy

    config = numpy.show_config(mode="dicts") or {}
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return " ".join(str(blas.get(k)) for k in ("name", "version") if blas.get(k)) or "unknown"
