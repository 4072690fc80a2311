"""What the lines of the plan are called for somebody who knows none of the terms; the terms stand below them."""

from __future__ import annotations

from dataclasses import dataclass

from gaslamp.guide.changes import LISTS
from gaslamp.guide.language import NAMES
from gaslamp.guide.plan import Line, Plan
from gaslamp.guide.plugins import get_constant

TITLES = {
    "columns": ("What is in the data", "which column is the question, which the answer"),
    "method": ("How it learns", "from answers, from preferences, or from points"),
    "reward": ("What earns points", "a small program that judges each answer"),
    "base model": ("The model it starts from", "it can talk already; your rows teach it the task"),
    "tier": ("Size", "larger models are better and slower"),
    "profile": ("Where it runs", "this processor, a graphics card, a Mac"),
    "max_length": ("Longest text", "in tokens, which are pieces of words; auto takes the longest row"),
    "metric": ("How it is tested", "on rows that it never saw"),
    "deploy": ("What is made", "files for the programs that will run it"),
    "theme": ("Look of the pages", "colours"),
    "language": ("Language of the answers", ""),
    "demo language": ("Language of the demo page", ""),
    "memory": ("Learnt from earlier projects", "settings that helped before"),
}
"""Line of the plan -> title, explanation."""
HIDDEN = ("tier", "max_length", "theme", "language", "demo language")
"""What few change: below the others, folded."""

NAMED = {
    "method": ("methods", "TITLE"),
    "metric": ("metrics", "TITLE"),
    "deploy": ("exporters", "TITLE"),
    "profile": ("backends", "MACHINE"),
}
"""Line whose values are plug-ins -> their kind, and the constant that says in words what each is."""


@dataclass(frozen=True)
class Option:
    """One value that a line may have, and how it is called."""

    value: str
    title: str


@dataclass(frozen=True)
class Shown:
    """A line of the plan as a form.

    Attributes:
        line: of the plan.
        title, about: in plain words.
        kind: choice, several, text, or fixed where it follows from another line.
        options: of a choice; for a text what it may be.
        chosen: the values that are set, of a line with several.
    """

    line: Line
    title: str
    about: str
    kind: str
    options: tuple[Option, ...]
    chosen: tuple[str, ...]

    @property
    def id(self) -> str:
        """For the page."""
        return "line-" + self.line.name.replace(" ", "-")

    @property
    def is_folded(self) -> bool:
        """Whether few people change it."""
        return self.line.name in HIDDEN


def show_lines(plan: Plan) -> list[Shown]:
    """Every line of a plan with what may be chosen instead."""
    return [_show(line) for line in plan.lines]


def _show(line: Line) -> Shown:
    title, about = TITLES.get(line.name, (line.name, ""))
    options = list(line.options)
    if line.name == "tier" or line.name == "columns" and len(options) < 2:
        kind = "fixed"
    elif line.name in LISTS:
        kind = "several"
    elif line.name in ("base model", "max_length", "language"):
        kind = "text"
        options = list(NAMES.values()) if line.name == "language" else options
    else:
        kind = "choice" if options else "fixed"
    if kind == "choice" and line.value not in options:
        options.insert(0, line.value)
    chosen = tuple(name.strip() for name in line.value.split(",")) if kind == "several" else ()
    return Shown(line, title, about, kind, tuple(Option(value, _name(line, value)) for value in options), chosen)


def _name(line: Line, value: str) -> str:
    """What a plug-in calls itself, with its name in config.yaml behind it; everything else has that name alone."""
    kind, constant = NAMED.get(line.name, ("", ""))
    title = get_constant(kind, value, constant, "") if kind else ""
    return f"{title} ({value})" if title else value
