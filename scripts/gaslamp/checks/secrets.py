"""Keys, tokens and passwords in the rows: a model may repeat them, and whoever gets the model gets them."""

from collections.abc import Iterable, Iterator
from typing import Any

from gaslamp.data.checking import Facts, Finding
from gaslamp.data.privacy import SECRETS_HINT, find_secrets, find_suspects, get_texts, mask, redact_row
from gaslamp.rows import Row

TITLE = "secrets"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "row"
OPTIONS = {"redact": False}  # data.redact sets it
FIX = "withdraw the key where it was issued; data.redact: true puts [API KEY], [PASSWORD] ... in its place"


def check(samples: Iterable[Any], facts: Facts) -> Iterator[Finding]:
    """The first of each row, masked; see gaslamp.data.privacy for what is looked for."""
    for sample in find_suspects(samples, SECRETS_HINT, facts.shared):
        for place, text in get_texts(sample.row):
            if found := find_secrets(text):
                more = f" and {len(found) - 1} more" if len(found) > 1 else ""
                yield Finding(sample.place, f"{found[0].name} {mask(text, found[0])} in {place}{more}")
                break


def mend(row: Row, options: dict[str, Any]) -> Row:
    """The row with everything found (of both kinds) replaced by its name in brackets."""
    return redact_row(row)
