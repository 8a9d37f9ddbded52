"""The packer of anyone's own sprites, on small packs that the tests draw themselves."""

import contextlib
import importlib.util
import io
import os
import resource
import struct
import subprocess
import sys
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROGRAM = Path(__file__).resolve().parent.parent / "data" / "pack_sprites.py"
spec = importlib.util.spec_from_file_location("pack_sprites", PROGRAM)
pack_sprites = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack_sprites)
TRAIN, TEST, NOVEL, VALIDATION = 0, 1, 2, 3
WHITE = (255, 255, 255)
POOL = np.random.RandomState(12345).randint(0, 256, (60, 3)).astype(np.uint8)


def drawn(seed, side=16, colours=6):
    """A picture of few colours, different for each seed, of 60 in all: uint8 (side, side, 3)."""
    rng = np.random.RandomState(seed)
    return POOL[rng.permutation(60)[:colours]][rng.randint(0, colours, (side, side))]


def painted(seed, colours):
    """A picture of any number of colours: uint8 (16, 16, 3)."""
    rng = np.random.RandomState(seed)
    return rng.randint(0, 256, (colours, 3)).astype(np.uint8)[rng.randint(0, colours, (16, 16))]


def save(path, picture, **options):
    """Write an array or a Pillow image, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path, **options)


def run_program(*args, **options):
    """The program as a user starts it. Whatever happens, a user never sees a traceback."""
    command = [sys.executable, str(PROGRAM), *map(str, args)]
    options = {"encoding": "utf-8", "errors": "replace", "timeout": 60, **options}
    done = subprocess.run(command, capture_output=True, **options)
    assert "Traceback" not in done.stderr, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return done


def run(*args):
    """The same within this process, which is faster: an error that is not a SystemExit fails the test."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    most, code = Image.MAX_IMAGE_PIXELS, 0
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]), warnings.catch_warnings():
        try:
            pack_sprites.main(list(map(str, args)))
        except SystemExit as stopped:
            code = stopped.code
    Image.MAX_IMAGE_PIXELS = most
    texts = []
    for stream in streams:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))
    if isinstance(code, str):
        texts[1], code = texts[1] + code, 1
    return subprocess.CompletedProcess(args, code, *texts)


def load(out):
    """The arrays of a file, and as `rgb` the sprites in their colours."""
    with np.load(out, allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    return {**data, "rgb": data["palette"][data["images"]]}


def pack(folder, *args, run=run, **options):
    """The arrays that come out, and what the program said."""
    out = folder.parent / f"{folder.name}.npz"
    done = run(folder, "--out", out, "--colours", 256, *args, **options)
    assert done.returncode == 0, done.stderr
    return load(out), done


def packed(tmp_path, picture, *args, name="one.png", **options):
    """What becomes of a single picture: uint8 (16, 16, 3)."""
    save(tmp_path / "folder" / name, picture, **options)
    data, _ = pack(tmp_path / "folder", *args)
    assert len(data["images"]) == 1
    return data["rgb"][0]


def as_seen(data):
    """The split of each sprite by its bytes."""
    return {image.tobytes(): number for image, number in zip(data["rgb"], data["split"])}


# The file


def test_the_file_is_what_the_notebooks_read(tmp_path):
    for i in range(60):
        save(tmp_path / "pack" / ("food" if i % 3 else "heroes") / f"thing{chr(97 + i % 7) * 3}_{i}.png", drawn(i))
    data, done = pack(tmp_path / "pack")
    assert sorted(data) == ["captions", "class_names", "images", "labels", "palette", "rgb", "split"]
    assert data["images"].shape == (60, 16, 16)
    assert data["palette"].shape == (61, 3)  # those of the pictures, and the background
    for name in ("images", "palette", "labels", "split"):
        assert data[name].dtype == np.uint8
    assert data["captions"].dtype.kind == data["class_names"].dtype.kind == "U"
    assert data["class_names"].tolist() == ["food", "heroes"]
    assert np.bincount(data["labels"]).tolist() == [40, 20]
    assert {p.name for p in tmp_path.iterdir()} == {"pack", "pack.npz"}  # nothing temporary stays
    assert "kept     60 sprites" in done.stdout


def test_same_folder_same_bytes(tmp_path):
    pictures = [(f"class{i % 3}/thing_{i // 2}.png" if i % 2 else f"class{i % 3}/red_{i}.png", drawn(i)) for i in range(80)]
    for name, order in (("a/pack", pictures), ("b/pack", pictures[::-1])):
        for path, picture in order:
            save(tmp_path / name / path, picture)
        options = {"run": run_program, "env": {**os.environ, "PYTHONHASHSEED": str(ord(name[0]))}}
        pack(tmp_path / name, "--min-word", "2", "--colours", "16", **options)
    assert (tmp_path / "a" / "pack.npz").read_bytes() == (tmp_path / "b" / "pack.npz").read_bytes()


def test_loose_pictures_are_a_class_named_after_the_folder(tmp_path):
    for i in range(5):
        save(tmp_path / "My Icons" / f"{i}.png", drawn(i))
    save(tmp_path / "My Icons" / "gems" / "ruby.png", drawn(5))
    data, _ = pack(tmp_path / "My Icons")
    assert data["class_names"].tolist() == ["My Icons", "gems"]
    assert sorted(data["captions"].tolist()) == ["gems"] + ["my icons"] * 5


@pytest.mark.parametrize("number", [40, 256, 257])
def test_any_number_of_classes_that_fits(tmp_path, number):
    for i in range(number):
        save(tmp_path / "pack" / f"class{i:03d}" / "a.png", drawn(i))
    if number > 256:
        done = run(tmp_path / "pack", "--out", tmp_path / "pack.npz")
        assert done.returncode != 0
        assert "257 classes" in done.stderr
        return
    data, _ = pack(tmp_path / "pack", "--sheet", tmp_path / "sheet.png")
    assert data["labels"].tolist() == list(range(number))
    assert len(data["class_names"]) == number


# Pictures of every kind


def png(width, height, depth, colour, rows, interlaced=0, extra=b""):
    """A PNG file by hand, of a kind that Pillow does not write."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">2I5B", width, height, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_rgb_and_alpha_lie_on_the_background(tmp_path):
    picture = np.dstack([drawn(1), np.full((16, 16), 255, np.uint8)])
    picture[:4, :, 3] = 0
    picture[4, :, 3] = 128
    expected = picture[..., :3].astype(float)
    expected[:4] = 255
    expected[4] += (255 - expected[4]) * (127 / 255)
    assert np.abs(packed(tmp_path, picture) - expected).max() <= 1
    on_blue = packed(tmp_path, picture, "--background", "#102030")
    assert (on_blue[:4] == (16, 32, 48)).all()
    assert (on_blue[5:] == picture[5:, :, :3]).all()


def palette_picture(transparency):
    """A picture of four colours by number, and how its numbers are seen on white."""
    numbers = np.random.RandomState(3).randint(0, 4, (16, 16)).astype(np.uint8)
    colours = np.array([(200, 0, 0), (0, 150, 0), (0, 0, 250), (9, 9, 9)], np.uint8)
    picture = Image.fromarray(numbers)
    picture.putpalette(colours.tobytes())
    colours = colours.copy()
    if isinstance(transparency, bytes):
        alpha = np.array(list(transparency) + [255] * (4 - len(transparency)))[:, None] / 255
        colours = (colours * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    elif transparency is not None:
        colours[transparency] = 255
    return picture, colours[numbers]


@pytest.mark.parametrize("transparency", [None, 2, b"\x00\xff\x80"])
def test_palettes(tmp_path, transparency):
    picture, expected = palette_picture(transparency)
    options = {} if transparency is None else {"transparency": transparency}
    assert np.abs(packed(tmp_path, picture, **options).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
@pytest.mark.parametrize("transparent", [False, True])
def test_grey_and_one_bit(tmp_path, mode, transparent):
    grey = np.random.RandomState(4).choice([0, 255] if mode == "1" else [0, 90, 255], (16, 16)).astype(np.uint8)
    seen = np.where(grey == 0, 255, grey) if transparent else grey
    if mode == "LA":
        picture, options = Image.fromarray(np.dstack([grey, (seen == grey) * np.uint8(255)])), {}
    else:
        picture = Image.fromarray(grey).convert(mode)
        options = {"transparency": 0} if transparent else {}
    if mode == "1" and transparent:  # black on white, of which black is transparent, is all white
        options = {"transparency": 255}
        seen = np.where(grey == 255, 255, grey)
    assert (packed(tmp_path, picture, **options) == seen[..., None]).all()


def test_sixteen_bits(tmp_path):
    levels = (np.arange(256).reshape(16, 16) * 256 + 77).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    path = tmp_path / "folder" / "one.png"
    path.parent.mkdir()
    path.write_bytes(png(16, 16, 16, 0, rows))
    data, _ = pack(tmp_path / "folder")
    assert (data["rgb"][0] == (levels >> 8)[..., None]).all()
    clear = struct.pack(">I", 2) + b"tRNS" + struct.pack(">H", levels[3, 3])
    path.write_bytes(png(16, 16, 16, 0, rows, extra=clear + struct.pack(">I", zlib.crc32(clear[4:]))))
    data, _ = pack(tmp_path / "folder")
    assert (data["rgb"][0][3, 3] == 255).all()
    assert (data["rgb"][0][3, 4] == 52).all()
    colours = np.dstack([levels, levels[::-1], levels.T]).astype(">u2")[:, :8].repeat(2, 1)  # 128 colours
    path.write_bytes(png(16, 16, 16, 2, b"".join(b"\0" + row.tobytes() for row in colours)))
    data, _ = pack(tmp_path / "folder")
    assert (data["rgb"][0] == colours >> 8).all()


def test_interlaced(tmp_path):
    picture = drawn(8)
    passes = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
    rows = b"".join(b"\0" + row.tobytes() for y, dy, x, dx in passes for row in picture[y::dy, x::dx])
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one.png").write_bytes(png(16, 16, 8, 2, rows, interlaced=1))
    data, _ = pack(tmp_path / "folder")
    assert (data["rgb"][0] == picture).all()


def test_cmyk(tmp_path):
    picture = Image.fromarray(np.repeat(np.repeat(drawn(5, 4), 4, 0), 4, 1)).convert("CMYK")
    expected = np.asarray(picture.convert("RGB"))
    assert (packed(tmp_path, picture, name="one.tif") == expected).all()


def test_first_frame_of_an_animation(tmp_path):
    frames = [palette_picture(None)[0].rotate(angle) for angle in (0, 90, 180)]
    for name in ("a.gif", "b.png"):
        save(tmp_path / name[0] / "folder" / name, frames[0], save_all=True, append_images=frames[1:], duration=100)
        data, _ = pack(tmp_path / name[0] / "folder")
        assert len(data["images"]) == 1
        assert (data["rgb"][0] == palette_picture(None)[1]).all()


def test_exif_orientation_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    assert (packed(tmp_path, drawn(9), exif=exif) == drawn(9)).all()


# Every size becomes 16x16


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_blown_up_pixel_art_comes_back_exactly(tmp_path, factor):
    big = drawn(10).repeat(factor, 0).repeat(factor, 1)
    assert (packed(tmp_path, big) == drawn(10)).all()


def test_nearest_where_it_divides_and_averages_where_not(tmp_path):
    checks = np.indices((48, 48)).sum(0) % 2 * np.uint8(255)  # black and white
    stripes = np.dstack([checks, checks // 2, checks // 3]).astype(np.uint8)
    assert set(map(tuple, packed(tmp_path / "a", stripes).reshape(-1, 3))) <= {(0, 0, 0), (255, 127, 85)}
    averaged = packed(tmp_path / "b", stripes[:40, :40])
    assert ((averaged[..., 0] > 60) & (averaged[..., 0] < 200)).all()
    smooth = packed(tmp_path / "c", stripes, "--smooth")
    assert ((smooth[..., 0] > 60) & (smooth[..., 0] < 200)).all()


@pytest.mark.parametrize(("side", "factor"), [(1, 16), (2, 8), (5, 3), (8, 2), (9, 1), (12, 1), (15, 1)])
def test_small_ones_are_enlarged_by_whole_numbers_and_padded(tmp_path, side, factor):
    width = side if side == 1 else side - 1
    picture = drawn(11, side)[:, :width] // 2
    image = packed(tmp_path, picture) if side > 1 else packed(tmp_path, np.repeat(picture, 2, 1))
    inked = (image != 255).any(-1)
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    inside = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if side == 1:
        assert inside.shape[:2] == (8, 16)
    else:
        assert (inside == picture.repeat(factor, 0).repeat(factor, 1)).all()
        assert abs(rows[0] - (15 - rows[-1])) <= 1
        assert abs(columns[0] - (15 - columns[-1])) <= 1


@pytest.mark.parametrize("size", [(32, 16), (16, 32), (64, 48), (100, 50), (30, 60)])
def test_never_stretched(tmp_path, size):
    width, height = size
    image = packed(tmp_path, drawn(12, max(size))[:height, :width] // 2)
    inked = (image != 255).any(-1)
    drawn_width, drawn_height = inked.any(0).sum(), inked.any(1).sum()
    assert max(drawn_width, drawn_height) == 16
    assert abs(drawn_width / drawn_height - width / height) <= 0.2 * width / height


def test_art_that_is_finer_than_a_sprite_is_counted_and_smooth_is_advised(tmp_path):
    pack_folder = tmp_path / "pack"
    for i, factor in enumerate((1, 2, 3)):  # blown up, one of them padded, one with a hidden colour
        big = np.dstack([drawn(i), np.full((16, 16), 255, np.uint8)]).repeat(factor, 0).repeat(factor, 1)
        big[: 2 * factor, :, 3] = 0
        big[0, 0, :3] = 77
        save(pack_folder / f"blown{i}.png", big[: 14 * factor])
    _, done = pack(pack_folder)
    assert "--smooth" not in done.stdout
    save(pack_folder / "fine.png", drawn(8, 32))
    _, done = pack(pack_folder)
    assert "coarse   1 of them lost details" in done.stdout
    assert "try --smooth" in done.stdout
    _, done = pack(pack_folder, "--smooth")
    assert "--smooth" not in done.stdout


def test_transparent_pixels_do_not_stain_when_averaged(tmp_path):
    picture = np.zeros((24, 24, 4), np.uint8)  # transparent black
    picture[6:18, 6:18] = (250, 40, 40, 255)
    image = packed(tmp_path, picture).astype(int)
    assert (image[..., 0] >= 249).all()  # red or white, never a dark rim


def test_a_strip_is_named_and_left_out_without_tile(tmp_path):
    save(tmp_path / "pack" / "long.png", np.concatenate([drawn(i) for i in range(6)]))
    save(tmp_path / "pack" / "square.png", drawn(9))
    data, done = pack(tmp_path / "pack")
    assert len(data["images"]) == 1
    assert "long.png: 16x96 pixels are too long" in done.stderr
    data, done = pack(tmp_path / "pack", "--tile", "16")
    assert len(data["images"]) == 7
    assert done.stderr == ""


# Sheets


def sheet_of(tiles, columns, margin=0, spacing=0, trailing=0):
    """Tiles (n, h, w, 3) laid out on magenta."""
    n, height, width, _ = tiles.shape
    rows = -(-n // columns)
    shape = [2 * margin + k * (side + spacing) - spacing + trailing for k, side in ((rows, height), (columns, width))]
    sheet = np.full((*shape, 3), (255, 0, 255), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = margin + i // columns * (height + spacing), margin + i % columns * (width + spacing)
        sheet[top : top + height, left : left + width] = tile
    return sheet


@pytest.mark.parametrize(("margin", "spacing", "trailing"), [(0, 0, 0), (2, 0, 0), (0, 1, 0), (3, 2, 0), (0, 1, 1)])
def test_sheets_are_cut(tmp_path, margin, spacing, trailing):
    tiles = np.stack([drawn(i) for i in range(12)])
    save(tmp_path / "pack" / "food" / "fruit_sheet.png", sheet_of(tiles, 4, margin, spacing, trailing))
    options = ("--tile", 16, "--margin", margin, "--spacing", spacing, "--min-word", 1)
    data, done = pack(tmp_path / "pack", *options)
    assert {image.tobytes() for image in data["rgb"]} == {tile.tobytes() for tile in tiles}
    assert set(data["captions"].tolist()) == {"fruit"}
    assert "1 of them into 12 tiles" in done.stdout


def test_tiles_of_any_size_and_loose_pictures_beside_them(tmp_path):
    tiles = np.stack([drawn(i, 48)[:, :32] // 2 for i in range(6)])
    save(tmp_path / "pack" / "sheet.png", sheet_of(tiles, 3))
    save(tmp_path / "pack" / "loose.png", drawn(7))
    data, _ = pack(tmp_path / "pack", "--tile", "32x48")
    assert len(data["images"]) == 7
    assert drawn(7).tobytes() in as_seen(data)
    assert ((data["rgb"] == 255).all((1, 3)).sum(1) > 4).sum() == 6  # the six are padded at the sides


def test_empty_and_repeated_tiles_are_dropped_and_counted(tmp_path):
    tiles = np.stack(
        [drawn(0), drawn(1), drawn(0), np.full((16, 16, 3), 40, np.uint8), drawn(2), np.full((16, 16, 3), 255, np.uint8)]
    )
    save(tmp_path / "pack" / "sheet.png", sheet_of(tiles, 3))
    data, done = pack(tmp_path / "pack", "--tile", "16")
    assert len(data["images"]) == 3
    assert "2 empty or of one colour" in done.stdout
    assert "1 exact duplicates" in done.stdout


def test_a_sheet_that_does_not_divide_is_named_and_the_rest_is_packed(tmp_path):
    save(tmp_path / "pack" / "odd.png", drawn(1, 40))
    save(tmp_path / "pack" / "even.png", drawn(2, 32))
    data, done = pack(tmp_path / "pack", "--tile", "16")
    assert len(data["images"]) == 4
    assert "odd.png: 40x40 pixels are no whole number of tiles of 16x16" in done.stderr


def test_a_row_of_a_sheet_stays_on_one_side(tmp_path):
    tiles = np.stack([drawn(i) for i in range(120)])
    save(tmp_path / "pack" / "sheet.png", sheet_of(tiles, 6))
    data, _ = pack(tmp_path / "pack", "--tile", "16")
    seen = as_seen(data)
    sides = np.array([seen[tile.tobytes()] for tile in tiles]).reshape(20, 6)
    assert (sides == sides[:, :1]).all()
    assert (sides == TEST).sum() == 12


# Words


@pytest.mark.parametrize(
    ("stem", "words"),
    [
        ("sword_02b", "sword"),
        ("Blue-Potion (3)", "blue potion"),
        ("icon_023", ""),
        ("023", ""),
        ("RedDragonHD", "red dragon hd"),
        ("bigRedApple12x12", "big red apple"),
        ("HTTPServer", "http server"),
        ("potion of healing - Copy (2)", "potion healing"),
        ("Épée_Dorée", "épée dorée"),
        ("E\u0301pe\u0301e", "épée"),  # as a Mac writes it
        ("スライム_3", "スライム"),
        ("剣", "剣"),
        ("red.red.apple", "red apple"),
    ],
)
def test_words_of_a_name(stem, words):
    assert " ".join(pack_sprites.split_words(stem)) == words


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("sword_02b", "sword 02"),
        ("sword_02", "sword"),
        ("sword", "sword"),
        ("slime_walk_3", "slime"),
        ("knight_f_idle_anim_f0", "knight"),
        ("Blue-Potion (3)", "blue potion"),
        ("walk_1", "walk"),
        ("icon_023", ""),
    ],
)
def test_names_of_sprites(stem, name):
    assert pack_sprites.sprite_name(stem)[0] == name


def test_captions_from_folders_and_class(tmp_path):
    save(tmp_path / "pack" / "player" / "hair" / "long_red.png", drawn(0))
    save(tmp_path / "pack" / "player" / "potions" / "blue_potion.png", drawn(1))
    save(tmp_path / "pack" / "player" / "axes" / "017.png", drawn(2))
    save(tmp_path / "pack" / "player" / "icon_3.png", drawn(3))
    data, _ = pack(tmp_path / "pack", "--min-word", "1")
    by_image = dict(zip((image.tobytes() for image in data["rgb"]), data["captions"].tolist()))
    for image in data["rgb"][data["split"] != TRAIN]:  # a word that only test or validation has is dropped
        by_image.pop(image.tobytes())
    expected = {0: "long red hair", 1: "blue potion", 2: "axes", 3: "player"}
    kept = {i: by_image[drawn(i).tobytes()] for i in range(4) if drawn(i).tobytes() in by_image}
    assert len(kept) == 2
    assert kept == {i: expected[i] for i in kept}


def test_captions_csv(tmp_path):
    for i in range(6):
        save(tmp_path / "pack" / "things" / f"old_{i}.png", drawn(i))
    rows = ["file,caption", 'things/old_0.png,"Red, shiny apple"', "old_1.png,blue bird", "things\\old_2.png,green tree"]
    table = "\n".join([*rows, "old_3.png,", "gone.png,x"])
    (tmp_path / "pack" / "captions.csv").write_text(table, encoding="utf-8-sig")
    data, done = pack(tmp_path / "pack", "--min-word", "1", "--test", "0.01")
    of = dict(zip((image.tobytes() for image in data["rgb"]), data["captions"].tolist()))
    captions = [of[drawn(i).tobytes()] for i in range(6)]
    assert captions == ["red shiny apple", "blue bird", "green tree", "old", "old", "old"]
    assert "there is no picture 'gone.png'" in done.stderr
    (tmp_path / "pack" / "captions.csv").write_bytes(b"old_0.png,\xff\xfe\n")
    data, done = pack(tmp_path / "pack", "--min-word", "1")
    assert "captions.csv: not UTF-8 text" in done.stderr
    assert len(data["images"]) == 6


def test_rare_words_are_folded_away_and_counted(tmp_path):
    for i in range(41):
        kind = "apple" if i < 20 else "pear" if i < 39 else "unicorn"
        save(tmp_path / "pack" / "food" / f"{kind}{i}x.png", drawn(i))
    data, done = pack(tmp_path / "pack")
    assert Counter(data["captions"].tolist()) == {"apple": 20, "food": 21}
    assert "2 rare ones folded away" in done.stdout
    data, done = pack(tmp_path / "pack", "--min-word", "19")
    assert Counter(data["captions"].tolist()) == {"apple": 20, "pear": 19, "food": 2}


def test_a_caption_has_at_most_eight_words(tmp_path):
    for i in range(3):
        save(tmp_path / "pack" / f"one_two_three_four_five_six_seven_eight_nine_ten_{i}.png", drawn(i))
    data, _ = pack(tmp_path / "pack", "--min-word", "1")
    assert set(data["captions"].tolist()) == {"one two three four five six seven eight"}


# Duplicates


def test_near_duplicates_are_dropped_and_what_differs_is_kept(tmp_path):
    gem = np.full((16, 16, 3), 255, np.uint8)
    gem[6:9, 6:9] = (200, 30, 30)
    blue = gem.copy()
    blue[6:9, 6:9] = (30, 30, 200)
    moved = np.roll(gem, 1, axis=0)
    faint, other_faint = (np.where(gem == 255, 255, colour).astype(np.uint8) for colour in ((235, 235, 250), (250, 235, 235)))
    noisy = np.clip(drawn(1).astype(int) + np.random.RandomState(0).randint(-3, 4, (16, 16, 3)), 0, 255).astype(np.uint8)
    eyes = drawn(2).copy()
    eyes[4, 5:7] = 255 - eyes[4, 5:7]
    pictures = [drawn(1), drawn(1)[:, ::-1], noisy, gem, blue, moved, faint, other_faint, drawn(2), eyes, drawn(3), drawn(3)]
    for i, picture in enumerate(pictures):
        save(tmp_path / "pack" / f"{i}.png", np.ascontiguousarray(picture))
    data, done = pack(tmp_path / "pack")
    assert "1 exact duplicates" in done.stdout
    assert "1 near duplicates" in done.stdout
    kept = {image.tobytes() for image in data["rgb"]}
    assert kept == {picture.tobytes() for i, picture in enumerate(pictures) if i != 2}


def test_alike_pairs_are_those_that_comparing_all_pairs_finds():
    images = np.stack([drawn(i // 3) for i in range(60)])
    change = np.random.RandomState(1).randint(0, 9, images.shape) * np.random.RandomState(2).randint(0, 3, (60, 1, 1, 1))
    images = np.clip(images.astype(int) + change, 0, 255).astype(np.uint8)
    levels, ink = images.astype(int).reshape(60, -1), (255 - images.astype(int)).reshape(60, -1).mean(1)
    expected = set()
    for i in range(60):
        for j in range(i + 1, 60):
            gap = np.abs(levels[i] - levels[j])
            if gap.mean() <= min(3, ink[i] / 10, ink[j] / 10):
                expected.add((i, j, gap.max()))
    assert len(expected) > 5
    assert set(pack_sprites.alike_pairs(images, WHITE)) == expected


# Folders laid out as the packs are that the seed names


def test_kyrise_icons_in_three_sizes_and_a_sheet(tmp_path):
    """icons/16x16/sword_01a.png, the same in 32x32 and 48x48, and a sheet of them all."""
    root = tmp_path / "Kyrise's 16x16 RPG Icon Pack - V1.3"
    kinds = ("sword", "potion", "gem", "book")
    icons = {
        f"{kind}_0{k}{c}": drawn(100 * i + 10 * k + j)
        for i, kind in enumerate(kinds)
        for k in (1, 2, 3)
        for j, c in enumerate("abcde")
    }
    for name, icon in icons.items():
        for factor in (1, 2, 3):
            save(root / "icons" / f"{16 * factor}x{16 * factor}" / f"{name}.png", icon.repeat(factor, 0).repeat(factor, 1))
    save(root / "spritesheet" / "spritesheet_16x16.png", sheet_of(np.stack(list(icons.values())), 10))
    (root / "License.txt").write_text("CC BY 4.0")
    data, done = pack(root / "icons" / "16x16", "--min-word", "15")
    assert Counter(data["captions"].tolist()) == dict.fromkeys(kinds, 15)
    seen = as_seen(data)
    for kind in kinds:
        for k in (1, 2, 3):  # the five colours of a sword
            assert len({seen[icons[f"{kind}_0{k}{c}"].tobytes()] for c in "abcde"}) == 1
    data, done = pack(root, "--min-word", "15")
    assert len(data["images"]) == 61  # each once, and the sheet as one picture
    assert "120 exact duplicates" in done.stdout
    data, done = pack(root / "spritesheet", "--tile", "16")
    assert len(data["images"]) == 60


def test_fruits_in_files_and_in_a_sheet(tmp_path):
    """FrootsnVeggies: one sheet of fruits with empty places, or a file each, with blanks in the names."""
    fruits = {name: drawn(i) for i, name in enumerate(("Apple", "Bell Pepper", "Corn on the Cob", "Green Apple"))}
    for name, fruit in fruits.items():
        save(tmp_path / "Food Pack" / "Froots n Veggies" / f"{name}.png", fruit)
    data, _ = pack(tmp_path / "Food Pack", "--min-word", "1", "--test", "0.01")
    assert set(data["captions"].tolist()) - {"froots n veggies"} <= {"apple", "bell pepper", "corn on cob", "green apple"}
    clear = np.zeros((16, 16, 4), np.uint8)
    tiles = [np.dstack([fruit, np.full((16, 16), 255, np.uint8)]) for fruit in fruits.values()] + [clear, clear]
    rows = [np.concatenate(tiles[i : i + 3], 1) for i in (0, 3)]
    save(tmp_path / "FrootsnVeggies" / "sheet.png", np.concatenate(rows))
    data, done = pack(tmp_path / "FrootsnVeggies", "--tile", "16")
    assert {image.tobytes() for image in data["rgb"]} == {fruit.tobytes() for fruit in fruits.values()}
    assert set(data["captions"].tolist()) == {"frootsnveggies"}


# Splits


def test_variants_of_a_sprite_stay_on_one_side(tmp_path):
    stems = []
    for k in range(30):
        thing = "abcdefghij"[k % 10] * 2 + "klm"[k // 10] * 2
        frames = [f"{thing}_walk_{n}" for n in range(3)] + [f"{thing}_idle_{n}" for n in range(2)]
        letters = [f"{thing}axe_{k:02d}{letter}" for letter in "abc"] + [f"{thing}axe_{k:02d}"]
        stems += [(thing, stem) for stem in frames] + [(thing + "axe", stem) for stem in letters]
    for i, (_, stem) in enumerate(stems):
        save(tmp_path / "pack" / "all" / f"{stem}.png", drawn(i))
    data, _ = pack(tmp_path / "pack")
    seen, sides = as_seen(data), {}
    for i, (thing, _) in enumerate(stems):
        sides.setdefault(thing, set()).add(seen[drawn(i).tobytes()])
    assert len(sides) == 60
    assert all(len(side) == 1 for side in sides.values())
    assert (data["split"] == TEST).sum() == 27


def test_look_alikes_of_other_names_stay_on_one_side(tmp_path):
    for i in range(60):
        save(tmp_path / "pack" / "all" / f"{'abcdef'[i % 6] * 3}{'ghijklmnop'[i // 6] * 3}.png", drawn(i))
        other = drawn(i)
        other[8, 8:10] = 255 - other[8, 8:10]  # it blinks
        save(tmp_path / "pack" / "all" / f"{'ghijklmnop'[i // 6] * 3}{'abcdef'[i % 6] * 3}.png", other)
    data, _ = pack(tmp_path / "pack")
    assert len(data["images"]) == 120
    seen = as_seen(data)
    for i in range(60):
        other = drawn(i)
        other[8, 8:10] = 255 - other[8, 8:10]
        assert seen[drawn(i).tobytes()] == seen[other.tobytes()]
    assert (data["split"] == TEST).sum() == 12


def test_a_tenth_of_each_class_is_test(tmp_path):
    sizes = {"few": 10, "more": 50, "most": 200}
    for k, (name, n) in enumerate(sizes.items()):
        for i in range(n):
            save(tmp_path / "pack" / name / f"{i}.png", drawn(1000 * k + i))
    data, _ = pack(tmp_path / "pack")
    tests = np.bincount(data["labels"][data["split"] == TEST])
    assert dict(zip(data["class_names"].tolist(), tests.tolist())) == {"few": 1, "more": 5, "most": 20}
    data, _ = pack(tmp_path / "pack", "--test", "0.3")
    assert np.bincount(data["labels"][data["split"] == TEST]).tolist() == [3, 15, 60]


def test_many_files_under_one_name_are_not_one_sprite(tmp_path):
    for i in range(200):
        save(tmp_path / "pack" / f"item_{i:03d}.png", drawn(i))
    data, _ = pack(tmp_path / "pack", "--min-word", "1")
    assert 12 <= (data["split"] == TEST).sum() <= 20


def test_a_class_of_two_sprites_has_one_in_test_and_of_one_none(tmp_path):
    for i, name in enumerate(("two/axe", "two/bow", "one/axe", "frames/cat_1", "frames/cat_2", "frames/cat_3")):
        save(tmp_path / "pack" / f"{name}.png", drawn(i))
    data, _ = pack(tmp_path / "pack")
    assert data["class_names"].tolist() == ["frames", "one", "two"]
    assert np.bincount(data["labels"][data["split"] == TEST], minlength=3).tolist() == [0, 0, 1]
    assert not (data["split"] == VALIDATION).any()  # train keeps a sprite of each class


def test_a_tenth_of_each_class_is_validation_and_three_things_are_one_in_each_split(tmp_path):
    sizes = {"three": 3, "ten": 10, "more": 50, "most": 200}
    for k, (name, n) in enumerate(sizes.items()):
        for i in range(n):
            save(tmp_path / "pack" / name / f"{i}.png", drawn(1000 * k + i))
    for share, expected in ((None, (1, 1, 5, 20)), (0.2, (1, 2, 10, 40))):
        data, done = pack(tmp_path / "pack", *(("--test", share) if share else ()))
        for split in (TEST, VALIDATION):
            of = dict(zip(data["class_names"].tolist(), np.bincount(data["labels"][data["split"] == split]).tolist()))
            assert of == dict(zip(sizes, expected))
        table = [line.split() for line in done.stdout.splitlines()]
        assert ["class", "train", "test", "novel", "validation"] in table
        assert ["ten", str(10 - 2 * expected[1]), str(expected[1]), "0", str(expected[1])] in table


def test_however_large_the_share_train_keeps_half_of_each_class(tmp_path):
    for i in range(40):
        save(tmp_path / "pack" / "ab"[i % 2] / f"{i}.png", drawn(i))
    data, _ = pack(tmp_path / "pack", "--test", 0.9)
    assert (np.bincount(data["labels"][data["split"] == TRAIN]) >= 9).all()  # a group too many may go where none fits
    assert {TRAIN, TEST, VALIDATION} == set(data["split"].tolist())


def test_a_pack_without_a_test_sprite_says_so(tmp_path):
    for i in range(5):
        save(tmp_path / "pack" / f"slime_walk_{i}.png", drawn(i))
    data, done = pack(tmp_path / "pack")
    assert not (data["split"] == TEST).any()
    assert "no sprite is left for the test split" in done.stderr
    save(tmp_path / "pack" / "bat.png", drawn(9))
    data, done = pack(tmp_path / "pack")
    assert (data["split"] == TEST).any()
    assert done.stderr == ""


def test_words_stay_in_train_where_there_is_a_choice(tmp_path):
    for k in range(40):
        kind = "abcdefghij"[k % 10] * 3 if k < 30 else f"only{'klmnopqrst'[k % 10] * 3}"
        for n in range(3):
            save(tmp_path / "pack" / f"class{k % 2}" / f"{kind}_{'uvwxyz'[k % 6] * 3}_{n}.png", drawn(10 * k + n))
    data, _ = pack(tmp_path / "pack", "--min-word", "1")
    words = [{word for c in data["captions"][data["split"] == split] for word in c.split()} for split in (TRAIN, TEST)]
    assert len(words[0]) == 10 + 10 + 6
    assert words[1] <= words[0]
    assert not any(word.startswith("only") for word in words[1])
    assert (data["split"] == TEST).sum() == 12


def test_a_word_that_only_test_has_is_dropped_where_there_is_none(tmp_path):
    for i in range(20):
        save(tmp_path / "pack" / "fruit" / f"{'apple' if i < 12 else 'pear'}_{i}.png", drawn(i))
    data, _ = pack(tmp_path / "pack", "--min-word", "1")
    assert set(data["captions"][data["split"] == TRAIN].tolist()) == {"apple"}
    assert set(data["captions"][data["split"] == TEST].tolist()) == {"fruit"}


def test_novel_pairs(tmp_path):
    seed = 0
    for colour in ("blue", "red", "green"):
        for kind in ("slime", "bat", "cat"):
            for n in range(8):
                seed += 1
                save(tmp_path / "pack" / f"{colour}{kind.title()}{n}.png", drawn(seed))
    pairs = ("slime blue", "red bat", "red unicorn")
    data, done = pack(tmp_path / "pack", "--novel", *pairs)
    novel = data["captions"][data["split"] == NOVEL].tolist()
    assert Counter(novel) == {"blue slime": 8, "red bat": 8}
    rest = set(data["captions"][data["split"] != NOVEL].tolist())
    assert not rest & {"blue slime", "red bat"}
    assert "'red unicorn': no caption holds both" in done.stderr
    data, done = pack(tmp_path / "pack", "--novel", "blue slime", "red slime", "green slime")
    assert "--novel 'green slime': train would not have both words" in done.stderr
    assert Counter(data["captions"][data["split"] == NOVEL].tolist()) == {"blue slime": 8, "red slime": 8}
    data, _ = pack(tmp_path / "pack")
    assert not (data["split"] == NOVEL).any()


def test_novel_pairs_never_take_a_whole_class(tmp_path):
    for i in range(30):
        name = ("slimes/blue_slime", "others/blue_bat", "others/red_slime")[i % 3]
        save(tmp_path / "pack" / f"{name}{i}.png", drawn(i))
    data, done = pack(tmp_path / "pack", "--min-word", "1", "--novel", "blue slime")
    assert "--novel 'blue slime': train would not have all classes" in done.stderr
    assert set(data["labels"][data["split"] == TRAIN]) == {0, 1}


# The course's files


def test_course(tmp_path):
    rng = np.random.RandomState(0)
    first = POOL[rng.randint(0, 60, (1788, 16, 16))]
    variants = first.copy()
    variants[:, 0, 0] = POOL[::-1][rng.randint(0, 30, 1788)]
    assert (variants != first).any((1, 2, 3)).sum() > 1700
    variants[:, 0, 1] = 255
    images = np.concatenate([first, first, variants])
    classes = np.arange(1788) % 5
    (tmp_path / "course").mkdir()
    np.save(tmp_path / "course" / "sprites_1788_16x16.npy", images)
    np.save(tmp_path / "course" / "sprite_labels_nc_1788_16x16.npy", np.eye(5)[np.tile(classes, 3)])
    out, sheet = tmp_path / "out.npz", tmp_path / "sheet.png"
    done = run("--course", tmp_path / "course", "--out", out, "--sheet", sheet)
    assert done.returncode == 0, done.stderr
    data = load(out)
    assert data["class_names"].tolist() == ["hero", "non-hero", "food", "spell", "side-facing"]
    assert (data["rgb"] == np.concatenate([first, variants])).all()
    assert (data["labels"] == np.tile(classes, 2)).all()
    assert "1788 exact duplicates" in done.stdout
    halves = data["split"].reshape(2, 1788)
    assert (halves[0] == halves[1]).all()  # a variant is where its sprite is
    tests = np.bincount(data["labels"][data["split"] == TEST])
    assert tests.tolist() == [72, 72, 72, 70, 70]
    assert set(data["captions"].tolist()) == set(data["class_names"].tolist())
    assert sheet.exists()


def test_course_that_is_not_there_or_something_else(tmp_path):
    done = run("--course", tmp_path, "--out", tmp_path / "out.npz")
    assert done.returncode != 0
    assert "sprites_1788_16x16.npy: cannot be read: No such file" in done.stderr
    np.save(tmp_path / "sprites_1788_16x16.npy", np.zeros((10, 16, 16, 3)))
    np.save(tmp_path / "sprite_labels_nc_1788_16x16.npy", np.zeros((10, 5)))
    done = run("--course", tmp_path, "--out", tmp_path / "out.npz")
    assert done.returncode != 0
    assert "expected images uint8 (N, 16, 16, 3) and labels (N, 5), found float64" in done.stderr
    (tmp_path / "sprites_1788_16x16.npy").write_bytes(b"not an array")
    done = run("--course", tmp_path, "--out", tmp_path / "out.npz")
    assert done.returncode != 0
    assert "sprites_1788_16x16.npy: cannot be read" in done.stderr
    assert not (tmp_path / "out.npz").exists()


# The palette


def decibels(before, after):
    """Peak signal-to-noise ratio, straight from its definition."""
    return 10 * np.log10(255**2 / ((before.astype(float) - after.astype(float)) ** 2).mean())


def palette_line(done):
    """Colours that there were, colours kept, and what that loses, from what the program said."""
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("colours ")]
    words = line.split()
    return int(words[1]), int(words[5]), " ".join(words[7:])


@pytest.mark.parametrize("extra", [0, 1])
def test_exact_up_to_the_number_of_colours_and_no_further(tmp_path, extra):
    own = np.random.RandomState(7).randint(0, 250, (63 + extra, 3)).astype(np.uint8)  # and white makes 64, or 65
    pictures = []
    for i in range(8):
        picture = np.full((16, 16, 3), 255, np.uint8)
        picture[2:14, 2:14] = own[np.random.RandomState(i).permutation(np.arange(144) % len(own)).reshape(12, 12)]
        pictures.append(picture)
        save(tmp_path / "pack" / f"{i}.png", picture)
    data, done = pack(tmp_path / "pack", "--colours", 64)
    there, kept, loss = palette_line(done)
    assert there == 64 + extra
    assert kept == len(data["palette"])
    assert kept == 64 or extra and 60 <= kept < 64  # Pillow may find two colours that are one
    assert (loss == "exact") == (extra == 0)
    assert (data["rgb"] == np.stack(pictures)).all() == (extra == 0)
    assert (data["palette"][0] == 255).all()
    assert ((data["images"] == 0) == (np.stack(pictures) == 255).all(3)).all()  # the background, and nothing else
    assert len({tuple(colour) for colour in data["palette"].tolist()}) == len(data["palette"])  # none twice


@pytest.mark.parametrize("colours", [2, 16, 64, 256])
def test_many_colours_are_brought_to_the_number_asked_for_and_the_loss_is_told(tmp_path, colours):
    pictures = np.stack([painted(i, 100) for i in range(30)])
    pictures[:, :3] = 255
    for i, picture in enumerate(pictures):
        save(tmp_path / "pack" / f"{i:02d}.png", picture)
    data, done = pack(tmp_path / "pack", "--colours", colours)
    there, kept, loss = palette_line(done)
    assert there == len(np.unique(pictures.reshape(-1, 3), axis=0))
    assert kept == len(data["palette"]) == colours
    assert data["images"].max() == colours - 1
    assert (data["images"][:, :3] == 0).all()
    assert loss == f"{decibels(pictures, data['rgb']):.1f} dB"
    distance = ((pictures[:, :, :, None].astype(int) - data["palette"]) ** 2).sum(4)
    assert (np.take_along_axis(distance, data["images"][..., None].astype(int), 3)[..., 0] == distance.min(3)).all()
    others = painted(99, colours - 1).reshape(-1, 3)[: colours - 1]  # control: colours that nobody chose
    drawn_at_random = np.concatenate([[(255, 255, 255)], others])
    distance = ((pictures[:, :, :, None].astype(int) - drawn_at_random) ** 2).sum(4)
    if colours > 2:
        assert decibels(pictures, drawn_at_random[distance.argmin(3)]) < decibels(pictures, data["rgb"]) - 0.5


def test_the_background_is_number_0_also_where_no_sprite_shows_it(tmp_path):
    for i in range(4):
        save(tmp_path / "pack" / f"{i}.png", drawn(i))
    data, done = pack(tmp_path / "pack", "--background", "#102030")
    assert data["palette"][0].tolist() == [16, 32, 48]
    assert (data["images"] > 0).all()
    assert palette_line(done)[1:] == (len(data["palette"]), "exact")
    assert len(data["palette"]) == 1 + len(np.unique(np.stack([drawn(i) for i in range(4)]).reshape(-1, 3), axis=0))


def test_sprites_that_the_palette_makes_the_same_are_duplicates(tmp_path):
    shapes = [np.random.RandomState(k).randint(0, 2, (16, 16)) for k in (1, 2)]
    pairs = (((40, 40, 40), (80, 40, 40)), ((200, 60, 60), (160, 60, 60)))  # before: further apart than near duplicates
    for i, (dark, other) in enumerate(pairs):
        for k, colour in enumerate((dark, other)):
            picture = np.where(shapes[i][..., None] > 0, np.array(colour), 255).astype(np.uint8)
            save(tmp_path / "pack" / f"{'ab'[i] * 3}{'cd'[k] * 3}.png", picture)
    data, done = pack(tmp_path / "pack")
    assert len(data["images"]) == 4
    data, done = pack(tmp_path / "pack", "--colours", "3")
    assert len(data["images"]) == 2
    assert "2 exact duplicates" in done.stdout


def test_a_sprite_of_which_the_palette_leaves_nothing_is_dropped(tmp_path):
    for i in range(6):
        save(tmp_path / "pack" / f"{i}.png", np.where(drawn(i) > 127, 0, 255).astype(np.uint8))
    faint = np.full((16, 16, 3), 255, np.uint8)
    faint[5:9, 5:9] = 235
    save(tmp_path / "pack" / "faint.png", faint)
    data, done = pack(tmp_path / "pack")
    assert len(data["images"]) == 7
    data, done = pack(tmp_path / "pack", "--colours", "4")
    assert len(data["images"]) == 6
    assert "1 empty or of one colour" in done.stdout
    save(tmp_path / "opaque" / "0.png", drawn(0) // 2)
    done = run(tmp_path / "opaque", "--colours", 2, "--out", tmp_path / "opaque.npz")
    assert done.returncode == 1
    assert "nothing to pack: with 2 colours every sprite is of one colour" in done.stderr


# When things go wrong


def bad_files(folder):
    """Files that cannot be packed, each with what the program says about it."""
    save(folder / "good.png", drawn(99, 64))
    whole = (folder / "good.png").read_bytes()
    (folder / "good.png").unlink()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    huge = png(60_000, 60_000, 8, 2, b"\0" * 1000)
    gif_frame = b"," + struct.pack("<4HB", 0, 0, 65_000, 65_000, 0) + b"\x02\x02\x44\x01\x00;"
    files = {
        "text.png": b"this is no picture",
        "nothing.png": b"",
        "head.gif": b"GIF89a",
        "cut.png": whole[: len(whole) // 2],
        "flipped.png": bytes(flipped),
        "bomb.png": huge,
        "bomb.gif": b"GIF89a" + struct.pack("<2H3B", 65_000, 65_000, 0, 0, 0) + gif_frame,
        "large.png": png(5000, 5000, 1, 0, b"\0" * 1000),
    }
    for name, body in files.items():
        (folder / name).write_bytes(body)
    reasons = dict.fromkeys(files, "")
    reasons.update({"text.png": "not a picture", "nothing.png": "not a picture"})
    reasons.update(dict.fromkeys(("bomb.png", "bomb.gif", "large.png"), "larger than 17 million pixels"))
    os.symlink(folder / "no such file", folder / "dangling.png")
    os.symlink("circle.png", folder / "circle.png")
    os.mkfifo(folder / "pipe.png")
    reasons.update(dict.fromkeys(("dangling.png", "circle.png", "pipe.png"), "a broken link, or not an ordinary file"))
    os.symlink("..", folder / "up")
    reasons["up"] = "a link back to a folder that it lies in"
    if Path("/proc/self/mem").exists():
        os.symlink("/proc/self/mem", folder / "memory.png")
        reasons["memory.png"] = "Input/output error"
    if os.geteuid():
        (folder / "locked.png").write_bytes(whole)
        (folder / "locked.png").chmod(0)
        reasons["locked.png"] = "Permission denied"
    return reasons


def test_bad_files_are_named_with_the_reason_and_the_rest_is_packed(tmp_path):
    folder = tmp_path / "my päck of sprites" / "größe 1"
    for i in range(5):
        save(folder / f"a good {'abcde'[i] * 3}.png", drawn(i))
    reasons = bad_files(folder)
    (tmp_path / "my päck of sprites" / "nothing here").mkdir()
    (folder / "readme.txt").write_text("hello")
    (folder / "._good.png").write_bytes(b"what a Mac leaves")
    data, done = pack(folder.parent, run=run_program)
    assert len(data["images"]) == 5
    assert data["class_names"].tolist() == ["größe 1"]
    for name, reason in reasons.items():
        assert f"{folder / name}: {reason}" in done.stderr, name
    assert f"{folder.parent / 'nothing here'}: no picture in it" in done.stderr
    assert len(done.stderr.splitlines()) == len(reasons) + 1  # a line each, and no other
    assert f"{len(reasons) + 1} files and folders left out" in done.stdout
    assert "1 files of other kinds" in done.stdout


def test_a_bomb_takes_little_memory(tmp_path):
    (tmp_path / "pack").mkdir()
    bad_files(tmp_path / "pack")
    save(tmp_path / "pack" / "good.png", drawn(1))

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))

    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    data, _ = pack(tmp_path / "pack", run=run_program, preexec_fn=limit, env=environment)
    assert len(data["images"]) == 1


def test_names_that_the_terminal_cannot_show(tmp_path):
    folder = tmp_path / "pack"
    save(folder / "größe" / "スライム.png", drawn(1))
    (folder / "größe" / "剣.png").write_bytes(b"")
    bad = os.path.join(os.fsencode(folder), b"gr\xf6\xdfe")  # Latin-1, which is no UTF-8
    os.mkdir(bad)
    Image.fromarray(drawn(2)).save(os.fsdecode(os.path.join(bad, b"\xe9p\xe9e.png")))
    plain = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    data, done = pack(folder, "--sheet", tmp_path / "sheet.png", run=run_program, env=plain)
    assert len(data["images"]) == 2
    assert data["class_names"].tolist() == ["größe", "gr\ufffd\ufffde"]
    assert "not a picture" in done.stderr


@pytest.mark.parametrize("content", ["nothing at all", "empty folders", "bad files", "one colour", "no folder", "a file"])
def test_nothing_to_pack_is_an_error_and_writes_nothing(tmp_path, content):
    folder, out = tmp_path / "pack", tmp_path / "out.npz"
    out.write_bytes(b"what was there")
    if content == "a file":
        folder.write_bytes(b"")
    elif content != "no folder":
        folder.mkdir()
    if content == "empty folders":
        (folder / "food").mkdir()
    if content == "bad files":
        bad_files(folder)
    if content == "one colour":
        save(folder / "white.png", np.full((16, 16, 3), 255, np.uint8))
    done = run_program(folder, "--out", out, "--sheet", tmp_path / "sheet.png")
    assert done.returncode != 0
    assert f"{folder}: nothing to pack" in done.stderr
    assert out.read_bytes() == b"what was there"
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "name a FOLDER, or --course DIR"),
        (("x", "--course", "y"), "name a FOLDER, or --course DIR"),
        (("x", "--tile", "0"), "'0' is no size"),
        (("x", "--tile", "16x"), "'16x' is no size"),
        (("x", "--margin", "-1"), "at least 0"),
        (("x", "--test", "1.5"), "between 0 and 1"),
        (("x", "--colours", "257"), "between 2 and 256"),
        (("x", "--colours", "1"), "between 2 and 256"),
        (("x", "--background", "whitish"), "'whitish' is no colour"),
        (("x", "--novel", "blue"), "pairs of words"),
    ],
)
def test_options_that_make_no_sense(options, sentence):
    done = run(*options)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path):
    for i in range(60):
        save(tmp_path / "pack" / f"{i}.png", painted(i, 200))
    out = tmp_path / "pack.npz"
    out.write_bytes(b"what was there")
    limit = 5000  # bytes that a file may have
    options = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))}
    done = run_program(tmp_path / "pack", "--out", out, **options)
    assert done.returncode != 0
    assert f"{out}: cannot be written: File too large" in done.stderr
    assert out.read_bytes() == b"what was there"
    assert {path.name for path in tmp_path.iterdir()} == {"pack", "pack.npz"}


def test_an_output_that_cannot_be(tmp_path):
    save(tmp_path / "pack" / "a.png", drawn(1))
    (tmp_path / "file").write_bytes(b"")
    done = run(tmp_path / "pack", "--out", tmp_path / "file" / "out.npz")
    assert done.returncode != 0
    assert "out.npz: cannot be written" in done.stderr


# The sheet, the summary, speed


def test_the_sheet_shows_each_class(tmp_path):
    for i in range(70):
        save(tmp_path / "pack" / ("gems" if i < 40 else "tools") / f"{i:02d}.png", drawn(i))
    sheet = tmp_path / "pack" / "sheet.png"  # inside the pack: the next run must not pack it
    for _ in range(2):
        data, _ = pack(tmp_path / "pack", "--sheet", sheet, "--colours", "16")
        assert len(data["images"]) == 70
    picture = np.asarray(Image.open(sheet))  # in the colours of the palette
    assert len(data["palette"]) == 16
    assert (picture[24:72, 3:51][::3, ::3] == data["rgb"][0]).all()
    second = 24 + 2 * 51  # below the two rows of the first class
    assert (picture[second + 24 : second + 72, 3:51][::3, ::3] == data["rgb"][40]).all()
    for top in (0, second):
        label = picture[top : top + 24]
        assert 20 < (label.max(-1) < 100).sum() < label.size / 10  # dark letters


def test_summary_adds_up(tmp_path):
    for i in range(12):
        save(tmp_path / "pack" / "ab"[i % 2] / f"{i}.png", drawn(i % 10))
    save(tmp_path / "pack" / "a" / "white.png", np.full((16, 16, 3), 255, np.uint8))
    (tmp_path / "pack" / "a" / "bad.png").write_bytes(b"")
    _, done = pack(tmp_path / "pack")
    numbers = {line.split(None, 2)[-1]: int(line.split()[1]) for line in done.stdout.splitlines() if line[:7] == "dropped"}
    assert numbers == {
        "files and folders left out": 1,
        "files of other kinds": 0,
        "empty or of one colour": 1,
        "exact duplicates": 2,
        "near duplicates": 0,
    }
    assert "read     14 pictures" in done.stdout
    assert "kept     10 sprites" in done.stdout


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_ten_thousand_files_in_time_and_memory(tmp_path):
    for k in range(20):
        (tmp_path / "pack" / f"class{k}").mkdir(parents=True)
    small = np.random.RandomState(0).randint(0, 256, (10_000, 8, 8, 3)).astype(np.uint8)
    for i, picture in enumerate(small.repeat(2, 1).repeat(2, 2)):
        path = tmp_path / "pack" / f"class{i % 20}" / f"thing{chr(97 + i % 26)}o_{i}.png"
        Image.fromarray(picture).save(path, compress_level=0)
    code = "import runpy, sys, time; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__'); "
    code += "print(time.process_time(), [line for line in open('/proc/self/status') if 'VmHWM' in line][0].split()[1])"
    command = [sys.executable, "-c", code, str(PROGRAM), str(tmp_path / "pack"), "--out", str(tmp_path / "out.npz")]
    one_core = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=one_core)
    assert "kept     10000 sprites" in done.stdout, done.stderr
    seconds, kilobytes = done.stdout.split()[-2:]
    assert float(seconds) < 20  # of CPU: other programs may be running
    assert int(kilobytes) < 200_000
