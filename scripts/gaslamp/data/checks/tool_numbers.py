"""Numbers in the schemas of tools that are not shown as they are written: templates and servers write their value."""

import json
from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.readers.numbers import WrittenNumber
from gaslamp.data.suspects import get_suspects

TITLE = "numbers in the schemas of tools"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "row"
FIX = (
    "nothing when the value is what counts: a server that is given the same schema shows it so, too; where the digits "
    "count, write them into the description of the parameter"
)


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows whose tools hold a number (0.10, 1e5) that a chat template writes in another way."""
    for sample in get_suspects(samples, facts, (b'"tools"',)):
        changed = {text: shown for text in find_written(sample.row.get("tools")) if (shown := show(text)) != text}
        if changed:
            pairs = ", ".join(f"{text} is shown as {shown}" for text, shown in list(changed.items())[:3])
            yield Finding(sample.place, f"its tools hold {len(changed)} such numbers: {pairs}")


def find_written(value: object) -> Iterator[str]:
    """The numbers in a value whose text is not what Python writes for them, each as it is written."""
    if isinstance(value, WrittenNumber):
        yield value.text
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from find_written(item)


def show(text: str) -> str:
    """A number of a JSON text as a chat template writes it."""
    return json.dumps(json.loads(text))
