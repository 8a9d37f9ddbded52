# make run trains everything; make test checks everything, WORKERS tests at a time; make help lists the rest.
PYTHON ?= $(shell command -v python3 || command -v python || echo python3)
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
NOTEBOOKS := $(filter-out %.partial.ipynb,$(wildcard 0*.ipynb))
SHELF := $(filter-out %.partial.ipynb,$(wildcard deeper/*.ipynb))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# No environment yet, or its set-up broke off: it is set up (again).
ifneq ($(shell $(BIN)/python -m pip --version 2>&1 | cut -d' ' -f1),pip)
$(shell rm -f $(VENV)/*-ready)
.PHONY: $(VENV)/pyvenv.cfg
endif

.PHONY: help run deeper test test-quick test-browser lab lint quality web clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

run: $(VENV)/run-ready  ## execute the notebooks in place, from the first cell to the last: trains every model
	$(BIN)/python tools/run_notebooks.py $(NOTEBOOKS)

deeper: $(VENV)/run-ready  ## execute the shelf in deeper/ in place, from the weights in assets/
	$(BIN)/python tools/run_notebooks.py $(SHELF)

test: $(VENV)/test-ready  ## lint, then the whole test suite
	$(BIN)/ruff check . && $(BIN)/ruff format --check data tests tools
	$(BIN)/ruff check --line-length 88 $(NOTEBOOKS) $(SHELF)
	$(BIN)/ruff format --check --line-length 88 $(NOTEBOOKS) $(SHELF)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

test-quick: $(VENV)/test-ready  ## only the tests that run no notebook: under a minute
	$(BIN)/python -m pytest -m quick

test-browser: $(VENV)/browser-ready $(VENV)/web-ready  ## use the notebooks and the page of docs/ in a real browser (Chromium)
	$(BIN)/python -m pytest -m browser -s
	$(BIN)/python -m pytest tests/test_web.py

lab: $(VENV)/run-ready  ## open JupyterLab in this folder
	$(BIN)/python -m jupyter lab

lint: $(VENV)/test-ready  ## check and format the code, notebooks included
	$(BIN)/ruff check --fix . && $(BIN)/ruff format data tests tools && $(BIN)/ruff format --line-length 88 $(NOTEBOOKS) $(SHELF)

quality: $(VENV)/test-ready  ## measure the committed weights: one table
	$(BIN)/python tools/quality.py --json tools/quality.json --md tools/quality.md

web: $(VENV)/web-ready  ## export the model of notebook 03 for the page in docs/, and compare it with PyTorch
	$(BIN)/python tools/export_web.py

clean:  ## remove .venv and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache tools/.cache tools/__pycache__ tests/__pycache__

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c '' || { echo 'There is no Python that answers to $(PYTHON): install Python 3.8 or newer, or name yours, as in: make run PYTHON=python3.12'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.8 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 8) else 0'
	@$(PYTHON) -c 'import platform, sys; sys.exit("PyTorch on a Mac with an Intel processor needs Python 3.8 to 3.12: make run PYTHON=python3.12") if platform.system() + platform.machine() == "Darwinx86_64" and sys.version_info >= (3, 13) else 0'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo 'This Python cannot make environments: install its venv, on Debian and Ubuntu by: sudo apt install python3-venv'; exit 1; }
	$(PYTHON) -m venv $(if $(wildcard $@),--clear) $(VENV)

$(VENV)/run-ready: requirements.txt | $(VENV)/pyvenv.cfg
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/test-ready: requirements-dev.txt requirements.txt | $(VENV)/pyvenv.cfg
	$(PIP) -r requirements-dev.txt
	@touch $@ $(VENV)/run-ready

$(VENV)/browser-ready: $(VENV)/test-ready
	$(PIP) 'playwright>=1.40' || echo 'no Playwright: its tests will be skipped'
	@touch $@

$(VENV)/web-ready: $(VENV)/test-ready
	$(PIP) onnx onnxscript onnxruntime
	@touch $@
