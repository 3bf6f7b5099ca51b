"""Automatic differentiation: ``backward``, ``grad``, the user's own functions, graph inspection and checks.

The names are those of https://docs.pytorch.org/docs/stable/autograd.html
"""

from typing import Any

from ..core.grad import backward, grad
from . import forward_ad, function, functional, grad_mode, graph
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .function import Function
from .grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled, set_multithreading_enabled
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .variable import Variable

__all__ = [
    "Function", "GradcheckError", "Variable", "backward", "detect_anomaly", "enable_grad", "forward_ad", "function", "functional", "grad",
    "grad_mode", "gradcheck", "gradgradcheck", "graph", "inference_mode", "no_grad", "profiler", "set_detect_anomaly", "set_grad_enabled",
    "set_multithreading_enabled",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "profiler":
        import importlib

        return importlib.import_module(".profiler", __name__)
    from ..alias import missing_name

    raise missing_name(__name__, name)
