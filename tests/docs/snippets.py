"""Run the examples of one document or one part of the package; a process of its own for each, so that none helps another.

    python snippets.py FILE.md     its ```python blocks, in order and in one namespace; those with >>> through doctest
    python snippets.py MODULE      the docstring examples of the module and of everything below it
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)```python\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS


def blocks(text: str) -> Iterator[tuple[int, str]]:
    """(line of the fence, code) of every Python block."""
    for found in FENCE.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, textwrap.dedent(found["code"])


def run_document(path: Path) -> int:
    """Run a document's blocks; gives how many examples failed, and raises what a plain block raises."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    failed = 0
    for line, code in blocks(path.read_text(encoding="utf-8")):
        if code.lstrip().startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(code, namespace, f"{path.name}, line {line}", str(path), line)
            failed += doctest.DocTestRunner(optionflags=FLAGS).run(test, clear_globs=False).failed
            namespace.update(test.globs)
        else:
            exec(compile("\n" * line + code, str(path), "exec"), namespace)
    return failed


def run_module(name: str) -> int:
    """Run the docstring examples of a module and what is below it; gives how many failed."""
    module = importlib.import_module(name)
    below = [m.name for m in pkgutil.walk_packages(getattr(module, "__path__", []), name + ".") if not m.name.endswith(".__main__")]
    return sum(doctest.testmod(importlib.import_module(n), optionflags=FLAGS).failed for n in (name, *below))


if __name__ == "__main__":
    subject = sys.argv[1]
    sys.exit(min(1, run_document(Path(subject)) if subject.endswith(".md") else run_module(subject)))
