"""Readings that names and cells suggest where no published shape fits, or where one would leave a column out."""

from __future__ import annotations

from dataclasses import replace

from gaslamp.data.meaning.names import get_maker, normalize
from gaslamp.data.meaning.profile import INPUTS, LABEL_LETTERS, MARKS, TEXT_LETTERS, Profile
from gaslamp.data.meaning.readings import CERTAIN, Mapping, Reading

ANSWERS = ("answer", "summary", "description", "extraction", "reasoning")
SIDE_ROLES = ("system", "history", "reasoning")
TASKS = {"answer": "answer", "summary": "summarize", "description": "describe", "extraction": "extract"}
OPEN_ANSWERS = 0.69
"""Of two columns of whole answers neither is certain: which of them is learnt is a question."""
LONGER = 2
"""How many times as long as the inputs with known names another text must be to be one, for a class."""
NAMED = {"answer": 0.6, "summary": 0.5, "description": 0.5, "extraction": 0.55, "label": 0.45}

WRITERS = (
    *("inbound", "incoming", "outbound", "outgoing", "direction", "from_me", "is_from_me", "from_customer"),
    *("is_customer", "is_agent", "is_bot", "role", "sender", "speaker", "author_type", "sender_type", "author_role"),
    *("artist", "singer", "author", "writer", "poet", "character", "role_name", "actor"),
    *("participant", "richtung", "absender", "private", "is_private", "public", "is_public", "internal", "is_internal"),
)
"""Columns that say who wrote a message, or who sees it."""


def infer(profiles: list[Profile]) -> list[Reading]:
    """What the columns can mean, by their names and cells; unordered.

    Args:
        profiles: of every column of the sample.
    """
    columns = [profile for profile in profiles if profile.has_information and profile.is_common]
    readings = _read_images(columns) or _read_languages(columns)
    if not readings:
        readings = [reading for target in columns if (reading := _read_target(target, columns))]
        whole = [column.name for column in columns if is_whole_answer(column)]
        if len(whole) > 1:
            readings = [
                replace(one, score=OPEN_ANSWERS * one.score) if one.mapping.get("completion") in whole else one
                for one in readings
            ]
        readings += [*_read_documents(columns), *_read_checked(columns), *_read_short_answers(profiles)]
        readings += _turn_round(readings, columns)
    return readings


def is_whole_answer(column: Profile) -> bool:
    """Whether a column holds answers in sentences, by its name and cells."""
    return column.concept == "answer" and column.is_free_text and column.letters >= TEXT_LETTERS


def _read_images(columns: list[Profile]) -> list[Reading]:
    """A column of images, and something to learn about each."""
    image = next((column for column in columns if column.holds == "image"), None)
    if image is None:
        return []
    others = [
        column for column in columns if column is not image and column.holds in ("text", "object", "list", "number")
    ]
    readings = []
    for target in others:
        named = NAMED.get(target.concept, 0.4 if target.concept == "text" else 0)
        score = named + 0.35 + 0.2 * target.is_label + 0.1 * target.is_json
        mapping: Mapping = {"images": image.name, "answer": target.name}
        question = next((column for column in others if column.concept == "question" and column is not target), None)
        if target.concept == "question" and len(others) > 1:
            continue
        if question:
            mapping["question"] = question.name
        reason = f"'{image.name}' holds images, '{target.name}' says what is in them"
        readings.append(Reading(f"images {target.name}", "vision", mapping, "images", reason, min(0.99, score)))
    return readings


def _read_languages(columns: list[Profile]) -> list[Reading]:
    """Two columns that are named after languages."""
    pair = [column for column in columns if column.concept == "language" and column.holds == "text"]
    if len(pair) < 2 or any(column.concept in ("question", "answer") for column in columns):
        return []
    readings = []
    for source in pair:
        for target in pair:
            if source is not target:
                ahead = len(pair) == 2 and source is pair[0]
                reason = f"translates '{source.name}' to '{target.name}'" + (
                    ", in the order of the file" if ahead else ""
                )
                mapping: Mapping = {"prompt": source.name, "completion": target.name}
                key = f"translate {source.name} {target.name}"
                readings.append(
                    Reading(key, "prompt_completion", mapping, "conversation", reason, 0.95 if ahead else 0.7)
                )
    return readings


def _read_target(target: Profile, columns: list[Profile]) -> Reading | None:
    """What it means when ``target`` is what the model writes."""
    score = _score_target(target, columns)
    if score is None:
        return None
    inputs, side = _find_inputs(target, columns)
    if not inputs:
        return None
    named = [column for column in inputs if column.concept in INPUTS]
    score += 0.3 if named else 0.1
    score += 0.1 * any(column.letters >= 1.5 * target.letters for column in inputs)
    if any(column.questions > 0.6 for column in inputs):
        score += 0.4 if target.questions < 0.3 and not named else 0
    elif target.questions > 0.6 and not target.is_label:
        score -= 0.3
    score += 0.05 * (target is columns[-1])  # what is written usually stands last
    if target.is_label and not target.concept and len(inputs) > 1 and not named and inputs[0].questions > 0.6:
        score = min(score, 0.6)  # an answer and a verdict on it, in a language that is not known
    if target.concept == "answer" and any(column.concept == "question" for column in inputs):
        score += 0.15
    if target.is_label and normalize(target.name) in WRITERS:
        score = min(score, 0.65)  # who wrote a message: rarely what is learnt of it
    if target.concept == "rating" and normalize(target.name) in MARKS:
        score = min(score, 0.65)  # a mark, or a note that happens to be a number
    mapping = _get_mapping(inputs, target, side)
    lost = [
        column
        for column in columns
        if column not in inputs and column is not target and column.name not in mapping.values()
    ]
    score -= sum(_weigh_lost(column, target) for column in lost)
    task = "classify" if target.concept == "label" or target.is_label else TASKS.get(target.concept, "answer")
    what = " and ".join(f"'{column.name}'" for column in inputs)
    why = {
        "classify": f"'{target.name}' has {target.distinct} different values: the class of {what}"
        if target.distinct > 1
        else f"all that was looked at has the same '{target.name}', which would be the class of {what}",
        "summarize": f"'{target.name}' sums up {what}",
        "extract": f"'{target.name}' holds what is taken out of {what}",
    }.get(task, f"'{target.name}' is the answer to {what}")
    if target.concept == "rating":
        why = f"'{target.name}' rates {what}, {target.distinct} different scores: the number to write"
    return Reading(
        f"{task} {target.name}", "prompt_completion", mapping, "conversation", why, max(0.0, min(0.99, score))
    )


def _score_target(target: Profile, columns: list[Profile]) -> float | None:
    """How likely ``target`` is what the model writes; ``None``: not at all."""
    concept = target.concept
    others = [column.concept for column in columns if column is not target]
    if target.constant:  # a file that is sorted by its labels begins with one of them: never certain
        return 0.1 if concept == "label" else None
    if target.holds in ("image", "sound", "turns") or concept in ("choices", "history", "system", "winner"):
        return None
    if concept == "rating":  # stars of a review are its class; of an answer they rate it
        return 0.6 if target.is_label and not {"question", "answer", "rating"} & set(others) else None
    if concept == "title" and target is columns[-1] and set(others) <= {"text", "context"}:
        return 0.4
    if concept in ("question", "title", "context") and len(columns) > 1:
        return 0.1 if target.is_label and target.hint and not target.hint.exact else None
    named = NAMED.get(concept, 0.0)
    if target.hint and not target.hint.exact:
        named *= 0.9
    if target.is_label and concept in ("label", ""):
        return named + (0.35 if named else 0.5)
    if concept == "label":  # named like a label; the sample is small, or every row has another
        return named if target.letters <= LABEL_LETTERS and target.holds != "number" else 0.15
    if target.is_json and concept in ("extraction", ""):
        return max(named, 0.3) + 0.2
    if named:
        return named
    if concept in ("text", "meta", "language", "reasoning", "chosen", "rejected", "anchor", "positive", "negative"):
        return None
    return 0.2 if target.holds == "text" else None


def _find_inputs(target: Profile, columns: list[Profile]) -> tuple[list[Profile], dict[str, str]]:
    """The columns that are read for ``target``, in the order of the file, and those with a role of their own."""
    others = [column for column in columns if column is not target]
    thoughts = [column for column in others if column.concept == "reasoning" and column.letters >= TEXT_LETTERS / 2]
    thoughts = [column for column in thoughts if not _is_of_another(column, target)]
    if len({get_maker(column.name) for column in thoughts}) > 1:
        thoughts = [column for column in thoughts if get_maker(column.name) == get_maker(target.name)]
    side = {
        column.concept: column.name
        for column in others
        if column.concept in SIDE_ROLES and (column.concept != "reasoning" or column in thoughts)
    }
    if target.concept in ("label", "") or target.is_label:
        side.pop("reasoning", None)
    if target.concept == "rating":
        side = {}
    texts = [
        column
        for column in others
        if column.holds in ("text", "object", "list")
        and not column.is_label
        and (not column.is_json or column.concept == "context")
        and column.name not in side.values()
        and column.concept not in ("label", "choices", "rating", "winner")
        and not (column.concept in ANSWERS and _is_written(column))
    ]
    if not texts and target.is_label:  # a column called resume is what is classified, where there is nothing else
        texts = [column for column in others if column.is_free_text]
        side = {}
    known = [column for column in texts if column.concept in INPUTS]
    if known and target.is_label:  # the plot next to a title: the longest text says most about a class
        longest = max(texts, key=lambda column: column.letters)
        if longest.is_free_text and longest.letters > LONGER * max(column.letters for column in known):
            known = [column for column in texts if column in known or column is longest]
    if known and not target.concept:
        return known, side
    return known or texts, side


def _is_of_another(column: Profile, target: Profile) -> bool:
    """Whether a column and an answer name two makers: ``gemini_thinking_trajectory``, ``deepseek_attempt``."""
    makers = [get_maker(each.name) for each in (column, target)]
    return None not in makers and makers[0] != makers[1]


def _is_written(column: Profile) -> bool:
    """Whether a column is itself something that a model would write."""
    return column.concept in ("answer", "summary", "extraction", "description", "reasoning")


def _get_mapping(inputs: list[Profile], target: Profile, side: dict[str, str]) -> Mapping:
    names = [column.name for column in inputs]
    question = next((column for column in inputs if column.concept == "question"), None)
    mapping: Mapping
    passages = [column for column in inputs if column.concept == "context" and column.holds in ("list", "object")]
    if len(inputs) == 2 and question and all(column.concept in ("question", "context", "text") for column in inputs):
        other = next(column for column in inputs if column is not question)
        mapping = {"context": other.name, "prompt": question.name}
    elif question and passages:
        rest = [column.name for column in inputs if column not in passages]
        mapping = {"context": passages[0].name, "prompt": rest[0] if len(rest) == 1 else rest}
    else:
        mapping = {"prompt": names[0] if len(names) == 1 else names}
    return {**mapping, "completion": target.name, **side}


def _weigh_lost(column: Profile, target: Profile) -> float:
    """What it costs a reading to leave a column out."""
    if _is_of_another(column, target):
        return 0.05
    if column.concept in ("chosen", "rejected", "winner"):
        return 0.3
    if column.is_label or column.concept == "label":
        return 0.2 if target.concept in ("label", "") or target.is_label else 0.1
    if column.concept in ANSWERS:
        return 0.3 if target.concept == "label" or target.is_label else 0.2
    if column.concept == "rating" and target.is_label and target.concept != "rating":
        return 0.2
    if column.holds == "number" or column.concept in ("rating", "meta", "language"):
        return 0.05
    return 0.15


def _read_documents(columns: list[Profile]) -> list[Reading]:
    """Running text to learn as a whole: one column of texts, and nothing that could be an answer to it."""
    texts = [
        column for column in columns if column.is_free_text and column.concept not in ("question", "title", "label")
    ]
    if not texts or any(
        (column.concept in ("question", "label", "answer", "rating") or column.is_label) and not column.constant
        for column in columns
    ):
        return []
    longest = max(texts, key=lambda column: column.letters)
    if not longest.concept and longest.letters < TEXT_LETTERS:
        return []
    others = [column for column in columns if column is not longest]
    alone = not [column for column in others if column.is_free_text and column.concept != "title"]
    score = (0.8 if alone else 0.25) + (0.1 if longest.concept in ("text", "context") else 0) - 0.05 * len(others)
    reason = f"'{longest.name}' is running text, and no column answers it"
    return [
        Reading(
            f"text {normalize(longest.name) or longest.name}", "text", {"text": longest.name}, "text", reason, score
        )
    ]


def _read_short_answers(profiles: list[Profile]) -> list[Reading]:
    """A question, and a date, a code or a link as its answer: where the table has no other column, never certain."""
    if len(profiles) != 2:
        return []
    for question, answer in (profiles, profiles[::-1]):
        named = question.concept == "question" or answer.concept == "answer"
        if (
            named
            and question.is_free_text
            and answer.holds in ("date", "code", "url", "address")
            and answer.distinct > 1
        ):
            mapping: Mapping = {"prompt": question.name, "completion": answer.name}
            reason = f"'{answer.name}' is the answer to '{question.name}'"
            return [Reading(f"answer {answer.name}", "prompt_completion", mapping, "conversation", reason, 0.6)]
    return []


def _turn_round(readings: list[Reading], columns: list[Profile]) -> list[Reading]:
    """Of two columns of text with one uncertain reading the other direction: ``diff`` and ``message`` of a commit."""
    answers = [reading for reading in readings if reading.format == "prompt_completion"]
    if len(columns) != 2 or len(answers) != 1 or not all(column.is_free_text for column in columns):
        return []
    only = answers[0]
    question, answer = only.mapping.get("prompt"), only.mapping.get("completion")
    if only.score >= CERTAIN or not isinstance(question, str) or not isinstance(answer, str):
        return []
    turned: Mapping = {"prompt": answer, "completion": question}
    reason = f"'{question}' is the answer to '{answer}'"
    return [Reading(f"answer {question}", "prompt_completion", turned, "conversation", reason, only.score - 0.05)]


def _read_checked(columns: list[Profile]) -> list[Reading]:
    """A question with a worked solution and a short answer: rewards can compare with the answer."""
    question = [column for column in columns if column.concept == "question"]
    answers = [column for column in columns if column.concept == "answer"]
    if len(question) != 1 or len(answers) < 2:
        return []
    shortest = min(answers, key=lambda column: column.letters)
    mapping: Mapping = {"prompt": question[0].name, "answer": shortest.name}
    reason = f"rewards compare the model's own answers with '{shortest.name}'"
    return [Reading(f"check {shortest.name}", "grpo", mapping, "prompt", reason, 0.5)]
