"""The drawn figures of the notebooks' text: `python tools/figures.py [FOLDER]` writes each as SVG and PNG.

Plots and galleries are drawn by the notebooks themselves. This file has what all figures share and the
figures of 01 and 02; those of 03 are in figures_ldm.py. Widths, palette and toy numbers come from the
notebooks. Every shape that a figure shows is also noted in it by name (`Sheet.shape`): tests/test_figures.py
compares these notes with the tensors of the real networks.
"""

import base64
import functools
import io
import json
import re
import sys
import types
from collections import Counter
from pathlib import Path
from typing import Callable, Dict, List, Sequence, Tuple, Union

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Curve
from PIL import Image

from notebooks import ROOT, definitions, read

INK, SOFT, PALE = "#24242e", "#5f5f6e", "#d5d5de"
# a tint for areas and boxes, and a strong colour for lines and words, of each thing that the series speaks of
PIXEL, PIXEL_DARK = "#fae3df", "#a8453c"  # pixel space
LATENT, LATENT_DARK = "#dff0df", "#35763f"  # latent space
WORDS, WORDS_DARK = "#e7def5", "#6a46a3"  # conditions: words, classes
ATTEND, ATTEND_DARK = "#fbe2bd", "#a5670f"  # attention
LAYER, LAYER_DARK = "#d8e6f6", "#2a66ab"  # all other layers
TIME, TIME_DARK = "#d2ebe7", "#1c6f69"  # the step t
DATA = "#f1f1f5"  # tensors
STYLE = {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "svg.fonttype": "path",
    "svg.hashsalt": "sprites",
    "image.composite_image": False,
}
Point = Tuple[float, float]


def signed(value: float) -> str:
    """A colour for a number: blue below 0, white at 0, orange above; full at 2."""
    share, end = min(abs(value) / 2, 1), (0xC9, 0x6A, 0x2B) if value > 0 else (0x2F, 0x6D, 0xB0)
    return "#" + "".join(f"{round(255 + share * (e - 255)):02x}" for e in end)


def number(value: float, digits: int = 2) -> str:
    """A number with a proper minus sign; -inf as the symbol."""
    return "−∞" if value == -np.inf else f"{value:.{digits}f}".replace("-", "−")


class Grid:
    """Where a drawn matrix is: its edges, and the middle of rows and columns."""

    def __init__(self, x: float, y: float, rows: int, columns: int, w: float, h: float):
        self.x, self.y, self.w, self.h, self.rows, self.columns = x, y, w, h, rows, columns
        self.right, self.bottom = x + columns * w, y + rows * h
        self.cx, self.cy = (x + self.right) / 2, (y + self.bottom) / 2

    def row(self, i: int) -> float:
        return self.y + (i + 0.5) * self.h

    def column(self, j: int) -> float:
        return self.x + (j + 0.5) * self.w


class Sheet:
    """A figure of 700 units width, y downwards: one unit is one pixel where it is shown 700 pixels wide."""

    def __init__(self, name: str, height: int, title: str):
        self.name, self.height, self.title, self.shapes = name, height, title, {}
        self.fig = Figure(figsize=(7, height / 100), facecolor="white")
        self.axis = self.fig.add_axes((0, 0, 1, 1), xlim=(0, 700), ylim=(height, 0))
        self.axis.axis("off")

    def shape(self, name: str, *sizes: int) -> str:
        """The shape as it is shown; it is also noted under a name that the tests understand."""
        self.shapes[name] = "×".join(map(str, sizes))
        return self.shapes[name]

    def path(self, points: Sequence[Point], codes: Sequence[int] = (), **style) -> None:
        """A filled or stroked path; without codes a polygon or a polyline."""
        style = {"fc": "none", "ec": "none", "lw": 1, "zorder": 2, "capstyle": "butt", **style}
        self.axis.add_patch(PathPatch(Curve(points, codes or None), clip_on=False, **style))

    def rect(self, x: float, y: float, w: float, h: float, colour: str, edge: str = "none", **style) -> None:
        """A rectangle with rounded corners; (x, y) is its upper left corner."""
        r = min(style.pop("radius", 6), w / 2, h / 2)
        curve, go = Curve.CURVE3, Curve.LINETO
        corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
        points, codes = [(x + r, y)], [Curve.MOVETO]
        for (a, b), (before, after) in zip(
            corners[1:] + corners[:1],
            [((-r, 0), (0, r)), ((0, -r), (-r, 0)), ((r, 0), (0, -r)), ((0, r), (r, 0))],
        ):
            points += [(a + before[0], b + before[1]), (a, b), (a + after[0], b + after[1])]
            codes += [go, curve, curve]
        self.path(
            [*points, points[0]],
            [*codes, Curve.CLOSEPOLY],
            **{"fc": colour, "ec": edge, "zorder": 1, **style},
        )

    def text(self, x: float, y: float, words: str, size: float = 12, colour: str = INK, **more) -> None:
        """Words around (x, y). A line that starts with * is bold, with ` code, with ~ soft."""
        lines, step = words.split("\n"), size * 1.28
        more = {"ha": "center", "va": "center_baseline", "zorder": 8, "clip_on": False, **more}
        for i, line in enumerate(lines):
            extra = dict(more)
            if line[:1] in ("*", "`", "~"):
                kind, line = line[0], line[1:]
                extra.update({"weight": "bold"} if kind == "*" else {})
                extra.update({"family": "DejaVu Sans Mono"} if kind == "`" else {})
                line_colour, line_size = SOFT if kind == "~" else colour, size - (kind == "`")
            else:
                line_colour, line_size = colour, size
            place = y + (i - (len(lines) - 1) / 2) * step
            self.axis.text(x, place, line, fontsize=0.72 * line_size, color=line_colour, **extra)

    def box(self, x: float, y: float, w: float, h: float, words: str, colour: str, **more) -> None:
        """A rounded box with its middle at (x, y) and words in it."""
        edge = more.pop("edge", INK)
        self.rect(x - w / 2, y - h / 2, w, h, colour, edge, zorder=3, lw=0.8)
        self.text(x, y, words, **{"size": 11.5, **more})

    def band(self, x: float, y: float, w: float, h: float, title: str, colour: str, dark: str, by=12) -> None:
        """A tinted area with a title in its first line, `by` from its left edge."""
        self.rect(x, y, w, h, colour, zorder=0.2, radius=10)
        self.text(x + by, y + 15, "*" + title, 12.5, dark, ha="left")

    def line(self, points: Sequence[Point], colour: str = INK, **more) -> None:
        """A polyline with rounded corners and an arrow head at its end (unless head=False)."""
        width, radius, head = more.get("width", 1.2), more.get("radius", 7), more.get("head", True)
        points = [np.array(p, float) for p in points]
        last = points[-1] - points[-2]
        unit = last / np.linalg.norm(last)
        side = np.array([-unit[1], unit[0]])
        tip, scale = points[-1], 7 + 1.5 * (width - 1)
        if head:
            points[-1] = tip - unit * (scale - 1)
        vertices, codes = [points[0]], [Curve.MOVETO]
        for a, b, c in zip(points[:-2], points[1:-1], points[2:]):
            r = min(radius, np.linalg.norm(b - a) / 2, np.linalg.norm(c - b) / 2)
            vertices += [b + (a - b) / np.linalg.norm(a - b) * r, b, b + (c - b) / np.linalg.norm(c - b) * r]
            codes += [Curve.LINETO, Curve.CURVE3, Curve.CURVE3]
        vertices, codes = [*vertices, points[-1]], [*codes, Curve.LINETO]
        level = more.get("level", 2.5)
        if more.get("halo"):  # lifts the line over those that it crosses
            self.path(vertices, codes, ec=more["halo"], lw=0.72 * (width + 6), zorder=level - 0.1)
        dashes = (0, (4, 2.4)) if more.get("dash") else "-"
        self.path(vertices, codes, ec=colour, lw=0.9 * width, ls=dashes, zorder=level)
        if head:
            corners = [
                tip,
                tip - unit * scale + side * scale * 0.42,
                tip - unit * scale - side * scale * 0.42,
            ]
            self.path([*corners, tip], fc=colour, zorder=level + 0.1)

    def arc(self, start: Point, top: float, end: Point, colour: str, dash: bool = False) -> None:
        """A curved arrow from start to end that rises to the height `top`."""
        control = ((start[0] + end[0]) / 2, 2 * top - (start[1] + end[1]) / 2)
        t = np.linspace(0, 1, 25)[:, None]
        bend = (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * np.array(control) + t**2 * np.array(end)
        self.line([tuple(p) for p in bend], colour, dash=dash, radius=0, width=1.5)

    def plus(self, x: float, y: float, sign: str = "+") -> None:
        """A circle with a sign."""
        t = np.linspace(0, 2 * np.pi, 33)
        self.path(list(zip(x + 10 * np.cos(t), y + 10 * np.sin(t))), fc="white", ec=INK, zorder=5)
        self.text(x, y - 0.5, sign, 15)

    def image(self, pixels: np.ndarray, x: float, y: float, w: float, h: float, level: float = 3) -> None:
        """Pixels (H, W, 3), uint8, with their upper left corner at (x, y), and a frame."""
        extent = (x, x + w, y + h, y)
        style = {"interpolation": "none", "aspect": "auto", "zorder": level, "clip_on": False}
        self.axis.imshow(pixels, extent=extent, **style)
        self.frame(x, y, w, h, level + 0.05)

    def frame(self, x: float, y: float, w: float, h: float, level: float = 6, **style) -> None:
        """The outline of a rectangle."""
        corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)]
        self.path(corners, **{"ec": INK, "lw": 0.8, "zorder": level, "capstyle": "projecting", **style})

    def matrix(
        self,
        x: float,
        y: float,
        values: np.ndarray,
        cell: Union[float, Point],
        colour: Callable[[float], str] = signed,
        digits: int = -1,
        **more,
    ) -> Grid:
        """A matrix as cells, its upper left corner at (x, y); with numbers if digits >= 0."""
        w, h = cell if isinstance(cell, tuple) else (cell, cell)
        rows, columns = values.shape
        grid, level = Grid(x, y, rows, columns, w, h), more.get("level", 3)
        colours = [colour(v) for v in values.flat]
        rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], np.uint8)
        self.image(rgb.reshape(rows, columns, 3), x, y, grid.right - x, grid.bottom - y, level)
        edges = [((x + j * w, y), (x + j * w, grid.bottom)) for j in range(1, columns)]
        edges += [((x, y + i * h), (grid.right, y + i * h)) for i in range(1, rows)]
        if edges:
            codes = [Curve.MOVETO, Curve.LINETO] * len(edges)
            white = {"ec": more.get("lines", "#ffffff"), "lw": 0.8, "zorder": level + 0.02}
            self.path([p for edge in edges for p in edge], codes, **white)
        for (i, j), value in np.ndenumerate(values):
            if digits >= 0:
                light = sum(rgb[i * columns + j] * (0.3, 0.6, 0.1)) > 120
                ink = INK if light else "#ffffff"
                self.text(grid.column(j), grid.row(i), number(value, digits), more.get("size", 10.5), ink)
        return grid

    def outline(self, grid: Grid, rows: slice, columns: slice, colour: str, width: float = 1.8) -> None:
        """A thick frame around some rows and columns of a matrix."""
        i = range(grid.rows)[rows]
        j = range(grid.columns)[columns]
        x, y = grid.x + j[0] * grid.w, grid.y + i[0] * grid.h
        self.frame(x, y, len(j) * grid.w, len(i) * grid.h, 7, ec=colour, lw=0.9 * width)

    def stack(self, maps: np.ndarray, x: float, y: float, size: float, shift: float = 7) -> None:
        """Channels (n, H, W) in [0, 1] as overlapping tiles, the first in front, centred at (x, y)."""
        n = len(maps)
        for i in range(n - 1, -1, -1):
            move = (i - (n - 1) / 2) * shift
            grey = np.repeat((maps[i] * 255).round().astype(np.uint8)[:, :, None], 3, axis=2)
            self.image(grey, x - size / 2 + move, y - size / 2 - move, size, size, 4 + 0.1 * (n - i))

    def note(self, rows: Sequence[str], x: float, y: float, **more) -> None:
        """Lines of words, the first at (x, y), left-aligned."""
        size = more.pop("size", 12)
        for i, row in enumerate(rows):
            self.text(x, y + 1.35 * size * i, row, size, **{"ha": "left", **more})

    def save(self, folder: Path) -> None:
        """Write NAME.svg, and NAME.png of twice the size in few colours."""
        buffer = io.BytesIO()
        self.fig.savefig(buffer, dpi=200, format="png")
        picture = Image.open(buffer).convert("RGB")
        for most in (256, 128, 64, 32):
            file = io.BytesIO()
            in_few_colours(np.asarray(picture), most).save(file, "PNG", optimize=True)
            if file.tell() < 59_500:
                break
        (folder / f"{self.name}.png").write_bytes(file.getvalue())
        buffer = io.BytesIO()
        self.fig.savefig(buffer, format="svg", metadata={"Date": None})
        notes = json.dumps(self.shapes, ensure_ascii=False)
        svg = smaller(buffer.getvalue().decode(), self.title, notes.replace("&", "&amp;"), self.height)
        (folder / f"{self.name}.svg").write_text(svg, encoding="utf-8")


def in_few_colours(rgb: np.ndarray, most: int) -> Image.Image:
    """A picture with a palette of its most frequent colours; all others become the nearest of these."""
    codes, inverse, counts = np.unique(
        rgb.astype(np.int64) @ [65536, 256, 1], return_inverse=True, return_counts=True
    )
    colours = np.stack([codes // 65536, codes // 256 % 256, codes % 256], axis=1)
    kept = colours[np.argsort(-counts, kind="stable")[:most]]
    nearest = [
        np.abs(part[:, None] - kept).sum(2).argmin(1)
        for part in np.array_split(colours, len(codes) // 500 + 1)
    ]
    indices = np.concatenate(nearest)[inverse.ravel()].reshape(rgb.shape[:2])
    picture = Image.fromarray(indices.astype(np.uint8))
    picture.putpalette(kept.astype(np.uint8).tobytes())
    return picture


def compact(d: str, scale: float = 1, digits: int = 1) -> str:
    """The data of an SVG path, scaled and rounded, in relative coordinates."""
    out, here, begin, last = [], np.zeros(2), np.zeros(2), ""
    for command, numbers in re.findall(r"([MLQCz])([^MLQCz]*)", d):
        points = (np.array(numbers.split(), float) * scale).round(digits).reshape(-1, 2)
        values = [f"{v:.{digits}f}" for v in (points - here).flat]
        values = [v.rstrip("0").rstrip(".") if "." in v else v for v in values]
        values = [re.sub(r"^(-?)0\.", r"\1.", "0" if v == "-0" else v) for v in values]
        if len(points):
            here = points[-1]
            begin = here if command == "M" else begin
        else:
            here = begin
        out.append(("" if command == last and command in "LQC" else command.lower()) + " ".join(values))
        last = command
    text = re.sub(r" ?([mlqcz]) ?", r"\1", " ".join(out))
    return re.sub(r" -", "-", "M" + text[1:] if text else text)


def smaller_image(match: re.Match) -> str:
    """An embedded PNG again, in as few bits as it needs."""
    with Image.open(io.BytesIO(base64.b64decode(match[1]))) as image:
        rgb = image.convert("RGB")
    few = in_few_colours(np.asarray(rgb), 256)
    grey = all(r == g == b for _, (r, g, b) in rgb.getcolors())
    file = io.BytesIO()
    (rgb.convert("L") if grey else few).save(file, "PNG", optimize=True)
    return f'href="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"'


def smaller(svg: str, title: str, notes: str, height: int) -> str:
    """matplotlib's SVG without what nobody reads, shorter, with a title and the noted shapes."""
    svg = re.sub(r"<\?xml.*?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'href="data:image/png;base64,\s*([^"]*)"', smaller_image, svg)
    glyph = r'<path id="([^"]+)" d="([^"]*)" transform="scale\(0.015625\)"/>'
    svg = re.sub(
        glyph, lambda m: f'<path id="{m[1]}" D="{compact(m[2], 0.0625, 0)}" transform="scale(.25)"/>', svg
    )
    svg = re.sub(r'\bd="([^"]*)"', lambda m: f'd="{compact(m[1])}"', svg).replace(" D=", " d=")
    place = r'<use href="#([^"]+)" transform="translate\(([-\d.]+) ([-\d.]+)\)"/>'
    svg = re.sub(place, lambda m: f'<use href="#{m[1]}" x="{float(m[2]):.0f}" y="{float(m[3]):.0f}"/>', svg)
    names = {name: f"g{i}" for i, name in enumerate(dict.fromkeys(re.findall(r'<path id="([^"]+)"', svg)))}
    svg = re.sub(r'(<path id="|href="#)([^"]+)"', lambda m: f'{m[1]}{names[m[2]]}"', svg)
    svg = re.sub(r' [xy]="-?0"| id="(?!g\d+")\w+"|(width|height)="[\d.]+pt"', "", svg)
    place = r"translate\(([-\d.]+) ([-\d.]+)\) scale\(([\d.]+) -[\d.]+\)"
    svg = re.sub(place, lambda m: f"matrix({m[3]} 0 0 -{m[3]} {m[1]} {m[2]})", svg)
    svg = re.sub(r"(matrix)\(([^)]*)\)", shorter_numbers, svg)
    svg = re.sub(r"\s+", " ", svg).replace("> <", "><").replace("; ", ";").replace(": ", ":")
    svg = re.sub(
        rf';stroke-linejoin:miter(?=[;"])| style="image-rendering[^"]*"| style="fill:{INK}"', "", svg
    )
    rules = f"svg{{fill:{INK};stroke-linejoin:miter}}image{{image-rendering:pixelated}}"
    styles = Counter(re.findall(r' style="([^"]+)"', svg))
    for i, style in enumerate(style for style, times in styles.items() if times > 2):
        svg = svg.replace(f' style="{style}"', f' class="s{i}"')
        rules += f".s{i}{{{style}}}"
    svg = re.sub(r"(<style[^>]*>)[^<]*", lambda m: m[1] + rules, svg)
    for _ in range(3):  # groups that hold a single thing
        text = r"<g [^>]*>(?:<defs>(?:<path [^>]*/>)*</defs>)?(?:<use [^>]*/>)*</g>"
        svg = re.sub(rf"<g>(<(?:path|image) [^>]*/>|{text})</g>", r"\1", svg)
    facts = f"<title>{title}</title><desc>matplotlib {matplotlib.__version__} {notes}</desc>"
    svg = svg.strip().replace("<svg ", f'<svg width="700" height="{height}" ', 1)
    return svg.replace("<defs>", facts + "<defs>", 1)


def shorter_numbers(match: re.Match) -> str:
    """The numbers of a transform in four significant digits or two decimals, whichever are more."""
    numbers = [float(v) for v in re.split(r"[ ,]+", match[2])]
    short = [f"{v:.2f}".rstrip("0").rstrip(".") if abs(v) >= 1 else f"{v:.4g}" for v in numbers]
    short = [re.sub(r"^(-?)0\.", r"\1.", v) for v in short]
    return f"{match[1]}({' '.join(short)})".replace(" -", "-")


@functools.lru_cache(maxsize=None)
def notebook(name: str) -> types.ModuleType:
    """The definitions of a notebook, executed once."""
    return definitions(name)


@functools.lru_cache(maxsize=None)
def data() -> Dict[str, np.ndarray]:
    """The sprites, their captions and their splits."""
    with np.load(ROOT / "data" / "sprites.npz") as file:
        return {name: file[name] for name in file.files}


def section(name: str, code: str) -> str:
    """The number of the section (such as "4") of a notebook in whose code cells this text first occurs."""
    heading = ""
    for cell in read(name).cells:
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^## (\d+)", cell.source, re.M) or [heading])[-1]
        elif code in cell.source:
            return heading
    raise ValueError(f"{name} has no cell with '{code}': tools/figures*.py must follow the notebook.")


def train_images() -> np.ndarray:
    """The training sprites (n, 16, 16, 3), uint8."""
    return data()["images"][data()["split"] == 0]


def to_picture(x: np.ndarray) -> np.ndarray:
    """Pixels in [-1, 1] as uint8."""
    return ((np.clip(x, -1, 1) + 1) * 127.5).round().astype(np.uint8)


def noise_picture(x: np.ndarray) -> np.ndarray:
    """Noise in [-1, 1] as uint8, in six levels a channel, so that a figure has few colours."""
    return (to_picture(x) / 51).round().astype(np.uint8) * 51


def noisy(x_0: np.ndarray, alpha_bar: float, seed: int) -> np.ndarray:
    """The forward process in one go, for anything in [-1, 1]."""
    eps = np.random.RandomState(seed).normal(size=x_0.shape)
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * eps


def schedule(name: str) -> Tuple[int, np.ndarray]:
    """T and alpha_bar (T+1,) of a notebook."""
    nb = notebook(name)
    return nb.T, nb.to_alpha_bar(nb.cosine_beta(nb.T)).double().numpy()


def ddpm_chain() -> Sheet:
    """Five moments of the chain of 01, with the arrows of q and p."""
    sheet = Sheet("ddpm-chain", 306, "The forward process adds noise, the reverse process takes it away")
    T, alpha_bar = schedule("01.ddpm.ipynb")
    x_0 = train_images()[4] / 127.5 - 1
    t = round(0.4 * T)
    chain = {0: x_0, t - 1: noisy(x_0, alpha_bar[t - 1], 3)}
    for step in (t, t + 1):  # one step each, from the one before
        chain[step] = noisy(chain[step - 1], alpha_bar[step] / alpha_bar[step - 1], step)
    chain[T] = noisy(x_0, alpha_bar[T], 5)
    xs, size, y = [62, 206, 350, 494, 638], 92, 158
    for x, name, (step, pixels) in zip(xs, ("0", "t-1", "t", "t+1", "T"), chain.items()):
        picture = noise_picture(pixels) if step else to_picture(pixels)
        sheet.image(picture, x - size / 2, y - size / 2, size, size)
        left = sheet.shape(f"sqrt alpha_bar {step}", f"{alpha_bar[step] ** 0.5:.3f}")
        sheet.text(x, y + 63, f"$x_{{{name}}}$", 15)
        sheet.text(x, y + 94, f"step {step}\n$\\sqrt{{\\bar\\alpha}}={left}$", 11.5, SOFT)
    for i, (a, b) in enumerate(zip(xs[:-1], xs[1:])):
        many = i in (0, 3)
        sheet.arc((a + 16, y - 50), y - 74, (b - 16, y - 50), PIXEL_DARK, many)
        sheet.line([(b - size / 2 - 5, y), (a + size / 2 + 5, y)], LAYER_DARK, dash=many, width=1.5)
    sheet.arc((xs[0] - 14, y - 50), 38, (xs[2], y - 50), SOFT)
    sheet.text(206, 24, "all steps at once: $q(x_t\\,|\\,x_0)$", 12, SOFT)
    sheet.text(
        530,
        24,
        "*forward process $q(x_t\\,|\\,x_{t-1})$\nadds a little noise, nothing to learn",
        12,
        PIXEL_DARK,
    )
    sheet.text(
        350,
        290,
        "*reverse process $p_\\theta(x_{t-1}\\,|\\,x_t)$: takes a little noise away, learnt",
        12,
        LAYER_DARK,
    )
    return sheet


def ddpm_unet() -> Sheet:
    """The U-Net of 01, with the name in code and the shape of every map."""
    sheet = Sheet("ddpm-unet", 540, "The U-Net of notebook 01 with the shape of every map")
    nb = notebook("01.ddpm.ipynb")
    w, n, top, low = nb.WIDTH, 3 + nb.EXTRA, 206, 406
    sheet.band(8, 120, 670, 176, "8×8 positions: fine detail", LAYER, LAYER_DARK)
    sheet.band(8, 312, 670, 176, "4×4 positions: the whole", LATENT, LATENT_DARK)
    # time and class
    sheet.box(45, 40, 64, 42, "step $t$", DATA)
    sheet.box(146, 40, 104, 42, f"sines, cosines\n~{sheet.shape('embed.widen in', 64)}", TIME)
    sheet.box(278, 40, 124, 42, f"`widen, mix\n~{sheet.shape('embed.mix out', 4 * w)}", TIME)
    sheet.plus(374, 40)
    sheet.box(484, 40, 152, 42, f"`label\n~a row per class: {sheet.shape('embed.label out', 4 * w)}", WORDS)
    sheet.box(640, 40, 76, 42, "class $y$", DATA)
    for a, b in ((77, 94), (198, 216), (340, 364), (602, 560), (408, 384)):
        sheet.line([(a, 40), (b, 40)])
    sheet.line([(374, 50), (374, 98), (260, 98), (260, top - 38)], TIME_DARK, head=True)
    sheet.line([(374, 98), (690, 98), (690, 510), (226, 510), (226, low + 38)], TIME_DARK)
    sheet.line([(374, 90), (374, 98), (462, 98), (462, top - 38)], TIME_DARK)
    sheet.line([(486, 510), (478, 510), (478, low + 38)], TIME_DARK)
    sheet.text(364, 80, f"emb, {sheet.shape('embed out', 4 * w)} numbers", 11.5, TIME_DARK, ha="right")
    sheet.text(384, 80, "scales and shifts the channels in every residual block", 11.5, TIME_DARK, ha="left")
    # 8x8
    x_t = noisy(train_images()[4] / 127.5 - 1, 0.5, 1)
    eps = np.random.RandomState(1).normal(size=x_t.shape)
    sheet.image(noise_picture(x_t), 18, top - 26, 52, 52)
    sheet.text(44, top + 46, f"$x_t$\n~{sheet.shape('in', 3, 16, 16)}", 11.5)
    fold = f"fold 2×2\n~{sheet.shape('stem in', 12, 8, 8)}\n`stem\n~{sheet.shape('stem out', w, 8, 8)}"
    sheet.box(126, top, 80, 76, fold, "white")
    sheet.plus(190, top)
    sheet.box(260, top, 92, 76, f"residual\nblock\n`down\n~{sheet.shape('down out', w, 8, 8)}", "white")
    sheet.plus(388, top)
    sheet.box(462, top, 92, 76, f"residual\nblock\n`up\n~{sheet.shape('up out', w, 8, 8)}", "white")
    last = f"norm, SiLU\n`out\n~{sheet.shape('out out', 12, 8, 8)}\nunfold 2×2"
    sheet.box(563, top, 80, 76, last, "white")
    sheet.image(noise_picture(eps), 622, top - 26, 52, 52)
    sheet.text(644, top + 46, f"$\\varepsilon_\\theta$\n~{sheet.shape('out', 3, 16, 16)}", 11.5)
    for a, b in ((70, 86), (166, 180), (200, 214), (398, 416), (508, 523), (603, 621)):
        sheet.line([(a, top), (b, top)])
    sheet.line([(306, top), (378, top)], SOFT, dash=True)
    sheet.text(343, top - 14, "skip", 11.5, SOFT)
    # 4x4
    shrink = f"conv 3×3\nstride 2\n`shrink\n~{sheet.shape('bottom.shrink out', 2 * w, 4, 4)}"
    sheet.box(72, low, 90, 76, shrink, "white")
    sheet.plus(146, low)
    blocks = "2 residual\nblocks\n`block_{}, {}\n~{}"
    sheet.box(226, low, 104, 76, blocks.format(1, 2, sheet.shape("bottom.block_2 out", 2 * w, 4, 4)), "white")
    attend = f"self-attention\n16 positions\n`attend\n~{sheet.shape('bottom.attend out', 2 * w, 4, 4)}"
    sheet.box(352, low, 106, 76, attend, ATTEND)
    sheet.box(478, low, 104, 76, blocks.format(3, 4, sheet.shape("bottom.block_4 out", 2 * w, 4, 4)), "white")
    grow = f"`grow\n~{sheet.shape('bottom.grow out', 4 * w, 4, 4)}"
    grow += f"\nunfold 2×2\n~{sheet.shape('bottom out', w, 8, 8)}"
    sheet.box(608, low, 98, 76, grow, "white")
    for a, b in ((117, 136), (156, 174), (278, 299), (405, 426), (530, 559)):
        sheet.line([(a, low), (b, low)])
    for x, y in ((190, top), (146, low)):
        sheet.text(x, y + 66, "learnt map\n`position", 11, SOFT)
        sheet.line([(x, y + 52), (x, y + 10)], SOFT)
    sheet.line([(260, top + 38), (260, 344), (72, 344), (72, low - 38)])
    sheet.line([(608, low - 38), (608, 344), (388, 344), (388, top + 10)])
    shape = sheet.shape("palette out", n, 16, 16)
    palette = f"with the palette of section {section('01.ddpm.ipynb', 'class PaletteHead')}: {shape}"
    sheet.text(678, 528, palette, 11, SOFT, ha="right")
    return sheet


def eight_colours() -> Tuple[torch.Tensor, torch.Tensor, List[np.ndarray]]:
    """Colours (8, 3) of the palette, a colour m (3,), and the rows of the figure: (8,) each."""
    nb = notebook("02.vae_latent_2d.ipynb")
    palette = nb.make_palette(train_images(), nb.MOST_COLOURS)
    wanted = [(33, 33, 46), (95, 55, 35), (150, 95, 50), (120, 95, 110), (150, 150, 165), (60, 100, 190)]
    wanted += [(120, 180, 235), (70, 150, 70)]  # the palette colour nearest to each is drawn
    eight = palette[nb.nearest_colour(torch.tensor(wanted) / 127.5 - 1, palette)]
    m = 0.55 * eight[2] + 0.45 * eight[5]  # between a brown and a blue
    near = nb.PaletteHead(eight, 1)(m[None], torch.zeros(1, 1), torch.full((1, 1), 5.0))[0].detach()
    correction = torch.tensor([-0.5, 0.5, 3.0, -3.5, -2.5, 2.5, 0.5, -1.0])
    rows = [near, correction, near + correction, (near + correction).softmax(0)]
    return eight, m, [row.numpy() for row in rows]


def palette_head() -> Sheet:
    """One pixel, from m and h to a colour: the scores of eight palette colours by the head of 02."""
    sheet = Sheet("palette-head", 520, "How the palette head chooses the colour of one pixel")
    nb = notebook("02.vae_latent_2d.ipynb")
    eight, m, rows = eight_colours()
    colours = len(nb.make_palette(train_images(), nb.MOST_COLOURS))
    to_hex = lambda c: matplotlib.colors.to_hex(((np.asarray(c) + 1) / 2).clip(0, 1))  # noqa: E731
    hexes, best = [to_hex(c) for c in eight], int(rows[3].argmax())
    xs, left = [206 + 42 * i for i in range(8)], 182
    sheet.text(353, 22, f"eight of the {sheet.shape('palette', colours)} colours $c_k$ of the palette", 12.5)
    for x, colour in zip(xs, hexes):
        sheet.rect(x - 15, 38, 30, 30, colour, INK, radius=4, lw=0.8)
    names = [
        "*nearness to $m$\n$s\\,(2\\,m\\cdot c_k-\\|c_k\\|^2)$",
        "*+ correction\n$(W\\,\\mathrm{silu}(h)+b)_k$",
    ]
    names += ["*= score", "*softmax\n(here over these eight):\nprobability"]
    for values, base, scale, name in zip(rows, (118, 228, 318, 482), (7, 7, 7, 70), names):
        sheet.line([(left, base), (518, base)], SOFT, head=False)
        for x, value, colour in zip(xs, values.tolist(), hexes):
            height = abs(value) * scale
            if height >= 0.5:
                sheet.rect(
                    x - 13, base - height if value > 0 else base, 26, height, colour, INK, radius=0, lw=0.6
                )
            sheet.text(
                x, base - value * scale + (-9 if value >= 0 else 10), number(value, 2 if scale > 9 else 1), 11
            )
        sheet.text(530, base - (26 if scale > 9 else 0), name, 11.5, ha="left")
    sheet.text(82, 36, "*the network's answer\n*for one pixel", 12)
    sheet.rect(20, 100, 36, 36, to_hex(m), INK, radius=4, lw=0.8)
    sheet.text(66, 118, "$m$: a colour,\n3 numbers", ha="left")
    for i, shade in enumerate((90, 204, 153, 230, 115, 178)):
        sheet.rect(20 + 6 * i, 210, 6, 36, f"#{shade:02x}{shade:02x}{shade:02x}", INK, radius=0, lw=0.5)
    sheet.text(66, 228, "$h$: further\nnumbers", ha="left")
    for y in (118, 228):
        sheet.line([(150, y), (left - 4, y)])
    sheet.line([(353, 375), (353, 400)])
    sheet.rect(60, 440, 44, 44, hexes[best], INK, radius=4, lw=0.8)
    sheet.text(82, 420, "*the pixel gets\n*the best colour", 12)
    sheet.line([(left, 462), (110, 462)])
    return sheet


def parts_of(net: torch.nn.Sequential, x: torch.Tensor) -> List[Tuple[int, str, Tuple[int, ...]]]:
    """The position, a name and the output (C, H, W) of every part of encoder or decoder."""
    found = []
    for i, part in enumerate(net):
        with torch.no_grad():
            x = part(x)
        kind = type(part).__name__
        if kind == "Conv2d":
            kind = f"conv {part.kernel_size[0]}×{part.kernel_size[1]}"
        plain = {"PixelUnshuffle": "fold 2×2", "PixelShuffle": "unfold 2×2", "ConvBlock": "residual block"}
        found.append((i, plain.get(kind, kind), tuple(x.shape[1:])))
    return found


def pipeline(sheet: Sheet, net: str, parts: List, left: float, right: float, y: float) -> float:
    """Boxes with arrows for the parts of a network between left and right; where the last one ends."""
    shown = []
    for i, name, shape in parts:
        if name == "SiLU":  # needs no box of its own
            shown.append(["SiLU,"])
            continue
        words = ["residual", "block"] if name == "residual block" else [name.replace("Detour", "detour")]
        before = shown.pop() if shown and shown[-1] == ["SiLU,"] else []
        shown.append([*before, *words, "~" + sheet.shape(f"{net}.{i} out", *shape)])
    width = (right - left + 16) / len(shown) - 16
    for k, words in enumerate(shown):
        x = left + width / 2 + k * (width + 16)
        sheet.box(x, y, width, 58, "\n".join(words), ATTEND if words[0] == "detour" else "white")
        if k:
            sheet.line([(x - width / 2 - 16, y), (x - width / 2, y)])
    return right


def example_maps(image: np.ndarray) -> np.ndarray:
    """Four maps (4, 8, 8) in [0, 1] that stand for the latent of a sprite (16, 16, 3), uint8.

    Like real ones they mix the numbers of each square of 2x2 pixels, here by random factors.
    """
    squares = image.reshape(8, 2, 8, 2, 3).transpose(0, 2, 1, 3, 4).reshape(64, 12) / 127.5 - 1
    maps = squares @ np.random.RandomState(5).randn(12, 4)  # (64, 4)
    maps = (maps - maps.mean(0)) / maps.std(0)
    return np.clip(0.5 + maps / 5, 0, 1).T.reshape(4, 8, 8)


def bell(sheet: Sheet, x: float, y: float) -> None:
    """One latent number: its Gaussian with mu and sigma, and the z drawn from it."""
    t = np.linspace(-2.6, 2.6, 41)
    curve = list(zip(x + 24 * t, y - 34 * np.exp(-t * t / 2)))
    sheet.path([*curve, curve[0]], fc="white", zorder=1.5)
    sheet.path(curve, ec=LATENT_DARK, lw=1.2, zorder=2)
    sheet.line([(x - 70, y), (x + 70, y)], INK, head=False)
    sheet.line([(x, y + 4), (x, y - 34)], LATENT_DARK, head=False, dash=True)
    sheet.line([(x, y - 18), (x + 25, y - 18)], LATENT_DARK)
    sheet.text(x + 10, y - 9, "$\\sigma$", 12, LATENT_DARK)
    sheet.text(x, y + 14, "$\\mu$", 12, LATENT_DARK)
    sheet.rect(x - 35, y - 4, 8, 8, PIXEL_DARK, radius=4, zorder=6)
    sheet.text(x - 31, y + 14, "$z$", 12, PIXEL_DARK)


def detour(sheet: Sheet, c: int, y: float) -> None:
    """The inside of the detour, for maps of c channels."""
    sheet.text(16, y, "*inside the\n*detour:", 12, ha="left")
    kinds = [type(part).__name__ for part in notebook("02.vae_latent_2d.ipynb").make_decoder(c, 1)]
    inside = f"decoder.{kinds.index('Detour')}"
    words = [f"conv 3×3, stride 2\n~{sheet.shape(inside + '.shrink out', c, 4, 4)}"]
    words += [f"2 residual blocks\n~{sheet.shape(inside + '.deep out', c, 4, 4)}"]
    words += [f"conv 1×1\n~{sheet.shape(inside + '.grow out', 4 * c, 4, 4)}", f"unfold 2×2\n~{c}×8×8"]
    xs = (206, 342, 458, 556)
    for x, word, width in zip(xs, words, (118, 114, 80, 80)):
        sheet.box(x, y, width, 42, word, ATTEND)
    for a, b in ((116, 147), (265, 285), (399, 418), (498, 516), (596, 618)):
        sheet.line([(a, y), (b, y)])
    sheet.plus(628, y)
    sheet.line([(132, y), (132, y - 38), (628, y - 38), (628, y - 10)], SOFT, dash=True)
    sheet.line([(638, y), (676, y)])


def vae_encoder_decoder() -> Sheet:
    """Encoder and decoder of 02 with the shape of every map, what is between, and the detour."""
    sheet = Sheet("vae-encoder-decoder", 640, "The autoencoder of notebook 02 with the shape of every map")
    nb = notebook("02.vae_latent_2d.ipynb")
    w, n, image = nb.WIDTH, 3 + nb.EXTRA, train_images()[4]
    colours = len(nb.make_palette(train_images(), nb.MOST_COLOURS))
    top, low, last = 76, 352, 464
    sheet.band(96, 8, 594, 112, "encoder $q(z\\,|\\,x)$", PIXEL, PIXEL_DARK)
    sheet.band(96, 134, 594, 142, "latent space: 8×8 positions, 4 numbers each", LATENT, LATENT_DARK)
    sheet.band(96, 290, 594, 232, "decoder $p(x\\,|\\,z)$", LAYER, LAYER_DARK)
    for y, name in ((top, "$x$"), (last, "$\\hat x$")):
        sheet.image(image, 14, y - 32, 64, 64)
        sheet.text(46, y + 46, f"{name}: {sheet.shape('x', 3, 16, 16)}", 11.5)
    parts = parts_of(nb.make_encoder(w), torch.zeros(1, 3, 16, 16))
    end = pipeline(sheet, "encoder", parts, 112, 500, top)
    sheet.line([(78, top), (112, top)])
    # latent space
    sheet.text(576, top - 24, "cut in two:\nmean and log variance", 11.5, SOFT)
    sheet.line([(end, top), (650, top), (650, 204), (639, 204)])
    sheet.line([(650, 204), (650, 248), (639, 248)])
    for y, name in ((204, "$\\mu$"), (248, "$\\log\\,\\sigma^2$")):
        sheet.box(590, y, 96, 36, f"{name}\n~{sheet.shape(('mu', 'log_var')[y > 204], 4, 8, 8)}", "white")
    sheet.box(
        436,
        226,
        126,
        46,
        f"$z=\\mu+\\sigma\\,\\varepsilon$\n~{sheet.shape('z', 4, 8, 8)}",
        "white",
        size=12.5,
    )
    sheet.line([(542, 204), (520, 204), (520, 219), (499, 219)])
    sheet.line([(542, 248), (520, 248), (520, 233), (499, 233)])
    sheet.text(436, 170, "$\\varepsilon\\sim\\mathcal{N}(0,I)$", 12)
    sheet.line([(436, 180), (436, 203)], dash=True)
    sheet.line([(373, 211), (190, 211)])
    bell(sheet, 286, 253)
    sheet.stack(example_maps(image), 152, 218, 48, 6)
    sheet.line([(118, 226), (86, 226), (86, low), (112, low)])
    # decoder
    parts = parts_of(nb.make_decoder(w, nb.EXTRA), torch.zeros(1, 4, 8, 8))
    end = pipeline(sheet, "decoder", parts, 112, 660, low)
    sheet.line([(end, low), (674, low), (674, last - 24), (641, last - 24)])
    sheet.line([(674, last - 30), (674, last + 24), (641, last + 24)])
    sheet.box(580, last - 24, 122, 38, f"$m$: a colour\n~{sheet.shape('m', 3, 16, 16)}", "white")
    sheet.box(580, last + 24, 122, 38, f"$h$: corrections\n~{sheet.shape('h', n - 3, 16, 16)}", "white")
    count = sheet.shape("palette", colours)
    head = f"*palette head\nfor each pixel {count} scores,\nthe best colour wins"
    sheet.box(330, last, 190, 62, head, "white")
    for sign in (-1, 1):
        sheet.line(
            [(519, last + 24 * sign), (472, last + 24 * sign), (472, last + 9 * sign), (425, last + 9 * sign)]
        )
    sheet.line([(235, last), (80, last)])
    detour(sheet, w, 594)
    return sheet


def draw_all(folder: Path) -> None:
    """Draw every figure of the three notebooks."""
    import figures_ldm

    with matplotlib.rc_context(STYLE):
        for draw in (*FIGURES, *figures_ldm.FIGURES):
            draw().save(folder)


FIGURES = (ddpm_chain, ddpm_unet, palette_head, vae_encoder_decoder)


if __name__ == "__main__":
    import figures  # the module that figures_ldm uses too, not a second copy of it

    figures.draw_all(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "assets")
