"""The mathematics of 03.ldm_nano.ipynb: against torch, diffusers and closed forms. Nothing real is trained."""

import contextlib
import math
import warnings

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from test_ddpm import PALETTE, run, seeded, set_T, small, stirred
from torch import nn
from torch.nn import functional as F

pytestmark = pytest.mark.quick
NAME = "03.ldm_nano.ipynb"
SWITCHES = ("CONCAT", "QKV")
CAPTIONS = ["side long red hair blue robe", "red potion", "blue potion", "green slime angry", "a b c d e f g h"]


def notebook(**constants):
    """The notebook, small, with five captions and random latents."""
    small_ones = {"WIDTH": 16, "WIDTH_VAE": 16, "D_TAU": 16, "HEADS": 2, "BATCH": 8, **constants}
    module = small(NAME, **small_ones)
    module.captions_train = CAPTIONS * 8
    run(module, "vocabulary = ", "numbers = ")
    module.tokens_train = module.tokenize(module.captions_train)
    module.z_train = torch.randn(40, 4, 8, 8, generator=seeded())
    set_T(module, 500)
    torch.manual_seed(0)
    module.vae = stirred(module.VAE(16)).requires_grad_(False)
    module.mean, module.std = torch.tensor([0.1, -0.2, 0.3, 0.0]).view(1, 4, 1, 1), torch.tensor([0.5, 2, 1, 3]).view(1, 4, 1, 1)
    return module


@pytest.fixture
def nb():
    return notebook()


@pytest.fixture
def batch(nb):
    """Noised latents, steps, and the tokens of captions of different lengths."""
    return torch.randn(5, 4, 8, 8, generator=seeded(1)), torch.tensor([1, 150, 250, 400, 500]), nb.tokenize(CAPTIONS)


def network(nb, switch):
    torch.manual_seed(0)
    return stirred(nb.UNet(16, switch))


def dummy(z_t, t, tokens):
    """Some smooth guess that depends on everything, beyond -4 and 4 once it is exaggerated."""
    shift = torch.sin(t.float() / 50 + tokens.sum(1))[:, None, None, None]
    return 3.5 * torch.tanh(1.3 * z_t.roll(1, -1) - 0.2) * (1 + 0.1 * shift)


# --- attention ---


def test_the_walk_by_hand_ends_at_the_answer_of_torch(nb):
    run(nb, "words = [", "vectors = ", "query = ", "scores = vectors", "weights = scores.softmax", "answer = weights")
    assert nb.weights.sum().item() == pytest.approx(1)
    assert sorted(nb.weights.argsort(descending=True)[:3].tolist()) == [1, 2, 3]  # long, red, hair
    by_hand = [math.exp(3 * vector[0]) for vector in nb.vectors.tolist()]
    assert nb.weights.tolist() == pytest.approx([power / sum(by_hand) for power in by_hand])
    torch.manual_seed(0)
    run(nb, "phi = ", "sequence = ", "empty = ", "flat = ", "W_Q = ", "W_K = ", "W_V = ", "queries, keys", "Q_h, K_h, V_h")
    assert torch.equal(nb.flat[0, 2], nb.phi[0, :, 1, 0])
    run(nb, "scores = Q_h", "weights = scores.masked", "W_O = ", "answer = (weights", "added = ", "layer", "theirs, _ = ")
    torch.testing.assert_close(nb.answer, nb.theirs, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(nb.added.flatten(2).transpose(1, 2) - nb.flat, nb.theirs, atol=1e-6, rtol=1e-5)
    assert (nb.weights[..., 2] == 0).all()


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize(("c", "places", "words"), [(8, (2, 2), 3), (16, (8, 8), 8), (32, (4, 3), 1)])
def test_cross_attention_equals_that_of_torch(heads, c, places, words):
    nb = notebook(D_TAU=24)
    layer = stirred(nb.CrossAttention(c))
    theirs = nn.MultiheadAttention(c, heads, kdim=24, vdim=24, batch_first=True)
    with torch.no_grad():
        for name in ("q", "k", "v"):
            getattr(theirs, f"{name}_proj_weight").copy_(getattr(layer, f"W_{name.upper()}").weight)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.load_state_dict(layer.W_O.state_dict())
    phi, sequence = torch.randn(5, c, *places), torch.randn(5, words, 24)
    empty = torch.rand(5, words) < 0.5
    empty[:, 0] = False
    flat = layer.norm(phi).flatten(2).transpose(1, 2)
    answer, weights = theirs(flat, sequence, sequence, key_padding_mask=empty, average_attn_weights=False)
    expected = phi + answer.transpose(1, 2).reshape(phi.shape)
    nb.HEADS = heads  # read when it is called
    torch.testing.assert_close(layer(phi, sequence, empty), expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(layer.weights, weights, atol=1e-6, rtol=1e-5)
    assert not layer.weights.requires_grad
    assert (layer.weights.transpose(1, 3)[empty] == 0).all()
    torch.testing.assert_close(layer.weights.sum(-1), torch.ones(5, heads, math.prod(places)))
    if words > 1 and heads < 4:
        nb.HEADS = 4
        assert not torch.allclose(layer(phi, sequence, empty), expected)


@pytest.fixture
def attention(nb):
    """A layer, a map and two sequences of four words, the last of which are padding."""
    empty = torch.tensor([[False, False, False, True], [False, False, True, True]])
    return stirred(nb.CrossAttention(8)), torch.randn(2, 8, 3, 5), torch.randn(2, 4, 16), empty


def test_padding_has_no_say_whatever_is_written_there(attention):
    layer, phi, words, empty = attention
    expected = layer(phi, words, empty)
    other = torch.where(empty[:, :, None], 1e3 * torch.randn_like(words), words)
    assert torch.equal(layer(phi, other, empty), expected)
    words.requires_grad_()
    layer(phi, words, empty).square().sum().backward()
    assert ((words.grad.abs().amax(2) == 0) == empty).all()  # no gradient there, and everywhere else one
    assert not torch.allclose(layer(phi, other, empty & False), expected)


def test_words_that_change_places_take_their_weights_along(attention):
    layer, phi, words, empty = attention
    expected, weights, order = layer(phi, words, empty), layer.weights, torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(layer(phi, words[:, order], empty[:, order]), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(layer.weights, weights[..., order])
    assert not torch.allclose(layer.weights, weights)


def test_one_word_has_all_the_weight_and_trains_neither_queries_nor_keys(nb):
    for hidden, learns in ((True, False), (False, True)):
        layer = stirred(nb.CrossAttention(8))
        phi = torch.randn(1, 8, 2, 2)
        added = layer(phi, torch.randn(1, 2, 16), torch.tensor([[False, hidden]])) - phi
        added.square().sum().backward()
        assert (layer.weights[..., 0] == 1).all() != learns
        assert (layer.W_Q.weight.grad.abs().max() > 1e-6) == learns
        assert (layer.W_K.weight.grad.abs().max() > 1e-6) == learns
        assert layer.W_V.weight.grad.abs().max() > 1e-3
        assert (added.flatten(2).std(2).max() > 1e-6) == learns  # with one word, every position is told the same


# --- words ---


def test_prompts_may_have_capitals_blanks_no_words_and_too_many(nb):
    assert nb.vocabulary == ["", *sorted(set(" ".join(CAPTIONS).split()))]
    tokens = nb.tokenize(["Red   POTION ", "red potion", "", "   ", "red " * 20])
    assert tokens.shape == (5, 8)
    assert torch.equal(tokens[0], tokens[1])
    assert [nb.vocabulary[k] for k in tokens[0]] == ["red", "potion"] + [""] * 6
    assert tokens[2:4].abs().max() == 0
    assert (tokens[4] == nb.numbers["red"]).all()
    assert nb.tokenize([]).shape == (0, 8)


@pytest.mark.parametrize(("typed", "nearest"), [("potoin", "potion"), ("bleu", "blue"), ("hairs", "hair"), ("xqz", "")])
def test_an_unknown_word_is_one_sentence_with_words_like_it(nb, typed, nearest):
    with pytest.raises(ValueError, match=f"'{typed}'") as error:
        nb.tokenize(["red potion", f"red {typed}"])
    assert nearest in str(error.value)
    assert "'red'" not in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value).split("try ")[1].split(", ")) == 3


def test_more_words_are_read_when_MAX_WORDS_is_changed(nb):
    nb.MAX_WORDS = 3
    captions, split = np.array(["a b c d e", "f"]), np.array([0, 1])
    nb.data, nb.known = {"split": split, "captions": captions, "images": nb.index_train[:2].numpy()}, set("abcde")
    assert nb.read_split(0)[1] == ["a b c"]
    assert nb.tokenize(CAPTIONS).shape == (5, 3)
    words, empty = nb.Tau()(nb.tokenize(CAPTIONS))
    assert (words.shape, empty.shape) == ((5, 3, 16), (5, 3))
    assert network(nb, "QKV")(torch.randn(5, 4, 8, 8), torch.arange(1, 6), nb.tokenize(CAPTIONS)).shape == (5, 4, 8, 8)


@pytest.mark.parametrize("training", [False, True])
def test_the_length_of_the_padding_changes_no_word(nb, training):
    tau, found = stirred(nb.Tau()).train(training), []
    for nb.MAX_WORDS in (8, 12):
        with torch.no_grad():
            found.append(tau(nb.tokenize(CAPTIONS)))
    for row, caption in enumerate(CAPTIONS):
        n = len(caption.split())
        torch.testing.assert_close(found[0][0][row, :n], found[1][0][row, :n], atol=1e-5, rtol=1e-4)
        for _, empty in found:
            assert empty[row].tolist() == [k >= n for k in range(empty.shape[1])]
    _, empty = tau(nb.tokenize([""]))
    assert empty.sum() == 11  # the null prompt keeps one place to look at


# --- the U-Net ---


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("switch", SWITCHES)
def test_padding_never_changes_a_guess(nb, switch, training, batch):
    """Prompts of unequal lengths together, each alone, with more padding, and whatever the table says of padding."""
    z_t, t, tokens = batch
    net = network(nb, switch).train(training)
    with contextlib.nullcontext() if training else torch.no_grad():
        expected = net(z_t, t, tokens)
        for k in range(5):
            alone = net(z_t[k : k + 1], t[k : k + 1], tokens[k : k + 1])
            torch.testing.assert_close(alone, expected[k : k + 1], atol=1e-5, rtol=1e-4)
        with torch.no_grad():
            net.tau.table.weight[0] += 100.0
        torch.testing.assert_close(net(z_t, t, tokens), expected, atol=1e-5, rtol=1e-4)
        nb.MAX_WORDS = 12
        torch.testing.assert_close(net(z_t, t, nb.tokenize(CAPTIONS)), expected, atol=1e-5, rtol=1e-4)
        tokens[1, 3] = 1  # a word in place of padding, for the measure to fail
        assert (net(z_t, t, F.pad(tokens, (0, 4)))[1] - expected[1]).abs().max() > 1e-4


@pytest.mark.parametrize("switch", SWITCHES)
def test_the_unet_reads_step_words_their_order_and_every_place(nb, switch, batch):
    z_t, t, tokens = batch
    net = network(nb, switch)
    out = net(z_t, t, tokens)
    assert out.shape == z_t.shape
    null = net(z_t, t, torch.zeros_like(tokens))
    assert torch.isfinite(null).all()
    for other in (net(z_t, t + 1, tokens), net(z_t, t, tokens.roll(1, 0)), null):
        assert (other - out).abs().amax((1, 2, 3)).min() > 1e-5
    backwards = nb.tokenize([" ".join(caption.split()[::-1]) for caption in CAPTIONS])
    change = (net(z_t, t, backwards) - out).abs().amax((1, 2, 3))
    assert change.min() > 1e-5 if switch == "QKV" else change.max() < 1e-4  # a mean of words does not know their order
    one = z_t[:1].clone().requires_grad_()
    net(one, t[:1], tokens[:1])[0, :, 4, 4].sum().backward()
    assert (one.grad.abs() > 0).all()


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_parameter_gets_a_gradient_after_the_first_steps(nb, switch, batch):
    torch.manual_seed(0)
    net = nb.UNet(16, switch)
    nb.train(net, nb.loss_ldm, 2)
    net.zero_grad()
    z_t, t, tokens = batch
    net(z_t, t, tokens).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad.abs().max() > 0, name
    heard = net.tau.table.weight.grad.abs().amax(1) > 0  # the words that were said, and never padding
    assert heard.nonzero().flatten().tolist() == sorted(set(tokens.flatten().tolist()) - {0})


def test_the_switch_is_all_that_differs(nb):
    shapes = {switch: {name: p.shape for name, p in nb.UNet(16, switch).named_parameters()} for switch in SWITCHES}
    common = set(shapes["CONCAT"]) & set(shapes["QKV"])
    assert [name for name in common if shapes["CONCAT"][name] != shapes["QKV"][name]] == ["stem.weight"]
    assert {name.split(".")[0] for name in set(shapes["CONCAT"]) - common} == {"spread"}
    assert {name.split(".")[0] for name in set(shapes["QKV"]) - common} == {"look"}
    assert not hasattr(nb.UNet(16, "CONCAT"), "look")


def test_concat_tells_every_position_the_same_and_qkv_lets_it_choose(nb, batch):
    z_t, t, tokens = batch
    concat, qkv, seen = network(nb, "CONCAT"), network(nb, "QKV"), []
    concat.stem.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    concat(z_t, t, tokens)
    assert torch.equal(seen[0][:, :4], z_t)
    spread = seen[0][:, 4:].flatten(2)
    assert torch.equal(spread, spread[:, :, :1].expand(-1, -1, 64))
    assert (spread[1:] - spread[:-1]).abs().amax((1, 2)).min() > 1e-4
    qkv(z_t, t, tokens)
    for layer, places in zip(qkv.look, (64, 16, 16, 64)):
        assert layer.weights.shape == (5, 2, places, 8)
        assert layer.weights[1].std(1).max() > 1e-4
        assert layer.weights[1, :, :, 2:].abs().max() == 0


# --- latents and training ---


def test_latents_are_normalised_by_channel_and_brought_back(nb):
    index = nb.index_train.repeat(13, 1, 1)  # more than one part of 500
    mu = nb.vae.encode(nb.to_sprites(index))[0]
    torch.testing.assert_close(nb.encode(index), (mu - nb.mean) / nb.std, rtol=1e-4, atol=1e-5)
    expected = PALETTE[nb.vae.decode(mu).argmax(1)].permute(0, 3, 1, 2)
    assert (nb.decode(nb.encode(index)) == expected).float().mean() > 0.999
    assert (nb.decode(nb.encode(index) * nb.std) == expected).float().mean() < 0.99
    nb.mean, nb.std = (part(dim=(0, 2, 3), keepdim=True) for part in (mu.mean, mu.std))
    z = nb.encode(index)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(4), atol=1e-3, rtol=0)


def test_the_loss_is_the_squared_error_of_the_clean_latent_and_a_tenth_hear_no_words(nb):
    seen, i = [], torch.arange(40).repeat(100)
    torch.manual_seed(0)
    found = nb.loss_ldm(lambda *asked: seen.append(asked) or asked[0] / 3, i)
    z_t, t, tokens = seen[0]
    assert found.item() == pytest.approx((z_t / 3 - nb.z_train[i]).square().mean().item())
    eps = (z_t - nb.alpha_bar[t].view(-1, 1, 1, 1).sqrt() * nb.z_train[i]) / (1 - nb.alpha_bar[t]).view(-1, 1, 1, 1).sqrt()
    far = t > 50
    assert eps[far].mean().item() == pytest.approx(0, abs=0.01)
    assert eps[far].var().item() == pytest.approx(1, abs=0.01)
    assert (t.min() >= 1, t.max() <= 500, len(t.unique()) > 450) == (True, True, True)
    null = (tokens == 0).all(1)
    assert null.float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert torch.equal(tokens[~null], nb.tokens_train[i][~null])


def train_both(nb):
    """The cells that train both networks."""
    run(nb, "nets, facts = ", 'train_or_load("CONCAT")', 'train_or_load("QKV")')


def test_both_networks_are_trained_alike_and_come_back_from_their_files(nb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nb.STEPS, seen, loss = 30, [], nb.loss_ldm

    def noted(net, i):
        seen.append([net.switch, i])
        hook = net.register_forward_pre_hook(lambda module, args: seen[-1].extend(args))
        found = loss(net, i)
        hook.remove()
        return found

    nb.loss_ldm = noted
    train_both(nb)
    found = {switch: [call[1:] for call in seen if call[0] == switch] for switch in SWITCHES}
    assert len(found["QKV"]) == len(found["CONCAT"]) == 30
    for ours, theirs in zip(found["QKV"], found["CONCAT"]):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs))  # sprites, z_t, steps and words
    assert not torch.equal(found["QKV"][0][0], found["QKV"][1][0])
    for switch in SWITCHES:
        losses = nb.facts[switch]["losses"]
        assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
        assert not nb.nets[switch].training
    trained, nb.TRAIN = nb.nets, False
    train_both(nb)
    for switch in SWITCHES:
        for ours, kept in zip(nb.nets[switch].parameters(), trained[switch].parameters()):
            assert torch.equal(ours, kept.half().float())
        assert nb.facts[switch]["vocabulary"] == nb.vocabulary


@pytest.mark.parametrize("call", [1, 3])
def test_a_stop_ends_its_own_cell_and_the_cells_below_go_on(nb, call, tmp_path, monkeypatch):
    """Each network is trained in a cell of its own, so a stop in one says nothing about the other."""
    monkeypatch.chdir(tmp_path)
    nb.STEPS, calls, loss = 12, [], nb.loss_ldm

    def stopped(net, i):
        calls.append(net.switch)
        if len(calls) == call:
            raise KeyboardInterrupt
        return loss(net, i)

    nb.loss_ldm = stopped
    train_both(nb)
    assert set(nb.nets) == set(SWITCHES)
    for net in nb.nets.values():
        assert torch.isfinite(nb.draw(net, CAPTIONS[:2], 2.0)).all()
    assert calls == ["CONCAT"] * call + ["QKV"] * 12


def test_the_table_is_printed_even_if_a_training_was_stopped_at_once(nb, capsys):
    nb.nets, nb.reader, nb.captions = {"QKV": network(nb, "QKV")}, lambda x: torch.zeros(len(x), len(nb.vocabulary)), CAPTIONS
    nb.facts = {"QKV": {"losses": [], "cpu_seconds": 0.0}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(nb, "for switch, net in nets.items():\n    torch.manual_seed(SEED)\n    found")
    assert capsys.readouterr().out.startswith("QKV")


# --- sampling ---


@pytest.mark.parametrize("guidance", [0, 0.5, 1, 2.0, 6.0])
def test_guidance_is_eq_4(nb, guidance, batch):
    z_t, t, tokens = batch
    calls = []
    found = nb.guess(lambda *asked: calls.append(asked) or dummy(*asked), z_t, t, tokens, guidance)
    with_words, without = dummy(z_t, t, tokens), dummy(z_t, t, torch.zeros_like(tokens))
    expected = without + guidance * (with_words - without)
    torch.testing.assert_close(found, expected)
    assert len(calls) == (1 if guidance == 1 else 2)
    if guidance == 0:
        assert torch.equal(found, nb.guess(dummy, z_t, t, tokens.roll(1, 0), 0))
    else:
        assert (expected - without).abs().max() > 0.1
    assert (expected.abs() > 4).any() == (guidance > 1)


@pytest.mark.parametrize("guidance", [1, 2.5])
@pytest.mark.parametrize("steps", [20, 100])
def test_ddim_equals_that_of_diffusers(nb, steps, guidance, batch):
    tokens, betas = batch[2], 1 - nb.alpha_bar[1:].double() / nb.alpha_bar[:-1].double()
    how = {"clip_sample": guidance != 1, "clip_sample_range": 4.0, "timestep_spacing": "trailing"}
    theirs = DDIMScheduler(500, trained_betas=betas.numpy(), prediction_type="sample", **how)
    theirs.set_timesteps(steps)
    torch.manual_seed(3)
    chain = nb.sample(dummy, tokens, guidance, steps)
    torch.manual_seed(3)
    z_t, null = torch.randn(5, 4, 8, 8), torch.zeros_like(tokens)
    for k, t in enumerate(theirs.timesteps):
        step = torch.full((5,), int(t) + 1)
        without = dummy(z_t, step, null)
        output = without + guidance * (dummy(z_t, step, tokens) - without)
        result = theirs.step(output, t, z_t, 0.0, use_clipped_model_output=True)
        torch.testing.assert_close(chain[k], result.pred_original_sample, rtol=1e-2, atol=1e-2)
        z_t = result.prev_sample
    assert chain.shape == (steps, 5, 4, 8, 8)
    torch.testing.assert_close(chain[-1], z_t, rtol=1e-3, atol=5e-3)


@pytest.mark.parametrize("guidance", [1, 3.0])
@pytest.mark.parametrize("switch", SWITCHES)
def test_prompts_of_unequal_lengths_drawn_together_are_those_drawn_alone(nb, switch, guidance, monkeypatch):
    """The fault of the second edition's walk: padding of the shorter prompt was looked at."""
    net, noise = network(nb, switch), torch.randn(4, 4, 8, 8, generator=seeded())
    prompts = ["red potion", "side long red hair blue robe", "", "a b c d e f g h"]
    monkeypatch.setattr(torch, "randn", lambda *shape: noise[torch.tensor(rows)])
    rows = [0, 1, 2, 3]
    together = nb.sample(net, nb.tokenize(prompts), guidance, 8)[-1]
    for k, prompt in enumerate(prompts):
        rows = [k]
        alone = nb.sample(net, nb.tokenize([prompt]), guidance, 8)[-1]
        torch.testing.assert_close(alone, together[k : k + 1], rtol=1e-3, atol=1e-4)
        wrong = nb.sample(net, nb.tokenize([prompts[k - 1]]), guidance, 8)[-1]
        assert (wrong - together[k]).abs().max() > 1e-3


# --- the reader and the prompt box ---


def test_words_found_are_counted_by_hand(nb):
    """Asked: red potion; green slime angry; nothing. Found: red and blue; green and slime; angry."""
    scores = torch.full((3, len(nb.vocabulary)), -1.0)
    for row, words in zip(scores, (["red", "blue"], ["green", "slime"], ["angry"])):
        row[[nb.numbers[word] for word in words]] = 1
    scores[:, 0] = 9  # whatever it says of padding
    nb.reader = lambda x: scores
    assert nb.words_found(torch.zeros(3, 3, 16, 16), ["red potion", "green slime angry", ""]) == pytest.approx(3 / 5)
    assert nb.words_found(torch.zeros(3, 3, 16, 16), ["blue", "slime green", "angry"]) == 1
    assert nb.words_found(torch.zeros(3, 3, 16, 16), ["potion", "red", "blue"]) == 0


def test_the_reader_is_asked_for_each_word_but_not_for_padding(nb):
    scores = torch.randn(5, len(nb.vocabulary), generator=seeded())
    there = torch.tensor([[word in caption.split() for word in nb.vocabulary[1:]] for caption in CAPTIONS])
    chances = scores[:, 1:].sigmoid()
    expected = -torch.where(there, chances, 1 - chances).log().mean()
    torch.testing.assert_close(nb.loss_reader(lambda x: scores, torch.arange(5)), expected)


def test_an_error_in_the_prompt_box_is_shown_there_and_the_box_goes_on(nb, capsys):
    class Value:
        def __init__(self, value):
            self.value = value

    class Box(contextlib.nullcontext):
        def clear_output(self, wait):
            pass

    nb.text, nb.scale, nb.noise, nb.box, shown = Value("red potoin"), Value(2.0), Value(7), Box(), []
    nb.nets, nb.show = {"QKV": network(nb, "QKV")}, lambda images, *rest: shown.append(images)
    nb.draw_prompt(None)
    assert "unknown word 'potoin'" in capsys.readouterr().out
    assert not shown
    nb.text.value = "Red potion"
    nb.draw_prompt(None)
    torch.manual_seed(7)
    assert torch.equal(shown[0], nb.draw(nb.nets["QKV"], ["red potion"] * 8, 2.0))
