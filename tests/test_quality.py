"""The committed weights reach the bars of the product, with fewer samples than `make quality` takes."""

import json

import numpy as np
import pytest
import quality


@pytest.fixture(scope="session")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    result = quality.measure(samples=500, only=["ddpm_ddim20"], save=folder)
    json.dumps(result)
    return result, folder


def test_the_judge_reads_real_sprites(figures):
    assert figures[0]["judge"]["class_accuracy"] >= 0.99
    assert figures[0]["judge"]["word_accuracy"] >= 0.95


def test_ddpm_reaches_its_bars(figures):
    row = figures[0]["ddpm_ddim20"]
    assert row["class_accuracy"] >= 0.97
    assert row["sprite_fid"] <= 6 * row["sprite_fid_floor"]
    assert row["crispness"] <= 6
    assert row["novelty"] >= 0.9
    assert row["usefulness"] >= row["usefulness_real"] - 0.07
    assert row["training_cpu_seconds"] > 0


def test_raw_samples_are_kept_untouched(figures):
    with np.load(figures[1] / "ddpm_ddim20.npz") as saved:
        assert saved["images"].shape == (500, 16, 16, 3)
        assert saved["images"].dtype == np.uint8
        assert np.bincount(saved["labels"]).tolist() == [100] * 5
        assert len(saved["captions"]) == 500


def test_measures_tell_good_from_bad():
    yard = quality.Measure(250)
    real = quality.balanced(yard.train, 250, seed=1)
    rng = np.random.RandomState(0)
    noisy = np.clip(real.images + rng.normal(0, 60, real.images.shape), 0, 255).astype(np.uint8)
    mud = quality.Sprites(noisy, real.labels, real.captions)
    wrong = quality.Sprites(real.images, (real.labels + 1) % 5, np.roll(real.captions, 60))
    good, bad, mixed = (yard.figures(s, words=True) for s in (real, mud, wrong))
    assert good["class_accuracy"] > 0.99 > mixed["class_accuracy"]
    assert good["word_accuracy"] > mixed["word_accuracy"] + 0.3
    assert bad["sprite_fid"] > 1.2 * good["sprite_fid"]  # with few samples the floor itself is high
    assert bad["crispness"] > 3 * good["crispness"]
    assert good["novelty"] == 0  # training sprites are copies of themselves
    assert bad["novelty"] > 0.99
    assert quality.share_new(yard.test.images, yard.train.images) == 1.0
