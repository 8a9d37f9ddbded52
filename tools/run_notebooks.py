"""Execute notebooks in place, top to bottom, and show live which cell runs and for how long: `make run`.

    python tools/run_notebooks.py 01.ddpm.ipynb ...

A notebook is replaced only when its last cell has run, each in a kernel of its own. Its metadata then records
what was run: a digest of the code cells, seconds, peak memory, threads and processor; and assets/SHA256SUMS is
brought up to date. If a cell fails, the kernel dies or someone presses Ctrl-C, what had run is in
NAME.partial.ipynb, and the notebook is as it was. The same when the terminal is closed or the system stops the run.
"""

import base64
import contextlib
import hashlib
import io
import json
import logging
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the imports take seconds, and Ctrl-C would end in their traceback

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from PIL import Image

warnings.filterwarnings("ignore", category=FutureWarning)
STOPS, SAVING = [], threading.Event()  # what has stopped the run; whether cells run no more
WIDGET = "application/vnd.jupyter.widget-view+json"
# Runs in the notebook's own kernel after its last cell; never becomes part of the notebook, and may fail.
FACTS = """
import json, os, sys, torch
facts = {"cpu_cores": os.cpu_count(), "threads": torch.get_num_threads(), "torch": torch.__version__}
facts["processor"] = torch.backends.cpu.get_cpu_capability()
try:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    facts["peak_memory_mb"] = round(peak)
except ImportError:
    pass  # Windows has no such module
print(json.dumps(facts))
"""


def code_digest(nb):
    """SHA-256 of the sources of all code cells, in order."""
    sources = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def processor_name():
    """What the processor calls itself."""
    try:
        if sys.platform == "darwin":
            return subprocess.check_output(["sysctl", "-n", "machdep.cpu.brand_string"], text=True).strip()
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, subprocess.SubprocessError):
        return platform.processor() or platform.machine()


def write_sums(folder):
    """assets/SHA256SUMS: the digest of every file that a notebook may fetch, and compares with this list."""
    paths = [folder / "data" / "sprites.npz", *(folder / "assets").rglob("*")]
    names = [path.relative_to(folder).as_posix() for path in paths if path.suffix in (".npz", ".png", ".pt")]
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in sorted(names)]
    (folder / "assets" / "SHA256SUMS").write_bytes("".join(sums).encode())  # on Windows as well without \r


def packed(png):
    """The picture with a palette of 256 colours, if that is smaller and looks the same; else as it is."""
    image = Image.open(io.BytesIO(png))
    if getattr(image, "n_frames", 1) > 1:  # an animation
        return png
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


def last_states(text):
    """Each line as a terminal leaves it: of a progress bar, only what follows its last carriage return."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))


def clean_outputs(nb, folder):
    """Join streams; drop widgets, which nothing but a kernel can show, and the folder's name; pack large pictures."""
    nb.metadata.pop("widgets", None)
    for cell in (cell for cell in nb.cells if cell.cell_type == "code"):
        outputs, streams = [], {}
        for output in cell.outputs:
            if output.output_type == "stream" and output.name in streams:
                streams[output.name].text += output.text
            elif WIDGET not in output.get("data", {}):
                outputs.append(output)
                if output.output_type == "stream":
                    streams[output.name] = output
        for output in streams.values():
            output.text = last_states(output.text).replace(str(folder), ".")
        cell.outputs = outputs
        for output in outputs:
            png = output.get("data", {}).get("image/png", "")
            if len(png) > 27_000:  # 20 kB
                with contextlib.suppress(ValueError, OSError):  # of what is no picture
                    output["data"]["image/png"] = base64.b64encode(packed(base64.b64decode(png))).decode()


def save_picture(nb, path):
    """The picture of the cell tagged `picture`, which a notebook of the shelf has, for the README's table."""
    for cell in nb.cells:
        pictures = [o["data"]["image/png"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
        if "picture" in cell.metadata.get("tags", []) and pictures:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(pictures[-1]))


class Progress:
    """Says which cell of which notebook runs: one line per cell, with a running clock in a terminal."""

    def __init__(self, name, cells):
        self.name, self.cells, self.index, self.title, self.start = name, cells, 0, "", time.time()
        self.live, self.heading, self.done = sys.stdout.isatty(), "", threading.Event()
        threading.Thread(target=self.tick, daemon=True).start()

    def show(self, end="\n"):
        """One line; in a terminal it replaces the line of the clock."""
        seconds = time.time() - self.start
        line = f"{self.name}  cell {self.index:3d} of {self.cells}  {seconds:6.1f} s  {self.title}"
        print(("\r\033[K" if self.live else "") + line, end=end, flush=True)

    def tick(self):
        """Keep the clock of a long cell moving."""
        pause = 0.5 if self.live else 20
        while not self.done.wait(pause):
            if self.title and time.time() - self.start > pause:
                self.show(end="" if self.live else "\n")

    def begin(self, cell, cell_index):
        """A cell starts; its title is the last heading."""
        if cell.cell_type == "markdown":
            headings = [row for row in cell.source.splitlines() if row.startswith("#")]
            self.heading = headings[-1].lstrip("# ") if headings else self.heading
        self.index, self.title, self.start = cell_index + 1, self.heading, time.time()

    def end(self, cell, cell_index, **_):
        """A cell has ended."""
        if cell.cell_type == "code" and cell_index < self.cells:
            self.show()
        self.title = ""


def stop(number, frame):
    """The first Ctrl-C stops the cells; a second one, or one that comes later, does not keep what ran from being saved."""
    STOPS.append("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)
    if len(STOPS) == 1 and not SAVING.is_set():
        logging.disable()  # else asyncio prints, as a traceback, that the kernel which we end here has died
        raise KeyboardInterrupt


def execute(nb, path):
    """Run all cells in a fresh kernel. Returns what stopped it, or None, and the facts of the run."""
    progress, start, trouble = Progress(path.name, len(nb.cells)), time.time(), None
    for cell in (cell for cell in nb.cells if cell.cell_type == "code"):
        cell.outputs, cell.execution_count = [], None  # of an earlier run
    facts = {"code_sha256": code_digest(nb), "processor_name": processor_name()}
    nb.cells.append(nbformat.v4.new_code_cell(FACTS, metadata={"tags": ["raises-exception"]}))
    client = NotebookClient(
        nb,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # else ipykernel warns of eavesdropping on this very machine
        resources={"metadata": {"path": str(path.parent)}},
        shutdown_kernel="immediate",
        on_cell_start=progress.begin,
        on_cell_executed=progress.end,
    )
    client.widget_registry = {}  # nbclient's own Output widget may wait for ever for an answer that it has missed
    try:
        with client.setup_kernel():  # client.execute() would handle Ctrl-C itself, and stumble over a kernel half begun
            for index, cell in enumerate(nb.cells):
                client.execute_cell(cell, index)
    except CellExecutionError as error:
        trouble = f"{error.ename}: {error.evalue}"
    except DeadKernelError:
        trouble = "the kernel died, perhaps for want of memory"
    except KeyboardInterrupt:
        trouble = STOPS[0]
    except Exception as error:
        trouble = f"{type(error).__name__}: {error}"
    finally:
        SAVING.set()
        progress.done.set()
    outputs = nb.cells.pop().outputs
    if progress.index > progress.cells:  # every cell of the notebook had run
        trouble = None
        facts["seconds"] = round(time.time() - start, 1)
        try:
            facts.update(json.loads("".join(output.text for output in outputs if output.get("name") == "stdout")))
        except ValueError:
            print(f"{path.name}  memory and threads could not be read", flush=True)
    if trouble and not progress.index:
        sys.exit(f"\n{path.name} was not begun:\n{trouble}")
    return trouble and f"{path.name} stopped in cell {progress.index} ({progress.heading}):\n{trouble}", facts


def run(path):
    """Execute one notebook and put the executed one in its place."""
    partial = path.with_suffix(".partial.ipynb")
    home = path.parent.parent if path.parent.name == "deeper" else path.parent  # where paths in notebooks begin
    try:
        nb = nbformat.read(path, as_version=4)
        nbformat.validate(nb)
    except Exception as error:
        sys.exit(f"{path} cannot be read as a notebook: {(str(error) or repr(error)).splitlines()[0]}")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        sys.exit(f"{path} could not be replaced by what is executed: neither it nor its folder may be read-only.")
    SAVING.clear()
    nb.metadata.pop("sd_nano", None)
    trouble, facts = execute(nb, path)
    clean_outputs(nb, home)
    if trouble:
        nbformat.write(nb, partial)
        sys.exit(f"\n{trouble}\nWhat had run is in {partial.name}; {path.name} is as it was.")
    nb.metadata["sd_nano"] = facts
    nbformat.write(nb, partial)
    os.replace(partial, path)
    save_picture(nb, home / "assets" / "deeper" / f"{path.stem}.png")
    if (home / "assets").exists():
        write_sums(home)
    names = {"peak_memory_mb": " MB", "threads": " threads", "processor": "", "processor_name": ""}
    used = "".join(f", {facts[name]}{unit}" for name, unit in names.items() if name in facts)
    print(f"{path.name}  done in {facts['seconds']:.0f} s{used}\n", flush=True)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("There is no notebook here: name one, or call make run in the folder of 01.ddpm.ipynb.")
    for number in (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")):
        if number and signal.getsignal(number) != signal.SIG_IGN:  # which nohup sets
            signal.signal(number, stop)
    try:
        for notebook in sys.argv[1:]:
            run(Path(notebook).resolve())
            if STOPS:  # after its last cell
                sys.exit(STOPS[0])
    except KeyboardInterrupt:
        sys.exit(STOPS[0])
    except OSError as error:  # a full disk
        sys.exit(f"\n{error.filename or notebook} cannot be written: {error.strerror}")
