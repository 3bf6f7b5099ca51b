"""The page looks as it did: screenshots against references, coarsely, since fonts differ from machine to machine.

``CHAINRULE_UPDATE_SCREENSHOTS=1`` writes the references anew; look at them before they are committed.
"""

import base64
import os
from pathlib import Path

import pytest

import chainrule as torch

REFERENCES = Path(__file__).with_name("references")
GRID = (96, 60)  # cells that are compared, by their mean colours
MEAN, STRONG, FEW = 6.0, 40, 0.06  # mean difference of a channel; a strong difference; the share of cells that may have one

CELLS = """async ([png, width, height]) => {
    const image = new Image();
    image.src = "data:image/png;base64," + png;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, width, height);
    return [image.width, image.height, ...context.getImageData(0, 0, width, height).data];
}"""


def network():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    x, target = torch.randn(4, 6), torch.tensor([0, 2, 1, 0])
    loss = torch.nn.functional.cross_entropy(model(x), target)
    return loss, {"model": model, "x": x, "target": target, "loss": loss}


def cells(page, png):
    return page.evaluate(CELLS, [base64.b64encode(png).decode(), *GRID])


@pytest.mark.parametrize(
    ("name", "options", "state"),
    [
        ("light", {"theme": "light"}, "e.goTo(e.timeline.forwardStops + 2)"),
        ("dark", {"theme": "dark"}, "e.choose(e.model.inputs[e.model.forward[2]].map((k) => e.model.start[k])[0])"),
        ("phone", {"width": 390, "height": 844}, "e.view.fit(false)"),
        ("folded", {"theme": "light"}, "e.actions.foldAll()"),
    ],
)
def test_looks_as_it_did(show, chromium, name, options, state):
    loss, names = network()
    explorer = show(loss, names=names, **options)
    explorer.js(f"(() => {{ {state}; }})()")
    explorer.page.wait_for_timeout(200)
    png = explorer.page.screenshot()
    reference = REFERENCES / f"{name}.png"
    if os.environ.get("CHAINRULE_UPDATE_SCREENSHOTS"):
        REFERENCES.mkdir(exist_ok=True)
        reference.write_bytes(png)
    blank = chromium.new_page()
    try:
        now, then = cells(blank, png), cells(blank, reference.read_bytes())
    finally:
        blank.close()
    assert now[:2] == then[:2]
    differences = [abs(a - b) for a, b in zip(now[2:], then[2:])]
    assert sum(differences) / len(differences) < MEAN
    assert sum(d > STRONG for d in differences) / len(differences) < FEW
