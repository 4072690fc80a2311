"""What the template computes from the two answers: names, a recommended method, text that is safe where it lands.

It runs inside cookiecutter, before anything of the project is there: of the library it imports what needs the standard
library alone.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import unicodedata
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment
from jinja2.ext import Extension

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from gaslamp.core import registry  # noqa: E402
from gaslamp.core.errors import GaslampError  # noqa: E402
from gaslamp.data.meaning import LOOKED_AT, decide  # noqa: E402
from gaslamp.data.meaning.readings import get_first_method, get_first_reward  # noqa: E402
from gaslamp.data.readers.files import read_chunks  # noqa: E402

LONGEST_NAME = 40

# Words of a task that name its field; the first field that matches is recommended, and can be changed in config.yaml.
DOMAINS = {
    "health": "patient|clinic|doctor|nurse|medical|hospital|health",
    "finance": "bank|invoice|loan|tax|accounting|finance|insurance",
    "legal": "legal|contract|lawyer|court|clause",
    "education": "student|teacher|pupil|school|course|exam",
    "security": "security|vulnerability|phishing|malware|incident",
    "code": "code|programmer|developer|sql|python|commit",
    "math": "math|equation|proof|arithmetic",
    "science": "science|research|chemistry|physics|biology",
    "support": "support|customer|ticket|helpdesk|complaint",
}


def get_cwd() -> str:
    """Where the person stands: relative answers start there. Cookiecutter renders this before it moves."""
    return str(Path.cwd())


def get_date() -> str:
    """Today as YYYY_MM_DD."""
    return datetime.now().astimezone().strftime("%Y_%m_%d")


def get_project_name(task: str) -> str:
    """A folder name: the words before a colon, or else the first words of the task; empty when there are no words."""
    head, colon, _ = task.partition(":")
    slug = _slugify(head) if colon and len(_slugify(head)) <= LONGEST_NAME else ""
    slug = slug or _slugify(task)
    if len(slug) > LONGEST_NAME:
        slug = slug[: LONGEST_NAME + 1].rpartition("_")[0] or slug[:LONGEST_NAME]
    return slug


def _slugify(text: str) -> str:
    return re.sub(r"[\W_]+", "_", unicodedata.normalize("NFKC", text).lower()).strip("_")


def get_audience(task: str) -> str:
    """What stands after the last ``for`` of the task, when it reads like a group of people; empty otherwise."""
    match = re.search(r".*\bfor ((?:the |our |my |all )?[^.,;:\n]{3,60})\.?\s*$", task, re.IGNORECASE)
    return match.group(1).strip() if match else ""


def get_domain(task: str) -> str:
    """The field that the words of the task name, or ``general``."""
    found = (name for name, words in DOMAINS.items() if re.search(rf"\b({words})(s|es)?\b", task, re.IGNORECASE))
    return next(found, "general")


def is_embedded(data: str) -> bool:
    """Whether the answer names an embedded data set."""
    return data.startswith("embedded:")


def get_data_path(data: str) -> str:
    """Absolute path of the user's data; empty for an embedded set. Whether it exists, the pre_gen hook checks."""
    return "" if is_embedded(data) else str(Path(data.strip()).expanduser().absolute())


def get_data_source(data: str) -> str:
    """The value of data.source in the project."""
    if is_embedded(data):
        return data
    name = re.sub(r"[^\w.-]+", "_", Path(get_data_path(data)).name).lstrip(".-") or "data"
    return f"data/raw/{name}"


@lru_cache(maxsize=4)
def read_data(data: str) -> tuple[str, tuple[str, ...]]:
    """What the rows of the data are (a kind of gaslamp.data.rows.KINDS, or ``images``; empty when unknown), and its
    columns.

    The project's own library decides, as ``make data`` does. Without a reader for the file (a Parquet file where
    pyarrow is not installed) and for columns that can mean several things it is unknown here: ``make data`` shows them
    with examples.
    """
    if is_embedded(data):
        name = data.removeprefix("embedded:")
        if name not in registry.names("embedded"):
            return "", ()  # the pre_gen hook names the embedded sets
        module = registry.get("embedded", name)
        return module.ROWS, tuple(next(iter(module.generate()))) if module.ROWS == "prompt" else ()
    rows: list[dict[str, Any]] = []
    try:
        rows = _read_rows(Path(get_data_path(data)))
        meaning = decide(rows)
    except (GaslampError, ImportError, OSError, ValueError):
        return "", tuple(rows[0]) if rows else ()  # the data phase says what is wrong, with the line
    return meaning.reading.rows if meaning.certain else "", tuple(rows[0])


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """The first rows of a file or folder; JSON lines also where orjson is not installed."""
    if path.suffix.lower() in (".jsonl", ".ndjson") and importlib.util.find_spec("orjson") is None:
        with path.open(encoding="utf-8-sig") as handle:
            values = [json.loads(line) for line in islice(handle, LOOKED_AT) if line.strip()]
        return [value for value in values if isinstance(value, dict)]
    rows: list[dict[str, Any]] = []
    for chunk in read_chunks(path):
        rows += [row for _, row in islice(chunk.read([]), LOOKED_AT - len(rows))]
        if len(rows) >= LOOKED_AT:
            break
    return rows


def get_columns(data: str) -> str:
    """The columns of the data, separated by commas; empty when unknown. Safe in a comment of YAML."""
    return ", ".join(re.sub(r"[^\w -]", "_", str(name)) for name in read_data(data)[1])


def get_method(data: str) -> str:
    """The method that the columns of the data are made for; that for conversations when they leave it open."""
    return get_first_method(read_data(data)[0] or "conversation")


def get_rewards(data: str) -> str:
    """The value of train.rewards for the data: a first reward where the method needs one, else none."""
    rows, columns = read_data(data)
    return f"[{{name: {get_first_reward(list(columns))}}}]" if rows == "prompt" else "[]"


def quote(text: str) -> str:
    """A double-quoted string that YAML, TOML, JSON and Python all read back as ``text``."""
    letters = []
    for char in text:
        if char in '"\\':
            letters.append("\\" + char)
        elif char.isprintable():
            letters.append(char)
        elif ord(char) > 0xFFFF:
            letters.append(f"\\U{ord(char):08x}")
        else:  # lone surrogates come from bytes that were no UTF-8
            letters.append("\\ufffd" if 0xD800 <= ord(char) <= 0xDFFF else f"\\u{ord(char):04x}")
    return '"' + "".join(letters) + '"'


def escape_markdown(text: str) -> str:
    """One line of plain text in Markdown: nothing in it becomes markup."""
    line = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]<>#|!~&$])", r"\\\1", line)


def get_requirements(cwd: str, repo_dir: str) -> str:
    """``dependencies`` and the extras of the repository's pyproject.toml as TOML: a project installs exactly the same.

    The first line ends a comment: so the template's own pyproject.toml is valid TOML, which linters of the repository
    read.
    """
    import tomllib  # Python 3.11; the pre_gen hook refuses an older one

    root = (Path(cwd) / repo_dir).parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        "taken over from the repository",
        f"requires-python = {quote(project['requires-python'])}",
        "dependencies = [",
        *_list(project["dependencies"]),
        "]",
        "",
    ]
    lines.append("[project.optional-dependencies]")
    for extra, names in project.get("optional-dependencies", {}).items():
        if extra != "dev":
            lines += [f"{extra} = [", *_list(names), "]"]
    return "\n".join(lines)


def _list(names: list[str]) -> list[str]:
    return [f"    {quote(name)}," for name in names]


def find_built_method(method: str, cwd: str, repo_dir: str) -> str:
    """``method`` when this version has it, ``sft`` otherwise."""
    return (
        method
        if ((Path(cwd) / repo_dir).parent / "scripts" / "gaslamp" / "train" / "methods" / f"{method}.py").is_file()
        else "sft"
    )


class GaslampExtension(Extension):
    """Filters and functions for the files of the template."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters.update(
            project_name=get_project_name,
            audience=get_audience,
            domain=get_domain,
            data_path=get_data_path,
            data_source=get_data_source,
            columns=get_columns,
            method=get_method,
            rewards=get_rewards,
            quote=quote,
            markdown=escape_markdown,
        )
        environment.globals.update(
            get_cwd=get_cwd, get_date=get_date, get_requirements=get_requirements, find_built_method=find_built_method
        )
