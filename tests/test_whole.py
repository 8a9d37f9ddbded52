"""The notebooks whole with tiny parameters: twice and stopped, with solutions; alone, as in Colab; on sprites unlike ours."""

import os

import nbformat
import numpy as np
import pytest
from helpers import TINY, Quiet, errors_and_stderr, execute, files, lay_out, pictures, save_vae, serve, solutions, thrice
from notebooks import NOTEBOOKS, read
from run_notebooks import write_sums

OURS = ("non-hero", "side-facing", "overalls")  # words that only our data have
DOLLARS = [f"Class{k} $x_{{{k} $" for k in range(40)]  # which are no formula
STRANGE = {  # names of classes, training sprites of each, colours, other splits, caption of a sprite
    "one class": (["thing"], [60], 40, (1, 3), lambda name, split, rng: ["thing", "a thing", ""][rng.randint(3)]),
    "forty classes": (DOLLARS, [3] + [15] * 39, 256, (1, 2, 3), lambda name, split, rng: name + " Xenon" * (split == 1)),
    "Hangul": (["영웅", "음식"], [60, 60], 64, (1, 3), lambda name, split, rng: name),
}


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
        rows.append((image, np.uint8(k), caption(names[k], split, rng), np.uint8(split)))
    palette = np.r_[[[255, 255, 255]], rng.randint(0, 256, (colours - 1, 3))].astype(np.uint8)
    arrays = dict(zip(("images", "labels", "captions", "split"), map(np.array, zip(*rows))))
    return {**arrays, "palette": palette, "class_names": np.array(names)}


@pytest.mark.parametrize("case", STRANGE)
def test_the_notebooks_run_whole_on(case, tmp_path, offline):
    folder, problems = lay_out(tmp_path / "work"), []
    np.savez(folder / "data" / "sprites.npz", **draw(*STRANGE[case]))
    for name in NOTEBOOKS:
        parameters = {"TRAIN": True, "allow_errors": True, **TINY[name[:2]]}  # what comes after an error runs as well
        nb = read(name)
        nb.cells.append(nbformat.v4.new_code_cell("print(plt.rcParams['font.family'])", id="fonts"))
        nb = execute(nb, folder, {**os.environ, "PYTHONPATH": str(offline)}, **parameters)
        problems += [(name, where, o.get("text") or f"{o.ename}: {o.evalue}") for where, o in errors_and_stderr(nb)]
        shown = "".join(output.get("text", "") for cell in nb.cells for output in cell.get("outputs", []))
        problems += [(name, word) for word in OURS if word in shown]
        problems += [(name, "no fonts for other letters")] * ("STIXNonUnicode" not in shown)  # which matplotlib brings
    assert problems == [], "\n".join(map(str, problems))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_twice_stopped_in_the_first_step_and_alone(name, offline, tmp_path):
    folder, parameters = lay_out(tmp_path / "work"), TINY[name[:2]]
    if name == NOTEBOOKS[2]:
        save_vae(folder)
    env = {key: value for key, value in os.environ.items() if key not in ("MPLBACKEND", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    env["PYTHONPATH"] = str(offline)
    for variable in ("HOME", "TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR"):
        env[variable] = str(tmp_path / variable)
        (tmp_path / variable).mkdir()
    nb = execute(thrice(read(name), solutions(name)), folder, env, TRAIN=True, **parameters)
    assert not errors_and_stderr(nb)
    (trained,) = (cell.outputs[0].text.split() for cell in nb.cells if cell.id == "trained")  # the same weights twice
    assert trained and {path for path in files(folder) if path.endswith("best_ldm.pt")} <= set(trained)
    first, second = pictures(nb, "-1"), pictures(nb, "-2")
    assert sum(map(len, first.values())) >= 10 and [key for key in first if first[key] != second.get(key)] == []
    assert "Stopped" in "".join(output.get("text", "") for cell in nb.cells for output in cell.get("outputs", []))
    assert sum(cell.id.startswith("solved") for cell in nb.cells) == len(solutions(name)) >= 5
    assert files(tmp_path / "HOME") + files(tmp_path / "TMPDIR") == []
    assert {path.name for path in folder.iterdir()} <= {"assets", "data"}
    assert [path for path in files(folder) if path.endswith(".partial")] == []
    write_sums(folder)
    handler, lone = type("Handler", (Quiet,), {"served": folder, "asked": []}), tmp_path / "späte Bögen 図 1"
    httpd = serve(handler)
    lone.mkdir()
    env.pop("HOME")
    nb = execute(read(name), lone, env, httpd.url, TRAIN=False, **parameters)
    httpd.shutdown()
    assert not errors_and_stderr(nb)
    fetched = {path for path in files(lone) if not path.endswith(".gif")}  # which any run makes
    assert "data/sprites.npz" in fetched and any(path.endswith(".pt") for path in fetched)
    assert fetched <= set(handler.asked)  # no weights and no title picture are made: training alone saves them
    assert [path for path in fetched if (lone / path).read_bytes() != (folder / path).read_bytes()] == []
    assert sum(map(bool, pictures(nb).values())) >= 10
    assert not (offline / "tried").exists(), (offline / "tried").read_text()
