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
TOY = {"flatten-featuremap": 64, "Q": 25, "KV": 0, "attn-head": 0, "attn-matrix": 60, "attn-result": 24, "add-attn": 120}
SETTINGS = "imports", "parameters"
TOY_CELLS = *SETTINGS, "flatten-code", "qkv-code"


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
            for module in net.modules():
                module.register_forward_hook(note)
            note(net, arguments, function(*arguments))
    return seen


def ddpm():
    nb = run_cells(NOTEBOOKS[0], *SETTINGS, "blocks-code", "unet", CLASSES=list("abcde"))
    one = torch.ones(1, dtype=torch.long)
    nets = nb.UNet(3, nb.WIDTH), nb.UNet(64, nb.WIDTH)  # the figure shows both answers
    return nets[:1], shapes_of(*((net, net, [torch.zeros(1, 3, 16, 16), one, one]) for net in nets))


def vae():
    nb = run_cells(NOTEBOOKS[1], *SETTINGS, "vae", K=64)
    net = nb.VAE(nb.WIDTH)
    return [net], shapes_of((net, net.encode, [torch.zeros(1, 3, 16, 16)]), (net, net.decode, [torch.zeros(1, 4, 8, 8)]))


def ldm():
    cells = *TOY_CELLS, "heads-code", "cross-class", "tau", "blocks", "unet"
    nb = run_cells(NOTEBOOKS[2], *cells, vocabulary=list("abc"))
    nets, one = [nb.UNet(nb.WIDTH, switch) for switch in ("CONCAT", "QKV")], torch.ones(1, dtype=torch.long)
    return nets, shapes_of(*((net, net, [torch.zeros(1, 4, 8, 8), one, one.expand(1, nb.MAX_WORDS)]) for net in nets))


SOURCES = {"ddpm-unet": [ddpm], "ldm-unet": [ldm], "vae-encoder-decoder": [vae], "colour-scores": [ddpm, vae]}
SOURCES.update({"ldm-figure3": [ldm, vae], "featuremap-tau": [ldm]})


def texts(svg):
    """The texts of a drawing, without markup."""
    return [re.sub(r"<[^>]*>", "", text).replace("−", "-") for text in re.findall(r"<text[^>]*>(.*?)</text>", svg, re.S)]


def wrong(svg, nets, known):
    """The shapes in a figure that no module has, and the names in it (in typewriter letters) that no network has."""
    shapes = {shape for text in texts(svg) for shape in re.findall(r"(?<![\d×])\d+(?:×\d+){2}(?![\d×])", text)}
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
    """The shapes and the numbers of a drawing of attention by hand that no tensor of the notebook has; how many numbers."""
    shapes = {shape for text in texts(svg) for shape in re.findall(r"\d+(?:×\d+)+", text)}
    numbers = [text for text in texts(svg) if re.fullmatch(r"-?\d\.\d+", text)]
    known = {show(x.shape[start:]) for x in tensors for start in range(x.dim())}
    values = torch.cat([x.flatten().float() for x in tensors]).tolist()
    return shapes - known, set(numbers) - {f"{value:.{digits}f}" for value in values for digits in (1, 2)}, len(numbers)


@pytest.mark.parametrize("name", TOY)
def test_shapes_and_numbers_of_attention_by_hand(name):
    before = run_cells(NOTEBOOKS[2], *TOY_CELLS)
    nb = run_cells(NOTEBOOKS[2], *TOY_CELLS, "heads-code", "weights-code", "answer-code")
    known = [x for module in (before, nb) for x in vars(module).values() if isinstance(x, torch.Tensor)]
    products = before.flat[0, 2] * before.W_Q[:, 5]
    heads = [nb.split_heads(x, 2) for x in (before.queries, before.keys, before.values)]
    known += [products, *heads, nb.weights @ heads[2], nb.answer.transpose(1, 2).reshape(nb.added.shape)]
    svg = (ASSETS / f"{name}.svg").read_text("utf-8")
    shapes, numbers, count = misread(svg, known)
    assert (shapes, numbers) == (set(), set()) and count >= TOY[name]
    changed = svg.replace("</svg>", "<text>9×9</text><text>9.87</text></svg>")
    assert misread(changed, known)[:2] == ({"9×9"}, {"9.87"})


def test_every_drawing_has_its_picture_without_holes():
    made = {"ddpm-samples", "vae-reconstructions", "ldm-samples", "context"}  # by notebooks; the last is of the data card
    assert {path.stem for path in ASSETS.glob("*.png")} - made == set(DRAWN)
    for name in DRAWN:
        with Image.open(ASSETS / f"{name}.png") as image:
            assert image.width == 1400 and "transparency" not in image.info and image.mode in ("P", "RGB"), name
            pixels = np.asarray(image.convert("RGB"))
        edges = [pixels[:4], pixels[-4:], pixels[:, :2], pixels[:, -2:]]
        assert all((edge == 255).all() for edge in edges), f"{name}: nothing may touch an edge"
        assert max((ASSETS / (name + suffix)).stat().st_size for suffix in (".svg", ".png")) <= 80_000, name
