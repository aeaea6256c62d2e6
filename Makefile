# Every target sets up what it needs: Python 3.11 or newer is all that has to be there.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev
# Tests and benchmarks use a server of yours instead of the embedded one: make test CLICKHOUSE_URL=http://user:pass@host:8123
export ASSAY_TEST_CLICKHOUSE_URL = $(CLICKHOUSE_URL)
.DEFAULT_GOAL := help

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 24

# The locked set, without a resolver: the same files next year, and none of what chdb-core asks for but never loads.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 …")'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-compile -r requirements.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(DEV_READY): $(READY) requirements-dev.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev.lock
	@touch $@

demo: $(READY) ## the main job on real captures, start to end
	@$(VENV)/bin/assay demo

# Two at a time, each with a ClickHouse of its own: most of a test is waiting.
test: $(DEV_READY) ## everything that must hold (about a quarter of an hour on 2 cores)
	@$(PY) -m pytest -n 2 --dist loadfile -m "not soak"

# For CI.  A test that fails beside thousands of others and passes alone is named, and must be repaired; many are no accident.
test-again: $(DEV_READY) ## what failed in the last `make test` once more, one by one; five at most
	@$(PY) -c 'import json; failed = json.load(open(".pytest_cache/v/cache/lastfailed")); print("once more, alone:", *failed, sep="\n  "); exit(len(failed) > 5)'
	@$(PY) -m pytest --last-failed --last-failed-no-failures none -m "not soak"
	@echo "UNSTABLE: the tests above failed beside others and pass alone. Repair them."

check: $(DEV_READY) ## lint, types, architecture, protos (a minute at most)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(PY) -m protos.lint

protos: $(DEV_READY) ## generate evaluator/v1 from protos/
	@$(PY) protos/generate.py

conformance: $(DEV_READY) ## dialects of LLM spans: family × field
	@$(PY) -m tests.dialects.conformance

bench: $(DEV_READY) ## figures of benchmarks/README.md
	@$(PY) -m benchmarks

test-collector: $(DEV_READY) ## a real OpenTelemetry Collector in front (needs Go)
	@ASSAY_TEST_COLLECTOR=1 $(PY) -m pytest -m collector -rs tests/collector

soak: $(DEV_READY) ## the long versions of the fault tests
	@$(PY) -m pytest -m soak -rs

lock: $(DEV_READY) ## resolve the dependencies of pyproject.toml again
	@$(PY) -m pip install --quiet uv
	@printf 'pandas ; sys_platform == "never"\npyarrow ; sys_platform == "never"\n' > $(VENV)/overrides.txt
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --override $(VENV)/overrides.txt \
	  --extra embedded pyproject.toml -o requirements.lock
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --override $(VENV)/overrides.txt \
	  --extra embedded --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

.PHONY: help demo test check protos conformance bench test-collector soak lock
