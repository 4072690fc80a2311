"""What the preference methods share: checks of their rows, and how a row becomes token ids."""

from __future__ import annotations

from dataclasses import dataclass

from gaslamp.data.encode import split_answer
from gaslamp.data.rows import Message, Row, get_images, get_text
from gaslamp.models.template import Renderer, Tools
from gaslamp.train.method import Context
from gaslamp.train.trl.as_is import take_as_is
from gaslamp.train.types import Columns, Trainer

KINDS = ("preference",)
NEEDS = "pairs of answers to the same prompt, one better than the other (prompt, chosen, rejected)"
SEQUENCES = 2  # a row holds two answers


def find_prompt_problems(prompt: list[Message]) -> list[str]:
    """What is wrong with the messages that a model should answer, as short phrases."""
    if not prompt:
        return ["the prompt is empty"]
    problems = []
    if prompt[-1]["role"] not in ("user", "tool"):
        problems.append(f"the prompt must end with a user turn, it ends with {prompt[-1]['role']}")
    if any(m["role"] == "user" and not get_text(m).strip() and not get_images([m]) for m in prompt):
        problems.append("the prompt has an empty user turn")
    return problems + find_image_problems(prompt)


def find_answer_problems(name: str, answer: list[Message]) -> list[str]:
    """What is wrong with an answer (``chosen``, ``rejected``, ``completion``)."""
    if not answer or answer[-1]["role"] != "assistant":
        return [f"{name} must end with an assistant turn"]
    if not get_text(answer[-1]).strip() and not answer[-1].get("tool_calls"):
        return [f"{name} is empty"]
    return find_image_problems(answer)


def find_image_problems(messages: list[Message]) -> list[str]:
    """A phrase when messages hold images, which text methods cannot use."""
    return ["it has images: only vision methods learn from them"] if get_images(messages) else []


def validate_pair(row: Row) -> list[str]:
    """What is wrong with a ``preference`` row."""
    problems = (
        find_prompt_problems(row["prompt"])
        + find_answer_problems("chosen", row["chosen"])
        + find_answer_problems("rejected", row["rejected"])
    )
    if row["chosen"] == row["rejected"]:
        problems.append("chosen and rejected are the same: nothing to prefer")
    return problems


@dataclass(frozen=True)
class Answer:
    """A prompt and its answer as token ids.

    Attributes:
        prompt_ids: all in front of the answer.
        ids: of the answer, from its first learnt token on, with the token that ends it.
        learnt: 1 for each of ``ids`` that carries loss, 0 for what tools returned and users said between its turns.
    """

    prompt_ids: list[int]
    ids: list[int]
    learnt: list[int]


def encode_answer(renderer: Renderer, prompt: list[Message], answer: list[Message], tools: Tools = None) -> Answer:
    """Ids of the prompt and of the answer, and the loss mask of the answer, as the recorded template renders them.

    The mask is the one of the data phase and its page, ``split_answer``. An answer of which nothing is marked as learnt
    has no ids.
    """
    encoded = renderer.encode_pieces([split_answer(renderer, prompt, answer, tools)])[0]
    learnt = [int(carries) for carries in encoded.trained]
    border = learnt.index(1) if 1 in learnt else len(learnt)
    return Answer(encoded.ids[:border], encoded.ids[border:], learnt[border:])


def encode_pairs(context: Context, rows: list[Row]) -> list[dict[str, list[int]]]:
    """``prompt_ids``, ``chosen_ids``, ``chosen_mask``, ``rejected_ids``, ``rejected_mask`` of each row.

    A row with a side over ``train.max_length`` is left out, and one with a side of which nothing is learnt.
    """
    result = []
    for row in rows:
        chosen, rejected = (
            encode_answer(context.renderer, row["prompt"], row[side], row.get("tools"))
            for side in ("chosen", "rejected")
        )
        longest = len(chosen.prompt_ids) + max(len(chosen.ids), len(rejected.ids))
        if longest <= context.settings.train.max_length and chosen.ids and rejected.ids:
            result.append(
                {
                    "prompt_ids": chosen.prompt_ids,
                    "chosen_ids": chosen.ids,
                    "chosen_mask": chosen.learnt,
                    "rejected_ids": rejected.ids,
                    "rejected_mask": rejected.learnt,
                }
            )
    return result


def encode_labelled_pairs(context: Context, rows: list[Row]) -> list[Columns]:
    """The same in the columns of TRL's ORPO and CPO trainers: whole sequences with labels, -100 where no loss is."""
    result: list[Columns] = []
    for pair in encode_pairs(context, rows):
        prompt = pair["prompt_ids"]
        row: Columns = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
        for side in ("chosen", "rejected"):
            answer, learnt = pair[f"{side}_ids"], pair[f"{side}_mask"]
            labels = [token if carries else -100 for token, carries in zip(answer, learnt, strict=True)]
            row |= {
                f"{side}_input_ids": prompt + answer,
                f"{side}_attention_mask": [1] * (len(prompt) + len(answer)),
                f"{side}_labels": [-100] * len(prompt) + labels,
            }
        result.append(row)
    return result


def get_labelled_pair_trainer(context: Context, trainer_class: type, config_class: type, **own: object) -> Trainer:
    """TRL's (experimental) ORPOTrainer or CPOTrainer on our token ids: they would add tokens around the sequences.

    Args:
        context: of the run.
        trainer_class, config_class: of TRL.
        own: arguments of that config alone.
    """
    config = config_class(
        **context.arguments, **own, max_length=context.settings.train.max_length, remove_unused_columns=False
    )
    rows, valid = encode_labelled_pairs(context, context.train), encode_labelled_pairs(context, context.valid)
    return context.make_trainer(take_as_is(trainer_class, "tokenize_row"), config, rows, valid)
