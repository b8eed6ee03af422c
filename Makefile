# The set-up and the checks. `make help` says what there is; PYTHON=python3.12 picks another Python for the set-up.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test evidence clean python

PYTHON ?= python3
# -I keeps benchmark/ off the import path, where its modules would hide the standard library's of the same name.
SET_UP = "$(PYTHON)" -I benchmark/setup_environment.py
VENV = .venv/bin

help:  ## this list
	@echo "DistillBench. On a bare Debian or Ubuntu first: apt-get install git make python3-venv"
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

demo: python  ## install into .venv if need be, then distil, score and show real digits (minutes)
	@$(SET_UP)
	@$(VENV)/distillbench demo

test: python  ## ruff, mypy and pytest: the gate of every change (up to 8 minutes)
	@$(SET_UP) test
	@failed=; \
	for step in "ruff check" "ruff format --check" mypy; do \
		start=$$(date +%s); \
		$(VENV)/python -m $$step || failed="$$failed $$step;"; \
		echo "$$step: $$(($$(date +%s) - start)) s"; \
	done; \
	if [ -n "$$failed" ]; then echo "Failed, see above:$$failed the tests run all the same." >&2; fi; \
	$(VENV)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal && [ -z "$$failed" ]

evidence: python  ## measure every bar of tests/evidence again into docs/evidence (hours; keeps finished trainings)
	@$(SET_UP) test
	@$(VENV)/python -m tests.evidence

clean:  ## remove .venv and the caches; the results in artifacts/local stay
	rm -rf .venv .tmp build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "There is no $(PYTHON) here. Install Python 3.11 or newer (Debian, Ubuntu: apt-get install python3-venv)," >&2; \
		echo "or name the one you have: make demo PYTHON=/path/to/python3" >&2; exit 5; }
