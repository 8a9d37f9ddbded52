"""The drawn figures: they are those that tools/figures.py draws, and their numbers are those of the code."""

import contextlib
import hashlib
import io
import json
import re
from typing import Dict, Iterator

import figures
import figures_ldm
import matplotlib
import numpy as np
import pytest
import torch
from notebooks import ROOT, code_cells, definitions
from PIL import Image

NAMES = ["algorithm-1", "algorithm-2", "ddpm-chain", "ddpm-unet", "palette-head", "vae-encoder-decoder"]
NAMES += ["ldm-figure3", "featuremap-tau", "cross-attention", "ldm-unet"]
NAMES += ["flatten-featuremap", "Q", "KV", "attn-head", "attn-matrix", "attn-result", "add-attn"]


def notes(name: str) -> Dict[str, str]:
    """The shapes that a committed figure shows, by name."""
    svg = (ROOT / "assets" / f"{name}.svg").read_text(encoding="utf-8")
    return json.loads(re.search(r"<desc>matplotlib \S+ (.*?)</desc>", svg)[1].replace("&amp;", "&"))


def show(shape) -> str:
    return "×".join(str(size) for size in shape)


@contextlib.contextmanager
def shapes_seen(net: torch.nn.Module) -> Iterator[Dict[str, str]]:
    """What goes into and comes out of every module of a network that is called, for a batch of one."""
    seen, hooks = {}, []

    def hook_for(path: str):
        def hook(module, args, out) -> None:
            where = f"{path} " if path else ""
            if isinstance(out, torch.Tensor):
                seen[where + "out"] = show(out.shape[1:])
            if args and isinstance(args[0], torch.Tensor):
                seen[where + "in"] = show(args[0].shape[1:])

        return hook

    hooks = [module.register_forward_hook(hook_for(path)) for path, module in net.named_modules()]
    with torch.no_grad():
        yield seen
    for hook in hooks:
        hook.remove()


def check(name: str, known: Dict[str, str]) -> None:
    """Every shape in a figure is the one known from the code; nothing is left unchecked."""
    shown = notes(name)
    missing = sorted(set(shown) - set(known))
    assert not missing, f"{name} shows shapes that the network does not have: {missing}"
    assert shown == {key: known[key] for key in shown}, "the notebooks have changed: run make figures"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder with all figures, drawn anew."""
    data = (ROOT / "data" / "sprites.npz").read_bytes()
    if hashlib.sha256(data).hexdigest() != definitions("01.ddpm.ipynb").DATA_SHA256:
        pytest.skip("data/sprites.npz is not the one that the committed figures show")
    folder = tmp_path_factory.mktemp("figures")
    figures.draw_all(folder)
    return folder


def test_every_figure_is_there_as_svg_and_png(drawn):
    assert sorted(path.stem for path in drawn.glob("*.svg")) == sorted(NAMES)
    for name in NAMES:
        for suffix in (".svg", ".png"):
            assert (ROOT / "assets" / (name + suffix)).stat().st_size <= 60_000, name + suffix


@pytest.mark.parametrize("name", NAMES)
def test_committed_figures_are_what_the_program_draws(drawn, name):
    old, new = ((folder / f"{name}.svg").read_text("utf-8") for folder in (ROOT / "assets", drawn))
    images = []
    for folder in (ROOT / "assets", drawn):
        with Image.open(folder / f"{name}.png") as image:
            images.append(image.convert("RGB"))
    (width, height), (other_width, other_height) = (image.size for image in images)
    assert width == other_width == 1400
    if f"<desc>matplotlib {matplotlib.__version__} " in old:
        assert old == new, "run make figures"
        assert np.array_equal(*map(np.asarray, images)), "run make figures"
    else:  # another version draws letters a little differently: compared at the size at which they are read
        assert abs(height - other_height) <= 1
        small = [np.asarray(image.resize((700, height // 2), Image.BOX), dtype=float) for image in images]
        assert np.abs(small[0] - small[1]).mean() < 4, "run make figures"


@pytest.mark.parametrize("name", NAMES)
def test_figures_can_be_read_on_a_dark_page(name):
    with Image.open(ROOT / "assets" / f"{name}.png") as image:
        assert "transparency" not in image.info and image.mode in ("P", "RGB")
        pixels = np.asarray(image.convert("RGB"))
    edge = np.concatenate([pixels[:8].reshape(-1, 3), pixels[-8:].reshape(-1, 3)])
    assert (edge == 255).all(), "nothing may touch the upper or lower edge"
    assert (pixels[:, [0, 1, -2, -1]] == 255).all(), "nor the left or right one"


def test_shapes_of_the_unet_of_01():
    nb = definitions("01.ddpm.ipynb")
    x, t, y = torch.zeros(1, 3, 16, 16), torch.ones(1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    net = nb.UNet(nb.WIDTH, 5)
    with shapes_seen(net) as known:
        net(x, t, y)
        known["palette out"] = show(nb.UNet(nb.WIDTH, 5, nb.EXTRA)(x, t, y).shape[1:])
    check("ddpm-unet", known)


def test_numbers_of_the_chain():
    nb = definitions("01.ddpm.ipynb")
    alpha_bar = nb.to_alpha_bar(nb.cosine_beta(nb.T))
    check("ddpm-chain", {f"sqrt alpha_bar {t}": f"{alpha_bar[t].sqrt():.3f}" for t in range(nb.T + 1)})


def test_shapes_of_the_autoencoder_and_size_of_the_palette():
    nb = definitions("02.vae_latent_2d.ipynb")
    palette = nb.make_palette(figures.train_images(), nb.MOST_COLOURS)
    vae, x = nb.VAE(palette, nb.WIDTH, nb.EXTRA), torch.zeros(1, 3, 16, 16)
    with shapes_seen(vae) as known:
        mu, log_var = vae.encode(x)
        m, h = vae.colours(mu)
        vae.decode(mu)
    known.update({"x": show(x.shape[1:]), "z": show(mu.shape[1:]), "palette": str(len(palette))})
    parts = (("mu", mu), ("log_var", log_var), ("m", m), ("h", h))
    known.update({name: show(tensor.shape[1:]) for name, tensor in parts})
    check("vae-encoder-decoder", known)
    check("palette-head", known)


def test_bars_of_the_palette_head_are_the_arithmetic_of_the_notebooks():
    eight, m, rows = figures.eight_colours()
    near, correction, score, probability = (torch.from_numpy(row) for row in rows)
    for name in ("01.ddpm.ipynb", "02.vae_latent_2d.ipynb"):
        head = definitions(name).PaletteHead(eight, 1)
        head.correction.bias.data = correction
        scores = head(m[None], torch.zeros(1, 1), torch.full((1, 1), 5.0))[0]
        assert torch.allclose(scores, score, atol=1e-5)
    assert torch.allclose(near, 5 * (2 * eight @ m - eight.square().sum(1)), atol=1e-5)
    assert torch.allclose(probability, score.softmax(0))


def test_shapes_of_the_unet_of_03():
    nb = definitions("03.ldm_nano.ipynb")
    vocabulary = nb.build_vocabulary(figures.data()["captions"].tolist())
    z, t = torch.zeros(1, 4, 8, 8), torch.ones(1, dtype=torch.long)
    tokens, known = nb.tokenize([nb.PROMPT], vocabulary, nb.MAX_WORDS), {}
    for switch in ("CONCAT", "QKV"):  # one figure shows both, so they must agree
        net = nb.LatentUNet(nb.Arch(switch, len(vocabulary))).eval()
        with shapes_seen(net) as seen:
            words = net.condition(tokens)
            net(z, t, words)
        same = [key for key in known if key in seen and key.endswith("out")]
        assert [known[key] for key in same] == [seen[key] for key in same]
        known = {**seen, **known}  # what goes into the first convolution is CONCAT's
    known.update({"x": "3×16×16", "z": show(z.shape[1:]), "tokens": str(tokens.shape[1])})
    known["mean_word"] = show(nb.mean_word(words).shape[1:])
    known["concat channels"] = known["trunk.stem in"].split("×")[0]
    for name in ("ldm-unet", "ldm-figure3", "featuremap-tau"):
        check(name, known)


@pytest.fixture(scope="module")
def section_5():
    """The names that the cells of 03 leave which compute attention by hand, as a dictionary."""
    nb = definitions("03.ldm_nano.ipynb")
    wanted = ("by-hand-flatten", "by-hand-qkv", "split-heads", "by-hand-matrix", "by-hand-out")
    cells = [cell for cell in code_cells("03.ldm_nano.ipynb") if cell.id in wanted]
    assert len(cells) == len(wanted), "figures_ldm.toy() follows five cells of section 5: look where they are"
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells:
            exec(cell.source, nb.__dict__)
    return nb.__dict__


STAGES = ["flatten-featuremap", "Q", "KV", "attn-head", "attn-matrix", "attn-result", "add-attn"]


@pytest.mark.parametrize("name", STAGES)
def test_shapes_of_attention_by_hand(section_5, name):
    shown = notes(name)
    assert shown
    for tensor, shape in shown.items():
        sizes = section_5[tensor].shape
        assert shape == show(sizes if tensor.startswith("W_") else sizes[1:]), f"{tensor} in {name}"


def test_numbers_of_attention_by_hand(section_5):
    toy = figures_ldm.toy()
    hidden = section_5["mask_toy"][0].tolist()
    assert hidden == [False, False, True], "the figures call the last word padding"
    pairs = {"phi": "phi_toy", "flat": "flat_toy", "sequence": "sequence_toy", "Q": "Q_toy", "K": "K_toy"}
    pairs.update({"V": "V_toy", "scores": "scores", "weights": "weights_by_hand", "heads": "answer_heads"})
    pairs.update({"answer": "answer_by_hand"})
    for ours, theirs in pairs.items():
        assert np.allclose(getattr(toy, ours), section_5[theirs][0].numpy(), atol=1e-5), theirs
    for matrix, letter in zip(toy.W, "QKVO"):
        assert np.array_equal(matrix, section_5[f"W_{letter}_toy"].numpy())
