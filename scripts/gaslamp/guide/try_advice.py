"""One advice of a run applied to config.yaml as a new run; the old run and its results stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gaslamp.config.edit import get_value, list_changes, put_line, set_value, write_scalar
from gaslamp.config.load import load_config
from gaslamp.config.methods import find_option_problems
from gaslamp.config.yaml_file import read_yaml
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, write_json, write_text
from gaslamp.core.finding import Advice
from gaslamp.report.tries import RECORD
from gaslamp.train.advice import read_advice

FOLDERS = ("outputs", "logs", "checkpoints")
"""Where a run has a folder of its name."""


@dataclass(frozen=True)
class Try:
    """An advice, ready to be written.

    Attributes:
        number: of the advice, from 1.
        advice: what is tried.
        source: the run that it comes from.
        run: name of the new run.
        before, after: text of config.yaml.
    """

    number: int
    advice: Advice
    source: str
    run: str
    before: str
    after: str

    @property
    def diff(self) -> list[str]:
        """The lines of config.yaml that change."""
        return list_changes(self.before, self.after)


def list_advice(project: Path, run: str) -> list[Advice]:
    """What ``run`` says to try; the same list as on its pages.

    Raises:
        GaslampError: there is no such run.
    """
    if not any((project / folder / run).is_dir() for folder in FOLDERS):
        raise GaslampError(
            f"there is no run {run} in {project.resolve().name}", "make run", "another run: make try RUN=name"
        )
    return read_advice(project, run)


def plan_try(project: Path, run: str, number: int) -> Try:
    """The config with advice ``number`` of ``run`` applied, and the name of a run that does not exist yet.

    Raises:
        GaslampError: there is no such advice, a person must carry it out, or the config would not be valid.
    """
    advice = list_advice(project, run)
    if not advice:
        raise GaslampError(f"run {run} has nothing to try", "make results shows how it went")
    if not 1 <= number <= len(advice):
        raise GaslampError(f"run {run} has no advice {number}", f"make try N=1 to N={len(advice)}; make try lists them")
    chosen = advice[number - 1]
    if not chosen.remedy.changes:
        raise GaslampError(
            f"advice {number} is no change of config.yaml: {chosen.text}", "do it by hand, then make run RUN=name"
        )
    file = project / "config.yaml"
    values, text = read_yaml(file), file.read_text(encoding="utf-8-sig")
    if values.get("stages"):
        raise GaslampError(
            "config.yaml has stages: which of them an advice changes is for you to say",
            f"change it by hand: {'; '.join(change.text for change in chosen.remedy.changes)}",
        )
    name, changed = _find_free_name(project, run), text
    for change in chosen.remedy.changes:
        changed = apply_change(changed, values, change.key, change.value)
        if change.key == "method":
            changed = _drop_options(changed, values, str(change.value))
    changed = set_value(changed, ("run",), name)
    import yaml

    load_config(yaml.safe_load(changed), root=project)
    return Try(number, chosen, run, name, text, changed)


def write_try(project: Path, one: Try) -> None:
    """Write config.yaml, and what the new run tries into its folder."""
    record: JsonObject = {"source": one.source, "number": one.number, **one.advice.model_dump(mode="json")}
    write_json(project / "outputs" / one.run / RECORD, record)
    write_text(project / "config.yaml", one.after)


def apply_change(text: str, values: JsonObject, key: str, value: object) -> str:
    """``text`` with one key set, also one that stands in a mapping in braces or is not in the file yet."""
    top, _, last = key.rpartition(".")
    section = get_value(values, top) if top else values
    is_nested = key.count(".") > 1 and get_value(values, key) is None
    if isinstance(section, dict):
        section[last] = value  # a further change of the same mapping adds to it
    if is_nested:  # put_line adds no line to a mapping in braces
        return set_value(text, tuple(top.split(".")), section if isinstance(section, dict) else {last: value})
    return put_line(text, key, write_scalar(value))


def _drop_options(text: str, values: JsonObject, method: str) -> str:
    """``text`` without the options that another method does not have."""
    options = get_value(values, "train.options")
    if not isinstance(options, dict) or not options:
        return text
    kept = {name: one for name, one in options.items() if not find_option_problems(method, {name: one})}
    return set_value(text, ("train", "options"), kept) if kept != options else text


def _find_free_name(project: Path, run: str) -> str:
    """``main-2``, then ``main-3``: the first that no folder has."""
    stem, _, number = run.rpartition("-")
    base = stem if stem and number.isdigit() else run
    taken = {path.name for folder in FOLDERS for path in (project / folder).glob("*")}
    return next(name for n in range(2, len(taken) + 3) if (name := f"{base}-{n}") not in taken)
