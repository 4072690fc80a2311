"""The checks of make lint find what they are for, and the front door agrees with the package."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import check_signatures
import check_words
import pytest
import run_lint
import write_licences
import yaml
from gaslamp import __version__

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("the eyes_folder of a model that sees", ["eyes", "model that sees"]),
        ("Mend it: the user was told", ["Mend", "told"]),
        ("recommended amendments of a commended shallow intellect", []),
        ("besides, a seashell is retold", []),
        ('TEXT = "she shall sing"  # words: ok', []),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert sorted(finding.word for finding in check_words.find_words("a.py", line)) == sorted(words)


def test_words_are_counted_by_room() -> None:
    assert check_words.get_area("scripts/gaslamp/train/trl/engine.py") == "gaslamp/train"
    assert check_words.get_area("tests/unit/data/test_rows.py") == "tests/unit/data"
    assert check_words.get_area("docs/faq.md") == "docs" and check_words.get_area("README.md") == "."
    assert "docs/faq.md" in check_words.list_files() and "rules/common.smk" in check_words.list_files()


def test_signatures() -> None:
    source = """
def public(a: Any, *rest: list[Any], **more: dict[str, Any]) -> Any: "doc"
def bare(a): pass
def _private(a: Any) -> Any: pass
class Model:
    def __init__(self, a: Any) -> None: pass
    def method(self, a: int) -> "int":
        def inner(a: Any): pass
class _Hidden:
    def method(self, a: Any): pass
"""
    found = {node.name: node for node in check_signatures.find_functions(ast.parse(source))}
    assert {name: check_signatures.count_any(node) for name, node in found.items()} == {
        "public": 4,
        "bare": 0,
        "__init__": 1,
        "method": 0,
    }
    assert ast.get_docstring(found["public"]) and not ast.get_docstring(found["bare"])


def test_hooks_are_the_steps_of_make_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert [hook["id"] for hook in hooks] == list(run_lint.STEPS)
    assert all(hook["entry"] == f".venv/bin/python scripts/dev/run_lint.py {hook['id']}" for hook in hooks)


def test_every_package_has_its_licence_on_the_page() -> None:
    page = write_licences.read_page()
    assert sorted(page) == [item.name for item in write_licences.read_requirements()], (
        "run: .venv/bin/python scripts/dev/write_licences.py"
    )


def test_requirements_are_read(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(
        '[project]\ndependencies = ["Py_Yaml>=6"]\n[project.optional-dependencies]\n'
        'cpu = ["torch==2.1", "pillow>=11"]\nmlx = ["mlx[cpu]==1; sys_platform == \'linux\'", "pillow>=11", '
        '"py.yaml>=6"]\n',
        encoding="utf-8",
    )
    assert write_licences.read_requirements(file) == [
        write_licences.Requirement("mlx", "==1", ("mlx",)),
        write_licences.Requirement("pillow", ">=11", ("cpu", "mlx")),
        write_licences.Requirement("py-yaml", ">=6", ()),
        write_licences.Requirement("torch", "==2.1", ("cpu",)),
    ]


def test_one_version_everywhere() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## (\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert releases[0] == citation["version"] == __version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == citation["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_lead_to_files(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (ROOT / link).exists()] == []


def test_issue_forms_are_forms() -> None:
    """Each field has what the form needs, and a bug report asks for make doctor."""
    forms = {
        file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))
        for file in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")
        if file.stem != "config"
    }
    for form in forms.values():
        assert form["name"] and form["description"]
        assert all(field["attributes"]["label"] for field in form["body"] if field["type"] != "markdown")
    assert any(field.get("id") == "doctor" for field in forms["bug"]["body"])
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert ".ci/run" in workflow and "make lint" in workflow
