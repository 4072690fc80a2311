"""Audio tokens that the base model does not have: its tokenizer spells them letter by letter,
and nothing can be learnt of it.
"""

from collections.abc import Iterator

from gaslamp.data.checking import Facts, Finding, Sample

TITLE = "audio tokens that the base model does not know"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "encoded"
FIX = "set model.source to a model trained with this codec, or data.speech.tokens to its words for the codes"
AROUND = 8  # tokens that a template may put around an answer


def check(samples: list[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows whose answer has clearly more tokens than the codec gave."""
    for sample in samples:
        wanted = sample.row.get("audio_tokens")
        if wanted is not None and (found := sample.trained.count(1)) > wanted + AROUND:
            yield Finding(sample.place, f"{wanted} audio tokens became {found} tokens of the model")
