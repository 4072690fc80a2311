"""Rivals of the tuned model that cost nothing: answers made from the training rows and the question, without a model.

``majority`` gives the most frequent training answer to every row, ``copy`` the question, ``nearest`` the answer of the
training row whose question is most like it (cosine of TF-IDF vectors of words). Preferences have ``longer`` (the longer
answer is the better one), pairs of texts ``word_overlap`` (ranked by TF-IDF).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gaslamp.data.rows import Row, get_kind, get_prompt, get_reference, get_text
from gaslamp.evaluate.metric import Metric
from gaslamp.evaluate.near_duplicates import get_input_text
from gaslamp.evaluate.predictions import Prediction
from gaslamp.evaluate.prompts import PROMPT_KINDS
from gaslamp.evaluate.tool_calls import get_reference_calls
from gaslamp.evaluate.training_rows import TrainingRows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

AUTO = ("majority", "copy", "nearest", "few_shot")
CHARACTERS = 2000  # of a question; what follows does not change which row is nearest
CHUNK = 256  # test rows that are compared with all training rows at once
WORD = r"[\u3040-\u30ff\u3400-\u9fff]|\w+"  # a CJK character is a word


@dataclass(frozen=True)
class Rival:
    """A baseline with its answers, one for each test row and in their order."""

    name: str
    title: str
    predictions: list[Prediction]
    trivial: bool = False
    reason: str = ""  # why there are none


def get_baseline_names(setting: str | list[str]) -> list[str]:
    """The baselines of ``eval.baselines``."""
    return list(AUTO) if isinstance(setting, str) else setting


def get_cheap_rivals(names: list[str], rows: list[Row], training: TrainingRows | None) -> list[Rival]:
    """The baselines of ``names`` that these rows allow.

    Args:
        names: of eval.baselines.
        rows: test rows.
        training: training rows of the task; ``None``: those that need them are left out.
    """
    makers: dict[str, Callable[[], Rival | None]] = {
        "majority": lambda: _answer_majority(rows, training),
        "copy": lambda: _copy(rows),
        "nearest": lambda: _find_nearest(rows, training),
    }
    kind = get_kind(rows[0])
    if not names:
        return []
    found = [_prefer_longer(rows)] if kind == "preference" else [_rank_by_words(rows)] if kind == "pair" else []
    if kind in PROMPT_KINDS:
        found += [rival for name, make in makers.items() if name in names and (rival := make())]
    return found


def can_score(metric: Metric) -> bool:
    """Whether a metric says something about answers that no model gave.

    It must compare with a reference, or name itself able (``BASELINES = True``); time, length and likelihoods cannot.
    """
    if metric.pairwise or metric.higher is None:
        return False
    able = getattr(metric.module, "BASELINES", getattr(metric.module, "REFERENCE", True))
    return bool(able) and set(metric.needs) <= {"answer", "preference", "retrieval"}


def _answer_majority(rows: list[Row], training: TrainingRows | None) -> Rival | None:
    if training is None or not training.answers:
        return None
    answer, count = training.answers.most_common(1)[0]
    if count < 2:
        return None  # every answer is another one: none is frequent
    source = next((row for row in training.sample if (get_reference(row) or "").strip() == answer), None)
    shown = " ".join(answer.split())
    title = f"always answering “{shown if len(shown) <= 40 else shown[:39].rstrip() + '…'}”"
    return Rival("majority", title, [_answer_like(source) if source else _make(answer) for _ in rows], trivial=True)


def _copy(rows: list[Row]) -> Rival | None:
    questions = [next((m for m in reversed(get_prompt(row)) if m["role"] == "user"), None) for row in rows]
    texts = [get_text(message).strip() if message else "" for message in questions]
    return Rival("copy", "copying the question", [_make(text) for text in texts], trivial=True) if any(texts) else None


def _find_nearest(rows: list[Row], training: TrainingRows | None) -> Rival | None:
    if training is None or not training.count:
        return None
    answered = [row for row in training.sample if get_reference(row)]
    questions, known = [[get_input_text(row)[:CHARACTERS] for row in some] for some in (rows, answered)]
    if not any(questions) or not any(known):
        return None
    ours, theirs = _vectorize(questions, known)
    places: list[int] = []
    for start in range(0, len(rows), CHUNK):
        places += (ours[start : start + CHUNK] @ theirs.T).toarray().argmax(axis=1).tolist()
    predictions = [_answer_like(answered[place]) for place in places]
    return Rival("nearest", "the answer of the nearest training row", predictions)


def find_neighbours(rows: list[Row]) -> dict[int, int]:
    """Place of each row -> place of the other row with the most similar question; without those that share no word."""
    questions = [get_input_text(row)[:CHARACTERS] for row in rows]
    if not any(text.strip() for text in questions):
        return {}
    ours, theirs = _vectorize(questions, questions)
    found = {}
    for start in range(0, len(rows), CHUNK):
        similar = (ours[start : start + CHUNK] @ theirs.T).toarray()
        for number, values in enumerate(similar, start):
            values[number] = 0.0
            if values.max() > 0:
                found[number] = int(values.argmax())
    return found


def _prefer_longer(rows: list[Row]) -> Rival:
    def measure(row: Row) -> Prediction:
        lengths = {name: float(sum(len(get_text(m)) for m in row[name])) for name in ("chosen", "rejected")}
        return {**_make(""), "scores": lengths}

    return Rival("longer", "always preferring the longer answer", [measure(row) for row in rows], trivial=True)


def _rank_by_words(rows: list[Row]) -> Rival:
    others = [row["positive"] for row in rows] + [row["negative"] for row in rows if row.get("negative")]
    texts = list(dict.fromkeys(others))
    ours, theirs = _vectorize([row["anchor"][:CHARACTERS] for row in rows], [text[:CHARACTERS] for text in texts])
    places = {text: n for n, text in enumerate(texts)}
    predictions: list[Prediction] = []
    for start in range(0, len(rows), CHUNK):
        similar = (ours[start : start + CHUNK] @ theirs.T).toarray()
        for number, row in enumerate(rows[start : start + CHUNK]):
            own = similar[number, places[row["positive"]]]
            # what shares no word is as near as all others: it counts as found last
            better = int((similar[number] >= own).sum()) - 1 if own == 0 else int((similar[number] > own).sum())
            found = {"rank": better + 1, "of": len(texts), "similarity": round(float(own), 6)}
            predictions.append({**_make(""), "retrieval": found})  # type: ignore[typeddict-item]
    return Rival("word_overlap", "ranking by common words (TF-IDF)", predictions)


def _vectorize(ours: list[str], theirs: list[str]) -> tuple[csr_matrix, csr_matrix]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=WORD, sublinear_tf=True)
    if not any(text.strip() for text in theirs):
        theirs = [text or "?" for text in theirs]
    try:
        found = vectorizer.fit_transform(theirs)
    except ValueError:  # "empty vocabulary": texts of signs alone
        vectorizer = TfidfVectorizer(analyzer="char", sublinear_tf=True)
        found = vectorizer.fit_transform([text or " " for text in theirs])
    return vectorizer.transform(ours), found


def _make(text: str) -> Prediction:
    return {"text": text, "stopped": True, "tokens": 0, "seconds": 0.0}


def _answer_like(row: Row) -> Prediction:
    """The answer of a training row as if a model had given it; a dict of its own, since a metric may write into it."""
    made, calls = _make(get_reference(row) or ""), get_reference_calls(row)
    return {**made, "tool_calls": calls} if calls else made
