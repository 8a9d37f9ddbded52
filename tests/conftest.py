"""Two tests at a time, each on one core; and the run of each notebook that several test files look at."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here and in every kernel

import pytest
from helpers import TINY, cut_off, execute, lay_out, save_vae, solutions, thrice
from nbclient.exceptions import CellExecutionError
from notebooks import NOTEBOOKS, read


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What shares a costly fixture runs in one process: the tests of one run of a notebook, else those of one file."""
    for item in items:
        name = getattr(item, "callspec", None) and item.callspec.params.get("name")
        shares_run = "first_run" in item.fixturenames
        alone = "test_any_data" in item.nodeid
        group = name if shares_run else item.nodeid if alone else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def offline(tmp_path_factory):
    """A folder that, on PYTHONPATH, cuts Python off from every network but this machine's own."""
    return cut_off(tmp_path_factory.mktemp("offline") / "path")


@pytest.fixture(scope="session")
def runs():
    """The runs of this session by the name of their notebook."""
    return {}


@pytest.fixture
def first_run(name, runs, offline, tmp_path_factory):
    """The notebook trained with tiny parameters, every cell twice, then its solutions, with the folder it ran in.

    It ran offline, with a HOME and TMPDIR of its own beside the folder; what Jupyter, matplotlib and torch keep for
    themselves goes elsewhere.
    """
    if name not in runs:
        base = tmp_path_factory.mktemp("first")
        folder = lay_out(base / "work")
        if name == NOTEBOOKS[2]:
            save_vae(folder)
        env = {**os.environ, "PYTHONPATH": str(offline)}
        for variable in ("HOME", "TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR"):
            env[variable] = str(base / variable)
            (base / variable).mkdir()
        for variable in ("MPLBACKEND", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            env.pop(variable, None)
        try:
            runs[name] = folder, execute(thrice(read(name), solutions(name)), folder, env, TRAIN=True, **TINY[name[:2]])
        except CellExecutionError as error:
            runs[name] = error
    if isinstance(runs[name], CellExecutionError):
        raise runs[name]  # said for each test, found out once
    return runs[name]
