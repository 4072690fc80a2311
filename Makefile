# The commands of this repository; `make` alone lists them. Each only forwards.
PROFILE ?= cpu
PYTHON ?= python3
BIN := .venv/bin
PYTHON_HERE = $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
READY := .venv/.installed
MLX := .venv-mlx/.installed

.DEFAULT_GOAL := help
.PHONY: help setup mlx run llamacpp new test lint words signatures golden bench bench-data bench-gpu schema architecture models

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo "  deploy to upgrade, data, serve, chat-eval and replay act on the newest project, PROJECT=name picks another; PROFILE=cpu|cuda|mac|mps (colab: not built yet)"

setup: $(READY) ## install everything into .venv; nothing to do when that is done

# compiled on all cores, where pip takes one; left uncompiled, every process would compile again where PYTHONDONTWRITEBYTECODE is set
COMPILE := -m compileall -qq -j 0

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1)"; echo "  usual fix:       make $(MAKECMDGOALS) PYTHON=/path/to/a/newer/python3"; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile -e ".[cpu,dev]"
	@$(BIN)/python $(COMPILE) .venv/lib || true # templates of some packages are no Python
	@touch $(READY)

mlx: $(MLX) ## MLX for PROFILE=mac, into .venv-mlx (its packages clash with those of .venv); on Linux it computes on the processor

$(MLX): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1)"; echo "  usual fix:       make mlx PYTHON=/path/to/a/newer/python3"; exit 1; }
	@[ -x .venv-mlx/bin/python ] || $(PYTHON) -m venv .venv-mlx
	@$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["mlx"], sep="\n")' > .venv-mlx/extra.txt
	@grep -v '$(if $(LIGHT),^mlx-tune\|^mlx-vlm,nothing)' .venv-mlx/extra.txt > .venv-mlx/requirements.txt
	.venv-mlx/bin/python -m pip install --disable-pip-version-check --no-compile -r .venv-mlx/requirements.txt
	@$(if $(LIGHT),.venv-mlx/bin/python -m pip install --disable-pip-version-check --no-compile --no-deps $$(grep '^mlx-vlm' .venv-mlx/extra.txt),touch $(MLX)) # LIGHT=1: what the training loads, in a third of the time
	@.venv-mlx/bin/python $(COMPILE) .venv-mlx/lib || true

# A command of a project, in its folder; what it prints works from here. It acts on the project of `make run` or on the newest.
FORWARD = GASLAMP_PREFIX="$$project/" GASLAMP_PROJECT="$(PROJECT)" $(MAKE) --no-print-directory -C "$$project" $@
NAMED := $(if $(PROJECT),--project "$(PROJECT)")

run: setup $(if $(filter mac,$(PROFILE)),mlx) ## the whole story on the embedded task: projects/<today's project>, every phase; goes on where it stopped
	@project="$$($(BIN)/python scripts/start_project.py $(NAMED))" && $(FORWARD) PROFILE=$(PROFILE)

llamacpp: setup ## all of llama.cpp, found or built, into the cache that every project shares
	@project="$$($(BIN)/python scripts/start_project.py $(NAMED))" && $(FORWARD) PROFILE=$(PROFILE)

deploy: ## measure the speed of each level, serve the recommended one, open the chat
chat: ## chat with the served model in the terminal
stop: ## stop the server
status: ## one look at what runs, and what to do next
dashboard: ## live curves and phases in the browser
watch: ## the same in the terminal
push: ## to the model hub; DRY_RUN=1 only shows what would go
upgrade: ## show what changed since the project was made, and take it over
PROJECT_COMMANDS := data data-describe push deploy serve stop chat chat-eval dashboard watch status replay upgrade check-pin clean-run
.PHONY: $(PROJECT_COMMANDS)

$(PROJECT_COMMANDS): setup
	@project="$$($(BIN)/python scripts/start_project.py --newest $(NAMED))" && $(FORWARD) PROFILE=$(PROFILE)

.PHONY: doctor
doctor: ## versions, machine, backend, disk, config problems and the last failure: one block to paste into an issue
	@$(PYTHON_HERE) scripts/run_doctor.py --folder projects --backend $(PROFILE) $(NAMED)

new: setup ## a project of your own: two questions, then it stands in projects/
	@$(BIN)/cookiecutter . --directory cookiecutter-template --output-dir projects

test: setup ## every test, on two cores
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS) # the long files stand early: a short one ends it

lint: setup ## format, ruff, mypy, snakefmt, snakemake --lint, spelling, words, signatures; ARGS=types runs one step
	@$(BIN)/python scripts/dev/run_lint.py $(ARGS)

words: setup ## words that docs/glossary.md replaces; ARGS=scripts/gaslamp/data lists those of a folder
	@$(BIN)/python scripts/dev/check_words.py $(ARGS)

signatures: setup ## `Any` in public signatures and missing docstrings; ARGS=data lists those of a room
	@$(BIN)/python scripts/dev/check_signatures.py $(ARGS)

golden: setup ## train every method for ten steps and write their losses to tests/golden
	@GASLAMP_WRITE_GOLDEN=1 $(BIN)/python -m pytest tests/unit/train/test_methods.py -k pinned -q

bench: setup ## step time against bare TRL, batched evaluation against one by one, share of the rest
	@$(BIN)/python scripts/dev/run_bench.py $(ARGS)

bench-data: setup ## a million rows through the data phase against `datasets`, the bare tokenizer, and itself on fewer rows
	@$(BIN)/python scripts/dev/run_bench_data.py $(ARGS)

bench-gpu: setup ## training on an NVIDIA GPU, part by part, going on where it stopped (installs the cuda extra); ARGS="--dry-run" lists the parts
	@$(if $(filter --tiny --dry-run,$(ARGS)),:,$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[cuda]")
	@$(BIN)/python scripts/dev/run_bench_gpu.py $(ARGS)

schema: setup ## write workflow/schemas/config.schema.json and docs/config.md from the config model
	@$(BIN)/python scripts/dev/write_schema.py

models: setup ## write the table of docs/models.md: which chat template takes which data
	@$(BIN)/python scripts/dev/write_models.py

architecture: setup ## write docs/architecture.md, the graph of rooms, from the imports of the code
	@$(BIN)/python scripts/dev/write_architecture.py
