"""``why(x)``: why the gradient of ``x`` is what it is."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.source import user_frame
from ..core.tensor import Tensor
from .explorer_names import names_in
from .why_none import Asked, why_none
from .why_report import Findings
from .why_watch import watch

__all__ = ["Why", "why"]


class Why:
    """``chainrule.why(x)`` answers why the gradient of ``x`` is missing, zero, not finite, vanishing or exploding.

    ``x`` is a tensor, or a module (all of its parameters); ``loss`` the tensor that backward is called on.  The answer is a
    list of findings that prints; each has ``kind``, ``text``, ``line`` (``file:line`` in the user's program, where it is
    known) and ``remedy``.  It reads the tape as it is; inside ``with chainrule.why.watch():`` lines and values are
    recorded, so that an answer after backward can name them.

    >>> import chainrule as torch
    >>> w = torch.tensor(2.0, requires_grad=True)
    >>> h = w * 3
    >>> h.backward()
    >>> w.grad = None
    >>> torch.why(w).kinds
    ['cleared']
    """

    watch = watch

    def __call__(self, x: Any, loss: Tensor | None = None) -> Findings:
        frame = user_frame()
        names = names_in(frame)
        if not isinstance(x, Tensor):
            if hasattr(x, "named_parameters"):
                from .why_scale import of_module

                return of_module(x, loss, frame, names)
            raise TypeError(f"why(): argument 'x' (position 1) must be Tensor or Module, not {type(x).__name__}")
        asked = Asked(x, loss, frame, names, watch.last)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            grad = x._grad
        if grad is None:
            if not x.is_leaf and loss is None and not _finite(x):
                from .why_nan import of_value

                return Findings(f"{asked.name} is not finite.", of_value(asked))
            return Findings(f"{asked.name}.grad is None.", why_none(asked))
        value = grad._value
        if not isinstance(value, (np.ndarray, np.generic)):
            return Findings(f"{asked.name}.grad is {grad}.")
        if not np.isfinite(value).all():
            from .why_nan import why_nan

            return Findings(f"{asked.name}.grad is {'NaN' if np.isnan(value).any() else 'infinite'}.", why_nan(asked))
        if value.size and not value.any():
            from .why_zero import why_zero

            return Findings(f"{asked.name}.grad is zero.", why_zero(asked))
        from .why_scale import why_scale

        return why_scale(asked, value)


def _finite(x: Tensor) -> bool:
    value = x._value
    return not isinstance(value, (np.ndarray, np.generic)) or value.dtype.kind not in "fc" or bool(np.isfinite(value).all())


why = Why()
