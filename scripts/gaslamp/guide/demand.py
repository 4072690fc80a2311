"""What should be trained, for make advise: from the command line, a look at the data, and the project it runs in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gaslamp.config.methods import get_method, is_multimodal
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.core.nearest import get_hint
from gaslamp.environment.machines import Machine
from gaslamp.environment.training_ways import ROWS, TOKENS, Demand
from gaslamp.guide.language import NAMES
from gaslamp.guide.plan import Situation
from gaslamp.guide.project_situation import look_at_project
from gaslamp.guide.recommend import settle_basis
from gaslamp.guide.situation import look_around
from gaslamp.models.catalogue import ABILITIES, load_catalogue


@dataclass(frozen=True)
class Wanted:
    """What should be trained, and where that is from."""

    demand: Demand
    profile: str | None  # that the project or the interview settled; None: what fits the machine
    origin: str  # in words

    def describe(self) -> str:
        """One line for people."""
        one = self.demand
        needs = f", needs {', '.join(sorted(one.needs))}" if one.needs else ""
        length = f"{one.mean_tokens:,} tokens in the mean, at most {one.tokens:,}"
        if one.mean_tokens == one.tokens:
            length = f"{one.tokens:,} tokens"
        return f"{one.method}, {one.rows:,} rows of {length}, {', '.join(one.languages)}{needs} ({self.origin})"


def get_demand(given: JsonObject, machine: Machine, project: Path | None) -> Wanted:
    """What should be trained: what the command line says, else what the interview would find, else the project.

    Args:
        given: of the command line: task, data, method, languages, rows, tokens, needs; ``None`` or empty: not given.
        machine: its facts.
        project: a project folder, whose answers, config and data card say what is not given; ``None``: none.

    Raises:
        GaslampError: the data cannot be read, or names and numbers that cannot be; all of these at once.
    """
    _check(given)
    now: Situation | None = None
    if given.get("data") or given.get("task"):
        now = look_around(str(given.get("task") or ""), str(given.get("data") or "none"), system=machine, offline="")
    elif project is not None:
        now = look_at_project(project, machine)
    method = given.get("method")
    if now is None:
        demand, profile = Demand(str(method or "sft")), None
        origin = f"nothing is known of the data: {ROWS:,} rows of {TOKENS} tokens are assumed; DATA=file looks at yours"
    else:
        basis = settle_basis(replace(now, wanted={**now.wanted, **({"method": method} if method else {})}))
        demand, origin = basis.demand, basis.amount.origin
        profile = now.wanted.get("profile")
    needs = frozenset(given.get("needs") or ()) | demand.needs
    if is_multimodal(demand.method):
        needs |= {"vision"}
    demand = demand._replace(needs=needs)
    if given.get("languages"):
        demand = demand._replace(languages=tuple(given["languages"]))
    if given.get("rows"):
        demand = demand._replace(rows=given["rows"])
    if given.get("tokens"):
        demand = demand._replace(tokens=given["tokens"], mean=0)
    if given.get("rows") and given.get("tokens"):
        origin = "as the command line says"
    return Wanted(demand, profile, origin)


def _check(given: JsonObject) -> None:
    """Refuse what no training can have, all of it at once.

    Raises:
        GaslampError: with a fix for each.
    """
    wrong: list[tuple[str, str]] = []
    for need in given.get("needs") or ():
        if need not in ABILITIES:
            hint = get_hint(need, ABILITIES)
            wrong.append((f"there is no ability '{need}'; {hint}", f"NEEDS takes: {', '.join(ABILITIES)}"))
    known = {*NAMES, *(code for model in load_catalogue() for code in model.languages)}
    for code in given.get("languages") or ():
        if code not in known:
            hint = get_hint(code, sorted(known))
            wrong.append((f"there is no language '{code}'; {hint}", "LANGUAGES takes codes: LANGUAGES=de,en"))
    for name in ("rows", "tokens"):
        value = given.get(name)
        if value is not None and value < 1:
            wrong.append((f"{name.upper()}={value} is no number of {name}", f"{name.upper()}=1000, or leave it out"))
    if given.get("method"):
        try:
            get_method(str(given["method"]))
        except GaslampError as error:
            wrong.append((error.cause, error.fix))
    if wrong:
        raise GaslampError("; ".join(cause for cause, _ in wrong), "; ".join(dict.fromkeys(fix for _, fix in wrong)))
