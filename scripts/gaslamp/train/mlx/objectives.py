"""What the mac backend minimizes: rows as MLX arrays, and for each method the loss that TRL's trainer of the same name has.

Apart from the engine, because mlx-lm's trainer knows one loss only. mlx-tune's own losses are not used: they count the
prompt as answer (its SimPO divides by the length of prompt and answer), its ORPO has no odds, its KTO no reference.
tests/end_to_end/test_mac.py starts both backends from the same adapter and holds their losses against each other.
"""

from __future__ import annotations

import random
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.train.methods import cpt, kto, vision_sft
from gaslamp.train.mlx.vision import Eyes
from gaslamp.train.preference import encode_pairs
from gaslamp.train.sampler import LengthSampler

PAD_TO = 32  # tokens: MLX compiles a step for each shape of a batch, so there should be few


class Objective:
    """One method on MLX.

    A sample is a dict with ``rows``: a list of (token ids, mask); all its rows go through the model together. ``told`` is
    what the loss leaves beside its value, one number for each step value in NAMES, summed over the batches of a step.
    """

    NAMES: tuple[str, ...] = ()
    REFERENCE = False  # the likelihoods of the untrained model are needed: samples get ``reference``, one for each row

    def __init__(self, context: Any) -> None:
        self.context, self.options, self.train = context, context.options, context.settings.train

    def encode(self, rows: list[Any]) -> list[dict[str, Any]]:
        """Samples of the rows that are not longer than ``train.max_length``."""
        raise NotImplementedError

    def count(self, samples: list[dict[str, Any]]) -> int:
        """What the loss of a batch is a mean over: rows, or trained tokens."""
        return len(samples)

    def get_order(self, samples: list[dict[str, Any]], epoch: int) -> list[int]:
        """The order of the training samples in a pass: the same as with TRL."""
        sampler = LengthSampler(
            [count_tokens(sample) for sample in samples],
            self.train.batch_size * self.train.gradient_accumulation,
            self.train.seed,
        )
        sampler.set_epoch(epoch)
        return list(sampler)

    def collate(self, samples: list[dict[str, Any]]) -> tuple[Any, ...]:
        """The arrays that ``get_loss`` takes: ids and mask [rows, length], then the reference [rows] where there is one."""
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

    def get_loss(self, model: Any, *batch: Any) -> tuple[Any, list[Any]]:
        """Mean loss of a batch, and the values of NAMES."""
        raise NotImplementedError

    def finish(self, told: list[float]) -> dict[str, float]:
        """The step values to log, from what the batches of one step told together."""
        return dict(zip(self.NAMES, told, strict=True))


class Tokens(Objective):
    """sft and cpt: mean cross entropy over the trained tokens."""

    NAMES = ("token_accuracy",)

    def encode(self, rows: list[Any]) -> list[dict[str, Any]]:
        longest = self.train.max_length
        if self.context.settings.method == "cpt":
            return [
                {"rows": [(piece["input_ids"], [label != -100 for label in piece["labels"]])]}
                for piece in cpt.encode(self.context, rows)
            ]
        encoded = (self.context.renderer.encode(row["messages"], row.get("tools")) for row in rows)
        return [{"rows": [(row.ids, row.trained)]} for row in encoded if len(row.ids) <= longest]

    def count(self, samples: list[dict[str, Any]]) -> int:
        return sum(sum(sample["rows"][0][1][1:]) for sample in samples)

    def get_loss(self, model: Any, *batch: Any) -> tuple[Any, list[Any]]:
        import mlx.core as mx

        ids, mask, *pixels = batch
        logps, logits = get_logps(model, ids, mask, *pixels)
        count = mx.maximum(mask[:, 1:].sum(), 1)
        right = ((logits.argmax(-1) == ids[:, 1:]) * mask[:, 1:]).sum() / count
        return -logps.sum() / count, [right]


class Seen(Tokens):
    """vision_sft: the same over the answers of rows with images, the arrays made by the model's own processor as TRL's collator makes them."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.eyes = Eyes(context)

    def encode(self, rows: list[Any]) -> list[dict[str, Any]]:
        return [
            {"rows": [self.eyes.encode(row)], "images": row["images"]} for row in vision_sft.render(self.context, rows)
        ]

    def get_order(self, samples: list[dict[str, Any]], epoch: int) -> list[int]:
        """As with TRL, whose collator makes the tokens: to its sampler all rows are of the same length."""
        return super().get_order([{"rows": []}] * len(samples), epoch)

    def collate(self, samples: list[dict[str, Any]]) -> tuple[Any, ...]:
        """Ids and mask, and the images of all rows one after the other, or None: the model finds their places by the token of images."""
        import mlx.core as mx
        import numpy

        images = [self.eyes.get_pixels(sample["images"]) for sample in samples if sample["images"]]
        pixels = (
            mx.array(numpy.concatenate(images)[None]).astype(
                self.context.model.vision_model.post_layernorm.weight.dtype
            )
            if images
            else None
        )
        return (*super().collate(samples), pixels)


class Pairs(Objective):
    """What dpo, orpo and simpo share: a sample is the chosen row and the rejected one."""

    NAMES: tuple[str, ...] = (
        "rewards/chosen",
        "rewards/rejected",
        "rewards/accuracies",
        "rewards/margins",
        "logps/chosen",
        "logps/rejected",
    )

    def encode(self, rows: list[Any]) -> list[dict[str, Any]]:
        result = []
        for pair in encode_pairs(self.context, rows):
            prompt = pair["prompt_ids"]
            sides = [pair["chosen_ids"], pair["rejected_ids"]]
            result.append({"rows": [([*prompt, *side], [False] * len(prompt) + [True] * len(side)) for side in sides]})
        return result

    def get_halves(self, model: Any, ids: Any, mask: Any) -> tuple[Any, ...]:
        """Log likelihood of the answers by token [pairs, length], chosen and rejected, their masks, and the logits of both."""
        import mlx.core as mx

        logps, logits = get_logps(model, ids, mask)
        return (*mx.split(logps, 2), *mx.split(mask[:, 1:], 2), logits)

    def emit(self, chosen_reward: Any, rejected_reward: Any, chosen_logps: Any, rejected_logps: Any) -> list[Any]:
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

    def get_loss(self, model: Any, *batch: Any) -> tuple[Any, list[Any]]:
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
        return value, self.emit(beta * up, beta * down, chosen, rejected)


class Orpo(Pairs):
    """Odds ratio preference optimization: plain learning of the chosen row, prompt included, beside the odds of both answers."""

    NAMES = (*Pairs.NAMES, "nll_loss", "log_odds_ratio", "log_odds_chosen")

    def get_loss(self, model: Any, *batch: Any) -> tuple[Any, list[Any]]:
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
        told = self.emit(beta * chosen, beta * rejected, chosen, rejected)
        return likelihood - beta * ratio.mean(), [*told, likelihood, ratio.mean(), odds.mean()]

    def collate(self, samples: list[dict[str, Any]]) -> tuple[Any, ...]:
        import mlx.core as mx

        ids, mask = super().collate(samples)
        whole = pad(
            [(row[0], [True] * len(row[0])) for n in range(2) for row in (sample["rows"][n] for sample in samples)]
        )[1]
        return ids, mask, mx.array(whole)


class Simpo(Pairs):
    """Simple preference optimization: likelihood for each token of the answer, and a margin."""

    NAMES = (*Pairs.NAMES, "nll_loss")

    def get_loss(self, model: Any, *batch: Any) -> tuple[Any, list[Any]]:
        import mlx.core as mx
        import mlx.nn as nn

        by_token, by_token_rejected, mask_chosen, mask_rejected, _ = self.get_halves(model, *batch)
        chosen, rejected = by_token.sum(1) / mask_chosen.sum(1), by_token_rejected.sum(1) / mask_rejected.sum(1)
        beta = self.options.beta
        value = -nn.log_sigmoid(beta * (chosen - rejected) - self.options.gamma).mean()
        likelihood = -by_token.sum() / mask_chosen.sum() if self.options.sft_weight else mx.array(0.0)
        return value + self.options.sft_weight * likelihood, [
            *self.emit(beta * chosen, beta * rejected, chosen, rejected),
            likelihood,
        ]


class Kto(Objective):
    """Kahneman-Tversky optimization: against the untrained model, whose distance is estimated from answers to other prompts."""

    NAMES = ("good", "bad", "rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected", "kl")
    REFERENCE = True

    def encode(self, rows: list[Any]) -> list[dict[str, Any]]:
        found = kto.encode(self.context, rows)
        if rows is self.context.train:
            random.Random(self.train.seed).shuffle(found)
            self.good_weight = kto.get_good_weight(self.context, found)
        result = []
        for row in kto.add_mismatched(found, self.train.batch_size):
            prompt = row["prompt_ids"]
            answers = [row["completion_ids"], row["KL_completion_ids"]]
            result.append(
                {
                    "rows": [([*prompt, *answer], [False] * len(prompt) + [True] * len(answer)) for answer in answers],
                    "label": bool(row["label"]),
                }
            )
        return result

    def get_order(self, samples: list[dict[str, Any]], epoch: int) -> list[int]:
        return list(range(len(samples)))  # neighbours are each other's mismatch

    def collate(self, samples: list[dict[str, Any]]) -> tuple[Any, ...]:
        import mlx.core as mx

        return (*super().collate(samples), mx.array([float(sample["label"]) for sample in samples]))

    def get_loss(self, model: Any, *batch: Any) -> tuple[Any, list[Any]]:
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

    def finish(self, told: list[float]) -> dict[str, float]:
        values = dict(zip(self.NAMES, told, strict=True))
        shares = {"chosen": values.pop("good"), "rejected": values.pop("bad")}
        for name in [name for name in values if "/" in name]:
            share = shares[name.split("/")[1]]
            values[name] = values[name] / share if share else float("nan")
        if all(shares.values()):
            values["rewards/margins"] = values["rewards/chosen"] - values["rewards/rejected"]
        return {name: value for name, value in values.items() if value == value}


OBJECTIVES: dict[str, type[Objective]] = {
    "sft": Tokens,
    "cpt": Tokens,
    "vision_sft": Seen,
    "dpo": Dpo,
    "orpo": Orpo,
    "simpo": Simpo,
    "kto": Kto,
}


def pad(rows: list[tuple[list[int], list[bool]]]) -> tuple[Any, Any]:
    """Ids and mask [rows, length], filled up on the right; the length is a multiple of PAD_TO, and one more for the shift."""
    import numpy

    length = 1 + PAD_TO * -(-(max(len(ids) for ids, _ in rows) - 1) // PAD_TO)
    ids, mask = numpy.zeros((len(rows), length), numpy.int32), numpy.zeros((len(rows), length), numpy.float32)
    for n, (tokens, trained) in enumerate(rows):
        ids[n, : len(tokens)], mask[n, : len(tokens)] = tokens, trained
    return ids, mask


def get_logps(model: Any, ids: Any, mask: Any, *more: Any) -> tuple[Any, Any]:
    """Log likelihood of each next token [rows, length - 1], 0 where the mask is; and the logits in float32. ``more``: what the model takes beside ids."""
    import mlx.core as mx
    import mlx.nn as nn

    found = model(ids[:, :-1], *more)
    logits = getattr(found, "logits", found).astype(mx.float32)  # mlx-vlm's models wrap theirs
    return -nn.losses.cross_entropy(logits, ids[:, 1:], reduction="none") * mask[:, 1:], logits


def count_tokens(sample: dict[str, Any]) -> int:
    """Tokens of all rows of a sample."""
    return sum(len(ids) for ids, _ in sample["rows"])


def get_objective(context: Any) -> Objective:
    """The objective of the context's method. Raises GaslampError for one that MLX does not train."""
    name = context.settings.method
    if name not in OBJECTIVES:
        raise GaslampError(
            f"MLX does not train with the method '{name}'",
            f"set method to one of: {', '.join(OBJECTIVES)}; or use snakemake --profile mps",
        )
    return OBJECTIVES[name](context)
