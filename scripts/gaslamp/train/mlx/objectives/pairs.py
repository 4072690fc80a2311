"""Losses over pairs of answers: dpo, orpo, simpo."""

from __future__ import annotations

from gaslamp.data.rows import Row
from gaslamp.train.mlx.objectives.base import Objective, get_logps, pad
from gaslamp.train.mlx.types import Array, Model, Sample
from gaslamp.train.preference import encode_pairs


class Pairs(Objective):
    """What dpo, orpo and simpo share: a sample is the chosen sequence and the rejected one."""

    NAMES: tuple[str, ...] = (
        "rewards/chosen",
        "rewards/rejected",
        "rewards/accuracies",
        "rewards/margins",
        "logps/chosen",
        "logps/rejected",
    )

    def encode(self, rows: list[Row]) -> list[Sample]:
        """Samples of the rows; see ``Objective.encode``."""
        result = []
        for pair in encode_pairs(self.context, rows):
            prompt = pair["prompt_ids"]
            result.append(
                {
                    "rows": [
                        ([*prompt, *pair[f"{side}_ids"]], [False] * len(prompt) + list(map(bool, pair[f"{side}_mask"])))
                        for side in ("chosen", "rejected")
                    ]
                }
            )
        return result

    def get_halves(self, model: Model, ids: Array, mask: Array) -> tuple[Array, ...]:
        """Log likelihood of each answer token [pairs, length], chosen and rejected, their masks, the logits of both."""
        import mlx.core as mx

        logps, logits = get_logps(model, ids, mask)
        return (*mx.split(logps, 2), *mx.split(mask[:, 1:], 2), logits)

    def summarize(
        self, chosen_reward: Array, rejected_reward: Array, chosen_logps: Array, rejected_logps: Array
    ) -> list[Array]:
        """The values of NAMES."""
        wins = (chosen_reward > rejected_reward).mean()
        return [
            chosen_reward.mean(),
            rejected_reward.mean(),
            wins,
            (chosen_reward - rejected_reward).mean(),
            chosen_logps.mean(),
            rejected_logps.mean(),
        ]


class Dpo(Pairs):
    """Direct preference optimization with all losses of ``train.options.loss``."""

    REFERENCE = True

    def get_loss(self, model: Model, *batch: Array) -> tuple[Array, list[Array]]:
        """Mean loss of a batch, and the values of NAMES."""
        import mlx.core as mx
        import mlx.nn as nn

        ids, mask, reference = batch
        by_token, by_token_rejected, mask_chosen, mask_rejected, _ = self.get_halves(model, ids, mask)
        chosen, rejected = by_token.sum(1), by_token_rejected.sum(1)
        before_chosen, before_rejected = mx.split(reference, 2)
        up, down = chosen - before_chosen, rejected - before_rejected
        beta, smooth, kind = self.options.beta, self.options.label_smoothing, self.options.loss
        delta = beta * (up - down)
        if kind == "sigmoid":
            loss = -nn.log_sigmoid(delta)
        elif kind == "hinge":
            loss = nn.relu(1 - delta)
        elif kind == "ipo":
            loss = (
                up / mx.maximum(mask_chosen.sum(1), 1) - down / mx.maximum(mask_rejected.sum(1), 1) - 1 / (2 * beta)
            ) ** 2
        elif kind == "robust":
            loss = (-(1 - smooth) * nn.log_sigmoid(delta) + smooth * nn.log_sigmoid(-delta)) / (1 - 2 * smooth)
        elif kind == "apo_zero":
            loss = 1 - mx.sigmoid(beta * up) + mx.sigmoid(beta * down)
        else:
            loss = mx.sigmoid(beta * up) + 1 - mx.sigmoid(delta)
        value = loss.mean()
        if self.options.sft_weight:
            value = value - self.options.sft_weight * by_token.sum() / mask_chosen.sum()
        return value, self.summarize(beta * up, beta * down, chosen, rejected)


class Orpo(Pairs):
    """Odds ratio preference optimization: loss of the chosen sequence, prompt included, plus the odds ratio."""

    NAMES = (*Pairs.NAMES, "nll_loss", "log_odds_ratio", "log_odds_chosen")

    def get_loss(self, model: Model, *batch: Array) -> tuple[Array, list[Array]]:
        """Mean loss of a batch, and the values of NAMES."""
        import mlx.core as mx
        import mlx.nn as nn

        ids, mask, whole = batch
        by_token, by_token_rejected, mask_chosen, mask_rejected, logits = self.get_halves(model, ids, mask)
        chosen, rejected = by_token.sum(1) / mask_chosen.sum(1), by_token_rejected.sum(1) / mask_rejected.sum(1)
        odds = (chosen - rejected) - (mx.log1p(-mx.exp(chosen)) - mx.log1p(-mx.exp(rejected)))
        ratio = nn.log_sigmoid(odds)
        half = ids.shape[0] // 2
        everything = nn.losses.cross_entropy(logits[:half], ids[:half, 1:], reduction="none") * whole[:half, 1:]
        likelihood = everything.sum() / whole[:half, 1:].sum()
        beta = self.options.beta
        reported = self.summarize(beta * chosen, beta * rejected, chosen, rejected)
        return likelihood - beta * ratio.mean(), [*reported, likelihood, ratio.mean(), odds.mean()]

    def collate(self, samples: list[Sample]) -> tuple[Array, ...]:
        """Arrays of a batch; see ``Objective.collate``."""
        import mlx.core as mx

        ids, mask = super().collate(samples)
        whole = pad(
            [  # the prompt, and the mask behind it
                (ids, [True] * trained.index(True) + trained[trained.index(True) :])
                for n in range(2)
                for ids, trained in (sample["rows"][n] for sample in samples)
            ]
        )[1]
        return ids, mask, mx.array(whole)


class Simpo(Pairs):
    """Simple preference optimization: likelihood for each token of the answer, and a margin."""

    NAMES = (*Pairs.NAMES, "nll_loss")

    def get_loss(self, model: Model, *batch: Array) -> tuple[Array, list[Array]]:
        """Mean loss of a batch, and the values of NAMES."""
        import mlx.core as mx
        import mlx.nn as nn

        by_token, by_token_rejected, mask_chosen, mask_rejected, _ = self.get_halves(model, *batch)
        chosen, rejected = by_token.sum(1) / mask_chosen.sum(1), by_token_rejected.sum(1) / mask_rejected.sum(1)
        beta = self.options.beta
        value = -nn.log_sigmoid(beta * (chosen - rejected) - self.options.gamma).mean()
        likelihood = -by_token.sum() / mask_chosen.sum() if self.options.sft_weight else mx.array(0.0)
        return value + self.options.sft_weight * likelihood, [
            *self.summarize(beta * chosen, beta * rejected, chosen, rejected),
            likelihood,
        ]
