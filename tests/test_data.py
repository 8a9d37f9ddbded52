"""What the data card promises, checked on the committed file."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from itertools import combinations

import imageio
import numpy as np
import pytest
from helpers import share_new
from judges import NOVEL, TEST, TRAIN
from notebooks import ROOT

FILE, PROGRAM, ART = ROOT / "data" / "sprites.npz", ROOT / "data" / "draw_sprites.py", ROOT / "data" / "art"
CLASSES = ("hero", "non-hero", "food", "spell", "side-facing")  # in the order of the labels


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
    assert data["class_names"].dtype.kind == "U"
    assert tuple(data["class_names"]) == CLASSES
    assert FILE.stat().st_size < 4e6


def test_splits_are_large_enough_and_balanced(data):
    splits = (TRAIN, TEST, NOVEL)
    counts = {split: np.bincount(data["labels"][data["split"] == split], minlength=5) for split in splits}
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
    sides = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    sides = sides.reshape(-1, 3)
    drawn = sides[(sides < 250).any(1)]
    assert (drawn.mean(1) < 130).mean() > 0.9  # what touches the border is outline: nothing is cut off


def test_drawn_again_bit_for_bit_within_a_minute(data, tmp_path):
    start = sum(os.times()[2:4])  # of the processor, whatever else it has to do
    subprocess.run([sys.executable, str(PROGRAM), "--out", str(tmp_path / "again.npz")], check=True)
    assert sum(os.times()[2:4]) - start < 60
    with np.load(tmp_path / "again.npz") as again:
        for name in data:
            assert np.array_equal(again[name], data[name]), name
    with zipfile.ZipFile(tmp_path / "again.npz") as archive:  # nothing from the clock, for the same bytes
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_program_is_small_and_needs_little():
    text = PROGRAM.read_text()
    tree = ast.parse(text, feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names == {"argparse", "re", "sys", "pathlib", "typing", "numpy", "imageio", "PIL"}
    assert len(text.splitlines()) < 700
    called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not called & {"eval", "exec", "compile", "__import__"}  # the drawings are data


@pytest.fixture(scope="module")
def program():
    """draw_sprites.py as a module."""
    spec = importlib.util.spec_from_file_location("draw_sprites", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LEAVES = """at = -2 2
ddc..ded.
.cb.p.cdc
...p.....
...p.....
"""  # the last leaves of the apple in food.txt


@pytest.fixture
def changed(tmp_path):
    """A function that copies the drawings, replaces a text in food.txt and returns the folder."""

    def change(old, new):
        shutil.copytree(ART, tmp_path / "art")
        text = (ART / "food.txt").read_text()
        assert text.count(old) == 1
        (tmp_path / "art" / "food.txt").write_text(text.replace(old, new))
        return tmp_path / "art"

    return change


def apples(program, folder, n=150):
    """Canvases of apples."""
    art = program.Art(folder)
    (kind,) = [kind for _, kinds in art.groups for kind in kinds if kind.name == "apple"]
    rng = np.random.RandomState(0)
    return [program.make_sprite(art, kind, rng)[0] for _ in range(n)]


def test_rows_added_to_a_drawing_appear_in_the_sprites(program, changed):
    folder = changed(LEAVES, LEAVES + "\nat = -3 3\nkwk\nwkw\nkwk\n")
    ink, white = (34, 24, 38, 255), (255, 255, 255, 255)
    flag = np.array([[ink, white, ink], [white, ink, white], [ink, white, ink]])

    corners = [(i, j) for i in range(14) for j in range(14)]

    def share(folder):
        drawn = apples(program, folder)
        return np.mean([any((c[i : i + 3, j : j + 3] == flag).all() for i, j in corners) for c in drawn])

    assert share(ART) == 0
    assert 0.1 < share(folder) < 0.3  # one of five leaves


# Text of food.txt, what it is replaced by, line of the mistake counted from there, words of the message.
MISTAKES = [
    (LEAVES, LEAVES.replace("...p", "...pp", 1), 4, "10 letters"),  # a row that is too long
    (LEAVES, LEAVES.replace("...p", "...x", 1), 4, "'x' has no colour"),
    (LEAVES, LEAVES.replace("..ded", ". ded"), 2, "no gaps"),
    (LEAVES, LEAVES.replace("-2 2", "-2"), 1, "two whole numbers"),
    (LEAVES, LEAVES.replace("at = -2 2", "form = crown"), 1, "'form'"),
    (LEAVES, LEAVES.replace("at = -2 2", "from = crwn"), 1, "[drawings crwn]"),
    ("colour = red green yellow\n", "colour = red gren yellow\n", 1, "no colour 'gren'"),
    ("colour = red green yellow\n", "color = red green yellow\n", 1, "'color'"),
    ("[kind apple]\n", "[kind apple\n", 1, "square brackets"),
    ("[kind apple]\n", "[kind apple]\nstars = many\n", 2, "stars = many"),
    ("if colour = white\n", "if colour = whtie\n", 1, "'whtie'"),
    ("w = ffffff", "w = fffff", 1, "'fffff'"),
    ("order = shape colour drawings ramps\n", "", -6, "'order = ...'"),  # the class's heading
]


@pytest.mark.parametrize(("old", "new", "line", "words"), MISTAKES, ids=[mistake[3] for mistake in MISTAKES])
def test_a_mistake_in_the_drawings_is_named_with_its_line(program, changed, old, new, line, words):
    text = (ART / "food.txt").read_text()
    folder = changed(old, new)
    with pytest.raises(program.ArtError) as error:
        program.Art(folder)
    start = text[: text.index(old)].count("\n")
    assert str(error.value).startswith(f"food.txt, line {start + line}: ")
    assert words in str(error.value)


def test_a_drawing_that_is_too_large_is_found_when_it_is_drawn(program, changed):
    folder = changed(LEAVES, LEAVES + "\n" + "p" * 17 + "\n")
    start = (ART / "food.txt").read_text()
    number = start[: start.index(LEAVES)].count("\n") + LEAVES.count("\n") + 2
    with pytest.raises(program.ArtError, match=rf"^food.txt, line {number}: .* over 16 pixels"):
        apples(program, folder)


def test_a_mistake_ends_the_program_without_a_traceback(changed, tmp_path):
    folder = changed(LEAVES, LEAVES.replace("...p", "...pp", 1))
    for place, words in ((folder, "food.txt, line "), (tmp_path / "none", "no drawings")):
        command = [sys.executable, str(PROGRAM), "--art", str(place), "--out", str(tmp_path / "out.npz")]
        run = subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8")
        assert run.returncode == 1
        assert len(run.stderr.splitlines()) == 1
        assert words in run.stderr
    assert not (tmp_path / "out.npz").exists()


def test_sheet_shows_every_kind(tmp_path):
    subprocess.run([sys.executable, str(PROGRAM), "--sheet", str(tmp_path / "sheet.png")], check=True)
    sheet = imageio.v2.imread(tmp_path / "sheet.png")
    assert sheet.shape[2] == 3
    assert sheet.shape[0] > 3000  # 94 kinds in two columns, at six times their size


def test_breadth(data):
    captions = [data["captions"][data["labels"] == label] for label in range(5)]
    words = {label: Counter(w for c in captions[label] for w in c.split()) for label in range(5)}
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
