"""What `chainrule run --check` takes for the same output, and how it shows what is not."""

import pytest

nbformat = pytest.importorskip("nbformat")

from chainrule.cli.compare import differences, report, same_text, settled  # noqa: E402

v4 = nbformat.v4


def same(a, b):
    return same_text(settled(a), settled(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("tensor([0.1234, -0.5678])", "tensor([0.1235, -0.5678])"),
        ("tensor([ 0.0000, 1.0000])", "tensor([-0.0000,  1.0000])"),
        ("loss 0.6931471824645996", "loss 0.6931472420692444"),
        ("1.2346e-05", "1.2347e-05"),
        ("<Foo object at 0x7f21ab>", "<Foo object at 0x55d0c0>"),
        ("CPU times: user 3.2 ms, sys: 0 ns\nWall time: 4.1 ms", "CPU times: user 12 µs, sys: 1.5 s\nWall time: 2min 3s"),
        ("took 0.12 seconds on 2026-01-02 03:04:05", "took 13 seconds on 2027-11-12 13:14:15.678"),
        ("1.2 µs ± 3 ns per loop (7 runs, 1,000 loops each)", "9 ms ± 1 µs per loop (7 runs, 1 loop each)"),
        ("  0%|   | 0/3 [00:00<?, ?it/s]\r100%|###| 3/3 [00:00<00:00, 98.92it/s]", "100%|###| 3/3 [00:01<00:00, 3.1it/s]"),
        ("/tmp/ipykernel_1/2.py:1: UserWarning: hey\n  import warnings\n", "/somewhere/else/x.py:99: UserWarning: hey"),
        ("\x1b[31mred\x1b[0m", "red"),
    ],
)
def test_same(a, b):
    assert same(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("tensor([0.1234])", "tensor([0.1236])"),
        ("tensor([1., 2.])", "tensor([1., 3.])"),
        ("epoch 3", "epoch 4"),
        ("loss 0.6931471824645996", "loss 0.6931571824645996"),
        ("0.5", "0.50"),
        ("1e-3", "1e-4"),
        ("tensor(nan)", "tensor(1.0)"),
        ("a 1.0", "b 1.0"),
        ("x", "x y"),
        ("UserWarning: hey", "UserWarning: ho"),
    ],
)
def test_different(a, b):
    assert not same(a, b)


def stream(text, name="stdout"):
    return v4.new_output("stream", name=name, text=text)


def result(text):
    return v4.new_output("execute_result", data={"text/plain": text}, execution_count=1)


def test_streams_count_as_a_whole_however_they_were_cut():
    assert differences([stream("a\n"), stream("b\n")], [stream("a\nb"), stream("\n")]) == []
    assert differences([stream("a"), stream("x", "stderr"), stream("b")], [stream("ab"), stream("x", "stderr")]) == []


def test_only_the_lines_that_differ_stand_out():
    lines = differences([stream("0.10\n0.20\n7\n")], [stream("0.11\n0.20\n8\n")])
    assert lines == [" 0.10", " 0.20", "-7", "+8"]


def test_kinds_of_output():
    error = v4.new_output("error", ename="ValueError", evalue="no", traceback=["a", "b"])
    assert differences([error], [v4.new_output("error", ename="ValueError", evalue="no", traceback=["c"])]) == []
    assert differences([error], [result("1")]) == ["-error: ValueError: no", "+1"]
    figure = {"image/png": "abc", "text/plain": "<Figure size 640x480 with 1 Axes>"}
    other = {**figure, "image/png": "abd"}
    assert differences([v4.new_output("display_data", data=figure)], [v4.new_output("display_data", data=other)]) == []
    assert differences([result("1")], []) == ["-1"]


def notebook(*cells):
    return v4.new_notebook(cells=[v4.new_markdown_cell("text"), *cells])


def cell(source, *outputs, count=1, **metadata):
    return v4.new_code_cell(source, outputs=list(outputs), execution_count=count, metadata=metadata)


def test_report(capsys):
    stored = notebook(cell("x", result("1")), cell("# why\ny = 2", stream("a")), cell("never ran", count=None))
    now = notebook(cell("x", result("2")), cell("# why\ny = 2", stream("a")), cell("never ran", result("3")))
    assert report(stored, now) is False
    assert capsys.readouterr().out == "[1] x\n  -1\n  +2\n1 of 2 cells agree with the notebook (- stored, + now)\n"
    assert report(stored, stored) is True
    assert capsys.readouterr().out == "2 cells agree with the notebook\n"


def test_report_of_cells_that_do_not_count_or_did_not_run(capsys):
    stored = notebook(cell("x", result("1"), tags=["nbval-ignore-output"]), cell("y", result("1"), count=2))
    assert report(stored, notebook(cell("x", result("2")), cell("y", count=None))) is False
    assert capsys.readouterr().out.startswith("[2] y\n  did not run\n0 of 1 cells agree")
