"""The judge model's verdicts are worth little: they depend on the place of an answer, or a person disagrees."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy, Severity
from gaslamp.evaluate.evaluated import Evaluated, show
from gaslamp.evaluate.metrics.llm_judge import FEWEST, PLACES, find_fault, find_habit
from gaslamp.train.diagnose import Seen

TITLE = "the judge model is not reliable"
CAUSE = "the judge is too small for these answers, or the rubric says too little about what counts"
SEVERITY = "likely"
LIMIT = "judge_share"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """It says the same to every pair, or the place or a person contradicts more than ``judge_share`` of them."""
    judged = {n: given["judged"] for n, given in enumerate(answers.tuned) if "judged" in given}
    compared = [n for n, item in judged.items() if item["requests"]]
    by_place = [n for n in compared if judged[n]["twice"] in PLACES]
    labelled = [n for n, item in judged.items() if item["label"]]
    against = [n for n in labelled if judged[n]["label"] != judged[n]["result"]]
    habit, parts, figures = find_habit(list(judged.values())), [], {}
    if habit:
        figures[habit] = sum(judged[n]["twice"] == habit for n in compared) / len(compared)
        says = find_fault(answers.tuned) or "this judge calls both answers the same, whatever they are"
        parts.append(f"{says} ({show(figures[habit])} of {len(compared)} pairs)")
    for name, some, of, words in (
        ("by_place", by_place, compared, "pairs were decided by the place of the answers"),
        ("against", against, labelled, "verdicts differ from yours"),
    ):
        if len(of) >= FEWEST and len(some) > limits.judge_share * len(of) and not (habit and some is by_place):
            figures[name] = len(some) / len(of)
            parts.append(f"{len(some)} of {len(of)} {words} ({show(figures[name])})")
    if not parts:
        return None
    remedies = [
        Remedy(action="take a larger judge model (eval.options.llm_judge.model)"),
        Remedy(action="say in eval.options.llm_judge.rubric what makes an answer good"),
    ]
    if habit:
        remedies[1:] = [Remedy(action="judge without a model: name other metrics in eval.metrics, such as chrf")]
    severity: Severity | None = "certain" if habit in PLACES else "hint" if habit and len(parts) == 1 else None
    return Seen("; ".join(parts), figures, remedies, severity=severity, rows=answers.get_ids(against or by_place))
