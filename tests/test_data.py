"""What the data card promises, checked on the committed file."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import GimpPaletteFile, Image

DATA = Path(__file__).resolve().parent.parent / "data"
FILE, PROGRAM, ART = DATA / "sprites.npz", DATA / "draw_sprites.py", DATA / "art"
SPLITS = TRAIN, TEST, NOVEL, VALIDATION = 0, 1, 2, 3
CLASSES = ("hero", "non-hero", "food", "spell", "side-facing")  # in the order of the labels


@pytest.fixture(scope="module")
def data():
    with np.load(FILE, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def test_arrays_have_the_promised_types_and_shapes(data):
    n = len(data["images"])
    assert sorted(data) == ["captions", "class_names", "images", "labels", "palette", "split"]
    for name in ("images", "palette", "labels", "split"):
        assert data[name].dtype == np.uint8
    assert data["images"].shape == (n, 16, 16)
    assert data["palette"].shape == (64, 3)
    assert data["labels"].shape == data["split"].shape == data["captions"].shape == (n,)
    assert data["captions"].dtype.kind == data["class_names"].dtype.kind == "U"
    assert tuple(data["class_names"]) == CLASSES
    assert FILE.stat().st_size < 3e6


def test_splits_are_large_enough_and_balanced(data):
    counts = {split: np.bincount(data["labels"][data["split"] == split], minlength=5) for split in SPLITS}
    assert set(data["split"].tolist()) == set(SPLITS)
    for split, least in ((TRAIN, 20_000), (TEST, 2_500), (NOVEL, 500), (VALIDATION, 1_000)):
        assert counts[split].sum() >= least
    for split in (TRAIN, TEST, VALIDATION):
        share = counts[split] / counts[split].sum()
        assert share.min() >= 0.15
        assert share.max() <= 0.25


# The palette


def test_every_colour_is_used_and_none_is_there_twice(data):
    assert len(np.unique(data["palette"], axis=0)) == 64
    assert np.array_equal(np.unique(data["images"]), np.arange(64))
    assert (data["palette"][0] == 255).all()


def test_the_text_file_and_the_gimp_file_hold_the_palette_of_the_data(data):
    text = (ART / "colours.txt").read_text()
    section = re.sub(r"#.*", "", text[text.index("[palette]") : text.index("[ramps]")])
    words = re.findall(r"\b[0-9a-f]{6}\b", section)
    assert [list(bytes.fromhex(word)) for word in words] == data["palette"].tolist()
    with open(DATA / "palette.gpl", "rb") as file:  # as a program reads it that knows the format
        read = GimpPaletteFile.GimpPaletteFile(file).getpalette()[0]
    assert list(read[: 3 * 64]) == data["palette"].ravel().tolist()
    with open(DATA / "palette.gpl") as file:
        lines = file.read().splitlines()
    assert lines[0] == "GIMP Palette"
    assert len([line for line in lines if re.match(r" *\d+ +\d+ +\d+\t", line)]) == 64


SKINS = "light tan umber deep pale orc".split()


def apart(one, other, base, whole):
    """Whether two ramps differ in the base tone, and on average over all five, by so many levels of red, green and blue."""
    gaps = np.abs(np.subtract(one[:5], other[:5])).sum(1)
    return gaps[2] >= base and gaps.mean() >= whole


def test_skins_can_be_told_apart(program):
    ramps = program.Art().ramps
    for a, b in combinations(SKINS, 2):
        assert apart(ramps[a], ramps[b], 60, 40), (a, b)


def test_ramps_go_from_dark_to_light_in_enough_tones(program):
    for name, ramp in program.Art().ramps.items():
        tones = ramp[:5]
        assert [sum(tone) for tone in tones] == sorted(sum(tone) for tone in tones), name
        assert len(set(tones)) >= min(len(tones), 3), name
        assert len(set(tones)) >= min(len(tones), 4) or name == "cocoa", name


def test_colours_of_captions_can_be_told_apart(program):
    ramps = defaultdict(list)
    for name, ramp in program.Art().ramps.items():
        ramps[program.colour_word(name)].append(ramp)
    words = "red orange yellow green teal blue purple pink brown black white grey gold blonde".split()
    for a, b in combinations(words, 2):
        near = {a, b} <= {"yellow", "gold", "blonde"}  # close to each other in any art
        for one in ramps[a]:
            for other in ramps[b]:
                assert apart(one, other, 10 if near else 45, 25), (a, b)
    assert not apart(*ramps["black"], 45, 25)  # the controls: two ramps of one word, and a ramp a little lighter
    lighter = [[level + 8 for level in tone] for tone in ramps["red"][0]]
    assert not apart(ramps["red"][0], lighter, 45, 25)


# No sprite twice, and none in two splits


def test_every_image_is_unique(data):
    assert len({image.tobytes() for image in data["images"]}) == len(data["images"])


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


def test_no_sprite_is_a_variant_of_one_of_another_split(data):
    assert variants(data) == []


@pytest.mark.parametrize("split", [TEST, NOVEL, VALIDATION])
def test_a_variant_in_another_split_would_be_found(data, split):
    """The control: a training sprite, moved by a pixel and in one colour a little different, in another split."""
    train, at = np.flatnonzero(data["split"] == TRAIN)[77], np.flatnonzero(data["split"] == split)[5]
    palette = data["palette"].astype(int)
    gaps = np.abs(palette[:, None] - palette).max(2) + 999 * np.eye(64, dtype=int)
    a, b = np.unravel_index(gaps.argmin(), gaps.shape)  # the two colours that are most alike
    assert gaps[a, b] <= 24
    images = data["images"].copy()
    images[train, 8, 8] = a
    images[at] = np.roll(images[train], 1, axis=1)
    images[at, 8, 9] = b
    assert set(variants({**data, "images": images})) == {(train, at), (at, train)}


def test_vocabulary_is_small_and_every_word_is_frequent(data):
    words = Counter(word for caption in data["captions"][data["split"] == TRAIN] for word in caption.split())
    everywhere = {word for caption in data["captions"] for word in caption.split()}
    assert everywhere == set(words)
    assert len(words) < 128
    assert min(words.values()) >= 100
    assert all(2 <= len(caption.split()) <= 8 for caption in data["captions"])


def share_of_new_pairs(captions, split):
    """For each split the share of captions with a pair of words that never meet in train."""
    pairs = [set(combinations(sorted(set(caption.split())), 2)) for caption in captions]
    met = set().union(*(pair for pair, number in zip(pairs, split) if number == TRAIN))
    return [np.mean([bool(pair - met) for pair, number in zip(pairs, split) if number == one]) for one in SPLITS]


def test_novel_pairs_never_meet_in_training(data):
    assert share_of_new_pairs(data["captions"], data["split"]) == [0, 0, 1, 0]
    split = data["split"].copy()
    split[np.flatnonzero(split == NOVEL)[::7]] = TRAIN  # the control: some of them do
    assert share_of_new_pairs(data["captions"], split)[NOVEL] < 0.5


def test_sprites_are_pixel_art_on_white(data):
    images = data["images"]
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 0).mean() > 0.97
    assert 4 <= np.median([len(np.unique(image)) for image in images[::10]]) <= 20  # few colours in each
    sides = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    drawn = data["palette"][sides[sides > 0]].astype(int)
    assert (drawn.mean(1) < 130).mean() > 0.9  # what touches the border is outline: nothing is cut off


def test_drawn_again_bit_for_bit_within_a_minute(data, tmp_path):
    start = sum(os.times()[2:4])  # of the processor, whatever else it has to do
    subprocess.run([sys.executable, str(PROGRAM), "--out", str(tmp_path / "again.npz")], check=True)
    assert sum(os.times()[2:4]) - start < 60
    with np.load(tmp_path / "again.npz") as again:
        for name in data:
            assert np.array_equal(again[name], data[name]), name
    assert (tmp_path / "palette.gpl").read_bytes() == (DATA / "palette.gpl").read_bytes()
    with zipfile.ZipFile(tmp_path / "again.npz") as archive:  # nothing from the clock, for the same bytes
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_program_is_small_and_needs_little():
    text = PROGRAM.read_text()
    tree = ast.parse(text, feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names == {"argparse", "functools", "re", "sys", "pathlib", "typing", "numpy", "imageio", "PIL"}
    assert len(text.splitlines()) <= 670
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
    ink, white = list(program.Art(ART).palette).index(program.Art(ART).ramps["ink"][0]), 0
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
    ("w = ffffff", "w = fffffe", 1, "the colour fffffe is not in [palette]"),
    ("order = shape colour drawings ramps\n", "", -7, "'order = ...'"),  # the class's heading
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


def test_a_colour_outside_of_the_palette_or_twice_in_it_is_named_with_its_line(program, changed, tmp_path):
    file = changed(LEAVES, LEAVES) / "colours.txt"
    text = file.read_text()
    for old, new, words in (
        ("red1 = 45122c", "red1 = 45122d", "the colour 45122d is not in [palette]"),
        ("white = ffffff", "white = ffffff ffffff", "none of them twice"),
        ("teal = ", "teal = ffffff ", "none of them twice"),
        ("teal = ", "teal = " + " ".join(f"0000{i:02x}" for i in range(200)) + " ", "at most 256"),
    ):
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))
        with pytest.raises(program.ArtError) as error:
            program.Art(tmp_path / "art")
        assert str(error.value).startswith(f"colours.txt, line {text[: text.index(old)].count(chr(10)) + 1}: ")
        assert words in str(error.value)


def test_computed_colours_are_the_nearest_of_the_palette(program):
    palette = program.Art().palette
    colours = np.random.RandomState(0).randint(0, 256, (50, 3))
    for colour in colours:
        distance = [sum((a - b) ** 2 for a, b in zip(colour.tolist(), other)) for other in palette]
        assert program.nearest(tuple(colour.tolist()), tuple(palette)) == list(palette)[int(np.argmin(distance))]


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
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
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
