"""Recording on and off: ``no_grad``, ``enable_grad``, ``set_grad_enabled``, ``inference_mode``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .inference import ACTIVE
from .modes import MODES, UNUSUAL, is_grad_enabled, is_inference_mode_enabled

_GENERATOR = 0x20  # code flags of generator functions, as in inspect (which costs 10 ms to import)


class _Scope:
    """A context manager that is also a decorator of functions, generator functions and classes' methods."""

    __slots__ = ()

    def again(self) -> Any:
        """A fresh scope like this one: a decorated function may be running several times at once."""
        return type(self)()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        from functools import update_wrapper

        again = self.again
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & _GENERATOR:

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                return _generate(function(*args, **kwargs), again)

        else:

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with again():
                    return function(*args, **kwargs)

        return update_wrapper(wrapper, function)


def _generate(generator: Any, again: Callable[[], Any]) -> Any:
    """Run ``generator`` inside the scope, and its consumer outside of it."""
    try:
        with again():
            answer = next(generator)
        while True:
            try:
                sent = yield answer
            except GeneratorExit:
                with again():
                    generator.close()
                raise
            except BaseException as error:
                with again():
                    answer = generator.throw(error)
            else:
                with again():
                    answer = generator.send(sent)
    except StopIteration as stop:
        return stop.value


class _NoArguments(_Scope):
    """Scopes that decorate with and without parentheses."""

    __slots__ = ("_before",)

    def __new__(cls, orig_func: Callable[..., Any] | None = None) -> Any:
        made = object.__new__(cls)
        return made if orig_func is None else made(orig_func)


class no_grad(_NoArguments):
    """Operations are not recorded: ``with no_grad():``, ``@no_grad()`` or ``@no_grad``.

    >>> import chainrule as torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> with torch.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    __slots__ = ()

    # MODES.grad without its property, which costs more than all of the rest.
    def __enter__(self) -> None:
        before = self._before = MODES._grad
        if before:
            MODES._grad = False
            UNUSUAL.append(None)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._before and not MODES._grad:
            MODES._grad = True
            UNUSUAL.pop()
        else:
            MODES.grad = self._before


class enable_grad(_NoArguments):
    """Operations are recorded again, inside a ``no_grad``.

    >>> import chainrule as torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> with torch.no_grad(), torch.enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """

    __slots__ = ()

    def __enter__(self) -> None:
        self._before = MODES.grad
        MODES.grad = True

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        MODES.grad = self._before


class set_grad_enabled(_Scope):
    """Recording on or off by ``mode``: at once when called, and undone at the end of a ``with`` block.

    >>> import chainrule as torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> with torch.set_grad_enabled(False):
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    __slots__ = ("_before", "mode")

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}")
        self._before = MODES.grad
        self.mode = mode
        MODES.grad = mode

    def again(self) -> Any:
        return set_grad_enabled(self.mode)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        MODES.grad = self._before  # a decorator's argument is for the function, not for what follows it
        return super().__call__(function)

    def __enter__(self) -> None:
        MODES.grad = self.mode

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        MODES.grad = self._before

    def __repr__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"

    def clone(self) -> set_grad_enabled:
        """A new scope of the same mode."""
        return set_grad_enabled(self.mode)


class inference_mode(_Scope):
    """As ``no_grad``; what is made inside is never recorded later either.  ``mode=False`` leaves an outer one.

    >>> import chainrule as torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> with torch.inference_mode():
    ...     y = x * 2
    >>> y.requires_grad, y.is_inference()
    (False, True)
    """

    __slots__ = ("_before", "mode")
    mode: bool

    def __new__(cls, mode: Any = True) -> Any:
        made = object.__new__(cls)
        if isinstance(mode, bool):
            made.mode = mode
            return made
        made.mode = True
        return made(mode)

    def again(self) -> Any:
        return inference_mode(self.mode)

    def __enter__(self) -> None:
        self._before = (MODES.grad, MODES.inference)
        MODES.grad = not self.mode
        MODES.inference = self.mode
        ACTIVE.change(1)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        MODES.grad, MODES.inference = self._before
        ACTIVE.change(-1)

    def clone(self) -> inference_mode:
        """A new scope of the same mode."""
        made: inference_mode = inference_mode(self.mode)
        return made


class set_multithreading_enabled(_Scope):
    """Whether backward may use several threads; it is remembered, and backward here always uses one."""

    __slots__ = ("_before", "mode")

    def __init__(self, mode: bool) -> None:
        self._before = MODES.multithreading
        self.mode = mode
        MODES.multithreading = mode

    def again(self) -> Any:
        return set_multithreading_enabled(self.mode)

    def __enter__(self) -> None:
        MODES.multithreading = self.mode

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        MODES.multithreading = self._before


__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]
