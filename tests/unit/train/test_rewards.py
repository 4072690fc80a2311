"""Rewards: each built-in on its own example and on what models really write, and the process that runs them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import openai_stub
import pytest
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.train.reward_runner import Scorer, get_total, load_rewards
from gaslamp.train.sandbox import get_landlock_version

PROMPT = [{"role": "user", "content": "What is six times seven?"}]


def score(name: str, completion: str, row: dict[str, Any] | None = None, **options: Any) -> float:
    return registry.get("rewards", name).score(PROMPT, completion, {"prompt": PROMPT, **(row or {})}, **options)


@pytest.mark.parametrize(
    "name", [n for n in registry.names("rewards") if hasattr(registry.get("rewards", n), "EXAMPLE")]
)
def test_a_reward_scores_its_own_example(name: str) -> None:
    module = registry.get("rewards", name)
    example = module.EXAMPLE
    assert module.TITLE and module.__doc__
    assert (
        module.score(PROMPT, example["completion"], {"prompt": PROMPT, **example["row"]}, **example.get("options", {}))
        == example["score"]
    )
    for junk in ("", "\x00", "é" * 3000, "<answer>", "</reasoning><reasoning>", "\\boxed{", "{" * 2000):
        value = module.score(PROMPT, junk, {"prompt": PROMPT, **example["row"]}, **example.get("options", {}))
        assert isinstance(value, float) and 0.0 <= value <= 1.0, f"{name} on {junk[:20]!r}"


def test_strict_format_matches_across_lines_and_nothing_else() -> None:
    good = "<reasoning>\nsix times seven\n\nis 42\n</reasoning>\n<answer>\n42\n</answer>\n"
    assert score("strict_format", good) == 1.0
    for bad in (
        f"Sure! {good}",
        f"{good} I hope this helps",
        good.replace("\n<answer>", "<answer>"),
        good + good,
        good.replace("42\n</answer>", " \n</answer>"),
        "<answer>\n42\n</answer>",
    ):
        assert score("strict_format", bad) == 0.0, bad
    assert score("soft_format", f"Sure! {good.replace(chr(10), ' ')}") == 1.0
    assert score("soft_format", "<answer>42</answer><reasoning>late</reasoning>") == 0.0
    assert [
        score("xml_tags", t, trailing=0.01)
        for t in (good, good + " bye", "<answer>1</answer><answer>1</answer>", "nothing")
    ] == [1.0, 0.97, 0.0, 0.0]
    assert score("strict_format", "<think>\na\nb\n</think>\n\n<answer>\n1\n</answer>", tags=["think", "answer"]) == 1.0


def test_answers_are_found_where_models_put_them() -> None:
    row = {"answer": "It is 6 * 7.\n#### 42"}
    right = (
        "42",
        " 42\n",
        "<answer>\n42\n</answer>",
        "so\n#### 42",
        "thus \\boxed{42}",
        "<think>41? no</think>42",
        "<answer>41</answer> no: <answer>42</answer>",
    )
    assert [score("exact_answer", text, row) for text in right] == [1.0] * len(right)
    wrong = ("420", "It is 42.", "<answer>43</answer> 42", "", "\\boxed{42")
    assert [score("exact_answer", text, row) for text in wrong] == [0.0] * len(wrong)
    same = ("42.0", "$42$", "84/2", "\\boxed{\\frac{84}{2}}", "<answer>42</answer>", "#### 42")
    assert [score("numeric_answer", text, row) for text in same] == [1.0] * len(same)
    assert score("numeric_answer", "1,234", {"answer": "1234"}) == 1.0 and score("numeric_answer", "-42", row) == 0.0
    assert score("exact_answer", "PARIS", {"answer": "Paris"}, ignore_case=True) == 1.0
    assert score("exact_answer", "Rome", {"columns": {"capital": "Rome"}}, column="capital") == 1.0
    with pytest.raises(ValueError, match="no answer to compare"):
        score("exact_answer", "42")


def test_code_is_run_with_limits_and_without_network() -> None:
    def run(code: str, tests: str = "assert f(1) == 2\nassert f(2) == 4", **options: Any) -> float:
        return score("code_tests", f"Here:\n```python\n{code}\n```", {"columns": {"tests": tests}}, **options)

    assert run("def f(x):\n    return 2 * x") == 1.0
    assert run("def f(x):\n    return x + 1") == 0.5 and run("def f(x):\n    return x + 1", all_or_nothing=True) == 0.0
    assert (
        run("def f(x:") == 0.0
        and run("import os\nos._exit(0)") == 0.0
        and run("print('1' * 9999)\nraise SystemExit(0)") == 0.0
    )
    start = time.monotonic()
    assert run("def f(x):\n    while True: pass", seconds=1.0) == 0.0 and time.monotonic() - start < 10
    assert run("def f(x):\n    y = bytearray(600 << 20)\n    return 2 * x", memory_mb=256) == 0.0
    network = "import socket\ndef f(x):\n    socket.socket()\n    return 2 * x"
    assert run(network) == 0.0 and run(network, network=True) == 1.0
    assert (
        run(
            "import os\ndef f(x):\n    return 2 * x if not os.environ.get('GASLAMP_SECRET') and os.listdir('.') == "
            "[] else 0"
        )
        == 1.0
    )
    functions = "import math\ndef test_one():\n    assert f(1) == 2\ndef test_two():\n    assert f(math.inf) == 0"
    assert run("def f(x):\n    return 2 * x", functions) == 0.5
    with pytest.raises(ValueError, match="no tests"):
        score("code_tests", "x = 1")


FORGERIES = {
    "every descriptor": (
        "import os\nfor n in range(3, 60):\n    try: os.write(n, b'1' * 99)\n    except OSError: pass\nos._exit(0)"
    ),
    "the number of another": (
        "import os, gc\nfor o in gc.get_objects():\n    if isinstance(o, dict) and 'token' in o and 'write' in o:\n"
        "        os.write(o['write'], o['token'].encode())\nos._exit(0)"
    ),
    "an answer that equals everything": (
        "class f:\n    def __init__(self, x): pass\n    def __eq__(self, other): return True"
    ),
    "the end of the program": "import sys\nsys.exit(0)",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_code_that_reports_success_by_itself_scores_nothing(name: str) -> None:
    """But an object that equals everything passes honest asserts on equality: tests must ask for more than that."""
    wanted = 1.0 if name == "an answer that equals everything" else 0.0
    assert score("code_tests", f"```\n{FORGERIES[name]}\n```", {"columns": {"tests": "assert f(1) == 2"}}) == wanted


@pytest.mark.skipif(not get_landlock_version(), reason="this kernel has no Landlock")
def test_code_reads_no_file_of_the_user_and_writes_into_its_folder_only(tmp_path: Path) -> None:
    secret, out = tmp_path / "id_ed25519", tmp_path / "out"
    secret.write_text("key")
    code = """
import os
def read(path):
    try: return open(path).read()
    except PermissionError: return "refused"
def write(path):
    try: open(path, "w").write("x"); return "written"
    except PermissionError: return "refused"
"""
    tests = f"""
assert read({str(secret)!r}) == "refused"
assert read("/etc/passwd") == "refused"
assert write({str(out)!r}) == "refused"
assert write("own.txt") == "written" and read("own.txt") == "x"
import json, math
assert json.loads("[1]") == [1]
"""
    assert score("code_tests", f"```\n{code}\n```", {"columns": {"tests": tests}}) == 1.0
    assert not out.exists()


def test_each_test_begins_with_fresh_code() -> None:
    code = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)"
    tests = "assert f(1) == 1\nassert f(1) == 1"
    assert score("code_tests", f"```\n{code}\n```", {"columns": {"tests": tests}}) == 1.0


def test_a_child_that_the_code_leaves_behind_is_ended(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    code = (
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', \"import time; time.sleep(2); "
        f"open({str(mark)!r}, 'w')\"], start_new_session=True)\ndef f(x):\n    return 2 * x"
    )
    score("code_tests", f"```\n{code}\n```", {"columns": {"tests": "assert f(1) == 2"}})
    time.sleep(2.5)
    assert not mark.exists()


def test_length_language_and_schema() -> None:
    assert [
        score("length", "a b c", min=4),
        score("length", "a b c", max=2, slack=1.0),
        score("length", "abc", max=3, unit="characters"),
    ] == [0.5, 0.5, 1.0]
    german, english = (
        "Das Wetter ist heute sehr schön und wir gehen in den Wald.",
        "The weather is very nice today and we walk in the woods.",
    )
    assert [
        score("language", german, language="de"),
        score("language", english, language="de"),
        score("language", english),
    ] == [1.0, 0.0, 1.0]
    with pytest.raises(ValueError, match="no language 'klingon'"):
        score("language", german, language="klingon")
    schema = {
        "type": "object",
        "required": ["a"],
        "additionalProperties": False,
        "properties": {"a": {"type": "integer"}},
    }
    texts = ('{"a": 1}', '```json\n{"a": 1}\n```', '{"a": "1"}', '{"a": 1} and more', '{"a": NaN}')
    assert [score("json_schema", text, schema=schema) for text in texts] == [1.0, 1.0, 0.25, 0.0, 0.0]
    assert score("json_schema", texts[1], schema=schema, bare=True) == 0.0


def test_reasoning_gym_verifiers_accept_their_own_answers() -> None:
    import json

    import reasoning_gym

    for task in ("simple_equations", "countdown", "word_ladder"):
        entry = reasoning_gym.create_dataset(task, size=2, seed=1)[0]
        row = {"answer": entry["answer"], "columns": {"metadata": json.dumps(entry["metadata"])}}
        assert score("reasoning_gym", f"<answer>{entry['answer']}</answer>", row, task=task) == 1.0
        assert score("reasoning_gym", "<answer>nonsense</answer>", row, task=task) < 0.5
    with pytest.raises(ValueError, match="metadata"):
        score("reasoning_gym", "3", {"answer": "3"}, task="countdown")


# ------------------------------------------------------------------------------------------- the process that runs them


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rewards").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def get_scores(
    project: Path, code: str, completions: tuple[str, ...] = ("a", "bb", "ccc"), **entry: Any
) -> list[float]:
    (project / "rewards" / "mine.py").write_text(code, encoding="utf-8")
    scorer = Scorer(load_rewards([{"name": "mine", **entry}]))
    try:
        rows = [{"id": f"row-{n}", "prompt": PROMPT, "answer": str(n)} for n in range(len(completions))]
        return scorer.score([PROMPT] * len(completions), completions, rows)["mine"]
    finally:
        scorer.close()


def test_each_completion_is_compared_with_its_own_answer_and_sums_are_weighted(project: Path) -> None:
    (project / "rewards" / "size.py").write_text(
        "def score(prompt, completion, row, factor=1):\n    print('noise')\n    return len(completion) * factor\n"
    )
    rewards = load_rewards(
        [
            {"name": "exact_answer", "weight": 2},
            {"name": "size", "weight": 0.5, "options": {"factor": 10}},
            {"name": "size", "label": "plain", "weight": 0},
        ]
    )
    scorer = Scorer(rewards)
    rows = [{"id": "a", "prompt": PROMPT, "answer": "1"}, {"id": "b", "prompt": PROMPT, "answer": "22"}]
    scores = scorer.score([PROMPT] * 2, ["1", "1"], rows)
    assert scores == {"exact_answer": [1.0, 0.0], "size": [10.0, 10.0], "plain": [1.0, 1.0]}
    assert get_total(rewards, scores) == [7.0, 5.0]
    functions = scorer.get_functions()
    assert [f.__name__ for f in functions] == ["exact_answer", "size", "plain"]
    import json

    assert functions[0](
        prompts=[PROMPT] * 2,
        completions=[[{"role": "assistant", "content": "22"}]] * 2,
        row=[json.dumps(row) for row in rows],
        trainer_state=None,
    ) == [0.0, 1.0]
    assert scorer.score([], [], []) == {"exact_answer": [], "size": [], "plain": []}
    scorer.close()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "def score(prompt, completion, row):\n    return 1 / (len(completion) - 2)",
            ["ZeroDivisionError", "row-1", "'bb'", "rewards/mine.py, line 2"],
        ),
        ("def score(prompt, completion, row):\n    return float('nan')", ["must be finite", "row-0"]),
        ("def score(prompt, completion, row):\n    return None", ["None, which is no number", "row-0"]),
        ("def score_all(prompts, completions, rows):\n    return [1.0]", ["returned 1 for 3 completions"]),
        (
            "TIMEOUT = 0.5\ndef score(prompt, completion, row):\n    while completion == 'bb': pass\n    return 1",
            ["no score within 0.5 seconds", "row-1"],
        ),
        (
            "import os\ndef score(prompt, completion, row):\n    os._exit(3) if completion == 'ccc' else None\n    "
            "return 1",
            ["exit code 3", "row-2"],
        ),
        ("import no_such_package\ndef score(prompt, completion, row):\n    return 1", ["no_such_package", "line 1"]),
    ],
)
def test_a_bad_reward_stops_with_its_row(project: Path, code: str, said: list[str]) -> None:
    with pytest.raises(GaslampError) as failure:
        get_scores(project, code)
    assert all(text in str(failure.value) for text in said), str(failure.value)


def test_all_mistakes_of_the_settings_are_reported_at_once(project: Path) -> None:
    settings = [
        {"name": "exact_anser"},
        {"name": "regex", "options": {"patern": "x"}},
        {"name": "length"},
        {"name": "length", "weight": 2},
    ]
    with pytest.raises(GaslampError) as failure:
        load_rewards(settings)
    for text in (
        "did you mean exact_answer",
        "no option 'patern'",
        "needs the option pattern",
        "two rewards are called 'length'",
    ):
        assert text in str(failure.value)


def test_checking_the_settings_runs_no_reward(project: Path) -> None:
    """The Snakefile asks this at every start: a reward that imports torch must not slow it down."""
    (project / "rewards" / "mine.py").write_text(
        "raise SystemExit('was run')\nTIMEOUT = 7\ndef score(prompt, completion, row, *, words):\n    return 1\n"
    )
    assert [reward.timeout for reward in load_rewards([{"name": "mine", "options": {"words": []}}])] == [7.0]
    with pytest.raises(GaslampError, match="mine needs the option words"):
        load_rewards([{"name": "mine"}])
    (project / "rewards" / "mine.py").write_text("def score(:\n")
    with pytest.raises(GaslampError, match=r"mine.py, line 1"):
        load_rewards([{"name": "mine"}])


def test_judge_grades_through_an_endpoint(project: Path) -> None:
    def judge(body: dict[str, Any]) -> str:
        answer = body["messages"][0]["content"].rpartition("<answer>")[2]
        return f'Well: {{"grade": {9 if "forty-two" in answer else 2}}}'

    rows = [{"id": "a", "prompt": PROMPT, "answer": "42"}] * 2
    with openai_stub.serve(judge) as received:
        scorer = Scorer(load_rewards([{"name": "judge", "options": {"url": received.url, "model": "m"}}]))
        assert scorer.score([PROMPT] * 2, ["forty-two", "no idea"], rows) == {"judge": [0.9, 0.2]}
        scorer.close()
    assert len(received.bodies) == 2
    assert all("<reference>\n42" in body["messages"][0]["content"] for body in received.bodies)
    with pytest.raises(ValueError, match="no grade"):
        registry.get("rewards", "judge").read_grade('{"grade": 99}', 10)
