"""The mathematics of 02.vae_latent_2d.ipynb: against torch.distributions, numpy and closed forms. Nothing real is trained."""

import math

import numpy as np
import pytest
import torch
from test_ddpm import PALETTE, every_parameter_learns, small, stirred
from torch.distributions import Categorical, Independent, Normal, kl_divergence
from torch.nn import functional as F
from torch.testing import assert_close

pytestmark = pytest.mark.quick


@pytest.fixture
def nb():
    return small("02.vae_latent_2d.ipynb", BATCH=8, WIDTH=16)


def test_the_loss_is_eq_5_with_its_gradients_and_the_message_is_counted_in_bits(nb):
    vae, i = stirred(nb.VAE(16)), torch.arange(40)
    for weight in (0.0, 0.3, 1.0):  # with 1 it is minus the ELBO, for each pixel
        vae.kl_weight = weight
        torch.manual_seed(4)
        ours = nb.loss_vae(vae, i)
        torch.manual_seed(4)
        mu, log_var = vae.encode(nb.to_sprites(nb.index_train[i]))
        q, prior = (Independent(Normal(*given), 3) for given in ((mu, (log_var / 2).exp()), (0 * mu, 1 + 0 * mu)))
        p = Independent(Categorical(logits=vae.decode(mu + q.stddev * torch.randn_like(mu)).permute(0, 2, 3, 1)), 2)
        colours, latent = -p.log_prob(nb.index_train[i]), kl_divergence(q, prior)  # nats, for each sprite
        assert latent.mean() > 1
        theirs = (colours + weight * latent).mean() / 256
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)
        assert_close(*(torch.autograd.grad(loss, list(vae.parameters())) for loss in (ours, theirs)), rtol=1e-3, atol=1e-5)
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
    assert mu.shape == log_var.shape == (3, 4, 8, 8) and vae.decode(mu).shape == (3, colours, 16, 16)
    assert (log_var.min(), log_var.max()) == (-20, 10) and mu.abs().max() > 20


def test_every_parameter_gets_a_gradient_but_the_variance_of_a_plain_autoencoder(nb):
    vae = nb.VAE(16)
    vae.kl_weight = 0.1
    every_parameter_learns(nb, vae, nb.loss_vae)
    vae.zero_grad()
    nb.loss_autoencoder(vae, torch.arange(40)).backward()
    of_mean, of_variance = vae.encoder[-1].weight.grad.split(4)
    assert of_variance.abs().max() == 0 < of_mean.abs().max()


def test_psnr_is_that_of_the_8_bit_pictures(nb):
    index, levels = nb.index_train[:6], ((PALETTE + 1) * 127.5).round().numpy()
    copies = index.clone()
    for k in range(6):
        copies[k, :k] = (index[k, :k] + k) % 7  # more and more rows are wrong
    squares = np.square(levels[index] - levels[copies]).mean((1, 2, 3))
    assert nb.squared_error(index, copies).tolist() == pytest.approx(squares.tolist(), rel=1e-4)
    assert squares[0] == 0 < squares[1:].min()
