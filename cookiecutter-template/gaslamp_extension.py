"""What the template computes from the two answers: names, a recommended method, text that is safe where it lands.

Standard library and Jinja2 only: it runs inside cookiecutter, before anything of the project is there.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from datetime import datetime
from pathlib import Path

from jinja2 import Environment
from jinja2.ext import Extension

LONGEST_NAME = 40

# Words of a task that tell its field; the first field that matches is recommended, and can be changed in config.yaml.
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

# What a data set is made for: the first method with a column in every one of its groups. A plain question with its answer is sft,
# though rewards could judge it too; grpo is recommended where a column says that answers are checked.
_PROMPTS = {"prompt", "problem", "question", "query", "instruction"}
_VERIFIERS = {"ground_truth", "final_answer", "expected_answer", "reward_model", "tests", "metadata"}
METHODS: tuple[tuple[str, tuple[set[str], ...]], ...] = (
    (
        "tts",
        (
            {"audio", "audio_path", "audio_file", "audio_filepath", "wav", "recording"},
            {"text", "transcript", "transcription", "sentence", "normalized_text"},
        ),
    ),
    ("vision_sft", ({"image", "images", "image_path", "image_paths", "img", "picture", "photo", "image_bytes"},)),
    (
        "dpo",
        (
            {"chosen", "chosen_response", "chosen_answer", "preferred", "accepted"},
            {"rejected", "rejected_response", "rejected_answer", "dispreferred"},
        ),
    ),
    (
        "kto",
        (
            {"completion", "response", "answer", "output"},
            {"label", "kto_tag", "thumbs", "thumbs_up", "is_good", "liked", "vote", "desirable"},
        ),
    ),
    ("embedding", ({"anchor", "query"}, {"positive", "pos", "positives"})),
    ("grpo", (_PROMPTS, _VERIFIERS)),
)

# The columns of the embedded sets, whose files are not there yet when this is asked.
EMBEDDED = {
    "replies_preference": "prompt,chosen,rejected",
    "replies_rating": "prompt,completion,label",
    "sums_prompts": "prompt,answer,task,metadata",
    "digits_vision": "messages,image",
    "help_pairs": "anchor,positive",
    "islands_text": "text",
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
    """The field that the words of the task tell, or ``general``."""
    found = (name for name, words in DOMAINS.items() if re.search(rf"\b({words})(s|es)?\b", task, re.IGNORECASE))
    return next(found, "general")


def is_embedded(data: str) -> bool:
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


def get_columns(data: str) -> str:
    """Column names of the first row of a CSV, TSV, JSON or JSON-lines file, separated by commas; empty when unknown."""
    if is_embedded(data):
        return EMBEDDED.get(data.removeprefix("embedded:"), "")
    path = Path(get_data_path(data))
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        start = handle.read(100_000)
    if path.suffix.lower() in (".csv", ".tsv"):
        names = next(csv.reader(start.splitlines()[:1], delimiter="\t" if path.suffix.lower() == ".tsv" else ","), [])
    elif path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
        try:
            row, _ = json.JSONDecoder().raw_decode(start.lstrip().lstrip("[").lstrip())
        except json.JSONDecodeError:
            return ""  # the data phase tells what is wrong with it, with the line
        names = list(row) if isinstance(row, dict) else []
    else:
        names = []
    return ",".join(re.sub(r"[^\w-]", "_", str(name)).lower() for name in names)


def get_method(columns: str) -> str:
    """The method that such columns are made for."""
    present = set(columns.split(","))
    if present == {"text"}:
        return "cpt"
    return next((name for name, groups in METHODS if all(group & present for group in groups)), "sft")


def get_rewards(columns: str) -> str:
    """The value of train.rewards for such columns: a first reward where the method needs one, else none."""
    present = set(columns.split(","))
    if get_method(columns) != "grpo":
        return "[]"
    name = (
        "code_tests" if "tests" in present else "reasoning_gym" if {"task", "metadata"} <= present else "exact_answer"
    )
    return f"[{{name: {name}}}]"


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

    The first line ends a comment: so the template's own pyproject.toml is valid TOML, which linters of the repository read.
    """
    import tomllib  # Python 3.11; the pre_gen hook tells so to an older one

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
