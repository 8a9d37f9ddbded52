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


def canvas(width: float, height: float):
    """An empty figure with a coordinate system of the same numbers (in inches)."""
    fig, axis = plt.subplots(figsize=(width, height))
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
    fig, axis = canvas(11.5, 5.4)
    w = definitions("01.ddpm.ipynb").WIDTH
    top, low = 3.2, 1.0
    box(axis, 0.75, top, 1.1, 1.4, "$x_t$\n3×16×16", GREY)
    box(axis, 2.4, top, 1.25, 1.1, f"fold 2×2\n12×8×8\nconv\n{w}×8×8", BLUE, 8.5)
    box(axis, 4.15, top, 1.25, 1.1, f"residual\nblock\n{w}×8×8", BLUE)
    box(axis, 4.15, low, 1.5, 1.1, f"stride 2 conv\n2 residual blocks\n{2 * w}×4×4", GREEN)
    box(axis, 6.15, low, 1.4, 1.1, f"self-attention\n16 places\n{2 * w}×4×4", GREEN)
    box(axis, 8.15, low, 1.5, 1.1, f"2 residual blocks\n1×1 conv, unfold\n{w}×8×8", GREEN, 8.5)
    axis.add_patch(plt.Circle((8.15, top), 0.24, fc="white", ec=INK, lw=1.2))
    axis.text(8.15, top, "+", ha="center", va="center", fontsize=15, color=INK)
    box(axis, 9.45, top, 1.2, 1.1, f"residual\nblock\n{w}×8×8", BLUE)
    box(axis, 10.85, top, 1.0, 1.4, "conv\n12×8×8\nunfold\n3×16×16", GREY, 8.5)
    for a, b in (
        ((1.3, top), (1.77, top)),
        ((3.03, top), (3.52, top)),
        ((8.39, top), (8.85, top)),
        ((10.05, top), (10.35, top)),
    ):
        arrow(axis, a, b)
    for a, b in (
        ((4.9, low), (5.45, low)),
        ((6.85, low), (7.4, low)),
        ((4.15, 2.65), (4.15, 1.55)),
        ((8.15, 1.55), (8.15, 2.96)),
    ):
        arrow(axis, a, b)
    arrow(axis, (4.78, top), (7.91, top), "#6a6a78", dashed=True)
    axis.text(5.95, top - 0.22, f"skip connection {w}×8×8", ha="center", fontsize=9, color="#6a6a78")
    box(axis, 2.9, 4.95, 2.9, 0.5, "step t: sines and cosines (64), MLP", ORANGE, 8.5)
    box(axis, 8.9, 4.95, 2.6, 0.5, "class y: row of an embedding table", ORANGE, 8.5)
    box(axis, 5.95, 4.95, 1.2, 0.5, f"emb: {4 * w}", RED, 9)
    arrow(axis, (4.35, 4.95), (5.35, 4.95))
    arrow(axis, (7.6, 4.95), (6.55, 4.95))
    axis.text(
        5.95,
        4.36,
        "scale and shift\nin every residual block",
        ha="center",
        va="center",
        fontsize=8.5,
        color="#9c3b36",
    )
    red = "#9c3b36"
    arrow(axis, (5.35, 4.78), (4.3, 3.77), red, width=1)
    arrow(axis, (6.55, 4.78), (9.3, 3.77), red, width=1)
    save(fig, "ddpm-unet.png")


def vae_encoder_decoder() -> None:
    """Encoder and decoder of 02 with the shape of every map, and z = mu + sigma eps between them."""
    nb = definitions("02.vae_latent_2d.ipynb")
    w, enc, deep = nb.WIDTH, nb.ENC_BLOCKS, nb.DEEP_BLOCKS
    with np.load(ROOT / "data" / "sprites.npz") as data:
        image = data["images"][4]
    fig, axis = canvas(13.9, 4.1)
    y, blocks = 2.2, {1: "1 residual block"}
    for x, name in ((0.75, "$x$"), (13.15, r"$\hat{x}$")):
        sprite(axis, image, x, y, 1.1)
        axis.text(x, y + 0.78, name, ha="center", fontsize=12, color=INK)
        axis.text(x, y - 0.87, "3×16×16", ha="center", fontsize=9, color=INK)
    box(axis, 2.2, y, 1.05, 1.5, f"fold 2×2\n12×8×8\n\nconv 3×3\n{w}×8×8", BLUE, 8.5)
    box(
        axis,
        3.6,
        y,
        1.2,
        1.5,
        f"{blocks.get(enc, f'{enc} residual blocks')}\n{w}×8×8\n\nconv 3×3\n8×8×8",
        BLUE,
        8.5,
    )
    box(axis, 5.1, y + 0.75, 1.0, 0.8, "$\\mu$\n4×8×8", ORANGE)
    box(axis, 5.1, y - 0.75, 1.0, 0.8, "$\\log\\,\\sigma^2$\n4×8×8", ORANGE)
    box(axis, 5.1, y - 1.75, 1.0, 0.5, "$\\varepsilon\\sim\\mathcal{N}(0,I)$", GREY, 8.5)
    box(axis, 6.95, y, 1.5, 1.0, "$z=\\mu+\\sigma\\varepsilon$\n4×8×8", RED, 10)
    box(axis, 8.7, y, 1.15, 1.5, f"conv 3×3\n{w}×8×8\n\nresidual block\n{w}×8×8", GREEN, 8.5)
    box(
        axis,
        10.1,
        y,
        1.15,
        1.5,
        f"detour\nstride 2 conv\n{deep} residual blocks\n{w}×4×4\nunfold, add\n{w}×8×8",
        GREEN,
        8.5,
    )
    box(
        axis,
        11.5,
        y,
        1.15,
        1.5,
        f"residual block\n{w}×8×8\nconv 3×3\n12×8×8\nunfold 2×2\n3×16×16",
        GREEN,
        8.5,
    )
    for a, b in ((1.35, 1.66), (2.74, 2.98), (7.72, 8.1), (9.3, 9.5), (10.7, 10.9), (12.1, 12.55)):
        arrow(axis, (a, y), (b, y))
    arrow(axis, (4.22, y + 0.2), (4.58, y + 0.6))
    arrow(axis, (4.22, y - 0.2), (4.58, y - 0.6))
    arrow(axis, (5.62, y + 0.7), (6.18, y + 0.3))
    arrow(axis, (5.62, y - 0.7), (6.18, y - 0.3))
    arrow(axis, (5.62, y - 1.75), (6.75, y - 0.52), dashed=True)
    for x, width, title in ((2.95, 2.8, "encoder $q(z|x)$"), (10.1, 4.25, "decoder $p(x|z)$")):
        axis.add_patch(
            plt.Rectangle((x - width / 2, y - 1.0), width, 2.45, fill=False, ec="#8a8a98", lw=1, ls=":")
        )
        axis.text(x, y + 1.12, title, ha="center", fontsize=10.5, color=INK)
    axis.text(5.1, y + 1.5, "a Gaussian for each of 256 numbers", ha="center", fontsize=9, color="#9c3b36")
    axis.text(6.95, y + 0.62, "a map: 8×8 places", ha="center", fontsize=9, color="#9c3b36")
    save(fig, "vae-encoder-decoder.png")


if __name__ == "__main__":
    for draw in (ddpm_chain, ddpm_unet, vae_encoder_decoder):
        draw()
