"""The second page of the demo: size, speed and score of every file, and whether it is the model that was evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import Compare, Example, Ladder, Parity
from gaslamp.core.files import JsonObject, read_jsonl, sha256_path, write_text
from gaslamp.export.ladder_page import render_svg
from gaslamp.pages.differences import choose, mark
from gaslamp.report.demo.render import render
from gaslamp.report.demo.scores import show_interval, show_share, show_value
from gaslamp.report.demo.words import read_language


def render_files_page(
    ladder: Ladder,
    parity: Parity,
    settings: Slice,
    digest: str,
    compare: Compare,
    shipped: Mapping[str, str],
    root: Path = Path(),
) -> str:
    """The HTML text of the second page.

    Args:
        ladder, parity: facts of the run.
        settings: slice with project and demo.
        digest: sha256 of ladder.json.
        compare: with the answers of the adapter.
        shipped: id of a test row -> answer of the recommended level.
        root: the project, for ``demo.style``.
    """
    from markupsafe import Markup

    t = read_language(settings.demo.language)
    best = next(level for level in ladder.levels if level.level == ladder.recommended)
    failed = sum(not check.passed for check in parity.checks)
    key = "proven" if parity.passed and not failed else "unproven"

    def show(value: float | None, form: str) -> str:
        return t["not_measured"] if value is None else form.format(value)

    prompted = [example for example in compare.examples if example.id in shipped]
    same = sum(shipped[example.id].strip() == example.tuned.strip() for example in prompted)
    shown = choose(prompted, settings.demo.examples) if prompted else []
    return render(
        "files.html.j2",
        settings,
        root,
        t=t,
        digest=digest,
        metric=ladder.title or ladder.metric.replace("_", " "),
        recommended=ladder.recommended,
        size=get_size(best.size_bytes),
        tolerance=f"{100 * ladder.tolerance:g}\u202f%",
        proven=key == "proven",
        proof=t[key].format(n=failed or len(parity.checks), all=len(parity.checks), prompts=parity.prompts),
        plot=Markup(render_svg(ladder)),  # made of numbers and escaped names
        shipped_note=t["shipped_note"].format(same=same, n=len(prompted), level=ladder.recommended),
        answers=[get_shipped_example(example, shipped[example.id]) for example in shown],
        levels=[
            {
                "name": level.level,
                "size": get_size(level.size_bytes),
                "bits": f"{level.bits_per_weight:.2f}",
                "good": level.within_tolerance,
                "score": show_value(level.score.value, ladder.unit),
                "interval": show_interval(level.score, ladder.unit),
                "same": show_share(level.same_as_f16),
                "writes": show(level.gen_tps, "{:.0f}"),
                "memory": show(level.peak_memory_gb, "{:.2f} GB"),
            }
            for level in sorted(ladder.levels, key=lambda level: -level.size_bytes)
        ],
    )


def get_shipped_example(example: Example, shipped: str) -> JsonObject:
    """One test row: its prompt, the adapter's answer as evaluated, and that of the shipped file with the difference."""
    return {
        "prompt": [{"role": turn.get("role", ""), "content": turn.get("content", "")} for turn in example.prompt],
        "same": shipped.strip() == example.tuned.strip(),
        "evaluated": mark(example.tuned, shipped),
        "shipped": mark(shipped, example.tuned),
    }


def build_files_page(
    ladder: Path,
    parity: Path,
    plot: Path,
    roadbook: Path,
    compare: Path,
    predictions: Sequence[Path],
    settings: Slice,
    out: Path,
) -> None:
    """Write the page of the files to ``out`` and copy the plot and the roadbook into the same folder.

    Args:
        ladder, parity, compare: JSON facts of the run.
        predictions: of every level; those of the recommended one are shown.
        plot: ladder.svg, which the first page shows.
        roadbook: gaslamp.md.
        settings: slice with project and demo.
        out: the page.
    """
    for source in (plot, roadbook):
        write_text(out.parent / source.name, source.read_text(encoding="utf-8"))
    facts = Ladder.read(ladder)
    file = next(path for path in predictions if path.name == f"gguf-{facts.recommended}.predictions.jsonl")
    shipped = {row["id"]: row["text"] for row in read_jsonl(file) if row["kind"] == "test" and "text" in row}
    compared = Compare.read(compare)
    write_text(out, render_files_page(facts, Parity.read(parity), settings, sha256_path(ladder), compared, shipped))
    say(f"{out}: size, speed and score of every file, and the answers of the one that ships")
