"""What the checks of the parity gate share: their usual causes, and how a first difference is described."""

from __future__ import annotations

from gaslamp.core.contracts import ParityCheck

_MERGE = "the adapter was merged with another scale, or onto other weights than it was trained on"
_TOKENS = "the file's tokenizer splits text differently: the conversion lost added tokens or the pre-tokenizer"
CAUSES = {
    "template": "the file has another chat template: the classic 'good in the trainer, bad after export'",
    "tokens": _TOKENS,
    "bos": "the server adds a BOS token that the template already has (or the other way round)",
    "eos": "the export lost the end token: the model would never stop",
    "rope": "the export lost the base of the rotary positions: answers get worse with every token",
    "merge": _MERGE,
    "answers": "the conversion changed the weights, or the served model is another one",
    "image": "llama.cpp resizes images differently from the model's own processor, or puts other text around them",
    "endpoint": "the server renders a conversation differently from the file's template: a template override, "
    "or text put before it",
    "stop": "the end token is not the trained one, so answers run on to the length limit",
    "shown": "llama-server's parser of this chat template does not know what ends an answer",
    "rendered": "the file has another chat template, so another text is scored",
    "vectors": "the conversion changed the weights, or the server uses another pooling of token vectors",
}
"""What usually causes a failed check, by the kind of the fault."""

EXACT = ("f16", "f32")
"""Levels that must agree with the trainer; a quantized one may word an answer differently, and its score decides."""


def make_check(name: str, artefact: str, fault: str | None, detail: str, cause: str) -> ParityCheck:
    """A check that failed when there is a ``fault`` (the first difference), and else passed with ``detail``.

    Args:
        name: of the check, as in parity.json.
        artefact: adapter, merged, or a level.
        fault: the first difference; ``None``: there is none.
        detail: figures of a check that passed.
        cause: key of CAUSES.
    """
    return ParityCheck(
        name=name,
        artefact=artefact,
        passed=fault is None,
        detail=fault or detail,
        cause=CAUSES[cause] if fault else None,
    )


def find_token_difference(name: str, found: list[int], wanted: list[int]) -> str | None:
    """The first token id of ``found`` that is another one, as text; ``None`` when both are equal."""
    if found == wanted:
        return None
    at = next((i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), min(len(found), len(wanted)))
    return f"{name}: token {at + 1} is {found[at : at + 3]} instead of {wanted[at : at + 3]}"


def find_text_difference(name: str, found: str, wanted: str) -> str:
    """Where ``found`` first differs from ``wanted``, with the text that follows in each."""
    at = next((i for i, (a, b) in enumerate(zip(wanted, found, strict=False)) if a != b), min(len(wanted), len(found)))
    return f"{name}: from character {at + 1}: {found[at : at + 40]!r} instead of {wanted[at : at + 40]!r}"
