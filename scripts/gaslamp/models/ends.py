"""Where an answer ends: the tokens that end it, and the end in a rendered text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json
from gaslamp.models.messages import MARK, Message, Style, render_probe, shape_messages
from gaslamp.models.thinking import QUESTION

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

ANSWER: Message = {"role": "assistant", "content": MARK}


def find_end(answer: str, content: str, stop_tokens: list[str]) -> int:
    """Where the token that ends the turn ends in a rendered answer; 0 when there is none.

    Some templates put the end of the text behind the end of the last turn: it is not part of the answer. An end
    token inside ``content`` is text.
    """
    at = answer.rfind(content) + len(content) if content else -1
    if at >= len(content) and stop_tokens:
        first = answer.find(stop_tokens[0], at)
        if first >= 0:
            return first + len(stop_tokens[0])
    return max((answer.rfind(stop) + len(stop) for stop in stop_tokens if stop in answer), default=0)


def find_stops(tokenizer: PreTrainedTokenizerFast, chat_template: str, style: Style, folder: Path) -> list[int]:
    """The ids that end an answer, the template's own end first; what the model folder names as ends follows.

    Raises:
        GaslampError: the template ends answers with no special token.
    """
    files = [folder / name for name in ("generation_config.json", "config.json")]
    declared = [read_json(file).get("eos_token_id") for file in files if file.is_file()]
    named = [
        tokenizer.eos_token_id,
        *(item for value in declared for item in (value if isinstance(value, list) else [value])),
    ]
    # GLM shows the end of an answer only as the beginning of the next turn; it counts where the model names it
    for turns, allowed in (([QUESTION, ANSWER], None), ([QUESTION, ANSWER, QUESTION], named)):
        text = render_probe(tokenizer, chat_template, shape_messages(turns, style)) or ""
        tail = tokenizer(text[text.rfind(MARK) + len(MARK) :], add_special_tokens=False)["input_ids"]
        known = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
        special = [token for token in tail if token in known]
        if special and (allowed is None or special[0] in allowed):
            return list(dict.fromkeys(token for token in (special[0], *named) if token is not None))
    raise GaslampError(
        f"the chat template of {folder} puts no special token after an answer: the model would never stop",
        "use an instruct model, or a template that ends each turn with the model's EOS token",
    )
