"""Each notebook alone in an empty folder, as Colab opens it: what it needs comes from the repository's address."""

import http.server
import os
from functools import partial

import pytest
from helpers import TINY, errors_and_stderr, execute, pictures, serve, tells_time
from notebooks import NOTEBOOKS, read


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Notes in `asked` which files were asked for."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.asked.append(self.path.lstrip("/"))
        super().do_GET()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_lone_notebook_fetches_what_it_needs_and_runs_without_training(name, first_run, offline, tmp_path):
    repository, trained = first_run
    httpd = serve(partial(Quiet, directory=str(repository)))
    httpd.asked = []
    lone = tmp_path / "späte Bögen 図 1"
    lone.mkdir()
    env = {**os.environ, "PYTHONPATH": str(offline), "SD_NANO_URL": httpd.url}
    env.pop("HOME", None)
    nb = execute(read(name), lone, env, TRAIN=False, **TINY[name[:2]])
    httpd.shutdown()
    assert not errors_and_stderr(nb)
    fetched = sorted(str(path.relative_to(lone)) for path in lone.rglob("*") if path.is_file())
    assert "data/sprites.npz" in fetched
    assert {path for path in fetched if path.endswith(".pt")}
    assert set(fetched) <= set(httpd.asked)  # nothing was made: figures and weights are saved by training alone
    assert "assets/SHA256SUMS" in httpd.asked
    for path in fetched:
        assert (lone / path).read_bytes() == (repository / path).read_bytes()
    # the same weights draw the same pictures in another process; what only a training shows is not there
    timed = {cell.id for cell in nb.cells if cell.cell_type == "code" and tells_time(cell)}
    there, here = pictures(trained, "-2"), pictures(nb)
    assert [key for key in here if here[key] and here[key] != there[key] and key not in timed] == []
    assert sum(map(bool, here.values())) > 10
