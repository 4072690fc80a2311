"""outputs/sweep.html: the leaderboard of a sweep, one file that opens without a network."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import get_duration, get_size, say
from gaslamp.core.contracts import Bench, Compare, Ladder
from gaslamp.core.events import get_history, read_events
from gaslamp.core.files import JsonObject, write_text
from gaslamp.core.sweep_contracts import PointFacts, SweepFacts
from gaslamp.evaluate.sweep import describe_choice, show_figure
from gaslamp.evaluate.sweep_importance import find_front
from gaslamp.pages.html import render_template
from gaslamp.pages.numbers import format_change, format_number, format_score, format_value
from gaslamp.pages.themes import get_theme_css
from gaslamp.report.sweep.figures import get_effects, plot_curves, plot_parallel, plot_trade, show_value

HERE = Path(__file__).parent


def build_sweep_page(sweep: Path, settings: Slice, out: Path, root: Path = Path()) -> None:
    """Write the page.

    Args:
        sweep: sweep.json.
        settings: slice with project.
        out: the page.
        root: the project folder.
    """
    facts = SweepFacts.read(sweep)
    write_text(out, render_sweep(facts, settings, root))
    say(f"{len(facts.points)} points on one page: {out}")


def render_sweep(facts: SweepFacts, settings: Slice, root: Path) -> str:
    """The HTML text."""
    curves = {point.run: curve for point in facts.points if len(curve := read_curve(root, point.run)) > 1}
    scored = [point for point in facts.points if point.score is not None]
    style = get_theme_css("auto", "general") + (HERE / "style.css").read_text(encoding="utf-8")
    return render_template(
        HERE / "sweep.html.j2",
        style,
        project=settings.project,
        choice=describe_choice(facts),
        facts=facts,
        keys=[key.removeprefix("train.") for key in facts.keys],
        rows=[get_row(facts, point, place) for place, point in enumerate(facts.points, 1)],
        shipped=[read_shipped(root, run) for run in facts.kept],
        curves=plot_curves(curves, facts.kept, f"validation loss of {len(curves)} points by step") if curves else "",
        parallel=plot_parallel(scored, facts.keys, facts.title, facts.unit, f"values and score of {len(scored)} points")
        if len(scored) > 1
        else "",
        files=(files := list_files(root, facts)),
        trade=plot_trade(files, facts) if len(files) > 1 else "",
        importances=[
            {"key": key.removeprefix("train."), "share": f"{100 * value:.0f} %"}
            for key, value in facts.importances.items()
        ],
        effects=[_show_effect(effect, facts.unit) for effect in get_effects(scored, facts.keys)],
    )


def get_row(facts: SweepFacts, point: PointFacts, place: int) -> JsonObject:
    """One line of the leaderboard, for the page and the terminal."""
    interval = ""
    if point.low is not None and point.high is not None:
        interval = f"{format_value(point.low, facts.unit)} to {format_value(point.high, facts.unit)}"
    return {
        "place": place,
        "run": point.run,
        "values": [show_value(point.changes.get(key)) for key in facts.keys],
        "figure": show_figure(facts, point),
        "interval": interval,
        "seeds": ", ".join(format_value(score, facts.unit) for score in point.scores) if len(point.scores) > 1 else "",
        "loss": "" if point.loss is None else format_number(point.loss),
        "time": get_duration(point.seconds),
        "memory": f"{point.peak_memory_gb:.2g} GB",
        "pruned": point.pruned or "",
        "kept": point.kept,
    }


def read_curve(root: Path, run: str) -> list[tuple[int, float]]:
    """(step, validation loss) of the newest training of a run."""
    events = get_history(read_events(root / "logs" / run / "train.metrics.jsonl"), "eval")
    return [(int(event["step"]), float(event["valid_loss"])) for event in events if event.get("valid_loss") is not None]


def read_shipped(root: Path, run: str) -> JsonObject:
    """What became of a point that went on: its test score, size and speed."""
    folder = root / "outputs" / run
    compare = Compare.read(folder / "eval/compare.json")
    main = compare.metrics[0]
    found: JsonObject = {
        "run": run,
        "title": main.title,
        "base": format_value(main.base.value, main.unit),
        "score": format_score(main.tuned, main.unit),
        "verdict": compare.verdict,
        "level": "",
        "size": "",
        "speed": "",
    }
    if (file := folder / "gguf/ladder.json").is_file():
        ladder = Ladder.read(file)
        level = next(one for one in ladder.levels if one.level == ladder.recommended)
        found |= {"level": level.level, "size": get_size(level.size_bytes)}
    if (file := folder / "gguf/bench.json").is_file():
        speeds = Bench.read(file).levels.get(str(found["level"]), {})
        speed = speeds.get("gen_tps", speeds.get("prompt_tps"))
        found["speed"] = "" if speed is None else f"{speed:.1f}"
    return found


def list_files(root: Path, facts: SweepFacts) -> list[JsonObject]:
    """Every GGUF file of the points that went on, with score, size and speed, and whether another one beats it."""
    found: list[JsonObject] = []
    for run in facts.kept:
        file = root / "outputs" / run / "gguf/ladder.json"
        ladder = Ladder.read(file) if file.is_file() else None
        for level in ladder.levels if ladder else ():
            found.append(
                {
                    "run": run,
                    "level": level.level,
                    "value": level.score.value,
                    "score": format_score(level.score, ladder.unit if ladder else facts.unit),
                    "bytes": level.size_bytes,
                    "size": get_size(level.size_bytes),
                    "tps": level.gen_tps or level.prompt_tps or 0.0,
                }
            )
    if found:
        aims = [(float(one["value"]), float(one["bytes"]), float(one["tps"])) for one in found]
        front = find_front(aims, (facts.higher, False, True))
        for place, one in enumerate(found):
            one["front"] = place in front
    return found


def _show_effect(effect: JsonObject, unit: str) -> JsonObject:
    means = effect["means"]
    return {
        "key": str(effect["key"]).removeprefix("train."),
        "difference": format_change(0.0, float(effect["difference"]), unit).removeprefix("+"),
        "values": [
            f"{value}: {format_value(mean, unit)} ({effect['counts'][value]})"
            for value, mean in sorted(means.items(), key=lambda pair: -pair[1])
        ],
    }
