"""``chainrule doctor``: what is installed, what is fast and what is missing."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata

USAGE = """\
usage: chainrule doctor

Says which versions of chainrule and of what it stands on are installed, which BLAS library multiplies matrices on how
many threads, which vector instructions NumPy uses, and how to install what is missing.

options:
  -h, --help    show this text
"""

_OPTIONAL = [
    ("llvmlite", "llvmlite", "compiled training steps"),
    ("notebook", "nbformat", "chainrule run NOTEBOOK.ipynb"),
    ("notebook", "nbclient", "chainrule run NOTEBOOK.ipynb"),
    ("notebook", "ipykernel", "chainrule run NOTEBOOK.ipynb"),
    ("data", "scikit-learn", "the examples' data sets"),
    ("data", "tqdm", "progress bars"),
    ("viz", "matplotlib", "plots"),
    ("explain", "sympy", "closed forms of derivatives"),
    ("explain", "rich", "derivations in colour"),
    ("mpi", "mpi4py", "several processes"),
]


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _row(name: str, text: str) -> None:
    print(f"  {name:<20} {text}")


def _installed() -> None:
    from chainrule import version

    print("installed")
    _row("chainrule", f"{version.chainrule}, with the API of PyTorch {version.pytorch}")
    _row("Python", f"{platform.python_version()} ({platform.python_implementation()}, {platform.system()} {platform.machine()})")
    for name in ("numpy", "ml_dtypes", *[name for _, name, _ in _OPTIONAL]):
        found = _version(name)
        if found is not None:
            _row(name, found)
    torch = _version("torch")
    if torch is not None:
        _row("torch", f"{torch} (PyTorch itself; `chainrule run` and chainrule.as_torch() put chainrule in its place)")


def _fast() -> None:
    import numpy

    from chainrule import _blas

    config = numpy.show_config(mode="dicts") or {}
    simd = config.get("SIMD Extensions", {})
    threads, cores = _blas.get_num_threads(), os.cpu_count() or 1
    print("\nfast")
    _row("BLAS", f"{_blas.describe()}, {threads} of {cores} threads")
    _row("vectors", ", ".join([*simd.get("baseline", []), *simd.get("found", [])]) or "none beyond the baseline")
    if threads < cores:
        _row("", "more threads: chainrule.set_num_threads(n), or unset OMP_NUM_THREADS and OPENBLAS_NUM_THREADS")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_CORETYPE"):
        if name in os.environ:
            _row(name, os.environ[name])


def _missing() -> None:
    absent = [(extra, name, use) for extra, name, use in _OPTIONAL if _version(name) is None]
    if not absent:
        print("\nnothing is missing")
        return
    print("\nmissing")
    for extra, name, use in absent:
        command = "pip install llvmlite" if extra == "llvmlite" else f"pip install 'chainrule[{extra}]'"
        _row(name, f"{use}: {command}")


def main(args: Sequence[str]) -> int:
    """Print the report; gives the exit status."""
    if args and args[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if args:
        print(f"chainrule doctor: takes no arguments, not {args[0]!r}; see `chainrule doctor --help`", file=sys.stderr)
        return 2
    _installed()
    _fast()
    _missing()
    return 0
