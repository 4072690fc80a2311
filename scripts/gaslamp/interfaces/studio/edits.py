"""What forms of a project's page write into its config.yaml; the schema says whether it is right."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.edit import get_value, put_line, write_scalar
from gaslamp.config.load import load_config
from gaslamp.config.yaml_file import read_yaml
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, write_text
from gaslamp.data.source_names import GENERATED

GENERATE_FIELDS = {
    "rows": "data.generate.rows",
    "url": "data.generate.endpoint.url",
    "model": "data.generate.endpoint.model",
    "key_env": "data.generate.endpoint.key_env",
    "licence": "data.generate.licence",
}
"""Field of the form -> key."""


def write_generate(project: Path, fields: dict[str, str]) -> None:
    """Put the fields of the form into data.generate.

    Raises:
        GaslampError: a field that cannot be; config.yaml is as it was.
    """
    if not (fields["rows"].isascii() and fields["rows"].isdigit() and int(fields["rows"])):
        raise GaslampError(f"'{fields['rows']}' is no number of rows", "write how many rows should pass, such as 300")
    values: JsonObject = {**fields, "rows": int(fields["rows"]), "key_env": fields["key_env"] or None}
    # make generate names the source: until then it is what waits for data, or the embedded set
    write_keys(project, {key: values[name] for name, key in GENERATE_FIELDS.items()}, source=GENERATED)


def write_allowed(project: Path, allows: JsonObject) -> None:
    """Put what an error allows into config.yaml, next to what stands there already.

    Raises:
        GaslampError: the config would not be valid.
    """
    values = read_yaml(project / "config.yaml")
    merged = {}
    for key, value in allows.items():
        before = get_value(values, key)
        both = isinstance(before, dict) and isinstance(value, dict)
        merged[key] = {**before, **value} if both else value  # type: ignore[dict-item]
    write_keys(project, merged)


def write_keys(project: Path, keys: JsonObject, source: str = "") -> None:
    """Write keys of config.yaml, all or none.

    Args:
        project: its folder.
        keys: key with its sections -> value.
        source: what data.source is going to be, for the check; empty: what it is.

    Raises:
        GaslampError: the file cannot be edited, or what comes out is not valid.
    """
    import yaml

    file = project / "config.yaml"
    text = file.read_text(encoding="utf-8-sig")
    for key, value in keys.items():
        text = put_line(text, key, write_scalar(value))
    loaded = yaml.safe_load(text)
    if source:
        loaded["data"]["source"] = source
    load_config(loaded, file, project)
    write_text(file, text)
