"""The page in docs/, on which the model of notebook 03 draws in the reader's browser: by itself, in node, in a browser."""

import json
import re
import shutil
import subprocess
import time
import urllib.parse

import export_web
import numpy as np
import pytest
import test_browser
import torch
from helpers import Quiet, serve, text_of
from notebooks import ROOT
from PIL import Image

DOCS, MODEL, NAME = ROOT / "docs", ROOT / "docs" / "model", "03.ldm_nano.ipynb"
FACTS = json.loads((MODEL / "model.json").read_text())
CDN, VERSION = re.search(r'"(https://\S+?onnxruntime-web@([\d.]+)/dist/)"', (DOCS / "worker.js").read_text()).groups()
PACKAGES = ROOT / "tools" / ".cache" / "web"  # the library and axe-core, by npm
HERO = "side long red hair blue robe sword"
chromium = test_browser.chromium
quick, browser = pytest.mark.quick, pytest.mark.browser


@pytest.fixture(scope="module")
def nb():
    """Notebook 03 with its trained networks."""
    return export_web.open_model()


@quick
def test_the_page_is_small_and_plain_and_names_sections_that_the_notebook_has():
    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 4_000_000
    page, style, *scripts = (path.read_text() for path in [DOCS / "index.html", DOCS / "style.css", *DOCS.glob("*.js")])
    lines, hosts = "".join(scripts).splitlines(), set(re.findall(r"https?://([\w.-]+)", "".join([page, style, *scripts])))
    assert len(lines) <= 400 and max(map(len, lines)) <= 160
    assert hosts == {"cdn.jsdelivr.net", "github.com", "www.w3.org"}  # the library, links, the name of SVG in the icon
    assert not re.search(r"<script(?![^>]*src=)|<style|style=|\son\w+=", page)
    notes = re.findall(r'<p class="note">(Sections? .*?)</p>', page)
    assert len(notes) >= 4
    for note in notes:
        assert f'href="https://github.com/metamath1/stable-diffusion-nano/blob/main/{NAME}"' in note
        for number, title in re.findall(r"(\d+), “(.+?)”", note):
            section = re.search(rf"(?ms)^## {number} .*?(?=^## |\Z)", text_of(NAME)).group()
            assert re.search(rf"^#+ (\d+ )?{re.escape(title)}$|\*\*{re.escape(title)}\.\*\*", section, re.M), (number, title)


@quick
def test_the_model_of_the_page_is_that_of_the_notebook_and_menus_hold_every_word_and_every_caption(nb):
    files = {name: (MODEL / name).read_bytes() for name in FACTS["files"]}
    made = json.loads(json.dumps(export_web.facts(nb, files)))
    assert {name: FACTS[name] == made[name] for name in made} == dict.fromkeys(FACTS, True), "make web"
    assert torch.equal(torch.tensor(FACTS["alpha_bar"]), nb.alpha_bar) and np.array_equal(FACTS["palette"], nb.data["palette"])
    assert nb.tokenize([FACTS["prompt"], *FACTS["examples"]]).bool().any(1).all()
    slots = [pattern["slots"] for pattern in FACTS["patterns"]]
    assert {word for pattern in slots for slot in pattern for word in slot["words"]} == set(nb.vocabulary[1:])
    whole = "|".join("".join(f"(({'|'.join(s['words'])}) ){'?' * s['optional']}" for s in pattern) for pattern in slots)
    assert [caption for caption in set(nb.captions_train) if not re.fullmatch(whole, caption + " ")] == []


@quick
@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_tests_of_node_pass_and_its_noise_and_steps_are_those_of_the_notebook(nb):
    script = f"""
        import fs from "node:fs";
        import * as nano from "{(DOCS / "nano.js").as_uri()}";
        nano.take(JSON.parse(fs.readFileSync("docs/model/model.json")));
        const eps = [0, 1, 4294967295].map((seed) => [...nano.noise(seed, 512)]);
        console.log(JSON.stringify([eps, Array.from({{ length: 60 }}, (_, k) => nano.times(k + 1))]));
    """
    for arguments in ["--test", "tests/web.test.mjs"], ["--input-type=module", "-e", script]:
        done = subprocess.run(["node", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    noise, paths = json.loads(done.stdout)
    assert np.allclose([export_web.noise(seed, 512) for seed in (0, 1, 2**32 - 1)], noise, atol=1e-6)
    assert paths == [torch.linspace(nb.T, 0, steps + 1).round().long().tolist() for steps in range(1, 61)]


def test_onnxruntime_draws_what_pytorch_draws_and_a_wrong_weight_is_noticed(nb):
    onnx, _ = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    files = {path.name: path.read_bytes() for path in MODEL.glob("*.onnx")}
    assert export_web.equal_pixels(nb, files, 24) >= export_web.LEAST_EQUAL
    graph = onnx.load_from_string(files["unet.onnx"])
    largest = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    assert graph.opset_import[0].version == export_web.OPSET and largest.data_type == onnx.TensorProto.FLOAT16
    largest.raw_data = bytes(len(largest.raw_data))
    assert export_web.equal_pixels(nb, {**files, "unet.onnx": graph.SerializeToString()}, 24) < export_web.LEAST_EQUAL


@pytest.fixture(scope="module")
def packages():
    """The folder of the library that the page names, and of axe-core, as npm installs them."""
    wanted = {"onnxruntime-web": VERSION, "axe-core": "4.10.3"}
    about = [PACKAGES / "node_modules" / name / "package.json" for name in wanted]
    if [json.loads(path.read_text())["version"] for path in about if path.exists()] != list(wanted.values()):
        command = ["npm", "install", "--prefix", str(PACKAGES), "--no-audit", "--no-fund", "--ignore-scripts"]
        command += [f"{name}@{version}" for name, version in wanted.items()]
        if not shutil.which("npm") or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("npm is missing, or cannot install " + " ".join(command[-2:]))
    return PACKAGES / "node_modules"


@pytest.fixture
def visit(chromium, packages):
    """Opens the page: visit(address, script to run first, routes that come before others, options of the context)."""
    httpd, pages = serve(type("Handler", (Quiet,), {"served": DOCS, "asked": []})), []

    def library(route):
        file = packages / "onnxruntime-web" / "dist" / route.request.url[len(CDN) :]
        route.fulfill(path=file, headers={"Access-Control-Allow-Origin": "*"})

    def open_page(address="", first="", routes=None, wait=True, **options):
        page = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}).new_page()
        pages.append(page)
        page.asked, page.errors, page.may_fail = [], [], bool(routes)
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda said: page.errors.append(said.text) if said.type == "error" else None)
        page.context.route(re.compile("^https?://(?!127)"), lambda route: route.abort())
        for pattern, act in {f"{CDN}*": library, **(routes or {})}.items():
            page.context.route(pattern, act)
        page.add_init_script(first)
        page.goto(f"{httpd.url}/{address}")
        if wait:
            drawn(page)
        return page

    yield open_page
    for page in pages:
        page.context.close()
    httpd.shutdown()
    assert [page.errors for page in pages if page.errors and not page.may_fail] == []


def drawn(page, words="Drawn"):
    """Waits for the sentence that says so."""
    page.locator("#status", has_text=words).wait_for(timeout=60_000)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def address(prompt, seed=1, guidance=2, steps=5):
    return "#" + urllib.parse.urlencode({"prompt": prompt, "seed": seed, "guidance": guidance, "steps": steps})


def pixels(page, which):
    """RGBA (n, 16, 16, 4) of canvases."""
    read_pixels = "all => all.map(canvas => [...canvas.getContext('2d').getImageData(0, 0, 16, 16).data])"
    return np.array(page.locator(which).evaluate_all(read_pixels), int).reshape(-1, 16, 16, 4)


def sprites(page, which=".sprite canvas:first-child"):
    """The colour numbers (8, 16, 16) on the canvases; what is transparent is 0."""
    rgba = pixels(page, which)
    distance, seen = ((rgba[..., None, :3] - np.array(FACTS["palette"])) ** 2).sum(-1), rgba[..., 3] == 255
    assert (distance.min(-1)[seen] == 0).all() and set(np.unique(rgba[..., 3])) <= {0, 255}
    return np.where(seen, distance.argmin(-1), 0)


def is_what_pytorch_draws(page, nb, prompt, seed, guidance=2, steps=5):
    """The sheet is that of PyTorch from the page's noise, but for a few pixels."""
    z_T = export_web.noise(seed, 8 * 256).reshape(8, 4, 8, 8)
    theirs = export_web.draw(nb, nb.net, lambda z: export_web.decode(nb, z), [prompt] * 8, z_T, guidance, steps)
    assert (sprites(page) == theirs).mean() >= export_web.LEAST_EQUAL


@browser
def test_the_page_draws_what_pytorch_draws_beside_the_sheet_before_and_breaks_off_for_a_new_order(visit, nb):
    page = visit(address("red apple", 4))
    first, history = sprites(page), page.evaluate("history.length")
    assert page.locator(".before").first.is_hidden()
    page.get_by_label("Swap red for").select_option("green")
    drawn(page, "Drawn: eight sprites for “green apple” with seed 4")
    page.locator("#bar:not(.waiting)").wait_for()
    is_what_pytorch_draws(page, nb, "green apple", 4)
    assert (sprites(page, ".before") == first).all() and (sprites(page) != first).mean() > 0.1
    assert "the sheet before, “red apple”, seed 4" in page.locator("#before-is").inner_text()
    assert page.evaluate("history.length") == history  # the address was replaced: there is nothing to go back to
    for asked in ((HERO, 1, 2, 20), ("green slime angry", 2**32 - 1, 1, 9), ("", 5, 2, 12), ("magic purple potion", 77, 6, 20)):
        page.evaluate("hash => { location.hash = hash }", address(*asked))
        drawn(page, f"Drawn: eight sprites for {f'“{asked[0]}”' if asked[0] else 'no words'}")
        is_what_pytorch_draws(page, nb, *asked)
    page.evaluate("hash => { location.hash = hash }", address("green slime", 1, 2, 50))
    drawn(page, "Drawing “green slime”")
    page.evaluate("hash => { location.hash = hash }", address("blue wand", 9))
    drawn(page, "Drawn: eight sprites for “blue wand”")
    is_what_pytorch_draws(page, nb, "blue wand", 9)
    assert "magic purple potion" in page.locator("#before-is").inner_text()  # the last that was finished
    page.wait_for_timeout(500)
    assert "blue wand" in page.locator("#status").inner_text()


@browser
def test_attention_is_that_of_the_notebook_and_a_word_is_pinned_and_a_sprite_walked_over_with_the_keys(visit, nb):
    page = visit(address(HERO, 3, 2, 8))
    z_T, eps = torch.from_numpy(export_web.noise(3, 2 * 8 * 256)).view(2, 8, 4, 8, 8)
    tokens, t = nb.tokenize([HERO] * 8), torch.full((8,), nb.T // 2)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda *_: z_T)
        z_0 = nb.sample(nb.net, tokens, 2.0, 8)[-1]
        nb.net(nb.q_sample(z_0, t, eps), t, tokens)
    weights, reading = nb.net.look[3].weights.mean(1), page.locator("#reading")  # (8, 64, M)
    for sprite, row, column in [(1, 0, 0), (2, 3, 4), (7, 7, 7)]:
        eighth = page.locator(".sprite").nth(sprite).bounding_box()["width"] / 8
        page.locator(".sprite").nth(sprite).hover(position={"x": (column + 0.5) * eighth, "y": (row + 0.5) * eighth})
        said = reading.inner_text()
        assert said.startswith(f"Sprite {sprite + 1}, row {row + 1}, column {column + 1} of 8 reads:")
        shares = dict(zip(HERO.split(), weights[sprite, 8 * row + column].tolist()))
        assert all(abs(shares[word] - int(percent) / 100) < 0.015 for word, percent in re.findall(r"(\w+) (\d+)\s%", said))
        bars = page.locator(".share").evaluate_all("bars => bars.map(bar => parseFloat(bar.style.width) / 100)")
        assert np.allclose(bars, list(shares.values()), atol=0.01)
    word = page.get_by_role("button", name="red", exact=True)
    word.hover()  # the map: dark where nobody looks at the word
    alpha = pixels(page, ".map")[:, ::2, ::2, 3].reshape(8, 64) / 255
    assert np.allclose(alpha, 1 - weights[:, :, 2].numpy() / weights.max().item(), atol=0.02)
    page.mouse.move(0, 0)
    assert not pixels(page, ".map").any()
    word.focus()
    page.keyboard.press("Enter")
    assert word.get_attribute("aria-pressed") == "true"
    page.locator("h1").click()
    assert pixels(page, ".map").any()  # it stays
    word.click()
    page.locator("h1").click()
    page.mouse.move(0, 0)
    assert not pixels(page, ".map").any()
    page.get_by_label("Swap sword for").focus()
    walk = [("Tab", 4, 4), ("ArrowDown", 5, 4), ("ArrowRight", 5, 5), *(("ArrowUp", max(1, row), 5) for row in (4, 3, 2, 1, 0))]
    for key, row, column in walk:
        page.keyboard.press(key)
        assert reading.inner_text().startswith(f"Sprite 1, row {row}, column {column} of 8 reads:")


@browser
def test_words_are_typed_completed_corrected_and_put_together_from_menus(visit):
    page = visit(address("gren slime angry"), wait=False)
    hint, prompt, completions = (page.locator(part) for part in ("#hint", "#prompt", "#completions option"))

    def choose(menu, word):
        page.get_by_role("combobox", name=menu, exact=True).select_option(word)
        return prompt.input_value()

    hint.get_by_role("button", name="green").click(timeout=60_000)
    assert (prompt.input_value(), hint.inner_text()) == ("green slime angry", "")
    page.keyboard.press("Enter")
    drawn(page, "Drawn: eight sprites for “green slime angry”")
    prompt.fill("a red apple")
    page.keyboard.press("Enter")
    assert "The model does not know “a”." in hint.inner_text()
    press(hint, "leave it out")
    assert prompt.input_value() == "red apple"
    prompt.fill("red " * 8 + "apple half")
    assert hint.inner_text() == "The model reads 8 words at most: “apple half” is left out."
    press(page, "Draw")
    drawn(page, "Drawn: eight sprites for “red red")
    assert page.locator(".word").count() == 8
    values = "all => all.map(option => option.value)"
    prompt.fill("side lo")
    assert completions.evaluate_all(values) == ["side long"]
    prompt.fill("side long ")
    assert "side long red" in completions.evaluate_all(values)
    assert re.fullmatch(r"\w+ \w+( half| bitten)?", choose("kind", "food"))
    choose("food", "banana")
    choose("colour", "yellow")
    assert choose("shape", "half") == "yellow banana half" and choose("shape", "none") == "yellow banana"
    press(page, "Draw")
    drawn(page, "“yellow banana” with seed 1")
    assert choose("kind", "hero from the side").startswith("side ")


@browser
def test_seed_guidance_and_steps_do_what_they_say_and_sprites_are_saved_with_transparent_background(visit, nb):
    page = visit(address("purple potion"))
    page.get_by_role("slider", name="Guidance").fill("3.5")
    page.get_by_role("slider", name="Steps").fill("6")
    assert page.locator("#guidance-is").inner_text() == "3.5"
    press(page, "Draw with the next seed")
    drawn(page, "Drawn: eight sprites for “purple potion” with seed 2")
    is_what_pytorch_draws(page, nb, "purple potion", 2, 3.5, 6)
    assert page.url.endswith(address("purple potion", 2, 3.5, 6))
    slider, last = page.locator("#step"), sprites(page)
    slider.fill("1")
    assert page.locator("#step-is").inner_text() == "1 of 6" and (sprites(page) != last).any()
    slider.fill("6")
    assert (sprites(page) == last).all()

    def saved(button):
        with page.expect_download() as waiting:
            press(page, button)
        return waiting.value.suggested_filename, np.asarray(Image.open(waiting.value.path()))

    name, picture = saved("Save sprite 3")
    assert (name, picture.shape) == ("purple-potion-3-seed-2.png", (128, 128, 4))
    small = picture[4::8, 4::8]
    seen = small[..., 3] == 255
    assert (small.repeat(8, 0).repeat(8, 1) == picture).all() and picture[0, 0, 3] == 0 and seen.any()
    assert (small[..., :3] == np.array(FACTS["palette"])[last[2]])[seen].all() and (last[2][small[..., 3] == 0] == 0).all()
    page.get_by_label("Saved size").select_option("1")
    name, sheet = saved("Save the sheet")
    assert (name, sheet.shape) == ("purple-potion-seed-2.png", (32, 64, 4)) and (sheet[:16, 32:48] == small).all()
    page.get_by_role("spinbutton", name="Seed").fill("-1")
    press(page, "Draw")
    assert page.locator("#seed:invalid").count() == 1 and "with seed 2" in page.locator("#status").inner_text()
    drawn(visit("#prompt=red+apple&seed=nonsense&steps=5&guidance=1000"), "with seed 1")


@browser
def test_a_slow_network_is_seen_to_move_then_a_sheet_comes_soon_and_nothing_stands_still_or_is_asked_of_others(visit):
    """20 steps with guidance on one thread; no task of the page's own thread keeps the reader waiting."""
    watch = """new PerformanceObserver(list => (window.tasks ??= []).push(...list.getEntries().map(e => e.duration)))
        .observe({ type: "longtask", buffered: true });"""

    def late(route):
        time.sleep(3)
        route.fallback()

    page = visit(first=watch, routes={f"{CDN}*.wasm": late}, wait=False)
    drawn(page, "Loading the model and the library: 3 of 18 MB.")
    assert 0.1 < page.locator("#progress").evaluate("bar => bar.value") < 0.3 and page.locator("#draw").is_disabled()
    page.locator("#prompt").fill("green slime")  # it can be used meanwhile
    drawn(page, "Drawn: eight sprites for “green slime”")
    seconds = float(re.search(r"in ([\d.]+) seconds", page.locator("#status").inner_text()).group(1))
    press(page, "Draw an example")
    drawn(page, "Drawing")
    drawn(page, "Drawn")
    longest = page.evaluate("() => Math.max(0, ...(window.tasks ?? []))")
    print(f"\nfirst sheet {seconds} s after the model was ready; the page's thread was busy for {longest:.0f} ms at most")
    assert seconds <= 6 and longest < 400
    ours = "app.js nano.js worker.js style.css model/model.json model/tau.onnx model/unet.onnx model/decoder.onnx".split()
    wanted = {page.url.partition("#")[0] + name for name in ["", *ours]}
    wanted |= {f"{CDN}ort.wasm.bundle.min.mjs", f"{CDN}ort-wasm-simd-threaded.wasm"}
    assert {url.partition("#")[0] for url in page.asked if not url.startswith(("data:", "blob:"))} == wanted
    assert page.errors == []


FAILURES = [  # what is asked for; what becomes of it, the answer instead, or no network; the sentence
    ("unet.onnx", lambda body: body[:-1] + b"?", "unet.onnx has arrived altered"),
    ("decoder.onnx", lambda body: body[:1000], "decoder.onnx has arrived incomplete: 1000 of"),
    ("tau.onnx", 404, "tau.onnx cannot be had: the server answers 404"),
    ("tau.onnx", None, "tau.onnx cannot be had"),
    ("*.wasm", None, "ort-wasm-simd-threaded.wasm cannot be had"),
    ("*.mjs", lambda body: bytes(73054), "min.mjs has arrived altered"),
    ("model.json", lambda body: b"{", "model.json is broken or cannot be had"),
    ("worker.js", lambda body: body.replace(b"networks(ort", b"networks(null"), "cannot run the model ("),
    ("worker.js", 404, "worker.js cannot be had"),
]


@browser
@pytest.mark.parametrize("file, fault, sentence", FAILURES, ids=[failure[2] for failure in FAILURES])
def test_a_broken_download_is_one_sentence_and_can_be_tried_again(visit, file, fault, sentence):
    def act(route):
        if callable(fault):
            body = b"" if route.request.url.startswith(CDN) else route.fetch().body()
            route.fulfill(body=fault(body), content_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"})
        else:
            route.fulfill(status=fault) if fault else route.abort()

    page = visit(routes={f"**/{file}": act}, wait=False)
    drawn(page, sentence)
    page.wait_for_timeout(300)
    one = re.fullmatch(r"Th(e file|e script|is browser) [^.]+(\.[^ .][^.]*)*\.", page.locator("#status").inner_text())
    assert one and page.locator("#draw").is_disabled()
    page.context.unroute(f"**/{file}", act)
    press(page, "Try again")
    drawn(page)


@browser
def test_a_browser_that_lacks_something_is_told_what(visit):
    drawn(visit(first="delete window.WebAssembly", wait=False), "This browser has no WebAssembly")
    drawn(visit(first="delete window.Worker", wait=False), "This browser has no Web Workers")
    drawn(visit(wait=False, java_script_enabled=False), "it needs JavaScript")


@browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_serious_fault_of_accessibility_and_nothing_beside_the_screen(visit, packages, width, scheme):
    page = visit(address(HERO), viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.get_by_label("Swap blue for").select_option("green")
    drawn(page, "green robe")
    page.locator("#bar:not(.waiting)").wait_for()
    page.locator("#more").evaluate("details => { details.open = true }")
    page.locator("#prompt").fill("gren slime ")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    sizes = page.locator(".sprite").evaluate_all("all => all.map(b => b.getBoundingClientRect().width)")
    assert min(sizes) >= 96 and all(size % 16 == 0 for size in sizes)  # each pixel a whole number of the screen's
    page.evaluate((packages / "axe-core" / "axe.min.js").read_text())
    result = page.evaluate("axe.run()")
    serious = [fault for fault in result["violations"] if fault["impact"] in ("serious", "critical")]
    assert [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in serious] == [] and len(result["passes"]) > 20
