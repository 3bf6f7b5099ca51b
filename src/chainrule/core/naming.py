"""How the public classes name themselves: as PyTorch's, so that a printed type reads the same."""

from __future__ import annotations


class TorchNamed(type):
    """Metaclass of public classes: their repr is PyTorch's, their `__module__` stays the one that pickle can import."""

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__qualname__}'>"


def type_name(value: object) -> str:
    """The name by which PyTorch's argument errors call the type of `value` (`str`, `torch.dtype`, ...).

    >>> type_name("float32")
    'str'
    """
    kind = type(value)
    if type(kind) is TorchNamed:
        return f"torch.{kind.__name__}"
    return f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__


def argument_error(function: str, argument: str, expected: str, value: object, position: int | None = None) -> TypeError:
    """PyTorch's TypeError for an argument of the wrong type; `position` counts from 1 and is named only if given."""
    where = "" if position is None else f" (position {position})"
    return TypeError(f"{function}(): argument '{argument}'{where} must be {expected}, not {type_name(value)}")


def closed(name: str) -> TypeError:
    """The refusal to subclass a closed class."""
    return TypeError(f"type 'torch.{name}' is not an acceptable base type")


def immutable(name: str, attribute: str) -> AttributeError:
    """The refusal to write an attribute of an immutable object."""
    return AttributeError(f"attribute '{attribute}' of 'torch.{name}' objects is not writable")
