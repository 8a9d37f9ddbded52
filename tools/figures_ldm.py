"""The drawn figures of 03, and the two algorithms of 01: `python tools/figures.py` draws them all."""

from typing import List, NamedTuple, Sequence, Tuple

import numpy as np
import torch

from figures import (
    ATTEND,
    ATTEND_DARK,
    DATA,
    INK,
    LATENT,
    LATENT_DARK,
    LAYER,
    LAYER_DARK,
    PALE,
    PIXEL,
    PIXEL_DARK,
    SOFT,
    TIME,
    TIME_DARK,
    WORDS,
    WORDS_DARK,
    Grid,
    Sheet,
    data,
    example_maps,
    noisy,
    notebook,
    number,
    section,
    signed,
)

NAME = "03.ldm_nano.ipynb"
STAGES = ("flatten", "Q", "K and V", "heads", "weights", "answer", "add")
HEADS = (LAYER_DARK, ATTEND_DARK)  # the colours of the two heads of the toy
TINTS = ("#cfe3cf", "#f3c9c3", "#eeddb0", "#c7d9f0", "#dccdf0", "#cfe9e5", "#f3d3e6", "#e3e0c4")  # of words


def example() -> Tuple[np.ndarray, str]:
    """A sprite (16, 16, 3) and its caption: the prompt of the notebook if a sprite has it."""
    captions = data()["captions"]
    same = np.flatnonzero(captions == notebook(NAME).PROMPT)
    i = same[0] if len(same) else 0
    return data()["images"][i], str(captions[i])


def two_lines(caption: str) -> str:
    """A caption in quotes, in two lines of about the same length if it is long."""
    words = caption.split()
    middle = min(range(1, len(words) + 1), key=lambda i: abs(len(" ".join(words[:i])) - len(caption) / 2))
    first, second = " ".join(words[:middle]), " ".join(words[middle:])
    return f"“{caption}”" if len(caption) < 17 or not second else f"“{first}\n{second}”"


def badge(sheet: Sheet, x: float, y: float, code: str) -> None:
    """A dark label with the number of the section that has this code."""
    sheet.rect(x - 33, y - 9, 66, 18, "#4a4a58", radius=5, zorder=7)
    sheet.text(x, y, f"section {section(NAME, code)}", 10.5, "white")


def grey_noise(maps: np.ndarray, alpha_bar: float, seed: int) -> np.ndarray:
    """Maps in [0, 1] noised, again in [0, 1]."""
    return np.clip(noisy(maps * 2 - 1, alpha_bar, seed) * 0.4 + 0.5, 0, 1)


def contact(sheet: Sheet, x: float, y: float) -> None:
    """A contact of a switch."""
    sheet.rect(x - 4.5, y - 4.5, 9, 9, "white", INK, radius=4.5, zorder=6)


def ldm_figure3() -> Sheet:
    """Figure 3 of the LDM paper in our shapes, with the way from z_0 to z_{t-1} and the loop over t."""
    sheet = Sheet(
        "ldm-figure3", 610, "Latent diffusion: pixel space, latent space, conditioning, and the loop over t"
    )
    nb, (image, caption) = notebook(NAME), example()
    maps = example_maps(image)
    sheet.band(8, 8, 118, 594, "Pixel space", PIXEL, PIXEL_DARK)
    sheet.band(134, 8, 412, 594, "Latent space", LATENT, LATENT_DARK)
    sheet.band(554, 8, 138, 594, "Conditioning", WORDS, WORDS_DARK)
    top, mid, step, low = 92, 290, 446, 548
    for y, name, letter in ((top, "$x$", "$\\mathcal{E}$"), (low, "$\\tilde x$", "$\\mathcal{D}$")):
        sheet.image(image, 16, y - 30, 60, 60)
        sheet.text(46, y - 42 if y == low else y + 43, f"{name}: {sheet.shape('x', 3, 16, 16)}", 11.5)
        sheet.path(
            [(88, y - 34), (116, y - 18), (116, y + 18), (88, y + 34), (88, y - 34)], fc="white", ec=INK
        )
        sheet.text(102, y, letter, 17)
    sheet.line([(76, top), (88, top)])
    sheet.line([(88, low), (76, low)])
    badge(sheet, 66, (top + low) / 2, "class VAE")
    # the forward process
    for x, alpha_bar, name in ((186, 1.0, "z_0"), (338, 0.35, "z_t"), (492, 0.0, "z_T")):
        sheet.stack(grey_noise(maps, alpha_bar, 1) if alpha_bar < 1 else maps, x, top, 44, 6)
        sheet.text(x, top + 45, f"${name}$: {sheet.shape('z', 4, 8, 8)}", 11.5)
    sheet.line([(116, top), (154, top)])
    sheet.line([(222, top), (306, top)], PIXEL_DARK, width=1.6)
    sheet.line([(374, top), (460, top)], PIXEL_DARK, width=1.6)
    sheet.text(330, 46, "*forward process $q(z_t\\,|\\,z_0)$: add noise", 12, PIXEL_DARK)
    badge(sheet, 505, 22, "def q_sample")
    # the U-Net
    sheet.line([(492, top + 56), (492, mid - 36)])
    sheet.text(484, 210, "start:\n$t=T$", 11.5, SOFT, ha="right")
    sheet.stack(grey_noise(maps, 0.1, 2), 492, mid, 44, 6)
    sheet.text(522, mid - 44, "$z_t$", 13)
    sheet.plus(434, mid, "")
    sheet.text(434, mid - 0.5, "||", 11, weight="bold")
    sheet.text(434, mid + 26, "beside\n$z_t$", 11, SOFT)
    sheet.line([(460, mid), (444, mid)])
    sheet.rect(240, mid - 62, 166, 138, "white", INK, zorder=1.2, lw=1)
    sheet.line([(424, mid), (406, mid)])
    blocks = ((378, 84), (341, 54), (304, 54), (267, 84))
    for x, h in blocks:
        sheet.rect(x - 9, mid - h / 2, 18, h, LAYER, INK, zorder=2.6, lw=0.8, radius=3)
        sheet.box(x, mid, 31, 20, "QKV", ATTEND, size=10.5)
        sheet.line([(x, 192), (x, mid - 10)], ATTEND_DARK, level=2.9)
    for (a, _), (b, _) in zip(blocks[:-1], blocks[1:]):
        sheet.line([(a - 15.5, mid), (b + 15.5, mid)], level=2.4)
    sheet.text(286, mid + 60, "*U-Net $z_\\theta$", 11.5)
    badge(sheet, 363, mid + 60, "class LatentUNet")
    sheet.box(323, 391, 170, 24, "step $t$, mean of the words", TIME, size=11)
    sheet.line([(323, 379), (323, mid + 76)], TIME_DARK)
    # one step, and the loop
    sheet.stack(grey_noise(maps, 0.93, 4), 186, mid, 44, 6)
    sheet.text(186, mid - 46, "guess $\\hat z_0$", 12)
    sheet.line([(240, mid), (222, mid)])
    sheet.box(338, step, 222, 62, "", "white")
    rule = "$z_{t-1}=\\sqrt{\\bar\\alpha_{t-1}}\\;\\hat z_0+\\sqrt{1-\\bar\\alpha_{t-1}}\\;\\hat\\varepsilon$"
    sheet.text(338, step - 13, rule, 12.5)
    sheet.text(338, step + 14, "$\\hat\\varepsilon$: the noise in $z_t$ according to $\\hat z_0$", 11, SOFT)
    sheet.line([(186, mid + 34), (186, step), (227, step)])
    sheet.line([(492, mid + 34), (492, step), (449, step)])
    sheet.stack(grey_noise(maps, 0.3, 6), 338, low, 44, 6)
    sheet.text(374, low + 30, "$z_{t-1}$", 13, ha="left")
    sheet.line([(338, step + 31), (338, low - 32)])
    sheet.line([(374, low), (534, low), (534, mid), (526, mid)], LAYER_DARK, width=1.6)
    sheet.text(452, low - 14, "*not yet 0: again,", 11.5, LAYER_DARK)
    sheet.text(448, low + 14, "as the next $z_t$", 11.5, LAYER_DARK)
    sheet.line([(304, low), (116, low)], LATENT_DARK, width=1.6)
    sheet.text(214, low - 14, "*$t-1=0$: done,", 11.5, LATENT_DARK)
    sheet.text(214, low + 14, "this is the new $z_0$", 11.5, LATENT_DARK)
    badge(sheet, 412, 494, "def ddim_step")
    # conditioning
    sheet.box(630, 74, 116, 56, f"caption $y$\n{two_lines(caption)}", "white", size=10.5)
    sheet.line([(630, 102), (630, 122)])
    sheet.box(630, 137, 116, 30, f"{sheet.shape('tokens', nb.MAX_WORDS)} tokens", "white")
    sheet.line([(630, 152), (630, 172)])
    sheet.path([(604, 174), (656, 174), (676, 214), (584, 214), (604, 174)], fc="white", ec=INK)
    sheet.text(630, 195, "$\\tau_\\theta$", 17)
    badge(sheet, 630, 228, "class Tau")
    words = len(caption.split())
    shades = np.random.RandomState(2).randint(1, 5, (nb.MAX_WORDS, 10)) / 4
    cell = min(9, 74 / nb.MAX_WORDS)
    for i in range(nb.MAX_WORDS):
        tints(sheet, 585, 250 + cell * i, shades[i : i + 1], TINTS[i % 8] if i < words else PALE, (9, cell))
    end = 250 + cell * nb.MAX_WORDS
    sheet.line([(630, 238), (630, 248)])
    sheet.text(630, end + 14, f"$M\\times d_\\tau$ = {sheet.shape('tau out', nb.MAX_WORDS, nb.D_TAU)}", 11.5)
    sheet.line([(630, end + 24), (630, end + 46)], head=False)
    y = end + 50
    sheet.line([(630, y), (592, y + 20)], INK, head=False, width=2.4, level=5)
    for a, b in ((630, y), (588, y + 22), (588, y + 66)):
        contact(sheet, a, b)
    sheet.text(642, y + 34, "switch", 12, ha="left")
    sheet.line(
        [(584, y + 22), (566, y + 22), (566, 192), (267, 192)], ATTEND_DARK, head=False, width=1.6, level=2.8
    )
    sheet.line([(584, y + 66), (550, y + 66), (550, 238), (434, 238), (434, mid - 10)], WORDS_DARK, width=1.6)
    sheet.text(612, y + 28, "*QKV", 11.5, ATTEND_DARK)
    sheet.text(596, y + 82, "*CONCAT", 11.5, WORDS_DARK, ha="left")
    sheet.text(430, 180, "keys, values", 11, ATTEND_DARK)
    badge(sheet, 224, 192, "class CrossAttention")
    return sheet


def tints(sheet: Sheet, x: float, y: float, shades: np.ndarray, tint: str, cell: Tuple[float, float]) -> Grid:
    """A matrix of shades in [0, 1] of one tint: 0 is white, 1 is a darker tint."""
    base = np.array([int(tint[i : i + 2], 16) for i in (1, 3, 5)]) * 0.74

    def colour(shade: float) -> str:
        return "#" + "".join(f"{round(255 - shade * (255 - c)):02x}" for c in base)

    return sheet.matrix(x, y, shades, cell, colour)


class Toy(NamedTuple):
    """The toy of section 5 of 03, without the axis of the batch."""

    phi: np.ndarray  # (c, H, W)
    flat: np.ndarray  # (N, c)
    sequence: np.ndarray  # (M, d_tau)
    W: Sequence[np.ndarray]  # W_Q (c, c), W_K and W_V (d_tau, c), W_O (c, c)
    Q: np.ndarray  # (N, c)
    K: np.ndarray  # (M, c)
    V: np.ndarray  # (M, c)
    scores: np.ndarray  # (h, N, M)
    weights: np.ndarray  # (h, N, M)
    heads: np.ndarray  # (h, N, d)
    answer: np.ndarray  # (N, c)


def toy() -> Toy:
    """The numbers that section 5 of 03 prints, computed here once more."""
    nb = notebook(NAME)
    torch.manual_seed(nb.SEED)
    phi, sequence = torch.randn(1, 8, 2, 2)[0], torch.randn(1, 3, 6)[0]
    torch.manual_seed(nb.SEED)
    W = [torch.randn(rows, 8) / rows**0.5 for rows in (8, 6, 6)]
    torch.manual_seed(nb.SEED + 1)
    W.append(torch.randn(8, 8) / 8**0.5)
    flat = phi.flatten(1).T
    Q, K, V = flat @ W[0], sequence @ W[1], sequence @ W[2]
    cut = lambda s: s.unflatten(1, (2, -1)).transpose(0, 1)  # noqa: E731 (L, c) to (h, L, d)
    scores = cut(Q) @ cut(K).transpose(1, 2) / 2  # the square root of d = 4
    weights = scores.clone()
    weights[:, :, 2] = -torch.inf  # the last word is padding
    weights = weights.softmax(2)
    heads = weights @ cut(V)
    answer = heads.transpose(0, 1).flatten(1) @ W[3]
    numbers = [v.numpy() for v in (Q, K, V, scores, weights, heads, answer)]
    return Toy(phi.numpy(), flat.numpy(), sequence.numpy(), [w.numpy() for w in W], *numbers)


def stage(name: str, which: int, height: int, title: str) -> Sheet:
    """A sheet for one stage of attention, with a strip that says which."""
    sheet = Sheet(name, height, title)
    for i, words in enumerate(STAGES):
        here = i == which
        sheet.rect(12 + 97 * i, 10, 92, 22, INK if here else DATA, radius=6)
        sheet.text(58 + 97 * i, 21, f"{i + 1}  {words}", 11.5, "white" if here else SOFT)
    sheet.text(14, 54, "*" + title, 14, ha="left")
    return sheet


def names_of_rows(sheet: Sheet, grid: Grid, names: Sequence[str]) -> None:
    """Names at the left of the rows of a matrix."""
    for i, name in enumerate(names):
        sheet.text(grid.x - 6, grid.row(i), name, 11, SOFT, ha="right")


def under(sheet: Sheet, grid: Grid, name: str, *shape) -> None:
    """The name and the shape of a matrix below it; noted under the name of its tensor in the notebook."""
    words = sheet.shape(name, *grid_shape(grid)) if not shape else sheet.shape(name, *shape[1:])
    letters = shape[0] if shape else ""
    sheet.text(grid.cx, grid.bottom + 13, f"{letters}{words}", 11.5)


def grid_shape(grid: Grid) -> Tuple[int, int]:
    return grid.rows, grid.columns


POSITIONS = ("position 0", "position 1", "position 2", "position 3")
SHORT = ("pos 0", "pos 1", "pos 2", "pos 3")
TOKENS = ("word 0", "word 1", "padding")
MARK = "#b3261e"  # what is followed through a figure


def tiles(
    sheet: Sheet, phi: np.ndarray, xs: Sequence[float], y: float, cell: Tuple[float, float]
) -> List[Grid]:
    """The channels (c, H, W) of a map side by side, with numbers."""
    return [sheet.matrix(x, y, channel, cell, digits=1) for x, channel in zip(xs, phi)]


def flatten_featuremap() -> Sheet:
    """Stage 1: the positions of a map become the rows of a matrix."""
    sheet, t = stage("flatten-featuremap", 0, 340, "The map becomes a sequence: each position, a row"), toy()
    w, h = 30, 24
    xs = [118 + 70 * j for j in range(8)]
    grids = tiles(sheet, t.phi, xs, 96, (w, h))
    flat = sheet.matrix(113, 206, t.flat, (70, 25), digits=1)
    for j, grid in enumerate(grids):
        sheet.text(grid.cx, 84, f"channel {j}", 11, SOFT)
        sheet.outline(grid, slice(1, 2), slice(0, 1), MARK)
        sheet.line([(grid.column(0), grid.bottom + 1), (grid.column(0), flat.y + 50)], MARK, level=6, width=1)
    sheet.outline(flat, slice(2, 3), slice(0, 8), MARK)
    names_of_rows(sheet, flat, [f"row {i // 2}, column {i % 2}" for i in range(4)])
    sheet.text(14, 112, "map $\\varphi(z_t)$", 12.5, ha="left")
    sheet.text(
        14, 132, f"$c\\times H\\times W$\n{sheet.shape('phi_toy', 8, 2, 2)}", 11.5, ha="left", va="top"
    )
    sheet.text(14, 186, "sequence", 12.5, ha="left")
    shape = sheet.shape("flat_toy", 4, 8)
    sheet.text(flat.cx, flat.bottom + 17, f"$N\\times c$ = {shape}: one row per position, $N=H\\cdot W$", 12)
    return sheet


def product_table(sheet: Sheet, y: float, row: np.ndarray, column: np.ndarray, names: Sequence[str]) -> None:
    """A dot product written out: two rows of numbers, their products, and the sum."""
    w, x = 52, 150
    for i, values in enumerate((row, column, row * column)):
        grid = sheet.matrix(x, y + 34 * i, values[None], (w, 24), digits=2, size=11)
        sheet.text(x - 8, grid.cy, names[i], 11.5, ha="right")
    for j in range(len(row)):
        sheet.text(x + (j + 0.5) * w, y + 29, "×", 11, SOFT)
        sheet.text(x + (j + 0.5) * w, y + 63, "=", 11, SOFT)
    for j in range(1, len(row)):
        sheet.text(x + j * w, y + 80, "+", 11, SOFT)
    total = sheet.matrix(
        x + len(row) * w + 34, y + 68, np.array([[row @ column]]), (w, 24), digits=2, size=11
    )
    sheet.text(x + len(row) * w + 17, y + 80, "=", 13)
    sheet.outline(total, slice(0, 1), slice(0, 1), MARK)
    sheet.text(total.cx, total.y - 13, names[3], 11.5, MARK)


def query() -> Sheet:
    """Stage 2: queries from the positions, and one number of them written out."""
    sheet, t = stage("Q", 1, 424, "Each position asks: Q = flat map times $W_Q$"), toy()
    cell, y = 21, 82
    flat = sheet.matrix(76, y + 42, t.flat, cell)
    W = sheet.matrix(286, y, t.W[0], cell)
    Q = sheet.matrix(498, y + 42, t.Q, cell)
    names_of_rows(sheet, flat, POSITIONS)
    sheet.text(265, y + 84, "·", 22)
    sheet.text(476, y + 84, "=", 16)
    sheet.outline(flat, slice(2, 3), slice(0, 8), MARK)
    sheet.outline(W, slice(0, 8), slice(5, 6), MARK)
    sheet.outline(Q, slice(2, 3), slice(5, 6), MARK)
    sheet.text(flat.cx, y + 22, "*positions", 12)
    sheet.text(Q.cx, y + 22, "*queries $Q$", 12)
    sheet.text(W.right + 4, y + 8, "$W_Q$", 13, ha="left")
    sheet.text(W.right + 4, y + 160, "learnt", 11, SOFT, ha="left")
    for grid, name in ((flat, "flat_toy"), (W, "W_Q_toy"), (Q, "Q_toy")):
        under(
            sheet,
            grid,
            name,
            {"flat_toy": "$N\\times c$ = ", "W_Q_toy": "$c\\times c$ = "}.get(name, "$N\\times c$ = "),
            *grid_shape(grid),
        )
    names = ("position 2", "column 5 of $W_Q$", "products", "$Q_{2,5}$")
    product_table(sheet, 300, t.flat[2], t.W[0][:, 5], names)
    return sheet


def keys_values() -> Sheet:
    """Stage 3: keys and values from the words."""
    sheet, t = stage("KV", 2, 410, "Each word offers a key and a value"), toy()
    cell = 21
    words = sheet.matrix(76, 196, t.sequence, cell)
    names_of_rows(sheet, words, TOKENS)
    sheet.text(words.cx, 180, "*words $\\tau_\\theta(y)$", 12)
    under(sheet, words, "sequence_toy", "$M\\times d_\\tau$ = ", 3, 6)
    for k, (y, letter, product, colour) in enumerate(
        ((82, "K", t.K, WORDS_DARK), (246, "V", t.V, LATENT_DARK)),
    ):
        W = sheet.matrix(286, y, t.W[1 + k], cell)
        grid = sheet.matrix(506, y + 31, product, cell)
        sheet.text(W.right + 4, y + 8, f"$W_{letter}$", 13, ha="left")
        sheet.text(482, grid.cy, "=", 16)
        middle = words.cy + (-12 if k == 0 else 12)
        sheet.line([(words.right + 6, middle), (244, middle), (244, W.cy), (276, W.cy)], colour, width=1.6)
        sheet.text(grid.cx, grid.y - 16, ("*keys $K$", "*values $V$")[k], 12, colour)
        under(sheet, W, f"W_{letter}_toy", "$d_\\tau\\times c$ = ", 6, 8)
        under(sheet, grid, f"{letter}_toy", "$M\\times c$ = ", 3, 8)
        sheet.text(grid.cx, grid.bottom + 32, ("“what am I about?”", "“what do I tell?”")[k], 11.5, SOFT)
    sheet.text(14, 310, "$Q$, $K$ and $V$ all have", 11.5, SOFT, ha="left")
    sheet.text(14, 326, "rows of $c$ numbers,", 11.5, SOFT, ha="left")
    sheet.text(14, 342, "whatever $d_\\tau$ is.", 11.5, SOFT, ha="left")
    return sheet


def attn_head() -> Sheet:
    """Stage 4: the columns of Q, K and V are cut into heads."""
    sheet, t = stage("attn-head", 3, 424, "Two heads: each gets half of the columns"), toy()
    cell = 20
    for k, colour in enumerate(HEADS):
        x = 312 + 194 * k
        sheet.rect(x, 88, 182, 326, (LAYER, ATTEND)[k], radius=10, zorder=0.2)
        sheet.text(x + 91, 104, f"*head {k}", 13, colour)
    for y, letter, values, names in (
        (124, "Q", t.Q, SHORT),
        (234, "K", t.K, TOKENS),
        (328, "V", t.V, TOKENS),
    ):
        grid = sheet.matrix(88, y, values, cell)
        names_of_rows(sheet, grid, names)
        sheet.text(12, grid.cy, f"*{letter}", 15, ha="left")
        rows, N = len(values), "NM"[letter != "Q"]
        shape = sheet.shape(f"{letter}_toy", rows, 8)
        sheet.text(grid.cx, grid.bottom + 12, f"${N}\\times c$ = {shape}", 11)
        for k, colour in enumerate(HEADS):
            sheet.outline(grid, slice(0, rows), slice(4 * k, 4 * k + 4), colour)
            part = sheet.matrix(366 + 194 * k, y, values[:, 4 * k : 4 * k + 4], cell)
            sheet.outline(part, slice(0, rows), slice(0, 4), colour)
            sheet.text(part.x - 10, part.cy, f"${letter}_{k}$", 13, ha="right")
            shape = sheet.shape(f"{letter}_heads", 2, rows, 4)[2:]
            sheet.text(part.cx, part.bottom + 12, f"${N}\\times d$ = {shape}", 11)
        sheet.line([(grid.right + 10, grid.cy), (304, grid.cy)], SOFT)
    sheet.text(270, 110, "cut\n$d=c\\,/\\,h$", 12, SOFT)
    return sheet


def attn_matrix() -> Sheet:
    """Stage 5: scores, mask and softmax, for both heads."""
    sheet, t = (
        stage("attn-matrix", 4, 424, "Who looks at whom: one row per position, one column per word"),
        toy(),
    )
    hidden = t.scores.copy()
    hidden[:, :, 2] = -np.inf
    for k, colour in enumerate(HEADS):
        y, dark = 112 + 156 * k, colour
        sheet.rect(8, y - 38, 684, 148, (LAYER, ATTEND)[k], radius=10, zorder=0.2)
        sheet.text(20, y - 22, f"*head {k}", 13, colour, ha="left")
        Q = sheet.matrix(56, y + 4, t.Q[:, 4 * k : 4 * k + 4], 19)
        K = sheet.matrix(158, y + 4, t.K[:, 4 * k : 4 * k + 4].T, 19)
        names_of_rows(sheet, Q, SHORT)
        sheet.text(145, Q.cy, "·", 20)
        sheet.text(Q.cx, Q.bottom + 12, f"$Q_{k}$", 12)
        sheet.text(K.cx, K.bottom + 12, f"$K_{k}^\\top$", 12)
        size = {"digits": 2, "size": 11}
        scores = sheet.matrix(254, y, t.scores[k], (42, 21), **size)
        masked = sheet.matrix(
            412, y, hidden[k], (42, 21), lambda v: PALE if v == -np.inf else signed(v), **size
        )
        weights = sheet.matrix(
            570, y, t.weights[k], (36, 21), lambda v, dark=dark: share_colour(v, dark), **size
        )
        for grid in (scores, masked, weights):
            for j, name in enumerate(("word 0", "word 1", "pad.")):
                sheet.text(grid.column(j), y - 9, name, 10, SOFT)
        sheet.line([(221, Q.cy), (248, Q.cy)])
        sheet.line([(scores.right + 5, Q.cy), (masked.x - 5, Q.cy)])
        sheet.line([(masked.right + 5, Q.cy), (weights.x - 5, Q.cy)])
        sheet.text(scores.cx, scores.bottom + 13, f"$Q_{k}K_{k}^\\top/\\sqrt{{d}}$", 12)
        sheet.text(masked.cx, masked.bottom + 12, "padding: −∞", 11.5)
        sheet.text(weights.cx, weights.bottom + 12, "softmax of each row", 11.5)
    shape = sheet.shape("weights_by_hand", 2, 4, 3)
    words = f"Weights: $h\\times N\\times M$ = {shape}. Each row adds up to 1, and padding gets exactly 0."
    sheet.text(350, 396, words, 12)
    return sheet


def share_colour(share: float, dark: str) -> str:
    """White for 0, the dark colour for 1."""
    base = [int(dark[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + share * (c - 255)):02x}" for c in base)


def attn_result() -> Sheet:
    """Stage 6: the average of the values, heads side by side, and the output projection."""
    sheet, t = (
        stage("attn-result", 5, 470, "The answer: each position averages the values by its row of weights"),
        toy(),
    )
    for k, colour in enumerate(HEADS):
        x = 8 + 345 * k
        sheet.rect(x, 76, 339, 176, (LAYER, ATTEND)[k], radius=10, zorder=0.2)
        sheet.text(x + 12, 92, f"*head {k}", 13, colour, ha="left")
        weights = sheet.matrix(
            x + 46, 124, t.weights[k], (36, 21), lambda v, c=colour: share_colour(v, c), digits=2, size=11
        )
        V = sheet.matrix(x + 180, 134, t.V[:, 4 * k : 4 * k + 4], (15, 21))
        heads = sheet.matrix(x + 262, 124, t.heads[k], (17, 21))
        names_of_rows(sheet, weights, SHORT)
        for j, name in enumerate(("word 0", "word 1", "pad.")):
            sheet.text(weights.column(j), 115, name, 10, SOFT)
        sheet.text(x + 167, weights.cy, "·", 20)
        sheet.text(x + 251, weights.cy, "=", 15)
        sheet.text(V.cx, 115, f"$V_{k}$", 12)
        sheet.text(heads.cx, 109, f"{sheet.shape('answer_heads', 2, 4, 4)[2:]}", 11)
        for grid in (weights, heads):
            sheet.outline(grid, slice(2, 3), slice(0, grid.columns), MARK)
        a, b = number(t.weights[k][2, 0]), number(t.weights[k][2, 1])
        rule = f"position 2:  {a} of word 0  +  {b} of word 1"
        sheet.text(x + 170, 234, rule, 11.5, MARK)
        sheet.line(
            [(heads.cx, 254), (heads.cx, 270), (130 + 84 * k, 270), (130 + 84 * k, 296)], colour, width=1.6
        )
    y = 332
    both = sheet.matrix(88, y - 32, np.concatenate(list(t.heads), 1), 21)
    for k, colour in enumerate(HEADS):
        sheet.outline(both, slice(0, 4), slice(4 * k, 4 * k + 4), colour)
    names_of_rows(sheet, both, POSITIONS)
    W = sheet.matrix(296, y - 56, t.W[3], 21)
    out = sheet.matrix(506, y - 32, t.answer, 21)
    sheet.text(277, both.cy, "·", 22)
    sheet.text(486, both.cy, "=", 16)
    sheet.text(both.cx, both.bottom + 13, "heads side by side", 11.5)
    sheet.text(both.cx, both.bottom + 30, "$N\\times c$ = 4×8", 11.5)
    sheet.text(W.right + 3, W.y + 8, "$W_O$", 13, ha="left")
    sheet.text(W.cx, W.bottom + 13, f"{sheet.shape('W_O_toy', 8, 8)}, mixes the heads", 11.5)
    sheet.text(out.cx, out.bottom + 13, "answer", 11.5)
    sheet.text(out.cx, out.bottom + 30, f"$N\\times c$ = {sheet.shape('answer_by_hand', 4, 8)}", 11.5)
    return sheet


def add_attn() -> Sheet:
    """Stage 7: the answer is folded back into a map and added to the map that asked."""
    sheet, t = stage("add-attn", 6, 424, "The answer is folded back and added to the map"), toy()
    w, h = 30, 22
    answer = sheet.matrix(113, 78, t.answer, (70, 20), digits=1)
    names_of_rows(sheet, answer, POSITIONS)
    xs = [126 + 70 * j for j in range(8)]
    folded = t.answer.T.reshape(8, 2, 2)
    rows = [
        tiles(sheet, maps, xs, y, (w, h)) for maps, y in ((folded, 186), (t.phi, 266), (t.phi + folded, 346))
    ]
    for j, grid in enumerate(rows[0]):
        left = grid.x - 9
        sheet.line(
            [(left, answer.y + 61), (left, grid.row(1)), (grid.x, grid.row(1))], MARK, width=1, level=6
        )
        sheet.outline(grid, slice(1, 2), slice(0, 1), MARK)
        sheet.text(grid.cx, 404, f"channel {j}", 11, SOFT)
        sheet.text(grid.cx, 248, "+", 15)
        sheet.text(grid.cx, 328, "=", 15)
    sheet.outline(answer, slice(2, 3), slice(0, 8), MARK)
    sheet.text(14, 202, "answer,\nas a map", 12, ha="left")
    sheet.text(14, 288, "map $\\varphi(z_t)$", 12, ha="left")
    sheet.text(14, 360, f"new map\n{sheet.shape('phi_toy', 8, 2, 2)}", 12, ha="left")
    return sheet


def cross_attention() -> Sheet:
    """All stages of cross-attention in one picture, numbered as in the figures of the stages."""
    sheet, t = Sheet("cross-attention", 470, "Cross-attention, all seven stages"), toy()
    a, b, c = 120, 262, 400
    grey = np.clip(t.phi / 4 + 0.5, 0, 1)

    def step(x: float, y: float, i: int) -> None:
        sheet.rect(x - 9, y - 9, 18, 18, INK, radius=9, zorder=8)
        sheet.text(x, y, str(i), 11, "white", zorder=9)

    sheet.stack(grey, 62, a, 40, 5)
    sheet.text(62, a + 54, "map $\\varphi(z_t)$\n$c\\times H\\times W$", 11.5)
    flat = sheet.matrix(134, a - 18, t.flat, 9)
    sheet.text(flat.cx, flat.bottom + 14, "$N\\times c$", 11.5)
    sheet.line([(104, a), (130, a)])
    step(117, a - 16, 1)
    words = sheet.matrix(30, (b + c) / 2 - 18, t.sequence, (12, 12))
    sheet.text(words.cx, words.bottom + 24, "words $\\tau_\\theta(y)$\n$M\\times d_\\tau$", 11.5)
    sheet.text(words.cx, words.y - 12, "last row: padding", 10.5, SOFT)
    places = ((a, t.W[0], t.Q, "Q", "N", 2), (b, t.W[1], t.K, "K", "M", 3), (c, t.W[2], t.V, "V", "M", 3))
    for y, W, product, letter, rows, i in places:
        matrix = sheet.matrix(240, y - 4.5 * len(W), W, 9)
        sheet.text(matrix.cx, matrix.y - 12, f"$W_{letter}$", 12.5)
        grid = sheet.matrix(354, y - 4.5 * len(product), product, 9)
        sheet.text(grid.cx, grid.y - 12, f"*{letter}", 13)
        sheet.text(grid.cx, grid.bottom + 13, f"${rows}\\times c$", 11.5)
        sheet.line([(316, y), (350, y)])
        step(333, y - 15, i)
        for k, colour in enumerate(HEADS):
            sheet.outline(grid, slice(0, len(product)), slice(4 * k, 4 * k + 4), colour, 1.4)
    step(354, a - 46, 4)
    sheet.text(368, a - 46, "cut into heads", 11, SOFT, ha="left")
    sheet.line([(210, a), (236, a)])
    for y in (b, c):
        sheet.line([(108, (b + c) / 2), (196, (b + c) / 2), (196, y), (236, y)])
    grids = []
    for y, values in ((a, t.scores), (b, t.weights)):
        for k, colour in enumerate(HEADS):
            tone = signed if y == a else lambda v, dark=colour: share_colour(v, dark)
            grids.append(
                sheet.matrix(478 + 14 * k, y - 26 + 12 * k, values[k], (13, 11), tone, level=3 + k / 2)
            )
            sheet.outline(grids[-1], slice(0, 4), slice(0, 3), colour, 1.2)
    sheet.text(505, a - 42, "$QK^\\top/\\sqrt{d}$", 12.5)
    sheet.text(540, a + 2, "$N\\times M$\nper head", 11, ha="left")
    sheet.text(540, b + 2, "rows\nadd up\nto 1", 11, ha="left")
    sheet.line([(430, a), (474, a)])
    sheet.line([(430, b), (452, b), (452, a + 14), (474, a + 14)])
    sheet.line([(505, a + 33), (505, b - 30)])
    step(490, (a + b) / 2 + 2, 5)
    sheet.text(514, (a + b) / 2 + 2, "mask padding,\nthen softmax", 11, PIXEL_DARK, ha="left")
    answer = sheet.matrix(556, c - 18, np.concatenate(list(t.heads), 1), 9)
    for k, colour in enumerate(HEADS):
        sheet.outline(answer, slice(0, 4), slice(4 * k, 4 * k + 4), colour, 1.4)
    sheet.text(answer.cx, answer.bottom + 20, "averages of the values,\nheads side by side", 11)
    sheet.line([(430, c), (552, c)])
    sheet.line([(505, b + 33), (505, c - 9), (552, c - 9)])
    step(491, (b + c) / 2, 6)
    W = sheet.matrix(612, 262, t.W[3], 9)
    sheet.text(W.x - 5, W.y + 6, "$W_O$", 12.5, ha="right")
    sheet.line([(632, c - 18), (632, W.bottom + 3)], level=4)
    sheet.stack(np.clip(t.answer.T.reshape(8, 2, 2) / 4 + 0.5, 0, 1), 645, 190, 34, 4)
    sheet.line([(648, W.y), (648, 226)])
    sheet.text(636, 243, "fold", 11, SOFT, ha="right")
    sheet.plus(648, 60)
    sheet.line([(648, 156), (648, 70)])
    step(664, 82, 7)
    sheet.line([(62, a - 40), (62, 60), (638, 60)], SOFT, dash=True)
    sheet.text(350, 46, "the map itself: what the words do not change stays", 11.5, SOFT)
    sheet.line([(648, 50), (648, 26)])
    sheet.text(648, 14, "$c\\times H\\times W$", 11.5)
    return sheet


def featuremap_tau() -> Sheet:
    """From words to the sequence tau(y), and the two ways in which feature maps get it."""
    sheet = Sheet(
        "featuremap-tau", 616, "From words to the feature maps: tau, and the two settings of the switch"
    )
    nb, (image, caption) = notebook(NAME), example()
    M, words = nb.MAX_WORDS, caption.split()[: nb.MAX_WORDS]
    vocabulary = nb.build_vocabulary(data()["captions"].tolist())
    tokens = nb.tokenize([" ".join(words)], vocabulary, M)[0].tolist()
    pitch, top = 216 / M, 66
    rows = [top + pitch * (i + 0.5) for i in range(M)]
    shades = np.random.RandomState(2).randint(1, 5, (2, M, 10)) / 4  # before and after the transformer
    sheet.band(8, 6, 684, 308, "condition encoder $\\tau_\\theta$", WORDS, WORDS_DARK)
    for x, title in (
        (52, "words"),
        (122, "tokens"),
        (214, "`table"),
        (316, "positions"),
        (574, "sequence"),
        (664, "mask"),
    ):
        sheet.text(x, 50, title, 12)
    for i, y in enumerate(rows):
        colour = TINTS[i % 8] if i < len(words) else PALE
        here, ink = i < len(words), INK if i < len(words) else SOFT
        sheet.rect(18, y - 0.41 * pitch, 70, 0.82 * pitch, colour, radius=4)
        sheet.text(53, y, words[i] if here else "padding", 11.5, ink)
        sheet.text(122, y, str(tokens[i]), 11.5, ink)
        sheet.line([(90, y), (106, y)], ink, width=1)
        sheet.line([(138, y), (156, y)], ink, width=1)
        for after, x in ((0, 160), (1, 520)):
            tints(sheet, x, y - 0.41 * pitch, shades[after, i : i + 1], colour, (10.8, 0.82 * pitch))
        sheet.text(664, y, "seen" if here else "hidden", 11.5, INK if here else PIXEL_DARK)
    end, middle = top + 216, top + 108
    omega = 10000.0 ** (-np.arange(5) / 5)
    angles = np.arange(M)[:, None] * omega
    waves = np.concatenate([np.sin(angles), np.cos(angles)], 1)
    sheet.matrix(292, top, waves.round(1) * 2, (5, pitch))
    sheet.text(281, middle, "+", 17)
    sheet.text(317, end + 13, "sines, cosines", 11.5)
    block = "self-attention:\nwords look\nat words"
    sheet.box(420, middle - 44, 114, 70, block, ATTEND)
    sheet.box(420, middle + 48, 114, 60, "two layers,\nword by word", "white")
    sheet.line([(420, middle - 9), (420, middle + 18)])
    sheet.line([(346, middle), (354, middle), (354, middle - 44), (363, middle - 44)])
    sheet.line([(477, middle + 48), (496, middle + 48), (496, middle), (516, middle)])
    sheet.text(420, top + 14, "each part adds\nto its input", 11, SOFT)
    shape = sheet.shape("tau out", M, nb.D_TAU)
    for x in (214, 574):
        sheet.text(x, end + 13, f"$M\\times d_\\tau$ = {shape}", 11.5)
    # below, the two ways in
    sheet.band(8, 324, 338, 284, "CONCAT: all positions hear the same", LAYER, LAYER_DARK)
    sheet.band(354, 324, 338, 284, "QKV: each position looks by itself", ATTEND, ATTEND_DARK)
    y = 448
    tints(sheet, 22, y - 9, shades[1].mean(0).round(1)[None], "#dccdf0", (8, 18))
    sheet.text(62, y - 30, "mean of\nthe words", 11.5)
    sheet.text(62, y + 22, f"{sheet.shape('mean_word', nb.D_TAU)}", 11.5)
    sheet.line([(106, y), (142, y)])
    sheet.text(124, y - 12, "linear", 11)
    levels = np.random.RandomState(4).uniform(0.25, 0.95, nb.SPREAD)
    column = min(9.0, 144 / nb.SPREAD)
    grey = lambda v: "#" + 3 * f"{round(v * 255):02x}"  # noqa: E731
    numbers = sheet.matrix(146, y - column * nb.SPREAD / 2, levels[:, None], (12, column), grey)
    sheet.text(152, numbers.bottom + 13, sheet.shape("spread.linear out", nb.SPREAD), 11.5)
    sheet.line([(162, y), (198, y)])
    sheet.text(178, y - 13, "spread", 10.5)
    sheet.stack(levels[:6, None, None] * np.ones((6, 8, 8)), 232, y, 40, 4.5)
    sheet.text(230, y + 46, sheet.shape("spread out", nb.SPREAD, 8, 8), 11.5)
    sheet.text(270, y, "||", 14, weight="bold")
    sheet.stack(grey_noise(example_maps(image), 0.4, 1), 310, y, 40, 5)
    sheet.text(307, y + 46, f"$z_t$: {sheet.shape('z', 4, 8, 8)}", 11.5)
    both = sheet.shape("trunk.stem in", 4 + nb.SPREAD, 8, 8)
    sheet.line([(270, y + 60), (270, 548)], LAYER_DARK)
    sheet.box(200, 572, 250, 44, f"first convolution of the U-Net\nreads {both}", "white")
    left, size = 376, 116
    shades = np.random.RandomState(3).randint(70, 96, (4, 4)) / 100
    grid = sheet.matrix(left, y - 58, shades.round(1), size / 4, grey)
    sheet.text(grid.cx, grid.bottom + 14, "map $\\varphi(z_t)$", 11.5)
    sheet.text(grid.cx, grid.bottom + 31, "$N=H\\cdot W$ positions", 11.5)
    shown = words[: min(len(words), 7)]
    ys = [y + (i - (len(shown) - 1) / 2) * 27 for i in range(len(shown))]
    for i, word in enumerate(shown):
        sheet.rect(566, ys[i] - 11, 66, 22, TINTS[i % 8], radius=4, zorder=4)
        sheet.text(599, ys[i], word, 11.5)
    sheet.text(662, y, "keys\nand\nvalues", 11.5)
    for (i, j), peak in (((0, 1), 0.3), ((2, 2), 0.75)):
        distance = np.linspace(0, 1, len(shown)) - peak if len(shown) > 1 else np.zeros(1)
        share = np.exp(-40 * distance**2)
        sheet.rect(grid.x + j * grid.w, grid.y + i * grid.h, grid.w, grid.h, ATTEND, INK, radius=0, zorder=5)
        sheet.text(grid.column(j), grid.row(i), "Q", 12)
        for k, part in enumerate(share / share.sum()):
            ends = [(grid.column(j) + grid.w / 2, grid.row(i)), (566, ys[k])]
            sheet.path(ends, ec=ATTEND_DARK, lw=0.3 + 6 * part, zorder=3.5)
    sheet.text(
        523, 576, "thickness: the attention weight\n(made up here; the notebook shows real ones)", 11, SOFT
    )
    return sheet


def row_of_boxes(
    sheet: Sheet, left: float, y: float, gap: float, boxes: Sequence[Tuple[float, str, str]]
) -> List:
    """Boxes (width, words, colour) side by side with arrows between; the x of the middle of each."""
    xs = []
    for i, (width, words, colour) in enumerate(boxes):
        xs.append(left + width / 2)
        sheet.box(xs[-1], y, width, 60, words, colour, size=11)
        left += width + gap
        if i < len(boxes) - 1:
            sheet.line([(left - gap, y), (left, y)])
    return xs


def ldm_unet() -> Sheet:
    """The U-Net of 03 with the switch, the time, the words, the blend and the shape of every map."""
    sheet = Sheet("ldm-unet", 640, "The U-Net of notebook 03 with the switch and the shape of every map")
    nb, (image, _) = notebook(NAME), example()
    w, emb, top, low, time = nb.WIDTH, 4 * nb.WIDTH, 264, 464, 600
    maps = example_maps(image)
    sheet.band(24, 188, 656, 150, "8×8 positions", LAYER, LAYER_DARK, 76)
    sheet.band(24, 352, 656, 174, "4×4 positions", LATENT, LATENT_DARK)
    # the words and the switch
    sheet.box(60, 40, 88, 46, f"prompt\n~{sheet.shape('tokens', nb.MAX_WORDS)} tokens", DATA)
    sheet.box(172, 40, 104, 46, f"`tau\n~{sheet.shape('tau out', nb.MAX_WORDS, nb.D_TAU)}", WORDS)
    sheet.line([(104, 40), (120, 40)])
    sheet.line([(224, 40), (262, 40)], head=False)
    sheet.line([(266, 40), (296, 22)], INK, head=False, width=2.4, level=5)
    for x, y in ((266, 40), (300, 20), (300, 62)):
        contact(sheet, x, y)
    sheet.text(256, 62, "switch", 12)
    sheet.line([(304, 20), (361, 20), (361, 392)], ATTEND_DARK, head=False, width=1.6, level=2.8)
    sheet.text(368, 20, "*QKV: $K$ and $V$ for every cross-attention", 11.5, ATTEND_DARK, ha="left")
    sheet.line([(304, 62), (330, 62), (330, 116), (212, 116)], WORDS_DARK, width=1.6)
    sheet.text(324, 103, "*CONCAT", 11.5, WORDS_DARK, ha="right")
    channels = sheet.shape("spread out", nb.SPREAD, 8, 8)
    sheet.box(120, 116, 184, 46, f"`spread\n~mean of the words: {channels}", WORDS)
    # 8x8
    sheet.stack(grey_noise(maps, 0.3, 2), 48, top, 26, 4)
    sheet.text(50, top + 36, f"$z_t$\n~{sheet.shape('z', 4, 8, 8)}", 11)
    sheet.plus(88, top, "")
    sheet.text(88, top - 0.5, "||", 11, weight="bold")
    sheet.line([(88, 139), (88, top - 10)], WORDS_DARK, width=1.6)
    beside = sheet.shape("concat channels", 4 + nb.SPREAD)
    stem = f"`stem\n~4 or {beside}\n~to {sheet.shape('trunk.stem out', w, 8, 8)}"
    block, cross = "residual\n`{}\n~{}", "cross-\nattention\n`{}"
    down = block.format("down", sheet.shape("trunk.down out", w, 8, 8))
    up = block.format("up", sheet.shape("trunk.up out", w, 8, 8))
    out = f"norm, SiLU\n`out\n~{sheet.shape('trunk.out out', 4, 8, 8)}"
    before = ((76, stem, "white"), (68, down, "white"), (76, cross.format("cross_1"), ATTEND))
    after = ((68, up, "white"), (76, cross.format("cross_2"), ATTEND), (80, out, "white"))
    _, down_x, cross_1 = row_of_boxes(sheet, 109, top, 12, before)
    up_x, cross_2, out_x = row_of_boxes(sheet, 418, top, 12, after)
    sheet.plus(390, top)
    for a, b in ((66, 78), (98, 109), (400, 418)):
        sheet.line([(a, top), (b, top)])
    sheet.line([(cross_1 + 38, top), (380, top)], SOFT, dash=True, level=2.2)
    sheet.text(402, top - 22, "skip", 11, SOFT)
    # 4x4
    two = "2 residual\n`block_{}, {}\n~{}"
    shapes = [
        sheet.shape(f"trunk.deep.{part} out", 2 * w, 4, 4)
        for part in ("shrink", "block_2", "attend", "block_4")
    ]
    grow = f"`grow\n~{sheet.shape('trunk.deep.grow out', emb, 4, 4)}"
    grow += f"\n~{sheet.shape('trunk.deep out', w, 8, 8)}"
    boxes = [(66, f"`shrink\n~{shapes[0]}", "white"), (88, two.format(1, 2, shapes[1]), "white")]
    boxes += [(72, cross.format("cross_1"), ATTEND), (98, f"self-attention\n`attend\n~{shapes[2]}", ATTEND)]
    boxes += [
        (88, two.format(3, 4, shapes[3]), "white"),
        (72, cross.format("cross_2"), ATTEND),
        (70, grow, "white"),
    ]
    shrink_x, blocks_1, deep_1, _, blocks_3, deep_2, grow_x = row_of_boxes(sheet, 34, low, 13, boxes)
    sheet.line([(cross_1, top + 30), (cross_1, 384), (shrink_x, 384), (shrink_x, low - 30)])
    sheet.line([(grow_x, low - 30), (grow_x, 384), (390, 384), (390, top + 10)])
    for y, xs, end in ((206, (cross_1, cross_2), top - 30), (406, (deep_1, deep_2), low - 30)):
        for x in xs:
            sheet.line([(361, y - 20), (361, y), (x, y), (x, end)], ATTEND_DARK, width=1.6, level=2.8)
    # the time
    sheet.box(58, time, 84, 44, "step $t$", DATA)
    sheet.box(176, time, 120, 44, f"sines, cosines\n`time\u2009 {sheet.shape('time out', emb)}", TIME)
    sheet.plus(268, time)
    sheet.box(370, time, 128, 44, f"`pool\n~{sheet.shape('pool out', emb)}", WORDS)
    sheet.box(530, time, 136, 44, "mean of the words\n~in both settings", WORDS)
    for a, b in ((100, 115), (236, 258), (306, 278), (462, 434)):
        sheet.line([(a, time), (b, time)])
    y = 546
    sheet.line([(268, time - 10), (268, y), (blocks_1, y), (blocks_1, low + 30)], TIME_DARK)
    sheet.line([(268, y + 12), (268, y), (blocks_3, y), (blocks_3, low + 30)], TIME_DARK)
    sheet.line([(blocks_1 + 14, y), (12, y), (12, 318), (down_x, 318), (down_x, top + 30)], TIME_DARK)
    sheet.line([(blocks_3 - 14, y), (690, y), (690, 318), (up_x, 318), (up_x, top + 30)], TIME_DARK)
    sheet.line([(690, 340), (690, 134), (680, 134)], TIME_DARK, head=False)
    sheet.line([(682, 134), (out_x + 44, 134)], TIME_DARK)
    sheet.text(
        282, 563, f"emb, {emb} numbers: scale and shift in every residual block", 11.5, TIME_DARK, ha="left"
    )
    # the blend
    sheet.box(out_x, 134, 88, 54, "`blend\naverage by\nprecision", "white", size=11)
    sheet.line([(out_x, top - 30), (out_x, 161)])
    sheet.text(out_x + 10, 174, "$f$", 13, ha="left")
    sheet.box(520, 134, 34, 26, "$z_t$", DATA)
    sheet.line([(537, 134), (out_x - 44, 134)])
    sheet.stack(maps, out_x - 4, 70, 34, 5)
    sheet.text(out_x - 36, 70, f"guess $\\hat z_0$\n~{sheet.shape('out', 4, 8, 8)}", 11.5, ha="right")
    sheet.line([(out_x, 107), (out_x, 96)])
    return sheet


def algorithm(name: str, title: str, lines: Sequence[Tuple[str, str]], foot: str = "") -> Sheet:
    """An algorithm as a box: numbered lines on the left, what to know of each on the right."""
    height = 66 + 34 * len(lines) + (62 if foot else 0)
    sheet = Sheet(name, height, title)
    sheet.rect(8, 8, 684, height - 16, "#fbfbfd", INK, radius=8, lw=1)
    sheet.text(24, 27, "*" + title, 14, ha="left")
    sheet.line([(8, 44), (692, 44)], INK, head=False)
    for i, (line, meaning) in enumerate(lines):
        y = 66 + 34 * i
        sheet.text(34, y, str(i + 1), 12, SOFT)
        sheet.text(80 if line[0] == ">" else 54, y, line.lstrip(">"), 13, ha="left")
        sheet.text(430, y, meaning, 12, SOFT, ha="left")
    sheet.line([(416, 54), (416, 66 + 34 * len(lines) - 22)], PALE, head=False)
    if foot:
        sheet.line([(8, height - 72), (692, height - 72)], PALE, head=False)
        sheet.text(24, height - 40, foot, 12.5, SOFT, ha="left")
    return sheet


def algorithm_1() -> Sheet:
    """Training, Algorithm 1 of the DDPM paper in our symbols."""
    lines = (
        ("*repeat", "for one batch after the other"),
        (">draw a sprite $x_0$ with its class $y$", "from the training split"),
        (">draw a step $t$ from $1,\\dots,T$", "all equally likely: how noisy it gets"),
        (">draw noise $\\varepsilon\\sim\\mathcal{N}(0,I)$", "this is what the network has to find"),
        (
            ">gradient step on $\\|\\varepsilon-\\varepsilon_\\theta(x_t,t,y)\\|^2$",
            "$x_t=\\sqrt{\\bar\\alpha_t}\\,x_0+\\sqrt{1-\\bar\\alpha_t}\\,\\varepsilon$: all it sees",
        ),
        ("*until converged", "in the code: a number of steps"),
    )
    return algorithm("algorithm-1", "Algorithm 1: training", lines)


def algorithm_2() -> Sheet:
    """Sampling, Algorithm 2 of the DDPM paper in our symbols."""
    lines = (
        ("draw $x_T\\sim\\mathcal{N}(0,I)$", "nothing but noise"),
        ("*for $t=T,\\dots,1$", ""),
        (">draw $z\\sim\\mathcal{N}(0,I)$, but $z=0$ at $t=1$", "fresh noise, except at the very end"),
        (
            ">$x_{t-1}=\\tilde\\mu_t(x_t,\\hat x_0)+\\sqrt{\\tilde\\beta_t}\\;z$",
            "$\\hat x_0$: the guess by $\\varepsilon_\\theta(x_t,t,y)$",
        ),
        ("*return $x_0$", "a sprite"),
    )
    paper = (
        "$x_{t-1}=\\dfrac{1}{\\sqrt{\\alpha_t}}\\left(x_t-\\dfrac{1-\\alpha_t}{\\sqrt{1-\\bar\\alpha_t}}\\,"
    )
    paper += "\\varepsilon_\\theta(x_t,t,y)\\right)+\\sigma_t\\,z$,   $\\sigma_t=\\sqrt{\\tilde\\beta_t}$"
    return algorithm("algorithm-2", "Algorithm 2: sampling", lines, "In the paper, line 4 is   " + paper)


FIGURES = (
    algorithm_1,
    algorithm_2,
    ldm_figure3,
    featuremap_tau,
    cross_attention,
    flatten_featuremap,
    query,
    keys_values,
    attn_head,
    attn_matrix,
    attn_result,
    add_attn,
    ldm_unet,
)
