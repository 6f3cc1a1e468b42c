# One command for each thing a developer does: `make help` lists them.
#
# All set-up happens on demand and is remembered in stamp files under .venv, so nothing is done twice.
# PYTHON=… names the interpreter; another one than last time makes the environment anew.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUST   := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock
PYTEST_ARGS ?=
EXAMPLES ?= 20

created   := $(VENV)/.created-with-$(subst /,-,$(PYTHON))
installed := $(VENV)/.installed
native    := $(VENV)/.native
test_deps := $(VENV)/.installed-test
lint_deps := $(VENV)/.installed-lint
bench_deps := $(VENV)/.installed-bench

# maturin finds the environment by VIRTUAL_ENV; pip takes exact versions from the constraints.
export VIRTUAL_ENV    := $(CURDIR)/$(VENV)
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
maturin := $(BIN)/maturin develop --release
log     := $(VENV)/setup.log
# Shows what a set-up step printed only when it failed.
quietly  = { $(1); } > $(log) 2>&1 || { cat $(log); exit 1; }

.PHONY: help serve build test test-rust test-python lint-rust lint-python explore bench bench-micro bench-peers guard lint fmt lock clean all

help: ## Lists these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name what; do printf '  make %-12s %s\n' "$$name" "$$what"; done

serve: build ## Sets everything up and starts the server for development (ARGS=… adds options)
	@$(BIN)/sfu serve --dev $(ARGS)

build: $(native) ## Sets up .venv and builds the optimised server: .venv/bin/sfu

test: test-rust test-python ## Sets everything up and runs all tests, those in a real browser included

test-rust: $(native) ## Runs the tests of the Rust crates
	cargo test --workspace --exclude sfu-native --locked --quiet
	cargo test --package sfu-io --features portable --locked --quiet

test-python: $(native) $(test_deps) ## Runs the tests of the Python package (PYTEST_ARGS=… chooses)
	@if scripts/install-chromium; then $(BIN)/pytest $(PYTEST_ARGS); else $(BIN)/pytest -m "not browser" $(PYTEST_ARGS); fi

explore: $(native) $(test_deps) ## Looks for what random tests have not found yet: other examples, and EXAMPLES=20 times as many
	export PROPTEST_CASES=$$((256 * $(EXAMPLES))) PROPTEST_RNG_SEED=$$((RANDOM << 15 | RANDOM)); echo "PROPTEST_RNG_SEED=$$PROPTEST_RNG_SEED"; \
	cargo test --workspace --exclude sfu-native --locked --quiet
	SFU_EXAMPLES=$(EXAMPLES) $(BIN)/pytest --timeout 0 tests/properties tests/unit tests/differential $(PYTEST_ARGS)

bench: $(native) $(bench_deps) ## Measures all that the server must reach, on a quiet machine (BENCH_ARGS=… for sfu bench targets)
	@$(BIN)/sfu bench targets $(BENCH_ARGS)

bench-micro: ## Measures the stops of the packet path (BENCH_ARGS=… chooses)
	cargo bench --package sfu-core --locked --quiet --bench packet_path --bench bandwidth -- $(BENCH_ARGS)

bench-peers: $(native) $(bench_deps) ## Measures this server beside others that are installed (BENCH_ARGS=… chooses)
	@$(BIN)/python -m bench.peers $(BENCH_ARGS)

guard: ## Compares the instructions of a forwarded packet with bench/instructions.toml
	scripts/instruction-guard

lint: lint-rust lint-python ## Checks style, types, import directions and the native interface

lint-rust: $(created)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- --deny warnings

lint-python: $(native) $(lint_deps)
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest sfu._native --mypy-config-file pyproject.toml
	$(BIN)/lint-imports

fmt: $(lint_deps) ## Formats Rust and Python
	cargo fmt --all
	$(BIN)/ruff check --quiet --fix-only
	$(BIN)/ruff format --quiet

lock: $(test_deps) $(lint_deps) ## Writes constraints.txt anew from the newest versions that fit pyproject.toml
	env -u PIP_CONSTRAINT $(BIN)/pip install --quiet --upgrade --upgrade-strategy eager maturin --editable '.[test,lint]'
	{ sed '/^[^#]/d' constraints.txt; $(BIN)/pip freeze --exclude sfu; } > constraints.new && mv constraints.new constraints.txt

clean: ## Removes what was built and installed
	rm -rf $(VENV) target src/sfu/_native*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

all: lint test ## What must pass before a change lands

# ---- set-up, step by step -------------------------------------------------------------------------------------------

$(created):
	@scripts/check-prerequisites $(PYTHON)
	@echo "creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(installed): pyproject.toml constraints.txt $(created)
	@scripts/check-prerequisites $(PYTHON)
	@echo "installing what sfu needs into $(VENV)"
	@$(call quietly,$(BIN)/pip install maturin)
	@echo "building sfu, optimised (the first time takes a minute or two)"
	@$(call quietly,$(maturin))
	@touch $@

$(native): $(RUST) $(installed)
	@scripts/check-prerequisites $(PYTHON)
	@echo "building the native extension, optimised"
	@$(call quietly,$(maturin) --skip-install)
	@touch $@

$(test_deps): $(installed)
	@echo "installing what the tests need"
	@$(call quietly,$(maturin) --extras test)
	@touch $@

$(bench_deps): $(installed)
	@echo "installing what the benchmark needs"
	@$(call quietly,$(maturin) --extras bench)
	@touch $@

$(lint_deps): $(installed)
	@echo "installing what the linters need"
	@$(call quietly,$(maturin) --extras lint)
	@touch $@
