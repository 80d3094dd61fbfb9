# Everything runs in .venv, made with the first `python3` on PATH.
# Choose with `make test PYTHON=python3.13 VENV=.venvs/3.13`.
# A process that compiles its source at every start has another heap than the example's baseline.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV ?= .venv
BIN = "$(CURDIR)/$(VENV)/bin"
# What pytest is to run: `make test TESTS=tests/unit`, `make test TESTS="tests/runs -k gate"`.
TESTS ?= tests
MUTANTS ?= 50
SEED ?= 1

DOCS = .venvs/docs

.PHONY: demo record schema test check bench bench-real docs docs-output test-lowest test-newest test-neighbours \
	test-browser screenshots coverage \
	mutants dist venv clean

demo: $(VENV)/installed
	cd example_project && $(BIN)/python -m pytest --cowmem

# Accepts the example's figures on this Python.
record: $(VENV)/installed
	cd example_project && $(BIN)/python -m pytest --cowmem --cowmem-update=all

# Says what a report in JSON holds.
schema: $(VENV)/installed
	$(BIN)/python tests/support/document_schema.py

test: $(VENV)/installed
	$(BIN)/python -m pytest --numprocesses 2 $(TESTS)

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# peers.py comes last: it makes a venv for each of the other tools, and installs them.
bench: $(VENV)/installed
	for script in $(filter-out benchmarks/bench_real_%,$(wildcard benchmarks/bench_*.py)) \
			benchmarks/peers.py; do \
		$(BIN)/python $$script || exit 1; \
	done

# Six apps from PyPI, in venvs of their own: this takes hours.
bench-real: $(VENV)/installed
	for script in benchmarks/bench_real_*.py; do \
		$(BIN)/python $$script || exit 1; \
	done

# The lowest releases that pyproject.toml allows, of what it names itself.
test-lowest: .venvs/lowest/installed
	.venvs/lowest/bin/python -m pytest --numprocesses 2 $(TESTS)

# The newest releases, pre-releases too: what comes next is seen before it is out.
test-newest: .venvs/newest/installed
	.venvs/newest/bin/python -m pytest --numprocesses 2 $(TESTS)

# Beside other plugins: the example has the figures of its baseline, in random order too, and under
# pytest-xdist and pytest-cov. What asks for these plugins is in tests/neighbours.
test-neighbours: .venvs/neighbours/installed
	cd example_project && ../.venvs/neighbours/bin/python -m pytest --cowmem --cowmem-rounds 1
	cd example_project && ../.venvs/neighbours/bin/python -m pytest --cowmem --cowmem-rounds 1 \
		-p no:randomly --numprocesses 2 --cov shop --cov-report= -k "search or checkout or order"
	.venvs/neighbours/bin/python -m pytest tests/neighbours

# The HTML report in a browser: what it looks like, and what its keyboard does.
test-browser: .venvs/browser/installed
	CHROMIUM=$$(.ci/chromium) .venvs/browser/bin/python -m pytest tests/browser

# The pictures of the docs, of the example's red run.
screenshots: .venvs/browser/installed
	CHROMIUM=$$(.ci/chromium) .venvs/browser/bin/python docs/screenshots.py

# Tests that compare figures fail here: coverage runs, and takes memory, in the measured processes.
# Whether tests pass is for `make test` to say, so pytest's exit code 1 is fine here.
coverage: .venvs/coverage/installed
	rm -f .coverage .coverage.*
	.venvs/coverage/bin/coverage run -m pytest --numprocesses 2 --quiet --tb no --no-summary $(TESTS) \
		|| [ $$? = 1 ]
	.venvs/coverage/bin/coverage combine --quiet
	.venvs/coverage/bin/coverage report

# Changes the package in random places, and says which changes no test notices.
mutants:
	mutants/run $(PYTHON) $(MUTANTS) $(SEED)

venv: $(VENV)/installed

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

.venvs/lowest/installed: UV_OPTIONS = --resolution lowest-direct
.venvs/newest/installed: UV_OPTIONS = --prerelease allow
.venvs/lowest/installed .venvs/newest/installed: pyproject.toml
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet uv
	$(@D)/bin/uv pip install --quiet --python $(@D) $(UV_OPTIONS) --editable '.[test]'
	touch $@

# A venv of its own: coverage starts with every Python of its venv, which would move figures.
.venvs/coverage/installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --editable '.[test]' 'coverage>=7.10'
	touch $@

.venvs/neighbours/installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --editable '.[neighbours]'
	touch $@

.venvs/browser/installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --editable '.[browser]'
	touch $@

# The files of a release, checked, and the wheel tried where nothing else is installed.
dist:
	rm -rf dist build/dist
	$(PYTHON) -m venv build/dist/tools
	build/dist/tools/bin/python -m pip install --quiet build twine
	build/dist/tools/bin/python -m build
	build/dist/tools/bin/twine check --strict dist/*
	$(PYTHON) -m venv build/dist/empty
	build/dist/empty/bin/python -m pip install --quiet dist/*.whl
	build/dist/empty/bin/python -m pytest -c /dev/null --markers | grep mem_budget
	build/dist/empty/bin/cowmem doctor

clean:
	rm -rf .venv .venvs build dist
