"""Helpers for parameters and gradients (``torch.nn.utils``)."""

from typing import Any

from . import rnn, stateless
from .clip_grad import clip_grad_norm, clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from .convert_parameters import parameters_to_vector, vector_to_parameters

__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm", "parameters_to_vector", "rnn",
    "stateless", "vector_to_parameters",
]  # fmt: skip


# What stands on the modules loads at first use: modules stand on this package.
_LATER = {
    "parametrizations": "", "parametrize": "", "prune": "", "remove_spectral_norm": "_spectral_norm", "remove_weight_norm": "_weight_norm",
    "skip_init": "_skip", "spectral_norm": "_spectral_norm", "weight_norm": "_weight_norm",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    import importlib

    home = _LATER.get(name)
    if home is not None:
        found = importlib.import_module(f"{__name__}.{home or name}")
        globals()[name] = found = getattr(found, name) if home else found
        return found
    from ...alias import missing_name

    raise missing_name(__name__, name)
