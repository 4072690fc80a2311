"""Planted illnesses of answers, in several shapes of rows, are named with their figures; healthy answers are not."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import openai_stub
import pytest
from gaslamp.core.finding import Finding
from gaslamp.data.rows import Row
from gaslamp.evaluate.languages import find_language
from gaslamp.evaluate.repeating import is_repeating
from planted_answers import chat, compare

N = 40
SENTENCES = [
    "the weather is very nice today and we are going for a long walk in the park",
    "please send the signed contract back to our office before the end of the month",
    "my brother has bought a new house near the river, and he likes it very much",
    "she could not come to the meeting because her train was late again this morning",
]
GERMAN = [
    "das Wetter ist heute sehr schön und wir machen einen langen Spaziergang im Park",
    "bitte schicken Sie den unterschriebenen Vertrag vor dem Ende des Monats zurück an unser Büro",
    "mein Bruder hat ein neues Haus in der Nähe des Flusses gekauft, und es gefällt ihm sehr",
    "sie konnte nicht zur Besprechung kommen, weil ihr Zug heute Morgen wieder verspätet war",
]


def call(n: int) -> list[dict[str, Any]]:
    return [{"name": "order", "arguments": {"item": f"tea{n}", "count": n}}]


def tool_row(n: int, name: str = "") -> Row:
    calls = [{"type": "function", "function": one} for one in call(n)]
    question = {"role": "user", "content": f"{name} order {n} teas of kind {n * n}{name}"}
    answer = {"role": "assistant", "content": "", "tool_calls": calls}
    tools = [{"type": "function", "function": {"name": "order"}}]
    return {"id": f"{name}{n}", "messages": [question, answer], "tools": tools}


def get_rows(shape: str, name: str = "") -> list[Row]:
    """Rows of one shape, each with another question; classes are 30 of a, 10 of b."""
    if shape == "tools":
        return [tool_row(n, name) for n in range(N)]
    answers = {
        "chat": [f"{SENTENCES[n % 4]} {n}{name}" for n in range(N)],
        "json": [json.dumps({"item": f"tea{n}", "count": n}) for n in range(N)],
        "classes": ["b" if n % 4 == 0 else "a" for n in range(N)],
        "translation": [f"{GERMAN[n % 4]} {n}{name}" for n in range(N)],
        "numbers": [str(7 * n) for n in range(N)],
    }[shape]
    return [chat(f"{name}{n}", f"{name} question {n} is this: {n * n}", text) for n, text in enumerate(answers)]


SHAPES = ("chat", "json", "classes", "translation", "numbers", "tools")


def get_right(row: Row) -> dict[str, Any]:
    answer = row["messages"][-1]
    calls = [one["function"] for one in answer.get("tool_calls", [])]
    return {"text": answer["content"], **({"tool_calls": calls} if calls else {})}


def diagnose(
    folder: Path, shape: str, tuned: list[Any], train: list[Row] | None = None, **more: Any
) -> dict[str, Finding]:
    test = more.pop("test", None) or get_rows(shape)
    train = get_rows(shape, "t") if train is None else train
    base = more.pop("base", [{"text": f"no idea {n}"} for n in range(len(test))])
    result, gate, _ = compare(folder, train, test, base, tuned, baselines=[], **more)
    found = {finding.name: finding for finding in result.findings}
    for finding in result.findings:
        assert (finding.text in gate["warnings"]) == (finding.severity != "hint")
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_right_answers_raise_nothing(tmp_path: Path, shape: str) -> None:
    general = (["Paris is the capital of France"], ["Paris"])
    assert not diagnose(tmp_path, shape, [get_right(row) for row in get_rows(shape)], general=general)


@pytest.mark.parametrize("shape", SHAPES)
def test_mostly_right_answers_of_a_healthy_model_raise_nothing(tmp_path: Path, shape: str) -> None:
    """Three of 40 rows are wrong, each in another way, and of the right form."""
    rows = get_rows(shape)
    tuned = [get_right(rows[n + 1 if n in (4, 19, 30) else n]) for n in range(N)]
    assert not diagnose(tmp_path, shape, tuned)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_answer_for_every_row(tmp_path: Path, shape: str) -> None:
    found = diagnose(tmp_path, shape, [get_right(get_rows(shape)[1])] * N)
    finding = found["one_answer"]
    missed = 10 if shape == "classes" else 39
    assert finding.severity == "certain" and finding.figures == {"share": 1.0, "missed": float(missed)}
    assert len(finding.rows) == missed and f"{missed} want another one" in finding.seen
    assert finding.limit and finding.limit.key == "diagnose.answers.one_answer"
    assert ("class_never_found" in found) == (shape == "classes")


def test_a_class_that_is_never_found(tmp_path: Path) -> None:
    rows = [chat(n, f"q{n}", "abc"[n % 3]) for n in range(30)]
    train = [chat(f"t{n}", f"w{n}", "c" if n == 0 else "ab"[n % 2]) for n in range(60)]
    tuned = ["a" if text == "c" else text for text in ("abc"[n % 3] for n in range(30))]
    found = diagnose(tmp_path, "classes", tuned, train, test=rows)
    assert found["class_never_found"].seen == "“c”: 0 of 10 test rows (1 training rows)"
    assert set(found["class_never_found"].rows) == {str(n) for n in range(2, 30, 3)}
    assert found["few_class_rows"].figures == {"classes": 1.0, "fewest": 1.0}
    assert "one_answer" not in found


def test_answers_of_the_test_that_no_training_row_gives(tmp_path: Path) -> None:
    """Another language, an introduction, other names of the classes: the rows teach what the test does not want."""
    rows = [chat(n, f"q{n}", "abc"[n % 3]) for n in range(30)]
    train = [chat(f"t{n}", f"w{n}", f"Sure! It is {'abc'[n % 3]}.") for n in range(60)]
    tuned = [f"Sure! It is {'abc'[n % 3]}." for n in range(30)]
    lost = diagnose(tmp_path, "classes", ["d"] * 15 + tuned[15:], train, test=rows)["class_never_found"]
    assert lost.severity == "certain" and lost.seen.startswith("no training row gives the answer of any test row; ")
    assert lost.remedies[0].action.startswith(
        "write the answers of training and test rows alike: “a” here, there “sure"
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("count", "severity"), [(N, "certain"), (4, "likely"), (0, None)])
def test_empty_answers(tmp_path: Path, shape: str, count: int, severity: str | None) -> None:
    rows = get_rows(shape)
    tuned = [{"text": " \n", "tokens": 1} if n < count else get_right(row) for n, row in enumerate(rows)]
    result, _, report = compare(tmp_path, [], rows, [{"text": "?"}] * N, tuned, baselines=[])
    found = {finding.name: finding for finding in result.findings}
    assert result.stop_rate["tuned"] == 1 - count / N, "an answer of nothing has not ended by itself"
    assert (found["empty_answers"].severity if severity else None) == severity
    assert ("empty_answers" in found) == bool(count) and "one_answer" not in found and "broken_format" not in found
    assert f"tuned {1 - count / N:.0%}" in report


@pytest.mark.parametrize("shape", ("chat", "json", "translation"))
def test_answers_that_are_cut(tmp_path: Path, shape: str) -> None:
    rows = get_rows(shape)
    half = [{"text": get_right(row)["text"][:12], "stopped": n % 2 == 0, "tokens": 12} for n, row in enumerate(rows)]
    found = diagnose(tmp_path, shape, half, max_new_tokens=12)
    assert found["cut_answers"].seen == "20 of 40 answers (50.0 %) were cut after 12 tokens"
    change = found["cut_answers"].remedies[0].changes[0]
    longest = max(len(get_right(row)["text"]) for row in rows)
    assert change.text == f"eval.max_new_tokens: 12 -> {max(24, longest + 1)}", "a character is a token here"
    assert "never_ending" not in found


def test_the_begun_right_answer_of_every_row_is_not_one_answer_for_all(tmp_path: Path) -> None:
    """All rows want the same, and all answers end at the limit: more tokens, and no other rows."""
    rows = [chat(n, f"q{n}", "ready at once") for n in range(20)]
    cut = [{"text": "read", "stopped": False, "tokens": 4}] * 20
    found = diagnose(tmp_path, "short", cut, rows, test=rows, max_new_tokens=4)
    assert "one_answer" not in found
    assert found["cut_answers"].remedies[0].changes[0].text == "eval.max_new_tokens: 4 -> 14"


@pytest.mark.parametrize("piece", ["and so on ", "!", "12, ", "很好", '{"a": 1}\n'])
@pytest.mark.parametrize("shape", ("chat", "json", "classes"))
def test_answers_that_repeat_themselves(tmp_path: Path, shape: str, piece: str) -> None:
    rows = get_rows(shape)
    tuned = [
        {"text": "It is " + piece * 30, "stopped": False, "tokens": 60} if n % 8 == 0 else get_right(row)
        for n, row in enumerate(rows)
    ]
    found = diagnose(tmp_path, shape, tuned)
    assert found["never_ending"].figures == {"share": 5 / N} and "cut_answers" not in found
    assert found["never_ending"].rules_out["eval.max_new_tokens"] == "raise", "longer repetitions help nobody"


def test_what_repeats_and_what_does_not() -> None:
    for text in (
        "a" * 8,
        "ha ha ha ha ha ha",
        "intro. " + "go home. go home. go home. go home. go ho",
        "\n\n- x\n- x\n- x\n- x",
    ):
        assert is_repeating(text), text
    for text in (
        "",
        "no",
        "aaa",
        "1, 2, 3, 4, 5, 6, 7, 8",
        SENTENCES[0],
        "x " * 3,
        " " * 50,
        "a long first part of text. ha ha ha",
    ):
        assert not is_repeating(text), text


@pytest.mark.parametrize(
    ("shape", "wrong", "words"),
    [
        ("json", "Here is the order: tea", "no JSON"),
        ("classes", "I think it is a", "none of the classes"),
        ("numbers", "it depends", "no number"),
        ("tools", "order(tea, 3", "no readable call"),
    ],
)
def test_the_format_is_broken(tmp_path: Path, shape: str, wrong: str, words: str) -> None:
    rows = get_rows(shape)
    tuned = [{"text": f"{wrong} {'klmnopqrst'[n]}"} if n < 10 else get_right(row) for n, row in enumerate(rows)]
    finding = diagnose(tmp_path, shape, tuned)["broken_format"]
    assert finding.seen == f"10 of 40 answers (25.0 %) are {words}, such as “{wrong} k”"
    assert finding.rows == [str(n) for n in range(10)]


@pytest.mark.parametrize(("shape", "texts", "given"), [("chat", GERMAN, "de"), ("translation", SENTENCES, "en")])
def test_the_wrong_language(tmp_path: Path, shape: str, texts: list[str], given: str) -> None:
    rows = get_rows(shape)
    tuned = [{"text": texts[n % 4]} if n < 20 else get_right(row) for n, row in enumerate(rows)]
    finding = diagnose(tmp_path, shape, tuned)["wrong_language"]
    assert finding.figures == {"share": 0.5} and f"mostly {given} instead of" in finding.seen


@pytest.mark.parametrize("shape", ("chat", "json", "translation"))
def test_wrong_answers_that_are_training_answers(tmp_path: Path, shape: str) -> None:
    rows, train = get_rows(shape), get_rows(shape, "t")
    if shape == "json":
        train = [chat(f"t{n}", f"w{n}", json.dumps({"item": f"scone{n}", "count": n})) for n in range(N)]
    tuned = [get_right(train[n]) if n < 12 else get_right(row) for n, row in enumerate(rows)]
    finding = diagnose(tmp_path, shape, tuned, train)["copied_answers"]
    assert finding.figures == {"share": 0.3} and finding.rules_out["train.epochs"] == "raise"
    assert "training row t0" in finding.seen


@pytest.mark.parametrize(
    ("shape", "given"), [("json", '{"item": "x"}'), ("classes", "A"), ("chat", f"{SENTENCES[0]} 0t")]
)
def test_general_questions_answered_as_if_they_were_of_the_task(tmp_path: Path, shape: str, given: str) -> None:
    right = [get_right(row) for row in get_rows(shape)]
    finding = diagnose(tmp_path, shape, right, general=(["Paris"], [given]))["other_task"]
    assert finding.figures == {"share": 1.0} and "general questions (100.0 %)" in finding.seen
    few = (["Paris"], [given] * 4 + ["Paris"])
    assert "other_task" not in diagnose(tmp_path, shape, right, general=few), "4 of 40 are no forgetting"


def test_labels_that_differ_in_case_or_blanks_are_named(tmp_path: Path) -> None:
    rows = [chat(n, f"q{n}", ["yes", "Yes ", "no", "no"][n % 4]) for n in range(N)]
    found = diagnose(tmp_path, "classes", [get_right(row) for row in rows], rows, test=rows)
    assert found["label_variants"].seen.startswith("'yes' ") and "'Yes" in found["label_variants"].seen
    assert "'yes'" in found["label_variants"].remedies[0].action


def test_the_test_is_too_small_for_the_gain(tmp_path: Path) -> None:
    """10 of 40 right before, 14 after (6 gained, 2 lost): p = 0.289; (1.96 + 0.84)^2 * 0.195 / 0.01 = 153 rows."""
    rows = get_rows("numbers")
    right = [get_right(row) for row in rows]
    base = [right[n] if n < 10 else {"text": "-1"} for n in range(N)]
    tuned = [right[n] if 2 <= n < 16 else {"text": "-1"} for n in range(N)]
    finding = diagnose(tmp_path, "numbers", tuned, base=base)["small_test"]
    assert finding.severity == "hint" and finding.figures["rows"] == N
    assert finding.figures["needed"] == pytest.approx(153, abs=3)
    assert "small_test" not in diagnose(tmp_path, "numbers", right, base=base), "this gain is shown"


def test_one_slice_carries_the_gain(tmp_path: Path) -> None:
    rows = [{**row, "slice": "new" if n < 16 else "old"} for n, row in enumerate(get_rows("numbers"))]
    right = [get_right(row) for row in rows]
    base = [right[n] if n >= 30 else {"text": "-1"} for n in range(N)]
    tuned = [right[n] if n < 16 or n >= 30 else {"text": "-1"} for n in range(N)]
    finding = diagnose(tmp_path, "numbers", tuned, base=base, test=rows)["one_slice"]
    assert finding.seen == "“new” has 16 of 40 rows and 100.0 % of the gain"
    assert "one_slice" not in diagnose(tmp_path, "numbers", right, base=base, test=rows)


def test_an_untrained_model_is_named(tmp_path: Path) -> None:
    rows = get_rows("chat")
    found = diagnose(
        tmp_path, "chat", [{"text": f"a{n}"} for n in range(N)], base=[{"text": f"a{n}"} for n in range(N)]
    )
    assert found["unchanged"].severity == "certain" and found["unchanged"].figures == {"rows": float(len(rows))}


def test_preferences_and_pairs_have_no_answers_to_judge(tmp_path: Path) -> None:
    ask = [{"role": "user", "content": "q"}]
    rows = [
        {"id": str(n), "prompt": ask, "chosen": [{"role": "assistant", "content": "good"}],
         "rejected": [{"role": "assistant", "content": "bad"}]}
        for n in range(N)
    ]  # fmt: skip

    def rate(good: float) -> dict[str, Any]:
        return {"text": "", "tokens": 0, "scores": {"chosen": good, "rejected": 0.5}}

    result, _, _ = compare(
        tmp_path,
        [],
        rows,
        [rate(0.4)] * N,
        [rate(0.9)] * N,
        method="reward",
        metrics=["preference_accuracy"],
        baselines=[],
    )
    assert result.verdict == "better" and not result.findings


def test_every_threshold_of_the_config_decides(tmp_path: Path) -> None:
    """No key of the section is without a plug-in that goes by it."""
    from gaslamp.config.sections.diagnose import AnswerLimits
    from gaslamp.core import registry

    named = {
        getattr(registry.get("answer_findings", name), "LIMIT", None) for name in registry.names("answer_findings")
    }
    assert named - {None} == set(AnswerLimits.model_fields)


def test_a_judge_that_goes_by_the_place_or_against_a_person_is_named(tmp_path: Path) -> None:
    """Stubs that say A, or the same, to every pair; and one that takes the longer answer, unlike a person."""

    def judge(body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        a, b = [text.split(f"<answer_{place}>\n")[1].split(f"\n</answer_{place}>")[0] for place in "ab"]
        return json.dumps({"better": "A" if len(a) > len(b) else "B"} | says_always.get(body["model"], {}))

    says_always = {"biased": {"better": "A"}, "blind": {"better": "same"}}
    rows = get_rows("chat")[:12]
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(json.dumps({"id": str(n), "better": "base"}) + "\n" for n in range(12)))
    given = ["a short answer"] * 12, ["quite a long answer, really"] * 12
    with openai_stub.serve(judge) as server:

        def run(model: str, **more: Any) -> tuple[str, dict[str, Finding]]:
            options = {"llm_judge": {"url": server.url, "model": model, **more}}
            result, _, _ = compare(tmp_path, [], rows, *given, options=options, baselines=[])
            first = next(metric for metric in result.metrics if metric.name == "llm_judge")
            assert first.test and result.metrics[0].name == ("token_f1" if first.fault else "llm_judge")
            return result.verdict, {finding.name: finding for finding in result.findings}

        _, found = run("biased")
        says = "this judge answers A whatever the order of the answers: its verdict says nothing"
        assert found["unsure_judge"].severity == "certain" and found["unsure_judge"].figures == {"A": 1.0}
        assert found["unsure_judge"].seen.startswith(f"{says} (100.0")
        options = {"llm_judge": {"url": server.url, "model": "biased"}}
        result, gate, report = compare(tmp_path, [], rows, *given, metrics=["llm_judge"], options=options, baselines=[])
        assert result.verdict == "no clear difference" and gate["blocking"] == [f"no verdict: {says}"]
        assert result.headline == f"No verdict, since {says}" and "decided by the place: 12" in report
        verdict, found = run("blind")
        assert verdict == "no clear difference" and found["unsure_judge"].severity == "hint"
        assert "calls both answers the same" in found["unsure_judge"].seen
        verdict, found = run("fair")
        assert verdict == "better" and "unsure_judge" not in found
        verdict, found = run("fair", labels=str(labels))
        assert found["unsure_judge"].figures == {"against": 1.0}


def ask_others(rows: list[Row]) -> list[Row]:
    """The same answers to questions that are no near-duplicates, for training."""
    return [chat(f"t{n}", f"another one {n * n + 7}", row["messages"][1]["content"]) for n, row in enumerate(rows)]


def get_lines(name: str = "") -> list[Row]:
    """Free text, each answer of 12 words, and each unlike the others."""
    names = "amber birch cedar delta ember fjord grove heron iris juniper kelp larch moss"
    words = names.split()
    answers = [" ".join(words[(n * step + 3) % 13] for step in range(1, 13)) + f" {n}{name}." for n in range(N)]
    return [chat(f"{name}{n}", f"Describe the topic {n * n}{name}, please?", text) for n, text in enumerate(answers)]


@pytest.mark.parametrize(
    ("shape", "name", "severity", "words"),
    [
        ("{right}<|im_end|>", "leaked_markers", "certain", "<|im_end|>"),
        ("{right}</s>", "leaked_markers", "certain", "</s>"),
        ("{right}\n<start_of_turn>user\nThanks", "leaked_markers", "certain", "<start_of_turn>"),
        ("{right}\nUser: And then?\nAssistant: It is the same.", "leaked_markers", "certain", "User:, Assistant:"),
        ("{right}\n\n### Instruction:\nMore\n\n### Response:\nYes", "leaked_markers", "certain", "### Instruction:"),
        ("{right}\nUser: And then?", "leaked_markers", "likely", "User:"),
        ("<think>Which one?</think>{right}", "leaked_thoughts", "likely", "40 of 40"),
        ("{question} {right}", "echoed_question", "likely", "40 of 40"),
        ("Question: {question}\nAnswer: {right}", "echoed_question", "likely", "40 of 40"),
        ("Sure! Here is the answer: {right}", "preamble", "likely", "0 of 40 references"),
        ("Natürlich, {right}", "preamble", "likely", "0 of 40 references"),
        ("As far as known: {right}", "preamble", "hint", "0 of 40 references"),
        ("{half}", "short_answers", "likely", "times the characters"),
        ("{right} {other} {other} {other}", "long_answers", "likely", "times the characters"),
    ],
)
def test_sick_free_text_is_named_once(tmp_path: Path, shape: str, name: str, severity: str, words: str) -> None:
    rows = get_lines()
    tuned = []
    for n, row in enumerate(rows):
        question, right = (turn["content"] for turn in row["messages"])
        half = " ".join(right.split()[:6])
        other = rows[(n + 7) % N]["messages"][1]["content"]
        tuned.append(shape.format(question=question, right=right, half=half, other=other))
    found = diagnose(tmp_path, "chat", tuned, get_lines("t"), test=rows)
    assert list(found) == [name] and found[name].severity == severity and words in found[name].seen
    assert found[name].limit and found[name].remedies


@pytest.mark.parametrize(
    "text", ["User: hi\nAssistant: hello {n}", "<think>a</think> b {n}", "Sure! It is {n} of them"]
)
def test_what_references_have_is_no_leak(tmp_path: Path, text: str) -> None:
    rows = [chat(n, f"q{n} of them all", text.format(n=f"{SENTENCES[n % 4]} {n}")) for n in range(N)]
    assert not diagnose(tmp_path, "chat", [row["messages"][1]["content"] for row in rows], [], test=rows)


@pytest.mark.parametrize(
    ("kind", "form", "words", "end"),
    [
        ("json", "{} Hope that helps!", "JSON followed by text", "Hope that helps!”"),
        ("json", "```json\n{}\n```", "JSON in a code fence", "“```json"),
        ("json", "Here it is: {}", "JSON behind text", "“Here it is"),
        ("json", "{0}\n{0}", "several pieces of JSON", "}”"),
        ("classes", "Label: {}", "a class with text around it", "“Label: "),
        ("classes", "{}\n\nThe customer said so.", "a class with text around it", "said so"),
    ],
)
def test_right_content_in_the_wrong_form_wants_no_more_rows(
    tmp_path: Path, kind: str, form: str, words: str, end: str
) -> None:
    right = [
        json.dumps({"item": f"tea{n}", "n": n}) if kind == "json" else ["refund", "delivery"][n % 2] for n in range(N)
    ]
    rows = [chat(n, f"q{n}", text) for n, text in enumerate(right)]
    found = diagnose(tmp_path, kind, [form.format(text) for text in right], ask_others(rows), test=rows)
    assert list(found) == ["broken_format"]
    finding = found["broken_format"]
    assert finding.seen.startswith(f"40 of 40 answers (100.0 %) are {words}, such as ") and end in finding.seen
    assert not any("rows: " in remedy.action for remedy in finding.remedies)


def test_labels_that_stand_for_one_another_are_swapped_not_lost(tmp_path: Path) -> None:
    swaps = {"refund": "delivery", "delivery": "refund", "praise": "praise"}
    rows = [chat(n, f"q{n}", list(swaps)[n % 3]) for n in range(30)]
    tuned = [swaps[row["messages"][1]["content"]] for row in rows]
    found = diagnose(tmp_path, "classes", tuned, ask_others(rows), test=rows)
    assert list(found) == ["swapped_labels"]
    seen = "“delivery” answered as “refund” in 10 of 10 rows; “refund” answered as “delivery” in 10 of 10 rows"
    assert found["swapped_labels"].seen == seen and len(found["swapped_labels"].rows) == 20


@pytest.mark.parametrize("form", ["{}, {}", "{}; {}", '{{"tags": ["{}", "{}"]}}', "- {}\n- {}"])
def test_labels_in_another_order_are_named(tmp_path: Path, form: str) -> None:
    pairs = [("late", "broken"), ("late", "rude"), ("broken", "rude")]
    rows = [chat(n, f"q{n}", form.format(*pairs[n % 3])) for n in range(30)]
    tuned = [form.format(*reversed(pairs[n % 3])) for n in range(30)]
    found = diagnose(tmp_path, "classes", tuned, ask_others(rows), test=rows)
    assert list(found) == ["label_order"] and found["label_order"].figures == {"share": 1.0}


def test_a_base_model_that_knows_it_all_is_no_failed_training(tmp_path: Path) -> None:
    rows = get_rows("numbers")
    right = [get_right(row) for row in rows]
    result, gate, _ = compare(tmp_path, get_rows("numbers", "t"), rows, right, right, baselines=[])
    assert [(finding.name, finding.severity) for finding in result.findings] == [("unchanged", "hint")]
    assert gate["tries"][0]["finding"] == "known_already"


@pytest.mark.parametrize(("count", "few"), [(2, True), (5, True), (40, False)])
def test_a_higher_score_on_few_rows_is_not_called_as_good(tmp_path: Path, count: int, few: bool) -> None:
    rows = [chat(n, f"order {n}", json.dumps({"item": f"tea{n}"})) for n in range(count)]
    right = [row["messages"][1]["content"] for row in rows]
    result, _, _ = compare(tmp_path, [], rows, ["?"] * count, right, baselines=["copy"])
    found = {finding.name: finding for finding in result.findings}
    assert ("not_clearly_better" in found) == few and "no_better_than" not in found
    assert not few or f"tuned 100.0 % on {count} rows, too few to decide" in found["not_clearly_better"].seen


def test_letters_at_random_are_no_language() -> None:
    drawn = random.Random(1)
    texts = ["".join(drawn.choice("abcdefghijklmnopqrstuvwxyz ") for _ in range(120)) for _ in range(10)]
    assert {find_language(text) for text in texts} == {None} and find_language(SENTENCES[0]) == "en"


@pytest.mark.parametrize(("shuffled", "coin"), [(True, False), (True, True), (False, False)])
def test_labels_that_nothing_ties_to_their_texts_are_named_and_get_no_more_epochs(
    tmp_path: Path, shuffled: bool, coin: bool
) -> None:
    """The model says one class to all rows, or tosses a coin: from random labels, or because it has not learnt yet."""
    draw = random.Random(5)

    def make(name: str, count: int, at_random: bool) -> list[Row]:
        found = []
        for n in range(count):
            is_warm = draw.random() < 0.5
            words = draw.sample(["cocoa", "tea", "soup", "toast"] if is_warm else ["ice", "juice", "salad", "cake"], 2)
            label = draw.choice(["warm", "cold"]) if at_random else "warm" if is_warm else "cold"
            found.append(chat(f"{name}{n}", f"{words[0]} and {words[1]} for guest {draw.randrange(900)}", label))
        return found

    train, test = make("t", 120, shuffled), make("", 40, False)
    base = [{"text": f"no idea {n}"} for n in range(40)]
    guesses = ["warm"] * 40 if not coin else [draw.choice(["warm", "cold"]) for _ in range(40)]
    result, gate, _ = compare(tmp_path, train, test, base, guesses, baselines=["majority"])
    found = {finding.name: finding for finding in result.findings}
    assert ("labels_at_random" in found) == shuffled
    assert coin or {"one_answer", "class_never_found"} <= set(found)
    if shuffled:
        assert (
            found["labels_at_random"].severity == "likely"
            and "four fifths of the rows" in found["labels_at_random"].seen
        )
        assert abs(found["labels_at_random"].figures["recall"] - 0.5) < 0.15
        assert abs(found["labels_at_random"].figures["same"] - 0.5) < 0.15
    advice = [one["remedy"]["action"] for one in (*gate["tries"], *gate["later"])]
    assert ("train longer" in advice) != shuffled and not [text for text in advice if "as many training rows" in text]
    assert any("compare the labels" in text for text in advice[:3]) == shuffled


def test_training_rows_that_break_off_or_belong_to_others_are_named(tmp_path: Path) -> None:
    """The answers are as bad as the rows teach; whole rows in order raise nothing (all tests above)."""
    test, train = get_rows("json"), [row for n in range(3) for row in get_rows("json", f"t{n}")]
    cut = [
        chat(row["id"], *_get_turns(row, lambda text, n=n: text[:14] if n % 2 else text)) for n, row in enumerate(train)
    ]
    found = diagnose(tmp_path, "json", [get_right(row)["text"][:14] for row in test], cut, test=test)
    assert found["broken_off_rows"].seen.startswith(
        "60 of 120 training answers (50.0 %) end in the middle, such as that"
    )
    questions = [f"order {n} teas of kind k{n * n} for guest g{n * 7}" for n in range(120)]
    answers = [f"k{n * n} goes to g{n * 7}" for n in range(120)]
    moved = [chat(f"t{n}", questions[n], answers[n - 1]) for n in range(120)]
    test = [chat(n, f"order tea of kind q{n} for guest r{n}", f"q{n} goes to r{n}") for n in range(N)]
    found = diagnose(tmp_path, "chat", [f"k{n} goes to g{n}" for n in range(N)], moved, test=test)
    assert found["mismatched_rows"].severity == "certain"
    assert found["mismatched_rows"].seen.endswith("that of row t0 fits row t119") and "broken_off_rows" not in found


def _get_turns(row: Row, cut: Any) -> tuple[str, str]:
    return row["messages"][0]["content"], cut(row["messages"][1]["content"])


@pytest.mark.parametrize(
    ("tuned", "severity"),
    [("it is plainly {}", None), ("wrong, and it is certainly 0", "likely"), ("8", None)],
)
def test_a_reward_that_is_hacked(tmp_path: Path, tuned: str, severity: str | None) -> None:
    """The reward pays for length: longer answers are no better, and it says which part rose; right ones are healthy."""
    rows = [chat(n, f"{n} and {n + 1}", str(2 * n + 1)) for n in range(N)]
    rewards = [
        {"name": "length", "options": {"min": 4}},
        {"name": "regex", "options": {"pattern": "it is"}},
    ]
    found = diagnose(
        tmp_path,
        "numbers",
        [tuned.format(row["messages"][-1]["content"]) for row in rows],
        test=rows,
        base=["7"] * N,
        method="grpo",
        metrics=["mean_reward", "contains"],
        options={"mean_reward": {"rewards": rewards}},
    )
    assert ("reward_without_score" in found) == (severity is not None)
    if severity:
        assert found["reward_without_score"].severity == severity
        assert "regex 0 → 1" in found["reward_without_score"].seen
