"""The section ``diagnose``: from when on something is a finding, and whether a certain one ends a training."""

from __future__ import annotations

from pydantic import Field

from gaslamp.config.sections.fields import Number, Section


class AnswerLimits(Section):
    """The section ``diagnose.answers``: from when on something about the answers of an evaluation is a finding."""

    one_answer: Number = Field(0.9, gt=0, le=1, description="Share of rows with one answer.")
    class_seen: int = Field(3, ge=1, description="Test rows of a class that is never found.")
    class_rows: int = Field(10, ge=1, description="Training rows that a class should have.")
    empty_share: Number = Field(0.02, ge=0, lt=1, description="Share of empty answers.")
    cut_share: Number = Field(0.05, ge=0, lt=1, description="Share of answers that are cut at the limit.")
    repeat_share: Number = Field(
        0.02, ge=0, lt=1, description="Share of answers that repeat one piece until the limit."
    )
    format_share: Number = Field(0.05, ge=0, lt=1, description="Share of answers that are not of the wanted form.")
    language_share: Number = Field(0.1, ge=0, lt=1, description="Share of answers in another language.")
    copied_share: Number = Field(0.05, ge=0, lt=1, description="Share of wrong answers that are training answers.")
    other_task_share: Number = Field(
        0.25, ge=0, lt=1, description="Share of general questions that are answered as if they were of this task."
    )
    near_share: Number = Field(0.1, gt=0, le=1, description="Share of test rows that nearly repeat a training row.")
    judge_share: Number = Field(
        0.4, ge=0, lt=1, description="Share of pairs that a judge model decides by their place, or unlike a person."
    )
    marker_share: Number = Field(
        0.02, ge=0, lt=1, description="Share of answers with borders of turns: special tokens, lines such as User:."
    )
    thought_share: Number = Field(0.05, ge=0, lt=1, description="Share of answers with tags of thoughts, as <think>.")
    echo_share: Number = Field(0.1, ge=0, lt=1, description="Share of answers that begin with the question.")
    preamble_share: Number = Field(
        0.5, gt=0, lt=1, description="Share of answers that open in a way that references do not."
    )
    short_times: Number = Field(
        0.6, gt=0, lt=1, description="Median length of an answer over its reference up to which answers are too short."
    )
    long_times: Number = Field(
        2.0, gt=1, description="Median length of an answer over its reference from which answers are too long."
    )
    swapped_share: Number = Field(
        0.7, gt=0.5, le=1, description="Share of the rows of a class that are answered as the class it is swapped with."
    )
    order_share: Number = Field(
        0.02, ge=0, lt=1, description="Share of answers that name the right labels in another order."
    )
    slice_share: Number = Field(0.8, gt=0.5, le=1, description="Share of the gain that one part of the rows carries.")


class Diagnose(Section):
    """The section ``diagnose``. Nothing here changes a result, except that a training ends early."""

    stop: bool = Field(
        True,
        description="End a training early when a finding is certain (a gradient or a reward that never changes): the "
        "checkpoint is kept.",
    )
    constant_steps: int = Field(
        20, ge=3, le=10000, description="Steps with a gradient of 0, or with equal rewards, before that is certain."
    )
    loss_fall: Number = Field(0.02, ge=0, lt=1, description="Share by which the loss must fall to count as learning.")
    loss_rise: Number = Field(
        0.2, gt=0, le=100, description="Share by which the training loss rises and stays before it is a finding."
    )
    valid_rise: Number = Field(
        0.1, gt=0, le=100, description="Share by which the validation loss rises above its lowest value: overfitting."
    )
    overfit_gap: Number = Field(
        3.0, gt=1, le=1000, description="Validation loss over training loss from which the rows count as memorized."
    )
    still_falling: Number = Field(
        0.05, gt=0, lt=1, description="Fall of the loss in the last fifth of the steps: more steps would have helped."
    )
    gradient_norm: Number = Field(100.0, gt=0, description="Median gradient norm from which the gradient explodes.")
    kl: Number = Field(10.0, gt=0, description="Median KL divergence from the starting model, in nats a token.")
    cut_share: Number = Field(
        0.5, gt=0, le=1, description="Share of sampled answers that reach the limit before they end by themselves."
    )
    length_growth: Number = Field(
        2.0, gt=1, le=1000, description="Growth of sampled answers, as the reward rises, that looks like a trick."
    )
    chosen_fall: Number = Field(
        0.5, gt=0, le=100, description="Share by which the log-probability of chosen answers falls."
    )
    answers: AnswerLimits = Field(  # type: ignore[arg-type]
        default_factory=AnswerLimits, description="From when on something about the answers is a finding."
    )
