"""``compile``: a function that captures what it is called with, keeps programs by what they depend on, and runs them."""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from time import perf_counter
from typing import Any

from ..core.dtype import defaults
from ..core.modes import MODES, NESTED
from ..core.mutation import user_depth
from ..core.tensor import Tensor
from ..core.value import Value
from ..utils import _pytree as pytree
from .capture.capture import FIRST, capture
from .capture.earlier import UNCOMPILED
from .capture.first import FirstStep
from .capture.reads import CHANGES, Surroundings
from .capture.ready import Engine
from .capture.spots import Spot, differing, moves, without
from .capture.staged import WAYS, Missed, Ways
from .capture.trace import CALL
from .capture.turn import TURN
from .capture.variant import Variant, always
from .capture.window import layout
from .fast import MISS, PLAIN, Fast, Forms, fast
from .program.execute import prepare
from .program.ir import Program
from .state import LIVE, STANCE

LIMIT = 8  # programs a function, as torch._dynamo's recompile_limit
_TRIES = 3  # captures that end early before a function is left alone
_PASSING = (FIRST, UNCOMPILED)  # reasons that a second call may not have

RECOMPILE = "The shapes, the dtypes or something else that the function reads are not those that it was compiled for."


class Split(RuntimeError):
    """A function that was to be one program (``fullgraph=True``) is not."""


class _Kept:
    """A compiled form and what it depends on; ``fast`` tries a call first, once there has been a second one."""

    __slots__ = ("fast", "form", "made", "surroundings", "wait")

    def __init__(self, form: Variant | Ways, surroundings: Surroundings) -> None:
        self.form = form
        self.surroundings = surroundings
        self.fast: Forms | None = None
        self.made = 0  # how often: anew where a parameter got other memory, or a branch another way
        self.wait = 0  # calls that go the long way until the next time

    def due(self) -> bool:
        """Whether ``fast`` is to be written, for a call that it was not for: the more often it was, the rarer."""
        self.wait -= 1
        if self.wait > 0:
            return False
        self.made += 1
        self.wait = 1 << min(self.made - 4, 10) if self.made >= 4 else 1
        return True

    def variants(self) -> list[Variant]:
        """The forms, the latest first."""
        return self.form.variants if isinstance(self.form, Ways) else [self.form]

    def ready(self, tensors: list[Tensor]) -> Callable[[], Any] | None:
        """What runs a call with such tensors; None where this is not the form for it."""
        form = self.form
        if self.surroundings.changed():
            return None
        if isinstance(form, Variant):
            return functools.partial(form, tensors) if form.fits(tensors) else None
        try:
            variant, values = form.chosen(tensors)
        except Missed:
            return None
        return functools.partial(variant.run_from, tensors, values)

    def chosen(self, tensors: list[Tensor]) -> Variant:
        """The form for a call with such tensors."""
        self.surroundings.changed()  # which looks the numbers up that vary
        try:
            return self.form.chosen(tensors)[0] if isinstance(self.form, Ways) else self.form
        except Missed:
            return self.variants()[0]


class Compiled:
    """What :func:`compile` gives: called like the function, with its results and effects."""

    def __init__(self, function: Callable[..., Any], *, fullgraph: bool = False, engine: Engine | None = None, piece: Any = None) -> None:
        functools.update_wrapper(self, function, updated=())
        self.piece = piece  # told if this is a part of a function, and no program
        self.parts: Any = None  # what runs the function part by part, where it is no program
        self.function = function
        name = getattr(function, "__name__", "the function")
        self.called = type(getattr(function, "__self__", None)).__name__ if name == "__call__" else name
        self.fullgraph = fullgraph
        self.engine = engine or default_engine()
        self.kept: dict[Any, list[_Kept]] = {}
        self.reasons: list[tuple[str, str]] = []  # (why it is not one program, the user's line)
        self.splits: list[tuple[str, str]] = []  # where Python branches between programs
        self._failures: dict[Any, float] = {}
        self._count = 0
        self._warned = False
        self._fast: tuple[Fast, ...] = ()
        self._kind = type(self)
        self._places: dict[tuple[int, Any], Spot] = {}  # of numbers that have been seen to vary
        self.varying: set[int] = set()  # and which of the numbers among the arguments
        LIVE.add(self)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __reduce__(self) -> Any:
        """By its name where that is what the function's module calls it, else the function, to be compiled anew."""
        function = self.function
        named = getattr(sys.modules.get(getattr(function, "__module__", "")), getattr(function, "__qualname__", ""), None)
        return function.__qualname__ if named is self else (_anew, (function, self.fullgraph))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for attempt in self._fast:
            result = attempt(args, kwargs)
            if result is not MISS:
                return result
        return self._call(args, kwargs)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The long way: the form for these arguments is looked up, or made."""
        if MODES.recorder is not None or not TURN.take():  # part of a larger capture; or tensors have no values
            return self.function(*args, **kwargs)
        try:
            return self._looked_up(args, kwargs)
        finally:
            TURN.leave()

    def _looked_up(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tensors: list[Tensor] = []
        key = _key(args, kwargs, tensors)
        if key is None:
            return self.function(*args, **kwargs)
        stance = STANCE[0]
        if stance == "force_eager":
            return self.function(*args, **kwargs)
        full = key
        key, CALL.arguments = without(full, self.varying)
        among = self.kept.get(key, [])
        for kept in among:
            run = kept.ready(tensors)
            if run is None:
                continue
            if kept.due():
                kept.fast = fast(kept.form, kept.surroundings, args, kwargs, self, kept.made > 1)
                self._hurry()
            if isinstance(kept.form, Ways) and kept is not among[0]:
                among.insert(0, among.pop(among.index(kept)))  # what was taken last is tried first
            return run()
        if self.parts is not None and (key not in self.kept or self._failures.get(key, 0) >= _TRIES):
            return self.parts(*args, **kwargs)
        if self._failures.get(key, 0) >= _TRIES or (self.kept and stance == "eager_on_recompile"):
            return self.function(*args, **kwargs)
        if self.kept and stance == "fail_on_recompile":
            raise RuntimeError("Detected recompile when torch.compile stance is 'fail_on_recompile'. " + RECOMPILE)
        if self._vary(full):
            key, CALL.arguments = without(full, self.varying)
        return self._capture(key, args, kwargs, tensors)

    def _hurry(self) -> None:
        """Let calls begin with the fast functions; where there is one, of a small program, it is the ``__call__`` of a class of its own."""
        forms = [k.fast for among in self.kept.values() for k in among if k.fast is not None]
        self._fast = tuple([form.attempt for form in forms])
        call = forms[0].call if len(forms) == 1 else None
        about = {"__slots__": (), "__module__": __name__, "__doc__": Compiled.__doc__, "__call__": call}
        kind = self._kind
        self.__class__ = kind if call is None else type(kind.__name__, (kind,), about)

    def _vary(self, key: Any) -> bool:
        """Find the numbers among the arguments that are not what they were; whether there are any."""
        found = {n for known in self.kept for n in differing(known, key)} - self.varying
        self.varying |= found
        return bool(found)

    def _surroundings(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Surroundings:
        """What the function reads now, but for the numbers that vary."""
        objects = [a for a in pytree.tree_leaves((args, kwargs)) if not isinstance(a, (Tensor, *PLAIN))]
        found = Surroundings(self.function, self._places, objects)
        moved = {
            place: spot
            for among in self.kept.values()
            for kept in among
            for place, (spot, value) in found.numbers.items()
            if place not in self._places and place in (before := kept.surroundings.numbers) and moves(before[place][1], value)
        }
        if not moved:
            return found
        self._places |= moved
        return Surroundings(self.function, self._places, objects)

    def _capture(self, key: Any, args: Any, kwargs: Any, tensors: list[Tensor]) -> Any:
        full = any(len(k.variants()) >= WAYS and not k.surroundings.changed() for k in self.kept.get(key, ()))
        if full and self.splits:
            return self._too_many_ways(key, args, kwargs)
        self._leave_behind()
        if self._count >= LIMIT:
            self._thrashing(f"{LIMIT} kinds of arguments or surroundings and is called with another one")
            return self.function(*args, **kwargs)
        surroundings = self._surroundings(args, kwargs)
        if surroundings.why:
            return self._left_alone(key, [(why, "") for why in surroundings.why], args, kwargs)
        first = FirstStep(surroundings.optimizers)
        if first:
            surroundings = self._surroundings(args, kwargs)
        spots = [*[Spot(None, n) for n in sorted(self.varying)], *[self._places[p] for p in surroundings.numbers if p in self._places]]
        begun = perf_counter()
        try:
            found = capture(
                self.function,
                args,
                kwargs,
                surroundings.optimizers,
                self.engine,
                surroundings.changed,
                spots,
                not self.fullgraph,
                surroundings.tensors,
                None if self.piece is None else surroundings.found,
                surroundings.restore,
            )
        finally:
            first.end()
        captured = perf_counter() - begun
        why = list(found.why)
        if found.record is not None and first and surroundings.changed():  # what was made for a first step, and not used, is gone
            surroundings = self._surroundings(args, kwargs)
        if [w for w, _ in why] == [CHANGES] and self._failures.get(key, 0) == 0:
            self._failures[key] = 1  # a first call may make what later ones only use
            return found.result
        if found.record is None or why:
            self._failures[key] = self._failures.get(key, 0) + (0.25 if all(w in _PASSING for w, _ in why) else 1)
            self.reasons += [w for w in why if w not in self.reasons]
            if self.fullgraph and self._failures[key] >= _TRIES:
                raise Split(_told(self.reasons))
            if self._failures[key] > 1:
                self._no_program(why)
            return found.result
        self.splits += [s for s in found.splits if s not in self.splits]
        alike = [k for k in self.kept.get(key, ()) if k.surroundings.like(surroundings)]
        among = [k.form for k in alike if isinstance(k.form, Ways)]
        variant = Variant(found.record, tensors, self.engine, surroundings.tensors, among, found.holds)
        variant.seconds = {"capture": captured, **variant.seconds}
        self._keep(key, variant, surroundings, alike)
        return found.result

    def _keep(self, key: Any, variant: Variant, surroundings: Surroundings, alike: list[_Kept]) -> None:
        """Take up a form; ``alike`` are those with the same surroundings, one of which it may be another way of."""
        if variant.ways is None:
            if variant.holds is not always:
                surroundings.also(variant.holds)
            self.kept.setdefault(key, []).insert(0, _Kept(variant, surroundings))
            self._count += 1
            return
        kept = next((k for k in alike if k.form is variant.ways), None)
        if kept is None:
            kept = _Kept(variant.ways, surroundings)
            self.kept.setdefault(key, []).insert(0, kept)
            self._count += 1
        variant.ways.add(variant)
        kept.made = kept.wait = 0

    def _leave_behind(self) -> None:
        """Drop what can never be called again."""
        for key, among in [*self.kept.items()]:
            left = [k for k in among if not k.surroundings.gone()]
            self._count -= len(among) - len(left)
            among[:] = left
            if not left:
                del self.kept[key]

    def _too_many_ways(self, key: Any, args: Any, kwargs: Any) -> Any:
        """Branches go on in other ways: what has no program yet runs cut at them."""
        self._failures[key] = _TRIES
        self._no_program(self.splits)
        if self.parts is None and self.piece is None:
            self._thrashing(f"{WAYS} ways of its branches and goes another one")
        return (self.parts or self.function)(*args, **kwargs)

    def _left_alone(self, key: Any, why: list[tuple[str, str]], args: Any, kwargs: Any) -> Any:
        self._failures[key] = _TRIES
        self.reasons += [w for w in why if w not in self.reasons]
        if self.fullgraph:
            raise Split(_told(self.reasons))
        self._no_program(why)
        return (self.parts or self.function)(*args, **kwargs)

    def _no_program(self, why: list[tuple[str, str]]) -> None:
        """Go on part by part; a part is cut smaller."""
        if self.fullgraph:
            return
        if self.piece is not None:
            self.piece.fails(why)
        elif self.parts is None:
            from .parts.parts import parts_of

            begin = why if self.splits else []  # branches are known to be where to cut
            self.parts = parts_of(self.function, lambda function, piece: Compiled(function, engine=self.engine, piece=piece), begin)
            if self.parts is not None and not self.kept:
                self._fast = (_unless_nested(self.parts),)

    def _thrashing(self, kinds: str) -> None:
        if self.piece is not None:
            if max(map(len, self.kept.values())) > LIMIT // 2:  # of one kind of arguments: what is around it does not stay
                self.piece.left([("it was compiled for too many surroundings", "")])
        elif not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.called} was compiled for {kinds}: from here on what is new runs uncompiled."
                " Pass what varies as a tensor, or keep shapes the same.",
                UserWarning,
                stacklevel=1 + user_depth(),
            )

    def programs(self) -> list[Any]:
        """The programs that have been compiled, the latest of a kind first."""
        own = [v.program for kept in self.kept.values() for k in kept for v in k.variants()]
        return own if self.parts is None else [*own, *[p for part in self.parts.parts() for p in part.run.programs()]]

    def variant(self, *args: Any, **kwargs: Any) -> Variant:
        """The compiled form for these arguments; runs the function if it has to be captured first.  ValueError where there is none."""
        for attempt in range(_TRIES + 1):
            tensors: list[Tensor] = []
            key, CALL.arguments = without(_key(args, kwargs, tensors), self.varying)
            if self.kept.get(key):
                return self.kept[key][0].chosen(tensors)
            if attempt < _TRIES:
                self(*args, **kwargs)
        raise ValueError(_told(self.reasons))

    def program(self, *args: Any, **kwargs: Any) -> Program:
        """The program for these arguments; ValueError where there is none.  ``print`` shows it."""
        return self.variant(*args, **kwargs).program

    def forget(self) -> None:
        """Drop all programs, and what is known of arguments that have none."""
        self.kept.clear()
        self.parts = None
        self._hurry()
        self.reasons.clear()
        self._failures.clear()
        self.splits.clear()
        self._places.clear()
        self.varying.clear()
        self._count = 0
        self._warned = False


def _anew(function: Callable[..., Any], fullgraph: bool) -> Compiled:
    return Compiled(function, fullgraph=fullgraph)


def compiled(model: Any, *, fullgraph: bool = False) -> Any:
    """A function or module as :func:`chainrule.compile` gives it; what is compiled already stays."""
    if isinstance(model, Compiled):
        return model
    if "chainrule.nn.modules.module" in sys.modules:  # without it there are no modules, and it takes its time to load
        from ..nn.modules.module import Module
        from .module import compiled_module

        if isinstance(model, Module):
            return compiled_module(model, fullgraph)
    return model if isinstance(model, type) else Compiled(model, fullgraph=fullgraph)


def _unless_nested(parts: Any) -> Fast:
    """The call of a function that runs part by part, where nothing is open that calls have to look at."""
    return lambda args, kwargs: MISS if NESTED else parts(*args, **kwargs)


def _told(reasons: list[tuple[str, str]]) -> str:
    lines = [f"  {why}" + (f", at {line}" if line else "") for why, line in reasons]
    return "the function cannot be compiled as one program:\n" + "\n".join(lines)


def default_engine() -> Engine:
    """What runs programs here: machine code where llvmlite is, else NumPy; either checks itself where ``CHAINRULE_CHECK`` says so."""
    native = find_spec("llvmlite") is not None and os.environ.get("CHAINRULE_ENGINE", "native") != "numpy"
    if os.environ.get("CHAINRULE_CHECK"):
        from .checked import checking, wanted

        if kinds := wanted():
            return lambda program: checking(program, kinds, native)
    return _native if native else prepare


def _native(program: Program) -> Any:
    return _unless_known(program, lambda: program)


def _unless_known(program: Program, simplified: Callable[[], Program]) -> Any:
    from .native.run import TooLong
    from .native.stored import obtained

    try:
        return obtained(program, simplified)
    except TooLong:
        return prepare(simplified())


_native.unless_known = _unless_known  # type: ignore[attr-defined]


def _key(args: tuple[Any, ...], kwargs: dict[str, Any], tensors: list[Tensor]) -> Any:
    """What a program depends on besides its surroundings; tensors are collected.  None where nothing can be captured."""
    parts: list[Any] = [MODES.grad, MODES.inference, defaults.floating]
    if MODES.vmaps or MODES.depth or MODES.saved_hooks or MODES.anomaly:
        return None
    for a in args:
        if isinstance(a, Tensor):
            v = a._value
            if isinstance(v, Value):
                return None
            parts.append((v.shape, v.dtype, a._gn is None, type(a), layout(v)))
            tensors.append(a)
        elif not _leaf(a, parts, tensors):
            return None
    for name, a in kwargs.items():
        parts.append(name)
        if not _leaf(a, parts, tensors):
            return None
    if len(tensors) > 1:
        places = {id(t): k for k, t in enumerate(tensors)}
        if len(places) != len(tensors):
            parts.append(tuple([places[id(t)] for t in tensors]))
    return tuple(parts)


def _leaf(a: Any, parts: list[Any], tensors: list[Tensor]) -> bool:
    """Add an argument of any kind to the key."""
    if isinstance(a, Tensor):
        v = a._value
        if isinstance(v, Value) or (a._gn is not None and not a.is_leaf):
            return False
        parts.append((v.shape, v.dtype, a._gn is None, type(a), layout(v)))
        tensors.append(a)
        return True
    if isinstance(a, PLAIN):
        parts.append((type(a), a))
        return True
    if isinstance(a, (list, tuple, dict)):
        leaves, structure = pytree.tree_flatten(a)
        parts.append(str(structure))
        return all(_leaf(x, parts, tensors) for x in leaves) if leaves != [a] else False
    try:
        hash(a)
    except TypeError:
        return False
    parts.append((type(a), id(a)))
    return True
