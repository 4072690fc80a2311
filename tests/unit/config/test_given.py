"""What `snakemake --config` hands over, as Snakemake itself parses it."""

from __future__ import annotations

from typing import Any

import pytest
from gaslamp.config.given import read_given
from gaslamp.config.schema import Config
from snakemake.cli import parse_config
from snakemake.utils import update_config


@pytest.mark.parametrize(
    ("said", "key", "value"),
    [
        ("train={max_steps: 20}", "train.max_steps", 20),
        ("train={learning_rate: 1e-4}", "train.learning_rate", 1e-4),
        ("train={learning_rate: 0.5}", "train.learning_rate", 0.5),
        ("train={packing: true}", "train.packing", True),
        ("train={max_steps: null}", "train.max_steps", None),
        ("train={max_steps: ~, seed: 7}", "train.seed", 7),
        ("train={max_length: auto}", "train.max_length", "auto"),
        ("train={lora: {r: 8}}", "train.lora.r", 8),
        ("export={levels: [q8_0, q4_k_m]}", "export.levels", ["q8_0", "q4_k_m"]),
        ("project={name: 2024}", "project.name", "2024"),
        ('project={task: "sort: mails, by date"}', "project.task", "sort: mails, by date"),
        ("run=b", "run", "b"),
        ("data={columns: {prompt: 1, completion: no}}", "data.columns", {"prompt": "1", "completion": "no"}),
    ],
)
def test_scalars_are_yaml_and_texts_stay_texts(said: str, key: str, value: object) -> None:
    values: dict[str, Any] = {"project": {"name": "12"}, "train": {"epochs": 3, "seed": 1}}
    given = parse_config([said])
    update_config(values, given)
    read_given(values, given)
    found: Any = Config.model_validate(values).model_dump()
    written: Any = values
    for part in key.split("."):
        found, written = found[part], written[part]
    assert found == value == written and type(found) is type(value)
    assert values["train"]["epochs"] == 3, "what config.yaml says stays"


def test_a_wrong_value_is_refused_as_in_the_file() -> None:
    values: dict[str, Any] = {}
    given = parse_config(["train={max_steps: many}"])
    update_config(values, given)
    read_given(values, given)
    with pytest.raises(ValueError, match="max_steps"):
        Config.model_validate(values)
