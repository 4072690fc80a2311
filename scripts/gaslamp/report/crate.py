"""A run as one archive that another person can check and repeat: a Workflow Run RO-Crate.

What it follows: Workflow Run Crate 0.5 (https://w3id.org/ro/wfrun/workflow/0.5), which is an RO-Crate 1.1 with a
workflow and the action that ran it. Every file has its sha256; what is too large to send stands there by hash alone.
"""

from __future__ import annotations

import importlib.metadata
import mimetypes
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp import __version__
from gaslamp.core.attempts import read_attempts
from gaslamp.core.contracts import Compare, Ladder, ModelFacts, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import sha256_path
from gaslamp.report.crate_file import ROADBOOK
from gaslamp.report.reproduce.project import get_place, read_roadbook
from gaslamp.report.roadbook.inventory import get_inventory
from gaslamp.report.verify import verify_run

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
FORMATS = {
    ".gguf": "application/octet-stream",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".safetensors": "application/octet-stream",
    ".yaml": "application/yaml",
}
"""Media types that the table of the system lacks."""
CODE = ("workflow", "rules", "scripts", "profiles")
"""Folders of a project with the code that ran."""
PACKAGES = "environment.txt"
LARGE = ("resources/", "checkpoints/", "outputs/{run}/merged", "outputs/{run}/gguf/model-")
"""What is sent by hash alone; of the levels the recommended one is sent, unless only hashes are wanted."""


@dataclass(frozen=True)
class Part:
    """One file or folder of a run: where it is here, its name in the crate, what it is, and whether it is sent."""

    path: Path
    name: str
    role: str
    is_sent: bool
    is_input: bool = False


def write_crate(run: str, out: Path, has_weights: bool) -> list[Part]:
    """Write the archive of a finished run.

    Args:
        run: its name, in the project of the working directory.
        out: the .zip to write.
        has_weights: with the adapter and the recommended GGUF file; else they stand there by hash.

    Returns:
        What is in it or named by it.

    Raises:
        GaslampError: the run has not ended, its files are not what its records say, or a package is missing.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise GaslampError(
            "the package rocrate is not installed", "make setup EXTRA=crate, then the same command"
        ) from error
    if wrong := [text for link in verify_run(run) for text in link.wrong]:
        raise GaslampError(
            "the files of this run are not what its records say\n" + "\n".join(f"    - {text}" for text in wrong),
            "run snakemake again: what is damaged is set aside and made again, then the same command",
            "make verify shows each record",
        )
    if not Path(ROADBOOK).is_file():
        raise GaslampError(f"the run {run} has not ended: {ROADBOOK} is missing", "make run, then the same command")
    parts = list(_find_parts(run, has_weights))
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms.update(TERMS)
    _describe(crate, run, parts)
    out.parent.mkdir(parents=True, exist_ok=True)
    packages = "".join(sorted(f"{one.name}=={one.version}\n" for one in importlib.metadata.distributions()))
    draft = out.with_name(f".{out.name}")
    try:
        crate.write_zip(draft)
        with zipfile.ZipFile(draft, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(PACKAGES, packages)
            for name in (*CODE[1:], *(part.name for part in parts if part.is_sent and part.path.is_dir())):
                archive.mkdir(name)  # a folder that is named has an entry of its own
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return parts


def find_private(parts: list[Part]) -> list[str]:
    """Files of the crate whose text names a folder of this user, which a stranger would see."""
    texts = [part for part in parts if part.is_sent and part.path.is_file() and part.path.stat().st_size < 5_000_000]
    own = {str(Path.home()).encode(), str(Path.cwd()).encode()} - {b"/"}
    return [part.name for part in texts if any(place in part.path.read_bytes() for place in own)]


def _find_parts(run: str, has_weights: bool) -> Iterator[Part]:
    """The files of the run in the order of the workflow, a person's own first."""
    _, record = read_roadbook(Path(ROADBOOK))
    for name in record.inputs:
        yield Part(Path(name).expanduser(), get_place(name), "Read by the run", True, True)
    folder = Path("outputs") / run
    train = TrainFacts.read(folder / "train.json")
    ladder = Ladder.read(folder / "gguf/ladder.json")
    levels = [level.level for level in ladder.levels if level.level != "f16"]
    known = {get_place(name) for name in record.inputs}
    chosen = next(f"outputs/{run}/gguf/{level.file}" for level in ladder.levels if level.level == ladder.recommended)
    for name, _, role in get_inventory(Path("rules").resolve(), train.backend, run, levels, _find_model(run)):
        path = Path(name)
        if name in known or not path.exists():
            continue
        is_large = name.startswith(tuple(place.replace("{run}", run) for place in LARGE))
        is_weights = name in (chosen, f"outputs/{run}/adapters")
        is_sent = has_weights if is_weights else not is_large
        yield Part(path, name, role, is_sent, name == "config.yaml")


def _describe(crate: ROCrate, run: str, parts: list[Part]) -> None:
    """Fill the metadata: the workflow, the action that ran it, what it read and made, and its scores."""
    from rocrate.model.contextentity import ContextEntity

    def refer(identifier: str, kind: str | list[str], **values: object) -> Any:
        return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **values}))

    compare = Compare.read(Path("outputs") / run / "eval" / "compare.json")
    settings, _ = read_roadbook(Path(ROADBOOK))
    model = ModelFacts.read(_find_model(run))
    train = TrainFacts.read(Path("outputs") / run / "train.json")
    about = settings.get("project", {})
    crate.name = f"{about.get('name') or Path.cwd().name}, run {run}"
    crate.description = str(
        about.get("task") or "A language model, trained on one's own rows and proven to be served as it was evaluated."
    )
    licence = model.license or model.license_name or "not stated: that of the base model holds"
    crate.license = refer(f"#licence-{re.sub(r'[^A-Za-z0-9.-]+', '-', licence)}", "CreativeWork", name=licence)
    crate.root_dataset["conformsTo"] = [
        refer(identifier, "CreativeWork", name=name, version=version) for identifier, name, version in PROFILES
    ]
    workflow = crate.add_workflow(
        "workflow/Snakefile",
        "workflow/Snakefile",
        main=True,
        lang="snakemake",
        properties={"name": "gaslamp", "version": __version__},
    )
    workflow["encodingFormat"] = "text/plain"
    workflow["sha256"] = sha256_path(Path("workflow/Snakefile"))
    for name in CODE[1:]:
        crate.add_dataset(name, name, properties={"name": f"{name} of the workflow"})
    given = [_add_part(crate, part) for part in parts if part.is_input]
    made = [_add_part(crate, part) for part in parts if not part.is_input]
    source = refer(
        f"#model-{model.sha256[:16]}",
        "CreativeWork",
        name=model.source,
        version=model.revision or "",
        sha256=model.sha256,
        description="The base model",
    )
    packages = refer(PACKAGES, "File", name="Installed packages", encodingFormat="text/plain")
    crate.root_dataset.append_to("hasPart", packages)
    attempts = read_attempts(Path("logs/phases.jsonl"))
    times = sorted(datetime.fromisoformat(attempt.started) for attempt in attempts) or [datetime.now().astimezone()]
    action = refer(
        f"#run-{run}",
        "CreateAction",
        name=f"run {run}",
        description=f"snakemake --profile {train.backend}: {train.method}, {train.steps} steps, {compare.verdict}",
        instrument=workflow,
        object=[*given, source, packages],
        result=made,
        startTime=times[0].isoformat(),
        endTime=times[-1].isoformat(),
        actionStatus="http://schema.org/CompletedActionStatus",
    )
    crate.root_dataset["mentions"] = action
    crate.root_dataset["variableMeasured"] = [
        refer(
            f"#score-{metric.name}-{who}",
            "PropertyValue",
            name=f"{metric.title}, {who}",
            value=score.value,
            minValue=score.low,
            maxValue=score.high,
            unitText=metric.unit,
            description=f"{score.n} test rows, interval of {compare.confidence:.0%}",
        )
        for metric in compare.metrics
        for who, score in (("base", metric.base), ("tuned", metric.tuned))
    ]


def _find_model(run: str) -> Path:
    train = TrainFacts.read(Path("outputs") / run / "train.json")
    return next(
        Path(name) for name in (train.provenance.inputs if train.provenance else {}) if name.endswith("model.json")
    )


def _add_part(crate: ROCrate, part: Part) -> Any:
    """The entity of a file or folder; one that is not sent has its hash and size alone."""
    from rocrate.model.contextentity import ContextEntity

    digest = sha256_path(part.path)
    size = sum(
        file.stat().st_size for file in ([part.path] if part.path.is_file() else part.path.rglob("*")) if file.is_file()
    )
    facts = {"name": part.role, "sha256": digest, "contentSize": str(size)}
    if not part.is_sent:
        kind = {"@type": "CreativeWork", **facts, "description": f"{part.name}: not in this archive"}
        return crate.add(ContextEntity(crate, f"#{part.name}", properties=kind))
    if part.path.is_dir():
        return crate.add_dataset(part.path, f"{part.name}/", properties=facts)
    return crate.add_file(part.path, part.name, properties={**facts, "encodingFormat": get_format(part.path)})


def get_format(file: Path) -> str:
    """The media type of a file: ``application/json``."""
    return FORMATS.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "text/plain"
