"""The part of the config that one step reads: cut by the rule for its ``params``, and by the script for itself.

A rule lists its keys in ``get_settings(...)``: they decide when the step runs again. The script lists the keys that it
reads in ``KEYS`` and gets nothing else. tests/rules/test_steps.py compares the two lists.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gaslamp.config.load import load_config, load_stage
from gaslamp.config.schema import Config
from gaslamp.config.stages import get_earlier
from gaslamp.config.suggest import explain, join
from gaslamp.config.yaml_file import read_yaml
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, sha256_text, write_text

AUTO = "auto"
DECIDED = {"train.max_length": "the data phase decides it: give the step data/card.json (--card), or set a number"}
"""Keys that another phase decides where they are ``auto`` -> how a step gets the value (config/length.py)."""
FOLDER = Path(".gaslamp")
"""Where the merged config of a run is kept, relative to the project folder."""


class Slice:
    """Read access to the keys that were cut from the config; any other key is an error, never a silent default.

    So is ``auto`` where another phase decides the value (``DECIDED``).
    """

    def __init__(self, section: BaseModel, path: str = "") -> None:
        self._section, self._path = section, path

    def __getattr__(self, key: str) -> Any:
        if key not in self._section.model_fields_set:
            raise AttributeError(
                f"{self._path}{key} is not in this step's settings: "
                "add it to KEYS in scripts/ and to get_settings() in rules/"
            )
        value = getattr(self._section, key)
        if value == AUTO and (fix := DECIDED.get(f"{self._path}{key}")):
            raise GaslampError(f"{self._path}{key} is {AUTO}, and this step does not know what was decided", fix)
        return Slice(value, f"{self._path}{key}.") if isinstance(value, BaseModel) else value

    def dump(self) -> JsonObject:
        """The declared keys as plain values, for provenance."""
        return self._section.model_dump(exclude_unset=True)


def get_slice(config: Config, *keys: str) -> str:
    """The named parts of ``config`` as compact JSON, e.g. ``get_slice(config, "train", "data.system")``."""
    whole = config.model_dump()
    result: JsonObject = {}
    for key in keys:
        source, target = whole, result
        *parents, last = key.split(".")
        for parent in parents:
            source, target = source[parent], target.setdefault(parent, {})
        target[last] = source[last]
    return json.dumps(result, ensure_ascii=False, separators=(",", ":"))


def parse_slice(text: str) -> Slice:
    """A slice from the JSON that get_slice made.

    Raises:
        GaslampError: the JSON holds an unknown key or a wrong value.
    """
    try:
        return Slice(Config.model_validate_json(text))
    except ValidationError as failure:
        problems = [explain(error, "", "the settings", Config) for error in failure.errors()]
        raise GaslampError(join(problems), "correct the keys or values that the message names") from None


def change_train(settings: Slice, changes: JsonObject) -> Slice:
    """The settings with other values in section ``train``."""
    if not changes:
        return settings
    values = settings.dump()
    return parse_slice(json.dumps({**values, "train": {**values["train"], **changes}}))


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Give a script the option ``--config FILE [FILE ...]``; its value goes to load_slice."""
    parser.add_argument(
        "--config",
        type=Path,
        nargs="+",
        default=[Path("config.yaml")],
        metavar="FILE",
        help="YAML files, a later one wins: config.yaml profiles/cpu/backend.yaml (default: config.yaml)",
    )


def add_stage_argument(parser: argparse.ArgumentParser) -> None:
    """Give a script that earlier stages run too the option ``--stage NAME``; its value goes to load_slice."""
    parser.add_argument("--stage", metavar="NAME", help="an earlier one of stages in the config; default: the last one")


def load_slice(files: Sequence[Path], keys: Sequence[str], stage: str | None = None) -> Slice:
    """Read the config from ``files`` and cut out what a step declares.

    Args:
        files: YAML files; a later one wins, key by key, as with Snakemake's ``--configfile``.
        keys: sections and keys, such as ``("method", "data.slice")``.
        stage: name of an earlier stage; ``None``: the last one, or the only training.

    Raises:
        GaslampError: a file is missing or no YAML, or the config has problems (all of them are listed).
    """
    parts = [(file, read_yaml(file)) for file in files]
    values = _merge_all([part for _, part in parts])
    try:
        config = Config.model_validate(values)
    except ValidationError:
        # load_config raises with every problem and its line, so it gets the file that has the problem
        wrong = next((part for part in reversed(parts) if not _is_valid(part[1])), (files[0], values))
        load_config(wrong[1], wrong[0])
        raise
    return parse_slice(get_slice(load_stage(values, stage) if stage else config, *keys))


def read_merged_values(files: Sequence[Path]) -> JsonObject:
    """The values of ``files``, as they were written."""
    return _merge_all([read_yaml(file) for file in files])


def read_stages(files: Sequence[Path]) -> list[str]:
    """The names of the earlier stages in ``files``; none without stages."""
    return get_earlier(_merge_all([read_yaml(file) for file in files]))


def read_merged(files: Sequence[Path]) -> Config:
    """The whole config of ``files``, checked as at the start of a run, against the files of the project too.

    Raises:
        GaslampError: as load_slice, and conflicts between keys.
    """
    return load_config(_merge_all([read_yaml(file) for file in files]), files[0], files[0].parent)


def _merge_all(parts: Sequence[Mapping[str, Any]]) -> JsonObject:
    values: JsonObject = {}
    for part in parts:
        merge(values, part)
    return values


def merge(values: JsonObject, changes: Mapping[str, Any]) -> None:
    """Put ``changes`` into ``values``: sections are merged key by key, anything else is replaced."""
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(values.get(key), dict):
            merge(values[key], value)
        else:
            values[key] = value


def write_merged(values: Mapping[str, Any], folder: Path = FOLDER) -> Path:
    """Write a merged config for the scripts of a run and return its place.

    The content is part of the name, so that a dry run with other values cannot change the file of a run under way.
    """
    import yaml

    text = yaml.safe_dump(_to_plain(values), allow_unicode=True, sort_keys=False)
    file = folder / f"config-{sha256_text(text)[:8]}.yaml"
    if not file.is_file():
        write_text(file, text)
    return file


def write_config(config: Config, folder: Path = FOLDER) -> Path:
    """The same for a config made in Python (benchmarks, tests): only the values that were set are written."""
    return write_merged(config.model_dump(exclude_unset=True), folder)


def clean_merged(keep: Path) -> None:
    """Delete every merged config but ``keep``; only the run that holds Snakemake's lock may call it."""
    for file in keep.parent.glob("config-*.yaml"):
        if file.name != keep.name:
            file.unlink(missing_ok=True)


def _is_valid(values: JsonObject) -> bool:
    try:
        Config.model_validate(values)
    except ValidationError:
        return False
    return True


def _to_plain(value: Any) -> Any:
    """Snakemake's ordered dictionaries as plain ones, which YAML can write."""
    if isinstance(value, Mapping):
        return {key: _to_plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(part) for part in value]
    return value
