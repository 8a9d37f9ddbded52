"""The drawn figures: their shapes, module names and toy numbers are those of the code."""

import re

import numpy as np
import pytest
import torch
from helpers import run_cells
from notebooks import NOTEBOOKS, ROOT
from PIL import Image
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

pytestmark = pytest.mark.quick
ASSETS = ROOT / "assets"
DRAWN = sorted(path.stem for path in ASSETS.glob("*.svg"))
TOY = {"flatten-featuremap": 64, "Q": 25, "KV": 0, "attn-head": 0, "attn-matrix": 60, "attn-result": 24, "add-attn": 120}
TOY_CELLS = "imports", "parameters", "flatten-code", "qkv-code"
ONE = torch.ones(1, dtype=torch.long)


def shapes_of(*calls):
    """What goes into and comes out of modules, folding and torch.cat in calls (net, function, arguments), for a batch of one."""
    seen = set()

    def note(_, given, out):
        tensors = [x for x in (*given, *(out if isinstance(out, tuple) else (out,))) if isinstance(x, torch.Tensor)]
        seen.update(tuple(x.shape[1:]) for x in tensors)

    class Watch(TorchFunctionMode):
        def __torch_function__(self, function, _, given=(), named=None):
            out = function(*given, **(named or {}))
            if function in (F.pixel_unshuffle, F.pixel_shuffle, torch.cat):
                note(None, given if isinstance(given[0], torch.Tensor) else given[0], out)
            return out

    with Watch(), torch.no_grad():
        for net, function, arguments in calls:
            for module in net.modules():
                module.register_forward_hook(note)
            note(net, arguments, function(*arguments))
    return seen


def ddpm():
    nb = run_cells(NOTEBOOKS[0], "imports", "parameters", "blocks-code", "unet", CLASSES=list("abcde"))
    nets = nb.UNet(3, nb.WIDTH), nb.UNet(64, nb.WIDTH)  # the figure shows both answers
    return nets[:1], shapes_of(*((net, net, [torch.zeros(1, 3, 16, 16), ONE, ONE]) for net in nets)), ()


def vae():
    nb = run_cells(NOTEBOOKS[1], "imports", "parameters", "vae", K=64)
    net = nb.VAE(nb.WIDTH)
    return [net], shapes_of((net, net.encode, [torch.zeros(1, 3, 16, 16)]), (net, net.decode, [torch.zeros(1, 4, 8, 8)])), ()


def ldm():
    nb = run_cells(NOTEBOOKS[2], *TOY_CELLS, "heads-code", "cross-class", "tau", "blocks", "unet", vocabulary=list("abc"))
    nets = [nb.UNet(nb.WIDTH, switch) for switch in ("CONCAT", "QKV")]
    return nets, shapes_of(*((net, net, [torch.zeros(1, 4, 8, 8), ONE, ONE.expand(1, nb.MAX_WORDS)]) for net in nets)), ()


def toy():
    """The shapes and numbers of attention by hand."""
    before = run_cells(NOTEBOOKS[2], *TOY_CELLS)
    nb = run_cells(NOTEBOOKS[2], *TOY_CELLS, "heads-code", "weights-code", "answer-code")
    known = [x for module in (before, nb) for x in vars(module).values() if isinstance(x, torch.Tensor)]
    heads = [nb.split_heads(x, 2) for x in (before.queries, before.keys, before.values)]
    answer = nb.answer.transpose(1, 2).reshape(nb.added.shape)
    known += [before.flat[0, 2] * before.W_Q[:, 5], *heads, nb.weights @ heads[2], answer]
    values = torch.cat([x.flatten().float() for x in known]).tolist()
    shapes = {tuple(x.shape[start:]) for x in known for start in range(x.dim())}
    return (), shapes, {f"{value:.{digits}f}" for value in values for digits in (1, 2)}


SOURCES = {"ddpm-unet": [ddpm], "ldm-unet": [ldm], "vae-encoder-decoder": [vae], "colour-scores": [ddpm, vae]}
SOURCES.update({"ldm-figure3": [ldm, vae], "featuremap-tau": [ldm]}, **{name: [toy] for name in TOY})


def wrong(svg, nets, shapes, numbers):
    """The shapes, names (in typewriter letters) and, if some are known, numbers of a drawing that are wrong; how many numbers."""
    texts = [re.sub(r"<[^>]*>", "", text).replace("−", "-") for text in re.findall(r"<text[^>]*>(.*?)</text>", svg, re.S)]
    least = 1 if numbers else 2  # a map of a network has three numbers at least
    found = re.findall(rf"(?<![\d×])\d+(?:×\d+){{{least},}}(?![\d×])", "\n".join(texts))
    drawn = {tuple(map(int, shape.split("×"))) for shape in found}
    names = set(re.findall(r'<t(?:ext|span)[^>]*class="m\b[^"]*"[^>]*>([a-z]\w*)', svg))
    modules = {part for net in nets for path, _ in net.named_modules() for part in path.split(".")}
    written = [text for text in texts if re.fullmatch(r"-?\d\.\d+", text)]
    return [drawn - shapes, names - modules - set(vars(F)), set(written if numbers else ()) - numbers], len(written)


@pytest.mark.parametrize("name", SOURCES)
def test_shapes_names_and_numbers_are_those_of_the_notebooks(name):
    nets, shapes, numbers = zip(*(source() for source in SOURCES[name]))
    known = [net for group in nets for net in group], set().union(*shapes), set().union(*numbers)
    svg = (ASSETS / f"{name}.svg").read_text("utf-8")
    found, count = wrong(svg, *known)
    assert found == [set(), set(), set()] and count >= TOY.get(name, 0)
    changed = svg.replace("</svg>", '<text>24×9×8</text><text class="m">shrunk</text><text>9.87</text></svg>')
    assert wrong(changed, *known)[0] == [{(24, 9, 8)}, {"shrunk"}, {"9.87"} if name in TOY else set()]


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
