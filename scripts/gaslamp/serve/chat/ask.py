"""One question to the running server, for programs and for `make chat PROMPT=`."""

from __future__ import annotations

from gaslamp.core.contracts import Card
from gaslamp.core.errors import GaslampError
from gaslamp.core.places import get_data_folder
from gaslamp.core.visible import show_controls
from gaslamp.data.system_turn import begin_with_system
from gaslamp.serve.chat.terminal import connect
from gaslamp.serve.documents import AnswerPart, AnswersDocument


def ask_server(prompt: str, max_tokens: int) -> AnswersDocument:
    """Ask the model that this project serves, greedily as in the evaluation.

    Args:
        prompt: the user's turn; the system prompt of the training rows is added.
        max_tokens: of an answer.

    Raises:
        GaslampError: no server of this project is running, it has ended, or it refuses the prompt.
    """
    from openai import APIConnectionError, APIStatusError

    state, clients = connect()
    card = Card.read(get_data_folder(state["run"]) / "card.json")
    messages = begin_with_system([{"role": "user", "content": prompt}], card.system, card.system_as_user)
    try:
        done = clients["tuned"].chat.completions.create(
            model=state["alias"],
            messages=messages,  # type: ignore[arg-type]
            temperature=0,
            max_tokens=max_tokens,
            extra_body=state["columns"]["tuned"]["request"],
        )
    except APIConnectionError as error:
        raise GaslampError("the server has ended", "start it again with: make deploy", f"see {state['log']}") from error
    except APIStatusError as error:
        raise GaslampError(f"the server gave no answer: {error.message}", "ask something shorter") from error
    choice = done.choices[0]
    text, is_complete = choice.message.content or "", choice.finish_reason != "length"
    answers = [AnswerPart(model="tuned", text=text, is_complete=is_complete)]
    return AnswersDocument(prompt=prompt, system=card.system, source="served", answers=answers)


def print_answers(document: AnswersDocument) -> None:
    """The answers for a person, each behind the name of its model when there are several."""
    for answer in document.answers:
        name = f"{answer.model}> " if len(document.answers) > 1 else ""
        cut = "" if answer.is_complete else "  [cut]"
        print(f"{name}{show_controls(answer.text)}{cut}")
