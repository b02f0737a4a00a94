# Everything here needs python3 (3.11 or newer) with venv, and make. The rest is installed into .venv.
PYTHON ?= python3
UV := .venv/bin/uv
SYNC := $(UV) pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes
UV_VERSION := 0.13.9

.DEFAULT_GOAL := help
.PHONY: help compare bench report serve test lint format lock vendor clean

help: ## list the targets
	@echo "transport-compare: make TARGET"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

compare: .venv/ready ## measure all transports, draw the charts, write the report (QUICK=1, FULL=1, ONLY=latency, NEW=1)
	@.venv/bin/python -m experiments compare $(if $(QUICK),--quick) $(if $(FULL),--full) $(if $(ONLY),--only $(ONLY)) $(if $(NEW),--new) $(if $(SEED),--seed $(SEED))

bench: .venv/ready ## measure this server beside Node's ws, Socket.IO and others (QUICK=1, FULL=1, NEW=1, RESULTS=DIR)
	@.venv/bin/python -m experiments.bench $(if $(QUICK),--quick) $(if $(FULL),--full) $(if $(NEW),--new) $(if $(SEED),--seed $(SEED)) $(if $(RESULTS),--results $(RESULTS))

report: .venv/ready ## draw charts and report again from stored data (RESULTS=results/latest)
	@.venv/bin/python -m experiments report $(or $(RESULTS),results/latest)

serve: .venv/ready ## start the server, for your browser (PORT=8000)
	@.venv/bin/python -m app --port $(or $(PORT),8000)

test: .venv/ready-dev ## run the tests, side by side; then those that measure, two files at a time
	@.venv/bin/python -m tests.chromium
	@.venv/bin/python -m pytest -n 3 --dist worksteal -m "not serial" $(TESTS) || test $$? -eq 5 -a -n "$(TESTS)"
	@.venv/bin/python -m pytest -n 2 --dist loadfile -m serial $(TESTS) || test $$? -eq 5 -a -n "$(TESTS)"

lint: .venv/ready-dev ## check format, style and types
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

format: .venv/ready-dev ## put the code into shape
	.venv/bin/ruff check --fix-only --quiet .
	.venv/bin/ruff format .

lock: .venv/bin/uv ## pin the newest allowed versions of everything, with hashes
	$(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.txt
	$(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	$(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" pyproject.toml --extra bench -c requirements.txt -o requirements-bench.txt

vendor: .venv/ready-dev ## fetch the newest allowed versions of the pages' JavaScript libraries (needs npm)
	@.venv/bin/python -m tests.vendor

clean: ## remove what was installed and cached (results stay)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis experiments/bench/peers/node_modules

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "transport-compare needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "python3 has no venv: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Measuring alone needs fewer packages; the larger set contains them.
.venv/ready: .venv/bin/uv requirements.txt
	@test -e .venv/ready-dev && test .venv/ready-dev -nt requirements.txt || { echo "installing packages into .venv"; $(SYNC) requirements.txt; }
	@touch $@

.venv/ready-dev: .venv/bin/uv requirements-dev.txt requirements.txt
	@echo "installing packages into .venv"
	@$(SYNC) requirements-dev.txt
	@touch $@
