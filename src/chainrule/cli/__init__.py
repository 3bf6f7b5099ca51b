"""The `chainrule` command: ``run`` a PyTorch program or notebook, ``explore`` its graph, ask the ``doctor`` about the installation."""

from __future__ import annotations

import sys
from collections.abc import Sequence

USAGE = """\
usage: chainrule COMMAND [ARGUMENTS...]

PyTorch programs on chainrule: automatic differentiation in pure Python.

commands:
  run       run a program or a notebook in which `import torch` means chainrule
  explain   work out the derivative of a formula, step by step
  explore   run a program up to backward() and show its graph in the browser
  doctor    say what is installed, what is fast and what is missing

options:
  -h, --help       show this text (`chainrule COMMAND --help` says more)
  -V, --version    show the version

examples:
  chainrule run train.py --epochs 3
  chainrule run notebook.ipynb --check
  chainrule run -m package.train
  chainrule explain "sin(x**2)" x=3
  chainrule explore train.py
  chainrule doctor
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (the process's own arguments when None); gives the exit status.

    >>> main(["--version"])
    chainrule 0.1.0 (the API of PyTorch 2.13.0)
    0
    """
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if args else 2
    if args[0] in ("-V", "--version"):
        from chainrule import version

        print(f"chainrule {version.chainrule} (the API of PyTorch {version.pytorch})")
        return 0
    command, rest = args[0], args[1:]
    if command == "run":
        from chainrule.cli.run import main as run

        return run(rest)
    if command == "explain":
        from chainrule.cli.explain import main as explain

        return explain(rest)
    if command == "explore":
        from chainrule.cli.explore import main as explore

        return explore(rest)
    if command == "doctor":
        from chainrule.cli.doctor import main as doctor

        return doctor(rest)
    print(f"chainrule: there is no command {command!r} (there are: run, explain, explore, doctor); see `chainrule --help`", file=sys.stderr)
    return 2
