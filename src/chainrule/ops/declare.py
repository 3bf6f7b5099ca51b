"""How an operation becomes a public name: a function of the package, a method, an in-place method, an operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from ..core import apply
from ..core.inplace import inplace_of
from ..core.op import Op
from ..core.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:

    class Unary(Protocol):
        """The public function of one argument: a tensor for a tensor, an array for an array."""

        op: Op
        __name__: str

        @overload
        def __call__(self, input: Tensor, *, out: Tensor | None = None) -> Tensor: ...
        @overload
        def __call__(self, input: Any, *, out: Tensor | None = None) -> Any: ...

    class Binary(Protocol):
        """The public function of two arguments: a tensor where either is one."""

        op: Op
        __name__: str

        @overload
        def __call__(self, input: Tensor, other: Any, *, out: Tensor | None = None) -> Tensor: ...
        @overload
        def __call__(self, input: Any, other: Tensor, *, out: Tensor | None = None) -> Tensor: ...
        @overload
        def __call__(self, input: Any, other: Any, *, out: Tensor | None = None) -> Any: ...


def attach(function: Callable[..., Any] | property, name: str, *, inplace: bool = False, aliases: Sequence[str] = ()) -> None:
    """Make ``function`` the method ``name`` (and its aliases), and with ``inplace`` also ``name_``; a property its attribute."""
    for n in (name, *aliases):
        setattr(Tensor, n, function)
        if inplace:
            setattr(Tensor, n + "_", inplace_of(function, n + "_"))  # type: ignore[arg-type]


@overload
def method(function: F) -> F: ...
@overload
def method(*, inplace: bool = False, aliases: Sequence[str] = (), name: str | None = None) -> Callable[[F], F]: ...
def method(function: Any = None, *, inplace: bool = False, aliases: Sequence[str] = (), name: str | None = None) -> Any:
    """Decorator: the function is also a method of tensors, under its own name (or ``name``) and ``aliases``.

    @method(inplace=True)
    def addcmul(input, tensor1, tensor2, *, value=1): ...
    """

    def give(f: F) -> F:
        attach(f, name or f.__name__, inplace=inplace, aliases=aliases)
        return f

    return give(function) if function is not None else give


def unary(
    name: str,
    impl: Callable[..., Any],
    d: Callable[..., Any] | None,
    *,
    result: Any = "float",
    inplace: bool = True,
    aliases: Sequence[str] = (),
    node: str | None = None,
    check: Callable[[Any, Any], None] | None = None,
    method: bool = True,
    doc: str | None = None,
) -> Unary:
    """Declare an elementwise operation of one argument ``x``; returns the public function.

    ``d`` is the derivative rule, linear in its first parameter; ``None``: not differentiable.
    """
    op = Op(name, impl, kind="elementwise", d=None if d is None else [d], result=result, node=node, check=check)
    function: Any = apply.unary(op)
    function.op = op
    function.__doc__ = doc
    if method:
        attach(function, name, inplace=inplace, aliases=aliases)
    return function  # type: ignore[no-any-return]


def binary(
    name: str,
    impl: Callable[..., Any],
    d: Sequence[Callable[..., Any] | None] | None,
    *,
    result: Any = "same",
    operator: str | None = None,
    commutative: bool = False,
    inplace: bool = True,
    aliases: Sequence[str] = (),
    node: str | None = None,
    check: Callable[[Any, Any], None] | None = None,
    method: bool = True,
    doc: str | None = None,
) -> Binary:
    """Declare an elementwise operation of ``x`` and ``y``; returns the public function.

    ``operator='mul'`` also makes ``__mul__``, ``__rmul__`` and ``__imul__``.
    """
    op = Op(name, impl, kind="elementwise", args="x y", d=d, result=result, node=node, check=check)
    function: Any = apply.binary(op)
    function.op = op
    function.__doc__ = doc
    if method:
        attach(function, name, inplace=inplace, aliases=aliases)
    if operator is not None:
        forward = apply.binary(op, operator=True)
        setattr(Tensor, f"__{operator}__", forward)
        setattr(Tensor, f"__r{operator}__", forward if commutative else apply.binary(op, operator=True, reverse=True))
        if inplace:
            setattr(Tensor, f"__i{operator}__", inplace_of(function, f"{name}_"))
    return function  # type: ignore[no-any-return]
