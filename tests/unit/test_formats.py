"""Every format: the shapes of published sets load without a word of configuration, and no text is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gaslamp import registry, rows
from gaslamp.data.cells import read_calls
from gaslamp.data.detect import choose_kind, find_format, suggest_mapping
from gaslamp.errors import GaslampError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Turns = list[tuple[str, str]]


def convert(row: dict[str, Any], kinds: tuple[str, ...] = (), columns: dict[str, str] | None = None) -> tuple[str, rows.Row]:
    """The format that is found for a set of one row, and the row it becomes."""
    name, plugin, mapping = find_format([row], "auto", columns, kinds)
    return name, plugin.convert(row, mapping)


def talk(messages: list[rows.Message]) -> Turns:
    return [(turn["role"], turn["content"]) for turn in messages]


S, U, A = ("system", "s"), ("user", "q"), ("assistant", "a")
TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
GPT = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]

# The rows are ours; the columns are those of LLaMA-Factory's data/ and of Axolotl's dataset-formats and rlhf pages.
TALKS: list[tuple[str, str, dict[str, Any], Turns]] = [
    ("LLaMA-Factory alpaca", "alpaca", {"instruction": "q", "input": "i", "output": "a"}, [("user", "q\n\ni"), A]),
    ("LLaMA-Factory alpaca, no input", "alpaca", {"instruction": "q", "input": "", "output": "a"}, [U, A]),
    (
        "LLaMA-Factory alpaca, history and system",
        "alpaca",
        {"instruction": "q", "input": "", "output": "a", "system": "s", "history": [["q1", "a1"], ["q2", "a2"]]},
        [S, ("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2"), U, A],
    ),
    ("LLaMA-Factory sharegpt", "messages", {"conversations": GPT, "system": "s", "tools": ""}, [S, U, A]),
    ("LLaMA-Factory openai", "messages", {"messages": [{"role": "system", "content": "s"}, *TURNS]}, [S, U, A]),
    ("Axolotl alpaca", "alpaca", {"instruction": "q", "output": "a"}, [U, A]),
    ("Axolotl jeopardy", "prompt_completion", {"question": "q", "category": "c", "answer": "a"}, [U, A]),
    ("Axolotl oasst", "alpaca", {"INSTRUCTION": "q", "RESPONSE": "a"}, [U, A]),
    ("Axolotl gpteacher", "alpaca", {"instruction": "q", "input": "", "response": "a"}, [U, A]),
    ("Axolotl reflection", "alpaca", {"instruction": "q", "input": "", "output": "a", "reflection": "r", "corrected": "c"}, [U, A]),
    ("Axolotl explainchoice", "prompt_completion", {"question": "q", "choices": ["x"], "solution": "b", "explanation": "a"}, [U, A]),
    ("Axolotl summarizetldr", "prompt_completion", {"article": "q", "summary": "a"}, [U, A]),
    ("Axolotl camel_ai", "prompt_completion", {"message_1": "q", "message_2": "a"}, [U, A]),
    ("Axolotl open_orca", "prompt_completion", {"id": "x", "system_prompt": "s", "question": "q", "response": "a"}, [S, U, A]),
    ("Axolotl context_qa", "prompt_completion", {"article": "c", "question": "q", "answer": "a"}, [("user", "c\n\nq"), A]),
    ("Axolotl context_qa.load_v2", "prompt_completion", {"context": "c", "question": "q", "answer": "a"}, [("user", "c\n\nq"), A]),
    ("Axolotl creative_acr.load_answer", "alpaca", {"instruction": "q", "revision": "a"}, [U, A]),
    ("Axolotl metharme", "prompt_completion", {"prompt": "q", "generation": "a"}, [U, A]),
    ("Axolotl pygmalion", "messages", {"conversations": [{"role": "user", "value": "q"}, {"role": "assistant", "value": "a"}]}, [U, A]),
    ("Axolotl chat_template", "messages", {"conversations": TURNS}, [U, A]),
    ("TRL prompt-completion of turns", "prompt_completion", {"prompt": TURNS[:1], "completion": TURNS[1:]}, [U, A]),
    ("turns as JSON in a table", "messages", {"messages": json.dumps(TURNS)}, [U, A]),
    ("DailyDialog", "messages", {"dialog": ["q", "a", "q", "a"], "act": [1, 2, 1, 2]}, [U, A, U, A]),
    ("GSM8K", "prompt_completion", {"question": "q", "answer": "a"}, [U, A]),
    ("Dolly", "alpaca", {"instruction": "q", "context": "", "response": "a", "category": "c"}, [U, A]),
    ("OpenR1", "prompt_completion", {"problem": "q", "solution": "a", "answer": "4", "messages": None}, [U, A]),
    ("WizardLM", "messages", {"idx": "1", "conversations": GPT}, [U, A]),
]


@pytest.mark.parametrize(("name", "row", "turns"), [case[1:] for case in TALKS], ids=[case[0] for case in TALKS])
def test_published_conversations(name: str, row: dict[str, Any], turns: Turns) -> None:
    found, result = convert(row, ("conversation",))
    assert (found, talk(result["messages"])) == (name, turns)


ANSWERS = {"chosen": "good", "rejected": "bad"}
PREFERENCES: list[tuple[str, dict[str, Any], Turns]] = [
    ("LLaMA-Factory alpaca preference", {"instruction": "q", "input": "", **ANSWERS}, [U]),
    ("LLaMA-Factory, input", {"instruction": "q", "input": "i", **ANSWERS}, [("user", "q\n\ni")]),
    (
        "LLaMA-Factory sharegpt preference",
        {"conversations": GPT[:1], "chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "gpt", "value": "bad"}},
        [U],
    ),
    ("LLaMA-Factory's older ranked output", {"instruction": "q", "input": "", "output": ["good", "bad"]}, [U]),
    ("Axolotl chatml.argilla", {"system": "s", "instruction": "q", "chosen_response": "good", "rejected_response": "bad"}, [S, U]),
    ("Axolotl chatml.icr", {"system": "s", "input": "q", **ANSWERS}, [S, U]),
    ("Axolotl chatml.intel", {"system": "s", "question": "q", **ANSWERS}, [S, U]),
    ("Axolotl chatml.prompt_pairs", {"system": "", "prompt": "q", **ANSWERS}, [U]),
    (
        "Axolotl chatml.ultra",
        {"system": "s", "prompt": "q", "chosen": [TURNS[0], {"role": "assistant", "content": "good"}], "rejected": [TURNS[0], {"role": "assistant", "content": "bad"}]},
        [S, U],
    ),
    (
        "Axolotl argilla_chat",
        {"chosen": [TURNS[0], {"role": "assistant", "content": "good"}], "rejected": [TURNS[0], {"role": "assistant", "content": "bad"}]},
        [U],
    ),
    ("Axolotl zephyr.nectar", {"prompt": "q", "answers": [{"answer": "bad", "rank": 2}, {"answer": "good", "rank": 1}, {"answer": "worse", "rank": 1.5}]}, [U]),
    (
        "Axolotl chat_template.default",
        {"messages": TURNS[:1], "chosen": {"role": "assistant", "content": "good"}, "rejected": {"role": "assistant", "content": "bad"}},
        [U],
    ),
    ("UltraFeedback, scores", {"instruction": "q", "completions": [{"response": "bad", "overall_score": 2}, {"response": "good", "overall_score": 8.5}]}, [U]),
    ("responses and scores", {"prompt": "q", "responses": ["bad", "good"], "scores": [0.1, 0.9]}, [U]),
    ("HH-RLHF", {"chosen": "\n\nHuman: q\n\nAssistant: good", "rejected": "\n\nHuman: q\n\nAssistant: bad"}, [U]),
    ("TRL, turns", {"prompt": TURNS[:1], "chosen": [{"role": "assistant", "content": "good"}], "rejected": [{"role": "assistant", "content": "bad"}]}, [U]),
]


@pytest.mark.parametrize(("row", "prompt"), [case[1:] for case in PREFERENCES], ids=[case[0] for case in PREFERENCES])
def test_published_preferences(row: dict[str, Any], prompt: Turns) -> None:
    found, result = convert(row, ("preference",))
    assert found == "preference" and talk(result["prompt"]) == prompt
    assert (talk(result["chosen"]), talk(result["rejected"])) == ([("assistant", "good")], [("assistant", "bad")])
    assert convert(row, ("conversation",))[0] == "preference", "whatever the method, both answers are never learnt as one"


RATINGS: list[tuple[str, dict[str, Any], bool]] = [
    ("LLaMA-Factory alpaca kto", {"instruction": "q", "input": "", "output": "a", "kto_tag": True}, True),
    ("LLaMA-Factory sharegpt kto", {"messages": TURNS, "label": False}, False),
    ("Axolotl kto", {"system": "", "prompt": "q", "completion": "a", "label": "false"}, False),
    ("TRL, turns", {"prompt": TURNS[:1], "completion": TURNS[1:], "label": True}, True),
    ("thumbs", {"question": "q", "answer": "a", "thumbs": "\U0001f44e"}, False),
    ("thumbs in words", {"question": "q", "answer": "a", "feedback": "Thumbs_Up"}, True),
    ("stars", {"prompt": "q", "response": "a", "rating": 4}, True),
    ("few stars", {"prompt": "q", "response": "a", "stars": "2"}, False),
]


@pytest.mark.parametrize(("row", "label"), [case[1:] for case in RATINGS], ids=[case[0] for case in RATINGS])
def test_published_ratings(row: dict[str, Any], label: bool) -> None:
    found, result = convert(row, ("rating",))
    assert found == "kto" and result["label"] is label
    assert (talk(result["prompt"]), talk(result["completion"])) == ([U], [A])


def test_the_threshold_of_ratings_can_be_set() -> None:
    row = {"prompt": "q", "response": "a", "score": 7}
    assert convert(row, ("rating",))[1]["label"] is True
    assert convert(row, ("rating",), {"threshold": "8"})[1]["label"] is False
    assert convert(row, ("conversation",))[0] == "prompt_completion", "a score is no verdict for a method that learns answers"


PROMPTS: list[tuple[str, dict[str, Any], Any]] = [
    ("a prompt alone", {"prompt": "q"}, None),
    ("GSM8K", {"question": "q", "answer": "#### 4"}, "#### 4"),
    ("DeepScaleR", {"problem": "q", "solution": "long", "answer": "4"}, "4"),
    ("verl", {"data_source": "d", "prompt": TURNS[:1], "reward_model": {"style": "rule", "ground_truth": "4"}, "extra_info": {"index": 0}}, "4"),
    ("a number", {"prompt": "q", "answer": 4}, "4"),
]


@pytest.mark.parametrize(("row", "answer"), [case[1:] for case in PROMPTS], ids=[case[0] for case in PROMPTS])
def test_published_prompts(row: dict[str, Any], answer: Any) -> None:
    found, result = convert(row, ("prompt",))
    assert found == "grpo" and talk(result["prompt"]) == [U] and result.get("answer") == answer


PAIRS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("triplet", {"anchor": "q", "positive": "a", "negative": "n"}, {"anchor": "q", "positive": "a", "negative": "n"}),
    ("natural questions", {"query": "q", "answer": "a"}, {"anchor": "q", "positive": "a"}),
    ("STS", {"sentence1": "q", "sentence2": "a", "score": 0.5}, {"anchor": "q", "positive": "a", "score": 0.5}),
    ("lists", {"query": "q", "pos": ["a", "b"], "neg": ["n"]}, {"anchor": "q", "positive": "a", "negative": "n"}),
]


@pytest.mark.parametrize(("row", "pair"), [case[1:] for case in PAIRS], ids=[case[0] for case in PAIRS])
def test_published_pairs(row: dict[str, Any], pair: dict[str, Any]) -> None:
    assert convert(row, ("pair",)) == ("pair", pair)


def test_running_text() -> None:
    assert convert({"text": "words", "url": "u", "timestamp": "t"}, ("text",)) == ("text", {"text": "words"})  # LLaMA-Factory's c4_demo


CALL = {"name": "weather", "arguments": {"city": "Oslo", "days": [1, 2]}}
TOOL = {"name": "weather", "description": "d", "parameters": {"type": "object"}}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "messages",  # LLaMA-Factory glaive_toolcall
            {
                "conversations": [{"from": "human", "value": "q"}, {"from": "function_call", "value": json.dumps(CALL)}, {"from": "observation", "value": "rain"}, {"from": "gpt", "value": "a"}],
                "tools": json.dumps([TOOL]),
            },
        ),
        (
            "messages",  # OpenAI
            {
                "messages": [
                    {"role": "user", "content": "q"},
                    {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "weather", "arguments": json.dumps(CALL["arguments"])}}]},
                    {"role": "tool", "tool_call_id": "1", "content": "rain"},
                    {"role": "assistant", "content": "a"},
                ],
                "tools": [{"type": "function", "function": TOOL}],
            },
        ),
        ("tool_calls", {"query": "q", "tools": json.dumps([TOOL]), "answers": json.dumps([CALL]), "id": 3}),  # xLAM
    ],
)
def test_tool_calls(name: str, row: dict[str, Any]) -> None:
    found, result = convert(row, ("conversation",))
    assert found == name and result["tools"] == [{"type": "function", "function": TOOL}]
    call = result["messages"][1]["tool_calls"][0]
    assert call["function"] == CALL and result["messages"][0] == {"role": "user", "content": "q"}
    assert [turn["role"] for turn in result["messages"]][1:] in (["assistant", "tool", "assistant"], ["assistant"])
    assert registry.get("methods", "sft").validate(result) == []


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "<image>q"}, {"role": "assistant", "content": "a"}], "images": ["p/1.jpg"]},  # LLaMA-Factory mllm_demo
        {"instruction": "q", "input": "", "output": "a", "images": ["p/1.jpg"]},
        {"image": {"bytes": None, "path": "p/1.jpg"}, "question": "q", "answer": "a"},
        {"messages": [{"role": "user", "content": [{"type": "image", "path": "p/1.jpg"}, {"type": "text", "text": "q"}]}, {"role": "assistant", "content": [{"type": "text", "text": "a"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "q"}]}, {"role": "assistant", "content": "a"}], "images": ["p/1.jpg"]},
        {"images": ["p/1.jpg"], "texts": [{"user": "q", "assistant": "a", "source": "x"}]},  # the Cauldron
        {"image": "p/1.jpg", "conversations": [{"from": "human", "value": "<image>q"}, {"from": "gpt", "value": "a"}]},  # LLaVA
    ],
)
def test_pictures(row: dict[str, Any]) -> None:
    found, result = convert(row, ("conversation",))
    first, last = result["messages"]
    assert found == "vision" and last == {"role": "assistant", "content": "a"}
    image, text = first["content"]
    assert text == {"type": "text", "text": "q"} and image["type"] == "image"
    assert image["image"] in ("p/1.jpg", {"bytes": None, "path": "p/1.jpg"})


def test_several_pictures_stand_where_their_marks_stand() -> None:
    row = {"messages": [{"role": "user", "content": "<image> or <image>?"}, *TURNS[1:]], "images": ["1.png", "2.png"]}
    parts = convert(row)[1]["messages"][0]["content"]
    assert [part.get("image", part.get("text")) for part in parts] == ["1.png", " or ", "2.png", "?"]
    with pytest.raises(ValueError, match="holds 3 images, but the turns name 2"):
        convert({**row, "images": ["1.png", "2.png", "3.png"]})


# ---------------------------------------------------------------------------------------------------------- detection


def test_the_method_decides_between_two_readings() -> None:
    row = {"question": "q", "answer": "a"}
    assert [convert(row, (kind,))[0] for kind in ("conversation", "prompt", "pair")] == ["prompt_completion", "grpo", "pair"]


def test_columns_of_the_config_override_what_is_found() -> None:
    row = {"chosen": "x", "rejected": "y", "prompt": "q", "frage": "f", "antwort": "g"}
    assert convert(row)[0] == "preference"
    found, result = convert(row, (), {"prompt": "frage", "completion": "antwort"})
    assert found == "prompt_completion" and talk(result["messages"]) == [("user", "f"), ("assistant", "g")]
    with pytest.raises(GaslampError, match="no format has all of them"):
        convert(row, (), {"subject": "frage"})


def test_optional_columns_that_come_late_are_read() -> None:
    name, plugin, mapping = find_format([{"instruction": "q", "output": "a"}])
    assert plugin.convert({"instruction": "q", "input": "i", "output": "a"}, mapping)["messages"][0]["content"] == "q\n\ni"


def test_a_method_that_needs_other_columns_says_which() -> None:
    row = {"frage": "What is it?", "antwort": "A longer answer than the question", "note": "n"}
    with pytest.raises(GaslampError) as caught:
        find_format([row], kinds=("conversation",))
    assert 'data.columns: {prompt: "frage", completion: "antwort"}' in caught.value.fix
    plain = {"question": "q", "answer": "a"}
    name, plugin, mapping = find_format([plain], kinds=("preference",))
    method = type("dpo", (), {"KINDS": ("preference",), "NEEDS": "a prompt with a better and a worse answer"})
    with pytest.raises(GaslampError) as caught:
        choose_kind(plugin.KIND, "dpo", method, [plain], name, mapping)  # type: ignore[arg-type]
    assert "found:  question, answer, read as" in caught.value.cause and "needed: a prompt with" in caught.value.cause
    assert caught.value.less_likely and "sft" in caught.value.less_likely
    assert "rejected" in suggest_mapping([plain], list(plain), "preference")


def test_tokenized_data_is_refused() -> None:
    with pytest.raises(GaslampError, match="already tokenized"):
        find_format([{"input_ids": [1], "labels": [1]}])


# ---------------------------------------------------------------------------------------------------------- nothing is lost

# any character that UTF-8 can hold, right-to-left and joined emoji among them; a turn is never blank
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(lambda text: bool(text.strip()) and "<image>" not in text)
HARD = st.sampled_from(["\u202e\u05e9\u05dc\u05d5\u05dd", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "[not a list", '{"role": 1', " a\r\n\tb ", "\x00\u2028\ufeff", "<|im_end|>"])
WORDS = st.one_of(TEXT, HARD)
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": WORDS})
TALK = st.lists(MESSAGE, min_size=1, max_size=6)

MADE: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "messages": st.one_of(
        st.fixed_dictionaries({"messages": TALK}, optional={"system": WORDS}),
        st.fixed_dictionaries({"conversations": st.lists(st.fixed_dictionaries({"from": st.sampled_from(["human", "gpt"]), "value": WORDS}), min_size=1)}),
    ),
    "alpaca": st.fixed_dictionaries(
        {"instruction": WORDS, "output": WORDS}, optional={"input": WORDS, "system": WORDS, "history": st.lists(st.tuples(WORDS, WORDS).map(list), max_size=3)}
    ),
    "prompt_completion": st.fixed_dictionaries({"question": WORDS, "answer": WORDS}, optional={"system": WORDS, "context": WORDS}),
    "text": st.fixed_dictionaries({"text": WORDS}),
    "preference": st.fixed_dictionaries({"prompt": WORDS, "chosen": WORDS, "rejected": WORDS}, optional={"system": WORDS}),
    "kto": st.fixed_dictionaries({"prompt": WORDS, "completion": WORDS, "label": st.booleans()}, optional={"system": WORDS}),
    "grpo": st.fixed_dictionaries({"prompt": WORDS}, optional={"ground_truth": WORDS, "system": WORDS}),
    "pair": st.fixed_dictionaries({"anchor": WORDS, "positive": WORDS}, optional={"negative": WORDS}),
    "tool_calls": st.fixed_dictionaries({"query": WORDS, "city": WORDS}).map(
        lambda row: {"query": row["query"], "tools": [TOOL], "answers": [{"name": "weather", "arguments": {"city": row["city"]}}]}
    ),
    "vision": st.fixed_dictionaries({"image": st.just("1.png"), "question": WORDS, "answer": WORDS}, optional={"system": WORDS}),
}


def get_strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [text for child in children for text in get_strings(child)]


def test_every_format_has_rows_made_for_it() -> None:
    assert set(MADE) == set(registry.names("formats"))


@pytest.mark.parametrize("name", registry.names("formats"))
def test_convert_keeps_all_text(name: str) -> None:
    """Whatever a person writes comes out byte for byte, and survives the JSON on the disk."""
    import orjson

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(MADE[name])
    def check(row: dict[str, Any]) -> None:
        plugin = registry.get("formats", name)
        mapping = plugin.detect(list(row), [row])
        assert mapping
        result = plugin.convert(row, mapping)
        assert rows.get_kind(result) == plugin.KIND
        out = get_strings(orjson.loads(orjson.dumps(result)))
        roles = {"human", "gpt", "user", "assistant", "system"}
        whole = "\x1f".join(out)
        missing = [text for text in get_strings(row) if text not in roles and text not in out and text not in whole]
        assert not missing

    check()


def test_calls_without_a_name_are_named() -> None:
    with pytest.raises(ValueError, match="column 'calls', turn 2: a tool call has no name"):
        read_calls([{"arguments": {}}], "calls", 2)
