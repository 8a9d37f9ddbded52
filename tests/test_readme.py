"""Every path, link and command that the README and the data card name exists."""

import re

import pytest
from notebooks import NOTEBOOKS, ROOT


@pytest.mark.parametrize("page", ["README.md", "data/README.md"])
def test_every_path_named_exists(page):
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", text)
    paths = re.findall(r"`((?:assets|data|tests|tools|\.ci|\.github)/[\w./-]+)`", text)
    assert links or paths
    for path in links + paths:
        assert ((ROOT / page).parent / path).exists() or (ROOT / path).exists(), path


def test_every_make_target_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert {"run", "test"} <= named <= targets


def test_every_notebook_has_its_badge():
    text = (ROOT / "README.md").read_text()
    badges = re.findall(r"colab\.research\.google\.com/github/metamath1/stable-diffusion-nano/blob/main/([\w.]+)\)", text)
    assert sorted(badges) == NOTEBOOKS


def test_top_level_holds_nothing_else():
    allowed = {"01.ddpm.ipynb", "02.vae_latent_2d.ipynb", "03.ldm_nano.ipynb", "assets", "data", "tests", "README.md", "LICENSE"}
    allowed |= {"requirements.txt", "requirements-dev.txt", "pyproject.toml", "Makefile", "tools", ".github", ".ci", ".gitignore"}
    allowed |= {".git", ".venv"}
    extra = {path.name for path in ROOT.iterdir()} - allowed
    assert not {name for name in extra if not name.startswith(".") and name != "__pycache__"}


def test_repository_is_small():
    import subprocess

    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    assert sum((ROOT / name).stat().st_size for name in tracked if name and (ROOT / name).exists()) < 25e6
