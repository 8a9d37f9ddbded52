"""The parts of 03.ldm_nano.ipynb up to its training: words, attention, the U-Net. Nothing is trained for long."""

import copy
import inspect
import math
import time

import numpy as np
import pytest
import torch
from notebooks import ROOT, definitions
from torch import nn

NAME = "03.ldm_nano.ipynb"
nb = definitions(NAME)
SWITCHES = ("CONCAT", "QKV")
CAPTIONS = ["side long red hair blue robe", "red potion", "blue potion", "green slime angry", "hero red hair"]
VOCABULARY = nb.build_vocabulary(CAPTIONS)


def stirred(module):
    """The module with all its parameters moved away from the values they start with, zeros above all."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module


def small_arch(switch, **more):
    return nb.Arch(switch, len(VOCABULARY), width=16, d_tau=16, heads=2, **more)


def small_unet(switch, seed=0):
    torch.manual_seed(seed)
    return stirred(nb.LatentUNet(small_arch(switch)))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch():
    """Noisy latents, steps and tokens of five captions of different lengths.

    The steps are not the smallest: there the blend leaves next to nothing of what the words say.
    """
    torch.manual_seed(1)
    return torch.randn(5, 4, 8, 8), torch.tensor([150, 200, 250, 400, 500]), nb.tokenize(CAPTIONS, VOCABULARY, 8)


# --- words ---


def test_vocabulary_is_sorted_after_two_special_tokens():
    assert VOCABULARY[:2] == ["<pad>", "<null>"]
    assert VOCABULARY[2:] == sorted(set(" ".join(CAPTIONS).split()))
    assert nb.build_vocabulary(["B a", "A"]) == ["<pad>", "<null>", "a", "b"]


def test_tokens_say_the_words_again():
    tokens = nb.tokenize(CAPTIONS, VOCABULARY, 8)
    assert tokens.shape == (5, 8)
    assert tokens.dtype == torch.long
    for row, caption in zip(tokens.tolist(), CAPTIONS):
        words = caption.split()
        assert [VOCABULARY[i] for i in row] == words + ["<pad>"] * (8 - len(words))


def test_case_and_spaces_do_not_matter_and_nothing_is_the_null_prompt():
    tokens = nb.tokenize(["Red   POTION ", "red potion", "", "  "], VOCABULARY, 4)
    assert torch.equal(tokens[0], tokens[1])
    assert tokens[2].tolist() == tokens[3].tolist() == [1, 0, 0, 0]
    assert torch.equal(nb.null_like(tokens), tokens[2:3].expand(4, -1))


@pytest.mark.parametrize("typed, nearest", [("potoin", "potion"), ("bleu", "blue"), ("hairs", "hair"), ("slimy", "slime")])
def test_an_unknown_word_is_an_error_with_the_nearest_known_ones(typed, nearest):
    with pytest.raises(ValueError, match=f"'{typed}'") as error:
        nb.tokenize(["red potion", f"red {typed}"], VOCABULARY, 8)
    assert nearest in str(error.value)
    assert "'red'" not in str(error.value)
    one_sentence(error)


def test_all_unknown_words_of_a_prompt_are_in_one_sentence():
    with pytest.raises(ValueError, match=r"'gren' \(.*green.*'slim' \(.*slime") as error:
        nb.tokenize(["gren slim angry"], VOCABULARY, 8)
    assert "'angry'" not in str(error.value)
    one_sentence(error)


@pytest.mark.parametrize("special", ["<pad>", "<null>"])
def test_special_tokens_cannot_be_typed(special):
    with pytest.raises(ValueError, match=special):
        nb.tokenize([f"red {special}"], VOCABULARY, 8)


def test_too_many_words_are_an_error():
    with pytest.raises(ValueError, match="has 3 words: shorten it to 2"):
        nb.tokenize(["red red potion"], VOCABULARY, 2)
    assert nb.tokenize(["red potion"], VOCABULARY, 2).shape == (1, 2)


def test_every_caption_of_the_data_becomes_tokens_and_fits():
    with np.load(ROOT / "data" / "sprites.npz") as data:
        captions, split = data["captions"].tolist(), data["split"]
    vocabulary = nb.build_vocabulary(captions)
    assert len(vocabulary) < 128 + 2
    tokens = nb.tokenize(captions, vocabulary, nb.MAX_WORDS)
    used = torch.unique(tokens[torch.from_numpy(split == 0)])
    assert set(range(2, len(vocabulary))) <= set(used.tolist())  # every word occurs in the training captions
    assert (tokens != 0).sum(1).max() <= nb.MAX_WORDS
    assert (tokens != 0).sum(1).median() > 1  # attention has something to choose from


def test_captions_are_in_lower_case_and_cut_after_so_many_words():
    data = {"captions": np.array(["Red  POTION of Doom", "Green slime", "x"]), "split": np.array([0, 0, 1])}
    assert nb.split_captions(data, 0, 2) == ["red potion", "green slime"]
    assert nb.split_captions(data, 2, 2) == []
    assert nb.tokenize([], VOCABULARY, 4).shape == (0, 4)


def test_dropped_prompts_are_null_prompts_and_the_others_stay():
    tokens, before = nb.tokenize(["red potion"], VOCABULARY, 8).expand(4000, -1), torch.get_rng_state()
    dropped = nb.drop_prompts(tokens, 0.1, seeded())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(nb.drop_prompts(tokens, 0.1, seeded()), dropped)
    assert not torch.equal(nb.drop_prompts(tokens, 0.1, seeded(1)), dropped)
    null = (dropped == nb.null_like(tokens)).all(1)
    assert null.float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert torch.equal(dropped[~null], tokens[~null])
    assert torch.equal(nb.drop_prompts(tokens, 0.0, seeded()), tokens)
    assert torch.equal(nb.drop_prompts(tokens, 1.0, seeded()), nb.null_like(tokens))


# --- attention ---


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("c, d_tau, places, words", [(8, 6, (2, 2), 3), (16, 16, (8, 8), 8), (32, 24, (4, 3), 1)])
def test_cross_attention_equals_that_of_torch_with_masks(heads, c, d_tau, places, words):
    torch.manual_seed(heads)
    layer = stirred(nb.CrossAttention(c, d_tau, heads))
    layer.kept = []
    theirs = nn.MultiheadAttention(c, heads, kdim=d_tau, vdim=d_tau, batch_first=True)
    with torch.no_grad():
        if d_tau == c:  # torch then keeps the three matrices in one
            theirs.in_proj_weight.copy_(torch.cat([layer.W_Q.weight, layer.W_K.weight, layer.W_V.weight]))
        else:
            for name in ("q", "k", "v"):
                getattr(theirs, f"{name}_proj_weight").copy_(getattr(layer, f"W_{name.upper()}").weight)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(layer.W_O.weight)
        theirs.out_proj.bias.copy_(layer.W_O.bias)
    phi, sequence = torch.randn(5, c, *places), torch.randn(5, words, d_tau)
    mask = torch.rand(5, words) < 0.5
    mask[:, 0] = False  # the null prompt is a word too: a mask never hides everything
    flat = layer.norm(phi).flatten(2).transpose(1, 2)
    answer, weights = theirs(flat, sequence, sequence, key_padding_mask=mask, average_attn_weights=False)
    expected = phi + answer.transpose(1, 2).reshape(phi.shape)
    torch.testing.assert_close(layer(phi, nb.Words(sequence, mask)), expected, atol=1e-6, rtol=1e-5)
    kept = layer.kept[0]  # computed by hand beside the fused function
    torch.testing.assert_close(kept, weights, atol=1e-6, rtol=1e-5)
    assert kept.shape == (5, heads, math.prod(places), words)
    assert (kept.transpose(1, 3)[mask] == 0).all()
    torch.testing.assert_close(kept.sum(-1), torch.ones(5, heads, math.prod(places)))


def test_weights_are_kept_only_when_asked_for_one_at_a_call_without_a_graph():
    layer = nb.CrossAttention(8, 6, 2)
    inputs = torch.randn(1, 8, 2, 2), nb.Words(torch.randn(1, 3, 6), torch.zeros(1, 3, dtype=torch.bool))
    unkept = layer(*inputs)
    assert layer.kept is None
    layer.kept = []
    assert torch.equal(layer(*inputs), unkept)
    layer(*inputs)
    assert len(layer.kept) == 2
    assert not layer.kept[0].requires_grad


def test_heads_are_cut_from_neighbouring_channels():
    sequence = torch.arange(2 * 3 * 8).float().reshape(2, 3, 8)
    heads = nb.split_heads(sequence, 4)
    assert heads.shape == (2, 4, 3, 2)
    assert torch.equal(heads[1, 2], sequence[1, :, 4:6])
    assert torch.equal(heads.transpose(1, 2).flatten(2), sequence)


def test_a_position_keeps_to_itself():
    """Attention does not mix positions: what changes at one changes the answer at that one alone."""
    layer = nb.CrossAttention(8, 6, 2)
    layer.norm = nn.Identity()
    phi, words = torch.randn(1, 8, 3, 5), nb.Words(torch.randn(1, 4, 6), torch.zeros(1, 4, dtype=torch.bool))
    other = phi.clone()
    other[0, :, 1, 4] += 1
    changed = (layer(other, words) - layer(phi, words)).abs().sum((0, 1)) > 1e-6
    assert changed.nonzero().tolist() == [[1, 4]]


def test_one_word_trains_neither_queries_nor_keys():
    for hidden, learns in ((torch.tensor([[False, True]]), False), (torch.tensor([[False, False]]), True)):
        torch.manual_seed(0)
        layer = nb.CrossAttention(8, 6, 2)
        layer(torch.randn(1, 8, 2, 2), nb.Words(torch.randn(1, 2, 6), hidden)).square().sum().backward()
        assert (layer.W_Q.weight.grad.abs().max() > 1e-5) == learns  # without, only rounding is left
        assert (layer.W_K.weight.grad.abs().max() > 1e-5) == learns
        assert layer.W_V.weight.grad.abs().max() > 0


def test_the_toy_learns_to_look():
    torch.manual_seed(0)
    layer = nb.CrossAttention(8, 5, heads=1)
    errors, looks = nb.learn_to_look(layer, seeded())
    assert errors[-1] < 0.05 < 0.5 < errors[0]
    assert looks[0] < 0.6
    assert looks[-1] > 0.95
    phi, words, _, order = nb.toy_batch(200, seeded(5))
    layer.kept = []
    layer(phi, words)
    assert torch.equal(layer.kept[0][:, 0].argmax(2), order)  # at each place, the word that is about it


# --- padding and the null prompt ---


def guess(model, z_t, t, tokens):
    """The model's guess of z_0 from tokens."""
    return model(z_t, t, model.condition(tokens))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("switch", SWITCHES)
def test_padding_never_changes_a_result(switch, training, batch):
    z_t, t, tokens = batch
    model = small_unet(switch).train(training)
    expected = guess(model, z_t, t, tokens)
    longer = guess(model, z_t, t, nn.functional.pad(tokens, (0, 7)))
    torch.testing.assert_close(longer, expected, atol=1e-5, rtol=1e-4)
    for i, caption in enumerate(CAPTIONS):  # each alone, and not padded at all
        short = nb.tokenize([caption], VOCABULARY, len(caption.split()))
        torch.testing.assert_close(guess(model, z_t[i : i + 1], t[i : i + 1], short), expected[i : i + 1], atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(guess(model, z_t, t, tokens), expected, atol=1e-5, rtol=1e-4)
        model.tau.table.weight[0] = 100.0  # whatever the table says of padding
        torch.testing.assert_close(guess(model, z_t, t, tokens), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("switch", SWITCHES)
def test_what_the_mask_hides_has_no_say_and_no_gradient(switch, batch):
    z_t, t, tokens = batch
    model = small_unet(switch)
    sequence, mask = model.condition(tokens)
    assert torch.equal(mask, tokens == 0)
    assert sequence.shape == (5, 8, 16)
    sequence = sequence.detach().requires_grad_()
    answer = model(z_t, t, nb.Words(sequence, mask))
    answer.square().sum().backward()
    by_token = sequence.grad.abs().amax(2)  # (B, M)
    assert (by_token[mask] == 0).all()
    assert (by_token[~mask] > 0).all()  # every word of every prompt is heard
    noise = torch.where(mask[:, :, None], torch.randn_like(sequence), sequence)
    torch.testing.assert_close(model(z_t, t, nb.Words(noise, mask)), answer, atol=1e-6, rtol=1e-5)


def test_the_order_of_words_matters_and_each_word_too():
    torch.manual_seed(0)
    tau = stirred(nb.Tau(len(VOCABULARY), 16, 2))
    sequence = tau(nb.tokenize(["red hair blue robe", "blue hair red robe", "red hair green robe"], VOCABULARY, 8))
    assert (sequence[0, 1] - sequence[1, 1]).abs().max() > 1e-3  # "hair" has another colour before it
    assert (sequence[0, 0] - sequence[2, 0]).abs().max() > 1e-3  # words hear all other words


@pytest.mark.parametrize("switch", SWITCHES)
def test_the_null_prompt_gives_a_finite_answer_of_its_own(switch, batch):
    z_t, t, tokens = batch
    model = small_unet(switch)
    with_words, without = guess(model, z_t, t, tokens), guess(model, z_t, t, nb.null_like(tokens))
    assert torch.isfinite(without).all()
    assert (with_words - without).abs().amax((1, 2, 3)).min() > 1e-4


# --- the U-Net ---


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_parameter_gets_a_gradient(switch, batch):
    z_t, t, tokens = batch
    model = small_unet(switch)
    guess(model, z_t, t, tokens).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    rows = model.tau.table.weight.grad.abs().amax(1) > 0  # the words that were said, and no others: not even padding
    assert rows.nonzero().flatten().tolist() == sorted(set(tokens.flatten().tolist()) - {0})


@pytest.mark.parametrize("switch", SWITCHES)
def test_the_unet_reads_the_time_the_words_and_every_place(switch, batch):
    z_t, t, tokens = batch
    model = small_unet(switch)
    expected = guess(model, z_t, t, tokens)
    assert expected.shape == z_t.shape
    assert not torch.allclose(expected, guess(model, z_t, t - 1, tokens))
    assert not torch.allclose(expected, guess(model, z_t, t, tokens.roll(1, 0)))
    one = z_t[:1].clone().requires_grad_()
    guess(model, one, t[:1], tokens[:1])[0, :, 4, 4].sum().backward()
    assert (one.grad.abs() > 0).all()


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_latent_does_not_depend_on_its_neighbours_in_the_batch(switch, batch):
    z_t, t, tokens = batch
    model = small_unet(switch).eval()
    torch.testing.assert_close(
        guess(model, z_t, t, tokens)[2:3], guess(model, z_t[2:3], t[2:3], tokens[2:3]), atol=1e-5, rtol=1e-4
    )


def test_the_switch_is_all_that_differs():
    shapes = {switch: {name: p.shape for name, p in small_unet(switch).named_parameters()} for switch in SWITCHES}
    common = set(shapes["CONCAT"]) & set(shapes["QKV"])
    differ = [name for name in common if shapes["CONCAT"][name] != shapes["QKV"][name]]
    assert differ == ["trunk.stem.weight"]  # 20 or 4 channels
    assert {name.split(".")[0] for name in set(shapes["CONCAT"]) - common} == {"spread"}
    assert all("cross" in name for name in set(shapes["QKV"]) - common)
    assert sum(isinstance(layer, nb.CrossAttention) for layer in small_unet("QKV").modules()) == 4
    assert not [layer for layer in small_unet("CONCAT").modules() if isinstance(layer, nb.CrossAttention)]


def test_concat_takes_as_many_channels_as_it_is_told():
    wide = nb.LatentUNet(small_arch("CONCAT", spread=40))
    assert wide.trunk.stem.weight.shape[1] == 44
    assert wide.spread.linear.out_features == 40


# --- the blend ---


def test_the_blend_is_the_posterior_mean_of_two_gaussian_measurements():
    """Bayes on a grid: a flat prior, f with precision p, and z_t as the forward process makes it."""
    blend, emb = nb.Blend(24, 500), torch.zeros(1, 24)
    p = math.exp(blend.log_p.bias.item())
    grid = torch.linspace(-60, 60, 400_001, dtype=torch.float64)
    for t in (1, 20, 120, 250, 400, 490):
        a = blend.alpha_bar[t].double()
        f, z_t = 0.7, -0.9
        log_density = -p / 2 * (grid - f) ** 2 - (z_t - a.sqrt() * grid) ** 2 / (2 * (1 - a))
        weights = (log_density - log_density.max()).exp()
        expected = (weights * grid).sum() / weights.sum()
        maps = torch.full((1, 4, 8, 8), f), torch.full((1, 4, 8, 8), z_t)
        result = blend(*maps, torch.tensor([t]), emb)
        torch.testing.assert_close(result, expected.float().expand(1, 4, 8, 8), rtol=2e-3, atol=2e-3)


def test_the_blend_trusts_what_is_almost_clean_and_no_noise():
    blend = nb.Blend(24, 500)
    f, z_t, emb = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.randn(2, 24)
    clean = blend(f, z_t, torch.tensor([1, 1]), emb)
    assert (clean - z_t).abs().max() < 0.01
    noise = blend(f, z_t, torch.tensor([500, 500]), emb)
    assert (noise - f).abs().max() < 0.01
    assert torch.isfinite(clean).all()


def test_the_blend_leaves_no_trace_of_its_schedule_in_the_weights_and_learns_its_precision():
    model = small_unet("QKV")
    assert [name for name in model.state_dict() if "alpha_bar" in name] == []
    model(torch.randn(2, 4, 8, 8), torch.tensor([100, 300]), model.condition(torch.ones(2, 3).long())).sum().backward()
    assert model.blend.log_p.weight.grad.abs().max() > 0


# --- the latents ---


class Halves(nn.Module):
    """An autoencoder whose decoder undoes its encoder exactly."""

    def encode(self, x):
        mu = torch.cat([x[:, :, ::2, ::2], x[:, :1, 1::2, 1::2]], 1)
        return mu, torch.zeros_like(mu)

    def decode(self, z):
        return z[:, :3].repeat_interleave(2, 2).repeat_interleave(2, 3)


def test_latents_are_normalised_by_channel_and_brought_back():
    torch.manual_seed(0)
    x = (0.4 * torch.randn(900, 3, 8, 8)).clamp(-1, 1).repeat_interleave(2, 2).repeat_interleave(2, 3)
    mu = Halves().encode(x)[0]
    box = nb.Autoencoder(Halves(), mu.mean((0, 2, 3), keepdim=True), mu.std((0, 2, 3), keepdim=True))
    z = nb.to_latent(box, x)  # in parts: 900 are more than one
    assert z.shape == (900, 4, 8, 8)
    assert z.mean((0, 2, 3)).abs().max() < 1e-5
    assert (z.std((0, 2, 3)) - 1).abs().max() < 1e-3
    torch.testing.assert_close(nb.to_pixels(box, z), x, atol=1e-5, rtol=1e-4)


def test_decoded_sprites_are_in_colours_of_the_palette():
    torch.manual_seed(0)
    palette = torch.randint(0, 256, (7, 3)) / 127.5 - 1
    box = nb.Autoencoder(stirred(nb.VAE(palette, 16, 8)), torch.zeros(1, 4, 1, 1), torch.ones(1, 4, 1, 1))
    x = nb.to_pixels(box, 3 * torch.randn(5, 4, 8, 8))
    assert x.shape == (5, 3, 16, 16)
    colours = x.permute(0, 2, 3, 1).reshape(-1, 3)
    assert ((colours[:, None] - palette).abs().amax(2).amin(1) == 0).all()
    assert len(colours.unique(dim=0)) > 1


def test_halves_have_no_sprite_in_common_and_all_classes_alike():
    labels = np.repeat([0, 1, 4], [10, 13, 17])
    a, b = nb.halves(labels, 5)
    assert a.shape == b.shape == (3, 5)
    assert not set(a.ravel()) & set(b.ravel())
    for half in (a, b):
        assert (labels[half] == np.array([0, 1, 4])[:, None]).all()
        assert len(set(half.ravel())) == 15


def test_halves_repeat_the_sprites_of_small_classes():
    labels = np.array([0, 1, 1, 2, 2, 2])
    a, b = nb.halves(labels, 4)
    assert a.shape == b.shape == (3, 4)
    assert set(a[0]) == set(b[0]) == {0}
    assert set(a[1]) | set(b[1]) == {1, 2}
    assert set(a[2]) | set(b[2]) == {3, 4, 5}
    assert not set(a[1:].ravel()) & set(b[1:].ravel())


# --- training ---

FACTS = {"vocabulary": VOCABULARY, "latent_mean": [0.0] * 4, "data_id": "these sprites"}


def test_the_loss_is_the_squared_error_of_the_clean_latent(batch):
    z_0, _, tokens = batch
    alpha_bar, seen, before = nb.to_alpha_bar(nb.cosine_beta(500)), [], torch.get_rng_state()

    class Third(nn.Module):
        def condition(self, tokens):
            return tokens

        def forward(self, z_t, t, words):
            seen.append((z_t, t, words))
            return z_t / 3

    losses = nb.latent_losses(Third(), z_0, tokens, alpha_bar, seeded(5))
    generator = seeded(5)
    t = torch.randint(1, 501, (5,), generator=generator)
    z_t = nb.q_sample(z_0, t, torch.randn(z_0.shape, generator=generator), alpha_bar)
    assert torch.equal(seen[0][0], z_t)
    assert torch.equal(seen[0][1], t)
    assert torch.equal(seen[0][2], tokens)
    torch.testing.assert_close(losses, (z_t / 3 - z_0).square().mean((1, 2, 3)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Twenty latents with captions, a short schedule, and an empty folder to work in."""
    torch.manual_seed(2)
    tokens = nb.tokenize(CAPTIONS * 4, VOCABULARY, 8)
    sets = [nb.Latents(torch.randn(20, 4, 8, 8), tokens, torch.arange(20) % 5) for _ in range(2)]
    for name, value in {"BATCH": 4, "TRAIN": True}.items():
        monkeypatch.setattr(nb, name, value)
    monkeypatch.chdir(tmp_path)
    return sets, nb.to_alpha_bar(nb.cosine_beta(50))


def train_or_load(tiny, path, switch, steps, moments=None):
    torch.manual_seed(0)
    arch = small_arch(switch, T=50)
    return nb.train_or_load(path, arch, tiny[0], tiny[1], steps, FACTS, moments or {})


def nothing(ema, history):
    pass


def test_both_variants_see_the_same_batches_steps_noise_and_dropped_prompts(tiny, monkeypatch):
    original, seen = nb.latent_losses, {switch: [] for switch in SWITCHES}
    monkeypatch.setattr(nb, "DROP", 0.5)
    for switch in SWITCHES:

        def recorded(model, z_0, tokens, alpha_bar, generator, switch=switch):
            seen[switch].append((z_0, tokens, generator.get_state()))
            return original(model, z_0, tokens, alpha_bar, generator)

        monkeypatch.setattr(nb, "latent_losses", recorded)
        nb.train(small_unet(switch), tiny[0][0], tiny[1], 6, nothing)
    assert len(seen["QKV"]) == 6
    for ours, theirs in zip(seen["CONCAT"], seen["QKV"]):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs))
    dropped = torch.cat([tokens[:, 0] == 1 for _, tokens, _ in seen["QKV"]])
    assert 0 < dropped.sum() < len(dropped)


@pytest.mark.parametrize("switch", SWITCHES)
def test_two_runs_give_the_same_weights_and_the_loss_falls(switch, tiny):
    first, history, _ = train_or_load(tiny, f"assets/{switch}/a.pt", switch, 30)
    torch.randn(9)  # other random numbers in between
    second, _, _ = train_or_load(tiny, f"assets/{switch}/a.pt", switch, 30)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values()))
    assert len(history["train"]) == 30
    assert history["step"] == list(range(3, 31, 3))
    assert len(history["test"]) == 10
    assert len(history["seconds"]) == 31
    assert np.diff(history["seconds"]).min() > 0
    assert np.mean(history["train"][-5:]) < np.mean(history["train"][:5])
    assert history["vocabulary"] == VOCABULARY
    assert not any(p.requires_grad for p in first.parameters())


def test_the_last_weights_are_kept_even_if_earlier_ones_did_better_on_the_test_split(tiny, monkeypatch):
    losses = iter([1.0, 0.1, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0])
    monkeypatch.setattr(nb, "test_loss", lambda *args: next(losses))
    saved, save = [], nb.save_model

    def saving(path, model, *rest):
        saved.append(copy.deepcopy(model))
        save(path, model, *rest)

    monkeypatch.setattr(nb, "save_model", saving)
    model, history, _ = train_or_load(tiny, "assets/x/a.pt", "QKV", 10)
    assert history["test"] == [1.0, 0.1, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0]
    assert len(saved) >= 10  # a killed run has something on disk, at each tenth
    last = {name: value.half().float() for name, value in saved[-1].state_dict().items()}
    assert all(torch.equal(value, last[name]) for name, value in model.state_dict().items())
    assert any(not torch.equal(a, b) for a, b in zip(saved[1].parameters(), saved[-1].parameters()))


def test_copies_are_kept_at_their_moments(tiny):
    moments = {"third step": 3, "at once": 1e-9, "never": 1e9, "too late": 10_000}
    model, history, kept = train_or_load(tiny, "assets/x/a.pt", "QKV", 8, moments)
    assert set(kept) == {"third step", "at once"}
    assert [kept[name][1] for name in ("at once", "third step")] == [1, 3]
    assert kept["third step"][2] == history["seconds"][3]
    early, late = kept["at once"][0], kept["third step"][0]
    assert any(not torch.equal(a, b) for a, b in zip(early.parameters(), late.parameters()))
    torch.manual_seed(0)
    again, _ = nb.train(nb.LatentUNet(small_arch("QKV", T=50)), tiny[0][0], tiny[1], 8, nothing, until=3)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), late.parameters()))  # the same plan, cut short


def test_the_clock_stands_still_while_watched(tiny):
    _, history = nb.train(small_unet("QKV"), tiny[0][0], tiny[1], 3, lambda ema, history: time.sleep(0.3))
    assert history["seconds"][-1] < 0.9 * 3 * 0.3  # three naps are not in it


def test_stopping_keeps_what_was_learnt(tiny, monkeypatch, capsys):
    original, calls = nb.update_ema, []

    def stopped(*args):
        calls.append(1)
        if len(calls) == 6:  # the user presses the square
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(nb, "update_ema", stopped)
    model, history, _ = train_or_load(tiny, "assets/x/a.pt", "QKV", 500)
    assert len(history["seconds"]) == 6
    assert history["step"] == [len(history["train"])]
    assert len(history["test"]) == 1
    assert "Stopped" in capsys.readouterr().out
    z_t, t, tokens = torch.randn(2, 4, 8, 8), torch.tensor([1, 50]), nb.tokenize(["red potion", ""], VOCABULARY, 8)
    assert torch.isfinite(model(z_t, t, model.condition(tokens))).all()


def test_the_test_loss_is_the_same_at_every_call_and_leaves_the_random_numbers_alone(tiny):
    model, before = small_unet("QKV"), torch.get_rng_state()
    first = nb.test_loss(model, tiny[0][1], tiny[1])
    assert torch.equal(torch.get_rng_state(), before)
    torch.randn(7)
    assert nb.test_loss(model, tiny[0][1], tiny[1]) == first
    assert nb.test_loss(model, tiny[0][0], tiny[1]) != first


def test_no_function_reseeds_the_global_generator_or_forks_it():
    for name, thing in vars(nb).items():
        if inspect.isfunction(thing) and thing.__module__ == nb.__name__:
            names = thing.__code__.co_names
            assert "fork_rng" not in names, name
            assert "manual_seed" not in names or name == "seeded", name


def test_the_learning_rate_is_given_in_one_place(tiny, monkeypatch):
    """The rate that the optimizer really uses is LEARNING_RATE times the plan, and ends near 0."""
    rates, step = [], torch.optim.AdamW.step

    def noted(self, *args, **more):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **more)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    monkeypatch.setattr(nb, "LEARNING_RATE", 0.02)
    nb.train(small_unet("CONCAT"), tiny[0][0], tiny[1], 40, nothing)
    expected = [0.02 * nb.learning_rate(k, 40) for k in range(40)]
    assert rates == pytest.approx(expected)
    assert max(rates) > 0.019
    assert rates[-1] < 1e-3


def test_guesses_have_the_error_of_their_noise_when_nothing_is_done():
    torch.manual_seed(0)
    mu = torch.zeros(1, 4, 1, 1)
    box = nb.Autoencoder(Halves(), mu, mu + 1)
    x, alpha_bar = torch.rand(60, 3, 16, 16) * 2 - 1, nb.to_alpha_bar(nb.cosine_beta(500))
    times = (1, 50, 300)
    errors, wrong = nb.errors_at(None, box, x, torch.ones(60, 2).long(), alpha_bar, times)
    for t, error in zip(times, errors):
        assert error == pytest.approx(((1 - alpha_bar[t]) / alpha_bar[t]).item(), rel=0.05)
    assert len(wrong) == 3


# --- what belongs together ---


def one_sentence(error, *parts):
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert message.count(". ") == 0
    for part in parts:
        assert part in message


def test_the_network_comes_back_from_its_file_with_its_vocabulary(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = small_unet("CONCAT", 3)
    nb.save_model("assets/x/best_ldm.pt", model, model.arch._asdict(), {"train": [1.0], **FACTS}, FACTS["data_id"])
    loaded, history = nb.load_model("assets/x/best_ldm.pt", nb.make_unet, FACTS["data_id"])
    assert loaded.arch == model.arch
    assert (history["train"], history["vocabulary"]) == ([1.0], VOCABULARY)
    torch.testing.assert_close(loaded.blend.alpha_bar, model.blend.alpha_bar, rtol=0, atol=0)  # not halved
    for ours, theirs in zip(model.parameters(), loaded.parameters()):
        assert torch.equal(theirs, ours.half().float())


def test_the_autoencoder_of_notebook_02_is_opened_and_its_file_never_touched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(4)
    palette = torch.randint(0, 256, (9, 3), dtype=torch.uint8)
    vae, arch = nb.make_vae(palette, 16, 8), {"palette": palette, "width": 16, "extra": 8}
    facts = {"latent_mean": torch.tensor([0.1, 0.2, 0.3, 0.4]), "latent_std": torch.tensor([1.0, 2.0, 3.0, 4.0])}
    nb.save_model("assets/v/best_vae.pt", vae, arch, facts, "these sprites")
    file = tmp_path / "assets" / "v" / "best_vae.pt"
    before = file.read_bytes(), file.stat().st_mtime_ns
    box = nb.open_autoencoder("assets/v/best_vae.pt", "these sprites")
    assert box.mean.shape == box.std.shape == (1, 4, 1, 1)
    assert box.std.flatten().tolist() == [1, 2, 3, 4]
    assert not any(p.requires_grad for p in box.vae.parameters())
    assert torch.equal(box.vae.head.palette, palette.float() / 127.5 - 1)  # exactly, although weights are halved
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(box.vae.encode(x)[0], vae.encode(x)[0], atol=2e-2, rtol=2e-2)
    assert nb.to_pixels(box, torch.randn(2, 4, 8, 8)).shape == (2, 3, 16, 16)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def test_a_network_of_another_autoencoder_or_other_words_is_refused():
    history, mean = {"vocabulary": VOCABULARY, "latent_mean": [0.1, 0.2, 0.3, 0.4]}, torch.tensor([0.1, 0.2, 0.3, 0.4])
    nb.check_fit("a.pt", history, VOCABULARY, mean.view(1, 4, 1, 1))
    for wrong in ((history, VOCABULARY[:-1], mean), (history, VOCABULARY, mean + 0.05), ({}, VOCABULARY, mean)):
        with pytest.raises(ValueError) as error:
            nb.check_fit("a.pt", *wrong)
        one_sentence(error, "a.pt", NAME)
