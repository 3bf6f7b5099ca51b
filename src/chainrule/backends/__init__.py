"""``torch.backends``: which libraries compute, and their switches.  NumPy computes here; the switches are kept."""

from __future__ import annotations

from typing import Any

from chainrule.alias import missing_name

_MODULES = (
    "cpu",
    "cuda",
    "cudnn",
    "cusparselt",
    "kleidiai",
    "mha",
    "miopen",
    "mkl",
    "mkldnn",
    "mps",
    "nnpack",
    "openmp",
    "opt_einsum",
    "quantized",
)

fp32_precision = "none"
_frozen = False


def flags_frozen() -> bool:
    return _frozen


def disable_global_flags() -> None:
    """Announce that the switches are set by ``flags(...)`` blocks only."""
    global _frozen
    _frozen = True


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        import importlib

        return importlib.import_module(f"chainrule.backends.{name}")
    raise missing_name(__name__, name)
