"""What a trained model is judged by when ``eval.metrics`` is empty: evaluated, compared and checked,
for a method of any name.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import Compare
from gaslamp.core.files import read_json
from gaslamp.evaluate.compare import compare_models
from gaslamp.evaluate.run import evaluate_model
from gaslamp.train.method import get_method

SHORT = ("exact_match", "normalized_match", "token_f1")  # what one-word answers suggest
BY_KIND: dict[str, tuple[str, ...]] = {
    "conversation": SHORT,
    "text": ("perplexity",),
    "preference": ("preference_accuracy", "preference_margin", "length"),
    "rating": ("preference_margin", "length"),
    "prompt": ("mean_reward", *SHORT, "length"),
    "pair": ("retrieval", "mean_reciprocal_rank"),
}
OTHERS = {
    "reward": ("preference_accuracy", "preference_margin"),
    "tts": ("completion_loss", "stop_rate"),
    "vision_sft": ("exact_match", "character_error_rate", "word_error_rate"),
}


def judge_trained(
    name: str, base: Path, rows: Path, adapters: Path, train: dict[str, Any], place: Path, **evaluation: Any
) -> Compare:
    """Ask base and the model in ``adapters`` the rows and compare them; the figures are those that suit the method.

    Args:
        name: the method.
        base: folder with model.json and template.json.
        rows: test rows of the method's kind.
        adapters: what training left.
        train: the train section of the config, for rewards and options.
        place: an empty folder.
        evaluation: further keys of the eval section.
    """
    values = {"method": name, "train": train, "eval": {"max_new_tokens": 6, "retention": False, **evaluation}}
    keys = ("eval", "diagnose.answers", "data.slice", "method", "train.rewards", "train.options", "train.max_length")
    settings = parse_slice(get_slice(Config.model_validate(values), *keys))
    for who, folder in (("base", None), ("tuned", adapters)):
        evaluate_model(settings, base / "model.json", folder, rows, base / "template.json", place / f"{who}.jsonl")
    outputs = {key: place / key for key in ("compare", "verdict", "report", "side_by_side", "page")}
    compare = compare_models(settings, place / "base.jsonl", place / "tuned.jsonl", rows, outputs)
    found = [metric.name for metric in compare.metrics]
    expected = list(OTHERS[name] if name in OTHERS else BY_KIND[get_method(name).KINDS[0]])
    assert compare.first == expected[0] and sorted(found) == sorted(expected)
    if found != expected:  # what base has at 100 % before cannot decide
        assert (
            compare.deciding and "cannot get better" in compare.deciding.reason and found[0] == compare.deciding.value
        )
    for metric in compare.metrics:
        for score in (metric.base, metric.tuned, metric.difference):
            assert (
                score
                and score.n == compare.n
                and all(math.isfinite(value) for value in (score.low, score.value, score.high))
            ), metric.name
    if name not in OTHERS and "mean_reward" in found:
        assert set(compare.metrics[0].details["tuned"]) == {reward["name"] for reward in train["rewards"]}, (
            "each part apart"
        )
    assert compare.identical < compare.n, "what was trained is what was evaluated"
    assert read_json(outputs["verdict"])["summary"] and outputs["page"].stat().st_size > 1000
    return compare
