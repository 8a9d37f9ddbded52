"""The mathematics of 03.ldm_nano.ipynb, sampling and its uses: against diffusers and closed forms. Nothing is trained."""

import math

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from notebooks import ROOT, definitions
from PIL import Image
from torch import nn
from torch.nn import functional as F

nb = definitions("03.ldm_nano.ipynb")
T = 500
CAPTIONS = ["red apple", "blue crystal", "hero long red hair", "side short blue hair sword"]
VOCABULARY = nb.build_vocabulary(CAPTIONS)
ALPHA_BAR = nb.to_alpha_bar(nb.cosine_beta(T))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


KINDS = ["red slime happy", "blue slime happy", "red slime angry", "red apple", "blue apple"]


class Dummy(nn.Module):
    """Some smooth function of its inputs in place of a network, large enough to be clipped at 4 here and there."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def condition(self, tokens):
        self.read = getattr(self, "read", 0) + 1
        return nb.Words(tokens.float()[:, :, None], tokens == 0)

    def forward(self, z_t, t, words):
        self.calls.append((t, words))
        shift = torch.sin(t.float() / 50 + words.sequence.sum((1, 2)))[:, None, None, None]
        return 3.5 * torch.tanh(1.3 * z_t.roll(1, -1) - 0.2) * (1 + 0.3 * shift)


class Folded(nn.Module):
    """An exact autoencoder: four of the twelve folded channels, each repeated."""

    def encode(self, x):
        mu = F.pixel_unshuffle(x, 2)[:, ::3]
        return mu, torch.zeros_like(mu)

    def decode(self, z):
        return F.pixel_shuffle(z.repeat_interleave(3, 1), 2)


BOX = nb.Autoencoder(Folded(), torch.zeros(1, 4, 1, 1), torch.ones(1, 4, 1, 1))


def pipeline(model):
    return nb.Pipeline(model, BOX, VOCABULARY, ALPHA_BAR)


def network(switch="QKV"):
    """A small U-Net of the notebook away from the zeros it starts with."""
    torch.manual_seed(0)
    arch = nb.Arch(switch, len(VOCABULARY), width=16, d_tau=16, heads=2)
    model = nb.LatentUNet(arch).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def guided(scale, words, unwanted):
    """What eq. (8) makes of the dummy."""
    d = Dummy()
    return lambda z_t, t: d(z_t, t, unwanted) + scale * (d(z_t, t, words) - d(z_t, t, unwanted))


def scheduler(kind, **more):
    kinds = {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample", "clip_sample": True, "clip_sample_range": 4.0}
    return kind(num_train_timesteps=T, **kinds, **more)


@pytest.fixture
def batch():
    """z_t (6, 4, 8, 8), the words of six prompts and of as many null prompts."""
    tokens = nb.tokenize((CAPTIONS * 2)[:6], VOCABULARY, nb.MAX_WORDS)
    return torch.randn(6, 4, 8, 8, generator=seeded()), *(Dummy().condition(t) for t in (tokens, nb.null_like(tokens)))


# --- guidance ---


def test_without_guidance_the_null_prompt_is_not_computed(batch):
    z_t, words, null = batch
    t, dummy = torch.tensor([1, 50, 150, 250, 400, 500]), Dummy()
    z_0 = nb.guided_guess(dummy, z_t, t, words, null, 1)
    assert len(dummy.calls) == 1
    assert len(dummy.calls[0][0]) == 6
    assert torch.equal(z_0, Dummy()(z_t, t, words).clamp(-4, 4))


@pytest.mark.parametrize("scale", [0, 0.5, 2.0, 6.0])
def test_guidance_extrapolates_in_one_call_of_twice_the_batch(scale, batch):
    z_t, words, null = batch
    t, dummy = torch.tensor([1, 50, 150, 250, 400, 500]), Dummy()
    z_0 = nb.guided_guess(dummy, z_t, t, words, null, scale)
    assert len(dummy.calls) == 1
    assert len(dummy.calls[0][0]) == 12
    expected = guided(scale, words, null)(z_t, t)
    assert (expected.abs() > 4).any() or scale < 1
    torch.testing.assert_close(z_0, expected.clamp(-4, 4))


def test_a_negative_prompt_stands_in_the_place_of_the_null_prompt():
    pipe, tokens = pipeline(Dummy()), nb.tokenize(CAPTIONS, VOCABULARY, nb.MAX_WORDS)
    words, null = (Dummy().condition(t) for t in (tokens, nb.null_like(tokens)))
    z_T = torch.randn(4, 4, 8, 8, generator=seeded(3))
    plain = nb.sample_latents(Dummy(), z_T, words, null, ALPHA_BAR, 5, seeded(), scale=3.0)
    drawn = nb.draw(pipe, CAPTIONS, seeded(3), steps=5, scale=3.0, negative="")
    assert torch.equal(drawn, nb.to_pixels(BOX, plain))
    sword = nb.draw(pipe, CAPTIONS, seeded(3), steps=5, scale=3.0, negative="sword")
    assert not torch.allclose(sword, drawn)
    same = nb.draw(pipe, ["red apple"], seeded(3), steps=5, scale=3.0, negative="red apple")
    torch.testing.assert_close(same, nb.draw(pipe, ["red apple"], seeded(3), steps=5, scale=1))  # nothing to walk away from


def test_guidance_on_part_of_the_chain_is_used_there_and_nowhere_else(batch):
    z_t, words, null = batch
    dummy, trace = Dummy(), []
    nb.sample_latents(dummy, z_t, words, null, ALPHA_BAR, 10, seeded(), scale=2.0, guided=(0.3, 0.8), trace=trace)
    by_time = {int(t[0]): len(t) for t, _ in dummy.calls}
    assert by_time == {t: 12 if 150 < t <= 400 else 6 for t in range(50, 501, 50)}
    everywhere = nb.sample_latents(Dummy(), z_t, words, null, ALPHA_BAR, 10, seeded(), scale=2.0, guided=(0, 1))
    assert not torch.allclose(trace[-1][1], everywhere)


def test_prompts_are_read_once_for_a_whole_chain():
    dummy = Dummy()
    nb.draw(pipeline(dummy), CAPTIONS, seeded(), steps=8)
    assert len(dummy.calls) == 8
    assert dummy.read == 2  # the prompts and the null prompts


# --- samplers ---


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("steps", [20, 100])
def test_a_whole_ddim_chain_equals_that_of_diffusers(scale, steps, batch):
    z_t, words, null = batch
    theirs, model, trace = scheduler(DDIMScheduler, timestep_spacing="trailing"), guided(scale, words, null), []
    theirs.set_timesteps(steps)
    options = {"scale": scale, "guided": (0, 1), "trace": trace}
    ours = nb.sample_latents(Dummy(), z_t, words, null, ALPHA_BAR, steps, seeded(), **options)
    assert [t - 1 for t, _, _ in trace[:-1]] == theirs.timesteps.tolist()
    for i, t in enumerate(theirs.timesteps):
        output = model(z_t, torch.full((6,), int(t) + 1))
        z_t = theirs.step(output, t, z_t, eta=0.0, use_clipped_model_output=True).prev_sample
        if i == 0:  # a single step
            torch.testing.assert_close(trace[1][1], z_t, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ours, z_t, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("t", [500, 499, 250, 2, 1])
def test_one_ancestral_step_equals_that_of_diffusers(t, batch):
    z_t, words, null = batch
    theirs, model = scheduler(DDPMScheduler, variance_type="fixed_small"), guided(2.0, words, null)
    output = model(z_t, torch.full((6,), t))
    expected = theirs.step(output, t - 1, z_t, generator=seeded(7)).prev_sample
    ours = nb.ddim_step(z_t, output.clamp(-4, 4), ALPHA_BAR, t, t - 1, 1.0, seeded(7))
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-3)


def test_the_trace_runs_from_pure_noise_to_the_finished_latent(batch):
    z_T, words, null = batch
    trace = []
    z_0 = nb.sample_latents(Dummy(), z_T, words, null, ALPHA_BAR, 4, seeded(), trace=trace)
    assert [t for t, _, _ in trace] == [500, 375, 250, 125, 0]
    assert torch.equal(trace[0][1], z_T)  # at t = T it is the noise itself
    assert torch.equal(trace[-1][1], z_0)
    for t, z_t, guess in trace[:-1]:  # the guess stands beside the latent that it was made of
        again = nb.guided_guess(Dummy(), z_t, torch.full((6,), t), words, null, nb.SCALE)
        assert torch.equal(guess, again)


def test_more_steps_than_T_are_T_steps(batch):
    z_t, words, null = batch
    short, trace = nb.to_alpha_bar(nb.cosine_beta(7)), []
    nb.sample_latents(Dummy(), z_t, words, null, short, 50, seeded(), trace=trace)
    assert [t for t, _, _ in trace] == [7, 6, 5, 4, 3, 2, 1, 0]


def test_draw_is_reproducible_and_leaves_the_global_generator_alone():
    pipe, before = pipeline(Dummy()), torch.get_rng_state()
    first = nb.draw(pipe, CAPTIONS, seeded(1), steps=5, eta=0.7)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)  # other random numbers in between
    assert torch.equal(nb.draw(pipe, CAPTIONS, seeded(1), steps=5, eta=0.7), first)
    assert not torch.equal(nb.draw(pipe, CAPTIONS, seeded(2), steps=5, eta=0.7), first)


def test_the_noise_does_not_depend_on_the_prompt():
    class Deaf(Dummy):
        def forward(self, z_t, t, words):
            return super().forward(z_t, t, nb.Words(torch.ones_like(words.sequence), words.mask))

    forwards = nb.draw(pipeline(Deaf()), CAPTIONS, seeded(), steps=5)
    assert torch.equal(forwards, nb.draw(pipeline(Deaf()), CAPTIONS[::-1], seeded(), steps=5))


def test_draw_refuses_unknown_words_and_names_the_nearest():
    with pytest.raises(ValueError, match=r"'appel'.*apple"):
        nb.draw(pipeline(Dummy()), ["red appel"], seeded())
    assert nb.usable(["red apple", "red appel", "blue apple"], CAPTIONS) == ["red apple", CAPTIONS[1], "blue apple"]


# --- what Stable Diffusion does with it ---


def test_sdedit_starts_at_its_strength_and_forgets_the_picture_at_1():
    x = torch.rand(4, 3, 16, 16, generator=seeded()) * 2 - 1
    full = nb.image_to_image(pipeline(Dummy()), x, CAPTIONS, 1.0, seeded(4))
    drawn = nb.draw(pipeline(Dummy()), CAPTIONS, seeded(4), steps=50, eta=1.0)
    torch.testing.assert_close(full, drawn, rtol=1e-2, atol=2e-2)
    for strength in (0.2, 0.5, 0.8):
        dummy = Dummy()
        nb.image_to_image(pipeline(dummy), x, CAPTIONS, strength, seeded())
        seen = [int(t[0]) for t, _ in dummy.calls]
        assert seen[0] == max(seen) == round(strength * T)
        assert len(set(seen)) == math.ceil(strength * 50)


class Knowing(nn.Module):
    """A perfect denoiser for a single latent: whatever it is shown, it knows what is under the noise."""

    def __init__(self, z_0):
        super().__init__()
        self.z_0, self.shown = z_0, []

    def condition(self, tokens):
        return nb.Words(tokens.float()[:, :, None], tokens == 0)

    def forward(self, z_t, t, words):
        self.shown.append((int(t[0]), z_t[: len(self.z_0)]))
        return self.z_0.repeat(len(z_t) // len(self.z_0), 1, 1, 1)


@pytest.mark.parametrize("repeats", [1, 3])
def test_inpainting_keeps_what_the_mask_keeps_and_shows_it_at_its_proper_noise(repeats):
    x, new = torch.rand(50, 3, 16, 16, generator=seeded()) * 2 - 1, torch.zeros(1, 1, 8, 8)
    new[:, :, 1:5, 2:6] = 1
    known = nb.to_latent(BOX, x)
    model = Knowing(torch.full((50, 4, 8, 8), 0.25))
    out = nb.inpaint(pipeline(model), x, new, ["red apple"] * 50, seeded(), repeats)
    z = nb.to_latent(BOX, out)
    torch.testing.assert_close(z * (1 - new), known * (1 - new), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(z * new, 0.25 * new.expand_as(z), rtol=1e-4, atol=1e-4)
    assert len(model.shown) == repeats * 2 * nb.DDIM_STEPS
    for t, z_t in model.shown[:: 3 * repeats]:  # what is known, and what is new, both have the noise of step t
        for part, z_0 in ((1 - new, known), (new, model.z_0)):
            noise = (z_t - ALPHA_BAR[t].sqrt() * z_0)[part.expand_as(z_t) > 0]
            assert noise.std().item() == pytest.approx((1 - ALPHA_BAR[t]).sqrt().item(), rel=0.05)
            assert abs(noise.mean().item()) < 0.05


def test_inpainting_of_everything_needs_no_picture_and_of_nothing_gives_it_back():
    x = torch.rand(4, 3, 16, 16, generator=seeded()) * 2 - 1
    nothing, everything = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    pipe = pipeline(Dummy())
    back = nb.inpaint(pipe, x, nothing, CAPTIONS, seeded())
    torch.testing.assert_close(back, nb.to_pixels(BOX, nb.to_latent(BOX, x)), rtol=1e-4, atol=1e-4)
    assert torch.equal(nb.inpaint(pipe, x, everything, CAPTIONS, seeded()), nb.inpaint(pipe, -x, everything, CAPTIONS, seeded()))


@pytest.mark.parametrize("switch", ["CONCAT", "QKV"])
def test_a_walk_starts_and_ends_at_its_prompts(switch):
    pipe, ends = pipeline(network(switch)), ("red apple", "blue crystal")
    walked = nb.walk_prompts(pipe, *ends, 5, seeded(2))
    for place, prompt in ((0, ends[0]), (4, ends[1])):
        alone = nb.draw(pipe, [prompt], seeded(2))
        torch.testing.assert_close(walked[place : place + 1], alone, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(walked[0], walked[2])
    assert not torch.allclose(walked[2], walked[4])


def test_attention_maps_are_the_weights_of_the_prompt():
    pipe, prompts, trace = pipeline(network()), ["red apple", "side short blue hair sword"], []
    x, weights = nb.draw_watched(pipe, prompts, seeded(), trace=trace)
    assert torch.equal(x, nb.draw(pipe, prompts, seeded()))
    layers = [layer for layer in pipe.model.modules() if isinstance(layer, nb.CrossAttention)]
    assert all(layer.kept is None for layer in layers)
    assert [w.shape for w in weights] == [(nb.DDIM_STEPS, 2, 2, n, nb.MAX_WORDS) for n in (64, 16, 16, 64)]
    for w in weights:
        torch.testing.assert_close(w.sum(-1), torch.ones(w.shape[:-1]))
        assert w[:, 0, :, :, 2:].abs().max() == 0  # padding, not the null prompt
        assert w[:, 1, :, :, :5].min() > 0
    small = torch.rand(3, 16, nb.MAX_WORDS)
    maps = nb.to_word_maps(small)
    assert maps.shape == (3, nb.MAX_WORDS, 8, 8)
    torch.testing.assert_close(maps[1, 5, 2:4, 6:8], small[1, 7, 5].expand(2, 2))  # row 1, column 3 of 4x4


def test_watching_that_is_stopped_leaves_no_weights_behind():
    pipe = pipeline(network())
    with pytest.raises(ValueError, match="appel"):
        nb.draw_watched(pipe, ["red appel"], seeded())
    assert all(layer.kept is None for layer in pipe.model.modules() if isinstance(layer, nb.CrossAttention))


def test_stress_of_one_changes_nothing_and_the_null_prompt_is_never_stressed():
    pipe, prompt = pipeline(network()), "hero long red hair"
    plain = nb.draw(pipe, [prompt] * 10, seeded())
    torch.testing.assert_close(nb.draw_stressed(pipe, prompt, 2, 1.0), plain)
    assert not torch.allclose(nb.draw_stressed(pipe, prompt, 2, 0.0), plain)


# --- the prompt box ---


def test_the_box_draws_what_draw_draws_and_its_maps_are_shares():
    pipe, prompt = pipeline(network()), "side short blue hair"
    x, maps = nb.draw_asked(pipe, prompt, 2.0, 4, 7)
    assert torch.equal(x, nb.draw(pipe, [prompt] * 8, seeded(7), steps=4, scale=2.0))
    assert maps.shape == (nb.MAX_WORDS, 8, 8)
    torch.testing.assert_close(maps.sum(0), torch.ones(8, 8))  # words share the attention of every position
    assert maps[4:].abs().max() == 0  # padding
    assert not torch.equal(nb.draw_asked(pipe, prompt, 2.0, 4, 8)[0], x)


@pytest.mark.parametrize("prompt", ["", "red", "side short blue hair sword"])
def test_the_picture_has_eight_captioned_sprites_and_a_map_for_every_word(prompt):
    x, maps = torch.rand(8, 3, 16, 16) * 2 - 1, torch.rand(nb.MAX_WORDS, 8, 8)
    fig = nb.asked_figure(x, maps, prompt)
    shown = [axis for axis in fig.axes if axis.images and axis.get_visible()]
    assert [axis.get_xlabel().split() for axis in shown if axis.get_xlabel()] == [prompt.split()] * 8 * bool(prompt)
    assert [axis.get_title() for axis in shown if axis.get_title()] == (prompt.split() or ["(no words)"])
    assert nb.to_png(fig)[:4] == b"\x89PNG"
    assert not nb.plt.get_fignums()


def framed():
    """A sprite: a dark frame away from the border, white inside and outside, one white pixel more at its corner."""
    image = np.full((16, 16, 3), 255, np.uint8)
    image[3:13, 3:13] = 20
    image[5:11, 5:11] = 255
    image[3, 3] = 255
    image[12, 12] = 254
    return image


def test_only_white_joined_to_the_border_becomes_transparent():
    filled = np.full((16, 16, 3), 60, np.uint8)
    filled[7, 7] = 255
    out = nb.see_through(np.stack([framed(), filled]))
    assert out.shape == (2, 16, 16, 4)
    expected = np.zeros((16, 16), np.uint8)
    expected[3:13, 3:13] = 255
    expected[3, 3] = 0
    assert np.array_equal(out[0, :, :, 3], expected)  # the white inside stays, and what is almost white too
    assert (out[1, :, :, 3] == 255).all()
    assert np.array_equal(out[..., :3], np.stack([framed(), filled]))  # no colour changes


def test_white_is_followed_around_corners():
    image = np.zeros((16, 16, 3), np.uint8)
    path = [(0, 8), (1, 8), (2, 8), (2, 7), (2, 6), (3, 6), (4, 6), (4, 7), (4, 8), (5, 8)]
    for row, column in path:
        image[row, column] = 255
    image[6, 9] = 255  # touches the end of the path by a corner only
    clear = nb.see_through(image[None])[0, :, :, 3] == 0
    assert sorted(map(tuple, np.argwhere(clear))) == sorted(path)


@pytest.mark.parametrize("n", [1, 4, 6, 8])
def test_the_sheet_holds_the_sprites_row_by_row(n, tmp_path):
    x = nb.to_tensor(np.random.RandomState(0).randint(0, 255, (n, 16, 16, 3)).astype(np.uint8))
    nb.save_sheet(x, str(tmp_path / "sheet.png"))
    with Image.open(tmp_path / "sheet.png") as png:
        sheet = np.array(png)
    assert png.mode == "RGBA"
    assert sheet.shape == (16 * math.ceil(n / 4), 64, 4)
    for i in range(n):
        tile = sheet[16 * (i // 4) :, 16 * (i % 4) :][:16, :16]
        assert np.array_equal(tile[..., :3], nb.to_uint8(x[i : i + 1])[0].numpy())
        assert (tile[..., 3] == 255).all()
    if n == 6:
        assert (sheet[16:, 32:, 3] == 0).all()


def test_menus_have_every_word_once_by_kind_in_the_order_of_captions():
    captions = ["magic red potion", "magic blue potion", "red slime happy", "blue slime angry", "red apple", "red slime angry"]
    vocabulary = nb.build_vocabulary(captions)
    menus = nb.word_menus(captions, nb.same_kind(captions, vocabulary), vocabulary)
    assert menus == [["blue", "red"], ["apple", "magic", "potion", "slime"], ["angry", "happy"]]


@pytest.mark.parametrize("captions", [["monster"], ["class 0", "class 1"], ["a", "b", "c"]])
def test_menus_work_with_any_captions(captions):
    vocabulary = nb.build_vocabulary(captions)
    menus = nb.word_menus(captions, nb.same_kind(captions, vocabulary), vocabulary)
    assert sorted(sum(menus, [])) == sorted(vocabulary[2:])


@pytest.fixture
def box(tmp_path, monkeypatch):
    """The parts of a prompt box, without a browser, in an empty folder."""
    pytest.importorskip("ipywidgets")
    monkeypatch.chdir(tmp_path)
    layout, parts = nb.prompt_box(pipeline(network()), [["blue", "red"], ["apple", "crystal"]], "hero")
    parts["steps"].value = 2
    return parts


def test_the_box_adds_words_from_menus_and_draws_and_saves(box, tmp_path):
    box["save"].click()
    assert "Draw first" in box["message"].value
    box["clear"].click()
    for menu, word in zip(box["menus"].children, ("red", "apple")):
        menu.value = word
        assert menu.value == ""  # ready for the next word
    assert box["prompt"].value == "red apple"
    box["draw"].click()
    assert box["picture"].value[:4] == b"\x89PNG"
    assert "red apple" in box["message"].value
    expected = nb.draw(pipeline(network()), ["red apple"] * 8, seeded(box["seed"].value), steps=2)
    assert torch.equal(box["drawn"], expected)
    box["save"].click()
    with Image.open(tmp_path / "sprites.png") as png:
        assert (png.size, png.mode) == ((64, 32), "RGBA")
    first = box["picture"].value
    box["seed"].value += 1
    box["draw"].click()
    assert box["picture"].value != first


def test_the_box_says_which_words_it_does_not_know(box):
    box["prompt"].value = "red <b>appel"
    box["draw"].click()
    assert "apple" in box["message"].value
    assert "<b>" not in box["message"].value
    assert box["picture"].value == b""
    box["prompt"].value = "red " * 30
    box["draw"].click()
    assert "shorten" in box["message"].value


def test_swaps_are_words_of_one_kind():
    vocabulary = nb.build_vocabulary(KINDS)
    kind = nb.same_kind(KINDS, vocabulary)
    assert nb.possible_swaps("blue slime happy", kind, vocabulary) == [("blue", "red"), ("happy", "angry")]
    assert nb.possible_swaps("slime", kind, vocabulary) == []
    green = nb.build_vocabulary([*KINDS, "green apple"])
    kind = nb.same_kind([*KINDS, "green apple"], green)
    assert nb.possible_swaps("red slime happy", kind, green) == [("red", "green")]  # the one that the text speaks of


# --- figures ---


def test_variety_is_the_mean_distance_of_pairs():
    same = torch.rand(2, 1, 3, 16, 16).expand(2, 5, 3, 16, 16).reshape(10, 3, 16, 16)
    assert nb.variety(same, 5) == pytest.approx(0, abs=1e-3)
    three = torch.tensor([0.0, 0.5, 1.0])[:, None, None, None].expand(3, 3, 16, 16)
    assert nb.variety(three, 3) == pytest.approx((0.5 + 0.5 + 1.0) / 3, rel=1e-4)


def test_words_are_of_one_kind_if_they_replace_each_other_somewhere():
    vocabulary = nb.build_vocabulary(KINDS)
    kind, number = nb.same_kind(KINDS, vocabulary), {word: i for i, word in enumerate(vocabulary)}
    pairs = {frozenset((a, b)) for a in vocabulary for b in vocabulary if a != b and kind[number[a], number[b]]}
    assert pairs == {frozenset(("red", "blue")), frozenset(("happy", "angry"))}
    assert kind.diagonal().all()
    assert torch.equal(kind, kind.T)


def reads(words_of_each, vocabulary):
    """A stand-in for a reader that finds these words, whatever it is shown."""
    scores = torch.full((len(words_of_each), len(vocabulary)), -1.0)
    for row, words in zip(scores, words_of_each):
        row[[vocabulary.index(word) for word in words.split()]] = 1

    class Stand:
        features = staticmethod(lambda x: x.flatten(1)[:, :3])

        def __call__(self, x):
            return torch.eye(2)[torch.arange(len(x)) % 2], scores

    return Stand()


def test_recall_and_precision_are_counted_by_hand():
    """Asked: red slime happy; red apple; nothing. Found: red, blue, slime, angry; apple, happy; red."""
    vocabulary = nb.build_vocabulary(KINDS)
    tokens = nb.tokenize(["red slime happy", "red apple", ""], vocabulary, 4)
    assert nb.has_word(tokens, len(vocabulary)).sum(1).tolist() == [3, 2, 0]  # no special token is a word
    reader = reads(["red blue slime angry", "apple happy", "red"], vocabulary)
    judge = nb.Judge(reader, nb.same_kind(KINDS, vocabulary), torch.randn(9, 3), torch.ones(3))
    x = torch.randn(3, 3, 16, 16)
    wanted = nb.Sprites(x, torch.tensor([0, 1, 1]), tokens, ["red slime happy", "red apple", ""])
    found = nb.measure(judge, x, wanted)
    assert found["recall"] == pytest.approx(3 / 5)  # red, slime, apple of five
    assert found["precision"] == pytest.approx(3 / 5)  # blue and angry are mistakes; "happy" of an apple is not counted
    assert found["class"] == pytest.approx(2 / 3)
    times, share = nb.found_by_word(judge, x, tokens)
    red = vocabulary.index("red")
    assert (times[red].item(), share[red].item()) == (2, 0.5)


def test_the_intruder_is_the_word_found_most_often_without_being_asked_for():
    vocabulary = nb.build_vocabulary(KINDS)
    tokens = nb.tokenize(["apple"] * 3, vocabulary, 4)
    kind = nb.same_kind(KINDS, vocabulary)
    for found, expected in ((["red apple", "red", "blue apple"], "red"), (["apple"] * 3, "<pad>")):
        judge = nb.Judge(reads(found, vocabulary), kind, torch.zeros(1, 3), torch.ones(3))
        assert vocabulary[nb.intruder(judge, torch.zeros(3, 3, 16, 16), tokens)] == expected


def test_things_end_captions_of_two_words():
    captions = ["red bow", "blue bow", "red cat", "red slime happy", "cup"]
    assert nb.things_of(captions, ("slime", "cat")) == ["cat"]
    assert nb.things_of(captions, ()) == ["bow", "cat"]
    assert nb.things_of(["cup"], ("cup",)) == []


def test_the_variety_of_real_sprites_is_that_of_two_of_a_caption():
    x = torch.stack([torch.full((3, 16, 16), value) for value in (0.0, 0.5, 1.0, -1.0)])
    sprites = nb.Sprites(x, None, None, ["a", "b", "a", "c"])
    assert nb.real_variety(sprites, ["a", "c"]) == pytest.approx(1)
    assert math.isnan(nb.real_variety(sprites, ["b", "d"]))


def test_pairs_are_counted_once_a_caption_and_need_both_words_found():
    assert nb.word_pairs(["a b a", "b a"])["a", "b"] == 2
    vocabulary = nb.build_vocabulary(KINDS)
    tokens = nb.tokenize(["red apple", "red apple", "blue apple"], vocabulary, 4)
    judge = nb.Judge(reads(["red apple", "apple", "blue apple"], vocabulary), torch.eye(len(vocabulary)) > 0, None, None)
    pair = [vocabulary.index("red"), vocabulary.index("apple")]
    assert nb.share_of_pair(judge, torch.zeros(3, 3, 16, 16), tokens, pair) == pytest.approx(1 / 2)


def test_the_frechet_distance_of_gaussians_is_that_of_the_closed_form():
    generator = seeded()
    a = torch.randn(200_000, 2, generator=generator) * torch.tensor([2.0, 1.0]) + torch.tensor([1.0, 0.0])
    b = torch.randn(200_000, 2, generator=generator)
    means, covariances = nb.frechet(a, b, torch.ones(2))
    assert means == pytest.approx(1.0, abs=0.03)
    assert covariances == pytest.approx(1.0, abs=0.03)  # (2 - 1)^2
    assert sum(nb.frechet(b, b, torch.ones(2))) == pytest.approx(0, abs=1e-6)


def test_labelled_frames_hold_the_sprites_pixel_by_pixel():
    images = torch.rand(6, 3, 16, 16) * 2 - 1
    frame = nb.labelled_frame(images, 3, ("one", "two"), "title", scale=3)
    grid = nb.to_frame(images, 3).repeat(3, 0).repeat(3, 1)
    assert frame.dtype == np.uint8
    assert frame.shape == (len(grid) + 24, grid.shape[1] + 84, 3)
    assert np.array_equal(frame[24:, 84:], grid)
    assert (frame[:, :80] < 128).any()  # the names


@pytest.mark.parametrize("switch", ["CONCAT", "QKV"])
def test_the_committed_gifs_are_small_and_five_frames_a_second(switch):
    path = ROOT / "assets" / f"LDM_{switch}_VAE_4" / f"ani_{switch}_w5.gif"
    assert path.stat().st_size < 600_000
    with Image.open(path) as gif:
        durations = []
        for i in range(gif.n_frames):
            gif.seek(i)
            durations.append(gif.info["duration"])
    assert set(durations[:-1]) == {200}
    assert durations[-1] > 200
