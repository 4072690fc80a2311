"""Script, rule, log and step have one name; a script reads the config keys that its rule depends on, and no other."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import tiny
import yaml
from gaslamp.config.load import load_config
from gaslamp.config.slices import get_slice, load_slice, write_merged
from gaslamp.core.console import get_step_name
from gaslamp.memory.hints import PHASE_NAMES

PROBE = """
include: "Snakefile"


import json

from types import SimpleNamespace


def get_kept():  # the real one asks a checkpoint
    return list(POINTS)[:1] or [RUN]


def ask(settings):
    if not callable(settings):
        return settings
    names = {"stage": STAGES, "part": PARTS, "base": BASES}
    return settings(SimpleNamespace(run=RUN, **{name: next(iter(known), "") for name, known in names.items()}))


print(
    "PROBE "
    + json.dumps(
        {
            one.name: {
                "logs": [str(log) for log in one.log],
                "shell": one.shellcmd,
                "settings": ask(dict(one.params.items()).get("settings")),
            }
            for one in workflow.rules
            if one.shellcmd
        }
    )
)
"""

TRAINING = "how a training is watched and saved changes nothing of its result"
PROBED = "params.options has what of it changes an answer"
NOT_SCORED = "the answers are made already: no part of the comparison"
# rule -> keys that its script reads and that are no reason to run it again, with the reason
READ_ONLY = {
    "train_model_*": {
        "train.save_minutes": TRAINING,
        "train.save_steps": TRAINING,
        "train.report_to": TRAINING,
        "train.on_oom": TRAINING,
        "diagnose.*": "it says when a training is stopped as hopeless; a training that went through is what it was",
        "train.seeds": "the other seeds are runs of their own",
        "train.thinking": "data/template.json, an input, has what the data phase made of it",
    },
    "evaluate_model": {"eval.*": PROBED, "train.*": PROBED},
    "evaluate_rival": {"eval.*": "whether it is run, and what does not change an answer"},
    "evaluate_target": {"eval.*": PROBED, "train.*": PROBED},
    "compare_models*": {
        f"eval.{key}": NOT_SCORED
        for key in (
            "baseline_rows",
            "baseline_minutes",
            "batch_size",
            "max_new_tokens",
            "lm_eval",
            "lm_eval_limit",
            "target",
            "endpoint",
            "endpoint.*",
        )
    },
    "generate_rows": {
        "data.generate.review": "the choice of rows, not their text",
        "data.generate.parallel": "the same requests",
        "data.generate.price.*": "what is shown of the cost",
    },
    "prepare_data": {
        "data.generate*": "data/generated/rows.jsonl, an input, has what it made",
        "data.part": "where the rows are written, not what they are",
        "backend": "which memory limits train.max_length: auto; estimated once, as the gate",
        "train.*": "params.length has what decides train.max_length: auto; the memory is estimated once",
    },
    "check_export": {"*": "it runs once for a base model: a change in export/ must not train again"},
    "check_preflight": {"*": "the gate is checked again at every start, see start_run in rules/common.smk"},
}
# rule -> keys that it depends on and that reach its script otherwise
BY_FLAG = {"detect_env": {"backend": "--backend"}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.bake(tmp_path_factory.mktemp("steps"), "embedded:orders_json", None, {})


def read_rules(project: Path, backend: str = "cpu") -> dict[str, dict[str, Any]]:
    """Name -> log patterns, shell command and params.settings of every rule, as Snakemake has them."""
    probe = project / "workflow" / "probe.smk"
    probe.write_text(PROBE, encoding="utf-8")
    done = tiny.run(
        tiny.SNAKEMAKE, "--profile", backend, "-s", str(probe), "--dry-run", "--quiet", "all", cwd=project, timeout=120
    )
    probe.unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"^PROBE (.*)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    rules: dict[str, dict[str, Any]] = json.loads(found[1])
    return rules


def get_script(rule: dict[str, Any]) -> str:
    found = re.search(r"scripts/(\w+)\.py", rule["shell"])
    assert found, rule["shell"]
    return found[1]


@pytest.mark.parametrize("backend", ["cpu", "colab", "ssh"])
def test_script_rule_and_log_have_one_name(project: Path, backend: str) -> None:
    rules = read_rules(project, backend)
    assert len(rules) > 25 and f"{'run_remote_pull' if backend != 'cpu' else 'train_model_cpu'}" in rules
    check_names(rules, backend)


def check_names(rules: dict[str, dict[str, Any]], backend: str) -> None:
    seen: dict[str, str] = {}
    for name, rule in rules.items():
        script = get_script(rule)
        assert name == script or name.startswith(f"{script}_"), f"rule {name} runs scripts/{script}.py"
        assert len(rule["logs"]) == 1 and "--log {log}" in rule["shell"], name
        pattern = rule["logs"][0]
        assert seen.setdefault(pattern, name) == name, f"{pattern} is written by {seen[pattern]} and {name}"
        stem = re.sub(r"_\{\w+(,[^}]*)?\}$", "", get_step_name(pattern))
        assert stem in (name, name.removesuffix(f"_{backend}")), f"rule {name} logs to {pattern}"


def flatten(settings: dict[str, Any], place: str = "") -> Iterator[str]:
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{place}{key}.")
        else:
            yield f"{place}{key}"


def get_keys(name: str, rule: dict[str, Any]) -> tuple[str, ...]:
    """What the rule's script declares; empty when it reads no config."""
    script = get_script(rule)
    if "--config {CONFIG_FILE}" not in rule["shell"]:
        return ()
    spec = importlib.util.spec_from_file_location(script, tiny.ROOT / "scripts" / f"{script}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return (*module.KEYS, *(module.TARGET_KEYS if "--known" in rule["shell"] else ()))


def is_listed(listed: dict[str, dict[str, str]], name: str, key: str) -> bool:
    return any(fnmatch(key, pattern) for rule, keys in listed.items() if fnmatch(name, rule) for pattern in keys)


def test_the_rules_of_a_sweep_too(tmp_path: Path, project: Path) -> None:
    """Its points are runs like any other: the rules are the same, and three come with it.

    So do those of the data phase and the base model, where points have their own.
    """
    own = tiny.copy_project(project, tmp_path)
    for old in (own / ".gaslamp").glob("*.yaml"):
        old.unlink()
    tiny.set_config(own, **{"sweep.over": {"train.lora.r": [4, 8]}})
    rules = read_rules(own)
    assert rules.keys() - read_rules(project).keys() == {"evaluate_model_valid", "compare_points", "build_sweep_page"}
    check_names(rules, "cpu")
    (merged,) = (own / ".gaslamp").glob("*.yaml")
    whole = load_config(yaml.safe_load(merged.read_text(encoding="utf-8")), merged, own)
    for name in ("compare_points", "build_sweep_page"):
        read = json.loads(get_slice(whole, *get_keys(name, rules[name])))
        assert set(flatten(read)) == set(flatten(json.loads(rules[name]["settings"]))), name
    tiny.set_config(own, **{"sweep.points": [{"data.system": "Be brief."}, {"model.source": "org/another"}]})
    more = read_rules(own)
    parts = {"prepare_data_part", "build_data_page_part", "match_rows"}
    assert more.keys() - rules.keys() == {*parts, "fetch_model_point", "check_export_point"}
    check_names(more, "cpu")
    assert "sweep.over.train.lora.r" in set(flatten(json.loads(rules["compare_points"]["settings"])))


def test_scripts_read_what_their_rules_depend_on(project: Path) -> None:
    for old in (project / ".gaslamp").glob("*.yaml"):
        old.unlink()
    rules = read_rules(project)
    (merged,) = (project / ".gaslamp").glob("*.yaml")
    config = load_slice([merged], ["backend"])
    assert config.backend == "cpu", "the profile's backend is part of the merged file"

    whole = load_config(yaml.safe_load(merged.read_text(encoding="utf-8")), merged, project)
    problems, used = [], set()
    for name, rule in rules.items():
        read = set(flatten(json.loads(get_slice(whole, *get_keys(name, rule)))))
        reasons = set(flatten(json.loads(rule["settings"] or "{}")))
        for key in sorted(read - reasons):
            if is_listed(READ_ONLY, name, key):
                used.add(name)
            else:
                problems.append(f"scripts/{get_script(rule)}.py reads {key}; rule {name} does not depend on it")
        for key in sorted(reasons - read):
            if not is_listed(BY_FLAG, name, key):
                problems.append(f"rule {name} depends on {key}; scripts/{get_script(rule)}.py does not read it")
    assert not problems, "\n".join(problems)
    assert all(any(fnmatch(name, pattern) for name in used) for pattern in READ_ONLY), "an exception without use"


def test_a_dry_run_with_other_values_leaves_the_file_of_a_run_alone(project: Path) -> None:
    folder = project / ".gaslamp"
    read_rules(project)
    before = {file: file.read_bytes() for file in folder.iterdir()}
    done = tiny.snakemake(project, "--dry-run", "--quiet", "all", "--config", "run=other")
    assert done.returncode == 0, done.stdout + done.stderr
    after = {file: file.read_bytes() for file in folder.iterdir()}
    assert before.items() <= after.items() and len(after) == len(before) + 1
    assert load_slice([next(iter(after.keys() - before.keys()))], ["run"]).run == "other"


def test_a_step_that_fails_shows_the_end_of_its_log(tmp_path: Path, tiny_model: Path) -> None:
    """The command as a person types it: the error, the log with its path, and how to go on."""
    data = tmp_path / "rows.jsonl"
    data.write_text('{"prompt": "a", "completion": "b"}\n' * 40 + "{\n", encoding="utf-8")
    project = tiny.bake(tmp_path / "projects", data, tiny_model, tiny.SETTINGS)
    done = tiny.snakemake(project, "data/card.json")
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "check_preflight failed: " in said
    end = said[said.index("end of logs/check_preflight.log:") :]
    assert "line 41: not valid JSON" in end and "same command" in end
    assert "check_preflight failed" not in (project / "logs/check_preflight.log").read_text(encoding="utf-8")


def test_a_script_runs_by_hand(tmp_path: Path) -> None:
    """Several files, merged in order as Snakemake does; without --config it is config.yaml."""
    (tmp_path / "config.yaml").write_text("project: {name: cafe, task: orders}\nbackend: cpu\n", encoding="utf-8")
    (tmp_path / "more.yaml").write_text("project: {task: bills}\n", encoding="utf-8")
    script = tiny.ROOT / "scripts" / "write_brief.py"
    for flags, task in (([], "orders"), (["--config", "config.yaml", "more.yaml"], "bills")):
        done = tiny.run(sys.executable, str(script), *flags, "--out", "brief.md", cwd=tmp_path, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        text = (tmp_path / "brief.md").read_text(encoding="utf-8")
        assert text.startswith("# cafe") and task in text
    (tmp_path / "more.yaml").write_text("project: {tusk: bills}\n", encoding="utf-8")
    done = tiny.run(
        sys.executable, str(script), "--config", "config.yaml", "more.yaml", "--out", "b.md", cwd=tmp_path, timeout=60
    )
    assert (
        done.returncode == 1
        and "more.yaml, line 1: unknown key 'project.tusk'; did you mean 'task'" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_merged_config_keeps_every_value(tmp_path: Path) -> None:
    values = {
        "train": {"learning_rate": "2e-4", "max_steps": 1},
        "data": {"system": "Zeile\nzwei: {name} é"},
        "run": "1",
    }
    file = write_merged(values, tmp_path)

    assert yaml.safe_load(file.read_text(encoding="utf-8")) == values
    assert write_merged(values, tmp_path) == file and len(list(tmp_path.iterdir())) == 1


def test_phases_have_one_number_everywhere() -> None:
    """The Snakefile's header, the rule files, the README's table and the hints of the reflection."""
    header = (tiny.ROOT / "workflow/Snakefile").read_text(encoding="utf-8").split("\n\n")[0]
    phases = {name: int(number) for number, name in re.findall(r"^#   (\d) (\w+) ", header, re.MULTILINE)}
    assert list(phases.values()) == list(range(9))
    for file in (tiny.ROOT / "rules").glob("*.smk"):
        if file.stem not in ("first", "common"):
            phase = {"remote": "train", "stages": "train", "sweep": "train", "points": "data"}
            name = phase.get(file.stem, file.stem)
            first = file.read_text(encoding="utf-8").splitlines()[0]
            assert first.startswith(f"# Phase {phases[name]}, {name}"), first
    table = re.findall(r"^\| (\d) (\w+) \|", (tiny.ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: int(number) for number, name in table} == phases
    assert {name: phases[name] for name in PHASE_NAMES.values()} == {name: n for n, name in PHASE_NAMES.items()}
