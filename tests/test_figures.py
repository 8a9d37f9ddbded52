"""The drawn figures: their shapes, module names and toy numbers are those of the code."""

import json
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


def wrong(svg, nets, known):
    """The shapes in a figure that no module has, and the names in it (in typewriter letters) that no network has."""
    texts = re.findall(r"<text[^>]*>(.*?)</text>|<desc>matplotlib(.*?)</desc>", svg, re.S)
    shapes = {shape for parts in texts for part in parts for shape in SHAPE.findall(re.sub(r"<[^>]*>", "", part))}
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


@pytest.mark.parametrize("name", TOY)
def test_shapes_of_attention_by_hand(name):
    """Those in the figure's description; its numbers are drawn as outlines, which no test can read."""
    cells = [*SETTINGS, "flatten-code", "qkv-code", "heads-code", "weights-code", "answer-code"]
    before, nb = qkv(), run_cells(NOTEBOOKS[2], *cells)
    known = {f"{key}_toy": value for key, value in before.items()}
    known.update(Q_toy=before["queries"], K_toy=before["keys"], V_toy=before["values"])
    for key in "QKV":
        known[f"{key}_heads"] = nb.split_heads(known[f"{key}_toy"], 2)
    known.update(weights_by_hand=nb.weights, answer_heads=nb.weights @ known["V_heads"], W_O_toy=nb.W_O, answer_by_hand=nb.answer)
    shown = json.loads(re.search(r"<desc>matplotlib \S+ (.*?)</desc>", (ASSETS / f"{name}.svg").read_text("utf-8"))[1])
    assert shown
    assert shown == {key: show(known[key].shape if key.startswith("W_") else known[key].shape[1:]) for key in shown}


def test_numbers_of_attention_by_hand():
    """The weights as they were read off attn-matrix.png and attn-result.png: another toy needs other figures."""
    nb = run_cells(NOTEBOOKS[2], *SETTINGS, "flatten-code", "qkv-code", "heads-code", "weights-code")
    read = [[0.04, 0.96], [0.02, 0.98], [0.16, 0.84], [0.95, 0.05], [0.22, 0.78], [0.12, 0.88], [0.43, 0.57], [0.80, 0.20]]
    assert np.allclose(nb.weights[0].flatten(0, 1)[:, :2], read, atol=0.0051)
    assert (nb.weights[..., 2] == 0).all()


@pytest.mark.parametrize("name", DRAWN)
def test_every_drawing_has_its_picture_and_can_be_read_on_a_dark_page(name):
    with Image.open(ASSETS / f"{name}.png") as image:
        assert image.width == 1400
        assert "transparency" not in image.info and image.mode in ("P", "RGB")
        pixels = np.asarray(image.convert("RGB"))
    edges = [pixels[:4], pixels[-4:], pixels[:, :2], pixels[:, -2:]]
    assert all((edge == 255).all() for edge in edges), "nothing may touch an edge"
    for suffix in (".svg", ".png"):
        assert (ASSETS / (name + suffix)).stat().st_size <= 60_000


def test_every_picture_is_a_drawing_or_made_by_a_notebook():
    made = {"ddpm-samples", "vae-reconstructions", "ldm-samples", "context"}  # the last is of the data card
    assert {path.stem for path in ASSETS.glob("*.png")} - made == set(DRAWN)
