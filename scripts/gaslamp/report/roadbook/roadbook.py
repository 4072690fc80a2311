"""gaslamp.md: the roadbook of a run, written from its facts, complete enough for another person to repeat it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaslamp.config.edit import write_scalar
from gaslamp.config.recommended import read_reasons
from gaslamp.config.slices import Slice
from gaslamp.core import registry
from gaslamp.core.console import get_duration, get_size, say
from gaslamp.core.contracts import (
    Card,
    Compare,
    Example,
    Ladder,
    ModelFacts,
    Parity,
    Preflight,
    Score,
    Stages,
    Template,
    TrainFacts,
    Verdict,
)
from gaslamp.core.decisions import find_decision
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json, read_jsonl, write_text
from gaslamp.core.sweep_contracts import SweepFacts
from gaslamp.data.strategy import LEARNED
from gaslamp.environment.system import describe_hardware
from gaslamp.evaluate.seeds import explain_seeds, get_seed_rows
from gaslamp.evaluate.sweep import explain_choice
from gaslamp.export.ladder_page import COLUMNS, get_cells
from gaslamp.memory.apply import read_applied
from gaslamp.memory.hints import PHASE_NAMES, read_hints
from gaslamp.pages.baselines import get_baseline_rows
from gaslamp.pages.differences import choose
from gaslamp.pages.markdown import code, escape, escape_cell, fence, find_placeholders, quote, strip_marks
from gaslamp.pages.numbers import format_score, format_value
from gaslamp.pages.starts import describe_start
from gaslamp.report.methods import describe_method
from gaslamp.report.roadbook.inventory import get_inventory
from gaslamp.report.roadbook.parameters import get_parameters, get_trained_settings
from gaslamp.report.roadbook.repeat import add_stages, get_expected, get_key, hash_inputs, pin

HERE = Path(__file__).parent


def _score(score: Score, unit: str = "share") -> str:
    return format_score(score, unit)


def _show_reference(example: Example) -> str:
    """The reference of a test row as a table cell; says so when the row has none or when the data rates it bad."""
    if not example.reference:
        return "none"
    return f"{'rated bad: ' if example.rated_bad else ''}{code(example.reference)}"


def _get_environment(system: dict[str, Any], env: dict[str, Any]) -> list[tuple[str, str]]:
    """What detection recorded; what it did not record has no row."""
    rows = [
        ("Machine", describe_hardware(system)),
        ("Environment", ", ".join(str(env[key]) for key in ("env_type", "isolation") if env.get(key))),
        ("Environment path", env.get("prefix")),
        ("Python", env.get("python_version")),
        *((f"Package {name}", version) for name, version in (env.get("versions") or {}).items()),
    ]
    return [(name, str(value)) for name, value in rows if value]


def _get_applied_memory(project: Path) -> list[tuple[str, str, str]]:
    """``(file, sha256, titles)`` of the memory snapshot that this project began with."""
    path = project / ".gaslamp_context" / "manifest.json"
    if not path.is_file():
        return []
    files: dict[str, dict[str, Any]] = read_json(path)["files"]
    return [
        (name, facts["sha256"], "; ".join(facts.get("entries") or []) or "no entries")
        for name, facts in files.items()
        if name.endswith(".json") or f"{Path(name).stem}.json" not in files  # the Markdown shows what the JSON holds
    ]


def _get_lessons(project: Path, config: JsonObject) -> list[dict[str, str]]:
    """What of the memory was applied to this project, one row for each setting, with what became of it since."""
    rows = []
    for record in read_applied(project):
        for setting in record["settings"]:
            now = write_scalar(get_key(config, setting["key"]))
            state = "in force" if now == setting["value"] else f"{now} since"
            if record["undone"]:
                state = f"taken back on {record['undone']}"
            why = f"{record['reason']} ({record['source']}, recipe {record['recipe']})"
            row = {"setting": f"{setting['key']}: {setting['value']}", "before": setting["before"] or "not in the file"}
            rows.append({**row, "why": why, "when": record["when"], "state": state, "undo": record["undo"]})
    return rows


def _get_exports(formats: list[str], folder: Path) -> list[tuple[str, str]]:
    """``(format, what it is)`` of each export that has a folder of its own, in the words of its plug-in."""
    names = [name for name in formats if (folder / name).is_dir()]
    return [
        (name, (registry.get("exporters", name).__doc__ or name).strip().split(". ")[0].rstrip(".")) for name in names
    ]


def _describe_sampling(sampling: dict[str, Any]) -> str:
    """How the answers were generated, to stand before "answers"."""
    temperature = sampling.get("temperature", 0)
    return f"Sampled (temperature {temperature:g})" if temperature else "Greedy"


def render_roadbook(facts: dict[str, Path], settings: Slice, project: Path) -> str:
    """The roadbook as Markdown. Method and hyperparameters come from train.json: they are those that trained.

    Args:
        facts: path of each fact file by its flag name.
        settings: every section of the config.
        project: the project folder, with its rules, hints and memory snapshot.

    Raises:
        GaslampError: something was left unfilled; the message names the lines.
    """
    import jinja2
    import yaml

    train, compare, card = TrainFacts.read(facts["train"]), Compare.read(facts["compare"]), Card.read(facts["card"])
    ladder, config = Ladder.read(facts["ladder"]), settings.dump()
    model = ModelFacts.read(facts["model"])
    trained = get_trained_settings(train, config["train"])
    dtype, quantization = (find_decision(train.decisions, name) for name in ("dtype", "quantization"))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # Markdown, not HTML: every foreign value passes one of the filters below
    filters: dict[str, Callable[..., str]] = {
        "md": escape,
        "cell": escape_cell,
        "quote": quote,
        "code": code,
        "fence": fence,
        "tick": lambda value: code(value, cell=False),
        "paragraph": lambda text: " ".join(text.split()),
        "percent": format_value,
        "score": _score,
        "reference": _show_reference,
        "duration": get_duration,
        "size": get_size,
        "start": describe_start,
    }
    environment.filters |= filters
    resolved = pin({**config, "backend": train.backend, "method": train.method, "train": trained}, card, model)
    stages = Stages.read(facts["stages"]) if facts.get("stages") else None
    resolved = add_stages(resolved, stages) if stages else resolved
    inputs = hash_inputs(resolved, project)
    expected = get_expected(
        train,
        compare,
        card,
        model,
        Template.read(facts["template"]),
        ladder,
        settings.run,
        describe_hardware(read_json(facts["system"])),
        inputs,
    )
    profile = train.elsewhere.profile if train.elsewhere else train.backend
    text = environment.get_template("gaslamp.md.j2").render(
        settings=settings,
        # the resolved config with what trained: this page alone is enough to repeat the run
        config=yaml.safe_dump(
            resolved,
            sort_keys=False,
            allow_unicode=True,
            width=100,
        ),
        inputs=inputs,
        expected=json.dumps(expected.model_dump(exclude={"provenance"}), indent=2, ensure_ascii=False),
        method=describe_method(train.method),
        trained=trained,
        parameters=get_parameters(trained, train),
        dtype_reason=dtype.reason if dtype else "",
        quantized=quantization.value if quantization and quantization.value != "none" else "",
        environment=_get_environment(read_json(facts["system"]), read_json(facts["env"])),
        preflight=Preflight.read(facts["preflight"]),
        model=model,
        card=card,
        loss_on=LEARNED[card.kind],
        template=Template.read(facts["template"]),
        train=train,
        stages=stages,
        compare=compare,
        baselines=get_baseline_rows(compare),
        chosen=explain_choice(SweepFacts.read(facts["sweep"]), settings.run) if facts.get("sweep") else "",
        seeds=get_seed_rows(compare),
        seeds_text=explain_seeds(compare),
        sampling=_describe_sampling(compare.sampling),
        verdict=Verdict.model_validate(read_json(facts["verdict"])),
        examples=choose(compare.examples, settings.demo.examples),
        ladder=ladder,
        ladder_columns=COLUMNS,
        ladder_cells=get_cells,
        recommended=next(level for level in ladder.levels if level.level == ladder.recommended),
        parity=Parity.read(facts["parity"]),
        remote_steps=_get_remote_steps(project, settings.run),
        inventory=get_inventory(project / "rules", profile, settings.run, settings.export.levels, facts["model"]),
        exports=_get_exports(settings.export.formats, project / "outputs" / settings.run / "export"),
        slug=re.sub(r"[^a-z0-9]+", "-", settings.project.name.lower()).strip("-") or "gaslamp",
        memory=_get_applied_memory(project),
        why_model=read_reasons(project, {"model": {"source": model.source}}).get("model.source", ""),
        lessons=_get_lessons(project, {**config, "train": trained}),
        hints=[(PHASE_NAMES[hint.phase], hint.hint) for hint in read_hints(project)],
        reflected=read_json(facts["payload"]).get("reflected"),
    )
    if problems := find_placeholders(text):
        raise GaslampError(
            "the roadbook has gaps\n" + "\n".join(f"    - {problem}" for problem in problems),
            "look at the fact file that the line is made from; deleting it and running again rebuilds it",
            "a bug in scripts/gaslamp/report/roadbook/gaslamp.md.j2",
        )
    return strip_marks(text)


def _get_remote_steps(project: Path, run: str) -> list[str]:
    """The steps of the run that ran on another machine besides its training, in the order of their first time."""
    log = project / ".gaslamp" / "remote" / "steps.jsonl"
    names = [str(line["step"]) for line in read_jsonl(log)] if log.is_file() else []
    own = [name.removeprefix(f"{run}.") for name in names if name.startswith(f"{run}.")]
    return [name for name in dict.fromkeys(own) if not name.startswith("train_model")]


def write_roadbook(facts: dict[str, Path], settings: Slice, out: Path) -> None:
    """Write the roadbook of the project in the working directory to ``out``; ``facts`` as for ``render_roadbook``."""
    write_text(out, render_roadbook(facts, settings, Path(".")))
    say(f"{out}: the whole run, and how to repeat it")
