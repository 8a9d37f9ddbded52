"""The shelf: six notebooks of one question each. As documents, their mathematics, run whole with tiny parameters."""

import ast
import contextlib
import json
import os
import re
import types

import pytest
import test_ddpm
import test_ldm
import torch
from helpers import SHELF, Quiet, errors_and_stderr, execute, files, pictures, serve, solutions, text_of, thrice
from measures import kernel_distance
from notebooks import NOTEBOOKS, ROOT, code_cells, parsed, read
from torch.testing import assert_close

TINY = {
    "copy_or_create": {"SAMPLES": 8, "SETS": 2, "SIZES": [20, 50], "SEEDS": 1, "WIDTH": 8, "BATCH": 8, "STEPS": 3},
    "inside_attention": {"DRAWS": 1, "SAMPLES": 6, "STEPS_DDIM": 2, "STEPS_TOY": 3, "STEPS_READER": 3, "WIDTH_SHORT": 8},
    "inside_the_latent": {"SEEDS": 1, "STEPS": 2, "WIDTH": 8, "SPRITES": 12, "DRAWN": 12, "STRIDE": 20},
    "samplers": {"SPRITES": 6, "SEEDS": 1, "SAMPLES": 10, "CALLS": 200, "STEPS_TRIED": (5, 20), "STEPS_READER": 5},
    "what_stable_diffusion_does": {"SEEDS": 1, "SAMPLES": 8, "REPEATS": 1, "STEPS": 2, "STEPS_READER": 3, "WIDTH_FLOW": 8},
    "what_to_predict": {"SEEDS": 1, "WIDTH": 8, "BATCH": 4, "STEPS": 2, "STEPS_READER": 2, "CHECKED": 4, "SAMPLES": 12},
}
TINY["copy_or_create"].update(STEPS_PIXEL=3, STEPS_LATENT=3, STEPS_READER=20)
TINY["inside_attention"].update(STEPS_SHORT=2, STEPS_CONCAT=2, TRAININGS=1, TIMED=1)
TINY["samplers"].update(WIDTH_GUIDE=8, STEPS_GUIDE=3, SCALES=(1, 2))
TINY["what_stable_diffusion_does"].update(STEPS_FLOW=4, STEPS_FINE=4)
each = pytest.mark.parametrize("name", SHELF)
HEADER = next(cell for cell in code_cells(SHELF[0]) if cell.id == "definitions").source


def named(name):
    """What a notebook defines: the names of its functions and classes."""
    nodes = [node for cell in code_cells(name) for node in ast.walk(ast.parse(cell.source))]
    return {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


@each
def test_asks_guesses_answers_is_plain_and_defines_nothing_of_the_three_again(name):
    assert [f"deeper/{question}.ipynb" for question in TINY] == SHELF
    cells, code, text = read(name).cells, code_cells(name), text_of(name)
    lines = "\n".join([cell.source for cell in code] + solutions(name)).splitlines()
    assert [line for line in lines if len(line) > 88] == []
    assert [cell.source for cell in code if "definitions_of(name)" in cell.source] == [HEADER]
    theirs = set().union(*map(named, NOTEBOOKS))
    assert {"train", "UNet", "sample"} <= theirs and (named(name) - {"__init__", "forward", "ask"}) & theirs == set()
    assert re.findall(r"\btyping\b|\bpartial\(|[Nn]amed_?[Tt]uple|\bglobal\b", "\n".join(lines)) == []
    assert re.match(r"# .*\?\n", cells[0].source) and re.search(r"minutes?|seconds", cells[0].source)
    assert re.search(r"\]\(\.\./0\d[\w.]+\.ipynb\)", cells[0].source)  # the notebook that it follows
    assert "our guess" in text and re.findall(r"TODO|FIXME|@@", text) == []
    assert re.search(r"(?ms)^## The answer.*^##+ What this does not show", text) and 2 <= len(solutions(name)) <= 3
    folded = [cell for cell in code if cell.source.startswith("# @title ")]
    assert all(cell.metadata.get("jupyter", {}).get("source_hidden") for cell in folded)
    (tagged,) = [cell for cell in cells if "picture" in cell.metadata.get("tags", [])]
    assert (ROOT / "assets" / name.replace(".ipynb", ".png")).exists()  # for the README


def test_definitions_of_executes_definitions_and_constants_alone_and_says_what_cannot_be_had(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("header")
    exec(HEADER.replace('REPO = "https://raw.githubusercontent.com', 'REPO = "http://127.0.0.1:9'), module.__dict__)
    source = "import math\nfrom math import pi\nTWO = 2\nraise_it = 1 / 0\nprint(no)\nSIZE = len(data)\n"
    source += "def f():\n    return TWO * other\nclass A:\n    pass"
    cells = [{"cell_type": "code", "source": source.splitlines(True)}, {"cell_type": "markdown", "source": ["# (no Python"]}]
    (tmp_path / "x.ipynb").write_text(json.dumps({"cells": cells}), "utf-8")
    found = module.definitions_of("x.ipynb")
    found.other = 21
    assert found.f() == 42 and sorted(n for n in vars(found) if n[:2] != "__") == ["A", "TWO", "f", "math", "other", "pi"]
    (tmp_path / "empty.ipynb").write_text("")
    (tmp_path / "half.ipynb").write_text("{half")
    for name in ("none", "empty", "half"):
        with pytest.raises(OSError, match=rf"^{name}.ipynb is missing or damaged, and http.* put it there by hand.*$"):
            module.definitions_of(f"{name}.ipynb")


def shelf(question, **objects):
    """The definitions of a notebook of the shelf, with these in place of its module-level objects."""
    module = types.ModuleType(question)
    module.__dict__.update(objects)
    for code, _ in parsed(f"deeper/{question}.ipynb", ROOT):
        with contextlib.suppress(NameError):  # what takes other objects
            exec(code, module.__dict__)
    module.__dict__.update(objects)
    return module


def test_distances_of_distributions_are_their_closed_form_and_their_definition():
    torch.manual_seed(0)
    a = torch.randn(50_000, 2) * torch.tensor([1.0, 1.5]) + torch.tensor([0.5, 0.0])
    b = torch.randn(50_000, 2) * torch.tensor([1.0, 0.5])
    for frechet in (shelf("copy_or_create").frechet, shelf("what_stable_diffusion_does", features=lambda x: x).frechet):
        assert frechet(a, b) == pytest.approx(0.25 + (1.5 - 0.5) ** 2, abs=0.03)
        assert frechet(a, a) == pytest.approx(0, abs=1e-4)
    few = a[:200].double(), b[:300].double()
    assert shelf("copy_or_create").kernel_distance(*few) == pytest.approx(kernel_distance(*few), rel=1e-6)
    energy = shelf("samplers").distance([a[:900]], [a[900:1800]]), shelf("samplers").distance([b[:900]], [a[900:1800]])
    assert abs(energy[0]) < 1 < energy[1]


def test_a_step_of_algorithm_2_draws_from_the_posterior_of_bayes_the_product_of_two_gaussians():
    grid = torch.linspace(-8, 8, 400_001, dtype=torch.double)
    nb = shelf("samplers", grid=grid, cell=(grid[1] - grid[0]).item())
    for s, t in ((1, 2), (299, 300), (100, 400)):
        ddpm, means, kept = test_ddpm.notebook(), [], []
        a_prev, a = ddpm.alpha_bar[[s, t]].tolist()
        for x_t in (0.5, 0.4):
            product = nb.multiply(0.4, x_t, a_prev, a / a_prev)[2] * nb.cell
            means.append((product * grid).sum().item())
            variance = (product * (grid - means[-1]) ** 2).sum().item()
            assert (means[-1], variance) == pytest.approx(nb.posterior(0.4, x_t, a_prev, a / a_prev), rel=1e-3)
        ddpm.alpha_bar, ddpm.T = ddpm.alpha_bar[[0, s, t]], 2  # so that the first step goes from t to s
        torch.manual_seed(0)
        ddpm.sample_ancestral(None, lambda net, x, t, y, kept=kept: kept.append(x) or 0 * x + 0.4, torch.zeros(300).long())
        rest = kept[1] - means[1] - (means[0] - means[1]) / 0.1 * (kept[0] - 0.4)  # the mean is a straight line in x_t
        assert (rest.mean().item(), (rest * kept[0]).mean().item()) == pytest.approx((0, 0), abs=5e-3)
        assert rest.var().item() == pytest.approx(variance, rel=0.02)


def test_targets_are_tied_together_and_the_ideal_guess_is_the_mean_of_the_posterior_over_the_training_sprites():
    """A perfect v gives the sprite; an error of the sprite or the noise is one of v by the factor of the weight."""
    ddpm, i, seen = test_ddpm.notebook(), torch.arange(40), []
    nb = shelf("what_to_predict", ddpm=ddpm, CLIP=0.0)
    torch.manual_seed(0)
    x_0, eps, x_t, t = ddpm.noised(i)
    a = ddpm.alpha_bar[t].view(-1, 1, 1, 1)
    v = a.sqrt() * eps - (1 - a).sqrt() * x_0
    assert_close(nb.guess_v(lambda *asked: v, x_t, t, i), x_0, atol=1e-5, rtol=1e-4)
    sprite, noise = 0.9 * x_0 + 0.01, 0.95 * eps
    by_sprite, by_noise = (a.sqrt() * x_t - sprite) / (1 - a).sqrt(), (noise - (1 - a).sqrt() * x_t) / a.sqrt()
    pairs = [(nb.loss_v, v + 0.1, v + 0.1), (nb.loss_sprite_in_v, sprite, by_sprite), (nb.loss_noise_in_v, noise, by_noise)]
    for loss, answer, as_v in pairs:
        torch.manual_seed(0)
        found = loss(lambda *asked, answer=answer: seen.append(asked) or answer, i)
        assert found.item() == pytest.approx((as_v - v).square().mean().item(), rel=1e-2)
    assert all(torch.equal(asked[0], x_t) for asked in seen)
    x, t, y = ddpm.to_sprites(ddpm.index_train), torch.full((6,), 250), torch.arange(6) % 5
    x_t = ddpm.q_sample(x[:6] * 0.9, t, torch.randn(6, 3, 16, 16))
    a, found = ddpm.alpha_bar[250], nb.guess_ideal(None, x_t, t, y)
    for k in range(6):
        own = x[ddpm.y_train == y[k]]
        log_p = -(x_t[k] - a.sqrt() * own).square().sum((1, 2, 3)) / (2 * (1 - a))
        expected = (log_p.softmax(0)[:, None, None, None] * own).sum(0)
        assert_close(found[k], expected, atol=1e-3, rtol=1e-3)


def test_flow_walks_and_masks():
    ldm = test_ldm.notebook()
    qkv, tokens = test_ldm.network(ldm, "QKV"), ldm.tokenize(test_ldm.CAPTIONS)
    nb = shelf("what_stable_diffusion_does", ldm=ldm, qkv=qkv, a=torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1), STEPS=8)
    seen, i = [], torch.arange(40)
    torch.manual_seed(0)
    found = nb.loss_flow(lambda *asked: seen.append(asked) or 0.3 * asked[0], i)
    s = (seen[0][1] / ldm.T).view(-1, 1, 1, 1)
    eps = (seen[0][0] - (1 - s) * ldm.z_train[i]) / s
    assert eps.std().item() == pytest.approx(1, abs=0.05)
    assert found.item() == pytest.approx((0.3 * seen[0][0] - (eps - ldm.z_train[i])).square().mean().item(), rel=1e-3)
    z, t = torch.linspace(-2, 2, 9), 0.6
    p = torch.stack([-((z - (1 - t) * x) ** 2) / (2 * t**2) for x in (-1, 1)]).softmax(0)
    assert_close(nb.velocity_toy(z, torch.tensor(t)), (p * torch.stack([(z + 1) / t, (z - 1) / t])).sum(0))
    end = torch.randn(5, 4, 8, 8)
    straight = nb.euler(lambda x, t: (x - end) / t, torch.randn(5, 4, 8, 8), 7)
    assert_close(straight[-1], end, atol=1e-5, rtol=1e-4)
    assert nb.stretch(straight) == pytest.approx(1, abs=1e-4)
    torch.manual_seed(3)
    plain = ldm.sample(qkv, tokens, 2.0, 8)[-1]
    torch.manual_seed(3)
    z_T = torch.randn(5, 4, 8, 8)
    walked = nb.walk_back(lambda z, t: ldm.guess(qkv, z, t, tokens, 2.0), z_T, ldm.T, 8)
    assert_close(walked[-1], plain)
    kept, mask = torch.randn(5, 4, 8, 8), torch.eye(8)
    masked = nb.walk_back(lambda z, t: ldm.guess(qkv, z, t, tokens, 2.0), z_T, ldm.T, 8, kept, mask)[-1]
    assert torch.equal(masked * mask, kept * mask) and not torch.equal(masked, kept)
    ends = "red potion", "side long red hair blue robe"  # of unequal length
    walk = nb.walk_prompts_mixed(ends, z_T[:1])
    for k, prompt in ((0, ends[0]), (2, ends[1])):
        assert torch.equal(walk[k], ldm.decode(nb.draw_from([prompt], z_T[:1], ldm.T))[0])


def test_a_single_word_is_all_that_one_word_hears():
    ldm = test_ldm.notebook()
    nb, plain = shelf("inside_attention", ldm=ldm), test_ldm.network(ldm, "QKV")
    torch.manual_seed(0)
    one = nb.OneWord(16, "QKV")
    one.load_state_dict(plain.state_dict())
    z, t = torch.randn(2, 4, 8, 8), torch.tensor([100, 400])
    short, long = ldm.tokenize(["red", "blue"]), ldm.tokenize(test_ldm.CAPTIONS[:2])
    assert_close(one.eval()(z, t, short), plain(z, t, short), atol=1e-5, rtol=1e-4)
    assert (one(z, t, long) - plain(z, t, long)).abs().max() > 1e-4 and (one.look[0].weights == 1).all()


def test_linear_maps_are_least_squares_and_projections():
    x, y = torch.randn(50, 768), torch.randn(50, 3)
    axes = torch.linalg.qr(torch.randn(768, 768))[0]
    nb = shelf("inside_the_latent", axes_pca=axes, centre=x.mean(0))
    assert_close(nb.squeeze(x, 768), x, atol=1e-3, rtol=1e-3)
    once = nb.squeeze(x, 10)
    assert_close(nb.squeeze(once, 10), once, atol=1e-3, rtol=1e-3)
    expected = torch.linalg.lstsq(torch.cat([x[:, :7], torch.ones(50, 1)], 1), y).solution
    assert_close(nb.least_squares(x[:, :7], y), expected, atol=1e-4, rtol=1e-3)


class Repository(Quiet):
    """The repository as its address serves it, but for the address itself, which is this server's."""

    served, asked = ROOT, []

    def do_GET(self):
        if not self.path.endswith(".ipynb"):
            return super().do_GET()
        text = (ROOT / self.path.lstrip("/")).read_text("utf-8")
        self.send_response(200)
        self.end_headers()
        return self.wfile.write(re.sub(r'REPO = \\"[^"]*\\"', f'REPO = \\\\"{self.server.url}\\\\"', text).encode())


@each
def test_runs_alone_in_a_folder_every_cell_twice_and_stopped(name, offline, tmp_path):
    """As Colab opens it: notebooks, data and weights come from the repository's address. Then its solutions."""
    httpd, env = serve(Repository), {**os.environ, "PYTHONPATH": str(offline)}
    nb = execute(thrice(read(name), solutions(name)), tmp_path, env, httpd.url, **TINY[name[7:-6]])
    httpd.shutdown()
    assert [(where, o.get("text") or o.get("evalue")) for where, o in errors_and_stderr(nb)] == []
    first, second = pictures(nb, "-1"), pictures(nb, "-2")
    assert sum(map(len, first.values())) >= 3 and [key for key in first if first[key] != second.get(key)] == []
    assert [path for path in files(tmp_path) if (tmp_path / path).read_bytes() != (ROOT / path).read_bytes()] == []
    assert "data/sprites.npz" in files(tmp_path)
