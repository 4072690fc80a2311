"""gaslamp.md: a run told from its facts, whole enough that another person can do it again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gaslamp.config.schema import Lora, Slice, Train
from gaslamp.core.console import get_duration, get_size, say
from gaslamp.core.contracts import (
    Card,
    Compare,
    Ladder,
    ModelFacts,
    Parity,
    Preflight,
    Score,
    Template,
    TrainFacts,
    Verdict,
)
from gaslamp.core.decisions import get_texts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_text
from gaslamp.export.ladder_page import COLUMNS, get_cells
from gaslamp.memory.candidates import get_hardware
from gaslamp.memory.hints import read_hints
from gaslamp.pages.differences import choose
from gaslamp.pages.markdown import code, escape, escape_cell, fence, find_placeholders, quote, strip_marks
from gaslamp.pages.numbers import format_score
from gaslamp.report.roadbook.inventory import get_inventory
from gaslamp.train.method import get_method, get_pooling, get_preset

HERE = Path(__file__).parent
PHASES = {2: "data", 3: "environment", 4: "train", 5: "evaluate", 6: "export"}
METHODS = {"sft": "the rows show the wanted answer to each prompt, so the model is trained to give that answer"}


def percent(value: float) -> str:
    """A share as ``95.5 %``."""
    return f"{100 * value:.1f} %"


def _score(score: Score, unit: str = "share") -> str:
    return format_score(score, unit)


def _show(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):  # a reward: its name and what it was given
        return " ".join(f"{key} {_show(item)}" for key, item in value.items() if item not in ({}, []))
    return ", ".join(map(_show, value)) if isinstance(value, list) else str(value)


def get_parameters(
    train: dict[str, Any], decisions: dict[str, str], method: str = "sft", backend: str = "cpu"
) -> list[tuple[str, str, str]]:
    """``(parameter, value, why)``: the reason a run recorded for a value, else the reason that the config or the method gives."""
    fields, preset = Train.model_fields, get_preset(method, train.get("adapter", "lora"), backend)
    rows = []
    for key, value in train.items():
        if key == "lora" and train.get("adapter") == "none":
            continue
        if isinstance(value, dict):
            inner = Lora.model_fields if key == "lora" else get_method(method).Settings.model_fields
            rows += [
                (f"{key}.{name}", _show(item), decisions.get(f"{key}.{name}") or inner[name].description or "")
                for name, item in value.items()
            ]
        elif value != []:
            if key in (train.get("choose") or ()) and key in decisions:  # left open: what was taken, and why
                taken, _, why = decisions[key].partition(": ")
                rows.append((key, taken, f"Chosen: {why}"))
                continue
            why = (fields[key].description or "").partition(" null: the method's preset")[0]
            source = f"Preset of {method}. " if key in preset and value == preset[key] else ""
            rows.append((key, _show(value), decisions.get(key) or source + why))
    shown = {row[0] for row in rows}
    for key, decision in decisions.items():
        if key not in shown:
            value, _, reason = decision.partition(": ")
            rows.append((key, value, reason or "chosen automatically"))
    return rows


def _get_environment(system: dict[str, Any], env: dict[str, Any]) -> list[tuple[str, str]]:
    """What detection recorded; what it did not record has no row."""
    rows = [
        ("Machine", get_hardware(system)),
        ("Environment", ", ".join(str(env[key]) for key in ("env_type", "isolation") if env.get(key))),
        ("Environment path", env.get("prefix")),
        ("Python", env.get("python_version")),
        *((f"Package {name}", version) for name, version in (env.get("versions") or {}).items()),
    ]
    return [(name, str(value)) for name, value in rows if value]


def _get_applied_memory(project: Path) -> list[tuple[str, str, str]]:
    """``(file, sha256, titles)`` of the memory snapshot this project began with."""
    path = project / ".gaslamp_context" / "manifest.json"
    if not path.is_file():
        return []
    files: dict[str, dict[str, Any]] = read_json(path)["files"]
    return [
        (name, facts["sha256"], "; ".join(facts.get("entries") or []) or "no entries") for name, facts in files.items()
    ]


def render_roadbook(facts: dict[str, Path], settings: Slice, project: Path) -> str:
    """The Markdown text; ``facts`` holds the path of each fact file by its flag name.

    Raises GaslampError naming the lines when something was left unfilled.
    """
    import jinja2
    import yaml

    train, compare, card = TrainFacts.read(facts["train"]), Compare.read(facts["compare"]), Card.read(facts["card"])
    ladder = Ladder.read(facts["ladder"])
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # Markdown, not HTML: every foreign value passes one of the filters below
    environment.filters |= {
        "md": escape,
        "cell": escape_cell,
        "quote": quote,
        "code": code,
        "fence": fence,
        "tick": lambda value: code(value, cell=False),
        "percent": percent,
        "score": _score,
        "duration": get_duration,
        "size": get_size,
    }
    text = environment.get_template("gaslamp.md.j2").render(
        settings=settings,
        # the resolved config, so that this page alone is enough to do it again
        config=yaml.safe_dump(settings.dump(), sort_keys=False, allow_unicode=True, width=100),
        why_method=METHODS.get(settings.method, "set in config.yaml"),
        parameters=get_parameters(settings.train.dump(), get_texts(train.decisions), settings.method, train.backend),
        environment=_get_environment(read_json(facts["system"]), read_json(facts["env"])),
        preflight=Preflight.read(facts["preflight"]),
        model=ModelFacts.read(facts["model"]),
        card=card,
        template=Template.read(facts["template"]),
        train=train,
        decisions=get_texts(train.decisions),
        compare=compare,
        verdict=Verdict.model_validate(read_json(facts["verdict"])),
        examples=choose(compare.examples, settings.demo.examples),
        ladder=ladder,
        pooling=get_pooling(settings.method),
        ladder_columns=COLUMNS,
        ladder_cells=get_cells,
        recommended=next(level for level in ladder.levels if level.level == ladder.recommended),
        parity=Parity.read(facts["parity"]),
        inventory=get_inventory(
            project / "rules", settings.backend, settings.run, settings.export.levels, facts["model"]
        ),
        slug=re.sub(r"[^a-z0-9]+", "-", settings.project.name.lower()).strip("-") or "gaslamp",
        memory=_get_applied_memory(project),
        hints=[(PHASES[hint.phase], hint.hint) for hint in read_hints(project)],
        reflected=read_json(facts["payload"]).get("reflected"),
    )
    if problems := find_placeholders(text):
        raise GaslampError(
            "the roadbook has gaps\n" + "\n".join(f"    - {problem}" for problem in problems),
            "look at the fact file that the line is made from; deleting it and running again rebuilds it",
            "a bug in scripts/gaslamp/report/roadbook/gaslamp.md.j2",
        )
    return strip_marks(text)


def write_roadbook(facts: dict[str, Path], settings: Slice, out: Path) -> None:
    """Write the roadbook of the project in the working directory to ``out``."""
    write_text(out, render_roadbook(facts, settings, Path(".")))
    say(f"{out}: the whole run, and how to do it again")
