"""Make docs/images/explorer.png: the graph explorer in the middle of a backward pass.

    python tools/screenshot_explorer.py [PROGRAM]      needs chainrule[browser] and Chromium

The picture is of the program given, by default a small classifier, and is looked at before it is committed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "explorer.png"
PROGRAM = """\
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
points = torch.randn(64, 2)
labels = (points[:, 0] * points[:, 1] > 0).long()
logits = model(points)
loss = nn.functional.cross_entropy(logits, labels)
loss.backward()
"""
SIZE = {"width": 1200, "height": 760}


def page_of(program: str, folder: Path) -> Path:
    """The explorer's page of a program."""
    script, page = folder / "classifier.py", folder / "page.html"
    script.write_text(program, encoding="utf-8")
    command = [sys.executable, "-m", "chainrule", "explore", "--no-open", "-o", str(page), script.name]
    subprocess.run(command, cwd=folder, check=True)
    return page


def main() -> None:
    """Write the picture."""
    program = Path(sys.argv[1]).read_text(encoding="utf-8") if len(sys.argv) > 1 else PROGRAM
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = page_of(program, Path(folder))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
        page.goto(page_file.as_uri())
        page.wait_for_selector("html[data-ready]")
        page.evaluate("(e => { e.goTo(e.timeline.stops.length - 3); e.view.fit(false); })(window.explorer)")
        page.wait_for_timeout(300)
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE)
        browser.close()
    print(f"{PICTURE}: {PICTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
