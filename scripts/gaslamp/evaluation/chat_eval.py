"""Ask base and tuned by hand, side by side; an answer that you correct or approve becomes a new test row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaslamp.contracts import Card, ModelFacts, Template
from gaslamp.evaluation.decode import Sampling
from gaslamp.evaluation.generate import Asker
from gaslamp.evaluation.loading import load_evaluated
from gaslamp.evaluation.questions import Question
from gaslamp.files import sha256_text
from gaslamp.template import Renderer

HELP = "Type a question. Then: k keep tuned's answer as right, w write the right answer, Enter go on. Leave with an empty question or Ctrl-D."


def get_asker(model: Path, adapters: Path | None, template: Path, settings: Any) -> Asker:
    """One model, ready to answer as it is evaluated: same template, stop tokens and sampling."""
    facts, recorded = ModelFacts.read(model), Template.read(template)
    renderer = Renderer.load(facts.path, recorded)
    return Asker(load_evaluated(facts, adapters), renderer, recorded, Sampling(**settings.eval.sampling.dump()), 1, Path("data"), Path(facts.path))


def run_chat(
    askers: dict[str, Asker], card: Path, kept: Path, limit: int, read: Callable[[str], str], write: Callable[[str], None]
) -> int:
    """Loop until the user leaves; returns how many rows were kept.

    Args:
        askers: base | tuned -> model.
        card: data/card.json, for the system prompt that all rows share.
        kept: JSON-lines file that new rows are appended to; data.source of the project may read it.
        limit: tokens of an answer.
        read: shows a prompt and returns a line; raises EOFError at the end of input.
        write: shows a line.
    """
    system = Card.read(card).system if card.is_file() else None
    start = [{"role": "system", "content": system}] if system else []
    count = 0
    write(HELP)
    while True:
        try:
            text = read("\nquestion> ").strip()
        except EOFError:
            break
        if not text:
            break
        messages = [*start, {"role": "user", "content": text}]
        answers = {}
        for who, asker in askers.items():
            prediction = next(iter(asker.answer([Question("chat", "test", messages, limit)])))
            answers[who] = prediction["text"]
            cut = "" if prediction["stopped"] else "  [cut at the limit]"
            write(f"\n{who}: {prediction['text']}{cut}")
        try:
            choice = read("\nkeep as test row? [k]eep, [w]rite, Enter> ").strip().lower()
            right = answers["tuned"] if choice == "k" else read("right answer> ").strip() if choice == "w" else ""
        except EOFError:
            break
        if right:
            keep_row([*messages, {"role": "assistant", "content": right}], kept)
            count += 1
            write(f"kept in {kept}")
    return count


def keep_row(messages: list[dict[str, Any]], file: Path) -> None:
    """Append one conversation that belongs to the test set, once."""
    row = {"messages": messages, "split": "test", "slice": "kept by hand"}
    known = {sha256_text(line) for line in file.read_text(encoding="utf-8").splitlines()} if file.is_file() else set()
    line = json.dumps(row, ensure_ascii=False)
    if sha256_text(line) not in known:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as handle:
            handle.write(line + "\n")
