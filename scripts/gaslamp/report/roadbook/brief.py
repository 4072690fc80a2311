"""project_brief.md: the goal of the project, from the config alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gaslamp.config.backends import get_machine
from gaslamp.config.recommended import read_reasons
from gaslamp.config.slices import Slice
from gaslamp.core.files import write_text
from gaslamp.pages.markdown import escape, escape_cell
from gaslamp.report.methods import describe_method


def render_brief(settings: Slice, reasons: Mapping[str, str] | None = None) -> str:
    """The brief as Markdown; what is not set has no row.

    Args:
        settings: slice with project, method, model, data and backend.
        reasons: key of config.yaml -> why it was recommended.
    """
    because = {key: f", because {reason}" for key, reason in (reasons or {}).items()}
    project, method = settings.project, describe_method(settings.method)
    columns = ", ".join(f"{role} from {column}" for role, column in settings.data.columns.items())
    rows = [
        ("Problem", project.task),
        ("Audience", project.audience),
        ("Domain", project.domain),
        (
            "Base model",
            settings.model.source
            + (f", revision {settings.model.revision}" if settings.model.revision else "")
            + (f", with {settings.model.adapter} merged into it" if settings.model.adapter else "")
            + because.get("model.source", ""),
        ),
        ("Data", settings.data.source),
        ("Columns", columns),
        ("System prompt", settings.data.system),
        ("Method", f"{method.name.upper()} ({method.title}), because {method.reason}"),
        ("Backend", f"{settings.backend}: {get_machine(settings.backend)}{because.get('backend', '')}"),
    ]
    lines = [f"# {escape(project.name)}: project brief", "", "| What | Choice |", "|---|---|"]
    lines += [f"| {name} | {escape_cell(value)} |" for name, value in rows if value and value.strip()]
    missing = [
        key
        for key, value in (("project.task", project.task), ("project.audience", project.audience))
        if not value.strip()
    ]
    if missing:
        lines += ["", f"Not set yet: {' and '.join(missing)} in config.yaml. The demo page and the roadbook show them."]
    return "\n".join(lines) + "\n"


def write_brief(settings: Slice, out: Path) -> None:
    """Write the brief of the project in the working directory to ``out``; ``settings`` as for ``render_brief``."""
    write_text(out, render_brief(settings, read_reasons(Path(), settings.dump())))
