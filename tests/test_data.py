"""What the data card promises, checked on the committed file; and mistakes in the drawings."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from itertools import combinations

import numpy as np
import pytest
from notebooks import ROOT
from PIL import GimpPaletteFile

DATA = ROOT / "data"
FILE, PROGRAM, ART = DATA / "sprites.npz", DATA / "draw_sprites.py", DATA / "art"
SPLITS = TRAIN, TEST, NOVEL, VALIDATION = 0, 1, 2, 3


@pytest.fixture(scope="module")
def data():
    return dict(np.load(FILE, allow_pickle=False))


def test_arrays_and_palette_have_the_promised_form_and_splits_are_large_enough_and_balanced(data):
    forms, n = {name: (array.dtype.str[:2], *array.shape) for name, array in data.items()}, len(data["images"])
    expected = {"images": ("|u", n, 16, 16), "palette": ("|u", 64, 3), "labels": ("|u", n), "split": ("|u", n)}
    assert forms == {**expected, "captions": ("<U", n), "class_names": ("<U", 5)}
    assert {array.itemsize for name, array in data.items() if name in expected} == {1}
    assert data["class_names"].tolist() == ["hero", "non-hero", "food", "spell", "side-facing"]  # the order of the labels
    assert FILE.stat().st_size < 3e6 and set(data["split"].tolist()) == set(SPLITS)
    for split, least in ((TRAIN, 20_000), (TEST, 2_500), (NOVEL, 500), (VALIDATION, 1_000)):
        counts = np.bincount(data["labels"][data["split"] == split], minlength=5)
        shares = counts / counts.sum()
        assert counts.sum() >= least and (split == NOVEL or 0.15 <= shares.min() <= shares.max() <= 0.25)
    assert len(np.unique(data["palette"], axis=0)) == 64 and (data["palette"][0] == 255).all()
    assert np.array_equal(np.unique(data["images"]), np.arange(64))
    section = re.sub(r"#.*", "", (ART / "colours.txt").read_text().split("[palette]")[1].split("[ramps]")[0])
    assert [list(bytes.fromhex(word)) for word in re.findall(r"\b[0-9a-f]{6}\b", section)] == data["palette"].tolist()
    with open(DATA / "palette.gpl", "rb") as file:  # as a program reads it that knows the format
        read = GimpPaletteFile.GimpPaletteFile(file).getpalette()[0]
    assert data["palette"].tobytes() in read
    assert len(re.findall(r"^ *\d+ +\d+ +\d+\t", (DATA / "palette.gpl").read_text(), re.M)) == 64


def variants(data, tolerance=24):
    """Pairs of sprites of different splits within `tolerance` levels at every pixel, one perhaps moved by a pixel."""
    images, palette = data["images"], data["palette"].astype(int)
    close = np.abs(palette[:, None] - palette).max(2) <= tolerance  # (64, 64)
    family = np.arange(len(palette))  # colours that are close to each other, directly or through others
    for _ in palette:
        family = np.array([family[row].min() for row in close])
    places, pairs = defaultdict(list), []
    for i, image in enumerate(family[images]):
        places[image.tobytes()].append(i)
    for shift in (-1, 0, 1):
        for i, image in enumerate(np.roll(family[images], shift, axis=2)):
            for j in places.get(image.tobytes(), ()):
                if data["split"][i] != data["split"][j] and close[np.roll(images[i], shift, axis=1), images[j]].all():
                    pairs.append((i, j))
    return pairs


def test_no_sprite_is_there_twice_or_a_variant_of_one_of_another_split_which_would_be_found(data):
    """The control: a training sprite, moved by a pixel and in one colour a little different, in another split."""
    assert len({image.tobytes() for image in data["images"]}) == len(data["images"]) and variants(data) == []
    palette = data["palette"].astype(int)
    gaps = np.abs(palette[:, None] - palette).max(2) + 999 * np.eye(64, dtype=int)
    a, b = np.unravel_index(gaps.argmin(), gaps.shape)  # the two colours that are most alike
    images, pairs, trained = data["images"].copy(), set(), np.flatnonzero(data["split"] == TRAIN)[77:]
    for train, split in zip(trained.tolist(), (TEST, NOVEL, VALIDATION)):
        at = int(np.flatnonzero(data["split"] == split)[5])
        images[train, 8, 8] = a
        images[at] = np.roll(images[train], 1, axis=1)
        images[at, 8, 9] = b
        pairs |= {(train, at), (at, train)}
    assert set(variants({**data, "images": images})) == pairs


def test_words_are_few_and_frequent_and_novel_pairs_never_meet_in_training(data):
    words = Counter(word for caption in data["captions"][data["split"] == TRAIN] for word in caption.split())
    assert {word for caption in data["captions"] for word in caption.split()} == set(words)
    assert len(words) < 128 and min(words.values()) >= 100
    assert all(2 <= len(caption.split()) <= 8 for caption in data["captions"])
    pairs = [set(combinations(sorted(set(caption.split())), 2)) for caption in data["captions"]]

    def shares_of_new(split):
        """For each split the share of captions with a pair of words that never meet in train."""
        met = set().union(*(pair for pair, number in zip(pairs, split) if number == TRAIN))
        return [np.mean([bool(pair - met) for pair, number in zip(pairs, split) if number == one]) for one in SPLITS]

    assert shares_of_new(data["split"]) == [0, 0, 1, 0]
    split = data["split"].copy()
    split[np.flatnonzero(split == NOVEL)[::7]] = TRAIN  # the control: some of them do
    assert shares_of_new(split)[NOVEL] < 0.5


def test_drawn_again_bit_for_bit_within_a_minute(data, tmp_path):
    start = sum(os.times()[2:4])  # of the processor, whatever else it has to do
    subprocess.run([sys.executable, str(PROGRAM), "--out", str(tmp_path / "again.npz")], check=True)
    assert sum(os.times()[2:4]) - start < 60
    again = np.load(tmp_path / "again.npz")
    assert [name for name in data if not np.array_equal(again[name], data[name])] == []
    assert (tmp_path / "palette.gpl").read_bytes() == (DATA / "palette.gpl").read_bytes()
    with zipfile.ZipFile(tmp_path / "again.npz") as archive:  # nothing from the clock, for the same bytes
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


LEAVES = "at = -2 2\nddc..ded.\n.cb.p.cdc\n...p.....\n...p.....\n"  # the last leaves of the apple in food.txt


MISTAKES = [  # file, text, what it is replaced by, line of the mistake counted from there, words of the message
    ("food.txt", LEAVES, LEAVES.replace("...p", "...pp", 1), 3, "10 letters"),  # a row that is too long
    ("food.txt", LEAVES, LEAVES.replace("...p", "...x", 1), 3, "'x' has no colour"),
    ("food.txt", LEAVES, LEAVES.replace("..ded", ". ded"), 1, "no gaps"),
    ("food.txt", LEAVES, LEAVES.replace("-2 2", "-2"), 0, "two whole numbers"),
    ("food.txt", LEAVES, LEAVES.replace("at = -2 2", "from = crwn"), 0, "[drawings crwn]"),
    ("food.txt", "colour = red green yellow\n", "colour = red gren yellow\n", 0, "no colour 'gren'"),
    ("food.txt", "colour = red green yellow\n", "color = red green yellow\n", 0, "'color'"),
    ("food.txt", "[kind apple]\n", "[kind apple\n", 0, "square brackets"),
    ("food.txt", "[kind apple]\n", "[kind apple]\nstars = many\n", 1, "stars = many"),
    ("food.txt", "if colour = white\n", "if colour = whtie\n", 0, "'whtie'"),
    ("food.txt", "w = ffffff", "w = fffff", 0, "'fffff'"),
    ("food.txt", "order = shape colour drawings ramps\n", "", -8, "'order = ...'"),  # the class's heading
    ("colours.txt", "red1 = 45122c", "red1 = 45122d", 0, "the colour 45122d is not in [palette]"),
    ("colours.txt", "white = ffffff", "white = ffffff ffffff", 0, "none of them twice"),
]


@pytest.mark.parametrize("file, old, new, further, words", MISTAKES, ids=[mistake[4] for mistake in MISTAKES])
def test_a_mistake_in_the_drawings_ends_the_program_with_its_line(file, old, new, further, words, tmp_path, monkeypatch):
    folder = shutil.copytree(ART, tmp_path / "art")
    before, found, after = (folder / file).read_text().partition(old)
    assert found and old not in after
    (folder / file).write_text(before + new + after)
    monkeypatch.setattr(sys, "argv", ["draw_sprites.py", "--art", str(folder), "--out", str(tmp_path / "out.npz")])
    line = before.count("\n") + 1 + further
    with pytest.raises(SystemExit, match=f"^{file}, line {line}: .*{re.escape(words)}.*$"):
        runpy.run_path(str(PROGRAM), run_name="__main__")
    assert not (tmp_path / "out.npz").exists()
