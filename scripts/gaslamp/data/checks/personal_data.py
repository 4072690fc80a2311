"""E-mail addresses, phone and card numbers, IBANs and the like in the rows: a model may repeat what it learnt."""

from collections.abc import Iterable, Iterator

from gaslamp.core.files import JsonObject
from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.privacy import PERSONAL_HINT, find_first, find_personal, redact_row
from gaslamp.data.rows import Row

TITLE = "personal data"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "row"
OPTIONS = {"redact": False}  # data.redact sets it
FIX = "data.redact: true puts [EMAIL], [PHONE] ... in its place; or remove it from your file"


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """The first of each row, masked; see gaslamp.data.privacy for what is looked for."""
    for place, text in find_first(samples, PERSONAL_HINT, find_personal, facts.shared):
        yield Finding(place, text)


def fix(row: Row, options: JsonObject) -> Row:
    """The row with everything found (of both kinds) replaced by its name in brackets."""
    return redact_row(row)
