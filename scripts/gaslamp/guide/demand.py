"""What should be trained, for make advise: from the command line, a look at the data, and the project it runs in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gaslamp.config.load import read_yaml
from gaslamp.config.methods import get_method, is_multimodal
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json
from gaslamp.core.nearest import get_hint
from gaslamp.environment.machines import Machine
from gaslamp.environment.speed import Measured, read_measured
from gaslamp.guide.answers import check_data, read_data_answer
from gaslamp.guide.data_lines import choose_columns
from gaslamp.guide.look import convert, get_lengths, look_at_data
from gaslamp.guide.models import ROWS, TOKENS, Wanted
from gaslamp.guide.plan import Situation
from gaslamp.guide.recommend import recommend
from gaslamp.guide.task import PURPOSES, find_purposes
from gaslamp.models.catalogue import ABILITIES, find_model

CARD = Path("data") / "card.json"


@dataclass(frozen=True)
class Demand:
    """What should be trained, and where each part is from."""

    method: str
    languages: tuple[str, ...]
    rows: int
    tokens: int
    needs: frozenset[str]
    origin: str  # in words

    @property
    def wanted(self) -> Wanted:
        """As get_advice and get_elsewhere take it."""
        return {
            "method": self.method,
            "languages": self.languages,
            "rows": self.rows,
            "tokens": self.tokens,
            "needs": self.needs,
        }

    def describe(self) -> str:
        """One line for people."""
        needs = f", needs {', '.join(sorted(self.needs))}" if self.needs else ""
        spoken = f", {', '.join(self.languages)}" if self.languages else ""
        return f"{self.method}, {self.rows:,} rows of about {self.tokens:,} tokens{spoken}{needs} ({self.origin})"


def get_demand(given: JsonObject, machine: Machine, project: Path | None) -> Demand:
    """What should be trained.

    Args:
        given: of the command line: task, data, method, languages, rows, tokens, needs; ``None`` or empty: not given.
        machine: its facts.
        project: a project folder, whose config and data card say what is not given; ``None``: none.

    Raises:
        GaslampError: the data cannot be read, or a name is unknown.
    """
    needs = frozenset(given.get("needs") or ())
    for need in needs - set(ABILITIES):
        raise GaslampError(
            f"there is no ability '{need}'; {get_hint(need, ABILITIES)}", f"NEEDS takes: {', '.join(ABILITIES)}"
        )
    known: JsonObject = {}
    origin = f"nothing is known of the data: {ROWS:,} rows are assumed; DATA=file looks at yours"
    if given.get("data") or given.get("task"):
        known, origin = _look(str(given.get("task") or ""), str(given.get("data") or "none"), machine)
    elif project is not None:
        known, origin = _read_project(project)
    method = given.get("method") or known.get("method") or "sft"
    get_method(method)
    if is_multimodal(method):
        needs |= {"vision"}
    return Demand(
        method=method,
        languages=tuple(given.get("languages") or known.get("languages") or ()),
        rows=given.get("rows") or known.get("rows") or ROWS,
        tokens=given.get("tokens") or known.get("tokens") or TOKENS,
        needs=needs,
        origin="as the command line says" if given.get("rows") and given.get("tokens") else origin,
    )


def _look(task: str, data: str, machine: Machine) -> tuple[JsonObject, str]:
    answer = read_data_answer(data)
    check_data(answer)
    look = look_at_data(answer)
    now = Situation(task, answer, look, machine)
    reading = choose_columns(now, [PURPOSES[name] for name in find_purposes(task)])[0]
    lengths = get_lengths(convert(look, reading)) if reading else []
    code = look.language.partition("-")[0]
    known = {
        "method": recommend(now).get("method").value,
        "rows": look.count,
        "tokens": lengths[int(0.9 * (len(lengths) - 1))] if lengths else None,
        "languages": (code,) if code else (),
    }
    if data == "none":
        return known, f"by the task; {ROWS:,} rows are assumed"
    counted = "" if look.is_exact else "about, " if look.count else f"{ROWS:,} rows are assumed, "
    return known, look.unknown or f"{counted}by the first {len(look.rows)} rows of {data}; nine of ten rows are shorter"


def _read_project(project: Path) -> tuple[JsonObject, str]:
    config = read_yaml(project / "config.yaml")
    known: JsonObject = {"method": config.get("method")}
    if not (project / CARD).is_file():
        return known, "the data phase has not counted yet: make data"
    card = read_json(project / CARD)
    return {
        **known,
        "rows": card["rows"]["train"],
        "tokens": int(card["tokens"]["total"]["p95"]),
    }, f"{CARD}; 95 % of the rows are shorter"


def find_measured(*folders: Path) -> list[Measured]:
    """What trainings on this machine measured: the train.json of every run of these projects, the newest first."""
    files = [file for folder in folders for file in folder.glob("outputs/*/train.json")]
    found = []
    for file in sorted(files, key=lambda file: -file.stat().st_mtime):
        try:
            facts = read_json(file)
        except GaslampError:
            continue  # a file of another version
        source = ((facts.get("provenance") or {}).get("settings") or {}).get("model", {}).get("source", "")
        known = find_model(source) if source else None
        if one := read_measured(facts, known.shape if known else None):
            found.append(one)
    return found
