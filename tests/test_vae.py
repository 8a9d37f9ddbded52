"""The mathematics of 02.vae_latent_2d.ipynb: against torch.distributions, autograd, closed forms. And its weight files."""

import hashlib
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import interrupted_at
from notebooks import ROOT, code_cells, definitions
from torch.distributions import Independent, Normal, kl_divergence

NAME = "02.vae_latent_2d.ipynb"
WEIGHTS = ROOT / "assets" / "vae_latent_2d_emb4" / "best_vae.pt"
STATISTICS = {"latent_mean": torch.tensor([0.1, -0.2, 0.3, 0.0]), "latent_std": torch.tensor([1.0, 2.0, 0.5, 1.5])}
nb = definitions(NAME)


@pytest.fixture
def batch():
    """A sprite, its copy, and the mean and log-variance of its latent: (6, 3, 16, 16) twice, (6, 4, 8, 8) twice."""
    torch.manual_seed(0)
    return (
        torch.rand(6, 3, 16, 16) * 2 - 1,
        torch.rand(6, 3, 16, 16) * 2 - 1,
        torch.randn(6, 4, 8, 8),
        2 * torch.randn(6, 4, 8, 8),
    )


def awake(**arch):
    """A VAE away from the zeros it starts with."""
    torch.manual_seed(0)
    model = nb.VAE(**{"width": 16, "deep_blocks": 2, **arch})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The notebook with a handful of sprites as its data, in a temporary folder."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    sprites = torch.rand(60, 3, 16, 16) * 2 - 1
    for name, value in {"x_train": sprites[:40], "x_test": sprites[40:], "data_sha256": "0" * 64}.items():
        monkeypatch.setattr(nb, name, value, raising=False)
    return nb


# --- the two terms ---


def test_kl_equals_that_of_torch(batch):
    _, _, mu, log_var = batch
    theirs = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(nb.kl_divergence(mu, log_var), theirs, rtol=1e-4, atol=1e-5)
    assert nb.kl_divergence(torch.zeros(3), torch.zeros(3)).abs().max() == 0
    assert (nb.kl_divergence(mu, log_var) >= 0).all()


@pytest.mark.parametrize("s", [0.01, 0.1, 1.0])
def test_elbo_equals_that_of_torch(s, batch):
    x, x_hat, mu, log_var = batch
    prior = Independent(Normal(torch.zeros(4, 8, 8), 1.0), 3)
    q = Independent(Normal(mu, (log_var / 2).exp()), 3)
    theirs = Independent(Normal(x_hat, s), 3).log_prob(x) - kl_divergence(q, prior.expand((6,)))
    torch.testing.assert_close(nb.elbo(x, x_hat, mu, log_var, s), theirs, rtol=1e-4, atol=1e-2)


def test_loss_terms_are_means(batch):
    x, x_hat, mu, log_var = batch
    reconstruction, kl = nb.loss_terms(x, x_hat, mu, log_var)
    assert reconstruction.item() == pytest.approx((x - x_hat).square().sum().item() / (6 * 768), rel=1e-5)
    assert kl.item() == pytest.approx(nb.kl_divergence(mu, log_var).sum().item() / (6 * 256), rel=1e-5)


@pytest.mark.parametrize("s", [0.05, 0.5])
def test_gradients_of_loss_and_elbo_point_the_same_way(s, batch):
    """With the KL weight 2/3 s^2 the loss is the negative ELBO times 2 s^2 / 768, up to a constant."""
    x, *others = batch
    others = [value.clone().requires_grad_() for value in others]
    reconstruction, kl = nb.loss_terms(x, *others)
    of_loss = torch.autograd.grad(reconstruction + 2 / 3 * s**2 * kl, others)
    of_elbo = torch.autograd.grad(-nb.elbo(x, *others, s).mean() * 2 * s**2 / 768, others)
    for ours, theirs in zip(of_loss, of_elbo):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-8)


def test_the_bound_is_a_bound_and_tight_at_the_posterior():
    x, s = 1.5, 0.5
    log_p = Normal(0.0, math.sqrt(1 + s**2)).log_prob(torch.tensor(x)).item()
    m, v = x / (1 + s**2), s**2 / (1 + s**2)
    assert nb.toy_elbo(torch.tensor(m), v).item() == pytest.approx(log_p, abs=1e-5)
    for v_tried in (v / 9, v / 2, v, 3 * v):
        assert (nb.toy_elbo(torch.linspace(-4, 6, 101), v_tried) <= log_p + 1e-5).all()


# --- the trick ---


def test_drawn_latents_have_the_distribution_asked_for():
    torch.manual_seed(0)
    z = nb.reparameterize(torch.full((400_000,), 0.7), torch.full((400_000,), 2 * math.log(0.3)))
    assert z.mean().item() == pytest.approx(0.7, abs=2e-3)
    assert z.std().item() == pytest.approx(0.3, abs=2e-3)
    assert ((z - 0.7) / 0.3).pow(4).mean().item() == pytest.approx(3, abs=0.06)


def test_gradients_reach_mean_and_log_variance_exactly():
    torch.manual_seed(0)
    mu, log_var = torch.randn(4, 4, 8, 8, requires_grad=True), torch.randn(4, 4, 8, 8, requires_grad=True)
    torch.manual_seed(1)
    z = nb.reparameterize(mu, log_var)
    torch.manual_seed(1)
    eps = torch.randn_like(mu)
    of_mu, of_log_var = torch.autograd.grad(z.sum(), (mu, log_var))
    torch.testing.assert_close(of_mu, torch.ones_like(mu))
    torch.testing.assert_close(of_log_var, 0.5 * (log_var / 2).exp().detach() * eps)
    torch.testing.assert_close(z.detach(), (mu + (log_var / 2).exp() * eps).detach())


def test_gradients_are_those_of_the_expectation():
    """E[z^2] = mu^2 + sigma^2."""
    torch.manual_seed(0)
    mu, log_var = torch.tensor([0.7], requires_grad=True), torch.tensor([-1.0], requires_grad=True)
    nb.reparameterize(mu.expand(500_000), log_var.expand(500_000)).square().mean().backward()
    assert mu.grad.item() == pytest.approx(1.4, abs=0.01)
    assert log_var.grad.item() == pytest.approx(math.exp(-1), abs=0.01)


# --- the network ---


@pytest.mark.parametrize(
    "arch", [{}, {"width": 8, "enc_blocks": 0, "deep_blocks": 0}, {"width": 24, "enc_blocks": 2, "deep_blocks": 4}]
)
def test_shapes(arch, batch):
    model = nb.VAE(**{"width": 16, **arch})
    mu, log_var = model.encode(batch[0])
    assert mu.shape == log_var.shape == (6, 4, 8, 8)
    assert model.decode(mu).shape == (6, 3, 16, 16)
    assert {name: getattr(model, name) for name in arch} == arch


def test_every_parameter_gets_a_gradient(batch):
    model = awake()
    mu, log_var = model.encode(batch[0])
    reconstruction, kl = nb.loss_terms(batch[0], model.decode(nb.reparameterize(mu, log_var)), mu, log_var)
    (reconstruction + 0.1 * kl).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_log_variance_is_clamped(batch):
    model = awake()
    with torch.no_grad():
        model.encoder[-1].weight.mul_(1e4)
    _, log_var = model.encode(batch[0])
    assert log_var.min() == -20
    assert log_var.max() == 10


def test_a_sprite_does_not_depend_on_its_neighbours_in_the_batch(batch):
    model, x = awake().eval(), batch[0]
    torch.testing.assert_close(model.encode(x)[0][:1], model.encode(x[:1])[0], rtol=1e-4, atol=1e-5)
    z = batch[2]
    torch.testing.assert_close(model.decode(z)[:1], model.decode(z[:1]), rtol=1e-4, atol=1e-5)


def test_passes_in_parts_equal_one_pass(batch):
    model, x = awake().eval(), torch.cat([batch[0]] * 90)
    mu, log_var = nb.encode_all(model, x)
    with torch.no_grad():
        for ours, theirs in zip((mu, log_var), model.encode(x)):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(nb.decode_all(model, mu), model.decode(mu).clamp(-1, 1), rtol=1e-4, atol=1e-5)
    mean, std = nb.latent_statistics(model, x)
    normalised = (mu - mean.view(1, 4, 1, 1)) / std.view(1, 4, 1, 1)
    torch.testing.assert_close(normalised.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-4)
    torch.testing.assert_close(normalised.std((0, 2, 3)), torch.ones(4), rtol=1e-4, atol=1e-4)


# --- measures ---


def test_psnr_has_its_closed_form(batch):
    assert nb.psnr(torch.tensor(1e-4)).item() == pytest.approx(40)
    with np.load(ROOT / "data" / "sprites.npz") as data:
        x = nb.to_tensor(data["images"][:20])
    assert (nb.squared_error(x, x) < 1e-10).all()  # rounding to 8 bits gives the very pixels back
    assert nb.squared_error(x, x + 0.9 / 255).max() < 1e-10  # less than half a level is rounded away
    grey = torch.zeros(2, 3, 16, 16) + 1 / 255  # level 128
    wrong = nb.squared_error(grey, grey + 2 * 10 / 255)
    torch.testing.assert_close(wrong, torch.full((2,), (10 / 255) ** 2))
    assert nb.squared_error(-torch.ones(1, 3, 16, 16), torch.full((1, 3, 16, 16), 9.0)).item() == pytest.approx(1)  # clipped


def test_principal_axes_are_those_of_the_svd():
    torch.manual_seed(0)
    vectors = torch.randn(300, 12) @ torch.randn(12, 12) + 3
    mean, axes = nb.principal_axes(vectors, 3)
    _, _, right = torch.linalg.svd(vectors - vectors.mean(0))
    torch.testing.assert_close(mean, vectors.mean(0))
    torch.testing.assert_close((axes.T @ right[:3].T).abs(), torch.eye(3), rtol=1e-3, atol=1e-3)


def test_colours_are_counted():
    flat = torch.zeros(3, 3, 16, 16)
    assert nb.distinct_colours(flat) == 1
    flat[:, :, :4], flat[:, 0, 8:] = 1, -1
    assert nb.distinct_colours(flat) == 3


def test_mixtures_start_and_end_at_the_two():
    a, b = torch.randn(2, 4, 8, 8)
    line = nb.mix(a, b, 5)
    torch.testing.assert_close(line[0], a)
    torch.testing.assert_close(line[-1], b)
    torch.testing.assert_close(line[2], (a + b) / 2)


def test_hover_text_shows_the_sprite():
    image = np.full((16, 16, 3), 255, np.uint8)
    image[3, 4:6] = (255, 0, 0)
    lines = nb.as_text(image).split("<br>")
    assert len(lines) == 16
    assert lines[0] == " " * 32
    assert lines[3] == " " * 8 + '<span style="color:#f00">████</span>' + " " * 20


# --- training ---


def test_batches_are_training_sprites_as_they_are(small, monkeypatch):
    """No test sprite, no flip, no augmentation of any kind: what the loss sees is in the train split, pixel for pixel."""
    real, seen = small.loss_terms, []
    monkeypatch.setattr(small, "loss_terms", lambda x, *others: (seen.append(x), real(x, *others))[1])
    torch.manual_seed(0)
    small.train_vae(small.VAE(16), 1e-6, 9, lambda ema, history: history.update(test_reconstruction=[0.0], test_kl=[0.0]))
    batches = torch.cat(seen).flatten(1)
    assert batches.shape == (9 * small.BATCH, 768)
    equal = (batches[:, None] == small.x_train.flatten(1)[None]).all(2)
    assert (equal.sum(1) == 1).all()
    assert equal.any(0).all()  # and every training sprite is used


def test_no_test_sprite_is_a_training_sprite():
    with np.load(ROOT / "data" / "sprites.npz") as data:
        images, split = data["images"], data["split"]
    train = {image.tobytes() for image in images[split == 0]}
    assert not [image for image in images[split > 0] if image.tobytes() in train]


def test_no_cell_flips_or_mirrors():
    source = "\n".join(cell.source for cell in code_cells(NAME))
    assert not [word for word in ("flip", "rot90", "transforms", "[::-1]") if word in source]


def test_training_lowers_both_errors_and_repeats_with_the_seed(small):
    def run():
        torch.manual_seed(3)
        return small.vae_or_load("assets/x.pt", small.VAE(16, 1, 1), 1e-6, 40)

    (one, history), (two, again) = run(), run()
    assert history["test_reconstruction"][-1] < history["test_reconstruction"][0]
    assert history["reconstruction"] == again["reconstruction"]
    for ours, theirs in zip(one.parameters(), two.parameters()):
        assert torch.equal(ours, theirs)
    assert history["step"] == list(range(4, 44, 4))[: len(history["step"])]


def test_validation_leaves_the_random_numbers_of_training_alone(small):
    model = awake()
    torch.manual_seed(3)
    expected = torch.randn(5)
    torch.manual_seed(3)
    first = small.test_terms(model)
    assert torch.equal(torch.randn(5), expected)
    assert small.test_terms(model) == first


def test_a_stopped_training_keeps_what_was_learnt(small, monkeypatch, capsys):
    monkeypatch.setattr(small, "update_ema", interrupted_at(7, small.update_ema))
    model, history = small.vae_or_load("assets/x.pt", small.VAE(16), 1e-6, 1000)
    assert "Stopped" in capsys.readouterr().out
    assert len(history["kl"]) == 6
    assert torch.isfinite(small.decode_all(model, small.encode_all(model, small.x_test)[0])).all()
    assert (history["latent_std"] > 0).all()


def test_only_the_best_weights_are_kept(small, monkeypatch):
    terms = iter([(3.0, 0.0), (1.0, 0.0), (0.9, 1e6), (4.0, 0.0), *[(9.0, 0.0)] * 6])  # the third has a KL of 1e6 * 1e-6
    monkeypatch.setattr(small, "test_terms", lambda *args: next(terms))
    _, history = small.vae_or_load("assets/x.pt", small.VAE(16), 1e-6, 10)
    assert history["test_reconstruction"] == [3.0, 1.0]
    assert history["step"] == [1, 2]


def test_without_training_nothing_is_written(small, monkeypatch):
    small.save_vae("assets/x.pt", small.VAE(16), {**STATISTICS, "data_sha256": "0" * 64})
    before = {path: path.stat().st_mtime_ns for path in Path("assets").iterdir()}
    monkeypatch.setattr(small, "TRAIN", False)
    model, _ = small.vae_or_load("assets/x.pt", small.VAE(64), 1e-6, 1000)
    assert model.width == 16
    assert {path: path.stat().st_mtime_ns for path in Path("assets").iterdir()} == before


# --- weight files ---


def test_weights_and_statistics_survive_the_disk_in_half_precision(small, batch):
    model = awake(width=24, enc_blocks=2, deep_blocks=1)
    small.save_vae("assets/x.pt", model, {**STATISTICS, "data_sha256": "ab" * 32, "kl": [1.0, 2.0]})
    raw = torch.load("assets/x.pt", weights_only=True)
    assert {value.dtype for value in raw["weights"].values()} == {torch.float16}
    assert raw["arch"] == {"width": 24, "enc_blocks": 2, "deep_blocks": 1}
    loaded, history = small.load_vae("assets/x.pt")
    assert history["data_sha256"] == "ab" * 32
    assert history["kl"] == [1.0, 2.0]
    for name, value in STATISTICS.items():
        assert history[name].shape == (1, 4, 1, 1)
        assert torch.equal(history[name].flatten(), value)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    mu, _ = small.encode_all(loaded, batch[0])
    with torch.no_grad():
        torch.testing.assert_close(mu, model.encode(batch[0])[0], rtol=1e-2, atol=1e-2)
    digest = hashlib.sha256(Path("assets/x.pt").read_bytes()).hexdigest()
    assert small.read_checksums("assets/SHA256SUMS") == {"assets/x.pt": digest}


class Evil:
    def __reduce__(self):
        return (os.system, ("touch executed",))


DAMAGES = ["truncated", "text", "empty", "width", "network", "foreign", "no statistics", "wrong statistics", "code"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_wrong_weight_file_is_named_with_the_notebook_that_makes_it(damage, small):
    small.save_vae("assets/x.pt", small.VAE(16), {**STATISTICS, "data_sha256": "0" * 64})
    raw, path = Path("assets/x.pt").read_bytes(), Path("assets/best_vae.pt")
    saved = torch.load("assets/x.pt", weights_only=True)
    content = {"truncated": raw[: len(raw) // 2], "text": b"<html>not found</html>", "empty": b""}
    if damage in content:
        path.write_bytes(content[damage])
    else:
        things = {
            "width": {**saved, "arch": {**saved["arch"], "width": 8}},
            "network": {**saved, "arch": {"width": 48, "target": "x_0"}},
            "foreign": {"state_dict": {}},
            "no statistics": {key: value for key, value in saved.items() if key != "latent_std"},
            "wrong statistics": {**saved, "latent_std": torch.ones(3)},
            "code": {**saved, "weights": Evil()},
        }
        torch.save(things[damage], path)
    with pytest.raises(ValueError, match=r"best_vae\.pt .*run 02\.vae_latent_2d\.ipynb with TRAIN = True") as caught:
        small.load_vae(str(path))
    assert str(caught.value).count("\n") == 0
    assert caught.value.__suppress_context__
    assert not Path("executed").exists()


def test_a_missing_weight_file_is_named_with_what_to_do(small, monkeypatch):
    monkeypatch.setattr(small, "REPO_URL", "http://127.0.0.1:9")
    with pytest.raises(FileNotFoundError, match=r"or run 02\.vae_latent_2d\.ipynb with TRAIN = True to make it"):
        small.fetch_vae("assets/vae_latent_2d_emb4/best_vae.pt")
    assert not [path for path in Path("assets").rglob("*") if path.is_file()]


def test_a_killed_save_leaves_the_last_weights_whole(small, monkeypatch):
    facts = {**STATISTICS, "data_sha256": "0" * 64}
    small.save_vae("assets/x.pt", small.VAE(16), {**facts, "kl": [1.0]})
    before, real_save = Path("assets/x.pt").read_bytes(), torch.save

    def killed(*args):
        raise SystemExit("killed half way")

    monkeypatch.setattr(torch, "save", lambda thing, path: (real_save({"half": 1}, path), killed()))
    with pytest.raises(SystemExit):
        small.save_vae("assets/x.pt", small.VAE(16), {**facts, "kl": [2.0]})
    assert Path("assets/x.pt").read_bytes() == before
    assert small.load_vae("assets/x.pt")[1]["kl"] == [1.0]


# --- the committed weights ---


@pytest.fixture(scope="module")
def committed():
    """The VAE of the repository, its history, the test sprites and their copies."""
    model, history = nb.load_vae(str(WEIGHTS))
    with np.load(ROOT / "data" / "sprites.npz") as data:
        x = nb.to_tensor(data["images"][data["split"] == 1])
    mu, _ = nb.encode_all(model, x)
    return history, x, mu, nb.decode_all(model, mu), model


def test_committed_weights_reach_their_bars(committed):
    _, x, _, x_hat, _ = committed
    errors = nb.squared_error(x, x_hat)
    assert nb.psnr(errors.mean()) >= 32
    assert nb.psnr(errors).min() >= 20
    assert nb.distinct_colours(x_hat) <= 3 * nb.distinct_colours(x)


def test_committed_weights_hold_all_that_notebook_03_needs(committed):
    history, _, mu, _, model = committed
    assert history["data_sha256"] == hashlib.sha256((ROOT / "data" / "sprites.npz").read_bytes()).hexdigest()
    normalised = (mu - history["latent_mean"]) / history["latent_std"]
    assert normalised.mean((0, 2, 3)).abs().max() < 0.1
    assert (normalised.std((0, 2, 3)) - 1).abs().max() < 0.1
    assert (model.width, model.enc_blocks, model.deep_blocks) == (nb.WIDTH, nb.ENC_BLOCKS, nb.DEEP_BLOCKS)
    for file in WEIGHTS.parent.glob("*.pt"):
        saved = torch.load(file, map_location="cpu", weights_only=True)
        assert {value.dtype for value in saved["weights"].values()} == {torch.float16}
        assert all(torch.isfinite(value).all() for value in saved["weights"].values())


def test_the_committed_latent_is_a_map(committed):
    """Crossing two latents crosses the sprites: away from the seam, rows are as good as any reconstruction."""
    _, x, mu, _, model = committed
    crossed = nb.decode_all(model, torch.cat([mu[:100, :, :4], mu[100:200, :, 4:]], dim=2))
    expected = torch.cat([x[:100, :, :8], x[100:200, :, 8:]], dim=2)
    error = ((crossed - expected) / 2).square().mean((0, 1, 3))  # (16,) by row
    assert nb.psnr(error[[0, 1, 2, 13, 14, 15]].mean()) >= 25
