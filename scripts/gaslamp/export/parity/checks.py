"""What the checks of the parity gate share: their usual causes, and how a first difference is described."""

from __future__ import annotations

from typing import NamedTuple

from gaslamp.core.contracts import ParityCheck


class Advice(NamedTuple):
    """The usual cause of a failed check, and what usually helps; ``<run>`` stands for the name of the run."""

    cause: str
    fix: str


AGAIN = "then run the same command"
_MERGE_AGAIN = f"delete outputs/<run>/merged and outputs/<run>/gguf, {AGAIN}: both are made again"
_FILE_AGAIN = f"delete outputs/<run>/gguf, {AGAIN}: the files are converted again"
_NO_GGUF = (
    "llama.cpp and this model do not agree, so converting again gives the same: export: {formats: [merged]} in "
    "config.yaml ships the merged model, which vLLM and SGLang serve"
)
ADVICE = {
    "template": Advice(
        "the file has another chat template: the classic 'good in the trainer, bad after export'", _MERGE_AGAIN
    ),
    "rendered": Advice(
        "llama.cpp's template engine renders these turns differently, or the file has another chat template", _NO_GGUF
    ),
    "tokens": Advice(
        "the file's tokenizer splits text differently: the conversion lost added tokens or the pre-tokenizer", _NO_GGUF
    ),
    "bos": Advice("the server adds a BOS token that the template already has (or the other way round)", _MERGE_AGAIN),
    "eos": Advice("the export lost the end token: the model would never stop", _MERGE_AGAIN),
    "rope": Advice("the export lost the base of the rotary positions: answers get worse with every token", _FILE_AGAIN),
    "adapter": Advice(
        "the adapter or the base model is not the evaluated one, or another processor or precision computes now",
        "run the same snakemake command with --forcerun evaluate_model: the adapter is evaluated again",
    ),
    "merge": Advice(
        "the adapter was merged with another scale, or onto other weights than it was trained on", _MERGE_AGAIN
    ),
    "answers": Advice(
        "prompts and tokens agree where their checks passed, the numbers do not: the file holds other weights, or "
        "llama.cpp computes this architecture differently",
        _FILE_AGAIN,
    ),
    "limit": Advice(
        "the answers begin alike and one was cut earlier: the limit of answers, not the weights",
        f"raise eval: {{max_new_tokens: ...}} in config.yaml until the answers end by themselves, {AGAIN}",
    ),
    "space": Advice(
        "the answers differ in white space alone: trainer and llama.cpp write these tokens with other spaces", _NO_GGUF
    ),
    "image": Advice(
        "llama.cpp resizes images differently from the model's own processor, or puts other text around them", _NO_GGUF
    ),
    "endpoint": Advice(
        "the server renders a conversation differently from the file's template: a template override, "
        "or text put before it",
        _NO_GGUF,
    ),
    "stop": Advice("the end token is not the trained one, so answers run on to the length limit", _MERGE_AGAIN),
    "shown": Advice("llama-server's parser of this chat template does not know what ends an answer", _NO_GGUF),
    "coarse": Advice(
        "this level is too coarse for the model: its answers score lower than those of 16 bit",
        "add q8_0 to export.levels in config.yaml, then run the same command",
    ),
    "vectors": Advice(
        "the conversion changed the weights, or the server uses another pooling of token vectors", _FILE_AGAIN
    ),
}
"""What usually causes a failed check and what helps, by the kind of the fault."""

EXACT = ("f16", "f32")
"""Levels that must agree with the trainer; a quantized one may word an answer differently, and its score decides."""


def make_check(name: str, artefact: str, fault: str | None, detail: str, cause: str) -> ParityCheck:
    """A check that failed when there is a ``fault`` (the first difference), and else passed with ``detail``.

    Args:
        name: of the check, as in parity.json.
        artefact: adapter, merged, or a level.
        fault: the first difference; ``None``: there is none.
        detail: figures of a check that passed.
        cause: key of ADVICE.
    """
    return ParityCheck(
        name=name,
        artefact=artefact,
        passed=fault is None,
        detail=fault or detail,
        cause=ADVICE[cause].cause if fault else None,
        fix=ADVICE[cause].fix if fault else None,
    )


class Ended(NamedTuple):
    """An answer, whether it ended by itself, and how many tokens it has (0: not known)."""

    text: str
    stopped: bool
    tokens: int = 0


def name_difference(found: Ended, wanted: Ended) -> str:
    """How a served answer differs from the evaluated one, as a key of ADVICE: limit, stop, space or answers."""
    text, own = found.text.strip(), wanted.text.strip()
    if not text or not own:
        return "answers"
    if text == own and found.stopped != wanted.stopped:
        # a cut answer with many more tokens has end tokens that nobody sees
        cut, ended = (wanted, found) if found.stopped else (found, wanted)
        return "stop" if cut.tokens > ended.tokens + 1 and ended.tokens else "limit"
    if "".join(text.split()) == "".join(own.split()):
        return "space"
    if own.startswith(text):
        return "stop" if found.stopped else "limit"
    if text.startswith(own):
        return "stop" if wanted.stopped else "limit"
    return "answers"


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
