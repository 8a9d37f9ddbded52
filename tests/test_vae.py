"""The mathematics of 02.vae_latent_2d.ipynb: against torch.distributions, numpy and closed forms. Nothing real is trained."""

import math

import numpy as np
import pytest
import torch
from test_ddpm import PALETTE, every_parameter_learns, seeded, small, stirred
from torch.distributions import Categorical, Independent, Normal, kl_divergence
from torch.nn import functional as F
from torch.testing import assert_close

pytestmark = pytest.mark.quick


@pytest.fixture
def nb():
    return small("02.vae_latent_2d.ipynb", BATCH=8, WIDTH=16)


def test_kl_equals_that_of_torch_with_its_gradients(nb):
    cloud, found = [torch.randn(6, 4, 8, 8, generator=seeded()), 2 * torch.randn(6, 4, 8, 8, generator=seeded(1))], []
    for kl in (nb.kl_divergence, lambda mu, log_var: kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0))):
        mu, log_var = (part.clone().requires_grad_() for part in cloud)
        value = kl(mu, log_var)
        found.append((value.detach(), *torch.autograd.grad(value.sum(), (mu, log_var))))
    for ours, theirs in zip(*found):
        assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    other = kl_divergence(Normal(0.0, 1.0), Normal(cloud[0], (cloud[1] / 2).exp()))  # the other way round
    assert (other - found[0][0]).abs().max() > 1


def test_a_draw_has_the_distribution_asked_for_and_lets_gradients_through(nb):
    """E[z^2] = mu^2 + sigma^2, so its derivatives are 2 mu and, for log sigma^2, sigma^2."""
    mu, log_var = torch.tensor([0.7], requires_grad=True), torch.tensor([-1.0], requires_grad=True)
    torch.manual_seed(0)
    z = nb.draw_z(mu.expand(500_000), log_var.expand(500_000))
    z.square().mean().backward()
    found = z.mean(), z.var(), mu.grad, log_var.grad
    assert [x.item() for x in found] == pytest.approx([0.7, math.exp(-1), 1.4, math.exp(-1)], abs=0.01)
    assert ((z - 0.7) / math.exp(-0.5)).pow(4).mean().item() == pytest.approx(3, abs=0.06)  # as of a Gaussian


def terms(nb, vae, i):
    """Nats of colours and of the latent for each sprite, by torch.distributions."""
    mu, log_var = vae.encode(nb.to_sprites(nb.index_train[i]))
    q = Independent(Normal(mu, (log_var / 2).exp()), 3)
    z = mu + (log_var / 2).exp() * torch.randn_like(mu)
    p = Independent(Categorical(logits=vae.decode(z).permute(0, 2, 3, 1)), 2)
    prior = Independent(Normal(torch.zeros_like(mu), 1.0), 3)
    return -p.log_prob(nb.index_train[i]), kl_divergence(q, prior)


def test_the_loss_is_eq_5_with_its_gradients_and_the_message_is_counted_in_bits(nb):
    vae, i = stirred(nb.VAE(16)), torch.arange(40)
    for weight in (0.0, 0.3, 1.0):  # with 1 it is minus the ELBO, for each pixel
        vae.kl_weight = weight
        torch.manual_seed(4)
        ours = nb.loss_vae(vae, i)
        torch.manual_seed(4)
        colours, latent = terms(nb, vae, i)
        assert latent.mean() > 1
        theirs = (colours + weight * latent).mean() / 256
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)
        for one, other in zip(*(torch.autograd.grad(loss, list(vae.parameters())) for loss in (ours, theirs))):
            assert_close(one, other, rtol=1e-3, atol=1e-5)
    scores = vae.decode(vae.encode(nb.to_sprites(nb.index_train[i]))[0])
    assert_close(nb.loss_autoencoder(vae, i), F.cross_entropy(scores, nb.index_train[i]))
    torch.manual_seed(4)
    bits = [part.mean().item() / math.log(2) for part in (colours, latent)]
    assert nb.message(vae, nb.index_train) == pytest.approx(bits, rel=1e-4)


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


def test_every_parameter_gets_a_gradient_but_the_variance_of_a_plain_autoencoder(nb):
    vae = nb.VAE(16)
    vae.kl_weight = 0.1
    every_parameter_learns(nb, vae, nb.loss_vae)
    vae.zero_grad()
    nb.loss_autoencoder(vae, torch.arange(40)).backward()
    assert vae.encoder[-1].weight.grad[:4].abs().max() > 0
    assert vae.encoder[-1].weight.grad[4:].abs().max() == 0


def test_psnr_is_that_of_the_8_bit_pictures(nb):
    index, levels = nb.index_train[:6], ((PALETTE + 1) * 127.5).round().numpy()
    copies = index.clone()
    for k in range(6):
        copies[k, :k] = (index[k, :k] + k) % 7  # more and more rows are wrong
    squares = np.square(levels[index] - levels[copies]).mean((1, 2, 3))
    assert nb.squared_error(index, copies).tolist() == pytest.approx(squares.tolist(), rel=1e-4)
    assert squares[0] == 0 < squares[1:].min()
