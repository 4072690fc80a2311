"""outputs/sweep.json: the points of a sweep, and which of them go on."""

from __future__ import annotations

from pydantic import BaseModel, Field

from gaslamp.core.artefact import Artefact, Score
from gaslamp.core.files import JsonObject


class PointFacts(BaseModel):
    """One point.

    Attributes:
        run: its name, and that of its folders.
        changes: the keys in which it differs from the config.
        scores: on the validation rows, one for each seed; empty where no metric can choose.
        score: their mean.
        low, high: the interval of the first seed's score over rows.
        loss: validation loss of the weights that were kept, mean over seeds; ``None``: not measured.
        steps, seconds, peak_memory_gb, trainable_parameters: of the training, as in train.json.
        kept: it goes on to the test rows.
        pruned: why its training ended early (sweep.prune); ``None``: it went through.
    """

    run: str
    changes: JsonObject
    scores: list[float] = Field(default_factory=list)
    score: float | None = None
    low: float | None = None
    high: float | None = None
    loss: float | None = None
    steps: int
    seconds: float
    peak_memory_gb: float
    trainable_parameters: int
    kept: bool = False
    pruned: str | None = None


class SweepFacts(Artefact):
    """outputs/sweep.json.

    Attributes:
        metric, title, unit, higher: of the metric that chose; ``metric`` is ``valid_loss`` where none could.
        n: validation rows.
        keys: in which points differ.
        points: the best first.
        importances: key -> share of the differences in score that it explains; empty for fewer than eight points.
        ties: points whose score is within the interval of the best one.
    """

    metric: str
    title: str
    unit: str = "share"
    higher: bool = True
    n: int
    keys: list[str]
    points: list[PointFacts]
    importances: dict[str, float] = Field(default_factory=dict)
    ties: int = 0

    @property
    def kept(self) -> list[str]:
        """The runs that go on, the best first."""
        return [point.run for point in self.points if point.kept]


class CurvePoint(BaseModel):
    """The same training on a share of the rows: ``share`` 0 is the base model, 1 the run itself."""

    run: str
    share: float
    rows: int
    score: Score


class LearningCurve(Artefact):
    """outputs/<run>/learning_curve.json.

    Attributes:
        metric, title, unit, higher: of the metric.
        n: test rows.
        points: the smallest share first.
        gain: of all rows over half of them, with its paired interval.
        p_value: of the paired test of that gain.
        answer: whether more rows would help, in one sentence.
    """

    metric: str
    title: str
    unit: str = "share"
    higher: bool = True
    n: int
    points: list[CurvePoint]
    gain: Score
    p_value: float
    answer: str
