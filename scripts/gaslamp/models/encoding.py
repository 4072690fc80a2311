"""Pieces of text as token ids, with which of them carry loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from gaslamp.models.loading import encode_texts
from gaslamp.models.masks import LEARNT, MASKED, Pieces

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Encoded:
    """One training row: token ids and, for each, a byte that is 1 where it carries loss, else 0.

    A byte and not a bool in a list: the data phase counts, finds and compares masks of every row.
    """

    ids: list[int]
    trained: bytes

    @property
    def labels(self) -> list[int]:
        """The ids with -100 where no loss is taken, as PyTorch's cross entropy expects."""
        return [token if trained else -100 for token, trained in zip(self.ids, self.trained, strict=True)]


def depends_on_start(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether a tokenizer puts a space in front of a text: the ids of pieces are not those of the whole then.

    SentencePiece models do (Llama 2, Mistral, Phi-3): a normalizer or a pre-tokenizer of their tokenizer.json prepends.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return False
    parts = [orjson.loads(part.__getstate__()) for part in (backend.normalizer, backend.pre_tokenizer) if part]
    return any(_prepends(part) for part in parts)


def _prepends(part: dict[str, object]) -> bool:
    for key in ("normalizers", "pretokenizers"):
        if isinstance(items := part.get(key), list):
            return any(_prepends(item) for item in items)
    return (
        part["type"] == "Prepend"
        or (part["type"] == "Metaspace" and part.get("prepend_scheme") != "never")
        or (part["type"] == "ByteLevel" and part.get("add_prefix_space") is True)
    )


def encode_pieces(tokenizer: PreTrainedTokenizerFast, rows: list[Pieces], whole: bool) -> list[Encoded]:
    """Ids and loss masks of many rows, in one call of the tokenizer.

    Args:
        tokenizer: of the base model.
        rows: the pieces of each.
        whole: the tokenizer sees each row as one text (see ``depends_on_start``); else piece by piece, so that no
            token spans the border of prompt and answer, as when the model generates.
    """
    if whole:
        return _encode_whole(tokenizer, rows)
    found = iter(encode_texts(tokenizer, [text for pieces in rows for text, _ in pieces if text]))
    result = []
    for pieces in rows:
        ids: list[int] = []
        trained = b""
        for text, learn in pieces:
            if text:
                new = next(found)
                ids += new
                trained += (LEARNT if learn else MASKED) * len(new)
        result.append(Encoded(ids, trained))
    return result


def _encode_whole(tokenizer: PreTrainedTokenizerFast, rows: list[Pieces]) -> list[Encoded]:
    texts = ["".join(text for text, _ in pieces) for pieces in rows]
    if not texts:
        return []
    found = tokenizer(
        texts,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        return_offsets_mapping=True,
    )
    result = []
    for pieces, ids, offsets in zip(rows, found["input_ids"], found["offset_mapping"], strict=True):
        if (border := _find_spanned(pieces, offsets)) is not None:
            result.append(_encode_apart(tokenizer, pieces, border))
            continue
        ends: list[tuple[int, bool]] = []  # where each piece ends, in characters, and whether it carries loss
        at = 0
        for text, learn in pieces:
            if text:
                at += len(text)
                ends.append((at, learn))
        trained = b""
        number = 0
        for _, stop in offsets:
            # a token belongs to the piece that it ends in: one that spans a border is generated after the border
            while number < len(ends) - 1 and stop > ends[number][0]:
                number += 1
            trained += LEARNT if ends[number][1] else MASKED
        result.append(Encoded(list(ids), trained))
    return result


ANCHORS = ("\n", "]", "a", "0", "\u2603")
"""Texts to put in front of an answer, so that no space is; one of them merges with no answer's first letters."""


def _find_spanned(pieces: Pieces, offsets: list[tuple[int, int]]) -> int | None:
    """The first learnt piece whose first token begins in the piece before: a model never generates that token."""
    starts: dict[int, int] = {}
    at = 0
    for number, (text, learn) in enumerate(pieces):
        if learn and at and text:
            starts[at] = number
        at += len(text)
    if not starts:
        return None
    whole = {start for start, _ in offsets} | {stop for _, stop in offsets}
    return next((number for start, number in starts.items() if start not in whole), None)


def _encode_apart(tokenizer: PreTrainedTokenizerFast, pieces: Pieces, border: int) -> Encoded:
    """Pieces whose tokens span the border in front of piece number ``border``: what a server makes of the prompt, then
    what follows it without a space in front.
    """
    first = _encode_whole(tokenizer, [pieces[:border]])[0]
    (text, learn), *rest = pieces[border:]
    for anchor in (*ANCHORS, ""):
        alone = _encode_whole(tokenizer, [[(anchor, False)]])[0].ids
        found = _encode_whole(tokenizer, [[(anchor + text, learn), *rest]])[0]
        if found.ids[: len(alone)] == alone:
            break
    return Encoded(first.ids + found.ids[len(alone) :], first.trained + found.trained[len(alone) :])
