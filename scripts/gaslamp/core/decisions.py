"""The contract for each choice that the program makes by itself: what was chosen, and why.

``train.json`` and ``preflight.json`` hold lists of them; every page shows them. Files written by version 0.1 hold a
mapping of ``name`` to ``"value: reason"`` instead; ``read_decisions`` reads both forms.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Scalar = str | int | float | bool | None


class Decision(BaseModel):
    """One automatic choice.

    Attributes:
        name: the setting that was chosen, as in the config (``batch_size``, ``dtype``), or a short name of its own.
        value: what was chosen.
        reason: why, as a phrase without a full stop; empty when there is nothing to say.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    value: Scalar | list[Scalar]
    reason: str = ""

    @property
    def text(self) -> str:
        """``value: reason`` for a log line or a table with one column."""
        values = self.value if isinstance(self.value, list) else [self.value]
        value = ", ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in values)
        return f"{value}: {self.reason}" if self.reason else value


def read_decisions(value: object) -> object:
    """Decisions in today's form: a list stays, a mapping of version 0.1 (``name`` to ``"value: reason"``) becomes one.

    Anything else is returned unchanged, for pydantic to refuse.
    """
    if not isinstance(value, dict):
        return value
    parts = [(str(name), *str(text).partition(": ")) for name, text in value.items()]
    return [Decision(name=name, value=taken, reason=reason) for name, taken, _, reason in parts]


Decisions = Annotated[list[Decision], BeforeValidator(read_decisions)]
"""The type of a field that holds decisions; it also reads the form of version 0.1."""


def find_decision(decisions: Iterable[Decision], name: str) -> Decision | None:
    """The decision called ``name``; the last one when it was made twice; ``None`` when it was not made."""
    return next((decision for decision in reversed(list(decisions)) if decision.name == name), None)


def set_decision(decisions: list[Decision], name: str, value: Scalar | list[Scalar], reason: str = "") -> None:
    """Record a choice in ``decisions``; it replaces an earlier one of the same name."""
    decisions[:] = [decision for decision in decisions if decision.name != name]
    decisions.append(Decision(name=name, value=value, reason=reason))


def get_texts(decisions: Iterable[Decision]) -> dict[str, str]:
    """``name`` -> ``value: reason``, for pages that show one line for each decision."""
    return {decision.name: decision.text for decision in decisions}
