"""Each notebook alone in an empty folder, as Colab opens it: what it needs comes from the repository's address."""

import hashlib
import http.server
import os
from functools import partial

import pytest
from helpers import TINY, errors_and_stderr, execute, pictures, serve
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
    repository, _ = first_run
    listed = [path for path in sorted(repository.rglob("*")) if path.is_file() and path.name != "SHA256SUMS"]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(repository)}\n" for path in listed]
    (repository / "assets" / "SHA256SUMS").write_text("".join(lines))
    httpd = serve(partial(Quiet, directory=str(repository)))
    httpd.asked = []
    lone = tmp_path / "späte Bögen 図 1"
    lone.mkdir()
    env = {**os.environ, "PYTHONPATH": str(offline)}
    env.pop("HOME", None)
    nb = execute(read(name), lone, env, httpd.url, TRAIN=False, **TINY[name[:2]])
    httpd.shutdown()
    assert not errors_and_stderr(nb)
    there = {str(path.relative_to(lone)) for path in lone.rglob("*") if path.is_file()}
    fetched = {path for path in there if not path.endswith(".gif")}  # which any run makes
    assert "data/sprites.npz" in fetched and any(path.endswith(".pt") for path in fetched)
    assert fetched <= set(httpd.asked)  # no weights and no title picture are made: training alone saves them
    assert [path for path in fetched if (lone / path).read_bytes() != (repository / path).read_bytes()] == []
    assert sum(map(bool, pictures(nb).values())) >= 10
