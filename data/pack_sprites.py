"""Pack your own sprites into the file that the notebooks read. In Jupyter: %run data/pack_sprites.py FOLDER

Each sub-folder of FOLDER is a class (with train/ and test/ on top: in these); pictures in FOLDER itself are one more. Captions
come from the names of files and folders, or from tables captions.csv (file,caption). All sprites become 16x16 pixels on one
ground, in one palette. Variants of a thing stay on one side of the splits. What is left out or changed is said.
"""

import argparse
import csv
import os
import re
import sys
import unicodedata
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw

SIZE = 16  # pixels, the side of a sprite
TRAIN, TEST, NOVEL, VALIDATION = 0, 1, 2, 3
SPLITS = {"train": 0, "training": 0, "test": 1, "testing": 1, "val": 3, "valid": 3, "validation": 3, "dev": 3, "eval": 3}
PICTURE = re.compile(r"\.(png|gif|bmp|jpe?g|tiff?|webp)$", re.I)
ENDINGS = re.compile(r"(\.(png|gif|bmp|jpe?g|tiff?|webp|psd|xcf|ase|aseprite|kra|svg))+$", re.I)
GROUNDS = ("white", "#181824", "#808080", "#4a6a8c", "#2c5a46", "#5a3a68")  # to choose from; what vanishes on white is light
CLOSE, FEW = 48, 0.04  # levels of 255 that an eye can miss; the share of sprites that may vanish on white
ALIKE, PART, SAME = 3, 0.1, 24  # levels on average, share of the ink; duplicates differ by at most 24 anywhere
MOST_VARIANTS, RUN = 32, 8  # more files of one name, or all of a class, are no variants: then only runs of 8 stay together
NOISE = """icon image img pic picture photo sprite spritesheet sheet tile tileset texture frame px copy kopie copie a an and of
    the with from new at am pm untitled unnamed unbenannt layer ebene screen shot screenshot bildschirmfoto bitmap artboard asset
    download piskel pixil delay レイヤー 레이어 图层 スクリーンショット 스크린샷 屏幕截图""".split()  # words that say nothing
POSES = """idle walk walking run running jump fall attack hit hurt die dead cast anim animated left right up down front back side
    top bottom north south east west open closed on off tiny small medium large big mini hd""".split()  # variants of one thing
MARK = re.compile(r"\d+|[a-zß-ÿα-ωа-я]")  # a number, or a letter that is no word


def clean(text):
    """Text that any file can hold: accents in one form, single blanks, a sign in place of bytes that are no text."""
    text = str(text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join(unicodedata.normalize("NFC", text).split())


def read_picture(path, key):
    """A picture of any mode, or its first frame, as RGBA, transparent where it has the key colour; and how many frames."""
    with Image.open(path, formats=("PNG", "GIF", "BMP", "JPEG", "TIFF", "WEBP")) as picture:
        if picture.width * picture.height > 4096 * 4096:  # a file of a few kilobytes can claim to be gigabytes
            raise ValueError("larger than 4096x4096 pixels")
        numbers = np.array(picture)
        if picture.mode.startswith("I"):  # 16 bits of grey: the upper 8 of them
            picture = Image.fromarray((numbers >> 8).astype(np.uint8))
        pixels, frames = np.array(picture.convert("RGBA")), getattr(picture, "n_frames", 1)
    if isinstance(key, tuple):
        pixels[(pixels[..., :3] == key).all(2)] = 0
    elif key is not None and picture.mode == "P":  # the number of a colour
        pixels[numbers == key] = 0
    pixels[pixels[..., 3] == 0] = 0  # what is transparent has no colour
    return Image.fromarray(pixels), frames


def cut(picture, tile, margin, spacing):
    """The tiles of a sheet, each with its row (0 in a single column); or the picture itself, if it is no larger than one."""
    if picture.width <= tile[0] and picture.height <= tile[1]:
        return [(0, picture)]
    lefts, tops = (range(margin, picture.size[i] - margin - tile[i] + 1, tile[i] + spacing) for i in (0, 1))
    for i, starts in enumerate((lefts, tops)):
        if not starts or picture.size[i] - margin - tile[i] - starts[-1] not in (0, spacing):  # spacing may follow the last one
            raise ValueError(f"no whole number of tiles of {tile[0]}x{tile[1]} (--margin and --spacing may help)")
    boxes = [(left, top, left + tile[0], top + tile[1]) for top in tops for left in lefts]
    return [(box[1] if len(lefts) > 1 else 0, picture.crop(box)) for box in boxes]


def fit(picture, smooth, path, notes):
    """A picture of any size as a sprite, uint8 (16, 16, 4): never stretched, what was blown up is brought back."""
    pixels, factor = np.asarray(picture), 1
    if max(picture.size) > SIZE:
        rows, columns = (np.flatnonzero(np.diff(pixels, axis=axis).any((1 - axis, 2))) + 1 for axis in (0, 1))
        factor = np.gcd.reduce([*picture.size, *rows, *columns])  # it consists of squares of so many pixels
    pixels = pixels[::factor, ::factor]
    factor = max(SIZE // max(pixels.shape[:2]), 1)
    picture = Image.fromarray(pixels.repeat(factor, 0).repeat(factor, 1))
    box, longer = picture.getchannel("A").getbbox() or (0, 0, *picture.size), max(picture.size)
    if longer > SIZE and max(box[2] - box[0], box[3] - box[1]) <= max(SIZE, longer / 2):
        notes["were mostly margin, which was cut off"].append(path)
        picture = picture.crop(box)
    side = max(*picture.size, SIZE)
    notes["were larger and lost details: --tile cuts sheets, --smooth averages areas"] += [path] * (side > SIZE)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2  # negative: what crop adds is transparent
    picture = picture.crop((left, top, left + side, top + side))
    return np.asarray(picture.resize((SIZE, SIZE), Image.BOX if side % SIZE or smooth else Image.NEAREST))


def split_tokens(text):
    """The words and numbers in a name, in lower case: RedDragon_02b has red, dragon, 02, b."""
    text = re.sub(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])|(?<=[A-Z])(?=[A-Z][a-z])", " ", clean(text))  # CamelCase
    return re.findall(r"\d+|[^\d ]+", "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text).lower())


def split_words(text):
    """The words in a name that say something: Blue-Potion (3) has blue, potion; icon_023 and untitled-1 have none."""
    words = {word.rstrip("s"): word for word in split_tokens(text)[::-1] if not MARK.fullmatch(word)}  # one of potion, potions
    return [word for word in dict.fromkeys(split_tokens(text)) if word in words.values() and word.rstrip("s") not in NOISE]


def read_captions(tables, notes):
    """Words by folder and name of a picture, from all tables, with commas, semicolons or tabs between the columns."""
    captions = {}
    for path in tables:
        try:
            text = path.read_text(encoding="utf-8-sig")
            first = re.search(r"[,;\t]", re.sub(r'"[^"\n]*"', "", text))  # what follows the first name
            for row in filter(None, csv.reader(text.splitlines(True), delimiter=(first or ",")[0], skipinitialspace=True)):
                captions[path.parent, clean(row[0].replace("\\", "/")).lower()] = split_words(" ".join(row[1:]))
        except (OSError, ValueError, csv.Error):
            notes["are tables that cannot be read: save them as UTF-8 text"].append(path)
    return captions


def read_folder(options, lost, notes):
    """The sprites below the folder, each as a dictionary; what cannot be used is told in `lost`."""
    folder, found, borders, used = options.folder, [], defaultdict(list), set()
    paths = [p for p in sorted(folder.rglob("*")) if not re.search(r"(^|/)(\.|__MACOSX)", p.relative_to(folder).as_posix())]
    folders, sheet = {path for path in paths if path.is_dir()}, os.path.realpath(options.sheet or folder)
    useless = [p for p in sorted(folders) if p.is_symlink() or not os.access(p, os.R_OK) or not any(p.iterdir())]
    notes["are folders that are empty, links or locked"] += useless
    files = [path for path in paths if path not in folders and os.path.realpath(path) != sheet]
    pictures = [path for path in files if PICTURE.search(path.name)]
    tables = [path for path in files if path.name.lower() in ("captions.csv", "captions.tsv")]
    notes["are no pictures by their endings"] += sorted({*files} - {*pictures, *tables})
    captions = read_captions(tables, notes)
    tops = {p.name: re.sub("[^a-z].*", "", p.name.lower().lstrip("0123456789_- ")) for p in sorted(folders) if p.parent == folder}
    splits = {name: SPLITS[word] for name, word in tops.items() if word in SPLITS}
    splits = splits if TRAIN in splits.values() and len(splits) > 1 else {}
    notes["are taken for splits, and the folders in them for classes"] += [folder / top for top in splits]
    for path in pictures:
        stem, (*above, _) = ENDINGS.sub("", path.name), path.relative_to(folder).parts
        row = {"path": path, "split": splits[above.pop(0)] if above and above[0] in splits else None}
        row["label"] = clean(above[0] if above else folder.resolve().name) or "sprites"
        names = [(up, name) for up in path.parents for name in (path.relative_to(up).as_posix(), path.name, stem)]
        keys = [(up, clean(name).lower()) for up, name in names if (up, clean(name).lower()) in captions]
        used.update(keys[:1])
        row["words"] = keys and captions[keys[0]] or split_words(" ".join([stem, *above[:0:-1]]))
        tokens = [token for token in split_tokens(stem) if MARK.fullmatch(token) or token not in POSES + NOISE]
        thing = " ".join(tokens[:-1] if tokens and MARK.fullmatch(tokens[-1]) else tokens) or path.name * (len(above) < 2)
        try:
            picture, frames = read_picture(path, options.key)
            long, short = max(picture.size), min(picture.size)
            strip = long % short == 0 and long > short >= 8  # a row or column of squares, as animations have
            if options.tile in ((None,) if strip else (None, "strips")) and long > SIZE and long >= (3 if strip else 4) * short:
                raise ValueError("probably strips: --tile strips cuts squares, --tile 24x16 others, --tile 999 keeps them")
            tile = {None: picture.size, "strips": (short, short) if strip else picture.size}.get(options.tile, options.tile)
            tiles = cut(picture, tile, options.margin, options.spacing)
        except Exception as error:  # a damaged file can raise almost anything
            why = getattr(error, "strerror", None) or clean(error).split(" '")[0] or type(error).__name__
            lost[f"cannot be used: {why}"].append(path)
            continue
        notes["have several frames, of which the first is packed: save the others as files"] += [path] * (frames > 1)
        notes["may be two frames each, packed as one: --tile strips cuts them"] += [path] * (strip and options.tile is None)
        for line, tile in tiles:
            pixels = np.asarray(tile)
            border = Counter(map(bytes, np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])))
            borders[border.most_common(1)[0][0] * (max(border.values()) > sum(tile.size))].append(path)  # more than half of it
            thing = f"{path}/{line}" if len(tiles) > 1 else f"{path.parent}/{thing}"
            found.append({**row, "sprite": fit(tile, options.smooth, path, notes), "thing": thing})
    notes["are named in captions.csv, but not there"] += sorted(key for up, key in {*captions} - used if PICTURE.search(key))
    idle = {up for up, _ in captions} - {up for up, _ in used}  # not of tables that could not be read, which is said already
    notes["are tables of no picture: a line is a file and its caption"] += [path for path in tables if path.parent in idle]
    key, having = max(borders.items(), key=lambda item: len(item[1]), default=(b"", []))
    if key and key[3] == 255 and key[:3] != b"\xff" * 3 and len(having) > len(found) / 2:
        notes[f"have a border of #{key[:3].hex()}: --key '#{key[:3].hex()}' makes it transparent"] += having
    return found


def choose_ground(sprites, names):
    """The first of these colours, or the one on which the fewest sprites (N, 16, 16, 4) vanish; and which vanish on each."""
    solid = np.pad(sprites[..., 3] > 63, ((0, 0), (1, 1), (1, 1)), constant_values=True)  # (N, 18, 18)
    inside = solid[:, :-2, 1:-1] & solid[:, 2:, 1:-1] & solid[:, 1:-1, :-2] & solid[:, 1:-1, 2:]
    edge, gone = solid[:, 1:-1, 1:-1] & ~inside, {}  # the pixels of a sprite that touch the ground
    for name in names:
        close = np.abs(sprites[..., :3] - np.array(ImageColor.getrgb(name)[:3], np.int16)).max(3) < CLOSE
        gone[name] = np.flatnonzero((edge & close).sum((1, 2)) > edge.sum((1, 2)) / 2)
    return names[0] if len(gone[names[0]]) <= FEW * len(sprites) else min(gone, key=lambda name: len(gone[name])), gone


def to_palette(images, ground, colours):
    """Images (N, 16, 16, 3) as numbers of colours, the palette (K, 3) with the ground first, and how many there were."""
    own, inverse = np.unique(images.astype(np.int32) @ (65536, 256, 1), return_inverse=True)
    own = np.stack([own >> 16, own >> 8 & 255, own & 255], 1)  # (U, 3)
    rest = own[(own != ground).any(1)]
    if len(rest) >= colours:  # else all stay as they are
        pixels = images[(images != ground).any(3)]
        picture = Image.fromarray(pixels[None, :: -(-len(pixels) // 250_000)])
        picture = picture.quantize(colours - 1, Image.Quantize.MEDIANCUT, kmeans=10, dither=Image.Dither.NONE)
        rest = np.unique(np.reshape(picture.getpalette(), (-1, 3))[: colours - 1], axis=0)
    palette = np.array([ground, *sorted(rest.tolist(), key=sum)])
    parts = (own[k : k + 4096, None] - palette for k in range(0, len(own), 4096))
    nearest = np.concatenate([np.square(part).sum(2).argmin(1) for part in parts]).astype(np.uint8)
    return nearest[inverse].reshape(images.shape[:3]), palette.astype(np.uint8), len(own)


def find_duplicates(before, after, groups, ground):
    """Why sprites are left out, by their numbers; the groups of those that are alike but no duplicates become one, in place."""
    kept, pairs = np.sort(np.unique(after.reshape(len(after), -1), axis=0, return_index=True)[1]), []
    reasons = dict.fromkeys(sorted({*range(len(after))} - {*kept}), "are exact duplicates of others")
    for images in (before[kept], after[kept]):
        flat, ink = images.reshape(len(kept), -1), np.abs(images - np.array(ground, np.int16)).mean((1, 2, 3))
        blocks = images.reshape(-1, 4, 4, 4, 4, 3).mean((2, 4), dtype=np.float32).reshape(-1, 48)  # differ no more than pixels
        for i in range(len(kept)):
            for j in i + 1 + np.flatnonzero(np.abs(blocks[i + 1 :] - blocks[i]).sum(1) <= (ALIKE + 0.01) * 48):
                gap = np.abs(flat[j].astype(np.int16) - flat[i])
                if gap.mean() <= min(ALIKE, PART * ink[i], PART * ink[j]):
                    pairs.append((kept[i], kept[j], gap.max()))
    for i, j, gap in sorted(pairs):
        if i not in reasons and gap <= SAME:
            reasons.setdefault(j, "are near duplicates of others")
        elif i not in reasons and j not in reasons:
            groups[groups == groups[j]] = groups[i]
    return reasons


def split_off(split, labels, groups, shares):
    """Move whole groups from train to other splits, in place: of each class this share, but one at least where two are left."""
    rng = np.random.RandomState(0)
    for label, number in ((label, number) for label in np.unique(labels) for number in shares):
        ids, sizes = np.unique(groups[(labels == label) & (split == TRAIN)], return_counts=True)
        order, room = rng.permutation(len(ids)), max(1, round(shares[number] * (labels == label).sum()))
        order = order[np.argsort(np.maximum(sizes[order], room), kind="stable")][:-1]  # those that fit come first; the last stays
        taken = ids[order[: max(1, (np.cumsum(sizes[order]) <= room).sum())]]
        split[np.isin(groups, taken) & (split == TRAIN)] = number


def draw_sheet(data, path):
    """Up to 32 sprites of each class in a row, under its name and some of its captions."""
    sheet = Image.new("RGB", (32 * 51 + 3, 75 * len(data["class_names"])), (226, 226, 232))
    for label, name in enumerate(data["class_names"]):
        own = np.flatnonzero(data["labels"] == label)
        shown = own[np.linspace(0, len(own) - 1, min(len(own), 32)).astype(int)]
        text = f"{label} {name}, {len(own)} sprites: {', '.join(dict.fromkeys(data['captions'][shown]))}"
        ImageDraw.Draw(sheet).text((3, 75 * label + 8), text.encode("latin-1", "replace").decode("latin-1"), (20, 20, 30))
        for column, image in enumerate(data["palette"][data["images"][shown]].repeat(3, 1).repeat(3, 2)):
            sheet.paste(Image.fromarray(image), (3 + 51 * column, 75 * label + 24))
    sheet.save(path, "PNG")


def read_options(arguments):
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a sub-folder a class, with pictures or sheets")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "sprites.npz", help="data/sprites.npz")
    parser.add_argument("--sheet", type=Path, help="draw some sprites of each class into this PNG file")
    parser.add_argument("--tile", help="cut what is larger into tiles of 16, or 32x48; or strips: only strips, into squares")
    parser.add_argument("--margin", type=int, default=0, help="pixels around all the tiles of a sheet (0)")
    parser.add_argument("--spacing", type=int, default=0, help="pixels between two tiles of a sheet (0)")
    parser.add_argument("--key", help="a colour that is transparent (magenta), or its number in each picture's palette (0)")
    parser.add_argument("--background", help="the colour of the ground (white, or one on which nothing vanishes)")
    parser.add_argument("--smooth", action="store_true", help="average areas even where 16 divides the size")
    parser.add_argument("--colours", type=int, default=64, help="the most colours, ground included (64)")
    parser.add_argument("--min-word", type=int, default=20, help="sprites a word needs to be kept (20)")
    parser.add_argument("--test", type=float, default=0.1, help="the share of test, and of validation (0.1)")
    parser.add_argument("--novel", nargs="+", default=[], metavar="PAIR", help='pairs of words for the novel split: "blue slime"')
    options = parser.parse_args(arguments)
    try:
        if options.tile and options.tile != "strips":
            options.tile = tuple(int(side) for side in (options.tile.split("x") * 2)[:2])
            assert min(options.tile) > 0
        if options.key:
            options.key = int(options.key) if options.key in map(str, range(256)) else ImageColor.getrgb(options.key)[:3]
        ImageColor.getrgb(options.background or "white")
    except (ValueError, AssertionError) as error:
        parser.error(f"--tile is a size such as 16 or 32x48, --key and --background are colours ({error})")
    if not (2 <= options.colours <= 256 and min(options.margin, options.spacing) >= 0 and 0 < options.test < 0.5):
        parser.error("--colours is 2 to 256, --margin and --spacing at least 0, --test between 0 and 0.5")
    return options


def pack(found, options, lost, notes):
    """The arrays of the data file, and a line about its colours."""
    sprites, paths = np.stack([row["sprite"] for row in found]), [row["path"] for row in found]  # (N, 16, 16, 4)
    name, gone = choose_ground(sprites, [options.background] if options.background else GROUNDS)
    why = f"would vanish on white, so the ground is {name}: --background chooses another"
    notes[why] += [paths[i] for i in gone.get("white", []) if name != "white"]
    notes[f"nearly vanish on {name}: --background chooses another ground"] += [paths[i] for i in gone[name]]
    alpha, ground = sprites[..., 3:].astype(np.uint16), ImageColor.getrgb(name)[:3]
    before = ((sprites[..., :3] * alpha + np.array(ground, np.uint16) * (255 - alpha) + 127) // 255).astype(np.uint8)
    images, palette, there = to_palette(before, ground, options.colours)
    sizes, classes = (Counter(row[key] for row in found) for key in ("thing", "label"))
    for i, row in enumerate(found):
        row["thing"] += f"/{i // RUN}" * (sizes[row["thing"]] > min(MOST_VARIANTS, classes[row["label"]] - 1))
    groups = np.unique([row["thing"] for row in found], return_inverse=True)[1]
    reasons = find_duplicates(before, palette[images], groups, ground)
    flat = np.flatnonzero((images == images[:, :1, :1]).all((1, 2)))
    for i, why in {**reasons, **dict.fromkeys(flat, f"are empty, or of one colour on {name}")}.items():
        lost[why].append(paths[i])
    kept = sorted({*range(len(found))} - {*reasons, *flat})
    found, before, images, groups = [found[i] for i in kept], before[kept], images[kept], groups[kept]
    error = np.square(before.astype(np.float32) - palette[images]).mean() if kept else 0
    loss = f"{10 * np.log10(255**2 / error):.1f} dB" if error else "exact"
    class_names, labels = np.unique([row["label"] for row in found], return_inverse=True)
    split = np.array([row["split"] or TRAIN for row in found], np.uint8)
    for pair in options.novel:
        split[[{*pair.lower().split()} <= {*row["words"]} for row in found]] = NOVEL
    split_off(split, labels, groups, {number: options.test for number in (TEST, VALIDATION) if number not in split})
    times = Counter(word for row, number in zip(found, split) if number == TRAIN for word in row["words"])
    rare = {word for row in found for word in row["words"] if times[word] < options.min_word}
    words = [[word for word in row["words"] if word not in rare] or row["label"].lower().split() for row in found]
    notes[f"are words of fewer than {options.min_word} sprites, not kept: see --min-word"] += sorted(rare.difference(*words))
    lacking = [name for k, name in enumerate(class_names) if {TRAIN, TEST, VALIDATION} - {*split[labels == k]}]
    notes["lack sprites for train, test or validation, and the notebooks need some of each: add others"] += lacking
    notes["so few sprites are learnt by heart: 200 would be better"] += [len(found)] if len(found) < 200 else []
    far = [text for text in sorted({*class_names}.union(*words)) if re.search("[\u0900-\u109f\u1100-\u13ff\u2e80-\uffff]", text)]
    notes["have letters that figures show as boxes, unless a font for Chinese, Japanese or Korean has them"] += far
    data = {"images": images, "palette": palette, "labels": labels.astype(np.uint8), "split": split}
    data.update({"captions": np.array([" ".join(some[:8]) for some in words]), "class_names": np.array(class_names)})
    return data, f"{there} in the pictures, {len(palette)} kept, the first of them the ground, {name}: {loss}"


def main(arguments=None):
    """Read a folder, write the data file and the sheet, and say what was done."""
    options, lost, notes = read_options(arguments), defaultdict(list), defaultdict(list)
    getattr(sys.stdout, "reconfigure", dict)(errors="replace")  # letters that the terminal lacks; Jupyter has no such method
    warnings.filterwarnings("ignore", module="PIL")  # of damaged files
    found = read_folder(options, lost, notes)
    print(f"found    {len(found) + sum(map(len, lost.values()))} sprites in {clean(options.folder)}")
    data, colours = pack(found, options, lost, notes) if found else ({"labels": []}, "")
    kept, names = len(data["labels"]), data.get("class_names", [])
    for kind, (sentence, things) in [*(("left out", item) for item in lost.items()), *(("note", item) for item in notes.items())]:
        shown = list(dict.fromkeys(clean(thing).replace(clean(options.folder) + "/", "") for thing in things))
        more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
        print(f"{kind:9}{len(things)} {sentence} ({', '.join(shown[:5])}{more})\n" * bool(things), end="")
    if not 1 <= len(names) <= 256:
        where = "" if options.folder.is_dir() else f" is no folder (here is {Path.cwd()})"
        raise SystemExit(f"{clean(options.folder)}{where}: nothing to pack: {kept} sprites in {len(names)} classes (at most 256)")
    temporary = options.out.with_name(f"{options.out.name}.{os.getpid()}.npz")
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        if options.sheet:
            draw_sheet(data, options.sheet)
        np.savez_compressed(temporary, **data)
        os.replace(temporary, options.out)  # there is never half a file
    except OSError as error:
        if temporary.exists():
            temporary.unlink()
        raise SystemExit(f"{error.filename or options.out}: cannot be written: {error.strerror}") from None
    print(f"colours  {colours}\nkept     {kept} sprites in {clean(options.out)}\n{'class':24} train   test  novel  validation")
    for k, name in enumerate(names):
        print("{:23} {:6d} {:6d} {:6d} {:11d}".format(name, *np.bincount(data["split"][data["labels"] == k], minlength=4)))


if __name__ == "__main__":
    main()
