"""Rivals without training next to every score: what they answer, and the verdict that they decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gaslamp.core.files import write_jsonl
from gaslamp.data.rows import Row
from gaslamp.evaluate.baselines import can_score, get_cheap_rivals
from gaslamp.evaluate.default_metrics import explain_answers, get_answer_metrics
from gaslamp.evaluate.metric import Metric
from gaslamp.evaluate.predictions import ended_with_an_answer
from gaslamp.evaluate.prompted_rivals import choose_shots, describe_format, make_prompts
from gaslamp.evaluate.prompts import EvalPrompt
from gaslamp.evaluate.stats import adjust_holm, get_p_value, get_test_name
from gaslamp.evaluate.training_rows import TrainingRows
from planted_answers import answer, chat, compare

ALL = ["majority", "copy", "nearest"]


def classes(count: int, rare: int, seed: int = 0) -> list[Row]:
    """``count`` rows of which ``rare`` are of the class no; the question says which."""
    labels = ["no" if n % count < rare else "yes" for n in range(count)]
    return [chat(f"{seed}-{n}", f"mail {n}: {label} {seed}", label) for n, label in enumerate(labels)]


def test_a_classifier_that_says_the_larger_class_to_every_row_is_not_better(tmp_path: Path) -> None:
    """71 test rows of which 61 are "yes": saying yes to all of them gives 85.9 %, and base knew nothing."""
    train, test = classes(200, 30, 1), classes(71, 10)
    result, gate, report = compare(tmp_path, train, test, ["?"] * 71, ["yes"] * 71)
    assert result.verdict == "no clear difference" and not gate["passed"]
    assert result.answer == "No better than always answering “yes” (85.9\u00a0%)" and result.headline.startswith(
        result.answer
    )
    assert gate["blocking"] == ["no better than always answering “yes” (85.9\u00a0%)"]
    majority = next(one for one in result.baselines if one.name == "majority")
    assert majority.score and majority.score.value == pytest.approx(61 / 71, abs=1e-6) and majority.p_value == 1.0
    assert "always answering “yes”" in report.lower()


@pytest.mark.parametrize(
    ("right", "verdict", "begins"),
    [
        (71, "better", "The tuned model is better. "),
        (63, "no clear difference", "Not clearly better than always answering “yes” (85.9\u00a0%; p = 0.500)"),
        (40, "no clear difference", "Worse than always answering “yes”"),
    ],
)
def test_the_paired_test_against_the_larger_class(tmp_path: Path, right: int, verdict: str, begins: str) -> None:
    test = classes(71, 10)
    wanted = [row["messages"][-1]["content"] for row in test]
    if right > 61:  # all of the class yes, some of the class no
        tuned = ["no" if label == "no" and n < right - 61 else "yes" for n, label in enumerate(wanted)]
    else:
        tuned = [label if n < right else "?" for n, label in enumerate(wanted)]
    # the question holds the label as a word of every training row of both classes: a lookup finds no class
    train = [chat(n, "the same words", "no" if n % 7 == 0 else "yes") for n in range(70)]
    result, _, _ = compare(tmp_path, train, test, ["?"] * 71, tuned, baselines=["majority", "copy"])
    assert result.verdict == verdict and result.headline.startswith(begins)


def test_copying_the_question_is_the_rival_where_answers_repeat_it(tmp_path: Path) -> None:
    """Correcting text that is nearly always right already: a model that repeats it has learnt nothing."""
    test = [chat(n, f"word{n} is fine", f"word{n} is fine" if n % 10 else f"word{n} is good") for n in range(40)]
    copied = [row["messages"][0]["content"] for row in test]
    result, _, _ = compare(tmp_path, test[:0] + [chat("t", "a b", "c d e")], test, ["no"] * 40, copied)
    assert result.answer == "No better than copying the question (90.0\u00a0%)"


def test_better_than_base_but_not_than_a_rival_is_said_in_these_words(tmp_path: Path) -> None:
    train = [chat(f"t{n}", f"capital of land{n}", f"city{n}") for n in range(60)]
    test = [chat(n, f"what is the capital of land{n}", f"city{n}") for n in range(60)]
    right = [f"city{n}" for n in range(60)]
    few = tmp_path / "few.jsonl"
    write_jsonl(
        few, [{**answer(row, text), "title": "few-shot prompting"} for row, text in zip(test, right, strict=True)]
    )
    skipped = tmp_path / "format.jsonl"
    write_jsonl(skipped, [{"id": "skipped", "kind": "skipped", "text": "it takes too long"}])
    result, gate, _ = compare(tmp_path, train, test, ["?"] * 60, right, rivals={"few_shot": few, "format": skipped})
    assert result.verdict == "better" and gate["passed"], "a rival that is no trivial one is said, and leaves the gate"
    assert result.answer.startswith("The tuned model is better than base, but not than ")
    assert "few-shot prompting (100.0\u00a0%)" in result.answer
    assert "the answer of the nearest training row (100.0\u00a0%)" in result.answer
    assert any("but not than" in text for text in gate["warnings"])
    found = {one.name: one.outcome for one in result.baselines}
    assert found == {
        "copy": "beaten",
        "nearest": "no clear difference",
        "few_shot": "no clear difference",
        "format": "not run",
    }


def test_what_base_has_at_100_percent_cannot_decide(tmp_path: Path) -> None:
    test = [chat(n, f"q{n}", "YES" if n % 2 else "NO") for n in range(30)]
    lower = [row["messages"][-1]["content"].lower() for row in test]
    exact = [row["messages"][-1]["content"] for row in test]
    result, _, report = compare(
        tmp_path, [], test, lower, exact, metrics=["normalized_match", "latency", "exact_match"], baselines=[]
    )
    assert result.metrics[0].name == "exact_match" and result.verdict == "better" and result.first == "normalized_match"
    assert result.deciding and "match after tidying was 100.0 % before the training" in result.deciding.reason
    assert "decides: exact match" in report
    # it fell: then it is no matter that it could not rise
    worse, _, _ = compare(tmp_path, [], test, exact, ["?"] * 30, metrics=["exact_match", "token_f1"], baselines=[])
    assert worse.metrics[0].name == "exact_match" and worse.verdict == "worse"
    same, _, _ = compare(tmp_path, [], test, exact, exact, metrics=["exact_match"], baselines=[])
    assert same.deciding and "no other metric can decide" in same.deciding.reason


def test_baselines_of_other_kinds_of_rows() -> None:
    ask = [{"role": "user", "content": "q"}]
    longer = [
        {
            "id": "1",
            "prompt": ask,
            "chosen": [{"role": "assistant", "content": "abc"}],
            "rejected": [{"role": "assistant", "content": "a"}],
        }
    ]
    rival = get_cheap_rivals(ALL, longer, None)[0]
    assert rival.name == "longer" and Metric.get("preference_accuracy").score(longer[0], rival.predictions[0]) == 1.0
    pairs = [{"id": str(n), "anchor": f"apple {n} tree", "positive": f"the apple {n} tree grows"} for n in range(5)]
    pairs.append({"id": "6", "anchor": "nothing shared", "positive": "quite other words"})
    found = get_cheap_rivals(ALL, pairs, None)[0].predictions
    assert [prediction["retrieval"]["rank"] for prediction in found] == [1, 1, 1, 1, 1, 6]
    call = {"name": "weather", "arguments": {"city": "Rome"}}
    tool = {
        "id": "t",
        "messages": [*ask, {"role": "assistant", "content": "", "tool_calls": [{"function": call}]}],
        "tools": [{"type": "function"}],
    }
    training = TrainingRows.read([tool, {**tool, "id": "u"}, chat("rehearsal-1", "hello", "hi"), chat("x", "q", "b")])
    assert training.count == 3, "general chat data is not the task"
    rivals = {rival.name: rival for rival in get_cheap_rivals(ALL, [tool], training)}
    assert Metric.get("tool_call").score(tool, rivals["majority"].predictions[0]) == 1.0
    assert [
        name
        for name in ("exact_match", "latency", "llm_judge", "perplexity", "stop_rate", "mean_reward")
        if can_score(Metric.get(name))
    ] == ["exact_match", "mean_reward"]


def test_few_shot_prompts_show_each_class_and_fit_into_the_model() -> None:
    training = TrainingRows.read([chat(n, f"mail {n}", "spam" if n < 3 else "ham") for n in range(30)])
    assert [row["messages"][-1]["content"] for row in choose_shots(training, 4)] == ["ham", "spam", "ham", "spam"]
    prompt = EvalPrompt("1", "test", [{"role": "system", "content": "s"}, {"role": "user", "content": "mail?"}], 5)

    def measure(messages: list[dict[str, Any]], _: object) -> int:
        return sum(len(message["content"]) for message in messages)

    [whole], title = make_prompts("few_shot", [prompt], training, 4, 1000, measure)
    assert [message["role"] for message in whole.messages] == ["system", *["user", "assistant"] * 4, "user"]
    assert whole.messages[-1]["content"] == "mail?" and title.endswith("with 4 training rows")
    [less], title = make_prompts("few_shot", [prompt], training, 4, 31, measure)
    assert len(less.messages) == 2 + 2 * 2 and title.endswith("with 2 training rows")
    assert make_prompts("few_shot", [prompt], training, 4, 8, measure) == ([], "no training row fits into the prompt")
    assert describe_format(training) == "Answer with one of these and nothing else: ham, spam."
    shapes = TrainingRows.read([chat(n, "q", json.dumps({"item": n, "size": "s"})) for n in range(3)])
    assert describe_format(shapes) == "Answer with JSON and nothing else, with the keys item, size."


def test_an_empty_answer_has_not_ended_by_itself() -> None:
    row = chat(1, "q", "yes")
    assert not ended_with_an_answer(answer(row, " \n"), row) and ended_with_an_answer(answer(row, "no"), row)
    assert not ended_with_an_answer(answer(row, "no", stopped=False), row)
    assert ended_with_an_answer(answer(row, ""), chat(1, "q", "")), "silence is what is wanted here"
    assert ended_with_an_answer(answer(row, "", tool_calls=[{"name": "f", "arguments": {}}]), row)
    speech = {**row, "audio": "a.wav"}
    assert ended_with_an_answer(answer(row, "", tokens=9), speech)
    assert not ended_with_an_answer(answer(row, "", tokens=0), speech)


def test_the_reason_of_a_default_metric_comes_from_the_answers() -> None:
    story = " ".join(f"word{n}" for n in range(120))
    summaries = [" ".join(f"word{n}" for n in range(start, start + 12)) for start in range(5)]
    assert get_answer_metrics(summaries, [story] * 5)[0] == "rouge"
    assert "summaries" in explain_answers(summaries, [story] * 5)
    assert get_answer_metrics(summaries, ["write a text"] * 5)[0] == "token_f1"
    assert "no judge model is set" in explain_answers(summaries, ["write a text"] * 5)
    assert get_answer_metrics(summaries, ["write a text"] * 5, judged=True)[0] == "llm_judge"
    assert get_answer_metrics(["good", "bad"] * 20, ["q"] * 40, judged=True)[0] == "classification"


def test_exact_tests_and_the_correction_for_many_looks() -> None:
    """Three rows gained, all by the same: as a sign test 2/8; of different sizes: 2 of 8 flips reach the sum."""
    assert get_p_value([0.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 1.0]) == pytest.approx(0.25)
    assert get_test_name([0.0, 0.0], [0.5, 0.5]) == "exact sign test"
    assert get_p_value([0.0, 0.0, 0.0], [0.1, 0.2, 0.4]) == pytest.approx(0.25)
    assert get_test_name([0.0] * 3, [0.1, 0.2, 0.4]) == "all sign flips of the paired differences"
    assert adjust_holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjust_holm([]) == [] and adjust_holm([0.9, 0.8]) == [1.0, 1.0]
