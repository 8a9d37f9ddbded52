"""The drawn figures of 01 and 02: `make figures` writes them to assets/. Plots are drawn by the notebooks."""

import io

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from notebooks import ROOT, definitions

BLUE, GREEN, ORANGE, GREY, RED, INK = "#bcd4ee", "#c8e3c3", "#f7d9a8", "#e3e3e8", "#f2c1bd", "#2b2b33"


def canvas(width: float, height: float, scale: float = 1.0):
    """An empty figure with a coordinate system of these sizes; a smaller scale makes its words larger."""
    fig, axis = plt.subplots(figsize=(width * scale, height * scale))
    axis.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axis.axis("off")
    fig.subplots_adjust(0, 0, 1, 1)
    return fig, axis


def box(axis, x: float, y: float, w: float, h: float, text: str, colour: str, size: float = 9) -> None:
    """A rounded box with its centre at (x, y)."""
    style = "round,pad=0,rounding_size=0.08"
    axis.add_patch(FancyBboxPatch((x - w / 2, y - h / 2), w, h, boxstyle=style, fc=colour, ec=INK, lw=1))
    axis.text(x, y, text, ha="center", va="center", fontsize=size, color=INK, linespacing=1.35)


def arrow(
    axis, start, end, colour: str = INK, dashed: bool = False, bend: float = 0.0, width: float = 1.3
) -> None:
    """An arrow between two points, curved by `bend`."""
    style = {
        "arrowstyle": "-|>",
        "mutation_scale": 11,
        "lw": width,
        "color": colour,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axis.add_patch(
        FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", ls="--" if dashed else "-", **style)
    )


def save(fig, name: str, dpi: int = 110) -> None:
    """Write the figure to assets/ in 256 colours, which keeps the notebooks small, and without a date."""
    buffer = io.BytesIO()
    fig.savefig(buffer, dpi=dpi, format="png")
    plt.close(fig)
    Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        ROOT / "assets" / name, optimize=True
    )


def sprite(axis, image: np.ndarray, x: float, y: float, size: float) -> None:
    """A sprite (16, 16, 3) with its centre at (x, y) and a frame."""
    half = size / 2
    axis.imshow(image, extent=(x - half, x + half, y - half, y + half), interpolation="nearest", zorder=2)
    axis.add_patch(plt.Rectangle((x - half, y - half), size, size, fill=False, ec=INK, lw=0.8, zorder=3))


def line(axis, points, colour: str = INK, head: bool = True, width: float = 1.3, over: bool = False) -> None:
    """A line through the points, with an arrow head at its end; `over` lifts it over the lines it crosses."""
    xs, ys = zip(*points)
    if over:
        axis.plot(xs, ys, color="white", lw=width + 5, solid_capstyle="butt", zorder=1.5)
    axis.plot(xs, ys, color=colour, lw=width, zorder=1.6)
    if head:
        (x_0, y_0), (x_1, y_1) = points[-2:]
        length = max(abs(x_1 - x_0), abs(y_1 - y_0))
        start = (x_1 + (x_0 - x_1) * 0.12 / length, y_1 + (y_0 - y_1) * 0.12 / length)
        arrow(axis, start, (x_1, y_1), colour, width=width)


def plus(axis, x: float, y: float, sign: str = "+") -> None:
    """A circle with a plus."""
    axis.add_patch(plt.Circle((x, y), 0.17, fc="white", ec=INK, lw=1.2, zorder=5))
    axis.text(x, y, sign, ha="center", va="center_baseline", fontsize=13, color=INK, zorder=6)


def text(axis, x: float, y: float, words: str, size: float = 9, colour: str = INK, **more) -> None:
    """Words centred at (x, y)."""
    more = {"ha": "center", "va": "center", "linespacing": 1.35, "zorder": 6, **more}
    axis.text(x, y, words, fontsize=size, color=colour, **more)


def train_images() -> np.ndarray:
    """The training sprites (n, 16, 16, 3), uint8."""
    with np.load(ROOT / "data" / "sprites.npz") as data:
        return data["images"][data["split"] == 0]


def ddpm_chain() -> None:
    """A sprite at five moments of the forward process, with the arrows of q and p."""
    import torch

    nb = definitions("01.ddpm.ipynb")
    with np.load(ROOT / "data" / "sprites.npz") as data:
        x_0 = nb.to_tensor(data["images"][[4]])
    torch.manual_seed(3)
    alpha_bar, eps = nb.to_alpha_bar(nb.cosine_beta(500)), torch.randn_like(x_0)
    fig, axis = canvas(9.6, 2.9)
    places, names = [1.0, 2.9, 4.8, 6.7, 8.6], ["$x_0$", "$x_{t-1}$", "$x_t$", "$x_{t+1}$", "$x_T$"]
    for x, t, name in zip(places, (0, 150, 240, 330, 500), names):
        image = nb.q_sample(x_0, torch.tensor([t]), eps, alpha_bar)[0].clamp(-1, 1).permute(1, 2, 0).numpy()
        sprite(axis, (image + 1) / 2, x, 1.4, 1.15)
        axis.text(x, 0.55, name, ha="center", fontsize=12, color=INK)
    for i, (a, b) in enumerate(zip(places[:-1], places[1:])):
        dashed = i in (0, 3)
        arrow(axis, (a + 0.35, 2.05), (b - 0.35, 2.05), "#b0413e", dashed, bend=-0.25)
        arrow(axis, (b - 0.64, 1.3), (a + 0.64, 1.3), "#2f6db0", dashed)
    axis.text(
        4.8,
        2.62,
        "forward process $q$: add noise (nothing to learn)",
        ha="center",
        color="#b0413e",
        fontsize=10.5,
    )
    axis.text(
        4.8,
        0.16,
        "reverse process $p_\\theta$: take noise away (learnt)",
        ha="center",
        color="#2f6db0",
        fontsize=10.5,
    )
    save(fig, "ddpm-chain.png")


def ddpm_unet() -> None:
    """The U-Net of 01 with the shape of every map."""
    fig, axis = canvas(8.6, 5.6)
    nb = definitions("01.ddpm.ipynb")
    w, red, soft = nb.WIDTH, "#9c3b36", "#6a6a78"
    top, low = 3.3, 1.05
    box(axis, 0.52, top, 0.8, 0.95, "$x_t$\n3×16×16", GREY)
    box(axis, 1.6, top, 0.88, 1.15, f"fold 2×2\n12×8×8\nconv 3×3\n{w}×8×8", BLUE)
    plus(axis, 2.4, top)
    box(axis, 3.25, top, 0.95, 0.95, f"residual\nblock\n{w}×8×8", BLUE)
    plus(axis, 5.3, top)
    box(axis, 6.2, top, 0.95, 0.95, f"residual\nblock\n{w}×8×8", BLUE)
    box(axis, 7.65, top, 1.05, 1.3, "norm, SiLU\nconv 3×3\n12×8×8\nunfold 2×2\n3×16×16", GREY)
    text(axis, 7.65, top - 0.93, f"with the palette:\n{3 + nb.EXTRA}×16×16", colour=soft)
    box(axis, 0.95, low, 1.05, 0.95, f"conv 3×3,\nstride 2\n{2 * w}×4×4", GREEN)
    plus(axis, 1.83, low)
    box(axis, 2.85, low, 1.05, 0.95, f"2 residual\nblocks\n{2 * w}×4×4", GREEN)
    box(axis, 4.3, low, 1.2, 0.95, f"self-attention,\n16 positions\n{2 * w}×4×4", GREEN)
    box(axis, 5.75, low, 1.05, 0.95, f"2 residual\nblocks\n{2 * w}×4×4", GREEN)
    box(axis, 7.3, low, 1.2, 0.95, f"conv 1×1\n{4 * w}×4×4\nunfold 2×2\n{w}×8×8", GREEN)
    for a, b in ((0.92, 1.16), (2.04, 2.23), (2.57, 2.775), (5.47, 5.725), (6.675, 7.125)):
        arrow(axis, (a, top), (b, top))
    for a, b in ((1.475, 1.66), (2.0, 2.325), (3.375, 3.7), (4.9, 5.225), (6.275, 6.7)):
        arrow(axis, (a, low), (b, low))
    arrow(axis, (3.725, top), (5.13, top), soft, dashed=True)
    text(axis, 4.42, top + 0.2, "skip connection", colour=soft)
    line(axis, [(3.25, top - 0.475), (3.25, 2.1), (0.95, 2.1), (0.95, low + 0.475)])
    line(axis, [(7.3, low + 0.475), (7.3, 2.0), (5.3, 2.0), (5.3, top - 0.17)])
    text(axis, 2.4, top - 0.77, "learnt map\nof positions", colour=soft)
    line(axis, [(2.4, top - 0.55), (2.4, top - 0.17)], soft)
    text(axis, 1.83, low - 0.68, "learnt map\nof positions", colour=soft)
    line(axis, [(1.83, low - 0.47), (1.83, low - 0.17)], soft)
    # time and class
    box(axis, 1.6, 5.2, 2.5, 0.5, "step $t$: sines and cosines,\ntwo linear layers", ORANGE)
    plus(axis, 3.25, 5.2)
    box(axis, 4.75, 5.2, 2.1, 0.5, "class $y$: a learnt row\nof a table", ORANGE)
    arrow(axis, (2.85, 5.2), (3.08, 5.2))
    arrow(axis, (3.7, 5.2), (3.42, 5.2))
    line(axis, [(3.25, 5.03), (3.25, top + 0.475)], red)
    line(axis, [(3.25, 4.4), (6.2, 4.4), (6.2, top + 0.475)], red)
    line(axis, [(6.2, 4.4), (8.45, 4.4), (8.45, 0.16), (2.85, 0.16), (2.85, low - 0.475)], red)
    line(axis, [(5.75, 0.16), (5.75, low - 0.475)], red)
    text(
        axis,
        3.4,
        4.65,
        f"emb, {4 * w} numbers: scale and shift in every residual block",
        colour=red,
        ha="left",
    )
    save(fig, "ddpm-unet.png", dpi=130)


def palette_head() -> None:
    """One pixel, from m and h to a colour: the scores of eight palette colours by the head of 02."""
    import torch

    nb = definitions("02.vae_latent_2d.ipynb")
    palette = nb.make_palette(train_images(), nb.MOST_COLOURS)
    wanted = [(33, 33, 46), (95, 55, 35), (150, 95, 50), (120, 95, 110), (150, 150, 165), (60, 100, 190)]
    wanted += [(120, 180, 235), (70, 150, 70)]  # the palette colour nearest to each is drawn
    eight = palette[nb.nearest_colour(torch.tensor(wanted) / 127.5 - 1, palette)]
    m = (0.55 * eight[2] + 0.45 * eight[5])[None]  # between a brown and a blue
    near = nb.PaletteHead(eight, 1)(m, torch.zeros(1, 1), torch.full((1, 1), 5.0))[0].detach()
    correction = torch.tensor([-0.5, 0.5, 3.0, -3.5, -2.5, 2.5, 0.5, -1.0])
    rows = [near, correction, near + correction, (near + correction).softmax(0)]
    best, to_rgb = int(rows[3].argmax()), lambda c: tuple(((c + 1) / 2).tolist())

    fig, axis = canvas(8.6, 6.0)
    xs, soft, square = [2.95 + 0.53 * i for i in range(8)], "#6a6a78", plt.Rectangle
    text(axis, 4.8, 5.8, f"eight of the {len(palette)} colours $c_k$ of the palette")
    for x, colour in zip(xs, eight):
        axis.add_patch(square((x - 0.2, 5.2), 0.4, 0.4, fc=to_rgb(colour), ec=INK, lw=0.8))
    names = ["nearness to $m$\n$s\\,(2m\\cdot c_k-|c_k|^2)$", "+  correction\n$(W\\,\\mathrm{silu}(h)+b)_k$"]
    names += ["=  score", "softmax (here over\nthese eight):\nprobability"]
    for values, base, scale, name in zip(rows, (4.5, 3.3, 2.15, 0.4), (0.07, 0.07, 0.07, 0.9), names):
        axis.plot([2.65, 6.95], [base, base], color=soft, lw=0.8)
        for x, value, colour in zip(xs, values.tolist(), eight):
            low, height = base + min(0, value * scale), abs(value) * scale
            axis.add_patch(square((x - 0.17, low), 0.34, height, fc=to_rgb(colour), ec=INK, lw=0.8))
            digits = f"{value:.2f}" if scale > 0.5 else f"{value:.1f}".replace("-", "−")
            text(axis, x, base + value * scale + (0.11 if value >= 0 else -0.12), digits, size=8.5)
        text(axis, 7.05, base + (0.25 if scale > 0.5 else -0.05), name, ha="left")
    arrow(axis, (4.8, 1.5), (4.8, 1.15))
    # on the left, what goes in and what comes out
    text(axis, 1.15, 5.4, "what the network says\nof one pixel", weight="bold")
    axis.add_patch(square((0.3, 4.25), 0.45, 0.45, fc=to_rgb(m[0]), ec=INK, lw=0.8))
    text(axis, 0.85, 4.475, "$m$: 3 numbers,\na colour", ha="left")
    for i, shade in enumerate((0.35, 0.8, 0.6, 0.9, 0.45, 0.7)):
        axis.add_patch(square((0.3 + 0.075 * i, 3.07), 0.075, 0.45, fc=str(shade), ec=INK, lw=0.5))
    text(axis, 0.85, 3.295, "$h$: further\nnumbers", ha="left")
    for y in (4.475, 3.295):
        arrow(axis, (2.1, y), (2.6, y))
    axis.add_patch(square((0.3, 0.6), 0.6, 0.6, fc=to_rgb(eight[best]), ec=INK, lw=0.8))
    text(axis, 0.75, 1.45, "the pixel gets\nthe best colour", weight="bold")
    arrow(axis, (xs[best] - 0.2, 0.9), (1.0, 0.9))
    save(fig, "palette-head.png", dpi=130)


def vae_encoder_decoder() -> None:
    """Encoder and decoder of 02 with the shape of every map, and z = mu + sigma eps between them."""
    nb = definitions("02.vae_latent_2d.ipynb")
    w, n, red = nb.WIDTH, 3 + nb.EXTRA, "#9c3b36"
    colours = len(nb.make_palette(train_images(), nb.MOST_COLOURS))
    fig, axis = canvas(8.6, 5.2)
    top, low = 3.7, 1.1
    for y, name in ((top, "$x$"), (low, r"$\hat{x}$")):
        sprite(axis, train_images()[4], 0.62, y, 0.9)
        text(axis, 0.62, y + 0.62, name, size=12)
        text(axis, 0.62, y - 0.62, "3×16×16")
    for left, right, y, title in (
        (1.27, 4.02, top, "encoder $q(z|x)$"),
        (1.27, 8.5, low, "decoder $p(x|z)$"),
    ):
        frame = plt.Rectangle((left, y - 0.85), right - left, 1.95, fill=False, ec="#8a8a98", lw=1, ls=":")
        axis.add_patch(frame)
        text(axis, (left + right) / 2, y + 0.93, title, size=10)
    box(axis, 1.95, top, 1.05, 1.3, f"fold 2×2\n12×8×8\nconv 3×3\n{w}×8×8", BLUE)
    box(axis, 3.3, top, 1.15, 1.3, f"residual block\n{w}×8×8\nSiLU, conv 3×3\n8×8×8", BLUE)
    box(axis, 4.95, top + 0.5, 0.9, 0.7, "$\\mu$\n4×8×8", ORANGE)
    box(axis, 4.95, top - 0.5, 0.9, 0.7, "$\\log\\,\\sigma^2$\n4×8×8", ORANGE)
    box(axis, 7.2, top + 1.0, 1.2, 0.42, "$\\varepsilon\\sim\\mathcal{N}(0,I)$", GREY)
    box(axis, 7.2, top, 1.5, 0.8, "$z=\\mu+\\sigma\\varepsilon$\n4×8×8", RED, 10)
    text(axis, 4.95, top + 1.1, "a Gaussian for each\nof 256 numbers", colour=red)
    text(axis, 7.05, top - 0.62, "a map: 8×8 positions", colour=red, ha="right")
    box(axis, 7.78, low, 1.15, 1.3, f"conv 3×3\n{w}×8×8\nresidual block\n{w}×8×8", GREEN)
    detour = f"detour:\nstride 2, {w}×4×4\n2 residual blocks\nconv 1×1, unfold,\nadd: {w}×8×8"
    box(axis, 6.32, low, 1.3, 1.3, detour, GREEN)
    box(axis, 4.9, low, 1.05, 1.3, f"SiLU\nconv 1×1\n{4 * n}×8×8\nunfold 2×2\n{n}×16×16", GREEN)
    box(axis, 3.55, low + 0.36, 0.95, 0.55, "$m$\n3×16×16", ORANGE)
    box(axis, 3.55, low - 0.36, 0.95, 0.55, f"$h$\n{n - 3}×16×16", ORANGE)
    box(axis, 2.1, low, 1.3, 1.3, f"palette head:\nfor each pixel\n{colours} scores,\nthe best colour", GREEN)
    for a, b in ((1.1, 1.425), (2.475, 2.725)):
        arrow(axis, (a, top), (b, top))
    for a, b in ((7.205, 6.97), (5.67, 5.425), (1.45, 1.1)):
        arrow(axis, (a, low), (b, low))
    for sign in (1, -1):
        arrow(axis, (3.875, top + 0.3 * sign), (4.5, top + 0.5 * sign))
        arrow(axis, (5.4, top + 0.5 * sign), (6.45, top + 0.2 * sign))
        arrow(axis, (4.375, low + 0.36 * sign), (4.025, low + 0.36 * sign))
        arrow(axis, (3.075, low + 0.36 * sign), (2.75, low + 0.36 * sign))
    arrow(axis, (7.2, top + 0.79), (7.2, top + 0.4), dashed=True)
    line(axis, [(7.78, top - 0.4), (7.78, low + 0.65)])
    save(fig, "vae-encoder-decoder.png", dpi=130)


if __name__ == "__main__":
    for draw in (ddpm_chain, ddpm_unet, palette_head, vae_encoder_decoder):
        draw()
