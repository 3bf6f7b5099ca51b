"""Runs at the start of every interpreter that a `chainrule run` program starts: ``import torch`` means chainrule there too.

Spawned workers, notebook kernels and plain subprocesses find this directory on PYTHONPATH.  It loads the alias's file
alone, so that an interpreter that never imports torch pays nothing for the package.
"""

import importlib.util
import os
import sys


def _install_alias(package: str) -> None:
    spec = importlib.util.spec_from_file_location("_chainrule_alias", os.path.join(package, "alias.py"))
    assert spec is not None and spec.loader is not None
    alias = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alias)
    alias.as_torch()
    if importlib.util.find_spec(alias.PACKAGE) is None:
        sys.path.append(os.path.dirname(package))


def _run_shadowed(here: str) -> None:
    """The environment's own sitecustomize, which this one has taken the place of."""
    sys.path[:] = [p for p in sys.path if os.path.realpath(p or ".") != here]
    this = sys.modules.pop("sitecustomize", None)
    try:
        importlib.import_module("sitecustomize")
    except ModuleNotFoundError as e:
        if e.name != "sitecustomize":
            raise
        if this is not None:
            sys.modules["sitecustomize"] = this


_here = os.path.realpath(os.path.dirname(__file__))
_install_alias(os.path.dirname(os.path.dirname(_here)))
_run_shadowed(_here)
