"""The same twice, nothing outside, solutions that run: looked at in the run of `first_run`, where every cell ran twice."""

import pytest
from helpers import VAE_PATH, errors_and_stderr, pictures, solutions
from notebooks import NOTEBOOKS

pytestmark = pytest.mark.parametrize("name", NOTEBOOKS)


def test_every_training_gives_the_same_weights_twice(name, first_run):
    folder, nb = first_run  # the probe has compared them bit for bit
    (trained,) = (cell.outputs[0].text.split() for cell in nb.cells if cell.id == "trained")
    kept = {str(path.relative_to(folder)) for path in (folder / "assets").rglob("*.pt")}
    assert trained
    assert kept - {VAE_PATH} <= set(trained)


def test_every_cell_draws_the_same_pictures_twice(name, first_run):
    _, nb = first_run
    first, second = pictures(nb, "-1"), pictures(nb, "-2")
    assert sum(map(len, first.values())) >= 10
    assert [key for key in first if first[key] != second.get(key)] == []


def test_nothing_is_written_or_asked_for_outside_the_folder(name, first_run, offline):
    folder, _ = first_run
    for neighbour in ("HOME", "TMPDIR"):
        assert not [str(path.relative_to(folder.parent)) for path in (folder.parent / neighbour).rglob("*")]
    assert {path.name for path in folder.iterdir()} <= {"assets", "data"}
    assert not list(folder.rglob("*.partial"))
    assert not (offline / "tried").exists(), (offline / "tried").read_text()


def test_a_stop_in_the_first_step_is_said_and_leaves_no_warning(name, first_run):
    _, nb = first_run
    assert "Stopped" in "".join(output.get("text", "") for cell in nb.cells for output in cell.get("outputs", []))
    assert [(where, o.get("text")) for where, o in errors_and_stderr(nb) if not where.startswith("solved")] == []


def test_every_exercise_has_a_solution_that_runs(name, first_run):
    _, nb = first_run
    ran = [cell for cell in nb.cells if cell.id.startswith("solved")]
    assert len(ran) == len(solutions(name)) >= 5
    assert [(where, o.get("text") or o.get("evalue")) for where, o in errors_and_stderr(nb) if where.startswith("solved")] == []
