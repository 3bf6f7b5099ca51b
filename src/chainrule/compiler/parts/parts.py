"""A function whose parts are compiled functions: calls run it with the effects that it has, and what is a program between them as one."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .plan import Block, Part, Plain, begun, parts, refined, replaced, told
from .source import Source, source_of
from .write import Writer

Compile = Callable[[Any, "Piece"], Any]


class Piece:
    """What a compiled part tells when it is none."""

    def __init__(self, whole: Parts, part: Part) -> None:
        self.whole = whole
        self.part = part

    def fails(self, reasons: list[tuple[str, str]]) -> None:
        """The part is no program: from the next call on it is cut smaller."""
        self.whole.cut(self.part, reasons)

    def left(self, reasons: list[tuple[str, str]]) -> None:
        """The part is another program at every call, and so would be what is smaller: from the next call on Python runs it."""
        self.whole.leave(self.part, reasons)


class Parts:
    """``function`` is the one that runs; ``compile`` makes a compiled function of a part's; ``reasons`` say where to cut to begin with."""

    def __init__(self, source: Source, compile: Compile, reasons: Sequence[tuple[str, str]] = ()) -> None:
        self.source = source
        self.compile = compile
        self.block: Block = begun(source.tree.body, source)
        self.reasons: list[tuple[str, str]] = []
        self.function: Any = source.function
        lines = self._lines(reasons)
        for part in [*parts(self.block)]:
            if any(part.lines[0] <= line <= part.lines[1] for line in lines):
                self._refine(part, lines)
        self._write()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def cut(self, part: Part, reasons: list[tuple[str, str]]) -> None:
        """Cut a part smaller."""
        self._exchange(part, reasons, lambda: refined(part, self._lines(reasons), self.source))

    def leave(self, part: Part, reasons: list[tuple[str, str]]) -> None:
        """Let Python run what is in a part."""
        self._exchange(part, reasons, lambda: [Plain(s, s) for s in part.statements])

    def _exchange(self, part: Part, reasons: list[tuple[str, str]], by: Callable[[], Block]) -> None:
        if not any(p is part for p in parts(self.block)):
            return  # another thread has
        self.reasons += [r for r in reasons if r not in self.reasons]
        self.block = replaced(self.block, part, by())
        self._write()

    def _lines(self, reasons: Sequence[tuple[str, str]]) -> set[int]:
        """The lines of the function that reasons are at."""
        file = self.source.function.__code__.co_filename
        at = [line.rpartition(":") for _, line in reasons]
        return {int(number) for name, _, number in at if name == file and number.isdigit()}

    def _refine(self, part: Part, lines: set[int]) -> None:
        self.block = replaced(self.block, part, refined(part, lines, self.source))

    def _write(self) -> None:
        """Write the function anew; what cannot be a part as it stands is cut until it can."""
        while True:
            writer = Writer(self.source, self.block)
            code, made = writer.written()
            if not writer.refused:
                break
            for part in writer.refused:
                self._refine(part, set())
        function = self.source.function
        around = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        for name, part, inner in made:
            if part.run is None:
                part.run = self.compile(self._function(inner, around, ()), Piece(self, part))
            around[name] = types.CellType(part.run)
        self.function = self._function(code, around, function.__defaults__)
        self.function.__kwdefaults__ = function.__kwdefaults__

    def _function(self, code: types.CodeType, around: dict[str, Any], defaults: Any) -> types.FunctionType:
        function = self.source.function
        made = types.FunctionType(
            code.replace(co_name=function.__code__.co_name), function.__globals__, function.__name__, defaults,
            tuple([around[n] for n in code.co_freevars]),
        )  # fmt: skip
        made.__qualname__ = function.__qualname__
        made.__module__ = function.__module__
        return made

    def parts(self) -> Iterator[Part]:
        return parts(self.block)

    def between(self) -> list[tuple[str, str]]:
        """What Python runs: (the statement, its line)."""
        file = self.source.function.__code__.co_filename
        return [(f"Python runs {text}", f"{file}:{line}") for text, line in told(self.block)]


class OfModule:
    """The call of a module whose ``forward`` runs part by part."""

    def __init__(self, module: Any, forward: Any, parts: Any) -> None:
        self.module = module
        self.forward = forward
        self.inner = parts

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from ...nn.modules.module import global_hooks

        module = self.module
        if module._hooked or global_hooks.any or getattr(module.forward, "__func__", None) is not self.forward:
            return module(*args, **kwargs)
        return self.inner(module, *args, **kwargs)

    def parts(self) -> Iterator[Part]:
        found: Iterator[Part] = self.inner.parts()
        return found

    def between(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = self.inner.between()
        return found


def parts_of(function: Any, compile: Compile, reasons: Sequence[tuple[str, str]] = ()) -> Callable[..., Any] | None:
    """What calls a function part by part, cut where ``reasons`` are to begin with; None where it cannot be cut."""
    if isinstance(function, types.MethodType):
        modules = sys.modules.get("chainrule.nn.modules.module")  # without it there are none
        if modules is not None and function.__func__ is modules.Module.__call__:
            module: Any = function.__self__
            forward = getattr(module.forward, "__func__", None)
            inner = None if forward is None else parts_of(forward, compile, reasons)
            return None if inner is None else OfModule(module, forward, inner)
        inner = parts_of(function.__func__, compile, reasons)
        return None if inner is None else types.MethodType(inner, function.__self__)
    source = source_of(function)
    return None if source is None else Parts(source, compile, reasons)
