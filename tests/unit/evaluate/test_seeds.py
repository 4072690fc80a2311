"""The same training with other seeds: mean, spread, and a verdict that rests on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gaslamp.core.contracts import Compare
from gaslamp.core.files import write_jsonl
from planted_answers import answer, chat, compare

ROWS = [chat(n, f"question {n} of its own", f"answer {n}") for n in range(100)]


def judge(folder: Path, base: int, seeds: list[int], **settings: Any) -> tuple[Compare, dict[str, Any], str, str]:
    """The comparison of so many right answers of base and of each seed; the first seed is the run."""

    def get_texts(right: int) -> list[str]:
        return [f"answer {n}" if n < right else "?" for n in range(100)]

    files = {}
    for number, right in enumerate(seeds[1:], 2):
        files[f"tuned-seed{number}"] = folder / f"seed{number}.jsonl"
        lines = [answer(row, text) for row, text in zip(ROWS, get_texts(right), strict=True)]
        write_jsonl(files[f"tuned-seed{number}"], lines)
    settings = {"baselines": [], "metrics": ["exact_match"], **settings}
    texts = get_texts(base), get_texts(seeds[0])
    result, gate, report = compare(folder, [], ROWS, *texts, page=True, seeds=files, **settings)
    return result, gate, report, (folder / "page").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("base", "seeds", "verdict"),
    [
        (10, [60, 62, 58], "better"),
        (40, [60, 42, 36], "no clear difference"),  # the first seed alone is better by more than chance
        (60, [40, 58, 66], "no clear difference"),  # and here worse
        (60, [40, 38, 42], "worse"),
        (50, [52, 51, 53], "no clear difference"),  # as sure as it gets, and still no more than chance on 100 rows
        (40, [60, 60, 60], "better"),
    ],
)
def test_a_gain_within_the_spread_is_not_claimed(tmp_path: Path, base: int, seeds: list[int], verdict: str) -> None:
    result, gate, _, _ = judge(tmp_path, base, seeds)
    assert result.verdict == verdict and gate["passed"] == (verdict == "better")
    assert result.seeds and result.seeds.mean == pytest.approx(sum(seeds) / 300, abs=1e-6)


def test_mean_and_spread_stand_on_every_page(tmp_path: Path) -> None:
    """58, 60 and 62 %: standard deviation 2 points; t with 2 degrees of freedom is 4.3027, so 60 - 10 +- 4.97."""
    result, _, report, page = judge(tmp_path, 10, [60, 62, 58])
    spread = result.seeds
    assert spread and spread.runs == ["tuned", "tuned-seed2", "tuned-seed3"]
    assert spread.values["exact_match"] == [0.6, 0.62, 0.58] and spread.deviation == pytest.approx(0.02)
    assert [spread.gain.low, spread.gain.high] == pytest.approx([0.45032, 0.54968], abs=1e-5) and spread.gain.n == 3
    said = "over 3 seeds 60.0 % on average, standard deviation 2.0 points"
    gain = "the gain over base is 50.0 points on average (45.0 to 55.0 by the spread of 3 seeds)"
    assert result.headline.endswith(f"; {said}")
    assert f"{said}; {gain}" in report and f"{said}; {gain}" in page
    assert "tuned-seed3: 58.0 %" in report and "<td>tuned-seed3</td>" in page


def test_what_is_not_claimed_is_explained(tmp_path: Path) -> None:
    result, gate, _, page = judge(tmp_path, 40, [60, 42, 36])
    reason = "the gain over base is 6.0 points on average (\u221225.0 to 37.0 by the spread of 3 seeds)"
    assert result.answer == f"No clear difference: {reason}" and gate["blocking"] == [reason]
    assert reason in page


def test_the_smallest_gain_that_counts_is_that_of_the_mean(tmp_path: Path) -> None:
    assert judge(tmp_path, 40, [60, 57, 54], min_gain=0.15)[0].verdict == "better"
    assert judge(tmp_path, 40, [60, 57, 54], min_gain=0.19)[0].verdict == "no clear difference"


def test_one_seed_says_nothing_of_seeds(tmp_path: Path) -> None:
    result, _, report, page = judge(tmp_path, 10, [60])
    assert result.seeds is None and "seed" not in result.headline + report and "lucky" not in page
