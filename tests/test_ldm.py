"""The mathematics of 03.ldm_nano.ipynb: against torch, diffusers and closed forms. Nothing real is trained."""

import contextlib
import math
import signal
from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler
from test_ddpm import PALETTE, every_parameter_learns, run, scheduler, seeded, small, stirred
from torch import nn
from torch.testing import assert_close

pytestmark = pytest.mark.quick
SWITCHES = ("CONCAT", "QKV")
CAPTIONS = ["side long red hair blue robe", "red potion", "blue potion", "green slime angry", "a b c d e f g h"]
both = pytest.mark.parametrize("switch", SWITCHES)


def notebook(D_TAU=16):
    """The notebook, small, with five captions and random latents."""
    module = small("03.ldm_nano.ipynb", T=500, WIDTH=16, WIDTH_VAE=16, D_TAU=D_TAU, HEADS=2, BATCH=8)
    module.captions_train = CAPTIONS * 8
    run(module, "vocabulary = ", "numbers = ")
    module.tokens_train = module.tokenize(module.captions_train)
    module.z_train = torch.randn(40, 4, 8, 8, generator=seeded())
    torch.manual_seed(0)
    module.vae = stirred(module.VAE(16)).requires_grad_(False)
    module.mean, module.std = torch.tensor([0.1, -0.2, 0.3, 0.0]).view(1, 4, 1, 1), torch.tensor([0.5, 2, 1, 3]).view(1, 4, 1, 1)
    return module


@pytest.fixture
def nb():
    return notebook()


@pytest.fixture
def batch(nb):
    return torch.randn(5, 4, 8, 8, generator=seeded(1)), torch.tensor([1, 150, 250, 400, 500]), nb.tokenize(CAPTIONS)


def network(nb, switch):
    torch.manual_seed(0)
    return stirred(nb.UNet(16, switch))


def dummy(z_t, t, tokens):
    """Some smooth guess that depends on everything, beyond -4 and 4 once it is exaggerated."""
    shift = torch.sin(t.float() / 50 + tokens.sum(1))[:, None, None, None]
    return 3.5 * torch.tanh(1.3 * z_t.roll(1, -1) - 0.2) * (1 + 0.1 * shift)


def test_the_walk_by_hand_ends_at_the_answer_of_torch(nb):
    run(nb, "words = [", "vectors = ", "query = ", "scores = vectors", "weights = scores.softmax", "answer = weights")
    by_hand = [math.exp(3 * vector[0]) for vector in nb.vectors.tolist()]
    assert nb.weights.tolist() == pytest.approx([power / sum(by_hand) for power in by_hand])
    assert sorted(nb.weights.argsort(descending=True)[:3].tolist()) == [1, 2, 3]  # long, red, hair
    torch.manual_seed(0)
    run(nb, "phi = ", "sequence = ", "empty = ", "flat = ", "W_Q = ", "W_K = ", "W_V = ", "queries, keys", "Q_h, K_h, V_h")
    run(nb, "scores = Q_h", "weights = scores.masked", "W_O = ", "answer = (weights", "added = ", "layer", "theirs, _ = ")
    assert_close((nb.answer, nb.added.flatten(2).transpose(1, 2) - nb.flat), (nb.theirs, nb.theirs), atol=1e-6, rtol=1e-5)
    assert (nb.weights[..., 2] == 0).all()


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize(("c", "places", "words"), [(8, (2, 2), 3), (16, (8, 8), 8), (32, (4, 3), 1)])
def test_cross_attention_equals_that_of_torch_with_its_padding(heads, c, places, words):
    nb = notebook(D_TAU=24)
    layer, theirs = stirred(nb.CrossAttention(c)), nn.MultiheadAttention(c, heads, kdim=24, vdim=24, batch_first=True)
    with torch.no_grad():
        for name in "qkv":
            getattr(theirs, f"{name}_proj_weight").copy_(getattr(layer, f"W_{name.upper()}").weight)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.load_state_dict(layer.W_O.state_dict())
    phi, sequence, empty = torch.randn(5, c, *places), torch.randn(5, words, 24), torch.rand(5, words) < 0.5
    empty[:, 0] = False
    flat = layer.norm(phi).flatten(2).transpose(1, 2)
    answer, weights = theirs(flat, sequence, sequence, key_padding_mask=empty, average_attn_weights=False)
    expected = phi + answer.transpose(1, 2).reshape(phi.shape)
    nb.HEADS = heads  # read when it is called
    assert_close((layer(phi, sequence, empty), layer.weights), (expected, weights), atol=1e-6, rtol=1e-5)
    assert (layer.weights.transpose(1, 3)[empty] == 0).all() and not layer.weights.requires_grad
    if words > 1 and heads < 4:
        nb.HEADS = 4
        assert not torch.allclose(layer(phi, sequence, empty), expected)


def test_prompts_may_have_capitals_blanks_and_too_many_words_and_one_sentence_names_unknown_ones(nb):
    assert nb.vocabulary == ["", *sorted(set(" ".join(CAPTIONS).split()))]
    tokens = nb.tokenize(["Red   POTION ", "", "   ", "red " * 20])
    red, potion = nb.numbers["red"], nb.numbers["potion"]
    assert tokens.tolist() == [[red, potion] + [0] * 6, [0] * 8, [0] * 8, [red] * 8] and nb.tokenize([]).shape == (0, 8)
    for typed, nearest in (("potoin", "potion"), ("bleu", "blue"), ("hairs", "hair"), ("xqz", "")):
        with pytest.raises(ValueError, match=f"^unknown word '{typed}'; try .*{nearest}.*$") as error:
            nb.tokenize(["red potion", f"red {typed}"])
        assert len(str(error.value).split(", ")) == 3 and "\n" not in str(error.value)


@pytest.mark.parametrize("training", [False, True])
@both
def test_padding_never_changes_a_guess(nb, switch, training, batch):
    z_t, t, tokens = batch
    net = network(nb, switch).train(training)
    with contextlib.nullcontext() if training else torch.no_grad():
        expected = net(z_t, t, tokens)
        alone = [net(*one) for one in zip(z_t.split(1), t.split(1), tokens.split(1))]
        assert_close(torch.cat(alone), expected, atol=1e-5, rtol=1e-4)
        net.tau.table.weight.data[0] += 100.0
        assert_close(net(z_t, t, tokens), expected, atol=1e-5, rtol=1e-4)
        nb.MAX_WORDS = 12
        assert_close(net(z_t, t, nb.tokenize(CAPTIONS)), expected, atol=1e-5, rtol=1e-4)
        tokens[1, 3] = 1  # a word in place of padding, for the measure to fail
        assert (net(z_t, t, nn.functional.pad(tokens, (0, 4)))[1] - expected[1]).abs().max() > 1e-4


@both
def test_the_unet_reads_step_words_their_order_and_every_place_and_all_of_it_learns(nb, switch, batch):
    z_t, t, tokens = batch
    net = network(nb, switch)
    out, null = net(z_t, t, tokens), net(z_t, t, torch.zeros_like(tokens))
    others = net(z_t, t + 1, tokens), net(z_t, t, tokens.roll(1, 0)), null
    assert torch.isfinite(null).all() and all((other - out).abs().amax((1, 2, 3)).min() > 1e-5 for other in others)
    backwards = nb.tokenize([" ".join(caption.split()[::-1]) for caption in CAPTIONS])
    change = (net(z_t, t, backwards) - out).abs().amax((1, 2, 3))
    assert change.min() > 1e-5 if switch == "QKV" else change.max() < 1e-4  # a mean of words does not know their order
    one = z_t[:1].clone().requires_grad_()
    net(one, t[:1], tokens[:1])[0, :, 4, 4].sum().backward()
    assert (one.grad.abs() > 0).all()
    net = nb.UNet(16, switch)
    every_parameter_learns(nb, net, nb.loss_ldm)
    net.zero_grad()
    net(z_t, t, tokens[[0, 1, 2, 1, 2]]).square().sum().backward()
    heard = net.tau.table.weight.grad.abs().amax(1) > 0  # the words that were said, and never padding
    assert heard.nonzero().flatten().tolist() == sorted(set(tokens[:3].flatten().tolist()) - {0})


def test_latents_are_normalised_and_the_loss_is_the_squared_error_of_clean_ones_and_a_tenth_hear_no_words(nb):
    index = nb.index_train.repeat(13, 1, 1)  # more than two parts of 200
    mu = nb.vae.encode(nb.to_sprites(index))[0]
    assert_close(nb.encode(index), (mu - nb.mean) / nb.std, rtol=1e-4, atol=1e-5)
    expected = PALETTE[nb.vae.decode(mu).argmax(1)].permute(0, 3, 1, 2)
    same, other = ((nb.decode(z) == expected).float().mean() for z in (nb.encode(index), nb.encode(index) * nb.std))
    assert other < 0.99 < 0.999 < same
    seen, i = [], torch.arange(40).repeat(100)
    torch.manual_seed(0)
    found = nb.loss_ldm(lambda *asked: seen.append(asked) or asked[0] / 3, i)
    z_t, t, tokens = seen[0]
    assert found.item() == pytest.approx((z_t / 3 - nb.z_train[i]).square().mean().item())
    a = nb.alpha_bar[t].view(-1, 1, 1, 1)
    eps = ((z_t - a.sqrt() * nb.z_train[i]) / (1 - a).sqrt())[t > 50]
    assert (eps.mean().item(), eps.var().item()) == pytest.approx((0, 1), abs=0.01)
    assert t.min() >= 1 and t.max() <= 500 and len(t.unique()) > 450
    null = (tokens == 0).all(1)
    assert null.float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert torch.equal(tokens[~null], nb.tokens_train[i][~null])


def test_both_networks_are_trained_alike_and_come_back_from_their_files(nb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nb.STEPS, loss, seen = 30, nb.loss_ldm, {switch: [] for switch in SWITCHES}

    def noted(net, i):
        asked = []
        found = loss(lambda *given: asked.extend(given) or net(*given), i)
        seen[net.switch].append([i, *asked])
        return found

    nb.loss_ldm, cells = noted, ("nets, facts = ", 'train_or_load("CONCAT")', 'train_or_load("QKV")')
    run(nb, *cells)
    assert len(seen["QKV"]) == len(seen["CONCAT"]) == 30  # sprites, z_t, steps and words
    assert all(all(map(torch.equal, ours, theirs)) for ours, theirs in zip(seen["QKV"], seen["CONCAT"]))
    assert not torch.equal(seen["QKV"][0][0], seen["QKV"][1][0])
    trained, losses, nb.TRAIN = nb.nets, [nb.facts[switch]["losses"] for switch in SWITCHES], False
    assert all(sum(one[-5:]) < 0.9 * sum(one[:5]) for one in losses)
    run(nb, *cells)
    for switch in SWITCHES:
        kept = [parameter.half().float() for parameter in trained[switch].parameters()]
        assert all(map(torch.equal, nb.nets[switch].parameters(), kept)) and nb.facts[switch]["vocabulary"] == nb.vocabulary


@pytest.mark.parametrize("steps, guidance", [(20, 0), (20, 0.5), (100, 1), (20, 2.5), (100, 6.0)])
def test_ddim_with_guidance_by_eq_4_equals_that_of_diffusers(nb, steps, guidance, batch):
    tokens, asked = batch[2], []
    theirs = scheduler(DDIMScheduler, nb.alpha_bar, clip_sample_range=4.0, timestep_spacing="trailing")
    theirs.set_timesteps(steps)
    torch.manual_seed(3)
    chain = nb.sample(lambda *given: asked.append(given) or dummy(*given), tokens, guidance, steps)
    assert chain.shape == (steps, 5, 4, 8, 8)
    assert len(asked) == (steps if guidance == 1 else 2 * steps)
    torch.manual_seed(3)
    z_t, furthest = torch.randn(5, 4, 8, 8), 0
    for guess, t in zip(chain, theirs.timesteps):
        with_words, without = (dummy(z_t, torch.full((5,), int(t) + 1), words) for words in (tokens, 0 * tokens))
        output = without + guidance * (with_words - without)
        furthest = max(furthest, output.abs().max())
        result = theirs.step(output, t, z_t, 0.0, use_clipped_model_output=True)
        assert_close(guess, result.pred_original_sample, rtol=1e-2, atol=1e-2)
        z_t = result.prev_sample
    assert_close(chain[-1], z_t, rtol=1e-3, atol=5e-3)
    assert (furthest > 4) == (guidance > 1)  # where it is clamped


def test_the_reader_is_asked_for_each_word_but_not_for_padding_and_words_are_counted_by_hand(nb):
    scores = torch.randn(5, len(nb.vocabulary), generator=seeded())
    there = torch.tensor([[word in caption.split() for word in nb.vocabulary[1:]] for caption in CAPTIONS])
    chances = torch.where(there, scores[:, 1:], -scores[:, 1:]).sigmoid()
    assert_close(nb.loss_reader(lambda x: scores, torch.arange(5)), -chances.log().mean())
    scores = torch.full((3, len(nb.vocabulary)), -1.0)
    for row, words in zip(scores, (["", "red", "blue"], ["", "green", "slime"], ["", "angry"])):
        row[[nb.numbers[word] for word in words]] = 1  # whatever it says of padding
    nb.reader = lambda x: scores
    asked = ["red potion", "green slime angry", ""], ["blue", "slime green", "angry"], ["potion", "red", "blue"]
    assert [nb.words_found(torch.zeros(3, 3, 16, 16), captions) for captions in asked] == pytest.approx([3 / 5, 1, 0])


def test_an_error_in_the_prompt_box_is_shown_there_and_the_box_goes_on(nb, capsys):
    nb.text, nb.scale, nb.noise = (SimpleNamespace(value=value) for value in ("red potoin", 2.0, 7))
    nb.box, shown = contextlib.nullcontext(), []
    nb.box.clear_output = lambda wait: None
    nb.nets, nb.show = {"QKV": network(nb, "QKV")}, lambda images, *rest: shown.append(images)
    nb.draw_prompt(None)
    assert "unknown word 'potoin'" in capsys.readouterr().out and not shown
    nb.text.value = "Red potion"
    draw, nb.draw = nb.draw, lambda *_: signal.raise_signal(signal.SIGINT)  # the stop button
    nb.draw_prompt(None)
    assert (capsys.readouterr().out, shown) == ("Stopped.\n", [])
    nb.draw = draw
    nb.draw_prompt(None)
    torch.manual_seed(7)
    assert torch.equal(shown[0], nb.draw(nb.nets["QKV"], ["red potion"] * 8, 2.0))
