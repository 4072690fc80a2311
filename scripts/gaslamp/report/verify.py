"""Whether the files of a run are what its records say, from the rows to the GGUF files, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gaslamp.config.pin import RECORD, check_pin
from gaslamp.core.contracts import Card, ModelFacts, Parity, Provenance, Template, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, sha256_path, sha256_text
from gaslamp.core.places import get_data_folder
from gaslamp.core.seals import find_damage
from gaslamp.export.llamacpp.gguf_facts import read_origin
from gaslamp.models.checkpoint import get_weights_hash

RECORDS = ("eval/compare.json", "merged/gaslamp.json", "gguf/ladder.json", "gguf/parity.json")
"""Records after the training, in the order of their making; each has the hashes of what it was made from."""


@dataclass
class Link:
    """One record, and what became of the files that it names.

    Attributes:
        record: the file that says what belongs together.
        fits: files whose hash is that of the record.
        gone: files that are not there any more (intermediate ones may be removed).
        wrong: a sentence for each file that is another one now.
    """

    record: str
    fits: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def compare(self, path: Path, expected: str, found: str | None = None) -> None:
        """Check one file or folder.

        Args:
            path: what the record names.
            expected: its sha256 then.
            found: the one it has now; ``None``: it is computed.
        """
        if not path.exists():
            self.gone.append(str(path))
            return
        found = found or sha256_path(path)
        if found == expected:
            self.fits.append(str(path))
        else:
            self.wrong.append(f"{self.record} was made with {path} {expected[:12]}…, and {path} is {found[:12]}… now")


def verify_run(run: str, shipped: Path | None = None) -> list[Link]:
    """Every record of a run in the order in which they were made; the first with ``wrong`` is where it went wrong.

    Args:
        run: its name, in the project of the working directory.
        shipped: a GGUF file from elsewhere, which should be one of the run's.

    Raises:
        GaslampError: the run has not trained.
    """
    folder = Path("outputs") / run
    if not (folder / "train.json").is_file():
        raise GaslampError(f"run {run} has no {folder / 'train.json'}", "make run", "another run: make verify RUN=name")
    links = [_check_code(), _check_data(get_data_folder(run)), *_check_model(folder), _check_training(folder)]
    for name in RECORDS:
        if (file := folder / name).is_file():
            links.append(_check_inputs(file, Provenance.model_validate(read_json(file)["provenance"])))
    links.append(_check_seals(folder))
    if shipped is not None:
        links.append(_check_shipped(shipped, folder))
    return [link for link in links if link.fits or link.gone or link.wrong]


def _check_code() -> Link:
    link = Link(RECORD)
    if Path(RECORD).is_file():
        changes = check_pin(Path())
        link.wrong = [f"{name} is not as it was generated" for kind in ("edited", "missing") for name in changes[kind]]
        link.fits = [] if link.wrong else ["the pinned rules and scripts"]
    return link


def _check_data(data: Path) -> Link:
    card, template = Card.read(data / "card.json"), Template.read(data / "template.json")
    link = Link(str(data / "card.json"))
    for split, expected in card.sha256.items():
        link.compare(data / f"{split}.jsonl", expected)
    link.compare(data / "template.json", template.sha256, sha256_text(template.chat_template))
    return link


def _check_model(folder: Path) -> Iterator[Link]:
    """The base model that the training names: its weights may lie in a cache outside the project."""
    provenance = TrainFacts.read(folder / "train.json").provenance
    for name in provenance.inputs if provenance else ():
        file = Path(name)
        if file.name == "model.json" and file.is_file():
            facts = ModelFacts.read(file)
            link = Link(name)
            weights = Path(facts.path)
            link.compare(weights, facts.sha256, get_weights_hash(weights) if weights.is_dir() else None)
            yield link


def _check_training(folder: Path) -> Link:
    train = TrainFacts.read(folder / "train.json")
    link = _check_inputs(folder / "train.json", train.provenance)
    adapters = folder / "adapters"
    link.compare(adapters, train.adapter_sha256, get_weights_hash(adapters) if adapters.is_dir() else None)
    return link


def _check_inputs(file: Path, provenance: Provenance | None) -> Link:
    link = Link(str(file))
    for name, expected in (provenance.inputs if provenance else {}).items():
        link.compare(Path(name), expected)
    return link


def _check_seals(folder: Path) -> Link:
    """Every file as its step left it, read in full: also those that no record names."""
    link = Link(".gaslamp/seals")
    for place in (Path("data"), folder):
        damages = find_damage(place, full=True)
        link.wrong += [f"{damage.path} is not as {damage.step} left it ({damage.what})" for damage in damages]
        link.fits += [] if damages else [f"{place}/"]
    return link


def _check_shipped(shipped: Path, folder: Path) -> Link:
    if not shipped.is_file():
        raise GaslampError(f"{shipped}: no such file", "make verify FILE=path/to/model.gguf")
    link, found = Link(str(folder / "gguf/parity.json")), sha256_path(shipped)
    parity = folder / "gguf/parity.json"
    recorded = Parity.read(parity).provenance if parity.is_file() else None
    known = {value: name for name, value in (recorded.inputs if recorded else {}).items() if name.endswith(".gguf")}
    if found in known:
        link.fits.append(f"{shipped} is {known[found]}")
    else:
        says = read_origin(shipped)
        claim = f"; it says: {says}" if says else "; it does not say where it comes from"
        link.wrong.append(f"{shipped} ({found[:12]}…) is none of the GGUF files of this run{claim}")
    return link
