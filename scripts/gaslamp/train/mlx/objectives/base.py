"""What every loss on MLX shares: samples, padding, log likelihoods."""

from __future__ import annotations

from gaslamp.data.rows import Row
from gaslamp.train.method import Context
from gaslamp.train.mlx.types import Array, Model, Sample
from gaslamp.train.sampler import LengthSampler

PAD_TO = 32  # tokens: MLX compiles a step for each shape of a batch, so there should be few


class Objective:
    """The loss of one method on MLX.

    A sample is a dict with ``rows``: a list of (token ids, mask); all its rows go through the model together. A loss
    may report further values, one number for each name in NAMES, summed over the batches of a step.
    """

    NAMES: tuple[str, ...] = ()  # values that the loss reports, as TRL's trainer logs them
    REFERENCE = False  # needs log likelihoods of the untrained model: samples get ``reference``, one for each row

    def __init__(self, context: Context) -> None:
        self.context, self.options, self.train = context, context.options, context.settings.train

    def encode(self, rows: list[Row]) -> list[Sample]:
        """Samples of the rows that are not longer than ``train.max_length``."""
        raise NotImplementedError

    def count(self, samples: list[Sample]) -> int:
        """How many items the loss of a batch is a mean over: rows, or trained tokens."""
        return len(samples)

    def get_order(self, samples: list[Sample], epoch: int) -> list[int]:
        """The order of the training samples in an epoch: the same as with TRL."""
        sampler = LengthSampler(
            [count_tokens(sample) for sample in samples],
            self.train.batch_size * self.train.gradient_accumulation,
            self.train.seed,
        )
        sampler.set_epoch(epoch)
        return list(sampler)

    def collate(self, samples: list[Sample]) -> tuple[Array, ...]:
        """The arrays for ``get_loss``: ids and mask [rows, length], then the reference [rows] where there is one."""
        import mlx.core as mx

        # all first rows, then all second ones: chosen above rejected
        rows = [sample["rows"][n] for n in range(len(samples[0]["rows"])) for sample in samples]
        ids, mask = pad(rows)
        reference = (
            [sample["reference"][n] for n in range(len(samples[0]["rows"])) for sample in samples]
            if self.REFERENCE
            else []
        )
        return (mx.array(ids), mx.array(mask), *((mx.array(reference, mx.float32),) if self.REFERENCE else ()))

    def get_loss(self, model: Model, *batch: Array) -> tuple[Array, list[Array]]:
        """Mean loss of a batch, and the values of NAMES."""
        raise NotImplementedError

    def finish(self, reported: list[float]) -> dict[str, float]:
        """The step values to log, from the sums that the batches of one step reported."""
        return dict(zip(self.NAMES, reported, strict=True))


def pad(rows: list[tuple[list[int], list[bool]]]) -> tuple[Array, Array]:
    """Ids (int32) and mask (float32) [rows, length], padded on the right to a multiple of PAD_TO plus 1."""
    import numpy

    length = 1 + PAD_TO * -(-(max(len(ids) for ids, _ in rows) - 1) // PAD_TO)
    ids, mask = numpy.zeros((len(rows), length), numpy.int32), numpy.zeros((len(rows), length), numpy.float32)
    for n, (tokens, trained) in enumerate(rows):
        ids[n, : len(tokens)], mask[n, : len(tokens)] = tokens, trained
    return ids, mask


def get_logps(model: Model, ids: Array, mask: Array, *more: Array) -> tuple[Array, Array]:
    """Log likelihood of each next token, and the logits.

    Args:
        model: an MLX network.
        ids, mask: [rows, length].
        more: what the model takes besides ids (pixels).

    Returns:
        Log likelihoods [rows, length - 1], 0 where the mask is 0; logits in float32 [rows, length - 1, vocabulary].
    """
    import mlx.core as mx
    import mlx.nn as nn

    found = model(ids[:, :-1], *more)
    logits = getattr(found, "logits", found).astype(mx.float32)  # mlx-vlm's models wrap them
    return -nn.losses.cross_entropy(logits, ids[:, 1:], reduction="none") * mask[:, 1:], logits


def count_tokens(sample: Sample) -> int:
    """Tokens of all rows of a sample."""
    return sum(len(ids) for ids, _ in sample["rows"])
