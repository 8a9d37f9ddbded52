"""The drawn figures of 03: `make figures` writes them to assets/. Plots are drawn by the notebook."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch, Polygon

from figures import BLUE, GREEN, GREY, INK, ORANGE, RED, arrow, box, canvas, line, plus, save, sprite, text
from notebooks import ROOT, definitions

DARK_RED, DARK_BLUE, SOFT = "#9c3b36", "#2f6db0", "#6a6a78"
VIOLET = "#d9cdee"


def region(axis, x_0: float, y_0: float, x_1: float, y_1: float, title: str, colour: str) -> None:
    """A tinted area with a title at its top."""
    style = "round,pad=0,rounding_size=0.15"
    axis.add_patch(
        FancyBboxPatch(
            (x_0, y_0), x_1 - x_0, y_1 - y_0, boxstyle=style, fc=colour, ec="none", alpha=0.35, zorder=0
        )
    )
    text(axis, (x_0 + x_1) / 2, y_1 - 0.24, title, 11, weight="bold")


def badge(axis, x: float, y: float, words: str) -> None:
    """A small dark label that names the section in which a part is built."""
    axis.text(x, y, words, fontsize=8, color="white", ha="center", va="center", zorder=8,
              bbox={"boxstyle": "round,pad=0.25", "fc": "#4a4a58", "ec": "none"})  # fmt: skip


def grid(
    axis, x: float, y: float, rows: int, columns: int, colour, cell: float = 0.13, above: float = 0.0
) -> None:
    """A matrix of cells with its centre at (x, y); colour is one for all, or a function of (row, column)."""
    left, top = x - columns * cell / 2, y + rows * cell / 2
    for i in range(rows):
        for j in range(columns):
            face = colour(i, j) if callable(colour) else colour
            corner = (left + j * cell, top - (i + 1) * cell)
            axis.add_patch(plt.Rectangle(corner, cell, cell, fc=face, ec="white", lw=0.7, zorder=4 + above))
    axis.add_patch(
        plt.Rectangle(
            (left, top - rows * cell),
            columns * cell,
            rows * cell,
            fill=False,
            ec=INK,
            lw=0.9,
            zorder=4.5 + above,
        )
    )


def latent(axis, maps: np.ndarray, x: float, y: float, size: float, shift: float = 0.09) -> None:
    """The channels (n, H, W) in [0, 1] of a map as overlapping tiles, centred at (x, y)."""
    n = len(maps)
    for i in range(n - 1, -1, -1):  # the last channel lies at the back
        offset, half = (i - (n - 1) / 2) * shift, size / 2
        extent = (x + offset - half, x + offset + half, y + offset - half, y + offset + half)
        axis.imshow(
            maps[i],
            extent=extent,
            cmap="gray",
            vmin=0,
            vmax=1,
            interpolation="nearest",
            zorder=4 + 0.1 * (n - i),
        )
        frame = plt.Rectangle(
            (extent[0], extent[2]), size, size, fill=False, ec=INK, lw=0.7, zorder=4.05 + 0.1 * (n - i)
        )
        axis.add_patch(frame)


def example() -> tuple:
    """A sprite (16, 16, 3), its caption, and four maps (4, 8, 8) that stand for its latent, all in [0, 1]."""
    with np.load(ROOT / "data" / "sprites.npz") as data:
        wanted = np.flatnonzero(
            (data["captions"] == "side long red hair blue robe sword")
            | (data["captions"] == "magic blue potion")
        )
        i = wanted[0]
        image, caption = data["images"][i] / 255, str(data["captions"][i])
    small = image.reshape(8, 2, 8, 2, 3).mean((1, 3))  # (8, 8, 3)
    maps = np.concatenate([small.transpose(2, 0, 1), 1 - small.mean(2)[None]])  # (4, 8, 8)
    return image, caption, maps


def ldm_figure3() -> None:
    """Figure 3 of the LDM paper in our shapes: pixel space, latent space, conditioning, and the switch."""
    image, caption, maps = example()
    noise = np.clip(np.random.RandomState(1).normal(0.5, 0.25, (4, 8, 8)), 0, 1)
    fig, axis = canvas(12, 5.9, 0.78)
    region(axis, 0.1, 0.1, 2.85, 5.8, "Pixel space", RED)
    region(axis, 2.98, 0.1, 9.02, 5.8, "Latent space", GREEN)
    region(axis, 9.15, 0.1, 11.9, 5.8, "Conditioning", GREY)
    top, low = 4.35, 1.35
    sprite(axis, image, 0.8, top, 0.95)
    sprite(axis, image, 0.8, low, 0.95)
    text(axis, 0.8, top - 0.75, "$x$\n3×16×16")
    text(axis, 0.8, low - 0.75, "$\\tilde x$\n3×16×16")
    for y, letter, sign in ((top, "$\\mathcal{E}$", 1), (low, "$\\mathcal{D}$", 1)):
        corners = [(1.75, y - 0.6), (1.75, y + 0.6), (2.5, y + 0.3 * sign), (2.5, y - 0.3 * sign)]
        axis.add_patch(Polygon(corners, fc=BLUE, ec=INK, lw=1, zorder=3, joinstyle="round"))
        text(axis, 2.1, y, letter, 17)
    badge(axis, 2.1, (top + low) / 2, "section 3")
    arrow(axis, (1.3, top), (1.75, top))
    arrow(axis, (1.75, low), (1.3, low))
    latent(axis, maps, 3.75, top, 0.75)
    latent(axis, noise, 8.2, top, 0.75)
    latent(axis, maps, 3.75, low, 0.75)
    text(axis, 3.75, top - 0.8, "$z$\n4×8×8")
    text(axis, 8.2, top - 0.8, "$z_T$\n4×8×8")
    text(axis, 3.75, low - 0.75, "$z_0$")
    arrow(axis, (2.5, top), (3.2, top))
    arrow(axis, (3.2, low), (2.5, low))
    arrow(axis, (4.35, top), (7.6, top), DARK_RED, width=1.6)
    text(axis, 5.97, top + 0.42, "diffusion: add noise, $t=1,\\dots,T$", 9.5, DARK_RED)
    badge(axis, 5.97, top - 0.24, "section 3.6")
    # the U-Net, read from right to left
    axis.add_patch(
        FancyBboxPatch(
            (4.75, 0.42),
            2.6,
            1.95,
            boxstyle="round,pad=0,rounding_size=0.1",
            fc="white",
            ec=INK,
            lw=1,
            zorder=1,
        )
    )
    heights = ((7.02, 1.0, "8×8"), (6.37, 0.62, "4×4"), (5.72, 0.62, "4×4"), (5.07, 1.0, "8×8"))
    for x, h, name in heights:
        axis.add_patch(
            FancyBboxPatch(
                (x - 0.17, low - h / 2),
                0.34,
                h,
                boxstyle="round,pad=0,rounding_size=0.05",
                fc=BLUE,
                ec=INK,
                lw=1,
                zorder=3,
            )
        )
        axis.add_patch(
            FancyBboxPatch(
                (x - 0.25, low - 0.19),
                0.5,
                0.38,
                boxstyle="round,pad=0,rounding_size=0.05",
                fc=ORANGE,
                ec=INK,
                lw=1,
                zorder=4,
            )
        )
        text(axis, x, low, "QKV", 7.5)
        text(axis, x, low - h / 2 - 0.13, name, 7.5, SOFT)
    for (x, _, _), (x_next, _, _) in zip(heights[:-1], heights[1:]):
        arrow(axis, (x - 0.25, low), (x_next + 0.25, low), width=1)
    arrow(axis, (7.02, 1.86), (5.07, 1.86), SOFT, dashed=True, bend=0.12, width=1)
    text(axis, 6.05, 0.58, "U-Net $z_\\theta$", 9.5)
    arrow(axis, (4.75, low), (4.32, low), width=1.6)
    axis.add_patch(plt.Circle((8.2, low), 0.2, fc="white", ec=INK, lw=1.2, zorder=5))
    text(axis, 8.2, low, "||", 9, weight="bold")
    text(axis, 8.2, low - 0.47, "put\nbeside", 8, SOFT)
    arrow(axis, (8.2, 3.2), (8.2, low + 0.2))
    arrow(axis, (8.0, low), (7.35, low), width=1.6)
    axis.plot([4.45, 4.45, 8.65, 8.65], [low - 0.02, 0.24, 0.24, low], color=DARK_BLUE, lw=1.3, zorder=2)
    arrow(axis, (8.65, low), (8.4, low), DARK_BLUE)
    text(
        axis,
        6.0,
        0.27,
        " $z_{t-1}$: again, $T$ times or fewer ",
        8,
        DARK_BLUE,
        bbox={"fc": "#eef6ec", "ec": "none", "pad": 1},
    )
    badge(axis, 4.3, 2.25, "section 6")
    badge(axis, 7.75, 0.25, "section 7")
    # conditioning
    box(axis, 10.52, 4.75, 2.3, 0.62, "caption $y$\n" + f"\u201c{caption}\u201d", "white", 9)
    box(axis, 10.52, 3.85, 2.3, 0.4, "tokens, padded to $M=8$", "white", 9)
    axis.add_patch(
        Polygon([(9.85, 2.62), (11.2, 2.62), (10.95, 3.32), (10.1, 3.32)], fc=VIOLET, ec=INK, lw=1, zorder=3)
    )
    text(axis, 10.52, 2.96, "$\\tau_\\theta$", 17)
    badge(axis, 11.45, 2.3, "section 4")
    arrow(axis, (10.52, 4.44), (10.52, 4.05))
    arrow(axis, (10.52, 3.65), (10.52, 3.32))
    text(axis, 10.52, 2.3, "$M\\times d_\\tau$", 9)
    # the switch
    axis.plot([10.52, 10.52], [2.62, 2.45], color=INK, lw=1.3)
    axis.plot([10.52, 10.52], [2.14, 1.75], color=INK, lw=1.3)
    axis.plot([10.52, 9.95], [1.75, 2.02], color=INK, lw=2.2, zorder=5)
    for centre in ((10.52, 1.75), (9.9, 2.05), (9.9, 1.35)):
        axis.add_patch(plt.Circle(centre, 0.07, fc="white", ec=INK, lw=1.2, zorder=6))
    text(axis, 10.72, 1.55, "switch", 9.5, ha="left")
    orange = "#b0741c"
    axis.plot([9.83, 9.35, 9.35, 5.07], [2.05, 2.05, 2.95, 2.95], color=orange, lw=1.4, zorder=2)
    for x, _, _ in heights:
        arrow(axis, (x, 2.95), (x, low + 0.19), orange, width=1.1)
    text(axis, 7.72, 2.78, "K, V", 9, orange)
    text(axis, 9.6, 2.24, "QKV", 9, orange, weight="bold")
    violet = "#6d4aa3"
    axis.plot([9.83, 8.83, 8.83], [1.35, 1.35, 1.72], color=violet, lw=1.4, zorder=2)
    axis.plot([8.83, 8.45], [1.72, 1.72], color=violet, lw=1.4, zorder=2)
    arrow(axis, (8.45, 1.72), (8.31, 1.52), violet, width=1.3)
    text(axis, 9.62, 1.13, "CONCAT", 9, violet, weight="bold")
    badge(axis, 7.72, 3.2, "section 5")
    save(fig, "ldm-figure3.png", dpi=112)


def featuremap_tau() -> None:
    """Words to tokens to a sequence, and the two ways in which feature maps get it."""
    caption = ["long", "red", "hair", "blue", "robe"]
    words = [*caption, "", "", ""]
    nb = definitions("03.ldm_nano.ipynb")
    with np.load(ROOT / "data" / "sprites.npz") as data:
        tokens = nb.tokenize([" ".join(caption)], nb.build_vocabulary(data["captions"].tolist()), 8)[
            0
        ].tolist()
    colours = ["#9fc5a0", "#e58f88", "#d9b25f", "#8fb3e0", "#b79ad6", "#e3e3e8", "#e3e3e8", "#e3e3e8"]
    shades = np.random.RandomState(2).uniform(0.25, 1, (2, 8, 10))  # before and after the transformer

    def tint(i: int, j: int, after: int) -> tuple:
        base = np.array(matplotlib.colors.to_rgb(colours[i]))
        return tuple(1 - shades[after, i, j] * (1 - base))

    fig, axis = canvas(12, 7.0, 0.78)
    mid, step = 5.15, 0.34
    rows = [mid + (3.5 - i) * step for i in range(8)]
    for i, y in enumerate(rows):
        axis.add_patch(
            FancyBboxPatch(
                (0.35, y - 0.14),
                0.95,
                0.28,
                boxstyle="round,pad=0,rounding_size=0.05",
                fc=colours[i],
                ec=INK,
                lw=0.8,
            )
        )
        text(axis, 0.82, y, words[i] or "padding", 9, INK if words[i] else SOFT)
        arrow(axis, (1.3, y), (1.75, y), width=0.9)
        text(axis, 2.0, y, str(tokens[i]), 9, INK if words[i] else SOFT)
        arrow(axis, (2.25, y), (2.7, y), width=0.9)
    cell = 0.15
    for after, (x, title) in enumerate(((3.55, "table look-up"), (9.95, "sequence $\\tau_\\theta(y)$"))):
        for i, y in enumerate(rows):
            for j in range(10):
                corner = (x - 0.75 + j * cell, y - 0.14)
                axis.add_patch(
                    plt.Rectangle(corner, cell, 0.28, fc=tint(i, j, after), ec="white", lw=0.6, zorder=4)
                )
            axis.add_patch(
                plt.Rectangle((x - 0.75, y - 0.14), 10 * cell, 0.28, fill=False, ec=INK, lw=0.8, zorder=5)
            )
        text(axis, x, 6.72, title, 10)
        text(axis, x, rows[-1] - 0.34, "$M\\times d_\\tau$", 9.5)
    text(axis, 0.82, 6.72, "words", 10)
    text(axis, 2.0, 6.72, "tokens", 10)
    plus(axis, 4.85, mid)
    arrow(axis, (4.35, mid), (4.66, mid))
    position = np.sin(np.arange(8)[:, None] * 10000.0 ** (-np.arange(5) / 5))
    position = np.concatenate([position, np.cos(np.arange(8)[:, None] * 10000.0 ** (-np.arange(5) / 5))], 1)
    axis.imshow(
        position, extent=(4.45, 5.25, 5.9, 6.5), cmap="RdBu", vmin=-1, vmax=1, aspect="auto", zorder=4
    )
    axis.add_patch(plt.Rectangle((4.45, 5.9), 0.8, 0.6, fill=False, ec=INK, lw=0.8, zorder=5))
    text(axis, 4.85, 6.72, "positions", 10)
    arrow(axis, (4.85, 5.9), (4.85, mid + 0.19))
    box(axis, 6.25, mid, 1.55, 1.5, "self-attention:\nwords look at\nwords (masked)", VIOLET, 9)
    box(axis, 8.05, mid, 1.2, 1.5, "two layers,\nword by word", VIOLET, 9)
    arrow(axis, (5.04, mid), (5.47, mid))
    arrow(axis, (7.03, mid), (7.45, mid))
    arrow(axis, (8.65, mid), (9.15, mid))
    text(axis, 7.05, 6.25, "one transformer block,\neach part with a residual", 9, SOFT)
    for i, y in enumerate(rows):
        text(axis, 11.3, y, "use" if words[i] else "mask", 8.5, INK if words[i] else DARK_RED)
    text(axis, 11.3, 6.72, "mask", 10)

    # in both settings, and below, the two ways in
    pooled = "in both settings: the mean of the words, through\na linear layer, joins the embedding of $t$"
    text(axis, 6.75, 3.72, pooled, 9, SOFT)
    region(axis, 0.15, 0.1, 5.9, 3.3, "CONCAT: the same for all positions", VIOLET)
    region(axis, 6.1, 0.1, 11.85, 3.3, "QKV: each position looks at the words", ORANGE)
    y = 1.55
    text(axis, 0.95, y + 0.5, "mean over\nthe words", 9)
    grid(axis, 0.95, y, 1, 8, lambda i, j: (0.62 + 0.04 * (j % 5), 0.7, 0.82), 0.14)
    text(axis, 0.95, y - 0.32, "$d_\\tau$", 9.5)
    arrow(axis, (1.6, y), (2.15, y))
    text(axis, 1.87, y + 0.2, "linear", 8.5)
    levels = np.random.RandomState(4).uniform(0.25, 0.95, 16)
    grid(axis, 2.35, y, 16, 1, lambda i, j: (levels[i],) * 3, 0.13)
    text(axis, 2.35, y - 1.2, "16", 9)
    arrow(axis, (2.55, y), (3.05, y))
    text(axis, 2.8, y + 0.2, "spread", 8.5)
    latent(axis, np.stack([np.full((8, 8), levels[i]) for i in range(6)]), 3.65, y, 0.6, 0.07)
    text(axis, 3.65, y - 0.72, "16×8×8", 9)
    text(axis, 4.4, y, "||", 13, weight="bold")
    _, _, maps = example()
    noisy = np.clip(0.6 * maps + 0.4 * np.random.RandomState(1).normal(0.5, 0.3, maps.shape), 0, 1)
    latent(axis, noisy, 5.15, y, 0.6, 0.08)
    text(axis, 5.15, y - 0.72, "$z_t$: 4×8×8", 9)
    text(axis, 4.4, y - 1.14, "20 channels into the first convolution", 8.5, SOFT)

    left, size = 6.55, 1.5
    places = np.random.RandomState(3).uniform(0.72, 0.95, (4, 4))
    axis.imshow(
        places, extent=(left, left + size, y - size / 2, y + size / 2), cmap="gray", vmin=0, vmax=1, zorder=3
    )
    axis.add_patch(plt.Rectangle((left, y - size / 2), size, size, fill=False, ec=INK, lw=0.9, zorder=5))
    text(axis, left + size / 2, y - size / 2 - 0.24, "map $\\varphi(z_t)$, $N$ positions", 9)
    tops = [y + 0.96 - i * 0.41 for i in range(5)]
    for i, word in enumerate(caption):
        axis.add_patch(
            FancyBboxPatch(
                (9.95, tops[i] - 0.15),
                0.95,
                0.3,
                boxstyle="round,pad=0,rounding_size=0.05",
                fc=colours[i],
                ec=INK,
                lw=0.8,
                zorder=5,
            )
        )
        text(axis, 10.42, tops[i], word, 9)
    text(axis, 11.35, y + 0.14, "keys and\nvalues", 9)
    text(axis, 9.4, y - 1.19, "thickness: the weight", 8.5, SOFT)
    looks = {(0, 1): (0.1, 0.45, 0.4, 0.02, 0.03), (2, 2): (0.02, 0.03, 0.05, 0.4, 0.5)}
    for (row, column), shares in looks.items():
        x_from, y_from = left + (column + 0.5) * size / 4, y + size / 2 - (row + 0.5) * size / 4
        corner = (x_from - size / 8, y_from - size / 8)
        axis.add_patch(plt.Rectangle(corner, size / 4, size / 4, fc=ORANGE, ec=INK, lw=1, zorder=5))
        text(axis, x_from, y_from, "Q", 8.5)
        for i, share in enumerate(shares):
            axis.plot(
                [x_from + size / 8, 9.95],
                [y_from, tops[i]],
                color="#b0741c",
                lw=0.3 + 5 * share,
                alpha=0.75,
                zorder=4,
            )
    save(fig, "featuremap-tau.png", dpi=112)


def cross_attention() -> None:
    """Every stage of cross-attention, in small: N = 4, c = 8, M = 3, d_tau = 6 and two heads."""
    fig, axis = canvas(12.4, 6.2, 0.78)
    heads = ("#bcd4ee", "#f7d9a8")  # the two heads
    ink_of = lambda light: "#d4d4dc" if light else "#a9a9b8"  # noqa: E731
    by_head = lambda i, j: heads[j // 4]  # noqa: E731
    words = ("#e58f88", "#8fb3e0", "#eeeeee")
    a, b, c = 4.6, 2.5, 0.85
    tile = np.random.RandomState(5).uniform(0.3, 0.95, (8, 2, 2))
    latent(axis, tile, 0.95, a, 0.62, 0.07)
    text(axis, 0.95, a - 0.85, "map $\\varphi(z_t)$\n$c\\times H\\times W$")
    flat = tile.reshape(8, 4)
    grid(axis, 2.75, a, 4, 8, lambda i, j: (flat[j, i],) * 3)
    text(axis, 2.75, a - 0.58, "positions $N\\times c$")
    arrow(axis, (1.6, a), (2.2, a))
    text(axis, 1.87, a + 0.17, "flatten", 8.5, SOFT)
    grid(axis, 2.75, (b + c) / 2, 3, 6, lambda i, j: words[i])
    text(axis, 2.75, (b + c) / 2 - 0.5, "words $\\tau_\\theta(y)$\n$M\\times d_\\tau$")
    text(axis, 1.98, (b + c) / 2 - 0.13, "padding", 8.5, SOFT)
    for y, rows, name in ((a, 8, "$W_Q$"), (b, 6, "$W_K$"), (c, 6, "$W_V$")):
        grid(axis, 4.65, y, rows, 8, lambda i, j: ink_of((i + j) % 2))
        text(axis, 4.65, y + rows * 0.065 + 0.19, name, 11)
    arrow(axis, (3.32, a), (4.07, a))
    arrow(axis, (3.2, (b + c) / 2 + 0.1), (4.07, b))
    arrow(axis, (3.2, (b + c) / 2 - 0.1), (4.07, c))
    for y, rows, name, shape in ((a, 4, "Q", "N"), (b, 3, "K", "M"), (c, 3, "V", "M")):
        grid(axis, 6.55, y, rows, 8, by_head)
        text(axis, 6.55, y + rows * 0.065 + 0.2, name, 12, weight="bold")
        text(axis, 6.55, y - rows * 0.065 - 0.2, f"${shape}\\times c$, cut into $h$ heads", 8.5)
        arrow(axis, (5.22, y), (5.97, y))
    for i, head in enumerate(heads):
        offset = 0.16 * i
        grid(axis, 8.45 + offset, a - offset, 4, 3, head, above=i)
    shares = np.array([[0.9, 0.1, 0], [0.75, 0.25, 0], [0.2, 0.8, 0], [0.05, 0.95, 0]])
    for k in range(2):
        colour = np.array(matplotlib.colors.to_rgb(("#2f6db0", "#c07a12")[k]))
        grid(
            axis,
            8.45 + 0.16 * k,
            b - 0.16 * k,
            4,
            3,
            lambda i, j, colour=colour: tuple(1 - shares[i, j] * (1 - colour)),
            above=k,
        )
    text(axis, 8.53, a + 0.5, "$QK^\\top/\\sqrt{d}$", 11)
    text(axis, 9.42, a - 0.08, "$N\\times M$\nper head", 8.5)
    text(axis, 9.42, b - 0.08, "weights:\nrows add\nup to 1", 8.5)
    arrow(axis, (7.12, a), (8.2, a))
    arrow(axis, (7.12, b), (8.2, a - 0.2))
    arrow(axis, (8.53, a - 0.52), (8.53, b + 0.3))
    text(axis, 8.66, (a + b) / 2 - 0.1, "mask the padding,\nthen softmax", 8.5, DARK_RED, ha="left")
    grid(axis, 10.6, c, 4, 8, by_head)
    text(axis, 10.6, c - 0.5, "answer $N\\times c$:\nheads side by side", 8.5)
    arrow(axis, (7.12, c), (10.02, c))
    arrow(axis, (8.6, b - 0.5), (10.02, c + 0.13), bend=0.12)
    text(axis, 8.0, c + 0.19, "average of the values", 8.5, SOFT)
    grid(axis, 10.6, b, 8, 8, lambda i, j: ink_of((i + j) % 2))
    text(axis, 11.33, b, "$W_O$", 11)
    arrow(axis, (10.6, c + 0.28), (10.6, b - 0.54))
    latent(axis, tile[::-1], 10.6, a, 0.62, 0.07)
    arrow(axis, (10.6, b + 0.54), (10.6, a - 0.6))
    text(axis, 10.72, (a + b) / 2 - 0.03, "fold back", 8.5, SOFT, ha="left")
    plus(axis, 11.85, a)
    arrow(axis, (11.22, a), (11.66, a))
    axis.plot([0.95, 0.95, 11.85], [a + 0.62, 5.75, 5.75], color=SOFT, lw=1.3, ls="--")
    arrow(axis, (11.85, 5.75), (11.85, a + 0.19), SOFT, dashed=True)
    text(axis, 6.4, 5.93, "residual", 9, SOFT)
    arrow(axis, (11.85, a - 0.19), (11.85, a - 0.75))
    text(axis, 11.8, a - 0.92, "$c\\times H\\times W$", 8.5)
    save(fig, "cross-attention.png", dpi=112)


def ldm_unet() -> None:
    """The U-Net of 03 with the switch, the time, the words, the blend and the shape of every map."""
    fig, axis = canvas(8.65, 6.75)
    nb = definitions("03.ldm_nano.ipynb")
    w, orange, violet, teal = nb.WIDTH, "#b0741c", "#6d4aa3", "#22746f"
    top, low = 3.75, 1.55
    box(axis, 0.58, top, 0.66, 0.9, "$z_t$\n4×8×8", GREY)
    box(axis, 1.72, top, 0.84, 0.9, f"conv 3×3\n4 or {4 + nb.SPREAD}\nto {w}×8×8", BLUE, 8.5)
    box(axis, 2.76, top, 0.84, 0.9, f"residual\nblock\n{w}×8×8", BLUE)
    box(axis, 3.8, top, 0.88, 0.9, "cross-\nattention\n64 positions", ORANGE, 8.5)
    plus(axis, 4.9, top)
    box(axis, 5.72, top, 0.84, 0.9, f"residual\nblock\n{w}×8×8", BLUE)
    box(axis, 6.76, top, 0.88, 0.9, "cross-\nattention\n64 positions", ORANGE, 8.5)
    box(axis, 7.82, top, 0.88, 0.9, "conv 3×3\n$f$: 4×8×8", BLUE)
    box(axis, 0.98, low, 1.1, 0.9, f"stride 2 conv\n2 residual\nblocks {2 * w}×4×4", GREEN, 8.5)
    box(axis, 2.36, low, 0.88, 0.9, "cross-\nattention\n16 positions", ORANGE, 8.5)
    box(axis, 3.68, low, 1.0, 0.9, f"self-\nattention\n{2 * w}×4×4", GREEN)
    box(axis, 5.05, low, 1.0, 0.9, f"2 residual\nblocks\n{2 * w}×4×4", GREEN)
    box(axis, 6.36, low, 0.88, 0.9, "cross-\nattention\n16 positions", ORANGE, 8.5)
    box(axis, 7.68, low, 1.0, 0.9, f"conv 1×1\nunfold 2×2\n{w}×8×8", GREEN)
    for a, b in ((0.91, 1.3), (2.14, 2.34), (3.18, 3.36), (5.07, 5.3), (6.14, 6.32), (7.2, 7.38)):
        arrow(axis, (a, top), (b, top))
    for a, b in ((1.53, 1.92), (2.8, 3.18), (4.18, 4.55), (5.55, 5.92), (6.8, 7.18)):
        arrow(axis, (a, low), (b, low))
    arrow(axis, (4.24, top), (4.73, top), SOFT, dashed=True)
    text(axis, 4.66, top + 0.3, "skip", 8.5, SOFT)
    line(axis, [(3.8, top - 0.45), (3.8, 2.6), (0.98, 2.6), (0.98, low + 0.45)])
    line(axis, [(7.68, low + 0.45), (7.68, 2.6), (4.9, 2.6), (4.9, top - 0.17)])
    # the blend
    box(axis, 7.82, 5.05, 1.0, 0.62, "blend by\nprecision", BLUE)
    box(axis, 7.82, 6.2, 1.2, 0.62, "guess of $z_0$\n4×8×8", GREY)
    box(axis, 6.5, 5.2, 0.5, 0.36, "$z_t$", GREY)
    arrow(axis, (7.82, top + 0.45), (7.82, 4.74))
    arrow(axis, (7.82, 5.36), (7.82, 5.89))
    arrow(axis, (6.75, 5.2), (7.32, 5.2))
    # the words and the switch
    box(
        axis,
        3.1,
        6.4,
        3.4,
        0.46,
        "words: tokens, $\\tau_\\theta$, sequence $M\\times d_\\tau$ and mask",
        VIOLET,
    )
    line(axis, [(3.1, 6.17), (3.1, 5.75)], head=False)
    axis.plot([3.1, 3.5], [5.75, 5.3], color=INK, lw=2.2, zorder=5)
    for centre in ((3.1, 5.75), (2.7, 5.25), (3.5, 5.25)):
        axis.add_patch(plt.Circle(centre, 0.07, fc="white", ec=INK, lw=1.2, zorder=6))
    text(axis, 3.25, 5.8, "switch", ha="left")
    line(axis, [(2.63, 5.25), (1.1, 5.25), (1.1, top)], violet, head=False)
    text(axis, 2.3, 5.4, "CONCAT", colour=violet, weight="bold")
    text(
        axis, 1.18, 4.85, f"mean, linear layer, spread:\n{nb.SPREAD}×8×8 beside $z_t$", 8.5, violet, ha="left"
    )
    line(axis, [(3.5, 5.18), (3.5, 4.55), (6.76, 4.55), (6.76, top + 0.45)], orange)
    line(axis, [(3.8, 4.55), (3.8, top + 0.45)], orange)
    text(axis, 3.62, 5.2, "QKV", colour=orange, weight="bold", ha="left")
    text(axis, 5.35, 4.7, "keys and values of the words", 8.5, orange)
    line(axis, [(4.42, 4.55), (4.42, 2.3)], orange, head=False, over=True)
    line(axis, [(4.42, 2.3), (2.36, 2.3), (2.36, low + 0.45)], orange)
    line(axis, [(4.42, 2.3), (6.36, 2.3), (6.36, low + 0.45)], orange)
    # the time, and the mean of the words that is added to it
    box(axis, 2.15, 0.42, 2.7, 0.44, "step $t$: sines and cosines, two layers", RED)
    plus(axis, 4.1, 0.42)
    arrow(axis, (3.5, 0.42), (3.93, 0.42))
    box(axis, 5.85, 0.42, 2.3, 0.44, f"emb, {4 * w} numbers: scale and\nshift in every residual block", RED)
    arrow(axis, (4.27, 0.42), (4.7, 0.42))
    line(axis, [(1.4, 6.4), (0.1, 6.4), (0.1, 0.08), (4.1, 0.08), (4.1, 0.25)], teal)
    text(axis, 0.2, 6.05, "mean of the words,\nlinear layer\n(both settings)", 8.5, teal, ha="left")
    line(axis, [(5.05, 0.64), (5.05, low - 0.45)], DARK_RED)
    line(axis, [(5.05, 0.85), (0.98, 0.85), (0.98, low - 0.45)], DARK_RED)
    line(axis, [(0.98, 0.85), (0.28, 0.85), (0.28, 2.9), (2.76, 2.9), (2.76, top - 0.45)], DARK_RED)
    line(axis, [(7.0, 0.42), (8.5, 0.42), (8.5, 2.9), (5.72, 2.9), (5.72, top - 0.45)], DARK_RED)
    line(axis, [(8.5, 2.9), (8.5, 5.05), (8.32, 5.05)], DARK_RED)
    save(fig, "ldm-unet.png", dpi=130)


if __name__ == "__main__":
    for draw in (ldm_figure3, featuremap_tau, cross_attention, ldm_unet):
        draw()
