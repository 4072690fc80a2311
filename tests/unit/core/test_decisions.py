"""Decisions: one contract, two forms on disk."""

from __future__ import annotations

import pytest
from gaslamp.core.decisions import Decision, Decisions, find_decision, get_texts
from pydantic import TypeAdapter, ValidationError

ADAPTER: TypeAdapter[list[Decision]] = TypeAdapter(Decisions)


def test_values_keep_their_type_through_json() -> None:
    made = [
        Decision(name="batch_size", value=4, reason="fits: 3 GB"),
        Decision(name="packing", value=False),
        Decision(name="modules", value=["q_proj", "v_proj"], reason="named by the model"),
    ]
    again = ADAPTER.validate_json(ADAPTER.dump_json(made))
    assert again == made and [type(decision.value) for decision in again] == [int, bool, list]
    assert get_texts(again) == {
        "batch_size": "4: fits: 3 GB",
        "packing": "false",
        "modules": "q_proj, v_proj: named by the model",
    }


def test_the_mapping_of_version_0_1_is_read() -> None:
    old = {"dtype": "float32: no fast bfloat16: an old CPU", "attention": "MLX's fused attention"}
    assert ADAPTER.validate_python(old) == [
        Decision(name="dtype", value="float32", reason="no fast bfloat16: an old CPU"),
        Decision(name="attention", value="MLX's fused attention"),
    ]
    assert get_texts(ADAPTER.validate_python(old)) == old


def test_a_later_decision_replaces_an_earlier_one() -> None:
    made = [Decision(name="batch_size", value=8), Decision(name="batch_size", value=4, reason="measured")]
    found = find_decision(made, "batch_size")
    assert found and found.value == 4 and find_decision(made, "dtype") is None


@pytest.mark.parametrize("value", ["text", [{"name": ""}], [{"name": "a", "value": 1, "why": "b"}]])
def test_other_shapes_are_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(value)
