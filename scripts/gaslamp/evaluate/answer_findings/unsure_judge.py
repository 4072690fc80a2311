"""The judge model's verdicts are worth little: they depend on the place of an answer, or a person disagrees."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, show
from gaslamp.train.diagnose import Seen

TITLE = "the judge model is unsure"
CAUSE = "the judge is too small for these answers, or the rubric says too little about what counts"
SEVERITY = "likely"
LIMIT = "judge_share"
FEWEST = 10  # pairs


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``judge_share`` of the pairs were decided by the place, or differ from the verdict of a person."""
    judged = {n: given["judged"] for n, given in enumerate(answers.tuned) if "judged" in given}
    compared = [n for n, item in judged.items() if item["requests"]]
    by_place = [n for n in compared if judged[n]["by_place"]]
    labelled = [n for n, item in judged.items() if item["label"]]
    against = [n for n in labelled if judged[n]["label"] != judged[n]["result"]]
    parts, figures = [], {}
    for name, some, of, words in (
        ("by_place", by_place, compared, "pairs were decided by the place of the answers"),
        ("against", against, labelled, "verdicts differ from yours"),
    ):
        if len(of) >= FEWEST and len(some) > limits.judge_share * len(of):
            figures[name] = len(some) / len(of)
            parts.append(f"{len(some)} of {len(of)} {words} ({show(figures[name])})")
    if not parts:
        return None
    remedies = [
        Remedy(action="take a larger judge model (eval.options.llm_judge.model)"),
        Remedy(action="say in eval.options.llm_judge.rubric what makes an answer good"),
    ]
    rows = answers.get_ids(against or by_place)
    return Seen("; ".join(parts), figures, remedies, rows=rows)
