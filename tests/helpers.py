"""What several test files share: notebooks run with tiny parameters, away from the repository and from the network."""

import hashlib
import http.server
import os
import re
import shutil
import threading
import types

import nbformat
import numpy as np
import torch
from nbclient import NotebookClient
from notebooks import NOTEBOOKS, ROOT, code_cells, read

SHELF = sorted(f"deeper/{path.name}" for path in (ROOT / "deeper").glob("*.ipynb") if ".partial." not in path.name)
TINY = {
    "01": {"T": 30, "WIDTH": 16, "BATCH": 8, "STEPS_SHORT": 40, "STEPS": 45},
    "02": {"WIDTH": 16, "BATCH": 8, "STEPS_SHORT": 40, "STEPS": 45},
    "03": {"T": 30, "WIDTH": 16, "WIDTH_VAE": 16, "D_TAU": 16, "HEADS": 2, "BATCH": 8, "STEPS": 45, "STEPS_READER": 40},
}

# Imported by every Python that runs with its folder on PYTHONPATH: no network but this machine's own, and who tries is noted.
OFFLINE = """
import os, socket
def refuse(address):
    if not isinstance(address, (str, bytes)) and address[0] not in ("127.0.0.1", "::1", "localhost", None, ""):
        print(address, file=open(os.path.join(os.path.dirname(__file__), "tried"), "a"))
        raise OSError("the network is cut off in tests")
def connect(self, address, _real=socket.socket.connect):
    return refuse(address) or _real(self, address)
def getaddrinfo(host, *args, _real=socket.getaddrinfo, **more):
    return refuse((host,)) or _real(host, *args, **more)
socket.socket.connect, socket.getaddrinfo = connect, getaddrinfo
"""

# Runs in the kernel between the cells of a notebook, see `thrice`; counts the training steps.
PROBE = '''
import pathlib, torch
from torch.optim.optimizer import register_optimizer_step_pre_hook
calls, stop_at, before, trained = 0, None, {}, set()
def count(optimizer, *_):
    global calls
    calls += optimizer.param_groups[0]["lr"] > 0  # else it is only timed
    if calls == stop_at:
        raise KeyboardInterrupt
register_optimizer_step_pre_hook(count)
def weights():
    found = {}
    for path in sorted(pathlib.Path("assets").rglob("*.pt")):
        saved = torch.load(path, map_location="cpu", weights_only=True)["weights"]
        found[str(path)] = [value.numpy().tobytes() for value in saved.values()], path.stat().st_mtime_ns
    return found
def after_first():
    global before, calls
    before, calls = weights(), 0
def after_second(source):
    """The same weights again; then a training is stopped in its first step, and the notebook goes on with what is left."""
    global calls, stop_at
    for path, (content, written) in weights().items():
        if path in before and before[path][1] != written:
            trained.add(path)
            assert content == before[path][0], f"{path} is different when its cell is run again"
    if calls:
        calls, stop_at = 0, 1
        get_ipython().run_cell(source).raise_error()
        stop_at = None
'''


def run_cells(name, *ids, **names):
    """A module in which the cells of a notebook with these ids were executed, in order, on top of these names."""
    module = types.ModuleType(name)
    module.__dict__.update(names)
    cells = [cell.source for cell in code_cells(name) if cell.id in ids]
    assert len(cells) == len(ids), f"{name} lacks a cell of {ids}"
    exec(compile("\n".join(cells), name, "exec"), module.__dict__)
    return module


def lay_out(folder):
    """A working folder as a clone has it, but with an eighth of the sprites and without weights."""
    shutil.copytree(ROOT / "assets", folder / "assets", ignore=shutil.ignore_patterns("*.pt", "*.svg", "*.gif"))
    (folder / "data").mkdir()
    with np.load(ROOT / "data" / "sprites.npz") as file:
        every = {name: 1 if name in ("palette", "class_names") else 8 for name in file.files}
        np.savez(folder / "data" / "sprites.npz", **{name: file[name][::step] for name, step in every.items()})
    return folder


def save_vae(folder):
    """A tiny autoencoder for notebook 03, untrained, in place of what notebook 02 leaves."""
    nb = run_cells(NOTEBOOKS[1], "imports", "parameters", "plumbing", "vae", K=64)
    torch.manual_seed(0)
    nb.data_id = nb.read_data(folder / "data" / "sprites.npz")[1]
    path = str(folder / "assets" / "vae_latent_2d_emb4" / "best_vae.pt")
    nb.save_weights(path, nb.VAE(TINY["02"]["WIDTH"]), mean=torch.zeros(4), std=torch.full((4,), 0.1))


def text_of(name):
    """The text of a notebook."""
    return "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")


def solutions(name):
    """The solutions of the exercises of a notebook: the Python in its folded parts."""
    return re.findall(r"```python\n(.*?)```", "\n".join(re.findall(r"<details>.*?</details>", text_of(name), re.S)), re.S)


def thrice(nb, more=()):
    """The notebook with every code cell twice, `name-1` and `name-2`, and each that trains a third time, stopped at once.

    Between them the probe looks at the weights. `more` are sources of further cells at the end, which may fail.
    """
    cells, new = [], nbformat.v4.new_code_cell
    for cell in nb.cells:
        if cell.cell_type != "code" or "parameters" in cell.metadata.get("tags", []):
            cells.append(cell)
            continue
        for suffix, probe in (("1", "after_first()"), ("2", f"after_second({cell.source!r})")):
            cells.append(new(cell.source, id=f"{cell.id}-{suffix}"))
            cells.append(new(f"__import__('probe').{probe}", id=f"{cell.id}-probe{suffix}"))
    cells.append(new("print(*sorted(__import__('probe').trained))", id="trained"))
    cells += [new(source, id=f"solved{k}", metadata={"tags": ["raises-exception"]}) for k, source in enumerate(more)]
    return nbformat.v4.new_notebook(cells=cells, metadata=nb.metadata)


def given(nb, **parameters):
    """The notebook with these parameters after those of its own cell."""
    ready = nbformat.v4.new_notebook(cells=list(nb.cells), metadata=nb.metadata)
    lines = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    for index in [index for index, cell in enumerate(nb.cells) if "parameters" in cell.metadata.get("tags", [])]:
        ready.cells.insert(index + 1, nbformat.v4.new_code_cell(lines, id="given"))
    return ready


def execute(nb, folder, env=None, repo=None, allow_errors=False, **parameters):
    """Run a notebook in a folder with these parameters; files come from the address repo."""
    ready = given(nb, **parameters)
    for cell in ready.cells if repo else ():
        cell.source = re.sub(r'(?m)^REPO = ".*"', f'REPO = "{repo}"', cell.source)
    options = {"timeout": None, "kernel_name": "python3", "coalesce_streams": True, "allow_errors": allow_errors}
    client = NotebookClient(ready, resources={"metadata": {"path": str(folder)}}, **options)
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
    for cell in (cell for cell in nb.cells if cell.cell_type == "code" and cell.id.endswith(suffix)):
        data = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
        found[cell.id[: len(cell.id) - len(suffix)]] = [hashlib.sha256(png.encode()).hexdigest() for png in data]
    return found


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the folder `served`, notes in `asked` what was asked for, and says nothing; both are set in a subclass."""

    def __init__(self, *args):
        super().__init__(*args, directory=str(self.served))

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.asked.append(self.path.lstrip("/"))
        super().do_GET()


def files(folder):
    """The names of all files in a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def serve(handler):
    """A web server on a local port, in a thread; its `url` says where."""
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    httpd.daemon_threads = True
    httpd.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
    return httpd
