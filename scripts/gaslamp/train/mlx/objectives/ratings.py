"""Loss over rated answers: kto."""

from __future__ import annotations

import random

from gaslamp.data.rows import Row
from gaslamp.train.methods import kto
from gaslamp.train.mlx.objectives.base import Objective, get_logps
from gaslamp.train.mlx.types import Array, Model, Sample


class Kto(Objective):
    """Kahneman-Tversky optimization; the KL divergence is estimated from answers to other prompts."""

    NAMES = ("good", "bad", "rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected", "kl")
    REFERENCE = True

    def encode(self, rows: list[Row]) -> list[Sample]:
        """Samples of the rows; see ``Objective.encode``."""
        found = kto.encode(self.context, rows)
        if rows is self.context.train:
            random.Random(self.train.seed).shuffle(found)
            self.good_weight = kto.get_good_weight(self.context, found)
        result = []
        for row in kto.add_mismatched(found, self.train.batch_size):
            prompt = row["prompt_ids"]
            result.append(
                {
                    "rows": [
                        ([*prompt, *row[f"{name}_ids"]], [False] * len(prompt) + list(map(bool, row[f"{name}_mask"])))
                        for name in ("completion", "KL_completion")
                    ],
                    "label": bool(row["label"]),
                }
            )
        return result

    def get_order(self, samples: list[Sample], epoch: int) -> list[int]:
        """The rows as they are: neighbours are each other's mismatch."""
        return list(range(len(samples)))  # neighbours are each other's mismatch

    def collate(self, samples: list[Sample]) -> tuple[Array, ...]:
        """Arrays of a batch; see ``Objective.collate``."""
        import mlx.core as mx

        return (*super().collate(samples), mx.array([float(sample["label"]) for sample in samples]))

    def get_loss(self, model: Model, *batch: Array) -> tuple[Array, list[Array]]:
        """Mean loss of a batch, and the values of NAMES."""
        import mlx.core as mx

        ids, mask, reference, good = batch
        half = good.shape[0]
        logps = get_logps(model, ids[:half], mask[:half])[0].sum(1)
        other = mx.stop_gradient(get_logps(model, ids[half:], mask[half:])[0].sum(1))
        kl = mx.maximum((other - reference[half:]).mean(), 0)
        beta = self.options.beta
        reward = beta * (logps - reference[:half])
        gained, lost = 1 - mx.sigmoid(reward - beta * kl), 1 - mx.sigmoid(beta * kl - reward)
        loss = mx.where(good > 0.5, self.good_weight * gained, self.options.bad_weight * lost)
        bad = 1 - good
        return loss.mean(), [
            good.mean(),
            bad.mean(),
            (good * reward).mean(),
            (bad * reward).mean(),
            (good * logps).mean(),
            (bad * logps).mean(),
            kl,
        ]

    def finish(self, reported: list[float]) -> dict[str, float]:
        """The step values to log: means over the good and the bad answers, and their margin."""
        values = dict(zip(self.NAMES, reported, strict=True))
        shares = {"chosen": values.pop("good"), "rejected": values.pop("bad")}
        for name in [name for name in values if "/" in name]:
            share = shares[name.split("/")[1]]
            values[name] = values[name] / share if share else float("nan")
        if all(shares.values()):
            values["rewards/margins"] = values["rewards/chosen"] - values["rewards/rejected"]
        return {name: value for name, value in values.items() if value == value}
