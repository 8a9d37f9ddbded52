"""The mathematics of 02.vae_latent_2d.ipynb: against torch.distributions, autograd, closed forms. And its weights."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import interrupted_at
from notebooks import ROOT, definitions
from torch.distributions import Categorical, Independent, Normal, kl_divergence

NAME = "02.vae_latent_2d.ipynb"
WEIGHTS = ROOT / "assets" / "vae_latent_2d_emb4" / "best_vae.pt"
nb = definitions(NAME)
PALETTE = torch.tensor([[255, 255, 255], [0, 0, 0], [255, 0, 0], [200, 10, 90], [17, 18, 19]]) / 127.5 - 1


def seeded(seed=0):
    """A generator of random numbers of its own."""
    return torch.Generator().manual_seed(seed)


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


def awake(width=16, extra=8):
    """A VAE away from the zeros it starts with."""
    torch.manual_seed(0)
    model = nb.VAE(PALETTE, width, extra)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.fixture
def sets():
    """Sprites in colours of the palette and their numbers, 40 to train on and 20 to test on."""
    index = torch.randint(0, len(PALETTE), (60, 16, 16), generator=seeded())
    x = PALETTE[index].permute(0, 3, 1, 2).contiguous()
    return (x[:40], index[:40]), (x[40:], index[40:])


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The notebook in a temporary folder."""
    monkeypatch.chdir(tmp_path)
    return nb


def run(module, sets, steps, **recipe):
    """A training of a small network, or what the last one left."""
    arch = {**module.vae_arch(PALETTE, 16), "extra": 8}
    return module.vae_or_load("assets/x.pt", arch, {**module.SHIPPED, **recipe}, steps, *sets, "0" * 64)


# --- the palette ---


def sprites_of(colours, seed=0):
    """Random sprites uint8 (8, 16, 16, 3) whose pixels have these colours, the first the most frequent."""
    weights = torch.arange(len(colours), 0, -1).float()
    index = torch.multinomial(weights, 8 * 256, replacement=True, generator=seeded(seed))
    return np.array(colours, np.uint8)[index.numpy()].reshape(8, 16, 16, 3)


def test_a_palette_with_room_has_every_colour_the_most_frequent_first():
    colours = [(255, 255, 255), (0, 0, 0), (1, 2, 3), (250, 0, 128), (3, 2, 1), (77, 77, 77)]
    images = sprites_of(colours)
    palette = nb.make_palette(images, 6)
    assert sorted(map(tuple, ((palette + 1) * 127.5).round().int().tolist())) == sorted(colours)
    index = nb.palette_index(images, palette)
    counts = index.flatten().bincount()
    assert counts.tolist() == sorted(counts.tolist(), reverse=True)
    assert torch.equal(palette[index].permute(0, 3, 1, 2), nb.to_tensor(images))  # nothing is lost, to the bit


def test_a_palette_without_room_beats_the_most_frequent_colours():
    rng = np.random.RandomState(0)
    images = rng.randint(0, 256, (8, 16, 16, 3)).astype(np.uint8)
    x = nb.to_tensor(images)

    def error(palette):
        return (palette[nb.palette_index(images, palette)].permute(0, 3, 1, 2) - x).square().mean().item()

    by_rounds = [error(nb.make_palette(images, 16, rounds=rounds)) for rounds in (0, 1, 3, 10)]
    assert by_rounds == sorted(by_rounds, reverse=True)
    assert by_rounds[-1] < 0.7 * by_rounds[0]
    levels = (nb.make_palette(images, 16) + 1) * 127.5
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)  # colours that 8 bits can hold


def test_each_pixel_gets_its_nearest_colour():
    images = np.random.RandomState(0).randint(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    distance = (nb.to_tensor(images).permute(0, 2, 3, 1)[..., None, :] - PALETTE).square().sum(-1)
    chosen = distance.gather(-1, nb.palette_index(images, PALETTE)[..., None])[..., 0]
    torch.testing.assert_close(chosen, distance.amin(-1), rtol=0, atol=1e-5)


def test_scores_are_a_gaussian_on_the_palette():
    """Without correction, softmax of eq. (10) is the density of N(m, 1 / 2s) at the colours, normalised over them."""
    head, m, s = nb.PaletteHead(PALETTE, 4), torch.randn(7, 3, generator=seeded()), torch.full((7, 1), 2.5)
    density = Independent(Normal(m[:, None], math.sqrt(1 / 5)), 1).log_prob(PALETTE[None]).exp()  # (7, 5)
    ours = head(m, torch.randn(7, 4), s).softmax(1)  # h does not count yet
    torch.testing.assert_close(ours, density / density.sum(1, keepdim=True), rtol=1e-4, atol=1e-6)


def test_corrections_of_scores_are_added():
    head, m, h = nb.PaletteHead(PALETTE, 4), torch.randn(7, 3), torch.randn(7, 4)
    before = head(m, h, torch.ones(7, 1))
    with torch.no_grad():
        head.correction.weight.copy_(torch.randn(5, 4, generator=seeded()))
    expected = before + torch.nn.functional.silu(h) @ head.correction.weight.T
    torch.testing.assert_close(head(m, h, torch.ones(7, 1)), expected)


def test_lists_of_pixels_are_in_the_order_of_the_index(batch):
    x = batch[0]
    listed = nb.to_pixel_list(x)
    assert torch.equal(listed[256 + 16 * 3 + 5], x[1, :, 3, 5])
    assert torch.equal(nb.to_maps(listed), x)


# --- the two terms ---


def test_kl_equals_that_of_torch(batch):
    _, _, mu, log_var = batch
    theirs = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(nb.kl_divergence(mu, log_var), theirs, rtol=1e-4, atol=1e-5)
    assert nb.kl_divergence(torch.zeros(3), torch.zeros(3)).abs().max() == 0
    assert (nb.kl_divergence(mu, log_var) >= 0).all()


def kl_of_torch(mu, log_var):
    prior = Independent(Normal(torch.zeros(4, 8, 8), 1.0), 3)
    return kl_divergence(Independent(Normal(mu, (log_var / 2).exp()), 3), prior.expand((len(mu),)))


@pytest.mark.parametrize("s", [0.01, 0.1, 1.0])
def test_gaussian_elbo_equals_that_of_torch(s, batch):
    x, x_hat, mu, log_var = batch
    theirs = Independent(Normal(x_hat, s), 3).log_prob(x) - kl_of_torch(mu, log_var)
    torch.testing.assert_close(nb.gaussian_elbo(x, x_hat, mu, log_var, s), theirs, rtol=1e-4, atol=1e-2)


def test_palette_elbo_equals_that_of_torch(batch, sets):
    _, _, mu, log_var = batch
    index, scores = sets[0][1][:6], 3 * torch.randn(6 * 256, 5, generator=seeded())
    likelihood = Independent(Categorical(logits=scores.reshape(6, 16, 16, 5)), 2)
    theirs = likelihood.log_prob(index) - kl_of_torch(mu, log_var)
    torch.testing.assert_close(nb.palette_elbo(scores, index, mu, log_var), theirs, rtol=1e-4, atol=1e-2)


def test_terms_are_means(batch):
    x, x_hat, mu, log_var = batch
    reconstruction, kl = nb.gaussian_terms(x, x_hat, mu, log_var)
    assert reconstruction.item() == pytest.approx((x - x_hat).square().sum().item() / (6 * 768), rel=1e-5)
    assert kl.item() == pytest.approx(nb.kl_divergence(mu, log_var).sum().item() / (6 * 256), rel=1e-5)


@pytest.mark.parametrize("s", [0.05, 0.5])
def test_gradients_of_gaussian_loss_and_elbo_point_the_same_way(s, batch):
    """With the KL weight 2/3 s^2 the loss (6) is the negative ELBO times 2 s^2 / 768, up to a constant."""
    x, *others = batch
    others = [value.clone().requires_grad_() for value in others]
    reconstruction, kl = nb.gaussian_terms(x, *others)
    of_loss = torch.autograd.grad(reconstruction + 2 / 3 * s**2 * kl, others)
    of_elbo = torch.autograd.grad(-nb.gaussian_elbo(x, *others, s).mean() * 2 * s**2 / 768, others)
    for ours, theirs in zip(of_loss, of_elbo):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-8)


def test_the_loss_with_kl_weight_1_is_the_elbo(sets, monkeypatch):
    """Cross-entropy of all pixels plus KL is minus the ELBO / 256, with all its gradients."""
    (x, index), _ = sets
    model, kept = awake(), {}
    monkeypatch.setattr(model, "encode", lambda x, real=model.encode: kept.setdefault("q", real(x)))
    monkeypatch.setattr(model, "colours", lambda z, real=model.colours: kept.setdefault("mh", real(z)))
    terms = nb.loss_terms(model, x[:5], index[:5], {**nb.SHIPPED, "share": 1.0}, seeded())
    scores = model.scores(*(nb.to_pixel_list(part) for part in kept["mh"]))
    bound = nb.palette_elbo(scores, index[:5], *kept["q"]).mean()
    assert (terms["cross-entropy"] + terms["KL"]).item() == pytest.approx(-bound.item() / 256, rel=1e-4)
    parameters = list(model.parameters())
    of_loss = torch.autograd.grad(terms["cross-entropy"] + terms["KL"], parameters, retain_graph=True)
    for ours, theirs in zip(of_loss, torch.autograd.grad(-bound / 256, parameters)):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_a_random_share_of_the_pixels_has_the_right_expectation(sets, monkeypatch):
    (x, index), _ = sets
    model, generator = awake(), seeded(1)
    monkeypatch.setattr(nb, "noise", lambda shape, generator: torch.zeros(shape))
    monkeypatch.setattr(nb, "BACKGROUND", 1.0)
    terms = [nb.loss_terms(model, x, index, {**nb.SHIPPED, "share": 0.1}, generator) for _ in range(40)]
    drawn = torch.stack([term["cross-entropy"] for term in terms])
    all_of_them = nb.loss_terms(model, x, index, {**nb.SHIPPED, "share": 1.0}, generator)["cross-entropy"]
    assert drawn.std() > 0
    assert drawn.mean().item() == pytest.approx(all_of_them.item(), abs=4 * drawn.std().item() / math.sqrt(40))


def test_the_background_is_looked_at_less_often_and_nothing_is_left_out(sets, monkeypatch):
    (x, index), _ = sets
    seen = []
    cross_entropy = torch.nn.functional.cross_entropy
    monkeypatch.setattr(nb.F, "cross_entropy", lambda a, b: seen.append(b) or cross_entropy(a, b))
    model, generator = awake(), seeded(1)
    for _ in range(20):
        nb.loss_terms(model, x, index, {**nb.SHIPPED, "share": 0.05}, generator)
    ground = (index == 0).float().mean().item()
    expected = nb.BACKGROUND * ground / (nb.BACKGROUND * ground + 1 - ground)
    found = (torch.cat(seen) == 0).float().mean().item()
    assert found == pytest.approx(expected, rel=0.2)
    nb.loss_terms(model, x, index, {**nb.SHIPPED, "share": 1.0}, generator)
    assert torch.equal(seen[-1].sort()[0], index.flatten().sort()[0])


def test_without_scores_the_loss_is_gaussian(sets):
    (x, index), _ = sets
    model = awake()
    terms = nb.loss_terms(model, x, index, {**nb.SHIPPED, "share": 0.0}, seeded())
    assert set(terms) == {"squared error", "KL"}
    (terms["squared error"] + terms["KL"]).backward()
    assert model.head.correction.weight.grad is None
    assert model.log_s.grad is None
    assert model.decoder[0].weight.grad.abs().max() > 0


def test_the_bound_is_a_bound_and_tight_at_the_posterior():
    x, s = 1.5, 0.5
    log_p = Normal(0.0, math.sqrt(1 + s**2)).log_prob(torch.tensor(x)).item()
    m, v = x / (1 + s**2), s**2 / (1 + s**2)
    assert nb.toy_elbo(torch.tensor(m), v).item() == pytest.approx(log_p, abs=1e-5)
    for v_tried in (v / 9, v / 2, v, 3 * v):
        assert (nb.toy_elbo(torch.linspace(-4, 6, 101), v_tried) <= log_p + 1e-5).all()


# --- the trick ---


def test_drawn_latents_have_the_distribution_asked_for():
    z = nb.reparameterize(torch.full((400_000,), 0.7), torch.full((400_000,), 2 * math.log(0.3)), seeded())
    assert z.mean().item() == pytest.approx(0.7, abs=2e-3)
    assert z.std().item() == pytest.approx(0.3, abs=2e-3)
    assert ((z - 0.7) / 0.3).pow(4).mean().item() == pytest.approx(3, abs=0.06)


def test_gradients_reach_mean_and_log_variance_exactly():
    torch.manual_seed(0)
    mu, log_var = torch.randn(4, 4, 8, 8, requires_grad=True), torch.randn(4, 4, 8, 8, requires_grad=True)
    z = nb.reparameterize(mu, log_var, seeded(1))
    eps = torch.randn(mu.shape, generator=seeded(1))
    of_mu, of_log_var = torch.autograd.grad(z.sum(), (mu, log_var))
    torch.testing.assert_close(of_mu, torch.ones_like(mu))
    torch.testing.assert_close(of_log_var, 0.5 * (log_var / 2).exp().detach() * eps)
    torch.testing.assert_close(z.detach(), (mu + (log_var / 2).exp() * eps).detach())


def test_gradients_are_those_of_the_expectation():
    """E[z^2] = mu^2 + sigma^2."""
    mu, log_var = torch.tensor([0.7], requires_grad=True), torch.tensor([-1.0], requires_grad=True)
    nb.reparameterize(mu.expand(500_000), log_var.expand(500_000), seeded()).square().mean().backward()
    assert mu.grad.item() == pytest.approx(1.4, abs=0.01)
    assert log_var.grad.item() == pytest.approx(math.exp(-1), abs=0.01)


def test_errors_on_latents_have_the_size_asked_for():
    z, std = torch.randn(500, 4, 8, 8), torch.tensor([1.0, 2.0, 0.5, 4.0]).view(1, 4, 1, 1)
    assert torch.equal(nb.with_errors(z, 0.0, std, seeded()), z)
    added = nb.with_errors(z, 0.2, std, seeded()) - z
    torch.testing.assert_close(added.std((0, 2, 3)), 0.2 * std.flatten(), rtol=0.03, atol=0)


# --- the network ---


@pytest.mark.parametrize("arch", [{"width": 8, "extra": 1}, {"width": 24, "extra": 16}])
def test_shapes(arch, batch):
    model = nb.VAE(PALETTE, **arch)
    mu, log_var = model.encode(batch[0])
    assert mu.shape == log_var.shape == (6, 4, 8, 8)
    m, h = model.colours(mu)
    assert (m.shape, h.shape) == ((6, 3, 16, 16), (6, arch["extra"], 16, 16))
    assert model.decode(mu).shape == (6, 3, 16, 16)
    assert model.arch == arch


def test_what_is_decoded_has_the_best_palette_colour_in_every_pixel(batch):
    model = awake()
    with torch.no_grad():
        m, h = model.colours(batch[2])
        scores = model.scores(nb.to_pixel_list(m), nb.to_pixel_list(h)).reshape(6, 16, 16, 5)
        painted = model.decode(batch[2])
    colours = scores.argmax(-1)
    assert len(colours.unique()) > 1
    assert torch.equal(painted.permute(0, 2, 3, 1), PALETTE[colours])


def test_every_parameter_gets_a_gradient(sets):
    model, (x, index) = awake(), sets[0]
    terms = nb.loss_terms(model, x[:6], index[:6], nb.SHIPPED, seeded())
    sum(terms.values()).backward()
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
    model, x, z = awake().eval(), batch[0], batch[2]
    torch.testing.assert_close(model.encode(x)[0][:1], model.encode(x[:1])[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.colours(z)[0][:1], model.colours(z[:1])[0], rtol=1e-4, atol=1e-5)


def test_passes_in_parts_equal_one_pass(batch):
    model, x = awake().eval(), torch.cat([batch[0]] * 90)
    mu, log_var = nb.encode_all(model, x)
    with torch.no_grad():
        for ours, theirs in zip((mu, log_var), model.encode(x)):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
        assert (nb.decode_all(model, mu) == model.decode(mu)).float().mean() > 0.999
        torch.testing.assert_close(nb.decode_m(model, mu), model.colours(mu)[0].clamp(-1, 1), rtol=1e-4, atol=1e-5)
    mean, std = nb.latent_statistics(model, x)
    normalised = (mu - mean.view(1, 4, 1, 1)) / std.view(1, 4, 1, 1)
    torch.testing.assert_close(normalised.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-4)
    torch.testing.assert_close(normalised.std((0, 2, 3)), torch.ones(4), rtol=1e-4, atol=1e-4)


# --- measures ---


def test_psnr_has_its_closed_form():
    assert nb.psnr(torch.tensor(1e-4)).item() == pytest.approx(40)
    with np.load(ROOT / "data" / "sprites.npz") as data:
        x = nb.to_tensor(data["images"][:20])
    assert (nb.squared_error(x, x) == 0).all()  # rounding to 8 bits gives the very pixels back
    assert nb.squared_error(x, x + 0.9 / 255).max() == 0  # less than half a level is rounded away
    grey = torch.zeros(2, 3, 16, 16) + 1 / 255  # level 128
    wrong = nb.squared_error(grey, grey + 2 * 10 / 255)
    torch.testing.assert_close(wrong, torch.full((2,), (10 / 255) ** 2))
    assert nb.squared_error(-torch.ones(1, 3, 16, 16), torch.full((1, 3, 16, 16), 9.0)).item() == pytest.approx(1)  # clipped


def test_exact_pixels_are_counted_by_all_their_channels(batch):
    x = batch[0]
    assert nb.measures(x, x)["exact"] == 1
    x_hat = x.clone()
    x_hat[:, 0, :8] += 0.1  # one channel of half the pixels
    x_hat[:, 1, :4] += 0.1  # another one of a quarter, pixels that are wrong already
    found = nb.measures(x.clamp(-0.8, 0.8), x_hat.clamp(-0.8, 0.8) + 0.1 * (x_hat != x))
    assert found["exact"] == pytest.approx(0.5)
    assert (nb.wrong_pixels(x[:1], x[:1]) == 1).all()
    assert nb.wrong_pixels(x.clamp(-0.5, 0.5), x.clamp(-0.5, 0.5) + 0.1)[:, :, 3, 3].unique().item() == -1


def test_principal_axes_are_those_of_the_svd():
    torch.manual_seed(0)
    vectors = torch.randn(300, 12) @ torch.randn(12, 12) + 3
    mean, axes = nb.principal_axes(vectors, 3)
    _, _, right = torch.linalg.svd(vectors - vectors.mean(0))
    torch.testing.assert_close(mean, vectors.mean(0))
    torch.testing.assert_close((axes.T @ right[:3].T).abs(), torch.eye(3), rtol=1e-3, atol=1e-3)


def test_the_copy_nearest_to_a_level_is_found(batch):
    x = batch[0][0].clamp(-0.5, 0.5)
    copies = torch.stack([x + amount for amount in (0.4, 0.2, 0.1, 0.05)])
    wanted = [nb.psnr(nb.squared_error(x[None], copy[None]))[0].item() + 0.5 for copy in copies]
    assert torch.equal(nb.at_levels(x, copies, wanted[::-1]), copies.flip(0))
    assert (nb.at_levels(x, copies, [max(wanted) + 9]) == 1).all()  # white: no copy is as good


def test_colours_are_counted():
    flat = torch.zeros(3, 16, 16, 3, dtype=torch.uint8)
    assert nb.distinct_colours(flat) == 1
    flat[:, :, :4], flat[:, 8:, 4:, 0] = 255, 200
    assert nb.distinct_colours(flat) == 3
    flat[:, 0, 4:] += 10  # less than half a step of 32
    assert nb.distinct_colours(flat) == 3


def test_mixtures_start_and_end_at_the_two():
    a, b = torch.randn(2, 4, 8, 8)
    line = nb.mix(a, b, 5)
    torch.testing.assert_close(line[0], a)
    torch.testing.assert_close(line[-1], b)
    torch.testing.assert_close(line[2], (a + b) / 2)


def test_latents_like_real_ones_have_their_mean_and_covariance():
    torch.manual_seed(0)
    flat = torch.randn(3000, 256) @ (0.1 * torch.randn(256, 256)) + torch.linspace(-1, 1, 256)
    drawn = nb.like_real_ones(flat.reshape(-1, 4, 8, 8), 20_000, seeded()).flatten(1)
    assert (drawn.mean(0) - flat.mean(0)).abs().max() < 0.1
    expected = flat.T.cov()
    assert (drawn.T.cov() - expected).norm() < 0.2 * expected.norm()


def test_neighbours_alike_are_counted():
    index = torch.zeros(1, 16, 16, dtype=torch.long)
    index[0, 5, 5] = 1
    alike = nb.alike(index)[0]
    assert alike[5, 5] == 0
    assert alike[5, 6] == alike[4, 5] == 3
    assert alike[8, 8] == 4
    assert alike[0, 0] == 2  # beyond the edge there is nothing
    assert alike[0, 8] == 3


def test_a_linear_formula_explains_what_a_least_squares_fit_does(capsys):
    z, weights = torch.randn(40, 4, 8, 8, generator=seeded()), torch.tensor([1.0, -2.0, 0.5, 0.0])
    z[:, 1] += z[:, 0]  # channels that go together
    values = (z * weights.view(1, 4, 1, 1)).sum(1) + 2 * torch.randn(40, 8, 8, generator=seeded(1))
    nb.print_channels(z, {"property": values})
    columns = torch.cat([z.transpose(0, 1).flatten(1), torch.ones(1, 40 * 64)]).T  # (n, 5)
    fit = columns @ torch.linalg.lstsq(columns, values.flatten()[:, None]).solution
    explained = 1 - (values.flatten() - fit[:, 0]).var() / values.var()
    assert capsys.readouterr().out.split()[-1] == f"{explained:.0%}"


def test_properties_of_squares():
    x = -torch.ones(1, 3, 16, 16)
    x[0, 0, 2:4, 4:6] = 1  # a red square
    x[0, :, 8, 8:10] = 1  # white above black
    found = nb.square_properties(x)
    assert found["red, not blue"][0, 1, 2] == 2
    assert found["bright"][0, 0, 0] == -3
    assert found["top brighter"][0, 4, 4] > 0
    assert found["left brighter"][0, 4, 4] == 0


def test_latents_are_drawn_red_above_and_blue_below_the_mean():
    maps = torch.zeros(1, 8, 8)
    maps[0, 0, 0], maps[0, 0, 1], maps[0, 0, 2] = 3.0, -9.0, 1.5
    drawn = nb.signed(maps)
    assert drawn.shape == (1, 3, 16, 16)
    assert [drawn[0, :, 1, column].tolist() for column in (1, 3, 5, 7)] == [[1, -1, -1], [-1, -1, 1], [1, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize("labels", [[0], [0, 1], [1, 1, 1, 0], [2] * 6])
def test_halves_of_the_largest_class_fit_together(labels):
    y = torch.tensor(labels)
    above, below = nb.of_largest_class(y)
    assert len(above) == len(below) > 0
    assert len(y[torch.cat([above, below])].unique()) == 1
    left, right = nb.random_halves(len(y), 2)
    assert len(left) == len(right) > 0


def test_code_lengths(sets, monkeypatch):
    """By frequency the cost is that of torch's Categorical; by the ELBO that of palette_elbo."""
    x, index = sets[0]
    counts = index.flatten().bincount(minlength=5) + 1.0
    theirs = -Categorical(probs=counts).log_prob(index).sum((1, 2)).mean() / math.log(2) / 8
    assert nb.bytes_by_frequency(index, index, 5) == pytest.approx(theirs.item(), rel=1e-5)
    monkeypatch.setattr(nb, "noise", lambda shape, generator: torch.zeros(shape))
    model = awake()
    with torch.no_grad():
        mu, log_var = model.encode(x)
        scores = model.scores(*(nb.to_pixel_list(part) for part in model.colours(mu)))
        bound = nb.palette_elbo(scores, index, mu, log_var).mean().item()
    assert nb.bytes_by_elbo(model, x, index) == pytest.approx(-bound / math.log(2) / 8, rel=1e-4)


def test_hover_text_shows_the_sprite():
    image = np.full((16, 16, 3), 255, np.uint8)
    image[3, 4:6] = (255, 0, 0)
    lines = nb.as_text(image).split("<br>")
    assert len(lines) == 16
    assert lines[0] == " " * 32
    assert lines[3] == " " * 8 + '<span style="color:#f00">████</span>' + " " * 20


# --- training ---


def test_batches_are_training_sprites_as_they_are(small, sets, monkeypatch):
    """No test sprite, no flip, no augmentation of any kind: what is encoded is in the train split, pixel for pixel."""
    train, _ = sets
    real, seen = small.loss_terms, []
    monkeypatch.setattr(small, "loss_terms", lambda model, *others: (seen.append(others), real(model, *others))[1])
    small.train_vae(small.VAE(PALETTE, 16, 8), train, small.SHIPPED, 9, lambda ema, history: "")
    x, index = (torch.cat([call[i] for call in seen]) for i in (0, 1))
    assert x.shape == (9 * small.BATCH, 3, 16, 16)
    assert torch.equal(x, PALETTE[index].permute(0, 3, 1, 2))  # each with its own numbers
    equal = (x.flatten(1)[:, None] == train[0].flatten(1)[None]).all(2)
    assert (equal.sum(1) == 1).all()
    assert equal.any(0).all()  # and every training sprite is used


def test_no_test_sprite_is_a_training_sprite():
    with np.load(ROOT / "data" / "sprites.npz") as data:
        images, split = data["images"], data["split"]
    train = {image.tobytes() for image in images[split == 0]}
    assert not [image for image in images[split > 0] if image.tobytes() in train]


def test_training_lowers_every_error_and_repeats_whatever_was_drawn_before(small, sets):
    one, history = run(small, sets, 60)
    torch.rand(1000)
    two, again = run(small, sets, 60)
    for name in ("cross-entropy", "squared error"):
        assert history[f"test {name}"][-1] < history[f"test {name}"][0], name
    assert history["KL"] == again["KL"]
    for ours, theirs in zip(one.parameters(), two.parameters()):
        assert torch.equal(ours, theirs)
    assert history["test steps"] == list(range(6, 66, 6))


def test_validation_repeats_and_leaves_other_random_numbers_alone(sets):
    model = awake()
    torch.manual_seed(3)
    expected = torch.randn(5)
    torch.manual_seed(3)
    first = nb.validate(model, *sets[1], nb.SHIPPED)
    assert torch.equal(torch.randn(5), expected)
    assert nb.validate(model, *sets[1], nb.SHIPPED) == first


def test_validation_weighs_unequal_parts_by_their_size(sets, monkeypatch):
    x, index = (torch.cat([part] * 6)[:220] for part in sets[0])
    model, recipe = awake(), {**nb.SHIPPED, "share": 1.0}
    monkeypatch.setattr(nb, "noise", lambda shape, generator: torch.zeros(shape))
    whole = nb.loss_terms(model, x, index, recipe, seeded())
    for name, value in nb.validate(model, x, index, recipe).items():  # parts of 100, 100 and 20
        assert value == pytest.approx(whole[name].item(), rel=1e-4)


def test_a_stopped_training_keeps_what_was_learnt(small, sets, monkeypatch, capsys):
    monkeypatch.setattr(small, "update_ema", interrupted_at(7, small.update_ema))
    model, history = run(small, sets, 1000)
    assert "Stopped" in capsys.readouterr().out
    assert len(history["KL"]) == history["steps"] == 6
    assert torch.isfinite(small.restored(model, sets[1][0])).all()
    assert history["latent_std"].shape == (4,)
    assert (history["latent_std"] > 0).all()


@pytest.mark.parametrize("steps", [10, 23])
def test_the_last_averaged_weights_are_kept_however_they_do_on_test_sprites(steps, small, sets, monkeypatch):
    real, last, losses = small.update_ema, {}, iter([1.0] + [9.0] * 40)

    def update_ema(ema, *others):
        real(ema, *others)
        last.update({name: value.clone() for name, value in ema.state_dict().items()})

    monkeypatch.setattr(small, "update_ema", update_ema)
    monkeypatch.setattr(small, "validate", lambda *args: {"cross-entropy": next(losses)})
    model, history = run(small, sets, steps)
    assert history["test steps"][-1] == steps
    for name, value in model.named_parameters():
        assert torch.equal(value, last[name].half().float()), name


def test_without_training_nothing_is_written(small, sets, monkeypatch):
    trained, _ = run(small, sets, 3)
    before = {path: path.stat().st_mtime_ns for path in Path("assets").iterdir()}
    monkeypatch.setattr(small, "TRAIN", False)
    model, _ = run(small, sets, 1000)
    for ours, theirs in zip(model.parameters(), trained.parameters()):
        assert torch.equal(ours, theirs)
    assert {path: path.stat().st_mtime_ns for path in Path("assets").iterdir()} == before


def test_curves_are_thinned_to_means(small, sets):
    assert small.thin([1.0, 3.0, 5.0, 7.0, 9.0, 11.0], most=3) == [2.0, 6.0, 10.0]
    assert small.thin([1.0, 2.0], most=3) == [1.0, 2.0]
    assert len(small.thin(list(range(5003)))) == 400


# --- what notebook 03 loads ---


def test_weights_palette_and_statistics_survive_the_disk(small, sets, batch):
    """The contract with notebook 03: load_model(path, make_vae, data_id), and latent_mean and latent_std of shape (4,)."""
    _, facts = run(small, sets, 5)
    model, again = small.load_model("assets/x.pt", small.make_vae, "0" * 64)
    assert torch.equal(model.head.palette, PALETTE)  # to the bit: half precision would miss the colours
    assert facts["recipe"] == small.SHIPPED
    mean, std = small.latent_statistics(model, sets[0][0][::10])
    torch.testing.assert_close(again["latent_mean"], mean, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(again["latent_std"], std, rtol=1e-2, atol=1e-2)


def test_every_level_of_a_palette_survives():
    levels = torch.arange(256).float()[:, None].expand(-1, 3) / 127.5 - 1
    assert torch.equal(nb.make_vae(**nb.vae_arch(levels, 8)).head.palette, levels)


# --- the committed weights ---


@pytest.fixture(scope="module")
def committed():
    """The VAE of the repository, its history, the test sprites, their means and their copies."""
    data = nb.load_data(str(ROOT / "data" / "sprites.npz"))
    model, history = nb.load_model(str(WEIGHTS), nb.make_vae, nb.fingerprint(data))  # raises if made from other data
    x = nb.to_tensor(data["images"][data["split"] == 1])
    mu, _ = nb.encode_all(model, x)
    return history, x, mu, nb.decode_all(model, mu), model


def test_committed_weights_reach_their_bars(committed):
    """Copies give up decibels for latents whose errors the decoder forgives, as tested below."""
    _, x, _, x_hat, _ = committed
    found = nb.measures(x, x_hat)
    assert found["PSNR"] >= 28.5
    assert found["exact"] >= 0.93
    assert found["colours"] <= 1.3 * nb.distinct_colours(nb.to_uint8(x))
    assert nb.psnr(nb.squared_error(x, x_hat)).min() >= 15


def test_committed_weights_hold_all_that_notebook_03_needs(committed):
    history, _, mu, _, model = committed
    assert history["recipe"] == nb.SHIPPED
    assert history["steps"] == nb.STEPS
    normalised = (mu - history["latent_mean"].view(1, 4, 1, 1)) / history["latent_std"].view(1, 4, 1, 1)
    assert normalised.mean((0, 2, 3)).abs().max() < 0.1
    assert (normalised.std((0, 2, 3)) - 1).abs().max() < 0.1
    assert model.arch == {"width": nb.WIDTH, "extra": nb.EXTRA}
    with np.load(ROOT / "data" / "sprites.npz") as data:
        palette = nb.make_palette(data["images"][data["split"] == 0], nb.MOST_COLOURS)
    assert torch.equal(model.head.palette, palette)


def test_the_committed_latent_is_a_map(committed):
    """Crossing two latents crosses the sprites: away from the cut, pixels are as good as in any reconstruction."""
    _, x, mu, _, model = committed
    crossed = nb.decode_all(model, torch.cat([mu[:100, :, :4], mu[100:200, :, 4:]], dim=2))
    expected = torch.cat([x[:100, :, :8], x[100:200, :, 8:]], dim=2)
    same = (nb.to_uint8(crossed) == nb.to_uint8(expected)).all(3).float().mean((0, 2))  # (16,) by row
    assert same[[0, 1, 2, 13, 14, 15]].mean() >= 0.9


@pytest.mark.parametrize(("size", "lost"), [(0.1, 0.01), (0.3, 0.04)])
def test_the_committed_decoder_forgives_errors(committed, size, lost):
    history, x, mu, x_hat, model = committed
    wrong = nb.with_errors(mu[::5], size, history["latent_std"].view(1, 4, 1, 1), seeded())
    exact = nb.measures(x[::5], x_hat[::5])["exact"]
    assert nb.measures(x[::5], nb.decode_all(model, wrong))["exact"] >= exact - lost
