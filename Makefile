# `make demo` and `make test` are each enough on a fresh machine; everything else follows from them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first Python on PATH that is new enough; `make PYTHON=… test` names another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
# The stamps live in what they vouch for: deleting that deletes them.
PACKAGE := $(VENV)/.installed
RIVALS := $(VENV)/.installed-bench
SIDECAR := node_bridge/node_modules/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Test files are spread over so many processes; `make JOBS=0 test` runs them in one.
JOBS ?= auto
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: help setup servers test test-python test-node test-long test-faults demo lint lint-code lint-format lint-types lint-client format bench bench-quick wheel clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(PACKAGE) $(SIDECAR) ## make .venv and install the package and the sidecar's npm packages

$(PACKAGE): pyproject.toml hatch_build.py
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer on PATH; name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "python -m venv failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

# A linked node_modules belongs to somebody else: npm ci would empty it.
$(SIDECAR): node_bridge/package.json node_bridge/package-lock.json | $(PACKAGE)
	@test -L node_bridge/node_modules || $(BIN)/python hatch_build.py ci --ignore-scripts --no-audit --no-fund
	@touch $@

servers: $(PACKAGE) ## install the MongoDB and Kafka that tests start (once, in ~/.cache/tradercast/servers)
	@PYTHONPATH=tests $(BIN)/python -m support.servers.install

test: test-node test-python ## run all tests but the long ones

test-python: setup
	$(PYTEST) -m 'not slow' $(ARGS)

test-node: setup ## run the sidecar's own tests
	$(BIN)/python hatch_build.py test

test-long: setup ## run the long fault and load tests
	$(BIN)/python -m pytest -m slow --timeout 1800 $(ARGS)

test-faults: setup ## run the operator's chain through every fault, in the short and the long form
	$(BIN)/python -m pytest -m faults --timeout 1800 $(ARGS)

demo: setup ## publish, find, sync and check a market, in separate processes
	@$(BIN)/tradercast demo $(ARGS)

demo-full: setup servers ## run the chain of docker/compose.yaml on real servers, without containers
	@$(BIN)/python -m scripts.demo_full $(ARGS)

lint: lint-code lint-format lint-types lint-client ## ruff check, ruff format --check, mypy --strict

lint-code: setup
	$(BIN)/ruff check .

lint-format: setup
	$(BIN)/ruff format --check .

lint-types: setup
	$(BIN)/mypy

lint-client: setup # the synchronous client is what is made from the asynchronous one
	$(BIN)/python scripts/make_client.py --check

format: setup ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup servers $(RIVALS) ## measure everything, also beside other ways to get history
	$(BIN)/python -m bench $(ARGS)
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.latency

bench-quick: setup servers $(RIVALS) ## the same with fewer trades and runs, within five minutes
	$(BIN)/python -m bench --quick $(ARGS)
	$(BIN)/python -m bench.pipeline --trades 200000
	$(BIN)/python -m bench.latency --seconds 10

$(RIVALS): $(PACKAGE)
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

wheel: setup ## build the wheel and the sdist into dist/
	$(BIN)/python -m hatchling build

clean: ## remove everything that the targets above made
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@test -L node_bridge/node_modules || rm -rf node_bridge/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
