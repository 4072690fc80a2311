"""tokenizer.json of published vocabularies that packages hold in another form, for tests.

That such a file cuts text as the published one does is proven by llama.cpp's converter: it knows published tokenizers
by a hash of the ids that they make of one text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gaslamp.core.files import read_json, write_json

TEKKEN = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]")
TEKKEN_SPECIALS = (*TEKKEN, "[/TOOL_RESULTS]", "[TOOL_CALLS]", "<pad>")
"""The first special tokens of a tekken file that lists none; the others have no names."""
CONTROL, USER_DEFINED = 3, 4  # token types of llama.cpp


def write_tekken(source: Path, target: Path) -> None:
    """tokenizer.json of one of Mistral's tekken files, by transformers' own conversion; it begins with a BOS token."""
    from tokenizers.processors import TemplateProcessing
    from transformers.integrations.mistral.tokenizer import MistralConverter

    value = read_json(source)
    value["special_tokens"] = [
        {"rank": rank, "token_str": token, "is_control": True} for rank, token in enumerate(TEKKEN_SPECIALS)
    ]
    copy = target / "tekken.json"
    copy.write_text(json.dumps(value), encoding="utf-8")
    tokenizer = MistralConverter(str(copy)).converted()
    copy.unlink()
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", TEKKEN_SPECIALS.index("<s>"))]
    )
    tokenizer.save(str(target / "tokenizer.json"))


def write_gguf_vocabulary(source: Path, target: Path) -> None:
    """tokenizer.json of a vocabulary-only GGUF file of the StarCoder kind: byte-level BPE, each digit for itself."""
    import gguf
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    reader = gguf.GGUFReader(source)

    def get(key: str) -> Any:
        field = reader.get_field(f"tokenizer.ggml.{key}")
        return field.contents() if field else None

    tokens, kinds, merges = get("tokens"), get("token_type"), get("merges")
    pairs = [tuple(merge.split(" ")) for merge in merges]
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    for kind, is_special in ((CONTROL, True), (USER_DEFINED, False)):
        found = [AddedToken(t, special=is_special) for t, own in zip(tokens, kinds, strict=True) if own == kind]
        (tokenizer.add_special_tokens if is_special else tokenizer.add_tokens)(found)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    if get("add_bos_token"):
        bos = tokens[get("bos_token_id")]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, get("bos_token_id"))]
        )
    tokenizer.save(str(target / "tokenizer.json"))


def name_tokens(file: Path, names: dict[int, str], rows: int) -> None:
    """Make tokens of a tokenizer.json special, under other names; ids behind the vocabulary are new tokens.

    Args:
        file: tokenizer.json.
        names: id -> name.
        rows: of the embedding; tokens behind them, another maker's additions, are left out.
    """
    value = read_json(file)
    vocabulary = {token: number for token, number in value["model"]["vocab"].items() if number < rows}
    last = max(vocabulary.values())
    by_id = {number: token for token, number in vocabulary.items()}
    added = {token["id"]: token for token in value["added_tokens"]}
    by_id |= {number: token["content"] for number, token in added.items()}
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    renamed = {}
    for number, name in names.items():
        if number in by_id:
            renamed[by_id[number]] = name
        vocabulary.pop(by_id.get(number, name), None)
        if number <= last:  # what follows the vocabulary is counted on from its end
            vocabulary[name] = number
        added[number] = {"id": number, "content": name, **plain, "special": True}
    value["model"]["vocab"] = vocabulary
    value["added_tokens"] = [added[number] for number in sorted(added) if number < rows]
    processor = json.dumps(value["post_processor"], ensure_ascii=False)
    for old, new in renamed.items():
        processor = processor.replace(json.dumps(old, ensure_ascii=False), json.dumps(new, ensure_ascii=False))
    value["post_processor"] = json.loads(processor)
    write_json(file, value)
