# `make demo` and `make test` are the two commands; `make help` lists the rest.
VENV := .venv
DEST ?= demo
PROJECT := $(shell sed -n 's/.*"project": "\([a-z-]*\)",/\1/p' cookiecutter.json | head -n 1)
DEMO := $(DEST)/$(PROJECT)
BOOTSTRAP := <<cookiecutter.project>>/requirements/bootstrap.lock

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export UV_PYTHON_DOWNLOADS := never
unexport PYTHONHOME VIRTUAL_ENV

APT := -qq -y --no-install-recommends -o Acquire::Retries=1 -o Acquire::http::Timeout=30

.DEFAULT_GOAL := help
.PHONY: help demo test chromium postgresql lint format bench lock clean

define FIND_PYTHON
for python in python3.13 python3.12 python3.11 python3 ""; do \
    "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; \
done; \
test -n "$$python" || { echo "no Python 3.11, 3.12 or 3.13 is on the PATH: install one" >&2; exit 1; }
endef

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-8s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.cookiecutter ## generate a project and run it: DEST=folder, UNTIL=2013-12-31
	@find "<<cookiecutter.project>>" \( -name __pycache__ -o -name '.*_cache' \) -prune -exec rm -rf {} +
	@test -d "$(DEMO)" || { echo "demo: generating $(DEMO)" && rm -rf "$(DEST)/.new" && \
	    cookiecutter --no-input -o "$(DEST)/.new" . && mv "$(DEST)/.new/$(PROJECT)" "$(DEMO)" && \
	    rmdir "$(DEST)/.new"; }
	@test -z "$(UNTIL)" || { sed 's/^  until: "[^"]*"/  until: "$(UNTIL)"/' "$(DEMO)/params.yaml" \
	    > "$(DEMO)/.params" && mv "$(DEMO)/.params" "$(DEMO)/params.yaml"; }
	@$(MAKE) --no-print-directory -C "$(DEMO)" setup repro
	@echo && $(MAKE) --no-print-directory -C "$(DEMO)" report
	@printf '%s\n' "project: $(DEMO)" "report:  $(DEMO)/reports/report.md" \
	    "metrics: $(DEMO)/reports/metrics.json" "next:    cd $(DEMO) && make help"

test: $(VENV)/.tests $(if $(FAST),,chromium postgresql) ## run all tests; FAST=1 runs those that take seconds
	@pytest $(if $(FAST),-m "not slow",$(if $(PYTEST),,-m "not slow")) $(PYTEST)
	@$(if $(PYTEST)$(FAST),,pytest -m slow -n auto --maxprocesses 4 --dist loadfile)

# The pictures of reports need a browser: without it, or the right to install it, they are skipped.
chromium:
	@command -v chromium >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
	    { echo "test: installing chromium from Debian, for the pictures of reports" && \
	    { apt-get $(APT) update && DEBIAN_FRONTEND=noninteractive apt-get $(APT) install chromium \
    fonts-liberation; } >/dev/null 2>&1; } || \
	    echo "test: chromium cannot be installed; the tests that need it are skipped"

# Debian would start a server of its own with it: the tests start theirs, on a socket of their own.
postgresql:
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || test "$$(id -u)" != 0 || \
	    ! command -v apt-get >/dev/null || \
	    { echo "test: installing postgresql from Debian, for MLflow's server" && \
	    export DEBIAN_FRONTEND=noninteractive && { apt-get $(APT) update && \
	    apt-get $(APT) install postgresql-common && \
	    sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' \
	        /etc/postgresql-common/createcluster.conf && \
	    apt-get $(APT) install postgresql; } >/dev/null 2>&1; } || \
	    echo "test: postgresql cannot be installed; MLflow's server in the tests is on a file"

lint: $(VENV)/.tests ## check style, types and workflows of the template itself
	@pytest -q tests/test_lint.py

format: $(VENV)/.tests ## format the template's Python files
	@ruff format -q --no-cache . && ruff check -q --no-cache --fix .

bench: $(VENV)/.tests ## print speed ratios, each measured in one run, and write benchmarks.json
	@python tests/bench.py

lock: $(VENV)/.tests ## renew the locks of the tests and of every kind of project
	@python tests/lock.py

clean: ## remove environments, caches and the demo
	@rm -rf $(VENV) .cache demo .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/uv:
	@$(FIND_PYTHON); echo "setup: $(VENV) with $$("$$python" -V)"; "$$python" -m venv $(VENV) && \
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r "$(BOOTSTRAP)"

$(VENV)/.cookiecutter: tests/cookiecutter.lock | $(VENV)/bin/uv
	@uv pip install -q --python $(VENV)/bin/python --require-hashes -r $<
	@touch $@

$(VENV)/.tests: tests/tests.lock | $(VENV)/bin/uv
	@echo "setup: the tests' environment from tests.lock"
	@UV_CACHE_DIR=.cache/uv uv pip sync -q --python $(VENV)/bin/python --require-hashes $<
	@touch $@ $(VENV)/.cookiecutter
