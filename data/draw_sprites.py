"""Draw the sprites of this project from the drawings in data/art, bit for bit the same for the same seed.

    python data/draw_sprites.py [--seed 0] [--art data/art] [--out data/sprites.npz] [--sheet sheet.png]

The drawings are text files; data/README.md says how to read and change them. This program makes the choices (which apple, which
colour), lays the drawings over each other, runs an outline round them, and sorts the sprites into the splits. It writes the
numbers of the colours, and the palette also as palette.gpl, for GIMP, Aseprite and Krita. The sprites are CC0.
"""

import argparse
import re
import sys
from collections import namedtuple
from functools import lru_cache
from pathlib import Path
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np
from PIL import Image, ImageDraw

SIZE, FOLDER = 16, Path(__file__).resolve().parent
TRAIN, TEST, NOVEL, VALIDATION = 0, 1, 2, 3
NOVEL_PER_KIND = 60
RGB = Tuple[int, ...]
Ramp = Tuple[RGB, ...]  # ink (the colour of the outline), shade, base, light, glint


class ArtError(ValueError):
    """A mistake in the drawings, told in one sentence."""


class Place(NamedTuple):
    """Where something stands in the drawings."""

    file: str
    line: int

    def error(self, sentence: str) -> ArtError:
        return ArtError(f"{self.file}, line {self.line}: {sentence}")


class Item(NamedTuple):
    """What stands below a heading: a line `key = value`, `nothing`, or the rows of a drawing."""

    place: Place
    key: str = ""
    value: str = ""
    rows: Tuple[str, ...] = ()

    def numbers(self) -> Tuple[int, ...]:
        """The value as two whole numbers, rows down and columns to the right."""
        if not re.fullmatch(r"-?\d+ -?\d+", self.value):
            raise self.place.error(f"'{self.key}' takes two whole numbers, not {self.value!r}.")
        return tuple(int(word) for word in self.value.split())

    def ramp(self, text: str, palette: Optional[Sequence[RGB]] = None) -> Ramp:
        """A part of the value as colours, of the palette where there is one."""
        if not re.fullmatch(r"[0-9a-f]{6}( [0-9a-f]{6})*", text):
            raise self.place.error(f"{text!r} is neither a name in [ramps] nor six digits of 0-9 and a-f.")
        ramp = tuple(tuple(bytes.fromhex(word)) for word in text.split())
        for colour, word in zip(ramp, text.split()):
            if palette is not None and colour not in palette:
                raise self.place.error(f"the colour {word} is not in [palette].")
        return ramp


Section = namedtuple("Section", "place head name items")  # [head name] in a file, and the Items that stand below it


def read_sections(path: Path) -> List[Section]:
    """The sections of a file. '#' begins a comment; rows in lines without a gap are one drawing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArtError(f"{path.name} cannot be read as text: {error}.") from None
    sections: List[Section] = []
    rows: List[str] = []
    for number, raw in enumerate([*lines, ""], 1):
        place, line = Place(path.name, number), re.sub(r"(^|\s)#.*", "", raw).strip()
        is_row = bool(line) and line[0] != "[" and "=" not in line and line != "nothing"
        if line and line[0] != "[" and not sections:
            raise place.error(f"{line!r} stands above the first heading in square brackets.")
        if is_row and " " in line:
            raise place.error(f"{line!r} is neither 'key = value' nor a row of a drawing, which has no gaps.")
        if is_row and rows and len(line) != len(rows[0]):
            width = f"{len(line)} letters, the first row of its drawing {len(rows[0])}"
            raise place.error(f"this row has {width}: fill up with dots.")
        if is_row:
            rows.append(line)
            continue
        if rows:
            sections[-1].items.append(Item(Place(path.name, number - len(rows)), rows=tuple(rows)))
            rows = []
        if line.startswith("["):
            words = line.strip("[]").split()
            if not line.endswith("]") or len(words) not in (1, 2):
                raise place.error(f"a heading is one or two words in square brackets, not {line!r}.")
            sections.append(Section(place, words[0], "".join(words[1:]), []))
        elif line:
            key, _, value = line.partition("=")
            sections[-1].items.append(Item(place, " ".join(key.split()), " ".join(value.split())))
    return sections


# What the sections mean


Test = namedtuple("Test", "place choice names wanted")  # that a choice fell on one of the names; not wanted: on none of them


class Option(NamedTuple):
    """What can be chosen: a drawing, a word or a colour."""

    place: Place
    name: str = ""
    said: str = ""  # the word in captions
    cells: Tuple[Tuple[int, int, str], ...] = ()  # a drawing: row, column, letter
    ramps: Tuple[str, ...] = ()  # a colour: its ramps, all equally likely
    number: int = 0  # the same for options that are alike


class Choice(NamedTuple):
    """Something to choose for each sprite that meets the conditions; all options are equally likely."""

    place: Place
    name: str
    tests: List[Test]
    options: List[Option]
    unlike: str = ""  # only colours that can be told from the colour of this choice
    move: Tuple[int, ...] = (0, 0)  # moves the whole sprite down and right


class Letter(NamedTuple):
    """What a letter of the drawings stands for: a tone of a ramp."""

    tests: List[Test]
    layers: FrozenSet[str]  # the choices in whose drawings it does; empty: in all
    ramp: str  # the name of a ramp, or of a choice of ramps
    fixed: Ramp  # or colours instead
    tone: int
    line: str  # whose ink is the outline: "own", "none", a ramp or a choice of ramps; empty: as the kind says
    plane: str  # "over" or "under" the outline; empty: within it


class Kind(NamedTuple):
    """A kind of sprite, or what all kinds of a class have in common."""

    name: str
    place: Place
    settings: Dict[str, str]
    choices: List[Choice]
    letters: Dict[str, List[Letter]]  # the last one whose conditions hold counts

    def words(self, setting: str) -> List[str]:
        return self.settings.get(setting, "").split()


COUNTS = ("label", "train", "test", "novel", "validation")
NEEDED = (*COUNTS, "order", "caption", "line")
SETTINGS = (*NEEDED, "like", "apart", "ramps", "layers", "alone", "deep", "stars")


def read_settings(items: List[Item]) -> Dict[str, str]:
    """The settings of a class or kind."""
    for item in items:
        pattern = r"\d+" if item.key in COUNTS else r"[01](\.\d+)?" if item.key == "stars" else ".+"
        if item.key not in SETTINGS or not re.fullmatch(pattern, item.value):
            raise item.place.error(f"there is no setting '{item.key} = {item.value}'.")
    return {item.key: item.value for item in items}


def colour_word(ramp: str) -> str:
    """The colour word of a ramp: "red" for "red2"."""
    return ramp.rstrip("0123456789")


def read_tests(section: Section) -> Tuple[List[Test], List[Item]]:
    """The conditions of a section (`if CHOICE = names`, `unless CHOICE = names`), and its other items."""
    tests, items = [], []
    for item in section.items:
        words = item.key.split()
        if len(words) == 2 and words[0] in ("if", "unless"):
            tests.append(Test(item.place, words[1], frozenset(item.value.split()), words[0] == "if"))
        else:
            items.append(item)
    return tests, items


class Art:
    """The drawings of a folder: colours, and for each class what its kinds have in common and the kinds."""

    def __init__(self, folder: Path = FOLDER / "art") -> None:
        sections = [section for path in sorted(folder.glob("*.txt")) for section in read_sections(path)]
        self.palette: Dict[RGB, str] = {}  # the colours in the order of their numbers, with their names
        self.ramps: Dict[str, Ramp] = {}
        self.drawings = {section.name: section for section in sections if section.head == "drawings"}
        self.groups: List[Tuple[Kind, List[Kind]]] = []
        for item in [item for section in sections if section.head == "palette" for item in section.items]:
            for i, colour in enumerate(item.ramp(item.value), 1):
                if colour in self.palette or len(self.palette) == 256:
                    raise item.place.error("[palette] has at most 256 colours, and none of them twice.")
                self.palette[colour] = f"{item.key} {i}"
        for item in [item for section in sections if section.head == "ramps" for item in section.items]:
            self.ramps[item.key] = item.ramp(item.value, self.palette)
        if "ink" not in self.ramps:
            raise ArtError(f"{folder} holds no drawings: no file *.txt has [ramps] with the colour 'ink'.")
        kind: Optional[Kind] = None  # what the sections are about: a class, then one of its kinds
        for section in sections:
            if section.head in ("palette", "ramps", "drawings"):
                continue
            stray = [item for item in section.items if not item.key]
            if section.head in ("class", "kind", "letters") and stray:
                raise stray[0].place.error(f"a drawing cannot stand below [{section.head} ...].")
            if section.head == "class":
                kind = self.read_class(section)
            elif kind is None:
                raise section.place.error(f"[{section.head}] stands above the first [class ...].")
            elif section.head == "kind":
                kind = self.read_kind(section)
            elif section.head == "letters":
                self.read_letters(section, kind)
            elif section.head in kind.words("order") or "drawings" in kind.words("order"):
                kind.choices.append(self.read_choice(section, kind))
            else:
                raise section.place.error(f"the line 'order' of the class does not have {section.head!r}.")
        if not self.groups:
            raise ArtError(f"{folder} holds no drawings: no file *.txt has a [class ...].")
        for common, kinds in self.groups:
            self.check_tests(common, kinds)
            kinds[:] = [self.in_order(kind, common) for kind in kinds]
        self.groups.sort(key=lambda group: int(group[0].settings["label"]))

    def read_class(self, section: Section) -> Kind:
        """[class NAME]: the settings of a class."""
        settings = read_settings(section.items)
        common = Kind(section.name, section.place, settings, [], {})
        if "like" in settings:  # take over what another class says
            others = [other for other, _ in self.groups if other.name == settings["like"]]
            if not others:
                raise section.place.error(f"no file before this one has a class {settings['like']!r}.")
            common = common._replace(settings={**others[0].settings, **settings})
            common.choices.extend(others[0].choices)
            common.letters.update({letter: list(entries) for letter, entries in others[0].letters.items()})
        for key in NEEDED:
            if key not in common.settings:
                raise section.place.error(f"the class {section.name!r} lacks a line '{key} = ...'.")
        self.groups.append((common, []))
        return common

    def read_kind(self, section: Section) -> Kind:
        """[kind NAME]: settings of its own, and choices of words or colours in a line each."""
        common, kinds = self.groups[-1]
        own = read_settings([item for item in section.items if item.key in SETTINGS])
        kind = Kind(section.name, section.place, {**common.settings, **own}, [], common.letters)
        for item in section.items:
            if item.key in kind.words("order") + kind.words("ramps"):
                line = Section(item.place, item.key, "", [item._replace(key="of")])
                kind.choices.append(self.read_choice(line, kind))
            elif item.key not in SETTINGS:
                raise item.place.error(f"a kind of this class has no {item.key!r}.")
        kinds.append(kind)
        return kind

    def read_words(self, item: Item, choice: str, kind: Kind) -> List[Option]:
        """A line `of = names`: colours in a choice of ramps, else words; "(name)" is not said in captions."""
        if choice not in kind.words("ramps"):
            bare = [(name.strip("()"), name) for name in item.value.split()]
            return [Option(item.place, name, name if name == word else "") for name, word in bare]
        options = []
        for name in item.value.split():  # a colour word, a ramp, ramps (red1/red2), a choice of ramps
            ramps: List[str] = []
            for part in name.split("/"):
                exact = part in self.ramps or part in kind.words("ramps")
                ramps += [part] if exact else [ramp for ramp in self.ramps if colour_word(ramp) == part]
            if not ramps:
                raise item.place.error(f"there is no colour {name!r} in [ramps].")
            options.append(Option(item.place, name, colour_word(ramps[0]), ramps=tuple(ramps)))
        return options

    def read_options(self, items: List[Item], choice: str, kind: Kind, at: Tuple[int, ...]) -> List[Option]:
        """What there is to choose from, with the drawings placed from the row and column `at` on."""
        options: List[Option] = []
        here, name = at, ""
        for item in items:
            if item.key == "at":
                row, column = item.numbers()
                here = (at[0] + row, at[1] + column)
            elif item.key == "name":
                name = item.value
            elif item.key == "of":
                options += self.read_words(item, choice, kind)
            elif item.key == "from":
                if item.value not in self.drawings:
                    raise item.place.error(f"there is no [drawings {item.value}].")
                options += self.read_options(self.drawings[item.value].items, choice, kind, here)
            elif item.key in ("", "nothing"):
                cells = []
                for i, row in enumerate(item.rows):
                    for letter in sorted(set(row) - {".", "_", *kind.letters}):
                        where = Place(item.place.file, item.place.line + i)
                        raise where.error(f"the letter {letter!r} has no colour in [letters] above.")
                    cells += [(here[0] + i, here[1] + j, c) for j, c in enumerate(row) if c != "."]
                options.append(Option(item.place, name, name, tuple(cells)))
                name = ""
            else:
                raise item.place.error(f"a choice has no line {item.key!r}.")
        return options

    def read_choice(self, section: Section, kind: Kind) -> Choice:
        """[NAME]: a choice of a class or kind."""
        tests, items = read_tests(section)
        unlike = "".join(item.value for item in items if item.key == "unlike")
        move = next((item.numbers() for item in items if item.key == "move"), (0, 0))
        items = [item for item in items if item.key not in ("unlike", "move")]
        options = self.read_options(items, section.head, kind, (0, 0))
        if not options:
            raise section.place.error(f"there is nothing to choose from in [{section.head}].")
        looks = [option._replace(place=None) for option in options]
        options = [option._replace(number=looks.index(look)) for option, look in zip(options, looks)]
        return Choice(section.place, section.head, tests, options, unlike, move)

    def read_letters(self, section: Section, kind: Kind) -> None:
        """[letters]: what the letters of a class's drawings stand for."""
        tests, items = read_tests(section)
        general = {item.key: item.value for item in items if item.key in ("for", "line")}
        layers = frozenset(general.get("for", "").split())
        for item in items:
            if item.key in general:
                continue
            match = re.fullmatch(r"(.+?)( from (\d+))?( line (\S+))?( over| under)?", item.value)
            source = match[1] if match else item.value
            named = source in self.ramps or source in kind.words("ramps")
            fixed = () if named else item.ramp(source, self.palette)
            line, plane = match[5] or general.get("line", ""), (match[6] or "").strip()
            if line not in ("", "own", "none", *self.ramps, *kind.words("ramps")):
                raise item.place.error(f"there is no colour {line!r} in [ramps].")
            for tone, letter in enumerate(item.key.replace(" ", ""), int(match[3] or 0)):
                entry = Letter(tests, layers, source if named else "", fixed, tone, line, plane)
                kind.letters.setdefault(letter, []).append(entry)

    def check_tests(self, common: Kind, kinds: List[Kind]) -> None:
        """Stop at a condition that asks for what cannot be chosen."""
        choices = [choice for kind in (common, *kinds) for choice in kind.choices]
        known = {"kind": {kind.name for kind in kinds}}
        for choice in choices:
            names = {name for option in choice.options for name in (option.name, *option.ramps)}
            known.setdefault(choice.name, set()).update(names)
        entries = [entry for entries in common.letters.values() for entry in entries]
        for test in [test for thing in (*choices, *entries) for test in thing.tests]:
            for name in sorted(test.names - known.get(test.choice, set())):
                raise test.place.error(f"there is no {name!r} to choose for {test.choice!r}.")

    def in_order(self, kind: Kind, common: Kind) -> Kind:
        """A kind with all its choices (for those it does not have, its class's) in the order of the dice."""
        if float(kind.settings.get("stars", 0)) and "star" not in self.drawings:
            raise kind.place.error(f"a {kind.name} may have stars, but there is no [drawings star].")
        own = {choice.name for choice in kind.choices}
        choices = [choice for choice in common.choices if choice.name not in own] + kind.choices
        order, ramps = kind.words("order"), kind.words("ramps")
        rest = {choice.name: "ramps" if choice.name in ramps else "drawings" for choice in choices}
        when = {name: name if name in order else rest[name] for name in rest}  # the word of the order that it follows
        return kind._replace(choices=[choice for name in order for choice in choices if when[choice.name] == name])


# A sprite


class Paint(NamedTuple):
    """A painted pixel."""

    colour: RGB
    ink: Optional[RGB]  # of the outline beside it; None: no outline
    plane: str = ""
    source: Tuple[str, ...] = ()  # letter, layer and ramp


def pick(rng: np.random.RandomState, options: Sequence):
    return options[rng.randint(len(options))]


def differ(a: RGB, b: RGB) -> bool:
    """Whether two colours can be told apart side by side."""
    return sum(abs(x - y) for x, y in zip(a, b)) >= 135


@lru_cache(maxsize=None)
def nearest(colour: RGB, palette: Ramp) -> RGB:
    """The colour of the palette that is the least away."""
    return min(palette, key=lambda other: sum((a - b) ** 2 for a, b in zip(colour, other)))


def outline(pixels: Dict[tuple, Paint]) -> Dict[tuple, Paint]:
    """The line round the pixels: each free place beside some of them gets the darkest of their inks."""
    line = {}
    for (i, j), paint in pixels.items():
        if paint.ink is not None:
            for at in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if at not in pixels and (at not in line or sum(paint.ink) < sum(line[at].colour)):
                    line[at] = Paint(paint.ink, None)
    return line


class Painter:
    """The choices made for one sprite, and the colours that follow from them."""

    def __init__(self, art: Art, kind: Kind, rng: np.random.RandomState) -> None:
        self.kind, self.ramps, self.palette = kind, dict(art.ramps), tuple(art.palette)
        self.chosen: Dict[str, Tuple[str, ...]] = {"kind": (kind.name,)}  # option and, of a colour, ramp
        self.said = {"kind": kind.name}
        self.layers: List[Tuple[str, Option]] = []
        self.recipe: List[tuple] = []  # what can be seen of the choices
        self.move = (0, 0)
        self.paints: Dict[Tuple[str, str], Paint] = {}
        for i, choice in enumerate(kind.choices):
            if not self.holds(choice.tests):
                continue
            options = choice.options
            if choice.unlike in self.ramps:
                base = self.ramps[choice.unlike][2]
                options = [option for option in options if differ(self.ramps[option.ramps[0]][2], base)]
            if not options:
                raise choice.place.error(f"all colours are too much like that of {choice.unlike!r}.")
            option = pick(rng, options)
            self.chosen[choice.name] = (option.name,)
            self.said[choice.name] = option.said
            self.move = (self.move[0] + choice.move[0], self.move[1] + choice.move[1])
            if option.ramps:
                ramp = pick(rng, option.ramps)
                self.ramps[choice.name] = self.ramps[ramp]
                self.chosen[choice.name] += (ramp,)
            else:
                self.recipe.append((i, option.number))
                self.layers.append((choice.name, option))
        layers = kind.words("layers")
        if layers:
            self.layers = [layer for name in layers for layer in self.layers if layer[0] == name]

    def holds(self, tests: List[Test]) -> bool:
        return all(test.wanted != test.names.isdisjoint(self.chosen.get(test.choice, ())) for test in tests)

    def paint(self, letter: str, layer: str, place: Place) -> Paint:
        """What a letter stands for in a drawing of a layer: its colour, and the ink beside it."""
        if (letter, layer) in self.paints:
            return self.paints[letter, layer]
        for entry in reversed(self.kind.letters[letter]):
            here = not entry.layers or layer in entry.layers
            if here and (entry.fixed or entry.ramp in self.ramps) and self.holds(entry.tests):
                break
        else:
            raise place.error(f"a letter of this drawing, {letter!r}, has no colour in a {self.kind.name}.")
        ramp = entry.fixed or self.ramps[entry.ramp]
        if entry.tone >= len(ramp):
            raise place.error(f"a letter of this drawing, {letter!r}, is a tone that its ramp does not have.")
        if self.kind.words("deep") and not entry.fixed:
            part = 2 if sum(ramp[0]) > 230 else 1  # more of the common ink for pale ramps
            mixed = tuple(((4 - part) * a + part * b) // 4 for a, b in zip(ramp[0], self.ramps["ink"][0]))
            ramp = (nearest(mixed, self.palette), *ramp[1:])
        line, ink = entry.line or self.kind.settings["line"], None
        if not entry.plane and line != "none":
            ink = ramp[0] if line == "own" else self.ramps[line][0]
        source = (letter, layer, self.chosen.get(entry.ramp, (entry.ramp,))[-1])
        self.paints[letter, layer] = Paint(ramp[entry.tone], ink, entry.plane, source)
        return self.paints[letter, layer]

    def draw(self) -> np.ndarray:
        """The sprite in the middle of a canvas: int16 (16, 16), numbers of colours, -1 where nothing is drawn."""
        pixels = {}  # paints by row and column
        for layer, option in self.layers:
            alone = layer in self.kind.words("alone")  # outlined before it is laid over the others
            target = {} if alone else pixels
            for i, j, letter in option.cells:
                if letter == "_":
                    target.pop((i, j), None)
                else:
                    target[i, j] = self.paint(letter, layer, option.place)
            if alone:
                pixels.update({**target, **outline(target)})
        if not any(paint.plane != "under" for paint in pixels.values()):
            raise self.kind.place.error(f"of this {self.kind.name} nothing is drawn.")
        self.recipe.append(tuple(sorted({paint.source for paint in pixels.values()})))
        planes = {p: {at: c for at, c in pixels.items() if c.plane == p} for p in ("under", "", "over")}
        picture = {**planes["under"], **outline(planes[""]), **planes[""], **planes["over"]}
        rows, columns = [at[0] for at in picture], [at[1] for at in picture]
        # in the middle; a spare pixel goes to the top and the right
        top = (SIZE - min(rows) - max(rows)) // 2 + self.move[0]
        left = (SIZE - 1 - min(columns) - max(columns)) // 2 + self.move[1]
        canvas = np.full((SIZE, SIZE), -1, np.int16)
        outside = set()
        for (i, j), paint in picture.items():
            if 0 <= top + i < SIZE and 0 <= left + j < SIZE:
                canvas[top + i, left + j] = self.palette.index(paint.colour)
            else:
                outside.add((i, j))
        for _, option in reversed(self.layers) if outside else ():
            if outside & {cell[:2] for cell in option.cells}:  # an outline may be cut off
                raise option.place.error(f"with this drawing a {self.kind.name} has over {SIZE} pixels.")
        return canvas


def star_places(row: int, column: int) -> List[Tuple[int, int]]:
    """Places for the middle of a star, away from that of the canvas; the nearest to (row, column) first."""
    places = [(r, c) for r in range(2, 15) for c in range(1, 14) if (r - 8) ** 2 + (c - 7) ** 2 > 30]
    return sorted(places, key=lambda at: ((at[0] - row) ** 2 + (at[1] - column) ** 2, at))


CORNERS = (star_places(3, 2), star_places(13, 12))  # upper left, lower right
STEPS = np.add.outer(abs(np.arange(-2, 3)), abs(np.arange(-2, 3)))  # from the middle of a star


def add_stars(canvas: np.ndarray, painter: Painter, star: Section) -> bool:
    """Draw a star twice where there is room, if possible with a margin; whether there was room for both."""
    result, drawing = canvas.copy(), star.items[0]
    for places in CORNERS:
        free = np.pad(result < 0, 2, constant_values=True)
        sites = [(r, c, reach >= STEPS) for reach in (2, 1) for r, c in places]
        room = next(((r, c) for r, c, near in sites if free[r : r + 5, c : c + 5][near].all()), None)
        if room is None:
            return False
        for (i, j), letter in np.ndenumerate([list(row) for row in drawing.rows]):
            if letter != ".":
                colour = painter.paint(letter, "stars", drawing.place).colour
                result[room[0] - 1 + i, room[1] - 1 + j] = painter.palette.index(colour)
    canvas[:] = result
    return True


# The data set


def make_sprite(art: Art, kind: Kind, rng: np.random.RandomState) -> Tuple[np.ndarray, str, tuple]:
    """A random sprite: canvas int16 (16, 16), caption, recipe (all that is seen of the choices)."""
    painter = Painter(art, kind, rng)
    canvas = painter.draw()
    chance, caption = float(kind.settings.get("stars", 0)), kind.settings["caption"]
    magic = chance > 0 and rng.random_sample() < chance and add_stars(canvas, painter, art.drawings["star"])
    said = {**painter.said, "magic": "magic" if magic else ""}
    words = re.sub(r"{(\w+)}", lambda match: said.get(match[1], ""), caption).split()
    return canvas, " ".join(words), (*painter.recipe, magic)


def place(canvas: np.ndarray, right: int = 0) -> np.ndarray:
    """The sprite on the background, moved a pixel left (-1) or right (1) where there is room: uint8 (16, 16)."""
    columns = np.nonzero((canvas >= 0).any(0))[0]
    if columns[0] + right >= 0 and columns[-1] + right < SIZE:
        canvas = np.roll(canvas, right, axis=1)
    return np.maximum(canvas, 0).astype(np.uint8)


def is_variant(image: np.ndarray, others: List[np.ndarray], palette: np.ndarray, tolerance: int = 24) -> bool:
    """True if the image, or it moved by a pixel, is within `tolerance` levels of another at every pixel."""
    close = (abs(palette[:, None].astype(int) - palette) <= tolerance).all(2)  # (64, 64), which colours are
    stack = np.array(others, np.uint8).reshape(-1, SIZE, SIZE)
    return any(close[np.roll(image, right, axis=1), stack].all((1, 2)).any() for right in (-1, 0, 1))


def draw_kind(art: Art, kind: Kind, quota: Sequence[int], rng: np.random.RandomState, seen: Set[bytes]) -> List[tuple]:
    """Sprites of one kind as (image, caption, split) until all splits but novel have their quota.

    A recipe belongs to one split for good, so that no variant of a sprite is in another split. An image that
    was drawn before is dropped. Sprites with a pair of words that is to be kept apart are novel.
    """
    apart = ",".join(common.settings.get("apart", "") for common, _ in art.groups)
    pairs = [set(pair.split()) for pair in apart.split(",")]
    sprites, split_of, count, palette = [], {}, [0] * len(quota), np.array(list(art.palette))
    usual = (TRAIN, TEST, VALIDATION)
    for _ in range(100 * sum(quota)):
        canvas, words, recipe = make_sprite(art, kind, rng)
        image = place(canvas)
        if image.tobytes() in seen:  # this recipe again: at another place
            image = place(canvas, pick(rng, (-1, 1)))
        if recipe not in split_of:
            is_novel = any(pair and pair <= set(words.split()) for pair in pairs)
            numbers = np.bincount(list(split_of.values()), minlength=len(quota))
            least = min(usual, key=lambda split: (numbers[split] + 1) / (quota[split] or 1e-9))  # for its quota
            split_of[recipe] = NOVEL if is_novel else least
        split = split_of[recipe]
        others = [other for other, _, its_split in sprites if its_split != split]
        if count[split] < quota[split] and image.tobytes() not in seen and not is_variant(image, others, palette):
            seen.add(image.tobytes())
            sprites.append((image, words, split))
            count[split] += 1
        if all(count[split] == quota[split] for split in usual):
            return sprites
    found = ", ".join(f"{count[split]} of {quota[split]} for {COUNTS[1 + split]}" for split in usual)
    raise kind.place.error(f"the kind {kind.name!r} has too few different sprites: {found}.")


def draw_all(art: Art, seed: int = 0) -> Dict[str, np.ndarray]:
    """The arrays of sprites.npz: the same for the same seed, bit for bit (RandomState's stream is frozen)."""
    rows, seen = [], set()
    for label, (common, kinds) in enumerate(art.groups):
        wanted, novel = [int(common.settings[split]) for split in COUNTS[1:]], []
        for i, kind in enumerate(kinds):
            rng = np.random.RandomState(seed * 10007 + label * 101 + i)
            quota = [n * (i + 1) // len(kinds) - n * i // len(kinds) for n in wanted]
            quota[NOVEL] = NOVEL_PER_KIND
            drawn = draw_kind(art, kind, quota, rng, seen)
            rows += [(*sprite, label) for sprite in drawn if sprite[2] != NOVEL]
            novel += [(*sprite, label) for sprite in drawn if sprite[2] == NOVEL]
        chosen = np.random.RandomState(seed + label).permutation(len(novel))[: wanted[NOVEL]]
        rows += [novel[i] for i in sorted(chosen)]
    rows = [rows[i] for i in np.argsort([row[2] for row in rows], kind="stable")]
    return {
        "images": np.stack([row[0] for row in rows]),
        "palette": np.array(list(art.palette), np.uint8),
        "labels": np.array([row[3] for row in rows], np.uint8),
        "captions": np.array([row[1] for row in rows]),
        "split": np.array([row[2] for row in rows], np.uint8),
        "class_names": np.array([common.name for common, _ in art.groups]),
    }


def draw_sheet(art: Art, columns: int = 12) -> Image.Image:
    """Every kind with its name, a row a kind, at four times its size."""
    kinds = [(f"{common.name}: {kind.name}", kind) for common, kinds in art.groups for kind in kinds]
    sheet, palette = Image.new("RGB", (200 + 68 * columns, 68 * len(kinds)), "#eeece6"), np.uint8(list(art.palette))
    for i, (name, kind) in enumerate(kinds):
        ImageDraw.Draw(sheet).text((8, 68 * i + 28), name, "#221826")
        rng = np.random.RandomState(i)
        for j in range(columns):
            image = Image.fromarray(palette[place(make_sprite(art, kind, rng)[0])])
            sheet.paste(image.resize((64, 64), Image.NEAREST), (200 + 68 * j, 68 * i))
    return sheet


def main() -> None:
    """Draw the data set, or with --sheet a sheet of all kinds."""
    parser = argparse.ArgumentParser(description="Draw the sprites of this project.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--art", type=Path, default=FOLDER / "art", help="the folder with the drawings")
    parser.add_argument("--out", type=Path, default=FOLDER / "sprites.npz", help="where the data set goes")
    parser.add_argument("--sheet", help="write a sheet with every kind to this PNG file, and no data set")
    args = parser.parse_args()
    try:
        art = Art(args.art)
        if args.sheet:
            draw_sheet(art).save(args.sheet)
            return
        data = draw_all(art, args.seed)
    except ArtError as error:
        sys.exit(str(error))
    np.savez_compressed(args.out, **data)
    colours = "".join(f"{r:3d} {g:3d} {b:3d}\t{name}\n" for (r, g, b), name in art.palette.items())
    args.out.with_name("palette.gpl").write_text(f"GIMP Palette\nName: Stable Diffusion nano\nColumns: 8\n#\n{colours}")
    print(f"{args.out}: {len(data['images'])} sprites, {args.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
