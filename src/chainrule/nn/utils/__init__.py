"""Helpers for parameters and gradients (``torch.nn.utils``)."""

from typing import Any

from . import rnn, stateless
from .clip_grad import clip_grad_norm, clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from .convert_parameters import parameters_to_vector, vector_to_parameters

__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm", "parameters_to_vector", "rnn",
    "stateless", "vector_to_parameters",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    from ...alias import missing_name

    raise missing_name(__name__, name)
