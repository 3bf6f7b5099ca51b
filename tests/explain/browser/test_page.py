"""The explorer's page in a browser: clicking, stepping, folding, searching, saving; by mouse, by finger and by keyboard."""

import random
import re
import xml.etree.ElementTree as ET

import pytest

import chainrule as torch


def neuron():
    w, b = torch.tensor(1.0, requires_grad=True), torch.tensor(0.0, requires_grad=True)
    x = torch.tensor(6.7)
    z = w * x + b
    p = torch.sigmoid(z)
    loss = -torch.log(1 - p)
    return loss, {"w": w, "b": b, "x": x, "z": z, "p": p, "loss": loss}


def network(layers=3):
    torch.manual_seed(0)
    parts = [part for _ in range(layers) for part in (torch.nn.Linear(6, 6), torch.nn.Tanh())]
    model = torch.nn.Sequential(*parts)
    loss = model(torch.randn(4, 6)).square().mean()
    return loss, {"model": model, "loss": loss}


@pytest.fixture
def neuron_page(show):
    loss, names = neuron()
    return show(loss, names=names)


def test_the_graph_is_on_the_canvas(neuron_page):
    pixels = "e.view.context.getImageData(0, 0, e.view.canvas.width, e.view.canvas.height).data.buffer"
    assert neuron_page.js(f"new Set(new Uint32Array({pixels})).size") > 50
    assert neuron_page.text("h1") == "loss – chainrule"
    assert neuron_page.visible == 9
    boxes = neuron_page.js("[...e.scene.places.boxes.values()].map((b) => [b.x, b.y, b.width, b.height])")
    for i, (x, y, w, h) in enumerate(boxes):
        for x2, y2, w2, h2 in boxes[:i]:
            assert abs(x - x2) >= (w + w2) / 2 or abs(y - y2) >= (h + h2) / 2


def test_a_click_shows_all_about_an_operation(neuron_page):
    neuron_page.click(neuron_page.item("p"))
    told = neuron_page.text("#details")
    heads = ("Cotangent in", "local derivative", "product out", "Used by")
    for part in ("p = sigmoid(z)", "SigmoidBackward0", "∂p/∂z", "0.99877", "813.36", "0.001228", "0.9988", *heads):
        assert part in told, part


def test_a_click_beside_lets_go(neuron_page):
    neuron_page.click(neuron_page.item("p"))
    box = neuron_page.page.locator("#graph").bounding_box()
    neuron_page.page.mouse.click(box["x"] + box["width"] - 5, box["y"] + 5)
    assert neuron_page.js("e.chosen") is None
    assert "Gradients of leaves" in neuron_page.text("#details")


def test_a_parameter_lights_its_paths_to_the_loss(show):
    loss, names = network()
    page = show(loss, names=names)
    page.click(page.item("model.2.weight"))
    lit = page.js("[...e.scene.lit.items].map((i) => e.folding.label(i))")
    assert "model.2.weight" in lit and "loss = mean" in lit and lit.count("tanh") == 2
    assert not any(name.startswith(("model.0", "model.4")) for name in lit)
    page.press("Escape")
    assert page.js("e.scene.lit") is None


def test_keys_step_forward_and_backward(neuron_page):
    neuron_page.press("Home")
    assert neuron_page.text("#status") == "Nothing is computed yet."
    neuron_page.press("ArrowRight")
    assert neuron_page.text("#status") == "Forward 1 of 6: mul = 6.7"
    neuron_page.press("b", "ArrowRight", "ArrowRight")
    assert neuron_page.text("#status").startswith("Backward 2 of 6: log, cotangent −1 → ")
    neuron_page.press("ArrowLeft")
    assert neuron_page.text("#status").startswith("Backward 1 of 6: loss = neg, cotangent 1 → ")
    neuron_page.press("End")
    assert neuron_page.text("#status").startswith("Backward 6 of 6: mul, cotangent 0.9988 → w: 6.692")


def test_the_slider_and_the_buttons_step(neuron_page):
    neuron_page.page.locator("#slider").fill("8")
    assert neuron_page.text("#status").startswith("Backward 2 of 6")
    neuron_page.page.get_by_role("button", name="One step back").click()
    assert neuron_page.text("#status").startswith("Backward 1 of 6")
    assert neuron_page.page.locator("#slider").get_attribute("aria-valuetext") == neuron_page.text("#status")


def test_playing_comes_to_the_end(neuron_page):
    neuron_page.press("Home", " ")
    assert neuron_page.page.get_by_role("button", name="Pause").count() == 1
    neuron_page.page.wait_for_function("() => explorer.timeline.atEnd && !explorer.playing", timeout=30_000)


def test_a_gradient_accumulates_on_its_leaf(show):
    x = torch.tensor(3.0, requires_grad=True)
    y = torch.sin(x) + x * x
    page = show(y, names={"x": x, "y": y})
    leaf = page.item("x")
    page.press("b")
    seen = []
    for _ in range(3):
        page.press("ArrowRight")
        seen.append(page.js("e.model.summary(e.timeline.arrived(argument))?.element ?? null", leaf))
    assert seen == [None, 6, pytest.approx(5.01, abs=1e-3)]
    page.click(leaf)
    assert "The sum over 3 paths" in page.text("#details")


def test_modules_fold_and_open(show):
    loss, names = network()
    page = show(loss, names=names)
    everything = page.visible
    page.press("f")
    group = page.group("2")
    hull = page.js("e.scene.places.hulls.find((h) => h.group === argument - e.model.count)", group)
    corner = [hull["x"] - hull["width"] / 2 + 20, hull["y"] - hull["height"] / 2 + 12]
    title = page.js("e.view.toScreen(...argument)", corner)
    box = page.page.locator("#graph").bounding_box()
    page.page.mouse.click(box["x"] + title["x"], box["y"] + title["y"])
    assert page.visible == everything - 2
    assert "2" in page.text("#details h2")
    page.page.mouse.dblclick(*page.where(group))
    assert page.visible == everything
    page.page.get_by_role("button", name="Fold", exact=True).first.click()
    assert page.visible < 5
    page.page.get_by_role("button", name="Unfold").click()
    assert page.visible == everything


def test_a_search_finds_what_is_folded_away(show):
    loss, names = network()
    page = show(loss, names=names)
    page.js("e.actions.foldAll()")
    page.press("/")
    page.page.keyboard.type("4.weight")
    assert page.text("#hits") == "1 found"
    page.press("Enter")
    assert page.text("#hits") == "1 of 1"
    assert page.js("e.folding.shown[e.chosen] === e.chosen && e.model.name(e.chosen)") == "model.4.weight"
    assert page.text("#details h2") == "model.4.weight"


def test_dead_exploding_and_nan_gradients_are_marked(show):
    x = torch.tensor([-1.0, -2.0], requires_grad=True)
    a = torch.relu(x).sum()
    c = torch.tensor(2.0, requires_grad=True)
    zero = torch.tensor(0.0, requires_grad=True)
    page = show(a + (c * 1e6) + torch.sqrt(zero * zero), names={"x": x, "c": c, "zero": zero})
    assert set(page.page.locator("#legend .mark .sign").all_inner_texts()) == {"∅", "▲", "NaN"}
    told = page.text("#details")
    assert "NaN or infinite gradient" in told and "dead: the gradient is zero" in told and "exploding gradient" in told
    page.click(page.item("x"))
    assert "dead" in page.text("#details .mark")


def test_colours_can_go_by_value_and_by_operation(neuron_page):
    tones = []
    for choice in ("gradient", "value", "operation"):
        neuron_page.page.locator("#colour").select_option(choice)
        tones.append(neuron_page.js("e.folding.items.map((i) => e.scene.tone(i).colour).join()"))
    assert len(set(tones)) == 3


def test_light_and_dark(show):
    loss, names = neuron()
    page = show(loss, names=names, theme="dark")
    corner = "[...e.view.context.getImageData(2, 2, 1, 1).data].slice(0, 3)"
    assert max(page.js(corner)) < 60
    page.press("t")
    page.page.wait_for_timeout(60)
    assert min(page.js(corner)) > 200


def test_the_keyboard_alone_goes_through_the_graph(neuron_page):
    live = "#live"
    neuron_page.page.locator("#graph").focus()
    neuron_page.press("ArrowUp")
    assert neuron_page.text(live).startswith("mul, operation")
    neuron_page.press("ArrowDown")
    assert neuron_page.text(live).startswith("z = add, operation, value 6.7, gradient 0.9988")
    neuron_page.press("ArrowUp", "ArrowUp", "]")
    chosen = neuron_page.text(live)
    assert chosen.startswith(("w, leaf", "x, data"))
    neuron_page.press("Enter")
    assert neuron_page.js("document.activeElement.id") == "details"
    neuron_page.press("?")
    assert neuron_page.page.get_by_role("dialog", name="Keys").is_visible()
    neuron_page.press("Escape")
    assert not neuron_page.page.get_by_role("dialog", name="Keys").is_visible()


def test_the_outline_is_a_tree_for_screen_readers(show):
    loss, names = network()
    page = show(loss, names=names)
    page.press("o")
    tree = page.page.get_by_role("tree")
    assert tree.is_visible()
    entries = page.page.get_by_role("treeitem")
    assert entries.count() == page.js("e.folding.items.length + e.folding.openGroups.length")
    page.page.locator("[role=treeitem][tabindex='0']").focus()
    page.press("Home")
    before = entries.count()
    assert page.page.locator(":focus").get_attribute("aria-expanded") == "true"
    page.press("ArrowLeft")
    assert entries.count() < before
    assert page.page.locator(":focus").get_attribute("aria-expanded") == "false"
    page.press("ArrowRight", "ArrowDown")
    assert entries.count() == before
    assert page.page.locator(":focus").get_attribute("aria-level") == "2"


def test_everything_that_can_be_pressed_has_a_name(neuron_page):
    named = "b.getAttribute('aria-label') || b.textContent.trim() || b.closest('label')"
    assert neuron_page.js(f"[...document.querySelectorAll('button, input, select')].filter((b) => !({named})).length") == 0
    canvas = neuron_page.page.locator("#graph")
    assert canvas.get_attribute("role") == "application" and canvas.get_attribute("aria-label").startswith("Graph of")


def test_a_phone_has_room_for_it_and_fingers_work(show):
    loss, names = neuron()
    page = show(loss, names=names, width=390, height=844, touch=True)
    assert page.js("document.documentElement.scrollWidth") == 390
    for part in ("#graph", "#details", "#slider", "#play"):
        box = page.page.locator(part).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 391 and box["y"] + box["height"] <= 845
    stage = page.page.locator("#stage").bounding_box()
    assert stage["height"] > 300
    page.page.touchscreen.tap(*page.where(page.item("p")))
    assert "p = sigmoid(z)" in page.text("#details")
    page.page.get_by_role("button", name="Outline").tap()
    outline = page.page.get_by_role("tree")
    assert outline.is_visible() and page.page.locator("#query").is_visible()
    page.page.get_by_text("z = add").first.tap()
    assert not outline.is_visible()  # it lies over the graph, so choosing closes it
    assert "z = v1 + b" in page.text("#details")


def test_zooming_and_dragging_move_the_picture(neuron_page):
    before = neuron_page.js("({ ...e.view.camera })")
    x, y = neuron_page.where(neuron_page.item("p"))
    neuron_page.page.mouse.move(x, y)
    neuron_page.page.mouse.wheel(0, -200)
    neuron_page.page.wait_for_function("(scale) => explorer.view.camera.scale > scale", arg=before["scale"])
    again = neuron_page.js("({ ...e.view.camera })")
    neuron_page.page.mouse.move(40, 400)
    neuron_page.page.mouse.down()
    neuron_page.page.mouse.move(140, 430, steps=4)
    neuron_page.page.mouse.up()
    after = neuron_page.js("({ ...e.view.camera })")
    assert (after["x"] - again["x"], after["y"] - again["y"]) == pytest.approx((100, 30))


def test_the_picture_is_saved_as_svg_and_png(neuron_page, tmp_path):
    with neuron_page.page.expect_download() as found:
        neuron_page.page.get_by_role("button", name="SVG").click()
    assert found.value.suggested_filename == "loss.svg"
    found.value.save_as(tmp_path / "loss.svg")
    texts = [t.text for t in ET.parse(tmp_path / "loss.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert {"w", "p = sigmoid(z)", "∂ 6.692"} <= set(texts)
    with neuron_page.page.expect_download() as found:
        neuron_page.page.get_by_role("button", name="PNG").click()
    found.value.save_as(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_names_are_data(show):
    x = torch.tensor(3.0, requires_grad=True)
    evil = "<img/src=x/onerror=window.hacked=1></script><script>window.hacked=1</script>"
    page = show(x * 2, names={evil: x}, title=evil)
    page.click(page.item(evil))
    page.press("o")
    assert page.js("window.hacked ?? null") is None
    assert page.js("document.images.length") == 0
    assert page.text("h1") == evil
    assert evil in page.text("#details h2")


def test_a_freed_graph_says_so(show):
    x = torch.tensor(3.0, requires_grad=True)
    y = torch.sin(x)
    y.backward()
    page = show(y)
    assert "retain_graph=True" in page.text("#notice")
    page.press("End")
    assert page.text("#status").startswith("Forward 1 of 1")


def test_a_hundred_thousand_operations_open_folded(show):
    x = torch.tensor(0.5, requires_grad=True)
    h = x
    for _ in range(25_000):
        h = torch.sin(h * 1.1) + x * 0.1
    page = show(h, names={"x": x, "h": h})
    assert page.js("e.model.count") == 100_001
    assert page.visible <= 45
    page.press("Home")
    steps = page.js("e.timeline.stops.length")
    page.press("ArrowRight")
    assert re.match(r"Forward 1 of \d+: passes 1–", page.text("#status"))
    page.page.mouse.dblclick(*page.where(page.js("e.folding.items[1]")))
    assert page.js("e.timeline.stops.length") > steps


def test_two_thousand_operations_are_all_shown(show):
    chance = random.Random(0)
    ends = [torch.tensor(0.1 * i, requires_grad=True) for i in range(20)]
    for i in range(2_000):  # chains that touch one another now and then; no part is like another
        end, other = ends[i % 20], chance.choice(ends)
        ends[i % 20] = chance.choice((torch.sin, torch.tanh, torch.exp, lambda x, y=other: x * y, lambda x, y=other: x + y))(end)
    page = show(torch.stack(ends).mean())
    page.page.get_by_role("button", name="Unfold").click()
    assert page.visible > 1_900
    frames = page.js("e.view.frames")
    for _ in range(5):
        page.press("-")
        page.press("ArrowLeft")
    page.page.wait_for_function("(frames) => explorer.view.frames > frames", arg=frames)
