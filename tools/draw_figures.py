"""The drawings of assets/ as PNGs from their sources, the SVG files: python tools/draw_figures.py NAME ...

Takes Chromium and Playwright (make test-browser installs it), which know how to read any SVG.
"""

import io
import shutil
import sys

from notebooks import ROOT
from PIL import Image
from playwright.sync_api import sync_playwright


def draw(page, name):
    """assets/NAME.png of assets/NAME.svg, 1400 pixels wide, in the fewest colours that look the same."""
    page.goto((ROOT / "assets" / f"{name}.svg").as_uri())
    picture = Image.open(io.BytesIO(page.locator("svg").screenshot())).convert("RGB")
    few = picture.quantize(256, kmeans=1, dither=Image.NONE)
    few.save(ROOT / "assets" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        window = browser.new_page(device_scale_factor=2, viewport={"width": 700, "height": 1000})
        for figure in sys.argv[1:] or sorted(path.stem for path in (ROOT / "assets").glob("*.svg")):
            draw(window, figure)
