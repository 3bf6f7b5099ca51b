"""What a function reads from its surroundings: found from its code, looked at before every call, compared after the capture.

A compiled program stands for the function as long as all of it is as it was.  If the call itself changes it, the function has
effects in Python that a program would not repeat, and it is not compiled.
"""

from __future__ import annotations

import builtins
import functools
import keyword
import operator
import types
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from opcode import EXTENDED_ARG, opmap
from types import MappingProxyType
from typing import Any

import numpy as np

from ...core.dtype import defaults
from ...core.epoch import EPOCH, Noted
from ...core.mutation import PACKAGE
from ...core.op import Op
from ...core.tensor import Tensor
from .number import Number
from .spots import Spot, is_number

_PLAIN = (int, float, complex, bool, str, bytes, type(None), type(Ellipsis), slice, np.generic, np.dtype)
_DEPTH = 6
CHANGES = "the call changes what it reads in Python (an attribute, a list, a number)"
EFFECTS = frozenset({"print", "input", "open", "next", "exec", "eval", "setattr", "delattr", "globals", "iter"})
UNSURE = frozenset({"random", "time", "os", "sys", "datetime", "uuid", "secrets", "subprocess", "logging", "warnings", "socket"})


class Surroundings:
    """The state that a function reads.  ``why`` says what makes it one that cannot be compiled.

    ``objects`` are those among its arguments that are told apart by identity: a model, an optimizer, ``self``.
    """

    def __init__(self, function: Any, varying: Mapping[tuple[int, Any], Spot] = MappingProxyType({}), objects: Sequence[Any] = ()) -> None:
        #: the places of numbers, and what they hold; those that are known to vary are not looked at
        self.numbers: dict[tuple[int, Any], tuple[Spot, Any]] = {}
        self.varying = varying
        self._varied = len(varying)  # which grows
        #: expressions, each true where something is not as it was, and what they name
        self.space: dict[str, Any] = {"_mark": _mark, "_is": operator.is_, "_slots": _slots, "vars": vars}
        self.conditions: list[str] = []
        #: the names that the function's module has, of which the function reads some: (name, the name of its value, that of its mark)
        self.globals: tuple[dict[str, Any], list[tuple[str, str, str]]] = (_globals(function), [])
        self.named_globally: set[str] = set()  # the conditions that say the same
        #: the variables of enclosing functions: (the cell, the name of its value, that of its mark), by the condition that says the same
        self.cells: dict[str, tuple[types.CellType, str, str]] = {}
        self._looked_up: set[tuple[str, int]] = set()
        self._last = ("", "")
        self.why: list[str] = []
        self.optimizers: list[Any] = []
        self._hooks: dict[int, dict[Any, Any]] = {}  # tables of hooks by kind: all modules', an optimizer's, all optimizers'
        self.tensors: set[int] = set()  # identities of those that it reaches
        self.found: set[int] = set()  # identities of all that it looks at
        self._hold: list[Any] = []  # identities stay taken
        self._copies: list[tuple[Any, Any]] = []
        self._variables: list[tuple[dict[str, Any], str, Any]] = []
        self._names: set[str] = {"__call__", "forward", "backward", "setup_context"}
        self._kinds: list[type] = []
        self._modules: dict[int, Any] = {}
        self._groups: list[Noted] = []
        self._states: list[tuple[Any, Any]] = []  # optimizers, and what they keep
        self._root = getattr(function, "__func__", function)  # whose code nobody exchanges without compiling it anew
        self._walk(function, 0)
        for value in objects:
            self._walk(value, 1)
        self._methods()
        self._of_classes()
        self._attributes()
        #: whether anything is not as it was; one function, since it is asked before every call
        self.changed: Callable[[], bool] = self._made()

    def _expect(self, look: str, *objects: Any) -> None:
        """``look``, an expression that names ``objects`` in braces, gives what it gives now: that object, or one like it."""
        names = [self._named(o) for o in objects]
        expression = look.format(*names)
        seen = eval(expression, self.space)
        mark = self._named(_mark(seen))
        held = self._named(seen)
        self._last = (held, mark)
        self.conditions.append(f"((v := {expression}) is not {held} and _mark(v) != {mark})")

    def _global(self, name: str, space: dict[str, Any]) -> None:
        """A name of a module is what it is now; those of the function's own module are known apart."""
        if (name, id(space)) in self._looked_up:
            return
        self._looked_up.add((name, id(space)))
        self._variables.append((space, name, space[name]))
        if self._varies(space, name, space[name]):
            return
        self._expect(f"{{}}[{name!r}]", space)
        around, names = self.globals
        if space is around and name.isidentifier() and not keyword.iskeyword(name):
            names.append((name, *self._last))
            self.named_globally.add(self.conditions[-1])

    def _same(self, look: str, value: Any) -> None:
        """The same of an expression that makes a new object each time."""
        expression = look.format(self._named(value))
        self.conditions.append(f"{expression} != {self._named(eval(expression, self.space))}")

    def _items_same(self, items: str, value: Any) -> None:
        """What iterating over ``items`` gives is the same; looked at closely only where some object is not the same one."""
        expression = items.format(self._named(value))
        seen = [*eval(expression, self.space)]
        held, marks = self._named(seen), self._named([*map(_mark, seen)])
        if isinstance(eval(expression, self.space), list) and len(seen) <= 6:  # dearer for long ones
            each = [f"{expression}[{k}] is not {self._named(v)}" for k, v in enumerate(seen)]
            quick = " or ".join([f"len({expression}) != {len(seen)}", *each])
        else:
            quick = f"len({expression}) != {len(seen)} or not all(map(_is, {expression}, {held}))"
        self.conditions.append(f"({quick}) and [*map(_mark, {expression})] != {marks}")

    def _varies(self, holder: Any, name: Any, value: Any) -> bool:
        """Note the place of a number; whether it is one that varies."""
        if not is_number(value) or (type(value) is list and type(holder) is not dict):
            return False
        spot = Spot(holder, name)
        self.numbers[spot.key] = (spot, copy(value))
        return spot.key in self.varying

    def _varying(self, holder: dict[Any, Any]) -> frozenset[Any]:
        """The names in a dictionary whose numbers vary."""
        return frozenset([name for name, value in holder.items() if self._varies(holder, name, value)])

    def gone(self) -> bool:
        """Whether it never will be again: an optimizer has another state, as after ``load_state_dict``."""
        return any(rule.state is not state for rule, state in self._states)

    def like(self, later: Surroundings) -> bool:
        """Whether it looks at the same as another one of the function does that was made later."""
        return self._varied == later._varied and not self.changed()

    def also(self, holds: Callable[[], bool]) -> None:
        """Another condition."""
        self.conditions.append(f"not {self._named(holds)}()")
        self.changed = self._made()

    def _named(self, value: Any) -> str:
        name = f"o{len(self.space)}"
        self.space[name] = value
        return name

    def _made(self) -> Callable[[], bool]:
        body = "\n".join(f"    if {check}: return True" for check in self.conditions)
        lost = "  except (LookupError, ValueError, AttributeError, RuntimeError):\n    return True"
        exec(f"def changed():\n  try:\n{body}\n    return False\n{lost}", self.space)
        made: Callable[[], bool] = self.space["changed"]
        return made

    # -- one kind of object after another --------------------------------------------------------------------------------

    def _walk(self, value: Any, depth: int) -> None:
        if isinstance(value, _PLAIN) or id(value) in self.found:
            return
        self.found.add(id(value))
        self._hold.append(value)
        if isinstance(value, type) and not _ours(value.__module__) and value.__module__ != "builtins":
            self._kinds.append(value)
        if isinstance(value, Tensor):
            self.tensors.add(id(value))
        if depth > _DEPTH or isinstance(value, (Tensor, type, Op, types.BuiltinFunctionType)):
            return
        kind = type(value)
        if isinstance(value, types.MethodType):
            self._walk(value.__self__, depth + 1)
            self._walk(value.__func__, depth + 1)
        elif isinstance(value, types.FunctionType):
            self._function(value, depth)
        elif isinstance(value, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self._walk(part, depth + 1)
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            self._items(value, depth)
        elif isinstance(value, (bytearray, array)):
            self._same("bytes({})", value)
        elif isinstance(value, dict):
            self._mapping(value, depth)
        elif isinstance(value, np.ndarray):
            self.why.append("it reads a NumPy array, whose values a program would not see change")
        elif isinstance(value, types.ModuleType):
            return
        elif hasattr(kind, "__next__"):
            self.why.append(f"it reads an iterator ({kind.__name__})")
        elif hasattr(value, "param_groups") and hasattr(value, "state"):
            self._optimizer(value, depth)
        elif hasattr(value, "_modules") and hasattr(value, "_parameters"):
            self._module(value, depth)
        elif not _ours(kind.__module__) or hasattr(value, "get_last_lr") or hasattr(value, "get_scale"):
            self._object(value, depth)  # of ours those whose attributes change as training goes on: schedulers, scalers

    def _items(self, value: Any, depth: int) -> None:
        self._items_same("{}", value)
        self._copied(value)
        for v in list(value)[:1000]:
            self._walk(v, depth + 1)

    def _values_same(self, value: dict[Any, Any], varying: frozenset[Any]) -> None:
        if varying:
            self._items_same(f"tuple([v for k, v in {{}}.items() if k not in {self._named(varying)}])", value)
        else:
            self._items_same("{}.values()", value)

    def _copied(self, value: Any) -> None:
        if isinstance(value, (list, dict, set, deque)):
            self._copies.append((value, copy(value) if not isinstance(value, dict) else dict(value)))

    def restore(self) -> None:
        """Let lists, dictionaries, sets, objects and variables hold again what they held."""
        for holder, held in self._copies:
            restore(holder, held)
        for space, name, value in self._variables:
            space[name] = value

    def _mapping(self, value: dict[Any, Any], depth: int) -> None:
        self._copied(value)
        self._items_same("{}", value)
        varying = self._varying(value)
        self._values_same(value, varying)
        for name, v in list(value.items())[:1000]:
            if name not in varying:
                self._walk(v, depth + 1)

    def _object(self, value: Any, depth: int) -> None:
        held = getattr(value, "__dict__", None)
        if held is not None:
            self._mapping(held, depth)
        if _slots(value):
            self._items_same("_slots({})", value)
            for v in _slots(value):
                self._walk(v, depth + 1)
        self._types(value)

    def _types(self, value: Any) -> None:
        self._kinds += [k for k in type(value).__mro__ if not _ours(k.__module__) and k.__module__ != "builtins"]

    def _methods(self) -> None:
        """The methods of the objects found, those whose names some code mentions; they may mention more."""
        before = -1
        while before != len(self.found) + len(self._names):
            before = len(self.found) + len(self._names)
            for kind in list(self._kinds):
                for name, held in vars(kind).items():
                    member = held.__func__ if isinstance(held, (staticmethod, classmethod)) else held
                    if name in self._names and isinstance(member, types.FunctionType):
                        self._walk(member, 1)

    def _of_classes(self) -> None:
        """What classes hold: the methods that are known, and what is no method."""
        for kind in {id(k): k for k in self._kinds}.values():
            for name, value in list(vars(kind).items()):
                if isinstance(value, types.FunctionType) and id(value) in self.found:
                    self.conditions.append(f"{self._named(kind)}.{name} is not {self._named(value)}")
                if not name.startswith("__") and not callable(value) and not hasattr(value, "__get__"):
                    self._expect(f"vars({{}})[{name!r}]", kind)
                    self._walk(value, 2)

    def _attributes(self) -> None:
        """The default dtype, and what modules have: looked at when one of them has been set (``train()`` and ``eval()`` do)."""
        modules = [_Held(vars(m), self._varying(vars(m))) for m in self._modules.values()]
        modules += [_Held(tables, frozenset()) for tables in self._hooks.values()]
        groups = [_Held(g, self._varying(g)) for g in self._groups]
        floating = defaults.floating
        epoch = EPOCH.copy()

        def moved() -> bool:
            now, options = EPOCH
            if options != epoch[1] and not all(held.same() for held in groups):
                return True
            if now - options != epoch[0] - epoch[1] and not (defaults.floating is floating and all(held.same() for held in modules)):
                return True
            epoch[:] = now, options
            return False

        self.conditions.append(f"{self._named(EPOCH)}[0] != {self._named(epoch)}[0] and {self._named(moved)}()")

    def _module(self, value: Any, depth: int) -> None:
        self.tensors.update(map(id, [*value.parameters(), *value.buffers()]))
        for child in value.modules():
            self._copied(vars(child))
            self._modules[id(child)] = child
            self.found.add(id(child))
            if not _ours(type(child).__module__):
                for held in vars(child).values():
                    self._walk(held, depth + 1)
                self._types(child)
        from ...nn.modules.hooks import BACKWARD, BACKWARD_PRE, FORWARD, FORWARD_PRE, global_hooks

        tables = [vars(child) for child in value.modules() if child._hooked]
        self._registered([t[kind] for t in tables for kind in (FORWARD, FORWARD_PRE, BACKWARD, BACKWARD_PRE) if kind in t], depth)
        self._registered(global_hooks.tables.values(), depth)
        self._hooks[id(global_hooks)] = global_hooks.tables

    def _registered(self, tables: Iterable[Mapping[int, Any]], depth: int) -> None:
        """Hooks that the call will run."""
        for table in tables:
            for f in table.values():
                self._walk(f, depth + 1)

    def _optimizer(self, value: Any, depth: int) -> None:
        for name in ("state", "param_groups"):
            held = getattr(value, name)
            self._expect(f"{{}}.{name}", value)
            self._same("len({})", held)
        from ...optim.optimizer import GLOBAL_HOOKS

        for tables in (value._hooks, GLOBAL_HOOKS):
            self._registered(tables.values(), depth)
            self._hooks[id(tables)] = tables
        self.optimizers.append(value)
        self._states.append((value, value.state))
        for group in value.param_groups:
            self._copied(group)
            self.tensors.update(map(id, group["params"]))
            if isinstance(group, Noted):
                self._groups.append(group)
            elif all(isinstance(v, _PLAIN) for name, v in group.items() if name != "params"):
                varying = self._varying(group)
                if varying:
                    self._values_same(group, varying)
                else:
                    self._same("[*{}.values()]", group)  # by identity, then by value
            else:
                self._values_same(group, self._varying(group))
            if isinstance(group, Noted):
                self._items_same("{}", group["params"])
            else:
                self._items_same("{}['params']", group)

    def _function(self, function: types.FunctionType, depth: int) -> None:
        code = function.__code__
        if code.co_filename.startswith(PACKAGE):
            for cell in function.__closure__ or ():
                self._cell(cell, depth)
            return
        if "site-packages" in code.co_filename and depth > 2:
            return
        if function is not self._root:
            parts = [n for n in ("__code__", "__defaults__", "__kwdefaults__") if getattr(function, n) is not None]
            name = self._named(function)
            self.conditions += [f"{name}.{n} is not {self._named(getattr(function, n))}" for n in parts]
        for cell in function.__closure__ or ():
            self._cell(cell, depth)
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._walk(default, depth + 1)
        self._code(code, function.__globals__, depth)

    def _cell(self, cell: Any, depth: int) -> None:
        try:
            self._walk(cell.cell_contents, depth + 1)
        except ValueError:  # empty
            return
        self._copies.append((cell, cell.cell_contents))
        if not self._varies(cell, None, cell.cell_contents):
            self._expect("{}.cell_contents", cell)
            self.cells[self.conditions[-1]] = (cell, *self._last)

    def _code(self, code: types.CodeType, space: dict[str, Any], depth: int) -> None:
        self._names.update(code.co_names)
        for name in _global_names(code):
            if name in space:
                value = space[name]
                self._global(name, space)
                if isinstance(value, types.ModuleType):
                    self._imported(value, code, depth)
                else:
                    self._walk(value, depth + 1)
            elif name in EFFECTS and hasattr(builtins, name):
                self.why.append(f"it calls {name}()")
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._code(constant, space, depth)

    def _imported(self, module: types.ModuleType, code: types.CodeType, depth: int) -> None:
        root = module.__name__.partition(".")[0]
        if root in UNSURE or (root == "numpy" and "random" in code.co_names):
            self.why.append(f"it uses the module {module.__name__}")
        file = getattr(module, "__file__", None) or ""
        if root in ("chainrule", "torch") or not file or "lib/python" in file or "site-packages" in file:
            return
        for name in code.co_names:
            value = vars(module).get(name)
            if value is not None:
                self._expect(f"{{}}[{name!r}]", vars(module))
                self._walk(value, depth + 1)


def restore(holder: Any, held: Any) -> None:
    """Let a container, or a variable, hold what it held."""
    if isinstance(holder, types.CellType):
        holder.cell_contents = held
    elif isinstance(holder, dict):
        for name in [n for n in holder if n not in held]:
            del holder[name]
        for name, value in held.items():
            if name not in holder or holder[name] is not value:
                holder[name] = value
    elif isinstance(holder, set):
        if holder != held:
            holder.clear()
            holder.update(held)
    elif len(holder) != len(held) or not all(map(operator.is_, holder, held)):
        holder.clear()
        holder.extend(held)


def _globals(function: Any) -> dict[str, Any]:
    """The names of the module that a function is of."""
    while not isinstance(function, types.FunctionType):
        inner = getattr(function, "__func__", None) or getattr(function, "func", None) or getattr(function, "__wrapped__", None)
        if inner is None:
            return {}
        function = inner
    return function.__globals__


_NAMED = {opmap[name]: name == "LOAD_GLOBAL" for name in opmap if name.endswith(("_GLOBAL", "_NAME", "_OR_GLOBALS"))}


def _global_names(code: types.CodeType) -> list[str]:
    """The names of the module that the code reads or writes, and not those of attributes, which ``co_names`` has as well."""
    found: dict[str, None] = {}
    high = 0
    for operation, low in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        argument = high << 8 | low
        high = argument if operation == EXTENDED_ARG else 0
        if operation in _NAMED:
            found[code.co_names[argument >> _NAMED[operation]]] = None  # the lowest bit of LOAD_GLOBAL's says how it is called
    return [*found]


def _ours(name: str) -> bool:
    return name.partition(".")[0] in ("chainrule", "torch")


class _Held:
    """What a dictionary of attributes or options holds, but for the numbers that vary, and the tables in it."""

    def __init__(self, holder: dict[str, Any], varying: frozenset[Any]) -> None:
        self.holder = holder
        self.varying = varying
        self.names = [*holder]
        self.values = [*holder.values()]
        self.places = [k for k, name in enumerate(self.names) if name in varying]
        tables = [v for name, v in holder.items() if isinstance(v, dict) and name not in varying]
        self.tables = [_Held(v, frozenset()) for v in tables if v]
        self.empty = [v for v in tables if not v]
        self.shown = self._shown()

    def _shown(self) -> list[Any]:
        return [
            (name, _mark(v), [(k, id(x)) for k, x in v.items()] if isinstance(v, dict) else None)
            for name, v in self.holder.items()
            if name not in self.varying
        ]

    def same(self) -> bool:
        """Whether it is all as it was."""
        return self._identical() or self._shown() == self.shown

    def _identical(self) -> bool:
        if [*self.holder] != self.names or any(self.empty):
            return False
        now = [*self.holder.values()]
        for k in self.places:
            now[k] = self.values[k]
        return all(map(operator.is_, now, self.values)) and all(table._identical() for table in self.tables)


def _slots(value: Any) -> list[Any]:
    """The attributes of an object that are not in a dictionary."""
    declared = [vars(kind).get("__slots__", ()) for kind in type(value).__mro__]
    names = [n for given in declared for n in ((given,) if isinstance(given, str) else given)]
    return [getattr(value, n, None) for n in names if n not in ("__dict__", "__weakref__")]


def _mark(value: Any) -> Any:
    """What tells a value from another: plain ones by what they are, others by identity."""
    if type(value) is Number:  # of a capture that is open: asking for its value would end it
        return id(value)
    if isinstance(value, _PLAIN):
        return (type(value), value if value == value else "nan")
    if type(value) is tuple:
        return tuple([_mark(v) for v in value])
    return id(value)
