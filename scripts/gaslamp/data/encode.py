"""Token ids and loss masks of rows of any kind, many at a time, for lengths and checks."""

from __future__ import annotations

from gaslamp.core.errors import GaslampError
from gaslamp.data.rows import Message, Row, get_images, get_kind, get_text
from gaslamp.models.masks import Pieces, mark_text
from gaslamp.models.template import Encoded, Renderer, Tools


def split_row(renderer: Renderer, row: Row) -> list[Pieces]:
    """The text of a row in pieces, each with whether it is learnt.

    A preference row gives its two sides; a conversation gives several sequences where the template renders earlier
    turns differently (see ``Renderer.split_all``).

    A prompt row has no trained piece: what is learnt comes from its completions. Neither has a pair row. Of messages
    with images the words are counted; how many tokens an image takes is the processor's affair.
    """
    kind = get_kind(row)
    tools = row.get("tools")
    if kind == "conversation":
        words = _get_words(row["messages"])
        if words is row["messages"]:
            return renderer.split_all(words, tools)
        pieces = renderer.split(words, tools)  # vision_sft learns the last answer of a row alone
        last = max(number for number, (_, learnt) in enumerate(pieces) if learnt)
        return [[(text, learnt and number == last) for number, (text, learnt) in enumerate(pieces)]]
    if kind == "preference":
        return [split_answer(renderer, row["prompt"], row[side], tools) for side in ("chosen", "rejected")]
    if kind == "rating":
        return [split_answer(renderer, row["prompt"], row["completion"], tools)]
    if kind == "prompt":
        return [[(renderer.render(_get_words(row["prompt"]), generate=True, tools=tools), False)]]
    if kind == "text" and "train" in row:  # it holds every special token itself
        return [mark_text(row["text"], row, key="text")]
    if kind == "text":
        return [[(row["text"], True), (renderer.tokenizer.eos_token or "", True)]]
    before, after = renderer.text_ends
    texts = [row[key] for key in ("anchor", "positive", "negative") if isinstance(row.get(key), str)]
    return [[(before, False), (text, False), (after, False)] for text in texts]


def split_answer(renderer: Renderer, prompt: list[Message], answer: list[Message], tools: Tools = None) -> Pieces:
    """The pieces of a prompt and its answer with the mask of the preference methods, in training and on the data page.

    The assistant turns of the answer carry loss, as their marks say. Tool results and user turns between them do not,
    nor do answers inside the prompt.

    Raises:
        GaslampError: an answer of several turns, under a template that renders earlier turns differently.
    """
    context = [
        {**turn, "train": False} if turn["role"] == "assistant" or turn.get("train") else turn for turn in prompt
    ]
    sequences = renderer.split_all(_get_words([*context, *answer]), tools)
    if len(sequences) > 1:
        raise GaslampError(
            "this chat template renders earlier turns differently: an answer of several turns cannot be learnt",
            "use answers of one turn, or a model whose template keeps the history unchanged",
        )
    return sequences[0]


def _get_words(messages: list[Message]) -> list[Message]:
    """Messages with text alone, where some hold images."""
    return [{**message, "content": get_text(message)} for message in messages] if get_images(messages) else messages


def encode_rows(renderer: Renderer, rows: list[list[Pieces]]) -> list[list[Encoded]]:
    """The ids that training sees of each row, from its pieces: of each of its sides or sequences."""
    flat = renderer.encode_pieces([pieces for sides in rows for pieces in sides])
    result, start = [], 0
    for sides in rows:
        result.append(flat[start : start + len(sides)])
        start += len(sides)
    return result


def get_example(row: Row) -> list[Message]:
    """The conversation in ``row`` that shows what is learnt; an empty answer where there is none."""
    kind = get_kind(row)
    if kind == "conversation":
        return _get_words(row["messages"])
    if kind in ("preference", "rating"):
        return _get_words([*row["prompt"], *row["chosen" if kind == "preference" else "completion"]])
    if kind == "prompt":
        return _get_words([*row["prompt"], {"role": "assistant", "content": str(row.get("answer") or "...")}])
    text = row["text"] if kind == "text" else row["anchor"]
    return [{"role": "user", "content": text}, {"role": "assistant", "content": row.get("positive", "...")}]
