"""`chainrule run NOTEBOOK.ipynb`: real kernels, so one notebook shows many things."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

import chainrule  # noqa: E402

SOURCE = str(Path(chainrule.__file__).parents[1])
v4 = nbformat.v4


def run(*arguments, cwd, path=SOURCE):
    env = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-m", "chainrule", "run", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=env, timeout=180, stdin=subprocess.DEVNULL)


def write(path, *sources, **metadata):
    cells = [v4.new_code_cell(s) if isinstance(s, str) else v4.new_code_cell(s[0], metadata={"tags": s[1]}) for s in sources]
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell("# Text"), *cells], metadata=metadata), path)


def test_run_save_and_check(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "beside.py").write_text("import torch\nname = torch.__name__\n")
    write(
        tmp_path / "deep" / "a.ipynb",
        "import torch, sys, beside\nprint(torch.__name__, beside.name)\nprint('aside', file=sys.stderr)",
        "# a remark\ntorch.cuda.is_available()",
        "%time x = 5\nfrom IPython.display import display, HTML\ndisplay(HTML('<b>x</b>'))",
        ("1 / 0", ["raises-exception"]),
        "sys.argv[1:], x",
        kernelspec={"name": "a-kernel-that-is-not-here", "display_name": "Elsewhere", "language": "python"},
    )
    done = run("deep/a.ipynb", "--save", "out.ipynb", "one", "--two", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:5] == [
        "[1] import torch, sys, beside",
        "chainrule chainrule",
        "[2] torch.cuda.is_available()",
        "False",
        "[3] %time x = 5",
    ]
    assert lines[-4:] == ["<IPython.core.display.HTML object>", "[4] 1 / 0", "[5] sys.argv[1:], x", "(['one', '--two'], 5)"]
    assert done.stderr.splitlines()[0] == "aside" and done.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"

    saved = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    nbformat.validate(saved)
    assert saved.cells[2].outputs[0].data["text/plain"] == "False" and saved.cells[2].execution_count == 2
    assert saved.metadata.kernelspec.name == "a-kernel-that-is-not-here"
    assert sorted(os.listdir(tmp_path)) == ["deep", "out.ipynb"]

    os.replace(tmp_path / "out.ipynb", tmp_path / "deep" / "out.ipynb")
    done = run("--check", "deep/out.ipynb", "one", "--two", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "5 cells agree with the notebook\n", "")
    done = run("--check", "deep/out.ipynb", "another", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "[5] sys.argv[1:], x",
        "  -(['one', '--two'], 5)",
        "  +(['another'], 5)",
        "4 of 5 cells agree with the notebook (- stored, + now)",
    ]


def test_an_error_ends_the_run_unless_allowed(tmp_path):
    write(tmp_path / "a.ipynb", "print('first')", "import torch\ntorch.no_such_name", "print('last')")
    done = run("a.ipynb", "--save", "stopped.ipynb", cwd=tmp_path)
    assert done.returncode == 1
    assert "first" in done.stdout and "last" not in done.stdout
    assert "AttributeError: module 'torch' has no attribute 'no_such_name'" in done.stderr
    assert "chainrule run: stopped at cell [2] import torch: AttributeError" in done.stderr
    assert nbformat.read(tmp_path / "stopped.ipynb", as_version=4).cells[2].outputs[0].ename == "AttributeError"
    done = run("a.ipynb", "--allow-errors", "--save", "whole.ipynb", cwd=tmp_path)
    assert done.returncode == 0 and "last" in done.stdout
    # The stored notebook says that the cell fails, so failing again is agreement, and the run goes on.
    assert run("whole.ipynb", "--check", cwd=tmp_path).returncode == 0


def test_a_cell_that_takes_too_long_and_a_kernel_that_dies(tmp_path):
    write(tmp_path / "slow.ipynb", "1", "import time; time.sleep(60)")
    done = run("slow.ipynb", "--timeout", "1", cwd=tmp_path)
    assert done.returncode == 1 and "cell [2] import time; time.sleep(60) took longer than 1 s" in done.stderr
    write(tmp_path / "dies.ipynb", "import os; os._exit(3)")
    done = run("dies.ipynb", cwd=tmp_path)
    assert done.returncode == 1 and "the kernel died" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't open notebook"),
        ("{", "is not a notebook"),
        ('{"cells": [], "metadata": {"kernelspec": {"language": "julia", "name": "j", "display_name": "J"}}, '
         '"nbformat": 4, "nbformat_minor": 5}', "is a julia notebook"),
    ],
)  # fmt: skip
def test_what_is_no_notebook_to_run(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.ipynb").write_text(content)
    done = run("a.ipynb", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("chainrule run: ") and message in done.stderr


def test_without_the_packages_it_says_what_to_install(tmp_path):
    (tmp_path / "nbformat.py").write_text("raise ModuleNotFoundError(\"No module named 'nbformat'\", name='nbformat')")
    write(tmp_path / "a.ipynb", "1")
    done = run("a.ipynb", cwd=tmp_path, path=os.pathsep.join([str(tmp_path), SOURCE]))
    assert done.returncode == 2
    assert done.stderr == "chainrule run: running a notebook needs nbformat: pip install 'chainrule[notebook]'\n"
