"""The notebooks as tests see them: their cells, and the definitions in them as a module."""

import ast
import functools
import types
from pathlib import Path
from typing import Callable, List

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(path.name for path in ROOT.glob("0*.ipynb"))


def read(name: str) -> nbformat.NotebookNode:
    """The notebook as nbformat reads it."""
    return nbformat.read(ROOT / name, as_version=4)


def code_cells(name: str) -> List[nbformat.NotebookNode]:
    """Its code cells, in order."""
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def is_definition(node: ast.stmt) -> bool:
    """True for imports, functions, classes and assignments to names in capitals."""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id.isupper() for target in node.targets)
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))


@functools.lru_cache(maxsize=None)
def definitions(name: str) -> types.ModuleType:
    """The notebook's imports, functions, classes and constants, executed as a module; nothing is trained."""
    module = types.ModuleType(name)
    for i, cell in enumerate(code_cells(name)):
        tree = ast.parse(cell.source)
        tree.body = [node for node in tree.body if is_definition(node)]
        exec(compile(tree, f"{name} cell {i + 1}", "exec"), module.__dict__)
    return module


def interrupted_at(call: int, function: Callable) -> Callable:
    """The function, but its call of this number stops as a user does who presses the stop button."""
    calls = []

    def wrapped(*args):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return function(*args)

    return wrapped
