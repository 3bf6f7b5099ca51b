"""Composable function transforms, as ``torch.func``: they nest in any order.

>>> import chainrule as torch
>>> from chainrule.func import grad, vmap
>>> grad(lambda x: x ** 3)(torch.tensor(2.0))
tensor(12.)
>>> vmap(grad(torch.sin))(torch.zeros(3))
tensor([1., 1., 1.])
"""

from typing import Any

from .forward import jacfwd, jvp, linearize
from .functional import debug_unwrap, functional_call, functionalize, stack_module_state
from .reverse import grad, grad_and_value, hessian, jacrev, vjp
from .vmap import vmap

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "stack_module_state", "vjp", "vmap",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    from ..alias import missing_name

    raise missing_name(__name__, name)
