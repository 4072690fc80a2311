"""A project that repeats a run, made from the roadbook of that run and nothing else of it but a person's own files."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from pydantic import ValidationError

from gaslamp.config.load import load_config
from gaslamp.config.pin import RECORD
from gaslamp.config.scaffold import bake
from gaslamp.config.yaml_file import read_yaml
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, sha256_path, sha256_text, write_json, write_text
from gaslamp.memory.apply import FILE as APPLIED
from gaslamp.memory.snapshot import FOLDER as SNAPSHOT
from gaslamp.report.roadbook.repeat import PLACES, Expected, get_key, get_parts

EXPECTED = "expected.json"
"""What the roadbook said, in the folder of the new project."""
_BLOCKS = re.compile(
    r"^(?P<one>`{3,})yaml\n(?P<config>.*?)^(?P=one)\n\s*^(?P<two>`{3,})json reproduce\n(?P<record>.*?)^(?P=two)$",
    re.MULTILINE | re.DOTALL,
)


def read_roadbook(file: Path) -> tuple[JsonObject, Expected]:
    """The resolved config and the record of a run, from the two blocks at the end of section 9.

    Raises:
        GaslampError: the file is missing, is no roadbook, or is one of a version without the record.
    """
    import yaml

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GaslampError(f"{file} cannot be read: {error}", "make reproduce FROM=<path of a gaslamp.md>") from error
    blocks = _BLOCKS.search(text)
    if not blocks:
        raise GaslampError(
            f"{file} has no record to repeat the run from (a yaml block and a 'json reproduce' block in section 9)",
            "it is of an older gaslamp: in its project run make upgrade, then make run, which writes it again",
            "the file was cut or edited: ask for the original",
        )
    try:
        config = yaml.safe_load(blocks["config"])
        record = Expected.model_validate(json.loads(blocks["record"]))
    except (yaml.YAMLError, ValidationError, ValueError) as error:
        raise GaslampError(f"{file}: its record is damaged: {error}", "ask for the original file") from error
    if not isinstance(config, dict):
        raise GaslampError(f"{file}: its record is damaged: the config is no mapping", "ask for the original file")
    return config, record


def make_project(
    roadbook: Path, folder: Path, root: Path, files: Path, model: str | None = None, adapter: str | None = None
) -> tuple[Path, bool]:
    """The project that repeats a run; an earlier call's is taken up again.

    Args:
        roadbook: a gaslamp.md.
        folder: where projects are.
        root: the repository.
        files: where a person's own files are looked for by their path in the original project.
        model: where the base model is on this machine, when the original used a folder.
        adapter: the same for what it started from (``model.adapter``).

    Returns:
        Its folder, and whether it was made just now.

    Raises:
        GaslampError: the roadbook cannot be read, a file is missing or another one, or the config does not fit this
            version; nothing is left behind.
    """
    config, record = read_roadbook(roadbook)
    name = re.sub(r"\W+", "_", str(get_key(config, "project.name") or "run")).strip("_").lower()
    project = folder / f"{name}_reproduced_{sha256_text(roadbook.read_text(encoding='utf-8'))[:8]}"
    if (project / RECORD).is_file():
        return project, False
    found = find_inputs(record, files)
    config = _adjust(config, record, model, _find_start(config, files, adapter))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".reproduce_") as temporary:
        made = _bake(root, config, Path(temporary))
        for file, source in found.items():
            target = made / get_place(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target, dirs_exist_ok=True) if source.is_dir() else shutil.copy2(source, target)
        _write_config(made / "config.yaml", config)
        write_json(made / EXPECTED, record.model_dump())
        load_config(read_yaml(made / "config.yaml"), made / "config.yaml", made)
        os.replace(made, project)
    return project, True


def find_inputs(record: Expected, files: Path) -> dict[str, Path]:
    """Where a person's own files of the original run are here, by their path there.

    Raises:
        GaslampError: some are missing, or are not the same; all of them are listed.
    """
    found: dict[str, Path] = {}
    problems = []
    for name, digest in record.inputs.items():
        near = (files / name, files / Path(name).name, files / get_place(name), Path(name))
        places = [path for path in near if path.exists()]
        same = next((path for path in places if sha256_path(path) == digest), None)
        if same:
            found[name] = same
        elif places:
            problems.append(
                f"{places[0]} is another file: its sha256 is {sha256_path(places[0])[:16]}…, "
                f"that of the run was {digest[:16]}…"
            )
        else:
            problems.append(f"{name} (sha256 {digest}) is not in {files}")
    if problems:
        raise GaslampError(
            "the run read files that a roadbook does not hold\n" + "\n".join(f"    - {each}" for each in problems),
            "ask for them, put them there by these paths, and run the same command; FILES=folder names another folder",
            "the data changed since the run: then it cannot be repeated",
        )
    return found


def get_place(name: str) -> str:
    """Where a person's own file goes in the new project: its relative path; below data/raw what was elsewhere."""
    path = Path(name)
    return name if not (path.is_absolute() or name.startswith("~") or ".." in path.parts) else f"data/raw/{path.name}"


def _find_start(config: JsonObject, files: Path, adapter: str | None) -> str | None:
    """What the run started from, as an absolute path; ``None`` when it started from the base model.

    Whether it is the same, the hash of the merged weights says in the end.

    Raises:
        GaslampError: it is not there.
    """
    wanted = get_key(config, "model.adapter")
    if not isinstance(wanted, str):
        return None
    places = [Path(adapter).expanduser()] if adapter else [files / wanted, Path(wanted).expanduser()]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise GaslampError(
            f"the run started from {wanted} (model.adapter), and {places[0]} is not there",
            "ask for that adapter and name its folder: ADAPTER=folder",
            "repeat that run first, from its own roadbook",
        )
    return str(found.resolve())


def _adjust(config: JsonObject, record: Expected, model: str | None, start: str | None) -> JsonObject:
    """The config for another machine: files that lay elsewhere are in the project now, nothing is remembered twice."""
    config = json.loads(json.dumps(config))
    for part, key in itertools.product(get_parts(config), PLACES):
        value = get_key(part, key)
        if isinstance(value, str) and value in record.inputs:
            section, _, last = key.partition(".")
            part[section][last] = get_place(value)
    if model:
        config["model"]["source"] = str(Path(model).expanduser().resolve()) if Path(model).exists() else model
    if start:
        config["model"]["adapter"] = start
    config["reflect"] = {**config.get("reflect", {}), "write": False}
    return dict(config)


def _bake(root: Path, config: JsonObject, folder: Path) -> Path:
    """A fresh project, without what the memory of this machine would change in it."""
    task = str(get_key(config, "project.task") or get_key(config, "project.name") or "a repeated run")
    made = bake(str(root), {"task": task}, folder)
    (made / APPLIED).unlink(missing_ok=True)
    shutil.rmtree(made / SNAPSHOT, ignore_errors=True)
    return made


def _write_config(file: Path, config: JsonObject) -> None:
    import yaml

    head = "# The config of the run that is repeated, as its roadbook has it.\n"
    write_text(file, head + yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100))
