"""Every published chat template against every kind of data: learnt as the template shows it, or refused."""

from __future__ import annotations

import importlib.util
from datetime import datetime
from pathlib import Path
from types import ModuleType

import pytest
import real_tokenizers
import template_matrix
import tiny
from gaslamp.core.errors import GaslampError
from gaslamp.export.modelfile.families import detect_family
from gaslamp.models.template import Renderer, build_template
from template_matrix import KINDS, PUBLISHED, check, load

NAMES = (*real_tokenizers.FAMILIES, *PUBLISHED)


def get_writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_models", tiny.ROOT / "scripts/dev/write_models.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_a_template_learns_each_kind_right_or_refuses_it(tmp_path: Path, name: str) -> None:
    """The line of docs/models.md is what the matrix gives; thoughts that are left out leave a right row as well."""
    subject = load(name, tmp_path)
    with_thoughts = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(template_matrix, "load", lambda name, folder: subject)
        row = get_writer().make_row(name, tmp_path)
    assert row in (tiny.ROOT / "docs/models.md").read_text(encoding="utf-8").splitlines(), f"make models: {row}"
    for mode in ("empty", "off"):
        with_thoughts[mode] = check(subject, "thoughts", mode)
    assert with_thoughts["empty"].mark in ("right", "rows")
    assert with_thoughts["off"].mark in ("right", "rows") or "no way to turn thinking off" in with_thoughts["off"].note


def get_learnt(renderer: Renderer, kind: str) -> list[str]:
    return [text for pieces in renderer.split_all(KINDS[kind]) for text, learnt in pieces if learnt]


ENDS = "<｜end▁of▁sentence｜>"
LEARNT = {  # (family, train.thinking) -> the answers to KINDS["thoughts"]
    ("qwen3", "keep"): ["<think>\nponder this\n</think>\n\nThe first answer.<|im_end|>", "muse on that"],
    ("qwen3", "empty"): [
        "<think>\n\n</think>\n\nThe first answer.<|im_end|>",
        "<think>\n\n</think>\n\nThe second answer.",
    ],
    ("qwen3", "off"): ["The first answer.<|im_end|>", "The second answer.<|im_end|>"],
    ("deepseek_r1", "keep"): [f"ponder this\n</think>\n\nThe first answer.{ENDS}", "muse on that\n</think>\n\n"],
    ("deepseek_r1", "empty"): [f"\n</think>\n\nThe first answer.{ENDS}", f"\n</think>\n\nThe second answer.{ENDS}"],
    ("gptoss", "empty"): [
        "<|channel|>final<|message|>The first answer.<|return|>",
        "<|channel|>final<|message|>The second",
    ],
    ("phi3", "empty"): ["The first answer.<|end|>", "The second answer.<|end|>"],
    ("nemotron_3_nano", "keep"): ["ponder this\n</think>\nThe first answer.<|im_end|>", "muse on that\n</think>\n"],
    ("nemotron_3_nano", "off"): ["The first answer.<|im_end|>", "The second answer.<|im_end|>"],
    ("qwen3_5_nothink", "keep"): ["ponder this\n</think>\n\nThe first answer.<|im_end|>", "muse on that"],
    ("glm4moe", "keep"): ["\n<think>ponder this</think>\nThe first answer.<|user|>", "\n<think>muse on that</think>"],
}


@pytest.mark.parametrize(("name", "mode"), LEARNT)
def test_what_becomes_of_thoughts(tmp_path: Path, name: str, mode: str) -> None:
    renderer = load(name, tmp_path).get_renderer("thoughts", mode)
    learnt = get_learnt(renderer, "thoughts")
    assert len(learnt) == 2
    for text, wanted in zip(learnt, LEARNT[name, mode], strict=True):
        assert text.removeprefix("<think>\n").startswith(wanted.removeprefix("<think>\n")), learnt
        assert text.startswith("<think>") == (name == "qwen3" and mode != "off")
    question = renderer.render(KINDS["thoughts"][:1], generate=True)
    closed, opened = question.rstrip().endswith("</think>"), question.rstrip().endswith("<think>")
    assert closed == (mode == "off"), question[-40:]
    assert opened == (name in ("deepseek_r1", "nemotron_3_nano", "qwen3_5_nothink") and mode != "off"), question[-40:]


def test_the_choice_says_why(tmp_path: Path) -> None:
    subject = load("qwen3_6", tmp_path)
    template = build_template(subject.path, KINDS["single"], "auto", 40, 12)
    assert [(item.name, item.value) for item in template.decisions] == [("thinking", "keep")]
    assert template.decisions[0].reason == (
        "12 of 40 training rows hold thoughts; they are learnt before the answer, the others an empty block"
    )
    template = build_template(subject.path, KINDS["single"], "auto", 40, 0)
    assert template.thinking == "empty" and "no row holds thoughts" in template.decisions[0].reason
    with pytest.raises(GaslampError, match="no way to turn thinking off") as caught:
        build_template(load("muse_glimmer", tmp_path).path, KINDS["single"], "off")
    assert "train.thinking: empty" in caught.value.fix
    assert build_template(load("cohere", tmp_path).path, KINDS["single"], "auto", 40, 0).decisions == []


@pytest.mark.parametrize("name", ["llama3_2", "gptoss"])
def test_midnight_changes_nothing(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The template prints today's date: it is pinned where it is recorded, so tomorrow's prompt is the trained one."""
    import transformers.utils.chat_template_utils as utils

    class Clock(datetime):
        day = datetime(2026, 11, 30)

        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return cls.day

    monkeypatch.setattr(utils, "datetime", Clock)
    subject = load(name, tmp_path)
    own = subject.tokenizer.apply_chat_template(KINDS["single"], tokenize=False)
    renderer = subject.get_renderer("single")
    today = renderer.render(KINDS["single"][:1], generate=True)
    template = build_template(subject.path, KINDS["single"])
    Clock.day = datetime(2027, 1, 1)
    assert subject.tokenizer.apply_chat_template(KINDS["single"], tokenize=False) != own, "the clock is moved"
    assert renderer.render(KINDS["single"][:1], generate=True) == today
    assert build_template(subject.path, KINDS["single"]).model_dump() == template.model_dump(), (
        "training is not repeated"
    )
    date = "2024-07-26" if name == "gptoss" else "26 Jul 2024"
    assert f"ate: {date}" in today and "strftime_now(" not in template.chat_template
    assert date in detect_family(template).family.get_template(), "the Modelfile prints the same day"
    assert [(item.name, item.value) for item in template.decisions if item.name == "date"] == [("date", "2024-07-26")]
