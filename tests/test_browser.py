"""The notebooks as a reader sees them: opened in JupyterLab by a real browser that reaches no network. `make test-browser`."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import numpy as np
import pytest
from notebooks import NOTEBOOKS, ROOT, read
from PIL import Image

pytestmark = pytest.mark.browser
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is drawn, not only those on the screen
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
PLOTLY = "application/vnd.plotly.v1+json"


@pytest.fixture(scope="module")
def chromium():
    """A browser, or a skip that says what is missing."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        pytest.skip("Playwright is not installed: make test-browser installs it")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        except Error:
            pytest.skip("there is no Chromium: apt install chromium, or set CHROMIUM to its path")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a copy of the notebooks: (its folder, its address)."""
    base = tmp_path_factory.mktemp("lab")
    folder = base / "work"
    folder.mkdir()
    for name in [*NOTEBOOKS, "assets", "data"]:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    for name, settings in SETTINGS.items():
        file = base / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(settings))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "JUPYTER_TOKEN": "test", "JUPYTERLAB_SETTINGS_DIR": str(base / "settings")}
    env.update(JUPYTERLAB_WORKSPACES_DIR=str(base), JUPYTER_CONFIG_DIR=str(base), JUPYTER_RUNTIME_DIR=str(base / "runtime"))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--LabApp.expose_app_in_browser=True"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"]
    with open(base / "log", "w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{url}/api", timeout=5).close()
            break
        except OSError:
            time.sleep(0.5)
    yield folder, url
    process.terminate()
    process.wait(20)


def open_notebook(chromium, url, name, cells):
    """A page with the notebook, all its cells drawn; requests beyond this machine fail."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    context.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{url}/lab/tree/{name}?token=test&reset")
    page.wait_for_function(f"document.querySelectorAll('.jp-Notebook .jp-Cell').length === {cells}")
    page.wait_for_function("!document.querySelector('.jp-MarkdownCell .jp-mod-rendered:empty')")
    return page


@pytest.fixture(scope="module")
def pages(chromium, lab):
    """Opens each committed notebook once."""
    opened = {}

    def page_of(name):
        if name not in opened:
            opened[name] = open_notebook(chromium, lab[1], name, len(read(name).cells))
        return opened[name]

    yield page_of
    for page in opened.values():
        page.context.close()


@pytest.fixture
def page(name, pages):
    return pages(name)


notebooks = pytest.mark.parametrize("name", NOTEBOOKS)


@notebooks
def test_formulas_are_typeset_without_a_network(name, page):
    text = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    displayed = len(re.findall(r"\$\$.+?\$\$", text, re.DOTALL))
    page.wait_for_function(f"document.querySelectorAll('mjx-container[display=true]').length >= {displayed}")
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    shown = page.evaluate(
        """() => [...document.querySelectorAll('.jp-RenderedMarkdown')].map(element => {
            const copy = element.cloneNode(true);
            copy.querySelectorAll('mjx-container, code, pre').forEach(part => part.remove());
            return copy.textContent;
        }).join('\\n')"""
    )
    assert not re.findall(r"\$\S*|\\[a-z]+", shown)


@notebooks
def test_every_figure_is_there_and_nothing_is_cut_off(name, page):
    cells = read(name).cells
    expected = sum("image/png" in o.get("data", {}) for cell in cells for o in cell.get("outputs", []))
    expected += sum(len(cell.get("attachments", {})) for cell in cells)
    page.wait_for_function("[...document.querySelectorAll('.jp-Cell img')].every(image => image.complete)")
    widths = page.evaluate(
        """() => [...document.querySelectorAll('.jp-Cell img')]
            .filter(image => image.src && !image.src.startsWith('https:'))  // not the badge, nor plotly's placeholder
            .map(image => [image.outerHTML.slice(0, 150), image.naturalWidth, image.getBoundingClientRect().width,
                           image.closest('.jp-Cell').getBoundingClientRect().width])"""
    )
    assert len(widths) >= expected
    assert [source for source, natural, _, _ in widths if natural == 0] == []
    assert [source for source, _, shown, cell in widths if shown > cell] == []
    wide = "parts => parts.filter(p => p.scrollWidth > p.clientWidth + 2).map(p => p.textContent.slice(0, 80))"
    assert page.eval_on_selector_all(".jp-Cell .cm-scroller", wide) == []
    assert page.eval_on_selector_all(".jp-RenderedText pre", wide) == []
    assert page.eval_on_selector_all(".jp-RenderedMarkdown", wide) == []


@notebooks
def test_plumbing_and_solutions_are_folded(name, page):
    for index, cell in enumerate(read(name).cells):
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            shown = page.locator(".jp-Notebook .jp-Cell").nth(index)
            assert shown.locator(".jp-InputPlaceholder").count() == 1, cell.id
            assert not shown.locator(".cm-content").first.is_visible(), cell.id


def plots(name, page, with_frames):
    """The plotly figures of the page that have frames, or that have none."""
    found = page.locator(".js-plotly-plot")
    kinds = [PLOTLY in o.get("data", {}) for cell in read(name).cells for o in cell.get("outputs", [])]
    page.wait_for_function(f"document.querySelectorAll('.js-plotly-plot').length === {sum(kinds)}")
    moving = found.evaluate_all("plots => plots.map(p => (p._transitionData._frames || []).length > 0)")
    return [found.nth(i) for i, moves in enumerate(moving) if moves == with_frames]


@notebooks
def test_every_animation_plays_and_its_slider_moves(name, page):
    moving = plots(name, page, with_frames=True)
    assert moving or name == NOTEBOOKS[1]
    for plot in moving:
        plot.scroll_into_view_if_needed()
        moment = "p => p.layout.sliders[0].active || 0"
        picture = "p => p.querySelector('.imagelayer image, .plot image').getAttribute('href') || ''"
        first, frames = plot.evaluate(picture), plot.evaluate("p => p._transitionData._frames.length")
        assert frames > 3
        plot.locator(".updatemenu-button").first.click()
        page.wait_for_timeout(300 * frames)
        assert plot.evaluate(moment) == frames - 1
        last = plot.evaluate(picture)
        assert last != first
        rail = plot.locator(".slider-rail-touch-rect").bounding_box()
        page.mouse.click(rail["x"] + rail["width"] * 0.5, rail["y"] + rail["height"] / 2)
        page.wait_for_timeout(1000)
        assert 0 < plot.evaluate(moment) < frames - 1
        assert plot.evaluate(picture) not in (first, last)


def test_pointing_at_a_latent_shows_its_sprite(pages):
    name = NOTEBOOKS[1]
    page = pages(name)
    (plot,) = plots(name, page, with_frames=False)
    plot.scroll_into_view_if_needed()
    points = plot.locator(".scatterlayer .points path")
    for index in (0, points.count() // 2, points.count() - 1):
        box = points.nth(index).bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_selector(".hoverlayer .hovertext", state="attached")
        page.wait_for_timeout(300)
        label = plot.locator(".hoverlayer .hovertext").first
        assert label.text_content().count("█") > 20
        colours = label.locator("tspan").evaluate_all("parts => [...new Set(parts.map(p => p.style.fill))]")
        assert len([colour for colour in colours if colour]) >= 2
        page.mouse.move(1, 1)


def test_the_prompt_box_draws_what_it_is_asked(chromium, lab):
    folder, url = lab
    cells = read(NOTEBOOKS[2]).cells
    end = next(i for i, cell in enumerate(cells) if cell.id == "prompt-box") + 1
    start = next(i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])) + 1
    tiny = nbformat.v4.new_code_cell("TRAIN, SAMPLES, READER_STEPS = False, 30, 5", id="given")
    cells = cells[:start] + [tiny] + cells[start:end]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=read(NOTEBOOKS[2]).metadata), folder / "box.ipynb")
    page = open_notebook(chromium, url, "box.ipynb", len(cells))
    page.get_by_text("| Idle").wait_for()  # the kernel has started
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
    draw = page.get_by_role("button", name="draw", exact=True)
    draw.wait_for(timeout=600_000)
    prompt, message = page.locator(".widget-text input").first, page.locator(".widget-html-content").last
    picture, pictures = page.locator("img.widget-image"), []

    def press(button, answer):
        page.get_by_role("button", name=button, exact=True).click()
        page.wait_for_function("([part, text]) => part.textContent.includes(text)", arg=[message.element_handle(), answer])
        assert page.evaluate("image => image.decode().then(() => image.naturalWidth)", picture.element_handle()) > 300
        return picture.get_attribute("src"), message.text_content()

    page.get_by_role("button", name="clear").click()
    menu = page.locator(".widget-dropdown select").first
    word = menu.locator("option").nth(1).text_content()
    menu.select_option(label=word)  # a word of the first menu goes into the prompt
    page.wait_for_function("([input, word]) => input.value === word", arg=[prompt.element_handle(), word])
    pictures.append(press("draw", f"drawn: {word}")[0])
    words = " ".join(read_captions(folder)[0].split()[:2])
    prompt.fill(words)  # words can be typed as well
    pictures.append(press("draw", f"drawn: {words}")[0])
    assert pictures[0] != pictures[1]
    if "SCREENSHOTS" in os.environ:
        page.screenshot(path=os.path.join(os.environ["SCREENSHOTS"], "box.png"))
    prompt.fill(words + "x")
    _, said = press("draw", "Not in the vocabulary")
    assert words.split()[-1] in said.partition("nearest known words:")[2]
    press("save sprites.png", "saved sprites.png")
    sheet = Image.open(folder / "sprites.png")
    assert sheet.mode == "RGBA"
    assert sheet.size == (64, 32)
    assert sheet.getpixel((0, 0))[3] == 0
    page.context.close()


def read_captions(folder):
    with np.load(folder / "data" / "sprites.npz") as data:
        return [caption for caption in data["captions"].tolist() if len(caption.split()) > 1]
