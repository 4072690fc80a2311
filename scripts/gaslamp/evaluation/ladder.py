"""Which quantized file to ship: the smallest whose score stays within the tolerance of 16 bit, never just the smallest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaslamp.console import get_size, say
from gaslamp.contracts import Bench, Compare, Ladder, Level, Provenance, Score
from gaslamp.evaluation.compare import get_metrics, get_name, read_predictions
from gaslamp.evaluation.stats import get_score
from gaslamp.files import read_jsonl
from gaslamp.levels import get_level, is_with_imatrix
from gaslamp.llamacpp.convert import read_gguf_facts
from gaslamp.rows import get_reference

MEASURED = ("load_seconds", "prompt_tps", "gen_tps", "peak_memory_gb", "perplexity", "perplexity_error", "kl_divergence", "kl_error", "same_top")


def build_ladder(settings: Any, gguf: list[Path], predictions: list[Path], bench: Path, compare: Path, test: Path, out: Path) -> Ladder:
    """Score every level on the test set and recommend one.

    Args:
        settings: slice with export.tolerance, export.imatrix and eval.
        gguf, predictions: one file each for every level, in the same order; f16 is among them.
        bench: bench.json, for what each level costs and how far it is from f16.
        compare: compare.json, for the score of the evaluated adapter.
        test: data/test.jsonl.
        out: ladder.json to write.
    """
    rows = list(read_jsonl(test))
    references = [get_reference(row) or "" for row in rows]
    metric = get_metrics(settings.eval.metrics, references)[0]
    confidence, tolerance = settings.eval.confidence, settings.export.tolerance
    answers = {get_level(file): read_predictions(path, rows) for file, path in zip(gguf, predictions, strict=True)}
    scores = {
        level: [metric.score(found[row["id"]]["text"], reference) for row, reference in zip(rows, references, strict=True)]
        for level, found in answers.items()
    }
    floor = sum(scores["f16"]) / len(rows) - tolerance
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
                slices=_get_slices(rows, scores[level], confidence),
                same_as_f16=sum(found[row["id"]]["text"] == answers["f16"][row["id"]]["text"] for row in rows) / len(rows),
                stop_rate=sum(found[row["id"]]["stopped"] for row in rows) / len(rows),
                seconds=round(sum(found[row["id"]]["seconds"] for row in rows), 1),
                within_tolerance=score.value >= floor - 1e-9,
                imatrix=is_with_imatrix(level, settings.export.imatrix),
                **{key: measured.levels[level].get(key) for key in MEASURED},
            )
        )
    best = min((level for level in levels if level.within_tolerance), key=lambda level: level.size_bytes)
    smaller = [level.level for level in levels if level.size_bytes < best.size_bytes]
    reason = f"the smallest file that loses at most {tolerance:.0%} of the score of f16 ({best.score.value:.1%} against {scores_mean(scores['f16']):.1%})"
    if smaller:
        reason += f"; {', '.join(smaller)} would be smaller but lose{'s' if len(smaller) == 1 else ''} more"
    ladder = Ladder(
        metric=get_name(metric),
        tolerance=tolerance,
        tuned=Compare.read(compare).metrics[0].tuned,
        levels=levels,
        recommended=best.level,
        reason=reason.replace("%", " %"),
        provenance=Provenance.start([*gguf, *predictions, bench, compare, test], settings.dump()),
    )
    ladder.write(out)
    say("; ".join(f"{level.level} {level.score.value:.1%} in {get_size(level.size_bytes)}" for level in levels) + f" -> {best.level}")
    return ladder


def scores_mean(values: list[float]) -> float:
    """Mean of a list of scores."""
    return sum(values) / len(values)


def _get_slices(rows: list[dict[str, Any]], values: list[float], confidence: float) -> dict[str, Score]:
    names = sorted({row["slice"] for row in rows if "slice" in row})
    if len(names) < 2:
        return {}
    return {
        name: get_score([value for row, value in zip(rows, values, strict=True) if row.get("slice") == name], confidence) for name in names
    }
