.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
export UV_LINK_MODE ?= copy

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 15) else "Python must be 3.11 to 3.14; got %d.%d. Say PYTHON=python3.12 make ..." % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

install: .venv/.installed ## .venv with the locked packages and the script `ringlight`

lock: .venv/.installed ## resolve requirements.lock anew
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock

check: install ## ruff, mypy, import-linter, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy graph gnn jobs
	$(BIN)/lint-imports

unit: install ## unit and property tests, under a minute
	$(BIN)/pytest tests/unit tests/property

test: check ## everything: check, then all tests
	$(BIN)/pytest tests

.PHONY: help install lock check unit test
