"""What a project teaches the next one: problems that it met, settings that helped, and nothing that is personal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import facts
import pytest
import training
import yaml
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.attempts import Attempt
from gaslamp.core.contracts import Score
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import read_events
from gaslamp.memory.apply import apply_memory
from gaslamp.memory.candidates import extract
from gaslamp.memory.cleaning import clean
from gaslamp.memory.entry import Entry, check_gate
from gaslamp.memory.hints import add_hint, find_phase
from gaslamp.memory.history import add_run, make_record, read_runs
from gaslamp.memory.run_facts import RunFacts, get_paths, read_facts, show_size
from gaslamp.memory.store import export_memory, forget, import_memory, list_entries, remember
from gaslamp.train.run import train_model

ROOT = Path(__file__).parents[3]


def keep(entries: list[Entry]) -> dict[str, Entry]:
    """Those that pass the gate, by title."""
    return {entry.title: entry for entry in entries if check_gate(entry)[0]}


def train_project(project: Path, base: Path) -> None:
    """Train by the project's config.yaml, as the rule does."""
    config = Config.model_validate(yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8")))
    outputs, logs = project / "outputs" / "main", project / "logs" / "main"
    outputs.mkdir(parents=True, exist_ok=True)
    train_model(
        parse_slice(get_slice(config, "backend", "method", "train")),
        base / "model.json",
        base / "conversation.train.jsonl",
        base / "conversation.valid.jsonl",
        base / "template.json",
        project / "checkpoints",
        logs / "train.metrics.jsonl",
        outputs / "adapters",
        outputs / "train.json",
    )


def write_config(project: Path, model: Path, **train: Any) -> None:
    values = {"max_steps": 4, "max_length": 128, **train}
    config = {"method": "sft", "backend": "cpu", "model": {"source": str(model)}, "train": values}
    project.mkdir(parents=True, exist_ok=True)
    (project / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def reflect_on(project: Path, base: Path, home: Path) -> list[Entry]:
    config = Config.model_validate(yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8")))
    settings = parse_slice(get_slice(config, "project", "method", "model", "backend", "train"))
    paths = {name: project / path for name, path in get_paths("main", settings.model).items()}
    paths["model"] = base / "model.json"
    found = read_facts(paths, settings, "main")
    entries = extract(project, "cafe", "support", found)
    remember(entries, home)
    return entries


def test_memory_ran_out_in_one_project_and_does_not_in_the_next(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real trainings; a simulated allocator takes one row with checkpointing and no more."""
    home = tmp_path / "home"
    base = training.write_base(tmp_path / "base", tiny_model, {"conversation": training.ROWS["conversation"]})
    training.refuse_memory(monkeypatch, lambda model, ids: not model.is_gradient_checkpointing or len(ids) > 1)
    write_config(tmp_path / "one", tiny_model, on_oom="adapt")
    train_project(tmp_path / "one", base)
    recipe = keep(reflect_on(tmp_path / "one", base, home))["tiny-chat: sft ran out of memory on cpu"]
    assert recipe.settings == {
        "train.gradient_checkpointing": True,
        "train.batch_size": 1,
        "train.gradient_accumulation": 2,
    }
    assert recipe.when and recipe.when.startswith("task=sft AND hardware=cpu AND model_size>=")
    assert recipe.measured["peak_memory_gb"]

    write_config(tmp_path / "without", tiny_model)
    with pytest.raises(GaslampError, match="not enough memory"):
        train_project(tmp_path / "without", base)

    write_config(tmp_path / "two", tiny_model)
    said = apply_memory(tmp_path / "two", home)
    assert (
        len(said) == 1 and "train.batch_size: 1" in said[0] and "because of cafe, run main: memory ran out" in said[0]
    )
    train_project(tmp_path / "two", base)
    events = read_events(tmp_path / "two" / "logs/main/train.metrics.jsonl")
    assert [event["event"] for event in events if event["event"] in ("adapt", "end")] == ["end"]


def attempt(step: str, error: str, status: str = "failed", **settings: Any) -> Attempt:
    return Attempt(step, 1, "2026-11-30T10:00:00+00:00", status, error=error, settings=settings)


def run(**changes: Any) -> RunFacts:
    values = {"method": "sft", "backend": "cpu", "source": "org/Tiny-1B", "system": facts.system(), **changes}
    return RunFacts(**values)


def test_a_project_that_failed_teaches(tmp_path: Path) -> None:
    """No training ended: there are only the attempts, and the errors name what avoids them."""
    refused = "2 problems in the data\n    x.csv, line 3: the chat template of the model refuses it: no system role\n"
    memory = {"train.gradient_checkpointing": True, "train.batch_size": 1, "train_python": "/x"}
    attempts = [
        attempt("prepare_data", refused, **{"data.system_as_user": True}),
        attempt("train_model", "not enough memory for the first step", **memory),
        attempt("train_model", "not enough memory for the first step", **memory),
        attempt("fetch_model", "model.safetensors is damaged: the header's length is impossible"),
        attempt("compare_models", "KeyError: 'x'"),
        attempt("compare_models", "", "ok"),
    ]
    found = extract(tmp_path, "cafe", "support", run(attempts=attempts, model=facts.model()))
    kept = keep(found)
    template = kept["tiny-1b: its chat template refuses these rows"]
    assert template.settings == {"data.system_as_user": True} and template.body == "rows were refused: no system role"
    assert template.when == "model=tiny-1b", "the name alone: the model of these facts is not on this machine"
    oom = kept["tiny-1b: sft ran out of memory on cpu"]
    assert oom.settings == {"train.gradient_checkpointing": True, "train.batch_size": 1}
    assert oom.when == "task=sft AND hardware=cpu AND model_size>=120M AND memory_gb<=16"
    assert "downloading it again" in kept["fetch_model: a damaged download"].body
    (failed,) = [entry for entry in found if entry.title.startswith("compare_models failed")]
    assert failed.title.endswith("(solved later)") and not check_gate(failed)[0]


def test_what_a_person_raised_is_no_default(tmp_path: Path) -> None:
    """Batches of 64 were wanted: that they do not fit is kept, and small batches become nobody's default."""
    attempts = [attempt("train_model", "not enough memory", **{"train.batch_size": 1})]
    found = extract(tmp_path, "cafe", "support", run(attempts=attempts, requested={"batch_size": 64}))
    entry = next(entry for entry in found if "out of memory" in entry.title)
    assert entry.kind == "lessons" and not entry.settings and "you had set batch_size 64" in entry.body
    found = extract(tmp_path, "cafe", "support", run(attempts=attempts, requested={"batch_size": 1}))
    assert next(entry for entry in found if "out of memory" in entry.title).settings, "that was the fix"


def score(value: float, half: float = 0.03) -> Score:
    return facts.score(value, half=half)


def scored(value: float, adapter: str, half: float = 0.03, **train: Any) -> RunFacts:
    compare = facts.compare()
    compare.metrics[0].tuned = score(value, half)
    return run(
        source="org/Tiny-1B",
        train=facts.train(adapter_sha256=adapter),
        compare=compare,
        card=facts.card(),
        model=facts.model(),
        requested={"learning_rate": "auto", "seed": 1, "epochs": None, "lora": {"r": 16}, **train},
    )


@pytest.mark.parametrize(
    ("value", "half", "kind", "passes"),
    [(0.9, 0.03, "skills", True), (0.52, 0.03, "lessons", False), (0.2, 0.03, "lessons", True)],
)
def test_a_changed_setting_against_the_run_before(
    tmp_path: Path, value: float, half: float, kind: str, passes: bool
) -> None:
    path = tmp_path / "logs" / "runs.jsonl"
    before, after = scored(0.5, "a"), scored(value, "b", half, learning_rate=0.002, seed=7, lora={"r": 8}, epochs=3.0)
    for one in (before, before, after):
        record = make_record(one)
        assert record
        add_run(record, path)
    runs = read_runs(path)
    assert [each.adapter for each in runs] == ["a", "b"]
    (entry,) = [one for one in extract(tmp_path, "cafe", "support", after, runs) if "learning_rate" in one.title]
    assert (entry.kind, check_gate(entry)[0]) == (kind, passes)
    assert entry.measured == {"metric": "json_match", "before": 0.5, "after": value, "n": 200}
    if kind == "skills":
        assert entry.settings == {"train.learning_rate": 0.002, "train.epochs": 3.0, "train.lora.r": 8}, "no seed"
        assert entry.when == (
            "task=sft AND hardware=cpu AND model_size>=67M AND model_size<=260M AND rows>=600 AND rows<=2400"
        )
    else:
        assert not entry.settings
    other = runs[0].model_copy(update={"test": "other rows"})
    assert not [one for one in extract(tmp_path, "cafe", "support", after, [other, runs[1]]) if "learning" in one.title]


KNEW, LOST, KEPT = score(0.55, 0.15), score(0.025, 0.1), score(0.5, 0.15)
GONE = {"base": KNEW, "tuned": LOST}
REFUSED = "x.csv, line 3: the chat template of the model refuses it: no system role\n"
CUT = "gt-llama-cpp is not the file that was tested: its sha256 is not 832d"
LEAN = {"train.gradient_checkpointing": True, "train.batch_size": 1}
ADAPTED = [{"event": "adapt", "changes": {"batch_size": 1}}]
CANDIDATES: dict[str, tuple[dict[str, Any], str, str, str, bool]] = {
    "training adapted to memory": (
        {"events": ADAPTED},
        "skills",
        "tiny-1b: sft ran out of memory on cpu",
        "settings",
        True,
    ),
    "memory stopped it": (
        {"attempts": [attempt("train_model", "not enough memory", **LEAN)]},
        "skills",
        "tiny-1b: sft ran out of memory on cpu",
        "settings",
        True,
    ),
    "a refused template": (
        {"attempts": [attempt("prepare_data", REFUSED, **{"data.system_as_user": True})]},
        "skills",
        "tiny-1b: its chat template refuses these rows",
        "rows were refused: no system role",
        True,
    ),
    "a damaged download": (
        {"attempts": [attempt("build_llamacpp", CUT)]},
        "lessons",
        "build_llamacpp: a damaged download",
        "its sha256 is not",
        True,
    ),
    "the hub's file was cut": (
        {"attempts": [attempt("fetch_model", "cannot download a/b: Consistency check failed: 3 of 9 bytes")]},
        "lessons",
        "fetch_model: a damaged download",
        "Consistency check",
        True,
    ),
    "another failure": (
        {"attempts": [attempt("merge_adapters", "no space left")]},
        "lessons",
        "merge_adapters failed (not solved)",
        "no space left",
        False,
    ),
    "an estimate that was far off": (
        {"preflight": facts.preflight(), "train": facts.train(peak_memory_gb=3.6)},
        "lessons",
        "tiny-1b on cpu: memory estimate",
        "3.1 GB estimated, 3.6 GB measured",
        True,
    ),
    "it worked": (
        {"train": facts.train(settings={"learning_rate": 2e-4, "batch_size": 2}), "compare": facts.compare()},
        "skills",
        "sft that worked: cafe",
        "with learning_rate 0.0002, 1 epochs, batch 2 x 1",
        True,
    ),
    "it worked and forgot": (
        {"train": facts.train(), "compare": facts.compare(retention=GONE)},
        "lessons",
        "tiny-1b: task learnt, general knowledge lost",
        "general questions 55.0 % to 2.5 %; 0.5 % to 95.5 %",
        True,
    ),
    "it did not help": (
        {"train": facts.train(), "compare": facts.compare(verdict="no clear difference")},
        "lessons",
        "sft of tiny-1b: no clear difference",
        "800 rows, 200 steps",
        True,
    ),
    "a level to ship": ({"ladder": facts.ladder()}, "lessons", "is the level to ship", "same answers as f16", True),
}


@pytest.mark.parametrize("name", CANDIDATES)
def test_what_a_run_teaches(name: str, tmp_path: Path) -> None:
    """Each kind of candidate arises from the facts of the phases that ended, whether the run did or not."""
    given, kind, title, words, passes = CANDIDATES[name]
    found = [entry for entry in extract(tmp_path, "cafe", "support", run(**given)) if entry.title.endswith(title)]
    assert [(entry.kind, check_gate(entry)[0]) for entry in found] == [(kind, passes)]
    assert words == "settings" and found[0].settings or words in found[0].get_text()
    if words != "settings":
        assert bool(found[0].settings) == (name == "a refused template")


def test_a_model_that_is_not_better_has_no_level_to_ship(tmp_path: Path) -> None:
    for verdict, count in (("better", 1), ("no clear difference", 0)):
        given = run(train=facts.train(), compare=facts.compare(verdict=verdict), ladder=facts.ladder())
        found = [one for one in extract(tmp_path, "cafe", "support", given) if one.title.endswith("level to ship")]
        assert len(found) == count, verdict


def test_a_recipe_that_lost_general_knowledge_is_no_winner(tmp_path: Path) -> None:
    before, after = scored(0.5, "a"), scored(0.9, "b", learning_rate=0.02)
    assert after.compare
    runs = [record for one in (before, after) if (record := make_record(one))]
    for retention, kind in ((GONE, "lessons"), ({"base": KNEW, "tuned": KEPT}, "skills")):
        after.compare.retention = retention
        (entry,) = [one for one in extract(tmp_path, "cafe", "support", after, runs) if "learning_rate" in one.title]
        assert entry.kind == kind and bool(entry.settings) == (kind == "skills")
        assert ("general questions 55.0 % to 2.5 %" in entry.body) == (kind == "lessons")
        assert "instead of auto" in entry.body or "instead of the default" in entry.body
        worked = [one for one in extract(tmp_path, "cafe", "support", after, runs) if one.title.startswith("sft that")]
        assert bool(worked) == (kind == "skills")


def test_entries_are_forgotten_by_as_much_of_an_id_as_is_clear(tmp_path: Path) -> None:
    ids = ["cafe:section_1:1a2b3c4d", "cafe:section_2:1a9f0000", "shop:section_3:77aa0000", "shop:section_4:88aa0000"]
    given = {"kind": "lessons", "date": "2026-11-30"}
    entries = [Entry.model_validate({**given, "candidate_id": one, "title": one}) for one in ids]
    remember(entries, tmp_path)
    with pytest.raises(GaslampError) as caught:
        forget(tmp_path, ["77", "1a", "nope"])
    assert "'1a' may be 2 of them: 1a2b3c4d, 1a9f0000; nothing is called 'nope'" in caught.value.cause
    assert len(list_entries(tmp_path)["lessons"]) == 4, "all or none"
    assert [one.candidate_id for one in forget(tmp_path, ["1a2", "77", "shop:section_4"])] == [ids[0], ids[2], ids[3]]
    assert [one.candidate_id for one in list_entries(tmp_path)["lessons"]] == [ids[1]]


def test_an_estimate_that_was_far_off_is_remembered(tmp_path: Path) -> None:
    found = {}
    for used in (0.5, 2.9, 3.6):
        train = facts.train(peak_memory_gb=used)
        entries = extract(tmp_path, "cafe", "support", run(preflight=facts.preflight(), train=train))
        (entry,) = [one for one in entries if "memory estimate" in one.title]
        found[used] = check_gate(entry)[0]
        assert (entry.measured["estimated_gb"], entry.measured["peak_memory_gb"]) == (3.1, used)
    assert found == {0.5: True, 2.9: False, 3.6: True}


def test_sizes_are_rounded_down() -> None:
    assert [show_size(size) for size in (134_515_008, 1.5e9, 7.62e9, 95_000, 12)] == [
        "130M",
        "1.5B",
        "7.6B",
        "95K",
        "12",
    ]


HOME = "/".join(("", "home", "ana"))  # of nobody: what must not enter the memory
PLANTED = {
    "hf_" + "a1B2" * 9: "a hub token",
    "sk-proj-" + "Zx9" * 12: "an API key",
    "ana.lopez@clinic-nord.de": "an e-mail address",
    f"{HOME}/patients/2026/notes.csv": "a path",
    "~/clients/acme/rows.jsonl": "a path below home",
    r"C:\Users\ana\rows.csv": "a path on Windows",
    HOME.replace("home", "Users") + "/My Documents/x y.csv": "a path with blanks",
    "s3cr3t-value-of-env": "a secret of the environment",
    "postgres://ana:hunter2pass@db.intern/x": "a password in an address",
}


def test_secrets_and_personal_paths_never_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted in everything that a candidate is made from, in an edited payload, and in a team's file."""
    monkeypatch.setenv("MY_API_TOKEN", "s3cr3t-value-of-env")
    home, file = tmp_path / "home", tmp_path / "team.json"
    for text in PLANTED:
        add_hint(tmp_path, 3, f"it works with {text} here", "skill", {"train.batch_size": 1})
        add_hint(tmp_path, 3, f"use {text}")
    everything = " and ".join(PLANTED)
    system = {**facts.system(), "cpu": "ana.lopez@clinic-nord.de"}
    attempts = [attempt("fetch_model", f"{text} is damaged") for text in PLANTED]
    changed = run(attempts=attempts, system=system, source=f"{HOME}/models/tiny", train=facts.train())
    entries = extract(tmp_path, "acme ana.lopez@clinic-nord.de", everything, changed)
    given = {"kind": "lessons", "candidate_id": "x:section_1:00000000", "title": "t", "date": "2026-11-30"}
    entries += [
        Entry.model_validate(
            {**given, "candidate_id": f"x:section_1:0000000{n}", "title": f"t{n}", "body": f"see {text}"}
        )
        for n, text in enumerate(PLANTED)
    ]
    remember(entries, home)
    rows = [
        {**given, "candidate_id": f"y:section_1:{n}", "title": f"u{n}", "steps": [text], "measured": {"m": text}}
        for n, text in enumerate(PLANTED)
    ]
    file.write_text(json.dumps({"entries": rows}), encoding="utf-8")
    import_memory(home, file)
    written = "".join(path.read_text(encoding="utf-8") for path in home.rglob("*") if path.is_file())
    assert len(written) > 3000
    for text, what in PLANTED.items():
        parts = [text, "ana", "acme/", "notes.csv", "hunter2", "clinic", "Documents", "patients"]
        assert not [part for part in parts if part in written], what
    assert clean("0.5/s at 3/4 of https://huggingface.co/org/name, see outputs/main/train.json") == (
        "0.5/s at 3/4 of https://huggingface.co/org/name, see outputs/main/train.json"
    )


def test_two_projects_at_once_lose_nothing(tmp_path: Path) -> None:
    """Two processes write twelve entries each, one by one; all are in the memory or in its archive afterwards."""
    code = """
import sys
from pathlib import Path
from gaslamp.memory.entry import Entry
from gaslamp.memory.store import remember
name, home = sys.argv[1], Path(sys.argv[2])
for n in range(12):
    values = {"kind": "lessons", "candidate_id": f"{name}:section_1:{n:08d}", "title": f"{name} {n}", "body": "b" * 100}
    remember([Entry.model_validate({**values, "date": "2026-11-20"})], home)
"""
    command = [sys.executable, "-c", code]
    both = [
        subprocess.Popen(
            [*command, name, str(tmp_path / "home")], env={"PYTHONPATH": str(ROOT / "scripts"), "PATH": ""}
        )
        for name in ("left", "right")
    ]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    shelf = json.loads((tmp_path / "home" / "lessons.json").read_text())
    archive = json.loads((tmp_path / "home" / "archive" / "lessons_2026_Q4.json").read_text())
    titles = sorted(entry["title"] for entry in [*shelf["entries"], *archive["entries"]])
    assert titles == sorted(f"{name} {n}" for name in ("left", "right") for n in range(12))


def entry(number: int, body: str = "b", date: str = "2026-11-20", kind: str = "lessons", **more: Any) -> Entry:
    values = {"kind": kind, "candidate_id": f"p:section_1:{number:08d}", "title": f"Lesson {number}", "body": body}
    return Entry.model_validate({**values, "date": date, **more})


def test_a_team_merges_without_loss(tmp_path: Path) -> None:
    mine, yours, file = tmp_path / "mine", tmp_path / "yours", tmp_path / "team.json"
    remember([entry(1), entry(2, "mine", "2026-11-22"), entry(9, kind="user")], mine)
    recipe = entry(3, kind="skills", when="task=sft", settings={"train.batch_size": 1})
    remember([entry(1), entry(2, "yours", "2026-11-21"), recipe], yours)
    assert export_memory(yours, file) == 3
    done = import_memory(mine, file)
    assert (done.new, done.known) == (2, 1)
    kinds = list_entries(mine)
    assert [one.body for one in kinds["lessons"]] == ["b", "mine"] and len(kinds["user"]) == 1
    assert kinds["skills"][0].settings == {"train.batch_size": 1}
    archived = json.loads((mine / "archive" / "lessons_2026_Q4.json").read_text())["entries"]
    assert [one["body"] for one in archived] == ["yours"], "the older of two texts with one id"
    before = {path: path.read_bytes() for path in mine.rglob("*.json")}
    again = import_memory(mine, file)
    assert again.new == 0 and before == {path: path.read_bytes() for path in mine.rglob("*.json")}
    assert [one.title for one in forget(mine, ["00000003"])] == ["Lesson 3"] and not list_entries(mine)["skills"]
    (again_made,) = remember([recipe], mine)
    assert again_made.outcome == "gate_blocked" and "you had it forgotten on" in again_made.reason
    with pytest.raises(GaslampError, match="nothing is called '00000003'"):
        forget(mine, ["00000003"])
    with pytest.raises(GaslampError, match="is no exported memory"):
        import_memory(mine, tmp_path)
    for wrong in ("[", "[" * 100_000, "{}", '{"entries": [{"kind": "x"}]}'):
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(GaslampError, match="is no exported memory"):
            import_memory(mine, file)
    evil = {"kind": "skills", "candidate_id": "e:section_1:0", "title": "t", "date": "2026-11-20", "when": "task=sft"}
    file.write_text(json.dumps({"entries": [{**evil, "settings": {"train_python": "/x"}}]}), encoding="utf-8")
    with pytest.raises(GaslampError, match="a recipe may not set train_python"):
        import_memory(mine, file)
    for key, value in (
        ("train.batch_size", -5),
        ("train.batch_size", "1\nx: y"),
        ("train.learning_rate", float("nan")),
    ):
        file.write_text(json.dumps({"entries": [{**evil, "settings": {key: value}}]}), encoding="utf-8")
        with pytest.raises(GaslampError, match=f"a recipe may not set {key} = "):  # a project would begin with it
            import_memory(mine, file)


def test_the_json_is_the_truth_and_edits_of_the_markdown_are_taken_over(tmp_path: Path) -> None:
    remember([entry(1), entry(2, kind="skills", when="task=sft", settings={"train.batch_size": 1})], tmp_path)
    page = tmp_path / "lessons.md"
    stale = page.read_text(encoding="utf-8")
    remember([entry(3)], tmp_path)
    page.write_text(stale, encoding="utf-8")  # as a crash between the two files leaves it
    remember([entry(4)], tmp_path)
    assert [one.title for one in list_entries(tmp_path)["lessons"]] == ["Lesson 1", "Lesson 3", "Lesson 4"]
    page.write_text(page.read_text(encoding="utf-8") + "\n## Mine\nkeep this\n", encoding="utf-8")
    recipes = tmp_path / "skills.md"
    edited = recipes.read_text(encoding="utf-8").replace("train.batch_size: 1", "train.batch_size: 2")
    recipes.write_text(edited, encoding="utf-8")
    kinds = list_entries(tmp_path)
    assert [one.title for one in kinds["lessons"]][-1] == "Mine" and kinds["lessons"][-1].body == "keep this"
    assert kinds["skills"][0].settings == {"train.batch_size": 2}
    recipes.write_text(edited.replace("train.batch_size: 2", "train_python: /x"), encoding="utf-8")
    (kept,) = list_entries(tmp_path)["skills"]
    assert not kept.settings and any("train_python" in step for step in kept.steps), "kept as a note, never applied"


def test_a_hint_belongs_to_the_step_that_ran_last(tmp_path: Path) -> None:
    assert find_phase(tmp_path) == 3
    facts.write_run(tmp_path)
    (tmp_path / "logs").mkdir(exist_ok=True)
    line = {"step": "evaluate_model_tuned", "event": "start", "time": "2026-11-20T10:00:00+01:00", "pid": 999_999_991}
    (tmp_path / "logs" / "phases.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert add_hint(tmp_path, None, "x").phase == 4
    with pytest.raises(GaslampError, match="may not set run"):
        add_hint(tmp_path, None, "x", settings={"run": "a"})
    with pytest.raises(GaslampError, match="column 1"):
        add_hint(tmp_path, None, "x", when="size<1")
