"""``chainrule explore``: run a program up to its backward, and show the graph that it would differentiate."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.cli.run import Target, UsageError, parse, run_program

USAGE = """\
usage: chainrule explore [OPTIONS] FILE [ARGUMENTS...]
       chainrule explore [OPTIONS] -m MODULE [ARGUMENTS...]
       chainrule explore [OPTIONS] -c CODE [ARGUMENTS...]

Runs a PyTorch program up to its first backward(), writes the graph that it is about to differentiate as one HTML file,
and opens that in the browser: values, gradients step by step, the lines of source. A program that never calls backward()
runs to its end, and the last tensor with a history among its variables is shown.

options:
  -h, --help       show this text
  -o, --output F   the file to write (otherwise a temporary one)
  --step N         stop at the N-th backward() (1)
  --var NAME       show this variable of the program, when it has ended
  --no-open        do not open the browser
"""


class Options(NamedTuple):
    output: str | None = None
    step: int = 1
    var: str | None = None
    open: bool = True


class _Found(BaseException):
    """The page has been written: the program need not go on.  No ``except Exception`` of its own stops this."""


def read_options(args: list[str]) -> tuple[Options, list[str]]:
    """The options in front, and the rest; UsageError when they make no sense."""
    found: dict[str, Any] = {}
    i = 0
    while i < len(args) and args[i].startswith("-") and args[i] not in ("-", "-m", "-c", "--"):
        name, equals, value = args[i].partition("=")
        i += 1
        if name == "--no-open" and not equals:
            found["open"] = False
            continue
        if name not in ("-o", "--output", "--step", "--var"):
            raise UsageError(f"unknown option {name!r}")
        if not equals:
            if i == len(args):
                raise UsageError(f"{name} needs a value")
            value = args[i]
            i += 1
        if name == "--step":
            if not value.isdigit() or value == "0":
                raise UsageError(f"--step needs a number from 1 on, not {value!r}")
            found["step"] = int(value)
        else:
            found["var" if name == "--var" else "output"] = value
    return Options(**found), args[i:]


def main(args: Sequence[str]) -> int:
    """Run and show; gives the exit status."""
    args = list(args)
    if args and args[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    try:
        options, rest = read_options(args)
        target = parse(rest)
        if target.kind == "notebook":
            raise UsageError("a notebook calls chainrule.explore(y) itself")
    except UsageError as e:
        print(f"chainrule explore: {e}; see `chainrule explore --help`", file=sys.stderr)
        return 2
    return _explore(target, options)


def _explore(target: Target, options: Options) -> int:
    from chainrule.explain.explorer import explore
    from chainrule.explain.why_watch import watch

    written: list[Path] = []

    def show(y: Any, gradient: Any = None, names: dict[str, Any] | None = None) -> None:
        path = explore(y, options.output, gradient=gradient, names=names, title=f"{target.what} – chainrule", open=options.open)
        written.append(path)

    count = 0

    def seen(y: Any, gradient: Any) -> None:
        nonlocal count
        count += 1
        if options.var is None and count == options.step:
            show(y, gradient)
            raise _Found

    status = 0
    restore = _intercept(seen)
    try:
        with watch():
            status = run_program(target)
    except _Found:
        pass
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else int(e.code is not None)
    finally:
        restore()
    if not written and not status:
        status = _show_variable(options, count, show)
    for path in written:
        print(f"chainrule explore: {path}", file=sys.stderr)
    return status


def _intercept(seen: Callable[[Any, Any], None]) -> Callable[[], None]:
    """Have ``seen(tensor, gradient)`` called before every backward; gives what undoes that."""
    from chainrule import autograd
    from chainrule.core.tensor import Tensor

    method, function = Tensor.backward, autograd.backward

    def tensor_backward(self: Any, gradient: Any = None, *args: Any, **kw: Any) -> None:
        seen(self, gradient)
        method(self, gradient, *args, **kw)

    def backward(tensors: Any, grad_tensors: Any = None, *args: Any, **kw: Any) -> None:
        first = tensors if isinstance(tensors, Tensor) else tensors[0]
        gradient = grad_tensors if grad_tensors is None or isinstance(grad_tensors, Tensor) else grad_tensors[0]
        seen(first, gradient)
        function(tensors, grad_tensors, *args, **kw)

    Tensor.backward = tensor_backward  # type: ignore[method-assign]
    autograd.backward = backward

    def restore() -> None:
        Tensor.backward = method  # type: ignore[method-assign]
        autograd.backward = function

    return restore


def _show_variable(options: Options, backwards: int, show: Callable[..., None]) -> int:
    """Show a variable of the program that has ended; gives the exit status."""
    from chainrule.core.tensor import Tensor

    everything = vars(sys.modules["__main__"])
    variables = {k: v for k, v in everything.items() if isinstance(v, Tensor) and v.grad_fn is not None}
    name = options.var or next(reversed(variables), None)
    if backwards and options.var is None:
        print(f"chainrule explore: the program called backward() {backwards} times, not {options.step}", file=sys.stderr)
        return 1
    if name is None or name not in variables:
        what = f"{name!r} is no variable with" if name else "the program called no backward() and has no variable with"
        have = f"; there are: {', '.join(variables)}" if variables else ""
        print(f"chainrule explore: {what} a history (a tensor that was computed from one that requires grad){have}", file=sys.stderr)
        return 1
    show(variables[name], None, {k: v for k, v in everything.items() if not k.startswith("_")})
    return 0
