# make help lists the targets. Needs Python >= 3.11 (PYTHON=... names it) and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests on real data run where it is found, and are skipped elsewhere.
COLONNADE_DATA ?= $(abspath $(wildcard ../shared/data))
export COLONNADE_DATA
DEMO := outputs/demo

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-ray test-others check bench clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(VENV)/.ready ## make .venv with everything: framework, extras, tools

# What only runs, without tests and tools: enough for the demo.
$(VENV)/.runtime: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.ready: $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.runtime ## train on real data that scikit-learn ships, and say where to look
	$(BIN)/python train.py model=tabm data=breast_cancer trainer.max_epochs=30 overwrite=true hydra.run.dir=$(DEMO)
	@echo
	@echo "Made: $(DEMO)"
	@echo "  metrics       $(DEMO)/result.json, by epoch $(DEMO)/metrics.jsonl"
	@echo "  predictions   $(DEMO)/predictions.parquet"
	@echo "  curves        $(BIN)/tensorboard --logdir $(DEMO)/tensorboard"
	@echo "Next: $(BIN)/colonnade inspect data.path=your.csv"

test: setup ## every test
	OMP_NUM_THREADS=1 $(MAKE) --no-print-directory -j 2 test-ray test-others

# Ray mostly waits for processes of its own, of which one session must not see those of another.
test-ray:
	$(BIN)/python -m pytest tests/tuning/launchers/test_ray.py
	$(BIN)/python -m pytest tests/runs/test_ray_train.py

# Three workers on two cores: many a test waits for a process of its own.
test-others:
	$(BIN)/python -m pytest -n 3 --dist worksteal

check: setup ## lint, format, types, import floors, examples in docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --doctest-modules src/colonnade -q

bench: setup ## speed, as ratios against bare loops in the same run; BENCH="epoch encode process search windows" chooses
	OMP_NUM_THREADS=1 $(BIN)/python scripts/bench $(BENCH)

clean: ## remove .venv, caches and what runs have made
	rm -rf $(VENV) build dist outputs multirun .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
