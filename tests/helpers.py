"""What several test files share: notebooks run with tiny parameters, away from the repository and from the network."""

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Callable, Dict, List, Optional

import nbformat
import numpy as np
import torch
from nbclient import NotebookClient

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
    },
}

# Imported by every Python that runs with its folder on PYTHONPATH: no network but this machine's own, and who tries is noted.
OFFLINE = """
import os, socket
def refuse(address):
    if isinstance(address, (str, bytes)) or address[0] in ("127.0.0.1", "::1", "localhost", None, ""):
        return
    with open(os.path.join(os.path.dirname(__file__), "tried"), "a") as file:
        file.write(f"{address}\\n")
    raise OSError("the network is cut off in tests")
def connect(self, address, _real=socket.socket.connect):
    refuse(address)
    return _real(self, address)
def getaddrinfo(host, *args, _real=socket.getaddrinfo, **more):
    refuse((host,))
    return _real(host, *args, **more)
socket.socket.connect, socket.getaddrinfo = connect, getaddrinfo
"""

# Runs in the kernel between the cells of a notebook, see `thrice`.
PROBE = '''
import hashlib, pathlib, torch
calls, stop_at, before, trained = 0, None, {}, set()

def weights():
    """Digest of the parameters (not of the times) in every weight file."""
    found = {}
    for path in sorted(pathlib.Path("assets").rglob("*.pt")):
        saved = torch.load(path, map_location="cpu", weights_only=True)["weights"]
        content = b"".join(value.numpy().tobytes() for _, value in sorted(saved.items()))
        found[str(path)] = hashlib.sha256(content).hexdigest(), path.stat().st_mtime_ns
    return found

def watch(names):
    """Count the training steps from here on; every training loop calls update_ema once a step."""
    global calls, stop_at
    calls, stop_at = 0, None
    real = names.get("update_ema")
    if real and not hasattr(real, "watched"):
        def update_ema(*args):
            global calls
            calls += 1
            if calls == stop_at:
                raise KeyboardInterrupt
            return real(*args)
        update_ema.watched = True
        names["update_ema"] = update_ema

def after_first(names):
    global before
    before = weights()
    watch(names)

def after_second(names, source):
    """The same weights again; then a training is stopped, as a user does, and the notebook goes on with what is left."""
    global stop_at
    now = weights()
    for path, (digest, written) in now.items():
        if path in before and before[path][1] != written:
            trained.add(path)
            assert digest == before[path][0], f"{path} is different when its cell is run again"
    if calls:
        watch(names)
        stop_at = 3
        get_ipython().run_cell(source).raise_error()
        assert calls >= 3
    watch(names)
'''


def interrupted_at(call: int, function: Callable) -> Callable:
    """The function, but its call of this number stops as a user does who presses the stop button."""
    calls = []

    def wrapped(*args):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return function(*args)

    return wrapped


def share_new(images: np.ndarray, train: np.ndarray, tolerance: int = 24) -> float:
    """Share of sprites that no training sprite matches to within `tolerance` levels at every pixel."""
    a, b = (torch.from_numpy(x.reshape(len(x), -1).astype(np.float32)) for x in (images, train))
    new = 0
    for part in a.split(100):
        distance = part.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * part @ b.T  # (100, N)
        for row, image in zip(distance, part):
            near = b[row <= image.numel() * tolerance**2 + 1000]  # a match cannot be further away
            new += not bool(((near - image).abs().amax(1) <= tolerance).any())
    return new / len(images)


def thrice(nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with every code cell twice, and each cell that trains a third time, stopped at its third step.

    Cells that were `name` are now `name-1` and `name-2`; between them the probe looks at the weights.
    """
    cells = []

    def add(source: str, name: str) -> None:
        cells.append(nbformat.v4.new_code_cell(source, id=name))

    for cell in nb.cells:
        if cell.cell_type != "code" or "parameters" in cell.metadata.get("tags", []):
            cells.append(cell)
            continue
        add(cell.source, f"{cell.id}-1")
        add("__import__('probe').after_first(globals())", f"probe{len(cells)}")
        add(cell.source, f"{cell.id}-2")
        add(f"__import__('probe').after_second(globals(), {cell.source!r})", f"probe{len(cells)}")
    add("print(*sorted(__import__('probe').trained))", "trained")
    return nbformat.v4.new_notebook(cells=cells, metadata=nb.metadata)


def execute(nb: nbformat.NotebookNode, folder: Path, env: Optional[Dict[str, str]] = None, **parameters) -> nbformat.NotebookNode:
    """Run a notebook in a folder with these parameters, which replace those of its cell of parameters."""
    index = next(i for i, cell in enumerate(nb.cells) if "parameters" in cell.metadata.get("tags", []))
    lines = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    given = nbformat.v4.new_code_cell(lines, id="given")
    ready = nbformat.v4.new_notebook(cells=nb.cells[: index + 1] + [given] + nb.cells[index + 1 :], metadata=nb.metadata)
    client = NotebookClient(
        ready,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,  # one print can arrive as several messages
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=env or dict(os.environ))
    return ready


def errors_and_stderr(nb: nbformat.NotebookNode) -> List[nbformat.NotebookNode]:
    """The outputs that no notebook should have."""
    return [o for cell in nb.cells for o in cell.get("outputs", []) if o.output_type == "error" or o.get("name") == "stderr"]


def pictures(nb: nbformat.NotebookNode, suffix: str = "") -> Dict[str, List[str]]:
    """The PNGs of every cell, as digests, by the id of the cell without this suffix."""
    found = {}
    for cell in nb.cells:
        if cell.cell_type == "code" and cell.id.endswith(suffix):
            data = [output.get("data", {}).get("image/png", "") for output in cell.outputs]
            name = cell.id[: len(cell.id) - len(suffix)]
            found[name] = [hashlib.sha256(picture.encode()).hexdigest() for picture in data if picture]
    return found


def tells_time(cell: nbformat.NotebookNode) -> bool:
    """The cell shows seconds, which never come twice."""
    return any(word in cell.source for word in ("second", "time.", "race("))


def serve(handler: type) -> http.server.ThreadingHTTPServer:
    """A web server on a local port, in a thread; its `url` says where."""
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    httpd.daemon_threads = True
    httpd.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    return httpd


def cut_off(folder: Path) -> Path:
    """A folder to put on PYTHONPATH: cuts Python off from every network but this machine's own; has the probe."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(OFFLINE)
    (folder / "probe.py").write_text(PROBE)
    check = "import urllib.request; urllib.request.urlopen('https://example.com', timeout=5)"
    result = subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True)
    assert b"cut off" in result.stderr
    (folder / "tried").unlink()
    return folder
