"""The notebooks run whole with tiny parameters, alone and offline, and say one clear sentence when something is wrong."""

import http.server
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
import torch
from helpers import interrupted_at
from notebooks import NOTEBOOKS, ROOT, definitions
from run_notebooks import code_digest

TINY = {
    "01": {
        "T": 12,
        "WIDTH": 16,
        "WIDTH_SHORT": 16,
        "EXTRA": 8,
        "STEPS": 12,
        "STEPS_SHORT": 3,
        "CLASSIFIER_STEPS": 5,
        "SAMPLES": 30,
        "SEEDS": 2,
    },
    "02": {"WIDTH": 16, "WIDTH_SHORT": 16, "EXTRA": 8, "STEPS": 12, "STEPS_SHORT": 3, "SAMPLES": 20},
    "03": {
        "T": 24,
        "WIDTH": 16,
        "D_TAU": 16,
        "HEADS": 2,
        "STEPS_CONCAT": 4,
        "STEPS_WIDE": 3,
        "STEPS_QKV": 6,
        "READER_STEPS": 5,
        "SAMPLES": 30,
        "needs": ("assets/vae_latent_2d_emb4/best_vae.pt",),
    },
}
OFFLINE = """
import socket
_connect = socket.socket.connect
def connect(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError("the network is cut off in tests")
    return _connect(self, address)
socket.socket.connect = connect
def getaddrinfo(host, *args, _real=socket.getaddrinfo, **more):
    if host not in ("127.0.0.1", "::1", "localhost", None, ""):
        raise OSError("the network is cut off in tests")
    return _real(host, *args, **more)
socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture(scope="session")
def offline(tmp_path_factory):
    """A folder that, on PYTHONPATH, cuts Python off from every network but this machine's own."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(OFFLINE)
    check = "import urllib.request; urllib.request.urlopen('https://example.com', timeout=5)"
    result = subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True)
    assert b"cut off" in result.stderr
    return folder


@pytest.fixture
def alone(tmp_path, offline, monkeypatch):
    """A folder with the data and the weights of earlier notebooks, but nothing else of the repository; the network is cut off."""
    monkeypatch.setenv("PYTHONPATH", str(offline))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.delenv("SD_NANO_URL", raising=False)
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data" / "sprites.npz", tmp_path / "data")
    return tmp_path


def execute(path, folder, **parameters):
    """Run a notebook in a folder, as papermill does, with these parameters."""
    out = folder / f"out-{path.name}"
    papermill.execute_notebook(
        path, out, parameters=parameters, cwd=folder, progress_bar=False, log_output=False, kernel_name="python3"
    )
    return nbformat.read(out, as_version=4)


def errors_and_stderr(nb):
    return [o for cell in nb.cells for o in cell.get("outputs", []) if o.output_type == "error" or o.get("name") == "stderr"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_runs_whole_with_every_cell_twice_then_without_training(name, alone):
    tiny = TINY[name[:2]]
    for needed in TINY[name[:2]].get("needs", ()):
        (alone / needed).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / needed, alone / needed)
    tiny = {key: value for key, value in tiny.items() if key != "needs"}
    nb = nbformat.read(ROOT / name, as_version=4)
    twice = [
        cell
        for c in nb.cells
        for cell in ([c] if c.cell_type == "markdown" or "parameters" in c.metadata.get("tags", []) else [c, c.copy()])
    ]
    for i, cell in enumerate(twice):
        cell["id"] = f"cell-{i}"
    nbformat.write(nbformat.v4.new_notebook(cells=twice, metadata=nb.metadata), alone / name)
    assert not errors_and_stderr(execute(alone / name, alone, TRAIN=True, **tiny))
    weights = sorted((alone / "assets").rglob("*.pt"))
    assert weights
    before = [file.stat().st_mtime_ns for file in weights]
    nb = execute(ROOT / name, alone, TRAIN=False, **tiny)
    assert not errors_and_stderr(nb)
    assert [file.stat().st_mtime_ns for file in weights] == before  # nothing was trained or written again


def test_tiny_parameters_are_parameters():
    """Papermill would silently add a name that the notebook does not have."""
    for name in NOTEBOOKS:
        missing = [key for key in TINY[name[:2]] if key != "needs" and not hasattr(definitions(name), key)]
        assert not missing, f"{name}: {missing}"


def test_runner_executes_in_place_and_records_the_run(alone):
    cells = [nbformat.v4.new_markdown_cell("# A title\n![p](attachment:p.png)"), nbformat.v4.new_code_cell("print(6 * 7)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), alone / "09.small.ipynb")
    (alone / "assets").mkdir()
    (alone / "assets" / "p.png").write_bytes(b"\x89PNG picture")
    command = [sys.executable, str(ROOT / "tools" / "run_notebooks.py"), "09.small.ipynb"]
    shown = subprocess.run(command, cwd=alone, capture_output=True, text=True, check=True).stdout
    assert "09.small.ipynb" in shown
    assert "A title" in shown
    nb = nbformat.read(alone / "09.small.ipynb", as_version=4)
    assert nb.cells[1].outputs[0].text == "42\n"
    assert "p.png" in nb.cells[0].attachments
    assert nb.metadata["sd_nano"]["code_sha256"] == code_digest(nb)
    assert nb.metadata["sd_nano"]["seconds"] > 0


def test_runner_leaves_the_notebook_alone_when_a_cell_fails(alone):
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("raise ValueError('one sentence')")]), alone / "09.bad.ipynb"
    )
    before = (alone / "09.bad.ipynb").read_bytes()
    command = [sys.executable, str(ROOT / "tools" / "run_notebooks.py"), "09.bad.ipynb"]
    result = subprocess.run(command, cwd=alone, capture_output=True, text=True)
    assert result.returncode != 0
    assert "ValueError: one sentence" in result.stderr
    assert (alone / "09.bad.ipynb").read_bytes() == before


# --- the failure table of the data and the downloads, in every notebook (the functions are the same text) ---


@pytest.fixture(scope="module")
def nb():
    return definitions("01.ddpm.ipynb")


@pytest.fixture
def arrays():
    with np.load(ROOT / "data" / "sprites.npz") as data:
        chosen = np.r_[0:10, len(data["split"]) - 5 : len(data["split"])]
        n = len(data["split"])
        return {name: data[name][chosen] if len(data[name]) == n else data[name] for name in data.files}


BROKEN = {
    "images of floats": ("images", lambda a: a.astype(np.float32), r"'images' should be uint8 \(15, 16, 16, 3\), found float32"),
    "images of another size": ("images", lambda a: a[:, :8], r"'images' should be .*found uint8 \(15, 8, 16, 3\)"),
    "images cut short": ("images", lambda a: a[:5], r"'images' should be .*found uint8 \(5, 16, 16, 3\)"),
    "one colour channel": ("images", lambda a: a[..., 0], r"'images' should be .*found uint8 \(15, 16, 16\)"),
    "labels of floats": ("labels", lambda a: a.astype(float), r"'labels' should be uint8 \(15,\), found float64"),
    "labels out of range": ("labels", lambda a: a + np.uint8(5), r"'labels' should hold 0 to 4, found 9"),
    "labels cut short": ("labels", lambda a: a[:9], r"'labels' should be uint8 \(15,\), found uint8 \(9,\)"),
    "one-hot labels": (
        "labels",
        lambda a: np.eye(5, dtype=np.uint8)[a],
        r"'labels' should be uint8 \(15,\), found uint8 \(15, 5\)",
    ),
    "split out of range": ("split", lambda a: a + np.uint8(2), r"'split' should hold 0 to 2, found 4"),
    "split cut short": ("split", lambda a: a[1:], r"'split' should be uint8 \(15,\), found uint8 \(14,\)"),
    "split of text": ("split", lambda a: a.astype(str), r"'split' should be uint8 \(15,\), found <U3"),
    "captions cut short": ("captions", lambda a: a[:3], r"'captions' should be text \(15,\), found <U\d+ \(3,\)"),
    "captions of numbers": ("captions", lambda a: np.arange(15), r"'captions' should be text \(15,\), found int64"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_arrays_give_one_sentence(case, nb, arrays, tmp_path):
    name, change, sentence = BROKEN[case]
    np.savez(tmp_path / "sprites.npz", **{**arrays, name: change(arrays[name])})
    with pytest.raises(ValueError, match=sentence) as caught:
        nb.load_data(str(tmp_path / "sprites.npz"))
    assert str(caught.value).count("\n") == 0
    assert caught.value.__context__ is None  # nothing but the sentence


@pytest.mark.parametrize("name", ["images", "labels", "split"])
def test_a_missing_array_is_named(name, nb, arrays, tmp_path):
    arrays.pop(name)
    np.savez(tmp_path / "sprites.npz", **arrays)
    with pytest.raises(ValueError, match=f"'{name}' should be .*found no such array"):
        nb.load_data(str(tmp_path / "sprites.npz"))


def test_without_captions_the_class_name_is_the_caption(nb, arrays, tmp_path):
    arrays.pop("captions")
    np.savez(tmp_path / "sprites.npz", **arrays)
    data = nb.load_data(str(tmp_path / "sprites.npz"))
    names = [data["class_names"][label] for label in data["labels"]]
    assert data["captions"].tolist() == names


def test_a_pickle_in_the_data_is_never_executed(nb, arrays, tmp_path):
    arrays["captions"] = arrays["captions"].astype(object)
    np.savez(tmp_path / "sprites.npz", **arrays)
    with pytest.raises(ValueError, match="damaged"):
        nb.load_data(str(tmp_path / "sprites.npz"))


@pytest.mark.parametrize("damage", ["truncated", "byte flipped", "text", "empty"])
def test_a_damaged_data_file_is_named(damage, nb, tmp_path):
    raw = bytearray((ROOT / "data" / "sprites.npz").read_bytes())
    middle = len(raw) // 2
    raw[middle] ^= 0xFF
    content = {"truncated": bytes(raw[:middle]), "byte flipped": bytes(raw), "text": b"404: Not Found", "empty": b""}[damage]
    (tmp_path / "sprites.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"sprites\.npz is damaged") as caught:
        nb.load_data(str(tmp_path / "sprites.npz"))
    assert caught.value.__suppress_context__


@pytest.fixture
def server(tmp_path):
    """The repository on a local web server; `served` is its folder."""
    served = tmp_path / "served"
    (served / "data").mkdir(parents=True)
    shutil.copy(ROOT / "data" / "sprites.npz", served / "data")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **more):
            super().__init__(*args, directory=str(served), **more)

        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield served, f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()


def test_data_is_downloaded_where_it_is_missing(nb, server, tmp_path, monkeypatch):
    served, nb.REPO_URL = server
    monkeypatch.chdir(tmp_path)
    assert nb.fetch("data/sprites.npz", nb.DATA_SHA256) == "data/sprites.npz"
    assert (tmp_path / "data" / "sprites.npz").read_bytes() == (ROOT / "data" / "sprites.npz").read_bytes()


@pytest.mark.parametrize("damage", ["cut short", "altered"])
def test_a_damaged_download_is_named_and_not_kept(damage, nb, server, tmp_path, monkeypatch):
    served, nb.REPO_URL = server
    raw = bytearray((served / "data" / "sprites.npz").read_bytes())
    raw[1000] ^= 1
    (served / "data" / "sprites.npz").write_bytes(bytes(raw) if damage == "altered" else bytes(raw[:5000]))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"data/sprites\.npz .*checksum error") as caught:
        nb.fetch("data/sprites.npz", nb.DATA_SHA256)
    assert caught.value.__suppress_context__
    assert list((tmp_path / "data").iterdir()) == []


def test_an_unreachable_file_is_named_with_what_to_do(nb, server, tmp_path, monkeypatch):
    served, url = server
    monkeypatch.chdir(tmp_path)
    for nb.REPO_URL in (url + "/nowhere", "http://127.0.0.1:9", "no-address"):
        with pytest.raises(
            FileNotFoundError, match=r"data/sprites\.npz is missing and .* cannot be reached: put that file there"
        ) as caught:
            nb.fetch("data/sprites.npz", nb.DATA_SHA256)
        assert caught.value.__suppress_context__
        assert not list((tmp_path / "data").iterdir())


def test_the_checksum_of_the_data_is_that_of_the_data():
    import hashlib

    digest = hashlib.sha256((ROOT / "data" / "sprites.npz").read_bytes()).hexdigest()
    for name in NOTEBOOKS:
        assert digest == definitions(name).DATA_SHA256


def test_checksums_of_the_weights_are_current():
    import hashlib

    known = definitions("01.ddpm.ipynb").read_checksums(str(ROOT / "assets" / "SHA256SUMS"))
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "assets").rglob("*.pt")}
    assert set(known) == files
    for path, digest in known.items():
        assert hashlib.sha256((ROOT / path).read_bytes()).hexdigest() == digest, path


# --- weights of 01 ---


class Evil:
    def __reduce__(self):
        return (os.system, ("touch executed",))


@pytest.mark.parametrize("damage", ["truncated", "text", "another architecture", "a foreign dictionary", "code"])
def test_a_wrong_weight_file_is_named_with_the_notebook_that_makes_it(damage, nb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "best_ddpm.pt"
    raw = (ROOT / "assets" / "DDPM" / "best_ddpm.pt").read_bytes()
    if damage in ("truncated", "text"):
        path.write_bytes(raw[:2000] if damage == "truncated" else b"<html>not found</html>")
    elif damage == "another architecture":
        saved = torch.load(ROOT / "assets" / "DDPM" / "best_ddpm.pt", weights_only=True)
        torch.save({**saved, "arch": {**saved["arch"], "width": 8}}, path)
    else:
        torch.save({"weights": Evil()} if damage == "code" else {"state_dict": {}}, path)
    with pytest.raises(
        ValueError, match=r"best_ddpm\.pt does not hold weights of .*run 01\.ddpm\.ipynb with TRAIN = True"
    ) as caught:
        nb.load_model(str(path), nb.make_ddpm)
    assert caught.value.__suppress_context__
    assert not (tmp_path / "executed").exists()


@pytest.fixture
def small(nb, tmp_path, monkeypatch):
    """Notebook 01 in a temporary folder, with a schedule, a handful of sprites, and a short way to train on them."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    nb.alpha_bar = nb.to_alpha_bar(nb.cosine_beta(20))
    sprites_and_labels = (torch.rand(40, 3, 16, 16) * 2 - 1, torch.arange(40) % 5)
    arch = {"width": 16, "classes": 5}
    nb.train_small = lambda steps: nb.trained(
        "assets/DDPM/x.pt", nb.UNet, arch, nb.p_losses, steps, (sprites_and_labels, sprites_and_labels), nb.alpha_bar
    )
    nb.save_small = lambda history: nb.save_model("assets/DDPM/x.pt", nb.UNet(**arch), arch, history)
    return nb


def test_a_stopped_training_keeps_what_was_learnt(small, monkeypatch, capsys):
    monkeypatch.setattr(small, "update_ema", interrupted_at(7, small.update_ema))
    _, history = small.train_small(1000)
    assert "Stopped" in capsys.readouterr().out
    assert 6 <= len(history["train"]) <= 7
    assert Path("assets/DDPM/x.pt").exists()


def test_a_killed_save_leaves_the_last_weights_whole(small, monkeypatch):
    small.save_small({"train": [1.0]})
    before = Path("assets/DDPM/x.pt").read_bytes()

    def killed(*args):
        raise SystemExit("killed half way")

    real_save = torch.save
    monkeypatch.setattr(torch, "save", lambda thing, path: (real_save({"half": 1}, path), killed()))
    with pytest.raises(SystemExit):
        small.save_small({"train": [2.0]})
    assert Path("assets/DDPM/x.pt").read_bytes() == before
    assert small.load_model("assets/DDPM/x.pt", small.UNet)[1]["train"] == [1.0]


def test_weights_are_small_floats_without_surprises():
    for path in (ROOT / "assets" / "DDPM").glob("*.pt"):
        saved = torch.load(path, map_location="cpu", weights_only=True)
        assert {value.dtype for value in saved["weights"].values()} == {torch.float16}
        assert all(torch.isfinite(value).all() for value in saved["weights"].values())
