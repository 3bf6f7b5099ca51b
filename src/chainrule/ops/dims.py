"""Reading the sizes and dimensions that shape operations are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.naming import argument_error, type_name
from ..core.size import Shape, normalize_dim, normalize_dims
from ..core.tensor import Tensor


def sizes(function: str, argument: str, given: tuple[Any, ...], position: int = 2) -> Shape:
    """``f(2, 3)`` or ``f((2, 3))``: a tuple of Python integers. TypeError for anything else."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    for n in given:
        if type(n) is not int:
            return tuple([_integer(function, argument, n, k, given, position) for k, n in enumerate(given)])
    return given


def _integer(function: str, argument: str, value: Any, k: int, given: tuple[Any, ...], position: int) -> int:
    if type(value) is not bool and isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, Tensor):
        return int(value.__index__())
    if k == 0:
        expected = "tuple of ints"
        raise argument_error(function, argument, expected, value, position)
    raise TypeError(
        f"{function}(): argument '{argument}' failed to unpack the object at pos {k + 1} with error"
        f' "type must be tuple of ints,but got {type_name(value)}"'
    )


def keyword(function: str, name: str, kw: dict[str, Any]) -> Any:
    """The one keyword that a function of several positional numbers takes in their place; TypeError for any other."""
    for given in kw:
        if given != name:
            raise TypeError(f"{function}() got an unexpected keyword argument '{given}'")
    return kw[name]


def index_of(function: str, argument: str, value: Any, position: int) -> int:
    """One integer argument; TypeError for what is none."""
    if type(value) is int:
        return value
    if type(value) is not bool and isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, Tensor) and value.dtype.category < 2 and not value.shape:
        return int(value.__index__())
    raise argument_error(function, argument, "int", value, position)


def one_dim(function: str, value: Any, ndim: int, argument: str = "dim", position: int = 2) -> int:
    """One dimension, counted from the front."""
    return normalize_dim(value if type(value) is int else index_of(function, argument, value, position), ndim)


def many_dims(function: str, value: Any, ndim: int, argument: str = "dim", position: int = 2) -> Shape:
    """Distinct dimensions (an int, a tuple, or None for all), counted from the front."""
    if value is None:
        return tuple(range(ndim))
    if isinstance(value, (tuple, list)):
        value = sizes(function, argument, (value,), position)
    else:
        value = (index_of(function, argument, value, position),)
    return normalize_dims(value, ndim)


def value_of(function: str, input: Any, argument: str = "input", position: int = 1) -> Any:
    """The value of a tensor argument; TypeError for what is no tensor."""
    if not isinstance(input, Tensor):
        raise argument_error(function, argument, "Tensor", input, position)
    return input._value
