"""The mathematics of 01.ddpm.ipynb: against diffusers, autograd and closed forms. Nothing is trained."""

import math

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.models.embeddings import get_timestep_embedding
from notebooks import definitions

nb = definitions("01.ddpm.ipynb")
T = 500
TYPES = {"eps": "epsilon", "v": "v_prediction", "x_0": "sample"}
SCHEDULES = {"linear": (nb.linear_beta, "linear"), "cosine": (nb.cosine_beta, "squaredcos_cap_v2")}


def scheduler(kind, schedule="cosine", target="eps", **more):
    betas = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": SCHEDULES[schedule][1]}
    return kind(num_train_timesteps=T, **betas, prediction_type=TYPES[target], clip_sample=True, **more)


def schedule(name):
    return nb.to_alpha_bar(SCHEDULES[name][0](T))


class Dummy(torch.nn.Module):
    """Some smooth function of its inputs in place of a network."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def forward(self, x_t, t, y):
        return torch.tanh(1.3 * x_t.roll(1, -1) - 0.2) * (1 + 0.3 * torch.sin(t.float() / 50 + y))[:, None, None, None]


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.randn(6, 3, 16, 16), torch.randn(6, 3, 16, 16), torch.tensor([0, 1, 2, 3, 4, 0])


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
        factor, variance = factor * math.sqrt(1 - beta[t]), (1 - beta[t].item()) * variance + beta[t].item()
        assert factor == pytest.approx(alpha_bar[t].sqrt().item(), abs=1e-5)
        assert variance == pytest.approx(1 - alpha_bar[t].item(), abs=1e-5)
    torch.manual_seed(0)
    x_t = nb.q_step(torch.full((200_000,), 0.7), beta[300])
    assert x_t.mean().item() == pytest.approx(0.7 * math.sqrt(1 - beta[300]), abs=2e-3)
    assert x_t.var().item() == pytest.approx(beta[300].item(), rel=0.02)


@pytest.mark.parametrize("target", TYPES)
@pytest.mark.parametrize("t", [500, 499, 250, 2, 1])
def test_one_ancestral_step_equals_that_of_diffusers(target, t, batch):
    x_t, _, y = batch
    model, t_batch = Dummy(target), torch.full((6,), t)
    theirs = scheduler(DDPMScheduler, target=target, variance_type="fixed_small")
    expected = theirs.step(model(x_t, t_batch, y), t - 1, x_t, generator=torch.Generator().manual_seed(7)).prev_sample
    torch.manual_seed(7)
    torch.testing.assert_close(nb.p_sample(model, x_t, t_batch, y, schedule("cosine")), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("target", TYPES)
@pytest.mark.parametrize("steps", [20, 100])
def test_a_whole_ddim_chain_equals_that_of_diffusers(target, steps, batch):
    x, _, y = batch
    model, theirs = Dummy(target), scheduler(DDIMScheduler, target=target, timestep_spacing="trailing")
    theirs.set_timesteps(steps)
    trace = []
    ours = nb.sample(model, x, y, schedule("cosine"), steps=steps, trace=trace)
    assert [t - 1 for t, _, _ in trace] == theirs.timesteps.tolist()
    for i, t in enumerate(theirs.timesteps):
        output = model(x, torch.full((6,), int(t) + 1), y)
        x = theirs.step(output, t, x, eta=0.0, use_clipped_model_output=True).prev_sample
        if i == 0:  # a single step
            torch.testing.assert_close(trace[0][1], x, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ours, x, rtol=1e-3, atol=1e-3)


def test_ddim_with_fresh_noise_is_ancestral_sampling(batch):
    x_T, _, y = batch
    alpha_bar = nb.to_alpha_bar(nb.cosine_beta(30))
    torch.manual_seed(1)
    ddim = nb.sample(Dummy("x_0"), x_T, y, alpha_bar, steps=30, eta=1.0)
    torch.manual_seed(1)
    torch.testing.assert_close(ddim, nb.ancestral(Dummy("x_0"), x_T, y, alpha_bar), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("target", TYPES)
def test_the_true_target_gives_back_sprite_and_noise(target, batch):
    x_0, eps, y = batch[0].clamp(-1, 1), batch[1], batch[2]
    alpha_bar, t = schedule("cosine"), torch.tensor([1, 50, 150, 250, 350, 450])
    x_t = nb.q_sample(x_0, t, eps, alpha_bar)

    class Oracle(torch.nn.Module):
        def forward(self, x_t, t, y):
            return nb.regression_target(target, x_0, eps, t, alpha_bar)

    oracle = Oracle()
    oracle.target = target
    guess, noise = nb.predict(oracle, x_t, t, y, alpha_bar)
    torch.testing.assert_close(guess, x_0, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(noise[1:], eps[1:], atol=2e-2, rtol=1e-2)


def test_posterior_is_what_bayes_says():
    """Product of the two Gaussians q(x_t | x_{t-1}) and q(x_{t-1} | x_0), on a fine grid."""
    alpha_bar, beta, t = schedule("cosine"), nb.cosine_beta(T), 300
    x_0, x_t, grid = 0.4, -0.8, torch.linspace(-8, 8, 400_001, dtype=torch.float64)
    a, a_prev, b = alpha_bar[t].double(), alpha_bar[t - 1].double(), 1 - (alpha_bar[t] / alpha_bar[t - 1]).double()
    log_density = -((x_t - (1 - b).sqrt() * grid) ** 2) / (2 * b) - (grid - a_prev.sqrt() * x_0) ** 2 / (2 * (1 - a_prev))
    weight = log_density.softmax(0)
    mean = (weight * grid).sum().item()
    variance = (weight * (grid - mean) ** 2).sum().item()

    class Fixed(torch.nn.Module):
        target = "x_0"

        def forward(self, x_t, t, y):
            return torch.full_like(x_t, x_0)

    torch.manual_seed(0)
    many = torch.full((300, 3, 16, 16), x_t)
    drawn = nb.p_sample(Fixed(), many, torch.full((300,), t), torch.zeros(300).long(), alpha_bar)
    assert drawn.mean().item() == pytest.approx(mean, abs=1e-3)
    assert drawn.var().item() == pytest.approx(variance, rel=0.02)
    assert beta[t].item() == pytest.approx(b.item(), rel=1e-3)
    assert a < a_prev


def test_timestep_embedding_equals_that_of_diffusers():
    t = torch.tensor([0, 1, 17, 499, 500])
    theirs = get_timestep_embedding(t, 64, flip_sin_to_cos=False, downscale_freq_shift=0)
    torch.testing.assert_close(nb.timestep_embedding(t), theirs, rtol=1e-3, atol=1e-4)


def test_losses_are_squared_errors_of_the_target(batch):
    x_0, _, y = batch
    alpha_bar = schedule("cosine")

    class Zero(torch.nn.Module):
        def forward(self, x_t, t, y):
            return torch.zeros_like(x_t)

    for target in TYPES:
        zero = Zero()
        zero.target = target
        torch.manual_seed(5)
        losses, t = nb.p_losses(zero, x_0, y, alpha_bar)
        torch.manual_seed(5)
        assert torch.equal(t, torch.randint(1, T + 1, (6,)))
        wanted = nb.regression_target(target, x_0, torch.randn_like(x_0), t, alpha_bar)
        torch.testing.assert_close(losses, wanted.square().mean((1, 2, 3)))


def test_every_parameter_of_the_unet_gets_a_gradient(batch):
    x_t, _, y = batch
    torch.manual_seed(0)
    model = nb.UNet(16)
    with torch.no_grad():
        for parameter in model.parameters():  # away from the zeros it starts with
            parameter.add_(0.05 * torch.randn_like(parameter))
    model(x_t, torch.arange(1, 7) * 80, y).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_unet_reads_time_and_class_and_every_pixel(batch):
    x_t, _, y = batch
    torch.manual_seed(0)
    model = nb.UNet(16)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    t = torch.full((6,), 100)
    out = model(x_t, t, y)
    assert out.shape == x_t.shape
    assert not torch.allclose(out, model(x_t, t + 1, y))
    assert not torch.allclose(out, model(x_t, t, (y + 1) % 5))
    x_t = x_t[:1].clone().requires_grad_()
    model(x_t, t[:1], y[:1])[0, :, 8, 8].sum().backward()
    assert (x_t.grad.abs() > 0).all()


def test_a_sprite_does_not_depend_on_its_neighbours_in_the_batch(batch):
    x_t, _, y = batch
    model, t = nb.UNet(16).eval(), torch.arange(1, 7) * 80
    torch.testing.assert_close(model(x_t, t, y)[:1], model(x_t[:1], t[:1], y[:1]), rtol=1e-4, atol=1e-5)


def test_seeds_give_the_same_samples_twice():
    model, alpha_bar = nb.UNet(16, "x_0"), nb.to_alpha_bar(nb.cosine_beta(50))

    def draw():
        torch.manual_seed(3)
        return nb.sample(model, torch.randn(4, 3, 16, 16), torch.arange(4), alpha_bar, steps=5, eta=0.5)

    assert torch.equal(draw(), draw())


def test_averaged_weights_follow(batch):
    model, ema = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    start, goal = ema.weight.detach().clone(), model.weight.detach()
    nb.update_ema(ema, model, step=10)  # decay 1/2 early on
    torch.testing.assert_close(ema.weight.detach(), (start + goal) / 2)
    for step in range(10_000, 10_000 + 20 * round(1 / (1 - nb.EMA_DECAY))):
        nb.update_ema(ema, model, step)
    torch.testing.assert_close(ema.weight.detach(), goal, rtol=1e-4, atol=1e-5)


def test_frechet_distance_has_its_closed_form():
    torch.manual_seed(0)
    base = torch.randn(20_000, 8)
    assert nb.frechet(base, base) == pytest.approx(0, abs=1e-6)
    assert nb.frechet(base + 2, base) == pytest.approx(8 * 4, rel=0.02)  # means apart
    assert nb.frechet(3 * base, base) == pytest.approx(8 * (3 - 1) ** 2, rel=0.02)  # deviations apart


def test_ideal_denoiser_is_the_score_of_the_noised_data():
    """Tweedie: the best guess of x_0 is (x_t + (1 - a) grad log p(x_t)) / sqrt(a), by autograd."""
    torch.manual_seed(0)
    nb.alpha_bar, nb.x_train, nb.y_train = schedule("cosine"), torch.randn(40, 3, 16, 16), torch.arange(40) % 5
    t = 460
    a, y = nb.alpha_bar[t], torch.tensor([0, 3])
    x_t = torch.randn(2, 3, 16, 16, requires_grad=True)
    log_p = 0
    for i in range(2):
        distance = (x_t[i] - a.sqrt() * nb.x_train[nb.y_train == y[i]]).square().sum((1, 2, 3))
        log_p = log_p + (-distance / (2 * (1 - a))).logsumexp(0)
    log_p.backward()
    expected = (x_t.detach() + (1 - a) * x_t.grad) / a.sqrt()
    guess = nb.IdealDenoiser()(x_t.detach(), torch.full((2,), t), y)
    torch.testing.assert_close(guess, expected, rtol=1e-2, atol=1e-2)
