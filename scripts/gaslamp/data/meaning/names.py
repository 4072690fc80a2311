"""What the name of a column says about its role, in several languages. A name is a hint: the cells decide with it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from gaslamp.data.meaning import words


@dataclass(frozen=True)
class Hint:
    """What a name says: its concept, and the English name that published data sets use for it."""

    concept: str
    english: str
    exact: bool  # the whole name is known; else only one word of it is
    is_last: bool = True  # the word that is known stands last, where names say what they are


def normalize(name: str) -> str:
    """A column name as the table writes names: no case, no accents, words joined by ``_``."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    text = "".join(char for char in unicodedata.normalize("NFKD", split.casefold()) if not unicodedata.combining(char))
    return re.sub(r"[\W_]+", "_", unicodedata.normalize("NFC", text)).strip("_")


def _read_table() -> dict[str, tuple[str, str]]:
    """Name -> (concept, English name), of words.TABLE."""
    result: dict[str, tuple[str, str]] = {}
    concept = ""
    for line in words.TABLE.split("\n"):
        if line.startswith("["):
            concept = line.strip("[]")
            continue
        english, _, others = line.partition(": ") if concept != "meta" else ("", "", line)
        for word in (english, *others.split()):
            if word:
                result.setdefault(normalize(word), (concept, english or word))
    return result


KNOWN = _read_table()
_FIRST_WITHOUT_SPACES = "\u2e80"
"""Chinese, Japanese and Korean characters come behind it."""
LANGUAGES = frozenset(words.LANGUAGES.split())
_VERDICTS = {
    side: [(word := normalize(each), "" if word > _FIRST_WITHOUT_SPACES else "_") for each in text.split()]
    for side, text in (("good", words.GOOD), ("bad", words.BAD))
}
"""Side -> its adjectives, and what stands between one and the noun."""
_NO_LANGUAGES = ("id", "no", "is", "it")  # alone they mean something else
_LANGUAGE_SIDE = ("text", "sentence", "source", "target", "src", "tgt", "lang")
_PLURALS = {
    f"{word}s": word
    for word, (concept, _) in KNOWN.items()
    if concept in ("answer", "label", "text", "question", "context", "reasoning") and word.isascii()
}
_PLURALS |= {"categories": "category", "summaries": "summary"}


MODELS = re.compile(
    r"(chat)?gpt\d*o?|claude|llama\d*|mistral|mixtral|vicuna|gemini|gemma\d*|qwen\d*|deepseek|bard|koala|wizardlm|davinci"
)
"""Makers of answers, by the first word of a column that is named after one: ``gpt-4``, ``llama-2-7b``."""
INDEX = re.compile(r"unnamed_\d+(_\d+)*|level_\d+|index|index_level_\d+|rownum|row_?(id|number|index)?|column_1")
"""How pandas, R and others call the index that they write: its numbers say nothing."""


def is_index(name: str) -> bool:
    """Whether a name is one of an index that a program wrote."""
    return INDEX.fullmatch(normalize(name)) is not None


def get_hint(name: str) -> Hint | None:
    """What ``name`` says; ``None`` when neither it nor its last or first word is known."""
    text = normalize(name)
    rest = [word for word in text.split("_") if word not in _LANGUAGE_SIDE]
    if len(rest) == 1 and rest[0] in LANGUAGES and text not in _NO_LANGUAGES:
        return Hint("language", text, True)
    whole = normalize(name.casefold())  # Complex_CoT
    text = whole if whole in KNOWN else text if text in KNOWN else _PLURALS.get(text, text)
    if text in KNOWN:
        return Hint(*KNOWN[text], True)
    for end in _TEXT_ENDS:  # answer_text is an answer
        base = text.removesuffix(end)
        hint = get_hint(base) if base != text else None
        if hint and hint.is_last and hint.concept not in ("meta", "text", "language"):
            return Hint(hint.concept, hint.english, False)
    parts = text.split("_")
    for number, part in enumerate(parts[1:-1], 1):  # Message du client: what stands in front says what it is
        if part in _OF and (hint := get_hint("_".join(parts[:number]))):
            return Hint(hint.concept, hint.english, False)
    if (
        get_maker(name)
        and not _names_thoughts(parts[1:])  # deepseek_reasoning
        and not set(parts) & {"score", "rating", "rank", "grade", "model", "name", "id", "label"}
    ):
        return Hint("answer", "response", False)
    two = "_".join(parts[-2:])
    for part in (two, _PLURALS.get(two, ""), parts[-1], _PLURALS.get(parts[-1], ""), parts[0]):
        if part in KNOWN and part != text:
            return Hint(*KNOWN[part], False, part != parts[0])
    last = max((word for word in KNOWN if len(word) >= _least(word) and text.endswith(word)), key=len, default=None)
    return Hint(*KNOWN[last], False) if last else None


def get_maker(name: str) -> str | None:
    """The model that a column is named after; ``None`` when it is named after none."""
    first = normalize(name).split("_")[0]
    return first if MODELS.fullmatch(first) else None


def _names_thoughts(parts: list[str]) -> bool:
    """Whether the end of a name is a word for reasoning."""
    ends = ("_".join(parts[-2:]), parts[-1]) if parts else ()
    return any(KNOWN.get(_PLURALS.get(end, end), ("",))[0] == "reasoning" for end in ends)


_SIDE = re.compile(r"(?P<base>.*?[^\W\d])(?P<joint>_?)(?P<side>[a-f]|[0-6])")
"""``antwort_a``, ``\u9009\u9879a``: a word, and which of several it is."""
_OF = frozenset(["de", "del", "della", "dello", "dell", "delle", "di", "du", "des", "da", "do", "dos", "of", "der"])
_TEXT_ENDS = ("_text", "_content", "_body")


def _least(word: str) -> int:
    """How long the end of a compound must be: ``kundenanfrage`` ends with ``anfrage``, ``用户问题`` with ``问题``."""
    return 4 if word == "text" else 5 if word.isascii() else 2


def _find_pair(names: list[str]) -> dict[str, str]:
    """``gute Antwort`` and ``schlechte Antwort`` -> good_answer and bad_answer; empty unless there is one of each."""
    found = {name: f"{side}_answer" for name in names if (side := _get_side(normalize(name)))}
    return found if sorted(found.values()) == ["bad_answer", "good_answer"] else {}


def _get_side(name: str) -> str | None:
    """Whether a name is that of a good or a bad answer, the adjective in front or behind."""
    for side, adjectives in _VERDICTS.items():
        for adjective, joint in adjectives:
            for noun in (name.removeprefix(f"{adjective}{joint}"), name.removesuffix(f"{joint}{adjective}")):
                noun = noun.strip("_")
                # a plural (correct_answers of UltraFeedback and TruthfulQA) is a list of notes, and no answer to learn
                if noun != name and KNOWN.get(noun, ("",))[0] == "answer":
                    return side
    return None


def translate(names: list[str]) -> dict[str, str]:
    """Column -> its English name, for names that are known as a whole; others stay.

    No two columns get the same name.
    """
    taken = {normalize(name) for name in names}
    result = {}
    judged = _find_pair(names)
    for name in names:
        if name in judged:
            result[name] = judged[name]
            continue
        own = normalize(name)
        concept, english = KNOWN.get(own, ("meta", name))
        found = _SIDE.fullmatch(own) if own not in KNOWN else None
        if found and found["base"] in KNOWN and (found["joint"] or not found["base"].isascii()):  # Antwort A
            concept, english = KNOWN[found["base"]][0], f"{KNOWN[found['base']][1]}_{found['side']}"
        result[name] = name
        if concept != "meta" and english not in taken:
            taken.add(english)
            result[name] = english
    return result
