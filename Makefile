# make run    a demonstration: real calls, their timelines, then a server to try things on
# make test   everything that can be checked here
# make help   the rest
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Options for pytest: make test ARGS="-k retransmitted"
ARGS ?=
# Files of tests that run at the same time; many of them wait for peers rather than for a processor.
JOBS ?= 2

.PHONY: help run test check lock clean peers

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/run.stamp ## start the demonstration: calls, timelines, then serve until Ctrl-C
	@exec $(BIN)/sip-edge demo

test: check peers ## all checks and all tests; ARGS="..." goes to pytest
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(VENV)/dev.stamp ## style, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

peers:
	@sh scripts/peers.sh
	@sh scripts/promtool.sh

lock: ## write the lock files again (needs the package index); UPGRADE=1 takes newer versions
	@sh scripts/lock.sh $(if $(UPGRADE),--upgrade)

clean: ## remove environments, caches and the demonstration's data
	rm -rf $(VENV) .venv-pipecat .venv-lock .tools data .peers.log
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find sip_edge tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# What serving needs, and the project itself, editable.
$(VENV)/run.stamp: requirements.lock requirements-build.lock pyproject.toml
	@echo "making $(VENV) (about a minute)"
	@sh scripts/make_venv.sh $(VENV)
	@$(PIP) --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# What checks and tests need on top.
$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.lock
	@echo "adding the tools for tests to $(VENV)"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@
