"""A real headless Chromium, and pages that must neither complain nor ask for anything.

Without Playwright or Chromium these tests are skipped, unless ``CHAINRULE_BROWSER=required`` (as in CI).
"""

import os
import shutil

import pytest

import chainrule as torch

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--force-device-scale-factor=1", "--hide-scrollbars",
]  # fmt: skip
READING = "willReadFrequently"  # a warning about what the tests do, not the page
LOCAL = ("file:", "data:", "blob:")


def missing(what):
    if os.environ.get("CHAINRULE_BROWSER") == "required":
        pytest.fail(f"{what}, and CHAINRULE_BROWSER=required")
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright is not installed: pip install 'chainrule[browser]'")
    program = os.environ.get("CHAINRULE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("Chromium is not installed: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class Explorer:
    """A page of the explorer, with what a user does there."""

    def __init__(self, page):
        self.page = page

    def js(self, expression, argument=None):
        """The value of an expression in which `e` is the page's own object."""
        return self.page.evaluate(f"(argument) => {{ const e = window.explorer; return {expression}; }}", argument)

    def item(self, label):
        """The number of the vertex that is called so."""
        found = self.js("e.model.kind.findIndex((_, i) => e.model.name(i) === argument || e.model.title(i) === argument)", label)
        assert found >= 0, label
        return found

    def group(self, name):
        found = self.js("e.model.groups.findIndex((g) => g.name === argument)", name)
        assert found >= 0, name
        return found + self.js("e.model.count")

    def where(self, item):
        """The middle of an item on the screen; the view moves there if it has to."""
        self.js("e.view.show(argument)", item)
        self.page.wait_for_timeout(350)
        x, y = self.js("(({x, y}) => [x, y])(e.view.toScreen(...(({x, y}) => [x, y])(e.scene.places.boxes.get(argument))))", item)
        box = self.page.locator("#graph").bounding_box()
        return box["x"] + x, box["y"] + y

    def click(self, item):
        self.page.mouse.click(*self.where(item))

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    @property
    def visible(self):
        return self.js("e.folding.items.length")


@pytest.fixture
def show(chromium, tmp_path):
    """show(tensor, …) opens the tensor's page; at the end no page may have complained or asked the network for anything."""
    pages, contexts, complaints, requests = [], [], [], []

    def opened(y, *, width=1280, height=800, theme="light", touch=False, **options):
        path = y if isinstance(y, os.PathLike) else torch.explore(y, tmp_path / f"graph{len(pages)}.html", **options)
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, has_touch=touch, reduced_motion="reduce", accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") and READING not in m.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(LOCAL) else requests.append(r.url))
        page.goto(path.resolve().as_uri())
        page.wait_for_selector("html[data-ready]", timeout=60_000)
        pages.append(page)
        return Explorer(page)

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert requests == []
