# Fleetward. `make` alone lists the targets; each installs what it needs first.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CODE = $(wildcard runtime actors jobs examples tests benchmarks)
FAST_TESTS = $(wildcard tests/unit tests/laws tests/project)
RAY_TESTS = $(wildcard tests/cluster tests/jobs tests/browser)

# What starts no Ray runs on all cores, each worker with a PostgreSQL of its own. The tests on Ray share one cluster and
# stay in one process.
PARALLEL = -n logical --maxprocesses 8 --dist worksteal

# The demo: FLEET is the number of models, KEEP=1 leaves it running (stop it with `make down`).
FLEET ?=
KEEP ?=
export FLEET KEEP

# Images set it, and then each run and each worker of pytest rewrites and compiles all tests again.
export PYTHONDONTWRITEBYTECODE :=

# Under `uv run` Ray gives every worker an environment of its own; one node needs only this one.
export RAY_ENABLE_UV_RUN_RUNTIME_ENV := 0

.PHONY: help install compiled demo up down test check bench bench-serving format wheel

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv from requirements.lock (uv if present, else venv and pip)

# A candidate counts only if it runs: a version manager's shim exists for versions that do not.
$(STAMP): pyproject.toml requirements.lock
	@if ! $(BIN)/python -c '' 2>/dev/null; then \
	  found=''; \
	  for candidate in $${PYTHON:-} python3.12 python3.11 python3.13 python3 python; do \
	    if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	      found="$$candidate"; break; \
	    fi; \
	  done; \
	  if [ -z "$$found" ]; then echo 'Fleetward needs Python 3.11, 3.12 or 3.13 (or name one: make install PYTHON=...)' >&2; exit 1; fi; \
	  echo "making $(VENV) with $$("$$found" --version)"; \
	  if command -v uv >/dev/null; then uv venv --quiet --allow-existing --python "$$("$$found" -c 'import sys; print(sys.executable)')" $(VENV); \
	  else "$$found" -m venv $(VENV); fi; \
	fi
	@if command -v uv >/dev/null; then \
	  export VIRTUAL_ENV="$(CURDIR)/$(VENV)"; \
	  uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock; \
	  uv pip install --quiet --no-deps --no-build-isolation -e .; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@touch $@

# Each of a cluster's processes would compile our code again where PYTHONDONTWRITEBYTECODE is set, as images do.
compiled: install
	@$(BIN)/python -m compileall -q $(CODE)

demo: compiled ## run the flights fleet from data to a drift-driven retraining (FLEET=n, KEEP=1)
	$(BIN)/python jobs/demo.py

up: compiled ## start Fleetward on this machine
	$(BIN)/python jobs/up.py

down: install ## stop what `make up` or `make demo KEEP=1` left running
	$(BIN)/python jobs/down.py

wheel: install ## build dist/fleetward-*.whl, which cluster.yaml installs on the machines
	@rm -rf dist
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip -q
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

test: compiled ## run all tests
	$(BIN)/python -m pytest $(PARALLEL) $(FAST_TESTS) $(wildcard tests/crash)
	$(BIN)/python -m pytest $(RAY_TESTS)

check: install ## format, lint, types, floors and the quick tests: no Ray, no database server
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest $(PARALLEL) -m 'not slow and not server' $(FAST_TESTS)

bench: install ## run the benchmarks, each as a ratio against a peer in the same run
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

bench-serving: compiled ## only what serves (20 minutes; wants wrk and a quiet machine)
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/pool.py

format: install ## format the code and apply the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
