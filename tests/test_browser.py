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
from helpers import TINY, given, lay_out, save_vae, text_of
from notebooks import NOTEBOOKS, ROOT, read

pytestmark = pytest.mark.browser
FLAGS = "no-sandbox disable-gpu disable-quic no-first-run disable-sync disable-background-networking disable-component-update"
SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
SETTINGS["@jupyterlab/notebook-extension:tracker"] = {"windowingMode": "none"}  # all cells are drawn, also beyond the screen


@pytest.fixture(scope="module")
def chromium():
    """A browser, or a skip that says what is missing."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make test-browser installs it")
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    options = {"executable_path": os.environ.get("CHROMIUM") or next(found, None), "args": [f"--{x}" for x in FLAGS.split()]}
    with api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(**options)
        except api.Error:
            pytest.skip("there is no Chromium: apt install chromium, or set CHROMIUM to its path")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a copy of the notebooks: (its folder, its address)."""
    base, folder = (tmp_path_factory.mktemp(name) for name in ("lab", "work"))
    for name in [*NOTEBOOKS, "assets", "data"]:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile)(ROOT / name, folder / name)
    (base / "labconfig").mkdir()
    (base / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {**os.environ, "JUPYTER_TOKEN": "test", "JUPYTERLAB_SETTINGS_DIR": str(base / "settings")}
    env.update(JUPYTERLAB_WORKSPACES_DIR=str(base), JUPYTER_CONFIG_DIR=str(base), JUPYTER_RUNTIME_DIR=str(base / "runtime"))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--LabApp.expose_app_in_browser=True"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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


@pytest.fixture(scope="module", params=NOTEBOOKS)
def opened(request, chromium, lab):
    """Each committed notebook, opened once: (its name, its cells, its page)."""
    cells = read(request.param).cells
    page = open_notebook(chromium, lab[1], request.param, len(cells))
    yield request.param, cells, page
    page.context.close()


def kinds(cells):
    """The kinds of all that is among the outputs."""
    return [kind for cell in cells for output in cell.get("outputs", []) for kind in output.get("data", {})]


def test_formulas_are_typeset_every_figure_is_there_nothing_is_cut_off_and_solutions_are_folded(opened):
    name, cells, page = opened
    displayed = len(re.findall(r"\$\$.+?\$\$", text_of(name), re.DOTALL))
    page.wait_for_function(f"document.querySelectorAll('mjx-container[display=true]').length >= {displayed}")
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    script = """all => all.map(part => { const copy = part.cloneNode(true);
        copy.querySelectorAll('mjx-container, code, pre').forEach(p => p.remove()); return copy.textContent; }).join('\\n')"""
    assert not re.findall(r"\$\S*|\\[a-z]+", page.eval_on_selector_all(".jp-RenderedMarkdown", script))
    page.wait_for_function("[...document.querySelectorAll('.jp-Cell img')].every(image => image.complete)")
    script = """all => all.filter(image => image.src && !image.src.startsWith('https:'))  // no badge, no plotly placeholder
        .map(i => [i.outerHTML.slice(0, 150), i.naturalWidth, ...[i, i.closest('.jp-Cell')].map(p => p.offsetWidth)])"""
    widths = page.eval_on_selector_all(".jp-Cell img", script)
    assert len(widths) >= kinds(cells).count("image/png")
    assert [source for source, natural, shown, cell in widths if natural == 0 or shown > cell] == []
    wide = "parts => parts.filter(p => p.scrollWidth > p.clientWidth + 2).map(p => p.textContent.slice(0, 80))"
    assert page.eval_on_selector_all(".jp-Cell .cm-scroller, .jp-RenderedText pre, .jp-RenderedMarkdown", wide) == []
    assert page.locator("details").count() >= 5 and page.locator("details[open]").count() == 0
    for index in [k for k, cell in enumerate(cells) if cell.metadata.get("jupyter", {}).get("source_hidden")]:
        shown = page.locator(".jp-Notebook .jp-Cell").nth(index)  # the plumbing, and the box
        assert shown.locator(".jp-InputPlaceholder").count() == 1 and not shown.locator(".cm-content").first.is_visible()


def test_every_animation_plays_and_its_slider_moves(opened):
    name, cells, page = opened
    number = kinds(cells).count("application/vnd.plotly.v1+json")
    assert number or name != NOTEBOOKS[0]
    page.wait_for_function(f"document.querySelectorAll('.js-plotly-plot').length === {number}")
    for plot in page.locator(".js-plotly-plot").all():
        plot.scroll_into_view_if_needed()
        picture = "p => p.querySelector('.imagelayer image, .plot image').getAttribute('href') || ''"
        first, frames = plot.evaluate(picture), plot.evaluate("p => p._transitionData._frames.length")
        assert frames > 3
        plot.locator(".updatemenu-button").first.click()
        at_end = f"p => (p.layout.sliders[0].active || 0) === {frames - 1}"
        page.wait_for_function(at_end, arg=plot.element_handle())
        last = plot.evaluate(picture)
        assert last != first
        rail = plot.locator(".slider-rail-touch-rect").bounding_box()
        page.mouse.click(rail["x"] + rail["width"] * 0.5, rail["y"] + rail["height"] / 2)
        page.wait_for_timeout(1000)
        assert 0 < plot.evaluate("p => p.layout.sliders[0].active || 0") < frames - 1
        assert plot.evaluate(picture) not in (first, last)


def test_the_prompt_box_draws_what_it_is_asked(chromium, lab):
    """Notebook 03 up to its box, trained with tiny parameters: words that are known, one that is not, and again."""
    folder = lay_out(lab[0] / "small")
    save_vae(folder)
    nb = given(read(NOTEBOOKS[2]), **TINY["03"])
    nb.cells = nb.cells[: 1 + [cell.id for cell in nb.cells].index("box-code")]
    for cell in (cell for cell in nb.cells if cell.cell_type == "code"):
        cell.outputs, cell.execution_count = [], None
    nbformat.write(nb, folder / "box.ipynb")
    page = open_notebook(chromium, lab[1], "small/box.ipynb", len(nb.cells))
    page.get_by_text("| Idle").wait_for()  # the kernel has started
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
    shown, draw = page.locator(".widget-output"), page.get_by_role("button", name="Draw", exact=True)
    draw.wait_for(timeout=600_000)

    def press(text, seed="0"):
        before = shown.inner_html()
        page.locator(".widget-text input").first.fill(text)
        page.locator(".widget-text input[type=number]").fill(seed)
        draw.click()
        changed = "([part, before]) => part.innerHTML !== before && (part.querySelector('img') || part.textContent.trim())"
        page.wait_for_function(changed, arg=[shown.element_handle(), before])
        page.wait_for_timeout(1000)
        image = shown.locator("img")
        return image.get_attribute("src") if image.count() else shown.text_content()

    words = np.load(folder / "data" / "sprites.npz")["captions"][0].split()
    shown.locator("img").wait_for()  # it has drawn once by itself
    first, other = press(words[0]), press(words[0], "1")
    assert first != other and first.startswith("data:image/png")
    assert f"unknown word '{words[-1]}x'; try {words[-1]}" in press(words[-1] + "x")
    assert press(words[0]) == first  # the box goes on, and draws the same from the same noise
    page.context.close()
