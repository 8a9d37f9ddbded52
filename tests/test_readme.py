"""Every path, link and command that the README and the data card name exists; the repository is as small as promised."""

import re
import subprocess

import pytest
from notebooks import NOTEBOOKS, ROOT

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("page", ["README.md", "data/README.md"])
def test_every_path_named_exists(page):
    text = (ROOT / page).read_text("utf-8")
    paths = re.findall(r"\]\((?!https?:|#)([^)\s#]+)|(?:src|href)=\"(?!https?:|#)([^\"]+)\"", text)
    paths += re.findall(r"`((?:assets|data|deeper|docs|tests|tools|\.ci|\.github)/[\w./-]+)()`", text)
    assert paths
    named = {path or other for path, other in paths}
    assert [path for path in named if not ((ROOT / page).parent / path).exists() and not (ROOT / path).exists()] == []


def test_every_make_target_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {name for page in ("README.md", "data/README.md") for name in re.findall(r"\bmake ([a-z-]+)\b", code_of(page))}
    assert {"run", "test"} <= named <= targets


def code_of(page):
    """What stands in a page as code."""
    return "\n".join(a or b for a, b in re.findall(r"```.*?\n(.*?)```|`([^`]+)`", (ROOT / page).read_text("utf-8"), re.S))


def test_every_notebook_has_its_badge():
    text = (ROOT / "README.md").read_text("utf-8")
    badges = re.findall(r"colab\.research\.google\.com/github/metamath1/stable-diffusion-nano/blob/main/(\d[\w.]+)\)", text)
    assert sorted(badges) == NOTEBOOKS


def test_top_level_is_fixed_and_the_repository_small():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = [name for name in listed.split("\0") if name and (ROOT / name).exists()]
    allowed = {*NOTEBOOKS, "assets", "data", "deeper", "docs", "tests", "tools", "README.md", "LICENSE", "Makefile"}
    allowed |= {"requirements.txt", "requirements-dev.txt", "pyproject.toml", ".github", ".ci", ".gitignore", ".gitattributes"}
    assert {name.split("/")[0] for name in tracked} <= allowed
    assert len(NOTEBOOKS) == 3
    assert sum((ROOT / name).stat().st_size for name in tracked) < 15e6
