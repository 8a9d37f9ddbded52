"""What several test files share: notebooks run with tiny parameters, away from the repository and from the network."""

import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import types

import nbformat
import numpy as np
import torch
from nbclient import NotebookClient
from notebooks import NOTEBOOKS, ROOT, code_cells, read

TINY = {
    "01": {"T": 30, "WIDTH": 16, "BATCH": 8, "STEPS_SHORT": 40, "STEPS": 45},
    "02": {"WIDTH": 16, "BATCH": 8, "STEPS_SHORT": 40, "STEPS": 45},
    "03": {"T": 30, "WIDTH": 16, "WIDTH_VAE": 16, "D_TAU": 16, "HEADS": 2, "BATCH": 8, "STEPS": 45, "STEPS_READER": 40},
}
VAE_PATH = "assets/vae_latent_2d_emb4/best_vae.pt"

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

# Runs in the kernel between the cells of a notebook, see `thrice`; counts the training steps.
PROBE = '''
import hashlib, pathlib, torch
from torch.optim.optimizer import register_optimizer_step_pre_hook
calls, stop_at, before, trained = 0, None, {}, set()

def count(*_):
    global calls
    calls += 1
    if calls == stop_at:
        raise KeyboardInterrupt

register_optimizer_step_pre_hook(count)

def weights():
    """Digest of the parameters (not of the times) in every weight file."""
    found = {}
    for path in sorted(pathlib.Path("assets").rglob("*.pt")):
        saved = torch.load(path, map_location="cpu", weights_only=True)["weights"]
        content = b"".join(value.numpy().tobytes() for _, value in sorted(saved.items()))
        found[str(path)] = hashlib.sha256(content).hexdigest(), path.stat().st_mtime_ns
    return found

def after_first():
    global before, calls
    before, calls = weights(), 0

def after_second(source):
    """The same weights again; then a training is stopped in its first step, and the notebook goes on with what is left."""
    global calls, stop_at
    for path, (digest, written) in weights().items():
        if path in before and before[path][1] != written:
            trained.add(path)
            assert digest == before[path][0], f"{path} is different when its cell is run again"
    if calls:
        calls, stop_at = 0, 1
        get_ipython().run_cell(source).raise_error()
        stop_at = None
'''


def run_cells(name, *ids, **given):
    """A module in which the cells of a notebook with these ids were executed, in order, on top of what is given."""
    module = types.ModuleType(name)
    module.__dict__.update(given)
    cells = [cell for cell in code_cells(name) if cell.id in ids]
    assert len(cells) == len(ids), f"{name} lacks a cell of {ids}"
    for cell in cells:
        exec(compile(cell.source, f"{name} {cell.id}", "exec"), module.__dict__)
    return module


def lay_out(folder):
    """A working folder as a clone has it, but with an eighth of the sprites and without weights."""
    (folder / "data").mkdir(parents=True)
    shutil.copytree(ROOT / "assets", folder / "assets", ignore=shutil.ignore_patterns("*.pt", "*.svg", "*.gif"))
    with np.load(ROOT / "data" / "sprites.npz") as file:
        every = {name: 1 if name in ("palette", "class_names") else 8 for name in file.files}
        np.savez(folder / "data" / "sprites.npz", **{name: file[name][::step] for name, step in every.items()})
    return folder


def save_vae(folder):
    """A tiny autoencoder for notebook 03, untrained, in place of what notebook 02 leaves."""
    nb = run_cells(NOTEBOOKS[1], "imports", "plumbing")
    data, nb.data_id = nb.read_data(str(folder / "data" / "sprites.npz"))
    more = run_cells(NOTEBOOKS[1], "vae", K=len(data["palette"]), nn=nb.nn)
    torch.manual_seed(0)
    net = more.VAE(TINY["02"]["WIDTH"])
    nb.save_weights(str(folder / VAE_PATH), net, mean=torch.zeros(4), std=torch.full((4,), 0.1))


def solutions(name):
    """The solutions of the exercises of a notebook: the Python in its folded parts."""
    text = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    folded = "\n".join(re.findall(r"<details>.*?</details>", text, re.S))
    return re.findall(r"```python\n(.*?)```", folded, re.S)


def thrice(nb, more=()):
    """The notebook with every code cell twice, and each cell that trains a third time, stopped at its first step.

    Cells that were `name` are now `name-1` and `name-2`; between them the probe looks at the weights. `more` are sources
    of further cells at the end, which may fail.
    """
    cells = []

    def add(source, name, **metadata):
        cells.append(nbformat.v4.new_code_cell(source, id=name, metadata=metadata))

    for cell in nb.cells:
        if cell.cell_type != "code" or "parameters" in cell.metadata.get("tags", []):
            cells.append(cell)
            continue
        add(cell.source, f"{cell.id}-1")
        add("__import__('probe').after_first()", f"probe{len(cells)}")
        add(cell.source, f"{cell.id}-2")
        add(f"__import__('probe').after_second({cell.source!r})", f"probe{len(cells)}")
    add("print(*sorted(__import__('probe').trained))", "trained")
    for number, source in enumerate(more, 1):
        add(source, f"solved{number}", tags=["raises-exception"])
    return nbformat.v4.new_notebook(cells=cells, metadata=nb.metadata)


def execute(nb, folder, env=None, repo=None, allow_errors=False, **parameters):
    """Run a notebook in a folder with these parameters, after those of its own cell; files come from the address repo."""
    cells = []
    for cell in nb.cells:
        cells.append(cell)
        if repo and cell.cell_type == "code":
            cell.source = re.sub(r'(?m)^REPO = ".*"', f'REPO = "{repo}"', cell.source)
        if "parameters" in cell.metadata.get("tags", []):
            lines = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
            cells.append(nbformat.v4.new_code_cell(lines, id="given"))
    ready = nbformat.v4.new_notebook(cells=cells, metadata=nb.metadata)
    where = {"metadata": {"path": str(folder)}}
    options = {"timeout": None, "kernel_name": "python3", "coalesce_streams": True, "allow_errors": allow_errors}
    client = NotebookClient(ready, resources=where, **options)
    client.widget_registry = {}  # its imitation of widgets.Output sends while it waits, can miss the answer, and waits for ever
    client.execute(env=env or dict(os.environ))
    return ready


def errors_and_stderr(nb):
    """The outputs that no notebook should have, each with its cell."""
    outputs = [(cell.get("id"), output) for cell in nb.cells for output in cell.get("outputs", [])]
    return [(where, o) for where, o in outputs if o.output_type == "error" or o.get("name") == "stderr"]


def pictures(nb, suffix=""):
    """The PNGs of every cell, as digests, by the id of the cell without this suffix."""
    found = {}
    for cell in nb.cells:
        if cell.cell_type == "code" and cell.id.endswith(suffix):
            data = [output.get("data", {}).get("image/png", "") for output in cell.outputs]
            digests = [hashlib.sha256(picture.encode()).hexdigest() for picture in data if picture]
            found[cell.id[: len(cell.id) - len(suffix)]] = digests
    return found


def serve(handler):
    """A web server on a local port, in a thread; its `url` says where."""
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    httpd.daemon_threads = True
    httpd.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
    return httpd


def cut_off(folder):
    """A folder to put on PYTHONPATH: cuts Python off from every network but this machine's own; has the probe."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(OFFLINE)
    (folder / "probe.py").write_text(PROBE)
    check = "import urllib.request; urllib.request.urlopen('https://example.com', timeout=5)"
    result = subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True)
    assert b"cut off" in result.stderr
    (folder / "tried").unlink()
    return folder
