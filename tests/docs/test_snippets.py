"""Every example in a document or a docstring runs and shows what it says."""

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).with_name("snippets.py")
DOCUMENTS = [p for p in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))) if p.exists()]
MODULES = [f"chainrule.{m.name}" for m in pkgutil.iter_modules(chainrule.__path__) if m.name != "__main__"]


def passes(subject, folder):
    source = str(Path(chainrule.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": source, "MPLBACKEND": "agg"}
    command = [sys.executable, "-W", "error", str(RUNNER), subject]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_document(document, tmp_path):
    passes(str(document), tmp_path)


@pytest.mark.parametrize("module", MODULES)
def test_docstrings(module, tmp_path):
    passes(module, tmp_path)


def test_a_wrong_example_is_noticed(tmp_path):
    wrong = tmp_path / "wrong.md"
    wrong.write_text("Text.\n\n```python\nx = 1\n```\n\n- and\n\n  ```python\n  >>> x + 1\n  3\n  ```\n")
    with pytest.raises(AssertionError, match=r"Expected:\s+3\s+Got:\s+2"):
        passes(str(wrong), tmp_path)
    wrong.write_text("```python\nx = 1\nassert x == 2\n```\n")
    with pytest.raises(AssertionError, match="line 3"):
        passes(str(wrong), tmp_path)
