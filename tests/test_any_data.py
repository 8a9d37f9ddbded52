"""The notebooks run whole on sprites that are nothing like ours: other classes, words, colours, numbers, splits."""

import json
import os
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from helpers import TINY, errors_and_stderr, execute
from notebooks import NOTEBOOKS, ROOT, definitions, read
from PIL import Image
from test_pack import pack_sprites

COLOURS = {
    "red": (210, 40, 40),
    "green": (40, 160, 60),
    "blue": (50, 80, 220),
    "gold": (230, 180, 40),
    "pink": (240, 120, 180),
}
SHAPES = ("disc", "square", "cross", "ring", "bar")


def thing(shape, colour, rng):
    """A simple drawing somewhere on white, of a random size and shade: uint8 (16, 16, 3)."""
    y, x = np.mgrid[:16, :16] - rng.randint(6, 10, (2, 1, 1))  # (16, 16) each
    size, far = rng.randint(3, 7), np.hypot(x, y)
    inside = {
        "disc": far <= size,
        "square": np.maximum(abs(x), abs(y)) < size,
        "cross": np.minimum(abs(x), abs(y)) < 2,
        "ring": (far <= size) & (far > size - 2),
        "bar": (abs(x) < 2) & (abs(y) <= size),
    }[shape]
    shade = (np.array(colour) * rng.choice([0.7, 0.8, 0.9, 1])).astype(np.uint8)
    return np.where(inside[..., None], shade, np.uint8(255))


def save(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def one_class_of_sixty(folder, rng):
    """Sixty pictures in one folder, named by numbers only; each pixel a colour of its own."""
    for i in range(60):
        noise = rng.randint(-9, 10, (16, 16, 3))
        picture = thing(SHAPES[i % 5], list(COLOURS.values())[i // 5 % 5], rng).astype(int)
        save(folder / f"{i:03d}.png", np.clip(picture + noise, 0, 255).astype(np.uint8))
    return ()


def three_classes(folder, rng):
    """Three classes of very different size, a caption each, and nothing novel."""
    for label, number in (("cross", 150), ("disc", 60), ("ring", 12)):
        for i in range(number):
            name = list(COLOURS)[i % 5]
            save(folder / label / f"{name}_{label}{i}x.png", thing(label, COLOURS[name], rng))
    return ("--min-word", "2")


def forty_classes(folder, rng):
    """Forty classes, one with a name that is no ASCII, and two novel pairs of words."""
    for k in range(40):
        for i in range(15):
            name = list(COLOURS)[(k + i) % 5]
            label = "größe 7" if k == 7 else f"class-{k:02d}"
            save(folder / label / f"{name}-{SHAPES[k // 8]}-{i}y.png", thing(SHAPES[k // 8], COLOURS[name], rng))
    return ("--min-word", "5", "--novel", "red disc", "gold bar")


def without(names, path):
    """The file without arrays of these names."""
    with np.load(path) as file:
        data = {name: file[name] for name in file.files if name not in names}
    np.savez(path, **data)


CASES = {
    "one class of sixty, no captions, no names": (one_class_of_sixty, ("captions", "class_names"), NOTEBOOKS),
    "forty classes": (forty_classes, (), NOTEBOOKS),
    "three classes, nothing novel": (three_classes, (), NOTEBOOKS[1:]),
}
ABSENT = {"01": "There is one class only", "02": "no novel split", "03": "no novel split"}  # what sixty sprites cannot show
OURS = ("non-hero", "side-facing")  # names that only our data have


def quality(folder):
    """What `make quality` measures of notebooks and weights in a folder, with judges that hardly learn."""
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns(".cache", "__pycache__"))
    judges = (folder / "tools" / "judges.py").read_text()
    assert "3000" in judges and "2000" in judges
    (folder / "tools" / "judges.py").write_text(judges.replace("3000", "30").replace("2000", "30"))
    rows = ("ddpm_ddim20", "ldm_qkv_ddim20", "vae")
    command = [sys.executable, "tools/quality.py", "--samples", "40", "--seeds", "1", "--json", "q.json", "--only", *rows]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    found = json.loads((folder / "q.json").read_text())
    assert {*rows} <= {*found}
    assert "FID over floor" in result.stdout
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_notebooks_run_whole_on(case, tmp_path, offline):
    draw, missing, names = CASES[case]
    folder, data = tmp_path / "work", tmp_path / "work" / "data" / "sprites.npz"
    options = draw(tmp_path / "my sprites", np.random.RandomState(0))
    pack_sprites.main([str(tmp_path / "my sprites"), "--out", str(data), *options])
    without(missing, data)
    with np.load(data) as file:
        classes = file["class_names"].tolist() if "class_names" in file else ["class 0"]
    for name in names:
        tiny = {**TINY[name[:2]], "SAMPLES": 20}
        nb = execute(read(name), folder, {**os.environ, "PYTHONPATH": str(offline)}, TRAIN=True, **tiny)
        assert not errors_and_stderr(nb)
        shown = "".join(output.get("text", "") for cell in nb.cells for output in cell.get("outputs", []))
        assert all(word in shown for word in classes), name
        assert not any(word in shown for word in OURS), name
        if draw is one_class_of_sixty:
            assert ABSENT[name[:2]] in shown
        nbformat.write(nb, folder / name)
    if names == NOTEBOOKS:
        found = quality(folder)
        assert ("novel_word_accuracy" in found["ldm_qkv_ddim20"]) == (draw is not one_class_of_sixty)


def test_a_palette_of_many_colours_loses_little(tmp_path):
    """Sixty sprites with nearly as many colours as pixels, most of them nearly white."""
    one_class_of_sixty(tmp_path / "noisy", np.random.RandomState(0))
    images = np.stack([np.asarray(Image.open(path)) for path in sorted((tmp_path / "noisy").iterdir())])
    nb = definitions(NOTEBOOKS[0])
    palette = nb.make_palette(images, nb.MOST_COLOURS)  # (K, 3)
    assert len(palette) == nb.MOST_COLOURS
    psnr = 10 * np.log10(4 / nb.palette_error(palette, nb.to_tensor(images)))
    assert psnr > 40  # dB; every pixel wrong by 2 levels of 255 is 42
