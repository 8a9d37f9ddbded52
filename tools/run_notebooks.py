"""Execute notebooks in place, top to bottom, and show live which cell runs and for how long: `make run`.

    python tools/run_notebooks.py 01.ddpm.ipynb ...

A notebook is replaced only when its last cell has run. Its metadata then records what was run: a digest of
the code cells, the seconds it took and the peak memory of its kernel.
"""

import base64
import hashlib
import os
import re
import resource
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

warnings.filterwarnings("ignore", category=FutureWarning)


def code_digest(nb: nbformat.NotebookNode) -> str:
    """SHA-256 of the sources of all code cells, in order."""
    sources = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def attach_pictures(nb: nbformat.NotebookNode, assets: Path) -> None:
    """Attach the pictures that markdown cells name as `attachment:NAME`; they may lie anywhere in assets/.

    Attached pictures show in Jupyter, on GitHub and in Colab, with or without the repository beside them.
    """
    for cell in nb.cells:
        names = re.findall(r"\(attachment:([^)]+)\)", cell.source) if cell.cell_type == "markdown" else []
        if names:
            files = {name: next(assets.rglob(name)) for name in names}
            kinds = {name: "image/" + file.suffix[1:] for name, file in files.items()}
            cell["attachments"] = {
                n: {kinds[n]: base64.b64encode(files[n].read_bytes()).decode()} for n in names
            }


class Progress:
    """Says which cell of which notebook runs: one line per cell, with a running clock in a terminal."""

    def __init__(self, name: str, cells: int):
        self.name, self.cells, self.index, self.title, self.start = name, cells, 0, "", time.time()
        self.live, self.heading, self.done = sys.stdout.isatty(), "", threading.Event()
        threading.Thread(target=self.tick, daemon=True).start()

    def line(self) -> str:
        seconds = time.time() - self.start
        return f"{self.name}  cell {self.index:3d} of {self.cells}  {seconds:6.1f} s  {self.title}"

    def tick(self) -> None:
        """Keep the clock of a long cell moving."""
        while not self.done.wait(0.5 if self.live else 20):
            if self.title and time.time() - self.start > (0.5 if self.live else 20):
                print(
                    ("\r\033[K" if self.live else "") + self.line(), end="" if self.live else "\n", flush=True
                )

    def begin(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        if cell.cell_type == "markdown":
            headings = [row for row in cell.source.splitlines() if row.startswith("#")]
            self.heading = headings[-1].lstrip("# ") if headings else self.heading
        self.index, self.title, self.start = cell_index + 1, self.heading, time.time()

    def end(self, cell: nbformat.NotebookNode, cell_index: int, execute_reply: dict = None) -> None:
        if cell.cell_type == "code":
            print(("\r\033[K" if self.live else "") + self.line(), flush=True)
        self.title = ""


def run(path: Path) -> None:
    """Execute one notebook and put the executed one in its place."""
    nb = nbformat.read(path, as_version=4)
    progress, start = Progress(path.name, len(nb.cells)), time.time()
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
    seconds, unit = time.time() - start, 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    attach_pictures(nb, path.parent / "assets")
    nb.metadata.pop("widgets", None)
    nb.metadata["sd_nano"] = {
        "code_sha256": code_digest(nb),
        "seconds": round(seconds, 1),
        "peak_memory_mb": round(peak),
        "cpu_cores": os.cpu_count(),
    }
    partial = path.with_suffix(".partial")
    nbformat.write(nb, partial)
    os.replace(partial, path)
    print(f"{path.name}  done in {seconds:.0f} s, peak memory {peak:.0f} MB\n", flush=True)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("There is no notebook here: name one, or call make run in the folder of 01.ddpm.ipynb.")
    if len(sys.argv) == 2:
        run(Path(sys.argv[1]).resolve())
    for name in (
        sys.argv[1:] if len(sys.argv) > 2 else []
    ):  # a process each, so that each has its own peak memory
        if subprocess.run([sys.executable, __file__, name]).returncode:
            sys.exit(1)
