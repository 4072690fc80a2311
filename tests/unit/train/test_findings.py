"""train/findings: recorded and made series, each ill one with its finding by name, each healthy one with none."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core import registry
from gaslamp.core.finding import Finding
from gaslamp.train.diagnose import diagnose, get_plugins
from gaslamp.train.history import History, build_history, get_smoothed, get_windows

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"
LIMITS = Diagnose()
SETTINGS = {
    "learning_rate": 2e-4,
    "warmup_steps": 5,
    "keep": "last",
    "max_steps": None,
    "max_length": 1024,
    "adapter": "lora",
    "options": {"beta": 0.1, "sft_weight": 0.0, "temperature": 1.0, "max_completion_length": 64},
}


def fall(count: int, first: float, last: float, noise: float = 0.05) -> list[float]:
    """A loss that falls fast and then flattens, with an even noise that is the same every time."""
    return [last + (first - last) * math.exp(-5 * n / count) + noise * math.sin(7 * n) for n in range(count)]


def make(
    losses: list[float],
    valid: list[float] | None = None,
    method: str = "sft",
    epochs: float = 3,
    more: dict[str, list[float]] | None = None,
    done: bool = True,
    **settings: Any,
) -> History:
    """The history of a training: one loss a step, validation points evenly spread from the first step on."""
    steps = len(losses)
    history = History(
        method, SETTINGS | settings, max_steps=steps if done else 2 * steps, rows=steps, epochs=epochs, trainable=9
    )
    places = {round(n * steps / max(1, len(valid or []) - 1)): value for n, value in enumerate(valid or [])}
    for n in range(steps + 1):
        if n:
            own = {name: values[n - 1] for name, values in (more or {}).items()}
            norm = {"grad_norm": 1.0} | own
            history.add({"event": "step", "step": n, "loss": losses[n - 1], "epoch": n / steps * epochs, **norm})
        if n in places:
            history.add({"event": "eval", "step": n, "valid_loss": places[n]})
    return history


def find(history: History) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnose(history, LIMITS)}


def spike(values: list[float], every: int = 7, height: float = 2.0) -> list[float]:
    """Rows of rehearsal among the others: their loss is high, and they come again and again."""
    return [value + height * (n % every == every - 1) for n, value in enumerate(values)]


UP = [2.0, 1.4, 1.1, 1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]
DOWN = [2.0, 1.5, 1.2, 1.05, 0.95, 0.9, 0.87, 0.85, 0.84, 0.835, 0.83]
RISING = [0.2 + 0.008 * n for n in range(100)]
ZERO = [0.0] * 100

HEALTHY: dict[str, History] = {
    "sft, falls and flattens": make(fall(100, 2.0, 0.8), DOWN),
    "sft, without validation rows": make(fall(100, 2.0, 0.8)),
    "sft, rehearsal rows spike": make(spike(fall(100, 2.0, 0.3)), DOWN),
    "sft, rehearsal row at the very end": make([*fall(99, 2.0, 0.3), 4.0], DOWN),
    "sft, one bad row": make([*fall(60, 2.0, 0.8)[:59], 30.0, *fall(40, 0.8, 0.7)], DOWN),
    "sft, validation wobbles": make(fall(100, 2.0, 0.8), [2.0, 1.2, 1.0, 0.9, 0.95, 0.88, 0.93, 0.9, 0.89, 0.91, 0.9]),
    "sft, known already": make([0.05] * 100, [0.05] * 11),
    "sft, only begun": make([2.0] * 12, [2.0] * 2, done=False),
    "sft, flat in a long warm-up": make([2.0] * 40, [2.0] * 3, done=False, warmup_steps=30),
    "sft, easy and hard rows by turns": make([0.2 if (n * n) % 7 < 3 - n // 60 else 1.4 for n in range(120)]),
    "dpo, both fall a little": make(
        fall(100, 0.69, 0.3),
        method="dpo",
        more={"logps/chosen": [-100 - 0.2 * n for n in range(100)], "logps/rejected": [-120.0 - n for n in range(100)]},
    ),
    "grpo, its loss rises, its reward too": make(
        [0.001 * n for n in range(100)],
        method="grpo",
        more={
            "reward": RISING,
            "reward_std": [0.3] * 100,
            "frac_reward_zero_std": [0.1] * 100,
            "kl": [0.01 * n for n in range(100)],
            "completions/mean_length": [60 + 5 * math.sin(n) for n in range(100)],
            "completions/clipped_ratio": [0.1] * 100,
        },
    ),
    "online_dpo, the KL of long answers": make(
        fall(100, 0.69, 0.5),
        method="online_dpo",
        more={"objective/scores": RISING, "objective/kl": [0.4 * n for n in range(100)]},
        options={"max_completion_length": 256},
    ),
    "grpo, solved": make(
        ZERO,
        method="grpo",
        more={
            "reward": [0.3] * 40 + [1.0] * 60,
            "reward_std": [0.4] * 40 + [0.0] * 60,
            "frac_reward_zero_std": [0.2] * 40 + [1.0] * 60,
            "grad_norm": [0.5] * 40 + [0.0] * 60,
        },
    ),
    "grpo, no reward in the first steps": make(
        ZERO[:30],
        method="grpo",
        more={"reward": [0.0] * 25 + [0.1] * 5, "reward_std": [0.0] * 25 + [0.2] * 5},
    ),
}

ILL: dict[str, tuple[History, str, dict[str, Any]]] = {
    "NaN": (
        make([2.0, 1.9, math.nan]),
        "not_a_number",
        {"severity": "certain", "step": 3, "changes": {"train.learning_rate": 6.7e-5, "train.warmup_steps": 20}},
    ),
    "infinite": (make([math.inf]), "not_a_number", {"severity": "certain", "step": 1}),
    "gradient 0": (
        make([2.0] * 25, more={"grad_norm": [0.0] * 25}, done=False),
        "zero_gradient",
        {"severity": "certain", "figures": {"steps": 25.0}},
    ),
    "gradient 0, short": (make([2.0] * 6, more={"grad_norm": [0.0] * 6}), "zero_gradient", {}),
    "gradient explodes": (
        make([2.0] * 100, more={"grad_norm": [2.0] * 50 + [500.0] * 50}),
        "exploding_gradient",
        {"changes": {"train.learning_rate": 6.7e-5}},
    ),
    "rate far too low": (
        make([2.0 + 0.05 * math.sin(7 * n) for n in range(60)], [2.0] * 11, learning_rate=1e-7),
        "flat_loss",
        {"severity": "likely", "changes": {"train.learning_rate": 1e-3}},
    ),
    "flat without validation rows": (make([0.69] * 60, method="dpo", learning_rate=5e-6), "flat_loss", {}),
    "rate too high": (
        make(fall(50, 2.0, 1.0) + [6.0] * 50, [2.0, 1.2, 1.0, 1.0, 1.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0]),
        "loss_rises",
        {"severity": "likely"},
    ),
    "overfitting": (
        make(fall(100, 2.0, 0.05), UP, epochs=60),
        "overfitting",
        {"severity": "likely", "step": 30, "changes": {"train.epochs": 18, "train.keep": "best"}},
    ),
    "overfitting with rehearsal rows": (make(spike(fall(100, 2.0, 0.05)), UP, epochs=60), "overfitting", {}),
    "overfitting by steps": (
        make(fall(100, 2.0, 0.05), UP, max_steps=100),
        "overfitting",
        {"changes": {"train.max_steps": 30, "train.keep": "best"}},
    ),
    "memorized": (
        make(fall(100, 6.0, 0.29), [6.31, 3.0, 2.0, 1.6, 1.5, 1.45, 1.42, 1.4, 1.39, 1.38, 1.37], epochs=60),
        "memorized",
        {"severity": "hint", "changes": {"train.epochs": 30, "train.keep": "best"}},
    ),
    "too few steps": (
        make(fall(30, 2.0, 1.0), [2.0 - 0.1 * n for n in range(11)], epochs=1),
        "too_few_steps",
        {"severity": "hint", "changes": {"train.epochs": 2}},
    ),
    "reward never": (
        make(ZERO, method="grpo", more={"reward": ZERO, "reward_std": ZERO, "completions/clipped_ratio": ZERO}),
        "constant_reward",
        {"severity": "certain", "changes": {"train.options.temperature": 1.2}},
    ),
    "reward never, answers cut": (
        make(ZERO, method="grpo", more={"reward": ZERO, "reward_std": ZERO, "completions/clipped_ratio": [1.0] * 100}),
        "constant_reward",
        {"changes": {"train.options.max_completion_length": 256}},
    ),
    "groups without a spread": (
        make(
            ZERO,
            method="grpo",
            more={"reward": RISING, "reward_std": [0.3] * 100, "frac_reward_zero_std": [1.0] * 100},
        ),
        "constant_reward",
        {},
    ),
    "answers cut": (
        make(
            ZERO,
            method="rloo",
            more={"reward": RISING, "reward_std": [0.2] * 100, "completions/clipped_ratio": [0.8] * 100},
        ),
        "cut_completions",
        {"changes": {"train.options.max_completion_length": 256}},
    ),
    "one reward idle": (
        make(
            ZERO,
            method="grpo",
            more={
                "reward": RISING,
                "reward_std": [0.2] * 100,
                "rewards/format/mean": RISING,
                "rewards/format/std": [0.2] * 100,
                "rewards/answer/mean": ZERO,
                "rewards/answer/std": ZERO,
            },
        ),
        "idle_reward",
        {"severity": "hint", "figures": {"answer": 0.0}},
    ),
    "length is rewarded": (
        make(
            ZERO,
            method="grpo",
            more={
                "reward": RISING,
                "reward_std": [0.2] * 100,
                "completions/mean_length": [20.0 + n for n in range(100)],
            },
        ),
        "length_hacking",
        {"severity": "hint"},
    ),
    "KL runs away": (
        make(
            ZERO,
            method="grpo",
            more={"reward": RISING, "reward_std": [0.2] * 100, "kl": [0.5 * n for n in range(100)]},
            options={"beta": 0.0},
        ),
        "kl_runs_away",
        {"changes": {"train.learning_rate": 5e-6, "train.options.beta": 0.04}},
    ),
    "KL of whole answers runs away": (
        make(
            fall(100, 0.69, 0.5),
            method="online_dpo",
            more={"objective/scores": RISING, "objective/kl": [40.0 * n for n in range(100)]},
            options={"max_completion_length": 256, "beta": 0.1},
        ),
        "kl_runs_away",
        {"changes": {"train.learning_rate": 5e-6, "train.options.beta": 0.3}},
    ),
    "both become unlikely": (
        make(
            fall(100, 0.69, 0.01),
            method="dpo",
            more={
                "logps/chosen": [-100.0 - 2 * n for n in range(100)],
                "logps/rejected": [-100.0 - 4 * n for n in range(100)],
            },
        ),
        "both_fall",
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_no_healthy_training_is_called_ill(name: str) -> None:
    assert [finding.text for finding in find(HEALTHY[name]).values()] == []


@pytest.mark.parametrize("method", registry.names("methods"))
def test_a_value_that_a_method_does_not_log_makes_no_training_ill(method: str) -> None:
    """What every method logs, one value left out at a time: it is looked at to its end, and nothing is certain."""
    names = [name for name in registry.get("methods", method).METRICS if name != "loss"]
    for left_out in (*names, None):
        more = {name: [0.3 + 0.1 * math.sin(n) for n in range(60)] for name in names if name != left_out}
        found = find(make(fall(60, 2.0, 0.8), DOWN, method=method, more=more))
        assert [one.text for one in found.values() if one.severity == "certain"] == []


@pytest.mark.parametrize("name", ILL)
def test_each_illness_has_its_name_and_a_change_that_answers_it(name: str) -> None:
    history, expected, wanted = ILL[name]
    found = find(history)
    assert expected in found, list(found)
    finding = found[expected]
    changes = {change.key: change.value for remedy in finding.remedies for change in remedy.changes}
    for key, value in wanted.items():
        if key == "changes":
            assert changes | value == changes, changes
        elif key == "figures":
            assert finding.figures | value == finding.figures
        else:
            assert getattr(finding, key) == value
    assert finding.remedies and finding.cause and finding.title[0].islower()


def test_every_finding_is_planted_here() -> None:
    planted = {name for _, name, _ in ILL.values()} | {"nothing_trainable"}
    assert planted == set(registry.get_library_names("findings"))


@pytest.mark.parametrize(("facts", "says"), [({"trainable": 0}, "0 parameters"), ({"trained_tokens": 0}, "0 tokens")])
def test_nothing_trainable_shows_before_the_first_step(facts: dict[str, int], says: str) -> None:
    (finding,) = diagnose(History("sft", SETTINGS, **facts), LIMITS)  # type: ignore[arg-type]
    assert (finding.name, finding.severity, finding.step) == ("nothing_trainable", "certain", 0)
    assert finding.seen.startswith(says)


def test_overfitting_never_gets_more_epochs() -> None:
    for history, name, _ in ILL.values():
        found = diagnose(history, LIMITS)
        ruled_out = {item for finding in found for item in finding.rules_out.items()}
        moved = {(c.key, c.direction) for finding in found for remedy in finding.remedies for c in remedy.changes}
        if name in ("overfitting", "memorized"):
            assert ("train.epochs", "raise") in ruled_out and ("train.epochs", "raise") not in moved


@pytest.mark.parametrize(
    "file", sorted(set(GOLDEN.glob("*.json")) - {GOLDEN / "models_export.json"}), ids=lambda file: file.stem
)
def test_pinned_trainings_of_every_method_are_healthy(file: Path) -> None:
    recorded = json.loads(file.read_text(encoding="utf-8"))
    assert file.stem in registry.names("methods")
    more = {} if recorded["metric"] == "loss" else {recorded["metric"]: recorded["values"]}
    losses = recorded["values"] if recorded["metric"] == "loss" else [0.0] * len(recorded["values"])
    assert find(make(losses, method=file.stem, more=more)) == {}


def test_a_curve_of_few_validation_rows_is_a_hint_that_forbids_nothing() -> None:
    history = make(fall(100, 2.0, 0.1), UP)
    sure = find(history)["overfitting"]
    history.valid_rows = 3
    unsure = find(history)["overfitting"]
    assert (sure.severity, unsure.severity) == ("likely", "hint") and sure.rules_out and not unsure.rules_out
    assert unsure.seen == f"{sure.seen}; only 3 validation rows say so"


def test_thresholds_of_the_config_decide() -> None:
    history = ILL["overfitting"][0]
    strict, lax = Diagnose(valid_rise=0.05), Diagnose(valid_rise=2.0)
    assert "overfitting" in {finding.name for finding in diagnose(history, strict)}
    assert "overfitting" not in {finding.name for finding in diagnose(history, lax)}
    limits = {finding.name: finding.limit for finding in diagnose(history, strict)}
    assert limits["overfitting"] is not None and limits["overfitting"].key == "diagnose.valid_rise"
    assert limits["overfitting"].value == 0.05


def test_every_threshold_belongs_to_a_finding_and_is_in_the_config() -> None:
    used = {plugin.LIMIT for _, plugin in get_plugins() if getattr(plugin, "LIMIT", None)}
    assert used <= set(Diagnose.model_fields)


def test_the_page_is_what_the_plugins_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "dev"))
    import write_findings

    assert (ROOT / "docs" / "findings.md").read_text(encoding="utf-8") == write_findings.render()


def test_statistics_do_not_move_with_single_steps() -> None:
    values = [1.0] * 50
    assert get_windows(values) == [1.0] * 10 == get_windows([*values[:49], 99.0])
    assert get_windows([1.0, 2.0, 3.0]) == []
    assert get_windows([1.0] * 5 + [2.0] * 7) == [1.0, 2.0]
    assert get_smoothed([9.0] * 90 + [1.0] * 9 + [11.0]) == 2.0
    assert get_smoothed([3.0]) == 3.0


def test_a_history_from_events_takes_the_repeated_steps_of_a_resume() -> None:
    def step(n: int, loss: float | None, **more: Any) -> dict[str, Any]:
        return {"event": "step", "step": n, "loss": loss, "time": 1.0, **more}

    start = {"event": "start", "method": "sft", "settings": SETTINGS, "max_steps": 4, "rows": 8, "epochs": 2}
    events = [start, step(1, 4.0), step(2, 3.0), step(3, 2.9), {**start, "resumed_from": 2}, step(3, 2.5)]
    events += [{"event": "eval", "step": 3, "valid_loss": 2.6}, step(4, None, loss_flag="nan")]
    history = build_history(events)
    assert history.get_points("loss") == [(1, 4.0), (2, 3.0), (3, 2.5)]
    assert (history.step, history.is_done, history.get("valid_loss")) == (4, True, [2.6])
    assert "not_a_number" in find(history)
