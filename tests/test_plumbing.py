"""The folded plumbing cell, the same in all three notebooks: each row of the table of failures, provoked for real.

Every failure is one clear sentence, and nothing is lost or left half-written.
"""

import contextlib
import hashlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import serve
from notebooks import NOTEBOOKS, ROOT, code_cells, definitions
from torch import nn

PATH = "assets/DDPM/best_ddpm.pt"


class Small(nn.Module):
    """A network with a parameter and a buffer, whose width is its architecture."""

    def __init__(self, width: int, value: float = 0.0):
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.register_buffer("table", torch.arange(width))
        nn.init.constant_(self.layer.weight, value)


@pytest.fixture
def nb():
    return definitions(NOTEBOOKS[0])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder, empty: its path has blanks and letters outside ASCII."""
    folder = tmp_path / "späte Bögen 図 1"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def arrays():
    """A data file of 15 sprites of two classes."""
    rng = np.random.RandomState(0)
    return {
        "images": rng.randint(0, 256, (15, 16, 16, 3)).astype(np.uint8),
        "labels": np.array([0, 1] * 7 + [1]).astype(np.uint8),
        "split": (np.arange(15) % 3).astype(np.uint8),
        "captions": np.array([f"{kind} {i}" for i, kind in enumerate(["cat", "dog"] * 7 + ["dog"])]),
        "class_names": np.array(["cat", "dog"]),
    }


def sentence(caught, *parts):
    """What was raised is one sentence that holds these parts, without another error behind it."""
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    for part in parts:
        assert part in message


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- data ---

BROKEN = {
    "images of floats": ("images", lambda a: a.astype(np.float32), "uint8 (15, 16, 16, 3), found float32"),
    "images of another size": ("images", lambda a: a[:, :8], "uint8 (15, 16, 16, 3), found uint8 (15, 8, 16, 3)"),
    "images cut short": ("images", lambda a: a[:5], "uint8 (15, 16, 16, 3), found uint8 (5, 16, 16, 3)"),
    "one colour channel": ("images", lambda a: a[..., 0], "uint8 (15, 16, 16, 3), found uint8 (15, 16, 16)"),
    "no images": ("images", lambda a: None, "uint8 (15, 16, 16, 3), found no such array"),
    "labels of floats": ("labels", lambda a: a.astype(float), "uint8 (15,), found float64"),
    "labels out of range": ("labels", lambda a: a + np.uint8(8), "numbers from 0 to 1, found 9"),
    "labels cut short": ("labels", lambda a: a[:9], "uint8 (15,), found uint8 (9,)"),
    "one-hot labels": ("labels", lambda a: np.eye(2, dtype=np.uint8)[a], "uint8 (15,), found uint8 (15, 2)"),
    "no labels": ("labels", lambda a: None, "uint8 (15,), found no such array"),
    "split out of range": ("split", lambda a: a + np.uint8(2), "numbers from 0 to 2, found 4"),
    "split of text": ("split", lambda a: a.astype(str), "uint8 (15,), found <U3"),
    "split without training": ("split", lambda a: a * 0 + np.uint8(1), "0 for training sprites, found none"),
    "split without test": ("split", lambda a: a * 0, "1 for test sprites, found none"),
    "captions cut short": ("captions", lambda a: a[:3], "text (15,), found <U6 (3,)"),
    "captions of numbers": ("captions", lambda a: np.arange(15), "text (15,), found int64"),
    "class names of numbers": ("class_names", lambda a: np.arange(2), "text (2,), found int64"),
    "class names in two rows": ("class_names", lambda a: np.array([["cat"], ["dog"]]), "text (2,), found <U3 (2, 1)"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_array_is_named_with_what_was_found_and_expected(case, nb, arrays, here):
    name, change, found = BROKEN[case]
    arrays[name] = change(arrays[name])
    np.savez("sprites.npz", **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(ValueError, match="sprites.npz") as caught:
        nb.load_data("sprites.npz")
    sentence(caught, f"the array '{name}' should be {found}")


def test_a_sprite_without_a_caption_has_the_name_of_its_class(nb, arrays, here):
    arrays["captions"][[2, 5]] = ("", "  ")
    np.savez("some.npz", **arrays)
    captions = nb.load_data("some.npz")["captions"]
    assert captions[[1, 2, 5]].tolist() == ["dog 1", "cat", "dog"]
    del arrays["captions"]
    np.savez("none.npz", **arrays)
    assert nb.load_data("none.npz")["captions"].tolist() == ["cat", "dog"] * 7 + ["dog"]
    del arrays["class_names"]
    np.savez("bare.npz", **arrays)
    data = nb.load_data("bare.npz")
    assert data["class_names"].tolist() == ["class 0", "class 1"]
    assert data["captions"].tolist() == ["class 0", "class 1"] * 7 + ["class 1"]


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "code"])
def test_a_damaged_data_file_is_named_and_nothing_in_it_runs(damage, nb, arrays, here):
    if damage == "code":
        arrays["captions"] = np.array([Code()] * 15, dtype=object)
    np.savez_compressed("sprites.npz", **arrays)
    raw = Path("sprites.npz").read_bytes()
    damaged = {"truncated": raw[: len(raw) // 2], "text": b"404: Not Found", "empty": b"", "code": raw}[damage]
    Path("sprites.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match="sprites.npz is damaged") as caught:
        nb.load_data("sprites.npz")
    sentence(caught, "delete it")
    assert files(here) == ["sprites.npz"]


def test_no_flipped_bit_changes_the_data_unnoticed(nb, arrays, here):
    np.savez_compressed("sprites.npz", **arrays)
    raw, noticed = Path("sprites.npz").read_bytes(), 0
    for place in np.r_[60:120, np.linspace(0, len(raw) - 1, 120).astype(int)]:
        flipped = bytearray(raw)
        flipped[place] ^= 1 << place % 8
        Path("sprites.npz").write_bytes(flipped)
        try:
            data = nb.load_data("sprites.npz")
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017
            noticed += 1
        else:  # a date in the archive, for instance
            assert all(np.array_equal(data[name], arrays[name]) for name in ("images", "labels", "split"))
    assert noticed > 140


def test_fingerprint_tells_data_apart(nb, arrays):
    known = nb.fingerprint(arrays)
    assert nb.fingerprint({name: array.copy() for name, array in arrays.items()}) == known
    for name in ("images", "labels", "split"):
        assert nb.fingerprint({**arrays, name: arrays[name][::-1]}) != known, name
    assert nb.fingerprint({**arrays, "captions": np.char.upper(arrays["captions"])}) != known


# --- downloads ---


class Repository(http.server.SimpleHTTPRequestHandler):
    """The folder `served`; the mood of its server says what goes wrong with files whose name ends in `about`."""

    mood, about, served = "good", "", ""

    def __init__(self, *args, **more):
        super().__init__(*args, directory=str(self.served), **more)

    def log_message(self, *args):
        pass

    def do_GET(self):
        file = Path(self.translate_path(self.path))
        if self.mood == "good" or not file.exists() or not self.path.endswith(self.about):
            return super().do_GET()
        if self.mood == "silent":
            time.sleep(3)
            return None
        content = bytearray(file.read_bytes())
        if self.mood == "altered":
            content[len(content) // 2] ^= 1
        if self.mood == "another page":
            content = b"<html>\n<p>Please log in to this network</p>\n</html>\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.mood in ("cut", "stalls") else content)
        self.wfile.flush()
        if self.mood == "stalls":
            time.sleep(3)
        return None


@pytest.fixture
def server(nb, tmp_path, arrays, monkeypatch):
    """A local server with a data file and a weight file, which the notebook takes for the repository."""
    served = tmp_path / "served"
    for name in (nb.DATA, PATH):
        (served / name).parent.mkdir(parents=True)
    np.savez(served / nb.DATA, **arrays)
    torch.save({"weights": torch.zeros(300)}, served / PATH)
    digest = hashlib.sha256((served / PATH).read_bytes()).hexdigest()
    (served / nb.CHECKSUMS).write_text(f"{'0' * 64}  assets/another.pt\n{digest}  {PATH}\n")
    nb.DATA_SHA256 = hashlib.sha256((served / nb.DATA).read_bytes()).hexdigest()
    handler = type("Handler", (Repository,), {"served": served})
    httpd = serve(handler)
    nb.REPO_URL = httpd.url
    real = socket.setdefaulttimeout  # a second instead of the notebook's patience
    monkeypatch.setattr(socket, "setdefaulttimeout", lambda seconds: real(seconds and 1))
    yield handler
    httpd.shutdown()


def test_what_is_missing_is_downloaded_once(nb, server, here):
    assert nb.fetch(nb.DATA, nb.DATA_SHA256) == nb.DATA
    assert nb.fetch_weights(PATH) == PATH
    assert files(here) == [PATH, nb.DATA]
    assert all(Path(name).read_bytes() == (server.served / name).read_bytes() for name in (PATH, nb.DATA))
    nb.REPO_URL = "nowhere"
    assert nb.fetch(nb.DATA, nb.DATA_SHA256) == nb.DATA
    assert nb.fetch_weights(PATH) == PATH
    assert socket.getdefaulttimeout() is None


def test_weights_are_checked_by_the_list_online_not_by_that_of_ones_own_weights(nb, server, here):
    os.makedirs("assets")
    own = f"{'1' * 64}  assets/vae_latent_2d_emb4/best_vae.pt\n"
    Path(nb.CHECKSUMS).write_text(own)
    assert nb.fetch_weights(PATH) == PATH
    assert Path(nb.CHECKSUMS).read_text() == own


def fetch_all(nb):
    """As each notebook does."""
    nb.fetch(nb.DATA, nb.DATA_SHA256)
    nb.fetch_weights(PATH)


@pytest.mark.parametrize("about", ["data/sprites.npz", PATH])
@pytest.mark.parametrize("mood", ["altered", "cut", "another page", "silent", "stalls"])
def test_a_server_at_fault_is_named_and_nothing_is_kept(mood, about, nb, server, here):
    server.mood, server.about = mood, about
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        fetch_all(nb)
    sentence(caught, about)
    if mood in ("altered", "another page"):
        sentence(caught, "altered (checksum error)", "Run this cell again")
    if mood in ("silent", "stalls"):
        sentence(caught, "timed out", "put that file there by hand")
    assert files(here) == ([nb.DATA] if about == PATH else [])
    assert socket.getdefaulttimeout() is None
    server.mood = "good"
    fetch_all(nb)  # the next try succeeds


@pytest.mark.parametrize("mood", ["cut", "another page", "silent"])
def test_a_list_of_checksums_at_fault_lets_nothing_through(mood, nb, server, here):
    server.mood, server.about = mood, nb.CHECKSUMS
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        nb.fetch_weights(PATH)
    sentence(caught, PATH)
    assert files(here) == []
    server.mood = "good"
    assert nb.fetch_weights(PATH) == PATH


@pytest.mark.parametrize("url", ["refused", "not found", "no-address", "http://two words/", "http://[1", ""])
def test_an_address_that_gives_nothing_is_named_with_what_to_do(url, nb, server, here):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # a port where nobody listens
        port = unused.getsockname()[1]
        nb.REPO_URL = {"refused": f"http://127.0.0.1:{port}", "not found": nb.REPO_URL + "/nowhere"}.get(url, url)
        with pytest.raises(FileNotFoundError, match="data/sprites.npz is missing") as caught:
            nb.fetch(nb.DATA, nb.DATA_SHA256)
        sentence(caught, nb.REPO_URL, "put that file there by hand")
        with pytest.raises(FileNotFoundError, match=f"{PATH} is missing") as caught:
            nb.fetch_weights(PATH)
        sentence(caught, "put that file there by hand, or run 01.ddpm.ipynb with TRAIN = True to make it")
    assert files(here) == []


# --- weight files ---


class Code:
    def __reduce__(self):
        return (os.system, ("touch executed",))


def test_weights_come_back_in_half_precision_with_their_facts(nb, here):
    torch.manual_seed(0)
    model = Small(8, 0.1)
    nb.save_model(PATH, model, {"width": 8}, {"mean": torch.ones(4), "history": [1.0, 2.0]}, "data")
    nb.save_model("assets/other.pt", model, {"width": 8}, {}, "data")
    loaded, facts = nb.load_model(PATH, Small, "data")
    assert not loaded.training
    for (name, value), (_, expected) in zip(loaded.named_parameters(), model.named_parameters()):
        assert not value.requires_grad
        assert torch.equal(value.cpu(), expected.half().float()), name
    assert facts["history"] == [1.0, 2.0]
    assert torch.equal(facts["mean"], torch.ones(4))
    listed = nb.read_checksums(Path(nb.CHECKSUMS).read_text())
    assert listed == {name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in (PATH, "assets/other.pt")}


WRONG = ["truncated", "text", "empty", "another width", "another network", "another kind of file", "no data named", "code"]


@pytest.mark.parametrize("damage", WRONG)
def test_a_wrong_weight_file_is_named_with_the_notebook_that_makes_it(damage, nb, here):
    nb.save_model(PATH, Small(8), {"width": 8}, {}, "data")
    raw, saved = Path(PATH).read_bytes(), torch.load(PATH, weights_only=True)
    if damage in ("truncated", "text", "empty"):
        Path(PATH).write_bytes({"truncated": raw[: len(raw) // 2], "text": b"<html>not found</html>", "empty": b""}[damage])
    elif damage == "another network":
        nb.save_model(PATH, nn.Linear(3, 3), {"width": 8}, {}, "data")
    else:
        content = {
            "another width": {**saved, "arch": {"width": 9}},
            "another kind of file": {"state_dict": saved["weights"]},
            "no data named": {name: value for name, value in saved.items() if name != "data_id"},
            "code": {**saved, "more": Code()},
        }
        torch.save(content[damage], PATH)
    with pytest.raises(ValueError, match=f"{PATH} does not hold weights of this network") as caught:
        nb.load_model(PATH, Small, "data")
    sentence(caught, "run 01.ddpm.ipynb with TRAIN = True")
    assert not Path("executed").exists()


def test_weights_trained_on_other_sprites_are_noticed(nb, here):
    for path, maker in (
        (PATH, "01.ddpm.ipynb"),
        ("assets/vae_latent_2d_emb4/best_vae.pt", "02.vae_latent_2d.ipynb"),
        ("assets/LDM_QKV_VAE_4/best_ldm.pt", "03.ldm_nano.ipynb"),
    ):
        nb.save_model(path, Small(8), {"width": 8}, {}, "theirs")
        with pytest.raises(ValueError, match=f"{path} was trained on other sprites") as caught:
            nb.load_model(path, Small, "mine")
        sentence(caught, maker)


# --- saving ---

CHILD = """
import contextlib, hashlib, http.client, os, resource, socket, sys, urllib.request
from pathlib import Path
from typing import Callable, Dict, List, Tuple
import numpy as np
import torch
from torch import nn

DEVICE = torch.device("cpu")
exec(Path(sys.argv[1]).read_text())

def save(value, width=700):
    model = nn.Linear(width, width)
    nn.init.constant_(model.weight, value)
    save_model(PATH, model, {"in_features": width, "out_features": width}, {"value": value}, "data")

"""


@pytest.fixture
def child(tmp_path):
    """Starts a process, without HOME, that has the plumbing and `save(value)`, and runs these lines."""
    plumbing = next(cell.source for cell in code_cells(NOTEBOOKS[0]) if cell.get("id") == "plumbing")
    (tmp_path / "plumbing.py").write_text(plumbing)
    env = {name: value for name, value in os.environ.items() if name != "HOME"}

    def start(lines):
        (tmp_path / "child.py").write_text(CHILD + f"PATH = '{PATH}'\n" + lines)
        command = [sys.executable, str(tmp_path / "child.py"), str(tmp_path / "plumbing.py")]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


def test_a_full_disk_is_named_and_the_last_weights_are_kept(child, nb, here):
    lines = """
save(1.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    save(2.0)
except OSError as error:
    print("said", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
save(3.0, width=8)
"""
    process = child(lines.replace("save(3.0, width=8)", ""))
    shown = process.communicate(timeout=120)[0]
    assert process.returncode == 0, shown
    assert shown.startswith(f"said {PATH} could not be written (is the disk full or read-only?)"), shown
    assert shown.count("\n") == 1
    assert files(here) == [PATH, nb.CHECKSUMS]  # no half-written file is left
    assert nb.load_model(PATH, nn.Linear, "data")[1]["value"] == 1.0


def test_kill_9_while_saving_leaves_whole_weights(child, nb, here):
    process = child("for value in range(1, 10_000):\n    save(float(value))\n    print(value, flush=True)\n")
    for _ in range(5):
        value = int(process.stdout.readline())
    time.sleep(0.004)  # the sixth save is on its way
    os.kill(process.pid, signal.SIGKILL)
    value = int((process.communicate()[0].split() or [value])[-1])
    model, facts = nb.load_model(PATH, nn.Linear, "data")
    assert facts["value"] in (value, value + 1)
    assert (model.weight == facts["value"]).all()
    nb.save_model(PATH, model, {"in_features": 700, "out_features": 700}, {"value": 0.0}, "data")
    assert files(here) == [PATH, nb.CHECKSUMS]  # the next save cleans up
    assert nb.load_model(PATH, nn.Linear, "data")[1]["value"] == 0.0


@pytest.mark.parametrize("where", ["during the save", "before the renaming"])
def test_killed_at_the_worst_moment(where, child, nb, here):
    kill = "os.kill(os.getpid(), 9)"
    lines = {
        "during the save": f"torch.save = lambda saved, path: (open(path, 'wb').write(b'half'), {kill})",
        "before the renaming": f"os.replace = lambda partial, path: {kill}",
    }
    process = child(f"save(1.0)\n{lines[where]}\nsave(2.0)\n")
    shown = process.communicate(timeout=120)[0]
    assert process.returncode == -signal.SIGKILL, shown
    assert nb.load_model(PATH, nn.Linear, "data")[1]["value"] == 1.0


@contextlib.contextmanager
def powerless():
    """Not root: root may write anywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_read_only_folder_is_named(nb, server, here):
    nb.save_model(PATH, Small(8), {"width": 8}, {"value": 1}, "data")
    before = Path(PATH).read_bytes()
    for folder in ("assets/DDPM", "assets", "."):
        os.chmod(folder, 0o555)
    for path in (PATH, "new/best.pt"):
        with powerless(), pytest.raises(OSError, match="could not be written") as caught:
            nb.save_model(path, Small(8), {"width": 8}, {"value": 2}, "data")
        assert str(caught.value).startswith(f"{path} could not be written (is the disk full or read-only?): ")
        assert "\n" not in str(caught.value)
        assert caught.value.__suppress_context__
    with powerless(), pytest.raises(FileNotFoundError, match=r"data/sprites.npz is missing and .* cannot be fetched") as caught:
        nb.fetch(nb.DATA, nb.DATA_SHA256)
    sentence(caught, "Permission denied")
    assert Path(PATH).read_bytes() == before
    assert files(here) == [PATH, nb.CHECKSUMS]


# --- what is committed ---


def test_the_checksum_of_the_data_is_that_of_the_data(nb):
    assert hashlib.sha256((ROOT / nb.DATA).read_bytes()).hexdigest() == nb.DATA_SHA256


def test_the_committed_weights_are_listed_small_finite_and_of_the_committed_data(nb):
    known = nb.read_checksums((ROOT / nb.CHECKSUMS).read_text())
    weights = {str(path.relative_to(ROOT)): path for path in (ROOT / "assets").rglob("*.pt")}
    assert set(known) == set(weights)
    data_id = nb.fingerprint(nb.load_data(str(ROOT / nb.DATA)))
    for name, path in weights.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == known[name], name
        saved = torch.load(path, map_location="cpu", weights_only=True)
        assert saved["data_id"] == data_id, name
        for value in saved["weights"].values():
            assert value.dtype == torch.float16
            assert torch.isfinite(value).all()
