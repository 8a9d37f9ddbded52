"""The notebooks run whole with tiny parameters, each cell twice; and the runner of `make run`."""

import base64
import io
import os
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from helpers import TINY, errors_and_stderr
from notebooks import NOTEBOOKS, ROOT, definitions
from PIL import Image
from run_notebooks import clean_outputs, code_digest, packed


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_runs_whole_with_every_cell_twice_and_every_training_stopped_once(name, first_run):
    folder, nb = first_run
    assert not errors_and_stderr(nb)
    shown = "".join(output.get("text", "") for cell in nb.cells if cell.cell_type == "code" for output in cell.outputs)
    assert "Stopped" in shown
    assert list((folder / "assets").rglob("*.gif")) or name == NOTEBOOKS[1]
    assert not list(folder.rglob("*.partial"))


def test_tiny_parameters_are_parameters():
    """Else a name that the notebook does not have would silently be added."""
    for name in NOTEBOOKS:
        missing = [key for key in TINY[name[:2]] if not hasattr(definitions(name), key)]
        assert not missing, f"{name}: {missing}"


def test_tests_that_share_what_is_costly_share_a_process(request):
    """Else it is made once in every process: some pairs of pytest and pytest-xdist forget the groups without a word."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("one process only")
    assert request.node.nodeid.endswith("@test_run.py")


# --- the runner ---


def runner(folder, *names):
    command = [sys.executable, str(ROOT / "tools" / "run_notebooks.py"), *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_runner_executes_in_place_and_records_the_run(tmp_path):
    cells = [nbformat.v4.new_markdown_cell("# A title\n![p](attachment:p.png)"), nbformat.v4.new_code_cell("print(6 * 7)")]
    for name in ("08.small.ipynb", "09.small.ipynb"):
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / name)
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "p.png").write_bytes(b"\x89PNG picture")
    result = runner(tmp_path, "08.small.ipynb", "09.small.ipynb")
    assert result.returncode == 0, result.stderr
    assert "A title" in result.stdout
    for name in ("08.small.ipynb", "09.small.ipynb"):
        assert name in result.stdout
        nb = nbformat.read(tmp_path / name, as_version=4)
        assert len(nb.cells) == 2
        assert nb.cells[1].outputs[0].text == "42\n"
        assert "p.png" in nb.cells[0].attachments
        facts = nb.metadata["sd_nano"]
        assert facts["code_sha256"] == code_digest(nb)
        assert facts["seconds"] > 0
        assert facts["peak_memory_mb"] > 10
        assert facts["threads"] >= 1
        assert facts["processor"]


def test_runner_leaves_the_notebook_alone_when_a_cell_fails(tmp_path):
    cells = [nbformat.v4.new_code_cell("raise ValueError('one sentence')")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "09.bad.ipynb")
    before = (tmp_path / "09.bad.ipynb").read_bytes()
    result = runner(tmp_path, "09.bad.ipynb")
    assert result.returncode != 0
    assert "ValueError: one sentence" in result.stderr
    assert (tmp_path / "09.bad.ipynb").read_bytes() == before


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_pictures_are_packed_only_where_nobody_sees_it():
    y, x = np.mgrid[:200, :300]
    curve = np.stack([np.exp(-((y - 100 - 50 * np.sin(x / 40)) ** 2) / 4) * 255] * 3, 2).astype(np.uint8)
    curve[:, :40] = np.stack([x, y, x + y], 2)[:, :40] // 2 * 2
    small = packed(png(curve))
    assert len(small) < 0.8 * len(png(curve))
    seen = np.asarray(Image.open(io.BytesIO(small)).convert("RGB")).astype(int)
    assert np.abs(seen - curve).mean() < 2
    noise = np.random.RandomState(0).randint(0, 256, (200, 300, 3)).astype(np.uint8)
    assert packed(png(noise)) == png(noise)


def test_widgets_do_not_stay_in_the_file():
    widget = nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "VBox()"})
    still = nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(png(np.zeros((2, 2, 3), np.uint8))).decode()})
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("box", outputs=[still, widget])], metadata={"widgets": {}})
    clean_outputs(nb)
    assert nb.cells[0].outputs == [still]
    assert "widgets" not in nb.metadata
