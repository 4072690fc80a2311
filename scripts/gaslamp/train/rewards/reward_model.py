"""A trained reward model scores prompt and completion: a folder (what ``method: reward`` makes) or a hub id."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from gaslamp.data.rows import Message, Row

TITLE = "score of a reward model"
TIMEOUT = 600.0


def score_all(
    prompts: Sequence[list[Message]],
    completions: Sequence[str],
    rows: Sequence[Row],
    model: str,
    batch_size: int = 8,
    scale: float = 1.0,
    max_length: int = 2048,
) -> list[float]:
    """The model's logit for each, times ``scale``.

    Logits have no fixed range: look at ``rewards/reward_model/mean``.
    """
    import torch

    network, tokenizer = _load(model)
    texts = [
        tokenizer.apply_chat_template([*prompt, {"role": "assistant", "content": completion}], tokenize=False)
        for prompt, completion in zip(prompts, completions, strict=True)
    ]
    scores: list[float] = []
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(
            texts[start : start + batch_size],
            add_special_tokens=False,
            truncation=True,
            max_length=max_length,
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            scores += (network(**batch.to(network.device)).logits[:, 0].float() * scale).tolist()
    return scores


@lru_cache(maxsize=2)
def _load(model: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1).eval()
    if network.config.pad_token_id is None:
        network.config.pad_token_id = tokenizer.pad_token_id
    return network.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer
