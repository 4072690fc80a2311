"""Points compared on the validation rows, the leaderboard, and the learning curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import facts
import pytest
from gaslamp.config.schema import Config
from gaslamp.config.slices import Slice, get_slice, parse_slice
from gaslamp.core.contracts import Score
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import Events
from gaslamp.core.files import write_jsonl
from gaslamp.core.sweep_contracts import LearningCurve, PointFacts, SweepFacts
from gaslamp.evaluate.learning_curve import answer as explain_gain
from gaslamp.evaluate.learning_curve import draw_curve
from gaslamp.evaluate.sweep import compare_points, describe_choice, explain_choice, read_kept
from gaslamp.evaluate.sweep_importance import find_front, get_importances
from gaslamp.report.summary import get_console
from gaslamp.report.sweep.curve_page import write_curve_page
from gaslamp.report.sweep.page import render_sweep
from gaslamp.report.sweep.table import print_sweep
from planted_answers import answer, chat

ROWS = [chat(n, f"question {n}", f"answer {n}") for n in range(40)]
POINTS = {
    "r8": {"train.lora.r": 8, "train.packing": True},
    "r16": {"train.lora.r": 16, "train.packing": True},
    "r32": {"train.lora.r": 32},
}


def get_settings(**settings: Any) -> Slice:
    config = Config.model_validate({"eval": {"metrics": ["exact_match"], **settings}, "project": {"name": "cafe"}})
    return parse_slice(get_slice(config, "eval", "data.slice", "method", "train.rewards", "project"))


def plant(folder: Path, run: str, right: int, loss: float | None = 0.5, **train: Any) -> dict[str, Path]:
    """The files of a run that answers so many rows right."""
    place = folder / "outputs" / run
    texts = [f"answer {n}" if n < right else "?" for n in range(len(ROWS))]
    (place / "eval").mkdir(parents=True)
    write_jsonl(place / "eval/answers.jsonl", [answer(row, text) for row, text in zip(ROWS, texts, strict=True)])
    facts.train(valid_loss_kept=loss, **train).write(place / "train.json")
    return {"answers": place / "eval/answers.jsonl", "facts": place / "train.json"}


def sweep(folder: Path, runs: dict[str, dict[str, Path]], keep: int = 1, **settings: Any) -> SweepFacts:
    write_jsonl(folder / "valid.jsonl", ROWS)
    answers, found = ({run: files[kind] for run, files in runs.items()} for kind in ("answers", "facts"))
    points = {name: POINTS[name] for name in POINTS if name in runs}
    out = folder / "outputs/sweep.json"
    rows = dict.fromkeys(runs, folder / "valid.jsonl")
    return compare_points(get_settings(**settings), points, answers, found, rows, keep, out)


def test_the_best_on_the_validation_rows_go_on(tmp_path: Path) -> None:
    runs = {name: plant(tmp_path, name, right) for name, right in (("r8", 10), ("r16", 30), ("r32", 28))}
    result = sweep(tmp_path, runs, keep=2)
    assert [point.run for point in result.points] == ["r16", "r32", "r8"]
    assert result.kept == read_kept(tmp_path / "outputs/sweep.json") == ["r16", "r32"]
    assert result.points[0].score == 0.75 and result.points[0].low == pytest.approx(0.598, abs=0.001)
    assert result.keys == ["train.lora.r", "train.packing"] and result.ties == 1
    assert describe_choice(result).startswith("best of 3 points: r16, ") and "75.0 % on 40 validation rows" in (
        describe_choice(result)
    )
    said = explain_choice(result, "r32")
    assert (
        said.startswith("This run is number 2 of 3 points of a sweep by ") and "validation rows (70.0 % there)" in said
    )
    assert explain_choice(result, "main") == ""
    assert "1 more within its interval" in describe_choice(result)


def test_of_equal_scores_the_lower_validation_loss_wins(tmp_path: Path) -> None:
    runs = {name: plant(tmp_path, name, 20, loss) for name, loss in (("r8", 0.9), ("r16", None), ("r32", 0.3))}
    assert [point.run for point in sweep(tmp_path, runs).points] == ["r32", "r8", "r16"]


def test_the_mean_over_seeds_chooses(tmp_path: Path) -> None:
    """r8's first seed is the best of all, and its others are not."""
    right = {"r8": 36, "r8-seed2": 10, "r8-seed3": 14, "r16": 24, "r16-seed2": 26, "r16-seed3": 25}
    result = sweep(tmp_path, {run: plant(tmp_path, run, count) for run, count in right.items()})
    assert result.kept == ["r16"] and result.points[0].scores == [0.6, 0.65, 0.625]
    assert result.points[1].score == 0.5


def test_one_bad_metric_choice_is_an_error_with_a_fix(tmp_path: Path) -> None:
    with pytest.raises(GaslampError, match="the points cannot be compared"):
        sweep(tmp_path, {"r8": plant(tmp_path, "r8", 1, None)}, metrics=["llm_judge"])


def test_the_leaderboard_shows_points_and_the_test_score_of_the_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = {name: plant(tmp_path, name, right) for name, right in (("r8", 10), ("r16", 30), ("r32", 28))}
    for name in POINTS:
        events = Events(tmp_path / "logs" / name / "train.metrics.jsonl", "key")
        for step, loss in ((0, 2.0), (5, 1.0)):
            events.write("eval", step=step, valid_loss=loss)
    result = sweep(tmp_path, runs)
    facts.compare().write(tmp_path / "outputs/r16/eval/compare.json")
    page = render_sweep(result, get_settings(), tmp_path)
    board = page[page.index('id="board"') : page.index('id="parallel"')]
    assert board.index("r16") < board.index("r32") < board.index("r8")
    assert "<td>as configured</td>" in board and board.count("goes on") == 1
    assert "95.5 % (" in page[page.index('id="shipped"') : page.index('id="board"')]
    assert page.count("<title>r8</title>") == 2, "a line of the curves, and one through its values"
    effects = page[page.index('id="effects"') : page.index('id="curves"')]
    assert "16: 75.0 % (1); 32: 70.0 % (1); 8: 25.0 % (1)" in effects and "<td>50.0</td>" in effects
    assert "as configured: 70.0 % (1); true: 50.0 % (2)" in effects
    monkeypatch.chdir(tmp_path)
    assert print_sweep(get_console(), "r16") and not print_sweep(get_console(), "other")
    said = capsys.readouterr().out
    assert said.index("r16") < said.index("1 *") < said.index("r32") and "make adopt RUN=" in said


def test_a_leaderboard_of_a_thousand_points_names_each_once(tmp_path: Path) -> None:
    one = sweep(tmp_path, {"r8": plant(tmp_path, "r8", 10)}).points[0]
    points = [
        one.model_copy(update={"run": f"p{n}", "kept": False, "changes": {"train.lora.r": n}}) for n in range(1000)
    ]
    result = SweepFacts(
        metric="x", title="X", n=40, keys=["train.lora.r"], points=[one, *points], provenance=facts.provenance()
    )
    facts.compare().write(tmp_path / "outputs/r8/eval/compare.json")
    page = render_sweep(result, get_settings(), tmp_path)
    assert page.count("<th>p") == 1000 and len(page) < 1_000_000


def draw(folder: Path, right: list[int]) -> LearningCurve:
    """The curve of a run and of 10, 25, 50 % of its rows, with so many right answers each, base first."""
    names = ["base", "main-share10", "main-share25", "main-share50", "main"]
    shares = [0.0, 0.1, 0.25, 0.5, 1.0]
    runs = {
        name: plant(folder, name, count, train_rows=int(200 * share), settings={"share": share})
        for name, count, share in zip(names, right, shares, strict=True)
    }
    write_jsonl(folder / "test.jsonl", ROWS)
    compare = facts.compare()
    compare.metrics[0].name = "exact_match"
    compare.write(folder / "compare.json")
    base = runs.pop("base")["answers"]
    answers, found = ({run: files[kind] for run, files in runs.items()} for kind in ("answers", "facts"))
    out = folder / "curve.json"
    return draw_curve(get_settings(), folder / "compare.json", answers, base, found, folder / "test.jsonl", out)


@pytest.mark.parametrize(
    ("right", "begins"),
    [
        (
            [0, 4, 10, 20, 34],
            "More rows of this kind would probably help: the second half of them still gained 35.0 points",
        ),
        (
            [0, 20, 30, 31, 32],
            "No sign that more rows of this kind would help: the second half of them changed the score by",
        ),
        (
            [0, 20, 36, 36, 20],
            "More rows of this kind would probably not help: with all of them the score is 40.0 points",
        ),
        ([0, 20, 36, 39, 40], "More rows cannot help on these test rows: the score is 100.0 %."),
    ],
)
def test_one_sentence_says_whether_more_data_would_help(tmp_path: Path, right: list[int], begins: str) -> None:
    curve = draw(tmp_path, right)
    assert curve.answer.startswith(begins)
    assert [point.rows for point in curve.points] == [0, 20, 50, 100, 200]
    assert [point.score.value for point in curve.points] == [count / 40 for count in right]
    write_curve_page(curve, "cafe", tmp_path / "curve.html")
    page = (tmp_path / "curve.html").read_text(encoding="utf-8")
    assert curve.answer in page.replace("&lt;", "<") and page.count("<circle") == 5 and "main-share25" in page


def test_a_loss_that_falls_is_a_gain() -> None:
    gain = Score(value=-0.5, low=-0.7, high=-0.3, n=40)
    said = explain_gain(gain, 0.001, 0.95, "nats", False, Score(value=1.0, low=0.9, high=1.1, n=40))
    assert said.startswith("More rows of this kind would probably help: the second half of them still gained 0.500")


def test_a_point_that_ended_early_is_never_chosen(tmp_path: Path) -> None:
    ended = [{"name": "ended", "value": 20, "reason": "pruned by median: validation loss 3 at step 20"}]
    runs = {"r8": plant(tmp_path, "r8", 30, decisions=ended), "r16": plant(tmp_path, "r16", 20)}
    found = sweep(tmp_path, runs, keep=2)
    assert [(point.run, point.kept, point.pruned is not None) for point in found.points] == [
        ("r16", True, False),
        ("r8", True, True),
    ]
    assert describe_choice(found).startswith("best of 2 points: r16") and "1 ended early" in describe_choice(found)


def test_the_key_that_explains_the_scores_comes_first() -> None:
    points = [
        PointFacts(
            run=f"{rate}-{rank}",
            changes={"train.learning_rate": rate, "train.lora.r": rank, "train.scheduler": "cosine"},
            score=0.2 + 0.3 * place + 0.001 * rank,
            steps=1,
            seconds=1.0,
            peak_memory_gb=1.0,
            trainable_parameters=1,
        )
        for place, rate in enumerate((1e-5, 1e-4, 1e-3))
        for rank in (4, 8, 16)
    ]
    keys = ["train.lora.r", "train.learning_rate", "train.scheduler"]
    found = get_importances(points, keys)
    assert list(found) == ["train.learning_rate", "train.lora.r"]
    assert found["train.learning_rate"] > 0.9 and sum(found.values()) == pytest.approx(1, abs=0.01)
    assert get_importances(points[:7], keys) == {}, "seven points say too little"


def test_the_front_keeps_what_no_other_file_beats() -> None:
    files = [(0.9, 100.0, 20.0), (0.9, 50.0, 30.0), (0.8, 40.0, 30.0), (0.7, 60.0, 10.0), (0.5, 90.0, 90.0)]
    assert find_front(files, (True, False, True)) == [1, 2, 4]
