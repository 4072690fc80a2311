"""The comparison of a repeated run with its roadbook: each figure that differs is found, and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import facts
import pytest
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.report.reproduce.comparison import compare_runs
from gaslamp.report.reproduce.project import EXPECTED, find_inputs, get_place, make_project, read_roadbook
from gaslamp.report.roadbook.roadbook import render_roadbook
from write_roadbook import KEYS  # the script


def write_book(folder: Path, **sections: Any) -> Path:
    """A roadbook of the invented run, and the files of that run where a project has them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = facts.write_run(folder / "facts")
    paths["payload"] = folder / "facts/payload.json"
    write_json(paths["payload"], {"reflected": None})
    settings = parse_slice(get_slice(Config.model_validate({"project": {"name": "cafe"}, **sections}), *KEYS))
    book = folder / "gaslamp.md"
    book.write_text(render_roadbook(paths, settings, folder), encoding="utf-8")
    return book


def lay_out(book: Path, project: Path) -> Path:
    """The facts of the same run as a repeated project has them."""
    _, record = read_roadbook(book)
    write_json(project / EXPECTED, record.model_dump())
    facts.card().write(project / "data/card.json")
    facts.template().write(project / "data/template.json")
    facts.model().write(project / "resources/models/m/model.json")
    facts.train().write(project / "outputs/main/train.json")
    facts.compare().write(project / "outputs/main/eval/compare.json")
    facts.ladder().write(project / "outputs/main/gguf/ladder.json")
    return project


def change(file: str, *keys: str | int, to: Any) -> Callable[[Path], None]:
    def edit(project: Path) -> None:
        value = read_json(project / file)
        part = value
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = to
        write_json(project / file, value)

    return edit


COMPARE, TUNED = "outputs/main/eval/compare.json", ("metrics", 0, "tuned", "value")


@pytest.mark.parametrize(
    ("edit", "differs"),
    [
        (None, set()),
        (change("data/card.json", "sha256", "test", to="f" * 64), {"data, test"}),
        (change("data/template.json", "sha256", to="f" * 64), {"chat template"}),
        (change("resources/models/m/model.json", "sha256", to="f" * 64), {"base model"}),
        (change("outputs/main/train.json", "loss_first", to=1.7), set()),  # 0.5 % away
        (change("outputs/main/train.json", "loss_first", to=1.9), {"training loss, start"}),
        (change("outputs/main/train.json", "loss_last", to=0.005), set()),  # as good as 0.003
        (change(COMPARE, *TUNED, to=0.93), set()),  # inside the interval
        (change(COMPARE, *TUNED, to=0.90), {"Same JSON as the reference, tuned"}),
        (change(COMPARE, "verdict", to="worse"), {"verdict"}),
        (change("outputs/main/gguf/ladder.json", "levels", 1, "score", "value", to=0.5), {"level q8_0"}),
        (
            lambda project: (project / COMPARE).unlink(),
            {
                "Same JSON as the reference, base",
                "Same JSON as the reference, tuned",
                "verdict",
            },
        ),
    ],
)
def test_what_differs_is_found(tmp_path: Path, edit: Callable[[Path], None] | None, differs: set[str]) -> None:
    book = write_book(tmp_path / "book")
    project = lay_out(book, tmp_path / "project")
    if edit:
        edit(project)
    result = compare_runs(project, book, 0.02, only_data=False)
    assert {check.name for check in result.checks if not check.passed} == differs
    assert result.outcome == ("differs" if differs else "reproduced")
    page = (project / "reproduction.md").read_text(encoding="utf-8")
    assert page.count("| differs |") == len(differs) and f"**{result.outcome}**" in page
    if edit and "not there" in page:
        assert compare_runs(project, book, 0.02, only_data=True).outcome == "data reproduced"


def test_a_roadbook_without_its_record_is_refused(tmp_path: Path) -> None:
    book = write_book(tmp_path / "book")
    text = book.read_text(encoding="utf-8")
    config, record = read_roadbook(book)
    assert Config.model_validate(config).project.name == "cafe" and record.level == "q8_0" and record.inputs == {}
    for wrong, words in (
        (text.replace("json reproduce", "json"), "has no record"),
        (text.replace('"verdict":', '"verdikt":'), "is damaged"),
        ("# nothing\n", "has no record"),
    ):
        book.write_text(wrong, encoding="utf-8")
        with pytest.raises(GaslampError, match=words):
            read_roadbook(book)
    with pytest.raises(GaslampError, match="cannot be read"):
        make_project(tmp_path / "nowhere.md", tmp_path / "projects", tmp_path, tmp_path)


def test_what_a_run_started_from_must_be_there(tmp_path: Path) -> None:
    book = write_book(tmp_path / "book", model={"adapter": "../first/outputs/main"})
    with pytest.raises(GaslampError, match=r"started from \.\./first/outputs/main \(model\.adapter\)") as caught:
        make_project(book, tmp_path / "projects", tmp_path, tmp_path / "book")
    assert "ADAPTER=folder" in caught.value.fix and not (tmp_path / "projects").exists()


def test_own_files_are_found_by_their_hash(tmp_path: Path) -> None:
    """Data, plug-ins and questions of a person are listed with their hashes, wherever they lay."""
    folder = tmp_path / "book"
    for name in ("data/raw/rows.csv", "metrics/mine.py", "metrics/__pycache__/mine.pyc", "questions.jsonl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    book = write_book(
        folder, data={"source": "data/raw/rows.csv"}, eval={"retention_file": str(folder / "questions.jsonl")}
    )
    _, record = read_roadbook(book)
    assert list(record.inputs) == ["data/raw/rows.csv", str(folder / "questions.jsonl"), "metrics/mine.py"]
    assert find_inputs(record, folder)["metrics/mine.py"] == folder / "metrics/mine.py"
    assert (
        get_place(str(folder / "questions.jsonl")) == "data/raw/questions.jsonl" and get_place("metrics") == "metrics"
    )
    (folder / "metrics/mine.py").write_text("changed", encoding="utf-8")
    (folder / "data/raw/rows.csv").unlink()
    with pytest.raises(GaslampError) as caught:
        find_inputs(record, folder)
    assert "metrics/mine.py is another file" in caught.value.cause and "data/raw/rows.csv (sha256" in caught.value.cause
    assert json.loads(json.dumps(record.model_dump())) == record.model_dump()
