"""project_brief.md: what the project is for, from the config alone."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.schema import Slice
from gaslamp.core.files import write_text
from gaslamp.pages.markdown import escape, escape_cell
from gaslamp.report.roadbook.roadbook import METHODS

MACHINES = {
    "cpu": "this machine's processor, no GPU needed",
    "cuda": "one NVIDIA GPU in this machine",
    "mac": "Apple silicon, through MLX",
    "mps": "Apple silicon, through PyTorch MPS",
    "colab": "a Google Colab machine",
}


def render_brief(settings: Slice) -> str:
    """The Markdown text; ``settings`` needs project, method, model, data and backend. What is not set has no row."""
    project = settings.project
    columns = ", ".join(f"{role} from {column}" for role, column in settings.data.columns.items())
    rows = [
        ("Problem", project.task),
        ("Audience", project.audience),
        ("Domain", project.domain),
        (
            "Base model",
            settings.model.source + (f", revision {settings.model.revision}" if settings.model.revision else ""),
        ),
        ("Data", settings.data.source),
        ("Columns", columns),
        ("System prompt", settings.data.system),
        ("Method", f"{settings.method.upper()}: {METHODS.get(settings.method, 'set in config.yaml')}"),
        ("Hardware", f"{settings.backend}: {MACHINES[settings.backend]}"),
    ]
    lines = [f"# {escape(project.name)}: project brief", "", "| What | Choice |", "|---|---|"]
    lines += [f"| {name} | {escape_cell(value)} |" for name, value in rows if value and value.strip()]
    missing = [
        key
        for key, value in (("project.task", project.task), ("project.audience", project.audience))
        if not value.strip()
    ]
    if missing:
        lines += ["", f"Not said yet: {' and '.join(missing)} in config.yaml. The demo page and the roadbook use them."]
    return "\n".join(lines) + "\n"


def write_brief(settings: Slice, out: Path) -> None:
    """Write the brief to ``out``."""
    write_text(out, render_brief(settings))
