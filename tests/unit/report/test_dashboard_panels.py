"""Charts: every method has its own, and says what is healthy."""

from __future__ import annotations

from pathlib import Path

import pytest
from gaslamp.core import registry
from gaslamp.core.events import Events
from gaslamp.report.dashboard.charts import choose_panels
from gaslamp.report.dashboard.panels import EACH_REWARD, PANELS, get_panels
from gaslamp.report.dashboard.snapshot import get_snapshot
from gaslamp.report.methods import describe_method
from screen_events import read, start, step

TASKS = [
    ("sft", {"token_accuracy": 0.5}, ["loss", "token_accuracy"]),
    (
        "orpo",
        {"rewards/chosen": 1.0, "rewards/rejected": 0.5, "rewards/margins": 0.5, "rewards/accuracies": 0.8},
        ["loss", "preference", "margin", "accuracy"],
    ),
    ("kto", {"rewards/chosen": 1.0, "rewards/rejected": 0.5, "kl": 0.1}, ["loss", "preference", "kl"]),
    (
        "dr_grpo",
        {
            "reward": 0.5,
            "reward_std": 0.1,
            "kl": 0.1,
            "completions/mean_length": 30.0,
            "rewards/correct/mean": 0.3,
            "rewards/correct/std": 0.1,
            "rewards/form/mean": 0.2,
        },
        ["loss", "reward", "kl", "length", "reward:correct", "reward:form"],
    ),
    ("reward", {"accuracy": 0.6, "margin": 0.2, "mean_reward": 0.1}, ["loss", "rm_accuracy", "rm_margin", "rm_range"]),
    ("vision_sft", {}, ["loss"]),
]


@pytest.mark.parametrize(("method", "values", "expected"), TASKS, ids=[case[0] for case in TASKS])
def test_every_task_has_its_panels(
    project: Path, events: Events, method: str, values: dict[str, float], expected: list[str]
) -> None:
    start(events, method=method)
    for number in range(1, 9):
        step(events, number, **values)
    training = read(project).find("main")
    assert training is not None
    panels = {panel.id: panel for panel in get_panels(training)}
    assert [name for name in panels if name not in ("learning_rate", "grad_norm", "speed", "memory")] == expected
    assert {"learning_rate", "grad_norm", "speed", "memory"} <= set(panels)
    if method == "dr_grpo":
        assert panels["reward"].curves[0].sigma == "reward_std" and panels["reward:form"].curves[0].sigma is None


@pytest.mark.parametrize("method", registry.names("methods"))
def test_a_method_names_charts_that_exist(method: str) -> None:
    text = describe_method(method)
    assert set(text.panels) - {EACH_REWARD} <= set(PANELS) and set(text.main_panels) <= set(PANELS)


def test_rewards_of_online_dpo_have_a_chart(project: Path, events: Events) -> None:
    start(events, method="online_dpo")
    for number in range(1, 9):
        step(events, number, **{"objective/scores": 0.1 * number, "objective/kl": 0.2})
    training = read(project).find("main")
    assert training is not None
    panels = {panel.id: panel for panel in get_panels(training)}
    assert panels["reward"].curves[0].name == "objective/scores" and panels["kl"].curves[0].name == "objective/kl"
    assert [panel.id for panel in choose_panels(training)] == ["reward", "kl", "loss", "learning_rate"]
    assert "watch the reward" in panels["loss"].about and panels["loss"].hint.level == "ok"


def test_a_method_of_another_version_is_shown(project: Path, events: Events) -> None:
    start(events, method="of_tomorrow")
    step(events, 1)
    training = read(project).find("main")
    assert training is not None
    head = get_snapshot(training)["head"]
    assert head["task"] == "of_tomorrow" and [panel["id"] for panel in head["panels"]][0] == "loss"
