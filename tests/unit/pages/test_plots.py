"""Plots are figures and escaped text, and say nothing where there is nothing to plot."""

from __future__ import annotations

from gaslamp.core.contracts import Score
from gaslamp.pages.plots import get_ends, get_ticks, plot_bars, plot_histogram


def test_an_axis_is_marked_at_round_values() -> None:
    assert [round(value, 6) for value in get_ticks(0.647, 1.0)] == [0.7, 0.8, 0.9, 1.0]
    assert get_ticks(0.0, 293e6) == [0.0, 1e8, 2e8]
    assert all(
        3 <= len(get_ticks(low, low + span)) <= 6 for low in (-7.3, 0.0, 12.9) for span in (0.02, 1.0, 47.0, 9e9)
    )


def make_score(value: float) -> Score:
    return Score(value=value, low=value - 0.1, high=value + 0.1, n=10)


def test_bars_end_where_the_values_are() -> None:
    plot = str(plot_bars({"base": make_score(0.25), "tuned": make_score(0.75)}, "share"))
    assert 'width="98.0"' in plot and 'width="294.0"' in plot, "a quarter and three quarters of 392"
    assert plot.count("whisker") == 2 and 'aria-label="base 25.0 %, tuned 75.0 %"' in plot


def test_a_unit_of_a_plugin_is_text() -> None:
    plot = str(plot_bars({"base": make_score(1), "tuned": make_score(2)}, "<script>"))
    assert "<script>" not in plot and "&lt;script&gt;" in plot


def test_axes_hold_zero_and_the_intervals() -> None:
    assert get_ends([make_score(0.5)], "share") == (0.0, 1.0)
    assert get_ends([make_score(-2.0), make_score(3.0)], "nats") == (-2.1, 3.1)


def test_a_histogram_needs_more_than_right_and_wrong() -> None:
    assert plot_histogram({"base": [0.0, 1.0, 0.0], "tuned": [1.0, 1.0, 1.0]}) is None
    plot = str(plot_histogram({"base": [0.0, 0.1, 0.2], "tuned": [0.9, 1.0, 1.0]}))
    assert plot.count('class="bar-base"') == plot.count('class="bar-tuned"') == 10 and ">3</text>" in plot
