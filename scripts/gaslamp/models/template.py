"""How a conversation becomes tokens, and which of them carry loss.

Training, evaluation, export and chat all use this one place. It is recorded in data/template.json; the parity gate
proves that every artefact agrees with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.core.contracts import Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, sha256_text
from gaslamp.models.loading import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Message = dict[str, Any]
Tools = list[dict[str, Any]] | None


@dataclass(frozen=True)
class Encoded:
    """One training row: token ids and, for each, whether it carries loss."""

    ids: list[int]
    trained: list[bool]

    @property
    def labels(self) -> list[int]:
        """The ids with -100 where no loss is taken, as PyTorch's cross entropy expects."""
        return [token if trained else -100 for token, trained in zip(self.ids, self.trained, strict=True)]


class Renderer:
    """A tokenizer with the recorded template.

    Args:
        tokenizer: of the base model, with the recorded end and padding tokens.
        chat_template: Jinja source.
        stop_tokens: each of them ends an answer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, chat_template: str, stop_tokens: list[str]) -> None:
        self.tokenizer, self.chat_template, self.stop_tokens = tokenizer, chat_template, stop_tokens

    @classmethod
    def load(cls, model_path: str | Path, template: Template) -> Renderer:
        """The renderer of a project: tokenizer of the model, template as recorded."""
        tokenizer = load_tokenizer(model_path)
        tokenizer.pad_token, tokenizer.eos_token = template.pad_token, template.eos_token
        return cls(tokenizer, template.chat_template, template.stop_tokens)

    def render(self, messages: list[Message], generate: bool, tools: Tools = None) -> str:
        """The text of a conversation.

        Args:
            messages: its turns.
            generate: end with the generation prompt, where the model's answer begins.
            tools: JSON schemas of the functions that the model may call.
        """
        text: str = self.tokenizer.apply_chat_template(
            messages, chat_template=self.chat_template, tools=tools, tokenize=False, add_generation_prompt=generate
        )
        return text

    def tokenize(self, text: str) -> list[int]:
        """Token ids of rendered text; the template already holds every special token, so none is added."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def encode_prompt(self, messages: list[Message], tools: Tools = None) -> list[int]:
        """Ids that the model continues; equal to what a server makes of the same messages."""
        return self.tokenize(self.render(messages, generate=True, tools=tools))

    def split(self, messages: list[Message], tools: Tools = None) -> list[tuple[str, bool]]:
        """The text of a conversation in pieces, each with whether it carries loss.

        Every assistant turn is trained, with the token that ends it; a turn with ``train`` (see gaslamp.data.rows) as
        that says. Prompt and answer are separate pieces, as they are when the model generates: no token spans the
        border.

        Raises:
            GaslampError: a template that rewrites earlier turns, never ends an answer, or changes the text of a turn
                that is marked in part.
        """
        pieces: list[tuple[str, bool]] = []
        done, start = "", 0  # the text so far, and the first turn that is in no piece yet
        for index, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            prompt = self.render(messages[:index], generate=True, tools=tools)
            whole = self.render(messages[: index + 1], generate=False, tools=tools)
            if not whole.startswith(prompt) or not prompt.startswith(done):
                raise GaslampError(
                    "the chat template renders earlier turns differently once an answer follows",
                    "use single-turn rows, or a model whose template keeps history unchanged",
                )
            answer = whole[len(prompt) :]
            end = max((answer.rfind(stop) + len(stop) for stop in self.stop_tokens if stop in answer), default=0)
            if not end:
                raise GaslampError(
                    "the chat template never ends an answer: the model would not learn to stop",
                    "use an instruct model, whose template closes every turn",
                )
            pieces += self._split_prompt(prompt, len(done), messages[:index], start, tools)
            pieces += [(answer[:end], True)] if "train" not in message else mark_text(answer[:end], message, index + 1)
            start = index + 1
            done = prompt + answer[:end]
        return pieces

    def _split_prompt(
        self, prompt: str, done: int, messages: list[Message], start: int, tools: Tools
    ) -> list[tuple[str, bool]]:
        """The rendered ``messages`` from character ``done`` on; only turns from ``start`` on that say so carry loss."""
        pieces: list[tuple[str, bool]] = []
        mark = "gaslamp-turn"
        for number, turn in enumerate(messages[start:], start + 1):
            if not turn.get("train"):
                continue
            probe = self.render([*messages[: number - 1], {**turn, "content": mark}], generate=False, tools=tools)
            begin, content = probe.index(mark), str(turn["content"])
            end = begin + len(content)
            if prompt[:end] != probe[:begin] + content:
                raise _get_changed(number)
            pieces += [(prompt[done:begin], False), *mark_text(content, turn, number)]
            done = end
        return [*pieces, (prompt[done:], False)]

    def encode(self, messages: list[Message], tools: Tools = None) -> Encoded:
        """Token ids and loss mask of a conversation, as ``split`` divides it."""
        return self.encode_pieces([self.split(messages, tools)])[0]

    def encode_pieces(self, rows: list[list[tuple[str, bool]]]) -> list[Encoded]:
        """Ids and loss masks of many rows: one call of the tokenizer for all their pieces."""
        texts = [text for pieces in rows for text, _ in pieces if text]
        # without attention masks, which nobody reads: they take a sixth of the time
        found = iter(
            self.tokenizer(texts, add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False)[
                "input_ids"
            ]
            if texts
            else ()
        )
        result = []
        for pieces in rows:
            ids: list[int] = []
            trained: list[bool] = []
            for text, learn in pieces:
                if text:
                    new = next(found)
                    ids.extend(new)
                    trained.extend([learn] * len(new))
            result.append(Encoded(ids, trained))
        return result


def mark_text(text: str, turn: dict[str, Any], number: int = 1, key: str = "content") -> list[tuple[str, bool]]:
    """A rendered text in pieces, as ``train`` of its turn divides it; the end token carries loss when a piece does.

    Args:
        text: holds ``turn[key]``.
        turn: a message, or a row of text, with ``train``.
        number: of the turn, for the error.
        key: the text whose characters the ranges in ``train`` count.

    Raises:
        GaslampError: a part is marked, and the template changed the text.
    """
    train = turn["train"]
    if isinstance(train, bool):
        return [(text, train)]
    at = text.find(turn[key])
    if at < 0:
        raise _get_changed(number)
    pieces, done, end = [], 0, at + len(turn[key])
    for begin, stop in train:
        begin = at + begin if begin else 0
        pieces += [(text[done:begin], False), (text[begin : at + stop], True)]
        done = at + stop
    pieces += [(text[done:end], False), (text[end:], bool(train))]
    return _join_pieces(pieces)


def _join_pieces(pieces: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Join neighbours that both carry loss, or both do not: a token is cut only where the mask changes."""
    result: list[tuple[str, bool]] = []
    for text, learnt in pieces:
        if result and text and result[-1][1] == learnt:
            result[-1] = (result[-1][0] + text, learnt)
        elif text:
            result.append((text, learnt))
    return result


def _get_changed(number: int) -> GaslampError:
    return GaslampError(
        f"turn {number} is marked to be trained (in part, or as no answer), and the chat template changes its text",
        "remove spaces and line ends at the start and end of this turn",
        "remove its marks (train, weight, train_detail)",
    )


def build_template(model_path: str | Path, example: list[Message]) -> Template:
    """Read a model's own chat template and special tokens and check that they can work.

    Args:
        model_path: checkpoint folder.
        example: one training conversation, recorded with ids and mask so that anyone can look at it.

    Raises:
        GaslampError: no chat template, or no token that ends an answer.

    The file carries no time and no versions: training must not rerun for a clock.
    """
    tokenizer = load_tokenizer(model_path)
    if not tokenizer.chat_template or not isinstance(tokenizer.chat_template, str):
        raise GaslampError(
            f"the model in {model_path} has no chat template: it is a base model, not an instruct model",
            "set model.source to the instruct version of this model",
            "put a chat_template.jinja into the model folder",
        )
    mark = "gaslamp-answer"
    probe = tokenizer.apply_chat_template(
        [{"role": "user", "content": "q"}, {"role": "assistant", "content": mark}], tokenize=False
    )
    tail = tokenizer(probe[probe.rindex(mark) + len(mark) :], add_special_tokens=False)["input_ids"]
    end = next(
        (token for token in tail if token in tokenizer.all_special_ids or token in tokenizer.added_tokens_decoder), None
    )
    settings = [
        read_json(Path(model_path) / name)
        for name in ("generation_config.json", "config.json")
        if (Path(model_path) / name).is_file()
    ]
    declared = [value.get("eos_token_id") for value in settings]
    stop_ids = [
        end,
        tokenizer.eos_token_id,
        *(item for value in declared for item in (value if isinstance(value, list) else [value])),
    ]
    stops = list(dict.fromkeys(token for token in stop_ids if token is not None))
    if end is None:
        raise GaslampError(
            f"the chat template of {model_path} puts no special token after an answer: the model would never stop",
            "use an instruct model, or a template that ends each turn with the model's EOS token",
        )
    pad = tokenizer.pad_token_id
    if pad is None or pad in stops:  # a loss that masks padding must not mask the end
        pad = next(
            (i for i in (tokenizer.unk_token_id, *tokenizer.all_special_ids) if i is not None and i not in stops), pad
        )
    if pad is None:
        pad = end
    stop_tokens = tokenizer.convert_ids_to_tokens(stops)
    encoded = Renderer(tokenizer, tokenizer.chat_template, stop_tokens).encode(example)
    if tokenizer.bos_token_id is not None and encoded.ids[:2] == [tokenizer.bos_token_id] * 2:
        raise GaslampError(
            "the rendered prompt begins with two BOS tokens", "remove the BOS token from the chat template"
        )
    return Template(
        chat_template=tokenizer.chat_template,
        sha256=sha256_text(tokenizer.chat_template),
        bos_token=tokenizer.bos_token,
        eos_token=tokenizer.convert_ids_to_tokens(end),
        pad_token=tokenizer.convert_ids_to_tokens(pad),
        bos_id=tokenizer.bos_token_id,
        eos_id=end,
        pad_id=pad,
        stop_ids=stops,
        stop_tokens=stop_tokens,
        example_text=tokenizer.decode(encoded.ids),
        example_ids=encoded.ids,
        example_trained=encoded.trained,
    )
