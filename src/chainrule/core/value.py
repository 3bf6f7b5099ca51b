"""What a tensor's value can be besides a NumPy array: an interpreter's value.

A raw value (``numpy.ndarray``, or a NumPy scalar for 0-d) has level 0.  Every transform that is open (``vmap``, ``jvp``,
``grad``) has a level of its own, greater than that of everything it encloses, and its values carry that number.  An
operation is interpreted by the value of the highest level among its arguments, which runs the operation again on what
it wraps; so transforms nest in any order and never mix up whose tangent or whose batch axis is whose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .op import Op
    from .tensor import Tensor


class Value:
    """Base of all interpreters' values.  ``shape`` and ``dtype`` are what the user of the transform sees."""

    __slots__ = ("level",)
    level: int
    memory: ClassVar[bool] = False  # the value stands for memory: it is written in place (``store``), and shared by aliases

    @property
    def shape(self) -> tuple[int, ...]:
        raise TypeError(f"{type(self).__name__} has no shape")

    @property
    def dtype(self) -> Any:
        """The NumPy dtype, wrapped so that it never compares as the dtype of a raw value (see ``apply.py``)."""
        return self

    @property
    def numpy_dtype(self) -> Any:
        raise TypeError(f"{type(self).__name__} has no dtype")

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def requires_grad(self) -> bool:
        """True when something inside is recorded on a tape of a lower level."""
        return False

    @property
    def inner_grad_fn(self) -> Any:
        """The node of that lower tape."""
        return None

    def tape_below(self, tensor: Tensor, cotangent: Any) -> tuple[Tensor, Any] | None:
        """The tensor of the level below, and its cotangent, on whose tape ``backward`` may go on."""
        return None

    def interpret(self, op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        """Apply ``op``; a Tensor, or a tuple of Tensors where the operation has several outputs."""
        raise TypeError(f"{type(self).__name__} does not interpret {op.name}")

    def under(self, tensor: Tensor) -> Tensor:
        """``tensor`` as derivative rules at this level see it: without this level's tape."""
        from .tensor import wrap

        return wrap(self)

    def lift(self, tensor: Tensor) -> Tensor:
        """The inverse of :meth:`under`."""
        return tensor

    def frozen(self) -> Value:
        """The value as it is now; itself unless it stands for memory."""
        return self

    def present(self) -> Any:
        """What a tensor holds now that is to have this value; itself unless it stood for memory that arrays have taken the place of."""
        return self

    def store(self, value: Any) -> None:
        """Of memory: become ``value``."""
        raise TypeError(f"{type(self).__name__} is no memory")

    def shares_memory(self, other: Any) -> bool:
        """Of memory: whether a write to ``other`` is a write to this."""
        return False

    def adopt(self, target: Tensor) -> Value:
        """Let raw memory that is to hold a value of this kind become memory of this kind."""
        raise TypeError(f"{type(self).__name__} is no memory")

    def accept_write(self, target: Tensor, operation: str) -> None:
        """Refuse, if need be, to become the value of ``target``, which is of a lower level."""

    def text(self, tensor: Tensor) -> str:
        """The repr of ``tensor``, whose value this is."""
        return f"{type(self).__name__}(shape={tuple(self.shape)}, dtype={tensor.dtype})"

    def row_major(self) -> bool:
        """Whether the memory that it stands for lies in the order of the dimensions: random numbers are drawn in that of memory."""
        return True

    def contiguous(self) -> bool:
        """Whether it is also all of that memory, or a part without gaps."""
        return self.row_major()

    def laid_out(self, strides: Any) -> Value:
        """The same value, in memory of dense strides."""
        return self

    def number(self) -> Any:
        """The one element as a Python number, or what passes for it."""
        return self.concrete("item").item()

    def concrete(self, what: str) -> Any:
        """The raw array behind, for ``what`` (``"item"``, ``"bool"``, ``"numpy"``); raises where there is none."""
        raise TypeError(f"{type(self).__name__} has no concrete value for {what}")


def indented(tensor: Tensor) -> str:
    """The repr of a tensor of the level below, as it stands inside that of the level above."""
    return "\n    " + repr(tensor).replace("\n", "\n    ") + "\n"


def interpreted(result: Any, wrap_one: Any) -> Any:
    """Wrap the one output or each of several."""
    if isinstance(result, (tuple, list)):
        return tuple([wrap_one(r) for r in result])
    return wrap_one(result)
