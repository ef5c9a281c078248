# All that is done with this checkout; `make` alone lists it. Needs python3 (3.11 or newer), make and git.

PYTHON ?= python3
SERVE := .venv
TEST := .venv-test
SITE := .venv-docs
BIN := $(TEST)/bin
# Tests wait more than they compute: four files at a time, on two cores too. One process: ARGS='-n0 --pdb'.
PYTEST = $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder
UV ?= uv
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --exclude-newer '7 days' \
	--no-header --no-emit-index-url --no-emit-find-links --upgrade

.DEFAULT_GOAL := help
.PHONY: help setup serve test check fix bench docs site lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(SERVE)/.ready ## make .venv, where the server runs

serve: $(SERVE)/.ready ## run the server; make serve ARGS='run.yaml --port 9000'
	@exec $(SERVE)/bin/stackwright serve $(ARGS)

test: $(TEST)/.ready $(SITE)/.ready ## run every test; make test ARGS='tests/storage -k kv'
	$(PYTEST) $(ARGS)

check: $(TEST)/.ready $(SITE)/.ready ## format, lint, types, import contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) $(ARGS)

fix: $(TEST)/.ready ## format, and correct what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(TEST)/.ready ## measure against the bare proxy; make bench ARGS='--write'
	$(BIN)/python -m bench.run $(ARGS)

docs: $(TEST)/.ready ## write the generated pages of docs/reference
	$(BIN)/python -m tests.house.reference

site: $(SITE)/.ready ## build the documentation as a site, into build/site
	$(SITE)/bin/zensical build --clean --strict

lock: ## pin the newest releases, at least a week old, by hash (needs uv)
	$(LOCK) pyproject.toml requirements/serve.in --all-extras --output-file requirements/serve.txt
	$(LOCK) pyproject.toml requirements/test.in --all-extras --output-file requirements/test.txt
	$(LOCK) requirements/docs.in --output-file requirements/docs.txt

clean: ## remove what the targets made, the environments too
	rm -rf $(SERVE) $(TEST) $(SITE) dist build .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# The stamp is as new as what it was made from; an interrupted installation leaves none and is taken up again.
# Wheels only: a source distribution would fetch what it is built with, unpinned.
%/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo 'Python cannot make environments here; run: sudo apt-get install python3-venv' >&2; exit 1; }
	@$*/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $*
	@echo 'Installing $(filter requirements/%,$^) into $*: once, a few minutes, nothing is printed meanwhile'
	@$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r $(filter requirements/%,$^)
	@$(if $(filter $(SITE),$*),,$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .)
	@touch $@

$(SERVE)/.ready: requirements/serve.txt
$(TEST)/.ready: requirements/test.txt
$(SITE)/.ready: requirements/docs.txt
