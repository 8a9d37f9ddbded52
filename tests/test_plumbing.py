"""The folded plumbing cell, the same in all three notebooks: each row of the table of failures, provoked for real.

Every failure is one clear sentence, and nothing is lost or left half-written.
"""

import hashlib
import http.server
import os
import re
import resource
import socket
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import run_cells, serve
from notebooks import NOTEBOOKS, ROOT, code_cells
from torch import nn

pytestmark = pytest.mark.quick
DATA, PATH = "data/sprites.npz", "assets/DDPM/best_ddpm.pt"


@pytest.fixture
def nb():
    return run_cells(NOTEBOOKS[0], "imports", "plumbing", data_id="mine")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder, empty: its path has blanks and letters outside ASCII."""
    folder = tmp_path / "späte Bögen 図 1"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def arrays():
    """A data file of 15 sprites of two classes in five colours."""
    return {
        "images": np.random.RandomState(0).randint(0, 5, (15, 16, 16)).astype(np.uint8),
        "palette": np.arange(15, dtype=np.uint8).reshape(5, 3),
        "labels": np.array([0, 1] * 7 + [1]).astype(np.uint8),
        "split": (np.arange(15) % 4).astype(np.uint8),
        "captions": np.array(["a cat", "a dog"] * 7 + ["a dog"]),
        "class_names": np.array(["cat", "dog"]),
    }


def sentence(caught, *parts):
    """What was raised is one sentence that holds these parts, without another error behind it."""
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert [part for part in parts if part not in message] == [], message


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- data ---

BROKEN = {  # the array, what happened to it, what the sentence expects, and what it found
    "images of floats": ("images", lambda a: a.astype(np.float32), "uint8 (15, 16, 16)", "float32 (15, 16, 16)"),
    "images of another size": ("images", lambda a: a[:, :8], "uint8 (15, 16, 16)", "uint8 (15, 8, 16)"),
    "images of colours": ("images", lambda a: np.stack([a] * 3, 3), "uint8 (15, 16, 16)", "uint8 (15, 16, 16, 3)"),
    "a colour outside the palette": ("images", lambda a: a + np.uint8(3), "below 5", "7"),
    "a palette with transparency": ("palette", lambda a: np.ones((5, 4), np.uint8), "uint8 (5, 3)", "uint8 (5, 4)"),
    "a palette of floats": ("palette", lambda a: a / 255, "uint8 (5, 3)", "float64 (5, 3)"),
    "labels of floats": ("labels", lambda a: a.astype(float), "uint8 (15,)", "float64 (15,)"),
    "a class without a name": ("labels", lambda a: a + np.uint8(8), "below 2", "9"),
    "labels cut short": ("labels", lambda a: a[:9], "uint8 (15,)", "uint8 (9,)"),
    "one-hot labels": ("labels", lambda a: np.eye(2, dtype=np.uint8)[a], "uint8 (15,)", "uint8 (15, 2)"),
    "an unknown split": ("split", lambda a: a + np.uint8(2), "below 4", "5"),
    "split of text": ("split", lambda a: a.astype(str), "uint8 (15,)", "<U3 (15,)"),
    "captions cut short": ("captions", lambda a: a[:3], "<U (15,)", "<U5 (3,)"),
    "captions of numbers": ("captions", lambda a: np.arange(15), "<U (15,)", "int64 (15,)"),
    "class names of numbers": ("class_names", lambda a: np.arange(2), "<U (2,)", "int64 (2,)"),
    "class names that are one word": ("class_names", lambda a: np.array("cat"), "<U", "<U3 ()"),
    "no sprites at all": ("images", lambda a: a[:0], "uint8", "uint8 (0, 16, 16)"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_array_is_named_with_what_was_found_and_expected(case, nb, arrays, here):
    name, change, expected, found = BROKEN[case]
    np.savez("sprites.npz", **{**arrays, name: change(arrays[name])})
    with pytest.raises(ValueError, match="sprites.npz") as caught:
        nb.read_data("sprites.npz")
    sentence(caught, f"'{name}'", expected)
    assert found in str(caught.value).partition(expected)[2]


@pytest.mark.parametrize("name", ["images", "palette", "labels", "split", "captions", "class_names"])
def test_a_missing_array_is_named(name, nb, arrays, here):
    np.savez("sprites.npz", **{key: value for key, value in arrays.items() if key != name})
    with pytest.raises(ValueError, match="sprites.npz") as caught:
        nb.read_data("sprites.npz")
    sentence(caught, f"'{name}'")


def test_a_file_of_the_second_edition_is_refused_with_what_is_missing(nb, arrays, here):
    old = {name: array for name, array in arrays.items() if name != "palette"}
    np.savez("sprites.npz", **{**old, "images": arrays["palette"][arrays["images"]]})
    with pytest.raises(ValueError, match="sprites.npz") as caught:
        nb.read_data("sprites.npz")
    sentence(caught, "'palette'")


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "code"])
def test_a_damaged_data_file_is_named_and_nothing_in_it_runs(damage, nb, arrays, here):
    if damage == "code":
        arrays["captions"] = np.array([Code()] * 15, dtype=object)
    np.savez_compressed("sprites.npz", **arrays)
    raw = Path("sprites.npz").read_bytes()
    Path("sprites.npz").write_bytes({"truncated": raw[: len(raw) // 2], "text": b"404: Not Found", "empty": b""}.get(damage, raw))
    with pytest.raises(ValueError, match="sprites.npz is damaged") as caught:
        nb.read_data("sprites.npz")
    sentence(caught, "delete it")
    assert files(here) == ["sprites.npz"]


def test_good_data_comes_back_with_the_digest_of_its_file(nb, arrays, here):
    np.savez("sprites.npz", **arrays)
    data, digest = nb.read_data("sprites.npz")
    assert all(np.array_equal(data[name], arrays[name]) for name in arrays)
    assert digest == hashlib.sha256(Path("sprites.npz").read_bytes()).hexdigest()


# --- downloads ---


class Repository(http.server.SimpleHTTPRequestHandler):
    """The folder `served`; `moods` say, request by request, what goes wrong with files whose name ends in `about`."""

    moods, about, asked = [], "", []

    def __init__(self, *args, **more):
        super().__init__(*args, directory=str(self.served), **more)

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.asked.append(self.path)
        mood = self.moods[0] if self.moods and self.path.endswith(self.about) else "good"
        if len(self.moods) > 1 and self.path.endswith(self.about):
            self.moods.pop(0)
        if mood == "good":
            return super().do_GET()
        if mood.isdigit():
            return self.send_error(int(mood))
        content = Path(self.translate_path(self.path)).read_bytes()
        if mood == "silent":
            return threading.Event().wait(1)
        if mood == "altered":
            content = content[:10] + bytes([content[10] ^ 1]) + content[11:]
        if mood == "another page":
            content = b"<html>\n<p>Please log in to this network</p>\n</html>\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if mood in ("cut", "stalls") else content)
        self.wfile.flush()
        return mood == "stalls" and threading.Event().wait(1)


@pytest.fixture
def server(nb, tmp_path, arrays, monkeypatch):
    """A local server that the notebook takes for the repository; its patience is a third of a second, its pauses none."""
    served = tmp_path / "served"
    for name in (DATA, PATH):
        (served / name).parent.mkdir(parents=True)
    np.savez(served / DATA, **arrays)
    torch.save({"weights": torch.zeros(300)}, served / PATH)
    lines = [f"{hashlib.sha256((served / name).read_bytes()).hexdigest()}  {name}\n" for name in (DATA, PATH)]
    (served / "assets" / "SHA256SUMS").write_text("".join(lines))
    handler = type("Handler", (Repository,), {"served": served, "moods": [], "asked": [], "pauses": []})
    httpd = serve(handler)
    nb.REPO, real = httpd.url, urllib.request.urlopen
    monkeypatch.setattr(nb.urllib.request, "urlopen", lambda url, data, seconds: real(url, data, min(seconds, 0.3)))
    monkeypatch.setattr(nb.time, "sleep", handler.pauses.append)
    yield handler
    httpd.shutdown()


def test_what_is_missing_is_said_downloaded_once_and_never_replaced(nb, server, here, capsys):
    assert [nb.fetch(DATA), nb.fetch(PATH)] == [DATA, PATH]
    said = capsys.readouterr().out
    assert said.count(str(here)) == 2 and "the project's own" in said  # who runs in another folder reads which one it is
    assert files(here) == [PATH, DATA]
    assert all(Path(name).read_bytes() == (server.served / name).read_bytes() for name in (PATH, DATA))
    Path(DATA).write_bytes(b"the reader's own")
    server.moods, server.asked[:] = ["404"], []
    assert nb.fetch(DATA) == DATA
    assert Path(DATA).read_bytes() == b"the reader's own"
    assert not server.asked and not capsys.readouterr().out


@pytest.mark.parametrize("about", [DATA, PATH, "SHA256SUMS"])
@pytest.mark.parametrize("mood", ["altered", "cut", "another page", "silent", "stalls", "404", "503"])
def test_a_server_at_fault_is_named_and_nothing_is_kept(mood, about, nb, server, here):
    server.moods, server.about = [mood], about
    wanted = PATH if about == PATH else DATA
    with pytest.raises(OSError, match=f"^{wanted} is missing") as caught:
        nb.fetch(wanted)
    said = {"altered": "altered", "another page": "altered", "silent": "timed out", "stalls": "timed out"}.get(mood, "")
    sentence(caught, nb.REPO, "put it there by hand", said, mood if mood.isdigit() else "")
    assert files(here) == []
    assert len(server.pauses) == (2 if mood == "503" else 0)
    server.moods = ["good"]
    assert nb.fetch(wanted) == wanted  # the next try succeeds


@pytest.mark.parametrize("busy", ["429", "503"])
def test_a_busy_server_is_asked_twice_more(busy, nb, server, here):
    server.moods, server.about = [busy, busy, "good"], DATA
    assert nb.fetch(DATA) == DATA
    assert files(here) == [DATA]
    assert len(server.pauses) == 2 and min(server.pauses) >= 1


@pytest.mark.parametrize("url", ["refused", "no-address", "http://two words", "http://[1", "file:///nowhere", ""])
def test_an_address_that_gives_nothing_is_named_with_what_to_do(url, nb, here):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # a port where nobody listens
        nb.REPO = f"http://127.0.0.1:{unused.getsockname()[1]}" if url == "refused" else url
        with pytest.raises(OSError, match=f"^{DATA} is missing") as caught:
            nb.fetch(DATA)
    sentence(caught, nb.REPO, "put it there by hand")
    assert files(here) == []


def test_a_disk_that_is_full_during_a_download_is_said(nb, server, here, monkeypatch):
    def half(path, content):
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", half)
        with pytest.raises(OSError, match="No space left") as caught:
            nb.fetch(DATA)
    sentence(caught, DATA)
    assert not os.path.exists(DATA)
    nb.fetch(DATA)
    assert files(here) == [DATA]


# --- weight files ---


class Code:
    def __reduce__(self):
        return (os.system, ("touch executed",))


def network(width, value=0.5):
    """A network with a parameter and a buffer."""
    net = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width))
    nn.init.constant_(net[0].weight, value)
    return net


def test_weights_come_back_in_half_precision_with_their_facts(nb, here):
    net = network(8, 0.1)
    nb.save_weights(PATH, net, losses=[1.0, 2.0], mean=torch.ones(4))
    again = network(8)
    facts = nb.load_weights(PATH, again, "01.ddpm.ipynb")
    assert not again.training and files(here) == [PATH]
    for (name, value), expected in zip(again.named_parameters(), net.parameters()):
        assert value.dtype == torch.float32 and torch.equal(value.cpu(), expected.half().float()), name
    assert facts["losses"] == [1.0, 2.0] and torch.equal(facts["mean"], torch.ones(4))


WRONG = ["truncated", "text", "empty", "code", "of other data", "another width", "another network", "bare", "missing"]


@pytest.mark.parametrize("damage", WRONG)
def test_a_wrong_weight_file_is_named_with_the_notebook_that_makes_it(damage, nb, here):
    nb.save_weights(PATH, network(9 if damage == "another width" else 8))
    raw, saved = Path(PATH).read_bytes(), torch.load(PATH, weights_only=True)
    if damage in ("truncated", "text", "empty"):
        Path(PATH).write_bytes({"truncated": raw[: len(raw) // 2], "text": b"<html>not found</html>", "empty": b""}[damage])
    elif damage == "another network":
        nb.save_weights(PATH, nn.Conv2d(3, 3, 1))
    elif damage == "of other data":
        nb.data_id = "theirs"
    elif damage == "missing":
        Path(PATH).unlink()
        nb.REPO = "file:///nowhere"
    elif damage != "another width":
        torch.save({"bare": saved["weights"], "code": {**saved, "more": Code()}}[damage], PATH)
    with pytest.raises((ValueError, OSError), match=f"^{PATH} is") as caught:
        nb.load_weights(PATH, network(8), "01.ddpm.ipynb")
    sentence(caught, "by hand" if damage == "missing" else "01.ddpm.ipynb")
    assert not Path("executed").exists()


def test_notebooks_name_the_maker_of_their_weights():
    for name in NOTEBOOKS:
        for cell in code_cells(name):
            for call in re.findall(r"load_weights\((?!path, net, maker)([^)]*)\)", cell.source):
                assert call.endswith(f'"{NOTEBOOKS[1] if "vae" in call else name}"'), call


@pytest.mark.parametrize("worst", ["a full disk", "killed during the save", "killed before the renaming"])
def test_weights_are_saved_whole_or_not_at_all(worst, nb, here):
    nb.save_weights(PATH, network(99), number=1)
    process = os.fork()
    if not process:  # a child, which comes to harm while it saves
        if worst == "a full disk":
            resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
        elif worst == "killed during the save":
            torch.save = lambda saved, path: (Path(path).write_bytes(b"half"), os.kill(os.getpid(), 9))
        else:
            os.replace = lambda partial, path: os.kill(os.getpid(), 9)
        try:
            nb.save_weights(PATH, network(99), number=2)
        finally:
            os._exit(1)
    assert os.waitpid(process, 0)[1] == (1 << 8 if worst == "a full disk" else 9)
    assert nb.load_weights(PATH, network(99), "01.ddpm.ipynb")["number"] == 1
    nb.save_weights(PATH, network(99), number=3)
    assert files(here) == [PATH]  # the next save cleans up


# --- what is committed ---


def test_checksums_list_all_that_a_lone_notebook_fetches():
    lines = (ROOT / "assets" / "SHA256SUMS").read_text().splitlines()
    known = dict(reversed(line.split("  ")) for line in lines)
    code = "\n".join(cell.source for name in NOTEBOOKS for cell in code_cells(name))
    wanted = {DATA, *(str(path.relative_to(ROOT)) for path in (ROOT / "assets").rglob("*.pt"))}
    wanted |= {f"assets/{figure}.png" for figure in re.findall(r'show_figure\("([\w-]+)"\)', code)}
    assert wanted - set(known) == set(), "make run writes assets/SHA256SUMS"
    assert [path for path in known if hashlib.sha256((ROOT / path).read_bytes()).hexdigest() != known[path]] == []


def test_the_committed_weights_are_finite_and_of_the_committed_data():
    digest = hashlib.sha256((ROOT / DATA).read_bytes()).hexdigest()
    for path in (ROOT / "assets").glob("*/best_*.pt"):
        saved = torch.load(path, map_location="cpu", weights_only=True)
        assert saved["data"] == digest, path
        assert all(w.dtype == torch.float16 and torch.isfinite(w).all() for w in saved["weights"].values()), path
