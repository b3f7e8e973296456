# make demo   the daemon and a simulated outside, start to end (needs Python 3.11+, pip, an index)
# make test   style, types, import contracts and every test
# make bench  how fast it is here, beside this machine's floors (ARGS=--quick for less)
# make soak   200 simulated days on as many seeds, judged (ARGS="--seeds 20"; --month: 30 days each)
# make clean  forget the environment and everything built

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: demo test style types contracts tests bench soak clean

demo: $(VENV)/product
	$(BIN)/gridcall demo $(ARGS)

test: style types contracts tests

style: $(VENV)/tools
	$(BIN)/ruff check .

types: $(VENV)/tools
	$(BIN)/mypy

contracts: $(VENV)/tools
	$(BIN)/lint-imports --no-cache

# Four workers: three listen to sentences that last as long as they last, one has the rest.
tests: $(VENV)/tools
	$(BIN)/python -m pytest -n 4 $(ARGS)

bench: $(VENV)/tools
	$(BIN)/python -m tests.bench $(ARGS)

soak: $(VENV)/tools
	$(BIN)/python -m tests.simulation.soak $(ARGS)

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Gridcall needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/product: $(VENV)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --disable-pip-version-check -e .
	touch $@

$(VENV)/tools: $(VENV)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[test]'
	touch $@ $(VENV)/product

clean:
	rm -rf $(VENV) build dist *.egg-info demo-output bench.json .mypy_cache .ruff_cache .pytest_cache .hypothesis
