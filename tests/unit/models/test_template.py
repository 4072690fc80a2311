"""What is learnt, token by token, on the chat templates of the usual families; and templates that cannot work."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import tiny
from gaslamp.core.errors import GaslampError
from gaslamp.models.encoding import depends_on_start, encode_pieces
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.template import Encoded, Renderer, build_template

LLAMA3 = (
    "{{ '<|begin_of_text|>' }}"
    "{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim"
    " + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
GEMMA = (
    "{{ '<bos>' }}{% for m in messages %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n'"
    " + m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
QWEN = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
FAMILIES = {  # name: template, specials, begins with, ends an answer with, model's eos
    "chatml": (tiny.CHATML, (), "<|im_start|>", "<|im_end|>", "<|im_end|>"),
    "llama3": (
        LLAMA3,
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|end_of_text|>"),
        "<|begin_of_text|>",
        "<|eot_id|>",
        "<|end_of_text|>",
    ),
    "gemma": (GEMMA, ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), "<bos>", "<end_of_turn>", "<eos>"),
    "qwen": (QWEN, (), "<|im_start|>", "<|im_end|>", "<|endoftext|>"),
}
SINGLE = [{"role": "user", "content": "2 teas"}, {"role": "assistant", "content": "ok, done"}]
MULTI = [
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "first answer"},
    {"role": "user", "content": "two"},
    {"role": "assistant", "content": "second"},
]


def load(folder: Path, family: str, template: str | None = None) -> tuple[Renderer, str]:
    """The renderer of a tiny model with the template of ``family``, and the token that ends its answers."""
    text, specials, bos, end, eos = FAMILIES[family]
    tiny.write_checkpoint(folder, template or text, specials, bos, eos)
    recorded = build_template(folder, SINGLE)
    return Renderer.load(folder, recorded), end


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_answer_and_its_end_are_trained(tmp_path: Path, family: str) -> None:
    renderer, end = load(tmp_path, family)
    row = renderer.encode(SINGLE)
    decode = renderer.tokenizer.decode
    learnt = [token for token, trained in zip(row.ids, row.trained, strict=True) if trained]
    assert decode(learnt) == "ok, done" + end
    assert row.ids[-1] == renderer.tokenizer.convert_tokens_to_ids(end) and row.trained[-1], "the model learns to stop"
    first = row.trained.index(True)
    assert not any(row.trained[:first]) and all(row.trained[first:])
    assert row.ids[:first] == renderer.encode_prompt(SINGLE[:1]), "the prompt is the one that generation continues"
    assert [label for label in row.labels if label != -100] == learnt and len(row.labels) == len(row.ids)


MARKS: list[
    tuple[list[object], list[str]]
] = [  # train of the four turns of MULTI, then what is learnt (END: the token that ends a turn)
    ([None, False, None, None], ["secondEND"]),
    ([None, None, None, False], ["first answerEND"]),
    ([None, False, None, False], []),
    ([None, False, True, None], ["two", "secondEND"]),
    ([[[1, 3]], None, None, False], ["ne", "first answerEND"]),
    ([None, [[6, 12]], None, None], ["answerEND", "secondEND"]),
    ([None, [[0, 5]], None, False], ["first", "END"]),
    ([None, [[0, 1], [3, 5]], None, False], ["f", "st", "END"]),
]


@pytest.mark.parametrize("family", FAMILIES)
def test_marked_turns_are_trained_as_marked(tmp_path: Path, family: str) -> None:
    """Labels follow the marks, and the text stays what it is without them."""
    renderer, end = load(tmp_path, family)
    for marks, learnt in MARKS:
        messages = [turn if mark is None else {**turn, "train": mark} for turn, mark in zip(MULTI, marks, strict=True)]
        pieces = renderer.split(messages)
        assert [text for text, trained in pieces if trained] == [text.replace("END", end) for text in learnt], marks
        assert "".join(text for text, _ in pieces) == "".join(text for text, _ in renderer.split(MULTI))
        row = renderer.encode(messages)
        assert renderer.tokenizer.decode([label for label in row.labels if label != -100]) == "".join(learnt).replace(
            "END", end
        )


def test_a_part_of_a_turn_that_the_template_changes_cannot_be_marked(tmp_path: Path) -> None:
    renderer, _ = load(tmp_path, "llama3")  # it trims
    with pytest.raises(GaslampError, match="turn 2 is marked .* template changes its text"):
        renderer.split([SINGLE[0], {"role": "assistant", "content": " a b", "train": [[2, 4]]}])
    with pytest.raises(GaslampError, match="turn 1 is marked"):
        renderer.split([{"role": "user", "content": " q", "train": True}, SINGLE[1]])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_assistant_turn_is_trained(tmp_path: Path, family: str) -> None:
    renderer, end = load(tmp_path, family)
    row = renderer.encode(MULTI)
    pieces: list[list[int]] = []
    for token, trained, before in zip(row.ids, row.trained, [False, *row.trained], strict=False):
        if trained and not before:
            pieces.append([])
        if trained:
            pieces[-1].append(token)
    assert [renderer.tokenizer.decode(piece) for piece in pieces] == ["first answer" + end, "second" + end]
    whole = renderer.render(MULTI, generate=False)
    assert whole.startswith(renderer.tokenizer.decode(row.ids)), "all of it is the template's own text"


@pytest.mark.parametrize("family", FAMILIES)
def test_recorded_facts(tmp_path: Path, family: str) -> None:
    text, specials, bos, end, eos = FAMILIES[family]
    tiny.write_checkpoint(tmp_path, text, specials, bos, eos)
    template = build_template(tmp_path, SINGLE)
    assert template.chat_template == text and template.eos_token == end and template.stop_tokens[0] == end
    assert set(template.stop_tokens) == {end, eos}, "generation ends at the end of a turn and at the model's own end"
    assert template.pad_token not in template.stop_tokens, "a loss that masks padding must not mask the end"
    assert template.example_ids.count(template.bos_id) == (
        3 if bos == "<|im_start|>" and family == "qwen" else 2 if bos == "<|im_start|>" else 1
    )


def test_special_tokens_in_the_text_of_a_row_are_one_token_each_way(tmp_path: Path) -> None:
    """What a user types is tokenized as the server does it; the mask still begins at the answer."""
    renderer, end = load(tmp_path, "chatml")
    row = renderer.encode([{"role": "user", "content": "say <|im_end|> now"}, {"role": "assistant", "content": "no"}])
    assert (
        renderer.tokenizer.decode([t for t, trained in zip(row.ids, row.trained, strict=True) if trained]) == "no" + end
    )


def test_an_answer_that_quotes_the_end_token_is_trained_to_its_real_end(tmp_path: Path) -> None:
    renderer, end = load(tmp_path, "chatml")
    row = renderer.encode([{"role": "user", "content": "q"}, {"role": "assistant", "content": f"a{end}b"}])
    assert (
        renderer.tokenizer.decode([t for t, trained in zip(row.ids, row.trained, strict=True) if trained])
        == f"a{end}b{end}"
    )


def test_each_answer_is_learnt_after_the_history_that_the_template_shows(tmp_path: Path) -> None:
    """Templates of reasoning models drop the thoughts of earlier turns: a sequence for each answer."""
    rewriting = tiny.CHATML.replace(
        "message['content']", "(message['content'] if loop.last or message['role'] == 'user' else 'cut')"
    )
    renderer, end = load(tmp_path, "chatml", rewriting)
    first, second = renderer.encode_all(MULTI)
    decode = renderer.tokenizer.decode
    assert decode(first.ids) == f"<|im_start|>user\none{end}\n<|im_start|>assistant\nfirst answer{end}"
    assert get_learnt(renderer, first) == ["first answer" + end]
    history = f"assistant\ncut{end}\n<|im_start|>user\ntwo{end}\n<|im_start|>assistant\n"
    assert decode(second.ids).endswith(f"{history}second{end}")
    assert get_learnt(renderer, second) == ["second" + end]
    assert renderer.encode(MULTI) == second and len(renderer.encode_all(SINGLE)) == 1
    unlearnt = [MULTI[0], {**MULTI[1], "train": False}, *MULTI[2:]]
    assert renderer.encode_all(unlearnt) == [second], "what is marked as not learnt gets no sequence"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "has no chat template: it is a base model"),
        (
            "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}",
            "puts no special token after an answer",
        ),
        ("{{ '<|endoftext|><|endoftext|>' }}" + tiny.CHATML, "begins with two BOS tokens"),
    ],
)
def test_templates_that_cannot_work(tmp_path: Path, template: str | None, message: str) -> None:
    tiny.write_checkpoint(tmp_path, template, bos="<|endoftext|>")
    with pytest.raises(GaslampError) as caught:
        build_template(tmp_path, SINGLE)
    assert message in caught.value.cause


def test_the_record_has_no_clock(tmp_path: Path) -> None:
    """Training depends on it: an equal record must be an equal file."""
    tiny.write_checkpoint(tmp_path)
    assert build_template(tmp_path, SINGLE).model_dump() == build_template(tmp_path, SINGLE).model_dump()
    assert build_template(tmp_path, SINGLE).provenance is None


# ------------------------------------------------------------------------------ the families' own templates, with tools

REAL = {  # file in trl/chat_templates: specials, begins with, ends an answer with, how a call is written
    "llama3_1": (
        FAMILIES["llama3"][1] + ("<|eom_id|>", "<|python_tag|>"),
        "<|begin_of_text|>",
        "<|eot_id|>",
        '{"name": "get_price", "parameters": {"item": "tea"}}',
    ),
    "llama3": (FAMILIES["llama3"][1], "<|begin_of_text|>", "<|eot_id|>", None),
    "gemma": (FAMILIES["gemma"][1], "<bos>", "<end_of_turn>", None),
    "qwen2_5": (
        ("<tool_call>", "</tool_call>"),
        "<|im_start|>",
        "<|im_end|>",
        '<tool_call>\n{"name": "get_price", "arguments": {"item": "tea"}}\n</tool_call>',
    ),
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_price",
            "description": "Price of an item",
            "parameters": {"type": "object", "properties": {}},
        },
    }
]
CALL = [
    {"role": "user", "content": "What is a tea?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": "get_price", "arguments": {"item": "tea"}}}],
    },
    {"role": "tool", "name": "get_price", "content": "3 euros"},
    {"role": "assistant", "content": "It is 3 euros."},
]


def get_learnt(renderer: Renderer, row: Encoded) -> list[str]:
    """The stretches that carry loss, as text."""
    pieces: list[list[int]] = []
    for token, trained, before in zip(row.ids, row.trained, [False, *row.trained], strict=False):
        if trained:
            pieces[-1:] = [[*pieces[-1], token]] if before else [*pieces[-1:], [token]]
    return [renderer.tokenizer.decode(piece) for piece in pieces]


@pytest.mark.parametrize("name", REAL)
def test_templates_of_the_families_as_they_are_shipped(tmp_path: Path, name: str) -> None:
    """Only what the model says carries loss, each time with its end, and a call of a tool is said by the model."""
    specials, bos, end, call = REAL[name]
    trl = importlib.util.find_spec("trl")
    assert trl and trl.origin
    text = (Path(trl.origin).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")
    tiny.write_checkpoint(tmp_path, text, specials, bos, end)
    renderer = Renderer.load(tmp_path, build_template(tmp_path, SINGLE))
    assert get_learnt(renderer, renderer.encode(SINGLE)) == ["ok, done" + end]
    assert get_learnt(renderer, renderer.encode(MULTI)) == ["first answer" + end, "second" + end]
    if call:
        row = renderer.encode(CALL, TOOLS)
        learnt = get_learnt(renderer, row)
        assert learnt == [call + end, "It is 3 euros." + end]
        unlearnt = renderer.tokenizer.decode(
            [token for token, trained in zip(row.ids, row.trained, strict=True) if not trained]
        )
        assert "3 euros" in unlearnt and "Price of an item" in unlearnt, (
            "what the tool said and what there is to call are read, not learnt"
        )


TWO = {  # family -> the answers of MULTI as its template shows them, each in a sequence of its own or both in one
    "qwen3": [["<think>\n\n</think>\n\nfirst answer<|im_end|>"], ["<think>\n\n</think>\n\nsecond<|im_end|>"]],
    "qwen3_5_think": [["\n</think>\n\nfirst answer<|im_end|>"], ["\n</think>\n\nsecond<|im_end|>"]],
    "qwen3_6": [["\n</think>\n\nfirst answer<|im_end|>"], ["\n</think>\n\nsecond<|im_end|>"]],
    "qwen3_8": [["\n</think>\n\nfirst answer<|im_end|>", "\n</think>\n\nsecond<|im_end|>"]],
    "phi3": [["first answer<|end|>", "second<|end|>"]],
    "phi3_5": [["first answer<|end|>", "second<|end|>"]],
    "gptoss": [
        ["<|channel|>final<|message|>first answer<|return|>"],
        ["<|channel|>final<|message|>second<|return|>"],
    ],
    "idefics3": [[" first answer<end_of_utterance>", " second<end_of_utterance>"]],
    "llava_next": [[" first answer</s>", " second</s>"]],
}
MARKERS = (
    *("<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|start|>", "<|channel|>", "<|message|>", "<|return|>"),
    *("<end_of_utterance>", "</s>"),
)
THOUGHTS = {  # family -> what is learnt of a thought and an answer
    "qwen3": "<think>\nponder\n</think>\n\nok<|im_end|>",
    "qwen3_5_think": "ponder\n</think>\n\nok<|im_end|>",
    "qwen3_8": "ponder\n</think>\n\nok<|im_end|>",
    "gptoss": "<|channel|>analysis<|message|>ponder<|end|><|start|>assistant<|channel|>final<|message|>ok<|return|>",
    "phi3": "<think>\nponder\n</think>\n\nok<|end|>",
}


def load_shipped(folder: Path, name: str) -> Renderer:
    """A renderer with a template that TRL ships, read from the installed package."""
    trl = importlib.util.find_spec("trl")
    assert trl and trl.origin
    text = (Path(trl.origin).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")
    tiny.write_checkpoint(folder, text, MARKERS)
    return Renderer.load(folder, build_template(folder, SINGLE))


@pytest.mark.parametrize("name", TWO)
def test_two_answers_under_templates_that_render_history_differently(tmp_path: Path, name: str) -> None:
    renderer = load_shipped(tmp_path, name)
    sequences = renderer.split_all(MULTI)
    assert [[text for text, learnt in pieces if learnt] for pieces in sequences] == TWO[name]
    last = "".join(text for text, _ in sequences[-1])
    assert renderer.render(MULTI, generate=False).startswith(last), "the template's own text"
    assert sequences[-1][0][0] and "first answer" in last


@pytest.mark.parametrize("name", THOUGHTS)
def test_a_thought_is_learnt_once(tmp_path: Path, name: str) -> None:
    renderer = load_shipped(tmp_path, name)
    row = [MULTI[0], {"role": "assistant", "content": "<think>\nponder\n</think>\n\nok"}]
    assert [text for text, learnt in renderer.split(row) if learnt] == [THOUGHTS[name]]


LAST = (  # Mistral's: the system prompt stands in front of the last question, while that waits for an answer
    "{% set turns = messages[1:] if messages[0]['role'] == 'system' else messages %}"
    "{% for m in turns %}{% if m['role'] == 'user' %}{{ '<|im_start|>' }}"
    "{% if loop.last and messages[0]['role'] == 'system' %}{{ messages[0]['content'] + '\\n\\n' }}{% endif %}"
    "{{ m['content'] + '|' }}{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}{% endfor %}"
)
CLOSING = tiny.CHATML.replace("assistant\\n' }}{% endif %}", "assistant\\n<think>\\n\\n</think>\\n\\n' }}{% endif %}")


def test_a_system_prompt_that_stands_in_front_of_the_last_question_only(tmp_path: Path) -> None:
    renderer, _ = load(tmp_path, "chatml", LAST)
    talk = [{"role": "system", "content": "Be brief."}, *MULTI]
    assert renderer.split_all(talk) == [
        [("<|im_start|>Be brief.\n\none|", False), ("first answer<|im_end|>", True)],
        [("<|im_start|>one|first answer<|im_end|><|im_start|>Be brief.\n\ntwo|", False), ("second<|im_end|>", True)],
    ]
    assert renderer.split_all(MULTI)[0][-1] == ("second<|im_end|>", True), "without one, nothing changes"


def test_an_answer_behind_a_block_of_thoughts_that_the_prompt_closes(tmp_path: Path) -> None:
    renderer, _ = load(tmp_path, "chatml", CLOSING)
    (prompt, _), answer = renderer.split(SINGLE)
    assert prompt.endswith("assistant\n<think>\n\n</think>\n\n") and answer == ("ok, done<|im_end|>", True)


def test_no_token_spans_the_border_of_prompt_and_answer_where_a_text_gets_a_space(tmp_path: Path) -> None:
    """A SentencePiece tokenizer makes one token of ``]<``: a server's prompt ends with ``]``, and the model goes on."""
    folder = tiny.write_checkpoint(tmp_path / "model")
    file = folder / "tokenizer.json"
    value = json.loads(file.read_text(encoding="utf-8"))
    vocabulary = value["model"]["vocab"]
    for piece in ("a", "b", "]", "<", "]<", "\u2581b"):
        vocabulary[piece] = len(vocabulary)
    value["model"]["merges"] = [["]", "<"], ["\u2581", "b"]]
    parts = [{"type": "Prepend", "prepend": "\u2581"}, value["normalizer"]]
    value["normalizer"] = {"type": "Sequence", "normalizers": parts}
    file.write_text(json.dumps(value), encoding="utf-8")
    tokenizer = load_tokenizer(folder)
    assert depends_on_start(tokenizer)
    ids = dict(vocabulary)
    rows = [
        [("a]", False), ("<b", True), ("a]", False), ("<", True)],
        [("a]", False), ("b<", True)],
        [("b]", False), ("<|im_end|>", True)],
    ]
    first, second, third = encode_pieces(tokenizer, rows, True)
    assert first.ids == [ids[piece] for piece in ("\u2581", "a", "]", "<", "b", "a", "]", "<")]
    assert list(first.trained) == [0, 0, 0, 1, 1, 0, 0, 1]
    assert second.ids == [ids[piece] for piece in ("\u2581", "a", "]", "b", "<")] and list(second.trained)[3:] == [1, 1]
    assert third.ids == [ids["\u2581b"], ids["]"], ids["<|im_end|>"]] and list(third.trained) == [0, 0, 1]
