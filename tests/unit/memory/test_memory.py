"""Hints, snapshot, gate, dedup, eviction: nothing is lost, nothing is overwritten."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import facts
import pytest
from gaslamp.config.slices import write_merged
from gaslamp.core.errors import GaslampError
from gaslamp.memory import snapshot
from gaslamp.memory.candidates import extract, read_notes
from gaslamp.memory.entry import LIMITS, Entry, check_gate
from gaslamp.memory.hints import add_hint, read_hints
from gaslamp.memory.maker import shorten
from gaslamp.memory.notes import get_blocks, update
from gaslamp.memory.run_facts import RunFacts
from gaslamp.memory.store import remember

ROOT = Path(__file__).parents[3]
GOOD = {"priority": "high", "durability": "durable", "decision": "promote"}


def entry(title: str, body: str = "body", kind: str = "lessons", **changes: Any) -> Entry:
    digest = hashlib.sha256(title.encode()).hexdigest()[:8]
    values = {
        "kind": kind,
        "candidate_id": f"p:section_8:{digest}",
        "title": title,
        "body": body,
        "date": "2026-11-20",
        **GOOD,
    }
    return Entry.model_validate(values | changes)


def test_hints_append_and_a_malformed_file_stays(tmp_path: Path) -> None:
    add_hint(tmp_path, 4, "first")
    add_hint(tmp_path, 6, "second", "skill")
    assert [(hint.phase, hint.hint, hint.type_hint) for hint in read_hints(tmp_path)] == [
        (4, "first", None),
        (6, "second", "skill"),
    ]
    path = tmp_path / ".reflect_hints.json"
    for broken in ("[{", '{"a": 1}', '[{"hint": 3}]'):
        path.write_text(broken)
        with pytest.raises(GaslampError):
            add_hint(tmp_path, 4, "third")
        assert path.read_text() == broken


@pytest.mark.parametrize(("phase", "text"), [(0, "x"), (8, "x"), (4, "  ")])
def test_bad_hints(tmp_path: Path, phase: int, text: str) -> None:
    with pytest.raises(GaslampError):
        add_hint(tmp_path, phase, text)
    assert not (tmp_path / ".reflect_hints.json").exists()


def test_hint_script(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/add_reflect_hint.py"), str(tmp_path)]
    subprocess.run([*command, "--phase", "4", "--hint", "warm up longer", "--type", "lesson"], check=True)
    shown = subprocess.run([*command, "--list"], check=True, capture_output=True, text=True).stdout
    assert "warm up longer" in shown
    assert subprocess.run([*command, "--phase", "4"], capture_output=True, check=False).returncode == 1


def test_snapshot_is_frozen_and_taken_once(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    assert snapshot.take_snapshot(project, home) is None and not list(project.iterdir())
    (home / "lessons.md").write_text("# Lessons\n\n## One\nbody\n", encoding="utf-8")
    first = snapshot.take_snapshot(project, home)
    assert first is not None and first["files"]["lessons.md"]["entries"] == ["One"]
    copy = project / ".gaslamp_context" / "lessons.md"
    assert first["files"]["lessons.md"]["sha256"] == hashlib.sha256(copy.read_bytes()).hexdigest()
    assert not copy.stat().st_mode & 0o222
    (home / "lessons.md").write_text("changed", encoding="utf-8")
    assert snapshot.take_snapshot(project, home) == first and "One" in copy.read_text()


def test_snapshot_module_needs_only_the_standard_library() -> None:
    tree = ast.parse(Path(snapshot.__file__).read_text(encoding="utf-8"))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {module.split(".")[0] for module in modules} <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"durability": "recurring"}, True),
        ({"durability": "transient"}, False),
        ({"priority": "medium"}, False),
        ({"decision": "keep_project_only"}, False),
        ({"priority": None}, False),
        ({"priority": None, "durability": None, "decision": None}, True),
    ],
)
def test_gate(changes: dict[str, Any], passes: bool) -> None:
    passed, reason = check_gate(entry("t", **changes))
    assert passed is passes
    assert ("warning" in reason) == (changes.get("priority", "x") is None and passes)


def test_dedup_ignores_case_and_spaces_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    assert [item.outcome for item in remember([entry("Use q8_0", "it is  free")], tmp_path)] == ["promoted"]
    before = (tmp_path / "lessons.md").read_bytes()
    again = remember([entry("use  Q8_0", "It is free", candidate_id="other:section_1:00000000")], tmp_path)
    assert [item.outcome for item in again] == ["dup_skipped"] and (tmp_path / "lessons.md").read_bytes() == before


def test_user_category_is_replaced_in_place(tmp_path: Path) -> None:
    remember([entry("Hardware", "old", "user"), entry("Domain", "legal", "user")], tmp_path)
    remember([entry("Hardware", "new", "user", candidate_id="q:section_5:11111111")], tmp_path)
    text = (tmp_path / "user.md").read_text()
    assert "old" not in text and text.index("new") < text.index("legal")


def test_blocked_and_dry_runs_write_nothing(tmp_path: Path) -> None:
    assert [item.outcome for item in remember([entry("t", priority="low")], tmp_path)] == ["gate_blocked"]
    assert [item.outcome for item in remember([entry("t")], tmp_path, dry_run=True)] == ["promoted"]
    assert not list(tmp_path.iterdir())


def test_oldest_goes_to_the_archive(tmp_path: Path) -> None:
    many = [entry(f"Lesson {i}", "x" * 100, date=f"2026-{1 + i // 28:02d}-{1 + i % 28:02d}") for i in range(40)]
    outcomes = remember(many, tmp_path)
    evicted = [item.title for item in outcomes if item.outcome == "evicted_to_archive"]
    kept, archived = (tmp_path / "lessons.md").read_text(), (tmp_path / "archive/lessons_2026_Q1.md").read_text()
    assert evicted == [f"Lesson {i}" for i in range(len(evicted))] and evicted
    assert len(kept) <= LIMITS["lessons"]
    for i in range(40):
        assert (f"## Lesson {i}\n" in kept) != (f"## Lesson {i}\n" in archived)


def test_a_person_s_own_entry_survives(tmp_path: Path) -> None:
    (tmp_path / "lessons.md").write_text("# Lessons\n\nmy preface\n\n## Mine\nkeep this\n", encoding="utf-8")
    remember([entry("New")], tmp_path)
    text = (tmp_path / "lessons.md").read_text()
    assert "my preface" in text and "## Mine\nkeep this" in text and "## New" in text


def run_facts(**changes: Any) -> RunFacts:
    return RunFacts(
        "sft",
        "cpu",
        "embedded:m",
        system=facts.system(),
        train=facts.train(),
        compare=facts.compare(**changes),
        ladder=facts.ladder(),
    )


def test_candidates(tmp_path: Path) -> None:
    add_hint(tmp_path, 4, "a lower rate helped " * 20)
    (tmp_path / "memory.md").write_text(
        "## Discoveries & Notes\n<!-- - not this -->\n- seen once\n\n## Other\n- not this\n", encoding="utf-8"
    )
    found = extract(tmp_path, "cafe", "support", run_facts())
    assert found == extract(tmp_path, "cafe", "support", run_facts())
    assert {item.kind for item in found} == {"user", "lessons", "skills"}
    assert len({item.candidate_id for item in found}) == len(found)
    skill = next(item for item in found if item.kind == "skills")
    assert skill.when == "task=sft AND hardware=cpu AND model_size<=1B" and "95.5 %" in "".join(skill.steps)
    assert not check_gate(next(item for item in found if item.body == "seen once"))[0]
    assert check_gate(next(item for item in found if item.title.startswith("a lower rate")))[0]


def test_no_recipe_from_a_run_that_did_not_help(tmp_path: Path) -> None:
    found = extract(tmp_path, "cafe", "support", run_facts(verdict="no clear difference"))
    assert not [item for item in found if item.kind == "skills"]
    assert any("no clear difference" in item.title for item in found)


def test_shorten() -> None:
    assert shorten("a  b\nc", 10) == "a b c"
    assert shorten("alpha beta gamma", 12) == "alpha beta…"
    assert len(shorten("x" * 100, 20)) == 20
    assert shorten("100.0 %, 100 kB; the smallest (of 5 levels that fit)", 40) == "100.0 %, 100 kB; the smallest…", (
        "no open bracket"
    )


@pytest.mark.parametrize(
    "skeleton", ["", "<!-- gaslamp:facts:start -->\nNothing has run yet.\n<!-- gaslamp:facts:end -->\n\n"]
)
def test_memory_blocks_leave_the_notes_alone(tmp_path: Path, skeleton: str) -> None:
    blocks = get_blocks(
        facts.model(), facts.card(), facts.train(), {"learning_rate": 0.002, "max_steps": None, "lora": {"r": 16}}
    )
    notes = "## Discoveries & Notes\n\n- <!-- odd --> $1 \\1 keep | me\n"
    once = update("# Memory\n\nmy line\n\n" + skeleton + notes, blocks)
    assert update(once, blocks) == once
    assert once.startswith("# Memory\n\nmy line\n\n") and once.endswith(notes)
    assert "- lora.r: 16" in once and "max_steps" not in once and "Nothing has run yet" not in once
    assert once.count("gaslamp:facts:start") == 1
    changed = update(once, {"Model": "- other"})
    assert "- other" in changed and "smollm2" not in changed and changed.endswith(notes)
    assert read_notes(tmp_path / "none.md") == []


def reflect(tmp_path: Path, write: bool) -> dict[str, object]:
    paths = facts.write_run(tmp_path)
    (tmp_path / "memory.md").write_text("## Discoveries & Notes\n", encoding="utf-8")
    command = [sys.executable, str(ROOT / "scripts/reflect.py")]
    for name in ("system", "train", "compare", "ladder", "model", "card"):
        command += [f"--{name}", str(paths[name])]
    train = {"learning_rate": 0.002, "lora": {"r": 16}}
    settings = {
        "method": "sft",
        "project": {"name": "cafe", "domain": "support"},
        "model": {"source": "embedded:m"},
        "train": train,
        "reflect": {"write": write},
    }
    command += [
        "--config",
        str(write_merged(settings, tmp_path)),
        "--payload",
        "payload.json",
        "--decisions",
        "decisions.md",
    ]
    subprocess.run(command, check=True, cwd=tmp_path, env={"GASLAMP_HOME": str(tmp_path / "home"), "PATH": ""})
    payload: dict[str, object] = json.loads((tmp_path / "payload.json").read_text())
    return payload


def test_reflect_writes_only_when_the_config_says_so(tmp_path: Path) -> None:
    assert reflect(tmp_path, write=False)["reflected"] is None
    assert not (tmp_path / "home").exists() and "Nothing was written" in (tmp_path / "decisions.md").read_text()
    assert reflect(tmp_path, write=True)["reflected"]
    before = (tmp_path / "home/skills.md").read_bytes()
    outcomes = reflect(tmp_path, write=True)["outcomes"]
    assert (tmp_path / "home/skills.md").read_bytes() == before
    assert isinstance(outcomes, list) and {item["outcome"] for item in outcomes} == {"dup_skipped", "gate_blocked"}
    assert "- learning_rate: 0.002" in (tmp_path / "memory.md").read_text()
