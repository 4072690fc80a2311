"""Every format: the shapes of published sets load without a word of configuration, and no text is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data import rows
from gaslamp.data.calls import read_calls
from gaslamp.data.meaning import choose_kind, find_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Turns = list[tuple[str, str]]


def convert(
    row: dict[str, Any], kinds: tuple[str, ...] = (), columns: dict[str, str] | None = None
) -> tuple[str, rows.Row]:
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
    (
        "Axolotl reflection",
        "alpaca",
        {"instruction": "q", "input": "", "output": "a", "reflection": "r", "corrected": "c"},
        [U, A],
    ),
    (
        "Axolotl explainchoice",
        "choices",
        {"question": "q", "choices": ["x", "y"], "solution": "b", "explanation": "a text"},
        [("user", "q\n\nA. x\nB. y"), ("assistant", "B. y\n\na text")],
    ),
    ("Axolotl summarizetldr", "prompt_completion", {"article": "q", "summary": "a"}, [U, A]),
    ("Axolotl camel_ai", "prompt_completion", {"message_1": "q", "message_2": "a"}, [U, A]),
    (
        "Axolotl open_orca",
        "prompt_completion",
        {"id": "x", "system_prompt": "s", "question": "q", "response": "a"},
        [S, U, A],
    ),
    (
        "Axolotl context_qa",
        "prompt_completion",
        {"article": "c", "question": "q", "answer": "a"},
        [("user", "c\n\nq"), A],
    ),
    (
        "Axolotl context_qa.load_v2",
        "prompt_completion",
        {"context": "c", "question": "q", "answer": "a"},
        [("user", "c\n\nq"), A],
    ),
    ("Axolotl creative_acr.load_answer", "alpaca", {"instruction": "q", "revision": "a"}, [U, A]),
    ("Axolotl metharme", "prompt_completion", {"prompt": "q", "generation": "a"}, [U, A]),
    (
        "Axolotl pygmalion",
        "messages",
        {"conversations": [{"role": "user", "value": "q"}, {"role": "assistant", "value": "a"}]},
        [U, A],
    ),
    ("Axolotl chat_template", "messages", {"conversations": TURNS}, [U, A]),
    ("TRL prompt-completion of turns", "prompt_completion", {"prompt": TURNS[:1], "completion": TURNS[1:]}, [U, A]),
    ("turns as JSON in a table", "messages", {"messages": json.dumps(TURNS)}, [U, A]),
    ("DailyDialog", "messages", {"dialog": ["q", "a", "q", "a"], "act": [1, 2, 1, 2]}, [U, A, U, A]),
    ("GSM8K", "prompt_completion", {"question": "q", "answer": "a"}, [U, A]),
    ("Dolly", "alpaca", {"instruction": "q", "context": "", "response": "a", "category": "c"}, [U, A]),
    ("OpenR1", "prompt_completion", {"problem": "q", "solution": "a", "answer": "4", "messages": None}, [U, A]),
    ("WizardLM", "messages", {"idx": "1", "conversations": GPT}, [U, A]),
    (
        "LLaMA-Factory v1_sft_demo",
        "messages",
        {
            "messages": [
                {"role": turn["role"], "content": [{"type": "text", "value": turn["content"]}], "loss_weight": weight}
                for turn, weight in zip(TURNS, (0.0, 1.0), strict=True)
            ]
        },
        [U, A],
    ),
    (
        "LLaMA-Factory reason_tool_use",
        "messages",
        {
            "messages": [
                TURNS[0],
                {
                    "role": "assistant",
                    "content": [{"type": "reasoning", "value": "why"}, {"type": "text", "value": "a"}],
                },
            ],
            "tools": "[]",
        },
        [U, ("assistant", "<think>\nwhy\n</think>\n\na")],
    ),
    ("LLaMA-Factory firefly", "prompt_completion", {"kind": "k", "input": "q", "target": "a"}, [U, A]),
    ("LLaMA-Factory adgen", "prompt_completion", {"content": "q", "summary": "a"}, [U, A]),
    (
        "LLaMA-Factory cosmopedia",
        "prompt_completion",
        {"prompt": "q", "text_token_length": 3, "text": "a", "seed_data": "d", "format": "f"},
        [U, A],
    ),
    ("LLaMA-Factory lmsys_chat", "messages", {"conversation_id": "1", "model": "m", "conversation": TURNS}, [U, A]),
    ("LLaMA-Factory magpie", "alpaca", {"model": "m", "instruction": "q", "response": "a"}, [U, A]),
    (
        "Axolotl concisechoice",
        "choices",
        {"question": "q", "choices": ["x"], "solution": "a text"},
        [("user", "q\n\nA. x"), ("assistant", "a text")],
    ),
    ("Axolotl alpaca_chat", "alpaca", {"instruction": "q", "input": "i", "response": "a"}, [("user", "q\n\ni"), A]),
    ("Axolotl alpaca_chat.load_qa", "prompt_completion", {"question": "q", "answer": "a"}, [U, A]),
    (
        "Axolotl creative_acr.load_critique",
        "alpaca",
        {"scores": "s", "critiques": "c", "instruction": "q", "answer": "a"},
        [U, A],
    ),
    (
        "Axolotl creative_acr.load_revise",
        "alpaca",
        {"scores": "s", "critiques": "c", "instruction": "q", "answer": "b", "revision": "a"},
        [U, A],
    ),
    ("Axolotl custom prompt", "prompt_completion", {"input": "q", "output": "a"}, [U, A]),
    ("Axolotl llama3.argilla_chat without labels", "messages", {"completion": TURNS}, [U, A]),
    (
        "Axolotl llama3.argilla without labels",
        "alpaca",
        {"system": "s", "instruction": "q", "completion": "a"},
        [S, U, A],
    ),
    (
        "OpenAI, reasoning apart",
        "messages",
        {"messages": [TURNS[0], {**TURNS[1], "reasoning_content": "why"}]},
        [U, ("assistant", "<think>\nwhy\n</think>\n\na")],
    ),
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
        {
            "conversations": GPT[:1],
            "chosen": {"from": "gpt", "value": "good"},
            "rejected": {"from": "gpt", "value": "bad"},
        },
        [U],
    ),
    ("LLaMA-Factory's older ranked output", {"instruction": "q", "input": "", "output": ["good", "bad"]}, [U]),
    (
        "Axolotl chatml.argilla",
        {"system": "s", "instruction": "q", "chosen_response": "good", "rejected_response": "bad"},
        [S, U],
    ),
    ("Axolotl chatml.icr", {"system": "s", "input": "q", **ANSWERS}, [S, U]),
    ("Axolotl chatml.intel", {"system": "s", "question": "q", **ANSWERS}, [S, U]),
    ("Axolotl chatml.prompt_pairs", {"system": "", "prompt": "q", **ANSWERS}, [U]),
    (
        "Axolotl chatml.ultra",
        {
            "system": "s",
            "prompt": "q",
            "chosen": [TURNS[0], {"role": "assistant", "content": "good"}],
            "rejected": [TURNS[0], {"role": "assistant", "content": "bad"}],
        },
        [S, U],
    ),
    (
        "Axolotl argilla_chat",
        {
            "chosen": [TURNS[0], {"role": "assistant", "content": "good"}],
            "rejected": [TURNS[0], {"role": "assistant", "content": "bad"}],
        },
        [U],
    ),
    (
        "Axolotl zephyr.nectar",
        {
            "prompt": "q",
            "answers": [{"answer": "bad", "rank": 2}, {"answer": "good", "rank": 1}, {"answer": "worse", "rank": 1.5}],
        },
        [U],
    ),
    (
        "Axolotl chat_template.default",
        {
            "messages": TURNS[:1],
            "chosen": {"role": "assistant", "content": "good"},
            "rejected": {"role": "assistant", "content": "bad"},
        },
        [U],
    ),
    (
        "UltraFeedback, scores",
        {
            "instruction": "q",
            "completions": [{"response": "bad", "overall_score": 2}, {"response": "good", "overall_score": 8.5}],
        },
        [U],
    ),
    ("responses and scores", {"prompt": "q", "responses": ["bad", "good"], "scores": [0.1, 0.9]}, [U]),
    ("HH-RLHF", {"chosen": "\n\nHuman: q\n\nAssistant: good", "rejected": "\n\nHuman: q\n\nAssistant: bad"}, [U]),
    (
        "LLaMA-Factory v1_dpo_demo",
        {
            f"{side}_messages": [
                {**TURNS[0], "loss_weight": 0.0},
                {"role": "assistant", "content": [{"type": "text", "value": text}], "loss_weight": 1.0},
            ]
            for side, text in ANSWERS.items()
        },
        [U],
    ),
    (
        "TRL, turns",
        {
            "prompt": TURNS[:1],
            "chosen": [{"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": "bad"}],
        },
        [U],
    ),
]


@pytest.mark.parametrize(("row", "prompt"), [case[1:] for case in PREFERENCES], ids=[case[0] for case in PREFERENCES])
def test_published_preferences(row: dict[str, Any], prompt: Turns) -> None:
    found, result = convert(row, ("preference",))
    assert found == "preference" and talk(result["prompt"]) == prompt
    assert (talk(result["chosen"]), talk(result["rejected"])) == ([("assistant", "good")], [("assistant", "bad")])
    assert convert(row, ("conversation",))[0] == "preference", (
        "whatever the method, both answers are never learnt as one"
    )


RATINGS: list[tuple[str, dict[str, Any], bool]] = [
    ("LLaMA-Factory alpaca kto", {"instruction": "q", "input": "", "output": "a", "kto_tag": True}, True),
    ("LLaMA-Factory sharegpt kto", {"messages": TURNS, "label": False}, False),
    ("Axolotl kto", {"system": "", "prompt": "q", "completion": "a", "label": "false"}, False),
    ("TRL, turns", {"prompt": TURNS[:1], "completion": TURNS[1:], "label": True}, True),
    ("Axolotl chatml.argilla", {"system": "", "instruction": "q", "completion": "a", "label": True}, True),
    ("Axolotl chatml.argilla_chat", {"chosen": TURNS[:1], "completion": TURNS[1:], "label": False}, False),
    ("Axolotl llama3.argilla_chat", {"completion": TURNS, "label": True}, True),
    ("Axolotl chatml.intel", {"question": "q", "completion": "a", "label": True}, True),
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
    assert convert(row, ("conversation",))[0] == "prompt_completion", (
        "a score is no verdict for a method that learns answers"
    )


ROWS: dict[str, list[dict[str, Any]]] = {
    "conversation": [{"messages": TURNS}],
    "preference": [{"prompt": "q", **ANSWERS}],
    "rating": [{"prompt": "q", "completion": "a", "label": True}, {"prompt": "r", "completion": "b", "label": False}],
    "prompt": [{"prompt": "q"}],
    "pair": [{"anchor": "q", "positive": "a"}],
    "text": [{"text": "words"}],
    "speech": [{"audio": "1.wav", "text": "words"}],
}
PROMPTS: list[tuple[str, dict[str, Any], Any]] = [
    ("a prompt alone", {"prompt": "q"}, None),
    ("GSM8K", {"question": "q", "answer": "#### 4"}, "#### 4"),
    ("DeepScaleR", {"problem": "q", "solution": "long", "answer": "4"}, "4"),
    (
        "verl",
        {
            "data_source": "d",
            "prompt": TURNS[:1],
            "reward_model": {"style": "rule", "ground_truth": "4"},
            "extra_info": {"index": 0},
        },
        "4",
    ),
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
    assert convert({"text": "words", "url": "u", "timestamp": "t"}, ("text",)) == (
        "text",
        {"text": "words"},
    )  # LLaMA-Factory's c4_demo
    for column in ("content", "raw_content", "completion"):  # refinedweb, redpajama_v2, wikipedia_zh
        assert convert({column: "words", "source": "s"}, ("text",)) == ("text", {"text": "words"})


# -------------------- what is learnt

THREE = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a b"}]
MARKED: list[tuple[str, dict[str, Any], Any, Any]] = [  # what the user turn and what the assistant turn says afterwards
    ("no mark", {}, None, None),
    ("OpenAI's weight", {"weight": 0}, None, False),
    ("OpenAI's weight 1", {"weight": 1}, None, None),
    ("LLaMA-Factory's loss_weight", {"loss_weight": 0.0}, None, False),
    ("Axolotl's train", {"train": False}, None, False),
    ("Axolotl's training", {"training": True}, None, None),
    (
        "Axolotl's train_detail",
        {
            "train_detail": [
                {"begin_offset": 0, "end_offset": 0, "train": False},
                {"begin_offset": 1, "end_offset": 2, "train": True},
            ]
        },
        None,
        [[1, 3]],
    ),
    ("train_detail of all", {"train_detail": [{"begin_offset": 0, "end_offset": 2, "train": True}]}, None, None),
    ("train_detail of nothing", {"train_detail": [{"begin_offset": 0, "end_offset": 2, "train": False}]}, None, False),
    (
        "Axolotl's parts",
        {"value": [{"type": "text", "text": "a", "train": False}, {"type": "text", "text": " b", "train": True}]},
        None,
        [[1, 3]],
    ),
    (
        "parts with weights",
        {"value": [{"type": "text", "content": "a", "weight": 1}, {"type": "text", "value": " b", "weight": 0}]},
        None,
        [[0, 1]],
    ),
    (
        "a part that says nothing goes with its turn",
        {"train": False, "value": [{"type": "text", "text": "a"}, {"type": "text", "text": " b", "train": True}]},
        None,
        [[1, 3]],
    ),
]


@pytest.mark.parametrize(("more", "user", "assistant"), [case[1:] for case in MARKED], ids=[case[0] for case in MARKED])
def test_marks_of_what_is_trained_are_kept(more: dict[str, Any], user: Any, assistant: Any) -> None:
    for marks in ({}, {"train": False}, {"weight": 0}):
        messages = convert({"conversations": [{**THREE[0], **marks}, {**THREE[1], **more}]})[1]["messages"]
        assert [(turn["content"], turn.get("train")) for turn in messages] == [("q", user), ("a b", assistant)]
        assert not {key for turn in messages for key in turn} - {"role", "content", "train"}


def test_the_masked_conversation_of_axolotls_page() -> None:
    """Flags of every turn, a question that is learnt, and letters of an answer: loads as it is,
    and the method takes it.
    """
    turns = [
        ("system", "s s", {"train": False}),
        ("human", "Hello", {"train": False}),
        ("assistant", "Hello", {"train": True}),
        ("human", "How?", {"train": True}),
    ]
    detail = [
        {"begin_offset": 0, "end_offset": 3, "train": False},
        {"begin_offset": 4, "end_offset": 8, "train": True},
        {"begin_offset": 9, "end_offset": 12, "train": False},
    ]
    turns += [
        ("assistant", "I'm very well", {"train_detail": detail}),
        ("human", "I too", {"train": True}),
        ("assistant", "Hi!", {"train": True}),
    ]
    found, result = convert(
        {"conversations": [{"from": role, "value": text, **more} for role, text, more in turns]}, ("conversation",)
    )
    assert found == "messages" and registry.get("methods", "sft").validate(result) == []
    assert [turn.get("train") for turn in result["messages"]] == [None, None, None, True, [[4, 9]], True, None]


def test_a_question_can_be_marked_as_trained() -> None:
    messages = convert({"conversations": [{**THREE[0], "train": True}, THREE[1]]})[1]["messages"]
    assert messages[0] == {"role": "user", "content": "q", "train": True} and "train" not in messages[1]


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        ({"weight": 0.5}, r"turn 2: weight is 0.5, but it can only be learnt or not"),
        ({"train": "yes"}, r"turn 2: train is yes, but it can only be"),
        ({"train": True, "weight": 0}, r"turn 2: train and weight contradict each other"),
        ({"train_detail": [{"begin": 0}]}, r"turn 2: train_detail is no list of"),
        ({"value": [{"type": "text", "text": "a", "weight": 2}]}, r"turn 2: weight is 2"),
    ],
)
def test_marks_that_mean_nothing_are_refused(turn: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert({"conversations": [THREE[0], {**THREE[1], **turn}]})


def test_marks_where_only_the_answer_counts() -> None:
    """Before a judged answer they mean nothing; inside one they are obeyed; its last turn cannot be left out;
    vision_sft does not honour them.
    """
    row = {"messages": [*THREE[:1], {**THREE[1], "weight": 0}, {"from": "human", "value": "r"}], **ANSWERS}
    assert not any("train" in turn for turn in convert(row)[1]["prompt"])
    with pytest.raises(ValueError, match="column 'chosen': the answer is marked as not learnt"):
        convert({**row, "chosen": {"role": "assistant", "content": "good", "weight": 0}})
    several = [
        {"role": "assistant", "content": "draft", "weight": 0},
        {"role": "user", "content": "again", "weight": 0},
        {"role": "assistant", "content": "good", "weight": 1},
    ]
    assert [turn.get("train") for turn in convert({**row, "chosen": several})[1]["chosen"]] == [False, None, None]
    with pytest.raises(ValueError, match="turn 2 is marked .*vision_sft learns the last answer"):
        convert({"messages": [TURNS[0], {**TURNS[1], "weight": 0}], "images": ["1.png"]})


def test_segments_of_axolotl() -> None:
    row = {
        "segments": [
            {"label": True, "text": "<s>Hello\n"},
            {"label": True, "text": "hi! "},
            {"label": False, "text": "goodbye "},
            {"label": True, "text": "farewell</s>"},
        ]
    }
    assert convert(row, ("text",)) == (
        "segments",
        {"text": "<s>Hello\nhi! goodbye farewell</s>", "train": [[0, 9], [9, 13], [21, 33]]},
    )
    with pytest.raises(ValueError, match="segment 1 is no object of text and label"):
        registry.get("formats", "segments").convert({"segments": [{"text": "x"}]}, {"segments": "segments"})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"messages": TURNS, "audios": ["1.mp3"]}, r"have sounds \(column 'audios'\)"),  # LLaMA-Factory mllm_audio_demo
        ({"messages": TURNS, "videos": ["1.mp4"], "audios": []}, r"have films \(column 'videos'\)"),  # mllm_video_demo
        (
            {"prompt": "q", "completions": ["a", "b"], "labels": [True, False]},
            r"a verdict on each step \(columns 'completions' and 'labels'\)",
        ),  # Axolotl stepwise_supervised
        ({"input_ids": [1], "attention_mask": [1], "labels": [1]}, r"already tokenized"),  # Axolotl tokenized
        (
            {"conversations": GPT[:1], **ANSWERS, "images": ["1.jpg"]},
            r"have pictures \(column 'images'\), which the format preference would leave out",
        ),  # LLaMA-Factory rlhf_v
    ],
)
def test_what_no_method_learns_is_refused_by_name(row: dict[str, Any], message: str) -> None:
    with pytest.raises(GaslampError, match=message) as caught:
        find_format([row])
    assert caught.value.fix


CALL = {"name": "weather", "arguments": {"city": "Oslo", "days": [1, 2]}}
TOOL = {"name": "weather", "description": "d", "parameters": {"type": "object"}}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "messages",  # LLaMA-Factory glaive_toolcall
            {
                "conversations": [
                    {"from": "human", "value": "q"},
                    {"from": "function_call", "value": json.dumps(CALL)},
                    {"from": "observation", "value": "rain"},
                    {"from": "gpt", "value": "a"},
                ],
                "tools": json.dumps([TOOL]),
            },
        ),
        (
            "messages",  # OpenAI
            {
                "messages": [
                    {"role": "user", "content": "q"},
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [
                            {
                                "id": "1",
                                "type": "function",
                                "function": {"name": "weather", "arguments": json.dumps(CALL["arguments"])},
                            }
                        ],
                    },
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
        {
            "messages": [{"role": "user", "content": "<image>q"}, {"role": "assistant", "content": "a"}],
            "images": ["p/1.jpg"],
        },  # LLaMA-Factory mllm_demo
        {"instruction": "q", "input": "", "output": "a", "images": ["p/1.jpg"]},
        {"image": {"bytes": None, "path": "p/1.jpg"}, "question": "q", "answer": "a"},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image", "path": "p/1.jpg"}, {"type": "text", "text": "q"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "q"}]},
                {"role": "assistant", "content": "a"},
            ],
            "images": ["p/1.jpg"],
        },
        {"images": ["p/1.jpg"], "texts": [{"user": "q", "assistant": "a", "source": "x"}]},  # the Cauldron
        {
            "image": "p/1.jpg",
            "conversations": [{"from": "human", "value": "<image>q"}, {"from": "gpt", "value": "a"}],
        },  # LLaVA
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
    assert [convert(row, (kind,))[0] for kind in ("conversation", "prompt", "pair")] == [
        "prompt_completion",
        "grpo",
        "pair",
    ]


def test_columns_of_the_config_override_what_is_found() -> None:
    row = {"chosen": "x", "rejected": "y", "prompt": "q", "frage": "f", "antwort": "g"}
    assert convert(row)[0] == "preference"
    found, result = convert(row, (), {"prompt": "frage", "completion": "antwort"})
    assert found == "prompt_completion" and talk(result["messages"]) == [("user", "f"), ("assistant", "g")]
    with pytest.raises(GaslampError, match="no format has all of them"):
        convert(row, (), {"subject": "frage"})


def test_optional_columns_that_come_late_are_read() -> None:
    name, plugin, mapping = find_format([{"instruction": "q", "output": "a"}])
    assert (
        plugin.convert({"instruction": "q", "input": "i", "output": "a"}, mapping)["messages"][0]["content"] == "q\n\ni"
    )


def test_a_method_that_needs_other_columns_says_which() -> None:
    plain = {"question": "q", "answer": "a"}
    name, plugin, mapping = find_format([plain], kinds=("preference",))
    method = type("dpo", (), {"KINDS": ("preference",), "NEEDS": "a prompt with a better and a worse answer"})
    with pytest.raises(GaslampError) as caught:
        choose_kind(plugin.KIND, "dpo", method, [plain], name, mapping)  # type: ignore[arg-type]
    assert "found:  question, answer, read as" in caught.value.cause and "needed: a prompt with" in caught.value.cause
    assert "suit the method" in caught.value.fix and "sft" in caught.value.fix
    assert caught.value.less_likely and "rejected: the worse answer" in caught.value.less_likely


def test_rows_of_every_kind_meet_every_method() -> None:
    assert set(ROWS) == set(rows.KINDS)


@pytest.mark.parametrize("method", registry.names("methods"))
@pytest.mark.parametrize("kind", ROWS)
def test_a_method_and_a_kind_that_do_not_fit(method: str, kind: str) -> None:
    """Whatever meets, either it works row by row or one error says what was found, what is needed, and what to do."""
    rows_of_kind, plugin = ROWS[kind], registry.get("methods", method)
    try:
        name, found, mapping = find_format(rows_of_kind, "auto", {}, plugin.KINDS)
        target = choose_kind(found.KIND, method, plugin, rows_of_kind, name, mapping)
    except GaslampError as error:
        assert (
            "found:" in error.cause
            and "needed:" in error.cause
            and "data.columns" in f"{error.fix} {error.less_likely}"
        ), str(error)
        assert kind not in plugin.KINDS
        return
    for row in rows_of_kind:
        made = rows.adapt_all(found.convert(row, mapping), target)
        assert made and {rows.get_kind(one) for one in made} <= set(plugin.KINDS)


def test_bad_answers_are_not_trained_as_good_ones() -> None:
    sft = registry.get("methods", "sft")
    cases = [
        ({"label": True}, {"label": False}, 'WHERE "label"'),
        ({"stars": 5}, {"stars": 1}, 'WHERE "stars" >= 4'),
        ({"vote": "up"}, {"vote": "down"}, "WHERE \"vote\" = 'up'"),
    ]
    for good, bad, where in cases:
        rated = [{"prompt": "q", "completion": "a", **label} for label in (good, bad)]
        name, plugin, mapping = find_format(rated, "kto", {}, sft.KINDS)
        with pytest.raises(GaslampError, match="would learn bad answers as good ones: 1 of the first 2 rows") as caught:
            choose_kind(plugin.KIND, "sft", sft, rated, name, mapping)
        assert where in caught.value.fix and "method: kto" in caught.value.fix
        assert 'data.columns: {prompt: "prompt", completion: "completion"}' in str(caught.value.less_likely)
        assert (
            find_format(rated, "auto", {"prompt": "prompt", "completion": "completion"}, sft.KINDS)[0]
            == "prompt_completion"
        ), "which works"
        assert choose_kind(plugin.KIND, "sft", sft, rated[:1], name, mapping) == "conversation", (
            "good ones alone can be learnt"
        )


# -------------------- nothing is lost

# any character that UTF-8 can hold, right-to-left and joined emoji among them; a turn is never blank
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(
    lambda text: bool(text.strip()) and "<image>" not in text
)
HARD = st.sampled_from(
    [
        "\u202e\u05e9\u05dc\u05d5\u05dd",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",
        "[not a list",
        '{"role": 1',
        " a\r\n\tb ",
        "\x00\u2028\ufeff",
        "<|im_end|>",
    ]
)
WORDS = st.one_of(TEXT, HARD)
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": WORDS})
TALK = st.lists(MESSAGE, min_size=1, max_size=6)

MADE: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "messages": st.one_of(
        st.fixed_dictionaries({"messages": TALK}, optional={"system": WORDS}),
        st.fixed_dictionaries(
            {
                "conversations": st.lists(
                    st.fixed_dictionaries({"from": st.sampled_from(["human", "gpt"]), "value": WORDS}), min_size=1
                )
            }
        ),
    ),
    "alpaca": st.fixed_dictionaries(
        {"instruction": WORDS, "output": WORDS},
        optional={"input": WORDS, "system": WORDS, "history": st.lists(st.tuples(WORDS, WORDS).map(list), max_size=3)},
    ),
    "prompt_completion": st.fixed_dictionaries(
        {"question": WORDS, "answer": WORDS}, optional={"system": WORDS, "context": WORDS}
    ),
    "api_log": st.fixed_dictionaries({"question": WORDS, "answer": WORDS}).map(
        lambda row: {
            "messages": [{"role": "user", "content": row["question"]}],
            "response": {"role": "assistant", "content": row["answer"]},
        }
    ),
    "text": st.fixed_dictionaries({"text": WORDS}),
    "segments": st.fixed_dictionaries(
        {"segments": st.lists(st.fixed_dictionaries({"text": WORDS, "label": st.booleans()}), min_size=1, max_size=4)}
    ),
    "preference": st.fixed_dictionaries(
        {"prompt": WORDS, "chosen": WORDS, "rejected": WORDS}, optional={"system": WORDS}
    ),
    "kto": st.fixed_dictionaries(
        {"prompt": WORDS, "completion": WORDS, "label": st.booleans()}, optional={"system": WORDS}
    ),
    "grpo": st.fixed_dictionaries({"prompt": WORDS}, optional={"ground_truth": WORDS, "system": WORDS}),
    "choices": st.fixed_dictionaries({"question": WORDS, "choices": st.lists(WORDS, min_size=2, max_size=4)}).map(
        lambda row: {**row, "answer": 1}
    ),
    "compared": st.fixed_dictionaries({"prompt": WORDS, "response_a": WORDS, "response_b": WORDS}).map(
        lambda row: {**row, "winner": 1}
    ),
    "transcript": st.fixed_dictionaries({"question": WORDS, "answer": WORDS}).map(
        lambda row: {**row, "transcript": f"\n\nHuman: {row['question']}\n\nAssistant: {row['answer']}"}
    ),
    "translation": st.fixed_dictionaries({"en": WORDS, "de": WORDS}).map(lambda row: {"translation": row}),
    "pair": st.fixed_dictionaries({"anchor": WORDS, "positive": WORDS}, optional={"negative": WORDS}),
    "tool_calls": st.fixed_dictionaries({"query": WORDS, "city": WORDS}).map(
        lambda row: {
            "query": row["query"],
            "tools": [TOOL],
            "answers": [{"name": "weather", "arguments": {"city": row["city"]}}],
        }
    ),
    "label_studio": st.fixed_dictionaries({"text": WORDS, "label": WORDS}).map(
        lambda row: {
            "data": {"text": row["text"]},
            "annotations": [
                {"result": [{"type": "choices", "from_name": "topic", "value": {"choices": [row["label"]]}}]}
            ],
        }
    ),
    "speech": st.fixed_dictionaries({"audio": st.just("1.wav"), "text": WORDS}, optional={"speaker": WORDS}),
    "vision": st.fixed_dictionaries(
        {"image": st.just("1.png"), "question": WORDS, "answer": WORDS}, optional={"system": WORDS}
    ),
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
        roles = {"human", "gpt", "user", "assistant", "system", "choices", "topic"}  # words of the form
        whole = "\x1f".join(out)
        given = {column: value for column, value in row.items() if column != "transcript"}  # is cut into turns
        missing = [text for text in get_strings(given) if text not in roles and text not in out and text not in whole]
        assert not missing

    check()


def test_calls_without_a_name_are_named() -> None:
    with pytest.raises(ValueError, match="column 'calls', turn 2: a tool call has no name"):
        read_calls([{"arguments": {}}], "calls", 2)


ODD: list[tuple[str, dict[str, Any], Turns]] = [
    ("an object is learnt as JSON",
     {"messages": [TURNS[0], {"role": "assistant", "content": {"type": "p", "text": "a"}}]},
     [U, ("assistant", '{"type":"p","text":"a"}')]),
    ("parts that are texts", {"messages": [{"role": "user", "content": ["a", "b"]}, TURNS[1]]}, [("user", "ab"), A]),
    ("keys in capitals", {"messages": [{"Role": "User", "Content": "q"}, {"Role": "BOT", "Content": "a"}]}, [U, A]),
    ("a flag for the role", {"chat": [{"is_user": True, "mes": "q"}, {"is_user": False, "mes": "a"}]}, [U, A]),
    ("author and text", {"dialog": [{"author": "user", "text": "q"}, {"author": "bot", "text": "a"}]}, [U, A]),
    ("pairs of role and text", {"dialog": [["user", "q"], ["assistant", "a"]]}, [U, A]),
    ("turns and the answer apart", {"messages": TURNS[:1], "response": "a"}, [U, A]),
    ("turns inside an object", {"data": {"messages": TURNS}}, [U, A]),
    ("one round as an object", {"conversation": {"system": "s", "human": "q", "gpt": "a"}}, [S, U, A]),
    ("system in parts", {"system": [{"type": "text", "text": "s"}], "messages": TURNS}, [S, U, A]),
    ("an empty refusal", {"messages": [TURNS[0], {**TURNS[1], "refusal": ""}]}, [U, A]),
    ("Bedrock's reasoning",
     {"messages": [TURNS[0], {"role": "assistant", "content": [
         {"reasoningContent": {"reasoningText": {"text": "w", "signature": "x"}}}, {"text": "a"}]}]},
     [U, ("assistant", "<think>\nw\n</think>\n\na")]),
    ("a thought that is marked",
     {"messages": [TURNS[0], {"role": "thought", "content": "w"}, {**TURNS[1], "weight": 1}]},
     [U, ("assistant", "<think>\nw\n</think>\n\na")]),
]  # fmt: skip


@pytest.mark.parametrize(("row", "turns"), [case[1:] for case in ODD], ids=[case[0] for case in ODD])
def test_turns_that_stand_in_other_shapes(row: dict[str, Any], turns: Turns) -> None:
    assert talk(convert(row, ("conversation",))[1]["messages"]) == turns


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"type": "redacted_thinking", "data": "x"}], "turn 2: its reasoning is encrypted"),
        ([{"inlineData": {"mimeType": "application/pdf", "data": "x"}}], "turn 2: a file of type application/pdf"),
        ([{"document": {"name": "x"}}], "turn 2: a part of type 'document' cannot be learnt from"),
        ([{"type": "input_audio", "input_audio": {}}], "turn 2: a part of type 'input_audio' cannot be learnt from"),
        ([{"type": "tool_result", "content": [{"type": "image"}]}], "turn 2: a tool returned a part of type 'image'"),
    ],
)
def test_parts_that_cannot_be_learnt_are_named(content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert({"messages": [TURNS[0], {"role": "assistant", "content": content}]})


def test_keys_for_the_same_role_in_one_round_are_an_error() -> None:
    with pytest.raises(ValueError, match="turn 1 has two keys for one speaker: input, prompt, output"):
        convert({"conversation": [{"input": "q", "prompt": "r", "output": "a"}]})
