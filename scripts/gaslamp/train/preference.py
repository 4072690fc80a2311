"""What the preference methods share: checks of their rows, and how a row becomes token ids."""

from __future__ import annotations

from gaslamp.data.encode import split_answer
from gaslamp.data.rows import Message, Row, get_images, get_text
from gaslamp.models.template import Renderer, Tools
from gaslamp.train.method import Context
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


def validate_learnt_pair(row: Row) -> list[str]:
    """The same for methods that learn every token of an answer: a user turn inside it would be learnt too."""
    return validate_pair(row) + find_user_turns(row, "chosen", "rejected")


def find_user_turns(row: Row, *names: str) -> list[str]:
    """A phrase when a user turn stands inside an answer of a row; ``names``: the keys of its answers."""
    found = [name for name in names if any(message["role"] == "user" for message in row[name])]
    if not found:
        return []
    return [
        f"a user turn stands between the answers of {' and '.join(found)} and would be learnt as an answer: end "
        "each side at its first answer"
    ]


def encode_answer(
    renderer: Renderer, prompt: list[Message], answer: list[Message], tools: Tools = None
) -> tuple[list[int], list[int]]:
    """Ids of the prompt, and ids of the answer with the token that ends it, as the recorded template renders them.

    The mask is the one of the data phase and its page, ``split_answer``: earlier assistant turns are context, and in an
    answer of several turns (tool calls) everything from its first turn on is answer.
    """
    encoded = renderer.encode_pieces([split_answer(renderer, prompt, answer, tools)])[0]
    border = encoded.trained.index(True)
    return encoded.ids[:border], encoded.ids[border:]


def encode_pairs(context: Context, rows: list[Row]) -> list[dict[str, list[int]]]:
    """``prompt_ids``, ``chosen_ids``, ``rejected_ids`` of each row.

    A row with a side over ``train.max_length`` is left out.
    """
    result = []
    for row in rows:
        prompt, chosen = encode_answer(context.renderer, row["prompt"], row["chosen"], row.get("tools"))
        _, rejected = encode_answer(context.renderer, row["prompt"], row["rejected"], row.get("tools"))
        if len(prompt) + max(len(chosen), len(rejected)) <= context.settings.train.max_length:
            result.append({"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected})
    return result


def encode_labelled_pairs(context: Context, rows: list[Row]) -> list[Columns]:
    """The same in the columns of TRL's ORPO and CPO trainers: whole sequences with labels, -100 on the prompt."""
    result: list[Columns] = []
    for pair in encode_pairs(context, rows):
        prompt = pair["prompt_ids"]
        row: Columns = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
        for side in ("chosen", "rejected"):
            answer = pair[f"{side}_ids"]
            row |= {
                f"{side}_input_ids": prompt + answer,
                f"{side}_attention_mask": [1] * (len(prompt) + len(answer)),
                f"{side}_labels": [-100] * len(prompt) + answer,
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


def take_as_is(trainer_class: type, *steps: str) -> type:
    """A subclass of a TRL trainer that does not tokenize: its rows are token ids already.

    Args:
        trainer_class: DPOTrainer, KTOTrainer, ORPOTrainer, CPOTrainer.
        steps: names of the methods that would tokenize; each returns its first argument instead.
    """

    def same(self: object, rows: object, *_: object, **__: object) -> object:
        return rows

    return type(trainer_class.__name__, (trainer_class,), dict.fromkeys(steps, same))
