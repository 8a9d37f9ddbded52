"""The mathematics of 03.ldm_nano.ipynb, sampling and its uses: against diffusers and closed forms. Nothing is trained."""

import math

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from notebooks import ROOT, definitions
from PIL import Image
from torch.nn import functional as F

nb = definitions("03.ldm_nano.ipynb")
T = 500
CAPTIONS = ["red apple", "blue crystal", "hero long red hair", "side short blue hair sword"]


def alpha_bar():
    return nb.to_alpha_bar(nb.cosine_beta(T))


def dummy(z_t, t, tokens):
    """Some smooth function of its inputs in place of a network, large enough to be clipped at 4 here and there."""
    shift = torch.sin(t.float() / 50 + tokens.float().sum(1))[:, None, None, None]
    return 3.5 * torch.tanh(1.3 * z_t.roll(1, -1) - 0.2) * (1 + 0.3 * shift)


def guided(scale, null):
    """What eq. (7) makes of the dummy."""
    return lambda z_t, t, tokens: dummy(z_t, t, null) + scale * (dummy(z_t, t, tokens) - dummy(z_t, t, null))


def scheduler(kind, **more):
    kinds = {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample", "clip_sample": True, "clip_sample_range": 4.0}
    return kind(num_train_timesteps=T, **kinds, **more)


@pytest.fixture
def batch():
    """z_t (6, 4, 8, 8) and tokens (6, M) of six prompts."""
    torch.manual_seed(0)
    vocabulary = nb.build_vocabulary(CAPTIONS)
    return torch.randn(6, 4, 8, 8), nb.tokenize((CAPTIONS * 2)[:6], vocabulary, nb.MAX_WORDS)


@pytest.fixture
def box(monkeypatch):
    """The notebook's globals that its drawing functions use, with an exact autoencoder: four of twelve folded channels."""
    monkeypatch.setattr(nb, "vocabulary", nb.build_vocabulary(CAPTIONS), raising=False)
    monkeypatch.setattr(nb, "captions_test", CAPTIONS, raising=False)
    monkeypatch.setattr(nb, "alpha_bar", alpha_bar(), raising=False)
    monkeypatch.setattr(nb, "DEVICE", torch.device("cpu"), raising=False)
    monkeypatch.setattr(nb, "to_latent", lambda x: F.pixel_unshuffle(x, 2)[:, ::3])
    monkeypatch.setattr(nb, "to_pixels", lambda z: F.pixel_shuffle(z.repeat_interleave(3, 1), 2))
    return nb


def network(switch="QKV"):
    """A small U-Net of the notebook away from the zeros it starts with."""
    torch.manual_seed(0)
    model = nb.LatentUNet(switch, len(nb.build_vocabulary(CAPTIONS)), 16, 16, 2).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return model


# --- guidance ---


@pytest.mark.parametrize("scale", [0, 1])
def test_guidance_at_0_and_1_is_one_call_unconditional_and_conditional(scale, batch):
    z_t, tokens = batch
    t, calls = torch.tensor([1, 50, 150, 250, 400, 500]), []

    def counted(*inputs):
        calls.append(inputs[2])
        return dummy(*inputs)

    z_0, _ = nb.predict_latents(counted, z_t, t, tokens, alpha_bar(), scale)
    assert len(calls) == 1
    assert torch.equal(z_0, dummy(z_t, t, tokens if scale else nb.null_like(tokens)).clamp(-4, 4))


@pytest.mark.parametrize("scale", [0.5, 2.0, 6.0])
def test_guidance_extrapolates_and_its_noise_fits_the_guess(scale, batch):
    z_t, tokens = batch
    t, a = torch.tensor([1, 50, 150, 250, 400, 500]), alpha_bar()
    z_0, eps = nb.predict_latents(dummy, z_t, t, tokens, a, scale)
    expected = guided(scale, nb.null_like(tokens))(z_t, t, tokens)
    assert (expected.abs() > 4).any() or scale < 1
    torch.testing.assert_close(z_0, expected.clamp(-4, 4))
    torch.testing.assert_close(nb.q_sample(z_0, t, eps, a), z_t, rtol=1e-4, atol=1e-4)


def test_a_negative_prompt_stands_in_the_place_of_the_null_prompt(batch):
    z_t, tokens = batch
    t, negative = torch.full((6,), 200), tokens.flip(0)
    z_0, _ = nb.predict_latents(dummy, z_t, t, tokens, alpha_bar(), 2.0, negative)
    torch.testing.assert_close(z_0, guided(2.0, negative)(z_t, t, tokens).clamp(-4, 4))


def test_an_empty_negative_prompt_is_the_null_prompt(box):
    tokens = nb.tokenize(CAPTIONS, nb.vocabulary, nb.MAX_WORDS)
    assert torch.equal(nb.tokenize([""] * 4, nb.vocabulary, nb.MAX_WORDS), nb.null_like(tokens))
    torch.manual_seed(3)
    z_T = torch.randn(4, 4, 8, 8)
    plain = nb.to_pixels(nb.sample_latents(dummy, z_T, tokens, nb.alpha_bar, 5, 3.0))
    assert torch.equal(nb.draw(dummy, CAPTIONS, seed=3, steps=5, scale=3.0, negative=""), plain)
    assert not torch.allclose(nb.draw(dummy, CAPTIONS, seed=3, steps=5, scale=3.0, negative="sword"), plain)


# --- samplers ---


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("steps", [20, 100])
def test_a_whole_ddim_chain_equals_that_of_diffusers(scale, steps, batch):
    z_t, tokens = batch
    theirs, model, trace = scheduler(DDIMScheduler, timestep_spacing="trailing"), guided(scale, nb.null_like(tokens)), []
    theirs.set_timesteps(steps)
    ours = nb.sample_latents(dummy, z_t, tokens, alpha_bar(), steps, scale, trace=trace)
    assert [t - 1 for t, _, _ in trace] == theirs.timesteps.tolist()
    for i, t in enumerate(theirs.timesteps):
        output = model(z_t, torch.full((6,), int(t) + 1), tokens)
        z_t = theirs.step(output, t, z_t, eta=0.0, use_clipped_model_output=True).prev_sample
        if i == 0:  # a single step
            torch.testing.assert_close(trace[0][1], z_t, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ours, z_t, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("t", [500, 499, 250, 2, 1])
def test_one_ancestral_step_equals_that_of_diffusers(t, batch):
    z_t, tokens = batch
    theirs, model = scheduler(DDPMScheduler, variance_type="fixed_small"), guided(2.0, nb.null_like(tokens))
    output = model(z_t, torch.full((6,), t), tokens)
    expected = theirs.step(output, t - 1, z_t, generator=torch.Generator().manual_seed(7)).prev_sample
    torch.manual_seed(7)
    trace = []
    nb.sample_latents(dummy, z_t, tokens, alpha_bar()[: t + 1], steps=t, scale=2.0, eta=1.0, trace=trace)
    torch.testing.assert_close(trace[0][1], expected, rtol=1e-3, atol=1e-3)


def test_more_steps_than_T_are_T_steps(batch):
    z_t, tokens = batch
    short, trace = nb.to_alpha_bar(nb.cosine_beta(7)), []
    nb.sample_latents(dummy, z_t, tokens, short, steps=50, trace=trace)
    assert [t for t, _, _ in trace] == [7, 6, 5, 4, 3, 2, 1]


def test_draw_is_reproducible_and_its_noise_does_not_depend_on_the_prompt(box):
    first = nb.draw(dummy, CAPTIONS, seed=1, steps=5, eta=0.7)
    torch.rand(5)  # other random numbers in between
    assert torch.equal(nb.draw(dummy, CAPTIONS, seed=1, steps=5, eta=0.7), first)
    assert not torch.equal(nb.draw(dummy, CAPTIONS, seed=2, steps=5, eta=0.7), first)
    deaf = lambda z_t, t, tokens: dummy(z_t, t, torch.ones_like(tokens))  # noqa: E731
    assert torch.equal(nb.draw(deaf, CAPTIONS, steps=5), nb.draw(deaf, CAPTIONS[::-1], steps=5))


def test_draw_refuses_unknown_words_and_names_the_nearest(box):
    with pytest.raises(ValueError, match=r"'appel'.*apple"):
        nb.draw(dummy, ["red appel"])
    assert nb.usable(["red apple", "red appel", "blue apple"]) == ["red apple", CAPTIONS[1], "blue apple"]


# --- what Stable Diffusion does with it ---


def test_sdedit_gives_the_picture_back_at_strength_0_and_forgets_it_at_1(box):
    torch.manual_seed(0)
    x, seen = torch.rand(4, 3, 16, 16) * 2 - 1, []

    def watched(z_t, t, tokens):
        seen.append(int(t[0]))
        return dummy(z_t, t, tokens)

    assert torch.equal(nb.image_to_image(dummy, x, CAPTIONS, 0.0), nb.to_pixels(nb.to_latent(x)))
    full = nb.image_to_image(dummy, x, CAPTIONS, 1.0, seed=4)
    torch.testing.assert_close(full, nb.draw(dummy, CAPTIONS, seed=4), rtol=1e-2, atol=2e-2)
    for strength in (0.2, 0.5, 0.8):
        seen.clear()
        nb.image_to_image(watched, x, CAPTIONS, strength)
        assert seen[0] == max(seen) == round(strength * T)
        assert len(set(seen)) == math.ceil(strength * nb.DDIM_STEPS)


def test_inpainting_keeps_what_the_mask_keeps(box, monkeypatch):
    torch.manual_seed(0)
    x, mask = torch.rand(4, 3, 16, 16) * 2 - 1, torch.zeros(1, 1, 16, 16)
    mask[:, :, 3:9, 5:12] = 1  # borders that cut through latent places
    decoded, decode = [], nb.to_pixels
    monkeypatch.setattr(nb, "to_pixels", lambda z: decoded.append(z) or decode(z))
    out = nb.inpaint(dummy, x, mask, CAPTIONS)
    assert torch.equal(out * (1 - mask), x * (1 - mask))
    assert not torch.allclose(out * mask, x * mask)
    new = F.max_pool2d(mask, 2)
    torch.testing.assert_close(decoded[0] * (1 - new), nb.to_latent(x) * (1 - new), rtol=1e-4, atol=1e-4)
    assert torch.equal(nb.inpaint(dummy, x, torch.zeros(1, 1, 16, 16), CAPTIONS), x)
    assert torch.equal(nb.inpaint(dummy, x, torch.ones(1, 1, 16, 16), CAPTIONS), nb.draw(dummy, CAPTIONS))


@pytest.mark.parametrize("switch", ["CONCAT", "QKV"])
def test_a_walk_starts_and_ends_at_its_prompts(switch, box):
    model, (first, second) = network(switch), ("red apple", "blue crystal")
    walked = nb.walk_prompts(model, first, second, count=5, seed=2)
    for place, prompt in ((0, first), (4, second)):
        torch.manual_seed(2)
        z_T = torch.randn(1, 4, 8, 8)
        tokens = nb.tokenize([prompt], nb.vocabulary, nb.MAX_WORDS)
        alone = nb.to_pixels(nb.sample_latents(model, z_T, tokens, nb.alpha_bar, nb.DDIM_STEPS))
        torch.testing.assert_close(walked[place : place + 1], alone, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(walked[0], walked[2])
    assert not torch.allclose(walked[2], walked[4])


def test_attention_maps_are_the_weights_of_the_prompt(box):
    model, prompts = network(), ["red apple", "side short blue hair sword"]
    watched = nb.Watched(model)
    assert torch.equal(nb.draw(watched, prompts, steps=4), nb.draw(model, prompts, steps=4))
    assert len(watched.maps) == 4  # one for each step, none for the null prompt
    maps = torch.stack(watched.maps)  # (4, 2, M, 8, 8)
    assert maps.shape == (4, 2, nb.MAX_WORDS, 8, 8)
    torch.testing.assert_close(maps.sum(2), torch.ones(4, 2, 8, 8))
    assert maps[:, 0, 2:].abs().max() == 0  # padding
    assert maps[:, 1, :5].min() > 0
    weights = torch.rand(2, 3, 16, nb.MAX_WORDS)
    torch.testing.assert_close(watched.to_maps(weights)[1, 5, 2:4, 6:8], weights[1, :, 7, 5].mean().expand(2, 2))
    assert not any(layer.keep for layer in watched.layers)


def test_stress_of_one_changes_nothing_and_guidance_of_two_halves_is_the_whole(box):
    model = network()
    plain = nb.draw(model, ["hero long red hair"] * 2)
    torch.testing.assert_close(nb.draw(nb.stress(model, 2, 1.0), ["hero long red hair"] * 2), plain)
    assert not torch.allclose(nb.draw(nb.stress(model, 2, 0.0), ["hero long red hair"] * 2), plain)
    torch.testing.assert_close(nb.two_scales(model, ["hero long red hair"] * 2, nb.SCALE, nb.SCALE), plain)


# --- figures ---


def test_variety_is_the_mean_distance_of_pairs():
    same = torch.rand(2, 1, 3, 16, 16).expand(2, 5, 3, 16, 16).reshape(10, 3, 16, 16)
    assert nb.variety(same, 5) == pytest.approx(0, abs=1e-3)
    three = torch.tensor([0.0, 0.5, 1.0])[:, None, None, None].expand(3, 3, 16, 16)
    assert nb.variety(three, 3) == pytest.approx((0.5 + 0.5 + 1.0) / 3, rel=1e-4)


def test_words_are_counted_where_they_were_asked_for(box, monkeypatch):
    words = len(nb.vocabulary)
    tokens = nb.tokenize(["red apple", ""], nb.vocabulary, nb.MAX_WORDS)
    assert nb.has_word(tokens, words).sum(1).tolist() == [2, 0]  # neither padding nor the null prompt is a word
    sees_red = torch.full((2, words), -1.0)
    sees_red[:, nb.vocabulary.index("red")] = 1
    monkeypatch.setattr(nb, "reader", lambda images: (torch.zeros(2, 5), sees_red[: len(images)]), raising=False)
    found = nb.words_found(torch.zeros(2, 3, 16, 16), ["red apple", "blue crystal"])
    assert found.nanmean().item() == pytest.approx(1 / 4)
    assert nb.share_of_pair(torch.zeros(2, 3, 16, 16), ["red apple", "blue crystal"], "apple red") == 0
    assert math.isnan(nb.share_of_pair(torch.zeros(2, 3, 16, 16), ["red apple", "blue crystal"], "red sword"))


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
