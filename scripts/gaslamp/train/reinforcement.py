"""What the methods that learn from rewards share: rows, settings, rewards, samples, and GRPO's trainer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from gaslamp.config.backends import can_sample_with_vllm
from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.data.rows import Row
from gaslamp.train.method import Context
from gaslamp.train.preference import find_prompt_problems
from gaslamp.train.problems import PlannedRun, Problem
from gaslamp.train.reward_runner import RewardFunction, Scorer, load_rewards
from gaslamp.train.types import Columns, Trainer, TrainSettings

KINDS = ("prompt",)
NEEDS = "prompts, and rewards that can judge an answer (prompt, often with answer; train.rewards)"
TITLE = "reinforcement learning"
REFERENCE = True
PANELS = ("reward", "kl", "length", "loss", "clipped", "token_accuracy", "entropy", "reward:*")
MAIN_PANELS = ("reward", "kl", "length", "loss")
REFERENCE_LABEL = "answer to compare with"
METRICS = (
    "loss",
    "reward",
    "reward_std",
    "frac_reward_zero_std",
    "entropy",
    "completions/mean_length",
    "completions/clipped_ratio",
    "clip_ratio/region_mean",
    "grad_norm",
)
PRESET = {"learning_rate": 5e-6, "batch_size": 8, "gradient_accumulation": 4, "epochs": 1, "max_length": 1024}
"""8 completions of one prompt in a forward pass, 4 prompts a step: elsewhere batch 1, accumulation 4, generations 8."""
BY_SIZE = {15: {"learning_rate": 2e-6}}

LEAST_PARAMETERS, LEAST_ROWS, WANTED_ROWS, WANTED_STEPS = 1_500_000_000, 10, 500, 300


class SamplingTrainer(Trainer, Protocol):
    """What is used of GRPOTrainer and RLOOTrainer besides what every trainer has."""

    beta: float
    max_completion_length: int
    current_gradient_accumulation_steps: int
    _row_tools: list[Any]

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, object]]: ...


def validate(row: Row) -> list[str]:
    """What is wrong with one ``prompt`` row, as short phrases; empty when nothing is."""
    return find_prompt_problems(row["prompt"])


def find_setting_problems(train: TrainSettings) -> list[tuple[tuple[str, ...], str]]:
    """What cannot work in a ``train`` section whose nulls are filled: (path below train, message).

    Checked with the config.
    """
    problems: list[tuple[tuple[str, ...], str]] = []
    if not train.rewards:
        problems.append(
            (
                ("rewards",),
                "nothing would be rewarded: list at least one, such as {name: exact_answer}; docs/rewards.md has all",
            )
        )
    problems += [
        ((key,), "methods that learn from rewards measure no validation loss: leave it at its default")
        for key, value, default in (("keep", train.keep, "last"), ("patience", train.patience, None))
        if value != default
    ]
    group, batch = train.options.get("num_generations"), train.batch_size * train.gradient_accumulation
    if group and batch % group:
        problems.append(
            (
                ("options", "num_generations"),
                f"batch_size {train.batch_size} x gradient_accumulation {train.gradient_accumulation} = "
                f"{batch} completions in a step do not divide into groups of {group}",
            )
        )
    return problems


def find_run_problems(run: PlannedRun) -> Iterator[Problem]:
    """What makes learning from rewards unlikely to work; too few prompts stop it."""
    with_vllm = run.settings is not None and getattr(run.options, "fast_inference", False)
    if with_vllm and not can_sample_with_vllm(run.settings.backend):
        yield Problem(
            True,
            f"train.options.fast_inference samples with vLLM, which the backend {run.settings.backend} does not have",
            "set it to false, or use snakemake --profile cuda",
        )
    if run.parameters is not None and run.parameters < LEAST_PARAMETERS:
        size = f"{run.parameters / 1e9:.2f} billion parameters, below {LEAST_PARAMETERS / 1e9:g}"
        yield Problem(
            False,
            f"the model has {size}: rewards teach it format and short answers, hardly reasoning",
            "take a larger model, or sft first on worked examples",
        )
    if run.rows is not None and run.rows < LEAST_ROWS:
        yield Problem(
            True,
            f"{run.rows} prompts to train on, at least {LEAST_ROWS} are needed",
            "add prompts: they need no answers where a reward can score without one",
        )
    elif run.rows is not None and run.rows < WANTED_ROWS:
        yield Problem(
            False,
            f"{run.rows} prompts, below {WANTED_ROWS}: the model sees the same ones again and again",
            "add prompts",
        )
    if run.steps is not None and run.steps < WANTED_STEPS:
        yield Problem(
            False,
            f"{run.steps} steps, below {WANTED_STEPS}: rewards have mostly not changed yet by then",
            "raise train.epochs or train.max_steps",
        )


def get_samples(context: Context, rows: list[Row]) -> list[Columns]:
    """Rows of a data set for TRL: the prompt as messages, and the whole row as JSON for rewards.

    Too long prompts are left out.
    """
    result: list[Columns] = []
    for row in rows:
        if (
            len(context.renderer.encode_prompt(row["prompt"], row.get("tools"))) + context.options.max_completion_length
            <= context.settings.train.max_length
        ):
            result.append({"prompt": row["prompt"], "row": json.dumps(row, ensure_ascii=False)})
    if rows and not result:
        raise GaslampError(
            f"no prompt leaves room for {context.options.max_completion_length} tokens of completion within "
            f"train.max_length {context.settings.train.max_length}",
            "raise train.max_length, or lower train.options.max_completion_length",
        )
    return result


def prepare(context: Context) -> tuple[list[Columns], list[RewardFunction], list[float]]:
    """Rows, reward functions and weights for a TRL trainer that generates; validation is switched off."""
    samples = get_samples(context, context.train)
    rewards = load_rewards(context.settings.dump()["train"]["rewards"])
    scorer = Scorer(rewards)
    context.arguments["eval_strategy"] = (
        "no"  # a validation loss means nothing here, and would cost as much as training
    )
    return samples, scorer.get_functions(), [reward.weight for reward in rewards]


def get_group_trainer(context: Context, trainer_class: type, config_class: type, **own: object) -> Trainer:
    """A trainer of TRL that compares completions of one prompt (GRPO, RLOO), with our prompts, rewards and samples.

    Args:
        context: with options that are GroupSettings.
        trainer_class, config_class: of TRL.
        own: arguments of that config alone.
    """
    options = context.options
    samples, functions, weights = prepare(context)
    arguments = {
        **context.arguments,
        **own,
        "num_generations": options.num_generations,
        "max_completion_length": options.max_completion_length,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "reward_weights": weights,
        "remove_unused_columns": False,
    }
    return context.make_trainer(
        add_samples(trainer_class, context), config_class(**arguments), samples, [], reward_funcs=functions
    )


def get_grpo_trainer(context: Context, **own: object) -> Trainer:
    """TRL's GRPOTrainer with the options of GrpoSettings.

    Args:
        context: of the run.
        own: the loss, and other arguments of the variant.
    """
    from trl import GRPOConfig, GRPOTrainer

    options = context.options
    common = {
        "beta": options.beta,
        "epsilon": options.epsilon,
        "epsilon_high": options.epsilon_high,
        "num_iterations": options.num_iterations,
        "scale_rewards": "group" if options.scale_rewards else "none",
        "mask_truncated_completions": options.mask_truncated,
    }
    return get_group_trainer(context, GRPOTrainer, GRPOConfig, **common, **own)


def add_samples(trainer_class: type, context: Context) -> type:
    """A subclass of GRPOTrainer or RLOOTrainer with our prompts, order and samples.

    The recorded template renders prompts. Their order depends on seed and epoch alone: TRL's depends on the forward
    passes that this process made, so that a resume got other prompts. Samples are written as events.
    """

    class Sampling(trainer_class):  # type: ignore[misc]
        def _get_train_sampler(self, dataset: Any = None) -> Any:
            sampler = super()._get_train_sampler(dataset)
            sampler.set_epoch = lambda epoch: sampler.generator.manual_seed(self.args.seed + epoch)
            return sampler

        def _generate_and_score_completions(self, inputs: Any) -> Any:
            self._row_tools = [json.loads(example["row"]).get("tools") for example in inputs]
            return super()._generate_and_score_completions(inputs)

        def _tokenize_prompts(self, prompts: Any) -> Any:
            ids = [
                context.renderer.encode_prompt(prompt, tools)
                for prompt, tools in zip(prompts, self._row_tools, strict=True)
            ]
            return ids, None, {}

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            super().log(logs, start_time)
            if "loss" in logs and is_sample_step(context, self.state.global_step):
                scores = {name: list(values) for name, values in self._logs["rewards"].items()}
                emit_samples(
                    context,
                    list(self._logs["prompt"]),
                    list(self._logs["completion"]),
                    scores,
                    self.reward_weights.tolist(),
                )

    Sampling.__name__ = trainer_class.__name__
    return Sampling


def is_sample_step(context: Context, step: int) -> bool:
    """Whether samples are logged at this step."""
    return step == 1 or step % context.options.show_steps == 0


def emit_samples(
    context: Context, prompts: list[str], completions: list[str], scores: dict[str, list[float]], weights: list[float]
) -> None:
    """Write ``train.options.show`` completions into the events and the log: the best, the worst, and ranks in between.

    Args:
        context: of the run.
        prompts, completions: of one step, as text.
        scores: label of each reward -> one score for each completion.
        weights: of the rewards, in the same order.
    """
    totals = [sum(w * v for w, v in zip(weights, values, strict=True)) for values in zip(*scores.values(), strict=True)]
    ranked = sorted(range(len(totals)), key=lambda n: totals[n], reverse=True)
    count = min(context.options.show, len(ranked))
    picked = [ranked[round(n * (len(ranked) - 1) / max(1, count - 1))] for n in range(count)]
    for n in picked:
        own = {name: round(values[n], 4) for name, values in scores.items()}
        context.emit("sample", prompt=prompts[n], completion=completions[n], scores=own, reward=round(totals[n], 4))
        shown = " ".join(completions[n].split())
        listed = ", ".join(f"{name} {value:g}" for name, value in own.items())
        say(f"sample with reward {totals[n]:.3f} ({listed}): {shown[:160]}{' ...' if len(shown) > 160 else ''}")


def get_probe_batch(trainer: SamplingTrainer, rows: list[Columns]) -> Columns | None:
    """The largest batch that GRPO's or RLOO's loss takes: the longest prompt, completions as long as they may become.

    Nothing is generated: the completions are the prompt's last token, repeated.
    """
    import torch

    prompts = trainer.train_dataset["row"]
    trainer._row_tools = [json.loads(row).get("tools") for row in prompts]
    every = trainer._tokenize_prompts([json.loads(row)["prompt"] for row in prompts])[0]
    ids = max(every, key=len)
    size, length = trainer.args.per_device_train_batch_size, trainer.max_completion_length
    prompt = torch.tensor([ids] * size)
    completion = torch.full((size, length), ids[-1])
    batch = {
        "prompt_ids": prompt,
        "prompt_mask": torch.ones_like(prompt),
        "completion_ids": completion,
        "completion_mask": torch.ones_like(completion),
        "advantages": torch.linspace(-1, 1, size),
        "old_logps": torch.zeros(size),
        "num_items_in_batch": torch.tensor(float(size * length)),
    }
    if trainer.beta:
        batch["ref_per_token_logps"] = torch.zeros(size, length)
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    return batch
