"""Reading a config file: every problem at once, each with its file and line.

Snakemake reads ``config.yaml`` itself and hands the values to ``load_config``; everything else calls ``read_config``.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from gaslamp.config.methods import get_artefact
from gaslamp.config.problems import find_problems
from gaslamp.config.schema import Config
from gaslamp.config.stages import PARTS, get_earlier, relocate, resolve
from gaslamp.config.suggest import explain, get_place, join
from gaslamp.config.sweep_check import find_sweep_problems
from gaslamp.config.yaml_file import find_bad_text, read_yaml
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject


def load_config(values: JsonObject, file: str | Path = "config.yaml", root: str | Path = ".") -> Config:
    """Validate the values that were read from ``file``.

    Args:
        values: the mapping that Snakemake (or a test) read.
        file: where it came from, for the line numbers.
        root: the project folder that relative paths start from.

    Raises:
        GaslampError: lists every problem, with its line.
    """
    text = Path(file).read_text(encoding="utf-8-sig") if Path(file).is_file() else ""
    problems = _find_duplicates(text, file)
    problems += [f"{get_place(text, file, path)}: {message}" for path, message in find_bad_text(values)]
    try:
        config = Config.model_validate(values)
    except ValidationError as failure:
        found = _explain_all(failure, text, file, values)
        rest = _drop(values, [error["loc"] for error in failure.errors()])
        with contextlib.suppress(ValidationError):  # without a required key nothing more can be checked
            found += _find_conflicts(Config.model_validate(rest), text, file, root, values)
        raise GaslampError(join(problems + found), f"edit {file}: the comments in it say what each key takes") from None
    problems += _find_conflicts(config, text, file, root, values)
    problems += [
        f"{get_place(text, file, path)}: {message}" for path, message in find_sweep_problems(config, values, Path(root))
    ]
    for stage in get_earlier(values):
        if stage.casefold() == config.run.casefold():
            place = get_place(text, file, ("stages",))
            problems.append(f"{place}: the run and a stage are both called {stage}: choose another name for the stage")
        try:
            own = load_stage(values, stage)
        except ValidationError as failure:
            problems += _explain_all(failure, text, file, values, stage)
            continue
        problems += _find_conflicts(own, text, file, root, values, stage)
        if get_artefact(own.method) != "causal_lm":
            place = get_place(text, file, relocate(values, stage, ("method",)))
            problems.append(
                f"{place}: stage {stage}: {own.method} trains no model that generates text, and the next stage "
                "needs one: make it the last stage"
            )
    if problems:
        raise GaslampError(
            join(problems), f"edit {file}, or put the file where it says", "the command was started in another folder"
        )
    return config


def load_stage(values: JsonObject, stage: str) -> Config:
    """The config of an earlier stage.

    Args:
        values: of config.yaml, as they were written.
        stage: its name.
    """
    return Config.model_validate(resolve(values, stage))


def read_config(file: str | Path) -> Config:
    """Read and check a config file outside Snakemake; what a profile sets, such as the backend, is not in it.

    Raises:
        GaslampError: the file is missing, is not YAML, or has problems; all of them are listed.
    """
    return load_config(read_yaml(Path(file)), file, Path(file).parent)


def _explain_all(
    failure: ValidationError, text: str, file: str | Path, values: JsonObject, stage: str | None = None
) -> list[str]:
    """Each error of a config (of ``stage``) where it was written."""
    return [
        explain({**error, "loc": relocate(values, stage, error["loc"])}, text, str(file), Config)
        for error in failure.errors()
    ]


def _find_conflicts(
    config: Config, text: str, file: str | Path, root: str | Path, values: JsonObject, stage: str | None = None
) -> list[str]:
    """What all rooms find in a config; of an earlier stage, what that stage can set.

    Args:
        config: of the project, or of the stage.
        text: of the file.
        file: its name.
        root: folder that relative paths start from.
        values: of the file, as they were written.
        stage: name of an earlier stage.
    """
    found = [
        (relocate(values, stage, path), message)
        for path, message in find_problems(config, Path(root))
        if stage is None or path[0] in (*PARTS, "model")
    ]
    return [f"{get_place(text, file, path)}: {message}" for path, message in found]


def _drop(values: JsonObject, paths: Sequence[tuple[str | int, ...]]) -> JsonObject:
    """A copy of ``values`` without the keys at (or nearest to) ``paths``."""
    result = copy.deepcopy(values)
    for path in paths:
        section: object = result
        for part, following in zip(path, (*path[1:], None), strict=True):
            if not (isinstance(section, dict) and part in section):
                break
            if following is None or not (isinstance(section[part], dict) and following in section[part]):
                del section[part]
                break
            section = section[part]
    return result


def _find_duplicates(text: str, file: str | Path) -> list[str]:
    """Keys that appear twice in one section: YAML would silently take the last."""
    import yaml

    problems = []
    waiting: list[tuple[yaml.Node | None, str]] = [(yaml.compose(text), "")] if text else []
    while waiting:
        node, path = waiting.pop()
        first: dict[str, int] = {}
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            line = key.start_mark.line + 1
            if key.value in first:
                problems.append(
                    f"{file}, line {line}: '{path}{key.value}' appears a second time, first in line {first[key.value]}"
                )
            first.setdefault(str(key.value), line)
            waiting.append((value, f"{path}{key.value}."))
    return problems
