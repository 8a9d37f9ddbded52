"""Draw the sprites of this project, bit for bit the same for the same seed.

    python data/draw_sprites.py [--seed 0] [--out data/sprites.npz] [--sheet sheet.png]

A sprite is put together from hand-made drawings in characters, layer by layer: each character is a tone of a colour ramp
(ink, shade, base, light, glint), the light comes from the upper left. Needs numpy alone. The sprites are CC0.
"""

import argparse
import struct
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

import numpy as np

# ------------------------------------------------------------------------------------------------------------------------
# Colours and the canvas
# ------------------------------------------------------------------------------------------------------------------------

SIZE = 16
RGB = Tuple[int, int, int]
Ramp = Tuple[RGB, RGB, RGB, RGB, RGB]  # ink (outline), shade, base, light, glint

INK: RGB = (34, 24, 38)
WHITE: RGB = (255, 255, 255)


def ramp(text: str) -> Ramp:
    """Five hexadecimal colours, dark to light, as a ramp."""
    r = tuple(tuple(int(h[i : i + 2], 16) for i in (0, 2, 4)) for h in text.split())
    assert len(r) == 5
    return r


# Every colour word has ramps that a person calls by that word. Two ramps of a word differ by more than 24 levels in their base.
RAMPS: Dict[str, List[Ramp]] = {
    "red": [ramp("470f22 93182f d42f38 f2664f ffb08f"), ramp("3d0a2a 7a1238 b01c46 dc4a62 f79aa0")],
    "orange": [ramp("5a1f12 ad4416 ee7a1c fba63f ffd98c"), ramp("4d1a18 96381c d05c22 ee8a48 fcc08a")],
    "yellow": [ramp("6b4510 c2870f f4c320 ffe25a fff6b0"), ramp("5e4a14 b39a1c e6dc34 f6f272 ffffc4")],
    "green": [ramp("0f3a2c 1c6b36 3aa53c 7ccb4e c6ee8c"), ramp("1f3a16 44681a 76992a a8c64a dcea92")],
    "teal": [ramp("0c343f 12626a 1c9a94 52c9b4 a8f0da"), ramp("0b3148 145a7c 248cb0 58bcd0 a8e6f0")],
    "blue": [ramp("141c4e 22398c 3464d0 5f98f0 a9d4ff"), ramp("1a1646 2b2b7c 4a4cb4 7a82dc b8c2fa")],
    "purple": [ramp("2a1248 532082 8440ba b070dc dcb0f6"), ramp("36103c 6a1c68 a03494 c868b6 eaaede")],
    "pink": [ramp("5e1a44 b03c70 f06a9c fb9dbd ffd2e0"), ramp("6a2440 c05a70 f88f98 ffb8b4 ffe0d8")],
    "brown": [ramp("2e1712 5c3220 8f5632 ba8050 dfb184"), ramp("24140f 472818 6e4224 98663a c2945e")],
    "black": [ramp("120f1a 221e2e 3a3648 5a566c 8c8a9e"), ramp("0e1620 1a2634 2c3e50 4a6074 7c92a4")],
    "white": [ramp("5c5a78 a6aac4 e2e6f0 f6f8fc ffffff"), ramp("6a5a52 b8a892 ece0cc f8f2e4 ffffff")],
    "grey": [ramp("2e3040 585e72 8a92a4 b6bec8 e2e8ec"), ramp("3a3634 66605c 98928a c0bcb2 e6e4dc")],
    "gold": [ramp("4e2c0c 96620f d09c1c f0cc4a fff2a8"), ramp("543410 a07020 d4a83c f0d070 fff0b0")],
    "blonde": [ramp("6a4718 b68632 e8c25a f8e08c fff4c4"), ramp("7a5a34 c4a062 ecd696 f8ecc0 fffae6")],
}
SKINS: List[Ramp] = [
    ramp("6e2f2a c07a5e f2b48c fcd4b0 ffecd8"),  # light
    ramp("5a2a22 a8623e d89460 ecb886 f8d8b0"),  # tan
    ramp("40201a 7a4428 a86a3e c68c5a deb084"),  # brown
    ramp("2a1614 4e2c20 744632 946248 b4866a"),  # dark
    ramp("6a3a44 c48a86 f8d0c4 ffe6dc fff6f0"),  # pale
    ramp("22401e 467a2e 7cac46 a6cc6a d0e89a"),  # green (orc)
]
WOOD: Ramp = RAMPS["brown"][0]
STEEL: Ramp = ramp("262c44 56648a 96a6c0 cad6e2 f6faff")


def grid(text: str) -> List[str]:
    """Rows of a drawing: one character a pixel, '.' transparent; white space between rows."""
    rows = text.split()
    assert len({len(r) for r in rows}) == 1, f"rows of different length: {[len(r) for r in rows]}\n{text}"
    return rows


def tones(chars: str, colours: Sequence[RGB]) -> Dict[str, RGB]:
    """Colours for the characters of a drawing, in the order given: tones("01234", RAMPS["red"][0])."""
    return dict(zip(chars, colours))


def blank() -> np.ndarray:
    """An empty canvas: uint8 (16, 16, 4), red, green, blue and alpha (0 or 255)."""
    return np.zeros((SIZE, SIZE, 4), np.uint8)


def draw(canvas: np.ndarray, art: Sequence[str], colours: Dict[str, RGB], top: int = 0, left: int = 0) -> np.ndarray:
    """Put a drawing on the canvas with its upper left pixel at (top, left). '.' leaves the canvas, '_' erases."""
    for i, row in enumerate(art):
        for j, c in enumerate(row):
            if c == ".":
                continue
            assert 0 <= top + i < SIZE and 0 <= left + j < SIZE, "drawing leaves the canvas"
            canvas[top + i, left + j] = (0, 0, 0, 0) if c == "_" else (*colours[c], 255)
    return canvas


def draw_centred(canvas: np.ndarray, art: Sequence[str], colours: Dict[str, RGB]) -> np.ndarray:
    """Put a drawing in the middle of the canvas (a spare pixel goes to the right and the top)."""
    return draw(canvas, art, colours, (SIZE + 1 - len(art)) // 2, (SIZE - len(art[0])) // 2)


def outline(canvas: np.ndarray, colour: RGB) -> np.ndarray:
    """Give every transparent pixel that touches (4-neighbour) a drawn one the colour."""
    solid = np.pad(canvas[..., 3] > 0, 1)
    near = solid[:-2, 1:-1] | solid[2:, 1:-1] | solid[1:-1, :-2] | solid[1:-1, 2:]
    canvas[near & (canvas[..., 3] == 0)] = (*colour, 255)
    return canvas


def pick(rng: np.random.RandomState, options: Sequence):
    """One of the options, all equally likely."""
    return options[rng.randint(len(options))]

# ------------------------------------------------------------------------------------------------------------------------
# Heroes, from the front and from the side
# ------------------------------------------------------------------------------------------------------------------------

HeroPixels = Dict[Tuple[int, int], Tuple[RGB, Optional[RGB]]]  # (row, column) -> colour, colour of its outline (None: no outline)
HeroPaint = Dict[str, Tuple[RGB, Optional[RGB]]]  # character -> the same

HERO_HAIR_COLOURS = ["blonde", "brown", "black", "red", "white", "blue", "purple", "pink", "green"]
HERO_HAT_COLOURS = ["red", "blue", "green", "purple", "brown", "black", "gold", "grey"]
HERO_OUTFIT_COLOURS = ["red", "blue", "green", "purple", "teal", "brown", "black", "white", "orange", "yellow", "pink"]
HERO_ARMOR_COLOURS = ["grey", "gold", "black", "red", "blue"]
HERO_UNDER_HAIR = [RAMPS["brown"][0], RAMPS["black"][0], RAMPS["blonde"][0], RAMPS["red"][0], RAMPS["white"][0]]  # hair below a hat, not named
HERO_SHIRT: Ramp = ramp("3e3850 b4b4c4 e4e6ee fafafc ffffff")
HERO_TROUSERS = [ramp("241c2e 3c344a 564c66 746a84 968ea4"), ramp("3a281c 5e4430 866848 aa8c66 ccb28c"), ramp("44465a 767c92 a6aec0 c8d0dc e8ecf0")]
HERO_BOOTS = [ramp("1e1218 38222a 583a34 7a5644 9c785c"), ramp("140f1c 241e30 383248 54506a 78748e")]
HERO_SKINS = [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]  # indices of SKINS; the last one, the orc's green, is rare
HERO_EYE: RGB = (30, 20, 34)

# Characters: 0-4 hair, hat or outfit (0 its ink); a-c skin (shade, base, light), d a blush, k its ink, E eye; p, q hair below a hat; u-w pale shirt;
# f-h trousers; l-n boots; z belt; y, Y gold; A-C sleeve; G, F, D shade and lights of the outfit on the arm; R, S, T red; V, W horn; '_' erases.
HERO_FACE = grid("""
...cccbbb...
..ccccbbbb..
..cccbbbba..
..cbEbbEba..
..bbEbbEba..
...dbbbbd...""")  # rows 3 to 8

HERO_BALD_FACE = ["............", "..accbbbaa.."] + HERO_FACE[2:]

# Head style -> shapes, put over the face. "front" begins at row `top` (2 unless told) and column 0; "side" at row `side_top` and column
# `side_left` (5 unless told); "drop" lowers the face to make room for a tall head; "bald" takes the flatter skull.
HERO_HEADS: Dict[str, List[Dict]] = {
    "short": [
        {"front": """
...333322...
..34433222..
..34332221..
..32.32.21..
..2......1..""", "side": """
..3333....
.344332...
.3443322..
.3.33322..
.....322..
.....b12..
......1..."""},
        {"front": """
....3332....
..33443222..
..34433221..
..332..221..
..3......1..""", "side": """
.33333....
3444332...
33443322..
...33322..
.....322..
.....b12..
......1..."""},
        {"front": """
.....3332...
..33433222..
..34433222..
..33332.21..
..2......1..""", "side": """
...3332...
.3443322..
.3443322..
.333.322..
.3....22..
.....b12..
......1..."""},
    ],
    "long": [
        {"front": """
...333322...
..34433222..
.3443332221.
.332.22.221.
.32......21.
.32......21.
.32......21.
.32......21.
.321....211.
..2......1..""", "side": """
..33332...
.3443322..
.34433222.
.3.333222.
....33222.
....33222.
....33221.
.....3221.
.....3221.
.....2211."""},
        {"front": """
....3332....
..33443222..
.3344332221.
.3332..2221.
.32......21.
.32......21.
.32......21.
3332....2211
332......211
.2........1.""", "side": """
..33332...
.3343322..
.34433222.
.333.3222.
.3...3222.
....33222.
....33221.
....33322.
.....3222.
......21.."""},
    ],
    "curly": [
        {"top": 1, "front": """
...333332...
.3344333222.
.3443332331.
334332334221
332333221231
333......221
332......211
.33.....211.""", "side": """
..333332..
.34433432.
344233322.
333343322.
32.324322.
.3..32332.
....33221.
....23321.
.....211.."""},
        {"top": 1, "front": """
..33333322..
.3444333322.
334433243322
344332333221
33233....231
333......221
.32......21.
............""", "side": """
.333.332..
344334432.
334233332.
333334322.
.32332332.
....32221.
....33321.
....22321.
.....2.1.."""},
    ],
    "spiky": [
        {"top": 1, "front": """
..3..33..2..
..33.33.22..
.3334332222.
334433322221
.332.32.221.
.3........1.""", "side": """
..3..3....
..33.3322.
.3443332..
.34433222.
3.3.33322.
.....332..
.....b122."""},
        {"top": 1, "front": """
.3...3......
.33.33..22..
..33433222..
33344332221.
.33323322211
.3..3..2..1.""", "side": """
.....3..2.
.33.3332..
..3443322.
.3443332..
33.333322.
.3..3322..
.....b122.
........1."""},
    ],
    "ponytail": [
        {"front": """
...333322.....
..344332222.33
..34332221R332
..332..221R332
..3......1.332
...........322
...........322
...........321
............2.""", "side": """
..3333....
.344332R..
.34433R33.
.3.332_33.
...b31_33.
...ba1_32.
....a1_32.
.......32.
.......21.
........1."""},
        {"top": 1, "front": """
...........33.
..........R332
...333332R3332
..34433222.332
..34332222..32
..33..2221..32
..3......1.321
...........21.""", "side": """
.....R33..
..3333R33.
.34433_33.
.34433_32.
.333.3_32.
.3..31_32.
....b1_21.
....a1_1.."""},
    ],
    "mohawk": [
        {"top": 1, "drop": 1, "bald": True, "front": """
.....32.....
....4332....
....4332....
.....32.....
.....32.....
.....32.....""", "side": """
.3..3..2..
.33.33.32.
.34333322.
..3332222.
.......22."""},
        {"top": 1, "drop": 1, "bald": True, "front": """
......42....
.....433....
....4332....
....432.....
.....32.....
.....32.....""", "side": """
....3.3.2.
..3343332.
.33433322.
...332222.
.......22."""},
    ],
    "braids": [
        {"front": """
...333322...
..34433222..
..34332222..
..333..222..
..3......1..
.R........R.
43........32
21........11
430......032
210......011
RR0......0RR
.3........2.""", "side": """
..33332...
.3443322..
.34433222.
.33.33222.
....33222.
....b3RR..
......332.
......211.
......332.
......211.
......RR..
......32.."""},
        {"front": """
...333322...
..34333222..
..34332222..
..33.32.21..
..3......1..
.3........2.
.1........1.
43........32
210......011
430......032
.R........R.
32........21""", "side": """
..33332...
.3443322..
.34333222.
.3.333222.
....33222.
....b3322.
......332.
......211.
......332.
......RR..
......32.."""},
    ],
    "hood": [
        {"top": 1, "front": """
.....32.....
...333322...
..34433222..
.3433222221.
.331aaaa121.
.31......11.
.31......11.
.332....211.
..33222211..""", "side": """
......332.
...333322.
..3443322.
.34433222.
.3a133222.
...133222.
...133222.
..1332221.
..3332221."""},
        {"top": 1, "front": """
............
...333322...
..33443222..
.3443322221.
.331aaaa121.
.31......11.
.31......11.
.331....111.
..33yy2211..""", "side": """
..........
..333322..
.34433322.
.34433222.
.3a133222.
...133222.
...133221.
...13321..
..y33221.."""},
    ],
    "helmet": [
        {"front": """
...334222...
..34334221..
..34334221..
.3444433221.
.1111111111.
..2......1..
..3......1..
..333..221..""", "side": """
..33332...
.3443322..
.34433222.
444333222.
111111221.
....33221.
...333221.
..333221.."""},
        {"top": 1, "front": """
.....RS.....
...34RS22...
..344RS221..
..334RS221..
.3444332221.
..11....11..
..2......1..
..21....11..""", "side": """
...RRRRS..
..RR332RS.
.344332RS.
.344332RS.
444332221.
....12221.
....3221..
....21...."""},
        {"top": 2, "front": """
W..333322..W
W.34433221.W
VW34433221WV
.V44332221V.
..11.32.11..
..2......1..
..21....11..""", "side": """
..33332.W.
.34433WVW.
.34433VWV.
444332221.
....12221.
....3221..
....21...."""},
    ],
    "crown": [
        {"top": 1, "front": """
..4..43..2..
..43.43.32..
..44333322..
..33RR3221..
..pq.qp.pp..
..q......p..
..q......p..""", "side": """
.4..4..3..
.43.43.32.
.4433R322.
.33333221.
.q.qqqpp..
....qqppp.
.....bpp..
......pp.."""},
        {"top": 1, "front": """
.....43.....
..4.4433.2..
..44RT3322..
..33333221..
..qq.qpppp..
.qq......pp.
.qq......pp.
.qq......pp.
..q......p..""", "side": """
....4.....
.4.443.32.
.44RT3322.
.33333221.
.qq.qqpp..
....qqppp.
....qqppp.
....qqppp.
.....qpp.."""},
    ],
    "cap": [
        {"top": 1, "front": """
....33332...
...3443322..
..34433222..
3333333221..
34443111pp..
..q......p..
.........p..""", "side_top": 2, "side": """
..33322..
.3443322.
.34433222
44333311p
..q.qqqp.
.....qpp.
......p.."""},
        {"top": 1, "front": """
.....3322...
...wv33322..
..wvv33222..
44433332221.
34433111221.
..q.....pp..
..q......p..""", "side_top": 2, "side": """
...3332..
.wv33322.
.wvv33222
44333331p
..q.qqqp.
.....qpp.
......p.."""},
    ],
    "wizard": [
        {"top": 1, "drop": 1, "front": """
......332...
....3432....
....34322...
...344322...
..yyyyyyzz..
333433222211
..q......p..
..q......p..""", "side": """
.......33.
.....332..
....3432..
...344322.
...yyyyzz.
3344333222
......qqp.
......bqp.
.......p..""", "side_left": 4},
        {"top": 1, "drop": 1, "front": """
...3332.....
..33.32.....
....34322...
...344322...
..yyYYyyzz..
.3443332221.
33q......p11
.qq......pp.
.qq......pp.""", "side": """
......333.
.....33.32
....3432..
...344322.
...yYYyzz.
.344332222
33...qqqp.
.....qqqp.
......qpp.
......qpp.""", "side_left": 4},
        {"top": 1, "drop": 1, "front": """
......332...
....3432....
....34322...
...344322...
..zzzzzzzz..
333433222211
..q......p..
..q......p..
..qqq..ppp..
....qqpp....""", "side": """
.......33.
.....332..
....3432..
...344322.
...zzzzzz.
3344333222
......qqp.
......bqp.
..qqq..p..
.qqqq.....
..qq......""", "side_left": 4},
    ],
    "bandana": [
        {"front": """
...333322.....
..3w3333w2....
..333w332233..
..11111111.332
..q......p.12.
.........p....""", "side": """
..33332...
.3w3322...
.333w322..
.11111133.
....qqpp3.
.....bqp2.
......pp.."""},
        {"front": """
...333322.....
..34433222....
..34333222....
..wwvvvvuu33..
..q......p.332
...........12.""", "side": """
..33332...
.344332...
.3443322..
.wwvvvu33.
....qqpp3.
.....bqp2.
......p..."""},
    ],
}
HERO_OUTFITS: Dict[str, Dict] = {  # rows 9 to 13
    "tunic": {"front": ["""
..331aa121..
.3313332121.
.cb0zYyz0ba.
...433221...
...nm..ml...""", """
..3wwvvu21..
.3313322121.
.cb0zyyz0ba.
..33432211..
...nm..ml..."""], "side": """
..33221...
..33221...
..zYzzz...
..332211.."""},
    "robe": {"front": ["""
..331yy121..
.3313yy2121.
.3c13yy21b1.
..333yy221..
.3333yy2211.""", """
..33444221..
.3313332121.
.3cyyYYyzb1.
..33432221..
.3334322211."""], "side": """
..33221...
..33221...
..yYyyz...
.3332221..
.3332221.."""},
    "armor": {"front": ["""
.4431331321.
.3204432021.
.430zYyz031.
...341021...
...32..21...""", """
.YyY3433yyz.
.3204432021.
.430zYyz031.
...342211...
...32..21..."""], "side": """
..43321...
..44321...
..yYyyz..."""},
    "dress": {"front": ["""
..33cbba21..
.cb1wwvu1ba.
.b03433210a.
.3344332211.
...nm..ml...""", """
..33433221..
.cb1332210a.
.b0wwvvvu0a.
..34433221..
.3443322211."""], "side": """
..33221...
..wwvvu...
..333221..
.33332221."""},
    "overalls": {"front": ["""
..wv3vv2vu..
.wvu3332uvu.
.cb033220ba.
...33..21...
...nm..ml...""", """
..wv3vv2vu..
.wvuYyyYuvu.
.cb034420ba.
...33..21...
...nm..ml..."""], "side": """
..wv3vu...
..33321...
..33221..."""},
    "coat": {"front": ["""
..331wv121..
.3313wv2121.
.cb03wv20ba.
..333gf221..
...nm..ml...""", """
..444wv332..
.3313wv2121.
.cb0zYyz0ba.
..333gf221..
..33nm.m21.."""], "side": """
..v3221...
..v3221...
..v3221...
..hgg3211."""},
    "vest": {"front": ["""
..w33wv22u..
.wv32wv21vu.
.cb1zYyz1ba.
...hg..gf...
...nm..ml...""", """
..w33ab22u..
.wv33wv21vu.
.cb133221ba.
...hg..gf...
...nm..ml..."""], "side": """
..v3321...
..v3321...
..v3221..."""},
    "stripes": {"front": ["""
..33222221..
.wvuwwvvuvu.
.cb033220ba.
...hg..gf...
...nm..ml...""", """
..wwvvvvuu..
.3313322121.
.cb0wvvu0ba.
...hg..gf...
...nm..ml..."""], "side": """
..33221...
..wvvvu...
..33221..."""},
}
HERO_SIDE_FACE = grid("""
..ccbbb...
.cccbbba..
.ccbbbba..
.bEbbbba..
cbEbbbba..
.bbbbaa...""")  # rows 3 to 8, its first column is column 5
HERO_BALD_SIDE_FACE = ["..ccbbb...", ".cccbbba..", ".ccbbbaa..", ".bEbbaba..", "cbEbbaca..", ".bbbbaa..."]
HERO_LEGS = [["..hgggf...", "..nm.ml..."], [".hgg.gff..", ".nm...ml.."]]  # rows 12 and 13: standing, walking
HERO_ARMS: Dict[str, Tuple[int, str]] = {  # rows 9 to 11: pose -> first column, drawing
    "down": (5, "....DF.... ...GCBG... ...GbaG..."),
    "hold": (2, "......DFG. .cbCCBBAG. .....GGG.."),
    "far": (2, "......DFG. cbCCCBBAG. .....GGG.."),
    "high": (2, ".cbCCCDFG. .....GGG.. .........."),
}
HERO_ARMOR_ARMS: Dict[str, Tuple[int, str]] = {
    "down": (5, "...0430... ...0320... ...0430..."),
    "hold": (2, ".....04430 .430333210 .....000.."),
    "far": (2, ".....04430 430C333210 .....000.."),
    "high": (2, ".430C34430 .....03210 .......0.."),
}
HERO_STRIPED_ARMS: Dict[str, Tuple[int, str]] = {
    "down": (5, "....DF.... ...GwvG... ...GbaG..."),
    "hold": (2, "......DFG. .cb3w3v2G. .....GGG.."),
    "far": (2, "......DFG. cb3w3w3vG. .....GGG.."),
    "high": (2, ".cb3w3DFG. .....GGG.. .........."),
}
HERO_ITEMS: Dict[str, List] = {  # first row, drawing; the hand is in row 10, column 3 and 4
    "sword": [(1, """
...4..
..42..
..43..
..43..
..43..
..43..
..43..
..42..
.yYyz.
..ih..
..ih..
..yz.."""), (2, """
.4....
.43...
.43...
.443..
..43..
..43..
..442.
.Yyyz.
...ih.
...ih.""")],
    "staff": [(1, """
...9..
..988.
..887.
...y..
...i..
...i..
...i..
...i..
...i..
...i..
...h..
...h..
...h.."""), (1, """
..Yyy.
.Y...y
.y.9.y
..987.
...7..
...i..
...i..
...i..
...i..
...i..
...h..
...h..
...h..""")],
    "bow": [(3, """
....i.
...is.
..i.s.
.i..s.
.i..s.
.Y..s.
.y..s.
.i..s.
..i.s.
...is.
....i.""")],
    "axe": [(1, """
.4.i.3
.44i33
.43i32
.3.i.2
...i..
...i..
...i..
...i..
...h..
...h..
...h..
...h.."""), (1, """
.4.i..
.44i2.
.43i2.
.33i..
.3.i..
...i..
...i..
...i..
...h..
...h..
...h..
...h..""")],
    "shield": [(7, """
.433..
.4333.
.43Y32
.4YYY2
.33Y22
..322.
...2.."""), (7, """
..yy..
.y43y.
.43332
.4YY32
.33332
.y322.
..yz..""")],
    "lantern": [(9, """
..yy..
.yYyz.
.z9Wz.
.zW9z.
.yYyz.""")],
    "hammer": [(1, """
.44332
.43322
.33221
...i..
...i..
...i..
...i..
...i..
...h..
...h..
...h..
...h..""")],
    "torch": [(1, """
..o...
..oo..
.oYo..
.oYYo.
.oYWo.
.oWWo.
..oo..
..zzz.
...i..
...i..
...h..
...h..""")],
}


def hero_lay(pixels: HeroPixels, art: str, paint: HeroPaint, top: int, left: int) -> None:
    """Lay a drawing on the pixels drawn so far."""
    for i, row in enumerate(art.split()):
        for j, c in enumerate(row):
            if c == "_":
                pixels.pop((top + i, left + j), None)
            elif c != ".":
                pixels[top + i, left + j] = paint[c]


def hero_finish(pixels: HeroPixels) -> np.ndarray:
    """Outline the figure, each pixel in the darkest ink of its neighbours, and put it in the middle of a canvas."""
    edge: Dict[Tuple[int, int], RGB] = {}
    for (i, j), (_, ink) in pixels.items():
        for at in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if ink is not None and at not in pixels and (at not in edge or sum(ink) < sum(edge[at])):
                edge[at] = ink
    edge.update({at: colour for at, (colour, _) in pixels.items()})
    rows, columns = [at[0] for at in edge], [at[1] for at in edge]
    top, left = (SIZE + 1 - (max(rows) - min(rows) + 1)) // 2 - min(rows), (SIZE - (max(columns) - min(columns) + 1)) // 2 - min(columns)
    canvas = blank()
    for (i, j), colour in edge.items():
        canvas[top + i, left + j] = (*colour, 255)
    return canvas


def hero_ramp_paint(chars: str, r: Ramp, first: int = 0) -> HeroPaint:
    """Characters for the tones of a ramp from the tone `first` on, all with the ramp's ink as outline."""
    part = 2 if sum(r[0]) > 230 else 1  # more ink for pale ramps
    ink = tuple(((4 - part) * a + part * b) // 4 for a, b in zip(r[0], INK))
    return {c: (ink if first + i == 0 else r[first + i], ink) for i, c in enumerate(chars)}


def hero_far(a: RGB, b: RGB) -> bool:
    """Whether two colours can be told apart side by side."""
    return sum(abs(x - y) for x, y in zip(a, b)) >= 135


def hero_colours(rng: np.random.RandomState, style: str, outfit: str, shoes: bool) -> Tuple[HeroPaint, HeroPaint, str, str, tuple]:
    """Random colours: the paint of the head, the paint of the body, the colour words of both, the choices made."""
    words = {"crown": ["gold"], "helmet": ["grey", "gold"]}.get(style, HERO_HAIR_COLOURS if style in HERO_HAIRS else HERO_HAT_COLOURS)
    word = pick(rng, words)
    shade = rng.randint(1 if word == "black" else 2)  # the two blacks are too much alike
    head = RAMPS[word][shade]
    skins = [i for i in HERO_SKINS if hero_far(SKINS[i][2], head[2])]
    skin = pick(rng, skins)
    unders = [i for i, h in enumerate(HERO_UNDER_HAIR) if hero_far(h[2], SKINS[skin][2])]
    under = pick(rng, unders) if style in ("crown", "cap", "wizard", "bandana") else 0
    cloth_word = pick(rng, HERO_ARMOR_COLOURS if outfit == "armor" else HERO_OUTFIT_COLOURS)
    cloth_shade = rng.randint(1 if cloth_word == "black" else 2)
    cloth = RAMPS[cloth_word][cloth_shade]
    trousers = pick(rng, [i for i, t in enumerate(HERO_TROUSERS) if hero_far(t[2], cloth[2])]) if outfit in ("coat", "vest", "stripes") else 0
    boots = rng.randint(2) if shoes else 0
    s = SKINS[skin]
    red, horn = RAMPS["red"][0], RAMPS["white"][1]
    paint = {"E": (HERO_EYE, s[0]), "R": (red[2], red[0]), "S": (red[1], red[0]), "T": (red[4], INK), "W": (horn[2], INK), "V": (horn[1], INK),
             **hero_ramp_paint("kabc", s), **hero_ramp_paint("uvw", HERO_SHIRT, 1), **hero_ramp_paint("z", WOOD, 1),
             **hero_ramp_paint("yY", RAMPS["gold"][0], 2)}
    paint["d"] = (tuple((3 * a + b) // 4 for a, b in zip(s[2], (216, 40, 72))), paint["b"][1])  # a blush
    head_paint = {**paint, **hero_ramp_paint("01234", head), **hero_ramp_paint("pqr", HERO_UNDER_HAIR[under], 1)}
    sleeve = HERO_SHIRT if outfit in ("overalls", "vest") else cloth
    body_paint = {**paint, **hero_ramp_paint("01234", cloth), **hero_ramp_paint("fgh", HERO_TROUSERS[trousers], 1),
                  **hero_ramp_paint("lmn", HERO_BOOTS[boots], 1), **hero_ramp_paint("KABC", sleeve), **hero_ramp_paint("GFD", cloth, 1)}
    return head_paint, body_paint, word, cloth_word, (word, shade, skin, under, cloth_word, cloth_shade, trousers, boots)


HERO_HAIRS = ["short", "long", "curly", "spiky", "ponytail", "mohawk", "braids"]
HERO_HATS = ["hood", "helmet", "crown", "cap", "wizard", "bandana"]


def hero_words(view: str, style: str, colour: str, cloth: str, outfit: str) -> str:
    """The caption without the held item."""
    look = f"{style} {colour} hair" if style in HERO_HAIRS else f"{colour} {style}"
    return f"{view} {look} {cloth} {outfit}"


def hero_front(style: str, rng: np.random.RandomState) -> Tuple[np.ndarray, str, tuple]:
    """A random hero who faces us."""
    outfit = pick(rng, list(HERO_OUTFITS))
    cut, shape = rng.randint(len(HERO_OUTFITS[outfit]["front"])), rng.randint(len(HERO_HEADS[style]))
    head_paint, body_paint, colour, cloth, choices = hero_colours(rng, style, outfit, "m" in HERO_OUTFITS[outfit]["front"][cut])
    head = HERO_HEADS[style][shape]
    pixels: HeroPixels = {}
    hero_lay(pixels, HERO_OUTFITS[outfit]["front"][cut], body_paint, 9, 0)
    face = HERO_FACE
    if head.get("bald"):
        face = HERO_BALD_FACE
    hero_lay(pixels, " ".join(face), head_paint, 3 + head.get("drop", 0), 0)
    hero_lay(pixels, head["front"], head_paint, head.get("top", 2), 0)
    return hero_finish(pixels), hero_words("hero", style, colour, cloth, outfit), (f"hero {style}", outfit, cut, shape) + choices


def hero_item(rng: np.random.RandomState, item: str) -> Tuple[int, str, HeroPaint, tuple]:
    """A held item: its first row, drawing and paint, and the choices made."""
    shape = rng.randint(len(HERO_ITEMS[item]))
    metal = rng.randint(2)  # steel or gold; for things of wood light or dark; for flames orange or blue
    gem = pick(rng, ["red", "blue", "green", "purple"]) if item in ("staff", "shield") else "red"
    top, art = HERO_ITEMS[item][shape]
    main = RAMPS[gem][0] if item == "shield" else [STEEL, RAMPS["gold"][0]][metal]
    trim = [RAMPS["gold"][0], STEEL][metal]
    wood = [WOOD, RAMPS["brown"][1]][metal if item in ("bow", "staff", "torch") else 0]
    paint = {**hero_ramp_paint("01234", main), **hero_ramp_paint("zyY", trim, 1), **hero_ramp_paint("hi", wood, 2),
             **hero_ramp_paint("789", RAMPS[gem][0], 2), "s": (RAMPS["white"][1][1], None)}
    if item == "lantern":
        paint.update({"9": (RAMPS["yellow"][0][3], INK), "W": (RAMPS["yellow"][0][4], INK)})
    if item == "torch":
        paint.update({"o": (RAMPS["orange"][0][2], INK), "Y": (RAMPS["yellow"][0][2], INK), "W": (RAMPS["yellow"][0][4], INK)})
        paint.update(hero_ramp_paint("z", STEEL, 1))
    return top, art, {c: (colour, ink and INK) for c, (colour, ink) in paint.items()}, (shape, metal, gem)


def hero_side(style: str, rng: np.random.RandomState) -> Tuple[np.ndarray, str, tuple]:
    """A random hero seen from the side, facing left."""
    outfit = pick(rng, list(HERO_OUTFITS))
    item = pick(rng, list(HERO_ITEMS) * 2 + [""] * 3)
    walk, shape = rng.randint(1 if outfit == "robe" else 2), rng.randint(len(HERO_HEADS[style]))
    head_paint, body_paint, colour, cloth, choices = hero_colours(rng, style, outfit, outfit not in ("robe", "armor"))
    head = HERO_HEADS[style][shape]
    legs_paint = dict(body_paint)
    if outfit in ("overalls", "armor"):
        legs_paint.update({a: body_paint[b] for a, b in zip("fgh", "123")})
    if outfit == "armor":
        legs_paint.update({a: body_paint[b] for a, b in zip("lmn", "123")})
    pixels: HeroPixels = {}
    if outfit != "robe":
        hero_lay(pixels, " ".join(HERO_LEGS[walk]), legs_paint, 12, 5)
    hero_lay(pixels, HERO_OUTFITS[outfit]["side"], body_paint, 9, 5)
    face = HERO_BALD_SIDE_FACE if head.get("bald") else HERO_SIDE_FACE
    hero_lay(pixels, " ".join(face), head_paint, 3 + head.get("drop", 0), 5)
    hero_lay(pixels, head["side"], head_paint, head.get("side_top", head.get("top", 2)), head.get("side_left", 5))
    details: tuple = ()
    arm = {"": "down", "bow": "far", "lantern": "high"}.get(item, "hold")
    if item:
        top, art, paint, details = hero_item(rng, item)
        things: HeroPixels = {}
        hero_lay(things, art, paint, top, 0)
        for (i, j), (_, ink) in list(things.items()):
            for at in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if ink is not None and at not in things:
                    things[at] = (ink, None)
        pixels.update(things)
    if item != "shield":
        left, art = {"armor": HERO_ARMOR_ARMS, "stripes": HERO_STRIPED_ARMS}.get(outfit, HERO_ARMS)[arm]
        hero_lay(pixels, art, body_paint, 9, left)
    words = hero_words("side", style, colour, cloth, outfit) + (f" {item}" if item else "")
    return hero_finish(pixels), words, (f"side {style}", outfit, item, walk, shape) + choices + details


def hero_kind(draw_one: Callable, style: str) -> Callable[[np.random.RandomState], Tuple[np.ndarray, str, tuple]]:
    """The function that draws one style."""
    return lambda rng: draw_one(style, rng)


HeroDraw = Callable[[np.random.RandomState], Tuple[np.ndarray, str, tuple]]
HERO_KINDS: Dict[str, HeroDraw] = {f"hero {s}": hero_kind(hero_front, s) for s in HERO_HAIRS + HERO_HATS}
HERO_KINDS.update({f"side {s}": hero_kind(hero_side, s) for s in HERO_HAIRS + HERO_HATS})

# ------------------------------------------------------------------------------------------------------------------------
# Creatures
# ------------------------------------------------------------------------------------------------------------------------

FOE_MOODS = ["angry", "happy", "sleepy"]

# Characters with a fixed colour. Others: 0-4 the body's ramp, a-d the second ramp (shade to glint), O and Q ink and shade that get no outline,
# x a glow; in faces k, h and y are pencil, brow and white of the eye (k and y glow on black bodies).
FOE_FIXED: Dict[str, RGB] = {
    "w": WHITE, "K": INK, "v": (58, 54, 72), "r": (204, 40, 56), "R": (128, 20, 46), "p": (248, 120, 150), "t": (240, 98, 120), "g": (255, 214, 70),
    "G": (214, 138, 26), "l": (124, 203, 78), "L": (44, 138, 60), "e": (143, 86, 50), "E": (92, 50, 32), "s": (202, 214, 226), "S": (110, 120, 146),
    "u": (88, 190, 240),
}
FOE_GLOW_BLACK: List[RGB] = [(255, 214, 70), (255, 110, 90)]
FOE_GLOWS: Dict[str, RGB] = {"yellow": (255, 226, 70), "green": (120, 250, 110), "blue": (110, 180, 255)}


def foe_faces(text: str) -> Dict[str, List[str]]:
    """Three faces side by side in one drawing (angry | happy | sleepy), as a dict."""
    rows = [r.split() for r in text.strip().splitlines()]
    return {mood: [r[i] for r in rows] for i, mood in enumerate(FOE_MOODS)}


FOE_FACES: Dict[str, Dict[str, List[str]]] = {
    "wide": foe_faces("""
        hh...hh  wk...wk  .......
        yhh.hhy  kk...kk  .......
        yh...hy  p.....p  kkk.kkk
        ..hhh..  .k...k.  .......
        .hw.wh.  ..kkk..  ...kk.."""),
    "small": foe_faces("""
        h...h  wk.wk  .....
        hh.hh  kk.kk  .....
        yh.hy  .....  kk.kk
        .....  k...k  .....
        hwhwh  .kkk.  ..k.."""),
    "stalks": foe_faces("""
        h...h  wk.wk  33.22
        hh.hh  kk.kk  33.22
        yh.hy  .....  kk.kk
        .....  k...k  .....
        hwhwh  .kkk.  ..k.."""),
    "skull": foe_faces("""
        kk...kk  kkk.kkk  .......
        krk.krk  kwk.kwk  .......
        .kk.kk.  kkk.kkk  kkk.kkk
        ...k...  k..k..k  ...k...
        kwkwkwk  .kkkkk.  ..kkk.."""),
    "orb": foe_faces("""
        kk...kk  .wwwww.  .......
        wkkkkkw  wwbbbww  1111111
        wwbkbww  wwbwkww  0000000
        wwbkbww  wwbkkww  wwbkbww
        .wwwww.  .wwwww.  .wwwww.
        .......  .......  .......
        .kkkkk.  .k...k.  .......
        .wkwkw.  ..kkk..  ..kk..."""),
    "screen": foe_faces("""
        xx...xx  .x...x.  .......
        .xx.xx.  .x...x.  .......
        .......  .......  xxx.xxx
        .xxxxx.  x.....x  .......
        .x...x.  .xxxxx.  ..xxx.."""),
    "fish": foe_faces("""
        ...kk  .www.  .....
        .kkkw  .kkw.  .....
        .wkw.  .kkw.  .kkk.
        .....  .....  .....
        kkkk.  ...k.  .....
        wkwk.  kkk..  kk..."""),
    "bird": foe_faces("""
        kk...kk  wk...wk  .......
        wkk.kkw  kk...kk  .......
        wkgggkw  p.ggg.p  kkk.kkk
        ..rrr..  ...G...  ..ggg..
        ..GGG..  .......  ...G..."""),
    "cat": foe_faces("""
        hh...hh  wk...wk  .......
        yhh.hhy  kk...kk  .......
        yh.p.hy  ...p...  kkk.kkk
        ..hhh..  .k.k.k.  ...p...
        .hw.wh.  ..k.k..  ..kkk.."""),
    "rabbit": foe_faces("""
        kk...kk  wk...wk  .......
        wkk.kkw  kk...kk  .......
        wk.p.kw  p..p..p  kkk.kkk
        ..kkk..  .k...k.  ...p...
        .k.w.k.  ..kwk..  ...k..."""),
    "frog": foe_faces("""
        kk.....kk  .ww...ww.  .........
        wkk...kkw  wkk...wkk  .........
        wwk...kww  wkk...wkk  kkk...kkk
        .........  .........  .........
        .kkkkkkk.  k.......k  .........
        k.......k  .k.....k.  ...kkk...
        .........  ..kkkkk..  ........."""),
}
FOE_SCREEN = {"angry": (255, 80, 80), "happy": (120, 250, 130), "sleepy": (90, 170, 255)}

FOE_STAMPS: Dict[str, List[str]] = {
    "crown": grid("g.g.g ggggG gGrGG"),
    "sprout": grid("ll.ll .lLL. ..L.."),
    "bow": grid("rr.rr rrRrr rr.rr"),
    "tophat": grid(".vvvvv. .vvvvv. .rrrrr. vvvvvvv"),
    "flower": grid(".t. tgt .t."),
    "carrot": grid(".L.L. ..L.. .GGG. ..G.."),
    "circlet": grid("g.g.g ggrGG"),
    "helmet": grid("..sssSS.. .ssssSSS."),
    "bandana": grid("..rrrrr.. .rrrrrrRR"),
}

# kind -> colours, the face's name, second ramps, glows, bodies; a body: drawing, place of the face (top, left and perhaps a face of its own), extras;
# an extra: a list of stamps (name or drawing, top, left), counted from the body's upper left corner.
FOE_TABLE: Dict[str, Dict[str, Any]] = {
    "slime": dict(colours="green blue pink yellow red purple orange", face="wide", bodies=[
        ("""......3...... .....332..... ....33222.... ...3432222... ..343322222.. .33432222222. .33322222221. 3332222222221 3332222222211
            3322222222211 .22222222111.""", (5, 3),
         [[], [("crown", -2, 4)], [("sprout", -2, 4)], [("44 44", 3, 8), ("4", 9, 11), ("44 44", 8, 1)]]),
    ]),
    "ghost": dict(colours="white blue purple teal red green yellow", face="wide", bodies=[
        ("""....332.... ..3333222.. .333332222. .333322222. 33332222222 33322222221 33222222221 32222222221 32222222211 32222222211 22.2222.111
            2...22...11""", (3, 2),
         [[], [("bow", 9, 3)], [("crown", -1, 3)], [("tophat", -1, 2)]]),
    ]),
    "bat": dict(colours="purple black brown red green blue yellow", face="small", second=[None, "pink", "yellow"], bodies=[
        ("""b...........a bb..3...2..aa bbb.33.22.aaa bbb3333222aaa bb033332220aa bb033322220aa ba033222220aa a.032222210.a ....22221....
            ....2...1....""", (3, 4),
         [[], [("rr.rr .rrr.", 8, 4)]]),
    ]),
    "mushroom": dict(colours="red brown purple orange green blue yellow", face="wide", second=["white1"], bodies=[
        ("""....333322... ..33333222221 .343332222222 3433332222221 3333322222221 3332222222111 ..ccbbbbbbb.. ..ccbbbbbbb.. ..cbbbbbbba..
            ..cbbbbbbaa.. ...bbbbbaa... ...ee...EE...""", (6, 3),
         [[], [("ww ww", 2, 3), ("www www", 1, 7), ("w", 4, 11), ("w", 4, 0)], [("w", 1, 4), ("w", 3, 2), ("w", 3, 6), ("w", 1, 8), ("w", 3, 10)],
          [("sprout", -1, 4)]]),
    ]),
    "flame": dict(colours="red orange blue green purple yellow pink", face="wide", second=["yellow", None], bodies=[
        ("""....2...... ....22..... ...2222..2. .2.2322.22. .222332222. 22233333221 22333333321 233ccccc321 23cdddddc31 23cdddddc31 .23dddddc3.
            ...222211..""", (6, 2),
         [[], [("ee.......EE .eeeeeEEEE.", 11, 0)]]),
    ]),
    "skeleton": dict(colours="white grey teal yellow red green blue", face="skull", bodies=[
        ("""....33332.... ...3333322... ..333333222.. ..333333222.. ..333332221.. ...3333221... .33322222111. 3...00200...1 3...32221...1
            2...00200...1 ....32221.... ....2...1....""", (1, 3),
         [[], [("circlet", -1, 4)], [("helmet", -1, 2)], [("bandana", -1, 2)]]),
    ]),
    "spider": dict(colours="black purple brown red green blue yellow", face="small", bodies=[
        ("""...O.......O... ..O.O.333.O.O.. .O...33332...O. .O..3333222..O. ..OO3333222OO.. .O..3332222..O. O.OO3322222OO.O O.O.3222221.O.O
            .O.O.22211.O.O. .O.O.......O.O. .O..O.....O..O.""", (3, 5),
         [[], [("r.r", 1, 6)], [("4 444 .4.", 1, 6)], [("crown", 0, 5)]]),
    ]),
    "snake": dict(colours="green yellow red orange blue purple pink", face="small", second=["white1", "purple"], bodies=[
        ("""..33332...... .3333222..... .3333222..... .3332222..... .3322221..... ..22221...... ...2221...... ...2221...22. ..33222221.21
            .33322222210. 3000000000011 3332222222211 .22222221111.""", (0, 2),
         [[("bbb", 6, 3), ("bb", 9, 3), ("bb", 9, 7), ("bb", 11, 2), ("bb", 11, 6), ("bb", 11, 10)],
          [("rr", 5, 4), ("b", 7, 4), ("bbbbb", 9, 3), ("bbbbbbb", 11, 3)]]),
    ]),
    "eye": dict(colours="red green purple pink blue yellow orange", face="orb", second=["blue", "orange", "yellow"], bodies=[
        ("""...33332... ..3333222.. .333332222. 33333222222 33332222222 33322222221 33222222221 32222222211 .222222211. .2.22211.1. 2..2...1..1
            2..2...1..1""", (1, 2),
         [[], [("1", 2, 1), ("1", 5, 0), ("11", 6, 9), ("11", 0, 6), ("1", 7, 1), ("1", 8, 8)]]),
    ]),
    "robot": dict(colours="grey blue yellow white red green purple", face="screen", bodies=[
        ("""......r...... ..333333322.. .33KKKKKKK21. 133KKKKKKK211 133KKKKKKK211 133KKKKKKK211 .32KKKKKKK21. ..222222211.. ....00000....
            .33.33221.22. .2..32221..1. ....32211.... ...33...21...""", (2, 3),
         [[], [("rrr", 10, 5)], [("uuu uuu", 10, 5)], [("g", 0, 6), ("KgK", 11, 5), ("g.......g", 1, 2)]]),
    ]),
    "cactus": dict(colours="green teal yellow pink red blue purple", face="small", second=["brown", "red"], bodies=[
        ("""....33322.... ...3332222... .O.3332222... ...3332222.21 33.3322222.21 33.3322222211 333322222221. .3332222221.. ...2222211...
            ..ccbbbbbaa.. ...cbbbbba... ...cbbbbaa...""", (3, 4),
         [[], [("flower", -1, 5)], [("4", 1, 4), ("4", 4, 0), ("4", 2, 8), ("4", 8, 4), ("4", 8, 8), ("4", 4, 11)]]),
    ]),
    "crab": dict(colours="red orange blue teal green purple yellow", face="stalks", bodies=[
        ("""3.3.......2.2 3.3.......2.2 333.......222 .33.......22. ..333333222.. .33333322222. 3333332222221 3333322222221 .33222222211.
            ...2222211... .O.........O. O..O.....O..O""", (2, 4),
         [[], [("4", 5, 2), ("44", 8, 4), ("4", 6, 10), ("44", 7, 8)], [("44444", 8, 4), ("444", 9, 5)],
          [("1", 5, 10), ("11", 6, 2), ("11 11", 7, 5)]]),
    ]),
    "fish": dict(colours="orange blue yellow teal red green purple", face="fish", bodies=[
        ("""....333...... ...33322..... ..3333222...2 .333332222.22 3333332222222 333333211222. 3333222122222 .332222221.11 ..2222211...1
            ....211......""", (2, 1),
         [[], [("w w w w w w w", 2, 6), ("w w w w w", 3, 9)], [("wwwwww .wwwww", 7, 2)], [("1", 3, 8), ("1", 7, 6), ("1", 4, 10), ("1", 2, 6)]]),
    ]),
    "bird": dict(colours="blue red yellow white green purple orange", face="bird", second=["white1", "pink"], bodies=[
        ("""......2...... .....322..... ...3333222... ..333332222.. ..333222222.. .13322222221. 1132bbbbb2211 113bbbbbbb211 .12bbbbbba21.
            ..2bbbbba21.. ...2222211... ...gg...GG...""", (3, 3),
         [[], [("crown", 0, 4)], [("bow", 8, 4)]]),
    ]),
    "cat": dict(colours="orange black grey white red green blue", face="cat", bodies=[
        (""".3.......2... .33.....22... .333333222... .333332222.2. .333322222..2 .332222222..2 .322222221..2 ..2222221..22 ..3322221.22.
            ..332222221.. ..322222221.. ..3.22.221... ..33.22.22...""", (3, 2),
         [[], [("rrrrr ..g..", 8, 3)], [("1.1.1", 2, 3), ("1", 5, 1), ("1", 5, 9), ("1", 9, 9), ("11", 10, 8)], [("bow", 0, 3)]]),
    ]),
    "golem": dict(colours="grey brown teal red green blue purple", face=None, glow=["yellow", "green", "blue"], bodies=[
        ("""...3333322... ...3000002... 33.3xx0xx1.22 3330xx0xx0222 3320333220221 2210332220211 .00032221000. 3330322210222 332.00000.221
            322.33022.211 ...332.221... ...322.211...""", (0, 0),
         [[], [("ll..lL", 0, 3), ("lll .ll", 2, 0), ("LLL", 3, 10), ("lL", 7, 1)], [("0. 00 .0", 4, 5), ("0 0", 3, 1), ("0", 9, 11)],
          [("x.x .x. x.x", 5, 5)]]),
    ]),
    "demon": dict(colours="red purple black orange green blue yellow", face="wide", second=["white1", "grey", "yellow"], bodies=[
        ("""c.........b.. cc.......cb.. .cc33322cb... ..3333222.... .333332222... .333322222... .333222222... .332222221..1 ..2222211..11
            ...33221..... ...32221....O ..22..11.OOO.""", (3, 2),
         [[], [("4 4", 9, 4), ("4", 3, 5)]]),
    ]),
    "jellyfish": dict(colours="pink teal purple blue red green yellow", face="wide", second=[None, "yellow"], bodies=[
        ("""....33332.... ..333332222.. .33433222222. .34332222222. 3333222222221 3332222222221 3322222222211 3222222222111 .2.22.222.11.
            ............. .Q..Q.Q.Q..Q. .Q..Q.Q.Q..Q. ..Q..Q.Q.Q..Q ..Q..Q.Q.Q..Q""", (3, 3),
         [[], [("44 44", 1, 8), ("4", 1, 4), ("44", 6, 1), ("4", 5, 11)], [("bow", 0, 4)]]),
    ]),
    "rabbit": dict(colours="white brown grey pink red green blue", face="rabbit", bodies=[
        ("""..33...22.. ..3p...p2.. ..3p...p2.. ..3p...p2.. ..3333322.. .333333222. .333332222. .333222222. .332222221. ..2222221.. ..3222221..
            .332222211. .33.22.21..""", (5, 2),
         [[], [("rr.rr .rrr.", 10, 3)], [("flower", 3, 1)], [("bow", 2, 3)]]),
    ]),
    "frog": dict(colours="green orange yellow brown red blue purple", face="frog", second=["white1", "pink"], bodies=[
        ("""..333...222.. .33332.32222. .33332222222. .33333222222. 3333322222221 3333222222221 .2bbbbbbbbb1. .2bbbbbbbba1. 33.2bbbbba.11
            333.2bba1.111""", (0, 2),
         [[], [("crown", -1, 4)], [("44", 3, 6), ("4", 5, 1), ("4", 3, 2), ("4", 4, 11)]]),
    ]),
}


def foe_ramp(name: str) -> Ramp:
    """The ramp called "white" (first of the word) or "white1" (second)."""
    return RAMPS[name[:-1]][1] if name.endswith("1") else RAMPS[name][0]


def foe_stamp(chars: List[List[str]], art: Sequence[str], top: int, left: int) -> None:
    """Write a drawing into a larger table of characters; '.' leaves what is there."""
    for i, row in enumerate(art):
        for j, c in enumerate(row):
            if c != ".":
                chars[top + i][left + j] = c


def foe_crop(chars: List[List[str]]) -> List[str]:
    """The rows of a table of characters without the empty margin."""
    rows = [i for i, r in enumerate(chars) if any(c != "." for c in r)]
    cols = [j for j in range(len(chars[0])) if any(r[j] != "." for r in chars)]
    return ["".join(r[cols[0] : cols[-1] + 1]) for r in chars[rows[0] : rows[-1] + 1]]


def foe_draw(kind: str, rng: np.random.RandomState) -> Tuple[np.ndarray, str, tuple]:
    """One random creature of a kind, from the table."""
    spec = FOE_TABLE[kind]
    colour, shade, mood = pick(rng, spec["colours"]), rng.randint(2), pick(rng, FOE_MOODS)
    body = rng.randint(len(spec["bodies"]))
    art, (top, left, *own), extras = spec["bodies"][body]
    face = own[0] if own else spec["face"]
    extra = rng.randint(len(extras))
    second = pick(rng, spec.get("second", [None]))
    glow = pick(rng, spec.get("glow", ["yellow"]))
    chars = [["."] * 24 for _ in range(24)]
    foe_stamp(chars, art, 5, 5)
    for stamp, i, j in extras[extra]:
        foe_stamp(chars, stamp, 5 + i, 5 + j)
    if face:
        foe_stamp(chars, FOE_FACES[face][mood], 5 + top, 5 + left)
    else:
        mood = ""
    ink = RAMPS[colour][shade]
    colours = {**FOE_FIXED, **tones("01234", ink), "O": ink[0], "Q": ink[1], "x": FOE_SCREEN[mood] if kind == "robot" else FOE_GLOWS[glow]}
    colours.update(tones("abcd", (foe_ramp(second) if second else ink)[1:]))
    colours.update(h=INK, k=FOE_GLOW_BLACK[shade] if colour == "black" else INK, y=FOE_GLOW_BLACK[shade] if colour == "black" else WHITE)
    if second:
        colours["Q"] = foe_ramp(second)[1]
    rows = foe_crop(chars)
    fine = ["".join(c if c in "OQ" else "." for c in r) for r in rows]
    full = ["".join("." if c in "OQ" else c for c in r) for r in rows]
    canvas = outline(draw_centred(blank(), full, colours), ink[0])
    thin = draw_centred(blank(), fine, colours)
    canvas = np.where(canvas[..., 3:] > 0, canvas, thin)
    return canvas, f"{colour} {kind} {mood}".strip(), (kind, colour, shade, body, mood, extra, second, glow)


def foe_prepare() -> None:
    """Turn the texts of the table into drawings, once."""
    for spec in FOE_TABLE.values():
        spec["colours"] = spec["colours"].split()
        for i, (text, place, extras) in enumerate(spec["bodies"]):
            parsed = [[(FOE_STAMPS[s] if s in FOE_STAMPS else s.split(), top, left) for s, top, left in extra] for extra in extras]
            spec["bodies"][i] = (grid(text), place, parsed)


def foe_kind(kind: str) -> Callable[[np.random.RandomState], Tuple[np.ndarray, str, tuple]]:
    """The drawing function of one kind."""
    return lambda rng: foe_draw(kind, rng)


foe_prepare()
FOE_KINDS = {kind: foe_kind(kind) for kind in FOE_TABLE}

# ------------------------------------------------------------------------------------------------------------------------
# Food
# ------------------------------------------------------------------------------------------------------------------------

# In the drawings: 01234 = ramp of the caption's colour, abcde, fghij, pqrst, ABCDE, FGHIJ, PQRST = ramps of the kind's "inks", dark to light;
# k = INK, w = WHITE (pink on white things), '_' erases, '.' leaves what is there.
# A layer is "top left row row ..."; layers that belong together are joined by '|'.
FOOD_CREAM: Ramp = ramp("6a4420 cfa860 f2dca0 faf0cc fffdf0")
FOOD_DOUGH: Ramp = ramp("4a2210 a05c24 d8944a f0be78 fae0ac")
FOOD_TOAST: Ramp = ramp("3c1a10 7c3e1a b06a2e d89850 f0c888")
FOOD_STRAW: Ramp = ramp("5e3a12 b07a28 e2b450 f6dc88 fff2c0")
FOOD_CHOCO: Ramp = ramp("26100e 4a2418 6e3a24 94583a c08860")
FOOD_PALE: Ramp = RAMPS["white"][0]
FOOD_IVORY: Ramp = RAMPS["white"][1]
FOOD_RED: Ramp = RAMPS["red"][0]
FOOD_YELLOW: Ramp = RAMPS["yellow"][0]
FOOD_PINK: Ramp = RAMPS["pink"][0]
FOOD_BLUE: Ramp = RAMPS["blue"][0]
FOOD_LEAVES: List[Ramp] = [RAMPS["green"][0], RAMPS["green"][1]]
FOOD_GROUPS: Dict[str, str] = {g[0]: g for g in ("abcde", "fghij", "pqrst", "ABCDE", "FGHIJ", "PQRST")}


FOOD_APPLE_1 = (
    "0 0 ..333..222.. .3333222222. 333222222221 333222222221 332222222221 322222222211 322222222211 .2222222211. "
    ".2222222111. ..22222111.. ...22..11..."
)
FOOD_APPLE_2 = (
    "-2 6 p|-1 6 p|0 5 p|1 5 p",
    "-2 6 p|-1 6 p|0 5 p|1 5 p|-2 8 .edc edcb db..",
    "-2 4 p|-1 5 p|0 5 p|1 5 p|-2 0 dec. cddc ..cb",
    "-1 6 p|0 5 p|1 5 p|-2 7 ded|-1 8 cdc|-2 2 ddc|-1 2 .cb",
)
FOOD_PEAR_1 = (
    "0 0 ....332.... ...33322... ...33222... ...33222... ..3322221.. .333222221. 33322222221 33222222221 33222222211 "
    ".222222211. ..2221111.."
)
FOOD_PEAR_2 = ("-2 5 .p p.", "-2 5 .p p.|-2 7 .ed edc cb.", "-2 5 p. .p|-2 1 dec. cddc ..cb", "-2 5 .p p.|-2 7 .edc edcb|-1 2 ed. cdc")
FOOD_GRAPES_1 = (
    "-3 6 pq|-2 6 p|-1 6 p",
    "-3 6 pq|-2 6 p|-2 7 .dddc dddcb ccb..|-1 6 p",
    "-3 5 qp|-2 6 p|-3 1 dd... cdddc .bcc.|-1 6 p",
    "-3 6 pp|-2 6 p|-2 7 .ddc ddcb|-3 2 dd.. cddc .cb.|-1 6 p",
)
FOOD_STRAWBERRY_1 = (
    "0 0 .333333222. 33332222221 33332222221 33322222221 33222222221 .322222221. .222222221. ..2222211.. ..2222211.. "
    "...22211... ....211...."
)
FOOD_STRAWBERRY_2 = (
    "-1 1 .d.dd.c.. dddddcccb .d.dc.cb. ....c....",
    "-2 0 ....e...... .d.ddc.cc.. ddddddcccc. .ccd.cc.bb.",
    "-1 0 dd..d..cc.. .dddddccc.. ..d.dcc.b..",
    "-3 5 .a a.|-1 1 .d.dd.c.. dddddcccb .d.dc.cb. ....c....",
)
FOOD_STRAWBERRY_3 = ("3 3 I...I|5 2 I..I..I|7 4 I..I", "4 2 I..I..I|6 4 I..I|8 5 I", "3 2 J..J..J|5 3 J..J|7 4 J..J")
FOOD_MELON_1 = "0 0 ci333333222ib ci333332222ib ci333322222ib .ci3322222ib. .cii22222iib. ..cciiiiibb.. ....cccbb...."
FOOD_MELON_2 = ("1 3 k...k..k|3 5 k..k", "1 4 k..k|2 8 k|3 6 k", "2 3 k.k.k.k", "2 4 k|1 6 k|2 8 k|4 6 k")
FOOD_PINEAPPLE_1 = (
    "-4 1 ...d... d..dc.c dd.dc.c .ddddc. ..dddc.",
    "-4 0 .d.....c. ddd.d.ccc ..dddcc.. d.dddcc.c .ddddcccb",
    "-4 1 ..d.c.. dd.d.cc .ddddc. ..dddc.",
    "-4 1 d.....c dd.d.cc .dddcc. ..ddc.. .dddccb",
)
FOOD_CARROT_1 = "0 0 .....332.. ....33322. ...3333222 ..33332222 ..33322221 .33322221. .3332221.. 3322211... 3221...... 21........"
FOOD_CARROT_2 = (
    "-3 6 ..d.dc d.ddc. dddc.d .ddddc ..dcc.",
    "-3 7 ..d.. .dd.d .ddddc ddccc. .dc...",
    "-2 7 ddd.. ddddd .ddcc|1 8 .c",
    "-3 7 .d..c ddd.cc .ddcc. .dcc..",
)
FOOD_EGGPLANT_1 = "0 0 ...332... ..33222.. ..33222.. .3332222. .3322222. 333222221 332222221 322222221 322222211 .2222211. ..22111.."
FOOD_EGGPLANT_2 = ("-1 2 ..d.. ddddc d.dcc ..d.b", "-2 3 .cc .dc .dc|0 2 ddddc d.d.b", "-1 3 .c. ddc ddc|1 2 dd.cc d...b")
FOOD_CORN_1 = "0 3 .332. 43322 31312 43322 13121 43322 31211 43322 13121 33221"
FOOD_CORN_2 = (
    "4 0 d........ dd......c dd......c ddd....cb .ddd..ccb .dddcccb. ..ddcccb. ...dccb.. ....cb...",
    "5 0 d......... ddd....... ddddd....c .ddddddccb ..dddccccb ...dcccb.. ....cb....",
    "3 1 d....... d.....c. dd....c. dd...cc. dddc.ccb .ddcccb. .dddccb. ..dccb.. ...cb...",
)
FOOD_PUMPKIN_1 = (
    "0 0 ...3321222... .332133221221 3332133221221 3332133221221 3322132221221 3322122221211 3222122221211 .22212222121. "
    "...2212211..."
)
FOOD_PUMPKIN_2 = ("-2 6 qr|-1 5 qq", "-2 5 rq..|-1 6 qp|-1 8 .ddc ddcb", "-2 7 qq|-1 6 q|-2 1 .dd.. dddc. .cccc", "-2 5 qqq|-1 6 q")
FOOD_PEPPER_1 = "0 0 .332213322. 33322133222 33322133221 33322132221 33222132221 33222132221 .3222122211 .322212221. .222212211. ..22..211.."
FOOD_PEPPER_2 = (
    "-2 5 cc|-1 5 dc|0 3 ddccc",
    "-3 6 dc|-2 5 dc|-1 5 c|0 4 dcc",
    "-2 4 cc|-1 5 dc|0 2 ddddccb|1 3 d...b",
    "-3 5 dc|-2 5 dc|-1 4 dddc|0 3 d...cb",
)
FOOD_BREAD_1 = "0 0 .4443.3333. 44444333332 4jjjjiiiii2 4jjjiiiiii2 .3jiiiiih2. .3jiiiiih2. .3jiiiiih2. .3jiiiiih2. .3iiiiihh2. .222222222."
FOOD_CHEESE_1 = (
    "0 0 ........332.. ......344332. ....34444333. ..34444444333 3444444444433 2222222222222 3333333333333 3333333333332 "
    "3333333333322 3333333333222 2222222222221"
)
FOOD_CHEESE_2 = ("6 2 011 122|8 8 01 12", "7 1 01 12|6 6 011 122|9 10 1", "6 4 01 12|7 8 011 122|8 1 12", "7 3 011 112|6 9 01 12|9 7 1")
FOOD_EGG_1 = ("3 4 .ijh. ijiih iiiih iiihh .hhh.", "2 5 .ijh. jjiih jiiih iiihh .hhg.", "3 3 .jii. jjiih iiihh iihhg .hhg.")
FOOD_EGG_2 = ("", "2 2 dc|6 1 d|8 4 cd|3 10 c", "1 7 d|6 10 dc|7 3 dc|4 1 c")
FOOD_EGG_4 = "0 0 ...333... ..33333.. .3333333. .33iii32. 33iiiii22 3jjiiihh2 3jjiiihh2 33iihhh22 333hhh222 .3332222. ..22222.."
FOOD_BURGER_1 = (
    "0 0 ...4443333... .44333333332. 4433333333322 4333333333221|4 0 ddddddccccccb|5 0 dcRdcRQdcQQcb|6 0 SRRRRRRQQQQQP|7 0 "
    ".QQQQQQQPPPP.|8 0 4333333333221 .33333333221."
)
FOOD_BURGER_2 = ("", "1 3 E...E...E|2 5 E...E", "0 5 E|1 2 E...E..E|2 4 E...E..", "1 4 EE..EE", "0 4 E.E|1 2 E.E.E.E")
FOOD_BURGER_4 = (
    "0 9 .____ .____ _____ _____ .____ _____ _____ .____ .____ .____",
    "0 0 ____. ____. _____ _____ ____. _____ _____ ____. ____. ____.",
)
FOOD_PIZZA_1 = (
    "0 0 .IIIIHHHHHHH. IIHHHHHHHHHGG HHGGGGGGGGGGG .33333332222. .33333332222. ..333333222.. ..333332222.. ...3333222... "
    "...3332222... ....33222.... ....33222.... .....322..... ......2......"
)
FOOD_DONUT_1 = (
    "0 0 ....33332.... ..333333322.. .33333333322. 3333333333222 3333111133222 33331___i3222 33333___i3222 33333iii32222 "
    "3333333332222 i33i333322i2h .iiii3iiiiih. ..iihiiihhh.. ....hhhhh...."
)
FOOD_DONUT_2 = (
    "1 5 w|2 2 w|3 9 w|8 3 w|9 7 w|6 1 w|6 11 w",
    "1 5 C|2 2 D|2 8 I|4 1 I|4 11 D|7 2 C|8 5 I|8 9 D|6 10 C",
    "1 4 DD|2 9 D|3 9 D|4 2 I|5 2 I|8 3 CC|8 8 II|5 10 C|6 10 C",
    "1 3 11|2 6 11|3 1 11|7 2 11|8 8 11",
)
FOOD_CAKE_1 = (
    "0 0 ........332.. ......333332. ....333333332 ..33333333322 3333333333222 2222222222222 JJJJJIIIIIII2 JIIIIIIIIIHH2 "
    "3333333333332 IIIIIIIIIHHH2 IIIIIIIHHHHH1"
)
FOOD_CUPCAKE_1 = "0 3 .3332..|1 2 333333222|2 1 33333333222|3 0 3333333333222|4 0 3333333332222|5 0 3323332332221"
FOOD_CUPCAKE_2 = "6 1 rqrqrqrqrqp|7 1 rqrqrqrqrqp|8 2 rqrqrqrqp|9 2 rqrqrqrqp|10 3 rqrqrqp"
FOOD_ICECREAM_1 = "0 4 33332|1 3 3333322|2 2 333333222|3 2 333333222|4 1 33333332222|5 1 33323322221|6 2 222222221"
FOOD_ICECREAM_2 = "7 2 ssrsrrrqq|8 3 rqrqrqq|9 3 qrqrqrq|10 4 rqrqq|11 5 qrq|12 6 q"
FOOD_POPSICLE_1 = "0 0 ..3333.. .333322. 33333222 33333222 33333222 33333222 33332222 33332221 32222221 22222211"
FOOD_POPSICLE_2 = (
    "2 2 1..1|3 2 1..1|4 2 1..1|5 2 1..1|6 2 1..1|7 2 1..1",
    "1 1 44 4.|3 1 4",
    "5 0 jjjjjjii|6 0 jjjjjjii|7 0 jjjjjjii|8 0 jjjjjiii|9 0 iiiiiiih",
    "1 2 1..1|2 2 1..1|3 2 1..1|4 2 1..1|5 2 1..1|6 0 jjjjjjii|7 0 jjjjjjii|8 0 jjjjjjii|9 0 iiiiiiih",
    "2 0 4|3 0 44|4 0 444|5 1 444|6 2 444|7 3 444|8 4 444|9 5 33",
)

# Each kind: colour words, ramps of the other letters, and shapes: (adjective, groups, colour words if only some); of each group one option is drawn.
FOOD_TABLE: Dict[str, dict] = {
    "apple": {
        "colours": "red green yellow",
        "inks": {"a": FOOD_LEAVES, "f": [FOOD_CREAM], "p": [RAMPS["brown"][0]]},
        "shapes": [
            ("", [
                FOOD_APPLE_1,
                FOOD_APPLE_2,
                ("2 2 44 4.", "2 1 .4 4. 4.", "2 2 344 444 443"),
            ]),
            ("bitten", [
                FOOD_APPLE_1,
                FOOD_APPLE_2,
                ("2 2 44 4.", "2 4 44 4."),
                ("2 7 ..ij_ .ij__ ij___ ij___ .ij__ ij___ ij___ .ij__", "2 0 _ji.. __ji. ___ji ___ji __ji. ___ji ___ji __ji."),
            ]),
            ("half", [
                (
                    "0 0 ..322..222.. .2jj2222ii2. 3jjiiiiiiii1 3jiiihhiiii1 2jiihiihiii1 2iiihiihiii1 2iiihiihiih1 .1iiihhiih1. "
                    ".1iiiiiihh1. ..11ihhh11.. ...11..11..."
                ),
                FOOD_APPLE_2,
                ("4 5 p. pp .p", "4 6 p p", "5 5 pp"),
            ]),
        ],
    },
    "pear": {
        "colours": "green yellow",
        "inks": {"a": FOOD_LEAVES, "f": [FOOD_CREAM], "p": [RAMPS["brown"][0]]},
        "shapes": [
            ("", [
                FOOD_PEAR_1,
                FOOD_PEAR_2,
                ("6 2 4 4", "5 2 .44 44. 4..", "1 4 4 4|5 2 .4 44"),
                ("", "7 6 11|8 7 1", "8 3 11|6 5 1|5 6 1"),
            ]),
            ("bitten", [
                FOOD_PEAR_1,
                FOOD_PEAR_2,
                ("6 3 4 4", "5 3 .44 44. 4.."),
                ("2 6 .ij__ .ij__ ij___ ij___ .ij__ ij___ ij___ .ij__", "2 0 __ji. __ji. ___ji ___ji __ji. ___ji ___ji __ji."),
            ]),
            ("half", [
                (
                    "0 0 ....322.... ...2jj1.... ...2ji1.... ...2jii1... ..2jiii1... .2jjihiii1. 2jjihihiii1 2jjihihiih1 2jiihihihh1 "
                    ".1iiihihh1. ..1111111.."
                ),
                FOOD_PEAR_2,
                ("6 5 p p", "6 4 p. pp .p", "7 5 p p", "8 5 pp"),
            ]),
        ],
    },
    "lemon": {
        "colours": "yellow",
        "inks": {"a": FOOD_LEAVES, "f": [FOOD_CREAM]},
        "shapes": [
            ("", [
                (
                    "0 0 ....33222.... ..333322222.. .33332222222. .33322222221. 3332222222211 .33222222211. .22222222211. ..222222111.. "
                    "....22111...."
                ),
                ("2 3 44 4.", "1 4 44. ..|2 2 .4 4.", "2 2 .444 444."),
                ("", "-2 7 .edc edcb cb..|-1 6 a", "-2 2 cded. .bcdc|-1 6 a", "-2 7 .ddc edcb|-2 2 ded. .cdc|0 6 a"),
                ("", "5 7 11.|6 6 111", "6 5 1.. ..1"),
            ]),
            ("half", [
                (
                    "0 0 ...22222... .222jjj222. .2jj3j3jj2. 22j33j33j21 2j333j333j1 2jjjjjjjjj1 2j333j333j1 22j33j33j21 .2jj3j3jj1. "
                    ".122jjj211. ...11111..."
                ),
                ("", "3 3 44|7 3 44|3 6 44|7 6 44"),
                ("", "-2 6 .edc edcb cb..", "-2 1 dec. cddc ..cb"),
                ("", "3 4 h|7 6 h"),
            ]),
        ],
    },
    "banana": {
        "colours": "yellow green",
        "inks": {"p": [RAMPS["brown"][0], RAMPS["green"][1]], "f": [FOOD_CREAM]},
        "shapes": [
            ("", [
                (
                    "0 0 .........qr.. .........qr.. .........332. .........3321 .........3321 ........33221 .......332221 qq....3332221 "
                    "q33333332221. .22333322221. ..222222211.. ....22111...."
                ),
                ("3 9 4 4 4", "8 4 444", "6 8 4|7 7 4|8 5 44|4 9 4 4"),
                ("", "9 7 pp", "5 10 p|6 10 p|9 5 pp", "10 6 p|8 8 p|9 9 p"),
            ]),
            ("bitten", [
                (
                    "0 0 ....ij.... ...ijii... ...jiih... ...jiih... ..3jiih2.. .33jiih22. 333jiih222 32.3iih.21 3..332h..1 ...33221.. "
                    "...33221.. ....221... ....qq...."
                ),
                ("0 3 _____ ____. j___h jj_jh", "0 3 _____ _____ _____ j__ih jjiih"),
                ("", "9 4 4 4", "5 1 4 4|5 7 3 3"),
                ("", "9 5 p p", "6 1 p|6 8 p"),
            ]),
        ],
    },
    "cherry": {
        "colours": "red purple",
        "inks": {"a": FOOD_LEAVES, "p": [RAMPS["green"][0], RAMPS["brown"][0]]},
        "shapes": [
            ("", [
                "0 6 qq|1 5 p.p|2 4 p..p|3 4 p..p|4 3 p...p|5 8 p|6 8 p",
                "5 0 ..332.. .33322. 3332222 3322221 3222221 .2221.. ..211..|7 7 .332. 33322 33222 22221 .211.",
                ("6 1 .4 4.|8 8 4 4", "6 2 44 4.|8 8 44", "7 1 4 4|9 8 4"),
                ("", "-1 8 .ddc ddcb cb..", "-1 1 ddc.. cdddc ..cb."),
                ("", "0 5 qrrq"),
            ]),
            ("", [
                "0 6 q|1 6 p|2 5 p.p|3 5 p..p|4 4 p...p|5 3 p....p|6 3 p....p",
                "6 0 .332.. 333222 332222 322221 .2221.|6 6 .332.. 333222 332222 322221 .2221.",
                "8 6 0|9 6 0",
                ("7 1 44|7 7 44", "7 1 4 4|7 7 4 4", "7 1 44 4.|7 7 44 4."),
                ("", "-1 7 .ddc ddcb cb..", "-1 1 ddc.. cdddc ..cb.", "-1 7 .ddc ddcb|-1 1 ddc.. .cddc"),
                ("", "0 5 qrrq"),
            ]),
        ],
    },
    "grapes": {
        "colours": "purple green red blue",
        "inks": {"a": FOOD_LEAVES, "p": [RAMPS["brown"][0], RAMPS["green"][0]]},
        "shapes": [
            ("", [
                (
                    "0 4 0330 3432 3221 0210|0 0 0330 3432 3221 0210|0 8 0330 3432 3221 0210|3 2 0330 3432 3221 0210|3 6 0330 3432 3221 "
                    "0210|6 4 0330 3432 3221 0210"
                ),
                FOOD_GRAPES_1,
                ("", "1 0 4|1 4 44|1 8 44|4 2 44|4 6 44|7 4 44"),
            ]),
            ("", [
                (
                    "0 2 0330 3432 3221 0210|0 6 0330 3432 3221 0210|3 0 0330 3432 3221 0210|3 8 0330 3432 3221 0210|3 4 0330 3432 3221 "
                    "0210|6 2 0330 3432 3221 0210|6 6 0330 3432 3221 0210"
                ),
                FOOD_GRAPES_1,
                ("", "1 2 44|1 6 44|4 0 44|4 4 44|4 8 44|7 2 44|7 6 44"),
            ]),
        ],
    },
    "strawberry": {
        "colours": "red pink",
        "inks": {"a": FOOD_LEAVES, "f": [FOOD_PALE], "F": [FOOD_YELLOW]},
        "shapes": [
            ("", [
                FOOD_STRAWBERRY_1,
                FOOD_STRAWBERRY_2,
                FOOD_STRAWBERRY_3,
                ("", "3 1 44 4.", "2 1 4 4 4"),
            ]),
            ("bitten", [
                FOOD_STRAWBERRY_1,
                FOOD_STRAWBERRY_2,
                FOOD_STRAWBERRY_3,
                (
                    "3 6 ..44_ .44__ .44__ ..44_ .44__ .44__ ..4__",
                    "6 1 .44..44.. 44444444_ 4__44__4_ _________ _________",
                    "3 0 _44. __44 __44 _44. __44 __44 _44.",
                ),
            ]),
            ("half", [
                FOOD_STRAWBERRY_1,
                "2 1 .3344443. 344444443 344444432 344444432 .3444443. .3444432. ..34432.. ...432... ....2....",
                ("4 4 .i. iji iji .i.", "3 4 iji iji .i. .i.", "4 5 i i i i|5 3 i...i"),
                FOOD_STRAWBERRY_2,
            ]),
        ],
    },
    "melon": {
        "colours": "red yellow orange",
        "inks": {"a": FOOD_LEAVES, "f": [FOOD_CREAM, ramp("0f3a2c 8ab860 c6ee8c e4f8c0 f8fff0")]},
        "shapes": [
            ("", [
                FOOD_MELON_1,
                FOOD_MELON_2,
                ("", "0 3 444|1 3 4"),
            ]),
            ("bitten", [
                FOOD_MELON_1,
                FOOD_MELON_2,
                ("0 3 __4__4_ 44_44_4", "0 7 _4__ib _44_4b ..44ib", "0 0 cb__4_. cb_44_4 ci44.44"),
            ]),
            ("half", [
                (
                    "0 0 ...iiiiiii... .ii3333322ii. i33333332222i i33333322222i cii33322222ib ccciiiiiiibbb ccdccccccbcbb .ccdccccbcbb. "
                    ".cccdcccbbb.. ...ccccbb...."
                ),
                ("2 3 k..k..k", "1 5 k..k|3 4 k..k", "2 2 k.k.k.k.k", "3 5 k.k|1 6 k"),
                ("", "1 4 44|2 2 44"),
            ]),
        ],
    },
    "pineapple": {
        "colours": "yellow orange",
        "inks": {"a": FOOD_LEAVES, "f": [FOOD_CREAM, ramp("6b4510 dca830 ffe88a fff2b0 fffbe0")]},
        "shapes": [
            ("", [
                "0 0 ..33122.. .1313121. 331333122 313131212 133312221 312121211 321222111 .1212111. ..22111..",
                FOOD_PINEAPPLE_1,
                ("", "2 3 44|3 2 4", "1 2 4|3 2 4|5 2 4|3 4 4"),
            ]),
            ("half", [
                "0 0 ..22222.. .2iiiii1. 2iijijii1 2ijjijji1 2iijijii1 2ijjijji1 2iijijih1 .2iijih1. ..11111..",
                FOOD_PINEAPPLE_1,
                ("2 4 h h h h h", "3 4 h h h|3 3 h.h", "2 3 h.h|5 3 h.h"),
            ]),
        ],
    },
    "carrot": {
        "colours": "orange",
        "inks": {"a": FOOD_LEAVES},
        "shapes": [
            ("", [
                FOOD_CARROT_1,
                FOOD_CARROT_2,
                ("3 3 11|5 5 11|7 2 1", "2 6 11|4 3 11|6 4 11", "2 4 1|3 5 1|5 2 1|6 3 1", ""),
                ("", "2 4 4|3 3 4|4 3 4"),
            ]),
            ("bitten", [
                FOOD_CARROT_1,
                FOOD_CARROT_2,
                ("2 6 11|4 3 11", "3 3 11|3 7 11", "", "2 4 1|3 5 1"),
                ("", "2 4 4|3 3 4"),
                ("6 0 ..44.. .4_ ____ ____|5 1 .44", "6 0 .44443 _44_4_ ____ ____"),
            ]),
            ("half", [
                "0 0 ..44333.. .4433344. 443333344 343222343 334444432 332222221 .3322221. .3322221. ..33221.. ..33221.. ...321... ....1....",
                ("", "2 3 222|1 4 4", "1 3 4.4|2 2 4.3.4|3 4 4"),
                ("7 1 11|9 5 1", "6 5 111|8 2 11", ""),
                ("", "6 1 4 4", "5 1 4|6 2 4|7 2 4"),
                ("", "-1 7 dc cb", "-1 0 dd dc"),
            ]),
        ],
    },
    "eggplant": {
        "colours": "purple",
        "inks": {"a": FOOD_LEAVES, "f": [FOOD_CREAM]},
        "shapes": [
            ("", [
                (
                    "0 0 ......332.. .....33322. ....333222. ..33333222. .333332222. 33333222221 33332222221 3332222221. 322222221.. "
                    ".22222211.. ...22111..."
                ),
                (
                    "-2 6 ...cc ..dc. ddddc. .ddcccc d.dcbc.",
                    "-2 6 ....cc ...dc ddddcc. ..ddccc ...dcc.",
                    "-1 5 ....dc ..ddcc .ddddcc .d.dcc. .d..c..",
                ),
                ("5 2 4 4", "4 3 44 4.|5 1 4|6 1 4", "4 2 44.|5 1 44 4. 4.", "1 7 4 4|4 2 4|5 1 44 4."),
            ]),
            ("half", [
                (
                    "0 0 ......222.. .....2jj21. ....2jii21. ..222jiii1. .2jjjiiii1. 2jjjiihiii1 2jjihiiih1. 2jiiihiih1. 2iihiihh1.. "
                    ".1iiihh1... ..111111..."
                ),
                ("-2 6 ...cc ..dc. ddddc. .ddcccc d.dcbc.", "-2 6 ....cc ...dc ddddcc. ..ddccc ...dcc.", "-1 5 ....dc ..ddcc .ddddcc .d.dcc."),
                ("", "5 5 g|6 4 g|7 5 g|8 3 g", "4 5 hg|6 3 g|6 6 g|8 4 gh", "5 3 g|5 6 gh|7 3 gh|7 6 g"),
            ]),
            ("bitten", [
                FOOD_EGGPLANT_1,
                FOOD_EGGPLANT_2,
                ("6 2 4 4", "5 1 44 4. 4.", "4 2 4|5 1 44 4."),
                ("5 5 .ij_ ij__ ij__ .ij_ ij__ ij__", "4 5 .ij_ .ij_ ij__ ij__ .ij_ ij__ .ij_"),
            ]),
        ],
    },
    "corn": {
        "colours": "yellow",
        "inks": {"a": FOOD_LEAVES, "f": [FOOD_CREAM]},
        "shapes": [
            ("", [
                FOOD_CORN_1,
                FOOD_CORN_2,
                ("", "3 4 11|4 5 11|5 4 11", "2 3 111|3 4 1", "1 3 44|3 3 44|5 4 44"),
            ]),
            ("bitten", [
                FOOD_CORN_1,
                FOOD_CORN_2,
                ("1 5 .i_ ji_ .i_ .i_ ji_ .ii", "0 3 _____ j___j ij_ji jijij", "1 3 _i. _ij _i. _i. _ij _i."),
                ("", "1 3 44|3 3 44|5 4 44", "5 4 11|6 4 11"),
            ]),
        ],
    },
    "pumpkin": {
        "colours": "orange orange green white",
        "inks": {"a": FOOD_LEAVES, "p": [RAMPS["brown"][0], RAMPS["green"][1]], "f": [FOOD_YELLOW]},
        "shapes": [
            ("", [
                FOOD_PUMPKIN_1,
                FOOD_PUMPKIN_2,
                ("", "2 1 4 4", "2 1 4 4|2 6 4 4"),
            ]),
            ("half", [
                (
                    "0 0 ...3333222... .33344444222. 3344333334421 3443111113441 3443111113441 3344333334421 3322444442121 3222122221211 "
                    ".22212222121. ...2212211..."
                ),
                ("3 4 j.j.j|4 5 j.j", "3 4 w.w|4 5 w.w", "3 5 jj|4 6 jj"),
                ("", "-2 1 .dd dddc cccb", "-2 9 .ddc ddcb"),
                ("", "6 1 4 4", "7 4 3333"),
            ], "orange green"),
        ],
    },
    "pepper": {
        "colours": "red green yellow orange",
        "inks": {"a": FOOD_LEAVES, "f": [FOOD_CREAM]},
        "shapes": [
            ("", [
                FOOD_PEPPER_1,
                FOOD_PEPPER_2,
                ("2 1 4 4", "1 1 44 4. 4.", "2 1 4 4|2 7 4 4", "3 1 4|2 1 44"),
            ]),
            ("half", [
                "0 0 .222212222. 22333122322 23333133332 23344144331 23444144431 23444144431 .234414431. .233414331. .122312211. ..11..111..",
                ("3 4 iij iji .i.", "2 4 iji iii iji", "2 3 i...i|3 4 iji iii"),
                FOOD_PEPPER_2,
            ]),
            ("bitten", [
                FOOD_PEPPER_1,
                FOOD_PEPPER_2,
                ("2 1 4 4", "1 1 44 4. 4.", "3 1 4|2 1 44"),
                ("2 7 .44_ 44__ 44__ .44_ 44__ 44__ .44_", "4 6 ...44 .444_ 44___ .44__ 44___"),
            ]),
        ],
    },
    "bread": {
        "colours": "brown",
        "inks": {
            "f": [ramp("5a3418 d09c58 f4dca8 fcf0d0 fffcf0"), ramp("4a2210 b8803c e0b870 f0d498 fae8c0")],
            "p": [ramp("5a3418 d09c58 f0cc88 fae8c0 fffcf0")],
            "a": [FOOD_YELLOW],
        },
        "shapes": [
            ("", [
                FOOD_BREAD_1,
                ("", "5 4 ddc dcc bbb", "4 3 ddcc dccc bbbb"),
                ("", "3 6 h|5 4 h|6 7 h", "3 3 h|6 4 hh", "4 6 hh|7 3 h"),
                ("", "1 2 33.3|0 8 3", "1 6 33|0 2 3"),
            ]),
            ("half", [
                (
                    "0 0 ....444433... ..44jjj44333. .4jjjjjjj3332 4jjjjjiij3332 4jjjjiiij3332 4jjjiiiij3322 .4jiiii33322. .4jiiii33322. "
                    ".4iiiihh322.. .4444433222.."
                ),
                ("", "3 3 h|5 5 h", "4 3 hh|6 4 h", "2 4 h|4 6 h|6 3 h"),
                ("", "1 9 44", "2 9 4|4 9 4"),
                ("", "3 10 2|4 11 2", "6 9 22"),
            ]),
            ("bitten", [
                FOOD_BREAD_1,
                ("", "4 3 ddc dcc bbb"),
                ("", "3 4 h|5 3 h|7 5 h", "3 3 h|6 3 hh", "7 3 hh|2 4 h"),
                (
                    "0 6 _____ .j___ jj___ .j___ jj__ .jj_",
                    "2 7 .jj_ jj__ jj__ .jj_ jj__ .jj_",
                    "0 0 ______ ____jj ___jj. ____jj ___jj. ___j.. _jj",
                ),
                ("", "8 3 hhh"),
            ]),
        ],
    },
    "cheese": {
        "colours": "yellow orange white",
        "inks": {},
        "shapes": [
            ("", [
                FOOD_CHEESE_1,
                FOOD_CHEESE_2,
                ("", "3 6 11|2 9 1", "2 8 11|4 4 11"),
                ("", "8 0 1|9 0 11", "9 2 111|8 0 1"),
            ]),
            ("bitten", [
                FOOD_CHEESE_1,
                ("6 2 011 122|8 8 01 12", "7 1 01 12|6 6 011 122|9 10 1", "6 4 01 12|7 8 011 122|8 1 12"),
                ("", "3 6 11|2 9 1", "2 8 11|4 4 11"),
                ("4 10 .4_ 4__ 4__ .4_ 4__ 4__ .4_", "5 0 _4 __4 __4 _4. __4 __4", "0 8 _____ _____ 4____ 44_4_ .4444"),
            ]),
        ],
    },
    "egg": {
        "colours": "white",
        "inks": {
            "f": [ramp("8a4410 d8861c fcb82c ffdc5c fff6c0"), ramp("8a3410 c85a18 f48428 fcb050 ffe0a0")],
            "p": [ramp("5a3414 b8803c dca860 f0cc90 fce8c0")],
            "a": FOOD_LEAVES,
            "A": [FOOD_BLUE, FOOD_PINK, RAMPS["teal"][0]],
        },
        "shapes": [
            ("", [
                (
                    "0 0 ....33333.... ..333333333.. .333333333332 3333333333332 3333333333322 3333333333322 .333333333222 .33333333222. "
                    "..2233322222. ....222..22.."
                ),
                FOOD_EGG_1,
                FOOD_EGG_2,
                ("", "8 3 qqrr|9 4 qq", "6 11 q|7 10 qq|8 9 rq"),
            ]),
            ("bitten", [
                FOOD_EGG_4,
                (
                    "0 0 _________ _________ __33_33__",
                    "3 6 .3_ 3__ 3__ .3_ 3__ 3__ .2_",
                    "1 0 __. __3 __3 _3. __3 __3 _3.",
                    "0 0 _____ _____ ____3 __33. __3 _3",
                ),
                ("", "5 3 jj j.", "4 4 jj|5 3 j"),
                ("", "8 2 dc|4 5 c", "8 5 dc|6 2 d"),
            ]),
            ("half", [
                FOOD_EGG_4,
                ("", "5 3 jj j.", "3 3 jji|4 3 jj"),
                ("", "2 3 d|8 5 dc|4 1 c", "1 4 c|7 6 d|9 3 dc"),
            ]),
        ],
    },
    "burger": {
        "colours": "brown",
        "inks": {"a": FOOD_LEAVES, "f": [FOOD_YELLOW, RAMPS["orange"][0]], "p": [FOOD_RED, RAMPS["red"][1]], "P": [FOOD_CHOCO], "A": [FOOD_IVORY]},
        "shapes": [
            ("", [
                FOOD_BURGER_1,
                FOOD_BURGER_2,
                ("", "4 2 rrr..rrrqqq", "4 1 iiiiiiiihhh|5 4 i..|5 8 h"),
            ]),
            ("bitten", [
                FOOD_BURGER_1,
                FOOD_BURGER_2,
                ("", "4 2 rrr..rrrqqq", "4 1 iiiiiiiihhh"),
                FOOD_BURGER_4,
            ]),
        ],
    },
    "pizza": {
        "colours": "yellow red white",
        "inks": {
            "F": [FOOD_DOUGH, FOOD_TOAST],
            "a": FOOD_LEAVES,
            "p": [ramp("2e0a14 5e0f1e 8e1c2a c84a3c f08a6a"), ramp("2a1510 5c3424 a07850 d8b088 f4dcc0")],
        },
        "shapes": [
            ("", [
                FOOD_PIZZA_1,
                (
                    "4 3 rrq rqq|6 7 rr rq|8 5 rrq rqq",
                    "3 6 srq rqq .q.|6 3 srq rqq|9 5 rq qq",
                    "4 2 rr rq|4 7 rr rq|7 5 rr rq",
                    "3 4 rrr .qq|6 6 rrr rqq|8 4 rr qq",
                ),
                ("", "4 6 d|7 4 c|9 6 d", "3 2 dd|7 4 c|5 6 dc", "4 6 kk|8 4 k|6 3 kk"),
            ]),
            ("bitten", [
                FOOD_PIZZA_1,
                ("4 3 rrq rqq|6 7 rr rq|8 5 rrq rqq", "3 6 srq rqq .q.|6 3 srq rqq", "4 2 rr rq|4 7 rr rq|7 5 rr rq"),
                ("", "4 6 d|7 4 c", "3 2 dd|5 6 dc", "4 6 kk|6 3 kk"),
                (
                    "8 3 4...4__ _444___ _______ _______ _______",
                    "5 6 ....4__ ..444__ .44____ _4_____ _______ _______ _______ _______|8 3 44 _44_ ____ ____ ____",
                    "9 3 4__4__4 _44_44_ ______ ______",
                ),
            ]),
        ],
    },
    "donut": {
        "colours": "pink brown blue white",
        "inks": {"f": [FOOD_DOUGH], "A": [FOOD_PINK, FOOD_BLUE], "F": [FOOD_YELLOW, RAMPS["green"][0]]},
        "shapes": [
            ("", [
                FOOD_DONUT_1,
                FOOD_DONUT_2,
                ("", "2 3 44 4."),
            ]),
            ("bitten", [
                FOOD_DONUT_1,
                FOOD_DONUT_2,
                (
                    "1 8 .j___ jj___ .j___ jj___ jj___",
                    "6 8 .jjj_ jj___ .j___ jj___ jj___ .j___ _____",
                    "0 0 ______ ____jj ___jj. ____jj ___jj. __jj",
                ),
            ]),
            ("half", [
                (
                    "0 0 ....33332.... ..333333322.. .33333333322. 3333333333222 3333311133222 33331___13222 ijjj1___ijjjh ijjji___ijjih "
                    ".iii.....ihh."
                ),
                (
                    "1 5 w|2 2 w|3 9 w|2 8 w|4 1 w|4 11 w",
                    "1 5 C|2 2 D|2 8 I|4 1 I|4 11 D|3 5 C",
                    "1 4 DD|2 9 D|3 9 D|4 2 I|5 2 I|4 10 C|3 5 II",
                    "1 3 11|1 7 11|3 2 11|3 9 11",
                ),
                ("", "0 4 444"),
                ("", "6 2 h|6 10 g"),
            ]),
        ],
    },
    "cake": {
        "colours": "pink brown white red yellow",
        "inks": {"p": [FOOD_RED, FOOD_BLUE], "f": [FOOD_STRAW], "F": [FOOD_STRAW, FOOD_CHOCO], "a": FOOD_LEAVES},
        "shapes": [
            ("", [
                FOOD_CAKE_1,
                ("-1 7 .b.. srq. rrq. .q..", "-1 6 srq. rrqq .qq.", "", "0 5 ww. www|-1 7 rr rq"),
                ("", "6 0 3...3..3", "5 1 2.2.2.2.2|6 2 2...2...2"),
                ("", "2 5 4444|3 3 444"),
            ]),
            ("bitten", [
                FOOD_CAKE_1,
                ("-1 7 .b.. srq. rrq. .q..", "-1 6 srq. rrqq .qq.", "", "1 5 ww.. www"),
                ("3 0 ____ ____ ___ ___. ____ ____ ___. ____", "0 9 ____ .___ ____ ____ .___ .___ ____ ____"),
                ("", "8 4 rrr...", "7 4 w.w.w.w"),
            ]),
        ],
    },
    "cupcake": {
        "colours": "pink brown blue white purple",
        "inks": {"p": [FOOD_DOUGH, FOOD_CHOCO, RAMPS["teal"][0]], "F": [FOOD_YELLOW], "A": [FOOD_RED], "a": [RAMPS["green"][0]]},
        "shapes": [
            ("", [
                "0 4 .332.|1 3 3333222|2 2 333322221|3 1 33322222221|4 0 4333333333222|5 0 3333333222222|6 1 22222222111",
                "7 2 rrqrqrqpp|8 2 rrqrqrqpp|9 3 rqrqrqp|10 3 rqrqrqp",
                ("", "-1 6 D|0 5 ECC|1 5 CCB", "-2 7 a|-1 6 a|0 5 EDC|1 5 CCB"),
                (
                    "",
                    "1 5 w|3 3 w..w..w|5 2 w...w..w",
                    "3 4 I..|4 2 J|2 7 I|5 6 I|4 10 I",
                    "2 3 111|4 6 1111|4 2 11",
                    "2 4 DD|4 2 DD|4 8 CC|5 5 DD",
                ),
            ]),
            ("bitten", [
                FOOD_CUPCAKE_1,
                FOOD_CUPCAKE_2,
                ("", "1 3 w..w|3 2 w..w..w|4 5 w..w", "1 4 I.I|2 3 J..D.I|4 2 D..I...D"),
                (
                    "0 6 4______ 44_____ 44_____ .44____ 44_____ 44_____",
                    "0 0 ______4 _____44 _____44 ____44. _____44 _____44",
                    "0 3 _______ 4__4__4 4444444",
                ),
            ]),
        ],
    },
    "icecream": {
        "colours": "pink brown white blue green",
        "inks": {
            "p": [ramp("5a2c10 b0682a e0a050 f4c880 fce8b8"), FOOD_TOAST],
            "A": [FOOD_RED],
            "F": [FOOD_YELLOW, ramp("1c0c08 2c1408 40200e 4a2812 6e4426")],
            "f": [FOOD_CREAM, FOOD_PINK],
        },
        "shapes": [
            ("", [
                FOOD_ICECREAM_1,
                FOOD_ICECREAM_2,
                ("", "4 2 44|5 2 4", "3 2 4|4 3 44|5 4 44"),
                (
                    "",
                    "0 5 EDC|1 5 DCB|2 5 CCB",
                    "1 5 w|3 3 w..w..w|4 5 w..",
                    "1 4 I|2 8 I|3 4 I..I|4 2 I....I",
                    "0 4 IIIII|1 3 IIIIIII|2 3 IHIIHIH|3 3 I..I..H",
                ),
            ]),
            ("bitten", [
                FOOD_ICECREAM_1,
                FOOD_ICECREAM_2,
                ("", "3 5 11|5 5 111|4 7 1", "4 3 w...w.w|3 8 w|5 5 w", "4 4 I..I|5 3 I...I.I|3 7 I"),
                (
                    "0 6 4_____ 4_____ 44____ .4____ .44___ ..4___",
                    "0 0 _____4. _____4. ____44. ____4. ___44. ___4..",
                    "0 3 _______ 4__4__4 4444444",
                ),
            ]),
        ],
    },
    "popsicle": {
        "colours": "red orange green blue purple pink",
        "inks": {"p": [ramp("4a2a14 b07c48 dcae74 f2d4a0 fff0d0")], "f": [FOOD_PALE, FOOD_YELLOW]},
        "shapes": [
            ("", [
                FOOD_POPSICLE_1,
                "10 3 qq rq rq",
                FOOD_POPSICLE_2,
            ]),
            ("bitten", [
                FOOD_POPSICLE_1,
                "10 3 qq rq rq",
                FOOD_POPSICLE_2,
                ("0 4 ____ 44__ .4__ 4___ 44__ .44_", "0 0 ____ __44 __4. ___4 __44 _44.", "0 0 ________ _4____4_ 44_44_44"),
            ]),
        ],
    },
}


def food_layers(option: str) -> List[Tuple[int, int, List[str]]]:
    """The layers of an option: (top, left, rows of the drawing)."""
    layers = []
    for layer in filter(None, option.split("|")):
        top, left, rows = layer.split(None, 2)
        layers.append((int(top), int(left), rows.split()))
    return layers


def food_ink(char: str) -> str:
    """The ink character of the ramp that a character belongs to."""
    return "0" if char in "01234" else next((g for g, letters in FOOD_GROUPS.items() if char in letters), "k")


def food_glint(options: List[list]) -> bool:
    """Whether the options differ in light pixels only (not to be seen on white things)."""
    return len(options) > 1 and {c for layers in options for _, _, rows in layers for row in rows for c in row} <= set("34.")


def food_outline(cells: Dict[Tuple[int, int], str], rank: Dict[str, int]) -> None:
    """Every empty cell beside one that is drawn (and not itself ink) becomes ink: the darkest of its neighbours'."""
    edge: Dict[Tuple[int, int], str] = {}
    for (i, j), char in cells.items():
        ink = FOOD_INKS[char]
        if char != ink:
            for spot in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if spot not in cells and (spot not in edge or rank[ink] < rank[edge[spot]]):
                    edge[spot] = ink
    cells.update(edge)


def food_sprite(kind: str, rng: np.random.RandomState) -> Tuple[np.ndarray, str, tuple]:
    """Draw one random sprite of a kind: its picture, caption and recipe."""
    spec = FOOD_TABLE[kind]
    number = rng.randint(len(spec["shapes"]))
    adjective, groups, words = spec["shapes"][number]
    word = pick(rng, words or spec["colours"])
    shade = rng.randint(2)
    recipe = [kind, number, word, shade]
    cells: Dict[Tuple[int, int], str] = {}
    for options in groups:
        choice = 0 if word == "white" and food_glint(options) else rng.randint(len(options))
        recipe.append(choice)
        for top, left, rows in options[choice]:
            for i, row in enumerate(rows, top):
                for j, char in enumerate(row, left):
                    if char == "_":
                        cells.pop((i, j), None)
                    elif char != ".":
                        cells[i, j] = char
    used = {FOOD_INKS[c] for c in cells.values()}
    colours = {"k": INK, "w": FOOD_PINK[2] if word == "white" else WHITE, **tones("01234", RAMPS[word][shade])}
    for first, ramps in spec["inks"].items():
        choice = rng.randint(len(ramps))
        colours.update(tones(FOOD_GROUPS[first], ramps[choice]))
        if first in used and len(ramps) > 1:
            recipe.append(first + str(choice))
    food_outline(cells, {c: sum(colours[c]) for c in used})
    rows, columns = [i for i, _ in cells], [j for _, j in cells]
    height, width = max(rows) - min(rows) + 1, max(columns) - min(columns) + 1
    top, left = (SIZE + 1 - height) // 2 - min(rows), (SIZE - width) // 2 - min(columns)
    canvas = blank()
    for (i, j), char in cells.items():
        canvas[top + i, left + j] = (*colours[char], 255)
    caption = " ".join(filter(None, (word, kind, adjective)))
    return canvas, caption, tuple(recipe)


def food_prepare() -> None:
    """Read the templates of the table: shapes become (adjective, groups of options of layers, colour words or None)."""
    for spec in FOOD_TABLE.values():
        spec["colours"] = spec["colours"].split()
        shapes = []
        for adjective, groups, *words in spec["shapes"]:
            groups = [[food_layers(o) for o in ((g,) if isinstance(g, str) else g)] for g in groups]
            shapes.append((adjective, groups, words[0].split() if words else None))
        spec["shapes"] = shapes


def food_kind(kind: str) -> Callable[[np.random.RandomState], Tuple[np.ndarray, str, tuple]]:
    """The drawing function of a kind."""
    return lambda rng: food_sprite(kind, rng)


FOOD_INKS: Dict[str, str] = {c: food_ink(c) for c in "01234kw" + "".join(FOOD_GROUPS.values())}
food_prepare()
FOOD_KINDS: Dict[str, Callable[[np.random.RandomState], Tuple[np.ndarray, str, tuple]]] = {kind: food_kind(kind) for kind in FOOD_TABLE}

# ------------------------------------------------------------------------------------------------------------------------
# Spells, weapons and treasure
# ------------------------------------------------------------------------------------------------------------------------

# Characters of the drawings: 01234 main ramp, abcde second ramp (trim), pqrst third ramp (accent), k ink; fixed colours below.
# The outline is added by the program; S K C D are drawn after it: string, chain, quill.
ITEM_FIXED: Dict[str, RGB] = {
    **tones("mnh", WOOD[1:4]), **tones("xyzw", STEEL[1:]), **tones("fgij", RAMPS["gold"][0][1:]), "k": INK, "S": (96, 86, 112), "K": INK,
    "u": (136, 164, 196), "v": (200, 222, 238), "W": (255, 255, 255), "F": (250, 150, 30), "Y": (255, 226, 90), "R": (212, 47, 56),
}  # wood, steel, gold, ink, string, glass, white, fire
ITEM_TRIMS: Dict[str, Ramp] = {
    "gold": RAMPS["gold"][0], "steel": STEEL, "dark": ramp("120f1a 2a2836 484658 6e6c80 a0a0b4"), "wood": WOOD, "red": RAMPS["red"][0],
    "blue": RAMPS["blue"][0], "purple": RAMPS["purple"][0],
    "yellow": RAMPS["yellow"][0], "black": RAMPS["black"][0],
}
ITEM_SPARK = grid(".1. 121 .1.")
ITEM_WARM = ("gold", "yellow", "orange", "red", "brown", "pink")

ItemDetail = Tuple[int, int, List[str]]  # top, left, drawing: laid over the shape


def item_over(top: int, left: int, text: str) -> ItemDetail:
    """A detail: a drawing and where its upper left pixel lies on the shape."""
    rows = text.split()
    return top, left, [row.ljust(max(map(len, rows)), ".") for row in rows]


# ---------------------------------------------------------------- sword
ITEM_SWORD = [
    (grid("""
............3
..........334
.........3421
........3421.
.......3421..
......3321...
.dc..3321....
.bcd3321.....
..bcd21......
...bcd.......
..qpbcd......
dcp..bc......
cb..........."""), [[], [item_over(8, 3, ".t. trq .q.")], [item_over(2, 6, "....p ...p. ..p.. .p... p....")]]),
    (grid("""
............3
..........332
........33421
.......34221.
......34221..
.....33221...
dc..33221....
bcd33221.....
.bcd221......
..bcd1.......
..qbcd.......
dcp.bc.......
cb..........."""), [[], [item_over(8, 2, ".t. trq .q.")], [item_over(2, 6, "....p ..p.. ..p.. p.... p....")]]),
]
# ---------------------------------------------------------------- dagger
# ---------------------------------------------------------------- axe
ITEM_AXE = [
    (grid("""
...333.......
..34332.....n
.343322....nm
.34322....nm.
343222...nm..
34322222ndc..
343322222cc..
343222nm.....
3432.nm......
.33.nm.......
...nm........
..nm.........
.nm.........."""), [[], [item_over(9, 1, "...qr ..qr. .qr.. qr...")], [item_over(2, 2, ".pp .p. pp. p.. pp. .p.")]]),
    (grid("""
....333......
...3432....nm
..34322...nm.
.34322...nm..
.34322..nm.2.
.343222nm.222
.33222nm22222
..3..nm222221
....nm.222221
...nm..22221.
..nm...2211..
.nm.....11...
nm..........."""), [[], [item_over(8, 0, "....qr ...qr. ..qr.. .qr... qr....")], [item_over(2, 3, ".pp pp. p.. pp."),
        item_over(6, 9, "..p .pp .p. pp.")]]),
]
# ---------------------------------------------------------------- bow
ITEM_ARROW = item_over(1, 0, """
.........zzz.
..........yz.
.........h.z.
........n....
.......h.....
......n......
.....h.......
....n........
.wwn.........
.xwww........
wxww.........
..xx.........""")
ITEM_BOW = [
    (grid("""
333..........
S1233........
.S.12333.....
..S..12333...
...S...1223..
....S...1233.
.....S...123.
......S..123.
.......S..123
........S.123
.........S.13
..........S13
...........33"""), [[], [ITEM_ARROW], [item_over(3, 6, ".dc.. bccdc ..bcc ...bc ....b")]]),
    (grid("""
.344.........
33.233.......
3S..1233.....
..S...1233...
...S....123..
....S...123..
.....S..1233.
......S..1233
.......S..123
........S..23
.........S.13
..........S33
..........33."""), [[], [ITEM_ARROW], [item_over(4, 7, "dcc. bcc. bccd .bcc")]]),
]
# ---------------------------------------------------------------- hammer
ITEM_HAMMER = [
    (grid("""
.......d.....
......dd3....
.....dd343...
.....c34322..
......332221.
......h2221cb
.....hnm21cb.
....hnm..cb..
...hnm.......
..hnm........
.hnm.........
hnm..........
nm..........."""), [[], [item_over(3, 7, ".t.. trq. .qqp ..p.")], [item_over(8, 1, "..qr. .qr.. qr...")]]),
    (grid("""
.....ddd.....
....ddc33....
...ddc34332..
....c3433222.
.....3433222c
......332222b
......h222cb.
.....hnm2cb..
....hnm.bb...
...hnm.......
..hnm........
.hnm.........
.nm.........."""), [[], [item_over(2, 6, ".tr. trqq rqqp .qp.")], [item_over(8, 1, "..qr. .qr.. qr...")]]),
]
# ---------------------------------------------------------------- staff
ITEM_STAFF = [
    (grid("""
.........333.
.......d34332
......dc33222
......dc33221
......dcc211.
.......hcccc.
......hnmcb..
.....hnm.....
....hnm......
...hnm.......
..hnm........
.hnm.........
.nm.........."""), [[], [item_over(8, 2, ".dc dc. c..")], [item_over(6, 3, "dd... .ddb. ...bb ...b.")]]),
    (grid("""
.....dddccc..
....dc...bcc.
....d.333.bc.
....d34332.b.
....c33222.b.
.....c3221cb.
.....hm..cb..
....hnm.bb...
...hnm.......
..hnm........
.hnm.........
hnm..........
nm..........."""), [[], [item_over(8, 1, "..dc. .dc.. dc...")], [item_over(5, 2, "d... dc.. .hmc .nm.")]]),
]
# ---------------------------------------------------------------- wand
ITEM_WAND = [
    (grid("""
......3...
.....334..
...3333222
....32221.
....3221..
...d21.21.
..dc2...1.
.dc.......
dcb.......
cb........"""), [[], [item_over(8, 0, "WW. W..")], [item_over(0, 0, ".3. 333 .2.")]]),
    (grid("""
......333.
.....34332
.....33222
.....32221
.....d221.
...ddcc...
..dcb.....
.dcb......
dcb.......
cb........"""), [[], [item_over(8, 0, "WW W.")], [item_over(3, 2, "d... .d.. .... ...b ....b")]]),
]
# ---------------------------------------------------------------- shield
ITEM_SHIELD = [
    (grid("""
ddddddddccc
d333322222b
d343222222b
d332222222b
d332222221b
d322222221b
c322222211b
.c2222221b.
.c2222211b.
..c22211b..
...c221b...
....c1b....
.....b....."""), [[], [item_over(1, 1, "....d.... ....d.... ....d.... ddddddddc ....c.... ....c.... ....c.... ....c.... ....c.... ....c....")],
        [item_over(3, 2, "..ddc.. .ddddc. ddddddc .ddddc. ..ddc.. ...c...")],
        [item_over(2, 1, "ddd...... .ddd..... ..ddd.... ...ddd... ....ddc.. .....dcc. ......ccc .......c")],
        [item_over(3, 2, "dd...cc ddddccc dddcccc .ddccc. ..dcc.. ...c...")]]),
    (grid("""
....ddddd....
..ddd222ddc..
.dd3322222cc.
.d343222222b.
dd322222222bb
d33222222221b
d32222222221b
d22222222211b
cc222222221bb
.c222222211b.
.cc22221111b.
..ccb111bbb..
....bbbbb...."""), [[item_over(5, 5, "dcb cdb bbb")],
        [item_over(1, 2, "....d.... ....d.... ....d.... ....d.... ....c.... ddddcbccc ....c.... ....c.... ....c.... ....c.... ....c....")],
        [item_over(3, 3, "...d... ..ddc.. ddddccc .dddcc. ..ddc.. .dd.cc. .d...c.")], [item_over(4, 4, "ddddc d...c d.d.c d...b ccbbb")],
        [item_over(2, 3, "ddd.... .ddd... ..ddd.. ...ddd. ....ddc .....dc ......c")]]),
]
# ---------------------------------------------------------------- potion
ITEM_POTION = [
    (grid("""
....hnm....
...WvvvW...
....Wvu....
....Wvu....
..WWvvvuu..
.Wvvvvvvvu.
.W3333333u.
W343322222u
W343222222u
v332222221u
v322222211u
.v2222211u.
..vuuuuuu.."""), [[], [item_over(4, 2, ".333333. 33333222")], [item_over(3, 3, "qrrrp .q.qp q...p")], [item_over(7, 4, "WWWW WqqW WqqW WWWW")]]),
    (grid("""
..hnm..
.WvvvW.
..Wvu..
..Wvu..
.Wvvvu.
Wvvvvvu
W33333u
W43222u
W43222u
W32222u
W32221u
W32211u
vuuuuuu"""), [[], [item_over(4, 2, "322 43222 43222")], [item_over(3, 1, "qrrrp .q.qp")], [item_over(7, 1, "WWWWv WqqWv WqqWv WWWWv")]]),
]
# ---------------------------------------------------------------- scroll
ITEM_SCROLL = [
    (grid("""
dc344333322cb
cb222222111bb
..100000001..
..333333322..
..333333322..
..333333322..
..333333322..
..333333222..
..333332221..
..100000001..
dc344333322cb
cb222222111bb"""), [[], [item_over(4, 3, "ppppp ..... pppp. ..... ppp..")], [item_over(3, 4, "..q.. .qqq. qqqqq .qqq. ..q..")],
        [item_over(5, 5, "..... qqq qrq qqq .q. .q.")]]),
    (grid("""
........33...
.......3433..
......343321.
.....34332211
....34332211.
...34332211..
..34332211...
.34332211....
34432211.....
3333211......
3103211......
.3331........
..11........."""), [[item_over(4, 4, "qq qqq .qqq ..qqq ...pp ....p")], [item_over(4, 3, ".tq. .qqq. ..qqq ..pqqp ....pp")],
        [item_over(2, 5, ".qq .qqq ..qqp ...pp"), item_over(6, 2, "qq qqq .qqp ..pp")],
        [item_over(4, 3, ".qq. .qqq qqqqq.. qq.qqqp q...pp. ......pq")]]),
]
# ---------------------------------------------------------------- book
ITEM_BOOK = [
    (grid("""
.3333333333
21343333332
21343333332
21333333332
21333333322
21333333322
21333333222
21333333222
21333332222
21322222221
2WWWWWWWWWv
1vuvuvuvuvu
.1111111111"""), [[item_over(3, 4, "ddddd ..... .ddd.")], [item_over(3, 4, "..d.. .ddc. ddpcc .dcc. ..c..")], [item_over(4, 7, "dddc ddpc dccb")],
        [item_over(1, 2, "dd.....dd d.......c"), item_over(8, 2, "d.......c dc.....cb"), item_over(4, 5, ".d. dpc .c.")]]),
    (grid("""
....333333333
....343333332
...343333332v
...343333332W
..333333332vW
..333333332W.
.333333332vW.
.333333322W..
333333322vW..
232222222W...
21WWWWWWWW...
1vvvvvvvv....
.1111111....."""), [[item_over(3, 5, ".dddd ..... ddd..")], [item_over(2, 4, "...d... ..ddc.. .ddpcc. ..dcc.. ..c....")],
        [item_over(4, 0, "..dddddddddc ..ddddddpcc")], [item_over(0, 4, "dd.....dd d.......c ....... ....... ...d. ..dpc ...c."),
        item_over(8, 0, "d......c ddc...cc")]]),
]
# ---------------------------------------------------------------- ring
ITEM_RING = [
    (grid("""
....33332....
...3443322...
...3433221...
..dd32221cc..
.ddcc221ccbb.
.dc.......cb.
ddc.......cbb
dc.........bb
dc.........bb
ddc.......cbb
.dc.......cb.
.ddcc...ccbb.
...cccccbb..."""), [[], [item_over(6, 0, "tqq.......qpp qq.........pp qq.........pp")], [item_over(11, 4, ".qqq. tqqqp")],
        [item_over(2, 1, ".33.....21. 333.....211 .3.......1.")]]),
    (grid("""
......3......
.....343.....
....34332....
...3443322...
....33221....
..dd.321.cb..
.d....1....b.
d...........b
d...........b
d...........b
c...........b
.cc.......bb.
...cccccbb..."""), [[], [item_over(8, 0, "tq.........qp qq.........pp")], [item_over(11, 3, ".qqqq.. .qqqpp.")],
        [item_over(5, 1, ".ddd...ccc. ddd.....ccb dd.......cb")]]),
]
# ---------------------------------------------------------------- amulet
# ---------------------------------------------------------------- gem
ITEM_GEM = [
    (grid("""
..344433322..
.34443333222.
3444333332221
2222222222211
3333222221111
.33332222111.
..333222111..
...3322211...
....32211....
.....211.....
......1......"""), [[], [item_over(0, 4, "...22 ..22."), item_over(3, 3, "4.....1 .4...1. .44.1..")], [item_over(0, 2, ".W. WWW .W.")]]),
    (grid("""
..444444444..
.34444444432.
3331111111221
3331222223211
3331234223211
3331242223211
3331222223211
3331222223211
3331222223211
3323333333211
.22111111111.
..111111111.."""), [[], [item_over(3, 4, "44444 44443 44433 44333 43332 33322")], [item_over(3, 4, ".W. WWW .W.")]]),
]
# ---------------------------------------------------------------- key
ITEM_KEY = [
    (grid("""
...33333...
..3443322..
.343...322.
.33.....22.
.33.....22.
.33.....21.
.232...221.
..2222221..
....321....
....321333.
....321222.
....321....
....321332."""), [[], [item_over(3, 4, "ttr trq rqq")], [item_over(7, 3, "ddccb ddccb")]]),
    (grid("""
.....3.....
....332....
...3.332...
..33...32..
.33.....22.
..32...22..
...32.22...
....322....
....321....
....321333.
....321221.
....321....
....321332."""), [[], [item_over(3, 4, "ttr trq rqq")], [item_over(7, 3, "ddccb ddccb")]]),
]
# ---------------------------------------------------------------- coin
ITEM_COIN = [
    (grid("""
....33333....
..334443332..
.34411111332.
.34122222232.
3412222222231
3412222222231
3312222222231
3312222222331
3312222222321
.31222222332.
.33222333321.
..233333221..
....21111...."""), [[item_over(3, 5, ".00 000 .00 .00 .00 .00 0000")],
        [item_over(2, 3, "...0... ...0... ..000.. 0000000 .00000. ..000.. .00.00. .0...0.")],
        [item_over(4, 4, "_____ _____ _____ _____ _____")], [item_over(4, 3, "..000.. .00.00. 00...00 .00.00. ..000..")],
        [item_over(4, 3, ".00.00. 0000000 0000000 .00000. ..000.. ...0...")]]),
    (grid("""
...333222..
..34444332.
.3411111331
.3412222231
34122222231
34122222231
33122222231
33122222231
33122222331
.3122222321
.3322233321
..23333321.
...211111.."""), [[item_over(4, 5, "00 00 00 00 00")], [item_over(4, 4, ".00. 0000 0000 0000 .00.")],
        [item_over(4, 4, "____ ____ ____ ____ ____")], [item_over(4, 3, "0000 0..0 0..0 0..0 0000")],
        [item_over(4, 4, "..0. .00. 0000 .00. .0..")]]),
    (grid("""
......33333..
.....3344332.
....331111322
....312222322
..33333k22232
.3344332k2232
334111322k322
341222232k22.
341222232k2..
341222232....
331222332....
.3333332.....
..21111......"""), [[], [item_over(6, 3, ".0.. 00.. .0.. .0.. 000.")], [item_over(6, 3, "__ ____ ____ ____ ____")],
        [item_over(7, 2, ".00. 0000 0000 .00.")], [item_over(6, 3, "000 ... 000 ... 000")]]),
]
# ---------------------------------------------------------------- chest
ITEM_CHEST = [
    (grid("""
..d3333333c..
.dd3444332cc.
.dc3333322cb.
dc333333222cb
dc222222221cb
kkkkkdddkkkkk
dc333dkc222cb
dc333ccb222cb
dc333222221bb
dc332222211bb
dccccccbbbbbb"""), [[], [item_over(1, 4, "11111 ..... 11111"), item_over(9, 2, "111111111")], [item_over(0, 5, "dcb dcb dcb dcb dcb"),
        item_over(8, 5, "dcb dcb")], [item_over(4, 5, "qqq qqp qkp qqp .p.")]]),
    (grid("""
..d3333333c..
.dd3443332cc.
.dc1111111cb.
ddkkkkkkkkkbb
ddkkkgjkkkkbb
dckjgggjgkkbb
kkggjggggjgkk
ddddddddddddc
dcc33dcb222bb
dcc33cbb222bb
dcc32222221bb
dcc22222111bb
ccbbbbbbbbbbb"""), [[], [item_over(3, 4, ".ttr. ttrrq trrqp rrqqp")], [item_over(8, 3, "...... ....... 1111111")],
        [item_over(4, 3, "..W.... .xzk.Rr xzzyRRr yzyxRrr")]]),
    (grid("""
dddddddddcccc
d33343333322c
d33433333222b
dcccccccccccb
kkkkddcbkkkkk
d332dkcb2222b
d332ccbb2222b
d33222222221b
d32222222221b
d32222222111b
cccccccccbbbb
dd.........bb"""), [[], [item_over(1, 3, "dc...cb dc...cb"), item_over(7, 3, "dc...cb dc...cb dc...cb")],
        [item_over(7, 1, "........... 11111111111")], [item_over(4, 4, "qqqpp qtkkp qqkpp qqppp")]]),
]
# ---------------------------------------------------------------- bomb
ITEM_BOMB = [
    (grid("""
.........YF..
......nnhYYF.
.....n...FR..
....ddcb.....
..33dccb22...
.3333333222..
334433332222.
344433322222.
344333222221.
333332222221.
.3332222211..
.2222222111..
..22211111..."""), [[], [item_over(7, 0, "dddddddddccb ccccccccccbb")], [item_over(6, 3, ".WWWW. WWWWWW WkWWkW WWWWWW .WkWk.")],
        [item_over(6, 3, "....q. qq..qq .qqqq. .qqqq. qq..qq .q..q.")]]),
    (grid("""
..YY.........
.FYYnn.......
..RF..nn.....
.......dcb...
...3333dcb...
..333333222..
.33443332222.
.34443332222.
.34433322221.
.33333222221.
.33332222221.
..222222211..
...2222111..."""), [[], [item_over(8, 1, "dddddddcccb ccccccccbbb")], [item_over(6, 3, ".WWWW. WWWWWW WkWWkW WWWWWW .WkWk.")],
        [item_over(7, 3, "q....q .q..q. ..qq.. ..qq.. .q..q.")]]),
]
# ---------------------------------------------------------------- heart
ITEM_HEART = [
    (grid("""
..333...332..
.34433.33222.
3443333332222
3433333332222
3433333322221
3333333222221
.33332222221.
..333222221..
...3222221...
....22221....
.....211.....
......1......"""), [[], [item_over(1, 6, ".k .k k. .k k. .k k. .k .k k. ")],
        [item_over(3, 1, "ddd........ dddddd..... .cccccccc.. ...cccccbbb ......bbb..")],
        [item_over(0, 0, "..dddd.cccc. .dd..d.c..cb dd....dc....b"),
        item_over(3, 0, "d...........b c...........b c...........b .c.........b. ..c.......b.. ...c.....b... ....c...b.... .....c.b....."
        " ......b......")]]),
    (grid("""
...33...32...
..3443.3322..
.34433333322.
.343333332222
3433333322222
343333322222.
34333322222..
3333322222...
333322222....
.33322221....
..322221.....
...2211......
....1........"""), [[], [item_over(1, 6, ".k .k k. .k k. .k k. .k k. k.")],
        [item_over(4, 1, "ddd........ .dddd...... ...cccc.... ....ccccb.. ......bb")]]),
]
# ---------------------------------------------------------------- star
ITEM_STAR = [
    (grid("""
......4......
.....343.....
.....433.....
....34332....
3344443332222
.344333332222
..3433333222.
...33333222..
...33332222..
..3333222221.
..3332.12221.
.332.....221.
.3.........1."""), [[], [item_over(5, 5, "k.k k.k")], [item_over(4, 4, "..1.. 11111 .111. .111. 11.11")]]),
    (grid("""
......4......
......3......
.....432.....
.....432.....
....44322....
..444433222..
4443333222221
..333222211..
....32211....
.....321.....
.....321.....
......2......
......1......"""), [[], [item_over(2, 2, "3.......2 .3.....2. ......... ......... ......... ......... ......... .2.....1. 2.......1")],
        [item_over(5, 5, ".1. 111 .1.")]]),
]
# ---------------------------------------------------------------- skull
ITEM_SKULL = [
    (grid("""
...3333322...
..334433322..
.33443333322.
.34433333322.
.33333333222.
.3kkk333kkk2.
.3kkk333kkk2.
.3kkk3k3kkk1.
.33332k22221.
..222222211..
...3k3k2k2...
...3k3k2k1...
...2222211..."""), [[], [item_over(6, 3, "q.....q")], [item_over(1, 8, ".k k. .k k. .k")], [item_over(2, 1, "qqqqqqqqppp qqqqqqqqppp")]]),
    (grid("""
d...........c
dd.3333322.cc
.dd34433322c.
.ccd33332cbb.
..3333333222.
..3kkk33kkk2.
..3kkk33kkk1.
..33333k2221.
...2332k221..
....222221...
....3k3k21...
....2k2k11..."""), [[], [item_over(6, 4, "q....q")], [item_over(1, 8, ".k k. .k k. .k")]]),
    (grid("""
...3333322...
..334443322..
.33444333322.
.34433333322.
.33333333222.
.33333333222.
.3kkk333kkk2.
.3kkk333kkk1.
.33kk3k3kk21.
..3332k2221..
...2222211...
...3k3k2k2..."""), [[], [item_over(7, 3, "q.....q")], [item_over(1, 8, ".k k. .k k. .k")], [item_over(1, 2, ".qqqqqqqq qqqqqqqqp")]]),
]
# ---------------------------------------------------------------- boots
ITEM_BOOTS = [
    (grid("""
.dddddcc.....
.dccccbb.....
..333222.....
..343222.....
..343222.....
..3432221....
..34332221...
..3433332222.
..33333332222
..33333332222
..22222222211
.hnnnnnnmmmmm
.nmmm........"""), [[], [item_over(4, 2, "dddccb .ddccb")], [item_over(3, 6, "qq .. qq .. qqq")], [item_over(8, 9, "dddc dccc cccb")]]),
    (grid("""
..333322.....
..343322.....
.dddccccb....
..343322.....
..343322...2.
..3433222..22
..34333322..2
..34333333222
..3333333322.
..2222222211.
.hnnnnnnmmm..
.nmm........."""), [[], [item_over(0, 1, ".WWWWWW. WWWWWWWv .vWWWWv.")], [item_over(7, 7, "dcc dccb")], [item_over(4, 11, "d. dd .d .d dc c"),
        item_over(8, 9, "ddd. dcc"), item_over(9, 9, "b")]]),
]
# ---------------------------------------------------------------- helmet
# ---------------------------------------------------------------- crown
ITEM_CROWN = [
    (grid("""
......3......
.....343.....
3....343....2
33..34332..22
343.343322.22
3443433222221
3443433322221
3433333322221
3333333322221
.22222222111."""), [[], [item_over(7, 2, "q..qqq..q")], [item_over(0, 6, "W"), item_over(1, 0, "W...........W"), item_over(7, 1, "WWWWWWWWvvv")],
        [item_over(2, 1, ".qq....qqq. ..qq...qq.. ..q.....q..")], [item_over(5, 5, "tqp qqp qpp")]]),
    (grid("""
3.....3.....2
33...343...22
.....333.....
3....333....2
33..34332..22
343.34332.322
3434334322322
3443433322221
3433333322221
3111111111111
3443333322221
2222222211111"""), [[], [item_over(10, 2, "q..qqq..q")], [item_over(0, 5, ".W. WWW .W."), item_over(0, 0, "WW.........WW WW.........Wv")],
        [item_over(3, 1, "qqqq...qqqq qqq.....qqq .qq.....qq.")], [item_over(6, 5, "tqp qqp qpp")]]),
]
# ---------------------------------------------------------------- fireball
ITEM_FIREBALL = [
    (grid("""
..........2..
.......2.22..
......222222.
..222223222.2
.223333332222
2234443333222
2344444433222
2344WW443322.
234WWWW44322.
2344WW443322.
.23444443322.
.2233333322..
..22222222..."""), [[], [item_over(5, 2, "..YYY.. .YYYYY. .YWWWY. .YWWWY. .YYYYY. ..YYY..")],
        [item_over(6, 3, ".111. 1..41 1.1.1 1.111 .1... ..11")]]),
    (grid("""
......2......
.....22...2..
..2..222..22.
..22.2322.22.
..2222332222.
.223334332222
.223344433222
2233444433222
22344WW443322
2234WWWW43322
.2344WW44322.
.22334433222.
..222332222.."""), [[], [item_over(6, 3, "..YYY.. .YYYYY. .YWWWY. .YWWWY. .YYYYY. ..YYY..")], [item_over(7, 4, ".111. 1..41 1.1.1 1.111 .1...")]]),
]
# ---------------------------------------------------------------- feather
# ---------------------------------------------------------------- bag
# ---------------------------------------------------------------- bolt
ITEM_BOLT = [
    (grid("""
......444333.
.....443332..
.....43332...
....43332....
...443332....
..4433333322.
..333333322..
......3322...
.....3322....
....3322.....
...332.......
...32........
..2.........."""), [[], [item_over(0, 6, ".WWWW WWWW. .WW.. .W...")], [item_over(1, 1, ".3. 332 .2."), item_over(9, 9, ".3. 332 .2.")]]),
    (grid("""
........4433.
......44332..
....44332....
..4433332....
.433333333...
....443332...
...44332.....
..4433333....
.3333332.....
....332......
...332.......
..32.........
.2..........."""), [[], [item_over(0, 4, "....WWWW ..WWW... WWW....."), item_over(5, 4, "WWW WW.")], [item_over(0, 0, ".3. 332 .2."),
        item_over(8, 10, ".3. 332 .2.")]]),
]
# ---------------------------------------------------------------- crystal
ITEM_CRYSTAL = [
    (grid("""
.....33......
....4432.....
....44322....
....443221...
.3..443221...
443.443221.3.
4432443221332
4432443221321
4432443221321
4432443221321
.432443221321
..1133221121."""), [[], [item_over(9, 0, "....mmmmm.... ..mmnnnnmmm.. .mnnhnnnnnmm.")], [item_over(3, 5, "W W W"), item_over(6, 1, "W W"),
        item_over(7, 11, "W W")]]),
    (grid("""
........33...
.......4432..
......443221.
.33...443221.
4432..443221.
44322443221..
.4432443221..
.44322432213.
..44324432132
..44324322132
.443243221321
.432243221321
..1112211111."""), [[], [item_over(10, 0, "...mmmmmmm... .mmnnnnnnmmm. mnnnhhnnnnnmm")], [item_over(2, 7, "W W W"), item_over(5, 1, "W .W .W"),
        item_over(9, 10, "W W")]]),
]
# ---------------------------------------------------------------- the table and the program
ITEM_TABLE: Dict[str, Dict[str, Any]] = {
    "sword": {"shapes": ITEM_SWORD, "colours": ["grey", "red", "blue", "green", "gold", "purple", "yellow"], "trims": ["gold", "dark"], "magic": True},
    "axe": {"shapes": ITEM_AXE, "colours": ["grey", "red", "blue", "gold", "green", "purple", "yellow"], "trims": ["gold", "steel"], "magic": True},
    "bow": {"shapes": ITEM_BOW, "colours": ["brown", "red", "green", "blue", "purple", "yellow", "orange"], "trims": ["gold", "dark"], "magic": True},
    "hammer": {"shapes": ITEM_HAMMER, "colours": ["grey", "gold", "brown", "blue", "red", "green", "purple"], "trims": ["gold", "dark"], "magic": True},
    "staff": {"shapes": ITEM_STAFF, "colours": ["red", "green", "blue", "purple", "yellow", "orange", "pink"], "trims": ["gold", "steel"], "magic": True},
    "wand": {"shapes": ITEM_WAND, "colours": ["yellow", "red", "blue", "pink", "white", "green", "purple"], "trims": ["black", "wood", "purple"], "magic": True},
    "shield": {"shapes": ITEM_SHIELD, "colours": ["red", "blue", "green", "black", "brown", "purple", "yellow"], "trims": ["gold", "steel"]},
    "potion": {"shapes": ITEM_POTION, "colours": ["red", "green", "blue", "purple", "orange", "yellow", "pink"], "trims": ["gold"], "magic": True},
    "scroll": {"shapes": ITEM_SCROLL, "colours": ["white", "yellow", "blue", "pink", "red", "green", "purple"], "trims": ["gold", "wood"], "magic": True},
    "book": {"shapes": ITEM_BOOK, "colours": ["red", "green", "blue", "purple", "brown", "yellow", "orange"], "trims": ["gold", "steel"], "magic": True},
    "ring": {"shapes": ITEM_RING, "colours": ["red", "green", "blue", "purple", "teal"], "trims": ["gold", "steel"], "magic": True},
    "gem": {"shapes": ITEM_GEM, "colours": ["red", "green", "blue", "yellow", "teal", "purple", "orange"], "trims": ["gold"], "soft": True, "magic": True},
    "key": {"shapes": ITEM_KEY, "colours": ["gold", "grey", "red", "blue"], "trims": ["dark", "steel"], "magic": True},
    "coin": {"shapes": ITEM_COIN, "colours": ["gold", "grey", "orange"], "trims": ["gold"], "magic": True},
    "chest": {"shapes": ITEM_CHEST, "colours": ["brown", "red", "green", "blue", "purple"], "trims": ["gold", "steel"]},
    "bomb": {"shapes": ITEM_BOMB, "colours": ["black", "grey", "red", "green", "blue", "purple", "yellow"], "trims": ["gold", "steel"]},
    "heart": {"shapes": ITEM_HEART, "colours": ["red", "pink", "purple", "blue", "green", "yellow", "orange"], "trims": ["gold", "steel"], "soft": True, "magic": True},
    "star": {"shapes": ITEM_STAR, "colours": ["yellow", "orange", "pink", "white", "teal", "red", "green"], "trims": ["gold", "blue"], "soft": True, "magic": True},
    "skull": {"shapes": ITEM_SKULL, "colours": ["white", "grey", "brown", "green"], "trims": ["gold", "dark"], "magic": True},
    "boots": {"shapes": ITEM_BOOTS, "colours": ["brown", "red", "green", "black", "blue", "purple", "yellow"], "trims": ["gold", "steel"], "magic": True},
    "crown": {"shapes": ITEM_CROWN, "colours": ["gold", "grey", "red", "blue", "green", "purple", "yellow"], "trims": ["gold"], "magic": True},
    "fireball": {"shapes": ITEM_FIREBALL, "colours": ["orange", "red", "blue", "green", "purple", "yellow", "pink"], "trims": ["gold"], "soft": True, "magic": True},
    "bolt": {"shapes": ITEM_BOLT, "colours": ["yellow", "orange", "blue", "purple", "red", "green", "pink"], "trims": ["gold"], "magic": True},
    "crystal": {"shapes": ITEM_CRYSTAL, "colours": ["pink", "purple", "blue", "teal", "green", "red", "yellow"], "trims": ["gold"], "magic": True, "soft": True},
}
ITEM_NO_THREAD = str.maketrans("SKCD", "....")
ITEM_ACCENT = {"red": "yellow", "blue": "red", "green": "red", "gold": "red", "grey": "blue", "purple": "yellow", "brown": "red", "white": "red",
               "black": "red", "orange": "blue", "yellow": "red", "teal": "red", "pink": "blue"}


def item_sparkles(canvas: np.ndarray, colour: str) -> bool:
    """Lay two small stars where there is room beside the item; whether both found room."""
    arms, core = ((56, 176, 240), (190, 240, 255)) if colour in ITEM_WARM else ((255, 176, 24), (255, 236, 130))
    stars = 0
    for corners in (ITEM_SITES_1, ITEM_SITES_2):
        free = np.pad(canvas[..., 3] == 0, 1, constant_values=True)
        for margin in (True, False):
            found = next(((r, c) for r, c in corners if item_room(free, r, c, margin)), None)
            if found:
                draw(canvas, ITEM_SPARK, {"1": arms, "2": core}, found[0] - 1, found[1] - 1)
                stars += 1
                break
    return stars == 2


def item_room(free: np.ndarray, r: int, c: int, margin: bool) -> bool:
    """Whether a star with its centre at (r, c) touches nothing (free is padded by one)."""
    if not (free[r : r + 3, c + 1].all() and free[r + 1, c : c + 3].all()):
        return False
    return not margin or bool(free[r : r + 3, c : c + 3].all() and (r < 2 or free[r - 1, c + 1]) and (r > 13 or free[r + 3, c + 1])
                              and (c < 2 or free[r + 1, c - 1]) and (c > 13 or free[r + 1, c + 3]))


def item_sites(r0: int, c0: int) -> List[Tuple[int, int]]:
    """Centres of stars within the frame, far from its middle, the nearest to (r0, c0) first."""
    sites = [(r, c) for r in range(2, 15) for c in range(1, 14) if (r - 8) ** 2 + (c - 7) ** 2 > 30]
    return sorted(sites, key=lambda s: ((s[0] - r0) ** 2 + (s[1] - c0) ** 2, s))


ITEM_SITES_1 = item_sites(3, 2)
ITEM_SITES_2 = item_sites(13, 12)


def item_draw(kind: str, rng: np.random.RandomState) -> Tuple[np.ndarray, str, tuple]:
    """One random sprite of a kind from the table: canvas, caption words, recipe."""
    spec = ITEM_TABLE[kind]
    shape = rng.randint(len(spec["shapes"]))
    art, details = spec["shapes"][shape]
    detail = rng.randint(len(details))
    colour, variant = pick(rng, spec["colours"]), rng.randint(2)
    variant = 0 if colour == "black" else variant  # its two ramps are too near
    trim = pick(rng, spec["trims"])
    trim = "dark" if trim == colour else trim
    magic = bool(spec.get("magic")) and rng.random_sample() < 0.35
    layers = [(0, 0, art)] + details[detail]
    cells = [list(row) for row in art]
    for top, left, rows in layers[1:]:
        for i, row in enumerate(rows):
            for j, c in enumerate(row):
                if c != ".":
                    cells[top + i][left + j] = c
    rows = ["".join(row) for row in cells]
    if not set("abcdeCD") & set("".join(rows)):
        trim = ""
    main = RAMPS[colour][variant]
    colours = {**ITEM_FIXED, **tones("01234", main), **tones("abcde", ITEM_TRIMS[trim or "gold"]),
        **tones("pqrst", ITEM_TRIMS[ITEM_ACCENT[colour]])}
    colours.update(C=colours["b"], D=colours["c"])
    top, left = (SIZE + 1 - len(rows)) // 2, (SIZE - 1 - len(rows[0])) // 2
    canvas = draw(blank(), [r.translate(ITEM_NO_THREAD) for r in rows], colours, top, left)
    outline(canvas, main[0] if spec.get("soft") else INK)
    string = ["".join(c if c in "SKCD" else "." for c in r) for r in rows]
    draw(canvas, string, colours, top, left)
    if magic:
        plain = canvas.copy()
        magic = item_sparkles(canvas, colour)
        canvas = canvas if magic else plain
    return canvas, ("magic " if magic else "") + colour + " " + kind, (kind, shape, detail, colour, variant, trim, magic)


ITEM_KINDS: Dict[str, Callable[[np.random.RandomState], Tuple[np.ndarray, str, tuple]]] = {
    kind: (lambda rng, kind=kind: item_draw(kind, rng)) for kind in ITEM_TABLE
}

# ------------------------------------------------------------------------------------------------------------------------
# The data set
# ------------------------------------------------------------------------------------------------------------------------

CLASSES = ("hero", "non-hero", "food", "spell", "side-facing")
TRAIN, TEST, NOVEL = 0, 1, 2
PER_CLASS = ((4700, 3700, 3600, 3700, 4700), (560, 500, 500, 500, 560), (110, 110, 110, 110, 110))  # train, test, novel
NOVEL_PER_KIND = 60

# Pairs of words that never meet in train or test, though each word occurs there: sprites with such a pair are the novel split.
NOVEL_PAIRS = [
    set(pair.split())
    for pair in (
        "mohawk purple|braids green|robe orange|lantern pink|slime blue|bat red|frog yellow|apple green|donut blue|pepper yellow|"
        "potion purple|book blue|heart green"
    ).split("|")
]


def kinds_of(label: int) -> Dict[str, Callable]:
    """The drawing functions of one class, by name of the kind."""
    heroes = {name: function for name, function in HERO_KINDS.items() if name.startswith("hero ")}
    sides = {name: function for name, function in HERO_KINDS.items() if name.startswith("side ")}
    return (heroes, FOE_KINDS, FOOD_KINDS, ITEM_KINDS, sides)[label]


def is_novel(words: str) -> bool:
    """True if the caption has one of the pairs of words that training never shows together."""
    present = set(words.split())
    return any(present >= pair for pair in NOVEL_PAIRS)


def place(canvas: np.ndarray, right: int = 0) -> np.ndarray:
    """Move the sprite a pixel to the left (-1) or right (1), but never over the border; lay on white: uint8 (16, 16, 3)."""
    columns = np.nonzero(canvas[..., 3].any(0))[0]
    if columns[0] + right >= 0 and columns[-1] + right < SIZE:
        canvas = np.roll(canvas, right, axis=1)
    return np.where(canvas[..., 3:] > 0, canvas[..., :3], 255).astype(np.uint8)


def is_variant(image: np.ndarray, others: List[np.ndarray], tolerance: int = 24) -> bool:
    """True if the image, or it moved by a pixel, is within `tolerance` levels of one of the others at every pixel."""
    moved = [np.roll(image, right, axis=1).astype(np.int16) for right in (-1, 0, 1)]
    stack = np.array(others, np.int16).reshape(-1, SIZE, SIZE, 3)
    return any((np.abs(stack - one).max(axis=(1, 2, 3)) <= tolerance).any() for one in moved)


def draw_kind(function: Callable, quota: Sequence[int], rng: np.random.RandomState, seen: Set[bytes]) -> List[tuple]:
    """Sprites of one kind as (image, caption, split) until train and test have their quota.

    A recipe (all choices but the place in the frame) belongs to one split for good, so that no variant of a training
    sprite is in another split. An image that was drawn before is dropped.
    """
    sprites, split_of, count = [], {}, [0, 0, 0]
    for _ in range(100 * sum(quota)):
        canvas, words, recipe = function(rng)
        image = place(canvas)
        if image.tobytes() in seen:  # this recipe again: at another place
            image = place(canvas, pick(rng, (-1, 1)))
        if recipe not in split_of:
            in_test = rng.random_sample() < quota[TEST] / (quota[TRAIN] + quota[TEST])
            split_of[recipe] = NOVEL if is_novel(words) else TEST if in_test else TRAIN
        split = split_of[recipe]
        others = [other for other, _, its_split in sprites if (its_split == TRAIN) != (split == TRAIN)]
        if count[split] < quota[split] and image.tobytes() not in seen and not is_variant(image, others):
            seen.add(image.tobytes())
            sprites.append((image, words, split))
            count[split] += 1
        if count[TRAIN] == quota[TRAIN] and count[TEST] == quota[TEST]:
            return sprites
    raise ValueError(f"a kind has too few different sprites: {count} of {quota}, e.g. {sprites[-1][1]!r}")


def draw_all(seed: int = 0) -> Dict[str, np.ndarray]:
    """The arrays of sprites.npz: the same for the same seed, bit for bit (RandomState's stream is frozen)."""
    rows, seen = [], set()
    for label in range(len(CLASSES)):
        kinds = kinds_of(label)
        novel = []
        for number, function in enumerate(kinds.values()):
            rng = np.random.RandomState(seed * 10007 + label * 101 + number)
            quota = [PER_CLASS[s][label] * (number + 1) // len(kinds) - PER_CLASS[s][label] * number // len(kinds) for s in (TRAIN, TEST)]
            drawn = draw_kind(function, (*quota, NOVEL_PER_KIND), rng, seen)
            rows += [(*sprite, label) for sprite in drawn if sprite[2] != NOVEL]
            novel += [(*sprite, label) for sprite in drawn if sprite[2] == NOVEL]
        chosen = np.random.RandomState(seed + label).permutation(len(novel))[: PER_CLASS[NOVEL][label]]
        rows += [novel[i] for i in sorted(chosen)]
    rows = [rows[i] for i in np.argsort([row[2] for row in rows], kind="stable")]
    return {
        "images": np.stack([row[0] for row in rows]),
        "labels": np.array([row[3] for row in rows], np.uint8),
        "captions": np.array([row[1] for row in rows]),
        "split": np.array([row[2] for row in rows], np.uint8),
        "class_names": np.array(CLASSES),
    }


# A 3x5 font for the names on the sheet: five rows of three bits a letter.
FONT = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz-",
        "25755 65656 34443 65556 74647 74644 34553 55755 72227 11152 55655 44447 57755 65555 75557 "
        "65644 25563 65655 34216 72222 55557 55552 55775 55255 55222 71247 00700".split(),
    )
)


def write_png(path: str, image: np.ndarray) -> None:
    """Save an image uint8 (H, W, 3) as a PNG file."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, _ = image.shape
    rows = b"".join(b"\0" + row.tobytes() for row in image)
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def write_text(image: np.ndarray, text: str, top: int, left: int, scale: int = 2) -> None:
    """Write small letters on an image uint8 (H, W, 3)."""
    for i, letter in enumerate(text):
        for y, bits in enumerate(FONT.get(letter, "00000")):
            for x in range(3):
                if int(bits) >> (2 - x) & 1:
                    image[top + y * scale : top + (y + 1) * scale, left + (4 * i + x) * scale : left + (4 * i + x + 1) * scale] = INK


def draw_sheet(scale: int = 6, columns: int = 12) -> np.ndarray:
    """Every kind with its name, a row a kind in two columns, as an image uint8 (H, W, 3)."""
    names = [(label, name) for label in range(len(CLASSES)) for name in kinds_of(label)]
    cell, left, half = SIZE * scale + scale, 130, (len(names) + 1) // 2
    width = left + columns * cell + 3 * scale
    sheet = np.full((half * cell + 2 * scale, 2 * width, 3), (238, 236, 230), np.uint8)
    for i, (label, name) in enumerate(names):
        top, x = (i % half) * cell + scale, (i // half) * width
        function, rng = kinds_of(label)[name], np.random.RandomState(i)
        write_text(sheet, name, top + cell // 2 - 8, x + 2 * scale, 3 if len(name) < 10 else 2)
        for j in range(columns):
            image = place(function(rng)[0]).repeat(scale, 0).repeat(scale, 1)
            sheet[top : top + SIZE * scale, x + left + j * cell : x + left + j * cell + SIZE * scale] = image
    return sheet


def main() -> None:
    """Draw the data set, or with --sheet a sheet of all kinds."""
    parser = argparse.ArgumentParser(description="Draw the sprites of this project.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default=str(Path(__file__).resolve().parent / "sprites.npz"), help="where the data set goes")
    parser.add_argument("--sheet", help="write a sheet with every kind to this PNG file, and no data set")
    args = parser.parse_args()
    if args.sheet:
        write_png(args.sheet, draw_sheet())
        return
    data = draw_all(args.seed)
    np.savez_compressed(args.out, **data)
    print(f"{args.out}: {len(data['images'])} sprites, {Path(args.out).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
