"""How well an encoder retrieves: the rank of each true partner among all partners of the test set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gaslamp.data.rows import Row
from gaslamp.evaluate.batching import run_batches
from gaslamp.evaluate.predictions import Retrieval

if TYPE_CHECKING:
    import torch

    from gaslamp.evaluate.protocols import LanguageModel, Tokenizer

BATCH = 32


def embed(
    model: LanguageModel, tokenizer: Tokenizer, texts: list[str], pooling: str = "mean", max_length: int = 512
) -> torch.Tensor:
    """Vectors of length 1, (texts, size), on the CPU.

    Args:
        model: a causal LM or an encoder; only its body is used.
        tokenizer: its tokenizer, with a padding token.
        texts: plain texts, no template.
        pooling: mean over the tokens, or lasttoken.
        max_length: longer texts are cut after so many tokens.
    """
    import torch

    body = getattr(model, "base_model", model)
    found: dict[int, torch.Tensor] = {}

    def run(numbers: list[int]) -> list[tuple[int, torch.Tensor]]:
        batch = tokenizer(
            [texts[n] for n in numbers],
            padding=True,
            padding_side="right",
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
        )
        mask = batch["attention_mask"].to(model.device)
        states = body(input_ids=batch["input_ids"].to(model.device), attention_mask=mask).last_hidden_state
        if pooling == "lasttoken":
            vectors = states[torch.arange(len(numbers)), mask.sum(1) - 1]
        else:
            vectors = (states * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return list(zip(numbers, torch.nn.functional.normalize(vectors.float(), dim=-1).cpu(), strict=True))

    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    for number, vector in run_batches(order, BATCH, run, lambda n: len(texts[n])):
        found[number] = vector
    return torch.stack([found[n] for n in range(len(texts))])


def rank(rows: list[Row], encode: Callable[[list[str]], torch.Tensor]) -> Iterator[tuple[str, Retrieval]]:
    """Yield (row id, {rank, of, similarity}): 1 when no other partner in the set is as similar; equal texts count once.

    Args:
        rows: pair rows.
        encode: texts -> vectors of length 1, (texts, size).
    """
    texts = list(
        dict.fromkeys([row["positive"] for row in rows] + [row["negative"] for row in rows if row.get("negative")])
    )
    places = {text: n for n, text in enumerate(texts)}
    similar = encode([row["anchor"] for row in rows]) @ encode(texts).T
    for number, row in enumerate(rows):
        own = similar[number, places[row["positive"]]]
        better = int((similar[number] > own).sum())
        yield row["id"], {"rank": better + 1, "of": len(texts), "similarity": round(float(own), 6)}
