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
from notebooks import NOTEBOOKS, ROOT, opened
from packaging.requirements import Requirement
from PIL import Image
from run_notebooks import clean_outputs, code_digest, packed

quick = pytest.mark.quick


def write(path, *sources):
    """A notebook of these code cells under a title, each with an output of an earlier run."""
    old = [nbformat.v4.new_output("stream", text="old")]
    cells = [nbformat.v4.new_code_cell(source, outputs=old, execution_count=7) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A title"), *cells]), path)
    return path


@quick
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_opened_has_what_functions_read_and_trains_nothing(name, capsys):
    here = os.getcwd()
    cells = {"cells": ["data-code", "encode-all", "tokenize"]} if name.startswith("03") else {}
    nb = opened(name, **cells)  # without the autoencoder, whose weights may be of another day
    assert (os.getcwd(), capsys.readouterr().out) == (here, "")
    with np.load(ROOT / "data" / "sprites.npz") as data:
        real = data["palette"][data["images"][data["split"] == 0][:3]]
    drawn = ((nb.to_sprites(nb.index_train[:3]) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    assert np.array_equal(drawn.numpy(), real)
    assert name.startswith("02") or nb.alpha_bar.shape == (nb.T + 1,)
    assert not hasattr(nb, "z_train") and not hasattr(nb, "net")
    assert [key for key in TINY[name[:2]] if not hasattr(nb, key)] == []  # or tests would add a name that it does not have


def runner(folder, *names, **env):
    command = [sys.executable, str(ROOT / "tools" / "run_notebooks.py"), *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **env})


def test_runner_executes_in_place_in_order_and_records_the_run(tmp_path):
    bar = "import sys\nfrom tqdm import tqdm\nfor _ in tqdm(range(50), file=sys.stdout, mininterval=0, miniters=1):\n    pass"
    odd = "display({'image/png': 'A' * 40_000}, raw=True)\nprint('x' * 300_000)"  # no picture, and a line to be slow with
    paths = [write(tmp_path / "08.small.ipynb", "import os\nprint(os.getcwd() + '/x')", bar, odd)]
    paths.append(write(tmp_path / "09.small.ipynb", "print(6 * 7)"))
    (tmp_path / "08.small.partial.ipynb").write_text("of an earlier run that broke off")
    for path in ("data/sprites.npz", "assets/a/w.pt", "assets/f.png", "assets/f.svg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    result = runner(tmp_path, "08.small.ipynb", "09.small.ipynb")
    assert (result.returncode, result.stderr) == (0, "")  # neither warnings of the kernel nor bars
    order = [line.split()[0] for line in result.stdout.splitlines() if line]
    assert order == ["08.small.ipynb"] * 4 + ["09.small.ipynb"] * 2  # each of its code cells, and that it is done
    first, second = (nbformat.read(path, as_version=4) for path in paths)
    assert first.cells[1].outputs[0].text == "./x\n"  # no machine paths
    (bar,) = (output.text for output in first.cells[2].outputs)
    assert len(first.cells[3].outputs) == 2 and first.metadata["sd_nano"]["seconds"] < 25
    assert bar.count("50/50") == 1 and "\r" not in bar and len(bar.splitlines()) == 1
    for nb in (first, second):
        facts = nb.metadata["sd_nano"]
        assert facts["code_sha256"] == code_digest(nb)
        assert all(facts[fact] for fact in ("seconds", "threads", "processor", "processor_name"))
        assert facts.get("peak_memory_mb", 11) > 10
    assert not list(tmp_path.glob("*.partial*"))
    listed = [line.split("  ")[1] for line in (tmp_path / "assets" / "SHA256SUMS").read_text().splitlines()]
    assert listed == ["assets/a/w.pt", "assets/f.png", "data/sprites.npz"]


STOPS = {"raise ValueError('one sentence')": "ValueError: one sentence", "import os\nos._exit(1)": "the kernel died"}
if sys.platform != "win32":
    SLEEP = "open('begun', 'w').close()\nimport time\ntime.sleep(300)"
    STOPS.update({SLEEP: "09.bad.ipynb stopped in cell 3 (A title):\nCtrl-C", SLEEP + "\n": "cell 3 (A title):\nSIGTERM"})


@pytest.mark.parametrize("source, said", STOPS.items(), ids=["an error", "a dead kernel", "Ctrl-C", "SIGTERM"][: len(STOPS)])
def test_what_had_run_is_kept_beside_the_notebook(source, said, tmp_path):
    path = write(tmp_path / "09.bad.ipynb", "print('kept')", source, "'never run'")
    before, command = path.read_bytes(), [sys.executable, str(ROOT / "tools" / "run_notebooks.py"), path.name]
    pipes = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    for seconds in (0.2, 1.2, 1.6, 2.4) if "Ctrl-C" in said else ():  # while it starts, and twice
        process = subprocess.Popen(command, **pipes)
        for wait in (seconds, 0.1):
            time.sleep(wait)
            process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate(timeout=60)[1] and process.returncode
        (tmp_path / "begun").unlink(missing_ok=True)
    process = subprocess.Popen(command, **pipes)
    while not (tmp_path / "begun").exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM if "SIGTERM" in said else signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, said in stderr, "Traceback" in stderr) == (1, True, False), stderr
    assert "What had run is in 09.bad.partial.ipynb" in stderr and path.read_bytes() == before
    nb = nbformat.read(tmp_path / "09.bad.partial.ipynb", as_version=4)
    assert nb.cells[1].outputs[0].text == "kept\n" and len(nb.cells) == 4 and "sd_nano" not in nb.metadata
    assert nb.cells[3].outputs == []  # not of the earlier run


@pytest.mark.parametrize("content", [None, "[]", "{}", "not JSON", "{"])
def test_what_is_no_notebook_is_said_in_one_sentence(content, tmp_path):
    None if content is None else (tmp_path / "09.bad.ipynb").write_text(content)
    result = runner(tmp_path, "09.bad.ipynb")
    assert "09.bad.ipynb cannot be read as a notebook: " in result.stderr and result.stderr.count("\n") == result.returncode == 1


@pytest.mark.parametrize("module", ["resource", "torch"])
def test_a_run_whose_memory_cannot_be_read_is_a_run(module, tmp_path):
    """Windows has no module `resource`."""
    unless = "import sys\nif 'ptyprocess' not in sys.modules:"  # which imports it in old releases of IPython for Linux
    (tmp_path / f"{module}.py").write_text(f"{unless}\n    raise ImportError('no {module} here')")
    path = write(tmp_path / "09.small.ipynb", "print(6 * 7)")
    result = runner(tmp_path, path.name, PYTHONPATH=str(tmp_path))
    assert result.returncode == 0, result.stderr
    nb = nbformat.read(path, as_version=4)
    assert nb.cells[1].outputs[0].text == "42\n"
    assert nb.metadata["sd_nano"]["code_sha256"] == code_digest(nb) and "peak_memory_mb" not in nb.metadata["sd_nano"]


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@quick
def test_pictures_are_packed_only_where_nobody_sees_it_and_widgets_do_not_stay(tmp_path):
    y, x = np.mgrid[:200, :300]
    curve = np.stack([np.exp(-((y - 100 - 50 * np.sin(x / 40)) ** 2) / 4) * 255] * 3, 2).astype(np.uint8)
    curve[:, :40] = np.stack([x, y, x + y], 2)[:, :40] // 2 * 2
    small = packed(png(curve))
    assert len(small) < 0.8 * len(png(curve))
    assert np.abs(np.asarray(Image.open(io.BytesIO(small)).convert("RGB")).astype(int) - curve).mean() < 2
    noise = png(np.random.RandomState(0).randint(0, 256, (200, 300, 3)).astype(np.uint8))
    assert packed(noise) == noise
    widget = nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "VBox()"})
    still = nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(noise).decode()})
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("box", outputs=[still, widget])], metadata={"widgets": {}})
    clean_outputs(nb, tmp_path)
    assert nb.cells[0].outputs == [still] and "widgets" not in nb.metadata


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


@quick
@pytest.mark.skipif(not shutil.which("make") or os.name == "nt", reason="no make")
def test_make_run_sets_up_once_and_again_where_a_set_up_broke_off_or_says_what_is_missing(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "01.a.ipynb", "02.b.ipynb", "02.b.partial.ipynb", "broken"):
        (tmp_path / name).touch()
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)

    def make_run():
        command = ["make", "--no-print-directory", "run", "PYTHON=./python"]  # this test is run by make itself
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert "sudo apt install python3-venv" in make_run().stdout and not (tmp_path / ".venv").exists()
    (tmp_path / "broken").unlink()
    first, second = make_run(), make_run()
    (tmp_path / ".venv" / "pip").unlink()  # as when the set-up was stopped before pip was there
    for result, venv in ((first, "-m venv  .venv"), (second, ""), (make_run(), "-m venv --clear .venv")):
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1] == "tools/run_notebooks.py 01.a.ipynb 02.b.ipynb"
        assert venv in result.stdout and ("-m venv" in result.stdout) == ("pip install" in result.stdout) == bool(venv)
    windows = subprocess.run(["make", "-n", "run", "OS=Windows_NT"], cwd=tmp_path, capture_output=True, text=True)
    assert ".venv/Scripts/python tools/run_notebooks.py 01.a.ipynb" in windows.stdout


ELSEWHERE = """import platform, sys
platform.system, platform.machine, sys.version_info = lambda: "Darwin", lambda: "{}", {}
sys.modules["ensurepip"] = None
"""
PYTHONS = [("x86_64", (3, 7, 9), "Python 3.8 or newer is needed"), ("x86_64", (3, 12, 1), "install its venv")]
PYTHONS += [("x86_64", (3, 13, 0), "needs Python 3.8 to 3.12: make run PYTHON="), ("arm64", (3, 13, 0), "install its venv")]


@quick
@pytest.mark.skipif(not shutil.which("make") or os.name == "nt", reason="no make")
@pytest.mark.parametrize("machine, version, said", PYTHONS)
def test_make_says_in_one_sentence_which_python_a_mac_needs(machine, version, said, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(ELSEWHERE.format(machine, version))
    command = ["make", "--no-print-directory", "-C", ROOT, f"{tmp_path}/none/pyvenv.cfg", f"VENV={tmp_path}/none"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run([*command, f"PYTHON={sys.executable}"], capture_output=True, text=True, env=env)
    (sentence,) = (line for line in (result.stdout + result.stderr).splitlines() if not line.startswith("make"))
    assert result.returncode and said in sentence


@quick
@pytest.mark.parametrize("system", ["Darwin", "Linux"])
def test_requirements_allow_what_pip_finds_on_a_mac_with_an_intel_processor(system):
    """PyTorch stopped at 2.2 there, which knows no numpy 2; everywhere else numpy 2 may come."""
    asked = [Requirement(line.partition("#")[0]) for line in (ROOT / "requirements.txt").read_text().splitlines()[1:]]
    place = {"platform_system": system, "platform_machine": "x86_64"}
    asked = [(r.name, r.specifier) for r in asked if not r.marker or r.marker.evaluate(place)]
    for name, version in (("torch", "2.2.2"), ("numpy", "1.26.4"), ("numpy", "2.4.6")):
        fits = all(allowed.contains(version) for other, allowed in asked if other == name)
        assert fits == (system == "Linux" or version != "2.4.6")
