# `make help` lists the targets. Two of them are all that a newcomer needs: demo and test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DEMO := build/demo
TOOLS := $(VENV)/tools
PIP := -m pip install --quiet --disable-pip-version-check
# A lock holds every package, so pip has nothing to find out, and takes no file without its hash.
LOCKED := --no-deps --require-hashes
COMPILE := $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command "make lock"
E2E := $(BIN)/pytest tests/e2e -n 2 --dist loadfile --no-loadscope-reorder
VENDOR ?= zendesk_support
KEEP :=
N ?= 10000
# What `make build` and `make deploy` take; CONTAINER=1 builds in a container, for a runtime that is not here.
STACK := jobferry
RUNTIME := python3.13
ARCHITECTURE := arm64
REGION :=
PARAMS :=
TAGS :=
CONTAINER :=
BUILT_FOR = --runtime $(RUNTIME) --architecture $(ARCHITECTURE)
OVERRIDES = --parameter-overrides Runtime=$(RUNTIME) Architecture=$(ARCHITECTURE)
# `sam build` looks for the runtime's interpreter on PATH; that of the environment is one.
BUILD_PATH = $(CURDIR)/$(BIN):$$PATH

# Tests start commands and test runs by the hundred: what they import is compiled once.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types unit thorough coverage faults telling checks e2e e2e-log chaos fuzz mutants bench bench-quick lock sbom build deploy validate clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(STAMP) ## the environment in .venv, with the command jobferry

$(STAMP): requirements/lock.txt pyproject.toml
	@echo "Installing into $(VENV), once: Jobferry, SAM, an emulator of AWS, what tests need. One to two minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python tools/install.py --no-compile $(LOCKED) -r requirements/lock.txt
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true # pip would do so with one processor
	$(BIN)/python $(PIP) --no-deps --no-build-isolation -e .
	touch $@

demo: setup ## a sample CSV through the whole system, on this machine; KEEP=1 leaves the stack up
	@$(BIN)/python -m tools.demo --out $(DEMO) --vendor $(VENDOR) $(if $(KEEP),--keep)

# The end-to-end tests wait most of their time, so they run beside the others, which give way to them.
test: setup ## everything that needs no cloud
	@mkdir -p build
	@echo "The end-to-end tests run beside the others; what they print follows at the end."
	@$(MAKE) --no-print-directory --jobs=2 --keep-going checks e2e-log || { cat build/e2e.log; exit 1; }
	@cat build/e2e.log

checks: ## all of test but the end-to-end tests, one after the other
	@nice $(MAKE) --no-print-directory IN_TURN=1 lint types unit telling faults

e2e-log: setup ## the end-to-end tests, with what they print in build/e2e.log
	@mkdir -p build
	@exec $(E2E) >build/e2e.log 2>&1

ifdef IN_TURN
.NOTPARALLEL:
endif

lint: setup $(TOOLS)/.ready ## style, words, structure, state machine, template (cfn-lint, checkov, rules of the house)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/check_words.py
	$(BIN)/python tools/structure.py
	$(BIN)/python tools/check_asl.py statemachines/run.asl.json --template template.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(BIN)/sam validate --lint
	$(BIN)/python tools/lint_template.py --checkov $(TOOLS)/bin/checkov
	$(BIN)/pytest tests/template/test_template.py tests/template/test_account.py

# What does not go with the SAM CLI, or is seldom needed, has an environment of its own.
$(TOOLS)/.ready: requirements/tools.txt | setup
	$(BIN)/python -m venv --clear $(TOOLS)
	$(TOOLS)/bin/python $(PIP) --no-compile $(LOCKED) -r requirements/tools.txt
	touch $@

types: setup ## mypy, strict
	$(BIN)/mypy

unit: setup ## all tests but those on the emulator and the chaos scenarios; of long proofs a part
	$(BIN)/pytest tests --ignore=tests/e2e --ignore=tests/chaos -n 2

thorough: setup ## the same, with long proofs as a whole
	THOROUGH=1 $(BIN)/pytest tests --ignore=tests/e2e -n 2

coverage: setup ## the same as unit, and what of the layer they reach: nine tenths at the least
	$(BIN)/pytest tests --ignore=tests/e2e --ignore=tests/chaos -n 2 --cov --cov-report=term:skip-covered --cov-fail-under=90

e2e: setup ## the deployed stack on the emulator, IAM enforced
	$(E2E)

faults: setup ## some five hundred chaos scenarios, and seeded defects that they must find
	$(BIN)/pytest tests/chaos -n 2 --dist worksteal

chaos: setup ## N chaos scenarios (10,000), every promise checked after each
	$(BIN)/python -m tests.chaos --scenarios $(N) --processes 2

fuzz: setup ## N bad answers (10,000) to every adapter and call: a verdict or a declared error
	$(BIN)/python -m tests.fuzz --cases $(N) --processes 2

mutants: setup ## would a test notice, if a line of the core were wrong? each line, changed in turn
	$(BIN)/python tools/mutants.py

telling: setup ## a handful of such changes, of which each must be noticed
	$(BIN)/python tools/mutants.py --telling

bench: setup ## every benchmark against its bound; results in build/bench.json
	$(BIN)/python benchmarks/report.py

bench-quick: setup ## the same in small sizes; a few minutes
	$(BIN)/python benchmarks/report.py --quick

lock: $(TOOLS)/.ready ## pin what pyproject.toml asks for: every version, every file's hash
	$(COMPILE) --all-extras -o requirements/lock.txt pyproject.toml
	$(COMPILE) -c requirements/lock.txt -o layers/jobferry/requirements.txt requirements/layer.in
	$(COMPILE) -c requirements/lock.txt --extra cli -o requirements/cli.txt pyproject.toml
	$(COMPILE) -o requirements/tools.txt requirements/tools.in

sbom: setup ## what layer and command are made of (CycloneDX), and their licences, in build/sbom
	$(BIN)/python tools/sbom.py

validate: lint ## the same as lint

build: setup ## what would be deployed, and a check of it: RUNTIME, ARCHITECTURE, CONTAINER=1
	PATH="$(BUILD_PATH)" $(BIN)/python tools/check_build.py before $(BUILT_FOR) \
	  $(if $(CONTAINER),--container) --parameters $(PARAMS)
	PATH="$(BUILD_PATH)" $(BIN)/sam build $(if $(CONTAINER),--use-container) $(OVERRIDES)
	$(BIN)/python tools/check_build.py after $(BUILT_FOR)
	PATH="$(BUILD_PATH)" $(BIN)/python tools/compile_layer.py

deploy: build ## to AWS, as built: also STACK, REGION, TAGS, PARAMS="AlarmEmail=…"; asks once, not with CI=1
	$(BIN)/sam deploy --stack-name $(STACK) $(if $(REGION),--region $(REGION)) \
	  $(if $(CI),--no-confirm-changeset) $(if $(TAGS),--tags $(TAGS)) $(OVERRIDES) $(PARAMS)

clean: ## what was built, not the environment
	rm -rf build .aws-sam .jobferry
