"""The runner of `make run`, the set-up of `make`, and how tools and tests read the notebooks."""

import base64
import io
import os
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import numpy as np
import pytest
from helpers import TINY
from notebooks import NOTEBOOKS, ROOT, definitions, opened
from PIL import Image
from run_notebooks import clean_outputs, code_digest, last_states, packed, write_sums

quick = pytest.mark.quick


@quick
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


# --- reading notebooks ---


def write(path, *sources, **ids):
    """A notebook of these code cells; those that have a name have it as id."""
    cells = [nbformat.v4.new_markdown_cell("# A title"), *map(nbformat.v4.new_code_cell, sources)]
    cells += [nbformat.v4.new_code_cell(source, id=name.replace("_", "-")) for name, source in ids.items()]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@quick
def test_definitions_run_nothing_and_leave_out_constants_of_the_data(tmp_path):
    source = (
        "import math\nA = 2\nB = A * math.pi\nCLASSES = data['names']\nprint(1 / 0)\nloose = 1 / 0\ndef f():\n    return A, loose"
    )
    write(tmp_path / "01.x.ipynb", source)
    nb = definitions("01.x.ipynb", tmp_path)
    assert 2 * nb.math.pi == nb.B
    assert not hasattr(nb, "CLASSES")
    assert not hasattr(nb, "loose")
    nb.loose = 3  # what a function reads, the caller sets
    assert nb.f() == (2, 3)
    assert not hasattr(definitions("01.x.ipynb", tmp_path), "loose")  # a module of its own for every caller


@quick
def test_constants_that_cannot_be_computed_for_another_reason_are_errors(tmp_path):
    with pytest.raises(ZeroDivisionError):
        definitions(write(tmp_path / "01.x.ipynb", "A = 1 / 0").name, tmp_path)


@quick
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_opened_has_what_functions_read_and_trains_nothing(name, capsys):
    here = os.getcwd()
    cells = {"cells": ["data-code", "encode-all", "tokenize"]} if name.startswith("03") else {}
    nb = opened(name, **cells)  # without the autoencoder, whose weights may be of another day
    assert os.getcwd() == here
    assert capsys.readouterr().out == ""
    with np.load(ROOT / "data" / "sprites.npz") as data:
        assert len(nb.palette) == len(data["palette"])
        real = data["palette"][data["images"][data["split"] == 0][:3]]
    drawn = ((nb.to_sprites(nb.index_train[:3]) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    assert np.array_equal(drawn.numpy(), real)
    if not name.startswith("02"):
        assert nb.alpha_bar.shape == (nb.T + 1,)
    assert not hasattr(nb, "z_train")
    assert not hasattr(nb, "net")


# --- the runner ---


def runner(folder, *names, **env):
    command = [sys.executable, str(ROOT / "tools" / "run_notebooks.py"), *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **env})


def test_runner_executes_in_place_in_order_and_records_the_run(tmp_path):
    bar = "import sys, time\nfrom tqdm import tqdm\n"
    bar += "for _ in tqdm(range(50), file=sys.stdout, mininterval=0.01):\n    time.sleep(0.01)"
    write(tmp_path / "08.small.ipynb", "import os\nprint(os.getcwd() + '/x')", bar)
    write(tmp_path / "09.small.ipynb", "print(6 * 7)")
    (tmp_path / "08.small.partial.ipynb").write_text("of an earlier run that broke off")
    for path in ("data/sprites.npz", "assets/a/w.pt", "assets/f.png", "assets/f.svg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    result = runner(tmp_path, "08.small.ipynb", "09.small.ipynb")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # neither warnings of the kernel nor bars
    order = [line.split()[0] for line in result.stdout.splitlines() if line]
    assert order == ["08.small.ipynb"] * 3 + ["09.small.ipynb"] * 2  # each of its code cells, and that it is done
    assert "A title" in result.stdout
    first, second = (nbformat.read(tmp_path / name, as_version=4) for name in ("08.small.ipynb", "09.small.ipynb"))
    assert first.cells[1].outputs[0].text == "./x\n"  # no machine paths
    (shown,) = (output.text for output in first.cells[2].outputs)
    assert shown.count("50/50") == 1
    assert "\r" not in shown
    assert len(shown.splitlines()) == 1
    assert second.cells[1].outputs[0].text == "42\n"
    for nb in (first, second):
        facts = nb.metadata["sd_nano"]
        assert facts["code_sha256"] == code_digest(nb)
        assert facts["seconds"] > 0
        assert facts.get("peak_memory_mb", 11) > 10
        assert facts["threads"] >= 1
        assert facts["processor"]
        assert facts["processor_name"]
    assert not list(tmp_path.glob("*.partial*"))
    listed = [line.split("  ")[1] for line in (tmp_path / "assets" / "SHA256SUMS").read_text().splitlines()]
    assert listed == ["assets/a/w.pt", "assets/f.png", "data/sprites.npz"]


@quick
def test_checksums_are_those_of_sha256sum(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "assets").mkdir()
    (tmp_path / "data" / "sprites.npz").write_bytes(b"abc")
    write_sums(tmp_path)
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  data/sprites.npz\n"
    assert (tmp_path / "assets" / "SHA256SUMS").read_text() == known


@pytest.mark.parametrize(
    "source, said",
    [
        ("raise ValueError('one sentence')", "ValueError: one sentence"),
        ("import os\nos._exit(1)", "the kernel died"),
    ],
    ids=["an error", "a dead kernel"],
)
def test_what_had_run_is_kept_beside_the_notebook(source, said, tmp_path):
    path = write(tmp_path / "09.bad.ipynb", "print('kept')", source)
    before = path.read_bytes()
    result = runner(tmp_path, path.name)
    assert result.returncode == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert "What had run is in 09.bad.partial.ipynb" in result.stderr
    assert path.read_bytes() == before
    nb = nbformat.read(tmp_path / "09.bad.partial.ipynb", as_version=4)
    assert len(nb.cells) == 3
    assert nb.cells[1].outputs[0].text == "kept\n"
    assert "sd_nano" not in nb.metadata


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_ctrl_c_keeps_what_had_run(tmp_path):
    path = write(tmp_path / "09.long.ipynb", "print('kept')", "open('begun', 'w').close()\nimport time\ntime.sleep(300)")
    before = path.read_bytes()
    command = [sys.executable, str(ROOT / "tools" / "run_notebooks.py"), path.name]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "begun").exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "09.long.ipynb stopped in cell 3 (A title):\nCtrl-C\nWhat had run is in 09.long.partial.ipynb" in stderr
    assert "Traceback" not in stderr
    assert path.read_bytes() == before
    assert nbformat.read(tmp_path / "09.long.partial.ipynb", as_version=4).cells[1].outputs[0].text == "kept\n"


@pytest.mark.parametrize("module", ["resource", "torch"])
def test_a_run_whose_memory_cannot_be_read_is_a_run(module, tmp_path):
    """Windows has no module `resource`."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / f"{module}.py").write_text(f"raise ImportError('no {module} here')")
    path = write(tmp_path / "09.small.ipynb", "print(6 * 7)")
    result = runner(tmp_path, path.name, PYTHONPATH=str(tmp_path / "path"))
    assert result.returncode == 0, result.stderr
    nb = nbformat.read(path, as_version=4)
    assert nb.cells[1].outputs[0].text == "42\n"
    assert nb.metadata["sd_nano"]["code_sha256"] == code_digest(nb)
    assert "peak_memory_mb" not in nb.metadata["sd_nano"]


# --- outputs ---


@quick
def test_of_a_progress_bar_the_last_state_stays():
    assert last_states("\r  0%|\r 50%|#\r100%|##\nafter\n") == "100%|##\nafter\n"
    assert last_states("\r 40%|\r 50%|     \nStopped\nwindows\r\n") == " 50%|\nStopped\nwindows\n"
    assert last_states("  two  spaces\n\nstay") == "  two  spaces\n\nstay"


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@quick
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


@quick
def test_widgets_do_not_stay_in_the_file(tmp_path):
    widget = nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "VBox()"})
    still = nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(png(np.zeros((2, 2, 3), np.uint8))).decode()})
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("box", outputs=[still, widget])], metadata={"widgets": {}})
    clean_outputs(nb, tmp_path)
    assert nb.cells[0].outputs == [still]
    assert "widgets" not in nb.metadata


# --- make ---

# A Python whose environments have a pip if they have a file of that name, and which says what else it is asked to do.
PYTHON = """#!/bin/sh
case "$*" in
  "-m venv"*) for folder; do :; done
    mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python"; touch "$folder/pyvenv.cfg" "$folder/pip";;
  "-m pip --version") test -f "$(dirname "$0")/../pip" && echo "pip 1.0";;
  *ensurepip*) test ! -f broken;;
  tools/*) echo "$*";;
esac
"""


@pytest.fixture
def clone(tmp_path):
    """A folder with our Makefile, three notebooks and such a Python."""
    if not shutil.which("make") or os.name == "nt":
        pytest.skip("no make")
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "01.a.ipynb", "02.b.ipynb", "02.b.partial.ipynb"):
        (tmp_path / name).touch()
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def make_run(folder):
    command = ["make", "--no-print-directory", "run", "PYTHON=./python"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@quick
def test_make_run_sets_up_once_and_again_where_a_set_up_broke_off(clone):
    first, second = make_run(clone), make_run(clone)
    (clone / ".venv" / "pip").unlink()  # as when the set-up was stopped before pip was there
    third = make_run(clone)
    for result in (first, second, third):
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1] == "tools/run_notebooks.py 01.a.ipynb 02.b.ipynb"
    assert "-m venv  .venv" in first.stdout
    assert "pip install" in first.stdout
    assert "-m venv" not in second.stdout
    assert "pip install" not in second.stdout
    assert "-m venv --clear .venv" in third.stdout
    assert "pip install" in third.stdout


@quick
def test_a_python_without_venv_is_said(clone):
    (clone / "broken").touch()
    result = make_run(clone)
    assert result.returncode != 0
    assert "sudo apt install python3-venv" in result.stdout
    assert not (clone / ".venv").exists()
