# Everything lives in .venv; every target can be run again at any time.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := sim,menagerie,teleop,view,train,ros,dev
ROS_PACKAGES := $(wildcard ros_ws/src/*/setup.py)

.PHONY: setup demo test lint format types clean help

help: ## show the targets
	@grep -hE '^[a-z][a-z%-]*:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(VENV)/.installed ## create .venv with everything that demo and tests need

$(VENV)/.installed: pyproject.toml constraints.txt $(ROS_PACKAGES)
	@echo "setting up $(VENV) (about two minutes the first time)"
	@date +%s > .setup-began
	@./tools/install-system-packages $(PYTHON)
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt $(addprefix -e ./,$(patsubst %/setup.py,%,$(ROS_PACKAGES)))
	@echo $$(($$(date +%s) - $$(cat .setup-began))) > $(VENV)/.setup-seconds; rm .setup-began
	@touch $@

demo: setup ## record, train, evaluate, export and deploy an SO-101 reach, with a report
	$(BIN)/trirl demo

test: setup ## format, lint, types, import rules, spelling, then the tests
	$(MAKE) --no-print-directory lint types
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/codespell

types: setup
	$(BIN)/mypy

format: setup ## format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-%: $(VENV)/.bench ## run benchmarks/NAME.py, such as bench-sim_throughput; ARGS="--quick" is passed on
	$(BIN)/python benchmarks/$*.py $(ARGS)

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS),bench]"
	@touch $@

clean: ## remove the environment and what the tools left
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage* build ros_ws/build ros_ws/install ros_ws/log
