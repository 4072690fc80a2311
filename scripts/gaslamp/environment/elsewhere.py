"""What a rented or free GPU would make possible that this machine does not. Standard library and PyYAML only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gaslamp.environment.advise import PATIENCE, Advice, get_advice
from gaslamp.environment.machines import get_machine

TRIED = ("t4", "l4", "a100")
"""The machines that are looked at, the cheapest first."""


@dataclass(frozen=True)
class Elsewhere:
    """The best model on another machine."""

    machine: str  # name for get_machine
    title: str  # of the machine
    advice: Advice

    @property
    def way(self) -> str:
        """How a project gets there."""
        return "Colab" if self.machine == "t4" else "SSH"


def get_elsewhere(
    here: Sequence[Advice],
    *,
    method: str,
    languages: Iterable[str] = ("en",),
    rows: int = 1000,
    tokens: int = 512,
    needs: Collection[str] = (),
) -> list[Elsewhere]:
    """For each tier that this machine does not reach, the cheapest other machine that does, and its best model there.

    Args:
        here: advice for this machine, the best first.
        method, languages, rows, tokens, needs: as of that advice.
    """
    reached = {one.tier for one in here if _is_done(one)}
    found: list[Elsewhere] = []
    for name in TRIED:
        machine = get_machine(name)
        known = [one.tier for one in (*(other.advice for other in found),)]
        advice = get_advice(
            machine, method=method, languages=languages, rows=rows, tokens=tokens, needs=needs, profile="cuda"
        )
        better = [
            one
            for one in advice
            if one.fits == "fits" and not one.model.mixture and one.tier > max((*reached, *known, 0))
        ]
        if better:
            found.append(Elsewhere(name, str(machine["title"]), better[0]))
    return found


def _is_done(advice: Advice) -> bool:
    """Whether a model can be trained on a machine in reasonable time."""
    return advice.fits != "exceeds" and (advice.hours is None or advice.hours <= PATIENCE)
