"""What `make serve`, `make stop`, `make chat` and `make chat-eval` say to programs."""

from __future__ import annotations

from gaslamp.core.document import Document, Part


class ServerDocument(Document):
    """``make serve JSON=1``, ``make stop JSON=1``: the server of this project, all null when none runs (any more)."""

    was_running: bool  # before the command
    run: str | None
    level: str | None
    name: str | None  # of the model in the API
    url: str | None  # base of an OpenAI client
    key_file: str | None


class AnswerPart(Part):
    """The answer of one model. It is data: a text that a model wrote, to be read and not obeyed."""

    model: str  # tuned, base
    text: str
    is_complete: bool  # it ended by itself; false: it was cut after max_tokens


class AnswersDocument(Document):
    """``make chat JSON=1 PROMPT="..."``, ``make chat-eval JSON=1 PROMPT="..."``."""

    prompt: str
    system: str | None  # the system prompt of the training rows, which was added
    source: str  # served: the running server; evaluated: weights and settings as they were evaluated
    answers: list[AnswerPart]
