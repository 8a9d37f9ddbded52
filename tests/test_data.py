"""What the data card promises, checked on the committed file."""

import ast
import subprocess
import sys
import time
import zipfile
from collections import Counter
from itertools import combinations

import imageio
import numpy as np
import pytest
from notebooks import ROOT
from quality import CLASSES, NOVEL, TEST, TRAIN, share_new

FILE, PROGRAM = ROOT / "data" / "sprites.npz", ROOT / "data" / "draw_sprites.py"


@pytest.fixture(scope="module")
def data():
    with np.load(FILE, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def test_arrays_have_the_promised_types_and_shapes(data):
    n = len(data["images"])
    assert sorted(data) == ["captions", "class_names", "images", "labels", "split"]
    assert data["images"].dtype == data["labels"].dtype == data["split"].dtype == np.uint8
    assert data["images"].shape == (n, 16, 16, 3)
    assert data["labels"].shape == data["split"].shape == data["captions"].shape == (n,)
    assert data["class_names"].dtype.kind == "U"  # the name of each label, in the order of the labels
    assert tuple(data["class_names"]) == CLASSES
    assert FILE.stat().st_size < 4e6


def test_splits_are_large_enough_and_balanced(data):
    counts = {split: np.bincount(data["labels"][data["split"] == split], minlength=5) for split in (TRAIN, TEST, NOVEL)}
    assert counts[TRAIN].sum() >= 20_000
    assert counts[TEST].sum() >= 2_500
    assert counts[NOVEL].sum() >= 500
    for split in (TRAIN, TEST):
        share = counts[split] / counts[split].sum()
        assert share.min() >= 0.15
        assert share.max() <= 0.25


def test_every_image_is_unique(data):
    assert len({image.tobytes() for image in data["images"]}) == len(data["images"])


def test_no_test_or_novel_sprite_is_a_training_sprite_nor_one_moved_by_a_pixel(data):
    train = data["images"][data["split"] == TRAIN]
    held_out = data["images"][data["split"] != TRAIN]
    for shift in (0, -1, 1):
        assert share_new(np.roll(held_out, shift, axis=2), train) == 1.0


def test_vocabulary_is_small_and_every_word_is_frequent(data):
    words = Counter(word for caption in data["captions"][data["split"] == TRAIN] for word in caption.split())
    everywhere = {word for caption in data["captions"] for word in caption.split()}
    assert everywhere == set(words)
    assert len(words) < 128
    assert min(words.values()) >= 100
    assert all(2 <= len(caption.split()) <= 8 for caption in data["captions"])


def test_novel_pairs_never_meet_in_training(data):
    def pairs(split):
        chosen = data["captions"][data["split"] == split]
        return [set(combinations(sorted(set(caption.split())), 2)) for caption in chosen]

    met = set().union(*pairs(TRAIN))
    assert all(caption_pairs - met for caption_pairs in pairs(NOVEL))
    assert all(caption_pairs <= met for caption_pairs in pairs(TEST))


def test_sprites_are_pixel_art_on_white(data):
    images = data["images"].astype(int)
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 255).all(-1).mean() > 0.97  # the background is white
    colours = [len(np.unique(image.reshape(-1, 3), axis=0)) for image in data["images"][::10]]
    assert 4 <= np.median(colours) <= 20  # limited palettes
    sides = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1).reshape(-1, 3)
    drawn = sides[(sides < 250).any(1)]
    assert (drawn.mean(1) < 130).mean() > 0.9  # what touches the border is outline: nothing is cut off


def test_drawn_again_bit_for_bit_within_a_minute(data, tmp_path):
    start = time.time()
    subprocess.run([sys.executable, str(PROGRAM), "--out", str(tmp_path / "again.npz")], check=True)
    assert time.time() - start < 60
    with np.load(tmp_path / "again.npz") as again:
        for name in data:
            assert np.array_equal(again[name], data[name]), name
    with zipfile.ZipFile(tmp_path / "again.npz") as archive:  # the file has nothing from the clock: the same bytes on every run
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_program_needs_numpy_alone():
    tree = ast.parse(PROGRAM.read_text(), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names == {"argparse", "struct", "zlib", "pathlib", "typing", "numpy"}


def test_sheet_shows_every_kind(tmp_path):
    subprocess.run([sys.executable, str(PROGRAM), "--sheet", str(tmp_path / "sheet.png")], check=True)
    sheet = imageio.v2.imread(tmp_path / "sheet.png")
    assert sheet.shape[2] == 3
    assert sheet.shape[0] > 3000  # 94 kinds in two columns, at six times their size


def test_breadth(data):
    words = {label: Counter(w for c in data["captions"][data["labels"] == label] for w in c.split()) for label in range(5)}
    styles = "short long curly spiky ponytail mohawk braids hood helmet crown cap wizard bandana".split()
    outfits = "tunic robe armor dress overalls coat vest stripes".split()
    items = "sword staff bow axe shield lantern hammer torch".split()
    for label in (CLASSES.index("hero"), CLASSES.index("side-facing")):
        assert all(words[label][word] >= 100 for word in styles + outfits)
    assert all(words[CLASSES.index("side-facing")][word] >= 100 for word in items)
    last = {
        label: Counter(c.split()[1 if label != 3 else -1] for c in data["captions"][data["labels"] == label])
        for label in (1, 2, 3)
    }
    assert len(last[CLASSES.index("non-hero")]) >= 14
    assert len(last[CLASSES.index("food")]) >= 24
    assert len(last[CLASSES.index("spell")]) >= 20
