"""The mathematics of 01.ddpm.ipynb: against diffusers, Bayes, autograd and closed forms. Nothing real is trained.

And what holds for all three notebooks: what two of them share is the same text, and no default is bound to a constant.
"""

import ast
import math
import warnings

import matplotlib
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.models.embeddings import get_timestep_embedding
from notebooks import NOTEBOOKS, ROOT, code_cells, definitions
from torch.nn import functional as F

matplotlib.use("Agg")
pytestmark = pytest.mark.quick
NAME = "01.ddpm.ipynb"
COLOURS = [[255, 255, 255], [0, 0, 0], [255, 0, 0], [200, 10, 90], [17, 18, 19], [0, 90, 250], [7, 200, 7]]
PALETTE = torch.tensor(COLOURS) / 127.5 - 1


def statements(name):
    """The statements of a notebook at its top level, each with its source."""
    for cell in code_cells(name):
        lines = cell.source.splitlines()
        for node in ast.parse(cell.source).body:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            yield node, "\n".join(lines[first - 1 : node.end_lineno])


def run(module, *starts):
    """Execute in a module those statements of its notebook that begin like this, in the notebook's order."""
    count = 0
    for _, source in statements(module.__name__):
        if source.startswith(starts):
            exec(source, module.__dict__)
            count += 1
    assert count >= len(starts)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def stirred(module):
    """The module with its parameters away from the values that they start with, zeros above all."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module.eval()


def small(name, **constants):
    """The definitions of a notebook with 40 random sprites in seven colours in place of the data."""
    module = definitions(name)
    module.palette, module.K, module.N, module.data_id = PALETTE, len(PALETTE), 40, "these sprites"
    module.index_train = torch.randint(7, (40, 16, 16), generator=seeded())
    module.CLASSES, module.y_train = list("abcde"), torch.arange(40) % 5
    module.__dict__.update(constants)
    return module


def set_T(module, T):
    """Another number of steps, with the notebook's own schedule."""
    module.T = T
    run(module, "steps = ", "f = ", "alpha_bar = ")


@pytest.fixture
def nb():
    module = small(NAME, BATCH=8, WIDTH=16)
    set_T(module, 500)
    return module


@pytest.fixture
def batch():
    """Sprites, noise and classes."""
    torch.manual_seed(0)
    return torch.rand(6, 3, 16, 16) * 2 - 1, torch.randn(6, 3, 16, 16), torch.arange(6) % 5


def dummy(net, x_t, t, y):
    """Some smooth guess of the sprite, beyond -1 and 1 here and there."""
    factor = (1 + 0.3 * torch.sin(t.float() / 50 + y))[:, None, None, None]
    return torch.tanh(1.3 * x_t.roll(1, -1) - 0.2) * factor


def scheduler(kind, alpha_bar, **more):
    """A sampler of diffusers with our schedule, for a network that guesses the sprite."""
    betas = (1 - alpha_bar[1:].double() / alpha_bar[:-1].double()).numpy()
    return kind(len(betas), trained_betas=betas, prediction_type="sample", clip_sample=True, **more)


def stopped_at(call, loss_of):
    """The loss, but its call of this number stops as a user does who presses the stop button."""
    calls = []

    def loss(net, i):
        calls.append(i)
        if len(calls) == call:
            raise KeyboardInterrupt
        return loss_of(net, i)

    return loss


# --- the forward process ---


@pytest.mark.parametrize("T", [30, 500, 1000])
def test_the_schedule_is_the_cosine_schedule_of_diffusers_up_to_its_clamp(nb, T):
    set_T(nb, T)
    theirs = DDPMScheduler(T, beta_schedule="squaredcos_cap_v2").alphas_cumprod.float().clamp(min=1e-5)
    torch.testing.assert_close(nb.alpha_bar[1:], theirs, rtol=2e-4, atol=1e-7)
    assert (nb.alpha_bar[0], len(nb.alpha_bar)) == (1, T + 1)
    assert nb.alpha_bar[-1].item() == pytest.approx(1e-5)
    assert (nb.alpha_bar.diff() <= 0).all()
    linear = DDPMScheduler(T, beta_schedule="linear").alphas_cumprod.float()
    assert (nb.alpha_bar[1:] - linear).abs().max() > 0.1


def test_the_forward_process_equals_that_of_diffusers_and_has_the_moments_of_eq_1(nb, batch):
    x_0, eps, _ = batch
    t = torch.tensor([1, 2, 100, 250, 499, 500])
    theirs = scheduler(DDPMScheduler, nb.alpha_bar)
    torch.testing.assert_close(nb.q_sample(x_0, t, eps), theirs.add_noise(x_0, eps, t - 1), rtol=1e-4, atol=1e-5)
    assert (nb.q_sample(x_0, t, eps) - theirs.add_noise(x_0, eps, t - 2)).abs().max() > 1e-3
    assert torch.equal(nb.q_sample(x_0, torch.zeros(6).long(), eps), x_0)
    x_t = nb.q_sample(torch.full((300, 3, 16, 16), 0.7), torch.full((300,), 120), torch.randn(300, 3, 16, 16))
    assert x_t.mean().item() == pytest.approx(0.7 * nb.alpha_bar[120].sqrt().item(), abs=0.01)
    assert x_t.var().item() == pytest.approx(1 - nb.alpha_bar[120].item(), rel=0.02)


@pytest.mark.parametrize(("loss", "target"), [("loss_eps", 1), ("loss_x_0", 0)])
def test_losses_are_squared_errors_of_what_they_ask_for_at_every_step_from_1_to_T(nb, loss, target):
    set_T(nb, 5)
    seen, i = [], torch.arange(40).repeat(5)
    torch.manual_seed(3)
    found = getattr(nb, loss)(lambda *asked: seen.append(asked) or 0.3 * asked[0], i)
    torch.manual_seed(3)
    x_0, eps, x_t, t = nb.noised(i)
    assert torch.equal(x_0, PALETTE[nb.index_train[i]].permute(0, 3, 1, 2))
    assert sorted(set(t.tolist())) == [1, 2, 3, 4, 5]
    torch.testing.assert_close(x_t, nb.q_sample(x_0, t, eps))
    assert all(torch.equal(a, b) for a, b in zip(seen[0], (x_t, t, nb.y_train[i])))
    assert found.item() == pytest.approx((0.3 * x_t - (x_0, eps)[target]).square().mean().item())
    assert found.item() != pytest.approx((0.3 * x_t - (eps, x_0)[target]).square().mean().item())


# --- guesses ---


def test_eq_4_inverts_eq_1(nb, batch):
    x_0, eps, y = batch
    t = torch.tensor([1, 50, 150, 250, 350, 450])
    x_t = nb.q_sample(x_0, t, eps)
    torch.testing.assert_close(nb.guess_eps(lambda *asked: eps, x_t, t, y), x_0, atol=1e-4, rtol=1e-3)
    assert (nb.guess_eps(lambda *asked: 0.9 * eps, x_t, t, y) - x_0).abs().max() > 0.1
    assert nb.guess_x_0(lambda *asked: asked, x_t, t, y) == (x_t, t, y)


def test_the_mean_colour_is_the_average_by_the_softmax(nb):
    scores = 2 * torch.randn(2, 7, 16, 16, generator=seeded())
    found = nb.mean_colour(scores)
    assert found.shape == (2, 3, 16, 16)
    for b, row, column in ((0, 0, 0), (1, 3, 9), (1, 15, 2)):
        powers = scores[b, :, row, column].exp()
        expected = sum(power / powers.sum() * colour for power, colour in zip(powers, PALETTE))
        torch.testing.assert_close(found[b, :, row, column], expected)
    sure = 200.0 * F.one_hot(nb.index_train, 7).permute(0, 3, 1, 2)
    torch.testing.assert_close(nb.mean_colour(sure), nb.to_sprites(nb.index_train))


def test_the_loss_of_colours_is_cross_entropy_and_five_times_the_squared_error(nb):
    i, scores = torch.arange(8), torch.randn(8, 7, 16, 16, generator=seeded())
    found = nb.loss_colours(lambda *asked: scores, i).item()
    chances = scores.softmax(1)
    entropy = -chances.gather(1, nb.index_train[i][:, None]).log().mean().item()
    mean = (chances[:, :, None] * PALETTE.view(1, 7, 3, 1, 1)).sum(1)
    squares = (mean - PALETTE[nb.index_train[i]].permute(0, 3, 1, 2)).square().mean().item()
    assert found == pytest.approx(entropy + 5 * squares, rel=1e-5)
    assert found != pytest.approx(entropy + squares, rel=1e-2)


def test_best_colours_are_those_of_the_highest_score_at_step_1(nb, batch):
    x, _, y = batch
    scores, seen = torch.randn(6, 7, 16, 16, generator=seeded()), []
    drawn = nb.best_colours(lambda *asked: seen.append(asked) or scores, x, y)
    assert torch.equal(drawn.permute(0, 2, 3, 1), PALETTE[scores.argmax(1)])
    assert torch.equal(seen[0][0], x)
    assert seen[0][1].tolist() == [1] * 6
    assert torch.equal(seen[0][2], y)


def test_nearest_colours_are_nearest_and_leave_real_sprites_alone(nb, batch):
    x = batch[0]
    distance = (x.permute(0, 2, 3, 1)[..., None, :] - PALETTE).square().sum(-1)  # (6, 16, 16, 7)
    assert torch.equal(nb.nearest_colours(x).permute(0, 2, 3, 1), PALETTE[distance.argmin(-1)])
    data, _ = nb.read_data(str(ROOT / "data" / "sprites.npz"))
    nb.palette = torch.tensor(data["palette"]) / 127.5 - 1
    real = nb.to_sprites(torch.tensor(data["images"][::500]).long())
    assert torch.equal(nb.nearest_colours(real), real)
    assert not torch.equal(nb.nearest_colours(real + 0.5), real)


# --- samplers ---


def watched(nb, sampler, x_0, **how):
    """x_t by t along a chain, whose guess is x_0."""
    kept = {}

    def guess(net, x_t, t, y):
        kept[int(t[0])] = x_t
        return x_0

    end = sampler(None, guess, torch.zeros(len(x_0)).long(), **how)
    return kept, end


@pytest.mark.parametrize(("s", "t"), [(1, 2), (299, 300), (100, 400)])
def test_a_step_of_algorithm_2_draws_from_the_posterior_of_bayes(nb, s, t):
    """A step from t to s is the first of a chain whose schedule has these two steps only."""
    a_prev, a = nb.alpha_bar[[s, t]].double()
    nb.alpha_bar, nb.T = nb.alpha_bar[[0, s, t]], 2
    torch.manual_seed(0)
    kept, end = watched(nb, nb.sample_ancestral, torch.full((300, 3, 16, 16), 0.4))
    assert (end - 0.4).abs().max() < 1e-5
    grid = torch.linspace(-8, 8, 400_001, dtype=torch.float64)

    def posterior(x_t):
        """q(x_t | x_s) times q(x_s | x_0) on a grid of x_s: mean and variance."""
        log_p = -((x_t - (a / a_prev).sqrt() * grid) ** 2) / (2 * (1 - a / a_prev))
        weight = (log_p - (grid - a_prev.sqrt() * 0.4) ** 2 / (2 * (1 - a_prev))).softmax(0)
        mean = (weight * grid).sum()
        return mean.item(), (weight * (grid - mean) ** 2).sum().item()

    (at_0, variance), (at_1, _) = posterior(0.0), posterior(1.0)  # the mean is a straight line in x_t
    rest = kept[1] - at_0 - (at_1 - at_0) * kept[2]
    assert rest.mean().item() == pytest.approx(0, abs=5e-3)
    assert rest.var().item() == pytest.approx(variance, rel=0.02)
    assert (rest * kept[2]).mean().item() == pytest.approx(0, abs=5e-3)
    assert ((kept[1] - at_0) * kept[2]).mean().item() > 0.02  # as it would be for a mean without x_t


@pytest.mark.parametrize("T", [30, 500])
def test_algorithm_2_equals_that_of_diffusers(nb, T):
    set_T(nb, T)
    y, theirs = torch.arange(2), scheduler(DDPMScheduler, nb.alpha_bar, variance_type="fixed_small")
    torch.manual_seed(5)
    ours = nb.sample_ancestral(None, dummy, y)
    torch.manual_seed(5)
    x_t = torch.randn(2, 3, 16, 16)
    for t in range(T - 1, -1, -1):
        x_t = theirs.step(dummy(None, x_t, torch.full_like(y, t + 1), y), t, x_t).prev_sample
    torch.testing.assert_close(ours, x_t, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("steps", [20, 100])
def test_ddim_equals_that_of_diffusers(nb, steps, eta, batch):
    y = batch[2]
    theirs, seen = scheduler(DDIMScheduler, nb.alpha_bar, timestep_spacing="trailing"), []
    theirs.set_timesteps(steps)
    torch.manual_seed(5)
    ours = nb.sample(None, lambda net, x_t, t, y: seen.append(int(t[0])) or dummy(net, x_t, t, y), y, steps, eta)
    assert [t - 1 for t in seen] == theirs.timesteps.tolist()
    torch.manual_seed(5)
    x_t = torch.randn(6, 3, 16, 16)
    for t in theirs.timesteps:
        output = dummy(None, x_t, torch.full_like(y, int(t) + 1), y)
        x_t = theirs.step(output, t, x_t, eta=eta, use_clipped_model_output=True).prev_sample
    torch.testing.assert_close(ours, x_t, rtol=1e-3, atol=2e-3)


def test_ddim_with_all_steps_and_fresh_noise_is_algorithm_2(nb, batch):
    set_T(nb, 60)
    drawn = []
    for sampler, how in ((nb.sample_ancestral, {}), (nb.sample, {"steps": 60}), (nb.sample, {"steps": 60, "eta": 0.0})):
        torch.manual_seed(1)
        drawn.append(sampler(None, dummy, batch[2], **how))
    torch.testing.assert_close(drawn[1], drawn[0], rtol=1e-3, atol=1e-3)
    assert (drawn[2] - drawn[0]).abs().max() > 0.1


SAMPLERS = {"ancestral": {}, "eta 0": {"eta": 0.0}, "eta 1": {"eta": 1.0}}


@pytest.mark.parametrize("name", SAMPLERS)
def test_with_a_perfect_guess_the_noise_is_right_at_every_step_and_the_sprite_comes_out(nb, name, monkeypatch):
    set_T(nb, 40)
    sampler = nb.sample if SAMPLERS[name] else nb.sample_ancestral
    x_0 = torch.rand(40, 3, 16, 16, generator=seeded()) * 2 - 1
    torch.manual_seed(0)
    kept, end = watched(nb, sampler, x_0, **SAMPLERS[name])
    torch.testing.assert_close(end, x_0, atol=1e-5, rtol=1e-4)
    for t, x_t in kept.items():
        noise = x_t - nb.alpha_bar[t].sqrt() * x_0
        assert noise.std().item() == pytest.approx((1 - nb.alpha_bar[t]).sqrt().item(), rel=0.02)
    if name != "eta 0":  # without fresh noise there is too little of it
        monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
        kept, _ = watched(nb, sampler, x_0, **SAMPLERS[name])
        assert (kept[20] - nb.alpha_bar[20].sqrt() * x_0).std() < 0.9 * (1 - nb.alpha_bar[20]).sqrt()


@pytest.mark.parametrize("name", SAMPLERS)
def test_with_the_best_possible_guess_samplers_draw_the_data(nb, name):
    """The mean of all sprites of the class, each by its likelihood: Tweedie's formula for a handful of sprites."""
    set_T(nb, 50)
    x = nb.to_sprites(nb.index_train)

    def ideal(net, x_t, t, y):
        a = nb.alpha_bar[t[0]]
        distance = torch.cdist(x_t.flatten(1), a.sqrt() * x.flatten(1))  # (B, 40)
        log_p = (-(distance**2) / (2 * (1 - a))).masked_fill(nb.y_train != y[:, None], -math.inf)
        return torch.einsum("bn,nchw->bchw", log_p.softmax(1), x)

    sampler, y = nb.sample if SAMPLERS[name] else nb.sample_ancestral, torch.arange(5).repeat(50)
    torch.manual_seed(0)
    drawn = sampler(None, ideal, y, **({"steps": 50, **SAMPLERS[name]} if SAMPLERS[name] else {}))
    distance, nearest = torch.cdist(drawn.flatten(1), x.flatten(1)).min(1)
    assert distance.max() < 0.1
    assert torch.equal(nb.y_train[nearest], y)
    assert nearest.bincount(minlength=40).min() >= 1  # all of them: 6 each are expected
    mean = sampler(None, lambda net, x_t, t, y: x.mean(0).expand_as(x_t), y[:2])
    assert torch.cdist(mean.flatten(1), x.flatten(1)).min() > 5


# --- the network ---


def test_the_time_embedding_equals_that_of_diffusers(nb):
    t = torch.tensor([0, 1, 17, 499, 500])
    theirs = get_timestep_embedding(t, 64, flip_sin_to_cos=False, downscale_freq_shift=0)
    torch.testing.assert_close(nb.time_embedding(t), theirs, rtol=1e-3, atol=1e-4)
    assert nb.time_embedding(t, 16).shape == (5, 16)
    assert torch.cdist(*[nb.time_embedding(torch.arange(1, 501))] * 2).add(9 * torch.eye(500)).min() > 0.1


@pytest.mark.parametrize("classes", [1, 5, 40])
@pytest.mark.parametrize("out", [3, 64])
def test_shapes_of_the_unet(nb, out, classes):
    nb.CLASSES = [str(k) for k in range(classes)]
    net = nb.UNet(out, 16)
    assert net(torch.randn(2, 3, 16, 16), torch.tensor([1, 500]), torch.tensor([0, classes - 1])).shape == (2, out, 16, 16)
    assert net.label.weight.shape[0] == classes


def test_residual_blocks_begin_by_changing_nothing(nb):
    x, emb = torch.randn(2, 16, 8, 8), torch.randn(2, 64)
    assert torch.equal(nb.ResidualBlock(16, 64)(x, emb), x)
    assert not torch.allclose(stirred(nb.ResidualBlock(16, 64))(x, emb), x)


def test_every_parameter_gets_a_gradient_after_the_first_steps(nb):
    net = nb.UNet(7, 16)
    torch.manual_seed(0)
    nb.train(net, nb.loss_colours, 2)
    net.zero_grad()
    nb.loss_colours(net, torch.arange(40)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad.abs().max() > 0, name
    for matrix in (net.label.weight, net.down.emb.weight):  # every class; scale and shift of every channel
        assert (matrix.grad.abs().amax(1) > 0).all()


def test_the_unet_reads_time_class_and_every_pixel(nb, batch):
    _, x_t, y = batch
    net, t = stirred(nb.UNet(3, 16)), torch.full((6,), 100)
    out = net(x_t, t, y)
    assert (out - net(x_t, t + 1, y)).abs().amax((1, 2, 3)).min() > 1e-6
    assert (out - net(x_t, t, (y + 1) % 5)).abs().amax((1, 2, 3)).min() > 1e-6
    torch.testing.assert_close(out[:1], net(x_t[:1], t[:1], y[:1]), rtol=1e-4, atol=1e-5)  # and not its neighbours
    x_t = x_t[:1].clone().requires_grad_()
    net(x_t, t[:1], y[:1])[0, :, 8, 8].sum().backward()
    assert (x_t.grad.abs() > 0).all()


# --- training ---


@pytest.mark.parametrize("loss", ["loss_eps", "loss_x_0", "loss_colours"])
def test_training_lowers_the_loss_and_repeats(nb, loss):
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        net = nb.UNet(7 if loss == "loss_colours" else 3, 16)
        found.append(nb.train(net, getattr(nb, loss), 40))
    assert len(found[0]) == 40
    assert np.mean(found[0][-10:]) < 0.9 * np.mean(found[0][:5])
    assert found[0] == found[1]
    assert not net.training


@pytest.mark.parametrize("steps", [1, 2, 3, 19, 20, 21, 40])
def test_training_takes_any_number_of_steps(nb, steps):
    net = torch.nn.Linear(1, 1)
    assert len(nb.train(net, lambda net, i: net.weight.square().sum(), steps)) == steps


@pytest.mark.parametrize("call", [1, 2, 6])
def test_stopping_keeps_what_was_learnt_and_the_cells_below_go_on(nb, call, capsys):
    torch.manual_seed(0)
    nb.net = nb.UNet(7, 16)
    before = [p.clone() for p in nb.net.parameters()]
    losses = nb.train(nb.net, stopped_at(call, nb.loss_colours), 1000)
    assert "Stopped" in capsys.readouterr().out
    assert len(losses) == call - 1
    assert any(not torch.equal(a, b) for a, b in zip(before, nb.net.parameters())) == (call > 1)
    assert not nb.net.training
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*non-interactive")
        nb.plot_losses(stopped=losses, other=[1.0, 0.5])
        assert len(nb.plt.gca().lines) == 2
    nb.plt.close("all")
    assert torch.isfinite(nb.draw(torch.arange(5), 3)).all()


def test_changed_constants_take_effect_at_once(nb, monkeypatch):
    rates, sizes, step = [], [], torch.optim.AdamW.step

    def noted(self, *args, **more):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **more)

    def loss(net, i):
        sizes.append(len(i))
        assert 0 <= i.min() <= i.max() < nb.N
        return net.weight.square().sum()

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    for rate, size in ((0.02, 5), (0.3, 11)):
        nb.LEARNING_RATE, nb.BATCH = rate, size
        rates.clear(), sizes.clear()
        nb.train(torch.nn.Linear(2, 2), loss, 60)
        assert 0.9 * rate < max(rates) <= 1.0001 * rate
        assert rates[0] < 0.1 * rate  # it warms up
        assert rates[-1] < 1e-3 * rate  # and decays
        assert set(sizes) == {size}
    for T in (7, 30):
        set_T(nb, T)
        kept, _ = watched(nb, nb.sample_ancestral, torch.zeros(1, 3, 16, 16))
        assert list(kept) == list(range(T, 0, -1))
        kept, _ = watched(nb, nb.sample, torch.zeros(1, 3, 16, 16), steps=T)
        assert list(kept) == list(range(T, 0, -1))


# --- pictures ---


def test_pictures_hold_the_sprites_pixel_by_pixel(nb):
    images = nb.to_sprites(nb.index_train[:6])
    picture = nb.to_picture(images, 3, 4)
    assert picture.dtype == np.uint8
    assert picture.shape == (4 * (2 * 17 + 1), 4 * (3 * 17 + 1), 3)
    small = picture[::4, ::4]
    assert np.array_equal(small.repeat(4, 0).repeat(4, 1), picture)
    levels = ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    for k in range(6):
        row, column = 1 + 17 * (k // 3), 1 + 17 * (k % 3)
        assert np.array_equal(small[row : row + 16, column : column + 16], levels[k])
    assert (small[0] == 204).all()  # a grey line between them
    assert np.array_equal(nb.to_picture(3 * images, 3), nb.to_picture((3 * images).clamp(-1, 1), 3))


# --- all three notebooks ---

DIFFER = {  # what each notebook says for itself
    "UNet",  # pixels and classes, latents and words
    "sample",
    "draw",
    "q_sample",  # x and z
    "read_split",  # with classes, alone, with captions
    "encode",  # one network, or several
    "decode",
    "loss_reader",  # classes, words
}


def test_what_two_notebooks_share_is_the_same_text():
    texts = {}
    for name in NOTEBOOKS:
        for node, source in statements(name):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                texts.setdefault(node.name, []).append(source)
    different = {name for name, found in texts.items() if len(set(found)) > 1}
    assert different <= DIFFER, sorted(different - DIFFER)
    assert different == DIFFER, "a name in the list is no longer needed"
    shared = {name for name, found in texts.items() if len(found) > 1}
    assert {"train", "fetch", "read_data", "to_picture", "show", "VAE", "ConvBlock", "ResidualBlock", "time_embedding"} <= shared
    plumbing = [cell.source for name in NOTEBOOKS for cell in code_cells(name) if cell.source.startswith("# @title Plumbing")]
    assert (len(plumbing), len(set(plumbing))) == (3, 1)
    for start in ("steps = ", "f = ", "alpha_bar = ", "DEVICE = ", "palette = "):  # but for their comments
        assert len({ast.dump(node) for name in NOTEBOOKS for node, source in statements(name) if source.startswith(start)}) == 1


def bound_to_constants(source):
    """Defaults that are read once, at the definition, from something that the reader may change."""
    defaults = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            defaults += [d for d in [*node.args.defaults, *node.args.kw_defaults] if d is not None]
    return [ast.dump(d) for d in defaults if any(isinstance(inner, ast.Name) for inner in ast.walk(d))]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_default_is_bound_to_a_constant(name):
    assert bound_to_constants("def sample(y, *, steps=T): pass")
    for cell in code_cells(name):
        assert not bound_to_constants(cell.source)
