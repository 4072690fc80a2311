"""What fits which Mac: calculated, with a hand-written device in place of Metal. Nothing here was measured on a Mac."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.environment.apple_memory import (
    MACS,
    SIZES,
    estimate_apple_memory,
    get_largest,
    get_mlx_need,
    get_working_set,
)
from gaslamp.environment.memory_estimate import MemoryFit
from gaslamp.environment.wired_memory import raise_wired_limit
from gaslamp.models.shape import Shape

GIB = 2**30
M2_16 = {"memory_size": 16 * GIB, "max_recommended_working_set_size": int(10.67 * GIB)}
"""Written by hand in the shape of mx.device_info() on Metal: not measured on a Mac."""


def get_train(**values: Any) -> Any:
    return Config.model_validate(
        {"train": {"batch_size": 1, "max_length": 512, "gradient_checkpointing": True, "dtype": "bfloat16", **values}}
    ).train


def test_what_metal_reports_goes_before_the_rule() -> None:
    assert get_working_set(17.2, M2_16) == (11.5, "as Metal reports")
    assert (
        get_working_set(16)[0] == 10.7 and get_working_set(64)[0] == 48.0 and "calculated" in get_working_set(16, {})[1]
    )


def test_the_wired_limit_is_what_metal_recommends() -> None:
    limits: list[int] = []
    assert raise_wired_limit(lambda: M2_16, limits.append).value == "11.5 GB"
    assert limits == [M2_16["max_recommended_working_set_size"]]
    assert raise_wired_limit(dict, limits.append).text == "not set: no Metal here" and len(limits) == 1


def test_less_memory_for_fewer_bits_and_checkpointing() -> None:
    def need(**values: Any) -> float:
        return sum(get_mlx_need(SIZES["7B"], get_train(**values)).values())

    assert need(quantization="4bit") < need(quantization="8bit") < need() < need(dtype="float32")
    assert need() < need(gradient_checkpointing=False) and need() < need(batch_size=4)
    assert 15 < need() < 19 and 5 < need(quantization="4bit") < 8


MAC_16 = {"memory_gb": 16, "memory_available_gb": 12.0, "is_apple_silicon": True}


def estimate(shape: Shape, train: Any, device: dict[str, Any] | None = None, larger: str = "colab") -> MemoryFit:
    return estimate_apple_memory(shape, train, MAC_16, device, larger=larger)


def test_what_does_not_fit_names_the_way_out() -> None:
    large = "snakemake --profile colab"
    found = estimate(SIZES["7B"], get_train(batch_size=4, gradient_checkpointing=False), larger=large)
    assert found.fit == "exceeds" and found.parts["weights"] == 15.24
    [(text, fix)] = found.problems
    assert large in fix
    for words in (
        "train.quantization: 4bit",
        "train.gradient_checkpointing: true",
        "train.batch_size: 1",
        "snakemake --profile colab",
        "not measured on a Mac",
        "64 GB: ",
    ):
        assert words in text
    assert estimate(SIZES["7B"], get_train(quantization="4bit")).fit in ("fits", "tight")
    small = estimate(SIZES["0.5B"], get_train(), M2_16)
    assert small.fit == "fits" and small.problems == [] and "memory on a Mac" in small.warnings[0]


@pytest.mark.parametrize("quantization", ["none", "4bit"])
def test_the_table_of_the_docs_is_what_the_formula_says(quantization: str) -> None:
    rows = re.findall(
        r"^\| (\d+) GB \| (\S+) \| (\S+) \|$",
        (Path(__file__).parents[3] / "docs" / "mac.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    column = {int(total): cells[quantization == "4bit"] for total, *cells in rows}
    assert column == {total: get_largest(total, get_train(quantization=quantization)) or "none" for total in MACS}


def test_every_method_is_trained_by_mlx_or_refused_with_a_reason() -> None:
    from gaslamp.core import registry
    from gaslamp.train.backends import mac
    from gaslamp.train.mlx.objectives import OBJECTIVES

    assert set(mac.METHODS) == set(OBJECTIVES) and not set(mac.METHODS) & set(mac.REFUSED)
    assert set(mac.METHODS) | set(mac.REFUSED) == set(registry.names("methods"))
    assert set(registry.get("backends", "mps").METHODS) >= set(mac.REFUSED), "the alternative that is named has it"
