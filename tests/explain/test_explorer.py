"""What the explorer's page is given: the graph, the numbers of a watched backward pass, groups; and the file that holds them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as torch
from chainrule.explain.explorer import MAX_BYTES, explore
from chainrule.explain.explorer_page import unpack


def page_of(y, tmp_path, **options):
    path = explore(y, tmp_path / "graph.html", **options)
    return path.read_text(encoding="utf-8")


def data_of(y, tmp_path, **options):
    return unpack(page_of(y, tmp_path, **options))


class Page:
    """The data by names."""

    def __init__(self, data):
        self.data = data
        v = data["vertices"]
        self.texts = v["texts"]
        self.title = [self.texts[i] for i in v["title"]]
        self.name = [self.texts[i] for i in v["name"]]
        self.rows = data["numbers"]["rows"]
        self.ends = np.cumsum(data["links"]["further"])
        self.starts = self.ends - data["links"]["back"]

    def at(self, name):
        return self.name.index(name) if name in self.name else self.title.index(name)

    def value(self, name):
        return self.rows[self.data["vertices"]["value"][self.at(name)]]

    def gradient(self, name):
        return self.rows[self.data["vertices"]["cotangent"][self.at(name)]]

    def links(self, start, end):
        return np.flatnonzero((self.starts == self.at(start)) & (self.ends == self.at(end))).tolist()

    def link(self, what, start, end):
        found = self.data["links"][what]
        return [self.rows[found[str(i)] if isinstance(found, dict) else found[i]][1] for i in self.links(start, end)]


def neuron():
    x, y = torch.tensor(6.7), torch.tensor(0.0)
    w, b = torch.tensor(1.0, requires_grad=True), torch.tensor(0.0, requires_grad=True)
    z = w * x + b
    p = torch.sigmoid(z)
    loss = -(y * torch.log(p) + (1 - y) * torch.log(1 - p))
    return w, b, z, p, loss


def test_values_gradients_and_products_of_a_neuron(tmp_path):
    w, b, z, p, loss = neuron()
    page = Page(data_of(loss, tmp_path))
    loss.backward()
    assert page.value("z")[1] == pytest.approx(6.7)
    assert page.value("p")[1] == pytest.approx(p.item(), rel=1e-4)
    assert page.gradient("w")[1] == pytest.approx(w.grad.item(), rel=1e-4)
    assert page.gradient("b")[1] == pytest.approx(b.grad.item(), rel=1e-4)
    assert page.gradient("p")[1] == pytest.approx(813.4, rel=1e-3)
    assert page.link("local", "z", "p") == [pytest.approx(p.item() * (1 - p.item()), rel=1e-3)]
    assert page.link("product", "z", "p") == [pytest.approx(w.grad.item() / 6.7, rel=1e-4)]
    assert "x" not in page.name  # a variable of another function


def test_gradients_are_those_of_backward(tmp_path):
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    loss = (model(torch.randn(5, 3)) ** 2).mean()
    page = Page(data_of(loss, tmp_path))
    loss.backward()
    for name, parameter in model.named_parameters():
        row = page.gradient(f"model.{name}")
        expected = parameter.grad.numpy()
        kind = page.data["numbers"]["kinds"][row[0]]
        assert kind == ["float32", list(expected.shape)]
        statistics = [np.sqrt(np.mean(expected**2)), expected.mean(), expected.std(), expected.min(), expected.max()]
        np.testing.assert_allclose(row[1:6], statistics, rtol=1e-3, atol=1e-6)
        at = page.data["vertices"]["cotangent"][page.at(f"model.{name}")]
        np.testing.assert_allclose(page.data["numbers"]["cells"][str(at)], expected.reshape(-1), rtol=1e-3)


def test_the_tape_stays_as_it_was(tmp_path):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    h = x * x
    h.retain_grad()
    y = h.sum()
    explore(y, tmp_path / "graph.html")
    assert x.grad is None and h.grad is None
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0] and h.grad.tolist() == [1.0, 1.0]


def test_products_add_up_in_the_order_of_backward(tmp_path):
    x = torch.tensor(3.0, requires_grad=True)
    y = torch.sin(x) + x * x
    page = Page(data_of(y, tmp_path))
    k = page.data["links"]
    mine = sorted(np.flatnonzero(page.starts == page.at("x")), key=lambda i: -page.ends[i])
    sent = [page.rows[k["product"][i]][1] for i in mine]
    running = [page.rows[k["running"][i]][1] for i in mine]
    assert sent == pytest.approx([3.0, 3.0, float(np.cos(3.0))], rel=1e-4)
    assert running == pytest.approx([3.0, 6.0, 6.0 + float(np.cos(3.0))], rel=1e-4)


def test_a_freed_graph_shows_its_structure_and_says_so(tmp_path):
    x = torch.tensor(3.0, requires_grad=True)
    y = torch.sin(x) ** 2
    y.backward()
    data = data_of(y, tmp_path)
    assert "retain_graph=True" in data["notice"]
    assert set(data["vertices"]["cotangent"]) == {-1}
    assert len(data["links"]["back"]) == 2


def test_no_history_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad and does not have a grad_fn"):
        explore(torch.tensor(1.0), tmp_path / "graph.html")


def test_a_gradient_of_another_shape_is_refused(tmp_path):
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        explore(x * 2, tmp_path / "graph.html", gradient=torch.ones(2))


def test_what_is_no_tensor_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"explore\(\): argument 'y' \(position 1\) must be Tensor, not list"):
        explore([1.0], tmp_path / "graph.html")


def test_names_cannot_break_out_of_the_page(tmp_path):
    evil = "</script><script>alert(1)</script><!--"
    x = torch.tensor(1.0, requires_grad=True)
    text = page_of(x * 2, tmp_path, names={evil: x}, title=evil)
    assert evil not in text
    assert text.count("<script") == text.count("</script>") == 3
    assert Page(unpack(text)).gradient(evil)[1] == 2


def test_the_page_loads_nothing(tmp_path):
    text = page_of(neuron()[-1], tmp_path)
    assert "default-src 'none'" in text
    assert re.findall(r"""(?:src|href)=["']?(?!#|data:)[^"'\s>]+""", text) == []
    assert len(text) < 250_000


def test_a_hundred_thousand_operations_fit_and_fold(tmp_path):
    x = torch.tensor(0.5, requires_grad=True)
    h = x
    for _ in range(25_000):
        h = torch.sin(h * 1.1) + x * 0.1
    text = page_of(h, tmp_path)
    assert len(text.encode()) < MAX_BYTES
    data = unpack(text)
    assert len(data["vertices"]["kind"]) > 100_000
    children = np.bincount(np.array([g["parent"] for g in data["groups"]]) + 1)
    assert children.max() <= 40
    assert {g["name"] for g in data["groups"] if g["parent"] == -1} == {"×25000"}


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g


def second_order(x):
    (g,) = torch.autograd.grad(torch.sin(x).sum(), x, create_graph=True)
    return g.sum()


def in_place(x):
    y = x * 2
    y[0] *= 3
    return y.sum()


@pytest.mark.parametrize(
    ("program", "operation"),
    [
        (lambda x: Square.apply(x).sum(), "Square"),
        (second_order, "cos"),
        (in_place, "CopySlices"),
        (lambda x: x.max(dim=0).values, "max"),
        (lambda x: x.unbind(0)[1], "unbind"),
        (lambda x: x * 1, "mul"),
        (lambda x: (x.to(torch.complex64) * 1j).abs().sum(), "abs"),
        (lambda x: x.half().sum(), "sum"),
        (lambda x: torch.sqrt(x * 0).sum(), "sqrt"),
        (lambda x: (x * 1e38 * 1e38).sum(), "sum"),
        (lambda x: x[:0].sum(), "slice"),
    ],
)
def test_every_kind_of_node_has_its_place(tmp_path, program, operation):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = program(x)
    page = Page(data_of(y, tmp_path))
    assert operation in page.title
    y.backward(torch.ones_like(y))
    got = page.gradient("x")
    assert page.data["numbers"]["kinds"][got[0]] == ["float32", [3]]
    cells = page.data["numbers"]["cells"][str(page.data["vertices"]["cotangent"][page.at("x")])]
    np.testing.assert_allclose([float(c) for c in cells], x.grad.numpy(), rtol=1e-3)


def test_a_leaf_alone(tmp_path):
    x = torch.tensor(2.0, requires_grad=True)
    page = Page(data_of(x, tmp_path))  # the innermost frame calls it y
    assert page.name == ["y"] and page.gradient("y")[1] == 1


def test_watched_programs_have_lines_and_modules(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.GELU(), torch.nn.Linear(2, 1))
    with torch.why.watch():
        loss = model(torch.ones(1, 2)).sum()
    data = data_of(loss, tmp_path)
    page = Page(data)
    scope = [page.texts[i] for i in data["vertices"]["scope"]]
    assert scope[page.at("gelu")] == "model.1"
    line = page.texts[data["vertices"]["line"][page.at("gelu")]].split("\t")
    assert line[0].endswith("test_explorer.py") and line[2] == "loss = model(torch.ones(1, 2)).sum()"


def test_repeated_parts_become_loops(tmp_path):
    x = torch.tensor(0.5, requires_grad=True)
    h = x
    for _ in range(30):
        h = torch.sin(h) * x
    data = data_of(h, tmp_path)
    loop, *passes = [g for g in data["groups"] if g["parent"] in (-1, 0)]
    assert (loop["name"], loop["kind"], loop["title"]) == ("×30", "loop", "sin, mul")
    assert [g["name"] for g in passes] == [f"pass {i + 1}" for i in range(30)]


def test_the_library_is_the_one_that_the_tool_bundles():
    tool = Path(__file__).parents[2] / "tools" / "bundle_explorer.py"
    subprocess.run([sys.executable, str(tool), "--check"], check=True)
