"""Answers of base models that were computed before, in the user's cache: a second run or project does not ask again.

An answer belongs to the weights, the chat template, the prompt with its limit, and the versions that computed it. Only
greedy answers are kept, and only to prompts without images. With the environment variable ``GASLAMP_ANSWERS=off`` every
answer is computed.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from gaslamp.core.artefact import get_versions
from gaslamp.core.console import say
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.core.files import JsonObject, get_cache_dir, lock, sha256_text
from gaslamp.data.rows import get_images
from gaslamp.evaluate.decode import Sampling
from gaslamp.evaluate.predictions import Prediction
from gaslamp.evaluate.prompts import EvalPrompt

METHOD = 1
"""Raise it when the way an answer is computed or read changes."""
OF_PROMPT = ("id", "kind")
"""Fields of a prediction that belong to the prompt, and not to the answer."""


class KnownAnswers:
    """The known answers of one base model with one template.

    Args:
        facts, template: the model and how it is prompted.
        sampling: with a temperature nothing is known or kept.
    """

    def __init__(self, facts: ModelFacts, template: Template, sampling: Sampling) -> None:
        versions = get_versions(("torch", "transformers", "tokenizers"))
        parts = [METHOD, facts.sha256, template.sha256, template.stop_ids, sorted(versions.items())]
        folder = get_cache_dir() / "answers"
        self.path: Path | None = folder / f"{sha256_text(json.dumps(parts))[:24]}.jsonl"
        self.known: dict[str, JsonObject] = {}
        if sampling.temperature > 0 or os.environ.get("GASLAMP_ANSWERS") == "off":
            self.path = None
        elif self.path.is_file():
            self.known = dict(_read(self.path))

    def take(self, prompts: Iterable[EvalPrompt]) -> list[Prediction]:
        """The predictions of the prompts that are known."""
        found = [
            cast("Prediction", {"id": prompt.id, "kind": prompt.kind, **self.known[key]})
            for prompt in prompts
            if (key := _get_key(prompt)) in self.known
        ]
        if found:
            say(f"{len(found)} answers of this model are known from an earlier run ({self.path})")
        return found

    def keep(self, prompts: Iterable[EvalPrompt], predictions: Iterable[Prediction]) -> None:
        """Add answers to the cache; prompts and predictions are matched by id."""
        if self.path is None:
            return
        by_id = {prompt.id: prompt for prompt in prompts if not get_images(prompt.messages)}
        new = []
        for prediction in predictions:
            if (prompt := by_id.get(prediction["id"])) and (key := _get_key(prompt)) not in self.known:
                self.known[key] = {name: value for name, value in prediction.items() if name not in OF_PROMPT}
                new.append(json.dumps({"key": key, "answer": self.known[key]}, ensure_ascii=False) + "\n")
        if not new:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with (
            lock(self.path.with_suffix(".lock"), "waiting: another run adds to the known answers"),
            self.path.open("a", encoding="utf-8") as handle,
        ):
            handle.write("\n" + "".join(new))  # a line that a kill cut off stays a line of its own


def _read(path: Path) -> Iterator[tuple[str, JsonObject]]:
    """Key and answer of each line; what is no such line is left out, and computed again."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            if isinstance(entry["answer"]["text"], str):
                yield entry["key"], entry["answer"]


def _get_key(prompt: EvalPrompt) -> str:
    return sha256_text(json.dumps([prompt.messages, prompt.tools, prompt.max_tokens], sort_keys=True))[:32]
