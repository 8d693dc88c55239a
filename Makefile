# `make demo` shows what it does, `make test` proves that it works; each sets up what it needs, in .venv.
# PYTHON=python3.12 make ... chooses the Python of the environment.
.DEFAULT_GOAL := help
.PHONY: help demo example test lint format screenshots clean

PY := .venv/bin/python
CODE := vos_kd evaluation leaderboard $(wildcard app.py)
EXAMPLE := outputs/example
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

help:  ## List these targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

demo:  ## Install, then serve the page: two models side by side on your clip
	@.ci/set-up requirements.txt
	$(PY) app.py --open

example:  ## Install, then segment a drawn clip with student and teacher on the command line
	@.ci/set-up requirements.txt
	$(PY) -m vos_kd.data.synthetic kites --out $(EXAMPLE)
	$(PY) -m vos_kd.segment $(EXAMPLE)/kites.mp4 --mask $(EXAMPLE)/Annotations/kites/00000.png \
		--model student,teacher --out $(EXAMPLE)/result --overwrite

# One thread a worker: torch's own threads would fight over the cores that the workers fill. Two runs: a worker that has
# lived through all of the tests, with every library of theirs in one process, has been seen to die near the end.
test: lint  ## Install, then every check: lint, types, imports, tests
	@.ci/chromium
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) tests/architecture tests/cli tests/e2e tests/golden tests/property
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) tests/unit

lint:  ## Ruff, mypy and import-linter
	@.ci/set-up requirements-dev.txt
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy $(CODE)
	$(dir $(PY))lint-imports --no-logo

format:  ## Format the code and mend what ruff can mend
	@.ci/set-up requirements-dev.txt
	$(PY) -m ruff format
	$(PY) -m ruff check --fix

screenshots:  ## Install, then take README's pictures of the page anew
	@.ci/set-up requirements-dev.txt
	@.ci/chromium
	$(PY) tests/e2e/screenshots.py

clean:  ## Remove outputs and caches; .venv stays
	rm -rf outputs build dist *.egg-info .gradio .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
