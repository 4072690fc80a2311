"""The total line of a spreadsheet, read as a row: ``Total`` and a number are a question and its answer then."""

import re
from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import get_text
from gaslamp.data.suspects import get_suspects

TITLE = "total lines of a table"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "row"
DROPS = True
FIX = "delete the line from the table"
WORDS = """total totals subtotal sum average grand_total gesamt summe gesamtsumme zwischensumme durchschnitt mittelwert
    total_général sous-total somme moyenne suma promedio total_general totale somma media totaal gemiddelde итого всего
    сумма среднее 合计 总计 总和 平均 合計 總計 小計"""
NAMES = frozenset(word.replace("_", " ") for word in WORDS.split())
SIGNS = tuple(
    f"{form}{end}".encode()
    for name in sorted(NAMES)
    for form in sorted({name, name.capitalize(), name.upper()})
    for end in ('"', "\\n", ":")
)
NUMBER = re.compile(r"[-+]?[\d.,'\s]*\d[\d.,'\s]*\s*[%€$£¥]?")


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows whose question is a word for a total and nothing else, with a number as the answer."""
    for sample in get_suspects(samples, facts, SIGNS):
        turns = sample.row.get("messages") or [*sample.row.get("prompt", []), *sample.row.get("completion", [])]
        texts = [get_text(turn).strip() for turn in turns if isinstance(turn, dict) and turn["role"] != "system"]
        if len(texts) == 2 and NUMBER.fullmatch(texts[1]) and (word := find_total(texts[0])):
            yield Finding(sample.place, f"'{word}' with '{texts[1]}' is the total of a table, not a row")


def find_total(text: str) -> str:
    """The word for a total that is all of a text; several columns stand in it with their names, ``Subject: Total``."""
    cells = [line.partition(": ")[2] or line.rstrip() for line in text.splitlines() if line.strip()]
    filled = [cell.strip().rstrip(": ") for cell in cells if not cell.endswith(":")]
    return filled[0] if len(filled) == 1 and filled[0].casefold() in NAMES else ""
