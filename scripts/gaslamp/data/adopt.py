"""A file dropped into data/raw becomes data.source of config.yaml, with the method that its columns are made for."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

from gaslamp.config.load import read_config
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning import LOOKED_AT, find_format, get_columns
from gaslamp.data.readers import Problem, find_files
from gaslamp.data.sources import open_source

# Kind of row -> the method to start with.
METHODS = {
    "conversation": "sft",
    "preference": "dpo",
    "rating": "kto",
    "prompt": "grpo",
    "pair": "embedding",
    "text": "cpt",
    "speech": "tts",
}


def adopt(project: Path) -> list[str]:
    """Point config.yaml at what lies in data/raw, when it names an embedded set or a file that is gone.

    Returns:
        What was done, as sentences; empty when the config names its own data already.

    Raises:
        GaslampError: data/raw holds a file that cannot be read.
    """
    config_file = project / "config.yaml"
    config = read_config(config_file)
    raw = project / "data" / "raw"
    source = config.data.source
    own = not source.startswith("embedded:") and (not Path(source).suffix or (project / source).exists())
    dropped = (
        [file for file in sorted(raw.rglob("*")) if file.is_file() and not file.name.startswith(".")]
        if raw.is_dir()
        else []
    )
    if own or not dropped:
        return []
    find_files(raw)  # says which kinds of files can be read, when none of these can
    new = dropped[0].relative_to(project).as_posix() if len(dropped) == 1 else "data/raw"
    text = set_value(config_file.read_text(encoding="utf-8"), ("data", "source"), new)
    said = [f"data.source is now {new} (it was {source})"]
    method = recommend(config.data.model_copy(update={"source": str(project / new)}))
    if method != config.method and method in registry.names("methods"):
        text = set_value(text, ("method",), method)
        said.append(
            f"method is now {method}, which its columns are made for (it was {config.method}); another one: method in config.yaml"
        )
        if method == "grpo" and not config.train.rewards:
            reward = get_reward(config.data.model_copy(update={"source": str(project / new)}))
            text = set_value(text, ("train", "rewards"), [{"name": reward}])
            said.append(f"train.rewards is now {reward}: it judges the answers; docs/rewards.md has others")
    elif method != config.method:
        said.append(
            f"its columns are made for the method {method}, which this version does not have: {config.method} stays"
        )
    config_file.write_text(text, encoding="utf-8")
    return said


def _read_first(data: Any) -> list[dict[str, Any]]:
    problems: list[Problem] = []
    rows: list[dict[str, Any]] = []
    for chunk in open_source(data).chunks():
        rows += [row for _, row in islice(chunk.read(problems), LOOKED_AT - len(rows))]
        if len(rows) >= LOOKED_AT:
            break
    return rows


def get_reward(data: Any) -> str:
    """The reward to start with for prompts of data.source, by their columns."""
    columns = set(get_columns(_read_first(data)))
    return (
        "code_tests" if "tests" in columns else "reasoning_gym" if {"task", "metadata"} <= columns else "exact_answer"
    )


def recommend(data: Any) -> str:
    """The method that the first rows of data.source are made for; ``sft`` when no format fits."""
    rows = _read_first(data)
    try:
        name, plugin, mapping = find_format(rows, data.format, data.columns)
    except (GaslampError, IndexError):
        return "sft"  # the data phase says what is wrong, with the mapping that would work
    if name == "vision":
        return "vision_sft"
    if plugin.KIND == "rating" and "threshold" in mapping and mapping["label"].lower() == "score":
        return "sft"  # a number that some program gave (FineTome), not what a person thought of the answer
    return METHODS[plugin.KIND]


def set_value(text: str, path: tuple[str, ...], value: Any) -> str:
    """YAML ``text`` with one value replaced; comments and all else stay as they are.

    Raises:
        GaslampError: the key is not there.
    """
    import yaml

    node: Any = yaml.compose(text)
    for key in path:
        found = [item for name, item in node.value if name.value == key] if isinstance(node, yaml.MappingNode) else []
        if not found:
            raise GaslampError(f"config.yaml has no key {'.'.join(path)}", f"add it: {path[-1]}: {json.dumps(value)}")
        node = found[0]
    return text[: node.start_mark.index] + json.dumps(value, ensure_ascii=False) + text[node.end_mark.index :]
