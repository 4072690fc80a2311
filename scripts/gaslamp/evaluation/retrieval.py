"""How well an encoder finds what belongs together: the rank of each true partner among all partners of the test set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gaslamp.evaluation.measure import run_batches

BATCH = 32


def embed(model: Any, tokenizer: Any, texts: list[str]) -> Any:
    """Vectors of length 1, (texts, size): the mean over the last hidden states of each text's tokens."""
    import torch

    found: dict[int, Any] = {}
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))

    def run(numbers: list[int]) -> list[tuple[int, Any]]:
        batch = tokenizer([texts[n] for n in numbers], padding=True, padding_side="right", truncation=True, max_length=512, return_tensors="pt")
        output = model(input_ids=batch["input_ids"].to(model.device), attention_mask=batch["attention_mask"].to(model.device), output_hidden_states=True)
        states = output.last_hidden_state if hasattr(output, "last_hidden_state") else output.hidden_states[-1]
        mask = batch["attention_mask"].to(states.device).unsqueeze(-1)
        vectors = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        return list(zip(numbers, torch.nn.functional.normalize(vectors.float(), dim=-1), strict=True))

    for number, vector in run_batches(order, BATCH, run, lambda n: len(texts[n])):
        found[number] = vector
    return torch.stack([found[n] for n in range(len(texts))])


def rank(rows: list[dict[str, Any]], encode: Callable[[list[str]], Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (row id, {rank, of, similarity}): 1 when no other partner in the set is as near; equal texts count once.

    Args:
        rows: pair rows.
        encode: texts -> vectors of length 1, (texts, size).
    """
    texts = list(dict.fromkeys([row["positive"] for row in rows] + [row["negative"] for row in rows if row.get("negative")]))
    places = {text: n for n, text in enumerate(texts)}
    near = encode([row["anchor"] for row in rows]) @ encode(texts).T
    for number, row in enumerate(rows):
        own = near[number, places[row["positive"]]]
        better = int((near[number] > own).sum())
        yield row["id"], {"rank": better + 1, "of": len(texts), "similarity": round(float(own), 6)}
