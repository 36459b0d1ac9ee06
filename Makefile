# `make` alone lists what there is. Everything a fresh machine needs is installed by these targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STORAGE ?= embedded
SEED ?= 1
SECONDS_TO_RUN ?= 600
# Many tests wait for processes of theirs: a third worker keeps two cores busy meanwhile.
WORKERS ?= 3
SOURCES := conftest.py function_app.py functions hub hosting tools examples tests agent cli

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: run
run: .venv/.local $(if $(filter azurite,$(STORAGE)),node_modules/.installed) ## the whole platform on this machine (STORAGE=azurite: on Azurite)
	@$(BIN)/python -m hosting.run --storage $(STORAGE)

.PHONY: test
test: .venv/.development node_modules/.installed ## lint, types, and every test, on both storage engines
	@$(MAKE) --no-print-directory lint types
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q

.PHONY: soak
soak: .venv/.development node_modules/.installed ## the long runs (SEED=1 SECONDS_TO_RUN=600 ONLY=simulation)
	@PYTHONPATH=.:agent $(BIN)/python -m tests.soak --seed $(SEED) --seconds $(SECONDS_TO_RUN) $(if $(ONLY),--only $(ONLY))

.PHONY: bench
bench: .venv/.development ## latency, throughput and storage operations, beside the raw storage floor
	@$(BIN)/python -m tests.bench

.PHONY: package
package: .venv/.development ## build/nexomatic-hub.zip: what is deployed, with its dependencies (asks PyPI)
	@$(BIN)/python -m tools.package

.PHONY: agent-package
agent-package: .venv/.local ## build/agent: the agent with what it needs, as the hub hands it out (asks PyPI)
	@$(BIN)/python -m tools.agent_package

.PHONY: hub-package
hub-package: .venv/.development ## build/nexomatic-hub-….tar.gz: the hub for one Linux machine, with all it needs (asks PyPI; BUILD=2)
	@$(BIN)/python -m tools.hub_package $(if $(BUILD),--build $(BUILD))

.PHONY: lint
lint: .venv/.development .venv-checkov/.installed ## ruff, the arrows between layers, a look for secrets and, where they answer, at advisories
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@PYTHONPATH=.:agent:cli $(BIN)/lint-imports --no-cache
	@$(BIN)/python -m tools.docs_tables --check
	@$(BIN)/python -m tools.secret_scan
	@$(BIN)/python -m tools.bicep
	@$(BIN)/python -m tools.bicep.posture
	@$(BIN)/python -m tools.dependency_audit --lint

.PHONY: bicep
bicep: .venv/.development ## what is wrong with the templates, as far as that can be seen without Azure
	@$(BIN)/python -m tools.bicep

.PHONY: checkov
checkov: .venv/.development .venv-checkov/.installed ## known mistakes of security in the templates; asks nobody
	@$(BIN)/python -m tools.bicep.posture

.PHONY: audit
audit: .venv/.development ## known vulnerabilities in what is pinned; fails where PyPI or npm's registry does not answer
	@$(BIN)/python -m tools.dependency_audit

.PHONY: types
types: .venv/.development ## mypy --strict, tests included; what is deployed also for Azure's Python
	@$(BIN)/mypy $(filter-out agent cli,$(SOURCES))
	@$(BIN)/mypy --python-version 3.12 function_app.py functions hub
	@$(BIN)/mypy agent
	@$(BIN)/mypy cli

.PHONY: format
format: .venv/.development ## put the code into shape
	@$(BIN)/ruff check --fix-only -q $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

.PHONY: docs
docs: .venv/.development ## write the generated parts of docs/
	@$(BIN)/python -m tools.docs_tables

.PHONY: lock
lock: .venv/.development ## pin what requirements*.in ask for, with hashes
	@for name in requirements requirements-local requirements-dev requirements-checkov; do \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-header $$name.in -o $$name.txt; done
	@$(BIN)/uv pip compile -q --python-version 3.9 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header agent/requirements.in -o agent/requirements.txt

.PHONY: clean
clean: ## remove what was installed and built here; your data in .local stays
	@rm -rf .venv .venv-checkov node_modules build .secrets_cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Nexomatic's hub needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/.local: requirements-local.txt | .venv/bin/python
	@echo "installing what the platform needs …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-local.txt
	@ln -sf ../../cli/nexo $(BIN)/nexo
	@touch $@

.venv/.development: requirements-dev.txt | .venv/bin/python
	@echo "installing the development tools …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@ln -sf ../../cli/nexo $(BIN)/nexo
	@touch $@ .venv/.local

.venv-checkov/.installed: requirements-checkov.txt | .venv/bin/python
	@echo "installing checkov, for the templates …"
	@$(PYTHON) -m venv .venv-checkov
	@.venv-checkov/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-checkov.txt
	@touch $@

node_modules/.installed: package-lock.json
	@command -v npm >/dev/null || { echo "Azurite comes from npm: install Node.js 20 or newer" >&2; exit 1; }
	@npm ci --silent --no-audit --no-fund
	@touch $@
