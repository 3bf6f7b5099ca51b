"""The Tensor: a value, a place on the tape, and the names that the operations give it.

This module holds what a tensor *is*.  What it can *do* is declared with the operations, which attach their methods here
(``core`` imports nothing of ``ops``); ``methods.pyi`` beside this file lists all of them for type checkers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .dtype import FROM_NUMPY, dtype
from .inference import refuse_requires_grad
from .node import LEAF, Slot
from .size import Size, size_of
from .value import Value

if TYPE_CHECKING:
    from .methods import Methods
else:
    Methods = object


class _TensorType(type):
    """``isinstance(x, Tensor)`` as usual; calling ``Tensor(...)`` is PyTorch's legacy constructor (set by ``ops``)."""

    legacy: Any = None

    def __call__(cls, *args: Any, **kw: Any) -> Any:
        return _TensorType.legacy(cls, args, kw)


new = object.__new__

# ``_flags`` of a tensor
MADE_WITHOUT_GRAD = 1  # a view that was taken while nothing was recorded
MULTI_OUTPUT = 2  # a view from an operation with several
UNTRACKED = 4  # ``.data``: writes to it are not noticed


class Tensor(Methods, metaclass=_TensorType):
    """A multi-dimensional array of one dtype that can record how it was computed.

    ``_value`` is a ``numpy.ndarray``, a NumPy scalar (0-d tensors that nothing aliases), or an interpreter's
    :class:`~chainrule.core.value.Value`.  ``_gn`` is ``None`` (no gradient), ``LEAF``, a node, or a node's slot.
    """

    is_leaf_edge = True
    is_slot = False
    __array_priority__ = 1000
    __hash__ = object.__hash__

    _value: Any
    _gn: Any = None
    _grad: Any = None
    _base: Any = None
    _replay: tuple[Any, ...] = ()
    _views: list[Any] | None = None
    _hooks: Any = None
    _post_hooks: Any = None
    _flags: int = 0
    _made: int = 0  # when a view was taken, on the tape's clock; kept only for those taken without gradient
    _name: str | None = None

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return size_of(self._value.shape)

    @property
    def dtype(self) -> dtype:
        """The element type."""
        value = self._value
        if isinstance(value, Value):
            return FROM_NUMPY[value.numpy_dtype]
        return FROM_NUMPY[value.dtype]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return int(self._value.ndim)

    def dim(self) -> int:
        """The number of dimensions."""
        return int(self._value.ndim)

    @property
    def requires_grad(self) -> bool:
        """True when operations on this tensor are recorded."""
        if self._gn is not None:
            return True
        if self._flags & MADE_WITHOUT_GRAD and self._base is not None and self._base._gn is not None:
            return True
        return isinstance(self._value, Value) and self._value.requires_grad

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        set_requires_grad(self, flag)

    @property
    def is_leaf(self) -> bool:
        """True for a tensor that no recorded operation made."""
        return self._gn is None or self._gn is LEAF

    @property
    def grad_fn(self) -> Any:
        """The node that made this tensor, or None for a leaf."""
        gn = self._gn
        if gn is None:
            if self._flags & MADE_WITHOUT_GRAD:
                self._told_without_grad()
            return self._value.inner_grad_fn if isinstance(self._value, Value) else None
        if gn is LEAF:
            return None
        return gn.node if gn.is_slot else gn.told()

    def _told_without_grad(self) -> None:
        """Refuse to name the history of a view taken without gradient once its base has one and has been written."""
        from .mutation import stale
        from .views import WITHOUT_GRAD

        base = self._base
        if base is not None and base._gn is not None and stale(self._value, self._made) is not None:
            raise RuntimeError(WITHOUT_GRAD.format("its base or another view of its base has been"))

    @property
    def output_nr(self) -> int:
        """Which output of its ``grad_fn`` this tensor is."""
        return self._gn.index if isinstance(self._gn, Slot) else 0


def wrap(value: Any) -> Tensor:
    """A plain tensor around a value."""
    out = new(Tensor)
    out._value = value
    return out


def wrap_with(value: Any, gn: Any) -> Tensor:
    """A tensor around a value at a place on the tape."""
    out = new(Tensor)
    out._value = value
    out._gn = gn
    return out


def set_requires_grad(tensor: Tensor, flag: bool) -> None:
    """``requires_grad = flag`` with PyTorch's two refusals."""
    gn = tensor._gn
    if flag:
        if gn is None:
            if tensor._flags:
                refuse_requires_grad(tensor)
            kind = tensor.dtype
            if not (kind.is_floating_point or kind.is_complex):
                raise RuntimeError("only Tensors of floating point dtype can require gradients")
            tensor._gn = LEAF
    elif gn is LEAF:
        del tensor._gn
    elif gn is not None:
        raise RuntimeError(
            "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
            "subgraph that doesn't require differentiation use var_no_grad = var.detach()."
        )


def materialise(tensor: Tensor) -> Any:
    """The tensor's value as memory that can be shared: a 0-d scalar becomes a 0-d array first."""
    value = tensor._value
    if isinstance(value, np.generic):
        from .mutation import carry

        array = np.array(value)
        carry(value, array)
        tensor._value = array
        return array
    return value
