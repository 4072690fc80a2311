"""What a finding about answers looks at: the rows, both models' answers and scores, and the training rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from gaslamp.config.methods import get_preset
from gaslamp.core import registry
from gaslamp.core.contracts import Compare, MetricResult, TrainFacts
from gaslamp.core.finding import Change, Remedy
from gaslamp.data.rows import Row, get_prompt, get_reference, get_text
from gaslamp.evaluate.default_metrics import recognize_answers
from gaslamp.evaluate.forms import find_label
from gaslamp.evaluate.label_sets import is_reordered
from gaslamp.evaluate.leaks import THOUGHT, TOKEN, TURN, find_echoes, find_marks
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.evaluate.predictions import Prediction, is_silent
from gaslamp.evaluate.repeating import is_repeating
from gaslamp.evaluate.tool_calls import get_reference_calls
from gaslamp.evaluate.training_rows import TrainingRows
from gaslamp.train.remedies import STEP, round_rate

CLASS_ROWS = 500  # test rows from which labels are recognized; more say nothing new
KNOWN_ROWS = 2000  # training rows in which marks are looked for; more say nothing new


@dataclass(frozen=True)
class Evaluated:
    """One evaluation.

    Attributes:
        compare: the result, still without findings.
        rows: test rows.
        base, tuned: predictions in the order of the rows.
        scores: of the deciding metric, base | tuned -> one for each row.
        slices: name -> places of its rows.
        training: training rows of the task; ``None``: not known.
        general: (question, answer of base, answer of tuned) of the general questions.
        facts: train.json; ``None``: not known.
        max_new_tokens: eval.max_new_tokens.
    """

    compare: Compare
    rows: list[Row]
    base: list[Prediction]
    tuned: list[Prediction]
    scores: dict[str, list[float | None]]
    slices: dict[str, list[int]] = field(default_factory=dict)
    training: TrainingRows | None = None
    general: list[tuple[str, str, str]] = field(default_factory=list)
    facts: TrainFacts | None = None
    max_new_tokens: int | None = None

    @property
    def main(self) -> MetricResult:
        """The deciding metric."""
        return self.compare.metrics[0]

    @cached_property
    def is_answered(self) -> bool:
        """Whether the model writes answers: vectors, scores of texts and likelihoods alone are none."""
        answers = ("text" in given and not {"scores", "retrieval"} & set(given) for given in self.tuned)
        written = any(given.get("tokens") or given.get("text") or given.get("tool_calls") for given in self.tuned)
        only_read = all("likelihood" in given and not given.get("tokens") for given in self.tuned)
        return all(answers) and (written or not only_read)

    @cached_property
    def references(self) -> list[str | None]:
        """The reference answer of each row; ``None`` where there is none, or it is a tool call or a recording."""
        return [None if "audio" in row or get_reference_calls(row) else get_reference(row) for row in self.rows]

    @cached_property
    def kind(self) -> str:
        """What the reference answers look like (default_metrics.ANSWERS), ``calls``, or empty without any."""
        if any(get_reference_calls(row) for row in self.rows):
            return "calls"
        known = [text for text in self.references if text is not None]
        return recognize_answers(known) if known else ""

    @cached_property
    def labels(self) -> set[str]:
        """The classes that training and test rows name, tidied."""
        own = {normalize(text) for text in self.references if text is not None}
        return own | {normalize(text) for text in (self.training.answers if self.training else ())}

    @cached_property
    def texts(self) -> list[str]:
        """The answers of tuned, without white space at both ends."""
        return [given.get("text", "").strip() for given in self.tuned]

    @cached_property
    def silent(self) -> list[int]:
        """Places of rows without an answer."""
        return [n for n, (row, given) in enumerate(zip(self.rows, self.tuned, strict=True)) if is_silent(given, row)]

    @cached_property
    def repeating(self) -> list[int]:
        """Places of rows whose answer repeats itself until it is cut."""
        cut = [n for n, given in enumerate(self.tuned) if not given.get("stopped", True)]
        return [n for n in cut if is_repeating(self.texts[n]) and not is_repeating(self.references[n] or "")]

    @cached_property
    def cut(self) -> list[int]:
        """Places of rows whose answer was cut at the limit and does not repeat itself."""
        again = set(self.repeating)
        return [n for n, given in enumerate(self.tuned) if not given.get("stopped", True) and n not in again]

    @cached_property
    def whole(self) -> list[int]:
        """Places of rows whose answer says something and ended by itself."""
        left_out = {*self.silent, *self.repeating, *self.cut}
        return [n for n in range(len(self.rows)) if n not in left_out]

    @cached_property
    def leaked(self) -> dict[int, list[str]]:
        """Place -> borders of turns in the answer: special tokens, or lines such as ``User:``."""
        tokens, turns = self._find_marks(TOKEN), self._find_marks(TURN)
        return {n: [*tokens.get(n, ()), *turns.get(n, ())] for n in sorted({*tokens, *turns})}

    @cached_property
    def leaked_thoughts(self) -> dict[int, list[str]]:
        """Place -> tags of thoughts in a whole answer: no thought was taken out there."""
        whole = set(self.whole)
        return {n: marks for n, marks in self._find_marks(THOUGHT).items() if n in whole}

    @cached_property
    def echoes(self) -> list[int]:
        """Places of answers that begin with the question."""
        turns = [next((m for m in reversed(get_prompt(row)) if m["role"] == "user"), None) for row in self.rows]
        return find_echoes(self.texts, [get_text(turn) if turn else "" for turn in turns], self.references)

    @cached_property
    def clean(self) -> list[int]:
        """Places of whole answers without marks, thoughts or the question in front: their length can be compared."""
        left_out = {*self.leaked, *self.leaked_thoughts, *self.echoes}
        return [n for n in self.whole if n not in left_out]

    @cached_property
    def reordered(self) -> list[int]:
        """Places of wrong answers that name the labels of the reference in another order."""
        pairs = enumerate(zip(self.texts, self.references, strict=True))
        return [n for n, (text, wanted) in pairs if wanted and self.is_wrong(n) and is_reordered(text, wanted)]

    @cached_property
    def named(self) -> list[str]:
        """The class that each answer names, text around it set aside, tidied; empty: none."""
        return [find_label(text, self.labels) or "" for text in self.texts]

    def _find_marks(self, pattern: re.Pattern[str]) -> dict[int, list[str]]:
        if not self.is_answered:
            return {}
        texts = ["" if "audio" in row else text for row, text in zip(self.rows, self.texts, strict=True)]
        if not any(map(pattern.search, texts)):
            return {}
        prompts = ["\n".join(map(get_text, get_prompt(row))) for row in self.rows]
        known = [*self.rows, *(self.training.sample[:KNOWN_ROWS] if self.training else ())]
        references = [text for row in known if (text := get_reference(row, thoughts=True))]
        return find_marks(pattern, texts, prompts, references)

    @property
    def sign(self) -> int:
        """1 where more is better by the deciding metric, -1 where less is."""
        return -1 if self.main.higher is False else 1

    def get_lead(self, score: float) -> float:
        """How much better tuned is than this score by the deciding metric; negative: worse."""
        return self.sign * (self.main.tuned.value - score)

    def is_wrong(self, place: int) -> bool:
        """Whether the deciding metric gives tuned less than its best for this row."""
        score = self.scores["tuned"][place]
        return score is not None and (score < 1 if self.main.unit == "share" and self.sign > 0 else score != 0)

    def get_ids(self, places: Sequence[int]) -> list[str]:
        """Row ids, in the order of the places."""
        return [str(self.rows[n]["id"]) for n in places]

    def get_share(self, places: Sequence[int]) -> float:
        """Of all rows."""
        return len(places) / len(self.rows)

    def lower_rate(self) -> list[Remedy]:
        """A third of the learning rate that trained."""
        rate = self.facts.settings.get("learning_rate") if self.facts else None
        if not isinstance(rate, int | float) or not rate:
            action, effect = "lower train.learning_rate to a third", "the base model's abilities stay"
            return [Remedy(action=action, effect=effect, moves={"train.learning_rate": "lower"})]
        change = Change(key="train.learning_rate", before=float(rate), value=round_rate(float(rate) / STEP))
        effect = "the base model's abilities stay"
        return [Remedy(action="lower the learning rate to a third", effect=effect, changes=[change])]

    @property
    def is_rate_high(self) -> bool:
        """Whether the learning rate is far above the usual one of the method for this model."""
        if self.facts is None or self.facts.method not in registry.names("methods"):
            return False
        settings = self.facts.settings
        usual = get_preset(self.facts.method, str(settings.get("adapter") or "lora"), self.facts.total_parameters)
        rate, known = settings.get("learning_rate"), usual.get("learning_rate")
        return isinstance(rate, int | float) and isinstance(known, int | float) and rate >= STEP * known

    def train_longer(self) -> list[Remedy]:
        """Twice the steps or epochs."""
        for key in ("max_steps", "epochs"):
            now = self.facts.settings.get(key) if self.facts else None
            if isinstance(now, int | float) and now:
                change = Change(key=f"train.{key}", before=now, value=2 * now)
                return [Remedy(action="train twice as long", effect="it learns to distinguish them", changes=[change])]
        return [Remedy(action="train longer", moves={"train.epochs": "raise"})]

    def train_less(self) -> list[Remedy]:
        """Half the steps or epochs."""
        for key, least in (("max_steps", 1), ("epochs", 1)):
            now = self.facts.settings.get(key) if self.facts else None
            if isinstance(now, int | float) and now > least:
                value = max(least, round(now / 2))
                change = Change(key=f"train.{key}", before=now, value=value)
                return [Remedy(action="train half as long", effect="fewer rows are memorized", changes=[change])]
        return []


def show(share: float) -> str:
    """``93.5 %``."""
    return f"{100 * share:.1f} %"


def quote(text: str, limit: int = 40) -> str:
    """``“text”`` on one line, cut."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= limit else line[: limit - 1].rstrip() + '…'}”"
