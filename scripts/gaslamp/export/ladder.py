"""Which quantized file to ship: the smallest whose score stays within the tolerance of 16 bit."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from gaslamp.config.levels import get_level, is_with_imatrix
from gaslamp.config.slices import Slice
from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import Bench, Compare, Ladder, Level, Provenance
from gaslamp.core.files import read_jsonl
from gaslamp.evaluate.choose_metrics import choose_metrics, choose_served_metric
from gaslamp.evaluate.predictions import get_outcome, read_predictions
from gaslamp.evaluate.slices import get_slices
from gaslamp.evaluate.stats import get_score
from gaslamp.export.llamacpp.gguf_facts import read_gguf_facts
from gaslamp.pages.numbers import format_value

MEASURED = (
    "load_seconds",
    "prompt_tps",
    "gen_tps",
    "peak_memory_gb",
    "others_percent",
    "perplexity",
    "perplexity_error",
    "kl_divergence",
    "kl_error",
    "same_top",
)


def build_ladder(
    settings: Slice, gguf: list[Path], predictions: list[Path], bench: Path, compare: Path, test: Path, out: Path
) -> Ladder:
    """Score every level on the test set and recommend one.

    Args:
        settings: slice with export.tolerance, export.imatrix, export.ladder_rows, eval, method, data.slice and
            train.rewards.
        gguf: one file for each level, f16 among them.
        predictions: of each level, in the same order.
        bench: bench.json, for what each level costs and how far it is from f16.
        compare: compare.json, for the score of the evaluated adapter.
        test: data/test.jsonl.
        out: ladder.json to write.
    """
    rows = list(read_jsonl(test))[: settings.export.ladder_rows]
    confidence, tolerance = settings.eval.confidence, settings.export.tolerance
    answers = {get_level(file): read_predictions(path, rows) for file, path in zip(gguf, predictions, strict=True)}
    metric = choose_served_metric(
        choose_metrics(settings, rows), rows, [found[row["id"]] for found in answers.values() for row in rows]
    )
    found_scores = {
        level: metric.score_all(rows, [found[row["id"]] for row in rows]) for level, found in answers.items()
    }
    judged = [n for n in range(len(rows)) if all(values[n] is not None for values in found_scores.values())]
    rows = [rows[n] for n in judged]
    # more is better from here on: the sign of an error metric is changed for the comparison only
    sign = -1.0 if metric.higher is False else 1.0
    scores = {
        level: [value for n in judged if (value := values[n]) is not None] for level, values in found_scores.items()
    }
    floor = sign * sum(scores["f16"]) / len(rows) - tolerance
    slices = get_slices(rows, settings.data.slice, settings.eval.slices, set())
    measured = Bench.read(bench)
    levels = []
    for file in gguf:
        level = get_level(file)
        facts, found = read_gguf_facts(file), answers[level]
        score = get_score(scores[level], confidence)
        levels.append(
            Level(
                level=level,
                file=file.name,
                size_bytes=facts["size_bytes"],
                bits_per_weight=facts["bits_per_weight"],
                score=score,
                slices={
                    name: get_score([scores[level][n] for n in members], confidence) for name, members in slices.items()
                },
                same_as_f16=sum(get_outcome(found[row["id"]]) == get_outcome(answers["f16"][row["id"]]) for row in rows)
                / len(rows),
                stop_rate=sum(found[row["id"]]["stopped"] for row in rows) / len(rows),
                seconds=round(sum(found[row["id"]]["seconds"] for row in rows), 1),
                within_tolerance=sign * score.value >= floor - 1e-9,
                imatrix=is_with_imatrix(level, settings.export.imatrix),
                **{key: measured.levels[level].get(key) for key in MEASURED},
            )
        )
    best = min((level for level in levels if level.within_tolerance), key=lambda level: level.size_bytes)
    smaller = [level.level for level in levels if level.size_bytes < best.size_bytes]
    reason = (
        f"the smallest file that loses at most {100 * tolerance:g} % of the score of f16 "
        f"({format_value(best.score.value, metric.unit)} against {format_value(fmean(scores['f16']), metric.unit)})"
    )
    if smaller:
        reason += f"; {', '.join(smaller)} would be smaller but lose{'s' if len(smaller) == 1 else ''} more"
    ladder = Ladder(
        metric=metric.name,
        title=metric.title,
        unit=metric.unit,
        tolerance=tolerance,
        tuned=next((result.tuned for result in Compare.read(compare).metrics if result.name == metric.name), None),
        levels=levels,
        recommended=best.level,
        reason=reason,
        provenance=Provenance.start([*gguf, *predictions, bench, compare, test], settings.dump()),
    )
    ladder.write(out)
    say(
        "; ".join(
            f"{level.level} {format_value(level.score.value, metric.unit)} in {get_size(level.size_bytes)}"
            for level in levels
        )
        + f" -> {best.level}"
    )
    return ladder
