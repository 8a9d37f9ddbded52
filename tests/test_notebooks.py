"""The committed notebooks as documents: executed in order by the code they hold, clean outputs, and their layout."""

import ast
import base64
import re

import pytest
from notebooks import NOTEBOOKS, ROOT, code_cells, read
from run_notebooks import WIDGET, code_digest

pytestmark = pytest.mark.parametrize("name", NOTEBOOKS)


def tags(cell):
    return cell.metadata.get("tags", [])


def is_solution(cell):
    return cell.source.startswith("# @title Solution")


def outputs(name):
    return [output for cell in code_cells(name) for output in cell.outputs]


def output_text(name):
    parts = []
    for output in outputs(name):
        parts.append(output.get("text", ""))
        parts += [value for kind, value in output.get("data", {}).items() if kind.startswith("text/") and isinstance(value, str)]
    return "\n".join(parts)


# --- the run that is committed ---


def test_was_executed_in_order_by_the_code_it_holds(name):
    counts = [cell.execution_count for cell in code_cells(name)]
    assert counts == list(range(1, len(counts) + 1)), f"{name} was not executed from top to bottom: make run"
    assert read(name).metadata["sd_nano"]["code_sha256"] == code_digest(read(name)), f"{name} was edited: make run"


def test_run_was_within_its_budget(name):
    facts = read(name).metadata["sd_nano"]
    assert facts["seconds"] < 1500  # of 40 minutes for all three on slow cores; the committed runs shared theirs
    assert facts["peak_memory_mb"] < 1500
    assert {"processor", "threads", "cpu_cores"} <= set(facts)
    assert (ROOT / name).stat().st_size < 3e6


def test_outputs_have_no_errors_warnings_machine_paths_or_widgets(name):
    assert not [o for o in outputs(name) if o.output_type == "error" or o.get("name") == "stderr"]
    found = re.search(r"warning|traceback|/root/|/home/|/tmp/|/Users/|site-packages", output_text(name), re.IGNORECASE)
    assert found is None, found
    assert not [o for o in outputs(name) if WIDGET in o.get("data", {})]
    assert "widgets" not in read(name).metadata


def test_every_interactive_figure_has_a_still_one_near(name):
    """GitHub shows no plotly: a PNG must be among the outputs or attachments of the same section."""
    sections, count = [[]], 0
    for cell in read(name).cells:
        if cell.cell_type == "markdown" and re.search(r"^##? ", cell.source, re.MULTILINE):
            sections.append([])
        sections[-1].append(cell)
    for section in sections:
        kinds = [kind for cell in section for output in cell.get("outputs", []) for kind in output.get("data", {})]
        if "application/vnd.plotly.v1+json" in kinds:
            assert "image/png" in kinds, section[0].source
            count += 1
    assert count > 0


def test_pictures_in_the_text_are_attached_and_are_those_of_assets(name):
    for cell in read(name).cells:
        if cell.cell_type == "markdown":
            names = re.findall(r"\(attachment:([^)]+)\)", cell.source)
            assert sorted(names) == sorted(cell.get("attachments", {}))
            assert not re.findall(r"!\[[^]]*\]\((?!attachment:|https://colab)", cell.source)
            for picture in names:
                (file,) = (ROOT / "assets").rglob(picture)
                (content,) = cell.attachments[picture].values()
                assert base64.b64decode(content) == file.read_bytes(), f"{picture} has changed: make run"


# --- how it is laid out ---


def test_opens_with_title_badge_and_one_cell_of_parameters(name):
    cells = read(name).cells
    assert cells[0].source.startswith("# ")
    assert f"colab.research.google.com/github/metamath1/stable-diffusion-nano/blob/main/{name}" in cells[0].source
    tagged = [cell for cell in cells if "parameters" in tags(cell)]
    assert len(tagged) == 1
    constants = {target.id: node.value for node in ast.parse(tagged[0].source).body for target in node.targets}
    assert {"TRAIN", "SEED"} <= set(constants)
    assert constants["TRAIN"].value is True  # who runs it trains


def test_a_paragraph_stands_before_every_code_cell(name):
    cells = read(name).cells
    bare = [cell.source[:60] for before, cell in zip(cells, cells[1:]) if cell.cell_type == before.cell_type == "code"]
    assert not bare


def test_cells_are_short_and_lines_fit(name):
    """JupyterLab, Colab and GitHub cut or scroll lines of more than 88 characters."""
    for cell in code_cells(name):
        lines = cell.source.splitlines()
        assert len(lines) <= 30 or "plumbing" in tags(cell), cell.id
        assert max(map(len, lines)) <= 88, cell.id


def test_plumbing_is_one_cell_near_the_top_the_same_in_every_notebook(name):
    (first,), (plumbing,) = ([cell for cell in code_cells(n) if "plumbing" in tags(cell)] for n in (NOTEBOOKS[0], name))
    assert plumbing.id == "plumbing"
    assert plumbing.source == first.source
    assert code_cells(name).index(plumbing) < 6


def test_plumbing_and_solutions_are_folded_in_jupyterlab_and_colab(name):
    hidden = [cell for cell in code_cells(name) if "plumbing" in tags(cell) or is_solution(cell)]
    hidden += [cell for cell in code_cells(name) if cell.id.startswith("solution")]
    for cell in hidden:
        assert cell.source.startswith("# @title "), cell.id
        assert cell.metadata.get("jupyter", {}).get("source_hidden"), cell.id
        assert cell.metadata.get("cellView") == "form", cell.id


def test_every_exercise_has_a_solution_and_every_solution_a_written_conclusion(name):
    cells = read(name).cells
    numbers = {int(n) for cell in cells if is_solution(cell) for n in re.findall(r"Solution (\d+)", cell.source.splitlines()[0])}
    assert numbers == set(range(1, len(numbers) + 1))
    assert len(numbers) >= 5
    for cell, after in zip(cells, cells[1:]):
        assert not is_solution(cell) or after.cell_type == "markdown", cell.id


def test_code_is_python_3_8_with_hints_and_docstrings(name):
    for cell in code_cells(name):
        tree = ast.parse(cell.source, feature_version=(3, 8))
        inner = {id(child) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for child in node.body}
        for node in ast.walk(tree):
            public = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("__")
            if public and id(node) not in inner:
                assert ast.get_docstring(node), node.name
            if isinstance(node, ast.FunctionDef):
                arguments = node.args.args + node.args.kwonlyargs
                assert all(a.annotation or a.arg == "self" for a in arguments), node.name
                assert node.returns is not None or node.name == "__init__", node.name


def test_equations_are_numbered_once_and_in_order(name):
    text = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    numbers = [int(tag) for tag in re.findall(r"\\tag\{(\d+)\}", text)]
    assert numbers == list(range(1, len(numbers) + 1))
    code = "\n".join(cell.source for cell in code_cells(name))
    assert {int(n) for n in re.findall(r"eq\. \((\d+)\)", code)} <= set(numbers)


def test_shared_definitions_are_the_same_text(name):
    """Functions and classes of the same name in two notebooks are the same, letter for letter."""

    def definitions_of(other):
        found = {}
        for cell in code_cells(other):
            for node in ast.parse(cell.source).body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    found[node.name] = ast.get_source_segment(cell.source, node)
        return found

    mine = definitions_of(name)
    for other in NOTEBOOKS:
        for function, source in definitions_of(other).items():
            assert mine.get(function, source) == source, f"{function} differs in {name} and {other}"
