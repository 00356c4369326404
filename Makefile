# Paywright. `make up` brings the whole system up; `make help` lists the rest.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK_FLAGS := --quiet --generate-hashes --no-header --no-annotate

.PHONY: help setup setup-dev up down test faults races check docs lock build bench compat clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# uv installs the hashed lock in seconds where pip takes a minute; uv itself comes hashed through pip.
$(VENV)/.runtime: requirements.lock requirements-uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Paywright needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=python3.11, for example.")'
	@echo "Setting up $(VENV): hashed dependencies, once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-uv.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Setting up the tools for tests and checks, once"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.runtime ## make .venv with hashed dependencies, once
# Tests drive the emulator with the AWS command line; its botocore would hold ours back.
AWSCLI_VENV := .venv-awscli
$(AWSCLI_VENV)/.installed: requirements-awscli.lock | $(VENV)/.runtime
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(AWSCLI_VENV)
	@$(BIN)/uv pip install --quiet --python $(AWSCLI_VENV)/bin/python --require-hashes -r requirements-awscli.lock
	@touch $@

setup-dev: $(VENV)/.dev $(AWSCLI_VENV)/.installed ## the same, with the tools for tests and checks

up: setup ## start everything and show a live log; Ctrl-C stops it all
	@$(BIN)/paywright up

down: setup ## stop what `paywright up --detach` started
	@$(BIN)/paywright down

test: setup-dev ## unit, integration and end-to-end tests, in parallel, against real servers
	@$(BIN)/pytest -n auto --dist loadgroup

faults: setup-dev ## two minutes of kill -9 under load, then every event has to arrive; SEED=1 repeats one
	@PAYWRIGHT_FAULTS_S=120 PAYWRIGHT_FAULTS_SEED=$(or $(SEED),$(shell date +%s)) $(BIN)/pytest -s tests/simulation/test_faults.py

RACES := simulation/test_races.py simulation/test_one_key.py simulation/test_payment_model.py e2e/test_crowds.py
races: setup-dev ## all races and the model of a payment, each with 25 seeds, a line for each; SEEDS=100 for more
	@PAYWRIGHT_SEEDS=$(or $(SEEDS),25) $(BIN)/pytest -vv $(RACES:%=tests/%)

check: setup-dev ## format, lint, types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: setup-dev ## measure the emulator beside its peers; BENCH="hello queue" chooses
	@$(BIN)/python -m tests.bench $(BENCH)

docs: setup ## make docs/openapi.json, docs/events.md and what else is made from the code
	@$(BIN)/python -m tools.reference

# SAM has a venv of its own: its dependencies would hold ours back.
SAM_VENV := .venv-sam
$(SAM_VENV)/.installed: requirements-sam.lock | $(VENV)/.runtime
	@echo "Setting up $(SAM_VENV) with the AWS SAM command line, once"
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(SAM_VENV)
	@$(BIN)/uv pip install --quiet --python $(SAM_VENV)/bin/python --require-hashes -r requirements-sam.lock
	@touch $@

# SAM runs make itself for each function and the layer: its make gets our Python, and none of the
# flags or variables that this make was called with.
SAM := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL SAM_CLI_TELEMETRY=0 PYTHON=$(abspath $(BIN))/python $(SAM_VENV)/bin/sam

build: setup $(SAM_VENV)/.installed ## lint template.yaml and build what AWS gets, into .aws-sam
	@$(SAM) validate --lint
	@$(SAM) build
	@$(BIN)/python tests/conformance/template/check_artifacts.py .aws-sam/build

# LocalStack wants Python 3.13 and, like SAM, dependencies of its own.
LOCALSTACK_VENV := .venv-localstack
PYTHON_3_13 ?= $(firstword $(shell python3.13 -c 'import sys; print(sys.executable)' 2>/dev/null) $(wildcard $(HOME)/.pyenv/versions/3.13.*/bin/python3.13))
$(LOCALSTACK_VENV)/.installed: requirements-localstack.lock | $(VENV)/.runtime
	@test -n "$(PYTHON_3_13)" || { echo "LocalStack needs Python 3.13; set PYTHON_3_13=/path/to/python3.13"; exit 1; }
	@echo "Setting up $(LOCALSTACK_VENV) with LocalStack, once"
	@$(BIN)/uv venv --quiet --allow-existing --python $(PYTHON_3_13) $(LOCALSTACK_VENV)
	@$(BIN)/uv pip install --quiet --python $(LOCALSTACK_VENV)/bin/python --require-hashes -r requirements-localstack.lock
	@touch $@

compat: setup-dev ## the emulator with LocalStack's queues, buses and schedules (needs Python 3.13)
	@$(MAKE) --no-print-directory $(LOCALSTACK_VENV)/.installed || echo "LocalStack cannot be set up here, as said above: its tests are skipped"
	@$(BIN)/pytest tests/compat -rs

lock: setup ## renew all lock files from pyproject.toml and requirements*.in
	@$(BIN)/uv pip compile $(LOCK_FLAGS) --universal --python-version 3.11 requirements-uv.in -o requirements-uv.lock
	@$(BIN)/uv pip compile $(LOCK_FLAGS) --universal --python-version 3.11 pyproject.toml requirements-build.in -o requirements.lock
	@$(BIN)/uv pip compile $(LOCK_FLAGS) --universal --python-version 3.11 pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock
	@$(BIN)/uv pip compile $(LOCK_FLAGS) --universal --python-version 3.11 requirements-sam.in -o requirements-sam.lock
	@$(BIN)/uv pip compile $(LOCK_FLAGS) --universal --python-version 3.11 requirements-awscli.in -o requirements-awscli.lock
	@$(BIN)/uv pip compile $(LOCK_FLAGS) --universal --python-version 3.13 --exclude-newer 2026-04-01 requirements-localstack.in -o requirements-localstack.lock
	@$(BIN)/uv pip compile $(LOCK_FLAGS) --python-version 3.13 --python-platform aarch64-manylinux_2_28 -c requirements.lock layers/shared/requirements.txt -o layers/shared/requirements.lock

clean: ## remove build output and caches (data in .paywright stays)
	@rm -rf .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
