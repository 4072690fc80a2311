"""What a backend is given to train, and what it hands back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.preset_layers import TARGET_ROWS, count_epochs
from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.core.decisions import Decision
from gaslamp.core.errors import GaslampError
from gaslamp.data.rows import Row
from gaslamp.models.template import Renderer
from gaslamp.train.lora import describe_separation
from gaslamp.train.problems import PlannedRun, find_run_problems

if TYPE_CHECKING:
    from gaslamp.train.autotune import Choice
    from gaslamp.train.pruning import Pruner


@dataclass
class Plan:
    """All that a backend needs to train: nothing of Snakemake, nothing of the config file."""

    model: ModelFacts
    template: Template
    settings: Slice  # backend, method, train; nulls are filled with the method's preset
    renderer: Renderer
    train: list[Row]  # of the method's first kind
    valid: list[Row]
    folder: Path  # of the rows: image paths in them are relative to it
    checkpoints: Path  # folder of this combination of data and settings; the backend owns what is inside
    save_request: Path  # touch this file to get a checkpoint now
    metrics: Path  # the metrics.jsonl; trackers write into the same folder
    adapters: Path  # folder to write the finished adapter (or, with train.adapter none, the whole model) to
    resume: Path | None  # checkpoint to resume from
    decisions: list[Decision]  # automatic choices before the backend took over
    lengths: list[int] = field(default_factory=list)  # tokens of each training row, once the backend knows them
    card: Path | None = None  # card.json of the data phase
    pruner: Pruner | None = None  # of a point of a sweep, where one is set
    choice: Choice | None = None  # where the backend chose what the config left open


@dataclass
class Result:
    """What a backend hands back after the last step."""

    device: str
    dtype: str
    steps: int
    epochs: float
    peak_memory_gb: float
    trainable_parameters: int
    train_rows: int
    trained_tokens: int  # that carry loss in one epoch; 0 where no token does (a reward decides)
    decisions: list[Decision] = field(default_factory=list)
    probe: dict[str, float] = field(default_factory=dict)


def choose_epochs(plan: Plan) -> Decision:
    """Epochs of the training: a number, or how many ``max_steps`` takes."""
    train = plan.settings.train
    if train.max_steps:
        return Decision(name="epochs", value="as many as max_steps takes")
    reason = (
        f"config or preset of {plan.settings.method}"
        if train.epochs
        else f"until {TARGET_ROWS} rows were seen, 5 at most"
    )
    epochs = get_epochs(plan)
    return Decision(name="epochs", value=int(epochs) if epochs.is_integer() else epochs, reason=reason)


def get_epochs(plan: Plan) -> float:
    """Epochs of the training, by its settings and its rows."""
    return count_epochs(plan.settings.train.epochs, len(plan.train))


def check_run(plan: Plan, steps: int) -> None:
    """Look for problems that show only when rows and steps are counted; warnings are logged.

    Raises:
        GaslampError: with all problems that stop the training.
    """
    run = PlannedRun(plan.settings, parameters=plan.model.parameters, rows=len(plan.train), steps=steps)
    problems = find_run_problems(run)
    if text := describe_separation(plan.settings.dump()["train"], Path(plan.model.path)):
        say(text)
    for problem in problems:
        if not problem.blocking:
            say(f"warning: {problem.cause}; {problem.fix}")
    if blocking := [problem for problem in problems if problem.blocking]:
        raise GaslampError(
            "; ".join(problem.cause for problem in blocking), "; ".join(problem.fix for problem in blocking)
        )
