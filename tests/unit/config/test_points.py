"""Points: which config a run's name stands for, in Python, for a script, and in the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.load import load_config
from gaslamp.config.points import get_seed_runs, get_share_runs, write_point
from gaslamp.config.schema import Config
from gaslamp.config.slices import load_slice, write_merged
from gaslamp.core.errors import GaslampError

VALUES: dict[str, Any] = {"run": "main", "train": {"seed": 7, "seeds": 3, "max_steps": 5, "lora": {"r": 8}}}


@pytest.mark.parametrize(
    ("run", "seed", "seeds", "share"),
    [
        ("main", 7, 3, 1.0),
        ("main-seed2", 8, 1, 1.0),
        ("main-seed3", 9, 1, 1.0),
        ("main-seed4", 7, 3, 1.0),  # there are three: the name of an ordinary run
        ("main-seed1", 7, 3, 1.0),
        ("main-seed02", 7, 3, 1.0),
        ("main-share25", 7, 1, 0.25),
        ("main-share33", 7, 3, 1.0),
        ("r8-seed2-share50", 8, 1, 0.5),
    ],
)
def test_the_name_of_a_run_says_which_point_it_is(run: str, seed: int, seeds: int, share: float) -> None:
    config = Config.model_validate({**VALUES, "run": run})
    assert (config.run, config.train.seed, config.train.seeds, config.train.share) == (run, seed, seeds, share)
    assert (config.train.max_steps, config.train.lora.r) == (5, 8)
    assert VALUES["train"]["seed"] == 7, "the values that were given are left alone"


def test_a_run_names_its_further_runs() -> None:
    assert get_seed_runs(Config.model_validate(VALUES)) == ["main-seed2", "main-seed3"]
    assert get_seed_runs(Config.model_validate({"run": "main"})) == []
    assert get_share_runs("main") == ["main-share10", "main-share25", "main-share50"]


def test_the_last_seed_is_followed_by_the_first() -> None:
    values = {"run": "a-seed2", "train": {"seed": 2**32 - 1, "seeds": 2}}
    assert Config.model_validate(values).train.seed == 0


def test_a_script_reads_a_point_through_its_file(tmp_path: Path) -> None:
    config = write_merged(VALUES, tmp_path)
    settings = load_slice([config, write_point("main-seed3", tmp_path / "points")], ["run", "train.seed"])
    assert (settings.run, settings.train.seed) == ("main-seed3", 9)
    number = write_point("17", tmp_path / "points")
    assert load_slice([config, number], ["run"]).run == "17", "a name that YAML takes for a number"


def test_values_that_are_wrong_are_left_to_the_check_of_the_config() -> None:
    for train in ("fast", {"seeds": "3"}, {"seed": None, "seeds": 3}):
        with pytest.raises(GaslampError, match="config.yaml"):
            load_config({"run": "main-seed2", "train": train})


def test_seeds_are_refused_where_they_cannot_be_trained() -> None:
    with pytest.raises(GaslampError, match="colab trains one run at a time"):
        load_config({"backend": "colab", "train": {"seeds": 3}})
    with pytest.raises(GaslampError, match="too long a name for runs such as"):
        load_config({"run": "x" * 60, "train": {"seeds": 2}})
