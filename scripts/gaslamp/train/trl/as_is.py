"""TRL's preference trainers on rows that are token ids already, with a loss mask of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from gaslamp.train.types import Columns

if TYPE_CHECKING:
    import torch

MASKS = {
    ("chosen_mask", "rejected_mask"): "completion_mask",
    ("completion_mask",): "completion_mask",
    ("KL_completion_mask",): "KL_completion_mask",
}
"""Columns of a row -> the entry of the batch that holds the masks of all first columns, then of all second ones."""


def take_as_is(trainer_class: type, *steps: str) -> type:
    """A subclass of a TRL trainer that does not tokenize, and learns what the masks of its rows say.

    TRL 1.14 learns everything behind the prompt: its collators for DPO and KTO make the mask themselves. ORPO and CPO
    read labels, which say it; the ORPO loss on the chosen side does not, see ``leave_out``.

    Args:
        trainer_class: DPOTrainer, KTOTrainer, ORPOTrainer, CPOTrainer.
        steps: names of the methods that would tokenize; each returns its first argument instead.
    """

    def same(self: object, rows: object, *_: object, **__: object) -> object:
        return rows

    class AsIs(trainer_class):  # type: ignore[misc]
        data_collator: Callable[[list[Columns]], dict[str, Any]]

        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)
            self.data_collator = add_masks(self.data_collator)

        def _set_signature_columns_if_needed(self) -> None:
            super()._set_signature_columns_if_needed()
            own = [name for names in MASKS for name in names]
            self._signature_columns += [name for name in own if name not in self._signature_columns]

    AsIs.__name__ = AsIs.__qualname__ = trainer_class.__name__  # what logs and errors show
    for step in steps:
        setattr(AsIs, step, same)
    return AsIs


def add_masks(collate: Callable[[list[Columns]], dict[str, Any]]) -> Callable[[list[Columns]], dict[str, Any]]:
    """A collator whose batches have the loss masks of the rows, where those have any."""

    def collate_with_masks(rows: list[Columns]) -> dict[str, Any]:
        batch = collate(rows)
        for names, entry in MASKS.items():
            if names[0] in rows[0]:
                put_masks(batch[entry], (row[name] for name in names for row in rows))
        return batch

    return collate_with_masks


def put_masks(masks: torch.Tensor, learnt: Iterable[list[int]]) -> None:
    """Narrow the masks of a batch [rows, length], each 1 on one whole answer, to what is learnt of that answer."""
    for mask, own in zip(masks, learnt, strict=True):
        mask[mask == 1] = mask.new_tensor(own)


def leave_out(trainer_class: type) -> type:
    """ORPOTrainer whose loss on the chosen side leaves out what tools returned and users said inside the answer.

    TRL takes that loss over every token of the sequence, prompt included, as the authors of ORPO do. The prompt stays
    in it; only a batch with such an answer is computed differently.
    """
    import torch

    class LeavesOut(trainer_class):  # type: ignore[misc]
        def concatenated_forward(self, model: object, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
            found = super().concatenated_forward(model, batch)
            labels = batch["chosen_labels"].to(found[2].device)
            begun = (labels != -100).cumsum(1) > 0
            read = batch["chosen_attention_mask"].to(labels.device) == 1
            if not (inside := begun & read & (labels == -100)).any():
                return found  # type: ignore[no-any-return]
            targets = batch["chosen_input_ids"].to(labels.device).masked_fill(inside | ~read, -100)[:, 1:]
            logits = found[2][:, : targets.shape[1]]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
            return (*found[:4], loss, *found[5:])

    LeavesOut.__name__ = LeavesOut.__qualname__ = trainer_class.__name__
    return LeavesOut
