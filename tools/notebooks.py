"""Reading the notebooks without running them: their cells, and the definitions in them as a module."""

import ast
import functools
import types
from pathlib import Path
from typing import List, Tuple

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
def compiled(name: str) -> Tuple[types.CodeType, ...]:
    """The imports, functions, classes and constants of every code cell of a notebook, compiled."""
    codes = []
    for i, cell in enumerate(code_cells(name)):
        tree = ast.parse(cell.source)
        tree.body = [node for node in tree.body if is_definition(node)]
        codes.append(compile(tree, f"{name} cell {i + 1}", "exec"))
    return tuple(codes)


def definitions(name: str) -> types.ModuleType:
    """A fresh module with the definitions of a notebook, executed; nothing is trained.

    Every caller may change its own module: only the compiled code is shared.
    """
    module = types.ModuleType(name)
    for code in compiled(name):
        exec(code, module.__dict__)
    return module
