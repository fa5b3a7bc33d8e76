# Every target installs what it needs into .venv first; a second call finds it there and is quick.
# Needed beforehand: Python 3.11, 3.12 or 3.13 with its venv module, and make.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# 3.13 comes last: there one dependency has no ready-made wheel and asks for a C compiler.
PYTHON ?= $(shell for python in python3.12 python3.11 python3 python3.13; do \
	if command -v $$python >/dev/null 2>&1 && \
		$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	then echo $$python; break; fi; done)

# Processes that share the tests.
TEST_WORKERS ?= 2

.PHONY: help install run demo story test failpoints soak lint bench conformance clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

$(STAMP): pyproject.toml uv.lock requirements/uv.txt
	@test -n "$(PYTHON)" || { echo "Perpgram needs Python 3.11, 3.12 or 3.13; none was found." >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { \
		echo "The venv could not be made. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes --only-binary :all: -r requirements/uv.txt
	UV_PROJECT_ENVIRONMENT=$(VENV) UV_PYTHON_DOWNLOADS=never $(BIN)/uv sync --frozen --quiet
	@touch $@

install: $(STAMP) ## Install everything into .venv

run: $(STAMP) ## Start the bot with the settings in .env
	$(BIN)/python -m bot run

demo: $(STAMP) ## The whole desk on this machine, with a chat page in the browser
	$(BIN)/python -m bot demo

story: $(STAMP) ## The demo without a browser, each step proved by a query to the chain
	$(BIN)/python -m bot story

test: $(STAMP) ## All tests
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile

soak: $(STAMP) ## Simulated days for SOAK_MINUTES (30); with SOAK_OPTIONS=--teeth: that it finds defects
	$(BIN)/python -m tests.sim $(SOAK_OPTIONS)

failpoints: $(STAMP) ## Kill the bot behind every durable write and every send, on both databases
	PERPGRAM_TOUR=1 $(BIN)/python -m pytest -s tests/acceptance/test_acceptance_failpoints.py \
		tests/acceptance/test_acceptance_failpoints_postgres.py

lint: $(STAMP) ## Style, format, types and the walls between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

conformance: $(STAMP) ## The wire suite against the network that NETWORK= names; by default the paper network
	$(BIN)/python -m tests.conformance

bench: $(STAMP) ## Measure the way of a signal, ours and the original
	$(BIN)/python -m tests.bench

clean: ## Remove .venv and caches; data and keys stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache artifacts dist
	find bot handlers core tests -name __pycache__ -type d -prune -exec rm -rf {} +
