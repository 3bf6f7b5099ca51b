"""`chainrule explore` runs a program up to its backward and writes the page of the graph there."""

import subprocess
import sys

import pytest

from chainrule.cli import main
from chainrule.explain.explorer_page import unpack

PROGRAM = """
import sys
import torch

model = torch.nn.Linear(2, 1)
for step in range(3):
    scale = torch.tensor(float(step + 1))
    loss = (model(torch.ones(4, 2)) * scale).sum()
    try:
        loss.backward()
    except Exception:
        pass
    open("steps", "a").write(f"{step} {sys.argv[1:]}\\n")
"""


def explore(folder, *args, program=PROGRAM):
    (folder / "train.py").write_text(program)
    command = [sys.executable, "-W", "error", "-m", "chainrule", "explore", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def texts(folder):
    return unpack((folder / "page.html").read_text(encoding="utf-8"))["vertices"]["texts"]


def test_stops_at_the_first_backward(tmp_path):
    done = explore(tmp_path, "--no-open", "-o", "page.html", "train.py")
    assert done.returncode == 0, done.stderr
    assert "page.html" in done.stderr
    assert not (tmp_path / "steps").exists()
    found = texts(tmp_path)
    assert {"loss", "model.weight", "scale"} <= set(found)
    assert "train.py\t8\tloss = (model(torch.ones(4, 2)) * scale).sum()" in found


def test_stops_at_another_backward_and_passes_arguments(tmp_path):
    done = explore(tmp_path, "--step=3", "--no-open", "--output=page.html", "train.py", "--lr", "1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "steps").read_text().splitlines() == ["0 ['--lr', '1']", "1 ['--lr', '1']"]


def test_a_program_without_backward_is_shown_at_its_end(tmp_path):
    program = "import torch\nx = torch.tensor(2.0, requires_grad=True)\na = x * 3\nb = torch.sin(a)\n"
    done = explore(tmp_path, "--no-open", "-o", "page.html", "train.py", program=program)
    assert done.returncode == 0, done.stderr
    assert {"x", "a", "b"} <= set(texts(tmp_path))
    explore(tmp_path, "--no-open", "--var", "a", "-o", "page.html", "train.py", program=program)
    assert "b" not in texts(tmp_path)


@pytest.mark.parametrize(
    ("args", "program", "message"),
    [
        (["--step", "9"], PROGRAM, "called backward() 3 times, not 9"),
        (["--var", "nothing"], PROGRAM, "'nothing' is no variable with a history"),
        ([], "import torch\nx = torch.ones(2)\n", "called no backward() and has no variable with a history"),
    ],
)
def test_nothing_to_show_is_said(tmp_path, args, program, message):
    done = explore(tmp_path, "--no-open", *args, "train.py", program=program)
    assert done.returncode == 1
    assert message in done.stderr


def test_the_exit_status_of_a_program_that_fails(tmp_path):
    assert explore(tmp_path, "--no-open", "train.py", program="import sys\nsys.exit(3)\n").returncode == 3
    failed = explore(tmp_path, "--no-open", "train.py", program="raise ValueError('mine')\n")
    assert failed.returncode == 1 and "ValueError: mine" in failed.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "nothing to run"),
        (["--step", "0", "a.py"], "--step needs a number from 1 on, not '0'"),
        (["--step"], "--step needs a value"),
        (["--bright", "a.py"], "unknown option '--bright'"),
        (["a.ipynb"], "a notebook calls chainrule.explore(y) itself"),
    ],
)
def test_command_lines_that_make_no_sense(capsys, args, message):
    assert main(["explore", *args]) == 2
    assert message in capsys.readouterr().err


def test_help(capsys):
    assert main(["explore", "--help"]) == 0
    assert "--no-open" in capsys.readouterr().out
