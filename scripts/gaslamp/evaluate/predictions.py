"""One line of a predictions file: what a model answered to one row, and how likely it finds given texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_jsonl
from gaslamp.data.rows import Row, ToolCall, get_reference

if TYPE_CHECKING:
    from gaslamp.evaluate.prompts import EvalPrompt


class LogLikelihood(TypedDict):
    """``logp``: sum of log-probabilities in nats over ``tokens`` tokens."""

    logp: float
    tokens: int


class Retrieval(TypedDict):
    """``rank`` of the true partner among ``of`` texts (1 is the nearest), and its cosine similarity."""

    rank: int
    of: int
    similarity: float


class Prediction(TypedDict, total=False):
    """A line of a predictions file. Every line has id, kind, text, stopped, tokens and seconds."""

    id: str
    kind: str  # test or retention
    text: str  # the final answer, without special tokens
    thought: str  # what the model thought before it; absent when it did not
    unread: str  # what the model wrote, where the server cannot read it and gives an error; the text is empty then
    stopped: bool  # the answer ended with a stop token; False: cut at the limit
    tokens: int
    seconds: float
    ids: list[int]  # tokens of the answer, without the one that ended it
    likelihood: dict[str, LogLikelihood]  # name of a given text -> how likely the model finds it
    scores: dict[str, float]  # of a reward model: name of a given text -> its score
    retrieval: Retrieval
    tool_calls: list[ToolCall]  # read from the answer; absent when it makes none
    rewards: dict[str, float]  # set by the metric mean_reward: label -> value
    judged: JsonObject  # set by the metric llm_judge: the verdict on this row and what it took


Answers = dict[str, Prediction]
"""Predictions by the id of their row."""


def read_predictions(path: Path, rows: list[Row]) -> Answers:
    """The predictions of a file by id.

    Raises:
        GaslampError: a test row has none.
    """
    found: Answers = {row["id"]: cast("Prediction", row) for row in read_jsonl(path)}
    missing = [row["id"] for row in rows if row["id"] not in found]
    if missing:
        raise GaslampError(
            f"{path} has no prediction for {len(missing)} test rows", f"delete {path} and run the same command"
        )
    return found


def make_prediction(
    prompt: EvalPrompt,
    text: str,
    stopped: bool,
    tokens: int,
    seconds: float,
    ids: list[int] | None = None,
    calls: list[ToolCall] | None = None,
    thought: str = "",
) -> Prediction:
    """One line of a predictions file.

    Args:
        prompt: what was answered.
        text: the final answer, without special tokens.
        stopped: the answer ended with a stop token.
        tokens: length of the answer.
        seconds: time for this row.
        ids: token ids of the answer, without the one that ended it; tokenizing the text again may give others.
        calls: tool calls that were read from the answer.
        thought: what the model thought before the answer.
    """
    line: Prediction = {
        "id": prompt.id,
        "kind": prompt.kind,
        "text": text,
        "stopped": stopped,
        "tokens": tokens,
        "seconds": round(seconds, 4),
    }
    if ids is not None:
        line["ids"] = ids
    if calls:
        line["tool_calls"] = calls
    if thought:
        line["thought"] = thought
    return line


def get_whole_text(prediction: Prediction) -> str:
    """The answer with its thoughts, for rewards, which judge the whole completion."""
    thought = prediction.get("thought")
    return f"<think>\n{thought}\n</think>\n\n{prediction['text']}" if thought else prediction["text"]


def get_outcome(prediction: Mapping[str, Any]) -> str | int:
    """What two files of one model are compared by: the answer, the rank of the right text,
    or which of two answers scores higher.

    White space around an answer does not count. Templates of Mistral and Llama 2 put a space in front of answers: a
    server sends it, and a SentencePiece tokenizer drops it when it decodes the answer alone.
    """
    if "retrieval" in prediction:
        return int(prediction["retrieval"]["rank"])
    if {"chosen", "rejected"} <= set(prediction.get("scores", ())):
        return "chosen" if prediction["scores"]["chosen"] > prediction["scores"]["rejected"] else "rejected"
    return str(prediction["text"]).strip()


def is_silent(prediction: Prediction, row: Row) -> bool:
    """Whether a row that wants an answer got none: no text and no call, and for a recording no token."""
    if "text" not in prediction or {"scores", "retrieval"} & set(prediction):
        return False  # such a model answers nothing by its nature
    if row.get("audio"):
        return not prediction.get("tokens")
    if prediction["text"].strip() or prediction.get("tool_calls"):
        return False
    if "likelihood" in prediction and not prediction.get("tokens"):
        return False  # only likelihoods were computed
    return get_reference(row) != ""


def ended_with_an_answer(prediction: Prediction, row: Row) -> bool:
    """Whether the model wrote something and ended by itself: an empty answer ended too, but says nothing."""
    return bool(prediction.get("stopped", True)) and not is_silent(prediction, row)
