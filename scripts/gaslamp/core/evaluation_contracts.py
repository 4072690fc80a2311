"""What compare.json holds next to the scores of base and tuned: rivals that need no training."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from gaslamp.core.artefact import Score

Outcome = Literal["beaten", "no clear difference", "ahead", "not run"]


class Baseline(BaseModel):
    """A way to answer the test rows without this training, scored like base and tuned.

    Attributes:
        name: majority | copy | nearest | longer | word_overlap | few_shot | format.
        title: as it stands in a sentence: ``always answering “tea”``.
        trivial: no model answers and no row is looked up: who does not beat it has shown nothing.
        score: of the deciding metric; ``None``: not run.
        difference: tuned minus this, paired.
        p_value: of the paired test of tuned against this.
        outcome: seen from tuned: beaten by more than chance; ahead of tuned by more than chance.
        reason: why it was not run, as a phrase.
        scores: of the further metrics that can score it, by name.
    """

    name: str
    title: str
    trivial: bool = False
    score: Score | None = None
    difference: Score | None = None
    p_value: float = 1.0
    outcome: Outcome = "not run"
    reason: str = ""
    scores: dict[str, Score] = Field(default_factory=dict)


class Spread(BaseModel):
    """Trainings that differ in their seed alone (``train.seeds``), scored on the same test rows.

    Attributes:
        runs: of the seeds; the first is the run that is compared.
        values: metric -> score of each run, in their order.
        mean: of the deciding metric.
        deviation: its standard deviation between seeds.
        gain: mean minus base, with its t interval over seeds.
    """

    runs: list[str]
    values: dict[str, list[float]]
    mean: float
    deviation: float
    gain: Score

    def excludes_zero(self, sign: int) -> bool:
        """Whether the interval of the gain lies above zero, or below it with ``sign`` -1."""
        return (self.gain.low if sign > 0 else -self.gain.high) > 0
