"""The parts of 03.ldm_nano.ipynb up to its training: words, attention, the U-Net and its files. Nothing is trained for long."""

import hashlib
import math
import pickle

import numpy as np
import pytest
import torch
from notebooks import ROOT, definitions
from torch import nn

NAME, MAKER_OF_VAE = "03.ldm_nano.ipynb", "02.vae_latent_2d.ipynb"
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


def small_unet(switch, seed=0):
    torch.manual_seed(seed)
    return stirred(nb.LatentUNet(switch, len(VOCABULARY), width=16, d_tau=16, heads=2))


@pytest.fixture
def batch():
    """Noisy latents, steps and tokens of five captions of different lengths."""
    torch.manual_seed(1)
    return torch.randn(5, 4, 8, 8), torch.tensor([1, 100, 250, 400, 500]), nb.tokenize(CAPTIONS, VOCABULARY, 8)


# --- words ---


def test_vocabulary_is_sorted_after_two_special_tokens():
    assert VOCABULARY[:2] == [nb.PADDING, nb.NULL] == ["<pad>", "<null>"]
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
    assert "\n" not in str(error.value)


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


def test_without_captions_the_class_is_the_only_word(tmp_path):
    file = tmp_path / "sprites.npz"
    arrays = {
        "images": np.zeros((5, 16, 16, 3), np.uint8),
        "labels": np.arange(5, dtype=np.uint8),
        "split": np.zeros(5, np.uint8),
    }
    np.savez(file, **arrays)
    captions = nb.load_data(str(file))["captions"].tolist()
    assert captions == list(nb.CLASSES)
    tokens = nb.tokenize(captions, nb.build_vocabulary(captions), nb.MAX_WORDS)
    assert ((tokens != 0).sum(1) == 1).all()
    assert len(torch.unique(tokens[:, 0])) == 5


def test_dropped_prompts_are_null_prompts_and_the_others_stay():
    torch.manual_seed(0)
    tokens = nb.tokenize(["red potion"], VOCABULARY, 8).expand(4000, -1)
    dropped = nb.drop_prompts(tokens, 0.1)
    null = (dropped == nb.null_like(tokens)).all(1)
    assert null.float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert torch.equal(dropped[~null], tokens[~null])
    assert torch.equal(nb.drop_prompts(tokens, 0.0), tokens)
    assert torch.equal(nb.drop_prompts(tokens, 1.0), nb.null_like(tokens))


# --- attention ---


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("c, d_tau, places, words", [(8, 6, (2, 2), 3), (16, 16, (8, 8), 8), (32, 24, (4, 3), 1)])
def test_cross_attention_equals_that_of_torch_with_masks(heads, c, d_tau, places, words):
    torch.manual_seed(heads)
    layer = stirred(nb.CrossAttention(c, d_tau, heads))
    layer.keep = True
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
    torch.testing.assert_close(layer(phi, sequence, mask), phi + answer.transpose(1, 2).reshape(phi.shape), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(layer.weights, weights, atol=1e-6, rtol=1e-5)
    assert layer.weights.shape == (5, heads, math.prod(places), words)
    assert (layer.weights.transpose(1, 3)[mask] == 0).all()
    torch.testing.assert_close(layer.weights.sum(-1), torch.ones(5, heads, math.prod(places)))


def test_weights_are_kept_only_when_asked_for_and_without_a_graph():
    layer = nb.CrossAttention(8, 6, 2)
    inputs = torch.randn(1, 8, 2, 2), torch.randn(1, 3, 6), torch.zeros(1, 3, dtype=torch.bool)
    layer(*inputs)
    assert layer.weights is None
    layer.keep = True
    layer(*inputs)
    assert not layer.weights.requires_grad


def test_heads_are_cut_from_neighbouring_channels():
    sequence = torch.arange(2 * 3 * 8).float().reshape(2, 3, 8)
    heads = nb.split_heads(sequence, 4)
    assert heads.shape == (2, 4, 3, 2)
    assert torch.equal(heads[1, 2], sequence[1, :, 4:6])
    assert torch.equal(heads.transpose(1, 2).flatten(2), sequence)


def test_a_place_keeps_its_place():
    """Attention does not mix places: what changes at one place changes the answer at that place alone."""
    layer = nb.CrossAttention(8, 6, 2)
    layer.norm = nn.Identity()
    phi, sequence, mask = torch.randn(1, 8, 3, 5), torch.randn(1, 4, 6), torch.zeros(1, 4, dtype=torch.bool)
    other = phi.clone()
    other[0, :, 1, 4] += 1
    changed = (layer(other, sequence, mask) - layer(phi, sequence, mask)).abs().sum((0, 1)) > 1e-6
    assert changed.nonzero().tolist() == [[1, 4]]


def test_one_word_trains_neither_queries_nor_keys():
    for hidden, learns in ((torch.tensor([[False, True]]), False), (torch.tensor([[False, False]]), True)):
        torch.manual_seed(0)
        layer = nb.CrossAttention(8, 6, 2)
        layer(torch.randn(1, 8, 2, 2), torch.randn(1, 2, 6), hidden).square().sum().backward()
        assert (layer.W_Q.weight.grad.abs().max() > 0) == learns
        assert (layer.W_K.weight.grad.abs().max() > 0) == learns
        assert layer.W_V.weight.grad.abs().max() > 0


def test_the_toy_learns_to_look():
    errors, looks, layer = nb.learn_to_look()
    assert errors[-1] < 0.05 < 0.5 < errors[0]
    assert looks[0] < 0.6
    assert looks[-1] > 0.95
    torch.manual_seed(5)
    phi, words, _, order = nb.toy_batch(200)
    layer(phi, words, torch.zeros(200, 2, dtype=torch.bool))
    assert torch.equal(layer.weights[:, 0].argmax(2), order)  # at each place, the word that is about it


# --- padding and the null prompt ---


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("switch", SWITCHES)
def test_padding_never_changes_a_result(switch, training, batch):
    z_t, t, tokens = batch
    model = small_unet(switch).train(training)
    expected = model(z_t, t, tokens)
    longer = model(z_t, t, nn.functional.pad(tokens, (0, 7)))
    torch.testing.assert_close(longer, expected, atol=1e-5, rtol=1e-4)
    for i, caption in enumerate(CAPTIONS):  # each alone, and not padded at all
        short = nb.tokenize([caption], VOCABULARY, len(caption.split()))
        torch.testing.assert_close(model(z_t[i : i + 1], t[i : i + 1], short), expected[i : i + 1], atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(model(z_t, t, tokens), expected, atol=1e-5, rtol=1e-4)
        model.tau.table.weight[0] = 100.0  # whatever the table says of padding
        torch.testing.assert_close(model(z_t, t, tokens), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("switch", SWITCHES)
def test_what_the_mask_hides_has_no_say_and_no_gradient(switch, batch):
    z_t, t, tokens = batch
    model = small_unet(switch)
    sequence, mask = model.condition(tokens)
    assert torch.equal(mask, tokens == 0)
    assert sequence.shape == (5, 8, 16)
    sequence = sequence.detach().requires_grad_()
    answer = model.denoise(z_t, t, sequence, mask)
    answer.square().sum().backward()
    by_token = sequence.grad.abs().amax(2)  # (B, M)
    assert (by_token[mask] == 0).all()
    assert (by_token[~mask] > 0).all()  # every word of every prompt is heard
    noise = torch.where(mask[:, :, None], torch.randn_like(sequence), sequence)
    torch.testing.assert_close(model.denoise(z_t, t, noise, mask), answer, atol=1e-6, rtol=1e-5)


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
    with_words, without = model(z_t, t, tokens), model(z_t, t, nb.null_like(tokens))
    assert torch.isfinite(without).all()
    assert (with_words - without).abs().amax((1, 2, 3)).min() > 1e-4


# --- the U-Net ---


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_parameter_gets_a_gradient(switch, batch):
    z_t, t, tokens = batch
    model = small_unet(switch)
    model(z_t, t, tokens).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    rows = model.tau.table.weight.grad.abs().amax(1) > 0  # the words that were said, and no others: not even padding
    assert rows.nonzero().flatten().tolist() == sorted(set(tokens.flatten().tolist()) - {0})


@pytest.mark.parametrize("switch", SWITCHES)
def test_the_unet_reads_the_time_the_words_and_every_place(switch, batch):
    z_t, t, tokens = batch
    model = small_unet(switch)
    expected = model(z_t, t, tokens)
    assert expected.shape == z_t.shape
    assert not torch.allclose(expected, model(z_t, t - 1, tokens))
    assert not torch.allclose(expected, model(z_t, t, tokens.roll(1, 0)))
    one = z_t[:1].clone().requires_grad_()
    model(one, t[:1], tokens[:1])[0, :, 4, 4].sum().backward()
    assert (one.grad.abs() > 0).all()


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_latent_does_not_depend_on_its_neighbours_in_the_batch(switch, batch):
    z_t, t, tokens = batch
    model = small_unet(switch).eval()
    torch.testing.assert_close(model(z_t, t, tokens)[2:3], model(z_t[2:3], t[2:3], tokens[2:3]), atol=1e-5, rtol=1e-4)


def test_the_switch_is_all_that_differs():
    shapes = {switch: {name: p.shape for name, p in small_unet(switch).named_parameters()} for switch in SWITCHES}
    common = set(shapes["CONCAT"]) & set(shapes["QKV"])
    assert [name for name in common if shapes["CONCAT"][name] != shapes["QKV"][name]] == ["stem.weight"]  # 20 or 4 channels
    assert {name.split(".")[0] for name in set(shapes["CONCAT"]) - common} == {"spread"}
    assert all("cross" in name for name in set(shapes["QKV"]) - common)
    assert sum(isinstance(layer, nb.CrossAttention) for layer in small_unet("QKV").modules()) == 4
    assert not [layer for layer in small_unet("CONCAT").modules() if isinstance(layer, nb.CrossAttention)]


# --- the latents ---


class Halves(nn.Module):
    """An autoencoder whose decoder undoes its encoder exactly."""

    def encode(self, x):
        mu = torch.cat([x[:, :, ::2, ::2], x[:, :1, 1::2, 1::2]], 1)
        return mu, torch.zeros_like(mu)

    def decode(self, z):
        return z[:, :3].repeat_interleave(2, 2).repeat_interleave(2, 3)


def test_latents_are_normalised_by_channel_and_brought_back(monkeypatch):
    torch.manual_seed(0)
    x = (0.4 * torch.randn(300, 3, 8, 8)).clamp(-1, 1).repeat_interleave(2, 2).repeat_interleave(2, 3)
    mu = Halves().encode(x)[0]
    monkeypatch.setattr(nb, "vae", Halves(), raising=False)
    monkeypatch.setattr(nb, "latent_mean", mu.mean((0, 2, 3), keepdim=True), raising=False)
    monkeypatch.setattr(nb, "latent_std", mu.std((0, 2, 3), keepdim=True), raising=False)
    z = nb.to_latent(x)
    assert z.shape == (300, 4, 8, 8)
    assert z.mean((0, 2, 3)).abs().max() < 1e-5
    assert (z.std((0, 2, 3)) - 1).abs().max() < 1e-3
    torch.testing.assert_close(nb.to_pixels(z), x, atol=1e-5, rtol=1e-4)
    assert nb.to_pixels(100 * z).abs().max() == 1
    torch.testing.assert_close(nb.encode_split(x, "some"), z)


# --- training ---


def test_the_loss_is_the_squared_error_of_the_clean_latent(batch):
    z_0, _, tokens = batch
    alpha_bar = nb.to_alpha_bar(nb.cosine_beta(500))
    seen = []

    class Third(nn.Module):
        def forward(self, z_t, t, tokens):
            seen.append((z_t, t, tokens))
            return z_t / 3

    torch.manual_seed(5)
    losses, t = nb.latent_losses(Third(), z_0, tokens, alpha_bar)
    torch.manual_seed(5)
    assert torch.equal(t, torch.randint(1, 501, (5,)))
    z_t = nb.q_sample(z_0, t, torch.randn_like(z_0), alpha_bar)
    assert torch.equal(seen[0][0], z_t)
    assert torch.equal(seen[0][2], tokens)
    torch.testing.assert_close(losses, (z_t / 3 - z_0).square().mean((1, 2, 3)))


@pytest.fixture
def tiny_data(monkeypatch, tmp_path):
    """Twenty latents with captions in the place of the data, and an empty folder to work in."""
    torch.manual_seed(2)
    tokens = nb.tokenize(CAPTIONS * 4, VOCABULARY, 8)
    values = {
        "z_train": torch.randn(20, 4, 8, 8),
        "y_train": torch.arange(20) % 5,
        "tokens_train": tokens,
        "BATCH": 4,
        "STEPS": 6,
    }
    more = {"z_test": torch.randn(20, 4, 8, 8), "tokens_test": tokens, "vocabulary": VOCABULARY, "WIDTH": 16, "D_TAU": 16}
    last = {"latent_mean": torch.zeros(1, 4, 1, 1), "alpha_bar": nb.to_alpha_bar(nb.cosine_beta(50)), "TRAIN": True}
    for name, value in {**values, **more, **last}.items():
        monkeypatch.setattr(nb, name, value, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_both_variants_see_the_same_batches_steps_noise_and_dropped_prompts(tiny_data, monkeypatch):
    original, seen = nb.latent_losses, {switch: [] for switch in SWITCHES}
    monkeypatch.setattr(nb, "DROP", 0.5)
    for switch in SWITCHES:

        def recorded(model, z_0, tokens, alpha_bar, switch=switch):
            losses, t = original(model, z_0, tokens, alpha_bar)
            seen[switch].append((z_0, tokens, t, torch.get_rng_state()))
            return losses, t

        monkeypatch.setattr(nb, "latent_losses", recorded)
        nb.train_ldm(small_unet(switch), nb.alpha_bar, 6, lambda ema, history: history["test"].append(0.0))
    assert len(seen["QKV"]) == 6
    for ours, theirs in zip(seen["CONCAT"], seen["QKV"]):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs))
    dropped = torch.cat([tokens[:, 0] == 1 for _, tokens, _, _ in seen["QKV"]])
    assert 0 < dropped.sum() < len(dropped)


@pytest.mark.parametrize("switch", SWITCHES)
def test_two_runs_give_the_same_weights_and_the_loss_falls(switch, tiny_data, monkeypatch):
    monkeypatch.setattr(nb, "STEPS", 30)
    path = f"assets/{switch}/a.pt"
    first, history = nb.train_or_load_ldm(path, switch)
    second, _ = nb.train_or_load_ldm(path, switch)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values()))
    assert len(history["train"]) == 30 or len(history["train"]) in history["step"]  # of the best check
    assert history["train"][-1] < history["train"][0]
    assert history["vocabulary"] == VOCABULARY
    assert not any(p.requires_grad for p in first.parameters())


def test_stopping_keeps_what_was_learnt(tiny_data, monkeypatch, capsys):
    original, calls = nb.latent_losses, []

    def stopped(model, z_0, tokens, alpha_bar):
        calls.append(1)
        if len(calls) == 6:  # the user presses the square
            raise KeyboardInterrupt
        return original(model, z_0, tokens, alpha_bar)

    monkeypatch.setattr(nb, "latent_losses", stopped)
    monkeypatch.setattr(nb, "STEPS", 500)
    model, history = nb.train_or_load_ldm("assets/x/a.pt", "QKV")
    assert len(history["train"]) == 5
    assert history["seconds"] > 0
    assert "Stopped" in capsys.readouterr().out
    z_t, t, tokens = torch.randn(2, 4, 8, 8), torch.tensor([1, 50]), nb.tokenize(["red potion", ""], VOCABULARY, 8)
    assert torch.isfinite(model(z_t, t, tokens)).all()


def test_validation_leaves_the_random_numbers_alone(tiny_data):
    torch.manual_seed(3)
    model, before = small_unet("QKV"), torch.get_rng_state()
    first, _ = nb.latent_validation(model, nb.alpha_bar)
    assert torch.equal(torch.get_rng_state(), before)
    torch.randn(7)
    assert torch.equal(nb.latent_validation(model, nb.alpha_bar)[0], first)


# --- files ---


def one_sentence(error, *parts):
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert message.count(". ") == 0
    for part in parts:
        assert part in message


class Executed:
    def __reduce__(self):
        return (open, ("executed.txt", "w"))


def spoil(path, how):
    """Make a weight file unusable in one of several ways."""
    if how == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("<html>404</html>")
    elif how == "pickle":
        path.write_bytes(pickle.dumps(Executed()))
    elif how == "pickle in torch.save":
        torch.save({"arch": Executed()}, path)
    elif how == "tensor":
        torch.save(torch.zeros(3), path)
    elif how == "other arguments":
        torch.save({**torch.load(path, weights_only=True), "arch": {"switch": "QKV", "colour": 1}}, path)
    elif how == "other weights":
        content = torch.load(path, weights_only=True)
        content["weights"].pop(next(iter(content["weights"])))
        torch.save(content, path)


SPOILT = ["truncated", "empty", "text", "pickle", "pickle in torch.save", "tensor", "other arguments", "other weights"]


@pytest.fixture
def ldm_file(tiny_data):
    model = small_unet("QKV")
    nb.save_ldm("assets/x/best_ldm.pt", model, {"train": [1.0], "vocabulary": VOCABULARY, "latent_mean": [0.0] * 4})
    return tiny_data / "assets" / "x" / "best_ldm.pt", model


@pytest.fixture
def vae_file(tmp_path):
    torch.manual_seed(4)
    vae = nb.VAE()
    weights = {name: value.half() for name, value in vae.state_dict().items()}
    statistics = {"latent_mean": torch.tensor([0.1, 0.2, 0.3, 0.4]), "latent_std": torch.tensor([1.0, 2.0, 3.0, 4.0])}
    path = tmp_path / "best_vae.pt"
    torch.save({"arch": {}, "weights": weights, "data_sha256": nb.DATA_SHA256, **statistics}, path)
    return path, vae


def test_weights_come_back_in_half_precision_and_are_listed(ldm_file):
    path, model = ldm_file
    loaded, history = nb.load_ldm("assets/x/best_ldm.pt")
    assert loaded.arch == model.arch
    assert history["train"] == [1.0]
    for (name, ours), theirs in zip(model.state_dict().items(), loaded.state_dict().values()):
        torch.testing.assert_close(theirs, ours.half().float(), msg=name)
    listed = nb.read_checksums(nb.CHECKSUMS)
    assert listed == {"assets/x/best_ldm.pt": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert not list(path.parent.glob("*.partial"))


@pytest.mark.parametrize("how", SPOILT)
def test_a_bad_file_of_this_network_is_refused_in_one_sentence(how, ldm_file):
    path, _ = ldm_file
    spoil(path, how)
    with pytest.raises(ValueError) as error:
        nb.load_ldm("assets/x/best_ldm.pt")
    one_sentence(error, "assets/x/best_ldm.pt", NAME, "TRAIN = True")
    assert not (path.parents[2] / "executed.txt").exists()


@pytest.mark.parametrize("how", SPOILT)
def test_a_bad_file_of_the_autoencoder_is_refused_in_one_sentence(how, vae_file, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path, _ = vae_file
    spoil(path, how)
    with pytest.raises(ValueError) as error:
        nb.load_vae("best_vae.pt")
    one_sentence(error, "best_vae.pt", MAKER_OF_VAE)
    assert not (tmp_path / "executed.txt").exists()


def test_weights_of_another_notebook_are_refused(vae_file, ldm_file):
    with pytest.raises(ValueError) as error:
        nb.load_ldm(str(vae_file[0]))
    one_sentence(error, NAME)
    with pytest.raises(ValueError) as error:
        nb.load_vae(str(ldm_file[0]))
    one_sentence(error, MAKER_OF_VAE)
    with pytest.raises(ValueError, match=NAME):
        nb.load_ldm(str(ROOT / "assets" / "DDPM" / "best_ddpm.pt"))


def test_the_autoencoder_is_loaded_frozen_and_its_file_is_never_touched(vae_file):
    path, vae = vae_file
    before = path.read_bytes(), path.stat().st_mtime_ns
    loaded, facts = nb.load_vae(nb.fetch_trained(str(path), MAKER_OF_VAE))
    assert facts["latent_mean"].shape == facts["latent_std"].shape == (1, 4, 1, 1)
    assert facts["latent_std"].flatten().tolist() == [1, 2, 3, 4]
    assert not any(p.requires_grad for p in loaded.parameters())
    torch.manual_seed(0)
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(loaded.encode(x)[0], vae.encode(x)[0], atol=2e-2, rtol=2e-2)
    assert loaded.decode(torch.randn(2, 4, 8, 8)).shape == (2, 3, 16, 16)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@pytest.mark.parametrize("maker", [NAME, MAKER_OF_VAE])
@pytest.mark.parametrize("listed", [False, True])
def test_missing_weights_name_the_notebook_that_makes_them(maker, listed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nb, "REPO_URL", "http://127.0.0.1:9")  # nobody answers there
    if listed:  # a list of checksums is there, but the file is not in it
        (tmp_path / "assets").mkdir()
        (tmp_path / nb.CHECKSUMS).write_text("00  assets/other.pt\n")
    with pytest.raises(FileNotFoundError) as error:
        nb.fetch_trained("assets/x/best.pt", maker)
    assert maker in str(error.value)
    assert "TRAIN = True" in str(error.value)
    assert not list(tmp_path.rglob("*.pt"))


def test_a_network_of_another_autoencoder_or_other_words_is_refused():
    history, mean = {"vocabulary": VOCABULARY, "latent_mean": [0.1, 0.2, 0.3, 0.4]}, torch.tensor([0.1, 0.2, 0.3, 0.4])
    nb.check_fit("a.pt", history, VOCABULARY, mean.view(1, 4, 1, 1))
    for wrong in ((history, VOCABULARY[:-1], mean), (history, VOCABULARY, mean + 0.05), ({}, VOCABULARY, mean)):
        with pytest.raises(ValueError) as error:
            nb.check_fit("a.pt", *wrong)
        one_sentence(error, "a.pt", NAME)
