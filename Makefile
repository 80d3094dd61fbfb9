# Everything runs in .venv, made with the first `python3` on PATH.
# Choose with `make test PYTHON=python3.13 VENV=.venvs/3.13`.
# A process that compiles its source at every start has another heap than the baseline of the example knows.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV ?= .venv
BIN = $(CURDIR)/$(VENV)/bin
# What pytest is to run: `make test TESTS=tests/unit`, `make test TESTS="tests/runs -k gate"`.
TESTS ?= tests
MUTANTS ?= 50
SEED ?= 1

.PHONY: demo test check bench test-lowest test-newest coverage mutants clean

demo: $(VENV)/installed
	cd example_project && $(BIN)/python -m pytest --cowmem

test: $(VENV)/installed
	$(BIN)/python -m pytest --numprocesses 2 $(TESTS)

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# peers.py comes last: it makes a venv for each of the other tools, and installs them.
bench: $(VENV)/installed
	for script in benchmarks/bench_*.py benchmarks/peers.py; do $(BIN)/python $$script || exit 1; done

# The lowest releases that pyproject.toml allows, of what it names itself.
test-lowest: .venvs/lowest/installed
	.venvs/lowest/bin/python -m pytest --numprocesses 2 $(TESTS)

# The newest releases, pre-releases too: what comes next is seen before it is out.
test-newest: .venvs/newest/installed
	.venvs/newest/bin/python -m pytest --numprocesses 2 $(TESTS)

# Tests that compare figures fail here: coverage runs in the measured processes too, and takes memory there.
# Their outcome is `make test`'s to say. So exit code 1 is fine here, and any other is not.
coverage: .venvs/coverage/installed
	rm -f .coverage .coverage.*
	.venvs/coverage/bin/coverage run -m pytest --numprocesses 2 --quiet --tb no --no-summary $(TESTS) || [ $$? = 1 ]
	.venvs/coverage/bin/coverage combine --quiet
	.venvs/coverage/bin/coverage report

mutants:
	mutants/run $(PYTHON) $(MUTANTS) $(SEED)

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

# A venv of its own: coverage starts with every Python of the venv it is in, and would move the example's figures.
.venvs/coverage/installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --editable '.[test]' 'coverage>=7.10'
	touch $@

clean:
	rm -rf .venv .venvs build
