"""The drawn figures: their shapes, module names and toy numbers are those of the code."""

import re

import numpy as np
import pytest
import torch
from helpers import run_cells
from notebooks import NOTEBOOKS, ROOT
from PIL import Image
from torch.nn import functional as F

pytestmark = pytest.mark.quick
ASSETS = ROOT / "assets"
DRAWN = sorted(path.stem for path in ASSETS.glob("*.svg"))
TOY = ["flatten-featuremap", "Q", "KV", "attn-head", "attn-matrix", "attn-result", "add-attn"]
SHAPE = re.compile(r"(?<![\d×])\d+(?:×\d+){2}(?![\d×])")
SETTINGS = "imports", "parameters"


def show(shape):
    return "×".join(map(str, shape))


def shapes_of(*calls):
    """What goes into and comes out of modules, folding and torch.cat in calls (net, function, arguments), for a batch of one."""
    seen = set()

    def note(_, given, out):
        tensors = [x for x in (*given, *(out if isinstance(out, tuple) else (out,))) if isinstance(x, torch.Tensor)]
        seen.update(show(x.shape[1:]) for x in tensors)

    def watched(function):
        def watching(first, *more, **named):
            out = function(first, *more, **named)
            note(None, first if isinstance(first, list) else [first], out)
            return out

        return watching

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        for owner, name in ((F, "pixel_unshuffle"), (F, "pixel_shuffle"), (torch, "cat")):
            patch.setattr(owner, name, watched(getattr(owner, name)))
        for net, function, arguments in calls:
            hooks = [module.register_forward_hook(note) for module in net.modules()]
            note(net, arguments, function(*arguments))
            for hook in hooks:
                hook.remove()
    return seen


def tensors(*sizes):
    return [torch.zeros(1, *size) if size else torch.ones(1, dtype=torch.long) for size in sizes]


def ddpm():
    nb = run_cells(NOTEBOOKS[0], *SETTINGS, "blocks-code", "unet", CLASSES=list("abcde"))
    arguments = tensors((3, 16, 16), (), ())
    nets = nb.UNet(3, nb.WIDTH), nb.UNet(64, nb.WIDTH)  # the figure shows both answers
    return nets[:1], shapes_of(*((net, net, arguments) for net in nets))


def vae():
    nb = run_cells(NOTEBOOKS[1], *SETTINGS, "vae", K=64)
    net = nb.VAE(nb.WIDTH)
    return (net,), shapes_of((net, net.encode, tensors((3, 16, 16))), (net, net.decode, tensors((4, 8, 8))))


def ldm():
    nb = run_cells(NOTEBOOKS[2], *SETTINGS, "heads-code", "cross-class", "tau", "blocks", "unet", vocabulary=list("abc"), **qkv())
    nets = [nb.UNet(nb.WIDTH, switch) for switch in ("CONCAT", "QKV")]
    z, t = tensors((4, 8, 8), ())
    return nets, shapes_of(*((net, net, [z, t, torch.ones(1, nb.MAX_WORDS, dtype=torch.long)]) for net in nets))


def qkv():
    """What the toy cells of 03 leave up to the heads."""
    nb = run_cells(NOTEBOOKS[2], *SETTINGS, "flatten-code", "qkv-code")
    return {
        name: getattr(nb, name) for name in ("phi", "flat", "sequence", "empty", "W_Q", "W_K", "W_V", "queries", "keys", "values")
    }


SOURCES = {"ddpm-unet": (ddpm,), "ldm-unet": (ldm,), "vae-encoder-decoder": (vae,), "colour-scores": (ddpm, vae)}
SOURCES.update({"ldm-figure3": (ldm, vae), "featuremap-tau": (ldm,)})


def texts(svg):
    """The texts of a drawing, without markup."""
    return [re.sub(r"<[^>]*>", "", text).replace("−", "-") for text in re.findall(r"<text[^>]*>(.*?)</text>", svg, re.S)]


def wrong(svg, nets, known):
    """The shapes in a figure that no module has, and the names in it (in typewriter letters) that no network has."""
    shapes = {shape for text in texts(svg) for shape in SHAPE.findall(text)}
    names = re.findall(r'<t(?:ext|span)[^>]*class="m\b[^"]*"[^>]*>([a-z]\w*)', svg)
    modules = {part for net in nets for path, _ in net.named_modules() for part in path.split(".")}
    return shapes - known, {name for name in names if name not in modules and not hasattr(F, name)}


@pytest.mark.parametrize("name", SOURCES)
def test_shapes_and_names_are_those_of_the_networks(name):
    nets, known = zip(*(source() for source in SOURCES[name]))
    nets, known = [net for group in nets for net in group], set().union(*known)
    svg = (ASSETS / f"{name}.svg").read_text("utf-8")
    assert wrong(svg, nets, known) == (set(), set())
    changed = svg.replace("</svg>", '<text>24×8×8</text><text class="m">shrunk</text></svg>')
    assert wrong(changed, nets, known) == ({"24×8×8"}, {"shrunk"})


def misread(svg, tensors):
    """The shapes and the numbers of a drawing of attention by hand that no tensor of the notebook has."""
    shapes = {shape for text in texts(svg) for shape in re.findall(r"\d+(?:×\d+)+", text)}
    numbers = [text for text in texts(svg) if re.fullmatch(r"-?\d\.\d+", text)]
    known = {show(x.shape[start:]) for x in tensors for start in range(x.dim())}
    values = torch.cat([x.flatten() for x in tensors]).tolist()
    known_numbers = {f"{value:.{digits}f}" for value in values for digits in (1, 2)}
    return shapes - known, set(numbers) - known_numbers, len(numbers)


@pytest.mark.parametrize("name, least", zip(TOY, [64, 25, 0, 0, 60, 24, 120]))
def test_shapes_and_numbers_of_attention_by_hand(name, least):
    cells = [*SETTINGS, "flatten-code", "qkv-code", "heads-code", "weights-code", "answer-code"]
    before, nb = qkv(), run_cells(NOTEBOOKS[2], *cells)
    products = before["flat"][0, 2] * before["W_Q"][:, 5]
    known = [*before.values(), products, nb.scores, nb.weights, nb.W_O, nb.answer, nb.added]
    known += [nb.split_heads(before[part], 2) for part in ("queries", "keys", "values")]
    known += [nb.weights @ known[-1], nb.answer.transpose(1, 2).reshape(nb.added.shape)]
    svg = (ASSETS / f"{name}.svg").read_text("utf-8")
    shapes, numbers, count = misread(svg, [x.float() for x in known])
    assert (shapes, numbers) == (set(), set())
    assert count >= least
    changed = svg.replace("</svg>", "<text>9×9</text><text>9.87</text></svg>")
    assert misread(changed, [x.float() for x in known])[:2] == ({"9×9"}, {"9.87"})


@pytest.mark.parametrize("name", DRAWN)
def test_every_drawing_has_its_picture_and_can_be_read_on_a_dark_page(name):
    with Image.open(ASSETS / f"{name}.png") as image:
        assert image.width == 1400
        assert "transparency" not in image.info and image.mode in ("P", "RGB")
        pixels = np.asarray(image.convert("RGB"))
    edges = [pixels[:4], pixels[-4:], pixels[:, :2], pixels[:, -2:]]
    assert all((edge == 255).all() for edge in edges), "nothing may touch an edge"
    for suffix in (".svg", ".png"):
        assert (ASSETS / (name + suffix)).stat().st_size <= 80_000


def test_every_picture_is_a_drawing_or_made_by_a_notebook():
    made = {"ddpm-samples", "vae-reconstructions", "ldm-samples", "context"}  # the last is of the data card
    assert {path.stem for path in ASSETS.glob("*.png")} - made == set(DRAWN)
