"""Execute notebooks in place, top to bottom, and show live which cell runs and for how long: `make run`.

    python tools/run_notebooks.py 01.ddpm.ipynb ...

A notebook is replaced only when its last cell has run, each in a kernel of its own. Its metadata then records
what was run: a digest of the code cells, seconds, peak memory, threads and the kind of processor.
"""

import base64
import hashlib
import io
import json
import os
import re
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Dict

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

warnings.filterwarnings("ignore", category=FutureWarning)
WIDGET = "application/vnd.jupyter.widget-view+json"
# Runs in the notebook's own kernel after its last cell; never becomes part of the notebook.
FACTS = """
import json, os, resource, sys, torch
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
facts = {"peak_memory_mb": round(peak), "cpu_cores": os.cpu_count(), "threads": torch.get_num_threads()}
print(json.dumps({**facts, "processor": torch.backends.cpu.get_cpu_capability(), "torch": torch.__version__}))
"""


def code_digest(nb: nbformat.NotebookNode) -> str:
    """SHA-256 of the sources of all code cells, in order."""
    sources = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def attach_pictures(nb: nbformat.NotebookNode, assets: Path) -> None:
    """Attach the pictures that markdown cells name as `attachment:NAME`; they may lie anywhere in assets/.

    Attached pictures show in Jupyter, on GitHub and in Colab, with or without the repository beside them.
    """
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.pop("attachments", None)
            for name in re.findall(r"\(attachment:([^)]+)\)", cell.source):
                content = next(assets.rglob(name)).read_bytes()
                kind = "image/" + name.rpartition(".")[2]
                cell.setdefault("attachments", {})[name] = {kind: base64.b64encode(content).decode()}


def packed(png: bytes) -> bytes:
    """The picture with a palette of 256 colours, if that is smaller and looks the same; else as it is."""
    image = Image.open(io.BytesIO(png))
    if image.mode == "RGBA" and image.getextrema()[3] == (255, 255):
        image = image.convert("RGB")
    if image.mode != "RGB":
        return png
    small = image.quantize(256, method=Image.MEDIANCUT, dither=Image.NONE)
    change = np.abs(np.asarray(image, dtype=int) - np.asarray(small.convert("RGB"), dtype=int)).max(2)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    same = change.mean() < 2 and np.percentile(change, 99) < 16  # of 255 levels
    return min(png, buffer.getvalue(), key=len) if same else png


def clean_outputs(nb: nbformat.NotebookNode) -> None:
    """Drop widgets, which nothing but a running kernel can show, and pack large pictures."""
    nb.metadata.pop("widgets", None)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
            for output in cell.outputs:
                png = base64.b64decode(output.get("data", {}).get("image/png", ""))
                if len(png) > 20_000:
                    output["data"]["image/png"] = base64.b64encode(packed(png)).decode()


class Progress:
    """Says which cell of which notebook runs: one line per cell, with a running clock in a terminal."""

    def __init__(self, name: str, cells: int):
        self.name, self.cells, self.index, self.title, self.start = name, cells, 0, "", time.time()
        self.live, self.heading, self.done = sys.stdout.isatty(), "", threading.Event()
        threading.Thread(target=self.tick, daemon=True).start()

    def show(self, end: str = "\n") -> None:
        """One line; in a terminal it replaces the line of the clock."""
        seconds = time.time() - self.start
        line = f"{self.name}  cell {self.index:3d} of {self.cells}  {seconds:6.1f} s  {self.title}"
        print(("\r\033[K" if self.live else "") + line, end=end, flush=True)

    def tick(self) -> None:
        """Keep the clock of a long cell moving."""
        pause = 0.5 if self.live else 20
        while not self.done.wait(pause):
            if self.title and time.time() - self.start > pause:
                self.show(end="" if self.live else "\n")

    def begin(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        """A cell starts; its title is the last heading."""
        if cell.cell_type == "markdown":
            headings = [row for row in cell.source.splitlines() if row.startswith("#")]
            self.heading = headings[-1].lstrip("# ") if headings else self.heading
        self.index, self.title, self.start = cell_index + 1, self.heading, time.time()

    def end(self, cell: nbformat.NotebookNode, cell_index: int, **_: Dict) -> None:
        """A cell has ended."""
        if cell.cell_type == "code" and cell_index < self.cells:
            self.show()
        self.title = ""


def execute(nb: nbformat.NotebookNode, path: Path) -> Dict:
    """Run all cells in a fresh kernel; the facts of the run."""
    progress, start = Progress(path.name, len(nb.cells)), time.time()
    nb.cells.append(nbformat.v4.new_code_cell(FACTS))
    client = NotebookClient(
        nb,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=progress.begin,
        on_cell_executed=progress.end,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        where = f"{path.name} stopped in cell {progress.index} ({progress.heading})"
        sys.exit(f"\n{where}:\n{error.ename}: {error.evalue}")
    finally:
        progress.done.set()
    facts = json.loads(nb.cells.pop().outputs[0].text)
    return {"code_sha256": code_digest(nb), "seconds": round(time.time() - start, 1), **facts}


def run(path: Path) -> None:
    """Execute one notebook and put the executed one in its place."""
    nb = nbformat.read(path, as_version=4)
    facts = nb.metadata["sd_nano"] = execute(nb, path)
    attach_pictures(nb, path.parent / "assets")
    clean_outputs(nb)
    partial = path.with_suffix(".partial")
    nbformat.write(nb, partial)
    os.replace(partial, path)
    took = f"done in {facts['seconds']:.0f} s, peak memory {facts['peak_memory_mb']} MB"
    print(f"{path.name}  {took}, {facts['threads']} threads, {facts['processor']}\n", flush=True)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("There is no notebook here: name one, or call make run in the folder of 01.ddpm.ipynb.")
    for notebook in sys.argv[1:]:
        run(Path(notebook).resolve())
