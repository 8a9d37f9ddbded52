"""The folded plumbing cell: each row of the table of failures is one clear sentence, and nothing is lost or half-written."""

import hashlib
import os
import re
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import Quiet, files, run_cells, serve
from notebooks import NOTEBOOKS, ROOT, code_cells
from run_notebooks import write_sums
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
    number = np.arange(15, dtype=np.uint8)
    found = {"palette": number.reshape(5, 3), "labels": number % 2, "split": number % 4, "class_names": np.array(["cat", "dog"])}
    images = np.random.RandomState(0).randint(0, 5, (15, 16, 16)).astype(np.uint8)
    return {**found, "images": images, "captions": np.array(["a cat", "a dog", "a dog"] * 5)}


def sentence(caught, *parts):
    """What was raised is one sentence that holds these parts, without another error behind it."""
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert [part for part in parts if part not in message] == [], message


class Code:
    def __reduce__(self):
        return (os.system, ("touch executed",))


def damage(how, path):
    """Leave half of a file, or put something in its place."""
    content = path.read_bytes()
    other = {"truncated": content[: len(content) // 2], "text": b"<html>404: Not Found</html>", "empty": b""}
    path.write_bytes(other.get(how, content))


BROKEN = [  # the array, what happened to it, what the sentence expects, and what it found
    ("images", lambda a: a.astype(np.float32), "uint8 (15, 16, 16)", "float32 (15, 16, 16)"),
    ("images", lambda a: a[:, :8], "uint8 (15, 16, 16)", "uint8 (15, 8, 16)"),
    ("images", lambda a: a + np.uint8(1), "below 5", "with a 5"),
    ("images", lambda a: a[:0], "uint8", "uint8 (0, 16, 16)"),
    ("palette", lambda a: np.ones((5, 4), np.uint8), "uint8 (5, 3)", "uint8 (5, 4)"),
    ("labels", lambda a: a + np.uint8(1), "below 2", "with a 2"),
    ("labels", lambda a: np.eye(2, dtype=np.uint8)[a], "uint8 (15,)", "uint8 (15, 2)"),
    ("split", lambda a: a + np.uint8(1), "below 4", "with a 4"),
    ("split", lambda a: a.astype(str), "uint8 (15,)", "<U3 (15,)"),
    ("captions", lambda a: a[:3], "<U (15,)", "<U5 (3,)"),
    ("class_names", lambda a: np.arange(2), "<U (2,)", "int64 (2,)"),
    ("class_names", lambda a: np.array("cat"), "<U", "<U3 ()"),
]


@pytest.mark.parametrize("name, change, expected, found", BROKEN, ids=[f"{case[0]}: {case[3]}" for case in BROKEN])
def test_a_broken_array_is_named_with_what_was_found_and_expected(name, change, expected, found, nb, arrays, here):
    np.savez("sprites.npz", **{**arrays, name: change(arrays[name])})
    with pytest.raises(ValueError, match="sprites.npz") as caught:
        nb.read_data("sprites.npz")
    sentence(caught, f"'{name}'", expected)
    assert found in str(caught.value).partition(expected)[2]


@pytest.mark.parametrize("how", ["truncated", "text", "empty", "code"])
def test_a_damaged_data_file_is_named_and_nothing_in_it_runs(how, nb, arrays, here):
    np.savez_compressed("sprites.npz", **arrays)
    data, digest = nb.read_data("sprites.npz")  # as long as it is good
    assert all(np.array_equal(data[name], arrays[name]) for name in arrays)
    assert digest == hashlib.sha256(Path("sprites.npz").read_bytes()).hexdigest()
    if how == "code":
        np.savez("sprites.npz", **{**arrays, "captions": np.array([Code()] * 15, dtype=object)})
    damage(how, Path("sprites.npz"))
    with pytest.raises(ValueError, match="sprites.npz is damaged") as caught:
        nb.read_data("sprites.npz")
    sentence(caught, "delete it")
    assert files(here) == ["sprites.npz"]


class Moody(Quiet):
    """`moods` say, request by request, what goes wrong with files whose name ends in `about`."""

    def do_GET(self):
        self.asked.append(self.path)
        mood = "good"
        if self.path.endswith(self.about):
            mood = self.moods.pop(0) if len(self.moods) > 1 else self.moods[0]
        if mood.isdigit():
            return self.send_error(int(mood))
        if mood == "silent":
            return threading.Event().wait(1)
        content = Path(self.translate_path(self.path)).read_bytes()
        content = content.swapcase() if mood == "altered" else content
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
    write_sums(served)
    handler = type("Handler", (Moody,), {"served": served, "moods": ["good"], "about": "", "asked": [], "pauses": []})
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
    assert all(Path(name).read_bytes() == (server.served / name).read_bytes() for name in (PATH, DATA))
    Path(DATA).write_bytes(b"the reader's own")
    server.asked.clear()
    assert nb.fetch(DATA) == DATA and Path(DATA).read_bytes() == b"the reader's own"
    assert not server.asked and not capsys.readouterr().out


@pytest.mark.parametrize("about", [DATA, PATH, "SHA256SUMS"])
@pytest.mark.parametrize("mood", ["altered", "cut", "silent", "stalls", "404", "429", "503"])
def test_a_server_at_fault_is_named_and_nothing_is_kept(mood, about, nb, server, here):
    server.moods, server.about, wanted = [mood], about, PATH if about == PATH else DATA
    with pytest.raises(OSError, match=f"^{wanted} is missing") as caught:
        nb.fetch(wanted)
    said = {"cut": "", "silent": "timed out", "stalls": "timed out"}.get(mood, mood)
    sentence(caught, nb.REPO, "put it there by hand", said)
    busy = mood in ("429", "503")  # such a server is asked twice more, politely
    assert files(here) == [] and len(server.pauses) == 2 * busy and min(server.pauses, default=1) >= 1
    server.moods = [mood, mood, "good"] if busy else ["good"]
    assert nb.fetch(wanted) == wanted and files(here) == [wanted]  # the next try succeeds


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "no-address", "http://two words", "http://[1", "file:///nowhere", ""])
def test_an_address_that_gives_nothing_is_named_with_what_to_do(url, nb, here):
    nb.REPO = url
    with pytest.raises(OSError, match=f"^{PATH} is missing") as caught:
        nb.load_weights(PATH, network(8), "01.ddpm.ipynb")
    sentence(caught, url, "put it there by hand")
    assert files(here) == []


def network(width):
    return nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width))


@pytest.mark.parametrize("how", "truncated text empty code other-data another-width another-network bare".split())
def test_weights_come_back_in_half_precision_and_a_wrong_file_is_named_with_the_notebook_that_makes_it(how, nb, here):
    net, again = network(8), network(8)
    nb.save_weights(PATH, net, losses=[1.0, 2.0], mean=torch.ones(4))
    facts = nb.load_weights(PATH, again, "01.ddpm.ipynb")
    assert not again.training and files(here) == [PATH]
    assert all(map(torch.equal, again.parameters(), (value.half().float() for value in net.parameters())))
    assert facts["losses"] == [1.0, 2.0] and torch.equal(facts["mean"], torch.ones(4))
    net = {"another-width": network(9), "another-network": nn.Conv2d(3, 3, 1)}.get(how, net)
    nb.save_weights(PATH, net, **({"more": Code()} if how == "code" else {}))
    damage(how, Path(PATH))
    if how == "other-data":
        nb.data_id = "theirs"
    elif how == "bare":
        torch.save(net.state_dict(), PATH)
    with pytest.raises(ValueError, match=f"^{PATH} is") as caught:
        nb.load_weights(PATH, network(8), "01.ddpm.ipynb")
    sentence(caught, "01.ddpm.ipynb")
    assert not Path("executed").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.parametrize("worst", ["a full disk", "killed during the save", "killed before the renaming"])
def test_weights_are_saved_whole_or_not_at_all(worst, nb, here):
    nb.save_weights(PATH, network(99), number=1)
    process = os.fork()
    if not process:  # a child, which comes to harm while it saves
        if worst == "a full disk":
            resource = __import__("resource")
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


def test_checksums_list_all_that_a_lone_notebook_fetches_and_each_names_the_maker_of_weights():
    lines = (ROOT / "assets" / "SHA256SUMS").read_text().splitlines()
    known, wanted = dict(reversed(line.split("  ")) for line in lines), {DATA}
    wanted |= {str(path.relative_to(ROOT)) for path in (ROOT / "assets").rglob("*.pt")}
    for name in NOTEBOOKS:
        code = "\n".join(cell.source for cell in code_cells(name))
        wanted |= {f"assets/{figure}.png" for figure in re.findall(r'show_figure\("([\w-]+)"\)', code)}
        for call in re.findall(r"load_weights\((?!path, net, maker)([^)]*)\)", code):
            assert call.endswith(f'"{NOTEBOOKS[1] if "vae" in call else name}"'), call
    assert wanted <= set(known), "make run writes assets/SHA256SUMS"
    assert [path for path in known if hashlib.sha256((ROOT / path).read_bytes()).hexdigest() != known[path]] == []
