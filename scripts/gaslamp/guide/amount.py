"""How much there is to train on: rows and tokens, from the data card where there is one, else from a sample."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gaslamp.core.files import JsonObject, read_json
from gaslamp.data.rows import Row
from gaslamp.environment.training_ways import ROWS, TOKENS
from gaslamp.guide.look import Look, get_lengths

CARD = Path("data") / "card.json"
TRAIN_SHARE = 0.8  # of the rows, where the split is not made yet
PICTURE_TOKENS = 300  # about how many a picture adds to a row


class Amount(NamedTuple):
    """What a training reads."""

    rows: int  # that are trained on
    longest: int  # tokens of the longest row, which decides the memory
    mean: int  # tokens of a row in the mean, which decides the time
    origin: str  # where the numbers are from, in words


def count_sample(look: Look, rows: list[Row], name: str, *, has_pictures: bool = False) -> Amount:
    """By the first rows of the data: about so many.

    Args:
        look: at the data.
        rows: its sample, as the method learns from it.
        name: of the data, for people.
        has_pictures: the tokens of pictures come on top.
    """
    lengths = [] if has_pictures else get_lengths(rows)  # pictures have tokens too
    extra = PICTURE_TOKENS if has_pictures else 0
    longest, mean = (lengths[-1], round(sum(lengths) / len(lengths))) if lengths else (TOKENS, TOKENS)
    number = round(look.count * TRAIN_SHARE) if look.count else ROWS
    if look.count is None:
        known = f"; {look.unknown}" if look.unknown else ""
        origin = f"{ROWS:,} rows are assumed{known}"
    else:
        origin = f"four fifths of {'' if look.is_exact else 'about '}{look.count:,} rows"
    if lengths:
        origin += f"; lengths by the first {len(look.rows)} rows of {name}"
    return Amount(max(1, number), longest + extra, mean + extra, origin)


def find_counted(project: Path, method: str, stage: str = "") -> Amount | None:
    """What the data phase counted for this method; ``None`` before it ran."""
    file = CARD.parent / stage / CARD.name
    if not (project / file).is_file():
        return None
    card = read_json(project / file)
    learnt_by = ((card.get("provenance") or {}).get("settings") or {}).get("method")
    if learnt_by not in (None, method):
        return None
    return Amount(int(card["rows"]["train"]), _get_longest(card), _get_mean(card), f"counted: {file}")


def _get_longest(card: JsonObject) -> int:
    """As many tokens as training makes room for; rows that are longer are left out."""
    return int(card.get("max_length") or card["tokens"]["total"].get("max") or card["tokens"]["total"]["p95"])


def _get_mean(card: JsonObject) -> int:
    bins = card.get("histogram") or []
    rows: int = sum(each["rows"] for each in bins)
    if not rows:
        return round(float(card["tokens"]["total"]["p50"]))
    tokens: float = sum(each["rows"] * (each["from"] + each["to"]) / 2 for each in bins)
    return max(1, round(tokens / rows))
