"""The ids of many texts: what the tokenizer gives when it is called in the usual way, whatever kind it is."""

from __future__ import annotations

from typing import Any

import pytest
from gaslamp.models.loading import encode_texts
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = [
    "plain words, and  two blanks",
    "",
    "  leading and trailing  ",
    "\u00dcber die Stra\u00dfe \u2014 \u4f60\u597d \U0001f642\u200d\u2642\ufe0f e\u0301 \x00\x1f",
    "<|end|>in the middle<|end|> and at the end<|end|>",
    "a\r\nb\tc\n\n\nd",
    "x" * 3000,
]
CORPUS = ["plain words and two blanks", "leading and trailing", "Über die Straße 你好", "in the middle at the end"] * 20
SPECIAL = ["<unk>", "<s>", "<|end|>"]


def make(kind: str) -> PreTrainedTokenizerFast:
    """A small trained tokenizer whose post-processor puts <s> in front."""
    made: dict[str, tuple[Any, Any, Any, Any]] = {
        "byte level": (
            models.BPE(),
            None,
            pre_tokenizers.ByteLevel(add_prefix_space=False),
            trainers.BpeTrainer(
                vocab_size=600, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
            ),
        ),
        "sentencepiece": (
            models.Unigram(),
            normalizers.NFKC(),
            pre_tokenizers.Metaspace(),
            trainers.UnigramTrainer(vocab_size=120, special_tokens=SPECIAL, unk_token="<unk>"),
        ),
        "word pieces": (
            models.WordPiece(unk_token="<unk>"),
            normalizers.BertNormalizer(lowercase=True),
            pre_tokenizers.BertPreTokenizer(),
            trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIAL),
        ),
    }
    model, normalizer, cutter, trainer = made[kind]
    tokenizer = Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = cutter
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", pad_token="<|end|>")


@pytest.mark.parametrize("kind", ["byte level", "sentencepiece", "word pieces"])
def test_ids_are_those_of_the_tokenizer(kind: str) -> None:
    tokenizer = make(kind)
    wanted = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    assert len(wanted[-1]) >= 1 and wanted[4].count(2) == 3, "the special token is one id wherever it stands"
    assert encode_texts(tokenizer, TEXTS) == wanted
    assert encode_texts(tokenizer, []) == []


def test_an_earlier_call_leaves_nothing_behind() -> None:
    """Padding, a limit and split special tokens of an earlier call are no settings of the next."""
    tokenizer = make("byte level")
    wanted = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    tokenizer(TEXTS[:3], padding="max_length", truncation=True, max_length=5, split_special_tokens=True)
    assert encode_texts(tokenizer, TEXTS) == wanted
    tokenizer.split_special_tokens = True
    split = encode_texts(tokenizer, TEXTS)
    assert split == [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    assert 2 not in split[4]


def test_a_tokenizer_class_with_its_own_encoding_is_called() -> None:
    class Reversed(PreTrainedTokenizerFast):
        def _encode_plus(self, text: Any, **options: Any) -> Any:
            return super()._encode_plus([part[::-1] for part in text], **options)

    plain = make("byte level")
    own = Reversed(tokenizer_object=plain.backend_tokenizer)
    assert encode_texts(own, ["abc", "de"]) == encode_texts(plain, ["cba", "ed"])
