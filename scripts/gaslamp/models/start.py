"""A trained result that a run starts from (``model.adapter``): whether it can be one, and what is recorded of it.

It is a run of a gaslamp project, which recorded what it was made of, or the folder of a PEFT adapter from elsewhere.
Reads small files alone, so that the config is checked with it; models/merge.py hashes and merges the weights.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gaslamp.config.base_models import get_label
from gaslamp.core.contracts import Compare, ModelFacts, Start, Template, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json
from gaslamp.models.trained import ADAPTER, get_saved_artefact

MERGED_TYPES = ("LORA", "ADALORA", "LOHA", "LOKR", "IA3", "OFT", "BOFT")
"""PEFT's kinds of adapters that can be added to the weights; the others (prompt tuning) change what the model reads."""


@dataclass(frozen=True)
class Trained:
    """A trained result on disk. What only a gaslamp run records is ``None`` for an adapter from elsewhere."""

    label: str
    adapters: Path  # PEFT adapter, or the whole model with train.adapter: none
    project: Path | None = None
    train: TrainFacts | None = None
    model: Path | None = None  # model.json that it was trained on
    template: Path | None = None  # data/template.json that it was trained with

    @property
    def run(self) -> Path | None:
        """outputs/<run>."""
        return self.adapters.parent if self.project else None


def get_inputs(place: Path) -> list[Path]:
    """The files that a start is made of: a change in one makes it again."""
    trained = read_trained(place)
    weights = [file for kind in ("json", "safetensors", "jinja") for file in trained.adapters.glob(f"*.{kind}")]
    facts = [trained.run / "train.json"] if trained.run else []
    return sorted([*weights, *facts, *(file for file in (trained.model, trained.template) if file)])


def read_trained(place: Path) -> Trained:
    """What stands in a folder.

    Args:
        place: outputs/<run> of a project, its adapters folder, or the folder of a PEFT adapter.

    Raises:
        GaslampError: nothing that was trained, or not finished.
    """
    if not place.is_dir():
        raise GaslampError(f"{place.resolve()}: no such folder", "correct model.adapter in config.yaml")
    runs = sorted(file.parent.name for file in place.glob("outputs/*/train.json"))
    if runs:
        raise GaslampError(
            f"{place} is a project, not one of its runs",
            f"set model.adapter to {' or '.join(str(place / 'outputs' / run) for run in runs)}",
        )
    adapters = place / "adapters" if (place / "adapters").is_dir() else place
    run = adapters.parent if adapters.name == "adapters" else place
    if run.resolve().parent.name == "outputs" or (run / "train.json").is_file():
        return _read_run(run, adapters)
    if (place / "config.json").is_file() and not (place / ADAPTER).is_file():
        raise GaslampError(f"{place} is a whole model, not an adapter", f"set model.source to {place}")
    if not (place / ADAPTER).is_file():
        raise GaslampError(
            f"{place} is neither a run nor an adapter: {ADAPTER} is missing",
            "set model.adapter to outputs/<run> of a gaslamp project, or to a folder with a PEFT adapter",
        )
    return Trained(get_label(place), adapters)


def _read_run(run: Path, adapters: Path) -> Trained:
    facts = run / "train.json"
    project = run.resolve().parents[1]
    if not facts.is_file() or adapters == run:
        missing = run / "adapters" if facts.is_file() else facts
        raise GaslampError(
            f"the training of {get_label(run)} is not finished: {missing} is missing",
            f"run the same snakemake command in {project}, then this one again",
        )
    train = TrainFacts.read(facts)
    names = list(train.provenance.inputs) if train.provenance else []
    model, template = (
        next((project / name for name in names if Path(name).name == wanted), None)
        for wanted in ("model.json", "template.json")
    )
    absent = [str(file) for file in (model, template) if file and not file.is_file()]
    if model is None or template is None or absent:
        raise GaslampError(
            f"{facts} does not lead to the model and the template of its training"
            + (f": {', '.join(absent)} is missing" if absent else ""),
            f"run the same snakemake command in {project}, then this one again",
        )
    return Trained(get_label(run), adapters, project, train, model, template)


def find_start_problems(adapter: str, source: str, root: Path) -> list[str]:
    """Why ``model.adapter`` cannot be merged into ``model.source``, as far as small files show it.

    Args:
        adapter: ``model.adapter``.
        source: ``model.source``.
        root: the folder that relative paths start from.
    """
    try:
        trained = read_trained(root / Path(adapter).expanduser())
    except GaslampError as error:
        return [f"{error.cause}; {error.fix}"]
    if trained.project == root.resolve():
        return [
            f"{trained.label} is a run of this project, whose data folder this run overwrites: start a new project, "
            f"or copy {adapter}/adapters out of outputs/ and set model.adapter to the copy"
        ]
    problems = []
    artefact = "encoder" if (trained.adapters / "embedding.json").is_file() else get_saved_artefact(trained.adapters)
    if artefact != "causal_lm":
        what = "an embedding model" if artefact == "encoder" else "a reward model or classifier"
        problems.append(f"{trained.label} is {what}, which generates no text: start from a model that does")
    config: JsonObject = read_json(trained.adapters / ADAPTER) if (trained.adapters / ADAPTER).is_file() else {}
    kind = str(config.get("peft_type") or "LORA").upper()
    if kind not in MERGED_TYPES:
        problems.append(f"{trained.label} is an adapter of type {kind}, which no weights can take in: use LoRA")
    if not list(trained.adapters.glob("*.safetensors")):
        problems.append(
            f"{trained.label} has no *.safetensors file: save it with save_pretrained(..., safe_serialization=True); "
            "pickled weights (.bin) are not loaded"
        )
    if trained.model:
        facts = ModelFacts.read(trained.model)
        if not _may_be_same(facts.root, source):
            problems.append(f"{trained.label} was trained on {facts.root}: set model.source to it")
    elif (base := config.get("base_model_name_or_path")) and not _is_same_name(str(base), source):
        problems.append(
            f"{trained.label} was trained on {base}: set model.source to it"
            + (", in its 16-bit version" if re.search(r"4bit|bnb|int4", str(base), re.IGNORECASE) else "")
            + f"; if {source} is that very model under another name, write that name into its {ADAPTER} "
            "(base_model_name_or_path)"
        )
    return problems


def _may_be_same(recorded: str, source: str) -> bool:
    """Whether two sources can have the same weights: folders are compared by hash later."""
    folders = [Path(one).expanduser().is_dir() or one.startswith((".", "/", "~")) for one in (recorded, source)]
    return recorded == source or any(folders)


def _is_same_name(recorded: str, source: str) -> bool:
    """Whether an adapter names the base model of the config: a copy of a hub model has the hub's last name."""
    last = [one.rstrip("/").rpartition("/")[2].lower() for one in (recorded, source)]
    return recorded.lower() == source.lower() or last[0] == last[1]


def describe_start(trained: Trained, base: ModelFacts, adapter_sha256: str) -> Start:
    """What is recorded of a start.

    Args:
        trained: read by read_trained.
        base: what it was trained on.
        adapter_sha256: of its weights.
    """
    start = Start(
        label=trained.label,
        folder=str((trained.run or trained.adapters).resolve()),
        base=base.source,
        base_sha256=base.sha256,
        adapter_sha256=adapter_sha256,
        template_sha256=Template.read(trained.template).sha256 if trained.template else None,
        method=trained.train.method if trained.train else None,
    )
    # a stage of this project is evaluated while the next one trains: its score stands in stages.json
    own = trained.project == Path.cwd()
    evaluated = trained.run / "eval" / "compare.json" if trained.run and not own else None
    if evaluated and evaluated.is_file():
        compare = Compare.read(evaluated)
        first = compare.metrics[0]
        start.metric, start.unit, start.verdict = first.title, first.unit, compare.verdict
        start.base_score, start.score = first.base, first.tuned
    return start
