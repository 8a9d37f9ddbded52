"""The same twice, and nothing outside: looked at in the run of `first_run`, where every cell ran twice."""

import pytest
from helpers import pictures, tells_time
from notebooks import NOTEBOOKS, code_cells

pytestmark = pytest.mark.parametrize("name", NOTEBOOKS)


def test_every_training_gives_the_same_weights_twice(name, first_run):
    folder, nb = first_run  # the probe has compared them bit for bit
    trained = nb.cells[-1].outputs[0].text.split()
    kept = {str(path.relative_to(folder)) for path in (folder / "assets").rglob("best_*.pt")}
    assert trained
    assert kept - {"assets/vae_latent_2d_emb4/best_vae.pt"} <= set(trained)


def test_every_cell_draws_the_same_pictures_twice(name, first_run):
    _, nb = first_run
    first, second = pictures(nb, "-1"), pictures(nb, "-2")
    assert sum(map(len, first.values())) > 15
    timed = {cell.id for cell in code_cells(name) if tells_time(cell)}
    assert [key for key in first if first[key] != second[key] and key not in timed] == []


def test_nothing_is_written_or_asked_for_outside_the_folder(name, first_run, offline):
    folder, _ = first_run
    for neighbour in ("HOME", "TMPDIR"):
        left = [str(path.relative_to(folder.parent)) for path in (folder.parent / neighbour).rglob("*")]
        assert not left
    assert {path.name for path in folder.iterdir()} <= {"assets", "data"}
    assert not (offline / "tried").exists(), (offline / "tried").read_text()
