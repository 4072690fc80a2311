# Helpers of the rules: the checked config, slices of it for `params`, and the code that each rule depends on.
import json
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

from gaslamp.core import registry
from gaslamp.config import outcome
from gaslamp.config.backends import is_remote as is_remote_backend
from gaslamp.core.code_graph import get_code
from gaslamp.core.errors import GaslampError
from gaslamp.core.interrupts import pass_on_to_steps
from gaslamp.core.places import localize
from gaslamp.config.given import read_given
from gaslamp.config.length import get_span
from gaslamp.config.load import load_config, load_stage
from gaslamp.config.points import get_seed_runs, get_share_runs, list_own_runs, write_point
from gaslamp.config.schema import Config
from gaslamp.config.stages import get_earlier
from gaslamp.config.slices import clean_merged, get_slice, write_merged
from gaslamp.config.sections.train import NO_REASON_TO_TRAIN
from gaslamp.environment.python_env import get_train_python
from gaslamp.data.generation.facts import REVIEW, SELECTION
from gaslamp.data.source_names import GENERATED
from gaslamp.evaluate.baselines import can_score
from gaslamp.evaluate.metric import Metric
from gaslamp.evaluate.choose_metrics import get_needed_outputs
from gaslamp.evaluate.prompts import KEPT_ROWS
from gaslamp.config.levels import is_with_imatrix
from gaslamp.config.methods import get_artefact, get_evaluation_options, get_method, get_pooling, is_multimodal
from gaslamp.config.sweep_points import get_sweep_points
from gaslamp.config.base_models import get_base_name, get_model_name, is_local
from gaslamp.models.start import get_inputs
from gaslamp.evaluate.sweep import list_runs, read_kept
from gaslamp.core.manifests import find_damaged_uses
from gaslamp.core.progress_file import follow_progress, pass_progress_on
from gaslamp.core.files import read_json
from gaslamp.core.seals import restore, unseal
from gaslamp.core.workflow_state import (
    claim,
    is_locked,
    release_stale_lock,
    require_free,
    runs_jobs,
    silence_snakemake,
)


# On a cluster these run where Snakemake runs: they need the network, or seconds.
localrules:
    check_preflight,
    fetch_model,
    write_brief,
    write_progress,
    write_roadbook,
    write_modelfile,
    require_parity,
    build_data_page,
    build_demo,
    build_demo_files,
    build_report,
    reflect,
    select_rows,


if workflow.remote_exec:
    pass_progress_on()

# Every rule runs with the interpreter that runs Snakemake; only training may have its own (train_python, or the
# backend's VENV).
PYTHON = shlex.quote(sys.executable)

try:
    read_given(config, workflow.config_settings.config)
    CONFIG = load_config(config)
    if workflow.is_main_process:  # a job of a cluster sees other processes
        release_stale_lock(Path.cwd())
        if runs_jobs(sys.argv[1:]):
            require_free(Path.cwd())
except GaslampError as error:
    raise WorkflowError(localize(str(error)))

# What the scripts read: config.yaml, the profile's backend and --config, merged. The rules' `params` decide what runs
# again.
CONFIG_FILE = write_merged(config)
RUN = CONFIG.run
# The points of a sweep, and every run that they train: each point, and its further seeds.
POINTS = get_sweep_points(config) if CONFIG.sweep.is_on else {}
POINT_RUNS = list_runs(CONFIG, POINTS)
# The config of each earlier stage; CONFIG is that of the last one, which has no folders of its own in data/.
STAGES = {name: load_stage(config, name) for name in get_earlier(config)}
BASE_FACTS = f"resources/models/{get_base_name(CONFIG.model)}/model.json"
MODEL_FACTS = f"resources/models/{get_model_name(CONFIG.model)}/model.json"
# What the data phase reads of the model is the same in every stage, so that all data is prepared before any training.
FIRST_FACTS = [f"resources/models/{get_model_name(one.model)}/model.json" for one in (*STAGES.values(), CONFIG)][0]
EXPORT_TRIAL = f"resources/models/{get_base_name(CONFIG.model)}/export.json"
TOOLCHAIN = "resources/llama.cpp/toolchain.json"
BACKEND = registry.get("backends", CONFIG.backend)
TRAIN_PYTHON = shlex.quote(get_train_python(CONFIG.train_python, BACKEND))
# In front of a step that runs on another machine: the same command, with the same files, there.
THERE = f"{PYTHON} scripts/run_remote.py --config {CONFIG_FILE} --"
LEVELS = ["f16", *CONFIG.export.levels]
# What a step that holds a model reserves on a cluster, besides what the preflight estimated.
SPARE_MB = 2000  # the programs themselves
LIKELY_GB = 8.0  # before the preflight
CPUS_A_GPU = 8


def restore_damaged():
    """Put back, or set aside so that it is made again, what is not as its step left it; put deleted rows and answers back."""
    if workflow.is_main_process and not is_locked(Path.cwd()):
        runs = [*STAGES, RUN, *get_seed_runs(CONFIG), *POINT_RUNS]
        places = [
            "data",
            "resources",
            "outputs/env",
            "outputs/sweep.json",
            "outputs/sweep.rows.json",
            *(f"{top}/{run}" for top in ("outputs", "demos", "logs") for run in runs),
        ]
        is_dry = not runs_jobs(sys.argv[1:])
        wanted = [Path(name) for run in [RUN, *POINT_RUNS] for name in get_work_files(run)]
        for line in restore(map(Path, places), is_dry, dict.fromkeys(wanted)):
            print(line, file=sys.stderr)
        records = [*Path("resources/models").glob("*/model.json"), Path(TOOLCHAIN)]
        for record, damage in find_damaged_uses(one for one in records if one.is_file()):
            print(f"{damage}: {'a run makes it again' if is_dry else 'made again'}", file=sys.stderr)
            if not is_dry:
                record.unlink(missing_ok=True)  # so that its step runs
                unseal(record)


def is_remote():
    """Whether training happens on another machine, with a graph of its own."""
    return is_remote_backend(CONFIG.backend)


def get_runner(where):
    """What is in front of a step that may run elsewhere: ``{PYTHON}``, or the script that takes it there.

    Args:
        where: ``here`` or ``there``, which means here for a backend that trains here.
    """
    return THERE if is_remote() and where == "there" else PYTHON


def get_last_flag():
    """The option that gives the machine back after the training: no later step needs it."""
    later = (CONFIG.remote.evaluate, CONFIG.remote.export)
    return "--last" if "there" not in later else ""


def is_language_model():
    """Whether the method trains a model that generates text; a classifier gives scores, an encoder vectors."""
    return get_artefact(CONFIG.method) == "causal_lm"


def get_pooling_flag():
    """How a model that gives scores or vectors pools; empty for one that generates text."""
    return "" if is_language_model() else f"--pooling {get_pooling(CONFIG.method)}"


def has_test_prompts():
    """Whether the test rows are prompts: a model trained on running text is exported, but has no answers to compare."""
    return get_method(CONFIG.method).KINDS != ("text",)


def is_converted():
    """Whether the run ends with GGUF files: without a format that is one, it ends with the merged model."""
    return outcome.is_converted(CONFIG)


def is_chat_model():
    """Whether the run ends with GGUF files that generate text."""
    return is_language_model() and is_converted()


def get_companions(wildcards):
    """The companion file of a GGUF file: the vision tower of a multimodal model, the head of a reward model."""
    return [f"outputs/{wildcards.run}/gguf/{name}" for name in get_companion_names()]


def get_companion_names():
    """mmproj-f16.gguf, head.json or none."""
    names = {"mmproj-f16.gguf": is_multimodal(CONFIG.method), "head.json": get_artefact(CONFIG.method) == "classifier"}
    return [name for name, needed in names.items() if needed and is_converted()]


def get_levels(run=RUN):
    """The GGUF files of a run; none without a format that needs them."""
    return [f"outputs/{run}/gguf/model-{level}.gguf" for level in LEVELS] if is_converted() else []


def get_kept():
    """The runs that go through every phase: the run itself, or the best points of a sweep, known when it is done."""
    return read_kept(checkpoints.compare_points.get().output[0]) if POINTS else [RUN]


def get_best():
    """The run that is shipped."""
    return get_kept()[0]


def get_sweep_facts(wildcards):
    """sweep.json, where the run that is shipped was chosen by it, also when the config has no sweep any more."""
    run, file = get_best(), Path("outputs/sweep.json")
    return [str(file)] if file.is_file() and run in read_kept(file) else []


def of_best(name):
    """An input function: a file of the run that is shipped."""
    return lambda wildcards: f"outputs/{get_best()}/{name}"


def get_files(run=RUN):
    """The model files that a run without a parity gate ends with: every level, or the merged folder."""
    return get_levels(run) or [f"outputs/{run}/merged"]


def is_proven():
    """Whether the run has a parity gate: on the files that ship, or on the merged model of a model that answers."""
    return has_test_prompts() and (is_converted() or is_language_model())


def get_parity(run=RUN):
    """parity.json, or none."""
    return [f"outputs/{run}/gguf/parity.json"] if is_proven() else []


def get_ladder(run=RUN):
    """ladder.json, or none."""
    return [f"outputs/{run}/gguf/ladder.json"] if is_proven() and is_converted() else []


def get_model_files(run=RUN):
    """The model in each form that a person takes away: adapter, merged, GGUF files and companions.

    What export.keep_intermediates: false removes is made again only when a step needs it.
    """
    levels = get_levels(run)
    kept = get_files(run) if CONFIG.export.keep_intermediates else [one for one in levels if "-f16" not in one]
    merged = [f"outputs/{run}/merged"] if CONFIG.export.keep_intermediates else []
    adapters = [f"outputs/{run}/adapters", f"outputs/{run}/train.json"]
    return [*adapters, *merged, *kept, *(f"outputs/{run}/gguf/{name}" for name in get_companion_names())]


def get_work_files(run=RUN):
    """The rows and answers of a run, which pages, `make label` and `make chat-eval` read.

    Deleted, they are put back, or made again where they are too large for a copy.
    """
    data = get_data_folder(run)
    folders = [data, *(f"data/{name}" for name in STAGES)]
    rows = [
        f"{folder}/{name}" for folder in folders for name in ("train.jsonl", "valid.jsonl", "test.jsonl", "card.json")
    ]
    who = ["base", "tuned", *(f"gguf-{level}" for level in LEVELS if is_proven() and is_converted())]
    answers = [f"outputs/{run}/eval/{name}.predictions.jsonl" for name in who]
    return [
        *rows,
        f"{data}/template.json",
        *answers,
        f"outputs/{run}/eval/compare.json",
        f"outputs/{run}/eval/report.html",
    ]


def get_first_targets():
    """What a sweep needs in any case: without it a failure of these steps would show after all trainings only."""
    rows = ["outputs/sweep.rows.json"] if PARTS else []
    shared = [
        "project_brief.md",
        f"{get_data_folder(RUN)}/report.html",
        *rows,
        *([TOOLCHAIN] if is_converted() else []),
    ]
    return shared if POINTS else []


def get_all_targets(wildcards):
    """The files of the whole run, or of the sweep and of the points that go on."""
    if not POINTS:
        return [*get_targets(), *get_target_reports()]
    runs = get_kept()
    files = [file for run in runs for file in (*get_targets(run, run == runs[0]), *get_target_reports(run))]
    return list(dict.fromkeys(["outputs/sweep.html", *files]))


def get_targets(run=RUN, is_shipped=True):
    """The files of a whole run, up to the quantized and proven ones, or to the merged model.

    Args:
        run: its name.
        is_shipped: whether the roadbook is about it: there is one for a project.
    """
    page = [
        "project_brief.md",
        f"{get_data_folder(run)}/report.html",
        get_model_facts_of(run),
        *get_stage_targets(),
        *get_work_files(run),
        *get_model_files(run),
    ]
    verdict = f"outputs/{run}/eval/verdict.json"
    demo = [f"demos/{run}/index.html"] if is_language_model() and has_test_prompts() else []
    if not is_proven():
        closing = [] if is_chat_model() else [f"outputs/{run}/report.html"]
        return [*page, *demo, *closing, verdict, *get_files(run), "progress_log.md"]
    gate = f"outputs/{run}/gguf/parity_passed.txt"
    proof = [f"outputs/{run}/report.html", verdict, *get_parity(run), *get_exports(run), "progress_log.md", gate]
    if not is_converted():
        return [*page, *demo, *proof]
    files = [f"demos/{run}/files.html"] if demo and is_shipped else []
    roadbook = ["gaslamp.md"] if is_shipped else []
    return [*page, *demo, *files, *get_ladder(run), *proof, f"outputs/{run}/reflection/decisions.md", *roadbook]


def get_stage_targets():
    """What each earlier stage leaves, and the comparison of all stages on the test rows of the last one."""
    pages = [place for name in STAGES for place in (f"data/{name}/report.html", f"outputs/{name}/eval/verdict.json")]
    return [*pages, *get_stages_facts()]


def get_stages_facts(run=RUN):
    """stages.json, or none."""
    return [f"outputs/{run}/eval/stages.json"] if STAGES else []


def get_deploy_targets(wildcards):
    """The speed of every level, and what the base column of the chat page needs, before the files are served."""
    run = get_best()
    is_compared = CONFIG.deploy.compare and is_chat_model() and has_test_prompts()
    base = [f"outputs/{run}/base.json"] if is_compared else []
    lora = [f"outputs/{run}/lora"] if is_compared and CONFIG.train.adapter == "lora" else []
    return [f"outputs/{run}/gguf/bench.json", *base, *lora] if is_converted() else []


def get_progress_inputs(wildcards):
    """What must be there before the progress log is written."""
    run = get_best()
    demo = [f"demos/{run}/index.html"] if is_language_model() and has_test_prompts() else []
    return [f"{get_data_folder(run)}/report.html", *demo, *(["gaslamp.md"] if get_ladder() else get_files(run))]


@cache
def get_config(run):
    """The config of a run: that of the project, or of a point of it (config/points.py)."""
    return CONFIG if run == RUN else Config.model_validate({**config, "run": run})


def get_data_folder(run):
    """Where the rows of a run are: ``data``, or a folder in it where a point of a sweep has rows of its own."""
    return f"data/{get_config(run).data.part}".rstrip("/")


def of_data(*names):
    """An input function: files of the data phase of the run in the wildcards."""
    return lambda wildcards: [f"{get_data_folder(wildcards.run)}/{name}" for name in names]


def get_model_facts_of(run):
    """model.json of what a run starts from."""
    return f"resources/models/{get_model_name(get_config(run).model)}/model.json"


def get_model_facts(wildcards):
    """The same of the run in the wildcards."""
    return get_model_facts_of(wildcards.run)


def get_export_trial(wildcards):
    """export.json of the base model of the run in the wildcards."""
    return f"resources/models/{get_base_name(get_config(wildcards.run).model)}/export.json"


def find_parts():
    """Folder in data/ -> a run whose rows are there, for runs with rows of their own."""
    own = {part: run for run, part in list_own_runs(config).items()} if POINTS else {}
    return {**own, **({CONFIG.data.part: RUN} if CONFIG.data.part else {})}


def find_bases():
    """Further base models, by their folder in resources/models -> a run that starts from it."""
    runs = [run for run, changes in POINTS.items() if any(key.startswith("model.") for key in changes)]
    names = {get_base_name(get_config(run).model): run for run in reversed(runs)}
    return {name: run for name, run in names.items() if name != get_base_name(CONFIG.model)}


# Points that differ in more than the training have a data phase, or a base model, of their own (rules/points.smk).
PARTS = find_parts()
BASES = find_bases()
restore_damaged()


def get_settings(*keys):
    """The named parts of the config as JSON, of the run in the wildcards: what a rule depends on, and nothing else."""
    return lambda wildcards: cut_settings(get_config(getattr(wildcards, "run", RUN)), *keys)


def get_settings_of_best(*keys):
    """The same of the run that is shipped, for a rule that has no wildcard run."""
    return lambda wildcards: cut_settings(get_config(get_best()), *keys)


def cut_settings(config, *keys):
    """The same of one config.

    A word in braces (in a system prompt, in data.speech.tokens) is no wildcard: its brace is escaped as JSON allows.
    """
    return re.sub(r"\{(?=\s*\w)", r"\\u007b", get_slice(config, *keys))


def get_data_input(config=CONFIG):
    """The user's own files, so that an edited row reruns the data phase; embedded sets are code."""
    source = config.data.source
    if source.startswith("embedded:"):
        return []
    if source == GENERATED:
        return [GENERATED]
    path = Path(source).expanduser()
    if not path.exists():  # a hub set: its revision decides (load_config has refused a path that is missing)
        return []
    if path.is_dir():
        return sorted(str(file) for file in path.rglob("*") if file.is_file() and not is_hidden(file.relative_to(path)))
    return [str(path)]


def is_hidden(path):
    """Whether a file or one of its folders is hidden, such as .gaslamp/ and .snakemake/."""
    return any(part.startswith(".") for part in path.parts)


def get_kept_input():
    """Rows that were kept in `make chat-eval`: more test rows."""
    return [str(KEPT_ROWS)] if KEPT_ROWS.is_file() else []


def get_labelled_input():
    """Rows written or corrected in `make label`, where the source does not read them itself."""
    file = CONFIG.data.labelled
    return [file] if file and Path(file).is_file() and not is_source(file) else []


def is_source(file):
    """Whether the data is that file alone."""
    return Path(file).resolve() == Path(CONFIG.data.source).expanduser().resolve()


def get_generated_input():
    """The rows of data.generate, and the record of them."""
    return [GENERATED, SELECTION] if CONFIG.data.generate.rows else []


def get_generation_inputs():
    """The person's own example rows and documents."""
    places = [
        Path(place).expanduser() for place in (CONFIG.data.generate.seeds, CONFIG.data.generate.documents) if place
    ]
    files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*")))]
    return [str(file) for file in files if file.is_file() and not is_hidden(file)]


def get_review_input():
    """What a person decided in `make review`."""
    return [REVIEW] if Path(REVIEW).is_file() else []


def get_added_flags(wildcards, input):
    """The options of prepare_data for rows besides those of the source."""
    flags = [f"--labelled {input.labelled}"] if input.labelled else []
    flags += [f"--selection {SELECTION}"] if input.generated else []
    return " ".join([*flags, *([f"--generated {GENERATED}"] if input.generated and not is_source(GENERATED) else [])])


def get_model_input(config=CONFIG):
    """The files of a local base model (weights, config, tokenizer, chat template): a change in one is noticed."""
    source = config.model.source
    if not is_local(source):
        return []
    folder = Path(source).expanduser()
    return sorted(
        str(file) for kind in ("json", "jinja", "model", "txt", "safetensors") for file in folder.glob(f"*.{kind}")
    )


def get_start(wildcards):
    """The trained result that a start is made of: model.adapter, or outputs/<stage> of the stage before."""
    configs = [one for one in (*STAGES.values(), CONFIG) if one.model.adapter]
    return {get_model_name(one.model): one.model.adapter for one in configs}[wildcards.start]


def get_start_input(wildcards):
    """The files of that result: when it is trained again, so is all that follows."""
    place = Path(get_start(wildcards)).expanduser()
    if place.name not in STAGES or place.parts[:-1] != ("outputs",):
        return [str(file) for file in get_inputs(place)]
    files = [f"outputs/{place.name}/adapters", f"outputs/{place.name}/train.json", f"data/{place.name}/template.json"]
    return [*files, f"resources/models/{get_model_name(STAGES[place.name].model)}/model.json"]


def get_data_plugins(config=CONFIG):
    """The embedded set, the formats that the data phase may pick, the checks, the general chat data to mix in."""
    source = config.data.source
    sets = [source.replace("embedded:", "embedded/")] if source.startswith("embedded:") else []
    formats = registry.names("formats") if config.data.format == "auto" else [config.data.format]
    checks = [f"checks/{name}" for name in registry.names("checks")]
    rehearsal = ["embedded/rehearsal.jsonl"] if config.data.rehearsal else []
    return [*sets, *(f"formats/{name}" for name in formats), *checks, *rehearsal]


def get_length_input(wildcards):
    """The card, for steps that cut texts at train.max_length, where the data phase decides how many tokens that is.

    Language models get whole prompts; encoders and classifiers read texts.
    """
    config = get_config(getattr(wildcards, "run", RUN))
    needed = get_artefact(config.method) != "causal_lm" and config.train.max_length == "auto"
    return f"{get_data_folder(config.run)}/card.json" if needed else []


def get_length_reasons(config=CONFIG):
    """What of section train decides train.max_length: auto, besides the memory, which is estimated once."""
    span = get_span(config.method, config.train.model_dump())
    return f"{span.room} {span.least if config.train.max_length == 'auto' else 0}"


def get_length_flag(wildcards, input):
    """The option of a script that takes the card of ``get_length_input``."""
    return f"--card {input.card}" if input.card else ""


def get_adapters(wildcards):
    """The adapter for `tuned`, nothing for `base`."""
    return f"outputs/{wildcards.run}/adapters" if wildcards.who == "tuned" else []


def get_known(file, key, otherwise):
    """A number of an earlier step, for what a job reserves; without it, or in a damaged file, ``otherwise``."""
    try:
        known = read_json(file)[key]
    except (GaslampError, KeyError, TypeError, OSError, UnicodeDecodeError):
        return otherwise
    return known if isinstance(known, int | float) and known > 0 else otherwise


def get_memory(wildcards, attempt):
    """Memory of a step that holds a model, in MB: what the preflight estimated, and more when it was killed.

    A cluster reserves it (profiles/slurm); on one machine ``model`` lets one such step run at a time.
    """
    needed = get_known("outputs/env/preflight.json", "memory_needed_gb", LIKELY_GB)
    return round(attempt * (SPARE_MB + 1.25 * 1000 * needed))


def get_gpus(wildcards):
    """GPUs of a step that holds a model: one for each process of the training, none where it trains on processors."""
    return CONFIG.train.processes if CONFIG.backend == "cuda" else 0


def get_cpus(wildcards):
    """Processors of such a step: all of a node that trains on them, else what feeds the GPUs."""
    cores = get_known("outputs/env/system.json", "cores", 1)
    return min(cores, CPUS_A_GPU * max(1, get_gpus(wildcards))) if get_gpus(wildcards) else cores


def get_imatrix(wildcards):
    """The importance matrix, for the levels that need one."""
    wanted = is_with_imatrix(wildcards.level, CONFIG.export.imatrix)
    return f"outputs/{wildcards.run}/gguf/imatrix.gguf" if wanted else []


def get_exports(run=RUN):
    """The files and folders that export.formats names."""
    places = {
        "merged": "outputs/{run}/merged",
        "gguf": "outputs/{run}/gguf/ladder.json",
        "lora_gguf": "outputs/{run}/lora",
        "ollama": "outputs/{run}/gguf/Modelfile",
    }
    wanted = outcome.get_formats(CONFIG)
    return [places.get(name, f"outputs/{{run}}/export/{name}").replace("{run}", run) for name in wanted]


def get_hub_input(wildcards):
    """The files of export.hub.files that are no input of the exporter anyway."""
    if wildcards.format != "hub":
        return []
    needed = {"lora_gguf": f"outputs/{wildcards.run}/lora", "gguf": f"outputs/{wildcards.run}/gguf/Modelfile"}
    wanted = [needed[name] for name in CONFIG.export.hub.files if name in needed]
    return [path for path in wanted if "Modelfile" not in path or "ollama" in CONFIG.export.formats]


def keep(output):
    """``output``, marked as temporary unless export.keep_intermediates is set."""
    return output if CONFIG.export.keep_intermediates else temp(output)


def get_metric_plugins(config=CONFIG):
    """The metrics of the config, or all that may be chosen by default, and the rewards that a metric may score with."""
    rewards = [f"rewards/{reward.name}" for reward in config.train.rewards]
    findings = [f"answer_findings/{name}" for name in registry.names("answer_findings")]
    metrics = [f"metrics/{name}" for name in config.eval.metrics or registry.names("metrics")]
    return [*metrics, *rewards, *findings]


def get_retention_input(config=CONFIG):
    """The user's own retention prompts."""
    return [config.eval.retention_file] if config.eval.retention and config.eval.retention_file else []


def get_judge_labels():
    """The verdicts of a person that a judge model is compared with."""
    labels = CONFIG.eval.options.get("llm_judge", {}).get("labels")
    return [labels] if labels else []


def get_part(wildcards, input):
    """The file that makes a script read the config of a point; empty for the run itself.

    It takes ``input``, so that Snakemake does not count it among the reasons to run again: params.settings has them.
    """
    return "" if wildcards.run == RUN else str(write_point(wildcards.run))


def get_part_of_best(wildcards, input):
    """The same of the run that is shipped."""
    return str(write_point(get_best())) if POINTS else ""


def get_prune_flags(wildcards, input):
    """The options of the training that end a hopeless point: the pruner, and the points that it is compared with.

    Losses of other rows, models or methods say nothing about this one. As ``get_part`` it is no reason to run again.
    """
    if wildcards.run not in POINT_RUNS or CONFIG.sweep.prune == "none":
        return ""
    part = get_config(wildcards.run).data.part
    runs = [run for run in POINTS if run != wildcards.run and get_config(run).data.part == part]
    files = " ".join(f"logs/{run}/train.metrics.jsonl" for run in runs)
    return f"--prune {CONFIG.sweep.prune} --others {files}" if runs else ""


def get_seed_answers(wildcards):
    """The answers of the same training with other seeds."""
    runs = get_seed_runs(get_config(wildcards.run))
    return [f"outputs/{run}/eval/tuned.predictions.jsonl" for run in runs]


def get_share_files(run, name):
    """A file of each run of the learning curve, the smallest share first, the run itself last."""
    return [f"outputs/{one}/{name}" for one in (*get_share_runs(run), run)]


def get_lm_eval(wildcards):
    """The results of lm-evaluation-harness for base and tuned, when tasks are named."""
    results = [f"outputs/{wildcards.run}/eval/{who}.lm_eval.json" for who in ("base", "tuned")]
    return results if CONFIG.eval.lm_eval else []


def get_rivals(wildcards):
    """The answers of the base model with better prompts, where the first metric can score answers."""
    config = get_config(wildcards.run)
    names = ["few_shot"] if config.eval.baselines == "auto" else config.eval.baselines
    if not is_language_model() or not has_test_prompts() or config.train.rewards and not config.eval.metrics:
        return []
    metrics = config.eval.metrics or getattr(get_method(config.method), "DEFAULT_METRICS", ())
    if metrics and not can_score(Metric.get(metrics[0], config.eval.options.get(metrics[0]))):
        return []
    prompted = [name for name in names if name in ("few_shot", "format")]
    return [f"outputs/{wildcards.run}/eval/{name}.predictions.jsonl" for name in prompted]


def get_task_files():
    """The project's own task files for lm-evaluation-harness."""
    return sorted(str(path) for path in Path("tasks").rglob("*") if path.is_file()) if CONFIG.eval.lm_eval else []


def get_target_model(wildcards):
    """The merged model for `merged`; an endpoint needs no file."""
    return f"outputs/{wildcards.run}/merged" if wildcards.target == "merged" else []


def get_target_reports(run=RUN):
    """The comparison of eval.target with the base model, when that is not the adapter."""
    return [] if CONFIG.eval.target == "adapter" else [f"outputs/{run}/eval/target/{CONFIG.eval.target}.verdict.json"]


def get_prompt_options(wildcards):
    """``list_prompt_options`` of the run in the wildcards."""
    return list_prompt_options(get_config(wildcards.run))


def list_prompt_options(config):
    """What makes a model be prompted again, as JSON.

    These are the outputs other than answers that a metric needs, and the training options that decide how a prompt is
    encoded (size of images, length of embedded texts). A metric that scores answers needs no new ones.
    """
    metrics = [Metric.get(name, config.eval.options.get(name)) for name in config.eval.metrics]
    needed = {name: options for name, options in get_needed_outputs(metrics).items() if name != "answer"}
    needed |= get_evaluation_options(config.method, config.train.options)
    if get_artefact(config.method) == "encoder":
        needed["max_length"] = config.train.max_length
    return json.dumps(needed)


def get_training_plugins(config):
    """The backend, the method and the rewards of the config, the project's own among them."""
    rewards = [f"rewards/{reward.name}" for reward in config.train.rewards]
    return [f"backends/{config.backend}", f"methods/{config.method}", *rewards]


TRAIN_RUNNER = THERE if is_remote() else TRAIN_PYTHON
EVALUATE_RUNNER = get_runner(CONFIG.remote.evaluate)
EXPORT_RUNNER = get_runner(CONFIG.remote.export)
# The command of the training, for the rules that run it in one piece.
TRAIN_COMMAND = (
    "{TRAIN_RUNNER} scripts/train_model.py --model {input.model} --train {input.train} --valid {input.valid}"
    " --template {input.template} --card {input.card} --config {CONFIG_FILE} {params.part} --checkpoints {params.checkpoints}"
    " --metrics {params.metrics} --adapters {output.adapters} --facts {output.facts} {params.prune} --log {log}"
)
# What a step depends on, which is not all that it reads: tests/rules/test_steps.py lists each difference with its
# reason. How a training is watched and saved (NO_REASON_TO_TRAIN) changes nothing of its result.
NOT_GENERATED = ("review", "parallel", "price")
GENERATE_KEYS = [
    "method",
    "project.task",
    "project.audience",
    "data.system",
    "data.redact",
    *(f"data.generate.{key}" for key in CONFIG.data.generate.model_dump() if key not in NOT_GENERATED),
]
DATA_KEYS = [
    "method",
    *(f"data.{key}" for key in CONFIG.data.model_dump() if key not in ("generate", "part")),
    "train.max_length",
    "train.thinking",
]
TRAIN_KEYS = [
    "backend",
    "method",
    *(f"train.{key}" for key in CONFIG.train.model_dump() if key not in NO_REASON_TO_TRAIN),
]
# The batch size of the evaluation changes no answer; another metric prompts the model again only when it needs
# something else than answers (get_prompt_options).
EVALUATION_PAGE = ["pages/base.css", *(f"evaluate/page/{name}" for name in ("page.html.j2", "style.css", "page.js"))]
PROMPT_KEYS = ["method", "eval.max_new_tokens", "eval.sampling", "eval.retention"]
RIVAL_KEYS = [
    *("method", "train.rewards", "train.options"),
    *(f"eval.{key}" for key in ("metrics", "options", "max_new_tokens", "sampling", "baseline_rows")),
]
SCORE_KEYS = [
    "method",
    "data.slice",
    "train.rewards",
    *(f"eval.{key}" for key in ("metrics", "options", "confidence", "slices")),
]
# Whether the base model must have a vision tower that llama.cpp knows: checked when it is fetched, no reason to fetch
# it again.
VISION_TOWER = "--vision-tower" if is_multimodal(CONFIG.method) and is_converted() else ""
# How a GGUF file is prompted: sizes of images and length of texts are those of the training.
SIZE_KEYS = ["method", "train.options", "train.max_length"]
FILE_KEYS = [*SIZE_KEYS, "eval.max_new_tokens", "eval.sampling"]
NOT_SCORED = (
    "baseline_rows",
    "baseline_minutes",
    "batch_size",
    "max_new_tokens",
    "lm_eval",
    "lm_eval_limit",
    "target",
    "endpoint",
)
COMPARE_KEYS = [
    "method",
    "diagnose.answers",
    "data.slice",
    "train.rewards",
    *(f"eval.{key}" for key in CONFIG.eval.model_dump() if key not in NOT_SCORED),
]


def is_untried():
    """Whether the base model passed the gate of a run without GGUF files, and was not tried since."""
    later, first = Path(f"{EXPORT_TRIAL}.later"), Path(EXPORT_TRIAL)
    return first.is_file() and not later.is_file() and json.loads(first.read_text())["verdict"] == "not tried"


def start_run():
    """Record which process owns the run, and check the preflight again when an earlier run passed it."""
    silence_snakemake()
    if workflow.non_local_exec:
        follow_progress()
    claim(Path.cwd())
    write_merged(config)  # a run that started between parsing and now may have cleaned it
    clean_merged(CONFIG_FILE)
    if Path("outputs/env/preflight.json").is_file():
        facts = ["--system", "outputs/env/system.json", "--env", "outputs/env/env.json"]
        command = [sys.executable, "scripts/check_preflight.py", *facts, "--config", str(CONFIG_FILE)]
        if subprocess.run([*command, "--log", "logs/check_preflight.log"], check=False).returncode:
            raise WorkflowError("the preflight stopped this run; nothing was changed")
    if is_converted() and is_untried():
        command = [sys.executable, "scripts/check_export.py", "--model", BASE_FACTS, "--config", str(CONFIG_FILE)]
        where = ["--out", f"{EXPORT_TRIAL}.later", "--log", "logs/check_export.log"]
        if subprocess.run([*command, *where], check=False).returncode:
            raise WorkflowError("the trial of the export stopped this run; nothing was changed")
    from gaslamp.report.dashboard.launch import open_at_start

    open_at_start(Path.cwd(), CONFIG.dashboard)
    pass_on_to_steps()


def get_shown_run():
    """The run whose results are shown at the end: the best point of a sweep, once it is known."""
    is_chosen = POINTS and Path("outputs/sweep.json").is_file()
    return read_kept("outputs/sweep.json")[0] if is_chosen else RUN


def is_reflected(run):
    """Whether the rule `reflect` has seen the newest facts; runs without that rule are reflected on when they end."""
    facts = [file for name in ("train.json", "eval/compare.json") if (file := Path(f"outputs/{run}/{name}")).is_file()]
    done = [Path(f"outputs/{run}/reflection/{name}") for name in ("decisions.md", "latest.md")]
    newest = max((file.stat().st_mtime for file in done if file.is_file()), default=0)
    return all(file.stat().st_mtime <= newest for file in facts)


def reflect_now(run):
    """Remember what the run taught until here; one that failed teaches too."""
    if CONFIG.reflect.write:
        part = [str(write_point(run))] if run != RUN else []
        command = [sys.executable, "scripts/reflect.py", "--run", run, "--config", str(CONFIG_FILE), *part]
        subprocess.run([*command, "--log", f"logs/{run}/reflect.log"], check=False)


def show_summary():
    """Print the closing table; after `make deploy` without the next command, which is under way."""
    run = get_shown_run()
    if not is_reflected(run):
        reflect_now(run)
    flags = ["--no-next"] if "deploy" in sys.argv else []
    subprocess.run([sys.executable, "scripts/show_summary.py", "--run", run, *flags], check=False)
    give_machine_back("end")


def give_machine_back(how):
    """At the end of a run: what is rented elsewhere and still held is released, or it is said how to stop paying."""
    if is_remote() and Path(".gaslamp/remote/lease.json").is_file():
        command = [sys.executable, "scripts/manage_remote.py", how, "--config", str(CONFIG_FILE)]
        subprocess.run(command, check=False)


# The targets of commands other than `make run`, and what to type to go on with them.
COMMANDS = {
    "deploy": "deploy",
    "data/report.html": "data",
    "data/generated/candidates.jsonl": "generate",
    "stage_push": "push",
    "llamacpp": "llamacpp",
}


def show_failure():
    """After a failure: update progress_log.md, print the end of the failed step's log and how to go on.

    After Ctrl-C only what is kept and the command that goes on; what it taught is remembered when the run has ended.
    """
    command = next((COMMANDS[word] for word in sys.argv if word in COMMANDS), "run")
    run = get_shown_run()
    flags = ["--run", run, "--failed", "--command", command]
    done = subprocess.run([sys.executable, "scripts/show_summary.py", *flags], check=False)
    if done.returncode != 130:  # a person stopped it
        reflect_now(run)
    give_machine_back("fail")
