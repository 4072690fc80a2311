"""Token ids and loss mask of a row of any kind, for lengths and checks."""

from __future__ import annotations

from gaslamp.rows import Row, get_kind
from gaslamp.template import Encoded, Renderer


def encode_row(renderer: Renderer, row: Row) -> Encoded:
    """The ids that training sees of ``row``; of a preference row the longer side.

    A prompt row has no trained token: what is learnt comes from its completions. Neither has a pair row.
    """
    kind = get_kind(row)
    if kind == "conversation":
        return renderer.encode(row["messages"])
    if kind == "preference":
        sides = [renderer.encode([*row["prompt"], *row[side]]) for side in ("chosen", "rejected")]
        return max(sides, key=lambda side: len(side.ids))
    if kind == "rating":
        return renderer.encode([*row["prompt"], *row["completion"]])
    if kind == "prompt":
        ids = renderer.encode_prompt(row["prompt"])
        return Encoded(ids, [False] * len(ids))
    if kind == "text":
        ids = renderer.tokenize(row["text"]) + [renderer.tokenizer.eos_token_id]
        return Encoded(ids, [True] * len(ids))
    longest = max((renderer.tokenize(row[key]) for key in ("anchor", "positive", "negative") if isinstance(row.get(key), str)), key=len)
    return Encoded(longest, [False] * len(longest))


def get_example(row: Row) -> list[dict[str, str]]:
    """The conversation in ``row`` that shows what is learnt; an empty answer where there is none."""
    kind = get_kind(row)
    if kind == "conversation":
        return list(row["messages"])
    if kind in ("preference", "rating"):
        return [*row["prompt"], *row["chosen" if kind == "preference" else "completion"]]
    if kind == "prompt":
        return [*row["prompt"], {"role": "assistant", "content": str(row.get("answer") or "...")}]
    text = row["text"] if kind == "text" else row["anchor"]
    return [{"role": "user", "content": text}, {"role": "assistant", "content": row.get("positive", "...")}]
