"""Text to speech: a language model that writes the tokens of an audio codec learns the voices of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.data.rows import Row, get_text
from gaslamp.models.speech_codec import load_codec, read_sound, store_sound
from gaslamp.train.method import Context
from gaslamp.train.method import Settings as Settings
from gaslamp.train.methods.sft import get_trainer as get_conversation_trainer
from gaslamp.train.methods.sft import validate as validate_conversation
from gaslamp.train.types import Trainer

if TYPE_CHECKING:
    from gaslamp.data.conversion import Plan

KINDS = ("speech", "conversation")
FIRST_FOR = ("speech",)  # of the methods that learn from such rows the one to start with
NEEDS = (
    "recordings and their texts (audio, text; speaker where there are several voices), or conversations whose "
    "answers are audio tokens already"
)
ARTEFACT = "causal_lm"
TITLE = "text to speech"
REASON = "the rows are recordings with their texts, so the model is trained to write the audio tokens of such speech"
LEARN = """\
The base model writes the tokens of an audio codec instead of words. Training is the same as for text: given the
sentence, predict the tokens of the recording. A falling loss means that the voice and the pronunciation come
closer; only listening shows whether it sounds right. Clean recordings of one voice count for more than many."""
PANELS = ("loss", "token_accuracy", "entropy")
REFERENCE_LABEL = "recording"
CHUNKED_LOSS = True
ADAPTERS = ("lora", "none")
PRESET = {
    "learning_rate": 2e-4,
    "batch_size": 1,
    "gradient_accumulation": 4,
    "epochs": 2,
    "max_length": 4096,
    "warmup_steps": 5,
}
BY_SIZE = {15: {"learning_rate": 1e-4}}
FULL_PRESET = {"learning_rate": 2e-5}
FULL_BY_SIZE = {2: {"learning_rate": 1e-5}, 15: {"learning_rate": 5e-6}}
METRICS = ("loss", "token_accuracy", "entropy", "grad_norm")
DEFAULT_METRICS = ("completion_loss", "stop_rate")  # no exact match: no answer has every token of a recording


def prepare_row(row: Row, plan: Plan) -> Row:
    """A recording as a conversation: the prompt is the text, the answer is the codec's tokens.

    ``audio`` is the stored sound.

    Raises:
        ValueError: the sound of this row cannot be read.
        GaslampError: no codec, or one that cannot be read.
    """
    if "transcript" not in row:
        return row
    codec = load_codec(plan.speech)
    samples = read_sound(row["audio"], Path(plan.folder), codec.rate)
    frames = codec.encode(samples)
    said = f"{row['speaker']}: {row['transcript']}" if row.get("speaker") else row["transcript"]
    messages = [{"role": "user", "content": said}, {"role": "assistant", "content": codec.write(frames)}]
    return {
        "messages": messages,
        "audio": store_sound(samples, codec.rate, Path(plan.facts.folder)),
        "audio_tokens": len(frames) * codec.books,
    }


def validate(row: Row) -> list[str]:
    """What is wrong with one row, as short phrases; empty when nothing is."""
    if "transcript" in row:  # not encoded yet
        return [] if row["transcript"].strip() else ["the text is empty"]
    problems = validate_conversation(row)
    if not problems and " " in get_text(row["messages"][-1]).strip():
        problems.append("the answer is words, not audio tokens: give the recording (columns audio and text)")
    return problems


def get_trainer(context: Context) -> Trainer:
    """The trainer of sft: audio tokens are tokens like any other.

    The check audio_tokens makes sure that the model has each.
    """
    return get_conversation_trainer(context)
