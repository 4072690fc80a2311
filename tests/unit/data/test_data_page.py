"""What a person sees of the data: the page, the description before anything happens, the strategy,
and a dropped file taken up.
"""

from __future__ import annotations

import html
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_pages import make_data_page
from gaslamp.config.edit import set_value
from gaslamp.config.schema import Config
from gaslamp.core.contracts import Card
from gaslamp.core.errors import GaslampError
from gaslamp.data.adopt import adopt, recommend
from gaslamp.data.describe import describe, print_description
from gaslamp.data.page import get_bars
from gaslamp.models.fetch import fetch_model
from rich.console import Console

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = "</style><script>alert(1)</script> \u202e\u05d0\u05d1 \U0001f469\u200d\U0001f692 & \u00fc"


class Reader(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def make_page(folder: Path, rows: list[dict[str, Any]], method: str = "sft", **more: Any) -> tuple[Reader, Card, str]:
    page, card, strategy = make_data_page(folder, rows, method, **more)
    return Reader(page), card, strategy


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Path) -> Path:
    fetch_model(Config.model_validate({"model": {"source": str(tiny_model)}}).model, tmp_path / "model.json")
    return tmp_path


def test_the_page_shows_rows_tokens_lengths_and_findings(folder: Path) -> None:
    rows = [
        {
            "question": f"Where is town number {n}, and who lives there?",
            "answer": f"In valley {n * 7919 % 1000}",
            "topic": HOSTILE,
        }
        for n in range(60)
    ]
    rows += [rows[3], {"question": f"{HOSTILE} write to jo@acme.com", "answer": HOSTILE, "topic": "x"}]
    rows += [{"question": "long " * 80, "answer": "no", "topic": "x"}]
    page, card, strategy = make_page(
        folder, rows, max_truncated=0.1, split={"valid": 0.1, "test": 0.2, "seed": 1, "max_test": 200}
    )
    tags = {tag for tag, _ in page.tags}
    assert [tag for tag, _ in page.tags].count("script") == 2, "the list's data and its script"
    assert "b" in tags and "alert(1)" in page.text, "rows are text, never markup"
    addresses = [
        value or ""
        for _, attributes in page.tags
        for key, value in attributes.items()
        if key in ("src", "href", "srcset", "action")
    ]
    assert all(address.startswith("data:") for address in addresses), "nothing is loaded from anywhere"
    policy = next(
        attributes["content"]
        for tag, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy and policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert "63 rows read" in page.text
    assert "is exactly the same as rows.jsonl, line 4" in page.text and "personal data" in page.text
    assert "1 rows (" in page.text and "train.max_length 400" in page.text, (
        "the row that is too long, and the line in the histogram"
    )
    assert "question" in page.text and "prompt_completion" in page.text
    assert re.search(r"\d+ tokens, \d+ learnt", page.text)
    assert f"{card.rows['train']} rows to learn from" in page.text
    assert "| noted | exact duplicates (`exact_duplicates`) | 1 |" in strategy and "personal data" in strategy
    assert "Ünit <b>" in page.text


def test_the_coloured_tokens_are_the_text_that_is_trained_on(folder: Path) -> None:
    rows = [{"question": f"{HOSTILE} {n}", "answer": f"\U0001f600 answer {n}"} for n in range(30)]
    make_page(folder, rows)
    source = (folder / "data" / "report.html").read_text(encoding="utf-8")
    first = re.search(r'<p class="tokens" tabindex="0">(.*?)</p>', source, re.DOTALL)
    assert first
    text = html.unescape(re.sub(r"</?span[^>]*>", "", first[1]))
    row = json.loads((folder / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    user, assistant = (message["content"] for message in row["messages"])
    assert text == f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n{assistant}<|im_end|>"
    learnt = "".join(re.findall(r'<span class="run learnt">(.*?</span>)</span>', first[1], re.DOTALL))
    assert html.unescape(re.sub(r"</?span[^>]*>", "", learnt)) == f"{assistant}<|im_end|>"


@pytest.mark.parametrize(
    ("method", "note"),
    [
        ("dpo", "learnt not learnt each box is one token"),
        ("orpo", "each box is one token; ORPO learns the prompt of the chosen side too"),
        ("reward", "no token here carries loss: a reward model reads the whole text of each side"),
    ],
)
def test_of_an_answer_with_tools_the_page_shows_the_mask_of_the_method(folder: Path, method: str, note: str) -> None:
    """Results of tools inside an answer are read; a reward model learns no token, and none has the colour."""

    def answer(text: str) -> list[dict[str, Any]]:
        call = {"type": "function", "function": {"name": "count", "arguments": {}}}
        first = {"role": "assistant", "content": f"I count {text}", "tool_calls": [call]}
        return [first, {"role": "tool", "content": f"seen {text}"}, {"role": "assistant", "content": text}]

    rows = [
        {"prompt": f"How many {n}?", "chosen": answer(f"yes {n}"), "rejected": answer(f"no {n}")} for n in range(24)
    ]
    page, *_ = make_page(folder, rows, method, checks={"lost_in_template": {"severity": "off"}})
    assert note in " ".join(page.text.split())
    source = (folder / "data" / "report.html").read_text(encoding="utf-8")
    shown = re.findall(r'<p class="tokens" tabindex="0">(.*?)</p>', source, re.DOTALL)
    learnt = [
        html.unescape(re.sub(r"</?span[^>]*>", "", part))
        for part in re.findall(r'<span class="run learnt">(.*?</span>)</span>', shown[0], re.DOTALL)
    ]
    row = json.loads((folder / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    said = [turn["content"] + "<|im_end|>" for turn in row["chosen"] if turn["role"] == "assistant"]
    assert len(said) == 2 and learnt == ([] if method == "reward" else said)


def test_redacted_rows_say_so(folder: Path) -> None:
    rows = [
        {"question": f"Who is number {n}?", "answer": f"Jo, jo{n}@acme.com", "mail": f"jo{n}@acme.com"}
        for n in range(30)
    ]
    page, card, _ = make_page(folder, rows, redact=True)
    written = "".join((folder / "data" / f"{split}.jsonl").read_text() for split in ("train", "valid", "test"))
    assert "acme.com" not in written and written.count("[EMAIL]") == 60
    assert "personal data: redacted in 30 rows" in card.warnings and "fixed" in page.text


def test_every_problem_at_once_and_nothing_is_written(folder: Path) -> None:
    good = [
        {"messages": [{"role": "user", "content": f"q {n}"}, {"role": "assistant", "content": f"a {n}"}]}
        for n in range(20)
    ]
    bad = [
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": " "}]},
        {
            "messages": [
                {"role": "user", "content": "q"},
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "a"},
            ]
        },
        {"messages": "no list"},
    ]
    with pytest.raises(GaslampError) as caught:
        make_page(folder, [*good, *bad])
    for text in (
        "rows.jsonl, line 21: empty assistant turn",
        "rows.jsonl, line 22: turn 2 is of user",
        "rows.jsonl, line 23",
    ):
        assert text in caught.value.cause
    assert not [path for path in (folder / "data").rglob("*") if path.is_file()]
    page, card, _ = make_page(
        folder,
        [*good, *bad[:2]],
        checks={"empty_turns": {"max_percentage": 10.0}, "role_order": {"max_percentage": 10.0}},
    )
    assert sum(card.rows[split] for split in ("train", "valid", "test")) == 20 and "empty turns" in page.text


def test_histogram_bars_stay_inside() -> None:
    values = dict.fromkeys(("train", "valid", "test", "read", "dropped_duplicates"), 0)
    base = Card(
        source="x",
        format="x",
        mapping={},
        rows=values,
        sha256={},
        tokens={},
        trained_tokens=0,
        max_length=100,
        truncated=0,
        slices={},
        warnings=[],
        answers="text",
        histogram=[{"from": start, "to": start + 10, "rows": start % 30} for start in range(0, 200, 10)],
    )
    bars = get_bars(base)
    assert all(
        bar["x"] >= 0 and bar["x"] + bar["width"] <= bars["width"] and bar["height"] <= bars["height"]
        for bar in bars["bars"]
    )
    assert [bar["over"] for bar in bars["bars"]] == [start >= 100 for start in range(0, 200, 10)] and bars[
        "limit"
    ] == pytest.approx(360)
    assert get_bars(base.model_copy(update={"max_length": 100_000}))["limit"] is None
    assert get_bars(base.model_copy(update={"histogram": []}))["bars"] == []


# --------------------------------------------------------------------------------------------------------- description


def run_describe(file: Path, method: str = "sft", **data: Any) -> tuple[Any, str]:
    result = describe(Config.model_validate({"data": {"source": str(file), **data}}).data, method)
    screen = io.StringIO()
    print_description(result, method, Console(file=screen, width=100, highlight=False, markup=False, emoji=False))
    return result, screen.getvalue()


def test_a_description_shows_columns_format_and_how_to_change_it(tmp_path: Path) -> None:
    file = tmp_path / "towns.csv"
    file.write_text(
        'id,question,answer,note\n1,"Where is [bold]Lima[/bold]?",Peru,\n2,Where is Oslo?,Norway,x\n', encoding="utf-8"
    )
    result, text = run_describe(file)
    assert (
        result.error is None
        and result.format == "prompt_completion"
        and result.mapping == {"prompt": "question", "completion": "answer"}
    )
    assert [column.name for column in result.columns] == ["id", "question", "answer", "note"] and result.columns[
        3
    ].filled == 0.5
    assert "[bold]Lima[/bold]" in text and 'data.columns: {prompt: "question", completion: "answer"}' in text
    assert (
        "which gives conversation rows" in text
        and "unused   id, note (holds information): kept with each row, not learnt" in text
        and "assistant Peru" in text
        and "sft" in result.methods
        and not {"tts", "vision_sft"} & set(result.methods)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["towns.csv"], "nothing is written"


def test_a_description_of_strange_columns_ends_with_the_error_and_a_mapping(tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    file.write_text('{"alpha": "x", "beta": "y"}\n{"alpha": 3, "beta": null}\n{broken\n', encoding="utf-8")
    result, text = run_describe(file)
    assert result.error and "mean is not certain (alpha, beta)" in result.error.cause
    assert (
        "text or whole number" in text
        and '{prompt: "alpha", completion: "beta"}' in text
        and "odd.jsonl, line 3" in text
    )
    done, _ = run_describe(file, columns={"prompt": "alpha", "completion": "beta"})
    assert done.error is None and done.samples[0]["messages"][0]["content"] == "x"


def test_the_script_says_by_its_exit_code_whether_the_method_can_learn_from_it(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("question,answer\na,b\n")
    (tmp_path / "bad.csv").write_text("alpha,beta\na,b\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-X", "importtime", str(ROOT / "scripts" / "describe_data.py"), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    good, bad, none = run("good.csv"), run("bad.csv"), run("none.csv")
    assert good.returncode == 0 and "format   prompt_completion" in good.stdout
    assert not re.search(r"\| +(torch|transformers|trl)$", good.stderr, re.MULTILINE), "light: it only looks"
    assert bad.returncode == 1 and "mean is not certain (alpha, beta)" in bad.stderr and "alpha" in bad.stdout
    assert none.returncode == 1 and "no such file" in none.stderr and "Traceback" not in none.stderr
    assert run("bad.csv", "--column", "prompt=alpha", "--column", "completion=beta").returncode == 0


# -------------------- dropped files


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.csv", "question,answer\na,b\n", "sft"),
        ("a.jsonl", '{"prompt": "a", "chosen": "b", "rejected": "c"}\n', "dpo"),
        ("a.jsonl", '{"prompt": "a", "completion": "b", "label": true}\n', "kto"),
        ("a.jsonl", '{"anchor": "a", "positive": "b"}\n', "embedding"),
        ("a.jsonl", '{"text": "running text"}\n', "cpt"),
        ("a.jsonl", '{"prompt": "a", "topic": 3}\n', "grpo"),
        ("a.csv", "alpha,beta\na,b\n", "sft"),
        ("a.csv", "prompt,completion,label\na,b,true\nc,d,false\n", "kto"),
        (
            "a.jsonl",
            '{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "source": "s", '
            '"score": 5.2}\n',
            "sft",
        ),  # FineTome
        ("a.jsonl", '{"segments": [{"label": true, "text": "t"}]}\n', "cpt"),
    ],
)
def test_the_columns_decide_the_method(tmp_path: Path, name: str, text: str, kind: str) -> None:
    (tmp_path / name).write_text(text)
    assert recommend(Config.model_validate({"data": {"source": str(tmp_path / name)}}).data) == kind


def test_a_dropped_file_is_taken_up_once(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("method: sft # how\ndata:\n  source: embedded:orders_json # a file\n  format: auto\n")
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / ".gitkeep").touch()
    assert adopt(tmp_path) == []
    (tmp_path / "data" / "raw" / "my rows.csv").write_text("question,answer\na,b\n")
    assert adopt(tmp_path) == ["data.source is now data/raw/my rows.csv (it was embedded:orders_json)"]
    assert config.read_text() == 'method: sft # how\ndata:\n  source: "data/raw/my rows.csv" # a file\n  format: auto\n'
    assert adopt(tmp_path) == [], "what the config names is not touched again"
    config.write_text("data:\n  source: embedded:orders_json\n")
    (tmp_path / "data" / "raw" / "more.csv").write_text("question,answer\nc,d\n")
    assert adopt(tmp_path)[0].startswith("data.source is now data/raw (it")
    config.write_text("data:\n  source: embedded:orders_json\n")
    for file in (tmp_path / "data" / "raw").glob("*.csv"):
        file.rename(file.with_suffix(".docx"))
    with pytest.raises(GaslampError):
        adopt(tmp_path)


def test_one_value_of_the_config_is_replaced_and_the_rest_kept() -> None:
    text = "# top\na:\n  b: 'x' # why\n  c: [1,\n    2]\nd: 3\n"
    assert set_value(text, ("a", "b"), 'he said "ü"') == text.replace("'x'", '"he said \\"ü\\""')
    assert yaml.safe_load(set_value(text, ("d",), "z"))["d"] == "z"
    with pytest.raises(GaslampError, match=r"no key a\.x"):
        set_value(text, ("a", "x"), "1")


def test_a_file_that_replaced_another_is_taken_up(tmp_path: Path) -> None:
    config, raw = tmp_path / "config.yaml", tmp_path / "data" / "raw"
    raw.mkdir(parents=True)
    (raw / "new.csv").write_text("question,answer\na,b\n")
    config.write_text(
        "method: sft\ndata:\n  source: data/raw/old.xlsx#May\n  sheet: May\n  columns:\n    prompt: Frage\n    "
        "completion: Antwort\n  system: Be brief.\n"
    )
    assert adopt(tmp_path) == [
        "data.source is now data/raw/new.csv (it was data/raw/old.xlsx#May, which is gone)",
        "data.columns is now empty: data/raw/new.csv has no column Frage, Antwort",
        "data.sheet is now null: it was said of data/raw/old.xlsx#May",
    ]
    assert yaml.safe_load(config.read_text())["data"] == {
        "source": "data/raw/new.csv",
        "sheet": None,
        "columns": {},
        "system": "Be brief.",
    }
    assert adopt(tmp_path) == []
    (raw / "more.csv").write_text("question,answer\nc,d\n")
    assert adopt(tmp_path) == [
        "data/raw/more.csv is not read: data.source is data/raw/new.csv; data.source: data/raw/more.csv in "
        "config.yaml reads it"
    ]


def test_images_next_to_the_only_data_file_do_not_hide_it(tmp_path: Path) -> None:
    raw = tmp_path / "data" / "raw"
    raw.mkdir(parents=True)
    (tmp_path / "config.yaml").write_text("method: sft\ndata:\n  source: embedded:orders_json\n")
    (raw / "rows.csv").write_text("question,answer\na,b\n")
    (raw / "a.png").write_bytes(b"x")
    assert adopt(tmp_path)[0] == "data.source is now data/raw/rows.csv (it was embedded:orders_json)"
