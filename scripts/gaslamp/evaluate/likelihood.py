"""How likely a model finds given texts: log-likelihoods of continuations, of running text,
and the scores of a reward model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gaslamp.core.errors import GaslampError
from gaslamp.evaluate.batching import run_batches

if TYPE_CHECKING:
    from gaslamp.evaluate.protocols import LanguageModel

WINDOW = 2048  # tokens of running text that are read at once, when the model takes as many


@dataclass(frozen=True)
class Sequence:
    """Token ids, of which those from ``start`` on are measured; ``start`` is at least 1.

    ``measured``: 1 for each of these that counts, 0 for what tools returned between them; None: all count.
    """

    ids: list[int]
    start: int
    measured: list[int] | None = None


def get_likelihoods(
    model: LanguageModel, sequences: list[Sequence], pad_id: int, batch_size: int
) -> Iterator[tuple[int, float, int]]:
    """Yield (place in ``sequences``, sum of log-probabilities in nats, number of tokens), batch by batch, shortest
    first.

    Args:
        model: a transformers causal LM in evaluation mode.
        sequences: what to measure; each has at least one measured token.
        pad_id: what fills short rows.
        batch_size: rows together; halved when memory runs out.

    Raises:
        GaslampError: not enough memory for one row.
    """
    import torch

    order = sorted(range(len(sequences)), key=lambda n: len(sequences[n].ids))

    def run(numbers: list[int]) -> list[tuple[int, float, int]]:
        chosen = [sequences[n] for n in numbers]
        width = max(len(item.ids) for item in chosen)
        ids = torch.tensor([[pad_id] * (width - len(item.ids)) + item.ids for item in chosen], device=model.device)
        mask = torch.tensor(
            [[0] * (width - len(item.ids)) + [1] * len(item.ids) for item in chosen], device=model.device
        )
        measured = max(len(item.ids) - item.start for item in chosen)
        places = (mask.cumsum(1) - 1).clamp(min=0)
        # rows end together: only the last columns are needed, the one before the first measured token too
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=places, logits_to_keep=measured + 1, use_cache=False
        ).logits
        found = []
        for row, (number, item) in enumerate(zip(numbers, chosen, strict=True)):
            count = len(item.ids) - item.start
            own = torch.log_softmax(logits[row, -count - 1 : -1].float(), dim=-1)
            targets = ids[row, -count:]
            logps = own.gather(1, targets[:, None])[:, 0]
            if item.measured is not None:
                logps = logps[torch.tensor(item.measured, dtype=torch.bool, device=logps.device)]
            found.append((number, float(logps.sum(dtype=torch.float64)), len(logps)))
        return found

    yield from run_batches(order, batch_size, run, lambda n: len(sequences[n].ids))


def get_continuation(
    prompt: list[int],
    completion: list[int],
    bos_id: int | None,
    limit: int | None,
    measured: list[int] | None = None,
) -> Sequence:
    """A completion after its prompt; the prompt is cut at its start when both do not fit the model.

    Args:
        prompt: may be empty; then the text begins with ``bos_id``, and without one its first token is not measured.
        limit: tokens the model takes.
        measured: 1 for each token of the completion that counts, else 0; None: all count.
    """
    prompt = prompt or ([bos_id] if bos_id is not None else [])
    if not prompt:
        return Sequence(completion, 1, measured[1:] if measured else None)
    if limit and len(prompt) + len(completion) > limit:
        prompt = prompt[-max(1, limit - len(completion)) :]
        completion = completion[: limit - len(prompt)]
    return Sequence([*prompt, *completion], len(prompt), measured and measured[: len(completion)])


def get_windows(ids: list[int], bos_id: int | None, limit: int) -> list[Sequence]:
    """Running text in windows that fit the model; each window begins with the last token of the one before."""
    if bos_id is not None and ids[:1] != [bos_id]:
        ids = [bos_id, *ids]
    windows = []
    for start in range(0, max(1, len(ids) - 1), limit - 1):
        part = ids[start : start + limit]
        if len(part) > 1:
            windows.append(Sequence(part, 1))
    return windows


def get_reward_scores(
    model: LanguageModel, sequences: list[list[int]], pad_id: int, batch_size: int
) -> Iterator[tuple[int, float]]:
    """Yield (place, score) of a reward model (one number a text), batch by batch; padded on the right,
    as it was trained.
    """
    import torch

    order = sorted(range(len(sequences)), key=lambda n: len(sequences[n]))

    def run(numbers: list[int]) -> list[tuple[int, float]]:
        width = max(len(sequences[n]) for n in numbers)
        ids = torch.tensor(
            [sequences[n] + [pad_id] * (width - len(sequences[n])) for n in numbers], device=model.device
        )
        mask = torch.tensor(
            [[1] * len(sequences[n]) + [0] * (width - len(sequences[n])) for n in numbers], device=model.device
        )
        logits = model(input_ids=ids, attention_mask=mask).logits
        if logits.shape[-1] != 1:
            raise GaslampError(
                f"the reward model gives {logits.shape[-1]} numbers for a text",
                "train it with method: reward, which gives one",
            )
        return list(zip(numbers, logits[:, 0].float().tolist(), strict=True))

    yield from run_batches(order, batch_size, run, lambda n: len(sequences[n]))
