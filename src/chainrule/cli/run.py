"""``chainrule run``: a Python program with ``import torch`` meaning chainrule, otherwise just as `python` runs it."""

from __future__ import annotations

import builtins
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import Any, NamedTuple

USAGE = """\
usage: chainrule run [OPTIONS] FILE [ARGUMENTS...]
       chainrule run [OPTIONS] NOTEBOOK.ipynb [OPTIONS] [ARGUMENTS...]
       chainrule run [OPTIONS] -m MODULE [ARGUMENTS...]
       chainrule run [OPTIONS] -c CODE [ARGUMENTS...]

Runs a PyTorch program or notebook with `import torch` (and every submodule) meaning chainrule, in the program, in the
modules it imports and in the Python processes it starts. FILE may also be a directory or zip file with a __main__.py,
or - for the standard input.

options:
  -h, --help         show this text

options for a notebook, before or after its name (needs: pip install 'chainrule[notebook]'):
  --save OUT.ipynb   write the executed notebook
  --check            compare with the outputs that the notebook holds; exit status 1 when they differ
  --timeout SECONDS  stop a cell that takes longer
  --allow-errors     go on after a cell that raises an exception
"""


class UsageError(Exception):
    """A command line that makes no sense; its text goes to the user."""


class NotebookOptions(NamedTuple):
    save: str | None = None
    check: bool = False
    timeout: float | None = None
    allow_errors: bool = False


class Target(NamedTuple):
    kind: str  # "file", "module", "code" or "notebook"
    what: str
    args: list[str]
    options: NotebookOptions


def _read_option(args: list[str], i: int, options: dict[str, Any]) -> int:
    """Read the notebook option at `args[i]`; gives the index behind it."""
    name, equals, value = args[i].partition("=")
    if name in ("--check", "--allow-errors") and not equals:
        options[name[2:].replace("-", "_")] = True
        return i + 1
    if name not in ("--save", "--timeout"):
        raise UsageError(f"unknown option {args[i]!r}")
    if not equals:
        i += 1
        if i == len(args):
            raise UsageError(f"{name} needs a value")
        value = args[i]
    if name == "--save":
        options["save"] = value
    else:
        try:
            options["timeout"] = float(value)
        except ValueError:
            raise UsageError(f"--timeout needs a number of seconds, not {value!r}") from None
    return i + 1


def parse(args: list[str]) -> Target:
    """What to run, from the arguments after ``run``; UsageError when they make no sense."""
    options: dict[str, Any] = {}
    i = 0
    while i < len(args) and args[i].startswith("-") and args[i] not in ("-", "-m", "-c", "--"):
        i = _read_option(args, i, options)
    if i < len(args) and args[i] == "--":
        i += 1
    if i == len(args):
        raise UsageError("nothing to run: give a FILE, -m MODULE or -c CODE")
    kind = {"-m": "module", "-c": "code"}.get(args[i], "file")
    if kind != "file":
        i += 1
        if i == len(args):
            raise UsageError(f"{args[i - 1]} needs a value")
    what, rest = args[i], args[i + 1 :]
    if kind == "file" and what.endswith(".ipynb"):
        kind = "notebook"
        j = 0
        while j < len(rest) and rest[j].startswith("--"):
            if rest[j] == "--":
                j += 1
                break
            j = _read_option(rest, j, options)
        rest = rest[j:]
    elif options:
        raise UsageError("--save, --check, --timeout and --allow-errors are for notebooks")
    return Target(kind, what, rest, NotebookOptions(**options))


def main(args: Sequence[str]) -> int:
    """Run what the arguments name; gives the exit status, unless the program itself exits or raises."""
    args = list(args)
    if args and args[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    try:
        target = parse(args)
    except UsageError as e:
        print(f"chainrule run: {e}; see `chainrule run --help`", file=sys.stderr)
        return 2
    if target.kind == "notebook":
        from chainrule.cli.notebook import run_notebook

        return run_notebook(target.what, target.args, target.options)
    return run_program(target)


def child_environment() -> str:
    """The PYTHONPATH that gives every Python process started from here the alias too."""
    startup = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")
    inherited = os.environ.get("PYTHONPATH")
    return startup + os.pathsep + inherited if inherited else startup


class Program(NamedTuple):
    source: str | bytes | CodeType
    filename: str
    module: ModuleType


def run_program(target: Target) -> int:
    """Run a file, module or code in this process, as its ``__main__``."""
    from chainrule.alias import as_torch

    as_torch()
    os.environ["PYTHONPATH"] = child_environment()
    _drop_own_path_entry()
    prepare = {"file": _prepare_file, "module": _prepare_module, "code": _prepare_code}[target.kind]
    try:
        program = prepare(target.what, target.args)
    except UsageError as e:
        print(f"chainrule run: {e}", file=sys.stderr)
        return 2 if target.kind == "file" else 1
    source, filename, module = program
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    code: CodeType | None = None
    try:
        code = source if isinstance(source, CodeType) else compile(source, filename, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except SystemExit:
        raise
    except BaseException:
        _trim_tracebacks(code)
        raise
    return 0


def _drop_own_path_entry() -> None:
    """Remove what Python put in front of `sys.path` for the `chainrule` command itself."""
    if sys.flags.safe_path or not sys.path:
        return
    command = os.path.realpath(sys.argv[0])
    if os.path.realpath(sys.path[0] or os.getcwd()) in (command, os.path.dirname(command), os.getcwd()):
        del sys.path[0]


def _prepend_path(entry: str) -> None:
    if not sys.flags.safe_path:
        sys.path.insert(0, entry)


def _new_main(**attributes: Any) -> ModuleType:
    module = ModuleType("__main__")
    module.__dict__.update(attributes, __annotations__={})
    return module


def _prepare_code(text: str, args: list[str]) -> Program:
    sys.argv = ["-c", *args]
    _prepend_path("")
    return Program(text, "<string>", _new_main())


def _prepare_file(path: str, args: list[str]) -> Program:
    sys.argv = [path, *args]
    if path == "-":
        _prepend_path("")
        return Program(sys.stdin.buffer.read(), "<stdin>", _file_main("<stdin>"))
    if os.path.isdir(path) or _is_zip(path):
        place = os.path.abspath(path)
        sys.path.insert(0, place)
        return _from_spec(PathFinder.find_spec("__main__", [place]), f"can't find '__main__' module in {path!r}")
    filename = _absolute(path)
    try:
        with open(filename, "rb") as f:
            text = f.read()
    except OSError as e:
        raise UsageError(f"can't open file {filename!r}: [Errno {e.errno}] {e.strerror}") from None
    _prepend_path(os.path.dirname(os.path.realpath(path)))
    return Program(text, filename, _file_main(filename))


def _file_main(filename: str) -> ModuleType:
    return _new_main(__file__=filename, __cached__=None, __loader__=SourceFileLoader("__main__", filename))


def _absolute(path: str) -> str:
    """The path from the root as Python makes it: not normalised but on Windows."""
    return os.path.abspath(path) if os.name == "nt" else os.path.join(os.getcwd(), path.removeprefix("./"))


def _is_zip(path: str) -> bool:
    import zipfile

    return os.path.isfile(path) and zipfile.is_zipfile(path)


def _prepare_module(name: str, args: list[str]) -> Program:
    sys.argv = ["-m", *args]
    _prepend_path(os.getcwd())
    missing = f"No module named {name}"
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            missing = f"No module named {name}.__main__; {name!r} is a package and cannot be directly executed"
            spec = importlib.util.find_spec(name + ".__main__")
    except (ImportError, ValueError) as e:
        raise UsageError(f"Error while finding module specification for {name!r} ({type(e).__name__}: {e})") from None
    program = _from_spec(spec, missing)
    sys.argv[0] = program.filename
    return program


def _from_spec(spec: ModuleSpec | None, missing: str) -> Program:
    loader: Any = None if spec is None else spec.loader
    code = loader.get_code(spec.name) if spec is not None and hasattr(loader, "get_code") else None
    if spec is None or code is None:
        raise UsageError(missing)
    attributes = {"__spec__": spec, "__loader__": loader, "__package__": spec.parent, "__cached__": spec.cached}
    filename = spec.origin or code.co_filename
    return Program(code, filename, _new_main(__file__=filename, **attributes))


def _trim_tracebacks(code: CodeType | None) -> None:
    """Have an uncaught exception shown from the program's own first frame on, and without the import alias's frames."""
    show = sys.excepthook
    alias = sys.modules["chainrule.alias"].__file__

    def trimmed(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
        while tb is not None and tb.tb_frame.f_code is not code:
            tb = tb.tb_next
        frame = tb
        while frame is not None:
            while frame.tb_next is not None and frame.tb_next.tb_frame.f_code.co_filename == alias:
                frame.tb_next = frame.tb_next.tb_next
            frame = frame.tb_next
        show(kind, error.with_traceback(tb), tb)

    sys.excepthook = trimmed
