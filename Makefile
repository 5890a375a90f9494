# Every task is one command. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEV    := PYTHONPATH=dev $(BIN)/python -m moorage_dev

# The lock files are made for every platform and for all Python versions that the project supports.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" $(UPGRADE)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

.PHONY: init
init: $(STAMP) ## Make .venv from the lock (no-op when it is up to date)

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: Python 3.11 or newer is needed, and '$(PYTHON)' is not: install it, or say 'make PYTHON=/path/to/python3.12'" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "error: '$(PYTHON)' has no venv module: install it (Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@if ! cmp -s requirements-dev.lock $(VENV)/.lock 2>/dev/null; then \
	  echo "installing the Python packages of requirements-dev.lock into $(VENV) …" && \
	  rm -rf $(VENV) && $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --progress-bar off --disable-pip-version-check --require-hashes -r requirements-dev.lock \
	    | awk '/^Collecting/ && ++n % 20 == 0 { print "  " n " packages found …"; fflush() } /^Installing/ { print "  writing them …"; fflush() }' && \
	  cp requirements-dev.lock $(VENV)/.lock; \
	fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

.PHONY: lint
lint: style types ## Style, formatting, types, layers

.PHONY: style
style: init ## Only style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: init ## Only types and layers
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Tests run side by side, each lane on an API server of its own; a cluster that was given has one lane: LANES=0.
LANES ?= 3

.PHONY: test
test: init ## Everything: lint, generated files, all tests (real API server)
	@$(DEV) whole-run --lanes=$(LANES)

.PHONY: test-unit
test-unit: init ## Only the tests that need nothing but Python
	$(BIN)/python -m pytest tests/unit

.PHONY: test-cluster
test-cluster: control-plane ## Only the tests against a real API server
	$(BIN)/python -m pytest -m cluster

.PHONY: test-engines
test-engines: control-plane ## Argo CD, Flux, Argo Rollouts, cert-manager, Traefik and Prometheus themselves (built once; not part of `make test`)
	$(BIN)/python -m pytest -m engines tests/engines

.PHONY: test-image-arm64
test-image-arm64: control-plane ## The image built for arm64 and run by QEMU, where this machine is of another kind
	$(DEV) foreign arm64 $(abspath $(BIN))/python -m pytest tests/image/test_image.py $(ARGS)

.PHONY: test-oldest
test-oldest: init ## The tests against a real API server, on the oldest Kubernetes that has everything (built once)
	@$(DEV) oldest $(BIN)/python -m pytest -m cluster -n $(LANES) --dist loadscope --no-loadscope-reorder $(ARGS)

.PHONY: generate
generate: init ## Write CRDs, the chart's copies and openapi.json from the code
	$(DEV).generate

.PHONY: check-generated
check-generated: init ## Fail if a generated file is stale
	$(DEV).generate --check

.PHONY: control-plane
control-plane: init ## Fetch or build kube-apiserver, etcd, kube-controller-manager, kubectl once, outside the checkout
	@$(DEV) control-plane

.PHONY: assets
assets: init ## Build the control plane for a mirror (dist/assets) and pin its sums
	@$(DEV) assets publish

.PHONY: pin-assets
pin-assets: init ## Pin the sums that Kubernetes and etcd publish for the versions in go.mod
	@$(DEV) assets pin

.PHONY: up
up: init ## Start everything in the background; writes dev/.run/env (NODE=0: without a node for pods)
	@$(DEV) up

.PHONY: down
down: init ## Stop what `make up` started
	@$(DEV) down

.PHONY: demo
demo: init ## `make up`, then a story on realistic manifests
	@$(DEV) demo

.PHONY: page
page: init ## Build the page of web/ into web/dist (no-op when nothing changed)
	@$(DEV) page

.PHONY: screenshots
screenshots: init ## Pictures of the page for the docs, of what `make demo` has left running
	@$(DEV) screenshots $(ARGS)

.PHONY: bench
bench: init ## Measure speed; prints tables and writes JSON (ARGS="--only command")
	$(DEV) bench $(ARGS)

.PHONY: measures
measures: init ## Print sizes of files and functions (ARGS="--at COMMIT": of another commit)
	$(DEV) measures $(ARGS)

.PHONY: dist
dist: init ## All that a release publishes, in dist/release (IMAGE=0: without the image, which needs root)
	@$(DEV) dist $(if $(filter 0,$(IMAGE)),--no-image) $(ARGS)

.PHONY: kind
kind: init ## With a Docker engine: image, kind cluster, chart, smoke test
	@$(DEV) kind $(ARGS)

.PHONY: node
node: init ## As root, without a Docker engine: a real node, image, chart, smoke test
	@$(DEV) node $(ARGS)

.PHONY: node-down
node-down: init ## Remove what `make node` started
	@$(DEV) node --down

.PHONY: lock
lock: init ## Write the lock files from pyproject.toml (UPGRADE=--upgrade for newer versions)
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) -c requirements.lock pyproject.toml --group dev -o requirements-dev.lock
	$(LOCK) -c requirements-dev.lock --group build -o requirements-build.lock
	$(LOCK) --group audit -o requirements-audit.lock
	$(LOCK) --group go -o requirements-go.lock
	$(LOCK) --group web -o requirements-web.lock
	$(LOCK) --group clients -o requirements-clients.lock
