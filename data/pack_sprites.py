"""Pack your own sprites into the file that the notebooks read.

    python data/pack_sprites.py FOLDER [--out data/sprites.npz] [--sheet sheet.png] [--tile 16]

Each sub-folder of FOLDER is a class; pictures that lie in FOLDER itself are a class named after it. With
--tile, pictures larger than a tile are sheets and are cut into tiles. Every sprite becomes 16x16 pixels on
white, and all of them share a palette of at most --colours colours; what is empty or there twice is dropped.
Captions come from the names of files and folders, or from FOLDER/captions.csv (file,caption). A tenth becomes
the test split and a tenth the validation split, with all variants of a sprite on one side. Needs numpy and Pillow.
"""

import argparse
import csv
import io
import os
import re
import sys
import unicodedata
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Callable, Container, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from PIL import Image, ImageColor, ImageDraw, UnidentifiedImageError

SIZE = 16  # pixels, the side of a sprite
TRAIN, TEST, NOVEL, VALIDATION = 0, 1, 2, 3
FORMATS = ("PNG", "GIF", "BMP", "JPEG", "TIFF", "WEBP")
ENDINGS = (".png", ".gif", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
MOST_PIXELS = 4096 * 4096  # a file of a few kilobytes can claim to be a picture of gigabytes
MOST_WORDS = 8  # in a caption: 03 reads no more
LONGEST = 4  # times as long as wide; a longer picture is a strip, and would be a line of three pixels
# Alike: sprites that differ on average by at most 3 levels of 255, and by a tenth of their ink.
ALIKE, PART = 3, 0.1
SAME = 24  # levels: alike sprites that differ by no more anywhere are duplicates
MOST_VARIANTS, RUN = 32, 8  # more files under one name are not variants: then only runs of 8 stay together
NOISE = set(  # words that say nothing about what is to be seen
    "icon icons image images img pic sprite sprites spritesheet sheet tile tiles tileset texture textures "
    "frame frames px copy a an and of the with".split()
)
POSES = set(  # words that tell pictures of one thing apart
    "idle walk walking run running jump fall attack hit hurt die death dead cast anim animated animation "
    "left right up down front back side top bottom north south east west open closed on off "
    "tiny small medium large big mini hd".split()
)
ENOUGH = 250_000  # pixels from which the colours of a palette are found
COURSE_FILES = ("sprites_1788_16x16.npy", "sprite_labels_nc_1788_16x16.npy")
COURSE_CLASSES = ("hero", "non-hero", "food", "spell", "side-facing")
COURSE_PERIOD = 1788  # the labels of the course's 89,400 images repeat after so many
LEFT_OUT, OTHER, EMPTY, EXACT, NEAR = REASONS = (
    "files and folders left out",
    "files of other kinds",
    "empty or of one colour",
    "exact duplicates",
    "near duplicates",
)


class Sprite(NamedTuple):
    """One picture on its way into the file."""

    image: np.ndarray  # uint8 (16, 16, 3)
    label: str  # its class
    name: Tuple  # sprites of one name are variants of one thing
    words: List[str]


def clean(text: str) -> str:
    """Text that any file can hold: accents in one form, single blanks, a sign in place of bytes that are no text."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join(unicodedata.normalize("NFC", text).split())


def leave_out(path: Path, reason: str, counts: Counter) -> None:
    """Name a file or folder that cannot be used, say why, and count it."""
    print(f"left out: {clean(str(path))}: {reason}", file=sys.stderr)
    counts[LEFT_OUT] += 1


def find_pictures(folder: Path, counts: Counter, above: Tuple[Path, ...] = ()) -> Iterator[Path]:
    """All picture files below a folder, in the order of their names. Hidden files are passed over."""
    above += (Path(os.path.realpath(folder)),)
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        leave_out(folder, error.strerror, counts)
        return
    for path in entries:
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        if os.path.isdir(path):
            target = Path(os.path.realpath(path))
            if any(target in (one, *one.parents) for one in above):
                leave_out(path, "a link back to a folder that it lies in", counts)
                continue
            below = list(find_pictures(path, counts, above))
            yield from below
            if not below and len(above) == 1:
                leave_out(path, "no picture in it", counts)
        elif path.suffix.lower() not in ENDINGS:
            counts[OTHER] += path.name != "captions.csv"
        elif not os.path.isfile(path):
            leave_out(path, "a broken link, or not an ordinary file", counts)
        else:
            yield path


def read_picture(path: Path) -> Image.Image:
    """A picture of any mode, or the first frame of an animation, as RGBA. Raises what Pillow raises."""
    with Image.open(path, formats=FORMATS) as picture:
        picture.load()
        if picture.mode.startswith("I"):  # 16 bits of grey: the upper 8 of them
            levels = np.asarray(picture).astype(np.int64)  # (H, W)
            opaque = (levels != picture.info.get("transparency", -1)) * 255
            return Image.fromarray(np.stack([levels >> 8] * 3 + [opaque], axis=2).astype(np.uint8))
        if picture.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):  # CMYK and others are opaque
            picture = picture.convert("RGB")
        return picture if picture.mode == "RGBA" else picture.convert("RGBA")


def why_unreadable(error: Exception) -> str:
    """What is wrong with a file, in a few words, from what Pillow or numpy raised."""
    if isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError, MemoryError)):
        return f"larger than {MOST_PIXELS / 1e6:.0f} million pixels"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture, whatever its name says"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def tiles_along(length: int, tile: int, margin: int, spacing: int) -> int:
    """How many tiles lie along a side of a sheet, 0 if no whole number. Spacing may follow the last one."""
    count, rest = divmod(length - 2 * margin + spacing, tile + spacing)
    return max(count, 0) if rest in (0, spacing) else 0


def cut(picture: Image.Image, options: argparse.Namespace) -> List[Tuple[int, Image.Image]]:
    """The tiles of a sheet, each with the number of its row; a picture no larger than a tile is one sprite.

    A row shows one thing in several poses, as a rule. A single column is taken for a row: its tiles get 0.
    """
    tile, margin, spacing = options.tile or picture.size, options.margin, options.spacing
    if picture.width <= tile[0] and picture.height <= tile[1]:
        return [(0, picture)]
    columns, rows = (tiles_along(picture.size[i], tile[i], margin, spacing) for i in (0, 1))
    if not rows or not columns:
        size = f"{picture.width}x{picture.height} pixels"
        raise ValueError(f"{size} are no whole number of tiles of {tile[0]}x{tile[1]}")
    tiles = []
    for row, column in np.ndindex(rows, columns):
        left, top = (margin + i * (side + spacing) for i, side in ((column, tile[0]), (row, tile[1])))
        tiles.append((row if columns > 1 else 0, picture.crop((left, top, left + tile[0], top + tile[1]))))
    return tiles


def is_blown_up(picture: Image.Image, factor: int) -> bool:
    """True if an RGBA picture consists of squares of this side, so that every k-th pixel is all of it."""
    if picture.width % factor or picture.height % factor:
        return False
    picture = picture.convert("RGBa")  # what is transparent has no colour
    small = picture.resize((picture.width // factor, picture.height // factor), Image.NEAREST)
    return small.resize(picture.size, Image.NEAREST).tobytes() == picture.tobytes()


def fit(picture: Image.Image, options: argparse.Namespace, counts: Counter) -> np.ndarray:
    """An RGBA picture of any size as a sprite, uint8 (16, 16, 3).

    A small one is enlarged by the largest whole number that fits, so that its pixels stay square. What is not
    square is padded with transparency, never stretched. Where 16 divides the side, every k-th pixel is taken,
    so that the colours stay those of the artist; where it does not, or with --smooth, areas are averaged.
    Pictures that lose details by that are counted.
    """
    longer, shorter = max(picture.size), min(picture.size)
    if longer > SIZE and longer > LONGEST * shorter:
        size = f"{picture.width}x{picture.height} pixels"
        raise ValueError(f"{size} are too long for a square; --tile cuts strips into tiles")
    if longer < SIZE:
        picture = picture.resize(tuple(side * (SIZE // longer) for side in picture.size), Image.NEAREST)
    side = max(*picture.size, SIZE)
    nearest = side % SIZE == 0 and not options.smooth
    counts["finer"] += nearest and side > SIZE and not is_blown_up(picture, side // SIZE)
    if picture.size != (side, side):
        square = Image.new("RGBA", (side, side))
        square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        picture = square
    sprite = picture.resize((SIZE, SIZE), Image.NEAREST if nearest else Image.BOX)
    canvas = Image.new("RGBA", (SIZE, SIZE), options.background)
    canvas.alpha_composite(sprite)
    return np.asarray(canvas.convert("RGB"))


def split_case(text: str) -> str:
    """CamelCase as two words."""
    return re.sub(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])|(?<=[A-Z])(?=[A-Z][a-z])", " ", clean(text))


def is_letter(word: str) -> bool:
    """True for a single letter of an alphabet, which is no word (in other scripts it may be one)."""
    return len(word) == 1 and word.upper() != word.lower()


def split_words(text: str) -> List[str]:
    """The words in a name, in lower case, without numbers, single letters and words that say nothing.

    sword_02b: sword; Blue-Potion (3): blue potion; RedDragon: red dragon; icon_023: no word.
    """
    letters = (c if unicodedata.category(c)[0] in "LM" else " " for c in split_case(text))
    words = dict.fromkeys("".join(letters).lower().split())
    return [word for word in words if word not in NOISE and not is_letter(word)]


def caption_words(stem: str, folders: Sequence[str]) -> List[str]:
    """Words of a file name, then of the folders below the class: hair/long_red.png has "long red hair"."""
    words = split_words(stem)
    for folder in reversed(folders):
        known = {word.rstrip("s") for word in words}  # potions/blue_potion.png has one potion
        words += [word for word in split_words(folder) if word.rstrip("s") not in known]
    return words


def sprite_name(stem: str) -> Tuple[str, str]:
    """A file name without what tells variants apart (a number or letter, and poses), and the whole name.

    slime_walk_3, slime_idle_f0: slime; sword_02b, sword_02c: sword 02; icon_023: nothing.
    """
    tokens = re.findall(r"\d+|[^\W\d_]+", split_case(stem).lower()) if split_words(stem) else []
    whole, marked = " ".join(tokens), False
    while len(tokens) > 1:
        last = tokens[-1]
        if last not in POSES and not is_letter(last) and (marked or not last.isdigit()):
            break
        marked |= tokens.pop() not in POSES
    return " ".join(tokens), whole


def read_captions(path: Path, counts: Counter) -> Dict[str, List[str]]:
    """Words by file (its path below the folder, or its name alone) from captions.csv, where there is one."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if len(row) > 1]
        return {clean(row[0].replace("\\", "/")): split_words(" ".join(row[1:])) for row in rows}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, csv.Error) as error:
        leave_out(path, "not UTF-8 text" if isinstance(error, ValueError) else why_unreadable(error), counts)
        return {}


def read_folder(folder: Path, options: argparse.Namespace, counts: Counter) -> List[Sprite]:
    """All sprites below a folder that are not of one colour."""
    captions = read_captions(folder / "captions.csv", counts)
    sprites, used = [], {"file"}  # the head of the table
    for path in find_pictures(folder, counts):
        if options.sheet and os.path.realpath(path) == os.path.realpath(options.sheet):
            continue  # our own, of the last time
        counts["read"] += 1
        inner = path.relative_to(folder)
        try:
            tiles = [(row, fit(tile, options, counts)) for row, tile in cut(read_picture(path), options)]
        except Exception as error:  # a damaged file can raise almost anything
            leave_out(path, why_unreadable(error), counts)
            continue
        label = clean(inner.parts[0] if len(inner.parts) > 1 else folder.resolve().name) or "sprites"
        keys = {clean(inner.as_posix()), clean(path.name)} & set(captions)
        words = captions[max(keys, key=len)] if keys else []
        words, used = words or caption_words(path.stem, inner.parts[1:-1]), used | keys
        name, whole = sprite_name(path.stem)
        if not name and len(inner.parts) < 3:  # nothing but a number, and no folder names the thing
            name = whole = path.name
        for row, image in tiles:
            if (image == image[0, 0]).all():
                counts[EMPTY] += 1
            elif len(tiles) > 1:
                sprites.append(Sprite(image, label, (str(path), row), words))
            else:
                sprites.append(Sprite(image, label, (str(path.parent), name, whole), words))
        counts["sheets"] += len(tiles) > 1
        counts["tiles"] += len(tiles) if len(tiles) > 1 else 0
    for key in sorted(set(captions) - used):
        leave_out(folder / "captions.csv", f"there is no picture {key!r}", counts)
    return sprites


def group_variants(names: Sequence[Tuple]) -> List[Tuple]:
    """A group for each sprite: its name, but runs of 8 neighbours where too many have the same.

    "sword 02" is a variant of "sword 02 b" where that is there, else of "sword 03".
    """
    known = {name[:2] for name in names}
    groups = [(name[0], name[-1]) if (name[0], name[-1]) in known else name[:2] for name in names]
    sizes, seen = Counter(groups), Counter()
    for i, group in enumerate(groups):
        if sizes[group] > MOST_VARIANTS:
            groups[i] = (*group, seen[group] // RUN)
            seen[group] += 1
    return groups


def alike_pairs(images: np.ndarray, background: Sequence[int]) -> Iterator[Tuple[int, int, int]]:
    """Pairs i < j of sprites (N, 16, 16, 3) that are alike, with the largest difference between the two.

    Means over blocks differ by no more than pixels do, so a few numbers rule out most pairs: first the mean
    of a whole sprite, by which they are sorted, then those of 4x4 blocks.
    """
    flat = images.reshape(-1, SIZE * SIZE * 3)  # (N, 768)
    ink = np.abs(images - np.array(background, np.int16)).mean((1, 2, 3))  # (N,)
    blocks = images.reshape(-1, 4, 4, 4, 4, 3).mean((2, 4), dtype=np.float32).reshape(-1, 48)  # (N, 48)
    order = np.argsort(blocks.mean(1), kind="stable")
    blocks, level = blocks[order], blocks[order].mean(1)
    for k, end in enumerate(np.searchsorted(level, level + ALIKE + 0.01)):  # 0.01 for rounding
        close = np.abs(blocks[k + 1 : end] - blocks[k]).mean(1) <= ALIKE + 0.01
        i, others = order[k], order[k + 1 : end][close]
        gaps = np.abs(flat[others].astype(np.int16) - flat[i])  # (n, 768)
        for j, gap in zip(others, gaps):
            if gap.mean() <= min(ALIKE, PART * ink[i], PART * ink[j]):
                yield min(i, j), max(i, j), gap.max()


def colours_in(images: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """The colours of images (N, 16, 16, 3) as one number each, (N, 16, 16), and which there are, (U,)."""
    codes, there = np.zeros(images.shape[:3], np.int32), np.zeros(1 << 24, bool)
    for channel in range(3):
        codes = codes * 256 + images[..., channel]
    there[codes] = True
    return codes, np.flatnonzero(there)


def to_palette(images: np.ndarray, background: Sequence[int], colours: int) -> Tuple[np.ndarray, np.ndarray]:
    """Images (N, 16, 16, 3) as numbers of colours (N, 16, 16), and the palette (K, 3) with the background as number 0.

    Up to `colours` colours stay as they are; of more, Pillow makes so many, and each becomes the nearest of them.
    """
    codes, own = colours_in(images)
    unique = np.stack([own >> 16, own >> 8 & 255, own & 255], 1)  # (U, 3)
    rest = unique[(unique != background).any(1)]
    if len(rest) >= colours:
        pixels = images.reshape(-1, 3)
        pixels = pixels[(pixels != background).any(1)]
        picture = Image.fromarray(pixels[None, :: -(-len(pixels) // ENOUGH)])
        picture = picture.quantize(colours - 1, Image.Quantize.MEDIANCUT, kmeans=10, dither=Image.Dither.NONE)
        rest = np.unique(np.reshape(picture.getpalette(), (-1, 3))[: colours - 1], axis=0)
    palette = np.array([background, *sorted(rest.tolist(), key=sum)])
    number = np.zeros(1 << 24, np.uint8)  # of the nearest colour
    for k in range(0, len(own), 4096):
        number[own[k : k + 4096]] = ((unique[k : k + 4096, None] - palette) ** 2).sum(2).argmin(1)
    return number[codes], palette.astype(np.uint8)


def decibels(before: np.ndarray, after: np.ndarray) -> float:
    """Peak signal-to-noise ratio of images uint8 (N, 16, 16, 3), infinite if they are the same."""
    parts = range(0, len(before), 1000)
    total = sum(np.square(before[k : k + 1000].astype(int) - after[k : k + 1000]).sum() for k in parts)
    return 10 * np.log10(255**2 * before.size / total) if total else np.inf


def first_of_each(images: np.ndarray, counts: Counter) -> List[int]:
    """Where each of the images is there for the first time."""
    first: Dict[bytes, int] = {}
    for i, image in enumerate(images):
        first.setdefault(image.tobytes(), i)
    counts[EXACT] = len(images) - len(first)
    return list(first.values())


def drop_duplicates(looks: Sequence[np.ndarray], names: Sequence, background: Sequence, counts: Counter) -> Tuple:
    """Which sprites are there for the first time, and the group of each: its variants and look-alikes.

    `looks` are all sprites as they were and as they are in the palette: what is alike in either is alike.
    """
    groups, first = group_variants(names), first_of_each(looks[-1], counts)
    groups = [groups[i] for i in first]
    pairs = sorted(pair for images in looks for pair in alike_pairs(images[first], background))
    dropped, leader = set(), {group: group for group in groups}

    def root(group: Tuple) -> Tuple:
        """The first of the groups that were joined with this one."""
        while leader[group] != group:
            group = leader[group]
        return group

    for i, j, largest in pairs:
        if i not in dropped and largest <= SAME:
            dropped.add(j)
    for i, j, _ in pairs:
        if i not in dropped and j not in dropped:
            leader[root(groups[j])] = root(groups[i])
    counts[NEAR] = len(dropped)
    kept = [i for i in range(len(first)) if i not in dropped]
    return [first[i] for i in kept], [root(groups[i]) for i in kept]


def make_captions(words: Sequence[Sequence[str]], labels: Sequence[str], known: Container[str]) -> List[str]:
    """Captions (N,) of the words that are known; the class name where none is."""
    kept = [[word for word in words_of_one if word in known] for words_of_one in words]
    return [" ".join((one or label.lower().split())[:MOST_WORDS]) for one, label in zip(kept, labels)]


def count_words(captions: Iterable[str]) -> Counter:
    """How many captions hold each word."""
    return Counter(word for caption in captions for word in caption.split())


def split_off_novel(captions: Sequence[str], labels: np.ndarray, pairs: Sequence[str]) -> np.ndarray:
    """A split (N,) where sprites whose captions hold both words of a pair are novel, and all others train.

    A pair is left out where train would lose a word or a whole class by it.
    """
    split = np.full(len(captions), TRAIN, np.uint8)
    for pair in pairs:
        wanted = set(pair.lower().split())
        novel = np.where([wanted <= set(caption.split()) for caption in captions], np.uint8(NOVEL), split)
        rest = count_words(caption for caption, number in zip(captions, novel) if number == TRAIN)
        why = "" if wanted <= set(rest) else "train would not have both words"
        why = why or ("" if set(labels) == set(labels[novel == TRAIN]) else "train would not have all classes")
        why = "no caption holds both" if (novel == split).all() else why
        if why:
            print(f"left out: --novel {pair!r}: {why}", file=sys.stderr)
        else:
            split = novel
    return split


def split_off(split: np.ndarray, labels: np.ndarray, groups: List, captions: List, share: float) -> None:
    """Move whole groups from train to test, then to validation, in place: this share of each class for each.

    Each gets one group at least where that leaves another in train. Half the sprites of a word stay in train,
    where there is a choice: test asks for nothing never seen.
    """
    rng, members = np.random.RandomState(0), defaultdict(list)  # of each group, those in train
    for i in np.flatnonzero(split == TRAIN):
        members[groups[i]].append(i)
    left = count_words(captions[i] for group in members.values() for i in group)
    least = {word: number / 2 for word, number in left.items()}
    for label in np.unique(labels):
        own = [group for group in members.values() if labels[group[0]] == label]
        own = [own[k] for k in rng.permutation(len(own))] if len(own) > 1 else own
        target = max(1, round(share * sum(len(group) for group in own)))
        for number in (TEST, VALIDATION):
            chosen = []
            for group in own if len(own) > 1 else []:
                loss = count_words(captions[i] for i in group)
                harmless = all(left[word] - loss[word] >= least[word] for word in loss)
                if harmless and sum(map(len, chosen)) + len(group) <= target:
                    chosen.append(group)
                    left.subtract(loss)
            if len(own) > 1 and not chosen:  # where none would do, the smallest
                chosen = [min(own, key=len)]
                left.subtract(count_words(captions[i] for i in chosen[0]))
            for group in chosen:
                split[group] = number
            own = [group for group in own if split[group[0]] == TRAIN]


def read_course(folder: Path) -> Tuple[np.ndarray, np.ndarray]:
    """The course's images (N, 16, 16, 3) and labels (N,)."""
    arrays = []
    for name in COURSE_FILES:
        try:
            arrays.append(np.load(folder / name, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise SystemExit(f"{folder / name}: cannot be read: {why_unreadable(error)}") from None
    images, one_hot = arrays
    expected = (len(images), len(COURSE_CLASSES))
    if images.dtype != np.uint8 or images.shape[1:] != (SIZE, SIZE, 3) or one_hot.shape != expected:
        found = f"{images.dtype} {images.shape} and labels {one_hot.shape}"
        raise SystemExit(f"{folder}: expected images uint8 (N, 16, 16, 3) and labels (N, 5), found {found}")
    return np.asarray(images), one_hot.argmax(1)


def draw_sheet(data: Dict[str, np.ndarray], columns: int = 32, scale: int = 3) -> Image.Image:
    """Sprites of each class under its name and some captions: three rows, or one of many classes."""
    names, cell, head = data["class_names"].tolist(), SIZE * scale + scale, 24
    most = columns * (3 if len(names) <= 20 else 1)
    rows = [-(-min(n, most) // columns) for n in np.bincount(data["labels"])]
    sheet = Image.new("RGB", (columns * cell + scale, sum(rows) * cell + len(names) * head), (226, 226, 232))
    draw, top = ImageDraw.Draw(sheet), 0
    for label, name in enumerate(names):
        own = np.flatnonzero(data["labels"] == label)
        captions = dict.fromkeys(data["captions"][own[:: max(len(own) // 12, 1)]].tolist())
        tests = (data["split"][own] == TEST).sum()
        text = f"{name}: {len(own)} sprites, {tests} of them test ({', '.join(captions)})"
        draw.text((scale, top + 8), text.encode("latin-1", "replace").decode("latin-1"), fill=(20, 20, 30))
        for k, place in enumerate(np.linspace(0, len(own) - 1, min(len(own), most)).round().astype(int)):
            image = data["palette"][data["images"][own[place]]].repeat(scale, 0).repeat(scale, 1)
            row, column = divmod(k, columns)
            sheet.paste(Image.fromarray(image), (scale + column * cell, top + head + row * cell))
        top += head + rows[label] * cell
    return sheet


def write_whole(path: Path, write: Callable[[Any], None]) -> None:
    """Write a file under a temporary name, then rename it: there is never half a file at `path`."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            write(file)
        os.replace(temporary, path)
    except OSError as error:
        raise SystemExit(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def summary(data: Dict[str, np.ndarray], counts: Counter, loss: float) -> str:
    """What was read, dropped and kept, and a table of the classes."""
    words, names = count_words(data["captions"].tolist()), data["class_names"].tolist()
    lines = [f"read     {counts['read']} pictures"]
    lines += [f"cut      {counts['sheets']} of them into {counts['tiles']} tiles"] if counts["sheets"] else []
    lines += [f"dropped  {counts[reason]} {reason}" for reason in REASONS]
    lines += [f"kept     {len(data['labels'])} sprites"]
    lost = f"{loss:.1f} dB" if loss < np.inf else "exact"
    lines += [f"colours  {counts['colours']} with the background, {len(data['palette'])} kept: {lost}"]
    lines += [f"words    {len(words)} in the captions, {counts['rare words']} rare ones folded away"]
    if counts["finer"]:
        lines += [f"coarse   {counts['finer']} of them lost details finer than a sprite's pixel: try --smooth"]
    width = max(len(name) for name in ["class", *names])
    lines += ["", f"{'class':{width}}  train   test  novel  validation"]
    for label, name in enumerate(names):
        train, test, novel, validation = np.bincount(data["split"][data["labels"] == label], minlength=4)
        lines += [f"{name:{width}} {train:6d} {test:6d} {novel:6d} {validation:11d}"]
    return "\n".join(lines)


def tile_size(text: str) -> Tuple[int, int]:
    """16 or 32x48 as width and height."""
    if not re.fullmatch(r"[1-9]\d{0,3}(x[1-9]\d{0,3})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 16, or 32x48 for width and height")
    width, _, height = text.partition("x")
    return int(width), int(height or width)


def read_options(arguments: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description="Pack your own sprites into a file for the notebooks.")
    parser.add_argument("folder", nargs="?", type=Path, help="a sub-folder a class, with pictures or sheets")
    parser.add_argument("--course", type=Path, metavar="DIR", help="instead: where the course's files are")
    default = Path(__file__).resolve().parent / "sprites.npz"
    parser.add_argument("--out", type=Path, default=default, help="the file to write (data/sprites.npz)")
    parser.add_argument("--sheet", type=Path, help="draw some sprites of each class into this PNG file")
    parser.add_argument("--tile", type=tile_size, help="larger pictures are sheets of tiles of 16, or 32x48")
    parser.add_argument("--margin", type=int, default=0, help="pixels around all the tiles of a sheet (0)")
    parser.add_argument("--spacing", type=int, default=0, help="pixels between two tiles of a sheet (0)")
    parser.add_argument("--background", default="white", help="the colour under what is transparent (white)")
    parser.add_argument("--smooth", action="store_true", help="average areas even where 16 divides the size")
    parser.add_argument("--colours", type=int, default=64, help="the most colours, background included (64)")
    parser.add_argument("--min-word", type=int, default=20, help="sprites a word needs to be kept (20)")
    parser.add_argument("--test", type=float, default=0.1, help="the share of test, and of validation (0.1)")
    parser.add_argument("--novel", nargs="+", default=[], metavar="PAIR", help='pairs of words: "blue slime"')
    options = parser.parse_args(arguments)
    if bool(options.folder) == bool(options.course):
        parser.error("name a FOLDER, or --course DIR")
    if any(len(set(pair.split())) != 2 for pair in options.novel):
        parser.error('--novel takes pairs of words, each pair in quotes: --novel "blue slime" "red bat"')
    if not 2 <= options.colours <= 256:
        parser.error("--colours lies between 2 and 256")
    if min(options.margin, options.spacing) < 0 or not 0 < options.test < 1:
        parser.error("--margin and --spacing are at least 0, and --test lies between 0 and 1")
    try:
        options.background = ImageColor.getrgb(options.background)[:3] + (255,)
    except ValueError:
        parser.error(f"--background {options.background!r} is no colour: write a name, or #rrggbb")
    return options


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Read a folder, or the course's files, and write the npz and the sheet."""
    options, counts = read_options(arguments), Counter()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # names in letters that the terminal does not have
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    background, name = options.background[:3], clean(str(options.folder))
    if options.course:
        before, labels = read_course(options.course)
        counts["read"] = len(before)
    else:
        sprites = read_folder(options.folder, options, counts)
        if not sprites:
            raise SystemExit(f"{name}: nothing to pack: of {counts['read']} pictures none was kept")
        before = np.stack([sprite.image for sprite in sprites])
    images, palette = to_palette(before, background, options.colours)
    if options.course:
        kept, class_names = first_of_each(images, counts), list(COURSE_CLASSES)
        labels, groups = labels[kept], [i % COURSE_PERIOD for i in kept]
        captions = [class_names[label] for label in labels]
    else:
        drawn = (images != images[:, :1, :1]).any((1, 2))  # not so faint that the palette leaves nothing of it
        before, images, sprites = before[drawn], images[drawn], [sprites[i] for i in np.flatnonzero(drawn)]
        counts[EMPTY] += len(drawn) - len(sprites)
        if not sprites:
            raise SystemExit(f"{name}: nothing to pack: with {options.colours} colours every sprite is of one colour")
        kept, groups = drop_duplicates((before, palette[images]), [s.name for s in sprites], background, counts)
        sprites = [sprites[i] for i in kept]
        class_names = sorted({sprite.label for sprite in sprites})
        if len(class_names) > 256:
            raise SystemExit(f"{name}: {len(class_names)} classes, but at most 256 fit in the file")
        labels = np.array([class_names.index(sprite.label) for sprite in sprites])
        frequency = Counter(word for sprite in sprites for word in sprite.words)
        common = {word for word, number in frequency.items() if number >= options.min_word}
        counts["rare words"] = len(frequency) - len(common)
        captions = make_captions([s.words for s in sprites], [s.label for s in sprites], common)
    before, images = before[kept], images[kept]
    used = np.union1d(0, images)  # what was dropped may have had colours of its own
    palette, images = palette[used], np.searchsorted(used, images).astype(np.uint8)
    counts["colours"] = len(np.union1d(colours_in(before)[1], int(bytes(background).hex(), 16)))
    split = split_off_novel(captions, labels, options.novel)
    split_off(split, labels, groups, captions, options.test)
    if not (split == TEST).any():
        print("no sprite is left for the test split, which the notebooks need: add other sprites", file=sys.stderr)
    seen = count_words(caption for caption, number in zip(captions, split) if number == TRAIN)
    captions = make_captions([c.split() for c in captions], [class_names[k] for k in labels], seen)
    data = {"images": images, "palette": palette, "labels": labels.astype(np.uint8), "split": split}
    data.update({"captions": np.array(captions), "class_names": np.array(class_names)})
    packed = io.BytesIO()  # Python 3.8 says more than a sentence if a zip file cannot be finished
    np.savez_compressed(packed, **data)
    write_whole(options.out, lambda file: file.write(packed.getbuffer()))
    print(summary(data, counts, decibels(before, palette[images])))
    print(f"\n{clean(str(options.out))}: {options.out.stat().st_size / 1e6:.2f} MB")
    if options.sheet:
        write_whole(options.sheet, lambda file: draw_sheet(data).save(file, format="PNG"))


if __name__ == "__main__":
    main()
