"""Each notebook whole with tiny parameters: every cell twice, stopped, with its solutions; then alone, as Colab opens it."""

import os

import pytest
from helpers import TINY, Quiet, errors_and_stderr, execute, files, lay_out, pictures, save_vae, serve, solutions, thrice
from notebooks import NOTEBOOKS, read
from run_notebooks import write_sums


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_twice_stopped_in_the_first_step_and_alone(name, offline, tmp_path):
    folder, parameters = lay_out(tmp_path / "work"), TINY[name[:2]]
    if name == NOTEBOOKS[2]:
        save_vae(folder)
    env = {**os.environ, "PYTHONPATH": str(offline)}
    for variable in ("HOME", "TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR"):
        env[variable] = str(tmp_path / variable)
        (tmp_path / variable).mkdir()
    for variable in ("MPLBACKEND", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        env.pop(variable, None)
    nb = execute(thrice(read(name), solutions(name)), folder, env, TRAIN=True, **parameters)
    assert not errors_and_stderr(nb)
    (trained,) = (cell.outputs[0].text.split() for cell in nb.cells if cell.id == "trained")  # the same weights twice
    assert trained and {path for path in files(folder) if path.endswith("best_ldm.pt")} <= set(trained)
    first, second = pictures(nb, "-1"), pictures(nb, "-2")
    assert sum(map(len, first.values())) >= 10
    assert [key for key in first if first[key] != second.get(key)] == []
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
