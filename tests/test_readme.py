"""Every path, link and command that the README and the data card name exists; the repository is as small as promised."""

import re
import subprocess

import pytest
from notebooks import NOTEBOOKS, ROOT

pytestmark = pytest.mark.quick
PAGES = {page: (ROOT / page).read_text("utf-8") for page in ("README.md", "data/README.md")}


@pytest.mark.parametrize("page", PAGES)
def test_every_path_named_exists(page):
    paths = re.findall(r"\]\((?!https?:|#)([^)\s#]+)|(?:src|href)=\"(?!https?:|#)([^\"]+)\"", PAGES[page])
    paths += re.findall(r"`((?:assets|data|deeper|docs|tests|tools|\.ci|\.github)/[\w./-]+)()`", PAGES[page])
    named = {path or other for path, other in paths}
    assert named
    assert [path for path in named if not ((ROOT / page).parent / path).exists() and not (ROOT / path).exists()] == []


def test_make_targets_and_badges_exist_top_level_is_fixed_and_the_repository_small():
    text = "\n".join(PAGES.values())
    code = "\n".join(a or b for a, b in re.findall(r"```.*?\n(.*?)```|`([^`]+)`", text, re.S))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {"run", "test"} <= set(re.findall(r"\bmake ([a-z-]+)\b", code)) <= targets
    badges = re.findall(r"colab\.research\.google\.com/github/metamath1/stable-diffusion-nano/blob/main/([\w./]+)\)", text)
    assert sorted(badges) == NOTEBOOKS + sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("deeper/*[a-z].ipynb"))
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = [name for name in listed.split("\0") if name and (ROOT / name).exists()]
    allowed = {*NOTEBOOKS, "assets", "data", "deeper", "docs", "tests", "tools", "README.md", "LICENSE", "Makefile"}
    allowed |= {"requirements.txt", "requirements-dev.txt", "pyproject.toml", ".github", ".ci", ".gitignore", ".gitattributes"}
    assert {name.split("/")[0] for name in tracked} <= allowed and len(NOTEBOOKS) == 3
    sizes = {name: (ROOT / name).stat().st_size for name in tracked}
    page = sum(size for name, size in sizes.items() if name.startswith("docs/"))
    assert page < 5e6 and sum(sizes.values()) - page < 18e6
