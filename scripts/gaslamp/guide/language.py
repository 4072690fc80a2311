"""Which language some texts are in, by their script and their most frequent words.

Good enough to choose a language for a page; short texts and languages without such words give none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

NAMES = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "pl": "Polish",
    "sv": "Swedish",
    "tr": "Turkish",
    "ja": "Japanese",
    "zh-Hans": "Chinese (simplified)",
    "zh-Hant": "Chinese (traditional)",
    "ko": "Korean",
    "ru": "Russian",
    "uk": "Ukrainian",
    "el": "Greek",
    "ar": "Arabic",
    "he": "Hebrew",
    "hi": "Hindi",
    "th": "Thai",
}
"""Code of a language -> its name."""

WORDS = {
    "en": "the and of to is in that it for you with are this was have not what how my your can from they will our",
    "de": "der die das und ist nicht ein eine ich sie mit für auf den von zu wie wir werden auch sich bei dem kann",
    "fr": "le la les et est des une pas que pour dans vous je avec sur ce nous mon votre qui sont du au comment",
    "es": "el los las y es una que para con por no en del se mi su cómo está qué como más pero al lo",
    "it": "il lo gli è che di per con non una sono come del della mi si anche questo ho nel alla",
    "pt": "o os as é que para com não uma por do da em meu seu como está mais você ao mas foi na",
    "nl": "het een en van is niet ik dat de voor met op te hoe wij zijn mijn naar ook bij wordt",
    "pl": "nie i w na jest się do że to z jak co dla od po czy mój być przez ale",
    "sv": "och att det är inte jag en som på för med av hur den till ett om har kan vi",
    "tr": "ve bir bu için ile ne nasıl değil da de çok mi benim gibi olarak var daha ama",
}
"""Code -> frequent words; a word that several languages share counts for each of them."""

_WORDS = {code: frozenset(words.split()) for code, words in WORDS.items()}
SCRIPTS = (
    ("ja", r"[\u3040-\u30ff]"),
    ("zh", r"[\u4e00-\u9fff]"),
    ("ko", r"[\uac00-\ud7af]"),
    ("ru", r"[\u0400-\u04ff]"),
    ("el", r"[\u0370-\u03ff]"),
    ("he", r"[\u0590-\u05ff]"),
    ("ar", r"[\u0600-\u06ff]"),
    ("hi", r"[\u0900-\u097f]"),
    ("th", r"[\u0e00-\u0e7f]"),
)
TRADITIONAL, SIMPLIFIED = (
    "這們國說時會對過還沒開關學問題個為與經實體發點",
    "这们国说时会对过还没开关学问题个为与经实体发点",
)
LETTERS = 20000  # of the texts are looked at
CERTAIN = 0.6  # a language must have this share of the words that any language has


def detect(texts: Iterable[str]) -> str:
    """The code of the language that most of the text is in; empty when it is not clear."""
    text = ""
    for part in texts:
        text += " " + part[:1000]
        if len(text) > LETTERS:
            break
    letters = len(re.findall(r"[^\W\d_]", text))
    if not letters:
        return ""
    counts = {code: len(re.findall(pattern, text)) for code, pattern in SCRIPTS}
    if counts["ja"] > 0.1 * letters:
        return "ja"
    best = max(counts, key=lambda code: counts[code])
    if counts[best] > 0.4 * letters:
        return _detail(best, text)
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    scores = {code: sum(words[word] for word in known) for code, known in _WORDS.items()}
    ahead = sorted(scores, key=lambda code: -scores[code])
    first, second = scores[ahead[0]], scores[ahead[1]]
    if not first or first < CERTAIN * (first + second) or first * 15 < sum(words.values()):
        return ""
    return ahead[0]


def _detail(script: str, text: str) -> str:
    """Languages that share a script."""
    if script == "zh":
        traditional, simplified = (len(re.findall(f"[{letters}]", text)) for letters in (TRADITIONAL, SIMPLIFIED))
        return "zh-Hant" if traditional > simplified else "zh-Hans"
    if script == "ru" and re.search(r"[іїєґ]", text.lower()):
        return "uk"
    return script


def get_name(code: str) -> str:
    """``German`` for ``de``; the code itself when it is not known."""
    return NAMES.get(code, code)
