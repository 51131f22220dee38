# The two commands are `make run` and `make test`; each installs what it needs first.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := 1
export RAY_USAGE_STATS_ENABLED := 0
export CUBLAS_WORKSPACE_CONFIG := :4096:8
UI_PORT ?= 5000

.PHONY: run systems test reliability ui docs bench lint install clean

install: $(VENV)/installed

# The lock names every package, so there is nothing to resolve, and two pips can share the list. pip would compile 26,000
# files; Python compiles those that it imports.
$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	xargs -n 40 -P 2 $(VENV)/bin/python -m pip install --quiet --no-deps --no-compile --progress-bar off < requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# The whole pipeline. PROFILE=reduced runs the same dvc.yaml with profiles/reduced.yaml laid over params.yaml, in a
# workspace of its own, so that the checkout stays as it is.
run: install
ifdef PROFILE
	contactlens run --profile $(PROFILE) --workspace workspaces/$(PROFILE)
else
	contactlens run
endif

# Every system of systems.yaml on one simulated set -> systems/systems.csv and the table in docs/systems.md;
# PROFILE=systems_small in a few minutes, the page as it is.
systems: install
	contactlens tracks systems $(if $(PROFILE),--profile $(PROFILE) --out workspaces/$(PROFILE),--profile unsearched --page docs/systems.md)

# Two workers on two processors: OpenMP's second thread of either would wait for the other's processor. They take the
# files in the order that tests/conftest.py gives, in place of the longest by count.
test: install
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# The tests that inject faults, and the table of what they saw.
reliability: install
	python -m pytest -n 2 --dist loadfile --slow --fault-table docs/reliability.md tests/reliability

ui: install
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false contactlens ui --port $(UI_PORT)

# The documentation site, with its notebooks executed -> docs/_build/html/index.html.
docs: install
	python -m sphinx -q -W --keep-going -b html docs docs/_build/html

bench: install
	python benchmarks/cli_start.py
	python benchmarks/simulator_throughput.py
	python benchmarks/training_throughput.py
	python benchmarks/all_frames_attribution.py
	python benchmarks/selective_scan.py
	python benchmarks/caduceus_131k.py
	python benchmarks/cluster_sweep.py

lint: install
	ruff check .
	ruff format --check .
	mypy
	python .ci/audit.py

clean:
	rm -rf $(VENV)
