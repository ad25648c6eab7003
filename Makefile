# Everything a contributor types. `make` alone lists it.
# ARGS reaches the command behind demo, test, bench, drill and evidence: make test ARGS="tests/drivers -x"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
PACKAGES := drivers models monitor fallback_procedures

.DEFAULT_GOAL := help
.PHONY: help setup lock demo test check catalogue bench drill evidence clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP)  ## create .venv with the locked packages (no root needed)

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make setup: $(PYTHON) was not found; install Python 3.11 or newer, or name it: make setup PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make setup: $(PYTHON) is older than 3.11; install Python 3.11 or newer, or name it: make setup PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make setup: $(PYTHON) has no venv module; install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

lock:  ## resolve requirements.lock again (needs uv; only when dependencies change)
	@command -v uv >/dev/null || { echo "make lock: uv was not found; install it in an environment of its own and put that on PATH" >&2; exit 2; }
	uv pip compile pyproject.toml --universal --python-version 3.11 --extra dev --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock

demo: setup  ## run the whole product on a simulated utility
	$(BIN)/handwheel demo $(ARGS)

test: setup  ## run the tests (<= 10 min on two cores)
	$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup  ## style, types, who may import whom, message catalogues
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/lint-imports
	$(BIN)/python -m tests.house.catalogue check

catalogue: setup  ## collect operator strings, update the .po files, compile the .mo files
	$(BIN)/python -m tests.house.catalogue update
	$(BIN)/python -m tests.house.catalogue compile

bench: setup  ## measure against the bars; one table
	$(BIN)/python -m benchmarks $(ARGS)

drill: setup  ## kills, mutations, soaks, printers, independent peers
	$(BIN)/python -m pytest -q -m drill tests/drills $(ARGS)

evidence: setup  ## run the full studies and write their results to docs/
	$(BIN)/python -m benchmarks.evidence $(ARGS)

clean:  ## remove caches and build products; .venv stays
	rm -rf build dist .cache .grimp_cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
