"""What became of a run besides its curves: the verdict, the pages that it made, and the command to go on with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypedDict

from gaslamp.report.dashboard.project import Phase, Project

DEPLOY_STEPS = ("convert_base", "convert_lora", "serve_model")
"""Steps that only `make deploy` takes: where one of them stopped, the run itself is done."""
SHOWN = re.compile(
    r"data/report\.html|demos/[\w.-]+/(index|files)\.html|outputs/[\w.-]+/(eval/)?report\.html"
    r"|(demos/[\w.-]+/)?gaslamp\.md|project_brief\.md"
)
"""Files of a project that a browser gets."""
PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "media-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""For pages of a project, each of which names the hashes of its own script and style: it may ask the server nothing."""


class Page(TypedDict):
    """A page of a run: its title, what it is for, and its address below ``files/``."""

    title: str
    about: str
    link: str


class Outcome(TypedDict):
    """Of one run; empty texts where there is no evaluation yet."""

    headline: str
    verdict: str
    pages: list[Page]
    next: str


def get_pages(root: Path, run: str) -> list[Page]:
    """The pages of a run that are made, with their time in the address, so that a new one is loaded."""
    pages = (
        ("Evaluation", "each test row with both answers", f"outputs/{run}/eval/report.html"),
        ("Report", "everything about this run on one page", f"outputs/{run}/report.html"),
        ("Demo page", "to show to others: one file, opens without a network", f"demos/{run}/index.html"),
        ("Roadbook", "every decision with its reason", "gaslamp.md"),
    )
    return [
        {"title": title, "about": about, "link": link} for title, about, path in pages if (link := get_link(root, path))
    ]


def get_link(root: Path, path: str) -> str:
    """The address of a page below ``files/``; empty where it is not made."""
    file = root / path
    return f"{path}?v={file.stat().st_mtime_ns}" if file.is_file() else ""


def find_page(root: Path, path: str) -> Path | None:
    """The file of a page that a browser asks for; ``None`` where there is none, or it is none of ``SHOWN``."""
    file = (root / path).resolve()
    return file if SHOWN.fullmatch(path) and file.is_file() and file.is_relative_to(root.resolve()) else None


def get_media_type(file: Path) -> str:
    """How a browser shows it."""
    return "text/html" if file.suffix == ".html" else "text/plain; charset=utf-8"


def get_outcome(project: Project, run: str) -> Outcome:
    """Verdict, pages and next command of a run."""
    data = get_link(project.root, "data/report.html")
    learnt: list[Page] = [{"title": "Data", "about": "what was learnt, row by row", "link": data}] if data else []
    verdict = project.read_facts(f"outputs/{run}/eval/verdict.json")
    return {
        "headline": str(verdict.get("summary", "")),
        "verdict": str(verdict.get("verdict", "")),
        "pages": [*get_pages(project.root, run), *learnt],
        "next": get_next(project, run, begun=True),
    }


def list_stopped(project: Project) -> list[Phase]:
    """The phases that failed or were interrupted."""
    return [phase for phase in project.get_phases() if phase["state"] in ("failed", "interrupted")]


def is_run_done(project: Project, run: str) -> bool:
    """Whether every phase up to the proof of the exported files ended well."""
    is_proven = (project.root / "outputs" / run / "gguf" / "parity_passed.txt").is_file()
    return is_proven and all(phase["step"].startswith(DEPLOY_STEPS) for phase in list_stopped(project))


def get_next(project: Project, run: str, begun: bool) -> str:
    """The command to go on with: ``make run`` until a model is proven to be the evaluated one, then ``make deploy``.

    Args:
        project: with its phases.
        run: its name.
        begun: whether a training has logged a step.
    """
    is_done = is_run_done(project, run)
    begun = begun or any(phase["state"] != "waiting" for phase in project.get_phases())
    goes_on = " (goes on where it stopped)" if (list_stopped(project) if is_done else begun) else ""
    return f"{'make deploy' if is_done else 'make run'}{goes_on}"
