"""The mathematics of 01.ddpm.ipynb: against diffusers and closed forms (Bayes: test_deeper.py). Nothing real is trained."""

import ast

import matplotlib
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.models.embeddings import get_timestep_embedding
from notebooks import ROOT, code_cells, definitions
from torch.testing import assert_close

matplotlib.use("Agg")
pytestmark = pytest.mark.quick
COLOURS = [[255, 255, 255], [0, 0, 0], [255, 0, 0], [200, 10, 90], [17, 18, 19], [0, 90, 250], [7, 200, 7]]
PALETTE = torch.tensor(COLOURS) / 127.5 - 1


def run(module, *starts):
    """Execute in a module those statements of its notebook that begin like this, in the notebook's order."""
    cells = [cell.source for cell in code_cells(module.__name__)]
    parts = [ast.get_source_segment(source, node) for source in cells for node in ast.parse(source).body]
    found = [part for part in parts if part.startswith(starts)]
    assert len(found) >= len(starts)
    exec("\n".join(found), module.__dict__)


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
    if "T" in constants:
        run(module, "steps = ", "f = ", "alpha_bar = ")  # the notebook's own schedule
    return module


def every_parameter_learns(nb, net, loss):
    """A gradient reaches every parameter, once the first steps have moved what begins as zero."""
    torch.manual_seed(0)
    nb.train(net, loss, 2)
    net.zero_grad()
    loss(net, torch.arange(40)).backward()
    assert [name for name, parameter in net.named_parameters() if not parameter.grad.abs().max() > 0] == []


def notebook(T=500):
    return small("01.ddpm.ipynb", T=T, BATCH=8, WIDTH=16)


nb = pytest.fixture(name="nb")(notebook)


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.rand(6, 3, 16, 16) * 2 - 1, torch.randn(6, 3, 16, 16), torch.arange(6) % 5


def dummy(net, x_t, t, y):
    """Some smooth guess of the sprite, beyond -1 and 1 here and there."""
    return torch.tanh(1.3 * x_t.roll(1, -1) - 0.2) * (1 + 0.3 * torch.sin(t.float() / 50 + y))[:, None, None, None]


def scheduler(kind, alpha_bar, **more):
    """A sampler of diffusers with our schedule, for a network that guesses the sprite."""
    betas = (1 - alpha_bar[1:].double() / alpha_bar[:-1].double()).numpy()
    return kind(len(betas), trained_betas=betas, prediction_type="sample", clip_sample=True, **more)


@pytest.mark.parametrize("T", [30, 500, 1000])
def test_the_forward_process_is_that_of_diffusers_with_its_cosine_schedule(batch, T):
    nb, cosine = notebook(T), DDPMScheduler(T, beta_schedule="squaredcos_cap_v2").alphas_cumprod.float()
    assert_close(nb.alpha_bar[1:], cosine.clamp(min=1e-5), rtol=2e-4, atol=1e-7)
    (x_0, eps, _), t = batch, torch.tensor([1, 2, T // 4, T // 2, T - 1, T])
    found, theirs = nb.q_sample(x_0, t, eps), scheduler(DDPMScheduler, nb.alpha_bar).add_noise
    assert_close(found, theirs(x_0, eps, t - 1), rtol=1e-4, atol=1e-5)
    assert (found - theirs(x_0, eps, t - 2)).abs().max() > 1e-3 and torch.equal(nb.q_sample(x_0, 0 * t, eps), x_0)


@pytest.mark.parametrize("loss", ["eps", "x_0", "colours"])
def test_losses_are_what_their_equations_say_at_every_step_from_1_to_T(loss):
    nb, seen, i, scores = notebook(5), [], torch.arange(40).repeat(5), torch.randn(200, 7, 16, 16, generator=seeded(1))
    answer = scores if loss == "colours" else scores[:, :3]
    torch.manual_seed(3)
    found = getattr(nb, f"loss_{loss}")(lambda *asked: seen.append(asked) or answer, i).item()
    torch.manual_seed(3)
    x_0, eps, x_t, t = nb.noised(i)
    assert torch.equal(x_0, PALETTE[nb.index_train[i]].permute(0, 3, 1, 2))
    assert (eps.mean().item(), eps.std().item()) == pytest.approx((0, 1), abs=0.02) and t.unique().tolist() == [1, 2, 3, 4, 5]
    assert_close(x_t, nb.q_sample(x_0, t, eps))
    assert all(map(torch.equal, seen[0], (x_t, t, nb.y_train[i])))
    chances = scores.exp() / scores.exp().sum(1, keepdim=True)
    mean = torch.einsum("bkhw,kc->bchw", chances, PALETTE)
    assert_close(nb.mean_colour(scores), mean)
    entropy = -chances.gather(1, nb.index_train[i][:, None]).log().mean()
    expected = {"eps": (scores[:, :3] - eps).square().mean(), "x_0": (scores[:, :3] - x_0).square().mean()}
    expected["colours"] = entropy + 5 * (mean - x_0).square().mean()
    assert found == pytest.approx(expected.pop(loss).item(), rel=1e-5)
    assert all(found != pytest.approx(other.item(), rel=1e-2) for other in expected.values())


def test_guesses_follow_from_answers(nb, batch):
    (x_0, eps, y), t, seen = batch, torch.tensor([1, 50, 150, 250, 350, 450]), []
    x_t = nb.q_sample(x_0, t, eps)
    assert_close(nb.guess_eps(lambda *asked: eps, x_t, t, y), x_0, atol=1e-4, rtol=1e-3)
    assert nb.guess_x_0(lambda *asked: asked, x_t, t, y) == (x_t, t, y)
    scores = torch.randn(6, 7, 16, 16, generator=seeded())
    drawn = nb.best_colours(lambda *asked: seen.append(asked) or scores, x_0, y)
    assert torch.equal(drawn.permute(0, 2, 3, 1), PALETTE[scores.argmax(1)])
    assert all(map(torch.equal, seen[0], (x_0, torch.ones_like(y), y)))  # at step 1
    distance = (x_0.permute(0, 2, 3, 1)[..., None, :] - PALETTE).square().sum(-1)  # (6, 16, 16, 7)
    assert torch.equal(nb.nearest_colours(x_0).permute(0, 2, 3, 1), PALETTE[distance.argmin(-1)])
    data, _ = nb.read_data(str(ROOT / "data" / "sprites.npz"))
    nb.palette = torch.tensor(data["palette"]) / 127.5 - 1
    real = nb.to_sprites(torch.tensor(data["images"][::500]).long())
    assert torch.equal(nb.nearest_colours(real), real)


@pytest.mark.parametrize("T, how", [(30, ()), (500, ()), (500, (20, 0.0)), (500, (20, 1.0)), (500, (100, 0.5)), (30, (30, 1.0))])
def test_samplers_equal_those_of_diffusers(T, how):
    """Algorithm 2, or DDIM with this number of steps and this eta."""
    nb, y, seen = notebook(T), torch.arange(4), []
    kind, option = (DDIMScheduler, {"timestep_spacing": "trailing"}) if how else (DDPMScheduler, {"variance_type": "fixed_small"})
    theirs, sampler = scheduler(kind, nb.alpha_bar, **option), nb.sample if how else nb.sample_ancestral
    theirs.set_timesteps(how[0] if how else T)
    more = {"eta": how[1], "use_clipped_model_output": True} if how else {}
    torch.manual_seed(5)
    ours = sampler(None, lambda net, x_t, t, y: seen.append(int(t[0])) or dummy(net, x_t, t, y), y, *how)
    assert [t - 1 for t in seen] == theirs.timesteps.tolist()
    torch.manual_seed(5)
    x_t = torch.randn(4, 3, 16, 16)
    for t in theirs.timesteps:
        x_t = theirs.step(dummy(None, x_t, torch.full_like(y, int(t) + 1), y), t, x_t, **more).prev_sample
    assert_close(ours, x_t, rtol=1e-3, atol=2e-3)


def test_the_unet_reads_time_class_and_every_pixel_and_all_of_it_learns(nb, batch):
    _, x_t, y = batch
    net, t, emb = stirred(nb.UNet(3, 16)), torch.full((6,), 100), torch.randn(6, 64)
    theirs = get_timestep_embedding(t * torch.arange(6), 64, flip_sin_to_cos=False, downscale_freq_shift=0)
    assert_close(nb.time_embedding(t * torch.arange(6)), theirs, rtol=1e-3, atol=1e-4)
    h = torch.randn(6, 16, 8, 8)
    assert torch.equal(nb.ResidualBlock(16, 64)(h, emb), h)  # it begins by changing nothing
    out = net(x_t, t, y)
    assert all((out - net(x_t, *other)).abs().amax((1, 2, 3)).min() > 1e-6 for other in ((t + 1, y), (t, (y + 1) % 5)))
    assert_close(out[:1], net(x_t[:1], t[:1], y[:1]), rtol=1e-4, atol=1e-5)  # and not its neighbours
    x_t = x_t[:1].clone().requires_grad_()
    net(x_t, t[:1], y[:1])[0, :, 8, 8].sum().backward()
    assert (x_t.grad.abs() > 0).all()
    net = nb.UNet(7, 16)
    every_parameter_learns(nb, net, nb.loss_colours)
    assert (net.label.weight.grad.abs().amax(1) > 0).all()  # those of every class, too
    assert not net.training


def test_changed_constants_take_effect_at_once(nb, monkeypatch):
    step, rates = torch.optim.AdamW.step, []

    def noted(self, *args):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)

    def loss(net, i):
        assert len(i) == nb.BATCH and 0 <= i.min() <= i.max() < nb.N
        return net.weight.square().sum()

    for rate, size in ((0.02, 5), (0.3, 11)):
        nb.LEARNING_RATE, nb.BATCH, rates[:] = rate, size, []
        nb.train(torch.nn.Linear(2, 2), loss, 60)
        assert 0.9 * rate < max(rates) <= 1.0001 * rate and len(rates) == 60
        assert rates[0] < 0.1 * rate and rates[-1] < 1e-3 * rate  # it warms up, and decays
    for steps in (1, 2, 3, 19, 20, 21):
        assert len(nb.train(torch.nn.Linear(1, 1), loss, steps)) == steps
