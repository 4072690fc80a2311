"""What a run says to try: the order, what was tried before, and one of them written into config.yaml as a new run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import facts
import pytest
import yaml
from gaslamp.core.contracts import Verdict
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import Events
from gaslamp.core.files import read_json, write_json
from gaslamp.core.finding import Advice, Change, Finding, Remedy
from gaslamp.evaluate.gate import get_advice
from gaslamp.guide.try_advice import list_advice, plan_try, write_try
from gaslamp.report.tries import get_rows
from gaslamp.train.advice import choose_advice, read_advice, read_tried

CONFIG = """\
backend: cpu
run: main # the name
method: grpo
train:
  learning_rate: auto # the rate
  epochs: null
  options: {temperature: 1.0, num_generations: 4}
  rewards: [{name: exact_answer}]
eval:
  metrics: []
"""
RATE = Change(key="train.learning_rate", before=1e-7, value=1e-3)
FEWER = Change(key="train.epochs", before=60, value=3)
MORE = Change(key="train.epochs", before=60, value=120)


def remedy(action: str, *changes: Change) -> Remedy:
    return Remedy(action=action, changes=list(changes))


def finding(name: str, severity: str, *remedies: Remedy, **more: Any) -> Finding:
    values = {"title": name, "seen": "seen", "severity": severity, "remedies": list(remedies), **more}
    return Finding.model_validate({"name": name, **values})


FLAT = finding("flat_loss", "likely", remedy("raise the rate", RATE), remedy("look at the rows"))
OVER = finding("overfitting", "likely", remedy("fewer epochs", FEWER), rules_out={"train.epochs": "raise"})
SHORT = finding("too_few_steps", "hint", remedy("train longer", MORE))
ANSWERS = finding("one_answer", "certain", remedy("balance the classes"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "outputs" / "main" / "eval").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put_verdict(project: Path, *advice: Advice, run: str = "main") -> None:
    verdict = Verdict(
        passed=False,
        verdict="worse",
        summary="x",
        blocking=[],
        warnings=[],
        advice=[one.text for one in advice],
        tries=list(advice),
    )
    write_json(project / "outputs" / run / "eval/verdict.json", verdict.model_dump(mode="json"))


def put_train(project: Path, run: str, **settings: Any) -> None:
    facts.train(settings=settings).write(project / "outputs" / run / "train.json")


@pytest.mark.parametrize(
    ("findings", "actions"),
    [
        ([], []),
        ([SHORT, FLAT], ["raise the rate", "train longer", "look at the rows"]),
        ([SHORT, OVER], ["fewer epochs"]),
        ([FLAT, ANSWERS, OVER], ["balance the classes", "raise the rate", "fewer epochs"]),
    ],
)
def test_the_likeliest_gain_comes_first_and_three_lines_are_enough(findings: list[Finding], actions: list[str]) -> None:
    assert [one.remedy.action for one in choose_advice(findings)] == actions


def test_what_the_project_tried_is_not_proposed_again(project: Path) -> None:
    put_train(project, "main", learning_rate=1e-7, epochs=60)
    put_train(project, "main-2", learning_rate=0.001, epochs=60)
    tried = read_tried(project / "outputs", "main")
    assert [one.run for one in tried] == ["main-2"]
    assert [one.remedy.action for one in choose_advice([FLAT, OVER], tried)] == ["fewer epochs", "look at the rows"]


def test_findings_of_training_and_answers_are_ordered_together() -> None:
    compare = facts.compare(verdict="worse")
    train = facts.train(findings=[OVER])
    advice = get_advice(compare.model_copy(update={"findings": [SHORT, ANSWERS]}), facts_settings(), train)
    actions = [one.remedy.action for one in advice]
    assert actions[:2] == ["balance the classes", "fewer epochs"] and len(actions) == 3
    assert not any(change.direction == "raise" for one in advice for change in one.remedy.changes)


def facts_settings() -> Any:
    """The slice eval, as far as the advice reads it."""

    class Settings:
        max_forgetting = 0.3

    return Settings()


def test_a_run_without_findings_that_is_better_has_nothing_to_try() -> None:
    assert get_advice(facts.compare(verdict="better", findings=[]), facts_settings(), facts.train()) == []


def test_an_advice_becomes_a_new_run_and_every_other_line_stays(project: Path) -> None:
    put_verdict(project, Advice(finding="flat_loss", remedy=FLAT.remedies[0]))
    one = plan_try(project, "main", 1)
    assert one.run == "main-2" and one.diff == [
        "-run: main # the name",
        "+run: main-2 # the name",
        "-  learning_rate: auto # the rate",
        "+  learning_rate: 0.001 # the rate",
    ]
    assert (project / "config.yaml").read_text(encoding="utf-8") == CONFIG, "planning writes nothing"
    write_try(project, one)
    values = yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))
    assert (values["run"], values["train"]["learning_rate"]) == ("main-2", 0.001)
    record = read_json(project / "outputs/main-2/try.json")
    assert (record["source"], record["finding"], record["number"]) == ("main", "flat_loss", 1)

    put_verdict(project, Advice(remedy=remedy("longer", Change(key="train.epochs", before=2, value=4))), run="main-2")
    assert plan_try(project, "main-2", 1).run == "main-3"


def test_options_of_a_method_and_another_method(project: Path) -> None:
    hot = Change(key="train.options.temperature", before=1.0, value=1.2)
    room = Change(key="train.options.max_completion_length", before=512, value=2048)
    put_verdict(
        project,
        Advice(remedy=remedy("hotter and longer", hot, room)),
        Advice(remedy=remedy("sft", Change(key="method", before="grpo", value="sft"))),
    )
    options = yaml.safe_load(plan_try(project, "main", 1).after)["train"]["options"]
    assert options == {"temperature": 1.2, "num_generations": 4, "max_completion_length": 2048}
    values = yaml.safe_load(plan_try(project, "main", 2).after)
    assert (values["method"], values["train"]["options"]) == ("sft", {})


@pytest.mark.parametrize(
    ("run", "number", "says"),
    [
        ("main", 3, "run main has no advice 3"),
        ("main", 0, "run main has no advice 0"),
        ("main", 2, "advice 2 is no change of config.yaml: add rows"),
        ("other", 1, "there is no run other"),
    ],
)
def test_what_cannot_be_applied_is_said(project: Path, run: str, number: int, says: str) -> None:
    put_verdict(project, Advice(remedy=FLAT.remedies[0]), Advice(remedy=remedy("add rows")))
    with pytest.raises(GaslampError, match=says):
        plan_try(project, run, number)
    assert (project / "config.yaml").read_text(encoding="utf-8") == CONFIG


def test_a_project_with_stages_is_left_to_a_person(project: Path) -> None:
    (project / "config.yaml").write_text(CONFIG + "stages: [{name: a}, {name: b}]\n", encoding="utf-8")
    put_verdict(project, Advice(remedy=FLAT.remedies[0]))
    with pytest.raises(GaslampError, match="has stages") as caught:
        plan_try(project, "main", 1)
    assert "train.learning_rate: 1e-07 -> 0.001" in caught.value.fix


def test_a_training_that_ended_early_has_advice_without_an_evaluation(project: Path) -> None:
    events = Events(project / "logs/main/train.metrics.jsonl", "k")
    events.write("start", method="grpo", max_steps=9)
    events.write("finding", step=3, finding=OVER.model_dump(mode="json"))
    events.write("finding", step=3, finding=FLAT.model_dump(mode="json"))
    events.write("finding_gone", step=5, name="overfitting")
    events.write("end", status="error", step=5, reason="flat")
    assert [one.finding for one in list_advice(project, "main")] == ["flat_loss", "flat_loss"]
    put_verdict(project, Advice(remedy=remedy("of the evaluation")))
    assert [one.text for one in read_advice(project, "main")] == ["of the evaluation"]


def test_runs_stand_side_by_side(project: Path) -> None:
    put_train(project, "main", learning_rate=1e-7)
    put_verdict(project, Advice(finding="flat_loss", remedy=FLAT.remedies[0]))
    write_try(project, plan_try(project, "main", 1))
    outputs = project / "outputs"
    facts.train(loss_last=0.5, valid_loss_kept=0.4).write(outputs / "main-2/train.json")
    facts.compare().write(outputs / "main-2/eval/compare.json")
    first, second = get_rows(outputs, "main-2")
    assert first[:2] == ["main", "the first run"] and first[-1] == "not evaluated"
    assert second[:4] == ["main-2", "train.learning_rate: 1e-07 -> 0.001", "0.5", "0.4"]
    assert second[-1] == facts.compare().verdict and second[-3] == facts.compare().metrics[0].title
    assert len(get_rows(outputs, "main")) == 1
