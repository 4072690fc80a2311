"""Metrics against values worked out by hand or published, and what their reports show."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import openai_stub
import pytest
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.evaluate.choose_metrics import get_needed_outputs
from gaslamp.evaluate.default_metrics import get_answer_metrics, get_default_metrics
from gaslamp.evaluate.metric import Metric


def make_row(reference: str, **columns: Any) -> dict[str, Any]:
    return {
        "id": "r",
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": reference}],
        "columns": columns,
    }


def score(
    name: str,
    answer: str,
    reference: str,
    options: dict[str, Any] | None = None,
    columns: dict[str, Any] | None = None,
    **measured: Any,
) -> float | None:
    return Metric.get(name, options).score(make_row(reference, **columns or {}), {"text": answer, **measured})


@pytest.mark.parametrize(
    ("name", "answer", "reference", "value"),
    [
        ("exact_match", " yes ", "yes", 1.0),
        ("exact_match", "Yes", "yes", 0.0),
        ("normalized_match", "  \u201cYES\u201d! ", "yes", 1.0),
        ("normalized_match", "\ufb01ve", "five", 1.0),
        ("normalized_match", "?", "!", 0.0),
        ("json_fields", '{"a": 1, "b": [2, 3]}', '{"a": 1, "b": [2, 4]}', 2 / 3),
        ("json_fields", '{"a": 1, "c": 9}', '{"a": 1}', 1 / 2),  # what is invented counts
        ("json_fields", '{"a": true}', '{"a": 1}', 0.0),  # Python calls them equal, JSON does not
        ("json_fields", "sorry", '{"a": 1}', 0.0),
        ("numeric", "so it is 1,250.50 dollars", "1250.5", 1.0),
        ("numeric", "The answer is 1/2", "0.5", 1.0),
        ("numeric", "50 %", "0.5", 1.0),
        ("numeric", "first 3, then 4", "#### 4", 1.0),
        ("numeric", "no idea", "4", 0.0),
        ("numeric", "12", "one dozen", None),
        ("numeric", "1e999999999", "4", 0.0),
        ("numeric", r"$\frac{2}{4}$", r"$\frac{1}{2}$", 1.0),
        ("numeric", r"\boxed{x^2+2x+1}", r"$(x+1)^2$", 1.0),
        ("classification", "Positive.", "positive", 1.0),
        ("edit_distance", "kitten", "sitting", 1 - 3 / 7),
        ("character_error_rate", "abxd", "abcd", 0.25),
        ("word_error_rate", "the cat sat", "the cat sat down", 0.25),
        ("rouge", "the cat was found under the bed", "the cat was under the bed", 12 / 13),
        ("token_f1", "a b", "b c", 0.5),
        ("contains", "It is PARIS, of course", "Paris", 1.0),
        ("format_compliance", '{"b": 2.5}', '{"b": 1}', 1.0),
        ("format_compliance", '{"b": "x"}', '{"b": 1}', 0.0),
        ("format_compliance", "- x\n- y", "* a\n* b", 1.0),
        ("format_compliance", "- x", "* a\n* b", 0.0),
        ("format_compliance", "about 12", "12", 0.0),
    ],
)
def test_known_values(name: str, answer: str, reference: str, value: float | None) -> None:
    assert score(name, answer, reference) == (value if value is None else pytest.approx(value))


def test_bleu_and_chrf_are_sacrebleu_s() -> None:
    rows = [make_row("the cat is on the mat"), make_row("there is a dog")]
    answers = [{"text": "the cat is on mat"}, {"text": "there is a dog"}]
    for name, low in (("bleu", 0.5), ("chrf", 0.7)):
        metric = Metric.get(name)
        report = metric.report(rows, answers, metric.score_all(rows, answers))
        assert low < report["corpus"] < 1.0 and "version" in report["signature"]


def test_options_reach_the_metric() -> None:
    assert score("regex", "AB12", "x", {"pattern": r"[A-Z]+\d+", "whole": True}) == 1.0
    assert score("regex", "AB12 ", "x", {"pattern": r"[a-z]"}) == 0.0
    assert score("contains", "red and blue", "x", {"column": "must", "every": True}, {"must": "red|green"}) == 0.0
    assert score("contains", "red and blue", "x", {"column": "must"}, {"must": "red|green"}) == 1.0
    with pytest.raises(GaslampError, match="no regular expression"):
        score("regex", "a", "x", {"pattern": "("})
    with pytest.raises(GaslampError, match="has no option patern") as caught:
        Metric.get("regex", {"patern": "x"})
    assert "pattern, column, whole" in caught.value.fix


def test_code_runs_apart_and_must_pass() -> None:
    tests = {"tests": "assert double(2) == 4\nassert double('a') == 'aa'"}
    assert score("code_tests", "```python\ndef double(x):\n    return 2 * x\n```", "", columns=tests) == 1.0
    assert score("code_tests", "def double(x):\n    return 4", "", columns=tests) == 0.0
    assert score("code_tests", "def double(x): pass", "") is None


def test_likelihoods_become_figures() -> None:
    half = {"likelihood": {"reference": {"logp": 4 * math.log(0.5), "tokens": 4}}}
    metric = Metric.get("perplexity")
    assert score("completion_loss", "", "x", **half) == pytest.approx(math.log(2))
    assert metric.finish and metric.finish(math.log(2)) == pytest.approx(2) and metric.weigh and metric.weigh(half) == 4
    pair = {"likelihood": {"chosen": {"logp": -4.0, "tokens": 4}, "rejected": {"logp": -3.0, "tokens": 2}}}
    assert score("preference_accuracy", "", "x", **pair) == 1.0 and score(
        "preference_margin", "", "x", **pair
    ) == pytest.approx(0.5)
    assert score("preference_accuracy", "", "x", scores={"chosen": 0.1, "rejected": 0.3}) == 0.0
    choices = {
        "likelihood": {"choice:red": {"logp": -2.0, "tokens": 1}, "choice:deep blue sea": {"logp": -3.0, "tokens": 3}}
    }
    assert score("multiple_choice", "", "deep blue sea", **choices) == 1.0
    assert score("multiple_choice", "", "deep blue sea", {"normalize": False}, **choices) == 0.0
    assert score("multiple_choice", "", "green", **choices) is None


def test_confusion_and_fields_are_reported() -> None:
    rows = [make_row(text) for text in ("cat", "cat", "dog", "dog")]
    answers = [{"text": text} for text in ("cat", "dog", "dog", "a bird")]
    report = Metric.get("classification").report(rows, answers, [1.0, 0.0, 1.0, 0.0])
    assert report["confusion"]["cat"] == {"cat": 1, "dog": 1, "(something else)": 0}
    assert report["classes"]["dog"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "n": 2}
    rows, answers = (
        [make_row('{"a": {"b": 1}, "c": [1, 2]}')] * 2,
        [{"text": '{"a": {"b": 1}, "c": [1, 3]}'}, {"text": "no"}],
    )
    report = Metric.get("json_fields").report(rows, answers, [2 / 3, 0.0])
    assert report["is JSON"] == 0.5 and report["fields"] == {
        "a.b": {"right": 0.5, "n": 2},
        "c[]": {"right": 0.25, "n": 4},
    }


@pytest.mark.parametrize(
    ("row", "first"),
    [
        ({"text": "x"}, "perplexity"),
        ({"prompt": [], "chosen": [], "rejected": []}, "preference_accuracy"),
        ({"prompt": [], "completion": [], "label": True}, "preference_margin"),
        ({"anchor": "a", "positive": "b"}, "retrieval"),
        ({"prompt": [{"role": "user", "content": "q"}]}, "mean_reward"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "image": "x.png"}]},
                    {"role": "assistant", "content": "A 12"},
                ]
            },
            "exact_match",
        ),
    ],
)
def test_every_kind_of_row_has_a_metric(row: dict[str, Any], first: str) -> None:
    names = get_default_metrics([{"id": "r", **row}])
    assert names[0] == first and set(names) <= set(registry.names("metrics"))
    assert "answer" in get_needed_outputs([Metric.get(name) for name in names])


def test_the_look_of_the_answers_decides() -> None:
    assert get_answer_metrics(["12", "$1,200", "3 #### 4"])[0] == "numeric"
    assert get_answer_metrics(["good", "bad"] * 20)[0] == "classification"
    few = [name for name, count in zip("abcdefg", (5, 4, 4, 3, 2, 2, 1), strict=True) for _ in range(count)]
    assert get_answer_metrics(few)[0] == "classification", "seven classes in 21 test rows"
    assert get_answer_metrics([f"city {n}" for n in range(21)])[0] == "exact_match"
    assert get_answer_metrics([str(n % 7) for n in range(21)])[0] == "numeric"
    assert get_answer_metrics(["one sentence that is rather long"] * 5)[0] == "token_f1"


def test_a_metric_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in metrics/ is found, wins over the library's, and its mistakes are reported with the line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "shouts.py").write_text(
        '"""Loud."""\nTITLE = "loud"\nBINARY = True\n\n\ndef score(answer, reference):\n    return '
        "float(answer.isupper())\n"
    )
    assert "shouts" in registry.names("metrics") and score("shouts", "HEY", "x") == 1.0
    (tmp_path / "metrics" / "breaks.py").write_text(
        '"""x"""\nTITLE = "x"\nBINARY = True\nimport nothing_of_that_name\n'
    )
    with pytest.raises(GaslampError, match=r"breaks.py, line 4: ModuleNotFoundError"):
        Metric.get("breaks")
    (tmp_path / "metrics" / "fails.py").write_text(
        '"""x"""\nTITLE = "x"\nBINARY = True\n\n\ndef score(answer, reference):\n    return 1 / 0\n'
    )
    with pytest.raises(GaslampError, match="failed on row r: ZeroDivisionError"):
        score("fails", "a", "b")


# -------------------- a judge, and that it is a stub


def judge(body: dict[str, Any]) -> str:
    """Prefers the longer answer, or always place A when the model is called biased."""
    text = body["messages"][-1]["content"]
    a, b = [text.split(f"<answer_{place}>\n")[1].split(f"\n</answer_{place}>")[0] for place in "ab"]
    better = "A" if body["model"] == "biased" or len(a) > len(b) else "B"
    if body["model"] == "mute" or (body["model"] == "vague" and "response_format" not in body):
        return "I cannot decide"
    return json.dumps({"better": better})


def test_a_judge_scores_both_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()
    rows = [{**make_row("x"), "id": str(n)} for n in range(3)]
    base, tuned = (
        [{"text": text} for text in ("short", "long answer", "same")],
        [{"text": text} for text in ("a longer one", "brief", "same")],
    )
    with openai_stub.serve(judge) as received:
        url = received.url
        metric = Metric.get("llm_judge", {"url": url, "model": "fair"})
        assert metric.score_both(rows, base, tuned) == ([0.0, 1.0, 0.5], [1.0, 0.0, 0.5])
        assert len(received.bodies) == 4, "equal answers need no judge"
        metric.score_both(rows, base, tuned)
        assert len(received.bodies) == 4, "verdicts are kept"
        biased = Metric.get("llm_judge", {"url": url, "model": "biased"})
        assert biased.score_both(rows, base, tuned) == ([0.5] * 3, [0.5] * 3), (
            "a judge that favours a place decides nothing"
        )
        with pytest.raises(
            GaslampError,
            match="4 of 4 replies of the judge hold no verdict, such as .I cannot decide.*(.|\\n)*max_tokens .512",
        ):
            Metric.get("llm_judge", {"url": url, "model": "mute"}).score_both(rows, base, tuned)
        vague = Metric.get("llm_judge", {"url": url, "model": "vague"})
        assert vague.score_both(rows, base, tuned)[1] == [1.0, 0.0, 0.5], "the form is prescribed where it is needed"


def test_a_judge_reports_cost_and_agreement_with_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()
    rows = [{**make_row("x"), "id": str(n)} for n in range(5)]
    base = [{"text": text} for text in ("short", "long answer", "same", "b", "longer")]
    tuned = [{"text": text} for text in ("a longer one", "brief", "same", "bb", "ab")]
    labels = [("0", "tuned"), ("1", "tuned"), ("2", "same"), ("4", "base")]
    lines = [json.dumps({"id": row, "better": better}) for row, better in labels]
    lines.append(json.dumps({"id": "3", "better": "base", "tuned": "an older answer"}))
    (tmp_path / "labels.jsonl").write_text("\n".join(lines) + "\n")
    with openai_stub.serve(judge) as received:
        options = {"url": received.url, "model": "fair", "labels": "labels.jsonl", "price_in": 2.0, "price_out": 10.0}
        metric = Metric.get("llm_judge", options)
        for _ in range(2):  # the second time from what is kept: the cost stays known
            scores = metric.score_both(rows, base, tuned)[1]
            found = metric.report(rows, tuned, scores)
            assert (found["won"], found["drawn"], found["lost"]) == (2, 1, 2) and found["decided by the place"] == 0
            assert (found["requests"], found["tokens"]) == (8, 8 * (10 + 2))
            assert found["cost"] == f"${(80 * 2 + 16 * 10) / 1e6:.4f}"
            # a person: won, won, drawn, lost; the judge: won, lost, drawn, lost. By chance 5/16 would agree
            assert found["agrees with your labels"] == "75% of 4 (kappa 0.64)"
        assert len(received.bodies) == 8
        biased = Metric.get("llm_judge", {"url": received.url, "model": "biased"})
        assert biased.report(rows, tuned, biased.score_both(rows, base, tuned)[1])["decided by the place"] == 4
        (tmp_path / "labels.jsonl").write_text('{"id": "1", "better": "mine"}\nnothing\n')
        with pytest.raises(GaslampError, match=r"2 labels cannot be used(.|\n)*line 1(.|\n)*line 2"):
            metric.score_both(rows, base, tuned)
