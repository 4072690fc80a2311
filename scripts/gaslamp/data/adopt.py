"""A file dropped into data/raw becomes data.source of config.yaml, with the method that its columns are made for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from gaslamp.config.edit import is_recommended, put_line, set_reasoned, set_value, write_scalar
from gaslamp.config.load import load_config, read_config
from gaslamp.config.schema import Config
from gaslamp.config.sections.data import Data
from gaslamp.config.yaml_file import read_yaml
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning import Meaning, decide
from gaslamp.data.meaning.examples import SHOWN, put_differing_row_first, render_reading
from gaslamp.data.meaning.readings import Reading, get_first_method, get_first_reward, get_mapped_columns
from gaslamp.data.readers.files import find_files
from gaslamp.data.rows import SourceRow
from gaslamp.data.sample import read_sample
from gaslamp.data.source_names import GENERATED, WAITING, get_no_data, has_data, is_hub_id, split_part
from gaslamp.data.sources import open_preview, open_source

Ask = Callable[[str], str]
"""Prints a text and returns what the person types."""


def adopt(project: Path, ask: Ask | None = None) -> list[str]:
    """Point config.yaml at what lies in data/raw, when it names an embedded set or a file that is gone.

    Settle what its columns mean.

    Args:
        project: the folder with config.yaml.
        ask: for a meaning that is not certain; None: nobody is there, and the data phase stops with the examples.

    Returns:
        What was done, as sentences; empty when the config names its own data already.

    Raises:
        GaslampError: data/raw holds a file that cannot be read.
    """
    config_file = project / "config.yaml"
    values = read_yaml(config_file)
    section = values.get("data")
    raw = project / "data" / "raw"
    source = str(section.get("source", "")) if isinstance(section, dict) else ""
    source = source or Config().data.source
    path, _ = split_part(source, project)
    waiting = (project / WAITING).is_file()
    if waiting and path.resolve() != raw.resolve():  # the config names other data by now
        (project / WAITING).unlink()
        waiting = False
    known = path.exists() or is_hub_id(source, project) or source == GENERATED
    own = not source.startswith("embedded:") and known and not waiting
    if own:
        read_config(config_file)
        return [*_name_unread(raw, path, project), *(_settle(config_file, ask) if ask else [])]
    new = find_dropped(raw, project)
    if new is None and waiting:
        raise get_no_data(project)
    if new is None:
        read_config(config_file)
        return []
    # the rest of the config is checked as it will be: the file that it names now may be gone
    data_section = {**(section if isinstance(section, dict) else {}), "source": new}
    config = load_config({**values, "data": data_section}, config_file, project)
    text = set_value(config_file.read_text(encoding="utf-8"), ("data", "source"), new)
    gone = "" if source.startswith("embedded:") or path.exists() else ", which is gone"
    said = [f"data.source is now {new} (it was {source}{gone})"]
    data = config.data.model_copy(update={"source": str(project / new), "sheet": None})
    rows = read_sample(open_source(data), [])
    missing = [
        name for name in get_mapped_columns(config.data.columns) if rows and all(name not in row for row in rows)
    ]
    if missing:
        text = set_value(text, ("data", "columns"), {})
        said.append(f"data.columns is now empty: {new} has no column {', '.join(missing)}")
        data = data.model_copy(update={"columns": {}})
    for key, empty in (("sheet", None), ("meaning", "auto")):
        if getattr(config.data, key) != empty:
            text = put_line(text, f"data.{key}", write_scalar(empty))
            said.append(f"data.{key} is now {json.dumps(empty)}: it was said of {source}")
            data = data.model_copy(update={key: empty})
    method = recommend(data, rows)
    if method != config.method and method in registry.names("methods"):
        text = set_reasoned(text, [(("method",), method, f"the columns of {new} are made for it")])
        said.append(
            f"method is now {method}, which its columns are made for (it was {config.method}); another one: "
            "method in config.yaml"
        )
        if config.eval.metrics and is_recommended(text, ("eval", "metrics")):
            text = set_reasoned(text, [(("eval", "metrics"), [], "")])
            said.append(f"eval.metrics is now empty, which means by method and data: it was meant for {config.method}")
        if method == get_first_method("prompt") and not config.train.rewards:
            reward = get_first_reward(list(rows[0]))
            text = set_reasoned(text, [(("train", "rewards"), [{"name": reward}], "a first one for these columns")])
            said.append(f"train.rewards is now {reward}: it scores the answers; docs/rewards.md has others")
    config_file.write_text(text, encoding="utf-8")
    if waiting:
        (project / WAITING).unlink()
        said.append("make reconfigure makes the whole plan again, for this data")
    return said + (_settle(config_file, ask) if ask else [])


def adopt_generated(project: Path) -> list[str]:
    """Point data.source at the generated rows, where config.yaml wants some and names no data of the person's own.

    Args:
        project: the folder with config.yaml.

    Returns:
        What was done, or why not, as sentences.

    Raises:
        GaslampError: data.generate.rows is 0, or config.yaml is wrong.
    """
    file = project / "config.yaml"
    section = read_yaml(file).get("data")
    data = section if isinstance(section, dict) else {}
    wanted = data.get("generate")
    if not (isinstance(wanted, dict) and wanted.get("rows")):
        raise GaslampError(
            "data.generate.rows in config.yaml is 0: nothing is to be generated",
            "set rows, endpoint (url, model) and licence below data.generate, then: make generate",
            "make label writes rows by hand, without a model",
        )
    source = str(data.get("source") or Config().data.source)
    path, _ = split_part(source, project)
    waiting = (project / WAITING).is_file() and path.resolve() == (project / WAITING).parent.resolve()
    if source == GENERATED or not (waiting or source.startswith("embedded:")):
        return []
    text = set_value(file.read_text(encoding="utf-8"), ("data", "source"), GENERATED)
    file.write_text(text, encoding="utf-8")
    return [f"data.source is now {GENERATED} (it was {source}): the generated rows are all the data"]


def find_dropped(raw: Path, project: Path) -> str | None:
    """What a person put into data/raw, as a value of data.source.

    The only data file, a saved data set, or the whole folder.

    Raises:
        GaslampError: there are files, and none of a kind that can be read.
    """
    if not has_data(raw):
        return None
    for saved in (*sorted(raw.rglob("dataset_dict.json")), *sorted(raw.rglob("state.json"))):
        return saved.parent.relative_to(project).as_posix()
    files = find_files(raw)
    return files[0].relative_to(project).as_posix() if len(files) == 1 else "data/raw"


def _name_unread(raw: Path, path: Path, project: Path) -> list[str]:
    """A sentence when data/raw holds data files besides the one that data.source names."""
    if not path.is_file() or not path.resolve().is_relative_to(raw.resolve()):
        return []
    others = [file.relative_to(project).as_posix() for file in find_files(raw) if file.resolve() != path.resolve()]
    one = len(others) == 1
    return (
        [
            f"{', '.join(others[:5])} {'is' if one else 'are'} not read: data.source is "
            f"{path.relative_to(project).as_posix()}; "
            f"data.source: {others[0] if one else 'data/raw'} in config.yaml reads {'it' if one else 'all of them'}"
        ]
        if others
        else []
    )


def recommend(data: Data, rows: list[SourceRow] | None = None) -> str:
    """The method that the first rows of data.source are made for; that for conversations when it is not certain.

    Args:
        data: the data section of the config.
        rows: its first rows, when they are read already.
    """
    rows = read_sample(open_source(data), []) if rows is None else rows
    try:
        meaning = decide(rows, data.format, data.columns, aside=(data.slice, data.group))
    except GaslampError:
        return get_first_method("conversation")  # the data phase says what is wrong, with a mapping that would work
    return meaning.method if meaning.certain else get_first_method("conversation")


def _settle(config_file: Path, ask: Ask | None) -> list[str]:
    """Ask what the columns of data.source mean when that is not certain, and write the choice into config.yaml."""
    config = read_config(config_file)
    source = Path(config.data.source)
    if ask is None or config.data.meaning != "auto" or config.data.columns or config.data.format != "auto":
        return []
    path = source if source.is_absolute() else config_file.parent / source
    data = config.data.model_copy(update={"source": str(path)}) if path.exists() else config.data
    try:
        rows = read_sample(open_preview(data), [])
        kinds = registry.get("methods", config.method).KINDS
        meaning = decide(rows, kinds=kinds, aside=(config.data.slice, config.data.group))
    except GaslampError:
        return []  # the data phase reports it
    if meaning.certain:
        return []
    reading = _ask(meaning, rows, kinds, ask)
    if reading is None:
        return []
    text = put_line(config_file.read_text(encoding="utf-8"), "data.meaning", write_scalar(reading.key))
    said = [f"data.meaning is now {reading.key}: {reading.reason}"]
    if reading.kind not in kinds and (method := get_first_method(reading.rows)) != config.method:
        text = set_value(text, ("method",), method)
        said.append(f"method is now {method}, which learns from {reading.rows} rows (it was {config.method})")
    config_file.write_text(text, encoding="utf-8")
    return said


def _ask(meaning: Meaning, rows: list[SourceRow], kinds: tuple[str, ...], ask: Ask) -> Reading | None:
    """The reading that the person picks by number or key; None when they pick none."""
    readings = meaning.readings[:SHOWN]
    rows = put_differing_row_first(readings, rows)
    shown = [render_reading(number, reading, rows, meaning, kinds) for number, reading in enumerate(readings, 1)]
    text = "what the columns mean is not certain; they can be learnt as\n" + "\n".join(shown)
    for _ in range(3):
        answer = ask(f"{text}\nwhich one? (1 to {len(readings)}, Enter: none of these) ").strip()
        if not answer:
            return None
        for number, reading in enumerate(readings, 1):
            if answer in (str(number), reading.key):
                return reading
        text = f"{answer} is none of them"
    return None
