"""The mathematics of 01.ddpm.ipynb: against diffusers, autograd and closed forms. Nothing real is trained."""

import math

import measures
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.models.embeddings import get_timestep_embedding
from notebooks import ROOT, definitions

nb = definitions("01.ddpm.ipynb")
T = 500
TYPES = {"eps": "epsilon", "v": "v_prediction", "x_0": "sample"}
KINDS = {"eps": nb.EpsDenoiser, "v": nb.VDenoiser, "x_0": nb.SpriteDenoiser}
SCHEDULES = {"linear": (nb.linear_beta, "linear"), "cosine": (nb.cosine_beta, "squaredcos_cap_v2")}
CLASSES = 5


def scheduler(kind, schedule="cosine", target="eps", **more):
    betas = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": SCHEDULES[schedule][1]}
    return kind(num_train_timesteps=T, **betas, prediction_type=TYPES[target], clip_sample=True, **more)


def schedule(name):
    return nb.to_alpha_bar(SCHEDULES[name][0](T))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


class Dummy(torch.nn.Module):
    """Some smooth function of its inputs in place of a network."""

    def forward(self, x_t, t, y):
        factor = (1 + 0.3 * torch.sin(t.float() / 50 + y))[:, None, None, None]
        return torch.tanh(1.3 * x_t.roll(1, -1) - 0.2) * factor


class Constant(torch.nn.Module):
    """The same answer whatever is asked."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x_t, t, y, last=False):
        return torch.as_tensor(self.answer).expand_as(x_t)


def denoiser(target, net=None):
    return KINDS[target](net or Dummy(), schedule("cosine"))


def target_of(name, x_0, eps, t, alpha_bar):
    """What a network of each kind is asked for."""
    a = nb.at(alpha_bar, t)
    return {"eps": eps, "x_0": x_0, "v": a.sqrt() * eps - (1 - a).sqrt() * x_0}[name]


def small_palette_model(colours=7, extra=4, below=150):
    """A palette denoiser with random weights, away from the zeros it starts with."""
    torch.manual_seed(0)
    palette = torch.randint(0, 256, (colours, 3), dtype=torch.uint8)
    model = nb.make_ddpm(16, CLASSES, extra, palette, below)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.randn(6, 3, 16, 16), torch.randn(6, 3, 16, 16), torch.tensor([0, 1, 2, 3, 4, 0])


@pytest.fixture(scope="module")
def real():
    """Some real training and test sprites, uint8 (n, 16, 16, 3)."""
    with np.load(ROOT / "data" / "sprites.npz") as data:
        images, split = data["images"], data["split"]
    return torch.from_numpy(images[split == 0][::20]), torch.from_numpy(images[split == 1][::40])


# --- the forward process ---


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_equal_those_of_diffusers(name):
    theirs = scheduler(DDPMScheduler, name)
    beta = SCHEDULES[name][0](T)
    assert beta.shape == (T + 1,)
    assert beta[0] == 0
    torch.testing.assert_close(beta[1:], theirs.betas.float(), rtol=2e-4, atol=1e-7)
    torch.testing.assert_close(schedule(name)[1:], theirs.alphas_cumprod.float(), rtol=2e-4, atol=1e-7)
    assert schedule(name)[0] == 1


@pytest.mark.parametrize("name", SCHEDULES)
def test_forward_process_equals_that_of_diffusers(name, batch):
    x_0, eps, _ = batch
    t = torch.tensor([1, 2, 100, 250, 499, 500])
    theirs = scheduler(DDPMScheduler, name).add_noise(x_0, eps, t - 1)
    torch.testing.assert_close(nb.q_sample(x_0, t, eps, schedule(name)), theirs, rtol=1e-4, atol=1e-5)


def test_steps_of_the_forward_process_compose_to_the_closed_form():
    beta, alpha_bar = nb.cosine_beta(T), schedule("cosine")
    factor, variance = 1.0, 0.0
    for t in range(1, T + 1):
        factor = factor * math.sqrt(1 - beta[t])
        variance = (1 - beta[t].item()) * variance + beta[t].item()
        assert factor == pytest.approx(alpha_bar[t].sqrt().item(), abs=1e-5)
        assert variance == pytest.approx(1 - alpha_bar[t].item(), abs=1e-5)
    x_t = nb.q_step(torch.full((200_000,), 0.7), beta[300], seeded(0))
    assert x_t.mean().item() == pytest.approx(0.7 * math.sqrt(1 - beta[300]), abs=2e-3)
    assert x_t.var().item() == pytest.approx(beta[300].item(), rel=0.02)


# --- samplers ---


@pytest.mark.parametrize("target", TYPES)
@pytest.mark.parametrize("t", [500, 499, 250, 2, 1])
def test_one_ancestral_step_equals_that_of_diffusers(target, t, batch):
    x_t, _, y = batch
    t_batch = torch.full((6,), t)
    theirs = scheduler(DDPMScheduler, target=target, variance_type="fixed_small")
    expected = theirs.step(Dummy()(x_t, t_batch, y), t - 1, x_t, generator=seeded(7)).prev_sample
    z = torch.randn(6, 3, 16, 16, generator=seeded(7))
    ours = nb.p_sample(denoiser(target), x_t, t_batch, y, schedule("cosine"), z)
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("target", TYPES)
@pytest.mark.parametrize("steps", [20, 100])
def test_a_whole_ddim_chain_equals_that_of_diffusers(target, steps, batch):
    x, _, y = batch
    theirs = scheduler(DDIMScheduler, target=target, timestep_spacing="trailing")
    theirs.set_timesteps(steps)
    trace = []
    ours = nb.sample(denoiser(target), x, y, schedule("cosine"), steps=steps, trace=trace)
    assert [t - 1 for t, _, _ in trace] == theirs.timesteps.tolist()
    for i, t in enumerate(theirs.timesteps):
        output = Dummy()(x, torch.full((6,), int(t) + 1), y)
        x = theirs.step(output, t, x, eta=0.0, use_clipped_model_output=True).prev_sample
        if i == 0:  # a single step
            torch.testing.assert_close(trace[1][1], x, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ours, x, rtol=1e-3, atol=1e-3)


def test_ddim_with_fresh_noise_is_ancestral_sampling(batch):
    x_T, _, y = batch
    alpha_bar, net = nb.to_alpha_bar(nb.cosine_beta(30)), nb.SpriteDenoiser(Dummy(), None)
    ddim = nb.sample(net, x_T, y, alpha_bar, steps=30, eta=1.0, generator=seeded(1))
    ancestral = nb.ancestral(net, x_T, y, alpha_bar, seeded(1))
    torch.testing.assert_close(ddim, ancestral, rtol=1e-3, atol=1e-4)
    assert (ancestral - nb.ancestral(net, x_T, y, alpha_bar, seeded(1), fresh=0.0)).abs().max() > 0.1


def test_without_fresh_noise_x_t_has_too_little_of_it():
    """The text of 6.2: the mean of eq. (7) alone holds less noise than belongs to its step."""
    x_0, alpha_bar = torch.zeros(50, 3, 16, 16), schedule("cosine")
    x_t, y = torch.randn(50, 3, 16, 16, generator=seeded(0)), torch.zeros(50).long()
    left = {}
    for fresh in (1.0, 0.0):
        x, generator = x_t, seeded(1)
        for t in range(T, 250, -1):
            z = fresh * torch.randn(x.shape, generator=generator)
            x = nb.p_sample(Constant(x_0[0]), x, torch.full((50,), t), y, alpha_bar, z)
        left[fresh] = x.var().item()
    assert left[1.0] == pytest.approx(1 - alpha_bar[250].item(), rel=0.02)
    assert left[0.0] < 0.6 * left[1.0]
    every = 1 - alpha_bar.double()
    a, beta = alpha_bar.double()[1:] / alpha_bar.double()[:-1], 1 - alpha_bar.double()[1:] / alpha_bar.double()[:-1]
    missing = every[:-1] / every[1:] * beta  # the variance of z in eq. (7)
    torch.testing.assert_close(a * every[:-1] ** 2 / every[1:], every[:-1] - missing)


def test_the_noise_of_a_chain_is_measured_against_the_sprite_it_holds():
    alpha_bar, x_0 = nb.to_alpha_bar(nb.cosine_beta(40)), torch.rand(30, 3, 16, 16, generator=seeded(0)) * 2 - 1
    with_z, without = (nb.noise_left(x_0, alpha_bar, fresh) for fresh in (1.0, 0.0))
    expected = (1 - alpha_bar[1:]).sqrt().flip(0).tolist()  # t = T, ..., 1
    assert with_z == pytest.approx(expected, rel=0.02)
    assert without[0] == pytest.approx(1, rel=0.02)
    assert all(a < b for a, b in zip(without[1:], with_z[1:]))


@pytest.mark.parametrize("steps", [1, 2, 20, 50, 499, 500, 900])
@pytest.mark.parametrize("bend", [0.3, 0.7, 1.0, 2.0, 5.0])
def test_steps_fall_from_T_to_0_without_a_stop(steps, bend):
    times = nb.time_steps(T, steps, bend)
    assert times[0] == T
    assert times[-1] == 0
    assert all(isinstance(t, int) and t > s for t, s in zip(times, times[1:]))
    assert len(times) <= steps + 1
    if bend == 1.0:
        assert len(times) == min(steps, T) + 1


@pytest.mark.parametrize("steps, bend", [(0, 1.0), (-3, 1.0), (20, 0.0), (20, -1.0)])
def test_impossible_steps_give_one_sentence(steps, bend):
    with pytest.raises(ValueError, match="both must be above 0"):
        nb.time_steps(T, steps, bend)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_bent_steps_give_numbers(eta, batch):
    """bend = 2 with 50 steps visited the same step twice, and 0 / 0 came out."""
    x_T, _, y = batch
    how = {"steps": 50, "eta": eta, "bend": 2.0, "generator": seeded(0)}
    images = nb.sample(denoiser("x_0"), x_T, y, schedule("cosine"), **how)
    assert torch.isfinite(images).all()


def test_the_trace_holds_each_guess_with_the_x_t_it_was_made_from(batch):
    x_T, _, y = batch
    trace, net, alpha_bar = [], denoiser("v"), schedule("cosine")
    result = nb.sample(net, x_T, y, alpha_bar, 10, 1.0, 0.7, seeded(0), trace)
    assert trace[0][0] == T
    assert torch.equal(trace[0][1], x_T)  # the starting noise
    for t, x_t, x_0 in trace:
        assert torch.equal(x_0, nb.predict(net, x_t, torch.full((6,), t), y, alpha_bar)[0])
    torch.testing.assert_close(trace[-1][2], result)


@pytest.mark.parametrize("target", TYPES)
def test_the_true_target_gives_back_sprite_and_noise(target, batch):
    x_0, eps, y = batch[0].clamp(-1, 1), batch[1], batch[2]
    alpha_bar, t = schedule("cosine"), torch.tensor([1, 50, 150, 250, 350, 450])
    x_t = nb.q_sample(x_0, t, eps, alpha_bar)
    oracle = denoiser(target, Constant(target_of(target, x_0, eps, t, alpha_bar)))
    guess, noise = nb.predict(oracle, x_t, t, y, alpha_bar)
    torch.testing.assert_close(guess, x_0, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(noise[1:], eps[1:], atol=2e-2, rtol=1e-2)


def test_posterior_is_what_bayes_says():
    """Product of the two Gaussians q(x_t | x_{t-1}) and q(x_{t-1} | x_0), on a fine grid."""
    alpha_bar, beta, t = schedule("cosine"), nb.cosine_beta(T), 300
    x_0, x_t, grid = 0.4, -0.8, torch.linspace(-8, 8, 400_001, dtype=torch.float64)
    a, a_prev = alpha_bar[t].double(), alpha_bar[t - 1].double()
    b = 1 - (alpha_bar[t] / alpha_bar[t - 1]).double()
    log_density = -((x_t - (1 - b).sqrt() * grid) ** 2) / (2 * b)
    log_density = log_density - (grid - a_prev.sqrt() * x_0) ** 2 / (2 * (1 - a_prev))
    weight = log_density.softmax(0)
    mean = (weight * grid).sum().item()
    variance = (weight * (grid - mean) ** 2).sum().item()
    many, t_batch = torch.full((300, 3, 16, 16), x_t), torch.full((300,), t)
    z = torch.randn(300, 3, 16, 16, generator=seeded(0))
    drawn = nb.p_sample(Constant(x_0), many, t_batch, torch.zeros(300).long(), alpha_bar, z)
    assert drawn.mean().item() == pytest.approx(mean, abs=1e-3)
    assert drawn.var().item() == pytest.approx(variance, rel=0.02)
    assert beta[t].item() == pytest.approx(b.item(), rel=1e-3)
    assert a < a_prev
    told = list(nb.statements(x_0, x_t, t, beta).values())
    assert told[2] == pytest.approx((mean, variance), rel=1e-3)
    clean, noisy, both = (nb.normal(grid, *one).log() for one in told)
    shift = (clean + noisy - both)[150_000:250_000]  # the same everywhere: the product up to a factor
    assert (shift.max() - shift.min()).item() < 0.02


def test_drawing_and_validating_leave_the_global_random_numbers_alone(batch):
    x, _, y = batch
    state = torch.get_rng_state()
    net, alpha_bar = denoiser("eps"), schedule("cosine")
    nb.sample(net, x, y, alpha_bar, 5, 1.0, 1.0, seeded(0))
    nb.validation_losses(Dummy(), nb.p_losses, x, y, alpha_bar)
    nb.errors_of(net, x, y, alpha_bar)
    assert torch.equal(torch.get_rng_state(), state)


def test_seeds_give_the_same_samples_twice(batch):
    net, alpha_bar = small_palette_model(), nb.to_alpha_bar(nb.cosine_beta(50))
    x_T, y = batch[0], batch[2]
    drawn = [nb.sample(net, x_T, y, alpha_bar, 5, 0.5, 1.0, seeded(3)) for _ in range(2)]
    assert torch.equal(*drawn)


# --- losses ---


def test_the_loss_of_the_paper_is_the_squared_error_of_the_noise(batch):
    x_0, _, y = batch
    losses, t = nb.p_losses(Constant(0.0), x_0, y, schedule("cosine"), seeded(5))
    generator = seeded(5)
    assert torch.equal(t, torch.randint(1, T + 1, (6,), generator=generator))
    eps = torch.randn(x_0.shape, generator=generator)
    torch.testing.assert_close(losses, eps.square().mean((1, 2, 3)))


@pytest.mark.parametrize("target", TYPES)
def test_every_target_is_the_error_of_the_sprite_with_another_weight(target, batch):
    """Section 8.2: SNR for the noise, SNR + 1 for v, 1 for the sprite."""
    x_0, _, y = batch
    alpha_bar = schedule("cosine")
    snr = alpha_bar / (1 - alpha_bar)
    weight = {"eps": snr, "v": snr + 1, "x_0": torch.ones_like(snr)}[target]
    losses, t = nb.p_losses_x_0(denoiser(target), x_0, y, alpha_bar, seeded(5), weight)
    x_t, t_too, eps = nb.noised(x_0, alpha_bar, seeded(5))
    assert torch.equal(t, t_too)
    error = Dummy()(x_t, t, y) - target_of(target, x_0, eps, t, alpha_bar)
    torch.testing.assert_close(losses, error.square().mean((1, 2, 3)), rtol=1e-3, atol=1e-4)


def test_the_loss_of_the_palette_is_cross_entropy_and_squared_error(batch):
    model, y, alpha_bar = small_palette_model(), batch[2], schedule("cosine")
    colours = torch.randint(0, 7, (6 * 256,), generator=seeded(1))
    x_0 = nb.to_maps(model.head.palette[colours])  # sprites in colours of the palette
    with torch.no_grad():
        losses, t = nb.p_losses_palette(model, x_0, y, alpha_bar, generator := seeded(5))
        x_t = nb.noised(x_0, alpha_bar, again := seeded(5))[0]
        pixels = torch.randint(256, (6, nb.PIXELS), generator=again)
        assert torch.equal(again.get_state(), generator.get_state())
        log_p = torch.cat(list(model.scores(x_t, t, y))).log_softmax(1).unflatten(0, (6, 256))
        m = model.net(x_t, t, y)[:, :3]
    for i in range(6):
        right = colours.unflatten(0, (6, 256))[i, pixels[i]]
        entropy = -log_p[i, pixels[i], right].mean()
        expected = entropy + 50 * (m[i] - x_0[i]).square().mean()
        torch.testing.assert_close(losses[i], expected, rtol=1e-4, atol=1e-4)


# --- the palette ---


def test_a_palette_of_all_colours_loses_nothing(real):
    train, _ = real
    palette = nb.make_palette(train.numpy(), 400)
    codes = nb.to_codes(train.numpy())
    assert len(palette) == len(np.unique(codes))
    pixels = nb.to_colours(codes.ravel())
    assert torch.equal(palette[nb.nearest_colour(pixels, palette)], pixels)
    assert nb.palette_error(palette, nb.to_tensor(train.numpy())) == 0


def test_a_small_palette_is_better_than_the_most_frequent_colours(real):
    train, x = real[0].numpy(), nb.to_tensor(real[1].numpy())
    frequent = nb.make_palette(train, 400)[:24]
    start, moved = (nb.make_palette(train, 24, rounds) for rounds in (0, 10))
    assert frequent.shape == moved.shape == (24, 3)
    errors = [nb.palette_error(palette, x) for palette in (moved, start, frequent)]
    assert 0 < errors[0] < errors[1] < 0.8 * errors[2]
    levels = (moved + 1) * 127.5
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)


def test_without_correction_the_nearest_colour_scores_highest():
    palette = torch.rand(30, 3, generator=seeded(0)) * 2 - 1
    head = nb.PaletteHead(palette, 4)
    m, h = torch.rand(200, 3, generator=seeded(1)) * 2 - 1, torch.randn(200, 4)
    scores = head(m, h, torch.full((200, 1), 3.0))
    assert torch.equal(scores.argmax(1), nb.nearest_colour(m, palette))
    distance = (m[:, None] - palette).square().sum(2)  # (200, 30)
    torch.testing.assert_close(scores.softmax(1), (-3 * distance).softmax(1))


def test_scores_of_a_trained_head_are_eq_12():
    """The head folds both parts of the equation into one product; here they are added up."""
    torch.manual_seed(2)
    palette = torch.rand(30, 3) * 2 - 1
    head = nb.PaletteHead(palette, 4)
    torch.nn.init.normal_(head.correction.weight)
    torch.nn.init.normal_(head.correction.bias)
    m, h, s = torch.rand(50, 3) * 2 - 1, torch.randn(50, 4), torch.rand(50, 1) + 1
    near = s * (2 * m @ palette.T - palette.square().sum(1))
    expected = near + head.correction(torch.nn.functional.silu(h))
    torch.testing.assert_close(head(m, h, s), expected)
    torch.testing.assert_close(head(m, h, torch.tensor(2.0)), head(m, h, torch.full((50, 1), 2.0)))


def test_guidance_goes_on_from_worse_to_better_and_ends_in_palette_colours(batch):
    x_t, _, y = batch
    full, short = small_palette_model(), small_palette_model()
    torch.nn.init.normal_(short.net.out.weight, std=0.1)
    t = torch.full((6,), 400)
    with torch.no_grad():
        better, worse = full(x_t, t, y), short(x_t, t, y)
        assert not torch.allclose(better, worse)
        torch.testing.assert_close(nb.GuidedDenoiser(full, short, 1.0)(x_t, t, y), better)
        torch.testing.assert_close(nb.GuidedDenoiser(full, short, 0.0)(x_t, t, y), worse)
        guided = nb.GuidedDenoiser(full, short, 3.0)(x_t, t, y)
        torch.testing.assert_close(guided - better, 2 * (better - worse))
        last = nb.GuidedDenoiser(full, short, 3.0)(x_t, t, y, last=True)
        assert torch.equal(last, full.best_colour(x_t, t, y))


def test_a_palette_denoiser_answers_in_three_ways(batch):
    x_t, _, y = batch
    model, palette = small_palette_model(), None
    palette = model.head.palette
    with torch.no_grad():
        for t, read in ((400, None), (151, None), (150, "mean"), (1, "mean")):
            t_batch = torch.full((6,), t)
            scores = torch.cat(list(model.scores(x_t, t_batch, y)))
            mean = nb.to_maps(scores.softmax(1) @ palette)
            expected = mean if read else model.net(x_t, t_batch, y)[:, :3]
            torch.testing.assert_close(model(x_t, t_batch, y), expected)
            best = model(x_t, t_batch, y, last=True)
            assert torch.equal(best, nb.to_maps(palette[scores.argmax(1)]))


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_finished_sprites_consist_of_palette_colours(eta, batch):
    x_T, _, y = batch
    model = small_palette_model()
    drawn = nb.sample(model, x_T, y, schedule("cosine"), 4, eta, 0.7, seeded(0))
    allowed = {tuple(colour) for colour in nb.to_uint8(nb.to_maps(model.head.palette.repeat(256, 1))).reshape(-1, 3).tolist()}
    found = {tuple(colour) for colour in nb.to_uint8(drawn).reshape(-1, 3).tolist()}
    assert found <= allowed
    assert len(found) > 1


# --- the network ---


def test_timestep_embedding_equals_that_of_diffusers():
    t = torch.tensor([0, 1, 17, 499, 500])
    theirs = get_timestep_embedding(t, 64, flip_sin_to_cos=False, downscale_freq_shift=0)
    torch.testing.assert_close(nb.timestep_embedding(t), theirs, rtol=1e-3, atol=1e-4)


def test_every_parameter_of_the_network_gets_a_gradient(batch):
    x_0, _, y = batch
    model = small_palette_model()
    losses, _ = nb.p_losses_palette(model, x_0, y, schedule("cosine"), seeded(0))
    losses.sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_unet_reads_time_and_class_and_every_pixel(batch):
    x_t, _, y = batch
    model = small_palette_model().net
    t = torch.full((6,), 100)
    out = model(x_t, t, y)
    assert out.shape == (6, 3 + 4, 16, 16)
    assert not torch.allclose(out, model(x_t, t + 1, y))
    assert not torch.allclose(out, model(x_t, t, (y + 1) % 5))
    x_t = x_t[:1].clone().requires_grad_()
    model(x_t, t[:1], y[:1])[0, :, 8, 8].sum().backward()
    assert (x_t.grad.abs() > 0).all()


def test_a_sprite_does_not_depend_on_its_neighbours_in_the_batch(batch):
    x_t, _, y = batch
    model, t = small_palette_model().net.eval(), torch.arange(1, 7) * 80
    torch.testing.assert_close(model(x_t, t, y)[:1], model(x_t[:1], t[:1], y[:1]), rtol=1e-4, atol=1e-5)


# --- training and weights ---


def test_averaged_weights_follow():
    model, ema = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    start, goal = ema.weight.detach().clone(), model.weight.detach()
    nb.update_ema(ema, model, 10, nb.EMA_DECAY)  # decay 1/2 early on
    torch.testing.assert_close(ema.weight.detach(), (start + goal) / 2)
    for step in range(10_000, 10_000 + 20 * round(1 / (1 - nb.EMA_DECAY))):
        nb.update_ema(ema, model, step, nb.EMA_DECAY)
    torch.testing.assert_close(ema.weight.detach(), goal, rtol=1e-4, atol=1e-5)


def test_the_last_weights_are_kept_even_where_the_test_loss_rises(tmp_path, monkeypatch):
    """Nothing is chosen on the test split; the averaged network is kept, not the current one."""
    module = definitions("01.ddpm.ipynb")
    monkeypatch.chdir(tmp_path)
    rising = iter(range(1, 100))
    monkeypatch.setattr(module, "validation_losses", lambda *args: (torch.tensor([float(next(rising))]), None))
    x, y = torch.rand(40, 3, 16, 16, generator=seeded(0)) * 2 - 1, torch.arange(40) % CLASSES
    averaged, current, arch = [], [], {"width": 16, "classes": CLASSES}
    data, alpha_bar = ((x, y), (x, y)), module.to_alpha_bar(module.cosine_beta(20))

    def watch(ema, model, history):
        averaged.append([p.detach().half().float() for p in ema.parameters()])
        current.append([p.detach().half().float() for p in model.parameters()])

    what = ("assets/x.pt", module.UNet, arch, module.p_losses, 10, data, alpha_bar, "these sprites", watch)
    model, history = module.trained(*what)
    assert history["test"] == [float(i) for i in range(1, 11)]
    assert history["step"] == list(range(1, 11))
    assert not torch.equal(averaged[0][0], averaged[-1][0])
    assert not torch.equal(current[-1][0], averaged[-1][0])
    for ours, last in zip(model.parameters(), averaged[-1]):
        assert torch.equal(ours, last)


def test_watching_draws_by_both_networks_and_changes_neither(batch):
    history, y, alpha_bar = {"seconds": 1.0}, torch.arange(20) % CLASSES, nb.to_alpha_bar(nb.cosine_beta(20))
    torch.manual_seed(0)
    classifier, networks = nb.Classifier(CLASSES), (denoiser("eps"), denoiser("v"))
    for _ in range(2):
        nb.watch(classifier, y, alpha_bar, *networks, history)
    assert history["seconds_at_check"] == [1.0, 1.0]
    for name, network in zip(("averaged", "current"), networks):
        x_T = torch.randn(20, 3, 16, 16, generator=seeded(nb.SEED))
        drawn = nb.to_uint8(nb.sample(network, x_T, y, alpha_bar, 20))
        assert torch.equal(history[f"pictures_{name}"][1], drawn[::2])
        assert 0 <= history[f"agreement_{name}"][1] <= 1


def test_a_palette_survives_the_file_exactly(tmp_path, monkeypatch):
    """Weights are stored in half precision; colours must not be."""
    monkeypatch.chdir(tmp_path)
    palette = torch.arange(256, dtype=torch.uint8)[:, None].expand(256, 3).contiguous()
    arch = {"width": 16, "classes": CLASSES, "extra": 4, "palette": palette, "below": 150}
    model = nb.make_ddpm(**arch)
    nb.save_model("assets/x.pt", model, arch, {"seconds": 1.0}, "these sprites")
    loaded, history = nb.load_model("assets/x.pt", nb.make_ddpm, "these sprites")
    assert history["seconds"] == 1.0
    assert loaded.below == 150
    assert torch.equal(loaded.head.palette, palette.float() / 127.5 - 1)
    assert torch.equal(loaded.head.palette, model.head.palette)


def test_real_sprites_are_of_the_classes_asked_for():
    x = torch.rand(30, 3, 16, 16, generator=seeded(0))
    y = torch.arange(30) % 3
    wanted = torch.tensor([2, 0, 0, 7, 2, 1] + [1] * 12)
    chosen = nb.real_sprites(x, y, wanted, seed=4)
    index = [(x == one).flatten(1).all(1).nonzero().flatten().tolist() for one in chosen]
    assert index[3] == []
    assert (chosen[3] == 1).all()  # no such class: white
    labels = [y[i[0]].item() for i in index if i]
    assert labels == [label for label in wanted.tolist() if label != 7]
    assert len({i[0] for i, label in zip(index, wanted.tolist()) if label == 1}) == 10  # all there are, before any twice
    assert torch.equal(chosen, nb.real_sprites(x, y, wanted, seed=4))
    assert not torch.equal(chosen, nb.real_sprites(x, y, wanted, seed=5))


# --- rectified flow (exercise 5) ---


def test_flow_is_trained_on_the_velocity_of_the_straight_path(batch):
    x_0, _, y = batch
    alpha_bar = schedule("cosine")
    losses, t = nb.p_losses_flow(Constant(0.0), x_0, y, alpha_bar, seeded(5))
    _, t_too, eps = nb.noised(x_0, alpha_bar, seeded(5))
    assert torch.equal(t, t_too)
    torch.testing.assert_close(losses, (eps - x_0).square().mean((1, 2, 3)))

    class Seen(torch.nn.Module):
        def forward(self, x_t, t, y):
            u = (t / T)[:, None, None, None]
            torch.testing.assert_close(x_t, (1 - u) * x_0 + u * eps)
            return eps - x_0

    assert nb.p_losses_flow(Seen(), x_0, y, alpha_bar, seeded(5))[0].abs().max() == 0


@pytest.mark.parametrize("steps", [1, 7, T])
def test_flow_against_the_true_velocity_ends_at_the_sprite(steps, batch):
    x_0, eps, y = batch[0].clamp(-1, 1), batch[1], batch[2]
    ended = nb.sample_flow(Constant(eps - x_0), eps, y, T, steps)
    torch.testing.assert_close(ended, x_0, rtol=1e-3, atol=1e-4)


# --- measures ---


def test_frechet_distance_has_its_closed_form():
    torch.manual_seed(0)
    base = torch.randn(20_000, 8)
    scale = base.std(0)
    assert sum(nb.frechet(base, base, scale)) == pytest.approx(0, abs=1e-6)
    means, covariances = nb.frechet(base + 2, base, scale)
    assert means == pytest.approx(8 * 4, rel=0.02)
    assert covariances == pytest.approx(0, abs=1e-6)
    means, covariances = nb.frechet(3 * base, base, scale)
    assert means == pytest.approx(0, abs=0.02)
    assert covariances == pytest.approx(8 * (3 - 1) ** 2, rel=0.02)
    dead = torch.cat([base, torch.zeros(20_000, 1)], 1)  # a feature that never varies
    assert sum(nb.frechet(dead + 1, dead, dead.std(0))) == pytest.approx(8, rel=0.02)


def test_ideal_denoiser_is_the_score_of_the_noised_data():
    """Tweedie: the best guess of x_0 is (x_t + (1 - a) grad log p(x_t)) / sqrt(a), by autograd."""
    torch.manual_seed(0)
    alpha_bar, x, labels = schedule("cosine"), torch.randn(40, 3, 16, 16), torch.arange(40) % CLASSES
    t, y = 460, torch.tensor([0, 3])
    a = alpha_bar[t]
    x_t = torch.randn(2, 3, 16, 16, requires_grad=True)
    log_p = 0
    for i in range(2):
        distance = (x_t[i] - a.sqrt() * x[labels == y[i]]).square().sum((1, 2, 3))
        log_p = log_p + (-distance / (2 * (1 - a))).logsumexp(0)
    log_p.backward()
    expected = (x_t.detach() + (1 - a) * x_t.grad) / a.sqrt()
    guess = nb.IdealDenoiser(x, labels, alpha_bar)(x_t.detach(), torch.full((2,), t), y)
    torch.testing.assert_close(guess, expected, rtol=1e-2, atol=1e-2)


def test_doing_nothing_is_off_by_the_noise(batch):
    x_0, _, y = batch
    alpha_bar, nothing = schedule("cosine"), nb.DoNothing(None, schedule("cosine"))
    errors = nb.errors_of(nothing, 0.2 * x_0.clamp(-1, 1), y, alpha_bar)
    for t, error in zip(nb.noise_levels(T)[:4], errors):  # hardly anything is clipped there
        assert error == pytest.approx(((1 - alpha_bar[t]) / alpha_bar[t]).item(), rel=0.1)
    assert nb.noise_levels(T)[:4] == [1, 2, 5, 10]
    assert nb.noise_levels(12)[0] == 1


def test_measures_are_those_of_the_tools(real):
    """Distances and novelty agree with `make quality`; the features of the Fréchet distance do not matter here."""
    train, test = real[0][::4], real[1]
    drawn = torch.from_numpy(np.random.RandomState(0).randint(0, 256, (20, 16, 16, 3)).astype(np.uint8))
    for images in (drawn, test, train[:10].roll(1, 2)):
        assert torch.equal(nb.distance_to_nearest(images, train), measures.distance_to_nearest(images, train))
        assert nb.novelty(images, train, test[::2]) == measures.novelty(images, train, test[::2])
        assert nb.distinct_colours(images) == measures.distinct_colours(images)
    a, b = torch.randn(40, 8, generator=seeded(0)), torch.randn(50, 8, generator=seeded(1))
    assert nb.frechet(a, b, b.std(0)) == measures.frechet(a, b, b.std(0))


def test_copies_have_no_novelty_and_test_sprites_have_it(real):
    train, test = real
    some = train[::10]
    noisy = (some + 6 * torch.randn(some.shape, generator=seeded(0))).round().clamp(0, 255).byte()
    moved = nb.to_uint8(nb.moved(nb.to_tensor(some.numpy())))
    assert torch.equal(moved[:, :, 1:], some[:, :, :-1])
    assert (moved[:, :, 0] == 255).all()
    for name, disguised in (("same", some), ("moved", moved), ("noisy", noisy)):
        assert nb.novelty(disguised, train, test[0::2]) < 0.1, name
    assert nb.distance_to_nearest(some, train).max() < 1  # rounding
    assert nb.novelty(test[0::2], train, test[0::2]) == 1
