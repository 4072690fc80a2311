"""The points of a sweep: which there are, what they are called, what each trains, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from gaslamp.config.load import load_config
from gaslamp.config.points import get_seed_runs, get_share_runs
from gaslamp.config.schema import Config
from gaslamp.config.sweep_points import get_name, get_sweep_points
from gaslamp.core.errors import GaslampError
from gaslamp.evaluate.sweep import list_runs

GRID = {"train.learning_rate": ["2e-4", 0.001], "train.lora.r": [8, 16]}
DRAWN = {"train.learning_rate": {"low": "1e-5", "high": 1e-3, "log": True}, "train.lora.r": {"low": 4, "high": 6}}


def name_points(**sweep: Any) -> list[str]:
    return list(get_sweep_points({"sweep": sweep}))


def test_a_grid_has_every_combination_and_names_say_what_differs() -> None:
    assert name_points(over=GRID) == ["lr2e-4-r8", "lr2e-4-r16", "lr1e-3-r8", "lr1e-3-r16"]
    assert name_points() == name_points(how="random") == []


def test_a_point_keeps_its_name_and_values_when_others_come_and_go() -> None:
    more = {**GRID, "train.lora.r": [4, 16, 8]}
    few, many = get_sweep_points({"sweep": {"over": GRID}}), get_sweep_points({"sweep": {"over": more}})
    assert {name: many[name] for name in few} == few and len(many) == 6
    drawn = [get_sweep_points({"sweep": {"how": "random", "trials": n, "over": DRAWN}}) for n in (3, 8)]
    assert list(drawn[1].items())[:3] == list(drawn[0].items())
    other = get_sweep_points({"sweep": {"how": "random", "trials": 3, "seed": 1, "over": DRAWN}})
    assert list(other) != list(drawn[0])


def test_draws_stay_within_their_range() -> None:
    points = get_sweep_points({"sweep": {"how": "random", "trials": 60, "over": DRAWN}}).values()
    rates, ranks = ([point[key] for point in points] for key in DRAWN)
    assert all(1e-5 <= rate <= 1e-3 for rate in rates) and 10 < sum(rate < 1e-4 for rate in rates) < 50
    assert set(ranks) == {4, 5, 6} and all(isinstance(rank, int) for rank in ranks)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"train.lora.r": 16}, "r16"),
        ({"train.learning_rate": 0.00025}, "lr2.5e-4"),
        ({"train.epochs": 3.0}, "epochs3"),
        ({"train.weight_decay": 0.05, "train.packing": True}, "decay0.05-packing.on"),
        ({"model.source": "org/SmolLM2-360M", "method": "dpo"}, "base.SmolLM2_360M-method.dpo"),
        ({"data.source": "data/raw/notes.csv", "data.rehearsal": 0.1}, "rows.notes.csv-rehearsal0.1"),
        ({"train.scheduler": "cosine", "train.max_steps": None}, "scheduler.cosine-steps.auto"),
    ],
)
def test_names(changes: dict[str, Any], name: str) -> None:
    assert get_name(changes) == name


def test_long_and_odd_values_get_a_short_name() -> None:
    names = [get_name({"train.lora.target_modules": value}) for value in (["q_proj"], ["k_proj"], "a b/c", "x" * 300)]
    assert len(set(names)) == 4 and all(len(name) <= 48 and "/" not in name and " " not in name for name in names)
    many = {f"train.options.a_long_option_{n}": n for n in range(9)}
    assert len(get_name(many)) <= 48 and get_name(many) != get_name({**many, "train.options.a_long_option_8": 9})


def test_the_run_names_the_point() -> None:
    values = {"run": "main", "train": {"lora": {"alpha": 4}, "seeds": 2}, "sweep": {"over": GRID}}
    point = Config.model_validate({**values, "run": "lr2e-4-r16"})
    assert (point.run, point.train.learning_rate, point.train.lora.r, point.train.lora.alpha) == (
        "lr2e-4-r16",
        2e-4,
        16,
        4,
    )
    assert not point.sweep.is_on
    again = Config.model_validate({**values, "run": "lr2e-4-r16-seed2"})
    assert (again.train.lora.r, again.train.seed, again.train.seeds) == (16, 3408, 1)
    whole = Config.model_validate(values)
    assert whole.sweep.is_on and whole.train.learning_rate is None
    runs = list_runs(whole, get_sweep_points(values))
    assert runs[:3] == ["lr2e-4-r8", "lr2e-4-r8-seed2", "lr2e-4-r16"] and len(runs) == 8


def test_a_long_name_leaves_room_for_the_runs_that_belong_to_it() -> None:
    longest = "n" * 64
    whole = Config.model_validate({"run": longest, "train": {"seeds": 10}})
    for run in (*get_seed_runs(whole), *get_share_runs(longest)):
        assert Config.model_validate({"run": run, "train": {"seeds": 10}}).run == run
    with pytest.raises(ValueError, match="it has 65 characters: 64 at most"):
        Config.model_validate({"run": "n" * 65})


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({"over": {"train.lr": [1]}}, "unknown key 'train.lr'"),
        ({"over": {"train.lora.r": [8, "x"]}}, 'train.lora.r = "x": input should be a valid integer'),
        ({"over": {"train.lora.r": []}}, "train.lora.r: a list of values is empty"),
        ({"over": {"eval.gate": ["warn"]}}, "only method and keys of train, data and model can differ"),
        ({"over": {"data.split.seed": [1, 2]}}, "compared on the same validation rows"),
        ({"points": [{"model.adapter": "outputs/main"}]}, "point 1, model.adapter: a point starts from a base model"),
        ({"over": {"method": ["sft", "reward"]}}, "sweep methods of one kind"),
        ({"over": {"method": ["sft", "nothing"]}}, "nothing"),
        ({"over": {"data.source": ["data/raw/missing.csv"]}}, "data/raw/missing.csv"),
        ({"over": {"train.seed": [1, 2]}}, "other seeds of one config are train.seeds: 3"),
        ({"over": {"train.processes": [2]}}, "all points share one machine"),
        ({"over": {"train.lora.r": {"low": 1, "high": 3}}}, "a grid needs values"),
        ({"how": "random", "over": {"train.lora.r": {"low": 3, "high": 3}}}, "low is not below high"),
        ({"how": "random", "over": {"train.epochs": {"low": 0, "high": 3, "log": True}}}, "begins above 0"),
        ({"how": "random", "over": {"train.epochs": {"from": 0}}}, "a range is {low: 1e-5, high: 1e-3}"),
        ({"points": [{"name": "x"}]}, "point 1 changes nothing"),
        ({"points": [{"name": "main", "train.lora.r": 4}]}, "'main' is taken"),
        ({"points": [{"name": "a/b", "train.lora.r": 4}]}, "'a/b' cannot name a folder"),
        ({"over": {"train.lora.r": [8]}, "points": [{"name": "r8", "train.lora.r": 9}]}, "two points are called r8"),
    ],
)
def test_what_cannot_be_swept_is_said_before_anything_runs(sweep: dict[str, Any], said: str) -> None:
    with pytest.raises(GaslampError) as caught:
        load_config({"sweep": sweep})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"data": {"split": {"valid": 0}}}, "data.split.valid is 0"),
        ({"stages": [{"name": "a"}, {"name": "b"}]}, "a project with stages cannot sweep"),
        ({"backend": "ssh"}, "ssh trains one run at a time"),
    ],
)
def test_projects_that_cannot_sweep(values: dict[str, Any], said: str) -> None:
    with pytest.raises(GaslampError) as caught:
        load_config({**values, "sweep": {"over": GRID}})
    assert said in str(caught.value)
