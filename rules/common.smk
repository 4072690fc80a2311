# Helpers of the rules: the checked config, slices of it for `params`, and the code each rule depends on.
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT / "scripts"))

from gaslamp.core import registry
from gaslamp.core.code_graph import get_code
from gaslamp.config.load import load_config
from gaslamp.config.slices import clean_merged, get_slice, write_merged
from gaslamp.config.sections.models import is_local
from gaslamp.config.sections.train import NO_REASON_TO_TRAIN
from gaslamp.environment.python_env import get_train_python
from gaslamp.core.errors import GaslampError
from gaslamp.core.places import localize
from gaslamp.evaluate.metric import Metric
from gaslamp.evaluate.choose_metrics import get_needed_outputs
from gaslamp.evaluate.prompts import KEPT_ROWS
from gaslamp.config.levels import is_with_imatrix
from gaslamp.config.methods import get_artefact, get_evaluation_options, get_method, is_multimodal
from gaslamp.models.base import get_model_name
from gaslamp.core.workflow_state import claim, release_stale_lock, silence_snakemake

# Every rule runs with the interpreter that runs Snakemake; only training may have its own (train_python, or the backend's VENV).
PYTHON = shlex.quote(sys.executable)

try:
    CONFIG = load_config(config)
    release_stale_lock(Path.cwd())
except GaslampError as error:
    raise WorkflowError(localize(str(error)))

# What the scripts read: config.yaml, the profile's backend and --config, merged. The rules' `params` decide what runs again.
CONFIG_FILE = write_merged(config)
RUN = CONFIG.run
MODEL_FACTS = f"resources/models/{get_model_name(CONFIG.model)}/model.json"
TOOLCHAIN = "resources/llama.cpp/toolchain.json"
TRAIN_PYTHON = shlex.quote(get_train_python(CONFIG.train_python, registry.get("backends", CONFIG.backend)))
LEVELS = ["f16", *CONFIG.export.levels]
CHAT_FORMATS = (
    "ollama",
    "lora_gguf",
    "mlx",
    "speech",
)  # formats that are nothing for a model that gives scores or vectors


def is_remote():
    """Whether training happens on another machine, with a graph of its own."""
    return CONFIG.backend == "colab"


def is_language_model():
    """Whether the method makes a model that writes; a classifier gives scores, an encoder vectors."""
    return get_artefact(CONFIG.method) == "causal_lm"


def has_test_prompts():
    """Whether the test rows ask something: files of a model that only read running text are made, but have no answers to compare."""
    return get_method(CONFIG.method).KINDS != ("text",)


def is_converted():
    """Whether the run ends with GGUF files. Those of text models always; llama.cpp does not know every model that sees, nor every
    one that is trained without its last layer, and without gguf in export.formats these end with the merged folder."""
    return "gguf" in CONFIG.export.formats or (is_language_model() and not is_multimodal(CONFIG.method))


def is_chat_model():
    """Whether the run ends with files that answer in words."""
    return is_language_model() and is_converted()


def get_companions(wildcards):
    """The second file that a GGUF file needs: the eyes of a model that sees, the head of a reward model."""
    names = {"mmproj-f16.gguf": is_multimodal(CONFIG.method), "head.json": get_artefact(CONFIG.method) == "classifier"}
    return [f"outputs/{wildcards.run}/gguf/{name}" for name, needed in names.items() if needed]


def get_files():
    """The last files of a run whose answers are not compared: every level, or the merged folder of a model that is not converted."""
    return (
        [f"outputs/{RUN}/gguf/model-{level}.gguf" for level in LEVELS] if is_converted() else [f"outputs/{RUN}/merged"]
    )


def get_proof():
    """What says that the files are those that were evaluated."""
    return (
        [f"outputs/{RUN}/gguf/{name}" for name in ("parity.json", "ladder.json")]
        if is_converted() and has_test_prompts()
        else []
    )


def get_targets():
    """What a whole run leaves: up to the quantized, proven files, or to the merged model that llama.cpp does not know."""
    page, verdict = ["project_brief.md", "data/report.html"], f"outputs/{RUN}/eval/verdict.json"
    demo = [f"demos/{RUN}/index.html"] if is_language_model() and has_test_prompts() else []
    if not get_proof():
        closing = [] if is_chat_model() else [f"outputs/{RUN}/report.html"]
        return [*page, *demo, *closing, verdict, *get_files(), "progress_log.md"]
    files = [*([f"demos/{RUN}/files.html"] if demo else []), f"outputs/{RUN}/report.html"]
    told = [f"outputs/{RUN}/reflection/decisions.md", "gaslamp.md", "progress_log.md"]
    return [*page, *demo, *files, verdict, *get_proof(), *get_exports(), *told]


def get_deploy_targets():
    """The speed of every level and the adapter for the server, before the files are served."""
    lora = [f"outputs/{RUN}/lora"] if CONFIG.train.adapter == "lora" and is_chat_model() else []
    return [f"outputs/{RUN}/gguf/bench.json", *lora] if is_converted() else []


def get_progress_inputs():
    """What must be there before the progress log is written."""
    demo = [f"demos/{RUN}/index.html"] if is_language_model() and has_test_prompts() else []
    return ["data/report.html", *demo, *(["gaslamp.md"] if get_proof() else get_files())]


def get_settings(*keys):
    """The named parts of the config as JSON: what a rule depends on, and nothing else.

    A word in braces (in a system prompt, in data.speech.tokens) is no wildcard: its brace is written as JSON can write it too.
    """
    return re.sub(r"\{(?=\s*\w)", r"\\u007b", get_slice(CONFIG, *keys))


def get_data_input():
    """The user's own files, so that an edited row reruns the data phase; embedded sets are code."""
    source = CONFIG.data.source
    if source.startswith("embedded:"):
        return []
    path = Path(source).expanduser()
    if not path.exists():  # a hub set: its revision decides (load_config has refused a path that is missing)
        return []
    if path.is_dir():
        return sorted(str(file) for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    return [str(path)]


def get_kept_input():
    """Answers that were kept by hand in `make chat-eval`: further test rows."""
    return [str(KEPT_ROWS)] if KEPT_ROWS.is_file() else []


def get_model_input():
    """All that decides a model folder (weights, config, tokenizer, chat template), so that a change in it is noticed."""
    source = CONFIG.model.source
    if not is_local(source):
        return []
    folder = Path(source).expanduser()
    return sorted(
        str(file) for kind in ("json", "jinja", "model", "txt", "safetensors") for file in folder.glob(f"*.{kind}")
    )


def get_data_plugins():
    """The embedded set, the formats that the data phase may pick, and the general talk it mixes in."""
    source = CONFIG.data.source
    sets = [source.replace("embedded:", "embedded/")] if source.startswith("embedded:") else []
    formats = registry.names("formats") if CONFIG.data.format == "auto" else [CONFIG.data.format]
    checks = [f"checks/{name}" for name in registry.names("checks")]
    return [
        *sets,
        *(f"formats/{name}" for name in formats),
        *checks,
        *(["embedded/rehearsal.jsonl"] if CONFIG.data.rehearsal else []),
    ]


def get_adapters(wildcards):
    """The adapter for `tuned`, nothing for `base`."""
    return f"outputs/{wildcards.run}/adapters" if wildcards.who == "tuned" else []


def get_imatrix(wildcards):
    """The importance matrix for the levels that want one."""
    wanted = is_with_imatrix(wildcards.level, CONFIG.export.imatrix)
    return f"outputs/{wildcards.run}/gguf/imatrix.gguf" if wanted else []


def get_exports():
    """The files and folders that export.formats asks for, beside the merged model and its levels."""
    places = {
        "merged": "outputs/{run}/merged",
        "gguf": "outputs/{run}/gguf/ladder.json",
        "lora_gguf": "outputs/{run}/lora",
        "ollama": "outputs/{run}/gguf/Modelfile",
    }
    wanted = [name for name in CONFIG.export.formats if is_language_model() or name not in CHAT_FORMATS]
    return [places.get(name, f"outputs/{{run}}/export/{name}").replace("{run}", RUN) for name in wanted]


def get_hub_input(wildcards):
    """What of the files to push the exporter would not ask for by itself."""
    if wildcards.format != "hub":
        return []
    needed = {"lora_gguf": f"outputs/{wildcards.run}/lora", "gguf": f"outputs/{wildcards.run}/gguf/Modelfile"}
    wanted = [needed[name] for name in CONFIG.export.hub.files if name in needed]
    return [path for path in wanted if "Modelfile" not in path or "ollama" in CONFIG.export.formats]


def keep(output):
    """``output`` as it is, or as a temporary file where the config asks for that."""
    return output if CONFIG.export.keep_intermediates else temp(output)


def get_metric_plugins():
    """The metrics of the config, or all that may be chosen by method and answers, and the rewards that one of them scores with."""
    rewards = [f"rewards/{reward.name}" for reward in CONFIG.train.rewards]
    return [*(f"metrics/{name}" for name in CONFIG.eval.metrics or registry.names("metrics")), *rewards]


def get_retention_input():
    """The user's own general questions."""
    return [CONFIG.eval.retention_file] if CONFIG.eval.retention and CONFIG.eval.retention_file else []


def get_lm_eval(wildcards):
    """The results of lm-evaluation-harness for base and tuned, when tasks are named."""
    return (
        [f"outputs/{wildcards.run}/eval/{who}.lm_eval.json" for who in ("base", "tuned")] if CONFIG.eval.lm_eval else []
    )


def get_task_files():
    """Task files of the project: what eval.lm_eval may name beside the tasks that the harness knows."""
    return sorted(str(path) for path in Path("tasks").rglob("*") if path.is_file()) if CONFIG.eval.lm_eval else []


def get_target_model(wildcards):
    """The merged model for `merged`; an endpoint needs no file."""
    return f"outputs/{wildcards.run}/merged" if wildcards.target == "merged" else []


def get_target_reports():
    """The comparison of what else than the adapter is judged."""
    return [] if CONFIG.eval.target == "adapter" else [f"outputs/{RUN}/eval/target/{CONFIG.eval.target}.verdict.json"]


def get_evaluation_reasons():
    """What the named metrics need of a model beside answers, and what of the training decides how it is asked (the size of
    images, the length of embedded texts), as JSON: a reason to ask again; metrics of answers are none."""
    metrics = [Metric.get(name, CONFIG.eval.options.get(name)) for name in CONFIG.eval.metrics]
    asked = {name: options for name, options in get_needed_outputs(metrics).items() if name != "answer"}
    asked |= get_evaluation_options(CONFIG.method, CONFIG.train.options)
    return json.dumps(
        asked | ({"max_length": CONFIG.train.max_length} if get_artefact(CONFIG.method) == "encoder" else {})
    )


def get_reward_plugins():
    """The rewards of the config, the project's own among them."""
    return [f"rewards/{reward.name}" for reward in CONFIG.train.rewards]


# What a step depends on and not all that it reads: tests/rules/test_settings.py lists each difference with its reason.
# How a training is watched and saved (NO_REASON_TO_TRAIN) changes nothing of its result.
TRAIN_REASONS = get_settings(
    "backend", "method", *(f"train.{key}" for key in CONFIG.train.model_dump() if key not in NO_REASON_TO_TRAIN)
)
# The batch size of the evaluation changes no answer; another metric prompts the model again only when it needs something
# else than answers (get_evaluation_reasons).
EVALUATION_PAGE = [f"evaluate/page/{name}" for name in ("page.html.j2", "style.css", "page.js")]
PROMPT_KEYS = ["method", "eval.max_new_tokens", "eval.sampling", "eval.retention"]
SCORE_KEYS = [
    "method",
    "data.slice",
    "train.rewards",
    *(f"eval.{key}" for key in ("metrics", "options", "confidence", "slices")),
]
# Whether the base model must have a vision tower that llama.cpp knows: checked when it is fetched, no reason to fetch it again.
VISION_TOWER = "--vision-tower" if is_multimodal(CONFIG.method) and is_converted() else ""
# How a GGUF file is prompted: sizes of images and length of texts are those of the training.
SIZE_KEYS = ["method", "train.options", "train.max_length"]
FILE_KEYS = [*SIZE_KEYS, "eval.max_new_tokens", "eval.sampling"]
NOT_SCORED = ("batch_size", "max_new_tokens", "lm_eval", "lm_eval_limit", "target", "endpoint")
SCORE_REASONS = get_settings(
    "method",
    "data.slice",
    "train.rewards",
    *(f"eval.{key}" for key in CONFIG.eval.model_dump() if key not in NOT_SCORED),
)


def get_started():
    """Record which process owns the run, and check the preflight again when an earlier run passed it."""
    silence_snakemake()
    claim(Path.cwd())
    write_merged(config)  # a run that started between parsing and now may have cleaned it
    clean_merged(CONFIG_FILE)
    if Path("outputs/env/preflight.json").is_file():
        facts = ["--system", "outputs/env/system.json", "--env", "outputs/env/env.json"]
        command = [sys.executable, "scripts/check_preflight.py", *facts, "--config", str(CONFIG_FILE)]
        if subprocess.run([*command, "--log", "logs/check_preflight.log"], check=False).returncode:
            raise WorkflowError("the preflight stopped this run; nothing was changed")
    from gaslamp.report.dashboard.launch import open_at_start

    open_at_start(Path.cwd(), CONFIG.dashboard)


def get_summary():
    """The closing table, when a whole run is there."""
    subprocess.run([sys.executable, "scripts/show_summary.py", "--run", RUN], check=False)


def get_advice():
    """After a failure: the progress log with the failed phase, and how to go on."""
    subprocess.run([sys.executable, "scripts/show_summary.py", "--run", RUN, "--failed"], check=False)
