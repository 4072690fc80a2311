"""README and docs: links lead somewhere, what they name exists, and every room has its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import write_architecture
from gaslamp.config.schema import get_schema

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("cookiecutter-template/*/README.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
REPOSITORY = ("scripts", "rules", "tests", "docs", "profiles", "workflow", "cookiecutter-template")
"""Folders of the repository that pages name files of."""


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def get_anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def get_targets() -> set[str]:
    """The targets of the Makefiles of the repository and of a project."""
    files = [ROOT / "Makefile", *ROOT.glob("cookiecutter-template/*/Makefile")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    lists = re.findall(r"^PROJECT_COMMANDS *:?= *(.*)$", text, re.MULTILINE)
    return {*re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE), *(name for line in lists for name in line.split())}


def has_key(path: list[str], schema: dict[str, Any], section: dict[str, Any]) -> bool:
    """Whether ``path`` is a key of the config; what stands below an open mapping (options) is free."""
    value = section.get("properties", {}).get(path[0])
    if value is None:
        return False
    if "items" in value:
        value = value["items"]
    inner = schema["$defs"].get(value.get("$ref", "").rsplit("/", 1)[-1])
    return len(path) == 1 or inner is None or has_key(path[1:], schema, inner)


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    text = re.sub(r"```.*?```", "", read(name), flags=re.DOTALL)
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        if not file.exists() or (anchor and anchor not in get_anchors(file.read_text(encoding="utf-8"))):
            wrong.append(target)
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist(name: str) -> None:
    found = set(re.findall(r"(?:`|^ {4})make ([a-z][a-z-]*)", read(name), re.MULTILINE))
    assert found - get_targets() == set()


@pytest.mark.parametrize("name", NAMES)
def test_config_keys_exist(name: str) -> None:
    schema = get_schema()
    words = re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)(?::[^`]*)?`", read(name))
    files = (".json", ".jsonl", ".md", ".py", ".yaml", ".csv", ".html", ".txt", ".smk", ".key", ".log", ".safetensors")
    paths = {word for word in words if word.split(".")[0] in schema["properties"] and not word.endswith(files)}
    assert [path for path in sorted(paths) if not has_key(path.split("."), schema, schema)] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "CHANGELOG.md"])
def test_files_exist(name: str) -> None:
    """A path in backticks that begins with a folder of the repository; placeholders are left out."""
    found = set(re.findall(rf"`((?:{'|'.join(REPOSITORY)})/[\w./-]+)`", read(name)))
    named = {path for path in found if not re.search(r"NAME|verb_noun|mine\.|gentle|sft_noise|nl\.yaml", path)}
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_phase_has_its_rules_room_tests_and_page_under_one_name() -> None:
    phases = {file.stem for file in (ROOT / "rules").glob("*.smk")} - {
        "first",
        "common",
        "remote",
        "stages",
        "sweep",
        "points",
    }
    assert phases == {"environment", "data", "train", "evaluate", "report", "export", "serve", "memory"}
    for phase in phases:
        assert (ROOT / "scripts" / "gaslamp" / phase / "__init__.py").is_file()
        assert (ROOT / "docs" / f"{phase}.md").is_file() and f"(docs/{phase}.md)" in read("README.md")
        assert list((ROOT / "tests" / "unit" / phase).glob("test_*.py")), f"tests/unit/{phase}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            links = re.findall(r"\]\(([^)#\s:]+\.md)", page.read_text(encoding="utf-8"))
            waiting += [file for link in links if (file := (page.parent / link).resolve()).is_file()]
    assert [page.name for page in (ROOT / "docs").rglob("*.md") if page not in reached] == []


def test_the_graph_of_rooms_is_that_of_the_code() -> None:
    assert read("docs/architecture.md") == write_architecture.render(), "run: make architecture"
    order = write_architecture.get_order()
    assert all(order.index(below) < order.index(room) for room, below in write_architecture.get_edges())
