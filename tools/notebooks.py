"""Reading the notebooks without running them: their cells, and the definitions in them as a module.

A folder may take the place of the repository: a copy of it with other parameters, other data or other weights.
"""

import ast
import contextlib
import functools
import os
import types
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(path.name for path in ROOT.glob("0*.ipynb") if ".partial." not in path.name)
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
# The cells that make the module-level objects which functions read, and the names that nobody but training needs.
SETUP = {"01": ["data-code", "schedule"], "02": ["data-code"]}
SETUP["03"] = ["data-code", "load-vae", "encode-all", "tokenize"]
NOT_NEEDED = {"print", "z_train", "tokens_train"}


def read(name, folder=ROOT):
    """The notebook as nbformat reads it; that of the repository if the folder has none."""
    path = Path(folder) / name
    return nbformat.read(path if path.exists() else ROOT / name, as_version=4)


def code_cells(name, folder=ROOT):
    """Its code cells, in order."""
    return [cell for cell in read(name, folder).cells if cell.cell_type == "code"]


def is_constant(node):
    """An assignment to a name in capitals."""
    names = node.targets if isinstance(node, ast.Assign) else [None]
    return all(isinstance(name, ast.Name) and name.id.isupper() for name in names)


def compiled(nodes, name):
    """These statements as code to execute."""
    return compile(ast.Module(nodes, type_ignores=[]), name, "exec")


@functools.lru_cache(maxsize=None)
def parsed(name, folder):
    """The imports, functions, classes and constants of a notebook, compiled; True marks a constant."""
    codes = []
    for cell in code_cells(name, folder):
        for node in ast.parse(cell.source).body:
            if is_constant(node) or isinstance(node, DEFINITIONS):
                codes.append((compiled([node], f"{name} {cell.id}"), is_constant(node)))
    return codes


def definitions(name, folder=ROOT):
    """A fresh module with the definitions of a notebook, executed; nothing is read or trained.

    A constant that takes more than definitions to compute (CLASSES, from the data) is left out. What a function
    reads of the notebook's other objects, the caller sets: `nb.palette = ...`. Only compiled code is shared.
    """
    module = types.ModuleType(name)
    for code, constant in parsed(name, folder):
        with contextlib.suppress(NameError if constant else ()):
            exec(code, module.__dict__)
    return module


def opened(name, folder=ROOT, cells=None):
    """The definitions, and what the notebook makes of the data: data, data_id, palette, splits, alpha_bar, ...

    Executes the statements of the cells that SETUP lists, or of these cells, on the CPU and in the folder, fetches
    nothing and leaves out prints and the encoding of all training sprites. 03 needs the weights of the autoencoder:
    its module has vae, mean and std. Without the cell "load-vae" it has and needs none.
    """
    module, here = definitions(name, folder), os.getcwd()
    module.DEVICE, module.fetch = module.torch.device("cpu"), lambda path: path
    sources = {cell.id: cell.source for cell in code_cells(name, folder)}
    os.chdir(folder)
    try:
        for cell in SETUP[name[:2]] if cells is None else cells:
            for node in ast.parse(sources[cell]).body:
                names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
                if not names & NOT_NEEDED:
                    exec(compiled([node], f"{name} {cell}"), module.__dict__)
    finally:
        os.chdir(here)
    return module
