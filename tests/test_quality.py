"""The committed weights reach the bars of the product, with fewer samples than `make quality` takes."""

import json

import numpy as np
import pytest
import quality


@pytest.fixture(scope="session")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    result = quality.measure(samples=1000, only=["ddpm_ddim20", "vae", "ldm_qkv_ddim20", "ldm_concat_ddim20"], save=folder)
    json.dumps(result)
    return result, folder


def test_the_judge_reads_real_sprites(figures):
    assert figures[0]["judge"]["class_accuracy"] >= 0.99
    assert figures[0]["judge"]["word_accuracy"] >= 0.95


def bars(row, most_colours):
    """What every row of drawn sprites must reach, with 1,000 samples where `make quality` takes 2,000."""
    assert row["class_accuracy"] >= 0.975
    assert row["sprite_fid"] <= 6 * row["sprite_fid_floor"]
    assert row["crispness"] <= most_colours
    assert row["novelty"] >= 0.9
    assert row["usefulness"] >= row["usefulness_real"] - 0.05
    assert row["training_cpu_seconds"] > 0


def test_ddpm_reaches_its_bars(figures):
    bars(figures[0]["ddpm_ddim20"], 6)


def test_vae_reaches_its_bars(figures):
    row = figures[0]["vae"]
    assert row["psnr"] >= 32
    assert row["class_accuracy"] >= 0.99
    assert row["sprite_fid"] <= 3 * row["sprite_fid_floor"]
    assert row["crispness"] <= 3


@pytest.mark.parametrize("switch", ["qkv", "concat"])
def test_ldm_reaches_its_bars(figures, switch):
    row = figures[0][f"ldm_{switch}_ddim20"]
    bars(row, 5)
    if switch == "qkv":
        assert row["word_accuracy"] >= 0.90
        assert row["novel_word_accuracy"] >= 0.75
        assert row["sprite_fid"] < figures[0]["ddpm_ddim20"]["sprite_fid"]


def test_raw_samples_are_kept_untouched(figures):
    with np.load(figures[1] / "ddpm_ddim20.npz") as saved:
        assert saved["images"].shape == (1000, 16, 16, 3)
        assert saved["images"].dtype == np.uint8
        assert np.bincount(saved["labels"]).tolist() == [200] * 5
        assert len(saved["captions"]) == 1000


def test_measures_tell_good_from_bad():
    yard = quality.Measure(1000)
    real = quality.balanced(yard.train, 1000, seed=1)
    rng = np.random.RandomState(0)
    noisy = np.clip(real.images + rng.normal(0, 60, real.images.shape), 0, 255).astype(np.uint8)
    mud = quality.Sprites(noisy, real.labels, real.captions)
    wrong = quality.Sprites(real.images, (real.labels + 1) % 5, np.roll(real.captions, 240))
    good, bad, mixed = (yard.figures(s, words=True) for s in (real, mud, wrong))
    assert good["class_accuracy"] > 0.99 > mixed["class_accuracy"]
    assert good["word_accuracy"] > mixed["word_accuracy"] + 0.3
    assert bad["sprite_fid"] > 1.5 * good["sprite_fid"]
    assert bad["crispness"] > 3 * good["crispness"]
    assert good["novelty"] == 0  # training sprites are copies of themselves
    assert bad["novelty"] > 0.99
    assert quality.share_new(yard.test.images, yard.train.images) == 1.0
