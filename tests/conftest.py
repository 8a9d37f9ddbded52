"""Two tests at a time, each on one core; and a folder that cuts Python off from the network."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here and in every kernel

import subprocess
import sys

import pytest
from helpers import OFFLINE, PROBE


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """The tests of a file share costly fixtures, so they run in one process, but for those that run notebooks whole."""
    for item in items:
        alone = item.path.name == "test_whole.py" or "runs_alone" in item.name
        item.add_marker(pytest.mark.xdist_group(item.nodeid if alone else item.path.name))
        if item.path.name == "test_deeper.py" and not alone:
            item.add_marker(pytest.mark.quick)


@pytest.fixture(scope="session")
def offline(tmp_path_factory):
    """A folder for PYTHONPATH: cuts Python off from every network but this machine's own; has the probe."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(OFFLINE)
    (folder / "probe.py").write_text(PROBE)
    check = "import urllib.request; urllib.request.urlopen('https://example.com', timeout=5)"
    result = subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True)
    assert b"cut off" in result.stderr
    (folder / "tried").unlink()
    return folder
