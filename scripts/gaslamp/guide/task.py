"""What the words of the task say: who will use the model, which field it is, what it should do."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Words that name a field; the first field that matches is recommended, and can be changed.
DOMAINS = {
    "health": "patient|clinic|clinical|doctor|nurse|medical|medicine|hospital|health|medizinisch|arzt|ärzt|gesundheit"
    "|médical|santé|médico|salud",
    "finance": "bank|banking|invoice|receipt|loan|tax|accounting|finance|insurance|rechnung|steuer|versicherung"
    "|buchhaltung|beleg|factura|facture",
    "legal": "legal|law|contract|lawyer|court|clause|vertrag|recht|anwalt|gericht|klausel",
    "education": "student|teacher|pupil|school|course|exam|homework|schüler|lehrer|schule|unterricht",
    "security": "security|vulnerability|phishing|malware|incident|sicherheitslücke",
    "code": "code|coding|programmer|developer|sql|python|commit|docstring|function|software|programmierer|entwickler",
    "math": "math|maths|mathematics|equation|proof|arithmetic|algebra|mathe|mathematik|rechenaufgabe",
    "science": "science|research|chemistry|physics|biology|forschung|chemie|physik|biologie",
    "support": "support|customer|ticket|helpdesk|complaint|kunde|kundin|kunden|beschwerde|kundendienst",
}

FOR = r"\b(?:for|für|pour|para)"


@dataclass(frozen=True)
class Purpose:
    """What a model may be for.

    Attributes:
        words: of the task, in English, German, French and Spanish; the beginning of a word is enough.
        reading: beginnings of the keys of readings (data.meaning) that serve it.
        rows: the kind of rows that it needs (data.rows.KINDS, or ``images``).
        columns: names for the columns of a file that is still to be written -> one cell as an example.
        metrics: that fit it better than the form of the answers says; the first one decides.
        why: of these metrics.
    """

    words: str
    reading: tuple[str, ...]
    rows: str
    columns: dict[str, str]
    metrics: tuple[str, ...] = ()
    why: str = ""


PURPOSES = {
    "voice": Purpose(
        r"text.to.speech|speech synthesis|read(s|ing)? aloud|vorlesen|tts\b",
        ("speech",),
        "speech",
        {"audio": "recordings/1.wav", "text": "Good morning."},
    ),
    "see": Purpose(
        r"images?\b|pictures?\b|photo|scans?\b|scanned|screenshot|bilder?\b|fotos?\b",
        ("images",),
        "images",
        {"image": "pictures/1.png", "question": "What is the total?", "answer": "12.80"},
    ),
    "translate": Purpose(
        r"translat|übersetz|tradui|traduc",
        ("translate",),
        "conversation",
        {"prompt": "Translate to German: Good morning.", "completion": "Guten Morgen."},
        ("chrf", "bleu"),
        "chrF counts shared letter sequences, which rates translations better than equal words do",
    ),
    "search": Purpose(
        r"search|embedding|retriev|semantic|similar|suche|ähnlich|cherche|busca",
        ("pair",),
        "pair",
        {"anchor": "How do I return a parcel?", "positive": "Returns: print the label in your account ..."},
    ),
    "rate": Purpose(
        r"thumb|upvot|downvot|feedback|daumen|like[ds]? (and|or) dislike",
        ("rate",),
        "rating",
        {"prompt": "Where is my parcel?", "completion": "It arrives on Monday.", "label": "true"},
    ),
    "prefer": Purpose(
        r"prefer|better (answer|of)|chosen|rank(s|ing)? answers|bevorzug",
        ("compare",),
        "preference",
        {"prompt": "Where is my parcel?", "chosen": "It arrives on Monday.", "rejected": "No idea."},
    ),
    "summarize": Purpose(
        r"summar|meeting notes|minutes\b|action items|tl;?dr|zusammenfass|protokoll|résum|resum",
        ("summarize",),
        "conversation",
        {"document": "the whole text", "summary": "what matters in it"},
        ("rouge", "chrf"),
        "ROUGE counts the words and phrases that a summary shares with the expected one",
    ),
    "classify": Purpose(
        r"classif|categor|label|sort(s|ing)?\b|rout(e|es|ing)\b|tag(s|ging)?\b|triage|spam|sentiment|klassifi|einordn"
        r"|sortier|zuordn|kategori|classe|clasif",
        ("classify",),
        "conversation",
        {"text": "the parcel never came", "label": "delivery"},
    ),
    "extract": Purpose(
        r"extract|json\b|structured|fields? (from|of)|parse|extrahier|auslesen|extrai|extrae",
        ("extract",),
        "conversation",
        {"text": "two lattes for Ana at nine", "json": '{"for": "Ana", "items": ["latte", "latte"]}'},
    ),
    "solve": Purpose(
        r"\bmaths?\b|mathematic|arithmetic|equation|word problems?|rechenaufgabe|mathematik|mathe\b",
        ("check", "answer"),
        "prompt",
        {"problem": "6 x 7", "ground_truth": "42"},
    ),
    "continue": Purpose(
        r"continue text|pre-?train|domain text|corpus|running text",
        ("text",),
        "text",
        {"text": "a whole document"},
    ),
    "answer": Purpose(
        r"answer|repl(y|ies)|respon[ds]|questions?\b|chat|assistant|beantwort|antwort|fragen\b|répon|respond",
        ("answer",),
        "conversation",
        {"question": "Where is my parcel?", "answer": "It arrives on Monday."},
    ),
    "write": Purpose(
        r"writ|draft|describ|style|tone|docstring|rewrit|schreib|formulier|beschreib|rédig|escrib",
        ("describe", "answer"),
        "conversation",
        {"prompt": "Write the text for: oak table, 120 cm", "completion": "A table for the long evenings ..."},
    ),
}
"""Purpose -> what it needs; the first one whose words stand in the task is the purpose of the task."""

ANY = PURPOSES["answer"]
"""What is taken when the task names no purpose."""


def get_audience(task: str) -> str:
    """What stands after the last ``for`` of the task, when it reads like a group of people; empty otherwise."""
    match = re.search(
        rf".*{FOR} ((?:the |our |my |all |unsere?n? |die |alle )?[^.,;:\n]{{3,60}})\.?\s*$", task, re.IGNORECASE
    )
    return match.group(1).strip() if match else ""


def get_domain(task: str) -> str:
    """The field that the words of the task name, or ``general``."""
    found = (
        name
        for name, words in DOMAINS.items()
        if re.search(rf"\b({words})(s|es|e|en|er|n|in|innen)?\b", task, re.IGNORECASE)
    )
    return next(found, "general")


def find_purposes(task: str) -> list[str]:
    """The purposes that the words of the task name, the most specific one first."""
    return [name for name, purpose in PURPOSES.items() if re.search(rf"\b({purpose.words})", task, re.IGNORECASE)]
