"""How a conversation becomes tokens, and which of them carry loss.

Training, evaluation, export and chat all use this one place. It is recorded in data/template.json; the parity gate
proves that every artefact agrees with it.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import TemplateSyntaxError

from gaslamp.core.contracts import Template
from gaslamp.core.decisions import Decision
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, sha256_text
from gaslamp.models.arguments import restore, shape_arguments
from gaslamp.models.checkpoint import is_encoder_model
from gaslamp.models.dates import pin_date
from gaslamp.models.encoding import Encoded, depends_on_start, encode_pieces
from gaslamp.models.ends import ANSWER, find_end, find_stops
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.masks import Pieces, get_changed_error, mark_text
from gaslamp.models.messages import MARK, Message, Style, find_style, shape_messages, split_thought
from gaslamp.models.plain_text import get_text_ends
from gaslamp.models.thinking import (
    PROBED,
    QUESTION,
    Borders,
    decide_thinking,
    drop_thoughts,
    find_borders,
    join_opened,
    split_answer,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Tools = list[JsonObject] | None


class Renderer:
    """A tokenizer with the recorded template.

    Args:
        tokenizer: of the base model, with the recorded end and padding tokens.
        chat_template: Jinja source.
        stop_tokens: each of them ends an answer.
        thinking: what becomes of thoughts in front of answers, see gaslamp.models.thinking.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        chat_template: str,
        stop_tokens: list[str],
        thinking: str = "keep",
    ) -> None:
        self.tokenizer, self.chat_template, self.stop_tokens = tokenizer, chat_template, stop_tokens
        self.thinking = thinking

    @cached_property
    def style(self) -> Style:
        """How the template wants the content and the reasoning of a turn."""
        return find_style(self.tokenizer, self.chat_template)

    @cached_property
    def borders(self) -> Borders:
        """How thoughts and answer are divided in generated text, of any model with this template."""
        return find_borders(Renderer(self.tokenizer, self.chat_template, self.stop_tokens))

    @cached_property
    def text_ends(self) -> tuple[str, str]:
        """The special tokens that the tokenizer puts in front of a plain text and behind it."""
        return get_text_ends(self.tokenizer)

    @cached_property
    def _sees_whole(self) -> bool:
        return depends_on_start(self.tokenizer)

    @classmethod
    def load(cls, model_path: str | Path, template: Template) -> Renderer:
        """The renderer of a project: tokenizer of the model, template as recorded."""
        tokenizer = load_tokenizer(model_path)
        tokenizer.pad_token, tokenizer.eos_token = template.pad_token, template.eos_token
        return cls(tokenizer, template.chat_template, template.stop_tokens, template.thinking)

    def render(self, messages: list[Message], generate: bool, tools: Tools = None) -> str:
        """The text of a conversation.

        Args:
            messages: its turns.
            generate: end with the generation prompt, where the model's answer begins.
            tools: JSON schemas of the functions that the model may call.
        """
        style, literals = self.style, list[str]()
        shaped = shape_messages(messages if self.thinking == "keep" else drop_thoughts(messages), style)
        text: str = self.tokenizer.apply_chat_template(
            shape_arguments(shaped, style.text_arguments, style.object_arguments, literals),
            chat_template=self.chat_template,
            tools=tools,
            tokenize=False,
            add_generation_prompt=generate,
        )
        return restore(text, literals)

    def tokenize(self, text: str) -> list[int]:
        """Token ids of rendered text; the template already holds every special token, so none is added."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def read_answer(self, ids: list[int]) -> tuple[str, str]:
        """Thoughts and final answer of generated ids, without special tokens, as a server divides them."""
        raw = self.tokenizer.decode(ids, skip_special_tokens=False)
        thought, answer = split_answer(raw, self.borders)
        if answer == raw:
            return "", self.tokenizer.decode(ids, skip_special_tokens=True)
        for token in self.tokenizer.all_special_tokens:
            thought, answer = thought.replace(token, ""), answer.replace(token, "")
        return thought, answer

    def encode_prompt(self, messages: list[Message], tools: Tools = None) -> list[int]:
        """Ids that the model continues; equal to what a server makes of the same messages."""
        return self.tokenize(self.render(messages, generate=True, tools=tools))

    def split_all(self, messages: list[Message], tools: Tools = None) -> list[Pieces]:
        """The training sequences of a conversation, each in pieces with whether they carry loss.

        One sequence when the template renders a turn the same way whatever follows. Templates of reasoning models drop
        the thoughts of earlier turns: then each answer is learnt after the history that the template shows at that
        point, in a sequence of its own.

        Every assistant turn is trained, with the token that ends it; a turn with ``train`` (see gaslamp.data.rows) as
        that says. Prompt and answer are separate pieces.

        Raises:
            GaslampError: the template never ends an answer, does not continue its own generation prompt, or changes the
                text of a turn that is marked in part.
        """
        sequences: list[Pieces] = []
        pieces: Pieces = []
        done, start = "", 0  # the text of the sequence so far, and the first turn whose marks are in no piece yet
        for index, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            prompt = self.render(messages[:index], generate=True, tools=tools)
            if not prompt.startswith(done):
                if message.get("train") is False:
                    continue  # context of the next answer, in the form that the template gives it there
                if any(learnt for _, learnt in pieces):
                    sequences.append(pieces)
                pieces, done = [], ""
            answer = self.get_answer(prompt, messages[: index + 1], tools)
            pieces += self._split_prompt(prompt, len(done), messages[:index], start, tools)
            pieces += [(answer, True)] if "train" not in message else mark_text(answer, message, index + 1)
            start = index + 1
            done = prompt + answer
        return [*sequences, pieces] if not sequences or any(learnt for _, learnt in pieces) else sequences

    def get_answer(self, prompt: str, messages: list[Message], tools: Tools) -> str:
        """The text of the last turn after its rendered ``prompt``, with the token that ends it.

        Raises:
            GaslampError: the template never ends an answer, or does not continue its own generation prompt.
        """
        whole = self.render(messages, generate=False, tools=tools)
        if whole.startswith(prompt):
            answer: str | None = whole[len(prompt) :]
        else:
            content = "" if self.thinking != "keep" else messages[-1].get("content")
            answer = join_opened(prompt, whole, content, self.thought_end)
            if answer is None and messages[0]["role"] == "system":
                answer = self._get_answer_without_system(prompt, messages[1:], tools)
        if answer is None:
            raise GaslampError(
                "the chat template does not render an answer behind its own generation prompt: the model would be "
                "trained on another text than it continues",
                "set train.thinking: empty in config.yaml, if it is the thoughts of this row that do not fit",
                "use another model, or put a corrected chat_template.jinja into the model folder",
            )
        end = find_end(answer, split_thought(messages[-1].get("content") or "")[1].strip(), self.stop_tokens)
        if end:
            return answer[:end]
        if following := self._get_following_end(messages, tools):
            return answer + following
        raise GaslampError(
            "the chat template never ends an answer: the model would not learn to stop",
            "use an instruct model, whose template closes every turn",
        )

    def _get_answer_without_system(self, prompt: str, messages: list[Message], tools: Tools) -> str | None:
        """The answer as rendered without the system turn, of a template that shows that turn only while it waits for
        an answer (Mistral's, in front of the last question); ``None`` when the prompt ends differently then.
        """
        alone, whole = (self.render(some, g, tools) for some, g in ((messages[:-1], True), (messages, False)))
        question = messages[-2].get("content") if len(messages) > 1 else None
        if not isinstance(question, str) or not whole.startswith(alone):
            return None
        tail = alone[alone.rfind(question) :] if question in alone else alone
        return whole[len(alone) :] if prompt.endswith(tail) else None

    @cached_property
    def thought_end(self) -> str:
        """What the template writes between thoughts and answer."""
        turn = {"role": "assistant", "content": f"<think>\n{PROBED}\n</think>\n\n{MARK}"}
        whole = Renderer(self.tokenizer, self.chat_template, []).render([QUESTION, turn], generate=False)
        after = whole.partition(PROBED)[2]
        return after.partition(MARK)[0] if MARK in after else "\n</think>\n\n"

    def _get_following_end(self, messages: list[Message], tools: Tools) -> str:
        """The end token of an answer where the template writes it only as the beginning of the next turn (GLM)."""
        from jinja2 import TemplateError

        turns = [*messages[:-1], *drop_thoughts(messages[-1:])]  # earlier thoughts are dropped: the text would differ
        following = {"role": "tool", "content": "r"} if messages[-1].get("tool_calls") else QUESTION
        try:
            whole, longer = (self.render(some, generate=False, tools=tools) for some in (turns, [*turns, following]))
        except TemplateError:
            return ""
        after = longer[len(whole) :] if longer.startswith(whole) else ""
        stops = [stop for stop in self.stop_tokens if after.lstrip().startswith(stop)]
        return after[: after.index(stops[0]) + len(stops[0])] if stops else ""

    def split(self, messages: list[Message], tools: Tools = None) -> Pieces:
        """The sequence of ``split_all`` that holds the last answer."""
        return self.split_all(messages, tools)[-1]

    def _split_prompt(self, prompt: str, done: int, messages: list[Message], start: int, tools: Tools) -> Pieces:
        """The rendered ``messages`` from character ``done`` on; only turns from ``start`` on that say so carry loss."""
        pieces: Pieces = []
        mark = "gaslamp-turn"
        for number, turn in enumerate(messages[start:], start + 1):
            if not turn.get("train"):
                continue
            probe = self.render([*messages[: number - 1], {**turn, "content": mark}], generate=False, tools=tools)
            begin, content = probe.index(mark), str(turn["content"])
            end = begin + len(content)
            if prompt[:end] != probe[:begin] + content:
                raise get_changed_error(number)
            pieces += [(prompt[done:begin], False), *mark_text(content, turn, number)]
            done = end
        return [*pieces, (prompt[done:], False)]

    def encode(self, messages: list[Message], tools: Tools = None) -> Encoded:
        """Token ids and loss mask of the sequence that holds the last answer, as ``split`` divides it."""
        return self.encode_pieces([self.split(messages, tools)])[0]

    def encode_all(self, messages: list[Message], tools: Tools = None) -> list[Encoded]:
        """Token ids and loss mask of each training sequence of a conversation; see ``split_all``."""
        return self.encode_pieces(self.split_all(messages, tools))

    def encode_pieces(self, rows: list[Pieces]) -> list[Encoded]:
        """Ids and loss masks of many rows: one call of the tokenizer for all their pieces."""
        return encode_pieces(self.tokenizer, rows, self._sees_whole)


NEUTRAL: list[Message] = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello!"}]
REASONED: list[Message] = [NEUTRAL[0], {"role": "assistant", "content": "<think>\nA greeting.\n</think>\n\nHello!"}]
"""Recorded examples where the template refuses the first row: the check ``unrenderable`` reports that row."""


def _encode_example(renderer: Renderer, example: list[Message]) -> Encoded:
    """``example`` encoded, or the first standard example that the template takes."""
    from jinja2 import TemplateError

    error: GaslampError | None = None
    for messages in (example, NEUTRAL, REASONED):
        try:
            return renderer.encode(messages)
        except GaslampError as found:
            error = error or found
        except (TemplateError, TypeError, ValueError):
            continue
    raise error or GaslampError(
        "the chat template of the model renders neither the first row nor a greeting",
        "use another model, or put a corrected chat_template.jinja into the model folder",
    )


def choose_template(recorded: str | dict[str, str] | None) -> tuple[str | None, Decision | None]:
    """The chat template of a tokenizer, and how it was chosen where it has several with names (Hermes, Command R)."""
    if not isinstance(recorded, dict):
        return recorded, None
    name = "default" if "default" in recorded else next(iter(recorded), None)
    if name is None:
        return None, None
    reason = f"the tokenizer has {len(recorded)} chat templates: {', '.join(recorded)}"
    return recorded[name], Decision(name="chat template", value=name, reason=reason)


def build_template(
    model_path: str | Path, example: list[Message], thinking: str = "keep", rows: int = 1, thoughts: int | None = None
) -> Template:
    """Read a model's own chat template and special tokens and check that they can work.

    Args:
        model_path: checkpoint folder.
        example: one training conversation, recorded with ids and mask so that anyone can look at it.
        thinking: train.thinking.
        rows: training rows that were searched for thoughts.
        thoughts: those with thoughts in front of an answer; None: judged by ``example``.

    Raises:
        GaslampError: no chat template, no token that ends an answer, or train.thinking asks for what it cannot do.

    The file carries no time and no versions: training must not rerun for a clock.
    """
    tokenizer = load_tokenizer(model_path)
    source, named = choose_template(tokenizer.chat_template)
    if not source:
        if is_encoder_model(model_path):
            raise GaslampError(
                f"the model in {model_path} is an encoder: it makes vectors of texts and writes no answers",
                "set model.source to an instruct model",
                "set method: embedding, for pairs of texts that belong together",
            )
        raise GaslampError(
            f"the model in {model_path} has no chat template: it is a base model, not an instruct model",
            "set model.source to the instruct version of this model",
            "put a chat_template.jinja into the model folder",
        )
    try:
        chat_template, dated = pin_date(source)
        plain = Renderer(tokenizer, chat_template, [])
        shown = plain.render([QUESTION, ANSWER], generate=False)
    except TemplateSyntaxError as error:
        raise GaslampError(
            f"the chat template of {model_path} is no valid Jinja: line {error.lineno}: {error.message}",
            "download the model again, or take its template from where it was published",
            "use another model, or put a corrected chat_template.jinja into the model folder",
        ) from error
    if MARK not in shown:
        raise GaslampError(
            f"the chat template of {model_path} does not show the text of an answer",
            "use another model, or put a corrected chat_template.jinja into the model folder",
        )
    if thoughts is None:
        thoughts = int(drop_thoughts(example) is not example)
    mode, chat_template, chosen = decide_thinking(thinking, rows, thoughts, plain)
    stops = find_stops(tokenizer, chat_template, plain.style, Path(model_path))
    end = stops[0]
    pad = tokenizer.pad_token_id
    if pad is None or pad in stops:  # a loss that masks padding must not mask the end
        pad = next(
            (i for i in (tokenizer.unk_token_id, *tokenizer.all_special_ids) if i is not None and i not in stops), pad
        )
    if pad is None:
        pad = end
    stop_tokens = tokenizer.convert_ids_to_tokens(stops)
    renderer = Renderer(tokenizer, chat_template, stop_tokens, mode)
    encoded = _encode_example(renderer, example)
    if tokenizer.bos_token_id is not None and encoded.ids[:2] == [tokenizer.bos_token_id] * 2:
        raise GaslampError(
            "the rendered prompt begins with two BOS tokens", "remove the BOS token from the chat template"
        )
    return Template(
        chat_template=chat_template,
        sha256=sha256_text(chat_template),
        thinking=mode,
        decisions=[decision for decision in (named, dated, chosen) if decision],
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
        example_trained=[bool(learnt) for learnt in encoded.trained],
    )
