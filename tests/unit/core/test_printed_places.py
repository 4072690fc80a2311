"""What a script, an error, a page or a template names is there: pages, scripts, rules and commands of a project."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from gaslamp.config.pin import PINNED, skip

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "cookiecutter-template" / "{{cookiecutter.__folder}}"
PLACE = re.compile(r"(?<![\w./-])((?:docs|scripts|rules|workflow|profiles)/[\w./-]*\w\.\w+|[A-Z]{5,}\.md)")
COMMAND = re.compile(r"(?<![\w-])make ([a-z][a-z-]*[a-z])(?=[^\w-]|$)")
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)\s#]+)")
OF_A_PROJECT = ("AGENTS.md", "README.md")
"""Pages that a project has of its own."""
ELSEWHERE = ("DESIGN.md", "CHANGELOG.md")
"""What a person may bring, and what an upgrade reads in its source."""
IN_THE_REPOSITORY = tuple(
    f"scripts/{name}"
    for name in (
        "start_project.py",
        "gaslamp/config/projects.py",
        "gaslamp/config/page.py",
        "gaslamp/report/reproduce/",
    )
)
"""What only the repository's own Makefile calls, and comments of generated files for those who edit the code."""


def list_pinned() -> set[str]:
    """The files that a project has a copy of."""
    found = set()
    for folder in PINNED:
        for file in (ROOT / folder).rglob("*"):
            parts = file.relative_to(ROOT).parts
            if file.is_file() and not any(skip("", [part]) for part in parts):
                found.add(file.relative_to(ROOT).as_posix())
    return found


def list_texts() -> Iterator[tuple[str, str]]:
    """Every text that a project may show, with its place: strings of the code without docstrings, templates, rules."""
    for name in sorted(list_pinned()):
        file = ROOT / name
        if name.startswith(("scripts/", "rules/", "workflow/")) and file.suffix == ".py":
            yield from _list_strings(name, file.read_text(encoding="utf-8"))
        elif file.suffix in (".j2", ".smk", ".yaml", ".html", ".js", ".json") or name.endswith("Snakefile"):
            yield name, file.read_text(encoding="utf-8", errors="replace")
    for file in sorted(PROJECT.rglob("*")):
        if file.is_file():
            yield file.relative_to(PROJECT).as_posix(), file.read_text(encoding="utf-8")


def _list_strings(name: str, text: str) -> Iterator[tuple[str, str]]:
    tree = ast.parse(text)
    skipped = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)  # docstrings
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield f"{name}:{node.lineno}", node.value


def test_what_is_named_is_in_a_project() -> None:
    known = list_pinned() | {*OF_A_PROJECT, *ELSEWHERE}
    missing = {
        f"{place}: {found}"
        for place, text in list_texts()
        for found in PLACE.findall(text)
        if found not in known
        and "NAME" not in found
        and not (PROJECT / found).exists()
        and not _is_of_the_repository(text, found)
    }
    assert not missing, "\n".join(sorted(missing))


def test_a_command_of_the_repository_is_said_to_be_one() -> None:
    """`make new` in a project is nothing: a text that names it says where it works."""
    pages = ((folder / "Makefile").read_text(encoding="utf-8") for folder in (ROOT, PROJECT))
    own, project = (set(TARGET.findall(text)) for text in pages)
    project -= {"new"}  # it is there only to say that it belongs to the repository
    words = {"new", "test", "words"}  # English too: counted in backticks alone
    wrong = {
        f"{place}: make {found[1]}"
        for place, text in list_texts()
        if not place.startswith(IN_THE_REPOSITORY) and place != "workflow/Snakefile"
        for found in COMMAND.finditer(text)
        if found[1] in own - project
        and (found[1] not in words or text[found.start() - 1 : found.start()] == "`")
        and not _is_of_the_repository(text, found[0])
    }
    assert not wrong, "\n".join(sorted(wrong))
    assert {"new", "lint", "reproduce"} <= own - project, "the two differ"


def _is_of_the_repository(text: str, found: str) -> bool:
    """Whether the words around say that this is in the repository or a clone of it, not in the project."""
    at = text.find(found)
    return bool(re.search(r"clone|repository|gaslamp folder", text[max(0, at - 100) : at + len(found) + 100]))


def test_the_pages_of_a_project_link_what_it_has() -> None:
    known = list_pinned()
    dead = {
        f"{name}: {link}"
        for name in known
        if name.startswith("docs/") and name.endswith(".md")
        for link in LINK.findall((ROOT / name).read_text(encoding="utf-8"))
        if os.path.normpath(Path(name).parent / link) not in known
    }
    assert not dead, "\n".join(sorted(dead))
    assert "docs/methods/sft.md" in known and "docs/errors.md" in known
