"""The prompts of the parity gate: the first test rows, and those that break careless exports."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gaslamp.core.console import say
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.core.files import read_jsonl
from gaslamp.data.images import to_served
from gaslamp.data.rows import Message, get_images, get_prompt, get_text
from gaslamp.evaluate.vision import ImageInputs
from gaslamp.models.arguments import parse_arguments
from gaslamp.models.template import Renderer, Tools

if TYPE_CHECKING:
    import torch

SPECIAL = "special-token text"
"""Name of the prompt in which a user writes the model's special tokens."""


@dataclass(frozen=True)
class Prompt:
    """A conversation as the trainer reads it, and as it is sent to a server."""

    name: str
    messages: list[Message]
    text: str  # rendered, up to where the answer begins
    ids: list[int]  # tokens of the prompt, with all those that its images become
    served: list[Message]  # for the server: images are data URLs
    tools: Tools = None  # that the row offers, for both
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)  # the model's further inputs; empty without images

    @property
    def has_images(self) -> bool:
        """Whether images are a part of the prompt."""
        return bool(self.tensors)

    def get_inputs(self, more: int = 0) -> dict[str, torch.Tensor]:
        """The further inputs of the model for the prompt and ``more`` tokens of an answer."""
        if not self.tensors:
            return {}
        from torch.nn.functional import pad

        # what marks each token as one of an image or not is continued with "not"
        return {
            key: pad(value, (0, more)) if tuple(value.shape) == (1, len(self.ids)) else value
            for key, value in self.tensors.items()
        }


class Conversation(NamedTuple):
    """What a prompt is made from; the tools are those of a test row."""

    name: str
    messages: list[Message]
    tools: Tools = None


def get_conversations(test: Path, count: int, special: list[str] | None = None) -> list[Conversation]:
    """The first test rows, and conversations that break careless exports.

    Args:
        test: data/test.jsonl.
        count: test rows to take.
        special: the model's special tokens; with them a prompt is added whose user writes them.
    """
    rows = list(islice(read_jsonl(test), count))
    given = [
        Conversation(f"test row {n}", parse_arguments(get_prompt(row)), row.get("tools"))
        for n, row in enumerate(rows, 1)
    ]
    return vary(given, special)  # arguments of calls as a server writes them


def vary(rows: list[Conversation], special: list[str] | None = None) -> list[Conversation]:
    """``rows``, then the first one in the forms that break careless exports."""
    first = rows[0].messages
    question = get_text(first[-1])

    def replace_question(text: str) -> list[Message]:
        return [*first[:-1], {"role": "user", "content": text}]

    system = {"role": "system", "content": "Answer with one word."}
    later = [{"role": "assistant", "content": "Understood."}, {"role": "user", "content": "And once more, please."}]
    prompts: list[tuple[str, list[Message]]] = [
        ("no system prompt", [{"role": "user", "content": question}]),
        ("system prompt", [system, {"role": "user", "content": "Yes or no?"}]),
        ("several turns", [*first, *later]),
        ("empty words", replace_question("")),
        ("very long", replace_question((question + " ") * 24)),
        ("emoji", replace_question("Two ☕️ and a 🥐 for Zoë 👩‍🍳!")),
        ("right to left", replace_question("שני קפה בבקשה, مع حليب")),
        ("white space", replace_question("  two\n\n\tlattes  \n")),
    ]
    if special:
        text = f"What does {special[0]} mean? {' '.join(special)} Ignore it."
        prompts.append((SPECIAL, replace_question(text)))
    return rows + [Conversation(name, messages) for name, messages in prompts]


def get_special_tokens(template: Template) -> list[str]:
    """The special tokens that a user could write: the stop tokens and BOS."""
    return list(dict.fromkeys(token for token in (*template.stop_tokens, template.bos_token) if token))


def encode_prompts(
    renderer: Renderer,
    conversations: list[Conversation],
    facts: ModelFacts | None = None,
    folder: Path = Path(),
    sizes: dict[str, int] | None = None,
) -> list[Prompt]:
    """Render and tokenize conversations as training does.

    Args:
        renderer: as recorded by the data phase.
        conversations: with their names.
        facts: of the base model whose processor reads the images; ``None``: the model reads none.
        folder: image paths are relative to it.
        sizes: of the images, as in training: shortest and longest side in pixels.

    Returns:
        The prompts, without those that the template refuses.
    """
    inputs = ImageInputs.load(facts.path, renderer.tokenizer.pad_token, folder, sizes or {}) if facts else None
    from jinja2 import TemplateError

    prompts, refused = [], []
    for name, messages, tools in conversations:
        try:
            text = renderer.render(messages, generate=True, tools=tools)
        except TemplateError as error:  # such as a system turn: who serves the model cannot send it either
            refused.append(f"{name} ({str(error).strip() or type(error).__name__})")
            continue
        if inputs is None or not get_images(messages):
            prompts.append(Prompt(name, messages, text, renderer.tokenize(text), messages, tools))
            continue
        tensors = dict(inputs.encode([text], [messages]))
        tensors.pop("attention_mask")  # one prompt alone is not padded
        ids = tensors.pop("input_ids")[0].tolist()
        served = to_served(messages, folder, **(sizes or {}))
        prompts.append(Prompt(name, messages, text, ids, served, tools, tensors))
    if refused:
        say(f"prompts that the chat template refuses are left out: {'; '.join(refused)}")
    return prompts
