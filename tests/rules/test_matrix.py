"""Edit one thing, and exactly the rules that depend on it run again; a second run has nothing to do.

The project ran for real once; every case edits it, asks a dry run, and puts it back.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tiny
from compare_models import KEYS as COMPARE_KEYS
from gaslamp.config.schema import Config
from gaslamp.config.sections.data import Data
from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.config.slices import get_slice

END = {
    "write_roadbook": 1,
    "build_demo_files": 1,
    "write_progress": 1,
}  # they report everything, so they follow everything
SHIP = {
    "build_ladder": 1,
    "check_parity": 1,
    "require_parity": 1,
    "write_modelfile": 1,
    "reflect": 1,
    "build_report": 1,
    **END,
}
EXPORT = {"merge_adapters": 1, "convert_gguf": 1, "quantize_gguf": 2, "evaluate_gguf": 3, "measure_gguf": 1, **SHIP}
TRAIN = {"train_model_cpu": 1, "evaluate_model": 1, "compare_models": 1, "build_demo": 1, **EXPORT}
DATA = {**TRAIN, "prepare_data": 1, "build_data_page": 1, "evaluate_model": 2}
EVERYTHING = {
    **DATA,
    "write_brief": 1,
    "detect_system": 1,
    "detect_env": 1,
    "check_preflight": 1,
    "fetch_model": 1,
    "check_export": 1,
    "build_llamacpp": 1,
}

Edit = Callable[[Path], None]


def touch(*names: str) -> Edit:
    def edit(project: Path) -> None:
        later = time.time() + 60
        for name in names:
            os.utime(find(project, name), (later, later))

    return edit


def append(name: str, text: str) -> Edit:
    def edit(project: Path) -> None:
        file = find(project, name)
        file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
        touch(name)(project)

    return edit


def replace(name: str, old: str, new: str) -> Edit:
    def edit(project: Path) -> None:
        file = find(project, name)
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
        touch(name)(project)

    return edit


def config(**settings: object) -> Edit:
    return lambda project: tiny.set_config(
        project, **{key.replace("__", "."): value for key, value in settings.items()}
    )


def find(project: Path, name: str) -> Path:
    """A file of the project, or of its model folder (``model:``)."""
    folder = Path(json.loads(next(project.glob("resources/models/*/model.json")).read_text())["path"])
    return folder / name.removeprefix("model:") if name.startswith("model:") else project / name


@contextmanager
def restored(project: Path) -> Iterator[None]:
    """Put every file that a test may edit back, with its times."""
    folder = find(project, "model:config.json").parent
    places = [
        *(project / name for name in ("config.yaml", "data/raw", "data/kept.jsonl")),
        *(project / name for name in ("scripts", "rules", "workflow", "profiles")),
        folder,
    ]
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
    kept = {file: (file.read_bytes(), file.stat()) for file in files}
    try:
        yield
    finally:
        now = {
            file for place in places for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()
        }
        for file in now - kept.keys():
            file.unlink()
        for file, (data, stat) in kept.items():
            if not file.is_file() or file.read_bytes() != data:
                file.write_bytes(data)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


DATA_KEYS: dict[str, object] = {  # every key of data but source and generate, each edited alone
    "sql": "SELECT * FROM source",
    "subset": "main",
    "hub_split": "train",
    "revision": "v1",
    "format": "prompt_completion",
    "columns": {"prompt": "prompt", "completion": "completion"},
    "meaning": 1,
    "sheet": "rows",
    "header": True,
    "encoding": "utf-8",
    "system": "Be brief.",
    "system_as_user": True,
    "split": {"valid": 0.1, "test": 0.2, "seed": 1, "max_test": 200},
    "rehearsal": 0.0,
    "slice": "kind",
    "max_truncated": 0.1,
    "redact": True,
    "group": "kind",
    "speech": {"codebooks": 1},
    "labelled": None,
    "checks": {"near_duplicates": {"max_percentage": 10.0}},
}


def other_file(project: Path) -> None:
    tiny.write_rows(project / "data/raw/other.csv")
    tiny.set_config(project, **{"data.source": "data/raw/other.csv"})


WRITTEN = {"rows": 5, "endpoint": {"url": "http://127.0.0.1:1/v1", "model": "m"}, "licence": "own use"}
"""data.generate of a project that has rows of its own."""

ANSWERS: dict[str, object] = {  # every key of diagnose.answers with a value that is not its default
    name: field.default + (1 if isinstance(field.default, int) else 0.01 if field.default < 0.9 else -0.01)
    for name, field in AnswerLimits.model_fields.items()
}

CASES: list[tuple[str, Edit, dict[str, int]]] = [
    ("nothing edited", lambda project: None, {}),
    (
        "a sweep of four points",
        config(sweep={"over": {"train.lora.r": [4, 8], "train.learning_rate": [0.01, 0.02]}}),
        {"train_model_cpu": 4, "evaluate_model_valid": 4, "compare_points": 1},
    ),
    (
        "a point of the sweep as the run",
        config(run="r8", sweep={"over": {"train.lora.r": [4, 8]}}),
        {**TRAIN, "evaluate_model": 2},
    ),
    ("the data touched", touch("data/raw/notes.csv"), {}),
    (
        "code, config and model touched",
        touch("scripts/gaslamp/train/run.py", "scripts/train_model.py", "config.yaml", "model:config.json"),
        {},
    ),
    ("a rule file edited in a comment", append("rules/train.smk", "# a comment\n"), {}),
    ("code of another backend", append("scripts/gaslamp/train/backends/cuda.py", "X = 1\n"), {}),
    (
        "code of another method or format",
        lambda project: (project / "scripts/gaslamp/train/methods/mine.py").write_text("X = 1\n") and None,
        {},
    ),
    ("how often is saved", config(train__save_minutes=5.0), {"reflect": 1, **END}),
    ("what becomes of thoughts", config(train__thinking="keep"), DATA),
    ("how it is watched", config(train__report_to=["tensorboard"], train__on_oom="adapt"), {"reflect": 1, **END}),
    ("what is chosen on a GPU only", config(train__choose=[], train__quantization="none"), {}),
    ("every weight instead of an adapter", config(train__adapter="none"), TRAIN),
    ("the port", config(deploy__port=9000), END),
    ("base next to tuned on the chat page", config(deploy__compare=False), END),
    ("how long a prompt may be when served", config(deploy__context=1024), {"write_modelfile": 1, **END}),
    ("the chat page", append("scripts/gaslamp/serve/chat/page/chat.css", "/* x */\n"), {}),
    ("the price of the machine", config(plan__price_per_hour=2.5), {}),
    ("the dashboard", config(dashboard={"open": "never", "port": 9001}), {}),
    ("the machine elsewhere", config(remote={"host": "gpu", "evaluate": "there", "export": "there"}), {}),
    ("code of remote steps", append("scripts/gaslamp/remote/steps.py", "# x\n"), {}),
    ("dashboard code", append("scripts/gaslamp/report/dashboard/server.py", "# x\n"), {}),
    ("batch size of the evaluation", config(eval__batch_size=4), END),
    ("another metric of answers", config(eval__metrics=["token_f1"]), {"compare_models": 1, "build_demo": 1, **EXPORT}),
    (
        "every threshold of the answers",
        config(diagnose__answers=ANSWERS),
        {"compare_models": 1, "build_demo": 1, **EXPORT},
    ),
    ("when a training counts as ill", config(diagnose__constant_steps=30, diagnose__valid_rise=0.2), {}),
    ("a training that is ill goes on", config(diagnose__stop=False), {}),
    ("which weights are kept", config(train__keep="best"), TRAIN),
    ("an early end", config(train__patience=3), TRAIN),
    ("a part of the rows", config(train__share=0.5), TRAIN),
    (
        "three seeds",
        config(train__seeds=3),
        {"train_model_cpu": 2, "evaluate_model": 2, "compare_models": 1, "build_demo": 1, **EXPORT},
    ),
    ("rows of the validation loss", config(train__valid_rows=4), TRAIN),
    (
        "one baseline less",
        config(eval__baselines=["majority"]),
        {"compare_models": 1, "build_demo": 1, **EXPORT},
    ),
    (
        "few-shot prompting next to tuned",
        config(eval__baselines=["few_shot"]),
        {"evaluate_rival": 1, "compare_models": 1, "build_demo": 1, **EXPORT},
    ),
    (
        "a metric of likelihoods",
        config(eval__metrics=["perplexity", "exact_match"]),
        {"evaluate_model": 2, "compare_models": 1, "build_demo": 1, **EXPORT},
    ),
    (
        "the evaluation page",
        append("scripts/gaslamp/evaluate/page/page.js", "// x\n"),
        {"compare_models": 1, "build_demo": 1, **EXPORT},
    ),
    (
        "another target than the adapter",
        config(eval__target="merged"),
        {"evaluate_target": 1, "compare_models_target": 1, **END},
    ),
    (
        "a level as target",
        config(eval__target="q8_0"),
        {"evaluate_gguf_target": 1, "compare_models_target": 1, **END},
    ),
    ("an answer kept by hand", lambda project: (project / "data/kept.jsonl").write_text("{}\n") and None, DATA),
    ("demo title", config(demo__title="Mine"), {"build_demo": 1, **END}),
    (
        "demo page",
        append("scripts/gaslamp/report/demo/style.css", "/* x */\n"),
        {"build_demo": 1, "build_demo_files": 1, "write_progress": 1},
    ),
    (
        "the data page",
        append("scripts/gaslamp/data/page.css", "/* x */\n"),
        {"build_data_page": 1, "write_progress": 1},
    ),
    ("the report", append("scripts/gaslamp/report/run_report/style.css", "/* x */\n"), {"build_report": 1}),
    (
        "code of both demo pages",
        append("scripts/gaslamp/report/demo/render.py", "# x\n"),
        {"build_demo": 1, "build_demo_files": 1, "write_progress": 1},
    ),
    (
        "code of the first demo page",
        append("scripts/gaslamp/report/demo/page.py", "# x\n"),
        {"build_demo": 1, "write_progress": 1},
    ),
    (
        "code of the demo's page of the files",
        append("scripts/gaslamp/report/demo/files_page.py", "# x\n"),
        {"build_demo_files": 1},
    ),
    ("export tolerance", config(export__tolerance=0.2), SHIP),
    (
        "the merged model alone",
        config(export__formats=["merged"]),
        {"check_parity": 1, "require_parity": 1, "build_report": 1, "write_progress": 1},
    ),
    ("one more format", config(export__formats=["gguf", "ollama", "vllm"]), {"export_model": 1, **END}),
    (
        "one more level",
        config(export__levels=["q8_0", "q4_k_m", "q5_0"]),
        {"quantize_gguf": 1, "evaluate_gguf": 1, "measure_gguf": 1, **SHIP},
    ),
    (
        "a level that wants an importance matrix",
        config(export__levels=["q8_0", "q4_k_m", "iq3_xxs"]),
        {"build_imatrix": 1, "quantize_gguf": 1, "evaluate_gguf": 1, "measure_gguf": 1, **SHIP},
    ),
    (
        "parity code",
        append("scripts/gaslamp/export/parity/gate.py", "# x\n"),
        {"check_parity": 1, "require_parity": 1, "write_modelfile": 1, "build_report": 1, **END},
    ),
    ("a number of tokens instead of auto", config(train__max_length=128), DATA),
    ("the preset's number instead of auto", config(train__max_length=None), DATA),
    ("several rows in one sequence", config(train__packing=True), DATA),
    ("learning rate", config(train__learning_rate=0.01), TRAIN),
    ("learning rate by the size of the model", config(train__learning_rate="auto"), TRAIN),
    ("an option of the adapter", config(train__lora={"use_rslora": True}), TRAIN),
    ("an option of the adapter at its default", config(train__lora={"rank_pattern": {}}), {}),
    ("training code", append("scripts/gaslamp/train/trl/engine.py", "# x\n"), TRAIN),
    ("code of this method", append("scripts/gaslamp/train/methods/sft.py", "# x\n"), DATA),
    ("a reward that the method does not use", config(train__rewards=[{"name": "length"}]), TRAIN),
    ("one row of the data", append("data/raw/notes.csv", '"9 pies for Zoe","ok"\n'), DATA),
    *(
        (f"data.{key}", config(**{f"data__{key}": value}), {**DATA, "write_brief": 1})
        for key, value in DATA_KEYS.items()
    ),
    ("how rows would be generated", config(data__generate={"parallel": 8}), {"write_brief": 1, **END}),
    (
        "rows from a model besides your own",
        config(data__generate=WRITTEN),
        {"generate_rows": 1, "select_rows": 1, "write_brief": 1, **DATA},
    ),
    (
        "a row labelled by hand",
        lambda project: (project / "data/raw/gaslamp-labels.jsonl").write_text("{}\n") and None,
        DATA,
    ),
    ("data.source", lambda project: other_file(project), {**DATA, "write_brief": 1}),
    (
        "the model's chat template",
        replace("model:tokenizer_config.json", "assistant", "helper"),
        {**DATA, "fetch_model": 1, "check_export": 1},
    ),
    (
        "the model's weights",
        lambda project: tiny.write_checkpoint(find(project, "model:config.json").parent, seed=2) and None,
        {**DATA, "fetch_model": 1, "check_export": 1},
    ),
    ("another run", config(run="second"), {**TRAIN, "evaluate_model": 2}),
]


@pytest.mark.parametrize(("edit", "jobs"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_edit_reruns_exactly_what_depends_on_it(finished: Path, edit: Edit, jobs: dict[str, int]) -> None:
    with restored(finished):
        edit(finished)
        assert tiny.get_jobs(finished) == jobs


def test_every_key_of_the_data_is_edited_once() -> None:
    assert {"source", "generate", "part", *DATA_KEYS} == set(Data.model_fields)


def test_every_threshold_of_the_answers_is_handed_to_the_comparison() -> None:
    """One edited key after the other: what the rule compares to know whether its step is up to date."""

    def cut(**answers: object) -> str:
        values = {"project": {"name": "x"}, "model": {"source": "m"}, "diagnose": {"answers": answers}}
        return get_slice(Config.model_validate(values), *COMPARE_KEYS)

    assert [name for name, value in ANSWERS.items() if cut(**{name: value}) == cut()] == []
    assert list(ANSWERS) == list(AnswerLimits.model_fields)


def test_a_fresh_project_runs_everything(finished: Path, tmp_path: Path) -> None:
    data = tiny.write_rows(tmp_path / "notes.csv")
    project = tiny.bake(tmp_path / "fresh", data, find(finished, "model:config.json").parent, tiny.SETTINGS)
    assert tiny.get_jobs(project) == EVERYTHING


def test_the_first_run_left_what_it_promised(finished: Path) -> None:
    """All that rule all names, a model that learnt its one answer, and the same answers from every file."""
    for name in (
        "project_brief.md",
        "data/report.html",
        "demos/main/index.html",
        "outputs/main/gguf/Modelfile",
        "gaslamp.md",
        "progress_log.md",
        "data_strategy.md",
    ):
        assert (finished / name).stat().st_size > 100, name
    card, train, compare = (
        json.loads((finished / name).read_text())
        for name in ("data/card.json", "outputs/main/train.json", "outputs/main/eval/compare.json")
    )
    assert (compare["metrics"][0]["base"]["value"], compare["metrics"][0]["tuned"]["value"]) == (0.0, 1.0)
    assert compare["verdict"] == "no clear difference" and "always answering “ok”" in compare["answer"]
    # both are true of rows that all have one answer; nothing else is called ill
    assert {finding["name"] for finding in compare["findings"]} == {"no_better_than", "other_task"}
    assert train["findings"] == []
    parity = json.loads((finished / "outputs/main/gguf/parity.json").read_text())
    assert parity["passed"] and len(parity["checks"]) == 33, parity["summary"]
    decision = next(one for one in card["decisions"] if one["name"] == "max_length")
    assert decision in train["decisions"] and train["settings"]["max_length"] == card["max_length"] == decision["value"]
    shown = [finished / name for name in ("gaslamp.md", "data/report.html", "logs/main/train_model.log")]
    assert [page.name for page in shown if decision["reason"] not in page.read_text()] == []
    assert not list(finished.rglob(".*.unfinished")) and not list(finished.rglob("*.partial.jsonl"))


def test_every_file_of_facts_says_where_it_comes_from(finished: Path) -> None:
    for name in (
        "data/card.json",
        "outputs/main/train.json",
        "outputs/main/eval/compare.json",
        "outputs/main/gguf/ladder.json",
        "outputs/main/gguf/parity.json",
    ):
        provenance = json.loads((finished / name).read_text())["provenance"]
        assert provenance["inputs"] and all(len(digest) == 64 for digest in provenance["inputs"].values()), name
        assert (
            provenance["started"] <= provenance["ended"] and provenance["command"] and provenance["versions"]["gaslamp"]
        )


def test_progress_was_visible(finished: Path) -> None:
    """A line from every step, no wall of warnings."""
    lines = (finished / "first_run.txt").read_text().splitlines()
    steps = {line.split("]")[0].strip("[") for line in lines if line.startswith("[") and "]" in line}
    assert {"prepare_data", "fetch_model", "train_model", "check_preflight", "evaluate_model_tuned"} <= steps
    assert not [line for line in lines if "Warning" in line or "Traceback" in line]


def test_a_second_real_run_has_nothing_to_do(finished: Path) -> None:
    before = {
        file: file.stat().st_mtime_ns
        for file in finished.rglob("*")
        if file.is_file() and ".snakemake" not in file.parts and "logs" not in file.parts
    }
    done = tiny.snakemake(finished)
    assert done.returncode == 0 and "Nothing to be done" in tiny.get_rules_error(done), tiny.get_rules_error(done)
    assert {file: file.stat().st_mtime_ns for file in before} == before
