"""What is scored is the final answer as a server gives it: thoughts apart, on both sides of the comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
from gaslamp.data.rows import get_reference
from gaslamp.evaluate.metric import Metric
from gaslamp.evaluate.predictions import get_whole_text, make_prediction
from gaslamp.evaluate.prompts import EvalPrompt, get_row_prompts
from gaslamp.models.thinking import Borders, split_answer
from template_matrix import KINDS, load

TRAINED = [  # (template, train.thinking): every answer that is learnt is a perfect one
    *(("qwen3", "keep"), ("qwen3", "empty"), ("qwen3", "off"), ("gptoss", "keep"), ("gptoss", "empty")),
    *(("deepseek_r1", "keep"), ("deepseek_r1", "empty"), ("nemotron_3_nano", "keep"), ("glm4moe", "keep")),
    *(("phi3", "keep"), ("llama3_2", "keep"), ("mistral_v1", "keep")),
]


@pytest.mark.parametrize(("name", "mode"), TRAINED)
def test_the_very_answer_that_is_learnt_is_right(tmp_path: Path, name: str, mode: str) -> None:
    """A perfect answer of Qwen3 scored 0: its empty block of thoughts stood in front."""
    renderer = load(name, tmp_path).get_renderer("thoughts", mode)
    metric = Metric.get("exact_match")
    found = []
    for encoded in renderer.encode_all(KINDS["thoughts"]):
        # each run of learnt tokens is what the model generates
        runs: list[list[int]] = []
        for token, trained, before in zip(encoded.ids, encoded.trained, b"\0" + encoded.trained, strict=False):
            if trained:
                runs[-1:] = [[*runs[-1], token]] if before else [*runs[-1:], [token]]
        found += [renderer.read_answer(ids[:-1]) for ids in runs]
    thoughts = [("ponder this", "muse on that"), ("", "")][mode != "keep"]
    row = {"id": "1", "messages": KINDS["thoughts"]}
    assert [thought for thought, _ in found] == list(thoughts)
    assert [text for _, text in found] == ["The first answer.", "The second answer."]
    assert get_reference(row) == "The second answer."
    line = make_prediction(EvalPrompt("1", "test", [], 9), found[1][1], True, 9, 0.0, thought=found[1][0])
    assert metric.score(row, line) == 1.0
    assert ("thought" in line) == (mode == "keep") and get_whole_text(line).count("muse on that") == (mode == "keep")


BORDERS = Borders("<think>\n", "\n</think>\n\n", "<think>\n\n</think>\n\n")
SPLIT = [  # generated -> thoughts, final answer
    ("<think>\na\n</think>\n\nb", "a", "b"),
    ("<think>\n\n</think>\n\nb", "", "b"),
    ("a</think>b", "a", "b"),
    ("<think>\na, cut at the lim", "a, cut at the lim", ""),
    ("b", "", "b"),
    (" b <think> c", "", " b <think> c"),
    ('<think>maybe {"x": 1}</think>\n{"x": 2}', 'maybe {"x": 1}', '{"x": 2}'),
]


@pytest.mark.parametrize("borders", [BORDERS, Borders()])
@pytest.mark.parametrize(("text", "thought", "answer"), SPLIT)
def test_thoughts_and_answer(text: str, thought: str, answer: str, borders: Borders) -> None:
    assert split_answer(text, borders) == (thought, answer)


def test_an_answer_has_room_for_its_thoughts(tmp_path: Path) -> None:
    """The limit of new tokens counts thoughts and the empty block that the template writes."""
    row = {"id": "1", "messages": KINDS["thoughts"][:2]}
    thoughtless = {"id": "1", "messages": KINDS["single"]}
    plain = get_row_prompts([thoughtless], list, None)[0].max_tokens  # type: ignore[arg-type]
    renderer = load("qwen3_6", tmp_path).get_renderer("thoughts")
    thinking = get_row_prompts([row], list, None, renderer.render)[0].max_tokens  # type: ignore[arg-type]
    assert thinking >= len("ponder this\n</think>\n\nThe first answer.") > len("The first answer.") * 1.2
    assert plain == 20  # 13 characters, a fifth more, and 4
