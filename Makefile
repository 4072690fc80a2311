# The commands of this repository; `make` alone lists them. Each only forwards.
PYTHON ?= python3
BIN := .venv/bin
PYTHON_HERE = $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
READY := .venv/.installed
READY_DEV := .venv/.installed-dev
MLX := .venv-mlx/.installed

.DEFAULT_GOAL := help
.PHONY: help setup dev mlx run llamacpp new test test-all lint words signatures golden bench bench-data bench-gpu bench-scale faults schema architecture models

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {print substr($$0, 5) ":"} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo "settings:"
	@echo "  PROFILE=colab|cpu|cuda|mac|mps|ssh; without it: what fits this machine"
	@echo "  PROJECT=name      another project than the newest, for the commands of a project"

##@ to begin with

setup: $(READY) ## install what a run needs into .venv, by uv if it is there; LOCK=1: by hash
	@$(if $(filter setup,$(MAKECMDGOALS)),printf '%s\n' "ready:" "  make new     a project of your own data" "  make run     every phase on the embedded task" "  make studio  both in the browser",:)

INSTALL = $(PYTHON) scripts/install_packages.py --venv .venv --command "make $(or $(firstword $(MAKECMDGOALS)),setup)"

$(READY): pyproject.toml
	@$(INSTALL) $(if $(LOCK),--lock scripts/dev/locks/cpu.txt) --editable ".[cpu]"
	@touch $(READY)

mlx: $(MLX) ## MLX for PROFILE=mac, into .venv-mlx; LIGHT=1: what the tests load

$(MLX): pyproject.toml
	@$(PYTHON) scripts/install_packages.py --venv .venv-mlx --extras mlx --alone $(if $(LIGHT),--skip mlx-tune --bare mlx-vlm) --command "make mlx"
	@$(if $(LIGHT),:,touch $(MLX))

# without PROFILE a project takes what fits the machine and says so; here only MLX and `make doctor` have to know it
TAKEN = $(or $(PROFILE),$(if $(filter Darwin/arm64,$(shell uname -s)/$(shell uname -m)),mac),$(if $(shell command -v nvidia-smi),cuda),cpu)

# A command of a project, in its folder; what it prints works from here. It acts on the project of `make run` or on the newest.
FORWARD = GASLAMP_PREFIX="$$project/" GASLAMP_PROJECT="$(PROJECT)" $(MAKE) --no-print-directory -C "$$project" $@
NAMED := $(if $(PROJECT),--project "$(PROJECT)")

run: setup $(if $(filter mac,$(TAKEN)),mlx) ## every phase on the embedded task, in projects/; goes on where it stopped
	@project="$$($(BIN)/python scripts/start_project.py $(NAMED))" && $(FORWARD)

llamacpp: setup ## all of llama.cpp, found or built, for every project
	@project="$$($(BIN)/python scripts/start_project.py $(NAMED))" && $(FORWARD)

new: setup ## a project of your own, in projects/: two questions and a plan to change
	@$(BIN)/python scripts/new_project.py $(call GIVEN,TASK,--task) $(call GIVEN,DATA,--data) $(call GIVEN,SET,--set) \
	$(call GIVEN,PROFILE,--profile) \
	$(if $(NO_INPUT),--no-input) $(JSON_FLAG)

.PHONY: studio
studio: setup ## all of it in the browser: new project, data, run, results, chat; PORT=, PROJECT=
	@$(BIN)/python scripts/start_studio.py --open $(if $(PROJECT),--project "$$($(BIN)/python scripts/start_project.py $(NAMED))") $(if $(PORT),--port "$(PORT)")

# what the command line of make says, as an option: the environment may have a DATA of its own
JSON_FLAG = $(if $(JSON),--json)
GIVEN = $(if $(filter command line,$(origin $(1))),$(2) "$$$(1)")

ADVICE = $(if $(TASK),--task "$(TASK)") $(if $(DATA),--data "$(DATA)") $(if $(METHOD),--method "$(METHOD)") \
	$(if $(MACHINE),--machine "$(MACHINE)") $(if $(PROFILE),--profile "$(PROFILE)") $(if $(LANGUAGES),--languages "$(LANGUAGES)") \
	$(if $(NEEDS),--needs "$(NEEDS)") $(if $(ROWS),--rows "$(ROWS)") $(if $(TOKENS),--tokens "$(TOKENS)") \
	$(if $(ALL),--all) $(if $(EXPLAIN),--explain) $(JSON_FLAG)

.PHONY: advise
advise: setup ## base models that fit this machine, or MACHINE=t4|l4|a100|h100|mac16|mac32|mac64
	@$(BIN)/python scripts/advise_models.py $(ADVICE)

##@ the newest project (data, generate, review, label, serve, chat-eval and replay too)

deploy: ## measure the speed of each level, serve the recommended one, open the chat
chat: ## chat with the served model in the terminal
stop: ## stop the server
cancel: ## stop the run that is going on; it saves its work
status: ## one look at what runs, and what to do next
results: ## scores with intervals, levels, parity, and where the files are
sweep: ## make run for a sweep that Optuna steers; goes on after a kill
adopt: ## take a point of a sweep over into config.yaml: RUN=name
learning-curve: ## would more data help? Trains on 10, 25, 50 % of the rows too
verify: ## recompute the hashes of a run, rows to GGUF; FILE=x.gguf: is it from here?
try: ## what to try after a run that learned too little; N=1 trains with it
dashboard: ## live curves and phases in the browser
watch: ## the same in the terminal
push: ## to the model hub; DRY_RUN=1 only shows what would go
reconfigure: ## answer again: shows what changes and what it would run again first
plan: ## what a run would do: jobs, time, downloads, memory, price; SET=key=value tries
upgrade: ## show what changed since the project was made, and take it over
reflect: ## remember what its run taught until now; reflect-dry shows what that would be
hint: ## note a finding for later projects: HINT="..."
PROJECT_COMMANDS := reconfigure reflect reflect-dry hint try sweep adopt learning-curve verify data data-describe generate review label push deploy serve stop cancel chat chat-eval dashboard watch status results check-config mcp replay plan upgrade check-pin clean-run
.PHONY: $(PROJECT_COMMANDS)

$(PROJECT_COMMANDS): setup
	@project="$$($(BIN)/python scripts/start_project.py --newest $(if $(JSON),,$(if $(filter status,$@),--or-none)) $(NAMED) $(JSON_FLAG))" || \
	{ $(if $(JSON),printf '%s\n' "$$project";) exit 1; }; [ -z "$$project" ] || $(FORWARD)

# What stands after `make hint` is its text: other commands of that name do nothing then. HINT="..." takes every text.
ifeq ($(firstword $(MAKECMDGOALS)),hint)
HINT ?= $(wordlist 2,999,$(MAKECMDGOALS))
SHELL := true
hint: SHELL := /bin/sh
.DEFAULT:
	@:
endif
export HINT SET WHEN

.PHONY: reproduce
reproduce: setup ## repeat a run from its roadbook: FROM=, FILES=, MODEL=, ONLY=data, TOLERANCE=
	@$(BIN)/python scripts/reproduce_project.py "$(or $(FROM),gaslamp.md)" $(if $(FILES),--files "$(FILES)") $(if $(MODEL),--model "$(MODEL)") $(if $(ADAPTER),--adapter "$(ADAPTER)") \
	$(if $(ONLY),--only "$(ONLY)") $(if $(TOLERANCE),--tolerance "$(TOLERANCE)") $(JSON_FLAG) $(if $(filter command line,$(origin PROFILE)),--profile "$(PROFILE)")

.PHONY: memory
memory: setup ## what later projects know: FORGET=id, EXPORT=file, IMPORT=file, APPLY=1, UNDO=id
	@$(if $(APPLY)$(UNDO),project="$$($(BIN)/python scripts/start_project.py --newest $(NAMED))" && $(FORWARD),\
	$(BIN)/python scripts/manage_memory.py $(if $(FORGET),--forget "$(FORGET)") $(if $(EXPORT),--export "$(EXPORT)") $(if $(IMPORT),--import "$(IMPORT)") $(JSON_FLAG))

.PHONY: doctor
doctor: ## versions, machine, config problems, the last failure: to paste into an issue
	@$(PYTHON_HERE) scripts/run_doctor.py --folder projects --backend $(TAKEN) $(NAMED) $(JSON_FLAG)

##@ for who works on gaslamp itself

dev: $(READY_DEV) ## install what tests and checks need too

$(READY_DEV): pyproject.toml
	@$(INSTALL) --editable ".[cpu,dev]" --compile-all
	@touch $(READY) $(READY_DEV)

# the long files stand early: a short one ends it
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=30 --durations-min=1

test: dev ## the tests, on two cores; the 30 slowest are listed at the end
	@$(PYTEST) $(ARGS)

test-all: dev ## also further methods through the whole graph, and tests of minutes each
	@$(PYTEST) -m "" $(ARGS)

lint: dev ## everything that is checked without running; ARGS=types runs one step
	@$(BIN)/python scripts/dev/run_lint.py $(ARGS)

words: dev ## words that docs/glossary.md replaces; ARGS=folder lists those of a folder
	@$(BIN)/python scripts/dev/check_words.py $(ARGS)

signatures: dev ## `Any` in signatures, missing docstrings; ARGS=data lists those of a room
	@$(BIN)/python scripts/dev/check_signatures.py $(ARGS)

golden: dev ## train every method for ten steps and write their losses to tests/golden
	@GASLAMP_WRITE_GOLDEN=1 $(BIN)/python -m pytest tests/unit/train/test_methods.py -k pinned -q

bench: dev ## step time against bare TRL, batched evaluation, share of the rest
	@$(BIN)/python scripts/dev/run_bench.py $(ARGS)

bench-data: dev ## a million rows through the data phase, against `datasets` and the tokenizer
	@$(BIN)/python scripts/dev/run_bench_data.py $(ARGS)

bench-scale: dev ## what a sweep costs besides its trainings; ARGS="--points 1000"
	@$(BIN)/python scripts/dev/run_bench_scale.py $(ARGS)

bench-gpu: dev ## training on an NVIDIA GPU, part by part; ARGS="--dry-run" lists the parts
	@$(if $(filter --tiny --dry-run,$(ARGS)),:,$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[cuda]")
	@$(BIN)/python scripts/dev/run_bench_gpu.py $(ARGS)

.PHONY: lock
lock: ## write the versions and hashes that `make setup LOCK=1` takes; needs uv
	@uv pip compile pyproject.toml --extra cpu --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url -q -o scripts/dev/locks/cpu.txt

faults: dev ## damage runs at random places and compare their ends; ARGS="--minutes 20"
	@$(BIN)/python scripts/dev/run_faults.py $(ARGS)

schema: setup ## write the schema of the config and docs/config.md from the code
	@$(BIN)/python scripts/dev/write_schema.py

models: setup ## write the table of docs/models.md: which chat template takes which data
	@$(BIN)/python scripts/dev/write_models.py

architecture: setup ## write docs/architecture.md, the graph of rooms, from the imports of the code
	@$(BIN)/python scripts/dev/write_architecture.py
