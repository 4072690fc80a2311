"""The first page of the demo: facts in, one HTML file out.

Model text travels as escaped JSON and is shown as text, never as markup.
"""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import Compare, ModelFacts, TrainFacts
from gaslamp.core.files import sha256_path, write_text
from gaslamp.core.places import get_data_folder
from gaslamp.evaluate.deciding import ANSWERS
from gaslamp.evaluate.tone import get_tone
from gaslamp.pages.differences import choose
from gaslamp.pages.html import escape_json
from gaslamp.pages.numbers import format_chance, format_change
from gaslamp.report.demo.examples import get_example
from gaslamp.report.demo.render import HERE, render
from gaslamp.report.demo.scores import get_bars, get_retention, get_rows, show_share, show_value
from gaslamp.report.demo.training import get_training
from gaslamp.report.demo.words import read_language

SCRIPT_WORDS = (
    "improved",
    "comparable",
    "regressed",
    "base",
    "tuned",
    "expected",
    "preferred",
    "rated_good",
    "rated_bad",
    "compare_with",
    "score",
    "empty",
    "same",
    "as_written",
    "position",
    "system",
    "user",
    "assistant",
)
"""Words of the language file that the script of the page needs."""


def render_page(
    compare: Compare,
    train: TrainFacts,
    model: ModelFacts,
    settings: Slice,
    digest: str,
    folder: Path = Path("data"),
    root: Path = Path(),
) -> str:
    """The HTML text of the first page.

    Args:
        compare, train, model: facts of the run.
        settings: slice with project and demo.
        digest: sha256 of the compare file.
        folder: where the images of the rows are.
        root: the project, for ``demo.style``.

    Raises:
        GaslampError: no such language, or a style that cannot be read or cannot be used.
    """
    from markupsafe import Markup

    t = read_language(settings.demo.language)
    script = (HERE / "page.js").read_text(encoding="utf-8")
    shown = choose(compare.examples, settings.demo.examples)
    tone, verdict = get_tone(compare), t[compare.verdict]
    first = compare.metrics[0]
    hero, hero_base = show_value(first.tuned.value, first.unit), show_value(first.base.value, first.unit)
    title, more = split_headline(compare)
    headline = compare.headline
    if settings.demo.language != "en":  # what compare.json says is English: the same figures in the page's words
        headline = t["headline"].format(verdict=verdict, metric=first.title, base=hero_base, tuned=hero, n=compare.n)
        title, more = headline, ""
        if compare.unbeaten:
            names = ", ".join(one.title for one in compare.unbeaten)
            verdict = t["unbeaten"].format(verdict=verdict, names=names)
    examples = [get_example(example, compare.kind, folder) for example in shown]
    return render(
        "index.html.j2",
        settings,
        root,
        script,
        # escape_json leaves no character that HTML could read
        data=Markup(escape_json(examples)),
        words=Markup(escape_json({key: t[key] for key in SCRIPT_WORDS})),
        t=t,
        compared=any(example["reference"] not in ("", "rated_bad") for example in examples),
        wide=any(example["images"] for example in examples),
        digest=digest,
        title=settings.demo.title or title,
        headline=headline if settings.demo.title else more,
        tone=tone,
        verdict=verdict,
        n=compare.n,
        percent=show_share,
        points=format_change,
        confidence=f"{100 * compare.confidence:g}\u202f%",
        first=first.title,
        hero=hero,
        hero_base=hero_base,
        bars=get_bars(first),
        change=format_change(first.base.value, first.tuned.value, first.unit),
        chance=format_chance(first.p_value),
        gained=compare.gained,
        lost=compare.lost,
        counts=", ".join(
            f"{count} {t[kind]}"
            for kind in ("improved", "comparable", "regressed")
            if (count := sum(one.change == kind for one in shown))
        ),
        rows=get_rows(compare),
        stop_rate=compare.stop_rate,
        retention=get_retention(compare),
        training=get_training(train, model, t),
        model=model,
    )


def split_headline(compare: Compare) -> tuple[str, str]:
    """The headline of compare.json as a short one and what stands below it.

    The verdict stands above both: where the answer says no more, the figures are the headline.
    """
    figures = compare.headline.removeprefix(f"{compare.answer}. ")
    says_more = compare.answer not in ("", compare.headline, *ANSWERS.values())
    if figures == compare.headline:
        return (compare.answer, figures) if says_more else (figures, "")
    if figures.split()[0].islower():  # not chrF
        figures = figures[:1].upper() + figures[1:]
    return (compare.answer, figures) if says_more else (figures, "")


def build_demo(compare: Path, train: Path, model: Path, settings: Slice, out: Path) -> None:
    """Write the demo page of one run to ``out``.

    Args:
        compare, train, model: JSON facts of the run.
        settings: slice with project and demo.
        out: the page.
    """
    data = get_data_folder(out.parent.name)
    page = render_page(
        Compare.read(compare), TrainFacts.read(train), ModelFacts.read(model), settings, sha256_path(compare), data
    )
    write_text(out, page)
    say(f"{out}: open it in a browser, or send the file to someone")
