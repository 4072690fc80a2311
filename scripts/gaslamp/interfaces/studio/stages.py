"""The steps of a run in the words of somebody who has never trained a model: seven stages, each with its steps."""

from __future__ import annotations

from dataclasses import dataclass

from gaslamp.core.console import get_duration
from gaslamp.report.dashboard.project import Phase

STAGES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "Look at this machine",
        "what it has, and whether the run fits",
        ("write_brief", "detect_system", "detect_env", "check_preflight"),
    ),
    (
        "Get the base model",
        "the model that learns, and the programs that run it",
        ("fetch_model", "build_llamacpp", "merge_start"),
    ),
    (
        "Prepare the data",
        "rows are read, checked, and divided: most to learn from, some kept for the test",
        ("prepare_data", "build_data_page"),
    ),
    ("Train", "the model sees the rows again and again and is corrected", ("train_model", "run_colab")),
    (
        "Compare before and after",
        "both answer test rows that training never saw",
        ("evaluate_", "compare_models", "compare_stages", "run_lm_eval", "build_demo"),
    ),
    (
        "Make the files that ship",
        "smaller files of the model, each tested: is it still the same model?",
        (
            "merge_adapters",
            "convert_",
            "build_imatrix",
            "quantize_gguf",
            "evaluate_gguf",
            "measure_gguf",
            "build_ladder",
            "check_parity",
            "require_parity",
            "write_modelfile",
            "export_model",
            "check_export",
            "evaluate_target",
        ),
    ),
    (
        "Write it up",
        "a report, a demo page, and what the next project should know",
        ("build_report", "write_", "reflect"),
    ),
)
"""Title, what it is about, how the names of its steps begin; a step belongs to the stage with the longest of them."""
OTHERS = "Further steps"
WORDS = {
    "done": "done",
    "running": "running",
    "waiting": "to do",
    "begun": "partly done",
    "failed": "failed",
    "interrupted": "stopped",
    "skipped": "not needed",
}


@dataclass(frozen=True)
class Stage:
    """A stage of the run.

    Attributes:
        title, about: in plain words.
        state: a key of WORDS.
        seconds: in words; empty where nothing ran.
        steps: the phases in it that have run, or run now, or stopped.
    """

    title: str
    about: str
    state: str
    seconds: str
    steps: tuple[Phase, ...]

    @property
    def word(self) -> str:
        """The state as a person reads it."""
        return WORDS[self.state]


def get_stages(phases: list[Phase], is_done: bool) -> list[Stage]:
    """All stages with their states.

    Args:
        phases: as the dashboard has them (Project.get_phases).
        is_done: the run went through: what is still waiting was not needed.
    """
    groups: dict[str, list[Phase]] = {title: [] for title, _, _ in STAGES}
    for phase in phases:
        groups.setdefault(_find_title(phase["step"]), []).append(phase)
    abouts = {title: about for title, about, _ in STAGES}
    return [_make_stage(title, abouts.get(title, ""), group, is_done) for title, group in groups.items() if group]


def _find_title(step: str) -> str:
    found = [(len(begin), title) for title, _, begins in STAGES for begin in begins if step.startswith(begin)]
    return max(found)[1] if found else OTHERS


def _make_stage(title: str, about: str, group: list[Phase], is_done: bool) -> Stage:
    states = {phase["state"] for phase in group}
    if found := next((state for state in ("running", "failed", "interrupted") if state in states), ""):
        state = found
    elif "done" not in states:
        state = "skipped" if is_done else "waiting"
    else:
        state = "begun" if "waiting" in states and not is_done else "done"
    seconds = sum(phase["seconds"] or 0.0 for phase in group)
    shown = tuple(phase for phase in group if phase["state"] != "waiting")
    return Stage(title, about, state, get_duration(seconds) if seconds else "", shown)
