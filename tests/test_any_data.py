"""The notebooks run whole, one after the other, on sprites that are nothing like ours."""

import os
import shutil

import numpy as np
import pytest
from helpers import TINY, errors_and_stderr, execute
from notebooks import NOTEBOOKS, ROOT, read


def draw(names, counts, colours, others, caption):
    """A data file: rectangles of random size and colour; training sprites for each class, and 20 sprites in other splits."""
    rng, rows = np.random.RandomState(0), []
    labels = [(k, 0) for k, count in enumerate(counts) for _ in range(count)]
    labels += [(i % len(names), split) for split in others for i in range(20)]
    for k, split in labels:
        y, x, h, w = *rng.randint(0, 8, 2), *rng.randint(4, 9, 2)
        image = np.zeros((16, 16), np.uint8)
        image[y : y + h, x : x + w] = rng.randint(1, colours)
        image[y + 1, x : x + w] = rng.randint(1, colours)
        rows.append((image, k, caption(names[k], split, rng), split))
    images, labels, captions, split = zip(*rows)
    palette = np.r_[[[255, 255, 255]], rng.randint(0, 256, (colours - 1, 3))].astype(np.uint8)
    arrays = {"images": np.stack(images), "palette": palette, "labels": np.array(labels, np.uint8)}
    return {**arrays, "captions": np.array(captions), "class_names": np.array(names), "split": np.array(split, np.uint8)}


def one_class():
    """One class of sixty sprites, 40 colours, captions of one or two words or none, nothing novel."""
    return draw(["thing"], [60], 40, (1, 3), lambda name, split, rng: ["thing", "a thing", ""][rng.randint(3)])


def forty_classes():
    """Names with capitals and dollars that are no formula; one class of three sprites; 256 colours; a word only in test."""
    names = [f"Class{k} $x_{{{k} $" for k in range(40)]
    return draw(
        names, [3] + [15] * 39, 256, (1, 2, 3), lambda name, split, rng: name + " Xenon" * (split == 1 and rng.rand() < 0.3)
    )


def hangul():
    """Two classes with names and captions in Hangul."""
    return draw(["영웅", "음식"], [60, 60], 64, (1, 3), lambda name, split, rng: name)


OURS = ("non-hero", "side-facing", "overalls")  # words that only our data have
GLYPHS = pytest.mark.xfail(reason="a later issue: matplotlib warns of letters that its font lacks", strict=True)


@pytest.mark.parametrize("make", [one_class, forty_classes, pytest.param(hangul, marks=GLYPHS)])
def test_the_notebooks_run_whole_on(make, tmp_path, offline):
    (tmp_path / "data").mkdir()
    shutil.copytree(ROOT / "assets", tmp_path / "assets", ignore=shutil.ignore_patterns("*.pt", "*.svg", "*.gif"))
    np.savez(tmp_path / "data" / "sprites.npz", **make())
    problems = []
    for name in NOTEBOOKS[:1] if make is hangul else NOTEBOOKS:
        parameters = {"TRAIN": True, "allow_errors": True, **TINY[name[:2]]}  # what comes after an error runs as well
        nb = execute(read(name), tmp_path, {**os.environ, "PYTHONPATH": str(offline)}, **parameters)
        problems += [(name, where, o.get("text") or f"{o.ename}: {o.evalue}") for where, o in errors_and_stderr(nb)]
        shown = "".join(output.get("text", "") for cell in nb.cells for output in cell.get("outputs", []))
        problems += [(name, word) for word in OURS if word in shown]
    assert problems == [], "\n".join(map(str, problems))
