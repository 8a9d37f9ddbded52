"""The packer of anyone's own sprites, on small packs that the tests draw themselves. Nothing may be lost in silence."""

import contextlib
import importlib.util
import io
import os
import re
import struct
import subprocess
import sys
import zlib
from collections import Counter

import nbformat
import numpy as np
import pytest
from helpers import execute
from notebooks import ROOT
from PIL import Image

pytestmark = pytest.mark.quick
PROGRAM = ROOT / "data" / "pack_sprites.py"
spec = importlib.util.spec_from_file_location("pack_sprites", PROGRAM)
pack_sprites = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack_sprites)
TRAIN, TEST, NOVEL, VALIDATION = 0, 1, 2, 3
POOL = np.random.RandomState(12345).randint(0, 256, (60, 3)).astype(np.uint8)


def drawn(seed, side=16, colours=6):
    """A picture of few colours, different for each seed, of 60 in all: uint8 (side, side, 3)."""
    rng = np.random.RandomState(seed)
    return POOL[rng.permutation(60)[:colours]][rng.randint(0, colours, (side, side))]


def thing(colour, ground=(0, 0, 0, 0), seed=0):
    """A blob of one colour with dark pixels inside, on a ground (transparent): uint8 (16, 16, 4)."""
    picture, rng = np.full((16, 16, 4), ground, np.uint8), np.random.RandomState(seed)
    picture[3:-3, 4:-4] = (*colour, 255)
    picture[rng.randint(5, 11, 4), rng.randint(6, 10, 4)] = (60, 20, 40, 255)
    return picture


def save(folder, files, **options):
    """Write bytes, arrays and Pillow images under their names."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            (content if isinstance(content, Image.Image) else Image.fromarray(content)).save(folder / name, **options)


def run(*args):
    """What the program says, and its exit code or last words. As in Jupyter, the output is no terminal."""
    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            pack_sprites.main(list(map(str, args)))
        except SystemExit as stopped:
            code = stopped.code
    return said.getvalue(), code


def balance(said):
    """Sprites that were found, without those that were kept or said to be left out: none may be missing."""
    found, kept = (re.search(rf"^{word} +(\d+)", said, re.M) for word in ("found", "kept"))
    return int(found[1]) - int(kept[1] if kept else 0) - sum(map(int, re.findall(r"^left out *(\d+)", said, re.M)))


def pack(folder, files, *args, **options):
    """The arrays that come of these files, `rgb` the sprites in their colours, and what was said."""
    save(folder / "pack", files, **options)
    said, code = run(folder / "pack", "--out", folder / "out.npz", "--colours", 256, *args)
    assert (code, balance(said)) == (0, 0)
    with np.load(folder / "out.npz", allow_pickle=False) as file:
        data = {**file, "rgb": file["palette"][file["images"]]}
    assert re.search(rf"^kept +{len(data['images'])} sprites", said, re.M)
    return data, said


def of(data, what, pictures):
    """What an array (split, captions) says of each of these pictures."""
    known = {image.tobytes(): value for image, value in zip(data["rgb"], data[what].tolist())}
    return [known[picture.tobytes()] for picture in pictures]


def test_the_file_is_what_the_notebooks_read(tmp_path):
    names = [f"{'food' if i % 3 else '영웅 $x_{'}/thing{'abcdefg'[i % 7] * 3}{'hijklmnop'[i // 7] * 3}.png" for i in range(60)]
    sheet = tmp_path / "pack" / "sheet.png"  # inside the pack: the second run must not pack it
    for _ in range(2):
        data, said = pack(tmp_path, {name: drawn(i) for i, name in enumerate(names)}, "--sheet", sheet)
    assert sorted(data) == ["captions", "class_names", "images", "labels", "palette", "rgb", "split"]
    assert (data["images"].shape, data["palette"].shape) == ((60, 16, 16), (61, 3))  # the colours of the pictures, and the ground
    assert data["palette"][0].tolist() == [255, 255, 255]
    assert {data[name].dtype for name in ("images", "palette", "labels", "split")} == {np.dtype(np.uint8)}
    assert data["captions"].dtype.kind == data["class_names"].dtype.kind == "U"
    assert (data["class_names"].tolist(), np.bincount(data["labels"]).tolist()) == (["food", "영웅 $x_{"], [40, 20])
    assert re.search(r"^food +32 +4 +0 +4$", said, re.M) and "left out" not in said
    assert (np.asarray(Image.open(sheet))[75 + 24 :: 3, 3:51:3][:16] == data["rgb"][40]).all()  # the first of the second class


def test_same_folder_same_bytes_whatever_the_terminal_can_show(tmp_path):
    files = {f"class{i % 3}/{'thing' if i % 2 else 'red'}_{i // 2}.png": drawn(i) for i in range(80)}
    for name, order in (("a", 1), ("b", -1)):
        save(tmp_path / name / "pack", {**dict(list(files.items())[::order]), "größe/剣.png": b""})
        plain = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONHASHSEED": str(ord(name))}
        command = [sys.executable, PROGRAM, tmp_path / name / "pack", "--out", tmp_path / f"{name}.npz", "--colours", "16"]
        done = subprocess.run(command, env={**plain, "PYTHONCOERCECLOCALE": "0"}, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_in_jupyter(tmp_path):
    save(tmp_path / "pack", {f"{i}.png": drawn(i) for i in range(20)})
    cells = [f"%run {PROGRAM} pack --out a.npz", f"import sys; sys.path.insert(0, {str(PROGRAM.parent)!r}); import pack_sprites"]
    cells[1] += "; pack_sprites.main(['pack', '--out', 'b.npz'])"
    nb = execute(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), tmp_path)
    assert [output.text.count("kept     20 sprites") for cell in nb.cells for output in cell.outputs] == [1, 1]
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def png(width, height, depth, colour, rows):
    """A PNG file by hand, of a kind that Pillow does not write."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


NUMBERS = np.random.RandomState(3).randint(0, 4, (16, 16)).astype(np.uint8)
FOUR = np.array([(200, 0, 0), (0, 150, 0), (0, 0, 250), (9, 9, 9)], np.uint8)
INDEXED = Image.fromarray(NUMBERS)
INDEXED.putpalette(FOUR.tobytes())
GREY = np.array([0, 90, 255, 30], np.uint8)[NUMBERS]
DEEP = (np.arange(256).reshape(16, 16) * 256 + 77).astype(">u2")
KINDS = {  # a picture, how it is saved, and how it is seen on white
    "alpha": (thing((9, 8, 7)), {}, np.where(thing((9, 8, 7))[..., 3:] == 0, 255, thing((9, 8, 7))[..., :3])),
    "half transparent": (np.dstack([GREY] * 3 + [GREY * 0 + 128]), {}, (255 - (255 - GREY) * (128 / 255))[..., None]),
    "indexed": (INDEXED, {}, FOUR[NUMBERS]),
    "transparent number": (INDEXED, {"transparency": 2}, np.where(NUMBERS[..., None] == 2, 255, FOUR[NUMBERS])),
    "number 0 as key": (INDEXED, {}, np.where(NUMBERS[..., None] == 0, 255, FOUR[NUMBERS])),
    "transparent bytes": (INDEXED, {"transparency": b"\x00\xff"}, np.where(NUMBERS[..., None] == 0, 255, FOUR[NUMBERS])),
    "transparent grey": (GREY, {"transparency": 90}, np.where(GREY == 90, 255, GREY)[..., None]),
    "grey and alpha": (np.dstack([GREY, (GREY != 90) * np.uint8(255)]), {}, np.where(GREY == 90, 255, GREY)[..., None]),
    "one bit": (Image.fromarray(GREY > 60), {}, (GREY > 60)[..., None] * 255),
    "sixteen bits": (png(16, 16, 16, 0, b"".join(b"\0" + row.tobytes() for row in DEEP)), {}, (DEEP >> 8)[..., None]),
    "cmyk.tif": (Image.fromarray(drawn(5)).convert("CMYK"), {}, drawn(5)),
    "animation.gif": (INDEXED, {"save_all": True, "append_images": [INDEXED.rotate(90)]}, FOUR[NUMBERS]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_every_kind(tmp_path, kind):
    picture, options, expected = KINDS[kind]
    args = ["--background", "white", *["--key", "0"] * ("as key" in kind)]
    data, said = pack(tmp_path, {kind if "." in kind else "one.png": picture}, *args, **options)
    assert np.abs(data["rgb"][0].astype(float) - expected).max() <= 1 and ("several frames" in said) == ("gif" in kind)


@pytest.mark.parametrize("side", [2, 5, 8, 12, 15, 16])
@pytest.mark.parametrize("factor", [1, 9, 10])
def test_small_and_blown_up_ones_keep_their_pixels_and_are_padded(tmp_path, side, factor):
    picture = drawn(11, side)[:, : side - 1] // 2
    image = pack(tmp_path, {"a.png": picture.repeat(factor, 0).repeat(factor, 1)})[0]["rgb"][0]
    enlarged, expected = picture.repeat(16 // side, 0).repeat(16 // side, 1), np.full((16, 16, 3), 255)
    top, left = ((16 - length + 1) // 2 for length in enlarged.shape[:2])
    expected[top:, left:][: enlarged.shape[0], : enlarged.shape[1]] = enlarged
    assert (image == expected).all()


@pytest.mark.parametrize("size", [(32, 16), (16, 32), (64, 48), (100, 50), (30, 60), (70, 23)])
def test_never_stretched(tmp_path, size):
    image = pack(tmp_path, {"a.png": drawn(12, max(size))[: size[1], : size[0]] // 2})[0]["rgb"][0]
    sides = np.array([(image != 255).any(2).any(axis).sum() for axis in (0, 1)])
    assert (np.abs(sides - 16 * np.array(size) / max(size)) <= 1).all()


def test_every_kth_pixel_where_16_divides_and_averages_elsewhere(tmp_path):
    checks = (np.indices((48, 48)).sum(0) % 2 * 255).astype(np.uint8)
    checks[:20, 0] = checks[5, 5] = 9
    red = np.zeros((25, 25, 4), np.uint8)  # transparent black, which must not stain, and a hidden colour
    red[2:-2, 2:20], red[0, 0] = (250, 40, 40, 255), (9, 99, 9, 0)
    assert {*pack(tmp_path / "a", {"a.png": checks})[0]["rgb"].ravel().tolist()} <= {0, 255, 9}
    assert 60 < pack(tmp_path / "b", {"a.png": checks[:40, :40]})[0]["rgb"][0, 4:, 4:].mean() < 200
    assert 60 < pack(tmp_path / "c", {"a.png": checks}, "--smooth")[0]["rgb"][0, 4:, 4:].mean() < 200
    assert (pack(tmp_path / "d", {"a.png": red})[0]["rgb"][..., 0] >= 249).all()


@pytest.mark.parametrize(("margin", "spacing", "trailing"), [(0, 0, 0), (2, 0, 0), (0, 1, 0), (3, 2, 0), (0, 1, 1)])
def test_sheets_are_cut_and_a_row_stays_on_one_side(tmp_path, margin, spacing, trailing):
    tiles, step = np.stack([drawn(i) for i in range(60)]), 16 + spacing
    sheet = np.full((2 * margin + 10 * step - spacing + trailing, 2 * margin + 6 * step - spacing + trailing, 3), 99, np.uint8)
    for i, tile in enumerate(tiles):
        sheet[margin + i // 6 * step :, margin + i % 6 * step :][:16, :16] = tile
    options = ("--margin", margin, "--spacing", spacing, "--tile", "16", "--min-word", 1)
    data, _ = pack(tmp_path, {"food/fruit_sheet.png": sheet, "food/small.png": drawn(99, 8)}, *options)
    sides = np.array(of(data, "split", tiles)).reshape(10, 6)
    assert (sides == sides[:, :1]).all() and {*of(data, "captions", tiles)} == {"fruit"}


LIGHT, RED, FRAMES = thing((250, 250, 240)), thing((200, 40, 40)), np.concatenate([drawn(i) for i in range(4)])
ON_KEY = {f"{i}.png": thing((200, 40, 40), (255, 0, 255, 255), i) for i in range(5)}
CORNER = np.indices((16, 16)).sum(0)[..., None] < 3
TOUCHED = {name: np.where(CORNER, 60, picture).astype(np.uint8) for name, picture in ON_KEY.items()}
INSIDE, MARGIN = np.dstack([drawn(7, 14), np.full((14, 14), 255, np.uint8)]), np.zeros((64, 64, 4), np.uint8)
MARGIN[8:22, 30:44] = INSIDE
WHOLE = png(64, 64, 8, 2, b"".join(b"\0" + row.tobytes() for row in drawn(99, 64)))
MANY = {f"{i}/a.png": drawn(i) for i in range(257)}
FAULTS = {  # files beside good.png, options, what is said, and how many are packed
    "light on transparent": ({"a.png": LIGHT}, "", "note     1 would vanish on white, so the ground is #181824", 2),
    "one of many": ({"a.png": LIGHT, **{f"{i}.png": drawn(i) for i in range(30)}}, "", "1 nearly vanish on white", 31),
    "given ground": ({"a.png": LIGHT}, "--background pink", "the first of them the ground, pink: exact", 2),
    "given ground that hides": ({"a.png": RED}, "--background #c82828", "1 nearly vanish on #c82828: --back", 2),
    "half transparent": ({"a.png": LIGHT // np.uint8([1, 1, 1, 2])}, "", "1 would vanish on white, so the ground is #181824", 2),
    "colour key": (ON_KEY, "", "5 have a border of #ff00ff: --key '#ff00ff'", 6),
    "key behind feet": (TOUCHED, "", "5 have a border of #ff00ff: --key '#ff00ff'", 6),
    "key given": (ON_KEY, "--key magenta", "the ground, white: exact", 6),
    "strip": ({"s.png": FRAMES}, "", "1 cannot be used: probably strips: --tile strips cuts squares", 1),
    "lying strip": ({"s.png": FRAMES.swapaxes(0, 1)}, "", "1 cannot be used: probably strips: --tile strips", 1),
    "strip cut": ({"s.png": FRAMES[:, ::-1], "a.png": drawn(9, 32)}, "--tile strips", "found    6", 6),
    "strip of others": ({"s.png": FRAMES[:, :12]}, "--tile strips", "squares, --tile 24x16 others, --tile 999 keeps", 1),
    "strip kept": ({"s.png": FRAMES}, "--tile 64", "found    2", 2),
    "two frames": ({"s.png": FRAMES[:32]}, "", "1 may be two frames each, packed as one: --tile strips cuts them", 2),
    "odd sheet": ({"s.png": drawn(1, 40), "a.png": drawn(2, 32)}, "--tile 16", "used: no whole number of tiles of 16x16", 5),
    "other tiles": ({"s.png": drawn(1, 96)}, "--tile 32x48", "found    7", 7),
    "large": ({"s.png": drawn(1, 32)}, "", "1 were larger and lost details: --tile cuts sheets, --smooth", 2),
    "margin": ({"a.png": MARGIN}, "", "1 were mostly margin, which was cut off", 2),
    "empty": ({"a.png": MARGIN * 0, "b.png": drawn(1) * 0 + 77}, "", "2 are empty, or of one colour on white", 1),
    "duplicate": ({"b/b.png": drawn(0)}, "", "left out 1 are exact duplicates of others", 1),
    "near duplicate": ({"h.png": drawn(0) + (drawn(0) < 99)}, "", "1 are near duplicates of others", 1),
    "no picture": ({"b.png": b"this is text"}, "", "1 cannot be used: cannot identify image file", 1),
    "cut short": ({"b.png": WHOLE[:300]}, "", "1 cannot be used: image file is truncated", 1),
    "damaged": ({"b.png": WHOLE[:200] + b"xyz" + WHOLE[203:]}, "", "left out 1 ", 1),
    "large lie": ({"b.png": png(5000, 5000, 1, 0, b"\0" * 1000)}, "", "1 cannot be used: larger than 4096x4096 pixels", 1),
    "bomb": ({"b.png": png(60_000, 60_000, 8, 2, b"\0" * 1000)}, "", "1 cannot be used: Image size (3600000000 pixels)", 1),
    "other files": ({"captions.xlsx": b"PK"}, "", "1 are no pictures by their endings", 1),
    "hidden files": ({"._a.png": b"what a Mac leaves", "__MACOSX/a.png": b""}, "", "found    1", 1),
    "heart": ({}, "", "1 so few sprites are learnt by heart: 200 would be better (1)", 1),
    "numbered": ({f"axe/axe{i}.png": drawn(i) for i in range(1, 31)}, "", "1 lack sprites for train", 31),  # not all are variants
    "few": ({"x/a.png": drawn(1)}, "", "2 lack sprites for train, test or validation", 2),
    "splits": ({"train/x/a.png": drawn(1), "Test/x/b.png": drawn(2)}, "", "are taken for splits, and the folders in them", 3),
    "letters": ({"영웅/a.png": drawn(1)}, "", "have letters that figures show as boxes, unless a font", 2),
    "caption of nothing": ({"captions.csv": b"b.png,x"}, "", "1 are named in captions.csv, but not there", 1),
    "columns turned round": ({"captions.csv": b"red,good.png"}, "", "1 are tables of no picture: a line is a file", 1),
    "table in Latin-1": ({"captions.csv": b"good.png,\xe9"}, "", "1 are tables that cannot be read", 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_said_in_one_sentence_and_the_rest_is_packed(tmp_path, fault):
    files, args, sentence, kept = FAULTS[fault]
    (tmp_path / "pack" / "nothing").mkdir(parents=True)
    for name, target in (("dangling.png", "no such file"), ("circle.png", "circle.png"), ("up", "..")):
        os.symlink(target, tmp_path / "pack" / "nothing" / name) if fault == "few" else None
    data, said = pack(tmp_path, {"good.png": drawn(0), **files}, *args.split())
    (line,) = (line for line in said.splitlines() if sentence in line)
    assert not sentence[0].isdigit() or any(name in line for name in ("good.png", "pack", "(1)", *files))
    assert len(data["images"]) == kept and said.count("are tables") < 2  # what cannot be read is not blamed twice
    assert re.search(r"note +\d are folders that are empty, links or locked \(nothing(/up)?\)", said)
    assert ("circle.png" in said) == ("dangling.png)" in said) == (fault == "few")
    if fault == "key given":
        assert (data["rgb"][:5, 0] == 255).all()
    if fault == "margin":
        assert (data["rgb"][0, 1:15, 1:15] == INSIDE[..., :3]).all()
    if fault == "light on transparent":
        assert (data["rgb"][0] == np.where(LIGHT[..., 3:] == 0, (24, 24, 36), LIGHT[..., :3])).all()


@pytest.mark.parametrize("files", [None, {}, {"a.png": b""}, {"a.png": drawn(0) * 0}, MANY])
def test_nothing_to_pack_says_so_and_leaves_the_old_file(tmp_path, files):
    save(tmp_path, {"out.npz": b"what was there", **({} if files is None else {"pack/.hidden": b""})})
    save(tmp_path / "pack", files or {})
    said, code = run(tmp_path / "pack", "--out", tmp_path / "out.npz")
    kept, where = 257 if files is MANY else 0, f" is no folder (here is {os.getcwd()})" if files is None else ""
    assert code == f"{tmp_path / 'pack'}{where}: nothing to pack: {kept} sprites in {kept} classes (at most 256)"
    assert balance(said) == kept and (tmp_path / "out.npz").read_bytes() == b"what was there"


@pytest.mark.parametrize("option", "tile=0 tile=16x margin=-1 test=.7 colours=257 colours=1 background=no key=no key=300".split())
def test_options_that_make_no_sense(option):
    said, code = run("x", f"--{option}")
    assert (code, f"--{option.split('=')[0]} " in said.splitlines()[-1]) == (2, True)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    resource = pytest.importorskip("resource")
    save(tmp_path, {**{f"pack/{i}.png": drawn(i, colours=40) for i in range(60)}, "out.npz": b"what was there"})
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))}
    done = subprocess.run([sys.executable, PROGRAM, "pack", "--out", "out.npz"], cwd=tmp_path, capture_output=True, **limit)
    assert done.stderr.endswith(b"out.npz: cannot be written: File too large\n")
    for args in (("--out", tmp_path / "out.npz" / "x"), ("--out", tmp_path / "out.npz", "--sheet", tmp_path / "no" / "s.png")):
        assert "cannot be written" in run(tmp_path / "pack", *args)[1]
    assert {path.name for path in tmp_path.iterdir()} == {"pack", "out.npz"}
    assert (tmp_path / "out.npz").read_bytes() == b"what was there"


SAYING = """sword_02b=sword Blue-Potion(3)=blue.potion RedDragonHD=red.dragon.hd HTTPServer=http.server スライム_3=スライム 剣=剣
    E\u0301pe\u0301e_Dorée=épée.dorée apple.png=apple red.red.glass.aseprite=red.glass potion+of-healing-Copy(2)=potion.healing"""
SILENT = ["icon_023", "023", "untitled", "Untitled-1", "layer 3", "Layer 3 copy", "image (2)", "sprite_001", "New Layer.png"]
SILENT += ["screenshot 2024-05-06 at 10.11.12", "Screen Shot 2024-05-06 at 1.11.12 PM", "Screenshot from 2024", "New Piskel-1"]
WORDS = {name.split("=")[0]: name.split("=")[1].replace(".", " ") for name in SAYING.split()}
WORDS.update(dict.fromkeys(SILENT, "some class"))
REST = {"test/things/z.png": drawn(97), "val/things/z.png": drawn(98)}  # so that all others stay in train


def test_words_of_names(tmp_path):
    names = ["x/hair/long_red", "x/potions/blue_potion", "x/axes/017", "x/one_two_three_four_five_six_seven_eight_nine"]
    names = [f"train/{name}.png" for name in [f"some class/{stem}" for stem in WORDS] + names]
    data, _ = pack(tmp_path, {**{name: drawn(i) for i, name in enumerate(names)}, **REST}, "--min-word", 1)
    captions = of(data, "captions", map(drawn, range(len(names))))
    assert dict(zip(WORDS, captions)) == WORDS
    assert captions[-4:] == ["long red hair", "blue potion", "axes", "one two three four five six seven eight"]
    data, said = pack(tmp_path, {}, "--min-word", 2)
    assert {*" ".join(data["captions"]).split()} == {*"some class x things red blue potion".split()}
    assert re.search(r"are words of fewer than 2 sprites, not kept: see --min-word \(apple, (?!.*red,)", said)


@pytest.mark.parametrize("between", [",", ";", "\t", ", "])
@pytest.mark.parametrize("name", ["captions.csv", "Captions.CSV", "train/things/captions.csv", "CAPTIONS.tsv"])
def test_tables_of_captions(tmp_path, between, name):
    above = "" if "things" in name else "train/things/"
    rows = [("file", "caption"), (f"{above}old_0.png", '"Red, shiny; apple"'), ("OLD_1.png", "blue bird"), ("old_2", "tree")]
    rows += [(f"{above}old_3.png".replace("/", "\\"), "x-ray"), ("old_4.png", "")]
    files = {f"train/things/old_{i}.png": drawn(i) for i in range(5)}
    table = ("\ufeff" + "\r\n".join(map(between.join, rows[between == "," :]))).encode()
    data, said = pack(tmp_path, {**files, **REST, "train/a/old_0.png": drawn(5), name: table}, "--min-word", 1)
    expected = ["red shiny apple", "blue bird", "tree", "ray", "old", "old"]  # the last is in another class
    assert of(data, "captions", map(drawn, range(6))) == expected and not re.search("are tables|in captions.csv", said)


def test_near_duplicates_and_what_is_alike_are_those_that_comparing_all_pairs_finds():
    rng = np.random.RandomState(1)
    images = np.stack([drawn(i // 3) for i in range(60)]).astype(int)
    images[:, 4:6, 4:6] += rng.randint(0, 60, (60, 1, 1, 1)) * (rng.rand(60, 1, 1, 1) < 0.5)
    images = np.clip(images + rng.randint(0, 9, images.shape) * (rng.rand(60, 1, 1, 1) < 0.3), 0, 255)
    groups, gone, ink = np.arange(60), set(), (255 - images).mean((1, 2, 3))
    why = pack_sprites.find_duplicates(images.astype(np.uint8), images.astype(np.uint8), groups, (255, 255, 255))
    for i, j in zip(*np.triu_indices(60, 1)):
        gap = np.abs(images[i] - images[j])
        if i not in gone and gap.mean() <= min(3, ink[i] / 10, ink[j] / 10):
            gone |= {j} if gap.max() <= 24 else set()
            assert j in why or groups[i] == groups[j]
    assert gone == {*why} and min(len(gone), 60 - len({*groups})) > 5


def test_variants_and_look_alikes_stay_on_one_side_and_a_tenth_is_test(tmp_path):
    files, sides, ends = {}, [], ("_walk_0", "_walk_1", "_idle_0", "_02a", "_02b")
    for i in range(55):
        name, blink = f"{'abcdefghijk'[i % 11] * 3}{'lmnop'[i // 11] * 2}", drawn(1000 + i)
        blink[8, 8:10] = 255 - blink[8, 8:10]
        frames = [drawn(10 * i + k) for k in range(5)]
        files.update({f"x/{name}{end}.png": frame for end, frame in zip(ends, frames)})
        files.update({f"y/{i:03d}.png": drawn(1000 + i), f"y/{name}.png": blink})
        sides += [frames[:3], frames[3:], [drawn(1000 + i), blink]]
    files.update({f"many/item_{i:03d}.png": drawn(2000 + i) for i in range(200)})
    data, _ = pack(tmp_path, files)
    assert all(len({*of(data, "split", side)}) == 1 for side in sides)
    for label, size in enumerate((200, 275, 110)):
        times = np.bincount(data["split"][data["labels"] == label], minlength=4)
        assert times.sum() == size
        assert all(0.07 * size <= times[number] <= 0.1 * size + 1 for number in (TEST, VALIDATION))


@pytest.mark.parametrize("tops", [("Train", "test"), ("Training_set", "testing"), ("01 train", "02-test")])
def test_given_splits_stay_and_what_is_missing_comes_from_train(tmp_path, tops):
    files = {f"{top}/{'xy'[i % 2]}/{i}.png": drawn(i + 100 * k) for k, top in enumerate(tops) for i in range(40)}
    data, _ = pack(tmp_path, {**files, f"{tops[1]}/x/again.png": drawn(0)})
    assert Counter(data["split"].tolist()) == {TRAIN: 32, TEST: 40, VALIDATION: 8}
    assert {*of(data, "split", [drawn(100 + i) for i in range(40)])} == {TEST}


def test_novel_pairs_and_words_that_train_does_not_have(tmp_path):
    names = [f"x/{colour}_{k * 3}.png" for colour in ("red_bat", "red_cat", "blue_bat", "blue_cat") for k in "abcdefghij"]
    data, _ = pack(tmp_path, {name: drawn(i) for i, name in enumerate(names)}, "--novel", "bat red", "--min-word", 5)
    assert [number == NOVEL for number in of(data, "split", map(drawn, range(40)))] == [True] * 10 + [False] * 30
    assert {*of(data, "captions", map(drawn, range(10)))} == {"red bat"}
    data, _ = pack(tmp_path, {}, "--novel", "cat red", "red bat", "--min-word", 5)
    assert {*of(data, "captions", map(drawn, range(10)))} == {"bat"}  # nothing red is left in train


@pytest.mark.parametrize("colours", [2, 16, 64, 65, 256])
def test_colours_are_exact_where_they_are_few_else_the_nearest_and_the_loss_is_told(tmp_path, colours):
    own = np.random.RandomState(7).randint(0, 250, (64, 3)).astype(np.uint8)  # with white, 65
    pictures = np.full((30, 16, 16, 3), 255, np.uint8)
    pictures[:, 2:14, 2:14] = own[np.random.RandomState(0).randint(0, 64, (30, 12, 12))]
    data, said = pack(tmp_path, {f"{i:02d}.png": picture for i, picture in enumerate(pictures)}, "--colours", colours)
    pictures = pictures[: len(data["images"])]
    mean = np.square(pictures.astype(float) - data["rgb"]).mean()
    loss = f"{10 * np.log10(255**2 / mean):.1f} dB" if colours < 65 else "exact"
    assert re.search(rf"^colours +65 in the pictures, {len(data['palette'])} kept, .*: {loss}$", said, re.M)
    assert min(colours - 3, 60) <= len(data["palette"]) <= colours  # Pillow may find two colours that are one
    assert (data["images"][(pictures == 255).all(3)] == 0).all()
    distance = np.square(pictures[:, :, :, None].astype(int) - data["palette"]).sum(4)
    assert (np.take_along_axis(distance, data["images"][..., None].astype(int), 3)[..., 0] == distance.min(3)).all()
