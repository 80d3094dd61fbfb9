# Everything runs in .venv, made with the first `python3` on PATH; choose with `make test PYTHON=python3.13 VENV=.venv313`.
# A process that compiles its source at every start has another heap than the baseline of the example knows.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV ?= .venv
BIN = $(CURDIR)/$(VENV)/bin

DOCS = .venvs/docs

.PHONY: demo test check bench docs docs-output clean

demo: $(VENV)/installed
	cd example_project && $(BIN)/python -m pytest --cowmem

test: $(VENV)/installed
	$(BIN)/python -m pytest --numprocesses 2

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# peers.py comes last: it makes a venv for each of the other tools, and installs them.
bench: $(VENV)/installed
	for script in benchmarks/bench_*.py benchmarks/peers.py; do $(BIN)/python $$script || exit 1; done

# The docs have a venv of their own: what is installed beside an app moves its objects in memory.
# Every Markdown file is a page of the site, so that the strict build checks all their links.
docs: $(DOCS)/installed
	$(DOCS)/bin/python docs/outputs.py --check
	$(DOCS)/bin/sphinx-build --fail-on-warning --keep-going --nitpicky -E -c docs . build/docs

# Runs the commands that README and docs show, and writes their output there.
docs-output: $(DOCS)/installed
	$(DOCS)/bin/python docs/outputs.py

$(DOCS)/installed: pyproject.toml
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --editable '.[docs]'
	touch $@

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .venvs
