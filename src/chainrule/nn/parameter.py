"""``Parameter`` and ``Buffer``: tensors that a module registers when they are assigned to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.node import LEAF
from ..core.tensor import Tensor, new


class _Kind(type(Tensor)):  # type: ignore[misc]
    """``Parameter(data)`` makes a parameter; it is not the legacy tensor constructor."""

    def __call__(cls, *args: Any, **kw: Any) -> Any:
        return cls.make(*args, **kw)


class Parameter(Tensor, metaclass=_Kind):
    """A tensor that is a module's parameter: a leaf that requires gradient, sharing the memory of ``data``.

    >>> import chainrule as torch
    >>> torch.nn.Parameter(torch.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    if TYPE_CHECKING:  # what the metaclass answers

        def __init__(self, data: Any = None, requires_grad: bool = True) -> None: ...

    @classmethod
    def make(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        """The constructor's work; ``data`` None gives an empty parameter."""
        if data is None:
            from ..ops.factories import empty

            data = empty(0)
        p = new(cls)
        p._value = data.detach()._value
        if requires_grad:
            if not (data.dtype.is_floating_point or data.dtype.is_complex):
                raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
            p._gn = LEAF
        return p

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    __str__ = __repr__

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        twin = type(self).make(self.data.clone(), self.requires_grad)
        memo[id(self)] = twin
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (_rebuild_parameter, (type(self), self.data, self.requires_grad))


def _rebuild_parameter(cls: Any, data: Any, requires_grad: bool) -> Any:
    return cls.make(data, requires_grad)


class _BufferKind(_Kind):
    """A buffer is a plain tensor with a mark, so that operations and copies of it are plain tensors too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferKind):
    """A tensor that is a module's buffer: state that is no parameter, in ``state_dict`` if ``persistent``."""

    persistent: bool

    if TYPE_CHECKING:  # what the metaclass answers

        def __init__(self, data: Any = None, *, persistent: bool = True) -> None: ...

    @classmethod
    def make(cls, data: Any = None, *, persistent: bool = True) -> Any:
        """The constructor's work; ``data`` None gives an empty buffer."""
        if data is None:
            from ..ops.factories import empty

            data = empty(0)
        b: Any = data.detach().requires_grad_(data.requires_grad)
        b.persistent = persistent
        b._is_buffer = True
        return b


class _Uninitialized:
    """What an uninitialised parameter and buffer have in common: no shape yet, but a dtype and a device."""

    cls_to_become: Any = None

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter (or tensor) of ``shape``, whose values are not set yet."""
        from ..ops.factories import empty

        me: Any = self
        made = empty(shape, device=me.data.device if device is None else device, dtype=me.data.dtype if dtype is None else dtype)
        me._value = made._value
        me.__class__ = self.cls_to_become

    @property
    def shape(self) -> Any:
        """RuntimeError: there is none."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in `load_state_dict` when trying"
            " to load an uninitialized parameter into an initialized one. Call `forward` to initialize the parameters before accessing"
            " their attributes."
        )

    def share_memory_(self) -> Any:
        """RuntimeError: there is no memory."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters before calling"
            " `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        me: Any = self
        if id(self) not in memo:
            memo[id(self)] = type(me).make(me.requires_grad, me.data.device, me.data.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        me: Any = self
        return (type(self), (me.requires_grad,))


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer has no shape yet."""
    return isinstance(param, _Uninitialized)


class UninitializedParameter(_Uninitialized, Parameter):  # type: ignore[metaclass]
    """A parameter whose shape the first input will tell; see :meth:`materialize`."""

    cls_to_become = Parameter

    @classmethod
    def make(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:  # type: ignore[override]
        """The constructor's work."""
        from ..ops.factories import empty

        p = new(cls)
        p._value = empty(0, device=device, dtype=dtype)._value
        p._gn = LEAF if requires_grad else None
        return p


class UninitializedBuffer(_Uninitialized, Tensor, metaclass=_Kind):  # type: ignore[metaclass]
    """A buffer whose shape the first input will tell."""

    cls_to_become = Tensor

    @classmethod
    def make(cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True) -> Any:
        """The constructor's work."""
        b = UninitializedParameter.make(requires_grad, device, dtype)
        b.__class__ = cls
        b.persistent = persistent
        b._is_buffer = True
        return b
