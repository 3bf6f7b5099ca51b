"""An error keeps PyTorch's words, and its notes say what happened first, where, and the remedy."""

import linecache
import re
import sys

import pytest

import chainrule as torch


def note_of(program, *args):
    """(PyTorch's words, what is added) of the error that a program ends with."""
    with pytest.raises(RuntimeError) as caught:
        program(*args)
    return str(caught.value), "\n".join(caught.value.__notes__)


def line(function, offset):
    """``file:line`` of a line of the function, counted from its ``def``."""
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno + offset}"


def leaf():
    return torch.tensor([1.0, 2.0], requires_grad=True)


# -- element 0 of tensors does not require grad ----------------------------------------------------------------------


def detached():
    h = leaf() * 3
    out = h.detach()
    loss = (out - 1).sum()
    loss.backward()


def through_data():
    loss = (leaf() * 3).data.sum()
    loss.backward()


def through_a_number():
    h = (leaf() * 3).sum()
    loss = torch.tensor(h.item())
    loss.backward()


def through_numpy():
    array = (leaf() * 3).detach().numpy()
    loss = torch.from_numpy(array).sum()
    loss.backward()


def through_integers():
    loss = (leaf() * 3).long().sum()
    loss.backward()


def through_a_dtype():
    h = (leaf() * 3).to(torch.int64)
    loss = h.sum()
    loss.backward()


def through_an_index():
    loss = (leaf() * 3).argmax()
    loss.backward()


def through_a_comparison():
    hits = leaf() * 3 > 4
    loss = hits.float().mean()
    loss.backward()


def without_recording():
    w = leaf()
    with torch.no_grad():
        loss = (w * w).sum()
    loss.backward()


@torch.no_grad()
def evaluated(w):
    return (w * w).sum()


def in_a_decorated_function():
    loss = evaluated(leaf())
    loss.backward()


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))

    def forward(self, x):
        h = self.weight * x
        return h.detach()


def in_a_module():
    net = Net()
    loss = net(torch.ones(2)).sum()
    loss.backward()


def in_one_line():
    w = leaf()
    (w * 3).detach().sum().backward()


def by_grad():
    w = leaf()
    h = (w * 3).detach()
    torch.autograd.grad(h.sum(), w)


def by_function():
    h = (leaf() * 3).detach()
    loss = h.sum()
    torch.autograd.backward(loss)


CUTS = [
    (in_one_line, line(in_one_line, 2), ".detach()", "leave .detach() out"),
    (by_grad, line(by_grad, 2), ".detach()", "leave .detach() out"),
    (by_function, line(by_function, 1), ".detach()", "leave .detach() out"),
    (detached, line(detached, 2), ".detach()", "leave .detach() out"),
    (through_data, line(through_data, 1), ".data", "use the tensor itself"),
    (through_a_number, line(through_a_number, 2), "making a new tensor", "pass the tensor on as it is"),
    (through_numpy, line(through_numpy, 2), "making a new tensor", "pass the tensor on as it is"),
    (through_integers, line(through_integers, 1), "integer dtype", "stay in a floating dtype"),
    (through_a_dtype, line(through_a_dtype, 1), "integer dtype", "stay in a floating dtype"),
    (through_an_index, line(through_an_index, 1), "an index", "softmax"),
    (through_a_comparison, line(through_a_comparison, 1), "a comparison", "sigmoid"),
    (without_recording, line(without_recording, 3), "no_grad()", "outside of no_grad()"),
    (in_a_decorated_function, line(evaluated.__wrapped__, 2), "no_grad()", "outside of no_grad()"),
    (in_a_module, line(Net.forward, 2), ".detach()", "leave .detach() out"),
]


@pytest.mark.parametrize("program, place, by, remedy", CUTS, ids=[c[0].__name__ for c in CUTS])
def test_no_history(program, place, by, remedy):
    words, note = note_of(program)
    assert words == "element 0 of tensors does not require grad and does not have a grad_fn"
    first, *_, last = note.splitlines()
    assert re.match("(`loss`|This tensor) has no history: the tape was left by ", first) and by in first
    assert place in note
    assert last.startswith("Remedy: ") and remedy in last


def test_cells_of_a_notebook(monkeypatch):
    """The cut is in a cell that ran before."""
    namespace = {"torch": torch}
    cells = [
        "w = torch.ones(2, requires_grad=True)\nh = w * 3\n",
        "%matplotlib inline\n",
        "out = h.detach()\n",
        "loss = out.sum()\nloss.backward()\n",
        "loss = w.detach()\n",
    ]
    for i, cell in enumerate(cells):
        name = f"/tmp/ipykernel_1/{i}.py"
        monkeypatch.setitem(linecache.cache, name, (len(cell), None, cell.splitlines(keepends=True), name))
    for i in (0, 2):
        exec(compile(cells[i], f"/tmp/ipykernel_1/{i}.py", "exec"), namespace)
    _, note = note_of(exec, compile(cells[3], "/tmp/ipykernel_1/3.py", "exec"), namespace)
    assert "`loss` has no history: the tape was left by .detach() at /tmp/ipykernel_1/2.py:1: out = h.detach()" in note


def test_nothing_requires_grad():
    def program():
        loss = torch.ones(3).sum()
        loss.backward()

    words, note = note_of(program)
    assert words.startswith("element 0 of tensors does not require grad")
    assert "nothing that it was computed from requires grad" in note and "requires_grad=True" in note


def test_an_integer_has_no_gradient():
    _, note = note_of(lambda: torch.tensor(3).backward())
    assert "torch.int64: integers and truth values have no gradient" in note


def test_a_program_without_source():
    namespace = {"torch": torch}
    _, note = note_of(exec, "torch.tensor(1.0).backward()", namespace)
    assert "no history" in note


# -- backward a second time ------------------------------------------------------------------------------------------


def twice():
    loss = (leaf() ** 2).sum()
    loss.backward()
    loss.backward()


def shared():
    h = leaf() ** 2
    h.sum().backward()
    (h * h).sum().backward()


def carried():
    w, state = leaf(), torch.zeros(2)
    for _ in range(2):
        state = torch.tanh(state + w)
        loss = state.sum()
        loss.backward()


@pytest.mark.parametrize("program, offset", [(twice, 2), (shared, 2), (carried, 5)])
def test_a_second_backward(program, offset):
    words, note = note_of(program)
    assert words.startswith("Trying to backward through the graph a second time") and words.endswith("after calling backward.")
    assert f"freed by the first backward, at {line(program, offset)}: " in note
    assert "retain_graph=True to the first backward" in note and ".detach() what one step of a loop hands to the next" in note


def test_a_kept_graph_is_not_blamed():
    def program():
        loss = (leaf() ** 2).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        loss.backward()

    _, note = note_of(program)
    assert line(program, 3) in note


def test_saved_tensors_after_they_were_freed():
    loss = leaf().exp().sum()
    node = loss.grad_fn.next_functions[0][0]
    loss.backward()
    here = sys._getframe().f_lineno - 1
    words, note = note_of(lambda: node._saved_result)
    assert words.startswith("Trying to backward through the graph a second time")
    assert "ExpBackward0" in note and f"test_why_errors.py:{here}" in note


# -- in place --------------------------------------------------------------------------------------------------------


def written():
    w = leaf()
    w += 1


def part_written():
    w = leaf()
    w[0] = 1.0


@pytest.mark.parametrize("program", [written, part_written])
def test_a_leaf_written_in_place(program):
    words, note = note_of(program)
    assert words.endswith("leaf Variable that requires grad is being used in an in-place operation.")
    assert f"The write at {line(program, 2)}: " in note
    assert "with torch.no_grad():" in note and "x.clone()" in note


def overwritten():
    w = leaf()
    y = w.exp()
    y.mul_(2)
    y.sum().backward()


def test_a_saved_value_overwritten():
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        overwritten()
    words = str(caught.value)
    assert f"overwritten by mul_ at {line(overwritten, 3)}" in words
    assert "ExpBackward0 had saved it: compute with a clone, or out of place" in words
    first, then, remedy = caught.value.__notes__[0].splitlines()
    assert first == "ExpBackward0 saved the value for backward."
    assert then == f"It was overwritten after that at {line(overwritten, 3)}: y.mul_(2)."
    assert remedy.startswith("Remedy: write out of place")


def test_watched_errors_name_the_line_of_the_node():
    with torch.why.watch(), pytest.raises(RuntimeError) as caught:
        overwritten()
    assert f"ExpBackward0 saved the value for backward at {line(overwritten, 2)}: y = w.exp()." in caught.value.__notes__[0]
    with torch.why.watch(), pytest.raises(RuntimeError) as caught:
        twice()
    assert f"It was recorded at {line(twice, 1)}: loss = (leaf() ** 2).sum()." in caught.value.__notes__[0]
    with torch.why.watch(), pytest.raises(RuntimeError) as caught:
        written()
    assert f"It was made to require grad at {line(leaf, 1)}: " in caught.value.__notes__[0]
