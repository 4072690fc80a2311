"""The fact files of a run of every method, in the shape that a real run writes. Not a measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import facts
from gaslamp.config.methods import get_preset
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.core.contracts import Artefact, Example, MetricResult, Score
from gaslamp.core.files import write_json


def _measured(name: str, title: str, unit: str, base: float, tuned: float, half: float) -> MetricResult:
    def put(value: float) -> Score:
        return Score(value=value, low=value - half, high=value + half, n=200)

    return MetricResult(name=name, title=title, unit=unit, base=put(base), tuned=put(tuned), p_value=0.0004)


KINDS: dict[str, dict[str, Any]] = {
    "preference": {
        "metric": _measured("preference_accuracy", "Chosen answer is likelier", "share", 0.51, 0.74, 0.06),
        "answers": ("Please wait.", "Your refund is on its way."),
        "tokens": 26_400,
        "mapping": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
    },
    "rating": {
        "metric": _measured("preference_margin", "Margin of good over bad answers", "nats", 0.04, 0.61, 0.1),
        "answers": ("Please wait.", "Your refund is on its way."),
        "tokens": 19_800,
        "mapping": {"prompt": "prompt", "completion": "answer", "label": "thumb"},
    },
    "prompt": {
        "metric": _measured("mean_reward", "Mean reward", "points", 0.21, 0.68, 0.05),
        "answers": ("The sum is 11.", "The sum is 12."),
        "tokens": 0,
        "mapping": {"prompt": "question"},
    },
    "pair": {
        "metric": _measured("retrieval", "Right text found first", "share", 0.44, 0.83, 0.06),
        "answers": ("the right text is number 7 of 200", "the right text is number 1 of 200"),
        "tokens": 0,
        "mapping": {"anchor": "question", "positive": "passage"},
    },
    "text": {
        "metric": _measured("perplexity", "Perplexity", "number", 31.0, 12.0, 2.0),
        "answers": ("3.434 nats a token", "2.485 nats a token"),
        "tokens": 81_000,
        "mapping": {"text": "text"},
    },
}
"""What the fact files of a run hold for each kind of row but conversations: metric, answers, tokens with loss."""


def for_method(name: str) -> dict[str, Artefact]:
    """Train, card, compare and ladder facts of a run of the method ``name``, in the shape that a real run writes."""
    method = registry.get("methods", name)
    kind = method.KINDS[0] if method.KINDS[0] != "speech" else "conversation"
    settings = {**Config().model_dump()["train"], **get_preset(name), "options": method.Settings().model_dump()}
    if kind == "conversation":
        return {
            "train": facts.train(method=name, settings=settings),
            "card": facts.card(),
            "compare": facts.compare(),
            "ladder": facts.ladder(),
        }
    own = KINDS[kind]
    row = {"prompt": [{"role": "user", "content": "Where is my refund?"}], "base_score": 0.1, "tuned_score": 0.7}
    shown = [
        Example(
            **row,
            id=f"test-{number}",
            reference="" if kind == "prompt" else "Your refund was sent today." if number else "No.",
            rated_bad=kind == "rating" and not number,
            base=own["answers"][0],
            tuned=own["answers"][1],
            change="improved",
        )
        for number in range(2)
    ]
    words = method.ARTEFACT == "causal_lm" and kind != "text"
    return {
        "train": facts.train(method=name, settings=settings, trained_tokens=own["tokens"]),
        "card": facts.card().model_copy(
            update={
                "kind": kind,
                "format": kind,
                "mapping": own["mapping"],
                "trained_tokens": own["tokens"],
                "answers": "text",
            }
        ),
        "compare": facts.compare(
            kind=kind,
            metrics=[own["metric"]],
            examples=shown,
            headline=f"{own['metric'].title} improved",
            **({} if words else {"retention": {}, "retention_lost": []}),
        ),
        "ladder": facts.ladder().model_copy(update={"metric": own["metric"].name, "title": own["metric"].title}),
    }


def write_method_run(root: Path, name: str, run: str = "main") -> dict[str, Path]:
    """``write_run`` with the facts of a run of the method ``name``."""
    paths = facts.write_run(root, run)
    for fact, artefact in for_method(name).items():
        artefact.provenance = None
        write_json(paths[fact], artefact.model_dump())
    return paths
