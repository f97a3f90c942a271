.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# not from the environment: `make clean` deletes them
WORLD := world
LAKE := lake
ACCOUNTS ?= 10000
AS_OF ?= 2026-06-30
export UV_LINK_MODE ?= copy

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 15) else "Python must be 3.11 to 3.14; got %d.%d. Say, for instance: make PYTHON=python3.12 install" % v)'
	@echo "installing the locked packages into .venv (some 3 GB, a few minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

install: .venv/.installed ## .venv with the locked packages and the script `ringlight`

run: install ## a local Neo4j, a made world of 10,000 accounts, its night, and what it found
	$(BIN)/ringlight store start
	$(BIN)/ringlight simulate $(WORLD) --accounts $(ACCOUNTS) --until $(AS_OF)
	$(BIN)/ringlight nightly --events $(WORLD)/events --lake $(LAKE) --as-of $(AS_OF)
	$(BIN)/ringlight evaluate --lake $(LAKE) --truth $(WORLD)/truth/accounts.parquet
	$(BIN)/ringlight show --lake $(LAKE)
	@echo
	@echo "To look at it in the console, in a browser:"
	@echo "  $(BIN)/ringlight console --lake $(LAKE) --events $(WORLD)/events --demo"

test: check chromium ## check, then all tests but the drills (unit, property, integration, e2e)
	$(BIN)/pytest tests

chromium: ## a browser for tests/e2e, by apt-get where that is allowed
	@tests/e2e/install_chromium.sh

unit: install ## unit and property tests, under a minute
	$(BIN)/pytest tests/unit tests/property -m "not slow"

fuzz: install ## property tests on examples drawn anew
	$(BIN)/pytest tests/property --hypothesis-profile=fuzz

drills: install ## what may go wrong in a night, in full: a node of the cluster killed in every step
	$(BIN)/pytest tests -m drill

check: install ## ruff, mypy strict, import-linter, generated pages up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m jobs.docs --check

bench: install ## what it costs beside its peers, 20 minutes, in tests/benchmarks/RESULTS.md; SIZE= sets the number of accounts or nodes
	$(BIN)/python tests/benchmarks/suite.py $(SIZE)

benches: install ## every benchmark, those of quality too, each by its default: hours
	@missed=""; for file in tests/benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || missed="$$missed $$file"; done; \
		test -z "$$missed" || { echo "missed a bar or failed:$$missed"; exit 1; }

docs: install ## writes the generated pages anew
	$(BIN)/python -m jobs.docs

lock: install ## resolves requirements.lock anew
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet --upgrade --output-file requirements.lock

stop: ## stops the local Neo4j
	$(BIN)/ringlight store stop

clean: ## deletes the made world, its lake and caches (not .venv, not the store)
	rm -rf $(WORLD) $(LAKE) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help install run test chromium unit fuzz drills check bench benches docs lock stop clean
