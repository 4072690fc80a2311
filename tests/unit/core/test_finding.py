"""core/finding.py: a finding says what was seen and what to try, and no advice contradicts another finding."""

from __future__ import annotations

import json

import pytest
from gaslamp.core.finding import (
    Change,
    Finding,
    Limit,
    Remedy,
    get_remedies,
    is_ruled_out,
    keep_consistent,
    sort_findings,
)
from pydantic import ValidationError

FEWER = Change(key="train.epochs", before=60, value=3)
MORE = Change(key="train.epochs", before=60, value=120)
SLOWER = Change(key="train.learning_rate", before=2e-3, value=5e-4)


def make(name: str, severity: str, *remedies: Remedy, **rest: object) -> Finding:
    values = {"title": name, "seen": "3 of 4", "remedies": list(remedies), "severity": severity, **rest}
    return Finding.model_validate({"name": name, **values})


@pytest.mark.parametrize(
    ("change", "direction", "text"),
    [
        (FEWER, "lower", "train.epochs: 60 -> 3"),
        (SLOWER, "lower", "train.learning_rate: 0.002 -> 0.0005"),
        (Change(key="train.keep", before="last", value="best"), None, "train.keep: last -> best"),
        (Change(key="train.packing", before=True, value=False), None, "train.packing: true -> false"),
        (Change(key="eval.metrics", before=["rouge"], value=["chrf"]), None, "eval.metrics: [rouge] -> [chrf]"),
        (Change(key="train.max_steps", value=100), None, "train.max_steps: null -> 100"),
    ],
)
def test_a_change_says_what_becomes_of_the_key(change: Change, direction: str | None, text: str) -> None:
    assert (change.direction, change.text) == (direction, text)


def test_a_finding_is_the_same_after_the_file() -> None:
    finding = make(
        "overfitting",
        "likely",
        Remedy(action="train fewer epochs", effect="stops before it memorizes", changes=[FEWER]),
        figures={"valid_loss": 1.45},
        rows=["17"],
        rules_out={"train.epochs": "raise"},
        step=40,
        limit=Limit(key="diagnose.overfit", value=0.1),
    )
    assert Finding.model_validate(json.loads(finding.model_dump_json())) == finding
    assert finding.text == "step 40: overfitting: 3 of 4"
    assert finding.remedies[0].text == "train fewer epochs (train.epochs: 60 -> 3): stops before it memorizes"


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Change(key="train.epochs", before=3, value=3), "train.epochs is 3 already"),
        (lambda: Change(key="Train epochs", before=3, value=4), "pattern"),
        (
            lambda: make(
                "overfitting", "likely", Remedy(action="more", changes=[MORE]), rules_out={"train.epochs": "raise"}
            ),
            "overfitting proposes what it rules out: train.epochs: 60 -> 120",
        ),
        (lambda: make("x", "fatal"), "severity"),
    ],
)
def test_nonsense_is_refused(build: object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        build()  # type: ignore[operator]


def test_no_advice_contradicts_a_finding_or_an_earlier_advice() -> None:
    flat = make("few_steps", "hint", Remedy(action="train longer", changes=[MORE]), Remedy(action="add rows"))
    over = make(
        "overfitting",
        "likely",
        Remedy(action="train fewer epochs", changes=[FEWER]),
        Remedy(action="lower the rate", changes=[SLOWER]),
        rules_out={"train.epochs": "raise"},
    )
    slow = make(
        "too_slow", "hint", Remedy(action="raise the rate", changes=[Change(key=SLOWER.key, before=2e-3, value=4e-3)])
    )
    twice = make("spikes", "certain", Remedy(action="lower the rate", changes=[SLOWER]))
    found = [flat, slow, over, twice]
    assert [finding.name for finding in sort_findings(found)] == ["spikes", "overfitting", "few_steps", "too_slow"]
    assert is_ruled_out(Remedy(action="more", changes=[MORE]), found)
    assert not is_ruled_out(Remedy(action="fewer", changes=[FEWER]), found)
    taken = [(finding.name, remedy.action) for finding, remedy in get_remedies(found)]
    assert taken == [
        ("spikes", "lower the rate"),
        ("overfitting", "train fewer epochs"),
        ("few_steps", "add rows"),
    ]
    kept = {finding.name: [remedy.action for remedy in finding.remedies] for finding in keep_consistent(found)}
    assert kept == {
        "spikes": ["lower the rate"],
        "overfitting": ["train fewer epochs"],
        "few_steps": ["add rows"],
        "too_slow": [],
    }


def test_words_contradict_as_changes_do_and_steps_are_epochs() -> None:
    longer = Remedy(action="train longer", moves={"train.epochs": "raise"})
    fewer = Remedy(action="fewer", changes=[Change(key="train.max_steps", before=60, value=20)])
    less = make("overfitting", "likely", fewer, rules_out={"train.max_steps": "raise"})
    short = make("short", "certain", longer, Remedy(action="add rows"))
    assert [remedy.action for _, remedy in get_remedies([short, less])] == ["add rows", "fewer"]
    assert [remedy.action for _, remedy in get_remedies([short, make("other", "likely", fewer)])] == [
        "train longer",
        "add rows",
    ]
