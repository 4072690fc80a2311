"""Values of config.yaml replaced in its text, each with its reason above it."""

from __future__ import annotations

import pytest
import yaml
from gaslamp.config.edit import flatten, get_value, is_recommended, put_line, set_reasoned, write_scalar
from gaslamp.core.errors import GaslampError

TEXT = """\
# top
method: sft # how
train:
  # why: short rows
  # from memory
  max_length:   auto   # longest
  rewards: [] # scores
data:
  columns:
    prompt: a
    completion: b
  system: "no #comment" # text
"""


def test_only_what_changes_changes() -> None:
    text = set_reasoned(
        TEXT,
        [
            (("method",), "sft", "the rows  show\nanswers"),
            (("train", "max_length"), 512, "long rows"),
            (("train", "rewards"), [{"name": "exact_answer"}], ""),
            (("data", "system"), "no #comment", None),
        ],
    )
    assert text == (
        TEXT.replace("method: sft", "# why: the rows show answers\nmethod: sft")
        .replace("# why: short rows", "# why: long rows")
        .replace("  max_length:   auto   # longest", "  max_length:   512   # longest")
        .replace("rewards: [] #", "rewards: [{name: exact_answer}] #")
    )
    assert set_reasoned(text, [(("train", "max_length"), "auto", "short rows"), (("method",), "sft", "")]) == (
        TEXT.replace("rewards: [] #", "rewards: [{name: exact_answer}] #")
    )


def test_a_value_of_several_lines_and_a_key_that_is_not_there() -> None:
    text = set_reasoned(TEXT, [(("data", "columns"), {}, "found by themselves")])
    assert yaml.safe_load(text)["data"] == {"columns": {}, "system": "no #comment"}
    with pytest.raises(GaslampError, match=r"no key data\.nope"):
        set_reasoned(TEXT, [(("data", "nope"), 1, "")])


def test_lists_that_stand_as_far_left_as_their_keys() -> None:
    """As PyYAML writes them."""
    text = "sweep:\n  points:  # by hand\n  - {train.lora.r: 4}\n  - train.lora.r: 8\n  how: grid\n"
    changed = put_line(text, "sweep.points", "[]")
    assert changed == "sweep:\n  points: []  # by hand\n  how: grid\n"
    reasoned = set_reasoned(text, [(("sweep", "points"), [1, 2], "none")])
    assert yaml.safe_load(reasoned) == {"sweep": {"points": [1, 2], "how": "grid"}}
    assert put_line("a:\n  b:\n    c: 1\nd: 2\n", "a.b", "{}") == "a:\n  b: {}\nd: 2\n"


def test_who_chose_a_value() -> None:
    assert is_recommended(TEXT, ("train", "max_length")) and not is_recommended(TEXT, ("method",))
    chosen = set_reasoned(TEXT, [(("method",), "dpo", "you chose it")])
    assert not is_recommended(chosen, ("method",))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("embedded:orders_json", "embedded:orders_json"),
        ("org/name-1.5", "org/name-1.5"),
        ("yes", '"yes"'),
        ("a: b #c", '"a: b #c"'),
        ("ü", '"ü"'),
        (["gguf", "ollama"], "[gguf, ollama]"),
        ([{"name": "x"}], "[{name: x}]"),
        ([], "[]"),
        (None, "null"),
        (True, "true"),
        (0.5, "0.5"),
        ({"prompt": ["A b", "c"]}, '{prompt: ["A b", c]}'),
        ({"a: b": 1e-05, "yes": {}}, '{"a: b": 1.0e-05, "yes": {}}'),
        (1e-05, "1.0e-05"),
        ([1, None, "x"], "[1, null, x]"),
    ],
)
def test_a_value_reads_back_as_itself(value: object, written: str) -> None:
    assert write_scalar(value) == written and yaml.safe_load(written) == value


def test_keys_of_a_config() -> None:
    values = yaml.safe_load(TEXT)
    assert get_value(values, "train.max_length") == "auto" and get_value(values, "train.nope.x") is None
    assert dict(flatten(values))["data.columns"] == {"prompt": "a", "completion": "b"}
