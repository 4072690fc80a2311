"""outputs/<run>/report.html: data, curves, evaluation, ladder, parity, environment and provenance on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import Card, Compare, Ladder, ModelFacts, Parity, TrainFacts, Verdict
from gaslamp.core.files import read_json, write_text
from gaslamp.evaluate.metric import get_title
from gaslamp.export.ladder_page import render_svg
from gaslamp.pages.baselines import get_baseline_rows
from gaslamp.pages.html import render_template
from gaslamp.pages.links import get_links
from gaslamp.pages.themes import get_theme_css
from gaslamp.report.dashboard.panels import get_panels
from gaslamp.report.dashboard.tail import Tail
from gaslamp.report.dashboard.trainings import Training
from gaslamp.report.run_report.curves import HEIGHT, LEFT, RIGHT, WIDTH, get_chart
from gaslamp.report.run_report.tables import (
    get_data,
    get_environment,
    get_levels,
    get_model,
    get_provenance,
    get_scores,
    get_settings,
    get_training,
)

HERE = Path(__file__).parent


def read_training(metrics: Path) -> Training | None:
    """The newest training of a metrics file; ``None`` when nothing was logged."""
    tail, trainings = Tail(metrics), dict[str, Training]()
    newest = None
    while events := tail.read()[1]:
        for event in events:
            newest = str(event.get("key", ""))
            trainings.setdefault(newest, Training(metrics.parent.name, newest)).add(event)
    return trainings.get(newest or "")


def render_report(files: dict[str, Path], metrics: Path, settings: Slice, links: Sequence[tuple[str, str]] = ()) -> str:
    """The HTML text.

    Args:
        files: paths of system, env, model, card, train, compare, verdict, and ladder and parity of a chat model.
        metrics: the metrics.jsonl of the run; the curves are left out when it is gone.
        settings: slice with project.
        links: title and address of the other pages.
    """
    from markupsafe import Markup

    model, card, train = ModelFacts.read(files["model"]), Card.read(files["card"]), TrainFacts.read(files["train"])
    compare = Compare.read(files["compare"])
    ladder, parity = (
        Ladder.read(files["ladder"]) if "ladder" in files else None,
        Parity.read(files["parity"]) if "parity" in files else None,
    )
    verdict = Verdict.model_validate(read_json(files["verdict"]))
    training = read_training(metrics)
    charts = [chart for panel in get_panels(training) if (chart := get_chart(training, panel))] if training else []
    style = get_theme_css("auto", "general") + (HERE / "style.css").read_text(encoding="utf-8")
    provenance = train.provenance
    return render_template(
        HERE / "report.html.j2",
        style,
        project=settings.project,
        links=links,
        compare=compare,
        verdict=verdict,
        parity=parity,
        ladder=ladder,
        model=get_model(model),
        data=get_data(card),
        warnings=card.warnings,
        checks=card.checks,
        charts=charts,
        box={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT},
        training=get_training(train),
        scores=get_scores(compare),
        baselines=get_baseline_rows(compare),
        ladder_metric=get_title(ladder.metric) if ladder else "",
        levels=get_levels(ladder) if ladder else [],
        ladder_plot=Markup(render_svg(ladder)) if ladder else "",
        environment=get_environment(read_json(files["system"]), read_json(files["env"])),
        provenance=get_provenance(files, [fact for fact in (train, compare, ladder, parity) if fact]),
        command=provenance.command if provenance else "",
        settings=get_settings(train),
    )


def build_report(files: dict[str, Path], metrics: Path, settings: Slice, out: Path) -> None:
    """Write the report of a run to ``out``; the other arguments as for ``render_report``."""
    write_text(out, render_report(files, metrics, settings, get_links(out)))
    say(f"{out}: the whole run in one file")
