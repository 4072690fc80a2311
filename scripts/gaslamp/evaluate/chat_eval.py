"""Prompt base and tuned by hand and compare their answers; one that you approve or correct becomes a new test row."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaslamp.config.slices import Slice
from gaslamp.core.contracts import Card, ModelFacts, Template
from gaslamp.core.files import JsonObject, read_jsonl
from gaslamp.core.visible import make_safe_console
from gaslamp.data.system_turn import begin_with_system
from gaslamp.evaluate.decode import Sampling
from gaslamp.evaluate.generate import ModelRunner
from gaslamp.evaluate.prompts import EvalPrompt
from gaslamp.models.template import Renderer
from gaslamp.models.trained import load_evaluated

COLOURS = {"base": "cyan", "tuned": "green"}
KEEP = "test row? k = tuned is right, b = base is right, w = write the right answer, Enter = no: "


def load_runner(model: Path, adapters: Path | None, template: Path, settings: Slice) -> ModelRunner:
    """One model, ready to answer as it is evaluated: same template, stop tokens and sampling."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # advice on tokenizers would disturb the conversation
    facts, recorded = ModelFacts.read(model), Template.read(template)
    renderer = Renderer.load(facts.path, recorded)
    sampling = Sampling(**settings.eval.sampling.dump())
    return ModelRunner(
        load_evaluated(facts, adapters), renderer, recorded, sampling, 1, Path("data"), Path(facts.path), quiet=True
    )


def run_chat(
    askers: dict[str, ModelRunner],
    card: Path,
    kept: Path | None,
    limit: int,
    read: Callable[[str], str] = input,
    console: Any = None,
) -> int:
    """Loop until the user leaves; returns how many rows were kept.

    Args:
        askers: base | tuned -> model.
        card: data/card.json, for the system prompt that all rows share.
        kept: JSON-lines file that new rows are appended to; ``None``: rows of this method cannot be made from a
            conversation.
        limit: tokens of an answer.
        read: shows a prompt and returns a line; raises EOFError at the end of input.
        console: rich console to print on.
    """
    from rich.text import Text

    if read is input:
        with contextlib.suppress(ImportError):  # the arrow keys, where there is readline
            import readline  # noqa: F401

    console = console or make_safe_console(highlight=False)
    facts = Card.read(card) if card.is_file() else None
    count = 0
    console.print(
        "Type a question; an empty line or Ctrl-D leaves."
        + (" The system prompt of your rows is added to each." if facts and facts.system else ""),
        style="dim",
    )
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while text := read("\nquestion> ").strip():
            messages = [{"role": "user", "content": text}]
            if facts:
                messages = begin_with_system(messages, facts.system, facts.system_as_user)
            answers = {}
            for who, asker in askers.items():
                console.print(Text(f"{who:>5}> ", style=f"bold {COLOURS[who]}"), end="")  # who is thinking
                prediction = next(iter(asker.answer([EvalPrompt("chat", "test", messages, limit)])))
                answers[who] = prediction["text"]
                cut = Text(f"  [cut after {limit} tokens]" if not prediction["stopped"] else "", style="dim")
                console.print(Text.assemble(prediction["text"] or "(nothing)", cut))
            if answers["base"] == answers["tuned"]:
                console.print("both answers are the same", style="dim")
            if kept is None:
                continue
            choice = read(KEEP).strip().lower()
            right = (
                answers["tuned"]
                if choice == "k"
                else answers["base"]
                if choice == "b"
                else read("right answer> ").strip()
                if choice == "w"
                else ""
            )
            if right:
                new = keep_row([*messages, {"role": "assistant", "content": right}], kept)
                count += new
                console.print(
                    f"kept in {kept}" if new else "this question was kept before: its answer is the new one now",
                    style="dim",
                )
            elif choice in ("k", "b", "w"):
                console.print("an empty answer is no test row", style="dim")
    return count


def answer_all(askers: dict[str, ModelRunner], card: Path, prompt: str, limit: int) -> dict[str, tuple[str, bool]]:
    """One question to each model: name -> its answer, and whether it ended by itself.

    Args:
        askers: base | tuned -> model.
        card: data/card.json, for the system prompt that all rows share.
        prompt: the user's turn.
        limit: tokens of an answer.
    """
    messages: list[JsonObject] = [{"role": "user", "content": prompt}]
    if card.is_file():
        facts = Card.read(card)
        messages = begin_with_system(messages, facts.system, facts.system_as_user)
    found = {}
    for who, asker in askers.items():
        prediction = next(iter(asker.answer([EvalPrompt("chat", "test", messages, limit)])))
        found[who] = (prediction["text"], prediction["stopped"])
    return found


def keep_row(messages: list[JsonObject], file: Path) -> bool:
    """Append one conversation that belongs to the test set; whether its question is new.

    When a question is kept twice, the last answer counts.
    """
    rows = list(read_jsonl(file)) if file.is_file() else []
    others = [row for row in rows if row["messages"][:-1] != messages[:-1]]
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False) for row in [*others, {"messages": messages, "slice": "kept by hand"}]]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(others) == len(rows)
