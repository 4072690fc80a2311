"""Losses over tokens: sft, cpt, vision_sft."""

from __future__ import annotations

from gaslamp.data.rows import Row
from gaslamp.train.method import Context
from gaslamp.train.methods import cpt, vision_sft
from gaslamp.train.mlx.objectives.base import Objective, get_logps
from gaslamp.train.mlx.types import Array, Model, Sample
from gaslamp.train.mlx.vision import ImageEncoder


class Tokens(Objective):
    """sft: mean cross entropy over the trained tokens."""

    NAMES = ("token_accuracy",)

    def encode(self, rows: list[Row]) -> list[Sample]:
        """Samples of the rows; see ``Objective.encode``."""
        longest = self.train.max_length
        return [
            {"rows": [(sequence.ids, list(sequence.trained))]}
            for row in rows
            for sequence in self.context.renderer.encode_all(row["messages"], row.get("tools"))
            if len(sequence.ids) <= longest
        ]

    def count(self, samples: list[Sample]) -> int:
        """Trained tokens of a batch."""
        return sum(sum(sample["rows"][0][1][1:]) for sample in samples)

    def get_loss(self, model: Model, *batch: Array) -> tuple[Array, list[Array]]:
        """Mean loss of a batch, and the values of NAMES."""
        import mlx.core as mx

        ids, mask, *pixels = batch
        logps, logits = get_logps(model, ids, mask, *pixels)
        count = mx.maximum(mask[:, 1:].sum(), 1)
        right = ((logits.argmax(-1) == ids[:, 1:]) * mask[:, 1:]).sum() / count
        return -logps.sum() / count, [right]


class Documents(Tokens):
    """cpt: the same over the chunks of documents."""

    def encode(self, rows: list[Row]) -> list[Sample]:
        """Samples of the rows; see ``Objective.encode``."""
        return [
            {"rows": [(chunk["input_ids"], [label != -100 for label in chunk["labels"]])]}
            for chunk in cpt.encode(self.context, rows)
        ]


class VisionTokens(Tokens):
    """vision_sft: the same over the answers of rows with images.

    The model's own processor makes the arrays, as in TRL's collator.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.images = ImageEncoder(context)

    def encode(self, rows: list[Row]) -> list[Sample]:
        """Samples of the rows; see ``Objective.encode``."""
        return [
            {"rows": [self.images.encode(row)], "images": row["images"]}
            for row in vision_sft.render(self.context, rows)
        ]

    def get_order(self, samples: list[Sample], epoch: int) -> list[int]:
        """As with TRL, whose collator makes the tokens: for its sampler all rows have the same length."""
        return super().get_order([{"rows": []}] * len(samples), epoch)

    def collate(self, samples: list[Sample]) -> tuple[Array, ...]:
        """Ids and mask, and the images of all rows one after the other, or None; image tokens mark their places."""
        import mlx.core as mx
        import numpy

        images = [self.images.get_pixels(sample["images"]) for sample in samples if sample["images"]]
        pixels = (
            mx.array(numpy.concatenate(images)[None]).astype(
                self.context.model.vision_model.post_layernorm.weight.dtype
            )
            if images
            else None
        )
        return (*super().collate(samples), pixels)
