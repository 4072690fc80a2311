"""Answers of the chat endpoint are compared as tokens: what the server moves out of the text is no difference."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
from gaslamp.export.parity.endpoint import check_endpoint
from gaslamp.export.parity.merged import Reference
from gaslamp.export.parity.prompts import Prompt
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.template import Renderer

THOUGHT = "<think>\nA short one.\n</think>\n\nok"
CALL = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    tokenizer = load_tokenizer(tiny.write_checkpoint(tmp_path_factory.mktemp("model") / "tiny"))
    return Renderer(tokenizer, tiny.CHATML, ["<|im_end|>"])


def check(renderer: Renderer, own: str, answer: dict[str, Any], gap: float = 5.0) -> dict[str, tuple[bool, str]]:
    """The checks of one answer, where the adapter itself answers ``own``; another first token is ``gap`` nats off."""
    messages: Any = [{"role": "user", "content": "2 teas"}]
    text = renderer.render(messages, generate=True)
    ids = renderer.tokenize(text)
    wanted = renderer.tokenize(own)
    ranked = [{token: 0.0, token + 1: gap} for token in wanted]
    made = {"finish_reason": "stop", "prompt_tokens": len(ids), "ids": [], "completion_tokens": 0, **answer}
    prompts, references = [Prompt("row", messages, text, ids, messages)], {"row": Reference(wanted, True, ranked)}
    found = check_endpoint("f16", prompts, [made], references, renderer)  # type: ignore[list-item]
    return {each.name: (each.passed, each.detail) for each in found}


def get_raw(renderer: Renderer, text: str) -> list[int]:
    return renderer.tokenize(text + "<|im_end|>")


def test_thoughts_that_the_server_moves_are_no_difference(renderer: Renderer) -> None:
    raw = get_raw(renderer, THOUGHT)
    answer = {"text": "ok", "thoughts": "A short one.", "raw": raw, "completion_tokens": len(raw)}
    passed, detail = check(renderer, THOUGHT, answer)["endpoint answers"]
    assert passed and "1 of 1 greedy answers are the adapter's" in detail
    assert "moved thoughts of 1 answers into reasoning_content (12 characters)" in detail


def test_an_empty_block_of_thoughts_that_the_server_drops_is_no_difference(renderer: Renderer) -> None:
    raw = get_raw(renderer, "<think>\n\n</think>\n\nok")
    answer = {"text": "ok", "thoughts": "", "raw": raw, "completion_tokens": len(raw)}
    passed, detail = check(renderer, "<think>\n\n</think>\n\nok", answer)["endpoint answers"]
    assert passed and "1 of 1 greedy answers are the adapter's" in detail


def test_calls_that_the_server_moves_are_no_difference(renderer: Renderer) -> None:
    raw = get_raw(renderer, CALL)
    answer = {"text": "", "calls": 1, "raw": raw, "completion_tokens": len(raw), "finish_reason": "tool_calls"}
    found = check(renderer, CALL, answer)
    assert found["endpoint answers"][0] and "1 calls into tool_calls" in found["endpoint answers"][1]
    assert found["stop reason"][0], "a call ends the answer"


def test_other_tokens_are_a_difference_whatever_the_text(renderer: Renderer) -> None:
    """The thought is another one: in the text that is left nothing would be seen of it."""
    raw = get_raw(renderer, THOUGHT.replace("short", "shorter"))
    answer = {"text": "ok", "thoughts": "A shorter one.", "raw": raw, "completion_tokens": len(raw)}
    passed, detail = check(renderer, THOUGHT, answer)["endpoint answers"]
    assert not passed and "token 16" in detail and "nats more likely" in detail
    assert check(renderer, THOUGHT, answer, gap=0.01)["endpoint answers"][0], "a tie may fall either way"


def test_a_text_that_is_not_that_of_the_tokens_is_a_difference(renderer: Renderer) -> None:
    raw = get_raw(renderer, "ok")
    answer = {"text": "no", "raw": raw, "completion_tokens": len(raw)}
    assert "0 of 1 greedy answers" in check(renderer, "ok", answer)["endpoint answers"][1]


def test_an_answer_that_does_not_end(renderer: Renderer) -> None:
    raw = renderer.tokenize("ok")
    answer = {"text": "ok", "raw": raw, "completion_tokens": len(raw), "finish_reason": "length"}
    assert check(renderer, "ok", answer)["stop reason"] == (False, "row: runs to the limit, the adapter ends by itself")
