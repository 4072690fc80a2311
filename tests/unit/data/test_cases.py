"""Files of the shapes that people bring, through the whole data phase: the exact learnt text, or what is said instead.

A case is a file (or folder) in tests/data_cases and, next to it, NAME.yaml with what must come of it. One outcome, or a
list of them, each with

    method, template, data   settings; template: chatml, or one that TRL ships
    rows                     how many rows the splits hold together
    learnt                   rendered training sequences that must be among them; what carries loss stands in « »
    warned                   words that must stand in the card's warnings
    unused                   columns that nothing reads, and whether they hold information
    refused                  words that must stand in the error (cause, fix and less likely fix), instead of the above

Sequences of a preference begin with ``chosen: `` or ``rejected: ``, of a rating with ``good: `` or ``bad: ``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import yaml
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import Card, ModelFacts, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl
from gaslamp.data.encode import split_row
from gaslamp.data.prepare import prepare_data
from gaslamp.data.rows import Row
from gaslamp.models.fetch import fetch_model
from gaslamp.models.template import Renderer
from test_fidelity import FILES, MARKERS, NAMES, get_template

FOLDER = tiny.ROOT / "tests" / "data_cases"
KEYS = {"method", "template", "data", "rows", "learnt", "warned", "unused", "refused"}
Outcome = dict[str, Any]


def read_outcomes(name: str) -> list[Outcome]:
    """What must come of a case."""
    found = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return found if isinstance(found, list) else [found]


NAMES_OF_CASES = sorted(file.stem for file in FOLDER.glob("*.yaml"))
CASES = [
    pytest.param(name, outcome, id=f"{name}-{number}" if number else name)
    for name in NAMES_OF_CASES
    for number, outcome in enumerate(read_outcomes(name))
]


def write_null_arguments(folder: Path) -> Path:
    """Calls whose arguments differ, as a table keeps them: a struct with every key, null where a call has none."""
    import pyarrow
    from pyarrow import parquet

    calls = [{"city": f"P{n}"} if n % 2 else {"zip": n, "city": f"P{n}"} for n in range(12)]
    rows = [
        [
            {"role": "user", "content": f"Weather in P{number}?", "tool_calls": None},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"type": "function", "function": {"name": "get_weather", "arguments": call}}],
            },
        ]
        for number, call in enumerate(calls)
    ]
    tools = '[{"name": "get_weather", "parameters": {"type": "object"}}]'
    parquet.write_table(pyarrow.table({"messages": rows, "tools": [tools] * len(rows)}), folder / "rows.parquet")
    return folder / "rows.parquet"


def write_class_numbers(folder: Path) -> Path:
    """A parquet file as `datasets` writes it: numbers of classes, whose names stand in the metadata."""
    import datasets

    kinds = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["ham", "spam"])})
    rows = {"text": [f"Mail number {n} of list {7 * n}" for n in range(12)], "label": [n % 2 for n in range(12)]}
    datasets.Dataset.from_dict(rows, features=kinds).to_parquet(str(folder / "rows.parquet"))
    return folder / "rows.parquet"


def write_binary_answers(folder: Path) -> Path:
    """Texts in a binary column, as some exports of databases have them, next to one of durations."""
    import datetime

    import pyarrow
    from pyarrow import parquet

    answers = pyarrow.array([f"In hall {n} \u2013 left".encode() for n in range(12)], pyarrow.binary())
    waits = pyarrow.array([datetime.timedelta(seconds=61 * n) for n in range(12)])
    questions = [f"Where is room {n} of {7 * n}?" for n in range(12)]
    table = pyarrow.table({"question": questions, "answer": answers, "wait": waits})
    parquet.write_table(table, folder / "rows.parquet")
    return folder / "rows.parquet"


BUILT = {  # files that are no text
    "null-arguments": write_null_arguments,
    "class-numbers": write_class_numbers,
    "binary-answers": write_binary_answers,
}


def find_file(name: str, folder: Path) -> Path:
    """The file or folder of a case; one that is no text is written to ``folder``."""
    if name in BUILT:
        return BUILT[name](folder)
    found = [path for path in FOLDER.glob(f"{name}*") if path.name.split(".")[0] == name and path.suffix != ".yaml"]
    assert len(found) == 1, f"{name}.yaml needs one file of that name: {found}"
    return found[0]


Make = Callable[[str], Path]


@pytest.fixture(scope="module")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Template -> model.json of a tiny model that has it; each is made once."""
    made: dict[str, Path] = {}

    def make(template: str) -> Path:
        if template not in made:
            folder = tmp_path_factory.mktemp(template)
            source = tiny.CHATML if template == "chatml" else get_template(template)
            tiny.write_checkpoint(folder / "model", source, MARKERS)
            made[template] = folder / "model.json"
            fetch_model(Config.model_validate({"model": {"source": str(folder / "model")}}).model, made[template])
        return made[template]

    return make


def run_case(file: Path, outcome: Outcome, model: Path, folder: Path) -> tuple[Card, list[str]]:
    """The data phase on a file: its card, and the training sequences of every row."""
    settings = {
        "method": outcome.get("method", "sft"),
        "data": {"source": str(file), "rehearsal": 0.0, "split": {"test": 0.3}, **outcome.get("data", {})},
        "train": {"max_length": 2048},
    }
    config = Config.model_validate(settings)
    outputs = {key: folder / name for key, name in FILES.items()}
    card = prepare_data(
        parse_slice(get_slice(config, "method", "data", "train.max_length", "train.thinking")), model, outputs
    )
    renderer = Renderer.load(ModelFacts.read(model).path, Template.read(outputs["template"]))
    rows = [row for name in NAMES for row in read_jsonl(outputs[name])]
    return card, [text for row in rows for text in render(renderer, row)]


def render(renderer: Renderer, row: Row) -> Iterator[str]:
    """The training sequences of a row, with what carries loss in « »."""
    names = ["chosen", "rejected"] if "chosen" in row else []
    if "label" in row:
        names = ["good" if row["label"] else "bad"]
    for number, pieces in enumerate(split_row(renderer, row)):
        text = "".join(f"«{piece}»" if learnt else piece for piece, learnt in pieces).replace("»«", "")
        yield f"{names[number]}: {text}" if names else text


@pytest.mark.parametrize(("name", "outcome"), CASES)
def test_case(tmp_path: Path, make_model: Make, name: str, outcome: Outcome) -> None:
    assert set(outcome) <= KEYS and ("refused" in outcome) is not ("learnt" in outcome)
    model = make_model(outcome.get("template", "chatml"))
    if "refused" in outcome:
        with pytest.raises(GaslampError) as caught:
            run_case(find_file(name, tmp_path), outcome, model, tmp_path)
        said = str(caught.value)
        assert [words for words in outcome["refused"] if words not in said] == [], said
        assert not (tmp_path / FILES["train"]).exists()
        return
    card, texts = run_case(find_file(name, tmp_path), outcome, model, tmp_path)
    assert [text for text in outcome["learnt"] if text not in texts] == [], "\n\n".join(texts[:3])
    if "rows" in outcome:
        assert sum(card.rows[split] for split in NAMES) == outcome["rows"]
    warnings = "\n".join(card.warnings)
    assert [words for words in outcome.get("warned", ()) if words not in warnings] == [], warnings
    if "unused" in outcome:
        assert card.unused == outcome["unused"]


def test_every_file_has_an_outcome() -> None:
    files = {path.name.split(".")[0] for path in FOLDER.iterdir() if path.name != "headers.tsv"}
    assert files | set(BUILT) == set(NAMES_OF_CASES)
