"""`chainrule run` against `python` itself: the same program has to see, print and return the same."""

import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

import chainrule
from chainrule.cli import main
from chainrule.cli.run import NotebookOptions, UsageError, parse

SOURCE = str(Path(chainrule.__file__).parents[1])
RUN = (sys.executable, "-m", "chainrule", "run")


def run(*command, cwd, stdin="", path=SOURCE, **options):
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True, env=env, timeout=120, **options)


def write(folder, name, program):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(program))
    return file


SEES = """
    import sys, __main__
    names = sorted(n for n in globals() if n.startswith("__"))
    print(__name__, globals().get("__file__"), __package__, names, type(__builtins__))
    print(sys.argv, sys.path[0], __main__.__dict__ is globals(), __spec__ and __spec__.name)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["program.py", "a", "--b"],
        ["sub/../program.py"],
        ["-m", "package", "a", "-c"],
        ["-m", "package.inner", "--save", "x"],
        ["package", "a"],
        ["packed.zip"],
        ["-"],
        ["-c", textwrap.dedent(SEES), "a", "-m"],
    ],
    ids=lambda a: " ".join(a)[:20],
)
def test_the_program_sees_what_python_shows_it(tmp_path, arguments):
    write(tmp_path, "program.py", SEES)
    write(tmp_path, "package/__init__.py", "")
    write(tmp_path, "package/__main__.py", SEES)
    write(tmp_path, "package/inner.py", SEES)
    (tmp_path / "sub").mkdir()
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as z:
        z.writestr("__main__.py", textwrap.dedent(SEES))
    stdin = textwrap.dedent(SEES)
    ours = run(*RUN, *arguments, cwd=tmp_path, stdin=stdin)
    theirs = run(sys.executable, *arguments, cwd=tmp_path, stdin=stdin)
    assert theirs.returncode == 0 and theirs.stdout
    assert (ours.stdout, ours.stderr, ours.returncode) == (theirs.stdout, theirs.stderr, theirs.returncode)


ENDS = {
    "an error": "def f():\n    1 / 0\nf()",
    "a chained error": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('x') from e",
    "a syntax error": "x = (\n",
    "exit with a number": "import sys; sys.exit(7)",
    "exit with a text": "import sys; sys.exit('bye')",
    "exit with nothing": "raise SystemExit",
    "its own hook": "import sys\nsys.excepthook = lambda kind, e, tb: print(kind, tb.tb_frame.f_code.co_name)\n1 / 0",
    "at exit": "import atexit; atexit.register(print, 'end'); 1 / 0",
    "a thread": "import threading, time, __main__\nx = 5\n"
    "threading.Thread(target=lambda: (time.sleep(0.2), print(__main__.x))).start()",
}


@pytest.mark.parametrize("program", ENDS.values(), ids=ENDS.keys())
def test_the_program_ends_as_under_python(tmp_path, program):
    write(tmp_path, "program.py", program)
    ours = run(*RUN, "program.py", cwd=tmp_path)
    theirs = run(sys.executable, "program.py", cwd=tmp_path)
    assert (ours.stdout, ours.stderr, ours.returncode) == (theirs.stdout, theirs.stderr, theirs.returncode)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_ends_it_as_under_python(tmp_path):
    write(tmp_path, "program.py", "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)")
    # A shell's background job ignores interrupts, and so would its children.
    heeded = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    ours, theirs = (run(*command, "program.py", cwd=tmp_path, **heeded) for command in (RUN, [sys.executable]))
    assert ours.returncode == theirs.returncode == -signal.SIGINT
    assert ours.stderr == theirs.stderr


def test_torch_is_chainrule_in_the_program_and_in_what_it_imports(tmp_path):
    write(tmp_path, "helper.py", "import torch.cuda\nfrom torch.utils import hooks\n")
    program = "import torch, helper, chainrule\nprint(torch is chainrule is helper.torch, helper.hooks.__name__, torch.cuda.is_available())"
    write(tmp_path, "program.py", program)
    assert run(*RUN, "program.py", cwd=tmp_path).stdout == "True chainrule.utils.hooks False\n"


def test_a_missing_name_and_module_are_named(tmp_path):
    done = run(*RUN, "-c", "import torch\ntorch.no_such_name", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("AttributeError: module 'torch' has no attribute 'no_such_name'")
    done = run(*RUN, "-c", "import torch.no_such_module", cwd=tmp_path)
    assert done.stderr.splitlines() == [
        "Traceback (most recent call last):",
        '  File "<string>", line 1, in <module>',
        "ModuleNotFoundError: No module named 'torch.no_such_module' "
        "(PyTorch may have it; chainrule, which stands in for it here, has no such module)",
    ]


def test_classes_of_main_pickle(tmp_path):
    program = """
        import pickle
        class A:
            pass
        print(type(pickle.loads(pickle.dumps(A()))) is A, A.__module__)
    """
    write(tmp_path, "program.py", program)
    assert run(*RUN, "program.py", cwd=tmp_path).stdout == "True __main__\n"


def test_worker_processes_have_the_alias_however_they_are_started(tmp_path):
    program = """
        import multiprocessing, subprocess, sys

        def work(queue):
            import torch
            queue.put(torch.__name__)

        if __name__ == "__main__":
            for method in multiprocessing.get_all_start_methods():
                context = multiprocessing.get_context(method)
                queue = context.Queue()
                process = context.Process(target=work, args=(queue,))
                process.start()
                print(method, queue.get(timeout=60), flush=True)
                process.join()
            subprocess.run([sys.executable, "-c", "import torch; print('subprocess', torch.__name__)"], check=True)
    """
    write(tmp_path, "program.py", program)
    done = run(*RUN, "program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) >= 2 and all(line.endswith(" chainrule") for line in lines)


def test_an_environments_own_sitecustomize_still_runs(tmp_path):
    write(tmp_path, "site/sitecustomize.py", "print('customized', flush=True)")
    child = "import torch, sitecustomize; print(torch.__name__)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    done = run(*RUN, "-c", program, cwd=tmp_path, path=os.pathsep.join([str(tmp_path / "site"), SOURCE]))
    assert done.stdout.splitlines() == ["customized", "customized", "chainrule"]


def test_a_child_that_does_not_use_torch_does_not_load_chainrule(tmp_path):
    child = "import sys; print([m for m in sys.modules if m.split('.')[0] in ('chainrule', 'numpy')])"
    done = run(*RUN, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])", cwd=tmp_path)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "nothing to run"),
        (["-m"], 2, "-m needs a value"),
        (["--nonsense", "x.py"], 2, "unknown option '--nonsense'"),
        (["--check", "x.py"], 2, "are for notebooks"),
        (["--timeout", "soon", "x.ipynb"], 2, "needs a number of seconds"),
        (["absent.py"], 2, "[Errno 2] No such file or directory"),
        (["-m", "absent_module"], 1, "No module named absent_module"),
        (["-m", "package"], 1, "cannot be directly executed"),
        (["empty"], 2, "can't find '__main__' module in 'empty'"),
    ],
)
def test_what_cannot_be_run(tmp_path, arguments, status, message):
    write(tmp_path, "package/__init__.py", "")
    (tmp_path / "empty").mkdir()
    done = run(*RUN, *arguments, cwd=tmp_path)
    assert done.returncode == status
    assert done.stderr.startswith("chainrule run: ") and message in done.stderr and "Traceback" not in done.stderr


def test_arguments_of_a_notebook_stand_on_either_side():
    wanted = NotebookOptions(save="out.ipynb", check=True, timeout=2.5, allow_errors=True)
    before = parse(["--save", "out.ipynb", "--check", "--timeout=2.5", "--allow-errors", "a.ipynb", "x"])
    after = parse(["a.ipynb", "--allow-errors", "--timeout", "2.5", "--check", "--save=out.ipynb", "x"])
    assert before.options == after.options == wanted and before.args == after.args == ["x"]
    assert parse(["a.ipynb", "--", "--check"]).args == ["--check"]
    assert parse(["a.py", "--check"]) == ("file", "a.py", ["--check"], NotebookOptions())
    with pytest.raises(UsageError):
        parse(["a.ipynb", "--chekc"])


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["doctor", "--help"]])
def test_help(capsys, arguments):
    assert main(arguments) == 0
    assert "usage: chainrule" in capsys.readouterr().out


def test_version_and_unknown_command(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("chainrule ")
    assert main(["wlak"]) == 2
    assert "no command 'wlak'" in capsys.readouterr().err
    assert main([]) == 2
