"""What a rented or free GPU would make possible that this machine does not. Standard library and PyYAML only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gaslamp.environment.advise import Advice, get_advice
from gaslamp.environment.machines import get_machine
from gaslamp.environment.rank import explain_slow
from gaslamp.environment.training_ways import Demand

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


def get_elsewhere(here: Sequence[Advice], demand: Demand) -> list[Elsewhere]:
    """For each tier that this machine does not reach, the cheapest other machine that does, and its best model there.

    Args:
        here: advice for this machine, the best first.
        demand: what that advice is for.
    """
    reached = max((one.tier for one in here if _is_done(one)), default=0)
    found: list[Elsewhere] = []
    for name in TRIED:
        machine = get_machine(name)
        known = max((other.advice.tier for other in found), default=0)
        advice = get_advice(machine, demand._replace(is_trial=False), profile="cuda")
        better = [one for one in advice if one.fits == "fits" and not one.obstacle and one.tier > max(reached, known)]
        if better:
            found.append(Elsewhere(name, str(machine["title"]), better[0]))
    return found


def _is_done(advice: Advice) -> bool:
    """Whether a model can be trained on a machine in reasonable time."""
    return advice.fits != "exceeds" and not explain_slow(advice.model, advice.profile, advice.hours)
