"""Static pictures: what they say, that they are well-formed, and that nothing overlaps."""

import itertools
import random
import shutil
import xml.etree.ElementTree as ET

import pytest

import chainrule as torch
from chainrule.explain.draw_layout import assigned_layers, layered

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture):
    return [t.text for t in ET.fromstring(picture.svg).iter(f"{SVG}text")]


def neuron():
    w, b = torch.tensor(1.0, requires_grad=True), torch.tensor(0.0, requires_grad=True)
    x = torch.tensor(6.7)
    z = w * x + b
    p = torch.sigmoid(z)
    return torch.draw(-torch.log(1 - p))


def test_a_picture_has_names_values_gradients_and_local_derivatives():
    found = texts(neuron())
    for line in ("w", "x", "p = sigmoid(z)", "∂ 6.692", "0.9988", "×6.7", "×0.001228"):
        assert line in found


def test_a_square_has_both_derivatives_on_its_line():
    x = torch.tensor(3.0, requires_grad=True)
    assert "×3, ×3" in texts(torch.draw(x * x))


def test_names_are_escaped():
    x = torch.tensor(3.0, requires_grad=True)
    picture = torch.draw(torch.sin(x), names={'<b>"\\n&': x})
    assert "<b>" not in picture.svg
    assert '<b>"\\n&' in texts(picture)
    assert r'<b>\"\\n&\n3' in picture.dot


def test_modules_fold_when_there_are_too_many_boxes():
    model = torch.nn.Sequential(*[torch.nn.Linear(3, 3) for _ in range(8)])
    y = model(torch.ones(2, 3)).sum()
    assert "model.0.weight" in texts(torch.draw(y))
    folded = texts(torch.draw(y, most=12))
    assert "model.0.weight" not in folded
    assert folded.count("Linear · 1 op") == 8


def test_a_freed_tape_has_its_structure_left():
    x = torch.tensor(3.0, requires_grad=True)
    y = torch.sin(x) * 2
    y.backward()
    picture = torch.draw(y)
    assert repr(picture) == "<Drawing of 3 boxes and 2 links>"
    assert "×" not in picture.svg


def test_notebooks_are_given_the_svg():
    picture = neuron()
    assert picture._repr_svg_() == picture.svg


def test_files_by_their_endings(tmp_path):
    picture = neuron()
    assert picture.save(tmp_path / "a.svg").read_text(encoding="utf-8") == picture.svg
    assert picture.save(tmp_path / "a.gv").read_text(encoding="utf-8") == picture.dot
    with pytest.raises(ValueError, match=r"not '\.jpg'"):
        picture.save(tmp_path / "a.jpg")


def test_png_without_graphviz_says_what_to_do(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(RuntimeError, match="Install Graphviz"):
        neuron().png()


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_png_by_graphviz():
    assert neuron().png().startswith(b"\x89PNG\r\n")


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(TypeError, match=r"draw\(\): argument 'y' \(position 1\) must be Tensor, not float"):
        torch.draw(1.0)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.draw(torch.tensor(1.0))


@pytest.mark.parametrize("seed", range(12))
def test_layouts_go_down_and_do_not_overlap(seed):
    chance = random.Random(seed)
    n = chance.randint(2, 60)
    links = sorted({tuple(sorted(chance.sample(range(n), 2))) for _ in range(2 * n)})
    sizes = [(chance.uniform(20, 120), chance.uniform(10, 50)) for _ in range(n)]
    found = layered(sizes, links)
    assert all(found.centres[a][1] < found.centres[b][1] for a, b in links)
    for i, j in itertools.combinations(range(n), 2):
        (xi, yi), (xj, yj) = found.centres[i], found.centres[j]
        apart_x = abs(xi - xj) - (sizes[i][0] + sizes[j][0]) / 2
        apart_y = abs(yi - yj) - (sizes[i][1] + sizes[j][1]) / 2
        assert apart_x > -1e-6 or apart_y > -1e-6
    for (x, y), (w, h) in zip(found.centres, sizes):
        assert -1e-6 <= x - w / 2 and x + w / 2 <= found.width + 1e-6 and -1e-6 <= y - h / 2 and y + h / 2 <= found.height + 1e-6


def test_a_start_stands_right_above_its_first_consumer():
    assert assigned_layers(4, [(0, 1), (1, 2), (3, 2)]) == [0, 1, 2, 1]
