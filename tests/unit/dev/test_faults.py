"""The fault campaign, for a minute: configs and texts by the hundred, one damaged run, and the page about it."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import ROOT

sys.path.append(str(ROOT / "scripts" / "dev"))

from faults import configs, corruption, kills, strings  # noqa: E402
from faults.bench import TRACEBACK, Bench, Trial, check_output, get_results  # noqa: E402
from faults.report import HEAD, PAGE, TAIL, clean, render  # noqa: E402

NOW = "ci"
DAMAGED = ("outputs/main/gguf/model-q8_0.gguf", "outputs/main/report.html")


@pytest.fixture(scope="module")
def bench(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench.make(tmp_path_factory.mktemp("faults"), finished)


def test_generated_configs_are_taken_or_refused(bench: Bench) -> None:
    assert not configs.run(bench, random.Random(f"{NOW} configs")).problems


def test_hostile_texts_steer_nothing(bench: Bench) -> None:
    trial = strings.run(bench, random.Random(f"{NOW} strings"))
    assert trial.faults == strings.BATCH and not trial.problems


def test_damaged_files_are_made_good_by_the_same_command(bench: Bench) -> None:
    # named, because some names of files hold the time, and a draw would differ from day to day
    trial = corruption.run(bench, random.Random(f"{NOW} 3"), DAMAGED)
    assert trial.faults == len(DAMAGED) and not trial.problems, trial


def test_a_trial_sees_what_is_wrong(bench: Bench) -> None:
    """What the campaign calls broken is that: it would be worth nothing if every run passed."""
    trial = Trial("")
    check_output(subprocess.CompletedProcess([], 1, f"a\n{TRACEBACK}:\n  b", ""), trial, must_end_well=True)
    check_output(subprocess.CompletedProcess([], 124, "", ""), trial, must_end_well=False)
    assert [problem.split(":")[0] for problem in trial.problems] == [
        "the same command ends with 1",
        "a traceback",
        "hangs",
    ]
    with bench.copy("see") as project:
        (project / "outputs/main/eval/verdict.json").write_text("{}")
        found = get_results(project)
        assert [name for name in found if found[name] != bench.expected[name]] == ["outputs/main/eval/verdict.json"]
        assert len(found) > 10 and "no step" not in kills.get_lost(project, 0)
        assert not kills.get_lost(project, 10**6), "it has its result"
        (project / "outputs/main/train.json").unlink()
        assert kills.get_lost(project, 10**6).startswith(f"step {10**6} was reached, checkpoint-")


def test_the_page_names_every_broken_promise() -> None:
    kind = {"trials": 2, "faults": 5, "problems": ["a | b /tmp/x/y.txt: `c`"], "skipped": ["no mount"]}
    page = render(
        {
            "2": {"seconds": 61.0, "kinds": {"kills": kind | {"problems": []}}},
            "10": {"seconds": 5.0, "kinds": {"kills": kind}},
        },
        {"kills": kills},
    )
    rows = [line for line in page.splitlines() if line.startswith("| `kills`")]
    assert [row.split("|")[3:7] for row in rows] == [[" 2 ", " 2 ", " 5 ", " none "], [" 10 ", " 2 ", " 5 ", " 1 "]]
    assert "- `kills`, seed 10: a ¦ b …: `c`" in page and page.count("left out, no mount") == 2
    assert render({}, {"kills": kills}).count("| 0 | 0 | not tried |") == 1
    assert clean("x" * 999) == "x" * 400


def test_the_committed_page_is_a_campaign_of_today() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.startswith(HEAD) and page.endswith(TAIL), "make faults writes it"
