"""Keys, tokens and passwords in the rows: a model may repeat them, and whoever gets the model gets them."""

from collections.abc import Iterable, Iterator

from gaslamp.core.files import JsonObject
from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.privacy import SECRETS_HINT, find_first, find_secrets, redact_row
from gaslamp.data.rows import Row

TITLE = "secrets"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "row"
OPTIONS = {"redact": False}  # data.redact sets it
FIX = "withdraw the key where it was issued; data.redact: true puts [API KEY], [PASSWORD] ... in its place"


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """The first of each row, masked; see gaslamp.data.privacy for what is looked for."""
    for place, text in find_first(samples, SECRETS_HINT, find_secrets, facts.shared):
        yield Finding(place, text)


def fix(row: Row, options: JsonObject) -> Row:
    """The row with everything found (of both kinds) replaced by its name in brackets."""
    return redact_row(row)
