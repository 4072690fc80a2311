"""The demo page: facts in, one HTML file out. Model text travels as escaped JSON and is shown as text, never as markup."""

from __future__ import annotations

import base64
import json
import mimetypes
from pathlib import Path
from typing import Any

from gaslamp.config.slices import Slice
from gaslamp.core.console import get_duration, get_size, say
from gaslamp.core.contracts import Compare, Example, Ladder, MetricResult, ModelFacts, Parity, Score, TrainFacts
from gaslamp.core.files import get_csp_hash, sha256_path, write_text
from gaslamp.export.ladder_page import render_svg
from gaslamp.pages.differences import choose, get_label, lay_out, mark
from gaslamp.pages.numbers import format_change, format_interval, format_value
from gaslamp.pages.themes import get_theme, get_theme_css
from gaslamp.report.demo.own_style import get_own_style
from gaslamp.report.demo.words import read_language

HERE = Path(__file__).parent
TONES = {"better": "good", "no clear difference": "even", "worse": "bad"}
MAX_IMAGE = 2_000_000  # bytes of a picture that the page carries


def percent(value: float) -> str:
    """A share as ``95.5 %``."""
    return f"{100 * value:.1f}\u202f%"


def _value(value: float, unit: str) -> str:
    return percent(value) if unit == "share" else format_value(value, unit)


def _interval(score: Score, unit: str = "share") -> str:
    return format_interval(score, unit).replace(" to ", "–")


def _points(base: float, tuned: float, unit: str = "share") -> str:
    return format_change(base, tuned, unit)


def _chance(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def escape_json(value: Any) -> str:
    """JSON that can stand in a script element: no ``<``, ``>`` or ``&``, and no line separator of older JavaScript."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _get_answer(text: str, expected: str) -> dict[str, Any]:
    """Both forms of an answer, as marked pieces: as written, and laid out when it is JSON."""
    laid_out = lay_out(text)
    answer: dict[str, Any] = {"written": mark(text, expected)}
    if laid_out is not None:
        answer["laid_out"] = mark(laid_out, lay_out(expected) or expected)
    return answer


def _get_images(example: Example, folder: Path) -> list[str]:
    """The pictures of a row as data URIs: the page stays one file. What is missing, too large or no picture is left out."""
    found = []
    for place in getattr(example, "images", []):
        file = folder / place
        kind = mimetypes.guess_type(file.name)[0] or ""
        if kind in ("image/png", "image/jpeg", "image/webp") and file.is_file() and file.stat().st_size <= MAX_IMAGE:
            found.append(f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}")
    return found


def _get_example(example: Example, folder: Path) -> dict[str, Any]:
    return {
        "images": _get_images(example, folder),
        "label": get_label(example),
        "change": example.change,
        "slice": example.slice,
        "prompt": [{"role": turn.get("role", ""), "content": turn.get("content", "")} for turn in example.prompt],
        "expected": _get_answer(example.reference, example.tuned if example.tuned.strip() else example.reference),
        "base": {**_get_answer(example.base, example.reference), "score": example.base_score},
        "tuned": {**_get_answer(example.tuned, example.reference), "score": example.tuned_score},
        "same": example.tuned.strip() == example.reference.strip(),
    }


def _get_rows(compare: Compare) -> list[dict[str, Any]]:
    rows = []
    for metric in compare.metrics:
        pairs = [("", {"base": metric.base, "tuned": metric.tuned}), *metric.slices.items()]
        for name, pair in pairs:
            base, tuned = pair["base"], pair["tuned"]
            rows.append(
                {
                    "title": name or metric.title,
                    "part": bool(name),
                    "n": tuned.n,
                    "base": _value(base.value, metric.unit),
                    "base_interval": _interval(base, metric.unit),
                    "tuned": _value(tuned.value, metric.unit),
                    "tuned_interval": _interval(tuned, metric.unit),
                    "change": _points(base.value, tuned.value, metric.unit),
                    "chance": "" if name else _chance(metric.p_value),
                }
            )
    return rows


def _get_retention(compare: Compare) -> dict[str, Any] | None:
    if not {"base", "tuned"} <= set(compare.retention):
        return None
    base, tuned = compare.retention["base"], compare.retention["tuned"]
    return {
        "bars": [_bar("Base", base), _bar("Tuned", tuned)],
        "n": tuned.n,
        "change": _points(base.value, tuned.value),
        "lost": compare.retention_lost,
    }


def _bar(who: str, score: Score, unit: str = "share", full: float = 1.0) -> dict[str, Any]:
    """One bar with its whisker, in thousandths of the full width; ``full`` is the value of a whole bar."""
    width = {name: round(1000 * min(1.0, max(0.0, getattr(score, name) / full))) for name in ("value", "low", "high")}
    return {"who": who, "text": _value(score.value, unit), "interval": _interval(score, unit), **width}


def _get_full(metric: MetricResult) -> float:
    """The value of a whole bar: all, for a share; else the most that the intervals reach."""
    return 1.0 if metric.unit == "share" else max(metric.base.high, metric.tuned.high, 1e-9)


def _get_training(train: TrainFacts, model: ModelFacts, t: dict[str, str]) -> list[tuple[str, str, str]]:
    """Name, value, remark of each fact about the training, in the words of ``t``; what is not known is left out."""
    valid = ""
    if train.valid_loss_first is not None and train.valid_loss_last is not None:
        valid = t["validation"].format(first=f"{train.valid_loss_first:.3g}", last=f"{train.valid_loss_last:.3g}")
    share = train.trainable_parameters / train.total_parameters
    resumed = t["no_interruption"] if train.attempts == 1 else t["attempts"].format(n=train.attempts)
    tokens, steps = f"{train.trained_tokens:,}", f"{train.steps:,}"
    facts = [
        (t["base_model"], model.name, model.license or ""),
        (t["size"], t["parameters"].format(n=f"{model.parameters / 1e6:,.1f}"), get_size(model.size_bytes)),
        (
            t["method"],
            t["method_on"].format(method=train.method.upper(), backend=train.backend),
            f"{train.device}, {train.dtype}",
        ),
        (
            t["trained_part"],
            t["parameters"].format(n=f"{train.trainable_parameters / 1e6:,.1f}"),
            t["of_all"].format(n=percent(share)),
        ),
        (
            t["data"],
            t["data_rows"].format(n=f"{train.train_rows:,}", epochs=f"{train.epochs:g}"),
            t["data_tokens"].format(tokens=tokens, steps=steps),
        ),
        (t["time"], get_duration(train.seconds), resumed),
        (t["loss"], f"{train.loss_first:.3g} → {train.loss_last:.3g}", valid),
        (t["memory"], f"{train.peak_memory_gb:.1f} GB", t["speed"].format(n=f"{train.tokens_per_second:,.0f}")),
    ]
    return [fact for fact in facts if fact[1]]


_SCRIPT_WORDS = (
    "improved",
    "comparable",
    "regressed",
    "base",
    "tuned",
    "expected",
    "score",
    "empty",
    "same",
    "as_written",
    "position",
    "system",
    "user",
    "assistant",
)


def render_page(
    compare: Compare,
    train: TrainFacts,
    model: ModelFacts,
    settings: Slice,
    digest: str,
    folder: Path = Path("data"),
    root: Path = Path(),
) -> str:
    """The HTML text.

    Args:
        compare, train, model: facts of the run.
        settings: slice with project, demo and method.
        digest: sha256 of the compare file.
        folder: where the pictures of the rows stand.
        root: the project, for ``demo.style``.

    Raises:
        GaslampError: no such language, or a style that cannot be read or cannot be used.
    """
    from markupsafe import Markup

    t = read_language(settings.demo.language)
    script = (HERE / "page.js").read_text(encoding="utf-8")
    shown = choose(compare.examples, settings.demo.examples)
    tone, verdict = TONES[compare.verdict], t[compare.verdict]
    first = compare.metrics[0]
    hero, hero_base = _value(first.tuned.value, first.unit), _value(first.base.value, first.unit)
    headline = compare.headline
    if (
        settings.demo.language != "en"
    ):  # the sentence in compare.json is English: the same figures in the words of the page
        headline = t["headline"].format(verdict=verdict, metric=first.title, base=hero_base, tuned=hero, n=compare.n)
    examples = [_get_example(example, folder) for example in shown]
    return _render(
        "index.html.j2",
        settings,
        root,
        script=Markup(script),
        script_hash=get_csp_hash(script),
        # escape_json leaves no character that HTML could read
        data=Markup(escape_json(examples)),
        words=Markup(escape_json({key: t[key] for key in _SCRIPT_WORDS})),
        t=t,
        wide=any(example["images"] for example in examples),
        digest=digest,
        title=settings.demo.title or headline,
        headline=headline if settings.demo.title else "",
        tone=tone,
        verdict=verdict,
        n=compare.n,
        percent=percent,
        points=_points,
        confidence=f"{100 * compare.confidence:g}\u202f%",
        first=first.title,
        hero=hero,
        hero_base=hero_base,
        bars=[
            _bar("Base", first.base, first.unit, _get_full(first)),
            _bar("Tuned", first.tuned, first.unit, _get_full(first)),
        ],
        change=_points(first.base.value, first.tuned.value, first.unit),
        chance=_chance(first.p_value),
        gained=compare.gained,
        lost=compare.lost,
        counts=", ".join(
            f"{count} {t[kind]}"
            for kind in ("improved", "comparable", "regressed")
            if (count := sum(one.change == kind for one in shown))
        ),
        rows=_get_rows(compare),
        stop_rate=compare.stop_rate,
        retention=_get_retention(compare),
        training=_get_training(train, model, t),
        model=model,
    )


def _render(template: str, settings: Slice, root: Path, **facts: Any) -> str:
    """A page of the demo in the theme and the style of the project."""
    import jinja2
    from markupsafe import Markup

    theme = get_theme(settings.demo.theme, settings.project.domain)
    style = (
        get_theme_css(theme, settings.project.domain)
        + (HERE / "style.css").read_text(encoding="utf-8")
        + get_own_style(settings.demo.style, root)
    )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        style=Markup(style),
        style_hash=get_csp_hash(style),
        language=settings.demo.language,
        theme=theme,
        project=settings.project,
        **facts,
    )


def render_files_page(ladder: Ladder, parity: Parity, settings: Slice, digest: str, root: Path = Path()) -> str:
    """The HTML text of the second page: size, speed and score of every file, and whether the files are the model that was evaluated.

    Args:
        ladder, parity: facts of the run.
        settings: slice with project and demo.
        digest: sha256 of ladder.json.
        root: the project, for ``demo.style``.
    """
    from markupsafe import Markup

    t = read_language(settings.demo.language)
    best = next(level for level in ladder.levels if level.level == ladder.recommended)
    failed = sum(not check.passed for check in parity.checks)
    key = "proven" if parity.passed and not failed else "unproven"

    def show(value: float | None, form: str) -> str:
        return t["not_measured"] if value is None else form.format(value)

    return _render(
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
        levels=[
            {
                "name": level.level,
                "size": get_size(level.size_bytes),
                "bits": f"{level.bits_per_weight:.2f}",
                "good": level.within_tolerance,
                "score": _value(level.score.value, ladder.unit),
                "interval": _interval(level.score, ladder.unit),
                "same": percent(level.same_as_f16),
                "writes": show(level.gen_tps, "{:.0f}"),
                "memory": show(level.peak_memory_gb, "{:.2f} GB"),
            }
            for level in sorted(ladder.levels, key=lambda level: -level.size_bytes)
        ],
    )


def build_files_page(ladder: Path, parity: Path, plot: Path, roadbook: Path, settings: Slice, out: Path) -> None:
    """Write the page of the files to ``out``, with what it points to beside it: the picture for the first page, the roadbook."""
    for source in (plot, roadbook):
        write_text(out.parent / source.name, source.read_text(encoding="utf-8"))
    write_text(out, render_files_page(Ladder.read(ladder), Parity.read(parity), settings, sha256_path(ladder)))
    say(f"{out}: size, speed and score of every file")


def build_demo(compare: Path, train: Path, model: Path, settings: Slice, out: Path) -> None:
    """Write the demo page of one run to ``out``."""
    page = render_page(
        Compare.read(compare), TrainFacts.read(train), ModelFacts.read(model), settings, sha256_path(compare)
    )
    write_text(out, page)
    say(f"{out}: open it in a browser, or send the file to someone")
