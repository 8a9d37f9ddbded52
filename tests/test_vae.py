"""The mathematics of 02.vae_latent_2d.ipynb: against torch.distributions, numpy and closed forms. Nothing real is trained."""

import math
import warnings

import numpy as np
import pytest
import torch
from notebooks import ROOT, opened
from test_ddpm import PALETTE, run, seeded, small, stirred, stopped_at
from torch.distributions import Categorical, Independent, Normal, kl_divergence
from torch.nn import functional as F

pytestmark = pytest.mark.quick
NAME = "02.vae_latent_2d.ipynb"


@pytest.fixture
def nb():
    return small(NAME, BATCH=8, WIDTH=16)


@pytest.fixture
def cloud():
    """The mean and log variance of six latents."""
    return torch.randn(6, 4, 8, 8, generator=seeded()), 2 * torch.randn(6, 4, 8, 8, generator=seeded(1))


@pytest.fixture
def vae(nb):
    vae = stirred(nb.VAE(16))
    vae.kl_weight = 0.3
    return vae


# --- the two prices ---


def test_kl_equals_that_of_torch_with_its_gradients(nb, cloud):
    found = []
    for kl in (nb.kl_divergence, lambda mu, log_var: kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0))):
        mu, log_var = (part.clone().requires_grad_() for part in cloud)
        value = kl(mu, log_var)
        assert (value >= 0).all()
        found.append((value.detach(), *torch.autograd.grad(value.sum(), (mu, log_var))))
    for ours, theirs in zip(*found):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert nb.kl_divergence(torch.zeros(3), torch.zeros(3)).abs().max() == 0
    assert nb.kl_divergence(torch.tensor(2.0), torch.tensor(0.01).log()).item() == pytest.approx(3.81, abs=5e-3)  # the text
    other = kl_divergence(Normal(0.0, 1.0), Normal(cloud[0], (cloud[1] / 2).exp()))  # the other way round
    assert (other - found[0][0]).abs().max() > 1


def test_a_draw_has_the_distribution_asked_for_and_lets_gradients_through(nb):
    """E[z^2] = mu^2 + sigma^2, so its derivatives are 2 mu and, for log sigma^2, sigma^2."""
    mu, log_var = torch.tensor([0.7], requires_grad=True), torch.tensor([-1.0], requires_grad=True)
    torch.manual_seed(0)
    z = nb.draw_z(mu.expand(500_000), log_var.expand(500_000))
    assert z.mean().item() == pytest.approx(0.7, abs=3e-3)
    assert z.var().item() == pytest.approx(math.exp(-1), abs=3e-3)
    assert ((z - 0.7) / math.exp(-0.5)).pow(4).mean().item() == pytest.approx(3, abs=0.06)
    z.square().mean().backward()
    assert mu.grad.item() == pytest.approx(1.4, abs=0.01)
    assert log_var.grad.item() == pytest.approx(math.exp(-1), abs=0.01)


def terms(nb, vae, i):
    """Nats of colours and of the latent for each sprite, by torch.distributions; and the z that was drawn."""
    mu, log_var = vae.encode(nb.to_sprites(nb.index_train[i]))
    q = Independent(Normal(mu, (log_var / 2).exp()), 3)
    z = mu + (log_var / 2).exp() * torch.randn_like(mu)
    p = Independent(Categorical(logits=vae.decode(z).permute(0, 2, 3, 1)), 2)
    prior = Independent(Normal(torch.zeros_like(mu), 1.0), 3)
    return -p.log_prob(nb.index_train[i]), kl_divergence(q, prior)


def test_the_loss_is_eq_5_with_its_gradients(nb, vae):
    i, parameters = torch.arange(12), list(vae.parameters())
    for weight in (0.0, 0.3, 1.0):
        vae.kl_weight = weight
        torch.manual_seed(4)
        ours = nb.loss_vae(vae, i)
        torch.manual_seed(4)
        colours, latent = terms(nb, vae, i)
        theirs = (colours + weight * latent).mean() / 256
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)
        if weight == 1:  # then it is minus the ELBO, for each pixel
            gradients = (torch.autograd.grad(loss, parameters) for loss in (ours, theirs))
            for one, other in zip(*gradients):
                torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
        if weight == 0:
            assert ours.item() == pytest.approx(colours.mean().item() / 256, rel=1e-4)
            assert latent.mean() > 1
    scores = vae.decode(vae.encode(nb.to_sprites(nb.index_train[i]))[0])
    torch.testing.assert_close(nb.loss_autoencoder(vae, i), F.cross_entropy(scores, nb.index_train[i]))


def test_the_message_is_counted_in_bits(nb, vae):
    class Silent:
        """Says nothing, and gives all colours the same probability."""

        encode = staticmethod(lambda x: (torch.zeros(len(x), 4, 8, 8),) * 2)
        decode = staticmethod(lambda z: torch.zeros(len(z), 7, 16, 16))

    assert nb.message(Silent, nb.index_train) == pytest.approx((256 * math.log2(7), 0))
    torch.manual_seed(4)
    found = nb.message(vae, nb.index_train)
    torch.manual_seed(4)
    with torch.no_grad():
        expected = [part.mean().item() / math.log(2) for part in terms(nb, vae, torch.arange(40))]
    assert found == pytest.approx(expected, rel=1e-4)


# --- the network ---


@pytest.mark.parametrize("colours", [2, 256])
def test_shapes_and_the_clamp_of_the_log_variance(nb, colours):
    nb.K = colours
    vae = nb.VAE(24)
    with torch.no_grad():
        vae.encoder[-1].weight.mul_(1e4)
    mu, log_var = vae.encode(torch.randn(3, 3, 16, 16))
    assert mu.shape == log_var.shape == (3, 4, 8, 8)
    assert vae.decode(mu).shape == (3, colours, 16, 16)
    assert (log_var.min(), log_var.max()) == (-20, 10)
    assert mu.abs().max() > 20


def test_conv_blocks_begin_by_changing_nothing(nb):
    x = torch.randn(2, 16, 8, 8)
    assert torch.equal(nb.ConvBlock(16)(x), x)
    assert not torch.allclose(stirred(nb.ConvBlock(16))(x), x)


def test_every_parameter_gets_a_gradient_after_the_first_steps(nb):
    torch.manual_seed(0)
    vae = nb.VAE(16)
    vae.kl_weight = 0.1
    nb.train(vae, nb.loss_vae, 2)
    vae.zero_grad()
    nb.loss_vae(vae, torch.arange(40)).backward()
    for name, parameter in vae.named_parameters():
        assert parameter.grad.abs().max() > 0, name
    vae.zero_grad()
    nb.loss_autoencoder(vae, torch.arange(40)).backward()
    assert vae.encoder[-1].weight.grad[:4].abs().max() > 0
    assert vae.encoder[-1].weight.grad[4:].abs().max() == 0  # a plain autoencoder has no variance to learn


def test_each_position_of_the_latent_is_mostly_about_its_own_pixels():
    """In the committed network, on test sprites. With the positions of the latent scrambled, it is not."""
    nb = opened(NAME)
    vae = nb.VAE(nb.WIDTH)
    nb.load_weights(str(ROOT / "assets" / "vae_latent_2d_emb4" / "best_vae.pt"), vae, NAME)
    z, order = nb.encode(vae, nb.index_test[:20])[0], torch.randperm(64, generator=seeded())
    found = {False: [], True: []}
    for scrambled, own in found.items():
        for k in range(0, 64, 5):
            other = z.clone()
            other[:, :, k // 8, k % 8] += 2
            both = (part.flatten(2)[:, :, order].view(z.shape) if scrambled else part for part in (z, other))
            with torch.no_grad():
                before, after = (vae.decode(part) for part in both)
            change = (after - before).abs().mean((0, 1)).view(8, 2, 8, 2).mean((1, 3))  # (8, 8)
            own.append(change.argmax().item() == k)
    assert sum(found[False]) >= 9  # of 13; by chance none
    assert sum(found[True]) <= 2
    x = nb.to_sprites(nb.index_test[:20]).requires_grad_()
    vae.encode(x)[0][:, :, 3, 5].square().sum().backward()
    seen = x.grad.abs().sum((0, 1)).view(8, 2, 8, 2).sum((1, 3))  # (8, 8)
    assert seen.argmax() == 3 * 8 + 5
    assert seen[2:5, 4:7].sum() > 0.5 * seen.sum()


def test_encoding_and_decoding_in_parts(nb, vae):
    index = nb.index_train.repeat(13, 1, 1)  # more than one part of 500
    mu, log_var = nb.encode(vae, index)
    assert not mu.requires_grad
    with torch.no_grad():
        for ours, theirs in zip((mu, log_var), vae.encode(nb.to_sprites(index))):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
        copies, scores = nb.decode(vae, mu), vae.decode(mu)
    assert copies.shape == (520, 16, 16)
    assert copies.dtype == torch.long
    assert (copies == scores.argmax(1)).float().mean() > 0.999
    assert 0 <= copies.min() < copies.max() < 7
    torch.testing.assert_close(mu[3:4], nb.encode(vae, index[3:4])[0], rtol=1e-4, atol=1e-5)  # neighbours have no say


# --- training ---


@pytest.mark.parametrize("call", [1, 4])
def test_stopping_keeps_what_was_learnt_and_the_cells_below_go_on(nb, call, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nb, "loss_vae", stopped_at(call, nb.loss_vae))
    nb.losses_autoencoder = [2.0, 1.0]
    run(nb, "PATH = ", "vae = ", "vae.kl_weight = ", "if TRAIN:\n    start")
    assert "Stopped" in capsys.readouterr().out
    assert len(nb.facts["losses"]) == call - 1
    assert (nb.std > 0).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(nb, 'for name, losses in (("autoencoder"')
        nb.plt.gcf().canvas.draw()
    nb.plt.close("all")
    assert not nb.vae.training
    monkeypatch.setattr(nb, "TRAIN", False)  # what was saved is what there is
    kept = [p.half().float() for p in nb.vae.parameters()]
    run(nb, "vae = ", "vae.kl_weight = ", "if TRAIN:\n    start")
    assert all(torch.equal(a, b) for a, b in zip(nb.vae.parameters(), kept))
    run(nb, "mean, std = facts")
    mu = nb.encode(nb.vae, nb.index_train)[0]
    scaled = (mu - nb.mean.view(1, 4, 1, 1)) / nb.std.view(1, 4, 1, 1)
    torch.testing.assert_close(scaled.mean((0, 2, 3)), torch.zeros(4), atol=0.03, rtol=0)
    torch.testing.assert_close(scaled.std((0, 2, 3)), torch.ones(4), atol=0.03, rtol=0)


# --- measures ---


def test_psnr_is_that_of_the_8_bit_pictures(nb):
    index = nb.index_train[:6]
    copies = index.clone()
    for k in range(1, 6):
        copies[k, :k] = (index[k, :k] + k) % 7  # more and more rows are wrong
    found = (10 * (255**2 / nb.squared_error(index, copies)).log10()).tolist()
    levels = ((PALETTE + 1) * 127.5).round().byte().numpy().astype(float)
    for k in range(1, 6):
        squares = np.square(levels[index[k].numpy()] - levels[copies[k].numpy()])
        assert found[k] == pytest.approx(10 * math.log10(255**2 / squares.mean()), abs=1e-3)
    assert found[0] == math.inf
    nb.palette, one = torch.tensor([[0, 0, 0], [1, 0, 0]]) / 127.5 - 1, torch.zeros(1, 16, 16).long()
    one[0, 3, 3] = 1  # the smallest error there is
    assert nb.squared_error(torch.zeros_like(one), one).item() == pytest.approx(1 / 768, rel=1e-3)
